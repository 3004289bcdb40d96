"""The notebook as verbs see it: its names, session, models, embedders, and what they may show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from functools import cached_property
from numbers import Number
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from IPython.display import display

from synthkit.core.environment import interactive
from synthkit.core.errors import UsageError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from synthkit.core.models import Model
    from synthkit.core.types import Sampling
    from synthkit.models.embedders import Embedder
    from synthkit.notebook.bindings import Bindings
    from synthkit.notebook.names import Names
    from synthkit.sessions.session import Session

T = TypeVar("T")

EMBEDDER = "wordllama"
"""The default embedder: small, and without torch."""


_EXPRESSION = re.compile(r"(?:(?<!\S)|(?<=\w=))\{([^{}]+)\}(?!\S)")
_VARIABLE = re.compile(r"(?P<start>[\w.-]+=|)@(?P<name>[^\W\d]\w*)")


def _is_plain(value: Any) -> bool:
    """Whether a value can be written into a line as it is."""
    return isinstance(value, str | Number | PurePath)


class Settings(Protocol):
    """The settings of a notebook, which ``%config SynthMagics`` lists and sets.

    Parameters
    ----------
    model : the spec of the default model.
    folder : the session's folder.
    temperature, max_tokens, seed : the default sampling; with ``None`` the model decides.
    preview_rows : the rows of a table that a static output shows.
    """

    model: str
    folder: str
    temperature: float | None
    max_tokens: int | None
    seed: int | None
    preview_rows: int


class Context:
    """What a verb uses of the notebook.

    Parameters
    ----------
    settings : see :class:`Settings`; a verb may change them.
    """

    def __init__(self, shell: InteractiveShell, settings: Settings) -> None:
        self.settings = settings
        self._shell = shell
        self._models: dict[str, Model] = {}
        self._embedders: dict[str, Embedder] = {}
        self.used: dict[str, Any] = {}
        """The texts and numbers that a line named, by their names."""
        self.verb = ""
        """The verb that runs, such as ``%synth filter``."""
        self._shown: dict[str | None, tuple[str | None, list[Any]]] = {}
        self._hints: set[tuple[str, str]] = set()

    @property
    def variables(self) -> dict[str, Any]:
        """The notebook's variables by name."""
        return cast("dict[str, Any]", self._shell.user_ns)

    @property
    def names(self) -> Names:
        """The notebook's variables and the session's tables, as a line names them."""
        from synthkit.notebook.names import Names

        return Names(self.variables, self.session, self._shell.user_ns_hidden)

    @property
    def session(self) -> Session:
        """The session in the folder of the settings."""
        from synthkit.sessions.current import session

        return session(self.settings.folder)

    @property
    def sampling(self) -> Sampling:
        """The default sampling."""
        from synthkit.core.types import Sampling

        s = self.settings
        return Sampling(temperature=s.temperature, max_tokens=s.max_tokens, seed=s.seed)

    def bind(
        self, variables: Mapping[str, Any], *, by: str = "", chosen: Collection[str] = ()
    ) -> str:
        """Set variables of the notebook; returns ``"bound a, b"`` for a message.

        A variable that something else has bound is kept: the new one gets a number then.

        Parameters
        ----------
        by : the cell or verb that binds them; by default the verb that runs.
        chosen : names that the user wrote, which are bound in any case.
        """
        from synthkit.notebook.names import python_name

        bound = self.bindings.bind(variables, by or self.verb, chosen)
        for name, other in bound.items():
            if (name := python_name(name)) != other:
                print(f"{name} is {self.bindings.holder(name)} and stays; {other} is bound here.")
        return f"bound {', '.join(bound.values())}"

    def hint(self, text: str) -> None:
        """Print a line, once in each session, if a person sees it."""
        hint = self.settings.folder, text
        if interactive() and hint not in self._hints:
            self._hints.add(hint)
            print(text)

    def check_variable(self, name: str, *, by: str = "") -> str:
        """Return ``name`` if a variable of that name can be bound.

        Raises
        ------
        UsageError
            If it is a word of Python or IPython, or holds a model, a module or a function.
        """
        from synthkit.notebook.bindings import check_variable

        check_variable(name, self._shell.user_ns_hidden)
        self.bindings.check(name, by or self.verb)
        return name

    @cached_property
    def bindings(self) -> Bindings:
        """Which variables cells and verbs have bound."""
        from synthkit.notebook.bindings import Bindings

        return Bindings(self.variables)

    def evaluated(self, line: str) -> str:
        """The line with the value of each ``{expression}`` that is a word or ends one.

        What is in quotation marks stays, and an expression of anything but a text or a number.

        Raises
        ------
        UsageError
            If an expression cannot be evaluated.
        """

        def value(match: re.Match[str]) -> str:
            try:
                value = eval(match[1], self.variables)
            except Exception as error:  # of the user's expression
                reason = f"{type(error).__name__}: {error}"
                raise UsageError(f"{match[0]} cannot be evaluated: {reason}") from error
            return shlex.quote(str(value)) if _is_plain(value) else match[0]

        return _EXPRESSION.sub(value, line)

    def named(self, text: str) -> str:
        """The text, with the value of ``@variable`` if it is one or ends in one: a text or number.

        Anything else that a variable holds is up to the option.
        """
        if (match := _VARIABLE.fullmatch(text)) is None:
            return text
        name = match["name"]
        if name in self.variables:
            value = self.variables[name]
        else:
            value = self.session.load(name) if name in self.session.inputs() else None
        if not _is_plain(value):
            return text
        self.used[name] = value
        return f"{match['start']}{value}"

    def model(self, spec: str | None = None) -> Model:
        """The model in a variable, or the one that a spec names, loaded once; else the default."""
        from synthkit.models.schemes import MODEL_SCHEMES, load_model, parameter_names
        from synthkit.notebook.names import is_model

        spec = spec or self.settings.model
        value = self.variables.get(spec.removeprefix("@"))
        if is_model(value):
            return cast("Model", value)
        scheme = spec.partition(":")[0]
        if scheme in MODEL_SCHEMES and "store" in parameter_names(MODEL_SCHEMES[scheme]):
            return load_model(spec, store=self.session.store)  # it belongs to one session
        if spec not in self._models:
            self._models[spec] = load_model(spec)
        return self._models[spec]

    def embedder(self, spec: str = EMBEDDER) -> Embedder:
        """The embedder in a variable, or the one that a spec names, loaded once."""
        value = self.variables.get(spec.removeprefix("@"))
        if hasattr(value, "embed"):
            return cast("Embedder", value)
        if spec not in self._embedders:
            from synthkit.models.embedders import load_embedder

            self._embedders[spec] = load_embedder(spec)
        return self._embedders[spec]

    def show(self, widget: T) -> T:
        """Display a widget and return it; closes the widgets of this cell's previous run."""
        parent = self._shell.get_parent() if hasattr(self._shell, "get_parent") else {}
        request = parent.get("header", {}).get("msg_id")
        cell = parent.get("metadata", {}).get("cellId", request)
        shown_by, widgets = self._shown.get(cell, (None, []))
        if shown_by != request:
            for old in widgets:
                old.close()
            widgets = []
        self._shown[cell] = request, [*widgets, widget]
        display(widget)
        return widget

    @property
    def widgets(self) -> list[Any]:
        """The open widgets that cells have shown, the latest last."""
        shown = (widget for _, widgets in self._shown.values() for widget in widgets)
        return [widget for widget in shown if widget.comm is not None]
