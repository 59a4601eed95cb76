# SPDX-License-Identifier: Apache-2.0
"""A lab's desk: its keys, its models, its place in the exchange, and the card it hands to the others.

desk/desk.toml      who we are, where the exchange lies, which model answers for which subject
desk/keys/          four secrets, readable by the owner alone; they never leave the desk
desk/card.json      the public half, to hand over: what a plan says of a party and its subjects
desk/pending/       envelopes on their way into the log (L-5)
desk/state/         what this lab's witness last cosigned (L-2)
desk/runs/<run>/    journals, keys and texts of runs
desk/home/          an annex kept at home: its suites, its runs, and a log of its own (see homes.py)
"""

import json
import os
import secrets
import tomllib
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar
from urllib.parse import urlsplit

import msgspec

from detente.check.exchange import find_plan, notes_of, party_folder
from detente.desk.given import read_hex
from detente.errors import CannotTell, WrongUsage
from detente.evidence.statements import Predicate, encode_statement
from detente.pact.plan import Party, PlanFile
from detente.pact.seal import new_identity, read_identity
from detente.run.model import Model, load_model
from detente.tlog.folder import Folder, is_leftover
from detente.tlog.log import LogView, append, finish, origin_of
from detente.wire.canonical import check_id, check_language, decode, encode
from detente.wire.digests import sha256
from detente.wire.dsse import seal_envelope
from detente.wire.keys import SigningKey, new_seed

KEYS = ("statement", "log", "witness")
P = ParamSpec("P")
R = TypeVar("R")


class ModelEntry(NamedTuple):
    """How one subject is reached from this desk: a model spec, a system prompt, where its key is found.

    ``coded``: neither its name nor its descriptor leaves; the card and the plan hold a commitment (B-7).
    """

    subject: str
    use: str
    name: dict[str, str]
    system: str | None
    key_env: str | None
    coded: bool = False


class Desk(NamedTuple):
    """A desk as it lies on the disk; every verb takes one."""

    root: Path
    party: str
    name: dict[str, str]
    home: str
    exchange: Path
    models: list[ModelEntry]

    def folder(self, *parts: str) -> Folder:
        """A folder of the desk."""
        return Folder(self.root.joinpath(*parts))

    def signer(self, role: str) -> SigningKey:
        """One of the three Ed25519 keys: statement, log or witness; CannotTell (key-broken)."""
        return SigningKey(bytes.fromhex(read_hex(self.folder("keys"), f"{role}.key", "key-broken")))

    def identity(self) -> str:
        """The age identity that opens what others seal for this lab; CannotTell (key-broken)."""
        keys, name = self.folder("keys"), "recipient.key"
        text = keys.read(name).decode("ascii", "replace").strip() if keys.exists(name) else ""
        return read_identity(text, keys.place(name)).secret

    def open_exchange(self) -> Folder:
        """The exchange that this desk works with."""
        if not self.exchange.is_dir():
            raise CannotTell("exchange-missing", str(self.exchange))
        return Folder(self.exchange)

    def own(self, *parts: str) -> Folder:
        """A folder of the lab's own in the exchange."""
        return party_folder(self.open_exchange(), self.party, *parts)

    def plan_id(self) -> str:
        """The plan that this desk signed; WrongUsage (no-plan) before that."""
        folder = self.folder("")
        if not folder.exists("plan.txt"):
            raise WrongUsage("no-plan", str(self.root))
        return read_hex(folder, "plan.txt", "desk-damaged")

    def plan(self) -> PlanFile:
        """The plan that this desk signed, read from the exchange."""
        return find_plan(self.open_exchange(), self.plan_id())

    def me(self, plan: PlanFile) -> Party:
        """The lab as the plan has it; WrongUsage if the plan has other keys for it."""
        party = next((p for p in plan.plan.parties if p.id == self.party), None)
        if party is None:
            raise WrongUsage("not-a-party", str(self.root), got=self.party)
        for role, key in (("statement", party.statement), ("log", party.log.key), ("witness", party.witness.key)):
            if key != self.signer(role).public:
                raise WrongUsage(
                    "other-key", f"$.parties {self.party} {role}", expected=self.signer(role).public, got=key
                )
        return party

    def load_model(self, subject: str, slots: int) -> Model:
        """The model that answers for a subject; its key comes from the environment and goes nowhere else."""
        entry = next((one for one in self.models if one.subject == subject), None)
        if entry is None:
            raise WrongUsage(
                "no-model", f"{self.root}/desk.toml", expected=", ".join(m.subject for m in self.models), got=subject
            )
        key = os.environ.get(entry.key_env) if entry.key_env else None
        if entry.key_env and not key:
            raise WrongUsage("no-key", f"{self.root}/desk.toml", got=entry.key_env)
        return load_model(entry.use, system=entry.system, key=key, slots=slots)


