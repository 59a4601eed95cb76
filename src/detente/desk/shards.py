# SPDX-License-Identifier: Apache-2.0
"""A run on more than one machine: on a Ray cluster, or in shards that are asked by hand and joined (R-9).

    desk/runs/<run>/shards/2-of-8/        a shard asked here: a journal and head.json (run/shards.py), and its limits.json
    desk/runs/<run>/shards/2-of-8.out     a shard was handed out as a task file

A cluster answers into the one journal of the run. Shards have journals of their own until ``join`` puts all of
them, or nothing, into that journal; the run's secret is used on the desk alone.
"""

import mmap
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from detente.desk.allowed import Allowed, limits_for, note_limits
from detente.desk.given import listed, unreadable, write_given
from detente.desk.keys import Desk, ModelEntry
from detente.desk.runs import EXTERNAL, Prompts, RunState, Told, check_able, check_descriptor, own_code, run_model
from detente.desk.streamed import slot_texts
from detente.errors import CannotTell, WrongUsage
from detente.evidence.bundle import Bundle
from detente.evidence.record import Body, parse_body, salt_of, slot_seed
from detente.pact.plan import PlanFile
from detente.run.journal import Journal, Outcomes, trace_row
from detente.run.model import Model, Sampling, check_begins
from detente.run.scale import Cluster, Crew, Route, open_model
from detente.run.shards import (
    TASK,
    Asking,
    Head,
    Shard,
    Share,
    Task,
    TaskFile,
    ask_shard,
    begin_folder,
    read_head,
    write_task,
)
from detente.tlog.folder import Folder
from detente.tlog.witness import Receipt
from detente.wire.canonical import encode
from detente.wire.digests import sha256, sha256_of

NOBODY, HERE = 0, 65_535  # where a slot's answer lies: nowhere, in the run's own journal, else in shard number x
BUSY_S = 30.0  # how long a shard waits for others that begin at the same moment
NAMED = 8  # so many shards are named in an error


class How(NamedTuple):
    """How a shard is asked: so many questions at once, who is told, and what is allowed; that holds for this process alone."""

    concurrency: int
    told: Told | None = None
    allowed: Allowed = Allowed()


class Joined(NamedTuple):
    """What a join found: how the slots ended, and how many answers and shards' traces came home with it."""

    outcomes: Outcomes
    slots: int
    traces: int


class Piece(NamedTuple):
    """One shard's folder, to be joined."""

    path: Path
    head: Head

    @property
    def place(self) -> str:
        """As an error names it."""
        return f"{self.path} ({self.head.k}/{self.head.n})"

    def journal(self) -> Journal:
        """Its journal, opened: an index of 13 bytes for each slot of the run, so one at a time."""
        return Journal(self.path, self.head.key())


def run_on_cluster(
    desk: Desk,
    plan: PlanFile,
    run: RunState,
    receipt: Receipt,
    crew: Crew,
    told: Told | None,
    *,
    allowed: Allowed = Allowed(),  # noqa: B008  # a tuple
) -> Bundle:
    """The same as ``run_model``, the model being asked by the workers of a Ray cluster.

    What is ``allowed`` holds for all of them together: when a question starts, and what the answers cost, is seen to here.
    """
    if run.in_shards():
        raise WrongUsage("R-9.in-shards", str(run.shards_path()), run=run.id[:16])
    cluster = Cluster(crew, route_of(desk, run.test.subject), own_code)
    try:
        return run_model(desk, plan, run, receipt, crew.workers * crew.each, told, allowed=allowed, model=cluster)
    finally:
        cluster.shut()


def route_of(desk: Desk, subject: str) -> Route:
    """How the model of a subject is reached from anywhere; WrongUsage (no-model)."""
    entry = _entry_of(desk, subject)
    return Route(tuple(listed(entry.use)), entry.system, tuple(listed(entry.key_env)), entry.recipe)


def _entry_of(desk: Desk, subject: str) -> ModelEntry:
    found = next((one for one in desk.models if one.subject == subject), None)
    if found is None:
        known = ", ".join(one.subject for one in desk.models)
        raise WrongUsage("no-model", f"{desk.root}/desk.toml", expected=known, got=subject)
    return found


