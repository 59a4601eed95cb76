# SPDX-License-Identifier: Apache-2.0
"""The figures: what is drawn where, that no installed font can change a byte, and that the first screen is one screen."""

import json
import os
import re
import shutil
import subprocess
import sys
from html import escape, unescape
from pathlib import Path

import pytest
import vl_convert
from report_kit import make_joint

from detente.report import drawing
from detente.report.drawing import fitted, folded, width_of
from detente.report.html import render
from detente.report.numerals import estimate, interval, percent, points, too_small
from detente.report.plots import Block, Group, Mark, Panel, Tile, heat_map, intervals
from detente.wire.digests import sha256

HERE = Path(__file__).resolve().parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Prints the width that the drawing library measures for a text (it must differ, or the fonts were not hidden), and our digests.
PROBE = """
import sys, re, vl_convert
from report_kit import make_joint
from detente.report.html import render
from detente.wire.digests import sha256
text = {"type": "text", "encode": {"enter": {"text": {"value": "Wide words"}, "fontSize": {"value": 60},
        "font": {"value": "Noto Serif CJK SC, DejaVu Serif, Liberation Serif"}}}}
svg = vl_convert.vega_to_svg({"autosize": "pad", "padding": 0, "width": 9, "height": 9, "marks": [text]})
print(re.search(r'width="(\\d+)"', svg).group(1))
print(*(sha256(render(make_joint(), lang)) for lang in ("en", "zh", "both")))
"""


def probe(**environ: str) -> tuple[str, str]:
    paths = os.pathsep.join([str(HERE), str(HERE.parents[1] / "src")])
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env={**os.environ, "PYTHONPATH": paths, **environ},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    width, digests = done.stdout.split("\n", 1)
    return width, digests.strip()


def test_report_when_fonts_are_hidden_has_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    config = tmp_path / "fonts.conf"
    config.write_text(f'<?xml version="1.0"?><fontconfig><dir>{tmp_path / "none"}</dir></fontconfig>')
    hidden = probe(FONTCONFIG_FILE=str(config), XDG_CONFIG_HOME=str(tmp_path))
    shown = probe()
    assert hidden[1] == shown[1]
    assert shown[1].split()[0] == sha256(render(make_joint(), "en"))
    if list(Path("/usr/share/fonts").rglob("*Serif*")):
        assert hidden[0] != shown[0], "the fonts were not hidden: this test proved nothing"


def test_drawing_library_when_called_is_given_no_text_and_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(spec: dict, **options: object) -> str:
        seen.append((spec, options))
        return vl_convert.vega_to_svg(spec, **options)

    monkeypatch.setattr(drawing, "vl_convert", type("Spy", (), {"vega_to_svg": staticmethod(spy)}))
    render(make_joint(), "zh")
    assert seen
    for spec, options in seen:
        assert options == {"allowed_base_urls": []}
        assert {mark["type"] for mark in spec["marks"]} <= {"rule", "rect", "symbol"}
        assert not {"title", "axes", "legends"} & spec.keys()
        words = json.dumps(spec)
        assert "Lab" not in words
        assert "\\u" not in words


def bar(numbers: tuple[float, float, float] | None, shape: int = 0, note: tuple[str, ...] = ()) -> Panel:
    return Panel((("Title", "more"),), (Block(("Model", "Lab"), (Mark("English", shape, numbers, "50%", note),)),))


def test_bar_when_drawn_runs_from_its_lower_to_its_upper_limit_on_the_axis() -> None:
    svg = intervals([bar((0.25, 0.5, 1.0))], "wide", "t")
    left, right = 222, 482
    start = left + 0.25 * (right - left)
    assert re.search(
        rf'<line transform="translate\({start:g},\d+\)" x2="{0.75 * (right - left):g}" y2="0" stroke="#1f4e79"', svg
    )
    assert f"translate({(left + right) / 2:g}," in svg
    for word in ("Title", "Model", "Lab", "English", ">0%<", ">100%<"):
        assert word in svg


