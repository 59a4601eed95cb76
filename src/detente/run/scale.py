# SPDX-License-Identifier: Apache-2.0
"""A model that is asked on a Ray cluster: worker processes answer, and nothing but the asking is done there (R-9).

To the engine it is one model. The driver's engine decides every fault, keeps the one journal, makes every
salt; a worker gets questions and sends replies. So the run key never travels, a killed worker costs what it
had in flight, a killed driver goes on from its journal, and the records are those of a single machine.

Questions are dealt to whichever worker has the fewest, in batches; each has at most ``each`` in flight, so
what the driver holds grows with the workers, not with the run. Ray is an extra; every node has this program
itself, of the same bytes, and the variable with the endpoint's key in its own environment.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from detente.errors import CannotTell, DetenteError, WrongUsage
from detente.run.model import key_variables, load_models
from detente.run.reply import Kind, Model, ModelFault, Prompt, Reply, Sampling, begins
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256

GATHER_S = 0.002
"""How long questions or replies are gathered before they travel together."""
READY_S = 600.0  # until the first worker has its model: a large one takes minutes to load
ALONE_S = 60.0  # how long one question waits for a worker that is free before that is a fault
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0  # before a lost worker is started anew
CALLS = 64  # of one worker at once: batches on their way
KNOWN = {kind.__name__: kind for kind in (WrongUsage, CannotTell)}


class Route(NamedTuple):
    """How a model is reached wherever it is asked: its specs, a system prompt, and the names of the variables with its keys."""

    specs: tuple[str, ...]
    system: str | None
    variables: tuple[str, ...]  # none: each provider's usual one
    recipe: str | None = None  # how its safeguards were taken off, as its descriptor says (P-12)


class Crew(NamedTuple):
    """The workers: on which cluster (HOST:PORT or ``auto``), how many, what each asks at once, and its GPUs."""

    address: str
    workers: int
    each: int
    gpus: int = 0


class Hello(NamedTuple):
    """What a worker says of itself: its model's descriptor (JCS), the digest of its program, whether it takes begun answers."""

    descriptor: bytes
    code: str
    host: str
    begins: bool = False


class Refused(NamedTuple):
    """An error of ours on its way home; exceptions of ours do not travel well."""

    kind: str
    code: str
    place: str
    expected: str | None
    got: str | None
    fields: dict[str, str]


class Fault(NamedTuple):
    """A ``ModelFault`` on its way home."""

    kind: Kind
    reason: str
    retry_after_s: float | None


Said = Reply | Fault | Refused


def open_model(route: Route, slots: int, host: str) -> Model:
    """The model that a route leads to, with the keys that this machine's environment holds; WrongUsage (no-key-here)."""
    names = key_variables(route.specs, route.variables)
    keys = [os.environ.get(name) if name else None for name in names]
    for name, key in zip(names, keys, strict=True):
        if name and not key:
            raise WrongUsage("no-key-here", host, got=name)
    return load_models(route.specs, system=route.system, keys=keys, slots=slots, recipe=route.recipe)


class Worker:
    """One process of the cluster: it loads the model and answers; it has no run key, no journal and no say in faults."""

    def __init__(self, route: Route, slots: int, code: Callable[[], str]) -> None:
        self.route, self.slots, self.code = route, slots, code
        self.model: Model | None = None
        self.said: list[tuple[int, Said]] = []
        self.some = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()

    async def hello(self) -> Hello | Refused:
        """Load the model, once, and say which it is."""
        host = socket.gethostname()
        try:
            if self.model is None:
                self.model = open_model(self.route, self.slots, host)
            return Hello(encode(self.model.describe()), self.code(), host, begins(self.model))
        except DetenteError as error:
            return refuse(error, host)

    async def ask(self, batch: list[tuple[int, Prompt]], sampling: Sampling) -> None:
        """Begin to answer; the replies are fetched with ``take``."""
        for ticket, prompt in batch:
            task = asyncio.ensure_future(self._answer(ticket, prompt, sampling))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def take(self) -> list[tuple[int, Said]]:
        """Whatever has been said since; waits until there is something."""
        await self.some.wait()
        await asyncio.sleep(GATHER_S)
        taken, self.said = self.said, []
        self.some.clear()
        return taken

    async def _answer(self, ticket: int, prompt: Prompt, sampling: Sampling) -> None:
        said: Said
        try:
            assert self.model is not None
            said = await self.model.generate(prompt, sampling)
        except ModelFault as fault:
            said = Fault(fault.kind, fault.reason, fault.retry_after_s)
        except DetenteError as error:
            said = refuse(error, socket.gethostname())
        except Exception as error:
            said = refuse(CannotTell("ray-worker", got=type(error).__name__), socket.gethostname())
        self.said.append((ticket, said))
        self.some.set()


