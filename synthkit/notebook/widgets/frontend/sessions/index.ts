// The session browser: header, tabs, what is asked before something is lost, the chosen page, and
// the comparison.

import { type Child, anchor, aria, bar, button, field, make, named, neighbour, redraw, write } from "../shared/dom";
import { type Acts, dispatch, isTyping, onKeys } from "../shared/keys";
import { type Note, Panel, widget } from "../shared/panel";
import { clipped } from "../shared/text";
import { type About, Book, type Listed, type Occupied, type Overview, type Removal, type Row } from "./book";
import { Lineage } from "./lineage";
import { List } from "./list";
import { comparison, costsPage, marksPage } from "./pages";

const FRESH_MS = 5000;
const TABS = ["Runs", "Tables", "Marks", "Cost and size", "Export, import"];
const KEYS: [string, string][] = [
  ["1 to 5", "choose a page"],
  ["↑ ↓ PgUp PgDn", "go from row to row; a click selects one"],
  ["← →", "go from button to button"],
  ["/", "search the list"],
  ["o", "reopen the row's table"],
  ["c", "insert the row's cell"],
  ["m", "compare the row with another"],
  ["d", "delete the row; d again confirms"],
  ["r", "refresh"],
  ["Esc", "close what is open"],
];

class SessionView extends Panel<Book> {
  chosen: { which: number | string; label: string } | null = null;
  private readonly about: About = this.model.get("about");
  private tab = 0;
  /** The anchor that gets the focus back when a question is closed. */
  private back = "";
  private asking = "";
  private refreshed = performance.now();
  private readonly counts = make("span", "sk-session-counts");
  private readonly keys = this.help(KEYS);
  private readonly question = make("div", "sk-session-ask");
  private readonly tabs = TABS.map((label, n) => this.anchored(label, String(n + 1), () => this.turn(n), `tab ${n}`));
  private readonly pages = TABS.map(() => make("div", "sk-session-page"));
  private readonly compared = make("div", "sk-session-compared");
  private readonly lists = { runs: new List(this.link, "runs", this), tables: new List(this.link, "tables", this) };
  private readonly lineage = new Lineage((name) => this.lists.tables.goTo(name));
  /** Buttons that need a kernel. */
  private readonly needy: HTMLButtonElement[] = [];

  constructor(book: Book, host: HTMLElement) {
    super(book, host, "sk-session", `session ${book.model.get("about").name}`);
    const refresh = this.anchored("Refresh", "r", () => this.refresh(), "refresh");
    this.needy.push(refresh);
    const title = make("strong", "sk-name", this.about.name);
    const head = make("div", "sk-head", title, this.counts, this.keys.opener, refresh);
    const tabBar = named(bar("sk-session-tabs", ...this.tabs), "tablist", "parts of the session");
    tabBar.addEventListener("keydown", (event) => {
      const next = neighbour(this.tabs, event.target, event.key, "ArrowLeft", "ArrowRight");
      if (!next) return;
      event.preventDefault();
      this.turn(this.tabs.indexOf(next as HTMLButtonElement));
    });
    this.linkTabs();
    const { runs, tables } = this.lists;
    this.pages[0].append(runs.tools, runs.node);
    this.pages[1].append(this.lineage.node, tables.tools, tables.node);
    this.pages[4].append(...this.moves());
    this.root.append(head, this.keys.sheet, this.notes, tabBar, this.question, ...this.pages, this.compared, this.live);
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("focusin", (event) => this.entered(event.relatedTarget));
    this.follow("overview", "first", "graph");
    for (const list of Object.values(this.lists)) this.watchSize(list.node);
  }

  /** Ask for something, and remember where the focus was. */
  want(message: object): void {
    if (this.link.gone) return;
    if (!this.question.contains(document.activeElement)) this.back = this.focused();
    this.link.offer = (text) => void this.offerCell(text);
    this.link.ask(message);
  }

  /** Choose a row to compare, or the one to compare it with. */
  choose({ which, label }: Row): void {
    if (this.chosen && this.chosen.which !== which) {
      this.want({ type: "compare", a: this.chosen.which, b: which });
      this.say(`${this.chosen.label} is compared with ${label}.`);
      this.chosen = null;
    } else {
      this.chosen = this.chosen ? null : { which, label };
      this.say(this.chosen ? `Press Compare on another row to compare it with ${label}.` : "No comparison.");
    }
    this.schedule();
  }

