# SPDX-License-Identifier: Apache-2.0
"""Runs against models that are missing, silent or say something else; waiting, importing, stopping: one clear sentence, nothing lost."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from detente.check.exchange import read_entries
from detente.cli.reasons import FAULTS
from detente.desk import allowed
from detente.desk.keys import Desk, load_desk, own_log
from detente.desk.runs import find_run
from detente.evidence.statements import Register
from detente.run.journal import glance
from detente.words import say
from kit.asking import QUICK
from kit.faults import HALF_JSON, LOGIN_PAGE, NO_MODEL, WRONG_KEY
from kit.labs import DRAFT, Labs
from kit.model import ScriptedModel
from kit.typed import environ, program, raw, refused, typed

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202etxt\u2066\x9b31m"


def use(desk: Desk, spec: str) -> Desk:
    """The same desk with another model behind its subject."""
    path = desk.root / "desk.toml"
    path.write_text(path.read_text("utf-8").replace("python:kit.labs:scripted", spec), "utf-8")
    return load_desk(desk.root)


def agree(root: Path, capsys, spec: str, *more: str, draft: str = "") -> Labs:
    """Two labs from their desks to a witnessed registration of lab A, all by commands; lab A's model is ``spec``."""
    desks, exchange = {}, root / "exchange"
    for name in ("lab-a", "lab-b"):
        words = ["init", name, "--desk", root / name, "--exchange", exchange, "--home", f"https://{name}.example"]
        words += ["--name", f"en={name}", "--name", f"zh-Hans={name}"]
        words += ["--model", f"m-{name}={spec if name == 'lab-a' else 'python:kit.labs:scripted'}"]
        assert typed(capsys, *words, *(more if name == "lab-a" else ())).code == 0
        desks[name] = load_desk(root / name)
    tests = '[[test]]\nparty = "lab-a"\nsubject = "m-lab-a"\n'
    roles = 'lab-a = ["coordinates", "tests"]\nlab-b = ["tests", "audits"]'
    text = DRAFT.format(roles=roles, tests=tests, n=2, max_runs=1, closing='["lab-a", "lab-b"]')
    (root / "plan.toml").write_text(draft + text, "utf-8")
    said = typed(
        capsys, "plan", "new", root / "plan.toml", "--card", root / "lab-b" / "card.json", "--desk", root / "lab-a"
    )
    assert said.code == 0, said
    for desk in desks.values():
        assert typed(capsys, "plan", "sign", said.out.strip(), "--desk", desk.root).code == 0
    return Labs(root, desks, desks["lab-a"].plan())


def register(labs: Labs, capsys) -> None:
    assert typed(capsys, "run", "--desk", labs.desks["lab-a"].root).error == "R-4.unwitnessed"
    assert typed(capsys, "witness", "--desk", labs.desks["lab-b"].root).code == 0


# --- models --------------------------------------------------------------------------------------


def test_model_when_its_file_is_gone_or_another_then_the_run_does_not_begin(stories, capsys, tmp_path):
    labs = stories.at("registered").moved(tmp_path)
    desk = use(labs.desks["lab-a"], f"gguf:{tmp_path}/text.gguf")
    refused(capsys, 2, "model-missing", "run", "--desk", desk.root)
    (tmp_path / "text.gguf").write_bytes(b"GGUF" + bytes(20))
    refused(capsys, 2, "model-not-gguf", "run", "--desk", desk.root)


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("python:kit.said:twice", "P-12.other-model"), ("python:kit.said:nobody", "model-import"),
        ("python:kit.said:constant", "model-import"), ("chatgpt", "model-spec"),
    ],
)  # fmt: skip
def test_model_when_it_is_not_the_plan_s_then_nothing_is_asked(stories, capsys, tmp_path, spec, error):
    labs = stories.at("registered").moved(tmp_path)
    desk = use(labs.desks["lab-a"], spec)
    refused(capsys, 2, error, "run", "--desk", desk.root)
    assert glance(labs.runs["lab-a"].journal_path()).total() == 0