class Part(NamedTuple):
    """A shard of a run of this desk: what to ask, under which head, and where its folder lies."""

    head: Head
    share: Share
    folder: Path


def begin_shard(desk: Desk, plan: PlanFile, run: RunState, shard: Shard) -> Part:
    """The shard, begun in the run's own folder; from here on the run is asked in shards only.

    What the run's journal holds already is not asked again. Raises WrongUsage (R-9.late, R-10.began-outside,
    P-12.other-model, journal-busy: the run is being asked as a whole).
    """
    if run.concluded():
        raise WrongUsage("R-9.late", run.id[:16], run=run.id[:16])
    if run.register.engine.name == EXTERNAL:
        raise WrongUsage("R-10.began-outside", run.id[:16], got=run.register.engine.version)
    model = desk.load_model(run.test.subject, 1)
    described = model.describe()
    check_descriptor(desk, plan, run.test.subject, described)
    check_able(plan, run.test, model)
    texts = slot_texts(desk, plan, run.slots)
    head = Head(
        descriptor=sha256(encode(described)), k=shard.k, n=shard.n, plan=plan.id, run=run.id,
        slots=len(run.slots), subject=run.test.subject,
    )  # fmt: skip
    answered: frozenset[int] = frozenset()
    run.shards_path().mkdir(parents=True, exist_ok=True)
    if (run.journal_path() / "bodies.jsonl").exists():
        with _open_patiently(run) as journal:
            answered = frozenset(i for i in journal.done() if shard.holds(i))
    share = Share(Prompts(plan, run, texts), len(run.slots), shard, answered)
    return Part(head, share, run.shards_path() / shard.name)


def _open_patiently(run: RunState) -> Journal:
    """The run's journal; shards that begin together look into it one after the other."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            return Journal(run.journal_path(), run.key())
        except WrongUsage as error:
            if error.code != "journal-busy" or time.monotonic() > until:
                raise
            time.sleep(0.1)


@contextmanager
def turn(desk: Desk) -> Iterator[None]:
    """Tasks of an array begin at one moment: one after the other registers and starts, which is one run's for all of them."""
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(desk.folder("state", "shards").held())
                break
            except CannotTell as error:
                if error.code != "folder-busy":
                    raise
                time.sleep(0.1)
        yield


def run_shard(
    desk: Desk, plan: PlanFile, run: RunState, receipt: Receipt, shard: Shard, how: How
) -> tuple[Path, Outcomes]:
    """Ask one shard here; where it lies and how its slots ended. Of what the desk usually allows it takes its Nth part."""
    part = begin_shard(desk, plan, run, shard)
    model = desk.load_model(run.test.subject, how.concurrency)
    allowed = how.allowed.over(desk.allowance(run.test.subject).parted(shard.n))
    asking = _asking(model, receipt, _sampling(plan), how._replace(allowed=allowed))
    return part.folder, _ask(part.folder, part.head, part.share, asking)


def _asking(model: Model, receipt: Receipt, sampling: Sampling, how: How) -> Asking:
    return Asking(model, receipt, sampling, how.concurrency, how.told, limits_for(how.allowed, model))


def _ask(folder: Path, head: Head, prompts: Share | TaskFile, asking: Asking) -> Outcomes:
    """Begin the folder, write down there what the shard goes by, and ask."""
    begin_folder(folder, head, asking.model)
    note = partial(note_limits, Folder(folder), asking.limits, len(prompts))
    return ask_shard(folder, head, prompts, asking._replace(begun=note))


