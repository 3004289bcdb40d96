"""Pairwise judges: a model reads two anonymous texts and says which is better.

Each pair is judged in both orders, as in MT-Bench (arXiv 2306.05685), because judges prefer one
position.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from synthkit.core.errors import PromptError, UsageError
from synthkit.core.types import Completion, Reject, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.templates import Turns, parse
from synthkit.recipes import _rubrics
from synthkit.recipes._arguments import check_samples
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, recipe
from synthkit.recipes._logprobs import expected_score
from synthkit.recipes._row_prompts import all_rendered, per_rendered_row, row_renderer

CRITERIA: Mapping[str, str] = {
    "pairwise": "Which of the two texts, A or B, is more accurate and helpful{as_answer}?",
    "coherence": "Which of the two texts, A or B, is more coherent: which one builds from sentence "
    "to sentence to one body of thought?",
    "fluency": "Which of the two texts, A or B, is better written: its grammar, spelling, choice "
    "of words and structure of sentences?",
    "relevance": "Which of the two texts, A or B, is more relevant{as_answer}: which one keeps to "
    "what matters, and leaves out the rest?",
}
"""Name -> criterion, in synthkit's own words."""

REASON_AND_VERDICT = (
    "\n\nDo not let the order of the texts or their length sway you. Give your reason in one or "
    "two sentences first, and then the verdict: A, B, or tie if neither is better. Write JSON: "
    '{"reason": "...", "verdict": "..."}'
)
VERDICT_ONLY = (
    "\n\nDo not let the order of the texts or their length sway you. Answer with the verdict "
    "alone: A, B, or tie if neither is better."
)
NO_TIE = "\n\nAnswer with the verdict alone: A or B."
ORDERS: Mapping[str, Mapping[str, str]] = {
    "forward": {"A": "first", "B": "second"},
    "backward": {"A": "second", "B": "first"},
}
"""Order -> name -> the column of the text with that name."""
IDENTIFYING = ("first", "second", "first_system", "second_system", "first_id", "second_id")
"""Columns that would reveal to a judge whose text it reads, or the order of the texts."""

_ALONE = re.compile(r"\W*(?:text\s+)?(A|B|tie)\W*", re.IGNORECASE)
_VERDICT = re.compile(
    r"\b(?i:verdict|answer|winner|choice)\b[\s*_\"']*(?::|=|(?i:is)\b:?)[\s*_\"'\[(]*(?i:text\s+)?"
    r"(A|B|(?i:tie))[\s*_\"'\])]*(?=[.,;:!}]|$|\bis\b)",
    re.MULTILINE,
)
_BRACKETS = re.compile(r"\[\[\s*(A|B|C|tie)\s*\]\]", re.IGNORECASE)


