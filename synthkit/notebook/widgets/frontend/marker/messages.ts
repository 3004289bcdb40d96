// What the kernel sends to the marker.

import type { Pieces } from "../shared/diff";
import type { Part } from "../shared/parts";
import type { Cell } from "../shared/text";

export interface Row {
  id: string;
  /** The place in the order, from 1. */
  at: number;
  fields: [string, Cell][];
  /** The text as it is now, edited or not. */
  text: Cell;
  /** The text before an edit, or null. */
  original: Cell;
  label: string; reason: string; flag: boolean;
  /** The other text of a pair. */
  right?: Cell;
  /** The prompt that both texts of a pair answer. */
  prompt?: Cell;
  diff?: Pieces | null;
}

export interface Entry { id: string; label: string; flag: boolean; reason: string; text: Cell }

export interface Agreement {
  n: number; share: number | null; low: number; high: number; kappa: number | null;
}

export interface Result { rows: Record<string, string | number>[]; notes: string[] }

export interface Shown {
  row: Row | null; total: number; marked: number; counts: Record<string, number>; filter: string;
  search: string; narrowed: number | null;
  /** How many rows match, and how many of them are marked. */
  matching: [number, number];
  /** Seconds for each row. */
  pace: number | null;
  undo: number; redo: number; recent: Entry[]; agreement: Agreement | null; warning: string;
  /** What was learned from the marks, in a line. */
  learned: string;
  /** Whether the differences of a pair are highlighted. */
  compared?: boolean;
  /** The systems by their wins, once all pairs are judged. */
  result?: Result | null;
  /** The last act that was answered: its sender, its number, and whether it was done. */
  answered: [client: string, seq: number, done: boolean];
  turn: number;
}

export interface About {
  name: string; labels: string[]; reasons: string[];
  /** The key of each action. */
  keys: Record<string, string>;
  /** The action of each further key. */
  also: Record<string, string>;
  round: number; by: string; task: string; column: string; order: string[]; learns: boolean; pair: boolean;
}

export interface Explanation { type: "origin" | "why"; id: string; parts: Part[] }

export type Message = ({ type: "whole" } & Partial<Row>) | Explanation;
