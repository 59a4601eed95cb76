# SPDX-License-Identifier: Apache-2.0
"""What a gate holds against its rule: the numbers of each run as counts, whatever kind of evidence they come from.

    evidence_of(verified)      an exchange that passed every step
    evidence_of_lone(lone)     one run that was handed over without its exchange
    (desk.gates)               a rehearsal

Numbers are the verifier's own (``check.tally``): in the plan's view of filtered answers, raw and corrected by people.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Literal, NamedTuple, cast

from detente.check.corrected import Judged
from detente.check.lone import Lone
from detente.check.runs import Run
from detente.check.sealed import apart
from detente.check.tally import Numbers, Pattern, numbers, numbers_alone
from detente.check.verify import Verified
from detente.pact.plan import Measure, Plan

Standing = Literal["final", "interim", "self-check", "lone"]
Source = Literal["exchange", "run", "rehearsal"]
Cell = tuple[str, str, str | None]  # measure, language, hazard (None: all)
PairCell = tuple[str, str, str, str | None]  # measure, two languages, hazard


class Number(NamedTuple):
    """One cell: why it has no rate or ``rate``, its counts by item, and what people's labels make of it.

    ``judged`` is None where nothing corrects the measure; then ``corrected`` is too. Else ``corrected`` says why there is no
    corrected number, or ``rate``.
    """

    state: str
    patterns: Sequence[Pattern]
    corrected: str | None = None
    judged: Judged | None = None


class GapNumber(NamedTuple):
    """The same of two languages; the corrected one is made from the two cells."""

    state: str
    patterns: Sequence[Pattern]
    corrected: str | None = None
    judged: tuple[Judged, Judged] | None = None


class Said(NamedTuple):
    """How one item fared in one run and language: hits, answers with a verdict, and those without."""

    hazard: str
    hits: int
    scored: int
    missing: int


class Put(NamedTuple):
    """Questions that a measure counts: of which suite, in which language, in which variant ("": as they are)."""

    suite: str
    lang: str
    variant: str


Answers = Callable[[str, str], Mapping[str, Said] | None]


class Trial(NamedTuple):
    """One run: who tested what, the facts that hold (yes | no | cannot tell), and its numbers.

    ``descriptor`` is None where it is not open. ``answers`` gives, by measure and language, every item; None where labels or
    headers are withheld from this reader. ``put``: by measure, what questions it counts; where nothing is
    said of any, they are asked as they are. ``terms``: by measure, what two rehearsals must have alike to be compared, by
    name; a plan fixes all of it, so an exchange has none.
    """

    subject: str
    run: str
    party: str
    section: str
    facts: Mapping[str, str]
    descriptor: Mapping[str, object] | None
    rates: Mapping[Cell, Number]
    gaps: Mapping[PairCell, GapNumber]
    answers: Answers
    put: Mapping[str, AbstractSet[Put]] = MappingProxyType({})
    terms: Mapping[str, Mapping[str, str]] = MappingProxyType({})


class Asked(NamedTuple):
    """A measure: its id and name, which kind of items, whose labels are its numbers (rule, judge, human, choice)."""

    id: str
    name: str
    kind: str
    method: str
    corrected: bool


class Evidence(NamedTuple):
    """Everything that a rule is held against. ``id``: plan id, or what names a rehearsal; ``digest`` of the plan's own rule, if it names one."""

    source: Source
    id: str
    standing: Standing
    measures: Sequence[Asked]
    trials: Sequence[Trial]
    digest: str | None = None


def evidence_of(verified: Verified) -> Evidence:
    """An exchange as it stands: the counted runs; under a quorum of 0 those that a self-check has numbers of (F-8, F-9)."""
    plan, view = verified.plan.plan, verified.view()
    basis = verified.basis(view)
    made = numbers(basis)
    rows: list[Mapping[str, object]] = made.result["runs"]  # type: ignore[assignment]
    told = {str(row["run"]) for row in cast("list[Mapping[str, object]]", made.result["rates"])}
    trials = []
    for run, row in zip(basis.runs, rows, strict=True):
        if not (row["counted"] or (plan.quorum == 0 and run.id in told)):
            continue
        known = cast("Mapping[str, Mapping[str, object]]", row["facts"])
        facts = {name: str(fact["holds"]) for name, fact in known.items()}
        facts["counted"] = "yes" if row["counted"] else "no"
        parts = apart(plan, run, basis.handed)
        trials.append(_trial(plan, run, made, facts, (verified.descriptors.get(run.test.subject), set(parts))))
    standing: Standing = "self-check" if plan.quorum == 0 else "final" if verified.final else "interim"
    gate = plan.gate.rule if plan.gate else None
    return Evidence("exchange", verified.plan.id, standing, measures_of(plan), trials, gate)


