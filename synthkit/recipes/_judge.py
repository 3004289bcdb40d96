"""Judges: a model reads a text, gives a reason, and then a score by a rubric.

AlpaGasus (arXiv 2307.08701) filters by such a score, G-Eval (arXiv 2303.16634) has the reason
first, and DEITA (arXiv 2312.15685) scores complexity and quality apart.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from synthkit.core.errors import UsageError, unknown
from synthkit.core.types import Completion, Message, Reject, Request, Sampling, Steps
from synthkit.prompts import parsing
from synthkit.prompts.templates import Prompt, Turns
from synthkit.recipes._ask import ask_and_parse_all
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, recipe
from synthkit.recipes._likelihood import weighed
from synthkit.recipes._row_prompts import about, each_given, first_reject, posed
from synthkit.recipes._zerogen import positive

T = TypeVar("T")

RUBRICS: Mapping[str, str] = {
    "judge": "Rate how accurate and helpful the text is{as_answer}.",
    "quality": "Rate the quality of the text{as_answer}: is it helpful, relevant, accurate, "
    "thorough and clear?",
    "complexity": "Rate how complex the {asked} is: how much knowledge, how many steps and how "
    "many conditions does it take to do what it asks? Do not rate how well anything is written.",
    "coherence": "Rate the coherence of the text: does it build from sentence to sentence to one "
    "body of thought?",
    "fluency": "Rate the fluency of the text: its grammar, spelling, choice of words and structure "
    "of sentences.",
    "relevance": "Rate the relevance of the text{as_answer}: does it keep to what matters, and "
    "leave out the rest?",
    "faithful": "Rate how faithful the text is to the source: is every claim in it supported by "
    "what the source says? A claim that the source does not make is not supported, even if it is "
    "true.",
}
"""Rubrics by name. ``judge`` is AlpaGasus' dimension, ``complexity`` and ``quality`` are DEITA's,
``faithful`` is G-Eval's consistency, the others are its too; all in words of our own."""

FENCED = "\n\n<{what}>\n{{{{ {what} }}}}\n</{what}>"
FORM = (
    "\n\nGive your reason in one or two sentences first, and then the score, a whole number from "
    '{low} (worst) to {high} (best), as JSON: {{"reason": "...", "score": ...}}'
)
BARE = "\n\nAnswer with the score alone, a whole number from {low} (worst) to {high} (best)."
MOST = 20
"""Most scores of a scale that is weighed by probability."""

_NUMBER = r"([-+]?\d+(?:\.\d+)?)"
_OF = re.compile(rf"{_NUMBER}\s*(?:/|out of)\s*{_NUMBER}(?![\w/])", re.IGNORECASE)
_SCORE = re.compile(
    rf"\b(?:score|rating|rate|rated|grade)\b[^\d\n+-]{{0,30}}?{_NUMBER}(?![\w%/])", re.IGNORECASE
)
_ALONE = re.compile(rf"\W*?{_NUMBER}\W*")


