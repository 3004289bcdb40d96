// The marker: header, filters, the row to judge, the form, actions, history, what was learned.

import { type Child, aria, button, hide, make, named, redraw, searchField, write } from "../shared/dom";
import { type Note, Panel, widget } from "../shared/panel";
import { Progress } from "../shared/progress";
import { content, count, duration, plain, reveal, thousands } from "../shared/text";
import { Actions, keyName, plainLabel } from "./actions";
import { Forms } from "./forms";
import { Keys } from "./keyboard";
import type { About, Entry, Row, Shown } from "./messages";
import { BUSY_MS, MarkQueue } from "./queue";
import { endOf, fieldsOf, markOf, pairOf, shortId } from "./row";

class MarkerView extends Panel<MarkQueue> {
  private readonly about: About = this.model.get("about");
  private readonly actions = new Actions(this.about);
  private readonly leave = () => this.stage.focus({ preventScroll: true });
  private readonly forms = new Forms(this.link, this.about, this.actions, this.leave, () => this.schedule());
  private readonly search = searchField(
    "search the rows",
    `search ${keyName(this.about.keys.search)}`,
    (text) => this.link.push((shown) => (shown.search === text ? null : { do: "search", text })),
    this.leave,
  );
  private readonly keys = new Keys(this.link, this.actions, this.forms, this.about.reasons.length > 0, {
    find: () => this.search.focus(),
    leave: this.leave,
  });
  private readonly marked = make("span", "sk-made");
  private readonly pace = make("span", "sk-count");
  private readonly bar = new Progress(`marked rows of ${this.about.name}`, "sk-bar-rows", "sk-bar-rejects", "sk-bar-skips");
  private readonly chips = new Map<string, HTMLButtonElement>();
  private readonly widen = this.chip("Show all other rows", { do: "widen" });
  private readonly buttons = new Map<string, HTMLButtonElement>();
  private readonly fields = make("div", "sk-mark-fields");
  private readonly place = make("span", "sk-mark-place sk-faint");
  private readonly text = make("div", "sk-mark-text");
  private readonly mark = make("div", "sk-mark-said");
  private readonly hint = make("span", "sk-mark-hint", "Click the row to use the keys.");
  private readonly stage = named(make("div", "sk-mark-stage"), "group", "the row to mark");
  private readonly recent = make("div", "sk-mark-recent");
  private readonly learned = make("div", "sk-mark-learned");
  private drawnRow = "";
  private announced: string;
  private tall = 0;
  private wide = 0;

  constructor(queue: MarkQueue, host: HTMLElement) {
    super(queue, host, "sk-marker", `mark ${queue.model.get("about").name}`);
    const { name, round, task, by, pair, learns } = this.about;
    this.announced = announcement(queue.shown);
    this.root.tabIndex = -1;
    this.root.classList.toggle("sk-pairs", pair);
    this.stage.tabIndex = 0;
    this.stage.append(this.fields, this.text, this.mark, this.hint);
    this.learned.hidden = !learns;
    const notes = [task, round === 2 ? "second look, blind" : "", `by ${by}`].filter(Boolean).join(", ");
    const title = make("strong", "sk-name", `Mark ${name}`);
    const head = make("div", "sk-head", title, this.marked, this.pace, make("span", "sk-faint", notes), this.search);
    this.root.append(head, this.bar.node, this.filters(), this.notes, this.stage, this.forms.node);
    this.root.append(this.actionBar(), this.recent, this.learned, this.live);
    this.root.addEventListener("keydown", (event) => this.keys.handle(event));
    this.root.addEventListener("click", (event) => this.click(event));
    this.follow("error");
    // at once, and not with the next frame: this is the answer to a key
    this.model.on("change:shown", () => this.draw());
  }

  protected override paint(): void {
    const { shown } = this.link;
    this.drawHead(shown);
    this.drawFilters(shown);
    this.drawNotes(shown);
    this.drawRow(shown);
    this.forms.drawExplanation(shown.row);
    this.drawActions(shown);
    this.drawRecent(shown);
    this.drawLearned(shown);
    const announced = announcement(shown);
    if (announced !== this.announced) this.announce(shown);
    this.announced = announced;
  }

  private chip(text: string, act: object): HTMLButtonElement {
    return button(text, () => this.link.push(() => act), "", "sk-button sk-mark-chip");
  }

  private filters(): HTMLElement {
    for (const filter of this.about.order) this.chips.set(filter, this.chip("", { do: "filter", filter }));
    const row = make("div", "sk-tools sk-mark-chips", ...this.chips.values(), this.widen);
    return named(row, "group", "which rows to show");
  }

