# SPDX-License-Identifier: Apache-2.0
"""Every parser of bytes that strangers may send, under one name and one shape: bytes and what is given with them in, a value out.

The vectors (tests/vectors/README.md) and the fuzz targets (fuzz/) ask the same readers.
"""

from collections.abc import Callable, Mapping
from typing import Any

from detente.errors import CannotTell, DetenteError, Malformed, NotVerified
from detente.pact.descriptor import parse_descriptor
from detente.pact.home import parse_commitment
from detente.pact.item import parse_list, parse_suite
from detente.pact.plan import parse_plan
from detente.pact.slots import Slots
from detente.wire.canonical import check_id, check_language, decimal, decode
from detente.wire.digests import sha256
from detente.wire.dsse import open_envelope
from detente.wire.keys import check_public, verify_signature
from detente.wire.lines import decompress, split_lines
from detente.wire.note import verify_cosigned, verify_note
from detente.wire.times import parse_time

Given = Mapping[str, Any]
Reader = Callable[[bytes, Given], Any]
READERS: dict[str, Reader] = {}


def reader(name: str) -> Callable[[Reader], Reader]:
    def keep(one: Reader) -> Reader:
        READERS[name] = one
        return one

    return keep


def kind_of_failure(error: DetenteError) -> str:
    """The words of the vectors for the classes of errors."""
    if isinstance(error, NotVerified):
        return "not-verified"
    if isinstance(error, CannotTell):
        return "cannot-tell"
    assert isinstance(error, Malformed), error
    return "malformed"


def must(true: object) -> None:
    """A verifier that answers with yes or no."""
    if not true:
        raise NotVerified("no")


@reader("json")
def _json(raw: bytes, given: Given) -> Any:
    return decode(raw)


@reader("decimal")
def _decimal(raw: bytes, given: Given) -> Any:
    return [str(part) for part in decimal(raw.decode()).as_integer_ratio()]


@reader("time")
def _time(raw: bytes, given: Given) -> Any:
    return parse_time(raw.decode())


@reader("id")
def _id(raw: bytes, given: Given) -> Any:
    return check_id(raw.decode())


@reader("language")
def _language(raw: bytes, given: Given) -> Any:
    return check_language(raw.decode())


@reader("lines")
def _lines(raw: bytes, given: Given) -> Any:
    return len(split_lines(raw, "", given["limit"]))


@reader("gzip")
def _gzip(raw: bytes, given: Given) -> Any:
    return decompress(raw, given["limit"], "").decode("latin-1")


@reader("public-key")
def _public_key(raw: bytes, given: Given) -> Any:
    return check_public(raw.decode())


@reader("signature")
def _signature(raw: bytes, given: Given) -> Any:
    must(verify_signature(given["key"], bytes.fromhex(given["signature"]), raw))


@reader("envelope")
def _envelope(raw: bytes, given: Given) -> Any:
    return open_envelope(raw, given["key"]).decode()


@reader("log-head")
def _log_head(raw: bytes, given: Given) -> Any:
    return list(verify_note(raw, given["origin"], given["key"]))


@reader("cosigned")
def _cosigned(raw: bytes, given: Given) -> Any:
    return [list(one) for one in verify_cosigned(raw, given["origin"], given["key"], given["witnesses"])[1]]


@reader("plan")
def _plan(raw: bytes, given: Given) -> Any:
    return parse_plan(raw).id


@reader("descriptor")
def _descriptor(raw: bytes, given: Given) -> Any:
    return parse_descriptor(raw, "", salted=given["salted"])


@reader("home-line")
def _home_line(raw: bytes, given: Given) -> Any:
    parse_commitment(raw, given["section"], "")
    return sha256(raw)


@reader("list")
def _list(raw: bytes, given: Given) -> Any:
    return [line.item for line in parse_list(raw, "")]


@reader("suite")
def _suite(raw: bytes, given: Given) -> Any:
    listed = parse_list(given["list"].encode(), "")
    return [item.id for item in parse_suite(raw, given["suite"], given["canary"], listed, "", given["languages"])]


@reader("slots")
def _slots(raw: bytes, given: Given) -> Any:
    return [[slot.suite, slot.item, slot.lang, slot.epoch] for slot in slots_of(raw, given)]


def slots_of(plan: bytes, given: Given) -> Slots:
    lists = {suite: parse_list(text.encode(), "") for suite, text in given["lists"].items()}
    return Slots(parse_plan(plan).plan, given["section"], lists)
