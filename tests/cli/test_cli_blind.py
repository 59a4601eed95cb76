# SPDX-License-Identifier: Apache-2.0
"""A blind plan: scores stay on the desk until every run has ended, and the same command brings them later (C-6)."""

import json
import time

import pytest

from detente.desk import blind as blind_desk
from detente.desk.keys import own_log
from detente.wire.times import parse_time
from kit.labs import Labs, meet, register_all, run_one
from kit.typed import refused, typed


def desk(labs: Labs, name: str) -> list[object]:
    return ["--desk", labs.desks[name].root]


def kinds(labs: Labs, name: str) -> list[str]:
    entries = labs.verify().ledger.entries[name]
    return [entry.statement.kind for entry in entries]


def scores_of(labs: Labs, name: str) -> list[str]:
    return sorted(path.name for path in (labs.exchange / name / "runs").rglob("scores/*"))


@pytest.fixture
def met(tmp_path) -> Labs:
    """Two real labs under a blind plan, both registered and witnessed; lab A has its answers and labels."""
    labs = meet(tmp_path, items=2, blind=True)
    register_all(labs)
    run_one(labs, "lab-a")
    return labs


def test_publish_when_the_other_lab_still_runs_then_scores_wait_and_the_same_command_brings_them(met, capsys):
    labs = met
    assert typed(capsys, "score", *desk(labs, "lab-a")).code == 0
    promised = typed(capsys, "publish", "--dry-run", *desk(labs, "lab-a"))
    assert not (labs.exchange / "lab-a" / "runs").exists()
    said = typed(capsys, "publish", *desk(labs, "lab-a"))
    assert (said.code, promised.out) == (0, said.out), "a dry run tells the same split"
    assert [line.endswith("(held back)") for line in said.out.splitlines()] == [False, *[True] * 4, False, True, True]
    for word in ("held back: 6 files", "lab-b/m-lab-b/core", "detente publish", labs.runs["lab-a"].id[:16]):
        assert word in said.err
        assert word in promised.err
    assert kinds(labs, "lab-a") == ["accept", "register", "conclude"]
    assert scores_of(labs, "lab-a") == []
    assert "scores held back" in typed(capsys, "status", *desk(labs, "lab-a")).out

    run_one(labs, "lab-b")  # its answers are fixed at home: nobody else can know
    assert "held back" in typed(capsys, "publish", *desk(labs, "lab-a")).err
    assert typed(capsys, "score", *desk(labs, "lab-b")).code == 0
    last = typed(capsys, "publish", *desk(labs, "lab-b"))
    assert "held back" not in last.err + last.out, "nothing is open any more once this conclusion is logged"
    assert kinds(labs, "lab-b")[2:] == ["conclude", "score", "score"]

    later = typed(capsys, "publish", *desk(labs, "lab-a"))
    assert (later.code, "held back" in later.err + later.out) == (0, False)
    assert kinds(labs, "lab-a") == ["accept", "register", "conclude", "score", "score"]
    assert len(scores_of(labs, "lab-a")) == 4
    labs.witness_all()
    assert labs.verify().violations() == []
    assert "scores held back" not in typed(capsys, "status", *desk(labs, "lab-a")).out


def test_publish_when_the_other_lab_has_not_even_registered_then_scores_wait_for_it_until_that_date(
    tmp_path, capsys, monkeypatch
):
    labs = meet(tmp_path, items=2, blind=True)
    assert typed(capsys, "run", "--unwitnessed", *desk(labs, "lab-a")).code == 0
    assert typed(capsys, "score", *desk(labs, "lab-a")).code == 0
    rows = typed(capsys, "publish", "--json", *desk(labs, "lab-a")).out.splitlines()
    assert [json.loads(row)["held"] for row in rows] == [False, True, True, True, True, False, True, True]
    monkeypatch.setattr(blind_desk.time, "time", lambda: parse_time(labs.agreed().plan.runs.registerBy) + 1.0)
    assert "held back" not in typed(capsys, "publish", *desk(labs, "lab-a")).err
    assert kinds(labs, "lab-a")[2:] == ["conclude", "score", "score"]


