# SPDX-License-Identifier: Apache-2.0
"""What a chat completion means: bytes and statuses in, a reply or a fault out; no network.

The three things that must never blur (DESIGN.md, C-2, C-3):

1. an answer, also one cut short, is a ``Reply`` with its text;
2. a block in front of or behind the model is a ``Reply`` too, ``filtered``, with the provider's own code;
3. everything else is a ``ModelFault``: it is asked again or counted as failed, never scored.

Which codes and words are blocks stands in ``data/providers.toml``, read at the first odd answer only.
"""

import json
import re
import time
import tomllib
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import orjson

from detente.evidence.record import mend_text
from detente.run.reply import ModelFault, Reply, Sampling

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
RATE_LIMIT = 429


class Blocks(NamedTuple):
    """How providers say that a filter stepped in, and that an account is used up."""

    finish: frozenset[str]
    codes: frozenset[str]
    parts: tuple[str, ...]
    messages: tuple[str, ...]
    quota: frozenset[str]
    broken: frozenset[str]


def request_body(
    name: str,
    messages: list[dict[str, str]],
    sampling: Sampling,
    tokens: int,
    seed: int | None,
    cap: str = "max_tokens",
) -> bytes:
    """The request as JSON bytes. ``top_p`` 1 changes nothing and is left out: some servers refuse it beside a temperature."""
    body: dict[str, Any] = {"model": name, "messages": messages, "temperature": sampling.temperature, cap: tokens}
    if sampling.top_p != 1:
        body["top_p"] = sampling.top_p
    if seed is not None:
        body["seed"] = seed
    return orjson.dumps(body)


def read_answer(status: int, raw: bytes, tokens: int, retry_after: str | None = None) -> Reply:
    """What an HTTP answer means for a prompt that allowed ``tokens``; ModelFault where it is no reply."""
    if status == 200:
        value = _load(raw)
        if isinstance(value.get("error"), dict | str) and not value.get("choices"):
            return _read_error(_number(value["error"]), value, None)
        return read_completion(value, tokens)
    try:
        value = _load(raw)
    except ModelFault:
        value = {}  # a proxy's page of HTML: the status says enough
    return _read_error(status, value, wait_of(retry_after))


def read_completion(value: dict[str, Any], tokens: int) -> Reply:
    """What a chat completion object means (C-2): replied, replied and cut, truncated, or filtered."""
    choices = value.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        if (code := _block_in(value)) is not None:
            return Reply("filtered", None, reason=code)
        raise ModelFault("empty", "no-choice")
    choice = choices[0]
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    finish = choice.get("finish_reason")
    usage = value.get("usage")
    used, asked = (
        (_count(usage, "completion_tokens"), _count(usage, "prompt_tokens"))
        if isinstance(usage, dict)
        else (None, None)
    )
    text = _text_of(message.get("content"))
    if finish == "stop" and text is not None and not message.get("refusal"):  # nearly always
        return Reply("replied", mended(text), False, None, used, asked)
    return _read_choice(message, finish, used, tokens)._replace(asked=asked)


def _read_choice(message: dict[str, Any], finish: object, used: int | None, tokens: int) -> Reply:
    """A choice that did not simply end."""
    if isinstance(finish, str) and finish not in {"stop", "length"}:
        if finish.lower() in blocks().finish or _is_block(finish):
            return Reply("filtered", None, reason=_code(finish))
        if finish.lower() in blocks().broken:
            raise ModelFault("server", _code(finish))
    if message.get("refusal"):
        # A refusal told apart from the text by the endpoint itself: a decision around the model's answer.
        return Reply("filtered", None, reason="refusal")
    return _read_text(_text_of(message.get("content")), finish, used, tokens)


def _read_text(text: str | None, finish: object, used: int | None, tokens: int) -> Reply:
    if finish == "length":
        if not text:
            # All tokens went into something that is not the answer (hidden reasoning): no text to score.
            return Reply("failed", None, reason="no-text", tokens=used)
        # The plan's own cap, unless the endpoint says that it stopped before it (C-2).
        if used is None or used >= tokens:
            return Reply("replied", mended(text), cut=True, tokens=used)
        return Reply("truncated", mended(text), reason="length", tokens=used)
    if text is None:
        raise ModelFault("empty", "no-text")
    if isinstance(finish, str) and finish not in {"stop", "eos", "end_turn", "stop_sequence"}:
        return Reply("truncated", mended(text), reason=_code(finish), tokens=used)
    return Reply("replied", mended(text), tokens=used)


