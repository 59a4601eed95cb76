# SPDX-License-Identifier: Apache-2.0
"""The plan: who tests what with which questions, and how it will be counted, fixed before anyone runs.

``parse_plan`` returns a ``PlanFile`` only if every rule of docs/format/plan.md holds that can
be seen in the file alone; what the files it names must hold is checked by the verifier (V-5).
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, NamedTuple, Protocol, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType

from detente.errors import Malformed
from detente.pact.draw import Drawn, check_drawn
from detente.pact.seal import check_recipient
from detente.pact.wrappers import pivot_of, words_of
from detente.wire.canonical import NS, Hex, check_id, check_language, decimal, decode_as
from detente.wire.digests import sha256
from detente.wire.keys import check_public
from detente.wire.note import check_name
from detente.wire.times import parse_time

PLAN_TYPE = NS + "plan/v1"
MAX_SLOTS = 2**53 - 1
FILTERED_AS = "refuse"  # the label that an answer of a filter counts as (C-3)
NO_REFUSAL = frozenset({"didNotRefuse", "harmfulHelp"})  # of which a refusal, a filter's too, is never a hit (P-8)

# The length too: "$" alone also matches before a newline at the end.
Count = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Texts = dict[str, str]
Kind = Literal["hazard", "benign", "attack", "control"]


class LogKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A party's log: its origin (P-4) and Ed25519 key, hex."""

    origin: str
    key: Hex


class WitnessKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A cosigner's name and Ed25519 key, hex."""

    name: str
    key: Hex


class Party(Struct, frozen=True, forbid_unknown_fields=True):
    """One party: its roles, the address where it shows plan id and keys, and the keys."""

    id: str
    name: Texts
    roles: list[Literal["coordinates", "tests", "observes", "audits"]]
    home: str
    statement: Hex
    log: LogKey
    witness: WitnessKey
    recipient: str


class Observer(Struct, frozen=True, forbid_unknown_fields=True):
    """A neutral cosigner that accepts nothing."""

    id: str
    name: Texts
    witness: WitnessKey


class Head(Struct, frozen=True, forbid_unknown_fields=True):
    """One log's head: origin, size in entries, root hash."""

    origin: str
    size: Annotated[int, Meta(ge=0)]
    root: Hex


class Supersedes(Struct, frozen=True, forbid_unknown_fields=True):
    """The predecessor plan and, per log of it, the last head that counts (P-11)."""

    plan: Hex
    heads: list[Head]


class Subject(Struct, frozen=True, forbid_unknown_fields=True):
    """A model under test, named or coded, fixed by its descriptor or a commitment (P-12)."""

    id: str
    name: Texts | None
    descriptor: Hex | UnsetType = UNSET
    commitment: Hex | UnsetType = UNSET


class Disclosure(Struct, frozen=True, forbid_unknown_fields=True):
    """Who may read a section's headers and scores (P-5)."""

    headers: Literal["public", "parties"]
    scores: Literal["public", "parties"]


class Audit(Struct, frozen=True, forbid_unknown_fields=True):
    """Who may draw how many records, where they are shown, and in how many hours (P-7)."""

    by: list[str]
    n: Count
    place: Literal["crosses", "onSite", "thirdParty"]
    answerHours: Count  # noqa: N815 - the format's own name


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """Core (all report) or one party's annex, and what of it is disclosed (P-5 to P-7)."""

    id: str
    disclosure: Literal["home"] | Disclosure
    audit: Audit | None
    releasers: list[str]
    external: bool
    commitment: Hex | UnsetType = UNSET

    def withholds(self, what: Literal["headers", "scores"]) -> bool:
        """Whether these files of the section's runs go to the parties alone, and to nobody else (P-5)."""
        return self.disclosure != "home" and getattr(self.disclosure, what) == "parties"


class Variant(Struct, frozen=True, forbid_unknown_fields=True):
    """A suite made from another by a named, deterministic function (S-3)."""

    of: str
    name: str


class Suite(Struct, frozen=True, forbid_unknown_fields=True):
    """A full rectangle of items x languages x epochs, fixed by its list file (S-1, S-3)."""

    id: str
    section: str
    owner: str
    sealed: bool
    languages: list[str]
    epochs: Count
    items: Count
    list: Hex
    variant: Variant | None
    drawn: Drawn | UnsetType = UNSET


