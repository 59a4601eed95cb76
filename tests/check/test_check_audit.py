# SPDX-License-Identifier: Apache-2.0
"""The draw, the check of shown records and the odds, each against a plain second implementation (A-2 to A-4, A-7)."""

import hashlib
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, structs
from scipy.stats import binom, chisquare, hypergeom

from detente.check.audit import (
    ODDS_SHARE,
    Shown,
    check_caps,
    check_opening,
    check_seeds,
    detection_odds,
    draw,
    draw_key,
    odds_text,
)
from detente.errors import DetenteError, Malformed, NotVerified
from detente.evidence.record import (
    Body,
    OpenedRecord,
    beacon_of,
    encode_body,
    encode_opened,
    header_line,
    salt_of,
    slot_seed,
)
from detente.pact.plan import Cap
from detente.wire.canonical import decimal
from detente.wire.merkle import inclusion_proof, leaf_hash, root

KEY = bytes(range(32))


def plain_draw(key: bytes, n: int, of: int) -> list[int]:
    """A-3 as the page says it, with nothing of the code under test."""
    drawn: list[int] = []
    c = 0
    while len(drawn) < n:
        digest = hashlib.sha256(b"detente pick v1\n" + key + c.to_bytes(8, "big")).digest()
        x = int.from_bytes(digest[:8], "big")
        c += 1
        if x >= 2**64 - (2**64 % of):
            continue
        if x % of not in drawn:
            drawn.append(x % of)
    return drawn


@given(st.binary(min_size=32, max_size=32), st.integers(1, 300), st.data())
def test_draw_when_made_twice_then_both_programs_agree(key: bytes, of: int, data: st.DataObject) -> None:
    n = data.draw(st.integers(0, min(of, 40)))
    drawn = draw(key, n, of)
    assert drawn == plain_draw(key, n, of)
    assert len(set(drawn)) == n
    assert all(0 <= i < of for i in drawn)


def test_draw_when_all_are_asked_for_then_each_comes_once() -> None:
    assert sorted(draw(KEY, 50, 50)) == list(range(50))
    assert draw(KEY, 0, 0) == []


@pytest.mark.parametrize(("n", "of"), [(-1, 3), (4, 3), (1, 0)])
def test_draw_when_it_cannot_be_made_then_it_says_so(n: int, of: int) -> None:
    with pytest.raises(ValueError):
        draw(KEY, n, of)


def test_draw_when_keys_vary_then_every_order_is_equally_likely() -> None:
    """Uniform over ordered samples, not only over slots: 2 of 4 has 12 orders; p > 1e-4 for fixed keys."""
    seen = Counter(tuple(draw(hashlib.sha256(b"%d" % k).digest(), 2, 4)) for k in range(6000))
    assert set(seen) == set(permutations(range(4), 2))
    assert chisquare(list(seen.values())).pvalue > 1e-4


def test_draw_key_when_made_from_the_page_then_it_is_the_page_s() -> None:
    """docs/format/audit.md, the example at its foot."""
    nonce = bytes.fromhex("09ade77205a99bf901351900adc9364296d1d8a593632402a8c219a968605d1d")
    seed = bytes.fromhex("f6f369b35c90bb34337bcc1f5e57976d2a0b53162b90f3bd96f7067399749676")
    key = draw_key(nonce, seed, "3fecfae6c65cf4110b63d985c8658201021f9cd5f0560232866afafa29f40d65")
    assert key.hex() == "00dae6e7e4371e628e025eb69301c0075230397a339d630321d5a93cc59bee4e"
    assert draw(key, 2, 4) == [1, 3]


