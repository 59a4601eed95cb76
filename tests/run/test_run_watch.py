# SPDX-License-Identifier: Apache-2.0
"""A run seen from another process: the same as its own display says, without a lock, whatever the files hold."""

from pathlib import Path

import pytest

from detente.run.cost import Price
from detente.run.engine import Limits, Progress
from detente.run.journal import Journal, held_journal, is_written, trace_row
from detente.run.model import ModelFault, Reply
from detente.run.watch import Part, after, attempts, latest, look, newest
from kit.asking import KEY, QUICK, ask, prompts


class Flaky:
    """Answers, but for every third question a fault first, and every fifth is filtered."""

    def __init__(self) -> None:
        self.asked: set[int] = set()

    async def generate(self, prompt, _sampling) -> Reply:
        if prompt.i % 3 == 0 and prompt.i not in self.asked:
            self.asked.add(prompt.i)
            raise ModelFault("server", "http-500")
        if prompt.i % 5 == 0:
            return Reply("filtered", None, reason="content_filter")
        return Reply("replied", f"answer {prompt.i}\nand more", tokens=7, asked=5)

    def describe(self) -> dict[str, object]:
        return {"name": "flaky"}

    async def close(self) -> None:
        return None


def cell_of(i: int) -> tuple[str, str]:
    return ("en" if i % 2 == 0 else "zh-Hans"), ""


CELLS = {("en", ""): 15, ("zh-Hans", ""): 15}


def test_look_when_a_run_has_ended_then_it_says_what_the_run_itself_said(tmp_path: Path) -> None:
    told: list[Progress] = []
    limits = Limits(*QUICK._replace(price=Price(2.0, 8.0, "USD")))
    ask(Flaky(), tmp_path, prompts(30), progress=told.append, limits=limits)
    seen, last = look([Part(tmp_path, limits.price)], 30, cell_of, CELLS), told[-1]
    assert seen.faults == {"server": 10}
    for name in ("done", "total", "outcomes", "by_lang", "faults", "tokens", "spent", "currency"):
        assert getattr(seen, name) == getattr(last, name), name
    assert seen.rate_per_s >= 0


def test_look_when_there_is_nothing_yet_then_it_is_nought(tmp_path: Path) -> None:
    seen = look([Part(tmp_path / "none")], 30, cell_of, CELLS)
    assert (seen.done, seen.total, seen.tokens, seen.rate_per_s, seen.spent) == (0, 30, 0, 0.0, None)


def test_attempts_when_rows_are_written_then_rate_faults_and_latency_are_those_of_the_last_process(
    tmp_path: Path,
) -> None:
    rows = [trace_row(-1, 0, 1_000, 0, "begin"), trace_row(0, 1, 1_000, 10, "timeout", reason="timeout")]
    rows += [trace_row(i, 1, 1_000, 100, "replied", used=(5, 7)) for i in range(50)]
    rows += [trace_row(-1, 50, 1_000_000, 0, "begin"), trace_row(50, 1, 1_000_000, 10, "rate-limit", reason="http-429")]
    rows += [trace_row(60 + i, 1, 1_000_000 + 1000 * i, 500, "replied", used=(5, 7)) for i in range(20)]
    (tmp_path / "trace.jsonl").write_bytes(b"".join(row + b"\n" for row in rows) + b'{"attempt":1,"i":')
    seen = attempts(tmp_path, active=False)
    assert seen.faults == {"rate-limit": 1}
    assert (seen.asked, seen.said) == (350, 490)
    assert seen.answer_s == pytest.approx((50 * 0.1 + 20 * 0.5) / 70)
    assert seen.rate_per_s == pytest.approx(20 / 19.5, rel=0.01)


def test_latest_when_a_few_are_wanted_then_they_are_the_last_in_the_order_they_came(tmp_path: Path) -> None:
    ask(Flaky(), tmp_path, prompts(30), concurrency=1)
    whole, _ = latest(tmp_path, 1000)
    assert sorted(answer.i for answer in whole) == list(range(30))
    for n in (1, 5, 30):
        found, at = latest(tmp_path, n)
        assert found == whole[-n:]
        assert at == (tmp_path / "bodies.jsonl").stat().st_size
    filtered = next(answer for answer in whole if answer.i == 5)
    assert (filtered.outcome, filtered.output, filtered.reason) == ("filtered", None, "content_filter")


def test_latest_when_answers_are_longer_than_a_block_then_none_is_cut(tmp_path: Path) -> None:
    class Long(Flaky):
        async def generate(self, prompt, _sampling) -> Reply:
            return Reply("replied", f"{prompt.i}" * 3000)

    ask(Long(), tmp_path, [p._replace(chars=10**6) for p in prompts(40)], concurrency=1)
    found, _ = latest(tmp_path, 25)
    assert [answer.output for answer in found] == [f"{i}" * 3000 for i in range(15, 40)]


def test_newest_of_two_journals_when_some_ended_before_others_were_written_then_each_keeps_its_own_order(
    tmp_path: Path,
) -> None:
    # (slot, when it ended) in the order in which the lines stand; slot 4 has no row in the trace.
    lines = {"a": [(0, 10), (1, 40), (2, 30), (3, 70)], "b": [(5, 20), (6, 60), (4, None), (7, 65)]}
    for name, answers in lines.items():
        (tmp_path / name).mkdir()
        with (
            (tmp_path / name / "bodies.jsonl").open("wb") as bodies,
            (tmp_path / name / "trace.jsonl").open("wb") as trace,
        ):
            for i, ended in answers:
                bodies.write(b'{"i":%d,"outcome":"replied","output":"x"}\n' % i)
                if ended is not None:
                    trace.write(trace_row(i, 1, ended, 0, "replied") + b"\n")
    folders = [tmp_path / "a", tmp_path / "b"]
    whole, _ = newest(folders, 100)
    assert [answer.i for answer in whole] == [0, 5, 1, 2, 6, 4, 7, 3]
    for n in range(1, 9):
        assert newest(folders, n)[0] == whole[-n:], n


def test_after_when_a_line_is_half_written_then_it_is_told_once_it_is_whole(tmp_path: Path) -> None:
    ask(Flaky(), tmp_path, prompts(3))
    path = tmp_path / "bodies.jsonl"
    raw = path.read_bytes()
    path.write_bytes(raw[:-9])
    first, at = latest(tmp_path, 10)
    assert len(first) == 2
    assert after(tmp_path, at) == ([], at)
    path.write_bytes(raw)
    [last], end = after(tmp_path, at)
    assert {*(answer.i for answer in first), last.i} == {0, 1, 2}
    assert end == len(raw)


def test_is_written_while_a_process_has_the_journal_then_it_says_so_and_disturbs_nobody(tmp_path: Path) -> None:
    assert not is_written(tmp_path)
    with Journal(tmp_path, KEY):
        assert is_written(tmp_path)
        assert is_written(tmp_path), "asking does not take it"
    assert not is_written(tmp_path)
    with held_journal(tmp_path):
        assert is_written(tmp_path)
    with Journal(tmp_path, KEY) as journal:
        assert len(journal) == 0
