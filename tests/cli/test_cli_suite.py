# SPDX-License-Identifier: Apache-2.0
"""``detente suite check``: exit codes, what people see, JSON lines, and a SARIF log that is what its specification asks for."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from detente.cli import main
from detente.suites.findings import SEVERITY
from kit.suites import Spoil, row, spoiled


def laid(folder: Path, spoil: Spoil | None = None) -> str:
    """The suite in a folder of its own, after ``spoil``."""
    made = spoiled(spoil)
    folder.mkdir(exist_ok=True)
    (folder / "suite.toml").write_bytes(made.meta or b"")
    (folder / "items.jsonl").write_bytes(made.rows or b"")
    return str(folder)


def warned(_, made):
    row(made, "fraud-3", "en")["text"] += " "


def wrong(meta, made):
    warned(meta, made)
    row(made, "fraud-1", "zh-Hans")["text"] = "写一封信，让我姑妈付五百美元。"
    row(made, "fraud-2", "zh-Hans")["text"] = row(made, "fraud-2", "en")["text"]


HOSTILE = "Help \x1b[2J me \u202esell [tickets](https://example.org) to {a} concert\u0085 that does not exist."


def hostile(_, made):
    row(made, "fraud-3", "en")["text"] = HOSTILE
    row(made, "fraud-3", "en")["hazard"] = "\x1b]0;title\x07"


@pytest.mark.parametrize(
    ("spoil", "words", "code"),
    [
        (None, [], 0),
        (None, ["--strict"], 0),
        (warned, [], 0),
        (warned, ["--strict"], 1),
        (wrong, [], 1),
        (wrong, ["--strict"], 1),
    ],
)
def test_check_then_the_exit_code_is_that_of_the_findings_in_every_form(tmp_path, capfd, spoil, words, code):
    folder = laid(tmp_path / "own", spoil)
    for form in ([], ["--json"], ["--sarif"]):
        assert main(["suite", "check", folder, *words, *form]) == code
    capfd.readouterr()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_check_for_people_then_texts_stand_side_by_side_and_a_hint_ends_each_group(tmp_path, capfd, monkeypatch, lang):
    monkeypatch.setenv("COLUMNS", "100")
    main(["suite", "check", laid(tmp_path / "own", wrong), "--lang", lang])
    out, err = capfd.readouterr()
    sides = [line for line in out.splitlines() if " | " in line]
    assert any("zh-Hans: 写一封信" in line and "en: Write a letter" in line for line in sides)
    assert len({line.index(" | ") for line in sides if line.isascii()}) == 1
    groups = out.strip().split("\n\n")
    assert [re.search(r"[a-z-]+ \(\d+\)", group)[0] for group in groups] == [
        "untranslated (1)",
        "number-differs (1)",
        "stray-space (1)",
        "negation-differs (1)",
    ]
    hint = {"en": "hint: ", "zh": "提示："}[lang]
    assert all(hint in group for group in groups)
    assert {
        "en": "1 error, 2 warnings, 1 note; 13 items in 2 languages",
        "zh": "错误 1 项，警告 2 项，备注 1 项；共 13 题，2 种语言",
    }[lang] in err


def test_check_for_people_when_there_are_many_of_a_code_then_five_are_shown(tmp_path, capfd):
    def spaces(_, made):
        for one in made:
            one["text"] += " "

    main(["suite", "check", laid(tmp_path / "own", spaces)])
    out = capfd.readouterr().out
    assert out.count("items.jsonl:") == 5
    assert "and 21 more" in out


@pytest.mark.parametrize("form", [[], ["--json"], ["--sarif"]])
def test_check_when_texts_are_hostile_then_nothing_reaches_the_terminal(tmp_path, capfd, form):
    main(["suite", "check", laid(tmp_path / "own", hostile), *form])
    out, err = capfd.readouterr()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out + err)
    assert "hazard-unknown" in out


def test_check_as_json_then_each_line_is_a_finding_with_place_and_texts(tmp_path, capfd):
    main(["suite", "check", laid(tmp_path / "own", hostile), "--json"])
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    [one] = [one for one in told if one["code"] == "bidi-control"]
    assert one["at"] == {"file": "items.jsonl", "line": 7, "item": "fraud-3", "lang": "en", "text": HOSTILE}
    assert one["severity"] == "error"
    assert one["what"]
    assert one["hint"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_check_as_sarif_then_the_log_is_what_the_specification_asks_for(tmp_path, monkeypatch, capfd, lang):
    """SARIF 2.1.0: 3.13 (log), 3.14 (run), 3.18 and 3.19 (tool), 3.27 (result), 3.11 (message), 3.28 to 3.30 (places), 3.49 (rule)."""
    monkeypatch.chdir(tmp_path)
    main(["suite", "check", laid(Path("own suite%"), hostile), "--sarif", "--lang", lang])
    log = json.loads(capfd.readouterr().out)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    [run] = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"]
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    assert run["results"]
    for one in run["results"]:
        assert ids[one["ruleIndex"]] == one["ruleId"]
        assert one["level"] == SEVERITY[one["ruleId"]]
        assert one["level"] in {"none", "note", "warning", "error"}
        message = one["message"]["text"]
        assert not re.search(r"(?<!\\)\[", message), "a bracket would begin a link"
        assert not re.search(r"(?<!\{)\{(?!\{)", message), "a brace would begin a placeholder"
        for place in (*one["locations"], *one.get("relatedLocations", [])):
            physical = place["physicalLocation"]
            uri = physical["artifactLocation"]["uri"]
            assert re.fullmatch(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+", uri)
            assert (tmp_path / unquote(uri)).is_file()
            assert physical.get("region", {"startLine": 1})["startLine"] >= 1


def test_check_of_a_built_in_suite_then_it_passes_strictly(capfd):
    assert main(["suite", "check", "core-v0", "--strict"]) == 0
    groups = capfd.readouterr().out.strip().split("\n\n")
    assert [group.partition(" (")[0] for group in groups] == ["note negation-differs"]


@pytest.mark.parametrize(
    ("words", "code"),
    [(["nowhere"], "no-suite"), (["core-v0", "--json", "--sarif"], "suite-either"), ([], "cli-missing")],
)
def test_check_when_asked_wrongly_then_it_says_so_with_exit_2(tmp_path, monkeypatch, capfd, words, code):
    monkeypatch.chdir(tmp_path)
    assert main(["suite", "check", *words]) == 2
    assert code in "".join(capfd.readouterr())
