// The composition of the selection, compared with that of all rows.

import { make } from "../shared/dom";
import { sheet } from "../shared/parts";
import { clipped, reveal, thousands } from "../shared/text";
import type { Groups, Points, Selection } from "./known";

/** A table for each column that is compared. */
export function contrasts({ contrasts }: Points, selection: Selection): HTMLElement[] {
  return contrasts.map((groups, n) => contrast(groups, selection, selection.counts[n] ?? []));
}

/** The groups of a column: their shares and counts, of the selection and of all. */
function contrast({ name, labels, counts }: Groups, selection: Selection, own: number[]): HTMLTableElement {
  const all = counts.reduce((a, b) => a + b, 0) || 1;
  const some = selection.count || 1;
  const most = Math.max(...counts.map((n) => n / all), ...own.map((n) => n / some), 1e-9);
  const share = (kind: string, part: number) => {
    const node = make("div", kind);
    node.style.width = `${(100 * part) / most}%`;
    return node;
  };
  const rows = labels.map((label, code) => [
    reveal(clipped(label)),
    make("div", "", ...(selection.count ? [share("sk-x-bar-own", (own[code] ?? 0) / some)] : []), share("sk-x-bar-all", counts[code] / all)),
    selection.count ? thousands(own[code] ?? 0) : "–",
    make("span", "sk-faint", thousands(counts[code])),
  ]);
  const table = sheet(name, ["value", "share", "selected", "all"], rows, [2, 3]);
  table.createCaption().append(reveal(name));
  table.classList.add("sk-x-table");
  return table;
}
