// The provenance of one row, beside the rows or below them.

import { button, make, named, region, write } from "../shared/dom";
import { onKeys } from "../shared/keys";
import { type Part, provenance } from "../shared/parts";
import type { Rows } from "./rows";

export class Detail {
  index = -1;
  readonly node = make("section", "sk-detail");
  private readonly title = make("strong", "sk-name");
  private readonly body = region(make("div", "sk-detail-body"), "provenance");
  private parts: Part[] | undefined;
  private query = -1;

  /** @param closed called with whether the focus was in it */
  constructor(
    private readonly rows: Rows,
    copyRow: (index: number) => void,
    private readonly closed: (held: boolean) => void,
  ) {
    this.node.hidden = true;
    const copying = button("Copy row", () => copyRow(this.index));
    this.node.append(
      make("div", "sk-head", this.title, copying, button("Close", () => this.close(), "Esc")),
      this.body,
    );
    onKeys(this.node, { Escape: () => this.close() });
  }

  open(index: number): void {
    const name = `Row ${this.rows.pages.kept.get(index)?.at ?? index + 1}`;
    Object.assign(this, { index, parts: undefined, query: this.rows.query });
    write(this.title, name);
    named(this.node, "region", `Provenance of ${name.toLowerCase()}`);
    this.body.replaceChildren(make("p", "sk-empty", "Loading…"));
    this.node.hidden = false;
    this.rows.provenance.delete(index);
    this.rows.send({ type: "trail", query: this.rows.query, index });
    this.body.focus({ preventScroll: true });
  }

  close(): void {
    if (this.node.hidden) return;
    const held = this.node.matches(":focus-within");
    this.node.hidden = true;
    this.closed(held);
  }

  draw(): void {
    if (this.node.hidden) return;
    if (this.query !== this.rows.query) return this.close();
    const parts = this.rows.provenance.get(this.index);
    if (!parts && this.rows.gone) write(this.body, "The kernel is gone: provenance cannot be loaded.");
    if (!parts || parts === this.parts) return;
    this.parts = parts;
    this.body.replaceChildren(...provenance(parts));
    this.body.scrollTop = 0;
  }
}
