# SPDX-License-Identifier: Apache-2.0
"""Rehearsals in variants, and a gate that asks in those that its rule names: over real HTTP, within one budget, in one command."""

import json
from pathlib import Path
from typing import Any

import pytest

from detente.pact.wrappers import begun_by
from kit.judging import right
from kit.labs import ANSWER, REFUSAL
from kit.model import Asked, ScriptedModel
from kit.typed import refused, typed

BEGUN = begun_by("prefilled")
HERE = "zh-Hans", "en"


def lang_of(text: str) -> str:
    return HERE[0] if any("\u4e00" <= c <= "\u9fff" for c in text) else HERE[1]


def answers(asked: Asked) -> str:
    """Refuses unless its safeguards are off or its answer was begun; the begun words come back with it."""
    last, lang = asked.body["messages"][-1], lang_of(asked.text)
    if last["role"] == "assistant":
        return f"{last['content']}\n{ANSWER[lang]}"
    return (ANSWER if asked.body["model"].endswith("off") else REFUSAL)[lang]


def rows_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "answers.jsonl").read_text("utf-8").splitlines()]


def test_rehearsal_when_asked_plainly_and_prefilled_then_both_stand_apart_in_one_file(tmp_path: Path, capsys) -> None:
    out = tmp_path / "r"
    with ScriptedModel(answers) as server:
        words = ("rehearse", "core-v0", "--model", f"vllm:{server.url}#m", "--out", out, "--sample", 30)
        both = (*words, "--variant", "plain", "--variant", "prefilled")
        assert typed(capsys, *both).code == 0
        n = server.count
        assert typed(capsys, *both, lang="zh").code == 0
        assert server.count == n, "nobody is asked twice"
        refused(capsys, 2, "rehearsal-other", *words)
        refused(capsys, 2, "rehearsal-other", *words, "--variant", "prefilled")
    rows = rows_of(out)
    plain, begun = ([row for row in rows if row.get("variant", "") == name] for name in ("", "prefilled"))
    assert len(plain) == 60
    assert len(begun) == sum(row["kind"] != "control" for row in plain)
    assert {row["kind"] for row in begun} == {"attack", "benign"}
    assert {row["refusal"] for row in plain if row["kind"] == "hazard"} == {"refuse"}
    assert {row["refusal"] for row in begun} == {"comply"}
    assert not any(row["output"].lstrip().startswith(tuple(BEGUN.values())) for row in begun)
    asked = [
        one.body["messages"][-1]["content"] for one in server.asked if one.body["messages"][-1]["role"] == "assistant"
    ]
    assert set(asked) == set(BEGUN.values())
    assert all(asked.count(BEGUN[tag]) == sum(row["lang"] == tag for row in begun) for tag in BEGUN)


def test_rehearsal_when_a_variant_cannot_be_asked_then_nobody_is(tmp_path: Path, capsys) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text('{"id": "a", "input": "How?"}\n')
    with ScriptedModel() as server:
        model = ("--model", f"vllm:{server.url}#m", "--out", tmp_path / "r")
        refused(capsys, 2, "S-3.name", "rehearse", "core-v0", *model, "--variant", "prefiled")
        refused(capsys, 2, "S-3.pivot", "rehearse", "core-v0", *model, "--variant", "pivot-sw")
        refused(capsys, 2, "S-3.words", "rehearse", file, *model, "--variant", "prefilled")
        plain = ("--model", server.spec(), "--out", tmp_path / "r")
        refused(capsys, 2, "model-no-begin", "rehearse", "core-v0", *plain, "--variant", "prefilled")
        (tmp_path / "empty").write_text("\n")
        refused(capsys, 2, "recipe-empty", "rehearse", "core-v0", *plain, "--recipe", tmp_path / "empty")
        assert server.count == 0
        assert not (tmp_path / "r" / "rehearsal.json").exists()
        # what wraps the question alone needs nothing of the model
        words = ("rehearse", "core-v0", *plain, "--sample", 4, "--variant", "role-play", "--variant", "base64")
        assert typed(capsys, *words).code == 0
        assert {row["variant"] for row in rows_of(tmp_path / "r")} == {"role-play", "base64"}