  private actionBar(): HTMLElement {
    const groups = this.actions.groups.map((group, n) =>
      make("div", "sk-mark-group", ...group.map((action) => this.actionButton(action, n === 0))),
    );
    return named(make("div", "sk-tools sk-mark-actions", ...groups), "group", "actions");
  }

  private actionButton(action: string, isVerdict: boolean): HTMLButtonElement {
    const { actions } = this;
    const kind = actions.isLabel(action) ? "label" : action;
    const run = () => this.keys.run(action);
    const node = button(actions.title(action), run, actions.keys(action), `sk-button sk-mark-${kind}`);
    if (isVerdict && kind !== "label") {
      const sign = make("span", "sk-mark-sign", `${actions.sign(action)} `);
      aria(sign, "hidden", "true");
      node.prepend(sign);
    }
    node.title = actions.explain(action);
    this.buttons.set(action, node);
    return node;
  }

  /** After a click the row gets the focus, so that keys go on working. */
  private click(event: MouseEvent): void {
    const target = event.target as Element;
    if (this.forms.node.contains(target) || target.closest("input, textarea, .sk-mark-leave")) return;
    const reading = !target.closest("button") && window.getSelection()?.isCollapsed === false;
    // a key that presses a button is a click without a mouse, and leaves the focus there
    if (event.detail > 0 && !reading && !this.forms.takesKeys) this.leave();
  }

  private showAll(): void {
    this.link.push((now) => (now.search ? { do: "search", text: "" } : null));
    this.link.push((now) => (now.filter === "all" ? null : { do: "filter", filter: "all" }));
    this.link.push((now) => (now.narrowed === null ? null : { do: "widen" }));
    this.leave();
  }

  private drawHead({ marked, total, counts, pace, search }: Shown): void {
    write(this.marked, `${thousands(marked)}/${thousands(total)}`);
    write(this.pace, pace === null ? "" : `${duration(pace)} each`);
    if (document.activeElement !== this.search) this.search.value = search;
    const rejects = counts.reject ?? 0;
    const skips = counts.skip ?? 0;
    this.bar.set(total, marked - rejects - skips, rejects, skips);
  }

  private drawFilters({ total, marked, counts, filter: chosen, narrowed }: Shown): void {
    hide(this.widen, narrowed === null, this.leave);
    const names: Record<string, string> = { all: "all", unmarked: "unmarked", flagged: "⚑ flagged" };
    const sizes: Record<string, number> = { all: total, unmarked: total - marked };
    for (const [filter, chip] of this.chips) {
      const label = plainLabel(filter);
      const name = names[filter] ?? `${this.actions.sign(label)} ${this.actions.past(label)}`;
      // the counts of a side are not there before all pairs are judged
      const size = sizes[filter] ?? counts[label];
      write(chip, size === undefined ? name : `${name} ${thousands(size)}`);
      aria(chip, "pressed", chosen === filter);
      aria(chip, "disabled", this.link.gone);
    }
  }

  private drawNotes({ answered, narrowed, compared, row, warning }: Shown): void {
    const { sent, waiting, discarded } = this.link;
    const notes: Note[] = [];
    if (sent && performance.now() - sent.at > BUSY_MS) {
      const keys = waiting.length + 1;
      const wait = keys === 1 ? "waits" : "wait";
      notes.push(["", `The kernel is busy: ${count(keys, "key")} ${wait} and will not be lost.`]);
    }
    const lost = discarded ? ` ${count(discarded, "later key")} ${discarded === 1 ? "was" : "were"} discarded.` : "";
    if (this.model.get("error") && !answered[2]) {
      notes.push(["", `Nothing changed: this row is not marked yet. Press the key again.${lost}`]);
    }
    if (compared && row && !row.diff) notes.push(["", "These texts are too long to compare word by word."]);
    if (narrowed !== null) notes.push(["", `Showing only the ${count(narrowed, "row")} selected elsewhere.`]);
    if (warning) notes.push(["", warning]);
    this.note(
      notes,
      `the rows can be read, but not marked. All marks before this row are saved.${lost} Run the cell again to continue.`,
    );
  }

