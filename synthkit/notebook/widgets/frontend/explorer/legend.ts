// The groups of the colour: each entry shows or hides its points, or selects its rows.

import { anchor, button, keepFocus, make, named, press, vector } from "../shared/dom";
import { clipped, reveal, thousands } from "../shared/text";
import type { Groups } from "./known";
import { look } from "./shapes";

export class Legend {
  readonly node = make("div", "sk-tools sk-x-legend");
  private groups: Groups | undefined;
  private entries: HTMLButtonElement[] = [];

  constructor(
    private readonly hide: (group: number) => void,
    private readonly select: (group: number) => void,
    private readonly leave: () => void,
  ) {}

  draw(groups: Groups | undefined, hidden: number[]): void {
    if (groups !== this.groups) {
      this.groups = groups;
      keepFocus(this.node, () => this.build(groups), this.leave);
    }
    for (const [code, entry] of this.entries.entries()) press(entry, !hidden.includes(code));
  }

  private build(groups: Groups | undefined): void {
    this.entries = [];
    this.node.replaceChildren();
    if (!groups?.name) return;
    named(this.node, "group", `groups of ${groups.name}`);
    this.node.classList.toggle("sk-x-scale", groups.numeric);
    groups.labels.forEach((label, code) => {
      const { shape, name } = look(groups, code);
      const glyph = vector("svg", { viewBox: "0 0 16 16", class: "sk-x-glyph", "aria-hidden": "true" });
      glyph.append(vector("path", { d: `M8,8${shape}`, class: name }));
      const entry = anchor(button("", () => this.hide(code), "", "sk-x-entry"), `hide ${code}`);
      entry.append(glyph, reveal(clipped(label)), make("span", "sk-faint", thousands(groups.counts[code])));
      entry.title = "show or hide";
      const all = anchor(button("+", () => this.select(code), "", "sk-x-all"), `all ${code}`);
      all.setAttribute("aria-label", `select all of ${clipped(label)}`);
      all.title = "select all of them";
      this.entries.push(entry);
      this.node.append(make("span", `sk-x-pair ${name}`, entry, all));
    });
  }
}
