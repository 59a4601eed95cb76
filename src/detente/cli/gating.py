# SPDX-License-Identifier: Apache-2.0
"""The verb gate: evidence held against a rule, a line a criterion, files for CI and for a model card, an exit code."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from detente.check.lone import verify_lone
from detente.check.verify import Verified
from detente.check.verify import verify as verify_exchange
from detente.cli.build import (
    Whole,
    argument,
    by_tag,
    json_option,
    judge_options,
    option,
    plan_id,
    plan_option,
    reader_option,
    verb,
    voice,
)
from detente.cli.progress import Display
from detente.cli.speech import Speech
from detente.desk.archives import looks_packed
from detente.desk.asking import Asking
from detente.desk.given import check_target, write_given
from detente.desk.keys import load_desk
from detente.desk.lone import laid_open
from detente.desk.sent import reader_of
from detente.errors import CannotTell, WrongUsage
from detente.pact.rule import Rule
from detente.wire.digests import groups_of_four

if TYPE_CHECKING:  # a base install shows the help without numpy
    from detente.desk.gates import Rehearsed
    from detente.pact.plan import Plan
    from detente.report.gate import Verdict
    from detente.report.weighing import Evidence

FILES = ("junit", "badge", "card", "sheet")


def gate(lang: str) -> click.Command:
    """``detente gate EXCHANGE|RUN|SUBJECT=REHEARSAL|SUBJECT=MODEL ... --rule RULE``."""

    def call(**given: Any) -> int:
        from detente.desk.banks import look_at_banks
        from detente.desk.gates import find_rule, passed_over
        from detente.report.gate import judge

        speech = voice(lang, given["json"])
        _check_files(given)
        subjects = by_tag(given["subject"], "--subject", "NAME=ID")
        rule = find_rule(given["rule"], subjects) if given["rule"] else None
        shown = _shown(speech, given, rule)
        banks = look_at_banks(shown.rule, by_tag(given["bank"], "--bank", "BANK=PATH"), shown.verified)
        verdict = judge(shown.rule, shown.evidence, banks)
        if shown.plan is not None and given["rule"]:
            verdict = verdict._replace(passed_over=passed_over(shown.plan, given["rule"], subjects))
        _tell(speech, verdict)
        _write(speech, verdict, given)
        return verdict.exit_code

    path = click.Path(path_type=Path)
    params = [
        argument("evidence", nargs=-1, required=True, metavar="EXCHANGE|RUN|SUBJECT=DIR|SUBJECT=MODEL..."),
        option("rule", lang, metavar="RULE"),
        option("suite", lang, metavar="SUITE", help_key="gate-suite"),
        option("sample", lang, type=Whole(1), metavar="N"),
        option("seed", lang, metavar="TEXT"),
        option("max-minutes", lang, type=Whole(1), metavar="M", help_key="gate-minutes"),
        option("max-tokens", lang, type=Whole(1), default=512, show_default=True, metavar="N"),
        option("scorer", lang, multiple=True, metavar="ID", help_key="gate-scorer"),
        *judge_options(lang, "gate-judge"),
        option("recipe", lang, multiple=True, metavar="SUBJECT=FILE"),
        option(
            "out", lang, letter="-o", default="gate", show_default=True, type=path, metavar="DIR", help_key="gate-out"
        ),
        plan_option(lang),
        option("subject", lang, multiple=True, metavar="NAME=ID", help_key="gate-subject"),
        option("bank", lang, multiple=True, metavar="BANK=PATH"),
        option("junit", lang, type=path, metavar="FILE"),
        option("badge", lang, type=path, metavar="FILE"),
        option("card", lang, type=path, metavar="FILE", help_key="gate-card"),
        option("sheet", lang, type=path, metavar="FILE"),
        reader_option(lang),
        json_option(lang),
    ]
    return verb("gate", lang, params, call)


def _check_files(given: Mapping[str, Any]) -> None:
    """Refuse a file that could not be written before anything is judged."""
    from detente.desk.gates import check_sheet
    from detente.report.gate_files import check_ending

    for name in FILES:
        if (path := given[name]) is not None:
            check_target(path)
            if name in {"badge", "card"}:
                check_ending(name, path.suffix.lower())
            elif name == "sheet":
                check_sheet(path)


class Shown(NamedTuple):
    """What a person shows a gate: the rule, given or the plan's own; the evidence, with its plan and its exchange where it has one."""

    rule: Rule
    evidence: "Evidence"
    plan: "Plan | None" = None
    verified: Verified | None = None


def _shown(speech: Speech, given: Mapping[str, Any], rule: Rule | None) -> Shown:
    """What was named, verified where there is something to verify."""
    from detente.desk.gates import plan_rule, rehearsal_evidence
    from detente.report.weighing import evidence_of, evidence_of_lone

    names: Sequence[str] = given["evidence"]
    asked = _asked(speech, given, rule)
    rehearsed = asked or _rehearsed(names)
    if rehearsed or len(names) > 1:
        if rule is None:
            raise WrongUsage("cli-missing", expected="--rule")
        _check_subjects(rule, [one.subject for one in rehearsed])
        return Shown(rule, rehearsal_evidence(rehearsed))
    place = Path(names[0])
    if looks_packed(place):
        if rule is None:
            raise WrongUsage("cli-missing", expected="--rule")
        with laid_open(place) as folder:
            lone = verify_lone(folder, plan_id(given["plan"]))
        if lone.plan.plan.quorum and lone.unanchored():
            raise CannotTell("unanchored-lone", str(place), expected=lone.plan.plan.quorum, got=lone.run.test.party)
        return Shown(rule, evidence_of_lone(lone), lone.plan.plan)
    if rule is None and given["subject"]:  # the plan's own rule names its subjects, and all have signed that
        raise WrongUsage("cli-missing", expected="--rule")
    verified = _verified(speech, place, given)
    return Shown(rule or plan_rule(verified), evidence_of(verified), verified.plan.plan, verified)


