from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import ModelError, ReplayMiss
from synthkit.core.types import Completion, Message, Request, Sampling
from synthkit.models.local_model import Local, load_local

WORDS = "salt river lamp quiet orchard paper window winter bread copper".split()
ASKED = Request((Message("user", "salt"),), answer="river")


def pair(asked: str, answer: str) -> tuple[list[Message], str]:
    return [Message("user", asked)], answer


def values(scores: Any) -> list[float]:
    return [value for _, value in scores]


@pytest.fixture(scope="module")
def exact(tiny: Path) -> Local:
    return load_local(f"hf:{tiny}", quantize="none", dtype="float32")


def loss(model: Local, before: str, text: str) -> float:
    """The mean token NLL of a text as transformers' own forward pass gives it with labels."""
    import torch

    engine = model.load()
    read = engine.tokenizer(before + text, return_tensors="pt")["input_ids"]
    labels = read.clone()
    labels[:, : read.shape[1] - len(engine.tokenizer(text)["input_ids"])] = -100
    with torch.inference_mode():
        return float(engine.net(read, labels=labels).loss)


def test_scores_equal_the_loss_of_a_forward_pass(exact: Local) -> None:
    answered, alone = exact.score([pair("salt river", "a lamp at dusk"), ([], "a lamp at dusk")])
    assert [text for text, _ in answered] == list("a lamp at dusk")
    expected = loss(exact, "<|user|>salt river<|assistant|>", "a lamp at dusk")
    assert -sum(values(answered)) / 14 == pytest.approx(expected, abs=1e-5)
    assert [text for text, _ in alone] == list(" lamp at dusk")
    assert -sum(values(alone)) / 13 == pytest.approx(loss(exact, "", "a lamp at dusk"), abs=1e-5)


def test_scores_do_not_depend_on_the_texts_beside_them(exact: Local) -> None:
    pairs = [
        pair(" ".join(WORDS[: 1 + at % 7]), " ".join(WORDS[at % 5 : 1 + at % 9]) or "copper")
        for at in range(60)
    ]
    together = exact.score(pairs)
    for one, beside in zip(pairs, together, strict=True):
        assert values(exact.score([one])[0]) == pytest.approx(values(beside), abs=1e-4)


def test_a_text_read_in_pieces_has_the_scores_of_one_that_is_read_whole(exact: Local) -> None:
    from synthkit.models.transformers.scoring import ScoredText, Scorer

    engine = exact.load()
    scorer = Scorer(engine)
    tokens = engine.tokenizer(" ".join(WORDS * 3))["input_ids"]
    found = []
    for scored in (4096, 7):
        scorer.scored = scored
        for text in (ScoredText(0, "", [], tokens), ScoredText(1, "", tokens[:20], tokens[20:])):
            list(scorer.run([text]))
            found.append([text.logprobs[at] for at in sorted(text.logprobs)])
    assert found[2] == pytest.approx(found[0], abs=1e-4)
    assert found[3] == pytest.approx(found[1], abs=1e-4)
    assert found[1] == pytest.approx(found[0][19:], abs=1e-4)


def test_a_text_longer_than_the_context_is_scored_with_half_of_it_in_sight(exact: Local) -> None:
    text = " ".join(WORDS * 12)
    (scores,) = exact.score([([], text)])
    assert [token for token, _ in scores] == list(text[1:])
    assert values(scores[:255]) == pytest.approx(values(exact.score([([], text[:256])])[0]))
    # the last window ends with the text, and is a text by itself
    tail = values(exact.score([([], text[-256:])])[0])
    assert values(scores)[-60:] == pytest.approx(tail[-60:], abs=1e-4)


