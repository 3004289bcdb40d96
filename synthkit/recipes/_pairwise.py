"""Judges of pairs: a model reads two texts without their names, and says which is better.

MT-Bench (arXiv 2306.05685) has each pair judged in both orders, since judges like one place more
than the other.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.errors import PromptError, UsageError
from synthkit.core.types import Completion, Reject, Request, Sampling, Steps
from synthkit.data.tables import columns, native
from synthkit.prompts import parsing
from synthkit.prompts.templates import Turns, parse
from synthkit.recipes._ask import ask_and_parse_all
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, recipe
from synthkit.recipes._judge import FENCED, ended, parts, worded
from synthkit.recipes._likelihood import weighed
from synthkit.recipes._row_prompts import about, each_given, first_reject
from synthkit.recipes._zerogen import positive

CRITERIA: Mapping[str, str] = {
    "pairwise": "Which of the two texts, A or B, is more accurate and helpful{as_answer}?",
    "coherence": "Which of the two texts, A or B, is more coherent: which one builds from sentence "
    "to sentence to one body of thought?",
    "fluency": "Which of the two texts, A or B, is better written: its grammar, spelling, choice "
    "of words and structure of sentences?",
    "relevance": "Which of the two texts, A or B, is more relevant{as_answer}: which one keeps to "
    "what matters, and leaves out the rest?",
}
"""Criteria by name, in words of our own."""

FORM = (
    "\n\nDo not let the order of the texts or their length sway you. Give your reason in one or "
    "two sentences first, and then the verdict: A, B, or tie if neither is better. Write JSON: "
    '{"reason": "...", "verdict": "..."}'
)
BARE = (
    "\n\nDo not let the order of the texts or their length sway you. Answer with the verdict "
    "alone: A, B, or tie if neither is better."
)
EITHER = "\n\nAnswer with the verdict alone: A or B."
ORDERS: Mapping[str, Mapping[str, str]] = {
    "forward": {"A": "first", "B": "second"},
    "backward": {"A": "second", "B": "first"},
}
"""Which column of a pair stands under which name."""
TELLING = ("first", "second", "first_system", "second_system", "first_id", "second_id")
"""Columns that would tell a judge whose text it reads, or in which order."""

_ALONE = re.compile(r"\W*(?:text\s+)?(A|B|tie)\W*", re.IGNORECASE)
_NAMED = re.compile(
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
    verdicts that differ are a tie. An answer that cannot be read is asked for again once; an order
    of which no verdict could be read makes a reject, never a toss of a coin.

    There is a row for each pair and criterion, with the columns ``criterion``, ``outcome``
    (``first``, ``second`` or ``tie``), ``consistent`` (whether both orders said the same),
    ``forward`` and ``backward`` (what each order said, in terms of the pair: ``first`` is the
    column ``first``, wherever it was shown), ``forward_reason`` and ``backward_reason`` (where, in
    the latter, A is the column ``second``). With ``k`` above 1 an order says what most of its
    samples say, or ``tie`` where none has the most; ``first_share`` is the mean over the orders of
    the share of samples for the first, ties half (0..1), and ``unread`` how many could not be read.

    With ``weighted`` nothing is written: ``first_share`` is the mean over the orders of the first's
    probability, p(A) / (p(A) + p(B)) or p(B) for A, and ``outcome`` which of the two has more of
    it. What a judge likes about a place then cancels out, as far as it is the same for all texts.
    There are no reasons, and a tie only by equal probabilities; it needs a model on this machine.

    Parameters
    ----------
    prompt : a criterion of your own, named ``pairwise``; it may use the columns of ``rows`` but for
        those that tell whose text is read. The texts are put below it, unless it uses ``{{ A }}``
        and ``{{ B }}``.
    rows : pairs, such as ``evaluate.pairs`` makes, with the texts in ``first`` and ``second``.
    criteria : names of ``pairwise``, ``coherence``, ``fluency``, ``relevance``; or name -> a
        criterion of your own.
    instruction : the column of what both texts answer; if the pairs have one, ``prompt``.
    k : samples for each order and criterion.
    reasons : have the model say why before its verdict.
    weighted : weigh A and B by the model's probabilities, in place of an answer.
    one_order : ask in the order of the pair alone. ``outcome`` is then what it said, and there is
        no ``consistent`` and no ``backward``; what the judge likes about a place stays in it.

    Raises
    ------
    UsageError
        If there is no such criterion, one uses what would tell whose text is read, or k samples
        are drawn at temperature 0, where all are the same.

    Examples
    --------
    >>> recipe = pairwise("Which is kinder?", rows=[{"first": "Go away.", "second": "Welcome."}])
    >>> recipe.columns[:3], str(recipe.requests)
    (('criterion', 'outcome', 'consistent'), '2')
    """
    positive("k", k)
    if k > 1 and sampling.temperature == 0:
        raise UsageError("at temperature 0 all samples are the same; raise it, or judge with k=1.")
    if weighted and k > 1:
        raise UsageError("probabilities are weighed once; a weighted verdict has k=1.")
    if instruction is None and "prompt" in columns(native(rows)):
        instruction = "prompt"
    given = {} if instruction is None else {"instruction": instruction}
    orders = {"forward": ORDERS["forward"]} if one_order else ORDERS
    fills = {"as_answer": " as an answer to the instruction" if given else ""}
    presets = {name: words.format(**fills) for name, words in CRITERIA.items()}
    templates = {
        name: about(_framed(words, list(given)), rows, **given, **ORDERS["forward"])
        for name, words in worded(prompt, criteria, presets, own="pairwise").items()
    }
    decoder = verdicts(reasons)
    end = EITHER if weighted else FORM if reasons else BARE

    def ready(row: dict[str, Any]) -> list[Turns] | Reject:
        asked = [
            ended(template, row, given | dict(names), end)
            for template in templates.values()
            for names in orders.values()
        ]
        return first_reject(asked) or [one for one in asked if not isinstance(one, Reject)]

    def steps(_: dict[str, Any], asked: list[Turns]) -> Steps[Outcome]:
        if weighted:
            every: list[Any] = yield [Request(one, answer=name) for one in asked for name in "AB"]
        else:
            requests = [
                Request(turns, sampling, decoder.schema, index=i)
                for turns in asked
                for i in range(k)
            ]
            every = yield from ask_and_parse_all(requests, [decoder] * len(requests))
        heard = _weighed if weighted else _heard
        outcomes = []
        for name, part in zip(templates, parts(every, len(templates)), strict=True):
            by_order = zip(orders, parts(part, len(orders)), strict=True)
            said = {order: heard(found, ORDERS[order]) for order, found in by_order}
            outcomes.append(_settled(name, said, made, by_share=weighted))
        return outcomes

    made = ["criterion", "outcome", *([] if one_order else ["consistent"]), *orders]
    made += [f"{order}_reason" for order in orders if reasons and not weighted]
    made += ["first_share"] if weighted or k > 1 else []
    made += ["unread"] if k > 1 else []
    n = len(templates) * len(orders) * (2 if weighted else k)
    return each_given(
        ready,
        steps,
        rows,
        name="pairwise",
        columns=made,
        requests=Bounds(n, n),
        most=len(templates),
        prompt=prompt,
    )


