
// @ts-check
// The browser's half of synthkit.jupyter.Explorer. The kernel keeps the table, the vectors and the
// selection; here are the points that are drawn, and what was asked about rows and selections.

/**
 * @typedef {{name: string, labels: Cell[], counts: number[], numeric: boolean}} Groups
 *
 * @typedef {{count: number, drawn: number[], counts: number[][], said: string,
 *   rows: {at: number, text: Cell}[]}} Selection
 *
 * `at` are places in the table; x and y are 0..1 from the lower left.
 * @typedef {{version: number, at: number[], x: number[], y: number[], codes: number[],
 *   texts: Cell[], groups: Groups, contrasts: Groups[]}} Points
 *
 * @typedef {{id: string, name: string, text: string, columns: string[], hands: boolean}} About
 *
 * @typedef {{state: string, message: string, done: number, total: number}} Stage
 *
 * @typedef {{version: number, shown: number, scope: number, of: number, narrowed: boolean,
 *   colour: string, hidden: number[], selected: number, caption: string}} ChartState
 *
 * @typedef {{at: number, rows: {at: number, text: Cell, likeness: number}[]}} Near
 */

const EDGE = 14;
const REACH = 18;
const CORNERS = 300;
// drawing.py has the same at twice the size
const SHAPES = [
  "m-4,0a4,4,0,1,0,8,0a4,4,0,1,0-8,0",
  "m-3.5-3.5h7v7h-7z",
  "m0-4.5l4.5,8h-9z",
  "m0-5l5,5l-5,5l-5-5z",
  "m0,4.5l4.5-8h-9z",
  "m-1.5-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
  "m-4.5-2.5l2-2l2.5,2.5l2.5-2.5l2,2l-2.5,2.5l2.5,2.5l-2,2l-2.5-2.5l-2.5,2.5l-2-2l2.5-2.5z",
  "m-4,0a4,4,0,1,0,8,0a4,4,0,1,0-8,0m2,0a2,2,0,0,1,4,0a2,2,0,0,1-4,0",
];
/** @type {[string, string][]} */
const KEYS = [
  ["arrows", "to the nearest point that way"],
  ["Space", "select the row or not"],
  ["Enter", "open the row"],
  ["n", "its nearest neighbours"],
  ["/", "find rows: a text, or stars > 3 and topic = soup"],
  ["r l", "draw rectangles, or lassos; Shift adds"],
  ["z", "draw the selected rows alone, or all"],
  ["m o", "mark the selected rows, or show them"],
  ["Esc", "close, then clear the selection"],
];

