# SPDX-License-Identifier: Apache-2.0
"""Rates with their intervals, and the heat map: where every row, label and bar of a figure stands.

Rows, label columns and sizes are set here in pixels, for a wide and a narrow screen; nothing is
placed by the measured width of a text.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from detente.report.drawing import (
    ACCENT,
    FAINT,
    GREY,
    MUTED,
    PAPER,
    SIZE,
    SMALL,
    TINY,
    Canvas,
    Spec,
    fitted,
    folded,
    width_of,
)
from detente.report.markup import Html

# One hue, light to dark: readable in grey print and with every colour blindness; no red, no green.
SHADES = ("#eef3f8", "#d3e0ec", "#b0c8de", "#86aacb", "#5a88b3", "#356a99", "#1f4e79")
SHAPES = ("circle", "diamond", "square", "triangle-up")
AXIS, LINE = 20, 16
FOLDS = 2  # lines that one name may take before it is cut


class Mark(NamedTuple):
    """One line of a figure: what it is of, its shape, low / value / high (None where ``note`` says why), its words."""

    label: str
    shape: int
    numbers: tuple[float, float, float] | None
    text: str
    note: tuple[str, ...] = ()


class Block(NamedTuple):
    """The lines of one model, under its name in each of the page's languages."""

    names: tuple[str, ...]
    marks: tuple[Mark, ...]


class Panel(NamedTuple):
    """One row of a figure: a measure, or a hazard. ``signed``: the axis runs from -reach to +reach."""

    titles: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]
    signed: bool = False
    axis: bool = True


class Frame(NamedTuple):
    """Where the columns stand, and how high a line is, in pixels.

    ``stacked`` puts names above their lines (narrow screens); ``kind`` is the figure's CSS class.
    """

    kind: str
    width: int
    label: int
    plot: tuple[int, int]
    row: int
    stacked: bool


Size = Literal["wide", "narrow", "twofold"]
# ``twofold`` is wide, with room for names in two languages and lines a little closer.
FRAMES: Mapping[Size, Frame] = {
    "wide": Frame("wide", 610, 150, (222, 482), 20, stacked=False),
    "twofold": Frame("wide", 610, 186, (264, 486), 18, stacked=False),
    "narrow": Frame("narrow", 366, 0, (78, 256), 20, stacked=True),
}


