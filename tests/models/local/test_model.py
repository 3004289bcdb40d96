from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from synthkit.core.errors import ChatTemplateMissing, ModelNotFound, NotEnoughMemory, UsageError
from synthkit.core.models import Activity
from synthkit.core.types import Completion, Message, Request, Sampling
from synthkit.models.local_model import Local, load_local

WORDS = "salt river lamp quiet orchard paper window winter bread copper".split()


def ask(text: str, *, schema: Any = None, index: int = 0, **sampling: Any) -> Request:
    return Request((Message("user", text),), Sampling(**sampling), schema, index)


def answers(model: Local, requests: Sequence[Request]) -> list[Completion]:
    found = dict(event for event in model.complete(requests) if event is not None)
    assert sorted(found) == list(range(len(requests)))
    return [found[at] for at in range(len(requests))]


def texts(model: Local, requests: Sequence[Request]) -> list[str]:
    return [completion.text for completion in answers(model, requests)]


def mixed(count: int, **sampling: Any) -> list[Request]:
    """Requests whose prompts and lengths differ, so that rows leave and join at every moment."""
    return [
        ask(
            " ".join(WORDS[(at + word) % 10] for word in range(1 + at % 7)),
            index=at,
            max_tokens=3 + (at * 7) % 30,
            **sampling,
        )
        for at in range(count)
    ]


@pytest.fixture(scope="module")
def exact(tiny: Path) -> Local:
    return load_local(f"hf:{tiny}", quantize="none", dtype="float32", max_batch=8)


def alone(model: Local, requests: Sequence[Request]) -> list[str]:
    return [texts(model, [request])[0] for request in requests]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_rows_that_join_and_leave_a_batch_answer_as_they_do_alone(
    exact: Local, temperature: float
) -> None:
    requests = mixed(40, temperature=temperature)
    assert texts(exact, requests) == alone(exact, requests)


def test_a_greedy_row_equals_generate(exact: Local) -> None:
    import torch

    engine = exact.load()
    prompt = engine.tokenizer("<|user|>salt river<|assistant|>", return_tensors="pt")
    with torch.inference_mode():
        out = engine.net.generate(**prompt, max_new_tokens=24, do_sample=False)
    new = out[0, prompt["input_ids"].shape[1] :]
    expected = engine.tokenizer.decode(new, skip_special_tokens=True)
    assert texts(exact, [ask("salt river", temperature=0, max_tokens=24)]) == [expected]


def test_other_seeds_and_indices_draw_otherwise(exact: Local) -> None:
    requests = [ask("salt", index=at, temperature=1.5, max_tokens=12) for at in range(6)]
    requests.append(ask("salt", seed=9, temperature=1.5, max_tokens=12))
    assert len(set(texts(exact, requests))) == 7


def test_requests_that_are_appended_while_it_runs_are_answered(exact: Local) -> None:
    requests = mixed(4, temperature=0)
    seen = []
    for event in exact.complete(requests):
        if event is not None:
            seen.append(event[0])
            if len(requests) < 12:
                requests.append(ask(WORDS[len(requests) % 10], temperature=0, max_tokens=4))
    assert sorted(seen) == list(range(12))


def test_short_rows_come_back_before_long_ones_end(exact: Local) -> None:
    extra = {"ignore_eos": True}
    requests = [
        ask("salt", max_tokens=40, extra=extra),
        ask("river", max_tokens=2, extra=extra),
        ask("lamp", max_tokens=20, extra=extra),
    ]
    events = list(exact.complete(requests))
    order = [event[0] for event in events if event is not None]
    assert order == [1, 2, 0]
    assert events.count(None) >= 40


def test_it_says_that_it_loads_reads_and_decodes(tiny: Path) -> None:
    model = load_local(f"hf:{tiny}", quantize="none", dtype="float32")
    seen = [
        (model.activity.text.partition(",")[0], model.activity.rows > 0)
        for _ in model.complete(mixed(2, temperature=0))
    ]
    assert list(dict.fromkeys(seen))[:3] == [
        (f"loading {model.name}", False),
        ("reading prompts", False),
        ("", True),
    ]
    assert model.activity == Activity()


