# SPDX-License-Identifier: Apache-2.0
"""``detente verify`` of one run that was handed over without its exchange: what it shows, and what was not looked for (F-12)."""

from pathlib import Path

from detente.check.lone import Lone, verify_lone
from detente.cli.build import plan_id
from detente.cli.speech import Speech
from detente.desk.lone import laid_open
from detente.desk.plans import plan_ids
from detente.errors import CannotTell
from detente.wire.digests import groups_of_four
from detente.wire.times import encode_time
from detente.words import say

NOT_LOOKED_FOR = ["runs", "attempts", "audits"]


def verify_file(speech: Speech, file: Path, plan: str | None) -> int:
    """Tell each step, who held which entry when, and always that nothing else was looked for; the exit code."""
    with laid_open(file) as folder:
        if speech.as_json:
            speech.row({"lone": True, "notLookedFor": NOT_LOOKED_FOR})
        else:
            speech.data(say("check.lone.notice", speech.lang))
        if plan is None:
            for id_ in plan_ids(folder.root):
                speech.say("plan-there", plan=groups_of_four(id_))
        lone = verify_lone(folder, plan_id(plan), told=lambda step: speech.step(*step))
        _tell_held(speech, lone)
        _tell_rest(speech, lone)
        quorum = lone.plan.plan.quorum
        if quorum and (loose := lone.unanchored()):
            places = ", ".join(f"{one.entry.party}/log #{one.entry.index}" for one in loose)
            raise CannotTell("unanchored-lone", str(file), expected=quorum, got=places)
        n, status = len(lone.run.slots), "lone" if quorum else "lone-self-check"
        if speech.as_json:
            row = {"complete": {"n": n, "of": n}, "plan": lone.plan.id, "run": lone.run.id}
            speech.row({"verified": True, "status": status, "notLookedFor": NOT_LOOKED_FOR, **row})
        else:
            speech.data(say(f"cli.say.verified-{status}", speech.lang, plan=groups_of_four(lone.plan.id), n=n))
    return 0


def _tell_held(speech: Speech, lone: Lone) -> None:
    """Which run it is, and of each of its entries who held it when, as seen by them (L-3)."""
    test = lone.run.test
    if not speech.as_json:
        speech.data(say("cli.say.lone-run", speech.lang, run=lone.run.id, party=test.party, subject=test.subject, section=test.section))  # fmt: skip
    for entry, by in lone.held:
        kind, seen = entry.statement.kind, {witness: encode_time(at) for witness, at in sorted(by.items())}
        if speech.as_json:
            speech.row({"entry": kind, "party": entry.party, "index": entry.index, "seen": seen})
            continue
        fields = {"kind": say(f"cli.say.lone-{kind}", speech.lang), "party": entry.party, "index": entry.index}
        speech.data(say("cli.say.lone-entry", speech.lang, **fields))
        for witness, at in seen.items():
            speech.data("  " + say("cli.say.lone-seen", speech.lang, witness=witness, at=at))
        if not seen:
            speech.data("  " + say("cli.say.lone-unseen", speech.lang))


def _tell_rest(speech: Speech, lone: Lone) -> None:
    """What is wrong with the registration, what was not derived, and what lies beside."""
    if lone.unlawful:
        entry, why = lone.run.registration, say(f"check.violation.{lone.unlawful}", speech.lang)
        speech.say("violation", party=entry.party, index=entry.index, code=lone.unlawful, why=why)
        if speech.as_json:
            speech.row({"violation": lone.unlawful, "party": entry.party, "index": entry.index, "why": why})
    for suite in lone.not_derived:
        speech.say("not-derived", suite=suite)
    for scorer in lone.at_home:
        speech.say("list-at-home", scorer=scorer)
    for path in lone.not_part:
        speech.say("not-part", path=path)