  protected override paint(): void {
    const held = this.root.contains(document.activeElement) ? this.focused() : null;
    const { gone } = this.link;
    const overview: Overview = this.model.get("overview");
    write(this.counts, overview.counts.map((text) => text.replaceAll(" ", "\u00a0")).join("\u2003"));
    this.drawNotes();
    for (const [n, tab] of this.tabs.entries()) {
      aria(tab, "selected", n === this.tab);
      tab.tabIndex = n === this.tab ? 0 : -1;
      this.pages[n].hidden = n !== this.tab;
    }
    this.drawQuestion();
    this.lineage.draw(this.model.get("graph"));
    for (const list of Object.values(this.lists)) list.show(!gone);
    const { marks, labs, more, chart, sizes } = overview;
    const open = (lab: string) => void this.offerCell(`%synth lab ${lab}`);
    redraw(this.pages[2], [marks, labs, more], () => marksPage(overview, open));
    redraw(this.pages[3], [chart, sizes], () => costsPage(overview));
    this.drawComparison();
    for (const node of this.needy) aria(node, "disabled", gone);
    const active = document.activeElement;
    // the focus stays in the widget, on what is in its place now
    if (held !== null && !(this.root.contains(active) && active?.getClientRects().length)) this.focus(held);
  }

  private anchored(label: string, key: string, act: () => void, name: string): HTMLButtonElement {
    return anchor(button(label, act, key), name);
  }

  private linkTabs(): void {
    const prefix = `sk-${Math.random().toString(36).slice(2, 10)}`;
    for (const [n, tab] of this.tabs.entries()) {
      const page = this.pages[n];
      tab.setAttribute("role", "tab");
      tab.id = `${prefix}-tab${n}`;
      page.id = `${prefix}-page${n}`;
      page.setAttribute("role", "tabpanel");
      aria(page, "labelledby", tab.id);
      aria(tab, "controls", page.id);
    }
  }

  /** The forms of the last page. They are created once, so their input is kept. */
  private moves(): HTMLElement[] {
    const name = this.about.name.split(/[\\/]/).pop()?.replace(/^\.+/, "") || "session";
    const input = (label: string, value = "") => {
      const node = anchor(field(label), label);
      node.value = value;
      return node;
    };
    const to = input("file to write", `${name}.zip`);
    const tables = input("tables (all if empty)");
    const from = input("file to read");
    const send = () => this.want({ type: "export", path: to.value, tables: tables.value });
    const take = () => this.want({ type: "import", path: from.value });
    return [
      this.form("Export", "Completions, runs, marks and tables in one file, without API keys.", [to, tables], send),
      this.form("Import", "Adds what is new, and changes nothing that is here.", [from], take),
    ];
  }

  private form(verb: string, help: string, inputs: HTMLInputElement[], act: () => void): HTMLElement {
    const submit = this.anchored(verb, "", act, verb);
    this.needy.push(submit);
    for (const input of inputs) onKeys(input, { Enter: () => submit.click() });
    const labels = inputs.map((input) => make("label", "", input.getAttribute("aria-label") ?? "", input));
    return make("section", "", make("p", "sk-faint", help), make("div", "sk-session-form", ...labels, submit));
  }

  private drawNotes(): void {
    const notes: Note[] = [];
    if (this.link.done) notes.push(["sk-done", `✓ ${this.link.done}`]);
    if (this.chosen) {
      notes.push(["", `Comparing ${this.chosen.label}: press Compare on another row, or Escape to cancel.`]);
    }
    this.note(notes, "the session can be read, but not changed. Run the cell again to continue.");
  }

  /** What would be deleted or replaced, and the second press that does it. */
  private drawQuestion(): void {
    const { removal, occupied, gone } = this.link;
    this.question.hidden = !removal && !occupied;
    redraw(this.question, [removal, occupied, gone], () => {
      if (removal) return this.removal(removal);
      return occupied ? this.replacement(occupied) : [];
    });
    const asking = JSON.stringify([removal, occupied]);
    // what a person has begun to type must not answer the question
    if (!this.question.hidden && this.asking !== asking && !isTyping(document.activeElement)) this.focus("sure");
    this.asking = asking;
  }

