# SPDX-License-Identifier: Apache-2.0
"""What a log costs: many entries under one checkpoint, and one more entry, against a bare write and hash; and the disk it takes.

    python benchmarks/bench_logs.py
    python benchmarks/bench_logs.py --n 10000 --size 1500 --dir /some/disk

The *bare loop* is the least that a durable record of the same entries costs: SHA-256 of each, one
file with all of them, one fsync. ``append_all`` also keeps them in ``pending/`` first, writes tiles,
signs a checkpoint, and syncs every file and folder (L-5). CPU is the process's own; wall time is
mostly the disk's. Goal: 10,000 entries under one checkpoint at 10,000 entries a second. Needs no network.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detente.tlog.folder import Folder
from detente.tlog.log import append, append_all, origin_of
from detente.tlog.witness import witness_log
from detente.wire.digests import sha256_raw
from detente.wire.keys import SigningKey

KEY, WITNESS = SigningKey(b"l" * 32), SigningKey(b"w" * 32)
ORIGIN = origin_of("a.example/detente", KEY.public)


def timed(reps: int, work: Callable[[Path], Any], under: Path) -> tuple[float, float]:
    """(CPU, wall) seconds of the fastest of ``reps`` calls, each in a folder of its own."""
    cpu, wall = [], []
    for _ in range(reps):
        with tempfile.TemporaryDirectory(dir=under) as folder:
            began = time.process_time(), time.perf_counter()
            work(Path(folder))
            cpu.append(time.process_time() - began[0])
            wall.append(time.perf_counter() - began[1])
    return min(cpu), min(wall)


def bare(root: Path, entries: list[bytes]) -> None:
    """Hash each entry, write all of them, sync."""
    with (root / "entries").open("wb") as file:
        for entry in entries:
            sha256_raw(entry)
            file.write(entry)
        file.flush()
        os.fsync(file.fileno())


def whole(root: Path, entries: list[bytes]) -> None:
    """All entries into an empty log, one checkpoint."""
    append_all(Folder(root / "log"), Folder(root / "pending"), entries, KEY, ORIGIN, ())


def singles(root: Path, entries: list[bytes], n: int) -> tuple[float, float]:
    """Median (CPU, wall) seconds of one more entry, behind all of ``entries``."""
    whole(root, entries)
    cpu, wall = [], []
    for i in range(n):
        began = time.process_time(), time.perf_counter()
        append(Folder(root / "log"), Folder(root / "pending"), b"one more %d" % i, KEY, ORIGIN, ())
        cpu.append(time.process_time() - began[0])
        wall.append(time.perf_counter() - began[1])
    return statistics.median(cpu), statistics.median(wall)


def disk(root: Path, entries: list[bytes]) -> tuple[int, int]:
    """Bytes of a log whose last 60 entries came one by one, and of a mirror that looked after each tenth of them."""
    log, state, mirror = Folder(root / "log"), Folder(root / "state"), Folder(root / "mirror")
    whole(root, entries[:-60])
    for i, entry in enumerate(entries[-60:]):
        append(log, Folder(root / "pending"), entry, KEY, ORIGIN, ())
        if i % 10 == 9:
            witness_log(log, ORIGIN, KEY.public, "b.example/witness", WITNESS, state, mirror, 1_800_000_000 + i)
    return _bytes(log.root), _bytes(mirror.root)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000, help="entries (default 10,000)")
    parser.add_argument("--size", type=int, default=1_500, help="bytes an entry (default 1,500: a statement's)")
    parser.add_argument("--reps", type=int, default=3, help="the best of so many (default 3)")
    parser.add_argument(
        "--dir", type=Path, help="a folder on the disk to measure (default: the system's own for such files)"
    )
    given = parser.parse_args()
    entries = [os.urandom(given.size // 2).hex().encode() for _ in range(given.n)]
    least = timed(given.reps, lambda root: bare(root, entries), given.dir)
    all_ = timed(given.reps, lambda root: whole(root, entries), given.dir)
    print(f"{given.n:,} entries of {given.size:,} bytes under one checkpoint")
    print(f"{'':<22}{'CPU':>9}{'wall':>9}{'entries/s of CPU':>18}{'of wall':>10}")
    for name, (cpu, wall) in {"bare write and hash": least, "append_all": all_}.items():
        print(f"{name:<22}{cpu:>8.3f}s{wall:>8.3f}s{given.n / cpu:>18,.0f}{given.n / wall:>10,.0f}")
    print(f"{'ratio':<22}{all_[0] / least[0]:>9.1f}{all_[1] / least[1]:>9.1f}")
    print("one more entry, the log read and proved again before it is signed")
    print(f"{'behind':>10}{'CPU':>12}{'wall':>12}")
    for n in sorted({0, 300, min(given.n, 3_000), given.n}):
        with tempfile.TemporaryDirectory(dir=given.dir) as folder:
            cpu, wall = singles(Path(folder), entries[:n], 10)
            print(f"{n:>10,}{cpu * 1000:>9.1f} ms{wall * 1000:>9.1f} ms")
    with tempfile.TemporaryDirectory(dir=given.dir) as folder:
        log, mirror = disk(Path(folder), entries[:300])
        print(f"300 entries on the disk: log {log / 1000:,.0f} kB, mirror {mirror / 1000:,.0f} kB")


if __name__ == "__main__":
    main()