@recipe
def judge(
    prompt: str = "",
    *,
    rows: Table,
    rubrics: Sequence[str] | Mapping[str, str] = "judge",
    column: str = "text",
    instruction: str | None = None,
    sources: str | None = None,
    low: int = 1,
    high: int = 5,
    k: int = 1,
    weighted: bool = False,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """A score of each text by each rubric, with the reason that the model gives first.

    AlpaGasus (arXiv 2307.08701) keeps what has 4.5 of 5 and more:
    ``curate.by_column("judge", least=4.5)``. DEITA's scores (arXiv 2312.15685) are the rubrics
    ``complexity`` and ``quality``. An answer that cannot be read, or is on another scale than was
    asked for ("8 out of 10"), is asked for again once, and is then a reject with the answer.

    The columns are, for each rubric, ``NAME`` (the score, or the mean of ``k``) and
    ``NAME_reason``; with ``k`` above 1 also ``NAME_spread`` (standard deviation of the scores that
    could be read) and ``NAME_unread`` (samples that could not). With ``weighted`` there is no
    reason: ``NAME`` is G-Eval's sum_i p(s_i) s_i (arXiv 2303.16634, equation 1) over the scale, and
    ``NAME_spread`` the standard deviation of p; it needs a model on this machine.

    Parameters
    ----------
    prompt : a rubric of your own, the column ``judge``; it may use the columns of ``rows``. The
        text is put below it, unless it uses ``{{ text }}``.
    rubrics : names of ``judge``, ``quality``, ``complexity``, ``coherence``, ``fluency``,
        ``relevance``, ``faithful``; or name -> a rubric of your own.
    column : the column of the texts.
    instruction : the column of the instructions that the texts answer, if they do.
    sources : the column of what the texts are to keep to, which ``faithful`` needs; shown to every
        rubric.
    low, high : the ends of the scale, worst and best.
    k : samples for each rubric.
    weighted : weigh the scale by the model's probabilities, in place of an answer.

    Raises
    ------
    UsageError
        If there is no such rubric, ``faithful`` has no sources, the scale is empty, or k samples
        are drawn at temperature 0, where all are the same.

    Examples
    --------
    >>> recipe = judge(rows=[{"text": "A warm loaf."}], rubrics="quality, complexity")
    >>> recipe.columns
    ('quality', 'quality_reason', 'complexity', 'complexity_reason')
    """
    positive("k", k)
    if not low < high:
        raise UsageError(f"a scale goes from low up to high; got {low} to {high}.")
    if weighted and (k > 1 or high - low >= MOST):
        raise UsageError(f"a weighted score has k=1, and a scale of at most {MOST} values.")
    if k > 1 and sampling.temperature == 0:
        raise UsageError("at temperature 0 all samples are the same; raise it, or judge with k=1.")
    named = {"text": column} | ({} if instruction is None else {"instruction": instruction})
    named |= {} if sources is None else {"source": sources}
    end = (BARE if weighted else FORM).format(low=low, high=high)
    templates = {
        name: about(_framed(words, list(named)), rows, **named)
        for name, words in _rubrics(prompt, rubrics, named).items()
    }
    decoder, scale = scores(low, high), range(low, high + 1)

    def ready(row: dict[str, Any]) -> dict[str, Turns] | Reject:
        asked = {name: ended(template, row, named, end) for name, template in templates.items()}
        return first_reject(list(asked.values())) or {
            name: turns for name, turns in asked.items() if not isinstance(turns, Reject)
        }

    def steps(_: dict[str, Any], asked: dict[str, Turns]) -> Steps[Outcome]:
        if weighted:
            requests = [
                Request(turns, answer=str(one)) for turns in asked.values() for one in scale
            ]
            every: list[Any] = yield requests
        else:
            requests = [
                Request(turns, sampling, decoder.schema, index=i)
                for turns in asked.values()
                for i in range(k)
            ]
            every = yield from ask_and_parse_all(requests, [decoder] * len(requests))
        cells: dict[str, Any] = {}
        rejected: list[Reject] = []
        for name, part in zip(asked, parts(every, len(asked)), strict=True):
            found = _weighed(name, part, scale) if weighted else _averaged(name, part)
            if isinstance(found, Reject):
                rejected.append(replace(found, reason=f"{name}: {found.reason}"))
            else:
                cells |= found
        return replace(rejected[0], cells=cells) if rejected else cells

    each_has: tuple[str, ...] = ("", "_spread") if weighted else ("", "_reason")
    each_has += ("_spread", "_unread") if k > 1 else ()
    n = len(templates) * (len(scale) if weighted else k)
    return each_given(
        ready,
        steps,
        rows,
        name="judge",
        columns=[name + part for name in templates for part in each_has],
        requests=Bounds(n, n),
        prompt=prompt,
    )


def scores(low: float, high: float) -> parsing.Decoder:
    """A decoder of a reason and a score on a scale, from JSON or from plain words.

    >>> read = scores(1, 5)
    >>> from synthkit.core.types import Completion
    >>> read(Completion("It is clear. I rate it 4 out of 5."))
    {'reason': 'It is clear. I rate it 4 out of 5.', 'score': 4.0}
    >>> read(Completion("I rate it 8 out of 10.")).reason
    'rates 8 out of 10, where 1 to 5 was asked for'
    """

    def read(raw: str) -> parsing.Cells | str:
        try:
            value = parsing.find_json(raw)
        except ValueError:
            found, reason = _said(raw, high), raw.strip()
            if isinstance(found, str):
                return f"{found}, where {low:g} to {high:g} was asked for"
        else:
            found, reason = value.get("score"), str(value.get("reason") or "").strip()
            if isinstance(found, str):
                found = _said(found, high)
                if isinstance(found, str):
                    return f"{found}, where {low:g} to {high:g} was asked for"
            if isinstance(found, bool) or not isinstance(found, int | float):
                return "its JSON has no number 'score'"
        if not low <= found <= high:
            return f"gives {found:g}, where {low:g} to {high:g} was asked for"
        return {"reason": reason, "score": float(found)}

    schema = {
        "type": "object",
        "properties": {
            "reason": {"type": "string", "maxLength": 400},
            "score": {"type": "integer", "minimum": low, "maximum": high},
        },
        "required": ["reason", "score"],
    }
    return parsing.Decoder(("reason", "score"), read, schema)


def _said(text: str, high: float) -> float | str:
    """The one score that plain words name, or what is wrong with them."""
    of = {(float(score), float(whole)) for score, whole in _OF.findall(text)}
    for score, whole in of:
        if whole != high:
            return f"rates {score:g} out of {whole:g}"
    found = {score for score, _ in of} or {float(score) for score in _SCORE.findall(text)}
    alone = _ALONE.fullmatch(text)
    if not found and alone:
        found = {float(alone[1])}
    if len(found) != 1:
        several = ", ".join(f"{one:g}" for one in sorted(found))
        return f"names several scores, {several}" if found else "names no score"
    return found.pop()


def _rubrics(
    prompt: str, rubrics: Sequence[str] | Mapping[str, str], fields: Mapping[str, str]
) -> dict[str, str]:
    """Name -> the template of each rubric, about these fields."""
    fills = {
        "as_answer": " as an answer to the instruction" if "instruction" in fields else "",
        "asked": "instruction" if "instruction" in fields else "text",
    }
    presets = {name: words.format(**fills) for name, words in RUBRICS.items()}
    found = worded(prompt, rubrics, presets, own="judge")
    if found.get("faithful") == presets["faithful"] and "source" not in fields:
        raise UsageError("the rubric 'faithful' needs sources=, the column to hold texts against.")
    made = [name + part for name in found for part in ("", "_reason", "_spread", "_unread")]
    if len(set(made)) < len(made):
        raise UsageError(f"two rubrics would make one column; rename one of {', '.join(found)}.")
    return found


def worded(
    prompt: str, chosen: Sequence[str] | Mapping[str, str], presets: Mapping[str, str], *, own: str
) -> dict[str, str]:
    """Name -> the text of each rubric: chosen presets, or one's own; ``prompt`` is named ``own``.

    >>> worded("Is it kind?", "judge, fluency", RUBRICS, own="judge")["judge"]
    'Is it kind?'
    """
    if isinstance(chosen, Mapping):
        found = {str(name): str(words) for name, words in chosen.items()}
    else:
        found = {}
        for name in map(str.strip, chosen.split(",") if isinstance(chosen, str) else chosen):
            if name not in presets:
                raise UsageError(unknown("rubric", name, presets))
            found[name] = presets[name]
    if prompt.strip():
        # the default is a rubric too, in the place of which this one comes
        found = {own: prompt} | {name: found[name] for name in found if name != own}
    if not found or not all(words.strip() for words in found.values()):
        raise UsageError(f"expected one or more rubrics, each with a text; got {found}.")
    return found


def _framed(words: str, fields: Sequence[str]) -> str:
    """A rubric with what it is about below it, unless it shows that itself."""
    template_fields = re.findall(r"\{[{%][^}]*\btext\b", words)
    shown = "" if template_fields else "".join(FENCED.format(what=one) for one in fields[::-1])
    return words.strip() + shown


def ended(
    template: Prompt, row: Mapping[str, Any], named: Mapping[str, str], end: str
) -> Turns | Reject:
    """The messages for one row, with ``end`` below them."""
    turns = posed(template, row, **named)
    if isinstance(turns, Reject):
        return turns
    *before, last = turns
    return (*before, Message("user", last.content + end))


def parts(every: Sequence[T], n: int) -> list[Sequence[T]]:
    """A list in n parts of one length.

    >>> parts([1, 2, 3, 4], 2)
    [[1, 2], [3, 4]]
    """
    size = len(every) // n
    return [every[i * size : (i + 1) * size] for i in range(n)]


def _averaged(name: str, found: Sequence[parsing.Cells | Reject]) -> dict[str, Any] | Reject:
    """The cells of one rubric, by k answers."""
    read = [one for one in found if not isinstance(one, Reject)]
    if not read:
        return next(one for one in found if isinstance(one, Reject))
    values = [one["score"] for one in read]
    cells = {name: statistics.fmean(values), f"{name}_reason": read[0]["reason"]}
    if len(found) > 1:
        spread, unread = statistics.pstdev(values), len(found) - len(read)
        cells |= {f"{name}_spread": spread, f"{name}_unread": unread}
    return cells


def _weighed(
    name: str, found: Sequence[Completion], scale: Sequence[int]
) -> dict[str, Any] | Reject:
    """The cells of one rubric, by the probabilities of the scores."""
    outcome = weighed(found, scale)
    if isinstance(outcome, Reject):
        return outcome
    return {name: outcome[0], f"{name}_spread": outcome[1]}
