# SPDX-License-Identifier: Apache-2.0
"""Providers and servers by name: where they are, which dialect they speak, and what their models do not take.

    deepseek:deepseek-v4-flash            the provider's own address
    vllm:http://gpu-7:8000/v1#qwen3       the same server's quirks at an address of one's own
    openai:https://host/v1#name           any address, no quirks: nothing is sent that was not asked for

The facts stand in ``data/presets.toml``, each with the page it was checked against; they are read
once, when a spec names a preset.
"""

import datetime as dt
import tomllib
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import msgspec

from detente.errors import WrongUsage

# Azure's version travels in the URL; anything else there may be a key.
ALLOWED_QUERY = "api-version="
OTHERS = ("gguf", "hf", "python", "vllm-engine")
"""Kinds of models that are no endpoints."""
SPECS = "openai:URL#NAME | PROVIDER:NAME | gguf:PATH | hf:FOLDER | vllm-engine:FOLDER | python:MODULE:FUNCTION"


class Begun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an answer is begun for a model, beside a last message of the role ``assistant``: what its documentation asks for besides.

    ``body``: members of the request; ``message``: members of that last message; ``url``: another base URL of the provider's own.
    """

    body: dict[str, Any] = {}
    message: dict[str, Any] = {}
    url: str | None = None


class Quirks(msgspec.Struct, forbid_unknown_fields=True):
    """What some models of a provider take otherwise; what is unset is as the provider has it. ``like``: patterns of model names."""

    like: list[str] = []
    cap: str | None = None
    system: Literal["system", "developer", "user"] | None = None
    reasoning: str | None = None
    refuses: list[Literal["seed", "temperature", "topP"]] | None = None
    extra: dict[str, Any] | None = None
    begun: Begun | bool | None = None


class Provider(Quirks):
    """One table of ``data/presets.toml``."""

    title: str = ""
    url: str | None = None
    key: str | None = None
    dialect: Literal["chat", "anthropic", "gemini"] = "chat"
    model: list[Quirks] = []
    sources: list[str] = []
    checked: dt.date | None = None


class Preset(NamedTuple):
    """How one model of one provider is spoken to.

    ``cap`` names the member for the longest answer; ``system`` says where a system prompt goes;
    ``reasoning`` is where hidden thoughts lie, ``<think>`` if between tags in the text itself;
    ``refuses`` what is never sent; ``extra`` what always is. ``begun`` says how an answer is begun for it, None where
    nobody knows a way: a server without one would take the words for a turn that is over, and answer something else.
    """

    dialect: str = "chat"
    cap: str = "max_tokens"
    system: str = "system"
    reasoning: str | None = None
    refuses: frozenset[str] = frozenset()
    extra: dict[str, Any] = {}  # noqa: RUF012 - never changed
    begun: Begun | None = None

    @property
    def plain(self) -> bool:
        """Whether a request is what every server of the dialect takes."""
        return self.cap == "max_tokens" and not self.refuses and not self.extra

    def decoding(self) -> dict[str, Any]:
        """What of the plan's sampling does not reach the model, and what else does: members of ``decoding`` (P-12)."""
        told: dict[str, Any] = {}
        if self.refuses:
            told["notTaken"] = sorted(self.refuses)
        if self.extra:
            told["sent"] = self.extra
        if self.system != "system":
            told["systemRole"] = self.system
        return told


class Target(NamedTuple):
    """An endpoint's address: its base URL, the model's name, and how it is spoken to. ``key`` names its usual variable, if it is the provider's own address."""

    base: str
    name: str
    preset: Preset
    key: str | None = None


def find_target(spec: str) -> Target:
    """What ``NAME:MODEL``, ``NAME:URL#MODEL`` or ``openai:URL#MODEL`` names.

    Raises WrongUsage: ``model-spec``, ``provider-unknown`` (with the names that come near), ``provider-url``
    (this one has no address of its own), ``endpoint-url``. None of them repeats what may be a key.
    """
    kind, _, rest = spec.partition(":")
    if not rest:
        raise WrongUsage("model-spec", "--model", expected=SPECS)
    given = "://" in rest or "#" in rest
    if kind == "openai" and given:
        base, name = split_url(rest)
        return Target(base, name, Preset())
    provider = providers().get(kind)
    if provider is None:
        names = [*providers(), *OTHERS]
        raise WrongUsage(
            "provider-unknown", "--model", expected=", ".join(get_close_matches(kind, names) or names), got=kind[:40]
        )
    if given:
        base, name = split_url(rest)
        return Target(base, name, preset_of(provider, name))
    if provider.url is None:
        raise WrongUsage("provider-url", "--model", expected=f"{kind}:https://HOST/v1#NAME", got=kind)
    return Target(provider.url, rest, preset_of(provider, rest), provider.key)


def preset_of(provider: Provider, name: str) -> Preset:
    """How the model ``name`` of a provider is spoken to: the first of its tables whose patterns fit, over what holds for all."""
    own = next((one for one in provider.model if any(fnmatchcase(name.lower(), like) for like in one.like)), Quirks())

    def of(member: str, otherwise: Any) -> Any:
        found = getattr(own, member)
        found = getattr(provider, member) if found is None else found
        return otherwise if found is None else found

    return Preset(
        provider.dialect,
        of("cap", "max_tokens"),
        of("system", "system"),
        of("reasoning", None),
        frozenset(of("refuses", ())),
        of("extra", {}),
        of("begun", None) or None,  # false: this one cannot
    )


@cache
def providers() -> dict[str, Provider]:
    """Every provider of ``data/presets.toml`` by its name."""
    read = tomllib.loads((files("detente") / "data" / "presets.toml").read_text("utf-8"))
    return msgspec.convert(read, dict[str, Provider])


def split_url(rest: str) -> tuple[str, str]:
    """Base URL and model name of ``URL#NAME``; WrongUsage (endpoint-url, without repeating what may be a key)."""
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
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")), name
