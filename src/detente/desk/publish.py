# SPDX-License-Identifier: Apache-2.0
"""What leaves: labels over fixed answers, and the laying of a concluded run into the exchange, listed byte by byte first."""

import itertools
import json
from collections.abc import Callable
from typing import NamedTuple

from detente.check.runs import run_folder, scores_path
from detente.desk.blind import waits_for
from detente.desk.keys import Desk, alone, log_entry, own_log, sign_statement
from detente.desk.runs import RunState, fixed_line, own_bundle, own_leaves
from detente.desk.texts import section_items
from detente.errors import CannotTell, Malformed, NotVerified, WrongUsage
from detente.evidence.counts import Definition, count, encode_scores, kinds_scored, parse_definition, scored_slots
from detente.evidence.record import parse_body
from detente.evidence.statements import Score
from detente.pact.item import as_turns
from detente.pact.plan import PlanFile
from detente.run.journal import Journal
from detente.score.scorer import RuleScorer, definition_file, load_scorer
from detente.tlog.folder import is_leftover
from detente.wire.digests import sha256
from detente.wire.dsse import open_envelope
from detente.wire.lines import compress


class Leaving(NamedTuple):
    """One file or log entry that would leave: its path in the exchange, its bytes, the fields in it.

    ``held``: it stays on the desk for now, because the plan is blind (C-6).
    """

    path: str
    raw: bytes
    fields: list[str]
    held: bool = False


@alone
def score_run(
    desk: Desk, plan: PlanFile, run: RunState, scorer: str, told: Callable[[int, int], None] | None
) -> dict[str, int]:
    """Label a concluded run's replies with one of the plan's rule scorers; {label: n}. Nothing leaves yet (C-4, C-6).

    WrongUsage (C-1.other-rules) if the plan fixed other rules than this installation has.
    """
    known = next((one for one in plan.plan.scorers if one.id == scorer), None)
    if known is None:
        raise WrongUsage("no-scorer", "score", expected=", ".join(s.id for s in plan.plan.scorers), got=scorer)
    bundle = own_bundle(plan, run)
    labels_of, definition = scorer_of(desk, plan, known.definition)
    items = section_items(desk, plan, run.test.section)
    wanted = scored_slots(run.slots, bundle.codes, kinds_scored(plan.plan, scorer))
    labels: dict[int, str] = {}
    leaves = own_leaves(run)
    with Journal(run.journal_path(), run.key()) as journal:
        for n, slot in enumerate(itertools.compress(run.slots, wanted), 1):
            item = items[slot.item]
            body = parse_body(fixed_line(journal, run, leaves, slot.i), f"slot {slot.i}")
            reference = item.reference[slot.lang] if isinstance(item.reference, dict) else None
            labels[slot.i] = labels_of.label(
                "\n".join(as_turns(item.text[slot.lang])), body.output or "", reference
            ).label
            if told:
                told(n, wanted.count(1))
    plain = encode_scores(labels, {})
    stored = compress(plain)
    counted = count(plan.plan, scorer, definition.labels, run.slots, bundle.codes, labels)
    out, stem = run.out(), scores_path(scorer, sha256(stored))
    score = Score(definition=known.definition, party=desk.party, plan=plan.id, run=run.id, sample=None, scorer=scorer)
    subjects = [
        (f"{stem}.jsonl.gz", sha256(stored)),
        (f"{scorer}.jsonl", sha256(plain)),
        (f"{stem}.counts.json", sha256(counted)),
        ("conclude.json", sha256(out.read("conclude.json"))),
    ]
    if not out.exists(f"{scorer}.score.json"):
        out.create(f"{stem}.jsonl.gz", stored)
        out.create(f"{stem}.counts.json", counted)
        out.create(f"{scorer}.score.json", sign_statement(desk, "score", subjects, score))
    return {label: sum(1 for given in labels.values() if given == label) for label in definition.labels}


def scorer_of(desk: Desk, plan: PlanFile, definition: str) -> tuple[RuleScorer, Definition]:
    """The scorer that a definition describes, if this installation has exactly that one."""
    path = f"plans/{plan.id}/files/{definition}"
    raw = desk.own().read(path)
    read = parse_definition(raw, path)
    if sha256(definition_file(read.name)) != definition:
        raise WrongUsage("C-1.other-rules", read.name, expected=definition, got=sha256(definition_file(read.name)))
    return load_scorer(read.name), read


def leaving(desk: Desk, plan: PlanFile, run: RunState) -> list[Leaving]:
    """Everything that ``publish`` would lay into the exchange, in order, with the names of all fields.

    Under a blind plan scorings are held back until every run has ended (``blind.waits_for``).
    WrongUsage (not-scored) while a scorer of the plan that is this tester's has not run.
    """
    own_bundle(plan, run)
    out = run.out()
    owed = [s.id for s in plan.plan.scorers if s.by == "tester" and not out.exists(f"{s.id}.score.json")]
    if owed:
        raise WrongUsage("not-scored", run.id[:16], got=", ".join(owed), run=run.id[:16])
    folder, kept = f"{desk.party}/runs/{run.id}", bool(waits_for(desk, plan, run.id))
    there, logged = run_folder(desk.open_exchange(), desk.party, run.id), own_log(desk, plan).entries
    found = [
        Leaving(f"{folder}/headers.jsonl.gz", out.read("headers.jsonl.gz"), ["body", "cut", "i", "item", "outcome"])
    ]
    for path in itertools.filterfalse(is_leftover, out.names("scores")):
        fields = (
            ["i", "label", "error"] if path.endswith(".gz") else ["cells", "crossed", "outcomes", "pairs", "spread"]
        )
        found.append(Leaving(f"{folder}/{path}", out.read(path), fields, kept and not there.exists(path)))
    names = ["conclude.json", *(f"{s.id}.score.json" for s in plan.plan.scorers if s.by == "tester")]
    for name in names:
        entry = out.read(name)
        try:
            statement = json.loads(open_envelope(entry, desk.me(plan).statement))
        except (Malformed, NotVerified) as error:
            raise CannotTell("desk-damaged", out.place(name)) from error
        fields = [*statement["predicate"], *(f"subject {one['name']}" for one in statement["subject"])]
        found.append(
            Leaving(f"{desk.party}/log", entry, fields, kept and name != "conclude.json" and entry not in logged)
        )
    return found


@alone
def publish(desk: Desk, plan: PlanFile, run: RunState) -> list[Leaving]:
    """Lay the files, then log the conclusion and the scorings; what is there already stays as it is.

    Returns what left, and what a blind plan holds back: the same call lays that later.
    """
    rows = leaving(desk, plan, run)
    now = [row for row in rows if not row.held]
    folder = run_folder(desk.open_exchange(), desk.party, run.id)
    prefix = f"{desk.party}/runs/{run.id}/"
    for row in now:
        if row.path.startswith(prefix):
            folder.create(row.path.removeprefix(prefix), row.raw)
    for row in now:
        if not row.path.startswith(prefix) and row.raw not in own_log(desk, plan).entries:
            log_entry(desk, plan, row.raw)
    return rows


def holds_scorings(desk: Desk, plan: PlanFile, run: RunState) -> bool:
    """Whether a published run still has scorings on the desk that are in no log."""
    out, logged = run.out(), own_log(desk, plan).entries
    names = [f"{scorer.id}.score.json" for scorer in plan.plan.scorers]
    return run.logged is not None and any(out.exists(name) and out.read(name) not in logged for name in names)
