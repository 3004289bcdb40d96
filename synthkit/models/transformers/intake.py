"""Turn requests into rows to decode and texts to score, as the list of requests grows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Request
from synthkit.models.transformers import chat_template, grammar, sampling
from synthkit.models.transformers.chat_template import ChatTemplate
from synthkit.models.transformers.rows import DecodingRow
from synthkit.models.transformers.vocabulary import Vocabulary

if TYPE_CHECKING:
    from synthkit.models.transformers.scoring import ScoredText

DEFAULT_TOKENS = 1024
"""Most tokens of a completion whose request does not set ``max_tokens``."""


class Intake:
    """Takes requests a window at a time.

    Parameters
    ----------
    requests : may grow.
    check : raises for requests that cannot work; called before they are taken.
    name : the model's, for messages.
    chat : renders prompts.
    rows : most rows that decode together.
    scored : makes a text to score of a request with an answer; ``None`` if the model cannot score.

    Attributes
    ----------
    waiting : rows that no batch has taken yet.
    texts : texts that are not scored yet.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        engine: Vocabulary,
        check: Callable[[], None],
        *,
        name: str,
        chat: ChatTemplate,
        rows: int,
        scored: Callable[..., ScoredText | Completion] | None = None,
    ) -> None:
        self.requests, self.engine, self.check = requests, engine, check
        self.name, self.chat, self.rows, self.scored = name, chat, rows, scored
        self.waiting: list[DecodingRow] = []
        self.texts: list[ScoredText] = []
        self.taken = 0

    def refill(self) -> Iterator[tuple[int, Completion]]:
        """Take further requests if few rows wait; yields the completions of those that cannot run.

        A window is sorted by length, longest first, so that prompts of similar length are read
        together and long ones do not remain at the end.
        """
        self.check()
        while self.taken < len(self.requests) and len(self.waiting) < self.rows:
            window = range(self.taken, min(self.taken + 4 * self.rows, len(self.requests)))
            self.taken = window.stop
            rows = []
            for position in window:
                request = self.requests[position]
                row: DecodingRow | ScoredText | Completion
                if request.tools or any(message.images for message in request.messages):
                    row = _refused(
                        0, f"{self.name} on this machine reads text, and no images or tools"
                    )
                elif request.answer is None:
                    row = self._row(request, position)
                elif self.scored is None:
                    row = _refused(
                        0, f'{self.name} scores no texts; load it with engine="transformers"'
                    )
                else:
                    row = self.scored(
                        request, position, self.engine, name=self.name, chat=self.chat
                    )
                if isinstance(row, Completion):
                    yield position, row
                elif isinstance(row, DecodingRow):
                    rows.append(row)
                else:
                    self.texts.append(row)
            rows.sort(key=lambda row: -len(row.prompt))
            self.waiting += rows

    def _row(self, request: Request, position: int) -> DecodingRow | Completion:
        """The row of a request, or a completion that says why it cannot run."""
        engine = self.engine
        try:
            prompt, ends = self.chat.prompt(request, engine.ends)
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
            options = request.sampling.extra.get(chat_template.OPTIONS) or {}
            chat_template.check_options(options)
            if options and raw:
                raise UsageError(f"{chat_template.OPTIONS} need a chat template; got raw=True")
            if bias:
                load().bias(bias, frozenset())
            if request.schema is not None and id(request.schema) not in schemas:
                grammar.grammar(request.schema)
                schemas.add(id(request.schema))
        checked = len(requests)

    return check
