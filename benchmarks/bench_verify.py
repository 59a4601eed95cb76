# SPDX-License-Identifier: Apache-2.0
"""`detente verify` against a per-line pass over the same stored files, its memory, and what opening one record costs.

    python benchmarks/bench_verify.py                    # one run of 100,000 records, 5 labs with 2 runs of 5,000 each
    python benchmarks/bench_verify.py --n 1000000 --runs 10 --each 10000     # the sizes that the bars are for
    python benchmarks/bench_verify.py --keep FOLDER      # make the exchanges there, or use those made before
    python benchmarks/bench_verify.py --profile          # where verify spends its time

Labs agree on the built-in suite with as many epochs as it takes. Answers and labels are invented, those
of the large run are in its journal; everything that is signed, logged and witnessed is what any run has.
The *per-line pass* inflates the headers file and the scores files, walks their lines and takes the SHA-256
of each, holding one file at a time; *in pieces* is the same in little memory, which is faster. Each
measurement is a process of its own, taken in turn: CPU seconds beyond those of the same process with
nothing to do, and the greatest resident memory. Ratios are within one turn, the median of all turns.
Needs no network.
"""

import argparse
import cProfile
import json
import os
import pstats
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from msgspec import UNSET

from detente.check.verify import verify
from detente.desk.audits import open_records
from detente.desk.keys import Desk, load_desk
from detente.desk.runs import RunState, runs_of
from detente.evidence.record import Body, encode_body, header_line, salt_of
from detente.pact.plan import PlanFile
from detente.run.index import NAME as INDEX
from detente.run.index import index_pieces
from detente.run.journal import Journal
from detente.wire.digests import sha256_raw
from detente.wire.lines import decompress, split_lines
from detente.wire.merkle import Leaves, hash_leaves

LIMIT = 1 << 40
DRAFT = """
[title]
en = "A benchmark"
zh-Hans = "基准测试"
[roles]
{roles}
[[suite]]
from = "core-v0"
epochs = {epochs}
[runs]
max = {runs}
"""
TEST = """
[[test]]
party = "{party}"
subject = "m1"
"""
# How an invented answer ends, and how often; an honest writer's lines differ in no other way.
ENDS = (("replied", False), ("replied", True), ("filtered", False), ("truncated", False), ("failed", False))
OFTEN = (88, 5, 3, 2, 2)


def answer(text: str) -> str:
    """The model that the plan names; nobody asks it, because the headers are written without it."""
    return text


def make_exchange(root: Path, n_labs: int, runs: int, n: int) -> None:
    """An exchange below ``root``: the first lab alone, or each of several, has ``runs`` runs of about ``n`` records."""
    from detente.desk.keys import ModelEntry, make_card, make_desk
    from detente.desk.logs import witness
    from detente.desk.plans import load_suite, new_plan, sign_plan
    from detente.desk.runs import own_engine, receipt_for, register_run

    names = [f"lab-{letter}" for letter in "abcde"[: max(2, n_labs)]]
    testers = names[:n_labs]
    labs = [
        make_desk(
            root / name,
            name,
            {"en": name, "zh-Hans": name},
            f"https://{name}.example/detente",
            root / "exchange",
            [ModelEntry("m1", "python:bench_verify:answer", {"en": "Model", "zh-Hans": "模型"}, None, None)],
        )
        for name in names
    ]
    for desk in labs:
        make_card(desk)
    source = load_suite("core-v0", "core-v0")
    epochs = max(1, round(n / (len(source.items) * len(source.languages))))
    roles = "\n".join(f'{name} = ["tests", "audits"]' for name in names[1:])
    draft = DRAFT.format(roles=f'{names[0]} = ["coordinates", "tests", "audits"]\n{roles}', epochs=epochs, runs=runs)
    path = root / "plan.toml"
    path.write_text(draft + "".join(TEST.format(party=party) for party in testers), "utf-8")
    plan = new_plan(labs[0], path, [root / name / "card.json" for name in names[1:]]).plan
    for desk in labs:
        sign_plan(desk, plan)
    sizes, tree_root = [], ""
    for _ in range(runs):
        for desk in labs[:n_labs]:
            test = next(test for test in plan.plan.tests if test.party == desk.party)
            run = register_run(desk, plan, test, own_engine(), again=True)
            for other in labs:
                witness(other, plan)
            receipt = receipt_for(desk, plan, run, unwitnessed=False)
            tree_root = lay_run(desk, plan, run, list(receipt.notes), large=n_labs == 1)
            sizes.append(len(run.slots))
    for other in labs:
        witness(other, plan)
    (root / "made.json").write_text(json.dumps({"plan": plan.id, "runs": sizes, "root": tree_root}))


