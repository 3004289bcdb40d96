// Where points are on the screen, and which one is nearest.

export type Spot = [x: number, y: number];

export const EDGE = 14;
const MOST_CORNERS = 300;

/** The place of a point in pixels, from 0..1 coordinates. */
export function place(x: number, y: number, [width, height]: Spot): Spot {
  return [EDGE + x * (width - 2 * EDGE), EDGE + (1 - y) * (height - 2 * EDGE)];
}

/** The index of the spot nearest to another, within reach; -1 if there is none. */
export function nearest(spots: (Spot | null)[], [px, py]: Spot, reach = Infinity): number {
  return closest(spots, ([x, y]) => Math.hypot(x - px, y - py), reach);
}

/** The index of the nearest spot in a direction from another, where what lies aside is farther. */
export function ahead(spots: (Spot | null)[], [px, py]: Spot, [dx, dy]: Spot): number {
  return closest(spots, ([x, y]) => {
    const along = (x - px) * dx + (y - py) * dy;
    const aside = Math.abs((x - px) * dy) + Math.abs((y - py) * dx);
    return along > 0.01 ? along + 2 * aside : Infinity;
  });
}

function closest(spots: (Spot | null)[], distance: (spot: Spot) => number, reach = Infinity): number {
  let best = -1;
  let least = reach;
  for (const [i, spot] of spots.entries()) {
    const far = spot ? distance(spot) : Infinity;
    if (far < least) [best, least] = [i, far];
  }
  return best;
}

/** A drawn line in 0..1 coordinates, with few enough corners for the kernel. */
export function corners(line: Spot[], [width, height]: Spot): number[][] {
  const every = Math.ceil(line.length / MOST_CORNERS);
  return line
    .filter((_, n) => n % every === 0)
    .map(([x, y]) => [(x - EDGE) / (width - 2 * EDGE), 1 - (y - EDGE) / (height - 2 * EDGE)])
    .map((spot) => spot.map((value) => Math.round(value * 1e4) / 1e4));
}

/** Whether a line is large enough to be meant as a selection, and not as a click. */
export function isArea(line: Spot[]): boolean {
  const xs = line.map(([x]) => x);
  const ys = line.map(([, y]) => y);
  return line.length > 2 && Math.max(...xs) - Math.min(...xs) + Math.max(...ys) - Math.min(...ys) > 6;
}
