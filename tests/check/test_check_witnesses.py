# SPDX-License-Identifier: Apache-2.0
"""How many others must hold a log: 20 labs with a quorum of 7, and what is left of the facts where nobody holds it."""

import shutil
from pathlib import Path

import pytest

from detente.check.forks import find_forks
from detente.check.verify import verify
from detente.desk.lies import rewrite_log
from detente.errors import NotVerified
from detente.tlog.folder import Folder
from detente.wire.digests import sha256
from detente.wire.merkle import hash_leaves, root
from detente.wire.note import Checkpoint, sign_checkpoint
from kit.paper import NOON, Paper
from kit.typed import typed


def _played(paper: Paper, register_by: list[str], conclude_by: list[str]) -> str:
    """One run of lab-a: accepted by all, and witnessed after registration and conclusion by these labs."""
    paper.accept_all()
    run = paper.register()
    notes = [paper.witness(by, "lab-a", NOON + n) for n, by in enumerate(register_by)]
    paper.conclude(run, notes=notes)
    paper.score_all(run)
    for n, by in enumerate(conclude_by):
        paper.witness(by, "lab-a", NOON + 100 + n)
    return run


@pytest.mark.parametrize(("n", "seen"), [(6, "no"), (7, "yes"), (19, "yes")])
def test_twenty_labs_with_quorum_7_when_so_many_witness_then_the_run_is_seen_or_not(
    tmp_path: Path, n: int, seen: str
) -> None:
    paper = Paper(tmp_path, n_labs=20, quorum=7)
    others = list(paper.labs)[1:]
    _played(paper, others[:n], others[-n:])  # not the same ones: a quorum is counted for each entry (L-3)
    verified = paper.verify()
    row = verified.numbers().result["runs"][0]  # type: ignore[index]
    assert row["facts"]["seen"]["holds"] == seen
    assert len(row["facts"]["seen"]["by"]) == n
    assert row["facts"]["seen"]["needed"] == 7
    assert row["counted"] is (seen == "yes")
    assert len(verified.histories) == 20
    assert "lab-b" in verified.unanchored()  # nobody looked at the logs of those who only accepted
    assert ("lab-a" in verified.unanchored()) is (n * 2 < 7)


def test_twenty_labs_when_one_log_forks_towards_one_of_19_witnesses_then_that_log_is_named(tmp_path: Path) -> None:
    paper = Paper(tmp_path, n_labs=20, quorum=7)
    others = list(paper.labs)[1:]
    _played(paper, others, others)
    paper.witness_all(NOON + 200)
    exchange = paper.save()
    assert find_forks(Folder(exchange), paper.plan)[0] == []
    assert paper.verify().unanchored() == []
    owner = paper.labs["lab-f"]
    other = Checkpoint(owner.origin, 1, root(hash_leaves([b"another history"])).hex())
    note = sign_checkpoint(other, owner.keys["log"])
    fork = exchange / "lab-q" / "mirror" / sha256(owner.origin.encode()) / "fork"
    fork.mkdir()
    (fork / sha256(note)).write_bytes(note)
    [found], n = find_forks(Folder(exchange), paper.plan)
    assert (found.party, found.one.head.size, found.begun) == ("lab-f", 1, None)
    assert n > 20
    with pytest.raises(NotVerified, match=r"L-2\.two-histories"):
        verify(exchange, paper.plan.id)


def test_plan_of_one_lab_when_nobody_else_exists_then_it_is_unanchored_and_claims_nothing_that_rests_on_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything of it could have been written this morning."""
    paper = Paper(tmp_path, n_labs=1)
    assert paper.plan.plan.quorum == 0
    paper.accept_all()
    run = paper.register()
    paper.conclude(run)
    paper.score_all(run)
    verified = paper.verify()
    row = verified.numbers().result["runs"][0]  # type: ignore[index]
    facts = row["facts"]
    assert {name: fact["holds"] for name, fact in facts.items()} == {
        "agreed": "yes", "seen": "no", "complete": "yes", "checked": "no", "repeated": "no", "attested": "no",
    }  # fmt: skip
    assert facts["agreed"]["at"] is None
    assert row["endSeen"] is None
    assert not row["counted"]
    assert "witnesses" in row["missing"]
    assert verified.unanchored() == ["lab-a"]
    said = typed(capsys, "verify", paper.root, "--plan", paper.plan.id)
    assert said.code == 0  # the plan asks for no witness, and the last sentence says what that is worth
    assert "UNANCHORED: a self-check" in said.out
    assert '"status": "self-check"' in typed(capsys, "verify", paper.root, "--plan", paper.plan.id, "--json").out


@pytest.mark.parametrize("stage", ["signed", "registered", "published", "audited", "closed"])
def test_exchange_when_all_mirrors_are_taken_out_then_verify_never_says_verified(
    stories, capsys, tmp_path, stage
) -> None:
    labs = stories.at(stage)
    copy = shutil.copytree(labs.exchange, tmp_path / "exchange")
    for name in labs.desks:
        shutil.rmtree(copy / name / "mirror", ignore_errors=True)
    for lang in ("en", "zh"):
        said = typed(capsys, "verify", copy, "--plan", labs.agreed().id, lang=lang)
        assert said.code == 4
        assert said.error in {"unanchored-log", "R-4.note"}
    if said.error == "unanchored-log":
        rows = verify(copy, labs.agreed().id).numbers().result["runs"]
        assert all(row["facts"]["seen"]["holds"] == "no" and not row["counted"] for row in rows)
        assert all(row["endSeen"] is None and row["facts"]["agreed"]["at"] is None for row in rows)


def test_exchange_when_a_bad_run_and_all_mirrors_are_taken_out_together_then_nothing_is_verified(
    stories, capsys, tmp_path
) -> None:
    """The dropped run again, by one who also takes away what would show it: this used to end with 0."""
    labs = stories.at("closed")
    copy = shutil.copytree(labs.exchange, tmp_path / "exchange")
    for name, desk in labs.desks.items():
        shutil.rmtree(copy / name / "mirror")
        shutil.rmtree(copy / name / "runs")
        rewrite_log(copy, desk, labs.agreed(), lambda entries: entries[:1])
    said = typed(capsys, "verify", copy, "--plan", labs.agreed().id)
    assert (said.code, said.error) == (4, "unanchored-log")
