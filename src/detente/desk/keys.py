# SPDX-License-Identifier: Apache-2.0
"""A lab's desk: its keys, its models, its place in the exchange, and the card it hands to the others.

desk/desk.toml      who we are, where the exchange lies, which model answers for which subject
desk/keys/          its secrets (an observer: one), readable by the owner alone (desk.keyring); they never leave the desk
desk/card.json      the public half, to hand over: what a plan says of a party and its subjects
desk/pending/       envelopes on their way into the log (L-5)
desk/signed/        every envelope that this desk ever signed for the log, so that a foreign one is seen
desk/state/         what this lab's witness last cosigned (L-2)
desk/runs/<run>/    journals, keys and texts of runs
desk/home/          an annex kept at home: its suites, its runs, and a log of its own (see homes.py)
"""

import json
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, Literal, NamedTuple, ParamSpec, TypeVar
from urllib.parse import urlsplit

import msgspec

from detente.check.exchange import (
    PLAN_LIMIT,
    bound_bytes,
    cut_text,
    find_plan,
    log_folder,
    mirror_path,
    party_folder,
    statement_under,
)
from detente.desk.given import given_keys, listed, read_hex
from detente.desk.keyring import ROLES, SIGNING, generations, make_keys, read_keys, recipient_of, signing_key
from detente.desk.signers import open_device
from detente.errors import CannotTell, WrongUsage
from detente.evidence.statements import Predicate, encode_statement
from detente.pact.chain import party_in
from detente.pact.plan import Party, PlanFile, WitnessKey, parse_plan
from detente.pact.seal import read_identity
from detente.run.model import Model, key_variables, load_models
from detente.run.pace import Allowance
from detente.tlog.folder import Folder, is_leftover
from detente.tlog.log import LogView, append, finish, origin_of, read_log
from detente.tlog.witness import known_notes
from detente.wire.canonical import check_id, check_language, decode, encode, reason_and_path
from detente.wire.digests import sha256
from detente.wire.dsse import seal_envelope
from detente.wire.keys import Signer, new_seed

P = ParamSpec("P")
R = TypeVar("R")


class ModelEntry(NamedTuple):
    """How one subject is reached from this desk: a model spec, a system prompt, where its key is found.

    Several specs or keys are one model, asked in several places at once; ``per_minute`` and ``tokens_per_minute`` are
    for all of them together. ``coded``: neither its name nor its descriptor leaves; the card and the plan hold a commitment (B-7).
    ``recipe``: how its safeguards were taken off, as the descriptor says (P-12).
    """

    subject: str
    use: str | Sequence[str]
    name: dict[str, str]
    system: str | None
    key_env: str | Sequence[str] | None
    coded: bool = False
    per_minute: float | None = None
    tokens_per_minute: float | None = None
    recipe: str | None = None

    def unkeyed(self) -> Model:
        """The model without its keys, to describe and not to ask. Raises as ``load_models``."""
        return load_models(listed(self.use), system=self.system, recipe=self.recipe)

    def described(self) -> dict[str, object]:
        """The model's descriptor (P-12); it needs no key, and whoever asks need not hold one. Raises as ``load_models``."""
        return self.unkeyed().describe()


class JudgeEntry(NamedTuple):
    """The models of one scorer of a plan that asks models: their specs in the definition's order, where their keys are found."""

    use: Sequence[str]
    key_env: Sequence[str] = ()


