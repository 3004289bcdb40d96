// What the kernel has sent about one map: the points that are drawn, and the newest answers.

import { Link, type Model } from "../shared/link";
import type { Cell } from "../shared/text";

export interface Groups { name: string; labels: Cell[]; counts: number[]; numeric: boolean }
export interface Line { at: number; text: Cell }

export interface Selection {
  count: number;
  /** Which of the points drawn are selected. */
  drawn: number[];
  /** The counts of each contrast's groups. */
  counts: number[][];
  said: string; rows: Line[];
}

/** `at` are places in the table; x and y are 0..1 from the lower left. */
export interface Points {
  version: number; at: number[]; x: number[]; y: number[]; codes: number[]; texts: Cell[]; groups: Groups;
  contrasts: Groups[]; selection: Selection;
}

export interface Near { at: number; rows: (Line & { likeness: number })[] }
export interface WholeRow extends Line { cells: [string, Cell][] }
export interface Handed { to: "mark" | "show"; cell: string }

type Message =
  | ({ type: "points" } & Points)
  | ({ type: "selection" } & Selection)
  | ({ type: "near" } & Near)
  | ({ type: "row" } & WholeRow)
  | ({ type: "handed" } & Handed);

export interface ChartState {
  version: number; shown: number; scope: number; of: number; narrowed: boolean; colour: string;
  hidden: number[]; selected: number; caption: string;
}

export class Known extends Link<Message> {
  points: Points | undefined;
  selection: Selection = { count: 0, drawn: [], rows: [], counts: [], said: "" };
  near: Near | undefined;
  row: WholeRow | undefined;
  handed: Handed | undefined;
  /** How many pings had been answered when the points were asked for. */
  private requested = -Infinity;
  private pongs = 0;

  constructor(model: Model) {
    super(model);
    model.on("msg:custom", ({ type }) => {
      if (type === "pong") this.pongs += 1;
      if (type === "pong" && this.views.size) this.load();
    });
  }

  get chart(): ChartState { return this.model.get("chart"); }

  /**
   * Ask for the points, until they come: the kernel sends new ones by itself. The kernel answers in
   * order, so a request is lost if two pings were answered since.
   */
  load(): void {
    if (this.points || this.gone || this.pongs < this.requested + 2) return;
    this.requested = this.pongs;
    this.send({ type: "points" });
  }

  /** The text of a row, if it is in the browser. */
  text(at: number): Cell | undefined {
    const drawn = this.points?.at.indexOf(at) ?? -1;
    if (drawn >= 0) return this.points?.texts[drawn];
    return [...this.selection.rows, ...(this.near?.rows ?? [])].find((row) => row.at === at)?.text;
  }

  protected receive(message: Message): void {
    Object.assign(this, { [message.type]: message });
    if (message.type === "points") this.selection = message.selection;
  }
}
