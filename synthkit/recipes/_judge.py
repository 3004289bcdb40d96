"""Judges: a model reads a text and gives a reason and a score by a rubric.

AlpaGasus (arXiv 2307.08701) filters by such a score, in G-Eval (arXiv 2303.16634) the reason comes
first, and DEITA (arXiv 2312.15685) scores complexity and quality separately.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Reject, Sampling, Steps
from synthkit.prompts import parsing
from synthkit.prompts.templates import Turns
from synthkit.recipes import _rubrics
from synthkit.recipes._arguments import check_samples
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, recipe
from synthkit.recipes._logprobs import expected_score
from synthkit.recipes._row_prompts import all_rendered, per_rendered_row, row_renderer

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
"""Name -> rubric, in synthkit's own words. ``judge`` is AlpaGasus' dimension, ``complexity`` and
``quality`` are DEITA's; the others are G-Eval's, where ``faithful`` is called consistency."""

REASON_AND_SCORE = (
    "\n\nGive your reason in one or two sentences first, and then the score, a whole number from "
    '{low} (worst) to {high} (best), as JSON: {{"reason": "...", "score": ...}}'
)
SCORE_ONLY = "\n\nAnswer with the score alone, a whole number from {low} (worst) to {high} (best)."
LONGEST_SCALE = 20
"""Most values of a scale whose probabilities are computed."""

# a match begins where a number does and takes all of it, so that time grows with the length only
_NUMBER = r"((?<!\d)(?<!\d\.)[-+]?\d++(?:\.\d++)?)"
_OUT_OF = re.compile(rf"{_NUMBER}\s*(?:/|out of)\s*{_NUMBER}(?![A-Za-z_\d/])", re.IGNORECASE)
_SCALE = re.compile(
    rf"{_NUMBER}\s*(?:[-–—~]|to|through)\s*{_NUMBER}|\bout of\s*{_NUMBER}", re.IGNORECASE
)
"""What says the ends of a scale, as in "on a scale of 1 to 5", and is no score."""
_SCORE = re.compile(
    rf"\b(?:score|rating|rate|rated|grade)\b[^\d\n+-]{{0,30}}?{_NUMBER}(?![A-Za-z_\d%/])",
    re.IGNORECASE,
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
    """A score of each text by each rubric, with a reason that the model gives first.

    AlpaGasus (arXiv 2307.08701) keeps texts with at least 4.5 of 5:
    ``curate.by_column("judge", least=4.5)``. DEITA's scores (arXiv 2312.15685) are the rubrics
    ``complexity`` and ``quality``. A completion that cannot be parsed, or uses another scale ("8
    out of 10"), is repaired once, and is then a reject.

    The columns are, for each rubric, ``NAME`` (the score, or the mean of ``k``) and
    ``NAME_reason``; with ``k`` above 1 also ``NAME_spread`` (standard deviation of the scores that
    could be parsed) and ``NAME_unread`` (number of samples that could not). With ``weighted`` there
    is no reason: ``NAME`` is G-Eval's sum_i p(s_i) s_i (arXiv 2303.16634, equation 1) over the
    scale, and ``NAME_spread`` the standard deviation of p; this needs a model on this machine.

    Parameters
    ----------
    prompt : a rubric of your own, in the column ``judge``; it may use the columns of ``rows``. The
        text is added below it unless it uses ``{{ text }}``.
    rubrics : names of ``judge``, ``quality``, ``complexity``, ``coherence``, ``fluency``,
        ``relevance``, ``faithful``; or name -> a rubric of your own.
    column : the column of the texts.
    instruction : the column of the instructions that the texts answer, if they do.
    sources : the column of source texts, which ``faithful`` needs; shown with every rubric.
    low, high : the ends of the scale, worst and best.
    k : samples for each rubric.
    weighted : weight the scale by the model's probabilities instead of generating a score.

    Raises
    ------
    UsageError
        If a rubric is unknown, ``faithful`` has no sources, the scale is empty, or ``k`` is above 1
        at temperature 0, where all samples are equal.

    Examples
    --------
    >>> recipe = judge(rows=[{"text": "A warm loaf."}], rubrics="quality, complexity")
    >>> recipe.columns
    ('quality', 'quality_reason', 'complexity', 'complexity_reason')
    """
    check_samples(k, sampling)
    if not low < high:
        raise UsageError(f"a scale goes from low up to high; got {low} to {high}.")
    if weighted and (k > 1 or high - low >= LONGEST_SCALE):
        raise UsageError(
            f"a weighted score needs k=1 and a scale of at most {LONGEST_SCALE} values."
        )
    fields = {"text": column} | ({} if instruction is None else {"instruction": instruction})
    fields |= {} if sources is None else {"source": sources}
    ending = (SCORE_ONLY if weighted else REASON_AND_SCORE).format(low=low, high=high)
    named = _chosen_rubrics(prompt, rubrics, fields)
    renderers = [
        row_renderer(_with_texts(rubric, list(fields)), rows, ending=ending, **fields)
        for rubric in named.values()
    ]
    decoder, scale = scores(low, high), range(low, high + 1)
    scored_texts = list(map(str, scale)) if weighted else []

    def steps(_: parsing.Cells, rendered: list[Turns]) -> Steps[Outcome]:
        replies = yield from _rubrics.answers(rendered, decoder, sampling, k, scored=scored_texts)
        cells: parsing.Cells = {}
        rejects: list[Reject] = []
        for name, part in zip(named, replies, strict=True):
            scored = _weighted(name, part, scale) if weighted else _averaged(name, part)
            if isinstance(scored, Reject):
                rejects.append(replace(scored, reason=f"{name}: {scored.reason}"))
            else:
                cells |= scored
        return replace(rejects[0], cells=cells) if rejects else cells

    suffixes: tuple[str, ...] = ("", "_spread") if weighted else ("", "_reason")
    suffixes += ("_spread", "_unread") if k > 1 else ()
    n = len(named) * (len(scored_texts) or k)
    return per_rendered_row(
        all_rendered(renderers),
        steps,
        rows,
        name="judge",
        columns=[name + suffix for name in named for suffix in suffixes],
        requests=Bounds(n, n),
        prompt=prompt,
    )


def scores(low: float, high: float) -> parsing.Decoder:
    """A decoder of a reason and a score, from JSON or from plain words.

    >>> read = scores(1, 5)
    >>> from synthkit.core.types import Completion
    >>> read(Completion("It is clear. I rate it 4 out of 5."))
    {'reason': 'It is clear. I rate it 4 out of 5.', 'score': 4.0}
    >>> read(Completion("I rate it 8 out of 10.")).reason
    'rates 8 out of 10, where 1 to 5 was asked for'
    """

    def read(raw: str) -> parsing.Cells | str:
        reason, score = _rubrics.read_reason(raw, "score")
        if isinstance(score, str):
            score = _score_in_words(score, high)
            if isinstance(score, str):
                return f"{score}, where {low:g} to {high:g} was asked for"
        if isinstance(score, bool) or not isinstance(score, int | float):
            return "its JSON has no number 'score'"
        if not low <= score <= high:
            return f"gives {score:g}, where {low:g} to {high:g} was asked for"
        return {"reason": reason, "score": float(score)}

    whole_number = {"type": "integer", "minimum": low, "maximum": high}
    return parsing.Decoder(("reason", "score"), read, _rubrics.reason_schema("score", whole_number))


def _score_in_words(text: str, high: float) -> float | str:
    """The one score in a text, or why there is none."""
    out_of = {(float(score), float(whole)) for score, whole in _OUT_OF.findall(text)}
    for score, whole in out_of:
        if whole != high:
            return f"rates {score:g} out of {whole:g}"
    if not out_of:
        text = _SCALE.sub(" ", text)
    named = {score for score, _ in out_of} or {float(score) for score in _SCORE.findall(text)}
    alone = _ALONE.fullmatch(text)
    if not named and alone:
        named = {float(alone[1])}
    if len(named) != 1:
        several = ", ".join(f"{score:g}" for score in sorted(named))
        return f"names several scores, {several}" if named else "names no score"
    return named.pop()


def _chosen_rubrics(
    prompt: str, rubrics: Sequence[str] | Mapping[str, str], fields: Mapping[str, str]
) -> dict[str, str]:
    """Name -> template of each rubric; its wording depends on the fields that are shown."""
    words = {
        "as_answer": " as an answer to the instruction" if "instruction" in fields else "",
        "asked": "instruction" if "instruction" in fields else "text",
    }
    presets = {name: rubric.format(**words) for name, rubric in RUBRICS.items()}
    chosen = _rubrics.named_rubrics(prompt, rubrics, presets, default="judge")
    if chosen.get("faithful") == presets["faithful"] and "source" not in fields:
        raise UsageError("the rubric 'faithful' needs sources=, the column of the source texts.")
    columns = [name + part for name in chosen for part in ("", "_reason", "_spread", "_unread")]
    if len(set(columns)) < len(columns):
        raise UsageError(
            f"two rubrics would make the same column; rename one of {', '.join(chosen)}."
        )
    return chosen


def _with_texts(rubric: str, fields: Sequence[str]) -> str:
    """A rubric with the texts below it, unless it shows the text itself."""
    shows_text = re.search(r"\{[{%][^}]*\btext\b", rubric)
    shown = [] if shows_text else [_rubrics.FENCED.format(what=name) for name in fields[::-1]]
    return "".join([rubric.strip(), *shown])


def _averaged(name: str, replies: Sequence[parsing.Cells | Reject]) -> parsing.Cells | Reject:
    """The cells of one rubric: the mean of its samples."""
    parsed = [reply for reply in replies if not isinstance(reply, Reject)]
    if not parsed:
        return next(reply for reply in replies if isinstance(reply, Reject))
    values = [reply["score"] for reply in parsed]
    cells = {name: statistics.fmean(values), f"{name}_reason": parsed[0]["reason"]}
    if len(replies) > 1:
        spread, unread = statistics.pstdev(values), len(replies) - len(parsed)
        cells |= {f"{name}_spread": spread, f"{name}_unread": unread}
    return cells


def _weighted(
    name: str, completions: Sequence[Completion], scale: Sequence[int]
) -> parsing.Cells | Reject:
    """The cells of one rubric: the mean of the scale by the model's probabilities."""
    outcome = expected_score(completions, scale)
    if isinstance(outcome, Reject):
        return outcome
    return {name: outcome[0], f"{name}_spread": outcome[1]}
