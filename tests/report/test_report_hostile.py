# SPDX-License-Identifier: Apache-2.0
"""Text of plans, models and people is hostile until it is written: nothing of it becomes markup, a link or a formula."""

import csv
import io
from copy import deepcopy

import pytest
from report_kit import EN, ZH, make_joint
from test_report_page import Page

from detente.report.cover import start_here
from detente.report.html import render
from detente.report.joint import Joint
from detente.report.spreadsheet import COLUMNS, codebook, neutral, write_csv
from detente.words import room_words

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\u202egnp.\u2066\n\x00{0}{key}%s'
KNOWN = {tag for lang in ("en", "zh", "both") for tag, _ in Page(render(make_joint(final=True), lang)).tags}


def poisoned(value: object, keys: tuple[str, ...]) -> object:
    """The value with every text under one of these keys made hostile."""
    if isinstance(value, dict):
        return {
            key: EVIL + str(one) if key in keys and isinstance(one, str) else poisoned(one, keys)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [EVIL + one if isinstance(one, str) and "filters" in keys else poisoned(one, keys) for one in value]
    return value


def hostile() -> Joint:
    """Names, ids shown as text, texts, descriptors, versions, codes and walks that all try to break out."""
    joint = make_joint(final=True)
    plan = poisoned(deepcopy(joint.plan), (EN, ZH, "home", "temperature"))
    result = poisoned(deepcopy(joint.result), ("origin", "root", "version", "startedAt", "engine"))
    result["violations"] = [{"party": EVIL, "index": 3, "code": EVIL}, {"party": EVIL, "index": 4, "code": "T-3.twice"}]
    result["unregistered"] = [
        {"party": one["party"], "subject": one["subject"], "section": "core", "endSeen": {"by": EVIL, "at": EVIL}}
        for one in plan["tests"]
    ]
    result["runs"][0] |= {"released": [EVIL], "ownItems": [EVIL], "afterReveal": [EVIL], "imported": True}
    for run in result["runs"]:
        run["scorings"][0] |= {
            "scorer": EVIL,
            "by": EVIL,
            "recounts": [{"by": EVIL, "opened": 0, "verdict": "disputed"}],
        }
    result["kept"] = [{"party": EVIL, "section": EVIL}]
    result["runs"][0]["missing"] = [EVIL]
    result["runs"][0]["endSeen"] = {"by": EVIL, "at": EVIL}
    result["runs"][1]["counted"] = False
    result["runs"][1]["missing"] = [EVIL]
    result["runs"][0]["facts"]["attested"] = {"holds": "yes", "kinds": [EVIL]}
    result["runs"][0]["facts"]["seen"]["by"] = [{"witness": EVIL, "at": EVIL}]
    result["rates"] = [{**row, "hazard": row["hazard"] and EVIL} for row in result["rates"]]
    closings = [{"party": EVIL, "position": "reserve", "text": {EN: EVIL, EVIL: EVIL}, "after": False}]
    descriptors = poisoned(deepcopy(joint.descriptors), ("name", "kind", "endpoint", "weights", "seed", "filters"))
    descriptors["m1"][EVIL] = {EVIL: EVIL}
    scorers = {"refusal": {"measured": {EN: {"sensitivity": EVIL, "specificity": "2", "n": EVIL}}}}
    walks = [{"title": {EN: EVIL}, "steps": [{"rule": EVIL, "text_key": EVIL, "fields": {"a": EVIL}}]}]
    return joint._replace(
        plan=plan,
        result=result,
        closings=closings,
        descriptors=descriptors,
        scorers=scorers,
        walks=walks,
        plan_id=EVIL[:8],
    )


@pytest.mark.parametrize("lang", ["en", "zh", "both"])
def test_page_when_every_text_is_hostile_holds_no_tag_or_attribute_that_is_not_ours(lang: str) -> None:
    raw = render(hostile(), lang)
    page = Page(raw)
    assert {tag for tag, _ in page.tags} <= KNOWN
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    text = raw.decode()
    assert "<script" not in text
    assert not {"\u202e", "\u2066", "\x00"} & set(text)
    assert "alert(1)" in page.text
    assert "\\u{202e}" in page.text


@pytest.mark.parametrize(
    "home", ["javascript:alert(1)", "http://a.example/", "//a.example", "HTTPS://a.example", "data:x"]
)
def test_address_when_it_is_not_https_is_no_link(home: str) -> None:
    joint = make_joint()
    plan = deepcopy(joint.plan)
    plan["parties"][0]["home"] = home
    for raw in (render(joint._replace(plan=plan), "en"), start_here(joint._replace(plan=plan), "en", [])):
        assert home not in [attributes.get("href") for _, attributes in Page(raw).tags]
        assert home in Page(raw).text


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "|calc",
        "%0A=1",
        " =1",
        "\t=1",
        "\uff1d1",
        "'=1",
        "\r=1",
        "-",
        "--1",
        "-0x1",
        "+5",
    ],
)
def test_cell_when_a_spreadsheet_could_run_it_is_text(cell: str) -> None:
    shown = neutral(cell)
    assert shown.startswith("'") or shown.lstrip()[0] not in "=+-@|%\uff1d\t\r", shown
    assert "\t" not in shown
    assert "\r" not in shown


