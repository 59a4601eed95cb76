# SPDX-License-Identifier: Apache-2.0
"""SHA-256 and HMAC-SHA256, plain and tagged: every derived value of the formats is made here (B-6)."""

import hashlib
import hmac
from collections.abc import Iterable

_BLOCK = 64  # bytes that SHA-256 takes at once


def sha256(raw: bytes) -> str:
    """SHA-256 of ``raw`` (FIPS 180-4) as 64 lowercase hex digits: ``H`` of the format pages."""
    return hashlib.sha256(raw).hexdigest()


def sha256_of(pieces: Iterable[bytes]) -> str:
    """SHA-256 of a file that comes in pieces, as 64 lowercase hex digits."""
    running = hashlib.sha256()
    for piece in pieces:
        running.update(piece)
    return running.hexdigest()


def sha256_raw(raw: bytes) -> bytes:
    """SHA-256 of ``raw`` as 32 bytes, for hashing on."""
    return hashlib.sha256(raw).digest()


def tagged(use: str, *parts: bytes) -> bytes:
    """``H("detente <use> v1\\n" || parts)`` as 32 bytes (B-6); ``use`` keeps two purposes apart."""
    return hashlib.sha256(_tag(use) + b"".join(parts)).digest()


def keyed(key: bytes, use: str, *parts: bytes) -> bytes:
    """``HMAC-SHA256(key, "detente <use> v1\\n" || parts)`` as 32 bytes (B-6, RFC 2104)."""
    return hmac.digest(key, _tag(use) + b"".join(parts), "sha256")


class Keyed:
    """``keyed`` for many messages of one key and use: what they have in common is hashed once (RFC 2104, section 4)."""

    def __init__(self, key: bytes, use: str) -> None:
        block = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + _tag(use))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def hex(self, message: bytes) -> str:
        """``keyed(key, use, message)`` as 64 lowercase hex digits."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.hexdigest()


def u64be(number: int) -> bytes:
    """``number`` (0 to 2^64-1) as 8 bytes, most significant first; OverflowError outside."""
    return number.to_bytes(8, "big")


def groups_of_four(digest: str) -> str:
    """A hex digest as people compare it aloud: groups of four, one space between (P-1)."""
    return " ".join(digest[i : i + 4] for i in range(0, len(digest), 4))


def _tag(use: str) -> bytes:
    return b"detente " + use.encode("ascii") + b" v1\n"
