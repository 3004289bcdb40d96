"""The registry of metrics: what each needs, and how a report computes it.

``@metric`` registers a function, in synthkit, in an installed package (as an entry point of the
group ``synthkit.metric``) or in a notebook. :func:`synthkit.evaluate.report` computes every
registered metric whose needs are met.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from synthkit.core.errors import UsageError, check_known
from synthkit.core.registry import Registry
from synthkit.core.types import Score
from synthkit.evaluate.results import Advice, Measured

if TYPE_CHECKING:
    from synthkit.evaluate.inputs import EvalInputs

KINDS = ("diversity", "distribution", "faithfulness", "utility", "memorisation", "people")
"""The kinds of metrics, in the order of a report; other kinds come after them."""

Of = Literal["texts", "vectors", "labels", "inputs"]
Result = Score | Iterable["Score | tuple[Score, Sequence[str]] | Advice"]
"""What a metric may return; a score of ``EvalInputs`` may come with the ids of its rows."""
Function = TypeVar("Function", bound=Callable[..., Result])

NEEDS: Mapping[str, tuple[Callable[[EvalInputs], bool], str]] = {
    "embed": (lambda inputs: inputs.embed is not None, "an embedder (embed)"),
    "learner": (
        lambda inputs: inputs.embed is not None or inputs.learner is not None,
        "an embedder (embed) or a learner",
    ),
    "label": (lambda inputs: bool(inputs.label), "a column of labels (label)"),
    "against": (lambda inputs: inputs.against is not None, "real rows (against)"),
    "test": (lambda inputs: inputs.test is not None, "a test set (test)"),
    "checks": (lambda inputs: bool(inputs.checks), "checks of a row (checks)"),
    "source": (lambda inputs: bool(inputs.source), "a column of sources (source)"),
    "marks": (lambda inputs: bool(inputs.verdicts), "marks on its rows"),
    "marked labels": (lambda inputs: bool(inputs.marked_labels), "marks that are labels"),
    "faithful": (
        lambda inputs: "faithful" in inputs.rows.columns,
        "a judge's scores by the rubric faithful",
    ),
    "judge": (lambda inputs: inputs.judged, "a column of a judge's scores (judge)"),
    "rater_pairs": (
        lambda inputs: bool(inputs.rater_pairs),
        "two raters of the same rows (rater_pairs)",
    ),
}
"""What a metric may need: a test of the inputs, and what to call it in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A registered metric, which a report computes from its inputs.

    Parameters
    ----------
    name : by which it is chosen or left out.
    kind : one of :data:`KINDS`, or a kind of your own.
    function, of, needs, options : as in :func:`metric`.
    order : its place among the metrics of its kind; those of one number come as listed.
    large : as in :func:`metric`.
    """

    name: str
    kind: str
    function: Callable[..., Result]
    of: Of = "texts"
    needs: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    order: int = 0
    large: bool = False

    def lacks(self, inputs: EvalInputs) -> list[str]:
        """The needs that the inputs do not meet, in words."""
        return [NEEDS[need][1] for need in self.needs if not NEEDS[need][0](inputs)]

    def __call__(self, inputs: EvalInputs) -> tuple[list[Measured], dict[str, str]]:
        """The scores, and the advice that comes with them (topic -> text).

        Raises
        ------
        UsageError
            If the function returns anything but scores.
        """
        result = self.function(*self._arguments(inputs), **self._keywords(inputs))
        measured: list[Measured] = []
        advice: dict[str, str] = {}
        for item in [result] if isinstance(result, Score) else result:
            if isinstance(item, Advice):
                advice[item.topic] = item.text
                continue
            score, ids = item if isinstance(item, tuple) else (item, self._ids(inputs))
            if not isinstance(score, Score):
                raise UsageError(
                    f"expected a Score from the metric {self.name!r}; got {type(score).__name__}."
                )
            if self.of == "vectors":
                score = _embedded(score, inputs)
            if not self._is_own and score.parts is None and score.at_n is None:
                # whether it depends on the number of rows is not known
                score = replace(score, at_n=len(inputs.rows.texts))
            aligned = score.parts is not None and len(score.parts) == len(ids)
            measured.append(Measured(self.kind, score, ids if aligned else None, self.name))
        return measured, advice

    @property
    def _is_own(self) -> bool:
        """Whether it is a metric of synthkit itself."""
        return str(getattr(self.function, "__module__", "")).startswith("synthkit.")

    def _arguments(self, inputs: EvalInputs) -> list[Any]:
        """The function's arguments: those of the real rows last, if it needs them."""
        if self.of == "inputs":
            return [inputs]
        sides = [inputs.rows, inputs.real] if "against" in self.needs else [inputs.rows]
        return [getattr(side, self.of) for side in sides]

    def _keywords(self, inputs: EvalInputs) -> dict[str, Any]:
        """The metric's options; the level, seed and labels if the function has such parameters."""
        if self.of == "inputs":
            return dict(self.options)
        values: dict[str, Any] = {"level": inputs.level, "seed": inputs.seed}
        if "label" in self.needs:
            labels = inputs.rows.labels
            drawn = [labels[at] for at in inputs.rows.drawn]
            values["labels"] = drawn if self.of == "vectors" else labels
        parameters = inspect.signature(self.function).parameters
        return {name: values[name] for name in values if name in parameters} | dict(self.options)

    def _ids(self, inputs: EvalInputs) -> Sequence[str]:
        """The ids of the rows that the parts of a score are of.

        Empty for a comparison with real rows: its parts ignore that each row also changes the balls
        or clusters of the others, so that two such scores are compared by their intervals.
        """
        if self.of == "inputs" or "against" in self.needs:
            return ()
        return inputs.rows.drawn_ids if self.of == "vectors" else inputs.rows.ids


