// A table of which only a window is drawn, so that it may have more rows than a browser can lay out.

import { aria, button, make, region, th, write } from "./dom";
import { Heights } from "./heights";
import type { Pages } from "./pages";
import { reveal } from "./text";

const OVERSCAN = 6;

interface Drawn<R> { node: HTMLTableRowElement; shown: string; row: R | undefined }

/**
 * Each row has buttons; the arrow keys go from one to another, and Tab leads to one of them only.
 * A click selects the row, a double click opens it.
 */
export abstract class WindowTable<R> {
  readonly heights = new Heights();
  readonly node: HTMLElement;
  readonly table = make("table", "sk-table");
  readonly heads: HTMLTableCellElement[];
  readonly cols: HTMLTableColElement[];
  readonly empty = make("p", "sk-empty");
  /** The rows that are in sight, counted from 1. */
  first = 0;
  last = 0;
  /** The row and the button that Tab leads to. */
  current = 0;
  slot = 0;
  /** The row last clicked or reached by a key, or -1. */
  selected = -1;
  /** Whether the table keeps to its end while rows are added. */
  follow = false;
  protected count = 0;
  /** How far it was scrolled and how high it was when it was last on the screen. */
  private scrolledTo = 0;
  private height = 0;
  protected readonly drawn = new Map<number, Drawn<R>>();
  private readonly body = make("tbody");
  private readonly above: HTMLTableRowElement;
  private readonly below: HTMLTableRowElement;

  constructor(
    label: string,
    protected readonly pages: Pages<R>,
    width: number,
    protected readonly schedule: () => void,
  ) {
    this.cols = Array.from({ length: width }, () => make("col"));
    this.heads = Array.from({ length: width }, () => th("col"));
    aria(this.table, "label", label);
    const heads = make("thead", "", make("tr", "", ...this.heads));
    this.table.append(make("colgroup", "", ...this.cols), heads, this.body);
    this.above = this.spacer();
    this.below = this.spacer();
    this.node = region(make("div", "sk-body", this.table, this.empty), `rows of ${label}`);
    this.node.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("focusin", (event) => this.entered(event.target as Element));
    this.node.addEventListener("click", (event) => this.clicked(event));
    this.node.addEventListener("dblclick", (event) => this.clicked(event));
  }

  /** What a drawn row depends on beside the row itself. */
  protected abstract state(index: number, row: R | undefined): string;

  /** Fill the element of a row with cells. */
  protected abstract fill(node: HTMLTableRowElement, index: number, row: R | undefined): void;

  /** What Enter and a double click do: press the first button of the row. */
  protected open(index: number): void {
    this.drawn.get(index)?.node.querySelector("button")?.click();
  }

  /** Begin again at the top, with other rows. */
  renew(): void {
    this.heights.open.clear();
    this.current = 0;
    this.selected = -1;
    this.count = this.scrolledTo = this.node.scrollTop = 0;
    for (const [index, { node }] of this.drawn) this.remove(index, node);
  }

  /**
   * @param count how many rows there are
   * @param answers whether the kernel can answer, so that missing rows are worth asking for
   * @param growing whether rows are being added at the end
   */
  draw(count: number, answers: boolean, growing = false): void {
    // the last rows may come when the run that makes them has ended
    const follows = this.follow && (growing || (this.count > 0 && count > this.count));
    this.count = count;
    aria(this.table, "rowcount", count + 1);
    const { heights, node } = this;
    // JupyterLab hides everything for a moment when its theme changes
    if (node.clientHeight) [this.scrolledTo, this.height] = [node.scrollTop, node.clientHeight];
    const height = this.height || 12 * heights.row;
    const y = follows ? Math.max(0, heights.top(count) + heights.row - height) : this.scrolledTo;
    const top = heights.at(y, count);
    const within = y - heights.top(top);
    const rowHeight = heights.row;
    const first = Math.max(0, top - OVERSCAN);
    const last = Math.min(count, heights.at(y + height, count) + 1 + OVERSCAN);
    const missing = this.sync(first, last);
    this.measure();
    this.stretch(this.above, heights.top(first));
    this.stretch(this.below, heights.top(count) - heights.top(last));
    if (follows) node.scrollTop = node.scrollHeight;
    else if (heights.row !== rowHeight) {
      // the row at the top stays there, and more or fewer rows fit below it
      node.scrollTop = heights.top(top) + within;
      this.schedule();
    }
    if (answers && missing >= 0) this.pages.want(missing);
    else if (answers && !growing) this.pages.prefetch(first, last, count);
    this.first = Math.min(count, heights.at(y, count) + 1);
    this.last = Math.min(count, heights.at(y + height - heights.row - 2, count) + 1);
  }

