"""Control tokens: those that mark turns, tool calls and thoughts, which no content may write.

A tokenizer finds its added tokens in any text. Here a control token is found only where it is
genuine; anywhere else its text is tokenized as text. A text without control tokens has the
tokens that the tokenizer gives it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast

from synthkit.core.errors import UsageError

MARKER = re.compile(r"[<\[{(|].*[>\]})|]", re.DOTALL)
"""The form of an added token that marks something, such as ``<think>`` or ``[INST]``."""
HTML = re.compile(
    r"</?(a|b|blockquote|body|br|caption|code|col|dd|div|dl|dt|em|h[1-6]|head|hr|html|i|img|li|ol|p"
    r"|pre|span|strong|sub|sup|table|tbody|td|tfoot|th|thead|title|tr|u|ul)/?>"
)
"""Tags that some vocabularies have as words, such as Gemma's, and that mark no turn."""
BYTE = re.compile(r"<0x[0-9A-F]{2}>")
"""A token for one byte of a character that has no token."""


@dataclass(frozen=True, slots=True, order=True)
class Match:
    """A control token in a text: where it begins and ends, and its id."""

    start: int
    end: int
    id: int


class ControlTokens:
    """The control tokens of a tokenizer.

    These are its special tokens, and other added tokens that the chat template writes or that have
    the form of a marker. White space, bytes and HTML tags are words.

    Parameters
    ----------
    tokenizer : the model's.
    template : its chat template, or ``""``.

    Attributes
    ----------
    ids : the ids of the control tokens.
    """

    def __init__(self, tokenizer: Any, template: str = "") -> None:
        self.tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder
        self.ids = {at: token.content for at, token in added.items() if _controls(token, template)}
        self._unknown = tokenizer.unk_token_id
        self._backend: Any = getattr(tokenizer, "backend_tokenizer", None)
        self._ids_of: dict[int, int] = {}
        self._matcher = self._matching() if self._backend is not None else None
        self._marked: dict[str, tuple[Any, dict[int, int]]] = {}

    def _matching(self) -> Any:
        """A tokenizer that finds only added tokens, and skips all other text."""
        from tokenizers import Tokenizer, models

        matcher = Tokenizer(models.BPE({}, []))
        if self._backend.normalizer is not None:
            matcher.normalizer = self._backend.normalizer
        added = self.tokenizer.added_tokens_decoder
        matcher.add_tokens([added[at] for at in sorted(added)])
        self._ids_of = {
            cast(int, matcher.token_to_id(token.content)): at for at, token in added.items()
        }
        return matcher

    def matches(self, text: str) -> list[Match]:
        """The control tokens that the tokenizer finds in a text, in order."""
        if self._matcher is None:
            found = [
                Match(match.start(), match.end(), at)
                for at, content in self.ids.items()
                for match in re.finditer(re.escape(content), text)
            ]
            return sorted(found)
        encoding = self._matcher.encode(text, add_special_tokens=False)
        found = [
            Match(start, end, self._ids_of[at])
            for at, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
        ]
        return [match for match in found if match.id in self.ids]

    def encode(self, text: str, genuine: Collection[Match] = ()) -> list[int]:
        """The tokens of a text; its control tokens are those of ``genuine`` and no others.

        Raises
        ------
        UsageError
            If the tokenizer cannot read the text of a control token as text.
        """
        if self.matches(text) == sorted(genuine):
            ids = list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
            # a vocabulary may have the text of a control token as a word of its own
            written = sum(at in self.ids and at != self._unknown for at in ids)
            if written == sum(match.id != self._unknown for match in genuine):
                return ids
        return self._encode_as_text(text, genuine)

    def _encode_as_text(self, text: str, genuine: Collection[Match]) -> list[int]:
        # a character that is not in the text stands for genuine tokens, so none can be forged
        mark = next(char for char in map(chr, range(0x10FFFD, 0xF0000, -1)) if char not in text)
        backend, ids_of = self._with_marks(mark)
        pieces, at = [], 0
        for match in sorted(genuine):
            pieces += [text[at : match.start], f"{mark}{match.id}{mark}"]
            at = match.end
        marked = "".join([*pieces, text[at:]])
        while True:
            encoding = backend.encode(marked, add_special_tokens=False)
            cuts = []
            for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
                if token in ids_of or token not in self.ids:
                    continue
                written = marked[start:end].strip()
                if token == self._unknown and written != self.ids[token]:
                    continue  # an unknown word
                if len(written) < 2:
                    raise UsageError(
                        f"the text has {written!r}, which is a control token of this model and has "
                        "no other form; remove it from the text"
                    )
                cuts.append(marked.index(written, start) + len(written) // 2)
            if not cuts:
                break
            for cut in reversed(cuts):
                marked = f"{marked[:cut]}{mark}cut{mark}{marked[cut:]}"
        ids = [ids_of.get(token, token) for token in encoding.ids]
        return [token for token in ids if token >= 0]

    def _with_marks(self, mark: str) -> tuple[Any, dict[int, int]]:
        """A tokenizer that knows control tokens only by their marks, and the ids of its tokens.

        A mark that cuts a word has the id -1.
        """
        if mark not in self._marked:
            if self._backend is None:
                raise UsageError(
                    "the text has a control token of this model, and its tokenizer, which has no "
                    "fast form, cannot read it as text; remove it from the text"
                )
            from tokenizers import AddedToken, Tokenizer

            state = json.loads(self._backend.to_str())
            others = [token for token in state["added_tokens"] if token["id"] not in self.ids]
            state |= {"added_tokens": [], "truncation": None, "padding": None}
            backend = Tokenizer.from_str(json.dumps(state))
            added = self.tokenizer.added_tokens_decoder
            backend.add_tokens([added[token["id"]] for token in others])
            marks = {f"{mark}{at}{mark}": at for at in self.ids} | {f"{mark}cut{mark}": -1}
            backend.add_special_tokens([AddedToken(text, normalized=False) for text in marks])
            known = marks | {token["content"]: token["id"] for token in others}
            ids_of = {cast(int, backend.token_to_id(text)): at for text, at in known.items()}
            self._marked[mark] = backend, ids_of
        return self._marked[mark]


def _controls(token: Any, template: str) -> bool:
    text = token.content.strip()
    if BYTE.fullmatch(text):
        return False
    if token.special or not text:
        return bool(token.special)
    if text in template and not text.isalnum():
        return True
    return MARKER.fullmatch(text) is not None and HTML.fullmatch(text) is None
