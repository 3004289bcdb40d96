"""Cards of trained models: every number again, from the record and the SQLite file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.sessions import model_facts
from synthkit.share.model_card import ModelCard
from synthkit.stats.intervals import wilson
from synthkit.train import TrainedModel, dpo, sft
from tests.models.conftest import save_tiny
from tests.sessions.test_card import raw
from tests.share.hub import Hub

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")


@pytest.fixture
def student(session: sk.Session, generate: Callable[..., sk.Run], tmp_path: Path) -> TrainedModel:
    """A tiny model, trained on 8 rows of the session and one of another source."""
    tiny = save_tiny(tmp_path / "tiny")
    made = generate("Write {{ x }}.", vary={"x": list("abcd")}, n=12, name="made").table
    rows = [
        {"id": id, "prompt": "q", "completion": text}
        for id, text in zip(made["id"], made["text"], strict=True)
    ]
    own = {"id": "mine", "prompt": "q", "completion": "My own."}
    options: dict[str, Any] = {"rank": 2, "batch_size": 4, "steps": 3, "learning_rate": 1e-2}
    return sft([*rows[:8], own], held_out=rows[7:], base=f"hf:{tiny}", folder=tmp_path / "train",
               **options)  # fmt: skip


@pytest.mark.slow
def test_every_number_of_a_model_card(session: sk.Session, student: TrainedModel) -> None:
    record = json.loads((student.folder / "training.json").read_text())
    card = session.card(student)
    numbers = card.facts.numbers()
    ids = [id for id in record["rows"] if id != "mine"]
    assert len(ids) == 8
    columns = "key, request, prompt_tokens, completion_tokens, seconds, finish"
    done = [row for row in raw(session, f"SELECT {columns} FROM completions") if row[0][:16] in ids]
    expected: dict[str, float] = {
        "rows": 9, "held_out": 5, "shared": 1, "left_out": 0, "traced": 8,
        "steps": record["steps"], "seconds": record["seconds"],
        "runs.1.run": 1, "runs.1.rows": 12, "runs.1.here": 8, "runs.1.rejects": 0,
        "runs.1.requests": 12, "runs.1.cached": 0, "runs.1.cut": 0, "runs.1.cost": 0.0,
        "completions.completions": len(done),
        "completions.prompt tokens": sum(row[2] for row in done),
        "completions.completion tokens": sum(row[3] for row in done),
        "completions.seconds of all, one after the other": round(sum(row[4] for row in done), 1),
        "completions.cut at max_tokens": sum(row[5] == "length" for row in done),
    }  # fmt: skip
    models = Counter(json.loads(row[1])["model"] for row in done).most_common()
    expected |= {f"models.{at}.completions": n for at, (_, n) in enumerate(models, 1)}
    for name, value in record["settings"].items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            expected[f"arguments.{name}"] = value
    values: dict[str, list[tuple[int, float]]] = {}
    for entry in record["log"]:
        for name in set(entry) - {"step"}:
            values.setdefault(name, []).append((entry["step"], entry[name]))
    named = {("eval_" if each["rows"] == "held-out" else "") + each["value"]: at
             for at, each in enumerate(card.facts.measured, 1)}  # fmt: skip
    assert {"loss", "eval_loss"} <= set(named)
    assert set(named) == set(values)
    for name, at in named.items():
        (first, began), (last, ended) = values[name][0], values[name][-1]
        expected |= {f"measured.{at}.first": began, f"measured.{at}.at step": first}
        expected |= {f"measured.{at}.last": ended, f"measured.{at}.at last step": last}
    assert sorted(numbers) == sorted(expected)
    assert numbers == pytest.approx(expected)
    held_out = values["eval_loss"]
    fell = held_out[-1][1] < held_out[0][1]
    assert card.facts.limits == (
        *([] if fell else ["The loss of the held-out rows did not fall."]),
        "1 row both learned from and held out.",
        "1 row not traced: no completion of the session leads to them.",
        "Trained on 9 rows only.",
        "The licence of the base is not known here.",
        "One training with one seed: no interval covers how seeds differ.",
    )


def test_a_model_card_has_the_steps_that_its_rows_were_generated_from(session: sk.Session) -> None:
    rows: Any = [{"i": 1}, {"i": 2}]
    for name in ("written", "answered"):
        model = sk.Fake(f"{name} words", name=f"{name}-model")
        options: dict[str, Any] = {"model": model, "name": name, "session": session}
        rows = sk.generate(f"{name} {{{{ i }}}}", rows=rows, **options).table
    base = {"name": "tiny", "spec": "hf:tiny"}
    record = {"method": "sft", "base": base, "rows": rows["id"].tolist()}
    facts = model_facts.gather(session.store, session.table_folder, record, "student")
    assert [each["model"] for each in facts.models] == ["answered-model"]
    assert [each["model"] for each in facts.earlier["models"]] == ["written-model"]
    assert facts.earlier["runs"][0]["table"] == "written"
    assert "| earlier | written-model |" in str(ModelCard(facts))


@pytest.mark.slow
def test_the_accuracy_of_held_out_pairs_has_an_interval(
    session: sk.Session, tmp_path: Path
) -> None:
    from huggingface_hub import ModelCard

    pairs = [{"prompt": f"q {n}", "chosen": "yes", "rejected": f"no {n}"} for n in range(4)]
    tiny, options = save_tiny(tmp_path / "tiny"), {"rank": 2, "steps": 4, "learning_rate": 1e-2}
    model = dpo(pairs[:2], held_out=[*pairs[2:], {"prompt": "q", "chosen": "b", "rejected": "yes"}],
                base=f"hf:{tiny}", folder=tmp_path / "train", **options)  # fmt: skip
    card = session.card(model)
    (row,) = [each for each in card.facts.measured
              if each["value"] == "rewards/accuracies" and each["rows"] == "held-out"]  # fmt: skip
    # by hand, Wilson (1927): z^2 = 3.8415, n = 3; none of them at the start
    grew = round(3 * model.log[-1]["eval_rewards/accuracies"])
    expected = {0: (0, 0.5615), 2: (0.2077, 0.9385), 3: (0.4385, 1)}
    assert (row["first"], row["last"]) == (0, pytest.approx(grew / 3, abs=1e-4))
    assert (row["first low"], row["first high"]) == pytest.approx(expected[0], abs=1e-4)
    assert (row["last low"], row["last high"]) == pytest.approx(expected[grew], abs=1e-4)
    low, high = wilson(grew, 3)
    text = f"{row['last']:.3g} [{low:.3g}, {high:.3g}]"
    assert text in str(card).replace("\\", "")
    assert any("chance is 0.5" in limit for limit in card.facts.limits)
    assert not any("low" in each or "high" in each
                   for each in card.facts.measured if each["value"] == "loss")  # fmt: skip
    (tmp_path / "README.md").write_text(str(card))
    data = ModelCard.load(tmp_path / "README.md").data
    values = {each.metric_type: each.metric_value for each in data.eval_results}
    assert values["rewards/accuracies"] == row["last"]


@pytest.mark.slow
def test_a_model_is_pushed_with_its_card_and_without_paths_of_this_machine(
    session: sk.Session, student: TrainedModel, hub: Hub, tmp_path: Path
) -> None:
    from huggingface_hub import ModelCard

    push = session.push(student, "me/student")
    assert push.findings == []
    assert push.send() == f"{hub.url}/me/student"
    files = hub.repositories["models/me/student"]
    assert {"README.md", "adapter_config.json", "adapter_model.safetensors"} <= set(files)
    assert (
        files["adapter_model.safetensors"]
        == (student.folder / "adapter_model.safetensors").read_bytes()
    )
    for name, content in files.items():
        if not name.endswith(".safetensors"):
            assert str(tmp_path).encode() not in content, name
    assert json.loads(files["adapter_config.json"])["base_model_name_or_path"] == "tiny"
    (tmp_path / "README.md").write_bytes(files["README.md"])
    card = ModelCard.load(tmp_path / "README.md")
    (fingerprint,) = card.data.synthkit["fingerprints"].values()
    assert fingerprint == session.card(student).facts.models[0]["fingerprint"]
    assert f"| {fingerprint}" not in card.text.replace("\\", "")
    assert card.data.library_name == "peft"
    results = {each.metric_type: each.metric_value for each in card.data.eval_results}
    assert results["loss"] == [e["eval_loss"] for e in student.log if "eval_loss" in e][-1]
    assert "Write {{ x }}." in card.text
