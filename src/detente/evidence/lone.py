# SPDX-License-Identifier: Apache-2.0
"""A run handed over without its exchange: the file that holds its log entries and shows that they are in logs (F-12)."""

from msgspec import Struct

from detente.errors import Malformed
from detente.evidence.statements import Size
from detente.wire.canonical import NS, Hex, decode_as

LONE_TYPE = f"{NS}lone/v1"
LONE_FILE = "run.json"
LONE_LIMIT = 16 * 1024 * 1024  # bytes of that file


class _Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """Every member known and present (B-3)."""


class Inclusion(_Strict, frozen=True):
    """That an entry is in the tree of a note (its digest): the RFC 6962 inclusion proof, from the leaf upwards."""

    note: Hex
    proof: list[Hex]


class LoneEntry(_Strict, frozen=True):
    """One entry of a party's log: the envelope as the log holds it, its index, and the proofs of that."""

    envelope: str
    index: Size
    party: str
    proofs: list[Inclusion]


class LoneRun(_Strict, frozen=True):
    """All that run.json says: registration, conclusion and scorings of one run, and the notes that the proofs lead to."""

    entries: list[LoneEntry]
    notes: list[str]
    plan: Hex
    run: Hex
    type: str


def parse_lone(raw: bytes, place: str = "") -> LoneRun:
    """run.json, read strictly; Malformed (a B rule, or F-12.type)."""
    read = decode_as(raw, LoneRun, place)
    if read.type != LONE_TYPE:
        raise Malformed("F-12.type", f"{place} $.type".lstrip(), expected=LONE_TYPE, got=read.type)
    return read