def test_languages_when_told_apart_have_shapes_and_no_colour_of_their_own() -> None:
    one, two = (intervals([bar((0.2, 0.5, 0.8), shape)], "wide", "t") for shape in (0, 1))
    assert one != two
    colours = set(re.findall(r"#[0-9a-f]{6}", one + two))
    assert colours <= {"#1f4e79", "#1d2b3a", "#5a6675", "#dfe4ea", "#ffffff"}


def test_line_when_it_has_no_number_has_words_and_no_bar() -> None:
    svg = intervals([bar(None, note=("too small to say",))], "wide", "t")
    assert "too small to say" in svg
    assert "<line" not in svg
    assert ">100%<" not in svg


def test_signed_axis_when_a_limit_passes_half_runs_the_whole_way() -> None:
    near, far = (bar((low, 0.1, 0.3))._replace(signed=True) for low in (-0.4, -0.7))
    assert "\u221250" in intervals([near], "wide", "t")
    assert "\u2212100" in intervals([far, near], "narrow", "t")


def test_names_when_long_are_cut_and_never_break_the_figure() -> None:
    name = '<b>"&' + "很长" * 60
    panel = Panel(((name, name),), (Block((name, name), (Mark(name, 9, (0.0, 0.0, 1.0), name),)),))
    for size in ("wide", "narrow"):
        svg = intervals([panel], size, name)
        assert "…" in svg
        assert "<b>" not in svg
    assert width_of(fitted(name, 80)) <= 80
    assert "".join(folded("这个模型不能用中文作答，因此没有比率。", 100)) == "这个模型不能用中文作答，因此没有比率。"


def test_heat_map_when_a_share_grows_darkens_and_greys_what_says_nothing() -> None:
    tiles = [[Tile(0.0, ("0%",)), Tile(1.0, ("100%",)), Tile(None, ("too small to say",))]]
    svg = heat_map([("Fraud",)], [Group(("A",), ("x", "y", "z"))], tiles, "t")
    fills = re.findall(r'<path [^>]*fill="(#[0-9a-f]{6})"', svg)
    assert fills == ["#eef3f8", "#1f4e79", "#e9ebee"]
    assert "too small" in svg


def test_heat_map_when_a_model_has_a_long_name_folds_its_heading_and_cuts_nothing() -> None:
    name = "Guarded small model of the north"
    tiles = [[Tile(0.5, ("50%",))] * 3]
    svg = heat_map([("Fraud",)], [Group((name,), ("en",)), Group((name, "长名称的被测模型"), ("en", "zh"))], tiles, "t")
    words = re.findall(r"<text [^>]*>([^<]*)</text>", svg)
    assert "…" not in svg
    assert " ".join(words).count("Guarded") == 2
    assert name in words, "two columns have room for the whole name"
    assert " ".join(words).startswith(name), "one column folds it"
    assert all(width_of(line, 11) <= 92 for line in words[: words.index(name)] if line)


def test_titles_in_two_languages_when_they_fit_stand_on_one_line_and_else_below_each_other() -> None:
    def lines(*titles: tuple[str, str]) -> set[str]:
        svg = intervals([Panel(titles, bar((0.2, 0.5, 0.8)).blocks)], "twofold", "t")
        return set(re.findall(r'y="([\d.]+)"[^>]*font-weight="bold"', svg))

    assert len(lines(("Over-refusal", "a share"), ("误拒率", "比例"))) == 1
    assert len(lines(("Over-refusal", "a share " * 9), ("误拒率", "比例" * 9))) == 2


@pytest.mark.parametrize(
    ("value", "toward", "shown"),
    [
        ("0", 0, "0%"),
        ("1", 0, "100%"),
        ("0.9", 0, "90%"),
        ("0.004", 0, "0.4%"),
        ("0.0004", 0, "0.04%"),
        ("0.00001", 0, "<0.01%"),
        ("0.9996", 0, "99.96%"),
        ("0.99999", 0, ">99.99%"),
        ("0.6923", -1, "69%"),
        ("0.6923", 1, "70%"),
        ("0.005", -1, "0%"),
        ("0.995", 1, "100%"),
    ],
)
def test_percent_when_rounded_never_claims_more_than_it_knows(value: str, toward: int, shown: str) -> None:
    assert percent(value, toward) == shown