@given(st.integers(1, 400), st.data())
def test_odds_when_compared_with_the_hypergeometric_then_they_are_equal(total: int, data: st.DataObject) -> None:
    opened = data.draw(st.integers(0, total))
    share = Fraction(data.draw(st.integers(0, 100)), 100)
    forged = max(1, int(total * share))
    expected = 1 - hypergeom(total, forged, opened).pmf(0)
    assert float(detection_odds(total, opened, share)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("opened", "share", "at_least"),
    [(60, "0.05", 0.95), (150, "0.02", 0.95), (300, "0.01", 0.95), (600, "0.005", 0.95)],
)
def test_odds_when_the_page_promises_them_then_they_hold_for_any_number_of_records(
    opened: int, share: str, at_least: float
) -> None:
    for total in (1000, 10_000, 1_000_000):
        odds = float(detection_odds(total, opened, decimal(share)))
        assert odds >= at_least
        assert odds >= binom(opened, float(share)).sf(0) - 1e-9


def test_odds_when_printed_then_they_are_never_rounded_up() -> None:
    assert odds_text(64, 5) == "0.2197"
    assert odds_text(20, 20) == "1"
    assert odds_text(0, 0) == "0"
    for total, opened in ((1000, 300), (5000, 800), (100_000, 2000)):
        assert Fraction(odds_text(total, opened)) <= detection_odds(total, opened, decimal(ODDS_SHARE)) < 1
    assert odds_text(100_000, 2000) == "0.9999"


# --- openings ----------------------------------------------------------------------------------

RUN_KEY, RUN = bytes(32), "7" * 64
BEACON = beacon_of(RUN, [])
BODIES = [
    Body(i=i, item=f"{i:064x}", outcome="replied", output=f"answer {i}", salt=salt_of(RUN_KEY, i), seed=slot_seed(BEACON, i))
    for i in range(7)
]  # fmt: skip
LINES = [encode_body(body) for body in BODIES]
HEADERS = [header_line(body, line) for body, line in zip(BODIES, LINES, strict=True)]
LEAVES = [leaf_hash(header) for header in HEADERS]
ROOT = root(LEAVES).hex()
DRAWN = [4, 0, 6]


def opened(i: int, **changes: Any) -> OpenedRecord:
    proof = [node.hex() for node in inclusion_proof(LEAVES, i)]
    whole = OpenedRecord(body=LINES[i].decode(), header=HEADERS[i].decode(), i=i, proof=proof, why=[])
    return structs.replace(whole, **changes)


def check(records: list[OpenedRecord], drawn: list[int] = DRAWN) -> list[int]:
    return [shown.i for shown in check_opening(encode_opened(records), drawn, ROOT, len(LINES), "o")]


def test_opening_when_it_shows_what_was_drawn_then_bodies_come_out() -> None:
    assert check([opened(i) for i in DRAWN]) == DRAWN
    shown = check_opening(encode_opened([opened(2)]), [2], ROOT, 7, "o")
    assert (shown[0].body, shown[0].opened) == (BODIES[2], opened(2))
    assert check([], []) == []


FORGED = encode_body(structs.replace(BODIES[4], output="I refuse"))
FORGED_HEADER = header_line(structs.replace(BODIES[4], output="I refuse"), FORGED)
WRONG: list[tuple[str, Callable[[], list[OpenedRecord]]]] = [
    ("A-4.count", lambda: [opened(4), opened(0)]),
    ("A-4.count", lambda: [opened(4), opened(0), opened(6), opened(6)]),
    ("A-4.slot", lambda: [opened(0), opened(4), opened(6)]),
    ("A-4.slot", lambda: [opened(5), opened(0), opened(6)]),
    ("A-4.body", lambda: [opened(4, body=FORGED.decode()), opened(0), opened(6)]),
    ("A-4.proof", lambda: [opened(4, body=FORGED.decode(), header=FORGED_HEADER.decode()), opened(0), opened(6)]),
    ("A-4.body", lambda: [structs.replace(opened(5), i=4), opened(0), opened(6)]),
    ("A-4.body", lambda: [opened(4, header=HEADERS[5].decode()), opened(0), opened(6)]),
    ("A-4.proof", lambda: [opened(4, proof=[]), opened(0), opened(6)]),
    ("A-4.proof", lambda: [opened(4, proof=opened(5).proof), opened(0), opened(6)]),
    ("A-4.proof", lambda: [opened(4, proof=[*opened(4).proof, "0" * 64]), opened(0), opened(6)]),
    ("B-2.json", lambda: [opened(4, body="no json"), opened(0), opened(6)]),
    ("B-2.canonical", lambda: [opened(4, body=LINES[4].decode().replace(":", ": ", 1)), opened(0), opened(6)]),
    ("R-8.output", lambda: [opened(4, body=LINES[4].decode().replace("replied", "failed")), opened(0), opened(6)]),
    ("R-8.reason", lambda: [opened(4, body=LINES[4].decode().replace('"salt"', '"reason":"stop","salt"')), opened(0), opened(6)]),
    ("R-7.outcome", lambda: [opened(4, header=HEADERS[4].decode().replace("replied", "replies")), opened(0), opened(6)]),
]  # fmt: skip


