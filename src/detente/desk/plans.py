# SPDX-License-Identifier: Apache-2.0
"""Agreeing: propose a plan, read it, compare two, object to a part of one, sign one."""

import re
import shutil
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

from detente.check.exchange import (
    bound_bytes,
    cut_text,
    files_by_digest,
    find_plan,
    read_by_digest,
    read_entries,
    with_chain,
)
from detente.check.verify import named_files, suite_text
from detente.desk.given import read_given
from detente.desk.keys import Desk, alone, log_entry, make_card, own_log, sign_statement
from detente.desk.panels import check_panels, panels_in
from detente.desk.sealed import own_items
from detente.desk.succession import check_successor, finish_left, heads_of
from detente.desk.wordlists import check_lists, keep_lists, lists_in
from detente.errors import CannotTell, Malformed, NotVerified, WrongUsage
from detente.evidence.counts import Definition, parse_definition
from detente.evidence.statements import Accept
from detente.pact.chain import check_chain
from detente.pact.draft import Change, Draft, Supplies, compare_plans, draft_plan, read_draft
from detente.pact.hazards import check_core
from detente.pact.item import Item, Listed, SourceSuite, encode_suite, parse_list, parse_suite, read_source
from detente.pact.plan import Plan, PlanFile, Suite, parse_plan
from detente.pact.rule import Rule, parse_rule, preset_file, presets
from detente.pact.sealed import SealedCard, parse_card
from detente.score.scorer import SCORERS, definition_file, rule_files
from detente.tlog.folder import Folder
from detente.tlog.log import LogView
from detente.wire.canonical import decode, decode_as, encode, reason_and_path, stops_early
from detente.wire.digests import sha256
from detente.wire.lines import compress

ID_START = 8  # digits of a plan id that name a proposal
_PROPOSED = re.compile(r"[^/]+/(proposals|plans)/([0-9a-f]{64})/plan\.json")


class Proposal(NamedTuple):
    """A plan as proposed: its file, and who proposed it."""

    plan: PlanFile
    by: str


class Objection(Struct, forbid_unknown_fields=True):
    """One part of a proposal struck out by a party: a JSON pointer or an item's hash, and why (P-10)."""

    at: str
    reason: dict[str, str]


class _Key(Struct, forbid_unknown_fields=True):
    key: str
    origin: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


class _CardSubject(Struct, forbid_unknown_fields=True):
    id: str
    name: dict[str, str] | None
    descriptor: dict[str, Any] | UnsetType = UNSET
    commitment: str | UnsetType = UNSET


class _Card(Struct, forbid_unknown_fields=True):
    home: str
    id: str
    log: _Key
    name: dict[str, str]
    recipient: str
    statement: str
    subjects: list[_CardSubject]
    witness: _Key


class _ObserverCard(Struct, forbid_unknown_fields=True):
    id: str
    name: dict[str, str]
    witness: _Key


def load_suite(name: str, place: str) -> SourceSuite:
    """A suite by the name of a built-in one (``core-v0``) or by the path of its folder."""
    built_in = files("detente") / "data" / "suites" / name
    folder = built_in if built_in.is_dir() else Path(name)
    try:
        meta, rows = (folder / "suite.toml").read_bytes(), (folder / "items.jsonl").read_bytes()
    except OSError as error:
        raise WrongUsage("no-suite", place, got=name) from error
    return read_source(meta, rows, name)