class Desk(NamedTuple):
    """A desk as it lies on the disk; every verb takes one. An ``observer``'s has the witness key alone, and only witnesses."""

    root: Path
    party: str
    name: dict[str, str]
    home: str
    exchange: Path
    models: list[ModelEntry]
    devices: Mapping[str, Sequence[str]] = {}  # role -> addresses of keys that a device or a service holds
    observer: bool = False
    judges: Mapping[str, JudgeEntry] = {}  # scorer id -> the models that this desk asks for it

    def folder(self, *parts: str) -> Folder:
        """A folder of the desk."""
        return Folder(self.root.joinpath(*parts))

    def signer(self, role: str, public: str | None = None) -> Signer:
        """One of the Ed25519 keys (statement, log or witness): that of the plan in force, or the one with this public half.

        Before any plan, the newest. CannotTell (key-broken), WrongUsage (other-key, no-device ...).
        """
        return self._signer(role, public, read_keys(self.folder("keys")))

    def _signer(self, role: str, public: str | None, texts: Mapping[str, str]) -> Signer:
        held = self._held(role, texts)
        if public is None and len(held) > 1:
            public = self._agreed(role)
        if public is None:
            return self._open(held[-1], texts)
        for name in held:
            if (signer := self._open(name, texts)).public == public:
                return signer
        newest = self._open(held[-1], texts).public
        among = "observers" if self.observer else "parties"
        raise WrongUsage("other-key", f"$.{among} {self.party} {role}", expected=newest, got=public)

    def statement_signer(self, plan_id: str) -> Signer:
        """The statement key that the lab has in one of its plans."""
        return self.signer("statement", self._agreed("statement", plan_id))

    def newest(self, role: str) -> Signer:
        """The key of a role that was made last: what the card says."""
        texts = read_keys(self.folder("keys"))
        return self._open(self._held(role, texts)[-1], texts)

    def _held(self, role: str, texts: Mapping[str, str]) -> list[str]:
        """Where the keys of a role are, the oldest first: files, then devices."""
        return [*generations(texts, role), *self.devices.get(role, ())] or [f"{role}.key"]

    def _open(self, name: str, texts: Mapping[str, str]) -> Signer:
        return signing_key(self.folder("keys"), texts, name) if name.endswith(".key") else open_device(name)

    def _agreed(self, role: str, plan_id: str | None = None) -> str | None:
        """The public key of a role in the plan that this desk signed (or the one given), None before any."""
        if plan_id is None and not self.folder().exists("plan.txt"):
            return None
        id_ = plan_id or self.plan_id()
        own = self.own("plans", id_)
        if not own.exists("plan.json"):
            return None
        plan = parse_plan(bound_bytes(own, "plan.json", id_, cut_text(id_, b"}"), PLAN_LIMIT), own.place("plan.json"))
        party = party_in(plan, self.party)
        return key_of(party, role) if party else None

    def identity(self, recipient: str | None = None) -> str:
        """The age identity that opens what others seal for this lab: the one of this recipient, or the newest.

        CannotTell (key-broken).
        """
        keys = self.folder("keys")
        texts = read_keys(keys)
        names = generations(texts, "recipient") or ["recipient.key"]
        for name in names if recipient else ():
            if recipient_of(keys, texts, name) == recipient:
                return texts[name]
        return read_identity(texts.get(names[-1], ""), keys.place(names[-1])).secret

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
        """The lab as the plan has it; WrongUsage if the plan has other keys for it (observer-only: this desk has none of them)."""
        if self.observer:
            raise WrongUsage("observer-only", str(self.root))
        party = next((p for p in plan.plan.parties if p.id == self.party), None)
        if party is None:
            raise WrongUsage("not-a-party", str(self.root), got=self.party)
        texts = read_keys(self.folder("keys"))  # once for all three
        for role in SIGNING:
            self._signer(role, key_of(party, role), texts)
        return party

    def witness_key(self, plan: PlanFile) -> WitnessKey:
        """The name and key under which this desk cosigns in the plan: a party's, or an observer's; WrongUsage as ``me``."""
        if not self.observer:
            return self.me(plan).witness
        if (found := plan.plan.witnesses().get(self.party)) is None:
            raise WrongUsage("not-a-party", str(self.root), got=self.party)
        self.signer("witness", found.key)
        return found

    def load_model(self, subject: str, slots: int) -> Model:
        """The model that answers for a subject; its key comes from the environment and goes nowhere else."""
        entry = next((one for one in self.models if one.subject == subject), None)
        if entry is None:
            raise WrongUsage(
                "no-model", f"{self.root}/desk.toml", expected=", ".join(m.subject for m in self.models), got=subject
            )
        specs = listed(entry.use)
        keys = given_keys(key_variables(specs, listed(entry.key_env)), f"{self.root}/desk.toml")
        return load_models(specs, system=entry.system, keys=keys, slots=slots, recipe=entry.recipe)

    def allowance(self, subject: str) -> Allowance:
        """How many requests and tokens a minute the desk allows for a subject."""
        entry = next(one for one in self.models if one.subject == subject)
        return Allowance(entry.per_minute, entry.tokens_per_minute)


