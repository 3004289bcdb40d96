from __future__ import annotations

from typing import Any

import pytest

from synthkit.core.types import Completion, Reject
from synthkit.prompts import parsing

ENGLISH = ["positive", "negative"]
CHINESE = ["积极", "消极"]
KOREAN = ["긍정", "부정"]
JAPANESE = ["ポジティブ", "ネガティブ"]
THAI = ["บวก", "ลบ"]


def read(labels: list[Any], answer: str) -> Any:
    parsed = parsing.label(labels)(Completion(answer))
    return parsed.reason if isinstance(parsed, Reject) else parsed["label"]


@pytest.mark.parametrize(
    ("labels", "answer", "label"),
    [
        (CHINESE, "这条评论是积极的。", "积极"),
        (CHINESE, "积极", "积极"),
        (CHINESE, "这是非常积极的评论", "积极"),
        (CHINESE, "毫无疑问是消极的", "消极"),
        (["满意", "不满意"], "客人不满意。", "不满意"),
        (["满意", "非常满意"], "我非常满意", "非常满意"),
        (["好", "坏"], "答案是好。", "好"),
        (["好", "坏"], "“坏”", "坏"),
        (["是", "否"], "是的。", "是"),
        (["正面", "負面"], "這則評論屬於負面。", "負面"),
        (JAPANESE, "感情はポジティブです。", "ポジティブ"),
        (["ﾎﾟｼﾞﾃｨﾌﾞ", "ネガティブ"], "ポジティブ", "ﾎﾟｼﾞﾃｨﾌﾞ"),
        (["肯定的", "否定的"], "このレビューは否定的です", "否定的"),
        (["はい", "いいえ"], "答え：はい", "はい"),
        (THAI, "คำตอบคือบวก", "บวก"),
        (["ดี", "แย่"], "คำตอบคือดีครับ", "ดี"),
        (["ບວກ", "ລົບ"], "ຄຳຕອບແມ່ນບວກ", "ບວກ"),
        (["វិជ្ជមាន", "អវិជ្ជមាន"], "ចម្លើយគឺអវិជ្ជមាន។", "អវិជ្ជមាន"),
        (["ကောင်း", "ဆိုး"], "ဤသုံးသပ်ချက်သည်ကောင်းသည်", "ကောင်း"),
        (KOREAN, "감정은 긍정입니다.", "긍정"),
        (KOREAN, "부정적인 리뷰입니다", "부정"),
        (KOREAN, "답: 긍정", "긍정"),
        (["सकारात्मक", "नकारात्मक"], "यह समीक्षा सकारात्मक है।", "सकारात्मक"),
        (["إيجابي", "سلبي"], "هذا التقييم سلبيّ.", "سلبي"),
        (["إيجابي", "سلبي"], "التصنيف هو الإيجابي.", "إيجابي"),
        (["إيجابي", "سلبي"], "والسلبي", "سلبي"),
        (["إيجابي", "سلبي"], "كان التقييم إيجابيًا", "إيجابي"),
        (["إيجابي", "سلبي"], "سلبياً جداً", "سلبي"),
        (["رياض", "الرياض"], "الرياض", "الرياض"),
        (["olumlu", "olumsuz"], "Etiket 'olumlu'dur.", "olumlu"),
        (["olumlu", "olumsuz"], "Cevap olumsuz’dur", "olumsuz"),
        (["חיובי", "שלילי"], "\u200fהתשובה: חיובי\u200f", "חיובי"),
        (["положительный", "отрицательный"], "Отзыв ОТРИЦАТЕЛЬНЫЙ.", "отрицательный"),
        (["አዎንታዊ", "አሉታዊ"], "መልሱ አሉታዊ ነው።", "አሉታዊ"),
        (["café", "thé"], "cafe\u0301", "café"),
        (["İyi", "Kötü"], "Cevap: iyi.", "İyi"),
        (["ılık", "soğuk"], "ILIK", "ılık"),
        (["Spaß", "Ernst"], "SPASS!", "Spaß"),
        (ENGLISH, "这条评论是positive的。", "positive"),
        (ENGLISH, "감정은 positive입니다.", "positive"),
        (ENGLISH, "ＰＯＳＩＴＩＶＥ", "positive"),
        (ENGLISH, "_positive_", "positive"),
        (ENGLISH, '{"label": "positive"}', "positive"),
        (ENGLISH, "Label:positive.The tone is warm", "positive"),
        (ENGLISH, "No, I would say it is positive.", "positive"),
        (ENGLISH, "1.Positive", "positive"),
        (["urgence", "routine"], "C'est l'urgence.", "urgence"),
        (["yes", "no"], "No, it is warm.", "no"),
        (["spam", "not spam"], "This is not spam.", "not spam"),
        (["toxic", "non-toxic"], "It is non toxic.", "non-toxic"),
        (["positive", "very_positive"], "very positive", "very_positive"),
        (["C", "C++", "C#"], "C#", "C#"),
        (["C", "C++"], "I mean C++, really", "C++"),
        (["n/a", "ok"], "N/A.", "n/a"),
        (["1", "10"], "10", "10"),
        (["1", "2"], "Class no 2", "2"),
        (ENGLISH, "No doubt it is positive", "positive"),
        (ENGLISH, "The food was not great, so negative", "negative"),
        (ENGLISH, "It's not bad: positive", "positive"),
        (["1", "10"], "第1类", "1"),
        ([0, 1], "１", 1),
        (["1", "2"], "1️⃣", "1"),
        (["👍", "👎"], "👍👍", "👍"),
        (["❤️", "💔"], "❤", "❤️"),
        ([True, False], "true", True),
    ],
)
def test_a_label_is_found_in_a_sentence(labels: list[Any], answer: str, label: Any) -> None:
    assert read(labels, answer) == label


