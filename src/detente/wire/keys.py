# SPDX-License-Identifier: Apache-2.0
"""Ed25519 (RFC 8032): signing, checking a signature, and refusing public keys that fit many messages (P-3)."""

import os
import re
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from detente.errors import Malformed

_HEX_32 = re.compile(r"[0-9a-f]{64}")
_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
# A point of order 8 has this y, or its negative; orders 1, 2 and 4 have y = 1, -1 and 0.
_Y_OF_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y = {0, 1, _P - 1, _Y_OF_ORDER_8, _P - _Y_OF_ORDER_8}


class Signer(Protocol):
    """Whoever can make Ed25519 signatures with one key: a seed in memory, or a device that holds it."""

    @property
    def public(self) -> str:
        """The public key, 64 hex digits."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over ``message``."""
        ...


class SigningKey:
    """A Signer whose 32-byte seed (RFC 8032, section 5.1.5) is in memory; never printed."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != 32:
            raise Malformed("P-3.seed", expected=32, got=len(seed))
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._private.public_key().public_bytes_raw().hex()

    @property
    def public(self) -> str:
        """The public key, 64 hex digits."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over ``message``; the same message always gets the same one."""
        return self._private.sign(message)


def new_seed() -> bytes:
    """32 bytes from the operating system's generator."""
    return os.urandom(32)


def verify_signature(public: str, signature: bytes, message: bytes) -> bool:
    """True if ``signature`` is ``public``'s over ``message``; a key that ``check_public`` refuses signs nothing."""
    try:
        _public_key(public).verify(signature, message)
    except (InvalidSignature, Malformed):
        return False
    return True


def check_public(public: str, place: str = "") -> str:
    """``public`` if it is 64 lowercase hex digits of a usable Ed25519 key (P-3).

    Raises Malformed: ``P-3.hex``, ``P-3.canonical`` (y not below 2^255 - 19), ``P-3.order`` (a
    point of order 1, 2, 4 or 8: one signature fits many messages), ``P-3.curve`` (no point).
    """
    if not _HEX_32.fullmatch(public):
        raise Malformed("P-3.hex", place, got=public)
    y = int.from_bytes(bytes.fromhex(public), "little") & (2**255 - 1)
    if y >= _P:
        raise Malformed("P-3.canonical", place, got=public)
    # x = 0 with its sign bit set, the other non-canonical spelling, only exists for y = 1 and -1.
    if y in _SMALL_ORDER_Y:
        raise Malformed("P-3.order", place, got=public)
    # -x^2 + y^2 = 1 + d x^2 y^2, so x^2 = (y^2 - 1) / (d y^2 + 1) must be a square (Euler's criterion).
    if pow((y * y - 1) * (_D * y * y + 1), (_P - 1) // 2, _P) != 1:
        raise Malformed("P-3.curve", place, got=public)
    return public


@lru_cache(1024)
def _public_key(public: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(check_public(public)))
