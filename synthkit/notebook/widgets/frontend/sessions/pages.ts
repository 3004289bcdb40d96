// The pages of the session browser that only show: marks and labs, costs and sizes, a comparison.

import { type Child, anchor, aria, button, make } from "../shared/dom";
import { compared } from "../shared/diff";
import { sheet } from "../shared/parts";
import { type Cell, clipped, content, count, plain, thousands } from "../shared/text";
import type { Comparison, Overview } from "./book";
import { curve } from "./costs";

/** @param open opens a lab in a new cell */
export function marksPage({ marks, labs, more }: Overview, open: (lab: string) => void): Child[] {
  const parts: Child[] = [];
  if (marks.length) parts.push(sheet("marks", ["question", "by", "label", "round", "marks"], cells(marks), [4]));
  else parts.push(make("p", "sk-empty", "No marks yet. %synth mark TABLE opens the marker."));
  const buttons = labs.map((lab) => {
    const name = plain(lab);
    const node = anchor(button(name, () => open(name)), `lab ${name}`);
    aria(node, "label", `Open the lab ${name} in a new cell`);
    return node;
  });
  const label = labs.length ? "Prompt labs:" : "No prompt lab yet. %synth lab NAME opens one.";
  parts.push(make("div", "sk-tools", label, ...buttons));
  if (more) parts.push(make("p", "sk-faint", `${thousands(more)} more are not shown.`));
  return parts;
}

export function costsPage({ chart, sizes }: Overview): Child[] {
  const parts: Child[] = chart.points.length ? curve(chart) : [make("p", "sk-empty", "Nothing was spent yet.")];
  if (chart.unpriced) parts.push(make("p", "sk-faint", `${count(chart.unpriced, "run")} of a model without a price.`));
  parts.push(sheet("sizes", ["on disk", "size"], sizes, [1]));
  return parts;
}

/** How two runs or tables differ. */
export function comparison({ facts, fields, lines, prompt }: Comparison, close: HTMLElement): Child[] {
  const [[, a, b]] = facts;
  const rows = cells(facts.map((row) => row.map((cell) => cell || " ")));
  const parts: Child[] = [
    make("div", "sk-tools", make("strong", "", `${clipped(a)} and ${clipped(b)}`), close),
    sheet("comparison", rows[0], rows.slice(1), [1, 2]),
  ];
  if (fields.length) parts.push(sheet("differences", ["differs in", clipped(a), clipped(b)], cells(fields, true)));
  parts.push(...lines.map((line) => make("p", "", line)));
  if (prompt.length) parts.push(make("div", "sk-session-prompt", compared(prompt)));
  return parts;
}

function cells(rows: Cell[][], open = false): HTMLElement[][] {
  return rows.map((row) => row.map((cell) => content(cell, open)));
}
