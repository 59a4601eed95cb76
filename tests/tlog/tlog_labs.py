# SPDX-License-Identifier: Apache-2.0
"""Two labs for the tests of this room: their keys, a log that grows, a witness, and disks that fail on request."""

from collections.abc import Callable
from pathlib import Path

from detente.errors import CannotTell
from detente.tlog.folder import Folder
from detente.tlog.log import LogView, append, origin_of
from detente.tlog.witness import Cosigned, Seen, read_notes, witness_log
from detente.wire.keys import SigningKey
from detente.wire.note import verify_note

LOG_KEY = SigningKey(b"l" * 32)
WITNESS_KEY = SigningKey(b"w" * 32)
ORIGIN = origin_of("a.example/detente", LOG_KEY.public)
NAME = "lab-b.example/witness"
NOW = 1_794_560_520


class CountingSigner:
    """A signer that remembers every message, so that a test can see what was signed and how often."""

    def __init__(self, key: SigningKey) -> None:
        self.key = key
        self.messages: list[bytes] = []

    @property
    def public(self) -> str:
        return self.key.public

    def sign(self, message: bytes) -> bytes:
        self.messages.append(message)
        return self.key.sign(message)


class FailingFolder(Folder):
    """A folder whose n-th write, or every one to some path, fails: before it is done, or after (a timeout)."""

    fail_at = -1
    fail_path = "nothing"
    after = False
    writes = 0

    def _failing(self, path: str, write: Callable[[], object]) -> None:
        self.writes += 1
        broken = self.writes == self.fail_at or self.fail_path in path
        if broken and not self.after:
            raise CannotTell("disk-full", "test")
        write()
        if broken:
            raise CannotTell("disk-fault", "test")

    def _write(self, path: str, raw: bytes, *, sync: bool = True) -> None:
        self._failing(path, lambda: super(FailingFolder, self)._write(path, raw, sync=sync))

    def drop(self, path: str, *, sync: bool = True) -> None:
        self._failing(path, lambda: super(FailingFolder, self).drop(path, sync=sync))


class Lab:
    """One lab's log, its desk, and the other lab that watches it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = Folder(root / "exchange/lab-a/log", "lab-a/log")
        self.pending = Folder(root / "desk-a/pending", "desk/pending")
        self.state = Folder(root / "desk-b/state", "desk/state")
        self.mirror = Folder(root / "exchange/lab-b/mirror/log-a", "lab-b/mirror")
        self.signer = CountingSigner(LOG_KEY)
        self.witness_signer = CountingSigner(WITNESS_KEY)

    def add(self, *entries: bytes, seen: tuple[bytes, ...] = ()) -> LogView:
        for entry in entries:
            view = append(self.log, self.pending, entry, self.signer, ORIGIN, seen)
        return view

    def witness(self, now: int = NOW) -> Cosigned:
        return witness_log(self.log, ORIGIN, LOG_KEY.public, NAME, self.witness_signer, self.state, self.mirror, now)

    def notes(self) -> list[Seen]:
        return read_notes(self.mirror, ORIGIN, LOG_KEY.public, {NAME: WITNESS_KEY.public})

    def heads_signed(self) -> list[tuple[int, bytes]]:
        return [(int(message.split(b"\n")[1]), message) for message in self.signer.messages]

    def head(self) -> int:
        return verify_note(self.log.read("checkpoint"), ORIGIN, LOG_KEY.public).size


def entries(n: int) -> list[bytes]:
    return [b'{"entry":%d}' % i for i in range(n)]
