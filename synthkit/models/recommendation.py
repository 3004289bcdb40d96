"""Which local model suits this machine, by its memory and GPU, and why. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from synthkit.models.hub.hub_models import HUB_MODELS, HubModel, Precision
from synthkit.models.local import memory

CPU_PARAMETERS = 2_000_000_000
"""Above this size a CPU is too slow for datasets: it reads all weights for each token."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What counts for the choice: the bytes of memory for a model, and whether a GPU has them."""

    memory: int
    gpu: bool

    @property
    def name(self) -> str:
        """The memory in words."""
        size = f"{self.memory / 1e9:.1f} GB" if self.memory else "unknown size"
        return f"{size} of {'GPU memory' if self.gpu else 'memory'}"


def this_machine() -> Machine:
    """The first GPU if torch can use one, else the memory that this process may use."""
    gpu = memory.cuda_bytes()
    return Machine(gpu or memory.total("cpu"), gpu > 0)


def fitting(model: HubModel, machine: Machine) -> Precision | None:
    """The most exact form whose weights take at most half of the memory; ``None`` if none does.

    The other half is for activations, keys and values, and what else runs. A CPU may compute in
    float32, which takes twice the memory of bfloat16.
    """
    forms: tuple[Precision, ...] = ("bf16", "nf4") if machine.gpu else ("fp32", "bf16", "nf4")
    return next((form for form in forms if model.size(form) <= machine.memory // 2), None)


def recommended(machine: Machine) -> tuple[str, str]:
    """The name of a model for a machine, and the reason.

    Of the models that are the first choice of their size it is the largest that fits: on a CPU as
    float32 and of at most 2 billion parameters, on a GPU as bfloat16 or nf4.

    Examples
    --------
    >>> recommended(Machine(2_000_000_000, gpu=False))[0]
    'smollm2'
    >>> name, why = recommended(Machine(16_000_000_000, gpu=False))
    >>> name
    'granite-4.0-1b'
    """
    chosen, form = None, None
    for model in HUB_MODELS.values():
        fits = fitting(model, machine)
        quick = machine.gpu or (fits == "fp32" and model.parameters <= CPU_PARAMETERS)
        if model.suggested and fits and quick:
            chosen, form = model, fits
    if chosen is None or form is None:
        return "smollm2", f"larger models may take more than half of the {machine.name}."
    why = f"its {chosen.size(form) / 1e9:.1f} GB of {form} weights fit into half of the "
    why += f"{machine.name}"
    slow = "; larger models would be slow without a GPU" if not machine.gpu else ""
    return chosen.name, f"{why}{slow}."
