// Where rows are in a table of which only a window is drawn. All rows have one height, but open ones.

export class Heights {
  row = 26;
  /** How much taller than a closed row each open row is. */
  readonly open = new Map<number, number>();

  /** The height of a row. */
  of(index: number): number {
    return this.row + (this.open.get(index) ?? 0);
  }

  /** The distance from the top of the first row to the top of another. */
  top(index: number): number {
    let top = index * this.row;
    for (const [open, extra] of this.open) if (open < index) top += extra;
    return top;
  }

  /** The row at a distance from the top of the first, of so many rows. */
  at(top: number, count: number): number {
    let above = 0;
    for (const index of [...this.open.keys()].sort((a, b) => a - b)) {
      const bottom = (index + 1) * this.row + above;
      const extra = this.open.get(index) ?? 0;
      if (bottom > top) break;
      if (bottom + extra > top) return index;
      above += extra;
    }
    return Math.max(0, Math.min(count, Math.floor((top - above) / this.row)));
  }

  /** Take a row's height as it was drawn. */
  measure(index: number, height: number): void {
    if (this.open.has(index)) this.open.set(index, Math.max(0, height - this.row));
    else if (Math.abs(height - this.row) > 0.01) this.row = height;
  }
}
