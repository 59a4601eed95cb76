# SPDX-License-Identifier: Apache-2.0
"""A subject in several places: how desk.toml says it, what the card says of it, and a run that asks all of them."""

import json
from pathlib import Path

import pytest

from detente.desk.keys import ModelEntry, load_desk, make_card, make_desk
from detente.errors import WrongUsage
from detente.run.pace import Allowance
from detente.wire.canonical import decode
from kit.labs import meet, register_all, run_one
from kit.model import ScriptedModel

A, B = "openai:https://a.example/v1#m", "openai:https://b.example/v1#m"


def desk(root: Path, *entries: ModelEntry):
    return make_desk(root / "desk", "lab-a", {"en": "Lab A"}, "https://a.example/d", root / "exchange", list(entries))


def entry(use: str | list[str], key_env: str | list[str] | None = None, **more: float) -> ModelEntry:
    return ModelEntry("big", use, {"en": "Big"}, None, key_env, **more)


def test_desk_when_it_has_lists_and_limits_then_they_are_read_as_they_were_written(tmp_path: Path) -> None:
    for n, given in enumerate([entry(A, "K"), entry([A, B], ["K", "L"], per_minute=60.0, tokens_per_minute=9000.5)]):
        made = desk(tmp_path / str(n), given)
        assert load_desk(made.root).models == [given]
        assert made.allowance("big") == Allowance(given.per_minute, given.tokens_per_minute)


def test_card_when_a_subject_has_two_addresses_then_both_stand_in_it_and_keys_are_not_needed(tmp_path: Path) -> None:
    card = decode(make_card(desk(tmp_path, entry([B, A], ["UNSET_1", "UNSET_2"]))), "card")
    assert isinstance(card, dict)
    assert card["subjects"][0]["descriptor"]["endpoint"] == "https://a.example/v1 https://b.example/v1"


def test_model_when_keys_are_missing_or_too_many_then_it_is_said_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K", "first-key-of-many")
    with pytest.raises(WrongUsage, match="no-key") as caught:
        desk(tmp_path / "one", entry([A, B], ["K", "UNSET_2"])).load_model("big", 1)
    assert caught.value.got == "UNSET_2"
    with pytest.raises(WrongUsage, match="keys-count"):
        desk(tmp_path / "two", entry([A, B], ["K", "K", "K"])).load_model("big", 1)
    with pytest.raises(WrongUsage, match="models-differ"):
        desk(tmp_path / "three", entry([A, "gguf:smollm2"]))
    assert not (tmp_path / "three" / "desk").exists(), "everything is judged before anything is written"


@pytest.mark.parametrize("line", ["per_minute = 0", "tokens_per_minute = -1", "use = []", "key_env = 7"])
def test_desk_when_a_member_does_not_fit_then_it_is_named(line: str, tmp_path: Path) -> None:
    made = desk(tmp_path, entry(A))
    path = made.root / "desk.toml"
    name = line.partition(" ")[0]
    kept = [row for row in path.read_text("utf-8").splitlines() if not row.startswith(f"{name} =")]
    at = next(n for n, row in enumerate(kept) if row.startswith("subject"))
    path.write_text("\n".join([*kept[: at + 1], line, *kept[at + 1 :]]) + "\n", "utf-8")
    with pytest.raises(WrongUsage, match="desk-broken") as caught:
        load_desk(made.root)
    assert name in caught.value.place


def test_run_when_a_subject_has_two_endpoints_and_a_limit_then_both_are_asked_and_no_faster_than_allowed(
    tmp_path: Path,
) -> None:
    with ScriptedModel(lambda _: "No.") as one, ScriptedModel(lambda _: "No.") as two:
        labs = meet(tmp_path, model=[one.spec(), two.spec()])
        toml = labs.desks["lab-a"].root / "desk.toml"
        toml.write_text(toml.read_text("utf-8").replace("[[model]]", "[[model]]\nper_minute = 12000"), "utf-8")
        labs.desks["lab-a"] = load_desk(toml.parent)
        register_all(labs)
        run_one(labs, "lab-a")
    slots = len(labs.runs["lab-a"].slots)
    assert one.count + two.count == slots
    assert min(one.count, two.count) > slots // 4
    trace = (labs.runs["lab-a"].journal_path() / "trace.jsonl").read_text().splitlines()
    starts = [row["started"] for row in map(json.loads, trace) if row["kind"] == "replied"]
    assert max(starts) - min(starts) >= (slots - 2) * 60_000 / 12_000, "five milliseconds apart"
