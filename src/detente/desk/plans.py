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

from detente.check.exchange import bound_bytes, cut_text, files_by_digest, find_plan, read_by_digest, read_entries
from detente.check.verify import named_files, suite_text
from detente.desk.given import read_given
from detente.desk.keys import Desk, alone, log_entry, make_card, own_log, sign_statement
from detente.errors import CannotTell, Malformed, NotVerified, WrongUsage
from detente.evidence.counts import parse_definition
from detente.evidence.statements import Accept
from detente.pact.draft import Change, Draft, Supplies, compare_plans, draft_plan, read_draft
from detente.pact.item import Item, Listed, SourceSuite, encode_suite, parse_list, read_source
from detente.pact.plan import Plan, PlanFile, Suite, later_parts, parse_plan
from detente.score.scorer import SCORERS, definition_file, rule_files
from detente.tlog.folder import Folder
from detente.tlog.log import LogView
from detente.wire.canonical import decode, decode_as, encode, reason_and_path
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
def new_plan(desk: Desk, draft_path: Path, cards: Sequence[Path]) -> Proposal:
    """Propose a plan: lay it, and every file it names, in the lab's own folder; unsigned, of no force (P-10)."""
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
    try:
        made = draft_plan(draft, Supplies(by_party, suites, definitions, int(time.time())), place)
    except Malformed as error:
        raise error.at(place) from None
    plan = parse_plan(made.raw, place)
    for name in SCORERS:
        if definitions[name] in made.files.values():
            made.files.update(rule_files(name))
    lay_proposal(desk, plan, made)
    return Proposal(plan, desk.party)


def suite_sources(rows: Sequence[Mapping[str, Any]], folder: Path, place: str) -> dict[str, SourceSuite]:
    """The suites that ``[[suite]]`` rows draw from, by the name after ``from``; a folder's path is taken from ``folder`` first."""
    return {row["from"]: load_suite(_beside(folder, row["from"]), place) for row in rows if "from" in row}


def _beside(folder: Path, name: str) -> str:
    return str(folder / name) if (folder / name / "suite.toml").is_file() else name


def _own_card(desk: Desk) -> dict[str, Any]:
    folder, place = desk.folder(), str(desk.root / "card.json")
    return _card(folder.read("card.json") if folder.exists("card.json") else make_card(desk), place)


def _read_card(path: Path) -> dict[str, Any]:
    return _card(read_given(path), str(path))


def _card(raw: bytes, place: str) -> dict[str, Any]:
    card: dict[str, Any] = decode(raw, place)
    try:
        msgspec.convert(card, _Card, strict=True)
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
        text = encode_suite(suite.id, plan.plan.canary, made.items[suite.id])
        own.create(f"plans/{plan.id}/suites/{suite.id}.jsonl.gz", compress(text, spelled_once=True))
    own.create(f"proposals/{plan.id}/plan.json", plan.raw)


def objections_to(exchange: Folder, plan: PlanFile) -> dict[str, list[Objection]]:
    """What each party objected to in a proposal; Malformed names the file that does not fit."""
    ending = f"/proposals/{plan.id}/objections.json"
    paths = [path for path in exchange.names() if path.endswith(ending) and path.count("/") == 3]
    return {path.split("/")[0]: _objections(exchange, path) for path in paths}


def _objections(folder: Folder, path: str) -> list[Objection]:
    return decode_as(folder.read(path), list[Objection], folder.place(path))


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
    return parse_plan(bound_bytes(exchange, whole[0], id_, cut_text(id_, b"}")), exchange.place(whole[0]))


def suite_items(exchange: Folder, plan: PlanFile) -> dict[str, list[Item]]:
    """The items of every suite whose text lies open, held against its list (S-1)."""
    where = files_by_digest(exchange, plan)
    found = {}
    for suite in plan.plan.suites:
        listed = parse_list(read_by_digest(exchange, where, suite.list, b"\n"), suite.id)
        path = f"{suite.owner}/plans/{plan.id}/suites/{suite.id}.jsonl.gz"
        if exchange.exists(path):
            found[suite.id] = _suite_text(exchange, plan, suite, listed)
    return found


def _suite_text(exchange: Folder, plan: PlanFile, suite: Suite, listed: list[Listed]) -> list[Item]:
    """A suite's items; what does not fit the list, which the plan names by digest, was changed (V-5)."""
    try:
        return suite_text(exchange, plan, suite, listed)
    except Malformed as error:
        raise NotVerified(
            error.code, error.place, step="V-5", expected=error.expected, got=error.got, **error.fields
        ) from error


def all_texts(exchange: Folder, plan: PlanFile) -> dict[str, list[Item]]:
    """The items of every suite; CannotTell (file-missing) where a text has not come here."""
    texts = suite_items(exchange, plan)
    for suite in plan.plan.suites:
        if suite.id not in texts:
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

    A plan that this version cannot carry out is refused before anything is signed. Signing the
    same plan twice is one acceptance. The lab's other, unsigned plan folders are put away.
    """
    desk.me(plan)
    _refuse_later(plan.plan)
    exchange = desk.open_exchange()
    where = files_by_digest(exchange, plan)
    all_texts(exchange, plan)
    named_files(exchange, plan)  # what verify would refuse (V-5) is not signed
    folder = desk.folder()
    if folder.exists("plan.txt") and desk.plan_id() != plan.id:
        raise WrongUsage("signed-another", str(desk.root), expected=desk.plan_id(), got=plan.id)
    own = desk.own()
    for digest, ending in files_to_lay(exchange, plan, where).items():
        own.create(f"plans/{plan.id}/files/{digest}", read_by_digest(exchange, where, digest, ending))
    own.create(f"plans/{plan.id}/plan.json", plan.raw)
    folder.create("plan.txt", plan.id.encode())
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
    for scorer in plan.plan.scorers:
        definition = parse_definition(read_by_digest(exchange, where, scorer.definition, b"}"), scorer.id)
        found[scorer.definition] = b"}"
        texts = [*(scorer.rubric or {}).values(), *([definition.rules] if definition.rules else [])]
        found |= dict.fromkeys(texts, b"\n")
    return found


def _refuse_later(plan: Plan) -> None:
    """What the formats have and this version has not: refused by name, so that nobody signs what cannot be kept."""
    if found := later_parts(plan):
        raise WrongUsage("plan-later", "plan.json", got=", ".join(found))


def plan_ids(root: Path) -> list[str]:
    """The ids of the plans that somebody signed in an exchange, as the folders name them: a hint, never a proof."""
    return sorted({path.parent.name for path in root.glob("*/plans/*/plan.json")})
