# SPDX-License-Identifier: Apache-2.0
"""How fast `detente rehearse` puts questions to an endpoint, as a ratio to clients that do nothing else, in one run.

    python benchmarks/bench_engine.py                          # 2,000 questions, 64 at once
    python benchmarks/bench_engine.py --n 10000 --concurrency 256

Brings its own endpoint: chat completions on 127.0.0.1, each answered after 20 ms with some 900
bytes that follow from the question. Contenders, each a command of its own from start to end:

    raw         asyncio, one hand-written connection per question in flight: encode, send, decode, compare, write a line
    pyreqwest   the same loop around the HTTP client that detente uses
    detente     `detente rehearse`: the same, and gate, retries, outcomes, salted bodies in a synced journal, a scorer

The server has one core and the client another, if there are two. Repetitions take turns and the
median counts. A run counts only if every answer came and was the right one. Needs no network.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

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
        self.transport, self.buffer = transport, b""

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
        self.transport = transport

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
        return await self.answer


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
    """One command from start to end: seconds by the clock, and of CPU."""

    wall_s: float
    cpu_s: float


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
    return Took(wall_s, used.ru_utime + used.ru_stime)


def contenders(suite: Path, folder: Path, port: int, concurrency: int) -> Iterator[tuple[str, list[str]]]:
    """The commands, with a fresh place to write each time."""
    for name in ("raw", "pyreqwest"):
        words = ["--client", name, "--suite", str(suite), "--out", str(folder / name), "--port", str(port)]
        yield name, [sys.executable, __file__, *words, "--concurrency", str(concurrency)]
    spec = f"openai:http://127.0.0.1:{port}/v1#m"
    words = ["rehearse", str(suite), "--model", spec, "--scorer", "includes", "--concurrency", str(concurrency)]
    out = tempfile.mkdtemp(dir=folder)
    yield "detente", [sys.executable, "-m", "detente", *words, "--out", str(Path(out) / "out"), "--json"]


def on_core(n: int) -> None:
    """Keep this process, and the children that it starts from now on, on one core."""
    if hasattr(os, "sched_setaffinity") and len(CORES) > 1:
        os.sched_setaffinity(0, {CORES[n]})


CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]


def race(n: int, concurrency: int, reps: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        suite = folder / "suite.jsonl"
        with suite.open("wb") as file:
            for i in range(n):
                text = f"Item {i:06d}. {WORDS[i % 97 :][:370]} Please answer this item."
                row = {"id": f"{i:06d}", "input": text, "target": f"{zlib.crc32(text.encode()):08x}", "lang": "en"}
                file.write(orjson.dumps(row) + b"\n")
        on_core(0)
        server = subprocess.Popen(
            [sys.executable, __file__, "--client", "server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(server.stdout.readline())
        on_core(-1)
        took: dict[str, list[Took]] = {}
        try:
            for _ in range(reps):
                for contender, command in contenders(suite, folder, port, concurrency):
                    took.setdefault(contender, []).append(run(command, n))
        finally:
            server.stdin.close()
            server.wait()
    show(took, n, concurrency, reps)


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
    options.add_argument("--reps", type=int, default=3)
    for hidden in ("--client", "--suite", "--out", "--port"):
        options.add_argument(hidden, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.client is None:
        race(given.n, given.concurrency, given.reps)
    elif given.client == "server":
        asyncio.run(serve())
    else:
        ask = ask_raw if given.client == "raw" else ask_pyreqwest
        asyncio.run(ask(Path(given.suite), Path(given.out), int(given.port), given.concurrency))


if __name__ == "__main__":
    main()
