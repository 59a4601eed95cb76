# SPDX-License-Identifier: Apache-2.0
"""Sentences that belong to a number whoever reads it: whose errors a gap may be, who alone can make it, what none seen leaves open."""

from collections.abc import Iterable

from detente.report.numerals import has_number, percent
from detente.report.reading import Reading
from detente.report.voice import Spoken, language, same, spoken
from detente.stats.planning import bound_when_none


def gap_notes(reading: Reading) -> Iterable[Spoken]:
    """Below every table of gaps: a gap that nobody corrected is a statement about the scorer, too, and says so."""
    for measure in reading.measures():
        method = reading.scorer(measure["scorer"])["method"]
        if measure["corrected"] is None and method in {"judge", "rule"}:
            yield spoken(f"numbers.gap-{method}", measure=reading.measure_name(measure), scorer=same(measure["scorer"]))


def plain_words(reading: Reading, section: str) -> Iterable[Spoken]:
    """For each rate of 0: what so few questions leave open (docs/concepts/statistics.md); and whose word list is not here (C-1)."""
    for measure in reading.measures():
        name, scorer = reading.measure_name(measure), measure["scorer"]
        if scorer in reading.joint.lists_at_home and reading.trials(section):
            yield spoken("numbers.list-at-home", measure=name, scorer=same(scorer))
        for trial in reading.trials(section):
            for tag in reading.languages(section):
                cell = reading.rate(trial, measure["id"], tag)
                if cell is not None and has_number(cell) and not cell["hits"]:
                    bound = percent(f"{bound_when_none(cell['items']):.6f}", 1, 1)
                    about = {"who": reading.who(trial), "measure": name, "language": language(tag)}
                    yield spoken("numbers.none-seen", n=cell["items"], bound=bound, **about)