  private removal({ what, goes, stays }: Removal): Child[] {
    const box = anchor(make("input"), "completions");
    box.type = "checkbox";
    box.checked = what.completions;
    box.addEventListener("change", () => this.want({ type: "would", what: { ...what, completions: box.checked } }));
    return [
      make("p", "sk-failed", goes),
      ...stays.map((text) => make("p", "", `Kept: ${clipped(text)}.`)),
      make("label", "", box, " also delete the completions that nothing else uses"),
      this.choices("Delete permanently", "d", () => this.want({ type: "delete", what })),
    ];
  }

  private replacement({ name, told }: Occupied): Child[] {
    const replace = () => this.want({ type: "reopen", name, over: true });
    return [make("p", "", `${told} Replace it with the saved table?`), this.choices("Replace", "o", replace)];
  }

  private choices(verb: string, key: string, act: () => void): HTMLElement {
    const sure = this.anchored(verb, key, act, "sure");
    aria(sure, "disabled", this.link.gone);
    return make("div", "sk-tools", sure, this.anchored("Cancel", "Esc", () => this.dismiss(), "not"));
  }

  private drawComparison(): void {
    const found = this.link.comparison;
    this.compared.hidden = !found;
    const close = () => this.anchored("Close", "Esc", () => this.dismiss(), "close");
    redraw(this.compared, found, () => (found ? comparison(found, close()) : []));
  }

  /** The anchor of what has the focus. */
  private focused(): string {
    return document.activeElement?.getAttribute("data-focus") ?? "";
  }

  /** Put the focus on an anchor, or on the tab of the page. */
  private focus(name: string): void {
    const found = [...this.root.querySelectorAll<HTMLElement>("[data-focus]")].find(
      (node) => node.dataset.focus === name && node.getClientRects().length,
    );
    (found ?? this.tabs[this.tab]).focus();
  }

  /** Close what is open: the question, else the choice of a comparison, else the comparison. */
  private dismiss(): void {
    const { link } = this;
    const { removal, occupied } = link;
    if (!removal && !occupied && !this.chosen && !link.comparison) return;
    const held = this.focused();
    if (removal || occupied) link.removal = link.occupied = null;
    else if (this.chosen) this.chosen = null;
    else link.comparison = null;
    this.draw();
    if (["sure", "not", "completions", "close"].includes(held)) this.focus(this.back);
    link.changed();
  }

  private refresh(): void {
    this.refreshed = performance.now();
    this.link.done = "";
    this.link.send({ type: "refresh" });
    this.say("Refreshed.");
  }

  private turn(n: number): void {
    this.tab = n;
    this.draw();
    this.tabs[n].focus();
  }

  /** Look for what other kernels have done, when a person comes to the widget. */
  private entered(from: EventTarget | null): void {
    const inside = from instanceof Node && this.root.contains(from);
    if (inside || this.link.gone || performance.now() - this.refreshed < FRESH_MS) return;
    this.refreshed = performance.now();
    this.link.send({ type: "refresh" });
  }

  private key(event: KeyboardEvent): void {
    // a button does one thing for each press, also where the key is held down
    if (event.repeat && (event.key === "Enter" || event.key === " ")) event.preventDefault();
    if (isTyping(event.target)) return;
    const of: Listed = this.tab ? "tables" : "runs";
    const acts: Acts = {
      ...Object.fromEntries(this.tabs.map((_, n) => [String(n + 1), () => this.turn(n)])),
      "/": () => this.tab < 2 && this.lists[of].search.focus(),
      r: () => this.refresh(),
      "?": () => this.keys.opener.click(),
      Escape: () => this.dismiss(),
    };
    const row = this.lists[of].indexOf(event.target);
    if (this.question.contains(event.target as Node)) {
      acts[this.link.removal ? "d" : "o"] = () => this.question.querySelector("button")?.click();
    } else if (row >= 0) {
      for (const key of "ocmd") acts[key] = () => this.lists[of].press(row, key);
    }
    dispatch(event, acts);
  }
}

export default widget(Book, SessionView);