class Sheet(Canvas):
    """A figure of panels under one another, with a pen that moves down."""

    def __init__(self, frame: Frame, reach: float) -> None:
        super().__init__()
        self.frame = frame
        self.reach = reach
        self.y = 0.0
        self.spans: list[list[float]] = []
        self.lines: dict[bool, list[Spec]] = {False: [], True: []}
        self.bars: dict[bool, list[Spec]] = {False: [], True: []}
        self.blanks: list[Spec] = []

    def panel(self, panel: Panel) -> None:
        """One panel below the last. A signed axis runs from -``reach`` to ``reach``, a share's from 0 to 1."""
        self._titles(panel.titles)
        top, before = self.y, len(self.bars[panel.signed])
        self.spans = []
        for block in panel.blocks:
            self._block(block, self.bars[panel.signed])
        if not self.frame.stacked:
            self.spans = [[top, self.y]]
        if drawn := len(self.bars[panel.signed]) > before:
            self._axis(panel)
        self.y += (AXIS if panel.axis and drawn else 0) + 6

    def _titles(self, titles: Sequence[tuple[str, str]]) -> None:
        """Each language's title with its small print, on one line where all of it fits."""
        room = self.frame.width
        self.y += LINE + 2
        x = 0.0
        for title, more in titles:
            after, whole = width_of(title, SIZE + 1) + 10, width_of(more, SMALL)
            if x and x + after + whole > room:
                self.y, x = self.y + LINE + 2, 0
            self.write(fitted(title, room - x, SIZE + 1), x, self.y - 4, "title")
            if more and x + after + whole > room:
                self.y, x, after = self.y + LINE, 0, 0
            self.write(fitted(more, room - x - after, SMALL), x + after, self.y - 4, "more")
            x += after + whole + 22
        self.y += 4

    def _block(self, block: Block, bars: list[Spec]) -> None:
        frame, top = self.frame, self.y
        names = [
            (line, "more" if n and not frame.stacked else "name")
            for n, name in enumerate(block.names)
            for line in folded(name, frame.width if frame.stacked else frame.label - 8)[:FOLDS]
        ]
        for n, (line, style) in enumerate(names):
            if frame.stacked:
                self.y += LINE
                self.write(line, 0, self.y - 4, style)
            else:
                self.write(line, 0, top + LINE * n + 14, style)
        for mark in block.marks:
            self._mark(mark, bars)
        if not frame.stacked:
            self.y = max(self.y, top + LINE * len(names) + 4)
        self.y += 3

    def _mark(self, mark: Mark, bars: list[Spec]) -> None:
        frame = self.frame
        left, right = frame.plot
        middle = self.y + frame.row / 2
        self.write(fitted(mark.label, left - frame.label - 5, SMALL), frame.label, middle + 4, "label")
        if mark.numbers is None:
            self._note(mark.note, middle)
            return
        self.write(fitted(mark.text, frame.width - right - 12), right + 12, middle + 4, "value")
        self._span(self.y, self.y + frame.row)
        self.y += frame.row
        low, value, high = mark.numbers
        bars.append({"low": low, "value": value, "high": high, "y": middle, "shape": mark.shape % len(SHAPES)})

    def _note(self, note: Sequence[str], middle: float) -> None:
        """Words in a bar's place: side by side where they fit, else each on lines of its own."""
        x, room = self.frame.plot[0] + 3.0, self.frame.width - self.frame.plot[0]
        widths = [width_of(line, SMALL) for line in note]
        abreast = sum(widths) + 12 * len(widths) <= room
        parts = list(note) if abreast else [part for line in note for part in folded(line, room, SMALL)]
        for n, part in enumerate(parts):
            y, width = middle if abreast else middle + LINE * n, width_of(part, SMALL)
            self.blanks.append({"x": x - 5, "x2": x + 5 + width, "y": y - 8, "y2": y + 8})
            self.write(part, x, y + 4, "note")
            x += width + 12 if abreast else 0
        self.y += self.frame.row + (0 if abreast else LINE * (len(parts) - 1))

    def _span(self, top: float, bottom: float) -> None:
        """Where names stand above their lines, grid lines are behind bars only; neighbours share one line."""
        if self.spans and top - self.spans[-1][1] <= 8:
            self.spans[-1][1] = bottom
        else:
            self.spans.append([top, bottom])

    def _axis(self, panel: Panel) -> None:
        left, right = self.frame.plot
        ticks = ticks_of(self.reach, signed=panel.signed)
        self.lines[panel.signed] += [
            {"x": tick, "y": top, "y2": bottom, "stroke": MUTED if panel.signed and tick == 0 else FAINT}
            for tick in ticks
            for top, bottom in self.spans
        ]
        for tick in ticks if panel.axis else ():
            at = left + (tick - ticks[0]) / (ticks[-1] - ticks[0]) * (right - left)
            shown = f"{tick:.0%}"
            if panel.signed:
                shown = f"{tick * 100:+.0f}".replace("-", "\u2212") if tick else "0"
            self.write(shown, at, self.y + 13, "tick")

    def finish(self) -> None:
        """Grid, white behind words that stand in a bar's place, bars with their ends, points: in this order."""
        for signed, name in ((False, "share"), (True, "difference")):
            ticks = ticks_of(self.reach, signed=signed)
            self.scale(name, (ticks[0], ticks[-1]), self.frame.plot)
            self.draw("rule", self.lines[signed], name, strokeWidth=1)
        self.draw("rect", self.blanks, fill=PAPER)
        for signed, name in ((False, "share"), (True, "difference")):
            bars = self.bars[signed]
            ends = [(row[end], row["y"]) for row in bars for end in ("low", "high")]
            spans = [{"x": row["low"], "x2": row["high"], "y": row["y"]} for row in bars]
            points = [
                {
                    "x": row["value"],
                    "y": row["y"],
                    "shape": SHAPES[row["shape"]],
                    "fill": PAPER if row["shape"] % 2 else ACCENT,
                }
                for row in bars
            ]
            self.draw("rule", spans, name, stroke=ACCENT, strokeWidth=2)
            self.draw("rule", [{"x": x, "y": y - 4, "y2": y + 4} for x, y in ends], name, stroke=ACCENT, strokeWidth=2)
            self.draw("symbol", points, name, stroke=ACCENT, strokeWidth=1.8, size=60)


def ticks_of(reach: float, *, signed: bool) -> tuple[float, ...]:
    """Where an axis has its lines: shares in quarters, differences around zero."""
    return (-reach, -reach / 2, 0.0, reach / 2, reach) if signed else (0.0, 0.25, 0.5, 0.75, 1.0)


