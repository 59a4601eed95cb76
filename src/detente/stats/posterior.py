# SPDX-License-Identifier: Apache-2.0
"""What answers repeated within items say about a rate: the beta-binomial posterior, by fixed rules on a grid.

The model. Each item has its own chance of a hit; these chances are spread over items as a beta
distribution with mean ``mu`` (the rate) and intra-item correlation ``rho``: 0 when repeats of an
item are as good as new items, 1 when they say the same thing again. Prior: Jeffreys Beta(1/2, 1/2)
on ``mu``, flat on ``rho``. (Beta-binomial: Skellam 1948. The flat prior on the mean that others
advise overstates rare failures: docs/concepts/statistics.md.)

How the digits are kept. With ``theta = asin(sqrt(mu))`` the Jeffreys prior is flat, and with
rising factorials instead of beta functions the likelihood is a plain sum of logarithms, exact
also at ``rho`` 0 and 1, in which items enter only through how many have more than j hits, misses
and trials. Three looks narrow the grid to where the posterior is; the last one integrates ``rho``
by Gauss-Legendre and ``theta`` by a rule of fourth order. Finer grids change a limit by about
1e-8 (worst found, with 200 epochs: 2e-7), so where exactly a look ends decides no published digit.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detente.stats.patterns import Counts, Patterns

Reals = NDArray[np.floating]

LOOKS = 3
LOOK_THETA, LOOK_RHO = 129, 65  # nodes of a look
LAST_THETA, LAST_RHO = 512, 80  # cells and nodes of the last one
FAR = 40.0  # natural logarithms below the peak: the rest weighs under 1e-15
REACH = 10.0  # standard deviations at the number of items, the smallest evidence that rho allows


class Posterior(NamedTuple):
    """The marginal of the rate as a cumulative curve over theta, and the mean correlation.

    ``theta`` [k] rising, ``density`` [k] and ``below`` [k] (share of the posterior under it).
    """

    theta: Reals
    density: Reals
    below: Reals
    correlation: float

    def quantile(self, share: float) -> float:
        """The rate under which ``share`` of the posterior lies."""
        i = int(np.clip(np.searchsorted(self.below, share) - 1, 0, self.theta.size - 2))
        rise = float(self.theta[i + 1] - self.theta[i])
        width = float(self.below[i + 1] - self.below[i])
        x = (share - float(self.below[i])) / width
        moved = rise * x
        if self.density[i] > 0 and self.density[i + 1] > 0:
            # A cubic through both ends with their slopes, theta as a function of the share: no iteration.
            slope_0, slope_1 = width / float(self.density[i]), width / float(self.density[i + 1])
            moved = slope_0 * x * (1 - x) ** 2 + rise * x * x * (3 - 2 * x) - slope_1 * x * x * (1 - x)
        return math.sin(float(self.theta[i]) + min(max(moved, 0.0), rise)) ** 2


class _Tallies(NamedTuple):
    """How many items have more than j hits, misses, trials (index j); all that the likelihood needs."""

    hits: Reals
    misses: Reals
    trials: Reals


def posterior(data: Patterns) -> Posterior:
    """The posterior of the rate and the correlation; ``data`` as ``patterns`` gives it, some item with 2 trials."""
    tallies = _Tallies(
        _more_than(data.successes, data.items),
        _more_than(data.trials - data.successes, data.items),
        _more_than(data.trials, data.items),
    )
    theta_0, theta_1 = _window(data)
    rho_0, rho_1 = 0.0, 1.0
    for _ in range(LOOKS):
        far_theta, far_rho = np.linspace(theta_0, theta_1, LOOK_THETA), np.linspace(rho_0, rho_1, LOOK_RHO)
        height = _log_likelihood(far_theta, far_rho, tallies)
        theta_0, theta_1 = _near_peak(far_theta, height.max(axis=1))
        rho_0, rho_1 = _near_peak(far_rho, height.max(axis=0))

    nodes, weights = np.polynomial.legendre.leggauss(LAST_RHO)
    rho = rho_0 + (rho_1 - rho_0) * (nodes + 1) / 2
    step = (theta_1 - theta_0) / LAST_THETA
    # One node more on either side for the rule below; the density is even about theta 0 and pi/2.
    theta = theta_0 + step * np.arange(-1, LAST_THETA + 2)
    height = _log_likelihood(theta, rho, tallies)
    joint = np.exp(height - height.max()) * weights
    density = joint.sum(axis=1)
    correlation = float((joint[1:-1] @ rho).sum() / density[1:-1].sum())
    # Integral over one cell from the four nodes round it: error 11/720 h^5 f''''.
    cells = (13 * (density[1:-2] + density[2:-1]) - density[:-3] - density[3:]) / 24
    below = np.concatenate(([0.0], np.cumsum(np.maximum(cells, 0.0))))
    mass = below[-1]
    return Posterior(theta[1:-1], density[1:-1] / (mass * step), below / mass, correlation)


def _more_than(counts: Counts, items: Counts) -> Reals:
    """Entry j: how many items have a count over j, for j from 0 to the largest count - 1."""
    have = np.bincount(counts, weights=items).astype(np.float64)
    more: Reals = np.cumsum(have[::-1])[::-1]
    return more[1:]


def _log_likelihood(theta: Reals, rho: Reals, tallies: _Tallies) -> Reals:
    """Logarithm of the beta-binomial likelihood up to a constant, shape [theta, rho].

    An item with s hits in t trials has the likelihood
    prod_{j<s}(mu(1-rho) + j rho) prod_{j<t-s}((1-mu)(1-rho) + j rho) / prod_{j<t}(1-rho + j rho).
    The three factors j = 0 are taken together so that nothing is divided by 0 at rho = 1: what is
    left there is one (1-rho) for each item that has both hits and misses.
    """
    hits, misses, trials = tallies
    hit_0, miss_0 = (float(t[0]) if t.size else 0.0 for t in (hits, misses))
    total = np.zeros((theta.size, rho.size))
    with np.errstate(divide="ignore"):  # log 0 = -inf is the right likelihood
        if hit_0:
            total += hit_0 * np.log(np.sin(theta) ** 2)[:, None]
        if miss_0:
            total += miss_0 * np.log(np.cos(theta) ** 2)[:, None]
        if mixed := hit_0 + miss_0 - float(trials[0]):
            total += mixed * np.log1p(-rho)
        for chance, counts in ((np.sin(theta) ** 2, hits), (np.cos(theta) ** 2, misses)):
            base = np.outer(chance, 1 - rho)
            for j, n in enumerate(counts[1:], start=1):
                total += n * np.log(base + j * rho)
    for j, n in enumerate(trials[1:], start=1):
        total -= n * np.log1p((j - 1) * rho)
    return total


def _window(data: Patterns) -> tuple[float, float]:
    """Ends of theta that surely hold the posterior, from counts alone.

    Items weigh by their trials when rho is 0 and equally when rho is 1, so its centre lies
    between those two means; its spread is at most that of as many single answers as items.
    """
    n_items = float(data.items.sum())
    n_trials = float((data.items * data.trials).sum())
    pooled = float((data.items * data.successes).sum()) / n_trials
    by_item = float((data.items * (data.successes / data.trials)).sum()) / n_items
    centres = [math.asin(math.sqrt((mean * n_items + 0.5) / (n_items + 1))) for mean in (pooled, by_item)]
    reach = REACH / (2 * math.sqrt(n_items))
    return max(0.0, min(centres) - reach), min(math.pi / 2, max(centres) + reach)


def _near_peak(nodes: Reals, height: Reals) -> tuple[float, float]:
    """The nodes at most FAR under the peak, with one more on either side."""
    near = np.flatnonzero(height > height.max() - FAR)
    return float(nodes[max(near[0] - 1, 0)]), float(nodes[min(near[-1] + 1, nodes.size - 1)])
