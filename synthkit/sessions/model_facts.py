"""The facts of a model card: the record of a training, and where its rows come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from synthkit.core.formatting import count
from synthkit.models.hub.origins import origin
from synthkit.sessions.card_facts import Records, Sources, earlier_steps, runs_of
from synthkit.sessions.card_notes import FEW_ROWS
from synthkit.sessions.row_origins import Ancestry
from synthkit.share.model_card import HELD_OUT, SHARES, ModelCard, ModelFacts
from synthkit.stats.intervals import wilson
from synthkit.store.store import Store


def is_trained(value: Any) -> bool:
    """Whether a value is a model with the record of a training, of whatever method."""
    record = getattr(value, "record", None)
    return isinstance(record, Mapping) and {"method", "base", "rows"} <= set(record)


def model_card(store: Store, folder: Path, model: Any, name: str) -> ModelCard:
    """The card of a model that was trained here.

    Parameters
    ----------
    folder : of the tables of the session.
    model : as a method of :mod:`synthkit.train` returns it.
    name : the title; the name of the model if empty.
    """
    return ModelCard(gather(store, folder, model.record, name or model.name))


def gather(store: Store, folder: Path, record: Mapping[str, Any], name: str) -> ModelFacts:
    """The facts of a model, by the record of its training and the tables in a folder.

    The same record and the same session give the same facts, whose ``numbers()`` are plain values.
    """
    base, settings = record["base"], record.get("settings", {})
    known = origin(str(base["spec"]))
    ids, held_out = set(record["rows"]), set(record.get("held_out", ()))
    traced = store.completions.known_rows(ids)
    runs, _ = runs_of(store, ids)
    keys = store.completions.keys_for_rows(traced)
    sources = Sources(store, keys)
    ancestry = Ancestry(store, folder)
    before = ancestry.earlier([{"id": list(record["rows"])}]) - ids
    facts = ModelFacts(
        name=name,
        method=record["method"],
        base={
            "model": _plain(str(base["name"])),
            "licence": known.licence,
            "source": known.source,
            "repository": known.repository,
            "weights": str(base.get("weights", "")),
        },
        rows=len(ids),
        held_out=len(held_out),
        shared=len(ids & held_out),
        left_out=record.get("left_out", 0),
        traced=len(traced),
        runs=runs,
        models=sources.models(),
        completions=sources.totals(),
        arguments=dict(settings),
        measured=_measured(record.get("log", ()), record.get("examples_held_out", 0)),
        steps=record.get("steps") or 0,
        seconds=record.get("seconds", 0.0),
        device=record.get("device", ""),
        versions=dict(record.get("versions", {})),
        limits=(),
        earlier=earlier_steps(store, ancestry, before, runs, keys),
    )
    return replace(facts, limits=_limits(facts, record.get("complete", True)))


def public_name(spec: str) -> str:
    """The base of a model as others find it: its repository, or a name without folders.

    >>> public_name("smollm2"), public_name("hf:/home/me/tiny")
    ('HuggingFaceTB/SmolLM2-135M-Instruct', 'tiny')
    """
    return origin(spec).repository or _plain(spec.removeprefix("hf:"))


def _plain(name: str) -> str:
    """A name without the folders of this machine."""
    return Path(name).name if Path(name).is_absolute() else name


def _measured(log: Iterable[Mapping[str, Any]], n: int) -> Records:
    """Each value of a log, the first time that it was measured and the last.

    Shares of the ``n`` held-out examples have their intervals.
    """
    seen: dict[str, list[tuple[int, float]]] = {}
    shares = [HELD_OUT + name for name in SHARES]
    for entry in log:
        for key, value in entry.items():
            if key != "step" and isinstance(value, int | float):
                seen.setdefault(key, []).append((int(entry["step"]), float(value)))
    return [
        {
            "value": key.removeprefix(HELD_OUT),
            "rows": "held-out" if key.startswith(HELD_OUT) else "trained on",
            "first": values[0][1],
            "at step": values[0][0],
            "last": values[-1][1],
            "at last step": values[-1][0],
            **(_intervals(values[0][1], values[-1][1], n) if key in shares and n else {}),
        }
        for key, values in sorted(seen.items(), key=lambda item: not item[0].startswith(HELD_OUT))
    ]


def _intervals(first: float, last: float, n: int) -> dict[str, float]:
    """The Wilson intervals of two shares of ``n`` examples, by the names of the card's facts."""
    bounds = {"first": wilson(round(first * n), n), "last": wilson(round(last * n), n)}
    return {
        f"{name} {side}": bound
        for name, pair in bounds.items()
        for side, bound in zip(("low", "high"), pair, strict=True)
    }


def _limits(facts: ModelFacts, complete: bool) -> tuple[str, ...]:
    untraced = facts.rows - facts.traced
    loss = next((each for each in facts.measured if each["rows"] == "held-out"), None)
    rose = loss is not None and loss["value"] == "loss" and loss["last"] >= loss["first"]
    found = {
        "The training was stopped before its end.": not complete,
        "No rows were held out, so nothing says what it does on others.": not facts.held_out,
        "The loss of the held-out rows did not fall.": rose,
        f"{count(facts.shared, 'row')} both learned from and held out.": facts.shared,
        f"{count(untraced, 'row')} not traced: no completion of the session leads to "
        "them.": untraced,
        f"{count(facts.left_out, 'example')} left out, too long for max_tokens.": facts.left_out,
        f"Trained on {count(facts.rows, 'row')} only.": facts.rows < FEW_ROWS,
        "The licence of the base is not known here.": not facts.base["licence"],
        "The accuracy of pairs is 0 at the start, where no margin has grown yet; chance is 0.5.": (
            facts.method == "dpo"
        ),
        "One training with one seed: no interval covers how seeds differ.": True,
    }
    return tuple(text for text, holds in found.items() if holds)
