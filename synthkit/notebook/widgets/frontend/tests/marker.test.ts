import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Actions } from "../marker/actions";
import type { About } from "../marker/messages";
import { MarkQueue, RESEND_MS } from "../marker/queue";
import { BEAT_MS, PATIENCE } from "../shared/heartbeat";
import { FakeModel } from "./model";

let model: FakeModel;
let queue: MarkQueue;

const shown = (id: string, answered: [string, number, boolean] = ["", 0, true]) => ({ row: { id }, answered, turn: 1 });
const label = (text: string) => () => queue.push(({ row }) => row && { do: "label", id: row.id, label: text });

/** Answer the act that was sent last, and show the next row. */
function answer(id: string, done = true): void {
  const { client, seq } = model.sent.at(-1);
  model.set("shown", shown(id, [client, seq, done]));
}

beforeEach(() => {
  vi.useFakeTimers();
  model = new FakeModel({ shown: shown("r0") });
  queue = new MarkQueue(model);
});
afterEach(() => vi.useRealTimers());

test("one act is sent at a time, each for the row that is shown when its turn comes", () => {
  for (const push of [label("accept"), label("reject"), label("skip")]) push();
  expect(model.sent).toHaveLength(1);
  answer("r1");
  answer("r2");
  expect(model.sent.map(({ seq, id, label }) => [seq, id, label])).toEqual([
    [1, "r0", "accept"],
    [2, "r1", "reject"],
    [3, "r2", "skip"],
  ]);
});

test("an act that failed discards those that wait for it", () => {
  const ended: boolean[] = [];
  queue.push(() => ({ do: "edit" }), (done) => ended.push(done));
  queue.push(() => ({ do: "undo" }), (done) => ended.push(done));
  answer("r0", false);
  expect(ended).toEqual([false, false]);
  expect([model.sent.length, queue.discarded]).toEqual([1, 1]);
});

test("what an act opens goes before the keys that were pressed after it", () => {
  const order: string[] = [];
  label("accept")();
  queue.push(() => {
    order.push("form opens");
    queue.push(() => void order.push("key of the form"));
    return null;
  }, undefined, true);
  queue.push(() => void order.push("later key"));
  expect(queue.opening).toBe(true);
  answer("r1");
  expect(order).toEqual(["form opens", "key of the form", "later key"]);
  expect(queue.opening).toBe(false);
});

test("an act without an answer is sent again with the same number", () => {
  label("accept")();
  vi.advanceTimersByTime(RESEND_MS);
  expect(model.sent.map(({ seq }) => seq)).toEqual([1, 1]);
  answer("r1");
  vi.advanceTimersByTime(RESEND_MS);
  expect(model.sent).toHaveLength(2);
});

test("an answer to another view is ignored", () => {
  label("accept")();
  model.set("shown", shown("r1", ["another", 1, true]));
  expect(queue.sent).not.toBeNull();
});

test("a kernel that is gone takes no acts, and says which were not done", () => {
  const ended: boolean[] = [];
  queue.attach(() => {});
  queue.push(() => ({ do: "undo" }), (done) => ended.push(done));
  queue.push(() => ({ do: "redo" }), (done) => ended.push(done));
  vi.advanceTimersByTime(PATIENCE * BEAT_MS);
  queue.push(() => ({ do: "redo" }), (done) => ended.push(done));
  expect(ended).toEqual([false, false, false]);
  expect(queue.discarded).toBe(2);
});

const about = (changes: Partial<About>) =>
  new Actions({
    ...{ name: "t", labels: [], reasons: [], keys: {}, also: {}, round: 1, by: "", task: "", column: "", order: [] },
    ...{ learns: false, pair: false, ...changes },
  });

test("each key has one action, and an action may have several keys", () => {
  const actions = about({ pair: true, keys: { left: "ArrowLeft", tie: "t", skip: " " }, also: { "1": "left" } });
  expect(["ArrowLeft", "1", "t", " ", "q"].map((key) => actions.of(key))).toEqual(["left", "left", "tie", "skip", undefined]);
  expect(actions.keys("left")).toBe("← 1");
  expect(actions.keys("skip")).toBe("space");
  expect(actions.help[1]).toEqual(["t", "neither is better"]);
  expect(actions.past("left")).toBe("A better");
});

test("labels of the user's own stand in the place of accept", () => {
  const actions = about({ labels: ["good", "fair"], keys: { "=good": "1", "=fair": "2", reject: "x" } });
  expect(actions.verdicts).toEqual(["=good", "=fair", "reject", "skip"]);
  expect(actions.title("=good")).toBe("good");
  expect(actions.sign("good")).toBe("•");
  expect(actions.isLabel("=good")).toBe(true);
});