  private drawRow(shown: Shown): void {
    const row = shown.row && this.link.full(shown.row);
    const state = row
      ? [row.id, row.text, row.fields, row.right, row.prompt, shown.compared, row.diff]
      : [shown.total, shown.marked, shown.filter, shown.search, shown.narrowed, shown.agreement];
    const drawn = JSON.stringify(state);
    if (drawn !== this.drawnRow) {
      this.drawnRow = drawn;
      if (this.forms.mode === "prompt" || this.forms.mode === "why") this.forms.close();
      this.fields.replaceChildren(...(row ? [...fieldsOf(row), this.side(row)] : []));
      this.text.replaceChildren(...this.textOf(row, shown));
      this.stage.scrollTop = 0;
      this.keepHeight();
    }
    // learning may move the row on screen to another place: do not redraw it for that
    this.hint.hidden = !row;
    write(this.place, row ? `${thousands(row.at)} of ${thousands(shown.total)}` : "");
    this.text.dataset.label = row?.label ?? "";
    const mark = row && [row.id, row.label, row.flag, row.reason, row.original];
    redraw(this.mark, mark, () => (row ? markOf(row, this.actions) : []));
  }

  private textOf(row: Row | null, shown: Shown): Child[] {
    if (!row) return endOf(this.about, shown, () => this.showAll(), (line) => void this.offerCell(line));
    return this.about.pair ? pairOf(row) : [content(row.text, true)];
  }

  /** The place of the row, and its id, which shows the provenance. */
  private side(row: Row): HTMLElement {
    const name = shortId(row.id);
    if (this.about.pair) return make("span", "sk-mark-side", this.place, make("span", "sk-faint", name));
    const id = button(`${name} (i)`, () => this.keys.run("prompt"), "", "sk-button sk-mark-id");
    id.title = `${row.id}: show its provenance`;
    return make("span", "sk-mark-side", this.place, id);
  }

  /** Let the row have the height of the highest so far, so that the buttons below do not move. */
  private keepHeight(): void {
    if (!this.root.offsetWidth) return;
    if (this.wide !== this.root.offsetWidth) {
      this.wide = this.root.offsetWidth;
      this.tall = 0;
      this.stage.style.minHeight = "";
    }
    this.tall = Math.max(this.tall, this.stage.offsetHeight);
    this.stage.style.minHeight = `${this.tall}px`;
  }

  private drawActions({ undo, redo, matching, row, compared }: Shown): void {
    const able: Record<string, boolean> = { undo: undo > 0, redo: redo > 0, help: true, bulk: matching[0] > 0 };
    for (const [action, node] of this.buttons) {
      const can = able[action] ?? (row !== null || action === "back" || action === "previous");
      aria(node, "disabled", !can || (this.link.gone && action !== "help"));
    }
    const { buttons } = this;
    for (const [action, on] of [["flag", row?.flag], ["compare", compared]] as const) {
      const node = buttons.get(action);
      if (node) aria(node, "pressed", !!on);
    }
  }

  private drawRecent({ recent, row }: Shown): void {
    const build = () => [
      make("span", "sk-faint", recent.length ? "history" : "no marks yet"),
      ...recent.map((entry) => this.entry(entry)),
    ];
    redraw(this.recent, recent, build, this.leave);
    for (const [n, node] of [...this.recent.querySelectorAll("button")].entries()) {
      aria(node, "current", recent[n].id === row?.id);
      aria(node, "disabled", this.link.gone);
    }
  }

  private entry({ id, label, flag, reason, text }: Entry): HTMLElement {
    const { actions } = this;
    const node = button("", () => this.link.push(() => ({ do: "go", id })), "", "sk-button sk-mark-entry");
    node.title = "go back to this row";
    const sign = `${actions.sign(label) || "·"}${flag ? " ⚑" : ""}`;
    const name = `${actions.past(label) || "no label"}${flag ? ", flagged" : ""}:`;
    node.append(named(make("span", `sk-mark-is-${label}`, sign), "img", name), " ");
    if (actions.sign(label) === "•") node.append(`${label}: `);
    node.append(reveal(plain(text)));
    if (reason) node.append(make("span", "sk-faint", " (", reveal(reason), ")"));
    return node;
  }

  private drawLearned({ learned, row }: Shown): void {
    redraw(this.learned, learned, () => {
      if (this.forms.mode === "why" && row && !this.link.gone) this.link.send({ type: "why", id: row.id });
      return [make("span", "sk-faint", "learned"), ...learned.split("   ").map((part) => make("span", "", part))];
    });
  }

  /** Announce marks to screen readers, but not what is learned meanwhile. */
  private announce({ marked, total, row, recent }: Shown): void {
    const last = recent[0] ? `Last: ${this.actions.past(recent[0].label) || "no label"}. ` : "";
    this.say(`${last}${marked} of ${total} marked. ${row ? `Row ${row.at}.` : "No more rows."}`);
  }
}

/** What is announced when it changes. */
function announcement({ answered, marked, row }: Shown): string {
  return JSON.stringify([answered, marked, row?.id]);
}

export default widget(MarkQueue, MarkerView);
