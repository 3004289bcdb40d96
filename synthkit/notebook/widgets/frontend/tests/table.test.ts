import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { columnWidths } from "../grid/columns";
import { make } from "../shared/dom";
import { Heights } from "../shared/heights";
import { Pages } from "../shared/pages";
import { WindowTable } from "../shared/table";

test("rows and distances lead to each other, around open rows as well", () => {
  const heights = new Heights();
  heights.open.set(3, 100);
  heights.open.set(7, 50);
  expect([0, 3, 4, 8].map((index) => heights.top(index))).toEqual([0, 78, 204, 358]);
  for (let index = 0; index < 20; index++) expect(heights.at(heights.top(index), 100)).toBe(index);
  expect(heights.at(150, 100)).toBe(3);
  expect(heights.at(1e9, 100)).toBe(100);
  heights.measure(0, 30);
  heights.measure(3, 90);
  expect([heights.row, heights.open.get(3)]).toEqual([30, 60]);
});

test("a page is asked for once, and the rows used last are kept", () => {
  const asked: number[] = [];
  const pages = new Pages<string>(200, (start) => asked.push(start));
  pages.want(500);
  pages.want(510);
  expect(asked).toEqual([440]);
  pages.take(440, Array(200).fill("row"));
  expect([pages.get(439), pages.get(440), pages.get(639)]).toEqual([undefined, "row", "row"]);
  pages.prefetch(500, 520, 1000);
  pages.prefetch(500, 520, 1000);
  expect(asked).toEqual([440, 640]);
  pages.take(1000, Array(3900).fill("row"));
  expect([pages.kept.size, pages.get(441), pages.get(640)]).toEqual([4000, undefined, undefined]);
});

interface Numbered { n: number }

class Numbers extends WindowTable<Numbered> {
  marked = "";
  protected state(): string { return this.marked; }
  protected fill(node: HTMLTableRowElement, _: number, row: Numbered | undefined): void {
    node.append(make("td", "", make("button", "", row ? String(row.n) : "…")));
    if (row) node.append(make("td", "", make("button", "", "more")));
  }
  rowsDrawn(): number[] { return [...this.drawn.keys()]; }
}

function press(...keys: string[]): void {
  for (const key of keys) {
    document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  }
}

function focusedRow(): string | undefined {
  return document.activeElement?.closest("tr")?.dataset.at;
}

let table: Numbers;
let pages: Pages<Numbered>;
const asked: number[] = [];

beforeEach(() => {
  asked.length = 0;
  pages = new Pages<Numbered>(100, (start) => asked.push(start));
  pages.take(0, Array.from({ length: 100 }, (_, n) => ({ n })));
  table = new Numbers("numbers", pages, 2, () => {});
  document.body.replaceChildren(table.node);
  vi.spyOn(table.node, "clientHeight", "get").mockReturnValue(260);
});

afterEach(() => {
  vi.restoreAllMocks();
});

test("only the rows in sight are drawn, of a table of any size", () => {
  table.draw(100_000, true);
  expect(table.rowsDrawn()).toEqual([...Array(17).keys()]);
  table.node.scrollTop = 50_000 * 26;
  table.draw(100_000, true);
  expect(table.rowsDrawn()[0]).toBe(49_994);
  expect(table.rowsDrawn()).toHaveLength(23);
  expect([table.first, table.last]).toEqual([50_001, 50_009]);
  expect(asked).toContain(49_964);
});

test("arrows go from row to row and from button to button, and Tab leads to one button", () => {
  table.draw(100, true);
  table.node.focus();
  press("ArrowDown", "ArrowDown", "ArrowRight", "ArrowDown", "End");
  expect([table.current, table.slot]).toEqual([99, 1]);
  expect(document.activeElement?.textContent).toBe("more");
  expect(table.node.querySelectorAll("button[tabindex='0']")).toHaveLength(1);
});

test("a click selects the row that it hits, and a double click opens it", () => {
  table.draw(100, true);
  const opened = vi.fn();
  const cell = (at: number) => table.node.querySelector(`tr[data-at="${at}"] td`) as HTMLElement;
  const hit = (at: number, kind: string) => cell(at).dispatchEvent(new MouseEvent(kind, { bubbles: true }));
  cell(7).querySelector("button")?.addEventListener("click", opened);
  expect(table.selected).toBe(-1);
  hit(4, "click");
  expect([focusedRow(), table.selected, opened.mock.calls.length]).toEqual(["4", 4, 0]);
  hit(7, "dblclick");
  expect([focusedRow(), table.selected, opened.mock.calls.length]).toEqual(["7", 7, 1]);
  expect([...table.node.querySelectorAll("[aria-current]")]).toEqual([cell(7).parentElement]);
  // scrolled away, the row stays the selected one
  table.node.scrollTop = 50 * 26;
  table.draw(100, true);
  expect([table.selected, table.current > 40]).toEqual([7, true]);
});

test("an arrow that comes before the rows are drawn again is not lost", () => {
  table.draw(100, true);
  table.focus(3, 1);
  table.marked = "row 3 is chosen, which is to be drawn with the next frame";
  press("ArrowUp");
  expect([table.current, focusedRow()]).toEqual([2, "2"]);
});