@pytest.mark.parametrize(
    ("answer", "error", "named"),
    [
        (LOGIN_PAGE, "endpoint-garbage", "html"), (WRONG_KEY, "key-refused", "invalid_api_key"),
        (NO_MODEL, "model-not-found", "model_not_found"), (HALF_JSON, "endpoint-garbage", ""), (None, "endpoint-down", "connect"),
    ],
    ids=["html", "401", "404", "half json", "nobody listens"],
)  # fmt: skip
def test_endpoint_when_it_says_something_else_then_nothing_is_written_and_the_same_command_goes_on(
    capsys, tmp_path, monkeypatch, answer, error, named
):
    pytest.importorskip("pyreqwest")
    monkeypatch.setenv("LAB_KEY", "sk-secret-0123")
    # a real pause is asked for by a person, not by a test
    monkeypatch.setattr(allowed, "Limits", QUICK._replace)
    with ScriptedModel(lambda _: "Sure.") as model:
        port = model.port
        labs = agree(tmp_path, capsys, model.spec(), "--key-env", "m-lab-a=LAB_KEY")
        register(labs, capsys)
        words = ["run", "--desk", labs.desks["lab-a"].root]
        if answer is not None:
            model.fault = lambda _: answer
            said = typed(capsys, *words)
            again = typed(capsys, *words, lang="zh")
    if answer is None:
        said, again = typed(capsys, *words), typed(capsys, *words, lang="zh")
    for one in (said, again):
        assert (one.code, one.error) == (4, error), one
        words_for = [say(f"cli.fault.{named}", lang) for lang in ("en", "zh")] if named in FAULTS else [named]
        assert any(word in one.err for word in words_for)
        assert "127.0.0.1" in one.err
        assert "sk-secret" not in one.err
        assert not raw(one.err)
    run = find_run(labs.desks["lab-a"], labs.agreed(), None)
    assert glance(run.journal_path()).total() == 0
    with ScriptedModel(lambda _: "Sure.", port=port):
        assert typed(capsys, *words).code == 0
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"sk-secret" not in everything


def test_key_when_its_variable_is_empty_or_holds_no_key_then_the_variable_is_named(capsys, tmp_path, monkeypatch):
    pytest.importorskip("pyreqwest")
    labs = agree(tmp_path, capsys, "openai:http://127.0.0.1:9/v1#m", "--key-env", "m-lab-a=LAB_KEY")
    register(labs, capsys)
    desk = labs.desks["lab-a"].root
    assert "LAB_KEY" in refused(capsys, 2, "no-key", "run", "--desk", desk).err
    monkeypatch.setenv("LAB_KEY", "")
    refused(capsys, 2, "no-key", "run", "--desk", desk)
    monkeypatch.setenv("LAB_KEY", "sk-secret\n")
    assert "sk-secret" not in refused(capsys, 2, "endpoint-key", "run", "--desk", desk).err


def test_model_when_its_answers_are_hostile_then_nothing_raw_reaches_the_terminal(capsys, tmp_path):
    pytest.importorskip("pyreqwest")
    with ScriptedModel(lambda asked: f"{HOSTILE}I'm sorry, I can't help with that.{asked.attempt}") as model:
        labs = agree(tmp_path, capsys, model.spec(HOSTILE.replace("#", "")))
        register(labs, capsys)
        desk = ["--desk", labs.desks["lab-a"].root]
        words = (["run"], ["status"], ["status", "--json"], ["score"], ["publish", "--dry-run"], ["publish"])
        said = [typed(capsys, *word, *desk) for word in words]
        said += [typed(capsys, "witness", "--desk", own.root) for own in labs.desks.values()]
        at = [labs.exchange, "--plan", labs.agreed().id]
        said += [typed(capsys, verb, *at) for verb in ("verify", "board", "trace")]
        said.append(typed(capsys, "audit", "ask", "--desk", labs.desks["lab-b"].root))
        said.append(typed(capsys, "audit", "answer", *desk))
        said.append(typed(capsys, "audit", "check", "--desk", labs.desks["lab-b"].root))
    assert [one.code for one in said] == [0] * len(said), [one for one in said if one.code]
    assert not [found for one in said for found in raw(one.out + one.err)]


# --- order and waiting ---------------------------------------------------------------------------


