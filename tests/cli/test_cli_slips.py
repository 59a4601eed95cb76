# SPDX-License-Identifier: Apache-2.0
"""What a newcomer types wrongly at a gate, an import or a bank: told before anybody is asked anything, with what to type instead."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.judging import right
from kit.model import ScriptedModel
from kit.typed import refused, typed


@pytest.fixture
def server() -> Iterator[ScriptedModel]:
    with ScriptedModel(lambda _: "I cannot help with that.") as model:
        yield model


def gate(server: ScriptedModel, out: Path, *names: str, kind: str = "vllm") -> list[object]:
    """The command line of a gate that asks these models itself."""
    models = [f"{name}={kind}:{server.url}#{name}" for name in names]
    return ["gate", *models, "--suite", "core-v0", "--sample", 4, "--rule", "open-release", "--out", out]


def test_gate_when_a_model_s_name_is_none_of_the_rule_s_then_nobody_is_asked(
    tmp_path: Path, server: ScriptedModel, capsys
) -> None:
    said = refused(capsys, 2, "gate-stranger", *gate(server, tmp_path / "g", "candidate", "refrence"))
    assert "refrence" in said.err
    assert "candidate-unguarded, reference" in said.err
    assert server.count == 0


def test_gate_when_a_recipe_is_for_a_model_that_is_not_asked_then_it_says_so(
    tmp_path: Path, server: ScriptedModel, capsys
) -> None:
    recipe = tmp_path / "recipe.txt"
    recipe.write_text("tool x")
    words = gate(server, tmp_path / "g", "candidate", "reference")
    said = refused(capsys, 2, "recipe-subject", *words, "--recipe", f"candidate-ungarded={recipe}")
    assert "detente init" not in said.err  # a gate has no desk
    recipe.write_text("")
    refused(capsys, 2, "recipe-empty", *words, "--recipe", f"reference={recipe}")
    assert server.count == 0


def test_gate_when_the_last_model_cannot_go_on_with_a_begun_answer_then_the_first_is_not_asked(
    tmp_path: Path, server: ScriptedModel, capsys
) -> None:
    words = gate(server, tmp_path / "g", "candidate")
    words.insert(2, f"reference=openai:{server.url}#reference")
    said = refused(capsys, 2, "model-no-begin", *words)
    assert "reference=openai:" in said.err
    assert server.count == 0


def test_gate_when_the_rule_asks_for_more_models_then_it_is_told_before_they_are_asked(
    tmp_path: Path, server: ScriptedModel, capsys
) -> None:
    said = typed(capsys, *gate(server, tmp_path / "g", "candidate", "reference"))
    assert said.code == 4
    first, *rest = said.err.splitlines()
    assert first == (
        "the gate open-release also asks for candidate-unguarded, reference-unguarded: without them it cannot tell (exit 4)"
    )
    assert rest[0].startswith("candidate: asking ")
    assert any(line.startswith("reference: asking ") for line in rest)


def test_gate_when_a_judge_reads_then_its_turn_is_named(tmp_path: Path, server: ScriptedModel, capsys) -> None:
    with ScriptedModel(lambda asked: right(asked.body["messages"])) as judge:
        words = [*gate(server, tmp_path / "g", "candidate", "reference"), "--judge", judge.spec("judge")]
        said = typed(capsys, *words)
        again = typed(capsys, *words, lang="zh")
    assert "candidate: judging " in said.err
    assert "reference: judging " in said.err
    assert "candidate：提问中" in again.err
    assert "0.0" not in again.err  # nothing was left to ask, so there is no speed


@pytest.mark.parametrize(
    ("words", "form", "example"),
    [
        (("gguf:x", "b=gguf:y", "--suite", "core-v0", "--rule", "open-release"), "SUBJECT=MODEL", "candidate=gguf:new.gguf"),
        (("a", "b"), "SUBJECT=DIR", "candidate=rehearsal"),
        (("x", "--rule", "open-release", "--bank", "own"), "BANK=PATH", "--bank keyword-list="),
        (("x", "--rule", "open-release", "--subject", "own"), "NAME=ID", "--subject candidate=my-model"),
    ],
)  # fmt: skip
def test_gate_when_a_pair_has_no_equals_sign_then_the_example_is_one_of_its_own(
    words: tuple[str, ...], form: str, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    if "--bank" in words:  # banks are looked at once there is evidence
        typed(capsys, "rehearse", "core-v0", "--model", "python:kit.said:refuses", "--sample", 2, "--out", "x")
    said = refused(capsys, 2, "bad-pair", "gate", *words)
    assert form in said.err
    assert example in said.err