test("a row that is not in the browser yet takes the focus, and hands it to the same button", () => {
  table.draw(1000, true);
  table.focus(0, 1);
  press("End", "ArrowUp");
  expect([focusedRow(), document.activeElement?.textContent]).toEqual(["998", "…"]);
  pages.take(998, [{ n: 998 }, { n: 999 }]);
  table.draw(1000, true);
  expect([focusedRow(), document.activeElement?.textContent]).toEqual(["998", "more"]);
  press("ArrowRight", "ArrowDown");
  expect([focusedRow(), document.activeElement?.textContent]).toEqual(["999", "more"]);
});

test("rows that come again unchanged keep their elements, so that a click in between counts", () => {
  table.draw(100, true);
  const [button] = table.node.querySelectorAll("button");
  pages.take(0, [{ n: 0 }, { n: 1 }, { n: -2 }]);
  table.draw(100, true);
  expect(table.node.querySelector("button")).toBe(button);
  expect(table.node.querySelectorAll("button")[4].textContent).toBe("-2");
});

test("a row that leaves the window gives the focus to the table", () => {
  table.draw(100_000, true);
  table.focus();
  table.node.scrollTop = 10_000;
  table.draw(100_000, true);
  expect(document.activeElement).toBe(table.node);
});

/** Lay the table out as a browser does: rows have a height, and it scrolls as far as they reach. */
function layOut(lines: { came: number; missing: number }): void {
  const height = (row: HTMLTableRowElement) => {
    if (row.className === "sk-spacer") return row.hidden ? 0 : parseFloat(row.querySelector("td")!.style.height) || 0;
    return Math.max(row.cells.length > 1 ? lines.came : lines.missing, parseFloat(row.style.height) || 0);
  };
  const rows = () => [...table.node.querySelectorAll<HTMLTableRowElement>("tr")];
  vi.spyOn(HTMLTableRowElement.prototype, "getBoundingClientRect").mockImplementation(function (this: HTMLTableRowElement) {
    return { height: height(this) } as DOMRect;
  });
  let at = 0;
  const reach = () => rows().reduce((sum, row) => sum + height(row), 0) - table.node.clientHeight;
  Object.defineProperty(table.node, "scrollTop", {
    get: () => Math.max(0, (at = Math.min(at, reach()))),
    set: (top: number) => (at = top),
  });
}

test("the focus stays on the last row while it comes from the kernel and grows", () => {
  layOut({ came: 60, missing: 34 });
  table.draw(10_000, true);
  table.draw(10_000, true);
  table.focus();
  press("End");
  expect(focusedRow()).toBe("9999");
  table.draw(10_000, true);
  pages.take(9900, Array.from({ length: 100 }, (_, n) => ({ n: 9900 + n })));
  for (let frame = 0; frame < 3; frame++) table.draw(10_000, true);
  expect([focusedRow(), document.activeElement?.textContent]).toEqual(["9999", "9999"]);
  expect([table.first, table.last]).toEqual([9997, 10_000]);
});

test("rows that change their height stay where the reader is", () => {
  const lines = { came: 30, missing: 30 };
  layOut(lines);
  table.draw(10_000, true);
  table.draw(10_000, true);
  table.node.scrollTop = 50 * 30;
  table.draw(10_000, true);
  table.focus(52);
  lines.came = 60;
  for (let frame = 0; frame < 3; frame++) table.draw(10_000, true);
  expect([focusedRow(), table.first, table.node.scrollTop]).toEqual(["52", 51, 50 * 60]);
});

test("a table that follows its end also shows the rows that come last", () => {
  layOut({ came: 26, missing: 26 });
  table.follow = true;
  table.draw(40, true, true);
  table.draw(50, true, false);
  expect([table.first, table.last]).toEqual([42, 50]);
  // but not when all rows come at once, as in a table that is opened
  table.renew();
  table.follow = true;
  table.draw(100, true, false);
  expect(table.first).toBe(1);
});

test("a table that the app hides for a moment keeps its rows and the focus", () => {
  layOut({ came: 26, missing: 26 });
  table.draw(1000, true);
  table.node.scrollTop = 500 * 26;
  table.draw(1000, true);
  table.focus(503);
  const drawn = table.rowsDrawn();
  const focus = vi.spyOn(HTMLButtonElement.prototype, "tabIndex", "set");
  vi.spyOn(table.node, "clientHeight", "get").mockReturnValue(0);
  table.node.scrollTop = 0;
  table.draw(1000, true);
  expect([table.rowsDrawn(), table.first, focusedRow()]).toEqual([drawn, 501, "503"]);
  expect(focus).not.toHaveBeenCalled();
});

test("columns of short texts have the width of their texts, and a long one takes the rest", () => {
  const guests = ["Ana", "Chidi Okonkwo-Lindqvist, who came twice"];
  const rows = [["a", 1, guests[0], "x".repeat(200)], ["bb", null, guests[1], "y"]];
  const { widths, numbers, least } = columnWidths(["topic", "stars", "guest", "text"], rows);
  expect(widths).toEqual(["9ch", "9ch", "min(30ch, max(10ch, 20cqw))", ""]);
  expect(numbers).toEqual([false, true, false, false]);
  expect(least).toBe("calc(14ch + 9ch + 9ch + min(30ch, max(10ch, 20cqw)) + 24ch)");
});
