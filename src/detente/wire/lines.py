# SPDX-License-Identifier: Apache-2.0
"""Files of lines: one JSON value a line, one newline after each, one gzip member around them (B-4, B-8)."""

import zlib
from collections.abc import Iterable

from detente.errors import CannotTell, Malformed

_GZIP = 16 + zlib.MAX_WBITS  # RFC 1952 around RFC 1951
# No name, no time, no extra field, default effort, Unix: what `gzip -n` writes. No other head is read (B-8).
_HEADER = bytes.fromhex("1f8b0800000000000003")
_TRAILER = 8  # CRC-32 and length


def split_lines(raw: bytes, place: str, limit: int) -> list[bytes]:
    """The lines of ``raw`` without their newlines (B-4); ``limit`` is the most bytes a line may have.

    No bytes are no lines. Raises Malformed: ``B-4.newline`` (the last line has none),
    ``B-4.empty`` (an empty line), ``B-9.long``.
    """
    if not raw:
        return []
    lines = raw.split(b"\n")
    if lines.pop():
        raise Malformed("B-4.newline", place)
    if b"" in lines:
        raise Malformed("B-4.empty", f"{place} line {lines.index(b'') + 1}".lstrip())
    if max(map(len, lines)) > limit:
        long = next(i for i, line in enumerate(lines) if len(line) > limit)
        raise Malformed("B-9.long", f"{place} line {long + 1}".lstrip(), expected=limit, got=len(lines[long]))
    return lines


def join_lines(lines: Iterable[bytes]) -> bytes:
    """Each line with the one newline that ends it (B-4)."""
    return b"".join([line + b"\n" for line in lines])


def compress(plain: bytes, *, spelled_once: bool = False) -> bytes:
    """``plain`` as one gzip member, level 6, no time and no name in its head (B-8, RFC 1952).

    ``spelled_once``: Huffman codes only. Deflate can name one repetition in two ways, so a bit of a
    member with repetitions may change and nothing read with it; for files whose stored bytes nobody
    signs, that costs 1.6 to 2.4 times the size (docs/decisions/0007).
    """
    strategy = zlib.Z_HUFFMAN_ONLY if spelled_once else zlib.Z_DEFAULT_STRATEGY
    stream = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS, 8, strategy)
    trailer = zlib.crc32(plain).to_bytes(4, "little") + (len(plain) % 2**32).to_bytes(4, "little")
    # The head is written here: zlib would put the operating system it was built for into it.
    return _HEADER + stream.compress(plain) + stream.flush() + trailer


def decompress(raw: bytes, limit: int, place: str) -> bytes:
    """What one gzip member holds (B-8); ``limit`` is the most bytes it may hold.

    Raises CannotTell ``file-cut`` if the member stops early (L-7), Malformed ``B-8.gzip`` for a
    bad stream or check sum, ``B-8.trailing`` for anything after the member, ``B-8.limit``,
    ``B-8.bits`` for another head or an unread bit that is set. A cut file and a damaged one can
    look alike from within: compare the stored bytes' digest first.
    """
    if not _HEADER.startswith(raw[: len(_HEADER)]) and not raw.startswith(_HEADER):
        raise Malformed("B-8.bits" if raw.startswith(_HEADER[:2]) else "B-8.gzip", place, got=raw[:10].hex())
    body, trailer = raw[len(_HEADER) : -_TRAILER], raw[-_TRAILER:]
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = stream.decompress(body[:-1], limit + 1)
        if len(plain) > limit:
            raise Malformed("B-8.limit", place, expected=limit)
        ended_early = stream.eof
        if ended_early:
            raise Malformed("B-8.trailing", place, got=len(stream.unused_data) + 1)
        before_last = stream.copy()
        plain += stream.decompress(body[-1:])
    except zlib.error as error:
        raise Malformed("B-8.gzip", place, got=str(error)) from None
    if len(plain) > limit:
        raise Malformed("B-8.limit", place, expected=limit)
    if not stream.eof:
        raise CannotTell("file-cut", place)
    if trailer != zlib.crc32(plain).to_bytes(4, "little") + (len(plain) % 2**32).to_bytes(4, "little"):
        raise Malformed("B-8.gzip", place, got=trailer.hex())
    if _has_padding(before_last, body[-1]):
        raise Malformed("B-8.bits", place)
    return plain


def _has_padding(before_last: "zlib._Decompress", last: int) -> bool:
    """Whether a bit that no decoder reads is set: between the end of the stream and its byte's end (RFC 1951, 3.2.3).

    Such a bit could be changed without changing what is read. A bit of the last byte is unread
    if the stream ends the same way, with the same bytes, when it is the other way round.
    """
    ends = _ends(before_last.copy(), last)
    return any(last >> bit & 1 and _ends(before_last.copy(), last ^ 1 << bit) == ends for bit in range(8))


def _ends(stream: "zlib._Decompress", byte: int) -> tuple[bytes, bool]:
    try:
        return stream.decompress(bytes([byte])), stream.eof
    except zlib.error:
        return b"", False


def decompress_lines(raw: bytes, limit: int, place: str) -> tuple[bytes, bool]:
    """What one gzip member of lines holds, and True; of a member that stops early its whole lines, and False (L-7).

    Sound lines and then nothing: cut off. Whoever reads the lines says whether they are sound.
    Raises Malformed as ``decompress``.
    """
    try:
        return decompress(raw, limit, place), True
    except CannotTell:
        start = readable_start(raw, limit)
        return start[: start.rfind(b"\n") + 1], False


def seems_whole(raw: bytes, sound: int) -> bool:
    """Whether a member whose stream does not end carries its trailer all the same: damaged then, not cut (L-7).

    ``sound`` is how many bytes of it read well. A whole file ends in the length of what it holds
    (RFC 1952, ISIZE): not much less than the file's own, not much more than what was read. Bytes
    in the middle of a stream are such a number only by a rare chance.
    """
    if len(raw) <= len(_HEADER) + _TRAILER:
        return False
    return len(raw) - 64 <= int.from_bytes(raw[-4:], "little") <= 2 * sound + 4096


def readable_start(raw: bytes, limit: int) -> bytes:
    """What can be read of a member that stops early: to say what of a cut file is sound, never to use it."""
    stream = zlib.decompressobj(_GZIP)
    try:
        return stream.decompress(raw, limit)
    except zlib.error:
        return b""
