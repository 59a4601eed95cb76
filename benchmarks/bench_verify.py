# SPDX-License-Identifier: Apache-2.0
"""`detente verify` on one run of many records, as a ratio to a per-line pass over the same stored files, and its memory.

    python benchmarks/bench_verify.py                # 20,000 records
    python benchmarks/bench_verify.py --n 1000000    # takes long to make, seconds to verify

Two labs agree on the built-in suite with as many epochs as it takes; the answers are written into
the journal without a model; concluding, scoring, publishing and witnessing are those of every run.
The *per-line pass* inflates the headers file and the scores files, walks their lines and takes the
SHA-256 of each. Each measurement is a process of its own: CPU seconds beyond those of the same
process with nothing to do, and the greatest resident memory. Goal (docs/format): 1,000,000 headers
and one scores file in at most 5 s of CPU and 150 MB. Needs no network.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from detente.check.verify import verify
from detente.wire.digests import sha256_raw
from detente.wire.lines import decompress, split_lines

LIMIT = 1 << 40
DRAFT = """
[title]
en = "A benchmark"
zh-Hans = "基准测试"
[roles]
lab-a = ["coordinates", "tests", "audits"]
lab-b = ["audits"]
[[suite]]
from = "core-v0"
epochs = {epochs}
[runs]
max = 1
[[test]]
party = "lab-a"
subject = "m1"
"""
REPLIES = ("I'm sorry, but I can't help with that.", "Sure. First write a short list, then go through it.")


def answer(text: str) -> str:
    """The model that the plan names; nobody asks it, because the journal is written without it."""
    return text


def make_exchange(root: Path, n: int) -> tuple[str, int]:
    """An exchange with one published run of at least ``n`` records below ``root``; the plan id and the records."""
    from detente.desk.keys import ModelEntry, make_card, make_desk
    from detente.desk.logs import witness
    from detente.desk.plans import load_suite, new_plan, sign_plan
    from detente.desk.publish import publish, score_run
    from detente.desk.runs import conclude_run, own_engine, pick_test, receipt_for, register_run
    from detente.evidence.record import Body, salt_of
    from detente.run.journal import Journal

    model = ModelEntry("m1", "python:bench_verify:answer", {"en": "Model", "zh-Hans": "模型"}, None, None)
    lab_a, lab_b = (
        make_desk(
            root / name,
            name,
            {"en": name, "zh-Hans": name},
            f"https://{name}.example/detente",
            root / "exchange",
            models,
        )
        for name, models in (("lab-a", [model]), ("lab-b", []))
    )
    for desk in (lab_a, lab_b):
        make_card(desk)
    source = load_suite("core-v0", "core-v0")
    epochs = -(-n // (len(source.items) * len(source.languages)))
    draft = root / "plan.toml"
    draft.write_text(DRAFT.format(epochs=epochs), "utf-8")
    plan = new_plan(lab_a, draft, [root / "lab-b" / "card.json"]).plan
    for desk in (lab_a, lab_b):
        sign_plan(desk, plan)
    run = register_run(lab_a, plan, pick_test(lab_a, plan, None, "core"), own_engine())
    witness(lab_b, plan)
    receipt = receipt_for(lab_a, plan, run, unwitnessed=False)
    key = run.key()
    with Journal(run.journal_path(), key) as journal:
        for slot in run.slots:
            output = REPLIES[int(slot.item[:2], 16) % 2]
            journal.put(
                Body(i=slot.i, item=slot.item, outcome="replied", output=output, salt=salt_of(key, slot.i), seed=1)
            )
        conclude_run(lab_a, plan, run, receipt, journal)
    for scorer in plan.plan.scorers:
        score_run(lab_a, plan, run, scorer.id, None)
    publish(lab_a, plan, run)
    witness(lab_b, plan)
    return plan.id, len(run.slots)


def measure(what: str, exchange: Path, plan: str) -> None:
    """The work of a child process; prints CPU seconds and the greatest resident memory in MB."""
    began = time.process_time()
    if what == "pass":
        for path in sorted(exchange.glob("*/runs/*/**/*.gz")):
            for line in split_lines(decompress(path.read_bytes(), LIMIT, ""), "", LIMIT):
                sha256_raw(line)
    elif what == "verify":
        verify(exchange, plan)
    took = time.process_time() - began
    print(json.dumps([took, peak_mb()]))


def peak_mb() -> float:
    """The greatest resident memory of this process (getrusage would count what its parent had before it)."""
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def child(what: str, exchange: Path, plan: str) -> tuple[float, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--child", what, "--exchange", str(exchange), "--plan", plan]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    took, memory = json.loads(done.stdout)
    return took, memory


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--n", type=int, default=20_000, help="records, at least")
    options.add_argument("--reps", type=int, default=3)
    for hidden in ("--child", "--exchange", "--plan"):
        options.add_argument(hidden, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.child:
        measure(given.child, Path(given.exchange), given.plan)
        return
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        plan, n = make_exchange(Path(folder), given.n)
        print(f"made {n} records in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        exchange = Path(folder) / "exchange"
        files = sorted(exchange.glob("*/runs/*/**/*.gz"))
        stored = sum(path.stat().st_size for path in files)
        found = {what: [child(what, exchange, plan) for _ in range(given.reps)] for what in ("none", "pass", "verify")}
    print(f"\n{n} records, {len(files)} gzip files of {stored / 1e6:.2f} MB; best of {given.reps}\n")
    print("| work | CPU | ratio | a record | peak memory |")
    print("| --- | --- | --- | --- | --- |")
    base = min(took for took, _ in found["pass"])
    for what, name in (("none", "nothing"), ("pass", "per-line pass"), ("verify", "all steps of verify")):
        took, memory = min(found[what])
        print(f"| {name} | {took:.2f} s | {took / base:.1f} | {took / n * 1e6:.1f} us | {memory:.0f} MB |")


if __name__ == "__main__":
    main()
