# SPDX-License-Identifier: Apache-2.0
"""Base64 (RFC 4648, section 4) with exactly one spelling for each value."""

import base64
import binascii


def encode_base64(raw: bytes) -> str:
    """``raw`` in the standard alphabet, padded, without line ends."""
    return base64.b64encode(raw).decode("ascii")


def decode_base64(text: str) -> bytes | None:
    """The bytes, or None unless ``text`` is the very spelling that ``encode_base64`` gives (stray bits too)."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return raw if encode_base64(raw) == text else None
