# SPDX-License-Identifier: Apache-2.0
"""A run on a real Ray cluster: killed workers and killed drivers cost time, and the records are those of one machine."""

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from detente.desk.keys import load_desk
from detente.desk.runs import find_run, own_code, receipt_for, run_model
from detente.errors import CannotTell, WrongUsage
from detente.run.engine import rehearse
from detente.run.journal import Journal, glance
from detente.run.model import ModelFault, Reply
from detente.run.scale import Cluster, Crew, Fault, Hello, Refused, Route, Worker
from kit.asking import GREEDY, KEY, QUICK, lines, prompts
from kit.cluster import Cluster as Started
from kit.cluster import ray_cluster
from kit.labs import Labs, meet, register_all
from kit.remote import which
from kit.typed import environ, program

needs_ray = [
    pytest.mark.ray,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra ray: make oracles"),
]


# --- the worker, wherever it runs -------------------------------------------------------------------


def said(worker: Worker, n: int) -> dict[int, object]:
    """What a worker says to ``n`` questions, by ticket."""

    async def go() -> dict[int, object]:
        found: dict[int, object] = {}
        assert isinstance(await worker.hello(), Hello)
        await worker.ask([(100 + one.i, one) for one in prompts(n)], GREEDY)
        while len(found) < n:
            found |= dict(await worker.take())
        return found

    return asyncio.run(go())


def fails_at_odd(text: str) -> str | None:
    number = int(text.rpartition(" ")[2])
    if number == 1:
        raise ModelFault("rate-limit", "slow-down", retry_after_s=2.0)
    if number == 3:
        raise CannotTell("endpoint-down", "http://there", got="connect")
    if number == 5:
        raise ValueError
    return text


def test_worker_when_asked_then_it_says_replies_and_faults_and_errors_under_their_tickets(monkeypatch):
    monkeypatch.setitem(sys.modules, "scale_of_test", sys.modules[__name__])
    found = said(Worker(Route(("python:scale_of_test:fails_at_odd",), None, ()), 4, own_code), 6)
    assert found[100] == Reply("replied", "question 0")
    assert found[101] == Fault("rate-limit", "slow-down", 2.0)
    assert isinstance(found[103], Fault)  # the model's own exception, whatever its kind
    assert found[105] == Fault("raised", "ValueError", None)


def test_worker_when_its_key_is_not_set_there_then_it_refuses_and_names_the_variable(monkeypatch):
    monkeypatch.delenv("KEY_OF_NOBODY", raising=False)
    worker = Worker(Route(("openai:http://127.0.0.1:9/v1#none",), None, ("KEY_OF_NOBODY",)), 1, own_code)
    refused = asyncio.run(worker.hello())
    assert isinstance(refused, Refused)
    assert (refused.kind, refused.code, refused.got) == ("WrongUsage", "no-key-here", "KEY_OF_NOBODY")


# --- a real cluster ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[Started]:
    with ray_cluster() as started:
        yield started


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Labs:
    """Two labs with witnessed registrations, 58 slots each, and a model that takes its time on a cluster."""
    labs = meet(tmp_path_factory.mktemp("labs"), model="python:kit.remote:slow", items=12)
    register_all(labs)
    return labs


