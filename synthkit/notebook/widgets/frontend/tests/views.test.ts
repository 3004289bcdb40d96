// Queries, rankings and geometry: what the widgets compute without a browser.

import { expect, test } from "vitest";
import { EDGE, ahead, corners, isArea, nearest, place } from "../explorer/geometry";
import { Known } from "../explorer/known";
import { Rows } from "../grid/rows";
import { runText } from "../lab";
import type { LabState, Ranked } from "../lab/link";
import { sorted } from "../lab/ranking";
import { Book } from "../sessions/book";
import base from "../shared/base.css?raw";
import { nextSort } from "../shared/pages";
import { FakeModel } from "./model";

const view = { query: 1, size: 3, of: 3, fresh: 0, narrowed: null, where: "", search: "", which: "all", by: "", down: false };
const row = (at: number) => ({ at, tokens: 1, cells: ["x"] });

test("filters add up, and only the answer to the last query counts", () => {
  const model = new FakeModel({ view, first: [row(1)] });
  const rows = new Rows(model);
  rows.show({ search: "soup" });
  rows.show({ where: "stars > 3" });
  expect(model.sent.map(({ turn, search, where }) => [turn, search, where])).toEqual([
    [1, "soup", ""],
    [2, "soup", "stars > 3"],
  ]);
  model.receive({ type: "shown", turn: 1, refused: "no" });
  expect([rows.refused, rows.waiting]).toEqual(["", true]);
  model.receive({ type: "shown", turn: 2, refused: "no such column" });
  expect([rows.refused, rows.waiting]).toEqual(["no such column", false]);
  expect(rows.wanted.where).toBe("");
});

test("a column is sorted up, then down, then not at all", () => {
  const model = new FakeModel({ view, first: [] });
  const rows = new Rows(model);
  for (let n = 0; n < 3; n++) rows.show(nextSort(rows.wanted, ":text"));
  expect(model.sent.map(({ by, down }) => [by, down])).toEqual([[":text", false], [":text", true], ["", false]]);
});

test("rows of an old query are not taken", () => {
  const model = new FakeModel({ view, first: [row(1)] });
  const rows = new Rows(model);
  model.receive({ type: "rows", query: 1, start: 1, rows: [row(2)] });
  model.set("view", { ...view, query: 2 });
  expect([...rows.pages.kept.keys()]).toEqual([0]);
  model.receive({ type: "rows", query: 1, start: 1, rows: [row(2)] });
  model.receive({ type: "rows", query: 2, start: 5, rows: [row(6)] });
  expect([...rows.pages.kept.keys()]).toEqual([0, 5]);
});

test("pages of runs and tables are kept apart, and forgotten when the session has changed", () => {
  const first = { runs: { total: 40, rows: ["r"] }, tables: { total: 1, rows: ["t"] } };
  const model = new FakeModel({ first, about: { page: 20 } });
  const book = new Book(model);
  book.pages.runs.want(30);
  expect(model.sent).toEqual([{ type: "page", of: "runs", start: 24 }]);
  model.receive({ type: "page", of: "runs", start: 24, rows: ["s"] });
  expect([book.pages.runs.get(24), book.pages.tables.get(24)]).toEqual(["s", undefined]);
  model.set("first", first);
  expect([...book.pages.runs.kept.keys()]).toEqual([0]);
});

test("a ranking is sorted by a measure, entries without a value last", () => {
  const entries = [["A", 1], ["B", null], ["C", 3]].map(([name, value]) => ({ name, measures: [["", value]] })) as Ranked[];
  const names = (measure: number, up: boolean) => sorted(entries, measure, up).map(({ name }) => name).join("");
  expect([names(-1, false), names(0, false), names(0, true)]).toEqual(["ABC", "CAB", "BAC"]);
});

test("the Run button says what it would do", () => {
  const state = { cells: 8, todo: 3, unjudged: 0, running: false, stopping: false, estimate: ["~9 s", "$0"] } as unknown as LabState;
  expect(runText(state)).toEqual(["Run 3 new cells, ~9 s, $0", "r"]);
  expect(runText({ ...state, running: true })).toEqual(["Stop, 5/8 cells", "r"]);
  expect(runText({ ...state, todo: 0, unjudged: 1 })).toEqual(["Run 1 verdict", "r"]);
  expect(runText({ ...state, todo: 0 })).toEqual(["All run: 8/8 cells"]);
});

test("the points of a map are asked for again, if two pings were answered without them", () => {
  const model = new FakeModel({});
  const known = new Known(model);
  known.attach(() => {});
  known.load();
  model.receive({ type: "pong" });
  expect(model.of("points")).toHaveLength(1);
  model.receive({ type: "pong" });
  expect(model.of("points")).toHaveLength(2);
  model.receive({ type: "points", selection: { count: 0 } });
  for (let n = 0; n < 5; n++) model.receive({ type: "pong" });
  expect(model.of("points")).toHaveLength(2);
});

test("points are found by place and by direction, hidden ones not at all", () => {
  const size: [number, number] = [100 + 2 * EDGE, 100 + 2 * EDGE];
  const spots = [place(0, 0, size), place(1, 0, size), null, place(1, 1, size)];
  expect(spots[0]).toEqual([EDGE, 100 + EDGE]);
  expect(nearest(spots, [EDGE + 90, EDGE + 5])).toBe(3);
  expect(nearest(spots, [50, 50], 10)).toBe(-1);
  expect([ahead(spots, place(0, 0, size), [1, 0]), ahead(spots, place(1, 0, size), [0, -1])]).toEqual([1, 3]);
  expect(ahead(spots, place(1, 1, size), [1, 0])).toBe(-1);
  expect(corners([place(0, 0, size), place(1, 1, size)], size)).toEqual([[0, 0], [1, 1]]);
  expect([isArea([[0, 0], [1, 1]]), isArea([[0, 0], [9, 0], [9, 9]])]).toEqual([false, true]);
});

test("text in every colour stands out on both grounds of each theme", () => {
  const [light, dark] = base.split("[data-jp-theme-light");
  const luminance = (colour: string) =>
    [1, 3, 5]
      .map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
      .reduce((sum, part, n) => sum + part * [0.2126, 0.7152, 0.0722][n], 0);
  // the grounds of JupyterLab's themes: --jp-layout-color1 and --jp-layout-color2
  for (const [css, grounds] of [[light, ["#ffffff", "#eeeeee"]], [dark, ["#212121", "#424242"]]] as const) {
    const inks = [...css.matchAll(/--sk-(?:quiet|accept|reject|focus): (#\w{6})/g)].map(([, ink]) => ink);
    expect(inks).toHaveLength(4);
    for (const ink of inks) {
      for (const ground of grounds) {
        const [low, high] = [luminance(ink), luminance(ground)].sort((a, b) => a - b);
        expect((high + 0.05) / (low + 0.05), `${ink} on ${ground}`).toBeGreaterThanOrEqual(4.5);
      }
    }
  }
});
