# SPDX-License-Identifier: Apache-2.0
"""The runs of earlier plans of the chain: each with its end, none with a number, so that a new plan buries nothing (P-11)."""

from detente.report.markup import Html, el, table
from detente.report.reading import Reading, Row
from detente.report.sections import Tally
from detente.report.voice import Spoken, Voice, fault, moment, same, spoken


def earlier_runs(reading: Reading, voice: Voice, tally: Tally) -> list[Html]:
    """A heading, a table of the runs, and what of those plans is void; nothing where the plan is the first."""
    plans = reading.joint.result.get("earlier", [])
    if not plans:
        return []
    parts: list[Html] = [
        voice.element("h3", spoken("earlier.title")),
        voice.element("p", spoken("earlier.lead")),
        el("ul", (el("li", el("code", one["plan"])) for one in plans)),
    ]
    head = [voice.say(f"earlier.{name}") for name in ("plan", "run", "who", "attempt", "end")]
    rows = [_row(voice, one["plan"], run) for one in plans for run in one["runs"]]
    if rows:
        parts.append(table(head, rows, voice.say("earlier.caption", n=tally.table()), numbers=(3,), class_="dense"))
    else:
        parts.append(voice.element("p", spoken("earlier.none")))
    void = [
        voice.element(
            "li",
            spoken(
                "earlier.void",
                plan=one["plan"][:16],
                party=same(row["party"]),
                index=row["index"],
                words=fault(row["code"]),
                code=row["code"],
            ),
        )
        for one in plans
        for row in one["violations"]
    ]
    return [*parts, el("ul", void)] if void else parts


def _row(voice: Voice, plan: str, run: Row) -> list[Html]:
    # a party or a model of an earlier plan need not be in this one, so both go by their ids
    who = spoken("who", subject=same(run["subject"]), party=same(run["party"]))
    return [
        el("th", el("code", plan[:16]), scope="row"),
        el("td", el("code", run["run"][:16])),
        el("td", voice.show(who), " ", el("bdi", run["section"])),
        el("td", str(run["attempt"]), class_="number"),
        el("td", voice.show(_end(run))),
    ]


def _end(run: Row) -> Spoken:
    end = spoken(f"runs.end-{run['end']}")
    if run["endSeen"] is None:
        return end
    return spoken("runs.end-seen", end=end, by=same(run["endSeen"]["by"]), at=moment(run["endSeen"]["at"]))
