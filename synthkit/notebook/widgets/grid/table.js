// @ts-check
// The rows of a view, in the browser and on the screen. The kernel keeps them all; here are the
// first (a trait), the newest (pushed as they arrive), and those around what was scrolled to.

/**
 * A row has cells; a reject has a reason and the raw text. `at` counts from 1.
 * @typedef {{at: number, tokens: number | null, cells?: Cell[], reason?: Cell, raw?: Cell}} Row
 *
 * @typedef {{id: string, name: string, total: number | null, columns: string[], stop: boolean,
 *   tokens: boolean, file: string}} About
 *
 * @typedef {{where: string, search: string, which: string, by: string, down: boolean}} Query
 * @typedef {Query & {query: number, size: number, of: number, fresh: number,
 *   narrowed: number | null}} Shown
 *
 * @typedef {{kind: string, empty: number, values: number, rows: number}} Kind
 * @typedef {[string, string, Cell]} Part kind, label and text
 * @typedef {{text: string, failed: boolean, again?: string}} Told
 */

const PAGE = 200;
const AROUND = 60;
const AHEAD = 150;
const KEPT_ROWS = 4000;
const OVERSCAN = 6;
const PATIENCE_MS = 20000;
const SHORT_COLUMN = 24;
const KINDS = { number: "123", label: "a|b", list: "{ }", text: "abc" };

/** The rows of one model that are in the browser, least recently used first. */
class Rows extends Link {
  /** @param {Model} model */
  constructor(model) {
    super(model);
    this.query = -1;
    /** @type {Map<number, Row>} */
    this.kept = new Map();
    /** @type {Map<number, Row>} rows with their long texts */
    this.whole = new Map();
    /** @type {Map<number, Part[]>} where rows come from */
    this.trails = new Map();
    /** @type {Map<string, {at: number, start: number}>} */
    this.asked = new Map();
    this.refused = "";
    this.waiting = false;
    this.turn = 0;
    /** @type {Told | undefined} */
    this.told = undefined;
    /** @type {(message: {text: string, told: string}) => void} */
    this.copied = () => {};
    this.wanted = this.view;
    for (const name of ["first", "view"]) model.on(`change:${name}`, () => this.takeFirst());
    this.takeFirst();
  }

  /** @returns {Shown} */
  get view() {
    return this.model.get("view");
  }

  /** @param {any} message */
  receive(message) {
    if (message.type === "shown") {
      // of several asked for at once, only the answer to the last says what is wanted
      if (message.turn !== this.turn) return;
      this.refused = message.refused;
      this.wanted = this.view;
      this.waiting = false;
    } else if (message.type === "told") this.told = message;
    else if (message.type === "copied") this.copied(message);
    // the rest is about a place in the view, which may have gone
    else if (message.query !== this.query) return;
    else if (message.type === "row") this.whole.set(message.index, message.row);
    else if (message.type === "trail") this.trails.set(message.index, message.parts);
    else {
      this.take(message.start, message.rows);
      for (const [slot, { start }] of this.asked) if (start === message.start) this.asked.delete(slot);
    }
  }

  takeFirst() {
    if (this.view.query !== this.query) {
      this.query = this.view.query;
      if (!this.waiting) this.wanted = this.view;
      for (const held of [this.kept, this.whole, this.trails, this.asked]) held.clear();
    }
    this.take(0, this.model.get("first"));
    this.changed();
  }

  /** @param {number} start @param {Row[]} rows */
  take(start, rows) {
    rows.forEach((row, n) => this.kept.set(start + n, row));
    for (const index of this.kept.keys()) {
      if (this.kept.size <= KEPT_ROWS) break;
      this.kept.delete(index);
    }
  }

  /** @param {number} index @returns {Row | undefined} */
  get(index) {
    const row = this.kept.get(index);
    if (row) {
      this.kept.delete(index);
      this.kept.set(index, row);
    }
    return row;
  }

  /** @param {string} slot @param {number} start Ask for a page: one at a time for each slot. */
  ask(slot, start) {
    const now = performance.now();
    const asked = this.asked.get(slot);
    if (asked && now - asked.at < PATIENCE_MS) return;
    this.asked.set(slot, { at: now, start });
    this.send({ type: "page", query: this.query, start });
  }