@pytest.mark.parametrize(
    ("labels", "answer"),
    [
        (ENGLISH, "unpositive"),
        (ENGLISH, "It is false-positive"),
        (ENGLISH, "a positivelike mood"),
        (ENGLISH, "positive_rate"),
        (KOREAN, "비긍정"),
        (KOREAN, "부정확합니다"),
        (KOREAN, "초긍정"),
        (JAPANESE, "ポジティブシンキング"),
        (["是", "否"], "这条评论是关于食物的"),
        (["好", "坏"], "好像很久以前"),
        (["ดี", "แย่"], "คดีความ"),
        (["दान", "पाप"], "दानव"),
        (["कम", "अधिक"], "कमी"),
        (["1", "2"], "1.5"),
        (["1", "2"], "12"),
        (["1", "2"], "-1"),
        (["1", "2"], "1/3"),
        (["1", "2"], "1%"),
        (["C", "Java"], "C++"),
        (["no", "yes"], "no-one knows"),
        (["can", "must"], "I can't"),
        (["👩", "👨"], "👩‍🍳"),
        (["👍", "👎"], "👍🏽!"),
        (["🇺🇸", "🇩🇪"], "🇦🇺🇸🇪"),
        (["cafe", "bar"], "a cafe\u0301"),
        (["روسي", "صيني"], "روسيا"),
        (["بيت", "قصر"], "والبيتزا"),
        (["ند", "حب"], "الحب"),
        (["إيجابي", "سلبي"], "وسلبي"),
        (["חיובי", "שלילי"], "ושלילי"),
        (["Ankara", "İzmir"], "Ankara'dan İzmir'e"),
        (["rock", "pop"], "rock'n'roll"),
    ],
)
def test_a_part_of_a_longer_word_is_no_label(labels: list[Any], answer: str) -> None:
    assert "none of the labels" in read(labels, answer)


@pytest.mark.parametrize(
    ("labels", "answer"),
    [
        (["إيجابي", "سلبي"], "إيجابي وسلبي"),
        (["إيجابي", "سلبي"], "إيجابيًا وسلبيًا"),
        (["חיובי", "שלילי"], "חיובי ושלילי"),
        (["Ankara", "İzmir"], "Ankara'dır, İzmir'e yakın"),
    ],
)
def test_a_label_that_is_joined_to_a_word_counts_beside_another(
    labels: list[Any], answer: str
) -> None:
    assert "names 2 labels" in read(labels, answer)


