"""Documents: the texts of files on this machine, as rows to generate from.

Text, Markdown, HTML and PDF. A file that cannot be read is a row of ``rejects`` and ends nothing.
"""

from __future__ import annotations

import io
import itertools
import logging
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.data import tables as tables

SUFFIXES = (".txt", ".md", ".html", ".htm", ".pdf")
_FRONT_MATTER = re.compile(
    r"\A---[ \t]*\n[\w-]+[ \t]*:.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL
)
_UNSEEN = (
    "title, script, style, template, noscript, iframe, object, canvas, audio, video, "
    "[hidden], [style*='display:none' i], [style*='display: none' i]"
)
_PARAGRAPHS = (
    "p h1 h2 h3 h4 h5 h6 pre blockquote table ul ol dl section article header footer main aside "
    "nav form figure hr"
).split()
_LINES = "div li dt dd tr caption figcaption option address".split()
# none of these is a character, so that they are free to stand for: white space that stays as it
# is, and the ends of paragraphs, of lines, and at a <br>
_HELD = str.maketrans(" \n\t", "\ufdd0\ufdd1\ufdd2")
_LET_GO = str.maketrans("\ufdd0\ufdd1\ufdd2", " \n\t")
_PARAGRAPH, _LINE, _BREAK = "\ufdd3\ufdd4\ufdd5"


@dataclass(frozen=True, slots=True)
class Documents:
    """What was read: two DataFrames.

    ``table`` has ``id``, ``source`` (the path below what was given), ``page`` (from 1; 1 for a
    file without pages), ``title`` (``None`` if it has none) and ``text``; ``rejects`` has
    ``source`` and ``reason``, in words.
    """

    table: Any
    rejects: Any

    def __repr__(self) -> str:
        return f"Documents({len(self.table)} rows; {len(self.rejects)} rejects)"


class _UnreadableError(Exception):
    """Why a file or a page has no text."""


def documents(*paths: str | Path, max_megabytes: float = 100) -> Documents:
    """The texts of files: a row for each, or for each page of a PDF.

    The ``id`` is made of what the row holds, so that the same files have the same ids anywhere.

    Parameters
    ----------
    paths : files, folders, which are read with all folders in them but hidden ones, or patterns
        such as ``"docs/**/*.md"``. In folders and patterns only files that end in ``.txt``,
        ``.md``, ``.html``, ``.htm`` or ``.pdf`` are meant. A file that is named twice is read once.
    max_megabytes : the largest file that is read.

    Raises
    ------
    UsageError
        If there is no such file at a path, before any is read.

    Notes
    -----
    Markdown is kept as it is, without its front matter; of HTML the visible text is kept. A text
    that is not UTF-8 is read in the encoding that ``chardet`` finds most likely. Of a PDF the text
    that it holds is taken; a page that is a picture is a reject.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "bread.md").write_text("Bread is *baked*.")
    ...     read = documents(folder)
    >>> read.table[["source", "page", "text"]].values.tolist()
    [['bread.md', 1, 'Bread is *baked*.']]
    """
    if not paths:
        raise UsageError('documents needs a file, a folder or a pattern: documents("docs").')
    found: dict[Path, tuple[Path, str]] = {}
    for given in paths:
        for path, source in _found(Path(given).expanduser()):
            found.setdefault(path.resolve(), (path, source))
    rows: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    for path, source in found.values():
        try:
            pages = enumerate(_pages(path, max_megabytes), 1)
            for number, (title, text) in pages:
                if isinstance(text, _UnreadableError):
                    rejects.append({"source": source, "reason": f"page {number} {text}"})
                else:
                    rows.append({"source": source, "page": number, "title": title, "text": text})
        except _UnreadableError as error:
            rejects.append({"source": source, "reason": str(error)})
        except OSError as error:
            rejects.append({"source": source, "reason": f"cannot be opened: {error.strerror}"})
    made = _table(rows, ("source", "page", "title", "text"))
    return Documents(tables.identified(made), _table(rejects, ("source", "reason")))


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Any:
    return tables.build({name: [row[name] for row in rows] for name in columns}, n=len(rows))


def _found(given: Path) -> list[tuple[Path, str]]:
    """The files at a path, each with its name below the part of it that is no pattern."""
    if not given.is_dir() and (given.exists() or given.is_symlink()):
        if given.suffix.lower() not in SUFFIXES:
            raise UsageError(f"expected a file that ends in {', '.join(SUFFIXES)}; got {given}.")
        return [(given, given.name)]
    fixed = [*itertools.takewhile(lambda part: not set(part) & set("*?["), given.parts)]
    root, pattern = Path(*fixed), "/".join(given.parts[len(fixed) :])
    try:
        below = sorted(path.relative_to(root) for path in root.glob(pattern or "**/*"))
    except ValueError as error:
        raise UsageError(f"{given} is no pattern: {error}.") from None
    found = [
        (root / path, path.as_posix())
        for path in below
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.parts)
        and not (root / path).is_dir()
    ]
    if not found:
        raise UsageError(f"there is no file that ends in {', '.join(SUFFIXES)} at {given}.")
    return found


