# SPDX-License-Identifier: Apache-2.0
"""How fast `detente rehearse` puts questions to an endpoint, as a ratio to clients that do nothing else, in one run.

    python benchmarks/bench_engine.py                          # 2,000 questions, 64 at once
    python benchmarks/bench_engine.py --n 10000 --concurrency 256
    python benchmarks/bench_engine.py --grow 2000 20000 200000 1000000
    python benchmarks/bench_engine.py --start                  # a whole rehearsal of 64 questions

Brings its own endpoint: chat completions on 127.0.0.1, each answered after 20 ms with some 900
bytes that follow from the question. Contenders, each a command of its own from start to end:

    raw         asyncio, one hand-written connection per question in flight: encode, send, decode, compare, write a line
    pyreqwest   the same loop around the HTTP client that detente uses
    detente     `detente rehearse`: the same, and gate, retries, outcomes, salted bodies in a synced journal, a scorer

``--grow`` asks each number of questions once and shows what must not grow: CPU a question beyond the fixed cost (that of 64),
peak memory, bytes of the journal beside those of questions and answers; and how long it takes to open the journal again.

The server has one core and the client another, if there are two. Repetitions take turns and the
median counts. A run counts only if every answer came and was the right one. Needs no network.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple, cast

import orjson

LATENCY_S = 0.020
WORDS = "plan party model record witness language hazard refusal score release public salted proof audit " * 10
Post = Callable[[bytes], Awaitable[bytes]]


# --- the endpoint ------------------------------------------------------------------------------


def reply_to(body: bytes) -> bytes:
    """A chat completion that holds the CRC-32 of the question."""
    question = orjson.loads(body)["messages"][-1]["content"]
    crc = zlib.crc32(question.encode())
    text = f"{WORDS[crc % 64 :][:880]} ANSWER: {crc:08x}"
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 200, "total_tokens": 300}
    return orjson.dumps({"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage})


class Served(asyncio.Protocol):
    """One connection of the endpoint: requests with Content-Length, one at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has come."""
        self.transport, self.buffer = cast("asyncio.Transport", transport), b""

    def data_received(self, data: bytes) -> None:
        """Wait for a whole request, then for the latency."""
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = content_length(head)
        if len(rest) >= length:
            self.buffer = rest[length:]
            asyncio.get_running_loop().call_later(LATENCY_S, self.answer, rest[:length])

    def answer(self, body: bytes) -> None:
        """Send what belongs to this question."""
        said = reply_to(body)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(said)
        if not self.transport.is_closing():
            self.transport.write(head + said)


def content_length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0])


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Served, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until the parent lets go


# --- clients that do nothing else ----------------------------------------------------------------


class Asked(asyncio.Protocol):
    """One connection of the raw client: one question in flight."""

    def __init__(self, host: str) -> None:
        self.host, self.buffer = host.encode(), b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Wait for a whole answer."""
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if found and len(rest) >= content_length(head):
            self.buffer = b""
            self.answer.set_result(rest)

    async def post(self, body: bytes) -> bytes:
        """One question, and the body of its answer."""
        self.answer = asyncio.get_running_loop().create_future()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.transport.write(head % (self.host, len(body)) + body)
        answer: bytes = await self.answer
        return answer


async def ask_all(suite: Path, out: Path, posts: list[Post]) -> None:
    """Every question through the clients given, one loop each; a line per answer; all must be right."""
    rows = (orjson.loads(line) for line in suite.read_bytes().splitlines())  # noqa: ASYNC240 - before the race
    right = n = 0

    async def work(post: Post) -> None:
        nonlocal right, n
        for row in rows:
            body = {"model": "m", "messages": [{"role": "user", "content": row["input"]}], "temperature": 0}
            text = orjson.loads(await post(orjson.dumps(body)))["choices"][0]["message"]["content"]
            n, right = n + 1, right + (row["target"] in text)
            file.write(orjson.dumps({"id": row["id"], "output": text}) + b"\n")

    with out.open("wb") as file:
        await asyncio.gather(*(work(post) for post in posts))
    print(json.dumps({"n": n, "right": right}))


