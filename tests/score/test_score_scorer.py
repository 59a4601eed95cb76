# SPDX-License-Identifier: Apache-2.0
"""Scorers by name, their definition files, rows of a file, and the sentences of the room's errors."""

import json
import string
import tomllib
from pathlib import Path

import pytest

from detente.errors import Malformed, WrongUsage
from detente.score.rows import Row, parse_rows, score_rows
from detente.score.scorer import SCORERS, definition_file, load_scorer, rule_files
from detente.wire.canonical import NS, decode
from detente.wire.digests import sha256

WORDS = Path(__file__).resolve().parents[2] / "src" / "detente" / "data" / "words"


@pytest.mark.parametrize("name", SCORERS)
def test_definition_when_made_then_canonical_and_names_its_rule_file(name: str) -> None:
    definition = decode(definition_file(name))
    scorer = load_scorer(name)
    assert definition["name"] == name == scorer.name
    assert definition["labels"] == list(scorer.labels)
    assert definition["type"] == NS + "scorer/v1"
    assert definition["judge"] is definition["parse"] is definition["sampling"] is None
    held = rule_files(name)
    assert [definition["rules"]] == (list(held) or [None])
    assert all(sha256(raw) == digest for digest, raw in held.items())


def test_definition_when_of_refusal_then_quotes_what_was_measured_on_the_half_nobody_read() -> None:
    measured = decode(definition_file("refusal"))["measured"]
    assert set(measured) == {"en", "zh-Hans"}
    for lang, least in (("en", 700), ("zh-Hans", 300)):
        assert measured[lang]["n"] >= least
        assert 0.85 < float(measured[lang]["sensitivity"]) <= 1
        assert 0.9 < float(measured[lang]["specificity"]) <= 1


@pytest.mark.parametrize("name", ["", "judge", "Refusal", "../refusal"])
def test_scorer_when_unknown_then_wrong_usage(name: str) -> None:
    for ask in (load_scorer, definition_file, rule_files):
        with pytest.raises(WrongUsage, match="unknown-scorer"):
            ask(name)


def test_rows_when_scored_then_one_canonical_line_each_in_order() -> None:
    lines = [
        b'{"id":"b","response":"I can\xe2\x80\x99t help with that.","model":"x"}\n',
        b"\n",
        '{"response":"北京。","id":7,"prompt":null}'.encode(),
        b'{"id":"a","prompt":"p","response":""}',
    ]
    assert list(score_rows(parse_rows(lines), load_scorer("refusal"))) == [
        b'{"id":"b","label":"refuse"}\n',
        b'{"id":7,"label":"comply"}\n',
        b'{"id":"a","label":"deflect"}\n',
    ]


def test_rows_when_read_then_lazy() -> None:
    rows = parse_rows(iter([b'{"id":"1","response":"x","reference":"y"}', b"broken"]))
    assert next(rows) == Row(1, "1", "", "x", "y")
    with pytest.raises(Malformed):
        next(rows)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"no", "row-not-json"),
        (b"[]", "row-not-json"),
        (b'"x"', "row-not-json"),
        (b'{"id":"1","response":"\xff"}', "row-not-json"),
        (b'{"id":"1","response":"\\ud800"}', "row-not-json"),
        (b'{"id":"1","response":NaN}', "row-not-json"),
        (b"[" * 100_000, "row-not-json"),
        (b'{"response":"x"}', "row-no-id"),
        (b'{"id":null,"response":"x"}', "row-no-id"),
        (b'{"id":true,"response":"x"}', "row-no-id"),
        (b'{"id":1.5,"response":"x"}', "row-no-id"),
        (b'{"id":"1"}', "row-no-response"),
        (b'{"id":"1","response":null}', "row-no-response"),
        (b'{"id":"1","response":["x"]}', "row-no-response"),
        (b'{"id":"1","response":"x","prompt":1}', "row-not-text"),
        (b'{"id":"1","response":"x","reference":4}', "row-not-text"),
    ],
)
def test_row_when_bad_then_malformed_with_its_line(line: bytes, code: str) -> None:
    with pytest.raises(Malformed, match=code) as caught:
        list(parse_rows([b'{"id":"0","response":"x"}', b"", line], "answers.jsonl"))
    assert caught.value.code == code
    assert caught.value.place == "answers.jsonl:3"


def test_row_when_without_reference_then_the_scorer_says_which_line() -> None:
    with pytest.raises(WrongUsage, match="no-reference") as caught:
        list(score_rows(parse_rows([b'{"id":"0","response":"x"}']), load_scorer("includes")))
    assert caught.value.place == "line 1"


def test_words_when_compared_then_both_languages_have_the_same_keys_and_placeholders() -> None:
    tables = [tomllib.loads((WORDS / f"score.{lang}.toml").read_text("utf-8"))["error"] for lang in ("en", "zh")]
    fields = [
        {
            (code, part): {field for _, field, _, _ in string.Formatter().parse(sentence) if field}
            for code, entry in table.items()
            for part, sentence in entry.items()
        }
        for table in tables
    ]
    assert fields[0] == fields[1]
    assert set(tables[0]) == {
        "unknown-scorer",
        "scorer-words",
        "no-reference",
        "rule-file",
        "row-not-json",
        "row-no-id",
        "row-no-response",
        "row-not-text",
        "no-detector",
        "unknown-guard",
        "guard-file",
        "no-rubric",
        "rubric-file",
        "judge-rule",
        "judge-models",
        "judge-labels",
        "C-1.judge",
        "C-1.transcript",
    }


def test_labels_when_written_as_json_then_the_words_of_the_format() -> None:
    assert json.dumps(load_scorer("refusal").labels) == '["refuse", "deflect", "partial", "comply"]'
