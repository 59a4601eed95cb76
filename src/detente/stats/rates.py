# SPDX-License-Identifier: Apache-2.0
"""A rate with its interval, from answers to items that may each be asked several times."""

from typing import Literal, NamedTuple

from numpy.typing import ArrayLike
from scipy.special import betaincinv

from detente.errors import WrongUsage
from detente.stats.patterns import checked_level, patterns
from detente.stats.posterior import posterior


class Estimate(NamedTuple):
    """A share (or a gap of shares) with its interval.

    ``estimate`` is the raw share, never shrunk; ``low`` and ``high`` hold it; ``n`` is the number
    of items that entered. ``method`` and ``note`` are keys of the sentences ``stats.method.*`` and
    ``stats.note.*`` in data/words; ``note`` may be empty.
    """

    estimate: float
    low: float
    high: float
    n: int
    method: str
    note: str


def rate(
    successes: ArrayLike,
    trials: ArrayLike,
    *,
    level: float = 0.95,
    purpose: Literal["report", "gate"] = "report",
    items: ArrayLike | None = None,
) -> Estimate:
    """The share of successes with a two-sided interval that knows repeats of an item are not new items.

    ``successes``, ``trials``: whole numbers, shape [n], one entry an item over its epochs; an item
    with 0 trials is left out. ``items``: how many items each entry stands for (rows of a counts
    file's ``spread``), one if not given.

    ``report``: beta-binomial posterior (posterior.py) between its ``(1 - level) / 2`` quantiles,
    widened where needed to hold the Jeffreys interval at the effective size N / (1 + rho (sum t^2
    / N - 1)), rho being the posterior mean correlation. The posterior is right for few hits, but its
    mean drifts from the raw share where items are not spread as a beta distribution; the second
    interval stays with the share (measured in docs/concepts/statistics.md). When no item has two
    trials both are the Jeffreys interval (Brown, Cai, DasGupta 2001, Statistical Science 16:101). The
    limits are 0 at no and 1 at all successes.

    ``gate``: the same with Clopper-Pearson (1934) for Jeffreys. Never narrower than ``report``, because a
    gate must not understate. Both limits are moved, if need be, so that they hold the raw share
    (that needs a low level, or items asked very unequally often).

    Raises WrongUsage: ``stats-level``, ``stats-purpose``, and those of ``patterns.patterns``.
    """
    tail = (1.0 - checked_level(level)) / 2
    if purpose not in ("report", "gate"):
        raise WrongUsage("stats-purpose", got=purpose)
    data = patterns(successes, trials, items)
    n_trials = int((data.items * data.trials).sum())
    hits = int((data.items * data.successes).sum())
    share = hits / n_trials
    ends, name = (_clopper_pearson, "clopper-pearson") if purpose == "gate" else (_jeffreys, "jeffreys")
    if data.trials.max() == 1:
        low, high = ends(share, n_trials, tail)
    else:
        curve = posterior(data)
        # How many trials share an item with a trial taken at random.
        cluster = float((data.items * data.trials**2).sum()) / n_trials
        low, high = ends(share, n_trials / (1 + curve.correlation * (cluster - 1)), tail)
        low, high = min(low, curve.quantile(tail)), max(high, curve.quantile(1 - tail))
        name = f"beta-binomial-{name}"
    return Estimate(
        estimate=share,
        low=0.0 if hits == 0 else max(0.0, min(low, share)),
        high=1.0 if hits == n_trials else min(1.0, max(high, share)),
        n=int(data.items.sum()),
        method=name,
        note="none-seen" if hits == 0 else "all-seen" if hits == n_trials else "",
    )


def _jeffreys(share: float, size: float, tail: float) -> tuple[float, float]:
    """Quantiles of Beta(x + 1/2, size - x + 1/2) with x = share of size."""
    a, b = share * size + 0.5, (1 - share) * size + 0.5
    return float(betaincinv(a, b, tail)), float(betaincinv(a, b, 1 - tail))


def _clopper_pearson(share: float, size: float, tail: float) -> tuple[float, float]:
    """Quantiles of Beta(x, size - x + 1) and Beta(x + 1, size - x) with x = share of size."""
    x, rest = share * size, (1 - share) * size
    low = float(betaincinv(x, rest + 1, tail)) if share > 0 else 0.0
    high = float(betaincinv(x + 1, rest, 1 - tail)) if share < 1 else 1.0
    return low, high