def key_of(party: Party, role: str) -> str:
    """A party's public key of one role, as a plan has it."""
    return {"statement": party.statement, "log": party.log.key, "witness": party.witness.key}[role]


def alone(verb: Callable[Concatenate[Desk, P], R]) -> Callable[Concatenate[Desk, P], R]:
    """One signing verb of a desk at a time; CannotTell (folder-busy) for a second one beside it.

    Two at once could each sign what may be signed once (T-3). What a crash left half written in the
    lab's own folder of the exchange is removed first: nobody else writes there meanwhile (L-4).
    """

    @wraps(verb)
    def locked(desk: Desk, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if desk.observer:
            raise WrongUsage("observer-only", str(desk.root))
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
    root: Path, party: str, name: Mapping[str, str], home: str, exchange: Path, models: list[ModelEntry],
    *, passphrase: str | None = None, observer: bool = False,
) -> Desk:  # fmt: skip
    """Create a desk and the lab's folder in the exchange; after a crash or a full disk the same call goes on.

    An ``observer``'s desk has the witness key alone; one that lies there already is kept, as every key is.
    Everything is judged before anything is written, and keys are never written twice, nor in the clear where a
    ``passphrase`` is given. Raises
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
        entry.described()
    folder = Folder(root)
    for wanted in (root, exchange):
        there = next((path for path in (wanted, *wanted.absolute().parents) if path.exists()), wanted)
        if there.exists() and not there.is_dir():
            raise WrongUsage("not-a-folder", str(there))
    if exchange.resolve() in [root.resolve(), *root.resolve().parents]:
        raise WrongUsage("desk-inside", str(root), got=str(exchange))
    if folder.exists("desk.toml") and (owner := load_desk(root).party) != party:
        raise WrongUsage("desk-exists", folder.place("desk.toml"), expected=owner, got=party)
    for private in (root, root / "keys"):
        private.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Two at once would each make keys, and hand out a card with keys that the other has replaced.
    with folder.held():
        if folder.exists("desk.toml"):  # somebody was faster, just now: given again, the command compares with that one
            raise CannotTell("folder-busy", str(root))
        make_keys(root / "keys", passphrase, ("witness",) if observer else ROLES)
        text = _desk_text(party, name, (home, os.path.relpath(exchange, root)), models, observer=observer)
        folder.create("desk.toml", text.encode())
        desk = load_desk(root)
        make_own_folder(desk)
    return desk


def _desk_text(
    party: str, name: Mapping[str, str], places: tuple[str, str], models: list[ModelEntry], *, observer: bool
) -> str:
    """The desk file; ``places``: the lab's own page, and the exchange as seen from the desk."""
    home, exchange = places
    lines = [
        f"party = {_quoted(party)}",
        f"home = {_quoted(home)}",
        f"exchange = {_quoted(exchange)}",
        *(["observer = true"] if observer else []),
    ]
    lines += ["[name]", *(f"{_quoted(tag)} = {_quoted(text)}" for tag, text in name.items())]
    for entry in models:
        lines += ["", "[[model]]", f"subject = {_quoted(entry.subject)}", f"use = {_quoted_some(entry.use)}"]
        lines += [f"system = {_quoted(entry.system)}"] if entry.system else []
        lines += [f"key_env = {_quoted_some(entry.key_env)}"] if entry.key_env else []
        lines += [f"per_minute = {entry.per_minute}"] if entry.per_minute else []
        lines += [f"tokens_per_minute = {entry.tokens_per_minute}"] if entry.tokens_per_minute else []
        lines += ["coded = true"] if entry.coded else []
        lines += [f"recipe = {_quoted(entry.recipe)}"] if entry.recipe else []
        lines += [f"name = {{ {', '.join(f'{_quoted(t)} = {_quoted(n)}' for t, n in entry.name.items())} }}"]
    return "\n".join(lines) + "\n"


