// The lineage of the tables: boxes in layers from left to right, along which the arrow keys go.

import { type Child, anchor, aria, make, named, neighbour, redraw, vector } from "../shared/dom";
import { count, thousands } from "../shared/text";
import type { Box, Edge, Graph } from "./book";

const BOX = { width: 144, height: 40, across: 136, down: 12 };
/** How small it is drawn at most, so that it fits; what is still wider can be scrolled. */
const SMALLEST = 0.75;

interface Place { x: number; y: number; node: SVGElement }

export class Lineage {
  readonly node = make("div", "sk-session-lineage");
  private current = "";
  private readonly boxes = new Map<string, Place>();
  private edges: Edge[] = [];

  /** @param choose goes to the table of a box */
  constructor(private readonly choose: (name: string) => void) {
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("focusin", (event) => {
      const { name } = (event.target as SVGElement).dataset;
      if (name !== undefined) this.rove(name);
    });
  }

  draw(graph: Graph): void {
    this.node.hidden = !graph.boxes.length;
    if (graph.boxes.length) redraw(this.node, graph, () => this.build(graph));
  }

  private build(graph: Graph): Child[] {
    this.edges = graph.edges;
    this.boxes.clear();
    for (const { name, x, y } of graph.boxes) {
      const [across, down] = [2 + x * (BOX.width + BOX.across), 2 + y * (BOX.height + BOX.down)];
      this.boxes.set(name, { x: across, y: down, node: vector("g") });
    }
    const places = [...this.boxes.values()];
    const width = Math.max(...places.map((box) => box.x)) + BOX.width + 2;
    const height = Math.max(...places.map((box) => box.y)) + BOX.height + 2;
    const svg = named(vector("svg", { viewBox: `0 0 ${width} ${height}`, width }), "group", "lineage of the tables");
    svg.style.minWidth = `${SMALLEST * width}px`;
    const lines = vector("g", { "aria-hidden": "true" });
    const labels: { x: number; y: number }[] = [];
    const parts = graph.edges.flatMap((edge) => this.edge(edge, labels));
    const isText = (part: SVGElement) => part.tagName === "text";
    // no line goes through a label
    lines.append(...parts.filter((part) => !isText(part)), ...parts.filter(isText));
    svg.append(lines, ...graph.boxes.map((box) => this.box(box)));
    const words = graph.edges.map(([source, target, kind, rows]) =>
      make("li", "", `${target}: ${count(rows, "row")} ${kind} ${source}`),
    );
    const list = make("ul", "sk-aloud", ...words);
    aria(list, "label", "lineage in words");
    this.rove(this.boxes.has(this.current) ? this.current : graph.boxes[0].name);
    const { hidden } = graph;
    return hidden ? [svg, list, make("p", "sk-faint", `${count(hidden, "older table")} not drawn`)] : [svg, list];
  }

  private box({ name, rows }: Box): SVGElement {
    const { x, y, node } = this.boxes.get(name) as Place;
    const origins = this.edges.filter((edge) => edge[1] === name);
    const words = origins.map(([source, , kind, n]) => `${count(n, "row")} ${kind} ${source}`).join(", ");
    named(node, "button", [`${name}, ${count(rows, "row")}`, words].filter(Boolean).join(": "));
    anchor(node, `node ${name}`).setAttribute("class", "sk-session-node");
    node.dataset.name = name;
    node.append(
      vector("title", {}, name),
      vector("rect", { x, y, width: BOX.width, height: BOX.height, rx: 4 }),
      vector("text", { x: x + 8, y: y + 17 }, name.length > 18 ? `${name.slice(0, 17)}…` : name),
      vector("text", { x: x + 8, y: y + 33, class: "sk-session-rows" }, count(rows, "row")),
    );
    node.addEventListener("click", () => this.choose(name));
    return node;
  }

  /** @param labels the places of the labels so far; a new one is moved below them */
  private edge([source, target, kind, rows]: Edge, labels: { x: number; y: number }[]): SVGElement[] {
    const [from, to] = [this.boxes.get(source), this.boxes.get(target)];
    if (!from || !to) return [];
    const [x, y] = [from.x + BOX.width, from.y + BOX.height / 2];
    const [end, level] = [to.x, to.y + BOX.height / 2];
    const bend = end - BOX.across / 2;
    const path = `M${x} ${y} H${end - BOX.across} C${bend} ${y} ${bend} ${level} ${end - 6} ${level}`;
    const label = { x: bend - 2, y: (y + level) / 2 + 4 };
    while (labels.some((other) => other.x === label.x && Math.abs(other.y - label.y) < 14)) label.y += 14;
    labels.push(label);
    return [
      vector("path", { d: path, class: kind === "part of" ? "sk-session-part" : "sk-session-made" }),
      vector("path", { d: `M${end - 7} ${level - 4} L${end} ${level} L${end - 7} ${level + 4} Z`, class: "sk-session-tip" }),
      vector("text", { ...label, class: "sk-session-label" }, `${thousands(rows)} ${kind}`),
    ];
  }

  /** Let Tab lead to this box, and to no other. */
  private rove(name: string): void {
    this.current = name;
    for (const [other, { node }] of this.boxes) node.setAttribute("tabindex", other === name ? "0" : "-1");
  }

  private key(event: KeyboardEvent): void {
    const { name } = (event.target as SVGElement).dataset;
    if (name === undefined) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (!event.repeat) this.choose(name);
      return;
    }
    const next = this.beside(name, event.key);
    if (next === undefined) return;
    event.preventDefault();
    this.boxes.get(next)?.node.focus();
  }

  /** The box that an arrow key leads to. */
  private beside(name: string, key: string): string | undefined {
    if (key === "ArrowLeft") return this.edges.find((edge) => edge[1] === name)?.[0];
    if (key === "ArrowRight") return this.edges.find((edge) => edge[0] === name)?.[1];
    const layer = [...this.boxes].filter(([, box]) => box.x === this.boxes.get(name)?.x).map(([other]) => other);
    return neighbour(layer, name, key, "ArrowUp", "ArrowDown");
  }
}