def invented(run: RunState, dice: random.Random) -> Iterator[Body]:
    """Bodies of a run, a short sentence each."""
    key, words = (
        run.key(),
        [
            "a",
            "model",
            "said",
            "this",
            "and",
            "then",
            "something",
            "else",
            "of",
            "no",
            "weight",
            "in",
            "its",
            "own",
            "words",
        ],
    )
    for slot in run.slots:
        outcome, cut = dice.choices(ENDS, OFTEN)[0]
        output = " ".join(dice.choices(words, k=12)) if outcome in {"replied", "truncated"} else None
        yield Body(slot.i, slot.item, outcome, output, salt_of(key, slot.i), slot.i, True if cut else UNSET)


def header_lines(run: RunState, dice: random.Random) -> list[bytes]:
    """Header lines of a run over invented bodies."""
    return [header_line(body, encode_body(body)) for body in invented(run, dice)]


def journalled(run: RunState, dice: random.Random) -> list[bytes]:
    """The same, the bodies put into the journal and the run's index made."""
    with Journal(run.journal_path(), run.key()) as journal:
        lines = []
        for body in invented(run, dice):
            journal.put(body)
            lines.append(header_line(body, encode_body(body)))
        run.folder.create_from(INDEX, index_pieces(journal, Leaves(hash_leaves(lines))))
        return lines


def lay_run(desk: Desk, plan: PlanFile, run: RunState, notes: list[str], *, large: bool) -> str:
    """Headers, conclusion and scorings of an invented run into the exchange; of a large one, its journal too. The root."""
    from detente.check.runs import run_folder, scores_path
    from detente.desk.keys import log_entry, sign_statement
    from detente.desk.scores import scorer_of
    from detente.evidence.bundle import BundleMaker
    from detente.evidence.counts import count, encode_scores, kinds_scored, scored_slots
    from detente.evidence.statements import Conclude, Score, Start
    from detente.wire.digests import sha256
    from detente.wire.lines import compress

    dice = random.Random(run.id)
    folder = run_folder(desk.open_exchange(), desk.party, run.id)
    lines = (journalled if large else header_lines)(run, dice)
    maker = BundleMaker(plan.id, run.id, plan.plan.canary, lines)
    folder.create_from("headers.jsonl.gz", maker.pieces())
    run.out().create("headers.jsonl.gz", folder.read("headers.jsonl.gz"))
    made = maker.bundle()
    conclusion = Conclude(
        attestations=[], finishedAt=run_time(), outcomes=made.outcomes(), party=desk.party, plan=plan.id,
        root=made.root, run=run.id, start=Start(notes=notes, releases=[]), startedAt=run_time(),
        status="completed", trace=None,
    )  # fmt: skip
    subjects = [("headers.jsonl.gz", made.stored_sha256), ("headers.jsonl", made.plain_sha256)]
    concluded = sign_statement(desk, "conclude", subjects, conclusion)
    log_entry(desk, plan, concluded)
    for scorer in plan.plan.scorers:
        _, definition = scorer_of(desk, plan, scorer.definition)
        names = definition.labels
        wanted = scored_slots(run.slots, made.codes, kinds_scored(plan.plan, scorer.id))
        odds = [len(names) ** (len(names) - k) for k in range(len(names))]
        labels = {i: dice.choices(names, odds)[0] for i, scored in enumerate(wanted) if scored}
        plain = encode_scores(labels, {})
        stored, counts = compress(plain), count(plan.plan, (scorer.id, names), run.slots, made.codes, labels)
        stem = scores_path(scorer.id, sha256(stored))
        folder.create(f"{stem}.jsonl.gz", stored)
        folder.create(f"{stem}.counts.json", counts)
        score = Score(
            definition=scorer.definition, party=desk.party, plan=plan.id, run=run.id, sample=None, scorer=scorer.id
        )
        files = [(f"{stem}.jsonl.gz", stored), ("scores.jsonl", plain), (f"{stem}.counts.json", counts)]
        digests = [*((name, sha256(raw)) for name, raw in files), ("conclude.json", sha256(concluded))]
        log_entry(desk, plan, sign_statement(desk, "score", digests, score))
    return made.root


def run_time() -> str:
    """Now, as statements have it."""
    from detente.wire.times import encode_time

    return encode_time(int(time.time()))


