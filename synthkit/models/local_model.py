"""Models on this machine, run by transformers, OpenVINO or vLLM: ``core.models.Model``."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_args

from synthkit.core.answers import Markers, checked_markers, marker_identity
from synthkit.core.errors import ModelError, check_known, check_positive
from synthkit.core.extras import need
from synthkit.core.hashing import canonical
from synthkit.core.models import Activity, Model
from synthkit.core.types import Completion, Message, Request
from synthkit.models.hub import fingerprint, resolve
from synthkit.models.hub.download import OPENVINO, SAFETENSORS
from synthkit.models.local import loaded, memory, threads
from synthkit.models.local.chat_template import ChatTemplate
from synthkit.models.local.engine_choice import chosen
from synthkit.models.local.intake import Intake, checker
from synthkit.models.local.rows import completion
from synthkit.models.local.settings import Dtype, EngineName, LocalSettings, Quantize
from synthkit.models.local.template_options import OPTIONS, check_present, check_use
from synthkit.models.schemes import model_scheme
from synthkit.models.ticking import ticking

if TYPE_CHECKING:
    from synthkit.models.local.vocabulary import Vocabulary
    from synthkit.models.transformers.scoring import Scorer

_SHORT = {"auto": "", "bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}


def load_local(
    spec: str,
    *,
    engine: EngineName = "auto",
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
    spec : a name of the catalog, ``"hf:<repository or folder>"`` with safetensors or with
        ``openvino_model.xml``, as optimum-intel writes it, ``"hf:<repository>/<file>.gguf"`` or
        ``"gguf:<file or folder>"`` for a GGUF file, which is converted once.
    engine : ``"openvino"`` is faster on a CPU and needs no torch, and runs weights with the bits
        that they are stored in; ``"transformers"`` runs everything; ``"auto"`` is the faster one
        of these two that is installed and can run the model: see
        :func:`~synthkit.models.local.engine_choice.chosen`. ``"vllm"`` (extra ``vllm``) is the
        fastest on a GPU; its draws are its own. Texts are always scored by transformers. An engine
        that is named is in the fingerprint.
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
    threads : the engine's number of threads, that of torch for the whole process; by default what
        a short trial finds fastest, at most the CPUs that this process may use.

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
    check_known("engine", str(engine), get_args(EngineName))
    check_known("quantize", str(quantize), get_args(Quantize))
    check_known("dtype", str(dtype), get_args(Dtype))
    check_positive(max_batch=max_batch, threads=threads)
    check_use(chat_template_kwargs or {}, raw=raw, control=control_tokens)
    where = device or ("cuda" if memory.cuda_bytes() else "cpu")

    def check(size: int, stored: bool) -> None:
        """Refuse a download of weights that would not fit in any form these options allow."""
        share = memory.SHARES.get(quantize, min(memory.SHARES.values()))
        least = size if stored else int(size * share * (2 if dtype == "float32" else 1))
        if where == "cpu":
            advice = f"{memory.ADVICE} Nothing was downloaded."
            memory.preflight(spec, least + memory.beside_weights("cpu"), memory.of_process, advice)

    source = resolve.find(spec, OPENVINO if engine == "openvino" else None, check)
    if not raw:
        check_present(spec, source.identity.template)
    return Local(
        LocalSettings(
            source=source,
            engine=engine,
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

    transformers and OpenVINO get the same prompts, draws and grammars, and in both a row depends
    only on its own seed and prompt. As with another precision, rows of the two often differ, since
    OpenVINO rounds what it multiplies with weights of 4 bits to 8 bits: of 20 greedy texts of
    SmolLM2-135M (Q4_1, 32 tokens), 7 were those of float32 with bfloat16, 3 with OpenVINO, and none
    with nf4. The mean Kullback-Leibler divergence of the next token from that of float32 was .001
    nats with bfloat16, .006 with OpenVINO, .03 with int8 and .40 with nf4 (560 positions).
    """

    price: tuple[float, float] | None = (0.0, 0.0)

    def __init__(self, settings: LocalSettings, engine: Vocabulary | None = None) -> None:
        self.settings = settings
        self.engine = chosen(settings)
        quantized = settings.quantize not in ("auto", "none")
        precision = settings.quantize if quantized else _SHORT[settings.dtype]
        named = "" if settings.engine == "auto" else settings.engine
        self.name = " ".join(filter(None, (settings.source.name, precision, named)))
        identity = settings.source.identity
        self._adapter = fingerprint.adapter_hash(settings.adapter) if settings.adapter else "none"
        parts: dict[str, Any] = {
            "weights": identity.weights,
            "template": "raw" if settings.raw else identity.template,
            "quantize": settings.quantize,
            "dtype": settings.dtype,
            "adapter": self._adapter,
        }
        if named:
            parts["engine"] = named
        if settings.control_tokens:
            parts["control_tokens"] = True
        if settings.chat_template_kwargs:
            parts[OPTIONS] = dict(settings.chat_template_kwargs)
        self.reasoning_markers = settings.reasoning_markers
        parts |= marker_identity(self.reasoning_markers)
        self.fingerprint = canonical(parts).decode()
        self._loaded: dict[str, tuple[Any, ChatTemplate]] = {}
        if engine is not None:
            self._loaded[self.engine] = (engine, self._chat(engine))
        self._scorer: Scorer | None = None
        self._lock = threading.Lock()
        self._doing = ""
        self._batch: Any = None
        self._running = 0

    def __repr__(self) -> str:
        how = f"engine={self.engine!r}, quantize={self.settings.quantize!r}"
        return f"Local({self.name!r}, {how}, device={self.settings.device!r})"

    @property
    def activity(self) -> Activity:
        """Whether it fetches, loads or reads prompts, and the rows that it decodes."""
        rows = [] if self._batch is None else self._batch.rows
        return Activity(self._doing, len(rows), sum(len(row.tokens) for row in rows))

    def load(self) -> Vocabulary:
        """What generates: the weights and the tokens; fetched and loaded now if they are not.

        Raises
        ------
        NotEnoughMemory
            If they would not fit; nothing is loaded then.
        ModelError
            If the files are not those that the fingerprint names.
        """
        engine: Vocabulary
        engine, _ = self._load(self.engine)
        return engine

    def unload(self) -> bool:
        """Give the memory of the weights back, unless rows are under way; returns whether it did.

        They are loaded again when they are needed. Where memory ends, idle models are unloaded for
        the one that is needed, those used longest ago first.
        """
        if self._running or not self._loaded or not self._lock.acquire(blocking=False):
            return False
        self._loaded.clear()
        self._lock.release()
        return True

    def _load(self, engine: str) -> tuple[Any, ChatTemplate]:
        with self._lock:
            loaded.used(self)
            if engine not in self._loaded:
                package = ENGINES[engine]()
                source, form = self.settings.source, FORMS[engine]
                self._doing = source.work(form) or self._loading
                folder = source.files(form)
                adapter = self.settings.adapter
                if adapter is not None:
                    fingerprint.check_adapter(adapter, self._adapter)
                self._doing = self._loading
                weights = package.load(folder, self.settings)
                self._loaded[engine] = (weights, self._chat(weights))
            return self._loaded[engine]

    @property
    def _loading(self) -> str:
        return f"loading {self.name}, {self.settings.source.identity.size / 1e6:,.0f} MB"

    def _ready(self, engine: str) -> Generator[None, None, tuple[Any, ChatTemplate]]:
        """:meth:`_load`, with ticks meanwhile."""
        if engine not in self._loaded:
            self._doing = self._loading
            yield from ticking(lambda: self._load(engine))
            self._doing = "reading prompts"
            yield None
        return self._loaded[engine]

    def _chat(self, engine: Vocabulary) -> ChatTemplate:
        """The chat template with this model's options."""
        return ChatTemplate(
            engine.tokenizer,
            options=self.settings.chat_template_kwargs,
            raw=self.settings.raw,
            control=self.settings.control_tokens,
        )

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """(position, completion) pairs as rows end; ``None`` after each step of the batch.

        Raises
        ------
        UsageError
            If a request has an unknown ``extra``, or a schema that cannot be followed.
        """
        check = checker(requests, self.load, raw=self.settings.raw)
        self._running += 1
        loaded.used(self)
        try:
            check()
            intake = Intake(requests, check, name=self.name, rows=self.settings.max_batch)
            yield from self._refilled(intake)
            while intake.waiting:
                engine, _ = self._loaded[self.engine]
                self._batch = ENGINES[self.engine]().Batch(engine, rows=self.settings.max_batch)
                for event in self._batch.run(intake.waiting):
                    self._doing = ""
                    if event is None:
                        yield None
                    else:
                        row, why = event
                        yield row.position, completion(row, why, engine)
                    yield from self._refilled(intake)
        finally:
            self._doing, self._batch, self._scorer = "", None, None
            self._running -= 1

    def _refilled(self, intake: Intake) -> Iterator[tuple[int, Completion] | None]:
        """Take new requests. Texts are scored at once, in passes of their own."""
        while True:
            asked, texts = intake.take()
            if asked:
                engine, chat = yield from self._ready(self.engine)
                yield from intake.prepare(asked, engine, chat)
            if not texts:
                return
            yield from self._scored(texts)

    def _scored(
        self, texts: Sequence[tuple[int, Request]]
    ) -> Iterator[tuple[int, Completion] | None]:
        engine, chat = yield from self._ready("transformers")
        from synthkit.models.transformers import scoring

        self._doing = ""
        scorer = self._scorer = self._scorer or scoring.Scorer(engine)
        prepared = []
        for position, request in texts:
            text = scoring.prepare(request, position, engine, name=self.name, chat=chat)
            if isinstance(text, Completion):
                yield position, text
            else:
                prepared.append(text)
        for scored in scorer.run(prepared):
            yield None if scored is None else (scored.position, scoring.completion(scored, engine))

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


