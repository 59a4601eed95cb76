# SPDX-License-Identifier: Apache-2.0
"""Closing: when a test may be called over, who joins whose numbers, and the note that shows a deadline to have passed."""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from detente.check.exchange import mirror_path, notes_of
from detente.desk import logs
from detente.desk.keys import own_log
from detente.wire.times import parse_time
from kit.labs import Labs
from kit.typed import refused, typed

DAY_S = 86_400


@pytest.fixture
def clock(monkeypatch) -> Iterator[Callable[[int], None]]:
    """Set the witnesses' clock: no other part of a lab needs one here."""
    now = [int(time.time())]

    class Clock:
        @staticmethod
        def time() -> float:
            return float(now[0])

    monkeypatch.setattr(logs, "time", Clock)
    return lambda at: now.__setitem__(0, at)


def deadline(labs: Labs) -> int:
    return parse_time(labs.agreed().plan.runs.deadline)


def desk(labs: Labs, name: str) -> list[object]:
    return ["--desk", labs.desks[name].root]


def notes(labs: Labs, by: str, of: str) -> list[str]:
    mirror = labs.exchange.joinpath(*mirror_path(by, labs.desks[of].me(labs.agreed()).log.origin))
    return sorted(path.name for path in (mirror / "notes").iterdir())


def witness(capsys, labs: Labs) -> None:
    for name in labs.desks:
        assert typed(capsys, "witness", *desk(labs, name)).code == 0


# --- open, unfinished, never begun ----------------------------------------------------------------


@pytest.mark.parametrize("stage", ["signed", "registered"])
def test_close_when_a_test_never_ended_then_only_a_note_from_after_the_deadline_opens_it(
    stories, capsys, tmp_path, clock, stage
):
    """One lab never registers, or registers and never concludes; the other must not wait for ever."""
    labs = stories.at(stage).moved(tmp_path)
    witness(capsys, labs)
    said = refused(capsys, 4, "F-11.open", "close", *desk(labs, "lab-a"))
    assert labs.agreed().plan.runs.deadline in said.err
    assert "lab-a/m-lab-a/core" in said.err

    clock(deadline(labs) - 5)
    witness(capsys, labs)
    refused(capsys, 4, "F-11.open", "close", *desk(labs, "lab-a"))
    assert [len(notes(labs, "lab-b", "lab-a"))] == [1], "a log that has not grown is not cosigned again for nothing"

    clock(deadline(labs) + 5)
    refused(capsys, 4, "F-11.open", "close", *desk(labs, "lab-a"))  # a clock alone is no evidence
    witness(capsys, labs)
    witness(capsys, labs)
    assert len(notes(labs, "lab-b", "lab-a")) == 2, "once more, and not again"
    for name in labs.desks:
        assert typed(capsys, "close", *desk(labs, name)).code == 0
    said = typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id)
    assert said.code == 0
    assert "final" in said.out.splitlines()[-1]
    out = tmp_path / "report"
    assert typed(capsys, "report", labs.exchange, "--plan", labs.agreed().id, "--out", out).code == 0
    result = json.loads((out / "result.json").read_bytes())
    assert {row["end"] for row in result["runs"]} == (set() if stage == "signed" else {"unfinished"})
    assert result["rates"] == []


def test_close_when_one_test_concluded_and_the_other_never_began_then_the_first_is_not_lost(
    stories, capsys, tmp_path, clock
):
    labs = stories.at("signed").moved(tmp_path)
    assert typed(capsys, "run", *desk(labs, "lab-a")).error == "R-4.unwitnessed"
    witness(capsys, labs)
    for verb in ("run", "score", "publish"):
        assert typed(capsys, verb, *desk(labs, "lab-a")).code == 0
    witness(capsys, labs)
    assert "lab-b/m-lab-b/core" in refused(capsys, 4, "F-11.open", "close", *desk(labs, "lab-a")).err
    clock(deadline(labs) + 1)
    witness(capsys, labs)
    assert typed(capsys, "close", *desk(labs, "lab-a")).code == 0
    assert typed(capsys, "close", *desk(labs, "lab-b")).code == 0
    said = typed(capsys, "trace", labs.exchange, "--plan", labs.agreed().id)
    assert said.code == 0
    assert "lab-a/" in said.out


