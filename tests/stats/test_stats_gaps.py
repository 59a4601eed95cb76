# SPDX-License-Identifier: Apache-2.0
"""Gaps: published paired examples, brute force over all sign flips, and symmetry."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm

from detente.errors import WrongUsage
from detente.stats import gaps
from detente.stats.gaps import gap, gap_test

SIDE = st.integers(0, 4).flatmap(lambda t: st.tuples(st.integers(0, t), st.just(t)))
PAIR = st.tuples(SIDE, SIDE).map(lambda pair: (*pair[0], *pair[1]))
PAIRS = st.lists(PAIR, min_size=1, max_size=9).filter(lambda rows: any(r[1] and r[3] for r in rows))


def columns(rows):
    return [list(column) for column in zip(*rows, strict=True)]


def table(both, only_a, only_b, neither):
    """A 2 x 2 table of items asked once on each side, as arguments."""
    return ([1, 1, 0, 0], [1] * 4, [1, 0, 1, 0], [1] * 4), [both, only_a, only_b, neither]


def brute_force(rows):
    differences = [Fraction(a, n) - Fraction(b, m) for a, n, b, m in rows if n and m]
    observed = abs(sum(differences))
    flipped = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return (sum(f > observed for f in flipped) + Fraction(sum(f == observed for f in flipped), 2)) / len(flipped)


@pytest.mark.parametrize(("only_a", "only_b", "n"), [(12, 2, 50), (0, 0, 30), (1, 0, 21), (30, 0, 30), (7, 7, 500)])
def test_gap_when_items_are_asked_once_then_is_bonett_price(only_a, only_b, n):
    arguments, items = table(n - only_a - only_b, only_a, only_b, 0)
    found = gap(*arguments, items=items)
    p12, p21 = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)  # Bonett and Price 2012, the adjusted Wald interval
    reach = norm.ppf(0.975) * np.sqrt((p12 + p21 - (p12 - p21) ** 2) / (n + 2))
    low, high = max(-1, p12 - p21 - reach), min(1, p12 - p21 + reach)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)
    assert (found.estimate, found.n) == (pytest.approx((only_a - only_b) / n), n)


def test_gap_when_the_airway_table_then_the_limits_worked_by_hand():
    # 21 children before and after a transplant (Bentur et al. 2009, the example of Fagerland, Lydersen,
    # Laake 2013): 1 on both sides, 1 and 7 on one side only, 12 on neither. By hand: -6/23, and
    # (10/23 - (6/23)^2) / 23 = 0.015945, times 1.95996 its root 0.24749; and mid-p 2 * 9/256 - 8/256.
    arguments, items = table(1, 1, 7, 12)
    found = gap(*arguments, items=items)
    assert found.estimate == pytest.approx(-6 / 21)
    assert (found.low, found.high) == pytest.approx((-0.50836, -0.01338), abs=1e-5)
    assert gap_test(*arguments, items=items, seed=1).p == pytest.approx(10 / 256)


@settings(max_examples=30, deadline=None)
@given(PAIRS)
def test_gap_when_sides_swap_then_is_mirrored(rows):
    a, n, b, m = columns(rows)
    found, other = gap(a, n, b, m), gap(b, m, a, n)
    assert found[:3] == (-other.estimate, -other.high, -other.low)
    assert -1 <= found.low <= found.estimate <= found.high <= 1
    assert found.low < found.high


@settings(max_examples=30, deadline=None)
@given(PAIRS, st.randoms(use_true_random=False))
def test_gap_when_items_are_shuffled_or_laid_together_then_same_digits(rows, shuffler):
    shuffled = rows[:]
    shuffler.shuffle(shuffled)
    kinds = sorted(set(rows))
    counted = [rows.count(kind) for kind in kinds]
    assert gap(*columns(shuffled)) == gap(*columns(rows)) == gap(*columns(kinds), items=counted)
    assert gap_test(*columns(shuffled), seed=3) == gap_test(*columns(kinds), items=counted, seed=3)


def test_gap_when_epochs_repeat_the_same_answers_then_says_the_same():
    arguments, items = table(20, 9, 2, 30)
    six = [[6 * x for x in column] for column in arguments]
    assert gap(*six, items=items) == gap(*arguments, items=items)
    assert gap_test(*six, items=items, seed=1) == gap_test(*arguments, items=items, seed=1)


@settings(max_examples=30, deadline=None)
@given(PAIRS)
def test_gap_test_when_all_flips_are_tried_then_agrees(rows):
    found = gap_test(*columns(rows), seed=1)
    if found.differing:
        # Items that do not differ flip to themselves, so leaving them out changes nothing.
        assert found.p == pytest.approx(float(brute_force(rows)), abs=1e-12)
    else:
        assert (found.p, found.note) == (1.0, "no-difference")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_gap_test_when_items_are_asked_once_then_is_mcnemar_mid_p(only_a, only_b):
    arguments, items = table(5, only_a, only_b, 5)
    found = gap_test(*arguments, items=items, seed=1)
    n, least = only_a + only_b, min(only_a, only_b)
    exact = min(1.0, 2 * binom.cdf(least, n, 0.5))
    mid = exact - binom.pmf(least, n, 0.5) * (0.5 if only_a == only_b else 1)
    assert found.p == pytest.approx(max(mid, 1e-12) if n else 1.0, abs=1e-12)


def test_gap_test_when_the_lattice_is_too_fine_then_draws_what_it_would_compute(monkeypatch):
    rng = np.random.default_rng(2)
    t = rng.integers(1, 7, 150)
    a, b = rng.binomial(t, 0.30), rng.binomial(t, 0.37)
    exact = gap_test(a, t, b, t, seed=5)
    monkeypatch.setattr(gaps, "MAX_LATTICE", 1)
    drawn = gap_test(a, t, b, t, seed=5)
    assert (exact.method, drawn.method) == ("sign-flip-exact", "sign-flip-drawn")
    assert 0.01 < exact.p < 0.5
    assert drawn.p == pytest.approx(exact.p, abs=4 * np.sqrt(exact.p * (1 - exact.p) / gaps.FLIPS))
    assert gap_test(a, t, b, t, seed=5) == drawn
    assert gap_test(a, t, b, t, seed=6).p != drawn.p


def test_gap_test_when_trials_have_no_small_common_multiple_then_draws():
    t = np.arange(900, 1000)
    a, b = t // 3, t // 2
    found = gap_test(a, t, b, t, seed=int("9f" * 32, 16))
    assert found.method == "sign-flip-drawn"
    assert found.p == pytest.approx(1 / 20_000)


def test_drawn_flips_when_the_seed_is_fixed_then_stay_the_same_for_ever():
    # A number of numpy's stable stream: if this changes, published p-values no longer reproduce.
    differences = np.array([0.5, -0.25, 0.75, 1.0, -0.5, 0.25, 1.0, 0.125])
    assert gaps._drawn_p(differences, 2026) == 0.11095
    signs = np.array(list(itertools.product((1, -1), repeat=8)))
    sums, observed = abs(signs @ differences), abs(differences.sum())
    assert (sums > observed).mean() + (sums == observed).mean() / 2 == pytest.approx(0.11095, abs=0.012)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (([1], [1], [1], [0]), "stats-too-many-successes"),
        (([1], [1], [0], [0]), "stats-no-data"),
        (([1], [1], [0, 0], [1, 1]), "stats-shape"),
    ],
)
def test_gap_when_counts_make_no_sense_then_says_which_way(arguments, code):
    for method in (gap, lambda *counts: gap_test(*counts, seed=1)):
        with pytest.raises(WrongUsage) as caught:
            method(*arguments)
        assert caught.value.code == code
    with pytest.raises(WrongUsage, match="stats-seed"):
        gap_test([1], [1], [0], [1], seed=-1)
    with pytest.raises(WrongUsage, match="stats-level"):
        gap([1], [1], [0], [1], level=1)
