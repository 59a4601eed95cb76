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
    ("words", "form"),
    [
        (("gguf:x", "b=gguf:y", "--suite", "core-v0", "--rule", "open-release"), "SUBJECT=MODEL"),
        (("a", "b"), "SUBJECT=DIR"),
        (("x", "--rule", "open-release", "--bank", "own"), "BANK=PATH"),
        (("x", "--rule", "open-release", "--subject", "own"), "NAME=ID"),
    ],
)  # fmt: skip
def test_gate_when_a_pair_has_no_equals_sign_then_its_own_form_is_shown(
    words: tuple[str, ...], form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    if "--bank" in words:  # banks are looked at once there is evidence
        typed(capsys, "rehearse", "core-v0", "--model", "python:kit.said:refuses", "--sample", 2, "--out", "x")
    said = refused(capsys, 2, "bad-pair", "gate", *words)
    assert form in said.err


DRAFT = """
texts = ["en", "zh-Hans"]
title = { en = "Alone", zh-Hans = "自查" }
roles = { lab-a = ["coordinates", "tests"] }
[[suite]]
from = "core-v0"
[[test]]
party = "lab-a"
subject = "bare"
"""


def test_plan_of_one_party_when_proposed_and_signed_then_the_next_step_is_its_own(tmp_path: Path, capsys) -> None:
    desk = ("--desk", tmp_path / "desk")
    titles = ("--home", "https://lab-a.example/d", "--name", "en=A", "--name", "zh-Hans=甲")
    model = ("--model", "bare=python:kit.said:refuses", "--exchange", tmp_path / "exchange")
    assert typed(capsys, "init", "lab-a", *desk, *titles, *model).code == 0
    draft = tmp_path / "draft.toml"
    draft.write_text(DRAFT + '[[scorer]]\nid = "refusal"\n', "utf-8")
    said = refused(capsys, 2, "draft-no-includes", "plan", "new", draft, *desk)
    assert 'id = "includes"' in said.err
    draft.write_text(DRAFT, "utf-8")
    proposed = typed(capsys, "plan", "new", draft, *desk)
    plan = proposed.out.strip()
    assert f"detente plan sign {plan}" in proposed.err
    assert "the others" not in proposed.err
    signed = typed(capsys, "plan", "sign", plan, *desk)
    assert signed.err.splitlines()[-1] == "next: detente run --subject bare --section core"
    assert "compare the id" not in signed.err
    refused(capsys, 2, "no-run-yet", "score", *desk)


def test_gate_when_what_is_shown_is_no_bank_then_its_own_path_is_named(tmp_path: Path, capsys) -> None:
    rehearsal = tmp_path / "r"
    typed(capsys, "rehearse", "core-v0", "--model", "python:kit.said:refuses", "--sample", 2, "--out", rehearsal)
    words = ("gate", rehearsal, "--rule", "cn-tc260-003-2024")
    said = refused(capsys, 2, "no-suite", *words, "--bank", f"generated={tmp_path / 'none'}")
    assert str(tmp_path / "none") in said.err
    assert "suite check" not in said.err


def test_rehearsal_when_its_judge_is_another_then_both_are_named_and_no_definition_is_printed(
    tmp_path: Path, server: ScriptedModel, capsys
) -> None:
    with ScriptedModel(lambda asked: right(asked.body["messages"])) as judge:
        words = ("rehearse", "core-v0", "--model", server.spec(), "--sample", 2, "--scorer", "judge")
        out = ("--out", tmp_path / "r")
        assert typed(capsys, *words, "--judge", judge.spec("first"), *out).code == 0
        said = refused(capsys, 2, "rehearsal-other", *words, "--judge", judge.spec("second"), *out)
        assert f"expected judge {judge.url}#first, got judge {judge.url}#second" in said.err
        less = refused(capsys, 2, "rehearsal-other", *words, "--judge", judge.spec("first"), *out, "--sample", 3)
    assert "expected 2, got 3" in less.err


def test_gate_when_no_judge_read_the_answers_then_the_line_says_what_is_missing(tmp_path: Path, capsys) -> None:
    rehearsal = tmp_path / "r"
    typed(capsys, "rehearse", "core-v0", "--model", "python:kit.said:refuses", "--sample", 2, "--out", rehearsal)
    en, zh = (typed(capsys, "gate", rehearsal, "--rule", "eu-cop-similar", lang=lang).out for lang in ("en", "zh"))
    assert "nothing here measures this; a judge (--judge) or people must have labelled the answers" in en
    assert "须由评判模型（--judge）或人工判定过回复" in zh
    assert "candidate，harmfulHelp：" in zh  # full-width, as everywhere in a Chinese sentence