def _read_error(status: int, value: dict[str, Any], wait_s: float | None) -> Reply:
    """A status that is no success, or an error object under status 200."""
    code = _block_in(value)
    if code is not None and status not in {401, RATE_LIMIT}:
        return Reply("filtered", None, reason=code)
    found = _codes_in(value)
    named = next((_code(code) for code in found if CODE.fullmatch(code) and not code.isdigit()), "")
    reason = named or (f"http-{status}" if status else "error")
    if status == 402 or any(code.lower() in blocks().quota for code in found):
        raise ModelFault("quota", reason)
    if status == RATE_LIMIT:
        raise ModelFault("rate-limit", reason, retry_after_s=wait_s)
    if status in {401, 407}:
        raise ModelFault("refused-key", reason)
    if status == 403:
        raise ModelFault("forbidden", reason)
    if status in {404, 405, 410}:
        raise ModelFault("not-found", reason)
    if status in {408, 425}:
        raise ModelFault("timeout", f"http-{status}", retry_after_s=wait_s)
    if status in {502, 503, 504, 520, 521, 522, 523, 524, 529}:
        raise ModelFault("unavailable", f"http-{status}", retry_after_s=wait_s)
    if 400 <= status < 500:
        raise ModelFault("refused-request", reason)
    if 300 <= status < 400:
        raise ModelFault("garbage", f"http-{status}")
    raise ModelFault("server", reason, retry_after_s=wait_s)


def wait_of(header: str | None, now: float | None = None) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds, or a date seen from ``now``); None if unreadable."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(header).timestamp()
    except (TypeError, ValueError):
        return None
    return max(0.0, at - (time.time() if now is None else now))


@cache
def blocks() -> Blocks:
    """The words of ``data/providers.toml``."""
    read = tomllib.loads((files("detente") / "data" / "providers.toml").read_text("utf-8"))
    found = read["blocks"]
    return Blocks(
        frozenset(found["finish"]),
        frozenset(found["codes"]),
        tuple(found["parts"]),
        tuple(found["messages"]),
        frozenset(read["quota"]["codes"]),
        frozenset(read["broken"]["finish"]),
    )


def _load(raw: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        # Lone surrogates and stray bytes are mended at capture (B-1); half a body stays half a body.
        try:
            value = json.loads(raw.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            head = raw[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
            raise ModelFault("garbage", "html" if head.startswith(b"<") else "not-json") from None
    if not isinstance(value, dict):
        raise ModelFault("garbage", "not-an-object")
    return value


def mended(text: str) -> str:
    """The text without lone surrogates (B-1); what has none, nearly all text, is not copied."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return mend_text(text)
    return text


def _text_of(content: object) -> str | None:
    if isinstance(content, str):
        return content
    if isinstance(content, list):  # parts, as some servers send them
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        texts = [part for part in parts if isinstance(part, str)]
        return "".join(texts) if texts else None
    return None


def _codes_in(value: dict[str, Any]) -> list[str]:
    """All short codes of an error, outermost first: OpenAI's, Azure's inner one, flat ones."""
    error = value.get("error")
    error = error if isinstance(error, dict) else {}
    inner = error.get("innererror")
    inner = inner if isinstance(inner, dict) else {}
    flat = value.get("base_resp")
    flat = flat.get("status_code") if isinstance(flat, dict) else None
    places = (error.get("code"), error.get("type"), inner.get("code"), value.get("code"), value.get("type"), flat)
    return [str(place) for place in places if isinstance(place, str | int) and not isinstance(place, bool)]


def _block_in(value: dict[str, Any]) -> str | None:
    """The provider's own code if an error says that a filter stepped in, else None."""
    for code in _codes_in(value):
        if code.lower() in blocks().codes or _is_block(code):
            return _code(code)
    error = value.get("error")
    metadata = error.get("metadata") if isinstance(error, dict) else None
    if isinstance(metadata, dict) and "flagged_input" in metadata:
        return "moderation"
    texts = [
        error,
        value.get("message"),
        value.get("detail"),
        error.get("message") if isinstance(error, dict) else None,
    ]
    for text in texts:
        if isinstance(text, str) and any(phrase in text.lower() for phrase in blocks().messages):
            return next((phrase for phrase in blocks().messages if phrase in text.lower()), "").replace(" ", "-")
    return None


def _is_block(code: str) -> bool:
    return any(part in code.lower() for part in blocks().parts)


def _code(text: str) -> str:
    """A provider's code made fit for a record: one word of at most 64 harmless characters."""
    return re.sub(r"[^A-Za-z0-9_.:-]+", "-", text).strip("-")[:64] or "unnamed"


def _count(usage: dict[str, Any], name: str) -> int | None:
    """A number of tokens as an endpoint counts them; None for anything else."""
    found = usage.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def _number(error: object) -> int:
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and not isinstance(code, bool) and 100 <= code < 600 else 0