async def ask_raw(suite: Path, out: Path, port: int, concurrency: int) -> None:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Asked("127.0.0.1"), "127.0.0.1", port) for _ in range(concurrency)]
    await ask_all(suite, out, [protocol.post for _, protocol in made])
    for transport, _ in made:
        transport.close()


async def ask_pyreqwest(suite: Path, out: Path, port: int, concurrency: int) -> None:
    from pyreqwest.client import ClientBuilder

    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    builder = ClientBuilder().no_proxy().default_headers({"content-type": "application/json"})
    async with builder.pool_max_idle_per_host(concurrency).build() as client:

        async def post(body: bytes) -> bytes:
            answer = await client.post(url).body_bytes(body).build().send()
            return (await answer.bytes()).to_bytes()

        await ask_all(suite, out, [post] * concurrency)


# --- the race --------------------------------------------------------------------------------------


class Took(NamedTuple):
    """One command from start to end: seconds by the clock, and of CPU; peak memory in MiB."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def run(command: list[str], n: int) -> Took:
    """Run a contender; its last line of data must say that all ``n`` answers were right."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        said = child.stdout.read()
        _, code, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(code)
    wall_s = time.perf_counter() - began
    told = json.loads(said.splitlines()[-1]) if said else {}
    if "right" in told:
        good = told == {"n": n, "right": n}
    else:
        good = told.get("scores") == {"includes": 1.0} and told["outcomes"]["replied"] == n
    if child.returncode or not good:
        sys.exit(f"not every answer came: {command}\n{said.decode()}")
    return Took(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def detente(suite: Path, out: Path, port: int, concurrency: int) -> list[str]:
    """The command that is measured."""
    spec = f"openai:http://127.0.0.1:{port}/v1#m"
    words = ["rehearse", str(suite), "--model", spec, "--scorer", "includes", "--concurrency", str(concurrency)]
    return [sys.executable, "-m", "detente", *words, "--out", str(out), "--json"]


def contenders(suite: Path, folder: Path, port: int, concurrency: int) -> Iterator[tuple[str, list[str]]]:
    """The commands, with a fresh place to write each time."""
    for name in ("raw", "pyreqwest"):
        words = ["--client", name, "--suite", str(suite), "--out", str(folder / name), "--port", str(port)]
        yield name, [sys.executable, __file__, *words, "--concurrency", str(concurrency)]
    yield "detente", detente(suite, Path(tempfile.mkdtemp(dir=folder)) / "out", port, concurrency)


def on_core(n: int) -> None:
    """Keep this process, and the children that it starts from now on, on one core."""
    if hasattr(os, "sched_setaffinity") and len(CORES) > 1:
        os.sched_setaffinity(0, {CORES[n]})


CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]


def write_suite(suite: Path, n: int) -> None:
    with suite.open("wb") as file:
        for i in range(n):
            text = f"Item {i:06d}. {WORDS[i % 97 :][:370]} Please answer this item."
            row = {"id": f"{i:06d}", "input": text, "target": f"{zlib.crc32(text.encode()):08x}", "lang": "en"}
            file.write(orjson.dumps(row) + b"\n")


