// @ts-check
// The browser's half of synthkit.jupyter.SessionBrowser. The kernel reads the session; here are the
// first page of runs and of tables, small sums, and the pages that were turned to.

/**
 * A row of runs or tables: its cells are texts, and a number among them is a time. `table` is the
 * name of the kept table, empty if there is none that can be opened.
 * @typedef {{which: number | string, label: string, run: number | null, table: string,
 *   at: number, cells: Cell[], sub: string}} Row
 *
 * @typedef {{name: string, rows: number, x: number, y: number}} Box its place in layers and rows
 * @typedef {[string, string, string, number]} Edge source, target, kind, rows
 * @typedef {{boxes: Box[], edges: Edge[], hidden: number}} Graph
 * @typedef {{unit: string, points: [number, number, number][], unpriced: number}} Chart
 * @typedef {{counts: string[], sizes: [string, string][], marks: Cell[][], labs: Cell[], more: number,
 *   chart: Chart}} Overview
 *
 * @typedef {{run?: number, table?: string, completions: boolean}} What
 * @typedef {{what: What, goes: string, stays: Cell[]}} Removal
 * @typedef {{facts: Cell[][], fields: Cell[][], lines: string[], prompt: [string, string][]}} Comparison
 * @typedef {"runs" | "tables"} Listed
 */

const SVG = "http://www.w3.org/2000/svg";
const WAIT_MS = 500;
const FRESH_MS = 5000;
const BOX = { width: 168, height: 40, across: 152, down: 12 };
const TABS = /** @type {const} */ (["Runs", "Tables", "Marks", "Cost and size", "Export, import"]);
const LOST = "The kernel is gone: what is here can be read. Run the cell again to go on.";
const KEYS =
  "1 to 5: choose a page of this widget. Up and Down: from row to row; Left and Right: from button to button. " +
  "o: reopen the row's table. c: its cell. m: compare it. d: delete it, twice. " +
  "PageUp and PageDown: newer and older. r: refresh. Escape: close what is open.";

/** @param {string} tag @param {Record<string, string | number>} [attributes] */
function draw(tag, attributes = {}) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
}

