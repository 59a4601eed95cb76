# SPDX-License-Identifier: Apache-2.0
"""Words that do not fit, terminals that cannot show, pipes that close: always one clear sentence and the right exit code."""

import json
import os
import subprocess

import pytest

from detente.cli import main
from detente.cli.entry import VERBS
from detente.cli.speech import Speech, shown_json
from detente.errors import CannotTell, NotVerified, WrongUsage
from kit.typed import environ, program, raw, refused, started, typed, well_spoken

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202etxt.exe\u2066\x9b31m\x7f\u200b\ue000\U000e0041"


@pytest.mark.parametrize(
    ("words", "error", "named"),
    [
        (["verifx"], "cli-no-verb", "verify"),
        (["plan"], "cli-missing", "new | home | show | diff | object | sign"),
        (["plan", "sigh"], "cli-no-verb", "sign"),
        (["audit"], "cli-missing", "ask | answer | check"),
        (["verify"], "cli-missing", "EXCHANGE"),
        (["verify", "x", "y", "z"], "cli-too-many", "y z"),
        (["verify", "x", "--pan", "0"], "cli-no-option", "--plan"),
        (["verify", "x", "--plan"], "cli-needs-value", "--plan"),
        (["verify", "x", "--json=yes"], "cli-no-value", "--json"),
        (["verify", "x", "--plan", "12ab"], "bad-plan-id", "12ab"),
        (["run", "--concurrency", "many"], "cli-bad-value", "1..4096"),
        (["run", "--concurrency", "0"], "cli-bad-value", "1..4096"),
        (["run", "--concurrency", "٣"], "cli-bad-value", "1..4096"),
        (["rehearse", "s", "--model", "m", "--out", "o", "--max-tokens", "-1"], "cli-bad-value", "--max-tokens"),
        (["report", "x", "--plan", "0"], "cli-missing", "--out"),
        (["plan", "object", "0" * 8, "--reason", "en=x"], "cli-missing", "--at"),
        (["init", "lab-a"], "cli-missing", "--exchange"),
        (["board", "x"], "cli-missing", "--plan"),
        (["score", "a.jsonl"], "cli-missing", "--scorer"),
        (["--verbose"], "cli-no-option", "--verbose"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_when_they_do_not_fit_then_the_error_names_them(capsys, words, error, named):
    assert named in refused(capsys, 2, error, *words).err


@pytest.mark.parametrize("flag", ["fr", "en2", ""])
def test_language_when_unknown_then_it_is_refused_and_the_known_ones_named(capsys, flag):
    for words in (["board", "x", "--lang", flag], [f"--lang={flag}", "--help"]):
        assert main(words) == 2
        assert "error[cli-language]" in (err := capsys.readouterr().err)
        assert "en | zh" in err
    assert main(["board", "--lang"]) == 2
    assert "error[cli-language]" in capsys.readouterr().err


@pytest.mark.parametrize(("value", "han"), [("zh", True), ("zh_CN.UTF-8", True), ("de_DE.UTF-8", False), ("C", False)])
def test_language_when_no_flag_is_given_then_the_locale_decides(monkeypatch, capsys, value, han):
    monkeypatch.setenv("LC_ALL", value)
    assert main(["board", "x"]) == 2
    assert ("缺少" in capsys.readouterr().err) == han


@pytest.mark.parametrize("verb", VERBS)
def test_help_when_spoken_in_chinese_then_no_mark_of_it_is_english(capsys, verb):
    said = typed(capsys, verb, "--help", lang="zh")
    assert said.code == 0
    assert not [word for word in ("[required]", "[default", "Usage", "Options", "INTEGER") if word in said.out]


def test_errors_when_fields_are_hostile_then_nothing_raw_reaches_the_terminal(capsys):
    for lang in ("en", "zh"):
        for error in (
            WrongUsage("no-such-file", HOSTILE),
            NotVerified("file-changed", HOSTILE, step="V-5", expected=HOSTILE, got=HOSTILE),
            CannotTell("our-bug", HOSTILE, got=HOSTILE),
        ):
            Speech(lang).error(error)
            assert not raw(capsys.readouterr().err)
            Speech(lang, as_json=True).error(error)
            line = capsys.readouterr().out
            assert not raw(line)
            assert json.loads(line)["place"] == HOSTILE


def test_json_when_shown_then_it_is_the_same_value():
    value = {"text": f'{HOSTILE}\n\\ " 汉字 \U0001f600 \ud800'}
    shown = shown_json(json.dumps(value, ensure_ascii=False))
    assert not raw(shown)
    assert "汉字" in shown
    assert json.loads(shown) == value


def test_json_when_asked_for_then_an_error_is_one_object_on_stdout(capsys):
    said = typed(capsys, "verify", "nowhere", "--plan", "0" * 64, "--json")
    row = json.loads(said.out)
    assert said.err == ""
    assert (said.code, row["exit"], row["error"], row["place"]) == (4, 4, "exchange-missing", "nowhere")
    assert row["what"]
    assert row["hint"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_terminal_when_it_cannot_show_chinese_then_the_command_goes_on(encoding):
    for words in (["--help"], ["plan", "--help"], ["verify", "nowhere", "--plan", "实验"]):
        said = started("--lang", "zh", *words, env=environ(PYTHONIOENCODING=encoding, PYTHONUTF8="0"))
        assert said.code == (2 if "verify" in words else 0)
        assert "Traceback" not in said.err


def test_json_when_the_terminal_cannot_show_chinese_then_it_is_json_all_the_same(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id":"题\U0001f600","response":"当然可以。"}\n', "utf-8")
    env = environ(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    scored = started("score", rows, "--scorer", "refusal", env=env)
    assert json.loads(scored.out)["id"] == "题\U0001f600"
    failed = started("verify", "\U0001f600", "--plan", "0" * 64, "--json", env=env)
    assert json.loads(failed.out)["place"] == "\U0001f600"


def test_stdout_when_it_is_full_or_closed_or_read_no_further_then_the_exit_code_still_speaks(stories):
    labs = stories.at("registered")
    words = ["verify", str(labs.exchange), "--plan", labs.agreed().id]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(program(*words), env=environ(), stdout=full, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 4
        assert b"error[disk-full]" in done.stderr
        assert b"stdout" in done.stderr
        assert b"Exception ignored" not in done.stderr
        silent = subprocess.run(program("verify"), env=environ(), stderr=full, check=False)
        assert silent.returncode == 2
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(program(*words), env=environ(), stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert done.returncode in {0, 4}, "a verdict is 0 only if the walk came to its end"
    assert b"Traceback" not in done.stderr
    closed = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *program(*words)], env=environ(), check=False)
    assert closed.returncode == 0


def test_bug_when_there_is_one_then_it_is_named_as_ours_and_debug_shows_where(monkeypatch, capsys):
    import detente.cli.stranger as stranger

    def broken(*_: object) -> None:
        raise LookupError("the third drawer\x1b[2J")

    monkeypatch.setattr(stranger, "read_board", broken)
    said = refused(capsys, 4, "our-bug", "board", "x", "--plan", "0" * 64)
    assert "test_cli_words.py" in said.err
    assert "the third drawer" in said.err
    monkeypatch.setenv("DETENTE_DEBUG", "1")
    assert "Traceback" in typed(capsys, "board", "x", "--plan", "0" * 64).err


def test_desk_when_given_by_the_environment_then_it_is_used(stories, monkeypatch, capsys, tmp_path):
    labs = stories.at("registered")
    refused(capsys, 2, "no-desk", "status", "--desk", tmp_path)
    monkeypatch.setenv("DETENTE_DESK", str(labs.root / "desks" / "lab-a"))
    said = typed(capsys, "status")
    assert said.code == 0
    assert labs.runs["lab-a"].id[:16] in said.out
    refused(capsys, 2, "no-desk", "status", "--desk", tmp_path)


def test_exit_code_4_when_nobody_s_honesty_is_meant_then_it_is_not_mentioned(capsys, tmp_path):
    assert "honesty" in refused(capsys, 4, "exchange-missing", "verify", tmp_path / "x", "--plan", "0" * 64).err
    well = refused(capsys, 2, "no-desk", "status", "--desk", tmp_path)
    assert "honesty" not in well.err
    well_spoken(well, "en")


@pytest.mark.parametrize("client", [True, False])
def test_process_when_the_http_client_was_in_use_then_it_is_gone_before_the_interpreter_is_torn_down(tmp_path, client):
    torn = tmp_path / "torn-down"
    prelude = f"import atexit, pathlib\natexit.register(lambda: pathlib.Path({str(torn)!r}).write_text('yes'))"
    said = started("--version", prelude=prelude + ("\nimport pyreqwest.client" if client else ""))
    assert (said.code, said.out.startswith("detente")) == (0, True)
    assert torn.exists() is not client
