# SPDX-License-Identifier: Apache-2.0
"""A lab's desk: its keys, its models, its place in the exchange, and the card it hands to the others.

desk/desk.toml      who we are, where the exchange lies, which model answers for which subject
desk/keys/          four secrets, readable by the owner alone; they never leave the desk
desk/card.json      the public half, to hand over: what a plan says of a party and its subjects
desk/pending/       envelopes on their way into the log (L-5)
desk/state/         what this lab's witness last cosigned (L-2)
desk/runs/<run>/    journals, keys and texts of runs
"""

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from detente.check.exchange import find_plan, notes_of, party_folder
from detente.errors import CannotTell, WrongUsage
from detente.evidence.statements import Predicate, encode_statement
from detente.pact.plan import Party, PlanFile
from detente.pact.seal import new_identity
from detente.run.model import Model, load_model
from detente.tlog.folder import Folder
from detente.tlog.log import LogView, append, finish, origin_of
from detente.wire.canonical import check_id, decode, encode
from detente.wire.digests import sha256
from detente.wire.dsse import seal_envelope
from detente.wire.keys import SigningKey, new_seed

KEYS = ("statement", "log", "witness")


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
        """One of the three Ed25519 keys: statement, log or witness."""
        return SigningKey(bytes.fromhex(self.folder("keys").read(f"{role}.key").decode("ascii").strip()))

    def identity(self) -> str:
        """The age identity that opens what others seal for this lab."""
        return self.folder("keys").read("recipient.key").decode("ascii").strip()

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
        return folder.read("plan.txt").decode("ascii").strip()

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


def make_desk(
    root: Path, party: str, name: Mapping[str, str], home: str, exchange: Path, models: list[ModelEntry]
) -> Desk:
    """Create a desk (or refresh its card: keys are never written twice) and the lab's folder in the exchange."""
    check_id(party, "init")
    if not home.startswith("https://"):
        raise WrongUsage("P-1.home", "init --home", got=home)
    folder = Folder(root)
    if folder.exists("desk.toml"):
        raise WrongUsage("desk-exists", folder.place("desk.toml"), got=load_desk(root).party)
    _make_private(root)
    _make_private(root / "keys")
    for role in KEYS:
        _write_secret(root / "keys" / f"{role}.key", new_seed().hex())
    identity = new_identity()
    _write_secret(root / "keys" / "recipient.key", identity.secret)
    folder.create("recipient.txt", identity.recipient.encode())
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
    exchange.mkdir(parents=True, exist_ok=True)
    desk = load_desk(root)
    # git's autocrlf was seen to rewrite checkpoints (L-7)
    desk.own().create(".gitattributes", b"* -text\n")
    return desk


def load_desk(root: Path) -> Desk:
    """The desk at ``root``; WrongUsage (no-desk, desk-broken) with the member that does not fit."""
    folder = Folder(root)
    if not folder.exists("desk.toml"):
        raise WrongUsage("no-desk", str(root))
    try:
        read = tomllib.loads(folder.read("desk.toml").decode("utf-8"))
        models = [
            ModelEntry(
                m["subject"],
                m["use"],
                dict(m.get("name", {})),
                m.get("system"),
                m.get("key_env"),
                m.get("coded", False),
            )
            for m in read.get("model", [])
        ]
        exchange = Path(os.path.normpath(root / read["exchange"]))
        return Desk(root, read["party"], dict(read["name"]), read["home"], exchange, models)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise WrongUsage("desk-broken", folder.place("desk.toml"), got=error) from error


def make_card(desk: Desk) -> bytes:
    """What the lab hands to the others, JCS: its entry in a plan but for the roles, and its subjects' descriptors."""
    log = desk.signer("log").public
    home = desk.home.removeprefix("https://").rstrip("/")
    subjects = [_card_subject(desk, entry) for entry in desk.models]
    card = {
        "home": desk.home,
        "id": desk.party,
        "log": {"key": log, "origin": origin_of(home, log)},
        "name": desk.name,
        "recipient": desk.folder("").read("recipient.txt").decode(),
        "statement": desk.signer("statement").public,
        "subjects": subjects,
        "witness": {"key": desk.signer("witness").public, "name": f"{home}/witness"},
    }
    raw = encode(card)
    folder = desk.folder("")
    folder.swap("card.json", folder.read("card.json") if folder.exists("card.json") else None, raw)
    return raw


def _card_subject(desk: Desk, entry: ModelEntry) -> dict[str, object]:
    described = desk.load_model(entry.subject, 1).describe()
    if not entry.coded:
        return {"descriptor": described, "id": entry.subject, "name": entry.name}
    folder, name = desk.folder("commitments"), f"{entry.subject}.json"
    if commitment_line(desk, entry.subject, described) is None:
        old = folder.read(name) if folder.exists(name) else None
        folder.swap(name, old, encode({**described, "salt": new_seed().hex()}))
    return {"commitment": sha256(folder.read(name)), "id": entry.subject, "name": None}


def commitment_line(desk: Desk, subject: str, described: Mapping[str, object]) -> bytes | None:
    """The salted line that a coded subject's commitment hashes (B-7), if it still describes the model; else None.

    Laying this line at ``plans/<plan>/files/<its sha256>`` opens the commitment (P-9).
    """
    folder, name = desk.folder("commitments"), f"{subject}.json"
    if not folder.exists(name):
        return None
    line = folder.read(name)
    value = decode(line, folder.place(name))
    return line if encode({**described, "salt": value.get("salt")}) == line else None


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


def _make_private(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CannotTell("no-permission", str(path), got=error.strerror) from error


def _write_secret(path: Path, text: str) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text + "\n")
    except OSError as error:
        raise CannotTell("no-permission", str(path), got=error.strerror) from error


def _quoted(text: str | None) -> str:
    """A TOML basic string (TOML 1.0): JSON's escapes are a subset of it."""
    return json.dumps(text or "", ensure_ascii=False).replace("\x7f", "\\u007F")