def _asked(speech: Speech, given: Mapping[str, Any], rule: Rule | None) -> "list[Rehearsed]":
    """With ``--suite`` the models are asked first, one after the other, within the minutes that all of them have together."""
    from detente.desk.gate_jobs import Job, rehearse_all

    if given["suite"] is None:
        for name in ("sample", "seed", "max_minutes", "scorer", "judge", "judge_key_env", "recipe"):
            if given[name]:
                raise WrongUsage("cli-missing", expected="--suite")
        return []
    if rule is None:
        raise WrongUsage("cli-missing", expected="--rule")
    models = by_tag(given["evidence"], "gate", "SUBJECT=MODEL")
    _check_subjects(rule, models)
    recipes = {subject: Path(path) for subject, path in by_tag(given["recipe"], "--recipe", "SUBJECT=FILE").items()}
    if strange := sorted(set(recipes) - set(models)):
        raise WrongUsage("recipe-subject", "--recipe", expected=", ".join(models), got=", ".join(strange))
    if missing := sorted(set(rule.subjects.values()) - set(models)):
        speech.say("gate-not-asked", rule=rule.id, names=", ".join(missing))
    job = Job(
        models, given["suite"], given["out"], given["sample"], given["seed"], given["max_minutes"], given["max_tokens"],
        Asking(given["judge"], given["judge_key_env"]), given["scorer"],
        {subject: rule.variants_for(subject) for subject in models}, recipes,
    )  # fmt: skip
    return rehearse_all(job, lambda subject: Display(speech, None, subject))


def _check_subjects(rule: Rule, subjects: Iterable[str]) -> None:
    """WrongUsage (gate-stranger) for a model of which the rule says nothing: before hours are spent on a slip of the pen."""
    if strange := rule.strange(subjects):
        expected = ", ".join(dict.fromkeys(rule.subjects.values()))
        raise WrongUsage("gate-stranger", "--rule", expected=expected, got=", ".join(strange), rule=rule.id)


def _rehearsed(names: Sequence[str]) -> "list[Rehearsed]":
    """The rehearsals among what was named: ``SUBJECT=DIR``, or one DIR, which is then the candidate's."""
    from detente.desk.gates import Rehearsed, looks_rehearsed

    if len(names) == 1 and looks_rehearsed(Path(names[0])):
        return [Rehearsed("candidate", Path(names[0]))]
    if len(names) == 1 and ("=" not in names[0] or Path(names[0]).exists()):
        return []
    found = []
    for subject, folder in by_tag(names, "gate", "SUBJECT=DIR").items():
        if not looks_rehearsed(Path(folder)):
            raise WrongUsage("gate-evidence", folder, got=folder)
        found.append(Rehearsed(subject, Path(folder)))
    return found


def _verified(speech: Speech, exchange: Path, given: Mapping[str, Any]) -> Verified:
    if not exchange.is_dir():
        raise WrongUsage("gate-evidence", str(exchange), got=str(exchange))
    own = load_desk(given["desk"]) if given["desk"] else None
    verified = verify_exchange(exchange, plan_id(given["plan"]), reader=reader_of(own) if own else None)
    quorum = verified.plan.plan.quorum
    if quorum and (loose := verified.unanchored()):
        raise CannotTell("unanchored-log", str(exchange), expected=quorum, got=", ".join(loose))
    for error in verified.shut():
        speech.error(error)
    speech.say("gate-verified", plan=groups_of_four(verified.plan.id))
    for scorer in verified.lists_at_home():
        speech.say("list-at-home", scorer=scorer)
    return verified


def _tell(speech: Speech, verdict: "Verdict") -> None:
    """For whom the rule is, what kind of evidence this is, a line a criterion, what must be read with it, and the end."""
    from detente.report.gate_files import ending_of, in_tongue, left_out_of, line_of, rows_of, standing_of

    if speech.as_json:
        for row in rows_of(verdict):
            speech.row(row)
        return
    lang = speech.lang
    speech.tell(in_tongue(verdict.rule.for_, lang))
    speech.data(standing_of(verdict.evidence, lang))
    for line in verdict.lines:
        speech.data(line_of(line, lang))
    if left_out := left_out_of(verdict, lang):
        speech.data(left_out)
    for one in verdict.rule.says:
        speech.data(in_tongue(one, lang))
    speech.data(ending_of(verdict, lang))


def _write(speech: Speech, verdict: "Verdict", given: Mapping[str, Any]) -> None:
    from detente.desk.gates import write_sheet_of
    from detente.report.gate_files import badge, card, junit

    lang, files = speech.lang, {name: given[name] for name in FILES if given[name] is not None}
    for name, path in files.items():
        if name == "sheet":
            write_sheet_of(path, verdict, lang)
        elif name == "junit":
            write_given(path, [junit(verdict, lang)])
        else:
            make = badge if name == "badge" else card
            write_given(path, [make(verdict, lang, path.suffix.lower())])
        speech.say("gate-wrote", path=path)
