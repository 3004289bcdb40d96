// The rows on the screen: columns that sort, rows that expand in place, rejects among them.

import { aria, button, make, region } from "../shared/dom";
import { nextSort } from "../shared/pages";
import { WindowTable } from "../shared/table";
import { type Cell, content, isLong, thousands } from "../shared/text";
import { columnWidths } from "./columns";
import type { About, Kind, Row, Rows } from "./rows";

export interface TableOwner {
  schedule(): void;
  /** Show the provenance of a row. */
  trace(index: number): void;
  /** Explain a column in the status line. */
  hint(text: string): void;
}

export class GridTable extends WindowTable<Row> {
  /** The row whose provenance is shown, or -1. */
  traced = -1;
  private query: number;
  private kinds: Kind[] = [];
  private answers = true;
  private settled = false;

  constructor(
    private readonly rows: Rows,
    private readonly about: About,
    private readonly owner: TableOwner,
  ) {
    super(about.name, rows.pages, about.columns.length + 2, () => owner.schedule());
    this.query = rows.query;
    this.follow = true;
    const { columns, total, tokens } = about;
    const last = this.heads.length - 1;
    this.cols[0].style.width = `${String(total ?? rows.view.of).length + 6}ch`;
    this.cols[last].style.width = tokens ? "10ch" : "4ch";
    for (const [n, title] of ["#", ...columns, tokens ? "tokens" : ""].entries()) {
      const head = this.heads[n];
      head.classList.toggle("sk-number", n === 0 || n === last);
      if (title) this.sorter(n, title);
      else head.append(make("span", "sk-aloud", "provenance"));
    }
  }

  /** Draw the rows, after the query has changed from the top. */
  show(count: number, running: boolean, answers: boolean): void {
    if (this.query !== this.rows.query) {
      this.query = this.rows.query;
      this.renew();
    }
    this.answers = answers;
    this.settle(running);
    this.draw(count, answers, running);
  }

  /** Describe each column, and show the one that the rows are sorted by. */
  drawHeads(kinds: Kind[]): void {
    const { by, down } = this.rows.view;
    this.kinds = kinds;
    this.drawSorted(this.heads.findIndex((_, n) => this.sortKey(n) === by), down);
    for (const [n, column] of kinds.entries()) {
      const head = this.heads[n + 1];
      const sorter = head.querySelector(".sk-sort");
      if (!sorter) continue;
      if (column.kind) head.classList.toggle("sk-number", column.kind === "number");
      aria(sorter, "description", this.explain(n + 1));
    }
  }

  /** Show the provenance of a row. */
  trace(index: number): void {
    if (index >= this.count) return;
    this.current = this.selected = index;
    this.follow = false;
    this.owner.trace(index);
  }

  protected override state(index: number): string {
    const whole = this.heights.open.has(index) && this.rows.whole.has(index);
    return `${whole} ${this.answers} ${index === this.traced}`;
  }

  protected override fill(node: HTMLTableRowElement, index: number, row: Row | undefined): void {
    const open = this.heights.open.has(index);
    const shown = (open && this.rows.whole.get(index)) || row;
    node.className = row?.reason === undefined ? "" : "sk-rejected";
    node.classList.toggle("sk-open", open);
    node.classList.toggle("sk-traced", index === this.traced);
    const at = row ? row.at : index + 1;
    const opener = button("", () => this.toggle(index), "", "sk-plain sk-expand");
    aria(opener, "expanded", open);
    aria(opener, "label", `Expand row ${at}`);
    opener.append(make("span", "sk-sign"), row ? thousands(row.at) : "");
    const trace = button("", () => this.trace(index), "", "sk-plain sk-trace");
    aria(trace, "label", `Provenance of row ${at}`);
    trace.append(make("span", "", typeof row?.tokens === "number" ? thousands(row.tokens) : ""), "›");
    node.append(make("td", "sk-opener", opener), ...this.cells(shown, open), make("td", "sk-opener", trace));
  }

  private cells(row: Row | undefined, open: boolean): HTMLTableCellElement[] {
    const { columns } = this.about;
    const shown = (cell: Cell, title: string) => {
      const text = content(cell, open);
      return open && isLong(cell) ? region(text, title) : text;
    };
    if (row?.cells) return row.cells.map((cell, n) => make("td", this.heads[n + 1].className, shown(cell, columns[n])));
    if (!columns.length) return [];
    const node = make("td");
    node.colSpan = columns.length;
    if (!row) {
      node.append(make("div", "sk-cell sk-faint", this.answers ? "…" : "not loaded yet"));
    } else {
      const reason = shown(row.reason ?? null, "reason");
      reason.classList.add("sk-reason");
      reason.prepend("✗ ");
      node.append(make("div", "sk-reject", reason, shown(row.raw ?? null, "raw output")));
    }
    return [node];
  }

  private toggle(index: number): void {
    this.current = index;
    this.follow = false;
    if (this.heights.open.delete(index)) {
      this.rows.whole.delete(index);
    } else {
      this.heights.open.set(index, 0);
      const row = this.pages.kept.get(index);
      const cells = row ? [...(row.cells ?? []), row.reason, row.raw] : [];
      if (cells.some(Array.isArray)) this.rows.send({ type: "row", index });
    }
    this.schedule();
  }

  /** The name of a column in a query. */
  private sortKey(n: number): string {
    const { columns } = this.about;
    return n === 0 ? "#" : n > columns.length ? "tok" : `:${columns[n - 1]}`;
  }

  private sorter(n: number, title: string): void {
    const sort = () => this.rows.show(nextSort(this.rows.wanted, this.sortKey(n)));
    const node = this.sortable(n, title, sort);
    for (const kind of ["mouseenter", "focus"]) node.addEventListener(kind, () => this.owner.hint(this.explain(n)));
    for (const kind of ["mouseleave", "blur"]) node.addEventListener(kind, () => this.owner.hint(""));
  }

  /** What a column holds, in words. */
  private explain(n: number): string {
    if (n === 0) return "#: the number of the request or row";
    if (n > this.about.columns.length) return "tokens: of the completion";
    const title = this.about.columns[n - 1];
    const column = this.kinds[n - 1];
    if (!column) return title;
    const kind = column.kind === "label" ? `label, ${column.values} values` : column.kind || "no values";
    const part = column.rows < this.rows.view.of ? ` in the first ${thousands(column.rows)} rows` : "";
    return `${title}: ${kind}, ${column.empty ? thousands(column.empty) : "none"} empty${part}`;
  }

  /** Set the widths of the columns from the first rows, once there are enough of them. */
  private settle(running: boolean): void {
    if (this.settled) return;
    const sample = [...Array(20).keys()].flatMap((n) => this.pages.kept.get(n)?.cells ?? []);
    if (!sample.length) return;
    const { columns } = this.about;
    const rows = Array.from({ length: sample.length / columns.length }, (_, n) =>
      sample.slice(n * columns.length, (n + 1) * columns.length),
    );
    this.settled = !running || rows.length >= 10;
    const { widths, numbers, least } = columnWidths(columns, rows);
    for (const [n, width] of widths.entries()) {
      this.cols[n + 1].style.width = width;
      this.heads[n + 1].classList.toggle("sk-number", numbers[n]);
    }
    this.table.style.minWidth = least;
  }
}
