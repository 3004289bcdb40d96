"""Personas: distinct persons, listed by a model or derived from texts (arXiv 2406.20094)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from synthkit.core.errors import TableError, check_positive
from synthkit.core.types import Reject, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.recipes._arguments import checked_template, parent_id
from synthkit.recipes._ask import ask_each
from synthkit.recipes._base import Bounds, Recipe, Samples, Table, per_table, recipe
from synthkit.recipes._distinct_texts import DistinctTexts
from synthkit.recipes._lists import list_entries, list_request

AGAIN = "\n\nNone of these again:\n{shown}"

SHOWN = 50
"""Most of the accepted personas that the model is shown, the latest ones."""


@recipe
def personas(
    prompt: str,
    *,
    n: int,
    k: int = 10,
    rounds: int | None = None,
    rows: Table = None,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Distinct personas, listed in rounds, or derived from texts that they would write or read.

    Each round asks for a list of the missing personas and shows the latest accepted ones. With rows
    this is the text-to-persona of Persona Hub (arXiv 2406.20094), where every text is asked for its
    share. Of personas with the same words in the same order, the first is kept; the paper drops
    near-duplicates too, which is curation here. The columns are ``persona`` and ``round``, and
    ``parent``, the id of the text.

    Parameters
    ----------
    prompt : describes the personas; it may use the columns of ``rows``, such as
        ``Who is likely to write this? {{ text }}``. The number and the form of the list are added
        below it.
    n : how many personas.
    k : most personas per request.
    rounds : most rounds; by default three times as many as are needed if all are distinct. A last
        reject says how many are missing then.
    rows : texts to start from, such as reviews.

    Raises
    ------
    TableError
        If ``rows`` is empty.

    Examples
    --------
    >>> str(personas("People who review restaurants.", n=40).requests)
    '4 to 12'
    """
    template = checked_template(prompt, rows)
    texts = [{}] if rows is None else tables.records(rows)
    if not texts:
        raise TableError("the table has no rows; expected one text or more to start from.")
    check_positive(n=n, k=k, rounds=rounds)
    width = min(len(texts), n)
    lists = -(-n // k)
    last_round = 3 * -(-lists // width) if rounds is None else rounds

    def steps() -> Steps[None]:
        pool, sample, source = DistinctTexts(1), Samples(), itertools.cycle(texts)
        accepted: list[str] = []
        for number in range(1, last_round + 1):
            missing = n - len(accepted)
            if not missing:
                return
            batch = list(itertools.islice(source, min(width, missing)))
            share = min(k, -(-missing // len(batch)))
            note = _not_again(accepted)
            requests = [
                sample(list_request(template.render(row), share, sampling, note=note))
                for row in batch
            ]
            answers = yield from ask_each(requests, list_entries(share), repairs=1)
            outcomes: list[Row | Reject] = []
            for row, (of, entries) in zip(batch, answers, strict=True):
                for entry in [entries] if isinstance(entries, Reject) else entries:
                    outcome = _outcome(entry, pool, n - len(accepted), number)
                    if isinstance(outcome, Row):
                        accepted.append(outcome.cells["persona"])
                    outcomes.append(replace(outcome, of=of, parent=parent_id(row)))
            yield outcomes
        if len(accepted) < n:
            reason = f"stopped: {len(accepted)} of {n} personas after {last_round} rounds"
            yield [Reject("", reason)]

    return per_table(
        steps,
        name="personas",
        columns=("persona", "round"),
        requests=Bounds(min(max(width, lists), width + last_round - 1), width * last_round),
        rows=Bounds(0, n),
        like=rows,
        prompt=prompt,
    )


def _outcome(entry: str | Reject, pool: DistinctTexts, missing: int, number: int) -> Row | Reject:
    """The row of a new persona, which joins the pool; otherwise a reject."""
    if isinstance(entry, Reject):
        return entry
    complaint = pool.complaint(entry) if missing else "beyond the number that was asked for"
    if complaint:
        return Reject(entry, complaint)
    pool.add(entry)
    return Row({"persona": entry, "round": number})


def _not_again(accepted: Sequence[str]) -> str:
    """The note that lists the latest accepted personas; empty if there are none."""
    shown = "\n".join(f"- {persona}" for persona in accepted[-SHOWN:])
    return AGAIN.format(shown=shown) if accepted else ""
