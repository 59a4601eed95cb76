# SPDX-License-Identifier: Apache-2.0
"""The loop that asks every slot once: many at a time, again where a fault can be mended, never twice where there is an answer.

What happens to a fault is decided here, by its kind alone:

1. ``FATAL`` kinds (key, model, account, certificate) stop the run at once; nothing is lost, the same command goes on.
2. A request that does not fit is not asked again. It is *held*: written as failed at the next good reply, and
   never written if there is none. So a wrong setting does not use up a registered run.
3. Everything else is asked again, with growing waits, ``attempts`` times; a rate limit counts apart, and its
   Retry-After holds everybody back.
4. A slot is *failed* only where the endpoint answered others in between, again and again. As long as nobody is
   answered it is the endpoint that is down, not the slot: some slots are set aside, the rest waits, and after
   ``patience_s`` the run stops (CannotTell). So a proxy that dies for ten minutes costs ten minutes, not samples.
5. When no other slot is left to compare with, an endpoint that said something, or that is alive when asked, is believed.

``filtered`` is an outcome, not a fault, and is never asked again. Every attempt goes to the trace.
"""

import asyncio
import contextlib
import random
import signal
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar, runtime_checkable

from detente.errors import CannotTell, WrongUsage
from detente.run.cost import Price, Purse, guess_tokens
from detente.run.journal import Journal, Outcomes, trace_row
from detente.run.pace import PUSHES, Allowance, Pace
from detente.run.reply import (
    FATAL,
    Message,
    Model,
    ModelFault,
    Prompt,
    Reply,
    Sampling,
    check_begins,
    without_begun,
)

if TYPE_CHECKING:  # a rehearsal needs no log and does not pay for its cryptography
    from detente.tlog.witness import Receipt

T = TypeVar("T")
# The endpoint was reached and said something: may be this slot's own trouble.
ANSWERED = frozenset({"server", "garbage", "empty", "raised"})
HELD = 16
"""So many slots in a row without any good reply (and twice as many as are asked at once) are not their own fault."""
AT_FIRST = 2  # the same as long as nobody was answered at all
TOLD_S = 0.1
SETTLED = -1.0
CODES = {
    "refused-key": "key-refused",
    "forbidden": "key-refused",
    "not-found": "model-not-found",
    "quota": "quota-used-up",
    "certificate": "endpoint-certificate",
    "rate-limit": "endpoint-rate-limit",
    "garbage": "endpoint-garbage",
    "empty": "endpoint-garbage",
    "refused-request": "endpoint-refuses",
    "raised": "model-raised",
}


Cell = tuple[str, str]
"""A language and a hazard."""


class Limits(NamedTuple):
    """How much patience there is (times in seconds), how much a minute, and how much money.

    ``give_up``: what fails ``attempts`` times is failed, whoever's fault. ``budget`` is in the currency of ``price``.
    ``longest_s``: after so long nothing new is asked, as after Ctrl-C; the same command goes on.
    """

    attempts: int = 6
    rate_limited: int = 100
    first_wait_s: float = 0.5
    longest_wait_s: float = 15.0
    patience_s: float = 900.0
    give_up: bool = False
    allowance: Allowance = Allowance()
    price: Price | None = None
    budget: float | None = None
    longest_s: float | None = None


class Progress(NamedTuple):
    """How far a run is. ``total`` is None for a stream of unknown length; ``by_cell`` counts slots that have ended, by language and hazard.

    ``of_cell`` says of how many, where the prompts know (a method ``cells``).

    ``tokens`` are those of questions and answers, ``spent`` their price in ``currency``: where there is one, both with
    what earlier processes of the same run used; ``in_flight`` is how many are asked now, ``places`` how many may be at once.
    ``stopping``: no more is asked, and what is in flight is waited for.
    """

    done: int
    total: int | None
    outcomes: Outcomes
    rate_per_s: float
    by_cell: Mapping[Cell, int]
    of_cell: Mapping[Cell, int]
    faults: Mapping[str, int]
    in_flight: int
    tokens: int
    places: int
    spent: float | None
    currency: str
    stopping: bool = False

    @property
    def by_lang(self) -> dict[str, int]:
        """Slots that have ended, by language."""
        found: dict[str, int] = {}
        for (lang, _), n in self.by_cell.items():
            found[lang] = found.get(lang, 0) + n
        return found


