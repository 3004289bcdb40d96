// @ts-check
// The browser's half of synthkit.jupyter.lab.Lab. The kernel keeps the matrix; here are one page of
// its rows, the cell that is open, and the variant that is edited.

/**
 * @typedef {[string, string][]} Pieces kinds ("same", "out", "in") and texts
 *
 * @typedef {{state: string, text: Cell, why: Cell, mark: string, comment: Cell,
 *   fails: [string, Cell][], unsaid: [string, Cell][], passes: number, diff?: Pieces | null,
 *   took?: string[]}} LabCell
 *
 * @typedef {LabCell & {verdicts: [string, boolean | null, Cell][], fields: [string, Cell][],
 *   id?: string, name?: string, prompt?: [string, Cell][], raw?: Cell}} WholeCell
 *
 * @typedef {{at: number, fields: [string, Cell][], cells: LabCell[]}} LabRow
 *
 * @typedef {{show: string, blind: boolean, start: number, found: number, total: number, rows: LabRow[]}} Page
 *
 * @typedef {{column: number, name: string, measures: [string, number | null][]}} Entry texts, and
 *   what they are sorted by
 *
 * @typedef {{key: string, name: string, baseline: boolean, prompt: Cell, diff: Pieces | null,
 *   at: number, versions: number, temperature: number | null, max_tokens: number | null}} Variant
 *
 * @typedef {{key: string, name: string, at: number,
 *   versions: [string, number | null, number | null][]}} WholeVariant
 *
 * @typedef {Record<string, any> & {models: string[], variants: Variant[], ranking: Entry[],
 *   columns: {variant: string, model: string, name: string}[], failures: [string, string][],
 *   notes: string[], deleted: [string, string][]}} LabState
 */

const SHOWS = ["all", "different", "failing", "unmarked"];
const PAGE_ROWS = 20;
const WAIT_MS = 400;
const SIGNS = { accept: "✓ accepted", reject: "✗ rejected" };
const KEYS = [
  ["arrows, Home, End", "go from cell to cell"],
  ["a", "accept"],
  ["x", "reject"],
  ["c", "comment: Enter saves, Escape cancels"],
  ["u", "undo the last mark or comment"],
  ["Enter", "open the whole cell; Escape closes it"],
  ["e", "edit the variant: Ctrl+Enter applies, Escape cancels"],
  ["n", "new variant, as a copy of this one"],
  ["r", "run what is not answered; stop"],
  ["b", "blind: hide names, and see them again"],
  ["1 2 3 4", "show all, different, failing, unmarked"],
  ["[ ]", "rows before, rows after"],
  ["?", "these keys"],
];

/** @param {HTMLElement} node @param {boolean} off A disabled button would lose the focus. */
function disable(node, off) {
  node.setAttribute("aria-disabled", String(off));
}

/** @param {Cell} cell A text, or the start of it. */
function textOf(cell) {
  return String((Array.isArray(cell) ? cell[0] : cell) ?? "");
}

/** @param {Cell} cell @param {Pieces | null | undefined} diff */
function compared(cell, diff) {
  if (!diff) return content(cell, true);
  const node = make("div", "sk-cell");
  const text = make("bdi");
  for (const [kind, piece] of diff) {
    const part = kind === "same" ? make("span") : make(kind === "in" ? "ins" : "del");
    part.append(...reveal(piece, true).childNodes);
    text.append(part);
  }
  node.append(text);
  if (Array.isArray(cell)) node.append(make("span", "sk-length", `… ${count(cell[1], "character")}`));
  return node;
}

/**
 * Draw anew what may hold the focus, and give it back to the button with the same key.
 * @param {HTMLElement} node @param {() => void} draw @param {() => void} lost
 */
function redraw(node, draw, lost) {
  const active = document.activeElement;
  const key = active instanceof HTMLElement && node.contains(active) ? active.dataset.key : undefined;
  draw();
  if (key === undefined) return;
  const again = node.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (again instanceof HTMLElement) again.focus();
  else lost();
}

/** The state of one lab, its newest page of rows, and who waits for which answer. */
class LabLink extends Link {
  /** @param {Model} model */
  constructor(model) {
    super(model);
    /** @type {Page | null} */
    this.page = null;
    this.waiting = 0;
    /** @type {Map<number, (message: any) => void>} */
    this.replies = new Map();
    this.viewed = 0;
  }

  /** @returns {Page} */
  get shown() {
    return this.page ?? this.model.get("first");
  }

  /** @param {any} message */
  receive(message) {
    this.waiting = 0;
    if (message.type === "page") this.page = message;
    else this.replies.get(message.view)?.(message);
  }

