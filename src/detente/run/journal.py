# SPDX-License-Identifier: Apache-2.0
"""What is done so far: body lines and the trace, append-only, so that a crash loses at most what is in flight.

    bodies.jsonl   one body line (R-8) a slot, in the order the answers came
    trace.jsonl    one line an attempt, private: {"attempt","i","in"?,"kind","ms","out"?,"reason"?,"started"}
    lock           held while a process writes here

A line goes to the page cache at once (``os.pwrite``), so a killed process loses nothing of it;
``fdatasync`` follows in a thread, at most every 50 ms, so a power cut loses at most that much.
Reopening reads the file once, without its texts, into an index of 13 bytes a slot:

1. a last line without its newline is a torn write: it is cut away, its slot is asked again;
2. lines of the last ``TAIL`` bytes are read strictly and must carry their slot's salt (R-6), since a
   power cut may leave blocks that were never written; from the first bad one on the file is cut;
3. anything wrong before that is damage, not a crash: CannotTell, and nothing is touched.

A slot is in the journal once. Whoever puts it twice has a bug, and hears so.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import re
import shutil
import threading
import time
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson
from msgspec import UNSET

from detente.errors import CannotTell, DetenteError, WrongUsage
from detente.evidence.record import BODY_LIMIT, OUTCOMES, Body, Salts, encode_body, parse_body
from detente.run.reply import Reply
from detente.wire.digests import sha256

SYNC_S = 0.05
TAIL = 4 * 1024 * 1024
WINDOW = 256 * 1024  # bytes of the file that a reopening reads at once: few enough to stay in a core's cache
# JCS sorts the members, so what the index needs stands at the front of the line, before any text.
FRONT = re.compile(
    rb'\{(?:"cut":(true),)?"i":(0|[1-9][0-9]{0,15}),"item":"[0-9a-f]{64}","outcome":"(replied|filtered|truncated|failed)",'
)
CUT = len(OUTCOMES)
NONE = 255
WORDS = {word.encode(): code for code, word in enumerate(OUTCOMES)}
FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Outcomes(NamedTuple):
    """How many slots ended how (T-5); ``cut`` is counted inside ``replied``."""

    replied: int = 0
    cut: int = 0
    filtered: int = 0
    truncated: int = 0
    failed: int = 0

    def total(self) -> int:
        """All slots that have ended."""
        return self.replied + self.filtered + self.truncated + self.failed


class Journal:
    """The journal of one run; ``key`` is the run's secret, from which every salt comes (R-6).

    Raises WrongUsage (journal-busy) while another process has it, CannotTell (journal-damaged,
    journal-other, disk-full, no-permission). Close it, or use it in a ``with``.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self.folder = folder
        self.key = key
        self._salts = Salts(key)
        self.torn_bytes = 0
        self._offsets = array("q")
        self._lengths = array("I")
        self._codes = bytearray()
        self._counts = [0] * (CUT + 1)
        self._error: BaseException | None = None
        self._dirty = threading.Event()
        self._closing = threading.Event()
        with Told(str(folder)), contextlib.ExitStack() as opened:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(folder / "lock")
            opened.callback(os.close, self._lock)
            self._bodies = os.open(folder / "bodies.jsonl", FLAGS, 0o600)
            opened.callback(os.close, self._bodies)
            self._trace = os.open(folder / "trace.jsonl", FLAGS, 0o600)
            opened.callback(os.close, self._trace)
            self._end = self._read_bodies()
            self._trace_end = self._mend_trace()
            self._opened = opened.pop_all()
        self._syncer = threading.Thread(target=self._sync_often, name="detente-journal", daemon=True)
        self._syncer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __contains__(self, i: int) -> bool:
        return i < len(self._codes) and self._codes[i] != NONE

    def __len__(self) -> int:
        return sum(self._counts)

    def done(self) -> Iterator[int]:
        """The slots that have ended, ascending."""
        return (i for i, code in enumerate(self._codes) if code != NONE)

    def outcomes(self) -> Outcomes:
        """How they ended."""
        replied, filtered, truncated, failed, cut = self._counts
        return Outcomes(replied + cut, cut, filtered, truncated, failed)

    def put(self, body: Body) -> None:
        """Append one slot's body. When it returns, a crash of this process no longer loses it.

        Raises CannotTell (disk-full, B-9.body): nothing of the line is left in the file.
        """
        i = body.i
        if i in self:
            raise ValueError(f"slot {i} is already in the journal")
        line = encode_body(body)
        if len(line) > BODY_LIMIT:
            raise CannotTell("B-9.body", f"{self._place()}: {i}", expected=BODY_LIMIT, got=len(line))
        self._end = self._append(self._bodies, line + b"\n", self._end, "bodies.jsonl")
        self._index(i, self._end - len(line) - 1, len(line), CUT if body.cut is True else WORDS[body.outcome.encode()])

    def keep(self, i: int, item: str, reply: Reply, seed: int | None) -> None:
        """Put a reply as slot ``i``'s body (R-8), salted with the run's key (R-6); ``seed`` None for an imported answer."""
        self.put(
            Body(
                i=i,
                item=item,
                outcome=reply.outcome,
                output=reply.output,
                salt=self._salts.of(i),
                seed=seed,
                cut=True if reply.cut else UNSET,
                reason=reply.reason if reply.reason is not None else UNSET,
                tokens=reply.tokens if reply.tokens is not None else UNSET,
            )
        )

    def note(self, row: bytes) -> None:
        """Append one line (JCS, without newline) to the private trace."""
        self._trace_end = self._append(self._trace, row + b"\n", self._trace_end, "trace.jsonl")

    def adopt_trace(self, pieces: Iterable[bytes]) -> None:
        """Append whole lines that were written elsewhere, all of them or none, however this process ends."""
        path, fresh = self.folder / "trace.jsonl", self.folder / "trace.jsonl.new"
        with Told(str(path)):
            with path.open("rb") as old, fresh.open("wb") as new:
                shutil.copyfileobj(old, new, WINDOW)
                new.writelines(pieces)
                new.flush()
                os.fsync(new.fileno())
                end = new.tell()
            fresh.replace(path)
            _sync_folder(self.folder)
            descriptor = os.open(path, FLAGS, 0o600)
            os.dup2(descriptor, self._trace, inheritable=False)
            os.close(descriptor)
        self._trace_end = end

    def body_line(self, i: int) -> bytes:
        """The exact body line of slot i, without newline; KeyError if it has not ended."""
        if i not in self:
            raise KeyError(i)
        return os.pread(self._bodies, self._lengths[i], self._offsets[i])

    def place_of(self, i: int) -> tuple[int, int]:
        """Where slot i's body line lies in the file: offset and length in bytes; KeyError if it has not ended."""
        if i not in self:
            raise KeyError(i)
        return self._offsets[i], self._lengths[i]

    def said(self, i: int) -> tuple[str, str | None]:
        """Outcome and text of slot i, read back without the checks of ``bodies``: this process or its like wrote the line."""
        row = orjson.loads(self.body_line(i))
        return row["outcome"], row["output"]

    def bodies(self) -> Iterator[Body]:
        """All bodies in slot order, read one at a time."""
        return (parse_body(self.body_line(i), f"{self._place()}: {i}") for i in self.done())

    def trace_digest(self) -> str:
        """SHA-256 of the trace as it is now (``trace`` of the conclusion, T-5)."""
        self.flush()
        with (self.folder / "trace.jsonl").open("rb") as file:
            if self._trace_end == 0:
                return sha256(b"")
            raw: Any = mmap.mmap(file.fileno(), self._trace_end, access=mmap.ACCESS_READ)
            return sha256(raw)

    def flush(self) -> None:
        """Return when all that was put is on the disk; CannotTell (disk-full) if it cannot be."""
        self._raise_stored()
        with Told(self._place()):
            _sync(self._bodies)
            _sync(self._trace)

    def close(self) -> None:
        """Flush, stop the thread, and let the lock go. Closing twice does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._dirty.set()
        self._syncer.join()
        try:
            if self._error is None:
                self.flush()
        finally:
            self._opened.close()

    def _append(self, descriptor: int, raw: bytes, end: int, name: str) -> int:
        """Write ``raw`` at ``end``, wholly or not at all; where the file ends then."""
        self._raise_stored()
        written = 0
        try:
            while written < len(raw):
                written += os.pwrite(descriptor, raw[written:] if written else raw, end + written)
        except OSError as error:
            self._error = _as_error(error, str(self.folder / name))
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, end)
            raise self._error from error
        if not self._dirty.is_set():  # asking is ten times cheaper than setting
            self._dirty.set()
        return end + len(raw)

    def _index(self, i: int, offset: int, length: int, code: int) -> None:
        if i >= len(self._codes):
            self._grow(i)
        self._offsets[i] = offset
        self._lengths[i] = length
        self._codes[i] = code
        self._counts[code] += 1

    def _grow(self, i: int) -> None:
        """Room for slot i, and some more."""
        more = max(i + 1 - len(self._codes), len(self._codes) // 4, 1024)
        self._offsets.frombytes(bytes(8 * more))
        self._lengths.frombytes(bytes(self._lengths.itemsize * more))
        self._codes.extend(b"\xff" * more)

    def _read_bodies(self) -> int:
        """Fill the index from the file and cut its torn tail away; where the file ends then."""
        size = os.fstat(self._bodies).st_size
        end = self._scan(size)
        if end < size:
            self.torn_bytes = size - end
            os.ftruncate(self._bodies, end)
        return end

    def _scan(self, size: int) -> int:
        """Index line after line; where the last sound one ends. Most of a reopening, so its loop calls nothing of ours."""
        tail = max(0, size - TAIL)
        match, codes_of, place_of = FRONT.match, WORDS, self._place
        offsets, lengths, codes, counts = self._offsets, self._lengths, self._codes, self._counts
        window, begin, at = b"", 0, 0  # some of the file, where it begins, and where in it the next line does
        strict = 0  # where in the window lines begin to be read strictly: at once for the first, then in the tail
        while True:
            stop = window.find(b"\n", at)
            if stop < 0:
                window, begin, at = window[at:], begin + at, 0
                more = os.pread(self._bodies, WINDOW, begin + len(window))
                if not more and len(window) <= BODY_LIMIT:
                    return begin
                if len(window) > BODY_LIMIT:
                    raise CannotTell("journal-damaged", place_of(), got=begin)
                window += more
                strict = tail - begin if begin else 0
                continue
            front = match(window, at, stop)
            if front is None or stop >= strict:
                first = begin + at == 0
                if front is None or not self._is_whole(window[at:stop], first=first):
                    if begin + stop >= tail:
                        return begin + at
                    raise CannotTell("journal-damaged", place_of(), got=begin + at)
                strict = tail - begin
            cut, number, word = front.groups()
            i = int(number)
            if i >= len(codes):
                self._grow(i)  # in place
            elif codes[i] != NONE:
                raise CannotTell("journal-damaged", place_of(), got=begin + at)
            code = codes_of[word] if cut is None else CUT
            offsets[i] = begin + at
            lengths[i] = stop - at
            codes[i] = code
            counts[code] += 1
            at = stop + 1

    def _is_whole(self, line: bytes, *, first: bool) -> bool:
        """Whether a line is a body down to its last byte. A sound one with a foreign salt was not written by this run."""
        try:
            body = parse_body(line)
        except DetenteError:
            return False
        if body.salt != self._salts.of(body.i):
            raise CannotTell("journal-other" if first else "journal-damaged", self._place(), got=body.i)
        return True

    def _mend_trace(self) -> int:
        """Cut a torn last line off the trace; where it ends then."""
        size = os.fstat(self._trace).st_size
        keep = size
        while keep > 0:
            start = max(0, keep - 65_536)
            found = os.pread(self._trace, keep - start, start).rfind(b"\n")
            if found >= 0:
                keep = start + found + 1
                break
            keep = start
        if keep < size:
            os.ftruncate(self._trace, keep)
        return keep

    def _sync_often(self) -> None:
        while not self._closing.is_set():
            self._dirty.wait()
            if self._closing.is_set():
                return
            self._dirty.clear()
            began = time.monotonic()
            try:
                _sync(self._bodies)
                _sync(self._trace)
            except OSError as error:
                # After a failed sync nobody knows what the disk holds: no more is put, reopening decides.
                self._error = _as_error(error, self._place())
                return
            time.sleep(max(0.0, SYNC_S - (time.monotonic() - began)))

    def _raise_stored(self) -> None:
        if self._error is not None:
            raise self._error

    def _place(self) -> str:
        return str(self.folder / "bodies.jsonl")


def read_place(folder: Path, offset: int, length: int) -> bytes:
    """What lies at a place of a journal that nobody writes any more, without opening it; the caller knows what it must be."""
    with Told(str(folder)), (folder / "bodies.jsonl").open("rb") as file:
        file.seek(offset)
        return file.read(length)


def glance(folder: Path) -> Outcomes:
    """How a run stands, from another process while it writes: no lock, nothing changed, a torn last line not counted."""
    counts = dict.fromkeys((*OUTCOMES, "cut"), 0)
    for _, outcome, cut in glances(folder):
        counts[outcome] += 1
        counts["cut"] += cut
    return Outcomes(**counts)


def glances(folder: Path) -> Iterator[tuple[int, str, bool]]:
    """Slot, outcome and whether it was cut of every answer there, as they came; like ``glance`` without a lock."""
    with contextlib.suppress(FileNotFoundError), (folder / "bodies.jsonl").open("rb") as file:
        for line in file:
            front = FRONT.match(line)
            if front and line.endswith(b"\n"):
                yield int(front[2]), front[3].decode(), front[1] is not None


def is_written(folder: Path) -> bool:
    """Whether a process has the journal open now: it holds the lock, which is asked for and let go at once."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def trace_row(
    i: int,
    attempt: int,
    started_ms: int,
    ms: int,
    kind: str,
    *,
    reason: str | None = None,
    used: tuple[int, int] | None = None,
) -> bytes:
    """One attempt as a JCS line: ``started`` in unix milliseconds, how many ``ms`` it took, how it ended.

    ``used``: tokens of question and answer, members ``in`` and ``out``.
    """
    why = b',"reason":"%b"' % reason.encode() if reason is not None else b""
    asked, said = (b',"in":%d' % used[0], b',"out":%d' % used[1]) if used is not None else (b"", b"")
    return b'{"attempt":%d,"i":%d%b,"kind":"%b","ms":%d%b%b,"started":%d}' % (
        attempt, i, asked, kind.encode(), ms, said, why, started_ms,
    )  # fmt: skip


@contextlib.contextmanager
def held_journal(folder: Path) -> Iterator[None]:
    """Keep every other process from the journal without reading it; WrongUsage (journal-busy) while one has it."""
    with Told(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder / "lock")
    try:
        yield
    finally:
        os.close(lock)


def _lock(path: Path) -> int:
    """Take the lock or raise WrongUsage (journal-busy). The kernel lets it go when the process ends, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # may be somebody who only looks (is_written), and is gone in a moment
            time.sleep(SYNC_S)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            raise WrongUsage("journal-busy", str(path.parent)) from error
        raise
    return descriptor


def _sync_folder(folder: Path) -> None:
    """A name in the folder is on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    # macOS has no fdatasync.
    getattr(os, "fdatasync", os.fsync)(descriptor)


def _as_error(error: OSError, place: str) -> CannotTell:
    if error.errno in FULL:
        return CannotTell("disk-full", place)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return CannotTell("no-permission", place)
    return CannotTell("disk-fault", place, got=error.strerror)


class Told:
    """Turn an OSError of a ``with`` block into one that a person can act on."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise _as_error(error, self.place) from error
