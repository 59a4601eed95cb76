# SPDX-License-Identifier: Apache-2.0
"""A command that is killed, or finds the disk full, at each of its writes in turn, and is then given again.

python tests/kit/broken.py STEP TEMPLATE WORK PLAN WORD...

For n = 1, 1 + STEP, ...: copy TEMPLATE to WORK, run ``detente WORD...`` there and break it before its n-th fsync
or rename (odd n: kill -9, even n: the disk is full from there on), give the same command again, then ``verify``.
One JSON line each, until a copy needs no n-th: how each ended and what it said, the sizes of all logs, what is left
half written. Children are forked: all is imported once.
"""

import errno
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "src")]

from detente.cli import main
from detente.cli.entry import VERBS

PATIENCE = 400  # more writes than any command has


def break_at(n: int) -> None:
    """Before the n-th fsync or rename of this process: an end, or from then on a full disk."""
    left = [n]
    fsync, replace = os.fsync, Path.replace

    def count() -> None:
        left[0] -= 1
        if left[0] == 0 and n % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def counted_fsync(handle: int) -> None:
        count()
        fsync(handle)

    def counted_replace(self: Path, target: Path) -> Path:
        count()
        return replace(self, target)

    os.fsync, Path.replace = counted_fsync, counted_replace  # type: ignore[method-assign]


def forked(words: list[str], before: Callable[[], None] | None = None) -> tuple[int, str]:
    """One command in a child of this process: how it ended (minus the signal that killed it), and its stderr."""
    with tempfile.TemporaryFile() as err:
        if (child := os.fork()) == 0:
            os.dup2(err.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = 99
            try:
                if before:
                    before()
                code = main(words)
            finally:
                sys.stderr.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        err.seek(0)
        return code, err.read().decode("utf-8", "replace")


def sweep(step: int, template: Path, work: Path, plan: str, words: list[str]) -> None:
    """Break the command at every n that a step leads to."""
    for module in {*VERBS.values()}:
        import_module(f"detente.cli.{module}")  # once, here, and not in every child
    import_module("detente.report.result")
    for n in range(1, PATIENCE, step):
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(template, work)
        os.chdir(work)
        broken, err = forked(words, partial(break_at, n))
        again, more = forked(words)
        verified, told = forked(["verify", "exchange", "--plan", plan]) if plan != "-" else (0, "")
        row = {"n": n, "broken": broken, "again": again, "verify": verified, "err": err, "more": more, "told": told}
        heads = sorted(Path("exchange").glob("*/log*/checkpoint"))
        row["sizes"] = [head.read_text("utf-8").split("\n")[1] for head in heads]
        row["left"] = [str(path) for path in Path().rglob(".*.tmp")] + [
            str(path) for path in Path().glob("**/pending/*")
        ]
        row["registrations"] = len(list(Path().glob("**/registration.json")))
        print(json.dumps(row), flush=True)
        if broken != -signal.SIGKILL and "disk-full" not in err:
            return


if __name__ == "__main__":
    template, work = Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve()
    sweep(int(sys.argv[1]), template, work, sys.argv[4], sys.argv[5:])