def evidence_of_lone(lone: Lone) -> Evidence:
    """One run by itself: its headers are complete, and no other fact can hold (F-12)."""
    plan, run = lone.plan.plan, lone.run
    own = {s.id for s in plan.suites_of(run.test.section) if s.sealed and s.owner == run.test.party}
    facts = {"complete": "yes", "counted": "cannot tell"}
    trial = _trial(plan, run, numbers_alone(lone.plan, run), facts, (lone.descriptors.get(run.test.subject), own))
    gate = plan.gate.rule if plan.gate else None
    return Evidence("run", lone.plan.id, "lone", measures_of(plan), [trial], gate)


def measures_of(plan: Plan) -> list[Asked]:
    """The plan's measures, each with the method of whoever's labels its number rests on."""
    found = []
    for measure in plan.measures:
        by = measure.corrected or measure.scorer
        row = (measure.id, measure.name, measure.kind, plan.scorer(by).method, measure.corrected is not None)
        found.append(Asked(*row))
    return found


def _trial(
    plan: Plan,
    run: Run,
    made: Numbers,
    facts: Mapping[str, str],
    known: tuple[Mapping[str, object] | None, set[str]],
) -> Trial:
    """``known``: the subject's descriptor, where it is open, and the suites that stand apart."""
    result = made.result
    raw = _of(result["rates"], made.rate_patterns, plan, run)
    raw_gaps = _of(result["gaps"], made.gap_patterns, plan, run)
    mended = {
        name: _of([row for row, _ in made.corrected[name]], [basis for _, basis in made.corrected[name]], plan, run)
        for name in ("corrected", "correctedGaps")
    }
    corrected = {measure.id for measure in plan.measures if measure.corrected}
    none = ("noLabels", None)  # a plan that corrects a measure has no number of it without people's labels
    rates: dict[Cell, Number] = {}
    for key, (state, patterns) in raw.items():
        more = mended["corrected"].get(key, none) if key[0] in corrected else (None, None)
        rates[cast("Cell", key)] = Number(state, cast("list[Pattern]", patterns), *more)
    gaps: dict[PairCell, GapNumber] = {}
    for key, (state, patterns) in raw_gaps.items():
        more = mended["correctedGaps"].get(key, none) if key[0] in corrected else (None, None)
        gaps[cast("PairCell", key)] = GapNumber(state, cast("list[Pattern]", patterns), *more)
    test, (descriptor, parts) = run.test, known
    answers = _answers(plan, run, parts)
    put = {measure.id: put_of(run, measure) for measure in plan.measures}
    return Trial(test.subject, run.id, test.party, test.section, facts, descriptor, rates, gaps, answers, put)


def put_of(run: Run, measure: Measure) -> set[Put]:
    """The questions of a run that a measure counts; a variant's go by the suite that it is made of (S-3)."""
    found = set()
    for _, suite, listed in run.slots.suites():
        if measure.covers(suite.id) and any(line.kind == measure.kind for line in listed):
            made = suite.variant
            of, name = (made.of, made.name) if made else (suite.id, "")
            found |= {Put(of, lang, name) for lang in suite.languages}
    return found


def _of(rows: object, bases: Sequence[object], plan: Plan, run: Run) -> dict[tuple[object, ...], tuple[str, object]]:
    """The rows of one run in the plan's view, by measure, language or languages, and hazard."""
    found: dict[tuple[object, ...], tuple[str, object]] = {}
    for row, basis in zip(cast("list[Mapping[str, object]]", rows), bases, strict=True):
        if row["run"] == run.id and row["view"] == plan.filtered:
            langs = cast("list[str]", row["langs"]) if "langs" in row else [row["lang"]]
            found[row["measure"], *langs, row["hazard"]] = (str(row["state"]), basis)
    return found


def _answers(plan: Plan, run: Run, parts: set[str]) -> Answers:
    measures = {measure.id: measure for measure in plan.measures}

    def of(measure: str, lang: str) -> Mapping[str, Said] | None:
        return said_of(plan, run, measures[measure], lang, parts)

    return of


def said_of(plan: Plan, run: Run, measure: Measure, lang: str, parts: set[str]) -> Mapping[str, Said] | None:
    """How every item of a measure fared in a run, in the plan's view (C-3), without the suites ``parts``; None where it is withheld."""
    scoring = next((one for one in run.scorings if one.counted and one.score.scorer == measure.scorer), None)
    if scoring is None or scoring.labels is None or run.bundle is None:
        return None
    found: dict[str, Counter[str]] = {}
    hazards: dict[str, str] = {}
    refused = measure.hits_filtered()
    for slot in run.slots:
        if slot.kind != measure.kind or slot.lang != lang or slot.suite in parts or not measure.covers(slot.suite):
            continue
        n, word = found.setdefault(slot.item, Counter()), run.bundle.outcome(slot.i)
        hazards[slot.item] = slot.hazard
        if word == "filtered" and plan.filtered == "asDeployed":
            n["scored"] += 1
            n["hits"] += refused
        elif label := scoring.labels.get(slot.i, ""):
            n["scored"] += 1
            n["hits"] += label in measure.hit
        else:
            n["missing"] += 1
    return {item: Said(hazards[item], n["hits"], n["scored"], n["missing"]) for item, n in found.items()}
