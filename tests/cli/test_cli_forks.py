# SPDX-License-Identifier: Apache-2.0
"""A log in trouble: two histories shown in plain words, a lost log restored, a desk from an old backup that must not fork."""

import json
import shutil
from pathlib import Path

import pytest

from detente.desk.audits import answer_all, ask
from detente.desk.keys import load_desk, log_entry, own_log, sign_statement
from detente.desk.lies import rewrite_log
from detente.desk.logs import witness
from detente.desk.runs import own_engine, register_run, runs_of
from detente.desk.succession import new_keys
from detente.errors import CannotTell, NotVerified, WrongUsage
from detente.evidence.statements import Accept
from detente.wire.digests import sha256
from detente.wire.keys import SigningKey
from detente.wire.note import Checkpoint, sign_checkpoint
from kit.labs import Labs, meet, publish_one, register_all, run_one, supersede
from kit.typed import refused, typed


def _mirror(labs: Labs, by: str, of: str) -> Path:
    return labs.exchange / by / "mirror" / sha256(labs.agreed().plan.party(of).log.origin.encode())


def _grow(labs: Labs, name: str, text: str) -> None:
    """One more entry in a lab's log: it counts for nothing, and it is bytes all the same."""
    desk = labs.desks[name]
    log_entry(
        desk,
        labs.agreed(),
        sign_statement(desk, "accept", [(text, sha256(text.encode()))], Accept(party=name, plan=labs.agreed().id)),
    )


def _forked(labs: Labs, edit: str) -> Path:
    """lab-a shows lab-b another history; the exchange as lab-b then has it, with the proof in its mirror."""
    plan, desk = labs.agreed(), labs.desks["lab-a"]
    true = labs.root / "true-log"
    shutil.copytree(labs.exchange / "lab-a" / "log", true)
    edits = {
        "same": lambda entries: entries[::-1],
        "longer": lambda entries: [*reversed(entries), b"one more"],
        "shorter": lambda entries: [entries[1]],
    }
    rewrite_log(labs.exchange, desk, plan, edits[edit])
    [row] = [row for row in witness(labs.desks["lab-b"], plan) if row.party == "lab-a"]
    assert row.trouble is not None
    assert row.trouble.code == "L-2.fork"
    shutil.rmtree(labs.exchange / "lab-a" / "log")
    shutil.copytree(true, labs.exchange / "lab-a" / "log")
    return _mirror(labs, "lab-b", "lab-a") / "fork"


@pytest.mark.parametrize("edit", ["same", "longer", "shorter"])
def test_fork_when_the_owner_puts_its_log_back_then_the_mirror_still_proves_it_to_anyone(
    stories, capsys, tmp_path, edit
):
    labs = stories.at("registered").moved(tmp_path)
    fork, plan = _forked(labs, edit), labs.agreed()
    said = typed(capsys, "fork", "show", labs.exchange, "--plan", plan.id)
    assert said.code == 3
    assert "therefore lab-a showed two histories" in said.out
    assert (
        "lab-a 为其日志出示了两份不同的历史"
        in typed(capsys, "fork", "show", labs.exchange, "--plan", plan.id, lang="zh").out
    )
    # the files alone, and the log key from the plan, convince a third party as well
    files = [path for path in sorted(fork.iterdir()) if edit != "same" or path.suffix != ".proof"]
    assert len(files) == (2 if edit == "same" else 3)
    alone = tmp_path / "alone"
    alone.mkdir()
    handed = [shutil.copy(path, alone) for path in files]
    key = plan.plan.party("lab-a").log.key
    said = typed(capsys, "fork", "show", *handed, "--key", key, "--json")
    row = json.loads(said.out)
    assert (said.code, row["fork"], row["party"]) == (3, True, plan.plan.party("lab-a").log.origin)
    assert (row["proof"] is None) == (edit == "same")
    # verify finds the same, although log and notes agree again
    with pytest.raises(NotVerified) as caught:
        labs.verify()
    assert (caught.value.step, caught.value.code, caught.value.fields["party"]) == ("V-2", "L-2.two-histories", "lab-a")
    # and its owner can sign nothing more: it holds one history, and others a head of another
    signed = own_log_raw(labs)
    with pytest.raises(NotVerified, match=r"L-6\.ahead" if edit == "longer" else r"L-6\.fork"):
        _grow(labs, "lab-a", "goes on")
    refused(
        capsys,
        *((4, "restore-behind") if edit == "longer" else (3, "L-6.fork")),
        "restore",
        "--desk",
        labs.desks["lab-a"].root,
    )
    assert own_log_raw(labs) == signed


