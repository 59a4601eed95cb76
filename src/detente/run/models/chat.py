# SPDX-License-Identifier: Apache-2.0
"""The dialect of OpenAI chat completions: a question as bytes, and what an answer's bytes mean; no network.

The three things that must never blur (DESIGN.md, C-2, C-3), in every dialect:

1. an answer, also one cut short, is a ``Reply`` with its text;
2. a block in front of or behind the model is a ``Reply`` too, ``filtered``, with the provider's own code;
3. everything else is a ``ModelFault`` (``status.py``): it is asked again or counted as failed, never scored.

Hidden reasoning is not the answer: only ``content`` is read, and of that, where the provider documents
that its thoughts stand there between tags, only what follows them.
"""

from typing import Any

import orjson

from detente.run.models.presets import Preset
from detente.run.models.status import (
    block_in,
    blocks,
    code_of,
    count_of,
    is_block,
    load_object,
    mended,
    read_error,
    read_status,
)
from detente.run.reply import ModelFault, Prompt, Reply, Sampling, with_system

STOPPED = frozenset({"stop", "eos", "end_turn", "stop_sequence"})
THOUGHTS = ("<think>", "</think>")


class Chat:
    """Chat completions as one preset speaks them; ``body`` and ``read`` are all that an endpoint needs."""

    def __init__(self, preset: Preset, name: str, system: str | None) -> None:
        self.preset, self.name, self.system = preset, name, system
        self.tags = preset.reasoning == THOUGHTS[0]
        self.plain = preset.plain

    def path(self) -> str:
        """What follows the base URL in a request."""
        return "/chat/completions"

    def headers(self, key: str | None, host: str) -> dict[str, str]:
        """The headers that carry the key."""
        if not key:
            return {}
        # Azure takes its own keys in a header of its own, and Entra's tokens in the usual one.
        return {"authorization": f"Bearer {key}", **({"api-key": key} if host.endswith(".azure.com") else {})}

    def body(self, prompt: Prompt, sampling: Sampling) -> bytes:
        """One question. What the preset's models do not take is not sent (P-12: ``decoding`` says so)."""
        preset = self.preset
        messages = with_system(prompt.messages, self.system)
        if preset.system != "system":
            messages = place_system(messages, preset.system)
        begun = preset.begun if prompt.begun() else None
        if self.plain and begun is None:
            return request_body(self.name, messages, sampling, prompt.tokens, prompt.seed)
        refused = preset.refuses
        body: dict[str, Any] = {"model": self.name, "messages": messages, preset.cap: prompt.tokens, **preset.extra}
        if "temperature" not in refused:
            body["temperature"] = sampling.temperature
        if sampling.top_p != 1 and "topP" not in refused:
            body["top_p"] = sampling.top_p
        if prompt.seed is not None and "seed" not in refused:
            body["seed"] = prompt.seed
        if begun is not None:
            body |= begun.body
            body["messages"] = [*messages[:-1], {**messages[-1], **begun.message}]
        return orjson.dumps(body)

    def read(self, status: int, raw: bytes, tokens: int, retry_after: str | None) -> Reply:
        """What an HTTP answer means for a prompt that allowed ``tokens``."""
        return read_answer(status, raw, tokens, retry_after, tags=self.tags)


def request_body(name: str, messages: list[dict[str, str]], sampling: Sampling, tokens: int, seed: int | None) -> bytes:
    """The request as JSON bytes. ``top_p`` 1 changes nothing and is left out: some servers refuse it beside a temperature."""
    body: dict[str, Any] = {
        "model": name, "messages": messages, "temperature": sampling.temperature, "max_tokens": tokens,
    }  # fmt: skip
    if sampling.top_p != 1:
        body["top_p"] = sampling.top_p
    if seed is not None:
        body["seed"] = seed
    return orjson.dumps(body)