def test_memory_that_runs_out_gives_smaller_passes_and_the_same_scores(
    exact: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthkit.models.transformers.weights import Engine

    pairs = [pair(word, " ".join(WORDS)) for word in WORDS * 5]
    before = exact.score(pairs)
    forward = Engine.forward
    sizes = []

    def scarce(self: Engine, **inputs: Any) -> Any:
        sizes.append(inputs["input_ids"].numel())
        if sizes[-1] > 600:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return forward(self, **inputs)

    monkeypatch.setattr(Engine, "forward", scarce)
    for one, again in zip(before, exact.score(pairs), strict=True):
        assert values(again) == pytest.approx(values(one), abs=1e-4)
    assert max(sizes) > 600 >= sizes[-1]
    monkeypatch.setattr(
        Engine, "forward", lambda self, **inputs: (_ for _ in ()).throw(MemoryError())
    )
    with pytest.raises(ModelError, match="pair 0 cannot be scored: memory ran out"):
        exact.score(pairs[:1])


@pytest.mark.parametrize(
    ("messages", "answer", "why"),
    [
        ((Message("user", "salt"),), "", "there is no text to score"),
        ((), "", "there is no text to score"),
        ((Message("user", "x" * 200),), "y" * 80, "tokens and the text 80, but .* at most 256"),
    ],
)
def test_what_cannot_be_scored_is_an_error_of_that_pair_alone(
    exact: Local, messages: tuple[Message, ...], answer: str, why: str
) -> None:
    requests = [Request(messages, answer=answer), ASKED]
    found = dict(event for event in exact.complete(requests) if event is not None)
    assert found[1].finish == "stop"
    with pytest.raises(ModelError, match=why):
        exact.score([(messages, answer)])


def test_scores_and_answers_come_from_one_list(exact: Local) -> None:
    written = Request((Message("user", "lamp"),), Sampling(max_tokens=8))
    feed = [written, ASKED]
    found: dict[int, Completion] = {}
    for event in exact.complete(feed):
        if event is not None:
            found[event[0]] = event[1]
            if len(feed) < 4:
                feed += [ASKED, written]
    assert sorted(found) == [0, 1, 2, 3]
    assert found[1].logprobs == found[2].logprobs
    assert found[0].text == found[3].text
    assert (found[1].completion_tokens, found[1].text) == (0, "river")


def test_the_key_of_a_score_is_of_its_messages_and_text_alone() -> None:
    warm = Request(ASKED.messages, Sampling(temperature=1, seed=3), {"enum": ["a"]}, answer="river")
    assert warm.key("m") == ASKED.key("m")
    others = [
        Request(ASKED.messages),
        Request(ASKED.messages, answer="lamp"),
        Request((), answer="river"),
        Request(ASKED.messages, answer="river", index=1),
    ]
    assert len({one.key("m") for one in [ASKED, *others]}) == 5
    assert json.loads(json.dumps(ASKED.payload("m")))["op"] == "score"


def test_a_request_to_write_has_the_key_it_had_before_there_were_scores() -> None:
    # kept sessions are found by it
    assert Request((Message("user", "hi"),)).key("m") == "17e4354ae3b3c8918ace51bd0c02fb35"


def scored(row: dict[str, Any]) -> Any:
    (answer,) = yield [Request((), answer=row["text"])]
    return {"nll": -math.fsum(value for _, value in answer.logprobs)}


def test_scores_are_kept_found_again_replayed_and_carried_by_a_bundle(
    session: sk.Session, tmp_path: Path
) -> None:
    rows = [{"text": "a b c"}, {"text": "d e f"}, {"text": "a b c"}]
    model = sk.Fake()
    run = sk.generate(scored, rows=rows, model=model, session=session)
    assert run.table.nll[0] != run.table.nll[1]
    assert run.table.id.is_unique
    assert run.ledger.completion_tokens == 0
    again = sk.generate(scored, rows=rows, model=sk.Fake(), session=session)
    assert (again.ledger.requests, again.ledger.hits) == (0, 3)
    replayed = sk.generate(scored, rows=rows, model="replay", session=session)
    assert replayed.table.to_dict() == run.table.to_dict()
    with pytest.raises(ReplayMiss, match="differs in answer: 'd e f' stored, 'd e g' requested"):
        sk.generate(scored, rows=[{"text": "d e g"}], model="replay", session=session)
    session.export(tmp_path / "held.synthkit")
    with sk.Session(tmp_path / "other") as other:
        other.import_bundle(tmp_path / "held.synthkit")
        there = sk.generate(scored, rows=rows, model=sk.Fake(), session=other)
        assert (there.ledger.requests, there.table.to_dict()) == (0, run.table.to_dict())


def questions(answers: int) -> list[tuple[list[Message], str]]:
    return [
        pair(" ".join(WORDS[: 1 + asked % 9]) + f" {asked}?", " ".join(WORDS[at : at + 1 + at % 3]))
        for asked in range(12)
        for at in range(1 + (asked + answers) % 5)
    ]


def read_tokens(model: Local, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of tokens of each forward pass from now on."""
    from synthkit.models.transformers.weights import Engine

    forward, seen = Engine.forward, []

    def counted(self: Engine, **inputs: Any) -> Any:
        seen.append(inputs["input_ids"].numel())
        return forward(self, **inputs)

    monkeypatch.setattr(Engine, "forward", counted)
    return seen


@pytest.mark.parametrize("passes", [(2048, 512), (64, 8)])
def test_answers_after_one_prompt_have_the_scores_that_each_has_alone(
    exact: Local, passes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthkit.models.transformers import scoring

    alone = [values(exact.score([asked])[0]) for asked in questions(3)]
    monkeypatch.setitem(scoring.PASS_TOKENS, "cpu", passes[0])
    monkeypatch.setattr(scoring, "LEAST_TOKENS", passes[1])
    for asked, expected in zip(exact.score(questions(3)), alone, strict=True):
        assert values(asked) == pytest.approx(expected, abs=1e-4)


def test_a_prompt_is_read_once_for_all_its_answers(
    exact: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact.score([pair("salt", "a"), pair("salt", "b")])
    seen = read_tokens(exact, monkeypatch)
    prompt = " ".join(WORDS)  # of 63 tokens with those of the template
    exact.score([pair(prompt, word[:2]) for word in WORDS])
    assert seen[0] == len(prompt) + 2
    assert sum(seen) == len(prompt) + 2 + len(WORDS)


def test_answers_are_scored_one_by_one_where_memory_is_short(
    exact: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthkit.models.transformers import shared_prompts

    expected = exact.score(questions(1))

    def full(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(shared_prompts, "logits", full)
    for found, before in zip(exact.score(questions(1)), expected, strict=True):
        assert values(found) == pytest.approx(values(before), abs=1e-4)


def test_architectures_share_a_prompt_only_if_their_cache_allows_it(tmp_path: Path) -> None:
    import torch
    import transformers
    from transformers import AutoTokenizer

    from synthkit.models.in_memory import loaded
    from tests.models.conftest import save_tiny

    tokenizer = AutoTokenizer.from_pretrained(save_tiny(tmp_path / "t"))
    size = {"vocab_size": len(tokenizer), "num_hidden_layers": 2, "num_attention_heads": 2}
    small = {"hidden_size": 16, "intermediate_size": 32, "num_key_value_heads": 1}
    configs = [
        transformers.GPT2Config(**size, n_embd=16, n_positions=256),
        transformers.MistralConfig(**size, **small, head_dim=8, sliding_window=8),
        transformers.Gemma2Config(**size, **small, head_dim=8, sliding_window=8),
        transformers.BloomConfig(**size, hidden_size=16),
    ]
    for config in configs:
        torch.manual_seed(1)
        net = transformers.AutoModelForCausalLM.from_config(config).float()
        model = loaded(net, tokenizer)
        together = model.score(questions(2))
        for asked, found in zip(questions(2), together, strict=True):
            alone = values(model.score([asked])[0])
            assert values(found) == pytest.approx(alone, abs=2e-4), type(config).__name__