def make_own_folder(desk: Desk) -> None:
    """The lab's folder in the exchange, and the exchange itself where nobody has made it yet."""
    desk.exchange.mkdir(parents=True, exist_ok=True)
    _sweep(desk.own())
    # git's autocrlf was seen to rewrite checkpoints (L-7)
    desk.own().create(".gitattributes", b"* -text\n")


_Some = str | Annotated[list[str], msgspec.Meta(min_length=1)]
_Rate = Annotated[float, msgspec.Meta(gt=0)]


class _ModelRow(msgspec.Struct, forbid_unknown_fields=True):
    subject: str
    use: _Some
    name: dict[str, str] = {}
    system: str | None = None
    key_env: _Some | None = None
    coded: bool = False
    per_minute: _Rate | None = None
    tokens_per_minute: _Rate | None = None
    recipe: str | None = None


class _JudgeRow(msgspec.Struct, forbid_unknown_fields=True):
    use: _Some
    key_env: _Some | None = None


class _DeskFile(msgspec.Struct, forbid_unknown_fields=True):
    party: str
    home: str
    exchange: str
    name: dict[str, str]
    observer: bool = False
    model: list[_ModelRow] = []
    keys: dict[Literal["statement", "log", "witness"], str | list[str]] = {}
    judges: dict[str, str | list[str] | dict[str, Any]] = {}


def load_desk(root: Path) -> Desk:
    """The desk at ``root``; WrongUsage (no-desk, desk-broken) with the member that does not fit."""
    folder = Folder(root)
    if not folder.exists("desk.toml"):
        raise WrongUsage("no-desk", str(root))
    place = folder.place("desk.toml")
    try:
        read = msgspec.convert(tomllib.loads(folder.read("desk.toml").decode("utf-8")), _DeskFile, strict=True)
        judges = {id_: _judge(row) for id_, row in read.judges.items()}
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        reason, path = reason_and_path(error)
        raise WrongUsage("desk-broken", f"{place} {path}".strip(), got=reason) from error
    check_id(read.party, f"{place} party")
    models = [
        ModelEntry(m.subject, m.use, m.name, m.system, m.key_env, m.coded, m.per_minute, m.tokens_per_minute, m.recipe)
        for m in read.model
    ]
    subjects = [entry.subject for entry in models]
    for entry in models:
        check_id(entry.subject, f"{place} [[model]]")
        if subjects.count(entry.subject) > 1:
            raise WrongUsage("desk-broken", f"{place} [[model]]", got=f"{entry.subject}, {entry.subject}")
    devices: dict[str, Sequence[str]] = {
        role: [found] if isinstance(found, str) else found for role, found in read.keys.items()
    }
    exchange = Path(os.path.normpath(root / read.exchange))
    return Desk(root, read.party, read.name, read.home, exchange, models, devices, read.observer, judges)


def _judge(row: str | list[str] | dict[str, Any]) -> JudgeEntry:
    """A row of ``[judges]``: a spec, several, or a table; msgspec.ValidationError."""
    read = msgspec.convert(row if isinstance(row, dict) else {"use": row}, _JudgeRow, strict=True)
    return JudgeEntry(listed(read.use), listed(read.key_env))


def make_card(desk: Desk) -> bytes:
    """What the lab hands to the others, JCS: its entry in a plan but for the roles, and its subjects' descriptors.

    An observer's card is its whole entry in a plan: id, name and witness key.
    """
    home, key = _base(desk.home), desk.newest("witness").public
    # as with a log (P-4): in a chain of plans a name stands for one key (P-11)
    witness = {"key": key, "name": origin_of(f"{home}/witness", key)}
    card: dict[str, object] = {"id": desk.party, "name": desk.name, "witness": witness}
    if not desk.observer:
        card |= _party_card(desk, home)
    raw = encode(card)
    folder = desk.folder("")
    folder.swap("card.json", folder.read("card.json") if folder.exists("card.json") else None, raw)
    return raw


