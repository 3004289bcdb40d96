"""``python -m synthkit``: fetch models without a notebook."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from synthkit.core.errors import SynthkitError
from synthkit.models import recommendation
from synthkit.models.hub import catalog, resolve
from synthkit.models.hub.hub_models import HUB_MODELS


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0, or 1 after an error that was printed."""
    parser = argparse.ArgumentParser(prog="python -m synthkit", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    pull = verbs.add_parser("pull", help="fetch a model into the cache, and print where it is")
    pull.add_argument("name", help=", ".join([*catalog.CATALOG, *HUB_MODELS]))
    pull.add_argument("--quiet", action="store_true", help="print only that")
    verbs.add_parser("models", help="list the catalog, and what is already here")
    options = parser.parse_args(arguments)
    try:
        if options.verb == "pull":
            print(*resolve.fetch(options.name, quiet=options.quiet), sep="\n")
        else:
            print(_listing())
    except SynthkitError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _listing() -> str:
    rows = [
        (entry.name, catalog.is_here(entry.name), entry.wheel_size, entry.licence, entry.use)
        for entry in catalog.CATALOG.values()
    ]
    rows += [
        (model.name, resolve.is_here(model), model.size("bf16"), model.licence, model.use)
        for model in HUB_MODELS.values()
    ]
    lines = [f"{'name':<17} {'here':<5} {'MB':>5}  {'licence':<11} use"]
    lines += [
        f"{name:<17} {'yes' if here else 'no':<5} {size / 1e6:>5.0f}  {licence:<11} {use}"
        for name, here, size, licence, use in rows
    ]
    name, why = recommendation.recommended(recommendation.this_machine())
    return "\n".join([*lines, f"recommended: {name}, because {why}", f"cache: {catalog.cache()}"])


if __name__ == "__main__":
    sys.exit(main())
