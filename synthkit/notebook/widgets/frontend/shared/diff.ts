// Two texts compared word by word.

import { make } from "./dom";
import { reveal } from "./text";

/** Pieces of text that are the same in both, added ("in"), or removed ("out"). */
export type Pieces = [kind: string, text: string][];

/**
 * Both texts in one, with additions and removals marked, and named for screen readers.
 * @param side one of the texts alone, its own words highlighted
 */
export function compared(pieces: Pieces, side?: "left" | "right"): HTMLElement {
  const text = make("bdi");
  for (const [kind, piece] of pieces) {
    if (side && kind === (side === "left" ? "in" : "out")) continue;
    const changed = kind !== "same";
    const part = make(!changed ? "span" : side ? "mark" : kind === "in" ? "ins" : "del");
    if (changed && !side) part.append(make("span", "sk-aloud", kind === "in" ? " added: " : " removed: "));
    part.append(...reveal(piece, true).childNodes);
    text.append(part);
  }
  return make("div", "sk-cell", text);
}
