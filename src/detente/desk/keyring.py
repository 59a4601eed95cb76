# SPDX-License-Identifier: Apache-2.0
"""A desk's secrets: made, made anew, found by their public half, and kept under a passphrase by who wishes it.

desk/keys/<role>.key        a secret as it was first made; roles: statement, log, witness, recipient
desk/keys/<role>-2.key ...  those made later; the old ones stay, because a plan may still ask for them
desk/keys/locked.age        all of them under a passphrase (age, scrypt); then no other file lies here

A passphrase comes from the environment (DETENTE_PASSPHRASE) or from a prompt, is asked for once a
command, and is never written, shown or put into an error.
"""

import getpass
import os
import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from detente.errors import CannotTell, Malformed, WrongUsage
from detente.pact.seal import lock, new_identity, read_identity, unlock
from detente.tlog.folder import Folder, is_leftover
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from detente.wire.keys import SigningKey, new_seed
from detente.words import CHOSEN, language, say

SIGNING = ("statement", "log", "witness")
ROLES = (*SIGNING, "recipient")
LOCKED = "locked.age"
PASSPHRASE = "DETENTE_PASSPHRASE"  # noqa: S105 - the name of a variable
_NAME = re.compile(r"(statement|log|witness|recipient)(?:-([2-9]|[1-9][0-9]{1,3}))?\.key")
# What a locked file held and what opened it, by the file's digest: one question a command.
_opened: dict[str, tuple[dict[str, str], str]] = {}


def make_keys(folder: Path, passphrase: str | None = None, roles: Sequence[str] = ROLES) -> None:
    """The first secret of each of ``roles``, readable by the owner alone; one that is there stays.

    Under a passphrase none is ever written in the clear.
    """
    if (folder / LOCKED).exists():
        return
    for half in filter(lambda path: is_leftover(path.name), folder.iterdir()):
        half.unlink()
    fresh = {f"{role}.key": _fresh(role) for role in roles if not (folder / f"{role}.key").exists()}
    if passphrase is not None:
        _write_locked(folder, {**read_keys(Folder(folder)), **fresh}, passphrase)
        finish_lock(folder)
    for name, text in fresh.items() if passphrase is None else ():
        _write_secret(folder / name, text)


def add_keys(folder: Path, roles: Sequence[str]) -> list[str]:
    """A further secret for each role; the names of the files that would hold them. The old ones stay."""
    locked = (folder / LOCKED).exists()
    texts = read_keys(Folder(folder))
    names = [f"{role}-{1 + _generation(_newest(folder, texts, role))}.key" for role in roles]
    made = {name: _fresh(role) for name, role in zip(names, roles, strict=True)}
    if locked:
        _write_locked(folder, {**texts, **made}, _opened[sha256((folder / LOCKED).read_bytes())][1])
    for name, text in made.items() if not locked else ():
        _write_secret(folder / name, text)
    return names


def _fresh(role: str) -> str:
    return new_identity().secret if role == "recipient" else new_seed().hex()


def read_keys(folder: Folder) -> dict[str, str]:
    """All secrets by the names of their files; CannotTell (key-broken, key-locked), WrongUsage (wrong-passphrase).

    What a crash left beside a locked file is the same secrets once more; the locked file is the one that holds.
    """
    if not folder.exists(LOCKED):
        names = [name for name in folder.names() if _NAME.fullmatch(name)]
        return {name: folder.read(name).decode("ascii", "replace").strip() for name in names}
    raw = folder.read(LOCKED)
    digest = sha256(raw)
    if digest not in _opened:
        place = folder.place(LOCKED)
        plain, passphrase = _unlocked(folder, raw)
        try:
            texts = decode(plain, place)
        except Malformed:
            raise CannotTell("key-broken", place) from None  # without a byte of it
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise CannotTell("key-broken", place)
        _opened[digest] = {f"{name}.key": text for name, text in texts.items()}, passphrase
    return _opened[digest][0]


def _unlocked(folder: Folder, raw: bytes) -> tuple[bytes, str]:
    """What a locked file holds and what opened it: what opened another of this command is tried before anybody is asked."""
    place = folder.place(LOCKED)
    for known in {passphrase for _, passphrase in _opened.values()}:
        try:
            return unlock(raw, known, place), known
        except WrongUsage:
            continue
    passphrase = os.environ.get(PASSPHRASE) or ask_secret("passphrase", folder.place(""), PASSPHRASE)
    return unlock(raw, passphrase, place), passphrase


def passphrase_of(folder: Path) -> str | None:
    """What the keys of a folder are locked with, None where they lie open. Raises as ``read_keys``."""
    if not (folder / LOCKED).exists():
        return None
    read_keys(Folder(folder))
    return _opened[sha256((folder / LOCKED).read_bytes())][1]


def generations(texts: Mapping[str, str], role: str) -> list[str]:
    """The names of a role's secrets, the oldest first."""
    found = [name for name in texts if (named := _NAME.fullmatch(name)) and named[1] == role]
    return sorted(found, key=_generation)