def test_close_when_a_run_concludes_after_the_note_then_it_is_late_and_keeps_its_numbers(
    stories, capsys, tmp_path, clock
):
    labs = stories.at("registered").moved(tmp_path)
    clock(deadline(labs) + 5)
    witness(capsys, labs)
    for name in labs.desks:
        for verb in ("run", "score", "publish"):
            assert typed(capsys, verb, *desk(labs, name)).code == 0
    witness(capsys, labs)
    for name in labs.desks:
        assert typed(capsys, "close", *desk(labs, name)).code == 0
    out = tmp_path / "report"
    assert typed(capsys, "report", labs.exchange, "--plan", labs.agreed().id, "--out", out).code == 0
    rows = json.loads((out / "result.json").read_bytes())["runs"]
    assert [(row["end"], row["counted"], row["endSeen"]["by"]) for row in rows] == [
        ("late", True, "lab-b"), ("late", True, "lab-a"),
    ]  # fmt: skip


def test_note_of_one_size_when_made_again_then_the_first_stays_and_both_verify(stories, capsys, tmp_path, clock):
    """Statements name the first note by its digest: it must not be replaced."""
    labs = stories.at("published").moved(tmp_path)
    before = {p: p.read_bytes() for p in labs.exchange.rglob("notes/*")}
    clock(deadline(labs) + 5)
    witness(capsys, labs)
    assert all(path.read_bytes() == raw for path, raw in before.items())
    plan, me = labs.agreed(), labs.desks["lab-a"].me(labs.agreed())
    seen = notes_of(labs.desks["lab-a"].open_exchange(), me, plan)
    assert seen[-1].size == seen[-2].size
    assert seen[-1].at == deadline(labs) + 5
    assert typed(capsys, "verify", labs.exchange, "--plan", plan.id).code == 0
    # the later note is evidence like any other: a flipped byte is caught, under the wrong name it is not taken
    later = max(labs.exchange.joinpath(*mirror_path("lab-b", me.log.origin)).glob("notes/*-*"))
    raw = later.read_bytes()
    later.write_bytes(raw.replace(b"\n5\n", b"\n6\n"))
    assert typed(capsys, "verify", labs.exchange, "--plan", plan.id).code == 3
    later.write_bytes(raw)
    moved = later.with_name(later.name[:-1] + str((int(later.name[-1]) + 1) % 10))
    later.rename(moved)
    said = typed(capsys, "verify", labs.exchange, "--plan", plan.id)
    assert (said.code, said.error) == (3, "L-4.note")


def test_audit_when_the_holder_is_silent_then_a_note_after_its_hours_shows_it(stories, capsys, tmp_path, clock):
    """The holder's log does not grow, so only a note made again can say that no answer had come (A-5)."""
    labs = stories.at("published").moved(tmp_path)
    assert typed(capsys, "audit", "ask", *desk(labs, "lab-a")).code == 0
    witness(capsys, labs)
    hours = labs.agreed().plan.section("core").audit.answerHours
    clock(int(time.time()) + hours * 3600 + 60)
    witness(capsys, labs)
    out = tmp_path / "report"
    assert typed(capsys, "report", labs.exchange, "--plan", labs.agreed().id, "--out", out).code == 0
    run = json.loads((out / "result.json").read_bytes())["runs"][1]
    assert run["party"] == "lab-b"
    assert [row["state"] for row in run["facts"]["checked"]["audits"]] == ["refused"]


# --- joining ----------------------------------------------------------------------------------------


