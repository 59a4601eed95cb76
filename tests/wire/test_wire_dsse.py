# SPDX-License-Identifier: Apache-2.0
"""Log entries: the DSSE bytes, and every way in which an envelope is not one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.errors import Malformed, NotVerified
from detente.wire.armor import encode_base64
from detente.wire.canonical import encode
from detente.wire.dsse import PAYLOAD_TYPE, open_envelope, pre_authentication, seal_envelope
from detente.wire.keys import SigningKey

KEY = SigningKey(b"k" * 32)
PAYLOAD = b'{"plan":"7f3a"}'


def test_pae_when_payload_then_the_bytes_of_the_specification() -> None:
    assert pre_authentication(b"hello") == b"DSSEv1 28 application/vnd.in-toto+json 5 hello"


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text(st.characters(exclude_categories=["Cs"]))))
def test_envelope_when_sealed_then_opens_to_the_same_bytes(value: dict[str, str]) -> None:
    payload = encode(value)
    entry = seal_envelope(payload, KEY)
    assert open_envelope(entry, KEY.public) == payload
    assert seal_envelope(payload, KEY) == entry  # the same statement is the same entry


def test_envelope_when_any_byte_is_changed_then_never_opens() -> None:
    entry = seal_envelope(PAYLOAD, KEY)
    for i in range(len(entry)):
        with pytest.raises((Malformed, NotVerified), match=r"T-1\."):
            open_envelope(entry[:i] + bytes([entry[i] ^ 1]) + entry[i + 1 :], KEY.public, "entry 3")


def test_envelope_when_signed_by_another_then_not_verified() -> None:
    with pytest.raises(NotVerified) as caught:
        open_envelope(seal_envelope(PAYLOAD, SigningKey(b"x" * 32)), KEY.public, "lab-a/log entry 3")
    assert (caught.value.code, caught.value.step, caught.value.place) == ("T-1.signature", "V-3", "lab-a/log entry 3")


def test_seal_when_payload_is_not_canonical_then_malformed() -> None:
    with pytest.raises(Malformed, match=r"B-2\.canonical"):
        seal_envelope(b'{"a": 1}', KEY)


def _good() -> dict[str, object]:
    return json.loads(seal_envelope(PAYLOAD, KEY))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "change",
    [
        {"payloadType": "text/plain"},
        {"payloadType": None},
        {"signatures": []},
        {"signatures": [{"sig": "AA=="}]},
        {"signatures": [{"keyid": "", "sig": "AA=="}]},
        {"payload": "e30"},
        {"payload": "e31="},
        {"extra": 1},
    ],
)
def test_envelope_when_shape_differs_then_malformed(change: dict[str, object]) -> None:
    with pytest.raises(Malformed, match=r"T-1\.shape"):
        open_envelope(encode(_good() | change), KEY.public)


def test_envelope_when_two_signatures_then_malformed() -> None:
    good = _good()
    good["signatures"] = [*good["signatures"], *good["signatures"]]  # type: ignore[misc]
    with pytest.raises(Malformed, match=r"T-1\.shape"):
        open_envelope(encode(good), KEY.public)


def test_envelope_when_signed_payload_is_not_canonical_then_malformed() -> None:
    payload = b'{"a":1,"a":2}'
    signature = encode_base64(KEY.sign(pre_authentication(payload)))
    entry = encode({"payload": encode_base64(payload), "payloadType": PAYLOAD_TYPE, "signatures": [{"sig": signature}]})
    with pytest.raises(Malformed, match=r"B-2\.canonical"):
        open_envelope(entry, KEY.public)
