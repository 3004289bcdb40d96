// The state of a lab, the newest page of its rows, and which view waits for which answer.

import type { Pieces } from "../shared/diff";
import { Link } from "../shared/link";
import type { Cell } from "../shared/text";

export interface LabCell {
  state: "new" | "asking" | "error" | "reject" | "done"; text: Cell; why: Cell;
  mark: "" | "accept" | "reject"; comment: Cell;
  /** Checks that failed, and checks without a verdict, with the reason. */
  fails: [string, Cell][];
  unsaid: [string, Cell][]; passes: number;
  /** The words compared with the baseline's; null if they are too many. */
  diff?: Pieces | null;
  /** Tokens, seconds and cost. */
  took?: string[];
}

export interface WholeCell extends LabCell {
  verdicts: [check: string, passed: boolean | null, reason: Cell][]; fields: [string, Cell][]; id?: string;
  name?: string; prompt?: [role: string, text: Cell][]; raw?: Cell; reasoning?: Cell;
}

export interface LabRow { at: number; fields: [string, Cell][]; cells: LabCell[] }

export interface Page {
  show: string; blind: boolean; start: number; found: number; total: number; rows: LabRow[];
}

/** A column of the ranking: the texts of its measures, and the numbers that they are sorted by. */
export interface Ranked { column: number; name: string; measures: [string, number | null][] }

export interface Variant {
  key: string; name: string; baseline: boolean; prompt: Cell; diff: Pieces | null; at: number;
  versions: number; temperature: number | null; max_tokens: number | null;
}

export interface WholeVariant {
  key: string; name: string; at: number;
  versions: [prompt: string, temperature: number | null, maxTokens: number | null][];
}

export interface LabState {
  blind: boolean; running: boolean; stopping: boolean; cells: number; todo: number; unjudged: number;
  inputs: string; models: string[]; checks: string[]; estimate: string[]; variants: Variant[];
  columns: { variant: string; model: string; name: string }[]; measures: string[]; ranking: Ranked[];
  /** The column that is significantly better than the second, or -1. */
  winner: number;
  reading: string; failures: [model: string, why: string][]; notes: string[];
  deleted: [key: string, name: string][];
  /** What the models do, how many completions are under way, and the seconds since the run began. */
  doing: string; under_way: number; seconds: number;
}

export type Reply =
  | { type: "cell"; view: number; row: number; slot: number; cell: WholeCell }
  | { type: "variant"; view: number; variant: WholeVariant }
  | { type: "refused"; view: number; message: string }
  | { type: "applied"; view: number; key: string; edit?: boolean }
  | { type: "offer"; view: number; text: string };

export class LabLink extends Link<Reply | ({ type: "page" } & Page)> {
  /** Who takes the replies to each view. */
  readonly replies = new Map<number, (reply: Reply) => void>();
  private page: Page | null = null;

  get shown(): Page { return this.page ?? this.model.get("first"); }

  get state(): LabState { return this.model.get("state"); }

  protected receive(message: Reply | ({ type: "page" } & Page)): void {
    if (message.type === "page") this.page = message;
    else this.replies.get(message.view)?.(message);
  }
}
