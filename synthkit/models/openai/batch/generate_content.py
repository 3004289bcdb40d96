"""Chat completions as requests of Gemini to generate content, and its responses as completions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

OPTIONS = {
    "temperature": "temperature", "top_p": "topP", "top_k": "topK", "stop": "stopSequences",
    "max_tokens": "maxOutputTokens", "max_completion_tokens": "maxOutputTokens", "seed": "seed",
    "presence_penalty": "presencePenalty", "frequency_penalty": "frequencyPenalty",
}  # fmt: skip
"""Member of a chat -> its name in the configuration."""
FINISHES = {"STOP": "stop", "MAX_TOKENS": "length"}
_DATA_URL = re.compile(r"data:([\w/+.-]+);base64,(.*)", re.DOTALL)


def as_content(chat: Mapping[str, Any]) -> dict[str, Any]:
    """The request for a chat; what Gemini has no name for is left out.

    >>> as_content({"max_tokens": 9, "messages": [{"role": "user", "content": "Hi."}]})
    {'contents': [{'role': 'user', 'parts': [{'text': 'Hi.'}]}], \
'generationConfig': {'maxOutputTokens': 9}}
    """
    turns = chat["messages"]
    system = [part for turn in turns if turn["role"] == "system" for part in _parts(turn)]
    config = {OPTIONS[name]: value for name, value in chat.items() if name in OPTIONS}
    if isinstance(config.get("stopSequences"), str):
        config["stopSequences"] = [config["stopSequences"]]
    if chat.get("logprobs"):
        config["responseLogprobs"] = True
    wanted = chat.get("response_format") or {}
    if wanted.get("type") in ("json_schema", "json_object"):
        config["responseMimeType"] = "application/json"
    if wanted.get("type") == "json_schema":
        config["responseJsonSchema"] = wanted["json_schema"]["schema"]
    return {
        "contents": [
            {"role": "model" if turn["role"] == "assistant" else "user", "parts": _parts(turn)}
            for turn in turns
            if turn["role"] != "system"
        ],
        **({"systemInstruction": {"parts": system}} if system else {}),
        **({"generationConfig": config} if config else {}),
        **_tools(chat),
    }


def _parts(turn: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = turn["content"]
    if isinstance(content, str):
        return [{"text": content}]
    return [_part(part) for part in content]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part of a turn: a text, or an image."""
    if part["type"] != "image_url":
        return {"text": part["text"]}
    url = part["image_url"]["url"]
    if found := _DATA_URL.fullmatch(url):
        return {"inlineData": {"mimeType": found[1], "data": found[2]}}
    return {"fileData": {"fileUri": url}}


def _tools(chat: Mapping[str, Any]) -> dict[str, Any]:
    """The tools that a chat declares, and which of them must be called."""
    functions = [tool["function"] for tool in chat.get("tools") or ()]
    if not functions:
        return {}
    declared = [
        {name: function[name] for name in ("name", "description") if name in function}
        | ({"parametersJsonSchema": function["parameters"]} if "parameters" in function else {})
        for function in functions
    ]
    sent: dict[str, Any] = {"tools": [{"functionDeclarations": declared}]}
    choice = chat.get("tool_choice")
    if isinstance(choice, Mapping):
        names = [choice["function"]["name"]]
        sent["toolConfig"] = {
            "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": names}
        }
    elif choice:
        modes = {"required": "ANY", "none": "NONE"}
        sent["toolConfig"] = {"functionCallingConfig": {"mode": modes.get(choice, "AUTO")}}
    return sent


def as_chat(response: Mapping[str, Any]) -> dict[str, Any]:
    """A response of Gemini as that of chat completions; a blocked prompt as a refusal."""
    candidates = response.get("candidates") or ()
    if not candidates:
        reason = (response.get("promptFeedback") or {}).get("blockReason") or "no candidate"
        turn: dict[str, Any] = {"content": "", "refusal": f"blocked: {reason}"}
        return _chat(turn, "content_filter", response)
    candidate = candidates[0]
    parts = (candidate.get("content") or {}).get("parts") or ()
    texts = [part for part in parts if "text" in part]
    turn = {"content": "".join(part["text"] for part in texts if not part.get("thought"))}
    if thoughts := [part["text"] for part in texts if part.get("thought")]:
        turn["reasoning_content"] = "".join(thoughts)
    if calls := [part["functionCall"] for part in parts if "functionCall" in part]:
        turn["tool_calls"] = [
            {
                "id": call.get("id") or "",
                "type": "function",
                "function": {"name": call["name"], "arguments": json.dumps(call.get("args") or {})},
            }
            for call in calls
        ]
    reason = str(candidate.get("finishReason"))
    return _chat(turn, FINISHES.get(reason, "content_filter"), response, _logprobs(candidate))


def _chat(
    turn: dict[str, Any], finish: str, response: Mapping[str, Any], logprobs: Any = None
) -> dict[str, Any]:
    choice = {"index": 0, "message": turn, "finish_reason": finish, "logprobs": logprobs}
    return {
        "object": "chat.completion",
        "choices": [choice],
        "usage": response.get("usageMetadata"),
    }


def _logprobs(candidate: Mapping[str, Any]) -> Any:
    chosen = (candidate.get("logprobsResult") or {}).get("chosenCandidates")
    if not chosen:
        return None
    pairs = [{"token": each["token"], "logprob": each["logProbability"]} for each in chosen]
    return {"content": pairs}
