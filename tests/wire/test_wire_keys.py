# SPDX-License-Identifier: Apache-2.0
"""Ed25519: RFC 8032's own example, and every published edge-case key that P-3 must refuse."""

import json

import pytest

from detente.errors import Malformed
from detente.wire.keys import SigningKey, check_public, new_seed, verify_signature
from kit.published import PUBLISHED, REASON

VECTORS = PUBLISHED / "cctv-ed25519/ed25519vectors.json"
P = 2**255 - 19


def test_signing_when_rfc_8032_test_2_then_its_signature() -> None:
    key = SigningKey(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert key.public == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = key.sign(b"\x72")
    assert signature.hex().startswith("92a009a9f0d4cab8720e820b5f642540")
    assert verify_signature(key.public, signature, b"\x72")
    assert not verify_signature(key.public, signature, b"\x73")
    assert not verify_signature(SigningKey(new_seed()).public, signature, b"\x72")
    assert not verify_signature(key.public, signature[:-1], b"\x72")


def test_seed_when_not_32_bytes_then_malformed() -> None:
    with pytest.raises(Malformed, match=r"P-3\.seed"):
        SigningKey(b"short")
    assert len(new_seed()) == 32


def test_check_public_when_made_honestly_then_passes() -> None:
    for _ in range(100):
        public = SigningKey(new_seed()).public
        assert check_public(public) == public


def test_check_public_when_any_multiple_encoding_of_small_order_then_refused() -> None:
    small = {0, 1, P - 1, P, P + 1}
    encodings = [(y | sign << 255).to_bytes(32, "little").hex() for y in small for sign in (0, 1)]
    order_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
    mirrored = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
    encodings += [order_8, order_8[:-2] + "85", mirrored, mirrored[:-2] + "fa"]
    for public in encodings:
        with pytest.raises(Malformed, match=r"P-3\.(order|canonical)"):
            check_public(public)


def test_check_public_when_no_key_then_says_which_kind() -> None:
    for public, code in [
        ("ab", "P-3.hex"),
        ("AB" * 32, "P-3.hex"),
        ("zz" * 32, "P-3.hex"),
        ("02" + "00" * 31, "P-3.curve"),
        ("f0" + "ff" * 30 + "7f", "P-3.canonical"),
    ]:
        with pytest.raises(Malformed) as caught:
            check_public(public, "plan.json $.parties[0].statement")
        assert (caught.value.code, caught.value.place) == (code, "plan.json $.parties[0].statement")


@pytest.mark.skipif(not VECTORS.is_file(), reason=REASON)
def test_published_edge_cases_when_small_or_not_canonical_then_the_key_is_refused() -> None:
    vectors = json.loads(VECTORS.read_bytes())
    assert len(vectors) == 914
    accepted = refused = 0
    for vector in vectors:
        flags = set(vector["flags"] or [])
        bad = flags & {"low_order_A", "non_canonical_A"}
        try:
            check_public(vector["key"])
        except Malformed:
            assert bad, vector
            assert not verify_signature(vector["key"], bytes.fromhex(vector["sig"]), vector["msg"].encode())
            refused += 1
        else:
            assert not bad, vector
            accepted += 1
            if verify_signature(vector["key"], bytes.fromhex(vector["sig"]), vector["msg"].encode()):
                assert not flags & {"non_canonical_R", "low_order_residue"}, vector
    assert refused > 0
    assert accepted > 0


# Keys that a careless library takes: each encoding worked out by hand from y and the sign of x, so that they stand here
# where the published vectors do not lie. p = 2^255 - 19; y8 is a y of order 8.
BAD = {
    "order 1: the neutral point, y = 1": "01" + "00" * 31,
    "order 1 with the sign of x set, x = 0": "01" + "00" * 30 + "80",
    "order 2: y = -1": "ec" + "ff" * 30 + "7f",
    "order 2 with the sign of x set, x = 0": "ec" + "ff" * 31,
    "order 4: y = 0": "00" * 32,
    "order 4, the other x": "00" * 31 + "80",
    "order 8: y8": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "order 8: -y8": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "y = p, an odd spelling of 0": "ed" + "ff" * 30 + "7f",
    "y = p + 1, an odd spelling of 1": "ee" + "ff" * 30 + "7f",
    "y = p + 3, an odd spelling of a y on the curve": "f0" + "ff" * 30 + "7f",
    "y = 2^255 - 1, the largest": "ff" * 31 + "7f",
    "the largest with the sign of x": "ff" * 32,
    "y = 2, not on the curve": "02" + "00" * 31,
}


@pytest.mark.parametrize("public", BAD.values(), ids=BAD.keys())
def test_check_public_when_small_odd_or_off_the_curve_then_refused_and_nothing_verifies(public: str) -> None:
    with pytest.raises(Malformed, match=r"P-3\.(order|canonical|curve)"):
        check_public(public)
    # with R = A and S = 0 a key of order 1 "signs" every message for a verifier that takes it
    assert not verify_signature(public, bytes.fromhex(public) + bytes(32), b"anything")


def test_check_public_when_y_is_small_and_the_point_is_sound_then_passes() -> None:
    """The refusal is by order and spelling, not by looks: y = 3 is a point of large order."""
    assert check_public("03" + "00" * 31)
