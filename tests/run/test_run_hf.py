# SPDX-License-Identifier: Apache-2.0
"""A Hugging Face model folder in this process: batches, caps, seeds, and what a folder must have. The model is made here, tiny and random."""

import asyncio
import importlib.util
import json
from pathlib import Path

import pytest

from detente.errors import CannotTell, WrongUsage
from detente.evidence.record import parse_body
from detente.run.model import Message, Prompt, Reply, Sampling, load_model
from detente.wire.digests import sha256
from kit.asking import GREEDY, ask, lines, prompt, prompts
from kit.tiny import CONTEXT, TEMPLATE, tiny

missing = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
with_torch = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("tiny"))


def said(folder: Path, questions: list[Prompt], slots: int, sampling: Sampling = GREEDY) -> list[Reply]:
    async def go() -> list[Reply]:
        model = load_model(f"hf:{folder}", system="be brief", slots=slots)
        try:
            return list(await asyncio.gather(*(model.generate(question, sampling) for question in questions)))
        finally:
            await model.close()

    return asyncio.run(go())


@with_torch
def test_model_when_questions_share_a_batch_then_each_gets_the_answer_that_it_gets_alone(folder: Path) -> None:
    questions = [prompt(i, "ab" * (1 + 3 * i), tokens=4 + i) for i in range(5)]
    together, alone = said(folder, questions, 8), said(folder, questions, 1)
    assert together == alone
    assert [reply.tokens for reply in together if reply.cut] == [4 + i for i, reply in enumerate(together) if reply.cut]
    assert any(reply.cut for reply in together)
    assert len({reply.output for reply in together}) > 1


@with_torch
def test_model_when_sampling_defaults_lie_beside_the_weights_then_they_count_for_nothing(
    folder: Path, tmp_path: Path
) -> None:
    for path in folder.iterdir():
        if path.name != "generation_config.json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    question = [prompt(0, "abc", tokens=60)]
    assert said(folder, question, 1) == said(tmp_path, question, 1)


@with_torch
def test_model_when_the_plan_samples_then_the_seed_alone_decides(folder: Path) -> None:
    seeded = [prompt(i, "abc", tokens=12)._replace(seed=seed) for i, seed in enumerate((5, 6, 5))]
    first, other, again = said(folder, seeded, 8, Sampling(1.5, 1.0))
    assert first == again
    assert first.output != other.output


@with_torch
def test_model_when_a_question_or_its_answer_leaves_the_context_then_both_are_told_apart(
    folder: Path, tmp_path: Path
) -> None:
    questions = [prompt(0, "a" * 500, tokens=4), prompt(1, "a" * (CONTEXT - 40), tokens=64), prompt(2, "a", tokens=4)]
    ask(f"hf:{folder}", tmp_path, questions)
    bodies = {i: parse_body(line) for i, line in lines(tmp_path).items()}
    assert (bodies[0].outcome, bodies[0].reason) == ("failed", "context-length")
    assert (bodies[1].outcome, bodies[1].reason) in {("truncated", "length"), ("replied", None)}
    assert bodies[1].outcome == "truncated"
    assert bodies[2].outcome == "replied"


@with_torch
def test_run_when_many_are_asked_at_once_then_every_slot_is_answered(folder: Path, tmp_path: Path) -> None:
    assert ask(f"hf:{folder}", tmp_path, prompts(30)).replied == 30


@with_torch
def test_model_when_its_answer_is_begun_then_the_words_stand_open_at_the_end_of_its_own_turn(
    folder: Path, tmp_path: Path
) -> None:
    """The same text as a question that ends so, put through a template that adds nothing behind it."""
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "chat_template.jinja").write_text(TEMPLATE.removesuffix("<assistant>"))
    plain = prompt(0, "abc", tokens=12)
    begun = plain._replace(messages=(*plain.messages, Message("assistant", "Of course:")))
    written = prompt(0, "abc<assistant>Of course:", tokens=12)
    assert said(folder, [begun], 1) == said(tmp_path, [written], 1) != said(folder, [plain], 1)
    assert said(folder, [begun, prompt(1, "xyz", tokens=9)], 8)[0] == said(folder, [begun], 1)[0]


@with_torch
def test_model_when_its_template_drops_the_begun_words_then_it_is_not_asked_without_them(
    folder: Path, tmp_path: Path
) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "chat_template.jinja").write_text(
        "{% for m in messages if m.role != 'assistant' %}{{ m.content }}{% endfor %}"
    )
    questions = [
        prompt(0, "ab")._replace(messages=(Message("user", "ab"), Message("assistant", "words"))),
        prompt(1, "ab"),
    ]
    ask(f"hf:{tmp_path}", tmp_path / "journal", questions)
    bodies = {i: parse_body(line) for i, line in lines(tmp_path / "journal").items()}
    assert (bodies[0].outcome, bodies[0].reason, bodies[1].outcome) == ("failed", "chat-template", "replied")


@with_torch
def test_descriptor_when_the_model_was_never_loaded_then_it_names_weights_template_and_numbers(folder: Path) -> None:
    described = load_model(f"hf:{folder}").describe()
    assert described["kind"] == "transformers"
    assert described["name"] == folder.name
    assert described["weights"] == sha256((folder / "model.safetensors").read_bytes())
    assert described["chatTemplate"] == sha256(TEMPLATE.encode())
    assert described["decoding"] == {"context": CONTEXT, "dtype": "float32", "topK": 0}


@with_torch
def test_folder_when_its_weights_are_broken_then_the_run_says_so(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(CannotTell, match="model-not-loaded"):
        ask(f"hf:{tmp_path}", tmp_path / "journal", [prompt(0)])


def test_folder_when_something_is_missing_then_it_is_said_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="model-missing"):
        load_model(f"hf:{tmp_path}")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle can run code")
    with pytest.raises(WrongUsage, match="model-no-weights"):
        load_model(f"hf:{tmp_path}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(WrongUsage, match="model-no-template"):
        load_model(f"hf:{tmp_path}")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    with pytest.raises(WrongUsage, match="extra-missing") if missing else pytest.raises(CannotTell, match="not-loaded"):
        ask(f"hf:{tmp_path}", tmp_path / "journal", [prompt(0)])