class Test(Struct, frozen=True, forbid_unknown_fields=True):
    """Who tests which subject on which section; two parties on one subject = a repeat."""

    subject: str
    section: str
    party: str


class Cap(Struct, frozen=True, forbid_unknown_fields=True):
    """The longest answer in one language: code points and tokens."""

    chars: Count
    tokens: Count


class Sampling(Struct, frozen=True, forbid_unknown_fields=True):
    """How the model is sampled; the same for every tester."""

    temperature: str
    topP: str  # noqa: N815 - the format's own name
    seed: Literal["slot", "none"]


class Scorer(Struct, frozen=True, forbid_unknown_fields=True):
    """Who labels replies and how (C-1); rates only in the languages it was validated for (P-8)."""

    id: str
    method: Literal["rule", "judge", "human", "choice"]
    definition: Hex
    rubric: dict[str, Hex] | None
    languages: list[str]
    tolerance: str
    by: str


class Measure(Struct, frozen=True, forbid_unknown_fields=True):
    """A number of the report: which labels on which kind of items are a hit."""

    id: str
    name: Literal["didNotRefuse", "harmfulHelp", "overRefusal", "other"]
    kind: Kind
    scorer: str
    hit: list[str]
    corrected: str | None
    suites: list[str] | UnsetType = UNSET

    def covers(self, suite: str) -> bool:
        """Whether items of this suite are counted: all suites' are, unless the measure names some (P-8)."""
        return not isinstance(self.suites, list) or suite in self.suites

    def hits_filtered(self) -> bool:
        """Whether an answer that a filter gave is a hit, where it counts at all (C-3)."""
        return FILTERED_AS in self.hit


class Gate(Struct, frozen=True, forbid_unknown_fields=True):
    """The rule file that decides pass or fail: its own id, and its digest (P-9). No number depends on it."""

    id: str
    rule: Hex


class Competence(Struct, frozen=True, forbid_unknown_fields=True):
    """Share of replied control items that must be right before a language gets a rate."""

    scorer: str
    floor: str


class Runs(Struct, frozen=True, forbid_unknown_fields=True):
    """How often and until when a (subject, section, party) may be registered and concluded."""

    max: Count
    registerBy: str  # noqa: N815 - the format's own name
    deadline: str