def _reach(panels: Iterable[Panel]) -> float:
    """How far a figure's signed axes run: half where every limit fits in it, else the whole way."""
    marks = [mark for panel in panels if panel.signed for block in panel.blocks for mark in block.marks if mark.numbers]
    return 0.5 if all(abs(limit) <= 0.5 for mark in marks for limit in mark.numbers or ()) else 1.0


def intervals(panels: Sequence[Panel], size: Size, title: str) -> Html:
    """Points with interval bars, one panel below the other. ``title`` is what a screen reader says."""
    sheet = Sheet(FRAMES[size], _reach(panels))
    for panel in panels:
        sheet.panel(panel)
    sheet.finish()
    return sheet.svg(sheet.frame.width, math.ceil(sheet.y), sheet.frame.kind, title)


class Tile(NamedTuple):
    """One field of the heat map: its share (None: greyed) and what stands in it."""

    share: float | None
    lines: tuple[str, ...]


class Group(NamedTuple):
    """Neighbouring columns of the heat map under one heading: a model's names, and its languages."""

    names: tuple[str, ...]
    columns: tuple[str, ...]


FIELD = 92  # pixels from one column of the heat map to the next


def heat_map(
    rows: Sequence[tuple[str, ...]], groups: Sequence[Group], tiles: Sequence[Sequence[Tile]], title: str
) -> Html:
    """Shares as shades with the number in every field; ``tiles`` row by row.

    ``rows`` are the labels, a line or more each (one in each of the page's languages).
    """
    canvas = Canvas()
    label = 176
    names = [[part for line in row for part in folded(line, label - 14, SMALL)][:4] for row in rows]
    words = [[_tile_words(tile, FIELD - 6) for tile in row] for row in tiles]
    most = max((len(lines) for row in (names, *words) for lines in row), default=1)
    head = _headings(canvas, groups, label)
    high = max(32, 13 * most + 8)
    fields: list[Spec] = []
    for r, row in enumerate(tiles):
        top = head + high * r
        _stacked(canvas, names[r], 0, top + high / 2, "head-left")
        for c, tile in enumerate(row):
            left = label + FIELD * c
            shade = GREY if tile.share is None else SHADES[min(int(tile.share * len(SHADES)), len(SHADES) - 1)]
            fields.append({"x": left, "x2": left + FIELD - 3, "y": top, "y2": top + high - 3, "fill": shade})
            style = "grey" if tile.share is None else "light" if shade in SHADES[4:] else "dark"
            _stacked(canvas, words[r][c], left + FIELD / 2 - 1.5, top + high / 2 - 1, style)
    canvas.draw("rect", fields, cornerRadius=2)
    across = sum(len(group.columns) for group in groups)
    return canvas.svg(label + FIELD * across, head + high * len(rows), "map", title)


def _headings(canvas: Canvas, groups: Sequence[Group], left: int) -> int:
    """A model's name over all its columns, folded and not cut, a rule, then a language over each; how high that is."""
    folds = [
        [part for name in group.names for part in folded(name, FIELD * len(group.columns) - 10, SMALL)[:3]]
        for group in groups
    ]
    high = 14 * max(map(len, folds), default=0) + 6
    rules: list[Spec] = []
    for group, lines in zip(groups, folds, strict=True):
        wide = FIELD * len(group.columns)
        for n, line in enumerate(lines):
            canvas.write(line, left + wide / 2 - 1.5, high - 10 - 14 * (len(lines) - 1 - n), "head")
        rules.append({"x": left, "x2": left + wide - 3, "y": high - 3})
        for c, column in enumerate(group.columns):
            canvas.write(fitted(column, FIELD - 6, SMALL), left + FIELD * (c + 0.5) - 1.5, high + 12, "head")
        left += wide
    canvas.draw("rule", rules, stroke=FAINT, strokeWidth=1)
    return high + 20


def _tile_words(tile: Tile, room: float) -> list[str]:
    return [part for line in tile.lines for part in folded(line, room, TINY if tile.share is None else SIZE)]


def _stacked(canvas: Canvas, lines: Sequence[str], x: float, middle: float, style: str) -> None:
    """Lines one under the other, centred on ``middle``."""
    for n, line in enumerate(lines):
        canvas.write(line, x, middle + 3.5 + 13 * (n - (len(lines) - 1) / 2), style)
