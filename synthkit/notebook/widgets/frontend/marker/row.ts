// The row that is judged, or the reason why there is none.

import { type Child, button, make, named, region } from "../shared/dom";
import { compared } from "../shared/diff";
import { sheet } from "../shared/parts";
import { type Cell, content, count, reveal, thousands } from "../shared/text";
import type { Actions } from "./actions";
import type { About, Agreement, Result, Row, Shown } from "./messages";

/** The fields of a row in a line. */
export function fieldsOf(row: Row): HTMLElement[] {
  return row.fields.map(([name, cell]) =>
    make("span", "sk-mark-field", make("span", "sk-faint", name), " ", content(cell)),
  );
}

export function shortId(id: string): string {
  return `row ${id.length > 10 ? `${id.slice(0, 8)}…` : id}`;
}

/** The prompt of a pair, and its two texts side by side. */
export function pairOf(row: Row): HTMLElement[] {
  const side = (name: string, key: "left" | "right", cell: Cell) => {
    const body = row.diff ? compared(row.diff, key) : content(cell, true);
    const node = named(make("div", "sk-pair-text", make("div", "sk-pair-name", name), body), "group", name);
    node.dataset.side = key;
    return node;
  };
  const both = make("div", "sk-pair", side("A", "left", row.text), side("B", "right", row.right ?? null));
  if (row.prompt === undefined) return [both];
  return [make("div", "sk-pair-prompt", content(row.prompt, true)), both];
}

/** The label, flag and reason of a row, and its text before an edit. */
export function markOf(row: Row, actions: Actions): HTMLElement[] {
  const nodes: HTMLElement[] = [];
  if (row.label) {
    nodes.push(make("span", `sk-mark-is-${row.label}`, `${actions.sign(row.label)} ${actions.past(row.label)}`));
  }
  if (row.flag) nodes.push(make("span", "", "⚑ flagged"));
  if (row.reason) nodes.push(make("span", "", reveal(row.reason, true)));
  if (row.original !== null) {
    const label = make("span", "sk-faint", "edited; original: ");
    nodes.push(region(make("div", "sk-mark-original", label, content(row.original, true)), "the text before the edit"));
  }
  return nodes;
}

/** What is shown when there is no row. */
export function endOf(about: About, shown: Shown, showAll: () => void, offer: (line: string) => void): Child[] {
  const { name, pair } = about;
  const { total, marked, filter, matching, agreement, result } = shown;
  const text = (line: string) => make("p", "", line);
  if (!total) return [text(`${name} has no rows to mark. Generate some with %%synth, then run this cell again.`)];
  if (marked === total && (filter === "all" || filter === "unmarked")) {
    const line = `%synth marks ${name}`;
    const tables = pair ? `${name}_judged` : `${name}_kept and ${name}_dropped`;
    return [
      make("p", "sk-done", `✓ ${total === 1 ? "The only row is" : `All ${thousands(total)} rows are`} marked.`),
      ...(agreement ? [agreementLine(agreement)] : []),
      ...(result ? resultOf(result) : []),
      text(`${line} creates ${tables}.`),
      button("Insert it as a new cell", () => offer(line), "", "sk-button sk-mark-leave"),
    ];
  }
  const why = matching[0] ? "No more rows here: all matching rows are marked or were seen." : "No rows match.";
  return [text(why), button("Show all rows", showAll)];
}

/** The systems by their wins, once all pairs are judged. */
function resultOf({ rows, notes }: Result): HTMLElement[] {
  const heads = Object.keys(rows[0] ?? {});
  const lines = rows.map((row) => heads.map((name) => reveal(String(row[name]))));
  const numbers = heads.flatMap((name, n) => (name === "system" ? [] : [n]));
  const table = sheet("wins", heads, lines, numbers);
  table.classList.add("sk-pair-result");
  return [...(rows.length ? [table] : []), ...notes.map((note) => make("p", "sk-faint", note))];
}

function agreementLine({ n, share, low, high, kappa }: Agreement): HTMLElement {
  const agreed = share === null ? 0 : Math.round(share * n);
  const interval = share === null ? "" : ` = ${share.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
  const beyond =
    kappa === null ? "Cohen's kappa is undefined: only one label was used" : `Cohen's kappa ${kappa.toFixed(2)}`;
  return make("p", "", `Self-agreement: ${agreed} of ${count(n, "row")}${interval}; ${beyond}.`);
}
