# SPDX-License-Identifier: Apache-2.0
"""Sealed suites in the record: whose they are, whether their text is laid open, and the numbers that stand apart (S-5, F-9)."""

from detente.report.markup import Html, el, table
from detente.report.numerals import percent
from detente.report.reading import Reading, Row, Trial
from detente.report.sections import Tally
from detente.report.voice import Spoken, Voice, language, listed, same, spoken


def sealed(reading: Reading, voice: Voice, tally: Tally) -> list[Html]:
    """The sealed suites of the plan and what stands apart because of them; nothing where a plan has none."""
    suites = [suite for suite in reading.plan["suites"] if suite["sealed"]]
    if not suites:
        return []
    head = [voice.say(f"sealed.{name}") for name in ("suite", "owner", "items", "text")]
    rows = [
        [
            el("th", el("code", suite["id"]), scope="row"),
            el("td", voice.show(reading.party(suite["owner"]))),
            el("td", str(suite["items"]), class_="number"),
            el("td", voice.say("sealed.revealed" if suite["id"] in reading.joint.revealed else "sealed.kept")),
        ]
        for suite in suites
    ]
    caption = voice.say("sealed.caption", n=tally.table())
    parts = [voice.element("h3", spoken("sealed.title")), table(head, rows, caption, numbers=(2,), class_="dense")]
    parts.append(voice.element("p", spoken("sealed.lead"), class_="note"))
    if reading.joint.result["apartRates"]:
        parts.append(_rates(reading, voice, tally))
    return parts


def _trial(reading: Reading, row: Row) -> Trial:
    run = next(run for run in reading.runs if run["run"] == row["run"])
    return Trial(run["party"], run["subject"], run["section"], run)


def kept_apart(reading: Reading) -> list[Spoken]:
    """Which run has which sealed suite out of its joint numbers, and why (F-9)."""
    return [
        spoken(f"sealed.why-{row['why']}", who=reading.who(_trial(reading, row)), suite=same(row["suite"]))
        for row in reading.joint.result["apart"]
    ]


def _rates(reading: Reading, voice: Voice, tally: Tally) -> Html:
    """Counts and shares on the suites that stand apart, in the plan's own view, without intervals."""
    measures = {measure["id"]: measure for measure in reading.plan["measures"]}
    head = [voice.say(f"sealed.{name}") for name in ("run", "why", "measure", "language", "hits", "rate")]
    rows = [
        [
            el("th", voice.show(reading.who(_trial(reading, row))), scope="row"),
            el("td", voice.say(f"sealed.{row['why']}"), " ", voice.show(listed([same(id_) for id_ in row["suites"]]))),
            el("td", voice.show(reading.measure_name(measures[row["measure"]]))),
            el("td", voice.show(language(row["lang"]))),
            el("td", f"{row['hits']} / {row['scored']}", class_="number"),
            el("td", percent(row["rate"]) if row["rate"] is not None else "–", class_="number"),
        ]
        for row in reading.joint.result["apartRates"]
        if row["view"] == reading.plan["filtered"]
    ]
    return table(head, rows, voice.say("sealed.rates", n=tally.table()), numbers=(4, 5), class_="dense")
