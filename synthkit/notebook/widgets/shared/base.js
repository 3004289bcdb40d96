// @ts-check
// What all synthkit widgets share; it stands in front of each one's own module.

/**
 * A number, a text, nothing, or the start of a long text and its whole length.
 * @typedef {string | number | null | [string, number]} Cell
 *
 * @typedef {object} Model
 * @property {(name: string) => any} get
 * @property {(name: string, callback: (message: any) => void) => void} on
 * @property {(content: object) => void} send
 * @property {any} widget_manager
 */

// The same list as _UNSEEN in display.py, where it is explained.
const UNSEEN = new RegExp(
  "([\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f" +
    "\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff0-\\ufffb" +
    "\\ud800-\\udfff\\u{e0000}-\\u{e0fff}]" +
    "|(?<![^\\x00-\\x7f])[\\u200c\\u200d]|[\\u200c\\u200d](?![^\\x00-\\x7f]))",
  "u",
);

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} [name] its class
 * @param {string} [text]
 * @returns {HTMLElementTagNameMap[T]}
 */
function make(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}

/**
 * A button; while it is `aria-disabled` nothing happens, since a disabled one would lose the focus.
 * @param {string} text @param {() => void} press
 * @param {string} [key] the key that does the same, shown on it
 * @param {string} [name] its class
 */
function button(text, press, key = "", name = "sk-button") {
  const node = make("button", name);
  node.type = "button";
  caption(node, text, key);
  node.addEventListener("click", () => {
    if (node.getAttribute("aria-disabled") !== "true") press();
  });
  return node;
}

/** @param {HTMLElement} node @param {string} text @param {string} [key] What a button says. */
function caption(node, text, key = "") {
  if (node.textContent === (key ? `${text} ${key}` : text)) return;
  node.replaceChildren(text, ...(key ? [" ", make("kbd", "", key)] : []));
}

