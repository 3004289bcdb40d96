import { expect, test } from "vitest";
import { foldCopy } from "../shared/copies";
import { anchor, button, neighbour, redraw } from "../shared/dom";
import { dispatch } from "../shared/keys";
import { provenance } from "../shared/parts";
import { content, count, duration, reveal, sentence, thousands } from "../shared/text";

test("numbers read as people write them", () => {
  expect(thousands(1234567)).toBe("1\u202f234\u202f567");
  expect([count(1, "row"), count(1000, "row")]).toEqual(["1 row", "1\u202f000 rows"]);
  expect([13.2, 120, 7260].map(duration)).toEqual(["14 s", "2 min", "2 h 1 min"]);
  expect([sentence("No"), sentence("No.")]).toEqual(["No.", "No."]);
});

test("text of a model is text, and what cannot be seen is shown", () => {
  expect(reveal("<b>\u200b\u202e").innerHTML).not.toContain("<b>");
  expect(reveal("a\u200bb\r\nc").textContent).toBe("aU+200Bb↵c");
  expect(reveal("a\nb", true).textContent).toBe("a\nb");
  expect(content(["start", 9000], true).textContent).toBe("start… first 5 of 9\u202f000 characters");
  expect([content(null), content(""), content(1.5)].map((node) => node.textContent)).toEqual(["null", "empty", "1.5"]);
});

function pressed(target: Element, init: KeyboardEventInit, acts: Record<string, () => void>): boolean {
  let known = false;
  const listen = (event: Event) => (known = dispatch(event as KeyboardEvent, acts));
  document.body.addEventListener("keydown", listen);
  target.dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...init }));
  document.body.removeEventListener("keydown", listen);
  return known;
}

test("a key is a command only where it is neither text nor the press of a button", () => {
  const input = document.createElement("input");
  const node = button("Press", () => {});
  document.body.replaceChildren(input, node);
  const done: string[] = [];
  const acts = { a: () => done.push("a"), Enter: () => done.push("Enter"), ArrowUp: () => done.push("up") };
  expect(pressed(input, { key: "a" }, acts)).toBe(false);
  expect(pressed(node, { key: "Enter" }, acts)).toBe(false);
  expect(pressed(node, { key: "a", ctrlKey: true }, acts)).toBe(false);
  expect(pressed(node, { key: "q" }, acts)).toBe(false);
  for (const key of ["a", "ArrowUp"]) {
    expect(pressed(node, { key }, acts)).toBe(true);
    expect(pressed(node, { key, repeat: true }, acts)).toBe(true);
  }
  expect(done).toEqual(["a", "up", "up"]);
});

test("arrows, Home and End lead through a list, and not beyond it", () => {
  const walk = (item: string, key: string) => neighbour(["a", "b", "c"], item, key, "ArrowUp", "ArrowDown");
  expect([walk("b", "ArrowDown"), walk("b", "ArrowUp"), walk("b", "Home"), walk("a", "End")]).toEqual(["c", "a", "a", "c"]);
  expect([walk("c", "ArrowDown"), walk("a", "ArrowUp"), walk("b", "x"), walk("q", "Home")]).toEqual(Array(4).fill(undefined));
});

test("what is drawn again gives the focus back, or says that it is lost", () => {
  const node = document.createElement("div");
  document.body.replaceChildren(node);
  let lost = 0;
  const draw = (names: string[]) =>
    redraw(node, names, () => names.map((name) => anchor(button(name, () => {}), name)), () => lost++);
  draw(["a", "b"]);
  node.querySelectorAll("button")[1].focus();
  draw(["b", "c"]);
  expect(document.activeElement?.textContent).toBe("b");
  const before = node.firstChild;
  draw(["b", "c"]);
  expect(node.firstChild).toBe(before);
  draw(["c"]);
  expect(lost).toBe(1);
});

test("facts that follow each other are one list, and texts stand alone", () => {
  const nodes = provenance([["head", "Model", ""], ["fact", "seed", 0], ["fact", "n", 1], ["text", "prompt", "Say."]]);
  expect(nodes.map((node) => [node.tagName, node.children.length])).toEqual([["H4", 0], ["DL", 4], ["DL", 2]]);
});

test("the static copy of a widget is folded again after each update, and stays as it was opened", async () => {
  document.body.innerHTML =
    '<div><div class="jp-OutputArea-child"><div id="root" class="synthkit"></div></div>' +
    '<div class="jp-OutputArea-child"><div id="copy"><p class="synthkit-static">no rows</p></div></div>' +
    '<div class="jp-OutputArea-child"><p class="synthkit-static">another</p></div></div>';
  const host = document.getElementById("copy") as HTMLElement;
  const show = async (text: string) => {
    host.innerHTML = `<div class="synthkit-static">${text}</div>`;
    await new Promise((done) => setTimeout(done));
  };
  const unfold = foldCopy(document.getElementById("root") as HTMLElement);
  await show("40 rows");
  const details = () => host.querySelector("details");
  expect([details()?.open, details()?.textContent]).toEqual([false, "Static copy, kept in the notebook40 rows"]);
  (details() as HTMLDetailsElement).open = true;
  await show("41 rows");
  expect([details()?.open, details()?.lastChild?.textContent]).toEqual([true, "41 rows"]);
  expect(document.querySelectorAll("details")).toHaveLength(1);
  unfold();
  expect(host.innerHTML).toBe('<div class="synthkit-static">41 rows</div>');
});
