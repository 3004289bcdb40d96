from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from scipy.stats import chi2_contingency, chisquare

import synthkit as sk
from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.core.types import Request
from synthkit.data import tables
from synthkit.prompts.conditions import bands
from synthkit.recipes import attrprompt
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]
SUBTOPICS = {"sports": ["golf", "tennis", "chess"], "science": ["physics", "botany"]}
PROMPT = "A {{ tone }} {{ label }} text about {{ topic }}."
VARY = {"topic": SUBTOPICS, "tone": ["dry", "warm", "odd"]}
LABELS = ["sports", "science"]
SHORT = "A {{ tone }} text of {{ length }} words."
TONES = {"tone": ["dry", "warm"], "length": bands(2, width=1)}


def test_attributes_are_uniform_and_labels_balanced_exactly() -> None:
    rows = attrprompt(PROMPT, vary=VARY, n=3000, labels=LABELS).source
    assert Counter(rows["label"]) == {"sports": 1500, "science": 1500}
    assert chisquare(rows["tone"].value_counts()).pvalue > 0.01
    for label, topics in SUBTOPICS.items():
        counts = rows["topic"][rows["label"] == label].value_counts()
        assert set(counts.index) == set(topics)
        assert chisquare(counts).pvalue > 0.01
    assert chi2_contingency(pd.crosstab(rows["topic"], rows["tone"])).pvalue > 0.01


def test_the_seed_of_the_sampling_draws() -> None:
    def drawn(n: int, seed: int) -> Any:
        sampling = sk.Sampling(seed=seed)
        rows = attrprompt(PROMPT, vary=VARY, n=n, labels=LABELS, sampling=sampling).source
        return tables.records(rows)

    assert drawn(20, 1) == drawn(40, 1)[:20]
    assert drawn(20, 1) != drawn(20, 2)


def test_a_row_has_its_label_its_attributes_and_its_text(make: Make) -> None:
    recipe = attrprompt(PROMPT, vary=VARY, n=5, labels=LABELS)
    run = make(recipe, sk.Fake(lambda request: request.messages[-1].content))
    expects(recipe, run)
    assert list(run.table) == ["id", "label", "topic", "tone", "text"]
    for row in tables.records(run.table):
        assert row["text"] == f"A {row['tone']} {row['label']} text about {row['topic']}."
    assert run.ledger.requests == 5


def test_the_other_samplers_and_constraints_are_those_of_conditions() -> None:
    whole = attrprompt(PROMPT, vary=VARY, n=1, labels=LABELS, sampler="product").source
    assert len(whole) == 15
    real = pd.DataFrame({"id": [1, 2], "label": LABELS, "topic": ["golf", "physics"]})
    joint = attrprompt(PROMPT, vary={"tone": ["dry"]}, n=50, sampler="joint", like=real).source
    assert set(zip(joint["label"], joint["topic"], strict=True)) == {
        ("sports", "golf"),
        ("science", "physics"),
    }
    ruled_out = {"label": "sports", "tone": "dry"}
    rows = attrprompt(PROMPT, vary=VARY, n=200, labels=LABELS, where=ruled_out).source
    pairs = Counter(zip(rows["label"], rows["tone"], strict=True))
    assert ("sports", "dry") not in pairs
    assert len(pairs) == 5


def test_a_text_outside_its_band_is_asked_for_again_with_its_count(make: Make) -> None:
    def answer(request: Request) -> str:
        return "one two three" if len(request.messages) > 1 else "one two three four"

    model = sk.Fake(answer)
    recipe = attrprompt(SHORT, vary=TONES, n=3)
    run = make(recipe, model)
    expects(recipe, run)
    assert (
        run.table[["length", "text", "words"]].values.tolist()
        == [["2 to 3", "one two three", 3]] * 3
    )
    assert run.ledger.repairs == 3
    assert "has 4 words, and not 2 to 3" in model.asked[-1].messages[-1].content


