// Text for a new cell of the notebook, or for the clipboard.

/**
 * Put text into a new cell below the one that a node is in, as a person would: with the toolbar's
 * button, then by pasting. An output cannot call the commands of JupyterLab and Notebook.
 * @returns whether the text is there
 */
export async function openCell(node: Element, text: string): Promise<boolean> {
  const host = node.closest(".jp-Cell");
  const notebook = host?.closest(".jp-Notebook");
  const insert = '[data-command="notebook:insert-cell-below"]';
  const button = notebook?.closest(".jp-NotebookPanel")?.querySelector(insert);
  if (!host || !notebook || !button) return false;
  const active = () => notebook.querySelector(".jp-Cell.jp-mod-active");
  const press = (target: Element, kind: string) =>
    target.dispatchEvent(new MouseEvent(kind, { bubbles: true, cancelable: true }));
  if (active() !== host) press(host, "mousedown");
  if (active() !== host) return false;
  for (const kind of ["mousedown", "mouseup", "click"]) press(button, kind);
  const opened = () => (active() === host ? null : active()?.querySelector(".cm-content"));
  for (let n = 0; n < 80 && !opened(); n++) await new Promise((done) => setTimeout(done, 25));
  const editor = opened();
  if (!editor || editor.textContent?.trim()) return false;
  const data = new DataTransfer();
  data.setData("text/plain", text);
  editor.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  return !!editor.textContent?.trim();
}

/** Copy text; false where the page may not. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
