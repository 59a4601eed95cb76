# SPDX-License-Identifier: Apache-2.0
"""The whole story as two labs type it, each command broken at its writes in every way, and then given again.

python tests/kit/walk.py WORK EVERY [STEP...]

A write is a call that changes what the disk holds or promises (WRITES). For each command: count them in one quiet
run, then, for some k (EVERY = 0) or all (EVERY = 1) and for each way of WAYS, copy the story as it stood before the
command, break the command at its k-th write, look at the exchange as another lab would (``verify``), give the same
command again, and verify again. Then the same with every folder read-only, and with two of the command at once.
One JSON line each; a line with ``"way": "quiet"`` comes first for each command. Children are forked: all is imported
once. What a child signs is noted in ``signed``, beside everything else. WORK must be where nobody may enter.
"""

import base64
import errno
import json
import os
import re
import shutil
import signal
import sys
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "src")]

from detente.cli.entry import VERBS, main
from detente.wire.keys import SigningKey
from kit.broken import forked

WRITES = ("fsync", "fdatasync", "replace", "unlink", "mkdir", "rmdir", "pwrite", "ftruncate")
# failed and not written; failed but written; killed before and after
WAYS = ("fails", "fails-after", "killed", "killed-after")
NOBODY = 65534

DRAFT = """
competence_floor = "0.5"
naming = "coded"
disclosure = {{headers = "public", scores = "parties"}}
closing = ["lab-a", "lab-b"]
test = [{{party = "lab-a", subject = "m"}}]
title = {{en = "A walk", zh-Hans = "走一遍"}}
roles = {{lab-a = ["tests"], lab-b = ["coordinates", "audits"]}}
releasers = {{core = ["lab-b"]}}
audit = {{n = 3}}
runs = {{deadline = "{deadline}", register_by = "{register}", max = 1}}
[[suite]]
from = "core-v0"
owner = "lab-b"
take = [{{hazard = "dt:crime", kind = "hazard", n = 2}}, {{kind = "benign", n = 1}}, {{kind = "control", n = 1}}]
"""


class Step(NamedTuple):
    """One command of the story and how it must end; ``PLAN`` stands for the plan id, ``RUN`` for lab-a's run."""

    name: str
    words: list[str]
    code: int = 0


def init(lab: str, *more: str) -> list[str]:
    names = ["--home", f"https://{lab}.example", "--name", f"en={lab}", "--name", "zh-Hans=实验室"]
    return ["init", lab, "--desk", lab, "--exchange", "exchange", *names, *more]


A, B = ["--desk", "lab-a"], ["--desk", "lab-b"]
STORY = [
    Step("init-a", init("lab-a", "--model", "m=python:kit.labs:scripted", "--coded", "m")),
    Step("init-b", init("lab-b")),
    Step("plan-new", ["plan", "new", "plan.toml", "--card", "lab-a/card.json", *B]),
    Step("plan-object", ["plan", "object", "PLAN", "--at", "/title", "--reason", "en=Why?", "--reason", "zh-Hans=为何？", *A]),
    Step("plan-object-again", ["plan", "object", "PLAN", "--at", "/texts", "--reason", "en=So?", "--reason", "zh-Hans=如何？", *A]),
    Step("plan-sign-a", ["plan", "sign", "PLAN", *A]),
    Step("plan-sign-b", ["plan", "sign", "PLAN", *B]),
    Step("witness-first", ["witness", *B]),
    Step("register", ["run", *A], 4),
    Step("witness-a", ["witness", *A]),
    Step("witness-run", ["witness", *B]),
    Step("release", ["release", *B]),
    Step("witness-release", ["witness", *A]),
    Step("run", ["run", *A]),
    Step("score", ["score", *A]),
    Step("publish", ["publish", *A]),
    Step("witness-published", ["witness", *B]),
    Step("recount", ["audit", "recount", *B]),
    Step("ask", ["audit", "ask", *B]),
    Step("witness-asked", ["witness", *A]),
    Step("answer", ["audit", "answer", *A]),
    Step("check", ["audit", "check", *B]),
    Step("witness-found", ["witness", *A]),
    Step("witness-answered", ["witness", *B]),
    Step("close-a", ["close", *A]),
    Step("close-b", ["close", "--reserve", "en=Few.", "--reserve", "zh-Hans=太少。", *B]),
    Step("report", ["report", "exchange", "--plan", "PLAN", "--out", "report"]),
    Step("pack", ["pack", "exchange", "--plan", "PLAN", "--out", "all.zip"]),
    Step("pack-run", ["pack", "exchange", "--plan", "PLAN", "--run", "RUN", "--out", "run.zip"]),
    Step("unpack", ["unpack", "all.zip", "--exchange", "there"]),
]  # fmt: skip


