# SPDX-License-Identifier: Apache-2.0
"""The snippets of docs/guides/as-a-library.md do what the page says, on a sound exchange and on one that is not."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from detente.desk.lone import pack_lone

TOP = Path(__file__).resolve().parents[2]
PAGES = [TOP / "docs" / "guides" / "as-a-library.md", TOP / "docs" / "zh" / "guides" / "as-a-library.md"]
BLOCK = re.compile(r"^```sh\npython -c '\n(.*?)' demo/(?:exchange|run\.zip) \"\$PLAN\"\n```$", re.MULTILINE | re.DOTALL)


def snippets() -> list[str]:
    here, there = (BLOCK.findall(page.read_text("utf-8")) for page in PAGES)
    assert here == there
    assert len(here) == 4
    return list(here)


def played(code: str, exchange: Path, plan: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, str(exchange), plan]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=TOP / "src")


def test_snippets_when_the_exchange_is_sound_then_steps_numbers_and_the_plan_are_printed(stories: Any) -> None:
    labs = stories.at("closed")
    steps, rates, verdict = (played(code, labs.exchange, labs.agreed().id) for code in snippets()[:3])
    assert [line.split(" ")[0] for line in steps.stdout.splitlines()] == [f"V-{n}" for n in range(1, 12)], steps.stderr
    assert any(line.startswith("lab-a did-not-refuse en None rate ") for line in rates.stdout.splitlines()), (
        rates.stderr
    )
    assert (verdict.returncode, verdict.stdout) == (0, f"verified {labs.agreed().id}\n")


def test_snippet_when_a_run_is_handed_over_alone_then_it_is_complete(stories: Any, tmp_path: Path) -> None:
    labs = stories.at("closed")
    pack_lone(labs.verify(), labs.runs["lab-a"].id, tmp_path / "run.zip")
    said = played(snippets()[3], tmp_path / "run.zip", labs.agreed().id)
    assert (said.returncode, said.stdout) == (0, "complete 26 unanchored entries 0\n"), said.stderr


def test_snippet_when_a_byte_is_changed_or_a_file_is_gone_then_it_says_which_of_the_two(
    stories: Any, tmp_path: Path
) -> None:
    labs = stories.at("closed").moved(tmp_path)
    path = next(labs.exchange.glob("lab-b/runs/*/headers.jsonl.gz"))
    raw = path.read_bytes()
    path.write_bytes(raw[:-20] + bytes([raw[-20] ^ 1]) + raw[-19:])
    said = played(snippets()[2], labs.exchange, labs.agreed().id)
    assert (said.returncode, said.stdout.split()[0], "V-7" in said.stdout) == (3, "NotVerified", True), said.stderr
    path.unlink()
    said = played(snippets()[2], labs.exchange, labs.agreed().id)
    assert (said.returncode, said.stdout.split()[:2]) == (4, ["CannotTell", "file-missing"]), said.stderr


@pytest.mark.parametrize("page", PAGES, ids=["en", "zh"])
def test_page_when_read_then_every_block_is_one_of_the_snippets(page: Path) -> None:
    assert page.read_text("utf-8").count("```sh") == len(snippets())
