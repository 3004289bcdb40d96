// The matrix of inputs by variants. Arrow keys go from cell to cell; one of them is current.

import { type Child, anchor, aria, button, make, redraw, th } from "../shared/dom";
import { content, plain, reveal, thousands } from "../shared/text";
import { cellParts, textOf } from "./cell";
import type { LabCell, LabLink, LabRow, LabState, Page, Variant } from "./link";

/** The least width of a column, in pixels. */
const LEAST = 112;

export interface MatrixOwner {
  link: LabLink;
  /** Another cell is current. */
  moved(): void;
  open(): void; edit(key: string): void;
  /** Whether the differences from the baseline are marked. */
  readonly diff: boolean;
}

export class Matrix {
  row = 0;
  slot = 0;
  readonly node: HTMLElement;
  private readonly head = make("thead");
  private readonly body = make("tbody");
  private readonly table = make("table", "sk-lab-table sk-lab-grid", this.head, this.body);
  private cells: HTMLTableCellElement[][] = [];

  constructor(private readonly owner: MatrixOwner) {
    this.table.setAttribute("role", "grid");
    aria(this.table, "label", "inputs by variants");
    this.node = make("div", "sk-lab-matrix", this.table);
    this.body.addEventListener("click", (event) => {
      const place = this.place(event.target);
      if (place && !window.getSelection()?.toString()) this.go(...place);
    });
    this.body.addEventListener("dblclick", (event) => {
      if (!this.place(event.target)) return;
      // the word that the double click has selected
      window.getSelection()?.removeAllRanges();
      owner.open();
    });
    this.body.addEventListener("focusin", (event) => {
      const place = this.place(event.target);
      if (place) this.choose(...place);
    });
  }

  /** The row that the current cell is in. */
  get current(): LabRow | undefined { return this.owner.link.shown.rows?.[this.row]; }

