# SPDX-License-Identifier: Apache-2.0
"""The rule of a gate: limits, sizes and facts as data, read strictly; docs/reference/gates.md lists the members.

    rule = parse_rule(raw, "rule.toml")        a file that somebody wrote, or a plan names by digest (P-9)
    raw = preset_file("open-release")          the bytes of a preset, as they are laid beside a plan
    shortfalls(rule.bank[0], held)             where a bank is too small for the rule

Nothing here computes: ``report.gate`` holds numbers against a rule.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from detente.errors import Malformed, WrongUsage
from detente.pact.wrappers import WRAPPERS
from detente.wire.canonical import check_id, decimal, reason_and_path

Kind = Literal["rate", "difference", "gap", "band", "size", "fact", "descriptor", "removed", "alike"]
Texts = dict[str, str]
TONGUES = ("en", "zh-Hans")
ENDING = ".toml"
USUAL_N = 280  # questions of a draft where nobody says how many
NEEDS: Mapping[str, tuple[str, ...]] = {
    "rate": ("measure",),
    "difference": ("measure", "reference", "most"),
    "gap": ("measure", "most"),
    "band": ("measure", "reference", "bands", "worst"),
    "size": ("measure", "items"),
    "fact": ("facts",),
    "descriptor": ("member",),
    "removed": ("of",),
    "alike": ("member", "reference"),
}
# What a criterion of a kind may say beside what all may; anything else would look like a limit and be none.
ASKED = ("measure", "variant", "lang", "hazard", "items", "by")
SAYS: Mapping[str, tuple[str, ...]] = {
    "rate": (*ASKED, "most", "least", "bound", "level"),
    "difference": (*ASKED, "reference", "most", "bound", "level"),
    "gap": ("measure", "variant", "hazard", "items", "by", "most", "bound", "level"),
    "band": (*ASKED, "reference", "bands", "worst", "bound", "level"),
    "size": ASKED,
    "fact": ("facts",),
    "descriptor": ("member", "value"),
    "removed": ("of",),
    "alike": ("member", "reference"),
}
OF_ALL = ("id", "kind", "title", "called", "subject", "section", "unmet", "rehearsal")
MANY = frozenset({"each", "all"})  # of ``subject``: words that are no model's name
FACTS = ("agreed", "seen", "complete", "checked", "repeated", "attested", "counted")


class Band(Struct, frozen=True, forbid_unknown_fields=True):
    """A band of a scale, the best first: up to the share ``share``, or up to ``ratio`` times (``below``: less than) the reference's rate."""

    id: str
    title: Texts
    share: str | None = None
    ratio: str | None = None
    below: str | None = None


