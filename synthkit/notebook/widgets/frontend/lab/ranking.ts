// The variants in order, by any of their measures.

import { anchor, aria, button, make, redraw, th } from "../shared/dom";
import { reveal } from "../shared/text";
import type { LabState, Ranked } from "./link";

export class Ranking {
  readonly node: HTMLElement;
  private by = "";
  private up = false;
  private readonly reading = make("p", "sk-lab-reading");
  private readonly table = make("table", "sk-lab-table sk-lab-ranks");

  /** @param leave puts the focus on the matrix @param use puts a variant into a new cell */
  constructor(
    private readonly schedule: () => void,
    private readonly leave: () => void,
    private readonly use: (column: number) => void,
  ) {
    const frame = make("div", "sk-lab-matrix", this.table);
    this.node = make("section", "", this.reading, frame);
    this.node.classList.add("sk-lab-ranking");
  }

  draw({ blind, ranking, winner, reading, measures }: LabState): void {
    this.node.hidden = blind || !ranking.length;
    redraw(this.reading, reading, () => [reveal(reading)]);
    const build = () => {
      const heads = [th("col", "sk-faint", "variant"), th("col", "sk-faint", "use"), ...measures.map((name) => this.sorter(name))];
      const lines = sorted(ranking, measures.indexOf(this.by), this.up).map((entry) => this.line(entry, winner));
      return [make("thead", "", make("tr", "", ...heads)), make("tbody", "", ...lines)];
    };
    redraw(this.table, [ranking, winner, measures, this.by, this.up], build, this.leave);
  }

  private sorter(name: string): HTMLElement {
    const node = th("col", "sk-number");
    const on = this.by === name;
    aria(node, "sort", on ? (this.up ? "ascending" : "descending") : "none");
    const sign = on ? (this.up ? " ▲" : " ▼") : "";
    const sort = anchor(button(name + sign, () => this.sort(name), "", "sk-plain sk-lab-sort"), name);
    aria(sort, "label", `sort by ${name}`);
    node.append(sort);
    return node;
  }

  /** Sort by a measure: descending, then ascending, then as ranked. */
  private sort(name: string): void {
    if (this.by !== name) [this.by, this.up] = [name, false];
    else if (!this.up) this.up = true;
    else this.by = "";
    this.schedule();
  }

  private line({ column, name, measures }: Ranked, winner: number): HTMLElement {
    const head = th("row", "", reveal(name));
    if (column === winner) head.append(make("span", "sk-done", " ✓ best so far"));
    const use = anchor(button("Use", () => this.use(column), "", "sk-button sk-small"), `use ${column}`);
    use.title = `Use ${name}: insert it as a new cell`;
    aria(use, "label", use.title);
    return make("tr", "", head, make("td", "", use), ...measures.map(([text]) => make("td", "sk-number", unbroken(text))));
  }
}

/** The text of a measure: an interval goes to the next line as a whole. */
function unbroken(text: string): string {
  return text.replaceAll(", ", ",\u00a0");
}

/** The entries sorted by a measure, those without a value last where the best come first. */
export function sorted(entries: Ranked[], measure: number, up: boolean): Ranked[] {
  if (measure < 0) return entries;
  const value = (entry: Ranked) => entry.measures[measure][1] ?? -1;
  return [...entries].sort((a, b) => (value(a) - value(b)) * (up ? 1 : -1));
}
