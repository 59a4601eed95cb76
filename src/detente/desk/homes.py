# SPDX-License-Identifier: Apache-2.0
"""An annex kept at home: its suites prepared, then run on a home desk of its own, with a log that never leaves (P-6).

    desk/home/annex-<party>/prepared/<commitment>/   the line of that hash, the suites, their lists and texts
    desk/home/annex-<party>/newest                   the commitment prepared last
    desk/home/annex-<party>/<start of plan id>/      the home desk, and the exchange that only it uses

A home desk is a desk like any other, its exchange an exchange like any other, with one party;
every verb works on them. Nothing here writes into the exchange of the joint plan. Its keys are files of
its own, under the passphrase of the lab's keys where these have one.
"""

from pathlib import Path
from typing import NamedTuple

from msgspec import UNSET, Struct

from detente.check.exchange import files_by_digest, read_by_digest
from detente.check.verify import SUITE_LIMIT
from detente.desk.given import read_given, read_hex
from detente.desk.keyring import lies_open, lock_keys, passphrase_of, unlock_keys
from detente.desk.keys import Desk, alone, load_desk, make_card, make_desk
from detente.desk.plans import files_to_lay, lay_proposal, sign_plan, suite_sources
from detente.desk.runs import RunState, acceptances, find_run, runs_of
from detente.desk.wordlists import hand_lists
from detente.errors import Malformed, NotVerified, WrongUsage
from detente.pact.draft import Draft, draft_suites
from detente.pact.home import check_home, encode_commitment, home_plan, parse_commitment, read_home
from detente.pact.item import Item, encode_suite, parse_list, parse_suite
from detente.pact.plan import PlanFile, Section, Suite, parse_plan
from detente.tlog.folder import Folder, is_leftover
from detente.wire.canonical import decode, decode_as, encode
from detente.wire.digests import sha256
from detente.wire.keys import new_seed
from detente.wire.lines import compress, decompress

ABOUT = "suites.json"
LINE = "commitment.json"  # laid last: where it lies, everything else of its folder does
PLAN_DIGITS = 16  # of a joint plan's id, that name the home desk's folder


class _About(Struct, frozen=True, forbid_unknown_fields=True):
    canary: str
    suites: list[Suite]


class Prepared(NamedTuple):
    """The suites of an annex as they lie at home: the commitment, the canary, and each suite with its list and items."""

    section: str
    commitment: str
    canary: str
    suites: list[Suite]
    lists: dict[str, bytes]
    items: dict[str, list[Item]]


@alone
def prepare_home(desk: Desk, path: Path) -> Prepared:
    """Lay the suites that a file describes on the desk, with a salted line that commits to them; nothing leaves.

    The same suites give the same commitment however often; others a new one, and the old ones stay: a plan may
    name them. Raises as ``read_home`` and ``load_suite``; Malformed (S-1.twice, P-1.twice, B-5.id, S-3.languages).
    """
    place = str(path)
    rows = read_home(read_given(path), place)
    sources = suite_sources(rows, path.parent, place)
    values, made = draft_suites(rows, desk.party, sources, place)
    suites = decode_as(encode(values), list[Suite], place)
    listed = {suite.id: parse_list(made.files[suite.list], f"{place} {suite.id}") for suite in suites}
    check_home(suites, listed, place)
    section, canary = f"annex-{desk.party}", next(iter(sources.values())).canary
    about = encode(_About(canary, suites))
    home = desk.folder("home", section)
    known = _prepared_before(home)
    commitment = next((one for one in known if home.read(f"prepared/{one}/{ABOUT}") == about), None)
    line = encode_commitment(section, suites, new_seed().hex())
    folder = home.sub(f"prepared/{commitment or sha256(line)}")
    for suite in suites:
        text = encode_suite(suite.id, canary, made.items[suite.id])
        _write(folder, f"lists/{suite.list}", made.files[suite.list])
        _write(folder, f"texts/{suite.id}.jsonl.gz", compress(text, spelled_once=True))
    if commitment is None:
        folder.create(ABOUT, about)
        folder.create(LINE, line)
        commitment = sha256(line)
    _write(home, "newest", commitment.encode())
    return find_prepared(desk, section, commitment)


def _write(folder: Folder, path: str, raw: bytes) -> None:
    """A file as it must be, over one that was damaged since."""
    folder.swap(path, folder.read(path) if folder.exists(path) else None, raw)


