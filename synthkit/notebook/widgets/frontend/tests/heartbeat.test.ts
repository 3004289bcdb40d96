import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BEAT_MS, PATIENCE } from "../shared/heartbeat";
import { Link, WAIT_MS } from "../shared/link";
import { FakeModel } from "./model";

class Quiet extends Link {
  protected receive(): void {}
}

let model: FakeModel;
let link: Quiet;

beforeEach(() => {
  vi.useFakeTimers();
  model = new FakeModel({});
  link = new Quiet(model);
});
afterEach(() => vi.useRealTimers());

const beats = (n: number) => vi.advanceTimersByTime(n * BEAT_MS);

test("a kernel that does not answer is gone, and back when it answers", () => {
  link.attach(() => {});
  beats(PATIENCE - 1);
  expect(link.gone).toBe(false);
  beats(1);
  expect(link.gone).toBe(true);
  model.receive({ type: "pong" });
  expect(link.gone).toBe(false);
});

test("a kernel that answers each ping is never gone", () => {
  link.attach(() => {});
  for (let n = 0; n < 20; n++) {
    model.receive({ type: "pong" });
    beats(1);
  }
  expect(link.gone).toBe(false);
  expect(model.of("ping")).toHaveLength(21);
});

test("beats and changes of traits are life, and only one ping waits meanwhile", () => {
  link.attach(() => {});
  for (let n = 0; n < 20; n++) {
    if (n % 2) model.receive({ type: "beat" });
    else model.set("progress", n);
    beats(1);
  }
  expect(link.gone).toBe(false);
  expect(model.of("ping")).toHaveLength(1);
});

test("a connection that is closed is gone at the next ping", () => {
  link.attach(() => {});
  model.receive({ type: "pong" });
  model.dead = true;
  beats(1);
  expect(link.gone).toBe(true);
  expect(link.failure).toBe("");
});

test("nothing is sent while no view is shown", () => {
  const detach = link.attach(() => {});
  detach();
  beats(10);
  expect(model.of("ping")).toHaveLength(1);
  expect(link.gone).toBe(false);
});

test("a request that is not answered for a while is slow", () => {
  let drawn = 0;
  vi.advanceTimersByTime(1);
  link.attach(() => drawn++);
  link.ask({ type: "run" });
  expect(link.slow).toBe(false);
  vi.advanceTimersByTime(WAIT_MS + 20);
  expect([link.slow, drawn]).toEqual([true, 1]);
  model.receive({ type: "beat" });
  expect(link.slow).toBe(true);
  model.receive({ type: "page" });
  expect(link.slow).toBe(false);
});
