# SPDX-License-Identifier: Apache-2.0
"""Do the intervals keep what they promise? Simulate labs whose true rates are known and count the misses.

    python benchmarks/bench_intervals.py             # 200 repetitions a cell, a few minutes
    python benchmarks/bench_intervals.py --reps 500 --jobs 2 --cells
    python benchmarks/bench_intervals.py --judged    # only the rates that a judge finds and people correct
    python benchmarks/bench_intervals.py --speed     # 28 cells of 1,000,000 samples each

A cell is one true rate, number of items, number of epochs (times each item is asked) and one way
in which items differ: "0" all alike, "0.5" beta-distributed with intra-item correlation 0.5, "two"
a few items that fail at 80 % and many that fail rarely (which no beta distribution describes).
Judged cells have a judge that errs: 500 or 2,000 answers (asked once, or four times with correlation
0.5), 100 or 300 of them labelled by people, by chance or within verdicts (25 or 33 % of the labels on
flagged answers, or all flagged where there are fewer). Where labels are refused as too few the
repetition counts as refused, and coverage is that of the others.

Prints Markdown. Exit code 1 if a method of ours covers under 91 % in any cell or under 94.5 % on
average, or lies wholly below the truth in over 6 % of any cell (not asked of gaps, which have no
side to lose, nor of "two", where a kind of item may be missing from the sample altogether). With
200 repetitions and fewer, chance alone can do that.
"""

import argparse
import functools
import itertools
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from detente.errors import WrongUsage
from detente.stats.agreements import agreement
from detente.stats.crossed import Crossed
from detente.stats.gaps import gap, gap_test
from detente.stats.judge_error_rates import judge_errors_of
from detente.stats.judged import judged_gap_of, judged_rate_of
from detente.stats.patterns import patterns
from detente.stats.posterior import posterior
from detente.stats.rates import rate

RATES = (0.005, 0.02, 0.1, 0.5)
ITEMS = (30, 100, 500)
REPEATS = ((1, "0"), (2, "0.5"), (4, "0"), (4, "0.5"), (6, "0"), (6, "0.5"), (6, "two"))
PAIRS = ((0.005, 0.005), (0.02, 0.02), (0.02, 0.05), (0.1, 0.1), (0.1, 0.2), (0.5, 0.5), (0.5, 0.3))
PAIR_REPEATS = ((1, "0"), (1, "0.5"), (4, "0"), (4, "0.5"))
JUDGES = {"en": (0.90, 0.97), "zh": (0.75, 0.90)}  # sensitivity, specificity
JUDGED_RATES = (0.005, 0.02, 0.1, 0.5)
JUDGED_PAIRS = (*((p, p) for p in JUDGED_RATES), (0.02, 0.05), (0.2, 0.1))
ANSWERS, LABELS, ASKED = (500, 2000), (100, 300), (1, 4)
ON_FLAGGED = (None, 0.25, 1 / 3)  # None: labels by chance over all answers
Z = 1.959963984540054
Ints = NDArray[np.int64]


class Cell(NamedTuple):
    """One simulated situation; ``other`` is the second rate of a pair, None for a single rate."""

    truth: float
    other: float | None
    n_items: int
    epochs: int
    items_differ: str


class JudgedCell(NamedTuple):
    """One simulated situation with a judge; ``on_flagged`` is the share of labels on flagged answers."""

    truth: float
    judge: str
    n_answers: int
    n_labels: int
    on_flagged: float | None
    epochs: int


class Score(NamedTuple):
    """What one method did in one cell, as shares of the repetitions; ``width`` is a mean.

    Where a method refuses, all but ``refused`` are of the repetitions that it did not refuse.
    """

    covered: float
    below: float
    above: float
    width: float
    refused: float = 0.0


