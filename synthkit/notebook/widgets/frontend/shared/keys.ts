// Keys: which element they belong to, what they do, and the sheet that explains them.

import { facts } from "./parts";
import { make } from "./dom";

export type Acts = Record<string, (() => unknown) | undefined>;

/** Whether keys are text for the element that has the focus. */
export function isTyping(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement) return target.type !== "checkbox";
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/** Whether a key presses the button that has the focus. */
export function isPress(event: KeyboardEvent): boolean {
  const target = event.target as Element;
  return (event.key === " " || event.key === "Enter") && !!target.closest("button, summary, input");
}

/** Whether a key is no command: it is held with another, or part of composing a character. */
export function isOther(event: KeyboardEvent): boolean {
  return event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.keyCode === 229;
}

/**
 * Do what a key stands for, once for each press.
 * @param steady the keys that go on while they are held down
 * @returns whether the key stands for anything
 */
export function dispatch(event: KeyboardEvent, acts: Acts, steady: RegExp = /^Arrow/): boolean {
  if (isTyping(event.target) || isOther(event) || isPress(event)) return false;
  const act = acts[event.key];
  if (!act) return false;
  event.preventDefault();
  if (!event.repeat || steady.test(event.key)) act();
  return true;
}

/** Let keys act on the field or the form that has the focus, and on nothing around it. */
export function onKeys(node: HTMLElement, acts: Acts): void {
  node.addEventListener("keydown", (event) => {
    const act = isOther(event) || event.repeat ? undefined : acts[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
}

/** The list of keys; each line has the keys, and what they do. */
export function keySheet(lines: [keys: string, help: string][]): HTMLDListElement {
  const sheet = facts([], "sk-keysheet");
  for (const [keys, help] of lines) {
    sheet.append(make("dt", "", make("kbd", "", keys)), make("dd", "", help));
  }
  return sheet;
}