@runtime_checkable
class Celled(Protocol):
    """Prompts that know how many of them there are of each language and hazard."""

    def cells(self) -> Mapping[Cell, int]:
        """The number of slots by language and hazard."""
        ...


async def answer(
    prompts: Iterable[Prompt],
    model: Model,
    journal: Journal,
    *,
    receipt: "Receipt",
    sampling: Sampling,
    concurrency: int,
    progress: Callable[[Progress], None] | None = None,
    limits: Limits = Limits(),  # noqa: B008  # a tuple
) -> Outcomes:
    """Ask every slot of a registered run that the journal does not have; the run's outcomes so far.

    It cannot be called without a ``receipt``: registered, and what others saw of it in hand (R-1,
    R-4). After Ctrl-C it finishes what is in flight and returns; whoever needs the run complete
    compares ``len(journal)`` with the slots. Raises CannotTell where the model is out of reach.
    """
    if len(receipt.run) != 64:
        raise WrongUsage("R-4.receipt", got=receipt.run)
    return await Loop(model, journal, sampling, limits, progress).run(prompts, concurrency, receipt.run)


async def rehearse(
    prompts: Iterable[Prompt],
    model: Model,
    journal: Journal,
    *,
    sampling: Sampling,
    concurrency: int,
    progress: Callable[[Progress], None] | None = None,
    limits: Limits = Limits(),  # noqa: B008  # a tuple
    answered: Callable[[Prompt, Reply], None] | None = None,
) -> Outcomes:
    """The same without a registration, for a lab's own use: it has no facts and enters no joint number (F-8).

    ``answered`` is told every reply once it is in the journal, while others are waited for.
    """
    loop = Loop(model, journal, sampling, limits, progress)
    loop.answered = answered
    return await loop.run(prompts, concurrency, None)


