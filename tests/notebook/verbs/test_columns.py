"""``%synth classify``, ``embed`` and ``similarity``."""

from __future__ import annotations

import pytest

from synthkit.core.errors import TableError, UsageError
from tests.notebook.conftest import Shell

ROWS = """
import numpy as np, pandas as pd
texts = pd.DataFrame({"id": list("abc"), "text": ["Hot soup.", "Tax forms.", None],
                      "topic": ["warm soup", "law", "law"]})
class Law:
    labels = ["law", "other"]
    def probabilities(self, texts):
        return np.array([[0.75, 0.25] if "Tax" in text else [0.125, 0.875] for text in texts])
law = Law()
"""


def test_verbs_add_columns_and_keep_the_rows(shell: Shell) -> None:
    shell.run(ROWS)
    shell.run("%synth classify texts law --column text")
    assert shell["texts_classified"][["id", "predicted", "predicted_score"]].values.tolist()[
        :2
    ] == [
        ["a", "other", 0.875],
        ["b", "law", 0.75],
    ]
    shown = shell.run("%synth embed texts --as meaning --to vectors --column text")
    assert len(shell["vectors"]["meaning"][0]) == 256
    assert "256 numbers" in shown
    assert "bound vectors" in shown
    shell.run("%synth similarity texts text topic")
    near, far = shell["texts_compared"]["similarity"][:2]
    assert near > 0.5 > far
    shell.run("%synth similarity texts text --text soup --as about --to about")
    assert shell["about"]["about"][0] > shell["about"]["about"][1]
    assert {"vectors", "texts_compared", "about"} <= set(shell.context.session.names())
    assert shell.context.session.load("vectors")["meaning"][2] is None


def test_the_ids_of_rows_do_not_depend_on_the_new_column(shell: Shell) -> None:
    shell.run(ROWS + "texts = texts.drop(columns='id')")
    shell.run("%synth similarity texts text topic")
    shell.run("%synth classify texts law --column text")
    shell.run("%synth filter texts --length 1-5 --column text")
    ids = shell["texts_compared"]["id"].tolist()
    assert shell["texts_classified"]["id"].tolist() == ids
    assert shell["texts_kept"]["id"].tolist() == ids[:2]


def test_mistakes_are_said(shell: Shell) -> None:
    shell.run(ROWS)
    with pytest.raises(UsageError, match="name a second column, or a text with --text"):
        shell.run("%synth similarity texts text")
    with pytest.raises(TableError, match="'txt' not found"):
        shell.run("%synth embed texts --column txt")
    with pytest.raises(UsageError, match=r"expected 'hf:<repository or folder>' of a classifier"):
        shell.run("%synth classify texts lew --column text")
