// The preview of a run and the view of a table: header, progress, tools, rows, provenance, totals.

import { aria, button, hide, make, write } from "../shared/dom";
import { dispatch } from "../shared/keys";
import { type Note, Panel, widget } from "../shared/panel";
import { Progress as Bar, Clock, doingText } from "../shared/progress";
import { count, duration, sentence, thousands } from "../shared/text";
import { Detail } from "./detail";
import { type About, Rows } from "./rows";
import { GridTable } from "./table";
import { Tools } from "./tools";

interface Progress {
  state: "running" | "stopping" | "done" | "interrupted" | "stopped" | "failed"; message: string;
  doing: string; under_way: number; seconds: number; total: number; seen: number; rows: number; rejects: number;
  pending: number; rate: number | null; left: number | null; cost: string; totals: string[];
}

const ANNOUNCE_MS = 10000;

class GridView extends Panel<Rows> {
  private readonly about: About = this.model.get("about");
  private readonly isRun = this.about.total !== null;
  private readonly keys = this.help([
    ["/", "search all columns"],
    ["f", "filter by an expression, such as stars > 3 and text ~ soup"],
    ["e", "copy or save the rows"],
    ["↑ ↓ ← →", "go from row to row, and from button to button"],
    ["click", "select a row"],
    ["Enter, double click", "expand the row, or press the button"],
    ["o", "show the provenance of the selected row"],
    ["Esc", "close the provenance, or clear a search"],
  ]);
  private readonly table = new GridTable(this.link, this.about, {
    schedule: () => this.schedule(),
    trace: (index) => {
      this.detail.open(index);
      this.schedule();
    },
    hint: (text) => {
      this.tools.hint = text;
      this.schedule();
    },
  });
  private readonly tools = new Tools(this.link, this.about, this, () => this.table.focus(), this.keys.opener);
  private readonly detail = new Detail(
    this.link,
    (index) => this.tools.copy(index),
    (held) => {
      if (held) this.table.focus(this.detail.index, 1);
      this.schedule();
    },
  );
  private readonly rows = make("span", "sk-made");
  private readonly rejects = make("span", "sk-count");
  private readonly pending = make("span", "sk-count");
  private readonly pace = make("span", "sk-pace");
  private readonly stop = button("Stop", () => this.link.send({ type: "stop" }));
  private readonly bar = new Bar(`progress of ${this.about.name}`, "sk-bar-rows", "sk-bar-rejects");
  private readonly totals = make("div", "sk-foot");
  private announced = -Infinity;
  private readonly clock = new Clock();
  private state = "";
  /** At how many rows the kinds of the columns were asked for. */
  private asked = 0;
  private shown = this.link.query;

  constructor(link: Rows, host: HTMLElement) {
    const { name, total } = link.model.get("about");
    super(link, host, "sk-preview", `${total === null ? "table" : "preview of"} ${name}`);
    const { bar, strip, refused, status } = this.tools;
    const main = make("div", "sk-main", this.table.node, this.detail.node);
    const title = make("strong", "sk-name", name);
    const end = make("span", "sk-end", this.pace, this.stop);
    const head = make("div", "sk-head", title, this.rows, this.rejects, this.pending, end);
    this.root.append(head, this.bar.node, this.notes, this.keys.sheet, bar, refused, strip, status, main);
    this.root.append(this.totals, this.live);
    for (const node of [this.bar.node, this.totals, this.rejects, this.pending]) node.hidden = !this.isRun;
    this.follow("progress", "kinds");
    this.watchSize(this.table.node);
    this.watchTime();
    const { tools, table, detail, keys } = this;
    this.root.addEventListener("keydown", (event) =>
      dispatch(event, {
        "/": () => tools.search.focus(),
        f: () => tools.where.focus(),
        e: () => tools.toggle(),
        o: () => table.trace(Math.max(table.selected, 0)),
        "?": () => keys.opener.click(),
        Escape: () => detail.close(),
      }),
    );
  }

  protected override paint(): void {
    const { view, gone } = this.link;
    const progress: Progress = this.model.get("progress") ?? {
      ...{ state: "done", message: "", doing: "", under_way: 0, seconds: 0, total: 0, seen: view.of, rows: view.of, rejects: 0, pending: 0 },
      ...{ rate: null, left: null, cost: "", totals: [] },
    };
    const running = !gone && (progress.state === "running" || progress.state === "stopping");
    if (this.isRun) this.drawRun(progress, running);
    else this.drawTable(progress);
    this.drawNotes(progress);
    write(this.table.empty, view.size ? "" : this.emptiness(progress, running));
    // while its own cell blocks the kernel, nobody could answer
    const answers = !gone && (!running || this.about.stop);
    this.detail.draw();
    this.table.traced = this.detail.node.hidden ? -1 : this.detail.index;
    this.table.show(view.size, running, answers);
    this.table.drawHeads(this.model.get("kinds"));
    this.tools.draw(this.table, answers);
    this.askKinds(view.of, answers, running);
    this.announce(progress, running);
    this.state = progress.state;
  }

