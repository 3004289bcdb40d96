from __future__ import annotations

import pytest

from synthkit.core.errors import PromptError
from synthkit.recipes._cell_sections import sections


def test_roles_and_rules_within_a_section_are_its_text() -> None:
    text = "--- system\nBe brief.\n--- user\n{{ x }}\n---\n"
    assert sections(f"---field a\r\n{text}", "field") == ("", {"a": ("", text)})


@pytest.mark.parametrize("line", ["--- field", "--- field a b", "--- field : x", "--- field 1"])
def test_a_line_without_a_name_is_refused(line: str) -> None:
    with pytest.raises(PromptError, match="expected a line '--- field NAME'"):
        sections(f"{line}\nText.", "field")


def test_a_name_is_given_once() -> None:
    with pytest.raises(PromptError, match="'a' is given twice"):
        sections("--- role a\nX.\n--- role a\nY.", "role")
