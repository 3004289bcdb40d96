from __future__ import annotations

import builtins
import gc
import inspect
import pickle
import re
from pathlib import Path

import pytest

from synthkit.core import errors
from synthkit.core.extras import need

CLASSES = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, errors.SynthkitError)
]


def test_the_drawing_in_the_docstring_is_the_hierarchy() -> None:
    drawn: dict[str, tuple[str, str | None]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"( {4}[ │├└─]*)([A-Z]\w+)(?:\((\w+)\))?", line):
            depth = (len(match[1]) - 4) // 4
            above[depth:] = [match[2]]
            drawn[match[2]] = (above[depth - 1] if depth else "Exception", match[3])
    real = {
        found.__name__: (
            found.__bases__[0].__name__,
            found.__bases__[1].__name__ if len(found.__bases__) > 1 else None,
        )
        for found in CLASSES
    }
    assert drawn == real


@pytest.mark.parametrize("found", CLASSES)
def test_every_error_is_a_synthkit_error_and_survives_pickle(found: type[Exception]) -> None:
    error = found("what went wrong")
    assert isinstance(error, errors.SynthkitError)
    assert str(pickle.loads(pickle.dumps(error))) == "what went wrong"
    assert all(hasattr(builtins, b.__name__) for b in found.__bases__ if b.__module__ == "builtins")


def test_a_notebook_shows_the_message_and_no_traceback() -> None:
    assert errors.UsageError("no such thing")._render_traceback_() == ["UsageError: no such thing"]
    lines = errors.Interrupted("long word " * 20 + "\nlast")._render_traceback_()
    assert max(map(len, lines)) <= 88
    assert " ".join(lines) == "long word " * 20 + "last"


@pytest.mark.parametrize(
    ("got", "known", "message"),
    [
        ("topc", ["topic", "id"], "f 'topc' not found; have 'topic', 'id'. Did you mean 'topic'?"),
        ("zzz", ["topic"], "f 'zzz' not found; have 'topic'."),
        ("x", [], "f 'x' not found; have none."),
    ],
)
def test_an_unknown_name_lists_the_known_ones(got: str, known: list[str], message: str) -> None:
    assert errors.unknown("f", got, known) == message


def test_an_optional_package_is_imported_without_garbage_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "says_whether.py").write_text("import gc; collects = gc.isenabled()")
    monkeypatch.syspath_prepend(tmp_path)
    assert gc.isenabled()
    assert not need("says_whether", extra="local", why="to test").collects
    assert gc.isenabled()


def test_a_missing_extra_names_the_feature_and_the_pip_line() -> None:
    with pytest.raises(errors.MissingExtra) as caught:
        need("no_such_package", extra="local", why="to load 4-bit weights")
    assert "to load 4-bit weights" in str(caught.value)
    assert 'pip install "jupyter-synthkit[local]"' in str(caught.value)
