# SPDX-License-Identifier: Apache-2.0
"""A lab's own function as a model, and specs that name nothing."""

import asyncio
from pathlib import Path

import pytest

from detente.errors import CannotTell, WrongUsage
from detente.run.model import ModelFault, Reply, load_model
from kit.asking import GREEDY, ask, prompt, prompts


def once(spec: str, system: str | None = None) -> Reply:
    async def go() -> Reply:
        model = load_model(spec, system=system)
        try:
            return await model.generate(prompt(0, "hello"), GREEDY)
        finally:
            await model.close()

    return asyncio.run(go())


def test_function_when_it_wants_a_text_then_it_gets_the_last_user_message() -> None:
    assert once("python:kit.said:twice", "be brief") == Reply("replied", "hello hello")


def test_function_when_it_is_async_and_names_more_then_it_gets_the_conversation_and_what_it_names() -> None:
    assert once("python:kit.said:later", "be brief").output == "['system', 'user'] 1000 64 0.0"


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("nothing", "empty", "none"),
        ("broken", "raised", "LookupError"),
        ("number", "raised", "returned-int"),
        ("reasoned", "raised", "no-such-reply"),
        ("cut_failure", "raised", "no-such-reply"),
        ("miscounted", "raised", "no-such-reply"),
    ],
)
def test_function_when_it_gives_no_text_then_it_is_a_fault_and_no_answer(name: str, kind: str, reason: str) -> None:
    with pytest.raises(ModelFault) as caught:
        once(f"python:kit.said:{name}")
    assert (caught.value.kind, caught.value.reason) == (kind, reason)


def test_run_when_the_function_always_raises_then_it_stops_soon_and_shows_its_words(tmp_path: Path) -> None:
    with pytest.raises(CannotTell, match="model-raised") as caught:
        ask("python:kit.said:broken", tmp_path, prompts(50))
    assert "no such book" in str(caught.value.got)


def test_descriptor_when_it_is_a_function_then_only_its_name_is_known() -> None:
    described = load_model("python:kit.said:twice").describe()
    assert (described["kind"], described["name"], described["weights"]) == ("callable", "kit.said:twice", None)


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("python:kit.said:missing", "model-import"),
        ("python:kit.no_such_module:f", "model-import"),
        ("python:kit.said:constant", "model-import"),
        ("python:twice", "model-spec"),
        ("gpt-5", "model-spec"),
        ("openai:", "model-spec"),
        ("hf:some/model", "model-missing"),
        ("deepsek:chat", "provider-unknown"),
    ],
)
def test_spec_when_it_names_no_model_then_it_says_what_to_write(spec: str, code: str) -> None:
    with pytest.raises(WrongUsage, match=code):
        load_model(spec)
