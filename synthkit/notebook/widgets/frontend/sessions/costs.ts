// The cumulative cost of the runs, as a curve and as a table.

import { anchor, make, named, vector } from "../shared/dom";
import { sheet } from "../shared/parts";
import { moment, thousands } from "../shared/text";
import type { Costs } from "./book";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [560, 208, 88, 16, 16, 40];

export function curve({ points, unit }: Costs): HTMLElement[] {
  const [first, last] = [points[0][0], points[points.length - 1][0]];
  const spent = points[points.length - 1][1];
  const most = spent || 1;
  const x = (at: number) => LEFT + ((at - first) / (last - first || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => HEIGHT - BOTTOM - (value / most) * (HEIGHT - TOP - BOTTOM);
  const inTokens = unit === "tokens";
  const amount = (value: number) => {
    if (inTokens) return thousands(Math.round(value));
    return `$${value && value < 0.01 ? value.toPrecision(2) : value.toFixed(2)}`;
  };
  const label = (at: number, level: number, text: string, anchor: string) =>
    vector("text", { x: at, y: level, "text-anchor": anchor }, text);
  const reading = `${amount(spent)}${inTokens ? " tokens" : ""} in total`;
  const seconds = last - first < 600;
  const svg = vector("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "sk-session-curve" });
  named(svg, "img", `${unit} spent over time: ${reading}; the table below has the points`);
  for (const value of [0, most / 2, most]) {
    svg.append(
      vector("path", { d: `M${LEFT} ${y(value)} H${WIDTH - RIGHT}`, class: "sk-session-rule" }),
      label(LEFT - 8, y(value) + 4, amount(value), "end"),
    );
  }
  const steps = points.map(([at, value]) => `H${x(at)} V${y(value)}`).join(" ");
  svg.append(
    vector("path", { d: `M${LEFT} ${y(0)} ${steps} H${WIDTH - RIGHT}`, class: "sk-session-line" }),
    label(LEFT, HEIGHT - 20, moment(first, seconds), "start"),
    ...(last > first ? [label(WIDTH - RIGHT, HEIGHT - 20, moment(last, seconds), "end")] : []),
    label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "time of the run", "middle"),
    vector(
      "text",
      { transform: `translate(12 ${(HEIGHT - BOTTOM) / 2}) rotate(-90)`, "text-anchor": "middle" },
      `${unit}, cumulative`,
    ),
  );
  const rows = points.map(([at, value, run]) => [moment(at, seconds), String(run), amount(value)]);
  const summary = anchor(make("summary", "", "Show as a table"), "twin");
  const twin = make("details", "", summary, sheet("spending", ["time", "up to run", unit], rows, [1, 2]));
  const drawing = make("div");
  drawing.append(svg);
  return [drawing, make("p", "sk-faint", `${reading}.`), twin];
}
