# SPDX-License-Identifier: Apache-2.0
"""Files of lines: one JSON value a line, one newline after each, one gzip member around them (B-4, B-8)."""

import contextlib
import zlib
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, NoReturn

from detente.errors import CannotTell, Malformed

_GZIP = 16 + zlib.MAX_WBITS  # RFC 1952 around RFC 1951
# No name, no time, no extra field, default effort, Unix: what `gzip -n` writes. No other head is read (B-8).
_HEADER = bytes.fromhex("1f8b0800000000000003")
_TRAILER = 8  # CRC-32 and length
_STORED = 1 << 16  # bytes of a file that a LineReader takes at once, and
_PIECE = 1 << 18  # bytes of text that it unpacks at once
_CRUMB = 64  # bytes of a damaged file that are tried at once


def split_lines(raw: bytes, place: str, limit: int, before: int = 0) -> list[bytes]:
    """The lines of ``raw`` without their newlines (B-4); ``limit`` is the most bytes a line may have.

    No bytes are no lines. ``before``: how many lines of the file came before, to name one rightly. Raises Malformed: ``B-4.newline`` (the last line has none),
    ``B-4.empty`` (an empty line), ``B-9.long``.
    """
    if not raw:
        return []
    lines = raw.split(b"\n")
    if lines.pop():
        raise Malformed("B-4.newline", place)
    if b"" in lines:
        raise Malformed("B-4.empty", f"{place} line {before + lines.index(b'') + 1}".lstrip())
    if max(map(len, lines)) > limit:
        long = next(i for i, line in enumerate(lines) if len(line) > limit)
        raise Malformed("B-9.long", f"{place} line {before + long + 1}".lstrip(), expected=limit, got=len(lines[long]))
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
    # The head is written here: zlib would put the operating system it was built for into it.
    return _HEADER + stream.compress(plain) + stream.flush() + _trailer(zlib.crc32(plain), len(plain))


def _trailer(crc: int, size: int) -> bytes:
    """What ends a member (RFC 1952): check sum and length of its text."""
    return crc.to_bytes(4, "little") + (size % 2**32).to_bytes(4, "little")


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
    if trailer != _trailer(zlib.crc32(plain), len(plain)):
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
    return _ends_in_length(raw[-4:], len(raw), sound)


def _ends_in_length(end: bytes, size: int, sound: int) -> bool:
    if size <= len(_HEADER) + _TRAILER:
        return False
    return size - 64 <= int.from_bytes(end, "little") <= 2 * sound + 4096


def readable_start(raw: bytes, limit: int) -> bytes:
    """What can be read of a member that stops early or breaks: to say what of a cut file is sound, never to use it.

    In small pieces, because zlib keeps back what it had read of a piece that breaks; ``limit`` bytes at most.
    """
    stream, found, size = zlib.decompressobj(_GZIP), [], 0
    with contextlib.suppress(zlib.error):
        for at in range(0, len(raw), _CRUMB):
            found.append(stream.decompress(raw[at : at + _CRUMB]))
            size += len(found[-1])
            if size >= limit:
                break
    return b"".join(found)[:limit]


class Digested:
    """The two digests of a stored file, as far as its bytes have passed by."""

    def __init__(self) -> None:
        self._stored_hash, self._plain_hash = sha256(), sha256()

    @property
    def stored_sha256(self) -> str:
        """Of the file, 64 hex."""
        return self._stored_hash.hexdigest()

    @property
    def plain_sha256(self) -> str:
        """Of its text, 64 hex."""
        return self._plain_hash.hexdigest()


class LineWriter(Digested):
    """Lines into the stored bytes of one file (B-4, B-8), some thousand at a time; the same bytes as ``compress`` makes.

    When ``pieces`` has come to its end, the digests are those of the file.
    """

    def pieces(self, blocks: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
        """The stored bytes of the lines in ``blocks``, without their newlines, in order."""
        stream = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS, 8)
        crc = size = 0
        yield self._stored(_HEADER)
        for block in blocks:
            text = join_lines(block)
            crc, size = zlib.crc32(text, crc), size + len(text)
            self._plain_hash.update(text)
            if packed := stream.compress(text):
                yield self._stored(packed)
        yield self._stored(stream.flush() + _trailer(crc, size))

    def _stored(self, piece: bytes) -> bytes:
        self._stored_hash.update(piece)
        return piece