def chances(u: NDArray[np.float64], share: float, items_differ: str) -> NDArray[np.float64]:
    """The chance of a hit of each item from its uniform place ``u`` in the ranking of items; the mean is ``share``."""
    if items_differ == "0":
        return np.full(u.shape, share)
    if items_differ == "0.5":  # a + b = 1 / 0.5 - 1
        return np.asarray(betaincinv(share, 1 - share, u))
    hard = 0.8 * share / (0.8 - share / 5)
    return np.where(u < hard, 0.8, share / 5)


def wilson_of_all(s: Ints, t: Ints) -> tuple[float, float]:
    """Wilson's interval as if every answer were an item of its own: what most tools print."""
    n, p = int(t.sum()), s.sum() / t.sum()
    centre, reach = p + Z * Z / (2 * n), Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    return (centre - reach) / (1 + Z * Z / n), (centre + reach) / (1 + Z * Z / n)


def normal_of_items(s: Ints, t: Ints) -> tuple[float, float]:
    """Mean of the items' shares and its standard error: the usual clustered error bar."""
    shares = s / t
    reach = Z * shares.std(ddof=1) / math.sqrt(shares.size)
    return float(shares.mean() - reach), float(shares.mean() + reach)


def t_of_pairs(sa: Ints, ta: Ints, sb: Ints, tb: Ints) -> tuple[float, float]:
    """The paired normal interval of the differences."""
    d = sa / ta - sb / tb
    reach = Z * d.std(ddof=1) / math.sqrt(d.size)
    return float(d.mean() - reach), float(d.mean() + reach)


@functools.lru_cache(maxsize=200_000)
def limits(purpose: str, epochs: int, counts: tuple[int, ...]) -> tuple[float, float]:
    """Our limits for ``counts[s]`` items with s hits; remembered, since rare failures give the same few patterns."""
    found = rate(range(len(counts)), [epochs] * len(counts), items=counts, purpose=purpose)  # type: ignore[arg-type]
    return found.low, found.high


@functools.lru_cache(maxsize=200_000)
def posterior_alone(epochs: int, counts: tuple[int, ...]) -> tuple[float, float]:
    """The beta-binomial posterior without the second interval, to show what that is for."""
    if epochs == 1:
        return limits("report", epochs, counts)
    curve = posterior(patterns(range(len(counts)), [epochs] * len(counts), counts))
    return (0.0 if not sum(counts[1:]) else curve.quantile(0.025)), (
        1.0 if not sum(counts[:-1]) else curve.quantile(0.975)
    )


def score(found: Iterable[tuple[float, float]], truth: float) -> Score:
    low, high = np.array(list(found)).T
    below, above = float((high < truth - 1e-12).mean()), float((low > truth + 1e-12).mean())
    return Score(1 - below - above, below, above, float((high - low).mean()))


def rate_cell(cell: Cell, reps: int, seed: list[int]) -> dict[str, Score]:
    rng = np.random.default_rng(seed)
    t = np.full(cell.n_items, cell.epochs)
    drawn = [
        rng.binomial(cell.epochs, chances(rng.random(cell.n_items), cell.truth, cell.items_differ)) for _ in range(reps)
    ]
    ours = [(cell.epochs, tuple(np.bincount(s, minlength=cell.epochs + 1).tolist())) for s in drawn]
    return {
        "detente, report": score((limits("report", *key) for key in ours), cell.truth),
        "detente, gate": score((limits("gate", *key) for key in ours), cell.truth),
        "beta-binomial posterior alone": score((posterior_alone(*key) for key in ours), cell.truth),
        "Wilson on all answers": score((wilson_of_all(s, t) for s in drawn), cell.truth),
        "normal over items": score((normal_of_items(s, t) for s in drawn), cell.truth),
    }


