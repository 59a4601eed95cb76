# SPDX-License-Identifier: Apache-2.0
"""Auditing each other: ask for records before knowing which, show the drawn ones, check and score them again."""

import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from detente.check.audit import Shown, check_caps, check_opening, check_seeds, odds_text
from detente.check.releases import beacon, started_with
from detente.check.runs import AuditTrail, Run, drawn_slots
from detente.check.verify import Verified, verify
from detente.desk.keys import Desk, alone, log_entry, own_log, sign_statement
from detente.desk.publish import scorer_of
from detente.desk.runs import RunState, find_run, fixed_line, own_leaves
from detente.desk.texts import items_here, no_text
from detente.errors import CannotTell, DetenteError, Malformed, NotVerified
from detente.evidence.record import OpenedRecord, encode_opened, header_line, nonce_of, parse_body
from detente.evidence.statements import AuditFinding, Challenge, Open, Rescored
from detente.pact.item import as_turns
from detente.pact.plan import PlanFile
from detente.pact.seal import seal, unseal
from detente.run.index import NAME as INDEX
from detente.run.index import Index
from detente.run.journal import Journal
from detente.wire.canonical import decimal
from detente.wire.digests import sha256
from detente.wire.keys import new_seed
from detente.wire.merkle import Leaves
from detente.wire.times import parse_time


class Answered(NamedTuple):
    """One challenge answered: by whom it was asked, for which run, how many records of how many were shown."""

    auditor: str
    run: str
    n: int
    of: int


class Finding(NamedTuple):
    """What an audit found, as it was logged."""

    run: str
    holder: str
    opened: int
    of: int
    rescored: list[Rescored]
    verdict: str
    odds: str


@alone
def ask(desk: Desk, plan: PlanFile, prefix: str | None) -> list[str]:
    """Challenge every published run of the others that this lab may audit (or the one named); their ids (A-1)."""
    own_log(desk, plan)  # what a crash kept from it is signed already, and comes first (L-5)
    verified = verify(desk.exchange, plan.id)
    asked = []
    for run in _auditable(desk, verified, prefix):
        if all(trail.auditor != desk.party for trail in run.audits) and run.conclusion:
            subjects = [("conclude.json", run.conclusion.digest)]
            subjects += [("score.json", s.entry.digest) for s in run.scorings if s.counted]
            challenge = Challenge(party=desk.party, plan=plan.id, run=run.id, seed=new_seed().hex())
            log_entry(desk, plan, sign_statement(desk, "challenge", subjects, challenge))
            asked.append(run.id)
    return asked


def _auditable(desk: Desk, verified: Verified, prefix: str | None) -> list[Run]:
    """The published runs that this lab may audit; not those whose scores are still to come, or the audit would miss them."""
    plan = verified.plan.plan
    found: list[Run] = []
    unscored: list[Run] = []
    for run in verified.runs:
        section = plan.section(run.test.section)
        may = section.audit is not None and desk.party in section.audit.by and run.test.party != desk.party
        if may and run.bundle is not None and run.id.startswith(prefix or ""):
            scored = {scoring.score.scorer for scoring in run.scorings if scoring.counted}
            due = time.time() > parse_time(plan.runs.deadline) or scored >= {scorer.id for scorer in plan.scorers}
            (found if due else unscored).append(run)
    if not found and unscored:
        raise CannotTell("A-1.unscored", str(desk.exchange), got=", ".join(run.id[:16] for run in unscored))
    if not found:
        raise CannotTell("A-1.nothing", str(desk.exchange), got=prefix or "-")
    return found


@alone
def answer_all(desk: Desk, plan: PlanFile) -> list[Answered]:
    """Show the drawn records to everyone who asked (A-2 to A-4): sealed to the auditor, then logged."""
    own_log(desk, plan)  # what a crash kept from it is signed already, and comes first (L-5)
    verified = verify(desk.exchange, plan.id)
    done = []
    for run in verified.runs:
        if run.test.party != desk.party:
            continue
        for trail in run.audits:
            challenge = trail.challenge.statement.predicate
            if trail.opening is None and isinstance(challenge, Challenge) and run.conclusion:
                nonce = nonce_of(find_run(desk, plan, run.id).key(), trail.auditor).hex()
                slots = drawn_slots(verified.ledger, run, run.conclusion.digest, (nonce, challenge.seed))
                done.append(_answer(desk, plan, run, trail, slots))
    return done


def _answer(desk: Desk, plan: PlanFile, run: Run, trail: AuditTrail, slots: Sequence[int]) -> Answered:
    state, auditor = find_run(desk, plan, run.id), trail.auditor
    plaintext = open_records(state, run.conclude.root if run.conclude and run.conclude.root else "", slots)
    recipient = plan.plan.party(auditor).recipient
    path = f"outbox/{auditor}/{sha256(plaintext)}.age"
    own = desk.own()
    # age is randomised: after a crash the file that lies there is the one to log, not a second one.
    sealed = own.read(path) if own.exists(path) else seal(plaintext, recipient)
    own.create(path, sealed)
    nonce = nonce_of(state.key(), auditor).hex()
    opening = Open(nonce=nonce, party=desk.party, plaintext=sha256(plaintext), plan=plan.id, run=run.id)
    subjects = [("challenge.json", trail.challenge.digest), (path.rpartition("/")[2], sha256(sealed))]
    log_entry(desk, plan, sign_statement(desk, "open", subjects, opening))
    return Answered(auditor, run.id, len(slots), len(run.slots))


