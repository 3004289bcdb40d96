// The prompt lab: header, actions, notes, matrix, the open cell, the editor, the ranking.

import { aria, bar, button, caption, field, hide, make, named, write } from "../shared/dom";
import { type Acts, dispatch, isTyping, onKeys } from "../shared/keys";
import { type Note, Panel, widget } from "../shared/panel";
import { Clock, doingText } from "../shared/progress";
import { count, plain, sentence, thousands } from "../shared/text";
import { Detail } from "./detail";
import { Editor } from "./editor";
import { LabLink, type LabState, type Page, type Reply } from "./link";
import { Matrix } from "./matrix";
import { Ranking } from "./ranking";

const SHOWS = ["all", "different", "failing", "unmarked"];
const PAGE_ROWS = 20;
const KEYS: [string, string][] = [
  ["arrows, Home, End", "go from cell to cell"],
  ["a", "accept"],
  ["x", "reject"],
  ["c", "comment: Enter saves, Escape cancels"],
  ["u", "undo the last mark or comment"],
  ["Enter", "open the whole cell; Escape closes it"],
  ["e", "edit the variant: Ctrl+Enter applies, Escape cancels"],
  ["n", "new variant, as a copy of this one"],
  ["r", "run the cells without an output, or stop"],
  ["d", "mark the differences from the baseline, word by word"],
  ["b", "blind mode: hide or show the names"],
  ["1 2 3 4", "show all, different, failing, unmarked"],
  ["[ ]", "previous or next rows"],
  ["?", "show or hide the keys"],
];

/** Under which name the browser remembers that differences are marked. */
const DIFF = "synthkit.lab.diff";

let views = 0;

class LabView extends Panel<LabLink> {
  diff = recall(DIFF);
  private readonly id = ++views;
  private readonly name: string = this.model.get("about").name;
  private readonly leave = () => this.matrix.focus();
  private readonly matrix: Matrix = new Matrix(this);
  private readonly detail = new Detail(this.matrix, () => this.tell({ type: "cell" }));
  private readonly editor = new Editor(this.link, this.id, this.leave);
  private readonly ranking = new Ranking(
    () => this.schedule(),
    this.leave,
    (column) => this.link.ask({ type: "use", view: this.id, row: 0, slot: column }),
  );
  private readonly facts = make("span", "sk-faint sk-lab-facts");
  private readonly pace = make("span", "sk-running");
  private readonly clock = new Clock();
  private readonly shows = SHOWS.map((show, n) => button(show, () => this.page({ show, start: 0 }), String(n + 1)));
  private readonly run = button("Run", () => this.link.ask({ type: this.link.state.running ? "stop" : "run" }));
  private readonly blind = button("Blind", () => this.toggleBlind(), "b");
  private readonly differing = button("Diff", () => this.toggleDiff(), "d");
  private readonly where = make("span", "sk-lab-where");
  private readonly restore = button("", () => this.bringBack());
  private readonly comment = field("comment");
  private readonly commenting = bar(
    "sk-line",
    make("label", "sk-label sk-lab-wide", "comment", this.comment),
    button("Save", () => this.saveComment(), "Enter"),
    button("Cancel", () => this.endComment(), "Esc"),
  );
  private readonly pages = make("span");
  private readonly back = button("Previous", () => this.turn(-1), "[");
  private readonly next = button("Next", () => this.turn(1), "]");
  private readonly pager = bar("sk-line", this.pages, this.back, this.next);
  private readonly keys = this.help(KEYS);
  private running = false;
  /** What can be done with the current cell, and its key. */
  private readonly acts: [text: string, key: string, act: () => void][] = [
    ["Accept", "a", () => this.mark("accept")],
    ["Reject", "x", () => this.mark("reject")],
    ["Comment", "c", () => this.startComment()],
    ["Undo", "u", () => this.link.ask({ type: "undo" })],
    ["Open", "Enter", () => this.open()],
    ["New variant", "n", () => this.add()],
  ];

