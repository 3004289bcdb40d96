"""Who marks what: each row goes to several students, and all get equally many rows."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

from synthkit.core.errors import TableError, UsageError, cause, unknown
from synthkit.curate.marks.orders import sample_ids
from synthkit.data import tables
from synthkit.sessions._frames import frame
from synthkit.sessions.people import ME, check_name, composed
from synthkit.sessions.session import Session

TRIES = 100_000
"""How many exchanges of two students are tried at most."""
COLUMNS = ("id", "student")
Meetings = Counter[tuple[int, int]]
"""How many rows each two students share."""


def assign(
    session: Session,
    name: str,
    table: Any,
    students: Sequence[str],
    *,
    rows: int | None = None,
    overlap: int = 3,
    seed: int = 0,
) -> Any:
    """Decide who marks which rows of a table; save the table, and the answer as ``NAME_assigned``.

    A table that is saved already stays as it is.

    Parameters
    ----------
    rows : so many rows at random; all if not given.
    overlap : the number of students who mark each row.

    Returns
    -------
    DataFrame
        ``id`` and ``student``, the rows in the order of the table.

    Raises
    ------
    UsageError
        If there are fewer students than ``overlap``, a name occurs twice or cannot be shown, or
        the session has another table of that name.
    """
    table = tables.identified(table)
    ids = [str(id) for id in tables.column(table, "id")]
    if rows is not None and not 1 <= rows <= len(ids):
        raise UsageError(f"expected 1 to {len(ids)} rows, which {name} has; got {rows}.")
    chosen = set(ids if rows is None else sample_ids(ids, rows, seed))
    in_order = [id for id in ids if id in chosen]
    shared = shares(len(in_order), checked_names(students), overlap, seed)
    pairs = [(id, who) for id, group in zip(in_order, shared, strict=True) for who in group]
    assigned = frame(pairs, COLUMNS, what="who marks what")
    if name not in session.names():
        session.save(name, table)
    elif not chosen <= {str(id) for id in tables.column(_identified(session, name), "id")}:
        raise UsageError(f"the session has another table named {name}; rename one of them.")
    session.save(f"{name}_assigned", assigned)
    return assigned


def shares(n: int, students: Sequence[str], overlap: int, seed: int) -> list[list[str]]:
    """The students of each of ``n`` rows, in the order of the list.

    Numbers of rows differ by at most one, and each two students share about as many rows as any
    others. A row goes to those with the fewest rows so far, and among them to those who share the
    fewest. Then students change places where that makes the numbers of shared rows more equal.

    >>> shares(3, ["Ana", "Bo", "Cy"], 2, 0)
    [['Bo', 'Cy'], ['Ana', 'Bo'], ['Ana', 'Cy']]
    """
    if not 1 <= overlap <= len(students):
        raise UsageError(
            f"each row can go to 1 to {len(students)} students, whom the list has; got {overlap}."
        )
    draw = random.Random(seed)
    loads = [0] * len(students)
    met: Meetings = Counter()
    groups = []
    for _ in range(n):
        group: list[int] = []
        order = draw.sample(range(len(students)), len(students))
        for _ in range(overlap):
            free = (who for who in order if who not in group)
            group.append(min(free, key=lambda w: (loads[w], sum(met[_pair(w, o)] for o in group))))
        for who in group:
            loads[who] += 1
        met.update(combinations(sorted(group), 2))
        groups.append(group)
    uneven = _unevenness(met, len(students))
    for _ in range(TRIES):
        if not uneven:
            break
        uneven += _exchange(draw.choice(groups), draw.choice(groups), met, draw)
    return [[students[who] for who in sorted(group)] for group in groups]


def _exchange(one: list[int], other: list[int], met: Meetings, draw: random.Random) -> int:
    """Let a student of each of two rows change places, unless students would meet less evenly.

    Returns the change of :func:`_unevenness`.
    """
    at, to = draw.randrange(len(one)), draw.randrange(len(other))
    a, b = one[at], other[to]
    if a in other or b in one:
        return 0
    near, far = [who for who in one if who != a], [who for who in other if who != b]
    ended = [*(_pair(a, who) for who in near), *(_pair(b, who) for who in far)]
    begun = [*(_pair(b, who) for who in near), *(_pair(a, who) for who in far)]
    change = Counter(begun)
    change.subtract(ended)
    worse = sum(2 * met[pair] * by + by * by for pair, by in change.items())
    if worse > 0:
        return 0
    met.update(change)
    one[at], other[to] = b, a
    return worse


def _unevenness(met: Meetings, students: int) -> int:
    """How much the squares of the numbers of shared rows exceed the least sum of them."""
    pairs = students * (students - 1) // 2
    each, more = divmod(met.total(), pairs) if pairs else (0, 0)
    return sum(n * n for n in met.values()) - pairs * each**2 - more * (2 * each + 1)


def _pair(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def write_lesson(session: Session, name: str, path: Path | str, *, over: bool = False) -> Path:
    """Write the bundle for the class: the table and who marks what, without any marks."""
    names = [name, f"{name}_assigned"]
    return session.export(path, names, over=over, marks=False)


@contextmanager
def undone_on_error(session: Session, name: str) -> Iterator[None]:
    """Put back a table and who marks what, as they were before, if the block ends in an error."""
    assigned, saved = f"{name}_assigned", set(session.names())
    before = session.load(assigned) if assigned in saved else None
    try:
        yield
    except BaseException:
        if added := sorted({name, assigned} & set(session.names()) - saved):
            session.delete(tables=added)
        if before is not None and not before.equals(session.load(assigned)):
            session.save(assigned, before)
        raise


def load(session: Session, name: str) -> dict[str, list[str]]:
    """Student -> the ids of the rows to mark, in order; empty if nothing is assigned."""
    try:
        assigned = session.load(f"{name}_assigned")
    except TableError:
        return {}
    tables.check_columns(assigned, COLUMNS)
    rows: dict[str, list[str]] = {}
    for id, who in zip(*(tables.column(assigned, column) for column in COLUMNS), strict=True):
        rows.setdefault(composed(str(who)), []).append(str(id))
    return rows


def own_rows(session: Session, name: str, table: Any, *, by: str | None = None) -> Any:
    """The rows of a table that a student is to mark.

    Parameters
    ----------
    by : the student; the session's person if not given.

    Raises
    ------
    UsageError
        If nothing is assigned, the student has no name or is not on the list, or rows are missing.
    """
    assigned, who = load(session, name), composed(by or session.person)
    if not assigned:
        raise UsageError(
            f"nobody is assigned rows of {name} here; attach the lesson: "
            "%synth session --attach lesson.zip"
        )
    if who not in assigned:
        if who == ME:
            raise UsageError("say who you are first: %synth me NAME")
        raise UsageError(f"{unknown('student', who, assigned)} %synth me NAME changes your name.")
    table = tables.identified(table)
    places = {str(id): place for place, id in enumerate(tables.column(table, "id"))}
    if missing := [id for id in assigned[who] if id not in places]:
        raise UsageError(
            f"{name} lacks {len(missing)} of your rows, such as {missing[0]}; use the table of the "
            f"lesson: del {name}"
        )
    return tables.take(table, [places[id] for id in assigned[who]])


def read_names(path: Path) -> list[str]:
    """The names on the lines of a file.

    Raises
    ------
    UsageError
        If it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--students {path}: the file cannot be read: {cause(error)}.") from None
    return [line.strip() for line in lines if line.strip()]


def checked_names(students: Sequence[str]) -> list[str]:
    """The names of a class.

    Raises
    ------
    UsageError
        If one occurs twice or cannot be shown.
    """
    names = [check_name(str(student)) for student in students]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UsageError(f"{twice!r} is on the list twice; add a letter to tell them from another.")
    if ME in names:
        raise UsageError(f"{ME!r} is who gave no name; choose another name.")
    return names


def _identified(session: Session, name: str) -> Any:
    return tables.identified(session.load(name))
