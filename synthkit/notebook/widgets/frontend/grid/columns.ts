// How wide the columns of a table are, by what its first rows hold.

import { type Cell, plain } from "../shared/text";

/** Characters: the most of a column that does not grow, what it keeps in a narrow widget, and the
 * least of a column that grows. */
const SHORT = 30;
const NARROW = 10;
const LEAST = 24;

/**
 * Widths of the columns; one without a width takes what the others leave. Texts that are at least a
 * third as long as the longest grow. Others get the width of their texts, at most a fifth of the
 * widget where it is narrow, and numbers always get theirs.
 * @returns also which columns hold numbers only, and the least width of the table
 */
export function columnWidths(
  titles: string[],
  rows: Cell[][],
): { widths: string[]; numbers: boolean[]; least: string } {
  const numbers = titles.map((_, n) => {
    const cells = rows.map((row) => row[n]).filter((cell) => cell !== null);
    return cells.length > 0 && cells.every((cell) => typeof cell === "number");
  });
  const sizes = titles.map((title, n) => {
    const longest = Math.max(0, ...rows.map((row) => (row[n] === null ? 4 : plain(row[n]).length)));
    return Math.max(title.length + 2, longest) + 2;
  });
  const widest = Math.max(...sizes);
  const grows = sizes.map((size, n) => size === widest || (!numbers[n] && size > SHORT && size > widest / 3));
  const widths = sizes.map((size, n) => {
    if (grows[n]) return "";
    if (numbers[n] || size <= NARROW) return `${size}ch`;
    return `min(${Math.min(size, SHORT)}ch, max(${NARROW}ch, 20cqw))`;
  });
  const least = sizes.map((size, n) => (grows[n] ? `${Math.min(size, LEAST)}ch` : widths[n]));
  return { widths, numbers, least: `calc(14ch + ${least.join(" + ")})` };
}
