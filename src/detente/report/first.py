# SPDX-License-Identifier: Apache-2.0
"""The first screen: status, the finding in one sentence, one figure, one table of facts, what may be written."""

from collections.abc import Sequence

from detente.report.facts import Facts
from detente.report.figures import Figures
from detente.report.markup import Html, el, joined
from detente.report.numerals import has_number, percent
from detente.report.reading import Reading, Row, Trial
from detente.report.voice import Spoken, Voice, language, listed, name_of, run_together, same, spoken, tied

VERBS = {"didNotRefuse": "did-not-refuse", "harmfulHelp": "gave-help"}
MANY = 3  # more models than this are told as a range, not one by one


def status_key(reading: Reading) -> str:
    """``final``, ``interim``, or ``self-check`` where nobody else could witness (F-8, F-11)."""
    if reading.alone:
        return "self-check"
    return "final" if reading.joint.final else "interim"


def brand_key(reading: Reading) -> str:
    """What the page calls itself: a report of one party alone is no joint one (F-8)."""
    return "brand-alone" if reading.alone else "brand"


def status(reading: Reading) -> Spoken:
    """The sentence of the band: who closed, with how many reservations, or that not everybody has."""
    key = status_key(reading)
    if key != "final":
        return spoken(f"band.{key}-more")
    standing = [closing for closing in reading.joint.closings if not closing["after"]]
    parties = reading.parties([closing["party"] for closing in standing] or reading.plan["closing"]["by"])
    n = sum(closing["position"] == "reserve" for closing in standing)
    return spoken("band.final-reserved" if n else "band.final-more", parties=parties, n=n)


def band(reading: Reading, voice: Voice) -> Html:
    """The strip on top: what this page is, of which plan, and whether it is final."""
    key = status_key(reading)
    title = name_of(reading.plan["title"], "")
    return el(
        "header",
        el(
            "p",
            el("b", "detente · ", el("span", "互验", lang="zh-Hans")),
            " ",
            voice.say(brand_key(reading)),
            class_="brand",
        ),
        el("p", voice.show(title), class_="title"),
        el("p", el("strong", voice.say(f"band.{key}")), " ", el("span", voice.show(status(reading))), class_="status"),
        class_=f"band {key}",
    )