  /** @param {number} first @param {number} last Ask for what is next to the rows on the screen. */
  prefetch(first, last) {
    for (let n = last; n < Math.min(this.view.size, last + AHEAD); n++) {
      if (!this.kept.has(n)) return this.ask("near", n);
    }
    for (let n = first - 1; n >= Math.max(0, first - AHEAD); n--) {
      if (!this.kept.has(n)) return this.ask("near", Math.max(0, n - PAGE + 1));
    }
  }

  /** @param {Partial<Query>} changes */
  show(changes) {
    this.wanted = { ...this.wanted, ...changes };
    const { where, search, which, by, down } = this.wanted;
    this.refused = "";
    this.told = undefined;
    this.waiting = true;
    this.turn += 1;
    this.send({ type: "show", turn: this.turn, where, search, which, by, down });
    this.changed();
  }
}

/** The rows on the screen: a window on a table that is taller than any browser would lay out. */
class Table {
  /**
   * @param {Rows} rows @param {About} about
   * @param {{schedule: () => void, trail: (index: number) => void, hint: (text: string) => void}} view
   */
  constructor(rows, about, view) {
    this.rows = rows;
    this.about = about;
    this.view = view;
    this.query = rows.query;
    /** @type {Kind[]} */
    this.kinds = [];
    this.first = 0;
    this.last = 0;
    this.count = 0;
    this.height = 26;
    this.follow = true;
    this.current = 0;
    this.traced = -1;
    this.settled = false;
    /** @type {Map<number, number>} how much taller than a closed row each open one is */
    this.open = new Map();
    /** @type {Map<number, {node: HTMLTableRowElement, shown: string, row: Row | undefined}>} */
    this.drawn = new Map();
    this.node = make("div", "sk-body");
    this.table = make("table", "sk-table");
    this.cols = ["", ...about.columns, ""].map(() => make("col"));
    this.heads = this.cols.map(() => make("th"));
    this.body = make("tbody");
    this.above = this.spacer();
    this.below = this.spacer();
    this.empty = make("p", "sk-empty");
    this.build();
  }

  build() {
    const { name, columns, total, tokens } = this.about;
    this.node.tabIndex = 0;
    this.node.setAttribute("role", "region");
    this.node.setAttribute("aria-label", `rows of ${name}`);
    this.table.setAttribute("aria-label", name);
    const group = make("colgroup");
    group.append(...this.cols);
    this.cols[0].style.width = `${String(total ?? this.rows.view.of).length + 6}ch`;
    this.cols[columns.length + 1].style.width = tokens ? "9ch" : "4ch";
    const heads = make("tr");
    heads.append(...this.heads);
    const titles = ["#", ...columns, tokens ? "tok" : ""];
    for (const [n, title] of titles.entries()) {
      this.heads[n].scope = "col";
      this.heads[n].classList.toggle("sk-number", n === 0 || n > columns.length);
      if (title) this.heads[n].append(this.sorter(n, title, n && n <= columns.length ? `:${title}` : title));
      else this.heads[n].setAttribute("aria-label", "where it comes from");
    }
    const head = make("thead");
    head.append(heads);
    this.table.append(group, head, this.body);
    this.node.append(this.table, this.empty);
    this.node.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("click", (event) => this.click(event));
  }

  /** @param {number} n @param {string} title @param {string} by The button that sorts by a column. */
  sorter(n, title, by) {
    const button = make("button", "sk-sort");
    button.type = "button";
    button.append(reveal(title, false), make("span", "sk-kind"), make("span", "sk-arrow"));
    for (const span of button.querySelectorAll("span")) span.setAttribute("aria-hidden", "true");
    button.addEventListener("click", () => {
      const { wanted } = this.rows;
      if (wanted.by !== by) this.rows.show({ by, down: false });
      else if (!wanted.down) this.rows.show({ down: true });
      else this.rows.show({ by: "", down: false });
    });
    for (const kind of ["mouseenter", "focus"]) {
      button.addEventListener(kind, () => this.view.hint(this.described(n, title)));
    }
    for (const kind of ["mouseleave", "blur"]) button.addEventListener(kind, () => this.view.hint(""));
    return button;
  }

