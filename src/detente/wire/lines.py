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


def compress(plain: bytes) -> bytes:
    """``plain`` as one gzip member, level 6, no time and no name in its header (B-8, RFC 1952)."""
    # zlib writes the operating system it was built for into the tenth byte; the reader takes one value.
    return _HEADER + zlib.compress(plain, 6, _GZIP)[len(_HEADER) :]


def decompress(raw: bytes, limit: int, place: str) -> bytes:
    """What one gzip member holds (B-8); ``limit`` is the most bytes it may hold.

    Raises CannotTell ``file-cut`` if the member stops early (L-7), Malformed ``B-8.gzip`` for a
    bad stream or check sum, ``B-8.trailing`` for anything after the member, ``B-8.limit``,
    ``B-8.bits`` for another header or an unread bit that is set. A cut file and a damaged one can
    look alike from within: compare the stored bytes' digest first.
    """
    stream = zlib.decompressobj(_GZIP)
    try:
        plain = stream.decompress(raw, limit + 1)
    except zlib.error as error:
        raise Malformed("B-8.gzip", place, got=str(error)) from None
    if len(plain) > limit:
        raise Malformed("B-8.limit", place, expected=limit)
    if not stream.eof:
        raise CannotTell("file-cut", place)
    if stream.unused_data:
        raise Malformed("B-8.trailing", place, got=len(stream.unused_data))
    if not raw.startswith(_HEADER) or _has_padding(raw):
        raise Malformed("B-8.bits", place)
    return plain


def _has_padding(raw: bytes) -> bool:
    """Whether a bit that no decoder reads is set: between the end of the stream and its byte's end (RFC 1951, 3.2.3).

    Such a bit could be changed without changing what is read. A bit of the last byte is unread
    if the stream ends the same way, with the same bytes, when it is the other way round.
    """
    *_, last = body = raw[len(_HEADER) : -_TRAILER]
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    stream.decompress(body[:-1])
    return any(
        last >> bit & 1 and _ends(stream.copy(), last ^ 1 << bit) == _ends(stream.copy(), last) for bit in range(8)
    )


def _ends(stream: "zlib._Decompress", byte: int) -> tuple[bytes, bool]:
    try:
        return stream.decompress(bytes([byte])), stream.eof
    except zlib.error:
        return b"", False


def seems_whole(raw: bytes, sound: int) -> bool:
    """Whether a member whose stream does not end carries its trailer all the same: damaged then, not cut (L-7).

    ``sound`` is how many bytes of it read well. A whole file ends in the length of what it holds
    (RFC 1952, ISIZE), which is near ``sound`` when the damage is near the end; bytes in the middle
    of a stream are no such number but by a rare chance.
    """
    return len(raw) > len(_HEADER) + _TRAILER and sound <= int.from_bytes(raw[-4:], "little") <= 2 * sound + 4096


def readable_start(raw: bytes, limit: int) -> bytes:
    """What can be read of a member that stops early: to say what of a cut file is sound, never to use it."""
    stream = zlib.decompressobj(_GZIP)
    try:
        return stream.decompress(raw, limit)
    except zlib.error:
        return b""
