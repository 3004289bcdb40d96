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
    r"(?:can ?not|can't|could not|couldn't|won't|will not"
    r"|(?:am|'m) (?:(?:currently|unfortunately|also|therefore|still|simply) )?"
    r"(?:not able|unable) to"
    r"|am not programmed to|(?:am|'m) not going to|(?:do not|don't) feel comfortable)"
)
_SO = (
    r"(?: (?:(?:and|or) (?:will not|won't)|in good conscience|ethically|just|simply|to"
    r"|be able to)){0,2}"
)
_FILE = (
    r"(?:file|attachment|document|image|picture|photo|screenshot|link|url|pdf|spreadsheet|audio"
    r"|video|recording|data ?set)s?\b(?! (?:menu|cabinet|folder|server|system|manager|card|frame))"
)
_SENT = (
    rf"{_FILE}(?:[^.!?]{{0,20}}\b(?:you (?:mention|refer|describ|attach|upload)|attached|uploaded"
    r"|provided|included|mentioned|shared|in your (?:message|request|prompt|question))"
    r"|[^.!?]{0,30}[.,!;] (?:please|could you|can you|would you|if you))"
)
_WRITING = (
    r"(?:content|response|answer|text|output|review|story|essay|sentence|example|poem|article|image"
    r"|picture|code|summary|list|translation|question|request|message|email|dialogue|paragraph)s?\b"
)
REFUSALS: tuple[tuple[str, str], ...] = (
    (
        "speaks as an AI",
        r"\b(?:as|being) an? (?:(?:responsible|ethical|helpful|advanced|text-based|artificial"
        r"|conversational|generative|virtual|multimodal)[ ,]+){0,2}"
        r"(?:ai(?=[,.]| i\b| developed| trained| created)"
        r"|(?:(?:ai|artificial[- ]intelligence|intelligence|large|machine[- ]learning)[ -])*"
        r"language model\b|(?:machine[- ]learning model|assistant)"
        r"(?=,? i (?:can|do|am|have no|lack|will|won't|must))"
        r"|(?:ai|(?:artificial[- ])?intelligence) (?:model|assistant|system|chatbot)\b)",
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
        "cannot generate",
        rf"(?:^|[.!?,] |\bbut |\bsorry,? |\bi (?:was|am|have been) (?:\w+ly )?)unable to"
        rf" (?:generate|produce|create|write|provide) (?:\w+ ){{0,4}}{_WRITING}",
    ),
    (
        "has no file",
        rf"\bi(?:'m| am) (?:\w+ly )?(?:not able|unable) to (?:directly )?(?:see|view)"
        rf" (?:the|any|your|that|this) (?:\w+ ){{0,2}}{_FILE}"
        rf"|\bi ?{_NOT} (?:directly )?(?:see|view|access|open|read|find|process|analy[sz]e)"
        rf" (?:(?:the|any|your|that|this|an?) )?(?:\w+ ){{0,2}}{_SENT}"
        rf"|\bi (?:do not|don't|can't|cannot) (?:currently |actually )?(?:have|see)(?: access to)?"
        rf" (?:an?|any|the|your) (?:\w+ ){{0,2}}(?:{_SENT}|{_FILE} to (?:analy[sz]e|review|read"
        r"|summari[sz]e|work|look|refer|process|translate|edit|describe|reference))"
        r"|\bi (?:do not|don't) have (?:a|any|the) files?\b(?! \w)"
        rf"|\bthere(?:'s| is| are| was) no (?:\w+ )?{_FILE} (?:attached|provided|included|uploaded)"
        r"(?! to the)"
        r"|\byou (?:haven't|have not|didn't|did not) (?:actually |yet )?(?:provided?|attach(?:ed)?"
        rf"|upload(?:ed)?|shared?|included?) (?:an?|any|the) (?:\w+ )?{_FILE}",
    ),
    (
        "lacks an ability",
        r"\bi (?:do not|don't|lack) (?:(?:currently )?have )?(?:the )?(?:ability|capability)"
        r" to (?:directly )?(?:see|view|access|open|browse|read|process|analy[sz]e|display|watch"
        rf"|listen to|generate|create) (?:\w+ ){{0,2}}(?:{_FILE}|internet|web|websites?)"
        r"|\bi (?:cannot|can not|am not able to|am unable to|'m not able to|'m unable to)"
        r" (?:directly )?browse the (?:internet|web)\b"
        rf"|\bnot possible for me to (?:see|view|access|open|generate|create|provide|write)"
        rf" (?:\w+ ){{0,4}}(?:{_FILE}|{_WRITING})",
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
    and 2 of the 29,197 texts of people of :func:`~synthkit.load_sample`, both in 4,837 SMS.

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
