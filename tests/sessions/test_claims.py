"""Claims: comparisons of stored scores, kept with the ids of the scores."""

from __future__ import annotations

from pathlib import Path

import pytest

import synthkit as sk
from synthkit.core.errors import StoreError, UsageError
from synthkit.sessions import claims

pytestmark = pytest.mark.usefixtures("each_store")


@pytest.fixture
def scored(session: sk.Session) -> sk.Session:
    """Two evaluated tables: the texts of ``plain`` are less diverse than those of ``rich``."""
    rich = [{"id": f"r{n}", "text": f"the soup {n} was cold on day {n * 7}"} for n in range(40)]
    plain = [
        {"id": f"p{n}", "text": f"the soup was {'cold' if n % 2 else 'hot'}"} for n in range(40)
    ]
    for name, rows in (("rich", rich), ("plain", plain), ("short", rich[:20])):
        session.evaluate(rows, name=name, column="text", metrics=["distinct-1", "distinct-2"])
    return session


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("distinct_2(rich) > distinct_2(plain)", True),
        ("distinct_2(rich) < distinct_2(plain)", False),
        ("'distinct-2'('rich') > 0", True),
        ('"Distinct-2"(rich) == distinct_2(1)', True),
        ("lower(distinct_2(rich)) <= distinct_2(rich) <= upper(distinct_2(rich))", True),
        ("lower(distinct_2(rich) - distinct_2(plain)) > 0", True),
        ("gap = distinct_2(rich) - distinct_2(plain); lower(gap) > 0 and abs(-gap) == gap", True),
        ("distinct_1(rich) > 1 or not distinct_1(rich) > 1", True),
        ("2 * distinct_1(rich) / 2 - distinct_1(rich) + 1 == 1.0", True),
    ],
)
def test_a_claim_holds_or_not(scored: sk.Session, text: str, holds: bool) -> None:
    claim = scored.claim(text)
    assert claim.holds is holds
    assert claims.derived(scored.store, claim) == claim
    assert claims.load_all_claims(scored.store) == [claim]


def test_the_interval_of_a_difference_is_that_of_the_scores_rows(scored: sk.Session) -> None:
    claim = scored.claim("upper(distinct_2(rich) - distinct_2(plain)) < 1")
    (value,) = claim.numbers.values()
    compared = scored.compare_scores("rich", "plain").set_index("metric")
    assert value == pytest.approx(compared.loc["distinct-2", "high"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a claim of 1 to"),
        ("distinct_2(rich) > " + "1 + " * 400 + "1", "expected a claim of 1 to"),
        ("distinct_2(rich) >", "cannot be read"),
        ("(" * 150 + "distinct_2(rich) > 0" + ")" * 150, ""),
        ("distinct_2(riches) > 0", "Did you mean 'rich'"),
        ("distinct_3(rich) > 0", "have 'distinct_1', 'distinct_2'"),
        ("distinct(rich) > 0", "could be distinct_1 or distinct_2"),
        ("distinct_2(7) > 0", "evaluation of '7' not found"),
        ("gap < 0.03", "'gap' is no name of this claim"),
        ("1 < 2", "names no score"),
        ("distinct_2(rich)", "expected a comparison"),
        ("upper(distinct_1(rich) + 1) < 2", "has no interval"),
        ("upper(distinct_1(rich) - distinct_2(rich)) < 2", "one metric"),
        ("upper(distinct_2(rich) - distinct_2(short)) < 2", "depends on the number of rows"),
        ("distinct_2(rich) / 0 > 1", "division by zero"),
        ("distinct_2(rich, plain) > 1", "one table or sum in parentheses"),
        ("distinct_2(rich) is 1", "expected <, <=, >, >=, == or !="),
        ("distinct_2(rich) > True", "expected a number"),
        ("__import__('os').system('x') > 0", "expected the name of a metric"),
        ("[x for x in distinct_2(rich)] > 0", "expected a number, a score or a sum"),
        ("import os", "ends with a comparison"),
        ("distinct_2(rich) > 0; x = 1", "ends with a comparison"),
    ],
)
def test_a_claim_that_cannot_be_read_says_why(scored: sk.Session, text: str, said: str) -> None:
    if not said:
        assert scored.claim(text).holds
        return
    with pytest.raises(UsageError) as caught:
        scored.claim(text)
    assert said in str(caught.value)
    assert scored.store.evaluations.claims.all() == {}


def test_a_claim_stays_about_its_scores(
    scored: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    claim = scored.claim("distinct_2(rich) > distinct_2(plain)")
    for n in range(2):  # the numbers of evaluations differ there
        other.evaluate([{"text": f"one {n}"}], name="rich", column="text", metrics=["distinct-2"])
    assert other.import_bundle(scored.export(tmp_path / "b")).claims == 1
    (there,) = claims.load_all_claims(other.store)
    again = claims.derived(other.store, there)
    assert (again.holds, again.numbers) == (True, claim.numbers)
    scored.evaluate([{"text": "other"}], name="rich", column="text", metrics=["distinct-2"])
    assert claims.derived(scored.store, claim) == claim


def test_a_claim_whose_scores_are_gone_is_not_derived(scored: sk.Session) -> None:
    claim = scored.claim("distinct_2(rich) > 0")
    scored.store.evaluations.keep(["plain"])
    with pytest.raises(UsageError, match="is not stored"):
        claims.derived(scored.store, claim)


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"claim": "a", "scores": {"x": {}}}'])
def test_a_body_that_is_no_claim_is_refused(body: str) -> None:
    with pytest.raises(StoreError, match="a claim cannot be read"):
        claims.read(body)


def test_a_card_shows_the_claims_of_its_table(scored: sk.Session) -> None:
    scored.claim("distinct_2(rich) > 0.1")
    text = str(scored.card([{"id": "r1", "text": "x"}], name="rich"))
    assert "## Claims" in text
    assert "## Claims" not in str(scored.card([{"id": "p1", "text": "x"}], name="plain"))
