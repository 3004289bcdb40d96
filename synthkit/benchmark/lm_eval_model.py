"""lm-eval's view of a model: each of its instances as requests, answered once and kept."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from lm_eval.api.model import LM
from lm_eval.models.utils import normalize_gen_kwargs, postprocess_generated_text

from synthkit.core.errors import ModelError, UsageError
from synthkit.core.types import Completion, Ledger, Message, Model, Reject, Request, Sampling, Steps
from synthkit.evaluate._report import Progress
from synthkit.generation.branches import Answer
from synthkit.generation.runner import RowEvent, run_recipe
from synthkit.models.openai.model import Endpoint
from synthkit.models.transformers.model import Local
from synthkit.prompts.templates import Turns
from synthkit.recipes._logprobs import token_logprobs
from synthkit.store.store import Store

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

T = TypeVar("T")

MOST_STOPS = 4
"""Stop texts that servers take; all of them are looked for in the answer."""


class Asking(LM):  # type: ignore[misc] # lm-eval comes without types
    """An ``lm_eval.api.model.LM`` that asks a synthkit model, through a store.

    A chat model gets the turns as turns. One that was loaded with ``raw=True`` gets a text to
    continue, which ends before the blanks that lm-eval counts to the answer. An answer that is
    scored is tokenized by itself; lm-eval's own models tokenize it with the text before it, which
    is the same for tokenizers that begin a word with its blank (GPT-2, Llama 3, Qwen, SmolLM).

    Parameters
    ----------
    tasks : name -> the tasks that will be asked.
    seed : of answers that are drawn.
    """

    def __init__(
        self,
        model: Model,
        store: Store,
        tasks: Mapping[str, Any],
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        super().__init__()
        self.model, self.store, self.tasks = model, store, tasks
        self.seed, self.progress = seed, progress
        self.ledgers: list[Ledger] = []
        self.asked: Sequence[Instance] = ()
        self.answered = self.total = 0
        # whether an answer is what the model would write takes a request more
        self.greedy = {
            name
            for name, task in tasks.items()
            if task.OUTPUT_TYPE == "loglikelihood" or "exact_match" in task.higher_is_better()
        }

    @property
    def ledger(self) -> Ledger:
        """What all that was asked took."""
        costs = [one.cost for one in self.ledgers]
        counts = ("requests", "answers", "hits", "prompt_tokens", "completion_tokens", "seconds")
        return Ledger(
            **{name: sum(getattr(one, name) for one in self.ledgers) for name in counts},
            cost=None if None in costs else math.fsum(cost or 0.0 for cost in costs),
        )

    @property
    def tokenizer_name(self) -> str:
        """Names the chat template, for lm-eval."""
        return self.model.name

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """The turns as JSON: lm-eval hands them on as a text."""
        if not add_generation_prompt:
            raise UsageError(
                "a task with gen_prefix begins the model's answer, which a chat cannot; load the "
                "model with raw=True."
            )
        return json.dumps(chat_history, ensure_ascii=False)

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """(log-probability of the answer, whether greedy decoding gives it) of each instance."""
        return self._answers(requests, map(self._likelihood, requests))

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """The log-probability of each whole text.

        As lm-eval does, the first token is scored after the token that begins or ends texts; but
        in a chat model, and in a text beyond the context, it is not scored. Such a text is read in
        windows that overlap by half.
        """
        return self._answers(requests, map(self._rolling, requests))

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """What the model writes for each instance, up to its stop texts."""
        seen: Counter[int] = Counter()
        steps = []
        for one in requests:
            steps.append(self._written(one, seen[id(one)]))
            seen[id(one)] += 1  # lm-eval repeats an instance for further samples
        return self._answers(requests, steps)

    def _likelihood(self, one: Instance) -> Steps[tuple[float, bool]]:
        context, answer = one.args
        if not is_chat(self.model):
            bare = context.rstrip()
            context, answer = bare, context[len(bare) :] + answer
        turns = self._turns(context)
        (found,) = yield [Request(turns, answer=answer)]
        values = self._values(one, found)
        if one.task_name not in self.greedy:
            return math.fsum(values), False
        greedily = Sampling(temperature=0, max_tokens=len(values))
        (said,) = yield [Request(turns, greedily)]
        if said.finish == "error":
            raise self._failed(one, said.error)
        return math.fsum(values), said.text.strip() == answer.strip()

    def _rolling(self, one: Instance) -> Steps[float]:
        (text,) = one.args
        if not is_chat(self.model):
            (found,) = yield [Request(self._turns(""), answer=text)]
            if found.finish != "error":
                return math.fsum(self._values(one, found))
        (found,) = yield [Request((), answer=text)]
        return math.fsum(self._values(one, found))

    def _written(self, one: Instance, index: int) -> Steps[str]:
        context, given = one.args
        options = dict(normalize_gen_kwargs(given))
        until = [stop for stop in options.pop("until") if stop]
        drawn = options.pop("do_sample")
        temperature = options.pop("temperature", 1.0) if drawn else 0.0
        sampling = Sampling(
            temperature=temperature,
            top_p=options.pop("top_p", None),
            max_tokens=options.pop("max_gen_toks"),
            seed=self.seed if temperature else 0,
            stop=tuple(until[:MOST_STOPS] if isinstance(self.model, Endpoint) else until),
            extra=options,
        )
        (found,) = yield [Request(self._turns(context), sampling, index=index)]
        if found.finish == "error":
            raise self._failed(one, found.error)
        return str(postprocess_generated_text(found.text, until, None))

    def _turns(self, context: str) -> Turns:
        """What stands before an answer."""
        if is_chat(self.model) and context:
            return tuple(Message(turn["role"], turn["content"]) for turn in json.loads(context))
        return (Message("user", context or self._beginning()),)

    def _beginning(self) -> str:
        """What stands before a text by itself: the token that begins texts, or else ends them."""
        if is_chat(self.model) or not isinstance(self.model, Local):
            return ""
        tokenizer = self.model.load().tokenizer
        own = tokenizer("")["input_ids"]
        return "" if own else str(tokenizer.bos_token or tokenizer.eos_token)

    def _values(self, one: Instance, found: Completion) -> list[float]:
        values = token_logprobs(found)
        if isinstance(values, Reject):
            raise self._failed(one, values.reason)
        return values

    def _failed(self, one: Instance, why: str) -> ModelError:
        return ModelError(
            f"{one.task_name}, document {one.doc_id}: {why}. What was answered is kept: the same "
            "call goes on from there."
        )

    def _answers(self, requests: Sequence[Instance], steps: Iterable[Steps[T]]) -> list[T]:
        """What the steps of each instance return; they run side by side."""
        self.asked = requests
        self.total = sum(one.repeats for task in self.tasks.values() for one in task.instances)
        outcome = run_recipe(steps, models={"": self.model}, store=self.store, listener=self)
        self.ledgers.append(outcome.ledger)
        if outcome.error is not None:
            raise outcome.error
        if outcome.ledger.stopped == "interrupted":
            raise KeyboardInterrupt
        if len(outcome.results) < len(requests):
            raise ModelError(
                f"the benchmark stopped after {len(outcome.results)} of {len(requests)} answers: "
                f"{outcome.ledger.stopped}. They are kept: the same call goes on from there."
            )
        return [outcome.results[at] for at in range(len(requests))]

    def row_made(self, event: RowEvent) -> None:
        """Nothing: no rows are made."""

    def tick(self, ledger: Ledger) -> None:
        """Nothing: what counts is what is done."""

    def branch_ended(self, position: int, result: Any, answers: Sequence[Answer]) -> None:
        """Tell who follows."""
        self.answered += 1
        if self.progress is not None:
            self.progress(self.answered, self.total, str(self.asked[position].task_name))


def is_chat(model: Model) -> bool:
    """Whether a model is asked in turns; else it continues a text as it stands."""
    if isinstance(model, Local):
        return not model.settings.raw
    return not (isinstance(model, Endpoint) and model.raw)
