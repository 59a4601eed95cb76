# SPDX-License-Identifier: Apache-2.0
"""DSSE envelopes around in-toto statements: the one shape that a log entry has (T-1)."""

from msgspec import Struct

from detente.errors import Malformed, NotVerified
from detente.wire.armor import decode_base64, encode_base64
from detente.wire.canonical import decode, decode_as, encode
from detente.wire.keys import Signer, verify_signature

PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Signature(Struct, forbid_unknown_fields=True):
    """One signature, in base64; no keyid, because the plan says whose key it must be."""

    sig: str


class Envelope(Struct, forbid_unknown_fields=True):
    """A DSSE envelope (github.com/secure-systems-lab/dsse, envelope v1), members as its specification names them."""

    payload: str
    payloadType: str  # noqa: N815 - DSSE's own spelling
    signatures: list[Signature]


def pre_authentication(payload: bytes) -> bytes:
    """DSSE's PAE, the bytes that are signed: lengths first, so that type and payload cannot trade bytes."""
    kind = PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def seal_envelope(payload: bytes, signer: Signer) -> bytes:
    """The entry bytes (T-1): JCS of an envelope with one signature over ``payload``, itself JCS (else Malformed)."""
    decode(payload)
    signature = Signature(encode_base64(signer.sign(pre_authentication(payload))))
    return encode(Envelope(encode_base64(payload), PAYLOAD_TYPE, [signature]))


def open_envelope(entry: bytes, public: str, place: str = "") -> bytes:
    """The payload of a T-1 entry signed by ``public``, as the bytes that were signed.

    Raises Malformed ``T-1.shape`` (or a B rule) for another shape, NotVerified ``T-1.signature``
    if the signature is not ``public``'s, and Malformed of a B rule if the payload is not JCS.
    """
    try:
        envelope = decode_as(entry, Envelope, place)
    except Malformed as error:
        raise Malformed("T-1.shape", error.place, got=error.got or error.code) from None
    if envelope.payloadType != PAYLOAD_TYPE:
        raise Malformed("T-1.shape", f"{place} $.payloadType".lstrip(), got=envelope.payloadType)
    if len(envelope.signatures) != 1:
        raise Malformed("T-1.shape", f"{place} $.signatures".lstrip(), got=len(envelope.signatures))
    payload, signature = decode_base64(envelope.payload), decode_base64(envelope.signatures[0].sig)
    if payload is None:
        raise Malformed("T-1.shape", f"{place} $.payload".lstrip(), got="base64")
    if signature is None or len(signature) != 64:
        raise Malformed("T-1.shape", f"{place} $.signatures[0].sig".lstrip(), got="base64")
    if not verify_signature(public, signature, pre_authentication(payload)):
        raise NotVerified("T-1.signature", place, step="V-3", expected=public)
    decode(payload, place)
    return payload