def test_run_when_not_witnessed_then_it_waits_as_long_as_told_and_no_longer(stories, capsys, tmp_path):
    labs = stories.at("signed").moved(tmp_path)
    desk = labs.desks["lab-a"].root
    at_once = refused(capsys, 4, "R-4.unwitnessed", "run", "--desk", desk)
    assert "lab-b" in at_once.err
    waited = refused(capsys, 4, "R-4.unwitnessed", "run", "--wait", "1s", "--desk", desk)
    assert "detente witness" in waited.err
    assert [said.err.count("waiting for lab-b") for said in (at_once, waited)] == [0, 1]
    for wait in ("2", "s", "2d", "-2s", "1.5s", "²s", "9" * 30 + "s", " 2s"):
        refused(capsys, 2, "bad-duration", "run", "--wait", wait, "--desk", desk)
    waiting = subprocess.Popen(
        program("run", "--wait", "30s", "--desk", desk), env=environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert waiting.stderr is not None
    while b"waiting for lab-b" not in (line := waiting.stderr.readline()):
        assert line, "it ended without waiting"
    assert typed(capsys, "witness", "--desk", labs.desks["lab-b"].root).code == 0
    _, err = waiting.communicate(timeout=30)
    assert waiting.returncode == 0, err
    assert own_log(labs.desks["lab-a"], labs.agreed()).size == 2


def test_run_when_started_unwitnessed_then_it_says_what_that_costs_and_verifies(stories, capsys, tmp_path):
    labs = stories.at("signed").moved(tmp_path)
    desk = labs.desks["lab-a"].root
    for words in (["run", "--unwitnessed"], ["score"], ["publish"]):
        assert typed(capsys, *words, "--desk", desk).code == 0
    assert typed(capsys, "witness", "--desk", labs.desks["lab-b"].root).code == 0
    said = typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id)
    assert (said.code, said.error) == (4, "unanchored-log")  # nobody has looked at lab-b's log yet
    assert typed(capsys, "witness", "--desk", desk).code == 0
    assert typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id).code == 0
    assert "no-number" in typed(capsys, "trace", labs.exchange, "--plan", labs.agreed().id).err


def test_run_when_a_verb_comes_too_early_then_the_one_that_is_due_is_named(stories, capsys, tmp_path):
    labs = stories.at("registered").moved(tmp_path)
    desk = ["--desk", labs.desks["lab-a"].root]
    for verb in ("score", "publish"):
        assert "detente run" in refused(capsys, 2, "not-concluded", verb, *desk).err
    refused(capsys, 4, "A-1.nothing", "audit", "ask", *desk)
    refused(capsys, 4, "A-5.nothing", "audit", "check", *desk)
    refused(capsys, 4, "no-number", "trace", labs.exchange, "--plan", labs.agreed().id)
    assert typed(capsys, "run", *desk).code == 0
    assert "detente score" in refused(capsys, 2, "not-scored", "publish", *desk).err
    refused(capsys, 2, "no-scorer", "score", "--scorer", "vibes", *desk)
    for run in ("zz", "0" * 64):
        refused(capsys, 2, "no-run", "score", run, *desk)
        refused(capsys, 2, "no-run", "publish", run, *desk)
    for words in (["--subject", "gpt"], ["--section", "annex-x"]):
        assert "m-lab-a/core" in refused(capsys, 2, "no-test", "run", *words, *desk).err
    again = typed(capsys, "run", *desk)
    assert again.code == 0
    assert again.out.strip() == labs.runs["lab-a"].id


def test_run_when_published_and_no_attempt_is_left_then_a_second_is_refused(stories, capsys, tmp_path):
    labs = stories.at("published").moved(tmp_path)
    size = own_log(labs.desks["lab-a"], labs.agreed()).size
    refused(capsys, 2, "R-1.attempts", "run", "--desk", labs.desks["lab-a"].root)
    assert own_log(labs.desks["lab-a"], labs.agreed()).size == size


# --- answers of another harness -------------------------------------------------------------------


@pytest.fixture
def outside(capsys, tmp_path) -> tuple[Labs, list[dict[str, object]]]:
    """Labs whose plan takes answers from elsewhere, and such answers to every slot."""
    labs = agree(tmp_path, capsys, "python:kit.labs:scripted", draft="external = true\n")
    rows = [{"i": i, "output": f"Sure, {i}.", "outcome": "replied"} for i in range(len(slots_of(labs)))]
    return labs, rows


def slots_of(labs: Labs) -> list[object]:
    from detente.desk.plans import suite_lists
    from detente.pact.slots import Slots

    return list(Slots(labs.agreed().plan, "core", suite_lists(labs.desks["lab-a"].open_exchange(), labs.agreed())))


