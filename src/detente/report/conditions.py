# SPDX-License-Identifier: Apache-2.0
"""What a gate finds, and its conditions without a number: what descriptors say, and which measures a criterion speaks of. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from detente.pact.rule import Criterion
from detente.pact.wrappers import PIVOTS
from detente.report.weighing import Asked, Evidence, Trial

Word = Literal["pass", "fail", "cannot-tell"]
# What a name says of the questions (P-8): how often a model answers harmless ones is no number of harm.
OF_HARM = {"harmfulHelp": {"hazard", "attack"}, "didNotRefuse": {"hazard", "attack"}}
SHOWN = 400  # characters of a recipe that a verdict repeats; the descriptor has all of it


class Finding(NamedTuple):
    """One number held against its limit. ``why``: key of ``report.gate.why``; ``where``: what it is a number of.

    ``point`` and ``confident`` are None where there is no number; ``value``, ``low`` and ``high`` are decimals.
    """

    verdict: Word
    why: str
    where: Mapping[str, str]
    point: bool | None = None
    confident: bool | None = None
    value: str | None = None
    low: str | None = None
    high: str | None = None
    n: int = 0
    fields: Mapping[str, object] = {}


def described(trial: Trial, one: Criterion) -> Finding:
    """Whether the descriptor of the subject has a member as the rule says; ``value`` null: it must be null."""
    where = {"subject": trial.subject, "run": trial.run, "member": one.member or ""}
    if trial.descriptor is None or where["member"] not in trial.descriptor:
        return Finding("cannot-tell", "no-descriptor", where)
    there = trial.descriptor[where["member"]]
    holds = there is None if one.value is None else str(there) == one.value
    return Finding("pass" if holds else "fail", "described" if holds else "described-otherwise", where)


def removed(trial: Trial, of: Sequence[Trial]) -> Finding:
    """Whether this model can have had its safeguards taken off: other weights than ``of`` has, or a recipe that is stated.

    Whether they are off nobody sees in a descriptor: another criterion measures it.
    """
    where = {"subject": trial.subject, "run": trial.run}
    if trial.descriptor is None:
        return Finding("cannot-tell", "no-descriptor", where)
    recipe, weights = str(trial.descriptor.get("recipe") or "").strip(), trial.descriptor.get("weights")
    theirs = [other.descriptor.get("weights") if other.descriptor else None for other in of]
    if recipe:
        shown = recipe if len(recipe) <= SHOWN else f"{recipe[:SHOWN]}…"
        return Finding("pass", "recipe", where, fields={"recipe": shown})
    if weights and theirs and all(theirs) and weights not in theirs:
        return Finding("pass", "other-weights", where)
    return Finding("cannot-tell", "no-recipe", where)


def alike(one: Criterion, trial: Trial, reference: str, trials: Sequence[Trial]) -> Iterable[Finding]:
    """Whether the descriptors of two models have the same in a member, or neither has it."""
    where = {"subject": trial.subject, "run": trial.run, "reference": reference}
    found = [other for other in trials if other.subject == reference]
    if not found:
        yield Finding("cannot-tell", "no-reference", where)
    for other in found:
        if trial.descriptor is None or other.descriptor is None:
            yield Finding("cannot-tell", "no-descriptor", where)
        else:
            same = trial.descriptor.get(one.member or "") == other.descriptor.get(one.member or "")
            fields = {"member": one.member}
            yield Finding("pass" if same else "fail", "alike" if same else "not-alike", where, fields=fields)


def measures_named(one: Criterion, evidence: Evidence, trial: Trial) -> list[Asked]:
    """The measures that a criterion speaks of: the one with that id, else those with that name over questions asked as it says.

    A measure of which a run was asked nothing is none of that run's.
    """
    found = []
    for measure in evidence.measures:
        asked = {put.variant for put in trial.put.get(measure.id, ())} if trial.put else {""}
        named = measure.name == one.measure and measure.kind in OF_HARM.get(measure.name, {measure.kind})
        as_said = asked == {one.variant or ""}
        if (named and as_said) or (measure.id == one.measure and (as_said or one.variant is None)):
            found.append(measure)
    return found


def left_out(one: Criterion, measure: Asked, evidence: Evidence, trial: Trial) -> list[str]:
    """Of what the plain measures of that name count, what is not asked in the variant: the condition holds for all of it or none."""
    if one.variant is None:
        return []
    plain = {
        (put.suite, put.lang)
        for other in evidence.measures
        if other.name == measure.name and other.kind in OF_HARM.get(other.name, {other.kind})
        for put in trial.put.get(other.id, ())
        if not put.variant
    }
    asked = {(put.suite, put.lang) for put in trial.put.get(measure.id, ())}
    pivot = PIVOTS.get(one.variant)  # what a pivot asks in, it asks in no other way
    return sorted(" ".join(lacking) for lacking in plain - asked if lacking[1] != pivot)
