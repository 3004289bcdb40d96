"""Render a request as tokens, with the chat template of the model's tokenizer.

Content writes no control tokens: a template's ``<|im_end|>`` ends a turn, and the same text in a
message is text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from synthkit.core.environment import warn
from synthkit.core.errors import UsageError
from synthkit.core.hashing import canonical, digest
from synthkit.core.types import Message, Request
from synthkit.models.local.control_tokens import ControlTokens, Match
from synthkit.models.local.template_options import OPTIONS
from synthkit.models.transformers.traced_text import Twins, joined, tojson, traced


@dataclass(frozen=True, slots=True)
class Rendered:
    """The text of a conversation, and the control tokens in it that the template wrote."""

    text: str
    genuine: tuple[Match, ...]

    def before(self, end: int) -> Rendered:
        """The text up to a position."""
        return Rendered(self.text[:end], tuple(m for m in self.genuine if m.end <= end))


class ChatTemplate:
    """The chat template of a tokenizer.

    Parameters
    ----------
    options : variables for the template, such as ``{"enable_thinking": False}``.
    raw : use the messages' text without the template, joined by line breaks.
    control : with ``raw``, whether the text may write control tokens.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        options: Mapping[str, Any] | None = None,
        raw: bool = False,
        control: bool = False,
    ) -> None:
        self.tokenizer, self.options = tokenizer, dict(options or {})
        self.raw, self.control = raw, control
        self._unread: dict[bytes, list[int]] = {}
        self._said: set[str] = set()
        # the prompt of the latest text to score, since a question's answers come together
        self._last: tuple[tuple[Message, ...], list[int]] | None = None

    @cached_property
    def source(self) -> str:
        """The template's text."""
        return "" if self.raw else str(self.tokenizer.get_chat_template())

    @cached_property
    def tokens(self) -> ControlTokens:
        """The control tokens of the tokenizer."""
        return ControlTokens(self.tokenizer, self.source)

    def prompt(self, request: Request, ends: frozenset[int]) -> tuple[list[int], frozenset[int]]:
        """The tokens of a prompt, and the tokens that end its completion.

        ``ends`` are the tokens that end a completion of this model.

        Raises
        ------
        UsageError
            If the template cannot render the request.
        """
        options = self.options | dict(request.sampling.extra.get(OPTIONS) or {})
        return self._prompt(request, ends, options)

    def conversation(
        self,
        messages: Sequence[Message],
        options: Mapping[str, Any] | None = None,
        *,
        answer: bool = True,
    ) -> list[int]:
        """The tokens of a conversation; with ``answer``, the assistant's next turn is begun.

        Raises
        ------
        UsageError
            If the template cannot render it.
        """
        if not messages:
            raise UsageError("the conversation is empty; give the model at least one message")
        with _refusals():
            rendered = self._render(messages, options or self.options, answer)
        return self.tokens.encode(rendered.text, rendered.genuine)

    def scored(self, request: Request) -> tuple[list[int], list[int]]:
        """The tokens before a text to score, and the tokens of the text.

        They are tokenized separately, so that the text has the same tokens after any prompt.
        Without messages the only token before it is the one that begins every text, if the
        tokenizer has one.

        Raises
        ------
        UsageError
            If the template cannot render the request.
        """
        text = self.tokens.encode(request.answer or "")
        if not request.messages:
            return self._begin, text
        if self._last is None or self._last[0] != request.messages:
            before, _ = self._prompt(request, frozenset(), self.options)
            self._last = request.messages, before
        return self._last[1], text

    @property
    def _begin(self) -> list[int]:
        """The token that begins every text, if the tokenizer has one."""
        before = list(self.tokenizer("")["input_ids"])[:1]
        return before if before == [self.tokenizer.bos_token_id] else []

    def _prompt(
        self, request: Request, ends: frozenset[int], options: Mapping[str, Any]
    ) -> tuple[list[int], frozenset[int]]:
        if self.raw:
            return self._raw(request), ends
        if request.turn == "user":
            with _refusals():
                return self._before_user(request.messages, ends, options)
        return self.conversation(request.messages, options), ends

    def _raw(self, request: Request) -> list[int]:
        if request.turn == "user":
            raise UsageError(
                'turn="user" needs a chat template, which marks where a user\'s words begin; this '
                "model was loaded with raw=True"
            )
        text = "\n".join(message.content for message in request.messages)
        # lm-eval begins a text by itself with the token that begins or ends texts
        alone = text in (self.tokenizer.bos_token, self.tokenizer.eos_token)
        if self.control or alone:
            return list(self.tokenizer(text)["input_ids"])
        return self.text(text)

    def text(self, text: str, genuine: Collection[Match] = ()) -> list[int]:
        """The tokens of a text without the template; ``genuine`` are its control tokens."""
        forged = [match for match in self.tokens.matches(text) if match not in genuine]
        if not forged:
            return list(self.tokenizer(text)["input_ids"])
        self._say(
            f"a raw prompt has {text[forged[0].start : forged[0].end].strip()!r}, which is read "
            "as text and not as the control token of the model. If prompts write control tokens "
            "on purpose, load the model with raw=True, control_tokens=True."
        )
        return [*self._begin, *self.tokens.encode(text, genuine)]

    def _before_user(
        self, messages: Sequence[Message], ends: frozenset[int], options: Mapping[str, Any]
    ) -> tuple[list[int], frozenset[int]]:
        """The conversation up to the user's next turn, and the tokens that end that turn.

        This is the pre-query template of Magpie (arXiv 2406.08464, step 1), after which an aligned
        model writes a user's turn. The template renders one more turn with a mark as its content,
        and the text is cut at the mark. A default system prompt of the template stays, unless
        there is a system message. If the template ends a user's turn with a different token than
        the assistant's, such as ``[/INST]`` in Mistral's, that token ends it too.
        """
        if messages and messages[-1].role == "user":
            raise UsageError(
                'turn="user" asks for another user\'s turn, but the last message is one already; '
                "end with the assistant's or a system message, or give no message at all"
            )
        mark = digest([message.content for message in messages])
        # with the assistant's turn begun, since in some templates nothing else ends the user's
        rendered = self._render([*messages, Message("user", mark)], options)
        before, *after = rendered.text.split(mark)
        if len(after) != 1:
            raise UsageError(
                "its chat template does not show where a user's words begin: it writes them "
                f'{len(after)} times. Use another model for turn="user"'
            )
        specials = ends.union(self.tokenizer.added_tokens_decoder)
        following = self.tokenizer(after[0].lstrip(), add_special_tokens=False)["input_ids"]
        end = specials.intersection(list(following)[:1])
        if not end:
            raise UsageError(
                "its chat template ends a user's words with no token of its own, so that it would "
                'not be known where they end. Use another model for turn="user"'
            )
        begun = rendered.before(len(before))
        return self.tokens.encode(begun.text, begun.genuine), ends | end

    def _render(
        self, messages: Sequence[Message], options: Mapping[str, Any], answer: bool = True
    ) -> Rendered:
        self._check_read(options)
        return self._traced(self._with_system(messages, options), options, answer)

    def _text(
        self, messages: Sequence[Message], options: Mapping[str, Any], answer: bool = True
    ) -> str:
        return str(
            self.tokenizer.apply_chat_template(
                [_turn(message) for message in messages],
                tokenize=False,
                add_generation_prompt=answer,
                **options,
            )
        )

    def _traced(
        self, messages: Sequence[Message], options: Mapping[str, Any], answer: bool
    ) -> Rendered:
        """The rendered text, and which of its control tokens are the template's own."""
        text = self._text(messages, options, answer)
        found = self.tokens.matches(text)
        twins = Twins([self.source, *self.tokens.ids.values()])
        turns = [_turn(message) for message in messages]
        own = self.tokenizer.special_tokens_map
        in_twins = self._compiled.render(
            messages=[turn | {"content": traced(turn["content"], twins)} for turn in turns],
            tools=None,
            documents=None,
            add_generation_prompt=answer,
            **(own | {name: traced(value, twins) for name, value in options.items()}),
        )
        if twins.shown(in_twins) == text:
            return Rendered(text, tuple(self.tokens.matches(in_twins)))
        written = [m for message in messages for m in self.tokens.matches(message.content)]
        if not written:
            return Rendered(text, tuple(found))
        raise UsageError(
            f"a message has {self.tokens.ids[written[0].id]!r}, a control token of this model, and "
            "the chat template changes the message so that the two cannot be distinguished; remove "
            "it from the message"
        )

    @cached_property
    def _compiled(self) -> Any:
        """The template in transformers' environment, with output that keeps what is traced."""
        from transformers.utils.chat_template_utils import _compile_jinja_template

        environment = _compile_jinja_template(self.source).environment.overlay()
        environment.concat = joined
        plain = environment.filters["tojson"]
        environment.filters = environment.filters | {"tojson": partial(tojson, plain)}
        return environment.from_string(self.source)

    @cached_property
    def _variables(self) -> set[str]:
        """The names that the template reads."""
        from jinja2 import meta

        parsed = self._compiled.environment.parse(self.source)
        return set(meta.find_undeclared_variables(parsed))

    def _with_system(
        self, messages: Sequence[Message], options: Mapping[str, Any]
    ) -> Sequence[Message]:
        """The messages; system messages that the template has no place for are in users' turns."""
        if all(message.role != "system" for message in messages):
            return messages
        roles = [message.role for message in messages]
        key = canonical([roles, {name: repr(value) for name, value in options.items()}])
        if key not in self._unread:
            self._unread[key] = self._unread_system(messages, options)
        unread = self._unread[key]
        if unread:
            self._say(
                "the chat template of this model has no system role: system messages are put "
                "before the user's words, in the same turn."
            )
        return folded(messages, unread)

    def _unread_system(self, messages: Sequence[Message], options: Mapping[str, Any]) -> list[int]:
        """Positions of the system messages that the template refuses or leaves out."""
        probes = [
            replace(message, content=digest([at, message.content]))
            for at, message in enumerate(messages)
        ]
        system = [at for at, message in enumerate(messages) if message.role == "system"]
        try:
            text = self._text(probes, options)
            unread = [at for at in system if probes[at].content not in text]
        except _faults():
            unread = system
        if not unread:
            return []
        try:
            text = self._text(folded(probes, unread), options)
        except _faults():
            return []  # refused for another reason, which the request itself will tell
        return unread if all(probes[at].content in text for at in unread) else []

    def _check_read(self, options: Mapping[str, Any]) -> None:
        """Warn of variables that the template does not read."""
        for name in sorted(options.keys() - self._variables) if options else ():
            self._say(f"the chat template of this model does not read {name!r}, of {OPTIONS}.")

    def _say(self, message: str) -> None:
        """Warn once."""
        if message not in self._said:
            self._said.add(message)
            warn(message, UserWarning, stacklevel=2)


