# SPDX-License-Identifier: Apache-2.0
"""A folder of files that are written once: read, create, swap if unchanged, drop, list (L-4, L-5).

Nothing here follows a link, and nothing is ever half written: bytes go to a temporary file in the
same folder, to the disk, and only then to their name; then the folder itself goes to the disk.
(fsync(2), rename(2); "All File Systems Are Not Created Equal", OSDI 2014.) A folder that a person
synchronises may hold anything, so what is found in it is judged, never trusted.
"""

import contextlib
import errno
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from detente.errors import CannotTell, NotVerified

_STEP = "V-2"
# A backslash, a colon, or a character of Unicode's categories Cc (control) and Cs (half of a surrogate pair).
_ODD = re.compile(r"[\\:\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_ABSENT = {errno.ENOENT, errno.ENOTDIR}
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class Folder:
    """One folder and everything under it; paths are relative, with ``/`` between their parts."""

    def __init__(self, root: Path, name: str = "", outer: Path | None = None) -> None:
        """``name`` is how messages call the folder (by default the path as given); links are refused below ``outer``.

        What leads to ``outer`` (by default ``root``) is the user's own and may be a link.
        """
        self.root = root
        self.name = name or str(root)
        self._outer = outer or root
        self._inner = root.relative_to(self._outer).parts

    def place(self, path: str) -> str:
        """``path`` as a message names it."""
        return f"{self.name}/{path}" if path else self.name

    def sub(self, path: str) -> "Folder":
        """The folder ``path`` inside this one; it need not exist. No link on the way to it is followed either."""
        return Folder(self.root / self._parts(path), self.place(path), self._outer)

    def exists(self, path: str) -> bool:
        """Whether there is a plain file of that name. Raises NotVerified ``L-4.link`` for a link or a device."""
        try:
            return self._is_file(path)
        except OSError as error:
            raise self._trouble(error, path) from None

    def read(self, path: str, at_most: int | None = None) -> bytes:
        """The file's bytes, the first ``at_most`` of them if given.

        Raises CannotTell ``file-missing``, ``no-permission``, ``disk-fault``; NotVerified
        ``L-4.link`` if it is a link, or lies behind one, or is no plain file.
        """
        try:
            with self._opened(path) as file:
                return file.read(-1 if at_most is None else at_most)
        except OSError as error:
            raise self._trouble(error, path) from None

    def pieces(self, path: str, size: int = 1 << 16) -> Iterator[bytes]:
        """The file's bytes, ``size`` at a time, for a file too large to hold. Raises as ``read`` does."""
        try:
            with self._opened(path) as file:
                while piece := file.read(size):
                    yield piece
        except OSError as error:
            raise self._trouble(error, path) from None

    def names(self, prefix: str = "") -> list[str]:
        """All files under the folder ``prefix``, sorted, relative to this folder; none if it does not exist.

        Raises NotVerified ``L-4.link`` for a link or a device, ``L-4.name`` for a name with a
        control character, a backslash or a colon, or one that is not UTF-8.
        """
        found: list[str] = []
        try:
            folders = [prefix] if self._is_folder(prefix) else []
            while folders:
                self._list(folders.pop(), folders, found)
        except OSError as error:
            raise self._trouble(error, self._named(error) or prefix) from None
        return sorted(found)

    def create(self, path: str, raw: bytes) -> bool:
        """Write a file that will never change; True if it is new, False if these very bytes were there.

        Raises NotVerified ``L-5.changed`` if other bytes are there; CannotTell ``disk-full``,
        ``no-permission``, ``disk-fault``.
        """
        if self.exists(path):
            if self.read(path) != raw:
                raise NotVerified("L-5.changed", self.place(path), step=_STEP)
            return False
        self._write(path, raw)
        return True

    def create_from(self, path: str, pieces: Iterable[bytes]) -> bool:
        """``create`` of a file that comes in pieces and is never whole in memory; the pieces are taken either way, once."""
        if not self.exists(path):
            self._write(path, pieces)
            return True
        try:
            with (self.root / path).open("rb") as file:
                same = True
                for piece in pieces:  # all of them, also after a wrong one: whoever makes them counts
                    same = file.read(len(piece)) == piece and same
                same = same and not file.read(1)
        except OSError as error:
            raise self._trouble(error, path) from None
        if not same:
            raise NotVerified("L-5.changed", self.place(path), step=_STEP)
        return False

    def create_all(self, files: Mapping[str, bytes]) -> None:
        """``create`` each of ``files`` in order; their folders go to the disk once, at the end."""
        for path, raw in files.items():
            if self.exists(path):
                self.create(path, raw)
            else:
                self._write(path, raw, sync=False)
        try:
            for folder in {(self.root / path).parent for path in files}:
                _sync_folder(folder)
        except OSError as error:
            raise self._trouble(error, "") from None

    def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        """Replace a file that still holds ``old`` (None: is not there); CannotTell ``file-moved-on`` if it does not."""
        there = self.read(path) if self.exists(path) else None
        if there != old:
            raise CannotTell("file-moved-on", self.place(path))
        if there != new:
            self._write(path, new)

    def drop(self, path: str, *, sync: bool = True) -> None:
        """Remove a file, for good; nothing happens if it is not there. Without ``sync`` it may come back after a power cut."""
        try:
            if self._is_file(path):
                (self.root / path).unlink()
                if sync:
                    _sync_folder((self.root / path).parent)
        except OSError as error:
            raise self._trouble(error, path) from None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else holds the folder meanwhile; CannotTell ``folder-busy`` at once if somebody does.

        Made of an advisory lock on the folder itself, so a crash leaves nothing behind. On
        Windows there is no such lock, and two commands at one time are the user's affair.
        """
        try:
            self._make_folder(self.root)
            handle = os.open(self.root, os.O_RDONLY) if sys.platform != "win32" else None
        except OSError as error:
            raise self._trouble(error, "") from None
        try:
            if handle is not None and not _lock(handle):
                raise CannotTell("folder-busy", self.place(""))
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def _list(self, prefix: str, folders: list[str], files: list[str]) -> None:
        try:
            entries = list(os.scandir(self.root / prefix))
        except FileNotFoundError:
            return
        for entry in entries:
            path = f"{prefix}/{entry.name}" if prefix else entry.name
            if _ODD.search(entry.name):
                raise NotVerified("L-4.name", self.place(path), step=_STEP)
            try:
                mode = entry.stat(follow_symlinks=False).st_mode
            except FileNotFoundError:
                continue  # somebody who writes here just now gave it its name
            if stat.S_ISDIR(mode):
                folders.append(path)
            elif stat.S_ISREG(mode):
                files.append(path)
            else:
                raise NotVerified("L-4.link", self.place(path), step=_STEP)

    def _parts(self, path: str) -> str:
        """``path``, if no part of it leads out of the folder or hides what it is."""
        if _ODD.search(path) or not {"", ".", ".."}.isdisjoint(path.split("/")):
            raise NotVerified("L-4.name", self.place(path), step=_STEP)
        return path

    def _opened(self, path: str) -> BinaryIO:
        if not self._is_file(path):
            raise CannotTell("file-missing", self.place(path))
        return os.fdopen(os.open(self.root / path, os.O_RDONLY | _NO_FOLLOW | _BINARY), "rb")

    def _is_file(self, path: str) -> bool:
        mode = self._mode(path)
        if mode is None:
            return False
        if not stat.S_ISREG(mode):
            raise NotVerified("L-4.link", self.place(path), step=_STEP)
        return True

    def _is_folder(self, path: str) -> bool:
        mode = self._mode(path)
        if mode is None:
            return False
        if not stat.S_ISDIR(mode):
            raise NotVerified("L-4.link", self.place(path), step=_STEP)
        return True

    def _mode(self, path: str) -> int | None:
        """What lies at ``path``, None if nothing; every folder on the way must be a real one."""
        here, mode = str(self._outer), stat.S_IFDIR
        for part in (*self._inner, *(self._parts(path).split("/") if path else ())):
            if not stat.S_ISDIR(mode):
                raise NotVerified("L-4.link", self.place(path), step=_STEP)
            here = f"{here}/{part}"
            try:
                mode = os.lstat(here).st_mode
            except OSError as error:
                if error.errno in _ABSENT:
                    return None
                raise
        return mode

    def _write(self, path: str, raw: bytes | Iterable[bytes], *, sync: bool = True) -> None:
        target = self.root / self._parts(path)
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
        try:
            self._make_folder(target.parent)
            try:
                with temporary.open("xb") as file:
                    for piece in [raw] if isinstance(raw, bytes) else raw:
                        file.write(piece)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            if sync:
                _sync_folder(target.parent)
        except OSError as error:
            raise self._trouble(error, path) from None

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)

    def _named(self, error: OSError) -> str:
        """The path that a fault is about, if it is one of this folder's."""
        name = Path(error.filename) if isinstance(error.filename, str) else self.root
        return name.relative_to(self.root).as_posix() if self.root in name.parents else ""

    def _trouble(self, error: OSError, path: str) -> CannotTell:
        number = error.errno or 0
        code = "disk-fault"
        if number in _ABSENT:
            code = "file-missing"
        elif number in _FULL:
            code = "disk-full"
        elif number in _FORBIDDEN:
            code = "no-permission"
        return CannotTell(code, self.place(path), got=errno.errorcode.get(number, str(number)))


def is_leftover(path: str) -> bool:
    """Whether this is a temporary file of ``Folder`` that a crash kept from its name."""
    return _TEMPORARY.fullmatch(path.rpartition("/")[2]) is not None


def meant_for(leftover: str) -> str:
    """The path that a leftover was on its way to."""
    above, slash, name = leftover.rpartition("/")
    return above + slash + name[1:].rsplit(".", 2)[0]


def _sync_folder(folder: Path) -> None:
    if sys.platform != "win32":  # NTFS keeps its own order of names; a folder cannot be opened there
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _lock(handle: int) -> bool:
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
