# SPDX-License-Identifier: Apache-2.0
"""Running at home: register, get witnessed, ask the model, conclude, score, and publish what may leave.

    desk/runs/<run>/registration.json   the envelope whose hash is the run's id
    desk/runs/<run>/key                 the run's 32-byte secret (R-6)
    desk/runs/<run>/start.json          what was in hand before the first request (R-4)
    desk/runs/<run>/releases/           the releases that it names, envelope by envelope (R-5)
    desk/runs/<run>/limits.json         the price and the budget that it goes by now, for ``status``
    desk/runs/<run>/journal/            bodies and trace as they come
    desk/runs/<run>/shards/             parts of it that are asked by hand elsewhere (desk/shards.py)
    desk/runs/<run>/records.index       made at the end: to open single records fast; nothing is lost with it
    desk/runs/<run>/out/                what ``publish`` will lay into the exchange, byte for byte

Until ``publish`` nothing of a run but its registration has left.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from detente import __version__
from detente.check.exchange import Entry, notes_of, read_entries, read_history
from detente.check.ledger import Ledger
from detente.check.releases import needed, notes_over, releases_of
from detente.desk.allowed import Allowed, limits_for, note_limits
from detente.desk.given import read_hex
from detente.desk.keys import Desk, alone, commitment_line, log_entry, own_log, sign_statement
from detente.desk.plans import all_texts, suite_lists
from detente.desk.streamed import Texts, slot_texts
from detente.errors import CannotTell, DetenteError, Malformed, NotVerified, WrongUsage
from detente.evidence.bundle import Bundle, BundleMaker, leaves_of, read_bundle
from detente.evidence.record import beacon_of, draw_commit, header_line, nonce_of, parse_body, slot_seed
from detente.evidence.statements import (
    Conclude,
    DrawCommit,
    Engine,
    OutcomeCounts,
    Predicate,
    Register,
    Release,
    Start,
    Statement,
    parse_statement,
)
from detente.pact.item import Item, as_turns, begun_in
from detente.pact.plan import PlanFile, Test
from detente.pact.slots import Slots
from detente.pact.variants import begins_answers
from detente.run.engine import Progress, answer, drive
from detente.run.index import NAME as INDEX
from detente.run.index import index_pieces
from detente.run.journal import Journal, glance
from detente.run.model import Model, Prompt, Sampling, check_begins, conversation
from detente.tlog.folder import Folder
from detente.tlog.witness import Receipt, Seen
from detente.wire.canonical import decode_as, encode
from detente.wire.digests import sha256
from detente.wire.dsse import open_envelope
from detente.wire.keys import new_seed
from detente.wire.merkle import Leaves, leaf_hash
from detente.wire.times import encode_time

Told = Callable[[Progress], None]
EXTERNAL = "external"  # the engine's name where answers come from another harness


@dataclass(frozen=True, slots=True)
class RunState:
    """A registered run of this desk: its id, its test, its slots, and its folder on the desk."""

    id: str
    test: Test
    index: int
    register: Register
    slots: Slots
    folder: Folder
    logged: str | None = None  # digest of its conclusion in the lab's log, if it is there

    def key(self) -> bytes:
        """The run's secret (R-6); CannotTell (key-broken)."""
        return bytes.fromhex(read_hex(self.folder, "key", "key-broken"))

    def journal_path(self) -> Path:
        """Where the journal lies."""
        return self.folder.root / "journal"

    def shards_path(self) -> Path:
        """Where its shards lie, if it is asked in shards (desk/shards.py)."""
        return self.folder.root / "shards"

    def in_shards(self) -> bool:
        """Whether shards of it were begun and have not been joined: it is asked nowhere else meanwhile (R-9)."""
        return self.shards_path().is_dir() and glance(self.journal_path()).total() < len(self.slots)

    def out(self) -> Folder:
        """What will leave."""
        return self.folder.sub("out")

    def beacon(self) -> bytes:
        """The run's beacon, from the releases that it started with (R-5); CannotTell (desk-damaged)."""
        start = decode_as(self.folder.read("start.json"), Start, self.folder.place("start.json"))
        beacons = []
        for digest in start.releases:
            path = f"releases/{digest}.json"
            entry = self.folder.read(path)
            release = statement_in(entry, self.folder.place(path))
            if sha256(entry) != digest or not isinstance(release, Release):
                raise CannotTell("desk-damaged", self.folder.place(path))
            beacons.append(release.beacon)
        return beacon_of(self.id, beacons)

    def concluded(self) -> bool:
        """Whether all answers are in and fixed, or the run was given up."""
        return self.out().exists("conclude.json")

    def aborted(self) -> bool:
        """Whether it was given up (T-5); CannotTell (desk-damaged)."""
        conclude = self._conclude()
        return conclude is not None and conclude.status == "aborted"

    def _conclude(self) -> Conclude | None:
        if not self.concluded():
            return None
        out = self.out()
        conclude = statement_in(out.read("conclude.json"), out.place("conclude.json"))
        return conclude if isinstance(conclude, Conclude) else None

    def outcome_counts(self) -> OutcomeCounts | None:
        """How the slots of a concluded run ended, None before that."""
        conclude = self._conclude()
        return conclude.outcomes if conclude is not None else None


