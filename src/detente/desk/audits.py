# SPDX-License-Identifier: Apache-2.0
"""Auditing each other: ask for records before knowing which, show the drawn ones, check and score them again."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

from detente.check.audit import Shown, check_caps, check_opening, check_seeds, odds_text
from detente.check.releases import beacon, started_with
from detente.check.runs import AuditTrail, Run, Scoring, drawn_slots
from detente.check.verify import Verified, verify
from detente.desk.asking import Asking
from detente.desk.judges import whys_of
from detente.desk.keys import Desk, alone, log_entry, own_log, sign_statement
from detente.desk.onsite import check_out, lay_shown, not_bound, of_digest, read_shown
from detente.desk.rejudging import forget, rejudge
from detente.desk.runs import RunState, find_run, fixed_line, own_leaves
from detente.desk.scores import scorer_of
from detente.desk.sent import reader_of
from detente.desk.texts import items_here, no_text
from detente.errors import CannotTell, DetenteError, Malformed, NotVerified, WrongUsage
from detente.evidence.record import OpenedRecord, encode_opened, header_line, nonce_of, parse_body
from detente.evidence.statements import AuditFinding, Challenge, Open, Rescored
from detente.pact.item import Item, question_of
from detente.pact.plan import PlanFile
from detente.pact.seal import seal, unseal
from detente.run.index import NAME as INDEX
from detente.run.index import Index
from detente.run.journal import Journal
from detente.score.label import Unscored
from detente.wire.canonical import decimal
from detente.wire.digests import sha256
from detente.wire.keys import new_seed
from detente.wire.merkle import Leaves
from detente.wire.times import parse_time


class Answered(NamedTuple):
    """One challenge answered: by whom it was asked, for which run, how many records of how many were shown.

    ``file``: where the records lie for the auditor to read, if they do not cross (A-4).
    """

    auditor: str
    run: str
    n: int
    of: int
    file: Path | None = None


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
            # People's labels are checked by a second person, and may be drawn by this very audit (C-1, C-5).
            human = {scorer.id for scorer in plan.plan.scorers if scorer.method == "human"}
            counted = [s for s in run.scorings if s.counted and s.score.scorer not in human]
            subjects += [("score.json", s.entry.digest) for s in counted]
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
        if may and run.completed and run.id.startswith(prefix or ""):
            scored = {scoring.score.scorer for scoring in run.scorings if scoring.counted}
            due = time.time() > parse_time(plan.runs.deadline) or scored >= {
                one.id for one in plan.scorers if one.method != "human"
            }
            (found if due else unscored).append(run)
    if not found and unscored:
        raise CannotTell("A-1.unscored", str(desk.exchange), got=", ".join(run.id[:16] for run in unscored))
    if not found:
        raise CannotTell("A-1.nothing", str(desk.exchange), got=prefix or "-")
    return found


@alone
def answer_all(desk: Desk, plan: PlanFile, out: Path | None = None) -> list[Answered]:
    """Show the drawn records to everyone who asked (A-2 to A-4): sealed to the auditor, or laid aside for it, then logged.

    ``out``: the folder for records that do not cross, by default one on the desk; until there is a finding the
    same call lays them there again. WrongUsage (A-4.crosses, A-4.exchange). A run whose secret this desk has lost
    (desk-behind) cannot be answered: the others are, and it is raised after them.
    """
    check_out(desk, plan, out)
    own_log(desk, plan)  # what a crash kept from it is signed already, and comes first (L-5)
    verified = verify(desk.exchange, plan.id)
    done, lost = [], None
    for run in verified.runs:
        if run.test.party != desk.party:
            continue
        for trail in run.audits:
            due = trail.opening is None or (trail.finding is None and not _crosses(plan, run))
            challenge = trail.challenge.statement.predicate
            if due and run.conclusion and isinstance(challenge, Challenge):
                try:
                    state = find_run(desk, plan, run.id)
                except CannotTell as error:
                    if error.code != "desk-behind":
                        raise
                    lost = error
                    continue
                nonce = nonce_of(state.key(), trail.auditor).hex()
                slots = drawn_slots(verified.ledger, run, run.conclusion.digest, (nonce, challenge.seed))
                done.append(_answer(desk, plan, run, trail, slots, out))
    if lost is not None:
        raise lost
    return done


def _crosses(plan: PlanFile, run: Run) -> bool:
    audit = plan.plan.section(run.test.section).audit
    return audit is None or audit.place == "crosses"


def _answer(
    desk: Desk, plan: PlanFile, run: Run, trail: AuditTrail, slots: Sequence[int], out: Path | None
) -> Answered:
    """Show one auditor its records; what was logged before is laid aside again and not logged twice."""
    state, auditor = find_run(desk, plan, run.id), trail.auditor
    nonce = nonce_of(state.key(), auditor)
    whys = whys_of(plan, state, trail.challenge.statement.subject_digests(), slots)
    plaintext = open_records(state, run.conclude.root if run.conclude and run.conclude.root else "", slots, whys)
    subjects, file = [("challenge.json", trail.challenge.digest)], None
    if _crosses(plan, run):
        path = f"outbox/{auditor}/{sha256(plaintext)}.age"
        own = desk.own()
        # age is randomised: after a crash the file that lies there is the one to log, not a second one.
        sealed = own.read(path) if own.exists(path) else seal(plaintext, plan.plan.party(auditor).recipient)
        own.create(path, sealed)
        subjects.append((path.rpartition("/")[2], sha256(sealed)))
    else:
        file = lay_shown(desk, run.id, auditor, plaintext, out)
    if trail.opening is None:
        opening = Open(nonce=nonce.hex(), party=desk.party, plaintext=sha256(plaintext), plan=plan.id, run=run.id)
        log_entry(desk, plan, sign_statement(desk, "open", subjects, opening))
    return Answered(auditor, run.id, len(slots), len(run.slots), file)


def open_records(
    run: RunState, root: str, slots: Sequence[int], whys: Mapping[int, list[str]] = MappingProxyType({})
) -> bytes:
    """The opening file over these slots of a concluded run (A-4), each record as it was fixed under ``root``.

    ``whys``: by slot the transcripts of judges that are shown with it.

    Found through the index where there is one; else the journal and the headers are read as a whole.
    CannotTell (journal-lacks, desk-damaged) where what this desk keeps was damaged since.
    """
    n, place = len(run.slots), run.folder.place(INDEX)
    if run.folder.exists(INDEX):
        try:
            index = Index(run.folder.read(INDEX), n)
            found = [_opened(index.body_line(run.journal_path(), i), i, index.leaves, whys) for i in slots]
            check_opening(raw := encode_opened(found), slots, root, n, place)
        except (DetenteError, ValueError):  # an older or damaged index tells nothing
            pass
        else:
            return raw
    leaves = own_leaves(run)
    if leaves.root().hex() != root:
        raise CannotTell("desk-damaged", run.out().place("headers.jsonl.gz"))
    with Journal(run.journal_path(), run.key()) as journal:
        return encode_opened([_opened(fixed_line(journal, run, leaves, i), i, leaves, whys) for i in slots])


def _opened(line: bytes, i: int, leaves: Leaves, whys: Mapping[int, list[str]]) -> OpenedRecord:
    """One record: its header is made from its body line again."""
    header, proof = header_line(parse_body(line), line), [node.hex() for node in leaves.proof(i)]
    return OpenedRecord(body=line.decode(), header=header.decode(), i=i, proof=proof, why=whys.get(i, []))


@alone
def check_all(
    desk: Desk,
    plan: PlanFile,
    told: Callable[[DetenteError], None] | None = None,
    prefix: str | None = None,
    asking: Asking = Asking(),  # noqa: B008  # a tuple
) -> list[Finding]:
    """Check and re-score every record sent to this lab (or those of the run named), and log what was found (A-6).

    A run of which a drawn question is of a sealed suite that this lab cannot read waits until the suite is
    revealed (S-5.no-text), one whose records do not cross until somebody reads them there (A-4.not-here), one
    whose opening does not open until its holder sends another (A-5.sealed), and one whose headers or labels were
    sent to this lab and cannot be read, or are others (P-5): ``told`` hears of it, and it is raised if nothing
    else was found. With nothing new to check, the findings that are logged already: the same command
    given twice, or again after a crash, tells the same. ``asking``: the models of the plan's judge, to ask them again.
    """
    found: list[Finding] = []
    before: list[Finding] = []
    waiting: list[DetenteError] = []
    for one in _opened_to(desk, plan, prefix):
        if one.finding is not None:
            before.append(_told(one.run, one.finding))
            continue
        if not _crosses(plan, one.run):
            waiting.append(CannotTell("A-4.not-here", one.run.test.party, got=one.run.id[:16]))
            continue
        folder = desk.open_exchange().sub(f"{one.run.test.party}/outbox/{desk.party}")
        name = f"{one.opening.plaintext}.age"
        identity = desk.identity(desk.me(plan).recipient)
        try:
            plaintext = unseal(folder.read(name), identity, folder.place(name))
        except CannotTell as shut:
            waiting.append(shut)
            continue
        try:
            read = _as_read(desk, one)
        except DetenteError as withheld:
            waiting.append(withheld)
            continue
        try:
            found.append(_find(desk, plan, read, (plaintext, folder.place(name)), asking))
        except CannotTell as lacking:
            if lacking.code != "S-5.no-text":
                raise
            waiting.append(lacking)
    if not found and (waiting or not before):
        raise waiting[0] if waiting else CannotTell("A-5.nothing", str(desk.exchange))
    for error in waiting:
        if told:
            told(error)
    return found or before


@alone
def check_shown(
    desk: Desk,
    plan: PlanFile,
    prefix: str | None,
    file: Path | None,
    asking: Asking = Asking(),  # noqa: B008  # a tuple
) -> Finding:
    """Check the records in a file that the holder shows outside the exchange, re-score them, and log what was found (A-4).

    The run is the one whose opening binds the file's bytes; ``prefix`` names it where none does. What the opening
    does not bind is no reason to accuse anybody yet: CannotTell (file-cut), NotVerified (A-4.shown), WrongUsage
    (A-4.other-run, A-4.which), and nothing is logged. ``file`` None: the finding is *disputed*, because the holder
    shows nothing that its opening binds.
    """
    before = _opened_to(desk, plan, None)
    due = [o for o in before if o.finding is None and not _crosses(plan, o.run) and o.run.id.startswith(prefix or "")]
    if not due:
        raise CannotTell("A-5.nothing", str(desk.exchange))
    runs = ", ".join(one.run.id[:16] for one in due)
    if file is None:
        if prefix is None or len(due) > 1:
            raise WrongUsage("A-4.which", str(desk.exchange), got=runs)
        return _find(desk, plan, due[0], (None, str(desk.exchange)), asking)
    raw = read_shown(file, max(_asked(plan, one.run) for one in due))
    if (bound := of_digest(due, sha256(raw))) is not None:
        return _find(desk, plan, _as_read(desk, bound), (raw, str(file)), asking)
    if (other := of_digest(before, sha256(raw))) is not None:
        raise WrongUsage("A-4.other-run", str(file), got=other.run.id[:16])
    if len(due) > 1:
        raise WrongUsage("A-4.which", str(file), got=runs)
    [one] = due
    raise not_bound(raw, one.opening.plaintext, (one.drawn, _root(one.run), len(one.run.slots)), str(file))


class _Opened(NamedTuple):
    """One audit by this lab whose records were opened; ``finding``: what was logged of them; ``asked``: what its challenge names."""

    run: Run
    entry: str
    drawn: Sequence[int]
    opening: Open
    finding: AuditFinding | None
    verified: Verified
    asked: Sequence[str]


def _as_read(desk: Desk, one: _Opened) -> _Opened:
    """The same with the headers and labels that were sent to this lab; raises as ``Verified.read_by``."""
    return one._replace(run=one.verified.read_by(one.run, reader_of(desk)))


def _opened_to(desk: Desk, plan: PlanFile, prefix: str | None) -> list[_Opened]:
    """The audits by this lab that were opened, of the run named or of all."""
    own_log(desk, plan)  # what a crash kept from it is signed already, and comes first (L-5)
    found, verified = [], verify(desk.exchange, plan.id)
    for run in verified.runs:
        for trail in run.audits if run.id.startswith(prefix or "") else ():
            if trail.auditor == desk.party and trail.opening is not None:
                opening = trail.opening.statement.predicate
                said = trail.finding.statement.predicate if trail.finding else None
                finding = said if isinstance(said, AuditFinding) else None
                if isinstance(opening, Open):
                    asked = trail.challenge.statement.subject_digests()
                    found.append(_Opened(run, trail.opening.digest, trail.drawn, opening, finding, verified, asked))
    return found


def _find(desk: Desk, plan: PlanFile, one: _Opened, opening: tuple[bytes | None, str], asking: Asking) -> Finding:
    """Check what was shown (None: nothing was) where, score it again, log the finding. Raises as ``_rescore``."""
    run = one.run
    shown, verdict = _shown(plan, one, *opening)
    rescored = _rescore(desk, plan, one, shown, asking)
    if not _within(plan, rescored):
        verdict = "disputed"
    read = run.bundle is not None and all(scoring.labels is not None for scoring in run.scorings)
    finding = AuditFinding(
        details=None, matched=len(shown), opened=_asked(plan, run), party=desk.party, plan=plan.id,
        recounted=read, rerun=None, rescored=rescored, run=run.id, verdict=verdict,
    )  # fmt: skip
    log_entry(desk, plan, sign_statement(desk, "audit", [("open.json", one.entry)], finding))
    forget(desk, run.id)
    return _told(run, finding)


def _told(run: Run, finding: AuditFinding) -> Finding:
    """A logged finding as a person is told of it."""
    holder, n, of = run.test.party, finding.opened, len(run.slots)
    return Finding(run.id, holder, n, of, finding.rescored, finding.verdict, odds_text(of, n))


def _root(run: Run) -> str:
    """The root that a run's conclusion fixes, hex; V-7 held the headers against it, where they can be read."""
    return (run.conclude.root or "") if run.conclude else ""