def gap_cell(cell: Cell, reps: int, seed: list[int]) -> dict[str, Score]:
    rng = np.random.default_rng(seed)
    t = np.full(cell.n_items, cell.epochs)
    other = cell.truth if cell.other is None else cell.other
    pairs = []
    for _ in range(reps):
        u = rng.random(
            cell.n_items
        )  # one ranking of items for both sides: what is hard in one language is in the other
        sides = [rng.binomial(cell.epochs, chances(u, p, cell.items_differ)) for p in (cell.truth, other)]
        pairs.append((sides[0], t, sides[1], t))
    rows = {
        "detente, gap": score((gap(*pair)[1:3] for pair in pairs), cell.truth - other),
        "normal over pairs": score((t_of_pairs(*pair) for pair in pairs), cell.truth - other),
    }
    if cell.truth == other:
        alarms = sum(gap_test(*pair, seed=1).p <= 0.05 for pair in pairs) / reps
        rows["detente, gap test"] = Score(1 - alarms, math.nan, math.nan, math.nan)
    return rows


def judged_counts(rng: np.random.Generator, cell: JudgedCell) -> Crossed:
    """One lab's answers, its judge's verdicts and its people's labels, counted."""
    n_items = cell.n_answers // cell.epochs
    chance = chances(rng.random(n_items), cell.truth, "0.5" if cell.epochs > 1 else "0")
    item = np.repeat(np.arange(n_items), cell.epochs)
    hit = rng.random(cell.n_answers) < chance[item]
    sensitivity, specificity = JUDGES[cell.judge]
    flagged = rng.random(cell.n_answers) < np.where(hit, sensitivity, 1 - specificity)
    mixed = rng.permutation(cell.n_answers)
    if cell.on_flagged is None:
        labelled = mixed[: cell.n_labels]
    else:
        few = round(cell.n_labels * cell.on_flagged)
        first = mixed[flagged[mixed]][: max(few, cell.n_labels - int((~flagged).sum()))]
        labelled = np.concatenate((first, mixed[~flagged[mixed]][: cell.n_labels - first.size]))
    passed, caught = labelled[~flagged[labelled]], labelled[flagged[labelled]]
    return Crossed(
        answers=(int((~flagged).sum()), int(flagged.sum())),
        labelled=(passed.size, caught.size),
        positive=(int(hit[passed].sum()), int(hit[caught].sum())),
        items=n_items,
        labelled_items=(np.unique(item[passed]).size, np.unique(item[caught]).size),
    )


@functools.lru_cache(maxsize=200_000)
def corrected(counts: Crossed, purpose: str, design: str) -> tuple[float, float] | None:
    """Our limits; None where they are refused."""
    try:
        found = judged_rate_of(counts, purpose=purpose, design=design)  # type: ignore[arg-type]
    except WrongUsage:
        return None
    return found.low, found.high


def believed(counts: Crossed) -> tuple[float, float]:
    """Wilson's interval of the judge's verdicts, as if they were the truth."""
    return wilson_of_all(np.array([counts.answers[1]]), np.array([sum(counts.answers)]))


def ppi_plus_plus(counts: Crossed, *, by_chance: bool) -> tuple[float, float]:
    """The normal interval of prediction-powered inference with tuned weight (Angelopoulos, Duchi, Zrnic 2023).

    Labels within verdicts are weighted by verdict, which makes of it the post-stratified estimator.
    """
    n, unlabelled = sum(counts.labelled), sum(counts.answers) - sum(counts.labelled)
    (x0, x1), (n0, n1) = counts.positive, counts.labelled
    if not by_chance:
        weight = [big / sum(counts.answers) for big in counts.answers]
        shares = [x / m if m else 0.0 for x, m in zip(counts.positive, counts.labelled, strict=True)]
        mean = weight[0] * shares[0] + weight[1] * shares[1]
        rows = zip(weight, shares, counts.labelled, strict=True)
        variance = sum(w * w * s * (1 - s) / m + w * (s - mean) ** 2 / sum(counts.answers) for w, s, m in rows if m)
    else:
        verdicts, labels = np.repeat([0.0, 1.0], [n0, n1]), np.repeat([1.0, 0.0, 1.0, 0.0], [x0, n0 - x0, x1, n1 - x1])
        others = (counts.answers[1] - n1) / unlabelled
        spread = others * (1 - others)
        tuned = np.cov(labels, verdicts)[0, 1] / ((1 + n / unlabelled) * spread) if spread else 0.0
        tuned = min(1.0, max(0.0, tuned))
        mean = tuned * others + (labels - tuned * verdicts).mean()
        variance = (labels - tuned * verdicts).var() / n + tuned**2 * spread / unlabelled
    reach = Z * math.sqrt(variance)
    return float(mean - reach), float(mean + reach)


