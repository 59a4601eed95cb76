# SPDX-License-Identifier: Apache-2.0
"""A real Ray cluster of one machine, in a process group of its own, for the tests that need one."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kit.remote import PIDS
from kit.typed import environ


class Cluster(NamedTuple):
    """Where it answers, and where the workers leave their process numbers."""

    address: str
    pids: Path

    def workers(self) -> set[int]:
        """The processes that have answered so far."""
        return {int(path.name) for path in self.pids.iterdir()}


@contextlib.contextmanager
def ray_cluster(cpus: int = 2) -> Iterator[Cluster]:
    """``ray start --head`` with so many places for workers, and its end."""
    root = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # Ray's sockets need a short path
    pids = root / "pids"
    pids.mkdir()
    command = [
        sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--port=0", f"--num-cpus={cpus}",
        "--num-gpus=0", "--include-dashboard=false", "--disable-usage-stats",
        "--object-store-memory=80000000", f"--temp-dir={root / 'r'}",
    ]  # fmt: skip
    with (root / "out").open("wb") as out:
        process = subprocess.Popen(
            command, env=environ(RAY_USAGE_STATS_ENABLED="0", **{PIDS: str(pids)}), stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield Cluster(_address(process, root), pids)
    finally:
        process.send_signal(signal.SIGTERM)  # it ends what it started
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(root, ignore_errors=True)


def _address(process: "subprocess.Popen[bytes]", root: Path) -> str:
    """What the cluster says of itself once it is up."""
    path = root / "r" / "ray_current_cluster"
    for _ in range(600):
        assert process.poll() is None, (root / "out").read_text("utf-8", "replace")
        if path.exists() and (text := path.read_text("utf-8").strip()):
            return text
        time.sleep(0.1)
    raise AssertionError((root / "out").read_text("utf-8", "replace"))
