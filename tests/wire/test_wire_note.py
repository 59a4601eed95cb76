# SPDX-License-Identifier: Apache-2.0
"""Notes, checkpoints and cosignatures: the C2SP bytes, every changed byte, every cut."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.errors import CannotTell, Malformed, NotVerified
from detente.wire.armor import decode_base64, encode_base64
from detente.wire.keys import SigningKey
from detente.wire.note import (
    Checkpoint,
    Cosignature,
    check_name,
    cosign,
    cosignatures,
    key_id,
    parse_checkpoint,
    parse_note,
    sign_checkpoint,
    strip_note,
    verify_cosigned,
    verify_note,
)

LOG, WITNESS, OTHER = SigningKey(b"l" * 32), SigningKey(b"w" * 32), SigningKey(b"o" * 32)
ORIGIN, NAME = "a.example/detente/0c4e5f6a7b8c9d0e", "lab-b.example/witness"
HEAD = Checkpoint(ORIGIN, 4, hashlib.sha256(b"root").hexdigest())
NOTE = sign_checkpoint(HEAD, LOG)
COSIGNED = cosign(NOTE, NAME, WITNESS, 1_794_560_520)
WITNESSES = {NAME: WITNESS.public}


def test_checkpoint_when_signed_then_the_lines_of_the_specification() -> None:
    text, line = NOTE.decode().split("\n\n")
    root = encode_base64(bytes.fromhex(HEAD.root))
    assert text == f"{ORIGIN}\n4\n{root}"
    dash, name, armored = line.removesuffix("\n").split(" ")
    raw = decode_base64(armored)
    assert (dash, name) == ("—", ORIGIN)
    assert raw is not None
    assert raw[:4] == hashlib.sha256(ORIGIN.encode() + b"\n\x01" + bytes.fromhex(LOG.public)).digest()[:4]
    assert raw[4:] == LOG.sign(f"{text}\n".encode())
    assert verify_note(NOTE, ORIGIN, LOG.public) == parse_checkpoint(NOTE) == HEAD


def test_cosignature_when_made_then_the_bytes_of_the_specification() -> None:
    assert COSIGNED.startswith(NOTE)
    line = parse_note(COSIGNED).signatures[1]
    assert line.name == NAME
    assert line.key_id == hashlib.sha256(NAME.encode() + b"\n\x04" + bytes.fromhex(WITNESS.public)).digest()[:4]
    text = NOTE.decode().partition("\n\n")[0] + "\n"
    assert line.signature[:8] == (1_794_560_520).to_bytes(8, "big")
    assert line.signature[8:] == WITNESS.sign(b"cosignature/v1\ntime 1794560520\n" + text.encode())
    assert cosignatures(COSIGNED, WITNESSES) == [Cosignature(NAME, 1_794_560_520)]
    assert verify_cosigned(COSIGNED, ORIGIN, LOG.public, WITNESSES) == (HEAD, [Cosignature(NAME, 1_794_560_520)])


def test_key_id_when_published_example_of_go_then_the_same() -> None:
    # The key of golang.org/x/mod/sumdb/note's own documentation: PeterNeumann+c74f20a3+ARpc2Qcu...
    public = decode_base64("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    assert public is not None
    assert key_id("PeterNeumann", public[0], public[1:].hex()).hex() == "c74f20a3"


@given(st.integers(0, 2**62), st.binary(min_size=32, max_size=32), st.integers(1, 2**62))
def test_note_when_any_head_and_time_then_reads_back(size: int, root: bytes, at: int) -> None:
    head = Checkpoint(ORIGIN, size, root.hex())
    note = cosign(sign_checkpoint(head, LOG), NAME, WITNESS, at)
    assert verify_cosigned(note, ORIGIN, LOG.public, WITNESSES) == (head, [Cosignature(NAME, at)])


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80])
def test_note_when_any_byte_is_changed_then_not_verified(mask: int) -> None:
    for i in range(len(NOTE)):
        with pytest.raises(NotVerified):
            verify_note(_changed(NOTE, i, mask), ORIGIN, LOG.public, "checkpoint")
    for i in range(len(COSIGNED)):
        with pytest.raises(NotVerified):
            verify_cosigned(_changed(COSIGNED, i, mask), ORIGIN, LOG.public, WITNESSES, "notes/4")


def _changed(raw: bytes, i: int, mask: int) -> bytes:
    return raw[:i] + bytes([raw[i] ^ mask]) + raw[i + 1 :]


def test_note_when_cut_anywhere_then_cannot_tell() -> None:
    for length in range(len(NOTE)):
        with pytest.raises(CannotTell, match="file-cut"):
            verify_note(NOTE[:length], ORIGIN, LOG.public, "checkpoint")
    for length in range(len(COSIGNED)):
        with pytest.raises(CannotTell, match="file-cut"):
            verify_cosigned(COSIGNED[:length], ORIGIN, LOG.public, WITNESSES, "notes/4")


def test_note_when_other_lines_are_there_then_ignored_wherever_they_stand() -> None:
    other = cosign(NOTE, "someone.example", OTHER, 7)
    both = cosign(other, NAME, WITNESS, 9)
    assert verify_note(both, ORIGIN, LOG.public) == HEAD
    assert cosignatures(both, WITNESSES) == [Cosignature(NAME, 9)]
    assert cosignatures(both, {**WITNESSES, "someone.example": OTHER.public}) == [("someone.example", 7), (NAME, 9)]
    first, *lines = both.decode().partition("\n\n")[2].splitlines(keepends=True)
    turned = NOTE.partition(b"\n\n")[0] + b"\n\n" + "".join([*lines, first]).encode()
    assert verify_note(turned, ORIGIN, LOG.public) == HEAD
    assert strip_note(turned, ORIGIN, LOG.public) == NOTE


def test_note_when_cut_within_a_line_of_others_then_cannot_tell() -> None:
    for length in range(len(NOTE) + 1, len(COSIGNED)):
        with pytest.raises(CannotTell, match="file-cut"):
            verify_note(COSIGNED[:length], ORIGIN, LOG.public)


def test_cosignature_when_same_name_but_other_key_then_not_counted() -> None:
    forged = cosign(NOTE, NAME, OTHER, 5)
    assert cosignatures(forged, WITNESSES) == []
    with pytest.raises(NotVerified, match=r"L-3\.cosignature"):
        verify_cosigned(forged, ORIGIN, LOG.public, WITNESSES)


def test_cosignature_when_time_is_zero_then_refused_both_ways() -> None:
    for at in (0, -1, 2**63):
        with pytest.raises(Malformed, match=r"L-3\.time"):
            cosign(NOTE, NAME, WITNESS, at)
    text = NOTE.decode().partition("\n\n")[0] + "\n"
    signature = bytes(8) + WITNESS.sign(b"cosignature/v1\ntime 0\n" + text.encode())
    line = f"— {NAME} {encode_base64(key_id(NAME, 4, WITNESS.public) + signature)}\n"
    assert cosignatures(NOTE + line.encode(), WITNESSES) == []


def test_cosignature_when_log_key_signs_plainly_then_it_is_no_cosignature() -> None:
    # A witness key's plain signature over the text (0x01) must not pass as a cosignature, nor the other way round.
    plain = sign_checkpoint(Checkpoint(NAME, 4, HEAD.root), WITNESS)
    assert cosignatures(plain, WITNESSES) == []
    with pytest.raises(NotVerified, match=r"L-1\.signature"):
        verify_note(cosign(NOTE, ORIGIN, OTHER, 3), ORIGIN, OTHER.public)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"other.example/log\n4\n{encode_base64(bytes(32))}\n", "L-1.origin"),
        (f"{ORIGIN}\n04\n{encode_base64(bytes(32))}\n", "L-1.checkpoint"),
        (f"{ORIGIN}\n-4\n{encode_base64(bytes(32))}\n", "L-1.checkpoint"),
        (f"{ORIGIN}\n4\n{encode_base64(bytes(31))}\n", "L-1.checkpoint"),
        (f"{ORIGIN}\n4\n{encode_base64(bytes(32))}\nextension\n", "L-1.checkpoint"),
        (f"{ORIGIN}\n4\n", "L-1.checkpoint"),
        (f"{ORIGIN}\n4\t\n{encode_base64(bytes(32))}\n", "L-1.note"),
    ],
)
def test_checkpoint_when_signed_but_ill_formed_then_not_verified(text: str, code: str) -> None:
    line = f"— {ORIGIN} {encode_base64(key_id(ORIGIN, 1, LOG.public) + LOG.sign(text.encode()))}\n"
    with pytest.raises(NotVerified) as caught:
        verify_note(f"{text}\n{line}".encode(), ORIGIN, LOG.public, "log/checkpoint")
    assert (caught.value.code, caught.value.step) == (code, "V-2")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n\n\n",
        b"text\n",
        b"text\n\n",
        b"text\n\nno dash\n",
        "text\n\n— name AAAAAAAA\n\n".encode(),
        "text\n\n— name AAAAAA==\n".encode(),
        "text\n\n— na+me AAAAAAAA\n".encode(),
        "text\n\n— na me AAAAAAAA\n".encode(),
        "text\n\n—  AAAAAAAA\n".encode(),
        "text\r\n\n— name AAAAAAAA\n".encode(),
        b"text\n\n\xff\n",
        b"text\n\n" + "— name AAAAAAAA\n".encode() * 101,
        b"x" * 70_000,
    ],
)
def test_parse_note_when_no_note_then_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed, match=r"L-1\.note"):
        parse_note(raw, "file")


def test_check_name_when_spaces_or_plus_then_malformed() -> None:
    assert check_name("实验室.example/log") == "实验室.example/log"
    for bad in ("", "a b", "a+b", "a\u00a0b", "a\nb", "a\u202eb"):
        with pytest.raises(Malformed, match=r"L-1\.name"):
            check_name(bad)


def test_note_when_longer_than_any_note_then_not_verified_although_no_newline_ends_it() -> None:
    with pytest.raises(NotVerified, match=r"L-1\.note"):
        verify_note(NOTE + b"x" * 70_000, ORIGIN, LOG.public)
