// The static output below a widget: it is for readers without a kernel, and folded while the widget lives.

import { make } from "./dom";

const CHILD = ".jp-OutputArea-child";
const COPY = ".synthkit-static";
const WIDGET = ".synthkit";

/**
 * Fold the static output that follows a widget into a closed `<details>`, again after each update.
 * @returns what unfolds it
 */
export function foldCopy(root: Element): () => void {
  const output = root.closest(CHILD);
  if (!output?.parentElement) return () => {};
  let folded: HTMLDetailsElement | undefined;
  const fold = () => {
    let next = output.nextElementSibling;
    while (next && !next.querySelector(`${COPY}, ${WIDGET}`)) next = next.nextElementSibling;
    const host = next?.querySelector(COPY)?.parentElement;
    if (!host || host.closest("details")) return;
    const open = folded?.open ?? false;
    folded = make("details", "", make("summary", "", "Static copy, kept in the notebook"), ...host.childNodes);
    folded.open = open;
    host.append(folded);
  };
  const observer = new MutationObserver(fold);
  observer.observe(output.parentElement, { childList: true, subtree: true });
  fold();
  return () => {
    observer.disconnect();
    folded?.querySelector("summary")?.remove();
    folded?.replaceWith(...folded.childNodes);
  };
}