class LineReader(Digested):
    """The lines of one stored file (B-4, B-8), some thousand at a time: a file of any size in little memory.

    Refuses what ``decompress`` and ``split_lines`` refuse, as soon as it is met. A member that stops
    early gives the lines that can be read, and ``whole`` stays False. When the last block was
    taken, ``count``, ``whole``, ``was_cut`` and the digests are those of the file.
    """

    def __init__(self, stored: bytes | Iterable[bytes], limit: int, line_limit: int, place: str) -> None:
        """``stored``: the file, or its pieces; ``limit`` and ``line_limit``: the most bytes of its text and of a line."""
        super().__init__()
        self.count = 0
        self.whole = False
        self._stored = [stored] if isinstance(stored, bytes) else stored
        self._limit, self._line_limit, self._place = limit, line_limit, place
        self._stored_size = self._size = self._crc = self._sound = 0
        self._end = b""  # the last bytes met: the last of the stream and the trailer, if nothing follows

    @property
    def was_cut(self) -> bool:
        """Whether the member stops early and does not look damaged (L-7; see ``seems_whole``)."""
        return not self.whole and not _ends_in_length(self._end[-4:], self._stored_size, self._sound)

    def blocks(self) -> Iterator[list[bytes]]:
        """The lines without their newlines, block by block; ``count`` is how many lines came before the block.

        Raises Malformed as ``decompress`` and ``split_lines`` do.
        """
        rest = b""
        for text in self._text():
            end = text.rfind(b"\n") + 1
            block, rest = (rest + text[:end], text[end:]) if end else (b"", rest + text)
            if block:
                lines = split_lines(block, self._place, self._line_limit, self.count)
                self._sound += len(block)
                yield lines
                self.count += len(lines)
            if len(rest) > self._line_limit:
                place = f"{self._place} line {self.count + 1}".lstrip()
                raise Malformed("B-9.long", place, expected=self._line_limit, got=len(rest))
        if rest and self.whole:
            raise Malformed("B-4.newline", self._place)

    def _text(self) -> Iterator[bytes]:
        """What the member holds, in pieces; ``whole`` is set at its end."""
        head = b""
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        for piece in self._pieces():
            self._stored_hash.update(piece)
            self._stored_size += len(piece)
            lacking = len(_HEADER) - len(head)
            head += piece[:lacking]
            if not _HEADER.startswith(head):
                self._refuse("B-8.bits" if head.startswith(_HEADER[:2]) else "B-8.gzip", got=head.hex())
            body = self._end + piece[lacking:]
            body, self._end = body[: -_TRAILER - 1], body[-_TRAILER - 1 :]
            while body and not stream.eof:
                yield self._unpack(stream, body, _PIECE)
                body = stream.unconsumed_tail
            if stream.eof:
                self._refuse("B-8.trailing", got=len(stream.unused_data) + 1)
        yield from self._last_text(stream)

    def _pieces(self) -> Iterator[bytes]:
        """The stored bytes, in pieces so small that zlib may copy what it has not used of one."""
        for stored in self._stored:
            for at in range(0, len(stored), _STORED):
                yield stored[at : at + _STORED]

    def _last_text(self, stream: "zlib._Decompress") -> Iterator[bytes]:
        last, trailer = self._end[:-_TRAILER], self._end[-_TRAILER:]
        before_last = stream.copy()
        yield self._unpack(stream, last, 0)
        if not stream.eof:
            # Cut or damaged: what seemed to be the trailer is text too.
            with contextlib.suppress(zlib.error):
                yield stream.decompress(trailer)
            return
        if stream.unused_data:  # the end was in what came before, and shows only now
            self._refuse("B-8.trailing", got=len(stream.unused_data))
        if trailer != _trailer(self._crc, self._size):
            self._refuse("B-8.gzip", got=trailer.hex())
        if _has_padding(before_last, last[0]):
            self._refuse("B-8.bits")
        self.whole = True

    def _unpack(self, stream: "zlib._Decompress", body: bytes, most: int) -> bytes:
        try:
            text = stream.decompress(body, most)
        except zlib.error as error:
            self._refuse("B-8.gzip", got=str(error))
        self._size += len(text)
        if self._size > self._limit:
            self._refuse("B-8.limit", expected=self._limit)
        self._crc = zlib.crc32(text, self._crc)
        self._plain_hash.update(text)
        return text

    def _refuse(self, code: str, **said: Any) -> NoReturn:
        raise Malformed(code, self._place, **said)
