# SPDX-License-Identifier: Apache-2.0
"""vLLM's engine on a model folder in this process: the same answers as transformers, seeds, caps, and what is left behind. The model is made here, tiny and random."""

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import detente
from detente.errors import CannotTell, WrongUsage
from detente.evidence.record import parse_body
from detente.run.model import Message, Model, Prompt, Reply, Sampling, load_model
from detente.wire.digests import sha256
from kit.asking import GREEDY, ask, lines, prompt, prompts
from kit.tiny import CONTEXT, TEMPLATE, tiny

missing = [name for name in ("torch", "transformers", "vllm") if importlib.util.find_spec(name) is None]
with_vllm = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Model]:
    """One engine for all who only ask: loading it takes seconds."""
    model = load_model(f"vllm-engine:{folder}", system="be brief", slots=8)
    yield model
    asyncio.run(model.close())


def said(model: Model, questions: list[Prompt], sampling: Sampling = GREEDY) -> list[Reply]:
    """The replies to questions that are asked at once."""

    async def go() -> list[Reply]:
        return list(await asyncio.gather(*(model.generate(question, sampling) for question in questions)))

    return asyncio.run(go())


def on_paper(folder: Path) -> Path:
    """A folder that looks like a model's as long as nobody loads it."""
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 64, "dtype": "bfloat16"}))
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    return folder


@with_vllm
def test_engine_when_questions_share_a_batch_then_each_gets_what_it_gets_alone_and_from_transformers(
    engine: Model, folder: Path
) -> None:
    questions = [prompt(i, "ab" * (1 + 3 * i), tokens=4 + 9 * i) for i in range(5)]
    together = said(engine, questions)
    assert together == [said(engine, [question])[0] for question in questions]
    assert together == said(load_model(f"hf:{folder}", system="be brief"), questions)
    assert [reply.tokens for reply in together if reply.cut] == [4 + 9 * i for i, r in enumerate(together) if r.cut]
    assert any(reply.cut for reply in together)
    assert len({reply.output for reply in together}) > 1


@with_vllm
def test_engine_when_an_answer_is_begun_then_it_goes_on_as_transformers_does(engine: Model, folder: Path) -> None:
    questions = [
        one._replace(messages=(*one.messages, Message("assistant", words)))
        for one, words in zip(
            [prompt(i, "abc", tokens=12) for i in range(3)], ["x", "Of course:", "abcabc"], strict=True
        )
    ]
    begun = said(engine, questions)
    assert begun == said(load_model(f"hf:{folder}", system="be brief"), questions)
    assert begun[0] != said(engine, [prompt(0, "abc", tokens=12)])[0]


@with_vllm
def test_engine_when_the_plan_samples_then_the_seed_alone_decides(engine: Model) -> None:
    seeded = [prompt(i, "abc", tokens=40)._replace(seed=seed) for i, seed in enumerate((5, 6, 5))]
    warm = Sampling(1.5, 1.0)
    first, other, again = said(engine, seeded, warm)
    assert first == again == said(engine, seeded[:1], warm)[0]
    assert first.output != other.output
    drawn = said(engine, [one._replace(seed=None) for one in seeded], warm)
    assert len({reply.output for reply in drawn}) == 3
    narrow = said(engine, [one._replace(seed=None) for one in seeded], Sampling(1.5, 1e-9))
    assert narrow == said(engine, seeded)


@with_vllm
def test_engine_when_an_answer_ends_by_itself_then_it_is_no_cut_one(engine: Model) -> None:
    """Among many drawn answers of a random model some meet the end token early: the text stops before it."""
    questions = [prompt(i, "abc", tokens=90)._replace(seed=i) for i in range(24)]
    replies = said(engine, questions, Sampling(1.9, 1.0))
    ended = [reply for reply in replies if not reply.cut]
    assert ended
    assert all(reply.outcome == "replied" and (reply.tokens or 0) < 90 for reply in ended)
    assert not any("<end>" in (reply.output or "") for reply in replies)


