"""Templates that would fill the memory are refused; ordinary ones are not."""

from __future__ import annotations

import pytest

from synthkit.core.errors import PromptError
from synthkit.prompts.templates import parse


def text(template: str, **values: object) -> str:
    return parse(template).render(values)[-1].content


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 10**9 }}",
        "{{ 10**9 * 'a' }}",
        "{{ [1] * 10**9 }}",
        "{{ 10 ** (10 ** 9) }}",
        "{{ 'x' | center(10**9) }}",
        "{{ 'x' | indent(10**9) }}",
        "{{ 'x'.ljust(10**9) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{" + "(" * 3000 + "1" + ")" * 3000 + "}}",
        "{% if 1 %}" * 3000 + "{% endif %}" * 3000,
    ],
)
def test_a_template_that_makes_too_much_is_refused(template: str) -> None:
    with pytest.raises(PromptError):
        text(template)


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("{{ '-' * 3 }}{{ x * 2 }}{{ 3 * 4 }}", "---424212"),
        ("{{ 2 ** 10 }} {{ 10 ** 10 }} {{ 2.5 ** 2 }}", "1024 10000000000 6.25"),
        ("{{ '%05d' % 7 }} {{ '%s' | format('a') }} {{ '{:>4}'.format('b') }}", "00007 a    b"),
        ("{{ 'call 5551234567' | upper }} {{ 'call 5551234567 {}'.format(1) }}",
         "CALL 5551234567 call 5551234567 1"),
        ("{{ 'a' | center(5) }}|{{ 5551234567 }}", "a  |5551234567"),
    ],
)  # fmt: skip
def test_ordinary_templates_are_rendered(template: str, made: str) -> None:
    assert text(template, x="42") == made
