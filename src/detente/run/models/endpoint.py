# SPDX-License-Identifier: Apache-2.0
"""Any model behind HTTP, through pyreqwest; how it is asked and what its answers mean is a dialect's (chat, anthropic, gemini).

The key travels in the request's headers and nowhere else: it is marked sensitive for the
client, never put into an error or a record, and a URL that carries one is refused; what an endpoint
sends back with the key in it is thrown away. Redirects are
not followed (a redirected POST would carry the key to another host). Proxies come from
``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` (never for this machine itself), own certificate authorities from
``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, as the client reads them.
"""

from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError, RequestTimeoutError
from pyreqwest.http import HeaderMap, Url

from detente import __version__
from detente.errors import WrongUsage
from detente.run.models.anthropic import Messages
from detente.run.models.chat import Chat
from detente.run.models.gemini import Generate
from detente.run.models.presets import Target
from detente.run.models.status import code_of
from detente.run.reply import Kind, ModelFault, Prompt, Reply, Sampling
from detente.wire.digests import sha256

CONNECT_S = 20.0
SECRET_LENGTH = 16
"""Shorter keys are those of local servers (``EMPTY``, ``ollama``): words that an answer may well hold."""
SECRET_SHOWN = 24
"""So much of a key is enough to know it again: its head, in whatever it was cut to."""
DIALECTS: dict[str, type[Chat] | type[Messages] | type[Generate]] = {
    "chat": Chat, "anthropic": Messages, "gemini": Generate,
}  # fmt: skip


class Dialect(Protocol):
    """What an endpoint asks of a dialect; none of it touches the network."""

    def path(self) -> str:
        """What follows the base URL in a request."""
        ...

    def headers(self, key: str | None, host: str) -> dict[str, str]:
        """The headers of every request; those with the key in them, too."""
        ...

    def body(self, prompt: Prompt, sampling: Sampling) -> bytes:
        """A question."""
        ...

    def read(self, status: int, raw: bytes, tokens: int, retry_after: str | None) -> Reply:
        """What an answer means; ModelFault where it is no reply."""
        ...


class Endpoint:
    """One model behind one URL."""

    def __init__(self, target: Target, *, system: str | None, key: str | None, slots: int, timeout_s: float) -> None:
        self.base, self.name, self.preset = target.base, target.name, target.preset
        self.place = self.base
        self.system = system
        self.dialect: Dialect = DIALECTS[target.preset.dialect](target.preset, target.name, system)
        self._post_to = Url(_joined(self.base, self.dialect.path()))  # read once, not for every question
        begun = self.preset.begun
        self.begins = begun is not None
        other = begun.url if begun is not None and target.key is not None else None  # at the provider's own address
        self._begun_to = Url(_joined(other, self.dialect.path())) if other else self._post_to
        self.models_url = _joined(self.base, "/models")
        headers = HeaderMap()
        headers.insert("content-type", "application/json")
        if key and (not key.isascii() or not key.isprintable() or key != key.strip()):
            raise WrongUsage("endpoint-key", "--model")
        for name, value in self.dialect.headers(key, urlsplit(self.base).hostname or "").items():
            headers.insert(name, value, is_sensitive=key is not None and key in value)
        self._secret = key if key is not None and len(key) >= SECRET_LENGTH else None
        self._builder = (
            ClientBuilder()
            .default_headers(headers)
            .user_agent(f"detente/{__version__}")
            .timeout(timedelta(seconds=timeout_s))
            .connect_timeout(timedelta(seconds=min(CONNECT_S, timeout_s)))
            .pool_max_idle_per_host(max(1, slots))
            .follow_redirects(enable=False)
        )
        if self.base.startswith("https:"):
            self._builder = self._builder.http2(enable=True)  # offered to the server, which may decline
        if _is_loopback(self.base):
            self._builder = self._builder.no_proxy()
        self._client: Client | None = None

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Reply:
        """One request. Raises ModelFault for whatever is neither an answer nor a filter's block."""
        body = self.dialect.body(prompt, sampling)
        if self._client is None:
            self._client = self._builder.build()
        try:
            to = self._begun_to if prompt.begun() else self._post_to
            answer = await self._client.post(to).body_bytes(body).build().send()
            raw = (await answer.bytes()).to_bytes()
        except PyreqwestError as error:
            raise _fault(error) from None  # its words may name a proxy with its password
        status = answer.status
        retry_after = None if status == 200 else answer.get_header("retry-after")
        if self._secret is not None:
            return self._without_key(status, raw, prompt.tokens, retry_after)
        return self.dialect.read(status, raw, prompt.tokens, retry_after)

    def _without_key(self, status: int, raw: bytes, tokens: int, retry_after: str | None) -> Reply:
        """What an answer means, unless it gives the key away: an endpoint that echoes requests must not get it into a record."""
        secret = str(self._secret)[:SECRET_SHOWN]
        coded = code_of(secret)  # as it would look in a reason, which is cut to 64 characters
        try:
            reply = self.dialect.read(status, raw, tokens, retry_after)
        except ModelFault as fault:
            if coded in fault.reason:
                raise ModelFault(fault.kind, retry_after_s=fault.retry_after_s) from None
            raise
        if secret in (reply.output or "") or coded in (reply.reason or ""):
            raise ModelFault("garbage", "key-echoed")
        return reply

    async def alive(self) -> bool:
        """Whether the server says anything at all: its list of models, or a refusal of that, in JSON."""
        if self._client is None:
            self._client = self._builder.build()
        try:
            answer = await self._client.get(self.models_url).build().send()
            raw = (await answer.bytes()).to_bytes()
        except PyreqwestError:
            return False
        return answer.status < 500 and raw.lstrip()[:1] == b"{"

    def describe(self) -> dict[str, Any]:
        """Endpoint and model name, the digest of the system prompt, and what the preset sends or leaves out (P-12)."""
        return {
            "chatTemplate": None,
            "decoding": self.preset.decoding(),
            "endpoint": self.base,
            "filters": [],
            "kind": "endpoint",
            "name": self.name,
            "systemPrompt": sha256(self.system.encode("utf-8")) if self.system is not None else None,
            "weights": None,
        }

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None


def _joined(base: str, path: str) -> str:
    """A path under a base URL, before its query."""
    parts = urlsplit(base)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + path, parts.query, ""))


def _is_loopback(base: str) -> bool:
    host = urlsplit(base).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _fault(error: PyreqwestError) -> ModelFault:
    """The client's exception as a fault; reasons are our own words."""
    details = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], dict) else {}
    causes = " ".join(str(cause.get("message", "")) for cause in details.get("causes") or ()).lower()
    kind: Kind = "reset"
    reason = "reset"
    if isinstance(error, RequestTimeoutError):
        kind, reason = "timeout", "timeout"
    elif "certificate" in causes:
        kind, reason = "certificate", "certificate"
    elif "dns error" in causes:
        kind, reason = "unavailable", "no-such-host"
    elif "(connect)" in causes:
        kind, reason = "unavailable", "connect"
    elif "decod" in causes and "reset" not in causes and "closed" not in causes and "eof" not in causes:
        kind, reason = "garbage", "half-body"
    return ModelFault(kind, reason)
