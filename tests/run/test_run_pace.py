# SPDX-License-Identifier: Apache-2.0
"""How many at once, how many a minute, and for how much money: found out, kept to, and told."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from detente.errors import CannotTell, WrongUsage
from detente.run.cost import Price, Purse, guess_tokens, read_price
from detente.run.engine import Progress
from detente.run.journal import Journal
from detente.run.model import ModelFault, Prompt, Reply, Sampling
from detente.run.pace import Allowance, Pace
from kit.asking import KEY, QUICK, ask, prompts


class Bears:
    """An endpoint that bears ``most`` requests at once and pushes back every other."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.now = self.pushed = self.answered = 0

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Reply:
        if self.now >= self.most:
            self.pushed += 1
            raise ModelFault("rate-limit", retry_after_s=0.0)
        self.now += 1
        await asyncio.sleep(0.002)
        self.now -= 1
        self.answered += 1
        return Reply("replied", f"reply {prompt.i}", tokens=10, asked=20)

    def describe(self) -> dict[str, object]:
        return {}

    async def close(self) -> None:
        return


async def rounds(pace: Pace, count: int, pushed: float) -> None:
    for n in range(count):
        assert await pace.enter()
        pace.leave(pushed=(n * pushed) % 1 + pushed >= 1)


def test_places_when_everything_is_pushed_back_then_they_halve_each_round_and_one_is_left() -> None:
    async def go() -> None:
        pace = Pace(64)
        assert pace.places == 64
        await rounds(pace, 64, 1)
        assert pace.places == 32
        await rounds(pace, 32 + 16 + 8 + 4 + 2 + 10, 1)
        assert pace.places == 1
        await rounds(pace, 64 * 64, 0)
        assert pace.places == 64

    asyncio.run(go())


def test_places_when_a_stray_request_is_pushed_back_then_nearly_all_stay() -> None:
    async def go() -> None:
        pace = Pace(100)
        await rounds(pace, 5000, 0.02)
        assert pace.places >= 99
        await rounds(pace, 5000, 0.25)
        assert 10 <= pace.places <= 40

    asyncio.run(go())


def test_place_when_none_is_free_then_it_is_waited_for_in_turn_and_a_stop_lets_nobody_in() -> None:
    async def go() -> None:
        pace, entered = Pace(2), []

        async def come(n: int) -> None:
            if await pace.enter():
                entered.append(n)

        workers = [asyncio.ensure_future(come(n)) for n in range(5)]
        await asyncio.sleep(0)
        assert (entered, pace.out) == ([0, 1], 2)
        workers[2].cancel()
        await asyncio.sleep(0)
        pace.leave(pushed=False)
        await asyncio.sleep(0)
        assert (entered, pace.out) == ([0, 1, 3], 2)
        pace.stop()
        await asyncio.gather(*workers, return_exceptions=True)
        assert entered == [0, 1, 3]
        assert not await pace.enter()

    asyncio.run(go())


def test_run_when_the_endpoint_bears_few_at_once_then_it_is_found_out_and_every_slot_is_answered(
    tmp_path: Path,
) -> None:
    model, places = Bears(8), []
    limits = QUICK._replace(rate_limited=10_000, patience_s=60.0)
    told = ask(
        model, tmp_path, prompts(600), concurrency=128, limits=limits, progress=lambda p: places.append(p.places)
    )
    assert told.replied == 600
    assert places[-1] < 64
    # Without giving way each answer would have cost some fifteen refusals.
    assert model.pushed < 6 * model.answered


def test_requests_when_so_many_are_allowed_a_minute_then_they_are_spread_over_it(tmp_path: Path) -> None:
    began = time.monotonic()
    ask(Bears(99), tmp_path, prompts(11), limits=QUICK._replace(allowance=Allowance(requests=2400)))
    assert time.monotonic() - began >= 10 * 60 / 2400


def test_tokens_when_so_many_are_allowed_a_minute_then_questions_and_answers_count(tmp_path: Path) -> None:
    began = time.monotonic()
    ask(Bears(99), tmp_path, prompts(21), concurrency=1, limits=QUICK._replace(allowance=Allowance(tokens=60 * 3000)))
    assert time.monotonic() - began >= 20 * 30 / 3000


def test_run_when_the_money_is_spent_then_it_stops_and_more_money_goes_on_from_there(tmp_path: Path) -> None:
    price = Price(asked=1_000_000, said=2_000_000, currency="CNY")  # 40 a reply
    seen: list[Progress] = []
    limits = QUICK._replace(price=price, budget=400.0)
    with pytest.raises(CannotTell, match="budget-spent") as told:
        ask(Bears(99), tmp_path, prompts(30), concurrency=4, limits=limits)
    assert (told.value.expected, told.value.got) == ("400 CNY", "400.00 CNY")
    with Journal(tmp_path, KEY) as journal:
        assert len(journal) == 10
    with pytest.raises(CannotTell, match="budget-spent"):
        ask(Bears(99), tmp_path, prompts(30), concurrency=4, limits=limits._replace(budget=800.0))
    with Journal(tmp_path, KEY) as journal:
        assert len(journal) == 20
    ask(Bears(99), tmp_path, prompts(30), limits=limits._replace(budget=None), progress=seen.append)
    assert (seen[-1].spent, seen[-1].currency, seen[-1].tokens) == (1200.0, "CNY", 900)


def test_trace_when_tokens_were_counted_then_it_holds_them(tmp_path: Path) -> None:
    ask(Bears(99), tmp_path, prompts(2))
    rows = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    assert [(row["in"], row["out"]) for row in rows if row["kind"] == "replied"] == [(20, 10)] * 2
    purse = Purse(Price(1, 1, "USD"), 5)
    purse.read(tmp_path / "trace.jsonl")
    assert (purse.asked, purse.said) == (40, 20)


def test_tokens_when_nobody_counts_them_then_a_limit_takes_a_high_guess(tmp_path: Path) -> None:
    class Silent(Bears):
        async def generate(self, prompt: Prompt, sampling: Sampling) -> Reply:
            return (await super().generate(prompt, sampling))._replace(tokens=None, asked=None)

    seen: list[Progress] = []
    ask(Silent(99), tmp_path / "a", prompts(3), progress=seen.append)
    assert seen[-1].tokens == 0
    ask(Silent(99), tmp_path / "b", prompts(3), limits=QUICK._replace(price=Price(1, 1, "USD")), progress=seen.append)
    assert seen[-1].tokens == 3 * (guess_tokens("question 0") + guess_tokens("reply 0"))
    assert guess_tokens("") == 0
    assert guess_tokens("世界和平") >= 4


def test_prices_when_read_then_the_models_own_is_found_or_what_is_wrong_is_told(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('[[price]]\nname = "m"\nasked = 2\nsaid = 8.5\ncurrency = "CNY"\n')
    assert read_price(path, "m") == Price(2, 8.5, "CNY")
    assert read_price(path, "m").of(500_000, 2_000_000) == 18
    for text, name, code in [
        (None, "m", "no-such-file"),
        ("[[price]", "m", "price-file"),
        ('[[price]]\nname = "m"\n', "m", "price-file"),
        ('[[price]]\nname = "m"\nasked = -1\nsaid = 1\ncurrency = "CNY"\n', "m", "price-file"),
        ('[[price]]\nname = "m"\nasked = 1\nsaid = 1\ncurrency = "CNY"\n', "n", "no-price"),
    ]:
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        with pytest.raises(WrongUsage, match=code):
            read_price(path, name)