def test_an_interrupt_while_it_loads_ends_the_wait_and_the_next_call_finds_it_loaded(
    tiny: Path,
) -> None:
    model = load_local(f"hf:{tiny}", quantize="none", dtype="float32")
    stream: Any = model.complete(mixed(1, temperature=0))
    assert next(stream) is None
    with pytest.raises(KeyboardInterrupt):
        stream.throw(KeyboardInterrupt)
    assert len(answers(model, mixed(2, temperature=0))) == 2


def test_closing_the_iterator_leaves_the_model_usable(exact: Local) -> None:
    stream = exact.complete(mixed(8, temperature=0))
    next(stream)
    assert isinstance(stream, Generator)
    stream.close()
    assert texts(exact, [ask("salt", temperature=0, max_tokens=3)]) == texts(
        exact, [ask("salt", temperature=0, max_tokens=3)]
    )


def test_tokens_are_counted_and_a_cut_row_says_length(exact: Local) -> None:
    [done] = answers(exact, [ask("abc", max_tokens=5, extra={"ignore_eos": True})])
    assert (done.finish, done.completion_tokens) == ("length", 5)
    assert done.prompt_tokens == len("abc") + 2
    assert done.seconds > 0


def test_a_stop_text_ends_a_row_and_is_left_out(exact: Local) -> None:
    extra = {"ignore_eos": True}
    [whole] = texts(exact, [ask("salt", temperature=0, max_tokens=20, extra=extra)])
    stop = whole[6:8]
    [done] = answers(exact, [ask("salt", temperature=0, max_tokens=20, extra=extra, stop=(stop,))])
    assert done.text == whole[: whole.index(stop)]
    assert done.finish == "stop"
    assert done.completion_tokens < 20


def test_logprobs_are_those_of_the_untempered_distribution_without_grammar(exact: Local) -> None:
    import torch

    request = ask("salt", schema={"enum": ["river"]}, temperature=0.5, logprobs=True)
    [done] = answers(exact, [request])
    assert done.logprobs is not None
    assert [name for name, _ in done.logprobs] == list("river")
    engine = exact.load()
    prompt = engine.tokenizer("<|user|>salt<|assistant|>")["input_ids"]
    new = engine.tokenizer("river")["input_ids"]
    with torch.inference_mode():
        logits = engine.net(torch.tensor([prompt + new])).logits[0]
    expected = torch.log_softmax(logits, -1)[range(len(prompt) - 1, len(prompt) + 4), new]
    assert [value for _, value in done.logprobs] == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.parametrize("extra", [{"top_k": 1}, {"min_p": 1.0}])
def test_the_tightest_cut_is_greedy(exact: Local, extra: dict[str, Any]) -> None:
    hot = [ask(word, temperature=1.5, max_tokens=10, extra=extra) for word in WORDS]
    cold = [ask(word, temperature=0, max_tokens=10) for word in WORDS]
    assert texts(exact, hot) == texts(exact, cold)


def test_a_repetition_penalty_makes_tokens_differ(exact: Local) -> None:
    plain, varied = texts(
        exact,
        [
            ask("salt", temperature=0, max_tokens=30, extra={"ignore_eos": True}),
            ask(
                "salt",
                temperature=0,
                max_tokens=30,
                extra={"ignore_eos": True, "repetition_penalty": 50.0},
            ),
        ],
    )
    assert len(set(varied)) > len(set(plain))


def test_an_unknown_extra_is_refused_with_the_known_ones(exact: Local) -> None:
    with pytest.raises(UsageError, match=r"'topk' is not known .* 'top_k', 'min_p'"):
        answers(exact, [ask("salt", extra={"topk": 3})])


def biased(text: str, bias: dict[str, float], **options: Any) -> Request:
    return ask(text, extra={"token_bias": bias, "ignore_eos": True}, **options)