def runs_of(desk: Desk, plan: PlanFile) -> list[RunState]:
    """The lab's registered runs under the plan, in log order."""
    lists = suite_lists(desk.open_exchange(), plan)
    entries, _ = read_entries(desk.me(plan), own_log(desk, plan), plan)
    concluded = {
        entry.statement.predicate.run: entry.digest
        for entry in reversed(entries)
        if isinstance(entry.statement.predicate, Conclude)
    }
    found = []
    for entry in entries:
        register = entry.statement.predicate
        if isinstance(register, Register):
            test = Test(register.subject, register.section, desk.party)
            slots = Slots(plan.plan, register.section, lists)
            folder = desk.folder("runs", entry.digest)
            logged = concluded.get(entry.digest)
            found.append(RunState(entry.digest, test, entry.index, register, slots, folder, logged))
    return found


def find_run(desk: Desk, plan: PlanFile, prefix: str | None) -> RunState:
    """The run whose id starts with ``prefix``, or the newest; WrongUsage (no-run) lists what there is, (no-run-yet) says that there is none.

    CannotTell (desk-behind) if the lab's own log knows more of the run than this desk.
    """
    runs = runs_of(desk, plan)
    fits = [run for run in runs if run.id.startswith(prefix)] if prefix else runs[-1:]
    if not runs and not prefix:
        raise WrongUsage("no-run-yet", str(desk.root))
    if len(fits) != 1:
        known = " ".join(run.id[:16] for run in runs) or "-"
        raise WrongUsage("no-run", str(desk.root), expected=known, got=prefix or "-")
    return _not_behind(fits[0])


def _not_behind(run: RunState) -> RunState:
    """The run, if the desk holds its secret and the very conclusion that is in the log: an older desk would sign another."""
    path = "conclude.json"
    held = sha256(run.out().read(path)) if run.concluded() else None
    if not run.folder.exists("key"):
        raise CannotTell("desk-behind", run.folder.place("key"), run=run.id[:16])
    if run.logged is not None and held != run.logged:
        raise CannotTell("desk-behind", run.out().place(path), expected=run.logged, got=held or "-", run=run.id[:16])
    return run


def pick_test(desk: Desk, plan: PlanFile, subject: str | None, section: str) -> Test:
    """The test of the plan that this lab is to run; WrongUsage (no-test) lists the choices."""
    desk.me(plan)
    mine = [
        t for t in plan.plan.tests if t.party == desk.party and t.section == section and subject in {None, t.subject}
    ]
    if len(mine) != 1:
        choices = [f"{t.subject}/{t.section}" for t in plan.plan.tests if t.party == desk.party]
        raise WrongUsage(
            "no-test", "run", expected=" ".join(choices) or "-", got=f"{subject}/{section}" if subject else section
        )
    return mine[0]


