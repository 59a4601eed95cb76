# SPDX-License-Identifier: Apache-2.0
"""Files that a person names on the command line: what is in them, or why they cannot be read or written, in our words."""

import errno
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from detente.errors import CannotTell, DetenteError, WrongUsage
from detente.tlog.folder import Folder

VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
"""What a variable's name looks like; anything else may be the key itself, pasted in the wrong place, and is never repeated."""


def listed(given: str | Sequence[str] | None) -> list[str]:
    """One or several of something, as a list."""
    return [] if given is None else [given] if isinstance(given, str) else list(given)


def given_keys(variables: Sequence[str | None], place: str) -> list[str | None]:
    """The API keys that environment variables hold; None for None. Raises WrongUsage (no-key, no-key-name)."""
    keys: list[str | None] = []
    for name in variables:
        key = os.environ.get(name) if name else None
        if name and not key:
            raise (
                WrongUsage("no-key", place, got=name) if VARIABLE.fullmatch(name) else WrongUsage("no-key-name", place)
            )
        keys.append(key)
    return keys


def read_given(path: Path) -> bytes:
    """The bytes of a file that somebody named. Raises WrongUsage (no-such-file, is-a-folder), CannotTell (no-permission, disk-fault)."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise unreadable(error, path) from error


def read_given_text(path: Path) -> str:
    """The same as UTF-8 text without white space around it; WrongUsage (not-text)."""
    try:
        return read_given(path).decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise WrongUsage("not-text", str(path), got=error.start) from error


def read_recipe(path: Path) -> str:
    """How a model's safeguards were taken off, as its descriptor will say (P-12); WrongUsage (recipe-empty), (not-text)."""
    if not (text := read_given_text(path)):
        raise WrongUsage("recipe-empty", "--recipe", got=str(path))
    return text


def unreadable(error: OSError | ValueError, path: Path) -> DetenteError:
    """What to tell of a file that could not be opened or read."""
    number = error.errno if isinstance(error, OSError) else errno.ENOENT
    if number == errno.EISDIR:
        return WrongUsage("is-a-folder", str(path))
    if number in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}:
        return WrongUsage("no-such-file", str(path))
    if number in {errno.EACCES, errno.EPERM}:
        return CannotTell("no-permission", str(path))
    return CannotTell("disk-fault", str(path), got=errno.errorcode.get(number or 0, number))


def write_given(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file that somebody named, whole or not at all, over an older one. Raises as ``check_target``, and OSError."""
    check_target(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.tmp")
    try:
        with half.open("xb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except BaseException as error:
        half.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def check_target(path: Path, *, folder: bool = False) -> None:
    """Refuse early where something else lies: WrongUsage (not-a-folder, not-a-file)."""
    above = [*([path] if folder else []), *path.parents]
    there = next((one for one in above if one.exists()), path.parent)
    if there.exists() and not there.is_dir():
        raise WrongUsage("not-a-folder", str(there))
    if not folder and (path.is_dir() or path.is_symlink()):
        raise WrongUsage("not-a-file", str(path))


def read_hex(folder: Folder, path: str, code: str) -> str:
    """64 hex digits of the desk's own making; CannotTell (``code``) if they are gone or damaged."""
    text = folder.read(path).decode("ascii", "replace").strip() if folder.exists(path) else ""
    if len(text) != 64 or any(c not in "0123456789abcdef" for c in text):
        raise CannotTell(code, folder.place(path))
    return text
