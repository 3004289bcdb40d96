// The queue of acts. Each key becomes an act; one act at a time goes to the kernel, and the row on
// the screen changes when the kernel says that the act is on disk.

import { Link, type Model } from "../shared/link";
import type { Explanation, Message, Row, Shown } from "./messages";

export const BUSY_MS = 300;
export const RESEND_MS = 20000;

/** What to send when its turn comes; nothing if no kernel is needed. */
export type Job = (shown: Shown) => object | null | undefined;

interface Waiting {
  job: Job;
  /** Called with whether the kernel has done it. */
  ended?: (done: boolean) => void;
  /** Whether it decides what the keys after it mean. */
  opens?: boolean;
}

interface Sent { seq: number; act: object; at: number; ended?: (done: boolean) => void }

export class MarkQueue extends Link<Message> {
  /** The act that the kernel has not answered yet. */
  sent: Sent | null = null;
  /** How many acts were discarded, since an act before them failed. */
  discarded = 0;
  explanation: Explanation | null = null;
  waiting: Waiting[] = [];
  private readonly client = Math.random().toString(36).slice(2);
  private seq = 0;
  private running = false;
  private resend: ReturnType<typeof setTimeout> | undefined;
  private whole: Partial<Row> | null = null;
  private askedWhole = 0;

  constructor(model: Model) {
    super(model);
    model.on("change:shown", () => this.take());
  }

  get shown(): Shown { return this.model.get("shown"); }

  /** Whether an act that waits decides what the next keys mean. */
  get opening(): boolean { return this.waiting.some(({ opens }) => opens); }

  push(job: Job, ended?: (done: boolean) => void, opens = false): void {
    if (this.gone) {
      ended?.(false);
      return;
    }
    this.discarded = 0;
    if (this.running) {
      // an act that another one asks for goes before the keys that were pressed after it
      this.waiting.unshift({ job, ended, opens });
      return;
    }
    this.waiting.push({ job, ended, opens });
    this.pump();
  }

  override changed(): void {
    const { sent } = this;
    if (this.gone && sent) {
      this.sent = null;
      this.discarded = 1;
      sent.ended?.(false);
      this.discard();
    }
    super.changed();
  }

  /** The row with its long texts, which are asked for once for each turn. */
  full(row: Row): Row {
    if (![row.text, row.original, row.right, row.prompt].some(Array.isArray)) return row;
    const { turn } = this.shown;
    if (this.askedWhole !== turn && !this.gone) {
      this.askedWhole = turn;
      this.send({ type: "whole", id: row.id });
    }
    return this.whole?.id === row.id ? { ...row, ...this.whole } : row;
  }

  protected receive(message: Message): void {
    if (message.type === "whole") this.whole = message;
    else this.explanation = message;
  }

  /** Send the next act, if none is under way. What needs no kernel is done on the way. */
  private pump(): void {
    while (!this.sent && !this.gone) {
      const next = this.waiting.shift();
      if (!next) break;
      const act = this.carryOut(next.job);
      if (!act) continue;
      this.seq += 1;
      const content = { type: "act", client: this.client, seq: this.seq, ...act };
      this.sent = { seq: this.seq, act: content, at: performance.now(), ended: next.ended };
      this.dispatch(this.sent);
    }
    this.changed();
  }

  private carryOut(job: Job): object | null | undefined {
    this.running = true;
    try {
      return job(this.shown);
    } finally {
      this.running = false;
    }
  }

  /** Send an act, and send it again if no answer comes: the kernel knows it by its number. */
  private dispatch(sent: Sent): void {
    this.send(sent.act);
    clearTimeout(this.resend);
    this.resend = setTimeout(() => {
      if (this.sent === sent && !this.gone) this.dispatch(sent);
    }, RESEND_MS);
    setTimeout(() => this.sent === sent && this.changed(), BUSY_MS + 10);
  }

  private take(): void {
    const [client, seq, done] = this.shown.answered;
    const { sent } = this;
    if (sent && client === this.client && seq === sent.seq) {
      this.sent = null;
      clearTimeout(this.resend);
      sent.ended?.(done);
      if (!done) this.discard();
      this.pump();
    }
    this.changed();
  }

  /** Discard the acts that wait: they were meant for rows that do not come now. */
  private discard(): void {
    const { waiting } = this;
    this.waiting = [];
    this.discarded += waiting.length;
    for (const { ended } of waiting) ended?.(false);
  }
}