@alone
def register_run(desk: Desk, plan: PlanFile, test: Test, engine: Engine, *, again: bool = False) -> RunState:
    """The registration of a test that is not published yet, or a new one (R-1).

    Refused before every party accepted, once too often, and, unless ``again``, after one that was
    published (run-published): what goes into every report is never registered by a command given twice.
    """
    runs = runs_of(desk, plan)
    mine = [run for run in runs if run.test == test]
    lost = again and bool(mine) and not mine[-1].folder.exists("key")
    if mine and mine[-1].logged is None and not lost:  # a lost run stays unfinished; another attempt may be left
        return _not_behind(mine[-1])
    if plan.id != desk.plan_id():  # a lab that signed the next plan registers nothing more under the last (P-11)
        raise WrongUsage("old-plan", str(desk.root), expected=desk.plan_id(), got=plan.id)
    if len(mine) >= plan.plan.runs.max:
        raise WrongUsage("R-1.attempts", f"$.runs.max {test.subject}", expected=plan.plan.runs.max, got=len(mine) + 1)
    if mine and not again:
        raise WrongUsage(
            "run-given-up" if mine[-1].aborted() else "run-published",
            str(desk.root), run=mine[-1].id[:16], subject=test.subject, next=len(mine) + 1,
            max=plan.plan.runs.max,
        )  # fmt: skip
    known = next((one for one in desk.models if one.subject == test.subject), None)
    if engine.name != EXTERNAL and known is not None:
        check_able(plan, test, known.unkeyed())  # else the run could only be given up
    key = new_seed()
    section = plan.plan.section(test.section)
    auditors = section.audit.by if section.audit else []
    commits = [DrawCommit(auditor=a, commit=draw_commit(nonce_of(key, a))) for a in auditors]
    register = Register(
        acceptances=acceptances(desk, plan),
        drawCommits=commits,
        engine=engine,
        party=desk.party,
        plan=plan.id,
        section=test.section,
        subject=test.subject,
    )
    entry = _signed_before(desk, plan, register, {run.id for run in runs})
    if entry is None:
        entry = sign_statement(desk, "register", [("plan.json", plan.id)], register)
        folder = desk.folder("runs", sha256(entry))
        # The secret lies on the disk before anything that commits to it can be in a log.
        folder.create("key", key.hex().encode())
        folder.create("registration.json", entry)
    log_entry(desk, plan, entry)
    return next(run for run in runs_of(desk, plan) if run.id == sha256(entry))


def _signed_before(desk: Desk, plan: PlanFile, wanted: Register, logged: set[str]) -> bytes | None:
    """The same registration, signed and kept here, that a full disk or a crash has kept from the log."""
    runs = desk.folder("runs")
    for path in runs.names():
        id_, _, name = path.partition("/")
        if name != "registration.json" or id_ in logged or not runs.exists(f"{id_}/key"):
            continue
        entry = runs.read(path)
        try:
            register = parse_statement(open_envelope(entry, desk.me(plan).statement), runs.place(path)).predicate
        except NotVerified:  # signed under another plan of the chain, with the key of then
            continue
        if isinstance(register, Register) and structs.replace(register, drawCommits=wanted.drawCommits) == wanted:
            return entry
    return None


def acceptances(desk: Desk, plan: PlanFile) -> list[str]:
    """The digest of every party's acceptance, in plan order; CannotTell (P-2.not-in-force) names who has not signed."""
    exchange = desk.open_exchange()
    found = []
    for party in plan.plan.parties:
        try:
            entries, _ = read_entries(party, read_history(exchange, party, plan).view, plan)
        except CannotTell as error:
            raise CannotTell("P-2.not-in-force", exchange.place(party.id), got=party.id) from error
        accepted = next((entry.digest for entry in entries if entry.statement.kind == "accept"), None)
        if accepted is None:
            raise CannotTell("P-2.not-in-force", exchange.place(party.id), got=party.id)
        found.append(accepted)
    return found


