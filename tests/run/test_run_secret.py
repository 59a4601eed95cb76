# SPDX-License-Identifier: Apache-2.0
"""A key in the environment, an endpoint that misbehaves in every way, and everything that is written, printed or listed: the key is nowhere."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from kit import faults
from kit.model import Answer, Asked, ScriptedModel, completion

TOP = Path(__file__).resolve().parents[2]
KEY = "sk-nobody-may-ever-see-0123456789abcdef" * 3  # longer than a reason, as those of some providers are
HEAD = KEY[:24]


def echoed(asked: Asked) -> Answer:
    """What a debugging proxy does: the request's own headers as the answer."""
    return completion(json.dumps(asked.headers))


def named(asked: Asked) -> Answer:
    """The key as an error's code: it looks like one."""
    return faults.error(400, asked.headers["authorization"].removeprefix("Bearer "), f"bad key {KEY}")


def ended(asked: Asked) -> Answer:
    """The key as the reason for which an answer ended."""
    return completion("cut", asked.headers["authorization"].removeprefix("Bearer "))


def told(status: int) -> Callable[[Asked], Answer]:
    return lambda asked: Answer(status, orjson.dumps({"error": {"message": asked.headers["authorization"]}}))


WAYS: dict[str, Callable[[Asked], Answer]] = {
    "echo": echoed, "code": named, "finish": ended, "401": told(401), "403": told(403), "500": told(500),
    "reset": lambda _: faults.RESET, "half": lambda _: faults.HALF_BODY, "page": lambda _: faults.LOGIN_PAGE,
    "redirect": lambda a: Answer(302, b"", (("Location", f"http://127.0.0.1:1/?key={a.headers['authorization'][7:]}"),)),
}  # fmt: skip


def run(command: list[str], folder: Path, **more: str) -> tuple[str, list[bytes]]:
    """What a ``detente`` command prints, and what its command line looked like to others while it ran."""
    env = {**os.environ, "PYTHONPATH": str(TOP / "src"), "OUR_KEY": KEY, **more}
    with subprocess.Popen(
        [sys.executable, "-m", "detente", *command], cwd=folder, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        seen: list[bytes] = []
        line = Path(f"/proc/{process.pid}/cmdline")
        if line.exists():
            seen.append(line.read_bytes())
        timer = threading.Timer(60, process.kill)
        timer.start()
        said, _ = process.communicate()
        timer.cancel()
    return said, seen


def suite(folder: Path, n: int = 2) -> str:
    rows = [{"id": f"q{i}", "prompt": f"question {i}", "lang": "en"} for i in range(n)]
    (folder / "suite.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "suite.jsonl"


def whole(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("ways", [[way for way in WAYS if way != "401"], ["401"]], ids=["all that go on", "401"])
def test_key_when_the_endpoint_misbehaves_then_it_is_in_nothing_written_printed_or_listed(
    ways: list[str], tmp_path: Path
) -> None:
    """Each question meets a way of its own, once; an answer to a first question shows that the endpoint is there."""
    met = dict(zip((f"question {i}" for i in range(1, 99)), ways, strict=False))

    def faulty(asked: Asked) -> Answer | None:
        return WAYS[met[asked.text]](asked) if asked.attempt == 1 and asked.text in met else None

    with ScriptedModel(lambda _: "fine", fault=faulty) as server:
        command = ["rehearse", suite(tmp_path, len(ways) + 1), "--model", server.spec(), "--key-env", "OUR_KEY"]
        said, seen = run([*command, "--concurrency", "1", "-o", "out"], tmp_path)
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {KEY}"}, "it did go to the endpoint"
    assert {asked.text for asked in server.asked} >= set(met), said
    assert HEAD not in said
    assert HEAD.encode() not in whole(tmp_path)
    assert seen
    assert all(KEY.encode() not in line for line in seen)
    assert "Traceback" not in said


def test_key_when_it_was_pasted_where_its_variable_belongs_then_the_error_does_not_repeat_it(tmp_path: Path) -> None:
    for command in (
        ["rehearse", suite(tmp_path), "--model", "openai:https://h/v1#m", "--key-env", KEY, "-o", "out"],
        ["rehearse", "suite.jsonl", "--model", f"openai:https://u:{KEY}@h/v1#m", "-o", "out"],
        ["rehearse", "suite.jsonl", "--model", f"deepseek:https://h/v1?key={KEY}#m", "-o", "out"],
        ["rehearse", "suite.jsonl", "--model", f"https://u:{KEY}@h/v1#m", "-o", "out"],
        ["rehearse", "suite.jsonl", "--model", KEY, "-o", "out"],
    ):
        said, _ = run(command, tmp_path)
        assert "error[" in said
        assert HEAD not in said
    assert HEAD.encode() not in whole(tmp_path)


def test_key_when_a_providers_usual_variable_is_unset_then_its_name_is_told_and_nobody_is_asked(tmp_path: Path) -> None:
    said, _ = run(["rehearse", suite(tmp_path), "--model", "deepseek:m", "-o", "out"], tmp_path, DEEPSEEK_API_KEY="")
    assert "error[no-key]" in said
    assert "DEEPSEEK_API_KEY" in said
    assert not (tmp_path / "out" / "journal").exists()