  constructor(link: LabLink, host: HTMLElement) {
    super(link, host, "sk-lab", `prompt lab ${link.model.get("about").name}`);
    const show = named(bar("sk-lab-shows", make("span", "sk-faint", "show"), ...this.shows), "group", "rows to show");
    const title = make("strong", "sk-name", `Lab: ${this.name}`);
    const end = make("div", "sk-end", show, this.run);
    const head = make("div", "sk-head", title, this.facts, this.pace, end);
    const buttons = this.acts.map(([text, key, act]) => button(text, act, key));
    const actions = bar("sk-line", this.where, ...buttons, this.differing, this.blind, this.keys.opener, this.restore);
    this.root.append(
      ...[head, named(actions, "toolbar", "the current cell"), this.commenting, this.notes, this.keys.sheet],
      ...[this.matrix.node, this.pager, this.detail.node, this.editor.node, this.ranking.node, this.live],
    );
    this.commenting.hidden = this.restore.hidden = true;
    this.root.addEventListener("keydown", (event) => this.key(event));
    onKeys(this.comment, { Enter: () => this.saveComment(), Escape: () => this.endComment() });
    this.follow("state", "first");
    this.watchTime();
    this.model.on("change:error", () => this.model.get("error") && this.editor.waiting && this.editor.close());
    link.replies.set(this.id, (reply) => this.take(reply));
    this.undo.push(() => link.replies.delete(this.id));
    const { rows, found, start } = link.shown;
    if ((rows?.length ?? 0) < Math.min(PAGE_ROWS, (found ?? 0) - (start ?? 0))) link.send({ type: "page" });
  }

  /** Another cell is current, or it has changed. */
  moved(): void {
    const { current, slot } = this.matrix;
    const { blind, columns } = this.link.state;
    const name = blind ? `output ${slot + 1}` : (columns[slot]?.name ?? "");
    write(this.where, current ? `row ${current.at + 1}, ${name}` : "no cell");
    if (!this.commenting.hidden && this.comment.dataset.of !== `${current?.at} ${slot}`) this.endComment();
    this.detail.follow();
  }

  open(): void {
    if (this.matrix.current) this.detail.open();
  }

  edit(key: string): void {
    if (!this.link.state.blind && key) this.editor.open(key);
  }

  protected override paint(): void {
    const { state, shown: page } = this.link;
    this.drawHead(state, page);
    this.drawNotes(state);
    // the state comes before its page: names must never stand over blind cells
    if (page.blind === state.blind) this.matrix.draw(state, page);
    this.drawPager(page);
    this.ranking.draw(state);
    this.moved();
    if (this.running && !state.running) this.say(`${this.name} has finished: ${state.todo} cells are left`);
    this.running = state.running;
  }

  private drawHead(state: LabState, page: Page): void {
    const { gone } = this.link;
    const facts = [`${state.inputs ? `${state.inputs} × ` : ""}${count(page.total ?? 0, "row")}`];
    if (!state.blind) facts.push(state.models.join(", "));
    if (state.checks.length) facts.push(count(state.checks.length, "check"));
    write(this.facts, facts.join("\u2003"));
    for (const [n, node] of this.shows.entries()) {
      aria(node, "pressed", page.show === SHOWS[n]);
      aria(node, "disabled", gone || (state.blind && SHOWS[n] === "different"));
    }
    aria(this.differing, "pressed", this.diff);
    aria(this.differing, "disabled", state.blind);
    aria(this.blind, "pressed", state.blind);
    caption(this.blind, state.blind ? "Show names" : "Blind", "b");
    aria(this.blind, "disabled", gone);
    caption(this.run, ...runText(state));
    aria(this.run, "disabled", gone || state.stopping || !(state.running || state.todo || state.unjudged));
    this.root.classList.toggle("sk-busy", state.running && !gone);
    const doing = [doingText(state.doing, state.under_way), this.clock.read(state.seconds)].filter(Boolean);
    write(this.pace, state.running && !gone ? doing.join("\u2003") : "");
    const last = state.deleted.at(-1);
    hide(this.restore, !last, this.leave);
    if (last) write(this.restore, `Restore ${last[1]}`);
  }

  private drawNotes(state: LabState): void {
    const notes: Note[] = state.failures.map(([model, why]) => [
      "sk-failed",
      `✗ ${model}: ${sentence(why)} Finished cells are kept; Run continues with the rest.`,
    ]);
    for (const note of state.notes) notes.push(["", note]);
    if (state.blind) notes.push(["", "Blind mode: names, order, prompts and numbers are hidden."]);
    const { found, total, show } = this.link.shown;
    if (found === 0 && total) notes.push(["", `No row is ${show}. Press 1 to show all ${thousands(total)}.`]);
    this.note(notes, "the results can be read, but not changed. Run the cell again to continue.");
  }

  private drawPager({ start, found }: Page): void {
    hide(this.pager, found <= PAGE_ROWS, this.leave);
    const end = Math.min(found, start + PAGE_ROWS);
    write(this.pages, `rows ${thousands(start + 1)}–${thousands(end)} of ${thousands(found)}`);
    aria(this.back, "disabled", start === 0);
    aria(this.next, "disabled", end >= found);
  }

