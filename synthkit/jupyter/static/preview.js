// @ts-check
// The browser's half of synthkit.jupyter.Preview. The kernel keeps the rows; here are the first of
// them (a trait), the newest (pushed as they arrive), and the pages that were scrolled to.

/**
 * A row has cells; a reject has a reason and the raw text. `at` counts from 1.
 * @typedef {{at: number, tokens: number, cells?: Cell[], reason?: Cell, raw?: Cell}} Row
 *
 * @typedef {{id: string, name: string, total: number, columns: string[], stop: boolean}} About
 *
 * @typedef {"running" | "stopping" | "done" | "interrupted" | "stopped" | "failed"} State
 *
 * @typedef {{state: State, message: string, seen: number, rows: number, rejects: number,
 *   pending: number, rate: number | null, left: number | null, totals: string[]}} Progress
 */

const PAGE = 200;
const KEPT_ROWS = 4000;
const OVERSCAN = 6;
const PATIENCE_MS = 20000;
const SHORT_COLUMN = 24;
const ANNOUNCE_MS = 10000;

/** The rows of one model that are in the browser, least recently used first. */
class Rows extends Link {
  /** @param {Model} model */
  constructor(model) {
    super(model);
    /** @type {Map<number, Row>} */
    this.kept = new Map();
    /** @type {Map<number, Row>} rows with their long texts */
    this.whole = new Map();
    this.asked = 0;
    model.on("change:first", () => this.takeFirst());
    this.takeFirst();
  }

  /** @param {any} message */
  receive(message) {
    if (message.type === "rows") {
      this.take(message.start, message.rows);
      this.asked = 0;
    } else if (message.type === "row") {
      this.whole.set(message.index, message.row);
    }
  }

  takeFirst() {
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

  /** @param {number} index Ask for the page that holds a row: one page at a time. */
  ask(index) {
    const now = performance.now();
    if (this.asked && now - this.asked < PATIENCE_MS) return;
    this.asked = now;
    this.send({ type: "page", start: Math.floor(index / PAGE) * PAGE });
  }
}

/** The rows on the screen: a window on a table that is taller than any browser would lay out. */
class Table {
  /** @param {Rows} rows @param {About} about @param {() => void} schedule */
  constructor(rows, about, schedule) {
    this.rows = rows;
    this.about = about;
    this.schedule = schedule;
    this.count = 0;
    this.height = 26;
    this.follow = true;
    this.current = 0;
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
    const { name, columns, total } = this.about;
    this.node.tabIndex = 0;
    this.node.setAttribute("role", "region");
    this.node.setAttribute("aria-label", `rows of ${name}`);
    this.table.setAttribute("aria-label", name);
    const group = make("colgroup");
    group.append(...this.cols);
    this.cols[0].style.width = `${String(total).length + 5}ch`;
    this.cols[columns.length + 1].style.width = "7ch";
    const heads = make("tr");
    heads.append(...this.heads);
    for (const [n, title] of ["#", ...columns, "tok"].entries()) {
      this.heads[n].scope = "col";
      this.heads[n].classList.toggle("sk-number", n === 0 || n > columns.length);
      this.heads[n].append(reveal(title, false));
    }
    const head = make("thead");
    head.append(heads);
    this.table.append(group, head, this.body);
    this.node.append(this.table, this.empty);
    this.node.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("click", (event) => this.click(event));
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
    this.schedule();
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
    if (missing >= 0 && answers) this.rows.ask(missing);
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
      while (drawn.node.cells.length > 1) drawn.node.deleteCell(1);
      drawn.node.className = row?.reason === undefined ? "" : "sk-rejected";
      drawn.node.classList.toggle("sk-open", open);
      drawn.node.append(...this.cells(whole ?? row, open, answers));
      const button = /** @type {HTMLButtonElement} */ (drawn.node.querySelector("button"));
      button.setAttribute("aria-expanded", String(open));
      button.setAttribute("aria-label", `Row ${row ? row.at : index + 1} in full`);
      write(/** @type {Node} */ (button.lastChild), row ? thousands(row.at) : "");
    }
    const button = /** @type {HTMLButtonElement} */ (drawn.node.querySelector("button"));
    button.tabIndex = index === this.current ? 0 : -1;
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

