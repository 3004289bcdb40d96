from __future__ import annotations

import pytest

from synthkit.core.errors import UsageError
from synthkit.curate import apply_filters, identify_languages, language
from synthkit.stats.intervals import wilson

ENGLISH = """The soup was cold and the waiter was late.
We will not be coming back to this place.
Great service and very friendly staff!
Loved the burger, hated the noise.
I'd rather eat at home next time.
omg best tacos everrr
Call me later, I'm still at work.
Is the kitchen open on Sundays?
Not worth the price.
My wife ordered the crème brûlée and a café au lait.""".split("\n")
OTHERS = """fr La soupe était froide et le serveur en retard.
de Die Suppe war kalt und der Kellner kam zu spät.
es La sopa estaba fría y el camarero llegó tarde.
it La zuppa era fredda e il cameriere è arrivato tardi.
pt A sopa estava fria e o garçom chegou tarde.
nl De soep was koud en de ober kwam te laat.
pl Zupa była zimna, a kelner się spóźnił.
ru Суп был холодный, а официант опоздал.
ar كان الحساء باردا وتأخر النادل
zh 汤是凉的，服务员也迟到了。
ja スープは冷たくて、店員も遅れました。
ko 수프는 차갑고 웨이터는 늦었어요.
hi सूप ठंडा था और वेटर देर से आया।
tr Çorba soğuktu ve garson geç geldi.
sv Soppan var kall och servitören kom för sent.
el Η σούπα ήταν κρύα και ο σερβιτόρος άργησε.""".split("\n")


def test_english_is_kept_and_other_languages_are_dropped() -> None:
    keep = language("en").judge([{"text": text} for text in ENGLISH])
    reasons = language("en").judge([{"text": line[3:]} for line in OTHERS])
    assert keep == [""] * len(ENGLISH)
    assert wilson(sum(map(bool, reasons)), len(reasons))[0] > 0.8
    assert all(why.startswith("other language: ") for why in reasons)


def test_each_language_is_identified() -> None:
    table = identify_languages([{"text": line[3:]} for line in OTHERS])
    assert table["language"].tolist() == [line[:2] for line in OTHERS]
    assert table["language_probability"].between(0.4, 1).all()


@pytest.mark.parametrize("text", ["ok", "Anna", "🎉🎉", "12:30", "", "Lol", "!!!"])
def test_a_text_too_short_to_decide_is_undecided(text: str) -> None:
    assert language("en").judge([{"text": text}]) == [""]
    (why,) = language("en", undecided="drop").judge([{"text": text}])
    assert why.startswith("undecided language")


def test_several_languages_are_kept() -> None:
    rows = [{"id": line[:2], "text": line[3:]} for line in OTHERS]
    assert set(apply_filters(rows, language("fr", "de", "zh")).kept["id"]) == {"fr", "de", "zh"}


def test_a_million_characters_are_read_and_a_missing_text_is_dropped() -> None:
    rows = [{"text": "This is a long and dull sentence. " * 30_000}, {"text": None}]
    assert language("en").judge(rows) == ["", "missing"]
    assert identify_languages(rows)["language"].tolist()[0] == "en"


def test_bad_options_are_named() -> None:
    with pytest.raises(UsageError, match="codes of the languages"):
        language()
    with pytest.raises(UsageError, match="language 'english' not found"):
        language("english")
    with pytest.raises(UsageError, match=r"from 0\.5 to 1"):
        language("en", least=0.2)
    with pytest.raises(UsageError, match="'keep' or 'drop'"):
        language("en", undecided="no")