def refuse(error: DetenteError, host: str) -> Refused:
    """An error of ours as plain values, its place on ``host``."""
    expected, got = (None if value is None else str(value) for value in (error.expected, error.got))
    fields = {name: str(value) for name, value in error.fields.items()}
    place = f"{host}: {error.place}" if error.place else host
    kind = "CannotTell" if isinstance(error, CannotTell) else "WrongUsage"
    return Refused(kind, error.code, place, expected, got, fields)


def _raised(refused: Refused) -> DetenteError:
    kind, code, place, expected, got, fields = refused
    return KNOWN[kind](code, place, expected=expected, got=got, **fields)


class Seat:
    """A live worker as the driver sees it: what it was given and has not answered."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.pending: dict[int, asyncio.Future[Reply]] = {}
        self.batch: list[tuple[int, Prompt]] = []

    def settle(self, ticket: int, said: Said) -> None:
        """Hand a reply to whoever waits for it; nobody may, by now."""
        future = self.pending.get(ticket)
        if future is None or future.done():
            return
        if isinstance(said, Reply):
            future.set_result(said)
        elif isinstance(said, Fault):
            future.set_exception(ModelFault(said.kind, said.reason, retry_after_s=said.retry_after_s))
        else:
            future.set_exception(_raised(said))

    def lose(self) -> None:
        """The worker is gone: the engine is told for each question, and asks again."""
        for future in self.pending.values():
            if not future.done():
                future.set_exception(ModelFault("reset", "worker-lost"))


class Cluster:
    """The workers of a crew as one model (``run.reply.Model``). ``shut`` it in the end, whatever happened.

    ``code`` gives the digest of the program's files, here and there: a node with another program is refused.
    Raises WrongUsage (extra-missing, other-code, workers-differ, and what a worker's model raises), CannotTell
    (ray-unreachable, ray-no-worker, ray-worker).
    """

    def __init__(self, crew: Crew, route: Route, code: Callable[[], str]) -> None:
        self.crew, self.route, self.code = crew, route, code
        self.place = f"ray {crew.address}"
        self._ray = _connect(crew.address)
        self.begins = False  # until the first worker is heard
        self._descriptor: bytes | None = None
        self._fresh = [self._start() for _ in range(crew.workers)]
        self._keepers: list[asyncio.Task[None]] = []
        self._seats: list[Seat] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._tickets = itertools.count()
        self._error: DetenteError | None = None

    def describe(self) -> dict[str, Any]:
        """The descriptor of the first worker that is ready; every later one must have the same."""
        if self._descriptor is None:
            hello = self._first_hello()
            self._descriptor, self.begins = hello.descriptor, hello.begins
        found: dict[str, Any] = decode(self._descriptor)
        return found

    def _first_hello(self) -> Hello:
        ray, until = self._ray, time.monotonic() + READY_S
        asked = [actor.hello.remote() for actor in self._fresh]
        trouble = ""
        while asked and time.monotonic() < until:
            ready, asked = ray.wait(asked, num_returns=1, timeout=max(0.0, until - time.monotonic()))
            for ref in ready:
                try:
                    return self._check(ray.get(ref))
                except ray.exceptions.RayError as error:
                    trouble = _first_line(error)
        if trouble:
            raise CannotTell("ray-worker", self.place, got=trouble)
        raise CannotTell("ray-no-worker", self.place, expected=self.crew.workers, got=0)

    def _check(self, hello: Hello | Refused) -> Hello:
        """A worker fit to answer: our program, and the model of the others."""
        if isinstance(hello, Refused):
            raise _raised(hello)
        if hello.code != self.code():
            raise WrongUsage("other-code", hello.host, expected=self.code(), got=hello.code)
        if self._descriptor not in {None, hello.descriptor}:
            expected = sha256(self._descriptor or b"")
            raise WrongUsage("workers-differ", hello.host, expected=expected, got=sha256(hello.descriptor))
        return hello

    def _start(self) -> Any:
        options = {"num_cpus": 1, "num_gpus": self.crew.gpus, "max_concurrency": CALLS, "max_restarts": 0}
        return self._ray.remote(Worker).options(**options).remote(self.route, self.crew.each, self.code)

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Reply:
        """The reply of some worker; ModelFault of its model, or ``worker-lost`` or ``no-worker``."""
        if not self._keepers:
            self.describe()
            self._keepers = [asyncio.ensure_future(self._keep(actor)) for actor in self._fresh]
        seat = await self._seat()
        ticket, future = next(self._tickets), asyncio.get_running_loop().create_future()
        seat.pending[ticket] = future
        if not seat.batch:
            asyncio.get_running_loop().call_later(GATHER_S, self._send, seat, sampling)
        seat.batch.append((ticket, prompt._replace(reference=None)))
        try:
            reply: Reply = await future
        finally:
            del seat.pending[ticket]
            self._wake()
        return reply

    def _send(self, seat: Seat, sampling: Sampling) -> None:
        batch, seat.batch = seat.batch, []
        if seat in self._seats:
            seat.actor.ask.remote(batch, sampling)

    async def _seat(self) -> Seat:
        """The live worker with the fewest questions, as soon as one has room."""
        until = time.monotonic() + ALONE_S
        while True:
            if self._error is not None:
                raise self._error
            if self._seats:
                seat = min(self._seats, key=lambda one: len(one.pending))
                if len(seat.pending) < self.crew.each:
                    return seat
                until = time.monotonic() + ALONE_S  # somebody works
            if time.monotonic() > until:
                raise ModelFault("unavailable", "no-worker")
            room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(room)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(room, ALONE_S)

    def _wake(self, *, everybody: bool = False) -> None:
        while self._waiting:
            room = self._waiting.popleft()
            if not room.done():
                room.set_result(None)
                if not everybody:
                    return

    async def _keep(self, actor: Any) -> None:
        """One worker's place: fetch its replies, and when it dies start another."""
        pause_s = FIRST_PAUSE_S
        while self._error is None:
            seat = Seat(actor)
            try:
                self._check(await actor.hello.remote())
                pause_s = FIRST_PAUSE_S
                self._seats.append(seat)
                self._wake(everybody=True)
                while True:
                    for ticket, said in await actor.take.remote():
                        seat.settle(ticket, said)
            except self._ray.exceptions.RayError:
                pass
            except DetenteError as error:
                self._error = error
            except Exception as error:  # a bug must not leave the run waiting for a worker
                self._error = CannotTell("ray-worker", self.place, got=_first_line(error))
            finally:
                if seat in self._seats:
                    self._seats.remove(seat)
                seat.lose()
                self._wake(everybody=True)
                with contextlib.suppress(self._ray.exceptions.RayError):
                    self._ray.kill(actor)
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
            actor = self._start()

    async def alive(self) -> bool:
        """Whether any worker is there to answer; one that is just being started anew is waited for."""
        with contextlib.suppress(ModelFault):
            await self._seat()
        return bool(self._seats)

    async def close(self) -> None:
        """Let the workers go."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self.shut()

    def shut(self) -> None:
        """Leave the cluster; it ends the workers that are left."""
        self._ray.shutdown()


def _connect(address: str) -> Any:
    """Ray, connected to a cluster that is there already; none is ever started, and nothing is told to anybody."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
    except ModuleNotFoundError as error:
        raise WrongUsage("extra-missing", "--ray", got=error.name, extra="ray") from error
    host, _, port = address.rpartition(":")
    try:
        if host and port.isdigit():  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        # Ray prints what it hears of dead workers to stdout, and has no setting against it; stdout is for data.
        vars(sys.modules["ray._private.worker"])["print_to_stdstream"] = lambda *_, **__: None
    except (OSError, RuntimeError, ValueError) as error:
        raise CannotTell("ray-unreachable", address, got=_first_line(error)) from error
    return ray


def _first_line(error: BaseException) -> str:
    """The line of an error of Ray's that says what happened: the last of a worker's traceback, else the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    ends = [line for line in lines if line.split(":")[0].endswith(("Error", "Exception"))]
    return (ends or lines or [type(error).__name__])[-1 if ends else 0][:300]
