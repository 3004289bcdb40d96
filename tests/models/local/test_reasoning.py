"""Reasoning of local models: markers that are control tokens or written by the template."""

from __future__ import annotations

from pathlib import Path

import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.models.transformers.weights import Engine
from tests.models.conftest import TEMPLATE, save_tiny


def test_markers_that_are_control_tokens_stay_in_the_text(tiny: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.add_special_tokens({"additional_special_tokens": ["[THINK]", "[/THINK]"]})
    engine = Engine(
        net=None,
        accepts=frozenset(),
        tokenizer=tokenizer,
        ends=frozenset(),
        context=8,
        mergeable=True,
        device="cpu",
        width=len(tokenizer),
        row_bytes=0,
    )
    tokens = tokenizer("[THINK]Hm, é.[/THINK]<|user|>Warm.<end>", add_special_tokens=False)
    assert engine.decode(tokens["input_ids"]) == "[THINK]Hm, é.[/THINK]Warm."


def test_reasoning_that_the_template_opens_is_no_answer(
    session: sk.Session, tmp_path: Path
) -> None:
    template = TEMPLATE.replace("<|assistant|>{%", "<|assistant|><think>\n{%")
    spec = f"hf:{save_tiny(tmp_path / 'tiny', template=template)}"
    model = sk.load_model(spec, quantize="none", dtype="float32")
    run = sk.generate("Say it.", model=model, session=session, max_tokens=4)
    (reject,) = run.rejects.to_dict("records")
    assert reject["reason"] == "empty answer: the answer was cut at max_tokens, in its reasoning"
    (traced,) = session.trace(reject["id"])
    assert traced.completion.reasoning
    kept = sk.load_model(spec, quantize="none", dtype="float32", reasoning_markers=())
    assert kept.fingerprint != model.fingerprint
    run = sk.generate("Say it.", model=kept, session=session, max_tokens=4)
    assert run.table["text"][0].startswith("<think>")


def test_markers_may_be_set_for_every_model(session: sk.Session) -> None:
    text = "(hm: it is warm) Warm."
    for model in (
        sk.load_model("fake", answer=text, reasoning_markers=[("(hm:", ")")]),
        sk.load_model("fake", answer=text),
    ):
        run = sk.generate("Say it.", model=model, session=session, reasoning=True)
        right = text if model.reasoning_markers[0][0] == "<think>" else "Warm."
        assert run.table["text"].tolist() == [right]
    plain = sk.load_model("openai:m", base_url="http://localhost:1/v1")
    marked = sk.load_model(
        "openai:m", base_url="http://localhost:1/v1", reasoning_markers=[("(hm:", ")")]
    )
    assert "reasoning_markers" not in plain.fingerprint
    assert "(hm:" in marked.fingerprint


@pytest.mark.parametrize("markers", ["<think>", [("<think>",)], [("", "")], [1]])
def test_markers_that_are_no_pairs_are_refused(markers: object) -> None:
    with pytest.raises(UsageError, match="pairs of texts"):
        sk.load_model("fake", reasoning_markers=markers)
