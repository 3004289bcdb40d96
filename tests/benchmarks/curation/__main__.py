"""Precision and recall of curation methods on faults planted in real rows.

    python -m tests.benchmarks.curation [--seeds 3] [--only noise] [--write]

``--write`` puts the tables and their notes into tests/benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import time
from datetime import date
from importlib.metadata import version

from tests.benchmarks.curation.data import CachedEmbedder
from tests.benchmarks.curation.report import write

PARTS = ("noise", "duplicates", "pii", "contamination", "labels")
PACKAGES = ("numpy", "scikit-learn", "phonenumberslite", "detect-secrets")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--write", action="store_true", help="update the README")
    options = parser.parse_args()
    embedders = {name: CachedEmbedder(name).embed for name in ("wordllama", "minilm")}
    for name in options.only or PARTS:
        start = time.process_time()
        module = importlib.import_module(f"tests.benchmarks.curation.{name}")
        sections = module.run(options.seeds, embedders)
        seconds = time.process_time() - start
        versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
        conditions = (
            f"{date.today():%d %B %Y}, {options.seeds} seeds, {seconds:.0f} s of CPU, "
            f"{os.cpu_count()} cores shared with other work, Python {platform.python_version()}, "
            f"{versions}."
        )
        for section in sections:
            print(
                f"\n### {section.title}\n\n{conditions}\n",
                *section.lines,
                section.note,
                sep="\n",
                flush=True,
            )
        if options.write:
            write(sections, conditions)


if __name__ == "__main__":
    main()