class Closing(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose close makes a result final (F-11)."""

    by: list[str]


class Plan(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole plan, as docs/format/plan.md lists its members."""

    type: str
    title: Texts
    texts: list[str]
    supersedes: Supersedes | None
    parties: list[Party]
    observers: list[Observer]
    observersCount: bool  # noqa: N815 - the format's own name
    quorum: Annotated[int, Meta(ge=0)]
    naming: Literal["named", "coded"]
    subjects: list[Subject]
    sections: list[Section]
    suites: list[Suite]
    tests: list[Test]
    sampling: Sampling
    caps: dict[str, Cap]
    scorers: list[Scorer]
    measures: list[Measure]
    filtered: Literal["asDeployed", "modelAlone"]
    maxMissing: str  # noqa: N815 - the format's own name
    gate: Gate | None
    competence: Competence
    runs: Runs
    requires: list[Literal["agreed", "seen", "complete", "checked", "repeated", "attested"]]
    blind: bool
    closing: Closing
    canary: Annotated[str, Meta(min_length=1, max_length=128)]

    def party(self, id_: str) -> Party:
        """The party called ``id_``; KeyError if the plan has none."""
        return _by_id(self.parties, id_)

    def section(self, id_: str) -> Section:
        """The section called ``id_``; KeyError if the plan has none."""
        return _by_id(self.sections, id_)

    def subject(self, id_: str) -> Subject:
        """The subject called ``id_``; KeyError if the plan has none."""
        return _by_id(self.subjects, id_)

    def suite(self, id_: str) -> Suite:
        """The suite called ``id_``; KeyError if the plan has none."""
        return _by_id(self.suites, id_)

    def scorer(self, id_: str) -> Scorer:
        """The scorer called ``id_``; KeyError if the plan has none."""
        return _by_id(self.scorers, id_)

    def corrects(self, scorer: str) -> bool:
        """Whether a scorer's labels correct the numbers of another one (C-8)."""
        return any(measure.corrected == scorer for measure in self.measures)

    def suites_of(self, section: str) -> list[Suite]:
        """A section's suites in plan order (S-4)."""
        return [suite for suite in self.suites if suite.section == section]

    def commitments(self) -> dict[str, str]:
        """By section, what the plan holds of annexes kept at home (P-6)."""
        return {section.id: section.commitment for section in self.sections if isinstance(section.commitment, str)}

    def kept(self) -> list[Section]:
        """The annexes kept at home (P-6)."""
        return [section for section in self.sections if section.disclosure == "home"]

    def cosigners(self) -> dict[str, WitnessKey]:
        """Whose cosignatures make a quorum, by id: the parties', and the observers' where they count."""
        found = self.witnesses()
        return found if self.observersCount else {party.id: found[party.id] for party in self.parties}

    def witnesses(self) -> dict[str, WitnessKey]:
        """Everybody who mirrors and cosigns logs, by id: the parties and the observers, whether or not those count."""
        found = {party.id: party.witness for party in self.parties}
        return found | {observer.id: observer.witness for observer in self.observers}


class PlanFile(NamedTuple):
    """A plan with the bytes that were accepted: ``id`` is their SHA-256 (P-1); nothing is ever re-encoded.

    ``earlier``: the plans that it supersedes, the nearest first; ``later``: those lying beside it that
    supersede it. Both are empty in what ``parse_plan`` returns, which sees one file (P-11).
    """

    id: str
    raw: bytes
    plan: Plan
    earlier: tuple["PlanFile", ...] = ()
    later: tuple["PlanFile", ...] = ()


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


_Row = TypeVar("_Row", bound=_HasId)


def _by_id(rows: Sequence[_Row], id_: str) -> _Row:
    for row in rows:
        if row.id == id_:
            return row
    raise KeyError(id_)


def parse_plan(raw: bytes, place: str = "plan.json") -> PlanFile:
    """A plan's bytes, read strictly and checked against every rule that the file alone can break.

    Raises Malformed with the rule's number (P-3 to P-9, B-1 to B-5) and the JSON path.
    """
    plan = decode_as(raw, Plan, place)
    if plan.type != PLAN_TYPE:
        raise Malformed("P-1.type", f"{place} $.type", expected=PLAN_TYPE, got=plan.type)
    for check in (_check_texts, _check_parties, _check_sections, _check_suites, _check_tests, _check_counting):
        check(plan, place)
    return PlanFile(sha256(raw), raw, plan)


def _unique(ids: Iterable[str], place: str) -> None:
    seen: set[str] = set()
    for id_ in ids:
        check_id(id_, place)
        if id_ in seen:
            raise Malformed("P-1.twice", place, got=id_)
        seen.add(id_)


def _no_twins(values: Sequence[str], place: str) -> None:
    if len(set(values)) != len(values):
        raise Malformed("P-1.twice", place, got=", ".join(values))


def _known(name: str, names: Iterable[str], place: str) -> None:
    if name not in (allowed := list(names)):
        raise Malformed("P-1.unknown", place, expected=" | ".join(allowed) or "-", got=name)


def _share(text: str, place: str) -> None:
    if not 0 <= decimal(text, place) <= 1:
        raise Malformed("P-1.share", place, expected="0..1", got=text)


def _check_texts(plan: Plan, place: str) -> None:
    """People's text exists in exactly the languages of ``texts``."""
    if not plan.texts:
        raise Malformed("P-1.twice", f"{place} $.texts", got="-")
    _no_twins(plan.texts, f"{place} $.texts")
    for n, tag in enumerate(plan.texts):
        check_language(tag, f"{place} $.texts[{n}]")
    named: list[tuple[str, Texts | None]] = [("$.title", plan.title)]
    named += [(f"$.parties[{n}].name", party.name) for n, party in enumerate(plan.parties)]
    named += [(f"$.observers[{n}].name", one.name) for n, one in enumerate(plan.observers)]
    named += [(f"$.subjects[{n}].name", one.name) for n, one in enumerate(plan.subjects)]
    for path, texts in named:
        if texts is not None and (sorted(texts) != sorted(set(plan.texts)) or not all(texts.values())):
            raise Malformed("P-1.texts", f"{place} {path}", expected=", ".join(plan.texts), got=", ".join(texts))
    for n, subject in enumerate(plan.subjects):
        if (subject.name is None) != (plan.naming == "coded"):
            raise Malformed("P-1.naming", f"{place} $.subjects[{n}].name", expected=plan.naming)
        if (subject.descriptor is UNSET) == (subject.commitment is UNSET):
            raise Malformed("P-12.one", f"{place} $.subjects[{n}]", got=subject.id)
    _unique((s.id for s in plan.subjects), f"{place} $.subjects")


def _check_parties(plan: Plan, place: str) -> None:
    """Ids, keys and quorum (P-3, P-4)."""
    _unique([p.id for p in plan.parties] + [o.id for o in plan.observers], f"{place} $.parties")
    seen: dict[str, str] = {}
    for n, party in enumerate(plan.parties):
        path = f"{place} $.parties[{n}]"
        if not party.roles or len(set(party.roles)) != len(party.roles):
            raise Malformed("P-1.roles", f"{path}.roles", got=", ".join(party.roles))
        if not party.home.startswith("https://"):
            raise Malformed("P-1.home", f"{path}.home", got=party.home)
        ending = "/" + sha256(bytes.fromhex(party.log.key))[:16]
        check_name(party.log.origin, f"{path}.log.origin")
        if not party.log.origin.endswith(ending):
            raise Malformed("P-4.origin", f"{path}.log.origin", expected="..." + ending, got=party.log.origin)
        check_recipient(party.recipient, f"{path}.recipient")
        keys = {"statement": party.statement, "log.key": party.log.key, "witness.key": party.witness.key}
        for role, key in keys.items():
            _one_role(seen, key, f"{path}.{role}")
        _one_role(seen, party.recipient, f"{path}.recipient", curve="X25519")
    for n, observer in enumerate(plan.observers):
        _one_role(seen, observer.witness.key, f"{place} $.observers[{n}].witness.key")
    # Cosigners and logs are told apart by name in the same notes, and mirrors lie under the name of the log.
    names = [key.name for key in plan.witnesses().values()] + [party.log.origin for party in plan.parties]
    for name in names:
        check_name(name, f"{place} $.parties")
    if len(set(names)) != len(names):
        raise Malformed("P-3.name", f"{place} $.parties", got=", ".join(names))
    others = len(plan.parties) - 1 + (len(plan.observers) if plan.observersCount else 0)
    if not (1 <= plan.quorum <= others or (plan.quorum == 0 and others == 0)):
        raise Malformed("P-1.quorum", f"{place} $.quorum", expected=f"1..{others}" if others else "0", got=plan.quorum)


def _one_role(seen: dict[str, str], key: str, path: str, *, curve: str = "Ed25519") -> None:
    if curve == "Ed25519":
        check_public(key, path)
    if key in seen:
        raise Malformed("P-3.same-key", path, expected="a key of its own", got=key, other=seen[key])
    seen[key] = path


def _check_sections(plan: Plan, place: str) -> None:
    """Core once, annexes by party, audit and releasers (P-5 to P-7)."""
    _unique((s.id for s in plan.sections), f"{place} $.sections")
    ids = [party.id for party in plan.parties]
    _known("core", (s.id for s in plan.sections), f"{place} $.sections")
    if plan.section("core").disclosure == "home":
        raise Malformed("P-6.core", f"{place} $.sections")
    for n, section in enumerate(plan.sections):
        path = f"{place} $.sections[{n}]"
        if section.id != "core":
            _known(section.id, ["core"] + [f"annex-{id_}" for id_ in ids], f"{path}.id")
        for k, id_ in enumerate(section.releasers):
            _known(id_, ids, f"{path}.releasers[{k}]")
        _no_twins(section.releasers, f"{path}.releasers")
        if section.commitment is not UNSET and section.disclosure != "home":
            raise Malformed("P-6.commitment", path, got=section.id)
        if section.audit is None:
            if section.disclosure != "home":
                raise Malformed("P-7.none", f"{path}.audit", got=section.id)
            continue
        for k, id_ in enumerate(section.audit.by):
            _known(id_, (p.id for p in plan.parties if "audits" in p.roles), f"{path}.audit.by[{k}]")
        _no_twins(section.audit.by, f"{path}.audit.by")
        testers = {test.party for test in plan.tests}
        if section.audit.place == "thirdParty" and testers & set(section.audit.by):
            raise Malformed("P-7.third", f"{path}.audit.by", got=", ".join(section.audit.by))


def check_questions(suites: Sequence[Suite], place: str) -> None:
    """What suites must be, whatever plan they come into: ids, languages (S-3), draws (S-6). Raises Malformed with the path below ``place``."""
    _unique((suite.id for suite in suites), place)
    for n, suite in enumerate(suites):
        if not suite.languages or len(set(suite.languages)) != len(suite.languages):
            raise Malformed("S-3.languages", f"{place}[{n}].languages", got=", ".join(suite.languages))
        for k, tag in enumerate(suite.languages):
            check_language(tag, f"{place}[{n}].languages[{k}]")
        if isinstance(suite.drawn, Drawn):
            plain = suite.variant is None
            check_drawn(suite.drawn, suite.items, suite.list, plain=plain, path=f"{place}[{n}].drawn")


def _check_suites(plan: Plan, place: str) -> None:
    """Suites and the sections they are in (P-6, P-7, S-3)."""
    check_questions(plan.suites, f"{place} $.suites")
    open_sections = [s.id for s in plan.sections if s.disclosure != "home"]
    for n, suite in enumerate(plan.suites):
        path = f"{place} $.suites[{n}]"
        _known(suite.section, open_sections, f"{path}.section")
        _known(suite.owner, (p.id for p in plan.parties), f"{path}.owner")
        for k, tag in enumerate(suite.languages):
            _known(tag, plan.caps, f"{path}.languages[{k}]")
        if suite.variant is not None:
            _known(suite.variant.of, (s.id for s in plan.suites[:n]), f"{path}.variant.of")
            _check_variant(suite, suite.variant, _by_id(plan.suites, suite.variant.of), path)
        if suite.sealed and suite.owner not in plan.section(suite.section).releasers:
            raise Malformed("P-7.releasers", f"{path}.owner", expected=suite.owner)
    for section in plan.sections:
        # A slot's number must be an integer of B-1.
        n_slots = sum(suite.items * len(suite.languages) * suite.epochs for suite in plan.suites_of(section.id))
        if n_slots > MAX_SLOTS:
            raise Malformed("S-4.slots", f"{place} $.suites", expected=MAX_SLOTS, got=n_slots, section=section.id)


def _check_variant(suite: Suite, variant: Variant, of: Suite, path: str) -> None:
    """A known function, over a suite that is none itself, in languages of both, with its owner and no more items (S-3)."""
    if of.variant is not None:
        raise Malformed("S-3.of", f"{path}.variant.of", got=of.id)
    words = words_of(variant.name, f"{path}.variant.name")
    pivot_of(variant.name, of.languages, f"{path}.variant.of")
    for k, tag in enumerate(suite.languages):
        _known(tag, of.languages, f"{path}.languages[{k}]")
        if tag not in words:
            expected = ", ".join(words)
            raise Malformed("S-3.words", f"{path}.languages[{k}]", expected=expected, got=tag, variant=variant.name)
    if (suite.owner, suite.sealed) != (of.owner, of.sealed):
        raise Malformed("S-3.owner", path, expected=of.owner, got=suite.owner, of=of.id)
    if suite.items > of.items:
        raise Malformed("S-3.items", f"{path}.items", expected=of.items, got=suite.items)


def _check_tests(plan: Plan, place: str) -> None:
    """Who tests what: known names, nothing twice, something to test."""
    testers = [p.id for p in plan.parties if "tests" in p.roles]
    seen = set()
    for n, test in enumerate(plan.tests):
        path = f"{place} $.tests[{n}]"
        _known(test.subject, (s.id for s in plan.subjects), f"{path}.subject")
        _known(test.section, (s.id for s in plan.sections if plan.suites_of(s.id)), f"{path}.section")
        _known(test.party, testers, f"{path}.party")
        if test.section not in {"core", f"annex-{test.party}"}:
            raise Malformed("P-5.annex", f"{path}.section", expected=f"annex-{test.party}", got=test.section)
        if test in seen:
            raise Malformed("P-1.twice", path, got=f"{test.subject} {test.section} {test.party}")
        seen.add(test)
    if not plan.tests:
        raise Malformed("P-1.no-tests", f"{place} $.tests")


def _check_counting(plan: Plan, place: str) -> None:
    """Sampling, caps, scorers, measures, shares and dates (P-8)."""
    if decimal(plan.sampling.temperature, f"{place} $.sampling.temperature") < 0:
        raise Malformed("P-1.share", f"{place} $.sampling.temperature", expected=">= 0", got=plan.sampling.temperature)
    _share(plan.sampling.topP, f"{place} $.sampling.topP")
    for tag in plan.caps:
        check_language(tag, f"{place} $.caps")
    _unique((s.id for s in plan.scorers), f"{place} $.scorers")
    for n, scorer in enumerate(plan.scorers):
        path = f"{place} $.scorers[{n}]"
        _known(scorer.by, ["tester"] + [p.id for p in plan.parties], f"{path}.by")
        _share(scorer.tolerance, f"{path}.tolerance")
        if scorer.method == "rule" and scorer.tolerance != "0":
            raise Malformed("C-1.tolerance", f"{path}.tolerance", expected="0", got=scorer.tolerance)
        for tag in [*scorer.languages, *(scorer.rubric or {})]:
            check_language(tag, f"{path}.languages")
        _no_twins(scorer.languages, f"{path}.languages")
    _unique((m.id for m in plan.measures), f"{place} $.measures")
    methods = {scorer.id: scorer.method for scorer in plan.scorers}
    for n, measure in enumerate(plan.measures):
        path = f"{place} $.measures[{n}]"
        _known(measure.scorer, methods, f"{path}.scorer")
        if measure.corrected is not None:
            _known(measure.corrected, methods, f"{path}.corrected")
            own = {one.scorer for one in plan.measures} | {plan.competence.scorer}
            if methods[measure.corrected] != "human" or measure.corrected in own:
                raise Malformed("P-8.corrected", f"{path}.corrected", expected="human", got=measure.corrected)
        if measure.name == "harmfulHelp" and methods[measure.scorer] not in {"judge", "human"}:
            raise Malformed("P-8.rule", path, expected="judge | human", got=methods[measure.scorer])
        if not measure.hit or (measure.name in NO_REFUSAL and measure.hits_filtered()):
            raise Malformed("P-8.hit", f"{path}.hit", got=", ".join(measure.hit))
        _no_twins(measure.hit, f"{path}.hit")
        _check_covered(plan, measure, path)
    _known(plan.competence.scorer, methods, f"{place} $.competence.scorer")
    _share(plan.competence.floor, f"{place} $.competence.floor")
    _share(plan.maxMissing, f"{place} $.maxMissing")
    if parse_time(plan.runs.registerBy, f"{place} $.runs.registerBy") > parse_time(
        plan.runs.deadline, f"{place} $.runs.deadline"
    ):
        raise Malformed("P-1.dates", f"{place} $.runs", expected=plan.runs.deadline, got=plan.runs.registerBy)
    for n, id_ in enumerate(plan.closing.by):
        _known(id_, (p.id for p in plan.parties), f"{place} $.closing.by[{n}]")
    if not plan.closing.by:
        raise Malformed("P-1.closing", f"{place} $.closing.by")
    for path, values in (("$.requires", plan.requires), ("$.closing.by", plan.closing.by)):
        _no_twins(values, f"{place} {path}")


def _check_covered(plan: Plan, measure: Measure, path: str) -> None:
    """A measure counts no question twice in one language: not a suite and its variant, nor two variants of it (P-8)."""
    if isinstance(measure.suites, list):
        for k, id_ in enumerate(measure.suites):
            _known(id_, (s.id for s in plan.suites), f"{path}.suites[{k}]")
        _no_twins(measure.suites or ["-", "-"], f"{path}.suites")  # none at all is no choice
    if measure.kind in {"hazard", "control"}:
        return  # no variant has such items
    seen: dict[tuple[str, str, str], str] = {}
    for suite in plan.suites:
        for tag in suite.languages if measure.covers(suite.id) else []:
            asked = (suite.section, suite.variant.of if suite.variant else suite.id, tag)
            if asked in seen:
                raise Malformed("P-8.suites", path, got=f"{seen[asked]}, {suite.id}", measure=measure.id)
            seen[asked] = suite.id
