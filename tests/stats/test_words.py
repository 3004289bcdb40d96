from __future__ import annotations

import itertools
import random
import re
import unicodedata

import pytest
from rouge_score.tokenizers import DefaultTokenizer

from synthkit.core.errors import UsageError
from synthkit.curate.duplicates import shingles
from synthkit.stats.rouge import rouge_l
from synthkit.stats.words import (
    characters,
    described,
    fold,
    pieces,
    split,
    tokens,
    words,
)

SCRIPTS = (
    "abc Ab'_-.", "हिन्दी भाषा ़", "ข้าวเป็น ๑๒", "မြန်မာစာ္ကး", "ខ្មែរភាសា្", "漢字カナｶﾞ々ー・",
    "العربية َّـ", "한국어", "é e\u0301\u200d\u200c👩🏽‍🍳1️⃣🇦🇺🇸", "ትአ። п'ять ʼ״צה\"ל", "᭄ᬓ ꧀ꦏ",
)  # fmt: skip


def mixed(n: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [
        "".join(rng.choice(rng.choice(SCRIPTS)) for _ in range(rng.randint(1, 12)))
        for _ in range(n)
    ]


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("हिन्दी भाषा", 2),
        ("العَرَبِيَّة لغة", 2),
        ("שָׁלוֹם", 1),
        ("தமிழ் மொழி", 2),
        ("తెలుగు భాష", 2),
        ("ශ්\u200dරී ලංකා", 2),
        ("می\u200cخواهم بروم", 2),
        ("བོད་སྐད་", 2),
        ("አማርኛ ነው።", 2),
        ("п'ять п’ять", 2),
        ('צה"ל צה״ל', 2),
        ("col·lecció", 1),
        ("co\u00adoperate", 1),
        ("한국어 단어", 2),
        ("Việt Nam", 2),
        ("İstanbul", 1),
        ("१२ और ๑๒๓", 3),
        ("don't snake_case", 4),
    ],
)
def test_a_word_keeps_its_marks_and_inner_signs(text: str, n: int) -> None:
    assert len(tokens(text)) == n


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("東京へ・カナ", "東 京 へ カ ナ"),
        ("𠮷野家", "𠮷 野 家"),
        ("ｶﾞｽ", "ガ ス"),
        ("ข่าว", "ข่ า ว"),
        ("ພາສາ", "ພ າ ສ າ"),
        ("ភាសាខ្មែរ", "ភា សា ខ្មែ រ"),
        ("မြန်မာ", "မြ န် မာ"),
        ("ꦕꦫꦏ", "ꦕ ꦫ ꦏ"),
        ("GPT模型2代", "gpt 模 型 2 代"),
    ],
)
def test_scripts_without_spaces_are_split_at_characters_with_their_marks(
    text: str, found: str
) -> None:
    assert tokens(text) == found.split()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("दिन", "दान"), ("ข่าว", "ข้าว"), ("படி", "படு"), ("দিন", "দান"), ("စား", "စီး"),
        ("කිරි", "කුරු"), ("ਦਿਨ", "ਦਾਨ"), ("កា", "កី"), ("کرم", "كَرم"), ("ລາ", "ລີ"),
    ],
)  # fmt: skip
def test_words_that_differ_in_a_mark_differ(one: str, other: str) -> None:
    assert tokens(one) != tokens(other)
    assert rouge_l(one, other) < 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ＦＵＬＬ", "full"), ("Straße", "STRASSE"), ("İyi", "iyi"), ("café", "cafe\u0301"),
        ("\u200fשלום\u200f", "שלום"), ("محـــمد", "محمد"), ("ΣΟΦΟΣ", "σοφος"), ("ｶﾞ", "ガ"),
        ("Nike™ shoes", "nike shoes"), ("п'ять", "п’ять"),
    ],
)  # fmt: skip
def test_forms_of_one_word_are_equal(one: str, other: str) -> None:
    assert tokens(one) == tokens(other)
    assert fold(one).split() == fold(other).split() == shingles.folded([other])[0].split()


def test_tokens_of_ascii_are_those_of_rouge_score() -> None:
    rng = random.Random(0)
    reference = DefaultTokenizer(use_stemmer=False)
    for _ in range(500):
        text = "".join(chr(rng.randint(9, 126)) for _ in range(40))
        assert tokens(text) == reference.tokenize(text)


def test_shingles_have_the_same_words() -> None:
    for text in mixed(3000):
        codes = shingles._fold([text], True)
        whole = codes.points.tobytes().decode("latin-1" if codes.points.itemsize == 1 else "utf-32")
        spans = zip(*shingles._words(codes.points), strict=True)
        assert [whole[start:end] for start, end in spans] == tokens(text)


def test_pieces_add_up_to_the_text_and_split_no_letter_from_its_mark() -> None:
    for text in mixed(2000, 1):
        assert "".join(pieces(text)) == text
        for before, piece in itertools.pairwise(pieces(text)):
            assert before.isspace() or unicodedata.category(piece[0])[0] != "M"


def test_words_of_scripts_with_spaces_are_those_between_spaces() -> None:
    for text in ("Well-known - it's 3.50!", "यह अच्छा है।", "Это — хорошо…", "هذا جيد"):
        assert words(text) == text.split()
    assert words("味道很好。Good soup!") == ["味", "道", "很", "好", "Good", "soup!"]
    assert len(words("བོད་སྐད་")) == 2


def test_emoji_and_flags_are_one_character() -> None:
    assert characters("👩‍🍳👍🏽 1️⃣🇩🇪🇫🇷") == ["👩‍🍳", "👍🏽", "1️⃣", "🇩🇪", "🇫🇷"]


def test_units_count_what_they_say() -> None:
    text = "Don't stop 東京"
    assert split(text) == ["don", "t", "stop", "東", "京"]
    assert split(text, "words") == ["don't", "stop", "東", "京"]
    assert len(split(text, "characters")) == len(re.sub(r"\s", "", text))
    with pytest.raises(UsageError, match="unit"):
        split(text, "sentences")  # type: ignore[arg-type]


def test_how_says_where_characters_are_counted() -> None:
    assert described(["soup", "хлеб"]) == "words"
    assert described(["soup", "パン"]) == "words; single characters in scripts without spaces"
    assert described(["soup"], "characters") == "characters"


@pytest.mark.parametrize("text", ["", " ", "\ud800", "\u0301", "\u200d", "?!", "\0"])
def test_texts_without_words_have_no_tokens(text: str) -> None:
    assert tokens(text) == []
    assert fold(text) is not None
