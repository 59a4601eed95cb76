# SPDX-License-Identifier: Apache-2.0
"""Numbers as the decimal strings that a signed report holds: limits outward, estimates to the nearest."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from detente.errors import WrongUsage

# What two machines can be trusted to agree on. A value is first brought to so many digits, so that
# 0.30000000000000004 and 0.3 are one number; limits come from longer computations than estimates.
LIMIT_DIGITS = 9
ESTIMATE_DIGITS = 12
_WIDE = Context(prec=60)


def round_outward(low: float, high: float, digits: int = 4, *, signed: bool = False) -> tuple[str, str]:
    """Limits of an interval as decimal strings, ``low`` rounded down and ``high`` up, so that nothing gets narrower.

    Clipped to 0..1, or with ``signed`` (gaps) to -1..1. The strings have no trailing zeros and no
    minus zero: "0", "0.25", "1", "-0.05" (F-10). Raises WrongUsage ``stats-rounding`` for a value
    that is no number, ``low > high``, or ``digits`` outside 1..8.
    """
    if not 1 <= digits < LIMIT_DIGITS:
        raise WrongUsage("stats-rounding", got=digits)
    if not low <= high:  # also where one of them is not a number
        raise WrongUsage("stats-rounding", got=f"{low}, {high}")
    return (
        _text(_settled(low, LIMIT_DIGITS, signed=signed), digits, ROUND_FLOOR),
        _text(_settled(high, LIMIT_DIGITS, signed=signed), digits, ROUND_CEILING),
    )


def round_half_even(value: float | Fraction, digits: int = 4, *, signed: bool = False) -> str:
    """An estimate as a decimal string, to the nearest and at a tie to the even digit (IEEE 754); else as above.

    A Fraction is rounded exactly.
    """
    if not 1 <= digits < ESTIMATE_DIGITS:
        raise WrongUsage("stats-rounding", got=digits)
    if isinstance(value, Fraction):
        least = Fraction(-1 if signed else 0)
        whole = round(min(max(value, least), Fraction(1)) * 10**digits)  # Python rounds ties to even
        return _text(Decimal(whole).scaleb(-digits, _WIDE), digits, ROUND_HALF_EVEN)
    return _text(_settled(value, ESTIMATE_DIGITS, signed=signed), digits, ROUND_HALF_EVEN)


def _settled(value: float, digits: int, *, signed: bool) -> Decimal:
    """The value clipped and brought to ``digits`` digits; its binary value is taken exactly before that."""
    if value != value:  # noqa: PLR0124 - the one number that is not itself is NaN
        raise WrongUsage("stats-rounding", got=value)
    clipped = min(max(float(value), -1.0 if signed else 0.0), 1.0)
    return _WIDE.quantize(Decimal(clipped), Decimal(1).scaleb(-digits))


def _text(value: Decimal, digits: int, rounding: str) -> str:
    """The shortest plain decimal string of the value rounded to ``digits`` digits."""
    text = f"{value.quantize(Decimal(1).scaleb(-digits), rounding, _WIDE):f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
