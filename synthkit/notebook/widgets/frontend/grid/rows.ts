// The rows of one model: the first are a trait, the newest are pushed as they arrive, and pages of
// the others are requested. A message about a place in the view has the number of its query.

import { Link, type Model } from "../shared/link";
import { Pages, type Query } from "../shared/pages";
import type { Part } from "../shared/parts";
import type { Cell } from "../shared/text";

/** A row has cells; a reject has a reason and the raw output. `at` counts from 1. */
export interface Row { at: number; tokens: number | null; cells?: Cell[]; reason?: Cell; raw?: Cell }

export interface About {
  name: string;
  /** How many rows are expected of a run; null for a table. */
  total: number | null;
  columns: string[]; stop: boolean; tokens: boolean; file: string;
}


export interface View extends Query {
  query: number; size: number; of: number; fresh: number; narrowed: number | null;
}

/** What a column holds: its kind, how many cells are empty, in how many rows. */
export interface Kind { kind: string; empty: number; values: number; rows: number }
export interface Reply { text: string; failed: boolean; again?: string }

type Message =
  | { type: "shown"; turn: number; refused: string }
  | ({ type: "told" } & Reply)
  | { type: "copied"; text: string; told: string }
  | { type: "row"; query: number; index: number; row: Row }
  | { type: "trail"; query: number; index: number; parts: Part[] }
  | { type: "rows"; query: number; start: number; rows: Row[] };

const PAGE = 200;

export class Rows extends Link<Message> {
  query = -1;
  readonly pages = new Pages<Row>(PAGE, (start) => this.send({ type: "page", query: this.query, start }));
  /** Rows with their long texts. */
  readonly whole = new Map<number, Row>();
  readonly provenance = new Map<number, Part[]>();
  /** Why the last query was refused. */
  refused = "";
  waiting = false;
  reply: Reply | undefined;
  copied: (message: { text: string; told: string }) => void = () => {};
  wanted: Query;
  private turn = 0;

  constructor(model: Model) {
    super(model);
    this.wanted = this.view;
    for (const name of ["first", "view"]) model.on(`change:${name}`, () => this.takeFirst());
    this.takeFirst();
  }

  get view(): View { return this.model.get("view"); }

  protected receive(message: Message): void {
    switch (message.type) {
      case "shown":
        // of several queries, only the answer to the last one counts
        if (message.turn !== this.turn) return;
        this.refused = message.refused;
        this.wanted = this.view;
        this.waiting = false;
        return;
      case "told":
        this.reply = message;
        return;
      case "copied":
        this.copied(message);
        return;
    }
    if (message.query !== this.query) return;
    if (message.type === "row") this.whole.set(message.index, message.row);
    else if (message.type === "trail") this.provenance.set(message.index, message.parts);
    else this.pages.take(message.start, message.rows);
  }

  /** Send the query with some changes. */
  show(changes: Partial<Query>): void {
    this.wanted = { ...this.wanted, ...changes };
    const { where, search, which, by, down } = this.wanted;
    this.refused = "";
    this.reply = undefined;
    this.waiting = true;
    this.turn += 1;
    this.send({ type: "show", turn: this.turn, where, search, which, by, down });
    this.changed();
  }

  private takeFirst(): void {
    if (this.view.query !== this.query) {
      this.query = this.view.query;
      if (!this.waiting) this.wanted = this.view;
      for (const held of [this.pages, this.whole, this.provenance]) held.clear();
    }
    this.pages.take(0, this.model.get("first"));
    this.changed();
  }
}