/** @param {number} number */
function thousands(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** @param {number} number @param {string} noun */
function count(number, noun) {
  return `${thousands(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** @param {string} text */
function sentence(text) {
  return /[.!?:]\s*$/.test(text) ? text : `${text}.`;
}

/** @param {Node} node @param {string} text Write text, if it is not what is there already. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * The text as nodes: never as markup; unseen characters by their code point, and in a row of one
 * line the ends of lines by an arrow.
 * @param {string} text
 * @param {boolean} open
 */
function reveal(text, open) {
  const node = make("bdi");
  for (const [n, part] of text.replaceAll("\r\n", "\n").split(UNSEEN).entries()) {
    if (n % 2) {
      const code = /** @type {number} */ (part.codePointAt(0)).toString(16).toUpperCase();
      node.append(make("span", "sk-unseen", `U+${code.padStart(4, "0")}`));
    } else if (open) {
      node.append(part);
    } else {
      for (const [line, piece] of part.split("\n").entries()) {
        if (line) node.append(make("span", "sk-faint", "↵"));
        node.append(piece);
      }
    }
  }
  return node;
}

/** @param {Cell} cell @param {boolean} open */
function content(cell, open) {
  if (typeof cell === "number") return make("div", "sk-cell sk-number", String(cell));
  if (cell === null || cell === "") return make("div", "sk-cell sk-faint", cell === "" ? "empty" : "null");
  const [text, length] = Array.isArray(cell) ? cell : [cell, 0];
  const node = make("div", "sk-cell");
  node.append(reveal(text, open));
  if (length) {
    const whole = count(length, "character");
    const shown = open ? `first ${thousands(text.length)} of ${whole}` : whole;
    node.append(make("span", "sk-length", `… ${shown}`));
  }
  return node;
}

/**
 * Put text into a new cell below the one that a node is in, as a person would: with the toolbar's
 * button, then by pasting. JupyterLab's and Notebook's commands are not for outputs to call.
 * @param {Element} node @param {string} text
 * @returns {Promise<boolean>} whether it is there
 */
async function openCell(node, text) {
  const host = node.closest(".jp-Cell");
  const notebook = host?.closest(".jp-Notebook");
  const insert = '[data-command="notebook:insert-cell-below"]';
  const button = notebook?.closest(".jp-NotebookPanel")?.querySelector(insert);
  if (!host || !notebook || !button) return false;
  const active = () => notebook.querySelector(".jp-Cell.jp-mod-active");
  const press = (/** @type {Element} */ target, /** @type {string} */ kind) =>
    target.dispatchEvent(new MouseEvent(kind, { bubbles: true, cancelable: true }));
  if (active() !== host) press(host, "mousedown");
  if (active() !== host) return false;
  for (const kind of ["mousedown", "mouseup", "click"]) press(button, kind);
  for (let n = 0; n < 80 && active() === host; n++) await new Promise((done) => setTimeout(done, 25));
  const editor = active()?.querySelector(".cm-content");
  if (!editor || active() === host || editor.textContent?.trim()) return false;
  const data = new DataTransfer();
  data.setData("text/plain", text);
  editor.dispatchEvent(
    new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }),
  );
  return !!editor.textContent?.trim();
}

/** @param {string} text @returns {Promise<boolean>} whether it is on the clipboard */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // not a secure page, or not allowed
  }
}

/**
 * What all views of one model share: the messages, and whether the kernel is still there.
 */
class Link {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    /** @type {Set<() => void>} */
    this.views = new Set();
    this.failure = "";
    this.gone = false;
    model.on("msg:custom", (message) => {
      try {
        this.receive(message);
      } catch (error) {
        this.failure = `This widget failed: ${error}`;
      }
      this.changed();
    });
    model.on("change:error", () => this.changed());
    this.watch().catch((error) => this.fail(`The kernel cannot be watched: ${error}`));
  }

  /** Notice that the kernel is gone, or back after the connection was lost. */
  async watch() {
    const manager = this.model.widget_manager;
    const lose = () => {
      this.gone = true;
      this.changed();
    };
    // of a restart ipywidgets tells the model, of a shutdown only Jupyter's own kernel object tells
    manager.kernel?.disposed?.connect(lose);
    const whole = await manager.get_model(this.model.get("about").id);
    const look = () => {
      this.gone = !whole.comm_live;
      this.changed();
    };
    this.model.on("comm_live_update", look);
    look();
  }

  /** @param {string} failure */
  fail(failure) {
    this.failure = failure;
    this.changed();
  }

  changed() {
    for (const view of this.views) view();
  }

  /** @param {object} message */
  send(message) {
    try {
      this.model.send(message);
    } catch (error) {
      this.fail(`The kernel could not be asked: ${error}`);
    }
  }

  /** @param {any} message Take what the kernel sent. */
  receive(message) {
    throw new Error(`not expected: ${message.type}`);
  }
}

/**
 * One view of a model: its frame, its notes, its live region, and drawing at most once a frame.
 * @template {Link} L
 */
class Panel {
  /** @param {L} link @param {HTMLElement} host @param {string} name its class @param {string} label */
  constructor(link, host, name, label) {
    this.link = link;
    this.model = link.model;
    this.frame = 0;
    /** @type {(() => void)[]} */
    this.undo = [];
    this.root = make("div", `synthkit ${name}`);
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", label);
    // JupyterLab and Notebook would take letters as commands: X cuts the cell. Their shortcuts look
    // for this attribute from the focused element upwards, but `.jp-Notebook :focus` matches that
    // element first, so an ancestor's comes too late: whatever gets the focus must have its own.
    this.root.dataset.lmSuppressShortcuts = "true";
    this.root.addEventListener("focusin", ({ target }) => {
      if (target instanceof HTMLElement) target.dataset.lmSuppressShortcuts = "true";
    });
    this.notes = make("div", "sk-notes");
    this.live = make("div", "sk-unseen-text");
    this.live.setAttribute("aria-live", "polite");
    host.append(this.root);
    const changed = () => this.schedule();
    link.views.add(changed);
    this.undo.push(() => link.views.delete(changed), () => cancelAnimationFrame(this.frame));
  }

  /** @param {string[]} traits Draw anew when one of them changes. */
  follow(...traits) {
    for (const name of traits) this.model.on(`change:${name}`, () => this.schedule());
  }

  dispose() {
    for (const undo of this.undo) undo();
  }

  schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  draw() {
    try {
      this.paint();
    } catch (error) {
      this.link.failure = `This widget failed: ${error}`;
      this.note([]);
    }
  }

  /** Bring what is on the screen up to date. */
  paint() {
    throw new Error("a panel must paint");
  }

  /**
   * Show notes, then what went wrong, then that the kernel is gone.
   * @param {[string, string][]} notes classes and texts
   * @param {string} [lost] what cannot be done without a kernel, and what to do
   */
  note(notes, lost) {
    const all = [...notes];
    for (const error of [this.model.get("error"), this.link.failure]) {
      if (error) all.push(["sk-failed", `✗ ${error}`]);
    }
    if (this.link.gone && lost) all.push(["sk-gone", `■ ${lost}`]);
    const wanted = all.map((one) => one.join()).join("\n");
    if (this.notes.dataset.shown === wanted) return;
    this.notes.dataset.shown = wanted;
    this.notes.replaceChildren(
      ...all.map(([name, text]) => {
        const node = make("p", `sk-note ${name}`);
        node.setAttribute("role", name === "sk-failed" ? "alert" : "status");
        node.append(reveal(text, true));
        return node;
      }),
    );
  }

  /** @param {string} text Put it into a new cell; where that cannot be, show it to be copied. */
  async offerCell(text) {
    if (await openCell(this.root, text)) return;
    this.offer(text, (await copy(text)) ? "Copied: paste it into a new cell." : "Copy it into a new cell:");
  }

  /** @param {string} text @param {string} told Show text that is to be copied by hand. */
  offer(text, told) {
    const area = make("textarea", "sk-offer", text);
    area.readOnly = true;
    area.rows = Math.min(12, text.split("\n").length + 1);
    area.setAttribute("aria-label", told);
    const note = make("div", "sk-note");
    note.append(make("p", "", told), area);
    this.root.querySelector(":scope > .sk-offered")?.remove();
    note.classList.add("sk-offered");
    this.notes.after(note);
    area.focus();
    area.select();
  }

  /** @param {string} text Say something to screen readers, when they are done with the last. */
  say(text) {
    write(this.live, text);
  }
}

/**
 * The module's export. anywidget loads it once for each model and calls it once, so the link is
 * shared by the model's views, and what arrives before the first view is kept.
 * @template {Link} L
 * @param {new (model: Model) => L} Linked
 * @param {new (link: L, host: HTMLElement) => Panel<L>} Shown
 */
function widget(Linked, Shown) {
  return () => {
    /** @type {L | undefined} */
    let link;
    return {
      /** @param {{model: Model}} context */
      initialize({ model }) {
        link = new Linked(model);
      },
      /** @param {{model: Model, el: HTMLElement}} context */
      render({ model, el }) {
        link ??= new Linked(model);
        const panel = new Shown(link, el);
        panel.draw();
        return () => panel.dispose();
      },
    };
  };
}