def test_a_suppressed_token_never_comes_and_rows_beside_it_stay_as_they_are(exact: Local) -> None:
    plain = [biased(word, {}, temperature=0, max_tokens=20, logprobs=True) for word in WORDS]
    expected = answers(exact, plain)
    firsts = [done.logprobs[0][0] for done in expected if done.logprobs]
    without = [
        biased(word, {first: -100}, temperature=0, max_tokens=20, logprobs=True)
        for word, first in zip(WORDS, firsts, strict=True)
    ]
    found = answers(exact, [row for pair in zip(plain, without, strict=True) for row in pair])
    assert [done.text for done in found[::2]] == [done.text for done in expected]
    for first, done in zip(firsts, found[1::2], strict=True):
        assert done.logprobs is not None
        assert len(done.logprobs) == 20
        assert first not in dict(done.logprobs)


def test_a_bias_shifts_the_odds_by_its_exponential_and_logprobs_leave_it_out(exact: Local) -> None:
    import torch

    engine = exact.load()
    prompt = engine.tokenizer("<|user|>salt<|assistant|>", return_tensors="pt")
    with torch.inference_mode():
        logits = engine.net(**prompt).logits[0, -1]
    likeliest = [at for at in logits.argsort(descending=True).tolist() if engine.text(at) != "�"]
    shifted = logits.clone()
    shifted[likeliest[:2]] += torch.tensor([-1.0, 1.0])
    bias = dict(zip(map(engine.text, likeliest[:2]), [-1.0, 1.0], strict=True))
    asked = [
        biased("salt", bias, index=at, temperature=1.0, max_tokens=1, logprobs=True)
        for at in range(4000)
    ]
    drawn = [done.logprobs[0] for done in answers(exact, asked) if done.logprobs]
    for token in likeliest[:2]:
        before, after = (float(torch.softmax(each, -1)[token]) for each in (logits, shifted))
        error = math.sqrt(after * (1 - after) / 4000)
        values = [value for name, value in drawn if name == engine.text(token)]
        assert abs(len(values) / 4000 - after) < 4 * error
        assert abs(before - after) > 8 * error
        assert values[0] == pytest.approx(math.log(before), abs=1e-4)


def test_a_bias_chooses_within_a_schema_but_not_outside_it(exact: Local) -> None:
    schema = {"enum": ["ant", "bee"]}
    requests = [
        biased("salt", {letter: 50, "z": 100}, schema=schema, temperature=temperature)
        for letter in "ab"
        for temperature in (0, 1.0)
    ]
    assert texts(exact, requests) == ["ant", "ant", "bee", "bee"]


def test_every_token_can_be_named_as_logprobs_name_it_and_ends_are_spared(exact: Local) -> None:
    engine = exact.load()
    names = [engine.text(token) for token in range(engine.width)]
    ids, values = engine.bias(dict.fromkeys(names, 2.5), engine.ends)
    assert sorted([*ids.tolist(), *engine.ends]) == list(range(engine.width))
    assert values.tolist() == [2.5] * (engine.width - len(engine.ends))
    several, _ = engine.bias({"�": 1}, engine.ends)
    assert len(several) == names.count("�") > 100


def test_a_text_that_is_no_token_is_refused_before_anything_is_answered(exact: Local) -> None:
    with pytest.raises(UsageError, match="token_bias names 'salt', which is not a token"):
        next(exact.complete([*mixed(20), biased("salt", {"a": 1, "salt": -1})]))


def test_a_users_turn_is_written_from_where_the_template_begins_it(exact: Local) -> None:
    import torch

    engine = exact.load()
    request = Request((), Sampling(temperature=0, max_tokens=24), turn="user")
    [done] = answers(exact, [request])
    prompt = engine.tokenizer("<|user|>", return_tensors="pt")
    ends = [*engine.ends, engine.tokenizer.convert_tokens_to_ids("<|assistant|>")]
    with torch.inference_mode():
        out = engine.net.generate(
            **prompt, max_new_tokens=24, do_sample=False, eos_token_id=ends, pad_token_id=0
        )
    new = engine.tokenizer.decode(out[0, 1:], skip_special_tokens=True)
    assert (done.text, done.prompt_tokens) == (new, 1)


