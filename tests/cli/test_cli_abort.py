# SPDX-License-Identifier: Apache-2.0
"""A run given up in the open: no result in every report, its attempt used up, its reason in the close, nothing signed twice."""

import base64
import json
from pathlib import Path

import pytest

from cli.test_cli_broken import broken
from detente.desk.keys import Desk, own_log
from detente.desk.runs import own_engine, pick_test, receipt_for, register_run, run_model, runs_of
from detente.run.journal import Journal
from kit.labs import Labs, meet, register_all, run_one
from kit.typed import refused, typed
from test_home_annex import agreed, home_of

WHY = ["--reason", "en=The endpoint was withdrawn.", "--reason", "zh-Hans=接口已下线。"]


@pytest.fixture
def labs(stories, tmp_path: Path) -> Labs:
    return stories.at("registered").moved(tmp_path)


def give_up(labs: Labs, name: str = "lab-a") -> list[object]:
    return ["run", "abort", labs.runs[name].id[:12], *WHY, "--desk", labs.desks[name].root]


def conclusions(desk: Desk, labs: Labs) -> list[dict[str, object]]:
    entries = [json.loads(base64.b64decode(json.loads(e)["payload"])) for e in own_log(desk, labs.agreed()).entries]
    return [e["predicate"] for e in entries if e["predicateType"].endswith("/conclude/v1")]


def test_abort_when_a_run_cannot_go_on_then_it_is_in_the_log_and_no_result_everywhere(labs: Labs, capsys) -> None:
    desk = labs.desks["lab-a"]
    said = typed(capsys, *give_up(labs))
    assert (said.code, said.out) == (0, "")
    assert labs.runs["lab-a"].id[:16] in said.err
    labs.witness_all()
    [row] = [row for row in labs.verify().numbers().result["runs"] if row["party"] == "lab-a"]
    assert (row["end"], row["counted"], row["attempt"]) == ("aborted", False, 1)
    assert not labs.verify().ledger.violations
    [conclusion] = conclusions(desk, labs)
    assert (conclusion["status"], conclusion["root"], conclusion["run"]) == ("aborted", None, labs.runs["lab-a"].id)
    assert "given up: no result" in typed(capsys, "status", "--desk", desk.root).out
    [told] = [json.loads(line) for line in typed(capsys, "status", "--json", "--desk", desk.root).out.splitlines()]
    assert (told["state"], told["outcomes"]) == ("aborted", None)


def test_abort_when_the_run_was_begun_then_it_says_how_far_it_came_and_what_it_started_with(labs: Labs, capsys) -> None:
    desk, plan, run = labs.desks["lab-a"], labs.agreed(), labs.runs["lab-a"]
    receipt = receipt_for(desk, plan, run, unwitnessed=False)
    seen = []

    def told(progress: object) -> None:
        seen.append(progress)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_model(desk, plan, run, receipt, 1, told)
    assert typed(capsys, *give_up(labs)).code == 0
    labs.witness_all()
    [conclusion] = conclusions(desk, labs)
    assert conclusion["outcomes"]["replied"] == 1
    assert conclusion["start"]["notes"] == list(receipt.notes)
    assert len(conclusion["trace"]) == 64
    [row] = [row for row in labs.verify().numbers().result["runs"] if row["party"] == "lab-a"]
    assert (row["end"], row["outcomes"]["replied"]) == ("aborted", 0), "nobody can count these again"


def test_abort_when_it_is_given_again_then_nothing_more_is_signed(labs: Labs, capsys) -> None:
    assert typed(capsys, *give_up(labs)).code == 0
    size = own_log(labs.desks["lab-a"], labs.agreed()).size
    assert typed(capsys, *give_up(labs)).code == 0
    assert own_log(labs.desks["lab-a"], labs.agreed()).size == size


def test_abort_when_it_is_broken_at_any_write_then_the_same_command_ends_it_once(labs: Labs, tmp_path) -> None:
    words = [str(word) for word in ("run", "abort", labs.runs["lab-a"].id[:12], *WHY, "--desk", "desks/lab-a")]
    broken(3, labs, tmp_path / "work", *words)


def test_abort_when_a_reason_is_missing_in_one_language_then_nothing_is_signed(labs: Labs, capsys) -> None:
    words = [*give_up(labs)[:3], *WHY[:2], "--desk", labs.desks["lab-a"].root]
    refused(capsys, 2, "abort-texts", *words)
    assert conclusions(labs.desks["lab-a"], labs) == []


def test_abort_when_the_answers_are_fixed_then_it_is_refused(stories, tmp_path, capsys) -> None:
    labs = stories.at("concluded").moved(tmp_path)
    refused(capsys, 2, "abort-concluded", *give_up(labs))
    assert conclusions(labs.desks["lab-a"], labs) == []


