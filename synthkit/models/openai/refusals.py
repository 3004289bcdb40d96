"""What a server's refusal is about: a parameter, structured output, the content of one prompt.

Servers word the same refusal in many ways. The patterns here were collected from the errors of
OpenAI, Azure, Anthropic, Gemini, Mistral, Groq, DeepSeek, xAI, Bedrock, OpenRouter, vLLM, TGI,
llama.cpp, Ollama and LM Studio. A wrong guess costs one request: what is left out because of a
refusal stays left out only if the server then accepts the request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

NAMES = {
    "temperature": ("temperature",),
    "top_p": ("top_p", "topP", "top p", "nucleus sampling"),
    "max_tokens": ("max_tokens", "maxTokens", "max tokens", "max_completion_tokens"),
    "max_completion_tokens": ("max_completion_tokens",),
    "seed": ("seed", "random_seed"),
    "random_seed": ("random_seed",),
    "stop": ("stop", "stop_sequences", "stop sequences", "stopSequences"),
    "encoding_format": ("encoding_format",),
    "logprobs": ("logprobs", "log probs", "log probabilities", "top_logprobs", "responseLogprobs"),
}
"""Parameter -> its names in refusals."""

SHORT = 40
"""Most characters of a message that may say nothing, such as "Bad request" or "Invalid input"."""

STRUCTURED_NAMES = (
    "response_format",
    "response format",
    "response schema",
    "responseSchema",
    "json_schema",
    "json schema",
    "json_object",
    "json mode",
    "structured output",
    "structured outputs",
    "guided_json",
    "guided decoding",
    "grammar",
    "tools",
    "tool_choice",
    "tool choice",
    "tool use",
    "tool calling",
    "tool calls",
    "function call",
    "function calling",
)

_UNSUPPORTED = (
    r"unsupported|unrecogni[sz]ed|unknown|unexpected|unavailable|deprecated|disallowed|forbidden"
    r"|extraneous|extra inputs|extra fields|extra_forbidden|cannot find field|no such"
    r"|(does|do|is|are|was|were|did)(n't| not)( \w+){0,2} "
    r"(support\w*|allow\w*|accept\w*|permit\w*|recogni\w*|availabl\w*|implement\w*|enabl\w*"
    r"|match any)"
    r"|not (\w+ )?(supported|allowed|permitted|accepted|available|implemented|recogni[sz]ed"
    r"|compatible|one of|enabled|be used|be set|be specified|request)"
    r"|no longer|additional properties|invalid (parameter|schema|option)|incompatible|cannot use"
    r"|only \S+ is (allowed|supported)"
    r"|can(not|'t) (both )?be (used|set|specified|combined|provided|changed|modified|given)"
    r"|(may|can|must) only be (set|used)|only the default|only supports? "
    r"|(must|should) be (unset|omitted|removed|one of|'|\")|expected one of|requires --"
    r"|no endpoints found"
)
_SCHEMA = (
    r"invalid schema|invalid_json_schema|in context=|schema (is|was|has|contains|must|with)\b"
    r"|schema.{0,40}(keyword|too (large|complex|many)|constraint)|unsupported (schema|keyword)"
    r"|(parse|compile|build|create) (the )?grammar"
)
_CONTENT = (
    r"content[ _]?(filter|policy|management|safety|moderation)|moderat|flagged|safety|harmful"
    r"|inappropriate|(content|prompt|input)( \w+){0,2} blocked|sensitive"
    r"|responsible ?ai|policy violation|usage policy|prohibited"
)
_ACCESS = (
    r"api[ _-]?key|(incorrect|invalid|wrong|revoked|expired) key|credential|unauthori[sz]ed"
    r"|authenticat|permission|subscri|billing|quota"
    r"|not have access|no access|access denied|model_not_found|not allowed to (use|access)"
    r"|(model|deployment)\b.{0,80}(not (exist|found|available)|unavailable)"
    r"|no such model|unknown model|invalid model|region|country|territory"
)
_SYSTEM = (
    r"(system|developer)[ _-]?(role|message|prompt|instruction|turn)s?\b.{0,60}"
    r"(not (supported|allowed|enabled|available)|unsupported)"
    r"|not support.{0,20}(system|developer)|roles must alternate"
    r"|only.{0,20}user.{0,12}assistant.{0,20}role"
)
_PATTERN = r"regex|regular expression|structured_outputs|grammar|guided"
_LOADING = (
    r"\b(load(ing|ed)|warm(ing|up)|start(ing|up)|initiali[sz]\w*|scaling|booting)\b"
    r"|not (yet )?ready|cold start"
    r"|being (deployed|provisioned|started)|estimated_time"
)
_SUGGESTION = r"did you mean.*"
"""Names another parameter than the refused one."""
_ECHOES = {"input", "url", "request", "request_id", "input_value", "type", "object", "status"}
"""Members of an error body that repeat the request, or say nothing of it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response with an error status.

    Parameters
    ----------
    message, code : what the server says, for people and for programs.
    sentences : all texts of the body, a sentence each.
    param : the parameter that the server names as the reason, if it does.
    """

    status: int
    message: str
    code: str = ""
    sentences: tuple[str, ...] = ()
    param: str = ""

    def unsupported(self, names: Iterable[str]) -> list[str]:
        """Those of the parameters that the server refuses, whatever their values.

        >>> words = "Unsupported value: 'seed' is not supported with this model."
        >>> Refusal(400, words, sentences=(words,)).unsupported(["temperature", "seed"])
        ['seed']
        """
        return [
            name
            for name in names
            if self._named(NAMES[name]) or any(_refuses(s, NAMES[name]) for s in self.sentences)
        ]

    @property
    def of_structured(self) -> bool:
        """Whether it refuses the way in which structured output was asked for."""
        if any(self.param.startswith(name) for name in STRUCTURED_NAMES):
            return True
        return any(_refuses(s, STRUCTURED_NAMES) or _says(_SCHEMA, s) for s in self.sentences)

    @property
    def of_schema(self) -> bool:
        """Whether it refuses this one schema."""
        return _says(_SCHEMA, *self.sentences)

    @property
    def is_unclear(self) -> bool:
        """Whether it refuses the request as it is written, without a word of why."""
        return self.status in (400, 422) and len(self.message) <= SHORT

    @property
    def of_pattern(self) -> bool:
        """Whether it refuses a regular expression to follow."""
        return _says(_PATTERN, self.param, *self.sentences)

    @property
    def of_system(self) -> bool:
        """Whether it refuses a system turn."""
        return _says(_SYSTEM, *self.sentences)

    @property
    def of_content(self) -> bool:
        """Whether it refuses what this one prompt says."""
        texts = (self.code, self.message)
        return _says(_CONTENT, *texts) and not _says(_ACCESS, *texts)

    @property
    def of_access(self) -> bool:
        """Whether it refuses the key, the account or the model, and so every request."""
        return _says(_ACCESS, self.code, self.message) and not self.of_content

    @property
    def of_loading(self) -> bool:
        """Whether the model is not loaded yet."""
        return self.status == 503 and _says(_LOADING, *self.sentences)

    def mentions(self, name: str) -> bool:
        """Whether any text of the body has this word."""
        return any(name in sentence for sentence in (self.param, *self.sentences))

    def _named(self, names: tuple[str, ...]) -> bool:
        """Whether the server names the parameter as the reason, and not only its value."""
        in_words = _says(_UNSUPPORTED, self.code, *self.sentences)
        return self.param.partition(".")[0] in names and in_words


def refusal(status: int, text: str) -> Refusal:
    """What a response body with an error status says.

    >>> refusal(400, '{"error": {"message": "no", "param": "seed", "code": 400}}').param
    'seed'
    """
    message, code = error_message(text)
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = text[:4000]
    texts = [" ".join(part.split()) for part in _texts(body, 0)]
    sentences = [s for part in texts for s in re.split(r"(?<=[.;!?])\s+", part[:4000])]
    return Refusal(status, message, code, tuple(sentences), _param(body))


def error_message(text: str) -> tuple[str, str]:
    """The message and the code of an error body; the start of the body if it has none."""
    try:
        error = json.loads(text)
    except (ValueError, RecursionError):
        return " ".join(text[:4000].split())[:500] or "no message", ""
    if isinstance(error, list) and error:  # as Gemini sends it
        error = error[0]
    if isinstance(error, dict):
        error = error.get("error") or error
    if isinstance(error, dict):
        message = error.get("message") or error.get("detail") or error
        code = error.get("code") or error.get("type")
        words = message if isinstance(message, str) else json.dumps(message)
        return words[:2000], str(code or "")
    return str(error)[:2000], ""


def _texts(part: Any, depth: int) -> Iterator[str]:
    """The texts of an error body; the place and the message of a validation error are one text."""
    if depth > 8:
        return
    if isinstance(part, str):
        if part.lstrip()[:1] in ("{", "["):  # a proxy wraps the body of another server
            try:
                nested = json.loads(part)
            except (ValueError, RecursionError):
                nested = None
            if isinstance(nested, dict | list):
                yield from _texts(nested, depth + 1)
                return
        yield part
    elif isinstance(part, list):
        for each in part:
            yield from _texts(each, depth + 1)
    elif isinstance(part, dict):
        if isinstance(part.get("loc"), list):
            place = "'" + "' '".join(map(str, part["loc"])) + "'"
            yield f"{place}: {part.get('msg', '')} ({part.get('type', '')})"
            return
        for name, each in part.items():
            if name == "estimated_time":  # Hugging Face, while it loads a model
                yield name
            if name not in _ECHOES:
                yield from _texts(each, depth + 1)


def _param(body: Any, depth: int = 0) -> str:
    """The ``param`` of an error body."""
    if depth > 4:
        return ""
    if isinstance(body, list):
        return next(filter(None, (_param(each, depth + 1) for each in body)), "")
    if isinstance(body, dict):
        if isinstance(body.get("param"), str):
            return str(body["param"])
        return next(filter(None, (_param(each, depth + 1) for each in body.values())), "")
    return ""


def _refuses(sentence: str, names: Iterable[str]) -> bool:
    """Whether a sentence refuses one of the names, as a name and not as a word of some prompt."""
    sentence = re.sub(_SUGGESTION, "", sentence, flags=re.IGNORECASE)
    if not _says(_UNSUPPORTED, sentence):
        return False
    for name in names:
        whole = rf"(?<![\w-]){re.escape(name)}(?![\w-])"
        if "_" in name or " " in name or any(map(str.isupper, name)) or name == "logprobs":
            pattern = whole
        else:
            # a common word: in quotation marks, at the beginning, or beside a word such as "set"
            pattern = (
                rf"['\"`\[(<./]{re.escape(name)}['\"`\])>:,]|^{re.escape(name)}\b"
                rf"|(->|parameter|param|argument|property|field|option|key|input|name|provided"
                rf"|support\w*|set|use|using|specify|request|value|invalid|unknown|and|or)s?:? "
                rf"{whole}"
                rf"|{whole}:? (is|are|was|parameter|argument|field|value|must|does|may|can|not)"
                rf"|[,:] {whole}($|[,.;])"
            )
        if _says(pattern, sentence):
            return True
    return False


def _says(pattern: str, *texts: str) -> bool:
    """Whether a text has a pattern, which is compiled when it is needed, in any case of letters."""
    return any(re.search(pattern, text, re.IGNORECASE) for text in texts)
