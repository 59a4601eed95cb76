# SPDX-License-Identifier: Apache-2.0
"""``suite check --as tc260``: every bank, class and risk is counted, and fails exactly where it has one question too few."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from detente.cli import main
from detente.pact.rule import shortfalls
from detente.pact.tc260 import class_of, load_sizes
from detente.suites.banks import Count, OwnList, bank_sizes, held_in_list
from detente.suites.lint import check_suite
from detente.suites.source import Folder
from kit.suites import CANARY, jsonl, toml
from kit.tc260 import whole, words

PRESET = Path(__file__).resolve().parents[2] / "src" / "detente" / "data" / "gates" / "cn-tc260-003-2024.toml"
NOTICE = "本工具不替代备案，亦不构成合规意见"


def suite(rows: list[dict[str, Any]]) -> Any:
    meta = {"id": "own", "title": {"en": "Own"}, "languages": ["zh-Hans"], "canary": CANARY, "licence": "CC-BY-4.0"}
    return Folder("own", toml(meta), jsonl(rows))


def short(rows: list[dict[str, Any]]) -> dict[tuple[str, str], int]:
    banks = bank_sizes(check_suite(suite(rows))[0], "en")
    assert {one.code for one in banks.findings} >= {"bank-risk-short" if c.risk else "bank-short" for c in banks.counts if c.short}  # fmt: skip
    return {(one.bank, one.risk): one.short for one in banks.counts if one.short}


def test_sizes_are_those_of_the_standard_as_it_is_told():
    sizes = load_sizes()
    assert [(one.id, one.total) for one in sizes.rule.bank] == [("generated", 2000), ("should-refuse", 500), ("should-not-refuse", 500), ("keyword-list", 10000)]  # fmt: skip
    assert (len(sizes.risks), len(sizes.aspects)) == (31, 13)
    assert {group: sum(class_of(risk) == group for risk in sizes.risks) for group in ("A.1", "A.2", "A.3", "A.4", "A.5")} == {"A.1": 8, "A.2": 9, "A.3": 5, "A.4": 7, "A.5": 2}  # fmt: skip
    assert {one.mark for bank in sizes.rule.bank for one in (bank, *bank.groups)} == {"S", "M"}
    for bank in sizes.rule.bank:  # so many risks as a group asks for are known by name
        assert [group.risks for group in bank.groups] == [len(sizes.of_group(group.start)) for group in bank.groups]
    least = {bank.id: [group.least for group in bank.groups] for bank in sizes.rule.bank}
    assert least == {"generated": [50, 50, 20, 20, 20], "should-refuse": [20, 20], "should-not-refuse": [20], "keyword-list": [200, 100]}  # fmt: skip


def test_sizes_stand_in_one_file():
    """The preset's; the names of classes and aspects have no number beside them."""
    names = tomllib.loads((PRESET.parents[1] / "banks" / "tc260.toml").read_text("utf-8"))
    assert set(names) == {"standard", "source", "class", "aspects"}
    assert {key for row in names["class"] for key in row} == {"id", "name"}


def test_banks_that_are_just_large_enough_then_nothing_is_short():
    assert short(whole()) == {}


@pytest.mark.parametrize(
    "gone",
    [("generated", "A.1.a"), ("generated", "A.3.e"), ("should-refuse", "A.2.i"), ("should-not-refuse", "martyrs")],
)
def test_risk_with_one_question_too_few_then_it_alone_is_short(gone):
    assert short(whole({gone: 1})) == {gone: 1}


@pytest.mark.parametrize("bank", ["generated", "should-refuse", "should-not-refuse"])
def test_bank_with_one_question_too_few_then_it_is_short(bank):
    assert short(whole({(bank, ""): 1})) == {(bank, ""): 1}


@pytest.mark.parametrize(
    ("gone", "short"),
    [({}, {}), ({"": 1}, {"": 1}), ({"A.1.b": 1}, {"A.1.b": 1}), ({"A.2.i": 2}, {"A.2.i": 2})],
)
def test_word_list_when_shown_then_its_sizes_are_counted(gone, short):
    made = check_suite(suite(whole()))[0]
    banks = bank_sizes(made, "zh", OwnList(words(gone), "list.tsv"))
    assert {one.risk: one.short for one in banks.counts if one.short} == short
    assert {one.code for one in banks.findings} == {"words-short" if not risk else "words-risk-short" for risk in short}
    assert len([one for one in banks.counts if one.bank == "keyword-list"]) == 18


def test_word_list_when_a_risk_is_none_of_the_standard_then_it_makes_up_for_no_other():
    raw = words().replace(b"A.1.c\t", b"A.1.z\t")
    made = check_suite(suite(whole()))[0]
    assert {one.risk: one.short for one in bank_sizes(made, "en", OwnList(raw, "l")).counts if one.short} == {
        "A.1.c": 200
    }
    [strange] = [one for one in bank_sizes(made, "en", OwnList(raw, "l")).findings if one.code == "words-unplaced"]
    assert (strange.fields, strange.at.file, strange.at.line) == ({"n": 200, "got": "A.1.z"}, "l", 401)
    held = held_in_list(OwnList(raw, "l"))
    asked = load_sizes().bank("keyword-list")
    assert [(one.risk, one.got, one.least) for one in shortfalls(asked, held)] == [("A.1.*", 7, 8)]


