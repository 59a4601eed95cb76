# SPDX-License-Identifier: Apache-2.0
"""Neutral observers: a desk that only witnesses, counted or not, and what it makes of one lab alone."""

import json
import shutil
from pathlib import Path

import pytest

from detente.desk.keyring import PASSPHRASE
from detente.desk.keys import Desk, load_desk, make_card, make_desk
from detente.desk.logs import board, witness
from detente.desk.packing import report_files
from detente.desk.plans import new_plan, sign_plan
from detente.report.result import joint_of
from kit.labs import DRAFT, Labs, close_all, publish_one, register_all, run_one
from kit.labs import ModelEntry as Entry
from kit.typed import refused, typed


def observer_desk(root: Path, name: str = "eye") -> Desk:
    titles = {"en": name.title(), "zh-Hans": "观察所"}
    desk = make_desk(
        root / "desks" / name, name, titles, f"https://{name}.example/w", root / "exchange", [], observer=True
    )
    make_card(desk)
    return desk


def meet_watched(
    root: Path, more: str, parties: tuple[str, ...] = ("lab-a",), observers: tuple[str, ...] = ("eye",)
) -> Labs:
    """Labs that agree on a plan with observers; ``more`` stands on top of the draft."""
    desks = {}
    for name in parties:
        entry = Entry(f"m-{name}", "python:kit.labs:scripted", {"en": name, "zh-Hans": name}, None, None)
        titles = {"en": name, "zh-Hans": "实验室"}
        desks[name] = make_desk(
            root / "desks" / name, name, titles, f"https://{name}.example/d", root / "exchange", [entry]
        )
        make_card(desks[name])
    for name in observers:
        observer_desk(root, name)
    tests = "\n".join(f'[[test]]\nparty = "{name}"\nsubject = "m-{name}"' for name in parties)
    roles = "\n".join(f'{name} = ["coordinates", "tests", "audits"]' for name in parties)
    draft = DRAFT.format(roles=roles, tests=tests, n=4, max_runs=1, closing=json.dumps(list(parties)))
    (root / "plan.toml").write_text(f"{more}\n{draft}", "utf-8")
    cards = [root / "desks" / name / "card.json" for name in (*parties[1:], *observers)]
    labs = Labs(root, desks, new_plan(desks[parties[0]], root / "plan.toml", cards).plan)
    for desk in desks.values():
        sign_plan(desk, labs.agreed())
    return labs


def _watch(labs: Labs, *eyes: str) -> None:
    for name in eyes:
        rows = witness(load_desk(labs.root / "desks" / name), labs.agreed())
        assert [row.trouble for row in rows] == [None] * len(rows)


def test_plan_of_one_lab_and_an_observer_when_played_then_the_run_counts_and_the_observer_is_named(tmp_path, capsys):
    labs = meet_watched(tmp_path, 'observers = ["eye"]')
    assert (labs.agreed().plan.quorum, labs.agreed().plan.observersCount) == (1, True)
    _watch(labs, "eye")
    register_all(labs)
    _watch(labs, "eye")
    run_one(labs, "lab-a")
    publish_one(labs, "lab-a")
    _watch(labs, "eye")
    close_all(labs)
    _watch(labs, "eye")
    said = typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id)
    assert said.code == 0, said
    assert "not part of it" not in said.err.replace("proposals", "")
    verified = labs.verify()
    row = verified.numbers().result["runs"][0]
    assert row["counted"], row["missing"]
    assert row["facts"]["agreed"]["holds"] == "yes"
    assert [one["witness"] for one in row["facts"]["seen"]["by"]] == ["eye"]
    assert verified.final
    pages = report_files(joint_of(verified))
    assert b"Eye" in pages["en.html"]
    assert "观察所".encode() in pages["zh.html"]
    said = typed(capsys, "board", labs.exchange, "--plan", labs.agreed().id)
    assert "eye looked" in said.out
    assert (
        typed(capsys, "board", labs.exchange, "--plan", labs.agreed().id, "--json").out.count('"observer": "eye"') == 1
    )
    said = typed(capsys, "plan", "show", labs.agreed().id[:12], "--desk", labs.desks["lab-a"].root)
    assert "observers (counted in the quorum): eye" in said.out


