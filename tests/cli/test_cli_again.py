# SPDX-License-Identifier: Apache-2.0
"""Several runs of one test: a second attempt only when asked for, and a walk from the number of each."""

import json
import subprocess

import pytest

from detente.desk.keys import own_log
from kit.labs import Labs, meet
from kit.typed import environ, program, refused, typed


def whole_run(labs: Labs, capsys: pytest.CaptureFixture[str], *more: object) -> str:
    """Lab A runs, scores and publishes once, lab B witnessing before and after; the run's id."""
    desk = ["--desk", labs.desks["lab-a"].root]
    assert typed(capsys, "run", *desk, *more).error == "R-4.unwitnessed"
    assert typed(capsys, "witness", "--desk", labs.desks["lab-b"].root).code == 0
    said = typed(capsys, "run", *desk)
    assert said.code == 0
    for verb in ("score", "publish"):
        assert typed(capsys, verb, *desk).code == 0
    assert typed(capsys, "witness", "--desk", labs.desks["lab-b"].root).code == 0
    return said.out.strip()


@pytest.fixture
def twice(tmp_path, capsys) -> tuple[Labs, list[str]]:
    labs = meet(tmp_path, items=2, max_runs=2)
    assert typed(capsys, "witness", "--desk", labs.desks["lab-a"].root).code == 0
    return labs, [whole_run(labs, capsys), whole_run(labs, capsys, "--again")]


def test_run_when_it_is_published_then_no_further_one_is_registered_by_the_same_command(tmp_path, capsys):
    labs = meet(tmp_path, items=2, max_runs=2)
    assert typed(capsys, "witness", "--desk", labs.desks["lab-a"].root).code == 0
    run = whole_run(labs, capsys)
    size = own_log(labs.desks["lab-a"], labs.agreed()).size
    said = refused(capsys, 2, "run-published", "run", "--desk", labs.desks["lab-a"].root)
    assert run[:16] in said.err
    assert "detente run --again registers attempt 2 of 2" in said.err
    assert own_log(labs.desks["lab-a"], labs.agreed()).size == size


def test_run_again_when_a_run_is_under_way_then_that_one_goes_on(tmp_path, capsys):
    labs = meet(tmp_path, items=2, max_runs=2)
    desk = ["--desk", labs.desks["lab-a"].root]
    for words in (["run"], ["run", "--again"]):
        refused(capsys, 4, "R-4.unwitnessed", *words, *desk)
    assert typed(capsys, "witness", "--desk", labs.desks["lab-b"].root).code == 0
    first = typed(capsys, "run", "--again", *desk)
    assert (first.code, typed(capsys, "run", "--again", *desk).out) == (0, first.out)
    assert own_log(labs.desks["lab-a"], labs.agreed()).size == 2, "one acceptance, one registration"


def test_run_again_when_the_plan_allows_no_more_then_it_is_refused(twice, capsys):
    labs, _ = twice
    for words in (["run"], ["run", "--again"]):
        refused(capsys, 2, "R-1.attempts", *words, "--desk", labs.desks["lab-a"].root)


def test_trace_when_two_runs_have_the_same_number_then_each_can_be_walked(twice, capsys):
    labs, (one, two) = twice
    at = [labs.exchange, "--plan", labs.agreed().id]
    number = "lab-a/did-not-refuse/en"
    said = refused(capsys, 2, "number-of-several", "trace", *at[:1], number, *at[1:])
    for run, attempt in ((one, 1), (two, 2)):
        assert f"{run[:16]} (lab-a/m-lab-a #{attempt})" in said.err
        walked = typed(capsys, "trace", *at[:1], number, *at[1:], "--run", run[:12])
        assert (walked.code, walked.out.splitlines()[0]) == (0, number)
        assert f"sha256 {run}" in walked.out or run in walked.out
        rows = [json.loads(row) for row in typed(capsys, "trace", *at, "--run", run, "--json").out.splitlines()]
        assert rows[0]["run"] == run
        assert rows[0]["runs"] == [({one, two} - {run}).pop()[:16]]
    plain = typed(capsys, "trace", *at)
    assert plain.code == 0
    assert f"this is run {one[:16]}" in plain.err
    assert two[:16] in plain.err


@pytest.mark.parametrize("prefix", ["", "zz", "0" * 64])
def test_trace_when_no_single_run_has_that_id_then_the_runs_are_listed(twice, capsys, prefix):
    labs, (one, two) = twice
    said = refused(capsys, 2, "no-such-run", "trace", labs.exchange, "--plan", labs.agreed().id, "--run", prefix)
    assert one[:16] in said.err
    assert two[:16] in said.err


def test_trace_when_a_number_is_unknown_then_each_name_is_listed_once(twice, capsys):
    labs, _ = twice
    said = refused(capsys, 2, "no-such-number", "trace", labs.exchange, "x", "--plan", labs.agreed().id)
    hint = said.err.rpartition("hint: ")[2]
    assert hint.count("lab-a/did-not-refuse/en ") == 1


def test_run_when_it_waits_and_a_mirror_comes_in_pieces_then_it_waits_for_the_rest(stories, capsys, tmp_path):
    """The other lab's folder is written, or synchronised, while we look: a note without its checkpoint is no failure yet."""
    labs = stories.at("registered").moved(tmp_path)
    mirror = labs.exchange / "lab-b" / "mirror"
    (name,) = (path.name for path in mirror.iterdir())
    mirror.rename(tmp_path / "later")
    words = program("run", "--wait", "60s", "--desk", labs.desks["lab-a"].root)
    with subprocess.Popen(words, env=environ(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as waiting:
        assert waiting.stderr is not None
        while b"waiting for lab-b" not in (line := waiting.stderr.readline()):
            assert line, "it ended without waiting"
        checkpoint = (tmp_path / "later" / name / "checkpoint").rename(tmp_path / "checkpoint")
        (tmp_path / "later").rename(mirror)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=2.5)  # it looks again every second, and goes on looking
        checkpoint.rename(mirror / name / "checkpoint")
        _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