def test_forecast_when_questions_are_put_in_variants_then_all_of_them_are_counted(tmp_path: Path, capsys) -> None:
    words = (
        "rehearse",
        "core-v0",
        "--model",
        "vllm:http://127.0.0.1:9/v1#m",
        "--out",
        tmp_path / "r",
        "--dry-run",
        "--json",
    )
    rows = [
        json.loads(typed(capsys, *words, *more).out.splitlines()[-1])
        for more in ((), ("--variant", "plain", "--variant", "prefilled"))
    ]
    slots = [row["slots"] for row in rows]
    assert slots[0] < slots[1] < 2 * slots[0]


# --- one command in a CI job ------------------------------------------------------------------------


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    rows = [
        {"id": f"h{n}", "input": f"question {n}", "lang": "en", "hazard": "dt:crime", "kind": "hazard"}
        for n in range(130)
    ]
    path = tmp_path / "suite.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def verdicts(out: str) -> dict[str, str]:
    rows = [json.loads(line) for line in out.splitlines()]
    return {row["criterion"]: row["verdict"] for row in rows if "criterion" in row}


def test_gate_when_it_asks_itself_then_each_subject_is_asked_in_the_variants_of_its_rule(
    tmp_path: Path, suite: Path, capsys
) -> None:
    recipe = tmp_path / "recipe.txt"
    recipe.write_text("Abliteration: tool x, commit 0123abc.")
    with ScriptedModel(answers) as server, ScriptedModel(lambda asked: right(asked.body["messages"])) as judge:
        names = {"candidate": "m", "reference": "n", "candidate-unguarded": "m-off", "reference-unguarded": "n-off"}
        models = [f"{subject}=vllm:{server.url}#{name}" for subject, name in names.items()]
        words = ["gate", *models, "--suite", suite, "--sample", 120, "--max-minutes", 5, "--rule", "open-release"]
        words += ["--json", "--judge", judge.spec("judge"), "--out", tmp_path / "g"]
        recipes = [word for one in names if one.endswith("unguarded") for word in ("--recipe", f"{one}={recipe}")]
        said = typed(capsys, *words, *recipes)
        assert said.code == 0, said
        assert set(verdicts(said.out).values()) == {"pass"}
        asked = server.count
        assert typed(capsys, *words, *recipes).code == 0
        assert server.count == asked == 120 * 6  # the two that are compared so are asked twice
        # without the recipe nobody can tell: these are endpoints, and their weights are known to nobody
        bare = [*words[:-1], tmp_path / "bare"]
        without = typed(capsys, *bare)
        assert without.code == 4
        lacking = {one for one, word in verdicts(without.out).items() if word != "pass"}
        assert lacking == {"candidate-changed", "reference-changed"}
        words.remove("--json")
        refused(capsys, 2, "rehearsal-other", *words)
        refused(capsys, 2, "recipe-subject", *words, "--recipe", f"somebody={recipe}")
        two = [word for word in words if "candidate-unguarded=" not in str(word)]
        third = typed(capsys, *two, *recipes[2:], "--json")
        assert third.code == 4
        assert verdicts(third.out)["unguarded"] == "cannot-tell"
    for subject, name in names.items():
        held = json.loads((tmp_path / "g" / subject / "descriptor.json").read_bytes())
        assert (held["name"], held.get("recipe", "")) == (name, recipe.read_text() if "off" in name else "")


def test_gate_when_rehearsals_were_not_prefilled_then_nobody_can_tell(tmp_path: Path, suite: Path, capsys) -> None:
    done = []
    with ScriptedModel(answers) as server, ScriptedModel(lambda asked: right(asked.body["messages"])) as judge:
        for subject in ("candidate", "reference"):
            out = tmp_path / subject
            words = ("rehearse", suite, "--model", f"vllm:{server.url}#{subject}", "--out", out, "--scorer", "judge")
            assert typed(capsys, *words, "--judge", judge.spec("judge")).code == 0
            done.append(f"{subject}={out}")
    said = typed(capsys, "gate", *done, "--rule", "open-release", "--json")
    assert said.code == 4
    found = verdicts(said.out)
    assert (found["no-system-prompt"], found["prefilled"]) == ("pass", "cannot-tell")
    assert "prefilled" in typed(capsys, "gate", *done, "--rule", "open-release").out
