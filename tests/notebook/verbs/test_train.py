"""``%synth train``: the model is bound, and can be named as any other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from synthkit.core.errors import Interrupted, UsageError
from synthkit.core.static_output import StaticOutput
from synthkit.notebook.output import live_losses
from synthkit.train import sft
from synthkit.train.progress import Progress
from synthkit.train.training import Training
from tests.models.conftest import save_tiny
from tests.notebook.conftest import Shell
from tests.notebook.test_completion import complete
from tests.server import Server
from tests.train.conftest import LABELS, TEXTS, save_bert
from tests.train.fine_tuning import FineTuning

ROWS = pd.DataFrame({"question": ["q 0", "q 1", "q 2"], "completion": ["a 0", "a 1", "a 2"]})


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny") / "tiny")


@pytest.fixture
def line(shell: Shell, tiny: Path) -> str:
    shell.ip.user_ns["rows"] = ROWS
    return (
        f"%synth train student --from rows --base hf:{tiny} --rank 2 --seed 1 --held-out rows "
        "--set prompt=question --set batch_size=2"
    )


def test_a_trained_model_is_bound_and_answers_cells(shell: Shell, line: str) -> None:
    shown = shell.run(line)
    model = shell["student"]
    assert f"bound student: {model.name}" in shown
    assert "The loss of the training rows" in shown
    assert "sft of tiny on 3 rows; seed 1" in shown
    assert model.folder.parent == shell.context.session.folder / "train"
    assert (model.record["settings"]["rank"], model.record["steps"]) == (2, 2)
    shell.run("%%synth answers --n 2 --model student --max-tokens 3\nq {{ 1 }}")
    assert len(shell["answers"]) == 2
    assert "student" in complete(shell, "%%synth x --model stud")[0]
    folder = model.folder
    shell.run(line)
    assert shell["student"].folder == folder


def test_files_are_rows_that_the_session_keeps(shell: Shell, tiny: Path, tmp_path: Path) -> None:
    ROWS[:2].to_json(tmp_path / "a1.jsonl", orient="records", lines=True)
    ROWS[2:].to_json(tmp_path / "a2.jsonl", orient="records", lines=True)
    ROWS.to_csv(tmp_path / "others.csv", index=False)
    shell.run(
        f"%synth train student --from '{tmp_path}/a*.jsonl' --base hf:{tiny} --rank 2 "
        f"--held-out {tmp_path}/others.csv --set prompt=question"
    )
    model, session = shell["student"], shell.context.session
    assert set(model.record["rows"]) == set(session.load("student_rows")["id"])
    assert set(model.record["held_out"]) == set(session.load("student_held_out_rows")["id"])
    named = sft(str(tmp_path / "a*.jsonl"), held_out=tmp_path / "others.csv", base=f"hf:{tiny}",
                rank=2, prompt="question", folder=model.folder.parent)  # fmt: skip
    assert named.folder == model.folder
    shell.run(
        f"%synth train less --from {tmp_path}/a1.jsonl --first 1 --base hf:{tiny} --rank 2 "
        "--set prompt=question"
    )
    assert len(shell["less"].record["rows"]) == 1


def test_a_hosted_model_is_trained_and_answers_cells(shell: Shell) -> None:
    shell.ip.user_ns["rows"] = pd.DataFrame(
        {"prompt": [f"q {n}" for n in range(10)], "completion": ["a"] * 10}
    )
    with Server(FineTuning()) as server:
        shown = shell.run(
            "%synth train hosted --from rows --method openai --base openai:m --epochs 2 "
            f"--set base_url={server.base_url} --set poll_seconds=0.01"
        )
        assert "bound hosted: ft:m:me" in shown
        assert "openai of m on 10 rows; seed 0" in shown
        shell.run("%%synth answers --n 2 --model hosted\nq {{ 1 }}")
    assert list(shell["answers"]["text"]) == ["Answer to: q 1"] * 2
    with pytest.raises(UsageError, match=r"a model on this machine.*got a HostedModel"):
        shell.run("%synth train further --from rows --base hosted")
    with pytest.raises(UsageError, match="option 'rank' not found"):
        shell.run("%synth train hosted --from rows --method openai --base openai:m --rank 2")


def test_a_reward_model_is_bound_and_is_a_reward_of_a_further_training(
    shell: Shell, tiny: Path
) -> None:
    names = ("prompt", "chosen", "rejected")
    shell.ip.user_ns["pairs"] = pd.DataFrame([dict(zip(names, "qyn", strict=True))] * 2)
    shell.ip.user_ns["short"] = lambda row: -len(row["completion"])
    small = f"--base hf:{tiny} --rank 2 --set batch_size=2"
    shell.run(f"%synth train scorer --from pairs --method reward {small}")
    shown = shell.run(
        f"%synth train brief --from pairs --method grpo {small} --set generations=2 "
        "--set completion_tokens=4 --set weights=[1,0.5,1] --reward @scorer --reward @short "
        "--reward 'length completion 1-3 words' --patience 1 --held-out pairs"
    )
    assert "The reward of the training prompts" in shown
    assert shell["brief"].record["settings"]["reward_weights"] == [1, 0.5, 1]
    shell.ip.user_ns["answers"] = [{"prompt": "q", "completion": "y"}]
    shell.ip.user_ns["good"] = shell["scorer"].at_least(-1e9)
    shell.run("%synth filter answers --by good")
    assert len(shell["answers_kept"]) == 1
    with pytest.raises(UsageError, match="gave the number"):
        shell.run("%synth filter answers --by scorer")


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of the frames that a person sees."""
    monkeypatch.setenv("SYNTHKIT_LIVE", "1")
    monkeypatch.setattr(live_losses, "PERIOD_SECONDS", 0)
    texts: list[str] = []
    draw = live_losses.frame

    def frame(text: str, progress: Progress) -> StaticOutput:
        texts.append(text)
        return draw(text, progress)

    monkeypatch.setattr(live_losses, "frame", frame)
    return texts