def measure(what: str, exchange: Path, plan: str) -> None:
    """The work of a child process; prints CPU seconds and the greatest resident memory in MB."""
    run, tree_root = asked(exchange) if what == "open" else (None, "")
    began = time.process_time()
    if what == "pass":
        for path in sorted(exchange.glob("*/runs/*/**/*.gz")):
            for line in split_lines(decompress(path.read_bytes(), LIMIT, ""), "", LIMIT):
                sha256_raw(line)
    elif what == "pieces":
        for path in sorted(exchange.glob("*/runs/*/**/*.gz")):
            pass_in_pieces(path)
    elif what == "verify":
        verify(exchange, plan)
    elif run is not None:
        open_records(run, tree_root, [len(run.slots) * 2 // 3])
    took = time.process_time() - began
    print(json.dumps([took, peak_mb()]))


def pass_in_pieces(path: Path) -> None:
    """The same pass with no more than a piece of the file in memory: caches like it better."""
    stream, rest = zlib.decompressobj(16 + zlib.MAX_WBITS), b""
    with path.open("rb") as file:
        while piece := file.read(1 << 16):
            text = rest + stream.decompress(piece)
            *lines, rest = text.split(b"\n")
            for line in lines:
                sha256_raw(line)


def asked(exchange: Path) -> tuple[RunState, str]:
    """The large run as its desk has it, and its root."""
    desk = load_desk(exchange.parent / "lab-a")
    return runs_of(desk, desk.plan())[0], json.loads((exchange.parent / "made.json").read_text())["root"]


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


def made(folder: Path, n_labs: int, runs: int, n: int) -> tuple[Path, str, list[int]]:
    """The exchange of that shape, made in ``folder`` unless it is there; its folder, plan id, and records of each run."""
    root = folder / f"{n_labs}-{runs}-{n}"
    if not (root / "made.json").exists():
        began = time.perf_counter()
        root.mkdir(parents=True)
        make_exchange(root, n_labs, runs, n)
        print(f"made {n_labs} x {runs} x {n} records in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    said = json.loads((root / "made.json").read_text())
    return root / "exchange", said["plan"], said["runs"]


def compare(exchange: Path, plan: str, runs: list[int], reps: int, bar: str) -> None:
    """Turns of pass and verify over one exchange, as a table."""
    files = sorted(exchange.glob("*/runs/*/**/*.gz"))
    stored, n = sum(path.stat().st_size for path in files), sum(runs)
    turns = [{what: child(what, exchange, plan) for what in ("none", "pass", "pieces", "verify")} for _ in range(reps)]
    print(
        f"\n{len(runs)} runs, {n} records, {len(files)} gzip files of {stored / 1e6:.1f} MB; median of {reps} turns\n"
    )
    print("| work | CPU | of the pass | of the pass in pieces | bar | a record | peak memory |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    names = {"none": "nothing", "pass": "per-line pass", "pieces": "in pieces", "verify": "all steps of verify"}
    for what, name in names.items():
        took = statistics.median(turn[what][0] for turn in turns)
        ratio, strict = (statistics.median(t[what][0] / t[base][0] for t in turns) for base in ("pass", "pieces"))
        memory = max(turn[what][1] for turn in turns)
        aim = bar if what == "verify" else "-"
        print(
            f"| {name} | {took:.2f} s | {ratio:.2f} | {strict:.2f} | {aim} | {took / n * 1e6:.1f} us | {memory:.0f} MB |"
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--n", type=int, default=100_000, help="records of the one large run")
    options.add_argument("--runs", type=int, default=2, help="runs of each of five labs")
    options.add_argument("--each", type=int, default=5_000, help="records of each of those runs")
    options.add_argument("--reps", type=int, default=3, help="turns")
    options.add_argument("--keep", type=Path, help="where exchanges are made and found again")
    options.add_argument("--profile", action="store_true", help="print the profile of verify over the large run")
    for hidden in ("--child", "--exchange", "--plan"):
        options.add_argument(hidden, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.child:
        measure(given.child, Path(given.exchange), given.plan)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        one, many = made(folder, 1, 1, given.n), made(folder, 5, given.runs, given.each)
        compare(*one, given.reps, "3.0, 100 MB")
        compare(*many, given.reps, "10 s for 500,000 records")
        took, memory = child("open", one[0], one[1])
        print(f"\nopening one record of {given.n}: {took:.3f} s of CPU (bar 0.3 s), {memory:.0f} MB")
        if given.profile:
            profile = cProfile.Profile()
            profile.runcall(verify, one[0], one[1])
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