def open_records(run: RunState, root: str, slots: Sequence[int]) -> bytes:
    """The opening file over these slots of a concluded run (A-4), each record as it was fixed under ``root``.

    Found through the index where there is one; else the journal and the headers are read as a whole.
    CannotTell (journal-lacks, desk-damaged) where what this desk keeps was damaged since.
    """
    n, place = len(run.slots), run.folder.place(INDEX)
    if run.folder.exists(INDEX):
        try:
            index = Index(run.folder.read(INDEX), n)
            found = [_opened(index.body_line(run.journal_path(), i), i, index.leaves) for i in slots]
            check_opening(raw := encode_opened(found), slots, root, n, place)
        except (DetenteError, ValueError):  # an older or damaged index tells nothing
            pass
        else:
            return raw
    leaves = own_leaves(run)
    if leaves.root().hex() != root:
        raise CannotTell("desk-damaged", run.out().place("headers.jsonl.gz"))
    with Journal(run.journal_path(), run.key()) as journal:
        return encode_opened([_opened(fixed_line(journal, run, leaves, i), i, leaves) for i in slots])


def _opened(line: bytes, i: int, leaves: Leaves) -> OpenedRecord:
    """One record: its header is made from its body line again."""
    header, proof = header_line(parse_body(line), line), [node.hex() for node in leaves.proof(i)]
    return OpenedRecord(body=line.decode(), header=header.decode(), i=i, proof=proof, why=[])


@alone
def check_all(desk: Desk, plan: PlanFile, told: Callable[[DetenteError], None] | None = None) -> list[Finding]:
    """Check and re-score every record shown to this lab, and log what was found (A-6).

    A run of which a drawn question is of a sealed suite that this lab cannot read waits until the suite
    is revealed: ``told`` hears of it (S-5.no-text), and it is raised if nothing else was found.
    """
    own_log(desk, plan)  # what a crash kept from it is signed already, and comes first (L-5)
    verified = verify(desk.exchange, plan.id)
    found: list[Finding] = []
    waiting: list[CannotTell] = []
    for run in verified.runs:
        for trail in run.audits:
            if trail.auditor != desk.party or trail.opening is None or trail.finding is not None:
                continue
            opening, n = trail.opening.statement.predicate, len(trail.drawn)
            if isinstance(opening, Open):
                shown, verdict = _shown(desk, plan, run, trail, opening)
                try:
                    rescored = _rescore(desk, plan, run, shown)
                except CannotTell as error:
                    waiting.append(error)
                    continue
                if not _within(plan, rescored):
                    verdict = "disputed"
                finding = AuditFinding(
                    details=None, matched=len(shown), opened=n, party=desk.party, plan=plan.id,
                    recounted=True, rerun=None, rescored=rescored, run=run.id, verdict=verdict,
                )  # fmt: skip
                entry = sign_statement(desk, "audit", [("open.json", trail.opening.digest)], finding)
                log_entry(desk, plan, entry)
                odds = odds_text(len(run.slots), n)
                found.append(Finding(run.id, run.test.party, n, len(run.slots), rescored, verdict, odds))
    if not found:
        raise waiting[0] if waiting else CannotTell("A-5.nothing", str(desk.exchange))
    for one in waiting:
        if told:
            told(one)
    return found


def _shown(
    desk: Desk, plan: PlanFile, run: Run, trail: AuditTrail, opening: Open
) -> tuple[list[Shown], Literal["consistent", "disputed"]]:
    """The shown records that are the committed ones; a wrong one makes the finding disputed, not this command fail."""
    folder = desk.open_exchange().sub(f"{run.test.party}/outbox/{desk.party}")
    name = f"{opening.plaintext}.age"
    plaintext = unseal(folder.read(name), desk.identity(desk.me(plan).recipient), folder.place(name))
    if run.bundle is None or sha256(plaintext) != opening.plaintext:
        return [], "disputed"
    try:
        shown = check_opening(plaintext, trail.drawn, run.bundle.root, len(run.slots), folder.place(name))
        imported = run.register.engine.name == "external"
        seeded = plan.plan.sampling.seed == "slot" and not imported
        started = started_with(run.conclude, run.releases)
        check_seeds(shown, beacon(run.id, started) if seeded else None, folder.place(name))
        if not imported:
            check_caps(shown, [plan.plan.caps[run.slots[record.i].lang] for record in shown], folder.place(name))
    except (NotVerified, Malformed):
        return [], "disputed"
    return shown, "consistent"


def _rescore(desk: Desk, plan: PlanFile, run: Run, shown: Sequence[Shown]) -> list[Rescored]:
    """Each counted rule scorer over the shown texts again: how many labels come out equal (C-1).

    CannotTell (S-5.no-text) if a question that was drawn cannot be read here.
    """
    items, lacking = items_here(desk, plan, run.test.section)
    unread = {run.slots[record.i].suite for record in shown}
    if hidden := [suite for suite in lacking if suite.id in unread]:
        raise no_text(desk, plan, hidden[0])
    rows = []
    for scoring in run.scorings:
        if not scoring.counted or plan.plan.scorer(scoring.score.scorer).method not in {"rule", "choice"}:
            continue
        scorer, _ = scorer_of(desk, plan, scoring.score.definition)
        n = agreed = 0
        for record in shown:
            if (given := scoring.labels.get(record.i)) is None:
                continue
            slot, item = run.slots[record.i], items[record.body.item]
            reference = item.reference[slot.lang] if isinstance(item.reference, dict) else None
            asked = "\n".join(as_turns(item.text[slot.lang]))
            label = scorer.label(asked, record.body.output or "", reference).label
            n, agreed = n + 1, agreed + (label == given)
        rows.append(Rescored(agreed=agreed, n=n, parsed=n, scorer=scoring.score.scorer))
    return rows


def _within(plan: PlanFile, rescored: Sequence[Rescored]) -> bool:
    return all(row.n - row.agreed <= decimal(plan.plan.scorer(row.scorer).tolerance) * row.n for row in rescored)