@with_vllm
def test_engine_when_it_is_loaded_then_no_other_process_runs_for_it(engine: Model) -> None:
    import psutil

    assert said(engine, [prompt(0)])[0].outcome == "replied"
    assert psutil.Process().children(recursive=True) == []


@with_vllm
def test_run_when_a_question_or_its_answer_leaves_the_context_then_both_are_told_apart(
    folder: Path, tmp_path: Path
) -> None:
    questions = [prompt(0, "a" * 500, tokens=4), prompt(1, "a" * (CONTEXT - 40), tokens=64), prompt(2, "a", tokens=4)]
    many = [one._replace(i=one.i + 3) for one in prompts(30)]
    told = ask(f"vllm-engine:{folder}", tmp_path, questions + many)
    bodies = {i: parse_body(line) for i, line in lines(tmp_path).items()}
    assert (bodies[0].outcome, bodies[0].reason) == ("failed", "context-length")
    assert (bodies[1].outcome, bodies[1].reason) == ("truncated", "length")
    assert bodies[2].outcome == "replied"
    assert told.replied == 31


@with_vllm
def test_rehearsal_when_vllm_runs_the_model_then_stdout_holds_the_result_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "suite.jsonl").write_text('{"id":"q","input":"Hello?","target":"hello"}\n', "utf-8")
    words = ["rehearse", "suite.jsonl", "--model", f"vllm-engine:{folder}", "--out", "out", "--json"]
    environ = {**os.environ, "PYTHONPATH": str(Path(detente.__file__).resolve().parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "detente", *words],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "scores" in json.loads(done.stdout.splitlines()[-1])
    assert all(json.loads(line) for line in done.stdout.splitlines())


@with_vllm
def test_engine_when_it_is_closed_in_the_middle_then_nobody_waits_for_ever(folder: Path) -> None:
    async def go() -> None:
        model = load_model(f"vllm-engine:{folder}", slots=2)
        await model.generate(prompt(0, tokens=2), GREEDY)
        asked = [asyncio.ensure_future(model.generate(prompt(i, tokens=100), GREEDY)) for i in range(8)]
        await asyncio.sleep(0.01)
        await model.close()
        _, waiting = await asyncio.wait(asked, timeout=30)
        assert not waiting
        assert any(one.cancelled() for one in asked)

    asyncio.run(go())


@with_vllm
def test_engine_when_it_breaks_down_then_the_run_says_so(folder: Path) -> None:
    async def go() -> None:
        model = load_model(f"vllm-engine:{folder}")
        try:
            await model.generate(prompt(0, tokens=2), GREEDY)
            model._loaded.engine.engine_core.shutdown()  # behind the model's back
            await model.generate(prompt(1, tokens=2), GREEDY)
        finally:
            await model.close()

    with pytest.raises(CannotTell, match="model-stopped"):
        asyncio.run(go())


def test_descriptor_when_the_model_was_never_loaded_then_it_names_weights_template_numbers_and_engine(
    tmp_path: Path,
) -> None:
    described = load_model(f"vllm-engine:{on_paper(tmp_path)}").describe()
    assert (described["kind"], described["name"]) == ("transformers", tmp_path.name)
    assert described["weights"] == sha256(b"\xff" * 64)
    assert described["chatTemplate"] == sha256(TEMPLATE.encode())
    assert described["decoding"] == {"context": 64, "dtype": "bfloat16", "engine": "vllm", "topK": 0}


def test_folder_when_it_cannot_be_run_then_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="model-missing"):
        load_model(f"vllm-engine:{tmp_path}")
    on_paper(tmp_path)
    with pytest.raises(WrongUsage, match="extra-missing") if missing else pytest.raises(CannotTell, match="not-loaded"):
        ask(f"vllm-engine:{tmp_path}", tmp_path / "journal", [prompt(0)])