def receipt_for(desk: Desk, plan: PlanFile, run: RunState, *, unwitnessed: bool) -> Receipt:
    """What is in hand to start with (R-4), fixed on the desk the first time and never changed after.

    CannotTell (R-4.unwitnessed, R-4.unreleased) names who has yet to witness the registration, or to release it;
    what ``slot_texts`` raises, even for an unwitnessed start: without the questions there is no run.
    """
    awaited = needed(plan.plan.section(run.test.section), desk.party)
    if run.folder.exists("start.json"):
        start = decode_as(run.folder.read("start.json"), Start, run.folder.place("start.json"))
        short = not start.notes or len(start.releases) < len(awaited)
        return Receipt(run.id, run.index, tuple(start.notes), tuple(start.releases), short)
    newest: dict[str, Seen] = {}
    for note in notes_of(desk.open_exchange(), desk.me(plan), plan):
        if note.size > run.index and (note.witness not in newest or note.size < newest[note.witness].size):
            newest[note.witness] = note
    order = [id_ for id_ in plan.plan.cosigners() if id_ in newest]
    if len(order) < plan.plan.quorum and not unwitnessed:
        owing = [id_ for id_ in plan.plan.cosigners() if id_ not in newest and id_ != desk.party]
        raise CannotTell(
            "R-4.unwitnessed",
            run.id,
            expected=plan.plan.quorum,
            got=len(order),
            owing=", ".join(owing),
            run=run.id[:16],
        )
    released = _releases_here(desk, plan, run)
    late = [id_ for id_ in awaited if id_ not in {one.entry.party for one in released}]
    if late and not unwitnessed:
        raise CannotTell("R-4.unreleased", run.id, owing=", ".join(late), run=run.id[:16])
    # A text that is not here, or is not the listed one, is told before anything is fixed.
    slot_texts(desk, plan, run.slots)
    notes = [newest[id_].digest for id_ in order] if len(order) >= plan.plan.quorum else []
    for one in released:
        run.folder.create(f"releases/{one.entry.digest}.json", one.raw)
    # start.json says that both are there: a crash between the two must not leave it alone.
    if not run.folder.exists("started-at"):
        run.folder.create("started-at", encode_time(int(time.time())).encode())
    releases = [one.entry.digest for one in released]
    run.folder.create("start.json", encode(Start(notes=notes, releases=releases)))
    return Receipt(run.id, run.index, tuple(notes), tuple(releases), not notes or bool(late))


class _Held(NamedTuple):
    """A release with its envelope."""

    entry: Entry
    release: Release
    raw: bytes


def _releases_here(desk: Desk, plan: PlanFile, run: RunState) -> list[_Held]:
    """The legal releases of the run that are under a checkpoint of their releaser's log here, plan order (R-4).

    A log that is missing or cut off holds none yet; one that does not verify is raised.
    """
    section, exchange = plan.plan.section(run.test.section), desk.open_exchange()
    awaited = needed(section, desk.party)
    if not awaited:
        return []
    entries: dict[str, list[Entry]] = {}
    raw: dict[str, bytes] = {}
    for party in plan.plan.parties:
        if party.id in awaited:
            with suppress(CannotTell):
                view = read_history(exchange, party, plan).view
                entries[party.id], _ = read_entries(party, view, plan)
                raw |= {sha256(one): one for one in view.entries}
    own, _ = read_entries(desk.me(plan), own_log(desk, plan), plan)
    registration = next(entry for entry in own if entry.digest == run.id)
    seen = notes_of(exchange, desk.me(plan), plan)
    found = releases_of(Ledger(plan, entries), registration, section, notes_over(seen, seen))
    return [_Held(*one, raw[one.entry.digest]) for one in found]


class Prompts:
    """The questions of a run in slot order, with their seeds and caps (S-4, R-5); made one at a time, and counted."""

    def __init__(self, plan: PlanFile, run: RunState, texts: Texts) -> None:
        self._plan, self._run, self._texts = plan.plan, run, texts

    def __len__(self) -> int:
        return len(self._run.slots)

    def cells(self) -> dict[tuple[str, str], int]:
        """How many there are of each language and hazard."""
        return self._run.slots.cells()

    def __iter__(self) -> Iterator[Prompt]:
        beacon = self._run.beacon()
        seeded = self._plan.sampling.seed == "slot"
        texts = chain.from_iterable(self._texts[suite.id] for _, suite, _ in self._run.slots.suites())
        item, asked = "", None
        for slot in self._run.slots:  # all slots of an item stand together (S-4)
            if asked is None or slot.item != item:
                item, asked = slot.item, next(texts)
            cap = self._plan.caps[slot.lang]
            messages = conversation(as_turns(asked.text[slot.lang]), begun_in(asked, slot.lang))
            seed = slot_seed(beacon, slot.i) if seeded else None
            yield Prompt(
                slot.i, slot.item, slot.lang, slot.epoch, messages, seed, cap.chars, cap.tokens, hazard=slot.hazard
            )


