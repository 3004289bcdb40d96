// What narrows the rows down, and what copies or saves them.

import { copy } from "../shared/cells";
import { aria, bar, button, choice, field, hide, make, searchField, write } from "../shared/dom";
import { onKeys } from "../shared/keys";
import type { Panel } from "../shared/panel";
import { count, thousands } from "../shared/text";
import type { About, Rows, View } from "./rows";
import type { GridTable } from "./table";

const FORMS: [string, string][] = [
  ["tsv", "TSV"],
  ["markdown", "Markdown"],
  ["jsonl", "JSON lines"],
  ["csv", "CSV"],
];
const WHICH: [string, string][] = [["all", "rows and rejects"], ["rows", "rows"], ["rejects", "rejects"]];

export class Tools {
  readonly search = searchField("Search all columns", "Search /", () => this.apply(), () => this.leave());
  readonly where: HTMLInputElement;
  readonly bar: HTMLElement;
  readonly strip: HTMLElement;
  readonly status: HTMLElement;
  readonly refused = make("pre", "sk-refused");
  /** The description of the column under the mouse, shown in place of the state. */
  hint = "";
  private readonly which = choice("Which rows", WHICH);
  private readonly export = button("Export", () => this.toggle(), "e");
  private readonly form = choice("Format to copy", FORMS);
  private readonly path = field("File to save: .csv, .jsonl or .parquet", "a .csv, .jsonl or .parquet file", "sk-path");
  private readonly save = button("Save", () => this.store());
  private readonly reply = make("span", "sk-told");
  private readonly line = make("span", "sk-line");
  private readonly again = button("Sort again", () => this.leaving(() => this.rows.show({})));
  private readonly all = button("Show all", () => this.leaving(() => this.rows.send({ type: "widen" })));
  private query = -1;

  /** @param leave puts the focus on the rows */
  constructor(
    private readonly rows: Rows,
    about: About,
    private readonly panel: Panel<Rows>,
    private readonly leave: () => void,
    help: HTMLElement,
  ) {
    this.where = field("Filter by an expression", hintFor(about.columns), "sk-where");
    this.which.hidden = about.total === null;
    this.path.value = about.file;
    this.reply.setAttribute("role", "status");
    this.refused.setAttribute("role", "alert");
    this.bar = bar("", this.search, this.where, this.which, this.export);
    const copying = button("Copy rows", () => this.copy());
    this.strip = bar("", "Copy as", this.form, copying, "or save to", this.path, this.save);
    this.strip.hidden = true;
    aria(this.export, "expanded", "false");
    const keys = make("span", "sk-end", "Enter: expand\u2003o: provenance", help);
    this.status = make("div", "sk-status", this.reply, this.line, this.again, this.all, keys);
    this.listen();
  }

  toggle(): void {
    const open = this.strip.hidden;
    if (!open && this.strip.matches(":focus-within")) this.export.focus();
    this.strip.hidden = !open;
    aria(this.export, "expanded", open);
    if (open) this.form.focus();
  }

  /** Copy a row, or the rows in view. */
  copy(index: number | null = null): void {
    this.rows.copied = async ({ text, told }) => {
      this.rows.reply = undefined;
      if (await copy(text)) this.rows.reply = { text: told, failed: false };
      else this.panel.offer(text, "The clipboard is not available. Copy the text from here:");
      this.panel.schedule();
    };
    this.rows.send({ type: "copy", form: this.form.value, query: this.rows.query, index });
  }

  /** @param answers whether the kernel can answer */
  draw(table: GridTable, answers: boolean): void {
    const { view, refused, reply, gone, waiting } = this.rows;
    if (this.query !== view.query) {
      this.query = view.query;
      const { activeElement } = document;
      if (activeElement !== this.search) this.search.value = view.search;
      if (activeElement !== this.where) this.where.value = view.where;
      this.which.value = view.which;
    }
    write(this.refused, refused);
    aria(this.where, "invalid", !!refused);
    write(this.reply, reply?.text ?? "");
    this.reply.classList.toggle("sk-failed", !!reply?.failed);
    write(this.save, reply?.again ? "Overwrite" : "Save");
    const blocked = waiting && !gone && !answers;
    const state = blocked ? "Waiting: the kernel answers when the running cell ends." : stateOf(view, table);
    write(this.line, this.hint || state);
    hide(this.again, !view.fresh || gone, this.leave);
    hide(this.all, view.narrowed === null || gone, this.leave);
  }

  private listen(): void {
    this.where.addEventListener("change", () => this.apply());
    onKeys(this.where, { Enter: () => this.apply(), Escape: () => this.unfilter() });
    this.which.addEventListener("change", () => this.rows.show({ which: this.which.value }));
    this.path.addEventListener("input", () => {
      this.rows.reply = undefined;
      this.panel.schedule();
    });
    onKeys(this.path, { Enter: () => this.store() });
    onKeys(this.strip, { Escape: () => this.toggle() });
  }

  private unfilter(): void {
    this.where.value = "";
    this.apply();
    this.leave();
  }

  /** Send what the inputs say, unless it was sent last. */
  private apply(): void {
    const [where, search] = [this.where.value.trim(), this.search.value];
    const { wanted } = this.rows;
    if (where !== wanted.where || search !== wanted.search) this.rows.show({ where, search });
  }

  /** Press a button that will be hidden: the focus goes first. */
  private leaving(act: () => void): void {
    this.leave();
    act();
  }

  private store(): void {
    const path = this.path.value.trim();
    const overwrite = this.rows.reply?.again === path;
    this.rows.reply = undefined;
    this.rows.send({ type: "save", path, overwrite });
    this.panel.schedule();
  }
}

/** An expression with a column of this table. */
function hintFor(columns: string[]): string {
  const name = columns.find((column) => /^\w{1,10}$/.test(column)) ?? "stars";
  return `Filter f: ${name} ~ word`;
}

/** Which rows are in sight, of how many, and in what order. */
function stateOf({ size, of, by, down, fresh, narrowed }: View, { first, last }: { first: number; last: number }): string {
  const parts = [size ? `${thousands(first)}–${thousands(last)} of ${count(size, "row")}` : "no rows"];
  if (size + fresh < of) parts[0] += ` that match, of ${thousands(of)}`;
  if (narrowed !== null) parts.push(`narrowed to ${thousands(narrowed)}`);
  if (by) parts.push(`sorted by ${by === "tok" ? "tokens" : by.replace(/^:/, "")}, ${down ? "descending" : "ascending"}`);
  if (fresh) parts.push(count(fresh, "new row"));
  return parts.join("\u2003");
}
