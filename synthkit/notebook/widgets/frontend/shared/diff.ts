// Two texts compared word by word.

import { make } from "./dom";
import { reveal } from "./text";

/** Pieces of text that are the same in both, added ("in"), or removed ("out"). */
export type Pieces = [kind: string, text: string][];

/** Both texts in one, with additions and removals marked, and named for screen readers. */
export function compared(pieces: Pieces): HTMLElement {
  const text = make("bdi");
  for (const [kind, piece] of pieces) {
    const part = make(kind === "same" ? "span" : kind === "in" ? "ins" : "del");
    if (kind !== "same") part.append(make("span", "sk-aloud", kind === "in" ? " added: " : " removed: "));
    part.append(...reveal(piece, true).childNodes);
    text.append(part);
  }
  return make("div", "sk-cell", text);
}

/** One of the two texts, its own words highlighted. */
export function ownWords(pieces: Pieces, side: "left" | "right"): HTMLElement {
  const text = make("bdi");
  for (const [kind, piece] of pieces) {
    if (kind === (side === "left" ? "in" : "out")) continue;
    const part = make(kind === "same" ? "span" : "mark");
    part.append(...reveal(piece, true).childNodes);
    text.append(part);
  }
  return make("div", "sk-cell", text);
}
