# SPDX-License-Identifier: Apache-2.0
"""Records: bodies and headers have one spelling, salts and seeds are those of the pages, and odd lines are refused by rule."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, structs

from detente.errors import DetenteError, Malformed
from detente.evidence.record import (
    BODY_LIMIT,
    HEADER_LIMIT,
    OUTCOMES,
    Body,
    Header,
    OpenedRecord,
    beacon_of,
    draw_commit,
    encode_body,
    encode_opened,
    header_line,
    headers_start,
    mend_text,
    nonce_of,
    parse_body,
    parse_header,
    parse_headers_start,
    parse_opened,
    salt_of,
    slot_seed,
)
from detente.wire.canonical import decode_as, encode
from detente.wire.digests import sha256

# docs/format/runs.md, the example at its foot.
KEY = bytes.fromhex("ceaaa9f8ca15511c1262ebe4dc86017a55412f9b57a1cb2e52f4b85f16c2319a")
RUN = "c152d43c9bde050fd9220acc206f7ec5bd37fd146e266f9e7bdae514cbf904e6"
BEACON = "4ec1fed2426b6646100bebd7aac7fcc8b52fab6210a0fbb27f09de1f6173fbf2"

HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)


@st.composite
def bodies(draw: st.DrawFn) -> Body:
    outcome = draw(st.sampled_from(OUTCOMES))
    spoke = outcome in {"replied", "truncated"}
    return Body(
        i=draw(st.integers(0, 2**53 - 1)),
        item=draw(HEX),
        outcome=outcome,
        output=draw(st.text(st.characters(codec="utf-8"))) if spoke else None,
        salt=draw(HEX),
        seed=draw(st.none() | st.integers(0, 2**31 - 1)),
        cut=draw(st.sampled_from([UNSET, True])) if outcome == "replied" else UNSET,
        reason=UNSET if outcome == "replied" else draw(st.sampled_from([UNSET, "timeout"])),
        tokens=draw(st.sampled_from([UNSET, 0, 7])),
    )


@given(bodies())
def test_body_when_written_and_read_then_it_is_the_same(body: Body) -> None:
    assert parse_body(encode_body(body)) == body


@given(bodies())
def test_body_when_written_without_a_walk_then_it_is_what_encode_writes(body: Body) -> None:
    assert encode_body(body) == encode(body)


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("i", 2**53, "B-1.integer"),
        ("seed", 2**53, "B-1.integer"),
        ("tokens", 2**53, "B-1.integer"),
        ("seed", 0.5, "B-1.float"),
        ("output", "\ud800", "B-1.text"),
        ("reason", "\udfff", "B-1.text"),
    ],
)
def test_body_when_a_member_is_no_lawful_value_then_it_is_not_written(member: str, value: object, code: str) -> None:
    fields = {"i": 0, "item": "0" * 64, "outcome": "truncated", "output": "", "salt": "0" * 64, "seed": 0}
    with pytest.raises(Malformed, match=code.replace(".", r"\.")):
        encode_body(Body(**(fields | {member: value})))  # type: ignore[arg-type]


@given(bodies())
def test_header_when_written_flat_then_it_is_what_encode_writes(body: Body) -> None:
    line = encode_body(body)
    header = Header(sha256(line), body.i, body.item, body.outcome, body.cut)
    assert header_line(body, line) == encode(header)
    assert parse_header(header_line(body, line)) == header
    assert len(encode(header)) <= HEADER_LIMIT


def strictly(raw: bytes) -> Header:
    """A header line read the long way: as any JSON of one shape, then its two rules."""
    header = decode_as(raw, Header, "")
    if header.outcome not in OUTCOMES or (header.cut is not UNSET and (not header.cut or header.outcome != "replied")):
        raise Malformed("R-7", "")
    return header


LINE = header_line(
    Body(i=3, item="a" * 64, outcome="replied", output="x", salt="0" * 64, seed=1, cut=True), b"some body line"
)


@given(st.integers(0, len(LINE) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_header_when_bytes_are_changed_then_the_short_way_reads_what_the_long_way_reads(
    at: int, put: bytes, drop: int
) -> None:
    raw = LINE[:at] + put + LINE[at + drop :]
    expected: Header | None = None
    with suppress(DetenteError):
        expected = strictly(raw)
    got: Header | None = None
    with suppress(DetenteError):
        got = parse_header(raw)
    assert got == expected


HEADER: dict[str, Any] = json.loads(LINE)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("R-7.outcome", {**HEADER, "outcome": "refused"}),
        ("R-7.cut", {**HEADER, "cut": False}),
        ("R-7.cut", {**HEADER, "outcome": "failed"}),
        ("B-3.shape", {**HEADER, "lang": "en"}),
        ("B-3.shape", {**HEADER, "i": -1}),
        ("B-3.shape", {**HEADER, "i": "3"}),
        ("B-3.shape", {**HEADER, "i": True}),
        ("B-3.shape", {**HEADER, "body": "A" * 64}),
        ("B-3.shape", {**HEADER, "body": "a" * 64 + "\n"}),
        ("B-3.shape", {key: value for key, value in HEADER.items() if key != "item"}),
        ("B-3.shape", [HEADER]),
        ("B-9.long", {**HEADER, "outcome": "r" * HEADER_LIMIT}),
    ],
)
def test_header_when_a_rule_is_broken_then_it_is_named(code: str, value: object) -> None:
    with pytest.raises(Malformed) as caught:
        parse_header(encode(value))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "raw",
    [LINE + b"\n", b" " + LINE, LINE.replace(b'"i":3', b'"i":03'), LINE.replace(b'"i":3', b'"i":3.0'), LINE.replace(b'"cut":true,', b"").replace(b'"i"', b'"cut":true,"i"').replace(b"replied", b"repl\\u0069ed")],
)  # fmt: skip
def test_header_when_it_has_another_spelling_then_it_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        parse_header(raw)


def test_header_when_its_number_is_the_largest_of_all_then_it_is_read() -> None:
    line = encode({**HEADER, "i": 2**53 - 1})
    assert parse_header(line).i == 2**53 - 1
    with pytest.raises(Malformed):
        parse_header(line.replace(b"9007199254740991", b"9007199254740992"))


BODY = {"i": 0, "item": "a" * 64, "outcome": "replied", "output": "x", "salt": "0" * 64, "seed": None}


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("R-8.output", {**BODY, "output": None}),
        ("R-8.output", {**BODY, "outcome": "failed"}),
        ("R-8.output", {**BODY, "outcome": "filtered"}),
        ("R-8.reason", {**BODY, "reason": "content_filter"}),
        ("R-8.reason", {**BODY, "cut": True, "reason": "length"}),
        ("R-7.cut", {**BODY, "outcome": "filtered", "output": None, "cut": True}),
        ("R-7.outcome", {**BODY, "outcome": "error"}),
        ("R-7.cut", {**BODY, "outcome": "truncated", "cut": True}),
        ("R-7.cut", {**BODY, "cut": False}),
        ("B-3.shape", {**BODY, "seed": -1}),
        ("B-3.shape", {**BODY, "tokens": -1}),
        ("B-3.shape", {**BODY, "tokens": "1"}),
        ("B-3.shape", {**BODY, "salt": "0" * 63}),
        ("B-3.shape", {**BODY, "time": 1}),
        ("B-3.shape", {**BODY, "reason": None}),
        ("B-3.shape", {key: value for key, value in BODY.items() if key != "seed"}),
    ],
)
def test_body_when_a_rule_is_broken_then_it_is_named(code: str, value: object) -> None:
    with pytest.raises(Malformed) as caught:
        parse_body(encode(value))
    assert caught.value.code == code


def test_body_when_it_is_too_long_then_it_is_not_even_read() -> None:
    with pytest.raises(Malformed, match=r"B-9\.long"):
        parse_body(b"x" * (BODY_LIMIT + 1))


def test_derived_values_when_made_then_they_are_those_of_the_page() -> None:
    assert salt_of(KEY, 0) == "c77bfc860eafd93a6a852da8debc2c0c828b915fdafb3fc386df7959b3886355"
    assert nonce_of(KEY, "lab-b").hex() == "09ade77205a99bf901351900adc9364296d1d8a593632402a8c219a968605d1d"
    assert draw_commit(nonce_of(KEY, "lab-b")) == "d4380544b7a348beef6b676d30a7cf6fec3038f182632423d9e7038b7830c90d"
    beacon = beacon_of(RUN, [BEACON])
    assert beacon.hex() == "2fa136d06507494a28491f8296cc5e11a4b1dfb92e7c5511670e818f9ac863e7"
    assert [slot_seed(beacon, i) for i in range(4)] == [965067277, 2062862984, 714982173, 787933795]
    assert beacon_of(RUN, []) != beacon


def test_salts_when_slots_or_keys_differ_then_they_differ() -> None:
    salts = {salt_of(key, i) for key in (KEY, bytes(32)) for i in range(100)}
    assert len(salts) == 200


def test_headers_start_when_written_and_read_then_it_is_the_same() -> None:
    start = parse_headers_start(headers_start("1" * 64, "2" * 64, "c"))
    assert (start.plan, start.run, start.canary) == ("1" * 64, "2" * 64, "c")
    with pytest.raises(Malformed, match=r"R-7\.type"):
        parse_headers_start(encode({"canary": "c", "plan": "1" * 64, "run": "2" * 64, "type": "x"}))


@given(st.text())
def test_text_when_captured_then_lone_surrogates_are_gone_and_nothing_else(text: str) -> None:
    mended = mend_text(text)
    assert mended == text
    mended.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "mended"),
    [("a\ud800b", "a\ufffdb"), ("\udc00", "\ufffd"), ("\ud83d\ude00", "\U0001f600"), ("e\u0301", "e\u0301")],
)
def test_text_when_it_has_surrogates_then_whole_pairs_are_one_character(text: str, mended: str) -> None:
    assert mend_text(text) == mended


@given(st.lists(bodies(), max_size=3))
def test_opened_records_when_written_and_read_then_they_are_the_same(given_bodies: list[Body]) -> None:
    opened = [
        OpenedRecord(
            body=encode_body(body).decode(),
            header=header_line(body, encode_body(body)).decode(),
            i=body.i,
            proof=["1" * 64],
            why=[],
        )
        for body in given_bodies
    ]
    lines = encode_opened(opened).split(b"\n")[:-1]
    assert [parse_opened(line) for line in lines] == opened
    assert [structs.asdict(parse_opened(line))["why"] for line in lines] == [[]] * len(opened)
