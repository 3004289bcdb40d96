// How wide the columns of a table are, by what its first rows hold.

import { type Cell, plain } from "../shared/text";

const SHORT = 24;

/**
 * Widths in characters; a column without a width takes what the others leave.
 * @returns also which columns hold numbers only, and the least width of the table
 */
export function columnWidths(
  titles: string[],
  rows: Cell[][],
): { widths: string[]; numbers: boolean[]; least: string } {
  const sizes = titles.map((title, n) => {
    const longest = Math.max(0, ...rows.map((row) => (row[n] === null ? 4 : plain(row[n]).length)));
    return Math.max(title.length + 4, longest) + 3;
  });
  const numbers = titles.map((_, n) => {
    const cells = rows.map((row) => row[n]).filter((cell) => cell !== null);
    return cells.length > 0 && cells.every((cell) => typeof cell === "number");
  });
  const long = sizes.some((size) => size > SHORT);
  const widest = Math.max(...sizes);
  const grows = sizes.map((size) => (long ? size > SHORT : size === widest));
  const least = sizes.map((size, n) => (grows[n] ? Math.min(size, SHORT) : size)).reduce((a, b) => a + b, 14);
  return { widths: sizes.map((size, n) => (grows[n] ? "" : `${size}ch`)), numbers, least: `${least}ch` };
}
