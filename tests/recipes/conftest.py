"""What the tests of every recipe share: runs with a Fake, and the kill in the middle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import ModelError
from synthkit.core.types import Request
from synthkit.data import tables

Answer = Callable[[Request], str]


@pytest.fixture
def make(session: sk.Session) -> Callable[..., sk.Run]:
    """``sk.generate`` in a session of its own, with a Fake unless another model is given."""

    def run(recipe: Any, model: Any = None, **options: Any) -> sk.Run:
        return sk.generate(recipe, model=model or sk.Fake(), session=session, **options)

    return run


@pytest.fixture(scope="session")
def smollm2() -> sk.core.models.Model:
    """Real weights, which are loaded once."""
    return sk.load_model("smollm2")


@pytest.fixture
def survives(tmp_path: Path) -> Callable[..., sk.Run]:
    """Runs a recipe whole, and again with a model that dies after each of some answers.

    The second start must give the same rows as the run that was never stopped, and ask nothing that
    the first had asked. Gives the whole run.
    """

    def check(build: Callable[[], Any], answer: Answer | None = None, **options: Any) -> sk.Run:
        whole = sk.Fake(answer)
        with sk.Session(tmp_path / "whole") as session:
            run = sk.generate(build(), model=whole, session=session, **options)
        asked = Counter(request.key("") for request in whole.asked)
        assert set(asked.values()) <= {1}, "a request was asked twice in one run"
        n = len(whole.asked)
        assert n > 1, "too few requests to be killed in the middle"
        for dies in sorted({1, n // 3, n // 2, n - 1} - {0}):
            with sk.Session(tmp_path / f"killed-{dies}") as session:
                first = sk.Fake(answer, die_after=dies)
                with pytest.raises(ModelError, match="told to die"):
                    sk.generate(build(), model=first, session=session, **options)
                second = sk.Fake(answer)
                again = sk.generate(build(), model=second, session=session, **options)
            both = Counter(request.key("") for request in [*first.asked, *second.asked])
            assert both == asked
            assert tables.records(again.table) == tables.records(run.table)
            assert tables.records(again.rejects) == tables.records(run.rejects)
        return run

    return check


def expects(recipe: sk.recipes.Recipe, run: sk.Run) -> None:
    """The run kept to what the recipe had announced."""
    asked = run.ledger.requests + run.ledger.hits - run.ledger.repairs
    for bounds, found in ((recipe.requests, asked), (recipe.rows, len(run.table))):
        assert bounds.most is None or found <= bounds.most
    assert asked >= recipe.requests.least


BREAD = pd.DataFrame(
    {
        "id": ["p1", "p2", "p3", "p4"],
        "source": ["rye.md", "rye.md", "oven.md", "naïve.md"],
        "text": [
            "Rye bread is dark. It keeps for a week.",
            "Rye needs a sour dough, and time.",
            "The oven should be hot: 250 °C at first.",
            "“Crêpes” aren’t bread — 東京 agrees.",
        ],
    }
)