def test_abort_while_the_run_is_asked_then_it_is_refused(labs: Labs, capsys) -> None:
    run = labs.runs["lab-a"]
    with Journal(run.journal_path(), run.key()):
        refused(capsys, 2, "journal-busy", *give_up(labs))
    assert conclusions(labs.desks["lab-a"], labs) == []


@pytest.mark.parametrize("words", [["score"], ["publish"]])
def test_abort_when_the_run_is_then_scored_or_published_then_it_says_that_it_was_given_up(labs, capsys, words) -> None:
    assert typed(capsys, *give_up(labs)).code == 0
    refused(capsys, 2, "run-aborted", *words, "--desk", labs.desks["lab-a"].root)


def test_abort_when_run_is_given_after_it_then_no_attempt_is_used_up_by_mistake(labs: Labs, capsys) -> None:
    assert typed(capsys, *give_up(labs)).code == 0
    refused(capsys, 2, "R-1.attempts", "run", "--desk", labs.desks["lab-a"].root)


def test_abort_when_the_plan_allows_another_attempt_then_only_again_registers_it(tmp_path, capsys) -> None:
    labs = meet(tmp_path, max_runs=2)
    register_all(labs)
    assert typed(capsys, *give_up(labs)).code == 0
    desk = labs.desks["lab-a"]
    refused(capsys, 2, "run-given-up", "run", "--desk", desk.root)
    assert typed(capsys, "run", "--again", "--desk", desk.root).error == "R-4.unwitnessed"
    assert [run.logged is None for run in runs_of(desk, labs.agreed())] == [False, True]


def test_abort_when_it_is_signed_but_not_yet_logged_then_run_asks_nobody(labs: Labs, capsys, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "log")

    monkeypatch.setattr("detente.desk.aborting.log_entry", full)
    assert typed(capsys, *give_up(labs)).error == "disk-full"
    monkeypatch.undo()
    refused(capsys, 2, "run-aborted", "run", "--desk", labs.desks["lab-a"].root)
    assert typed(capsys, *give_up(labs)).code == 0
    assert len(conclusions(labs.desks["lab-a"], labs)) == 1


def test_abort_when_the_labs_close_then_the_reason_is_its_reservation_in_all_languages(labs: Labs, capsys) -> None:
    assert typed(capsys, *give_up(labs)).code == 0
    run_one(labs, "lab-b")
    for words in (["score"], ["publish"]):
        assert typed(capsys, *words, "--desk", labs.desks["lab-b"].root).code == 0
    labs.witness_all()
    more = ["--reserve", "en=Few items.", "--reserve", "zh-Hans=试题偏少。"]
    for name, words in (("lab-a", []), ("lab-b", more)):
        assert typed(capsys, "close", *words, "--desk", labs.desks[name].root).code == 0
    labs.witness_all()
    first, second = labs.verify().closings
    run = labs.runs["lab-a"].id[:16]
    assert first.position == "reserve"
    assert first.text == {
        "en": f"m-lab-a/core {run}: The endpoint was withdrawn.",
        "zh-Hans": f"m-lab-a/core {run}: 接口已下线。",
    }
    assert second.text == {"en": "Few items.", "zh-Hans": "试题偏少。"}
    size = own_log(labs.desks["lab-a"], labs.agreed()).size
    assert typed(capsys, "close", "--desk", labs.desks["lab-a"].root).code == 0
    assert own_log(labs.desks["lab-a"], labs.agreed()).size == size, "given again it is one close"
    out = labs.root / "report"
    words = ["report", labs.exchange, "--plan", labs.agreed().id, "--out", out]
    assert typed(capsys, *words).code in {0, 1}
    for page, text in (("report.html", "The endpoint was withdrawn."), ("report.zh.html", "接口已下线。")):
        found = [path for path in out.rglob("*.html") if text in path.read_text("utf-8")]
        assert found, page


def test_abort_when_options_stand_before_it_then_they_are_not_lost_silently(labs: Labs, capsys) -> None:
    refused(capsys, 2, "cli-order", "run", "--desk", labs.desks["lab-a"].root, "abort", "ffff", *WHY)
    refused(capsys, 2, "cli-no-verb", "run", "nonsense", "--desk", labs.desks["lab-a"].root)


def test_abort_when_the_run_is_of_an_annex_at_home_then_it_is_in_the_log_at_home_only(tmp_path, capsys) -> None:
    labs = agreed(tmp_path)
    home = home_of(labs)
    test = pick_test(home, home.plan(), None, "annex-lab-b")
    run = register_run(home, home.plan(), test, own_engine())
    before = own_log(labs.desks["lab-b"], labs.agreed()).size
    assert typed(capsys, "run", "abort", run.id[:12], *WHY, "--desk", labs.desks["lab-b"].root).code == 0
    assert [one.aborted() for one in runs_of(home, home.plan())] == [True]
    assert own_log(labs.desks["lab-b"], labs.agreed()).size == before
