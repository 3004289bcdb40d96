// One cell in full, below the matrix.

import { type Child, aria, bar, button, make, named, write } from "../shared/dom";
import { facts } from "../shared/parts";
import { content, plain, reveal } from "../shared/text";
import { textOf } from "./cell";
import type { WholeCell } from "./link";
import type { Matrix } from "./matrix";

export class Detail {
  readonly node = make("section", "sk-lab-detail");
  readonly title = make("strong", "sk-lab-name");
  private readonly body = named(make("div", "sk-lab-whole"), "group", "parts of the cell");
  private shown = "";

  /** @param ask asks for the current cell */
  constructor(
    private readonly matrix: Matrix,
    private readonly ask: () => void,
  ) {
    this.node.hidden = true;
    aria(this.node, "label", "the whole cell");
    this.title.tabIndex = -1;
    this.body.tabIndex = 0;
    this.node.append(bar("sk-line", this.title, button("Close", () => this.close(), "Esc")), this.body);
  }

  open(): void {
    this.node.hidden = false;
    this.follow();
    this.title.focus({ preventScroll: true });
    this.node.scrollIntoView({ block: "nearest" });
  }

  close(): void {
    this.node.hidden = true;
    this.body.replaceChildren();
    this.shown = "";
    this.matrix.focus();
  }

  /** Ask again if the cell has changed, or another is current. */
  follow(): void {
    const { current, slot } = this.matrix;
    const shown = JSON.stringify([current?.at, slot, current?.cells[slot] ?? null]);
    if (this.node.hidden || shown === this.shown) return;
    this.shown = shown;
    this.ask();
  }

  show(row: number, slot: number, cell: WholeCell): void {
    if (this.node.hidden) return;
    write(this.title, `row ${row + 1}, ${cell.name ?? `output ${slot + 1}`}`);
    const parts: [string, Child, string?][] = [["output", content(cell.text, true)]];
    if (cell.diff !== undefined) {
      parts.push(["compared with the baseline", cell.diff ? textOf(cell.text, cell.diff) : "too long to compare"]);
    }
    if (plain(cell.why)) parts.push(["why", content(cell.why, true), "sk-failed"]);
    for (const [check, passed, reason] of cell.verdicts) {
      const sign = passed === null ? "? no verdict" : passed ? "✓ passed" : "✗ failed";
      const kind = passed === null ? "sk-faint" : passed ? "sk-done" : "sk-failed";
      const why = plain(reason) ? [": ", reveal(plain(reason), true)] : [];
      parts.push([check, make("div", kind, sign, ...why)]);
    }
    if (plain(cell.comment)) parts.push(["comment", content(cell.comment, true)]);
    for (const [role, text] of cell.prompt ?? []) parts.push([role, content(text, true), "sk-mono"]);
    if (cell.reasoning !== undefined) parts.push(["reasoning", content(cell.reasoning, true), "sk-mono"]);
    if (cell.raw !== undefined) parts.push(["raw output", content(cell.raw, true), "sk-mono"]);
    if (cell.took) parts.push(["model", cell.took.join("\u2003")]);
    for (const [name, value] of cell.fields) parts.push([name, content(value, true)]);
    if (cell.id) parts.push(["id", cell.id, "sk-mono"]);
    this.body.replaceChildren(facts(parts));
  }
}
