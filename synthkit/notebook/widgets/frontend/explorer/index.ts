// The explorer: header, tools, the map with its legend, and the side with rows and counts.

import { aria, bar, button, caption, choice, field, hide, make, write } from "../shared/dom";
import { type Acts, dispatch, isOther, isTyping } from "../shared/keys";
import { type Note, Panel, widget } from "../shared/panel";
import { Progress } from "../shared/progress";
import { type Cell, clipped, count, reveal, sentence, thousands } from "../shared/text";
import { Chart } from "./chart";
import { type ChartState, Known } from "./known";
import { Legend } from "./legend";
import { Side } from "./side";

interface About {
  name: string; text: string; columns: string[];
  /** Whether a selection can be handed to the marker or to a table. */
  hands: boolean;
}

interface Stage {
  state: "waiting" | "embedding" | "ready" | "interrupted" | "failed"; message: string; done: number;
  total: number;
}

const KEYS: [string, string][] = [
  ["arrows", "go to the nearest point in that direction"],
  ["Space", "select or deselect the row; on the map, all rows at the point"],
  ["Enter", "open the row"],
  ["n", "show its nearest rows"],
  ["/", "find rows: a text, or stars > 3 and topic = soup"],
  ["r l", "select by rectangle or lasso; Shift adds"],
  ["z", "show only the selected rows, or all"],
  ["m o", "mark the selected rows, or show them as a table"],
  ["Esc", "close, then clear the selection"],
];

class ExplorerView extends Panel<Known> {
  /** The row that is shown, by its place in the table. */
  current = -1;
  /** Whether it is open, with all its cells. */
  open = false;
  private readonly about: About = this.model.get("about");
  readonly leave = () => this.map.node.focus({ preventScroll: true });
  private readonly map: Chart = new Chart(this.link, this);
  private readonly legend = new Legend(this, this.leave);
  private readonly side: Side = new Side(this.link, this, this.about.hands);
  private readonly shown = make("span", "sk-count");
  private readonly pace = make("span", "sk-pace");
  private readonly bar = new Progress("texts embedded", "sk-bar-rows");
  private readonly colour = choice(
    "colour",
    ["", ...this.about.columns].map((name) => [name, name || "single colour"]),
  );
  private readonly find = field("select rows by a text or an expression", "/ text, or column = value", "sk-x-find");
  private readonly caption = make("div", "sk-foot");
  private readonly lasso = button("Lasso", () => this.use("lasso"), "l");
  private readonly rectangle = button("Rectangle", () => this.use("rectangle"), "r");
  private readonly zoom = button("Only selected", () => this.narrow(), "z");
  private readonly resume = button("Continue", () => this.link.send({ type: "resume" }));
  private readonly keys = this.help(KEYS);
  /** Whether this view has asked to hand the selection on. */
  private handing = false;
  private announced: unknown[] = [];

  constructor(known: Known, host: HTMLElement) {
    super(known, host, "sk-explorer", `explorer of ${known.model.get("about").name}`);
    const title = make("strong", "sk-name", reveal(this.about.name));
    const colour = make("label", "sk-faint", "colour ", this.colour);
    const head = make("div", "sk-head", title, this.shown, colour, this.pace);
    const clear = button("Clear", () => this.escape(), "Esc");
    const { find, lasso, rectangle, zoom, resume, keys } = this;
    const tools = bar("sk-line", find, lasso, rectangle, zoom, clear, resume, keys.opener);
    find.type = "search";
    const left = make("div", "sk-x-left", this.map.node, this.legend.node);
    const main = make("div", "sk-x-body", left, this.side.node);
    this.root.append(head, this.bar.node, tools, keys.sheet, this.notes, main, this.caption, this.live);
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.colour.addEventListener("change", () => this.link.send({ type: "colour", column: this.colour.value }));
    this.follow("stage", "chart");
    this.watchSize(this.map.node);
  }

  /** Make a row the one that is shown. */
  look(at: number): void {
    if (at !== this.current) this.open = false;
    this.current = at;
    const text = this.textOf(at);
    const here = this.map.pile(at).length;
    if (text !== undefined) this.say(here > 1 ? `${here} rows here: ${clipped(text)}` : clipped(text));
    this.schedule();
  }

  select(what: object, how: "replace" | "add" | "toggle"): void {
    this.link.send({ type: "select", how, ...what });
  }

  hide(group: number): void {
    this.link.send({ type: "hide", group });
  }

  goTo(at: number): void {
    const point = this.link.points?.at.indexOf(at) ?? -1;
    if (point >= 0) this.map.cursor = point;
    this.look(at);
    if (!this.open) this.toggleOpen();
  }

  protected override paint(): void {
    const stage: Stage = this.model.get("stage");
    const { chart, points } = this.link;
    this.link.load();
    this.drawHead(stage, chart);
    this.drawNotes(stage);
    this.drawTools(stage, chart);
    write(this.map.empty, this.emptiness(stage, chart));
    this.map.draw(chart);
    this.legend.draw(points?.groups, chart.hidden);
    this.side.draw(points?.at[this.map.hover] ?? -1, (at) => this.map.pile(at).length);
    write(this.caption, chart.caption);
    this.finishHand();
    this.announce();
  }