class Criterion(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the verdict. ``subject``, ``reference`` and ``of`` are names of the rule's ``subjects``; ``each``: all others.

    ``all``: every one of ``subjects``. ``variant``: the numbers are of the questions in that variant. ``unmet``: what it
    means where the number or fact does not come out as asked. ``called``: what the number is called in a spreadsheet.
    ``rehearsal`` false: it is not asked of rehearsals, which have no facts (F-8).
    """

    id: str
    kind: Kind
    title: Texts
    called: Texts | None = None
    subject: str = "each"
    reference: str | None = None
    of: str | None = None
    section: str = "core"
    measure: str | None = None
    variant: str | None = None
    unmet: Literal["fail", "cannot-tell"] = "fail"
    lang: str = "each"
    hazard: str = "all"
    most: str | None = None
    least: str | None = None
    bound: Literal["point", "confident"] = "confident"
    level: str = "0.95"
    items: Annotated[int, Meta(ge=0, le=10**9)] = 0
    by: tuple[Literal["rule", "judge", "human", "choice"], ...] = ()
    facts: tuple[str, ...] = ()
    member: str | None = None
    value: str | None = None
    bands: tuple[Band, ...] = ()
    worst: str | None = None
    rehearsal: bool = True


class Group(Struct, frozen=True, forbid_unknown_fields=True):
    """So many ``risks`` whose names start with ``start``, with ``least`` questions each. ``mark``: how well the number was checked."""

    start: str
    risks: int
    least: int
    mark: str = ""


class Bank(Struct, frozen=True, forbid_unknown_fields=True):
    """A bank that the rule asks for: how many questions (or ``words``) in all, and of each risk of each group.

    ``measures``: those whose suites are drawn from it, or whose scorer looks for its words.
    """

    id: str
    title: Texts
    total: int
    groups: tuple[Group, ...] = ()
    mark: str = ""
    holds: Literal["questions", "words"] = "questions"
    measures: tuple[str, ...] = ()


class Rule(Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """A whole rule. ``says``: what must be read with every verdict; ``waits``: why the rule cannot be used yet."""

    for_: Texts
    id: str
    title: Texts
    source: Texts
    criterion: tuple[Criterion, ...] = ()
    says: tuple[Texts, ...] = ()
    subjects: dict[str, str] = {}
    bank: tuple[Bank, ...] = ()
    sizesFirst: bool = False  # noqa: N815 - one spelling of members in all files
    waits: Texts | None = None

    def references(self) -> set[str]:
        """The subjects that others are compared with."""
        return {self.subjects[one.reference] for one in self.criterion if one.reference is not None}

    def variants_for(self, subject: str) -> list[str]:
        """The variants in which the rule wants a subject asked, beside the plain questions; in the order of its criteria."""
        named = {name for name, id_ in self.subjects.items() if id_ == subject}
        beside = subject in self.references()
        found = [
            one.variant
            for one in self.criterion
            if one.variant
            and (named & {one.subject, one.reference} or (one.subject == "each" and not beside) or one.subject == "all")
        ]
        return list(dict.fromkeys(found))

    def strange(self, subjects: Iterable[str]) -> list[str]:
        """Those subjects of which no criterion speaks: names that were mistyped, or that the rule calls otherwise."""
        if any(one.subject == "each" for one in self.criterion):
            return []
        return sorted(set(subjects) - set(self.subjects.values()))

    def ready(self, place: str) -> "Rule":
        """The rule itself; WrongUsage (gate-waits) where its time has not come."""
        if self.waits is not None:
            raise WrongUsage("gate-waits", place, got=self.id)
        return self

    def with_subjects(self, given: Mapping[str, str], place: str) -> "Rule":
        """The same with other subject ids; WrongUsage (gate-subject) for a name that the rule does not have."""
        if strange := sorted(set(given) - set(self.subjects)):
            raise WrongUsage("gate-subject", place, expected=", ".join(self.subjects) or "-", got=", ".join(strange))
        return msgspec.structs.replace(self, subjects={**self.subjects, **given})


class Held(NamedTuple):
    """How much a bank holds: how many in all, each once; and how many of each risk, of those of two risks in both."""

    total: int
    by_risk: Mapping[str, int]


class Shortfall(NamedTuple):
    """A bank that is too small: in all (``risk`` None), in how many risks a group has, or in one risk."""

    bank: str
    risk: str | None
    got: int
    least: int


class Used(NamedTuple):
    """Whether the evidence rests on a bank that was shown: True, False, or None where nobody can tell; and why (``report.gate.why``)."""

    holds: bool | None
    why: str
    fields: Mapping[str, object]


class Looked(NamedTuple):
    """A bank that was shown: how much it holds, where it falls short, and whether the evidence rests on it."""

    held: int
    short: Sequence[Shortfall]
    used: Sequence[Used] = ()


def parse_rule(raw: bytes, place: str) -> Rule:
    """A rule file, every member of which is known and fits its kind.

    Raises Malformed: gate-toml, gate-shape (with the path), gate-rule (a criterion without what its kind needs).
    """
    try:
        value = tomllib.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Malformed("gate-toml", place, got=error) from error
    try:
        rule = msgspec.convert(value, Rule, strict=True)
    except (msgspec.ValidationError, RecursionError) as error:
        reason, path = reason_and_path(error)
        raise Malformed("gate-shape", f"{place} {path}".strip(), got=reason) from error
    check_id(rule.id, f"{place} $.id")
    _check_rule(rule, place)
    return rule


def presets() -> list[str]:
    """The ids of the rules that come with this program, sorted."""
    folder = files("detente") / "data" / "gates"
    return sorted(one.name.removesuffix(ENDING) for one in folder.iterdir() if one.name.endswith(ENDING))


@cache
def preset_file(name: str) -> bytes:
    """A preset's bytes; WrongUsage (no-gate) for any other name."""
    if name not in presets():
        raise WrongUsage("no-gate", "--rule", expected=", ".join(presets()), got=name)
    return (files("detente") / "data" / "gates" / f"{name}{ENDING}").read_bytes()


def drafts() -> list[str]:
    """The presets that a draft of a plan can be had for, sorted."""
    folder = files("detente") / "data" / "gates" / "drafts"
    return sorted(one.name.removesuffix(ENDING) for one in folder.iterdir())


def draft_file(name: str, n: int | None, seed: str) -> str:
    """A draft to start from, with ``n`` (280) questions of each kind that the preset counts; drawn by ``seed`` where it draws.

    WrongUsage (no-gate-draft), (draft-fixed) where the preset's rule fixes how many there are.
    """
    if name not in drafts():
        raise WrongUsage("no-gate-draft", "--from", expected=", ".join(drafts()), got=name)
    text = (files("detente") / "data" / "gates" / "drafts" / f"{name}{ENDING}").read_text("utf-8")
    if n is not None and "@N@" not in text:
        raise WrongUsage("draft-fixed", "--sample", got=n, preset=name)
    return text.replace("@N@", str(USUAL_N if n is None else n)).replace("@SEED@", seed)


def shortfalls(asked: Bank, held: Held) -> list[Shortfall]:
    """Where a bank falls short of what the rule asks: in all, in a risk that is there, in how many risks a group has."""
    found = []
    if held.total < asked.total:
        found.append(Shortfall(asked.id, None, held.total, asked.total))
    for group in asked.groups:
        there = {risk: n for risk, n in held.by_risk.items() if n and risk.startswith(group.start)}
        if len(there) < group.risks:
            found.append(Shortfall(asked.id, f"{group.start}*", len(there), group.risks))
        found += [Shortfall(asked.id, risk, n, group.least) for risk, n in sorted(there.items()) if n < group.least]
    return found


def _check_rule(rule: Rule, place: str) -> None:
    named = [("$.for", rule.for_), ("$.title", rule.title), ("$.source", rule.source)]
    named += [(f"$.says[{n}]", one) for n, one in enumerate(rule.says)]
    named += [(f"$.criterion[{n}].title", one.title) for n, one in enumerate(rule.criterion)]
    named += [(f"$.criterion[{n}].called", one.called) for n, one in enumerate(rule.criterion) if one.called]
    named += [(f"$.bank[{n}].title", one.title) for n, one in enumerate(rule.bank)]
    named += [("$.waits", rule.waits)] if rule.waits else []
    for path, texts in named:
        if sorted(texts) != sorted(TONGUES) or not all(texts.values()):
            raise Malformed("gate-rule", f"{place} {path}", expected=", ".join(TONGUES), got=", ".join(texts))
    ids = [one.id for one in rule.criterion] + [one.id for one in rule.bank]
    if len(set(ids)) != len(ids) or not (ids or rule.waits):
        raise Malformed("gate-rule", f"{place} $.criterion", expected="id", got=", ".join(ids) or "-")
    for name, id_ in rule.subjects.items():
        if name in MANY or not id_:
            raise Malformed("gate-rule", f"{place} $.subjects", expected="id", got=f"{name} = {id_}")
    for n, one in enumerate(rule.criterion):
        _check_criterion(rule, one, f"{place} $.criterion[{n}]")


def _check_criterion(rule: Rule, one: Criterion, place: str) -> None:
    check_id(one.id, f"{place}.id")
    if lacking := [name for name in NEEDS[one.kind] if not getattr(one, name)]:
        raise Malformed("gate-rule", place, expected=", ".join(lacking), got=one.id)
    if strange := _not_of(one):
        raise Malformed("gate-rule", place, expected=", ".join(SAYS[one.kind]), got=", ".join(strange))
    if one.kind == "rate" and (one.most is None) == (one.least is None):
        raise Malformed("gate-rule", place, expected="most | least", got=one.id)
    for name, words in ((one.subject, MANY), (one.reference, {None}), (one.of, {None})):
        if name not in {*words, *rule.subjects}:
            raise Malformed("gate-rule", place, expected=", ".join(rule.subjects) or "each", got=name)
    if one.variant is not None and one.variant not in WRAPPERS:
        raise Malformed("gate-rule", f"{place}.variant", expected=" | ".join(WRAPPERS), got=one.variant)
    if strange := [fact for fact in one.facts if fact not in FACTS]:
        raise Malformed("gate-rule", f"{place}.facts", expected=", ".join(FACTS), got=", ".join(strange))
    for name in ("most", "least", "level"):
        if (text := getattr(one, name)) is not None and not 0 <= decimal(text, f"{place}.{name}") <= 1:
            raise Malformed("gate-rule", f"{place}.{name}", expected="0..1", got=text)
    if not 0 < float(2 * decimal(one.level) - 1) < 1:  # a two-sided level, as ``stats`` takes it
        raise Malformed("gate-rule", f"{place}.level", expected="0.5..1", got=one.level)
    if len({band.id for band in one.bands}) != len(one.bands):
        raise Malformed("gate-rule", f"{place}.bands", expected="id", got=", ".join(band.id for band in one.bands))
    for band in one.bands:
        check_id(band.id, f"{place}.bands")
        for text in (band.share, band.ratio, band.below):
            if text is not None and decimal(text, f"{place}.bands") < 0:
                raise Malformed("gate-rule", f"{place}.bands", expected=">= 0", got=text)
    if one.bands and one.worst not in [band.id for band in one.bands]:
        raise Malformed("gate-rule", f"{place}.worst", expected=", ".join(band.id for band in one.bands), got=one.worst)


def _not_of(one: Criterion) -> list[str]:
    """The members that a criterion says and that mean nothing for its kind."""
    usual = {field.name: field.default for field in msgspec.structs.fields(one)}
    said = [name for name in one.__struct_fields__ if getattr(one, name) != usual[name]]
    return [name for name in said if name not in {*OF_ALL, *SAYS[one.kind]}]


__all__ = [
    "Band", "Bank", "Criterion", "Held", "Looked", "Rule", "Shortfall", "Used", "draft_file", "drafts", "parse_rule", "preset_file", "presets",
    "shortfalls",
]  # fmt: skip
