from __future__ import annotations

import io
import os
from pathlib import Path

import pypdf
import pytest
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from synthkit.core.errors import UsageError
from synthkit.data import tables
from synthkit.data.documents import Documents, documents

PAGE = """<!DOCTYPE html><html><head><title> A  loaf </title><style>p {color: red}</style>
<script>let hidden = 1 < 2;</script></head><body><!-- a note -->
<h1>Bread</h1><p>Mix <b>flour</b> and
   water&nbsp;&amp; salt.</p><p hidden>secret</p><span style="display: none">unseen</span>
<ul><li>one</li><li>two</li></ul><noscript>no script</noscript>
<table><tr><td>a</td><td>b</td></tr></table><pre>if x:
    y  =  1</pre></body></html>"""


def pdf(*pages: str, title: str = "", password: str | None = None) -> bytes:
    """A PDF with a line of text on each page, or none."""
    writer = pypdf.PdfWriter()
    kind = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    font = DictionaryObject({NameObject(a): NameObject(b) for a, b in kind.items()})
    fonts = DictionaryObject({NameObject("/F1"): font})
    for text in pages:
        page = writer.add_blank_page(200, 200)
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        content = DecodedStreamObject()
        if text:
            content.set_data(f"BT /F1 12 Tf 10 100 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(content)
    if title:
        writer.add_metadata({"/Title": title})
    if password is not None:
        writer.encrypt(password, owner_password="owner", algorithm="RC4-128")
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def read(path: Path, content: bytes, name: str) -> Documents:
    (path / name).write_bytes(content)
    return documents(path / name)


def text_of(path: Path, content: bytes, name: str = "a.txt") -> str:
    (text,) = tables.column(read(path, content, name).table, "text")
    return str(text)


def reason(path: Path, content: bytes, name: str = "a.txt") -> str:
    found = read(path, content, name)
    assert found.table.empty
    ((source, why),) = found.rejects[["source", "reason"]].values.tolist()
    assert source == name
    return str(why)


def test_a_folder_is_read_in_order_with_all_in_it(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.md", "a/B.HTM", ".git/no.txt", "picture.png", "a/.hidden.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"text of {name}")
    found = documents(tmp_path)
    assert tables.columns(found.table) == ["id", "source", "page", "title", "text"]
    assert found.table["source"].tolist() == ["a/B.HTM", "a/z.md", "b.txt"]
    assert found.table["text"].tolist() == ["text of a/B.HTM", "text of a/z.md", "text of b.txt"]
    assert found.table["page"].tolist() == [1, 1, 1]
    assert found.rejects.empty
    assert repr(found) == "Documents(3 rows; 0 rejects)"


def test_the_same_files_have_the_same_ids_anywhere(tmp_path: Path) -> None:
    made = []
    for root in (tmp_path / "here", tmp_path / "there" / "deep"):
        root.mkdir(parents=True)
        (root / "a.txt").write_text("Bread.")
        (root / "b.pdf").write_bytes(pdf("one", "two"))
        made.append(documents(root).table)
    assert made[0].equals(made[1])
    assert made[0]["id"].is_unique
    assert str(tmp_path) not in made[0].to_json()


def test_a_pattern_a_file_and_a_folder_name_each_file_once(tmp_path: Path) -> None:
    for name in ("docs/a.md", "docs/x/b.md", "docs/x/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    pattern = documents(f"{tmp_path}/docs/**/*.md").table["source"].tolist()
    assert pattern == ["a.md", "x/b.md"]
    both = documents(tmp_path / "docs/x/b.md", tmp_path / "docs").table["source"].tolist()
    assert both == ["b.md", "a.md", "x/c.txt"]


def test_a_link_to_a_folder_is_that_folder(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("one")
    (tmp_path / "link").symlink_to(tmp_path / "docs")
    assert documents(tmp_path / "link").table["source"].tolist() == ["a.md"]


def test_a_name_with_a_pattern_sign_in_it_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "[1].txt").write_text("one")
    assert documents(tmp_path / "[1].txt").table["text"].tolist() == ["one"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "needs a file, a folder or a pattern"),
        (["nothing.txt"], "there is no file that ends in .txt, .md, .html, .htm, .pdf at"),
        (["*.md"], "there is no file that ends in"),
        (["empty"], "there is no file that ends in"),
        (["picture.png"], "expected a file that ends in"),
        (["**x/a.md"], "is not a valid pattern"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_read(
    given: list[str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    with pytest.raises(UsageError, match=message):
        documents(*(tmp_path / one for one in given))


def test_html_is_its_visible_text(tmp_path: Path) -> None:
    found = read(tmp_path, PAGE.encode(), "a.html").table
    assert found["title"].tolist() == ["A loaf"]
    assert found["text"].tolist() == [
        "Bread\n\nMix flour and water\xa0& salt.\n\none\ntwo\n\na b\n\nif x:\n    y  =  1"
    ]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("notes.txt", "notes.txt"),
        ("<?xml version='1.0'?><html><body>x</body></html>", "x"),
        ("<p>open <b>and not closed<p>next", "open and not closed\n\nnext"),
        ("<pre>a\n <pre>b</pre></pre>", "a\n \n\nb"),
        ("<div>" * 3000 + "deep" + "</div>" * 3000, "deep"),
        ("<title>T</title>&lt;b&gt; 日本", "<b> 日本"),
        ("one<br>two<br><br>three<div><div>four</div></div>five", "one\ntwo\n\nthree\nfour\nfive"),
    ],
    ids=["bare", "xml", "unclosed", "nested pre", "deep", "entities", "breaks"],
)
def test_odd_html_is_read(markup: str, text: str, tmp_path: Path) -> None:
    assert text_of(tmp_path, markup.encode(), "a.html") == text


def test_a_charset_that_a_page_declares_is_taken(tmp_path: Path) -> None:
    markup = '<html><head><meta charset="shift_jis"></head><body>猫</body></html>'
    assert text_of(tmp_path, markup.encode("shift_jis"), "a.html") == "猫"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("---\ntitle: Bread\ntags: [a]\n---\n# Bread\n", "# Bread"),
        ("---\r\ntitle: Bread\r\n---\r\nText", "Text"),
        ("---\nA line between two rules.\n---\nText", "---\nA line between two rules.\n---\nText"),
        ("# *As* it `is`", "# *As* it `is`"),
    ],
    ids=["front matter", "crlf", "rules", "kept"],
)
def test_markdown_is_kept_without_its_front_matter(content: str, text: str, tmp_path: Path) -> None:
    assert text_of(tmp_path, content.encode(), "a.md") == text


GERMAN = "Die Straße war naß, und überall lagen große Äste. Süße Früchte hingen an den Bäumen."
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたか頓と見当がつかぬ。"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "utf-8"),
        (GERMAN, "utf-8-sig"),
        (GERMAN, "cp1252"),
        (GERMAN, "utf-16"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        ("café", "cp1252"),
        ("Все счастливые семьи похожи друг на друга.", "koi8_r"),
    ],
)
def test_a_text_is_read_in_its_encoding(text: str, encoding: str, tmp_path: Path) -> None:
    assert text_of(tmp_path, text.encode(encoding)) == text


