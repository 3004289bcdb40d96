// The groups of the colour: each entry shows or hides its points, or selects its rows.

import { anchor, aria, button, make, named, redraw, vector } from "../shared/dom";
import { clipped, reveal, thousands } from "../shared/text";
import type { Groups } from "./known";
import { look } from "./shapes";

export interface LegendOwner {
  hide(group: number): void;
  select(what: object, how: "add"): void;
}

export class Legend {
  readonly node = make("div", "sk-tools sk-x-legend");

  constructor(
    private readonly owner: LegendOwner,
    private readonly leave: () => void,
  ) {}

  draw(groups: Groups | undefined, hidden: number[]): void {
    redraw(this.node, groups ?? null, () => (groups?.name ? this.entries(groups) : []), this.leave);
    for (const [code, entry] of this.node.querySelectorAll(".sk-x-entry").entries()) {
      aria(entry, "pressed", !hidden.includes(code));
    }
  }

  private entries(groups: Groups): HTMLElement[] {
    named(this.node, "group", `groups of ${groups.name}`);
    this.node.classList.toggle("sk-x-scale", groups.numeric);
    return groups.labels.map((label, code) => {
      const { shape, name } = look(groups, code);
      const glyph = vector("svg", { viewBox: "0 0 16 16", class: "sk-x-glyph", "aria-hidden": "true" });
      glyph.append(vector("path", { d: `M8,8${shape}`, class: name }));
      const entry = anchor(button("", () => this.owner.hide(code), "", "sk-x-entry"), `hide ${code}`);
      entry.append(glyph, reveal(clipped(label)), make("span", "sk-faint", thousands(groups.counts[code])));
      entry.title = "show or hide";
      const all = anchor(button("select", () => this.owner.select({ group: code }, "add"), "", "sk-x-all"), `all ${code}`);
      aria(all, "label", `select all of ${clipped(label)}`);
      all.title = "select all of them";
      return make("span", `sk-x-pair ${name}`, entry, all);
    });
  }
}
