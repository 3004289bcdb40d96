from __future__ import annotations

from typing import Any

import pytest

from synthkit.core.errors import UsageError
from synthkit.curate import apply_filters, find_pii, find_secrets, no_pii, redact
from synthkit.curate.filters.pii import KINDS
from synthkit.data import tables
from synthkit.stats.intervals import wilson

PLANTED = {
    "email": "ann@example.org|Bob.Smith+news@mail.example.co.uk|x_y-z99@sub.domain.io|"
    "jürgen@beispiel.de|ann [at] example [dot] org|o.brien%1@a-b.museum",
    "phone": "(415) 555-2671|415-555-2671|415.555.2671|+1 415 555 2671|+442079460958|"
    "+49 30 901820|+33 1 42 68 53 00|1-800-273-8255|(555) 123-4567|555-867-5309|"
    "+91 98765 43210|202 456 1111",
    "card": "4111 1111 1111 1111|4111111111111111|5500-0055-5555-5559|3782 822463 10005|"
    "6011111111111117|3530111333300000|30569309025904|2223003122003222",
    "iban": "GB82 WEST 1234 5698 7654 32|DE89370400440532013000|FR1420041010050500013M02606|"
    "NL91 ABNA 0417 1643 00|es91 2100 0418 4502 0005 1332|NO93 8601 1117 947",
    "ip": "8.8.8.8|192.168.1.17|203.0.113.99|2001:db8::8a2e:370:7334|"
    "2001:0db8:85a3:0000:0000:8a2e:0370:7334|fe80::1ff:fe23:4567:890a",
    "ssn": "123-45-6789|078 05 1120|219-09-9999|SSN 219099999|social security number: 457555462",
}
AROUND = ("My own is {}.", "Write to me: {}, please", "({})", "{}", "Yes!! {} is it; call 5 of us")
PLAIN = """I paid $12.50 for 2 tacos and $3 for a 12 oz soda.
We came at 7:30 pm on 12/24/2023 and left at 10:15.
The 2nd time, on 2024-01-02, table 14 waited 45 minutes.
Call me at 5, ok? Or text by 6.
Open Mon-Fri 11-9, Sat-Sun 10-10.
Order no. 4417-1234 never came; ref 20231224-0017.
Version 1.2.3.4 of the app is broken, so is v10.0.0.1.
My score: 9.5/10, 100% would go again in 2025.
Suite 300, 1600 Pennsylvania Ave, 20500.
It cost 1,234,567.89 rupees.
Win a £1000 prize! Txt WIN to 87121 by 31/12/05, 18+ 150p/msg
Use code SAVE20 @ checkout, 5 @ $3.50 each
follow us @soupbar or #soup
The ratio was 3:2:1, the time 12:30:45.
Flight BA 2490, seat 14C, gate 23, 1999.
Pi is 3.14159265358979, e 2.718281828459045.
A 16-digit number: 1234 5678 9012 3456.
Isbn 978-3-16-148410-0 is on page 404.
The secret is more butter. The password is please.
Token: one free drink. Key: medium rare.
std::vector and face::book are no addresses.
999-99-9999 and 000-12-3456 belong to no one.
localhost is 127.0.0.1 or ::1
I waited 30-40 min, 3 tables of 4-6 people, 2 servers.
9 out of 10! 12345 67890 steps on my watch
Monday/Tuesday/Wednesday were incomprehensibilities.
https://example.org/menu?id=12345678 has prices
GB 2023 WEST END 1234, DE 89 cups""".split("\n")


def test_planted_data_is_found_with_its_span() -> None:
    found = total = 0
    missed = []
    for kind, values in PLANTED.items():
        for value in values.split("|"):
            for around in AROUND:
                text = around.format(value)
                spans = find_pii(text)
                total += 1
                hit = [(kind, value)] == [(span.kind, span.text) for span in spans]
                found += hit
                if not hit:
                    missed.append((text, spans))
                assert all(text[span.start : span.end] == span.text for span in spans)
    assert missed == []
    assert wilson(found, total)[0] > 0.98


