"""An ``lm_eval`` model that sends requests to a synthkit model, with cached completions."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from lm_eval.api.model import LM
from lm_eval.models.utils import normalize_gen_kwargs, postprocess_generated_text

from synthkit.core.errors import ModelError, UsageError
from synthkit.core.models import Activity, Ledger, Model
from synthkit.core.types import Completion, Message, Reject, Request, Sampling, Steps
from synthkit.evaluate._report import Progress
from synthkit.generation.branches import Answer
from synthkit.generation.rows import RowEvent
from synthkit.generation.runner import run_recipe
from synthkit.models.local_model import Local
from synthkit.models.openai.model import Endpoint
from synthkit.prompts.templates import Turns
from synthkit.recipes._logprobs import token_logprobs
from synthkit.store.store import Store

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

T = TypeVar("T")

MOST_STOPS = 4
"""Most stop texts that servers accept; an answer is cut at any of the others too."""


class SynthkitLM(LM):  # type: ignore[misc] # lm-eval comes without types
    """An ``lm_eval.api.model.LM`` that sends requests to a synthkit model, through a store.

    A chat model gets a conversation. A model loaded with ``raw=True`` gets a text to continue,
    which ends before the blanks that lm-eval counts as part of the answer. An answer to score is
    tokenized by itself; lm-eval's own models tokenize it together with the text before it, which is
    equal for tokenizers that begin a word with its blank (GPT-2, Llama 3, Qwen, SmolLM).

    Parameters
    ----------
    tasks : name -> lm-eval's task.
    seed : of sampled answers.
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
        self.instances: Sequence[Instance] = ()
        self.answered = self.total = 0
        # tasks that need to know whether greedy decoding gives an answer, with a further request
        self.greedy = {
            name
            for name, task in tasks.items()
            if task.OUTPUT_TYPE == "loglikelihood" or "exact_match" in task.higher_is_better()
        }

    @property
    def ledger(self) -> Ledger:
        """The requests, tokens and cost of all calls together."""
        costs = [ledger.cost for ledger in self.ledgers]
        counts = ("requests", "answers", "hits", "prompt_tokens", "completion_tokens", "seconds")
        return Ledger(
            **{name: sum(getattr(ledger, name) for ledger in self.ledgers) for name in counts},
            cost=None if None in costs else math.fsum(cost or 0.0 for cost in costs),
        )

    @property
    def tokenizer_name(self) -> str:
        """The name of the chat template, for lm-eval."""
        return self.model.name

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """The conversation as JSON, since lm-eval passes it on as a text."""
        if not add_generation_prompt:
            raise UsageError(
                "a task with gen_prefix begins the model's answer, which a chat cannot; load the "
                "model with raw=True."
            )
        return json.dumps(chat_history, ensure_ascii=False)

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """(log-probability, whether greedy decoding gives it) of each instance's answer."""
        return self._answers(requests, map(self._likelihood, requests))

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """The log-probability of each whole text.

        As in lm-eval, the first token is scored after the token that begins or ends texts, except
        for a chat model and for a text longer than the context, where it is not scored. A longer
        text is scored in windows that overlap by half.
        """
        return self._answers(requests, map(self._rolling, requests))

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """The text that the model writes for each instance, up to its stop texts."""
        seen: Counter[int] = Counter()
        steps = []
        for instance in requests:
            steps.append(self._text(instance, seen[id(instance)]))
            seen[id(instance)] += 1  # lm-eval repeats an instance for further samples
        return self._answers(requests, steps)

    def _likelihood(self, instance: Instance) -> Steps[tuple[float, bool]]:
        context, answer = instance.args
        if not is_chat(self.model):
            bare = context.rstrip()
            context, answer = bare, context[len(bare) :] + answer
        turns = self._turns(context)
        (completion,) = yield [Request(turns, answer=answer)]
        values = self._values(instance, completion)
        if instance.task_name not in self.greedy:
            return math.fsum(values), False
        greedy = Sampling(temperature=0, max_tokens=len(values))
        (completion,) = yield [Request(turns, greedy)]
        if completion.finish == "error":
            raise self._failed(instance, completion.error)
        return math.fsum(values), completion.text.strip() == answer.strip()

    def _rolling(self, instance: Instance) -> Steps[float]:
        (text,) = instance.args
        if not is_chat(self.model):
            (completion,) = yield [Request(self._turns(""), answer=text)]
            if completion.finish != "error":
                return math.fsum(self._values(instance, completion))
        (completion,) = yield [Request((), answer=text)]
        return math.fsum(self._values(instance, completion))

    def _text(self, instance: Instance, index: int) -> Steps[str]:
        context, gen_kwargs = instance.args
        options = dict(normalize_gen_kwargs(gen_kwargs))
        until = [stop for stop in options.pop("until") if stop]
        samples = options.pop("do_sample")
        given = options.pop("temperature", 1.0)
        temperature = given if samples else 0.0
        sampling = Sampling(
            temperature=temperature,
            top_p=options.pop("top_p", None),
            max_tokens=options.pop("max_gen_toks"),
            seed=self.seed if temperature else 0,
            stop=tuple(until[:MOST_STOPS] if isinstance(self.model, Endpoint) else until),
            extra=options,
        )
        (completion,) = yield [Request(self._turns(context), sampling, index=index)]
        if completion.finish == "error":
            raise self._failed(instance, completion.error)
        return str(postprocess_generated_text(completion.text, until, None))

    def _turns(self, context: str) -> Turns:
        """The turns before an answer."""
        if is_chat(self.model) and context:
            return tuple(Message(turn["role"], turn["content"]) for turn in json.loads(context))
        return (Message("user", context or self._start()),)

    def _start(self) -> str:
        """The token before a text by itself: the one that begins texts, otherwise the end token."""
        if is_chat(self.model) or not isinstance(self.model, Local):
            return ""
        tokenizer = self.model.load().tokenizer
        added = tokenizer("")["input_ids"]
        return "" if added else str(tokenizer.bos_token or tokenizer.eos_token)

    def _values(self, instance: Instance, completion: Completion) -> list[float]:
        """The log-probabilities of an answer's tokens."""
        values = token_logprobs(completion)
        if isinstance(values, Reject):
            raise self._failed(instance, values.reason)
        return values

    def _failed(self, instance: Instance, reason: str) -> ModelError:
        return ModelError(
            f"{instance.task_name}, document {instance.doc_id}: {reason}. Completions so far are "
            "cached: the same call continues from there."
        )

    def _answers(self, requests: Sequence[Instance], steps: Iterable[Steps[T]]) -> list[T]:
        """The results of each instance's steps, which run concurrently."""
        self.instances = requests
        self.total = sum(i.repeats for task in self.tasks.values() for i in task.instances)
        outcome = run_recipe(steps, models={"": self.model}, store=self.store, listener=self)
        self.ledgers.append(outcome.ledger)
        if outcome.error is not None:
            raise outcome.error
        if outcome.ledger.stopped == "interrupted":
            raise KeyboardInterrupt
        if len(outcome.results) < len(requests):
            raise ModelError(
                f"the benchmark stopped after {len(outcome.results)} of {len(requests)} answers: "
                f"{outcome.ledger.stopped}. They are cached: the same call continues from there."
            )
        return [outcome.results[at] for at in range(len(requests))]

    def row_made(self, event: RowEvent) -> None:
        """Ignored: there are no rows."""

    def tick(self, ledger: Ledger, activity: Activity) -> None:
        """Ignored: progress counts answers."""

    def branch_ended(self, position: int, result: Any, answers: Sequence[Answer]) -> None:
        """Report the progress."""
        self.answered += 1
        if self.progress is not None:
            self.progress(self.answered, self.total, str(self.instances[position].task_name))


def is_chat(model: Model) -> bool:
    """Whether a model gets a conversation; otherwise it continues a text."""
    if isinstance(model, Local):
        return not model.settings.raw
    return not (isinstance(model, Endpoint) and model.raw)