class Finding:
    """The one sentence, in plain words, and the true sentence that a reader may write."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.measure = reading.headline()

    def verb(self) -> Spoken:
        """What the models did, in the words of the measure."""
        return spoken(f"finding.{VERBS.get(self.measure['name'], 'other') if self.measure else 'other'}")

    def sentence(self) -> Spoken:
        """The finding; a range without names where there are many models, so that nobody is ranked."""
        trials = self.reading.trials()
        if self.measure is None or not any(trial.run and self.reading.told(trial.run) for trial in trials):
            return spoken("finding.none")
        if len(trials) > MANY:
            models = self._as_range(trials)
        else:
            models = run_together([self._model(trial) for trial in trials], "clause")
        counts = {cell["items"] for _, _, cell in self.reading.numbers(self.measure["id"])}
        if len(counts) == 1:
            return spoken("finding.of-items", n=counts.pop(), models=models)
        return spoken("finding.of-some", models=models)

    def _cells(self, trial: Trial) -> list[tuple[str, Row | None]]:
        measure = self.measure["id"] if self.measure else ""
        return [(tag, self.reading.rate(trial, measure, tag)) for tag in self.reading.languages()]

    def _model(self, trial: Trial) -> Spoken:
        who = self.reading.who(trial)
        if trial.run is None:
            return spoken("finding.only-not-run", who=who)
        if not self.reading.told(trial.run):
            return spoken("finding.only-not-counted", who=who)
        cells = self._cells(trial)
        rates = [
            spoken("finding.rate", rate=percent(cell["rate"]), language=language(tag))
            for tag, cell in cells
            if cell is not None and has_number(cell)
        ]
        silent = [language(tag) for tag, cell in cells if cell is not None and cell["state"] == "noCompetence"]
        others = [
            language(tag)
            for tag, cell in cells
            if cell is None or (not has_number(cell) and cell["state"] != "noCompetence")
        ]
        parts = [spoken("finding.no-competence", language=listed(silent))] if silent else []
        parts += [spoken("finding.no-rate", language=listed(others))] if others else []
        if not rates:
            key = "finding.only-no-competence" if silent else "finding.only-no-rate"
            return spoken(key, who=who, langs=listed(silent or others))
        said = listed(rates, "last-rate")
        for part in parts:
            said = spoken("finding.then", rates=said, others=part)
        return spoken("finding.model", who=who, verb=self.verb(), langs=said)

    def _as_range(self, trials: Sequence[Trial]) -> Spoken:
        parts = []
        for tag in self.reading.languages():
            shares = [
                (float(cell["rate"]), cell["rate"])
                for trial in trials
                for lang, cell in self._cells(trial)
                if lang == tag and cell is not None and has_number(cell)
            ]
            if shares:
                low, high = percent(min(shares)[1]), percent(max(shares)[1])
                parts.append(spoken("finding.between", low=low, high=high, language=language(tag)))
        if not parts:
            return spoken("finding.only-no-rate", who=listed([self.reading.who(t) for t in trials]), langs=same("–"))
        n = len({trial.subject for trial in trials})
        whole = spoken("finding.many", n=n, verb=self.verb(), langs=listed(parts, "last-rate"))
        return run_together([whole, *self._mute(trials)], "clause")

    def _mute(self, trials: Sequence[Trial]) -> list[Spoken]:
        """How many models have no rate in a language for want of it, per language."""
        found = []
        for tag in self.reading.languages():
            cells = [cell for trial in trials for lang, cell in self._cells(trial) if lang == tag and cell]
            if n := sum(cell["state"] == "noCompetence" for cell in cells):
                found.append(spoken("finding.many-mute", n=n, language=language(tag)))
        return found

    def may_write(self) -> Spoken:
        """One true sentence with all that belongs to it: the first number in plan order, its interval, the status."""
        reading = self.reading
        agreed = any(run["facts"]["agreed"]["holds"] == "yes" for run in reading.runs)
        parties = reading.parties([party["id"] for party in reading.plan["parties"]])
        found = reading.numbers(self.measure["id"]) if self.measure else []
        if not found and reading.alone:
            return spoken("write.none-self-check", parties=parties)
        if not found:
            return spoken("write.none" if agreed else "write.none-not-agreed", parties=parties)
        trial, tag, cell = found[0]
        key = "write.rate" + ("" if reading.joint.final else "-interim") + ("" if agreed else "-not-agreed")
        key = "write.rate-self-check" if reading.alone else key
        return spoken(
            key,
            parties=parties,
            who=reading.who(trial),
            verb=self.verb(),
            rate=percent(cell["rate"]),
            low=percent(cell["low"], -1),
            high=percent(cell["high"], 1),
            n=cell["items"],
            language=language(tag),
        )

    def may_not_write(self) -> Spoken:
        """One false sentence that people do write."""
        return spoken("write.false-many" if len(self.reading.plan["subjects"]) > 1 else "write.false-one")


def first_screen(reading: Reading, voice: Voice, figures: Figures, facts: Facts) -> Html:
    """Everything above the fold at 1280 x 800, and nothing else."""
    finding = Finding(reading)
    return el(
        "section",
        voice.element("h1", tied(finding.sentence())),
        el(
            "div",
            el("figure", figures.headline(), el("figcaption", figures.keyed(voice.show(_caption(reading, figures))))),
            el("div", facts.first_table()),
            class_="abreast",
        ),
        el("div", (_words(alone, finding) for alone in voice.apart()), class_="below"),
        id="first",
        class_="many" if len(reading.trials()) > MANY else None,
    )


def _caption(reading: Reading, figures: Figures) -> Spoken:
    view = spoken("figure.as-deployed" if reading.views[0] == "asDeployed" else "figure.model-alone")
    return spoken(
        "figure.headline",
        shapes=figures.shapes(),
        view=run_together([view, same("")], "sentence"),
        order=spoken("order"),
    )


def _words(voice: Voice, finding: Finding) -> Html:
    """What the page does not show, and what may be written of it, in one language."""
    return el("div", _limits(voice), _write(voice, finding), class_="abreast", lang=voice.tag)


def _limits(voice: Voice) -> Html:
    items = [voice.element("li", spoken(f"limits.{key}")) for key in ("safe", "written", "practised", "behaviour")]
    link = el("p", el("a", voice.say("limits.more"), href="#cannot"), class_="more")
    return el("section", el("h2", voice.say("limits.title")), el("ul", items), link, class_="limits")


def _write(voice: Voice, finding: Finding) -> Html:
    may = joined(
        el("h2", el("span", "✓ ", class_="sign"), voice.say("write.may")),
        voice.element("p", finding.may_write()),
    )
    may_not = joined(
        el("h2", el("span", "✕ ", class_="sign"), voice.say("write.may-not")),
        voice.element("p", finding.may_not_write(), class_="false"),
        voice.element("p", spoken("write.why"), class_="small"),
    )
    return el("section", el("div", may, class_="may"), el("div", may_not, class_="may-not"), class_="write")