@alone
def new_plan(
    desk: Desk, draft_path: Path, cards: Sequence[Path], *, heads: Mapping[str, int] | None = None
) -> Proposal:
    """Propose a plan: lay it, and every file it names, in the lab's own folder; unsigned, of no force (P-10).

    ``heads``: the plan supersedes the one that this desk signed, its logs cut at these sizes by party, or as they
    stand (P-11); None for a first plan.
    """
    place = str(draft_path)
    draft = read_draft(read_given(draft_path), place)
    by_party: dict[str, Mapping[str, Any]] = {}
    for card, path in ((_own_card(desk), desk.root / "card.json"), *((_read_card(path), path) for path in cards)):
        if card["id"] in by_party:
            raise WrongUsage("two-labs-one-name", str(path), got=card["id"])
        by_party[card["id"]] = card
    folder = draft_path.parent
    suites = suite_sources(draft["suite"], folder, place)
    definitions = {name: definition_file(name) for name in SCORERS}
    words = lists_in(draft.get("scorer", []), folder)
    sealed = {row["sealed"]: _sealed_card(folder / row["sealed"]) for row in draft["suite"] if "sealed" in row}
    asked = panels_in(draft.get("scorer", []), folder, place)
    gate = _gate_file(draft, folder)
    try:
        supplies = Supplies(by_party, suites, definitions | words.definitions, int(time.time()), sealed, asked, gate)
        made = draft_plan(draft, supplies, place)
    except Malformed as error:
        raise error.at(place) from None
    if heads is not None:
        old = desk.plan()
        link = {"heads": heads_of(desk, old, heads), "plan": old.id}
        made = made._replace(raw=encode({**decode(made.raw), "supersedes": link}))
    plan = with_chain(desk.open_exchange(), parse_plan(made.raw, place))
    check_chain(plan, place)
    for name in SCORERS:
        if definitions[name] in made.files.values():
            made.files.update(rule_files(name))
    made.files.update(words.shown)
    keep_lists(desk, words.private)
    _check_made(plan.plan, made)
    lay_proposal(desk, plan, made)
    return Proposal(plan, desk.party)


def _check_made(plan: Plan, made: Draft) -> None:
    """A judge that could not label what the draft asks of it is told before anything is laid."""
    lists = {suite.id: parse_list(made.files[suite.list], suite.id) for suite in plan.suites}
    definitions = {one.id: parse_definition(made.files[one.definition], one.id) for one in plan.scorers}
    check_panels(plan, definitions, lists, made.files.__getitem__)


def read_proposal_files(desk: Desk, plan: PlanFile) -> tuple[dict[str, list[Listed]], dict[str, Definition]]:
    """The lists by suite and the definitions by scorer of a proposal of this desk."""
    own, folder = desk.own(), f"plans/{plan.id}/files"
    lists = {one.id: parse_list(own.read(f"{folder}/{one.list}"), one.id) for one in plan.plan.suites}
    scorers = plan.plan.scorers
    return lists, {one.id: parse_definition(own.read(f"{folder}/{one.definition}"), one.id) for one in scorers}


def suite_sources(rows: Sequence[Mapping[str, Any]], folder: Path, place: str) -> dict[str, SourceSuite]:
    """The suites that ``[[suite]]`` rows draw from, by the name after ``from``; a folder's path is taken from ``folder`` first."""
    return {row["from"]: load_suite(_beside(folder, row["from"]), place) for row in rows if "from" in row}


def _beside(folder: Path, name: str) -> str:
    return str(folder / name) if (folder / name / "suite.toml").is_file() else name


def _gate_file(draft: Mapping[str, Any], folder: Path) -> bytes | None:
    """The rule that a draft's ``gate`` names: a preset by its id, else a file beside the draft."""
    if "gate" not in draft:
        return None
    return preset_file(draft["gate"]) if draft["gate"] in presets() else read_given(folder / draft["gate"])


def _sealed_card(path: Path) -> SealedCard:
    """The card of a sealed suite, named in a draft by its path beside it."""
    return parse_card(read_given(path), str(path))


def _own_card(desk: Desk) -> dict[str, Any]:
    folder, place = desk.folder(), str(desk.root / "card.json")
    return _card(folder.read("card.json") if folder.exists("card.json") else make_card(desk), place)


def _read_card(path: Path) -> dict[str, Any]:
    return _card(read_given(path), str(path))