def test_losses_are_drawn_while_it_runs(shell: Shell, line: str, frames: list[str]) -> None:
    shown = shell.run(line)
    assert frames[0].startswith("student: preparing, started ")
    assert any("step 1 of 2, loss" in text and "s left, started" in text for text in frames)
    assert "sft of tiny on 3 rows; seed 1" in shown
    assert "trained before" not in shown
    frames.clear()
    assert f"bound student: {shell['student'].name}, trained before" in shell.run(line)
    assert frames == []


def test_the_drawing_reaches_from_the_first_to_the_last_step() -> None:
    log = [{"step": 0, "eval_loss": 4.0}, {"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}]
    html = live_losses.frame("two of four & more", Progress(2, 4, log, 130.0)).html
    left, right = live_losses.LEFT, live_losses.RIGHT
    training, held_out = re.findall(r'<path d="M([\d.,L]+)" stroke="#', html)
    points = [[float(number) for number in pair.split(",")] for pair in training.split("L")]
    assert [x for x, _ in points] == [left + (right - left) / 4, (left + right) / 2]
    assert live_losses.BOTTOM > points[1][1] > points[0][1] > float(held_out.split(",")[1])
    assert html.count("<svg") == html.count("</svg>") == 1
    assert "</tspan> held-out rows</text>" in html
    assert html.endswith("<p>two of four &amp; more</p>")


def test_an_interrupt_binds_the_last_checkpoint_and_says_where_it_stopped(
    shell: Shell, line: str, frames: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: Any, listener: Any) -> None:
        listener(Progress(2, 7, [{"step": 2, "loss": 1.0}], None))
        error = Interrupted("Stopped; the checkpoint of step 1 is kept.")
        error.model = "the last checkpoint"
        raise error

    monkeypatch.setattr(Training, "run", stop)
    with pytest.raises(Interrupted, match="step 1 is kept"):
        shell.run(line)
    assert shell["student"] == "the last checkpoint"
    assert frames[-1] == "student: stopped at step 2 of 7"


def test_classifiers_and_embedders_are_bound_and_used(shell: Shell, tmp_path: Path) -> None:
    base = save_bert(tmp_path / "bert")
    shell.ip.user_ns["reviews"] = pd.DataFrame({"text": TEXTS, "label": LABELS, "weight": 1.0})
    shell.ip.user_ns["pairs"] = pd.DataFrame({"anchor": TEXTS, "positive": TEXTS[::-1]})
    options = f"--base hf:{base} --set batch_size=4 --set steps=2"
    line = f"%synth train mine --from reviews --method {{}} --weights weight {options}"
    for method in ("classifier", "fewshot"):
        assert "bound mine" in shell.run(line.format(method))
        shell.run("%synth classify reviews mine --column text")
        found = shell["reviews_classified"]
        assert found["predicted"].tolist() == shell["mine"].predict(TEXTS)
    shown = shell.run(f"%synth train near --from pairs --method embedder {options}")
    assert "embedder of bert on 16 rows; seed 0" in shown
    assert "near" in complete(shell, "%synth explore reviews --embedder nea")[0]
    shell.run("%synth filter reviews --dedupe-meaning 0.9999 --embedder near")
    assert len(shell["reviews_kept"]) == 16
    with pytest.raises(UsageError, match="--weights is for classifier and fewshot; kto takes none"):
        shell.run(line.format("kto"))


def test_lines_that_cannot_work_are_refused(shell: Shell, line: str) -> None:
    for wrong, message in (
        ("%synth train student", "--from"),
        (f"{line} --method rl", "'sft', 'dpo', 'kto'"),
        (f"{line} --method grpo", "grpo needs a reward"),
        (f"{line} --method grpo --reward @nothing", "variable 'nothing' not found"),
        (f"{line} --method grpo --reward longer", "check 'longer' not found"),
        (f"{line} --method grpo --reward 'judge Is it polite?'", "needs judge="),
        (f"{line} --reward 'regex completion a'", "are for --method grpo; got sft"),
        (f"{line} --patience 0", "patience must be at least 1"),
        (f"{line} --seed two", "expected a whole number for --seed; got 'two'"),
        (f"{line} --method dpop", "--method 'dpop' not found; .*Did you mean 'dpo'"),
        (f"{line} --set steps=many", "steps must be a number; got 'many'"),
        (f"{line} --set steps=2.5", "steps must be a whole number; got 2.5"),
        (f"{line} --set learning_rate=fast", "learning_rate must be a number; got 'fast'"),
        (f"{line} --method dpo", "'chosen' not found; .* in a line as --set chosen=COLUMN"),
        (f"{line} --set ranks=2", "Did you mean 'rank'"),
        (line.replace("--from rows", "--from row"), "Did you mean 'rows'"),
        (line.replace("train student", "train rows-1"), "rows-1"),
    ):
        with pytest.raises(UsageError, match=message):
            shell.run(wrong)
