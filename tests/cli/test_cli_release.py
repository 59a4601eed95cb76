# SPDX-License-Identifier: Apache-2.0
"""Real desks under a plan with releasers: who waits for whom, the walk to the close, crashes, and seeds from beacons."""

import json
import shutil
import subprocess
import time

import pytest

from detente.check.exchange import read_entries
from detente.desk.audits import answer_all, ask, check_all
from detente.desk.keys import own_log
from detente.desk.releases import release
from detente.desk.runs import RunState, receipt_for
from detente.errors import CannotTell
from detente.evidence.record import beacon_of, parse_body, slot_seed
from detente.evidence.statements import Release
from detente.report.result import joint_of
from detente.run.journal import Journal
from detente.tlog.folder import Folder
from kit.labs import Labs, audit_all, close_all, meet, publish_one, register_all, release_all, run_one
from kit.typed import environ, program, refused, typed

BOTH = '["lab-a", "lab-b"]'


def releases_of(labs: Labs, name: str) -> list[Release]:
    """The releases in a lab's own log."""
    desk, plan = labs.desks[name], labs.agreed()
    entries, _ = read_entries(desk.me(plan), own_log(desk, plan), plan)
    return [e.statement.predicate for e in entries if isinstance(e.statement.predicate, Release)]


@pytest.fixture(scope="module")
def registered(tmp_path_factory) -> Labs:
    """Both labs release core, both have registered and witnessed; to look at and copy."""
    labs = meet(tmp_path_factory.mktemp("releasers"), releasers=BOTH)
    register_all(labs)
    return labs


@pytest.fixture
def labs(registered, tmp_path) -> Labs:
    return registered.moved(tmp_path)


def test_story_when_the_plan_has_releasers_then_the_walk_ends_final_and_every_run_was_seen(labs):
    release_all(labs)
    for name in labs.desks:
        run_one(labs, name)
        publish_one(labs, name)
    labs.witness_all()
    audit_all(labs)
    close_all(labs)
    verified = labs.verify(labs.copy("walked"))
    assert verified.ledger.violations == []
    assert verified.final is not None
    rows = joint_of(verified).result["runs"]
    assert [(row["counted"], row["unwitnessed"]) for row in rows] == [(True, False)] * 2
    assert [row["facts"]["checked"]["audits"][0]["state"] for row in rows] == ["consistent"] * 2
    for run in verified.runs:
        assert run.conclude.start.releases == [one.entry.digest for one in run.releases]


def test_run_when_nobody_released_it_then_it_names_who_must_and_the_same_command_goes_on(labs, capsys):
    a, b = (["--desk", labs.desks[name].root] for name in ("lab-a", "lab-b"))
    said = refused(capsys, 4, "R-4.unreleased", "run", *a)
    assert "lab-b" in said.err
    assert "detente release" in said.err
    assert not labs.runs["lab-a"].folder.exists("start.json")
    assert typed(capsys, "release", *b).code == 0
    assert typed(capsys, "run", *a).code == 0


