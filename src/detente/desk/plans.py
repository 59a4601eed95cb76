# SPDX-License-Identifier: Apache-2.0
"""Agreeing: propose a plan, read it, compare two, object to a part of one, sign one."""

import shutil
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from detente.check.exchange import cut_text, files_by_digest, find_plan, read_by_digest
from detente.desk.keys import Desk, log_entry, own_log, sign_statement
from detente.errors import CannotTell, Malformed, NotVerified, WrongUsage
from detente.evidence.counts import parse_definition
from detente.evidence.statements import Accept, parse_statement
from detente.pact.draft import Change, Draft, Supplies, compare_plans, draft_plan, read_draft
from detente.pact.item import Item, Listed, SourceSuite, encode_suite, parse_list, parse_suite, read_source
from detente.pact.plan import Plan, PlanFile, parse_plan
from detente.score.scorer import SCORERS, definition_file, rule_files
from detente.tlog.folder import Folder
from detente.tlog.log import LogView
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from detente.wire.dsse import open_envelope
from detente.wire.lines import compress, decompress

SUITE_LIMIT = 64 * 1024 * 1024  # bytes of one suite's text, unpacked


class Proposal(NamedTuple):
    """A plan as proposed: its file, who proposed it, and the objections to it by party."""

    plan: PlanFile
    by: str
    objections: dict[str, list[dict[str, Any]]]


def load_suite(name: str, place: str) -> SourceSuite:
    """A suite by the name of a built-in one (``core-v0``) or by the path of its folder."""
    built_in = files("detente") / "data" / "suites" / name
    folder = built_in if built_in.is_dir() else Path(name)
    try:
        meta, rows = (folder / "suite.toml").read_bytes(), (folder / "items.jsonl").read_bytes()
    except OSError as error:
        raise WrongUsage("no-suite", place, got=name) from error
    return read_source(meta, rows, name)


def new_plan(desk: Desk, draft_path: Path, cards: Sequence[Path]) -> Proposal:
    """Propose a plan: lay it, and every file it names, in the lab's own folder; unsigned, of no force (P-10)."""
    place = str(draft_path)
    draft = read_draft(_read(draft_path), place)
    own = desk.folder("").read("card.json")
    read = [decode(own, "card.json"), *(_read_card(path) for path in cards)]
    by_party: dict[str, Mapping[str, Any]] = {}
    for card in read:
        if card["id"] in by_party:
            raise WrongUsage("two-labs-one-name", place, got=card["id"])
        by_party[card["id"]] = card
    folder = draft_path.parent
    suites = {
        row["from"]: load_suite(_beside(folder, row["from"]), place)
        for row in draft["suite"]
        if isinstance(row, dict) and "from" in row
    }
    definitions = {name: definition_file(name) for name in SCORERS}
    made = draft_plan(draft, Supplies(by_party, suites, definitions, int(time.time())), place)
    plan = parse_plan(made.raw, place)
    for name in SCORERS:
        if definitions[name] in made.files.values():
            made.files.update(rule_files(name))
    _lay(desk, plan, made)
    return Proposal(plan, desk.party, {})


def _beside(folder: Path, name: str) -> str:
    return str(folder / name) if (folder / name / "suite.toml").is_file() else name


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WrongUsage("file-unreadable", str(path), got=error.strerror) from error


def _read_card(path: Path) -> dict[str, Any]:
    card = decode(_read(path), str(path))
    members = {"home", "id", "log", "name", "recipient", "statement", "subjects", "witness"}
    if not isinstance(card, dict) or set(card) != members:
        raise Malformed("card-shape", str(path), expected=", ".join(sorted(members)))
    return card


def _lay(desk: Desk, plan: PlanFile, made: Draft) -> None:
    own = desk.own()
    for digest, raw in made.files.items():
        own.create(f"plans/{plan.id}/files/{digest}", raw)
    for suite in plan.plan.suites:
        text = encode_suite(suite.id, plan.plan.canary, made.items[suite.id])
        own.create(f"plans/{plan.id}/suites/{suite.id}.jsonl.gz", compress(text))
    own.create(f"proposals/{plan.id}/plan.json", plan.raw)


def proposals(exchange: Folder) -> list[Proposal]:
    """Every proposal in the exchange, with the objections of all parties; broken ones raise."""
    found: dict[str, Proposal] = {}
    for path in exchange.names(""):
        party, _, rest = path.partition("/")
        if rest.startswith("proposals/") and rest.endswith("/plan.json"):
            plan = parse_plan(exchange.read(path), exchange.place(path))
            if plan.id == rest.split("/")[1]:
                found[plan.id] = Proposal(plan, party, {})
    for path in exchange.names(""):
        party, _, rest = path.partition("/")
        if (
            rest.startswith("proposals/")
            and rest.endswith("/objections.json")
            and (known := found.get(rest.split("/")[1]))
        ):
            known.objections[party] = decode(exchange.read(path), exchange.place(path))
    return list(found.values())


def find_proposal(exchange: Folder, prefix: str) -> PlanFile:
    """The proposal whose id starts with ``prefix`` (at least 8 digits), or a plan in force."""
    found = {proposal.plan.id: proposal.plan for proposal in proposals(exchange)}
    for path in exchange.names(""):
        parts = path.split("/")
        if len(parts) == 4 and parts[1] == "plans" and parts[3] == "plan.json" and parts[2] not in found:
            found[parts[2]] = find_plan(exchange, parts[2])
    fits = [plan for id_, plan in found.items() if id_.startswith(prefix)]
    if len(prefix) < 8 or len(fits) != 1:
        raise WrongUsage("no-proposal", exchange.place(""), expected=", ".join(sorted(found)), got=prefix)
    return fits[0]


