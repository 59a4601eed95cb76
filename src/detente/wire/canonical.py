# SPDX-License-Identifier: Apache-2.0
"""The one way to write a JSON value: RFC 8785 (JCS) without fractions, and the small words used in it.

Rules B-1 to B-5 of docs/format/bytes.md. Keys are ASCII, so sorting by bytes is sorting by
UTF-16 units as JCS asks; numbers are integers, so the number rules of JCS never come up. What is
left (escapes, no spaces, sorted keys) msgspec writes; tests hold it against an oracle.
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any, TypeVar

import msgspec

from detente.errors import Malformed

NS = "https://detente.example/"
"""Prefix of every type URI: ``NS + "plan/v1"``."""

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 16
MAX_DECIMAL = 64
"""Longest decimal read, in characters: far beyond any rate, and no work for a hostile one."""

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?")
_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
# Names that Windows gives to devices, in any folder and with any ending.
_DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]")
# RFC 5646, section 2.1, in the case of section 2.1.1; no extlang (section 4.5 writes yue, not zh-yue).
_LANGUAGE = re.compile(
    r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?"
    r"(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(-[a-wyz0-9](-[a-z0-9]{2,8})+)*(-x(-[a-z0-9]{1,8})+)?"
)
# Two-letter codes that the IANA registry replaced.
_RENAMED = {"in": "id", "iw": "he", "ji": "yi", "jw": "jv", "mo": "ro"}

Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
"""A digest, a key or a salt in a file: 32 bytes as lowercase hex (B-1, B-6)."""

_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder()
T = TypeVar("T")


def encode(value: object) -> bytes:
    """The JCS bytes of ``value`` (RFC 8785, profile B-1).

    Takes dict, list, tuple, str, int, bool, None and msgspec Structs (an ``UNSET`` member is left
    out). Raises Malformed with the JSON path as its place: ``B-1.float``, ``B-1.integer``,
    ``B-1.key``, ``B-1.depth``, ``B-1.text`` (a lone surrogate), ``B-1.kind`` (any other type).
    """
    _check_value(value, "")
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError as error:
        raise Malformed("B-1.text", got=ascii(error.object[error.start : error.end])) from None


def decode(raw: bytes, place: str = "") -> Any:
    """The value that ``raw`` holds, after checking that ``raw`` is its only spelling (B-2).

    Duplicate keys, spaces, other escapes, other key orders and byte order marks all fail that
    check. Raises Malformed: ``B-2.json`` (no JSON at all), ``B-2.canonical``, or as ``encode``.
    """
    try:
        value = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Malformed("B-2.json", place, got=str(error)) from None
    _check_value(value, place)
    if _encoder.encode(value) != raw:
        raise Malformed("B-2.canonical", place)
    return value


def stops_early(raw: bytes) -> bool:
    """Whether ``raw`` is JSON that ends where more was due, as a file does that was copied in part (L-7)."""
    try:
        _decoder.decode(raw)
    except msgspec.DecodeError as error:
        return str(error) == "Input data was truncated"
    except (UnicodeDecodeError, RecursionError, ValueError):
        pass
    return False


def decode_as(raw: bytes, shape: type[T], place: str = "") -> T:
    """``decode``, then the value as ``shape``, strictly typed (B-3).

    ``shape`` is anything msgspec converts to; a Struct should forbid unknown fields. Raises
    Malformed as ``decode`` does, and ``B-3.shape`` with the JSON path in its place.
    """
    try:
        return msgspec.convert(decode(raw, place), shape, strict=True)
    except msgspec.ValidationError as error:
        reason, path = reason_and_path(error)
        raise Malformed("B-3.shape", f"{place} {path or '$'}".lstrip(), got=reason) from None


def reason_and_path(error: Exception) -> tuple[str, str]:
    """What a typed reader says, apart from the JSON path that it says it of ("" where it names none)."""
    reason, _, path = str(error).partition(" - at `")
    return reason, path.removesuffix("`")


def check_id(text: str, place: str = "") -> str:
    """``text`` if it is an id as in B-5 (parties, suites, subjects, scorers, ...), else Malformed ``B-5.id``."""
    if not _ID.fullmatch(text) or is_device(text):
        raise Malformed("B-5.id", place, got=text)
    return text


def is_device(name: str) -> bool:
    """Whether Windows takes a file of this name for a device, in any folder (B-5); ``name`` without its ending, folded."""
    return _DEVICE.fullmatch(name) is not None


def check_language(tag: str, place: str = "") -> str:
    """``tag`` if it is a BCP 47 tag in its canonical spelling (``en``, ``zh-Hans``), else Malformed ``B-5.language``.

    Checks form and case (RFC 5646, sections 2.1, 2.1.1 and 4.5) and the renamed two-letter codes;
    the IANA registry itself is not carried along.
    """
    if len(tag) > 35 or not _LANGUAGE.fullmatch(tag) or tag.partition("-")[0] in _RENAMED:
        raise Malformed("B-5.language", place, got=tag)
    singletons = [part for part in tag.partition("-x-")[0].split("-")[1:] if len(part) == 1]
    if singletons != sorted(set(singletons)):
        raise Malformed("B-5.language", place, got=tag)
    return tag


def decimal(text: str, place: str = "") -> Fraction:
    """The exact number that a decimal string of B-1 stands for, else Malformed ``B-1.decimal``.

    One number has one spelling: no trailing zeros, no exponent, no plus sign, no ``-0``.
    """
    if len(text) > MAX_DECIMAL or not _DECIMAL.fullmatch(text) or text == "-0":
        raise Malformed("B-1.decimal", place, got=text)
    return Fraction(text)


def encode_decimal(value: Fraction, digits: int) -> str:
    """``value`` as a decimal string of B-1 with at most ``digits`` digits after the point, half to even."""
    scaled = round(value * 10**digits)
    whole, part = divmod(abs(scaled), 10**digits)
    tail = f"{part:0{digits}d}".rstrip("0") if digits else ""
    return ("-" if scaled < 0 else "") + str(whole) + (f".{tail}" if tail else "")


def kind_of(value: object) -> str:
    """The kind of a decoded JSON value for a message, named as typed readers name it: "`array`", "`null`"."""
    names = {str: "str", bool: "bool", int: "int", float: "float", list: "array", dict: "object", type(None): "null"}
    return f"`{names.get(type(value), type(value).__name__)}`"


def _check_value(value: object, place: str) -> None:
    """Rule B-1 for a whole value; the place of what is raised is ``place`` and the JSON path."""
    try:
        _check(value, 0)
    except Malformed as error:
        error.place = f"{place} ${error.place}".lstrip()
        raise


def _check(value: object, depth: int) -> None:
    # Exact types: a bool is no number here, and a subclass could print as something else.
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:  # type: ignore[operator]
            raise Malformed("B-1.integer", got=value)
        return
    if kind is float:
        raise Malformed("B-1.float", got=value)
    if depth == MAX_DEPTH:
        raise Malformed("B-1.depth", expected=MAX_DEPTH)
    if kind is dict:
        _check_members(value.items(), depth + 1)  # type: ignore[attr-defined]
    elif kind is list or kind is tuple:
        for index, member in enumerate(value):  # type: ignore[arg-type, var-annotated]
            try:
                _check(member, depth + 1)
            except Malformed as error:
                error.place = f"[{index}]{error.place}"
                raise
    elif isinstance(value, msgspec.Struct):
        fields = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        members = [(name, getattr(value, field)) for name, field in fields]
        _check_members([(name, member) for name, member in members if member is not msgspec.UNSET], depth + 1)
    else:
        raise Malformed("B-1.kind", got=kind.__name__)


def _check_members(members: Any, depth: int) -> None:
    for key, member in members:
        if not _is_key(key):
            raise Malformed("B-1.key", got=key)
        if type(member) is str:  # the commonest member, without a call
            continue
        try:
            _check(member, depth)
        except Malformed as error:
            error.place = f".{key}{error.place}"
            raise


@lru_cache(4096)
def _is_key(key: object) -> bool:
    return type(key) is str and _KEY.fullmatch(key) is not None