@pytest.mark.parametrize(
    ("labels", "answer"),
    [
        (ENGLISH, "I wouldn't call this positive"),
        (ENGLISH, "It is not at all clear that it's positive"),
        (["positivo", "negativo"], "No parece positivo"),
        (["positif", "négatif"], "Le ton est peu positif"),
        (["позитивный", "негативный"], "Вряд ли позитивный"),
        (["tích cực", "tiêu cực"], "chưa tích cực"),
        (["olumlu", "olumsuz"], "Bu yorum olumlu değildir."),
        (["olumlu", "olumsuz"], "olumlu bir yorum değil"),
        (["olumlu", "olumsuz"], "olumlu olmadığını düşünüyorum"),
        (["olumlu", "olumsuz"], "olumlu sayılmaz"),
        (["оң", "теріс"], "оң емес"),
        (["إيجابي", "سلبي"], "لم يكن إيجابيًا"),
        (["إيجابي", "سلبي"], "ليس هذا إيجابي"),
        (["مثبت", "منفی"], "مثبت نمی‌باشد"),
        (["חיובי", "שלילי"], "לא נראה חיובי"),
        (ENGLISH, "It is not positive."),
        (ENGLISH, "It isn't really positive"),
        (ENGLISH, "I don't think it is positive."),
        (ENGLISH, 'not "positive"'),
        (ENGLISH, "The tone is anything but positive"),
        (ENGLISH, "Positive is not right"),
        (CHINESE, "这条评论不是积极的"),
        (CHINESE, "并不积极"),
        (["满意", "一般"], "客人不满意"),
        (JAPANESE, "ポジティブではありません"),
        (JAPANESE, "ポジティブとは言えない"),
        (["肯定的", "否定的"], "肯定的ではない"),
        (THAI, "ไม่ใช่บวก"),
        (KOREAN, "긍정이 아닙니다"),
        (KOREAN, "긍정적이지 않습니다"),
        (["olumlu", "olumsuz"], "Bu yorum olumlu değil."),
        (["सकारात्मक", "नकारात्मक"], "यह सकारात्मक नहीं है"),
        (["positif", "négatif"], "Ce n'est pas positif."),
        (["positiv", "negativ"], "Das ist nicht sehr positiv"),
        (["positivo", "negativo"], "No es positivo"),
        (["положительный", "отрицательный"], "не очень положительный"),
        (["إيجابي", "سلبي"], "غير إيجابي"),
        (["חיובי", "שלילי"], "זה לא חיובי"),
        (["positif", "negatif"], "Ulasan ini tidak positif"),
    ],
)
def test_a_denied_label_is_rejected(labels: list[Any], answer: str) -> None:
    assert "denies the label" in read(labels, answer)


@pytest.mark.parametrize(
    ("labels", "answer"),
    [
        (CHINESE, "既积极又消极"),
        (KOREAN, "긍정과 부정"),
        (THAI, "บวกหรือลบ"),
        (ENGLISH, "positive/negative"),
        (ENGLISH, "not positive but negative"),
        (["不满", "满意"], "他不满意"),
    ],
)
def test_two_labels_are_rejected(labels: list[Any], answer: str) -> None:
    assert "names 2 labels" in read(labels, answer)


def test_labels_that_fold_to_one_are_refused() -> None:
    for labels in (["Straße", "STRASSE"], ["a", " A"], ["é", "e\u0301"], ["1", 1]):
        with pytest.raises(ValueError, match="distinct"):
            parsing.label(labels)  # type: ignore[arg-type]


def test_labels_that_differ_in_a_separator_or_a_mark_stay_apart() -> None:
    assert read(["a b", "a-b"], "It is a-b.") == "a-b"
    assert read(["m²", "m2"], "It is m².") == "m²"
    assert read(["1", "①"], "① it is") == "①"
    assert read(["kır", "kir"], "kir") == "kir"
    assert read(["كَتب", "كُتب"], "كُتب") == "كُتب"