def _asked(plan: PlanFile, run: Run) -> int:
    section = plan.plan.section(run.test.section)
    return min(section.audit.n, len(run.slots)) if section.audit else 0


def _shown(
    plan: PlanFile, one: _Opened, plaintext: bytes | None, place: str
) -> tuple[list[Shown], Literal["consistent", "disputed"]]:
    """The shown records that are the committed ones; a wrong one makes the finding disputed, not this command fail."""
    run = one.run
    if plaintext is None or sha256(plaintext) != one.opening.plaintext:
        return [], "disputed"
    try:
        shown = check_opening(plaintext, one.drawn, _root(run), len(run.slots), place)
        imported = run.register.engine.name == "external"
        seeded = plan.plan.sampling.seed == "slot" and not imported
        started = started_with(run.conclude, run.releases)
        check_seeds(shown, beacon(run.id, started) if seeded else None, place)
        if not imported:
            check_caps(shown, [plan.plan.caps[run.slots[record.i].lang] for record in shown], place)
    except (NotVerified, Malformed):
        return [], "disputed"
    return shown, "consistent"


def _rescore(desk: Desk, plan: PlanFile, one: _Opened, shown: Sequence[Shown], asking: Asking) -> list[Rescored]:
    """Each counted scorer but people over the shown texts again: how many labels come out equal, or are well founded (C-1).

    CannotTell (S-5.no-text) if a question that was drawn cannot be read here; as ``rejudge``.
    """
    run = one.run
    items, lacking = items_here(desk, plan, run.test.section)
    unread = {run.slots[record.i].suite for record in shown}
    if hidden := [suite for suite in lacking if suite.id in unread]:
        raise no_text(desk, plan, hidden[0])
    rows = []
    for scoring in run.scorings:
        method = plan.plan.scorer(scoring.score.scorer).method
        if not scoring.counted or method == "human":
            continue
        if method == "judge":
            # What the challenge did not ask about was not shown with its transcripts.
            if scoring.entry.digest in one.asked:
                rows.append(rejudge(desk, plan, (run, scoring), shown, items, asking))
            continue
        try:
            rows.append(_rule_again(desk, plan, (run, scoring), shown, items))
        except CannotTell as lacking:  # a list that stays at home: no row, so F-4 does not hold by this finding
            if lacking.code != "C-1.no-list":
                raise
    return rows


