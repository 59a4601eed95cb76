# SPDX-License-Identifier: Apache-2.0
"""The dialect of Anthropic's Messages: a question as bytes, and what an answer's bytes mean; no network.

The system prompt has a member of its own, there is no seed, and thoughts are blocks of their own,
which are left out of the answer. A ``refusal`` is the provider's classifiers stepping in: ``filtered``.
"""

from typing import Any

import orjson

from detente.run.models.chat import read_short
from detente.run.models.presets import Preset
from detente.run.models.status import code_of, count_of, load_object, mended, read_error, read_status
from detente.run.reply import ModelFault, Prompt, Reply, Sampling, with_system

VERSION = "2023-06-01"
ASKED = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class Messages:
    """Messages as one preset speaks them."""

    def __init__(self, preset: Preset, name: str, system: str | None) -> None:
        self.preset, self.name, self.system = preset, name, system

    def path(self) -> str:
        """What follows the base URL in a request."""
        return "/messages"

    def headers(self, key: str | None, host: str) -> dict[str, str]:  # noqa: ARG002 - as in the other dialects
        """The version of the dialect, and the header that carries the key."""
        return {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}

    def body(self, prompt: Prompt, sampling: Sampling) -> bytes:
        """One question; every system message goes into the one place for them."""
        messages = with_system(prompt.messages, self.system)
        body: dict[str, Any] = {
            "model": self.name,
            "max_tokens": prompt.tokens,
            "messages": [message for message in messages if message["role"] != "system"],
            **self.preset.extra,
        }
        if systems := [message["content"] for message in messages if message["role"] == "system"]:
            body["system"] = "\n\n".join(systems)
        if "temperature" not in self.preset.refuses:
            body["temperature"] = sampling.temperature
        if sampling.top_p != 1 and "topP" not in self.preset.refuses:
            body["top_p"] = sampling.top_p
        return orjson.dumps(body)

    def read(self, status: int, raw: bytes, tokens: int, retry_after: str | None) -> Reply:
        """What an HTTP answer means for a prompt that allowed ``tokens``; ModelFault where it is no reply."""
        if status != 200:
            return read_status(status, raw, retry_after)
        value = load_object(raw)
        if isinstance(value.get("error"), dict):
            return read_error(0, value, None)
        return read_message(value, tokens)


def read_message(value: dict[str, Any], tokens: int) -> Reply:
    """What a message object means (C-2): the text of its text blocks, and how it stopped."""
    usage = value.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    used = count_of(usage, "output_tokens")
    counts = [count for name in ASKED if (count := count_of(usage, name)) is not None]
    asked = sum(counts) if counts else None
    return _read_stop(_text_of(value.get("content")), value.get("stop_reason"), used, tokens)._replace(asked=asked)


def _read_stop(text: str | None, stop: object, used: int | None, tokens: int) -> Reply:
    if stop == "refusal":
        return Reply("filtered", None, reason="refusal", tokens=used)
    if text is None:
        raise ModelFault("empty", "no-content")
    if stop in {"end_turn", "stop_sequence"}:
        return Reply("replied", mended(text), tokens=used)
    if stop == "max_tokens":  # the plan's cap, or the model's own below it
        return read_short(text, used, tokens)
    if not isinstance(stop, str):
        raise ModelFault("garbage", "no-stop-reason")
    if not text:
        return Reply("failed", None, reason=code_of(stop), tokens=used)
    return Reply("truncated", mended(text), reason=code_of(stop), tokens=used)


def _text_of(content: object) -> str | None:
    """The text blocks joined; the empty text where there is none (the model ended its turn without a word); None for no list at all."""
    if not isinstance(content, list):
        return None
    blocks = [block for block in content if isinstance(block, dict) and block.get("type") == "text"]
    return "".join(block["text"] for block in blocks if isinstance(block.get("text"), str))
