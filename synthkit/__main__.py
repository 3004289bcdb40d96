"""``python -m synthkit``: fetch models without a notebook."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from synthkit.core.errors import SynthkitError
from synthkit.models.hub import catalog


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0, or 1 after an error that was printed."""
    parser = argparse.ArgumentParser(prog="python -m synthkit", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    pull = verbs.add_parser("pull", help="fetch a model into the cache, and print its folder")
    pull.add_argument("name", help=", ".join(catalog.CATALOG))
    pull.add_argument("--quiet", action="store_true", help="print only the folder")
    verbs.add_parser("models", help="list the catalog, and what is already here")
    options = parser.parse_args(arguments)
    try:
        if options.verb == "pull":
            print(catalog.fetch(options.name, quiet=options.quiet))
        else:
            print(_listing())
    except SynthkitError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _listing() -> str:
    lines = [f"{'name':<10} {'here':<5} {'MB':>4}  {'licence':<11} use"]
    lines += [
        f"{entry.name:<10} {'yes' if catalog.where(entry.name) else 'no':<5} "
        f"{entry.wheel_size / 1e6:>4.0f}  {entry.licence:<11} {entry.use}"
        for entry in catalog.CATALOG.values()
    ]
    return "\n".join([*lines, f"cache: {catalog.cache()}"])


if __name__ == "__main__":
    sys.exit(main())
