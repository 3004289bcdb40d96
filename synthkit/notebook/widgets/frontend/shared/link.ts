// What all views of one model share: the messages, and whether the kernel is still there.

import { Heartbeat } from "./heartbeat";

/** The part of anywidget's model that is used. */
export interface Model {
  get(name: string): any; on(name: string, callback: (message: any) => void): void;
  send(content: object): void;
}

export interface Message { type: string }

export const WAIT_MS = 500;

export abstract class Link<M extends Message = Message> {
  readonly views = new Set<() => void>();
  failure = "";
  private asked = 0;
  private readonly heart = new Heartbeat(() => this.model.send({ type: "ping" }), () => this.changed());

  constructor(readonly model: Model) {
    model.on("msg:custom", (message) => this.hear(message));
    model.on("change", () => {
      this.asked = 0;
      this.heart.heard();
    });
    model.on("change:error", () => this.changed());
  }

  get gone(): boolean { return this.heart.gone; }

  /** Whether the answer to a request is late. */
  get slow(): boolean { return !this.gone && this.asked > 0 && performance.now() - this.asked >= WAIT_MS; }

  /** Add a view, which is called on changes; the first view starts the heartbeat. */
  attach(changed: () => void): () => void {
    this.views.add(changed);
    this.heart.start();
    return () => {
      this.views.delete(changed);
      if (!this.views.size) this.heart.stop();
    };
  }

  fail(failure: string): void {
    this.failure = failure;
    this.changed();
  }

  changed(): void {
    for (const changed of this.views) changed();
  }

  send(message: object): void {
    try {
      this.model.send(message);
    } catch (error) {
      if (!this.gone) this.fail(`The message could not be sent to the kernel: ${error}`);
    }
  }

  /** Send a request that a person waits for: the views show it if the answer takes long. */
  ask(message: object): void {
    if (this.gone) return;
    this.asked ||= performance.now();
    setTimeout(() => this.changed(), WAIT_MS + 10);
    this.send(message);
  }

  /** Take a message from the kernel. */
  protected abstract receive(message: M): void;

  private hear(message: Message): void {
    this.heart.heard(message.type === "pong");
    if (message.type === "pong" || message.type === "beat") return;
    this.asked = 0;
    try {
      this.receive(message as M);
    } catch (error) {
      this.failure = `This widget failed: ${error}`;
    }
    this.changed();
  }
}
