// Named values, and tables that do not change.

import { type Child, aria, make, th } from "./dom";
import { type Cell, content, reveal } from "./text";

/** A part of a row's provenance: "head", "fact" or "text", its label, and its value. */
export type Part = [kind: string, label: string, value: Cell];

/** A list of named values. */
export function facts(pairs: [name: string, value: Child, kind?: string][], name = ""): HTMLDListElement {
  const list = make("dl", `sk-facts ${name}`);
  for (const [label, value, kind] of pairs) {
    list.append(make("dt", "sk-faint", reveal(label)), make("dd", kind ?? "", value));
  }
  return list;
}

/** The provenance of a row: headings, facts in columns, and texts below their labels. */
export function provenance(parts: Part[]): HTMLElement[] {
  const nodes: HTMLElement[] = [];
  for (const [kind, label, value] of parts) {
    if (kind === "head") {
      nodes.push(make("h4", "sk-heading", label));
      continue;
    }
    const list = facts([[label, content(value, true)]], `sk-${kind}s`);
    const last = nodes.at(-1);
    if (kind === "fact" && last?.matches(".sk-facts:not(.sk-texts)")) last.append(...list.children);
    else nodes.push(list);
  }
  return nodes;
}

/** A table of texts; the first cell of each row names the row. */
export function sheet(label: string, heads: Child[], rows: Child[][], numbers: number[] = []): HTMLTableElement {
  const table = make("table", "sk-sheet");
  aria(table, "label", label);
  const line = (cells: Child[], scope: "col" | "row") =>
    make(
      "tr",
      "",
      ...cells.map((cell, at) => {
        const kind = numbers.includes(at) ? "sk-number" : "";
        return scope === "row" && at ? make("td", kind, cell) : th(scope, kind, cell);
      }),
    );
  table.append(make("thead", "", line(heads, "col")), make("tbody", "", ...rows.map((row) => line(row, "row"))));
  return table;
}