  /** @param {number} n @param {string} title What a column is, for those who point at it. */
  described(n, title) {
    if (n === 0) return "#: the number of the request or row";
    if (n > this.about.columns.length) return "tok: tokens of the answer";
    const about = this.kinds[n - 1];
    if (!about) return title;
    const kind = about.kind === "label" ? `label, ${about.values} values` : about.kind || "no values";
    const part = about.rows < this.rows.view.of ? ` in the first ${thousands(about.rows)} rows` : "";
    return `${title}: ${kind}, ${about.empty ? thousands(about.empty) : "none"} empty${part}`;
  }

  /** @param {Kind[]} kinds Show what columns are, and by which the rows are sorted. */
  drawHeads(kinds) {
    const { by, down } = this.rows.view;
    this.kinds = kinds;
    for (const [n, head] of this.heads.entries()) {
      const [, kind, arrow] = head.querySelector("button")?.children ?? [];
      if (!arrow) continue;
      const name = n === 0 ? "#" : n > this.about.columns.length ? "tok" : `:${this.about.columns[n - 1]}`;
      head.setAttribute("aria-sort", by !== name ? "none" : down ? "descending" : "ascending");
      write(arrow, by !== name ? "" : down ? "▼" : "▲");
      const about = n ? kinds[n - 1] : undefined;
      if (!about) continue;
      write(kind, KINDS[/** @type {keyof typeof KINDS} */ (about.kind)] ?? "");
      if (about.kind) head.classList.toggle("sk-number", about.kind === "number");
      kind.parentElement?.setAttribute("aria-description", this.described(n, this.about.columns[n - 1]));
    }
  }

  /** Begin again at the top: the rows are others. */
  renew() {
    this.query = this.rows.query;
    this.open.clear();
    this.current = 0;
    this.node.scrollTop = 0;
    for (const { node } of this.drawn.values()) {
      if (node.matches(":focus-within")) this.node.focus({ preventScroll: true });
      node.remove();
    }
    this.drawn.clear();
  }

  spacer() {
    const node = make("tr", "sk-spacer");
    node.setAttribute("aria-hidden", "true");
    const cell = make("td");
    cell.colSpan = this.about.columns.length + 2;
    node.append(cell);
    this.body.append(node);
    return node;
  }

  scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.node;
    this.follow = scrollHeight - scrollTop - clientHeight < 4;
    this.view.schedule();
  }

  /** @param {number} index The distance from the top of the first row to that of another. */
  top(index) {
    let top = index * this.height;
    for (const [open, extra] of this.open) if (open < index) top += extra;
    return top;
  }

  /** @param {number} top The row at a distance from the top of the first. */
  at(top) {
    let before = 0;
    for (const index of [...this.open.keys()].sort((a, b) => a - b)) {
      if (this.top(index) + this.height > top) break;
      before += Math.min(/** @type {number} */ (this.open.get(index)), top - this.top(index) - this.height);
    }
    return Math.max(0, Math.min(this.count, Math.floor((top - before) / this.height)));
  }

  /** @param {number} seen @param {boolean} running @param {boolean} answers */
  draw(seen, running, answers) {
    if (this.query !== this.rows.query) this.renew();
    this.count = seen;
    this.table.setAttribute("aria-rowcount", String(seen + 1));
    this.settle(running);
    const height = this.node.clientHeight || 12 * this.height;
    const end = this.top(seen);
    const y = this.follow && running ? Math.max(0, end - height) : this.node.scrollTop;
    const first = Math.max(0, this.at(y) - OVERSCAN);
    const last = Math.min(seen, this.at(y + height) + 1 + OVERSCAN);
    const missing = this.sync(first, last, answers);
    this.measure();
    this.stretch(this.above, this.top(first));
    this.stretch(this.below, this.top(seen) - this.top(last));
    if (this.follow && running) this.node.scrollTop = this.node.scrollHeight;
    if (missing >= 0 && answers) this.rows.ask("here", Math.max(0, missing - AROUND));
    else if (answers && !running) this.rows.prefetch(first, last);
    this.first = Math.min(seen, this.at(y) + 1);
    this.last = Math.min(seen, this.at(y + height - this.height - 2) + 1);
  }

  /** @param {HTMLTableRowElement} spacer @param {number} height */
  stretch(spacer, height) {
    spacer.hidden = height <= 0;
    spacer.cells[0].style.height = `${height}px`;
  }

  /**
   * Draw the rows from first to last, and only them; the nodes of those that stay are kept, and
   * with them the focus and a selection of text.
   * @param {number} first @param {number} last @param {boolean} answers
   * @returns {number} a row that is not in the browser, or -1
   */
  sync(first, last, answers) {
    let missing = -1;
    for (const [index, { node }] of this.drawn) {
      if (index >= first && index < last) continue;
      if (node.matches(":focus-within")) this.node.focus({ preventScroll: true });
      node.remove();
      this.drawn.delete(index);
    }
    if (this.current < first || this.current >= last) this.current = Math.min(first + OVERSCAN, last - 1);
    /** @type {Node} */
    let before = this.above;
    for (let index = first; index < last; index++) {
      const row = this.rows.get(index);
      if (!row && missing < 0) missing = index;
      const node = this.row(index, row, answers);
      if (before.nextSibling !== node) this.body.insertBefore(node, before.nextSibling);
      before = node;
    }
    return missing;
  }

  /** @param {number} index @param {Row | undefined} row @param {boolean} answers */
  row(index, row, answers) {
    const open = this.open.has(index);
    const whole = open ? this.rows.whole.get(index) : undefined;
    const shown = [open, !!whole, answers].join();
    let drawn = this.drawn.get(index);
    if (!drawn) {
      drawn = { node: make("tr"), shown: "", row: undefined };
      drawn.node.setAttribute("aria-rowindex", String(index + 2));
      drawn.node.append(this.opener(index));
      this.drawn.set(index, drawn);
    }
    if (drawn.shown !== shown || drawn.row !== row) {
      Object.assign(drawn, { shown, row });
      const held = drawn.node.querySelector("[data-trail]:focus");
      while (drawn.node.cells.length > 1) drawn.node.deleteCell(1);
      drawn.node.className = row?.reason === undefined ? "" : "sk-rejected";
      drawn.node.classList.toggle("sk-open", open);
      drawn.node.append(...this.cells(whole ?? row, open, answers), this.end(index, row));
      const button = /** @type {HTMLButtonElement} */ (drawn.node.querySelector("button"));
      button.setAttribute("aria-expanded", String(open));
      button.setAttribute("aria-label", `Row ${row ? row.at : index + 1} in full`);
      write(/** @type {Node} */ (button.lastChild), row ? thousands(row.at) : "");
      if (held) this.focus(index, "trail");
    }
    drawn.node.classList.toggle("sk-traced", index === this.traced);
    for (const button of drawn.node.querySelectorAll("button")) {
      button.tabIndex = index === this.current ? 0 : -1;
    }
    return drawn.node;
  }

  /** @param {number} index */
  opener(index) {
    const cell = make("td", "sk-opener");
    const button = make("button", "sk-plain");
    button.type = "button";
    button.dataset.index = String(index);
    const sign = make("span", "sk-sign");
    sign.setAttribute("aria-hidden", "true");
    button.append(sign, make("span"));
    cell.append(button);
    return cell;
  }

  /** @param {number} index @param {Row | undefined} row Its tokens, and the way to where it comes from. */
  end(index, row) {
    const cell = make("td", "sk-opener");
    const button = make("button", "sk-plain");
    button.type = "button";
    button.dataset.trail = String(index);
    button.setAttribute("aria-label", `Row ${row ? row.at : index + 1}: where it comes from`);
    const tokens = row?.tokens;
    button.append(make("span", "", typeof tokens === "number" ? thousands(tokens) : ""), make("span", "", "›"));
    cell.append(button);
    return cell;
  }

  /** @param {Row | undefined} row @param {boolean} open @param {boolean} answers */
  cells(row, open, answers) {
    const width = this.about.columns.length;
    if (row?.cells) {
      const cells = row.cells.map((cell) => {
        const node = make("td");
        node.append(content(cell, open));
        return node;
      });
      return cells;
    }
    const node = make("td");
    node.colSpan = width;
    if (!row) {
      node.append(make("div", "sk-cell sk-faint", answers ? "…" : "not in the browser yet"));
    } else {
      const reason = content(/** @type {Cell} */ (row.reason), open);
      reason.classList.add("sk-reason");
      reason.prepend("✗ ");
      const raw = content(/** @type {Cell} */ (row.raw), open);
      const both = make("div", "sk-reject");
      both.append(reason, raw);
      node.append(both);
    }
    return width ? [node] : [];
  }

  /** Take the heights of rows from the screen: they follow the notebook's font. */
  measure() {
    for (const [index, { node }] of this.drawn) {
      const height = node.getBoundingClientRect().height;
      if (!height) return;
      if (this.open.has(index)) this.open.set(index, Math.max(0, height - this.height));
      else if (Math.abs(height - this.height) > 0.01) this.height = height;
    }
  }

  /** @param {boolean} running Share the width by what the first rows hold, then leave it alone. */
  settle(running) {
    const sample = [...Array(20).keys()].map((n) => this.rows.kept.get(n)).filter((row) => row?.cells);
    if (this.settled || !sample.length) return;
    this.settled = !running || sample.length >= 10;
    const widths = this.about.columns.map((title, n) => {
      const texts = sample.map((row) => [/** @type {Cell[]} */ (row?.cells)[n]].flat()[0]);
      const number = texts.every((text) => text === null || typeof text === "number");
      this.heads[n + 1].classList.toggle("sk-number", number && texts.some((text) => text !== null));
      return Math.max(title.length + 4, ...texts.map((text) => String(text).length)) + 3;
    });
    const long = widths.filter((width) => width > SHORT_COLUMN).length;
    const widest = Math.max(...widths);
    let least = 14;
    for (const [n, width] of widths.entries()) {
      // at least one column takes what the others leave
      const grows = long ? width > SHORT_COLUMN : width === widest;
      this.cols[n + 1].style.width = grows ? "" : `${width}ch`;
      least += grows ? Math.min(width, SHORT_COLUMN) : width;
    }
    this.table.style.minWidth = `${least}ch`;
  }

  /** @param {MouseEvent} event */
  click(event) {
    const button = /** @type {Element} */ (event.target).closest("tbody button");
    if (!(button instanceof HTMLButtonElement)) return;
    if (button.dataset.index) this.toggle(Number(button.dataset.index));
    else this.trail(Number(button.dataset.trail));
  }

  /** @param {number} index Show where a row comes from. */
  trail(index) {
    if (index >= this.count) return;
    this.current = index;
    this.follow = false;
    this.view.trail(index);
  }

  /** @param {number} index @param {string} [kind] Put the focus on a row, or where the rows are. */
  focus(index, kind = "index") {
    const node = this.drawn.get(index)?.node.querySelector(`button[data-${kind}]`);
    (node instanceof HTMLElement ? node : this.node).focus({ preventScroll: true });
  }

  /** @param {number} index */
  toggle(index) {
    this.current = index;
    this.follow = false;
    if (this.open.delete(index)) {
      this.rows.whole.delete(index);
    } else {
      this.open.set(index, 0);
      const row = this.rows.kept.get(index);
      const cells = row ? [...(row.cells ?? []), row.reason, row.raw] : [];
      if (cells.some(Array.isArray)) this.rows.send({ type: "row", index });
    }
    this.view.schedule();
  }

  /** @param {KeyboardEvent} event Arrows go from row to row, so that Tab need not. */
  key(event) {
    const { dataset } = /** @type {HTMLElement} */ (event.target);
    const index = Number(dataset.index ?? dataset.trail ?? -1);
    const kind = dataset.index ? "index" : "trail";
    const steps = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: this.count - 1 };
    const next = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (index < 0) return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      this.focus(index, event.key === "ArrowLeft" ? "index" : "trail");
    }
    if (next === undefined || next < 0 || next >= this.count) return;
    event.preventDefault();
    this.follow = false;
    this.current = next;
    const top = this.top(next);
    const room = this.node.clientHeight - this.height;
    if (top < this.node.scrollTop) this.node.scrollTop = top;
    else if (top + this.height > this.node.scrollTop + room) this.node.scrollTop = top + this.height - room;
    this.draw(this.count, false, true);
    this.focus(next, kind);
  }
}

