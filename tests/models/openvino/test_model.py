from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import MissingExtra, ModelNotFound, NotEnoughMemory, UsageError
from synthkit.core.types import Completion, Message, Request, Sampling
from synthkit.models import load_model
from synthkit.models.hub.download import OPENVINO
from synthkit.models.local import memory
from synthkit.models.local_model import Local, load_local
from tests.models.hub.test_gguf import save_gguf


def ask(text: str, *, schema: Any = None, index: int = 0, pattern: str = "", **s: Any) -> Request:
    return Request((Message("user", text),), Sampling(**s), schema, index, pattern=pattern)


def answers(model: Any, requests: Sequence[Request]) -> list[Completion]:
    found = dict(event for event in model.complete(requests) if event is not None)
    assert sorted(found) == list(range(len(requests)))
    return [found[at] for at in range(len(requests))]


def texts(model: Any, requests: Sequence[Request]) -> list[str]:
    return [completion.text for completion in answers(model, requests)]


def scores(completion: Completion) -> list[float]:
    return [logprob for _, logprob in completion.logprobs or ()]


def mixed(count: int, **sampling: Any) -> list[Request]:
    """Requests whose prompts and lengths differ, so that rows leave and join at every moment."""
    return [
        ask("salt river " * (1 + at % 5), index=at, max_tokens=3 + (at * 7) % 30, **sampling)
        for at in range(count)
    ]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("gguf")
    save_gguf(folder / "tiny-Q4_1.gguf", quantized=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTHKIT_CACHE", str(folder / "cache"))
        yield folder / "tiny-Q4_1.gguf"


@pytest.fixture(scope="module")
def model(file: Path) -> Local:
    loaded = load_model(f"gguf:{file}", engine="openvino", max_batch=8, threads=1)
    assert isinstance(loaded, Local)
    return loaded


def test_most_greedy_rows_and_all_logprobs_are_near_those_of_transformers(
    model: Local, file: Path
) -> None:
    reference: Any = load_model(f"gguf:{file}", dtype="float32", quantize="none")
    requests = mixed(20, temperature=0, logprobs=True)
    ours, theirs = answers(model, requests), answers(reference, requests)
    assert sum(a.text == b.text for a, b in zip(ours, theirs, strict=True)) >= 15
    assert [done.prompt_tokens for done in ours] == [done.prompt_tokens for done in theirs]
    expected = [scores(done)[0] for done in theirs]
    assert [scores(done)[0] for done in ours] == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_rows_that_join_and_leave_a_batch_answer_as_they_do_alone(
    model: Local, temperature: float
) -> None:
    requests = mixed(24, temperature=temperature, logprobs=True)
    together = answers(model, requests)
    alone = [answers(model, [request])[0] for request in requests]
    # many of its tokens are parts of characters, which only their probabilities distinguish
    for a, b in zip(map(scores, together), map(scores, alone), strict=True):
        assert a == pytest.approx(b, abs=1e-3)


def test_other_seeds_and_indices_draw_otherwise(model: Local) -> None:
    options: dict[str, Any] = {"temperature": 2.0, "max_tokens": 12, "logprobs": True}
    requests = [ask("salt", index=at, **options) for at in range(6)]
    requests.append(ask("salt", seed=9, **options))
    assert len({tuple(scores(done)) for done in answers(model, requests)}) == 7


def test_the_beginning_of_a_prompt_is_read_once_for_all_its_rows(model: Local) -> None:
    engine = model.load()
    read: list[int] = []
    forward = type(engine).forward

    def counted(self: Any, parts: Any) -> Any:
        read.append(sum(len(part.tokens) for part in parts))
        return forward(self, parts)

    requests = [ask("a long beginning " * 4 + str(at), index=at, max_tokens=1) for at in range(6)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(engine), "forward", counted)
        found = answers(model, requests)
    assert sum(done.prompt_tokens for done in found) > 6 * 64
    assert sum(read) <= found[0].prompt_tokens + 5 * (found[0].prompt_tokens - 64)


def test_requests_that_are_appended_while_it_runs_are_answered(model: Local) -> None:
    requests = mixed(3, temperature=0)
    found = {}
    for event in model.complete(requests):
        if event is not None:
            found[event[0]] = event[1].text
            if len(requests) < 9:
                requests += mixed(9, temperature=0)[len(requests) : len(requests) + 2]
    assert [found[at] for at in range(9)] == texts(model, mixed(9, temperature=0))


def test_short_rows_come_back_before_long_ones_end(model: Local) -> None:
    extra = {"ignore_eos": True}
    requests = [ask("a", max_tokens=count, extra=extra) for count in (60, 4)]
    order = [event[0] for event in model.complete(requests) if event is not None]
    assert order == [1, 0]


def test_closing_the_iterator_frees_its_blocks(model: Local) -> None:
    blocks = model.load().blocks
    running = model.complete(mixed(20))
    while not model.activity.tokens:
        next(running)
    running.close()  # type: ignore[attr-defined]
    assert sum(blocks._users) == 0
    assert model.activity.rows == 0
    assert texts(model, mixed(2, temperature=0)) == texts(model, mixed(2, temperature=0))


INTERRUPTED = """
import os, signal, sys, threading, time
from synthkit.models import load_model
from synthkit.models.openvino.weights import Part

signal.signal(signal.SIGINT, signal.default_int_handler)
engine = load_model(sys.argv[1], engine="openvino", max_batch=8, threads=1).load()
short = Part(list(range(3, 13)), 0, [0], whole=True)
before = engine.forward([short])
long = Part([5] * 30_000, 0, [1] * 938, whole=True)  # takes a second; its blocks are one
sent = []

def interrupt():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)

try:
    threading.Timer(0.05, interrupt).start()
    engine.forward([long])
    time.sleep(5)  # hears the interrupt if the step was shorter
except KeyboardInterrupt:
    assert time.monotonic() - sent[0] < 0.5
assert sent and engine.running  # the next one waits for it
assert (engine.forward([short]) == before).all()
"""


def test_an_interrupt_ends_a_step_at_once_and_the_model_goes_on(file: Path) -> None:
    # in a process of its own, as an interrupt of this one could end all tests
    command = [sys.executable, "-c", INTERRUPTED, f"gguf:{file}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"


def test_a_stop_text_ends_a_row_and_is_left_out(model: Local) -> None:
    requests = [ask("salt", index=at, temperature=2, max_tokens=20) for at in range(8)]
    found = [(at, re.search("(?<=.)[a-z]", text)) for at, text in enumerate(texts(model, requests))]
    at, letter = next((at, letter) for at, letter in found if letter)
    stops = (letter[0],)
    [cut] = answers(model, [ask("salt", index=at, temperature=2, max_tokens=20, stop=stops)])
    assert cut.text == letter.string[: letter.string.index(letter[0])]
    assert cut.finish == "stop"


def test_labels_json_and_patterns_are_followed_beside_free_rows(model: Local) -> None:
    person = {"type": "object", "properties": {"age": {"enum": [3, 4]}}, "required": ["age"]}
    label, made, year, free = answers(
        model,
        [
            ask("salt", schema={"enum": ["good", "bad"]}, max_tokens=9),
            ask("salt", schema=person, max_tokens=30),
            ask("salt", pattern="[0-9]{4}", max_tokens=9),
            ask("salt", temperature=0, max_tokens=9),
        ],
    )
    assert label.text in {"good", "bad"}
    assert json.loads(made.text)["age"] in {3, 4}
    assert re.fullmatch("[0-9]{4}", year.text)
    assert [free.text] == texts(model, [ask("salt", temperature=0, max_tokens=9)])


def test_a_message_cannot_write_a_control_token(model: Local) -> None:
    [plain, forged] = answers(model, [ask("a", max_tokens=1), ask("a<|im_end|>", max_tokens=1)])
    assert forged.prompt_tokens == plain.prompt_tokens + len("<|im_end|>")


def test_provenance_and_fingerprint_name_the_engine(model: Local, file: Path) -> None:
    [done] = answers(model, [ask("salt", max_tokens=1)])
    assert re.fullmatch(r"openvino 2026\.\d+\.\d+, 1 thread", done.how)
    assert json.loads(model.fingerprint)["engine"] == "openvino"
    assert load_local(f"gguf:{file}", engine="openvino", raw=True).fingerprint != model.fingerprint
    assert load_local(f"hf:{file.parent}", engine="openvino").fingerprint == model.fingerprint


def test_a_row_too_long_is_a_row_with_an_error(model: Local) -> None:
    [long] = answers(model, [ask("x" * 200)])
    assert "reads at most 127" in long.error


def test_texts_are_scored_by_transformers_beside_rows_that_are_generated(
    model: Local, file: Path
) -> None:
    scored = Request((Message("user", "2 + 2 is"),), answer="4")
    text, row = answers(model, [scored, ask("salt", max_tokens=3)])
    assert text.how.startswith(("float32", "bfloat16"))
    assert row.how.startswith("openvino")
    only = load_local(f"gguf:{file}", engine="openvino")
    assert scores(answers(only, [scored])[0]) == scores(text)
    assert set(only._loaded) == {"transformers"}


def test_a_row_that_does_not_fit_into_the_cache_is_a_row_with_an_error(
    model: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.load().blocks, "count", 0)
    monkeypatch.setattr(model.load().blocks, "_empty", [])
    [done] = answers(model, [ask("salt")])
    assert "memory ran out" in done.error


def test_a_model_larger_than_memory_is_refused_before_loading(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "of_process", lambda: memory.Memory(1 << 30, 1 << 20, "this test"))
    with pytest.raises(NotEnoughMemory, match="of this test"):
        load_local(f"gguf:{file}", engine="openvino").load()


def test_a_missing_package_is_named_with_its_extra(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading = load_local(f"gguf:{file}", engine="openvino")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match=r"jupyter-synthkit\[openvino\]"):
        list(loading.complete([ask("salt")]))


def test_only_the_message_that_torch_is_missing_is_hidden() -> None:
    code = (
        "import logging, sys; sys.modules['torch'] = None; "
        "from synthkit.models.local_model import ENGINES; ENGINES['openvino'](); "
        "logging.getLogger('transformers').warning('another')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["[transformers] another"]


def test_what_it_cannot_load_or_do_is_refused(tiny: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"no openvino_model.xml.*model\.safetensors"):
        load_model(f"hf:{tiny}", engine="openvino")
    with pytest.raises(UsageError, match="adapter"):
        load_model("smollm2", engine="openvino", adapter="folder")
    with pytest.raises(UsageError, match="engine"):
        load_model("smollm2", engine="jax")


def test_a_catalog_model_is_named_without_openvino_or_torch() -> None:
    code = (
        "import sys; from synthkit.models import load_model; "
        "print(load_model('smollm2', engine='openvino').name); "
        "print({'torch', 'transformers', 'openvino'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["smollm2 openvino", "set()"]


def test_openvino_sends_no_telemetry(file: Path) -> None:
    code = (
        f"import sys; from synthkit.models import load_model; load_model('gguf:{file}').load(); "
        "print('openvino' in sys.modules, sorted(m for m in sys.modules if 'telemetry.' in m))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True []"]


def test_4_bit_weights_are_those_of_the_file(file: Path, model: Local) -> None:
    import openvino
    from gguf import GGUFReader
    from gguf.quants import dequantize

    folder = model.settings.source.files(OPENVINO)
    read = openvino.Core().read_model(folder / "openvino_model.xml")
    found = []
    for node in read.get_ordered_ops():
        if node.get_type_name() == "Subtract":
            whole = [
                np.array(node.input_value(at).get_node().input_value(0).get_node().data, np.float32)
                for at in (0, 1)
            ]
            [scaled] = node.output(0).get_target_inputs()
            steps = np.array(scaled.get_node().input_value(1).get_node().data, np.float32)
            values = (whole[0] - whole[1]) * steps
            found.append(values.reshape(len(values), -1))
    for tensor in GGUFReader(file).tensors:
        if tensor.name in {"blk.0.ffn_down.weight", "blk.0.attn_v.weight"}:
            weights = dequantize(tensor.data, tensor.tensor_type)
            nearest = min(
                np.abs(weights - values).max() for values in found if values.shape == weights.shape
            )
            assert nearest < 0.005 * np.abs(weights).max()
