// A bar that shows how far something is, in parts of different colours.

import { aria, make, named } from "./dom";
import { duration, thousands } from "./text";

/** What the models do: in words before they generate, and else how many completions are under way. */
export function doingText(doing: string, underWay: number): string {
  return doing || (underWay ? `${thousands(underWay)} under way` : "");
}

/** The time since a run began, by the kernel's seconds, and by this clock until it sends new ones. */
export class Clock {
  private seconds = -1;
  private began = 0;

  read(seconds: number): string {
    if (this.seconds !== seconds) [this.seconds, this.began] = [seconds, performance.now() - 1000 * seconds];
    return duration((performance.now() - this.began) / 1000);
  }
}

export class Progress {
  readonly node: HTMLElement;
  private readonly parts: HTMLElement[];

  /** @param kinds the class of each part */
  constructor(label: string, ...kinds: string[]) {
    this.parts = kinds.map((kind) => make("div", kind));
    this.node = named(make("div", "sk-bar", ...this.parts), "progressbar", label);
  }

  /** @param sizes the sizes of the parts; their sum is done of the total */
  set(total: number, ...sizes: number[]): void {
    for (const [n, part] of this.parts.entries()) part.style.width = `${(100 * sizes[n]) / Math.max(1, total)}%`;
    const done = sizes.reduce((a, b) => a + b, 0);
    aria(this.node, "valuemax", total);
    aria(this.node, "valuenow", Math.min(total, done));
  }
}
