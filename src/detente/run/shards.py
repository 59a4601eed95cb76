# SPDX-License-Identifier: Apache-2.0
"""Shards by hand: slot i belongs to shard i mod N (R-9), is asked wherever there is a machine, and comes home as a journal.

A shard's folder is a journal like any other, and ``head.json`` says of which run. Its bodies are salted under a
key that anybody can derive from the run's id and the shard's number: the run's own key (R-6) stays on the desk,
which salts the replies anew when they come home. That key hides nothing; it only tells one shard's lines from
another's. A task file carries a shard's questions to a machine without the desk: the head, then a question a line.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from math import inf
from pathlib import Path
from typing import Annotated, NamedTuple, Self

from msgspec import Meta, Struct

from detente.errors import CannotTell, Malformed, WrongUsage
from detente.run.engine import Limits, Progress, answer, drive
from detente.run.journal import Journal, Outcomes
from detente.run.pace import Allowance
from detente.run.reply import Message, Model, Prompt, Sampling
from detente.tlog.witness import Receipt
from detente.wire.canonical import NS, Hex, decode_as, encode
from detente.wire.digests import sha256, tagged, u64be

HEAD = "head.json"
TASK = NS + "shard-task/v1"
LINE_LIMIT = 16 * 1024 * 1024  # bytes of one line of a task file
MOST = 4096  # shards of a run

Count = Annotated[int, Meta(ge=0)]


class Shard(NamedTuple):
    """Shard ``k`` of ``n``, counted from 0: the slots whose number leaves ``k`` when divided by ``n``."""

    k: int
    n: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """``2/8``: the third of eight; WrongUsage (shard-name)."""
        k, _, n = text.partition("/")
        fits = all(part.isascii() and part.isdigit() and len(part) < 6 for part in (k, n))
        if not fits or not 0 <= int(k) < int(n) <= MOST:
            raise WrongUsage("shard-name", "--shard", expected=f"0/N .. N-1/N, N <= {MOST}", got=text)
        return cls(int(k), int(n))

    @property
    def name(self) -> str:
        """As a folder is called."""
        return f"{self.k}-of-{self.n}"

    def holds(self, i: int) -> bool:
        """Whether slot i is its own (R-9)."""
        return i % self.n == self.k

    def count(self, slots: int) -> int:
        """How many of a run's slots are its own."""
        return len(range(self.k, slots, self.n))


class Head(Struct, frozen=True, forbid_unknown_fields=True):
    """What a shard is part of. ``descriptor`` is the digest of the model's, ``slots`` counts the whole run's."""

    descriptor: Hex
    k: Count
    n: Count
    plan: Hex
    run: Hex
    slots: Count
    subject: str

    @property
    def shard(self) -> Shard:
        """Which one."""
        return Shard(self.k, self.n)

    def key(self) -> bytes:
        """What the shard's own bodies are salted with: no secret, only a mark (see above)."""
        return tagged("shard", bytes.fromhex(self.run), u64be(self.k), u64be(self.n))


