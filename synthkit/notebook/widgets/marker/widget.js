// @ts-check
// The browser's half of synthkit.jupyter.Marker. Every key becomes an act in a queue; one act at a
// time goes to the kernel, and the row on the screen changes when the kernel says it is written.

/**
 * @typedef {{id: string, label: string, flag: boolean, reason: string, text: Cell}} Entry
 *
 * @typedef {object} Row
 * @property {string} id
 * @property {number} at its place in the order, from 1
 * @property {[string, Cell][]} fields
 * @property {Cell} text as it stands, edited or not
 * @property {Cell} original what stood there before an edit
 * @property {string} label
 * @property {string} reason
 * @property {boolean} flag
 * @property {Cell} [right] of a pair the other text, beside `text`
 * @property {Cell} [prompt] of a pair what both texts answer
 * @property {[string, string][] | null} [diff] the pieces in which the two texts differ
 *
 * @typedef {object} Shown
 * @property {Row | null} row
 * @property {number} total
 * @property {number} marked
 * @property {Record<string, number>} counts
 * @property {string} filter
 * @property {string} search
 * @property {number | null} narrowed
 * @property {[number, number]} matching how many rows match, and how many of these are marked
 * @property {number | null} pace seconds
 * @property {number} undo
 * @property {number} redo
 * @property {Entry[]} recent
 * @property {{n: number, share: number | null, low: number, high: number, kappa: number | null} | null} agreement
 * @property {string} warning
 * @property {string} learned what was learned from the marks, in a line; empty where nothing is
 * @property {boolean} [compared] whether differences are shown, where there are pairs
 * @property {{rows: Record<string, string | number>[], notes: string[]} | null} [result] who won, once all is judged
 * @property {[string, number, boolean]} answered
 * @property {number} turn
 *
 * @typedef {{name: string, labels: string[], reasons: string[], keys: Record<string, string>,
 *   round: number, by: string, task: string, column: string, order: string[], learns: boolean,
 *   pair: boolean, also: Record<string, string>}} About
 *
 * @typedef {(shown: Shown) => object | null | undefined} Job what to send when its turn comes
 * @typedef {{seq: number, act: object, at: number, ended?: (done: boolean) => void}} Sent
 */

