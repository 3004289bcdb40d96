"""A filter that drops refusals: answers in which a model declines to answer, in English.

A refusal is found by phrases. A phrase such as "I'm sorry" or "I can't" is not enough ("I'm sorry
the soup was cold", "I can't recommend this place"), so the patterns look for a refusal together
with what is refused: "I'm sorry, but I can't help with that". The prefixes that A. Zou et al.
(2023), arXiv 2307.15043, count as refusals ("I'm sorry", "I cannot") would drop such reviews.
"""

from __future__ import annotations

import re

from synthkit.curate.filters.base import Filter, text_filter
from synthkit.curate.filters.registry import filter_option
from synthkit.curate.filters.spans import first_match

HEAD = 400
"""Number of characters that are searched: an answer begins with its refusal."""
STRAIGHT_QUOTES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "\u00a0": " "})
"""Replaces typographic quotation marks, for :meth:`str.translate`."""

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
"""Kinds of refusals and their patterns, searched in lower case with straight apostrophes."""

_COMPILED = [(kind, re.compile(pattern)) for kind, pattern in REFUSALS]


@filter_option("no-refusals", cost=1)
def no_refusals(*, column: str = "text") -> Filter:
    """Drop answers in which a model refuses, or speaks about itself, in English.

    Only the first 400 characters are searched, for the phrases in ``REFUSALS``. On the answers that
    people judged for XSTest (P. Roettger et al. 2023, arXiv 2308.01263) it finds all 211 refusals
    of GPT-4 and 89% of those of Llama 2 (204 of 230, [84%, 92%]). It finds 65% of the refusals of
    Mistral with a guarding prompt and 22% without, because these reproach or redirect in no fixed
    phrase. (The answers of GPT-4, of Mistral with the prompt and of an older Llama were read to
    write the list.) It drops 3.9% of the answers that comply, most of which begin with "As an AI";
    none of 1,001 Yelp sentences and two of 4,837 SMS.

    Examples
    --------
    >>> texts = ["I'm sorry, but I can't help with that.", "I'm sorry the soup was cold."]
    >>> no_refusals().judge([{"text": text} for text in texts])
    ["refusal: cannot help: i can't help with", '']
    """

    def test(text: str) -> str:
        head = text[:HEAD].translate(STRAIGHT_QUOTES).lower()
        phrase = first_match(_COMPILED, head)
        return f"refusal: {phrase}" if phrase else ""

    return text_filter("no refusals", column, test)