def _prepared_before(home: Folder) -> list[str]:
    """The commitments that were prepared; what a crash left of another is removed first."""
    names = home.names("prepared")
    known = [name.split("/")[1] for name in names if name.endswith(f"/{LINE}")]
    for name in names:
        if name.split("/")[1] not in known or is_leftover(name):
            home.drop(name)
    return known


def find_prepared(desk: Desk, section: str, commitment: str | None) -> Prepared:
    """What was prepared under ``commitment``, or last, every file held against the line that commits to it.

    WrongUsage (P-6.unprepared) where nothing was, (P-6.other-commitment) where only others were; NotVerified
    (P-6.changed) where a list or a text is no longer what was committed to.
    """
    home = desk.folder("home", section)
    known = [name.split("/")[1] for name in home.names("prepared") if name.endswith(f"/{LINE}")]
    if not known:
        raise WrongUsage("P-6.unprepared", home.place(""), got=section)
    wanted = commitment or read_hex(home, "newest", "desk-damaged")
    if wanted not in known:
        raise WrongUsage("P-6.other-commitment", home.place(""), expected=wanted, got=", ".join(known), section=section)
    folder = home.sub(f"prepared/{wanted}")
    line = folder.read(LINE)
    try:
        committed = [(one.suite, one.list) for one in parse_commitment(line, section, folder.place(LINE)).lists]
        about = decode_as(folder.read(ABOUT), _About, folder.place(ABOUT))
    except Malformed as error:
        raise NotVerified("P-6.changed", error.place, step="V-5") from error
    if sha256(line) != wanted or [(suite.id, suite.list) for suite in about.suites] != committed:
        raise NotVerified("P-6.changed", folder.place(""), step="V-5")
    found = Prepared(section, wanted, about.canary, about.suites, {}, {})
    for suite in about.suites:
        raw = folder.read(f"lists/{suite.list}")
        if sha256(raw) != suite.list:
            raise NotVerified("P-6.changed", folder.place(f"lists/{suite.list}"), step="V-5")
        found.lists[suite.list] = raw
        found.items[suite.id] = _text(folder, suite, raw, found.canary)
    return found


def _text(folder: Folder, suite: Suite, raw: bytes, canary: str) -> list[Item]:
    path = f"texts/{suite.id}.jsonl.gz"
    place = folder.place(path)
    try:
        plain = decompress(folder.read(path), SUITE_LIMIT, place)
        return parse_suite(plain, suite.id, canary, parse_list(raw, suite.id), place, suite.languages)
    except Malformed as error:
        raise NotVerified("P-6.changed", place, step="V-5") from error


def kept_section(desk: Desk, plan: PlanFile, section: str) -> Section | None:
    """The section if it is this lab's annex and kept at home, None if it is in the exchange; WrongUsage (P-6.not-yours) for another's."""
    planned = next((one for one in plan.plan.kept() if one.id == section), None)
    if planned is not None and section != f"annex-{desk.party}":
        raise WrongUsage("P-6.not-yours", str(desk.root), expected=f"annex-{desk.party}", got=section)
    return planned


@alone
def open_home(desk: Desk, plan: PlanFile, section: Section) -> Desk:
    """The home desk of a section kept at home, made where it is not there, with its one-party plan signed by itself.

    After a crash the same call goes on. CannotTell (P-2.not-in-force) before the joint plan is; WrongUsage as
    ``find_prepared`` and ``home_plan``, (P-6.begun-with-others) where other suites were prepared since it began, and
    (old-plan) for one that would begin under a plan that this lab has left (P-11).
    """
    fixed = None if section.commitment is UNSET else str(section.commitment)
    prepared = find_prepared(desk, section.id, fixed)
    acceptances(desk, plan)
    if plan.id != desk.plan_id() and _load_home(desk, plan, section.id) is None:
        raise WrongUsage("old-plan", str(desk.root), expected=desk.plan_id(), got=plan.id)
    home = _load_home(desk, plan, section.id) or _make_home(desk, plan, section.id)
    _hand_over(desk, home, plan)
    if home.folder().exists("plan.txt"):
        signed = home.plan()
        if signed.plan.suites != prepared.suites:
            raise WrongUsage("P-6.begun-with-others", str(home.root), got=prepared.commitment, section=section.id)
    else:
        signed = _propose(desk, home, plan, prepared)
    sign_plan(home, signed)
    return home


