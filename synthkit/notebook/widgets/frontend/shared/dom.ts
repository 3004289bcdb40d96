// Elements, and drawing them again only when they must change.

export type Child = Node | string;

/** A new element with a class and children. */
export function make<T extends keyof HTMLElementTagNameMap>(
  tag: T,
  name = "",
  ...children: Child[]
): HTMLElementTagNameMap[T] {
  const node = document.createElement(tag);
  if (name) node.className = name;
  node.append(...children);
  return node;
}

/** The head of a column or a row. */
export function th(scope: "col" | "row", name = "", ...children: Child[]): HTMLTableCellElement {
  return Object.assign(make("th", name, ...children), { scope });
}

/** A new SVG element. */
export function vector(tag: string, attributes: Record<string, string | number> = {}, text = ""): SVGElement {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag) as SVGElement;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  if (text) node.textContent = text;
  return node;
}

/**
 * A button. It is disabled by `aria-disabled`, since a button with `disabled` would lose the focus.
 * @param key the key that does the same, shown on the button
 */
export function button(text: string, press: () => void, key = "", name = "sk-button"): HTMLButtonElement {
  const node = make("button", name);
  node.type = "button";
  caption(node, text, key);
  node.addEventListener("click", () => {
    if (node.getAttribute("aria-disabled") !== "true") press();
  });
  return node;
}

/** Set the text and the key that a button shows. */
export function caption(node: HTMLElement, text: string, key = ""): void {
  if (node.textContent === (key ? `${text} ${key}` : text)) return;
  node.replaceChildren(text, ...(key ? [" ", make("kbd", "", key)] : []));
}

/** Set an attribute of accessibility: `aria(node, "pressed", true)`. */
export function aria(node: Element, name: string, value: string | number | boolean): void {
  node.setAttribute(`aria-${name}`, String(value));
}

/** Give an element a role and a name for screen readers. */
export function named<T extends Element>(node: T, role: string, label: string): T {
  node.setAttribute("role", role);
  aria(node, "label", label);
  return node;
}

/** A part that scrolls: it takes the focus, so that the keyboard can scroll it. */
export function region<T extends HTMLElement>(node: T, label: string): T {
  node.tabIndex = 0;
  return named(node, "region", label);
}

export function field(label: string, hint = "", name = ""): HTMLInputElement {
  const input = make("input", `sk-input ${name}`);
  aria(input, "label", label);
  input.placeholder = hint;
  input.spellcheck = false;
  return input;
}

const SEARCH_MS = 250;

/** A field that searches while one types. Enter and Escape leave it, Escape without a search. */
export function searchField(label: string, hint: string, apply: (text: string) => void, leave: () => void): HTMLInputElement {
  const input = field(label, hint, "sk-search");
  let pause: ReturnType<typeof setTimeout> | undefined;
  const now = () => {
    clearTimeout(pause);
    apply(input.value);
  };
  input.type = "search";
  input.maxLength = 2000;
  input.addEventListener("change", now);
  input.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(now, SEARCH_MS);
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape") input.value = "";
    now();
    leave();
  });
  return input;
}

export function choice(label: string, options: [value: string, text: string][]): HTMLSelectElement {
  const select = make("select", "sk-input");
  aria(select, "label", label);
  choose(select, options);
  return select;
}

/** Replace the options of a choice. */
export function choose(select: HTMLSelectElement, options: [value: string, text: string][]): void {
  const nodes = options.map(([value, text]) => Object.assign(make("option", "", text), { value }));
  select.replaceChildren(...nodes);
}

/** A group of elements in a line that wraps. */
export function bar(name: string, ...children: Child[]): HTMLDivElement {
  return make("div", `sk-tools ${name}`, ...children);
}

/** Write text, unless it is there already. */
export function write(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** Hide an element; if it has the focus, that leaves first. */
export function hide(node: HTMLElement, hidden: boolean, leave: () => void): void {
  if (hidden && node.contains(document.activeElement)) leave();
  node.hidden = hidden;
}

/** Name an element, so that the focus finds it again when what it is in is drawn again. */
export function anchor<T extends Element>(node: T, name: string): T {
  node.setAttribute("data-focus", name);
  return node;
}

const drawn = new WeakMap<Element, string>();

/**
 * Replace the children of an element, if the state that they show has changed. The focus goes to
 * the new element with the same anchor.
 * @param lost called when the focus has no such element
 */
export function redraw(node: Element, state: unknown, build: () => Child[], lost: () => void = () => {}): void {
  const wanted = JSON.stringify(state) ?? "";
  if (drawn.get(node) === wanted) return;
  drawn.set(node, wanted);
  const active = document.activeElement;
  const held = active !== node && node.contains(active);
  node.replaceChildren(...build());
  if (!held) return;
  const name = active?.getAttribute("data-focus");
  const anchors = [...node.querySelectorAll<HTMLElement>("[data-focus]")];
  const same = anchors.find((other) => other.dataset.focus === name);
  if (same) same.focus({ preventScroll: true });
  else lost();
}

/** Where an arrow key, Home or End leads in a list; undefined for other keys and past the ends. */
export function neighbour<T>(items: readonly T[], item: T, key: string, back: string, forth: string): T | undefined {
  const at = items.indexOf(item);
  const places: Record<string, number> = { [back]: at - 1, [forth]: at + 1, Home: 0, End: items.length - 1 };
  return at < 0 ? undefined : items[places[key] ?? -1];
}