def answers(labs: Labs, rows: list[object]) -> Path:
    path = labs.root / "answers.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        (lambda rows: rows[:-2], "R-10.missing", "i="), (lambda rows: [], "R-10.missing", "0"),
        (lambda rows: [*rows, rows[3]], "R-10.twice", ":19"), (lambda rows: [*rows, {"i": 999, "output": "x"}], "R-10.slot", "999"),
        (lambda rows: [{**rows[0], "i": "0"}, *rows[1:]], "R-10.slot", ":1"),
        (lambda rows: ["{", *rows[1:]], "R-10.json", ":1"), (lambda rows: ['{"i":0,"i":1}', *rows[1:]], "R-10.member", "i"),
        (lambda rows: [{**rows[0], "answer": "x"}, *rows[1:]], "R-10.member", "answer"),
        (lambda rows: [{**rows[0], "outcome": "maybe"}, *rows[1:]], "R-10.outcome", "maybe"),
        (lambda rows: [{**rows[0], "output": None}, *rows[1:]], "R-10.output", "null"),
        (lambda rows: [{**rows[0], "outcome": f"{HOSTILE}"}, *rows[1:]], "R-10.outcome", "\\u{1b}"),
    ],
)  # fmt: skip
def test_answers_when_they_do_not_fit_then_the_line_is_named_and_no_registration_is_spent(
    capsys, outside, change, error, named
):
    labs, rows = outside
    path = answers(labs, change(rows))
    said = refused(capsys, 2, error, "run", "--from", path, "--desk", labs.desks["lab-a"].root)
    assert named in said.err
    assert own_log(labs.desks["lab-a"], labs.agreed()).size == 1


def test_answers_when_imported_then_the_run_is_printed_as_imported_to_the_end(capsys, outside):
    labs, rows = outside
    desk = ["--desk", labs.desks["lab-a"].root]
    words = ["run", "--from", answers(labs, rows), "--engine", "inspect 0.3.9", *desk]
    assert "nix.jsonl" in refused(capsys, 2, "no-such-file", "run", "--from", labs.root / "nix.jsonl", *desk).err
    assert typed(capsys, *words).error == "R-4.unwitnessed"
    assert typed(capsys, "witness", "--desk", labs.desks["lab-b"].root).code == 0
    refused(capsys, 2, "R-10.began-outside", "run", *desk)
    other = labs.root / "other.jsonl"
    other.write_text((labs.root / "answers.jsonl").read_text("utf-8").replace("Sure, 0.", "No."), "utf-8")
    refused(capsys, 2, "R-10.other-file", "run", "--from", other, "--engine", "inspect 0.3.9", *desk)
    for verb in (words, ["score", *desk], ["publish", *desk]):
        assert typed(capsys, *verb).code == 0, verb
    for own in labs.desks.values():
        assert typed(capsys, "witness", "--desk", own.root).code == 0
    out = labs.root / "report"
    assert typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id).code == 0
    assert typed(capsys, "report", labs.exchange, "--plan", labs.agreed().id, "--out", out).code == 0
    row = json.loads((out / "result.json").read_bytes())["runs"][0]
    assert row["imported"] is True
    assert row["engine"] == {"name": "external", "version": "inspect 0.3.9"}
    assert "imported" in (out / "en.html").read_text("utf-8")
    assert "导入" in (out / "zh.html").read_text("utf-8")


def test_answers_when_the_plan_takes_none_then_it_says_so(stories, capsys, tmp_path):
    labs = stories.at("signed").moved(tmp_path)
    path = answers(labs, [])
    refused(capsys, 2, "R-10.not-allowed", "run", "--from", path, "--desk", labs.desks["lab-a"].root)


def test_answers_when_the_run_began_with_a_model_then_none_are_taken(capsys, outside):
    labs, rows = outside
    register(labs, capsys)
    words = ["run", "--from", answers(labs, rows), "--desk", labs.desks["lab-a"].root]
    refused(capsys, 2, "R-10.other-file", *words)
    entries, _ = read_entries(
        labs.desks["lab-a"].me(labs.agreed()), own_log(labs.desks["lab-a"], labs.agreed()), labs.agreed()
    )
    assert [e.statement.predicate.engine.name for e in entries if isinstance(e.statement.predicate, Register)] == [
        "detente"
    ]


