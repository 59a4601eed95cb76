# SPDX-License-Identifier: Apache-2.0
"""Things that people type by mistake, each with the sentence that sets them right; never a traceback, in either language."""

import pytest

from kit.labs import Labs
from kit.typed import refused, typed


@pytest.fixture
def at_home(stories, tmp_path, monkeypatch) -> Labs:
    """A closed story, and the working directory in it."""
    labs = stories.at("closed").moved(tmp_path)
    (tmp_path / "afile").write_text("x")
    monkeypatch.chdir(tmp_path)
    return labs


A, B = "desks/lab-a", "desks/lab-b"
HOME = ["--exchange", "exchange", "--home", "https://x.example", "--name", "en=A"]
MISTAKES: list[tuple[list[str], int, str, str]] = [
    (["verify", "afile", "--plan", "ID"], 4, "exchange-missing", "afile"),
    (["verify", "exchange/lab-a", "--plan", "ID"], 4, "plan-missing", "top folder"),
    (["verify", "exchange", "--plan", "z" * 64], 2, "bad-plan-id", "no hex digits are: z"),
    (["verify", "exchange", "--plan", "0" * 63], 2, "bad-plan-id", "63 characters"),
    (["trace", "exchange", "lab-a/didnotrefuse/en", "--plan", "ID"], 2, "no-such-number", "lab-a/did-not-refuse/en"),
    (["trace", "exchange", "--plan", "ID", "--run", "zz"], 2, "no-such-run", "lab-a/m-lab-a #1"),
    (["report", "exchange", "--plan", "ID", "--out", "afile"], 2, "not-a-folder", "afile"),
    (["report", "exchange", "--plan", "ID", "--out", "afile/deeper"], 2, "not-a-folder", "afile"),
    (["report", "exchange", "--plan", "ID", "--out", "exchange/x"], 2, "report-inside", "exchange"),
    (["pack", "exchange", "--plan", "ID", "-o", "desks"], 2, "not-a-file", "desks"),
    (["pack", "exchange", "--plan", "ID", "-o", "afile/x.zip"], 2, "not-a-folder", "afile"),
    (["unpack", "exchange", "--exchange", "x"], 2, "is-a-folder", "exchange"),
    (["unpack", "afile", "--exchange", "x"], 2, "pack-broken", "not a zip file"),
    (["run", "--desk", "exchange"], 2, "no-desk", "exchange"),
    (["run", "--subject", "gpt", "--desk", A], 2, "no-test", "m-lab-a/core"),
    (["run", "--wait", "soon", "--desk", A], 2, "bad-duration", "90s"),
    (["run", "--from", "desks", "--desk", A], 2, "R-10.not-allowed", "external = true"),
    (["score", "plan.toml"], 2, "score-target", ".jsonl"),
    (["score", "./afile"], 2, "score-target", "afile"),
    (["score", "afile.jsonl", "--scorer", "refusal"], 2, "no-such-file", "afile.jsonl"),
    (["score", "beef", "--desk", A], 2, "no-run", "beef"),
    (["publish", "beef", "--desk", A], 2, "no-run", "detente status"),
    (["audit", "ask", "beef", "--desk", A], 4, "A-1.nothing", "beef"),
    (["audit", "check", "beef", "--desk", A], 4, "A-5.nothing", "detente audit answer"),
    (["close", "--reserve", "no tag", "--desk", A], 2, "bad-pair", "TAG=TEXT"),
    (["close", "--reserve", "en=x", "--desk", A], 2, "close-texts", "zh-Hans"),
    (["plan", "show", "plan.toml", "--desk", A], 2, "no-proposal", "plan.toml"),
    (["plan", "new", "desks", "--desk", A], 2, "is-a-folder", "desks"),
    (["plan", "new", "plan.toml", "--card", "afile", "--desk", A], 2, "B-2.json", "afile"),
    (["plan", "new", "plan.toml", "--card", "desks", "--desk", A], 2, "is-a-folder", "desks"),
    (["plan", "sign", "0123abcd", "--desk", B], 2, "no-proposal", "0123abcd"),
    (["plan", "object", "ID", "--at", "fraud-999", "--reason", "en=x", "--reason", "zh-Hans=y", "--desk", B], 2, "object-at", "fraud-999"),
    (["init", "Lab A", *HOME, "--desk", "new"], 2, "B-5.id", "lowercase"),
    (["init", "lab-c", *HOME, "--desk", "exchange/new"], 2, "desk-inside", "exchange"),
    (["init", "lab-c", *HOME, "--desk", "afile"], 2, "not-a-folder", "afile"),
    (["init", "lab-c", *HOME, "--desk", "new", "--model", "m=gpt4"], 2, "model-spec", "openai:"),
    (["init", "lab-c", *HOME, "--desk", "new", "--model", "m=gguf:afile"], 2, "model-not-gguf", "afile"),
    (["init", "lab-c", *HOME, "--desk", "new", "--model", "m=python:none:f"], 2, "model-import", "no module none"),
    (["rehearse", "core", "--model", "python:kit.labs:scripted", "--scorer", "refusal", "--out", "r"], 2, "no-suite", "core-v0"),
    (["rehearse", "core-v0", "--model", "python:kit.labs:scripted", "--scorer", "nice", "--out", "r"], 2, "unknown-scorer", "refusal"),
    (["rehearse", "core-v0", "--model", "python:kit.labs:scripted", "--scorer", "refusal", "--out", "afile/r"], 2, "not-a-folder", "afile"),
    (["demo", "--out", "afile"], 2, "not-a-folder", "afile"),
    (["hub"], 2, "cli-no-verb", "verify"),
    (["witness", "now", "--desk", A], 2, "cli-too-many", "now"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "error", "named"), MISTAKES, ids=[" ".join(words)[:60] for words, *_ in MISTAKES]
)
def test_command_when_typed_wrongly_then_it_says_what_would_be_right(at_home, capsys, words, code, error, named):
    meant = [at_home.agreed().id if word == "ID" else word for word in words]
    assert named in refused(capsys, code, error, *meant).err


def test_values_when_a_sentence_has_them_already_then_they_are_not_said_twice(at_home, capsys):
    said = refused(capsys, 2, "no-test", "run", "--subject", "gpt", "--desk", A)
    assert said.err.count("m-lab-a/core") == 1
    other = typed(capsys, "verify", at_home.exchange, "--plan", "0" * 64)
    assert "0" * 64 in other.err
