from __future__ import annotations

import pytest

from synthkit.models.hub.hub_models import HUB_MODELS
from synthkit.models.recommendation import CPU_PARAMETERS, Machine, fitting, recommended

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("gigabytes", "gpu", "name"),
    [
        (0, False, "smollm2"),  # unknown
        (2, False, "smollm2"),
        (4, False, "qwen2.5-0.5b"),
        (16, False, "granite-4.0-1b"),
        (256, False, "granite-4.0-1b"),
        (4, True, "granite-4.0-1b"),
        (8, True, "qwen3-4b"),
        (80, True, "qwen3-4b"),
    ],
)
def test_a_machine_gets_the_largest_first_choice_that_fits(
    gigabytes: int, gpu: bool, name: str
) -> None:
    machine = Machine(gigabytes * GB, gpu)
    chosen, why = recommended(machine)
    assert chosen == name
    size = f"{gigabytes}.0 GB" if gigabytes else "unknown size"
    assert f"{size} of {'GPU memory' if gpu else 'memory'}" in why
    assert ("without a GPU" in why) == (not gpu and chosen in HUB_MODELS)
    if chosen in HUB_MODELS:
        model = HUB_MODELS[chosen]
        assert model.suggested
        assert gpu or model.parameters <= CPU_PARAMETERS


def test_a_model_fits_in_its_most_exact_form() -> None:
    model = HUB_MODELS["qwen3-8b"]
    forms = [fitting(model, Machine(gigabytes * GB, gpu=False)) for gigabytes in (8, 16, 40, 80)]
    assert forms == [None, "nf4", "bf16", "fp32"]
    assert fitting(model, Machine(80 * GB, gpu=True)) == "bf16"