@pytest.fixture(scope="module")
def root(labs: Labs, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The root of an undisturbed run on one machine, with the same run key."""
    alone = labs.moved(tmp_path_factory.mktemp("alone"))
    desk, run = alone.desks["lab-a"], alone.runs["lab-a"]
    return run_model(desk, alone.agreed(), run, receipt_for(desk, alone.agreed(), run, unwitnessed=False), 4, None).root


def start(labs: Labs, address: str, *more: object) -> "subprocess.Popen[bytes]":
    words = ["run", "--ray", address, "--workers", 2, "--concurrency", 2, "--desk", labs.desks["lab-a"].root, "--json"]
    words += more
    return subprocess.Popen(program(*words), env=environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process: "subprocess.Popen[bytes]") -> str:
    """The root that the command told at its end."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    told = [orjson.loads(line) for line in out.splitlines()]  # of Ray's own messages none gets in between
    assert b"raylet" not in err
    found: str = told[-1]["root"]
    return found


def wait_for(sight: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    while not sight():
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.02)


def journal_of(labs: Labs) -> Path:
    return labs.runs["lab-a"].journal_path()


def whole(labs: Labs) -> bool:
    """Whether every slot is in the journal once."""
    slots = [orjson.loads(line)["i"] for line in (journal_of(labs) / "bodies.jsonl").read_bytes().splitlines()]
    return sorted(slots) == list(range(len(labs.runs["lab-a"].slots)))


class TestCluster:
    pytestmark = needs_ray

    def test_run_when_a_worker_is_killed_then_the_root_is_that_of_one_machine(self, labs, root, cluster, tmp_path):
        moved = labs.moved(tmp_path)
        before = cluster.workers()
        process = start(moved, cluster.address)
        wait_for(lambda: glance(journal_of(moved)).total() > 10 and len(cluster.workers() - before) == 2, process)
        victim = min(cluster.workers() - before)
        os.kill(victim, signal.SIGKILL)
        assert ended(process) == root
        assert whole(moved)
        assert len(cluster.workers() - before) == 3, "nobody took the place of the killed worker"
        lost = [row for row in trace_of(moved) if row.get("reason") == "worker-lost"]
        assert lost, "the worker had nothing in flight"
        assert {row["kind"] for row in lost} == {"reset"}

    def test_run_when_the_driver_is_killed_then_the_same_command_goes_on_and_nothing_is_asked_again(
        self, labs, root, cluster, tmp_path
    ):
        moved = labs.moved(tmp_path)
        process = start(moved, cluster.address)
        wait_for(lambda: glance(journal_of(moved)).total() > 10, process)
        process.kill()
        process.communicate()
        kept = glance(journal_of(moved)).total()
        assert 10 < kept < 58
        assert ended(start(moved, cluster.address)) == root
        assert whole(moved)
        answered = [row["i"] for row in trace_of(moved) if row["kind"] == "replied"]
        assert len(answered) == len(set(answered)) == 58

    def test_run_when_the_driver_is_told_to_stop_then_it_ends_cleanly_and_goes_on(self, labs, root, cluster, tmp_path):
        moved = labs.moved(tmp_path)
        process = start(moved, cluster.address)
        wait_for(lambda: glance(journal_of(moved)).total() > 10, process)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 4, err.decode()
        assert orjson.loads(out.splitlines()[-1])["error"] == "run-stopped"
        assert ended(start(moved, cluster.address)) == root

    def test_limits_when_given_then_all_workers_together_keep_them(self, labs, root, cluster, tmp_path):
        moved, prices = labs.moved(tmp_path), tmp_path / "p.toml"
        prices.write_text('[[price]]\nname = "kit.remote:slow"\nasked = 2\nsaid = 8\ncurrency = "USD"\n', "utf-8")
        money = ["--prices", prices, "--budget"]
        process = start(moved, cluster.address, *money, 0.002)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 4, err.decode()
        assert orjson.loads(out.splitlines()[-1])["error"] == "budget-spent"
        spent = sum(2 * row.get("in", 0) + 8 * row.get("out", 0) for row in trace_of(moved)) / 1e6
        assert 0.001 < spent < 0.003, "what is on its way is counted beforehand, whichever worker has it"
        left = 58 - glance(journal_of(moved)).total()
        assert 0 < left < 58
        assert ended(start(moved, cluster.address, *money, 100, "--per-minute", 600)) == root
        last = [row for row in trace_of(moved) if row["kind"] == "replied"][-left:]
        began = sorted(row["started"] for row in last)
        assert began[-1] - began[0] >= (left - 1) * 100 - 50, "ten a second, of two workers together"

    def test_question_that_ends_every_worker_then_it_alone_has_failed(self, cluster, tmp_path):
        crew = Crew(cluster.address, 2, 1)

        def go() -> None:
            model = Cluster(crew, Route(("python:kit.remote:deadly",), None, ()), own_code)
            try:
                model.describe()
                with Journal(tmp_path, KEY) as journal:
                    limits = QUICK._replace(patience_s=60.0)
                    asyncio.run(rehearse(prompts(60), model, journal, sampling=GREEDY, concurrency=2, limits=limits))
            finally:
                model.shut()

        in_a_child(go)
        rows = {i: orjson.loads(line) for i, line in lines(tmp_path).items()}
        assert len(rows) == 60
        assert {i for i, row in rows.items() if row["outcome"] != "replied"} == {3}
        assert rows[3]["reason"] == "worker-lost"

    def test_cluster_when_another_program_is_there_then_no_question_is_sent(self, cluster):
        def go() -> None:
            model = Cluster(Crew(cluster.address, 1, 1), Route(("python:kit.remote:deadly",), None, ()), which)
            with pytest.raises(WrongUsage) as caught:
                model.describe()
            assert (caught.value.code, caught.value.expected, caught.value.got) == ("other-code", "driver", "cluster")
            model.shut()

        in_a_child(go)

    def test_run_when_no_cluster_is_there_then_it_is_told_at_once(self, labs, tmp_path):
        moved = labs.moved(tmp_path)
        process = start(moved, "127.0.0.1:9")
        out, _ = process.communicate(timeout=60)
        told = orjson.loads(out.splitlines()[-1])
        assert (process.returncode, told["error"]) == (4, "ray-unreachable")

    def test_run_when_the_model_is_not_on_the_cluster_then_it_is_told_where(self, labs, cluster, tmp_path):
        moved = labs.moved(tmp_path)
        path = moved.desks["lab-a"].root / "desk.toml"
        path.write_text(path.read_text("utf-8").replace("python:kit.remote:slow", "gguf:/nowhere/x.gguf"), "utf-8")
        process = start(moved, cluster.address)
        out, _ = process.communicate(timeout=60)
        told = orjson.loads(out.splitlines()[-1])
        assert (process.returncode, told["error"]) == (2, "model-missing")


def trace_of(labs: Labs) -> list[dict[str, object]]:
    return [orjson.loads(line) for line in (journal_of(labs) / "trace.jsonl").read_bytes().splitlines()]


def in_a_child(go: Callable[[], None]) -> None:
    """A driver of its own: Ray leaves threads and open files behind in the process that it was used in."""
    if (child := os.fork()) == 0:
        code = 1
        try:
            go()
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def test_desk_of_a_moved_lab_still_finds_its_run(labs, tmp_path):
    """What the tests above stand on."""
    moved = labs.moved(tmp_path)
    desk = load_desk(moved.desks["lab-a"].root)
    assert find_run(desk, moved.agreed(), None).id == labs.runs["lab-a"].id
