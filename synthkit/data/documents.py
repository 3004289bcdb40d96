"""Documents: the texts of local files (text, Markdown, HTML, PDF) as rows.

A file that cannot be read becomes a row of ``rejects``; the other files are still read.
"""

from __future__ import annotations

import io
import itertools
import logging
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.files import existing
from synthkit.data import tables

SUFFIXES = (".txt", ".md", ".html", ".htm", ".pdf")
_FRONT_MATTER = re.compile(
    r"\A---[ \t]*\n[\w-]+[ \t]*:.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL
)
_INVISIBLE = (
    "title, script, style, template, noscript, iframe, object, canvas, audio, video, "
    "[hidden], [style*='display:none' i], [style*='display: none' i]"
)
_PARAGRAPHS = (
    "p h1 h2 h3 h4 h5 h6 pre blockquote table ul ol dl section article header footer main aside "
    "nav form figure hr"
).split()
_LINES = "div li dt dd tr caption figcaption option address".split()
# Code points that are not characters. They mark white space to preserve, ends of paragraphs and
# lines, and a <br>.
_PRESERVE = str.maketrans(" \n\t", "\ufdd0\ufdd1\ufdd2")
_RESTORE = str.maketrans("\ufdd0\ufdd1\ufdd2", " \n\t")
_PARAGRAPH, _LINE, _BREAK = "\ufdd3\ufdd4\ufdd5"


@dataclass(frozen=True, slots=True)
class Documents:
    """The files that were read, and those that could not be: two DataFrames.

    ``table`` has ``id``, ``source`` (the path relative to the argument), ``page`` (from 1; 1 for a
    file without pages), ``title`` (``None`` if there is none) and ``text``; ``rejects`` has
    ``source`` and ``reason``.
    """

    table: Any
    rejects: Any

    def __repr__(self) -> str:
        return f"Documents({len(self.table)} rows; {len(self.rejects)} rejects)"


class _UnreadableError(Exception):
    """The reason why a file or a page cannot be read."""


def documents(*paths: str | Path, max_megabytes: float = 100) -> Documents:
    """The texts of files: one row for each file, or for each page of a PDF.

    The ``id`` is a hash of the row, so the same files have the same ids on every machine.

    Parameters
    ----------
    paths : files, folders or patterns such as ``"docs/**/*.md"``. Folders are read recursively,
        without hidden folders. Folders and patterns match files that end in ``.txt``, ``.md``,
        ``.html``, ``.htm`` or ``.pdf``. A file that is matched twice is read once.
    max_megabytes : the largest file to read.

    Raises
    ------
    UsageError
        If there is no such file at a path; no file is read then.

    Notes
    -----
    Markdown is kept unchanged, without its front matter; of HTML only the visible text is kept. A
    text that is not UTF-8 is read in the encoding that ``chardet`` finds most likely. Of a PDF the
    embedded text is read; a page that is a picture is a reject.

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
    files: dict[Path, tuple[Path, str]] = {}
    for argument in paths:
        for path, source in _files(Path(argument).expanduser()):
            files.setdefault(path.resolve(), (path, source))
    rows: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    for path, source in files.values():
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
    table = tables.identified(_table(rows, ("source", "page", "title", "text")))
    return Documents(table, _table(rejects, ("source", "reason")))


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Any:
    return tables.build({name: [row[name] for row in rows] for name in columns}, n=len(rows))


def _files(argument: Path) -> list[tuple[Path, str]]:
    """The files that a path or pattern matches, each with its path relative to the fixed part."""
    there = existing(argument)
    if not (there and there.is_dir()) and os.path.lexists(argument):
        if argument.suffix.lower() not in SUFFIXES:
            raise UsageError(f"expected a file that ends in {', '.join(SUFFIXES)}; got {argument}.")
        return [(argument, argument.name)]
    fixed = [*itertools.takewhile(lambda part: not set(part) & set("*?["), argument.parts)]
    root, pattern = Path(*fixed), "/".join(argument.parts[len(fixed) :])
    try:
        paths = root.glob(pattern or "**/*") if existing(root) else ()
        relative = sorted(path.relative_to(root) for path in paths)
    except ValueError as error:
        raise UsageError(f"{argument} is not a valid pattern: {error}.") from None
    files = [
        (root / path, path.as_posix())
        for path in relative
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.parts)
        and not (root / path).is_dir()
    ]
    if not files:
        raise UsageError(f"there is no file that ends in {', '.join(SUFFIXES)} at {argument}.")
    return files


def _pages(path: Path, max_megabytes: float) -> Iterator[tuple[str | None, str | _UnreadableError]]:
    """The title and the text of each page of a file."""
    if not path.is_file():
        raise _UnreadableError("is not a file, or a broken link")
    megabytes = path.stat().st_size / 1e6
    if megabytes > max_megabytes:
        raise _UnreadableError(
            f"is too large: {megabytes:.1f} MB, with max_megabytes={max_megabytes:g}"
        )
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
    """The text of a file: as UTF-8, in the declared encoding, or in the most likely one."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        chardet = need("chardet", extra="documents", why="to read a text that is not UTF-8")
        try:
            text = raw.decode(declared or chardet.detect(raw)["encoding"] or "ascii")
        except (UnicodeDecodeError, LookupError):
            raise _UnreadableError("is not text, or in an unknown encoding") from None
    if "\0" in text:
        raise _UnreadableError("is not text: it contains NUL bytes")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _declared(raw: bytes) -> str | None:
    """The encoding that an HTML page declares, if it can be decoded with it."""
    bs4 = need("bs4.dammit", extra="documents", why="to read HTML")
    encoding: str | None = bs4.EncodingDetector.find_declared_encoding(raw, is_html=True)
    try:
        return encoding if encoding and raw.decode(encoding) else None
    except (UnicodeDecodeError, LookupError):
        return None