def with_homes(desk: Desk, plan: PlanFile) -> list[tuple[Desk, PlanFile]]:
    """The desk with its plan, and then every home desk under that plan with its own."""
    found = [(desk, plan)]
    for section in plan.plan.kept():
        home = _load_home(desk, plan, section.id)
        if home is not None and home.folder().exists("plan.txt"):
            found.append((home, home.plan()))
    return found


def locate_run(desk: Desk, plan: PlanFile, prefix: str | None) -> tuple[Desk, PlanFile, RunState]:
    """A run by the start of its id, on the desk or on one of its home desks, with the desk and plan it belongs to.

    Without ``prefix`` the desk's own newest: a run at home is named, never guessed. WrongUsage (no-run) as ``find_run``.
    """
    if prefix is not None:
        places = {run.id: (own, under) for own, under in with_homes(desk, plan) for run in runs_of(own, under)}
        fits = [id_ for id_ in places if id_.startswith(prefix)]
        if len(fits) != 1:
            known = " ".join(id_[:16] for id_ in places) or "-"
            raise WrongUsage("no-run", str(desk.root), expected=known, got=prefix or "-")
        desk, plan = places[fits[0]]
    return desk, plan, find_run(desk, plan, prefix)


def _home_root(desk: Desk, plan: PlanFile, section: str) -> Path:
    return desk.root / "home" / section / plan.id[:PLAN_DIGITS]


def _load_home(desk: Desk, plan: PlanFile, section: str) -> Desk | None:
    """The home desk; its models and judges are those of the lab's own desk file, which is the one that people edit."""
    root = _home_root(desk, plan, section) / "desk"
    return (
        load_desk(root)._replace(models=desk.models, judges=desk.judges) if Folder(root).exists("desk.toml") else None
    )


def _make_home(desk: Desk, plan: PlanFile, section: str) -> Desk:
    root = _home_root(desk, plan, section)
    made = make_desk(
        root / "desk", desk.party, desk.name, desk.home, root / "exchange", [],
        passphrase=passphrase_of(desk.root / "keys"),
    )  # fmt: skip
    return made._replace(models=desk.models, judges=desk.judges)


def lock_all(desk: Desk) -> None:
    """Put the keys of the desk and of its home desks under one passphrase. WrongUsage (keys-locked) where all are; as ``lock_keys``."""
    own, homes = desk.root / "keys", [folder for folder in _home_keys(desk) if lies_open(folder)]
    if lies_open(own) or not homes:
        lock_keys(own)
    for folder in homes:
        lock_keys(folder, passphrase_of(own))


def unlock_all(desk: Desk) -> None:
    """Lay the keys of the home desks and of the desk open again, its own last. Raises as ``unlock_keys``."""
    for folder in _home_keys(desk):
        if passphrase_of(folder) is not None:
            unlock_keys(folder)
    unlock_keys(desk.root / "keys")


def _home_keys(desk: Desk) -> list[Path]:
    return sorted(desk.root.glob("home/*/*/desk/keys"))


def _hand_over(desk: Desk, home: Desk, plan: PlanFile) -> None:
    """The opened lines of coded subjects that the plan commits to: without them the home desk knows no model again (P-12). And word lists."""
    wanted = {str(one.commitment) for one in plan.plan.subjects if one.commitment is not UNSET}
    lines = desk.folder("commitments")
    for name in (name for name in lines.names() if not is_leftover(name)):
        if sha256(line := lines.read(name)) in wanted:
            home.folder("commitments").create(name, line)
    hand_lists(desk, home)


def _propose(desk: Desk, home: Desk, joint: PlanFile, prepared: Prepared) -> PlanFile:
    """The home plan, laid in the home exchange with every file that it names."""
    place = str(home.root)
    plan = parse_plan(home_plan(joint, decode(make_card(home)), prepared.suites, prepared.canary, place), place)
    exchange = desk.open_exchange()
    where = files_by_digest(exchange, joint)
    files = {}
    for digest, ending in files_to_lay(exchange, plan, where).items():
        files[digest] = prepared.lists.get(digest) or read_by_digest(exchange, where, digest, ending)
    lay_proposal(home, plan, Draft(plan.raw, files, prepared.items))
    return plan