def own_log_raw(labs: Labs) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (labs.exchange / "lab-a" / "log").rglob("*") if path.is_file()}


def test_fork_when_the_exchange_itself_holds_two_histories_then_they_are_found_without_any_proof_file(
    stories, capsys, tmp_path
):
    labs = stories.at("registered").moved(tmp_path)
    rewrite_log(labs.exchange, labs.desks["lab-a"], labs.agreed(), lambda entries: [*reversed(entries), b"one more"])
    said = typed(capsys, "fork", "show", labs.exchange, "--plan", labs.agreed().id)
    assert said.code == 3
    assert "lab-a/log/tile" in said.out


def test_fork_when_there_is_none_then_it_says_how_many_heads_agree(stories, capsys):
    labs = stories.at("closed")
    said = typed(capsys, "fork", "show", labs.exchange, "--plan", labs.agreed().id)
    assert said.code == 0
    assert said.out.startswith("no fork: ")
    assert (
        json.loads(typed(capsys, "fork", "show", labs.exchange, "--plan", labs.agreed().id, "--json").out)["heads"] > 4
    )
    refused(capsys, 4, "unanchored", "fork", "show", labs.exchange)


def test_fork_when_files_prove_nothing_then_nobody_is_accused(stories, capsys, tmp_path):
    labs = stories.at("closed")
    key, other = (labs.agreed().plan.party(name).log.key for name in ("lab-a", "lab-b"))
    notes = sorted((_mirror(labs, "lab-b", "lab-a") / "notes").iterdir())
    refused(capsys, 4, "fork-unproved", "fork", "show", notes[0], notes[1], "--key", key)
    refused(capsys, 4, "fork-unsigned", "fork", "show", notes[0], notes[1], "--key", other)
    assert typed(capsys, "fork", "show", notes[0], notes[0], "--key", key).code == 0
    refused(capsys, 2, "cli-missing", "fork", "show", notes[0], notes[1])
    refused(capsys, 2, "bad-log-key", "fork", "show", notes[0], "--key", "ab")
    refused(capsys, 2, "no-such-file", "fork", "show", tmp_path / "none", "--key", key)
    # the name of another's log under a key of one's own: two heads that contradict each other, and nobody to blame
    thief, origin = SigningKey(b"t" * 32), labs.agreed().plan.party("lab-a").log.origin
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(sign_checkpoint(Checkpoint(origin, 2, sha256(name.encode())), thief))
    refused(capsys, 4, "fork-unsigned", "fork", "show", tmp_path / "one", tmp_path / "two", "--key", thief.public)
    forged = tmp_path / "forged.proof"
    forged.write_bytes(b"root 1 " + b"A" * 43 + b"=\n\n" + notes[1].read_bytes())
    refused(capsys, 4, "fork-unsigned", "fork", "show", forged, "--key", key)


def test_fork_folder_when_what_lies_in_it_proves_nothing_then_verify_passes_and_lists_it(stories, tmp_path):
    """One note alone, a note of another key, a broken proof: no accusation, and no way to stop a verification."""
    labs = stories.at("published").moved(tmp_path)
    mirror = _mirror(labs, "lab-b", "lab-a")
    note = (mirror / "checkpoint").read_bytes()
    (mirror / "fork").mkdir()
    (mirror / "fork" / sha256(note)).write_bytes(note)
    (mirror / "fork" / ("0" * 64)).write_bytes((_mirror(labs, "lab-a", "lab-b") / "checkpoint").read_bytes())
    (mirror / "fork" / ("1" * 64 + ".proof")).write_bytes(b"root 1 nonsense\n\n" + note)
    listed = labs.verify().not_part
    assert len([path for path in listed if "/fork/" in path]) == 3


