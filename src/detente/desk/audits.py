# SPDX-License-Identifier: Apache-2.0
"""Auditing each other: ask for records before knowing which, show the drawn ones, check and score them again."""

import time
from collections.abc import Sequence
from typing import Literal, NamedTuple

from detente.check.audit import Shown, check_caps, check_opening, check_seeds, odds_text
from detente.check.releases import beacon, started_with
from detente.check.runs import AuditTrail, Run, drawn_slots
from detente.check.verify import Verified, verify
from detente.desk.keys import Desk, alone, log_entry, own_log, sign_statement
from detente.desk.publish import scorer_of
from detente.desk.runs import RunState, find_run, fixed_line, items_by_hash, own_bundle
from detente.errors import CannotTell, DetenteError, Malformed, NotVerified
from detente.evidence.bundle import header_lines_of
from detente.evidence.record import OpenedRecord, encode_opened, nonce_of
from detente.evidence.statements import AuditFinding, Challenge, Open, Rescored
from detente.pact.item import as_turns
from detente.pact.plan import PlanFile
from detente.pact.seal import seal, unseal
from detente.run.journal import Journal
from detente.wire.canonical import decimal
from detente.wire.digests import sha256
from detente.wire.keys import new_seed
from detente.wire.merkle import inclusion_proof
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
    trouble: DetenteError | None = None  # why nothing was found and nothing logged: what was shown does not open


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
    plaintext = _opening(plan, state, slots)
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


def _opening(plan: PlanFile, state: RunState, slots: Sequence[int]) -> bytes:
    bundle = own_bundle(plan, state)
    headers = list(header_lines_of(bundle.stored, len(state.slots), "headers.jsonl.gz"))
    with Journal(state.journal_path(), state.key()) as journal:
        return encode_opened(
            [
                OpenedRecord(
                    body=fixed_line(journal, state, bundle, i).decode(),
                    header=headers[i].decode(),
                    i=i,
                    proof=[node.hex() for node in inclusion_proof(bundle.leaf_hashes, i)],
                    why=[],
                )
                for i in slots
            ]
        )


@alone
def check_all(desk: Desk, plan: PlanFile) -> list[Finding]:
    """Check and re-score every record shown to this lab, and log what was found (A-6).

    With nothing new to check, the findings that are logged already: the same command given twice, or
    again after a crash, tells the same. An opening that does not open (A-5.sealed) is told as trouble of
    its own row, and the others are checked all the same; CannotTell if there is nothing else.
    """
    own_log(desk, plan)  # what a crash kept from it is signed already, and comes first (L-5)
    verified = verify(desk.exchange, plan.id)
    found, before, unread = [], [], []
    for run in verified.runs:
        for trail in run.audits:
            if trail.auditor != desk.party or trail.opening is None:
                continue
            opening, n = trail.opening.statement.predicate, len(trail.drawn)
            said = trail.finding.statement.predicate if trail.finding else None
            if isinstance(said, AuditFinding):
                before.append(_told(run, said))
            elif isinstance(opening, Open):
                try:
                    shown, verdict = _shown(desk, plan, run, trail, opening)
                except CannotTell as error:
                    unread.append(Finding(run.id, run.test.party, 0, len(run.slots), [], "", "", error))
                    continue
                rescored = _rescore(desk, plan, run, shown)
                if not _within(plan, rescored):
                    verdict = "disputed"
                finding = AuditFinding(
                    details=None, matched=len(shown), opened=n, party=desk.party, plan=plan.id,
                    recounted=True, rerun=None, rescored=rescored, run=run.id, verdict=verdict,
                )  # fmt: skip
                entry = sign_statement(desk, "audit", [("open.json", trail.opening.digest)], finding)
                log_entry(desk, plan, entry)
                found.append(_told(run, finding))
    if not found and unread and unread[0].trouble:
        raise unread[0].trouble
    if not found and not before:
        raise CannotTell("A-5.nothing", str(desk.exchange))
    return [*found, *unread] if found else before


def _told(run: Run, finding: AuditFinding) -> Finding:
    """A logged finding as a person is told of it."""
    holder, n, of = run.test.party, finding.opened, len(run.slots)
    return Finding(run.id, holder, n, of, finding.rescored, finding.verdict, odds_text(of, n))


def _shown(
    desk: Desk, plan: PlanFile, run: Run, trail: AuditTrail, opening: Open
) -> tuple[list[Shown], Literal["consistent", "disputed"]]:
    """The shown records that are the committed ones; a wrong one makes the finding disputed, not this command fail."""
    folder = desk.open_exchange().sub(f"{run.test.party}/outbox/{desk.party}")
    name = f"{opening.plaintext}.age"
    plaintext = unseal(folder.read(name), desk.identity(), folder.place(name))
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
    """Each counted rule scorer over the shown texts again: how many labels come out equal (C-1)."""
    items = items_by_hash(desk.open_exchange(), plan)
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