def test_the_token_that_ends_a_users_turn_ends_no_other(exact: Local) -> None:
    def names(turn: Literal["assistant", "user"]) -> set[str]:
        sampling = Sampling(temperature=2.0, max_tokens=60, logprobs=True)
        messages = (Message("system", "x"),)
        asked = [Request(messages, sampling, index=at, turn=turn) for at in range(40)]
        return {name for done in answers(exact, asked) for name, _ in done.logprobs or ()}

    assert "<|assistant|>" in names("assistant")
    assert "<|assistant|>" not in names("user")


def test_a_turn_that_cannot_be_put_is_a_row_with_an_error(exact: Local, base: Path) -> None:
    asked = [
        Request((Message("user", "Why?"),), turn="user"),
        Request(()),
        ask("salt", max_tokens=3),
    ]
    twice, empty, plain = answers(exact, asked)
    assert twice.finish == empty.finish == "error"
    assert twice.error.startswith('tiny fp32: turn="user" asks for another user\'s turn')
    assert "the conversation is empty" in empty.error
    assert plain.finish in {"stop", "length"}
    raw = load_local(f"hf:{base}", raw=True, quantize="none")
    [done] = answers(raw, [Request((), turn="user")])
    assert (done.finish, "raw=True" in done.error) == ("error", True)


def test_a_label_set_gives_bare_labels(exact: Local) -> None:
    schema = {"enum": ["good", "good job", "bad"]}
    requests = [
        ask(word, schema=schema, index=at, temperature=2.0) for at in range(3) for word in WORDS
    ]
    found = set(texts(exact, requests))
    assert found <= {"good", "good job", "bad"}
    assert len(found) >= 2


def test_json_follows_its_schema_beside_free_rows(exact: Local) -> None:
    schema = {
        "type": "object",
        "properties": {"age": {"type": "integer", "minimum": 10, "maximum": 99}},
        "required": ["age"],
        "additionalProperties": False,
    }
    free = mixed(4, temperature=1.0)
    bound = [ask(word, schema=schema, temperature=1.0, max_tokens=40) for word in WORDS]
    found = texts(exact, [*free, *bound])
    assert found[:4] == alone(exact, free)
    for text in found[4:]:
        value = json.loads(text)
        assert list(value) == ["age"]
        assert 10 <= value["age"] <= 99


def test_json_has_its_own_properties_in_their_order_and_no_more(exact: Local) -> None:
    schema = {"type": "object", "properties": {"b": {"enum": [1, 2]}, "a": {"type": "boolean"}}}
    for text in texts(exact, [ask(w, schema=schema, temperature=2.0) for w in WORDS]):
        assert list(json.loads(text)) == ["b", "a"]


def test_json_cut_short_says_length(exact: Local) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 30}}}
    schema["required"] = ["a"]
    [done] = answers(exact, [ask("salt", schema=schema, max_tokens=5)])
    assert done.finish == "length"


@pytest.mark.parametrize("pattern", [r"(?P<n>[0-9]{1,3}) (?P<what>salt|river)", r"^A: (.{1,9})$"])
def test_a_pattern_is_followed_beside_free_rows(exact: Local, pattern: str) -> None:
    bound = [replace(ask(word, temperature=2.0, max_tokens=40), pattern=pattern) for word in WORDS]
    free = [ask(word, temperature=1.0, max_tokens=8) for word in WORDS]
    found = texts(exact, [*bound, *free])
    assert all(re.fullmatch(pattern, text) for text in found[:10])
    assert found[10:] == texts(exact, free)


@pytest.mark.parametrize("pattern", ["(?i)yes", r"(?=a)a", r"\bsalt"])
def test_a_pattern_that_cannot_be_followed_leaves_the_answer_free(
    exact: Local, pattern: str
) -> None:
    request = ask("salt", temperature=0, max_tokens=8)
    assert texts(exact, [replace(request, pattern=pattern)]) == texts(exact, [request])


def test_a_schema_that_cannot_be_followed_is_refused_at_once(exact: Local) -> None:
    with pytest.raises(UsageError, match="cannot be followed"):
        answers(exact, [ask("salt", schema={"type": "object", "not": {"required": ["a"]}})])


