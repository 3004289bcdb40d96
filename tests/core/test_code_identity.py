"""What a function computes has one hash in every process, and else another."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from synthkit.core.code_identity import code_digest
from synthkit.curate import row_filter, schema
from synthkit.evaluate import checks

SOURCE = """
import sys
from synthkit.core.code_identity import code_digest

LEAST = {least}

def words(text):
    # {comment}
    return len(text.split())

def long(row, most=3):
    return row["n"] in {{"a", "b", "c"}} or LEAST <= words(row["text"]) <= most

print(code_digest(long))
"""


def printed(**values: Any) -> str:
    source = SOURCE.format(**{"least": 1, "comment": "a comment"} | values)
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_function_has_the_same_hash_in_every_process_whatever_its_comments() -> None:
    assert printed() == printed(comment="another")
    assert printed() != printed(least=2)


@dataclass(frozen=True)
class Bounds:
    least: int

    def __call__(self, row: Any) -> bool:
        return bool(row["n"] >= self.least)


class Named:
    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint


class Counter:
    def __init__(self, n: int) -> None:
        self.n = n

    def count(self, row: Any) -> int:
        return self.n


def over(limit: Any) -> Any:
    return lambda row: row["n"] > limit


def of_model(model: Any) -> Any:
    return lambda row: model


PAIRS = [
    (over(1), over(2)),
    (lambda row: 1, lambda row: 2),
    (functools.partial(max, 1), functools.partial(max, 2)),
    (Bounds(1), Bounds(2)),
    (of_model(Named("a")), of_model(Named("b"))),
    (checks.regex("text", "a"), checks.regex("text", "b")),
    (checks.function(over(1)), checks.function(over(2))),
    (row_filter(over(1)), row_filter(over(2))),
    (schema({"properties": {"n": {}}}), schema({"properties": {"n": {"type": "string"}}})),
    (over(re.compile("a")), over(re.compile("a", re.I))),
    (over(float("nan")), over(1.5)),
    (over({"a", "b"}), over({"a", "c"})),
    (over(Bounds), over(Counter)),
    (max, min),
]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_what_computes_something_else_has_another_hash(first: Any, second: Any) -> None:
    assert code_digest(first) != code_digest(second)
    assert code_digest(first) == code_digest(first)


def test_functions_that_refer_to_themselves_have_a_hash() -> None:
    def even(n: int) -> bool:
        return n == 0 or odd(n - 1)

    def odd(n: int) -> bool:
        return n > 0 and even(n - 1)

    assert code_digest(even) != code_digest(odd)
    assert code_digest(over(Counter(1).count)) == code_digest(over(Counter(2).count))
