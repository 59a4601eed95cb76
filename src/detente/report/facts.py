# SPDX-License-Identifier: Apache-2.0
"""The facts of a run in words: dated, named, side by side, never a grade and never the bare word verified."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from detente.report.beside import worth_saying
from detente.report.markup import Html, el, joined, table
from detente.report.numerals import percent
from detente.report.reading import Reading, Row, Trial
from detente.report.voice import Spoken, Voice, language, listed, moment, same, spoken
from detente.words import TAG_OF

HOLDS = {"yes": "yes", "no": "no"}
FACTS = ("agreed", "seen", "complete", "checked", "repeated", "attested")


def holds(word: str) -> Spoken:
    """Yes, no, or cannot tell: three things that never blur."""
    return spoken(HOLDS.get(word, "cannot-tell"))


def last_agreed(reading: Reading) -> str | None:
    """When the last acceptance was seen, from any run that shows it; None where none does."""
    dates = [
        run["facts"]["agreed"]["at"]
        for run in reading.runs
        if run["facts"]["agreed"]["holds"] == "yes" and run["facts"]["agreed"]["at"]
    ]
    return max(dates, default=None)


class Facts:
    """Writes the cells of the facts table in one page's voice."""

    def __init__(self, reading: Reading, voice: Voice) -> None:
        self.reading = reading
        self.voice = voice

    def first_table(self) -> Html:
        """One column a run of the common part, one row a fact (the first screen's table)."""
        trials = self.reading.trials()
        head = [self.voice.say("facts.fact"), *(self._heading(trial) for trial in trials)]
        rows = [
            [self._row_head(fact), *(self._cell(fact, trial) for trial in trials)]
            for fact in FACTS
            if fact != "attested" or any(self._holds_at_all(trial, fact) for trial in trials)
        ]
        if any(trial.run and worth_saying(self.reading, trial.run) for trial in trials):
            rows.append([self._row_head("beside"), *(self._beside(trial) for trial in trials)])
        if trials and (scored := self.scorer_lines()):
            rows.append([self._row_head("scorer"), el("td", self.voice.stack(scored), colspan=len(trials))])
        size = "facts many" if len(trials) > 3 else "facts"
        return table(head, rows, self.voice.say("facts.caption"), class_=size)

    def _holds_at_all(self, trial: Trial, fact: str) -> bool:
        return trial.run is not None and trial.run["facts"][fact]["holds"] != "no"

    def _heading(self, trial: Trial) -> Html:
        who = el("span", self.voice.show(self.reading.party(trial.party)), class_="party")
        return joined(who, el("span", self.voice.show(self.reading.subject(trial.subject)), class_="model"))

    def _row_head(self, fact: str) -> Html:
        """The fact's name; what it must not be taken for, in the languages that have a word to confuse it with."""
        more = [(tongue, spoken("facts.seen-more")[tongue]) for tongue in self.voice.tongues if fact == "seen"]
        small = (el("span", words, lang=TAG_OF[tongue], class_="small") for tongue, words in more if words)
        return el("th", self.voice.say(f"facts.{fact}"), small, scope="row")

    def _cell(self, fact: str, trial: Trial) -> Html:
        if trial.run is None:
            return el("td", self.voice.show(self.reading.absent(trial)) if fact == FACTS[0] else "–", class_="quiet")
        lines = self.lines(fact, trial.run)
        quiet = "quiet" if trial.run["facts"][fact]["holds"] != "yes" else None
        return el("td", self.voice.stack(lines), class_=quiet)

    def _beside(self, trial: Trial) -> Html:
        lines = worth_saying(self.reading, trial.run) if trial.run else []
        return el("td", self.voice.stack(lines) if lines else "–", class_=None if lines else "quiet")

    def lines(self, fact: str, run: Row) -> list[Spoken]:
        """What is known of one fact of one run, a line each."""
        found: Row = run["facts"][fact]
        if fact == "agreed":
            at = found["at"]
            return [
                spoken("facts.agreed-yes", at=moment(at)) if found["holds"] == "yes" and at else holds(found["holds"])
            ]
        if fact == "seen":
            return self._seen(found)
        if fact == "complete":
            return self._complete(found, run)
        if fact == "checked":
            return self._checked(found, run)
        if fact == "repeated":
            return self._repeated(found)
        kinds = listed([same(kind) for kind in found["kinds"]])
        key = "facts.attested-kinds" if found["holds"] == "yes" else "facts.attested-unchecked"
        return [spoken(key, kinds=kinds) if found["kinds"] else holds(found["holds"])]

    def _complete(self, found: Row, run: Row) -> list[Spoken]:
        """How many answers there are; where the headers are withheld, whose word that is (F-3)."""
        numbers = {"n": found["n"], "of": found["of"]}
        if "recounted" not in found or not found["n"]:
            counted = spoken("facts.complete-n", **numbers)
            return [counted] if found["holds"] == "yes" else [holds(found["holds"]), counted]
        lines = [] if found["holds"] == "yes" else [holds(found["holds"])]
        if found["holds"] == "no":
            lines.append(spoken("facts.complete-disputed"))
        if run["run"] in self.reading.joint.read_here:
            lines.append(spoken("facts.complete-here", **numbers))
        elif found["recounted"]:
            lines.append(
                spoken("facts.complete-recounted", parties=self.reading.parties(found["recounted"]), **numbers)
            )
        else:
            lines.append(spoken("facts.complete-nobody", **numbers))
        return lines

    def _repeated(self, found: Row) -> list[Spoken]:
        """Whole runs by others, and exact re-runs in audit findings (F-5)."""
        lines = [spoken("facts.repeated-by", parties=self.reading.parties(found["by"]))] if found["by"] else []
        lines += [
            spoken("facts.repeated-exact", by=self.reading.party(one["by"]), equal=one["equal"], n=one["n"])
            for one in found.get("exact", ())
        ]
        return lines or [holds(found["holds"])]

    def _seen(self, found: Row) -> list[Spoken]:
        """Per witness ``as seen by W at t``, also below the quorum (F-2)."""
        lines = [
            spoken("facts.seen-by", witness=self.reading.party(one["witness"]), at=moment(one["at"]))
            for one in found["by"]
        ]
        if found["holds"] != "yes":
            lines = [holds(found["holds"]), *lines]
        if found["needed"]:  # a plan of one party asks for nobody
            lines.append(spoken("facts.seen-needed", n=len(found["by"]), needed=found["needed"]))
        return lines

    def _checked(self, found: Row, run: Row) -> list[Spoken]:
        """Every audit with its state, told if it was answered late, and with its odds where a finding stands (A-5, A-7)."""
        lines = []
        for audit in found["audits"]:
            names = {"auditor": self.reading.party(audit["auditor"]), "party": self.reading.party(run["party"])}
            lines.append(spoken(f"facts.audit-{audit['state']}", **names, n=audit["n"], of=audit["of"]))
            if late := self.reading.joint.late.get((run["run"], audit["auditor"])):
                due, seen = map(moment, late)
                lines.append(spoken("facts.audit-late", **names, due=due, seen=seen))
            if audit["state"] in {"consistent", "disputed"}:
                lines.append(spoken("facts.odds", odds=percent(audit["odds"], -1)))
        return lines or [holds(found["holds"])]

    def scorer_lines(self) -> list[Spoken]:
        """The headline measure's scorer, and its measured error per language of the test."""
        measure = self.reading.headline() or self.reading.refusals()
        if measure is None:
            return []
        row = self.reading.scorer(measure["scorer"])
        method = spoken(f"facts.method-{row['method']}")
        lines = [spoken("facts.scorer-who", id=row["id"], method=method)]
        measured = self.reading.joint.scorers.get(row["id"], {}).get("measured", {})
        return lines + [self._error(tag, measured.get(tag)) for tag in self.reading.languages()]

    def _error(self, tag: str, found: Any) -> Spoken:
        shares = [_share(found, name) for name in ("sensitivity", "specificity")]
        if None in shares:
            return spoken("facts.scorer-unmeasured", language=language(tag))
        sensitivity, specificity = (percent(str(one), -1) for one in shares)
        key = "facts.scorer-error-n" if "n" in found else "facts.scorer-error"
        fields = {"sensitivity": sensitivity, "specificity": specificity, "n": found.get("n", "")}
        return spoken(key, language=language(tag), **fields)

    def all_runs(self, runs: Sequence[Row], heading: Html, caption: Html) -> Html:
        """Every fact of every registered run, one row a run."""
        head = [heading, *(self.voice.say(f"facts.{fact}") for fact in FACTS)]
        rows = [
            [
                el("th", el("code", run["run"][:8]), scope="row"),
                *(
                    el("td", self.voice.stack([*self.lines(fact, run), *(places(run) if fact == "checked" else [])]))
                    for fact in FACTS
                ),
            ]
            for run in runs
        ]
        return table(head, rows, caption, class_="dense")


def places(run: Row) -> list[Spoken]:
    """Where records were shown to auditors (P-7)."""
    audits = run["facts"]["checked"]["audits"]
    return [spoken(f"facts.place-{place}") for place in dict.fromkeys(audit["place"] for audit in audits)]


def _share(measured: Any, name: str) -> Fraction | None:
    """A measured share of a definition file; None where there is none or it is no share (its shape is open, C-1)."""
    if not isinstance(measured, dict) or not isinstance(text := measured.get(name), str):
        return None
    try:
        found = Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None
    return found if 0 <= found <= 1 else None
