# SPDX-License-Identifier: Apache-2.0
"""One gzip member bit by bit (B-8): no bit may change unseen, a cut is not a change, and no other head is read."""

import gzip
import io
import struct
import zlib
from collections.abc import Iterator

import pytest

from detente.errors import CannotTell, Malformed
from detente.wire.lines import compress, decompress, readable_start, seems_whole

LIMIT = 1 << 20
# Lines as they are published: scores, and headers with digests that do not compress.
SCORES = b"".join(b'{"i":%d,"label":"%s"}\n' % (i, (b"refuse", b"comply")[i % 3 // 2]) for i in range(40))
HEADERS = b"".join(
    b'{"body":"%064x","i":%d,"item":"%064x","outcome":"replied"}\n'
    % (pow(7, 99 + i, 1 << 256), i, pow(5, 200, 1 << 256))
    for i in range(9)
)
SAMPLES = pytest.mark.parametrize(
    "plain", [b"", b'{"i":0}\n', SCORES, HEADERS], ids=["none", "one", "scores", "headers"]
)


def flips(raw: bytes) -> Iterator[bytes]:
    """``raw`` with each bit of it the other way round."""
    for at in range(len(raw)):
        for bit in range(8):
            yield raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]


def unseen(raw: bytes, plain: bytes) -> list[tuple[int, int]]:
    """The bits (byte, bit) that may be flipped without a refusal; what is read then must be ``plain``."""
    found = []
    for n, bent in enumerate(flips(raw)):
        try:
            assert decompress(bent, LIMIT, "f") == plain
        except (Malformed, CannotTell):
            continue
        found.append((n // 8, n % 8))
    return found


@pytest.mark.parametrize("plain", [b"", b'{"i":0}\n', SCORES[:75], HEADERS], ids=["none", "one", "scores", "headers"])
def test_member_when_any_single_bit_is_flipped_then_it_is_refused(plain: bytes) -> None:
    raw = compress(plain)
    assert decompress(raw, LIMIT, "f") == plain
    assert unseen(raw, plain) == []


@pytest.mark.parametrize("plain", [SCORES, HEADERS * 3, b"%d green bottles hanging on the wall; " * 40])
def test_member_when_spelled_once_and_any_bit_is_flipped_then_it_is_refused(plain: bytes) -> None:
    """Suite texts: nobody signs their stored bytes, so no bit of them may be free."""
    raw = compress(plain, spelled_once=True)
    assert read_by_others(raw) == plain
    assert unseen(raw, plain) == []


@pytest.mark.parametrize("plain", [SCORES, b"%d green bottles hanging on the wall; " * 40, bytes(range(256))])
def test_member_when_a_bit_is_flipped_then_it_is_refused_or_reads_the_same(plain: bytes) -> None:
    """The limit of B-8: one repetition has two spellings, and a stored block has bits over. Only the stored bytes' digest tells."""
    raw = compress(plain)
    assert {at for at, _ in unseen(raw, plain)} <= set(range(10, len(raw) - 8))


@SAMPLES
def test_member_when_cut_anywhere_then_it_cannot_be_told(plain: bytes) -> None:
    raw = compress(plain)
    for length in range(len(raw)):
        with pytest.raises(CannotTell, match="file-cut"):
            decompress(raw[:length], LIMIT, "f")


def test_member_when_its_unread_bits_are_set_then_malformed() -> None:
    """A stream that ends inside a byte leaves bits over; the reader wants them to be 0 (RFC 1951, 3.2.3)."""
    refused = 0
    for n in range(20):
        raw = compress(b"x" * n)
        last = len(raw) - 9
        for bit in range(8):
            bent = raw[:last] + bytes([raw[last] | 1 << bit]) + raw[last + 1 :]
            if bent != raw and read_by_others(bent) == b"x" * n:
                refused += 1
                with pytest.raises(Malformed, match=r"B-8\.bits"):
                    decompress(bent, LIMIT, "f")
    assert refused > 20  # other readers do not look at them


def read_by_others(raw: bytes) -> bytes:
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error):
        return b"refused"


def with_name(plain: bytes) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile("lines.jsonl", "wb", 6, out, mtime=0) as file:
        file.write(plain)
    return out.getvalue()


def test_head_when_it_is_the_fixed_one_then_it_is_what_gzip_writes_without_a_name() -> None:
    assert compress(SCORES)[:10] == bytes.fromhex("1f8b0800000000000003")
    assert gzip.decompress(compress(SCORES)) == SCORES


@pytest.mark.parametrize(
    ("what", "head"),
    [
        ("a time", b"\x1f\x8b\x08\0" + struct.pack("<I", 1_790_000_000) + b"\0\x03"),
        ("the greatest effort", b"\x1f\x8b\x08\0\0\0\0\0\x02\x03"),
        ("the least effort", b"\x1f\x8b\x08\0\0\0\0\0\x04\x03"),
        ("another system: Windows", b"\x1f\x8b\x08\0\0\0\0\0\0\x0b"),
        ("another system: macOS", b"\x1f\x8b\x08\0\0\0\0\0\0\x13"),
        ("an unknown system", b"\x1f\x8b\x08\0\0\0\0\0\0\xff"),
        ("a text flag", b"\x1f\x8b\x08\x01\0\0\0\0\0\x03"),
        ("a sum of its own", b"\x1f\x8b\x08\x02\0\0\0\0\0\x03" + struct.pack("<H", zlib.crc32(b"\x1f\x8b\x08\x02\0\0\0\0\0\x03") & 0xFFFF)),
        ("an extra field", b"\x1f\x8b\x08\x04\0\0\0\0\0\x03\x04\0hide"),
        ("a name", b"\x1f\x8b\x08\x08\0\0\0\0\0\x03lines.jsonl\0"),
        ("a comment", b"\x1f\x8b\x08\x10\0\0\0\0\0\x03see me\0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_head_when_it_says_anything_then_malformed_although_others_read_it(what: str, head: bytes) -> None:
    raw = head + compress(SCORES)[10:]
    assert gzip.decompress(raw) == SCORES, what
    with pytest.raises(Malformed, match=r"B-8\.bits"):
        decompress(raw, LIMIT, "f")


def test_head_when_python_writes_a_name_or_a_time_then_malformed() -> None:
    for raw in (with_name(SCORES), gzip.compress(SCORES, 6, mtime=1), gzip.compress(SCORES, 9, mtime=0)):
        with pytest.raises(Malformed, match=r"B-8\.bits"):
            decompress(raw, LIMIT, "f")


# --- cut or damaged: how a reader tells them apart (L-7) -----------------------------------------


@pytest.mark.parametrize("plain", [SCORES, HEADERS], ids=["scores", "headers"])
def test_readable_start_when_a_file_is_cut_then_it_is_a_start_of_the_text_and_grows(plain: bytes) -> None:
    raw = compress(plain)
    starts = [readable_start(raw[:length], LIMIT) for length in range(len(raw) + 1)]
    assert all(plain.startswith(start) for start in starts)
    assert [len(start) for start in starts] == sorted(len(start) for start in starts)
    assert starts[0] == b""
    assert starts[-1] == plain
    assert readable_start(raw, 7) == plain[:7]


@pytest.mark.parametrize("raw", [b"", b"no gzip at all", compress(SCORES)[1:], zlib.compress(SCORES)])
def test_readable_start_when_there_is_no_member_then_nothing(raw: bytes) -> None:
    assert readable_start(raw, LIMIT) == b""


@pytest.mark.parametrize("plain", [SCORES, HEADERS], ids=["scores", "headers"])
def test_seems_whole_when_a_file_is_cut_then_it_does_not_and_when_damaged_then_it_does(plain: bytes) -> None:
    raw = compress(plain)
    assert seems_whole(raw, len(plain))
    cut = [n for n in range(len(raw)) if seems_whole(raw[:n], len(readable_start(raw[:n], LIMIT)))]
    assert cut == []
    damaged = 0
    for bent in flips(raw[10:-4]):
        file = raw[:10] + bent + raw[-4:]
        try:
            decompress(file, LIMIT, "f")
        except Malformed:
            continue
        except CannotTell:  # the stream runs past its end: at first sight the file is merely cut
            damaged += 1
            start = readable_start(file, LIMIT)
            # Where the stream ran on into more text than the trailer tells of, the rules of lines decide.
            assert seems_whole(file, len(start)) or len(start) > len(plain)
    assert damaged > 0


@pytest.mark.parametrize("spelled_once", [False, True])
def test_seems_whole_when_a_long_stream_runs_on_into_its_trailer_then_it_does(spelled_once: bool) -> None:
    """One bit, the one that calls the last part the last: what was read before the trailer broke it is not lost."""
    plain = b"".join(b'{"i":%d,"label":"%x"}\n' % (n, n * n * 7919) for n in range(500))
    raw = bytearray(compress(plain, spelled_once=spelled_once))
    raw[10] ^= 1
    start = readable_start(bytes(raw), 10 * len(plain))
    assert len(start) > len(plain) // 2
    assert plain.startswith(start[: len(plain)])
    assert seems_whole(bytes(raw), len(start))


def test_seems_whole_when_there_is_no_room_for_a_member_then_it_does_not() -> None:
    assert not seems_whole(b"", 0)
    assert not seems_whole(compress(b"")[:10] + bytes(8), 0)
    assert not seems_whole(compress(SCORES)[:-4] + struct.pack("<I", 1 << 30), len(SCORES))