  /** @param {Row | undefined} row @param {boolean} open @param {boolean} answers */
  cells(row, open, answers) {
    const tokens = make("td", "sk-number", row ? thousands(row.tokens) : "");
    const width = this.about.columns.length;
    if (row?.cells) {
      const cells = row.cells.map((cell) => {
        const node = make("td");
        node.append(content(cell, open));
        return node;
      });
      return [...cells, tokens];
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
    return width ? [node, tokens] : [tokens];
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
      return Math.max(title.length, ...texts.map((text) => String(text).length)) + 3;
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
    const button = /** @type {Element} */ (event.target).closest("button[data-index]");
    if (button instanceof HTMLButtonElement) this.toggle(Number(button.dataset.index));
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
    this.schedule();
  }

  /** @param {KeyboardEvent} event Arrows go from row to row, so that Tab need not. */
  key(event) {
    const target = /** @type {Element} */ (event.target);
    const index = target instanceof HTMLButtonElement ? Number(target.dataset.index) : -1;
    const steps = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: this.count - 1 };
    const next = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (index < 0 || next === undefined || next < 0 || next >= this.count) return;
    event.preventDefault();
    this.follow = false;
    this.current = next;
    const top = this.top(next);
    const room = this.node.clientHeight - this.height;
    if (top < this.node.scrollTop) this.node.scrollTop = top;
    else if (top + this.height > this.node.scrollTop + room) this.node.scrollTop = top + this.height - room;
    this.draw(this.count, false, true);
    this.drawn.get(next)?.node.querySelector("button")?.focus({ preventScroll: true });
  }
}

/**
 * One view: header, bar, notes, table, totals.
 * @extends {Panel<Rows>}
 */
class View extends Panel {
  /** @param {Rows} rows @param {HTMLElement} host */
  constructor(rows, host) {
    super(rows, host, "sk-preview", `preview of ${rows.model.get("about").name}`);
    this.rows = rows;
    /** @type {About} */
    this.about = this.model.get("about");
    this.announced = -Infinity;
    this.state = "";
    this.table = new Table(rows, this.about, () => this.schedule());
    this.made = make("span", "sk-made");
    this.rejects = make("span", "sk-count");
    this.pending = make("span", "sk-count");
    this.pace = make("span", "sk-pace");
    this.stop = make("button", "sk-button", "Stop");
    this.bar = make("div", "sk-bar");
    this.good = make("div", "sk-bar-rows");
    this.bad = make("div", "sk-bar-rejects");
    this.totals = make("div", "sk-foot");
    this.build();
    this.follow("progress");
    const resize = new ResizeObserver(() => this.schedule());
    resize.observe(this.table.node);
    this.undo.push(() => resize.disconnect());
  }

  build() {
    const { name } = this.about;
    this.stop.type = "button";
    this.stop.addEventListener("click", () => this.press());
    const head = make("div", "sk-head");
    head.append(make("strong", "sk-name", name), this.made, this.rejects, this.pending, this.pace, this.stop);
    this.bar.setAttribute("role", "progressbar");
    this.bar.setAttribute("aria-label", `progress of ${name}`);
    this.bar.append(this.good, this.bad);
    this.root.append(head, this.bar, this.notes, this.table.node, this.totals, this.live);
  }

  press() {
    if (this.stop.getAttribute("aria-disabled") === "true") return;
    this.rows.send({ type: "stop" });
    this.schedule();
  }

  paint() {
    /** @type {Progress} */
    const progress = this.model.get("progress");
    const gone = this.rows.gone;
    const running = !gone && (progress.state === "running" || progress.state === "stopping");
    if (progress.state !== this.state) this.rows.asked = 0;
    this.drawHead(progress, running, gone);
    this.drawNotes(progress);
    write(this.table.empty, progress.seen ? "" : this.emptiness(progress, running));
    // while its own cell blocks the kernel nobody there could answer
    const answers = !gone && (!running || this.about.stop);
    this.table.draw(progress.seen, running, answers);
    this.announce(progress, running);
    this.state = progress.state;
  }