  /** @param {object} message Ask, and let the views say so if it takes long. */
  ask(message) {
    if (this.gone) return;
    this.waiting ||= performance.now();
    setTimeout(() => this.changed(), WAIT_MS + 10);
    this.send(message);
  }

  get slow() {
    return !this.gone && this.waiting > 0 && performance.now() - this.waiting > WAIT_MS;
  }
}

/** The matrix: a grid of cells in which the arrows go, one of them the current one. */
class Grid {
  /** @param {LabView} view */
  constructor(view) {
    this.view = view;
    this.row = 0;
    this.slot = 0;
    this.node = make("div", "sk-lab-matrix");
    this.table = make("table", "sk-lab-table");
    this.table.setAttribute("role", "grid");
    this.table.setAttribute("aria-label", "inputs by variants");
    this.head = make("thead");
    this.body = make("tbody");
    /** @type {HTMLTableCellElement[][]} */
    this.cells = [];
    this.table.append(this.head, this.body);
    this.node.append(this.table);
    this.body.addEventListener("click", (event) => this.click(event));
    this.body.addEventListener("dblclick", (event) => {
      if (this.place(event.target)) view.open();
    });
    this.body.addEventListener("focusin", (event) => {
      const at = this.place(event.target);
      if (at) this.choose(...at);
    });
  }

  /** @param {EventTarget | null} target @returns {[number, number] | null} */
  place(target) {
    const cell = target instanceof Element ? target.closest("td[data-slot]") : null;
    if (!(cell instanceof HTMLElement)) return null;
    return [Number(cell.dataset.row), Number(cell.dataset.slot)];
  }

  /** @param {MouseEvent} event */
  click(event) {
    const at = this.place(event.target);
    if (at && !window.getSelection()?.toString()) this.go(...at);
  }

  /** The row of the matrix that the current cell is in. */
  get current() {
    return this.view.link.shown.rows?.[this.row];
  }

  /** @param {number} row @param {number} slot */
  choose(row, slot) {
    if (row === this.row && slot === this.slot) return;
    this.row = row;
    this.slot = slot;
    this.select();
    this.view.moved();
  }

