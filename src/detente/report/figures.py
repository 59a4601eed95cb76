# SPDX-License-Identifier: Apache-2.0
"""The report's figures: which cells of a joint result stand in which line, and the words beside them."""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction

from detente.report.markup import Html, el, joined
from detente.report.numerals import estimate, has_number, interval, too_small
from detente.report.plots import SHAPES, Block, Group, Mark, Panel, Size, Tile, heat_map, intervals
from detente.report.reading import Reading, Row, Trial
from detente.report.voice import Spoken, Voice, difference, language, run_together, same, spoken

Look = Callable[[Trial], Row | None]
KEY = re.compile("[\u25a0-\u25cf]")
TITLES = {"didNotRefuse": "refused-not", "harmfulHelp": "harm", "overRefusal": "over"}


def has_bar(panel: Panel) -> bool:
    """Whether any line of the panel has a number to draw."""
    return any(mark.numbers for block in panel.blocks for mark in block.marks)


def one_axis(panels: Sequence[Panel]) -> list[Panel]:
    """Rows on the same scale share one axis, under the last of them that holds a bar."""
    last = {panel.signed: n for n, panel in enumerate(panels) if has_bar(panel)}
    return [panel._replace(axis=last.get(panel.signed) == n) for n, panel in enumerate(panels)]


