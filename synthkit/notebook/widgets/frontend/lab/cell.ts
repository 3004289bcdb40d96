// One cell of the matrix: the output of a variant for an input, with its mark and checks.

import { type Pieces, compared } from "../shared/diff";
import { type Child, make } from "../shared/dom";
import { type Cell, content, count, length, plain, reveal } from "../shared/text";
import type { LabCell } from "./link";

/** Most lines about checks; the open cell has all. */
const LINES = 3;
const MARKS = { accept: "✓ accepted", reject: "✗ rejected" };

/** The text of a cell, or its differences from the baseline. */
export function textOf(cell: Cell, diff: Pieces | null | undefined): HTMLElement {
  if (!diff) return content(cell, true);
  const node = compared(diff);
  if (Array.isArray(cell)) node.append(length(cell));
  return node;
}

/** @param diff whether the differences from the baseline are marked */
export function cellParts(cell: LabCell, diff: boolean): Child[] {
  const parts: Child[] = [];
  const why = plain(cell.why);
  const failed = (text: string, after = "") => make("div", "sk-failed sk-lab-clamp", text, reveal(why, true), after);
  if (cell.state === "new") parts.push(make("div", "sk-faint", why || "not run yet"));
  if (cell.state === "asking") parts.push(make("div", "sk-lab-asking", "… running"));
  if (cell.state === "error") parts.push(failed("✗ ", " Run tries again."));
  if (cell.state === "reject") parts.push(failed("✗ not parsed: "));
  if (cell.state === "done" && why) parts.push(failed("✂ "));
  if (cell.state === "done" || cell.state === "reject") {
    parts.push(make("div", "sk-lab-clamp", textOf(cell.text, diff ? cell.diff : null)), meta(cell));
  }
  parts.push(...verdicts(cell));
  if (plain(cell.comment)) parts.push(make("div", "sk-lab-comment sk-lab-clamp sk-lab-short-lines", "“", reveal(plain(cell.comment)), "”"));
  return parts;
}

/** The checks that failed or have no verdict, as many as a cell has lines for. */
function verdicts({ fails, unsaid }: LabCell): HTMLElement[] {
  const lines = [
    ...fails.map(([check, reason]) => verdict("sk-failed", "✗", check, reason)),
    ...unsaid.map(([check, reason]) => verdict("sk-faint", "?", check, reason)),
  ];
  if (lines.length <= LINES) return lines;
  return [...lines.slice(0, LINES - 1), make("div", "sk-faint", `… ${lines.length - LINES + 1} more, with Enter`)];
}

function verdict(kind: string, sign: string, check: string, reason: Cell): HTMLElement {
  const node = make("div", `${kind} sk-lab-clamp sk-lab-short-lines`, `${sign} `, reveal(plain(reason) || check));
  node.title = plain(reason) ? `${check}: ${plain(reason)}` : check;
  return node;
}

/** The mark, the checks that passed, and what the completion took. */
function meta({ mark, passes, fails, unsaid, took }: LabCell): HTMLElement {
  const parts: Child[] = [];
  if (mark) parts.push(make("span", mark === "accept" ? "sk-done" : "sk-failed", MARKS[mark]));
  const checks = passes + fails.length + unsaid.length;
  if (passes && passes === checks) parts.push(make("span", "sk-done", `✓ ${count(checks, "check")}`));
  else if (passes) parts.push(make("span", "", `${passes} of ${count(checks, "check")}`));
  return make("div", "sk-lab-meta", ...parts, ...(took ?? []).map((part) => make("span", "", part)));
}