def _card(raw: bytes, place: str) -> dict[str, Any]:
    card: dict[str, Any] = decode(raw, place)
    try:
        msgspec.convert(card, _Card if "log" in card else _ObserverCard, strict=True)
    except msgspec.ValidationError as error:
        reason, path = reason_and_path(error)
        raise Malformed("card-shape", f"{place} {path or '$'}", got=reason) from error
    return card


def lay_proposal(desk: Desk, plan: PlanFile, made: Draft) -> None:
    """Lay a proposal in the lab's own folder, with every file and suite text of it (P-9, P-10)."""
    own = desk.own()
    for digest, raw in made.files.items():
        own.create(f"plans/{plan.id}/files/{digest}", raw)
    for suite in plan.plan.suites:
        if suite.sealed:
            continue
        text = encode_suite(suite.id, plan.plan.canary, made.items[suite.id])
        own.create(f"plans/{plan.id}/suites/{suite.id}.jsonl.gz", compress(text, spelled_once=True))
    own.create(f"proposals/{plan.id}/plan.json", plan.raw)


def objections_to(exchange: Folder, plan: PlanFile) -> dict[str, list[Objection]]:
    """What each party objected to in a proposal; CannotTell (file-cut) or Malformed names the file that does not fit."""
    ending = f"/proposals/{plan.id}/objections.json"
    paths = [path for path in exchange.names() if path.endswith(ending) and path.count("/") == 3]
    return {path.split("/")[0]: _objections(exchange, path) for path in paths}


def _objections(folder: Folder, path: str) -> list[Objection]:
    raw, place = folder.read(path), folder.place(path)
    try:
        return decode_as(raw, list[Objection], place)
    except Malformed as error:
        if raw[:1] in {b"", b"["} and stops_early(raw):
            raise CannotTell("file-cut", place) from error
        raise


def find_proposal(exchange: Folder, prefix: str) -> PlanFile:
    """The proposal whose id starts with ``prefix`` (at least 8 digits), or a plan in force.

    Only what the prefix names is read: nobody's broken proposal stands in the way of another one.
    """
    found: dict[str, list[str]] = {}
    for path in exchange.names():
        if named := _PROPOSED.fullmatch(path):
            found.setdefault(named[2], []).append(path)
    digits = "".join(prefix.lower().split())
    fits = [id_ for id_ in found if id_.startswith(digits)]
    if len(digits) < ID_START or len(fits) != 1:
        there = ", ".join(id_[: 2 * ID_START] for id_ in sorted(found)) or "-"
        raise WrongUsage("no-proposal", exchange.place(""), expected=there, got=prefix or "-")
    id_, paths = fits[0], found[fits[0]]
    if any("/plans/" in path for path in paths):
        return find_plan(exchange, id_)
    whole = [path for path in paths if sha256(exchange.read(path)) == id_] or paths
    raw = bound_bytes(exchange, whole[0], id_, cut_text(id_, b"}"))
    return with_chain(exchange, parse_plan(raw, exchange.place(whole[0])))


def suite_items(exchange: Folder, plan: PlanFile) -> dict[str, list[Item]]:
    """The items of every suite whose text lies open, held against its list (S-1)."""
    where = files_by_digest(exchange, plan)
    found = {}
    for suite in plan.plan.suites:
        listed = parse_list(read_by_digest(exchange, where, suite.list, b"\n"), suite.id)
        if (items := open_items(exchange, plan, suite, listed)) is not None:
            found[suite.id] = items
    return found


def open_items(exchange: Folder, plan: PlanFile, suite: Suite, listed: list[Listed]) -> list[Item] | None:
    """A suite's items, None where its text does not lie open; what does not fit the list, which the plan names by digest, was changed (V-5)."""
    if not exchange.exists(f"{suite.owner}/plans/{plan.id}/suites/{suite.id}.jsonl.gz"):
        return None
    try:
        return suite_text(exchange, plan, suite, listed)
    except Malformed as error:
        raise NotVerified(
            error.code, error.place, step="V-5", expected=error.expected, got=error.got, **error.fields
        ) from error


