// A model without a kernel: it keeps what is sent, and traits are set by hand.

import type { Model } from "../shared/link";

export class FakeModel implements Model {
  readonly sent: any[] = [];
  dead = false;
  private readonly callbacks = new Map<string, ((message: any) => void)[]>();

  constructor(private readonly traits: Record<string, unknown>) {}

  get(name: string): any { return this.traits[name]; }

  on(name: string, callback: (message: any) => void): void {
    this.callbacks.set(name, [...(this.callbacks.get(name) ?? []), callback]);
  }

  send(content: object): void {
    if (this.dead) throw new Error("Cannot send");
    this.sent.push(content);
  }

  /** Deliver a message of the kernel. */
  receive(message: object): void { this.fire("msg:custom", message); }

  /** Set a trait as the kernel does. */
  set(name: string, value: unknown): void {
    this.traits[name] = value;
    this.fire(`change:${name}`, value);
    this.fire("change", undefined);
  }

  /** What was sent of a type. */
  of(type: string): any[] { return this.sent.filter((message) => message.type === type); }

  private fire(name: string, message: unknown): void {
    for (const callback of this.callbacks.get(name) ?? []) callback(message);
  }
}