def place_system(messages: list[dict[str, str]], role: str) -> list[dict[str, str]]:
    """The system prompt where a model takes it: under another role's name, or at the head of the first user message (``user``)."""
    if not messages or messages[0]["role"] != "system":
        return messages
    first, *rest = messages
    if role != "user":
        return [{"role": role, "content": first["content"]}, *rest]
    if rest and rest[0]["role"] == "user":
        return [{"role": "user", "content": f"{first['content']}\n\n{rest[0]['content']}"}, *rest[1:]]
    return [{"role": "user", "content": first["content"]}, *rest]


def read_answer(status: int, raw: bytes, tokens: int, retry_after: str | None = None, *, tags: bool = False) -> Reply:
    """What an HTTP answer means; ModelFault where it is no reply. ``tags``: thoughts may stand before the text, between tags."""
    if status != 200:
        return read_status(status, raw, retry_after)
    value = load_object(raw)
    if isinstance(value.get("error"), dict | str) and not value.get("choices"):
        return read_error(_number(value["error"]), value, None)
    return read_completion(value, tokens, tags=tags)


def read_completion(value: dict[str, Any], tokens: int, *, tags: bool = False) -> Reply:
    """What a chat completion object means (C-2): replied, replied and cut, truncated, or filtered."""
    choices = value.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        if (code := block_in(value)) is not None:
            return Reply("filtered", None, reason=code)
        raise ModelFault("empty", "no-choice")
    choice = choices[0]
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    finish = choice.get("finish_reason")
    usage = value.get("usage")
    used, asked = (
        (count_of(usage, "completion_tokens"), count_of(usage, "prompt_tokens"))
        if isinstance(usage, dict)
        else (None, None)
    )
    text = _text_of(message.get("content"))
    if tags and text is not None:
        text = after_thoughts(text)
    if finish == "stop" and text is not None and not message.get("refusal"):  # nearly always
        return Reply("replied", mended(text), False, None, used, asked)
    return _read_choice(text, finish, used, tokens, refused=bool(message.get("refusal")))._replace(asked=asked)


def _read_choice(text: str | None, finish: object, used: int | None, tokens: int, *, refused: bool) -> Reply:
    """A choice that did not simply end."""
    if isinstance(finish, str) and finish not in {"stop", "length"}:
        if finish.lower() in blocks().finish or is_block(finish):
            return Reply("filtered", None, reason=code_of(finish))
        if finish.lower() in blocks().broken:
            raise ModelFault("server", code_of(finish))
    if refused:
        # A refusal told apart from the text by the endpoint itself: a decision around the model's answer.
        return Reply("filtered", None, reason="refusal")
    if finish == "length":
        return read_short(text, used, tokens)
    if text is None:
        raise ModelFault("empty", "no-text")
    if isinstance(finish, str) and finish not in STOPPED:
        return Reply("truncated", mended(text), reason=code_of(finish), tokens=used)
    return Reply("replied", mended(text), tokens=used)


def read_short(text: str | None, used: int | None, tokens: int) -> Reply:
    """An answer that ended at some length, in any dialect: the plan's own cap, or something below it (C-2)."""
    if not text:
        # All tokens went into something that is not the answer (hidden reasoning): no text to score.
        return Reply("failed", None, reason="no-text", tokens=used)
    # The plan's own cap, unless the endpoint says that it stopped before it.
    if used is None or used >= tokens:
        return Reply("replied", mended(text), cut=True, tokens=used)
    return Reply("truncated", mended(text), reason="length", tokens=used)


def after_thoughts(text: str) -> str:
    """A text without the thoughts that it begins with; nothing is left of one that ends within them."""
    begin, end = THOUGHTS
    if not text.lstrip().startswith(begin):
        return text
    return text.partition(end)[2].lstrip()


def _text_of(content: object) -> str | None:
    if isinstance(content, str):
        return content
    if isinstance(content, list):  # parts, as some servers send them
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        texts = [part for part in parts if isinstance(part, str)]
        return "".join(texts) if texts else None
    return None


def _number(error: object) -> int:
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and not isinstance(code, bool) and 100 <= code < 600 else 0
