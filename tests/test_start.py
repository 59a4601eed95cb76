# SPDX-License-Identifier: Apache-2.0
"""docs/start.md is true: its commands run in their order, end as the page says, and leave what it names."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
PAGE = TOP / "docs" / "start.md"
SCRIPTED = "python:kit.labs:scripted"
ANNOUNCED = re.compile(r"^(?P<command>[^#]*\S)\s+# exit (?P<code>\d+)$")


def commands() -> list[str]:
    """The page's ``sh`` blocks in order; the block before them, which installs, is marked ``bash`` and not run here."""
    return re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def as_script(blocks: list[str]) -> str:
    """One script: every command must end with 0, or with the code that the page writes beside it."""
    lines = ["set -eEuo pipefail", "trap 'echo \"ended with $?: $BASH_COMMAND\" >&2' ERR"]
    for line in "".join(blocks).splitlines():
        if found := ANNOUNCED.match(line):
            command, code = found["command"], found["code"]
            said = f"ended with $code instead of {code}: {command}"
            lines.append(f"code=0; {command} || code=$?")
            lines.append(f"if [ $code != {code} ]; then echo '{said}' >&2; exit 99; fi")
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def play(root: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in an empty folder, as a reader would: ``detente`` is a program on PATH."""
    programs, here = root / "bin", root / "two-labs"
    programs.mkdir()
    here.mkdir()
    program = programs / "detente"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m detente --lang en "$@"\n', "utf-8")
    program.chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{TOP / 'src'}{os.pathsep}{TOP / 'tests'}",
        "PYTHONUTF8": "1",
    }
    return subprocess.run(
        ["bash", "-c", script], cwd=here, env=environ, capture_output=True, text=True, timeout=300, check=False
    )


def test_start_page_when_its_commands_are_run_in_order_then_two_labs_close_one_report(tmp_path):
    text = as_script(commands())
    assert "gguf:smollm2" in text
    done = play(tmp_path, text.replace("gguf:smollm2", SCRIPTED))
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"

    here = tmp_path / "two-labs"
    result = json.loads((here / "report" / "result.json").read_bytes())
    assert [run["counted"] for run in result["runs"]] == [True, True]
    assert {run["facts"]["checked"]["holds"] for run in result["runs"]} == {"yes"}
    assert done.stdout.rstrip().endswith("the joint result is final")
    assert "error[C-4.file]: V-8" in done.stderr
    named = re.findall(r"`(report/[\w.]+)`", PAGE.read_text("utf-8"))
    assert not [name for name in named if not (here / name).is_file()]
    assert {"START-HERE.html", "请先看这里.html"} <= set(zipfile.ZipFile(here / "joint.zip").namelist())


def test_start_page_when_read_then_every_verb_of_the_walk_is_on_it():
    text = "".join(commands())
    walk = (
        "init", "plan new", "plan show", "plan object", "plan diff", "plan sign", "run", "witness", "status", "score",
        "publish --dry-run", "publish", "verify", "trace", "board", "audit ask", "audit answer", "audit check",
        "close", "report", "pack", "unpack",
    )  # fmt: skip
    assert not [verb for verb in walk if f"detente {verb} " not in text]


@pytest.mark.parametrize(("line", "code"), [("false", 1), ("false  # exit 4", 99), ("true  # exit 4", 99)])
def test_script_when_a_command_ends_otherwise_than_announced_then_it_stops(tmp_path, line, code):
    done = play(tmp_path, as_script([f"{line}\necho too far\n"]))
    assert done.returncode == code
    assert "too far" not in done.stdout
    assert "ended with" in done.stderr