  /** Ask what the columns hold, again when there are twice as many rows. */
  private askKinds(rows: number, answers: boolean, running: boolean): void {
    const enough = running ? Math.max(20, 2 * this.asked) : this.asked + 1;
    if (!answers || rows < enough) return;
    this.asked = rows;
    this.link.send({ type: "kinds" });
  }

  private emptiness(progress: Progress, running: boolean): string {
    if (progress.seen) return "No rows match. Clear the filter or the search to see all rows.";
    if (running) return "Waiting for the first row.";
    return this.about.total === 0 ? "Nothing was requested: the input has no rows." : "No rows.";
  }

  private drawTable({ rows }: Progress): void {
    write(this.rows, count(rows, "row"));
    write(this.pace, this.link.gone ? "■ kernel gone" : "");
    this.stop.hidden = true;
  }

  private drawRun(progress: Progress, running: boolean): void {
    const { rows, rejects, pending, state, total, totals } = progress;
    write(this.rows, `${thousands(rows)}/${count(total, "row")}`);
    write(this.rejects, `${rejects ? "✗ " : ""}${count(rejects, "reject")}`);
    this.rejects.classList.toggle("sk-failed", rejects > 0);
    write(this.pending, `${thousands(pending)} pending`);
    write(this.pace, this.stateText(progress));
    this.pace.className = `sk-pace sk-${this.link.gone ? "gone" : state}`;
    hide(this.stop, !running || !this.about.stop, () => this.table.node.focus({ preventScroll: true }));
    aria(this.stop, "disabled", state === "stopping");
    write(this.stop, state === "stopping" ? "Stopping…" : "Stop");
    this.bar.set(total, rows, rejects);
    this.root.classList.toggle("sk-busy", running);
    write(this.totals, totals.join("\u2003"));
  }

  private stateText({ state, doing, under_way, seconds, rate, left, cost }: Progress): string {
    if (state === "done") return "✓ done";
    if (state === "failed") return "✗ failed";
    if (state === "interrupted" || state === "stopped") return `■ ${state}`;
    if (this.link.gone) return "■ kernel gone";
    const parts = [doingText(doing, under_way), cost].filter(Boolean);
    if (rate !== null) parts.push(`${rate < 10 ? rate.toFixed(1) : thousands(Math.round(rate))} tok/s`);
    parts.push(this.clock.read(seconds));
    if (left !== null) parts.push(`about ${duration(left)} left`);
    if (!this.about.stop) parts.push("to stop, interrupt the kernel (■)");
    return parts.join("\u2003");
  }

  private drawNotes({ state, message, pending }: Progress): void {
    const notes: Note[] = [];
    const again = pending ? ` Run the cell again to generate the ${thousands(pending)} pending.` : "";
    const kept = `Finished rows are kept.${again}`;
    if (state === "failed") notes.push(["sk-failed", `✗ ${sentence(message || "The run failed")} ${kept}`]);
    else if (state === "interrupted" || state === "stopped") {
      notes.push(["", `■ ${sentence(message || `The run was ${state}`)} ${kept}`]);
    } else if (message) notes.push(["", message]);
    this.note(notes, "the loaded rows can be read, but no more can be loaded. Run the cell again to load them.");
  }

  /** Tell screen readers how far the run is, now and then. */
  private announce({ rows, rejects, state, total, doing }: Progress, running: boolean): void {
    const { query, size, of } = this.link.view;
    if (query !== this.shown) {
      this.shown = query;
      this.say(`${count(size, "row")} of ${thousands(of)}`);
    }
    if (!this.isRun) return;
    const now = performance.now();
    const ended = state !== this.state && !running;
    if (!ended && (!running || now - this.announced < ANNOUNCE_MS)) return;
    this.announced = now;
    const done = `${rows} of ${count(total, "row")}, ${count(rejects, "reject")}`;
    this.say(running ? [doing, done].filter(Boolean).join("; ") : `${this.about.name} ${state}: ${done}`);
  }
}

export default widget(Rows, GridView);