  /** Go to a cell, or to the nearest that there is. */
  go(row: number, slot: number): void {
    if (!this.cells.length) return;
    const line = this.cells[Math.max(0, Math.min(row, this.cells.length - 1))];
    const cell = line[Math.max(0, Math.min(slot, line.length - 1))];
    cell?.focus({ preventScroll: true });
    cell?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Put the focus on the current cell, or on the matrix if there is none. */
  focus(): void {
    if (this.cells[this.row]?.[this.slot]) this.go(this.row, this.slot);
    else this.node.focus();
  }

  /** @returns whether a key goes from one cell to another */
  step(event: KeyboardEvent): boolean {
    const place = this.place(event.target);
    if (!place) return false;
    const [row, slot] = place;
    const last = this.cells[row].length - 1;
    const steps: Record<string, [number, number]> = {
      ArrowDown: [row + 1, slot],
      ArrowUp: [row - 1, slot],
      ArrowRight: [row, slot + 1],
      ArrowLeft: [row, slot - 1],
      Home: event.ctrlKey ? [0, 0] : [row, 0],
      End: event.ctrlKey ? [this.cells.length - 1, last] : [row, last],
    };
    const to = steps[event.key];
    if (to) this.go(...to);
    return !!to;
  }

  draw(state: LabState, page: Page): void {
    const rows = page.rows ?? [];
    const width = state.columns.length;
    const held = this.body.contains(document.activeElement);
    this.table.style.minWidth = `${LEAST * (width + 0.75)}px`;
    this.drawHead(state, names(rows));
    while (this.cells.length > rows.length) {
      this.cells.pop();
      this.body.lastElementChild?.remove();
    }
    rows.forEach((row, n) => this.drawRow(row, n, width));
    this.row = Math.max(0, Math.min(this.row, rows.length - 1));
    this.slot = Math.max(0, Math.min(this.slot, width - 1));
    this.select();
    // without any cell, the matrix itself takes the focus
    this.node.tabIndex = rows.length && width ? -1 : 0;
    if (held && !this.body.contains(document.activeElement)) this.focus();
  }

  /** The row and the column of the cell that an element is in. */
  private place(target: EventTarget | null): [number, number] | null {
    const cell = target instanceof Element ? target.closest<HTMLElement>("td[data-slot]") : null;
    return cell && [Number(cell.dataset.row), Number(cell.dataset.slot)];
  }

  private choose(row: number, slot: number): void {
    if (row === this.row && slot === this.slot) return;
    this.row = row;
    this.slot = slot;
    this.select();
    this.owner.moved();
  }

  private select(): void {
    this.cells.forEach((line, n) =>
      line.forEach((cell, slot) => {
        const current = n === this.row && slot === this.slot;
        cell.tabIndex = current ? 0 : -1;
        aria(cell, "selected", current);
      }),
    );
  }

  /** @param field the name of the inputs' only field, or "input" */
  private drawHead({ columns, variants, models, blind }: LabState, field: string): void {
    const { diff } = this.owner;
    redraw(this.head, [columns, variants, blind, field, diff], () => {
      if (blind) return [make("tr", "", th("col", "", reveal(field)), ...columns.map((_, n) => th("col", "", String(n + 1))))];
      const names = make("tr", "", th("col", "", reveal(field)));
      const prompts = make("tr", "sk-lab-prompts", th("row", "sk-faint", "prompt"));
      for (const variant of variants) {
        const prompt = make("td", "", promptOf(variant, diff));
        prompt.colSpan = models.length;
        prompts.append(prompt);
        names.append(this.title(variant, models.length));
      }
      if (models.length < 2) return [names, prompts];
      return [names, prompts, make("tr", "", th("row", "sk-faint", "model"), ...columns.map(({ model }) => th("col", "", model)))];
    }, () => this.focus());
  }

  private title(variant: Variant, width: number): HTMLElement {
    const { key, name, baseline, at, versions } = variant;
    const edit = anchor(button("Edit", () => this.owner.edit(key), "e", "sk-button sk-small"), key);
    aria(edit, "label", `Edit ${key} e`);
    const parts: Child[] = [make("strong", "sk-lab-name", reveal(`${key} ${name}`.trim())), edit];
    if (baseline) parts.push(make("span", "sk-faint", "baseline"));
    if (versions > 1) parts.push(make("span", "sk-faint", `v${at} of ${versions}`));
    const node = th("col", "", ...parts);
    node.colSpan = width;
    return node;
  }

  private drawRow(row: LabRow, n: number, width: number): void {
    let line = this.body.children[n];
    if (!line) {
      line = make("tr", "", th("row", "sk-faint"));
      this.body.append(line);
      this.cells[n] = [];
    }
    redraw(line.children[0], [row.at, row.fields], () => [
      make("span", "sk-faint", String(row.at + 1)),
      ...row.fields.map(([name, value]) => {
        const label = row.fields.length > 1 ? [make("span", "sk-faint", reveal(name), ": ")] : [];
        return make("div", "sk-lab-clamp", ...label, content(value));
      }),
    ]);
    const cells = this.cells[n];
    while (cells.length > width) cells.pop()?.remove();
    while (cells.length < width) {
      const cell = make("td", "sk-lab-cell");
      cell.dataset.row = String(n);
      cell.dataset.slot = String(cells.length);
      cells.push(cell);
      line.append(cell);
    }
    cells.forEach((cell, slot) => drawCell(cell, row.cells[slot], this.owner.diff));
  }
}

/** What the first column holds. */
function names(rows: LabRow[]): string {
  const fields = rows[0]?.fields ?? [];
  return fields.length === 1 ? fields[0][0] : "input";
}

function drawCell(node: HTMLElement, cell: LabCell | undefined, diff: boolean): void {
  redraw(node, [cell ?? null, diff], () => {
    node.className = `sk-lab-cell sk-lab-${cell?.mark || "unmarked"} sk-lab-${cell?.state ?? "new"}`;
    return cell ? cellParts(cell, diff) : [];
  });
}

/** A variant's prompt, its differences from the baseline marked if asked for, and its sampling. */
function promptOf({ prompt, diff, temperature, max_tokens }: Variant, marked: boolean): HTMLElement {
  if (!plain(prompt).trim()) return make("div", "sk-faint", "Empty. Press e or Edit to write the prompt.");
  const sampling = [];
  if (temperature !== null) sampling.push(`temperature ${temperature}`);
  if (max_tokens !== null) sampling.push(`max ${thousands(max_tokens)} tokens`);
  const text = make("div", "sk-lab-clamp sk-mono", textOf(prompt, marked ? diff : null));
  return make("div", "", text, make("div", "sk-lab-meta", sampling.join(", ")));
}
