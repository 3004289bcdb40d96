"""Settings of chat templates: the variables that they get, and what is refused before loading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthkit.core.errors import ChatTemplateMissing, UsageError

OPTIONS = "chat_template_kwargs"
"""The key of ``Sampling.extra`` with variables for the template, named as in vLLM."""
RESERVED = frozenset(
    "messages conversation tools documents chat_template add_generation_prompt tokenize padding "
    "continue_final_message truncation max_length return_tensors return_dict tokenizer_kwargs "
    "return_assistant_tokens_mask sanitize_control_tokens".split()
)
"""Names of what synthkit or transformers itself gives the template."""


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse variables for the template that it cannot get.

    Raises
    ------
    UsageError
        If one has no name, or a name that is taken.
    """
    for name in options:
        if not isinstance(name, str) or not name.isidentifier() or name in RESERVED:
            raise UsageError(
                f"{OPTIONS} maps names of the chat template's own variables to values, such as "
                f"{{'enable_thinking': False}}; got the name {name!r}."
            )


def check_use(options: Mapping[str, Any], *, raw: bool, control: bool) -> None:
    """Refuse settings of a model that do not go together.

    Raises
    ------
    UsageError
        If variables are given for a template that is not used, or control tokens with one.
    """
    check_options(options)
    if control and not raw:
        raise UsageError(
            "control_tokens=True needs raw=True: in a chat, the template writes the control tokens"
        )
    if options and raw:
        raise UsageError("chat_template_kwargs need a chat template, which raw=True does not use")


def check_present(spec: str, template: str) -> None:
    """Refuse a model without a chat template, as its identity says.

    Raises
    ------
    ChatTemplateMissing
        If ``template`` is ``"none"``.
    """
    if template == "none":
        raise ChatTemplateMissing(
            f"{spec} has no chat template, so it cannot read messages. If it is a base model, "
            "load it with raw=True: it then continues the text of the prompt."
        )