def test_each_page_of_a_pdf_is_a_row(tmp_path: Path) -> None:
    found = read(tmp_path, pdf("Flour and water.", "Salt.", title="Bread"), "b.pdf")
    columns = ["source", "page", "title", "text"]
    assert found.table[columns].values.tolist() == [
        ["b.pdf", 1, "Bread", "Flour and water."],
        ["b.pdf", 2, "Bread", "Salt."],
    ]


def test_a_pdf_page_without_text_is_a_reject_and_the_others_are_rows(tmp_path: Path) -> None:
    found = read(tmp_path, pdf("One.", "", "Three."), "b.pdf")
    assert found.table["page"].tolist() == [1, 3]
    assert found.rejects["reason"].tolist() == ["page 2 has no text; it may be a picture"]


def test_a_pdf_that_is_only_locked_against_change_is_read(tmp_path: Path) -> None:
    assert text_of(tmp_path, pdf("Open.", password=""), "b.pdf") == "Open."


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (b"", "a.txt", "has no text"),
        (b" \n\t ", "a.txt", "has no text"),
        (b"---\ntitle: x\n---\n", "a.md", "has no text"),
        (b"<script>x</script>", "a.html", "has no text"),
        (b"text\0with nul", "a.txt", "is not text: it contains NUL bytes"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe", "a.txt", "is not text, or in"),
        (b"", "a.pdf", "cannot be read as PDF: EmptyFileError"),
        (b"%PDF-1.7\ngarbage", "a.pdf", "cannot be read as PDF: PdfStreamError"),
        (pdf("One.")[:-300], "a.pdf", "cannot be read as PDF"),
        (pdf(), "a.pdf", "has no pages"),
        (pdf("Secret.", password="key"), "a.pdf", "is encrypted and needs a password"),
    ],
)
def test_a_file_without_text_is_a_reject(
    content: bytes, name: str, why: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert reason(tmp_path, content, name).startswith(why)
    assert capfd.readouterr() == ("", "")


def test_one_bad_file_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("first")
    (tmp_path / "b.pdf").write_bytes(b"none")
    (tmp_path / "c.txt").symlink_to(tmp_path / "gone.txt")
    os.mkfifo(tmp_path / "d.txt")
    (tmp_path / "e.txt").write_text("x" * 2_100_000)
    (tmp_path / "f.txt").write_text("last")
    found = documents(tmp_path, max_megabytes=2)
    assert found.table["text"].tolist() == ["first", "last"]
    assert dict(found.rejects[["source", "reason"]].values.tolist()) == {
        "b.pdf": "cannot be read as PDF: PdfStreamError: Stream has ended unexpectedly",
        "c.txt": "is not a file, or a broken link",
        "d.txt": "is not a file, or a broken link",
        "e.txt": "is too large: 2.1 MB, with max_megabytes=2",
    }