def _html(markup: str) -> tuple[str | None, str]:
    """The title and the visible text, with blank lines around paragraphs; ``<pre>`` unchanged."""
    bs4 = need("bs4", extra="documents", why="to read HTML")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about text that looks like a file name or XML
        soup = bs4.BeautifulSoup(markup, "html.parser")
    title = " ".join(soup.title.get_text().split()) if soup.title else None
    for invisible in soup.select(_INVISIBLE):
        invisible.decompose()
    for pre in soup.select("pre:not(pre *)"):
        for string in list(pre.strings):
            string.replace_with(string.translate(_PRESERVE))
    for names, mark in ((_PARAGRAPHS, _PARAGRAPH), (_LINES, _LINE), (("td", "th"), " ")):
        for tag in soup.find_all(names):
            tag.insert(0, mark)
            tag.append(mark)
    for tag in soup.find_all("br"):
        tag.append(_BREAK)
    text = re.sub(r"[ \t\r\n\f]+", " ", soup.get_text())
    text = re.sub(rf" ?(?:[{_PARAGRAPH}{_LINE}{_BREAK}] ?)+", _line_ends, text)
    return title or None, text.translate(_RESTORE)


def _line_ends(marks: re.Match[str]) -> str:
    """The line ends for adjacent marks: one, or a blank line for a paragraph or two breaks."""
    return "\n\n" if _PARAGRAPH in marks[0] or marks[0].count(_BREAK) > 1 else "\n"


def _pdf(raw: bytes) -> Iterator[tuple[str | None, str | _UnreadableError]]:
    pypdf = need("pypdf", extra="documents", why="to read PDF")
    # without a handler, its warnings about unusual files go to stderr
    logging.getLogger("pypdf").addHandler(logging.NullHandler())
    try:
        reader = pypdf.PdfReader(io.BytesIO(raw))
        if reader.is_encrypted and not reader.decrypt(""):
            raise _UnreadableError("is encrypted and needs a password")
        title = _valid_text(reader.metadata.title or "") if reader.metadata else ""
        count = len(reader.pages)
    except _UnreadableError:
        raise
    except Exception as error:  # pypdf raises many types, some of them built-in
        raise _UnreadableError(f"cannot be read as PDF: {_described(error)}") from None
    if not count:
        raise _UnreadableError("has no pages")
    for number in range(count):
        try:
            text = _valid_text(reader.pages[number].extract_text())
        except Exception as error:
            yield None, _UnreadableError(f"cannot be read: {_described(error)}")
        else:
            yield title or None, text or _UnreadableError("has no text; it may be a picture")


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(".")


def _valid_text(text: str) -> str:
    """The text with surrogate pairs joined, and with U+FFFD for half of a pair."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()