# --- restore -----------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["all", "truncated"])
def test_restore_when_the_log_is_lost_then_it_is_what_it_was_and_verify_passes(stories, capsys, tmp_path, lost):
    labs = stories.at("published").moved(tmp_path)
    log = labs.exchange / "lab-a" / "log"
    before = {path.relative_to(log): path.read_bytes() for path in log.rglob("*") if path.is_file()}
    if lost == "all":
        shutil.rmtree(log)
    else:
        rewrite_log(labs.exchange, labs.desks["lab-a"], labs.agreed(), lambda entries: entries[:2])
    desk = labs.desks["lab-a"].root
    said = refused(capsys, 3, "L-6.ahead", "publish", "--desk", desk)
    assert "detente restore" in said.err
    said = typed(capsys, "restore", "--desk", desk)
    assert (said.code, "from the mirror of lab-b" in said.err) == (0, True)
    assert {path.relative_to(log): path.read_bytes() for path in log.rglob("*") if path.is_file()} == before
    assert typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id).code == 0
    said = typed(capsys, "restore", "--desk", desk, "--json")
    size = own_log(labs.desks["lab-a"], labs.agreed()).size
    assert json.loads(said.out) == {"adopted": [], "before": size, "from": None, "lost": [], "size": size}


def test_desk_when_all_of_it_comes_from_an_old_backup_then_it_signs_nothing_until_restored_and_names_what_is_lost(
    stories, capsys, tmp_path
):
    """Desk and own folder as they were before the run was registered: the likeliest way to fork one's own log."""
    now = stories.at("published").moved(tmp_path / "now")
    plan = now.agreed()
    run = now.runs["lab-a"].id
    backup = now.root / "desks" / "lab-a"
    for path in (backup / "runs", backup / "pending", now.exchange / "lab-a" / "runs"):
        shutil.rmtree(path, ignore_errors=True)
    rewrite_log(now.exchange, load_desk(backup), plan, lambda entries: entries[:1])
    signed = {path: path.read_bytes() for path in now.exchange.rglob("*") if path.is_file()}
    for words in (("run",), ("publish",), ("audit", "answer"), ("audit", "ask"), ("close",)):
        said = typed(capsys, *words, "--desk", backup)
        assert (said.code, said.error) == (3, "L-6.ahead"), words
    assert {path: path.read_bytes() for path in now.exchange.rglob("*") if path.is_file()} == signed
    said = typed(capsys, "restore", "--desk", backup)
    assert said.code == 0
    assert f"run {run[:16]} is lost" in said.err
    said = typed(capsys, "status", "--desk", backup)
    assert f"run {run[:16]}" in said.out
    assert "lost: its key is not on this desk" in said.out
    refused(capsys, 4, "desk-behind", "publish", "--desk", backup)
    refused(capsys, 2, "R-1.attempts", "run", "--desk", backup)
    assert own_log(load_desk(backup), plan).size == 5


def test_run_when_its_key_is_lost_and_an_attempt_is_left_then_another_is_registered_and_the_lost_one_stays(tmp_path):
    labs = meet(tmp_path, max_runs=2)
    register_all(labs)
    desk, plan = labs.desks["lab-a"], labs.agreed()
    first = labs.runs["lab-a"]
    (desk.root / "runs" / first.id / "key").unlink()
    with pytest.raises(CannotTell, match="desk-behind"):
        register_run(desk, plan, first.test, own_engine())
    second = register_run(desk, plan, first.test, own_engine(), again=True)
    assert second.id != first.id
    assert [run.id for run in runs_of(desk, plan)] == [first.id, second.id]
    (desk.root / "runs" / second.id / "key").unlink()
    with pytest.raises(WrongUsage, match=r"R-1\.attempts"):
        register_run(desk, plan, first.test, own_engine(), again=True)


