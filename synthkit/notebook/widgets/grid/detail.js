// @ts-check
// Where one row comes from, beside the rows or below them.

class Detail {
  /** @param {Rows} rows @param {(index: number) => void} copyRow @param {(held: boolean) => void} closed told whether the focus was in it */
  constructor(rows, copyRow, closed) {
    this.rows = rows;
    this.closed = closed;
    this.index = -1;
    /** @type {Part[] | undefined} */
    this.parts = undefined;
    this.query = -1;
    this.node = make("section", "sk-detail");
    this.title = make("strong", "sk-name");
    this.body = make("div", "sk-detail-body");
    this.node.hidden = true;
    this.body.tabIndex = 0;
    this.body.setAttribute("role", "region");
    const head = make("div", "sk-head");
    const copied = button("Copy row", () => copyRow(this.index));
    head.append(this.title, copied, button("Close", () => this.close(), "Esc"));
    this.node.append(head, this.body);
    this.node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    });
  }

  /** @param {number} index */
  open(index) {
    const name = `Row ${this.rows.kept.get(index)?.at ?? index + 1}`;
    Object.assign(this, { index, parts: undefined, query: this.rows.query });
    write(this.title, name);
    this.node.setAttribute("aria-label", `${name}: where it comes from`);
    this.body.setAttribute("aria-label", `${name}: where it comes from`);
    this.body.replaceChildren(make("p", "sk-empty", "Loading…"));
    this.node.hidden = false;
    this.rows.trails.delete(index);
    this.rows.send({ type: "trail", query: this.rows.query, index });
    this.body.focus({ preventScroll: true });
  }

  close() {
    if (this.node.hidden) return;
    const held = this.node.matches(":focus-within");
    this.node.hidden = true;
    this.closed(held);
  }

  draw() {
    if (this.node.hidden) return;
    if (this.query !== this.rows.query) return this.close();
    const parts = this.rows.trails.get(this.index);
    if (!parts) {
      if (this.rows.gone) write(this.body, "The kernel is gone: where this row comes from cannot be asked.");
      return;
    }
    if (parts === this.parts) return;
    this.parts = parts;
    /** @type {HTMLElement[]} */
    const nodes = [];
    for (const [kind, label, text] of parts) {
      if (kind === "head") nodes.push(make("h4", "sk-detail-head", label));
      else {
        const list = kind === "fact" && nodes.at(-1)?.tagName === "DL" ? nodes.at(-1) : make("dl", `sk-${kind}s`);
        const value = make("dd");
        value.append(content(text, true));
        list?.append(make("dt", "", label), value);
        if (list && list !== nodes.at(-1)) nodes.push(list);
      }
    }
    this.body.replaceChildren(...nodes);
    this.body.scrollTop = 0;
  }
}