const BUSY_MS = 300;
const AGAIN_MS = 20000;
const SEARCH_MS = 250;
/** @type {Record<string, string>} */
const SIGNS = { accept: "✓", reject: "✗", skip: "–", flagged: "⚑" };
/** @type {Record<string, string>} */
const PAST = { accept: "accepted", reject: "rejected", skip: "skipped" };
/** @type {Record<string, [string, string]>} what can be said of a pair: the sign, and the past */
const SIDES = { left: ["◀", "A better"], right: ["▶", "B better"], tie: ["=", "tie"] };
/** @type {Record<string, string>} */
const KEY_NAMES = { " ": "space", Backspace: "⌫", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
/** @type {Record<string, [string, string]>} actions: the button, and the line in the key sheet */
const ACTIONS = {
  left: ["A is better", "text A is better"],
  right: ["B is better", "text B is better"],
  tie: ["Tie", "neither is better"],
  accept: ["Accept", "accept the row"],
  reject: ["Reject", "reject the row"],
  skip: ["Skip", "leave it undecided"],
  edit: ["Edit", "edit the text; the original stays"],
  reason: ["Reason", "say why, or comment"],
  flag: ["Flag", "flag it, to look at it again"],
  prompt: ["Prompt", "show where the row comes from"],
  why: ["Why", "show what was learned about the row"],
  compare: ["Differences", "show in which words the two texts differ"],
  previous: ["Previous", "the row before, without marking"],
  next: ["Next", "the row after, without marking"],
  back: ["Back", "back to the row marked before"],
  undo: ["Undo", "take the last mark back"],
  redo: ["Redo", "do again what was undone"],
  search: ["Search", "search the rows"],
  bulk: ["Mark all…", "mark all rows that match"],
  help: ["Keys", "show or hide this sheet"],
};

/** @param {Cell} cell */
function plainText(cell) {
  return String(Array.isArray(cell) ? cell[0] : (cell ?? ""));
}

/** @param {string} [key] As it is shown. */
function keyName(key = "") {
  return KEY_NAMES[key] ?? key;
}

/** The queue of acts, and what the kernel answered. */
class Desk extends Link {
  /** @param {Model} model */
  constructor(model) {
    super(model);
    this.client = Math.random().toString(36).slice(2);
    this.seq = 0;
    /** @type {{job: Job, ended?: (done: boolean) => void, late?: boolean}[]} */
    this.waiting = [];
    this.running = false;
    /** @type {Sent | null} */
    this.sent = null;
    this.again = 0;
    this.dropped = 0;
    /** @type {Partial<Row> | null} its long texts */
    this.whole = null;
    this.askedWhole = 0;
    /** @type {{type: string, id: string, parts: [string, string, Cell][]} | null} */
    this.told = null;
    model.on("change:shown", () => this.take());
  }

  /** @returns {Shown} */
  get shown() {
    return this.model.get("shown");
  }

  /**
   * @param {Job} job
   * @param {(done: boolean) => void} [ended] told whether the kernel has done it
   * @param {boolean} [late] what the keys after it mean is only known when its turn has come
   */
  push(job, ended, late) {
    if (this.gone) {
      ended?.(false);
      return;
    }
    this.dropped = 0;
    if (this.running) {
      // a key whose turn has come puts its act before the keys that came after it
      this.waiting.unshift({ job, ended, late });
      return;
    }
    this.waiting.push({ job, ended, late });
    this.pump();
  }

  /** Send the next act, if none is under way. What needs no kernel is done on the way. */
  pump() {
    while (!this.sent && !this.gone) {
      const next = this.waiting.shift();
      if (!next) break;
      const act = this.carryOut(next.job);
      if (!act) continue;
      this.seq += 1;
      const content = { type: "act", client: this.client, seq: this.seq, ...act };
      this.sent = { seq: this.seq, act: content, at: performance.now(), ended: next.ended };
      this.dispatch(this.sent);
    }
    this.changed();
  }

  /** @param {Job} job */
  carryOut(job) {
    this.running = true;
    try {
      return job(this.shown);
    } finally {
      this.running = false;
    }
  }

  /** @param {Sent} sent Send an act, and once more if no answer comes: the kernel knows its number. */
  dispatch(sent) {
    this.send(sent.act);
    window.clearTimeout(this.again);
    this.again = window.setTimeout(() => {
      if (this.sent === sent && !this.gone) this.dispatch(sent);
    }, AGAIN_MS);
    window.setTimeout(() => this.sent === sent && this.changed(), BUSY_MS + 10);
  }

  take() {
    const [client, seq, done] = this.shown.answered;
    const { sent } = this;
    if (sent && client === this.client && seq === sent.seq) {
      this.sent = null;
      window.clearTimeout(this.again);
      sent.ended?.(done);
      if (!done) this.drop();
      this.pump();
    }
    this.changed();
  }

  /** Forget the acts that wait: they were meant for rows that do not come now. */
  drop() {
    const { waiting } = this;
    this.waiting = [];
    this.dropped += waiting.length;
    for (const { ended } of waiting) ended?.(false);
  }

  changed() {
    const { sent } = this;
    if (this.gone && sent) {
      this.sent = null;
      this.dropped = 1;
      sent.ended?.(false);
      this.drop();
    }
    super.changed();
  }

  /** @param {any} message */
  receive(message) {
    if (message.type === "whole") this.whole = message;
    else if (message.type === "origin" || message.type === "why") this.told = message;
  }

  /** @param {Row} row The row with its long texts, which are asked for once a turn. */
  full(row) {
    if (![row.text, row.original, row.right, row.prompt].some(Array.isArray)) return row;
    const { turn } = this.shown;
    if (this.askedWhole !== turn && !this.gone) {
      this.askedWhole = turn;
      this.send({ type: "whole", id: row.id });
    }
    return this.whole?.id === row.id ? { ...row, ...this.whole } : row;
  }
}

/**
 * One view: header, filters, the row, what is asked about it, actions, history.
 * @extends {Panel<Desk>}
 */
class View extends Panel {
  /** @param {Desk} desk @param {HTMLElement} host */
  constructor(desk, host) {
    super(desk, host, "sk-marker", `mark ${desk.model.get("about").name}`);
    this.desk = desk;
    /** @type {About} */
    this.about = this.model.get("about");
    /** @type {Map<string, string>} key -> action */
    this.actions = new Map(Object.entries(this.about.also));
    for (const [action, key] of Object.entries(this.about.keys)) this.actions.set(key, action);
    /** @type {string[]} what a row can be */
    this.verdicts = this.about.pair
      ? ["left", "right", "tie", "skip"]
      : [...(this.about.labels.length ? this.about.labels.map((label) => `=${label}`) : ["accept"]), "reject", "skip"];
    this.mode = "";
    this.tall = 0;
    this.wide = 0;
    this.drawnRow = "";
    this.drawnMark = "";
    /** @type {object | null} */
    this.drawnTold = null;
    const { answered, marked, row } = desk.shown;
    this.told = JSON.stringify([answered, marked, row?.id]);
    this.searching = 0;
    this.made = make("span", "sk-made");
    this.pace = make("span", "sk-count");
    this.search = make("input", "sk-mark-search");
    this.bar = make("div", "sk-bar");
    this.parts = ["sk-bar-rows", "sk-bar-rejects", "sk-mark-bar-skips"].map((name) => make("div", name));
    /** @type {Map<string, HTMLButtonElement>} */
    this.chips = new Map();
    this.widen = button("Show the others too", () => this.desk.push(() => ({ do: "widen" })), "", "sk-button sk-mark-chip");
    /** @type {Map<string, HTMLButtonElement>} */
    this.buttons = new Map();
    this.stage = make("div", "sk-mark-stage");
    this.fields = make("div", "sk-mark-fields");
    this.place = make("span", "sk-mark-place sk-faint");
    this.text = make("div", "sk-mark-text");
    this.mark = make("div", "sk-mark-said");
    this.form = make("div", "sk-mark-form");
    this.recent = make("div", "sk-mark-recent");
    this.learned = make("div", "sk-mark-learned");
    this.learned.hidden = !this.about.learns;
    this.hint = make("span", "sk-mark-hint", "Click the row, and the keys work.");
    this.build();
    this.follow("error");
    // at once, and not with the next frame: this is the answer to a key
    this.model.on("change:shown", () => this.draw());
  }

  build() {
    const { name, round, task, by } = this.about;
    this.root.tabIndex = -1;
    if (this.about.pair) this.root.classList.add("sk-pairs");
    this.stage.tabIndex = 0;
    this.stage.setAttribute("role", "group");
    this.stage.setAttribute("aria-label", "the row to mark");
    this.search.type = "search";
    this.search.maxLength = 2000;
    this.search.placeholder = `search ${this.keyName("search")}`;
    this.search.setAttribute("aria-label", "search the rows");
    this.bar.setAttribute("role", "progressbar");
    this.bar.setAttribute("aria-label", `marked rows of ${name}`);
    this.bar.append(...this.parts);
    const head = make("div", "sk-head");
    const notes = [task, round === 2 ? "second look, blind" : "", `by ${by}`].filter(Boolean).join(", ");
    head.append(make("strong", "sk-name", `Mark ${name}`), this.made, this.pace);
    head.append(make("span", "sk-faint", notes), this.search);
    this.form.hidden = true;
    this.stage.append(this.fields, this.text, this.mark, this.hint);
    this.root.append(head, this.bar, this.buildChips(), this.notes, this.stage, this.form);
    this.root.append(this.buildActions(), this.recent, this.learned, this.live);
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("click", (event) => this.click(event));
    this.search.addEventListener("input", () => {
      window.clearTimeout(this.searching);
      this.searching = window.setTimeout(() => this.look(), SEARCH_MS);
    });
  }

  buildChips() {
    const row = make("div", "sk-mark-chips");
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", "which rows to show");
    for (const filter of this.about.order) {
      const chip = button("", () => this.desk.push(() => ({ do: "filter", filter })), "", "sk-button sk-mark-chip");
      this.chips.set(filter, chip);
      row.append(chip);
    }
    row.append(this.widen);
    return row;
  }

  buildActions() {
    const bar = make("div", "sk-mark-actions");
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", "actions");
    const groups = [
      this.verdicts,
      ["edit", "reason", "flag", "prompt", "why", "compare"].filter((action) => action in this.about.keys),
      ["previous", "next", "back", "undo", "redo", "bulk", "help"],
    ];
    for (const group of groups) {
      const part = make("div", "sk-mark-group");
      for (const action of group) {
        const [name, told] = ACTIONS[action] ?? [action.slice(1), `label it ${action.slice(1)}`];
        const kind = ACTIONS[action] ? action : "label";
        const mark = group === groups[0] && ACTIONS[action] ? `${this.sign(action)} ` : "";
        const node = button(name, () => this.run(action), this.keyNames(action), `sk-button sk-mark-${kind}`);
        if (mark) node.prepend(this.ornament(mark));
        node.title = told;
        this.buttons.set(action, node);
        part.append(node);
      }
      bar.append(part);
    }
    return bar;
  }

  /** @param {string} text A sign that screen readers pass over. */
  ornament(text) {
    const node = make("span", "sk-mark-sign", text);
    node.setAttribute("aria-hidden", "true");
    return node;
  }

  /** @param {string} action */
  keyName(action) {
    const key = this.about.keys[action];
    return keyName(key);
  }

  /** @param {string} action All the keys that do it. */
  keyNames(action) {
    const more = Object.entries(this.about.also).filter(([, other]) => other === action);
    return [this.keyName(action), ...more.map(([key]) => keyName(key))].join(" ");
  }

  /** @param {string} label */
  sign(label) {
    if (this.about.pair && SIDES[label]) return SIDES[label][0];
    return SIGNS[label] ?? (label ? "•" : "");
  }

  /** @param {string} label */
  past(label) {
    return (this.about.pair && SIDES[label]?.[1]) || (PAST[label] ?? label);
  }

  /** @param {MouseEvent} event After a click the keys shall go on: the row gets the focus. */
  click(event) {
    const target = /** @type {Element} */ (event.target);
    if (this.form.contains(target) || target.closest("input, textarea, .sk-mark-leave")) return;
    const selection = window.getSelection();
    const reading = !target.closest("button") && selection?.isCollapsed === false;
    // a key that presses a button is a click without a mouse, and leaves the focus there
    if (event.detail > 0 && !reading && !this.isForm()) this.stage.focus({ preventScroll: true });
  }

  /** Whether a form is open that takes the keys. */
  isForm() {
    return ["edit", "reason", "reject", "bulk"].includes(this.mode);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Escape") {
      event.preventDefault();
      this.escape(target);
      return;
    }
    const typing = target.matches("input, textarea");
    if (typing) {
      this.typed(event, target);
      return;
    }
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (this.desk.waiting.some(({ late }) => late)) {
      event.preventDefault();
      if (!event.repeat) this.later(() => this.meant(event.key));
      return;
    }
    if (this.mode === "reject" && /^[1-9]$/.test(event.key)) {
      event.preventDefault();
      this.choose(event.key);
      return;
    }
    const pressing = target.closest("button") && [" ", "Enter"].includes(event.key);
    const action = this.actions.get(event.key);
    if (pressing || !action) return;
    event.preventDefault();
    if (this.isForm()) return;
    // leaning on a key shall not mark row after row
    if (!event.repeat || action === "next" || action === "previous") this.run(action);
  }

  /** @param {KeyboardEvent} event @param {HTMLElement} target A key in a text field. */
  typed(event, target) {
    if (event.key !== "Enter" || event.repeat) return;
    const control = event.ctrlKey || event.metaKey;
    if (target === this.search) {
      this.look();
      this.stage.focus({ preventScroll: true });
    } else if (target.matches("textarea") ? control : true) {
      this.choose("save");
    } else {
      return;
    }
    event.preventDefault();
  }

  /** @param {string} key What a key means that was pressed before a form had opened. */
  meant(key) {
    const field = this.form.querySelector("textarea, input");
    const action = this.actions.get(key);
    if (field instanceof HTMLTextAreaElement || field instanceof HTMLInputElement) {
      const { selectionStart, selectionEnd } = field;
      if (key.length === 1) field.setRangeText(key, selectionStart ?? 0, selectionEnd ?? 0, "end");
      else if (key === "Enter" && this.mode === "reason") this.choose("save");
    } else if (this.isForm()) {
      this.choose(key);
    } else if (action) {
      this.run(action);
    }
  }

  /** @param {string} key Press the button of a form that has this key. */
  choose(key) {
    const buttons = [...this.form.querySelectorAll("button")];
    buttons.find((node) => node.dataset.key === key)?.dispatchEvent(new MouseEvent("click"));
  }

  /** @param {HTMLElement} target */
  escape(target) {
    if (target === this.search && this.search.value) {
      this.search.value = "";
      this.look();
    }
    if (this.mode) this.close();
    else this.stage.focus({ preventScroll: true });
  }

  look() {
    window.clearTimeout(this.searching);
    const text = this.search.value;
    this.desk.push((shown) => (shown.search === text ? null : { do: "search", text }));
  }

  /** @param {string} action Put an action into the queue: it is for the row that is there then. */
  run(action) {
    const label = action.startsWith("=") ? action.slice(1) : action;
    if (action === "search") {
      this.search.focus();
    } else if (action === "help") {
      this.open("help");
    } else if (action === "reject" && this.about.reasons.length) {
      this.later(() => this.open("reject"));
    } else if (["edit", "reason", "prompt", "why", "bulk"].includes(action)) {
      this.later(() => this.open(action));
    } else if (action === "flag") {
      this.desk.push(({ row }) => row && { do: "flag", id: row.id });
    } else if (this.verdicts.includes(action)) {
      this.label(label);
    } else {
      this.desk.push(() => ({ do: action }));
    }
  }

  /** @param {string} label @param {string} [reason] */
  label(label, reason = "") {
    this.desk.push(({ row }) => row && { do: "label", id: row.id, label, reason });
  }

  /** @param {() => void} what Do this once the acts before it are done. */
  later(what) {
    const job = () => {
      what();
      return null;
    };
    this.desk.push(job, undefined, true);
  }

  /** @param {string} mode */
  open(mode) {
    const { row } = this.desk.shown;
    if (this.mode === mode) {
      this.close();
      return;
    }
    if (!row && mode !== "help" && mode !== "bulk") return;
    this.close();
    /** @type {Record<string, () => (Node | string)[] | null>} */
    const forms = {
      help: () => this.helpForm(),
      bulk: () => this.bulkForm(),
      edit: () => row && this.editForm(this.desk.full(row)),
      reason: () => row && this.reasonForm(row),
      reject: () => this.rejectForm(),
      prompt: () => row && this.toldForm("origin", row.id),
      why: () => row && this.toldForm("why", row.id),
    };
    const made = forms[mode]();
    if (!made) return;
    this.mode = mode;
    this.form.replaceChildren(...made);
    this.form.hidden = false;
    this.form.className = `sk-mark-form sk-mark-form-${mode}`;
    const first = this.form.querySelector("textarea, input, button");
    if (this.isForm() && first instanceof HTMLElement) first.focus({ preventScroll: true });
    this.form.scrollIntoView({ block: "nearest" });
  }

  /** Close the form; the row gets the focus before the form goes. */
  close() {
    if (this.form.contains(document.activeElement)) this.stage.focus({ preventScroll: true });
    this.mode = "";
    this.form.hidden = true;
    this.form.replaceChildren();
    this.schedule();
  }

  cancel() {
    return button("Cancel", () => this.close(), "Esc");
  }

  /** @param {Row} row */
  editForm(row) {
    if (Array.isArray(row.text)) {
      this.desk.fail("This text is too long to be edited here; edit it in Python.");
      return null;
    }
    const area = make("textarea", "sk-mark-area");
    const before = plainText(row.text);
    area.value = before;
    area.setAttribute("aria-label", `edit ${this.about.column}`);
    area.rows = Math.min(16, Math.max(4, before.split("\n").length + Math.ceil(before.length / 80)));
    const start = area.value;
    const save = button("Save", () => {
      if (area.value === start) this.close();
      else this.submit(area, { do: "edit", id: row.id, text: area.value });
    }, "Ctrl+Enter");
    save.dataset.key = "save";
    return [area, save, this.cancel()];
  }

  /** @param {Row} row */
  reasonForm(row) {
    const input = make("input", "sk-mark-input");
    input.value = row.reason;
    input.maxLength = 2000;
    input.setAttribute("aria-label", "reason or comment");
    input.placeholder = "reason or comment";
    const put = (/** @type {string} */ reason) => this.submit(input, { do: "reason", id: row.id, reason });
    const save = button("Save", () => put(input.value), "Enter");
    save.dataset.key = "save";
    const quick = this.about.reasons.map((reason) => button(reason, () => put(reason)));
    return [input, save, this.cancel(), ...quick];
  }

  rejectForm() {
    const reject = (/** @type {string} */ reason) => {
      this.close();
      this.label("reject", reason);
    };
    const choices = this.about.reasons.map((reason, n) => {
      const node = button(reason, () => reject(reason), String(n + 1));
      node.dataset.key = String(n + 1);
      return node;
    });
    const none = button("no reason", () => reject(""), "Enter");
    none.dataset.key = "Enter";
    return [make("span", "", "Reject because"), none, ...choices, this.cancel()];
  }

  bulkForm() {
    const [n, marked] = this.desk.shown.matching;
    if (!n) return null;
    const rows = count(n, "row");
    const already = marked ? `, of which ${thousands(marked)} ${marked === 1 ? "is" : "are"} marked already` : "";
    // no one side is better in many pairs that nobody has looked at
    const actions = this.about.pair ? ["tie", "skip"] : this.verdicts;
    const choices = actions.map((action) => {
      const label = action.replace(/^=/, "");
      return button(`${ACTIONS[action]?.[0] ?? label} ${rows}`, () => {
        this.close();
        this.desk.push(() => ({ do: "bulk", label, n }));
      });
    });
    return [make("span", "", `Mark ${rows} that match${already}. One undo takes it back.`), this.cancel(), ...choices];
  }

  helpForm() {
    const list = make("dl", "sk-mark-keys");
    for (const action of Object.keys(this.about.keys)) {
      const told = ACTIONS[action]?.[1] ?? `label it ${action.slice(1)}`;
      const term = make("dt");
      term.append(make("kbd", "", this.keyNames(action)));
      list.append(term, make("dd", "", told));
    }
    return [list, button("Close", () => this.close(), "Esc")];
  }

  /** @param {"origin" | "why"} type @param {string} id */
  toldForm(type, id) {
    this.desk.told = null;
    this.desk.send({ type, id });
    const list = make("dl", "sk-mark-origin", "…");
    list.dataset.type = type;
    return [list, button("Close", () => this.close(), "Esc")];
  }

  /**
   * Send what a form holds; it stays there until the kernel has it on disk. Keys go on meanwhile.
   * @param {HTMLTextAreaElement | HTMLInputElement} field @param {object} act
   */
  submit(field, act) {
    const { mode } = this;
    field.readOnly = true;
    this.mode = "saving";
    this.stage.focus({ preventScroll: true });
    this.desk.push(
      () => act,
      (done) => {
        if (!field.isConnected) return;
        field.readOnly = false;
        this.mode = mode;
        if (done) this.close();
      },
    );
  }

  paint() {
    const { shown } = this.desk;
    this.paintHead(shown);
    this.paintChips(shown);
    this.paintNotes();
    this.paintRow(shown);
    this.paintTold(shown);
    this.paintActions(shown);
    this.paintRecent(shown);
    this.paintLearned(shown);
    this.announce(shown);
  }

  /** @param {Shown} shown */
  paintHead(shown) {
    const { marked, total, counts, pace } = shown;
    write(this.made, `${thousands(marked)}/${thousands(total)}`);
    write(this.pace, pace === null ? "" : `${duration(pace)} each`);
    if (document.activeElement !== this.search) this.search.value = shown.search;
    const share = 100 / Math.max(1, total);
    const rejects = counts.reject ?? 0;
    const widths = [marked - rejects - counts.skip, rejects, counts.skip];
    for (const [n, part] of this.parts.entries()) part.style.width = `${widths[n] * share}%`;
    this.bar.setAttribute("aria-valuemax", String(total));
    this.bar.setAttribute("aria-valuenow", String(marked));
  }

  /** @param {Shown} shown */
  paintChips(shown) {
    if (shown.narrowed === null && document.activeElement === this.widen) this.stage.focus({ preventScroll: true });
    this.widen.hidden = shown.narrowed === null;
    for (const [filter, chip] of this.chips) {
      const label = filter.replace(/^=/, "");
      const names = { all: "all", unmarked: "unmarked", flagged: "⚑ flagged" };
      const name = names[/** @type {keyof typeof names} */ (filter)] ?? `${this.sign(label)} ${this.past(label)}`;
      const n = { all: shown.total, unmarked: shown.total - shown.marked }[filter] ?? shown.counts[label];
      // how often a side won is not told before the end
      write(chip, n === undefined ? name : `${name} ${thousands(n)}`);
      chip.setAttribute("aria-pressed", String(shown.filter === filter));
      chip.setAttribute("aria-disabled", String(this.desk.gone));
    }
  }

  paintNotes() {
    const { desk } = this;
    /** @type {[string, string][]} */
    const notes = [];
    const waits = desk.waiting.length + 1;
    if (desk.sent && performance.now() - desk.sent.at > BUSY_MS) {
      notes.push(["sk-mark-busy", `The kernel is busy: ${count(waits, "key")} ${waits === 1 ? "waits" : "wait"}, and will not be lost.`]);
    }
    if (this.model.get("error") && !desk.shown.answered[2]) {
      const more = desk.dropped ? ` ${count(desk.dropped, "key")} after it ${desk.dropped === 1 ? "was" : "were"} not taken.` : "";
      notes.push(["sk-mark-kept", `Nothing changed: this row is still to be marked. Press the key again.${more}`]);
    }
    const { narrowed, compared, row } = desk.shown;
    if (compared && row && !row.diff) notes.push(["", "These two are too long to compare word by word."]);
    if (narrowed !== null) notes.push(["", `Only ${count(narrowed, "row")} chosen elsewhere ${narrowed === 1 ? "is" : "are"} shown.`]);
    if (desk.shown.warning) notes.push(["sk-mark-warning", desk.shown.warning]);
    const lost = desk.dropped ? ` ${count(desk.dropped, "key")} ${desk.dropped === 1 ? "was" : "were"} not taken.` : "";
    this.note(
      notes,
      `The kernel is gone: this can be read, not marked. Every mark before this row is kept.${lost} Run the cell again to go on.`,
    );
  }

  /** @param {Shown} shown */
  paintRow(shown) {
    const row = shown.row && this.desk.full(shown.row);
    const drawn = JSON.stringify(row ? [row.id, row.text, row.fields, row.right, row.prompt, shown.compared, row.diff] : [shown.total, shown.marked, shown.filter, shown.search, shown.narrowed, shown.agreement]);
    if (drawn !== this.drawnRow) {
      this.drawnRow = drawn;
      if (["prompt", "why"].includes(this.mode)) this.close();
      if (row) this.drawRow(row);
      else this.drawEnd(shown);
      this.stage.scrollTop = 0;
      if (this.wide !== this.root.offsetWidth) {
        this.wide = this.root.offsetWidth;
        this.tall = 0;
        this.stage.style.minHeight = "";
      }
      this.tall = Math.max(this.tall, this.stage.offsetHeight);
      // so that the buttons below stay where they are from row to row
      this.stage.style.minHeight = `${this.tall}px`;
    }
    // learning may move a row that is being read: that alone draws nothing anew
    write(this.place, row ? `${thousands(row.at)} of ${thousands(shown.total)}` : "");
    const said = JSON.stringify(row && [row.id, row.label, row.flag, row.reason, row.original]);
    if (said === this.drawnMark) return;
    this.drawnMark = said;
    this.text.dataset.label = row?.label ?? "";
    this.mark.replaceChildren(...(row ? this.saidOf(row) : []));
  }

  /** @param {Row} row */
  drawRow(row) {
    const fields = row.fields.map(([name, cell]) => {
      const node = make("span", "sk-mark-field");
      node.append(make("span", "sk-faint", name), " ", content(cell, false));
      return node;
    });
    const short = `row ${row.id.length > 10 ? `${row.id.slice(0, 8)}…` : row.id}`;
    const side = make("span", "sk-mark-side");
    side.append(this.place);
    if (this.about.pair) {
      side.append(make("span", "sk-faint", short));
    } else {
      const id = button(`${short} (i)`, () => this.run("prompt"), "", "sk-button sk-mark-id");
      id.title = `${row.id}: show where it comes from`;
      side.append(id);
    }
    this.fields.replaceChildren(...fields, side);
    this.text.replaceChildren(...(this.about.pair ? this.pairOf(row) : [content(row.text, true)]));
  }

  /** @param {Row} row The prompt, and the two texts side by side. */
  pairOf(row) {
    const nodes = [];
    if (row.prompt !== undefined) {
      const prompt = make("div", "sk-pair-prompt");
      prompt.append(content(row.prompt, true));
      nodes.push(prompt);
    }
    const both = make("div", "sk-pair");
    for (const [side, name, cell] of /** @type {[string, string, Cell][]} */ ([["left", "A", row.text], ["right", "B", row.right]])) {
      const text = make("div", "sk-pair-text");
      text.dataset.side = side;
      text.setAttribute("role", "group");
      text.setAttribute("aria-label", name);
      text.append(make("div", "sk-pair-name", name), row.diff ? this.pieces(row.diff, side) : content(cell, true));
      both.append(text);
    }
    return [...nodes, both];
  }

  /** @param {[string, string][]} diff @param {string} side One text, its own words marked. */
  pieces(diff, side) {
    const node = make("div", "sk-cell");
    const text = make("bdi");
    for (const [kind, piece] of diff) {
      if (kind === (side === "left" ? "in" : "out")) continue;
      const part = make(kind === "same" ? "span" : "mark");
      part.append(...reveal(piece, true).childNodes);
      text.append(part);
    }
    node.append(text);
    return node;
  }

  /** @param {Row} row */
  saidOf(row) {
    const nodes = [];
    if (row.label) nodes.push(make("span", `sk-mark-is sk-mark-is-${row.label}`, `${this.sign(row.label)} ${this.past(row.label)}`));
    if (row.flag) nodes.push(make("span", "sk-mark-is", "⚑ flagged"));
    if (row.reason) {
      const reason = make("span");
      reason.append(reveal(row.reason, true));
      nodes.push(reason);
    }
    if (row.original !== null) {
      const original = make("div", "sk-mark-original");
      // it may scroll, and so must be reached without a mouse
      original.tabIndex = 0;
      original.setAttribute("role", "region");
      original.setAttribute("aria-label", "the text before the edit");
      original.append(make("span", "sk-faint", "edited; it was: "), content(row.original, true));
      nodes.push(original);
    }
    return nodes;
  }

  /** @param {Shown} shown Where there is no row: why, and what to do. */
  drawEnd(shown) {
    const { name } = this.about;
    const { total, marked, agreement, matching } = shown;
    this.fields.replaceChildren();
    const lines = [];
    const rest = button("Show all rows", () => {
      this.desk.push((now) => (now.search ? { do: "search", text: "" } : null));
      this.desk.push((now) => (now.filter === "all" ? null : { do: "filter", filter: "all" }));
      this.desk.push((now) => (now.narrowed === null ? null : { do: "widen" }));
      this.stage.focus({ preventScroll: true });
    });
    if (!total) {
      lines.push(make("p", "", `${name} has no rows: there is nothing to mark. Make some with %%synth, then run this cell again.`));
    } else if (marked === total && (shown.filter === "all" || shown.filter === "unmarked")) {
      lines.push(make("p", "sk-done", `✓ All ${count(total, "row")} are marked.`));
      if (agreement) lines.push(this.agreementLine(agreement));
      const line = `%synth marks ${name}`;
      if (shown.result) lines.push(...this.resultOf(shown.result));
      lines.push(make("p", "", `${line} gives ${this.about.pair ? `${name}_judged` : `${name}_kept and ${name}_dropped`}.`));
      const cell = button("Put it into a new cell", () => void this.offerCell(line), "", "sk-button sk-mark-leave");
      lines.push(cell);
    } else if (!matching[0]) {
      lines.push(make("p", "", "No row matches."), rest);
    } else {
      lines.push(make("p", "", "No more rows here: those that match are all marked, or were seen."), rest);
    }
    this.text.replaceChildren(...lines);
  }

  /** @param {NonNullable<Shown["result"]>} result The systems by their wins, once all is judged. */
  resultOf({ rows, notes }) {
    const table = make("table", "sk-pair-result");
    const head = table.createTHead().insertRow();
    const body = table.createTBody();
    for (const name of Object.keys(rows[0] ?? {})) {
      const cell = make("th", "", name);
      cell.scope = "col";
      head.append(cell);
    }
    for (const row of rows) {
      const line = body.insertRow();
      for (const [name, value] of Object.entries(row)) {
        const cell = make(name === "system" ? "th" : "td");
        cell.append(reveal(String(value), false));
        line.append(cell);
      }
    }
    return [...(rows.length ? [table] : []), ...notes.map((note) => make("p", "sk-faint", note))];
  }

  /** @param {NonNullable<Shown["agreement"]>} agreement */
  agreementLine({ n, share, low, high, kappa }) {
    const agreed = share === null ? 0 : Math.round(share * n);
    const interval = share === null ? "" : ` = ${share.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
    const beyond = kappa === null ? "Cohen's kappa says nothing here: only one label was used" : `Cohen's kappa ${kappa.toFixed(2)}`;
    return make("p", "sk-mark-agreement", `Self-agreement: ${agreed} of ${count(n, "row")}${interval}; ${beyond}.`);
  }

  /** @param {Shown} shown */
  paintTold({ row }) {
    const { told } = this.desk;
    const list = /** @type {HTMLElement | null} */ (this.form.querySelector(".sk-mark-origin"));
    if (!list || !row || told?.id !== row.id || told.type !== list.dataset.type || this.drawnTold === told) return;
    this.drawnTold = told;
    list.replaceChildren(
      ...told.parts.flatMap(([kind, label, value]) => {
        if (kind === "head") return [make("dt", "sk-mark-origin-head", label)];
        const about = make("dd", kind === "text" ? "sk-mark-origin-text" : "");
        about.append(content(value, true));
        return [make("dt", "sk-faint", label), about];
      }),
    );
  }

  /** @param {Shown} shown */
  paintActions(shown) {
    const able = { undo: shown.undo > 0, redo: shown.redo > 0, help: true, bulk: shown.matching[0] > 0 };
    for (const [action, node] of this.buttons) {
      const can = able[/** @type {keyof typeof able} */ (action)] ?? (shown.row !== null || action === "back" || action === "previous");
      node.setAttribute("aria-disabled", String(!can || (this.desk.gone && action !== "help")));
    }
    this.buttons.get("flag")?.setAttribute("aria-pressed", String(shown.row?.flag ?? false));
    this.buttons.get("compare")?.setAttribute("aria-pressed", String(shown.compared));
  }

  /** @param {Shown} shown */
  paintRecent({ recent, row }) {
    const wanted = JSON.stringify(recent);
    if (this.recent.dataset.shown !== wanted) {
      this.recent.dataset.shown = wanted;
      if (this.recent.contains(document.activeElement)) this.stage.focus({ preventScroll: true });
      const nodes = recent.map((entry) => {
        const node = button("", () => this.desk.push(() => ({ do: "go", id: entry.id })), "", "sk-button sk-mark-entry");
        node.title = "go back to this row";
        const mark = make("span", `sk-mark-is-${entry.label}`, `${this.sign(entry.label) || "·"}${entry.flag ? " ⚑" : ""}`);
        mark.setAttribute("role", "img");
        mark.setAttribute("aria-label", `${this.past(entry.label) || "no label"}${entry.flag ? ", flagged" : ""}:`);
        const text = reveal(plainText(entry.text), false);
        node.replaceChildren(mark, " ", text);
        if (this.sign(entry.label) === "•") mark.after(` ${entry.label}: `);
        if (entry.reason) {
          const reason = make("span", "sk-faint");
          reason.append(" (", reveal(entry.reason, false), ")");
          node.append(reason);
        }
        return node;
      });
      this.recent.replaceChildren(make("span", "sk-faint", nodes.length ? "history" : "no marks yet"), ...nodes);
    }
    for (const [n, node] of [...this.recent.querySelectorAll("button")].entries()) {
      node.setAttribute("aria-current", String(recent[n].id === row?.id));
      node.setAttribute("aria-disabled", String(this.desk.gone));
    }
  }

  /** @param {Shown} shown */
  paintLearned({ learned, row }) {
    if (this.learned.dataset.shown === learned) return;
    this.learned.dataset.shown = learned;
    if (this.mode === "why" && row && !this.desk.gone) this.desk.send({ type: "why", id: row.id });
    const parts = learned.split("   ").map((part) => make("span", "", part));
    this.learned.replaceChildren(make("span", "sk-faint", "learned"), ...parts);
  }

  /** @param {Shown} shown What was done, and not what is learned beside it. */
  announce({ answered, marked, total, row, recent }) {
    const told = JSON.stringify([answered, marked, row?.id]);
    if (told === this.told) return;
    this.told = told;
    const last = recent[0] ? `Last: ${this.past(recent[0].label) || "no label"}. ` : "";
    const next = row ? `Row ${row.at}.` : "No more rows.";
    this.say(`${last}${marked} of ${total} marked. ${next}`);
  }
}

export default widget(Desk, View);