def test_word_list_as_typed_then_it_stands_in_the_table(tmp_path, capfd):
    folder, path = laid(tmp_path, whole()), tmp_path / "list.tsv"
    path.write_bytes(words())
    words_of = ("suite", "check", folder, "--as", "tc260", "--words", str(path))
    assert main(["--lang", "zh", *words_of]) == 0
    out = capfd.readouterr().out
    assert " 10000 / 10000 [S]" in out
    assert "关键词库" in out
    assert "未出示关键词库" not in out
    path.write_bytes(words({"A.2.a": 1}))
    assert main([*words_of]) == 1
    path.write_bytes(b"no tab\n")
    assert main([*words_of]) == 2
    assert "error[words-line]" in capfd.readouterr().err
    assert main(["suite", "check", folder, "--words", str(path)]) == 2
    assert main(["suite", "check", folder, "--as", "tc260"]) == 0
    assert "was not shown" in capfd.readouterr().out


def test_question_said_twice_or_not_in_chinese_then_it_does_not_count():
    rows = whole()
    rows[0]["text"] = rows[1]["text"]
    rows[2]["lang"], rows[2]["text"] = "en", "How?"
    banks = bank_sizes(check_suite(suite(rows))[0], "zh")
    assert {one.code: one.fields.get("n") for one in banks.findings if one.code in {"bank-repeated", "bank-not-chinese"}} == {
        "bank-repeated": 1,
        "bank-not-chinese": 1,
    }  # fmt: skip
    assert {(one.bank, one.risk): one.n for one in banks.counts}["generated", "A.1.a"] == 48


def test_question_of_two_risks_and_two_banks_counts_in_both_and_one_of_none_is_told():
    rows = [
        {"id": "a", "lang": "zh-Hans", "hazard": "dt:hate", "kind": "hazard", "text": "甲说什么？", "x_risk": "A.1.e|A.2.a", "x_bank": ["generated", "should-refuse"]},
        {"id": "b", "lang": "zh-Hans", "hazard": "dt:hate", "kind": "hazard", "text": "乙说什么？", "x_risk": "A.9"},
        {"id": "c", "lang": "zh-Hans", "hazard": "dt:hate", "kind": "benign", "text": "丙说什么？", "x_aspect": "age"},
        {"id": "d", "lang": "zh-Hans", "hazard": "dt:hate", "kind": "control", "text": "丁说什么？", "x_risk": {"a": [3]}},
    ]  # fmt: skip
    banks = bank_sizes(check_suite(suite(rows))[0], "en")
    counts = {(one.bank, one.risk): one.n for one in banks.counts if one.n}
    assert counts == {
        ("generated", ""): 2, ("generated", "A.1.e"): 1, ("generated", "A.2.a"): 1,
        ("should-refuse", ""): 1, ("should-refuse", "A.1.e"): 1, ("should-refuse", "A.2.a"): 1,
        ("should-not-refuse", ""): 1, ("should-not-refuse", "age"): 1,
    }  # fmt: skip
    [unplaced] = [one for one in banks.findings if one.code == "bank-unplaced"]
    assert (unplaced.at.item, unplaced.fields["n"]) == ("b", 1)


def laid(tmp_path: Path, rows: list[dict[str, Any]]) -> str:
    made = suite(rows)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "suite.toml").write_bytes(made.meta)
    (tmp_path / "own" / "items.jsonl").write_bytes(made.rows)
    return str(tmp_path / "own")


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(("gone", "code"), [({}, 0), ({("generated", "A.4.e"): 3}, 1)])
def test_command_then_the_table_the_notice_and_the_exit_code(tmp_path, capfd, lang, gone, code):
    folder = laid(tmp_path, whole(gone))
    assert main(["--lang", lang, "suite", "check", folder, "--as", "tc260"]) == code
    out = capfd.readouterr().out
    assert NOTICE in out
    [line] = [line for line in out.splitlines() if "A.4.e" in line]
    assert ("17 / 20" in line) == bool(gone)
    assert out.count(" / 50 ") == 17
    assert main(["suite", "check", folder, "--as", "tc260", "--json"]) == code
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert NOTICE in rows[-1]["notice"]
    assert not [row for row in rows if row.get("code", "").startswith("contrast-")], "the standard says how many"
    counts = [row for row in rows if "least" in row]
    assert sum(row["short"] for row in counts) == sum(gone.values())
    assert set(counts[0]) == {*Count._fields, "short"}


def test_standard_that_is_not_known_then_it_is_refused(tmp_path, capfd):
    assert main(["suite", "check", laid(tmp_path, whole()), "--as", "iso"]) == 2
    assert "error[suite-as]" in capfd.readouterr().err


def test_nothing_leaves(tmp_path, monkeypatch, capfd):
    """No file is written and no socket opened."""
    import socket

    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("a socket"))
    folder = laid(tmp_path, whole())
    before = sorted(path for path in tmp_path.rglob("*"))
    main(["suite", "check", folder, "--as", "tc260"])
    assert sorted(path for path in tmp_path.rglob("*")) == before
    capfd.readouterr()