def test_publish_when_the_deadline_has_passed_then_nothing_waits_any_more(met, capsys, monkeypatch):
    labs = met
    assert typed(capsys, "score", *desk(labs, "lab-a")).code == 0
    deadline = parse_time(labs.agreed().plan.runs.deadline)
    for at, waits in ((deadline - 60.0, True), (deadline + 1.0, False)):
        monkeypatch.setattr(blind_desk.time, "time", lambda at=at: at)
        assert ("held back" in typed(capsys, "publish", *desk(labs, "lab-a")).err) == waits
    assert kinds(labs, "lab-a")[2:] == ["conclude", "score", "score"]


def test_publish_when_the_other_log_cannot_be_read_then_the_conclusion_leaves_and_the_scores_wait(
    met, capsys, monkeypatch
):
    labs = met
    monkeypatch.setattr(blind_desk.time, "time", lambda: parse_time(labs.agreed().plan.runs.registerBy) + 1.0)
    assert typed(capsys, "score", *desk(labs, "lab-a")).code == 0
    checkpoint = labs.exchange / "lab-b" / "log" / "checkpoint"
    kept = checkpoint.read_bytes()
    checkpoint.unlink()
    said = typed(capsys, "publish", *desk(labs, "lab-a"))
    assert (said.code, "held back: 6" in said.err) == (0, True)
    checkpoint.write_bytes(kept)
    assert kinds(labs, "lab-a") == ["accept", "register", "conclude"]


def test_publish_when_scores_are_out_already_then_a_later_registration_holds_nothing_back(tmp_path, capsys):
    labs = meet(tmp_path, items=2, blind=True, max_runs=2)
    for name in labs.desks:
        assert typed(capsys, "run", "--unwitnessed", *desk(labs, name)).code == 0
        assert typed(capsys, "score", *desk(labs, name)).code == 0
        assert typed(capsys, "publish", *desk(labs, name)).code == 0
    assert typed(capsys, "publish", *desk(labs, "lab-a")).code == 0
    assert typed(capsys, "run", "--again", "--unwitnessed", *desk(labs, "lab-b")).code == 0
    assert len(labs.verify().runs) == 3
    said = typed(capsys, "publish", *desk(labs, "lab-a"))
    assert "held back" not in said.err + said.out
    labs.witness_all()
    assert labs.verify().violations() == []


def test_audit_when_scores_are_still_to_come_then_it_is_not_spent_on_a_run_without_them(met, capsys):
    labs = met
    assert typed(capsys, "score", *desk(labs, "lab-a")).code == 0
    assert typed(capsys, "publish", *desk(labs, "lab-a")).code == 0
    said = refused(capsys, 4, "A-1.unscored", "audit", "ask", *desk(labs, "lab-b"))
    assert labs.runs["lab-a"].id[:16] in said.err
    size = own_log(labs.desks["lab-b"], labs.agreed()).size
    run_one(labs, "lab-b")
    for words in (["score"], ["publish"]):
        assert typed(capsys, *words, *desk(labs, "lab-b")).code == 0
    assert typed(capsys, "publish", *desk(labs, "lab-a")).code == 0
    assert typed(capsys, "audit", "ask", *desk(labs, "lab-b")).code == 0
    assert own_log(labs.desks["lab-b"], labs.agreed()).size == size + 4
    subjects = labs.verify().ledger.entries["lab-b"][-1].statement.subjects
    assert len(subjects) == 3, "the conclusion and both scorings"


def test_publish_when_the_plan_is_not_blind_then_nothing_is_held(stories, capsys, tmp_path):
    labs = stories.at("concluded").moved(tmp_path)
    assert time.time() < parse_time(labs.agreed().plan.runs.deadline)
    assert typed(capsys, "score", *desk(labs, "lab-a")).code == 0
    said = typed(capsys, "publish", *desk(labs, "lab-a"))
    assert "held back" not in said.err + said.out
    assert kinds(labs, "lab-a")[2:] == ["conclude", "score", "score"]
