# SPDX-License-Identifier: Apache-2.0
"""Items: an author's rows joined or refused by line, list and suite files read strictly, and back again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, structs

from detente.errors import Malformed
from detente.pact.item import (
    Item,
    Listed,
    as_turns,
    encode_item,
    encode_list,
    encode_suite,
    list_lines,
    parse_list,
    parse_suite,
    read_rows,
    read_source,
)
from detente.wire.canonical import encode
from detente.wire.digests import sha256

META = b'id = "mini"\ncanary = "c"\nlanguages = ["en", "zh-Hans"]\n[title]\nen = "Mini"\nzh-Hans = "\xe5\xb0\x8f"\n'
ROW = {"hazard": "dt:crime", "id": "one", "kind": "hazard", "lang": "en", "text": "Why?"}


def rows(*given: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in given).encode()


def both(**changes: Any) -> list[dict[str, Any]]:
    return [{**ROW, **changes}, {**ROW, **changes, "lang": "zh-Hans", "text": "为什么？"}]


def test_source_when_rows_fit_then_one_item_holds_all_languages() -> None:
    suite = read_source(META, rows(*both(), *both(id="two", pair="one", kind="benign")), "s")
    assert (suite.id, suite.canary, suite.languages) == ("mini", "c", ["en", "zh-Hans"])
    assert [item.id for item in suite.items] == ["one", "two"]
    assert suite.items[0].text == {"en": "Why?", "zh-Hans": "为什么？"}
    assert suite.items[1].pair == "one"
    assert suite.items[0].reference is UNSET


BROKEN = [
    ("S-2.toml", b"id = ", rows(*both())),
    ("S-2.toml", b"\xff", rows(*both())),
    ("S-2.member", b'id = "mini"', rows(*both())),
    ("S-2.member", META.replace(b"[title]", b'title = "Mini"\n[other]'), rows(*both())),
    ("B-5.id", META.replace(b'"mini"', b'"Mini"'), rows(*both())),
    ("B-5.language", META.replace(b"zh-Hans", b"zh-hans"), rows(*both())),
    ("S-2.row", META, b"{"),
    ("S-2.row", META, b"[" * 5000),
    ("S-2.row", META, rows({**ROW, "kind": "odd"})),
    ("S-2.row", META, rows({k: v for k, v in ROW.items() if k != "hazard"})),
    ("B-5.id", META, rows(*both(id="One"))),
    ("S-2.hazard", META, rows(*both(hazard="dt:nothing"))),
    ("S-2.language", META, rows({**ROW, "lang": "de"})),
    ("S-2.empty", META, rows({**ROW, "text": " "})),
    ("S-2.empty", META, rows({**ROW, "text": []})),
    ("S-2.empty", META, rows({**ROW, "text": ["a", ""]})),
    ("S-2.twice", META, rows(ROW, ROW)),
    ("S-2.missing", META, rows(ROW)),
    ("S-2.missing", META, rows({**ROW, "reference": "r"}, both()[1])),
    ("S-2.disagree", META, rows(ROW, {**both()[1], "kind": "benign"})),
    ("S-2.disagree", META, rows(ROW, {**both()[1], "facet": "fraud"})),
    ("S-2.pair", META, rows(*both(pair="none"))),
    ("S-2.pair", META, rows(*both(pair="one"))),
]


@pytest.mark.parametrize(("code", "meta", "lines"), BROKEN, ids=[f"{n} {c[0]}" for n, c in enumerate(BROKEN)])
def test_source_when_a_row_does_not_fit_then_the_rule_is_named(code: str, meta: bytes, lines: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        read_source(meta, lines, "s")
    assert caught.value.code == code
    assert caught.value.place.startswith("s/")


TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(str.strip)
TEXTS = st.one_of(TEXT, st.lists(TEXT, min_size=1, max_size=3))


@st.composite
def suites(draw: st.DrawFn) -> list[Item]:
    languages = draw(st.sampled_from([["en"], ["en", "zh-Hans"]]))
    n = draw(st.integers(1, 5))
    return [
        Item(
            hazard="dt:crime",
            id=f"i{k}",
            kind=draw(st.sampled_from(["hazard", "benign", "attack", "control"])),
            pair=f"i{(k + 1) % n}" if n > 1 and draw(st.booleans()) else None,
            text={tag: draw(TEXTS) for tag in languages},
            reference={tag: draw(TEXT) for tag in languages} if draw(st.booleans()) else UNSET,
            facet=draw(st.sampled_from(["fraud", UNSET])),
        )
        for k in range(n)
    ]


@given(suites())
def test_list_and_suite_when_written_and_read_then_they_are_the_same(items: list[Item]) -> None:
    listed = list_lines(items)
    assert parse_list(encode_list(listed), "l") == listed
    languages = list(items[0].text)
    assert parse_suite(encode_suite("mini", "c", items), "mini", "c", listed, "s", languages) == items
    assert [line.item for line in listed] == [sha256(encode_item(item)) for item in items]


LINE = Listed("dt:crime", "1" * 64, "hazard", None)


@pytest.mark.parametrize(
    ("code", "raw"),
    [
        ("S-1.twice", encode_list([LINE, LINE])),
        ("S-1.pair", encode_list([structs.replace(LINE, pair="2" * 64)])),
        ("S-1.pair", encode_list([structs.replace(LINE, pair="1" * 64)])),
        ("S-2.hazard", encode_list([structs.replace(LINE, hazard="dt:nothing")])),
        ("B-4.newline", encode_list([LINE])[:-1]),
        ("B-4.empty", encode_list([LINE]) + b"\n"),
        ("B-3.shape", encode({**json.loads(encode(LINE)), "more": 1}) + b"\n"),
        ("B-3.shape", encode({"item": "1" * 64}) + b"\n"),
        ("B-3.shape", encode({**json.loads(encode(LINE)), "item": "1" * 64 + "\n"}) + b"\n"),
        ("B-2.canonical", encode_list([LINE]).replace(b",", b", ", 1)),
        ("B-2.json", b"x\n"),
    ],
)
def test_list_when_a_line_is_odd_then_the_rule_is_named(code: str, raw: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        parse_list(raw, "l")
    assert caught.value.code == code


ITEM = Item("dt:crime", "one", "hazard", None, {"en": "Why?", "zh-Hans": "为什么？"})


def suite_of(item: Item) -> bytes:
    return encode_suite("mini", "c", [item])


@pytest.mark.parametrize(
    ("code", "raw", "listed"),
    [
        ("S-2.start", encode_suite("other", "c", [ITEM]), list_lines([ITEM])),
        ("S-2.start", encode_suite("mini", "d", [ITEM]), list_lines([ITEM])),
        ("B-2.json", b"", list_lines([ITEM])),
        ("S-2.count", encode_suite("mini", "c", []), list_lines([ITEM])),
        ("S-2.count", suite_of(ITEM), []),
        ("S-1.item", suite_of(structs.replace(ITEM, kind="benign")), list_lines([ITEM])),
        ("S-1.list", suite_of(ITEM), [structs.replace(list_lines([ITEM])[0], kind="benign")]),
        ("S-1.list", suite_of(ITEM), [structs.replace(list_lines([ITEM])[0], facet="fraud")]),
        ("S-2.missing", suite_of(bad := structs.replace(ITEM, text={"en": "Why?"})), list_lines([bad])),
        ("S-2.missing", suite_of(bad := structs.replace(ITEM, reference={"en": "x"})), list_lines([bad])),
        ("S-2.missing", suite_of(bad := structs.replace(ITEM, text={**ITEM.text, "de": "?"})), list_lines([bad])),
        ("S-2.empty", suite_of(bad := structs.replace(ITEM, text={"en": "", "zh-Hans": "x"})), list_lines([bad])),
        ("S-2.empty", suite_of(bad := structs.replace(ITEM, text={"en": [], "zh-Hans": "x"})), list_lines([bad])),
        ("B-5.id", suite_of(bad := structs.replace(ITEM, id="../one")), list_lines([bad])),
    ],
)
def test_suite_text_when_it_is_not_the_listed_one_then_the_rule_is_named(
    code: str, raw: bytes, listed: list[Listed]
) -> None:
    with pytest.raises(Malformed) as caught:
        parse_suite(raw, "mini", "c", listed, "s", ["en", "zh-Hans"])
    assert caught.value.code == code


def test_suite_text_when_every_item_lacks_a_language_of_the_plan_then_it_is_refused() -> None:
    raw, lines = encode_suite("mini", "c", [ITEM]), list_lines([ITEM])
    with pytest.raises(Malformed, match=r"S-2\.missing"):
        parse_suite(raw, "mini", "c", lines, "s", [*ITEM.text, "fr"])


def test_turns_when_text_is_one_or_many_then_a_list_comes_out() -> None:
    assert as_turns("a") == ["a"]
    assert as_turns(["a", "b"]) == ["a", "b"]


def test_rows_when_lines_are_objects_then_blank_ones_are_passed_over() -> None:
    assert read_rows(b'{"a":1.5}\n\n{"b":2}\n', "r") == [{"a": 1.5}, {"b": 2}]


@pytest.mark.parametrize("line", [b"x", b"[1]", b"3", b"[" * 100_000, b"\xff", b'{"a":' * 5000, b"9" * 5000])
def test_rows_when_a_line_is_no_object_then_the_line_is_named(line: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        read_rows(b'{"a":1}\n' + line, "r")
    assert (caught.value.code, caught.value.place) == ("row-not-json", "r:2")
