// One cell of the matrix: the output of a variant for an input, with its mark and checks.

import { type Pieces, compared } from "../shared/diff";
import { type Child, make } from "../shared/dom";
import { type Cell, content, count, length, plain, reveal } from "../shared/text";
import type { LabCell } from "./link";

const MARKS = { accept: "✓ accepted", reject: "✗ rejected" };

/** The text of a cell, or its differences from the baseline. */
export function textOf(cell: Cell, diff: Pieces | null | undefined): HTMLElement {
  if (!diff) return content(cell, true);
  const node = compared(diff);
  if (Array.isArray(cell)) node.append(length(cell));
  return node;
}

export function cellParts(cell: LabCell): Child[] {
  const parts: Child[] = [];
  const why = plain(cell.why);
  const failed = (text: string, after = "") => make("div", "sk-failed", text, reveal(why, true), after);
  if (cell.state === "new") parts.push(make("div", "sk-faint", why || "not run yet"));
  if (cell.state === "asking") parts.push(make("div", "sk-lab-asking", "… running"));
  if (cell.state === "error") parts.push(failed("✗ ", " Run tries again."));
  if (cell.state === "reject") parts.push(failed("✗ not parsed: "));
  if (cell.state === "done" && why) parts.push(failed("✂ "));
  if (cell.state === "done" || cell.state === "reject") {
    parts.push(make("div", "sk-lab-clamp", textOf(cell.text, cell.diff)), meta(cell));
  }
  for (const [check, reason] of cell.fails) parts.push(verdict("sk-failed", "✗", check, reason));
  for (const [check, reason] of cell.unsaid) parts.push(verdict("sk-faint", "?", check, reason));
  if (plain(cell.comment)) parts.push(make("div", "sk-lab-comment", "“", reveal(plain(cell.comment)), "”"));
  return parts;
}

function verdict(kind: string, sign: string, check: string, reason: Cell): HTMLElement {
  const node = make("div", kind, `${sign} `, reveal(plain(reason) || check));
  node.title = check;
  return node;
}

/** The mark, the checks that passed, and what the completion took. */
function meta({ mark, passes, took }: LabCell): HTMLElement {
  const parts: Child[] = [];
  if (mark) parts.push(make("span", mark === "accept" ? "sk-done" : "sk-failed", MARKS[mark]));
  if (passes) parts.push(make("span", "sk-done", `✓ ${count(passes, "check")}`));
  return make("div", "sk-lab-meta", ...parts, ...(took ?? []).map((part) => make("span", "", part)));
}