  private take(reply: Reply): void {
    if (reply.type === "cell") this.detail.show(reply.row, reply.slot, reply.cell);
    else if (reply.type === "variant") {
      if (!this.link.state.blind) this.editor.show(reply.variant);
    } else if (reply.type === "refused") this.editor.refuse(reply.message);
    else if (reply.type === "offer") void this.offerCell(reply.text);
    else {
      const wanted = this.editor.waiting;
      this.editor.close();
      if (reply.edit && wanted) this.edit(reply.key);
      this.say(`variant ${reply.key} is applied`);
    }
  }

  private key(event: KeyboardEvent): void {
    if (isTyping(event.target) || event.isComposing || event.altKey || event.metaKey) return;
    if (this.matrix.step(event)) {
      event.preventDefault();
      return;
    }
    const acts: Acts = {
      ...Object.fromEntries(this.acts.map(([, key, act]) => [key, act])),
      ...Object.fromEntries(this.shows.map((node, n) => [String(n + 1), () => node.click()])),
      e: () => this.edit(this.variant),
      r: () => this.run.click(),
      d: () => this.differing.click(),
      b: () => this.blind.click(),
      "[": () => this.back.click(),
      "]": () => this.next.click(),
      "?": () => this.keys.opener.click(),
    };
    if (!this.detail.node.hidden) acts.Escape = () => this.detail.close();
    dispatch(event, acts);
  }

  /** The key of the current cell's variant. */
  private get variant(): string {
    const { columns, variants } = this.link.state;
    return columns[this.matrix.slot]?.variant || variants[0]?.key || "";
  }

  /** Send a message about the current cell. */
  private tell(message: object): void {
    const { current, slot } = this.matrix;
    if (current) this.link.ask({ view: this.id, row: current.at, slot, ...message });
  }

  private mark(label: "accept" | "reject"): void {
    this.tell({ type: "mark", label });
    this.say(label === "accept" ? "accepted" : "rejected");
  }

  private startComment(): void {
    const { current, slot } = this.matrix;
    if (!current) return;
    this.comment.dataset.of = `${current.at} ${slot}`;
    this.comment.value = plain(current.cells[slot]?.comment);
    this.commenting.hidden = false;
    this.comment.focus();
  }

  private saveComment(): void {
    this.tell({ type: "comment", text: this.comment.value });
    this.endComment();
  }

  private endComment(): void {
    hide(this.commenting, true, this.leave);
  }

  /** Add a copy of the current variant, and edit it. */
  private add(): void {
    if (this.link.state.blind) return;
    this.editor.wait();
    this.link.ask({ type: "add", view: this.id, key: this.variant });
  }

  /** Restore the variant that was deleted last. */
  private bringBack(): void {
    const last = this.link.state.deleted.at(-1);
    if (last) this.link.ask({ type: "restore", key: last[0] });
  }

  private turn(by: number): void {
    this.matrix.row = 0;
    this.page({ by });
  }

  private page(change: object): void {
    this.link.ask({ type: "page", ...change });
  }

  private toggleDiff(): void {
    this.diff = !this.diff;
    remember(DIFF, this.diff);
    this.schedule();
  }

  private toggleBlind(): void {
    const on = !this.link.state.blind;
    // what is open would show the names
    if (on) this.editor.close();
    if (on && !this.detail.node.hidden) this.detail.close();
    this.link.ask({ type: "blind", on });
  }
}

/** A switch that the browser remembers; off where it may remember nothing. */
function recall(name: string): boolean {
  try {
    return localStorage.getItem(name) === "on";
  } catch {
    return false;
  }
}

function remember(name: string, on: boolean): void {
  try {
    localStorage.setItem(name, on ? "on" : "off");
  } catch {
    // a page without storage: the switch works, and is off again next time
  }
}

/** What the Run button says, and its key. */
export function runText(state: LabState): [text: string, key?: string] {
  const done = `${thousands(state.cells - state.todo)}/${count(state.cells, "cell")}`;
  if (state.stopping) return ["Stopping…"];
  if (state.running) return [`Stop, ${done}`, "r"];
  if (state.todo) return [[`Run ${count(state.todo, "new cell")}`, ...state.estimate].join(", "), "r"];
  if (state.unjudged) return [`Run ${count(state.unjudged, "verdict")}`, "r"];
  return [`All run: ${done}`];
}

export default widget(LabLink, LabView);
