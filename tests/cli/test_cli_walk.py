# SPDX-License-Identifier: Apache-2.0
"""The whole story, every command broken at its writes in pairs (not written, written), killed, barred, doubled: the same command goes on."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from kit.typed import TESTS, environ

Row = dict[str, Any]
KEPT = ("verify", "kinds", "listed", "beside", "left", "registrations", "heads")


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """What ``kit/walk.py`` saw. All writes, about an hour: EVERY_WRITE=1 pytest tests/cli/test_cli_walk.py"""
    root = Path(tempfile.mkdtemp(prefix="detente-walk-"))
    root.chmod(0o755)  # so that nobody may look into it
    every = "1" if os.environ.get("EVERY_WRITE") else "0"
    done = subprocess.run(
        [sys.executable, str(TESTS / "kit" / "walk.py"), str(root / "w"), every],
        env=environ(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    shutil.rmtree(root)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def quiet(rows: list[Row]) -> dict[str, Row]:
    return {row["step"]: row for row in rows if row["way"] == "quiet"}


def spoiled(rows: list[Row], *ways: str) -> list[Row]:
    found = [row for row in rows if row["way"] in ways]
    assert len({row["step"] for row in found}) > 25, "not every command was broken"
    return found


def goes_on(row: Row, quiet: Row) -> list[str]:
    """What is wrong after a break and the same command again; nothing, if all is well."""
    wrong = []
    said = row["err"] + row["more"]
    if "Traceback" in said or "our-bug" in said:
        wrong.append(f"a bug of ours: {said}")
    if row["between"] not in {0, 4}:
        wrong.append(f"another lab took the crash for a lie: verify said {row['between']}")
    if row["again"] != quiet["code"]:
        wrong.append(f"the same command did not go on: {row['again']}, {row['more']}")
    if row["lost"]:
        wrong.append(f"lost, or made again: {row['lost']}")
    return wrong + [f"{name}: {row[name]}, not {quiet[name]}" for name in KEPT if row[name] != quiet[name]]


def told(rows: list[tuple[Row, list[str]]]) -> str:
    return "\n".join(f"{row['step']} {row['way']} at {row['at']}: {'; '.join(wrong)}" for row, wrong in rows if wrong)


def test_story_when_nothing_breaks_then_it_ends_final_and_is_whole(quiet: dict[str, Row]) -> None:
    last = quiet["unpack"]
    assert (last["verify"], last["listed"], last["left"], last["heads"]) == (0, [], [], 0)
    assert last["kinds"] == {
        "lab-a": ["accept", "register", "conclude", "score", "score", "open", "close"],
        "lab-b": ["accept", "release", "audit", "challenge", "audit", "close"],
    }
    assert all(row["code"] == (4 if step == "register" else 0) for step, row in quiet.items())
    assert all(row["writes"] for row in quiet.values())


@pytest.mark.parametrize("pair", [("fails", "fails-after"), ("killed", "killed-after")], ids=["failed", "killed"])
def test_write_when_it_fails_or_the_process_is_killed_then_the_same_command_goes_on_and_nothing_is_signed_twice(
    rows: list[Row], quiet: dict[str, Row], pair: tuple[str, str]
) -> None:
    found = []
    for row in spoiled(rows, *pair):
        wrong = goes_on(row, quiet[row["step"]])
        # To make a folder that is there, and to fail at it, is no failure; and a journal syncs by the clock, so that
        # the k-th write of a run may not come, or be a sync after the last one that counts.
        harmless = row["broke"] in {"", "mkdir", "fdatasync"} and row["code"] == quiet[row["step"]]["code"]
        if pair[0] == "killed":
            wrong += [] if harmless or row["code"] == -9 else [f"not killed: {row['code']}"]
        elif not harmless and (row["code"] != 4 or "error[disk-f" not in row["err"]):
            wrong.append(f"not told as a fault of the disk: {row['code']}, {row['err']}")
        found.append((row, wrong))
    assert not told(found), told(found)


def test_folder_when_it_is_read_only_then_that_is_told_and_with_permission_the_same_command_goes_on(
    rows: list[Row], quiet: dict[str, Row]
) -> None:
    found = []
    for row in spoiled(rows, "read-only"):
        wrong = goes_on(row, quiet[row["step"]])
        if (row["code"], "error[no-permission]" in row["err"]) != (4, True):
            wrong.append(f"not told: {row['code']}, {row['err']}")
        found.append((row, wrong))
    assert not told(found), told(found)


def test_command_when_two_are_given_at_once_then_one_works_and_the_other_waits_its_turn_or_finds_it_done(
    rows: list[Row], quiet: dict[str, Row]
) -> None:
    found = []
    for row in spoiled(rows, "at-once"):
        wrong, code = goes_on(row, quiet[row["step"]]), quiet[row["step"]]["code"]
        first, _, rest = row["err"].partition("\n")
        codes = [int(word) for word in first.split()]
        busy = any(f"error[{word}]" in rest for word in ("folder-busy", "journal-busy", "file-moved-on"))
        if not (code in codes and (codes == [code, code] or busy)):
            wrong.append(f"ended with {codes}: {rest}")
        found.append((row, wrong))
    assert not told(found), told(found)