@pytest.mark.parametrize(("code", "records"), WRONG, ids=[f"{n} {code}" for n, (code, _) in enumerate(WRONG)])
def test_opening_when_it_shows_something_else_then_the_rule_is_named(
    code: str, records: Callable[[], list[OpenedRecord]]
) -> None:
    with pytest.raises(NotVerified) as caught:
        check(records())
    assert caught.value.code == code
    assert caught.value.place.startswith("o")


@pytest.mark.parametrize("raw", [b"x", b"x\n", b"{}\n" * 3, b"\n\n\n", b"[" * 9999 + b"\n", b"\xff\n"])
def test_opening_when_it_is_no_opening_file_then_it_is_refused_by_rule(raw: bytes) -> None:
    with pytest.raises(DetenteError):
        check_opening(raw, DRAWN, ROOT, 7, "o")


def test_opening_when_a_proof_is_no_digest_then_it_is_refused_by_rule() -> None:
    raw = encode_opened([opened(4)]).replace(opened(4).proof[0].encode(), b"../../etc/passwd")
    with pytest.raises(Malformed, match=r"B-3\.shape"):
        check_opening(raw, [4], ROOT, 7, "o")


@pytest.mark.parametrize(
    ("outcome", "text", "more", "holds"),
    [
        ("replied", "x" * 10, {}, True),
        ("replied", "x" * 11, {}, False),
        ("replied", "字" * 10, {"cut": True}, True),
        ("replied", "字" * 11, {"cut": True}, False),
        ("truncated", "x" * 11, {"reason": "length"}, False),
        ("truncated", "x" * 9, {"reason": "length", "tokens": 2}, True),
        ("replied", "x" * 9, {"cut": True, "tokens": 7}, True),
        ("replied", "x" * 9, {"cut": True, "tokens": 6}, False),
        ("replied", "x" * 9, {"cut": True}, True),
        ("replied", "x" * 9, {"tokens": 99}, True),
        ("failed", None, {"reason": "timeout"}, True),
    ],
)
def test_caps_when_a_record_is_shown_then_text_and_cut_fit_them(
    outcome: str, text: str | None, more: dict[str, Any], holds: bool
) -> None:
    body = Body(i=0, item="0" * 64, outcome=outcome, output=text, salt="0" * 64, seed=None, **more)
    shown = [Shown(0, body, opened(0))]
    if holds:
        check_caps(shown, [Cap(chars=10, tokens=7)], "o")
        return
    with pytest.raises(NotVerified, match=r"C-2\.cut"):
        check_caps(shown, [Cap(chars=10, tokens=7)], "o")


def test_seeds_when_records_are_shown_then_each_is_that_of_its_slot() -> None:
    shown = check_opening(encode_opened([opened(i) for i in DRAWN]), DRAWN, ROOT, 7, "o")
    check_seeds(shown, BEACON, "o")
    with pytest.raises(NotVerified, match=r"R-5\.seed"):
        check_seeds(shown, beacon_of("8" * 64, []), "o")
    with pytest.raises(NotVerified, match=r"R-5\.seed"):
        check_seeds(shown, None, "o")
    imported = [one._replace(body=structs.replace(one.body, seed=None, cut=UNSET)) for one in shown]
    check_seeds(imported, None, "o")
