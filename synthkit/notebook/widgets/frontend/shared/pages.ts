// The rows that are in the browser. The kernel has all of them and sends them in pages.

/** Which rows are in a view, and in what order. */
export interface Query { where: string; search: string; which: string; by: string; down: boolean }

export const EVERYTHING: Query = { where: "", search: "", which: "all", by: "", down: false };

/** Sort by a column: ascending, then descending, then not at all. */
export function nextSort(query: Query, by: string): Partial<Query> {
  if (query.by !== by) return { by, down: false };
  return query.down ? { by: "", down: false } : { down: true };
}

const KEPT_ROWS = 4000;
const PATIENCE_MS = 20000;

export class Pages<R> {
  /** Rows by index, least recently used first. */
  readonly kept = new Map<number, R>();
  private readonly asked = new Map<string, { at: number; start: number }>();

  /** @param size how many rows a page has @param ask asks the kernel for the page from a row on */
  constructor(
    readonly size: number,
    private readonly ask: (start: number) => void,
  ) {}

  clear(): void {
    this.kept.clear();
    this.asked.clear();
  }

  /** Take rows that came, from one index on. */
  take(start: number, rows: R[]): void {
    rows.forEach((row, n) => this.kept.set(start + n, row));
    for (const index of this.kept.keys()) {
      if (this.kept.size <= KEPT_ROWS) break;
      this.kept.delete(index);
    }
    for (const [slot, asked] of this.asked) if (asked.start === start) this.asked.delete(slot);
  }

  get(index: number): R | undefined {
    const row = this.kept.get(index);
    if (row) {
      this.kept.delete(index);
      this.kept.set(index, row);
    }
    return row;
  }

  /** Ask for the page around a row that must be drawn. */
  want(index: number): void {
    this.request("here", Math.max(0, index - Math.floor(0.3 * this.size)));
  }

  /** Ask for the rows before `first` and after `last`, of `count` rows. */
  prefetch(first: number, last: number, count: number): void {
    const ahead = Math.floor(0.75 * this.size);
    for (let n = last; n < Math.min(count, last + ahead); n++) {
      if (!this.kept.has(n)) return this.request("near", n);
    }
    for (let n = first - 1; n >= Math.max(0, first - ahead); n--) {
      if (!this.kept.has(n)) return this.request("near", Math.max(0, n - this.size + 1));
    }
  }

  /** Ask for a page: one at a time for each slot. */
  private request(slot: string, start: number): void {
    const now = performance.now();
    const asked = this.asked.get(slot);
    if (asked && now - asked.at < PATIENCE_MS) return;
    this.asked.set(slot, { at: now, start });
    this.ask(start);
  }
}
