"""Filters of whole rows: an expression, a function, a column of numbers, a schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.curate.filters.base import Filter, cell_filter, checked
from synthkit.curate.filters.ranges import describe_range
from synthkit.curate.filters.registry import filter_option
from synthkit.data import expressions, tables
from synthkit.prompts.parsing import follows, json_schema


@filter_option("where", takes="EXPRESSION")
def rows_where(expression: str, *, column: str = "text") -> Filter:
    """Keep rows for which an expression holds, such as 'words > 5 and stars < 3'.

    :mod:`synthkit.data.expressions` describes what an expression may contain.

    Parameters
    ----------
    column : of the texts whose ``words`` and ``chars`` are counted, unless columns of these names
        exist.

    Raises
    ------
    UsageError
        When applied, if the expression cannot be parsed, or names a column that does not exist.

    Examples
    --------
    >>> rows = [{"text": "Good soup.", "stars": 5}, {"text": "The soup was cold.", "stars": 1}]
    >>> rows_where("words > 2 and stars < 3").judge(rows)
    ['not so: words > 2 and stars < 3', '']
    """
    if not isinstance(expression, str) or not expression.strip():
        raise UsageError(f"expected an expression such as 'words > 5'; got {expression!r}.")

    def judge(table: Any) -> list[str]:
        parsed = expressions.parse(expression, tables.columns(table), counted=column)
        mask = parsed.mask(lambda name: tables.column(table, name))
        return ["" if holds else f"not so: {expression}" for holds in mask]

    return Filter(expression.strip(), judge, by_row=True)


def row_filter(test: Callable[[Mapping[str, Any]], Any]) -> Filter:
    """Keep rows for which a function of the row returns ``True``.

    Parameters
    ----------
    test : row -> ``True`` to keep it; ``False``, or a text that says why it is dropped;
        or ``(passed, reason)``, as a check of the prompt lab returns.

    Raises
    ------
    UsageError
        If ``test`` is not a function; when applied, if it fails or gives a float, with the row.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> rows = [{"id": "a", "n": 1}, {"id": "b", "n": 2}]
    >>> several = row_filter(lambda row: row["n"] > 1 or "too few")
    >>> apply_filters(rows, several).dropped["why"].tolist()
    ['too few']
    """
    if not callable(test):
        raise UsageError(f"expected a function of a row; got {type(test).__name__}.")
    name = getattr(test, "__name__", type(test).__name__)

    def reason(row: Mapping[str, Any]) -> str:
        result = test(row)
        pair = isinstance(result, tuple) and len(result) == 2
        passed, why = result if pair else (result, "")
        if isinstance(passed, str):
            return passed or "dropped"
        if isinstance(passed, float):
            raise UsageError(
                f"{name} gave the number {passed:g}, which does not say whether to keep the row; "
                "compare it, as in lambda row: score(row) >= 0.5."
            )
        return "" if passed else str(why) or f"{name} says no"

    def judge(table: Any) -> list[str]:
        return [checked(reason, at, row) for at, row in enumerate(tables.records(table))]

    return Filter(name, judge, by_row=True)


@filter_option("by", takes="VARIABLE")
def _by_variable(test: Any) -> Filter:
    """Keep rows that pass the filter, or the function of a row, in a variable."""
    return test if isinstance(test, Filter) else row_filter(test)


def by_column(
    column: str, *, least: float | None = None, most: float | None = None, missing: str = "drop"
) -> Filter:
    """Keep rows whose number in a column, such as a score, is from ``least`` to ``most``.

    Parameters
    ----------
    missing : ``"drop"`` or ``"keep"`` rows without a number.

    Raises
    ------
    UsageError
        If there is no bound; when applied, if a cell is not a number.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> rows = [{"id": "a", "score": 4.5}, {"id": "b", "score": 2}, {"id": "c", "score": None}]
    >>> apply_filters(rows, by_column("score", least=4)).dropped["why"].tolist()
    ['score too low: 2', 'score missing']
    """
    name = f"{column} {describe_range(repr(column), least, most)}"
    if missing not in ("drop", "keep"):
        raise UsageError(f"missing must be 'drop' or 'keep'; got {missing!r}.")

    def test(value: Any) -> str:
        if value is None:
            return f"{column} missing" if missing == "drop" else ""
        if isinstance(value, bool | str) or not hasattr(value, "__float__"):
            raise UsageError(f"expected a number in {column!r}; got {value!r}.")
        if least is not None and value < least:
            return f"{column} too low: {value:.6g}"
        return f"{column} too high: {value:.6g}" if most is not None and value > most else ""

    return cell_filter(name, column, test)


@filter_option("schema", takes="SCHEMA")
def schema(schema: Any, *, column: str | None = None) -> Filter:
    """Keep rows that are valid under a schema: the JSON in one column, or the row itself.

    Parameters
    ----------
    schema : a JSON Schema (a dict) or a pydantic model class, whose validators run as well.
    column : of JSON texts or of values. Without it, the row itself is validated: the cells of the
        columns that are properties of the schema, without those that are missing.

    Raises
    ------
    UsageError
        If ``schema`` is neither, or is not a valid schema.

    Examples
    --------
    >>> stars = {"type": "object", "properties": {"stars": {"type": "integer", "maximum": 5}}}
    >>> schema(stars, column="answer").judge([{"answer": '{"stars": 5}'}, {"answer": "Five"}])
    ['', 'not JSON: Expecting value: line 1 column 1 (char 0)']
    >>> schema(stars).judge([{"stars": 5, "id": "a"}, {"stars": 7, "id": "b"}])
    ['', 'does not follow the schema at stars: 7 is greater than the maximum of 5']
    """
    check = follows(schema)
    definition = json_schema(schema)
    title = schema.__name__ if isinstance(schema, type) else str(definition.get("title", "schema"))

    def complaint(value: Any) -> str:
        result = check(value)
        return result if isinstance(result, str) and result != value else ""

    def cell_reason(cell: Any) -> str:
        if cell is None:
            return "missing"
        try:
            value = json.loads(cell) if isinstance(cell, str) else cell
        except (ValueError, RecursionError) as error:
            return f"not JSON: {error}"
        return complaint(value)

    if column is not None:
        return cell_filter(f"{column} follows {title}", column, cell_reason)
    properties = definition.get("properties", {})
    if not properties:
        raise UsageError("a schema of rows needs properties, or column= to say where its JSON is.")

    def row_reason(row: Mapping[str, Any]) -> str:
        return complaint({k: v for k, v in row.items() if k in properties and v is not None})

    def judge(table: Any) -> list[str]:
        return list(map(row_reason, tables.records(table)))

    return Filter(f"follows {title}", judge, by_row=True)