def hand_out(desk: Desk, plan: PlanFile, run: RunState, receipt: Receipt, shard: Shard, path: Path) -> int:
    """Write a shard's task file, to be asked where the desk is not (``detente shard``); how many questions it holds.

    It holds texts of questions, sealed ones too, the system prompt and the model's address; no key of any kind.
    """
    part = begin_shard(desk, plan, run, shard)
    if part.folder.is_dir():
        raise WrongUsage("shard-here", str(part.folder), got=f"{shard.k}/{shard.n}")
    route, sampling = route_of(desk, run.test.subject), plan.plan.sampling
    part_of = desk.allowance(run.test.subject).parted(shard.n)
    requests, tokens = (None if each is None else str(each) for each in part_of)
    task = Task(
        count=len(part.share), head=part.head, index=receipt.index, keyEnv=list(route.variables), model=list(route.specs),
        notes=list(receipt.notes), perMinute=requests, recipe=route.recipe, releases=list(receipt.releases), system=route.system,
        temperature=str(sampling.temperature), tokensPerMinute=tokens, topP=str(sampling.topP), type=TASK,
        unwitnessed=receipt.unwitnessed,
    )  # fmt: skip
    write_given(path, write_task(task, part.share))
    path.chmod(0o600)
    run.shards_path().joinpath(f"{shard.name}.out").touch()
    return task.count


def ask_task(
    path: Path, out: Path | None, other: tuple[str | None, str | None], how: How
) -> tuple[Path, Head, Outcomes]:
    """Ask a shard that was handed out, where there is no desk: its folder, to be sent home, its head, how its slots ended.

    ``other``: another spec, and another variable with the key, than the desk's own; the descriptor must be the same.
    Raises what ``TaskFile``, ``limits_for``, ``begin_folder`` and ``ask_shard`` do, WrongUsage (no-key-here).
    """
    try:
        file = TaskFile(path)
    except OSError as error:
        raise unreadable(error, path) from error
    task = file.task
    specs, variables = (listed(given) or known for given, known in zip(other, (task.model, task.keyEnv), strict=True))
    route = Route(tuple(specs), task.system, tuple(variables), task.recipe)
    folder = out or Path(f"{task.head.run[:16]}-{task.head.shard.name}")
    model = open_model(route, how.concurrency, str(path))
    if file.begins:
        check_begins(model, str(path))
    allowed = how.allowed.over(task.allowance())
    asking = _asking(model, task.receipt(), task.sampling(), how._replace(allowed=allowed))
    return folder, task.head, _ask(folder, task.head, file, asking)


def _sampling(plan: PlanFile) -> Sampling:
    return Sampling(float(plan.plan.sampling.temperature), float(plan.plan.sampling.topP))


def join_shards(desk: Desk, plan: PlanFile, run: RunState, folders: Sequence[Path]) -> Joined:
    """Put the shards of the run, those here and those in ``folders``, into its journal: all of it or nothing (R-9).

    Every slot must be there, and where it is there twice its answer must be the same. Everything is judged before
    anything is written; after a crash the same call goes on. Raises CannotTell (R-9.missing, shard-none), WrongUsage
    (R-9.twice, R-9.other-run, R-9.other-model, R-9.other-slot, R-9.late, journal-busy: a shard is still being asked).
    """
    here = sorted(path for path in run.shards_path().glob("*-of-*") if path.is_dir())
    paths = list(dict.fromkeys(path.resolve() for path in (*here, *folders)))
    if run.concluded():
        raise WrongUsage("R-9.late", run.id[:16], run=run.id[:16])
    descriptor = sha256(encode(desk.load_model(run.test.subject, 1).describe()))
    heads = [read_head(path) for path in paths]
    for path, head in zip(paths, heads, strict=True):
        _check_head(head, run, descriptor, path)
    parts = [Piece(path, head) for path, head in zip(paths, heads, strict=True)]
    with Journal(run.journal_path(), run.key()) as journal:
        where = _judge(plan, run, journal, parts)
        traces = [block for part in parts if (block := _trace_of(part, journal)) is not None]
        if traces:
            journal.adopt_trace(line for block in traces for line in block)
        put = 0
        for number, part in enumerate(parts, 1):
            with part.journal() as source:
                for i in source.done():
                    if where[i] == number:
                        body = parse_body(source.body_line(i), f"{part.place} {i}")
                        journal.put(structs.replace(body, salt=salt_of(journal.key, i)))
                        put += 1
        journal.flush()
        return Joined(journal.outcomes(), put, len(traces))