def test_close_when_words_do_not_fit_then_nothing_is_logged(stories, capsys, tmp_path):
    labs = stories.at("audited").moved(tmp_path)
    size = own_log(labs.desks["lab-a"], labs.agreed()).size
    end = desk(labs, "lab-a")
    assert "zh-Hans" in refused(capsys, 2, "close-texts", "close", "--reserve", "en=Few.", *end).err
    refused(capsys, 2, "close-texts", "close", "--reserve", "en=Few.", "--reserve", "fr=Peu.", *end)
    refused(capsys, 2, "bad-pair", "close", "--reserve", "Few.", *end)
    refused(capsys, 2, "bad-pair", "close", "--reserve", "en=", *end)
    assert own_log(labs.desks["lab-a"], labs.agreed()).size == size


def test_close_when_given_twice_then_it_is_one_close(stories, capsys, tmp_path):
    labs = stories.at("audited").moved(tmp_path)
    sizes = []
    for name in ("lab-a", "lab-a", "lab-b", "lab-b", "lab-a"):
        assert typed(capsys, "close", *desk(labs, name)).code == 0
        sizes.append(own_log(labs.desks[name], labs.agreed()).size)
    assert sizes[0] == sizes[1] == sizes[4]
    assert sizes[2] == sizes[3]
    assert "final" in typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id).out.splitlines()[-1]


def test_close_when_the_position_changes_then_the_later_one_stands_over_the_same_numbers(stories, capsys, tmp_path):
    labs = stories.at("audited").moved(tmp_path)
    first = typed(capsys, "close", *desk(labs, "lab-a")).out
    reserve = ["--reserve", "en=Few items.", "--reserve", "zh-Hans=试题偏少。"]
    assert typed(capsys, "close", *reserve, *desk(labs, "lab-a")).out == first
    assert typed(capsys, "close", *desk(labs, "lab-b")).out == first
    assert "final" in typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id).out.splitlines()[-1]


def test_close_when_logs_have_grown_then_anew_makes_a_later_common_close(stories, capsys, tmp_path):
    """F-11: a later common close replaces an earlier one; without the flag the standing one is joined."""
    labs = stories.at("published").moved(tmp_path)
    first = {typed(capsys, "close", *desk(labs, name)).out for name in labs.desks}
    assert len(first) == 1
    assert typed(capsys, "audit", "ask", *desk(labs, "lab-a")).code == 0
    witness(capsys, labs)
    assert typed(capsys, "audit", "answer", *desk(labs, "lab-b")).code == 0
    witness(capsys, labs)
    assert typed(capsys, "audit", "check", *desk(labs, "lab-a")).code == 0
    witness(capsys, labs)
    assert {typed(capsys, "close", *desk(labs, name)).out for name in labs.desks} == first
    second = typed(capsys, "close", "--anew", *desk(labs, "lab-a")).out
    assert second not in first
    assert typed(capsys, "close", *desk(labs, "lab-b")).out == second
    said = typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id, "--json")
    assert json.loads(said.out.splitlines()[-1])["result"] == second.strip()


def test_note_when_the_mirror_is_older_than_the_witness_s_own_state_then_the_later_one_is_laid_again(
    stories, capsys, tmp_path, clock
):
    labs = stories.at("registered").moved(tmp_path)
    mirror = labs.exchange.joinpath(*mirror_path("lab-b", labs.desks["lab-a"].me(labs.agreed()).log.origin))
    before = (mirror / "checkpoint").read_bytes()
    clock(deadline(labs) + 5)
    witness(capsys, labs)
    (later,) = mirror.glob("notes/*-*")
    raw = later.read_bytes()
    later.unlink()
    (mirror / "checkpoint").write_bytes(before)
    clock(deadline(labs) + 500)
    witness(capsys, labs)
    assert later.read_bytes() == raw, "never two notes for one date"
    assert (mirror / "checkpoint").read_bytes() == raw
    assert typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id).code == 0
