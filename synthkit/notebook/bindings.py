"""Variables that cells and verbs bind: a name is never taken silently from what holds it."""

from __future__ import annotations

import builtins
import keyword
import types
from collections.abc import Collection, Iterable, Mapping, MutableMapping
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.notebook.names import is_model, python_name


def check_variable(name: str, hidden: Collection[str] = ()) -> str:
    """Return ``name`` if a cell can bind a variable of that name.

    Parameters
    ----------
    hidden : variables of the notebook itself, such as ``In``.

    Raises
    ------
    UsageError
        If it is no identifier, or a keyword, a builtin or a name of IPython's own.
    """
    if not name.isidentifier():
        raise UsageError(f"expected a variable's name; got {name!r}.")
    if keyword.iskeyword(name):
        reason = "is a keyword of Python"
    elif name.startswith("_"):
        reason = "begins with '_', as IPython's own variables do"
    elif hasattr(builtins, name):
        reason = "is a function of Python"
    elif name in hidden:
        reason = "is a variable of IPython"
    else:
        return name
    raise UsageError(f"{name!r} {reason}; choose another name for the variable.")


class Bindings:
    """The variables of a notebook, and which of them cells and verbs have bound.

    Parameters
    ----------
    variables : the notebook's variables by name.
    """

    def __init__(self, variables: MutableMapping[str, Any]) -> None:
        self.variables = variables
        self._owners: dict[str, str] = {}

    def check(self, name: str, owner: str) -> None:
        """Raise a :class:`UsageError` if ``name`` holds a module, a function, a class or a model.

        Parameters
        ----------
        owner : who wants to bind it, such as ``"%%synth reviews"``.
        """
        value = self.variables.get(name)
        code = isinstance(value, types.ModuleType) or callable(value) or is_model(value)
        if code and self._owners.get(name) != owner:
            raise UsageError(f"{name!r} is a {_kind(value)} in this notebook; choose another name.")

    def free(self, names: Iterable[str], owner: str, taken: Collection[str] = ()) -> dict[str, str]:
        """Name -> the name to bind: with a number where another cell, verb or the user has it.

        What is no name of a variable, such as ``reviews-2``, becomes one, such as ``reviews_2``.

        Parameters
        ----------
        taken : further names that may not be bound.
        """
        chosen: dict[str, str] = {}
        for name in names:
            chosen[name] = self._free(name, owner, {*taken, *chosen.values()})
        return chosen

    def bind(
        self, values: Mapping[str, Any], owner: str, chosen: Collection[str] = ()
    ) -> dict[str, str]:
        """Set variables, and return name -> the name that was bound.

        Parameters
        ----------
        owner : who binds them. What it bound itself is replaced; other variables are kept.
        chosen : names that the user wrote, which are bound in any case.
        """
        names = {name: name for name in values if name in chosen}
        names |= self.free([name for name in values if name not in names], owner, names)
        for name, value in values.items():
            self.variables[names[name]] = value
            self._owners[names[name]] = owner
        return {name: names[name] for name in values}

    def owner(self, name: str) -> str:
        """Who bound a variable; empty if no cell or verb did."""
        return self._owners.get(name, "")

    def holder(self, name: str) -> str:
        """Who holds a variable, in words."""
        return f"a variable of {self._owners[name]}" if name in self._owners else "your variable"

    def _free(self, name: str, owner: str, taken: Collection[str] = ()) -> str:
        name = python_name(name)
        numbered = (f"{name}_{n}" for n in range(2, len(self.variables) + len(taken) + 3))
        return next(
            each
            for each in (name, *numbered)
            if each not in taken and (each not in self.variables or self._owners.get(each) == owner)
        )


def _kind(value: Any) -> str:
    """What a value is, in a word."""
    if is_model(value):
        return "model"
    if isinstance(value, type):
        return "class"
    return "module" if isinstance(value, types.ModuleType) else "function"
