# SPDX-License-Identifier: Apache-2.0
"""age files: what crosses from one party to another unread by the rest, and what lies under a passphrase at home."""

from typing import NamedTuple

import pyrage
import pyrage.passphrase

from detente.errors import CannotTell, Malformed, WrongUsage


class Identity(NamedTuple):
    """An age X25519 identity: ``secret`` stays on the desk, ``recipient`` goes into the plan."""

    secret: str
    recipient: str


def new_identity() -> Identity:
    """A fresh age identity."""
    identity = pyrage.x25519.Identity.generate()
    return Identity(str(identity), str(identity.to_public()))


def read_identity(secret: str, place: str) -> Identity:
    """The identity that ``secret`` is; CannotTell (key-broken) if it is none."""
    try:
        identity = pyrage.x25519.Identity.from_str(secret)
    except (pyrage.IdentityError, UnicodeEncodeError):
        raise CannotTell("key-broken", place) from None  # without the secret in any message
    return Identity(secret, str(identity.to_public()))


def check_recipient(text: str, place: str) -> None:
    """Malformed (P-3.recipient) unless ``text`` is an age X25519 recipient."""
    try:
        spelled = str(pyrage.x25519.Recipient.from_str(text))
    except (pyrage.RecipientError, UnicodeEncodeError) as error:
        raise Malformed("P-3.recipient", place, expected="age1...", got=text) from error
    # Bech32 has a spelling in capitals too; one key must not look like two.
    if spelled != text:
        raise Malformed("P-3.recipient", place, expected=spelled, got=text)


def seal(plain: bytes, recipient: str) -> bytes:
    """``plain`` as an age file that only ``recipient`` can open."""
    return bytes(pyrage.encrypt(plain, [pyrage.x25519.Recipient.from_str(recipient)]))


def unseal(raw: bytes, secret: str, place: str) -> bytes:
    """What an age file holds. CannotTell (A-5.sealed) if it does not open: that is word against word."""
    try:
        return bytes(pyrage.decrypt(raw, [pyrage.x25519.Identity.from_str(secret)]))
    except pyrage.DecryptError as error:
        raise CannotTell("A-5.sealed", place) from error


def lock(plain: bytes, passphrase: str) -> bytes:
    """``plain`` as an age file that only the passphrase opens (scrypt, about a second of work by design)."""
    return bytes(pyrage.passphrase.encrypt(plain, passphrase))


def unlock(raw: bytes, passphrase: str, place: str) -> bytes:
    """What a locked file holds. WrongUsage (wrong-passphrase) if it does not open, with nothing of what was tried."""
    try:
        return bytes(pyrage.passphrase.decrypt(raw, passphrase))
    except pyrage.DecryptError:
        raise WrongUsage("wrong-passphrase", place) from None
