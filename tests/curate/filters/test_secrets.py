from __future__ import annotations

import pytest

from synthkit.curate import apply_filters, find_secrets, no_secrets

SECRETS = """AKIAIOSFODNN7EXAMPLE
ghp_16C7e42F292c6912E7710c838347Ae178B4a
github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz0123456789
sk-proj-abcdEFGH1234ijklMNOP5678qrstUVWX
sk-ant-api03-abcdEFGH1234ijklMNOP5678qrstUVWX_yz
hf_abcdefghijklmnopqrstuvwxyzABCDEFGH
AIzaSyA1234567890abcdefghijklmnopqrstuv
xoxb-123456789012-123456789012-abcdefABCDEF
sk_test_4eC39HqLyjWDarjtT1zdp7dc
glpat-abcDEF1234567890ghij
npm_abcdefghijklmnopqrstuvwxyz0123456789
SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG
eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefgh-ijkl_mnop
123456789:abcdefghijklmnopqrstuvwxyz012345678
password: hunter2hunter2
API_KEY="9f86d081884c7d659a2feaa0c55ad015"
https://ann:pa55word@example.org/
Bearer abcdefghij1234567890klmnop
-----BEGIN RSA PRIVATE KEY-----\\nMIIEow\\n-----END RSA PRIVATE KEY-----""".split("\n")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["{}", "Use {} for it", "key: '{}'."])
def test_a_planted_secret_is_found(secret: str, around: str) -> None:
    text = around.format(secret.replace("\\n", "\n"))
    assert no_secrets().judge([{"text": text}])[0].startswith("secret: ")
    (span, *more) = find_secrets(text)
    assert more == []
    assert len(span.text) >= 12


@pytest.mark.parametrize("piece", ["token=", "://a:b", "eyJa.eyJb.", "-----BEGIN", "a."])
def test_a_long_text_is_searched_in_linear_time(piece: str) -> None:
    assert isinstance(find_secrets(piece * (300_000 // len(piece))), list)


def test_a_table_without_rows_stays_empty() -> None:
    assert len(apply_filters({"id": [], "text": []}, no_secrets()).kept) == 0


def test_a_key_beside_a_script_without_spaces_is_found_alone() -> None:
    key = "hf_" + "aB3" * 12
    text = f"密钥{key}请保密"
    assert [text[span.start : span.end] for span in find_secrets(text)] == [key]