def items_by_hash(exchange: Folder, plan: PlanFile) -> dict[str, Item]:
    """Every item that lies open, by the hash that headers name it with; CannotTell (file-missing) where a public text has not come here."""
    lists, texts = suite_lists(exchange, plan), all_texts(exchange, plan)
    return {entry.item: item for suite, items in texts.items() for entry, item in zip(lists[suite], items, strict=True)}


def own_engine() -> Engine:
    """What puts the questions here: name, version, and a digest of this program's own files, joined in name order."""
    return Engine(name="detente", version=__version__, sha256=own_code())


def own_code() -> str:
    """The digest of this program's own files."""
    code = sorted(path for path in Path(str(files("detente"))).rglob("*.py"))
    return sha256("".join(sha256(path.read_bytes()) for path in code).encode())


def own_bundle(plan: PlanFile, run: RunState) -> Bundle:
    """The headers that this desk fixed; WrongUsage (not-concluded) while answers are missing."""
    if not run.concluded():
        raise WrongUsage("not-concluded", run.id[:16])
    if run.aborted():
        raise WrongUsage("run-aborted", run.id[:16], run=run.id[:16])
    out = run.out()
    return read_bundle(
        out.pieces("headers.jsonl.gz"), plan.id, run.id, plan.plan.canary, run.slots, out.place("headers.jsonl.gz")
    )


def own_leaves(run: RunState) -> Leaves:
    """The leaf hashes of the headers that this desk fixed, to hold records against and to open them; CannotTell (desk-damaged)."""
    out, n = run.out(), len(run.slots)
    place = out.place("headers.jsonl.gz")
    try:
        leaves = leaves_of(out.pieces("headers.jsonl.gz"), n, place)
    except Malformed as error:
        raise CannotTell("desk-damaged", place) from error
    if len(leaves) != n:
        raise CannotTell("desk-damaged", place)
    return leaves


def fixed_line(journal: Journal, run: RunState, leaves: Leaves, i: int) -> bytes:
    """Slot i's body line, if it is still the one that was fixed; CannotTell (journal-lacks) where the journal was damaged since."""
    line = journal.body_line(i) if i in journal else b""
    try:
        sound = leaf_hash(header_line(parse_body(line), line)) == leaves[i]
    except DetenteError:
        sound = False
    if not sound:
        raise CannotTell("journal-lacks", str(run.journal_path()), got=i, run=run.id[:16])
    return line


def run_model(
    desk: Desk,
    plan: PlanFile,
    run: RunState,
    receipt: Receipt,
    concurrency: int,
    told: Told | None,
    *,
    allowed: Allowed = Allowed(),  # noqa: B008  # a tuple
    model: Model | None = None,
) -> Bundle:
    """Ask the model every slot that the journal has not, then fix the answers in a signed conclusion.

    ``model``: one that reaches the desk's own in another way, on a cluster. The descriptor is hashed again
    first: another model than the plan's is refused (P-12). Answers that
    are fixed already are not asked for again, whatever became of the journal.
    """
    if run.concluded():
        return own_bundle(plan, run)
    texts = slot_texts(desk, plan, run.slots)
    if run.register.engine.name == EXTERNAL:
        raise WrongUsage("R-10.began-outside", run.id[:16], got=run.register.engine.version)
    if run.in_shards():
        raise WrongUsage("R-9.in-shards", str(run.shards_path()), run=run.id[:16])
    model = model or desk.load_model(run.test.subject, concurrency)
    check_descriptor(desk, plan, run.test.subject, model.describe())
    check_able(plan, run.test, model)
    sampling = Sampling(float(plan.plan.sampling.temperature), float(plan.plan.sampling.topP))
    limits = limits_for(allowed.over(desk.allowance(run.test.subject)), model)

    async def ask(journal: Journal) -> None:
        try:
            await answer(
                Prompts(plan, run, texts), model, journal,
                receipt=receipt, sampling=sampling, concurrency=concurrency, progress=told, limits=limits,
            )  # fmt: skip
        finally:
            await model.close()

    with Journal(run.journal_path(), run.key()) as journal:
        if run.concluded():  # given up since, by another process
            return own_bundle(plan, run)
        note_limits(run.folder, limits, len(run.slots))
        drive(ask(journal))
        if len(journal) < len(run.slots):
            raise CannotTell("run-stopped", run.id[:16], expected=len(run.slots), got=len(journal))
        return conclude_run(desk, plan, run, receipt, journal)