def drive(work: Coroutine[object, object, T]) -> T:
    """Run ``work`` to its end on uvloop where it is installed (extra ``run``), else on asyncio's own loop: same answers, more CPU."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(work)
    return uvloop.run(work)


class Loop:
    """One run of the loop: what is common to all workers."""

    def __init__(
        self,
        model: Model,
        journal: Journal,
        sampling: Sampling,
        limits: Limits,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.model, self.journal, self.sampling, self.limits = model, journal, sampling, limits
        self.progress = progress
        self.answered: Callable[[Prompt, Reply], None] | None = None
        self.stopping = asyncio.Event()
        self.error: BaseException | None = None
        self.began_at = time.monotonic()
        self.good_at = 0.0  # when the last good reply came; 0: none yet in this process
        self.pace = Pace(1, limits.allowance)
        self.purse = Purse(limits.price, limits.budget)
        self.broke = False
        self.held: list[tuple[Prompt, Reply, str]] = []
        self.aside: deque[tuple[Prompt, float]] = deque()  # to be asked again at the end, and since when
        self.exhausted = False
        self.by_cell: dict[Cell, int] = {}
        self.of_cell: Mapping[Cell, int] = {}
        self.faults: dict[str, int] = {}
        self.most_held = HELD
        self.here = 0
        self.told_at = 0.0
        self.total: int | None = None

    async def run(self, prompts: Iterable[Prompt], concurrency: int, run: str | None) -> Outcomes:
        """Start ``concurrency`` workers over one iterator and wait for all of them."""
        self.total = len(prompts) if isinstance(prompts, Sized) else None
        self.of_cell = prompts.cells() if isinstance(prompts, Celled) else {}
        self.journal.note(trace_row(-1, len(self.journal), _now_ms(), 0, "begin", reason=run))
        if self.purse.price is not None:
            self.purse.read(self.journal.folder / "trace.jsonl")
        self.most_held = max(HELD, 2 * concurrency)
        self.pace = Pace(concurrency, self.limits.allowance)
        if self.purse.empty(0):  # by an earlier process: the same command given again and again must not spend more
            self.broke = True
            self.stop()
        queue = iter(prompts)
        workers = [asyncio.ensure_future(self._work(queue)) for _ in range(max(1, concurrency))]
        with Interrupts(self, workers), self._alarm():
            await asyncio.gather(*workers, return_exceptions=True)
        for worker in workers:
            if not worker.cancelled() and worker.exception() is not None and self.error is None:
                self.error = worker.exception()
        if self.error is None and not self.stopping.is_set() and self.held:
            self._judge_held()
        if self.error is None and self.broke and self.journal.outcomes().total() != self.total:
            self.error = self.purse.error(self._where())
        self._tell(now=True)
        self.journal.flush()
        if self.error is not None:
            raise self.error
        return self.journal.outcomes()

    @contextlib.contextmanager
    def _alarm(self) -> Iterator[None]:
        """Stop when the time is up that a person allowed."""
        if self.limits.longest_s is None:
            yield
            return
        alarm = asyncio.get_running_loop().call_later(self.limits.longest_s, self.stop)
        try:
            yield
        finally:
            alarm.cancel()

    async def _work(self, queue: Iterator[Prompt]) -> None:
        while not self.stopping.is_set():
            try:
                prompt, own = self._next(queue)
                if prompt is None:
                    return
                await self._settle(prompt, own)
            except Exception as error:
                if self.error is None:
                    self.error = error
                self.stop()

    def _next(self, queue: Iterator[Prompt]) -> tuple[Prompt | None, int]:
        """The next slot that has not ended, and how many of its failures are known to be its own."""
        journal, by_cell = self.journal, self.by_cell
        for prompt in queue:
            if prompt.i not in journal:
                return prompt, 0
            cell = (prompt.lang, prompt.hazard)
            by_cell[cell] = by_cell.get(cell, 0) + 1
        self.exhausted = True
        if not self.aside:
            return None, 0
        prompt, since = self.aside.popleft()
        return prompt, int(self.good_at > since)

    async def _settle(self, prompt: Prompt, own: int) -> None:
        """Ask one slot until it has ended, is set aside, or the run is to stop."""
        first_at = time.monotonic()
        failed_at = float("inf")
        attempt = limited = 0
        while True:
            attempt += 1
            try:
                reply = await self._attempt(prompt, attempt)
            except ModelFault as fault:
                self.faults[fault.kind] = self.faults.get(fault.kind, 0) + 1
                self._tell()  # nobody is answered while an endpoint is down, and a person wants to see why
                limited += fault.kind == "rate-limit"
                # A failure is the slot's own if somebody else was answered before it failed again.
                own += self.good_at > failed_at
                failed_at = time.monotonic()
                wait_s = self._wait_for(prompt, fault, attempt - limited, limited)
                if wait_s is None:
                    wait_s = await self._weigh(prompt, fault, own, first_at)
                if wait_s < 0 or await self._stopped_within(wait_s):
                    return
            else:
                if reply is None:
                    return
                self.good_at = time.monotonic()
                self._put(prompt, reply)
                while self.held:
                    held, failed, _ = self.held.pop()
                    self._put(held, failed)
                return

    async def _attempt(self, prompt: Prompt, attempt: int) -> Reply | None:
        """Ask once, in a place of its own, and write it into the trace; None where the run is to stop before that."""
        if not await self.pace.enter():
            return None
        pushed = False
        try:
            if not await self._turn():
                return None
            started_ms, began = _now_ms(), time.perf_counter()
            try:
                reply, used = await self._converse(prompt)
            except ModelFault as fault:
                pushed = fault.kind in PUSHES
                self._trace((prompt.i, attempt), started_ms, began, fault.kind, fault.reason, None)
                raise
            self._trace((prompt.i, attempt), started_ms, began, reply.outcome, reply.reason, used)
            return reply
        finally:
            self.pace.leave(pushed=pushed)

    async def _turn(self) -> bool:
        """Wait until a request may start: the allowance, a Retry-After. False where the run is to stop."""
        wait_s = self.pace.turn_s()
        while wait_s > 0:
            if await self._stopped_within(wait_s):
                return False
            wait_s = self.pace.hold_s()
        return True

    async def _converse(self, prompt: Prompt) -> tuple[Reply, tuple[int, int] | None]:
        """One reply, and the tokens of question and answer. Of scripted user turns, asked one after the other, the last reply counts."""
        turns = [n for n, message in enumerate(prompt.messages) if message.role == "user"]
        begun = prompt.begun()
        if begun:
            check_begins(self.model, f"slot {prompt.i}")
        if len(turns) < 2:  # nearly always
            reply = without_begun(await self.model.generate(prompt, self.sampling), begun)
            return within_cap(reply, prompt.chars), self._pay(prompt, reply)
        said, asked, answered = prompt.messages[: turns[0]], 0, 0
        for n, after in zip(turns, [*turns[1:], len(prompt.messages)], strict=True):
            if n != turns[0]:
                await self._turn()  # a conversation that has begun is ended, whatever the run is to do
            turn = prompt._replace(messages=(*said, *prompt.messages[n:after]))
            reply = await self.model.generate(turn, self.sampling)
            used = self._pay(turn, reply)
            if used is not None:
                asked, answered = asked + used[0], answered + used[1]
            if reply.output is None:
                break
            said = (*turn.messages, Message("assistant", reply.output[: prompt.chars]))
        reply = without_begun(reply, begun)
        return within_cap(reply, prompt.chars), (asked, answered) if used is not None else None

    def _pay(self, prompt: Prompt, reply: Reply) -> tuple[int, int] | None:
        """Count the tokens of question and answer; guessed, on the high side, only where a limit hangs on them."""
        limits = self.limits
        asked, said = reply.asked, reply.tokens
        if asked is None or said is None:
            if limits.price is None and limits.allowance.tokens is None:
                if asked is None and said is None:
                    return None
                asked, said = asked or 0, said or 0
            else:
                asked = sum(guess_tokens(message.content) for message in prompt.messages) if asked is None else asked
                said = guess_tokens(reply.output or "") if said is None else said
        self.purse.pay(asked, said)
        self.pace.used(asked + said)
        if self.purse.empty(self.pace.out - 1):
            self.broke = True
            self.stop()
        return asked, said

    def stop(self) -> None:
        """Nothing new is asked; what is in flight comes home."""
        self.stopping.set()
        self.pace.stop()

    def _wait_for(self, prompt: Prompt, fault: ModelFault, counted: int, limited: int) -> float | None:
        """Seconds to wait before asking again; SETTLED; None where the ceiling is reached. Raises to stop the run."""
        limits, now = self.limits, time.monotonic()
        if fault.kind in FATAL and not (fault.kind == "forbidden" and self.good_at):
            raise self._stop(fault)
        if fault.kind in {"refused-request", "forbidden"}:
            self.held.append((prompt, _failed(fault), fault.kind))
            if len(self.held) >= self.most_held:
                raise self._stop(fault)
            return SETTLED
        asked_s = fault.retry_after_s
        if fault.kind == "rate-limit":
            if asked_s is not None:
                self.pace.hold(asked_s)
            if (asked_s or 0) > limits.patience_s or now - max(self.good_at, self.began_at) > limits.patience_s:
                raise self._stop(fault)
            again = limited < limits.rate_limited
            return (asked_s if asked_s is not None else self._backoff(limited)) if again else None
        hopeless = fault.kind == "raised" or (fault.reason == "html" and not self.good_at)
        again = counted < min(limits.attempts, 2 if hopeless else limits.attempts)
        return (asked_s if asked_s is not None else self._backoff(counted)) if again else None

    async def _weigh(self, prompt: Prompt, fault: ModelFault, own: int, first_at: float) -> float:
        """What becomes of a slot that was asked often enough: failed, set aside (both SETTLED), or wait on. Raises to stop the run."""
        limits, now = self.limits, time.monotonic()
        answered = fault.kind in ANSWERED and fault.reason != "html"
        enough = 1 if answered and self.exhausted else min(limits.attempts, 2 if fault.kind == "raised" else 99) - 1
        believed = limits.give_up or own >= enough
        if not believed and self.exhausted and self.good_at:
            believed = answered or await self._alive()
        if believed:
            self._put(prompt, _failed(fault))
            return SETTLED
        if not self.exhausted and len(self.aside) < (self.most_held if self.good_at else AT_FIRST if answered else 0):
            self.aside.append((prompt, time.monotonic()))
            return SETTLED
        nobody_yet = not self.good_at and not self.pace.out
        if nobody_yet or now - max(self.good_at, first_at) > limits.patience_s:
            raise self._stop(fault)
        return self._backoff(limits.attempts)

    async def _alive(self) -> bool:
        """Whether the endpoint says anything at all, if the model knows how to ask."""
        asks = getattr(self.model, "alive", None)
        return asks is not None and bool(await asks())

    def _judge_held(self) -> None:
        """At the end: failed slots with nobody answered since. Believed only if the run has answers at all."""
        if self.journal.outcomes().total() == 0:
            _, failed, kind = self.held[0]
            self.error = CannotTell(CODES.get(kind, "endpoint-down"), self._where(), got=failed.reason)
            return
        for prompt, failed, _ in self.held:
            self._put(prompt, failed)

    def _put(self, prompt: Prompt, reply: Reply) -> None:
        journal = self.journal
        journal.keep(prompt.i, prompt.item, reply, prompt.seed)
        self.here += 1
        cell = (prompt.lang, prompt.hazard)
        self.by_cell[cell] = self.by_cell.get(cell, 0) + 1
        if self.answered is not None:
            self.answered(prompt, reply)
        if self.progress is not None:
            self._tell()

    def _trace(
        self,
        at: tuple[int, int],
        started_ms: int,
        began: float,
        kind: str,
        reason: str | None,
        used: tuple[int, int] | None,
    ) -> None:
        """A row of the private trace; ``at`` is slot and attempt."""
        ms = int((time.perf_counter() - began) * 1000)
        self.journal.note(trace_row(*at, started_ms, ms, kind, reason=reason, used=used))

    def _tell(self, *, now: bool = False) -> None:
        """Report, at most ten times a second."""
        if self.progress is None:
            return
        at = time.monotonic()
        if not now and at - self.told_at < TOLD_S:
            return
        self.told_at = at
        outcomes = self.journal.outcomes()
        rate = self.here / max(at - self.began_at, 1e-3)
        self.progress(
            Progress(
                outcomes.total(),
                self.total,
                outcomes,
                rate,
                dict(self.by_cell),
                self.of_cell,
                dict(self.faults),
                self.pace.out,
                self.purse.asked + self.purse.said,
                self.pace.places,
                self.purse.spent(),
                self.purse.price.currency if self.purse.price is not None else "",
                self.stopping.is_set(),
            )
        )

    def tell_stop(self) -> None:
        """Report at once that no more is asked."""
        self._tell(now=True)

    def _backoff(self, attempt: int) -> float:
        """Seconds before attempt + 1: doubling, with jitter so that workers do not return in step."""
        limits = self.limits
        wait_s = min(limits.longest_wait_s, limits.first_wait_s * 2.0 ** min(attempt - 1, 16))
        return wait_s * random.uniform(0.75, 1.25)  # noqa: S311  # nothing secret about a pause

    async def _stopped_within(self, wait_s: float) -> bool:
        """Sleep, but wake as soon as the run is to stop; whether it is."""
        if wait_s > 0 and not self.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), wait_s)
        return self.stopping.is_set()

    def _stop(self, fault: ModelFault) -> CannotTell:
        return CannotTell(CODES.get(fault.kind, "endpoint-down"), self._where(), got=_told(fault))

    def _where(self) -> str:
        """What an error names: the endpoint's address, a file, a function."""
        return str(getattr(self.model, "place", "") or type(self.model).__name__)


