# SPDX-License-Identifier: Apache-2.0
"""Rounding: the exact strings a signed report holds."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.errors import WrongUsage
from detente.stats.rounding import round_half_even, round_outward

SHARE = st.floats(0, 1)
GAP = st.floats(-1, 1)
DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?")


@pytest.mark.parametrize(
    ("low", "high", "strings"),
    [
        (0.0, 1.0, ("0", "1")),
        (0.25, 0.25, ("0.25", "0.25")),
        (0.12341, 0.12341, ("0.1234", "0.1235")),
        (0.1 + 0.2, 0.1 + 0.2, ("0.3", "0.3")),  # 0.30000000000000004 is 0.3
        (0.3 - 1e-15, 0.3 + 1e-15, ("0.3", "0.3")),
        (0.00001, 0.00001, ("0", "0.0001")),
        (0.99991, 0.99999, ("0.9999", "1")),
        (-1e-17, 1 + 1e-16, ("0", "1")),
        (-0.5, 1.5, ("0", "1")),
        (1e-300, 1e-300, ("0", "0")),
    ],
)
def test_outward_when_a_share_then_these_strings(low, high, strings):
    assert round_outward(low, high) == strings


@pytest.mark.parametrize(
    ("low", "high", "strings"),
    [
        (-0.05, 0.0, ("-0.05", "0")),
        (-0.00001, -0.00001, ("-0.0001", "0")),
        (-2.0, 2.0, ("-1", "1")),
        (-0.0, -0.0, ("0", "0")),
    ],
)
def test_outward_when_a_gap_then_these_strings(low, high, strings):
    assert round_outward(low, high, signed=True) == strings


@pytest.mark.parametrize(
    ("value", "string"),
    [
        (0.12345, "0.1234"),
        (0.12355, "0.1236"),
        (1 / 20000, "0"),  # a tie that no double can hold exactly: to the even digit
        (3 / 20000, "0.0002"),
        (Fraction(1, 20000), "0"),
        (Fraction(3, 20000), "0.0002"),
        (Fraction(1, 3), "0.3333"),
        (2 / 3, "0.6667"),
        (0.9, "0.9"),
        (1.0, "1"),
        (0, "0"),
    ],
)
def test_half_even_when_a_share_then_this_string(value, string):
    assert round_half_even(value) == string
    if value:
        assert round_half_even(-value, signed=True) == (f"-{string}" if string != "0" else "0")


@given(st.integers(0, 5000), st.integers(1, 5000), st.integers(1, 6))
def test_half_even_when_a_float_or_a_fraction_then_the_same_string(hits, n, digits):
    hits = min(hits, n)
    assert round_half_even(hits / n, digits) == round_half_even(Fraction(hits, n), digits)


@given(GAP, GAP, GAP, st.integers(1, 8))
def test_outward_when_anything_then_holds_its_values_and_the_estimate(a, b, c, digits):
    low, middle, high = sorted((a, b, c))
    strings = round_outward(low, high, digits, signed=True)
    estimate = round_half_even(middle, digits, signed=True)
    for string in (*strings, estimate):
        assert DECIMAL.fullmatch(string)
        assert string != "-0"
        assert len(string.partition(".")[2]) <= digits
    assert Fraction(strings[0]) <= Fraction(estimate) <= Fraction(strings[1])
    assert Fraction(strings[0]) <= Fraction(low) + Fraction(1, 10**9)
    assert Fraction(strings[1]) >= Fraction(high) - Fraction(1, 10**9)
    assert Fraction(low) - Fraction(strings[0]) < Fraction(1, 10**digits)


@pytest.mark.parametrize(
    "arguments", [(0.5, 0.4), (float("nan"), 0.4), (0.1, float("nan")), (0.1, 0.2, 9), (0.1, 0.2, 0)]
)
def test_outward_when_not_limits_then_refused(arguments):
    with pytest.raises(WrongUsage, match="stats-rounding"):
        round_outward(*arguments)


def test_half_even_when_not_a_number_then_refused():
    for value, digits in ((float("nan"), 4), (0.5, 0), (0.5, 12)):
        with pytest.raises(WrongUsage, match="stats-rounding"):
            round_half_even(value, digits)