def _newest(folder: Path, texts: Mapping[str, str], role: str) -> str:
    if not (held := generations(texts, role)):
        raise CannotTell("key-broken", str(folder / f"{role}.key"))
    return held[-1]


def _generation(name: str) -> int:
    named = _NAME.fullmatch(name)
    return int(named[2] or 1) if named else 0


def signing_key(folder: Folder, texts: Mapping[str, str], name: str) -> SigningKey:
    """The signing key in a file; CannotTell (key-broken), without the secret in any message."""
    text = texts.get(name, "")
    if len(text) != 64 or any(c not in "0123456789abcdef" for c in text):
        raise CannotTell("key-broken", folder.place(name))
    return SigningKey(bytes.fromhex(text))


def recipient_of(folder: Folder, texts: Mapping[str, str], name: str) -> str:
    """The age recipient of the identity in a file; CannotTell (key-broken)."""
    return read_identity(texts.get(name, ""), folder.place(name)).recipient


# --- under a passphrase --------------------------------------------------------------------------


def lock_keys(folder: Path, passphrase: str | None = None) -> None:
    """Put every secret under a passphrase, which is asked for twice where none is given; again after a crash.

    A plain file goes only when the locked one holds the same. WrongUsage (keys-locked, passphrases-differ,
    passphrase-empty).
    """
    place = Folder(folder)
    plain = [name for name in place.names() if _NAME.fullmatch(name)]
    if place.exists(LOCKED):
        if not plain:
            raise WrongUsage("keys-locked", place.place(LOCKED))
    else:
        texts = read_keys(place)
        for role in ROLES:
            for name in generations(texts, role):
                _check(place, texts, name)
        _write_locked(folder, texts, passphrase or new_passphrase())
    locked = read_keys(place)
    for name in plain:
        if locked.get(name) != place.read(name).decode("ascii", "replace").strip():
            raise CannotTell("key-broken", place.place(name))
    for name in plain:
        place.drop(name)


def finish_lock(folder: Path) -> None:
    """Lock the keys unless nothing is left to lock: what ``init --passphrase`` does, also when it is repeated."""
    if lies_open(folder):
        lock_keys(folder)


def lies_open(folder: Path) -> bool:
    """Whether some secret of a folder lies under no passphrase."""
    place = Folder(folder)
    return not place.exists(LOCKED) or any(_NAME.fullmatch(name) for name in place.names())


def unlock_keys(folder: Path) -> None:
    """Lay every secret open again, readable by the owner alone. WrongUsage (keys-open, wrong-passphrase)."""
    place = Folder(folder)
    if not place.exists(LOCKED):
        raise WrongUsage("keys-open", place.place(""))
    for name, text in read_keys(place).items():
        _write_secret(folder / name, text)
        if place.read(name).decode("ascii", "replace").strip() != text:
            raise CannotTell("key-broken", place.place(name))
    place.drop(LOCKED)


def _check(folder: Folder, texts: Mapping[str, str], name: str) -> None:
    """Nothing that is broken goes under lock, where nobody would see it."""
    if name.startswith("recipient"):
        recipient_of(folder, texts, name)
    else:
        signing_key(folder, texts, name)


def _write_locked(folder: Path, texts: Mapping[str, str], passphrase: str) -> None:
    """All secrets into the locked file, which was opened once before it takes the place of anything."""
    plain = encode({name.removesuffix(".key"): text for name, text in texts.items()})
    raw, place = lock(plain, passphrase), Folder(folder)
    if unlock(raw, passphrase, place.place(LOCKED)) != plain:
        raise CannotTell("key-broken", place.place(LOCKED))
    place.swap(LOCKED, place.read(LOCKED) if place.exists(LOCKED) else None, raw)
    (folder / LOCKED).chmod(0o600)
    _opened[sha256(raw)] = dict(texts), passphrase


def new_passphrase() -> str:
    """A passphrase to lock with: the job's, or a person's, typed twice alike. WrongUsage (passphrases-differ, passphrase-empty)."""
    if given := os.environ.get(PASSPHRASE):
        return given
    first = ask_secret("passphrase-new", LOCKED, PASSPHRASE)
    if not first:
        raise WrongUsage("passphrase-empty", LOCKED)
    if ask_secret("passphrase-again", LOCKED, PASSPHRASE) != first:
        raise WrongUsage("passphrases-differ", LOCKED)
    return first


def ask_secret(what: str, place: str, variable: str) -> str:
    """What a person types without seeing it (``desk.ask.<what>``); CannotTell (key-locked) where nobody can be asked."""
    if not _somebody_there():
        raise CannotTell("key-locked", place, expected=variable)
    return getpass.getpass(say(f"desk.ask.{what}", CHOSEN.get() or language(None, os.environ), place=place))


def _somebody_there() -> bool:
    """Whether there is a terminal to ask at: getpass would else read, and show, what comes from a pipe."""
    if sys.platform == "win32":
        return sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        return False
    return True


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