def verdicts(reasons: bool = True) -> parsing.Decoder:
    """A decoder of a verdict, and of the reason before it, from JSON or from plain words.

    >>> read = verdicts()
    >>> from synthkit.core.types import Completion
    >>> read(Completion("A is short, B is clear. Verdict: B"))
    {'reason': 'A is short, B is clear. Verdict: B', 'verdict': 'B'}
    >>> read(Completion("A is short, B is clear.")).reason
    'names no verdict: A, B or tie'
    """

    def read(raw: str) -> parsing.Cells | str:
        try:
            value = parsing.find_json(raw)
        except ValueError:
            words, reason = raw, raw.strip()
        else:
            words, reason = str(value.get("verdict")), str(value.get("reason") or "").strip()
        found = _said(words)
        if len(found) != 1:
            several = f"names several verdicts, {', '.join(sorted(found))}"
            return several if found else "names no verdict: A, B or tie"
        return ({"reason": reason} if reasons else {}) | {"verdict": found.pop()}

    choices = ["A", "B", "tie"]
    if not reasons:
        return parsing.Decoder(("verdict",), read, {"enum": choices})
    schema = {
        "type": "object",
        "properties": {
            "reason": {"type": "string", "maxLength": 400},
            "verdict": {"enum": choices},
        },
        "required": ["reason", "verdict"],
    }
    return parsing.Decoder(("reason", "verdict"), read, schema)


