# SPDX-License-Identifier: Apache-2.0
"""Decimal strings of result.json as a person reads them: percentages, points, intervals, shares."""

from collections.abc import Mapping
from fractions import Fraction
from math import ceil, floor
from typing import Any

MINUS = "\u2212"
WIDE = Fraction(1, 2)  # an interval wider than this says too little to be drawn


def _rounded(scaled: Fraction, toward: int) -> int:
    return floor(scaled) if toward < 0 else ceil(scaled) if toward > 0 else round(scaled)


def percent(value: str, toward: int = 0, digits: int = 0) -> str:
    """``"0.6923"`` as ``69%``; ``toward`` -1 and 1 round outward (lower, upper limits), so a page never narrows.

    A share that is neither 0 nor 1 is never shown as 0% or 100%: those get a decimal, then a ``<`` or ``>``.
    """
    share = Fraction(value)
    if 0 < share < 1 and not toward:
        while digits < 2 and round(share * 100 * 10**digits) in {0, 100 * 10**digits}:
            digits += 1
        if round(share * 100 * 10**digits) == 0:
            return f"<{_fixed(1, digits)}%"
        if round(share * 100 * 10**digits) == 100 * 10**digits:
            return f">{_fixed(100 * 10**digits - 1, digits)}%"
    return f"{_fixed(_rounded(share * 100 * 10**digits, toward), digits)}%"


def points(value: str, toward: int = 0, digits: int = 0) -> str:
    """A difference of two rates in percentage points, always with its sign: ``−5``, ``+14``, ``0``."""
    scaled = _rounded(Fraction(value) * 100 * 10**digits, toward)
    if not scaled:
        return _fixed(0, digits)
    return (MINUS if scaled < 0 else "+") + _fixed(abs(scaled), digits)


def _fixed(scaled: int, digits: int) -> str:
    """``scaled`` / 10**digits with exactly that many decimals."""
    if not digits:
        return str(scaled)
    whole, rest = divmod(scaled, 10**digits)
    return f"{whole}.{rest:0{digits}d}"


def interval(cell: Mapping[str, Any], digits: int = 0) -> str:
    """A rate's or gap's limits, rounded outward: ``[69, 98]`` or ``[−23, +14]``."""
    show = points if "gap" in cell else percent
    low, high = show(cell["low"], -1, digits), show(cell["high"], 1, digits)
    return f"[{low.rstrip('%')}, {high.rstrip('%')}]"


def estimate(cell: Mapping[str, Any], digits: int = 0) -> str:
    """A rate (``90%``) or gap (``−5``) without its interval."""
    return points(cell["gap"], 0, digits) if "gap" in cell else percent(cell["rate"], 0, digits)


def has_number(cell: Mapping[str, Any] | None) -> bool:
    """Whether the cell holds a rate or gap with limits, and not a count, a refusal to say, or nothing."""
    return cell is not None and cell["state"] == "rate"


def too_small(cell: Mapping[str, Any]) -> bool:
    """Whether the interval is so wide that a bar would pretend to know something."""
    return Fraction(cell["high"]) - Fraction(cell["low"]) > WIDE


def share(part: int, whole: int) -> str:
    """``part`` of ``whole`` as a percentage; a dash where there is nothing to divide."""
    return percent(str(Fraction(part, whole))) if whole else "–"


def groups_of_four(digest: str) -> list[str]:
    """A digest as 16 groups of 4, for comparing by eye or by telephone (P-1)."""
    return [digest[at : at + 4] for at in range(0, len(digest), 4)]