def test_answer_when_the_key_of_one_run_is_lost_then_the_other_run_is_shown_all_the_same(tmp_path):
    labs = meet(tmp_path, max_runs=2)
    register_all(labs)
    desk, plan, first = labs.desks["lab-a"], labs.agreed(), labs.runs["lab-a"]
    for again in (False, True):
        if again:
            labs.runs["lab-a"] = register_run(desk, plan, first.test, own_engine(), again=True)
            labs.witness_all()
        run_one(labs, "lab-a")
        publish_one(labs, "lab-a")
    labs.witness_all()
    assert len(ask(labs.desks["lab-b"], plan, None)) == 2
    labs.witness_all()
    (desk.root / "runs" / first.id / "key").unlink()
    with pytest.raises(CannotTell, match="desk-behind"):
        answer_all(desk, plan)
    opened = {run.id: run.audits[0].opening is not None for run in labs.verify().runs if run.audits}
    assert opened == {first.id: False, labs.runs["lab-a"].id: True}


def test_restore_when_nobody_holds_the_log_then_it_says_so_and_changes_nothing(stories, capsys, tmp_path):
    labs = stories.at("signed").moved(tmp_path)
    shutil.rmtree(labs.exchange / "lab-a" / "log")
    shutil.rmtree(labs.exchange / "lab-b" / "mirror", ignore_errors=True)
    refused(capsys, 4, "restore-none", "restore", "--desk", labs.desks["lab-a"].root)
    assert not (labs.exchange / "lab-a" / "log").exists()


def test_restore_when_one_mirror_is_damaged_then_another_serves_and_the_damage_is_told(stories, capsys, tmp_path):
    labs = stories.at("published", 5).moved(tmp_path)
    tile = next((_mirror(labs, "lab-b", "lab-a") / "tile" / "0").rglob("[0-9]*.p/*"))
    tile.write_bytes(bytes(len(tile.read_bytes())))
    shutil.rmtree(labs.exchange / "lab-a" / "log")
    said = typed(capsys, "restore", "--desk", labs.desks["lab-a"].root)
    assert said.code == 0
    assert "from the mirror of lab-c" in said.err
    assert said.error == "L-1.tile"


def test_restore_when_the_desk_is_from_a_backup_then_what_it_has_no_copy_of_is_named_and_taken_as_its_own(
    stories, capsys, tmp_path
):
    labs = stories.at("registered").moved(tmp_path)
    desk, log = labs.desks["lab-a"], labs.exchange / "lab-a" / "log"
    backup = tmp_path / "backup"
    shutil.copytree(desk.root / "signed", backup)
    run_one(labs, "lab-a")
    publish_one(labs, "lab-a")
    labs.witness_all()
    shutil.rmtree(log)
    shutil.rmtree(desk.root / "signed")
    shutil.copytree(backup, desk.root / "signed")
    said = typed(capsys, "restore", "--desk", desk.root)
    assert said.code == 0
    assert "3 entries that this desk had no copy of (conclude, score; from entry 2 to 4)" in said.err
    assert typed(capsys, "status", "--desk", desk.root).code == 0
    assert "had no copy" not in typed(capsys, "restore", "--desk", desk.root).err


def test_restore_when_the_log_is_of_a_later_key_then_it_comes_back_where_it_was(stories, capsys, tmp_path):
    labs = stories.at("registered").moved(tmp_path)
    desk = labs.desks["lab-a"]
    new_keys(desk, ["log", "witness"])
    supersede(labs)
    labs.witness_all()
    (log,) = (labs.exchange / "lab-a").glob("log-*")
    before = {path.relative_to(log): path.read_bytes() for path in log.rglob("*") if path.is_file()}
    shutil.rmtree(log)
    assert typed(capsys, "restore", "--desk", desk.root).code == 0
    assert {path.relative_to(log): path.read_bytes() for path in log.rglob("*") if path.is_file()} == before
    for plan in (labs.agreed(), *labs.agreed().earlier):
        assert typed(capsys, "verify", labs.exchange, "--plan", plan.id).code == 0
    assert typed(capsys, "fork", "show", labs.exchange, "--plan", labs.agreed().id).code == 0