def test_run_when_told_to_wait_then_it_starts_as_soon_as_the_release_is_there(labs, capsys):
    waiting = subprocess.Popen(
        program("run", "--wait", "50s", "--desk", labs.desks["lab-a"].root),
        env=environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert waiting.stderr is not None
    until = time.monotonic() + 30
    while b"detente release" not in waiting.stderr.readline():
        assert time.monotonic() < until
    assert typed(capsys, "release", "--desk", labs.desks["lab-b"].root).code == 0
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err


def test_run_when_started_without_the_release_then_it_is_unwitnessed_and_a_later_release_changes_nothing(labs, capsys):
    release(labs.desks["lab-a"], labs.agreed(), None)
    receipt = receipt_for(labs.desks["lab-a"], labs.agreed(), labs.runs["lab-a"], unwitnessed=True)
    assert (receipt.unwitnessed, receipt.releases, len(receipt.notes)) == (True, (), 1)
    release_all(labs)
    assert receipt_for(labs.desks["lab-a"], labs.agreed(), labs.runs["lab-a"], unwitnessed=False) == receipt
    for name in labs.desks:
        run_one(labs, name)
        publish_one(labs, name)
    labs.witness_all()
    verified = labs.verify()
    assert verified.ledger.violations == []
    rows = {row["party"]: row for row in verified.numbers().result["runs"]}
    assert (rows["lab-a"]["unwitnessed"], rows["lab-a"]["missing"]) == (True, ["seen"])
    assert (rows["lab-b"]["unwitnessed"], rows["lab-b"]["counted"]) == (False, True)


def test_seeds_when_a_run_was_released_then_they_come_from_the_beacon_and_the_audit_says_so(labs, monkeypatch):
    release_all(labs)
    monkeypatch.setattr(RunState, "beacon", lambda self: beacon_of(self.id, []))
    run_one(labs, "lab-a")
    monkeypatch.undo()
    run_one(labs, "lab-b")
    [of_b] = releases_of(labs, "lab-a")
    run = labs.runs["lab-b"]
    with Journal(run.journal_path(), run.key()) as journal:
        body = parse_body(journal.body_line(3))
    assert body.seed == slot_seed(beacon_of(run.id, [of_b.beacon]), 3)
    for name in labs.desks:
        publish_one(labs, name)
    labs.witness_all()
    plan = labs.agreed()
    for desk in labs.desks.values():
        ask(desk, plan, None)
    labs.witness_all()
    for desk in labs.desks.values():
        answer_all(desk, plan)
    found = {row.holder: row.verdict for desk in labs.desks.values() for row in check_all(desk, plan)}
    assert found == {"lab-a": "disputed", "lab-b": "consistent"}


def test_start_when_the_releaser_logs_another_beacon_later_then_the_desk_keeps_the_one_it_began_with(labs):
    release_all(labs)
    run = labs.runs["lab-a"]
    receipt_for(labs.desks["lab-a"], labs.agreed(), run, unwitnessed=False)
    began = run.beacon()
    shutil.rmtree(labs.exchange / "lab-b" / "log")
    assert run.beacon() == began
    path = next((run.folder.root / "releases").iterdir())
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(CannotTell, match="desk-damaged"):
        run.beacon()


# --- the verb ------------------------------------------------------------------------------------


def test_release_when_given_twice_then_each_run_is_released_once_with_the_cosigned_size(labs, capsys):
    desk, run = labs.desks["lab-b"], labs.runs["lab-a"]
    said = typed(capsys, "release", "--desk", desk.root, "--json")
    row = json.loads(said.out)
    assert (said.code, row["run"], row["party"], row["new"]) == (0, run.id, "lab-a", True)
    said = typed(capsys, "release", run.id[:12], "--desk", desk.root)
    assert (said.code, said.out) == (0, run.id + "\n")
    assert "before" in said.err
    [made] = releases_of(labs, "lab-b")
    assert (made.run, made.sealed, made.size) == (run.id, [], 2)


def test_release_when_two_runs_begin_then_their_beacons_differ(tmp_path):
    labs = meet(tmp_path, 3, releasers='["lab-c"]')
    register_all(labs)
    release(labs.desks["lab-c"], labs.agreed(), None)
    made = releases_of(labs, "lab-c")
    assert len({one.beacon for one in made}) == len(made) == 2
    assert releases_of(labs, "lab-a") == []


def test_release_when_the_registration_is_not_cosigned_then_nothing_is_logged(tmp_path, capsys):
    labs = meet(tmp_path, releasers=BOTH)
    desk = labs.desks["lab-b"].root
    labs.witness_all()
    assert "no registered run" in typed(capsys, "release", "--desk", desk).err
    assert typed(capsys, "run", "--desk", labs.desks["lab-a"].root).error == "R-4.unwitnessed"
    assert "detente witness" in refused(capsys, 4, "R-2.unseen", "release", "--desk", desk).err
    assert releases_of(labs, "lab-b") == []
    assert typed(capsys, "witness", "--desk", desk).code == 0
    assert typed(capsys, "release", "--desk", desk).code == 0
    assert len(releases_of(labs, "lab-b")) == 1


def test_release_when_words_do_not_fit_then_it_is_told(labs, stories, capsys):
    refused(capsys, 2, "R-2.no-run", "release", "ffff0000", "--desk", labs.desks["lab-b"].root)
    refused(capsys, 2, "R-2.not-releaser", "release", "--desk", stories.at("signed").desks["lab-b"].root)


def test_release_when_one_log_is_broken_then_the_others_are_released_all_the_same(tmp_path, capsys):
    labs = meet(tmp_path, 3, releasers='["lab-c"]')
    register_all(labs)
    shutil.rmtree(labs.exchange / "lab-a" / "log")
    said = typed(capsys, "release", "--desk", labs.desks["lab-c"].root)
    assert (said.code, said.error) == (4, "file-missing")
    assert [one.run for one in releases_of(labs, "lab-c")] == [labs.runs["lab-b"].id]


@pytest.mark.parametrize("wrote", [False, True], ids=["before", "after"])
def test_release_when_the_disk_fails_on_the_way_into_the_log_then_the_same_bytes_go_in_later(labs, monkeypatch, wrote):
    """The failing write is the log's bundle of entries: by then the envelope is durable in pending/ (L-5)."""
    desk, plan, write = labs.desks["lab-b"], labs.agreed(), Folder._write
    failed = []

    def failing(folder: Folder, path: str, raw: bytes, *, sync: bool = True) -> None:
        if path.startswith("tile/entries") and not failed:
            failed.append(path)
            if wrote:
                write(folder, path, raw, sync=sync)
            raise OSError(28, "no space left")
        write(folder, path, raw, sync=sync)

    monkeypatch.setattr(Folder, "_write", failing)
    with pytest.raises(OSError, match="no space"):
        release(desk, plan, None)
    [waiting] = [path for path in (desk.root / "pending").iterdir() if len(path.name) == 64]
    kept = waiting.read_bytes()
    rows = release(desk, plan, None)
    assert [(row.run, row.new) for row in rows] == [(labs.runs["lab-a"].id, False)]
    assert own_log(desk, plan).entries[-1] == kept
    assert len(releases_of(labs, "lab-b")) == 1


def test_board_when_runs_were_released_then_it_shows_them(labs, capsys):
    release_all(labs)
    said = typed(capsys, "board", labs.exchange, "--plan", labs.agreed().id, "--json")
    rows = {row["party"]: row for row in map(json.loads, said.out.splitlines())}
    assert [rows[name]["release"]["n"] for name in labs.desks] == [1, 1]


def test_draft_when_it_names_releasers_then_the_plan_has_them(labs, tmp_path, capsys):
    assert labs.agreed().plan.section("core").releasers == ["lab-a", "lab-b"]
    root = tmp_path / "again"
    root.mkdir()
    draft = (labs.root / "plan.toml").read_text("utf-8")
    for bad, error in (
        (draft.replace("[releasers]\ncore", "[releasers]\nannex-lab-a"), "no-section"),
        (draft.replace(BOTH, '["lab-z"]'), "P-1.unknown"),
        (draft.replace(BOTH, '"lab-a"'), "draft-shape"),
    ):
        (root / "plan.toml").write_text(bad, "utf-8")
        words = ["plan", "new", root / "plan.toml", "--card", labs.desks["lab-b"].root / "card.json"]
        refused(capsys, 2, error, *words, "--desk", labs.desks["lab-a"].root)
