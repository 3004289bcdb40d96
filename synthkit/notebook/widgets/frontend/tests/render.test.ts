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