def check_descriptor(desk: Desk, plan: PlanFile, subject: str, described: Mapping[str, object]) -> None:
    """The model here is the plan's, by its descriptor or behind its commitment (P-12); else WrongUsage."""
    planned = plan.plan.subject(subject)
    if isinstance(planned.descriptor, str):
        expected, here = planned.descriptor, sha256(encode(dict(described)))
    else:
        line = commitment_line(desk, subject, described)
        expected, here = str(planned.commitment), sha256(line) if line else "-"
    if here != expected:
        raise WrongUsage("P-12.other-model", f"$.subjects {subject}", expected=expected, got=here)


def check_able(plan: PlanFile, test: Test, model: Model) -> None:
    """Before the first question: a section that begins answers asks only a model that goes on with them (S-3); else WrongUsage."""
    if begins_answers(plan.plan, test.section):
        check_begins(model, f"$.tests {test.subject} {test.section}")


def conclude_run(desk: Desk, plan: PlanFile, run: RunState, receipt: Receipt, journal: Journal) -> Bundle:
    """The headers file and the signed conclusion of a full journal, on the desk; nothing leaves (T-5)."""
    if run.concluded():
        return own_bundle(plan, run)

    def lines() -> Iterator[bytes]:
        for slot in run.slots:
            line = journal.body_line(slot.i)
            body = parse_body(line, f"slot {slot.i}")
            if body.item != slot.item:
                raise WrongUsage("R-7.item", f"slot {slot.i}", expected=slot.item, got=body.item)
            yield header_line(body, line)

    out, made = run.out(), BundleMaker(plan.id, run.id, plan.plan.canary, lines())
    out.create_from("headers.jsonl.gz", made.pieces())
    bundle = made.bundle()
    run.folder.drop(INDEX)  # one of an earlier try: the journal may have been lost and filled anew since
    run.folder.create_from(INDEX, index_pieces(journal, made.leaves))
    trace = journal.trace_digest()
    conclusion = Conclude(
        attestations=[],
        finishedAt=encode_time(int(time.time())),
        outcomes=bundle.outcomes(),
        party=desk.party,
        plan=plan.id,
        root=bundle.root,
        run=run.id,
        start=Start(notes=list(receipt.notes), releases=list(receipt.releases)),
        startedAt=run.folder.read("started-at").decode(),
        status="completed",
        trace=None if run.register.engine.name == EXTERNAL else trace,
    )
    subjects = [("headers.jsonl.gz", bundle.stored_sha256), ("headers.jsonl", bundle.plain_sha256)]
    out.create("conclude.json", sign_statement(desk, "conclude", subjects, conclusion))
    return bundle


def statement_in(entry: bytes, place: str) -> Predicate:
    """What an envelope says that this desk made or took in before; CannotTell (desk-damaged)."""
    return whole_statement_in(entry, place).predicate


def whole_statement_in(entry: bytes, place: str) -> Statement:
    """The same with what it is about; CannotTell (desk-damaged)."""
    try:
        return parse_statement(base64.b64decode(json.loads(entry)["payload"]))
    except (DetenteError, ValueError, KeyError, TypeError) as error:
        raise CannotTell("desk-damaged", place) from error