@contextlib.contextmanager
def endpoint() -> Iterator[int]:
    """The endpoint on the first core; its port. What is started meanwhile runs on the last one."""
    on_core(0)
    server = subprocess.Popen(
        [sys.executable, __file__, "--client", "server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdin is not None
    assert server.stdout is not None
    on_core(-1)
    try:
        yield int(server.stdout.readline())
    finally:
        server.stdin.close()
        server.wait()


def race(n: int, concurrency: int, reps: int) -> None:
    with tempfile.TemporaryDirectory() as name, endpoint() as port:
        folder = Path(name)
        write_suite(folder / "suite.jsonl", n)
        took: dict[str, list[Took]] = {}
        for _ in range(reps):
            for contender, command in contenders(folder / "suite.jsonl", folder, port, concurrency):
                took.setdefault(contender, []).append(run(command, n))
    show(took, n, concurrency, reps)


def grow(sizes: list[int], concurrency: int) -> None:
    """What must not grow with the number of questions."""
    from detente.run.journal import Journal

    print(f"\n{concurrency} at once, {LATENCY_S * 1000:.0f} ms\n")
    print(
        "| questions | samples/s | CPU s per 1,000 | peak MiB | journal of raw bytes | opened again, s | ns a question |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    fixed: Took | None = None
    with tempfile.TemporaryDirectory() as name, endpoint() as port:
        for n in (64, *sizes):
            folder = Path(name) / str(n)
            folder.mkdir()
            write_suite(folder / "suite.jsonl", n)
            took = run(detente(folder / "suite.jsonl", folder / "out", port, concurrency), n)
            if fixed is None:
                fixed = took
                continue
            raw = 0
            with (folder / "out" / "answers.jsonl").open("rb") as answers, (folder / "suite.jsonl").open("rb") as asked:
                for answer, question in zip(answers, asked, strict=True):
                    raw += len(orjson.loads(answer)["output"].encode()) + len(orjson.loads(question)["input"].encode())
            journal = folder / "out" / "journal"
            stored = sum((journal / one).stat().st_size for one in ("bodies.jsonl", "trace.jsonl"))
            key = bytes.fromhex((folder / "out" / "key").read_text())
            began = time.perf_counter()
            with Journal(journal, key) as opened:
                again = time.perf_counter() - began
                assert opened.outcomes().replied == n
            cpu = (took.cpu_s - fixed.cpu_s) / n * 1000
            print(
                f"| {n} | {n / took.wall_s:.0f} | {cpu:.3f} | {took.peak_mib:.0f} | {stored / raw:.2f} | {again:.2f} | {again / n * 1e9:.0f} |",
                flush=True,
            )
            shutil.rmtree(folder)


def start(reps: int) -> None:
    """A whole command over 64 questions, 64 at once, beside an empty Python program."""
    with tempfile.TemporaryDirectory() as name, endpoint() as port:
        folder = Path(name)
        write_suite(folder / "suite.jsonl", 64)
        took = []
        empty = []
        for n in range(reps):
            took.append(run(detente(folder / "suite.jsonl", folder / str(n), port, 64), 64).wall_s)
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", ""], check=True)
            empty.append(time.perf_counter() - began)
    whole, python = statistics.median(took), statistics.median(empty)
    print(
        f"\n64 questions, whole command, median of {reps}: {whole:.3f} s ({min(took):.3f} to {max(took):.3f}), {whole / python:.1f} x an empty Python"
    )


def show(took: dict[str, list[Took]], n: int, concurrency: int, reps: int) -> None:
    print(f"\n{n} questions, {concurrency} at once, {LATENCY_S * 1000:.0f} ms; whole commands, median of {reps}\n")
    print("| contender | samples/s | of raw | CPU s per 1,000 | of pyreqwest |")
    print("| --- | --- | --- | --- | --- |")
    rate = {name: n / statistics.median(one.wall_s for one in each) for name, each in took.items()}
    cpu = {name: statistics.median(one.cpu_s for one in each) / n * 1000 for name, each in took.items()}
    for name in took:
        ratios = rate[name] / rate["raw"], cpu[name] / cpu["pyreqwest"]
        print(f"| {name} | {rate[name]:.0f} | {ratios[0]:.2f} | {cpu[name]:.3f} | {ratios[1]:.2f} |")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--n", type=int, default=2000, help="questions")
    options.add_argument("--concurrency", type=int, default=64)
    options.add_argument("--grow", type=int, nargs="+", metavar="N", help="ask each number of questions once")
    options.add_argument("--start", action="store_true", help="time a whole command over 64 questions")
    options.add_argument("--reps", type=int, default=3)
    for hidden in ("--client", "--suite", "--out", "--port"):
        options.add_argument(hidden, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.client is None and given.grow:
        grow(given.grow, given.concurrency)
    elif given.client is None and given.start:
        start(max(given.reps, 7))
    elif given.client is None:
        race(given.n, given.concurrency, given.reps)
    elif given.client == "server":
        asyncio.run(serve())
    else:
        ask = ask_raw if given.client == "raw" else ask_pyreqwest
        asyncio.run(ask(Path(given.suite), Path(given.out), int(given.port), given.concurrency))
        sys.stdout.flush()
        os._exit(0)  # as ``detente.cli.entry.program`` does, and why


if __name__ == "__main__":
    main()
