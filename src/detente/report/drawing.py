# SPDX-License-Identifier: Apache-2.0
"""A figure's canvas: bars and points drawn by Vega, words set beside them, tidied into inline SVG.

The library never sees a text: so no measured width and no installed font can change a byte, foreign
text never enters its engine, and a page is drawn in milliseconds (docs/decisions/0003-report-figures.md).
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from unicodedata import east_asian_width
from xml.etree import ElementTree as ET

import vl_convert

from detente.report.markup import Html
from detente.words import harmless

SVG = "http://www.w3.org/2000/svg"
INK, MUTED, FAINT, GREY, PAPER, ACCENT = "#1d2b3a", "#5a6675", "#dfe4ea", "#e9ebee", "#ffffff", "#1f4e79"
SIZE, SMALL, TINY = 12, 11, 10

Spec = dict[str, Any]

STYLES: Mapping[str, Mapping[str, str]] = {
    "title": {"font-size": "13", "font-weight": "bold", "fill": INK},
    "more": {"font-size": "11", "fill": MUTED},
    "name": {"font-size": "12", "fill": INK},
    "label": {"font-size": "11", "fill": MUTED},
    "value": {"font-size": "12", "fill": INK},
    "note": {"font-size": "11", "font-style": "italic", "fill": MUTED},
    "tick": {"font-size": "10", "fill": MUTED, "text-anchor": "middle"},
    "head": {"font-size": "11", "fill": INK, "text-anchor": "middle"},
    "head-left": {"font-size": "11", "fill": INK},
    "dark": {"font-size": "12", "fill": INK, "text-anchor": "middle"},
    "light": {"font-size": "12", "fill": PAPER, "text-anchor": "middle"},
    "grey": {"font-size": "10", "fill": MUTED, "text-anchor": "middle"},
}


# Widths in em of a common sans serif, for deciding where a text is cut or folded; a guess that suits every font.
WIDTHS = {
    c: em for em, chars in ((0.24, "ijl|'"), (0.3, " tfI.,:;!()[]/"), (0.36, "r-"), (0.8, "mw%MW")) for c in chars
}


def width_of(line: str, size: int = SIZE) -> float:
    """A text's width in pixels, guessed from its characters alone (never from a font)."""
    em = sum(1.0 if east_asian_width(c) in "WF" else WIDTHS.get(c, 0.7 if c.isupper() else 0.55) for c in line)
    return em * size


def fitted(line: str, room: float, size: int = SIZE) -> str:
    """The text, cut with an ellipsis where it would not fit; names come from other people."""
    line = harmless(line)
    if width_of(line, size) <= room:
        return line
    while line and width_of(line + "…", size) > room:
        line = line[:-1]
    return line.rstrip() + "…"


def folded(line: str, room: float, size: int = SIZE) -> list[str]:
    """The text in as many lines as it needs, of about one length: at spaces, or between Chinese characters."""
    line = harmless(line)
    whole = width_of(line, size)
    if whole <= room:
        return [line] if line else []
    even = min(room, whole / math.ceil(whole / room) + size * 1.2)
    lines, current = [], ""
    for word in _words(line):
        if current and width_of(current + word.rstrip(), size) > even:
            lines.append(current.rstrip())
            current = word.lstrip()
        else:
            current += word
    return [fitted(one, room, size) for one in [*lines, current.rstrip()] if one]


def _words(line: str) -> Iterable[str]:
    """Pieces that a line may be broken between; a closing mark stays with what it closes."""
    word = ""
    for c, following in zip(line, line[1:] + " ", strict=True):
        word += c
        if (c == " " or east_asian_width(c) in "WF") and following not in "，。；：）！？、”":
            yield word
            word = ""
    if word:
        yield word


class Canvas:
    """One figure: marks in Vega's terms, words in pixels."""

    def __init__(self) -> None:
        self.marks: list[Spec] = []
        self.scales: list[Spec] = []
        self.words: list[tuple[str, float, float, str]] = []

    def scale(self, name: str, domain: tuple[float, float], pixels: tuple[float, float]) -> None:
        """A straight scale from values to pixels."""
        self.scales.append(
            {"name": name, "type": "linear", "domain": domain, "range": pixels, "nice": False, "zero": False}
        )

    def draw(self, kind: str, rows: Sequence[Spec], scale: str | None = None, **look: object) -> None:
        """One mark a row (``rule``, ``symbol``, ``rect``).

        The row's members are the mark's own channels (x, x2, y, y2, stroke, fill, shape); x and x2 run
        through ``scale``, everything else is pixels; ``look`` is the same for all.
        """
        if not rows:
            return
        channels: Spec = {name: {"value": value} for name, value in look.items()}
        for name in rows[0]:
            channels[name] = {"field": name}
            if scale and name in {"x", "x2"}:
                channels[name]["scale"] = scale
        name = f"rows{len(self.marks)}"
        mark = {"type": kind, "from": {"data": name}, "encode": {"enter": channels}}
        self.marks.append({"data": {"name": name, "values": list(rows)}, "mark": mark})

    def write(self, line: str, x: float, y: float, style: str) -> None:
        """One text at a place in pixels (its baseline), in one of ``STYLES``."""
        if line:
            self.words.append((line, x, y, style))

    def svg(self, width: int, height: int, kind: str, title: str) -> Html:
        """The figure as inline SVG; ``kind`` is its CSS class, ``title`` what a screen reader says."""
        spec = {
            "width": width,
            "height": height,
            "padding": 0,
            "autosize": "none",
            "data": [mark["data"] for mark in self.marks],
            "scales": self.scales,
            "marks": [mark["mark"] for mark in self.marks],
        }
        raw = vl_convert.vega_to_svg(spec, allowed_base_urls=[])
        ET.register_namespace("", SVG)
        root = ET.fromstring(raw)  # noqa: S314 - Vega's own writing of our numbers, it holds no foreign text
        _sweep(root)
        root.attrib.clear()
        root.attrib |= {"viewBox": f"0 0 {width} {height}", "width": str(width), "height": str(height)}
        root.attrib |= {"class": f"plot {kind}", "role": "img", "aria-label": harmless(title)}
        for line, x, y, style in self.words:
            place = {"x": _tenth(x), "y": _tenth(y)}
            chinese = {"lang": "zh-Hans"} if any(east_asian_width(c) in "WF" for c in line) else {}
            ET.SubElement(root, f"{{{SVG}}}text", {**place, **STYLES[style], **chinese}).text = harmless(line)
        return Html(ET.tostring(root, encoding="unicode"))


NUMBER = re.compile(r"(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)", re.ASCII)
KEPT = {"d", "transform", "x2", "y2", "fill", "stroke", "stroke-width"}


def _sweep(node: ET.Element) -> None:
    """Away with what cannot be seen, and with the engine's own English labels; numbers to a tenth of a pixel."""
    for child in list(node):
        invisible = child.get("class") in {"background", "foreground"} or child.get("fill") == "white"
        if invisible and not len(child):
            node.remove(child)
            continue
        _sweep(child)
        kept = {name: _short(name, value) for name, value in child.attrib.items() if name in KEPT}
        child.attrib.clear()
        child.attrib |= kept


def _short(name: str, value: str) -> str:
    if name in {"d", "transform"}:
        return NUMBER.sub(lambda found: _tenth(float(found.group())), value)
    return _tenth(float(value)) if name in {"x2", "y2"} else value


def _tenth(pixels: float) -> str:
    """A coordinate short enough that a last binary digit can never show."""
    return f"{round(pixels, 1) + 0:g}"
