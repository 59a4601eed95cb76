# SPDX-License-Identifier: Apache-2.0
"""JCS: against the published vectors, against an independent writer, and against everything B-1 to B-5 refuse."""

import json
from fractions import Fraction

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from detente.errors import Malformed
from detente.wire.canonical import (
    check_id,
    check_language,
    decimal,
    decode,
    decode_as,
    encode,
    encode_decimal,
)
from kit.published import PUBLISHED, REASON

VECTORS = PUBLISHED / "jcs-cyberphone/testdata"

keys = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(exclude_categories=["Cs"]))
)
values = st.recursive(scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(keys, v, max_size=4), max_leaves=12)


@given(values)
def test_encode_when_any_value_of_the_profile_then_equals_the_oracle_and_reads_back(value: object) -> None:
    raw = encode(value)
    assert raw == rfc8785.dumps(value)
    assert decode(raw) == value


@pytest.mark.skipif(not VECTORS.is_dir(), reason=REASON)
@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_published_vector_when_outside_the_profile_then_refused_and_its_texts_spelled_as_published(name: str) -> None:
    output = (VECTORS / f"output/{name}.json").read_bytes()
    value = json.loads((VECTORS / f"input/{name}.json").read_bytes())
    # All six have keys or fractions that B-1 leaves out, so each must be refused in both directions,
    with pytest.raises(Malformed, match=r"B-1\.(float|key)"):
        encode(value)
    with pytest.raises(Malformed, match=r"B-1\.(float|key)"):
        decode(output)
    # and every text, whole number and word in them must be written as it was published.
    for scalar in _scalars(value):
        assert encode(scalar) in output
    # Under keys of the profile that sort alike, the whole vector is written as published.
    if name != "values":
        renamed, output = _rename(value, output)
        assert encode(renamed) == output
        assert decode(output) == renamed


def _scalars(value: object) -> list[object]:
    if isinstance(value, dict):
        return [s for pair in value.items() for member in pair for s in _scalars(member)]
    if isinstance(value, list):
        return [s for member in value for s in _scalars(member)]
    return [] if isinstance(value, float) else [value]


def _rename(value: object, output: bytes) -> tuple[object, bytes]:
    """Each key in the order of its UTF-16 units under a name k00, k01, ... in the value and in the bytes."""
    names = sorted(set(_keys(value)), key=lambda key: key.encode("utf-16-be"))
    new = {key: f"k{i:02d}" for i, key in enumerate(names)}
    for key, name in new.items():
        output = output.replace(json.dumps(key, ensure_ascii=False).encode() + b":", f'"{name}":'.encode())
    return _renamed(value, new), output


def _keys(value: object) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(key for member in value.values() for key in _keys(member))]
    return [key for member in value for key in _keys(member)] if isinstance(value, list) else []


def _renamed(value: object, new: dict[str, str]) -> object:
    if isinstance(value, dict):
        return {new[key]: _renamed(member, new) for key, member in value.items()}
    if isinstance(value, float):
        return int(value)  # 56.0, which JCS writes as 56
    return [_renamed(member, new) for member in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("value", "code", "place"),
    [
        ({"a": [1, {"b": 0.5}]}, "B-1.float", "$.a[1].b"),
        ({"a": 1.0}, "B-1.float", "$.a"),
        ([2**53], "B-1.integer", "$[0]"),
        ([-(2**53)], "B-1.integer", "$[0]"),
        ({"é": 1}, "B-1.key", "$"),
        ({"a": {"1a": 1}}, "B-1.key", "$.a"),
        ({"": 1}, "B-1.key", "$"),
        ({"a\n": 1}, "B-1.key", "$"),
        ({1: 1}, "B-1.key", "$"),
        ({"a": b"bytes"}, "B-1.kind", "$.a"),
        ({"a": {1, 2}}, "B-1.kind", "$.a"),
        ({"a": Fraction(1, 2)}, "B-1.kind", "$.a"),
        ({"a": msgspec.UNSET}, "B-1.kind", "$.a"),
        (["\ud800"], "B-1.text", ""),
    ],
)
def test_encode_when_outside_the_profile_then_malformed_with_its_path(value: object, code: str, place: str) -> None:
    with pytest.raises(Malformed) as caught:
        encode(value)
    assert (caught.value.code, caught.value.place) == (code, place)