def test_a_prompt_longer_than_the_context_is_a_row_with_an_error(exact: Local) -> None:
    long, short = answers(exact, [ask("x" * 400), ask("salt", max_tokens=3)])
    assert long.finish == "error"
    assert "402 tokens" in long.error
    assert "at most 255" in long.error
    assert short.finish in {"stop", "length"}


def test_a_row_near_the_end_of_the_context_stops_there(exact: Local) -> None:
    [done] = answers(exact, [ask("x" * 250, max_tokens=100, extra={"ignore_eos": True})])
    assert (done.prompt_tokens, done.completion_tokens, done.finish) == (252, 4, "length")


@pytest.mark.parametrize("text", ["", "naïve 🙂 日本語", "\x00\n\t"])
def test_odd_text_is_answered(exact: Local, text: str) -> None:
    [done] = answers(exact, [ask(text, max_tokens=3)])
    assert done.finish in {"stop", "length"}


def test_no_requests_need_no_weights(tiny: Path) -> None:
    model = load_local(f"hf:{tiny}")
    assert list(model.complete([])) == []
    assert model._loaded == {}


class Hungry:
    """Stands in for a forward pass on a machine whose memory holds so many rows."""

    def __init__(self, net: Any, rows: int) -> None:
        self.forward, self.rows, self.refused = net.forward, rows, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs["input_ids"].shape[0] > self.rows:
            self.refused += 1
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 GB")
        return self.forward(*args, **kwargs)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_batch_that_runs_out_of_memory_shrinks_and_loses_nothing(
    exact: Local, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    requests = mixed(20, temperature=1.0)
    expected = texts(exact, requests)
    net = exact.load().net
    hungry = Hungry(net, rows)
    monkeypatch.setattr(net, "forward", hungry)
    assert texts(exact, requests) == expected
    assert 1 <= hungry.refused <= 4


def test_a_row_that_does_not_fit_alone_is_an_error_row(
    exact: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = exact.load().net
    monkeypatch.setattr(net, "forward", Hungry(net, 0))
    found = answers(exact, mixed(3))
    assert [done.finish for done in found] == ["error"] * 3
    assert "memory ran out" in found[0].error


def test_a_base_model_needs_raw(base: Path) -> None:
    with pytest.raises(ChatTemplateMissing, match="raw=True"):
        load_local(f"hf:{base}")
    model = load_local(f"hf:{base}", raw=True, quantize="none")
    [done] = answers(model, [ask("abc", max_tokens=2)])
    assert done.prompt_tokens == 3


def test_the_fingerprint_names_what_changes_an_answer(tiny: Path, tmp_path: Path) -> None:
    import shutil

    spec = f"hf:{tiny}"
    other = shutil.copytree(tiny, tmp_path / "other")
    same = load_local(f"hf:{other}", quantize="none").fingerprint
    (other / "chat_template.jinja").write_text("{{ messages }}")
    found = [
        load_local(spec, quantize="none").fingerprint,
        load_local(spec, quantize="nf4").fingerprint,
        load_local(spec, quantize="none", dtype="float32").fingerprint,
        load_local(spec, quantize="none", raw=True).fingerprint,
        load_local(f"hf:{other}", quantize="none").fingerprint,
    ]
    assert len(set(found)) == 5
    assert same == found[0]


def test_fingerprint_needs_neither_torch_nor_weights() -> None:
    code = (
        "import sys; from synthkit.models.local_model import load_local; "
        "print(load_local('smollm2', quantize='nf4').fingerprint); "
        "print({'torch', 'transformers', 'llguidance'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"SYNTHKIT_CACHE": "/nonexistent", "PATH": ""},
    )
    fingerprint, heavy = done.stdout.splitlines()
    assert '"weights":"b179c9523d0e6a0f98a330c7562b6827"' in fingerprint
    assert '"quantize":"nf4"' in fingerprint
    assert heavy == "set()"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("smolm2", "Did you mean 'smollm2'"),
        ("hf:./no/such/folder", "there is no such folder"),
        ("hf:nobody/nothing", "is not on this machine"),
    ],
)
def test_an_unknown_model_is_refused_when_it_is_named(spec: str, says: str) -> None:
    with pytest.raises(ModelNotFound, match=says) as caught:
        load_local(spec)
    assert "smollm2" in str(caught.value)