def within_cap(reply: Reply, chars: int) -> Reply:
    """The reply within the plan's cap of code points (C-2): whatever is longer is ``replied`` and ``cut``."""
    if reply.output is None or len(reply.output) <= chars:
        return reply
    return Reply("replied", reply.output[:chars], cut=True, tokens=reply.tokens)


def _failed(fault: ModelFault) -> Reply:
    return Reply("failed", None, reason=fault.reason)


def _told(fault: ModelFault) -> str:
    """What a person is told of a fault; a user's own function may say in its own words what went wrong."""
    if fault.kind == "raised" and fault.__cause__ is not None:
        return f"{fault.reason}: {fault.__cause__}"
    return fault.reason


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Interrupts:
    """Ctrl-C and SIGTERM once: finish what is in flight. Twice: let go of it."""

    def __init__(self, loop: Loop, workers: "Sequence[asyncio.Future[None]]") -> None:
        self.loop, self.workers = loop, workers
        self.caught: list[signal.Signals] = []

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            # Not in the main thread, or a loop without signals: whoever runs us sees to it.
            with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
                asyncio.get_running_loop().add_signal_handler(number, self._stop)
                self.caught.append(number)

    def __exit__(self, *_: object) -> None:
        for number in self.caught:
            asyncio.get_running_loop().remove_signal_handler(number)

    def _stop(self) -> None:
        if self.loop.stopping.is_set():
            for worker in self.workers:
                worker.cancel()
        self.loop.stop()
        self.loop.tell_stop()
