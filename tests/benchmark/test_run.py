from __future__ import annotations

import json
import math
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synthkit as sk
from synthkit.benchmark import benchmark, compare, task
from synthkit.core.errors import MissingExtra, ModelError, UsageError
from synthkit.core.types import Message, Request, Sampling, Score
from synthkit.models import load_model
from synthkit.models.in_memory import loaded
from synthkit.models.local_model import Local, load_local
from synthkit.stats.intervals import wilson
from tests.models.conftest import save_tiny
from tests.server import Asked, Reply, Server, completion

ROWS = [
    {"id": f"r{at}", "text": f"Sentence {at}.", "label": "good" if at % 3 else "bad"}
    for at in range(12)
]
WORDS = "salt river lamp quiet orchard paper window winter bread copper".split()


def parts(score: Score) -> list[float]:
    return [float(part) for part in np.asarray(score.parts)]


def mood(rows: Any = ROWS, **options: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"label": "label", "choices": ["good", "bad"], "name": "mood"}
    return task(rows, "{{ text }} It is", **arguments | options)


def likes(word: str) -> sk.Fake:
    """A model that finds one answer likelier than all others."""
    return sk.Fake(score=lambda request: -1.0 if request.answer == word else -2.0, name=word)


def oracle(wrong: int = 0) -> Callable[[Request], float]:
    """Scores under which the right answer is likeliest, but for the first ``wrong`` rows."""
    right = {row["text"]: (at >= wrong, row["label"]) for at, row in enumerate(ROWS)}

    def score(request: Request) -> float:
        sure, label = right[request.messages[-1].content.removesuffix(" It is")]
        return -1.0 if (request.answer == label) == sure else -2.0

    return score


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny") / "tiny")