  /** @param {Progress} progress @param {boolean} running */
  emptiness(progress, running) {
    if (running) return "Waiting for the first row.";
    return this.about.total ? "No rows." : "There was nothing to ask: no rows.";
  }

  /** @param {Progress} progress @param {boolean} running @param {boolean} gone */
  drawHead(progress, running, gone) {
    const { total } = this.about;
    const { rows, rejects, pending, rate, left, state } = progress;
    write(this.made, `${thousands(rows)}/${count(total, "row")}`);
    write(this.rejects, `${rejects ? "✗ " : ""}${count(rejects, "reject")}`);
    this.rejects.classList.toggle("sk-failed", rejects > 0);
    write(this.pending, `${thousands(pending)} pending`);
    write(this.pace, this.stateText(state, rate, left, gone));
    this.pace.className = `sk-pace sk-${gone ? "gone" : state}`;
    const stoppable = running && this.about.stop;
    if (!stoppable && document.activeElement === this.stop) this.table.node.focus({ preventScroll: true });
    this.stop.hidden = !stoppable;
    // a disabled button would lose the focus, and with it the keys to the notebook
    this.stop.setAttribute("aria-disabled", String(state === "stopping"));
    write(this.stop, state === "stopping" ? "Stopping…" : "Stop");
    const share = 100 / Math.max(1, total);
    this.good.style.width = `${rows * share}%`;
    this.bad.style.width = `${rejects * share}%`;
    this.bar.setAttribute("aria-valuemax", String(total));
    this.bar.setAttribute("aria-valuenow", String(Math.min(total, rows + rejects)));
    this.root.classList.toggle("sk-busy", running);
    write(this.totals, progress.totals.join("\u2003"));
  }

  /** @param {State} state @param {number | null} rate @param {number | null} left @param {boolean} gone */
  stateText(state, rate, left, gone) {
    if (state === "done") return "✓ done";
    if (state === "failed") return "✗ failed";
    if (state === "interrupted" || state === "stopped") return `■ ${state}`;
    if (gone) return "■ kernel gone";
    const parts = [];
    if (rate !== null) parts.push(`${rate < 10 ? rate.toFixed(1) : thousands(Math.round(rate))} tok/s`);
    if (left !== null) parts.push(`${duration(left)} left`);
    if (!this.about.stop) parts.push("■ interrupts the kernel");
    return parts.join("\u2003");
  }

  /** @param {Progress} progress */
  drawNotes(progress) {
    const { state, message, pending } = progress;
    /** @type {[string, string][]} */
    const notes = [];
    const again = pending ? ` Run the cell again for the ${thousands(pending)} pending.` : "";
    if (state === "failed") {
      notes.push(["sk-failed", `✗ ${sentence(message || "The run failed")} What is done is kept.${again}`]);
    } else if (state === "interrupted" || state === "stopped") {
      notes.push(["", `■ ${sentence(message || `The run was ${state}`)} What is done is kept.${again}`]);
    } else if (message) {
      notes.push(["", message]);
    }
    this.note(
      notes,
      "The kernel is gone: what is here can be read, more rows cannot be loaded. " +
        "Run the cell again to get them.",
    );
  }

  /** @param {Progress} progress @param {boolean} running Say how far it is, but not with each row. */
  announce(progress, running) {
    const now = performance.now();
    const ended = progress.state !== this.state && !running;
    if (!ended && (!running || now - this.announced < ANNOUNCE_MS)) return;
    this.announced = now;
    const { rows, rejects, state } = progress;
    const far = `${rows} of ${count(this.about.total, "row")}, ${count(rejects, "reject")}`;
    this.say(running ? far : `${this.about.name} ${state}: ${far}`);
  }
}

export default widget(Rows, View);
