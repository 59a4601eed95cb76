# SPDX-License-Identifier: Apache-2.0
"""A headers file: what makes it, reads it strictly against the slots; and each way that it does not fit is named."""

import gzip
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.errors import CannotTell, DetenteError, Malformed, NotVerified
from detente.evidence.bundle import CUT, Bundle, leaves_of, outcome_word, read_bundle
from detente.evidence.record import OUTCOMES, headers_start
from detente.pact.plan import parse_plan
from detente.pact.slots import Slots
from detente.wire.canonical import encode
from detente.wire.digests import sha256, sha256_raw
from detente.wire.lines import compress, join_lines
from detente.wire.merkle import hash_leaves
from kit.paper import CANARY, PaperLab, listed, make_bundle, plan_dict

ITEMS = listed(["hazard", "benign", "control"])
PLAN = parse_plan(encode(plan_dict([PaperLab("lab-a"), PaperLab("lab-b")], ITEMS, epochs=2)))
SLOTS = Slots(PLAN.plan, "core", {"mini": ITEMS})
RUN = "5" * 64


def lines_of(outcomes: list[str]) -> list[bytes]:
    rows = []
    for slot, word in zip(SLOTS, outcomes, strict=True):
        cut = {"cut": True} if word == "cut" else {}
        outcome = "replied" if word == "cut" else word
        rows.append(encode({"body": sha256(b"%d" % slot.i), "i": slot.i, "item": slot.item, "outcome": outcome, **cut}))
    return rows


ALL = ["replied", "cut", "filtered", "truncated", "failed", "replied"] * 2
START = headers_start(PLAN.id, RUN, CANARY)
GOOD = lines_of(ALL)


def read(stored: bytes) -> Bundle:
    return read_bundle(stored, PLAN.id, RUN, CANARY, SLOTS, "h")


@given(st.lists(st.sampled_from([*OUTCOMES, "cut"]), min_size=len(SLOTS), max_size=len(SLOTS)))
def test_bundle_when_made_and_read_then_it_is_the_same(outcomes: list[str]) -> None:
    made = make_bundle(PLAN.id, RUN, CANARY, lines_of(outcomes))
    assert asdict(read(made.stored)) | {"stored": made.stored} == asdict(made)
    counted = Counter(outcomes)
    found = made.outcomes()
    assert found.replied == counted["replied"] + counted["cut"]
    assert (found.cut, found.filtered, found.truncated, found.failed) == (
        counted["cut"], counted["filtered"], counted["truncated"], counted["failed"],
    )  # fmt: skip
    assert [made.outcome(i) for i in range(len(SLOTS))] == ["replied" if w == "cut" else w for w in outcomes]
    assert list(leaves_of(made.stored, len(SLOTS), "h")) == hash_leaves(lines_of(outcomes))


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word by word."""
    if len(leaves) == 1:
        return sha256_raw(b"\x00" + leaves[0])
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256_raw(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:]))


def test_bundle_when_made_then_its_root_is_that_of_the_lines_without_the_first() -> None:
    made = make_bundle(PLAN.id, RUN, CANARY, GOOD)
    assert made.root == naive_root(GOOD).hex()
    assert made.plain_sha256 == sha256(join_lines([START, *GOOD]))
    assert made.stored_sha256 == sha256(made.stored)


def test_outcome_codes_then_a_cut_reply_is_a_reply() -> None:
    assert [outcome_word(code) for code in range(CUT + 1)] == [*OUTCOMES, "replied"]


Edit = Callable[[list[bytes]], list[bytes]]
WRONG: list[tuple[str, Edit]] = [
    ("R-7.count", lambda rows: rows[:-1]),
    ("R-7.count", lambda rows: [*rows, rows[-1]]),
    ("R-7.count", lambda _: []),
    ("R-7.order", lambda rows: [rows[0], rows[2], rows[1], *rows[3:]]),
    ("R-7.order", lambda rows: [rows[0], rows[0], *rows[2:]]),
    ("R-7.item", lambda rows: [rows[0].replace(SLOTS[0].item.encode(), SLOTS[5].item.encode()), *rows[1:]]),
    ("R-7.outcome", lambda rows: [rows[0].replace(b"replied", b"refused"), *rows[1:]]),
    ("R-7.cut", lambda rows: [*rows[:2], rows[2].replace(b'"i"', b'"cut":true,"i"'), *rows[3:]]),
    ("B-2.canonical", lambda rows: [rows[0].replace(b":", b": ", 1), *rows[1:]]),
    ("B-3.shape", lambda rows: [rows[0].replace(b'"i"', b'"h":1,"i"'), *rows[1:]]),
    ("B-9.long", lambda rows: [rows[0] + b" " * 600, *rows[1:]]),
]


@pytest.mark.parametrize(("code", "edit"), WRONG, ids=[f"{n} {code}" for n, (code, _) in enumerate(WRONG)])
def test_headers_when_a_line_does_not_fit_its_slot_then_the_rule_and_line_are_named(code: str, edit: Edit) -> None:
    with pytest.raises(DetenteError) as caught:
        read(compress(join_lines([START, *edit(list(GOOD))])))
    assert caught.value.code == code
    assert isinstance(caught.value, NotVerified | Malformed)
    assert caught.value.place.startswith("h")


@pytest.mark.parametrize(
    "start",
    [headers_start("0" * 64, RUN, CANARY), headers_start(PLAN.id, "0" * 64, CANARY), headers_start(PLAN.id, RUN, "other")],
)  # fmt: skip
def test_headers_when_they_are_of_another_run_plan_or_canary_then_they_are_refused(start: bytes) -> None:
    with pytest.raises(NotVerified, match=r"R-7\.start"):
        read(compress(join_lines([start, *GOOD])))


@pytest.mark.parametrize(
    "stored",
    [
        gzip.compress(join_lines([START, *GOOD]), mtime=1),
        compress(join_lines([START, *GOOD])) + b"\0",
        compress(join_lines([START])) + compress(join_lines(GOOD)),
        compress(join_lines([START, *GOOD])[:-1]),
        compress(b""),
        compress(b"\n"),
        b"not gzip at all, and long enough to be no beginning of it",
        compress(b"0" * 512 * (len(SLOTS) + 2)),
    ],
)
def test_headers_when_the_file_is_not_one_plain_member_then_they_are_refused(stored: bytes) -> None:
    with pytest.raises((NotVerified, Malformed)):
        read(stored)


def test_headers_when_the_file_stops_early_then_it_cannot_be_told() -> None:
    stored = compress(join_lines([START, *GOOD]))
    for keep in range(0, len(stored) - 1, 7):
        with pytest.raises(CannotTell):
            read(stored[:keep])


def test_headers_when_any_byte_is_flipped_then_they_are_never_read_as_others() -> None:
    """Some flips unfold to the same text (B-8): only the digest of the stored bytes, which a statement binds, shows them."""
    stored = compress(join_lines([START, *GOOD]))
    honest = read(stored)
    same = 0
    for at in range(len(stored)):
        try:
            found = read(stored[:at] + bytes([stored[at] ^ 4]) + stored[at + 1 :])
        except DetenteError:
            continue
        same += 1
        assert (found.plain_sha256, found.root, found.codes) == (honest.plain_sha256, honest.root, honest.codes)
        assert found.stored_sha256 != honest.stored_sha256
    assert same < 3