def alone(verb: Callable[Concatenate[Desk, P], R]) -> Callable[Concatenate[Desk, P], R]:
    """One signing verb of a desk at a time; CannotTell (folder-busy) for a second one beside it.

    Two at once could each sign what may be signed once (T-3). What a crash left half written in the
    lab's own folder of the exchange is removed first: nobody else writes there meanwhile (L-4).
    """

    @wraps(verb)
    def locked(desk: Desk, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with desk.folder().held():
            if desk.exchange.is_dir():
                _sweep(desk.own())
            return verb(desk, *args, **kwargs)

    return locked


def _sweep(own: Folder) -> None:
    """Remove what a crash left half written; log/ and mirror/ have locks of their own, and see to themselves."""
    for path in own.names():
        if is_leftover(path) and path.split("/")[0] not in {"log", "mirror"}:
            own.drop(path)


def make_desk(
    root: Path, party: str, name: Mapping[str, str], home: str, exchange: Path, models: list[ModelEntry]
) -> Desk:
    """Create a desk and the lab's folder in the exchange; after a crash or a full disk the same call goes on.

    Everything is judged before anything is written, and keys are never written twice. Raises
    WrongUsage (desk-exists, desk-inside, not-a-folder, P-1.home, bad-home, as ``load_model``), Malformed (B-5.id, B-5.language).
    """
    check_id(party, "init")
    for tag in name:
        check_language(tag, "init --name")
    if not home.startswith("https://"):
        raise WrongUsage("P-1.home", "init --home", got=home)
    if not home.isprintable() or not urlsplit(home).hostname or any(c in home for c in " +"):
        raise WrongUsage("bad-home", "init --home", got=home)
    for entry in models:
        check_id(entry.subject, "init --model")
        load_model(entry.use, system=entry.system, key=None, slots=1)
    folder = Folder(root)
    for wanted in (root, exchange):
        there = next((path for path in (wanted, *wanted.absolute().parents) if path.exists()), wanted)
        if there.exists() and not there.is_dir():
            raise WrongUsage("not-a-folder", str(there))
    if exchange.resolve() in [root.resolve(), *root.resolve().parents]:
        raise WrongUsage("desk-inside", str(root), got=str(exchange))
    if folder.exists("desk.toml"):
        raise WrongUsage("desk-exists", folder.place("desk.toml"), expected=load_desk(root).party, got=party)
    keys = root / "keys"
    for private in (root, keys):
        private.mkdir(parents=True, exist_ok=True, mode=0o700)
    for half in filter(lambda path: is_leftover(path.name), keys.iterdir()):
        half.unlink()
    for role in KEYS:
        _write_secret(keys / f"{role}.key", new_seed().hex())
    _write_secret(keys / "recipient.key", new_identity().secret)
    lines = [
        f"party = {_quoted(party)}",
        f"home = {_quoted(home)}",
        f"exchange = {_quoted(os.path.relpath(exchange, root))}",
    ]
    lines += ["[name]", *(f"{_quoted(tag)} = {_quoted(text)}" for tag, text in name.items())]
    for entry in models:
        lines += ["", "[[model]]", f"subject = {_quoted(entry.subject)}", f"use = {_quoted(entry.use)}"]
        lines += [f"system = {_quoted(entry.system)}"] if entry.system else []
        lines += [f"key_env = {_quoted(entry.key_env)}"] if entry.key_env else []
        lines += ["coded = true"] if entry.coded else []
        lines += [f"name = {{ {', '.join(f'{_quoted(t)} = {_quoted(n)}' for t, n in entry.name.items())} }}"]
    folder.create("desk.toml", ("\n".join(lines) + "\n").encode())
    desk = load_desk(root)
    make_own_folder(desk)
    return desk


def make_own_folder(desk: Desk) -> None:
    """The lab's folder in the exchange, and the exchange itself where nobody has made it yet."""
    desk.exchange.mkdir(parents=True, exist_ok=True)
    _sweep(desk.own())
    # git's autocrlf was seen to rewrite checkpoints (L-7)
    desk.own().create(".gitattributes", b"* -text\n")


class _ModelRow(msgspec.Struct, forbid_unknown_fields=True):
    subject: str
    use: str
    name: dict[str, str] = {}
    system: str | None = None
    key_env: str | None = None
    coded: bool = False


class _DeskFile(msgspec.Struct, forbid_unknown_fields=True):
    party: str
    home: str
    exchange: str
    name: dict[str, str]
    model: list[_ModelRow] = []


def load_desk(root: Path) -> Desk:
    """The desk at ``root``; WrongUsage (no-desk, desk-broken) with the member that does not fit."""
    folder = Folder(root)
    if not folder.exists("desk.toml"):
        raise WrongUsage("no-desk", str(root))
    place = folder.place("desk.toml")
    try:
        read = msgspec.convert(tomllib.loads(folder.read("desk.toml").decode("utf-8")), _DeskFile, strict=True)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        reason, _, path = str(error).partition(" - at `")
        raise WrongUsage("desk-broken", f"{place} {path.removesuffix('`')}".strip(), got=reason) from error
    check_id(read.party, f"{place} party")
    models = [ModelEntry(m.subject, m.use, m.name, m.system, m.key_env, m.coded) for m in read.model]
    subjects = [entry.subject for entry in models]
    for entry in models:
        check_id(entry.subject, f"{place} [[model]]")
        if subjects.count(entry.subject) > 1:
            raise WrongUsage("desk-broken", f"{place} [[model]]", got=f"{entry.subject}, {entry.subject}")
    return Desk(root, read.party, read.name, read.home, Path(os.path.normpath(root / read.exchange)), models)


def make_card(desk: Desk) -> bytes:
    """What the lab hands to the others, JCS: its entry in a plan but for the roles, and its subjects' descriptors."""
    log = desk.signer("log").public
    home = _base(desk.home)
    subjects = [_card_subject(desk, entry) for entry in desk.models]
    card = {
        "home": desk.home,
        "id": desk.party,
        "log": {"key": log, "origin": origin_of(home, log)},
        "name": desk.name,
        "recipient": read_identity(desk.identity(), "").recipient,
        "statement": desk.signer("statement").public,
        "subjects": subjects,
        "witness": {"key": desk.signer("witness").public, "name": f"{home}/witness"},
    }
    raw = encode(card)
    folder = desk.folder("")
    folder.swap("card.json", folder.read("card.json") if folder.exists("card.json") else None, raw)
    return raw


def _base(home: str) -> str:
    """What the lab's log and witness are called after."""
    return home.removeprefix("https://").rstrip("/")


def _card_subject(desk: Desk, entry: ModelEntry) -> dict[str, object]:
    # A description needs no key, and whoever makes the card need not hold it.
    described = load_model(entry.use, system=entry.system, key=None, slots=1).describe()
    if not entry.coded:
        return {"descriptor": described, "id": entry.subject, "name": entry.name}
    line = commitment_line(desk, entry.subject, described)
    if line is None:
        line = encode({**described, "salt": new_seed().hex()})
        folder, name = desk.folder("commitments"), f"{entry.subject}.json"
        old = folder.read(name) if folder.exists(name) else None
        if old is not None:  # a plan may hold its commitment
            folder.create(f"{entry.subject}.{sha256(old)[:16]}.json", old)
        folder.swap(name, old, line)
    return {"commitment": sha256(line), "id": entry.subject, "name": None}


def commitment_line(desk: Desk, subject: str, described: Mapping[str, object]) -> bytes | None:
    """The salted line that a coded subject's commitment hashes (B-7), if one describes the model; else None.

    Laying this line at ``plans/<plan>/files/<its sha256>`` opens the commitment (P-9). Lines of earlier
    descriptions stay: a plan may name them.
    """
    folder = desk.folder("commitments")
    for name in folder.names():
        if name.startswith(f"{subject}.") and not is_leftover(name):
            line = folder.read(name)
            value = decode(line, folder.place(name))
            if encode({**described, "salt": value.get("salt")}) == line:
                return line
    return None


def sign_statement(desk: Desk, kind: str, subjects: list[tuple[str, str]], predicate: Predicate) -> bytes:
    """A statement in its envelope, signed by the lab's statement key; not yet in any log."""
    return seal_envelope(encode_statement(kind, subjects, predicate), desk.signer("statement"))


def log_entry(desk: Desk, plan: PlanFile, entry: bytes) -> LogView:
    """An envelope appended to the lab's own log, after comparing with what others hold of it (L-5, L-6)."""
    me = desk.me(plan)
    seen = [note.raw for note in notes_of(desk.open_exchange(), me, plan)]
    return append(desk.own("log"), desk.folder("pending"), entry, desk.signer("log"), me.log.origin, seen)


def own_log(desk: Desk, plan: PlanFile) -> LogView:
    """The lab's own log as it stands, after any envelope that a crash left pending."""
    me = desk.me(plan)
    seen = [note.raw for note in notes_of(desk.open_exchange(), me, plan)]
    return finish(desk.own("log"), desk.folder("pending"), desk.signer("log"), me.log.origin, seen)


def _write_secret(path: Path, text: str) -> None:
    """A secret that only the owner may read, whole or not at all; one that is there stays."""
    if path.exists():
        return
    half = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise


def _quoted(text: str | None) -> str:
    """A TOML basic string (TOML 1.0): JSON's escapes are a subset of it."""
    return json.dumps(text or "", ensure_ascii=False).replace("\x7f", "\\u007F")