@pytest.mark.parametrize(
    ("value", "shown"), [("-0.05", "-0.05"), ("0", "0"), (12, "12"), (None, ""), ("dt:crime", "dt:crime")]
)
def test_cell_when_it_is_a_number_or_plain_stays_as_it_is(value: object, shown: str) -> None:
    assert neutral(value) == shown


def test_csv_when_written_has_one_row_a_rate_or_gap_with_the_numbers_of_the_result() -> None:
    joint = make_joint()
    raw = write_csv(joint)
    assert raw == write_csv(joint)
    assert raw.count(b"\r\n") == raw.count(b"\n")
    rows = list(csv.DictReader(io.StringIO(raw.decode(), newline="")))
    assert len(rows) == len(joint.result["rates"]) + len(joint.result["gaps"])
    rate, gap = joint.result["rates"][0], next(row for row in joint.result["gaps"] if row["gap"])
    assert rows[0]["value"] == rate["rate"]
    assert [rows[0]["worst_low"], rows[0]["worst_high"]] == rate["worst"]
    assert rows[0]["section"] == "core"
    line = rows[len(joint.result["rates"]) + joint.result["gaps"].index(gap)]
    assert (line["row"], line["lang"], line["lang2"], line["value"]) == ("gap", EN, ZH, gap["gap"])
    silent = next(row for row in rows if row["state"] == "noCompetence")
    assert (silent["value"], silent["low"], silent["high"]) == ("", "", "")


def test_csv_when_texts_are_hostile_has_no_formula_in_any_cell() -> None:
    joint = make_joint()
    result = deepcopy(joint.result)
    for row in result["rates"]:
        row |= {"party": "=cmd|' /C calc'!A0", "subject": "@x", "measure": "+1\n=2"}
    rows = list(csv.reader(io.StringIO(write_csv(joint._replace(result=result)).decode(), newline="")))
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert rows[1][4].startswith("'=cmd")
    assert rows[1][5] == "'@x"


def test_codebook_when_written_explains_every_column_in_both_languages() -> None:
    for lang in ("en", "zh"):
        assert set(room_words("report", lang)["column"]) == set(COLUMNS)
        text = codebook(lang).decode()
        assert all(f"| `{column}` | " in text for column in COLUMNS)
    assert codebook("both").decode().count("| `run` |") == 2


def test_cover_when_made_shows_who_when_status_report_and_the_whole_plan_id() -> None:
    joint = make_joint(final=True)
    page = Page(start_here(joint, "en", ["report/zh.html", "report/en.html", "exchange/lab-a/log/checkpoint"]))
    links = [attributes["href"] for _, attributes in page.tags if "href" in attributes]
    assert links[:2] == ["report/en.html", "report/zh.html"]
    assert links[2:] == ["https://lab-a.example/joint-test", "https://lab-b.example/joint-test"]
    for words in (
        "Final",
        "Lab A: coordinates, tests and audits",
        "2026-11-12 16:20 UTC",
        joint.plan_id,
        joint.plan_id[:4],
    ):
        assert words in page.text, words
    assert "请打开下列各方自己的网址" in Page(start_here(joint, "zh", [])).text


@pytest.mark.parametrize(
    "name", ["../en.html", "/en.html", "a/../../en.html", "javascript:en.html", "C:\\en.html", "x\\en.html"]
)
def test_cover_when_a_file_name_leads_outside_does_not_link_it(name: str) -> None:
    page = Page(start_here(make_joint(), "en", [name]))
    assert "This archive holds no report page." in page.text
