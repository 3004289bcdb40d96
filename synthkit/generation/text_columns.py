"""Columns by models other than writers: labels of a classifier, vectors, similarities.

Each text is asked once. Its answer is kept in the session as a completion, so that it is cached,
resumed and traced like any other.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from synthkit.core.errors import ModelError, TableError, UsageError
from synthkit.core.hashing import canonical
from synthkit.core.types import Completion, Request, Sampling, Steps
from synthkit.data import tables
from synthkit.data.cells import as_text
from synthkit.generation.job import generate
from synthkit.models.embedders import Embedder, load_embedder
from synthkit.recipes._arguments import blank
from synthkit.recipes._base import Bounds, Outcome, per_row, user
from synthkit.sessions.session import Session

BATCH = 64
"""Texts that a model gets at once."""
_UNSET = Sampling(temperature=None, max_tokens=None, seed=None)
Answer: TypeAlias = Callable[[Sequence[str]], Sequence[Completion]]


class TextModel:
    """A model that answers a text by a function of texts, such as a classifier or an embedder."""

    price = None

    def __init__(self, name: str, fingerprint: str, answer: Answer) -> None:
        self.name, self.fingerprint, self._answer = name, fingerprint, answer

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        """The answers, in batches."""
        done = 0
        while done < len(requests):
            batch = requests[done : done + BATCH]
            answers = self._answer([request.messages[-1].content for request in batch])
            for at, completion in enumerate(answers):
                yield done + at, completion
            done += len(batch)


def classify(
    table: Any,
    model: Any,
    *,
    column: str | None = None,
    to: str = "predicted",
    session: Session | None = None,
) -> Any:
    """The table with the label that a classifier gives each text, and the label's probability.

    Parameters
    ----------
    table : of any kind.
    model : ``"hf:<repository or folder>"`` of a text classifier that transformers loads; or an
        object with ``labels`` and ``probabilities(texts)``, such as a trained classifier, whose
        answers are not cached.
    column : of the texts; by default the one with the longest texts.
    to : the column of the label; that of the probability, 0..1, has ``_score`` at its end. A
        missing or blank text has neither.
    session : where answers are kept; ``./.synthkit`` by default.

    Raises
    ------
    UsageError
        If it is no classifier.
    TableError
        If there is no such column.

    Examples
    --------
    >>> class Polite:
    ...     labels = ("polite", "rude")
    ...     def probabilities(self, texts):
    ...         return [[0.9, 0.1] if "please" in text else [0.2, 0.8] for text in texts]
    >>> rows = classify([{"text": "Tea, please."}, {"text": "Tea!"}], Polite())
    >>> rows[["predicted", "predicted_score"]].values.tolist()
    [['polite', 0.9], ['rude', 0.8]]
    """
    texts = _texts(table, column)
    if isinstance(model, str):
        from synthkit.train.transformer_classifier import pretrained_classifier

        classifier = pretrained_classifier(model)
        mark = classifier.fingerprint
        cached = TextModel(model, mark, lambda part: _labelled(classifier, part))
        labels = {
            text: (completion.text, np.exp((completion.logprobs or (("", 0.0),))[0][1]))
            for text, completion in _asked(cached, texts, session).items()
        }
    elif hasattr(model, "probabilities") and hasattr(model, "labels"):
        unique = list(dict.fromkeys(text for text in texts if text is not None))
        found = np.asarray(model.probabilities(unique)) if unique else np.zeros((0, 1))
        best = found.argmax(axis=1)
        labels = {
            text: (model.labels[at], found[n, at])
            for n, (text, at) in enumerate(zip(unique, best, strict=True))
        }
    else:
        raise UsageError(
            "expected a classifier: 'hf:...' or an object with labels and probabilities(texts); "
            f"got {type(model).__name__}."
        )
    cells = [(None, None) if text is None else labels[text] for text in texts]
    scores = [None if score is None else float(score) for _, score in cells]
    return tables.annotate(table, {to: [label for label, _ in cells], f"{to}_score": scores})


def embed(
    table: Any,
    embedder: Embedder | str = "wordllama",
    *,
    column: str | None = None,
    to: str = "vector",
    session: Session | None = None,
) -> Any:
    """The table with a vector for each text: a list of d floats, L2-normalised.

    Parameters
    ----------
    table : of any kind.
    embedder : or its spec for :func:`synthkit.load_embedder`.
    column : of the texts; by default the one with the longest texts.
    to : the column of the vectors. A missing or blank text has none.
    session : where vectors are kept; ``./.synthkit`` by default.

    Raises
    ------
    TableError
        If there is no such column.

    Examples
    --------
    >>> import tempfile, synthkit as sk
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     rows = embed([{"text": "Hot soup."}, {"text": None}], session=session)
    >>> len(rows["vector"][0]), rows["vector"][1]
    (256, None)
    """
    texts = _texts(table, column)
    vectors = _vectors(texts, embedder, session)
    cells = [None if text is None else vectors[text].tolist() for text in texts]
    return tables.annotate(table, {to: cells})


def similarity(
    table: Any,
    column: str,
    other: str | None = None,
    *,
    text: str | None = None,
    embedder: Embedder | str = "wordllama",
    to: str = "similarity",
    session: Session | None = None,
) -> Any:
    """The table with the similarity of two columns' texts, or of a column's texts and one text.

    It is the scalar product of their vectors, -1..1, higher is more similar; the cosine, since
    vectors are L2-normalised.

    Parameters
    ----------
    column, other : the two columns; in place of ``other``, one ``text``.
    embedder, to, session : as for :func:`embed`.

    Raises
    ------
    UsageError
        If both ``other`` and ``text`` are given, or none.
    TableError
        If there is no such column.

    Examples
    --------
    >>> import tempfile, synthkit as sk
    >>> rows = [{"a": "Hot soup.", "b": "Hot soup."}, {"a": "Hot soup.", "b": "Tax forms."}]
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     similarity(rows, "a", "b", session=session)["similarity"].round(1).tolist()
    [1.0, 0.1]
    """
    if (other is None) == (text is None):
        raise UsageError("similarity compares a column with another one, or with text=; give one.")
    left = _texts(table, column)
    right = [text] * len(left) if other is None else _texts(table, other)
    vectors = _vectors([*left, *right], embedder, session)
    cells = [
        None if a is None or b is None else float(vectors[a] @ vectors[b])
        for a, b in zip(left, right, strict=True)
    ]
    return tables.annotate(table, {to: cells})


def _texts(table: Any, column: str | None) -> list[str | None]:
    """The texts of a column; ``None`` where one is missing or blank."""
    column = column or tables.text_column(table)
    cells = tables.column(table, column)
    texts = [None if blank(cell) else as_text(cell) for cell in cells]
    if cells and not any(texts):
        raise TableError(f"the column {column!r} has no text. Name another one, as with --column.")
    return texts


def _vectors(
    texts: Sequence[str | None], embedder: Embedder | str, session: Session | None
) -> dict[str, Any]:
    found = load_embedder(embedder) if isinstance(embedder, str) else embedder
    mark = canonical({"embeds": found.fingerprint}).decode()

    def answer(part: Sequence[str]) -> list[Completion]:
        vectors = np.asarray(found.embed(part), "<f4")
        return [Completion(base64.b64encode(vector.tobytes()).decode()) for vector in vectors]

    asked = _asked(TextModel(found.name, mark, answer), texts, session)
    return {
        text: np.frombuffer(base64.b64decode(completion.text), "<f4")
        for text, completion in asked.items()
    }


def _labelled(classifier: Any, texts: Sequence[str]) -> list[Completion]:
    """The labels as completions, with the log-probability of each label, the best one first."""
    found = []
    for row in np.log(np.maximum(classifier.probabilities(texts), 1e-300)):
        order = np.argsort(-row, kind="stable")
        pairs = tuple((str(classifier.labels[at]), float(row[at])) for at in order)
        found.append(Completion(pairs[0][0], logprobs=pairs))
    return found


def _asked(
    model: TextModel, texts: Sequence[str | None], session: Session | None
) -> dict[str, Completion]:
    """Text -> the completion of a model, from the session where it has it."""
    unique = list(dict.fromkeys(text for text in texts if text is not None))
    answers: dict[str, Completion] = {}

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        (completion,) = yield [user(row["text"], _UNSET)]
        answers[row["text"]] = completion
        return {}

    rows = [{"text": text} for text in unique]
    if rows:
        recipe = per_row(steps, rows, name="text_column", requests=Bounds(1, 1))
        run = generate(recipe, model=model, session=session)
        if len(answers) < len(unique):
            raise ModelError(
                f"{model.name} answered {len(answers)} of {len(unique)} texts: "
                f"{run.ledger.stopped}. Call it again to go on."
            )
    return answers