def test_observers_when_they_do_not_count_then_their_mirrors_are_checked_and_make_no_quorum(tmp_path, capsys):
    labs = meet_watched(tmp_path, 'observers = ["eye"]\nobservers_count = false', ("lab-a", "lab-b"))
    _watch(labs, "eye", "lab-b", "lab-a")
    register_all_of(labs, "eye")
    assert labs.verify().unanchored() == []
    shutil.rmtree(labs.exchange / "lab-b" / "mirror")
    shutil.rmtree(labs.exchange / "lab-a" / "mirror")
    verified = labs.verify()
    assert verified.unanchored() == ["lab-a", "lab-b"]
    assert [row["facts"]["seen"]["by"] for row in verified.numbers().result["runs"]] == [[], []]
    assert [row["facts"]["agreed"]["at"] for row in verified.numbers().result["runs"]] == [None, None]
    found = board(labs.exchange, labs.agreed().id)
    assert all(found.observers["eye"].values())
    assert all(cell.seen_at is None for row in found.rows.values() for cell in row.values())
    tile = next((labs.exchange / "eye" / "mirror").rglob("tile/0/000.p/*"))
    tile.write_bytes(bytes(len(tile.read_bytes())))
    said = typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id)
    assert (said.code, said.error) == (3, "L-1.tile")


def register_all_of(labs: Labs, *eyes: str) -> None:
    register_all(labs)
    _watch(labs, *eyes)


def test_quorum_of_two_when_only_one_observer_looked_then_the_run_waits_for_the_other(tmp_path, capsys):
    labs = meet_watched(tmp_path, 'observers = ["eye", "ear"]\nquorum = 2', observers=("eye", "ear"))
    register_all_of(labs, "eye")
    desk = labs.desks["lab-a"].root
    said = typed(capsys, "run", "--desk", desk, "--wait", "0s")
    assert (said.code, said.error) == (4, "R-4.unwitnessed")
    assert "owing: ear" in said.err
    said = typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id)
    assert (said.code, said.error) == (4, "unanchored-log")
    _watch(labs, "ear")
    assert typed(capsys, "run", "--desk", desk).code == 0
    assert typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id).code == 0


def test_observer_desk_when_typed_then_it_has_one_key_and_one_verb(tmp_path, capsys):
    labs = meet_watched(tmp_path, 'observers = ["eye"]')
    eye = tmp_path / "desks" / "eye"
    assert sorted(path.name for path in (eye / "keys").iterdir()) == ["witness.key"]
    assert sorted(json.loads((eye / "card.json").read_bytes())) == ["id", "name", "witness"]
    assert (tmp_path / "exchange" / "eye" / ".gitattributes").exists()
    refused(capsys, 2, "no-plan", "witness", "--desk", eye)
    plan = labs.agreed().id
    said = typed(capsys, "witness", "--desk", eye, "--plan", plan)
    assert (said.code, "witnessed the log of lab-a" in said.err) == (0, True)
    assert typed(capsys, "witness", "--desk", eye).code == 0  # it remembers the plan that it was given
    for words in (("plan", "sign", plan[:8]), ("run",), ("publish",), ("close",), ("restore",), ("status",)):
        refused(capsys, 2, "observer-only", *words, "--desk", eye)
    again = typed(capsys, "init", "eye", "--observer", "--desk", eye)
    assert again.code == 0
    refused(capsys, 2, "desk-differs", "init", "lab-a", "--observer", "--desk", labs.desks["lab-a"].root)


def test_desk_with_a_lab_s_witness_key_alone_when_it_witnesses_then_it_stands_for_that_lab(stories, tmp_path, capsys):
    """A lab's hourly job needs the witness key, and none of the keys that can speak for the lab."""
    labs = stories.at("signed").moved(tmp_path)
    job = tmp_path / "job"
    (job / "keys").mkdir(parents=True)
    shutil.copy(labs.desks["lab-b"].root / "keys" / "witness.key", job / "keys")
    home, names = "https://lab-b.example/detente", ("en=Lab-B", "zh-Hans=实验室B")
    made = typed(
        capsys, "init", "lab-b", "--observer", "--desk", job, "--exchange", labs.exchange, "--home", home,
        "--name", names[0], "--name", names[1],
    )  # fmt: skip
    assert made.code == 0
    said = typed(capsys, "witness", "--desk", job, "--plan", labs.agreed().id)
    assert (said.code, "witnessed the log of lab-a" in said.err) == (0, True)
    (job / "keys" / "witness.key").write_text("11" * 32)
    refused(capsys, 2, "other-key", "witness", "--desk", job)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ('observers = ["nobody"]', "no-card"),
        ('observers = ["eye"]\nquorum = 2', "P-1.quorum"),
        ('observers = ["eye", "eye"]', "P-1.twice"),
        ('observers = "eye"', "draft-shape"),
        ('observers = ["lab-a"]', "P-1.twice"),
    ],
)
def test_draft_when_its_observers_do_not_fit_then_it_is_refused(tmp_path, capsys, more, error):
    labs = meet_watched(tmp_path, 'observers = ["eye"]')
    draft = tmp_path / "other.toml"
    draft.write_text((tmp_path / "plan.toml").read_text("utf-8").replace('observers = ["eye"]', more), "utf-8")
    eye = tmp_path / "desks" / "eye" / "card.json"
    refused(capsys, 2, error, "plan", "new", draft, "--card", eye, "--desk", labs.desks["lab-a"].root)