def suite_items(exchange: Folder, plan: PlanFile) -> dict[str, list[Item]]:
    """The items of every suite whose text lies open, held against its list (S-1)."""
    where = files_by_digest(exchange, plan)
    found = {}
    for suite in plan.plan.suites:
        listed = parse_list(read_by_digest(exchange, where, suite.list, b"\n"), suite.id)
        path = f"{suite.owner}/plans/{plan.id}/suites/{suite.id}.jsonl.gz"
        if exchange.exists(path):
            plain = decompress(exchange.read(path), SUITE_LIMIT, exchange.place(path))
            found[suite.id] = parse_suite(plain, suite.id, plan.plan.canary, listed, exchange.place(path))
    return found


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


def object_to(desk: Desk, plan: PlanFile, at: str, reason: Mapping[str, str]) -> None:
    """Strike a part of a proposal with a reason in every language of its texts (P-10); ``at``: JSON pointer, item id or hash."""
    if sorted(reason) != sorted(plan.plan.texts) or not all(reason.values()):
        raise WrongUsage("object-texts", at, expected=", ".join(plan.plan.texts), got=", ".join(reason))
    where = _resolve(desk.open_exchange(), plan, at)
    folder, path = desk.own(), f"proposals/{plan.id}/objections.json"
    old = folder.read(path) if folder.exists(path) else None
    rows = decode(old, path) if old else []
    folder.swap(path, old, encode([*rows, {"at": where, "reason": dict(reason)}]))


def _resolve(exchange: Folder, plan: PlanFile, at: str) -> str:
    if at.startswith("/"):
        node: Any = decode(plan.raw)
        try:
            for part in at[1:].split("/"):
                node = node[int(part)] if isinstance(node, list) else node[part]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise WrongUsage("object-at", at, got=error) from error
        return at
    for listed, items in zip(suite_lists(exchange, plan).values(), suite_items(exchange, plan).values(), strict=True):
        for entry, item in zip(listed, items, strict=True):
            if at in {item.id, entry.item}:
                return entry.item
    raise WrongUsage("object-at", at, got=at)


def sign_plan(desk: Desk, plan: PlanFile) -> LogView:
    """Log the acceptance of a plan's digest (P-2), after checking the plan and every file it names.

    A plan that this version cannot carry out is refused before anything is signed. Signing the
    same plan twice is one acceptance. The lab's other, unsigned plan folders are put away.
    """
    desk.me(plan)
    _refuse_later(plan.plan)
    exchange = desk.open_exchange()
    where = files_by_digest(exchange, plan)
    suite_items(exchange, plan)
    for scorer in plan.plan.scorers:
        parse_definition(read_by_digest(exchange, where, scorer.definition, b"}"), scorer.id)
    for subject in plan.plan.subjects:
        if isinstance(subject.descriptor, str):
            read_by_digest(exchange, where, subject.descriptor, b"}")
    if (folder := desk.folder("")).exists("plan.txt") and folder.read("plan.txt").decode().strip() != plan.id:
        raise WrongUsage(
            "signed-another", str(desk.root), expected=folder.read("plan.txt").decode().strip(), got=plan.id
        )
    own = desk.own()
    for digest, paths in where.items():
        own.create(f"plans/{plan.id}/files/{digest}", _good_copy(exchange, paths, digest))
    own.create(f"plans/{plan.id}/plan.json", plan.raw)
    folder.create("plan.txt", plan.id.encode())
    me = desk.me(plan)
    for entry in own_log(desk, plan).entries:
        if parse_statement(open_envelope(entry, me.statement)).kind == "accept":
            view = own_log(desk, plan)
            break
    else:
        accept = Accept(party=desk.party, plan=plan.id)
        view = log_entry(desk, plan, sign_statement(desk, "accept", [("plan.json", plan.id)], accept))
    for other in (own.root / "plans").iterdir():
        if other.name != plan.id and not (other / "plan.json").exists():
            shutil.rmtree(other)
    return view


def _good_copy(exchange: Folder, paths: Sequence[str], digest: str) -> bytes:
    for path in paths:
        raw = exchange.read(path)
        if sha256(raw) == digest:
            return raw
        if cut_text(digest, b"}")(raw):
            raise CannotTell("file-cut", exchange.place(path), expected=digest)
    raise NotVerified("file-changed", exchange.place(paths[0]), step="V-5", expected=digest)


def _refuse_later(plan: Plan) -> None:
    """What the formats have and this version has not: refused by name, so that nobody signs what cannot be kept."""
    later = {
        "supersedes": plan.supersedes is not None,
        "observers": bool(plan.observers),
        "gate": plan.gate is not None,
        "sealed": any(suite.sealed for suite in plan.suites),
        "variant": any(suite.variant is not None for suite in plan.suites),
        "releasers": any(section.releasers for section in plan.sections),
        "disclosure": any(
            section.disclosure != "home" and "parties" in {section.disclosure.headers, section.disclosure.scores}
            for section in plan.sections
        ),
        "audit.place": any(section.audit and section.audit.place != "crosses" for section in plan.sections),
        "method": any(scorer.method in {"judge", "human"} for scorer in plan.scorers),
    }
    if found := [name for name, there in later.items() if there]:
        raise WrongUsage("plan-later", "plan.json", got=", ".join(found))


def plan_ids(root: Path) -> list[str]:
    """The ids of the plans that somebody signed in an exchange, as the folders name them: a hint, never a proof."""
    return sorted({path.parent.name for path in root.glob("*/plans/*/plan.json")})