def _pages(path: Path, most: float) -> Iterator[tuple[str | None, str | _UnreadableError]]:
    """The title and the text of each page of a file."""
    if not path.is_file():
        raise _UnreadableError("is no file, or a link to none")
    if path.stat().st_size > most * 1e6:
        megabytes = path.stat().st_size / 1e6
        raise _UnreadableError(f"is too large: {megabytes:.1f} MB, with max_megabytes={most:g}")
    raw = path.read_bytes()
    suffix = path.suffix.lower()
    if suffix == ".pdf":
        yield from _pdf(raw)
        return
    page = suffix in (".html", ".htm")
    title, text = None, _decoded(raw, _declared(raw) if page else None)
    if page:
        title, text = _html(text)
    elif suffix == ".md":
        text = _FRONT_MATTER.sub("", text)
    if not text.strip():
        raise _UnreadableError("has no text")
    yield title, text.strip()


def _decoded(raw: bytes, declared: str | None) -> str:
    """The text in a file's bytes: as UTF-8, as is declared, or in the most likely encoding."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        chardet = need("chardet", extra="documents", why="to read a text that is not UTF-8")
        try:
            text = raw.decode(declared or chardet.detect(raw)["encoding"] or "ascii")
        except (UnicodeDecodeError, LookupError):
            raise _UnreadableError("is no text, or in no encoding that is known") from None
    if "\0" in text:
        raise _UnreadableError("is no text: it holds NUL bytes")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _declared(raw: bytes) -> str | None:
    """The encoding that a page declares, if there is one of that name that fits."""
    bs4 = need("bs4.dammit", extra="documents", why="to read HTML")
    found: str | None = bs4.EncodingDetector.find_declared_encoding(raw, is_html=True)
    try:
        return found if found and raw.decode(found) else None
    except (UnicodeDecodeError, LookupError):
        return None


def _html(markup: str) -> tuple[str | None, str]:
    """The title and the visible text: a blank line around paragraphs, ``<pre>`` as it is."""
    bs4 = need("bs4", extra="documents", why="to read HTML")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of text that looks like a file's name, or like XML
        soup = bs4.BeautifulSoup(markup, "html.parser")
    title = " ".join(soup.title.get_text().split()) if soup.title else None
    for unseen in soup.select(_UNSEEN):
        unseen.decompose()
    for pre in soup.select("pre:not(pre *)"):
        for string in list(pre.strings):
            string.replace_with(string.translate(_HELD))
    for names, mark in ((_PARAGRAPHS, _PARAGRAPH), (_LINES, _LINE), (("td", "th"), " ")):
        for tag in soup.find_all(names):
            tag.insert(0, mark)
            tag.append(mark)
    for tag in soup.find_all("br"):
        tag.append(_BREAK)
    text = re.sub(r"[ \t\r\n\f]+", " ", soup.get_text())
    text = re.sub(rf" ?(?:[{_PARAGRAPH}{_LINE}{_BREAK}] ?)+", _ended, text)
    return title or None, text.translate(_LET_GO)


def _ended(marks: re.Match[str]) -> str:
    """What stands between lines: ends that meet are one, and two breaks make a blank line."""
    return "\n\n" if _PARAGRAPH in marks[0] or marks[0].count(_BREAK) > 1 else "\n"


def _pdf(raw: bytes) -> Iterator[tuple[str | None, str | _UnreadableError]]:
    pypdf = need("pypdf", extra="documents", why="to read PDF")
    # without a handler its warnings of odd files go to stderr
    logging.getLogger("pypdf").addHandler(logging.NullHandler())
    try:
        reader = pypdf.PdfReader(io.BytesIO(raw))
        if reader.is_encrypted and not reader.decrypt(""):
            raise _UnreadableError("is encrypted, and opens with a password alone")
        title = _whole(reader.metadata.title or "") if reader.metadata else ""
        count = len(reader.pages)
    except _UnreadableError:
        raise
    except Exception as error:  # of many kinds, some of them plain Python's
        raise _UnreadableError(f"cannot be read as PDF: {_said(error)}") from None
    if not count:
        raise _UnreadableError("has no pages")
    for number in range(count):
        try:
            text = _whole(reader.pages[number].extract_text())
        except Exception as error:
            yield None, _UnreadableError(f"cannot be read: {_said(error)}")
        else:
            yield title or None, text or _UnreadableError("has no text; it may be a picture")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(".")


def _whole(text: str) -> str:
    """The text with surrogate pairs joined, and half of one as U+FFFD: that is no text."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()
