"""Sentence embeddings from transformers: token states, pooled as the model's folder asks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError, check_known, check_positive
from synthkit.core.extras import need
from synthkit.core.hashing import canonical
from synthkit.models.embedders import embedder, normalized
from synthkit.models.hub import catalog, fingerprint, resolve

Pooling = Literal["mean", "cls", "max", "last"]

WHY = "to embed texts"
BATCH = 64
_FLAGS: dict[str, Pooling] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last",
}
_SIZES = ("hidden_size", "dim", "d_model", "n_embd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How a text becomes a vector.

    Parameters
    ----------
    pooling : of the token states: their mean, the first token's, their maximum or the last token's.
    max_tokens : texts are cut there; ``None`` is the limit of the tokenizer and the model.
    prompt : is put before each text.
    lower_case : whether texts are lower-cased first.
    """

    pooling: Pooling = "mean"
    max_tokens: int | None = None
    prompt: str = ""
    lower_case: bool = False


class SentenceEmbedder:
    """A transformer's token states, pooled to one vector for each text.

    Parameters
    ----------
    folder : where transformers finds the weights and the tokenizer.
    dim : the length of a vector.
    """

    def __init__(
        self, name: str, folder: Path, fingerprint: str, dim: int, encoding: Encoding
    ) -> None:
        self.name, self.folder, self.fingerprint, self.dim = name, folder, fingerprint, dim
        self.encoding = encoding

    @cached_property
    def _loaded(self) -> tuple[Any, Any, int]:
        """The tokenizer, the net, and the number of tokens at which texts are cut."""
        torch = need("torch", extra="local", why=WHY)
        need("transformers", extra="local", why=WHY)
        from synthkit.models.transformers.loading import pretrained, quiet

        with quiet():
            tokenizer, net = pretrained("", self.folder, self.name, dtype=torch.float32)
        if getattr(net.config, "is_encoder_decoder", False):
            net = net.get_encoder()
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        limits = [tokenizer.model_max_length, self.encoding.max_tokens]
        limits.append(getattr(net.config, "max_position_embeddings", None))
        longest = min(limit for limit in limits if limit and limit > 0)
        net = net.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        return tokenizer, net, longest

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, dim) float32, rows L2-normalised; a text without tokens gives a row of zeros."""
        out = np.zeros((len(texts), self.dim), np.float32)
        if not len(texts):
            return out
        tokenizer, net, longest = self._loaded
        # texts of similar length share a batch, so that little time goes to padding
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            part = [self.encoding.prompt + texts[row] for row in rows]
            coded = tokenizer(
                [text.lower() for text in part] if self.encoding.lower_case else part,
                padding=True,
                truncation=True,
                max_length=longest,
                return_tensors="pt",
            )
            if coded["input_ids"].shape[1]:
                out[rows] = _pooled(net, coded.to(net.device), self.encoding.pooling)
        return normalized(out)


def _pooled(net: Any, coded: Any, pooling: Pooling) -> NDArray[np.float32]:
    """(n, dim) the pooled token states of a batch."""
    import torch

    with torch.inference_mode():
        states = net(**coded).last_hidden_state  # (n, tokens, dim)
        inside = coded["attention_mask"].bool()  # (n, tokens)
        mask = inside[:, :, None].float()
        if pooling == "mean":
            pooled = (states * mask).sum(1) / mask.sum(1)
        elif pooling == "max":
            pooled = states.masked_fill(~inside[:, :, None], float("-inf")).amax(1)
        else:
            # the first or the last token inside the mask, on whichever side the padding is
            order = inside if pooling == "cls" else inside.flip(1)
            at = order.int().argmax(1)
            at = at if pooling == "cls" else inside.shape[1] - 1 - at
            pooled = states[torch.arange(len(states), device=states.device), at]
        pooled = torch.where(inside.any(1)[:, None], pooled, 0.0)
        return np.asarray(pooled.float().cpu())


@embedder("minilm")
def minilm(_: str = "") -> SentenceEmbedder:
    """all-MiniLM-L6-v2 of the catalog: 384 dimensions, better than wordllama, needs torch.

    Texts are cut at 256 tokens, as the model was trained.
    """
    folder = catalog.fetch("minilm")
    mark = f"embed weights={catalog.weights('minilm')}"
    return SentenceEmbedder("minilm", folder, mark, 384, Encoding(max_tokens=256))


@embedder("hf")
def load_encoder(
    name: str, *, pooling: Pooling | None = None, max_tokens: int | None = None
) -> SentenceEmbedder:
    """A sentence encoder that transformers loads, from a folder or a Hub repository.

    Pooling, maximal length, lower-casing and default prompt are read from the files of
    sentence-transformers, if the folder has them; otherwise token states are averaged. Vectors are
    L2-normalised in any case. It runs on a GPU if there is one.

    Parameters
    ----------
    name : a repository id or a folder.
    pooling : ``"mean"``, ``"cls"``, ``"max"`` or ``"last"``, in place of the folder's.
    max_tokens : texts are cut there, in place of the folder's limit.

    Raises
    ------
    ModelNotFound
        If there is no such folder or repository.
    UsageError
        If an option is unknown, or the folder asks for a module that is not supported, such as a
        dense layer after pooling.
    """
    check_known("pooling", [pooling] if pooling else [], get_args(Pooling))
    check_positive(max_tokens=max_tokens)
    folder = resolve.folder_of(name)
    net, encoding = read_encoding(folder, pooling)
    encoding = replace(encoding, max_tokens=max_tokens or encoding.max_tokens)
    config = _json(net / "config.json")
    identity = fingerprint.of_folder(net)
    size = next((int(config[key]) for key in _SIZES if config.get(key)), 0)
    if not size:
        raise UsageError(f"{name} has no hidden_size in its config.json, so it is no text encoder.")
    mark = canonical({"embedder": identity.weights[:32]} | asdict(encoding)).decode()
    return SentenceEmbedder(resolve.display_name(name), net, mark, size, encoding)


def read_encoding(folder: Path, pooling: Pooling | None = None) -> tuple[Path, Encoding]:
    """The folder of the weights, and the encoding that files of sentence-transformers ask for.

    ``pooling`` takes the place of theirs.

    Raises
    ------
    UsageError
        If they ask for something that is not supported.
    """
    net, pooled = folder, {}
    for module in _json(folder / "modules.json", []):
        kind, path = str(module["type"]).rpartition(".")[2], folder / str(module["path"])
        if kind == "Transformer":
            net = path
        elif kind == "Pooling":
            pooled = _json(path / "config.json")
        elif kind != "Normalize":
            raise UsageError(
                f"{folder.name} asks for the module {kind} after pooling; only Normalize is "
                "supported. Use another encoder, or a server that runs this one."
            )
    encoder = _json(net / "sentence_bert_config.json")
    about = _json(folder / "config_sentence_transformers.json")
    prompts = about.get("prompts") or {}
    prompt = str(prompts.get(about.get("default_prompt_name"), ""))
    if prompt and pooled.get("include_prompt") is False:
        raise UsageError(f"{folder.name} leaves its prompt out of pooling, which is not supported.")
    return net, Encoding(
        pooling=pooling or (_pooling(folder, pooled) if pooled else "mean"),
        max_tokens=encoder.get("max_seq_length"),
        prompt=prompt,
        lower_case=bool(encoder.get("do_lower_case")),
    )


def _pooling(folder: Path, config: Mapping[str, Any]) -> Pooling:
    """The pooling in a ``1_Pooling/config.json``, of the older or the newer form."""
    named = config.get("pooling_mode")
    if named is None:
        flags = [flag for flag, on in config.items() if flag.startswith("pooling_mode_") and on]
        modes = [_FLAGS.get(flag, flag.removeprefix("pooling_mode_")) for flag in flags]
    else:
        listed = [named] if isinstance(named, str) else list(named)
        modes = ["last" if mode == "lasttoken" else str(mode) for mode in listed]
    if len(modes) != 1 or modes[0] not in get_args(Pooling):
        raise UsageError(
            f"{folder.name} asks for the pooling {', '.join(modes) or 'none'}; supported is one of "
            f"{', '.join(get_args(Pooling))}. Choose one with pooling=."
        )
    return cast(Pooling, modes[0])


def _json(path: Path, default: Any = None) -> Any:
    if not path.is_file():
        return {} if default is None else default
    return json.loads(path.read_text(encoding="utf-8"))