def _check_head(head: Head, run: RunState, descriptor: str, path: Path) -> None:
    """A shard of this run and of the plan's model."""
    if (head.run, head.slots) != (run.id, len(run.slots)):
        raise WrongUsage("R-9.other-run", str(path), expected=run.id[:16], got=head.run[:16])
    if head.descriptor != descriptor:
        raise WrongUsage("R-9.other-model", str(path), expected=descriptor, got=head.descriptor)


def _judge(plan: PlanFile, run: RunState, journal: Journal, parts: Sequence[Piece]) -> "array[int]":
    """Where each slot's answer lies, two bytes a slot; raises as ``join_shards``. One shard's journal is open at a time."""
    n = len(run.slots)
    where = array("H", bytes(2 * n))
    for i in journal.done():
        where[i] = HERE
    beacon = run.beacon() if plan.plan.sampling.seed == "slot" else None
    twice: dict[tuple[int, int], array[int]] = {}
    for number, part in enumerate(parts, 1):
        with part.journal() as source:
            for i in source.done():
                body = parse_body(source.body_line(i), f"{part.place} {i}")
                _check_body(plan, run, part, body, beacon)
                if where[i] == NOBODY:
                    where[i] = number
                elif where[i] == HERE:
                    _check_same(source, journal, i, (part.place, str(run.journal_path())))
                else:
                    twice.setdefault((number, where[i]), array("Q")).append(i)
    for (number, other), slots in twice.items():
        one, two = parts[number - 1], parts[other - 1]
        with one.journal() as source, two.journal() as first:
            for i in slots:
                _check_same(source, first, i, (one.place, two.place))
    if missing := where.count(NOBODY):
        of = Counter(part.head.n for part in parts).most_common(1)[0][0] if parts else 1
        lack = sorted(Counter(i % of for i, at in enumerate(where) if at == NOBODY).items())
        owing = ", ".join(f"{k}/{of}: {count}" for k, count in lack[:NAMED]) + (" ..." if len(lack) > NAMED else "")
        raise CannotTell("R-9.missing", run.id[:16], expected=n, got=n - missing, owing=owing)
    return where


def _check_same(one: Journal, two: Journal, i: int, places: tuple[str, str]) -> None:
    """Slot i has one answer, though it lies in two journals; WrongUsage (R-9.twice)."""
    body = parse_body(one.body_line(i), places[0])
    if structs.replace(parse_body(two.body_line(i), places[1]), salt=body.salt) != body:
        raise WrongUsage("R-9.twice", places[0], slot=i, other=places[1])


def _check_body(plan: PlanFile, run: RunState, part: Piece, body: Body, beacon: bytes | None) -> None:
    """An answer to the question that the plan puts in this slot, within its cap, under the shard's own mark."""
    i = body.i
    if i < len(run.slots) and part.head.shard.holds(i) and body.salt == salt_of(part.head.key(), i):
        slot = run.slots[i]
        chars, long = plan.plan.caps[slot.lang].chars, len(body.output or "")
        seed = slot_seed(beacon, i) if beacon is not None else None
        if (body.item, body.seed) == (slot.item, seed) and long <= chars:
            return
    raise WrongUsage("R-9.other-slot", part.place, got=i)


def _trace_of(part: Piece, journal: Journal) -> Iterator[bytes] | None:
    """The lines of a shard's trace behind one that names it, or None where the run's trace has them already."""
    path = part.path / "trace.jsonl"
    with path.open("rb") as file:
        digest = sha256_of(iter(lambda: file.read(1 << 20), b""))
    name = f"{part.head.shard.name}-{digest}"
    with (journal.folder / "trace.jsonl").open("rb") as file:
        if file.seek(0, 2):
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
                if raw.find(b'"reason":"%b"' % name.encode()) >= 0:
                    return None
    return _trace_lines(path, trace_row(-1, part.head.k, time.time_ns() // 1_000_000, 0, "joined", reason=name))


def _trace_lines(path: Path, first: bytes) -> Iterator[bytes]:
    yield first + b"\n"
    with path.open("rb") as file:
        yield from file
