// What can be done with a row: the actions, their keys, and the names of labels.

import type { About } from "./messages";

const SIGNS: Record<string, string> = { accept: "✓", reject: "✗", skip: "–", flagged: "⚑" };
const PAST: Record<string, string> = { accept: "accepted", reject: "rejected", skip: "skipped" };
/** The labels of a pair: the sign, and the name. */
const SIDES: Record<string, [string, string]> = { left: ["◀", "A better"], right: ["▶", "B better"], tie: ["=", "tie"] };
const KEY_NAMES: Record<string, string> = {
  ...{ " ": "space", Backspace: "⌫" },
  ...{ ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" },
};
/** The text of each action's button, and its line in the key sheet. */
const ACTIONS: Record<string, [string, string]> = {
  left: ["A is better", "text A is better"],
  right: ["B is better", "text B is better"],
  tie: ["Tie", "neither is better"],
  accept: ["Accept", "accept the row"],
  reject: ["Reject", "reject the row"],
  skip: ["Skip", "leave the row undecided"],
  edit: ["Edit", "edit the text; the original is kept"],
  reason: ["Reason", "write a reason or a comment"],
  flag: ["Flag", "flag the row for another look"],
  prompt: ["Prompt", "show the row's provenance"],
  why: ["Why", "explain what was learned about the row"],
  compare: ["Differences", "highlight the words in which the texts differ"],
  previous: ["Previous", "go to the row before, without marking"],
  next: ["Next", "go to the next row, without marking"],
  back: ["Back", "go back to the row marked last"],
  undo: ["Undo", "undo the last mark"],
  redo: ["Redo", "redo the mark that was undone"],
  search: ["Search", "search the rows"],
  bulk: ["Mark all…", "mark all matching rows"],
  help: ["Keys", "show or hide the keys"],
};

export class Actions {
  /** The labels that a row can get; a label of the user's own begins with "=". */
  readonly verdicts: string[];
  private readonly byKey: Map<string, string>;

  constructor(private readonly about: About) {
    const labels = about.labels.length ? about.labels.map((label) => `=${label}`) : ["accept"];
    this.verdicts = about.pair ? ["left", "right", "tie", "skip"] : [...labels, "reject", "skip"];
    const own = Object.entries(about.keys).map(([action, key]): [string, string] => [key, action]);
    this.byKey = new Map([...Object.entries(about.also), ...own]);
  }

  /** The actions in groups, as their buttons stand. */
  get groups(): string[][] {
    const optional = ["edit", "reason", "flag", "prompt", "why", "compare"];
    return [
      this.verdicts,
      optional.filter((action) => action in this.about.keys),
      ["previous", "next", "back", "undo", "redo", "bulk", "help"],
    ];
  }

  /** The action of a key. */
  of(key: string): string | undefined {
    return this.byKey.get(key);
  }

  /** The keys of an action, as they are shown. */
  keys(action: string): string {
    const more = Object.entries(this.about.also).filter(([, other]) => other === action);
    return [this.about.keys[action], ...more.map(([key]) => key)].map(keyName).join(" ");
  }

  /** The lines of the key sheet. */
  get help(): [string, string][] {
    return Object.keys(this.about.keys).map((action) => [this.keys(action), this.explain(action)]);
  }

  isLabel(action: string): boolean {
    return !(action in ACTIONS);
  }

  title(action: string): string {
    return ACTIONS[action]?.[0] ?? plainLabel(action);
  }

  explain(action: string): string {
    return ACTIONS[action]?.[1] ?? `label the row ${plainLabel(action)}`;
  }

  sign(label: string): string {
    if (this.about.pair && SIDES[label]) return SIDES[label][0];
    return SIGNS[label] ?? (label ? "•" : "");
  }

  /** What a row is that has a label: "accepted". */
  past(label: string): string {
    return (this.about.pair && SIDES[label]?.[1]) || (PAST[label] ?? label);
  }
}

/** The label of an action or a filter. */
export function plainLabel(action: string): string {
  return action.replace(/^=/, "");
}

export function keyName(key = ""): string {
  return KEY_NAMES[key] ?? key;
}