  /** @param {number} row @param {number} slot Go to a cell, as near as there is one. */
  go(row, slot) {
    if (!this.cells.length) return;
    const to = Math.max(0, Math.min(row, this.cells.length - 1));
    const cell = this.cells[to][Math.max(0, Math.min(slot, this.cells[to].length - 1))];
    cell?.focus({ preventScroll: true });
    cell?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Put the focus on the current cell, or on the matrix if there is none. */
  focus() {
    if (this.cells[this.row]?.[this.slot]) this.go(this.row, this.slot);
    else this.node.focus();
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether it was a step from a cell */
  step(event) {
    const at = this.place(event.target);
    if (!at) return false;
    const [row, slot] = at;
    const last = this.cells[row].length - 1;
    /** @type {Record<string, [number, number]>} */
    const steps = {
      ArrowDown: [row + 1, slot],
      ArrowUp: [row - 1, slot],
      ArrowRight: [row, slot + 1],
      ArrowLeft: [row, slot - 1],
      Home: event.ctrlKey ? [0, 0] : [row, 0],
      End: event.ctrlKey ? [this.cells.length - 1, last] : [row, last],
    };
    const to = steps[event.key];
    if (to) this.go(...to);
    return !!to;
  }

  /** @param {LabState} state @param {Page} page */
  draw(state, page) {
    const rows = page.rows ?? [];
    const wide = state.columns.length;
    const had = this.body.contains(document.activeElement);
    this.drawHead(state);
    while (this.cells.length > rows.length) {
      this.cells.pop();
      this.body.lastElementChild?.remove();
    }
    rows.forEach((row, n) => this.drawRow(row, n, wide));
    this.row = Math.max(0, Math.min(this.row, rows.length - 1));
    this.slot = Math.max(0, Math.min(this.slot, wide - 1));
    this.select();
    // with no cell at all the matrix itself takes the focus
    this.node.tabIndex = rows.length && wide ? -1 : 0;
    if (had && !this.body.contains(document.activeElement)) this.focus();
  }

  select() {
    this.cells.forEach((row, n) =>
      row.forEach((cell, slot) => {
        const current = n === this.row && slot === this.slot;
        cell.tabIndex = current ? 0 : -1;
        cell.setAttribute("aria-selected", String(current));
      }),
    );
  }

  /** @param {LabState} state */
  drawHead(state) {
    const { columns, variants, models, blind } = state;
    const wanted = JSON.stringify([columns, variants, blind]);
    if (this.head.dataset.shown === wanted) return;
    this.head.dataset.shown = wanted;
    const names = make("tr");
    const prompts = make("tr", "sk-lab-prompts");
    const lines = make("tr");
    names.append(this.th("input", "col"));
    prompts.append(this.th("prompt", "row"));
    lines.append(this.th("model", "row"));
    for (const variant of variants) {
      names.append(this.title(variant, models.length));
      const cell = make("td");
      cell.colSpan = models.length;
      cell.append(this.prompt(variant));
      prompts.append(cell);
    }
    for (const [n, column] of columns.entries()) {
      if (blind) names.append(this.th(String(n + 1), "col"));
      lines.append(this.th(column.model, "col"));
    }
    const rows = blind ? [names] : models.length > 1 ? [names, prompts, lines] : [names, prompts];
    redraw(this.head, () => this.head.replaceChildren(...rows), () => this.focus());
  }

  /** @param {Variant} variant @param {number} wide */
  title(variant, wide) {
    const node = this.th("", "col");
    node.colSpan = wide;
    const title = make("strong", "sk-lab-name");
    title.append(reveal(`${variant.key} ${variant.name}`.trim(), false));
    const edit = button("Edit", () => this.view.edit(variant.key), "e", "sk-button sk-small");
    edit.dataset.key = variant.key;
    edit.setAttribute("aria-label", `Edit ${variant.key} e`);
    node.append(title, edit);
    if (variant.baseline) node.append(make("span", "sk-faint", "baseline"));
    if (variant.versions > 1) node.append(make("span", "sk-faint", `v${variant.at} of ${variant.versions}`));
    return node;
  }

  /** @param {string} text @param {"col" | "row"} scope */
  th(text, scope) {
    const node = make("th", scope === "row" ? "sk-faint" : "", text);
    node.scope = scope;
    return node;
  }

  /** @param {Variant} variant */
  prompt(variant) {
    const node = make("div", "sk-lab-prompt");
    if (!textOf(variant.prompt).trim()) {
      node.append(make("span", "sk-faint", "Empty: press e, or Edit, and write the prompt."));
      return node;
    }
    const text = make("div", "sk-lab-clamp sk-mono");
    text.append(compared(variant.prompt, variant.diff));
    const drawn = [];
    if (variant.temperature !== null) drawn.push(`temperature ${variant.temperature}`);
    if (variant.max_tokens !== null) drawn.push(`max ${thousands(variant.max_tokens)} tokens`);
    node.append(text, make("div", "sk-lab-meta", drawn.join("  ")));
    return node;
  }

  /** @param {LabRow} row @param {number} n @param {number} wide */
  drawRow(row, n, wide) {
    let line = this.body.children[n];
    if (!line) {
      line = make("tr");
      line.append(this.th("", "row"));
      this.body.append(line);
      this.cells[n] = [];
    }
    const head = /** @type {HTMLElement} */ (line.firstElementChild);
    const told = JSON.stringify([row.at, row.fields]);
    if (head.dataset.shown !== told) {
      head.dataset.shown = told;
      head.replaceChildren(make("span", "sk-lab-at", String(row.at + 1)));
      for (const [name, value] of row.fields) {
        const field = make("div", "sk-lab-field");
        field.append(make("span", "sk-lab-key", name), content(value, false));
        head.append(field);
      }
    }
    const cells = this.cells[n];
    while (cells.length > wide) cells.pop()?.remove();
    while (cells.length < wide) {
      const cell = make("td", "sk-lab-cell");
      cell.dataset.row = String(n);
      cell.dataset.slot = String(cells.length);
      cells.push(cell);
      line.append(cell);
    }
    cells.forEach((cell, slot) => this.drawCell(cell, row.cells[slot]));
  }

  /** @param {HTMLTableCellElement} node @param {LabCell | undefined} cell */
  drawCell(node, cell) {
    const wanted = JSON.stringify(cell ?? null);
    if (node.dataset.shown === wanted) return;
    node.dataset.shown = wanted;
    node.className = `sk-lab-cell sk-lab-${cell?.mark || "unmarked"} sk-lab-${cell?.state ?? "new"}`;
    node.replaceChildren(...(cell ? cellParts(cell) : []));
  }
}

/** @param {LabCell} cell What a cell of the matrix shows. */
function cellParts(cell) {
  const parts = [];
  const why = textOf(cell.why);
  if (cell.state === "new") parts.push(make("div", "sk-faint", why || "not asked yet"));
  if (cell.state === "asking") parts.push(make("div", "sk-lab-asking", "… asking"));
  if (cell.state === "error") {
    const node = make("div", "sk-failed");
    node.append("✗ ", reveal(why, true), " Run asks again.");
    parts.push(node);
  }
  if (cell.state === "reject") {
    const node = make("div", "sk-failed");
    node.append("✗ not read: ", reveal(why, true));
    parts.push(node);
  }
  if (cell.state === "done" || cell.state === "reject") {
    const text = make("div", "sk-lab-clamp");
    text.append(compared(cell.text, cell.diff));
    parts.push(text, meta(cell));
  }
  for (const [name, reason] of cell.fails) parts.push(said("sk-failed", "✗", name, reason));
  for (const [name, reason] of cell.unsaid) parts.push(said("sk-faint", "?", name, reason));
  if (textOf(cell.comment)) {
    const node = make("div", "sk-lab-comment");
    node.append("“", reveal(textOf(cell.comment), false), "”");
    parts.push(node);
  }
  return parts;
}

/** @param {string} name @param {string} sign @param {string} check @param {Cell} reason */
function said(name, sign, check, reason) {
  const node = make("div", `sk-lab-said ${name}`);
  node.append(`${sign} `, reveal(textOf(reason) || check, false));
  node.title = check;
  return node;
}

/** @param {LabCell} cell */
function meta(cell) {
  const node = make("div", "sk-lab-meta");
  const mark = SIGNS[/** @type {keyof typeof SIGNS} */ (cell.mark)];
  if (mark) node.append(make("span", cell.mark === "accept" ? "sk-done" : "sk-failed", mark));
  if (cell.passes) node.append(make("span", "sk-done", `✓ ${count(cell.passes, "check")}`));
  for (const part of cell.took ?? []) node.append(make("span", "", part));
  return node;
}

/** One cell in full, under the matrix. */
class Detail {
  /** @param {LabView} view */
  constructor(view) {
    this.view = view;
    this.node = make("section", "sk-lab-detail");
    this.node.hidden = true;
    this.title = make("strong", "sk-lab-name");
    this.title.tabIndex = -1;
    this.body = make("div", "sk-lab-whole");
    this.body.tabIndex = 0; // it scrolls, and so must be in reach of keys
    this.body.setAttribute("role", "group");
    this.body.setAttribute("aria-label", "its parts");
    this.of = "";
    const head = make("div", "sk-lab-bar");
    const close = button("Close", () => this.close(), "Esc");
    head.append(this.title, close);
    this.node.append(head, this.body);
    this.node.setAttribute("aria-label", "the whole cell");
  }

  ask() {
    const { grid, link } = this.view;
    const row = grid.current;
    if (row) link.ask({ type: "cell", view: this.view.id, row: row.at, slot: grid.slot });
  }

  close() {
    this.node.hidden = true;
    this.body.replaceChildren();
    this.of = "";
    this.view.grid.focus();
  }

  /** Ask anew when the cell it shows has changed, or is another one. */
  follow() {
    const { grid } = this.view;
    const cell = grid.current?.cells[grid.slot];
    const of = JSON.stringify([grid.current?.at, grid.slot, cell ?? null]);
    if (this.node.hidden || of === this.of) return;
    this.of = of;
    this.ask();
  }

  /** @param {number} row @param {number} slot @param {WholeCell} cell */
  show(row, slot, cell) {
    if (this.node.hidden) return;
    write(this.title, `row ${row + 1}, ${cell.name ?? `output ${slot + 1}`}`);
    const parts = [this.part("output", content(cell.text, true))];
    if (cell.diff) parts.push(this.part("against the baseline", compared(cell.text, cell.diff)));
    else if (cell.diff === null) parts.push(this.part("against the baseline", make("div", "", "too long to compare")));
    if (textOf(cell.why)) parts.push(this.part("why", content(cell.why, true), "sk-failed"));
    for (const [name, passed, reason] of cell.verdicts) {
      const sign = passed === null ? "? no verdict" : passed ? "✓ passed" : "✗ failed";
      const node = make("div", passed ? "sk-done" : passed === null ? "sk-faint" : "sk-failed");
      node.append(`${sign}`, ...(textOf(reason) ? [": ", reveal(textOf(reason), true)] : []));
      parts.push(this.part(name, node));
    }
    if (textOf(cell.comment)) parts.push(this.part("comment", content(cell.comment, true)));
    for (const [role, said] of cell.prompt ?? []) parts.push(this.part(role, content(said, true), "sk-mono"));
    if (cell.raw !== undefined) parts.push(this.part("raw answer", content(cell.raw, true), "sk-mono"));
    if (cell.took) parts.push(this.part("model", make("div", "", cell.took.join("\u2003"))));
    for (const [name, value] of cell.fields) parts.push(this.part(name, content(value, true)));
    if (cell.id) parts.push(this.part("id", make("div", "sk-mono", cell.id)));
    this.body.replaceChildren(...parts);
  }

  /** @param {string} name @param {HTMLElement} value @param {string} [kind] */
  part(name, value, kind) {
    const node = make("div", "sk-lab-part");
    const label = make("div", "sk-lab-key");
    label.append(reveal(name, false));
    const body = make("div", kind ?? "");
    body.append(value);
    node.append(label, body);
    return node;
  }
}

/** A variant's prompt, name and sampling, to be changed in place. */
class Editor {
  /** @param {LabView} view */
  constructor(view) {
    this.view = view;
    this.key = "";
    this.node = make("form", "sk-lab-editor");
    this.node.hidden = true;
    this.title = make("strong", "sk-lab-name");
    this.name = make("input");
    this.prompt = make("textarea", "sk-mono");
    this.prompt.rows = 8;
    this.prompt.spellcheck = false;
    this.temperature = make("input");
    this.maxTokens = make("input");
    for (const field of [this.temperature, this.maxTokens]) field.inputMode = "decimal";
    this.versions = make("select");
    this.problem = make("div", "sk-failed");
    this.problem.setAttribute("role", "alert");
    this.build();
    /** @type {[string, number | null, number | null][]} */
    this.kept = [];
  }

  build() {
    const line = make("div", "sk-lab-bar");
    line.append(
      this.title,
      this.label("name", this.name),
      this.label("temperature", this.temperature),
      this.label("max tokens", this.maxTokens),
      this.label("version", this.versions),
    );
    const buttons = make("div", "sk-lab-bar");
    buttons.append(
      button("Apply", () => this.send(), "Ctrl+Enter"),
      button("Cancel", () => this.close(), "Esc"),
      button("Add as a new variant", () => this.send("add")),
      button("Make it the baseline", () => this.act("baseline")),
      button("Delete", () => this.act("delete")),
    );
    this.node.append(line, this.label("prompt", this.prompt), this.problem, buttons);
    this.node.setAttribute("aria-label", "edit a variant");
    this.node.addEventListener("submit", (event) => event.preventDefault());
    this.versions.addEventListener("change", () => this.fill(Number(this.versions.value)));
    this.node.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing) this.close();
      else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.send();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  /** @param {string} text @param {HTMLElement} field */
  label(text, field) {
    const node = make("label", "sk-lab-label", text);
    node.append(field);
    return node;
  }

  /** @param {string} key */
  open(key) {
    this.view.link.ask({ type: "variant", view: this.view.id, key });
  }

  /** @param {WholeVariant} variant */
  show(variant) {
    this.key = variant.key;
    this.kept = variant.versions;
    write(this.title, `Edit ${variant.key}`);
    this.name.value = variant.name;
    this.versions.replaceChildren(
      ...variant.versions.map((_, n) => {
        const option = make("option", "", `${n + 1} of ${variant.versions.length}`);
        option.value = String(n);
        return option;
      }),
    );
    this.versions.value = String(variant.at);
    this.fill(variant.at);
    write(this.problem, "");
    this.node.hidden = false;
    this.prompt.focus();
    this.node.scrollIntoView({ block: "nearest" });
  }

  /** @param {number} at Take a version's prompt and sampling into the fields. */
  fill(at) {
    const [prompt, temperature, maxTokens] = this.kept[at];
    this.prompt.value = prompt;
    this.temperature.value = String(temperature ?? "");
    this.maxTokens.value = String(maxTokens ?? "");
  }

  send(type = "edit") {
    this.view.link.ask({
      type,
      view: this.view.id,
      key: this.key,
      prompt: this.prompt.value,
      name: this.name.value,
      temperature: this.temperature.value,
      max_tokens: this.maxTokens.value,
    });
  }

  /** @param {string} type */
  act(type) {
    this.view.link.ask({ type, key: this.key });
    this.close();
  }

  /** @param {string} message */
  refuse(message) {
    this.problem.replaceChildren("✗ ", reveal(message, true));
    this.prompt.focus();
  }

  close() {
    if (this.node.hidden) return;
    this.node.hidden = true;
    this.view.grid.focus();
  }
}

/** The variants in order, by any of what was measured. */
class Ranking {
  /** @param {LabView} view */
  constructor(view) {
    this.view = view;
    this.by = "";
    this.up = false;
    this.node = make("section", "sk-lab-ranking");
    this.node.setAttribute("aria-label", "ranking");
    this.reading = make("p", "sk-lab-reading");
    this.table = make("table", "sk-lab-table sk-lab-ranks");
    const frame = make("div", "sk-lab-matrix");
    frame.append(this.table);
    this.node.append(this.reading, frame);
  }

  /** @param {LabState} state */
  draw(state) {
    this.node.hidden = state.blind || !state.ranking.length;
    const wanted = JSON.stringify([state.ranking, state.winner, state.reading, this.by, this.up]);
    if (this.node.dataset.shown === wanted) return;
    this.node.dataset.shown = wanted;
    this.reading.replaceChildren(reveal(state.reading, false));
    const head = make("tr");
    const first = make("th", "", "variant");
    first.scope = "col";
    const second = make("th", "sk-faint", "go on");
    second.scope = "col";
    head.append(first, second, ...state.measures.map((/** @type {string} */ name) => this.head(name)));
    const entries = [...state.ranking];
    const at = state.measures.indexOf(this.by);
    const value = (/** @type {Entry} */ entry) => entry.measures[at][1] ?? -1;
    if (at >= 0) entries.sort((a, b) => (value(a) - value(b)) * (this.up ? 1 : -1));
    const body = make("tbody");
    body.append(...entries.map((entry) => this.line(entry, state)));
    const thead = make("thead");
    thead.append(head);
    redraw(this.table, () => this.table.replaceChildren(thead, body), () => this.view.grid.focus());
  }

  /** @param {string} name */
  head(name) {
    const node = make("th", "sk-number");
    node.scope = "col";
    const on = this.by === name;
    node.setAttribute("aria-sort", on ? (this.up ? "ascending" : "descending") : "none");
    const sign = on ? (this.up ? " ▲" : " ▼") : "";
    const sort = button(name + sign, () => this.sort(name), "", "sk-plain sk-lab-sort");
    sort.dataset.key = name;
    sort.setAttribute("aria-label", `sort by ${name}`);
    node.append(sort);
    return node;
  }

  /** @param {string} id Down, then up, then as ranked. */
  sort(id) {
    if (this.by !== id) [this.by, this.up] = [id, false];
    else if (!this.up) this.up = true;
    else this.by = "";
    this.view.schedule();
  }

  /** @param {Entry} entry @param {LabState} state */
  line(entry, state) {
    const node = make("tr");
    const name = make("th");
    name.scope = "row";
    name.append(reveal(entry.name, false));
    if (entry.column === state.winner) name.append(make("span", "sk-done", " ✓ best so far"));
    const use = button("Use this", () => this.view.use(entry.column), "", "sk-button sk-small");
    use.setAttribute("aria-label", `Use ${entry.name}: put it into a new cell`);
    use.dataset.key = `use${entry.column}`;
    const last = make("td");
    last.append(use);
    node.append(name, last, ...entry.measures.map(([text]) => make("td", "sk-number", text)));
    return node;
  }
}

/**
 * One view: head, actions, notes, matrix, the open cell, the editor and the ranking.
 * @extends {Panel<LabLink>}
 */
class LabView extends Panel {
  /** @param {LabLink} link @param {HTMLElement} host */
  constructor(link, host) {
    const { name } = link.model.get("about");
    super(link, host, "sk-lab", `prompt lab ${name}`);
    this.id = ++link.viewed;
    this.name = name;
    this.running = false;
    this.grid = new Grid(this);
    this.detail = new Detail(this);
    this.editor = new Editor(this);
    this.ranking = new Ranking(this);
    this.facts = make("span", "sk-faint sk-lab-facts");
    this.shows = SHOWS.map((show, n) => button(show, () => this.show(show), String(n + 1)));
    this.run = button("Run", () => this.press());
    this.blind = button("Blind", () => this.toggleBlind(), "b");
    this.where = make("span", "sk-lab-where");
    this.restore = button("", () => this.bring());
    this.bar = this.actions();
    this.comment = make("input");
    this.commenting = this.commentBar();
    this.pager = make("div", "sk-lab-bar");
    this.pages = make("span");
    this.back = button("Before", () => this.turn(-1), "[");
    this.next = button("After", () => this.turn(1), "]");
    this.sheet = this.keySheet();
    this.build();
    this.follow("state", "first");
    link.replies.set(this.id, (message) => this.take(message));
    this.undo.push(() => link.replies.delete(this.id));
    const { rows, found, start } = link.shown;
    if ((rows?.length ?? 0) < Math.min(PAGE_ROWS, (found ?? 0) - (start ?? 0))) link.send({ type: "page" });
  }

  build() {
    const head = make("div", "sk-head");
    const show = make("span", "sk-lab-group");
    show.setAttribute("role", "group");
    show.setAttribute("aria-label", "rows to show");
    show.append(make("span", "sk-faint", "show"), ...this.shows);
    head.append(make("strong", "sk-name", `Lab: ${this.name}`), this.facts, show, this.blind, this.run);
    this.pager.append(this.pages, this.back, this.next);
    this.root.append(
      ...[head, this.bar, this.commenting, this.notes, this.sheet, this.grid.node, this.pager],
      ...[this.detail.node, this.editor.node, this.ranking.node, this.live],
    );
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  /** @returns {[string, string, () => void][]} what can be done with the current cell, and its key */
  get acts() {
    return [
      ["Accept", "a", () => this.mark("accept")],
      ["Reject", "x", () => this.mark("reject")],
      ["Comment", "c", () => this.startComment()],
      ["Undo", "u", () => this.link.ask({ type: "undo" })],
      ["Open", "Enter", () => this.open()],
      ["New variant", "n", () => this.add()],
      ["Keys", "?", () => this.toggleKeys()],
    ];
  }

  actions() {
    const bar = make("div", "sk-lab-bar");
    bar.setAttribute("role", "toolbar");
    bar.setAttribute("aria-label", "the current cell");
    bar.append(this.where, ...this.acts.map(([label, key, act]) => button(label, act, key)));
    this.restore.hidden = true;
    bar.append(this.restore);
    return bar;
  }

  commentBar() {
    const bar = make("div", "sk-lab-bar");
    const label = make("label", "sk-lab-label sk-lab-wide", "comment");
    label.append(this.comment);
    bar.append(label, button("Save", () => this.saveComment(), "Enter"), button("Cancel", () => this.endComment(), "Esc"));
    bar.hidden = true;
    this.comment.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter") this.saveComment();
      else if (event.key === "Escape") this.endComment();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    return bar;
  }

  keySheet() {
    const list = make("dl", "sk-lab-keys");
    for (const [key, what] of KEYS) list.append(make("dt", "", key), make("dd", "", what));
    list.hidden = true;
    return list;
  }

  /** @returns {LabState} */
  get state() {
    return this.model.get("state");
  }

  /** The key of the current cell's variant. */
  get variant() {
    const { columns, variants } = this.state;
    return columns[this.grid.slot]?.variant || variants[0]?.key || "";
  }

  /** @param {any} message */
  take(message) {
    if (message.type === "cell") this.detail.show(message.row, message.slot, message.cell);
    else if (message.type === "variant") {
      if (!this.state.blind) this.editor.show(message.variant);
    } else if (message.type === "refused") this.editor.refuse(message.message);
    else if (message.type === "applied") {
      this.editor.close();
      if (message.edit) this.edit(message.key);
      this.say(`variant ${message.key} is applied`);
    } else if (message.type === "offer") void this.offerCell(message.text);
  }

  paint() {
    const { state, link } = this;
    const page = link.shown;
    this.drawHead(state, page);
    this.drawNotes(state);
    // the state and its page come one after the other: names must never stand over blind cells
    if (page.blind === state.blind) this.grid.draw(state, page);
    const many = page.found > PAGE_ROWS;
    if (!many && this.pager.contains(document.activeElement)) this.grid.focus();
    this.pager.hidden = !many;
    const end = Math.min(page.found, page.start + PAGE_ROWS);
    write(this.pages, `rows ${thousands(page.start + 1)}–${thousands(end)} of ${thousands(page.found)}`);
    disable(this.back, page.start === 0);
    disable(this.next, end >= page.found);
    this.ranking.draw(state);
    this.moved();
    if (this.running && !state.running) this.say(`${this.name} has run: ${state.todo} cells are left`);
    this.running = state.running;
  }

  /** @param {LabState} state @param {Page} page */
  drawHead(state, page) {
    const facts = [`${state.inputs ? `${state.inputs} × ` : ""}${count(page.total ?? 0, "row")}`];
    if (!state.blind) facts.push(state.models.join(", "));
    if (state.checks.length) facts.push(count(state.checks.length, "check"));
    write(this.facts, facts.join("\u2003"));
    this.shows.forEach((node, n) => {
      node.setAttribute("aria-pressed", String(page.show === SHOWS[n]));
      disable(node, this.link.gone || (state.blind && SHOWS[n] === "different"));
    });
    this.blind.setAttribute("aria-pressed", String(state.blind));
    caption(this.blind, state.blind ? "See the names" : "Blind", "b");
    disable(this.blind, this.link.gone);
    this.drawRun(state);
    disable(this.run, this.link.gone || state.stopping || !(state.running || state.todo || state.unjudged));
    this.root.classList.toggle("sk-busy", state.running);
    const last = state.deleted.at(-1);
    if (!last && document.activeElement === this.restore) this.grid.focus();
    this.restore.hidden = !last;
    if (last) write(this.restore, `Restore ${last[1]}`);
  }

  /** @param {LabState} state */
  drawRun(state) {
    const done = `${thousands(state.cells - state.todo)}/${count(state.cells, "cell")}`;
    const todo = [`Run ${count(state.todo, "new cell")}`, ...state.estimate].join(", ");
    if (state.stopping) caption(this.run, "Stopping…");
    else if (state.running) caption(this.run, `Stop, ${done}`, "r");
    else if (state.todo) caption(this.run, todo, "r");
    else if (state.unjudged) caption(this.run, `Run ${count(state.unjudged, "verdict")}`, "r");
    else caption(this.run, `All run: ${done}`);
  }

  /** @param {LabState} state */
  drawNotes(state) {
    /** @type {[string, string][]} */
    const notes = state.failures.map(([model, why]) => [
      "sk-failed",
      `✗ ${model}: ${sentence(why)} What is done is kept; Run asks for the rest.`,
    ]);
    for (const note of state.notes) notes.push(["", note]);
    if (state.blind) notes.push(["", "Blind: names, order, prompts and numbers are hidden until they are asked for."]);
    const { found, total, show } = this.link.shown;
    if (found === 0 && total) notes.push(["", `No row is ${show}. Press 1 to see all ${thousands(total)}.`]);
    if (this.link.slow) notes.push(["sk-faint", "… the kernel is busy; this waits for it."]);
    this.note(
      notes,
      "The kernel is gone: what is here can be read, but nothing changed. Run the cell again to go on.",
    );
  }

  /** The current cell is another, or has changed. */
  moved() {
    const { grid, state } = this;
    const row = grid.current;
    const name = state.blind ? `output ${grid.slot + 1}` : (state.columns[grid.slot]?.name ?? "");
    write(this.where, row ? `row ${row.at + 1}, ${name}` : "no cell");
    if (!this.commenting.hidden && this.comment.dataset.of !== `${row?.at} ${grid.slot}`) this.endComment();
    this.detail.follow();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.matches("input, textarea, select") || event.isComposing) return;
    if (event.altKey || event.metaKey) return;
    if (this.grid.step(event)) event.preventDefault();
    if (event.ctrlKey) return;
    /** @type {Record<string, () => void>} */
    const acts = {
      ...Object.fromEntries(this.acts.map(([, key, act]) => [key, act])),
      e: () => this.edit(this.variant),
      r: () => this.run.click(),
      b: () => this.blind.click(),
      "[": () => this.back.click(),
      "]": () => this.next.click(),
    };
    SHOWS.forEach((_, n) => (acts[String(n + 1)] = () => this.shows[n].click()));
    if (target instanceof HTMLButtonElement) delete acts.Enter;
    if (!this.detail.node.hidden) acts.Escape = () => this.detail.close();
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    // leaning on a key does a thing once
    if (!event.repeat) act();
  }

  /** @param {object} message Say something of the current cell to the kernel. */
  tell(message) {
    const row = this.grid.current;
    if (row) this.link.ask({ view: this.id, row: row.at, slot: this.grid.slot, ...message });
  }

  /** @param {"accept" | "reject"} label */
  mark(label) {
    this.tell({ type: "mark", label });
    this.say(label === "accept" ? "accepted" : "rejected");
  }

  startComment() {
    const row = this.grid.current;
    if (!row) return;
    this.comment.dataset.of = `${row.at} ${this.grid.slot}`;
    this.comment.value = textOf(row.cells[this.grid.slot]?.comment);
    this.commenting.hidden = false;
    this.comment.focus();
  }

  saveComment() {
    this.tell({ type: "comment", text: this.comment.value });
    this.endComment();
  }

  endComment() {
    const had = this.commenting.contains(document.activeElement);
    this.commenting.hidden = true;
    if (had) this.grid.focus();
  }

  open() {
    if (!this.grid.current) return;
    this.detail.node.hidden = false;
    this.detail.follow();
    this.detail.title.focus({ preventScroll: true });
    this.detail.node.scrollIntoView({ block: "nearest" });
  }

  /** @param {string} key */
  edit(key) {
    if (!this.state.blind && key) this.editor.open(key);
  }

  /** A copy of the current variant, open to be edited. */
  add() {
    if (!this.state.blind) this.link.ask({ type: "add", view: this.id, key: this.variant });
  }

  bring() {
    const last = this.state.deleted.at(-1);
    if (last) this.link.ask({ type: "restore", key: last[0] });
  }

  /** @param {number} column */
  use(column) {
    this.link.ask({ type: "use", view: this.id, row: 0, slot: column });
  }

  /** @param {string} show */
  show(show) {
    this.link.ask({ type: "page", show, start: 0 });
  }

  /** @param {number} by */
  turn(by) {
    const start = this.link.shown.start + by * PAGE_ROWS;
    this.grid.row = 0;
    this.link.ask({ type: "page", start });
  }

  press() {
    this.link.ask({ type: this.state.running ? "stop" : "run" });
  }

  toggleBlind() {
    const on = !this.state.blind;
    // what is open would tell the names
    if (on) this.editor.close();
    if (on && !this.detail.node.hidden) this.detail.close();
    this.link.ask({ type: "blind", on });
  }

  toggleKeys() {
    this.sheet.hidden = !this.sheet.hidden;
  }
}

export default widget(LabLink, LabView);
