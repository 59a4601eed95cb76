# SPDX-License-Identifier: Apache-2.0
"""Sealed files: for one reader alone; and a recipient has one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.errors import CannotTell, Malformed
from detente.pact.descriptor import parse_descriptor
from detente.pact.seal import check_recipient, new_identity, seal, unseal
from detente.wire.canonical import encode
from kit.paper import DESCRIPTOR

ME = new_identity()


@given(st.binary(max_size=100))
def test_seal_when_opened_by_its_reader_then_the_bytes_are_back(plain: bytes) -> None:
    assert unseal(seal(plain, ME.recipient), ME.secret, "f") == plain


@pytest.mark.parametrize(
    "raw", [b"", b"x", seal(b"hello", ME.recipient)[:-1], seal(b"hello", new_identity().recipient), b"age-encryption.org/v1\n"]
)  # fmt: skip
def test_seal_when_it_does_not_open_then_nobody_is_blamed(raw: bytes) -> None:
    with pytest.raises(CannotTell, match=r"A-5\.sealed"):
        unseal(raw, ME.secret, "f")


def test_seal_when_a_byte_is_changed_then_it_does_not_open() -> None:
    sealed = seal(b"hello", ME.recipient)
    for at in range(len(sealed)):
        with pytest.raises(CannotTell):
            unseal(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], ME.secret, "f")


@pytest.mark.parametrize(
    "text", ["", "age1", "age1\0", "é", "\ud800", ME.recipient.upper(), ME.recipient + "\n", ME.recipient[:-1], ME.secret],
    ids=["nothing", "short", "NUL", "accent", "surrogate", "capitals", "newline", "cut", "secret"],
)  # fmt: skip
def test_recipient_when_it_is_not_the_one_spelling_then_it_is_refused(text: str) -> None:
    check_recipient(ME.recipient, "p")
    with pytest.raises(Malformed, match=r"P-3\.recipient"):
        check_recipient(text, "p")


def test_descriptor_when_it_opens_a_commitment_then_its_salt_is_needed_and_left_out() -> None:
    salted = {**DESCRIPTOR, "salt": "0" * 64}
    assert parse_descriptor(encode(DESCRIPTOR), "d", salted=False) == DESCRIPTOR
    assert parse_descriptor(encode(salted), "d", salted=True) == DESCRIPTOR
    for value, wanted in ((DESCRIPTOR, True), (salted, False)):
        with pytest.raises(Malformed, match=r"B-7\.salt"):
            parse_descriptor(encode(value), "d", salted=wanted)


@pytest.mark.parametrize(
    "value", [[], None, "x", {}, {**DESCRIPTOR, "more": 1}, {**DESCRIPTOR, "weights": "x"}, {**DESCRIPTOR, "filters": [1]}]
)  # fmt: skip
def test_descriptor_when_it_has_another_shape_then_it_is_refused(value: object) -> None:
    with pytest.raises(Malformed, match=r"B-3\.shape"):
        parse_descriptor(encode(value), "d", salted=False)
