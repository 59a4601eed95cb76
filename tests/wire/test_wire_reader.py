# SPDX-License-Identifier: Apache-2.0
"""The block reader of stored line files: the same lines, digests and refusals as reading the whole, in little memory (B-4, B-8)."""

import gzip
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detente.errors import CannotTell, Malformed
from detente.wire.digests import sha256, sha256_of
from detente.wire.lines import LineReader, compress, decompress, seems_whole, split_lines

LIMIT, LINE = 1 << 16, 300
TEXT = b"".join(b'{"i":%d,"text":"%x"}\n' % (i, pow(7, 40 * i + 1, 1 << 400)) for i in range(60))
STORED = compress(TEXT)


def cut_up(raw: bytes, size: int) -> list[bytes]:
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def read(stored: bytes | Iterable[bytes]) -> tuple[LineReader, list[bytes]]:
    reader, lines = LineReader(stored, LIMIT, LINE, "f"), []
    for block in reader.blocks():
        assert reader.count == len(lines)
        lines += block
    assert reader.count == len(lines)
    return reader, lines


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detente.wire.lines._PIECE", 100)


@pytest.mark.parametrize("size", [1, 2, 9, 10, 18, 19, 4096])
def test_reader_when_the_file_is_sound_then_lines_and_digests_are_those_of_the_whole(size: int) -> None:
    reader, lines = read(cut_up(STORED, size))
    assert lines == split_lines(TEXT, "f", LINE)
    assert (reader.whole, reader.was_cut) == (True, False)
    assert (reader.stored_sha256, reader.plain_sha256) == (sha256(STORED), sha256(TEXT))
    assert sha256_of(cut_up(STORED, size)) == sha256(STORED)


@given(
    st.lists(st.sampled_from([b"a", b"\n", b"xy", b"\n\n", b"x" * 400, b"line\n"])).map(b"".join), st.integers(1, 50)
)
@settings(deadline=None)
def test_reader_when_the_text_is_anything_then_it_reads_or_refuses_as_the_whole_does(plain: bytes, size: int) -> None:
    try:
        expected: object = split_lines(plain, "f", LINE)
    except Malformed:
        expected = "refused"
    try:
        found: object = read(cut_up(compress(plain), size))[1]
    except Malformed:
        found = "refused"
    assert found == expected


@pytest.mark.parametrize("plain", [b"", b"{}\n", TEXT[:400], b'{"i":1}\n' * 90])
def test_reader_when_any_bit_is_flipped_then_it_says_what_reading_the_whole_says(plain: bytes) -> None:
    raw = compress(plain)
    for n in range(8 * len(raw)):
        bent = bytearray(raw)
        bent[n // 8] ^= 1 << n % 8
        try:
            reader, lines = read(cut_up(bytes(bent), 1 + n % 40))
            found = "read" if reader.whole else "cannot tell" if reader.was_cut else "refused"
        except Malformed:
            found, lines = "refused", []
        try:
            expected = split_lines(decompress(bytes(bent), LIMIT, "f"), "f", LINE)
        except Malformed:
            assert found == "refused"
        except CannotTell:  # the stream runs on, which is damage if anything in it looks so
            assert found in {"refused", "cannot tell"}
        else:
            assert (found, lines) == ("read", expected)


def test_reader_when_the_file_is_cut_then_what_is_there_is_read_and_said_to_be_cut() -> None:
    lines = split_lines(TEXT, "f", LINE)
    for keep in range(len(STORED)):
        reader, found = read(cut_up(STORED[:keep], 64))
        assert (reader.whole, reader.was_cut) == (False, True)
        assert found == (lines if keep >= len(STORED) - 8 else lines[: len(found)])
        assert len(found) >= len(lines) * (keep - 200) // len(STORED) - 3
        assert not seems_whole(STORED[:keep], len(TEXT))


def test_reader_when_the_last_byte_of_the_stream_is_another_then_it_does_not_pass_for_a_cut_file() -> None:
    outcomes = set()
    for last in set(range(256)) - {STORED[-9]}:
        try:
            reader, _ = read(STORED[:-9] + bytes([last]) + STORED[-8:])
            outcomes.add((reader.whole, reader.was_cut))
        except Malformed:
            outcomes.add((False, False))
    assert outcomes == {(False, False)}


@pytest.mark.parametrize(
    ("code", "raw"),
    [
        ("B-8.trailing", STORED + b"\0"),
        ("B-8.trailing", STORED + STORED),
        ("B-8.trailing", STORED + b"\0" * 5000),
        ("B-8.bits", gzip.compress(TEXT, mtime=1)),
        ("B-8.gzip", b"no member at all, and longer than a head"),
        ("B-8.limit", compress(b"{}\n" * LIMIT)),
        ("B-9.long", compress(b"x" * LIMIT)),
        ("B-4.newline", compress(TEXT[:-1])),
    ],
)
@pytest.mark.parametrize("size", [1, 100, 1 << 16])
def test_reader_when_a_rule_is_broken_then_it_is_named(code: str, raw: bytes, size: int) -> None:
    with pytest.raises(Malformed) as caught:
        read(cut_up(raw, size))
    assert caught.value.code == code
    assert caught.value.place.startswith("f")


@pytest.mark.parametrize("extra", [b"\0", b"\1", b"\0\0", b"\3\0"])
def test_reader_when_something_stands_before_the_trailer_then_it_is_refused(extra: bytes) -> None:
    """Text that fills the reader's pieces to the byte, or does not, makes no difference."""
    for length in (2, 98, 99, 100, 101, 200, 201, 300):
        raw = compress(
            b"x" * (length - 1) + b"\n" if length < LINE else b"x" * 99 + b"\n" + b"x" * (length - 101) + b"\n"
        )
        assert read(raw)[0].whole
        for size in (1, len(raw)):
            with pytest.raises(Malformed, match=r"B-8\.(trailing|gzip|bits)"):
                read(cut_up(raw[:-8] + extra + raw[-8:], size))


def test_reader_when_a_bad_line_is_far_down_then_its_number_is_right() -> None:
    with pytest.raises(Malformed, match=r"f line 61"):
        read(compress(TEXT + b"\n"))
    with pytest.raises(Malformed, match=r"f line 61"):
        read(compress(TEXT + b"x" * 301 + b"\n"))


def test_reader_when_the_file_is_large_or_a_bomb_then_memory_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detente.wire.lines._PIECE", 1 << 16)
    large, bomb = compress(b'{"i":1}\n' * 2_000_000), compress(bytes(1 << 26))
    tracemalloc.start()
    reader = LineReader(large, 1 << 30, LINE, "f")
    assert sum(map(len, reader.blocks())) == 2_000_000
    with pytest.raises(Malformed):
        list(LineReader(bomb, 1 << 30, LINE, "f").blocks())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000