# --- Ctrl-C ----------------------------------------------------------------------------------------

SLOW = "import kit.labs, time; quick = kit.labs.scripted; kit.labs.scripted = lambda m: (time.sleep({s}), quick(m))[1]"


def at_work(words: list[object], journal: Path, seconds: float, **more) -> subprocess.Popen[bytes]:
    """A run in a process of its own, as soon as it has answers."""
    started = subprocess.Popen(
        program(*words, prelude=SLOW.format(s=seconds)),
        env=environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )
    until = time.monotonic() + 20
    while glance(journal).total() < 3 and started.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    return started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_when_interrupted_then_what_is_in_flight_is_kept_and_the_same_command_goes_on(
    stories, capsys, tmp_path, number
):
    labs = stories.at("registered").moved(tmp_path)
    run, words = labs.runs["lab-a"], ["run", "--desk", labs.desks["lab-a"].root, "--concurrency", "2"]
    started = at_work(words, run.journal_path(), 0.03)
    started.send_signal(number)
    _, err = started.communicate(timeout=30)
    assert started.returncode == 4, err
    assert b"error[run-stopped]" in err
    assert b"Traceback" not in err
    before = (run.journal_path() / "bodies.jsonl").read_bytes()
    assert 3 <= before.count(b"\n") < len(run.slots)
    assert typed(capsys, *words).code == 0
    after = (run.journal_path() / "bodies.jsonl").read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == len(run.slots)


def test_wait_when_interrupted_then_it_stops_quietly(stories, tmp_path):
    labs = stories.at("signed").moved(tmp_path)
    words = ["run", "--wait", "5m", "--desk", labs.desks["lab-a"].root]
    started = subprocess.Popen(program(*words), env=environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert started.stderr is not None
    while b"waiting" not in started.stderr.readline():
        assert started.poll() is None
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=30)
    assert started.returncode == 4
    assert b"error[stopped]" in err
    assert b"Traceback" not in err


def test_run_when_killed_again_and_again_then_every_answer_is_asked_once(stories, capsys, tmp_path):
    labs = stories.at("registered").moved(tmp_path)
    run, words = labs.runs["lab-a"], ["run", "--desk", labs.desks["lab-a"].root, "--concurrency", "3"]
    for _ in range(2):
        started = at_work(words, run.journal_path(), 0.03)
        started.kill()
        started.communicate(timeout=30)
        assert started.returncode == -9
    said = typed(capsys, "status", "--desk", labs.desks["lab-a"].root)
    assert "goes on" in said.out or "not finished" in said.out, said
    for verb in (words, ["score", *words[1:3]], ["publish", *words[1:3]]):
        assert typed(capsys, *verb).code == 0
    trace = [json.loads(line) for line in (run.journal_path() / "trace.jsonl").read_bytes().splitlines()]
    answered = [row["i"] for row in trace if row["kind"] == "replied"]
    assert sorted(set(answered)) == list(range(len(run.slots)))
    assert typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id).code == 0


def test_run_when_its_start_was_torn_apart_by_a_crash_then_it_starts_all_the_same(stories, capsys, tmp_path):
    """start.json and started-at are two files: each may be there alone after a power cut."""
    for there in ("started-at", "start.json"):
        labs = stories.at("registered").moved(tmp_path / there)
        run, desk = labs.runs["lab-a"], ["--desk", labs.desks["lab-a"].root]
        kill = (
            "import os, signal\nfrom detente.tlog.folder import Folder\nwrite = Folder._write\n"
            "def killing(self, path, raw):\n    write(self, path, raw)\n"
            "    if path in {'started-at', 'start.json'}: os.kill(os.getpid(), signal.SIGKILL)\n"
            "Folder._write = killing"
        )
        if there == "started-at":
            done = subprocess.run(program("run", *desk, prelude=kill), env=environ(), capture_output=True, check=False)
            assert done.returncode == -9
            assert not run.folder.exists("start.json")
        else:
            done = subprocess.run(program("run", *desk, prelude=kill), env=environ(), capture_output=True, check=False)
            done = subprocess.run(program("run", *desk, prelude=kill), env=environ(), capture_output=True, check=False)
            assert done.returncode == -9
            assert run.folder.exists("start.json")
        assert typed(capsys, "run", *desk).code == 0
        shutil.rmtree(labs.root)
