# SPDX-License-Identifier: Apache-2.0
"""Statements: nine kinds written and read back, and every payload that is not exactly one of them refused."""

import copy
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.errors import Malformed
from detente.evidence.statements import (
    PREDICATES,
    STATEMENT_TYPE,
    Accept,
    AuditFinding,
    Challenge,
    Close,
    Conclude,
    DrawCommit,
    Engine,
    Open,
    OutcomeCounts,
    Predicate,
    Register,
    Release,
    Rescored,
    Sample,
    SampleCell,
    Score,
    SealedText,
    Start,
    encode_statement,
    parse_statement,
)
from detente.pact.plan import Head
from detente.wire.canonical import NS, encode

H = "ab" * 32
SAYS = {"party": "lab-a", "plan": H}
EXAMPLES: dict[str, Predicate] = {
    "accept": Accept(**SAYS),
    "register": Register(
        acceptances=[H], drawCommits=[DrawCommit("lab-b", H)], engine=Engine("detente", "1", H), section="core", subject="m1", **SAYS
    ),
    "release": Release(beacon=H, run=H, sealed=[SealedText(H, "mini", H)], size=2, **SAYS),
    "conclude": Conclude(
        attestations=[], finishedAt="2026-11-13T10:00:00Z", outcomes=OutcomeCounts(0, 0, 0, 1, 0), root=H, run=H,
        start=Start([H], []), startedAt="2026-11-13T09:00:00Z", status="completed", trace=None, **SAYS,
    ),
    "score": Score(definition=H, run=H, sample=Sample(None, "random", None, [SampleCell(None, "en", 3)]), scorer="s", **SAYS),
    "challenge": Challenge(run=H, seed=H, **SAYS),
    "open": Open(nonce=H, plaintext=H, run=H, **SAYS),
    "audit": AuditFinding(
        details=None, matched=1, opened=1, recounted=True, rerun=None, rescored=[Rescored(1, 1, 1, "s")], run=H,
        verdict="consistent", **SAYS,
    ),
    "close": Close(heads=[Head("o", 1, H)], position="reserve", text={"en": "few", "zh-Hans": "少"}, **SAYS),
}  # fmt: skip


def payload(kind: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(encode_statement(kind, [("f", H)], EXAMPLES[kind]))
    return read


def test_kinds_are_the_nine_of_the_page() -> None:
    assert set(EXAMPLES) == set(PREDICATES)
    assert len(PREDICATES) == 9


@pytest.mark.parametrize("kind", EXAMPLES)
def test_statement_when_written_and_read_then_it_is_the_same(kind: str) -> None:
    statement = parse_statement(encode_statement(kind, [("a", H), ("b", "0" * 64)], EXAMPLES[kind]))
    assert (statement.kind, statement.subjects, statement.predicate) == (
        kind,
        [("a", H), ("b", "0" * 64)],
        EXAMPLES[kind],
    )
    assert statement.subject_digests() == [H, "0" * 64]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_statement_when_a_member_is_missing_or_more_then_it_is_refused(kind: str) -> None:
    whole = payload(kind)
    for name in list(whole["predicate"]):
        less = copy.deepcopy(whole)
        del less["predicate"][name]
        with pytest.raises(Malformed, match=r"B-3\.shape"):
            parse_statement(encode(less))
    more = copy.deepcopy(whole)
    more["predicate"]["more"] = None
    with pytest.raises(Malformed, match=r"B-3\.shape"):
        parse_statement(encode(more))


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("T-2.type", {"_type": STATEMENT_TYPE + "x"}),
        ("T-2.foreign", {"predicateType": NS + "accept/v2"}),
        ("T-2.foreign", {"predicateType": NS + "trust/v1"}),
        ("T-2.foreign", {"predicateType": "https://slsa.dev/provenance/v1"}),
        ("T-2.foreign", {"predicateType": "accept"}),
        ("T-2.foreign", {"predicateType": "accept/v1"}),
        ("B-3.shape", {"predicateType": None}),
        ("B-3.shape", {"predicate": []}),
        ("B-3.shape", {"subject": None}),
        ("B-3.shape", {"subject": [{"digest": {"sha512": H}, "name": "f"}]}),
        ("B-3.shape", {"subject": [{"digest": {"sha256": H, "sha512": H}, "name": "f"}]}),
        ("B-3.shape", {"subject": [{"digest": {"sha256": H + "\n"}, "name": "f"}]}),
        ("B-3.shape", {"subject": [{"digest": {"sha256": "../" + H}, "name": "f"}]}),
        ("B-3.shape", {"subject": [{"digest": {"sha256": H}}]}),
        ("B-3.shape", {"more": 1}),
    ],
)
def test_payload_when_it_is_no_statement_of_ours_then_the_rule_is_named(code: str, change: dict[str, Any]) -> None:
    with pytest.raises(Malformed) as caught:
        parse_statement(encode(payload("accept") | change))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b"3", b'"x"', b"{}", b"[" * 50, encode(payload("accept")) + b"\n"]
)
def test_payload_when_it_is_any_json_then_it_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        parse_statement(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-zA-Z]{1,8}", fullmatch=True), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_statement_when_any_member_is_anything_then_it_is_read_or_refused_by_rule(
    kind: str, data: st.DataObject
) -> None:
    value = payload(kind)
    member = data.draw(st.sampled_from(sorted(value["predicate"])))
    value["predicate"][member] = data.draw(JSON)
    with suppress(Malformed):
        statement = parse_statement(encode(value))
        assert statement.predicate.party == value["predicate"]["party"]
