"""A trained reward model: it scores completions, higher is better."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.hashing import canonical
from synthkit.data import tables
from synthkit.models.hub import resolve
from synthkit.train.examples import conversation
from synthkit.train.settings import TrainSettings
from synthkit.train.setup import REWARD, device_name, loaded, undisturbed
from synthkit.train.tokenizer import reading_as_text
from synthkit.train.trained import Trained

BATCH = 8
"""Texts in one pass."""


class RewardModel(Trained):
    """Scores of completions by a model that :func:`synthkit.train.reward` trained.

    A score is the reward r of the Bradley-Terry model: of two completions of one prompt, the first
    is preferred with probability ``sigmoid(r_1 - r_2)``. So scores are compared, above all, between
    completions of one prompt; 0 has no meaning of its own.

    It is a function of a row, and so a reward of :func:`synthkit.train.grpo`. :meth:`rate` adds
    scores to a table, for ``curate.by_column`` and for charts; :meth:`at_least` is a check and a
    filter.

    Parameters
    ----------
    folder : of the adapter, or of all weights.
    record : as that of a :class:`~synthkit.train.TrainedModel`.

    Examples
    --------
    >>> scorer = load_trained(folder)  # doctest: +SKIP
    >>> scorer({"prompt": "How was it?", "completion": "The soup was warm."})  # doctest: +SKIP
    1.27
    """

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        super().__init__(folder, record)
        self.name = self.label
        source = resolve.find(self.spec)
        self.fingerprint = canonical(
            {
                "weights": source.identity.weights,
                "template": "raw" if record["settings"]["raw"] else source.identity.template,
                "quantize": record["settings"]["quantize"],
                "adapter": self.adapter,
                "head": "reward",
            }
        ).decode()

    def __repr__(self) -> str:
        return f"RewardModel({self.name!r})"

    def __call__(self, row: Mapping[str, Any]) -> float | None:
        """The score of one row, with ``prompt`` and ``completion``."""
        return self.scores([dict(row)])[0]

    def scores(
        self, table: Any, *, prompt: str = "prompt", completion: str = "completion"
    ) -> list[float | None]:
        """The score of each row; ``None`` if a text is missing, or longer than the context.

        Parameters
        ----------
        table : of any kind.
        prompt, completion : names of columns, with texts or lists of turns.

        Raises
        ------
        TableError
            If a column is missing.
        """
        import torch

        tables.check_columns(table, [prompt, completion])
        tokenizer, net = self._loaded
        rows = list(
            zip(tables.column(table, prompt), tables.column(table, completion), strict=True)
        )
        raw = bool(self.record["settings"]["raw"])
        ids = [_tokens(tokenizer, conversation(*cells, raw=raw)) for cells in rows]
        context = getattr(net.config.get_text_config(), "max_position_embeddings", None)
        found: list[float | None] = [None] * len(ids)
        usable = [at for at, row in enumerate(ids) if row and len(row) <= (context or len(row))]
        usable.sort(key=lambda at: len(ids[at]))  # so that little time goes to padding
        for start in range(0, len(usable), BATCH):
            some = usable[start : start + BATCH]
            batch = tokenizer.pad({"input_ids": [ids[at] for at in some]}, return_tensors="pt")
            with torch.inference_mode():
                logits = net(**batch.to(net.device)).logits
            for at, score in zip(some, logits[:, 0].float().tolist(), strict=True):
                found[at] = score
        return found

    def rate(
        self,
        table: Any,
        *,
        column: str = "reward",
        prompt: str = "prompt",
        completion: str = "completion",
    ) -> Any:
        """The table with a column of scores; its rows and ids stay.

        Examples
        --------
        >>> rated = scorer.rate(answers)  # doctest: +SKIP
        >>> curate.apply_filters(rated, curate.by_column("reward", least=0))  # doctest: +SKIP
        """
        found = self.scores(table, prompt=prompt, completion=completion)
        return tables.annotate(table, {column: found})

    def at_least(
        self, threshold: float, *, prompt: str = "prompt", completion: str = "completion"
    ) -> Callable[[Mapping[str, Any]], tuple[bool | None, str]]:
        """A check that a row's score is at least ``threshold``.

        It is a function of a row, as ``%synth filter TABLE --by``, ``curate.row_filter``, the
        prompt lab and ``evaluate.checks.function`` take it.

        Examples
        --------
        >>> good = scorer.at_least(0.5)  # doctest: +SKIP
        >>> curate.apply_filters(answers, curate.row_filter(good))  # doctest: +SKIP
        """

        def check(row: Mapping[str, Any]) -> tuple[bool | None, str]:
            (score,) = self.scores([dict(row)], prompt=prompt, completion=completion)
            if score is None:
                return None, "no reward: a text is missing or too long"
            passed = score >= threshold
            return passed, "" if passed else f"reward too low: {score:.4g}"

        check.__name__ = f"reward >= {threshold:g}"
        return check

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """The tokenizer, and the net in evaluation mode."""
        own = self.record["settings"]
        names = [field.name for field in fields(TrainSettings)]
        settings = TrainSettings(**{name: own[name] for name in names if name in own})
        with undisturbed():
            tokenizer, net = loaded(
                self.spec, resolve.find(self.spec), settings, device_name(), REWARD
            )
            if self.adapted:
                import peft

                net = peft.PeftModel.from_pretrained(net, str(self.folder))
        padding = tokenizer.pad_token or tokenizer.eos_token
        if padding is None:
            raise UsageError(f"{self.name} has no token for padding or for the end of a text.")
        tokenizer.pad_token, tokenizer.padding_side = padding, "right"
        net.config.get_text_config().pad_token_id = tokenizer.pad_token_id
        return reading_as_text(tokenizer, raw=settings.raw), net.eval()


def _tokens(tokenizer: Any, text: Any) -> list[int]:
    """The tokens of a conversation, or of a text and its end, as trl reads them."""
    if text is None:
        return []
    if isinstance(text, str):
        end = tokenizer.eos_token or ""
        return list(tokenizer(text if text.endswith(end) else text + end)["input_ids"])
    return list(tokenizer.apply_chat_template(text, tokenize=True, return_dict=True)["input_ids"])
