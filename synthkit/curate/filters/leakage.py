"""A filter that drops answers with parts of the prompt, placeholders or words around the answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.curate.filters.base import MISSING, Filter, texts
from synthkit.curate.filters.refusals import STRAIGHT_QUOTES
from synthkit.curate.filters.registry import filter_option, listed
from synthkit.curate.filters.spans import first_match
from synthkit.data import tables
from synthkit.stats.words import tokens

Gram = tuple[str, ...]

LEAKS: tuple[tuple[str, str], ...] = (
    ("placeholder", r"\{\{.{0,60}?\}\}|\{%.{0,60}?%\}|<(?:your|insert)[ _-][\w _-]{1,30}>"),
    (
        "placeholder",
        r"\[(?:(?:your|insert|add|enter|company|customer|client|recipient|sender|product|restaurant"
        r"|city|first|last|full|user)(?:'s)?\b[^\]\n]{0,40}|name|date|address|phone number"
        r"|email(?: address)?|location|link|url|title|topic|placeholder)\]",
    ),
    (
        "preamble",
        r"\A\W*(?:(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok|great"
        r"|no problem|got it)"
        r"\b[!,.:]*\s*)?(?:(?:here(?:'s| is| are)|below (?:is|are))\b[^\n:]{0,120}?"
        r"(?::\s|:\Z|\b(?:sentence|review|example|response|version|rewrit\w+)s?\b)"
        r"|i(?:'d| would) be (?:happy|glad) to (?:help|assist)\b)",
    ),
    (
        "preamble",
        r"\A\W*(?:sure|certainly|of course|absolutely)[!,.]? (?:here(?:'s| is| are)|i can help"
        r"|i'd be|i would be|let me (?:help|write|provide|create))\b",
    ),
    (
        "chat markup",
        r"<\|?(?:im_start|im_end|im_sep|endoftext|end_of_text|system|user|assistant|eot_id"
        r"|start_header_id)\|?>|\[/?inst\]|<</?sys>>|</?s>"
        r"|^#{2,} ?(?:instruction|response|input|output|user|assistant)s?:?"
        r"|^(?:user|assistant|human|system|ai|prompt|instruction): ",
    ),
    (
        "closing words",
        r"(?:let me know if (?:you(?:'d| would)? (?:like|want|need) (?:any|me|further|more|help)"
        r"|there(?:'s| is) anything)|i hope this (?:helps|meets)"
        r"|feel free to (?:ask|modify|adjust|edit|customi[sz]e))[^\n]{0,80}\Z",
    ),
)
"""Kinds of leaks and their patterns, searched regardless of case, with straight apostrophes."""

_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_COMPILED = [(kind, re.compile(pattern, re.IGNORECASE | re.MULTILINE)) for kind, pattern in LEAKS]


def no_leakage(
    *, column: str = "text", prompts: str | Sequence[str] = (), template: str = "", n: int = 6
) -> Filter:
    """Drop answers with parts of the prompt, placeholders, or words around the answer.

    An answer is dropped if ``n`` of its words in a row also occur in the row's prompt or in the
    template (or all words of a prompt of 3 to ``n`` words); if it has placeholders such as
    ``{{ topic }}`` and ``[Your Name]``, or marks of a chat template; or if it begins with "Sure,
    here is ...:" or ends with "Let me know if you need ...". The phrases are in ``LEAKS``.

    Parameters
    ----------
    prompts : columns of the prompts; not columns of passages that an answer may quote.
    template : a prompt template; only the text between its fields counts.
    n : words, split by :func:`synthkit.stats.words.tokens`.

    Raises
    ------
    UsageError
        If ``n`` is less than 3.

    Examples
    --------
    >>> texts = ["Sure, here is a review: Good!", "Best, [Your Name]", "Write one short line on it"]
    >>> rows = [{"text": text} for text in texts]
    >>> no_leakage(template="Write one short line on {{ topic }}.").judge(rows)
    ['preamble: Sure, here is a review', 'placeholder: [Your Name]', \
'copies the prompt: write one short line on']
    """
    names = [prompts] if isinstance(prompts, str) else list(prompts)
    if isinstance(n, bool) or not isinstance(n, int) or n < 3:
        raise UsageError(f"n must be 3 words or more; got {n!r}.")
    of_template = frozenset(_grams(_JINJA.split(template), n))

    def judge(table: Any) -> list[str]:
        prompt_columns = [texts(table, name) for name in names]
        reasons = []
        for at, cell in enumerate(tables.column(table, column)):
            text = "" if cell is None else str(cell)
            leak = first_match(_COMPILED, text.translate(STRAIGHT_QUOTES))
            grams = of_template.union(_grams([cells[at] for cells in prompt_columns], n))
            reasons.append(MISSING if cell is None else leak or _copy(text, grams))
        return reasons

    sources = ", ".join([*names, *(["the template"] if template else [])])
    name = f"no leakage{f' of {sources}, {n} words' if sources else ''}"
    return Filter(name, judge, by_row=True)


@filter_option("no-leakage", takes="COLUMN,COLUMN", cost=1)
def _no_leakage(prompts: str = "", *, column: str) -> Filter:
    """Drop texts with placeholders, words around the answer, or parts of the prompts in columns."""
    return no_leakage(column=column, prompts=listed(prompts))


def _grams(prompts: Iterable[str], n: int) -> set[Gram]:
    """The n-grams of prompts; of a shorter prompt of 3 words or more, all of its words."""
    grams = set()
    for prompt in prompts:
        words = tokens(prompt)
        if len(words) >= 3:
            size = min(n, len(words))
            grams |= {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}
    return grams


def _copy(text: str, grams: frozenset[Gram]) -> str:
    """Why a text is dropped that contains one of the n-grams; empty if it does not."""
    words = tokens(text) if grams else []
    for size in sorted({len(gram) for gram in grams}, reverse=True):
        for at in range(len(words) - size + 1):
            if (gram := tuple(words[at : at + size])) in grams:
                return f"copies the prompt: {' '.join(gram)}"
    return ""
