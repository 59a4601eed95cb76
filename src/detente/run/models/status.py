# SPDX-License-Identifier: Apache-2.0
"""What an HTTP status and an error object mean, whichever dialect is spoken: a filter's block, or a fault of its kind.

Which codes and words are blocks, and which say that an account is used up, stands in
``data/providers.toml``, read at the first odd answer only. Nothing of a provider's prose gets out of
here: reasons are codes of at most 64 harmless characters, or words of ours.
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
from detente.run.reply import ModelFault, Reply

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
RATE_LIMIT = 429


class Blocks(NamedTuple):
    """How providers say that a filter stepped in, and that an account is used up."""

    finish: frozenset[str]
    codes: frozenset[str]
    parts: tuple[str, ...]
    messages: tuple[str, ...]
    quota: frozenset[str]
    unpaid: tuple[str, ...]
    broken: frozenset[str]


def load_object(raw: bytes) -> dict[str, Any]:
    """A body as a JSON object, lone surrogates and stray bytes mended at capture (B-1); ModelFault ``garbage`` for anything else."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        # Half a body stays half a body.
        try:
            value = json.loads(raw.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            head = raw[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
            raise ModelFault("garbage", "html" if head.startswith(b"<") else "not-json") from None
    if not isinstance(value, dict):
        raise ModelFault("garbage", "not-an-object")
    return value


def read_status(status: int, raw: bytes, retry_after: str | None) -> Reply:
    """What an answer means whose status is no success: ``filtered``, or a ModelFault of its kind."""
    try:
        value = load_object(raw)
    except ModelFault:
        value = {}  # a proxy's page of HTML: the status says enough
    return read_error(status, value, wait_of(retry_after))


def read_error(status: int, value: dict[str, Any], wait_s: float | None) -> Reply:
    """A status that is no success, or an error object under status 200."""
    code = block_in(value)
    if code is not None and status not in {401, RATE_LIMIT}:
        return Reply("filtered", None, reason=code)
    found = _codes_in(value)
    named = next((code_of(code) for code in found if CODE.fullmatch(code) and not code.isdigit()), "")
    reason = named or (f"http-{status}" if status else "error")
    if status == 402 or any(code.lower() in blocks().quota for code in found) or _says(value, blocks().unpaid):
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
        tuple(read["quota"]["messages"]),
        frozenset(read["broken"]["finish"]),
    )


def mended(text: str) -> str:
    """The text without lone surrogates (B-1); what has none, nearly all text, is not copied."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return mend_text(text)
    return text


def _codes_in(value: dict[str, Any]) -> list[str]:
    """All short codes of an error, outermost first: OpenAI's, Azure's inner one, Anthropic's in the details, Google's, flat ones."""
    error = value.get("error")
    error = error if isinstance(error, dict) else {}
    inner = error.get("innererror")
    inner = inner if isinstance(inner, dict) else {}
    details = error.get("details")
    details = details if isinstance(details, dict) else {}
    named = error.get("status")  # Azure has a number there
    flat = value.get("base_resp")
    flat = flat.get("status_code") if isinstance(flat, dict) else None
    places = (
        error.get("code"), error.get("type"), inner.get("code"), details.get("error_code"),
        named if isinstance(named, str) else None, value.get("code"), value.get("type"), flat,
    )  # fmt: skip
    return [str(place) for place in places if isinstance(place, str | int) and not isinstance(place, bool)]


def block_in(value: dict[str, Any]) -> str | None:
    """The provider's own code if an error says that a filter stepped in, else None."""
    for code in _codes_in(value):
        if code.lower() in blocks().codes or is_block(code):
            return code_of(code)
    error = value.get("error")
    metadata = error.get("metadata") if isinstance(error, dict) else None
    if isinstance(metadata, dict) and "flagged_input" in metadata:
        return "moderation"
    said = _says(value, blocks().messages)
    return said.replace(" ", "-") if said is not None else None


def _says(value: dict[str, Any], phrases: tuple[str, ...]) -> str | None:
    """The first of the phrases that stands in the prose of an error; some providers have no code of their own for them."""
    error = value.get("error")
    inner = error.get("message") if isinstance(error, dict) else None
    texts = [
        text.lower() for text in (error, value.get("message"), value.get("detail"), inner) if isinstance(text, str)
    ]
    return next((phrase for phrase in phrases if any(phrase in text for text in texts)), None)


def is_block(code: str) -> bool:
    """Whether a code has one of the parts by which longer codes of filters are known."""
    return any(part in code.lower() for part in blocks().parts)


def code_of(text: str) -> str:
    """A provider's code made fit for a record: one word of at most 64 harmless characters."""
    return re.sub(r"[^A-Za-z0-9_.:-]+", "-", text).strip("-")[:64] or "unnamed"


def count_of(usage: dict[str, Any], name: str) -> int | None:
    """A number of tokens as an endpoint counts them; None for anything else."""
    found = usage.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None