def score_some(found: list[tuple[float, float] | None], truth: float) -> Score | None:
    """The score of what was not refused; None where too little of it is left to say anything."""
    kept = [limits for limits in found if limits is not None]
    if 2 * len(kept) < len(found):
        return None
    return score(kept, truth)._replace(refused=1 - len(kept) / len(found))


def judged_cell(cell: JudgedCell, reps: int, seed: list[int]) -> dict[str, Score]:
    rng = np.random.default_rng(seed)
    drawn = [judged_counts(rng, cell) for _ in range(reps)]
    design = "random" if cell.on_flagged is None else "within_verdict"
    rows = {
        "detente, report": score_some([corrected(counts, "report", design) for counts in drawn], cell.truth),
        "detente, gate": score_some([corrected(counts, "gate", design) for counts in drawn], cell.truth),
        "PPI++ (normal)": score((ppi_plus_plus(c, by_chance=cell.on_flagged is None) for c in drawn), cell.truth),
        "judge believed": score((believed(counts) for counts in drawn), cell.truth),
    }
    return {name: found for name, found in rows.items() if found is not None}


def error_cell(cell: JudgedCell, reps: int, seed: list[int]) -> dict[str, Score]:
    """Sensitivity and specificity of the judge, and what the labelled answers alone would say of them."""
    rng = np.random.default_rng(seed)
    truths = JUDGES[cell.judge]
    ours: list[list[tuple[float, float] | None]] = [[], []]
    plain: list[list[tuple[float, float] | None]] = [[], []]
    for _ in range(reps):
        counts = judged_counts(rng, cell)
        try:
            found = list(judge_errors_of(counts))
        except WrongUsage:
            found = [None, None]
        for k, side in enumerate((counts, counts.turned)):
            estimate, hits = found[k], np.array([side.positive[1], sum(side.positive)])
            ours[k].append(None if estimate is None else (estimate.low, estimate.high))
            plain[k].append(wilson_of_all(hits[:1], hits[1:]) if hits[1] else None)
    rows = {}
    for k, name in enumerate(("sensitivity", "specificity")):
        rows[f"detente, {name}"] = score_some(ours[k], truths[k])
        rows[f"share of the labelled, {name}"] = score_some(plain[k], truths[k])
    return {name: found for name, found in rows.items() if found is not None}


def judged_gap_cell(cell: JudgedCell, other: float, reps: int, seed: list[int]) -> dict[str, Score]:
    """English minus Chinese, each with its own judge; ``cell`` is the English side."""
    rng = np.random.default_rng(seed)
    there = cell._replace(truth=other, judge="zh")
    pairs = [(judged_counts(rng, cell), judged_counts(rng, there)) for _ in range(reps)]
    gap_truth = cell.truth - other
    rows = {
        "detente": [judged_gap_of(a, b)[1:3] for a, b in pairs],
        "labels of both languages pooled": [judged_gap_of(pooled(a, b), pooled(b, a))[1:3] for a, b in pairs],
        "judge believed": [square_and_add(believed(a), believed(b), a, b) for a, b in pairs],
    }
    return {name: score(found, gap_truth) for name, found in rows.items()}


