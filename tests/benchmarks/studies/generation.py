"""Small studies of generation: plain and attributed prompts, number of rows, temperature.

    python -m tests.benchmarks.studies.generation [--seeds 3] [--session FOLDER] [--write]

A model of 135 M parameters writes the rows; completions of the session are reused. ``--write`` puts
the tables and their notes into tests/benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

from synthkit.evaluate.metrics.learners import light
from synthkit.models import load_model
from synthkit.models.hub import catalog
from synthkit.sessions.session import Session
from tests.benchmarks.curation.data import CachedEmbedder
from tests.benchmarks.curation.report import README
from tests.benchmarks.studies import curve, prompting, temperature
from tests.benchmarks.studies.prompts import TASKS
from tests.benchmarks.studies.rows import gathered

MARKS = "<!-- studies of generation -->", "<!-- end of the studies of generation -->"
PACKAGES = ("numpy", "scikit-learn", "torch", "transformers")

HEADING = "## Studies: generation"
LEAD = """
`python -m tests.benchmarks.studies.generation --write` (by hand; the session folder keeps the
completions, so a second run sends no requests). SmolLM2-135M-Instruct writes restaurant reviews by
sentiment and questions with the six labels of TREC, the same number for each label, with at most
40 tokens each. The prompts, in `studies/prompts.py`, were fixed after a look at some completions,
before anything was measured; those for questions show one example of each label. Real rows for
comparison, the same number for each label, are drawn from those outside the test set, which has
the label shares of the source. The classifier is logistic regression on MiniLM. Texts are not
filtered.

Cells are means over seeds with the 95 % interval of Student's t. Each seed draws its own
attributes, samples and split of the real rows, but two splits have rows in common.
Differences are paired by seed: "holds" or "does not hold" where their interval leaves out 0,
else "no significant difference", which is frequent with three seeds (the factor of
Student's t is 4.3). One in twenty
comparisons without any effect would still be significant. "Label accuracy" is measured by an
oracle, the classifier trained on all real rows outside the test set; for real rows it is the
oracle's own accuracy on the test set.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--session", type=Path, default=catalog.cache() / "studies")
    parser.add_argument("--write", action="store_true", help="update the README")
    options = parser.parse_args()
    embed = CachedEmbedder("minilm").embed
    tools = SimpleNamespace(embed=embed, learner=light(embed))
    with Session(options.session) as session:
        model = load_model("smollm2")
        rows = {name: gathered(name, options.seeds, model, session, tools) for name in TASKS}
        usage = session.runs()[["requests", "completion_tokens", "seconds"]].sum()
    start = time.process_time()
    sections = [study.study(rows, tools) for study in (prompting, curve, temperature)]
    run = conditions(options.seeds, rows, model, usage, time.process_time() - start)
    body = "\n\n".join(
        "\n".join([f"### {section.title}\n", *section.lines, section.note.strip()])
        for section in sections
    )
    page = f"{MARKS[0]}\n{HEADING}\n\n{LEAD.strip()}\n\n{run}\n\n{body}\n{MARKS[1]}"
    print(page)
    if options.write:
        write(page)


def conditions(seeds, rows, model, usage, seconds):
    """Date, sizes, versions and costs of the run."""
    sizes = "; ".join(
        f"{name} n = {len(first.real)}, {len(first.train)} real rows for the oracle, "
        f"{len(first.test)} for the test"
        for name, (first, *_) in rows.items()
    )
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{date.today():%d %B %Y}, {seeds} seeds; {sizes}. {model.name} generated "
        f"{usage['completion_tokens']:,.0f} tokens for {usage['requests']:,.0f} requests "
        f"in {usage['seconds']:,.0f} s, without interrupted runs; measuring took "
        f"{seconds:.0f} s of CPU, on {os.cpu_count()} cores shared with other work. "
        f"Python {platform.python_version()}, {versions}."
    )


def write(section):
    """Replace the section in the README, or add it at the end."""
    page = README.read_text("utf-8")
    before, _, rest = page.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2] or "\n"
    README.write_text(f"{before.rstrip()}\n\n{section}{after}", "utf-8")


if __name__ == "__main__":
    main()