/** @param {number} seconds since 1970 @param {boolean} [fine] with the seconds */
function moment(seconds, fine) {
  const date = new Date(seconds * 1000);
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}${fine ? `:${two(date.getSeconds())}` : ""}`;
}

/** @param {Cell} cell */
function plain(cell) {
  return String(Array.isArray(cell) ? `${cell[0]}…` : (cell ?? ""));
}

/**
 * A button that gets the focus back when what it is in is drawn anew.
 * @param {string} label @param {string} key @param {() => void} press @param {string} focus
 */
function kept(label, key, press, focus) {
  const node = button(label, press, key);
  node.dataset.focus = focus;
  return node;
}

/** @param {string} label @param {(string | Node)[][]} rows the first one its heads @param {Set<number>} right */
function grid(label, rows, right) {
  const table = make("table", "sk-session-grid");
  table.setAttribute("aria-label", label);
  for (const [n, cells] of rows.entries()) {
    const line = make("tr");
    for (const [at, cell] of cells.entries()) {
      const node = make(n && at ? "td" : "th", right.has(at) ? "sk-number" : "");
      if (node instanceof HTMLTableCellElement && !(n && at)) node.scope = n ? "row" : "col";
      node.append(cell);
      line.append(node);
    }
    table.append(line);
  }
  return table;
}

/** What one model's views share: pages, and what is asked or shown just now. */
class Book extends Link {
  /** @param {Model} model */
  constructor(model) {
    super(model);
    /** @type {Map<string, Row[]>} */
    this.pages = new Map();
    this.told = "";
    this.asked = 0;
    /** @type {Removal | null} */
    this.removal = null;
    /** @type {{name: string, told: string} | null} */
    this.occupied = null;
    /** @type {Comparison | null} */
    this.comparison = null;
    /** @type {((text: string) => void) | null} */
    this.offer = null;
    /** @type {Set<string>} the pages that were asked for */
    this.fetched = new Set();
    model.on("change:first", () => {
      this.pages.clear();
      this.fetched.clear();
    });
    model.on("change:error", () => (this.asked = 0));
  }

  /** @param {any} message */
  receive(message) {
    this.asked = 0;
    switch (message.type) {
      case "page":
        this.pages.set(`${message.of} ${message.start}`, message.rows);
        return;
      case "comparison":
        this.comparison = message;
        return;
      case "removal":
        this.removal = message;
        return;
      case "occupied":
        this.occupied = message;
        return;
      case "done":
        this.told = message.told;
        this.removal = null;
        return;
      case "cell":
        this.told = message.told ?? "";
        this.occupied = null;
        this.offer?.(message.text);
        return;
      default:
        super.receive(message);
    }
  }

  /** @param {object} message Ask the kernel for something that a person waits for. */
  ask(message) {
    this.told = "";
    this.asked = performance.now();
    setTimeout(() => this.changed(), WAIT_MS + 50);
    this.send(message);
    this.changed();
  }

  /** @param {Listed} of @param {number} start Ask for a page, once. */
  fetch(of, start) {
    if (this.fetched.has(`${of} ${start}`)) return;
    this.fetched.add(`${of} ${start}`);
    this.send({ type: "page", of, start });
  }

  /** @param {Listed} of @param {number} start @returns {Row[] | undefined} */
  page(of, start) {
    return this.pages.get(`${of} ${start}`) ?? (start ? undefined : this.model.get("first")[of].rows);
  }
}

/** The lineage as a drawing: boxes in layers from left to right, arrows along with the arrow keys. */
class Drawing {
  /** @param {(name: string) => void} choose */
  constructor(choose) {
    this.choose = choose;
    this.node = make("div", "sk-session-lineage");
    this.current = "";
    /** @type {Map<string, {x: number, y: number, node: SVGElement}>} */
    this.boxes = new Map();
    /** @type {Edge[]} */
    this.edges = [];
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("focusin", (event) => {
      const name = /** @type {Element} */ (event.target).getAttribute("data-name");
      if (name !== null) this.roam(name);
    });
  }

  /** @param {Graph} graph */
  show(graph) {
    this.edges = graph.edges;
    this.boxes.clear();
    for (const { name, x, y } of graph.boxes) {
      const [across, down] = [2 + x * (BOX.width + BOX.across), 2 + y * (BOX.height + BOX.down)];
      this.boxes.set(name, { x: across, y: down, node: draw("g") });
    }
    const places = [...this.boxes.values()];
    const width = Math.max(...places.map((box) => box.x)) + BOX.width + 2;
    const height = Math.max(...places.map((box) => box.y)) + BOX.height + 2;
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group" });
    svg.setAttribute("aria-label", "lineage of the tables");
    /** @type {{x: number, y: number}[]} */
    const labels = [];
    const lines = draw("g", { "aria-hidden": "true" });
    for (const edge of graph.edges) lines.append(...this.edge(edge, labels));
    svg.append(lines);
    for (const one of graph.boxes) svg.append(this.box(one));
    const list = make("ul", "sk-unseen-text");
    list.setAttribute("aria-label", "lineage in words");
    for (const [source, target, kind, rows] of graph.edges) {
      list.append(make("li", "", `${target}: ${count(rows, "row")} ${kind} ${source}`));
    }
    this.node.replaceChildren(svg, list);
    if (graph.hidden) this.node.append(make("p", "sk-faint", `${count(graph.hidden, "older table")} not drawn`));
    this.roam(this.boxes.has(this.current) ? this.current : (graph.boxes[0]?.name ?? ""));
  }

  /** @param {Box} one */
  box({ name, rows }) {
    const box = /** @type {{x: number, y: number, node: SVGElement}} */ (this.boxes.get(name));
    const { node } = box;
    const told = this.edges.filter((edge) => edge[1] === name);
    const words = told.map(([source, , kind, n]) => `${count(n, "row")} ${kind} ${source}`).join(", ");
    node.setAttribute("class", "sk-session-node");
    node.setAttribute("role", "button");
    node.setAttribute("aria-label", [`${name}, ${count(rows, "row")}`, words].filter(Boolean).join(": "));
    node.setAttribute("data-name", name);
    node.setAttribute("data-focus", `node ${name}`);
    // JupyterLab looks for it on the element that has the focus, and Panel sets it on HTML alone
    node.setAttribute("data-lm-suppress-shortcuts", "true");
    node.setAttribute("tabindex", "-1");
    const title = draw("title");
    title.textContent = name;
    const label = draw("text", { x: box.x + 8, y: box.y + 17 });
    label.textContent = name.length > 22 ? `${name.slice(0, 21)}…` : name;
    const below = draw("text", { x: box.x + 8, y: box.y + 33, class: "sk-session-rows" });
    below.textContent = count(rows, "row");
    const frame = { x: box.x, y: box.y, width: BOX.width, height: BOX.height, rx: 4 };
    node.append(title, draw("rect", frame), label, below);
    node.addEventListener("click", () => this.choose(name));
    return node;
  }

  /** @param {Edge} edge @param {{x: number, y: number}[]} labels those that are there already */
  edge([source, target, kind, rows], labels) {
    const [from, to] = [this.boxes.get(source), this.boxes.get(target)];
    if (!from || !to) return [];
    const [x, y] = [from.x + BOX.width, from.y + BOX.height / 2];
    const [end, level] = [to.x, to.y + BOX.height / 2];
    const bend = end - BOX.across / 2;
    const path = `M${x} ${y} H${end - BOX.across} C${bend} ${y} ${bend} ${level} ${end - 6} ${level}`;
    const line = draw("path", { d: path, class: kind === "part of" ? "sk-session-part" : "sk-session-made" });
    const tip = draw("path", { d: `M${end - 7} ${level - 4} L${end} ${level} L${end - 7} ${level + 4} Z` });
    tip.setAttribute("class", "sk-session-tip");
    const label = { x: bend - 2, y: (y + level) / 2 + 4 };
    while (labels.some((other) => other.x === label.x && Math.abs(other.y - label.y) < 14)) label.y += 14;
    labels.push(label);
    const text = draw("text", { ...label, class: "sk-session-label" });
    text.textContent = `${thousands(rows)} ${kind}`;
    return [line, tip, text];
  }

  /** @param {string} name Let Tab come to this box, and to no other. */
  roam(name) {
    this.current = name;
    for (const [one, { node }] of this.boxes) node.setAttribute("tabindex", one === name ? "0" : "-1");
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const name = /** @type {Element} */ (event.target).getAttribute("data-name");
    if (name === null) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (!event.repeat) this.choose(name);
      return;
    }
    const next = this.beside(name, event.key);
    if (next === undefined) return;
    event.preventDefault();
    this.boxes.get(next)?.node.focus();
  }

  /** @param {string} name @param {string} key @returns {string | undefined} */
  beside(name, key) {
    if (key === "ArrowLeft") return this.edges.find((edge) => edge[1] === name)?.[0];
    if (key === "ArrowRight") return this.edges.find((edge) => edge[0] === name)?.[1];
    const x = this.boxes.get(name)?.x;
    const names = [...this.boxes].filter(([, box]) => box.x === x).map(([one]) => one);
    const step = { ArrowUp: -1, ArrowDown: 1 }[key];
    return step ? names[names.indexOf(name) + step] : undefined;
  }
}

/** @param {Chart} chart What was spent, up to each run, as steps from zero. */
function curve(chart) {
  const [width, height, left, right, top, bottom] = [560, 208, 64, 16, 16, 40];
  const { points, unit } = chart;
  const [first, last] = [points[0][0], points[points.length - 1][0]];
  const most = points[points.length - 1][1] || 1;
  const x = (/** @type {number} */ at) => left + ((at - first) / (last - first || 1)) * (width - left - right);
  const y = (/** @type {number} */ value) => height - bottom - (value / most) * (height - top - bottom);
  const told = (/** @type {number} */ value) =>
    unit === "tokens" ? thousands(value) : `$${value && value < 0.01 ? value.toPrecision(2) : value.toFixed(2)}`;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "sk-session-curve" });
  const reading = `${told(points[points.length - 1][1])}${unit === "tokens" ? " tokens" : ""} in all`;
  svg.setAttribute("aria-label", `${unit} spent over time: ${reading}; the table below has the points`);
  /** @param {number} at @param {number} level @param {string} text @param {string} anchor */
  const write_ = (at, level, text, anchor) => {
    const node = draw("text", { x: at, y: level, "text-anchor": anchor });
    node.textContent = text;
    svg.append(node);
  };
  for (const value of [0, most / 2, most]) {
    svg.append(draw("path", { d: `M${left} ${y(value)} H${width - right}`, class: "sk-session-rule" }));
    write_(left - 8, y(value) + 4, told(unit === "tokens" ? Math.round(value) : value), "end");
  }
  const steps = points.map(([at, value]) => `H${x(at)} V${y(value)}`).join(" ");
  svg.append(draw("path", { d: `M${left} ${y(0)} ${steps} H${width - right}`, class: "sk-session-line" }));
  const fine = last - first < 600;
  write_(left, height - 20, moment(first, fine), "start");
  if (last > first) write_(width - right, height - 20, moment(last, fine), "end");
  write_((left + width - right) / 2, height - 4, "time of the run", "middle");
  const title = draw("text", { transform: `translate(12 ${(height - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" });
  title.textContent = `${unit}, summed`;
  svg.append(title);
  const rows = points.map(([at, value, run]) => [moment(at, fine), String(run), told(value)]);
  const twin = make("details");
  const summary = make("summary", "", "The same as a table");
  summary.dataset.focus = "twin";
  twin.append(summary, grid("spending", [["time", "up to run", unit], ...rows], new Set([1, 2])));
  return [svg, make("p", "sk-faint", `${reading}.`), twin];
}

/**
 * One view: header, notes, tabs, what is asked, the page that was chosen, the comparison.
 * @extends {Panel<Book>}
 */
class View extends Panel {
  /** @param {Book} book @param {HTMLElement} host */
  constructor(book, host) {
    super(book, host, "sk-session", `session ${book.model.get("about").name}`);
    this.book = book;
    this.tab = 0;
    this.starts = { runs: 0, tables: 0 };
    this.rows = { runs: 0, tables: 0 };
    /** @type {{which: number | string, label: string} | null} */
    this.chosen = null;
    this.keys = false;
    this.back = "";
    /** @type {string | undefined} the question that has had the focus */
    this.asking = "";
    this.refreshed = performance.now();
    this.counts = make("span");
    this.ask = make("div", "sk-session-ask");
    this.tabs = TABS.map((label, n) => kept(label, String(n + 1), () => this.turn(n), `tab ${n}`));
    this.pages = TABS.map(() => make("div", "sk-session-page"));
    this.compared = make("div", "sk-session-compared");
    this.drawing = new Drawing((name) => this.goTo(name));
    this.lists = { runs: make("div"), tables: make("div") };
    this.build();
    this.follow("overview", "first", "graph");
  }

  build() {
    const head = make("div", "sk-head");
    const refresh = kept("Refresh", "r", () => this.refresh(), "refresh");
    const help = kept("Keys", "?", () => this.toggleKeys(), "keys");
    help.classList.add("sk-session-help");
    head.append(make("strong", "sk-name", this.model.get("about").name), this.counts, help, refresh);
    const bar = make("div", "sk-session-tabs");
    bar.setAttribute("role", "tablist");
    bar.setAttribute("aria-label", "parts of the session");
    bar.append(...this.tabs);
    bar.addEventListener("keydown", (event) => this.alongTabs(event));
    const prefix = `sk-${this.model.get("about").id}-${Math.random().toString(36).slice(2, 8)}`;
    for (const [n, page] of this.pages.entries()) {
      const tab = this.tabs[n];
      tab.setAttribute("role", "tab");
      tab.id = `${prefix}-tab${n}`;
      page.id = `${prefix}-page${n}`;
      page.setAttribute("role", "tabpanel");
      page.setAttribute("aria-labelledby", tab.id);
      tab.setAttribute("aria-controls", page.id);
    }
    this.pages[0].append(this.lists.runs);
    this.pages[1].append(this.drawing.node, this.lists.tables);
    this.buildMoves();
    this.root.append(head, this.notes, bar, this.ask, ...this.pages, this.compared, this.live);
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("focusin", (event) => this.entered(event));
  }

  /** The forms of the last page are made once: what was typed stays. */
  buildMoves() {
    const name = String(this.model.get("about").name).split(/[\\/]/).pop()?.replace(/^\.+/, "") || "session";
    const to = this.input("file to write", `${name}.zip`);
    const some = this.input("tables, all if empty", "");
    const from = this.input("file to read", "");
    const out = () => this.want({ type: "export", path: to.value, tables: some.value });
    const take = () => this.want({ type: "import", path: from.value });
    const exported = this.form("Export", "Answers, runs, marks and tables in one file, without keys.", [to, some], out);
    const taken = this.form("Import", "What is here stays; what is new is added.", [from], take);
    this.pages[4].append(exported, taken);
  }

  /** @param {string} label @param {string} value */
  input(label, value) {
    const node = make("input", "sk-session-input");
    node.type = "text";
    node.value = value;
    node.spellcheck = false;
    node.dataset.focus = label;
    node.setAttribute("aria-label", label);
    return node;
  }

  /** @param {string} verb @param {string} what @param {HTMLInputElement[]} inputs @param {() => void} press */
  form(verb, what, inputs, press) {
    const node = make("div", "sk-session-form");
    const submit = kept(verb, "", press, verb);
    submit.classList.add("sk-session-asks");
    for (const input of inputs) {
      const label = make("label", "", input.getAttribute("aria-label") ?? "");
      label.append(input);
      node.append(label);
      input.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && !event.isComposing && !event.repeat) submit.click();
      });
    }
    node.append(submit);
    const all = make("section");
    all.append(make("p", "sk-faint", what), node);
    return all;
  }

  paint() {
    const held = this.root.contains(document.activeElement) ? this.focused() : null;
    const gone = this.book.gone;
    /** @type {Overview} */
    const overview = this.model.get("overview");
    write(this.counts, overview.counts.join("\u2003"));
    this.paintNotes();
    for (const [n, tab] of this.tabs.entries()) {
      tab.setAttribute("aria-selected", String(n === this.tab));
      tab.tabIndex = n === this.tab ? 0 : -1;
      this.pages[n].hidden = n !== this.tab;
    }
    this.paintAsk();
    this.once(this.drawing.node, [this.model.get("graph")], () => {
      const graph = this.model.get("graph");
      this.drawing.node.hidden = !graph.boxes.length;
      if (graph.boxes.length) this.drawing.show(graph);
      return null;
    });
    this.paintList("runs");
    this.paintList("tables");
    this.once(this.pages[2], [overview.marks, overview.labs, overview.more], () => this.marks(overview));
    this.once(this.pages[3], [overview.chart, overview.sizes], () => this.costs(overview));
    this.once(this.compared, [this.book.comparison], () => this.comparison(this.book.comparison));
    for (const node of this.root.querySelectorAll(".sk-session-asks, [data-focus='refresh']")) {
      node.setAttribute("aria-disabled", String(gone));
    }
    this.hold(held);
  }

  /** @param {HTMLElement} node @param {any} state @param {() => Node[] | null} make_ Make it anew only if it must be. */
  once(node, state, make_) {
    const wanted = JSON.stringify(state);
    if (node.dataset.shown === wanted) return;
    node.dataset.shown = wanted;
    const made = make_();
    if (made) node.replaceChildren(...made);
  }

  focused() {
    return /** @type {Element} */ (document.activeElement).getAttribute("data-focus") ?? "";
  }

  /** @param {string | null} held Keep the focus in the widget, on what has its place now. */
  hold(held) {
    const active = document.activeElement;
    const seen = active && this.root.contains(active) && active.getClientRects().length;
    if (held !== null && !seen) this.focus(held);
  }

  /** @param {string} name Put the focus there, or else on the tab of the page. */
  focus(name) {
    const found = [...this.root.querySelectorAll("[data-focus]")].find(
      (node) => node.getAttribute("data-focus") === name && node.getClientRects().length,
    );
    const target = found ?? this.tabs[this.tab];
    if (target instanceof HTMLElement || target instanceof SVGElement) target.focus();
  }

  paintNotes() {
    const { told, asked } = this.book;
    /** @type {[string, string][]} */
    const notes = [];
    if (this.keys) notes.push(["", KEYS]);
    if (told) notes.push(["sk-done", `✓ ${told}`]);
    if (asked && performance.now() - asked >= WAIT_MS && !this.book.gone) {
      notes.push(["", "Waiting for the kernel, which is busy."]);
    }
    if (this.chosen) notes.push(["", `Comparing ${this.chosen.label} with: choose Compare at another row. Escape ends it.`]);
    this.note(notes, LOST);
  }

  /** What would be deleted or replaced, and the second press that does it. */
  paintAsk() {
    const { removal, occupied } = this.book;
    this.once(this.ask, [removal, occupied], () => {
      this.ask.hidden = !removal && !occupied;
      if (removal) return this.removal(removal);
      return occupied ? this.occupied(occupied) : [];
    });
    if (!this.ask.hidden && this.asking !== this.ask.dataset.shown) {
      this.asking = this.ask.dataset.shown;
      this.focus("sure");
    } else if (this.ask.hidden) {
      this.asking = "";
    }
  }

  /** @param {Removal} removal */
  removal(removal) {
    const { what, goes, stays } = removal;
    const lines = [make("p", "sk-failed", goes)];
    for (const text of stays) lines.push(make("p", "", `Stays: ${plain(text)}.`));
    const label = make("label");
    const box = make("input");
    box.type = "checkbox";
    box.checked = what.completions;
    box.dataset.focus = "completions";
    box.addEventListener("change", () => this.want({ type: "would", what: { ...what, completions: box.checked } }));
    label.append(box, " also the answers that nothing else rests on");
    const sure = kept("Delete for good", "d", () => this.want({ type: "delete", what }), "sure");
    sure.classList.add("sk-session-asks");
    return [...lines, label, this.choices(sure, "Keep")];
  }

  /** @param {{name: string, told: string}} occupied */
  occupied({ name, told }) {
    const lines = [make("p", "", `${told} Put the kept table in its place?`)];
    const sure = kept("Replace", "o", () => this.want({ type: "reopen", name, over: true }), "sure");
    sure.classList.add("sk-session-asks");
    return [...lines, this.choices(sure, "Leave")];
  }

  /** @param {HTMLButtonElement} sure @param {string} not */
  choices(sure, not) {
    const node = make("div", "sk-session-choices");
    node.append(sure, kept(not, "Esc", () => this.dismiss(), "not"));
    return node;
  }

  /** @param {Listed} of */
  paintList(of) {
    const { total } = this.model.get("first")[of];
    if (this.starts[of] >= total) this.starts[of] = 0;
    const start = this.starts[of];
    const rows = this.book.page(of, start);
    const whole = Math.min(total - start, this.model.get("about").page);
    if ((rows?.length ?? 0) < whole && !this.book.gone) this.book.fetch(of, start);
    const list = this.lists[of];
    this.once(list, [rows, total, start, this.chosen?.which], () => {
      if (!total) return [this.empty(of)];
      if (!rows) return [...list.childNodes];
      const table = make("table", "sk-session-list");
      table.setAttribute("aria-label", of);
      const heads = make("tr");
      for (const [title, kind] of [...this.model.get("about")[of], ["actions", "sk-session-actions"]]) {
        const head = make("th", kind, title);
        head.scope = "col";
        heads.append(head);
      }
      table.append(heads, ...rows.map((row, n) => this.row(of, row, n)));
      return [table, ...(total > rows.length ? [this.pager(of, rows.length, total)] : [])];
    });
    this.roam(of);
  }

  /** @param {Listed} of */
  empty(of) {
    const text =
      of === "runs"
        ? "No run yet. Make a first dataset with a cell such as:\n%%synth facts --n 10\nTell a fact."
        : "No table is kept yet: %%synth NAME keeps its table, and session.save(name, table) any other.";
    return make("p", "sk-empty", text);
  }

  /** @param {Listed} of @param {Row} row @param {number} n */
  row(of, row, n) {
    const { which, label, run, table } = row;
    const line = make("tr");
    line.dataset.at = String(n);
    line.dataset.which = JSON.stringify(which);
    const kinds = this.model.get("about")[of];
    for (const [at, text] of row.cells.entries()) {
      const [title, kind] = kinds[at];
      const cell = make("td", kind);
      cell.append(content(typeof text === "number" ? moment(text) : text, false));
      if (title === "name") cell.append(make("div", "sk-session-sub sk-faint", `${moment(row.at)}, ${row.sub}`));
      line.append(cell);
    }
    const actions = make("td", "sk-session-actions");
    const each = /** @type {[string, string, boolean, () => void][]} */ ([
      ["Reopen", "o", !!table, () => this.want({ type: "reopen", name: table, over: false })],
      ["Cell", "c", run !== null, () => this.want({ type: "cell", run })],
      ["Compare", "m", true, () => this.choose(which, label)],
      ["Delete", "d", true, () => this.want({ type: "would", what: { [of === "runs" ? "run" : "table"]: which, completions: false } })],
    ]);
    for (const [verb, key, can, press] of each) {
      const node = kept(verb, key, press, `${of} ${key} ${JSON.stringify(which)}`);
      node.setAttribute("aria-label", `${verb} ${key}: ${label}`);
      node.dataset.key = key;
      node.tabIndex = -1;
      if (key === "m") node.setAttribute("aria-pressed", String(this.chosen?.which === which));
      if (can) node.classList.add("sk-session-asks");
      else node.setAttribute("aria-disabled", "true");
      actions.append(node);
    }
    line.append(actions);
    return line;
  }

  /** @param {Listed} of @param {number} shown @param {number} total */
  pager(of, shown, total) {
    const start = this.starts[of];
    const node = make("div", "sk-session-pager");
    const newer = kept("Newer", "PgUp", () => this.leaf(of, -1), `newer ${of}`);
    const older = kept("Older", "PgDn", () => this.leaf(of, 1), `older ${of}`);
    newer.setAttribute("aria-disabled", String(!start));
    older.setAttribute("aria-disabled", String(start + shown >= total));
    const where = `${thousands(start + 1)} to ${thousands(start + shown)} of ${thousands(total)}`;
    node.append(newer, make("span", "", where), older);
    return node;
  }

  /** @param {Listed} of Let Tab come to one button of one row; the others are for the arrows. */
  roam(of) {
    const lines = [...this.lists[of].querySelectorAll("tr[data-at]")];
    const now = Math.min(this.rows[of], lines.length - 1);
    for (const [n, line] of lines.entries()) {
      const buttons = [...line.querySelectorAll("button")];
      const kept = buttons.find((one) => one === document.activeElement) ?? buttons[0];
      for (const one of buttons) one.tabIndex = n === now && one === kept ? 0 : -1;
    }
  }

  /** @param {Overview} overview */
  marks({ marks, labs, more }) {
    const parts = [];
    if (marks.length) {
      const rows = marks.map((row) => row.map((cell) => content(cell, false)));
      const heads = ["question", "by", "label", "round", "marks"];
      parts.push(grid("marks", [heads, ...rows], new Set([4])));
    } else {
      parts.push(make("p", "sk-empty", "No marks yet: %synth mark TABLE asks for them, one row at a time."));
    }
    const shelf = make("div", "sk-session-labs");
    shelf.append(make("span", "", labs.length ? "Prompt labs:" : "No prompt lab yet: %synth lab NAME opens one."));
    for (const lab of labs) {
      const open = kept(plain(lab), "", () => void this.offerCell(`%synth lab ${plain(lab)}`), `lab ${plain(lab)}`);
      open.setAttribute("aria-label", `Open the lab ${plain(lab)} in a new cell`);
      shelf.append(open);
    }
    parts.push(shelf);
    if (more) parts.push(make("p", "sk-faint", `${thousands(more)} more are not shown here.`));
    return parts;
  }

  /** @param {Overview} overview */
  costs({ chart, sizes }) {
    const parts = chart.points.length ? curve(chart) : [make("p", "sk-empty", "Nothing was spent yet.")];
    if (chart.unpriced) parts.push(make("p", "sk-faint", `${count(chart.unpriced, "run")} of a model without a price.`));
    parts.push(grid("sizes", [["on disk", "size"], ...sizes], new Set([1])));
    return parts;
  }

  /** @param {Comparison | null} found */
  comparison(found) {
    this.compared.hidden = !found;
    if (!found) return [];
    const [[, a, b]] = found.facts;
    const head = make("div", "sk-session-title");
    const close = kept("Close", "Esc", () => this.dismiss(), "close");
    head.append(make("strong", "", `${plain(a)} and ${plain(b)}`), close);
    const facts = grid("comparison", found.facts.map((row) => row.map((cell) => content(cell || " ", false))), new Set([1, 2]));
    const parts = [head, facts];
    if (found.fields.length) {
      const fields = found.fields.map((row) => row.map((cell) => content(cell, true)));
      parts.push(grid("what differs", [["differs in", plain(a), plain(b)], ...fields], new Set()));
    }
    parts.push(...found.lines.map((line) => make("p", "", line)));
    if (found.prompt.length) parts.push(this.changes(found.prompt));
    return parts;
  }

  /** @param {[string, string][]} prompt the pieces that stay, come and go */
  changes(prompt) {
    const node = make("div", "sk-session-prompt");
    for (const [kind, text] of prompt) {
      const piece = make(kind === "same" ? "span" : kind === "in" ? "ins" : "del");
      if (kind !== "same") piece.append(make("span", "sk-unseen-text", kind === "in" ? " added: " : " removed: "));
      piece.append(reveal(text, true));
      node.append(piece);
    }
    return node;
  }

  /** @param {object} message Ask for something, and remember where the focus was. */
  want(message) {
    if (this.book.gone) return;
    const held = this.focused();
    if (!["sure", "not", "completions"].includes(held)) this.back = held;
    this.book.offer = (text) => void this.offerCell(text);
    this.book.ask(message);
  }

  /** @param {number | string} which @param {string} label */
  choose(which, label) {
    if (this.chosen && this.chosen.which !== which) {
      this.want({ type: "compare", a: this.chosen.which, b: which });
      this.say(`${this.chosen.label} is compared with ${label}.`);
      this.chosen = null;
    } else {
      this.chosen = this.chosen ? null : { which, label };
      this.say(this.chosen ? `Choose Compare at another row to compare it with ${label}.` : "No comparison.");
    }
    this.schedule();
  }

  /** Close what is open: the question, else the choice of a comparison, else the comparison. */
  dismiss() {
    const { book } = this;
    const closes = book.removal || book.occupied || this.chosen || book.comparison;
    if (book.removal || book.occupied) [book.removal, book.occupied] = [null, null];
    else if (this.chosen) this.chosen = null;
    else book.comparison = null;
    if (!closes) return false;
    const held = this.focused();
    this.draw();
    if (["sure", "not", "completions", "close"].includes(held)) this.focus(this.back);
    book.changed();
    return true;
  }

  refresh() {
    this.refreshed = performance.now();
    this.want({ type: "refresh" });
    this.book.asked = 0;
    this.say("Refreshed.");
  }

  toggleKeys() {
    this.keys = !this.keys;
    this.schedule();
  }

  /** @param {number} n */
  turn(n) {
    this.tab = n;
    this.draw();
    this.tabs[n].focus();
  }

  /** @param {string} name Go to a table's row, on whatever page of the list it is. */
  goTo(name) {
    const line = [...this.lists.tables.querySelectorAll("tr[data-at]")].find(
      (one) => one instanceof HTMLElement && one.dataset.which === JSON.stringify(name),
    );
    if (line) line.querySelector("button")?.focus();
    else this.leaf("tables", 1);
  }

  /** @param {Listed} of @param {number} step */
  leaf(of, step) {
    const { page } = this.model.get("about");
    const next = this.starts[of] + step * page;
    if (next < 0 || next >= this.model.get("first")[of].total) return;
    this.starts[of] = next;
    this.rows[of] = 0;
    this.schedule();
  }

  /** @param {FocusEvent} event Look for what other kernels have done, when a person comes. */
  entered(event) {
    const from = event.relatedTarget;
    const line = /** @type {Element} */ (event.target).closest("tr[data-at]");
    const of = this.listed();
    if (line instanceof HTMLElement && of) {
      this.rows[of] = Number(line.dataset.at);
      this.roam(of);
    }
    const inside = from instanceof Node && this.root.contains(from);
    if (inside || this.book.gone || performance.now() - this.refreshed < FRESH_MS) return;
    this.refreshed = performance.now();
    this.book.send({ type: "refresh" });
  }

  /** @returns {Listed | null} */
  listed() {
    return this.tab === 0 ? "runs" : this.tab === 1 ? "tables" : null;
  }

  /** @param {KeyboardEvent} event */
  alongTabs(event) {
    const last = this.tabs.length - 1;
    const places = { ArrowLeft: this.tab - 1, ArrowRight: this.tab + 1, Home: 0, End: last };
    const next = places[/** @type {keyof typeof places} */ (event.key)];
    if (next === undefined) return;
    event.preventDefault();
    this.turn((next + last + 1) % (last + 1));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const typing = target instanceof HTMLTextAreaElement || (target instanceof HTMLInputElement && target.type === "text");
    if (typing || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (event.repeat && ["Enter", " "].includes(event.key)) event.preventDefault(); // one press, one deed
    if (event.repeat && !event.key.startsWith("Arrow")) return;
    if (this.act(event.key, target)) event.preventDefault();
  }

  /** @param {string} key @param {HTMLElement} target @returns {boolean} whether the key does something */
  act(key, target) {
    const of = this.listed();
    if (key === "Escape") return this.dismiss();
    if (key === "r") return this.refresh(), true;
    if (key === "?") return this.toggleKeys(), true;
    if (/^[1-5]$/.test(key)) return this.turn(Number(key) - 1), true;
    if (of && (key === "PageUp" || key === "PageDown")) return this.leaf(of, key === "PageUp" ? -1 : 1), true;
    if (this.ask.contains(target)) {
      const sure = /** @type {HTMLElement | null} */ (this.ask.querySelector("[data-focus='sure']"));
      if (key === (this.book.removal ? "d" : "o")) return sure?.click(), true;
      return false;
    }
    const line = target.closest("tr[data-at]");
    return !!line && !!of && this.inRow(key, line, of);
  }

  /** @param {string} key @param {Element} line @param {Listed} of @returns {boolean} */
  inRow(key, line, of) {
    const buttons = [...line.querySelectorAll("button")];
    const verb = buttons.find((one) => one.dataset.key === key);
    if (verb) {
      verb.focus();
      verb.click();
      return true;
    }
    const at = buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    const lines = [...this.lists[of].querySelectorAll("tr[data-at]")];
    const now = lines.indexOf(/** @type {HTMLTableRowElement} */ (line));
    const across = { ArrowLeft: at - 1, ArrowRight: at + 1 }[key];
    const down = { ArrowUp: now - 1, ArrowDown: now + 1, Home: 0, End: lines.length - 1 }[key];
    const next = across !== undefined ? buttons[across] : lines[down ?? -1]?.querySelectorAll("button")[at];
    if (across === undefined && down === undefined) return false;
    next?.focus();
    return true;
  }
}

export default widget(Book, View);