/** @param {string} tag @param {Record<string, string>} attributes */
function vector(tag, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** @param {Groups} groups @param {number} code @returns {{shape: string, name: string}} */
function look(groups, code) {
  if (!groups.numeric) return { shape: SHAPES[code % 8], name: `sk-hue-${code % 8}` };
  if (groups.labels[code] === "missing") return { shape: SHAPES[7], name: "sk-hue-7" };
  const r = 2.5 + code * 0.5;
  return { shape: `m${-r},0a${r},${r},0,1,0,${2 * r},0a${r},${r},0,1,0${-2 * r},0`, name: `sk-step-${code % 7}` };
}

/** @param {Cell} label */
function plainLabel(label) {
  return Array.isArray(label) ? `${label[0]}…` : String(label);
}

/** @param {number} n */
function fixed(n) {
  return n.toFixed(2).replace("-", "−");
}

/** What the kernel has told of one model. */
class Known extends Link {
  /** @param {Model} model */
  constructor(model) {
    super(model);
    /** @type {Points | undefined} */
    this.points = undefined;
    /** @type {Selection} */
    this.selection = { count: 0, drawn: [], rows: [], counts: [], said: "" };
    /** @type {Near | undefined} */
    this.near = undefined;
    /** @type {{at: number, text: Cell, cells: [string, Cell][]} | undefined} */
    this.row = undefined;
    /** @type {{to: string, cell: string} | undefined} */
    this.handed = undefined;
    this.asked = false;
  }

  /** @param {any} message */
  receive(message) {
    switch (message.type) {
      case "points":
        this.points = message;
        this.selection = message.selection;
        break;
      case "selection":
        this.selection = message;
        break;
      case "near":
        this.near = message;
        break;
      case "row":
        this.row = message;
        break;
      case "handed":
        this.handed = message;
        break;
      default:
        super.receive(message);
    }
  }

  /** Ask for the points, once: whatever makes new ones sends them by itself. */
  ask() {
    if (this.points || this.asked || this.gone) return;
    this.asked = true;
    this.send({ type: "points" });
  }
}

/** The points on the screen, with a cursor for the keyboard and a line that a mouse draws. */
class Chart {
  /** @param {Known} known @param {View} view */
  constructor(known, view) {
    this.known = known;
    this.view = view;
    /** @type {"rectangle" | "lasso"} */
    this.mode = "lasso";
    this.cursor = -1;
    this.hover = -1;
    /** @type {[number, number][]} */
    this.line = [];
    this.drawing = false;
    this.shown = "";
    /** @type {any[]} */
    this.sources = [];
    this.node = make("div", "sk-x-map");
    this.node.tabIndex = 0;
    this.node.setAttribute("role", "application");
    this.node.setAttribute(
      "aria-label",
      "map: arrows go from point to point, Space selects, Enter opens, n shows what is near",
    );
    this.svg = vector("svg", { "aria-hidden": "true" });
    this.marks = vector("g", {});
    this.near = vector("path", { class: "sk-x-near" });
    this.rings = vector("path", { class: "sk-x-hover" });
    this.at = vector("path", { class: "sk-x-cursor" });
    this.outline = vector("path", { class: "sk-x-line" });
    this.svg.append(this.near, this.marks, this.rings, this.at, this.outline);
    this.empty = make("p", "sk-empty");
    this.node.append(this.svg, this.empty);
    this.listen();
  }

  listen() {
    this.node.addEventListener("pointerdown", (event) => this.down(event));
    this.node.addEventListener("pointermove", (event) => this.move(event));
    this.node.addEventListener("pointerup", (event) => this.up(event));
    this.node.addEventListener("pointercancel", () => this.drop());
    this.node.addEventListener("pointerleave", () => this.point(-1));
    this.node.addEventListener("focus", () => {
      if (this.cursor < 0 && this.node.matches(":focus-visible")) this.go(this.nearest(...this.middle(), Infinity));
    });
  }

  /** @returns {[number, number]} */
  middle() {
    return [this.node.clientWidth / 2, this.node.clientHeight / 2];
  }

  /** @param {number} i @returns {[number, number]} where a point is, in pixels */
  place(i) {
    const { x, y } = /** @type {Points} */ (this.known.points);
    const wide = this.node.clientWidth - 2 * EDGE;
    const high = this.node.clientHeight - 2 * EDGE;
    return [EDGE + x[i] * wide, EDGE + (1 - y[i]) * high];
  }

  /** @param {number} i */
  visible(i) {
    return !this.view.state().hidden.includes(/** @type {Points} */ (this.known.points).codes[i]);
  }

  /** @param {number} px @param {number} py @param {number} reach @returns {number} */
  nearest(px, py, reach) {
    let best = -1;
    let least = reach;
    for (let i = 0; i < (this.known.points?.at.length ?? 0); i++) {
      const [x, y] = this.place(i);
      const far = Math.hypot(x - px, y - py);
      if (far < least && this.visible(i)) [best, least] = [i, far];
    }
    return best;
  }

  /** @param {number} dx @param {number} dy The nearest point in a direction. */
  step(dx, dy) {
    if (this.cursor < 0) return this.go(this.nearest(...this.middle(), Infinity));
    const [px, py] = this.place(this.cursor);
    let best = -1;
    let least = Infinity;
    for (let i = 0; i < (this.known.points?.at.length ?? 0); i++) {
      const [x, y] = this.place(i);
      const along = (x - px) * dx + (y - py) * dy;
      const aside = Math.abs((x - px) * dy) + Math.abs((y - py) * dx);
      const far = along + 2 * aside;
      if (along > 0.01 && far < least && this.visible(i)) [best, least] = [i, far];
    }
    this.go(best);
  }

  /** @param {number} i Put the cursor on a point. */
  go(i) {
    if (i < 0) return;
    this.cursor = i;
    this.view.look(/** @type {Points} */ (this.known.points).at[i]);
  }

  /** @param {number} i Show the point that the mouse is on. */
  point(i) {
    if (i === this.hover) return;
    this.hover = i;
    this.view.schedule();
  }

  /** @param {PointerEvent} event @returns {[number, number]} */
  where(event) {
    const box = this.svg.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (event.button || !this.known.points) return;
    this.node.setPointerCapture(event.pointerId);
    this.drawing = true;
    this.line = [this.where(event)];
  }

  /** @param {PointerEvent} event */
  move(event) {
    const here = this.where(event);
    if (!this.drawing) {
      this.point(this.nearest(...here, REACH));
      return;
    }
    const [first] = this.line;
    if (this.mode === "rectangle") {
      this.line = [first, [here[0], first[1]], here, [first[0], here[1]]];
    } else {
      const last = this.line[this.line.length - 1];
      if (Math.hypot(here[0] - last[0], here[1] - last[1]) >= 3) this.line.push(here);
    }
    this.view.schedule();
  }

  /** @param {PointerEvent} event */
  up(event) {
    if (!this.drawing) return;
    const line = this.line;
    this.drop();
    const across = line.map((p) => p[0]);
    const down = line.map((p) => p[1]);
    const size = Math.max(...across) - Math.min(...across) + Math.max(...down) - Math.min(...down);
    if (line.length > 2 && size > 6) {
      this.view.select({ line: this.corners(line) }, event.shiftKey ? "add" : "replace");
      return;
    }
    const i = this.nearest(...this.where(event), REACH);
    if (i < 0) return;
    this.go(i);
    this.view.select({ rows: [/** @type {Points} */ (this.known.points).at[i]] }, event.shiftKey ? "toggle" : "replace");
  }

  drop() {
    this.drawing = false;
    this.line = [];
    this.view.schedule();
  }

  /** @param {[number, number][]} line A line as the kernel takes it, with few corners. */
  corners(line) {
    const every = Math.ceil(line.length / CORNERS);
    const wide = this.node.clientWidth - 2 * EDGE;
    const high = this.node.clientHeight - 2 * EDGE;
    return line
      .filter((_, n) => n % every === 0)
      .map(([x, y]) => [(x - EDGE) / wide, 1 - (y - EDGE) / high].map((v) => Math.round(v * 1e4) / 1e4));
  }

  /** @param {ChartState} state */
  draw(state) {
    const { points, selection, near } = this.known;
    const [wide, high] = [this.node.clientWidth, this.node.clientHeight];
    const shown = `${wide} ${high} ${state.hidden}`;
    const sources = [points, selection, near];
    if (shown !== this.shown || sources.some((one, n) => one !== this.sources[n])) {
      if (points !== this.sources[0]) this.keep(points);
      this.shown = shown;
      this.sources = sources;
      this.svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
      this.drawMarks(points, selection);
      this.drawNear(points, near);
    }
    /** @param {number} i @param {number} r */
    const ring = (i, r) => {
      if (i < 0 || !points) return "";
      const [x, y] = this.place(i);
      return `M${x},${y}m${-r},0a${r},${r},0,1,0,${2 * r},0a${r},${r},0,1,0${-2 * r},0`;
    };
    this.rings.setAttribute("d", ring(this.hover, 8));
    this.at.setAttribute("d", ring(this.cursor, 10));
    this.outline.setAttribute("d", this.line.length > 1 ? `M${this.line.join("L")}Z` : "");
  }

  /** @param {Points | undefined} points Stay on the row that the cursor is on, if it is drawn. */
  keep(points) {
    this.hover = -1;
    this.cursor = points ? points.at.indexOf(this.view.current) : -1;
  }

  /** @param {Points | undefined} points @param {Selection} selection One path for each group. */
  drawMarks(points, selection) {
    this.marks.replaceChildren();
    if (!points) return;
    const chosen = new Set(selection.drawn);
    /** @type {string[][]} */
    const [rest, own] = [[], []];
    for (const [i, code] of points.codes.entries()) {
      if (!this.visible(i)) continue;
      const [x, y] = this.place(i);
      const parts = chosen.has(i) ? own : rest;
      parts[code] = `${parts[code] ?? ""}M${x.toFixed(1)},${y.toFixed(1)}${look(points.groups, code).shape}`;
    }
    for (const [parts, name] of /** @type {[string[], string][]} */ ([[rest, "sk-x-rest"], [own, "sk-x-own"]])) {
      parts.forEach((d, code) => {
        this.marks.append(vector("path", { d, class: `${name} ${look(points.groups, code).name}` }));
      });
    }
    this.marks.classList.toggle("sk-x-some", selection.count > 0);
  }

  /** @param {Points | undefined} points @param {Near | undefined} near */
  drawNear(points, near) {
    const from = points && near ? points.at.indexOf(near.at) : -1;
    const ends = from < 0 ? [] : (near?.rows ?? []).map((row) => points?.at.indexOf(row.at) ?? -1);
    const lines = ends.filter((i) => i >= 0).map((i) => `M${this.place(from)}L${this.place(i)}`);
    this.near.setAttribute("d", lines.join(""));
  }
}

/** The groups of the colour: each entry shows or hides its points, or selects its rows. */
class Legend {
  /** @param {View} view */
  constructor(view) {
    this.view = view;
    /** @type {Groups | undefined} */
    this.groups = undefined;
    /** @type {HTMLButtonElement[]} */
    this.entries = [];
    this.node = make("div", "sk-x-legend");
    this.node.setAttribute("role", "group");
  }

  /** @param {Points | undefined} points @param {ChartState} state */
  draw(points, state) {
    if (points?.groups !== this.groups) {
      this.groups = points?.groups;
      this.view.keepFocus(this.node, () => this.build());
    }
    this.entries.forEach((entry, code) => {
      entry.setAttribute("aria-pressed", String(!state.hidden.includes(code)));
    });
  }

  build() {
    const groups = this.groups;
    this.entries = [];
    this.node.replaceChildren();
    if (!groups?.name) return;
    this.node.setAttribute("aria-label", `groups of ${groups.name}`);
    this.node.classList.toggle("sk-x-scale", groups.numeric);
    groups.labels.forEach((label, code) => {
      const { shape, name } = look(groups, code);
      const entry = button("", () => this.view.link.send({ type: "hide", group: code }), "", "sk-x-entry");
      const glyph = vector("svg", { viewBox: "0 0 16 16", class: "sk-x-glyph", "aria-hidden": "true" });
      glyph.append(vector("path", { d: `M8,8${shape}`, class: name }));
      const said = reveal(plainLabel(label), false);
      entry.append(glyph, said, make("span", "sk-faint", thousands(groups.counts[code])));
      entry.title = "show or hide";
      entry.dataset.focus = `hide ${code}`;
      const all = button("+", () => this.view.select({ group: code }, "add"), "", "sk-x-all");
      all.setAttribute("aria-label", `select all of ${plainLabel(label)}`);
      all.title = "select all of them";
      all.dataset.focus = `all ${code}`;
      const pair = make("span", `sk-x-pair ${name}`);
      pair.append(entry, all);
      this.entries.push(entry);
      this.node.append(pair);
    });
  }
}

/** What a selection is made of, beside the whole. */
class Contrasts {
  constructor() {
    this.node = make("div", "sk-x-contrasts");
    this.node.tabIndex = 0;
    this.node.setAttribute("role", "region");
    this.node.setAttribute("aria-label", "what the selection is made of");
    /** @type {any[]} */
    this.sources = [];
  }

  /** @param {Points | undefined} points @param {Selection} selection */
  draw(points, selection) {
    if (points === this.sources[0] && selection === this.sources[1]) return;
    this.sources = [points, selection];
    const tables = (points?.contrasts ?? []).map((one, n) => this.table(one, selection, n));
    this.node.replaceChildren(...tables);
  }

  /** @param {Groups} whole @param {Selection} selection @param {number} n */
  table(whole, selection, n) {
    const table = make("table", "sk-x-table");
    const caption = table.createCaption();
    caption.append(reveal(whole.name, false));
    const head = table.createTHead().insertRow();
    for (const text of ["value", "share", "selected", "all"]) {
      const th = make("th", text === "selected" || text === "all" ? "sk-number" : "", text);
      th.scope = "col";
      head.append(th);
    }
    const all = whole.counts.reduce((a, b) => a + b, 0) || 1;
    const some = selection.count || 1;
    const own = selection.counts[n] ?? [];
    const most = Math.max(...whole.counts.map((c) => c / all), ...own.map((c) => c / some), 1e-9);
    const body = table.createTBody();
    whole.labels.forEach((label, code) => {
      const row = body.insertRow();
      const th = make("th");
      th.scope = "row";
      th.append(reveal(plainLabel(label), false));
      const bar = make("td", "sk-x-bars");
      for (const [name, share] of /** @type {[string, number][]} */ ([
        ["sk-x-bar-own", (own[code] ?? 0) / some],
        ["sk-x-bar-all", whole.counts[code] / all],
      ])) {
        const node = make("div", name);
        node.style.width = `${(100 * share) / most}%`;
        bar.append(node);
      }
      const chosen = make("td", "sk-number", selection.count ? thousands(own[code] ?? 0) : "–");
      row.append(th, bar, chosen, make("td", "sk-number sk-faint", thousands(whole.counts[code])));
    });
    return table;
  }
}

/**
 * One view: head, tools, the map with its legend, and beside it the row, what is selected of the
 * rows, and what that is made of.
 * @extends {Panel<Known>}
 */
class View extends Panel {
  shown = make("span", "sk-count");
  pace = make("span", "sk-pace");
  bar = make("div", "sk-bar");
  barDone = make("div", "sk-bar-rows");
  colour = make("select", "sk-x-select");
  find = make("input", "sk-x-input");
  keys = make("dl", "sk-x-keys");
  row = make("div", "sk-x-row");
  count = make("strong");
  list = make("div", "sk-x-list");
  caption = make("div", "sk-foot");
  lasso = button("Lasso", () => this.use("lasso"), "l");
  rectangle = button("Rectangle", () => this.use("rectangle"), "r");
  zoom = button("Narrow", () => this.narrow(), "z");
  clear = button("Clear", () => this.escape(), "Esc");
  resume = button("Go on", () => this.known.send({ type: "resume" }));
  help = button("Keys", () => this.toggleSheet(), "?");
  pick = button("Select", () => this.select({ rows: [this.current] }, "toggle"), "Space");
  opener = button("Open", () => this.toggleOpen(), "Enter");
  nearer = button("Nearest", () => this.askNear(), "n");
  mark = button("Mark", () => this.hand("mark"), "m");
  show = button("Show", () => this.hand("show"), "o");
  /** @type {any[]} */
  rowShown = [];

  /** @param {Known} known @param {HTMLElement} host */
  constructor(known, host) {
    super(known, host, "sk-explorer", `explorer of ${known.model.get("about").name}`);
    this.known = known;
    /** @type {About} */
    this.about = this.model.get("about");
    this.current = -1;
    this.open = false;
    this.hands = false;
    /** @type {any[]} */
    this.listed = [];
    /** @type {any[]} */
    this.told = [];
    this.map = new Chart(known, this);
    this.legend = new Legend(this);
    this.contrasts = new Contrasts();
    this.build();
    this.follow("stage", "chart");
    const resize = new ResizeObserver(() => this.schedule());
    resize.observe(this.map.node);
    this.undo.push(() => resize.disconnect());
  }

  /** @returns {ChartState} */
  state() {
    return this.model.get("chart");
  }

  build() {
    this.bar.append(this.barDone);
    this.bar.setAttribute("role", "progressbar");
    this.bar.setAttribute("aria-label", "texts embedded");
    const name = make("strong", "sk-name");
    name.append(reveal(this.about.name, false));
    const head = make("div", "sk-head");
    head.append(name, this.shown, this.buildColour(), this.pace);
    const left = make("div", "sk-x-left");
    left.append(this.map.node, this.legend.node);
    const body = make("div", "sk-x-body");
    body.append(left, this.buildSide());
    this.root.append(head, this.bar, this.buildTools(), this.sheet(), this.notes, body, this.caption, this.live);
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  buildColour() {
    for (const name of ["", ...this.about.columns]) {
      const option = make("option", "", name || "one colour");
      option.value = name;
      this.colour.append(option);
    }
    this.colour.addEventListener("change", () => this.known.send({ type: "colour", column: this.colour.value }));
    const label = make("label", "sk-x-label", "colour ");
    label.append(this.colour);
    return label;
  }

  buildTools() {
    const tools = make("div", "sk-x-tools");
    const find = make("div", "sk-x-find");
    this.find.type = "search";
    this.find.placeholder = "/ find: a text, or column = value";
    this.find.setAttribute("aria-label", "select rows by a text or an expression");
    find.append(this.find);
    this.help.setAttribute("aria-expanded", "false");
    tools.append(find, this.lasso, this.rectangle, this.zoom, this.clear, this.resume, this.help);
    return tools;
  }

  sheet() {
    this.keys.hidden = true;
    for (const [key, what] of KEYS) this.keys.append(make("dt", "", key), make("dd", "", what));
    return this.keys;
  }

  buildSide() {
    const side = make("div", "sk-x-side");
    this.row.tabIndex = 0;
    this.row.setAttribute("role", "region");
    this.row.setAttribute("aria-label", "the row");
    const acts = make("div", "sk-x-acts");
    acts.append(this.pick, this.opener, this.nearer);
    this.count.setAttribute("role", "status");
    const hand = make("div", "sk-x-acts");
    hand.append(this.count, this.mark, this.show);
    for (const node of [this.mark, this.show]) node.hidden = !this.about.hands;
    this.list.tabIndex = 0;
    this.list.setAttribute("role", "region");
    this.list.setAttribute("aria-label", "rows");
    this.list.addEventListener("keydown", (event) => this.walk(event));
    side.append(this.row, acts, hand, this.list, this.contrasts.node);
    return side;
  }

  /** @param {object} what @param {string} how */
  select(what, how) {
    if ("rows" in what && this.current < 0) return;
    this.known.send({ type: "select", how, ...what });
  }

  /** @param {"rectangle" | "lasso"} mode */
  use(mode) {
    this.map.mode = mode;
    this.say(mode === "lasso" ? "a line selects" : "a rectangle selects");
    this.schedule();
  }

  narrow() {
    const { narrowed, selected } = this.state();
    if (narrowed || selected) this.known.send({ type: "narrow", on: !narrowed });
  }

  /** @param {"mark" | "show"} to */
  hand(to) {
    if (!this.about.hands || !this.state().selected) return;
    this.hands = true;
    this.known.send({ type: "hand", to });
  }

  /** @param {number} at Make a row the one that is shown. */
  look(at) {
    if (at !== this.current) this.open = false;
    this.current = at;
    const text = this.textOf(at);
    if (text !== undefined) this.say(plainLabel(text));
    this.schedule();
  }

  /** @param {number} at @returns {Cell | undefined} */
  textOf(at) {
    const { points, selection, near, row } = this.known;
    if (row?.at === at && this.open) return row.text;
    const i = points?.at.indexOf(at) ?? -1;
    if (points && i >= 0) return points.texts[i];
    return [...selection.rows, ...(near?.rows ?? [])].find((one) => one.at === at)?.text;
  }

  toggleOpen() {
    if (this.current < 0) return;
    this.open = !this.open;
    if (this.open && this.known.row?.at !== this.current) this.known.send({ type: "row", at: this.current });
    this.schedule();
  }

  askNear() {
    if (this.current >= 0) this.known.send({ type: "near", at: this.current });
  }

  escape() {
    if (!this.keys.hidden) this.toggleSheet();
    else if (this.open) this.toggleOpen();
    else if (this.known.near) {
      this.known.near = undefined;
      this.known.changed();
    } else this.known.send({ type: "select", how: "replace", rows: [] });
  }

  toggleSheet() {
    this.keys.hidden = !this.keys.hidden;
    this.help.setAttribute("aria-expanded", String(!this.keys.hidden));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (target.closest("input, select, textarea")) {
      if (target === this.find && event.key === "Enter" && this.find.value.trim()) {
        event.preventDefault();
        this.select({ where: this.find.value }, "replace");
      }
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.root.querySelector(":scope > .sk-offered")?.remove();
      this.map.node.focus({ preventScroll: true });
      return;
    }
    const pressed = target instanceof HTMLButtonElement && (event.key === " " || event.key === "Enter");
    const act = pressed ? undefined : this.action(event.key, target);
    if (!act) return;
    event.preventDefault();
    act();
  }

  /** @param {string} key @param {HTMLElement} target @returns {(() => void) | undefined} */
  action(key, target) {
    const onMap = target === this.map.node;
    switch (key) {
      case "ArrowLeft":
        return onMap ? () => this.map.step(-1, 0) : undefined;
      case "ArrowRight":
        return onMap ? () => this.map.step(1, 0) : undefined;
      case "ArrowUp":
        return onMap ? () => this.map.step(0, -1) : undefined;
      case "ArrowDown":
        return onMap ? () => this.map.step(0, 1) : undefined;
      case " ":
        return () => this.select({ rows: [this.current] }, "toggle");
      case "Enter":
        return () => this.toggleOpen();
      case "n":
        return () => this.askNear();
      case "/":
        return () => this.find.focus();
      case "r":
        return () => this.use("rectangle");
      case "l":
        return () => this.use("lasso");
      case "z":
        return () => this.narrow();
      case "m":
        return () => this.hand("mark");
      case "o":
        return () => this.hand("show");
      case "?":
        return () => this.toggleSheet();
      case "Escape":
        return () => this.escape();
    }
    return undefined;
  }

  /** @param {KeyboardEvent} event Arrows go from row to row of the list, so that Tab need not. */
  walk(event) {
    const lines = [...this.list.querySelectorAll("button")];
    const now = lines.indexOf(/** @type {HTMLButtonElement} */ (event.target));
    const steps = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: lines.length - 1 };
    const next = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (next === undefined || !lines[next]) return;
    event.preventDefault();
    lines[next].focus();
  }

  /**
   * Build anew what may hold the focus, and give it back: to the same place, or to the map.
   * @param {HTMLElement} node @param {() => void} rebuild
   */
  keepFocus(node, rebuild) {
    const active = document.activeElement;
    const held = node !== active && node.contains(active);
    const place = held && active instanceof HTMLElement ? active.dataset.focus : undefined;
    rebuild();
    if (!held) return;
    const same = [...node.querySelectorAll("button")].find((one) => one.dataset.focus === place);
    (same ?? this.map.node).focus({ preventScroll: true });
  }

  paint() {
    /** @type {Stage} */
    const stage = this.model.get("stage");
    const state = this.state();
    this.known.ask();
    this.drawHead(stage, state);
    this.drawNotes(stage);
    this.drawTools(stage, state);
    write(this.map.empty, this.emptiness(stage, state));
    this.map.draw(state);
    this.legend.draw(this.known.points, state);
    this.drawRow();
    this.drawList();
    this.contrasts.draw(this.known.points, this.known.selection);
    write(this.caption, state.caption);
    this.finishHand();
    this.announce();
  }

  /** @param {Stage} stage @param {ChartState} state */
  drawHead(stage, state) {
    const { done, total } = stage;
    const embedding = stage.state === "embedding" && !this.known.gone;
    const part = state.shown < state.scope ? `${thousands(state.shown)} of ` : "";
    const narrowed = state.narrowed ? `, of ${thousands(state.of)}` : "";
    write(this.shown, `${part}${count(state.scope, "point")} shown${narrowed}`);
    const words = {
      waiting: "waiting",
      embedding: `${thousands(done)} of ${count(total, "text")} embedded\u2003■ interrupts the kernel`,
      ready: "✓ ready",
      interrupted: "■ interrupted",
      failed: "✗ failed",
    };
    const said = this.known.gone ? "■ kernel gone" : words[/** @type {keyof typeof words} */ (stage.state)];
    write(this.pace, said);
    this.pace.className = `sk-pace sk-${this.known.gone ? "gone" : stage.state === "ready" ? "done" : stage.state}`;
    this.barDone.style.width = `${(100 * done) / Math.max(1, total)}%`;
    this.bar.setAttribute("aria-valuemax", String(total));
    this.bar.setAttribute("aria-valuenow", String(done));
    this.bar.hidden = done >= total;
    this.root.classList.toggle("sk-busy", embedding);
    if (document.activeElement !== this.colour) this.colour.value = state.colour;
  }

  /** @param {Stage} stage @param {ChartState} state */
  emptiness(stage, state) {
    if (this.known.points) return state.shown ? "" : "No row has a place on the map.";
    if (this.known.gone) return "The points were not loaded. Run the cell again to see them.";
    if (stage.state === "embedding") return "The map is drawn when the texts are embedded.";
    return "Waiting for the points: the kernel is busy, or has not answered yet.";
  }

  /** @param {Stage} stage */
  drawNotes({ state, message, done, total }) {
    /** @type {[string, string][]} */
    const notes = [];
    const far = `${thousands(done)} of ${count(total, "text")} are embedded and drawn.`;
    if (state === "failed") notes.push(["sk-failed", `✗ ${sentence(message)} ${far} Go on tries again.`]);
    if (state === "interrupted") notes.push(["", `■ Interrupted: ${far} Go on embeds the others.`]);
    this.note(
      notes,
      "The kernel is gone: what is here can be looked at, nothing can be selected or loaded. " +
        "Run the cell again.",
    );
  }

  /** @param {Stage} stage @param {ChartState} state */
  drawTools(stage, state) {
    this.lasso.setAttribute("aria-pressed", String(this.map.mode === "lasso"));
    this.rectangle.setAttribute("aria-pressed", String(this.map.mode === "rectangle"));
    caption(this.zoom, state.narrowed ? "Draw all" : "Narrow", "z");
    const some = state.selected > 0;
    this.zoom.setAttribute("aria-disabled", String(!some && !state.narrowed));
    for (const node of [this.mark, this.show]) node.setAttribute("aria-disabled", String(!some));
    for (const node of [this.pick, this.opener, this.nearer]) {
      node.setAttribute("aria-disabled", String(this.current < 0));
    }
    const resumable = !this.known.gone && (stage.state === "interrupted" || stage.state === "failed");
    if (!resumable && document.activeElement === this.resume) this.map.node.focus({ preventScroll: true });
    this.resume.hidden = !resumable;
    write(this.count, `${thousands(state.selected)} selected`);
  }

  drawRow() {
    const { points, row } = this.known;
    const hovered = this.map.hover >= 0 && points ? points.at[this.map.hover] : -1;
    const at = hovered >= 0 ? hovered : this.current;
    const full = at === this.current && this.open && row?.at === at ? row : undefined;
    const text = full ? full.text : this.textOf(at);
    this.row.classList.toggle("sk-x-open", !!full);
    caption(this.opener, this.open ? "Close" : "Open", "Enter");
    const wanted = [at, text, full];
    if (this.row.childNodes.length && wanted.every((one, n) => one === this.rowShown[n])) return;
    this.rowShown = wanted;
    if (text === undefined) {
      this.row.replaceChildren(make("p", "sk-faint", "Point at a row, or go to one with the arrows, to read it."));
      return;
    }
    this.row.replaceChildren(content(text, true));
    if (!full) return;
    const cells = make("dl", "sk-x-cells");
    for (const [name, cell] of full.cells) {
      const term = make("dt");
      term.append(reveal(name, false));
      const value = make("dd");
      value.append(content(cell, true));
      cells.append(term, value);
    }
    this.row.append(cells);
  }

  /** The nearest rows if they were asked for, else those selected. */
  drawList() {
    const { near, selection } = this.known;
    if (this.listed[0] === near && this.listed[1] === selection && this.listed[2] === this.current) return;
    this.listed = [near, selection, this.current];
    this.keepFocus(this.list, () => {
      const rows = near ? near.rows : selection.rows;
      const lines = rows.map((row) => this.line(row.at, row.text, "likeness" in row ? Number(row.likeness) : null));
      const told = near ? "Nearest by cosine; Esc goes back to the selection." : this.listNote(selection);
      this.list.replaceChildren(...(told ? [make("p", "sk-x-told sk-faint", told)] : []), ...lines);
    });
  }

  /** @param {Selection} selection */
  listNote({ count: all, rows, said }) {
    if (!all && said) return `${said}.`;
    if (!all) return "Nothing is selected. Draw around points, click one, or find rows with /.";
    return rows.length < all ? `The first ${rows.length} of ${thousands(all)}.` : "";
  }

  /** @param {number} at @param {Cell} text @param {number | null} likeness */
  line(at, text, likeness) {
    const act = () => {
      const i = this.known.points?.at.indexOf(at) ?? -1;
      if (i >= 0) this.map.cursor = i;
      this.look(at);
      if (!this.open) this.toggleOpen();
    };
    const node = button("", act, "", "sk-x-item");
    node.dataset.focus = `row ${at}`;
    if (at === this.current) node.setAttribute("aria-current", "true");
    if (likeness !== null) node.append(make("span", "sk-x-likeness", fixed(likeness)));
    node.append(content(text, false));
    return node;
  }

  /** Offer what the kernel gave for a cell, in the view that asked for it. */
  finishHand() {
    const { handed } = this.known;
    if (!handed || !this.hands) return;
    this.known.handed = undefined;
    this.hands = false;
    if (handed.cell) this.offerCell(handed.cell).catch((error) => this.known.fail(String(error)));
    else this.say(`the open ${handed.to === "mark" ? "marker" : "table"} shows them now`);
  }

  /** Say what was selected, or is near. */
  announce() {
    const { near, selection } = this.known;
    const [nearTold, selectionTold] = this.told;
    this.told = [near, selection];
    if (near && near !== nearTold) this.say(`${count(near.rows.length, "row")} near`);
    else if (selectionTold && selection !== selectionTold) {
      this.say(selection.said || `${count(selection.count, "row")} selected`);
    }
  }
}

export default widget(Known, View);
