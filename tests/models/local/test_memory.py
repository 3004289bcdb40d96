from __future__ import annotations

import pytest

from synthkit.core.errors import NotEnoughMemory
from synthkit.models.local import memory

GB = 10**9


def test_the_refusal_has_the_numbers_and_what_to_do() -> None:
    there = memory.Memory(2 * GB, GB, "the control group of this process")
    memory.preflight("m", GB, lambda: there, "")
    with pytest.raises(NotEnoughMemory) as caught:
        memory.preflight("m", 3 * GB, lambda: there, 'Use quantize="nf4".')
    memory.preflight("m", 10**15, lambda: None, "")  # where nothing is known, nothing is refused
    assert str(caught.value) == (
        "m needs about 3.00 GB of memory, but 1.00 GB are free of the 2.00 GB of the control group "
        'of this process. Use quantize="nf4".'
    )
