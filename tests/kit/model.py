# SPDX-License-Identifier: Apache-2.0
"""A scripted chat-completions endpoint: a real HTTP server on 127.0.0.1 that says what a test tells it, faults included.

with ScriptedModel(lambda asked: f"you said {asked.text}") as model:
    load_model(model.spec())        # "openai:http://127.0.0.1:PORT/v1#scripted"
    model.asked                     # what it was asked, in order

A reply is a string, or an ``Answer`` for anything else that HTTP can carry (see ``faults.py``). As a
program it serves until it is killed: ``python tests/kit/model.py --latency-ms 20 --fault 429=0.1``.
"""

import argparse
import asyncio
import contextlib
import json
import ssl
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

sys.path[:0] = [str(Path(__file__).resolve().parents[1])] if __name__ == "__main__" else []


class Asked(NamedTuple):
    """One request: the ``attempt``-th (from 1) with this conversation."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    attempt: int

    @property
    def text(self) -> str:
        """The last user message."""
        return next((m["content"] for m in reversed(self.body["messages"]) if m["role"] == "user"), "")


class Answer(NamedTuple):
    """What goes over the wire. ``only`` bytes of the body are sent, then the connection is closed; ``reset`` aborts it."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    delay_s: float = 0.0
    only: int | None = None
    reset: bool = False


Script = Callable[[Asked], "str | Answer"]


def completion(text: str | None, finish: str = "stop", tokens: int | None = None, **message: object) -> Answer:
    """A chat completion as OpenAI documents it."""
    used = tokens if tokens is not None else len((text or "").split())
    value = {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": used, "total_tokens": used + 1},
    }
    return Answer(body=orjson.dumps(value))


def filler(asked: Asked) -> str:
    """About 900 bytes decided by the question alone; a scorer ``includes`` finds ``ANSWER: <crc32>`` in it."""
    crc = zlib.crc32(asked.text.encode())
    return f"{WORDS[crc % 64 :]}{WORDS[: crc % 64]} ANSWER: {crc:08x}"


WORDS = " ".join(
    ["plan party model record witness language hazard refusal score release public salted proof audit"] * 10
)


class ScriptedModel:
    """The server, in a thread of its own. Use it in a ``with``."""

    def __init__(
        self,
        reply: Script = filler,
        *,
        fault: Callable[[Asked], Answer | None] | None = None,
        latency_s: float = 0.0,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        self.reply, self.fault, self.latency_s, self.tls, self.port = reply, fault, latency_s, tls, port
        self.asked: list[Asked] = []
        self.keep_asked = True
        self.count = 0
        self.attempts: dict[int, int] = {}
        self.open_now = self.most_at_once = self.now = 0
        self.loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True, name="scripted-model")

    def spec(self, name: str = "scripted") -> str:
        return f"openai:{self.url}#{name}"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{'localhost' if self.tls else '127.0.0.1'}:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(
            self.loop.create_server(lambda: Connection(self), "127.0.0.1", self.port, ssl=self.tls, backlog=4096)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self.loop.run_forever()
        server.close()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        for transport in list(CONNECTIONS.get(id(self), ())):
            transport.abort()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    def answer(self, path: str, headers: dict[str, str], raw: bytes) -> Answer:
        self.count += 1
        if path.split("?", maxsplit=1)[0] != "/v1/chat/completions":
            return Answer(404, b'{"error":{"message":"no such path","type":"invalid_request_error","code":null}}')
        body = orjson.loads(raw)
        key = zlib.crc32(orjson.dumps(body["messages"]))
        self.attempts[key] = attempt = self.attempts.get(key, 0) + 1
        asked = Asked(path, headers, body, attempt)
        if self.keep_asked:
            self.asked.append(asked)
        if self.fault is not None and (faulty := self.fault(asked)) is not None:
            return faulty
        said = self.reply(asked)
        return completion(said) if isinstance(said, str) else said


CONNECTIONS: dict[int, set[asyncio.Transport]] = {}


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: enough of RFC 9112 for a client that sends Content-Length."""

    def __init__(self, model: ScriptedModel) -> None:
        self.model = model
        self.buffer = b""
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        CONNECTIONS.setdefault(id(self.model), set()).add(transport)
        self.model.open_now += 1

    def connection_lost(self, _: Exception | None) -> None:
        CONNECTIONS[id(self.model)].discard(self.transport)
        self.model.open_now -= 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found or self.busy:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self.buffer, self.busy = rest[length:], True
        model = self.model
        model.now += 1
        model.most_at_once = max(model.most_at_once, model.now)
        answer = model.answer(first.split(" ")[1], headers, rest[:length])
        delay_s = model.latency_s + answer.delay_s
        if delay_s > 0:
            model.loop.call_later(delay_s, self.send, answer)
        else:
            self.send(answer)

    def send(self, answer: Answer) -> None:
        self.model.now -= 1
        self.busy = False
        if self.transport.is_closing():
            return
        if answer.reset:
            self.transport.abort()
            return
        head = f"HTTP/1.1 {answer.status} X\r\nContent-Length: {len(answer.body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
        self.transport.write(head.encode("latin-1") + b"\r\n" + answer.body[: answer.only])
        if answer.only is not None:
            self.transport.close()
        elif self.buffer:
            self.data_received(b"")


def main() -> None:
    from kit.faults import mixed_faults

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--fault", action="append", default=[], metavar="KIND=SHARE")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    shares = {kind: float(share) for kind, share in (fault.split("=") for fault in given.fault)}
    fault = mixed_faults(shares, given.seed) if shares else None
    with ScriptedModel(fault=fault, latency_s=given.latency_ms / 1000, port=given.port) as model:
        model.keep_asked = False
        print(json.dumps({"url": model.url}), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
