# SPDX-License-Identifier: Apache-2.0
"""What stands beside the facts of a run: how it came about (F-7), and who has counted its scorings again (T-6, C-7)."""

from detente.report.markup import Html, el, table
from detente.report.reading import Reading, Row, Trial
from detente.report.voice import Spoken, Voice, listed, run_together, same, spoken


def beside(run: Row) -> list[Spoken]:
    """F-7 of one run, a line each. What releases add (``released``, ``afterReveal``: suites) is said where a row has it."""
    lines = [spoken(f"beside.descriptor-{run['descriptor']}")]
    lines += [spoken(f"beside.{name}") for name in ("imported", "unwitnessed") if run[name]]
    for name in ("released", "ownItems", "afterReveal"):
        if suites := run.get(name):
            lines.append(spoken(f"beside.{name}", suites=listed([same(one) for one in suites])))
    return lines


def withheld(reading: Reading, run: Row) -> list[Spoken]:
    """What of a run is known to exist and not shown (P-5): never as if it were absent."""
    apart = reading.apart(run)
    return [spoken(f"beside.withheld-{'both' if len(apart) > 1 else apart[0]}")] if apart else []


def worth_saying(reading: Reading, run: Row) -> list[Spoken]:
    """What of it a first screen must say: all but a description that is public, and counts that not everybody can make."""
    lines = [*beside(run)[1 if run["descriptor"] == "public" else 0 :], *withheld(reading, run)]
    measure = reading.headline()
    for scoring in run["scorings"]:
        disputed = any(one["verdict"] == "disputed" for one in scoring["recounts"])
        if scoring["counted"] and measure and scoring["scorer"] == measure["scorer"]:
            lines += [recounted(reading, run, scoring)] if disputed or reading.apart(run) else []
    return lines


def recounted(reading: Reading, run: Row, scoring: Row) -> Spoken:
    """Who has made the counts again: everybody who verifies where the labels are public, else named parties or nobody yet."""
    by = list(dict.fromkeys(one["by"] for one in scoring["recounts"]))
    against = list(dict.fromkeys(one["by"] for one in scoring["recounts"] if one["verdict"] == "disputed"))
    named = {"parties": reading.parties(by)}
    if scoring["envelope"] in reading.joint.read_here:
        said = spoken("beside.recounted-here-also" if by else "beside.recounted-here", **named)
    elif reading.apart(run):
        said = spoken("beside.recounted-not-by-you" if by else "beside.recounted-by-nobody", **named)
    else:
        said = spoken("beside.recounted-also" if by else "beside.recounted", **named)
    if not against:
        return said
    return run_together([said, spoken("beside.recount-disputed", parties=reading.parties(against))], "clause")


def scorings(reading: Reading, voice: Voice, caption: Html) -> Html:
    """Every scoring of every run, which of them counts, and who has counted again."""
    head = [voice.say(f"beside.{name}") for name in ("run", "who", "scorer", "by", "counted", "recounts")]
    rows = [
        [
            el("th", el("code", run["run"][:16]), scope="row"),
            el("td", voice.show(reading.who(Trial(run["party"], run["subject"], run["section"], run)))),
            el("td", el("bdi", scoring["scorer"])),
            el("td", voice.show(reading.party(scoring["by"]))),
            el("td", voice.say("yes" if scoring["counted"] else "no")),
            el("td", voice.show(recounted(reading, run, scoring))),
        ]
        for run in reading.runs
        for scoring in run["scorings"]
    ]
    return table(head, rows, caption, class_="dense")