@recipe
def pairwise(
    prompt: str = "",
    *,
    rows: Table,
    criteria: Sequence[str] | Mapping[str, str] = "pairwise",
    instruction: str | None = None,
    k: int = 1,
    reasons: bool = True,
    weighted: bool = False,
    one_order: bool = False,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Which text of each pair is better, judged in both orders under the names A and B.

    As in MT-Bench (arXiv 2306.05685, section 3.4) a text wins only if it wins in both orders; two
    different verdicts are a tie. A completion that cannot be parsed is repaired once; an order
    without any verdict makes a reject.

    There is a row for each pair and criterion, with the columns ``criterion``, ``outcome``
    (``first``, ``second`` or ``tie``), ``consistent`` (whether both orders agree), ``forward`` and
    ``backward`` (the verdict in each order, as the column of the better text), ``forward_reason``
    and ``backward_reason`` (in the latter, A is the column ``second``). With ``k`` above 1 the
    verdict of an order is that of most samples, or ``tie`` without a majority; ``first_share`` is
    the share of samples for the first text, ties counted half, averaged over the orders (0..1), and
    ``unread`` the number of samples that could not be parsed.

    With ``weighted`` nothing is generated: ``first_share`` is the probability of the first text,
    p(A) / (p(A) + p(B)) or p(B) for A, averaged over the orders, and ``outcome`` the text with the
    larger share. A constant preference for one position then cancels out. There are no reasons,
    and ties only for equal probabilities; this needs a model on this machine.

    Parameters
    ----------
    prompt : a criterion of your own, named ``pairwise``; it may use the columns of ``rows`` except
        those that reveal whose text is read. The texts are added below it unless it uses
        ``{{ A }}`` and ``{{ B }}``.
    rows : pairs, such as ``evaluate.pairs`` makes, with the texts in ``first`` and ``second``.
    criteria : names of ``pairwise``, ``coherence``, ``fluency``, ``relevance``; or name -> a
        criterion of your own.
    instruction : the column of the instruction that both texts answer; by default ``prompt``, if
        the pairs have it.
    k : samples for each order and criterion.
    reasons : ask the model for a reason before its verdict.
    weighted : compare the model's probabilities of A and B instead of generating a verdict.
    one_order : ask only in the order of the pair. ``outcome`` is then that verdict, with the
        judge's position bias, and there are no columns ``consistent`` and ``backward``.

    Raises
    ------
    UsageError
        If a criterion is unknown, or ``k`` is above 1 at temperature 0, where all samples are
        equal.
    PromptError
        If a criterion uses a column that reveals whose text is read, or shows only one text.

    Examples
    --------
    >>> recipe = pairwise("Which is kinder?", rows=[{"first": "Go away.", "second": "Welcome."}])
    >>> recipe.columns[:3], str(recipe.requests)
    (('criterion', 'outcome', 'consistent'), '2')
    """
    check_samples(k, sampling)
    if weighted and k > 1:
        raise UsageError("a weighted verdict needs k=1: probabilities do not vary.")
    if instruction is None and "prompt" in tables.columns(tables.native(rows)):
        instruction = "prompt"
    shown = {} if instruction is None else {"instruction": instruction}
    orders = {"forward": ORDERS["forward"]} if one_order else ORDERS
    words = {"as_answer": " as an answer to the instruction" if shown else ""}
    presets = {name: criterion.format(**words) for name, criterion in CRITERIA.items()}
    named = _rubrics.named_rubrics(prompt, criteria, presets, default="pairwise")
    ending = NO_TIE if weighted else REASON_AND_VERDICT if reasons else VERDICT_ONLY
    renderers = [
        row_renderer(_with_texts(each, list(shown)), rows, ending=ending, **shown, **names)
        for each in named.values()
        for names in orders.values()
    ]
    decoder, scored = verdicts(reasons), "AB" if weighted else ""

    def steps(_: parsing.Cells, rendered: list[Turns]) -> Steps[Outcome]:
        replies = yield from _rubrics.answers(rendered, decoder, sampling, k, scored=scored)
        verdict = _weighted_verdict if weighted else _majority_verdict
        outcomes = []
        rest = iter(replies)
        for name in named:
            by_order = {order: verdict(next(rest), ORDERS[order]) for order in orders}
            outcomes.append(_combined(name, by_order, columns, by_share=weighted))
        return outcomes

    columns = ["criterion", "outcome", *([] if one_order else ["consistent"]), *orders]
    columns += [f"{order}_reason" for order in orders if reasons and not weighted]
    columns += ["first_share"] if weighted or k > 1 else []
    columns += ["unread"] if k > 1 else []
    n = len(renderers) * (len(scored) or k)
    return per_rendered_row(
        all_rendered(renderers),
        steps,
        rows,
        name="pairwise",
        columns=columns,
        requests=Bounds(n, n),
        most=len(named),
        prompt=prompt,
    )


def verdicts(reasons: bool = True) -> parsing.Decoder:
    """A decoder of a verdict and the reason before it, from JSON or from plain words.

    >>> read = verdicts()
    >>> from synthkit.core.types import Completion
    >>> read(Completion("A is short, B is clear. Verdict: B"))
    {'reason': 'A is short, B is clear. Verdict: B', 'verdict': 'B'}
    >>> read(Completion("A is short, B is clear.")).reason
    'names no verdict: A, B or tie'
    """

    def read(raw: str) -> parsing.Cells | str:
        reason, verdict = _rubrics.read_reason(raw, "verdict")
        named = _verdicts_in_words(str(verdict))
        if len(named) != 1:
            several = f"names several verdicts, {', '.join(sorted(named))}"
            return several if named else "names no verdict: A, B or tie"
        return ({"reason": reason} if reasons else {}) | {"verdict": named.pop()}

    choices = {"enum": ["A", "B", "tie"]}
    if not reasons:
        return parsing.Decoder(("verdict",), read, choices)
    return parsing.Decoder(("reason", "verdict"), read, _rubrics.reason_schema("verdict", choices))


def _verdicts_in_words(text: str) -> set[str]:
    """The verdicts that a text names."""
    alone = _ALONE.fullmatch(text)
    named = [alone[1]] if alone else _BRACKETS.findall(text) or _VERDICT.findall(text)
    verdict = {"a": "A", "b": "B", "c": "tie", "tie": "tie"}  # MT-Bench's C is a tie
    return {verdict[name.casefold()] for name in named}


def _with_texts(criterion: str, shown: Sequence[str]) -> str:
    """A criterion with both texts below it, unless it shows them itself."""
    fields = parse(criterion).fields
    if identifying := [field for field in fields if field in IDENTIFYING]:
        raise PromptError(
            f"the criterion uses {{{{ {identifying[0]} }}}}, which reveals whose text the judge "
            "reads or the order of the texts; the texts are {{ A }} and {{ B }}."
        )
    sides = {"A", "B"} & set(fields)
    if len(sides) == 1:
        raise PromptError("the criterion shows one text; use both {{ A }} and {{ B }}, or neither.")
    below = () if sides else (*shown, "A", "B")
    return criterion.strip() + "".join(_rubrics.FENCED.format(what=name) for name in below)


def _combined(
    criterion: str,
    verdicts: Mapping[str, parsing.Cells | Reject],
    columns: Sequence[str],
    *,
    by_share: bool,
) -> parsing.Cells | Reject:
    """The cells of one pair and criterion, from the verdict of each order.

    The winner is the text that all orders agree on or, ``by_share``, has more than half.
    """
    parsed = {order: each for order, each in verdicts.items() if not isinstance(each, Reject)}
    cells: parsing.Cells = {"criterion": criterion}
    cells |= {order: each["winner"] for order, each in parsed.items()}
    cells |= {f"{order}_reason": each.get("reason") for order, each in parsed.items()}
    for order, each in verdicts.items():
        if isinstance(each, Reject):
            known = {name: cells[name] for name in columns if name in cells}
            return replace(each, reason=f"{criterion}, {order}: {each.reason}", cells=known)
    winners = {each["winner"] for each in parsed.values()}
    share = statistics.fmean(each["share"] for each in parsed.values())
    agreed = min(winners) if len(winners) == 1 else "tie"
    cells["outcome"] = _larger_share(share) if by_share else agreed
    cells |= {"consistent": len(winners) == 1, "first_share": share}
    cells["unread"] = sum(each["unread"] for each in parsed.values())
    return {name: cells[name] for name in columns}


def _majority_verdict(
    samples: Sequence[parsing.Cells | Reject], names: Mapping[str, str]
) -> parsing.Cells | Reject:
    """The verdict of most samples of one order; a reject if none can be parsed."""
    parsed = [sample for sample in samples if not isinstance(sample, Reject)]
    if not parsed:
        return next(sample for sample in samples if isinstance(sample, Reject))
    winners = [names.get(sample["verdict"], "tie") for sample in parsed]
    votes = Counter(winners)
    (most, n), *others = votes.most_common()
    winner = "tie" if others and others[0][1] == n else most
    agreeing = (sample for sample, each in zip(parsed, winners, strict=True) if each == winner)
    return {
        "winner": winner,
        "share": (votes["first"] + votes["tie"] / 2) / len(parsed),
        "unread": len(samples) - len(parsed),
        "reason": next(agreeing, parsed[0]).get("reason"),
    }


def _weighted_verdict(
    completions: Sequence[Completion], names: Mapping[str, str]
) -> parsing.Cells | Reject:
    """The verdict of one order by the probabilities of A and B."""
    outcome = expected_score(completions, [1, 0] if names["A"] == "first" else [0, 1])
    if isinstance(outcome, Reject):
        return outcome
    share, _ = outcome
    return {"winner": _larger_share(share), "share": share, "unread": 0}


def _larger_share(share: float) -> str:
    if math.isclose(share, 0.5, abs_tol=1e-9):  # allows for rounding
        return "tie"
    return "first" if share > 0.5 else "second"
