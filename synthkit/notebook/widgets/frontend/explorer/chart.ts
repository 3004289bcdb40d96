// The map: points, a cursor for the keyboard, and a line that a mouse or a finger draws.

import { make, named, vector } from "../shared/dom";
import { thousands } from "../shared/text";
import { type Spot, ahead, corners, isArea, nearest, place } from "./geometry";
import type { ChartState, Known, Near, Points, Selection } from "./known";
import { circle, look } from "./shapes";

const REACH = 18;

export interface ChartOwner {
  /** The row that is shown, by its place in the table. */
  current: number;
  schedule(): void;
  /** Show the row of a point. */
  look(at: number): void;
  select(what: object, how: "replace" | "add" | "toggle"): void;
}

export class Chart {
  mode: "rectangle" | "lasso" = "lasso";
  /** The points under the keyboard's cursor and the mouse, or -1. */
  cursor = -1;
  hover = -1;
  readonly empty = make("p", "sk-empty");
  readonly node = named(
    make("div", "sk-x-map"),
    "application",
    "map: arrows go from point to point, Space selects, Enter opens, n shows the nearest rows",
  );
  /** The width and height that it has, or had when it was last on the screen. */
  private size: Spot = [0, 0];
  private line: Spot[] = [];
  private drawing = false;
  /** Where the points are that are not hidden. */
  private spots: (Spot | null)[] = [];
  /** The points at each place: several rows may have one text. */
  private piles = new Map<string, number[]>();
  private shown = "";
  private sources: unknown[] = [];
  private readonly svg = vector("svg", { "aria-hidden": "true" });
  private readonly marks = vector("g");
  private readonly sizes = vector("g", { class: "sk-x-sizes" });
  private readonly near = vector("path", { class: "sk-x-near" });
  private readonly ring = vector("path", { class: "sk-x-hover" });
  private readonly pointer = vector("path", { class: "sk-x-cursor" });
  private readonly outline = vector("path", { class: "sk-x-line" });

  constructor(
    private readonly known: Known,
    private readonly owner: ChartOwner,
  ) {
    this.node.tabIndex = 0;
    this.svg.append(this.near, this.marks, this.sizes, this.ring, this.pointer, this.outline);
    this.node.append(this.svg, this.empty);
    this.node.addEventListener("pointerdown", (event) => this.down(event));
    this.node.addEventListener("pointermove", (event) => this.move(event));
    this.node.addEventListener("pointerup", (event) => this.up(event));
    this.node.addEventListener("pointercancel", () => this.drop());
    this.node.addEventListener("pointerleave", () => this.point(-1));
    this.node.addEventListener("focus", () => {
      if (this.cursor < 0 && this.node.matches(":focus-visible")) this.enter();
    });
  }

  /** Move the cursor to the nearest point in a direction. */
  step(dx: number, dy: number): void {
    const from = this.spots[this.cursor];
    if (from) this.go(ahead(this.spots, from, [dx, dy]));
    else this.enter();
  }

  /** The rows at the place of a row, itself among them. */
  pile(at: number): number[] {
    const { points } = this.known;
    const pile = this.piles.get(String(this.spots[points?.at.indexOf(at) ?? -1]));
    return points && pile ? pile.map((i) => points.at[i]) : [at];
  }

  /** Select the rows at the place of the current row, or deselect them if they all are selected. */
  toggle(): void {
    const { points, selection } = this.known;
    const rows = this.pile(this.owner.current);
    const own = new Set(selection.drawn.map((i) => points?.at[i]));
    this.owner.select({ rows }, rows.every((at) => own.has(at)) ? "toggle" : "add");
  }

  draw(state: ChartState): void {
    const { points, selection, near } = this.known;
    const { clientWidth, clientHeight } = this.node;
    // JupyterLab hides everything for a moment when its theme changes
    if (clientWidth) this.size = [clientWidth, clientHeight];
    const [width, height] = this.size;
    const shown = `${width} ${height} ${state.hidden}`;
    const sources = [points, selection, near];
    if (shown !== this.shown || sources.some((source, n) => source !== this.sources[n])) {
      if (points !== this.sources[0]) {
        // stay on the row that the cursor is on, if it is drawn
        this.hover = -1;
        this.cursor = points ? points.at.indexOf(this.owner.current) : -1;
      }
      this.shown = shown;
      this.sources = sources;
      this.spots = (points?.codes ?? []).map((code, i) =>
        points && !state.hidden.includes(code) ? place(points.x[i], points.y[i], this.size) : null,
      );
      this.piles = new Map();
      for (const [i, spot] of this.spots.entries()) {
        const pile = this.piles.get(String(spot));
        if (pile) pile.push(i);
        else if (spot) this.piles.set(String(spot), [i]);
      }
      this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.drawSizes();
      if (points) this.drawMarks(points, selection);
      this.drawNear(points, near);
    }
    this.ring.setAttribute("d", this.around(this.hover, 8));
    this.pointer.setAttribute("d", this.around(this.cursor, 10));
    this.outline.setAttribute("d", this.line.length > 1 ? `M${this.line.join("L")}Z` : "");
  }