@pytest.fixture(scope="module")
def text(tiny: Path) -> Local:
    """It continues a text, as lm-eval's own model does."""
    return load_local(f"hf:{tiny}", quantize="none", dtype="float32", raw=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a multiple-choice and a generation task, their rows beside them."""
    rows = [
        {"question": f"{' '.join(WORDS[at % 10 :])} ", "right": at % 2, "said": WORDS[at % 10]}
        for at in range(9)
    ]
    lines = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "rows.jsonl").write_text(lines + "\n")
    (tmp_path / "train.csv").write_text("question,right,said\nlamp,1,salt\nbread,0,river\n")
    (tmp_path / "_common.yaml").write_text(
        "dataset_path: json\ndataset_kwargs:\n  data_files:\n    test: rows.jsonl\n"
        "test_split: test\ndoc_to_text: '{{question}}'\n"
    )
    (tmp_path / "choice.yaml").write_text(
        "include: _common.yaml\ntask: choice\noutput_type: multiple_choice\n"
        "doc_to_choice: ['yes', 'no, never']\ndoc_to_target: right\n"
        "metric_list:\n  - metric: acc\n  - metric: acc_norm\n  - metric: exact_match\n"
        "    aggregation: mean\n    higher_is_better: true\n  - metric: brier_score\n"
    )
    (tmp_path / "writing.yaml").write_text(
        "include: _common.yaml\ntask: writing\noutput_type: generate_until\ndoc_to_target: said\n"
        "generation_kwargs: {until: ['a'], max_gen_toks: 12}\n"
        "metric_list:\n  - metric: exact_match\n  - metric: chrf\n"
    )
    return tmp_path


def test_a_multiple_choice_is_what_the_model_finds_likeliest(session: sk.Session) -> None:
    found = benchmark(likes("good"), mood(), session=session)["mood acc"]
    assert (found.value, found.n, found.unit, found.better) == (8 / 12, 12, "0..1", "higher")
    assert (found.low, found.high) == pytest.approx(wilson(8, 12))
    assert parts(found) == [float(row["label"] == "good") for row in ROWS]


def test_a_written_answer_is_right_but_for_case_and_what_is_around_it(session: sk.Session) -> None:
    said = iter(["Good.", " **good**", "goodness", "not good", "GOOD!\nbad", "", "bad", "“good”"])
    rows = [{"text": f"{at}", "label": ["good", "fine"]} for at in range(8)]
    model = sk.Fake(lambda request: next(said))
    found = benchmark(model, task(rows, "{{ text }}", label="label"), session=session)
    assert parts(found["task exact_match"]) == [1, 1, 0, 0, 1, 0, 0, 1]
    assert found.documents["answer"].tolist()[:3] == ["Good.", " **good**", "goodness"]


def test_a_second_benchmark_asks_nothing(session: sk.Session) -> None:
    tasks = [mood(), task(ROWS, "{{ text }}", label="label", name="written")]
    first = benchmark(sk.Fake(), tasks, session=session)
    model = sk.Fake()
    again = benchmark(model, tasks, session=session)
    assert (first.ledger.requests, first.ledger.hits) == (36, 0)
    assert (model.asked, again.ledger.requests, again.ledger.hits) == ([], 0, 36)
    assert again.scores == first.scores
    assert again.documents.equals(first.documents)
    assert session.runs()["prompt"].tolist() == ["benchmark: mood, written"] * 2


def test_documents_tell_what_was_answered(session: sk.Session) -> None:
    table = benchmark(likes("bad"), mood(), session=session).documents
    assert list(table) == ["task", "id", "target", "answer", "acc", "acc_norm"]
    assert table.iloc[1].tolist()[:5] == ["mood", "r1", "good", "bad", 0.0]


def test_n_documents_are_drawn_and_the_same_ones_each_time(session: sk.Session) -> None:
    def ids(**options: Any) -> list[str]:
        found = benchmark(sk.Fake(), mood(), session=session, **options).documents
        return list(found["id"])

    assert len(ids(n=5)) == 5
    assert ids(n=5) == ids(n=5)
    assert ids(n=5) != ids(n=5, seed=1)
    assert ids(n=99) == ids()


def test_examples_are_turns_of_a_chat_and_never_the_document_itself(session: sk.Session) -> None:
    model = sk.Fake()
    benchmark(model, mood(), examples=11, session=session)
    for request in model.asked:
        asked = [turn.content for turn in request.messages if turn.role == "user"]
        assert len(set(asked)) == 12
        assert [turn.role for turn in request.messages[:2]] == ["user", "assistant"]
    taught = sk.Fake()
    shown = [{"text": "Shown.", "label": "bad"}]
    benchmark(taught, mood(examples=shown), examples=1, session=session)
    assert [turn.content for turn in taught.asked[0].messages[:2]] == ["Shown. It is", "bad"]


def test_a_difference_is_paired_by_document(session: sk.Session) -> None:
    before = benchmark(sk.Fake(score=oracle(9), name="before"), mood(), session=session)
    after = benchmark(sk.Fake(score=oracle(2), name="after"), mood(ROWS[::-1]), session=session)
    gap = compare(after, before)["mood acc"]
    assert gap.value == pytest.approx(7 / 12)
    assert gap.significant
    assert gap.paired
    alike = compare(benchmark(sk.Fake(score=oracle(8), name="x"), mood(), session=session), before)
    assert str(alike["mood acc"]).endswith(
        "no significant difference on 12 rows, corrected for 2 comparisons"
    )
    part = benchmark(sk.Fake(score=oracle(2), name="after"), mood(ROWS[6:]), session=session)
    assert compare(part, before)["mood acc"].n == 6


def test_what_shares_no_score_or_document_is_not_compared(session: sk.Session) -> None:
    one = benchmark(sk.Fake(), mood(), session=session)
    other = benchmark(sk.Fake(), mood(name="else"), session=session)
    with pytest.raises(UsageError, match="share no score"):
        compare(one, other)
    apart = benchmark(sk.Fake(), mood([{**row, "id": f"x{row['id']}"} for row in ROWS]),
                      session=session)  # fmt: skip
    with pytest.raises(UsageError, match="two pairs"):
        compare(one, apart)


def test_scores_are_kept_under_a_name(session: sk.Session) -> None:
    benchmark(sk.Fake(score=oracle(9), name="before"), mood(), session=session, name="before")
    benchmark(sk.Fake(score=oracle(), name="after"), mood(), session=session, name="after")
    found = session.compare_scores("after", "before").set_index("metric")
    assert found.loc["mood acc", "difference"] == pytest.approx(9 / 12)
    assert found.loc["mood acc", "verdict"] == "better"


def test_progress_is_told(session: sk.Session) -> None:
    told: list[tuple[int, int, str]] = []
    tasks = [mood(), task(ROWS, "{{ text }}", label="label", name="written")]
    benchmark(sk.Fake(), tasks, session=session, progress=lambda *step: told.append(step))
    assert [done for done, _, _ in told] == list(range(1, 37))
    assert {total for _, total, _ in told} == {36}
    assert {name for _, _, name in told} == {"mood", "written"}


def test_nothing_is_printed_and_lm_eval_is_left_as_it_was(
    session: sk.Session, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import logging

    import datasets
    from lm_eval.api import task as module

    before = module.tqdm, logging.getLogger("lm_eval").level, datasets.is_progress_bar_enabled()
    benchmark(sk.Fake("a"), folder, session=session)
    with pytest.raises(UsageError):
        benchmark(sk.Fake(), folder / "_common.yaml", session=session)
    assert capfd.readouterr() == ("", "")
    assert before == (
        module.tqdm, logging.getLogger("lm_eval").level, datasets.is_progress_bar_enabled(),
    )  # fmt: skip


def reference(tiny: Path, folder: Path, examples: int = 0) -> tuple[dict[str, Any], Any]:
    """What lm-eval's own model and evaluator make of the tasks, and that model."""
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from synthkit.benchmark.task_files import load, silenced

    net = AutoModelForCausalLM.from_pretrained(tiny, dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    with silenced(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = HFLM(pretrained=net, tokenizer=tokenizer, device="cpu", batch_size=4)
        tasks = load(folder, examples=examples or None, seed=3)
        found = evaluate(own, {"tasks": tasks}, bootstrap_iters=0)
    return found, own


@pytest.mark.parametrize("examples", [0, 2])
def test_scores_equal_those_of_lm_eval_s_own_model(
    text: Local, tiny: Path, folder: Path, session: sk.Session, examples: int,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    common = (folder / "_common.yaml").read_text()
    if examples:
        (folder / "_common.yaml").write_text(common + "fewshot_split: test\n")
    expected, _ = reference(tiny, folder, examples)
    found = benchmark(text, folder, session=session, seed=3, examples=examples or None)
    metrics = {
        f"{name} {key.removesuffix(',none')}": value
        for name, values in expected["results"].items()
        for key, value in values.items()
        if key.endswith(",none") and "_stderr" not in key
    }
    assert found.left_out == {}
    assert {name: score.value for name, score in found.scores.items()} == pytest.approx(
        metrics, abs=1e-4
    )
    assert set(metrics) == {
        "choice acc", "choice acc_norm", "choice exact_match", "choice brier_score",
        "writing exact_match", "writing chrf",
    }  # fmt: skip
    written = [sample["filtered_resps"][0] for sample in expected["samples"]["writing"]]
    assert found.documents.query("task == 'writing'")["answer"].tolist() == written


GREEDY = Sampling(temperature=0, max_tokens=2)


def instances(kind: str, pairs: list[tuple[str, ...]]) -> list[Any]:
    from lm_eval.api.instance import Instance

    return [Instance(kind, {}, pair, 0, ("any", at, 1)) for at, pair in enumerate(pairs)]  # type: ignore[arg-type]


class Greedy:
    """A task of which lm-eval wants to know what greedy decoding gives."""

    OUTPUT_TYPE = "loglikelihood"
    instances: list[Any] = []  # noqa: RUF012


def test_log_likelihoods_equal_those_of_lm_eval_s_own_model(
    text: Local, tiny: Path, folder: Path, session: sk.Session
) -> None:
    from synthkit.benchmark.lm_eval_model import SynthkitLM

    _, own = reference(tiny, folder)
    asking = SynthkitLM(text, session.store, {"any": Greedy()})
    asked = [Request((Message("user", word),), GREEDY) for word in WORDS]
    written = {done[0]: done[1].text for done in text.complete(asked) if done is not None}
    at = next(at for at, said in written.items() if said.isascii())
    pairs = [
        (" ".join(WORDS[: 1 + at % 4]) + " " * (at % 3), f" {WORDS[at % 10]}") for at in range(12)
    ]
    pairs += [("", "paper"), (WORDS[at], written[at]), ("two\n\n", "lines"), ("日本", "語")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = own.loglikelihood(instances("loglikelihood", pairs), disable_tqdm=True)
        texts = [(word,) for word in WORDS[:4]]
        rolled = own.loglikelihood_rolling(instances("loglikelihood_rolling", texts), True)
    found = asking.loglikelihood(instances("loglikelihood", pairs))
    assert [value for value, _ in found] == pytest.approx([v for v, _ in expected], abs=1e-4)
    assert [sure for _, sure in found] == [sure for _, sure in expected]
    assert found[13][1]
    assert asking.loglikelihood_rolling(instances("loglikelihood_rolling", texts)) == pytest.approx(
        rolled, abs=1e-4
    )


def test_a_text_beyond_the_context_is_read_in_windows(text: Local, session: sk.Session) -> None:
    from synthkit.benchmark.lm_eval_model import SynthkitLM

    asking = SynthkitLM(text, session.store, {"any": Greedy()})
    (found,) = asking.loglikelihood_rolling(instances("loglikelihood_rolling", [("salt " * 99,)]))
    ((*_, scores),) = [text.score([([], "salt " * 99)])]
    assert found == pytest.approx(math.fsum(value for _, value in scores), rel=1e-6)


def test_loaded_weights_answer_as_those_of_their_folder(
    tiny: Path, text: Local, folder: Path, session: sk.Session
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    net = AutoModelForCausalLM.from_pretrained(tiny, dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    model = loaded(net, tokenizer, raw=True)
    first = benchmark(model, folder, session=session)
    assert first.scores == benchmark(text, folder, session=session).scores
    same = loaded(net, tokenizer, raw=True, name="other")
    assert same.fingerprint == model.fingerprint
    assert loaded(net, tokenizer).fingerprint != model.fingerprint
    assert benchmark(same, folder, session=session).ledger.requests == 0
    with torch.no_grad():
        net.lm_head.weight[5, 5] += 1
    moved = loaded(net, tokenizer, raw=True)
    assert moved.fingerprint != model.fingerprint
    assert benchmark(moved, folder, session=session).ledger.hits == 0


def test_adapters_are_part_of_what_loaded_weights_are(tiny: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from synthkit.models.transformers.loading import quiet

    tokenizer = AutoTokenizer.from_pretrained(tiny)

    def adapted(alpha: int) -> Any:
        net = AutoModelForCausalLM.from_pretrained(tiny, dtype="float32")
        config = LoraConfig(r=2, lora_alpha=alpha, target_modules=["q_proj"], task_type="CAUSAL_LM")
        torch.manual_seed(0)
        with quiet():
            return get_peft_model(net, config)

    net = adapted(4)
    prints = {loaded(one, tokenizer).fingerprint for one in (net, adapted(4), adapted(8))}
    assert len(prints) == 2
    with net.disable_adapter():
        assert loaded(net, tokenizer).fingerprint not in prints


def test_a_server_is_refused_what_it_cannot_do_before_it_is_asked(session: sk.Session) -> None:
    server = load_model("openai:gpt", base_url="http://127.0.0.1:9/v1", api_key="none")
    with pytest.raises(UsageError, match=r"which servers do not return for gpt.*on this machine"):
        benchmark(server, mood(), session=session)


def test_a_server_does_tasks_that_have_it_write(session: sk.Session, folder: Path) -> None:
    (folder / "own.yaml").write_text(
        "include: _common.yaml\ntask: own\noutput_type: generate_until\ndoc_to_target: said\n"
        "generation_kwargs: {until: ['#', '%', '$', '7', ' '], max_gen_toks: 9}\n"
        "metric_list:\n  - metric: exact_match\n"
    )

    def answer(request: Asked) -> Reply:
        return Reply(body=completion(f"{request.prompt.split()[0]} and more"))

    with Server(script=answer) as server:
        model = load_model("openai:gpt", base_url=server.base_url, api_key="none")
        found = benchmark(model, folder / "own.yaml", session=session)
        body = server.asked[0].json
    assert found["own exact_match"].value == 1
    assert (body["stop"], body["max_tokens"], body["temperature"]) == (
        ["#", "%", "$", "7"], 9, 0,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["json", "csv", "parquet"])
def test_rows_are_files_beside_the_task(
    kind: str, tmp_path: Path, session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas as pd

    place = tmp_path / "tasks" / "deep"
    place.mkdir(parents=True)
    frame = pd.DataFrame(ROWS)
    writers: dict[str, Callable[[Path], Any]] = {
        "json": lambda path: frame.to_json(path, orient="records", lines=True),
        "csv": lambda path: frame.to_csv(path, index=False),
        "parquet": lambda path: frame.to_parquet(path),
    }
    writers[kind](place / f"rows.{kind}")
    (place / "mood.yaml").write_text(
        f"task: mood\ndataset_path: {kind}\ndataset_kwargs: {{data_files: {{test: rows.{kind}}}}}\n"
        "test_split: test\noutput_type: multiple_choice\ndoc_to_text: '{{text}} It is'\n"
        "doc_to_choice: [good, bad]\ndoc_to_target: label\n"
    )
    monkeypatch.chdir(tmp_path)
    found = benchmark(sk.Fake(score=oracle(3)), "tasks", session=session)
    assert found["mood acc"].value == 9 / 12
    assert found.documents["id"].tolist() == [row["id"] for row in ROWS]


def test_functions_beside_a_task_are_used(folder: Path, session: sk.Session) -> None:
    (folder / "own.py").write_text("def upper(doc):\n    return doc['question'].upper()\n")
    (folder / "own.yaml").write_text(
        "include: _common.yaml\ntask: own\noutput_type: generate_until\n"
        "doc_to_text: !function own.upper\ndoc_to_target: said\n"
    )
    model = sk.Fake()
    benchmark(model, folder / "own.yaml", session=session, n=2)
    assert all(request.messages[-1].content.isupper() for request in model.asked)


def test_documents_without_ids_get_them_from_what_they_hold(
    folder: Path, session: sk.Session
) -> None:
    first = benchmark(sk.Fake(), folder, session=session).documents["id"]
    lines = (folder / "rows.jsonl").read_text().splitlines()
    (folder / "rows.jsonl").write_text("\n".join(lines[::-1]))
    again = benchmark(sk.Fake(), folder, session=session).documents["id"]
    assert first.nunique() == 9
    assert again.tolist() != first.tolist()
    assert sorted(again) == sorted(first)


BASE = "task: t\ndataset_path: json\ndataset_kwargs: {data_files: {test: rows.jsonl}}\n"
REST = "test_split: test\noutput_type: generate_until\ndoc_to_text: question\ndoc_to_target: said\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("task: [", "cannot be read as a task: .*line"),
        ("- a\n- b\n", "cannot be read as a task: .*got list"),
        ("include: nowhere.yaml\ntask: t\n", "cannot be read as a task: .*nowhere.yaml"),
        ("dataset_path: json\n", "no 'task: NAME'"),
        ("group: g\ntask: [a, b]\n", "For a group, give the folder"),
        (f"task: t\n{REST}", "has no dataset_path"),
        (f"task: t\ndataset_path: json\n{REST}", "names no file"),
        (BASE.replace("rows.jsonl", "gone.jsonl") + REST, r"takes its rows from gone.jsonl, which"),
        (f"task: t\ndataset_path: super_glue\n{REST}", "from the Hub .*Save them beside the task"),
        (BASE + REST.replace("test_split: test", "test_split: dev"), "KeyError: 'dev'"),
        (BASE + REST.replace("generate_until", "guess"), "invalid output_type 'guess'"),
        (BASE + REST.replace("question", "'{{ nothing }}'"), "'nothing' is undefined"),
        (BASE + REST + "spelling: 1\n", "unexpected keyword argument 'spelling'"),
        (BASE + REST + "unsafe_code: true\n", "runs code that a model wrote"),
        (BASE + REST + "num_fewshot: 2\n", "no examples to show but the documents"),
        (
            BASE + REST.replace("test_split", "validation_split")
            + "num_fewshot: 2\nfewshot_split: test\n",
            "no examples to show but the documents",
        ),
        (BASE + REST + "num_fewshot: 9\nfewshot_split: test\n", "has 8 examples to show"),
        (BASE + REST + "gen_prefix: So\n", "load the model with raw=True"),
        (
            BASE + REST.replace("generate_until", "multiple_choice")
            + "doc_to_choice: [yes it is, no it is not]\n",
            "document 0: the target 'salt' is none of the choices",
        ),
    ],
)  # fmt: skip
def test_a_task_file_that_cannot_be_used_says_why(
    source: str, message: str, folder: Path, session: sk.Session
) -> None:
    (folder / "broken.yaml").write_text(source)
    model = sk.Fake()
    with pytest.raises(UsageError, match=message):
        benchmark(model, folder / "broken.yaml", session=session)
    assert model.asked == []


def test_a_task_that_is_not_there_says_so(tmp_path: Path, session: sk.Session) -> None:
    for given, said in (
        ("boolq", "boolq was expected to be a task file"),
        (tmp_path / "gone.yaml", "gone.yaml was expected"),
        (tmp_path, "it has none"),
        ([], "expected a task or more"),
        ({"doc_to_text": "x"}, "a task with a name"),
        ([mood(), mood()], "two tasks are named 'mood'"),
    ):
        with pytest.raises(UsageError, match=said):
            benchmark(sk.Fake(), given, session=session)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "a row or more"),
        ([{"text": "a", "label": None}], {}, "row 0: the label in column 'label' is missing"),
        ([{"text": "a", "label": "so"}], {}, "row 0: label 'so' not found; have 'good', 'bad'"),
        ([{"text": None, "label": "bad"}], {}, "row 0: .*'text' has no value"),
        ([{"text": "a", "label": " "}], {"choices": None}, "missing or blank"),
        ([{"text": "a", "label": []}], {"choices": None}, "missing or blank"),
        ([{"text": "a", "label": "good"}], {"choices": ["good"]}, "two distinct choices"),
        ([{"text": "a", "label": "x"}], {"choices": {"x": "w", "y": "w"}}, "two distinct choices"),
        ([{"text": "a", "label": "x", "c": ["x"]}], {"choices": "c"}, "expected two choices"),
        ([{"text": "a", "label": 2, "c": ["x", "y"]}], {"choices": "c"}, "label '2' not found"),
        ([{"text": "a", "lable": "bad"}], {}, "Did you mean 'lable'"),
        ([{"id": "1", "text": "a", "label": "bad"}] * 2, {}, "needs an id of its own"),
    ],
)
def test_rows_that_make_no_task_are_refused(rows: Any, options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        mood(rows, **options)


def test_choices_may_be_of_each_row_or_stand_for_labels(
    session: sk.Session, make: Callable[[dict[str, list[Any]]], Any]
) -> None:
    quiz = make({
        "q": ["1 + 1?", "猫?", "الشاي?"], "right": ["2", "cat", "tea"],
        "options": [["1", "2"], ["cat", "dog", "cow"], ["tea", "rice"]],
    })  # fmt: skip
    found = benchmark(
        likes("cat"), task(quiz, "{{ q }}", label="right", choices="options"), session=session
    )
    assert found.documents["target"].tolist() == ["2", "cat", "tea"]
    assert found.documents["answer"].tolist()[1] == "cat"
    said = make({"q": ["wet?", "dry?"], "right": [True, False]})
    coded = task(said, "{{ q }}", label="right", choices={"True": "yes", "False": "no"})
    assert benchmark(likes("yes"), coded, session=session)["task acc"].value == 0.5


def test_an_empty_question_is_refused() -> None:
    with pytest.raises(UsageError, match="row 1: the prompt is empty"):
        task([{"q": "a", "a": "b"}, {"q": " ", "a": "b"}], "{{ q }}", label="a")


def test_a_number_keeps_its_sign(session: sk.Session) -> None:
    rows = [{"text": "2 - 7", "label": -5}, {"text": "7 - 2", "label": 5}]
    found = benchmark(sk.Fake("5."), task(rows, "{{ text }}", label="label"), session=session)
    assert parts(found["task exact_match"]) == [0, 1]


def test_a_document_that_cannot_be_asked_is_an_error(folder: Path, session: sk.Session) -> None:
    with (folder / "rows.jsonl").open("a") as file:
        file.write('{"question": null, "right": 0, "said": "x"}\n')
    (folder / "_common.yaml").write_text(
        (folder / "_common.yaml").read_text().replace("'{{question}}'", "question")
    )
    with pytest.raises(UsageError, match=r"lm-eval could not do writing: .*not a string"):
        benchmark(sk.Fake(), folder / "writing.yaml", session=session)


def test_a_metric_that_some_documents_lack_is_of_the_others(
    folder: Path, session: sk.Session
) -> None:
    (folder / "own.py").write_text(
        "def judged(doc, found):\n"
        "    return {'all': 1.0} | ({'odd': 0.5} if doc['right'] else {})\n"
    )
    (folder / "own.yaml").write_text(
        "include: _common.yaml\ntask: own\noutput_type: generate_until\ndoc_to_target: said\n"
        "process_results: !function own.judged\nmetric_list: [{metric: all, aggregation: mean, "
        "higher_is_better: true}]\n"
    )
    found = benchmark(sk.Fake(), folder / "own.yaml", session=session)
    assert (found["own all"].n, found["own odd"].n, found["own odd"].value) == (9, 4, 0.5)
    assert found.documents["odd"].notna().tolist() == [bool(at % 2) for at in range(9)]


def test_one_document_and_all_alike_have_defined_scores(session: sk.Session) -> None:
    one = benchmark(likes("bad"), mood(ROWS[:1]), session=session)["mood acc"]
    assert (one.value, one.low, one.high) == (1, *wilson(1, 1))
    same = [{"text": "same", "label": "good"}] * 6
    found = benchmark(likes("good"), mood(same), session=session)
    assert found["mood acc"].value == 1
    assert found.documents["id"].nunique() == 6


def test_a_mean_that_is_no_share_has_the_jackknife_s_interval(
    session: sk.Session, folder: Path
) -> None:
    words = "brier_score perplexity".split()
    (folder / "own.yaml").write_text(
        "include: _common.yaml\ntask: own\noutput_type: loglikelihood\ndoc_to_target: said\n"
    )
    found = benchmark(likes("salt"), [folder / "own.yaml", folder / "choice.yaml"], session=session)
    for name, score in found.scores.items():
        if name.split()[1] in words:
            assert score.low < score.value < score.high  # type: ignore[operator]
            assert np.mean(parts(score)) == pytest.approx(score.value)
            assert score.better == "lower"
    logs = [float(-1 if row == "salt" else -2) for row in WORDS[:9]]
    assert found["own perplexity"].value == pytest.approx(math.exp(-np.mean(logs)))


def test_a_metric_without_a_number_is_left_out_with_the_reason(
    session: sk.Session, folder: Path
) -> None:
    (folder / "own.py").write_text(
        "def judged(doc, found):\n"
        "    return {'length': len(found[0]), 'kind': 'text', 'empty': float('nan')}\n"
    )
    (folder / "own.yaml").write_text(
        "include: _common.yaml\ntask: own\noutput_type: generate_until\ndoc_to_target: said\n"
        "process_results: !function own.judged\n"
        "metric_list:\n  - {metric: length, aggregation: mean, higher_is_better: false}\n"
        "  - {metric: kind, aggregation: bypass, higher_is_better: true}\n"
        "  - {metric: empty, aggregation: mean, higher_is_better: true}\n"
    )
    found = benchmark(sk.Fake("abc"), folder / "own.yaml", session=session)
    assert found["own length"].value == 3
    assert set(found.left_out) == {"own kind", "own empty"}
    assert found.left_out["own empty"] == "it is nan on these documents"


def test_what_cannot_be_answered_is_said_and_the_rest_kept(session: sk.Session) -> None:
    shaky = sk.Fake("good", fail=0.5)
    written = task(ROWS, "{{ text }}", label="label", name="written")
    with pytest.raises(ModelError, match=r"written, document \d+: .*told to fail.*are cached"):
        benchmark(shaky, written, session=session)
    with pytest.raises(ModelError, match=r"no log-probabilities|single token|told to die"):
        benchmark(sk.Fake(die_after=3), mood(), session=session)
    again = benchmark(sk.Fake(), mood(), session=session)
    assert (again.ledger.hits, again.ledger.requests) == (3, 21)


def test_an_interrupt_ends_a_benchmark_and_keeps_what_was_answered(session: sk.Session) -> None:
    def stop(done: int, total: int, name: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        benchmark(sk.Fake(), mood(), session=session, progress=stop)
    assert benchmark(sk.Fake(), mood(), session=session).ledger.hits >= 5


def test_samples_of_one_document_are_drawn_apart(session: sk.Session, folder: Path) -> None:
    (folder / "own.yaml").write_text(
        "include: _common.yaml\ntask: own\noutput_type: generate_until\ndoc_to_target: said\n"
        "repeats: 3\ngeneration_kwargs: {until: [], do_sample: true, temperature: 0.9, top_k: 5}\n"
        "metric_list:\n  - metric: exact_match\n"
    )
    model = sk.Fake()
    benchmark(model, folder / "own.yaml", session=session, n=2, seed=7)
    assert [request.index for request in model.asked] == [0, 1, 2, 0, 1, 2]
    sampling = model.asked[0].sampling
    assert (sampling.temperature, sampling.seed, sampling.extra) == (0.9, 7, {"top_k": 5})


@pytest.mark.parametrize(
    ("options", "temperature"),
    [
        ("do_sample: false", 0.0),
        ("do_sample: false, temperature: 0.0", 0.0),
        ("temperature: 0.0", 0.0),
        ("do_sample: false, temperature: 0.7", 0.0),
        ("do_sample: true", 1.0),
        ("do_sample: true, temperature: 0.7", 0.7),
        ("temperature: 0.7, top_p: 0.9", 0.7),
    ],
)
def test_a_local_model_writes_answers_at_every_temperature_of_a_task(
    text: Local, session: sk.Session, folder: Path, options: str, temperature: float
) -> None:
    (folder / "own.yaml").write_text(
        "include: _common.yaml\ntask: own\noutput_type: generate_until\ndoc_to_target: said\n"
        f"generation_kwargs: {{until: ['a'], max_gen_toks: 3, {options}}}\n"
        "metric_list:\n  - metric: exact_match\n"
    )
    model = sk.Fake()
    benchmark(model, folder / "own.yaml", session=session, n=2)
    assert {request.sampling.temperature for request in model.asked} == {temperature}
    assert "temperature" not in model.asked[0].sampling.extra
    assert benchmark(text, folder / "own.yaml", session=session, n=2)["own exact_match"].n == 2


def test_candidate_answers_share_the_reading_of_their_question(
    text: Local, session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthkit.models.transformers.weights import Engine

    assert text.load().shares_prompts
    forward, read = Engine.forward, []

    def counted(self: Engine, **inputs: Any) -> Any:
        read.append(inputs["input_ids"].numel())
        return forward(self, **inputs)

    monkeypatch.setattr(Engine, "forward", counted)
    rows = [{"text": "w" * 60 + f"{at:02}", "label": "good"} for at in range(40)]
    quiz = mood(rows, choices=["good", "bad", "fair", "poor"])
    benchmark(text, quiz, session=session)
    question = 60 + 2 + len(" It is")
    assert sum(read) < 1.6 * 40 * question


@pytest.mark.parametrize("options", [{"n": 0}, {"examples": -1}, {"level": 95}, {"name": "a/b"}])
def test_options_that_make_no_sense_are_refused(session: sk.Session, options: Any) -> None:
    with pytest.raises(UsageError):
        benchmark(sk.Fake(), mood(), session=session, **options)


def test_a_benchmark_without_lm_eval_says_what_to_install(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval.evaluator", None)
    with pytest.raises(MissingExtra, match=r'pip install "jupyter-synthkit\[benchmark\]"'):
        benchmark(sk.Fake(), mood(), session=session)


def test_lm_eval_is_imported_when_a_benchmark_is_run() -> None:
    code = "import sys, synthkit.benchmark.run; print({'lm_eval', 'torch'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


@pytest.mark.model
def test_smollm2_tells_yelp_sentences_apart(session: sk.Session) -> None:
    smollm2 = load_local("smollm2", quantize="none", raw=True)
    yelp = task(
        sk.load_sample("yelp", quiet=True),
        "Review: {{ text }}\nSentiment:",
        label="label",
        choices=["positive", "negative"],
        name="yelp",
    )
    found = benchmark(smollm2, yelp, n=40, session=session)["yelp acc"]
    assert found.n == 40
    assert found.low > 0.6  # type: ignore[operator]