def all_texts(exchange: Folder, plan: PlanFile) -> dict[str, list[Item]]:
    """The items of every suite but sealed ones that are not revealed; CannotTell (file-missing) where a text has not come here."""
    texts = suite_items(exchange, plan)
    for suite in plan.plan.suites:
        if suite.id not in texts and not suite.sealed:
            raise CannotTell(
                "file-missing", exchange.place(f"{suite.owner}/plans/{plan.id}/suites/{suite.id}.jsonl.gz")
            )
    return texts


def suite_lists(exchange: Folder, plan: PlanFile) -> dict[str, list[Listed]]:
    """The list file of every suite (S-1)."""
    where = files_by_digest(exchange, plan)
    return {s.id: parse_list(read_by_digest(exchange, where, s.list, b"\n"), s.id) for s in plan.plan.suites}


def diff_plans(exchange: Folder, old: PlanFile, new: PlanFile) -> list[Change]:
    """What changed between two proposals; items by their ids and texts where suites lie open."""
    return list(compare_plans(_readable(exchange, old), _readable(exchange, new)))


def _readable(exchange: Folder, plan: PlanFile) -> dict[str, Any]:
    value: dict[str, Any] = decode(plan.raw)
    items = suite_items(exchange, plan)
    for suite in value["suites"]:
        suite.pop("list")
        suite["items"] = [{"id": item.id, "text": item.text} for item in items.get(suite["id"], [])] or suite["items"]
    return value


@alone
def object_to(desk: Desk, plan: PlanFile, at: str, reason: Mapping[str, str]) -> None:
    """Strike a part of a proposal with a reason in every language of its texts (P-10); ``at``: JSON pointer, item id or hash."""
    if sorted(reason) != sorted(plan.plan.texts) or not all(reason.values()):
        raise WrongUsage("object-texts", at, expected=", ".join(plan.plan.texts), got=", ".join(reason))
    where = _resolve(desk.open_exchange(), plan, at)
    folder, path = desk.own(), f"proposals/{plan.id}/objections.json"
    old = folder.read(path) if folder.exists(path) else None
    rows = _objections(folder, path) if old is not None else []
    if (wanted := Objection(where, dict(reason))) not in rows:
        folder.swap(path, old, encode([*rows, wanted]))


def _resolve(exchange: Folder, plan: PlanFile, at: str) -> str:
    if at.startswith("/"):
        node: Any = decode(plan.raw)
        try:
            for part in at[1:].split("/"):
                node = node[int(part)] if isinstance(node, list) else node[part]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise WrongUsage("object-at", at or "-") from error
        return at
    texts = suite_items(exchange, plan)
    for suite, listed in suite_lists(exchange, plan).items():
        ids = [item.id for item in texts.get(suite, [])] or [""] * len(listed)
        for entry, id_ in zip(listed, ids, strict=True):
            if at and at in {id_, entry.item}:
                return entry.item
    raise WrongUsage("object-at", at or "-")


