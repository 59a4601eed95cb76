# SPDX-License-Identifier: Apache-2.0
"""Digests, times, lines, gzip and base64: one spelling each, and cut is not wrong."""

import gzip
import hashlib
import hmac
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.errors import CannotTell, Malformed
from detente.wire.armor import decode_base64, encode_base64
from detente.wire.digests import Keyed, groups_of_four, keyed, sha256, sha256_raw, tagged, u64be
from detente.wire.lines import compress, decompress, join_lines, split_lines
from detente.wire.times import encode_time, parse_time


def test_digests_when_tagged_then_the_bytes_of_b6() -> None:
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_raw(b"abc").hex() == sha256(b"abc")
    assert tagged("seed", b"k", u64be(7)) == hashlib.sha256(b"detente seed v1\nk" + bytes(7) + b"\x07").digest()
    assert keyed(b"key", "salt", b"x") == hmac.new(b"key", b"detente salt v1\nx", "sha256").digest()
    assert groups_of_four("0123456789ab") == "0123 4567 89ab"
    with pytest.raises(OverflowError):
        u64be(2**64)


@given(st.integers(-62135596800, 253402300799))
def test_time_when_encoded_then_reads_back(unix: int) -> None:
    assert parse_time(encode_time(unix)) == unix


def test_time_when_spelled_otherwise_then_malformed() -> None:
    assert parse_time("2026-11-13T09:02:00Z") == 1794560520
    assert encode_time(0) == "1970-01-01T00:00:00Z"
    bad = [
        "2026-11-13T09:02:00+00:00",
        "2026-11-13T09:02:00.0Z",
        "2026-11-13 09:02:00Z",
        "2026-11-13T09:02:00z",
        "2026-02-30T00:00:00Z",
        "2026-12-31T23:59:60Z",
        "2026-11-13T24:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-11-13T09:02:00Z\n",
        "٢026-11-13T09:02:00Z",
        "",
    ]
    for text in bad:
        with pytest.raises(Malformed, match=r"B-1\.time"):
            parse_time(text)
    with pytest.raises(Malformed, match=r"B-1\.time"):
        encode_time(10**13)


@given(st.lists(st.binary(min_size=1, max_size=20).filter(lambda line: b"\n" not in line)))
def test_lines_when_joined_then_split_again(lines: list[bytes]) -> None:
    assert split_lines(join_lines(lines), "f", 20) == lines


@pytest.mark.parametrize(
    ("raw", "code", "place"),
    [
        (b"a\nb", "B-4.newline", "f"),
        (b"a\n\nb\n", "B-4.empty", "f line 2"),
        (b"\n", "B-4.empty", "f line 1"),
        (b"a\nabcdef\n", "B-9.long", "f line 2"),
    ],
)
def test_lines_when_a_rule_is_broken_then_malformed(raw: bytes, code: str, place: str) -> None:
    with pytest.raises(Malformed) as caught:
        split_lines(raw, "f", 5)
    assert (caught.value.code, caught.value.place) == (code, place)


@given(st.binary(max_size=300))
def test_gzip_when_compressed_then_one_plain_member_that_others_read(plain: bytes) -> None:
    stored = compress(plain)
    assert stored[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"  # no name, no time
    assert gzip.decompress(stored) == plain
    assert decompress(stored, len(plain), "f") == plain


def test_gzip_when_cut_anywhere_then_cannot_tell() -> None:
    stored = compress(b"line of text\n" * 50)
    for length in range(len(stored)):
        with pytest.raises(CannotTell, match="file-cut"):
            decompress(stored[:length], 10_000, "f")


def test_gzip_when_wrong_then_malformed_by_kind() -> None:
    plain = b"line of text\n" * 50
    stored = compress(plain)
    wrong_sum = stored[:-8] + bytes([stored[-8] ^ 1]) + stored[-7:]
    cases = {
        "B-8.trailing": (stored + b"\0", 10_000),
        "B-8.limit": (stored, len(plain) - 1),
        "B-8.gzip": (wrong_sum, 10_000),
    }
    for code, (raw, limit) in cases.items():
        with pytest.raises(Malformed) as caught:
            decompress(raw, limit, "f")
        assert caught.value.code == code
    with pytest.raises(Malformed, match=r"B-8\.trailing"):
        decompress(stored + stored, 10_000, "f")
    with pytest.raises(Malformed, match=r"B-8\.gzip"):
        decompress(zlib.compress(plain), 10_000, "f")


@pytest.mark.parametrize("plain", [b"", b"line of text\n" * 50, bytes(range(256))], ids=["none", "text", "stored"])
def test_gzip_when_any_bit_of_the_file_is_changed_then_refused_or_the_same_text(plain: bytes) -> None:
    stored = compress(plain)
    unread = set()
    for i in range(len(stored)):
        for bit in range(8):
            changed = stored[:i] + bytes([stored[i] ^ 1 << bit]) + stored[i + 1 :]
            try:
                assert decompress(changed, 10_000, "f") == plain
            except (Malformed, CannotTell):
                continue
            unread.add(i)
    # Inside the stream there are bits that no decoder reads: statements bind the stored bytes, too (B-8).
    assert unread <= {10}


def test_gzip_when_its_header_holds_a_time_or_a_name_then_malformed() -> None:
    assert decompress(compress(b"plain"), 100, "f") == b"plain"
    with_time, other_level = gzip.compress(b"plain", mtime=1), gzip.compress(b"plain", 9, mtime=0)
    for stored in (with_time, other_level):
        with pytest.raises(Malformed, match=r"B-8\.bits"):
            decompress(stored, 100, "f")


def test_gzip_when_zlib_is_of_another_system_then_the_same_header(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = compress(b"plain")
    monkeypatch.setattr(zlib, "compress", lambda *_: stored[:9] + b"\x13" + stored[10:])
    assert compress(b"plain") == stored


def test_gzip_when_it_unfolds_to_a_gigabyte_then_stops_at_the_limit() -> None:
    bomb = zlib.compressobj(6, zlib.DEFLATED, 31)
    raw = b"".join(bomb.compress(bytes(2**20)) for _ in range(64)) + bomb.flush()
    with pytest.raises(Malformed, match=r"B-8\.limit"):
        decompress(raw, 1000, "f")


@given(st.binary(max_size=80))
def test_base64_when_encoded_then_reads_back(raw: bytes) -> None:
    assert decode_base64(encode_base64(raw)) == raw


@pytest.mark.parametrize("text", ["QQ", "QR==", "Q Q=", "QQ==\n", "QQ===", "_-8=", "é", "====", "QUI=QUI="])
def test_base64_when_spelled_otherwise_then_none(text: str) -> None:
    assert decode_base64(text) is None


@given(st.binary(max_size=100), st.binary(max_size=40))
def test_keyed_when_made_for_many_messages_then_each_is_what_one_is(key: bytes, message: bytes) -> None:
    many = Keyed(key, "salt")
    assert many.hex(message) == keyed(key, "salt", message).hex()
    assert many.hex(message) == many.hex(message)
