# SPDX-License-Identifier: Apache-2.0
"""Signed notes, checkpoints of a log and the cosignatures of witnesses (L-1, L-3).

C2SP signed-note, tlog-checkpoint and tlog-cosignature (``cosignature/v1``):

    a.example/detente/0c4e5f6a7b8c9d0e       origin, which is also the log key's name
    4                                        size
    wk0...=                                  root, 32 bytes
                                             an empty line ends the text that is signed
    — a.example/detente/0c4e5f6a7b8c9d0e ...  key id (4 bytes), Ed25519 signature over the text
    — lab-b.example/witness ...               key id, u64be time, signature over time and text

A file that stops early says nothing about anybody (CannotTell); a whole one that is wrong does
(NotVerified). Every byte of ours ends in a newline, so a missing one is the sign of a cut.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from detente.errors import CannotTell, DetenteError, Malformed, NotVerified
from detente.wire.armor import decode_base64, encode_base64
from detente.wire.digests import sha256_raw, u64be
from detente.wire.keys import Signer, verify_signature

LOG_KEY = 0x01
COSIGNATURE_KEY = 0x04
MAX_NOTE = 65_536
"""Bytes a note may have: a hundred signature lines and much more."""

_STEP = "V-2"
T = TypeVar("T")
_MAX_LINES = 100  # as Go's sumdb/note
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class Checkpoint(NamedTuple):
    """What a log says of itself: its name, its number of entries, their Merkle root (64 hex digits)."""

    origin: str
    size: int
    root: str


class SignatureLine(NamedTuple):
    """One line under a note: who, 4 bytes of key id, and what that kind of key signs with."""

    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    """A note taken apart, nothing verified; ``text`` ends in a newline."""

    text: str
    signatures: tuple[SignatureLine, ...]


class Cosignature(NamedTuple):
    """A witness saw this checkpoint and holds its bytes: ``at`` is its clock, unix seconds."""

    name: str
    at: int


def check_name(name: str, place: str = "") -> str:
    """``name`` if it may name a key (signed-note: not empty, no space, no plus), else Malformed ``L-1.name``."""
    if not _NAME.fullmatch(name) or not name.isprintable():
        raise Malformed("L-1.name", place, got=name)
    return name


def key_id(name: str, kind: int, public: str) -> bytes:
    """The first 4 bytes of ``H(name || "\\n" || kind || public key)`` (signed-note)."""
    return sha256_raw(name.encode() + b"\n" + bytes([kind]) + bytes.fromhex(public))[:4]


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """The three lines that are signed (tlog-checkpoint; extension lines are not used, L-1)."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{encode_base64(bytes.fromhex(checkpoint.root))}\n".encode()


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """The note with the log's own signature; its key is named by the origin (L-1)."""
    text = encode_checkpoint(checkpoint)
    name = check_name(checkpoint.origin)
    line = SignatureLine(name, key_id(name, LOG_KEY, signer.public), signer.sign(text))
    return text + b"\n" + _encode_line(line).encode()


def cosign(note: bytes, name: str, signer: Signer, at: int) -> bytes:
    """``note`` with one line more: the witness ``name`` saw it at ``at`` unix seconds (tlog-cosignature, 0x04).

    Verifies nothing: that is the witness rule's work, in ``tlog.witness``. Raises Malformed
    ``L-3.time`` if ``at`` is not positive, or as ``parse_note``.
    """
    if not 0 < at < 2**63:
        raise Malformed("L-3.time", got=at)
    text = parse_note(note).text
    signature = u64be(at) + signer.sign(_cosigned_message(text, at))
    line = SignatureLine(check_name(name), key_id(name, COSIGNATURE_KEY, signer.public), signature)
    return note + _encode_line(line).encode()


def parse_note(raw: bytes, place: str = "") -> Note:
    """The text and the signature lines of a note (signed-note); Malformed ``L-1.note``, with the line in its place."""
    if len(raw) > MAX_NOTE:
        raise Malformed("L-1.note", place)
    try:
        whole = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("L-1.note", place) from None
    text, gap, below = whole.rpartition("\n\n")
    lines = below.split("\n")
    if not text or not gap or lines.pop() or not lines or len(lines) > _MAX_LINES or _CONTROL.search(whole):
        raise Malformed("L-1.note", place)
    first = text.count("\n") + 3
    return Note(text + "\n", tuple([_parse_line(line, f"{place} line {first + i}") for i, line in enumerate(lines)]))


def parse_checkpoint(raw: bytes, place: str = "") -> Checkpoint:
    """The checkpoint that a note's text is, nothing verified; Malformed ``L-1.checkpoint`` or as ``parse_note``."""
    return _read_checkpoint(parse_note(raw, place), place)


def verify_note(raw: bytes, origin: str, log_public: str, place: str = "") -> Checkpoint:
    """The checkpoint that the log ``origin`` signed with ``log_public`` (hex); other signature lines are ignored (L-1).

    Raises CannotTell ``file-cut`` for a note that stops early (L-7); NotVerified ``L-1.origin``,
    ``L-1.signature``, ``L-1.note``, ``L-1.checkpoint`` for a whole one that is wrong.
    """
    return _verify_whole(raw, lambda candidate: _verify_log(candidate, origin, log_public, place), place, origin)