def test_draft_when_an_observer_is_named_as_a_party_then_its_card_is_not_enough(tmp_path, capsys):
    labs = meet_watched(tmp_path, 'observers = ["eye"]')
    draft = tmp_path / "other.toml"
    text = (tmp_path / "plan.toml").read_text("utf-8").replace('observers = ["eye"]', "")
    draft.write_text(text.replace("[roles]", '[roles]\neye = ["observes"]'), "utf-8")
    eye = tmp_path / "desks" / "eye" / "card.json"
    refused(capsys, 2, "observer-card", "plan", "new", draft, "--card", eye, "--desk", labs.desks["lab-a"].root)


@pytest.mark.parametrize("count", ["true", "false"])
def test_observer_when_its_key_changes_then_both_plans_verify_and_it_goes_on_under_the_next(tmp_path, capsys, count):
    labs = meet_watched(tmp_path, f'observers = ["eye"]\nobservers_count = {count}', ("lab-a", "lab-b"))
    old, eye = labs.agreed(), tmp_path / "desks" / "eye"
    register_all(labs)
    _watch(labs, "eye")
    for _ in range(2):  # the same command twice is one change
        assert typed(capsys, "keys", "new", "--desk", eye).code == 0
    assert sorted(path.name for path in (eye / "keys").iterdir()) == ["witness-2.key", "witness.key"]
    refused(capsys, 2, "no-role", "keys", "new", "log", "--desk", eye)
    draft = tmp_path / "next.toml"
    draft.write_text((tmp_path / "plan.toml").read_text("utf-8").replace("A joint test", "The next one"), "utf-8")
    cards = [tmp_path / "desks" / name / "card.json" for name in ("lab-b", "eye")]
    labs.plan = new_plan(labs.desks["lab-a"], draft, cards, heads={}).plan
    assert labs.plan.plan.observers[0].witness != old.plan.observers[0].witness
    for desk in labs.desks.values():
        sign_plan(desk, labs.plan)
    labs.witness_all()
    assert typed(capsys, "witness", "--desk", eye, "--plan", labs.plan.id).code == 0
    assert load_desk(eye).plan_id() == labs.plan.id
    for plan in (labs.plan, old):
        said = typed(capsys, "verify", labs.exchange, "--plan", plan.id)
        assert said.code == 0, said.err
        assert "not part of it" not in said.err
    said = typed(capsys, "board", labs.exchange, "--plan", labs.plan.id)
    assert "eye looked" in said.out


def test_observer_when_its_key_is_under_a_passphrase_then_it_lies_nowhere_open_and_witnesses(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv(PASSPHRASE, "观察 eye")
    words = ["--home", "https://far.example/w", "--name", "en=Far", "--name", "zh-Hans=远处", "--observer"]
    words += ["--exchange", tmp_path / "exchange", "--desk", tmp_path / "far", "--passphrase"]
    assert typed(capsys, "init", "far", *words).code == 0
    assert [path.name for path in (tmp_path / "far" / "keys").iterdir()] == ["locked.age"]
    labs, eye = meet_watched(tmp_path, 'observers = ["eye"]'), tmp_path / "desks" / "eye"
    assert typed(capsys, "keys", "lock", "--desk", eye).code == 0
    assert [path.name for path in (eye / "keys").iterdir()] == ["locked.age"]
    assert typed(capsys, "witness", "--desk", eye, "--plan", labs.agreed().id).code == 0
    assert typed(capsys, "keys", "unlock", "--desk", eye).code == 0
    assert [path.name for path in (eye / "keys").iterdir()] == ["witness.key"]
