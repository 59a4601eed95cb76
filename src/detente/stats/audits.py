# SPDX-License-Identifier: Apache-2.0
"""How many records to open so that a given share of forged ones would be seen; exact, without replacement.

For planning. The verifier computes the odds it prints by itself (check/audit.py, A-7).
"""

import math
from fractions import Fraction

from detente.errors import WrongUsage


def detection_chance(n_total: int, n_opened: int, share: float) -> Fraction:
    """The chance that a draw of ``n_opened`` of ``n_total`` records holds a forged one, if ``share`` (0..1) are forged.

    ``1 - C(N-K, n) / C(N, n)`` (hypergeometric, A-7) with K = ``share`` of N rounded down, at least
    one: rounding up would promise more than the records can keep. Exact. Raises WrongUsage
    ``stats-audit``.
    """
    forged = _forged(n_total, share)
    if not 0 <= n_opened <= n_total:
        raise WrongUsage("stats-audit", got=n_opened, expected=f"0..{n_total}", name="n_opened")
    # C(N-K, n) / C(N, n) = C(N-n, K) / C(N, K): the smaller of the two choices is the quicker one.
    few, many = sorted((forged, n_opened))
    return 1 - Fraction(math.comb(n_total - many, few), math.comb(n_total, few))


def audit_size(n_total: int, share: float, chance: float) -> int:
    """The fewest records to open, of ``n_total``, that see a forged ``share`` with at least this ``chance`` (0..1).

    Raises WrongUsage ``stats-audit``.
    """
    forged = _forged(n_total, share)
    if not 0 < chance < 1:
        raise WrongUsage("stats-audit", got=chance, expected="0..1", name="chance")
    wanted = Fraction(str(chance))  # 0.95 as people mean it, not its nearest binary neighbour
    low, high = 0, n_total - forged + 1  # opening that many leaves no room for all the forged ones
    while low < high:
        middle = (low + high) // 2
        if detection_chance(n_total, middle, share) >= wanted:
            high = middle
        else:
            low = middle + 1
    return low


def _forged(n_total: int, share: float) -> int:
    """How many records are forged at this share: rounded down, at least one."""
    if n_total < 1:
        raise WrongUsage("stats-audit", got=n_total, expected=">= 1", name="n_total")
    if not 0 < share <= 1:
        raise WrongUsage("stats-audit", got=share, expected="0..1", name="share")
    return max(1, math.floor(Fraction(str(share)) * n_total))
