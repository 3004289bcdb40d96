// One view of a model: its frame, notes, key sheet and live region.

import { copy, openCell } from "./cells";
import { foldCopy } from "./copies";
import { aria, button, make, named, redraw, write } from "./dom";
import { isTyping, keySheet } from "./keys";
import type { Link, Model } from "./link";
import { reveal } from "./text";

const CLOCK_MS = 1000;

export type Note = [kind: string, text: string];

export abstract class Panel<L extends Link> {
  readonly model: Model;
  readonly root: HTMLElement;
  readonly notes = make("div", "sk-notes");
  readonly live = make("div", "sk-aloud");
  protected readonly undo: (() => void)[] = [];
  private frame = 0;

  constructor(
    readonly link: L,
    host: HTMLElement,
    name: string,
    label: string,
  ) {
    this.model = link.model;
    this.root = named(make("div", `synthkit ${name}`), "group", label);
    // JupyterLab and Notebook would take letters as commands: X cuts the cell. Their shortcuts look
    // for this attribute from the focused element upwards, but `.jp-Notebook :focus` matches that
    // element first, so an ancestor's comes too late: whatever gets the focus must have its own.
    this.root.dataset.lmSuppressShortcuts = "true";
    this.root.addEventListener("focusin", ({ target }) => {
      if (target instanceof HTMLElement || target instanceof SVGElement) {
        target.dataset.lmSuppressShortcuts = "true";
      }
    });
    aria(this.live, "live", "polite");
    host.append(this.root);
    this.undo.push(link.attach(() => this.schedule()), () => cancelAnimationFrame(this.frame));
    this.whenShown(() => this.undo.push(foldCopy(this.root)));
  }

  /** Do something once the widget is in the page, which it isn't yet when it is made. */
  private whenShown(act: () => void): void {
    const observer = new ResizeObserver(() => {
      if (!this.root.isConnected) return;
      observer.disconnect();
      act();
    });
    observer.observe(this.root);
    this.undo.push(() => observer.disconnect());
  }

  /** Draw again when one of these traits changes. */
  follow(...traits: string[]): void {
    for (const name of traits) this.model.on(`change:${name}`, () => this.schedule());
  }

  /** Draw again each second while the widget is busy: the kernel sends nothing in one long step. */
  watchTime(): void {
    const clock = setInterval(() => this.root.classList.contains("sk-busy") && this.schedule(), CLOCK_MS);
    this.undo.push(() => clearInterval(clock));
  }

  /** Draw again when the size of an element changes. */
  watchSize(node: Element): void {
    const observer = new ResizeObserver(() => this.schedule());
    observer.observe(node);
    this.undo.push(() => observer.disconnect());
  }

  dispose(): void {
    for (const undo of this.undo) undo();
  }

  /** Draw with the next frame. */
  schedule(): void {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  draw(): void {
    try {
      this.paint();
    } catch (error) {
      this.link.failure = `This widget failed: ${error}`;
      this.note([]);
    }
  }

  /** Update what is on the screen. */
  protected abstract paint(): void;

  /**
   * Show notes, then errors, then whether the kernel is busy or gone.
   * @param lost what cannot be done without a kernel, and what to do
   */
  protected note(notes: Note[], lost = ""): void {
    const all = [...notes];
    for (const error of [this.model.get("error"), this.link.failure]) {
      if (error) all.push(["sk-failed", `✗ ${error}`]);
    }
    if (this.link.slow) all.push(["sk-faint", "Waiting: the kernel is busy."]);
    if (this.link.gone && lost) all.push(["sk-gone", `■ The kernel is gone: ${lost}`]);
    redraw(this.notes, all, () =>
      all.map(([kind, text]) => {
        const node = make("p", `sk-note ${kind}`, reveal(text, true));
        node.setAttribute("role", kind === "sk-failed" ? "alert" : "status");
        return node;
      }),
    );
  }

  /** The sheet that explains the keys, and the button that opens it. */
  protected help(lines: [keys: string, help: string][]): { sheet: HTMLElement; opener: HTMLButtonElement } {
    const sheet = keySheet(lines);
    const opener = button("Keys", () => {
      sheet.hidden = !sheet.hidden;
      aria(opener, "expanded", !sheet.hidden);
    }, "?");
    sheet.hidden = true;
    aria(opener, "expanded", "false");
    this.root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || sheet.hidden || isTyping(event.target)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      opener.click();
    });
    return { sheet, opener };
  }

  /** Put text into a new cell; where that cannot be done, show it to be copied. */
  async offerCell(text: string): Promise<void> {
    if (await openCell(this.root, text)) return;
    this.offer(text, (await copy(text)) ? "Copied. Paste it into a new cell." : "Copy this into a new cell:");
  }

  /** Show text that is to be copied by hand. */
  offer(text: string, label: string): void {
    const area = make("textarea", "sk-input sk-offer", text);
    area.readOnly = true;
    area.rows = Math.min(12, text.split("\n").length + 1);
    aria(area, "label", label);
    this.closeOffer();
    this.notes.after(make("div", "sk-note sk-offered", make("p", "", label), area));
    area.focus();
    area.select();
  }

  closeOffer(): void {
    this.root.querySelector(":scope > .sk-offered")?.remove();
  }

  /** Say something to screen readers, when they have finished with the last. */
  say(text: string): void {
    write(this.live, text);
  }
}

/**
 * The module's export. anywidget loads it once for each model, so that the link is shared by the
 * model's views, and what arrives before the first view is kept.
 */
export function widget<L extends Link>(
  Linked: new (model: Model) => L,
  Shown: new (link: L, host: HTMLElement) => Panel<L>,
) {
  return () => {
    let link: L | undefined;
    return {
      initialize({ model }: { model: Model }) {
        link = new Linked(model);
      },
      render({ model, el }: { model: Model; el: HTMLElement }) {
        link ??= new Linked(model);
        const panel = new Shown(link, el);
        panel.draw();
        return () => panel.dispose();
      },
    };
  };
}