  /** Put the focus on a button of a row, or on the table. */
  focus(index = this.current, slot = this.slot): void {
    const buttons = this.drawn.get(index)?.node.querySelectorAll("button") ?? [];
    (buttons[Math.min(slot, buttons.length - 1)] ?? this.node).focus({ preventScroll: true });
  }

  /** Bring a row into sight, and put the focus on it. */
  go(index: number): void {
    if (index < 0 || index >= this.count) return;
    this.follow = false;
    const { heights, node } = this;
    const top = heights.top(index);
    const room = node.clientHeight - heights.row;
    if (top < node.scrollTop) node.scrollTop = top;
    else if (top + heights.row > node.scrollTop + room) node.scrollTop = top + heights.row - room;
    this.draw(this.count, true);
    // not `current`: the row that has the focus may have been drawn again, and taken it back
    this.focus(index);
    // the page may have to scroll as well
    this.drawn.get(index)?.node.scrollIntoView({ block: "nearest" });
  }

  /** Let the head of a column sort by it. */
  protected sortable(n: number, title: string, sort: () => void): HTMLButtonElement {
    const node = button("", sort, "", "sk-plain sk-sort");
    const arrow = make("span", "sk-arrow");
    aria(arrow, "hidden", true);
    node.append(reveal(title), arrow);
    this.heads[n].append(node);
    return node;
  }

  /** Show by which column the rows are sorted, if by any. */
  protected drawSorted(column: number, down: boolean): void {
    for (const [n, head] of this.heads.entries()) {
      const arrow = head.querySelector(".sk-arrow");
      if (!arrow) continue;
      aria(head, "sort", n !== column ? "none" : down ? "descending" : "ascending");
      write(arrow, n !== column ? "" : down ? "▼" : "▲");
    }
  }

  /** The index of the row that an element is in, or -1. */
  indexOf(target: EventTarget | null): number {
    const row = target instanceof Element ? target.closest<HTMLElement>("tbody tr[data-at]") : null;
    return row && this.body.contains(row) ? Number(row.dataset.at) : -1;
  }

  private spacer(): HTMLTableRowElement {
    const cell = make("td");
    cell.colSpan = this.heads.length;
    const node = make("tr", "sk-spacer", cell);
    aria(node, "hidden", "true");
    this.body.append(node);
    return node;
  }

  private stretch(spacer: HTMLTableRowElement, height: number): void {
    spacer.hidden = height <= 0;
    spacer.cells[0].style.height = `${height}px`;
  }

  private scrolled(): void {
    const { scrollTop, clientHeight, scrollHeight } = this.node;
    this.follow = scrollHeight - scrollTop - clientHeight < 4;
    this.schedule();
  }

  /**
   * Draw the rows from first to last only. Elements of rows that stay are kept, and with them the
   * focus and a selection of text.
   * @returns a row that is not in the browser, or -1
   */
  private sync(first: number, last: number): number {
    let missing = -1;
    for (const [index, { node }] of this.drawn) {
      if (index < first || index >= last) this.remove(index, node);
    }
    if (this.current < first || this.current >= last) this.current = Math.max(0, Math.min(first + OVERSCAN, last - 1));
    let before: Node = this.above;
    for (let index = first; index < last; index++) {
      const row = this.pages.get(index);
      if (!row && missing < 0) missing = index;
      const node = this.row(index, row);
      if (before.nextSibling !== node) this.body.insertBefore(node, before.nextSibling);
      before = node;
    }
    return missing;
  }

