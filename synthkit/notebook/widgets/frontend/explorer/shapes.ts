// The shape and colour of each group of points.

import type { Groups } from "./known";

// map_image.py has the same shapes at twice the size
const SHAPES = [
  "m-4,0a4,4,0,1,0,8,0a4,4,0,1,0-8,0",
  "m-3.5-3.5h7v7h-7z",
  "m0-4.5l4.5,8h-9z",
  "m0-5l5,5l-5,5l-5-5z",
  "m0,4.5l4.5-8h-9z",
  "m-1.5-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
  "m-4.5-2.5l2-2l2.5,2.5l2.5-2.5l2,2l-2.5,2.5l2.5,2.5l-2,2l-2.5-2.5l-2.5,2.5l-2-2l2.5-2.5z",
  "m-4,0a4,4,0,1,0,8,0a4,4,0,1,0-8,0m2,0a2,2,0,0,1,4,0a2,2,0,0,1-4,0",
];

/** A circle around the current point of a path. */
export function circle(r: number): string {
  return `m${-r},0a${r},${r},0,1,0,${2 * r},0a${r},${r},0,1,0${-2 * r},0`;
}

/** The path of a group's points, and the class of their colour. */
export function look(groups: Groups, code: number): { shape: string; name: string } {
  if (!groups.numeric) return { shape: SHAPES[code % 8], name: `sk-hue-${code % 8}` };
  if (groups.labels[code] === "missing") return { shape: SHAPES[7], name: "sk-hue-7" };
  return { shape: circle(2.5 + code * 0.5), name: `sk-step-${code % 7}` };
}