  /** Put the cursor on the point in the middle. */
  private enter(): void {
    const [width, height] = this.size;
    this.go(nearest(this.spots, [width / 2, height / 2]));
  }

  private go(i: number): void {
    const at = this.known.points?.at[i];
    if (at === undefined) return;
    this.cursor = i;
    this.owner.look(at);
  }

  /** Show the point that the mouse is on. */
  private point(i: number): void {
    if (i === this.hover) return;
    this.hover = i;
    this.owner.schedule();
  }

  private where(event: PointerEvent): Spot {
    const box = this.svg.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  private down(event: PointerEvent): void {
    if (event.button || !this.known.points) return;
    this.node.setPointerCapture(event.pointerId);
    this.drawing = true;
    this.line = [this.where(event)];
  }

  private move(event: PointerEvent): void {
    const here = this.where(event);
    if (!this.drawing) {
      this.point(nearest(this.spots, here, REACH));
      return;
    }
    const [first] = this.line;
    const last = this.line[this.line.length - 1];
    if (this.mode === "rectangle") this.line = [first, [here[0], first[1]], here, [first[0], here[1]]];
    else if (Math.hypot(here[0] - last[0], here[1] - last[1]) >= 3) this.line.push(here);
    this.owner.schedule();
  }

  private up(event: PointerEvent): void {
    if (!this.drawing) return;
    const { line } = this;
    this.drop();
    if (isArea(line)) {
      this.owner.select({ line: corners(line, this.size) }, event.shiftKey ? "add" : "replace");
      return;
    }
    const i = nearest(this.spots, this.where(event), REACH);
    if (i < 0) return;
    this.go(i);
    if (event.shiftKey) this.toggle();
    else this.owner.select({ rows: this.pile(this.owner.current) }, "replace");
  }

  private drop(): void {
    this.drawing = false;
    this.line = [];
    this.owner.schedule();
  }

  private around(i: number, r: number): string {
    const spot = this.spots[i];
    return spot ? `M${spot}${circle(r)}` : "";
  }

  /** Write at each place with several points how many there are. */
  private drawSizes(): void {
    const piles = [...this.piles.values()].filter((pile) => pile.length > 1);
    const texts = piles.map((pile) => {
      const [x, y] = this.spots[pile[0]] as Spot;
      return vector("text", { x: x + 6, y: y - 4 }, thousands(pile.length));
    });
    this.sizes.replaceChildren(...texts);
  }

  /** Draw one path for each group, and one for its selected points. */
  private drawMarks({ codes, groups }: Points, selection: Selection): void {
    const chosen = new Set(selection.drawn);
    const [rest, own]: string[][] = [[], []];
    for (const [i, code] of codes.entries()) {
      const spot = this.spots[i];
      if (!spot) continue;
      const parts = chosen.has(i) ? own : rest;
      const [x, y] = spot.map((value) => value.toFixed(1));
      parts[code] = `${parts[code] ?? ""}M${x},${y}${look(groups, code).shape}`;
    }
    this.marks.replaceChildren();
    for (const [parts, name] of [[rest, "sk-x-rest"], [own, "sk-x-own"]] as const) {
      parts.forEach((d, code) => {
        this.marks.append(vector("path", { d, class: `${name} ${look(groups, code).name}` }));
      });
    }
    this.marks.classList.toggle("sk-x-some", selection.count > 0);
  }

  /** Draw lines from a row to its nearest rows. */
  private drawNear(points: Points | undefined, near: Near | undefined): void {
    const spot = (at: number) => this.spots[points?.at.indexOf(at) ?? -1];
    const from = near && spot(near.at);
    const ends = from ? near.rows.map((row) => spot(row.at)).filter((end) => end) : [];
    this.near.setAttribute("d", ends.map((end) => `M${from}L${end}`).join(""));
  }
}
