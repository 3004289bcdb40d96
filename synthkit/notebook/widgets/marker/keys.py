"""The keys of the marker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from synthkit.core.errors import UsageError, check_known

KEYS = {
    "accept": "a",
    "reject": "x",
    "skip": " ",
    "edit": "e",
    "reason": "c",
    "flag": "f",
    "prompt": "p",
    "why": "w",
    "back": "Backspace",
    "undo": "u",
    "redo": "U",
    "search": "/",
    "bulk": "b",
    "previous": "ArrowLeft",
    "next": "ArrowRight",
    "help": "?",
}
"""Action -> key, named as browsers name keys."""
PAIR_KEYS = {
    "left": "ArrowLeft",
    "right": "ArrowRight",
    "tie": "t",
    "skip": " ",
    "reason": "c",
    "flag": "f",
    "compare": "d",
    "back": "Backspace",
    "undo": "u",
    "redo": "U",
    "search": "/",
    "bulk": "b",
    "previous": "p",
    "next": "n",
    "help": "?",
}
"""Action -> key where two texts are compared."""
SECOND_KEYS = {"1": "left", "2": "right", "0": "tie"}
"""Second keys of a comparison, unless they are bound to something else."""
_RESERVED = {"Tab", "Enter", "Escape", "Shift", "Control", "Alt", "Meta"}


def bindings(
    keys: Mapping[str, str], labels: Sequence[str] = (), *, pair: bool = False
) -> dict[str, str]:
    """Action -> key: the defaults, changed by ``keys``, and digits for ``labels``.

    ``space`` stands for the space bar.

    Raises
    ------
    UsageError
        If an action is unknown, a key cannot be used, or two actions have the same key.

    Examples
    --------
    >>> bindings({"accept": "j"})["accept"]
    'j'
    """
    defaults, labels = (PAIR_KEYS, ()) if pair else (KEYS, labels)
    # labels take the place of accept
    actions = {name: key for name, key in defaults.items() if not (labels and name == "accept")}
    check_known("action", keys, actions)
    chosen = {action: " " if key == "space" else key for action, key in keys.items()}
    digits = {f"={label}": str(n) for n, label in enumerate(labels, 1)}
    bound = {**actions, **chosen, **digits}
    for action, key in bound.items():
        if not key or key in _RESERVED or (len(key) > 1 and not key[0].isupper()):
            raise UsageError(
                f"{key!r} cannot be the key of {action!r}: expected one character, 'space' or a "
                "named key such as 'ArrowUp'."
            )
        same = [other for other, used in bound.items() if used == key and other != action]
        if same:
            raise UsageError(
                f"the key {key!r} would mean both {action.lstrip('=')!r} and "
                f"{same[0].lstrip('=')!r}; give one of them another key."
            )
    return bound


def second_keys(bound: Mapping[str, str]) -> dict[str, str]:
    """Key -> action: the second keys of a comparison that are not bound otherwise."""
    return {key: action for key, action in SECOND_KEYS.items() if key not in bound.values()}