@pytest.mark.parametrize(
    ("text", "reason"),
    [("word", "has 1 words, and not 2 to 3"), ("<p>a b c d</p>", "has 4 words, and not 2 to 3")],
)
def test_a_text_that_stays_outside_is_rejected_with_its_count(
    make: Make, text: str, reason: str
) -> None:
    run = make(attrprompt(SHORT, vary=TONES, n=2), sk.Fake(text))
    assert len(run.table) == 0
    assert run.rejects[["raw", "reason"]].values.tolist() == [[text, reason]] * 2
    assert run.rejects.length.tolist() == ["2 to 3"] * 2
    assert run.ledger.requests == 4


def test_no_text_outside_its_band_is_kept(make: Make) -> None:
    vary = {"tone": ["dry", "warm"], "length": bands(5, 8, width=3)}
    run = make(attrprompt(SHORT, vary=vary, n=40), sk.Fake())
    assert len(run.table) + len(run.rejects) == 40
    assert min(len(run.table), len(run.rejects)) > 0
    for row in tables.records(run.table):
        low, high = map(int, row["length"].split(" to "))
        assert low <= len(row["text"].split()) == row["words"] <= high


def test_bands_may_be_named_and_written_as_text(make: Make) -> None:
    vary = {"tone": ["dry"], "length": ["1 to 2", "3 to 4"]}
    run = make(attrprompt(SHORT, vary=vary, n=20, length="length"), sk.Fake("a b c"))
    assert set(run.table.length) == {"3 to 4"}
    assert set(run.rejects.length) == {"1 to 2"}
    assert "words" not in make(attrprompt(SHORT, vary=vary, n=20), sk.Fake("a b c")).table


def test_a_killed_run_goes_on(survives: Callable[..., sk.Run]) -> None:
    vary = TONES | {"length": bands(5, 8, width=3)}
    run = survives(lambda: attrprompt(SHORT, vary=vary, n=12))
    assert run.ledger.repairs > 0


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"n": 0}, UsageError, "n must be at least 1"),
        ({"vary": {}}, PromptError, "field 'tone' not found"),
        ({"vary": TONES | {"tone": []}}, UsageError, "'tone' needs a list"),
        ({"prompt": "{{ ton }}"}, PromptError, "Did you mean 'tone'"),
        ({"length": "lenght"}, UsageError, "Did you mean 'length'"),
        ({"length": "tone"}, UsageError, "expected a band"),
        ({"vary": TONES | {"also": bands(5)}}, UsageError, "length and also are bands"),
        ({"labels": "a, b", "vary": TONES | {"label": ["a"]}}, UsageError, "'label' is in labels"),
        ({"sampler": "joint"}, UsageError, "draws rows of like=TABLE"),
        ({"sampler": "joint", "like": [{"tone": "dry"}]}, TableError, "'tone' is in like and in"),
        ({"where": {"tine": "dry"}}, UsageError, "Did you mean 'tone'"),
    ],
)
def test_what_cannot_be_asked_is_refused(options: Any, error: type[Exception], match: str) -> None:
    arguments = {"prompt": SHORT, "vary": TONES, "n": 2} | options
    with pytest.raises(error, match=match):
        attrprompt(arguments.pop("prompt"), **arguments)


@pytest.mark.model
def test_smollm2_is_held_to_its_band(make: Make, smollm2: Any, session: Any) -> None:
    vary = TONES | {"length": bands(1, 4, width=14)}
    recipe = attrprompt(SHORT, vary=vary, n=3, sampling=sk.Sampling(max_tokens=16))
    run = make(recipe, smollm2)
    expects(recipe, run)
    assert len(run.table) + len(run.rejects) == 3
    for row in tables.records(run.table):
        assert session.trace(row["id"])[-1].completion.text.strip() == row["text"]
        assert row["words"] == len(row["text"].split())
