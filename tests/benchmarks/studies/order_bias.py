"""Position bias of a small model that judges pairs.

    python -m tests.benchmarks.studies.order_bias [--seeds 3] [--session FOLDER] [--write]

SmolLM2 (135 M parameters) is asked which of two real Yelp sentences is more positive; one of them
is labelled positive and the other negative. As a control, it also compares a sentence with itself.
Completions of the session are reused. ``--write`` puts the table into tests/benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

from synthkit.core.types import Sampling
from synthkit.data.tables import concat
from synthkit.evaluate.raters.judge_calibration import calibrate
from synthkit.evaluate.raters.leaderboard import leaderboard, pairs
from synthkit.generation.job import generate
from synthkit.models import load_model
from synthkit.models.hub import catalog
from synthkit.recipes import likelihood, pairwise
from synthkit.sessions.session import Session
from synthkit.stats.intervals import wilson
from tests.benchmarks.curation.data import distinct_rows
from tests.benchmarks.curation.report import README, short, table

HEADING = "## Studies: position bias of a judge"
MARKS = "<!-- study of order bias -->", "<!-- end of the study of order bias -->"
PACKAGES = ("torch", "transformers", "llguidance")
PAIRS = 60
"""Most pairs of one seed; no two seeds share a text."""
BETTER, SAME = "positive and negative", "the same twice"
QUESTION = "Which of the two reviews, A or B, is more positive about the place?"
WAYS = {
    ("verdict alone", BETTER): (PAIRS, {"reasons": False}),
    ("verdict alone", SAME): (20, {"reasons": False}),
    ("reason first", BETTER): (PAIRS, {}),
    ("probabilities", BETTER): (PAIRS, {"weighted": True}),
}
"""Way of judging and kind of pairs -> number of pairs per seed, and options of the recipe."""
SAMPLING = Sampling(temperature=0, max_tokens=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--session", type=Path, default=catalog.cache() / "order-bias")
    parser.add_argument("--write", action="store_true", help="update the README")
    options = parser.parse_args()
    model = load_model("smollm2")
    lines, notes = [], []
    with Session(options.session) as session:
        for (way, kind), (n, how) in WAYS.items():
            runs = []
            for seed in range(options.seeds):
                rows = drawn(kind, seed, n)
                recipe = pairwise(QUESTION, rows=rows, sampling=SAMPLING, **how)
                runs.append(generate(recipe, model=model, session=session))
            lines.append([way, kind, *cells(runs, kind)])
            if kind == BETTER:
                judged = concat([run.table for run in runs])
                better = {"positive": "first", "negative": "second"}
                truth = judged["first_system"].map(better)
                found = calibrate(judged.assign(truth=truth), "truth")
                notes.append(f"{way}: {found['pairwise'].advice}")
        lines.append(["each text alone", BETTER, *alone(options.seeds, session)])
        usage = session.runs()[["requests", "seconds"]].sum()
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    conditions = (
        f"{date.today():%d %B %Y}, {options.seeds} seeds, greedy; {model.name} answered "
        f"{usage['requests']:,.0f} requests in {usage['seconds']:,.0f} s on {os.cpu_count()} cores "
        f"shared with other work. Python {platform.python_version()}, {versions}."
    )
    head = ["prompt", "pairs of", "parsed", "ties", "A of A and B", "same text in both orders"]
    head += ["right, one order", "right, both orders", "by seed"]
    advice = "\n".join(f"- {note}" for note in notes)
    body = "\n".join(
        [f"{conditions}\n", *table(head, lines), f"The advice of `calibrate`:\n\n{advice}"]
    )
    parts = (MARKS[0], HEADING, LEAD.strip(), body, NOTE.strip(), MARKS[1])
    section = "\n\n".join(parts)
    print(section)
    if options.write:
        page = README.read_text("utf-8")
        before, _, rest = page.partition(MARKS[0])
        after = rest.partition(MARKS[1])[2] or "\n"
        README.write_text(f"{before.rstrip()}\n\n{section}{after}", "utf-8")


def drawn(kind, seed, n):
    """Pairs of texts that no other seed uses."""
    rows = distinct_rows("yelp", 10_000, 0)
    some = {
        label: own.iloc[seed * PAIRS :][:n].reset_index(drop=True)
        for label, own in rows.groupby("label")
    }
    if kind == BETTER:
        return pairs(some, on=None, seed=seed)
    return pairs({"one": some["positive"], "the same": some["positive"]}, on="id", seed=seed)


def cells(runs, kind):
    """Shares over the pairs of all seeds, with Wilson intervals that count a pair once."""
    judged = concat([run.table for run in runs])
    requested = len(judged) + sum(len(run.rejects) for run in runs)
    found = leaderboard(judged, resamples=2)
    same, first = found.order
    verdicts = [*judged["forward"], *judged["backward"]]
    low, high = wilson(verdicts.count("tie") / 2, len(judged))
    ties = f"{short(verdicts.count('tie') / len(verdicts))} [{short(low)}, {short(high)}]"
    row = [f"{len(judged)} of {requested}", ties, of(first), of(same)]
    if kind == SAME:
        return [*row, "", "", ""]
    one_order = leaderboard(judged.assign(outcome=judged["forward"]), resamples=2)
    rates = [leaderboard(run.table, resamples=2).win_rates["positive"].value for run in runs]
    right = [of(each.win_rates["positive"]) for each in (one_order, found)]
    return [*row, *right, ", ".join(map(short, rates))]


def alone(seeds, session):
    """The same pairs, decided by the probability of "positive" for each text alone."""
    raw, judged = load_model("smollm2", raw=True), []
    for seed in range(seeds):
        rows = drawn(BETTER, seed, PAIRS)
        texts = [{"text": text} for text in [*rows["first"], *rows["second"]]]
        labels = {"positive": " positive", "negative": " negative"}
        recipe = likelihood("Review: {{ text }}\nSentiment:", rows=texts, labels=labels)
        run = generate(recipe, model=raw, session=session)
        answers = zip(run.table["text"], run.table["likelihoods"], strict=True)
        chance = {text: json.loads(each)["positive"] for text, each in answers}
        # a text with both labels equally likely is a reject: neither label, 0.5
        gaps = [
            chance.get(a, 0.5) - chance.get(b, 0.5) for a, b in rows[["first", "second"]].values
        ]
        outcome = ["first" if gap > 0 else "second" if gap < 0 else "tie" for gap in gaps]
        judged.append(rows.assign(outcome=outcome))
    whole = concat(judged)
    right = leaderboard(whole, resamples=2).win_rates["positive"]
    rates = [
        leaderboard(pairs_of_seed, resamples=2).win_rates["positive"].value
        for pairs_of_seed in judged
    ]
    ties = int((whole["outcome"] == "tie").sum())
    low, high = wilson(ties, len(whole))
    tied = f"{short(ties / len(whole))} [{short(low)}, {short(high)}]"
    n = f"{len(whole)} of {len(whole)}"
    return [n, tied, "", "", "", of(right), ", ".join(map(short, rates))]


def of(score):
    return f"{short(score.value)} [{short(score.low)}, {short(score.high)}]"


LEAD = """
`python -m tests.benchmarks.studies.order_bias --write` (by hand, six minutes of CPU) asks a model
of 135 M parameters, with the recipe `pairwise`, which of two real Yelp sentences is more positive.
One of them is labelled positive and the other negative; each comes first in half of the pairs. As
a control, the model also compares a sentence with itself. No two seeds share a text. Shares are of
all pairs, with 95 % Wilson intervals that count a pair as one observation. "A of A and B" is how
often the text that was shown first won, over both orders. "Right, one order" uses the verdict of
the pair's own order. "Right, both orders" counts a win in both orders, and half a win where the
orders differ. With "probabilities" the model writes nothing: p(A) and p(B) are compared, and their
mean over both orders decides. "Each text alone" is the recipe `likelihood` with the prompt
`Review: ...\\nSentiment:` for each text; the more positive one wins.
"""
NOTE = """
If asked for the verdict alone, this model answers A for every pair in either order, and for a text
and itself. So half of its verdicts are right in one order, which looks like chance but is not:
only the other order shows that it ignores the texts. A reason first does not help: in place of a
reason the model writes "A", and then A or B depending on the pair, mostly the same letter in both
orders, and right no more often than chance. By probabilities A is also always more likely. The
mean over both orders removes what is the same for all texts, but does not differ significantly
from chance on 180 pairs either. Yet the model can distinguish the texts: asked about each alone,
it finds the better one of nearly all pairs. So ask a judge of this size about one text at a time;
ask any judge in both orders, and calibrate it against some marks.
"""


if __name__ == "__main__":
    main()
