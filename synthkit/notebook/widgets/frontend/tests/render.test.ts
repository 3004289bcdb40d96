// Each widget as it is first shown.

import { beforeEach, expect, test } from "vitest";
import explorer from "../explorer";
import grid from "../grid";
import lab from "../lab";
import marker from "../marker";
import sessions from "../sessions";
import { FakeModel } from "./model";

let host: HTMLElement;

beforeEach(() => {
  host = document.createElement("div");
  document.body.replaceChildren(host);
});

/** Show a widget; the model stays, so that its traits can be changed. */
function show(widget: typeof grid | typeof marker | typeof lab | typeof explorer | typeof sessions, traits: Record<string, unknown>): FakeModel {
  const model = new FakeModel({ error: "", ...traits });
  const { initialize, render } = widget();
  initialize({ model });
  render({ model, el: host });
  expect(host.querySelector(".sk-failed")?.textContent ?? "").not.toContain("This widget failed");
  return model;
}

const press = (key: string, target: Element = document.activeElement ?? document.body) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));

test("the session browser shows its runs and tables, and asks before it deletes", () => {
  const row = (which: number | string) => ({ which, label: `run ${which}`, run: 1, table: "good", at: 0, cells: [String(which), "x"], sub: "sub" });
  const heads = [["name", "sk-session-named"], ["rows", "sk-number"]];
  const model = show(sessions, {
    about: { name: "here", page: 20, runs: heads, tables: heads },
    overview: {
      ...{ counts: ["1 run"], sizes: [["tables", "1 kB"]], marks: [], labs: ["tone"], more: 0 },
      chart: { unit: "tokens", points: [[0, 5, 1], [9, 20, 2]], unpriced: 0 },
    },
    first: { runs: { total: 2, rows: [row(2), row(1)] }, tables: { total: 1, rows: [row("good")] } },
    graph: { boxes: [{ name: "good", rows: 3, x: 0, y: 0 }], edges: [], hidden: 0 },
  });
  expect(host.querySelectorAll("tr[data-which]")).toHaveLength(3);
  host.querySelector<HTMLElement>("tr[data-which='1'] button")?.focus();
  press("d");
  expect(model.of("would")).toEqual([{ type: "would", what: { run: 1, completions: false } }]);
  model.receive({ type: "removal", what: { run: 1, completions: false }, goes: "This deletes run 1.", stays: [] });
  press("2", host.querySelector("[role=tab]") as Element);
  expect(host.querySelector(".sk-session-ask")?.textContent).toContain("This deletes run 1.");
});

test("the preview shows rows and rejects, expands a row, and asks for its provenance", () => {
  const view = { query: 1, size: 2, of: 2, fresh: 0, narrowed: null, where: "", search: "", which: "all", by: "", down: false };
  const model = show(grid, {
    about: { name: "reviews", total: 2, columns: ["text"], stop: true, tokens: true, file: "reviews.csv" },
    ...{ view, kinds: [{ kind: "text", empty: 0, values: 1, rows: 2 }] },
    first: [{ at: 1, tokens: 7, cells: [["<b>long", 900]] }, { at: 2, tokens: 3, reason: "not JSON", raw: "raw" }],
    progress: {
      ...{ state: "stopped", message: "", total: 2, seen: 2, rows: 1, rejects: 1, pending: 0 },
      ...{ doing: "", under_way: 0, seconds: 1, rate: null, left: null, cost: "", totals: ["1 row"] },
    },
  });
  expect(host.querySelector<HTMLInputElement>(".sk-where")?.placeholder).toBe("Filter f: text ~ word");
  const rows = [...host.querySelectorAll("tbody tr[data-at]")];
  expect(rows.map((row) => row.textContent)).toEqual(["1<b>long… 900 characters7›", "2✗ not JSONraw3›"]);
  rows[0].querySelector("button")?.click();
  expect(model.of("row")).toEqual([{ type: "row", index: 0 }]);
  rows[1].querySelector("button")?.focus();
  press("o");
  expect(model.of("trail")).toEqual([{ type: "trail", query: 1, index: 1 }]);
  expect(host.querySelector(".sk-notes")?.textContent).toBe("■ The run was stopped. Finished rows are kept.");
});

test("the marker shows a row, and its keys are acts", () => {
  const row = { id: "r0", at: 1, fields: [["topic", "soup"]], text: "Cold.", original: null, label: "", reason: "", flag: false };
  const shown = {
    ...{ row, total: 2, marked: 0, counts: { accept: 0 }, filter: "all", search: "", narrowed: null, matching: [2, 0] },
    ...{ pace: null, undo: 0, redo: 0, recent: [], agreement: null, warning: "", learned: "", answered: ["", 0, true], turn: 1 },
  };
  const model = show(marker, {
    about: {
      ...{ name: "reviews", labels: [], reasons: ["short"], keys: { accept: "a", reject: "x", search: "/", help: "?" }, also: {} },
      ...{ round: 1, by: "ana", task: "", column: "text", order: ["all", "accept"], learns: false, pair: false },
    },
    shown,
  });
  const stage = host.querySelector<HTMLElement>(".sk-mark-stage") as HTMLElement;
  expect(stage.querySelector(".sk-mark-text")?.textContent).toBe("Cold.");
  press("x", stage);
  expect(host.querySelector(".sk-mark-form")?.textContent).toContain("Reason for rejecting:");
  press("1", stage);
  expect(model.of("act")).toMatchObject([{ do: "label", id: "r0", label: "reject", reason: "short" }]);

  // a form that opens later is closed by an Escape that came before it
  press("x", stage);
  press("Escape", stage);
  model.set("shown", { ...shown, answered: [model.of("act")[0].client, 1, true] });
  expect(host.querySelector<HTMLElement>(".sk-mark-form")?.hidden).toBe(true);
});

