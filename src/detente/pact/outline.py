# SPDX-License-Identifier: Apache-2.0
"""Which members a draft may have, and of which kind: a word mistyped in a draft must not become a default in a plan."""

from datetime import UTC, date, datetime, time
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from detente.errors import Malformed
from detente.wire.canonical import reason_and_path
from detente.wire.times import encode_time

Number = str | int | float
Tags = list[str]


class _Take(Struct, forbid_unknown_fields=True):
    hazard: str | UnsetType = UNSET
    facet: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    bank: str | UnsetType = UNSET
    n: int | UnsetType = UNSET
    seed: str | UnsetType = UNSET


class _Suite(Struct, forbid_unknown_fields=True, rename={"source": "from"}):
    source: str | UnsetType = UNSET
    variant: str | UnsetType = UNSET
    of: str | UnsetType = UNSET
    sealed: str | UnsetType = UNSET
    id: str | UnsetType = UNSET
    languages: Tags | UnsetType = UNSET
    epochs: int | UnsetType = UNSET
    owner: str | UnsetType = UNSET
    section: str | UnsetType = UNSET
    without: list[str] | UnsetType = UNSET
    take: list[_Take] | UnsetType = UNSET


class _Annex(Struct, forbid_unknown_fields=True):
    party: str
    disclosure: str | dict[str, str] | UnsetType = UNSET
    commitment: str | UnsetType = UNSET


class _HomeSuite(Struct, forbid_unknown_fields=True, rename={"source": "from"}):
    source: str
    id: str | UnsetType = UNSET
    languages: Tags | UnsetType = UNSET
    epochs: int | UnsetType = UNSET
    without: list[str] | UnsetType = UNSET
    take: list[_Take] | UnsetType = UNSET


class _Home(Struct, forbid_unknown_fields=True):
    suite: list[_HomeSuite]


class _Test(Struct, forbid_unknown_fields=True):
    party: str
    subject: str
    section: str | UnsetType = UNSET


class _Audit(Struct, forbid_unknown_fields=True):
    answerHours: int | UnsetType = UNSET  # noqa: N815 - the format's own name
    by: list[str] | UnsetType = UNSET
    n: int | UnsetType = UNSET
    place: str | UnsetType = UNSET


class _Sampling(Struct, forbid_unknown_fields=True):
    temperature: Number | UnsetType = UNSET
    topP: Number | UnsetType = UNSET  # noqa: N815 - the format's own name
    seed: str | UnsetType = UNSET


class _Cap(Struct, forbid_unknown_fields=True):
    chars: int
    tokens: int


class _People(Struct, forbid_unknown_fields=True):
    labels: list[str] | UnsetType = UNSET
    design: str | UnsetType = UNSET
    n: int | UnsetType = UNSET
    least: int | UnsetType = UNSET
    sides: list[str] | UnsetType = UNSET
    guideline: dict[str, str] | UnsetType = UNSET


class _Reads(Struct, forbid_unknown_fields=True):
    head: int
    tail: int


class _Judge(Struct, forbid_unknown_fields=True):
    models: list[str]
    combine: str | UnsetType = UNSET
    reads: _Reads | UnsetType = UNSET
    rubrics: dict[str, str] | UnsetType = UNSET
    seed: str | UnsetType = UNSET
    temperature: Number | UnsetType = UNSET
    tokens: int | UnsetType = UNSET
    topP: Number | UnsetType = UNSET  # noqa: N815 - the format's own name


class _Guard(Struct, forbid_unknown_fields=True):
    model: str
    name: str
    seed: str | UnsetType = UNSET
    temperature: Number | UnsetType = UNSET
    tokens: int | UnsetType = UNSET
    topP: Number | UnsetType = UNSET  # noqa: N815 - the format's own name


class _Scorer(Struct, forbid_unknown_fields=True):
    id: str
    rule: str | UnsetType = UNSET
    by: str | UnsetType = UNSET
    languages: Tags | UnsetType = UNSET
    tolerance: Number | UnsetType = UNSET
    people: _People | UnsetType = UNSET
    judge: _Judge | UnsetType = UNSET
    guard: _Guard | UnsetType = UNSET
    words: str | UnsetType = UNSET
    private: bool | UnsetType = UNSET


class _Runs(Struct, forbid_unknown_fields=True):
    max: int | UnsetType = UNSET
    deadline: str | UnsetType = UNSET
    register_by: str | UnsetType = UNSET


class _Draft(Struct, forbid_unknown_fields=True):
    title: dict[str, str]
    roles: dict[str, list[str]]
    suite: list[_Suite]
    test: list[_Test]
    texts: Tags | UnsetType = UNSET
    naming: str | UnsetType = UNSET
    quorum: int | UnsetType = UNSET
    observers: list[str] | UnsetType = UNSET
    observers_count: bool | UnsetType = UNSET
    audit: _Audit | UnsetType = UNSET
    sampling: _Sampling | UnsetType = UNSET
    caps: dict[str, _Cap] | UnsetType = UNSET
    scorer: list[_Scorer] | UnsetType = UNSET
    measure: list[dict[str, Any]] | UnsetType = UNSET
    filtered: str | UnsetType = UNSET
    max_missing: Number | UnsetType = UNSET
    competence_floor: Number | UnsetType = UNSET
    runs: _Runs | UnsetType = UNSET
    requires: list[str] | UnsetType = UNSET
    blind: bool | UnsetType = UNSET
    closing: list[str] | UnsetType = UNSET
    disclosure: str | dict[str, str] | UnsetType = UNSET
    external: bool | UnsetType = UNSET
    annex: list[_Annex] | UnsetType = UNSET
    releasers: dict[str, list[str]] | UnsetType = UNSET
    gate: str | UnsetType = UNSET


def check_outline(draft: dict[str, Any], place: str) -> dict[str, Any]:
    """A draft's value with TOML's own dates as text, after its members were judged.

    Malformed (draft-shape) with the path; (B-1.time) for a date without a time zone.
    """
    return _checked(draft, _Draft, place)


def check_home_outline(draft: dict[str, Any], place: str) -> dict[str, Any]:
    """The same for the suites of an annex kept at home: ``[[suite]]`` rows and nothing else, each without owner and section."""
    return _checked(draft, _Home, place, "home-shape")


def _checked(draft: dict[str, Any], shape: type[Struct], place: str, code: str = "draft-shape") -> dict[str, Any]:
    try:
        plain: dict[str, Any] = _with_dates(draft, place)
        msgspec.convert(plain, shape, strict=True)
    except RecursionError:  # a dotted key of a thousand parts
        raise Malformed(code, place, got="...") from None
    except msgspec.ValidationError as error:
        reason, path = reason_and_path(error)
        raise Malformed(code, f"{place} {path}".strip(), got=reason) from error
    return plain


def _with_dates(value: Any, place: str) -> Any:
    if isinstance(value, dict):
        return {name: _with_dates(member, place) for name, member in value.items()}
    if isinstance(value, list):
        return [_with_dates(member, place) for member in value]
    if isinstance(value, datetime) and value.tzinfo is not None:
        try:
            return encode_time(int(value.astimezone(UTC).timestamp()))
        except OverflowError:  # the first or the last day there is, in another zone
            raise Malformed("B-1.time", place, got=value) from None
    if isinstance(value, date | time):  # without a time zone everybody reads another moment
        raise Malformed("B-1.time", place, got=value)
    return value