class Figures:
    """Draws with one page's voice; every figure comes twice, for wide and for narrow screens (CSS shows one)."""

    def __init__(self, reading: Reading, voice: Voice) -> None:
        self.reading = reading
        self.voice = voice
        self._wide: Size = "twofold" if len(voice.tongues) > 1 else "wide"

    def headline(self) -> Html:
        """The three rows of the first screen: did not refuse, over-refusal, language gap."""
        if not any(panel.blocks for panel in self._headline_panels(self._wide)):
            return el("p", self.voice.say("figure.empty"), class_="empty")
        return self._both_sizes(self._headline_panels, spoken("numbers.title"))

    def by_hazard(self, measure: Row) -> Html | None:
        """One panel a hazard, with every model and language; words for what is too small. None where all are."""
        return self._where_any(lambda size: self._hazard_panels(measure, size), self.reading.measure_name(measure))

    def gaps_by_hazard(self, measure: Row) -> Html | None:
        """The same of the language gap."""
        return self._where_any(lambda size: self._gap_panels(measure, size), spoken("figure.gap"))

    def shapes(self) -> Spoken:
        """The key of the shapes, for the caption: ``● English ◇ Chinese``."""
        tags = self.reading.languages()
        items = [
            spoken(f"figure.shape-{SHAPES[n % len(SHAPES)]}", language=language(tag)) for n, tag in enumerate(tags)
        ]
        return run_together(items, "between") if items else same("–")

    def keyed(self, caption: Html) -> Html:
        """A caption whose shapes stand in the Latin font: a Chinese one draws them as large as a character."""
        return Html(KEY.sub(lambda found: el("span", found.group(), class_="key"), caption))

    def _where_any(self, panels_of: Callable[[Size], list[Panel]], title: Spoken) -> Html | None:
        return self._both_sizes(panels_of, title) if any(has_bar(panel) for panel in panels_of(self._wide)) else None

    def _both_sizes(self, panels_of: Callable[[Size], list[Panel]], title: Spoken) -> Html:
        sizes: tuple[Size, Size] = (self._wide, "narrow")
        return joined(intervals(panels_of(size), size, self.voice.plain(title)) for size in sizes)

    def _names(self, trial: Trial, size: Size) -> tuple[str, ...]:
        """A block's names: model over tester, or one line in each of the page's languages."""
        again = trial.run is not None and trial.run["attempt"] > 1
        if size == "narrow" or len(self.voice.tongues) > 1 or again:
            return self.voice.each(self.reading.who(trial))
        return self.voice.each(self.reading.subject(trial.subject)) + self.voice.each(self.reading.party(trial.party))

    def _mark(self, trial: Trial, cell: Row | None, langs: Sequence[str], *, small: bool) -> Mark:
        """One line: a bar, or the words in its place."""
        reading = self.reading
        tags = reading.languages(trial.section)
        shape = tags.index(langs[0]) if len(langs) == 1 else 0
        pairs = len(reading.pairs(trial.section))
        label = " ".join(self.voice.each(language(langs[0]))) if len(langs) == 1 else ""
        if len(langs) > 1 and pairs > 1:
            label = f"{langs[1]} \u2212 {langs[0]}"
        if cell is None or not has_number(cell):
            why = reading.why_no_number(trial, cell, langs, brief=small or len(self.voice.tongues) > 1)
            return Mark(label, shape, None, "", self.voice.each(why))
        if small and too_small(cell):
            return Mark(label, shape, None, "", self.voice.each(spoken("figure.too-small")))
        value = cell["gap"] if "gap" in cell else cell["rate"]
        low, middle, high = (float(Fraction(text)) for text in (cell["low"], value, cell["high"]))
        return Mark(label, shape, (low, middle, high), f"{estimate(cell)} {interval(cell)}")

    def _rate_blocks(self, measure: str, hazard: str | None, size: Size) -> tuple[Block, ...]:
        reading = self.reading
        return tuple(
            Block(
                self._names(trial, size),
                tuple(
                    self._mark(trial, reading.rate(trial, measure, tag, hazard), [tag], small=hazard is not None)
                    for tag in reading.languages()
                ),
            )
            for trial in reading.trials()
        )

    def _gap_blocks(self, measure: str, hazard: str | None, size: Size) -> tuple[Block, ...]:
        reading = self.reading
        return tuple(
            Block(
                self._names(trial, size),
                tuple(
                    self._mark(trial, reading.gap(trial, measure, langs, hazard), langs, small=hazard is not None)
                    for langs in reading.pairs()
                ),
            )
            for trial in reading.trials()
        )

    def _titles(self, title: Spoken, more: Spoken | None = None) -> tuple[tuple[str, str], ...]:
        """A panel's title with its small print, once in each of the page's languages."""
        pairs = [(title[tongue], more[tongue] if more else "") for tongue in self.voice.tongues]
        return tuple(dict.fromkeys(pairs))

    def _headline_panels(self, size: Size) -> list[Panel]:
        reading = self.reading
        panels = []
        for measure in (reading.headline(), reading.refusals()):
            if measure is None:
                continue
            key = TITLES.get(measure["name"])
            title = spoken(f"figure.{key}") if key else reading.measure_name(measure)
            more = spoken(f"figure.{key or 'other'}-more")
            panels.append(Panel(self._titles(title, more), self._rate_blocks(measure["id"], None, size)))
        if panels and reading.pairs() and (first := reading.headline()) is not None:
            pairs = reading.pairs()
            more = spoken("figure.gap-more")
            if len(pairs) == 1:
                more = spoken("figure.gap-pair", pair=difference(pairs[0]), more=more)
            blocks = self._gap_blocks(first["id"], None, size)
            panels.append(Panel(self._titles(spoken("figure.gap"), more), blocks, signed=True))
        return one_axis(panels)

    def _hazard_panels(self, measure: Row, size: Size) -> list[Panel]:
        return one_axis(
            [
                Panel(self._titles(self.reading.hazard(hazard)), self._rate_blocks(measure["id"], hazard, size))
                for hazard in self.reading.hazards(measure["id"])
            ]
        )

    def _gap_panels(self, measure: Row, size: Size) -> list[Panel]:
        return one_axis(
            [
                Panel(
                    self._titles(self.reading.hazard(hazard)),
                    self._gap_blocks(measure["id"], hazard, size),
                    signed=True,
                )
                for hazard in self.reading.hazards(measure["id"])
            ]
        )

    def heat(self, measure: Row) -> Html:
        """Hazards down, models and languages across, the share as a shade and a number."""
        reading, voice = self.reading, self.voice
        tags = reading.languages()
        across = [(trial, tag) for trial in reading.trials() for tag in tags]
        columns = tuple(" ".join(voice.each(language(tag))) for tag in tags)
        groups = [Group(voice.each(self._heading(trial)), columns) for trial in reading.trials()]
        hazards = reading.hazards(measure["id"])
        tiles = [
            [self._tile(reading.rate(trial, measure["id"], tag, hazard)) for trial, tag in across] for hazard in hazards
        ]
        rows = [voice.each(reading.hazard(hazard)) for hazard in hazards]
        drawing = heat_map(rows, groups, tiles, voice.plain(reading.measure_name(measure)))
        return el("div", drawing, class_="scroll", tabindex="0", role="region")

    def _heading(self, trial: Trial) -> Spoken:
        """A model's name; with its tester where several tested it, or tried it again."""
        same_model = [other for other in self.reading.trials() if other.subject == trial.subject]
        return self.reading.who(trial) if len(same_model) > 1 else self.reading.subject(trial.subject)

    def _tile(self, cell: Row | None) -> Tile:
        if cell is None or not has_number(cell):
            return Tile(None, ("–",) if cell is None else self.voice.each(spoken("numbers.no-rate")))
        if too_small(cell):
            return Tile(None, self.voice.each(spoken("figure.too-small")))
        return Tile(float(Fraction(cell["rate"])), (estimate(cell),))