def _said(text: str) -> set[str]:
    """The verdicts that plain words name."""
    alone = _ALONE.fullmatch(text)
    found = [alone[1]] if alone else _BRACKETS.findall(text) or _NAMED.findall(text)
    names = {"a": "A", "b": "B", "c": "tie", "tie": "tie"}  # MT-Bench's C is a tie
    return {names[one.casefold()] for one in found}


def _framed(words: str, given: Sequence[str]) -> str:
    """A criterion with the two texts below it, unless it shows them itself."""
    fields = parse(words).fields
    if telling := [field for field in fields if field in TELLING]:
        raise PromptError(
            f"the criterion uses {{{{ {telling[0]} }}}}, which tells whose text the judge reads or "
            "in which order; the texts are {{ A }} and {{ B }}."
        )
    own = {"A", "B"} & set(fields)
    if len(own) == 1:
        raise PromptError("the criterion shows one text; use both {{ A }} and {{ B }}, or neither.")
    shown = "" if own else "".join(FENCED.format(what=one) for one in (*given, "A", "B"))
    return words.strip() + shown


def _settled(
    criterion: str,
    heard: Mapping[str, parsing.Cells | Reject],
    columns: Sequence[str],
    *,
    by_share: bool,
) -> dict[str, Any] | Reject:
    """The cells of one pair and criterion, by what each order said.

    The winner is the one that all orders agree on or, ``by_share``, that has more than half.
    """
    read = {order: one for order, one in heard.items() if not isinstance(one, Reject)}
    cells: dict[str, Any] = {"criterion": criterion}
    cells |= {order: one["said"] for order, one in read.items()}
    cells |= {f"{order}_reason": one.get("reason") for order, one in read.items()}
    for order, one in heard.items():
        if isinstance(one, Reject):
            kept = {name: cells[name] for name in columns if name in cells}
            return replace(one, reason=f"{criterion}, {order}: {one.reason}", cells=kept)
    said = {one["said"] for one in read.values()}
    share = statistics.fmean(one["share"] for one in read.values())
    cells["outcome"] = _leads(share) if by_share else min(said) if len(said) == 1 else "tie"
    cells |= {"consistent": len(said) == 1, "first_share": share}
    cells["unread"] = sum(one["unread"] for one in read.values())
    return {name: cells[name] for name in columns}


def _heard(
    found: Sequence[parsing.Cells | Reject], names: Mapping[str, str]
) -> parsing.Cells | Reject:
    """What the samples of one order say, in terms of the pair; a reject if none can be read."""
    read = [one for one in found if not isinstance(one, Reject)]
    if not read:
        return next(one for one in found if isinstance(one, Reject))
    each = [names.get(one["verdict"], "tie") for one in read]
    votes = Counter(each)
    (most, n), *others = votes.most_common()
    said = "tie" if others and others[0][1] == n else most
    same = (one for one, verdict in zip(read, each, strict=True) if verdict == said)
    return {
        "said": said,
        "share": (votes["first"] + votes["tie"] / 2) / len(read),
        "unread": len(found) - len(read),
        "reason": next(same, read[0]).get("reason"),
    }


def _weighed(found: Sequence[Completion], names: Mapping[str, str]) -> parsing.Cells | Reject:
    """The same by the probabilities of A and B."""
    outcome = weighed(found, [1, 0] if names["A"] == "first" else [0, 1])
    if isinstance(outcome, Reject):
        return outcome
    share, _ = outcome
    return {"said": _leads(share), "share": share, "unread": 0}


def _leads(share: float) -> str:
    if math.isclose(share, 0.5, abs_tol=1e-9):  # but for rounding
        return "tie"
    return "first" if share > 0.5 else "second"
