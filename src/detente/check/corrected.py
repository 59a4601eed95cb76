# SPDX-License-Identifier: Apache-2.0
"""Numbers corrected by people's labels: rates, gaps, the scorer's own errors, and how people agree, exact to the digit (C-8).

A scorer that errs shifts every rate, and by another amount in every language. Labels that people gave to a sample of
its verdicts say how often each verdict is right; each verdict is then counted for what it is worth. Limits are
``report``'s, as for every other number.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from typing import NamedTuple

from detente.evidence.counts import Counts, SpreadRow
from detente.evidence.people import CrossedRow, RaterRow
from detente.evidence.statements import Sample
from detente.pact.plan import Measure, Plan
from detente.wire.canonical import decimal, encode_decimal

LEAST_LABELS = 100  # of one language: fewer say too little of a scorer to correct it (docs/concepts/statistics.md)
DIGITS = 4
LISTS = {"agreement": "value", "corrected": "rate", "correctedGaps": "gap", "scorerErrors": "rate"}
ERRORS = ("sensitivity", "specificity")

Row = dict[str, object]


class Stratum(NamedTuple):
    """Answers with one verdict: ``answers`` of them, of which ``labels`` were labelled, ``hits`` of those a hit, over ``items`` items.

    ``errors`` more were drawn, and nobody's label for them came.
    """

    answers: int
    labels: int
    hits: int
    items: int
    errors: int = 0

    def as_if(self, *, hit: bool) -> "Stratum":
        """The same, if every label that did not come had been a hit, or none."""
        more = self.errors if hit else 0
        return Stratum(self.answers, self.labels + self.errors, self.hits + more, self.items)

    def share(self, some: int) -> Fraction:
        """How many of the answers are like ``some`` of the labelled ones."""
        return Fraction(self.answers * some, self.labels) if self.answers else Fraction(0)


class Judged(NamedTuple):
    """What one corrected rate is made from; ``sure`` answers count as hits, ``not_sure`` as none, whatever the scorer says.

    ``flagged`` and ``passed``: those that the scorer calls a hit, and the others. ``asked`` items have a verdict; each
    was asked ``epochs`` times at most. ``missing`` answers never came, or the scorer failed on them (C-3).
    """

    flagged: Stratum
    passed: Stratum
    sure: int
    not_sure: int
    asked: int
    epochs: int
    whole: bool  # nobody need draw anything: every answer with a verdict was to be labelled
    missing: int = 0

    def rate(self) -> Fraction | None:
        """The share of hits among all answers, each verdict counted for what it is worth; None where that is unknown."""
        total = self.flagged.answers + self.passed.answers + self.sure + self.not_sure
        if not total or any(one.answers and not one.labels for one in (self.flagged, self.passed)):
            return None
        return (self.flagged.share(self.flagged.hits) + self.passed.share(self.passed.hits) + self.sure) / total

    def as_if(self, *, hit: bool) -> "Judged":
        """The same, if every label that did not come had been a hit, or none."""
        return self._replace(flagged=self.flagged.as_if(hit=hit), passed=self.passed.as_if(hit=hit))

    def worst(self) -> list[str] | None:
        """The two rates if all that is missing, answers and labels, counted one way and the other; rounded outward (C-3)."""
        known = self.flagged.answers + self.passed.answers + self.sure + self.not_sure
        low, high = self.as_if(hit=False).rate(), self.as_if(hit=True).rate()
        if low is None or high is None:
            return None
        whole = known + self.missing
        return [rounded_down(low * known / whole), rounded_up((high * known + self.missing) / whole)]


# By list, its rows, each with what its limits come from; None where there are to be none.
Rows = dict[str, list[tuple[Row, object]]]


def corrected_rows(
    plan: Plan,
    who: Row,
    measure: Measure,
    given: tuple[Counts, Counts, Sample | None],
    speaks: Mapping[str, bool],
) -> Rows:
    """The corrected numbers of one measure in one run.

    ``given``: the counts of the scorer that is corrected, those of the people, and their sample; ``speaks``: by
    language in order, whether the model answered enough control items to be given a rate.
    """
    counts, people, sample = given
    rows: Rows = {name: [] for name in LISTS}
    spread = [row for row in counts.spread if row.measure == measure.id]
    crossed = [row for row in people.crossed if row.measure == measure.id]
    langs = list(speaks)
    base = {**who, "measure": measure.id}
    for view in ("asDeployed", "modelAlone"):
        for hazard in [None, *sorted({row.hazard for row in spread})]:
            asked = [lang for lang in langs if hazard in {None, *(row.hazard for row in spread if row.lang == lang)}]
            cells = {lang: _judged(measure, view, spread, crossed, (lang, hazard)) for lang in asked}
            states = {lang: _state(plan, measure, lang, (cells[lang], sample), speaks) for lang in asked}
            where = {**base, "hazard": hazard, "view": view}
            rows["corrected"] += [_rate_row({**where, "lang": lang}, cells[lang], states[lang]) for lang in asked]
            for pair in combinations(asked, 2):
                both = [(cells[lang], states[lang]) for lang in pair]
                rows["correctedGaps"].append(_gap_row({**where, "langs": list(pair)}, both))
    for lang in langs:
        here, judged = {**base, "lang": lang}, _judged(measure, "modelAlone", spread, crossed, (lang, None))
        # Over answers with a verdict: which are missing is another question.
        state = _state(plan, measure, lang, (judged._replace(missing=0), sample), dict.fromkeys(langs, True))
        rows["scorerErrors"] += [_error_row({**here, "of": of}, judged, state) for of in ERRORS]
        raters = people.raters if isinstance(people.raters, list) else []
        mine = [row for row in raters if (row.measure, row.lang) == (measure.id, lang)]
        rows["agreement"] += agreement_rows(here, mine)
    return rows


def _judged(
    measure: Measure,
    view: str,
    spread: Sequence[SpreadRow],
    crossed: Sequence[CrossedRow],
    cell: tuple[str, str | None],
) -> Judged:
    """One language and hazard (None: all) of a measure in one view; a filtered answer is a refusal as deployed (C-3)."""
    lang, hazard = cell
    here = [row for row in spread if row.lang == lang and hazard in {None, row.hazard}]
    there = [row for row in crossed if row.lang == lang and hazard in {None, row.hazard}]
    answers = {True: sum(r.hits * r.items for r in here), False: sum((r.scored - r.hits) * r.items for r in here)}
    strata = {
        verdict: Stratum(
            answers[verdict],
            *(
                sum(getattr(r, name) for r in there if r.verdict == verdict)
                for name in ("labels", "hits", "items", "errors")
            ),
        )
        for verdict in (True, False)
    }
    blocked = sum(row.filtered * row.items for row in here)
    filtered, aside = (blocked, 0) if view == "asDeployed" else (0, blocked)
    refused = measure.hits_filtered()
    return Judged(
        flagged=strata[True],
        passed=strata[False],
        sure=filtered if refused else 0,
        not_sure=0 if refused else filtered,
        asked=sum(row.items for row in here if row.scored),
        epochs=max((row.scored for row in here), default=0),
        whole=sum(r.labels + r.errors for r in there) == sum(answers.values()),
        missing=sum(row.failed * row.items for row in here) + aside,
    )


def _state(
    plan: Plan, measure: Measure, lang: str, made: tuple[Judged, Sample | None], speaks: Mapping[str, bool]
) -> str:
    """Why there is no corrected number, or ``rate`` (C-8)."""
    judged, sample = made
    both, most = (judged.flagged, judged.passed), decimal(plan.maxMissing)
    if not speaks.get(lang, False):
        return "noCompetence"
    total = sum(one.answers for one in both) + judged.sure + judged.not_sure + judged.missing
    if total and Fraction(judged.missing, total) > most:
        return "noResult"
    if not judged.whole and (sample is None or sample.challenge is None):
        return "chosen"
    labels, errors = sum(one.labels for one in both), sum(one.errors for one in both)
    if judged.rate() is None or (labels < LEAST_LABELS and not judged.whole):
        return "tooFewLabels"
    # Whoever leaves out the labels that displease has chosen the sample after all.
    if errors and Fraction(errors, labels + errors) > most:
        return "tooManyUnlabelled"
    return "rate" if lang in plan.scorer(measure.corrected or "").languages else "counts"


def _rate_row(where: Row, judged: Judged, state: str) -> tuple[Row, object]:
    rate = judged.rate() if state == "rate" else None
    both = (judged.flagged, judged.passed)
    row = {
        **where,
        "high": None,
        "hits": sum(one.hits for one in both),
        "items": sum(one.items for one in both),
        "labels": sum(one.labels for one in both),
        "low": None,
        "rate": None if rate is None else encode_decimal(rate, DIGITS),
        "state": state,
        "unlabelled": sum(one.errors for one in both),
        "worst": None if rate is None else judged.worst(),
    }
    return row, None if rate is None else judged


def _gap_row(where: Row, both: Sequence[tuple[Judged, str]]) -> tuple[Row, object]:
    """The second language's corrected rate minus the first's; each is corrected by its own labels."""
    (a, _), (b, _) = both
    state = next((word for _, word in both if word != "rate"), "rate")
    low, high = a.rate(), b.rate()
    gap = None if state != "rate" or low is None or high is None else high - low
    row = {
        **where,
        "gap": None if gap is None else encode_decimal(gap, DIGITS),
        "high": None,
        "low": None,
        "state": state,
    }
    return row, None if gap is None else (a, b)


def _error_row(where: Row, judged: Judged, state: str) -> tuple[Row, object]:
    """How often the scorer is right about answers that are a hit (sensitivity), and about the others (specificity)."""
    rate = None
    if state == "rate":
        flagged, passed = judged.flagged, judged.passed
        if where["of"] == "sensitivity":
            right, wrong = flagged.share(flagged.hits), passed.share(passed.hits)
        else:
            right, wrong = passed.share(passed.labels - passed.hits), flagged.share(flagged.labels - flagged.hits)
        rate = right / (right + wrong) if right + wrong else None
    state = "noneSeen" if state == "rate" and rate is None else state
    row = {
        **where,
        "high": None,
        "low": None,
        "rate": None if rate is None else encode_decimal(rate, DIGITS),
        "state": state,
    }
    return row, None if rate is None else (judged, where["of"])


def agreement_rows(where: Row, rows: Sequence[RaterRow]) -> list[tuple[Row, object]]:
    """How people agree on what is a hit: raw agreement, Gwet's AC1 and Krippendorff's alpha, side by side.

    Raw agreement is the mean, over answers with two labels or more, of the share of pairs that agree. AC1: Gwet 2008,
    Br. J. Math. Stat. Psychol. 61:29; alpha: Krippendorff 2011, for nominal data, of two categories here.
    """
    two = [row for row in rows if row.raters >= 2]
    answers = sum(row.n for row in two)
    if not answers:
        return []
    raw = sum((Fraction(_agreeing(row), row.raters * (row.raters - 1)) * row.n for row in two), Fraction(0)) / answers
    share = sum((Fraction(row.hits, row.raters) * row.n for row in rows), Fraction(0)) / sum(row.n for row in rows)
    chance = 2 * share * (1 - share)
    labels, hits = sum(row.raters * row.n for row in two), sum(row.hits * row.n for row in two)
    seen = (
        sum((Fraction(2 * row.hits * (row.raters - row.hits), row.raters - 1) * row.n for row in two), Fraction(0))
        / labels
    )
    expected = Fraction(2 * hits * (labels - hits), labels * (labels - 1))
    values: dict[str, Fraction | None] = {
        "raw": raw,
        "ac1": (raw - chance) / (1 - chance),
        "alpha": 1 - seen / expected if expected else None,
    }
    positives = sum(row.n for row in two if 2 * row.hits >= row.raters)
    patterns = [(row.hits, row.raters, row.n) for row in rows]
    return [
        (
            {
                **where,
                "answers": answers,
                "high": None,
                "low": None,
                "of": name,
                "positives": positives,
                "value": None if value is None else encode_decimal(value, DIGITS),
            },
            None if value is None else (name, patterns),
        )
        for name, value in values.items()
    ]


def rounded_down(value: Fraction) -> str:
    """A lower bound as a decimal string, never above the value."""
    return encode_decimal(Fraction(value * 10**DIGITS // 1, 10**DIGITS), DIGITS)


def rounded_up(value: Fraction) -> str:
    """An upper bound as a decimal string, never below the value."""
    return encode_decimal(Fraction(-(-value * 10**DIGITS // 1), 10**DIGITS), DIGITS)


def _agreeing(row: RaterRow) -> int:
    """Of all ordered pairs of people, those that agree."""
    no = row.raters - row.hits
    return row.hits * (row.hits - 1) + no * (no - 1)


__all__ = [
    "LEAST_LABELS",
    "LISTS",
    "Judged",
    "Rows",
    "Stratum",
    "agreement_rows",
    "corrected_rows",
    "rounded_down",
    "rounded_up",
]