test("the lab shows a cell, and marks the one that is current", () => {
  const cell = { state: "done", text: "Cold.", why: "", mark: "", comment: "", fails: [["length", "too short"]], unsaid: [], passes: 1 };
  const variant = { key: "A", name: "", baseline: true, prompt: "Say.", diff: null, at: 1, versions: 1, temperature: 0, max_tokens: null };
  const state = {
    ...{ blind: false, running: false, stopping: false, cells: 1, todo: 0, unjudged: 0, inputs: "", models: ["gpt"], checks: [] },
    ...{ estimate: [], variants: [variant], columns: [{ variant: "A", model: "", name: "A" }], measures: ["accept"], winner: 0 },
    ...{ ranking: [{ column: 0, name: "A", measures: [["1.00", 1]] }], reading: "A leads.", failures: [], notes: [], deleted: [] },
  };
  const page = { show: "all", blind: false, start: 0, found: 1, total: 1, rows: [{ at: 0, fields: [["topic", "soup"]], cells: [cell] }] };
  const model = show(lab, { about: { name: "tone" }, state, first: page });
  const node = host.querySelector<HTMLElement>("td[data-slot='0']") as HTMLElement;
  expect(node.textContent).toBe("Cold.1 of 2 checks✗ too short");
  node.focus();
  press("a", node);
  expect(model.of("mark")).toMatchObject([{ row: 0, slot: 0, label: "accept" }]);
  expect(host.querySelector(".sk-lab-ranking")?.textContent).toContain("A ✓ best so far");

  // keys that come before the form are no commands, and Escape keeps it closed
  const form = host.querySelector<HTMLElement>("form") as HTMLElement;
  const reply = { type: "variant", view: model.of("mark")[0].view, variant: { key: "A", name: "", at: 0, versions: [["Say.", 0, null]] } };
  press("e", node);
  press("x");
  press("Escape");
  model.receive(reply);
  expect([model.of("mark").length, form.hidden]).toEqual([1, true]);
  press("e", node);
  model.receive(reply);
  expect([form.hidden, document.activeElement]).toEqual([false, form.querySelector("textarea")]);
});

test("a running lab says what its models do, and since when", () => {
  const state = {
    ...{ blind: false, running: true, stopping: false, cells: 1, todo: 1, unjudged: 0, inputs: "", models: ["gpt"], checks: [] },
    ...{ estimate: [], variants: [], columns: [], measures: [], winner: -1, ranking: [], reading: "", failures: [], notes: [] },
    ...{ deleted: [], doing: "loading smollm2, 98 MB", under_way: 0, seconds: 7 },
  };
  const page = { show: "all", blind: false, start: 0, found: 0, total: 0, rows: [] };
  const model = show(lab, { about: { name: "tone" }, state, first: page });
  expect(host.querySelector(".sk-running")?.textContent).toMatch(/^loading smollm2, 98 MB\u2003[78] s$/);
  model.set("state", { ...state, doing: "", under_way: 3 });
  return new Promise(requestAnimationFrame).then(() => {
    expect(host.querySelector(".sk-running")?.textContent).toMatch(/^3 under way/);
  });
});

test("the explorer asks for its points, and draws them by group", () => {
  const groups = { name: "topic", labels: ["soup", "wine"], counts: [2, 1], numeric: false };
  const model = show(explorer, {
    about: { name: "reviews", text: "text", columns: ["topic"], hands: true },
    stage: { state: "ready", message: "", done: 3, total: 3 },
    chart: { version: 1, shown: 3, scope: 3, of: 3, narrowed: false, colour: "topic", hidden: [], selected: 0, caption: "3 points" },
  });
  expect(model.of("points")).toHaveLength(1);
  const selection = { count: 0, drawn: [], rows: [], counts: [[0, 0]], said: "" };
  const places = { at: [0, 1, 2], x: [0, 0.5, 1], y: [0, 0.5, 1], codes: [0, 0, 1], texts: ["a", "b", "c"] };
  model.receive({ type: "points", version: 1, ...places, groups, contrasts: [groups], selection });
  model.set("chart", { ...model.get("chart") });
  return new Promise(requestAnimationFrame).then(() => {
    expect(host.querySelectorAll("path.sk-x-rest")).toHaveLength(2);
    expect([...host.querySelectorAll(".sk-x-entry")].map((entry) => entry.textContent)).toEqual(["soup2", "wine1"]);
    host.querySelector<HTMLElement>(".sk-x-all")?.click();
    expect(model.of("select")).toEqual([{ type: "select", how: "add", group: 0 }]);
  });
});
