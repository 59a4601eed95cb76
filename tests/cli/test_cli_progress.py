# SPDX-License-Identifier: Apache-2.0
"""The display of a long run: on a terminal, in a log file, as JSON events; in both languages; stopped by Ctrl-C."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from detente.cli.progress import (
    Count,
    Display,
    Rate,
    by_hazard,
    by_lang,
    clipped,
    duration,
    event_of,
    lines_of,
    money,
    plain_line,
)
from detente.cli.speech import Speech, wide
from detente.desk.rehearsals import Rehearsal, rehearse
from detente.run.engine import Progress
from detente.run.journal import Outcomes
from kit.typed import environ, program, raw, typed

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202etxt"
PACED = f"""
import asyncio
async def answer(messages):
    await asyncio.sleep(0.05)
    return {HOSTILE!r} + "the model's own words"
"""
ESCAPES = re.compile(r"\x1b\[(\d*)([A-Z])")


def progress(**more: object) -> Progress:
    cells = {(lang, hazard): 100 for lang in ("en", "zh-Hans") for hazard in ("dt:crime", "dt:cyber")}
    done = {("en", "dt:crime"): 30, ("zh-Hans", "dt:crime"): 20, ("en", "dt:cyber"): 5}
    first = Progress(
        55, 400, Outcomes(50, 2, 3, 1, 1), 11.0, done, cells, {"rate-limit": 7, "server": 2}, 8, 12_345, 16, 1.5, "USD"
    )
    return first._replace(**more)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("columns", [79, 39])
def test_lines_when_the_terminal_is_narrow_then_none_is_wider_in_either_language(lang: str, columns: int) -> None:
    many = {(f"l{n}", f"dt:hazard-{n}"): n for n in range(30)}
    crowded = progress(by_cell=many, of_cell=dict.fromkeys(many, 9), stopping=True)
    for shown in (progress(), crowded):
        lines = lines_of(shown, lang, 11.0, budget=20.0, columns=columns)
        assert max(map(wide, lines)) <= columns
        assert all(line.strip() for line in lines)


def test_lines_when_a_run_is_on_its_way_then_all_that_a_person_asks_is_there() -> None:
    text = "\n".join(lines_of(progress(), "en", 11.0, budget=20.0))
    for said in (
        "55/400 (13 %)", "11.0/s", "31 s left", "8 in flight (at most 16)", "12,345 tokens", "1.50 of 20.00 USD spent",
        "replied 50", "cut 2", "filtered 3", "truncated 1", "failed 1", "rate limit 7, server error 2",
        "en      35/200", "zh-Hans 20/200", "dt:crime 50/200", "dt:cyber  5/200",
    ):  # fmt: skip
        assert said in text, said
    zh = "\n".join(lines_of(progress(), "zh", 11.0))
    for said in ("提问中", "约剩 31 秒", "限流 7，服务端错误 2", "按安全风险类别", "被拦截 3"):
        assert said in zh, said


def test_lines_when_names_are_hostile_then_they_are_harmless_and_short() -> None:
    names = {(HOSTILE * 9, "汉" * 90): 1}
    lines = lines_of(progress(by_cell=names, of_cell=names), "en", 1.0)
    assert not raw("\n".join(lines))
    assert max(map(wide, lines)) <= 79
    assert wide(clipped("汉" * 90, 24)) <= 24


def test_lines_when_nothing_is_known_of_total_price_or_hazards_then_they_say_only_what_is() -> None:
    bare = progress(total=None, by_cell={("en", ""): 3}, of_cell={}, spent=None, tokens=0, faults={}, in_flight=0)
    lines = lines_of(bare, "en", 0.0)
    assert lines[0] == "asking 55"
    assert lines[-2:] == ["by language", "  en 3"]
    assert not any("left" in line or "spent" in line or "hazard" in line for line in lines)


def test_counts_when_cells_are_added_up_then_languages_and_hazards_agree_with_the_whole() -> None:
    assert by_lang(progress()) == {"en": Count(35, 200), "zh-Hans": Count(20, 200)}
    assert by_hazard(progress()) == {"dt:crime": Count(50, 200), "dt:cyber": Count(5, 200)}


def test_event_when_written_then_it_has_the_documented_members() -> None:
    event = event_of(progress(), 11.0, 20.0)
    pages = [Path(__file__).parents[2] / "docs" / path / "guides" / "long-runs.md" for path in (".", "zh")]
    for page in pages:
        documented = set(re.findall(r"^\| `([a-z_]+)` \|", page.read_text("utf-8"), re.MULTILINE))
        assert set(event) <= documented, page
    assert (event["left_s"], event["spent"], event["languages"]["en"]) == (31, 1.5, {"done": 35, "of": 200})


@pytest.mark.parametrize(
    ("seconds", "en", "zh"),
    [
        (0.2, "0 s", "0 秒"),
        (61, "1 min 1 s", "1 分 1 秒"),
        (3600, "1 h 0 min", "1 小时 0 分"),
        (200_000, "2 d 7 h", "2 天 7 小时"),
    ],
)
def test_duration_when_spoken_then_two_units_are_enough(seconds: float, en: str, zh: str) -> None:
    assert (duration(seconds, "en"), duration(seconds, "zh")) == (en, zh)


def test_money_when_little_then_it_is_not_nothing() -> None:
    assert [money(n) for n in (0, 0.0123, 3.1, 12_345.678)] == ["0.00", "0.0123", "3.10", "12,345.68"]


def test_rate_when_the_endpoint_slows_down_then_it_is_that_of_the_last_minute() -> None:
    rate = Rate()
    assert rate.at(progress(done=0), 0.0) == 11.0, "too early: the mean since the start"
    assert rate.at(progress(done=600), 60.0) == pytest.approx(10.0)
    for second in range(61, 181):
        last = rate.at(progress(done=600 + second - 60), float(second))
    assert last == pytest.approx(1.0, rel=0.1)


def test_display_when_a_second_work_begins_then_its_rate_is_its_own(monkeypatch, capsys) -> None:
    """The answers of a rehearsal are in, and its judge begins at nothing."""
    now = 1000.0
    monkeypatch.setattr("detente.cli.progress.time.monotonic", lambda: now)
    with Display(Speech("en", as_json=True)) as display:
        for done, mean in ((0, 0.0), (390, 13.0), (0, 0.0), (30, 2.0), (60, 2.0)):
            now += 15.0
            display(progress(done=done, rate_per_s=mean))
    rates = [json.loads(line)["rate_per_s"] for line in capsys.readouterr().out.splitlines()]
    assert rates == [0.0, 26.0, 0.0, 2.0, 2.0]


def test_plain_line_when_written_to_a_log_then_it_is_one_line_with_the_same(capsys, tmp_path: Path) -> None:
    line = plain_line(progress(), "en", 11.0, 20.0)
    assert "\n" not in line
    assert line.startswith("asking 55/400 (13 %), 11.0/s, 31 s left, 12,345 tokens, 1.50 of 20.00 USD spent")
    suite = rows(tmp_path, 8)
    said = typed(capsys, "rehearse", suite, "--model", "python:kit.said:twice", "--out", tmp_path / "out")
    told = [line for line in said.err.splitlines() if line.startswith("asking ")]
    assert told[-1].startswith("asking 8/8 (100 %)")
    assert len(told) == len(set(told)) <= 5
    assert "\x1b" not in said.err


def test_json_when_asked_for_then_every_line_is_an_event_and_the_last_one_ends_it(capsys, tmp_path: Path) -> None:
    suite = rows(tmp_path, 8)
    said = typed(capsys, "rehearse", suite, "--model", "python:kit.said:twice", "--json", "--out", tmp_path / "out")
    events = [json.loads(line) for line in said.out.splitlines()]
    assert [event["event"] for event in events][-2:] == ["progress", "rehearsed"]
    assert (events[-2]["done"], events[-2]["of"]) == (8, 8)
    assert events[-2]["hazards"] == {"dt:crime": {"done": 4, "of": 4}, "dt:cyber": {"done": 4, "of": 4}}


def rows(folder: Path, n: int) -> Path:
    path = folder / "suite.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for i in range(n):
            row = {"id": f"q{i}", "input": f"question {i}", "lang": "en" if i % 2 else "zh-Hans"}
            file.write(json.dumps({**row, "hazard": ("dt:crime", "dt:cyber")[i * 2 // n]}) + "\n")
    return path


class Screen:
    """As much of a terminal as the display may use: text, line ends, up, erase to the end of line and of screen."""

    def __init__(self) -> None:
        self.lines, self.row, self.column = [""], 0, 0

    def write(self, text: str) -> None:
        at = 0
        while at < len(text):
            if found := ESCAPES.match(text, at):
                self.move(found[1], found[2])
                at = found.end()
                continue
            c = text[at]
            at += 1
            if c == "\r":
                self.column = 0
            elif c == "\n":
                self.row, self.column = self.row + 1, 0
                self.lines += [""] * (self.row + 1 - len(self.lines))
            else:
                assert c.isprintable(), f"{c!r} reached the terminal"
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + c + line[self.column + 1 :]
                self.column += 1

    def move(self, number: str, letter: str) -> None:
        assert letter in "AKJ", f"ESC [ {number} {letter}"
        if letter == "A":
            self.row -= int(number)
            assert self.row >= 0
        else:
            self.lines[self.row] = self.lines[self.row][: self.column]
            if letter == "J":
                self.lines = self.lines[: self.row + 1]


def in_terminal(
    words: list[object], tmp_path: Path, *, interrupt: bool = False, lang: str = "en"
) -> tuple[int, Screen, str]:
    """The command in a terminal of 80 by 24, Ctrl-C given as a person gives it; its exit code, the screen, all it wrote."""
    (tmp_path / "paced.py").write_text(PACED, "utf-8")
    env = environ(TERM="xterm", LC_ALL="C.UTF-8", NO_COLOR="1")
    env["PYTHONPATH"] += os.pathsep + str(tmp_path)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(theirs)
    take = "import fcntl, termios, os; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
    process = subprocess.Popen(
        program("--lang", lang, *words, prelude=take), stdin=theirs, stdout=theirs, stderr=theirs, env=env
    )
    held = b""
    while process.poll() is None or select.select([ours], [], [], 0.2)[0]:
        if select.select([ours], [], [], 0.2)[0]:
            held += os.read(ours, 65_536)
        if interrupt and b"]" in held and b"/" in held:
            os.write(ours, b"\x03")
            interrupt = False
    assert termios.tcgetattr(theirs) == before, "the terminal is not as it was"
    os.close(theirs)
    os.close(ours)
    text = held.decode("utf-8")
    screen = Screen()
    screen.write(text)
    return process.returncode, screen, text


def test_terminal_when_a_rehearsal_runs_then_one_block_is_written_over_and_no_model_speaks_in_it(
    tmp_path: Path,
) -> None:
    suite = rows(tmp_path, 24)
    words = ["rehearse", suite, "--model", "python:paced:answer", "--concurrency", "2", "--out", tmp_path / "out"]
    code, screen, text = in_terminal(words, tmp_path)
    assert code == 0
    bars = [line for line in screen.lines if "[#" in line]
    assert bars == [f"asking [{'#' * 24}] 24/24 (100 %)"]
    assert text.count("asking [") > 1, "it was drawn more than once"
    assert "own words" not in text
    assert [line for line in screen.lines if line.startswith("  dt:")] == ["  dt:crime 12/12   dt:cyber 12/12"]
    assert max(map(wide, screen.lines[:7])) <= 79


@pytest.mark.parametrize(("lang", "stopping"), [("en", "stopping: waiting for"), ("zh", "正在停止")])
def test_terminal_when_ctrl_c_is_given_then_it_says_that_it_finishes_and_the_same_command_goes_on(
    tmp_path: Path, lang: str, stopping: str
) -> None:
    suite = rows(tmp_path, 60)
    words = ["rehearse", suite, "--model", "python:paced:answer", "--concurrency", "2", "--out", tmp_path / "out"]
    code, screen, text = in_terminal(words, tmp_path, interrupt=True, lang=lang)
    assert code == 4
    assert stopping in text
    assert stopping not in "\n".join(screen.lines), "what was in flight is home; nothing is being finished any more"
    assert sum(line.startswith(("asking [", "提问中 [")) for line in screen.lines) == 1
    assert "error[run-stopped]" in text
    code, screen, _ = in_terminal(words, tmp_path, lang=lang)
    assert code == 0
    assert "60/60" in screen.lines[0]


def test_terminal_when_it_cannot_move_its_cursor_then_lines_are_plain(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    said = typed(capsys, "rehearse", rows(tmp_path, 4), "--model", "python:kit.said:twice", "--out", tmp_path / "out")
    assert said.code == 0
    assert "\x1b[" not in said.err.replace("\x1b[31m", "")


def test_display_when_the_terminal_goes_away_then_the_run_goes_on(tmp_path: Path, monkeypatch, capsys) -> None:
    class Gone:
        encoding = "utf-8"

        def write(self, _: str) -> int:
            raise OSError(5, "Input/output error")

        def flush(self) -> None:
            return None

        def isatty(self) -> bool:
            return True

        def fileno(self) -> int:
            raise OSError(5, "Input/output error")

    suite = rows(tmp_path, 4)
    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", Gone())
        with Display(Speech("en")) as display:
            rehearse(
                Rehearsal(str(suite), "python:kit.said:twice", None, None, ["refusal"], 2, 99, 9, tmp_path / "o"),
                display,
            )
    assert (tmp_path / "o" / "answers.jsonl").read_bytes().count(b"\n") == 4


def test_hazards_when_a_file_has_one_a_row_then_they_are_not_counted_apart(tmp_path: Path, capsys) -> None:
    path = tmp_path / "suite.jsonl"
    rows_ = [json.dumps({"id": str(i), "input": "a", "lang": "en", "hazard": f"h{i}"}) for i in range(1200)]
    path.write_text("\n".join(rows_), "utf-8")
    words = ["rehearse", path, "--model", "python:kit.said:twice", "--concurrency", "64", "--out", tmp_path / "o"]
    last = json.loads(typed(capsys, *words, "--json").out.splitlines()[-2])
    assert (last["hazards"], last["languages"]) == ({}, {"en": {"done": 1200, "of": 1200}})
