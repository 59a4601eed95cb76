# SPDX-License-Identifier: Apache-2.0
"""Every provider's documented answers through its own dialect, what each is asked, and the page that says so."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from detente.errors import WrongUsage
from detente.run.model import Message, ModelFault, Prompt, Sampling, key_variables, load_model
from detente.run.models.endpoint import DIALECTS, Endpoint
from detente.run.models.presets import find_target, providers
from detente.wire.canonical import encode
from kit.asking import prompt
from kit.provided import ANSWERS, tables

DOCS = Path(__file__).resolve().parents[2] / "docs"
WARM = Sampling(0.7, 0.9)


def dialect(name: str, model: str = "m", system: str | None = None) -> Any:
    one = providers()[name]
    target = find_target(f"{name}:{model}" if one.url else f"{name}:https://mine.example/v1#{model}")
    return DIALECTS[target.preset.dialect](target.preset, model, system)


@pytest.mark.parametrize("answer", ANSWERS, ids=[f"{one['provider']} {one['case']}" for one in ANSWERS])
def test_answer_when_a_provider_gives_it_then_it_becomes_what_it_means(answer: dict[str, Any]) -> None:
    spoken = dialect(answer["provider"], answer.get("model", "m"))
    given = answer["status"], answer["body"].encode(), 64, answer.get("retry_after")
    if answer["is"] in {"replied", "truncated", "filtered", "failed"}:
        reply = spoken.read(*given)
        assert reply._asdict() == {
            "outcome": answer["is"], "output": answer.get("text"), "cut": answer.get("cut", False),
            "reason": answer.get("reason"), "tokens": answer.get("tokens"), "asked": answer.get("asked"),
        } | ({"tokens": reply.tokens} if answer["is"] == "filtered" else {})  # fmt: skip
        return
    with pytest.raises(ModelFault) as caught:
        spoken.read(*given)
    fault = caught.value
    assert (fault.kind, fault.reason, fault.retry_after_s) == (answer["is"], answer["reason"], answer.get("wait_s"))


def test_fixtures_when_they_are_counted_then_no_provider_lacks_one() -> None:
    for name, one in providers().items():
        cases = {answer["case"] for answer in ANSWERS if answer["provider"] == name}
        assert {"ok", "cut"} <= cases, name
        if one.key:
            assert {"filtered", "rate-limit", "quota", "key"} <= cases, name
        if one.reasoning:
            thoughts = [a for a in ANSWERS if a["provider"] == name and a["case"] == "ok"]
            assert all("A thought." in a["body"] for a in thoughts), name


# --- what is asked -----------------------------------------------------------------------------

TURNS = (Message("user", "one"), Message("assistant", "two"), Message("user", "three"))


def asked(name: str, model: str = "m", sampling: Sampling = WARM, system: str | None = "be brief") -> dict[str, Any]:
    question: Prompt = prompt(0, tokens=9)._replace(messages=TURNS)
    body: dict[str, Any] = orjson.loads(dialect(name, model, system).body(question, sampling))
    return body


def test_chat_when_a_model_takes_everything_then_the_plans_sampling_is_all_there() -> None:
    assert asked("lmstudio") == {
        "model": "m", "temperature": 0.7, "top_p": 0.9, "seed": 1000, "max_tokens": 9,
        "messages": [
            {"role": "system", "content": "be brief"}, {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"}, {"role": "user", "content": "three"},
        ],
    }  # fmt: skip


def test_chat_when_a_model_has_quirks_then_they_are_minded() -> None:
    body = asked("openai", "gpt-5-mini")
    assert "temperature" not in body
    assert "top_p" not in body
    assert (body["max_completion_tokens"], body["seed"]) == (9, 1000)
    assert body["messages"][0] == {"role": "developer", "content": "be brief"}
    assert asked("openai", "gpt-4.1")["temperature"] == 0.7
    assert asked("openai", "o1-mini")["messages"][0] == {"role": "user", "content": "be brief\n\none"}
    deepseek = asked("deepseek", "deepseek-v4-flash")
    assert "seed" not in deepseek
    assert deepseek["thinking"] == {"type": "disabled"}
    assert asked("qwen", "qwen3-32b")["enable_thinking"] is False
    assert "enable_thinking" not in asked("qwen", "qwen3-235b-a22b-thinking-2507")
    assert asked("lmdeploy")["top_k"] == 0
    assert asked("openai", "o1-mini", system=None)["messages"][0] == {"role": "user", "content": "one"}


def test_anthropic_when_it_is_asked_then_the_system_prompt_has_its_own_place_and_there_is_no_seed() -> None:
    assert asked("anthropic", "claude-haiku-4-5") == {
        "model": "claude-haiku-4-5", "max_tokens": 9, "system": "be brief", "temperature": 0.7, "top_p": 0.9,
        "messages": [
            {"role": "user", "content": "one"}, {"role": "assistant", "content": "two"},
            {"role": "user", "content": "three"},
        ],
    }  # fmt: skip
    assert "temperature" not in asked("anthropic", "claude-opus-4-7")
    assert "top_p" not in asked("anthropic", sampling=Sampling(0.0, 1.0))


def test_gemini_when_it_is_asked_then_roles_and_members_are_its_own() -> None:
    assert asked("gemini", "gemini-2.5-flash") == {
        "contents": [
            {"role": "user", "parts": [{"text": "one"}]}, {"role": "model", "parts": [{"text": "two"}]},
            {"role": "user", "parts": [{"text": "three"}]},
        ],
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "generationConfig": {
            "maxOutputTokens": 9, "temperature": 0.7, "topP": 0.9, "seed": 1000, "thinkingConfig": {"thinkingBudget": 0},
        },
    }  # fmt: skip


def test_address_when_it_is_the_providers_own_then_model_and_dialect_are_in_it() -> None:
    for spec, url in (
        ("deepseek:deepseek-v4-flash", "https://api.deepseek.com/chat/completions"),
        ("anthropic:claude-haiku-4-5", "https://api.anthropic.com/v1/messages"),
        ("gemini:gemini-2.5-flash", "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent"),
        ("ollama:llama3.2:3b", "http://localhost:11434/v1/chat/completions"),
        ("openrouter:meta-llama/llama-3.3-70b:free", "https://openrouter.ai/api/v1/chat/completions"),
        ("azure:https://mine.openai.azure.com/openai/v1#d", "https://mine.openai.azure.com/openai/v1/chat/completions"),
        ("vllm:http://gpu-7:9/v1#q", "http://gpu-7:9/v1/chat/completions"),
    ):  # fmt: skip
        model = load_model(spec)
        assert isinstance(model, Endpoint)
        assert str(model._post_to) == url
    assert load_model("ollama:llama3.2:3b").describe()["name"] == "llama3.2:3b"


def test_key_when_an_endpoint_has_its_own_header_for_it_then_it_travels_in_that() -> None:
    assert dialect("anthropic").headers("k", "h") == {"anthropic-version": "2023-06-01", "x-api-key": "k"}
    assert dialect("gemini").headers("k", "h") == {"x-goog-api-key": "k"}
    assert dialect("azure").headers("k", "x.openai.azure.com")["api-key"] == "k"
    assert dialect("qwen").headers("k", "h") == {"authorization": "Bearer k"}


def test_key_when_the_address_is_not_the_providers_own_then_its_usual_variable_is_not_read() -> None:
    own, other = "deepseek:deepseek-v4-flash", "deepseek:https://proxy.example/v1#deepseek-v4-flash"
    assert key_variables([own], []) == ["DEEPSEEK_API_KEY"]
    assert key_variables([other, "gguf:smollm2", "openai:https://h/v1#m"], []) == [None, None, None]
    assert key_variables([own], ["MINE"]) == ["MINE"]


# --- descriptors, names, the page --------------------------------------------------------------


def test_descriptor_when_sampling_does_not_reach_a_model_then_it_says_so_and_plain_ones_stay_as_they_were() -> None:
    assert load_model("openai:https://h/v1#gpt-5").describe()["decoding"] == {}
    assert load_model("openai:gpt-5").describe()["decoding"] == {
        "notTaken": ["temperature", "topP"], "systemRole": "developer",
    }  # fmt: skip
    assert load_model("deepseek:deepseek-v4-flash").describe()["decoding"] == {
        "notTaken": ["seed"], "sent": {"thinking": {"type": "disabled"}},
    }  # fmt: skip
    for name, one in providers().items():
        for like in [["m"], *(quirks.like for quirks in one.model)]:
            model = like[0].replace("*", "x")
            described = load_model(f"{name}:https://h/v1#{model}").describe()
            assert encode(described), "fit for a signed file"


@pytest.mark.parametrize(
    ("spec", "code", "near"),
    [
        ("deepsek:deepseek-chat", "provider-unknown", "deepseek"),
        ("antropic:claude", "provider-unknown", "anthropic"),
        ("guff:model.gguf", "provider-unknown", "gguf"),
        ("https://h/v1#m", "provider-unknown", "openai"),
        ("azure:gpt-5", "provider-url", "azure:https://"),
        ("mindie:qwen", "provider-url", "mindie:https://"),
        ("deepseek:", "model-spec", "PROVIDER:NAME"),
        ("qwen:https://h/v1", "endpoint-url", "https://"),
    ],
)
def test_spec_when_it_is_misspelt_then_what_is_near_is_named(spec: str, code: str, near: str) -> None:
    with pytest.raises(WrongUsage, match=code) as caught:
        load_model(spec)
    assert near in str(caught.value.expected)


@pytest.mark.parametrize(("lang", "page"), [("en", "reference/models.md"), ("zh", "zh/reference/models.md")])
def test_page_when_it_is_read_then_its_tables_are_the_presets(lang: str, page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    for table in tables(lang):
        assert table in text, f"PYTHONPATH=src:tests python tests/kit/provided.py {lang}"
