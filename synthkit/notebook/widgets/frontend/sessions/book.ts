// What the session browser holds: the pages of runs and tables, and what is asked or shown now.

import type { Pieces } from "../shared/diff";
import { Link, type Model } from "../shared/link";
import { EVERYTHING, Pages, type Query } from "../shared/pages";
import type { Cell } from "../shared/text";

/** A run or a saved table. Its cells are texts, and a number among them is a time. */
export interface Row {
  which: number | string; label: string; run: number | null;
  /** The name of the saved table, empty if none can be opened. */
  table: string;
  at: number; cells: Cell[];
  /** The cells that a narrow list leaves out, in a line. */
  sub: string;
}

export interface Box { name: string; rows: number; x: number; y: number }

export type Edge = [source: string, target: string, kind: string, rows: number];

export interface Graph { boxes: Box[]; edges: Edge[]; hidden: number }
export interface Costs { unit: string; points: [at: number, sum: number, run: number][]; unpriced: number }

export interface Overview {
  counts: string[]; sizes: [string, string][]; marks: Cell[][]; labs: Cell[]; more: number; chart: Costs;
}

export interface What { run?: number; table?: string; completions: boolean }
export interface Removal { what: What; goes: string; stays: Cell[] }
export interface Occupied { name: string; told: string }
export interface Comparison { facts: Cell[][]; fields: Cell[][]; lines: string[]; prompt: Pieces }

export type Listed = "runs" | "tables";
export type Head = [title: string, kind: string];

export interface About { name: string; page: number; runs: Head[]; tables: Head[] }

type Message =
  | { type: "page"; of: Listed; start: number; rows: Row[] }
  | ({ type: "comparison" } & Comparison)
  | ({ type: "removal" } & Removal)
  | ({ type: "occupied" } & Occupied)
  | { type: "done"; told: string }
  | { type: "cell"; text: string; told?: string };

export class Book extends Link<Message> {
  readonly pages: Record<Listed, Pages<Row>>;
  readonly queries: Record<Listed, Query> = { runs: EVERYTHING, tables: EVERYTHING };
  /** What was done last. */
  done = "";
  removal: Removal | null = null;
  occupied: Occupied | null = null;
  comparison: Comparison | null = null;
  /** Offers a cell, in the view that asked for it. */
  offer: (text: string) => void = () => {};

  constructor(model: Model) {
    super(model);
    const pages = (of: Listed) =>
      new Pages<Row>(model.get("about").page, (start) => this.send({ type: "page", of, start }));
    this.pages = { runs: pages("runs"), tables: pages("tables") };
    model.on("change:first", () => this.takeFirst());
    this.takeFirst();
  }

  /** How many runs or tables there are. */
  total(of: Listed): number {
    return this.model.get("first")[of]?.total ?? 0;
  }

  /** Search or sort a list. */
  show(of: Listed, changes: Partial<Query>): void {
    this.queries[of] = { ...this.queries[of], ...changes };
    this.send({ type: "show", of, query: this.queries[of] });
  }

  override ask(message: object): void {
    this.done = "";
    super.ask(message);
    this.changed();
  }

  protected receive(message: Message): void {
    if (message.type === "page") this.pages[message.of].take(message.start, message.rows);
    else if (message.type === "done") Object.assign(this, { done: message.told, removal: null });
    else if (message.type === "cell") {
      Object.assign(this, { done: message.told ?? "", occupied: null });
      this.offer(message.text);
    } else Object.assign(this, { [message.type]: message });
  }

  private takeFirst(): void {
    for (const of of ["runs", "tables"] as const) {
      this.pages[of].clear();
      // the lists come after the widget is made
      this.pages[of].take(0, this.model.get("first")[of]?.rows ?? []);
    }
  }
}
