"""What the tests of sessions share: a filled session, and everything that a session holds."""

from __future__ import annotations

from typing import Any

import synthkit as sk
from synthkit.core.types import Mark
from synthkit.curate import by_column
from synthkit.sessions.learned_filters import save_body
from synthkit.store.schema import COLUMNS


def fill(session: sk.Session, model: Any = None) -> None:
    """Add two runs, a filtered table, and one record or more of every other kind."""
    model = model or sk.Fake()
    said = sk.generate("Say {{ i }}.", rows={"i": [1, 2, 3]}, model=model, session=session,
                       name="said").table  # fmt: skip
    sk.generate("Answer {{ text }}", rows=said, model=model, session=session, output="reply",
                name="replies")  # fmt: skip
    session.save("good", said.iloc[:2])
    marks = [Mark(id=id, label="accept", by="ana", at=10.0 + n) for n, id in enumerate(said["id"])]
    session.store.marks.add(marks)
    session.store.labs.put("tone", {"variants": [], "rows": []})
    session.curate(said, by_column("i", most=2), name="said")
    save_body(session.store, "polite", {"threshold": 0.5})
    session.evaluate(said, name="said", column="text", metrics=["distinct-2", "accept rate"])


def two_drafts(row: dict[str, Any]) -> Any:
    """Steps of a recipe whose rows are based on two completions each."""
    (draft,) = yield [sk.recipes.user(f"Draft {row['i']}.")]
    (final,) = yield [sk.recipes.user(f"Rewrite: {draft.text}")]
    return {"text": final.text}


def contents(session: sk.Session) -> Any:
    """All rows of the store, all table files, and the names of the other files."""
    rows = {
        name: sorted(
            session.store._database.rows(f"SELECT {', '.join(columns)} FROM {name}"), key=repr
        )
        for name, columns in COLUMNS.items()
    }
    files = {path.name: path.read_bytes() for path in sorted(session.folder.rglob("*.parquet"))}
    return rows, files, sorted(path.name for path in session.folder.iterdir())