class Task(Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of a task file. Decimals are texts, as in the plan; ``keyEnv`` names variables, never a key.

    ``count`` questions follow, those of the shard that had no answer yet. ``perMinute`` and ``tokensPerMinute`` are this
    shard's part of what the desk allows all of them.
    """

    count: Count
    head: Head
    index: Count
    keyEnv: list[str]  # noqa: N815  # a member's name
    model: list[str]
    notes: list[Hex]
    releases: list[Hex]
    system: str | None
    temperature: str
    topP: str  # noqa: N815
    type: str
    unwitnessed: bool
    perMinute: str | None = None  # noqa: N815
    recipe: str | None = None
    tokensPerMinute: str | None = None  # noqa: N815

    def receipt(self) -> Receipt:
        """What the desk held when it handed the shard out (R-4)."""
        return Receipt(self.head.run, self.index, tuple(self.notes), tuple(self.releases), self.unwitnessed)

    def sampling(self) -> Sampling:
        """The plan's."""
        return Sampling(float(self.temperature), float(self.topP))

    def allowance(self) -> Allowance:
        """What the desk allows this shard a minute; ValueError where that is no number above 0."""
        given = [None if text is None else float(text) for text in (self.perMinute, self.tokensPerMinute)]
        if not all(number is None or 0 < number < inf for number in given):
            raise ValueError
        return Allowance(*given)


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """One slot's line of a task file: a ``Prompt`` without its reference."""

    chars: Count
    epoch: Count
    i: Count
    item: Hex
    lang: str
    messages: list[list[str]]
    seed: Count | None
    tokens: Count


class Share:
    """The questions of one shard, in slot order, without those that are answered already."""

    def __init__(self, prompts: Iterable[Prompt], slots: int, shard: Shard, answered: frozenset[int]) -> None:
        self._prompts, self._slots, self._shard, self._answered = prompts, slots, shard, answered

    def __len__(self) -> int:
        return self._shard.count(self._slots) - sum(map(self._shard.holds, self._answered))

    def __iter__(self) -> Iterator[Prompt]:
        mine = islice(self._prompts, self._shard.k, None, self._shard.n)
        return (prompt for prompt in mine if prompt.i not in self._answered)


class TaskFile:
    """A task file read line by line, as often as asked; ``begins``: some answer in it is begun (S-3).

    Raises CannotTell (shard-cut), Malformed, OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.task = decode_as(next(self._lines()), Task, f"{path}: 1")
        if self.task.type != TASK:
            raise Malformed("shard-file", str(path), expected=TASK, got=self.task.type)
        Shard.parse(f"{self.task.head.k}/{self.task.head.n}")
        try:
            self.task.allowance()
        except ValueError as error:
            raise Malformed("shard-file", f"{path}: 1", got=self.task.perMinute or self.task.tokensPerMinute) from error
        found, self.begins = 0, False  # all of it is read before anything is asked
        for prompt in self:
            found, self.begins = found + 1, self.begins or bool(prompt.begun())
        if found != len(self):
            raise CannotTell("shard-cut", str(path), expected=len(self), got=found)

    def __len__(self) -> int:
        return self.task.count

    def __iter__(self) -> Iterator[Prompt]:
        lines = self._lines()
        next(lines)
        head, last = self.task.head, -1
        for number, line in enumerate(lines, 2):
            row = decode_as(line, Question, f"{self.path}: {number}")
            if not last < row.i < head.slots or not head.shard.holds(row.i) or any(len(m) != 2 for m in row.messages):
                raise Malformed("shard-file", f"{self.path}: {number}", got=row.i)
            last = row.i
            messages = tuple(Message(*message) for message in row.messages)
            yield Prompt(row.i, row.item, row.lang, row.epoch, messages, row.seed, row.chars, row.tokens)

    def _lines(self) -> Iterator[bytes]:
        """Whole lines without their ends."""
        n = 0
        with self.path.open("rb") as file:
            while line := file.readline(LINE_LIMIT):
                if not line.endswith(b"\n"):
                    break
                n += 1
                yield line[:-1]
        if n == 0:
            raise CannotTell("shard-cut", str(self.path), expected=1, got=0)


def write_task(task: Task, prompts: Iterable[Prompt]) -> Iterator[bytes]:
    """The lines of a task file."""
    yield encode(task) + b"\n"
    for one in prompts:
        row = Question(
            chars=one.chars, epoch=one.epoch, i=one.i, item=one.item, lang=one.lang,
            messages=[[message.role, message.content] for message in one.messages], seed=one.seed, tokens=one.tokens,
        )  # fmt: skip
        yield encode(row) + b"\n"


def begin_folder(folder: Path, head: Head, model: Model) -> None:
    """Make a shard's folder, or find the one that was begun.

    WrongUsage (shard-other) where another shard lies there, (P-12.other-model) where the model is not the plan's.
    """
    here = sha256(encode(model.describe()))
    if here != head.descriptor:
        raise WrongUsage("P-12.other-model", f"$.subjects {head.subject}", expected=head.descriptor, got=here)
    path = folder / HEAD
    folder.mkdir(parents=True, exist_ok=True)
    if path.exists():
        if (found := read_head(folder)) != head:
            raise WrongUsage("shard-other", str(folder), expected=_told(head), got=_told(found))
        return
    fresh = folder / f".{HEAD}.tmp"
    fresh.write_bytes(encode(head))
    fresh.replace(path)


def _told(head: Head) -> str:
    return f"{head.run[:16]} {head.k}/{head.n} {head.descriptor[:16]}"


def read_head(folder: Path) -> Head:
    """The head of a shard's folder; CannotTell (shard-none) where none lies, Malformed."""
    try:
        raw = (folder / HEAD).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CannotTell("shard-none", str(folder)) from error
    head = decode_as(raw, Head, str(folder / HEAD))
    Shard.parse(f"{head.k}/{head.n}")
    return head


class Asking(NamedTuple):
    """How a shard is asked."""

    model: Model
    receipt: Receipt
    sampling: Sampling
    concurrency: int
    progress: Callable[[Progress], None] | None = None
    limits: Limits = Limits()
    begun: Callable[[], None] = lambda: None  # told once nobody else can ask


def ask_shard(folder: Path, head: Head, prompts: "Share | TaskFile", how: Asking) -> Outcomes:
    """Ask what the folder, which was begun, has not; the same call goes on after a stop. A shard that is full is left as it is.

    Raises what ``engine.answer`` does, CannotTell (run-stopped).
    """

    async def ask(journal: Journal) -> None:
        try:
            await answer(
                prompts, how.model, journal, receipt=how.receipt, sampling=how.sampling,
                concurrency=how.concurrency, progress=how.progress, limits=how.limits,
            )  # fmt: skip
        finally:
            await how.model.close()

    with Journal(folder, head.key()) as journal:
        how.begun()
        if len(journal) < len(prompts):
            drive(ask(journal))
        if len(journal) < len(prompts):
            raise CannotTell("run-stopped", head.run[:16], expected=len(prompts), got=len(journal))
        return journal.outcomes()