def _rule_again(
    desk: Desk, plan: PlanFile, told_by: tuple[Run, Scoring], shown: Sequence[Shown], items: Mapping[str, Item]
) -> Rescored:
    """One rule's labels of the shown texts, made again; CannotTell (C-1.no-list) where its word list is not here."""
    run, scoring = told_by
    scorer, _ = scorer_of(desk, plan, scoring.score.definition)
    n = agreed = 0
    for record in shown:
        if (given := (scoring.labels or {}).get(record.i)) is None:
            continue
        slot, item = run.slots[record.i], items[record.body.item]
        reference = item.reference[slot.lang] if isinstance(item.reference, dict) else None
        asked = question_of(item, slot.lang)
        said = scorer.label(asked, record.body.output or "", reference, slot.lang)
        label = "" if isinstance(said, Unscored) else said.label  # as Labels has it: "" where the scorer failed
        n, agreed = n + 1, agreed + (label == given)
    return Rescored(agreed=agreed, n=n, parsed=n, scorer=scoring.score.scorer)


def _within(plan: PlanFile, rescored: Sequence[Rescored]) -> bool:
    """Whether labels differ no more than the plan bears; a judge's label that its transcript does not give is never borne."""
    return all(
        row.parsed == row.n and row.n - row.agreed <= decimal(plan.plan.scorer(row.scorer).tolerance) * row.n
        for row in rescored
    )
