"""Filters of what a model says around an answer, or in place of one: refusals, and leaks.

Both are lists of phrases, in English. A phrase alone says little ("I'm sorry the soup was cold", "I
can't recommend this place"), so what is looked for is a refusal with what is refused: "I'm sorry,
but I can't help with that". The prefixes that A. Zou et al. (2023), arXiv 2307.15043, take for
refusals ("I'm sorry", "I cannot") would drop such reviews.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.curate.filters.base import MISSING, Filter, text_filter, texts
from synthkit.curate.filters.registry import filter_option, listed
from synthkit.data import tables as tables
from synthkit.stats.rouge import tokens

HEAD = 400
"""Characters in which a refusal begins: an answer refuses before it says anything else."""

_NOT = (
    r"(?:can ?not|can't|could not|couldn't|won't|will not|(?:am|'m) (?:not able|unable) to"
    r"|am not programmed to|(?:am|'m) not going to|(?:do not|don't) feel comfortable)"
)
_SO = (
    r"(?: (?:(?:and|or) (?:will not|won't)|in good conscience|ethically|just|simply|to"
    r"|be able to)){0,2}"
)
REFUSALS: tuple[tuple[str, str], ...] = (
    (
        "speaks as an AI",
        r"\bas an? (?:(?:responsible|ethical|helpful|advanced|text-based|artificial)[ ,]+){0,2}"
        r"(?:ai(?=[,.]| i\b| developed| trained| created)|(?:ai |large )?language model\b"
        r"|(?:ai|intelligence) (?:model|assistant|system|chatbot)\b)",
    ),
    (
        "speaks as an AI",
        r"\bi(?:'m| am) (?:just |only |merely )?an? (?:(?:ai|artificial intelligence)"
        r"(?: assistant| model| language model)?(?=[,.]"
        r"| (?:and|so|trained|developed|created|designed) )"
        r"|(?:large |ai )?language model)",
    ),
    (
        "cannot help",
        rf"\bi ?{_NOT}{_SO} (?:assist\b|help (?:you )?(?:with|to|in|by)\b|help you(?=[.,!]|$)"
        r"|provide|fulfil|comply|engage in|condone|endorse|encourage|promote|facilitate|satisfy"
        r"|participate in|generate|answer (?:that|this|your)\b"
        r"|(?:create|write|produce|share|offer|give|discuss|suggest) "
        r"(?:you )?(?:a |an |any |the |such |you )?(?:\w+ ){0,2}"
        r"(?:content|response|instruction|guidance|information|advice|material|request|topic"
        r"|story|essay|text|code|sentence|review)s?\b)",
    ),
    (
        "apologises and cannot",
        rf"\b(?:sorry|apologi[sz]e)\b[^.!?]{{0,25}}\bi ?{_NOT}{_SO} (?:do|answer|respond|write"
        r"|create|produce|discuss|share|offer|fulfil|help"
        r"|tell you|speculate|predict|reveal|disclose)\b",
    ),
    (
        "cannot fulfil a request",
        r"\b(?:not|n't|unable to) (?:be able to )?(?:fulfil+|comply with"
        r"|(?:assist|help)(?: you)? with"
        r"|answer|grant) (?:your|this|that|such an?) (?:request|query|question|prompt)\b",
    ),
    (
        "declines",
        r"\bi (?:must|have to|will have to|need to|would) (?:respectfully |politely )?"
        r"(?:decline|refuse)\b",
    ),
    (
        "appeals to rules",
        r"\b(?:my (?:programming|training data|(?:ethical |safety )?guidelines"
        r"|knowledge cut-?off)\b"
        r"|against (?:my programming|openai's)|openai's (?:content |use[- ]case |usage )?polic"
        r"|violates? (?:my|openai's|ethical|the content) )",
    ),
    (
        "calls it inappropriate",
        r"\b(?:it(?:'s| is| would be) (?:also )?(?:(?:not|never) "
        r"(?:safe|appropriate|ethical|accurate)|unethical|inappropriate)"
        r"|i (?:do not|don't) think it(?:'s| is) (?:appropriate|ethical|accurate))"
        r"(?: (?:or|and) (?:\w+ ){1,2}?)? ?(?:for me )?to (?:provide|assist|help|write|create"
        r"|generate|engage|share|promote|discuss|encourage|ask|suggest"
        r"|make (?:assump|jokes|general))",
    ),
    (
        "has no opinions",
        r"\bi (?:do not|don't|cannot|can't) (?:have|possess|hold) (?:(?:any|the ability|access) )?"
        r"(?:to )?(?:personal (?!experience)|real-time|real time|human |subjective"
        r"|physical (?:body|form)"
        r"|(?:feelings|emotions),? (?:or|and)|the internet|browse|opinions|beliefs)",
    ),
)
"""Kind of refusal, and its pattern, searched in lower case with straight apostrophes."""

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
"""Kind of leak, and its pattern, searched whatever the case with straight apostrophes."""

_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_REFUSAL = [(kind, re.compile(pattern)) for kind, pattern in REFUSALS]
_LEAK = [(kind, re.compile(pattern, re.IGNORECASE | re.MULTILINE)) for kind, pattern in LEAKS]
_STRAIGHT = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "\u00a0": " "})


@filter_option("no-refusals", cost=1)
def no_refusals(*, column: str = "text") -> Filter:
    """Drop answers in which a model refuses, or speaks about itself, in English.

    Only the first 400 characters are looked at. The phrases are in ``REFUSALS``. Of the answers
    that people judged for XSTest (P. Roettger et al. 2023, arXiv 2308.01263) it finds all 211
    refusals of GPT-4 and 89% of those of Llama 2 (204 of 230, [84%, 92%]), but 65% of Mistral's
    with a guarding prompt and 22% without: those reproach or redirect, in no set phrase. (GPT-4's,
    Mistral's with the prompt and an older Llama's were read to write the list.) Of answers
    that comply it drops 3.9%, most of which begin "As an AI". Of 1,001 Yelp sentences it drops
    none, of 4,837 SMS two.

    Examples
    --------
    >>> said = ["I'm sorry, but I can't help with that.", "I'm sorry the soup was cold."]
    >>> no_refusals().judge([{"text": text} for text in said])
    ["refusal: cannot help: i can't help with", '']
    """

    def test(text: str) -> str:
        head = text[:HEAD].translate(_STRAIGHT).lower()
        for kind, pattern in _REFUSAL:
            if found := pattern.search(head):
                return f"refusal: {kind}: {found[0].strip()[:60]}"
        return ""

    return text_filter("no refusals", column, test)


def no_leakage(
    *, column: str = "text", prompts: str | Sequence[str] = (), template: str = "", n: int = 6
) -> Filter:
    """A filter of answers with parts of the prompt, placeholders, or words around the answer.

    Dropped are: ``n`` words in a row that are also in the row's prompt or the template (or the
    whole of one that is shorter, if of 3 words or more); placeholders such as ``{{ topic }}`` and
    ``[Your Name]``; "Sure, here is ...:"; marks of a chat template; "Let me know if you need ...".
    The phrases are in ``LEAKS``.

    Parameters
    ----------
    prompts : columns that hold what the model was told; not a passage that an answer may quote.
    template : a prompt with fields, of whose words between the fields none may be copied.
    n : words, as :func:`synthkit.stats.rouge.tokens` has them.

    Raises
    ------
    UsageError
        If ``n`` is less than 3.

    Examples
    --------
    >>> said = ["Sure, here is a review: Good!", "Best, [Your Name]", "Write one short line on it"]
    >>> rows = [{"text": text} for text in said]
    >>> no_leakage(template="Write one short line on {{ topic }}.").judge(rows)
    ['preamble: Sure, here is a review', 'placeholder: [Your Name]', \
'copies the prompt: write one short line on']
    """
    named = [prompts] if isinstance(prompts, str) else list(prompts)
    if isinstance(n, bool) or not isinstance(n, int) or n < 3:
        raise UsageError(f"n must be 3 words or more, for fewer are no copy; got {n!r}.")
    fixed = frozenset(_grams(_JINJA.split(template), n))

    def judge(table: Any) -> list[str]:
        asked = [texts(table, name) for name in named]
        reasons = []
        for at, cell in enumerate(tables.column(table, column)):
            text = "" if cell is None else str(cell)
            told = fixed.union(_grams([column[at] for column in asked], n))
            reasons.append(MISSING if cell is None else _leak(text) or _copied(text, told))
        return reasons

    label = ", ".join([*named, *(["the template"] if template else [])])
    return Filter(f"no leakage{f' of {label}, {n} words' if label else ''}", judge)


@filter_option("no-leakage", takes="COLUMN,COLUMN", cost=1)
def _no_leakage(prompts: str = "", *, column: str) -> Filter:
    """Drop texts with placeholders, words around the answer, or parts of the prompts in columns."""
    return no_leakage(column=column, prompts=listed(prompts))


def _leak(text: str) -> str:
    straight = text.translate(_STRAIGHT)
    for kind, pattern in _LEAK:
        if found := pattern.search(straight):
            return f"{kind}: {found[0].strip()[:60]}"
    return ""


def _grams(prompts: Iterable[str], n: int) -> set[tuple[str, ...]]:
    """What counts as a copy of prompts: all their n-grams, or the whole of a shorter one."""
    found = set()
    for prompt in prompts:
        words = tokens(prompt)
        if len(words) >= 3:
            size = min(n, len(words))
            found |= {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}
    return found


def _copied(text: str, told: frozenset[tuple[str, ...]]) -> str:
    words = tokens(text) if told else []
    for size in sorted({len(gram) for gram in told}, reverse=True):
        for at in range(len(words) - size + 1):
            if (gram := tuple(words[at : at + size])) in told:
                return f"copies the prompt: {' '.join(gram)}"
    return ""
