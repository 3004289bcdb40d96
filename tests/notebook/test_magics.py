"""``%%synth`` and ``%synth`` in a shell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from IPython.utils.capture import capture_output

import synthkit as sk
from synthkit.core.errors import (
    UsageError,
)
from synthkit.models.fake import Fake
from tests.notebook.conftest import Shell
from tests.postgres import Server

TEN = "%%synth facts --model fake --n 10\nTell a fact."


def test_a_cell_binds_a_table_and_its_run(shell: Shell) -> None:
    shown = shell.run(TEN)
    assert isinstance(shell["facts"], pd.DataFrame)
    assert list(shell["facts"].columns) == ["id", "text"]
    assert shell["facts_run"].ledger.requests == 10
    assert "facts: 10 rows, 0 cached, 10 generated   fake" in shown


def test_the_second_run_of_a_cell_asks_nothing(shell: Shell) -> None:
    shell.run(TEN)
    first = shell["facts"]
    shown = shell.run(TEN)
    assert "10 rows, 10 cached, 0 generated" in shown
    pd.testing.assert_frame_equal(first, shell["facts"])


def test_json_braces_and_shell_signs_reach_the_prompt_untouched(shell: Shell) -> None:
    shell.ip.user_ns["fake"] = fake = Fake()
    text = '{"a": {"b": [1, {}]}} costs $x and {x}, said `ls` !pwd \\n'
    shell.ip.user_ns["x"] = "EXPANDED"
    shell.run(f"%%synth facts --model fake\n{text}")
    assert fake.asked[0].messages[0].content == text.strip()


def test_vary_takes_words_variables_and_columns(shell: Shell) -> None:
    shell.ip.user_ns |= {"topics": ["a, b", "c"], "seeds": pd.DataFrame({"tone": ["dry", "warm"]})}
    shell.run(
        "%%synth facts --model fake --vary topic=@topics --vary tone=@seeds.tone --vary k=x,y\n"
        "{{ topic }} {{ tone }} {{ k }}"
    )
    assert len(shell["facts"]) == 8
    assert set(shell["facts"]["topic"]) == {"a, b", "c"}
    assert set(shell["facts"]["tone"]) == {"dry", "warm"}


def test_from_asks_once_for_each_row_and_keeps_the_kind(shell: Shell) -> None:
    shell.ip.user_ns["seeds"] = pl.DataFrame({"id": ["p", "q"], "topic": ["bread", "soup"]})
    shell.run("%%synth facts --model fake --from seeds\nOn {{ topic }}.")
    assert isinstance(shell["facts"], pl.DataFrame)
    assert shell["facts"]["parent"].to_list() == ["p", "q"]


def test_from_finds_the_tables_of_the_session(shell: Shell) -> None:
    shell.run(TEN)
    del shell.ip.user_ns["facts"]
    shell.run("%%synth shorter --model fake --from facts\nShorten: {{ text }}")
    assert len(shell["shorter"]) == 10


@pytest.mark.parametrize(
    ("schema", "write"),
    [("guest", False), ("@guest", False), ("guest.json", True)],
)
def test_schema_comes_from_a_variable_or_a_file(shell: Shell, schema: str, write: bool) -> None:
    guest = {"type": "object", "properties": {"stars": {"type": "integer", "maximum": 5}}}
    if write:
        Path("guest.json").write_text(json.dumps(guest))
    else:
        shell.ip.user_ns["guest"] = guest
    shell.run(f"%%synth guests --model fake --n 4 --schema {schema}\nA guest.")
    assert shell["guests"]["stars"].between(0, 5).all()


def test_labels_regex_and_output_name_the_columns(shell: Shell) -> None:
    shell.run("%%synth a --model fake --labels good,bad --output mood\nMood?")
    assert set(shell["a"]["mood"]) <= {"good", "bad"}
    shell.run(r'%%synth b --model fake --regex "(?P<first>\w+) (?P<rest>.*)"' + "\nTwo words.")
    assert list(shell["b"].columns) == ["id", "first", "rest"]


def test_sampling_options_override_the_configured_ones(shell: Shell) -> None:
    shell.ip.user_ns["fake"] = fake = Fake()
    shell.run("%config SynthMagics.temperature = 0.2")
    shell.run("%%synth a --model fake --max-tokens 9 --stop END --extra top_k=40\nHi.")
    asked = fake.asked[0].sampling
    assert (asked.temperature, asked.max_tokens, asked.stop) == (0.2, 9, ("END",))
    assert asked.extra == {"top_k": 40}


def test_system_and_examples_reach_the_messages(shell: Shell) -> None:
    shell.ip.user_ns |= {
        "fake": (fake := Fake()),
        "rules": "Be brief.",
        "shown": pd.DataFrame({"topic": ["tea", "ham"], "text": ["Hot.", "Salty."]}),
    }
    shell.run(
        "%%synth a --model fake --system @rules --examples shown --shots 1 --vary topic=bread\n"
        "On {{ topic }}."
    )
    turns = [(message.role, message.content) for message in fake.asked[0].messages]
    assert turns == [
        ("system", "Be brief."),
        ("user", "On tea."),
        ("assistant", "Hot."),
        ("user", "On bread."),
    ]


def test_dry_run_asks_nothing_and_counts_hits_and_misses(shell: Shell) -> None:
    shell.run("%%synth facts --model fake --vary topic=bread,soup\nOn {{ topic }}.")
    shown = shell.run(
        "%%synth facts --model fake --dry-run --vary topic=bread,coffee\nOn {{ topic }}."
    )
    assert "2 requests: 1 cached, 1 to generate" in shown
    assert "differs in user: 'On soup.' stored, 'On coffee.' requested" in shown
    assert "On coffee." in shown
    assert set(shell["facts"]["topic"]) == {"bread", "soup"}


def test_rejects_are_counted_and_kept_with_their_reason(shell: Shell) -> None:
    shell.ip.user_ns["babbler"] = Fake("perhaps")
    shown = shell.run("%%synth a --model babbler --n 3 --labels good,bad\nMood?")
    assert "0 rows, 3 rejects" in shown
    assert "3 rejected: names none of the labels 'good', 'bad'" in shown
    assert shell["a_run"].rejects["raw"].tolist() == ["perhaps"] * 3


def test_a_model_that_dies_leaves_what_is_done_in_the_variable(shell: Shell) -> None:
    shell.ip.user_ns["mortal"] = Fake(die_after=4)
    with pytest.raises(RuntimeError, match="told to die after 4"):
        shell.run("%%synth facts --model mortal --n 10\nTell a fact.")
    assert len(shell["facts"]) == 4
    assert len(shell["facts_run"].pending) == 6


@pytest.mark.parametrize("word", ["none", "default", "None", "null"])
def test_a_cell_leaves_sampling_options_to_the_model(shell: Shell, word: str) -> None:
    shell.ip.user_ns["fake"] = fake = Fake()
    options = f"--temperature {word} --top-p {word} --max-tokens {word} --seed {word}"
    shell.run(
        f"%%synth facts --model fake {options} --vary a=x,y --sampler independent\n{{{{ a }}}}"
    )
    sampling = fake.asked[0].sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (None, None, None)
    assert sampling.seed is None


def test_a_setting_leaves_sampling_options_to_the_model_and_a_line_overrides_it(
    shell: Shell,
) -> None:
    shell.ip.user_ns["fake"] = fake = Fake()
    for name in ("temperature", "max_tokens", "seed"):
        shell.run(f"%config SynthMagics.{name} = None")
    shell.run("%%synth facts --model fake\nTell.")
    shell.run("%%synth facts --model fake --temperature 0 --seed 0 --max-tokens 9\nTell.")
    first, second = (request.sampling for request in fake.asked)
    assert (first.temperature, first.max_tokens, first.seed) == (None, None, None)
    assert (second.temperature, second.max_tokens, second.seed) == (0, 9, 0)


def test_examples_are_drawn_without_a_seed_for_the_model(shell: Shell) -> None:
    shell.ip.user_ns["fake"] = fake = Fake()
    shell.ip.user_ns["shown"] = pd.DataFrame({"text": ["a", "b", "c"]})
    for seed in ("none", "0"):
        line = f"%%synth facts --model fake --seed {seed} --examples shown --shots 2 --pick random"
        shell.run(f"{line}\nTell.")
    first, second = fake.asked
    assert first.messages == second.messages


def test_synth_alone_lists_every_verb_with_a_line(shell: Shell) -> None:
    shown = shell.run("%synth")
    for verb in ("model", "models", "session", "trace"):
        assert f"%synth {verb}" in shown


def test_model_verb_binds_a_model_with_its_options(shell: Shell) -> None:
    shell.run('%synth model quick fake --answer "An apple." --concurrency=8')
    shell.run("%%synth a --model quick\nA fruit?")
    assert shell["a"]["text"].tolist() == ["An apple."]


def test_model_verb_shows_no_key(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "sk-very-secret")
    shown = shell.run(
        "%synth model far openai:m --base-url http://127.0.0.1:9/v1 --api-key-env SECRET_KEY"
    )
    assert "sk-very" not in shown + repr(shell["far"])


def test_session_verb_shows_runs_and_changes_the_folder(shell: Shell) -> None:
    shell.run(TEN)
    shown = shell.run("%synth session")
    assert "facts" in shown
    assert "10 completions; tables: facts" in shown
    assert "0 completions; tables: none yet" in shell.run("%synth session elsewhere")
    assert Path("elsewhere/store.sqlite").exists()


def test_session_verb_opens_a_store_on_a_server(shell: Shell, postgres: Server) -> None:
    shown = shell.run(f"%synth session team --store {postgres.url}#verb")
    assert f"session team ({postgres.url.partition('?')[0]}" in shown
    shell.run(TEN)
    shell.run("%synth session mine")
    assert "10 completions; tables: facts" in shell.run("%synth session team")
    with pytest.raises(UsageError, match=r"has the store store\.sqlite"):
        shell.run(f"%synth session mine --store {postgres.url}#verb")
    assert sk.session().folder == Path("team").absolute()
    postgres.clear()


def test_python_has_the_session_that_the_notebook_opened(shell: Shell) -> None:
    shell.run("%synth session elsewhere")
    assert sk.session().folder == Path("elsewhere").absolute()
    shell.run("%config SynthMagics.folder = 'third'")
    assert sk.session().folder == Path("third").absolute()
    shell.run("%unload_ext synthkit")
    assert sk.session().folder == Path(".synthkit").absolute()


def test_trace_leads_from_a_row_to_its_prompt(shell: Shell) -> None:
    shell.run("%%synth facts --model fake --vary topic=bread\nOn {{ topic }}.")
    shown = shell.run(f"%synth trace {shell['facts']['id'][0]}")
    assert "On bread." in shown
    assert shell["facts"]["text"][0][:20] in shown
    assert re.search(r"^model +fake$", shown, re.M)
    assert re.search(r"^sampling +max_tokens 256, temperature 0.7$", shown, re.M)


def test_replay_answers_from_the_session_and_names_what_changed(shell: Shell) -> None:
    shell.run("%%synth facts --model fake --seed 3\nTell a fact.")
    shell.run("%%synth again --model replay --seed 3\nTell a fact.")
    assert shell["again"]["text"].tolist() == shell["facts"]["text"].tolist()
    with pytest.raises(LookupError, match="seed: '3' stored, '4' requested"):
        shell.run("%%synth again --model replay --seed 4\nTell a fact.")


def test_help_explains_every_option(shell: Shell) -> None:
    from synthkit.notebook.arguments import ARGUMENTS

    text = str(shell.ip.find_cell_magic("synth").__doc__)
    for argument in ARGUMENTS:
        assert argument.kwds["help"].split(";")[0].split()[0] in text
        assert argument.args[0].upper() in text or argument.args[0] in text


def test_unload_removes_everything_and_reload_leaves_one(shell: Shell) -> None:
    def traces() -> tuple[int, int, bool, bool]:
        ip = shell.ip
        return (
            sum(type(one).__name__ == "SynthMagics" for one in ip.configurables),
            sum(m.__name__ == "synth_matcher" for m in ip.Completer.custom_matchers),
            ip.find_cell_magic("synth") is not None,
            ip.find_line_magic("synth") is not None,
        )

    assert traces() == (1, 1, True, True)
    assert "SynthMagics" in shell.run("%config")
    shell.run("%reload_ext synthkit")
    assert traces() == (1, 1, True, True)
    shell.run("%unload_ext synthkit")
    assert traces() == (0, 0, False, False)
    assert "SynthMagics" not in shell.run("%config")
    shell.run("%load_ext synthkit")
    assert traces() == (1, 1, True, True)


@pytest.mark.parametrize(
    "again", ["%reload_ext synthkit", "%unload_ext synthkit\n%load_ext synthkit"]
)
def test_a_reload_keeps_the_session_the_name_the_settings_and_what_was_bound(
    shell: Shell, again: str
) -> None:
    import synthkit as sk

    facts = "%%synth facts --model fake\nTell a fact."
    shell.run("%synth session work\n%synth me Ana\n%config SynthMagics.temperature = 0.3")
    shell.run(facts)
    shell.run(again)
    assert sk.session() is shell.context.session
    assert sk.session().folder == Path("work").absolute()
    assert shell.run("%synth me") == "marks are by 'Ana'\n"
    assert "0.3" in shell.run("%config SynthMagics.temperature")
    assert "is your variable" not in shell.run(facts)
    assert "facts_run_2" not in shell.ip.user_ns


def test_a_verb_explains_itself(shell: Shell) -> None:
    text = shell.run("%synth session --help")
    assert "FOLDER" in text
    assert "%synth session" in text


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("%synth trace", "ID"),
        ("%synth trace a b", "unrecognized arguments: b"),
        ("%synth split", r"arguments are required: TABLE\. "),
        ("%synth plot", r"arguments are required: KIND\. "),
        ("%synth export", r"arguments are required: FILE\. "),
        ("%synth session --fodler x", "--fodler"),
    ],
)
def test_a_verb_says_what_it_takes(shell: Shell, line: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        shell.run(line)


def test_a_cell_lets_go_of_the_widgets_it_showed_when_it_ran_before(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closing:
        closed = False

        def close(self) -> None:
            self.closed = True

    parent: dict[str, Any] = {}
    monkeypatch.setattr(shell.ip, "get_parent", lambda: parent, raising=False)

    def show(cell: str, request: str) -> Closing:
        parent.update(header={"msg_id": request}, metadata={"cellId": cell})
        shown: Closing = shell.context.show(Closing())
        return shown

    with capture_output():
        first, beside, other = show("a", "1"), show("a", "1"), show("b", "2")
        assert not first.closed
        again = show("a", "3")
    assert first.closed
    assert beside.closed
    assert not other.closed
    assert not again.closed


@pytest.mark.parametrize("line", ["--n @n", "--n {n}", "--n {n - 1 + 1}", "--n={n}", "--n @text"])
def test_an_option_takes_a_variable_or_an_expression(shell: Shell, line: str) -> None:
    shell.ip.user_ns |= {"n": np.int64(3), "text": "3"}
    shell.run(f"%%synth facts --model fake {line}\nTell a fact.")
    assert len(shell["facts"]) == 3


@pytest.mark.parametrize("model", ["@m", "m", "@spec", "{spec}", "{spec + ''}"])
def test_a_model_is_named_by_a_variable_that_holds_it_or_its_spec(shell: Shell, model: str) -> None:
    shell.ip.user_ns |= {"m": Fake(), "spec": "fake"}
    shell.run(f"%%synth facts --model {model} --n 1\nTell a fact.")
    assert len(shell["facts"]) == 1


def test_values_of_a_setting_are_read_from_variables(shell: Shell) -> None:
    shell.ip.user_ns |= {"k": 40, "fake": (fake := Fake())}
    shell.run("%%synth facts --model fake --n 1 --extra top_k=@k --stop {'a b'}\nTell a fact.")
    assert fake.asked[0].sampling.extra == {"top_k": 40}
    assert fake.asked[0].sampling.stop == ("a b",)


def test_what_is_in_quotation_marks_or_no_plain_value_stays(shell: Shell) -> None:
    shell.ip.user_ns |= {"x": 3, "fake": (fake := Fake())}
    shell.run("%%synth facts --model fake --n 1 --stop '{x}' --stop {[x]}\nTell a fact.")
    assert fake.asked[0].sampling.stop == ("{x}", "{[x]}")


def test_a_cell_with_variables_is_run_again_where_they_are_not(shell: Shell) -> None:
    shell.ip.user_ns |= {"n": 2, "x": 0.5}
    cell = "%%synth facts --model fake --n @n -t {x}\nTell a fact."
    shell.run(cell)
    del shell.ip.user_ns["n"]
    assert "2 rows, 2 cached" in shell.run(cell)
    assert "-t 0.5" in shell.context.session.cell(1)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--n @nothing", "--n: @nothing is no variable that holds a number"),
        ("--n {1 / 0}", r"\{1 / 0\} cannot be evaluated: ZeroDivisionError"),
        ("--n @table", "--n: @table is no variable that holds a number"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(shell: Shell, option: str, says: str) -> None:
    shell.ip.user_ns["table"] = pd.DataFrame({"a": [1]})
    with pytest.raises(UsageError, match=says):
        shell.run(f"%%synth facts --model fake {option}\nTell a fact.")