@alone
def sign_plan(desk: Desk, plan: PlanFile) -> LogView:
    """Log the acceptance of a plan's digest (P-2), after checking the plan and every file it names.

    A plan whose gate's rule cannot be used is refused before anything is signed. Signing the
    same plan twice is one acceptance. A desk that signed another plan goes on to this one only if it supersedes that
    (P-11). The lab's other, unsigned plan folders are put away.
    """
    desk.me(plan)
    exchange = desk.open_exchange()
    where = files_by_digest(exchange, plan)
    all_texts(exchange, plan)
    named = named_files(exchange, plan)  # what verify would refuse (V-5) is not signed
    check_panels(
        plan.plan, named.definitions, named.lists, lambda digest: read_by_digest(exchange, where, digest, b"\n")
    )
    gate_rule(exchange, plan)  # nor a gate that could never decide
    check_lists(desk, plan, named.definitions)
    _refuse_unsealed(desk, plan)
    lists = suite_lists(exchange, plan)
    for suite in plan.plan.suites:
        if suite.section == "core":
            check_core(suite.id, (line.hazard for line in lists[suite.id]), f"$.suites {suite.id}")
    left = check_successor(desk, plan)
    own = desk.own()
    for digest, ending in files_to_lay(exchange, plan, where).items():
        own.create(f"plans/{plan.id}/files/{digest}", read_by_digest(exchange, where, digest, ending))
    own.create(f"plans/{plan.id}/plan.json", plan.raw)
    if left is not None:
        finish_left(desk, left)
    # From here on the desk works under this plan, with the keys that it has in it.
    folder = desk.folder()
    folder.swap("plan.txt", folder.read("plan.txt") if folder.exists("plan.txt") else None, plan.id.encode())
    view = own_log(desk, plan)
    accepted, _ = read_entries(desk.me(plan), view, plan)
    if all(entry.statement.kind != "accept" for entry in accepted):
        accept = Accept(party=desk.party, plan=plan.id)
        view = log_entry(desk, plan, sign_statement(desk, "accept", [("plan.json", plan.id)], accept))
    for other in (own.root / "plans").iterdir():
        if other.name != plan.id and not (other / "plan.json").exists():
            shutil.rmtree(other)
    return view


def files_to_lay(exchange: Folder, plan: PlanFile, where: Mapping[str, list[str]]) -> dict[str, bytes]:
    """The digests that a plan names, of files that must lie in the exchange (P-9), each with the byte that ends its file.

    What else lies there is not part of it.
    """
    found = {suite.list: b"\n" for suite in plan.plan.suites}
    found |= {one.descriptor: b"}" for one in plan.plan.subjects if isinstance(one.descriptor, str)}
    found |= {plan.plan.gate.rule: b"\n"} if plan.plan.gate else {}
    for scorer in plan.plan.scorers:
        definition = parse_definition(read_by_digest(exchange, where, scorer.definition, b"}"), scorer.id)
        found[scorer.definition] = b"}"
        rules = definition.rules if definition.rules in where or not definition.may_stay_home() else None
        texts = [*(scorer.rubric or {}).values(), *([rules] if rules else [])]
        found |= dict.fromkeys(texts, b"\n")
    return found


def gate_rule(exchange: Folder, plan: PlanFile) -> Rule | None:
    """The rule of a plan's gate, read strictly; None where the plan has none.

    Raises as ``parse_rule`` and ``Rule.ready``; Malformed (gate-other) where the rule's own id is not the one the plan names.
    """
    gate = plan.plan.gate
    if gate is None:
        return None
    place = f"files/{gate.rule}"
    rule = parse_rule(read_by_digest(exchange, files_by_digest(exchange, plan), gate.rule, b"\n"), place).ready(place)
    if rule.id != gate.id:
        raise Malformed("gate-other", "$.gate.id", expected=rule.id, got=gate.id)
    return rule


def _refuse_unsealed(desk: Desk, plan: PlanFile) -> None:
    """Nobody signs for a sealed suite of its own that it could never release: the very items must be on the desk."""
    lists = suite_lists(desk.open_exchange(), plan)
    for suite in plan.plan.suites:
        if suite.sealed and suite.owner == desk.party:
            items, place = own_items(desk, suite, lists[suite.id]), f"$.suites {suite.id}"
            if items is None:
                raise WrongUsage("S-5.not-sealed-here", place, got=suite.id)
            text = encode_suite(suite.id, plan.plan.canary, items)
            parse_suite(text, suite.id, plan.plan.canary, lists[suite.id], place, suite.languages)


def plan_ids(root: Path) -> list[str]:
    """The ids of the plans that somebody signed in an exchange, as the folders name them: a hint, never a proof."""
    return sorted({path.parent.name for path in root.glob("*/plans/*/plan.json")})
