# SPDX-License-Identifier: Apache-2.0
"""Any endpoint that speaks OpenAI chat completions, through pyreqwest; what its answers mean is ``chat.py``'s.

The key travels in one header of the request and nowhere else: it is marked sensitive for the
client, never put into an error or a record, and a URL that carries one is refused. Redirects are
not followed (a redirected POST would carry the key to another host). Proxies come from
``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` (never for this machine itself), own certificate authorities from
``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, as the client reads them.
"""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError, RequestTimeoutError
from pyreqwest.http import HeaderMap, Url

from detente import __version__
from detente.errors import WrongUsage
from detente.run.models.chat import read_answer, request_body
from detente.run.reply import Kind, ModelFault, Prompt, Reply, Sampling, with_system
from detente.wire.digests import sha256

CONNECT_S = 20.0
# Azure's version travels in the URL; anything else there may be a key.
ALLOWED_QUERY = "api-version="


class Endpoint:
    """One model behind one URL: ``rest`` is ``BASE_URL#NAME``."""

    def __init__(self, rest: str, *, system: str | None, key: str | None, slots: int, timeout_s: float) -> None:
        self.base, self.url, self.name = _split(rest)
        self.place = self.base
        self._post_to = Url(self.url)  # read once, not for every question
        self.models_url = self.url.replace("/chat/completions", "/models")
        self.system = system
        headers = HeaderMap()
        headers.insert("content-type", "application/json")
        if key:
            if not key.isascii() or not key.isprintable() or key != key.strip():
                raise WrongUsage("endpoint-key", "--model")
            headers.insert("authorization", f"Bearer {key}", is_sensitive=True)
            if (urlsplit(self.base).hostname or "").endswith(".azure.com"):
                headers.insert("api-key", key, is_sensitive=True)
        self._builder = (
            ClientBuilder()
            .default_headers(headers)
            .user_agent(f"detente/{__version__}")
            .timeout(timedelta(seconds=timeout_s))
            .connect_timeout(timedelta(seconds=min(CONNECT_S, timeout_s)))
            .pool_max_idle_per_host(max(1, slots))
            .follow_redirects(enable=False)
        )
        if _is_loopback(self.base):
            self._builder = self._builder.no_proxy()
        self._client: Client | None = None

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Reply:
        """One request. Raises ModelFault for whatever is neither an answer nor a filter's block."""
        body = request_body(self.name, with_system(prompt.messages, self.system), sampling, prompt.tokens, prompt.seed)
        if self._client is None:
            self._client = self._builder.build()
        try:
            answer = await self._client.post(self._post_to).body_bytes(body).build().send()
            raw = (await answer.bytes()).to_bytes()
        except PyreqwestError as error:
            raise _fault(error) from None  # its words may name a proxy with its password
        status = answer.status
        return read_answer(status, raw, prompt.tokens, None if status == 200 else answer.get_header("retry-after"))

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
        """Endpoint and model name, the digest of the system prompt, nothing more is known of it (P-12)."""
        return {
            "chatTemplate": None,
            "decoding": {},
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


def _split(rest: str) -> tuple[str, str, str]:
    """Base URL, request URL and model name; WrongUsage (endpoint-url, without repeating what may be a key)."""
    base, _, name = rest.partition("#")
    try:
        parts = urlsplit(base)
        port = parts.port
    except ValueError:
        raise WrongUsage("endpoint-url", "--model", expected="https://HOST/v1#NAME") from None
    secret = (
        parts.username is not None or (parts.query and not parts.query.startswith(ALLOWED_QUERY)) or "&" in parts.query
    )
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or secret or not name:
        raise WrongUsage("endpoint-url", "--model", expected="https://HOST/v1#NAME")
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    return (
        urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")),
        urlunsplit((parts.scheme, parts.netloc, f"{path}/chat/completions", parts.query, "")),
        name,
    )


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
