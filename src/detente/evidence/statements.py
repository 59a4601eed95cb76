# SPDX-License-Identifier: Apache-2.0
"""The nine signed statements: in-toto Statement v1 payloads, one predicate type each (T-1 to T-6).

A statement counts only in its author's log, under its plan, signed by the author's statement
key; this file reads and writes payloads, ``check`` decides what counts.
"""

from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta, Struct, field

from detente.errors import Malformed
from detente.pact.plan import Head
from detente.wire.canonical import NS, Hex, decode_as, encode

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"

Size = Annotated[int, Meta(ge=0)]


class _Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """A predicate: every member known and present (B-3)."""


class Accept(_Strict, frozen=True):
    """The party agrees to the plan whose digest is the subject."""

    party: str
    plan: Hex


class DrawCommit(_Strict, frozen=True):
    """The hash of the nonce kept for one auditor (R-6)."""

    auditor: str
    commit: Hex


class Engine(_Strict, frozen=True):
    """What put the questions: its name, version and digest (``external``: another harness, R-10)."""

    name: str
    version: str
    sha256: Hex


class Register(_Strict, frozen=True):
    """A run announced before its first request (R-1); the run's id is the hash of this envelope (T-3)."""

    acceptances: list[Hex]
    drawCommits: list[DrawCommit]  # noqa: N815 - the format's own name
    engine: Engine
    party: str
    plan: Hex
    section: str
    subject: str


class SealedText(_Strict, frozen=True):
    """One suite handed over sealed: digests of text and age file."""

    age: Hex
    suite: str
    text: Hex


class Release(_Strict, frozen=True):
    """A releaser lets a registered run start (R-2, T-4)."""

    beacon: Hex
    party: str
    plan: Hex
    run: Hex
    sealed: list[SealedText]
    size: Size


class Start(_Strict, frozen=True):
    """What was in hand before the first request: digests of note files and releases, plan order (R-4)."""

    notes: list[Hex]
    releases: list[Hex]


class OutcomeCounts(_Strict, frozen=True):
    """How the slots ended; ``cut`` is counted inside ``replied`` (T-5)."""

    cut: Size
    failed: Size
    filtered: Size
    replied: Size
    truncated: Size


class Attestation(_Strict, frozen=True):
    """A stronger proof laid beside the run (F-6)."""

    kind: str
    sha256: Hex


class Conclude(_Strict, frozen=True):
    """The answers of a run, fixed (T-5). ``root`` is null only for an aborted run."""

    attestations: list[Attestation]
    finishedAt: str  # noqa: N815 - the format's own name
    outcomes: OutcomeCounts
    party: str
    plan: Hex
    root: Hex | None
    run: Hex
    start: Start
    startedAt: str  # noqa: N815 - the format's own name
    status: Literal["completed", "aborted"]
    trace: Hex | None


class SampleCell(_Strict, frozen=True):
    """How many slots of one stratum were drawn for labelling (C-5)."""

    label: str | None
    lang: str
    n: Size


class Sample(_Strict, frozen=True):
    """Which of the slots were labelled, and by which draw (C-5)."""

    challenge: Hex | None
    design: Literal["random", "within_verdict"]
    of: Hex | None
    per: list[SampleCell]


class Score(_Strict, frozen=True):
    """Labels of a run's replies, fixed after them (C-6)."""

    definition: Hex
    party: str
    plan: Hex
    run: Hex
    sample: Sample | None
    scorer: str


class Challenge(_Strict, frozen=True):
    """An auditor asks for records, before it can know which (A-1)."""

    party: str
    plan: Hex
    run: Hex
    seed: Hex


class Open(_Strict, frozen=True):
    """The tester shows the drawn records, revealing that auditor's nonce (A-1)."""

    nonce: Hex
    party: str
    plaintext: Hex
    plan: Hex
    run: Hex


class Rescored(_Strict, frozen=True):
    """How one scorer's labels fared when somebody else scored again (T-6)."""

    agreed: Size
    n: Size
    parsed: Size
    scorer: str


class Rerun(_Strict, frozen=True):
    """How many answers came out equal when the questions were put again (T-6)."""

    equal: Size
    n: Size


class AuditFinding(_Strict, frozen=True):
    """What an auditor found in the shown records (T-6)."""

    details: Hex | None
    matched: Size
    opened: Size
    party: str
    plan: Hex
    recounted: bool
    rerun: Rerun | None
    rescored: list[Rescored]
    run: Hex
    verdict: Literal["consistent", "disputed"]


class Close(_Strict, frozen=True):
    """A party endorses one set of numbers, or reserves its position in words (F-11)."""

    heads: list[Head]
    party: str
    plan: Hex
    position: Literal["endorse", "reserve"]
    text: dict[str, str] | None


Predicate = Accept | Register | Release | Conclude | Score | Challenge | Open | AuditFinding | Close
PREDICATES: dict[str, type[Predicate]] = {
    "accept": Accept,
    "register": Register,
    "release": Release,
    "conclude": Conclude,
    "score": Score,
    "challenge": Challenge,
    "open": Open,
    "audit": AuditFinding,
    "close": Close,
}


class _Digest(_Strict, frozen=True):
    sha256: Hex


class _Subject(_Strict, frozen=True):
    digest: _Digest
    name: str


class _Payload(Struct, frozen=True, forbid_unknown_fields=True):
    predicate: dict[str, Any]
    predicateType: str  # noqa: N815 - in-toto's own name
    subject: list[_Subject]
    type_: str = field(name="_type")


class Statement(NamedTuple):
    """A payload as read: its kind (``accept`` ...), its subjects as (name, sha256), its predicate."""

    kind: str
    subjects: list[tuple[str, str]]
    predicate: Predicate

    def subject_digests(self) -> list[str]:
        """The subjects' digests, in order; names mean nothing (T-2)."""
        return [digest for _, digest in self.subjects]


def encode_statement(kind: str, subjects: list[tuple[str, str]], predicate: Predicate) -> bytes:
    """The JCS payload of a statement, ready to be sealed in an envelope (T-1, T-2)."""
    return encode(
        {
            "_type": STATEMENT_TYPE,
            "predicate": predicate,
            "predicateType": f"{NS}{kind}/v1",
            "subject": [{"digest": {"sha256": digest}, "name": name} for name, digest in subjects],
        }
    )


def parse_statement(payload: bytes, place: str = "") -> Statement:
    """A payload read strictly; Malformed (T-2) names what does not fit, ``T-2.foreign`` for another predicateType."""
    read = decode_as(payload, _Payload, place)
    if read.type_ != STATEMENT_TYPE:
        raise Malformed("T-2.type", place, expected=STATEMENT_TYPE, got=read.type_)
    kind = read.predicateType.removeprefix(NS).removesuffix("/v1")
    if kind not in PREDICATES or read.predicateType != f"{NS}{kind}/v1":
        raise Malformed("T-2.foreign", place, got=read.predicateType)
    predicate = decode_as(encode(read.predicate), PREDICATES[kind], f"{place} $.predicate")
    return Statement(kind, [(one.name, one.digest.sha256) for one in read.subject], predicate)