class Breaker:
    """Counts the writes of this process, and breaks the k-th one, or none."""

    def __init__(self, at: int, way: str) -> None:
        self.at, self.way, self.n = at, way, 0

    def install(self) -> None:
        for name in WRITES:
            setattr(os, name, self.broken(getattr(os, name), name))
        sign = SigningKey.sign

        def noted(key: SigningKey, message: bytes) -> bytes:
            row = json.dumps([key.public, base64.b64encode(message).decode()])
            with Path("signed").open("a") as file:
                file.write(row + "\n")
            return sign(key, message)

        SigningKey.sign = noted  # type: ignore[method-assign]

    def broken(self, real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.n += 1
            here = self.n == self.at
            if here:
                Path("broke").write_text(name)
            if self.way == "quiet":
                with Path("writes").open("a") as file:
                    file.write(name + "\n")
            if here and self.way == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if here and self.way == "fails":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            result = real(*args, **kwargs)
            if here and self.way == "killed-after":
                os.kill(os.getpid(), signal.SIGKILL)
            if here and self.way == "fails-after":
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return result

        return call


def given(step: Step, plan: str, at: int, way: str) -> tuple[int, str]:
    """The command, in a child of its own."""
    return forked(worded(step, plan), Breaker(at, way).install)


def given_read_only(step: Step, plan: str) -> tuple[int, str]:
    """The command by somebody who may read everything here and write nothing."""
    paths = [Path(), *Path().rglob("*")]
    folders = [path for path in paths if path.is_dir()]
    work, there = Path.cwd(), Path.cwd().with_name("elsewhere")
    shutil.rmtree(there, ignore_errors=True)
    shutil.copytree(work, there)

    def nobody() -> None:
        if os.geteuid() == 0:  # root is stopped by no mode
            # What is imported late must be before nobody may read it: the command once, elsewhere, unheard.
            err = os.dup(2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            os.chdir(there)
            main(worded(step, plan))
            main(["verify", "no-such-folder", "--plan", plan])  # words of an error
            sys.stderr.flush()
            os.dup2(err, 2)
            os.chdir(work)
            os.setegid(NOBODY)
            os.seteuid(NOBODY)

    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, NOBODY, NOBODY)
    for path in folders:
        path.chmod(0o555)
    try:
        return forked(worded(step, plan), nobody)
    finally:
        for path in folders:
            path.chmod(0o755)


def given_twice(step: Step, plan: str) -> tuple[int, str]:
    """Two of the command at one moment: the worse of their codes and what both said, with both codes in front."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reader)
        os.write(writer, json.dumps(given(step, plan, 0, "at-once")).encode()[:60_000])
        os._exit(0)
    os.close(writer)
    here = given(step, plan, 0, "at-once")
    with os.fdopen(reader, "rb") as file:
        there = json.loads(file.read())
    os.waitpid(child, 0)
    return max(here[0], there[0]), f"{here[0]} {there[0]}\n{here[1]}\n{there[1]}"


def worded(step: Step, plan: str) -> list[str]:
    runs = sorted(path.name for path in Path("exchange/lab-a/runs").glob("*"))
    stands = {"PLAN": plan, "RUN": runs[0] if runs else "-"}
    return [stands.get(word, word) for word in step.words]


def verified(plan: str, where: str = "exchange") -> tuple[int, str]:
    """How another lab finds the exchange; 4 while there is no plan."""
    return forked(["verify", where, "--plan", plan]) if plan else (4, "")


def durable() -> dict[str, str]:
    """What must never change once it has its name: keys, envelopes on their way, the fixed statements and secrets of a run."""
    found = {}
    for pattern in (
        "*/keys/*.key", "*/pending/*", "*/runs/*/registration.json", "*/runs/*/key", "*/runs/*/start*",
        "*/runs/*/out/*.json", "*/runs/*/out/outbox/**/*", "*/commitments/*", "exchange/*/outbox/**/*", "exchange/*/results/*",
        "exchange/*/mirror/*/notes/*", "exchange/*/plans/**/*",
    ):  # fmt: skip
        for path in Path().glob(pattern):
            if path.is_file() and not path.name.endswith(".tmp"):
                found[str(path)] = path.read_bytes().hex()
    return found


def lost(before: dict[str, str], entries: set[str]) -> list[str]:
    """What of it is gone or another afterwards; an envelope may leave ``pending/`` for the log only."""
    wrong = []
    for name, raw in before.items():
        path = Path(name)
        if "/pending/" in name:
            if raw not in entries:
                wrong.append(name)
        elif not path.is_file() or path.read_bytes().hex() != raw:
            wrong.append(name)
    return wrong


def logged() -> dict[str, list[str]]:
    """The entries of every log, hex, by owner: what its checkpoint covers."""
    from detente.wire.tiles import entries_path, parse_entries, tiles_of

    found = {}
    for head in sorted(Path("exchange").glob("*/log/checkpoint")):
        size = int(head.read_text("utf-8").split("\n")[1])
        rows: list[bytes] = []
        for n, width in tiles_of(size):
            path = head.parent / entries_path(n, width)
            rows += parse_entries(path.read_bytes(), width, str(path))
        found[head.parts[1]] = [row.hex() for row in rows]
    return found


def kinds(entries: list[str]) -> list[str]:
    payloads = [json.loads(base64.b64decode(json.loads(bytes.fromhex(entry))["payload"])) for entry in entries]
    return [payload["predicateType"].split("/")[-2] for payload in payloads]


def heads_signed() -> int:
    """How many heads of one log and one size with different roots were ever signed, by its owner or a witness."""
    roots: dict[tuple[str, str, str], set[str]] = {}
    for row in Path("signed").read_text().splitlines() if Path("signed").exists() else []:
        public, message = json.loads(row)
        head = re.fullmatch(
            r"(?:cosignature/v1\ntime [0-9]+\n)?([^\n]+)\n([0-9]+)\n([A-Za-z0-9+/=]{44})\n",
            base64.b64decode(message).decode("utf-8", "replace"),
        )
        if head:
            roots.setdefault((public, head[1], head[2]), set()).add(head[3])
    return sum(len(found) > 1 for found in roots.values())


def half_written() -> list[str]:
    """Temporary files where others, or a log, would find them, and envelopes that wait."""
    found = [str(path) for path in Path("exchange").rglob(".*.tmp")]
    return found + [str(path) for path in Path().glob("*/pending/*")]


def state(plan: str, step: Step) -> dict[str, Any]:
    """The whole tree as it stands: what each log says, whether it verifies, what is listed."""
    entries = logged()
    code, told = verified(plan, "there" if step.name == "unpack" else "exchange")
    beside = [re.sub(r"[0-9a-f]{8,}", "#", line) for line in told.splitlines() if "not part of it" in line]
    return {
        "verify": code,
        "kinds": {party: kinds(rows) for party, rows in entries.items()},
        "listed": [line for line in told.splitlines() if "listed: entry" in line],
        "beside": beside,
        "left": half_written(),
        "registrations": len(list(Path().glob("*/runs/*/registration.json"))),
        "heads": heads_signed(),
    }


def plan_id() -> str:
    found = sorted(Path("exchange").glob("*/proposals/*/plan.json"))
    return found[0].parent.name if found else ""


def picked(names: list[str], way: str, step: str, every: bool) -> list[int]:
    """Which of a command's writes to break in this way: all, or one of those that give a file its name."""
    if every:
        return list(range(1, len(names) + 1, 1 + len(names) // 100))
    shown = [n for n, name in enumerate(names, 1) if name == "replace"]
    return [shown[zlib.crc32(f"{step} {way}".encode()) % len(shown)]] if shown else []


def broken(step: Step, before: Path, work: Path, at: int, way: str) -> dict[str, Any]:
    """One command broken once, then given again."""
    os.chdir("/")
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(before, work)
    os.chdir(work)
    plan = plan_id()
    if way == "read-only":
        code, err = given_read_only(step, plan)
    elif way == "at-once":
        code, err = given_twice(step, plan)
    else:
        code, err = given(step, plan, at, way)
    broke = Path("broke").read_text() if Path("broke").exists() else ""
    kept = durable()
    plan = plan or plan_id()
    between = verified(plan)[0] if step.name != "unpack" else verified(plan, "there")[0]
    again, more = given(step, plan, 0, "again")
    found = state(plan or plan_id(), step)
    entries = {row for rows in logged().values() for row in rows}
    return {
        "step": step.name, "way": way, "at": at, "broke": broke, "code": code, "err": err, "between": between, "again": again, "more": more,
        "lost": lost(kept, entries), **found,
    }  # fmt: skip


def walk(root: Path, every: bool, only: list[str]) -> None:
    """The story once; each command broken in every way before it goes on."""
    for module in {*VERBS.values()}:
        import_module(f"detente.cli.{module}")
    for module in ("detente.report.result", "detente.desk.joint", "detente.desk.packing", "kit.labs"):
        import_module(module)
    story, before, work = root / "story", root / "before", root / "work"
    story.mkdir(parents=True)
    (story / "exchange").mkdir()
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(days=7)
    dates = {"register": soon.isoformat(), "deadline": (soon + timedelta(days=7)).isoformat()}
    (story / "plan.toml").write_text(DRAFT.format(**{k: v.replace("+00:00", "Z") for k, v in dates.items()}), "utf-8")
    for nth, step in enumerate(STORY):
        os.chdir("/")
        shutil.rmtree(before, ignore_errors=True)
        shutil.copytree(story, before)
        os.chdir(story)
        Path("writes").unlink(missing_ok=True)
        code, err = given(step, plan_id(), 0, "quiet")
        names = Path("writes").read_text().split() if Path("writes").exists() else []
        Path("writes").unlink(missing_ok=True)
        print(json.dumps({"step": step.name, "way": "quiet", "code": code, "err": err, "writes": names, **state(plan_id(), step)}), flush=True)  # fmt: skip
        if only and step.name not in only:
            continue
        # Not every write: one half of a pair and the other kind's other half, in turn.
        for way in WAYS if every else (WAYS[nth % 2], WAYS[3 - nth % 2]):
            for at in picked(names, way, step.name, every):
                print(json.dumps(broken(step, before, work, at, way)), flush=True)
        for way in ("read-only", *["at-once"] * (5 if every else 1)):
            print(json.dumps(broken(step, before, work, 0, way)), flush=True)


if __name__ == "__main__":
    walk(Path(sys.argv[1]).resolve(), sys.argv[2] == "1", sys.argv[3:])