def _party_card(desk: Desk, home: str) -> dict[str, object]:
    """What a party's card has beside an observer's."""
    log = desk.newest("log").public
    return {
        "home": desk.home,
        "log": {"key": log, "origin": origin_of(home, log)},
        "recipient": read_identity(desk.identity(), "").recipient,
        "statement": desk.newest("statement").public,
        "subjects": [_card_subject(desk, entry) for entry in desk.models],
    }


def _base(home: str) -> str:
    """What the lab's log and witness are called after."""
    return home.removeprefix("https://").rstrip("/")


def _card_subject(desk: Desk, entry: ModelEntry) -> dict[str, object]:
    described = entry.described()
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
    return seal_envelope(encode_statement(kind, subjects, predicate), desk.statement_signer(predicate.plan))


def log_entry(desk: Desk, plan: PlanFile, entry: bytes) -> LogView:
    """An envelope appended to the lab's own log, after comparing with what others hold of it (L-5, L-6)."""
    me, seen = desk.me(plan), held_by_others(desk, plan)
    desk.folder("signed").create(sha256(entry), entry)
    log = log_folder(desk.open_exchange(), me, plan)
    return append(log, desk.folder("pending"), entry, desk.signer("log", me.log.key), me.log.origin, seen)


def held_by_others(desk: Desk, plan: PlanFile) -> list[bytes]:
    """Every note of this lab's log in any mirror of the exchange, whoever's, in whatever state the mirror is (L-6)."""
    me, exchange = desk.me(plan), desk.open_exchange()
    tops = sorted(path.name for path in exchange.root.iterdir() if path.is_dir() and not path.is_symlink())
    mirrors = [party_folder(exchange, *mirror_path(top, me.log.origin)) for top in tops]
    return [raw for mirror in mirrors for raw in known_notes(mirror, me.log.origin, me.log.key)]


def own_log(desk: Desk, plan: PlanFile) -> LogView:
    """The lab's own log as it stands, after any envelope that a crash left pending."""
    me, seen = desk.me(plan), held_by_others(desk, plan)
    log = log_folder(desk.open_exchange(), me, plan)
    return finish(log, desk.folder("pending"), desk.signer("log", me.log.key), me.log.origin, seen)


def foreign_entries(desk: Desk, plan: PlanFile) -> dict[int, str]:
    """Entries in the lab's own log that this desk did not sign, by index with their kind: somebody else holds its keys.

    Or the desk is older than its log. What stands before the first that it is known to have signed is left out:
    desks kept no such list at first.
    """
    me = desk.me(plan)
    log = log_folder(desk.open_exchange(), me, plan)
    if not log.exists("checkpoint"):
        return {}
    view = read_log(log, me.log.origin, me.log.key)
    signed = set(desk.folder("signed").names())
    mine = [sha256(entry) in signed for entry in view.entries]
    found: dict[int, str] = {}
    for index, entry in enumerate(view.entries):
        if not mine[index] and any(mine[:index]):
            found[index] = kind_under(plan, me, entry)
    return found


def kind_under(plan: PlanFile, me: Party, entry: bytes) -> str:
    """The kind of an entry of the lab's own log under the plan or one before it; ``?`` where it is no statement of the lab's."""
    said = next((found for one in (plan, *plan.earlier) if (found := statement_under(entry, me, one))), None)
    return said.kind if said else "?"


def _quoted_some(given: str | Sequence[str]) -> str:
    return _quoted(given) if isinstance(given, str) else f"[{', '.join(_quoted(one) for one in given)}]"


def _quoted(text: str | None) -> str:
    """A TOML basic string (TOML 1.0): JSON's escapes are a subset of it."""
    return json.dumps(text or "", ensure_ascii=False).replace("\x7f", "\\u007F")