def test_an_embedder_answers_no_prompts() -> None:
    with pytest.raises(UsageError, match="minilm is an embedder"):
        load_local("minilm")


def test_a_folder_without_weights_says_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelNotFound, match=r"safetensors, but has config.json"):
        load_local(f"hf:{tmp_path}")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"quantize": "nf5"}, "Did you mean 'nf4'"),
        ({"dtype": "float"}, "dtype 'float' not found"),
        ({"max_batch": 0}, "max_batch must be at least 1"),
        ({"adapter": "/nonexistent"}, "expected to be a folder with adapter_config.json"),
    ],
)
def test_an_option_that_cannot_be_is_refused(
    tiny: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        load_local(f"hf:{tiny}", **options)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_an_adapter_changes_answers_and_fingerprint(tiny: Path, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    net = AutoModelForCausalLM.from_pretrained(tiny)
    lora = get_peft_model(net, LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
    with torch.no_grad():
        for name, weight in lora.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.3)
    lora.save_pretrained(tmp_path)
    plain = load_local(f"hf:{tiny}", quantize="none", dtype="float32")
    tuned = load_local(f"hf:{tiny}", quantize="none", dtype="float32", adapter=tmp_path)
    requests = mixed(4, temperature=0)
    assert plain.fingerprint != tuned.fingerprint
    assert texts(plain, requests) != texts(tuned, requests)


def test_nf4_answers_near_the_whole_weights(tiny: Path) -> None:
    model = load_local(f"hf:{tiny}", quantize="nf4")
    found = answers(model, mixed(6, temperature=0))
    assert all(done.finish in {"stop", "length"} for done in found)
    layer = model.load().net.model.layers[0].mlp.up_proj
    assert type(layer).__name__ == "Linear4bit"


def test_weights_larger_than_memory_are_refused_before_loading(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthkit.models.local import memory

    there = memory.Memory(limit=300_000_000, free=200_000_000, source="the control group")
    monkeypatch.setattr(memory, "of_process", lambda: there)
    model = load_local(f"hf:{tiny}", quantize="none")
    with pytest.raises(NotEnoughMemory, match=r"0\.44 GB .* 0\.20 GB are free of the 0\.30 GB"):
        model.load()
    assert model._loaded == {}


@pytest.fixture(scope="module")
def smollm2() -> Local:
    return load_local("smollm2", quantize="none", dtype="float32", max_batch=8)


@pytest.mark.model
class TestSmolLM2:
    def test_batch_1_and_8_give_the_same_sampled_rows(self, smollm2: Local) -> None:
        requests = [
            ask(f"Write one sentence about {word}.", index=at, temperature=0.7, max_tokens=8)
            for at in range(3)
            for word in WORDS
        ]
        together = texts(smollm2, requests)
        single = load_local("smollm2", quantize="none", dtype="float32", max_batch=1)
        single._loaded = smollm2._loaded
        same = sum(a == b for a, b in zip(together, texts(single, requests), strict=True))
        assert same >= 29
        assert len(set(together)) > 25

    def test_it_answers_the_question(self, smollm2: Local) -> None:
        [text] = texts(smollm2, [ask("What is the capital of France?", temperature=0)])
        assert "Paris" in text

    def test_it_makes_up_what_a_user_would_ask(self, smollm2: Local) -> None:
        system = Message("system", "You are an AI assistant who answers questions about cooking.")
        sampling = Sampling(temperature=0.8, max_tokens=48)
        asked = [
            Request(messages, sampling, index=at, turn="user")
            for messages in ((), (system,))
            for at in range(4)
        ]
        found = answers(smollm2, asked)
        assert [done.prompt_tokens for done in found[::4]] == [24, 19]
        assert len({done.text for done in found}) == 8
        assert all(done.text.strip() and "<|im_" not in done.text for done in found)

    def test_its_tokenizer_splits_numbers_into_digits(self, smollm2: Local) -> None:
        tokenizer = smollm2.load().tokenizer
        assert tokenizer.tokenize("in  2024") == ["in", "ĠĠ", "2", "0", "2", "4"]
