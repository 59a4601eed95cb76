# SPDX-License-Identifier: Apache-2.0
"""Runs in processes of their own that are killed, doubled, or out of disk: every slot once, the same bytes as a quiet run."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detente.evidence.record import header_line, parse_body
from detente.wire.merkle import hash_leaves, root
from kit import asking
from kit.asking import lines
from kit.faults import mixed_faults
from kit.model import ScriptedModel

CONCURRENCY = 16
PROGRAM = [sys.executable, str(Path(asking.__file__))]


def start(spec: str, folder: Path, n: int, **how: object) -> subprocess.Popen[str]:
    command = [*PROGRAM, spec, str(folder), str(n), str(CONCURRENCY)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)  # type: ignore[call-overload,no-any-return]


# `make soak` kills a longer run more often.
KILLS = int(os.environ.get("DETENTE_SOAK_KILLS", "6"))
SLOTS = int(os.environ.get("DETENTE_SOAK_SLOTS", "600"))
FAULTS = {"429": 0.10, "500": 0.05, "reset": 0.03, "garbage": 0.02, "slow": 0.02}


def root_of(folder: Path) -> str:
    """The root of the headers that a conclusion would sign (R-8, T-5)."""
    leaves = [header_line(parse_body(line), line) for _, line in sorted(lines(folder).items())]
    return root(hash_leaves(leaves)).hex()


def test_run_when_it_is_killed_again_and_again_under_every_fault_then_its_root_is_that_of_a_quiet_run(
    tmp_path: Path,
) -> None:
    rng = random.Random(KILLS)
    killed, quiet = tmp_path / "killed", tmp_path / "quiet"
    latency_s = 0.02
    window_s = SLOTS * latency_s / CONCURRENCY / KILLS  # so many kills fall into the time that asking takes
    with ScriptedModel(latency_s=latency_s) as server:
        server.keep_asked = False
        asking.ask(server.spec(), quiet, asking.prompts(SLOTS), concurrency=64)
        asked_quietly = server.count
        server.fault = mixed_faults(FAULTS, slow_s=0.2)
        kills = 0
        while True:
            process = start(server.spec(), killed, SLOTS)
            assert process.stdout is not None
            first = ""
            if kills < KILLS:
                if kills % 4:
                    first = process.stdout.readline()  # it asks
                    time.sleep(rng.uniform(0, 2 * window_s))
                else:  # while it starts, opens the journal, or cuts a torn tail
                    time.sleep(rng.uniform(0, 0.4))
                process.kill()
            out, err = process.communicate(timeout=600)
            if process.returncode == 0:
                assert (first + out).strip().endswith("end"), err
                break
            assert process.returncode == -signal.SIGKILL, err
            kills += 1
    print(f"{kills} kills, {SLOTS} questions, {server.count - asked_quietly} requests")
    assert kills >= 2 * KILLS // 3
    assert lines(killed) == lines(quiet)
    assert root_of(killed) == root_of(quiet)
    assert (killed / "bodies.jsonl").read_bytes().count(b"\n") == SLOTS
    # Asked again is what a fault or a kill lost, and nothing else: at most the answers in flight at each kill.
    assert server.count - asked_quietly <= SLOTS * 1.4 + kills * CONCURRENCY


def test_run_when_it_is_terminated_then_it_ends_cleanly_with_what_was_in_flight(tmp_path: Path) -> None:
    with ScriptedModel(latency_s=0.05) as server:
        process = start(server.spec(), tmp_path, 500)
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0, err
        assert out.strip().endswith("end")
        assert len(lines(tmp_path)) == server.count < 500


def test_run_when_another_process_has_the_journal_then_it_is_told_and_the_first_goes_on(tmp_path: Path) -> None:
    with ScriptedModel(latency_s=1.0) as server:  # the first has far to go until the second has been told
        first = start(server.spec(), tmp_path, 400)
        assert first.stdout is not None
        first.stdout.readline()
        second = start(server.spec(), tmp_path, 400)
        _, err = second.communicate(timeout=20)
        server.latency_s = 0.0
        assert second.returncode == 1
        assert "journal-busy" in err
        first.communicate(timeout=20)
        assert first.returncode == 0
        assert server.count == 400
    assert len(lines(tmp_path)) == 400


def limit_files(to: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (to, to))


def test_run_when_files_may_not_grow_then_it_stops_with_the_disk_full_and_goes_on_later(tmp_path: Path) -> None:
    with ScriptedModel() as server:
        full = start(server.spec(), tmp_path, 200, preexec_fn=lambda: limit_files(50_000))
        _, err = full.communicate(timeout=20)
        assert full.returncode == 1
        assert "disk-full" in err
        so_far = lines(tmp_path)
        assert 20 < len(so_far) < 60
        after = start(server.spec(), tmp_path, 200)
        _, err = after.communicate(timeout=20)
        assert after.returncode == 0, err
    found = lines(tmp_path)
    assert len(found) == 200
    assert {i: found[i] for i in so_far} == so_far


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of 128 KiB, where one may be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("nothing can be mounted here")
    return disk


def test_run_when_the_disk_is_really_full_then_every_answer_written_can_still_be_read(small_disk: Path) -> None:
    try:
        with ScriptedModel() as server:
            full = start(server.spec(), small_disk / "journal", 300)
            _, err = full.communicate(timeout=20)
            assert full.returncode == 1
            assert "disk-full" in err
            so_far = lines(small_disk / "journal")
            assert 20 < len(so_far) < 200
            subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
            after = start(server.spec(), small_disk / "journal", 300)
            _, err = after.communicate(timeout=20)
            assert after.returncode == 0, err
        found = lines(small_disk / "journal")
        assert len(found) == 300
        assert {i: found[i] for i in so_far} == so_far
    finally:
        subprocess.run(["umount", "-l", str(small_disk)], check=True)
