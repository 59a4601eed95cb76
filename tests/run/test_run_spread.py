# SPDX-License-Identifier: Apache-2.0
"""Several endpoints or keys for one model: the load is shared, trouble is left alone, and nothing is asked twice."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from detente.cli import main
from detente.errors import CannotTell, WrongUsage
from detente.run.model import ModelFault, Prompt, Reply, Sampling, load_models
from detente.run.models.spread import Spread
from kit import faults
from kit.asking import GREEDY, QUICK, ask, lines, prompt, prompts
from kit.model import Answer, Asked, ScriptedModel

KEYS = ["key-of-the-first-account", "key-of-the-second-account"]


class Said:
    """A member that does what it is told: answers, or raises its next fault."""

    def __init__(self, *faults_: ModelFault, wait_s: float = 0.0) -> None:
        self.faults, self.wait_s, self.asked = list(faults_), wait_s, 0
        self.place = "said"

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Reply:
        self.asked += 1
        await asyncio.sleep(self.wait_s)
        if self.faults:
            raise self.faults.pop(0)
        return Reply("replied", "yes")

    def describe(self) -> dict[str, object]:
        return {"endpoint": None, "name": "m"}

    async def close(self) -> None:
        pass


async def once(spread: Spread) -> Reply | ModelFault:
    try:
        return await spread.generate(prompt(0), GREEDY)
    except ModelFault as fault:
        return fault


def test_questions_when_two_endpoints_serve_one_model_then_each_is_asked_once_and_both_work(tmp_path: Path) -> None:
    with ScriptedModel(lambda a: a.text, latency_s=0.01) as one, ScriptedModel(lambda a: a.text, latency_s=0.01) as two:
        model = load_models([one.spec(), two.spec()])
        assert ask(model, tmp_path, prompts(200), concurrency=16).replied == 200
    assert sorted(a.text for a in one.asked + two.asked) == sorted(f"question {i}" for i in range(200))
    assert min(len(one.asked), len(two.asked)) > 50


def test_answers_when_a_spread_gave_them_then_the_bodies_are_those_of_one_endpoint(tmp_path: Path) -> None:
    fault = faults.mixed_faults({"429": 0.1, "500": 0.1, "reset": 0.05})
    with ScriptedModel() as one, ScriptedModel(fault=fault) as two:
        ask(one.spec(), tmp_path / "one", prompts(100))
        ask(load_models([one.spec(), two.spec()]), tmp_path / "both", prompts(100))
    assert lines(tmp_path / "one") == lines(tmp_path / "both")


def test_member_when_it_asks_for_patience_then_the_other_goes_on_at_once(tmp_path: Path) -> None:
    limited = ScriptedModel(fault=lambda _: faults.rate_limit("3600"))
    with limited, ScriptedModel(lambda _: "yes") as free:
        began = time.monotonic()
        model = load_models([limited.spec(), free.spec()])
        assert ask(model, tmp_path, prompts(60), concurrency=4).replied == 60
        assert time.monotonic() - began < 3600, "nobody waited for the one that rests"
    assert limited.count <= 4, "only those that were on their way when it first said so"
    rows = [json.loads(row) for row in (tmp_path / "trace.jsonl").read_text().splitlines()]
    assert sum(row["kind"] == "rate-limit" for row in rows) == limited.count, "every attempt is in the trace"


def test_member_when_its_server_is_down_then_the_other_answers_everything(tmp_path: Path) -> None:
    with ScriptedModel(lambda _: "yes") as free:
        model = load_models(["openai:http://127.0.0.1:1/v1#scripted", free.spec()])
        assert ask(model, tmp_path, prompts(60), concurrency=4, limits=QUICK).replied == 60


def test_key_when_its_account_is_used_up_on_the_way_then_the_others_go_on_and_the_last_one_stops_the_run(
    tmp_path: Path,
) -> None:
    spent = {KEYS[0]: 10, KEYS[1]: 40}

    def billed(asked: Asked) -> Answer | None:
        key = asked.headers["authorization"].removeprefix("Bearer ")
        spent[key] -= 1
        return faults.NO_MONEY if spent[key] < 0 else None

    with ScriptedModel(lambda _: "yes", fault=billed) as server:
        model = load_models([server.spec()], keys=KEYS)
        with pytest.raises(CannotTell, match="quota-used-up"):
            ask(model, tmp_path, prompts(100), concurrency=2)
    assert len(lines(tmp_path)) == 50, "nothing that was paid for is lost"
    assert spent[KEYS[0]] >= -2, "a key that was refused is not tried again and again"


def test_key_when_it_never_worked_then_the_run_stops_and_says_so(tmp_path: Path) -> None:
    def checked(asked: Asked) -> Answer | None:
        return faults.WRONG_KEY if asked.headers["authorization"].endswith(KEYS[1]) else None

    with ScriptedModel(lambda _: "yes", fault=checked) as server, pytest.raises(CannotTell, match="key-refused"):
        ask(load_models([server.spec()], keys=KEYS), tmp_path, prompts(100), concurrency=2)


def test_member_when_it_fails_again_and_again_then_it_rests_and_one_failure_is_nothing() -> None:
    async def go() -> None:
        poor, good = Said(*[ModelFault("reset") for _ in range(9)]), Said(wait_s=0.01)
        spread = Spread([poor, good])
        first, other, second = [await once(spread) for _ in range(3)]
        assert isinstance(first, ModelFault)
        assert isinstance(other, Reply), "of two with nothing to do the other one is asked"
        assert isinstance(second, ModelFault)
        assert (first.retry_after_s, second.retry_after_s) == (None, 0.0), "the other is free: no need to wait"
        await asyncio.gather(*(once(spread) for _ in range(10)))
        assert (poor.asked, good.asked) == (2, 11)
        spread.members[0].rests_until = 0.0
        poor.faults.clear()
        assert isinstance(await once(spread), Reply)
        assert (poor.asked, spread.members[0].failed) == (3, 0)

    asyncio.run(go())


def test_fault_when_it_is_the_questions_own_then_no_member_rests() -> None:
    async def go() -> None:
        members = [Said(*[ModelFault(kind)] * 9) for kind in ("server", "refused-request", "forbidden", "empty")]
        spread = Spread(members)
        for _ in members:
            assert isinstance(await once(spread), ModelFault)
        assert {member.rests_until for member in spread.members} == {0.0}

    asyncio.run(go())


def test_fault_when_all_members_rest_then_the_wait_is_that_of_the_first_to_wake() -> None:
    async def go() -> None:
        spread = Spread([Said(ModelFault("rate-limit", retry_after_s=s)) for s in (50.0, 9.0)])
        first, second = await once(spread), await once(spread)
        assert isinstance(first, ModelFault)
        assert isinstance(second, ModelFault)
        assert first.retry_after_s == 0.0
        assert 8.0 < (second.retry_after_s or 0) <= 9.0

    asyncio.run(go())


def test_descriptor_when_keys_are_several_then_it_is_the_same_and_several_addresses_are_all_named() -> None:
    a, b = "openai:https://a/v1#m", "openai:https://b/v1#m"
    alone = load_models([a]).describe()
    assert load_models([a], keys=KEYS).describe() == alone
    assert load_models([b, a]).describe() == {**alone, "endpoint": "https://a/v1 https://b/v1"}
    with pytest.raises(WrongUsage, match="models-differ") as caught:
        load_models([a, "openai:https://b/v1#other"])
    assert (caught.value.expected, caught.value.got) == ("m", "other")
    with pytest.raises(WrongUsage, match="models-differ"):
        load_models([a, "vllm:https://b/v1#m"])
    with pytest.raises(WrongUsage, match="keys-count"):
        load_models([a, b], keys=["x", "y", "z"])


def test_rehearsal_when_it_is_given_two_endpoints_and_two_keys_then_all_of_them_share_the_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": f"q{i}", "prompt": f"question {i}", "lang": "en"} for i in range(40)]
    (tmp_path / "suite.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, key in zip("AB", KEYS, strict=True):
        monkeypatch.setenv(f"KEY_{name}", key)
    with ScriptedModel(lambda _: "yes") as one, ScriptedModel(lambda _: "yes") as two:
        command = ["rehearse", str(tmp_path / "suite.jsonl"), "-o", str(tmp_path / "out"), "--concurrency", "8"]
        for server, name in ((one, "A"), (two, "B")):
            command += ["--model", server.spec(), "--key-env", f"KEY_{name}"]
        assert main(command) == 0
    for server, key in ((one, KEYS[0]), (two, KEYS[1])):
        assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {key}"}
    assert one.count + two.count == 40
    assert len((tmp_path / "out" / "answers.jsonl").read_text().splitlines()) == 40
    assert (
        main(["rehearse", str(tmp_path / "suite.jsonl"), "-o", str(tmp_path / "out"), "--model", "gguf:smollm2"]) == 2
    )
