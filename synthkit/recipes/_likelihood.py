"""Scores by the probability that a model gives to texts and labels; nothing is generated.

They need a model on this machine: servers do not score given texts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Reject, Request, Steps
from synthkit.prompts.templates import Turns
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, recipe
from synthkit.recipes._row_prompts import about, each_given, posed
from synthkit.recipes._zerogen import distinct

ASK = "Text: {{{{ text }}}}\nLabel ({labels}):"


@recipe
def likelihood(
    prompt: str = "",
    *,
    rows: Table,
    labels: Sequence[str] | Mapping[str, str],
    column: str = "text",
    label: str | None = None,
    per_token: bool = True,
) -> Recipe:
    r"""The label that a model on this machine finds likeliest, with P(label | text) of each.

    The log-likelihood of each label's words after the prompt, divided by their number of tokens,
    is normalised over the labels: P(y|x) = exp(l_y) / sum_z exp(l_z). So GPT-3 was asked
    multiple-choice questions (arXiv 2005.14165, section 2.4).

    The columns are ``likeliest``, ``confidence`` (its probability, 0..1), ``likelihoods``
    (label -> probability, as JSON), and ``likelihood``, that of the label which the row has
    already, if ``label`` names its column. Labels that are equally likely are a reject: in bfloat16
    close ones often are, and ``load_model(..., dtype="float32")`` tells them apart.

    Parameters
    ----------
    prompt : asks for the label; it may use ``{{ text }}`` and the columns of ``rows``. By default
        it asks which of the labels fits.
    labels : the labels; or label -> the words that stand for it. After a prompt that is continued
        as it stands (a model loaded with ``raw=True``) they begin with a space.
    column : the column of the texts.
    label : the column of the labels that the rows have, each one of ``labels``.
    per_token : divide by the number of tokens, so that long labels are not less likely for that.

    Notes
    -----
    A small model continues a text better than it answers a question. SmolLM2-135M on 200 Yelp
    sentences, accuracy of the rows it could tell apart: 0.855 with ``raw=True``, the prompt
    ``"Review: {{ text }}\nSentiment:"`` and the labels `` positive`` and `` negative`` (float32; in
    bfloat16 0.854, with 2 ties); 0.62 in a chat with the prompt that comes along (12 ties).

    Raises
    ------
    UsageError
        If the labels are not two or more distinct texts.

    Examples
    --------
    >>> recipe = likelihood(rows=[{"text": "Lovely."}], labels="positive, negative")
    >>> recipe.columns, str(recipe.requests)
    (('likeliest', 'confidence', 'likelihoods'), '2')
    """
    names = distinct("labels", labels)
    if len(names) < 2:
        raise UsageError(f"likelihood compares two or more labels; got {names}.")
    said = [str(labels[name]) for name in names] if isinstance(labels, Mapping) else names
    asked = prompt if prompt.strip() else ASK.format(labels=", ".join(names))
    template = about(asked, rows, text=column)
    if label is not None:
        about("{{ label }}", rows, label=label)
    k = len(names)

    def ready(row: dict[str, Any]) -> Turns | Reject:
        return posed(template, row, text=column)

    def steps(row: dict[str, Any], turns: Turns) -> Steps[Outcome]:
        found = []
        for completion in (yield [Request(turns, answer=one) for one in said]):
            values = logprobs(completion)
            if isinstance(values, Reject):
                return values
            found.append(math.fsum(values) / (len(values) if per_token else 1))
        shares = softmax(found)
        cells: dict[str, Any] = {
            "likelihoods": json.dumps(dict(zip(names, shares, strict=True)), ensure_ascii=False)
        }
        if label is not None:
            if row[label] not in names:
                return Reject("", f"the label {row[label]!r} is none of {', '.join(names)}", cells)
            cells["likelihood"] = shares[names.index(row[label])]
        most = max(shares)
        if shares.count(most) > 1:
            return Reject("", "several labels are equally likely", cells)
        return {"likeliest": names[shares.index(most)], "confidence": most, **cells}

    own = () if label is None else ("likelihood",)
    return each_given(
        ready,
        steps,
        rows,
        name="likelihood",
        columns=("likeliest", "confidence", "likelihoods", *own),
        requests=Bounds(k, k),
        prompt=prompt,
    )


@recipe
def ifd(
    prompt: str = "",
    *,
    rows: Table,
    instruction: str = "instruction",
    column: str = "text",
) -> Recipe:
    """How little an instruction helps a model on this machine to write its answer: IFD.

    Instruction-following difficulty (arXiv 2308.12032, equation 4): s(A|Q) / s(A), with s the mean
    negative log-likelihood of the answer's tokens, after the instruction and by itself. Above 1 the
    instruction makes the answer less likely: such rows do not belong together, and are dropped by
    ``curate.by_column("ifd", most=1)``; of the rest, the highest are the most worth to train on.

    Both means are over the same tokens: where the answer by itself has no token before it, its
    first is left out of both, which the authors' code leaves out of s(A) alone.

    Parameters
    ----------
    prompt : the question; it may use ``{{ instruction }}`` and the columns of ``rows``. By default
        it is the instruction.
    instruction, column : the columns of the instructions and of the answers.

    Examples
    --------
    >>> recipe = ifd(rows=[{"instruction": "Name a fruit.", "text": "A ripe apple."}])
    >>> recipe.columns, str(recipe.requests)
    (('ifd',), '2')
    """
    question = prompt if prompt.strip() else "{{ instruction }}"
    template = about(question, rows, instruction=instruction)
    about("{{ text }}", rows, text=column)

    def ready(row: dict[str, Any]) -> Turns | Reject:
        return posed(template, row, instruction=instruction, text=column)

    def steps(row: dict[str, Any], turns: Turns) -> Steps[Outcome]:
        answer = str(row[column])
        given, alone = yield [Request(turns, answer=answer), Request((), answer=answer)]
        after, by_itself = logprobs(given), logprobs(alone)
        if isinstance(after, Reject):
            return after
        if isinstance(by_itself, Reject):
            return by_itself
        surprise = math.fsum(by_itself)
        if surprise == 0:
            return Reject(answer, "the answer by itself is certain, so that nothing can help")
        return {"ifd": math.fsum(after[-len(by_itself) :]) / surprise}

    return each_given(
        ready, steps, rows, name="ifd", columns=("ifd",), requests=Bounds(2, 2), prompt=prompt
    )


@recipe
def perplexity(prompt: str = "", *, rows: Table, column: str = "text") -> Recipe:
    """How a model on this machine is surprised by texts: exp of the mean token NLL, from 1 up.

    Perplexity (Jelinek et al. 1977): exp(-1/n sum_i ln P(x_i | x_<i)), natural logarithm, of the
    bare text without a chat template. The first token has no probability and does not count, unless
    the tokenizer begins every text with a token of its own: as in transformers' loss. Texts beyond
    the context are read in windows; each token then has at least half a context before it. The
    tokens are the model's own: compare perplexities under one model alone.

    Corpora are filtered by it since CCNet (arXiv 1911.00359):
    ``curate.by_column("perplexity", most=200)`` drops what is not like text.

    Parameters
    ----------
    prompt : what the texts answer; it may use the columns of ``rows``. The texts are then scored
        after it, in a chat, and are not windowed.
    column : the column of the texts.

    Examples
    --------
    >>> recipe = perplexity(rows=[{"text": "A warm loaf."}])
    >>> recipe.columns, str(recipe.requests)
    (('perplexity',), '1')
    """
    asked = bool(prompt.strip())
    template = about(prompt if asked else "{{ text }}", rows, text=column)

    def ready(row: dict[str, Any]) -> Turns | Reject:
        return posed(template, row, text=column)

    def steps(row: dict[str, Any], turns: Turns) -> Steps[Outcome]:
        (completion,) = yield [Request(turns if asked else (), answer=str(row[column]))]
        values = logprobs(completion)
        if isinstance(values, Reject):
            return values
        try:
            return {"perplexity": math.exp(-math.fsum(values) / len(values))}
        except OverflowError:
            return Reject(str(row[column]), "the perplexity is too large a number")

    return each_given(
        ready,
        steps,
        rows,
        name="perplexity",
        columns=("perplexity",),
        requests=Bounds(1, 1),
        prompt=prompt,
    )


def logprobs(completion: Completion) -> list[float] | Reject:
    """The log-probabilities of a text's tokens; a reject if there are none.

    >>> logprobs(Completion("a b", logprobs=((" b", -1.0),)))
    [-1.0]
    """
    if completion.finish == "error":
        return Reject(completion.text, completion.error)
    if completion.logprobs is None:
        why = "the model gave no log-probabilities; use one on this machine, such as smollm2"
        return Reject(completion.text, why)
    if not completion.logprobs:
        return Reject(completion.text, "it is a single token, with nothing before it")
    return [value for _, value in completion.logprobs]


def softmax(scores: Sequence[float]) -> list[float]:
    """exp(s_i) / sum_j exp(s_j).

    >>> softmax([0.0, 0.0])
    [0.5, 0.5]
    """
    top = max(scores)
    parts = [math.exp(one - top) for one in scores]
    return [one / math.fsum(parts) for one in parts]


def weighed(
    completions: Sequence[Completion], scale: Sequence[int]
) -> tuple[float, float] | Reject:
    """The mean and the standard deviation of a score, by how probable each of its values is.

    G-Eval (arXiv 2303.16634, equation 1): sum_i p(s_i) s_i, with p over the values alone.

    >>> weighed([Completion(s, logprobs=((s, -1.0),)) for s in "13"], [1, 3])
    (2.0, 1.0)
    """
    found = []
    for completion in completions:
        values = logprobs(completion)
        if isinstance(values, Reject):
            return values
        found.append(math.fsum(values))
    shares = softmax(found)
    mean = math.fsum(p * value for p, value in zip(shares, scale, strict=True))
    spread = math.fsum(p * (value - mean) ** 2 for p, value in zip(shares, scale, strict=True))
    return mean, math.sqrt(spread)
