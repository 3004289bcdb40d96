from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import TableError, UsageError
from synthkit.core.types import Row
from synthkit.data import row_files
from synthkit.recipes import gather, user

Make = Callable[..., sk.Run]


def test_steps_within_steps_run_side_by_side(make: Make) -> None:
    def branch(n: int) -> Any:
        (first,) = yield [user(f"first {n}")]
        (second,) = yield [user(f"second {n}: {first.text}")]
        return second.text

    def many(rows: list[dict[str, Any]]) -> Any:
        texts = yield from gather(branch(n) for n in range(3))
        none = yield from gather([])
        yield [Row({"text": text}) for text in [*texts, *none]]

    fake = sk.Fake(lambda request: request.messages[-1].content.upper())
    run = make(many, fake)
    assert run.table.text.tolist() == [f"SECOND {n}: FIRST {n}" for n in range(3)]
    assert run.table.id.is_unique


def test_a_second_model_answers_what_is_asked_of_it(make: Make) -> None:
    def judged(row: dict[str, Any]) -> Any:
        (text,) = yield [user("Write.")]
        (verdict,) = yield [user(f"Judge: {text.text}", to="judge")]
        return {"text": text.text, "verdict": verdict.text}

    recipe = sk.recipes.per_row(
        judged, [{"x": 1}], name="judged", requests=sk.recipes.Bounds(2, 2), roles=["judge"]
    )
    run = make(recipe, sk.Fake("prose"), others={"judge": sk.Fake("good", name="j")})
    assert run.table[["text", "verdict"]].values.tolist() == [["prose", "good"]]
    again = make(recipe, sk.Fake("prose"), others={"judge": sk.Fake("bad", name="k")})
    assert (again.ledger.hits, again.ledger.requests) == (1, 1)
    with pytest.raises(UsageError, match=r"role 'jury' not found; have 'judge'"):
        make(recipe, others={"jury": sk.Fake()})


def test_a_recipe_takes_files_wherever_it_takes_a_table(tmp_path: Path) -> None:
    (tmp_path / "a1.csv").write_text("text,topic\nThe soup was warm.,soup\n")
    (tmp_path / "a2.csv").write_text("text,topic\nBread.,bread\n")
    files, table = str(tmp_path / "a*.csv"), row_files.opened(tmp_path / "a1.csv")
    scored = sk.recipes.judge("Is it good?", rows=files)
    assert scored.source["text"].tolist() == ["The soup was warm.", "Bread."]
    assert scored.call is not None
    assert scored.call[1]["rows"]["topic"].tolist() == ["soup", "bread"]
    answered = sk.recipes.rag(
        "{{ passages }}", rows=tmp_path / "a2.csv", passages=files, query="text", column="text"
    )
    assert answered.source["text"].tolist() == ["Bread."]
    assert len(answered.call[1]["passages"]) == 2  # type: ignore[index]
    demos = tmp_path / "a1.csv"
    assert sk.recipes.prompt("On {{ topic }}.", rows=files, output="out").rows.least == 2
    prompted = sk.recipes.prompt("On {{ topic }}.", vary={"topic": ["tea"]}, examples=demos)
    assert prompted.call[1]["examples"].equals(table)  # type: ignore[index]
    drawn = sk.recipes.prompt("On {{ topic }}.", like=files, sampler="joint", n=3)
    assert drawn.rows.least == 3
    with pytest.raises(TableError, match=r"no.csv does not exist"):
        sk.recipes.judge("Is it good?", rows="no.csv")