def pooled(mine: Crossed, other: Crossed) -> Crossed:
    """My answers with the labels of both languages: the shortcut that must not be taken.

    Counts cannot hold more labels than answers, nor more items; what matters is the share, so all are cut to fit.
    """
    columns = []
    for k, big in enumerate(mine.answers):
        n = mine.labelled[k] + other.labelled[k]
        fit = min(1.0, big / n) if n else 1.0
        rows = (
            (mine.labelled, mine.positive, mine.labelled_items),
            (other.labelled, other.positive, other.labelled_items),
        )
        n, x, i = (math.floor((one[k] + two[k]) * fit) for one, two in zip(*rows, strict=True))
        columns.append((n, x, min(i, mine.items)))
    labelled, positive, items = zip(*columns, strict=True)
    return Crossed(mine.answers, labelled, positive, mine.items, items)


def square_and_add(one: tuple[float, float], two: tuple[float, float], a: Crossed, b: Crossed) -> tuple[float, float]:
    p, q = a.flagged.share, b.flagged.share
    return p - q - math.hypot(p - one[0], two[1] - q), p - q + math.hypot(one[1] - p, q - two[0])


def elsewhere_cell(cell: JudgedCell, reps: int, seed: list[int]) -> dict[str, Score]:
    """Labels of other answers by chance; once of the same language, once of the other language's answers."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[tuple[float, float] | None]] = {
        "detente, external labels": [],
        "external labels of the other language": [],
    }
    for _ in range(reps):
        mine = judged_counts(rng, cell)
        for name, judge in zip(found, (cell.judge, "zh" if cell.judge == "en" else "en"), strict=True):
            there = judged_counts(rng, cell._replace(judge=judge))
            counts = there._replace(answers=mine.answers, items=mine.items)
            found[name].append(corrected(counts, "report", "external"))
    rows = {name: score_some(limits, cell.truth) for name, limits in found.items()}
    return {name: row for name, row in rows.items() if row is not None}


def judged_tables(reps: int, seed: int, pool: ProcessPoolExecutor, *, cells: bool) -> list[str]:
    """Simulate and print everything that has a judge in it; what breaks the bar, in words."""
    broken: list[str] = []
    labelled = list(itertools.product(JUDGED_RATES, JUDGES, ANSWERS, LABELS))

    def show(
        title: str, kind: Callable[..., dict[str, Score]], todo: Sequence[tuple[object, ...]], *, strict: bool
    ) -> None:
        start = time.perf_counter()
        # The judge's errors are slow to compute and not under the bar: a fifth of the repetitions.
        times = max(1, reps // 5) if kind is error_cell else reps
        work = [(kind, *args, times, [seed, 7, i]) for i, args in enumerate(todo)]
        scores = list(pool.map(call, work))
        print("\n".join(judged_table(title, scores)), end="\n\n")
        if cells:
            for args, found in zip(todo, scores, strict=True):
                for name, s in found.items():
                    print(f"    {args} {name}: " + " ".join(f"{x:.3f}" for x in s))
        if strict:
            broken.extend(failures(title, scores, with_sides=True))
        print(f"({title}: {time.perf_counter() - start:.0f} s)\n", file=sys.stderr)

    designs = {"labels by chance": (None,), "labels within verdicts": ON_FLAGGED[1:]}
    for (words, shares), epochs in itertools.product(designs.items(), ASKED):
        asked = "asked once" if epochs == 1 else f"asked {epochs} times"
        todo = [(JudgedCell(*cell, share, epochs),) for share in shares for cell in labelled]
        show(f"rate through a judge, {asked}, {words}", judged_cell, todo, strict=True)
    for epochs in ASKED:
        asked = "asked once" if epochs == 1 else f"asked {epochs} times"
        pairs = [
            (JudgedCell(a, "en", big, n, 0.25, epochs), b)
            for (a, b), big, n in itertools.product(JUDGED_PAIRS, ANSWERS, LABELS)
        ]
        show(f"language gap through judges, {asked}", judged_gap_cell, pairs, strict=False)
        todo = [(JudgedCell(*cell, 0.25, epochs),) for cell in labelled]
        show(f"errors of the judge, {asked}", error_cell, todo, strict=False)
    todo = [(JudgedCell(*cell, None, 1),) for cell in labelled]
    show("labels of other answers", elsewhere_cell, todo, strict=False)
    return broken


def judged_table(title: str, scores: list[dict[str, Score]]) -> list[str]:
    """One row a method: coverage, the dangerous misses, width, and how often it refused to answer."""
    out = [
        f"| {title} | cells | coverage: worst | mean | wholly below the truth: worst | mean width | refused: worst |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(name for found in scores for name in found):
        mine = [found[name] for found in scores if name in found]
        covered = [s.covered for s in mine]
        row = (
            *(name, len(mine), f"{min(covered):.1%}", f"{np.mean(covered):.1%}", f"{max(s.below for s in mine):.1%}"),
            *(f"{np.mean([s.width for s in mine]):.3f}", f"{max(s.refused for s in mine):.1%}"),
        )
        out.append("| " + " | ".join(str(x) for x in row) + " |")
    return out


def call(work: tuple[Any, ...]) -> dict[str, Score]:
    found: dict[str, Score] = work[0](*work[1:])
    return found


def job(work: tuple[Callable[[Cell, int, list[int]], dict[str, Score]], Cell, int, list[int]]) -> dict[str, Score]:
    method, cell, reps, seed = work
    return method(cell, reps, seed)


def table(title: str, scores: list[dict[str, Score]], *, with_sides: bool) -> list[str]:
    """One row a method: all cells, worst and mean."""
    out = [
        f"| {title} | cells | coverage: worst | mean | cells under 93 % | wholly below the truth: worst | mean width |"
    ]
    out.append("|---|---|---|---|---|---|---|")
    for name in dict.fromkeys(name for found in scores for name in found):
        mine = [found[name] for found in scores if name in found]
        covered = [s.covered for s in mine]
        below = f"{max(s.below for s in mine):.1%}" if with_sides else ""
        width = f"{np.mean([s.width for s in mine]):.3f}"
        if name.endswith("test"):
            below = width = ""
        low = sum(c < 0.93 for c in covered)
        row = (name, len(mine), f"{min(covered):.1%}", f"{np.mean(covered):.1%}", low, below, width)
        out.append("| " + " | ".join(str(x) for x in row) + " |")
    return out


def failures(title: str, scores: list[dict[str, Score]], *, with_sides: bool) -> list[str]:
    """What breaks the bar of ours, in words."""
    out = []
    for name in dict.fromkeys(name for found in scores for name in found if name.startswith("detente")):
        mine = [found[name] for found in scores if name in found]
        worst, mean = min(s.covered for s in mine), float(np.mean([s.covered for s in mine]))
        below = max(s.below for s in mine) if with_sides else 0.0
        if worst < 0.91 or mean < 0.945 or below > 0.06:
            out.append(f"{title}: {name}: worst {worst:.1%}, mean {mean:.1%}, below {below:.1%}")
    return out


def groups(title: str, cells: list[Cell]) -> list[tuple[str, list[int]]]:
    """The tables to print: a title and the cells in it, by index."""
    words: dict[str, Callable[[Cell], bool]] = {
        f"{title}, items asked once": lambda cell: cell.epochs == 1,
        f"{title}, items asked 2 to 6 times": lambda cell: cell.epochs > 1 and cell.items_differ != "two",
        f"{title}, asked 6 times, two kinds of items": lambda cell: cell.items_differ == "two",
    }
    found = [(label, [i for i, cell in enumerate(cells) if belongs(cell)]) for label, belongs in words.items()]
    return [(label, chosen) for label, chosen in found if chosen]


def details(cells: list[Cell], scores: list[dict[str, Score]]) -> list[str]:
    out = ["| rate | other | items | epochs | differ | method | covered | below | above | width |", "|" + "---|" * 10]
    for cell, found in zip(cells, scores, strict=True):
        for name, s in found.items():
            marks = f"{s.covered:.3f} | {s.below:.3f} | {s.above:.3f} | {s.width:.4f}"
            other = "" if cell.other is None else cell.other
            out.append(
                f"| {cell.truth} | {other} | {cell.n_items} | {cell.epochs} | {cell.items_differ} | {name} | {marks} |"
            )
    return out


def speed() -> int:
    """28 cells of 1,000,000 samples: asked once, four times, as gaps with their test, and rated twice; CPU seconds."""
    rng = np.random.default_rng(1)
    total = 0.0
    for epochs in (1, 4):
        n = 1_000_000 // epochs
        data = [(rng.binomial(epochs, 0.1, n), rng.binomial(epochs, 0.12, n)) for _ in range(28)]
        t = np.full(n, epochs)
        start = time.process_time()
        for a, _ in data:
            rate(a, t)
        took = time.process_time() - start
        start = time.process_time()
        for a, b in data:
            gap(a, t, b, t)
            gap_test(a, t, b, t, seed=1)
        paired = time.process_time() - start
        print(f"28 cells x {n:,} items x {epochs} epochs: rates {took:.2f} s, gaps and tests {paired:.2f} s")
        total = max(total, took + paired)
    return int(total + speed_of_agreement(rng) > 10)


def speed_of_agreement(rng: np.random.Generator) -> float:
    """28 cells of 1,000,000 answers with two ratings each; and 28 of 1,000 items, which is what people label."""
    took = 0.0
    for n in (1_000, 1_000_000):
        truth = rng.random(n) < 0.1
        ratings = np.stack([truth ^ (rng.random(n) < 0.05) for _ in range(2)], axis=1).astype(np.int64)
        start = time.process_time()
        for _ in range(28):
            agreement(ratings, seed=1)
        took = time.process_time() - start
        print(f"28 cells x {n:,} answers rated twice: agreement {took:.2f} s")
    return took


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--reps", type=int, default=200, help="repetitions a cell")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--jobs", type=int, default=1, help="processes")
    words.add_argument("--cells", action="store_true", help="print every cell too")
    words.add_argument("--judged", action="store_true", help="only the rates that a judge finds")
    words.add_argument("--speed", action="store_true", help="only measure speed")
    asked = words.parse_args()
    if asked.speed:
        return speed()
    singles = [Cell(p, None, n, e, d) for (e, d), p, n in itertools.product(REPEATS, RATES, ITEMS)]
    pairs = [Cell(a, b, n, e, d) for (e, d), (a, b), n in itertools.product(PAIR_REPEATS, PAIRS, ITEMS)]
    broken: list[str] = []
    print(
        f"{asked.reps} repetitions a cell, seed {asked.seed}, 95 %; chance error of one cell about {math.sqrt(0.0475 / asked.reps):.1%}\n"
    )
    with ProcessPoolExecutor(asked.jobs) as pool:
        for title, kind, cells in (("rate", rate_cell, singles), ("gap", gap_cell, pairs)) * (not asked.judged):
            start = time.perf_counter()
            work = [(kind, cell, asked.reps, [asked.seed, i]) for i, cell in enumerate(cells)]
            scores = list(pool.map(job, work))
            with_sides = kind is rate_cell
            for label, chosen in groups(title, cells):
                part = [scores[i] for i in chosen]
                print("\n".join(table(label, part, with_sides=with_sides)), end="\n\n")
                # The bar is about items as the model describes them; what it does not describe is shown beside.
                broken += failures(label, part, with_sides=with_sides and "two kinds" not in label)
            if asked.cells:
                print("\n".join(details(cells, scores)), end="\n\n")
            print(f"({time.perf_counter() - start:.0f} s)\n", file=sys.stderr)
        broken += judged_tables(asked.reps, asked.seed, pool, cells=asked.cells)
    print("bar held" if not broken else "bar missed: " + "; ".join(broken))
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
