// The form below the row: edit, reason, why rejected, many rows at once, provenance, keys.

import { type Child, aria, button, field, make, redraw, region } from "../shared/dom";
import { keySheet } from "../shared/keys";
import { provenance } from "../shared/parts";
import { count, plain, thousands } from "../shared/text";
import type { Actions } from "./actions";
import { plainLabel } from "./actions";
import type { About, Row } from "./messages";
import type { MarkQueue } from "./queue";

export type Mode = "" | "edit" | "reason" | "reject" | "bulk" | "prompt" | "why" | "help" | "saving";
type Field = HTMLTextAreaElement | HTMLInputElement;

/** The modes in which keys belong to the form. */
const TYPING: Mode[] = ["edit", "reason", "reject", "bulk"];

export class Forms {
  mode: Mode = "";
  readonly node = make("div", "sk-tools sk-mark-form");
  private readonly told = region(make("div", "sk-mark-origin"), "provenance");

  /** @param leave puts the focus on the row @param closed called when a form was closed */
  constructor(
    private readonly queue: MarkQueue,
    private readonly about: About,
    private readonly actions: Actions,
    private readonly leave: () => void,
    private readonly closed: () => void,
  ) {
    this.node.hidden = true;
  }

  /** Whether a form is open that takes the keys. */
  get takesKeys(): boolean { return TYPING.includes(this.mode); }

  /** The field of the form that is open. */
  get field(): Field | null { return this.node.querySelector<Field>("textarea, input"); }

  /** Open a form, or close it if it is open. */
  open(mode: Mode): void {
    const { row } = this.queue.shown;
    if (this.mode === mode) {
      this.close();
      return;
    }
    if (!row && mode !== "help" && mode !== "bulk") return;
    this.close();
    const parts = this.build(mode, row);
    if (!parts) return;
    this.mode = mode;
    this.node.replaceChildren(...parts);
    this.node.hidden = false;
    const first = this.node.querySelector<HTMLElement>("textarea, input, button");
    if (this.takesKeys) first?.focus({ preventScroll: true });
    this.node.scrollIntoView({ block: "nearest" });
  }

  /** Close the form; the row gets the focus before the form goes. */
  close(): void {
    if (this.node.contains(document.activeElement)) this.leave();
    this.mode = "";
    this.node.hidden = true;
    this.node.replaceChildren();
    this.closed();
  }

  /** Press the button of the form that has this key. */
  choose(key: string): void {
    const buttons = [...this.node.querySelectorAll("button")];
    buttons.find((node) => node.dataset.key === key)?.dispatchEvent(new MouseEvent("click"));
  }

  /** Show the provenance or the explanation, once it has come. */
  drawExplanation(row: Row | null): void {
    const { explanation } = this.queue;
    const type = this.mode === "why" ? "why" : "origin";
    if (!row || !this.told.isConnected || explanation?.id !== row.id || explanation.type !== type) return;
    redraw(this.told, [row.id, explanation.parts], () => provenance(explanation.parts));
  }

  private build(mode: Mode, row: Row | null): Child[] | null {
    switch (mode) {
      case "help":
        return [region(make("div", "sk-mark-origin", keySheet(this.actions.help)), "keys"), this.end("Close")];
      case "bulk":
        return this.bulk();
      case "reject":
        return this.reject();
      case "edit":
        return row && this.edit(this.queue.full(row));
      case "reason":
        return row && this.reason(row);
      default:
        return row && this.explanation(mode === "why" ? "why" : "origin", row.id);
    }
  }

  private end(text: string): HTMLButtonElement {
    return button(text, () => this.close(), "Esc");
  }

  private edit(row: Row): Child[] | null {
    if (Array.isArray(row.text)) {
      this.queue.fail("This text is too long to be edited here. Edit it in Python.");
      return null;
    }
    const area = make("textarea", "sk-input sk-mark-area");
    const before = plain(row.text);
    area.value = before;
    aria(area, "label", `edit ${this.about.column}`);
    area.rows = Math.min(16, Math.max(4, before.split("\n").length + Math.ceil(before.length / 80)));
    const start = area.value;
    const save = () => {
      if (area.value === start) this.close();
      else this.submit(area, { do: "edit", id: row.id, text: area.value });
    };
    return [area, keyed("save", button("Save", save, "Ctrl+Enter")), this.end("Cancel")];
  }

  private reason(row: Row): Child[] {
    const input = field("reason or comment", "reason or comment", "sk-mark-input");
    input.value = row.reason;
    input.maxLength = 2000;
    const put = (reason: string) => this.submit(input, { do: "reason", id: row.id, reason });
    const save = keyed("save", button("Save", () => put(input.value), "Enter"));
    return [input, save, this.end("Cancel"), ...this.about.reasons.map((reason) => button(reason, () => put(reason)))];
  }

  private reject(): Child[] {
    const choices = ["no reason", ...this.about.reasons].map((text, n) => {
      const key = n ? String(n) : "Enter";
      const reject = () => {
        this.close();
        this.queue.push(({ row }) => row && { do: "label", id: row.id, label: "reject", reason: n ? text : "" });
      };
      return keyed(key, button(text, reject, key));
    });
    return ["Reason for rejecting:", ...choices, this.end("Cancel")];
  }

  private bulk(): Child[] | null {
    const [n, marked] = this.queue.shown.matching;
    if (!n) return null;
    const rows = count(n, "row");
    const already = marked ? ` (${thousands(marked)} already marked)` : "";
    // one side is hardly better in many pairs that nobody has looked at
    const labels = (this.about.pair ? ["tie", "skip"] : this.actions.verdicts).map((action) =>
      button(`${this.actions.title(action)} ${rows}`, () => {
        this.close();
        this.queue.push(() => ({ do: "bulk", label: plainLabel(action), n }));
      }),
    );
    return [`Mark ${count(n, "matching row")}${already}. One undo reverts it.`, this.end("Cancel"), ...labels];
  }

  private explanation(type: "origin" | "why", id: string): Child[] {
    this.queue.explanation = null;
    this.queue.send({ type, id });
    redraw(this.told, [], () => ["…"]);
    return [this.told, this.end("Close")];
  }

  /** Send what a field holds; it stays until the kernel has it on disk. Keys go on meanwhile. */
  private submit(input: Field, act: object): void {
    const { mode } = this;
    input.readOnly = true;
    this.mode = "saving";
    this.leave();
    const ended = (done: boolean) => {
      if (!input.isConnected) return;
      input.readOnly = false;
      this.mode = mode;
      if (done) this.close();
    };
    this.queue.push(() => act, ended);
  }
}

/** Let a key of the form press a button. */
function keyed(key: string, node: HTMLButtonElement): HTMLButtonElement {
  node.dataset.key = key;
  return node;
}
