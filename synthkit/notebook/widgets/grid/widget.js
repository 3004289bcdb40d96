// @ts-check
// The browser's half of synthkit.jupyter.preview and synthkit.jupyter.view.

/**
 * @typedef {"running" | "stopping" | "done" | "interrupted" | "stopped" | "failed"} State
 *
 * @typedef {{state: State, message: string, total: number, seen: number, rows: number, rejects: number,
 *   pending: number, rate: number | null, left: number | null, cost: string,
 *   totals: string[]}} Progress
 */

const ANNOUNCE_MS = 10000;
const PAUSE_MS = 250;
const FORMS = { tsv: "TSV", markdown: "Markdown", jsonl: "JSON lines", csv: "CSV" };

/** @param {string} label @param {[string, string][]} options */
function selection(label, options) {
  const select = make("select", "sk-input");
  select.setAttribute("aria-label", label);
  for (const [value, text] of options) select.append(new Option(text, value));
  return select;
}

/** @param {string} label @param {string} hint @param {string} name */
function entry(label, hint, name) {
  const input = make("input", `sk-input ${name}`);
  input.setAttribute("aria-label", label);
  input.placeholder = hint;
  input.spellcheck = false;
  return input;
}

/** What narrows the rows down, and what takes them elsewhere. */
class Tools {
  /** @param {Rows} rows @param {About} about @param {Panel<Rows>} panel @param {() => void} leave */
  constructor(rows, about, panel, leave) {
    this.rows = rows;
    this.panel = panel;
    this.leave = leave;
    this.pause = 0;
    this.query = -1;
    this.search = entry("Search in all columns", "Search /", "sk-search");
    this.search.type = "search";
    this.where = entry("Filter by an expression", "Filter f: stars > 3 and text ~ soup", "sk-where");
    this.which = selection("Which rows", [["all", "rows and rejects"], ["rows", "rows"], ["rejects", "rejects"]]);
    this.which.hidden = about.total === null;
    this.export = button("Export", () => this.toggle(), "e");
    this.form = selection("Form to copy", Object.entries(FORMS));
    this.path = entry("File to save to: .csv, .jsonl or .parquet", "a .csv, .jsonl or .parquet file", "sk-path");
    this.path.value = about.file;
    this.save = button("Save", () => this.store());
    this.told = make("span", "sk-told");
    this.told.setAttribute("role", "status");
    this.refused = make("pre", "sk-refused");
    this.refused.setAttribute("role", "alert");
    this.line = make("span", "sk-line");
    this.anew = button("Sort anew", () => this.press(() => rows.show({})));
    this.all = button("Show all", () => this.press(() => rows.send({ type: "widen" })));
    this.hint = "";
    this.strip = make("div", "sk-tools");
    this.bar = make("div", "sk-tools");
    this.status = make("div", "sk-status");
    this.build();
  }

