// What a key means in the marker: for the row, for the form, or for a form that opens later.

import { isOther, isPress } from "../shared/keys";
import type { Actions } from "./actions";
import type { Forms, Mode } from "./forms";
import type { MarkQueue } from "./queue";

export interface Keyboard {
  /** Put the focus on the search field, or on the row. */
  find(): void;
  leave(): void;
}

export class Keys {
  constructor(
    private readonly queue: MarkQueue,
    private readonly actions: Actions,
    private readonly forms: Forms,
    private readonly reasons: boolean,
    private readonly owner: Keyboard,
  ) {}

  handle(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Escape") {
      event.preventDefault();
      if (this.queue.opening) this.later(() => this.forms.close());
      else if (this.forms.mode) this.forms.close();
      else this.owner.leave();
    } else if (target.matches("input, textarea")) {
      if (this.typed(event, target)) event.preventDefault();
    } else if (!isOther(event)) {
      this.command(event);
    }
  }

  /** Do an action: it is for the row that is shown when its turn comes. */
  run(action: string): void {
    const { queue, forms } = this;
    if (action === "search") this.owner.find();
    else if (action === "help") forms.open("help");
    else if (action === "reject" && this.reasons) this.later(() => forms.open("reject"));
    else if (["edit", "reason", "prompt", "why", "bulk"].includes(action)) this.later(() => forms.open(action as Mode));
    else if (action === "flag") queue.push(({ row }) => row && { do: "flag", id: row.id });
    else if (this.actions.verdicts.includes(action)) {
      const label = action.replace(/^=/, "");
      queue.push(({ row }) => row && { do: "label", id: row.id, label, reason: "" });
    } else queue.push(() => ({ do: action }));
  }

  /** A key that is not text. */
  private command(event: KeyboardEvent): void {
    const { queue, forms } = this;
    const action = this.actions.of(event.key);
    if (queue.opening) {
      event.preventDefault();
      if (!event.repeat) this.later(() => this.typeAhead(event.key));
    } else if (forms.mode === "reject" && /^[1-9]$/.test(event.key)) {
      event.preventDefault();
      forms.choose(event.key);
    } else if (action && !isPress(event)) {
      event.preventDefault();
      // a key that is held down must not mark row after row
      const once = !event.repeat || action === "next" || action === "previous";
      if (once && !forms.takesKeys) this.run(action);
    }
  }

  /** @returns whether a key in a text field does something there */
  private typed(event: KeyboardEvent, target: HTMLElement): boolean {
    if (event.key !== "Enter" || event.repeat) return false;
    if (target.matches("textarea") && !event.ctrlKey && !event.metaKey) return false;
    this.forms.choose("save");
    return true;
  }

  /** What a key means that was pressed before a form had opened. */
  private typeAhead(key: string): void {
    const { forms } = this;
    const { field } = forms;
    const action = this.actions.of(key);
    if (field) {
      const { selectionStart, selectionEnd } = field;
      if (key.length === 1) field.setRangeText(key, selectionStart ?? 0, selectionEnd ?? 0, "end");
      else if (key === "Enter" && forms.mode === "reason") forms.choose("save");
    } else if (forms.takesKeys) forms.choose(key);
    else if (action) this.run(action);
  }

  /** Do this once the acts before it are done. */
  private later(what: () => void): void {
    const job = () => {
      what();
      return null;
    };
    this.queue.push(job, undefined, true);
  }
}
