# SPDX-License-Identifier: Apache-2.0
"""Questions of a rehearsal: read a line at a time, the same ones every time, and nothing said twice."""

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.desk.questions import InFile, Question, read_questions
from detente.errors import CannotTell, DetenteError, Malformed, WrongUsage


def ask_anything(_: Question) -> None:
    """Every question will do."""


def write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("small", [0, 1000])
def test_file_when_read_then_its_questions_come_in_order_as_often_as_asked(tmp_path, monkeypatch, small):
    monkeypatch.setattr("detente.desk.questions.SMALL", small)
    path = write(
        tmp_path / "q.jsonl",
        '{"id":"a","input":"one","target":"1","lang":"en"}',
        "",
        '{"prompt":["二","两"],"id":7}',
        '{"text":"three","reference":3}',
    )
    found = read_questions(str(path), ask_anything)
    expected = [
        Question("a", "en", ["one"], "1"),
        Question("7", "und", ["二", "两"], None),
        Question("4", "und", ["three"], "3"),
    ]
    assert list(found) == list(found) == expected
    assert len(found) == 3


def test_digest_when_only_the_writing_differs_then_it_is_the_same(tmp_path):
    one = read_questions(str(write(tmp_path / "a.jsonl", '{"id":"a","input":"x"}')), ask_anything)
    same = read_questions(str(write(tmp_path / "b.jsonl", '{ "input": "\\u0078", "id": "a" }')), ask_anything)
    other = read_questions(str(write(tmp_path / "c.jsonl", '{"id":"a","input":"y"}')), ask_anything)
    assert one.digest == same.digest != other.digest


@pytest.mark.parametrize("change", ["changed", "longer", "shorter"])
def test_file_when_it_changes_while_it_is_asked_then_that_is_told(tmp_path, change, monkeypatch):
    monkeypatch.setattr("detente.desk.questions.SMALL", 0)
    rows = [f'{{"id":"{n}","input":"question {n}"}}' for n in range(3)]
    path = write(tmp_path / "q.jsonl", *rows)
    found = read_questions(str(path), ask_anything)
    now = {
        "changed": [rows[0], rows[1].replace("question", "riddle"), rows[2]],
        "longer": [*rows, rows[0]],
        "shorter": rows[:2],
    }
    write(path, *now[change])
    with pytest.raises(CannotTell, match="suite-changed"):
        list(found)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ('{"id":"a","input":"x","input":"y"}', "row-twice"),
        ('{"id":"a","input":"x","id":1}', "row-twice"),
        ('{"id":1,"input":"\\"","id":2}', "row-twice"),
        ('{"id":"a","input":"x","more":{"b":1,"b":2}}', "row-twice"),
        ('{"id":"a","input":"x"', "row-not-json"),
        ('{"id":"a"}', "row-no-input"),
        ('["x"]', "row-no-input"),
    ],
)
def test_row_when_it_is_not_one_question_then_its_line_is_named(tmp_path, row, code):
    path = write(tmp_path / "q.jsonl", '{"input":"x"}', row)
    with pytest.raises(Malformed) as told:
        read_questions(str(path), ask_anything)
    assert (told.value.code, told.value.place) == (code, f"{path}:2")


@given(st.lists(st.tuples(st.sampled_from(["id", "input", "a", 'b"', "c\\"]), st.text(max_size=4)), max_size=6))
def test_row_when_members_are_any_then_it_is_refused_exactly_if_one_stands_twice(tmp_path_factory, members):
    names = [name for name, _ in members]
    path = tmp_path_factory.mktemp("q") / "q.jsonl"
    pairs = ",".join(f"{json.dumps(name)}:{json.dumps(value, ensure_ascii=False)}" for name, value in members)
    path.write_text(f"{{{pairs}}}", encoding="utf-8")
    try:
        InFile(path, ask_anything)
        code = ""
    except DetenteError as error:
        code = error.code
    assert (code == "row-twice") == (len(set(names)) < len(names))


def test_question_when_a_scorer_cannot_score_it_then_it_is_named(tmp_path):
    def never(_: Question) -> None:
        raise WrongUsage("no-reference")

    path = write(tmp_path / "q.jsonl", '{"id":"a","input":"x"}')
    with pytest.raises(WrongUsage) as told:
        read_questions(str(path), never)
    assert told.value.place == f"{path}: a"
    with pytest.raises(WrongUsage, match="no-suite"):
        read_questions("no-such-suite", ask_anything)
    with pytest.raises(WrongUsage, match="suite-empty"):
        read_questions(str(write(tmp_path / "empty.jsonl", "")), ask_anything)


def test_file_when_it_is_long_then_little_of_it_is_held(tmp_path):
    path = tmp_path / "q.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f'{{"id":"{n}","input":"{"word " * 100}"}}\n' for n in range(20_000))
    tracemalloc.start()
    found = read_questions(str(path), ask_anything)
    assert sum(1 for _ in found) == 20_000
    held, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 10_000_000
    assert held < 200_000  # four bytes a question
    assert most < 1_000_000