  build() {
    const { rows } = this;
    this.bar.append(this.search, this.where, this.which, this.export);
    const copying = button("Copy rows", () => this.copy());
    this.strip.append("Copy as", this.form, copying, "or save to", this.path, this.save);
    this.strip.hidden = true;
    this.export.setAttribute("aria-expanded", "false");
    const keys = make("span", "sk-keys", "Enter in full\u2003o where from");
    this.status.append(this.told, this.line, this.anew, this.all, keys);
    this.search.addEventListener("input", () => {
      clearTimeout(this.pause);
      this.pause = setTimeout(() => this.apply(), PAUSE_MS);
    });
    this.search.addEventListener("change", () => this.apply());
    this.where.addEventListener("change", () => this.apply());
    this.which.addEventListener("change", () => rows.show({ which: this.which.value }));
    this.path.addEventListener("input", () => {
      rows.told = undefined;
      this.panel.schedule();
    });
    for (const input of [this.search, this.where]) {
      input.addEventListener("keydown", (event) => this.typed(event, input));
    }
    this.path.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.store();
    });
    this.strip.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.toggle();
    });
  }

  /** @param {KeyboardEvent} event @param {HTMLInputElement} input */
  typed(event, input) {
    if (event.key === "Escape") {
      event.preventDefault();
      input.value = "";
    }
    if (event.key !== "Escape" && event.key !== "Enter") return;
    this.apply();
    if (event.key === "Escape") this.leave();
  }

  /** Ask for what the inputs say, if it is not what was asked last. */
  apply() {
    clearTimeout(this.pause);
    const [where, search] = [this.where.value.trim(), this.search.value];
    const { wanted } = this.rows;
    if (where === wanted.where && search === wanted.search) return;
    this.rows.show({ where, search });
  }

  /** @param {() => void} act A button that goes when it was pressed lets the focus go first. */
  press(act) {
    this.leave();
    act();
  }

  toggle() {
    const open = this.strip.hidden;
    if (!open && this.strip.matches(":focus-within")) this.export.focus();
    this.strip.hidden = !open;
    this.export.setAttribute("aria-expanded", String(open));
    if (open) this.form.focus();
  }

  /** @param {number} [index] Copy a row, or the rows in view. */
  copy(index) {
    this.rows.copied = async ({ text, told }) => {
      this.rows.told = undefined;
      if (await copy(text)) this.rows.told = { text: told, failed: false };
      else this.panel.offer(text, "The browser's clipboard is closed. Copy it from here:");
      this.panel.schedule();
    };
    this.rows.send({ type: "copy", form: this.form.value, query: this.rows.query, index: index ?? null });
  }

  store() {
    const path = this.path.value.trim();
    const overwrite = this.rows.told?.again === path;
    this.rows.told = undefined;
    this.rows.send({ type: "save", path, overwrite });
    this.panel.schedule();
  }

  /** @param {Table} table @param {boolean} gone @param {boolean} answers */
  draw(table, gone, answers) {
    const { view, refused, told } = this.rows;
    if (this.query !== view.query) {
      this.query = view.query;
      const { activeElement } = document;
      if (activeElement !== this.search) this.search.value = view.search;
      if (activeElement !== this.where) this.where.value = view.where;
      this.which.value = view.which;
    }
    write(this.refused, refused);
    this.where.setAttribute("aria-invalid", String(!!refused));
    write(this.told, told?.text ?? "");
    this.told.classList.toggle("sk-failed", !!told?.failed);
    write(this.save, told?.again ? "Write over it" : "Save");
    const blocked = this.rows.waiting && !gone && !answers;
    const state = blocked ? "Asked: the kernel answers when its cell has ended." : this.state(view, table);
    write(this.line, this.hint || state);
    this.hide(this.anew, !view.fresh || gone);
    this.hide(this.all, view.narrowed === null || gone);
  }

  /** @param {HTMLElement} button @param {boolean} hidden */
  hide(button, hidden) {
    if (hidden && document.activeElement === button) this.leave();
    button.hidden = hidden;
  }

  /** @param {Shown} view @param {Table} table Where one is, and in what. */
  state(view, table) {
    const { size, of, by, down, fresh, narrowed } = view;
    const parts = [size ? `${thousands(table.first)}–${thousands(table.last)} of ${count(size, "row")}` : "no rows"];
    if (size + fresh < of) parts[0] += ` that match, of ${thousands(of)}`;
    if (narrowed !== null) parts.push(`narrowed to ${thousands(narrowed)}`);
    if (by) parts.push(`sorted by ${by.replace(/^:/, "")}, ${down ? "descending" : "ascending"}`);
    if (fresh) parts.push(`${count(fresh, "new row")}`);
    return parts.join("\u2003");
  }
}

/**
 * One view: header, bar, notes, tools, table and where a row comes from, totals.
 * @extends {Panel<Rows>}
 */
class View extends Panel {
  /** @param {Rows} rows @param {HTMLElement} host */
  constructor(rows, host) {
    const { name, total } = rows.model.get("about");
    super(rows, host, "sk-preview", `${total === null ? "table" : "preview of"} ${name}`);
    this.rows = rows;
    /** @type {About} */
    this.about = this.model.get("about");
    this.announced = -Infinity;
    this.state = "";
    this.asked = 0;
    this.shown = rows.query;
    this.table = new Table(rows, this.about, {
      schedule: () => this.schedule(),
      trail: (index) => {
        this.detail.open(index);
        this.schedule();
      },
      hint: (text) => {
        this.tools.hint = text;
        this.schedule();
      },
    });
    this.tools = new Tools(rows, this.about, this, () => this.table.focus(this.table.current));
    this.detail = new Detail(
      rows,
      (index) => this.tools.copy(index),
      (held) => {
        if (held) this.table.focus(this.detail.index, "trail");
        this.schedule();
      },
    );
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
    this.follow("progress", "kinds");
    this.root.addEventListener("keydown", (event) => this.key(event));
    const resize = new ResizeObserver(() => this.schedule());
    resize.observe(this.table.node);
    this.undo.push(() => resize.disconnect());
  }

