// Detects from the widget's own messages whether the kernel is still there.

export const BEAT_MS = 2000;
/** How many beats a kernel may stay silent. While it runs a cell, a Python thread sends beats. */
export const PATIENCE = 4;

export class Heartbeat {
  gone = false;
  private silent = 0;
  private unanswered = false;
  private timer: ReturnType<typeof setInterval> | undefined;

  /**
   * @param ping sends a ping; it throws where nothing can be sent any more
   * @param changed called when the kernel is gone, or back
   */
  constructor(
    private readonly ping: () => void,
    private readonly changed: () => void,
  ) {}

  start(): void {
    if (this.timer !== undefined) return;
    this.timer = setInterval(() => this.beat(), BEAT_MS);
    this.send();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Something has come from the kernel; `answer` if it answers a ping. */
  heard(answer = false): void {
    this.silent = 0;
    if (answer) this.unanswered = false;
    this.set(false);
  }

  private beat(): void {
    this.silent += 1;
    if (this.silent >= PATIENCE) this.set(true);
    // one ping at a time: a busy kernel would have to answer all of them later
    if (!this.unanswered || this.silent % PATIENCE === 0) this.send();
  }

  private send(): void {
    this.unanswered = true;
    try {
      this.ping();
    } catch {
      this.set(true);
    }
  }

  private set(gone: boolean): void {
    if (gone === this.gone) return;
    this.gone = gone;
    this.changed();
  }
}