def folded(messages: Sequence[Message], unread: Sequence[int]) -> Sequence[Message]:
    """The messages without those at ``unread``, whose text is put into a user's turn.

    It comes before the user's next words, or after the last if no user's turn follows.
    """
    turns: list[Message] = []
    waiting: list[str] = []
    for at, message in enumerate(messages):
        if at in unread:
            waiting.append(message.content)
        elif message.role == "user":
            turns.append(replace(message, content="\n\n".join([*waiting, message.content])))
            waiting = []
        else:
            turns.append(message)
    if waiting:
        last = turns.pop() if turns and turns[-1].role == "user" else Message("user", "")
        texts = [last.content, *waiting] if last.content else waiting
        turns.append(replace(last, content="\n\n".join(texts)))
    return turns


@contextmanager
def _refusals() -> Iterator[None]:
    """Say as a usage error why a template does not render."""
    try:
        yield
    except UsageError:
        raise
    except _faults() as error:
        raise UsageError(f"the chat template refuses: {error}") from None


def _faults() -> tuple[type[Exception], ...]:
    """What a template raises on purpose, and what it raises where it is wrong."""
    from jinja2 import TemplateError

    return (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)


def _turn(message: Message) -> dict[str, Any]:
    return {"role": message.role, "content": message.content}
