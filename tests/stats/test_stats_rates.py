# SPDX-License-Identifier: Apache-2.0
"""Rates: against scipy for one epoch, against an independent dense grid for several, and by their properties."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaln
from scipy.stats import beta, binomtest

from detente.errors import WrongUsage
from detente.stats.patterns import pair_patterns, patterns
from detente.stats.posterior import posterior
from detente.stats.rates import rate

ONCE = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
ITEM = st.integers(0, 6).flatmap(lambda t: st.tuples(st.integers(0, t), st.just(t)))
ITEMS = st.lists(ITEM, min_size=1, max_size=40).filter(lambda rows: any(t for _, t in rows))


def columns(rows):
    return [list(column) for column in zip(*rows, strict=True)]


def once(hits, n, **more):
    return rate([1, 0], [1, 1], items=[hits, n - hits], **more)


def by_dense_grid(s, t, n_theta=2_000, n_rho=120):
    """The same posterior by beta functions over the whole square: another formula and another grid."""
    theta = (np.arange(n_theta) + 0.5) / n_theta * np.pi / 2
    nodes, weights = np.polynomial.legendre.leggauss(n_rho)
    rho = (nodes + 1) / 2
    a, b = (np.outer(f(theta) ** 2, (1 - rho) / rho) for f in (np.sin, np.cos))
    kinds = Counter(zip(s.tolist(), t.tolist(), strict=True))
    height = sum(k * (betaln(i + a, n - i + b) - betaln(a, b)) for (i, n), k in kinds.items())
    joint = np.exp(height - height.max()) * weights
    below = np.cumsum(joint.sum(axis=1)) / joint.sum()
    edges = (np.arange(n_theta) + 1) / n_theta * np.pi / 2
    low, high = np.sin(np.interp([0.025, 0.975], below, edges)) ** 2
    return low, high, (joint @ rho).sum() / joint.sum()


@settings(max_examples=30, deadline=None)
@given(ONCE, st.sampled_from([0.8, 0.95, 0.99]))
def test_rate_when_items_are_asked_once_then_is_jeffreys(row, level):
    hits, n = row
    found = once(hits, n, level=level)
    low, high = beta.ppf([(1 - level) / 2, (1 + level) / 2], hits + 0.5, n - hits + 0.5)
    assert found.low == pytest.approx(0.0 if hits == 0 else low, abs=1e-10)
    assert found.high == pytest.approx(1.0 if hits == n else high, abs=1e-10)
    assert (found.estimate, found.n, found.method) == (hits / n, n, "jeffreys")


@settings(max_examples=30, deadline=None)
@given(ONCE, st.sampled_from([0.8, 0.95, 0.99]))
def test_gate_when_items_are_asked_once_then_is_clopper_pearson(row, level):
    hits, n = row
    found = once(hits, n, level=level, purpose="gate")
    oracle = binomtest(hits, n).proportion_ci(level, method="exact")
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), abs=1e-10)
    assert found.method == "clopper-pearson"


def test_rate_when_one_of_ten_then_the_printed_limits():
    # Jeffreys for 1 of 10; Clopper-Pearson 0.0025 to 0.4450 stands in every table of exact limits.
    assert once(1, 10)[1:3] == pytest.approx((0.01101, 0.38131), abs=1e-5)
    assert once(1, 10, purpose="gate")[1:3] == pytest.approx((0.00253, 0.44502), abs=1e-5)


@pytest.mark.parametrize(
    ("n_items", "epochs", "share", "correlation"),
    [(5, 4, 0.3, 0.5), (30, 4, 0.02, 0.0), (30, 6, 0.5, 0.5), (100, 2, 0.1, 0.0), (12, 20, 0.2, 0.5), (1, 3, 0.5, 0.0)],
)
def test_posterior_when_computed_by_another_formula_then_agrees(n_items, epochs, share, correlation):
    rng = np.random.default_rng(4)
    chances = np.full(n_items, share) if not correlation else rng.beta(share, 1 - share, n_items)
    t = rng.integers(1, epochs + 1, n_items)
    t[0] = epochs
    s = rng.binomial(t, chances)
    low, high, rho = by_dense_grid(s, t)
    found = posterior(patterns(s, t))
    assert found.quantile(0.025) == pytest.approx(low, abs=2e-5)
    assert found.quantile(0.975) == pytest.approx(high, abs=2e-5)
    assert found.correlation == pytest.approx(rho, abs=2e-5)


@pytest.mark.parametrize("n_items", [40, 400_000])
def test_posterior_when_there_are_many_items_then_still_sums_to_one(n_items):
    # The grid must find a peak 1,000 times narrower than the square it starts from.
    found = posterior(patterns([0, 1, 2, 3], [3, 3, 3, 3], [n_items // 4] * 4))
    assert found.below[-1] == pytest.approx(1)
    assert found.quantile(0.5) == pytest.approx(0.5, abs=1e-8)
    # Every one of 0, 1, 2, 3 hits equally often is a flat distribution of chances: a + b = 2, rho = 1/3.
    assert found.correlation == pytest.approx(1 / 3, abs=0.1 if n_items == 40 else 1e-3)
    expected = 1.96 * np.sqrt(0.25 / (n_items * 3) * (1 + 2 / 3))
    assert found.quantile(0.975) - 0.5 == pytest.approx(expected, rel=0.1 if n_items == 40 else 0.005)


@settings(max_examples=15, deadline=None)
@given(ITEMS, st.sampled_from(["report", "gate"]))
def test_rate_when_anything_is_counted_then_holds_the_share(rows, purpose):
    s, t = columns(rows)
    found = rate(s, t, purpose=purpose)
    assert 0 <= found.low <= found.estimate <= found.high <= 1
    assert found.low < found.high
    assert found.estimate == sum(s) / sum(t)
    assert found.n == sum(n > 0 for n in t)
    assert (found.low == 0, found.high == 1) == (sum(s) == 0, sum(s) == sum(t))
    assert found.note == ("none-seen" if not sum(s) else "all-seen" if sum(s) == sum(t) else "")


@settings(max_examples=20, deadline=None)
@given(ITEMS, st.randoms(use_true_random=False))
def test_rate_when_items_are_shuffled_or_laid_together_then_same_digits(rows, shuffler):
    s, t = columns(rows)
    shuffled = rows[:]
    shuffler.shuffle(shuffled)
    assert rate(*columns(shuffled)) == rate(s, t)
    kinds = sorted(set(rows))
    assert rate(*columns(kinds), items=[rows.count(kind) for kind in kinds]) == rate(s, t)


@settings(max_examples=15, deadline=None)
@given(ITEMS, st.sampled_from(["report", "gate"]))
def test_rate_when_hits_and_misses_swap_then_is_mirrored(rows, purpose):
    s, t = columns(rows)
    found, other = rate(s, t, purpose=purpose), rate([n - i for i, n in rows], t, purpose=purpose)
    assert (found.low, found.high) == pytest.approx((1 - other.high, 1 - other.low), abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(ITEMS)
def test_gate_when_compared_with_report_then_is_never_narrower(rows):
    s, t = columns(rows)
    report, gate = rate(s, t), rate(s, t, purpose="gate")
    assert gate.low <= report.low
    assert gate.high >= report.high


@given(
    st.integers(2, 100).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))), st.sampled_from(["report", "gate"])
)
def test_rate_when_one_more_item_hits_then_both_limits_rise(row, purpose):
    hits, n = row
    fewer, more = once(hits - 1, n, purpose=purpose), once(hits, n, purpose=purpose)
    assert fewer.low < more.low
    assert fewer.high < more.high or more.high == fewer.high == 1


@pytest.mark.parametrize("purpose", ["report", "gate"])
def test_rate_when_epochs_only_repeat_the_items_then_counts_items_not_answers(purpose):
    # 10 of 100 items always hit and 90 never do: six epochs say hardly more than one.
    one = once(10, 100, purpose=purpose)
    six = rate([6, 0], [6, 6], items=[10, 90], purpose=purpose)
    as_if_new = once(60, 600, purpose=purpose)
    assert six.high - six.low == pytest.approx(one.high - one.low, rel=0.05)
    assert as_if_new.high - as_if_new.low < 0.45 * (six.high - six.low)


def test_rate_when_items_are_two_kinds_then_stays_with_the_share():
    # Not beta-distributed: the posterior alone lies wholly above the share of 0.5 (docs/concepts/statistics.md).
    s, n = [0, 1, 2, 3, 4, 5, 6], [900, 600, 200, 250, 700, 1100, 750]
    share = sum(i * k for i, k in zip(s, n, strict=True)) / (6 * sum(n))
    curve = posterior(patterns(s, [6] * 7, n))
    found = rate(s, [6] * 7, items=n)
    middle = curve.quantile(0.5)
    assert abs(middle - share) > 0.25 * (curve.quantile(0.975) - curve.quantile(0.025))
    half = 1.96 * np.sqrt(share * (1 - share) / sum(n) / 6)  # narrower than any interval that knows of items
    assert found.low < share - half
    assert found.high > share + half


def test_rate_when_an_item_has_no_trials_then_it_is_left_out():
    assert rate([3, 0, 1], [4, 0, 4]) == rate([3, 1], [4, 4])


def test_rate_when_the_level_rises_then_widens():
    widths = [rate([3, 0, 1, 0], [4, 4, 4, 4], level=level) for level in (0.01, 0.5, 0.9, 0.99, 0.999999)]
    assert all(a.low >= b.low and a.high <= b.high for a, b in pairwise(widths))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (([], []), "stats-no-data"),
        (([0, 0], [0, 0]), "stats-no-data"),
        (([1, 1], [2]), "stats-shape"),
        (([[1]], [[2]]), "stats-shape"),
        ((1, 2), "stats-shape"),
        (([-1], [2]), "stats-negative"),
        (([1], [-2]), "stats-negative"),
        (([3], [2]), "stats-too-many-successes"),
        (([1], [0]), "stats-too-many-successes"),
        (([0.5], [2]), "stats-not-whole"),
        (([float("nan")], [2]), "stats-not-whole"),
        ((["1"], [2]), "stats-not-whole"),
        (([1], [1001]), "stats-too-large"),
        (([1], [10**30]), "stats-not-whole"),
    ],
)
def test_rate_when_counts_make_no_sense_then_says_which_way(arguments, code):
    with pytest.raises(WrongUsage) as caught:
        rate(*arguments)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"level": 0.0}, "stats-level"),
        ({"level": 95}, "stats-level"),
        ({"level": float("nan")}, "stats-level"),
        ({"purpose": "fun"}, "stats-purpose"),
        ({"items": [1]}, "stats-shape"),
        ({"items": [0, 0]}, "stats-no-data"),
        ({"items": [10**9, 10**9]}, "stats-too-large"),
        ({"items": [-1, 1]}, "stats-negative"),
    ],
)
def test_rate_when_options_make_no_sense_then_says_which_way(more, code):
    with pytest.raises(WrongUsage) as caught:
        rate([1, 0], [2, 2], **more)
    assert caught.value.code == code


def test_patterns_when_sorted_or_counted_then_give_the_same_rows():
    # Few distinct values are counted, many are sorted: the answer must not tell which.
    rng = np.random.default_rng(1)
    t = rng.integers(0, 5, 2000)
    s = rng.integers(0, t + 1)
    small = patterns(s, t)
    big = patterns(np.append(s, 1), np.append(t, 1000), [*[1] * 2000, 0])
    large = pair_patterns(np.append(s, 1), np.append(t, 1000), np.append(s, 1), np.append(t, 1000))
    assert [list(x) for x in small] == [list(x) for x in big]
    rows = [row for row in zip(*large, strict=True) if row[1] < 1000]
    assert rows == [(i, n, i, n, k) for i, n, k in zip(*small, strict=True)]
    assert len(large.items) == len(rows) + 1
    assert small.items.sum() == (t > 0).sum()
