// The form that edits a variant: prompt, name and sampling.

import { aria, bar, button, choice, choose, field, make } from "../shared/dom";
import { reveal } from "../shared/text";
import type { LabLink, WholeVariant } from "./link";

export class Editor {
  readonly node = make("form", "sk-lab-editor");
  /** Whether it is open, but the variant has not come yet. */
  waiting = false;
  private key = "";
  private versions: WholeVariant["versions"] = [];
  private readonly title = make("strong", "sk-lab-name");
  private readonly name = field("name");
  private readonly temperature = field("temperature", "", "sk-lab-short");
  private readonly maxTokens = field("max tokens", "", "sk-lab-short");
  private readonly version = choice("version", []);
  private readonly prompt = make("textarea", "sk-input");
  private readonly problem = make("div", "sk-failed");

  /** @param leave puts the focus on the matrix */
  constructor(
    private readonly link: LabLink,
    private readonly view: number,
    private readonly leave: () => void,
  ) {
    this.node.hidden = true;
    this.node.tabIndex = -1;
    aria(this.node, "label", "edit a variant");
    this.prompt.rows = 8;
    this.prompt.spellcheck = false;
    aria(this.prompt, "label", "prompt");
    this.problem.setAttribute("role", "alert");
    for (const input of [this.temperature, this.maxTokens]) input.inputMode = "decimal";
    const fields = [this.name, this.temperature, this.maxTokens, this.version].map((input) =>
      make("label", "sk-label", input.getAttribute("aria-label") ?? "", input),
    );
    this.node.append(
      bar("sk-line", this.title, ...fields),
      make("label", "sk-label sk-lab-prompt", "prompt", this.prompt),
      this.problem,
      bar(
        "sk-line",
        button("Apply", () => this.send("edit"), "Ctrl+Enter"),
        button("Cancel", () => this.close(), "Esc"),
        button("Add as a new variant", () => this.send("add")),
        button("Make it the baseline", () => this.act("baseline")),
        button("Delete", () => this.act("delete")),
      ),
    );
    this.node.addEventListener("submit", (event) => event.preventDefault());
    this.version.addEventListener("change", () => this.fill(Number(this.version.value)));
    this.node.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing) this.close();
      else if (!this.waiting && event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.send("edit");
      else if (!this.waiting) return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  /** Ask for a variant; it is shown when it comes. */
  open(key: string): void {
    this.wait();
    this.link.ask({ type: "variant", view: this.view, key });
  }

  /** Take the focus before the variant comes, so that keys pressed meanwhile are no commands. */
  wait(): void {
    if (this.link.gone) return;
    this.hold(true);
    this.title.replaceChildren("Loading…");
    this.node.hidden = false;
    this.node.focus({ preventScroll: true });
  }

  /** Show a variant, unless the form was closed before it came. */
  show({ key, name, at, versions }: WholeVariant): void {
    if (!this.waiting) return;
    this.hold(false);
    this.key = key;
    this.versions = versions;
    this.title.replaceChildren(`Edit ${key}`);
    this.name.value = name;
    choose(this.version, versions.map((_, n) => [String(n), `${n + 1} of ${versions.length}`]));
    this.version.value = String(at);
    this.fill(at);
    this.problem.replaceChildren();
    this.prompt.focus();
    this.node.scrollIntoView({ block: "nearest" });
  }

  /** Say why an edit was refused. */
  refuse(message: string): void {
    this.problem.replaceChildren("✗ ", reveal(message, true));
    this.prompt.focus();
  }

  close(): void {
    if (this.node.hidden) return;
    this.hold(false);
    this.node.hidden = true;
    this.leave();
  }

  /** Let nothing in the form be used while it waits. */
  private hold(waiting: boolean): void {
    this.waiting = waiting;
    for (const part of this.node.children) (part as HTMLElement).inert = waiting;
  }

  /** Fill the fields from a version. */
  private fill(at: number): void {
    const [prompt, temperature, maxTokens] = this.versions[at];
    this.prompt.value = prompt;
    this.temperature.value = String(temperature ?? "");
    this.maxTokens.value = String(maxTokens ?? "");
  }

  private send(type: "edit" | "add"): void {
    const { prompt, name, temperature, maxTokens } = this;
    this.link.ask({
      ...{ type, view: this.view, key: this.key, prompt: prompt.value, name: name.value },
      ...{ temperature: temperature.value, max_tokens: maxTokens.value },
    });
  }

  private act(type: "baseline" | "delete"): void {
    this.link.ask({ type, key: this.key });
    this.close();
  }
}