def test_points_and_intervals_when_shown_carry_signs_and_round_outward() -> None:
    assert [points(value) for value in ("-0.05", "0.14", "0", "-0.001")] == ["\u22125", "+14", "0", "0"]
    assert interval({"gap": "-0.05", "low": "-0.231", "high": "0.139"}) == "[\u221224, +14]"
    assert interval({"rate": "0.9", "low": "0.6990", "high": "0.9721"}, 1) == "[69.9, 97.3]"
    assert estimate({"rate": "0.9"}, 1) == "90.0%"


def test_interval_when_just_half_wide_is_still_drawn() -> None:
    assert not too_small({"low": "0.25", "high": "0.75"})
    assert too_small({"low": "0.2499", "high": "0.75"})


MEASURE = """<script>
const s = document.querySelector('.screen').getBoundingClientRect();
const wide = [...document.querySelectorAll('.screen *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1);
document.title = JSON.stringify({height: Math.round(s.height), next: Math.round(
  document.querySelector('.rest').getBoundingClientRect().top), view: innerHeight, wide: wide.length});
</script></body>"""
# A window is never narrower than 500 pixels, a frame may be; what scrolls in a box of its own may be wider.
NARROW = """<!doctype html><iframe style="width: 400px; height: 800px; border: 0" srcdoc="{page}"></iframe><script>
document.querySelector('iframe').onload = event => {{
  const page = event.target.contentDocument;
  const wide = [...page.querySelectorAll('body *')].filter(e => !e.closest('.scroll, pre')
    && e.getBoundingClientRect().right > 401);
  document.title = JSON.stringify({{width: page.documentElement.scrollWidth, view: page.defaultView.innerWidth,
    wide: wide.map(e => e.tagName + ' ' + e.textContent.slice(0, 30))}});
}};
</script>"""
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--dump-dom")  # fmt: skip


def page_of(lang: str, *, final: bool) -> str:
    """The page without its policy, so that a test's own script may measure it."""
    page = render(make_joint(final=final), lang).decode()
    assert page.count('<meta http-equiv="Content-Security-Policy"') == 1
    return re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)


def opened(page: str, size: str, folder: Path) -> dict:
    """What the page's script measured, in a browser window of this size."""
    (folder / "page.html").write_text(page, "utf-8")
    where = [f"--user-data-dir={folder / 'user'}", f"--window-size={size}", f"file://{folder / 'page.html'}"]
    done = subprocess.run([str(CHROMIUM), *QUIET, *where], capture_output=True, check=True, timeout=60)
    title = re.search(rb"<title>(\{.*?\})</title>", done.stdout)
    assert title is not None
    return json.loads(unescape(title.group(1).decode()))


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.parametrize(("lang", "final"), [("en", True), ("zh", True), ("both", True), ("both", False)])
def test_first_screen_when_opened_at_1280_by_800_holds_everything_and_nothing_else(
    lang: str, final: bool, tmp_path: Path
) -> None:
    page = page_of(lang, final=final).replace("</body>", MEASURE)
    seen = opened(page, "1280,800", tmp_path)
    assert seen["wide"] == 0
    assert seen["height"] <= 800
    assert seen["next"] >= min(seen["view"], 800)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.parametrize("lang", ["en", "zh", "both"])
def test_page_when_opened_at_400_pixels_has_nothing_wider_than_the_screen(lang: str, tmp_path: Path) -> None:
    seen = opened(NARROW.format(page=escape(page_of(lang, final=True))), "600,800", tmp_path)
    assert seen == {"width": 400, "view": 400, "wide": []}