def test_encode_when_nested_sixteen_deep_then_written_and_seventeen_refused() -> None:
    value: object = 1
    for _ in range(16):
        value = [value]
    assert decode(encode(value)) == value
    with pytest.raises(Malformed, match=r"B-1\.depth"):
        encode({"a": value})


class Point(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    z: int
    a: list["Point"] = []
    label: str | msgspec.UnsetType = msgspec.UNSET
    cut: bool = False


def test_encode_when_struct_then_sorted_and_unset_left_out() -> None:
    assert encode([Point(2, [Point(1, label="中")])]) == '[{"a":[{"label":"中","z":1}],"z":2}]'.encode()
    assert encode((Point(2),)) == b'[{"z":2}]'
    with pytest.raises(Malformed, match=r"B-1\.float.*\$\.a\[0\]\.z"):
        encode(Point(1, [Point(0.5)]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":2}',
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1}\n',
        b'{"\\u0061":1}',
        b'"\\/"',
        b'"\\u001F"',
        b'"\\u000a"',
        b"-0",
        b"01",
        b"1e3",
        b"1.0",
        b"",
        b"\xef\xbb\xbf1",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\\ud800"',
        b"[1,]",
        b"NaN",
        b"1 1",
        b"[" * 5000,
        b"9" * 5000,
    ],
)
def test_decode_when_not_the_one_spelling_then_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed, match=r"B-[12]\.") as caught:
        decode(raw, "some/file")
    assert caught.value.place.startswith("some/file")


@given(st.binary(max_size=40) | st.text('{}[]":,0123456789.eE-+\\untrfalsb \n', max_size=30).map(str.encode))
def test_decode_when_any_bytes_then_malformed_or_exactly_these_bytes_again(raw: bytes) -> None:
    try:
        value = decode(raw)
    except Malformed:
        return
    assert encode(value) == raw


def test_decode_as_when_shape_differs_then_place_names_file_and_path() -> None:
    assert decode_as(b'{"a":[{"z":1}],"z":2}', Point).a[0].z == 1
    for raw, where in ((b'{"a":[{"z":"1"}],"z":2}', "plan.json $.a[0].z"), (b'{"q":1,"z":2}', "plan.json $")):
        with pytest.raises(Malformed) as caught:
            decode_as(raw, Point, "plan.json")
        assert (caught.value.code, caught.value.place) == ("B-3.shape", where)


def test_check_id_when_rule_b5_then_only_portable_names_pass() -> None:
    for good in ("a", "lab-a", "0", "a" * 32, "con1", "com"):
        assert check_id(good) == good
    for bad in ("", "-a", "a-", "A", "a" * 33, "a_b", "中", "con", "nul", "lpt1", "com9", "a\n"):
        with pytest.raises(Malformed, match=r"B-5\.id"):
            check_id(bad)


def test_check_language_when_tag_then_only_its_canonical_spelling_passes() -> None:
    for good in (
        "en",
        "zh-Hans",
        "zh-Hant-TW",
        "pt-BR",
        "es-419",
        "yue-Hant",
        "de-1996",
        "en-u-ca-gregory",
        "en-x-mine",
    ):
        assert check_language(good) == good
    for bad in (
        "EN",
        "zh-hans",
        "zh-HANS",
        "en-us",
        "zh-yue",
        "iw",
        "e",
        "en-",
        "en_US",
        "zh-Hans\n",
        "en-u-ca-a-bb-a-cc",
    ):
        with pytest.raises(Malformed, match=r"B-5\.language"):
            check_language(bad)


@given(st.integers(-(10**9), 10**9), st.integers(0, 6))
def test_decimal_when_encoded_then_reads_back_exactly(number: int, digits: int) -> None:
    text = encode_decimal(Fraction(number, 10**digits), digits)
    assert decimal(text) == Fraction(number, 10**digits)


def test_decimal_when_spelled_otherwise_then_malformed() -> None:
    assert decimal("0.7") == Fraction(7, 10)
    assert encode_decimal(Fraction(2, 3), 4) == "0.6667"
    assert encode_decimal(Fraction(-1, 10**9), 4) == "0"
    assert encode_decimal(Fraction(1), 4) == "1"
    for bad in ("", ".5", "0.50", "1.", "01", "+1", "1e3", "-0", "-0.0", "0.5\n", "٣", "1" * 65, "NaN"):
        with pytest.raises(Malformed, match=r"B-1\.decimal"):
            decimal(bad)
