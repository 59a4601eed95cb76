# SPDX-License-Identifier: Apache-2.0
"""A lab alone: rehearse and score over files that people write, and where their lines do not fit."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from kit.faults import LOGIN_PAGE
from kit.model import ScriptedModel
from kit.typed import environ, program, raw, refused, started, typed

TWICE = "python:kit.said:twice"
HOSTILE = "\x1b[2J\u202e\x9b31m"


def rows(path: Path, *lines: object) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines), "utf-8")
    return path


# --- score -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "error", "named"),
    [
        ("{", "row-not-json", ":4"), ("[]", "row-not-json", ":4"), ("\ufeff{}", "row-not-json", ":4"),
        ('{"response":"x"}', "row-no-id", ":4"), ('{"id":1.5,"response":"x"}', "row-no-id", ":4"),
        ('{"id":1}', "row-no-response", ":4"), ('{"id":1,"response":null}', "row-no-response", ":4"),
        ('{"id":1,"response":"x","prompt":[]}', "row-not-text", ":4"),
        ('{"id":1,"response":"x","response":"y"}', "row-twice", ":4"),
        ('{"id":1,"id":2,"response":"x"}', "row-twice", ":4"),
        ('{"id":1,"response":"\\ud800"}', "row-not-json", ":4"),
        ("[" * 5000, "row-not-json", ":4"),
    ],
)  # fmt: skip
def test_score_when_a_row_does_not_fit_then_its_line_is_named_and_nothing_is_written(
    capsys, tmp_path, line, error, named
):
    path = rows(tmp_path / "a.jsonl", {"id": 1, "response": "x"}, "", {"id": "b", "response": "y"}, line)
    out = tmp_path / "out.jsonl"
    assert named in refused(capsys, 2, error, "score", path, "--scorer", "refusal", "--out", out).err
    assert not out.exists()
    assert typed(capsys, "score", path, "--scorer", "refusal").out == ""


def test_score_when_rows_fit_then_one_label_a_row_in_order(capsys, tmp_path):
    path = rows(
        tmp_path / "a.jsonl", {"id": "b", "response": "I cannot help with that."}, "", {"id": 7, "response": "好的。"}
    )
    said = typed(capsys, "score", path, "--scorer", "refusal")
    assert [json.loads(line) for line in said.out.splitlines()] == [
        {"id": "b", "label": "refuse"}, {"id": 7, "label": "comply"},
    ]  # fmt: skip
    assert typed(capsys, "score", path, "--scorer", "refusal", "-o", tmp_path / "deep" / "o.jsonl").code == 0
    assert (tmp_path / "deep" / "o.jsonl").read_text("utf-8") == said.out
    assert typed(capsys, "score", rows(tmp_path / "none.jsonl"), "--scorer", "refusal").out == ""


def test_score_when_words_do_not_fit_then_it_is_told(capsys, tmp_path):
    path = rows(tmp_path / "a.jsonl", {"id": 1, "response": "x"})
    refused(capsys, 2, "no-such-file", "score", tmp_path / "b.jsonl", "--scorer", "refusal")
    assert "refusal" in refused(capsys, 2, "unknown-scorer", "score", path, "--scorer", "vibes").err
    assert ":1" in refused(capsys, 2, "no-reference", "score", path, "--scorer", "includes").err
    refused(capsys, 2, "not-a-file", "score", path, "--scorer", "refusal", "--out", tmp_path)


# --- rehearse --------------------------------------------------------------------------------------


def test_rehearse_when_asked_for_json_then_the_last_line_of_stdout_is_the_summary(tmp_path):
    path = rows(
        tmp_path / "s.jsonl",
        {"id": "a", "input": "say cat", "target": "cat"},
        {"id": "b", "prompt": "say dog", "target": "fish", "lang": "en"},
        {"id": "c", "input": ["one", "say two"], "target": "two"},
    )
    said = started("rehearse", path, "--model", TWICE, "--scorer", "includes", "--json", "--out", tmp_path / "r")
    assert said.code == 0
    assert json.loads(said.out.splitlines()[-1]) == {
        "event": "rehearsed",
        "labels": {"includes": {"right": 2, "wrong": 1}},
        "outcomes": {"replied": 3, "cut": 0, "filtered": 0, "truncated": 0, "failed": 0},
        "scores": {"includes": 0.6667},
    }
    assert [json.loads(line)["id"] for line in (tmp_path / "r" / "answers.jsonl").read_text().splitlines()] == [
        "a",
        "b",
        "c",
    ]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("{", "row-not-json"), ("5", "row-no-input"), ('{"id":"a"}', "row-no-input"), ('{"input":""}', "row-no-input"),
        ('{"input":[]}', "row-no-input"), ('{"input":["a",5]}', "row-no-input"), ('{"input":5}', "row-no-input"),
        ('{"input":"a","input":"b"}', "row-twice"), ('{"input":"\\ud800"}', "row-not-json"),
    ],
)  # fmt: skip
def test_suite_when_a_row_does_not_fit_then_its_line_is_named_and_nothing_is_asked(capsys, tmp_path, line, error):
    path = rows(tmp_path / "s.jsonl", {"input": "x"}, "", line)
    words = ["rehearse", path, "--model", TWICE, "--out", tmp_path / "r"]
    assert ":3" in refused(capsys, 2, error, *words).err
    assert not (tmp_path / "r").exists()


def test_rehearse_when_words_do_not_fit_then_nothing_is_asked(capsys, tmp_path, monkeypatch):
    path, out = rows(tmp_path / "s.jsonl", {"input": "x"}), tmp_path / "r"
    end = ["--model", TWICE, "--out", out]
    refused(capsys, 2, "no-suite", "rehearse", tmp_path / "nowhere", *end)
    refused(capsys, 2, "no-suite", "rehearse", "core-v9", *end)
    refused(capsys, 2, "suite-empty", "rehearse", rows(tmp_path / "e.jsonl", ""), *end)
    refused(capsys, 2, "unknown-scorer", "rehearse", path, *end, "--scorer", "vibes")
    refused(capsys, 2, "no-reference", "rehearse", path, *end, "--scorer", "includes")
    refused(capsys, 2, "no-such-file", "rehearse", path, *end, "--system", tmp_path / "p.txt")
    refused(capsys, 2, "no-key", "rehearse", path, *end, "--key-env", "NO_SUCH_KEY")
    refused(capsys, 2, "model-spec", "rehearse", path, "--model", "gpt", "--out", out)
    refused(capsys, 2, "model-import", "rehearse", path, "--model", "python:kit.said:nobody", "--out", out)
    refused(capsys, 2, "model-missing", "rehearse", path, "--model", f"gguf:{tmp_path}/m.gguf", "--out", out)
    refused(capsys, 2, "not-a-folder", "rehearse", path, "--model", TWICE, "--out", path)
    assert not out.exists()
    refused(capsys, 4, "model-raised", "rehearse", path, "--model", "python:kit.said:broken", "--out", out)
    assert not (out / "answers.jsonl").exists()


def test_rehearse_when_another_one_lies_there_then_answers_are_not_mixed(capsys, tmp_path):
    first, second = rows(tmp_path / "a.jsonl", {"input": "x"}), rows(tmp_path / "b.jsonl", {"input": "y"})
    end = ["--out", tmp_path / "r"]
    assert typed(capsys, "rehearse", first, "--model", TWICE, *end).code == 0
    before = (tmp_path / "r" / "answers.jsonl").read_bytes()
    for words, option in (
        ([second, "--model", TWICE], "suite"), ([first, "--model", "python:kit.said:later"], "model"),
        ([first, "--model", TWICE, "--max-chars", "7"], "max-chars"),
    ):  # fmt: skip
        assert option in refused(capsys, 2, "rehearsal-other", "rehearse", *words, *end).err
    (tmp_path / "r" / "key").write_text("")
    refused(capsys, 4, "key-broken", "rehearse", first, "--model", TWICE, *end)
    assert (tmp_path / "r" / "answers.jsonl").read_bytes() == before


def test_rehearse_when_interrupted_then_the_same_command_goes_on(capsys, tmp_path):
    path = rows(tmp_path / "s.jsonl", *({"id": str(n), "input": f"q{n}"} for n in range(40)))
    slow = "import kit.said, time; quick = kit.said.twice\ndef twice(text: str) -> str:\n    time.sleep(.03)\n    return quick(text)\nkit.said.twice = twice"
    words = ["rehearse", path, "--model", TWICE, "--concurrency", "1", "--out", tmp_path / "r"]
    child = subprocess.Popen(program(*words, prelude=slow), env=environ(), stdout=-3, stderr=-1)
    bodies, until = tmp_path / "r" / "journal" / "bodies.jsonl", time.monotonic() + 20
    while (not bodies.exists() or bodies.read_bytes().count(b"\n") < 3) and time.monotonic() < until:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 4, err
    assert b"error[run-stopped]" in err
    assert 3 <= bodies.read_bytes().count(b"\n") < 40
    assert typed(capsys, *words).code == 0
    assert len((tmp_path / "r" / "answers.jsonl").read_bytes().splitlines()) == 40


def test_rehearse_when_texts_are_hostile_then_nothing_raw_reaches_the_terminal(capsys, tmp_path):
    path = rows(tmp_path / "s.jsonl", {"id": HOSTILE, "input": f"x{HOSTILE}", "lang": HOSTILE})
    said = [
        typed(capsys, "rehearse", path, "--model", TWICE, "--out", tmp_path / "r", *more) for more in ([], ["--json"])
    ]
    said.append(typed(capsys, "rehearse", path, "--model", f"python:{HOSTILE}:x", "--out", tmp_path / "q"))
    said.append(typed(capsys, "rehearse", HOSTILE, "--model", TWICE, "--out", tmp_path / "q"))
    assert not [found for one in said for found in raw(one.out + one.err)]


def test_rehearse_when_the_endpoint_answers_html_then_nothing_is_kept_and_the_same_command_goes_on(
    capsys, tmp_path, monkeypatch
):
    pytest.importorskip("pyreqwest")
    from detente.run.engine import rehearse as ask_all
    from kit.asking import QUICK

    monkeypatch.setitem(ask_all.__kwdefaults__, "limits", QUICK)
    path = rows(tmp_path / "s.jsonl", {"input": "x"}, {"input": "y"})
    with ScriptedModel(lambda _: "Sure.", fault=lambda _: LOGIN_PAGE) as model:
        words = ["rehearse", path, "--model", model.spec(), "--out", tmp_path / "r"]
        assert typed(capsys, *words).error == "endpoint-garbage"
        model.fault = None
        assert typed(capsys, *words).code == 0


# --- demo ------------------------------------------------------------------------------------------


def test_demo_when_something_else_lies_there_then_it_is_left_alone(capsys, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    refused(capsys, 2, "demo-not-empty", "demo", "--out", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "mine"
