# SPDX-License-Identifier: Apache-2.0
"""What tests share: one story played per stage and session, copied for each test that wants to spoil it."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from kit.labs import Labs, play
from kit.second import NODE, Second, beside

ROOM = 2 << 30  # bytes; 0.1 GB at a time was seen
# These take longest. They come first, so that at the end no process goes on alone.
LONG = {
    "test_reference",
    "test_cli_walk",
    "test_start",
    "test_home_annex",
    "test_score_judge_model",
    "test_sync",
    "test_cli_keys",
    "test_cli_broken",
    "test_attacks_parties",
    "test_interop_second_verifier",
    "test_story",
    "test_check_hostile",
}


def pytest_configure() -> None:
    """Temporary folders in memory where the machine has room there: what is synced to a disk is waited for, a hundred thousand times.

    Whoever sets TMPDIR chooses the disk; that a write is synced, and in which order, is tested either way.
    """
    memory = Path("/dev/shm")
    if "TMPDIR" in os.environ or not os.access(memory, os.W_OK):
        return
    there = os.statvfs(memory)
    if there.f_bavail * there.f_frsize > ROOM and not there.f_flag & os.ST_NOEXEC:  # tests build and run programs
        os.environ["TMPDIR"], tempfile.tempdir = str(memory), None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Three processes on two cores: a test often waits for a process of its own, a browser or a clock."""
    return -(-3 * len(os.sched_getaffinity(0)) // 2) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in LONG)


# How long one example takes is the machine's affair; speed is measured in benchmarks/, as ratios.
hypothesis.settings.register_profile("detente", deadline=None)
hypothesis.settings.load_profile("detente")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person at this machine reaches a test."""
    for name in (
        "LC_ALL",
        "LC_MESSAGES",
        "LANG",
        "DETENTE_DESK",
        "DETENTE_DEBUG",
        "DETENTE_BAR",
        "NO_COLOR",
        "DETENTE_PASSPHRASE",
        "DETENTE_PIN",
        "DETENTE_PKCS11_MODULE",
    ):
        monkeypatch.delenv(name, raising=False)


# Test files whose exchanges the second verifier judges too; DETENTE_TEST_SECOND=1 shows it those of all.
BESIDE = (
    "test_story",
    "test_sync",
    "test_home_annex",
    "test_parties",
    "test_attacks_",
    "test_check_",
    "test_cli_onsite",
)


class Stories:
    """Stories by stage; each is played once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._played: dict[tuple[str, int], Labs] = {}

    def at(self, stage: str, n_labs: int = 2) -> Labs:
        """The labs at a stage: to look at, never to change."""
        if (stage, n_labs) not in self._played:
            self._played[stage, n_labs] = play(self._root / f"{stage}-{n_labs}", stage, n_labs)
        return self._played[stage, n_labs]


@pytest.fixture(scope="session")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Stories:
    sys.path.insert(0, str(Path(__file__).parent))
    return Stories(tmp_path_factory.mktemp("stories"))


@pytest.fixture(scope="session")
def second() -> Iterator[Second]:
    asked = Second()
    yield asked
    asked.close()


@pytest.fixture(autouse=True)
def _second_beside_ours(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stories and attacks are judged by two programs: ours and the one of examples/second_verifier."""
    module = request.module.__name__
    if NODE is not None and (module.rpartition(".")[2].startswith(BESIDE) or os.environ.get("DETENTE_TEST_SECOND")):
        beside(monkeypatch, request.getfixturevalue("second"), module)