  private key(event: KeyboardEvent): void {
    if (isTyping(event.target)) {
      if (!isOther(event)) this.typed(event);
      return;
    }
    const onMap = event.target === this.map.node;
    const acts: Acts = {
      " ": () => (onMap && this.current >= 0 ? this.map.toggle() : this.toggleSelected()),
      Enter: () => this.toggleOpen(),
      n: () => this.askNear(),
      "/": () => this.find.focus(),
      r: () => this.use("rectangle"),
      l: () => this.use("lasso"),
      z: () => this.narrow(),
      m: () => this.hand("mark"),
      o: () => this.hand("show"),
      "?": () => this.keys.opener.click(),
      Escape: () => this.escape(),
    };
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    for (const [key, [dx, dy]] of Object.entries(steps)) if (onMap) acts[key] = () => this.map.step(dx, dy);
    dispatch(event, acts);
  }

  /** A key in a field. */
  private typed(event: KeyboardEvent): void {
    if (event.key === "Enter" && event.target === this.find && this.find.value.trim()) {
      event.preventDefault();
      // what is found, or why nothing is, stands in their place
      this.link.near = undefined;
      this.select({ where: this.find.value }, "replace");
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.closeOffer();
      this.leave();
    }
  }

  toggleSelected(): void {
    if (this.current >= 0) this.select({ rows: [this.current] }, "toggle");
  }

  private use(mode: "rectangle" | "lasso"): void {
    this.map.mode = mode;
    this.say(`select by ${mode}`);
    this.schedule();
  }

  private narrow(): void {
    this.link.send({ type: "narrow", on: !this.link.chart.narrowed });
  }

  hand(to: "mark" | "show"): void {
    if (!this.about.hands) return;
    this.handing = true;
    this.link.send({ type: "hand", to });
  }

  textOf(at: number): Cell | undefined {
    const { row } = this.link;
    return row?.at === at && this.open ? row.text : this.link.text(at);
  }

  toggleOpen(): void {
    if (this.current < 0) return;
    this.open = !this.open;
    if (this.open && this.link.row?.at !== this.current) this.link.send({ type: "row", at: this.current });
    this.schedule();
  }

  askNear(): void {
    if (this.current >= 0) this.link.send({ type: "near", at: this.current });
  }

  /** Close what is open: the keys, else the row, else the nearest rows, else the selection. */
  private escape(): void {
    if (!this.keys.sheet.hidden) this.keys.opener.click();
    else if (this.open) this.toggleOpen();
    else if (this.link.near) {
      this.link.near = undefined;
      this.link.changed();
    } else this.select({ rows: [] }, "replace");
  }

  private drawHead(stage: Stage, chart: ChartState): void {
    const { gone } = this.link;
    const { state, done, total } = stage;
    const part = chart.shown < chart.scope ? `${thousands(chart.shown)} of ` : "";
    const narrowed = chart.narrowed ? `, of ${thousands(chart.of)}` : "";
    write(this.shown, `${part}${count(chart.scope, "point")} shown${narrowed}`);
    const words = {
      waiting: "waiting",
      embedding: `${thousands(done)} of ${count(total, "text")} embedded\u2003to stop, interrupt the kernel (■)`,
      ready: "✓ ready",
      interrupted: "■ interrupted",
      failed: "✗ failed",
    };
    write(this.pace, gone ? "■ kernel gone" : words[state]);
    this.pace.className = `sk-pace sk-${gone ? "gone" : state === "ready" ? "done" : state}`;
    this.bar.set(total, done);
    this.bar.node.hidden = done >= total;
    this.root.classList.toggle("sk-busy", state === "embedding" && !gone);
    if (document.activeElement !== this.colour) this.colour.value = chart.colour;
  }

  private emptiness({ state }: Stage, { shown }: ChartState): string {
    if (this.link.points) return shown ? "" : "There are no rows to show.";
    if (this.link.gone) return "The points were not loaded. Run the cell again to see them.";
    if (state === "embedding") return "The map is drawn when the texts are embedded.";
    return "Waiting for the points: the kernel is busy, or has not answered yet.";
  }

  private drawNotes({ state, message, done, total }: Stage): void {
    const notes: Note[] = [];
    const progress = `${thousands(done)} of ${count(total, "text")} are embedded and drawn.`;
    if (state === "failed") notes.push(["sk-failed", `✗ ${sentence(message)} ${progress} Continue tries again.`]);
    if (state === "interrupted") notes.push(["", `■ Interrupted: ${progress} Continue embeds the others.`]);
    this.note(notes, "the map can be read, but nothing can be selected or loaded. Run the cell again to continue.");
  }

  private drawTools({ state }: Stage, { narrowed, selected }: ChartState): void {
    aria(this.lasso, "pressed", this.map.mode === "lasso");
    aria(this.rectangle, "pressed", this.map.mode === "rectangle");
    caption(this.zoom, narrowed ? "Show all" : "Only selected", "z");
    aria(this.zoom, "disabled", !selected && !narrowed);
    hide(this.resume, this.link.gone || (state !== "interrupted" && state !== "failed"), this.leave);
  }

  /** Offer the cell that the kernel made of the selection, in the view that asked for it. */
  private finishHand(): void {
    const { handed } = this.link;
    if (!handed || !this.handing) return;
    this.link.handed = undefined;
    this.handing = false;
    if (handed.cell) this.offerCell(handed.cell).catch((error) => this.link.fail(String(error)));
    else this.say(`the open ${handed.to === "mark" ? "marker" : "table"} shows them now`);
  }

  /** Tell screen readers what was selected, or is near. */
  private announce(): void {
    const { near, selection } = this.link;
    const [oldNear, oldSelection] = this.announced;
    this.announced = [near, selection];
    if (near && near !== oldNear) this.say(`${count(near.rows.length, "row")} near`);
    else if (oldSelection && selection !== oldSelection) {
      this.say(selection.said || `${count(selection.count, "row")} selected`);
    }
  }
}

export default widget(Known, ExplorerView);