  private remove(index: number, node: HTMLElement): void {
    if (node.contains(document.activeElement)) this.node.focus({ preventScroll: true });
    node.remove();
    this.drawn.delete(index);
  }

  private row(index: number, row: R | undefined): HTMLTableRowElement {
    let drawn = this.drawn.get(index);
    if (!drawn) {
      drawn = { node: make("tr"), shown: "", row: undefined };
      drawn.node.dataset.at = String(index);
      aria(drawn.node, "rowindex", index + 2);
      this.drawn.set(index, drawn);
    }
    const { node } = drawn;
    const shown = `${this.heights.open.has(index)} ${this.state(index, row)}`;
    // an unchanged row keeps its elements: a button that goes between press and release is not clicked
    if (drawn.shown !== shown || (drawn.row !== row && JSON.stringify(drawn.row) !== JSON.stringify(row))) {
      Object.assign(drawn, { shown, row });
      const held = node.contains(document.activeElement);
      node.replaceChildren();
      this.fill(node, index, row);
      if (held) this.focus(index);
    }
    node.style.height = row ? "" : `${this.heights.of(index)}px`;
    this.rove(index, node);
    return node;
  }

  /** A click beside the buttons, unless it ends a selection of text. */
  private clicked(event: MouseEvent): void {
    const index = this.indexOf(event.target);
    if (index < 0 || (event.target as Element).closest("button")) return;
    const twice = event.type === "dblclick";
    if (!twice && window.getSelection()?.toString()) return;
    this.follow = false;
    this.focus(index, 0);
    if (!twice) return;
    // the word that the double click has selected
    window.getSelection()?.removeAllRanges();
    this.open(index);
  }

  private rove(index: number, node: HTMLElement): void {
    const buttons = node.querySelectorAll("button");
    const tabbed = index === this.current ? Math.min(this.slot, buttons.length - 1) : -1;
    for (const [n, button] of buttons.entries()) {
      const tabIndex = n === tabbed ? 0 : -1;
      // setting it takes the focus away while the app hides the table
      if (button.tabIndex !== tabIndex) button.tabIndex = tabIndex;
    }
    if (index === this.selected) aria(node, "current", true);
    else node.removeAttribute("aria-current");
  }

  /** Take the heights of the rows that have come: the others were given theirs. */
  private measure(): void {
    for (const [index, { node, row }] of this.drawn) {
      const { height } = node.getBoundingClientRect();
      if (!height) return;
      if (row) this.heights.measure(index, height);
    }
  }

  /** A button got the focus: it is the one that Tab leads to from now on. */
  private entered(target: Element): void {
    const index = this.indexOf(target);
    const drawn = this.drawn.get(index);
    if (!drawn) return;
    const { node, row } = drawn;
    const before = [this.current, this.selected];
    // a row that has not come yet has fewer buttons
    if (row) this.slot = Math.max(0, [...node.querySelectorAll("button")].indexOf(target as HTMLButtonElement));
    this.current = this.selected = index;
    for (const at of [...before, index]) {
      const other = this.drawn.get(at)?.node;
      if (other) this.rove(at, other);
    }
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const index = this.indexOf(event.target);
    const enters = event.target === this.node && event.key === "ArrowDown";
    // a long text that is open has the keys for itself, to scroll
    if (!enters && (index < 0 || (event.target as Element).matches(".sk-cell"))) return;
    const page = Math.max(1, this.last - this.first);
    const down: Record<string, number> = {
      ArrowDown: index + 1,
      ArrowUp: index - 1,
      Home: 0,
      End: this.count - 1,
      PageDown: Math.min(this.count - 1, index + page),
      PageUp: Math.max(0, index - page),
    };
    const across: Record<string, number> = { ArrowLeft: this.slot - 1, ArrowRight: this.slot + 1 };
    if (enters) this.go(this.current);
    else if (event.key in across) this.focus(index, Math.max(0, across[event.key]));
    else if (event.key in down) this.go(down[event.key]);
    else return;
    event.preventDefault();
  }
}
