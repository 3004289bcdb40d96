// Beside the map: the current row, the nearest or the selected rows, and their composition.

import { anchor, aria, bar, button, caption, make, neighbour, redraw, region, write } from "../shared/dom";
import { facts } from "../shared/parts";
import { type Cell, content, thousands } from "../shared/text";
import { contrasts } from "./contrasts";
import type { Known, Selection } from "./known";

export interface SideOwner {
  /** The row that is shown, by its place in the table. */
  current: number;
  /** Whether it is open, with all its cells. */
  open: boolean;
  textOf(at: number): Cell | undefined;
  toggleSelected(): void;
  toggleOpen(): void;
  askNear(): void;
  hand(to: "mark" | "show"): void;
  /** Go to a row, and open it. */
  goTo(at: number): void;
  leave(): void;
}

export class Side {
  readonly node: HTMLElement;
  private readonly row = region(make("div", "sk-x-row"), "the row");
  private readonly count = make("strong");
  private readonly list = region(make("div", "sk-x-list"), "rows");
  private readonly contrasts = region(make("div", "sk-x-contrasts"), "composition of the selection");
  private readonly pick = button("Select", () => this.owner.toggleSelected(), "Space");
  private readonly opener = button("Open", () => this.owner.toggleOpen(), "Enter");
  private readonly nearer = button("Nearest", () => this.owner.askNear(), "n");
  private readonly mark = button("Mark", () => this.owner.hand("mark"), "m");
  private readonly show = button("Show", () => this.owner.hand("show"), "o");

  /** @param hands whether a selection can be handed to the marker or to a table */
  constructor(
    private readonly known: Known,
    private readonly owner: SideOwner,
    hands: boolean,
  ) {
    this.count.setAttribute("role", "status");
    for (const node of [this.mark, this.show]) node.hidden = !hands;
    this.list.addEventListener("keydown", (event) => {
      const buttons = [...this.list.querySelectorAll("button")];
      const next = neighbour(buttons, event.target as HTMLButtonElement, event.key, "ArrowUp", "ArrowDown");
      if (!next) return;
      event.preventDefault();
      next.focus();
    });
    const acts = bar("sk-line", this.pick, this.opener, this.nearer);
    const hand = bar("sk-line sk-x-acts", this.count, this.mark, this.show);
    this.node = make("div", "sk-x-side", this.row, acts, hand, this.list, this.contrasts);
  }

  /** @param hover the row under the mouse, or -1 @param pile how many rows are at a row's place */
  draw(hover: number, pile: (at: number) => number): void {
    const { points, selection, chart } = this.known;
    write(this.count, `${thousands(chart.selected)} selected`);
    for (const node of [this.mark, this.show]) aria(node, "disabled", !chart.selected);
    for (const node of [this.pick, this.opener, this.nearer]) aria(node, "disabled", this.owner.current < 0);
    this.drawRow(hover >= 0 ? hover : this.owner.current, pile);
    this.drawList();
    const counts = [points?.contrasts, selection.count, selection.counts];
    redraw(this.contrasts, counts, () => (points ? contrasts(points, selection) : []));
  }

  private drawRow(at: number, pile: (at: number) => number): void {
    const { current, open } = this.owner;
    const { row } = this.known;
    const here = pile(at);
    const whole = at === current && open && row?.at === at ? row : undefined;
    const text = whole ? whole.text : this.owner.textOf(at);
    this.row.classList.toggle("sk-x-open", !!whole);
    caption(this.opener, open ? "Close" : "Open", "Enter");
    redraw(this.row, [at, text === undefined, text, whole, here], () => {
      const help = "Hover over a point, or go to one with the arrow keys, to read its row.";
      if (text === undefined) return [make("p", "sk-faint", help)];
      const one = here > 1 ? [make("p", "sk-faint", `one of ${thousands(here)} rows at this point; a click lists them`)] : [];
      if (!whole) return [...one, content(text, true)];
      const cells = whole.cells.map(([name, cell]): [string, HTMLElement] => [name, content(cell, true)]);
      return [...one, content(text, true), facts(cells, "sk-x-cells")];
    });
  }

  /** The nearest rows if they were asked for, else the selected rows. */
  private drawList(): void {
    const { near, selection } = this.known;
    const note = near ? "Nearest by cosine similarity. Esc returns to the selection." : noteOf(selection);
    const rows: { at: number; text: Cell; likeness?: number }[] = near ? near.rows : selection.rows;
    const build = () => [
      ...(note ? [make("p", "sk-x-told sk-faint", note)] : []),
      ...rows.map((row) => this.line(row.at, row.text, row.likeness)),
    ];
    redraw(this.list, [note, rows, this.owner.current], build, () => this.owner.leave());
  }

  private line(at: number, text: Cell, similarity?: number): HTMLElement {
    const node = anchor(button("", () => this.owner.goTo(at), "", "sk-x-item"), `row ${at}`);
    if (at === this.owner.current) aria(node, "current", "true");
    if (similarity !== undefined) {
      node.append(make("span", "sk-x-likeness sk-faint", similarity.toFixed(2).replace("-", "−")));
    }
    node.append(content(text));
    return node;
  }
}

function noteOf({ count: all, rows, said }: Selection): string {
  if (!all && said) return `${said}.`;
  if (!all) return "Nothing is selected. Draw around points, click a point, or find rows with /.";
  return rows.length < all ? `The first ${rows.length} of ${thousands(all)} rows.` : "";
}
