# SPDX-License-Identifier: Apache-2.0
"""A lone run: what it shows, what it does not, and that its steps are those of an exchange (F-12); damage and lies are in vectors/lone.json."""

import json
import zipfile
from pathlib import Path

import pytest

from detente.check.lone import verify_lone
from detente.desk.lone import laid_open, pack_lone
from detente.desk.runs import own_engine, pick_test, register_run
from detente.errors import CannotTell, NotVerified, WrongUsage
from kit.labs import Labs, meet, publish_one, run_one, supersede


def packed(labs: Labs, out: Path, name: str = "lab-a") -> Path:
    pack_lone(labs.verify(), labs.runs[name].id, out)
    return out


def test_lone_run_when_it_is_honest_then_it_is_complete_and_nothing_more(stories, tmp_path):
    labs = stories.at("closed")
    file = packed(labs, tmp_path / "run.zip")
    told = []
    with laid_open(file) as folder:
        lone = verify_lone(folder, labs.agreed().id, told=told.append)
        assert folder.names() == sorted([*folder.names("lab-a"), "run.json"])
    assert [step.name for step in told] == ["V-1", "V-2", "V-3", "V-5", "V-6", "V-7", "V-8"]
    run = next(run for run in labs.verify().runs if run.id == lone.run.id)
    assert lone.run.bundle == run.bundle
    assert [s.counts for s in lone.run.scorings] == [s.counts for s in run.scorings]
    assert (lone.run.attempt, lone.run.audits, lone.run.releases) == (0, [], [])
    assert [one.entry.statement.kind for one in lone.held] == ["register", "conclude", "score", "score"]
    assert (lone.unanchored(), lone.unlawful, lone.not_part) == ([], None, [])
    assert not folder.root.exists(), "something stayed behind"


def test_lone_run_when_witnesses_saw_it_then_their_times_are_those_of_the_exchange(stories, tmp_path):
    labs = stories.at("audited", 3)
    verified = labs.verify()
    with laid_open(packed(labs, tmp_path / "run.zip", "lab-b")) as folder:
        held = verify_lone(folder, labs.agreed().id).held
    for entry, by in held:
        history = verified.histories[entry.party]
        assert by == history.first_seen(entry.index, history.view.size, None)
        assert by.keys() == {"lab-a", "lab-c"}


def test_lone_run_when_packed_twice_then_the_bytes_are_the_same(stories, tmp_path):
    labs = stories.at("published")
    first, second = (packed(labs, tmp_path / name).read_bytes() for name in ("1.zip", "2.zip"))
    assert first == second


def test_lone_run_when_nobody_cosigned_its_end_then_it_is_unanchored(stories, tmp_path):
    labs = stories.at("concluded").moved(tmp_path / "labs")
    publish_one(labs, "lab-a")
    with laid_open(packed(labs, tmp_path / "run.zip")) as folder:
        lone = verify_lone(folder, labs.agreed().id)
    assert [(one.entry.statement.kind, one.by) for one in lone.unanchored()] == [
        ("conclude", {}), ("score", {}), ("score", {}),
    ]  # fmt: skip


def test_lone_run_when_it_never_concluded_then_none_is_made(stories, tmp_path):
    labs = stories.at("registered")
    with pytest.raises(CannotTell) as caught:
        packed(labs, tmp_path / "run.zip")
    assert caught.value.code == "lone-not-concluded"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("prefix", ["", "zz", "0" * 64])
def test_lone_run_when_no_run_has_that_id_then_the_runs_are_named(stories, tmp_path, prefix):
    labs = stories.at("published")
    with pytest.raises(WrongUsage) as caught:
        pack_lone(labs.verify(), prefix, tmp_path / "run.zip")
    assert caught.value.code == "no-run-so"
    assert all(run.id[:16] in str(caught.value.expected) for run in labs.runs.values())


def test_lone_run_when_its_plan_superseded_another_then_the_chain_comes_with_it(tmp_path):
    labs = meet(tmp_path / "labs", items=1)
    labs.witness_all()
    supersede(labs)
    labs.witness_all()
    desk, plan = labs.desks["lab-a"], labs.agreed()
    labs.runs["lab-a"] = register_run(desk, plan, pick_test(desk, plan, None, "core"), own_engine())
    labs.witness_all()
    run_one(labs, "lab-a")
    publish_one(labs, "lab-a")
    labs.witness_all()
    with laid_open(packed(labs, tmp_path / "run.zip")) as folder:
        assert len([name for name in folder.names() if name.endswith("/plan.json")]) == 2
        lone = verify_lone(folder, plan.id)
        assert (lone.unanchored(), len(lone.plan.earlier)) == ([], 1)
        (folder.root / f"lab-a/plans/{plan.plan.supersedes.plan}/plan.json").unlink()
        with pytest.raises(CannotTell) as caught:
            verify_lone(folder, plan.id)
    assert caught.value.code == "plan-missing"


def test_lone_run_when_any_file_is_bent_or_cut_then_it_is_refused_or_left_open(stories, tmp_path):
    """Every file of it, one byte changed in the middle: never believed, never a crash."""
    labs = stories.at("published")
    file = packed(labs, tmp_path / "run.zip")
    with laid_open(file) as folder:
        for name in folder.names():
            path = folder.root / name
            raw = path.read_bytes()
            path.write_bytes(raw[: len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 1]) + raw[len(raw) // 2 + 1 :])
            with pytest.raises(NotVerified) as caught:
                verify_lone(folder, labs.agreed().id)
            assert caught.value.step, name
            path.write_bytes(raw[:-1])
            with pytest.raises(CannotTell):
                verify_lone(folder, labs.agreed().id)
            path.write_bytes(raw)
        verify_lone(folder, labs.agreed().id)


@pytest.mark.parametrize("name", ["../evil", "lone/../../evil", "lone/con/x", "lone/lab-a/a\\b", "/etc/evil"])
def test_lone_run_when_a_name_leads_elsewhere_then_nothing_is_laid_open(tmp_path, name):
    file = tmp_path / "run.zip"
    with zipfile.ZipFile(file, "w") as opened:
        opened.writestr("lone/run.json", b"{}")
        opened.writestr(name, b"evil")
    with pytest.raises(CannotTell) as caught, laid_open(file):
        pass
    assert caught.value.code in {"pack-name", "B-5.id"}


def test_lone_run_when_it_unfolds_to_too_much_then_it_is_not_read(tmp_path):
    file = tmp_path / "run.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("lone/run.json", b"{}")
    raw = file.read_bytes()
    at = raw.rindex(b"PK\1\2") + 24  # the size that the directory claims
    file.write_bytes(raw[:at] + (2**31 - 1).to_bytes(4, "little") + raw[at + 4 :])
    with pytest.raises(CannotTell) as caught, laid_open(file):
        pass
    assert caught.value.code == "pack-limit"


def test_lone_run_when_its_entries_are_read_by_hand_then_the_run_is_the_digest_of_the_first(stories, tmp_path):
    from hashlib import sha256

    labs = stories.at("published")
    with zipfile.ZipFile(packed(labs, tmp_path / "run.zip")) as opened:
        said = json.loads(opened.read("lone/run.json"))
    assert sha256(said["entries"][0]["envelope"].encode()).hexdigest() == said["run"] == labs.runs["lab-a"].id
