# SPDX-License-Identifier: Apache-2.0
"""Answers of another harness: taken whole or not at all, and every complaint names line and value."""

import json
from pathlib import Path
from typing import Any

import pytest

from detente.errors import CannotTell, Malformed
from detente.evidence.record import parse_body
from detente.run.external import read_answers, take_answers
from detente.run.journal import Journal
from kit.asking import KEY, prompts

SLOTS = prompts(4)


def written(tmp_path: Path, *rows: Any) -> Path:
    path = tmp_path / "answers.jsonl"
    text = "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


def rows(**changed: Any) -> list[Any]:
    found: list[Any] = [{"i": slot.i, "output": f"回复 {slot.i}"} for slot in SLOTS]
    for name, row in changed.items():
        found[int(name[1:])] = row
    return [row for row in found if row is not None]


def test_answers_when_they_are_whole_then_every_slot_gets_its_body_without_a_seed(tmp_path: Path) -> None:
    by_name = {"item": SLOTS[1].item, "lang": SLOTS[1].lang, "epoch": 0, "output": "by name", "tokens": 2}
    path = written(
        tmp_path, *rows(_1=by_name, _2={"i": 2, "outcome": "failed", "output": None, "reason": "timeout"})[::-1]
    )
    with Journal(tmp_path / "journal", KEY) as journal:
        outcomes = take_answers(path, SLOTS, journal)
        assert (outcomes.replied, outcomes.failed) == (3, 1)
        bodies = {body.i: body for body in journal.bodies()}
        assert take_answers(path, SLOTS, journal) == outcomes, "taking them twice changes nothing"
    assert bodies[0].output == "回复 0"
    assert bodies[1].output == "by name"
    assert bodies[1].tokens == 2
    assert (bodies[2].output, bodies[2].reason) == (None, "timeout")
    assert all(body.seed is None for body in bodies.values())


def test_answers_when_they_are_cut_or_truncated_then_it_is_the_other_programs_word(tmp_path: Path) -> None:
    path = written(
        tmp_path, *rows(_0={"i": 0, "output": "a", "cut": True}, _1={"i": 1, "output": "b", "outcome": "truncated"})
    )
    replies = [reply for _, reply in read_answers(path, SLOTS)]
    assert (replies[0].outcome, replies[0].cut) == ("replied", True)
    assert replies[1].outcome == "truncated"


def test_answers_when_a_text_holds_a_lone_surrogate_then_it_is_mended(tmp_path: Path) -> None:
    path = written(tmp_path, *rows(_0='{"i": 0, "output": "a\\ud800"}'))
    with Journal(tmp_path / "journal", KEY) as journal:
        take_answers(path, SLOTS, journal)
        assert parse_body(journal.body_line(0)).output == "a\ufffd"


@pytest.mark.parametrize(
    ("changed", "code", "line", "shown"),
    [
        ({"_3": None}, "R-10.missing", "", "i=3"),
        ({"_3": {"i": 0, "output": "again"}}, "R-10.twice", ":4", "i=0"),
        ({"_3": {"item": SLOTS[0].item, "lang": "en", "epoch": 0, "output": "again"}}, "R-10.twice", ":4", "i=0"),
        ({"_1": {"i": 9, "output": "x"}}, "R-10.slot", ":2", "9"),
        ({"_1": {"i": True, "output": "x"}}, "R-10.slot", ":2", "True"),
        ({"_1": {"item": SLOTS[1].item, "lang": "fr", "output": "x"}}, "R-10.slot", ":2", "fr"),
        ({"_1": {"item": [1], "lang": "en", "output": "x"}}, "R-10.slot", ":2", "[1]"),
        ({"_1": {"i": 1, "item": SLOTS[0].item, "lang": "en", "output": "x"}}, "R-10.slot", ":2", "en"),
        ({"_1": {"output": "x"}}, "R-10.slot", ":2", "-"),
        ({"_1": {"i": 1, "output": "x", "outcome": "refused"}}, "R-10.outcome", ":2", "refused"),
        ({"_1": {"i": 1, "output": None, "outcome": "truncated"}}, "R-10.output", ":2", "null"),
        ({"_1": {"i": 1, "output": "x", "outcome": "filtered"}}, "R-10.output", ":2", "str"),
        ({"_1": {"i": 1, "output": 5}}, "R-10.output", ":2", "int"),
        ({"_1": {"i": 1}}, "R-10.output", ":2", "null"),
        ({"_1": {"i": 1, "output": "x", "outcome": "truncated", "cut": True}}, "R-10.outcome", ":2", "cut"),
        ({"_1": {"i": 1, "output": "x", "reason": "stop"}}, "R-10.reason", ":2", "stop"),
        ({"_1": {"i": 1, "output": "x", "score": 1}}, "R-10.member", ":2", "score"),
        ({"_1": '{"i": 1, "output": "x", "output": "y"}'}, "R-10.member", ":2", "output"),
        ({"_1": '{"i": 1, "output": "x"'}, "R-10.json", ":2", ""),
        ({"_1": "[1]"}, "R-10.json", ":2", "array"),
        ({"_1": {"i": 1, "output": "x", "tokens": -1}}, "R-10.json", ":2", "tokens"),
    ],
    ids=str,
)
def test_answers_when_something_does_not_fit_then_line_and_value_are_named_and_nothing_is_taken(
    changed: dict[str, Any], code: str, line: str, shown: str, tmp_path: Path
) -> None:
    path = written(tmp_path, *rows(**changed))
    with Journal(tmp_path / "journal", KEY) as journal, pytest.raises(Malformed) as caught:
        take_answers(path, SLOTS, journal)
    assert caught.value.code == code
    assert caught.value.place == f"{path}{line}"
    assert shown in f"{caught.value.got} {caught.value.fields}"
    assert (tmp_path / "journal" / "bodies.jsonl").read_bytes() == b""


def test_answers_when_many_are_missing_then_a_few_are_named_and_all_are_counted(tmp_path: Path) -> None:
    with pytest.raises(Malformed) as caught:
        read_answers(written(tmp_path, {"i": 0, "output": "x"}), prompts(50))
    assert (caught.value.expected, caught.value.got) == (50, 1)
    assert str(caught.value.fields["slots"]).count("i=") == 5


def test_answers_when_there_is_no_file_then_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotTell, match="file-missing"):
        read_answers(tmp_path / "none.jsonl", SLOTS)
    with pytest.raises(CannotTell, match="file-missing"):
        read_answers(tmp_path, SLOTS)
