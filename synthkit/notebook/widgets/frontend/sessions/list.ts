// The list of runs or of tables, with actions at the end of each row.

import { anchor, aria, bar, button, make, searchField } from "../shared/dom";
import { type Query, nextSort } from "../shared/pages";
import { WindowTable } from "../shared/table";
import { content, moment } from "../shared/text";
import type { About, Book, Head, Listed, Row, What } from "./book";

export interface ListOwner {
  /** The row that another one will be compared with. */
  chosen: { which: number | string; label: string } | null;
  schedule(): void; want(message: object): void; choose(row: Row): void;
}

const EMPTY: Record<Listed, string> = {
  runs: "No runs yet. Create a first dataset with a cell such as:\n%%synth facts --n 10\nTell a fact.",
  tables: "No tables yet. %%synth NAME saves its table, and session.save(name, table) saves any other.",
};

export class List extends WindowTable<Row> {
  readonly search: HTMLInputElement;
  readonly tools: HTMLElement;
  private readonly kinds: Head[];

  constructor(
    private readonly book: Book,
    private readonly of: Listed,
    private readonly owner: ListOwner,
  ) {
    const about: About = book.model.get("about");
    super(of, book.pages[of], about[of].length + 1, () => owner.schedule());
    this.kinds = [...about[of], ["actions", "sk-session-actions"]];
    for (const [n, [title, kind]] of this.kinds.entries()) {
      const sort = () => this.query(nextSort(book.queries[of], `:${title}`));
      if (n < about[of].length) this.sortable(n, title, sort);
      else this.heads[n].append(title);
      this.heads[n].className = kind;
    }
    this.table.classList.add("sk-session-list");
    const apply = (search: string) => search !== book.queries[of].search && this.query({ search });
    this.search = searchField(`search the ${of}`, "Search /", apply, () => this.focus());
    this.tools = bar("", this.search);
  }

  show(answers: boolean): void {
    const total = this.book.total(this.of);
    const none = this.book.queries[this.of].search ? `No ${this.of} match the search.` : EMPTY[this.of];
    this.empty.textContent = total ? "" : none;
    // few rows are found without a search
    this.tools.hidden = total <= this.pages.size && none === EMPTY[this.of];
    this.table.hidden = !total;
    const { by, down } = this.book.queries[this.of];
    this.drawSorted(this.kinds.findIndex(([title]) => `:${title}` === by), down);
    this.draw(total, answers);
  }

  /** Show other rows, from the top. */
  private query(changes: Partial<Query>): void {
    this.renew();
    this.book.show(this.of, changes);
  }

  /** Go to the row of a table, or further down if it is not in the browser. */
  goTo(which: string): void {
    const index = [...this.pages.kept].find(([, row]) => row.which === which)?.[0];
    this.slot = 0;
    this.go(index ?? Math.min(this.count - 1, this.last));
  }

  /** Press the button of a row that has this key. */
  press(index: number, key: string): boolean {
    const buttons = this.drawn.get(index)?.node.querySelectorAll("button") ?? [];
    const found = [...buttons].find((node) => node.dataset.key === key);
    found?.focus();
    found?.click();
    return !!found;
  }

  protected override state(_: number, row: Row | undefined): string {
    return `${this.book.gone} ${row && this.owner.chosen?.which === row.which}`;
  }

  protected override fill(node: HTMLTableRowElement, _: number, row: Row | undefined): void {
    if (!row) {
      // a button keeps the focus until the row has come
      const cell = make("td", "", button("…", () => {}, "", "sk-plain"));
      cell.colSpan = this.kinds.length;
      node.append(cell);
      return;
    }
    node.dataset.which = JSON.stringify(row.which);
    const cells = row.cells.map((value, n) => {
      const [title, kind] = this.kinds[n];
      const cell = make("td", kind, content(typeof value === "number" ? moment(value) : value));
      if (title === "name") cell.append(make("div", "sk-session-sub sk-faint", `${moment(row.at)}, ${row.sub}`));
      return cell;
    });
    node.append(...cells, make("td", "sk-session-actions", ...this.actions(row)));
  }

  private actions(row: Row): HTMLElement[] {
    const { which, label, run, table } = row;
    const { owner, of } = this;
    const what: What = of === "runs" ? { run: which as number, completions: false } : { table: which as string, completions: false };
    const verbs: [verb: string, key: string, can: boolean, act: () => void][] = [
      ["Reopen", "o", !!table, () => owner.want({ type: "reopen", name: table, over: false })],
      ["Cell", "c", run !== null, () => owner.want({ type: "cell", run })],
      ["Compare", "m", true, () => owner.choose(row)],
      ["Delete", "d", true, () => owner.want({ type: "would", what })],
    ];
    return verbs.map(([verb, key, can, act]) => {
      const node = anchor(button(verb, act, key), `${of} ${key} ${JSON.stringify(which)}`);
      aria(node, "label", `${verb} ${key}: ${label}`);
      node.title = verb === "Reopen" && !table ? "Nothing to reopen: this run saved no table" : verb;
      node.dataset.key = key;
      if (verb === "Compare") aria(node, "pressed", owner.chosen?.which === which);
      aria(node, "disabled", !can || this.book.gone);
      return node;
    });
  }
}
