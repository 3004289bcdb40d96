"""Turn requests into rows to decode and texts to score, as the list of requests grows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Request
from synthkit.models.local import grammar, sampling, template_options
from synthkit.models.local.chat_template import ChatTemplate
from synthkit.models.local.rows import DecodingRow
from synthkit.models.local.vocabulary import Vocabulary

DEFAULT_TOKENS = 1024
"""Most tokens of a completion whose request does not set ``max_tokens``."""


Numbered: TypeAlias = tuple[int, Request]
"""A request and its position."""


class Intake:
    """Takes requests a window at a time.

    Parameters
    ----------
    requests : may grow.
    check : raises for requests that cannot work; called before they are taken.
    name : the model's, for messages.
    rows : most rows that decode together.

    Attributes
    ----------
    waiting : rows that no batch has taken yet.
    """

    def __init__(
        self, requests: Sequence[Request], check: Callable[[], None], *, name: str, rows: int
    ) -> None:
        self.requests, self.check = requests, check
        self.name, self.rows = name, rows
        self.waiting: list[DecodingRow] = []
        self.taken = 0

    def take(self) -> tuple[list[Numbered], list[Numbered]]:
        """Further requests if few rows wait: those to answer, and those to score."""
        self.check()
        if len(self.waiting) >= self.rows:
            return [], []
        window = range(self.taken, min(self.taken + 4 * self.rows, len(self.requests)))
        self.taken = window.stop
        numbered = [(position, self.requests[position]) for position in window]
        return (
            [each for each in numbered if each[1].answer is None],
            [each for each in numbered if each[1].answer is not None],
        )

    def prepare(
        self, asked: Sequence[Numbered], engine: Vocabulary, chat: ChatTemplate
    ) -> Iterator[tuple[int, Completion]]:
        """Append rows to ``waiting``; yields the completions of requests that cannot run.

        They are sorted by length, longest first, so that prompts of similar length are read
        together and long ones do not remain at the end.
        """
        rows = []
        for position, request in asked:
            row = self._row(request, position, engine, chat)
            if isinstance(row, Completion):
                yield position, row
            else:
                rows.append(row)
        rows.sort(key=lambda row: -len(row.prompt))
        self.waiting += rows

    def _row(
        self, request: Request, position: int, engine: Vocabulary, chat: ChatTemplate
    ) -> DecodingRow | Completion:
        """The row of a request, or a completion that says why it cannot run."""
        try:
            check_readable(request)
            prompt, ends = chat.prompt(request, engine.ends)
        except UsageError as error:
            return _refused(0, f"{self.name}: {error}")
        if not prompt:
            return _refused(0, "the prompt is empty; give the model at least one word")
        left = engine.context - len(prompt)
        if left < 1:
            return _refused(
                len(prompt),
                f"the prompt has {len(prompt)} tokens, but {self.name} reads at most "
                f"{engine.context - 1} and writes the rest; shorten it",
            )
        knobs = sampling.knobs(request.sampling)
        constrained = request.schema is not None or request.pattern
        matcher = engine.grammars.matcher(request) if constrained else None
        return DecodingRow(
            position=position,
            request=request,
            prompt=prompt,
            knobs=knobs,
            most=min(request.sampling.max_tokens or DEFAULT_TOKENS, left),
            ends=ends,
            matcher=matcher,
            bias=engine.bias(knobs.token_bias, ends) if knobs.token_bias else None,
        )


def check_readable(request: Request) -> None:
    """Refuse what models on this machine cannot read.

    Raises
    ------
    UsageError
        If the request has images or tools.
    """
    if request.tools or any(message.images for message in request.messages):
        raise UsageError("a model on this machine reads text, and no images or tools")


def _refused(prompt_tokens: int, why: str) -> Completion:
    return Completion(text="", finish="error", prompt_tokens=prompt_tokens, error=why)


def checker(
    requests: Sequence[Request], load: Callable[[], Vocabulary], *, raw: bool
) -> Callable[[], None]:
    """A function that refuses new requests that cannot work, before anything is decoded."""
    checked = 0
    schemas: set[int] = set()

    def check() -> None:
        nonlocal checked
        for request in requests[checked:]:
            if request.answer is not None:
                continue
            bias = sampling.knobs(request.sampling).token_bias
            options = request.sampling.extra.get(template_options.OPTIONS) or {}
            template_options.check_options(options)
            if options and raw:
                raise UsageError(f"{template_options.OPTIONS} need a chat template; got raw=True")
            if bias:
                load().bias(bias, frozenset())
            if request.schema is not None and id(request.schema) not in schemas:
                grammar.grammar(request.schema)
                schemas.add(id(request.schema))
        checked = len(requests)

    return check
