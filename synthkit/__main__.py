"""``synthkit``, the same as ``python -m synthkit``: what needs no notebook."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthkit.core.errors import SynthkitError, UsageError, cause
from synthkit.core.extras import need
from synthkit.core.files import file_to_write
from synthkit.core.formatting import count
from synthkit.models import recommendation
from synthkit.models.hub import catalog, resolve
from synthkit.models.hub.hub_models import HUB_MODELS
from synthkit.models.hub.sample_data import SAMPLES, fetch_sample
from synthkit.notebook.exercises.options import EXERCISES, GRADE, SERVE

DESCRIPTION = "Synthetic data by language models: what needs no notebook."


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0; 1 after an error, or if a bundle differs; 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except SynthkitError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    except BrokenPipeError:  # such as of `synthkit models | head`
        sys.stderr.close()
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="synthkit", description=DESCRIPTION)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run: Any, help: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
        added.set_defaults(run=run)
        return added

    pull = verb("pull", _pull, "fetch models and samples into the cache, and print where they are")
    pulled = ", ".join([*catalog.CATALOG, *HUB_MODELS, *SAMPLES])
    pull.add_argument("names", metavar="NAME", nargs="+", help=pulled)
    pull.add_argument("--quiet", action="store_true", help="print only where they are")
    verb("models", _models, "list the catalog of models, and which are here")
    check = verb("verify", _verify, "derive a bundle again, and say what differs and where")
    check.add_argument("file", metavar="FILE", help="a file that `synthkit export` wrote")
    card = verb("card", _card, "print the dataset card of a table, or write it to a file")
    card.add_argument("table", metavar="TABLE", help="the name of a table of the session")
    card.add_argument("file", metavar="FILE", nargs="?", help="such as README.md")
    export = verb("export", _export, "write a session, or some of its tables, to one .zip file")
    export.add_argument("file", metavar="FILE", help=".zip is added if it has no ending")
    export.add_argument(
        "tables", metavar="TABLE", nargs="*", default=[], help="only these; default: all"
    )
    export.add_argument(
        "--notebook",
        metavar="NOTEBOOK",
        action="append",
        default=[],
        help="add the hash of a notebook, and its figures; may be repeated",
    )
    export.add_argument(
        "--allow-secrets", action="store_true", help="export what looks like a key, too"
    )
    for writing in (card, export):
        writing.add_argument(
            "--session",
            metavar="FOLDER",
            default=".synthkit",
            help="the session's folder; default: %(default)s",
        )
        writing.add_argument("--over", action="store_true", help="replace an existing file")
    run = verb("run", _run, "run the cells of a notebook in order, and save it with its outputs")
    run.add_argument("notebook", metavar="NOTEBOOK", help="what its session has is not asked again")
    run.add_argument("--output", metavar="FILE", help="save it there; default: in its place")
    run.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        help="longest time of one cell; default: no limit",
    )
    grade = verb("grade", _grade, "grade the exercises of a class by running its notebooks")
    for names, keywords in GRADE:
        grade.add_argument(*names, **keywords)
    grade.add_argument("--csv", metavar="FILE", help="write the grades there; default: not written")
    listed = verb("exercises", _exercises, "list a lesson's exercises, or write them for graders")
    for names, keywords in EXERCISES:
        listed.add_argument(*names, **keywords)
    serve = verb("serve", _serve, "serve an endpoint to a class, with a token for each student")
    serve.add_argument("model", metavar="MODEL", help="such as openai:gpt-4.1-mini")
    serve.add_argument("--base-url", metavar="URL", help="its server; default: that of the model")
    serve.add_argument(
        "--api-key-env", metavar="NAME", help="the variable with the key; default: the provider's"
    )
    for names, keywords in SERVE:
        serve.add_argument(*names, **keywords)
    return parser


def _pull(options: argparse.Namespace) -> None:
    for name in options.names:
        if name in SAMPLES:
            print(fetch_sample(name, quiet=options.quiet))
        else:
            print(*resolve.fetch(name, quiet=options.quiet), sep="\n")


def _models(options: argparse.Namespace) -> None:
    print(_listing())


def _verify(options: argparse.Namespace) -> int:
    from synthkit.verify import verify

    found = verify(options.file)
    print(found)
    return 0 if found.agrees else 1


def _card(options: argparse.Namespace) -> None:
    with _session(options.session) as session:
        card = session.card(options.table)
    print(f"written: {card.save(options.file, overwrite=options.over)}" if options.file else card)


def _export(options: argparse.Namespace) -> None:
    with _session(options.session) as session:
        path = session.export(
            options.file,
            options.tables or None,
            over=options.over,
            notebooks=options.notebook,
            allow_secrets=options.allow_secrets,
        )
    print(f"written: {path}")


def _session(folder: str) -> Any:
    """The session of a folder that exists; a command begins no new one."""
    from synthkit.sessions.session import Session
    from synthkit.store.address import store_file

    if not store_file(Path(folder).expanduser()).exists():
        raise UsageError(f"no session in {folder}; give its folder: --session FOLDER.")
    return Session(folder)


def _run(options: argparse.Namespace) -> None:
    """Run a notebook as ``jupyter execute`` does: in its folder, where its session is."""
    client = need("nbclient", extra="notebook", why="to run a notebook")
    formats = need("nbformat", extra="notebook", why="to run a notebook")
    path = Path(options.notebook).expanduser()
    output = file_to_write(options.output or path)
    try:
        notebook = formats.read(path, as_version=4)
    except (OSError, ValueError, AttributeError, formats.ValidationError) as error:
        raise UsageError(f"{path} cannot be read as a notebook: {cause(error)}.") from None
    run_cells = client.execute
    try:
        run_cells(notebook, cwd=str(path.parent.absolute()), timeout=options.timeout)
    except (client.exceptions.CellExecutionError, client.exceptions.CellTimeoutError) as error:
        raise SynthkitError(f"{path.name}: {str(error).strip()}") from None
    except client.exceptions.DeadKernelError as error:
        raise SynthkitError(f"{path.name}: the kernel died: {error}") from None
    finally:
        formats.write(notebook, output)
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    print(f"ran {count(cells, 'cell')}; written: {output}")


def _grade(options: argparse.Namespace) -> None:
    from synthkit.notebook.exercises.class_grades import grade_class, summary
    from synthkit.notebook.exercises.grading import grade_table

    to = file_to_write(options.csv) if options.csv else None
    grades = grade_class(options)
    table = grade_table(grades)
    print(summary(table, grades, lesson=options.lesson, bound=""))
    if to:
        table.to_csv(to, index=False)
        print(f"written: {to}")


def _exercises(options: argparse.Namespace) -> None:
    from synthkit.notebook.exercises.other_graders import list_exercises

    print(list_exercises(options))


def _serve(options: argparse.Namespace) -> None:
    from synthkit.models import load_model
    from synthkit.notebook.verbs.serve import start, summary
    from synthkit.sessions.classroom.assignment import read_names

    if not options.students:
        raise UsageError("say who the class is: --students names.txt")
    given = {"base_url": options.base_url, "api_key_env": options.api_key_env}
    model = load_model(options.model, **{name: value for name, value in given.items() if value})
    serving = start(model, read_names(Path(options.students).expanduser()), options)
    print(summary(serving, options.tokens), flush=True)
    try:
        serving.wait()
    finally:
        serving.stop()


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