METRICS: Registry[Metric] = Registry("metric", decorator="metric", package="synthkit.evaluate")
"""Every metric by its name: those of synthkit, of installed packages and of the notebook."""


def metric(
    name: str,
    *,
    kind: str,
    of: Of = "texts",
    needs: Sequence[str] = (),
    order: int = 0,
    large: bool = False,
    **options: Any,
) -> Callable[[Function], Function]:
    """Register a metric: a decorator of a function that returns a score, or several.

    Parameters
    ----------
    name : by which a report computes or leaves it out.
    kind : diversity, distribution, faithfulness, utility, memorisation, people, or your own.
    of : what the function gets: ``"texts"``, ``"vectors"`` (rows of an embedder) or ``"labels"`` of
        the rows; those of the real rows come first if it needs ``"against"``. It gets ``level``,
        ``seed`` and ``labels`` as well if it has parameters of that name. With ``"inputs"`` it gets
        the whole :class:`~synthkit.evaluate.inputs.EvalInputs`, and may pair a score with the ids
        of the rows its parts are of.
    needs : keys of :data:`NEEDS`; without one of them the metric is left out of a report, with the
        reason. ``of`` implies its own.
    order : its place among the metrics of its kind.
    large : whether the function takes the texts of a table that does not fit into memory,
        :class:`~synthkit.data.large_texts.LargeTexts`, or its labels as a list. Otherwise it gets
        those of a sample of such a table.
    options : passed to the function, so that one function can be several metrics.

    Raises
    ------
    UsageError
        If a need is unknown, or the name is taken.

    Examples
    --------
    >>> @metric("shouting", kind="diversity")
    ... def shouting(texts):
    ...     loud = [float(text.isupper()) for text in texts]
    ...     return Score(name="shouting", value=sum(loud) / len(loud), n=len(loud), parts=loud)
    >>> from synthkit.evaluate import report
    >>> print(report([{"text": "HELP"}, {"text": "thanks"}])["shouting"])
    0.5
    >>> METRICS.remove("shouting")
    """
    implied = {"vectors": ("embed",), "labels": ("label",)}.get(of, ())
    needed = tuple(dict.fromkeys((*needs, *implied)))
    check_known("need", needed, NEEDS)

    def register(function: Function) -> Function:
        METRICS.add(
            name,
            Metric(
                name=name, kind=kind, function=function, of=of, needs=needed, options=options,
                order=order, large=large,
            ),
            function,
        )  # fmt: skip
        return function

    return register


def load(names: Iterable[str]) -> tuple[list[Metric], dict[str, str]]:
    """Metrics in the order of a report, and the reasons why others cannot be imported.

    They are sorted by kind, then by ``order``, then as the registry lists them.
    """
    metrics: list[Metric] = []
    failed: dict[str, str] = {}
    for name in names:
        try:
            metrics.append(METRICS[name])
        except UsageError as error:
            failed[name] = str(error).rstrip(".")
    places = {kind: place for place, kind in enumerate(KINDS)}
    metrics.sort(key=lambda m: (places.get(m.kind, len(KINDS)), m.order))
    return metrics, failed


def _embedded(score: Score, inputs: EvalInputs) -> Score:
    """The score with the embedder and the sample added to its ``how``."""
    drawn, n = len(inputs.rows.drawn), len(inputs.rows.texts)
    sample = f"{drawn} of {n} rows drawn, seed {inputs.seed}" if drawn < n else ""
    parts = [score.how, inputs.embedder, sample]
    return replace(score, how="; ".join(filter(None, parts)))
