# SPDX-License-Identifier: Apache-2.0
"""How long a command takes to start: `detente --help` and `detente verify` beside `python -c pass`, in turns.

    python benchmarks/bench_start.py                                    # 15 runs of each
    python benchmarks/bench_start.py --exchange DIR --plan ID           # verify this exchange, not an empty folder

Without an exchange, `verify` is given an empty folder: it loads the whole verifier, looks, and ends
with "cannot tell" (exit 4). Compiled modules are kept in a folder of this benchmark's own, filled
before the first measurement, as an installed package has them. The target is for `--help`: under
0.15 s on a quiet core. Needs no network.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

TARGET_S = 0.15


def wall_s(command: Sequence[str], environ: dict[str, str], codes: set[int]) -> float:
    """Seconds from start to end of one command; anything but an expected exit code ends the benchmark."""
    began = time.perf_counter()
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    if done.returncode not in codes:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return took


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=15)
    options.add_argument("--exchange", type=Path)
    options.add_argument("--plan", default="0" * 64)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "exchange"
        empty.mkdir()
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environ["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "compiled")
        python = [sys.executable]
        detente = [sys.executable, "-m", "detente"]
        commands = {
            "python -c pass": ([*python, "-c", "pass"], {0}),
            "detente --help": ([*detente, "--help"], {0}),
            "detente verify": (
                [*detente, "verify", str(given.exchange or empty), "--plan", given.plan],
                {0} if given.exchange else {4},
            ),
        }
        for command, codes in commands.values():
            wall_s(command, environ, codes)
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(given.runs):  # in turns, so that a busy minute hits all alike
            for name, (command, codes) in commands.items():
                took[name].append(wall_s(command, environ, codes))
    bare = statistics.median(took["python -c pass"])
    print(f"\n{given.runs} runs each, in turns\n")
    print("| command | median | best | beyond a bare Python |")
    print("| --- | --- | --- | --- |")
    for name, each in took.items():
        median = statistics.median(each)
        print(f"| `{name}` | {median:.3f} s | {min(each):.3f} s | {median - bare:.3f} s |")
    helped = statistics.median(took["detente --help"])
    print(f"\n`detente --help` under {TARGET_S} s: {'yes' if helped < TARGET_S else 'NO'}")


if __name__ == "__main__":
    main()
