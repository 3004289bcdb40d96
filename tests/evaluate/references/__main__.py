"""Write the table of references into ``METRICS.md``."""

from __future__ import annotations

import argparse

from tests.evaluate.references import REFERENCES
from tests.evaluate.references.page import PAGE, replaced, table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.evaluate.references")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}; else print it")
    made = table(REFERENCES.values())
    if parser.parse_args().write:
        PAGE.write_text(replaced(PAGE.read_text(), made))
    else:
        print(made)


main()