def _transformers() -> ModuleType:
    threads.wait_passively()
    for module in ("torch", "transformers", "accelerate"):
        need(module, extra="local", why="to run a model on this machine")
    from synthkit.models.transformers import engine

    return engine


def _openvino() -> ModuleType:
    from synthkit.models.openvino import engine

    for module in ("openvino", "transformers"):
        need(module, extra="openvino", why="to run a model on this machine")
    return engine


def _vllm() -> ModuleType:
    from synthkit.models.vllm import engine

    return engine


# name -> the module with ``load(folder, settings)`` and ``Batch(loaded, rows=...)``
ENGINES = {"transformers": _transformers, "openvino": _openvino, "vllm": _vllm}
FORMS = {"transformers": SAFETENSORS, "openvino": OPENVINO, "vllm": SAFETENSORS}


@model_scheme("catalog")
def _from_catalog(name: str, **options: Any) -> Model:
    """A model of the catalog, such as smollm2."""
    return load_local(name, **options)


@model_scheme("hf")
def _from_hub(name: str, **options: Any) -> Model:
    """Anything that transformers loads, from a folder or a Hub repository."""
    return load_local(f"hf:{name}", **options)


@model_scheme("gguf")
def _from_gguf(name: str, **options: Any) -> Model:
    """A GGUF file, converted once to what the engine loads."""
    return load_local(f"gguf:{name}", **options)