def test_prices_dates_and_numbers_are_not_personal_data() -> None:
    wrong = [(text, spans) for text in PLAIN if (spans := find_pii(text) + find_secrets(text))]
    assert wrong == []
    assert wilson(len(wrong), len(PLAIN))[1] < 0.13


@pytest.mark.parametrize(
    "number",
    ["4111 1111 1111 1112", "1234567812345670", "0000000000000000", "GB82WEST12345698765433"],
)
def test_a_number_with_a_wrong_check_digit_is_not_found(number: str) -> None:
    assert find_pii(number, kinds=["card", "iban"]) == []


def test_numbers_of_another_country_need_its_region() -> None:
    assert find_pii("Call 020 7946 0958 now") == []
    assert [span.text for span in find_pii("Call 020 7946 0958 now", region="GB")] == [
        "020 7946 0958"
    ]


def test_only_the_given_kinds_are_found_and_named() -> None:
    text = "ann@example.org, 8.8.8.8"
    assert [span.kind for span in find_pii(text, kinds="ip")] == ["ip"]
    curation = apply_filters([{"id": "a", "text": text}], no_pii(kinds=["email", "ip"]))
    assert curation.dropped["why"].tolist() == ["personal data: email, ip"]
    assert curation.funnel[0].name == "no personal data (email, ip; US)"
    assert curation.funnel[0].reasons == {"personal data": 1}
    with pytest.raises(UsageError, match=r"'emial' not found.*Did you mean 'email'"):
        no_pii(kinds=["emial"])
    with pytest.raises(UsageError, match="region 'UK' not found"):
        no_pii(region="UK")


def test_redacting_keeps_the_rest_and_the_kind_of_table(make: Any, kind: str) -> None:
    text = "I am ann@example.org, key AKIAIOSFODNN7EXAMPLE."
    table = make({"id": ["a", "b", "c"], "text": [text, "soup", None]})
    result = redact(table)
    assert tables.kind(result) == kind
    assert tables.column(result, "text") == ["I am [EMAIL], key [AWS ACCESS KEY].", "soup", None]
    assert tables.column(result, "redacted") == [2, 0, 0]
    assert tables.column(table, "text")[0] == text
    assert tables.column(redact(table, kinds=(), secrets=False), "text")[0] == text
    assert no_pii().judge(result) == ["", "", "missing"]


@pytest.mark.parametrize("piece", ["a@", "a.", "GB82 "])
def test_a_long_text_is_searched_in_linear_time(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    assert len(find_pii(text, kinds=[kind for kind in KINDS if kind != "phone"])) >= 0


def test_cells_that_are_not_texts_are_searched() -> None:
    rows = {
        "id": list("abcd"),
        "text": [None, 4111111111111111, {"mail": "a@b.org"}, "你好 a@b.org"],
    }
    assert no_pii().judge(rows) == [
        "missing",
        "personal data: card",
        "personal data: email",
        "personal data: email",
    ]
    assert len(apply_filters({"id": [], "text": []}, no_pii()).kept) == 0


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("请联系foo@example.com谢谢", "foo@example.com"),
        ("卡号4111111111111111。", "4111111111111111"),
        ("地址是192.168.10.24的", "192.168.10.24"),
        ("บัตร4111111111111111ครับ", "4111111111111111"),
        ("口座はGB82 WEST 1234 5698 7654 32です", "GB82 WEST 1234 5698 7654 32"),
        ("社保078-05-1120号", "078-05-1120"),
        ("почта: имя@example.com.", "имя@example.com"),
    ],
)
def test_data_beside_a_script_without_spaces_is_found_alone(text: str, data: str) -> None:
    kinds = ("email", "card", "iban", "ip", "ssn")
    assert [text[span.start : span.end] for span in find_pii(text, kinds=kinds)] == [data]


def test_an_own_column_redacted_is_kept() -> None:
    rows = [{"text": "I am a@b.org.", "redacted": "mine"}]
    assert redact(rows).to_dict("records") == [
        {"text": "I am [EMAIL].", "redacted_2": "mine", "redacted": 1}
    ]