  build() {
    const { name, total } = this.about;
    this.stop.type = "button";
    this.stop.addEventListener("click", () => this.press());
    const head = make("div", "sk-head");
    head.append(make("strong", "sk-name", name), this.made, this.rejects, this.pending, this.pace, this.stop);
    this.bar.setAttribute("role", "progressbar");
    this.bar.setAttribute("aria-label", `progress of ${name}`);
    this.bar.append(this.good, this.bad);
    const main = make("div", "sk-main");
    main.append(this.table.node, this.detail.node);
    const { bar, strip, refused, status } = this.tools;
    this.root.append(head, this.bar, this.notes, bar, refused, strip, status, main, this.totals, this.live);
    this.bar.hidden = this.totals.hidden = this.rejects.hidden = this.pending.hidden = total === null;
  }

  /** @param {KeyboardEvent} event The keys on the labels, unless something is being typed. */
  key(event) {
    const typing = /** @type {Element} */ (event.target).matches("input, textarea, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const { tools, table } = this;
    const acts = {
      "/": () => tools.search.focus(),
      f: () => tools.where.focus(),
      e: () => tools.toggle(),
      o: () => table.trail(table.current),
      Escape: () => this.detail.close(),
    };
    const act = acts[/** @type {keyof typeof acts} */ (event.key)];
    if (!act) return;
    event.preventDefault();
    act();
  }

  press() {
    if (this.stop.getAttribute("aria-disabled") === "true") return;
    this.rows.send({ type: "stop" });
    this.schedule();
  }

  paint() {
    const { view, gone } = this.rows;
    /** @type {Progress} */
    const progress = this.model.get("progress") ?? {
      ...{ state: "done", message: "", seen: view.of, rows: view.of, rejects: 0, pending: 0 },
      ...{ rate: null, left: null, cost: "", totals: [] },
    };
    const running = !gone && (progress.state === "running" || progress.state === "stopping");
    if (progress.state !== this.state) this.rows.asked.clear();
    this.drawHead(progress, running, gone);
    this.drawNotes(progress);
    write(this.table.empty, view.size ? "" : this.emptiness(progress, running));
    // while its own cell blocks the kernel nobody there could answer
    const answers = !gone && (!running || this.about.stop);
    this.detail.draw();
    this.table.traced = this.detail.node.hidden ? -1 : this.detail.index;
    this.table.draw(view.size, running, answers);
    this.table.drawHeads(this.model.get("kinds"));
    this.tools.draw(this.table, gone, answers);
    this.askKinds(view.of, answers, running);
    this.announce(progress, running);
    this.state = progress.state;
  }

  /** @param {number} seen @param {boolean} answers @param {boolean} running Have columns looked at. */
  askKinds(seen, answers, running) {
    const enough = running ? Math.max(20, 2 * this.asked) : this.asked + 1;
    if (!answers || seen < enough) return;
    this.asked = seen;
    this.rows.send({ type: "kinds" });
  }

  /** @param {Progress} progress @param {boolean} running */
  emptiness(progress, running) {
    if (progress.seen) return "No row is found. Clear the filter or the search to see all.";
    if (running) return "Waiting for the first row.";
    return this.about.total === 0 ? "There was nothing to ask: no rows." : "No rows.";
  }

  /** @param {Progress} progress @param {boolean} running @param {boolean} gone */
  drawHead(progress, running, gone) {
    const { rows, rejects, pending, state, total } = progress;
    if (this.about.total === null) {
      write(this.made, count(rows, "row"));
      write(this.pace, gone ? "■ kernel gone" : "");
      this.stop.hidden = true;
      return;
    }
    write(this.made, `${thousands(rows)}/${count(total, "row")}`);
    write(this.rejects, `${rejects ? "✗ " : ""}${count(rejects, "reject")}`);
    this.rejects.classList.toggle("sk-failed", rejects > 0);
    write(this.pending, `${thousands(pending)} pending`);
    write(this.pace, this.stateText(progress, gone));
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

  /** @param {Progress} progress @param {boolean} gone */
  stateText({ state, rate, left, cost }, gone) {
    if (state === "done") return "✓ done";
    if (state === "failed") return "✗ failed";
    if (state === "interrupted" || state === "stopped") return `■ ${state}`;
    if (gone) return "■ kernel gone";
    const parts = cost ? [cost] : [];
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
    const { query, size, of } = this.rows.view;
    if (query !== this.shown) {
      this.shown = query;
      this.say(`${count(size, "row")} of ${thousands(of)}`);
    }
    if (this.about.total === null) return;
    const now = performance.now();
    const ended = progress.state !== this.state && !running;
    if (!ended && (!running || now - this.announced < ANNOUNCE_MS)) return;
    this.announced = now;
    const { rows, rejects, state, total } = progress;
    const far = `${rows} of ${count(total, "row")}, ${count(rejects, "reject")}`;
    this.say(running ? far : `${this.about.name} ${state}: ${far}`);
  }
}

export default widget(Rows, View);
