# SPDX-License-Identifier: Apache-2.0
"""How many items to ask for: what a plan can and cannot show, said before it runs.

Sizes count items, not answers: repeats of an item tell little about items that were not asked.
"""

import math

from detente.errors import WrongUsage
from detente.stats.patterns import MAX_ITEMS, checked_level
from detente.stats.rates import rate


def bound_when_none(n_items: int, *, level: float = 0.95) -> float:
    """The largest rate (0..1) still to be reckoned with, one-sided at ``level``, if none of ``n_items`` shows a hit.

    ``1 - (1 - level)^(1/n)``, the exact binomial bound; near 3/n at 95 %. Raises WrongUsage
    ``stats-level`` and ``stats-plan``.
    """
    if n_items < 1:
        raise WrongUsage("stats-plan", got=n_items, name="n_items")
    return -math.expm1(math.log1p(-checked_level(level)) / n_items)


def items_for_bound(largest: float, *, level: float = 0.95) -> int:
    """The fewest items after which "none seen" shows that the rate is at most ``largest`` (0..1), one-sided."""
    if not 0 < largest < 1:
        raise WrongUsage("stats-plan", got=largest, name="largest")
    n = max(1, math.floor(math.log1p(-checked_level(level)) / math.log1p(-largest)))
    return n if bound_when_none(n, level=level) <= largest else n + 1


def items_for_width(half_width: float, *, expected: float = 0.5, level: float = 0.95) -> int:
    """The fewest items whose interval reaches at most ``half_width`` (0..1) to either side, if ``expected`` come true.

    Searches the interval of ``rate`` for one epoch at the nearest whole number of hits. ``expected``
    0.5 is the widest case, for a plan that promises nothing about the rate. Raises WrongUsage
    ``stats-plan`` and ``stats-level``.
    """
    checked_level(level)
    if not 0 < half_width < 0.5:
        raise WrongUsage("stats-plan", got=half_width, name="half_width")
    if not 0 <= expected <= 1:
        raise WrongUsage("stats-plan", got=expected, name="expected")

    def wide(n: int) -> bool:
        hits = round(expected * n)
        found = rate([1, 0], [1, 1], items=[hits, n - hits], level=level)
        return (found.high - found.low) / 2 > half_width

    low, high = 0, 1
    while wide(high):
        low, high = high, high * 2
        if high > MAX_ITEMS:
            raise WrongUsage("stats-plan", got=half_width, name="half_width")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if wide(middle) else (low, middle)
    return high
