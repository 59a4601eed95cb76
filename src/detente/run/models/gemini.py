# SPDX-License-Identifier: Apache-2.0
"""The dialect of Gemini's generateContent: a question as bytes, and what an answer's bytes mean; no network.

The system prompt has a member of its own, the model's role is called ``model``, and parts marked as
thoughts are left out of the answer. A block in front of the model is a ``blockReason`` without any
candidate, one behind it a ``finishReason``: both are ``filtered``, with Google's own word.
"""

from typing import Any
from urllib.parse import quote

import orjson

from detente.run.models.chat import read_short
from detente.run.models.presets import Preset
from detente.run.models.status import (
    RATE_LIMIT,
    blocks,
    code_of,
    count_of,
    load_object,
    mended,
    read_error,
    read_status,
    wait_of,
)
from detente.run.reply import ModelFault, Prompt, Reply, Sampling, with_system

ROLES = {"assistant": "model"}


class Generate:
    """generateContent as one preset speaks it."""

    def __init__(self, preset: Preset, name: str, system: str | None) -> None:
        self.preset, self.name, self.system = preset, name, system

    def path(self) -> str:
        """What follows the base URL in a request."""
        return f"/models/{quote(self.name, safe='')}:generateContent"

    def headers(self, key: str | None, host: str) -> dict[str, str]:  # noqa: ARG002 - as in the other dialects
        """The header that carries the key; the address, where Google takes it too, never does."""
        return {"x-goog-api-key": key} if key else {}

    def body(self, prompt: Prompt, sampling: Sampling) -> bytes:
        """One question; every system message goes into the one place for them."""
        messages = with_system(prompt.messages, self.system)
        refused = self.preset.refuses
        config: dict[str, Any] = {"maxOutputTokens": prompt.tokens, **self.preset.extra}
        if "temperature" not in refused:
            config["temperature"] = sampling.temperature
        if sampling.top_p != 1 and "topP" not in refused:
            config["topP"] = sampling.top_p
        if prompt.seed is not None and "seed" not in refused:
            config["seed"] = prompt.seed  # 31 bits, and theirs has 32 with a sign
        body: dict[str, Any] = {
            "contents": [
                {"role": ROLES.get(message["role"], "user"), "parts": [{"text": message["content"]}]}
                for message in messages
                if message["role"] != "system"
            ],
            "generationConfig": config,
        }
        if systems := [{"text": message["content"]} for message in messages if message["role"] == "system"]:
            body["systemInstruction"] = {"parts": systems}
        return orjson.dumps(body)

    def read(self, status: int, raw: bytes, tokens: int, retry_after: str | None) -> Reply:
        """What an HTTP answer means for a prompt that allowed ``tokens``; ModelFault where it is no reply."""
        if status in {400, RATE_LIMIT}:
            return _read_refusal(status, raw, retry_after)
        if status != 200:
            return read_status(status, raw, retry_after)
        value = load_object(raw)
        if isinstance(value.get("error"), dict):
            return read_error(0, value, None)
        return read_content(value, tokens)


def read_content(value: dict[str, Any], tokens: int) -> Reply:
    """What a GenerateContentResponse means (C-2): the text of its first candidate, and how it finished."""
    usage = value.get("usageMetadata")
    usage = usage if isinstance(usage, dict) else {}
    said, thought = count_of(usage, "candidatesTokenCount"), count_of(usage, "thoughtsTokenCount")
    used = None if said is None and thought is None else (said or 0) + (thought or 0)
    asked = count_of(usage, "promptTokenCount")
    candidates = value.get("candidates")
    if not isinstance(candidates, list) or not candidates or not isinstance(candidates[0], dict):
        feedback = value.get("promptFeedback")
        reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
        if isinstance(reason, str):
            return Reply("filtered", None, reason=code_of(reason), asked=asked)
        raise ModelFault("empty", "no-candidate")
    candidate = candidates[0]
    content = candidate.get("content")
    text = _text_of(content.get("parts") if isinstance(content, dict) else None)
    return _read_finish(text, candidate.get("finishReason"), used, tokens)._replace(asked=asked)


def _read_finish(text: str | None, finish: object, used: int | None, tokens: int) -> Reply:
    if not isinstance(finish, str):
        raise ModelFault("garbage", "no-finish-reason")
    if finish.lower() in blocks().finish:
        return Reply("filtered", None, reason=code_of(finish), tokens=used)
    if finish == "MAX_TOKENS":  # by its definition the request's own cap, however the tokens are counted
        return read_short(text, None, tokens)._replace(tokens=used)
    if text is None:
        raise ModelFault("empty", "no-text" if finish == "STOP" else code_of(finish))
    if finish == "STOP":
        return Reply("replied", mended(text), tokens=used)
    return Reply("truncated", mended(text), reason=code_of(finish), tokens=used)


def _read_refusal(status: int, raw: bytes, retry_after: str | None) -> Reply:
    """400 and 429, where Google says in the details what it means: a wrong key, a day's quota, how long to wait."""
    try:
        value = load_object(raw)
    except ModelFault:
        return read_status(status, raw, retry_after)
    error = value.get("error")
    details = error.get("details") if isinstance(error, dict) else None
    details = [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []
    wait_s = wait_of(retry_after)
    for detail in details:
        if status == 400 and detail.get("reason") in {"API_KEY_INVALID", "API_KEY_EXPIRED"}:
            raise ModelFault("refused-key", detail["reason"])
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            quota = violation.get("quotaId") if isinstance(violation, dict) else None
            if isinstance(quota, str) and "PerDay" in quota:  # back tomorrow: no wait of ours mends it
                raise ModelFault("quota", code_of(quota))
        delay = detail.get("retryDelay")
        if wait_s is None and isinstance(delay, str):
            wait_s = wait_of(delay.removesuffix("s"))
    return read_error(status, value, wait_s)


def _text_of(parts: object) -> str | None:
    """The text parts that are no thoughts, joined; None where there is none."""
    if not isinstance(parts, list):
        return None
    texts = [part.get("text") for part in parts if isinstance(part, dict) and not part.get("thought")]
    said = [text for text in texts if isinstance(text, str)]
    return "".join(said) if said else None
