// Numbers and model text as people read them. Text is never taken as markup.

import { make } from "./dom";

/** A number, a text, nothing, or the start of a long text with its whole length. */
export type Cell = string | number | null | [text: string, length: number];

// The same list as _UNSEEN in core/formatting.py, where it is explained.
const UNSEEN = new RegExp(
  "([\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f" +
    "\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff0-\\ufffb" +
    "\\ud800-\\udfff\\u{e0000}-\\u{e0fff}]" +
    "|(?<![^\\x00-\\x7f])[\\u200c\\u200d]|[\\u200c\\u200d](?![^\\x00-\\x7f]))",
  "u",
);

export function thousands(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

export function count(number: number, noun: string): string {
  return `${thousands(number)} ${noun}${number === 1 ? "" : "s"}`;
}

export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Local date and time of seconds since 1970. */
export function moment(seconds: number, withSeconds = false): string {
  const date = new Date(seconds * 1000);
  const [year, month, day, hour, minute, second] = [
    date.getFullYear(),
    ...[date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds()],
  ].map((number) => String(number).padStart(2, "0"));
  return `${year}-${month}-${day} ${hour}:${minute}${withSeconds ? `:${second}` : ""}`;
}

/** The text with a full stop, if it ends without one. */
export function sentence(text: string): string {
  return /[.!?:]\s*$/.test(text) ? text : `${text}.`;
}

/** The text of a cell, or its start. */
export function plain(cell: Cell | undefined): string {
  return String((Array.isArray(cell) ? cell[0] : cell) ?? "");
}

/** The same, with an ellipsis where the text is longer. */
export function clipped(cell: Cell): string {
  return plain(cell) + (Array.isArray(cell) ? "…" : "");
}

/**
 * The text as an element. Characters that cannot be seen are shown by their code point.
 * @param open whether line breaks are kept; in a row of one line they are shown as arrows
 */
export function reveal(text: string, open = false): HTMLElement {
  const node = make("bdi");
  for (const [n, part] of text.replaceAll("\r\n", "\n").split(UNSEEN).entries()) {
    if (n % 2) {
      const code = (part.codePointAt(0) ?? 0).toString(16).toUpperCase();
      node.append(make("span", "sk-unseen", `U+${code.padStart(4, "0")}`));
    } else if (open) {
      node.append(part);
    } else {
      for (const [line, piece] of part.split("\n").entries()) {
        if (line) node.append(make("span", "sk-faint", "↵"));
        node.append(piece);
      }
    }
  }
  return node;
}

/** A cell as an element; the length of a clipped text is shown behind it. */
export function content(cell: Cell, open = false): HTMLElement {
  if (typeof cell === "number") return make("div", "sk-cell sk-number", String(cell));
  if (cell === null || cell === "") return make("div", "sk-cell sk-faint", cell === "" ? "empty" : "null");
  const node = make("div", "sk-cell", reveal(plain(cell), open));
  if (Array.isArray(cell)) node.append(length(cell, open));
  return node;
}

/** Whether a text may need more than ten lines, and so scrolls where it is shown as a whole. */
export function isLong(cell: Cell): boolean {
  const text = plain(cell);
  return text.length > 200 || text.split("\n").length > 8;
}

/** The length of a clipped text. */
export function length([text, size]: [string, number], open = false): HTMLElement {
  const whole = count(size, "character");
  return make("span", "sk-length", `… ${open ? `first ${thousands(text.length)} of ${whole}` : whole}`);
}