def verify_cosigned(
    raw: bytes, origin: str, log_public: str, witnesses: Mapping[str, str], place: str = ""
) -> tuple[Checkpoint, list[Cosignature]]:
    """The checkpoint as ``verify_note`` has it, and the valid cosignatures of ``witnesses``: at least one.

    Raises as ``verify_note``; without any such cosignature CannotTell ``file-cut`` where the note
    stops after one signature line, else NotVerified ``L-3.cosignature``.
    """

    def check(candidate: bytes) -> tuple[tuple[Checkpoint, list[Cosignature]], bool]:
        checkpoint, ends_in_log_line = _verify_log(candidate, origin, log_public, place)
        note, found = parse_note(candidate), cosignatures(candidate, witnesses)
        if not found and len(note.signatures) == 1:
            raise CannotTell("file-cut", place)
        if not found:
            raise NotVerified("L-3.cosignature", place, step=_STEP, expected=", ".join(witnesses))
        ends_in_cosignature = bool(_valid_cosignatures(note.text, note.signatures[-1:], witnesses))
        return (checkpoint, found), ends_in_log_line or ends_in_cosignature

    return _verify_whole(raw, check, place, origin)


def cosignatures(raw: bytes, witnesses: Mapping[str, str]) -> list[Cosignature]:
    """The valid cosignatures under a note by the witnesses given as name to public key (hex), in file order.

    Lines of others, of other kinds and with a bad signature or a time of zero are left out; a
    witness that stands twice is listed twice. Raises Malformed as ``parse_note``.
    """
    note = parse_note(raw)
    return _valid_cosignatures(note.text, note.signatures, witnesses)


def strip_note(raw: bytes, origin: str, log_public: str) -> bytes:
    """The note with the log's own signature line only: what a witness stores, so that each byte of it is covered."""
    note = parse_note(raw)
    ours = [line for line in note.signatures if _is_of_log(line, origin, log_public)]
    return f"{note.text}\n{''.join([_encode_line(line) for line in ours[:1]])}".encode()


def _cosigned_message(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _encode_line(line: SignatureLine) -> str:
    return f"— {line.name} {encode_base64(line.key_id + line.signature)}\n"


def _parse_line(line: str, place: str) -> SignatureLine:
    parts = line.split(" ")
    signature = decode_base64(parts[2]) if len(parts) == 3 else None
    if signature is None or len(signature) < 5 or parts[0] != "—" or not _NAME.fullmatch(parts[1]):
        raise Malformed("L-1.note", place.lstrip())
    return SignatureLine(parts[1], signature[:4], signature[4:])


def _read_checkpoint(note: Note, place: str) -> Checkpoint:
    lines = note.text.split("\n")
    root = decode_base64(lines[2]) if len(lines) == 4 else None
    if root is None or len(root) != 32 or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise Malformed("L-1.checkpoint", place)
    return Checkpoint(lines[0], int(lines[1]), root.hex())


def _is_of_log(line: SignatureLine, origin: str, log_public: str) -> bool:
    return line.name == origin and line.key_id == key_id(origin, LOG_KEY, log_public)


def _verify_log(raw: bytes, origin: str, log_public: str, place: str) -> tuple[Checkpoint, bool]:
    """The checkpoint in the log's own word, and whether the note ends with the line that says so."""
    note = parse_note(raw, place)
    checkpoint = _read_checkpoint(note, place)
    if checkpoint.origin != origin:
        raise NotVerified("L-1.origin", place, step=_STEP, expected=origin, got=checkpoint.origin)
    ours = [line for line in note.signatures if _is_of_log(line, origin, log_public)]
    message = note.text.encode()
    if not ours or not all(verify_signature(log_public, line.signature, message) for line in ours):
        raise NotVerified("L-1.signature", place, step=_STEP, expected=log_public)
    return checkpoint, ours[-1] is note.signatures[-1]


def _valid_cosignatures(text: str, lines: Sequence[SignatureLine], witnesses: Mapping[str, str]) -> list[Cosignature]:
    found = []
    for line in lines:
        public = witnesses.get(line.name)
        if public is None or line.key_id != key_id(line.name, COSIGNATURE_KEY, public):
            continue
        at, signature = int.from_bytes(line.signature[:8], "big"), line.signature[8:]
        if 0 < at < 2**63 and verify_signature(public, signature, _cosigned_message(text, at)):
            found.append(Cosignature(line.name, at))
    return found


def _verify_whole(raw: bytes, check: Callable[[bytes], tuple[T, bool]], place: str, origin: str) -> T:
    """What ``check`` finds; where it finds nothing, whether the bytes are wrong or only stop early (L-7).

    ``check`` also says whether the last line is one that it verified: if the newline after such
    a line is another byte, the file is whole and that byte is wrong.
    """
    if raw.endswith(b"\n") or len(raw) > MAX_NOTE:
        try:
            return check(raw)[0]
        except Malformed as error:
            if _is_beginning(raw, origin):
                raise CannotTell("file-cut", place) from None
            raise NotVerified(error.code, error.place, step=_STEP) from None
    try:
        whole = check(raw[:-1] + b"\n")[1]
    except DetenteError:
        whole = False
    if whole:
        raise NotVerified("L-1.note", place, step=_STEP)
    raise CannotTell("file-cut", place)


def _is_beginning(raw: bytes, origin: str) -> bool:
    """Whether these lines could be the first of a checkpoint of ``origin``, its signatures cut off."""
    lines = raw.decode("utf-8", "replace").split("\n")[:-1]
    looks: tuple[Callable[[str], object], ...] = (
        lambda line: line == origin,
        _SIZE.fullmatch,
        decode_base64,
        lambda line: not line,
    )
    return len(lines) <= len(looks) and all(look(line) for look, line in zip(looks, lines, strict=False))
