# SPDX-License-Identifier: Apache-2.0
"""The CI job of examples/gate, run as a shell runs it, against two models that are functions."""

import json
import re
import shutil
import stat
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from detente.pact.rule import parse_rule
from kit.typed import TESTS, environ

JOB = Path(__file__).resolve().parents[1] / "examples" / "gate"
SH = shutil.which("sh")


def job(folder: Path, candidate: str, reference: str, **more: str) -> subprocess.CompletedProcess[str]:
    bin_ = folder / "bin"
    bin_.mkdir(exist_ok=True)
    (bin_ / "detente").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m detente "$@"\n')
    (bin_ / "detente").chmod(stat.S_IRWXU)
    wanted = {
        "CANDIDATE": f"python:kit.said:{candidate}", "REFERENCE": f"python:kit.said:{reference}", "SAMPLE": "60",
        "RULE": str(JOB / "rule.toml"),
    }  # fmt: skip
    env = environ(**wanted | more)
    env["PATH"] = f"{bin_}:{env.get('PATH', '')}"
    env["PYTHONPATH"] = f"{env.get('PYTHONPATH', '')}:{TESTS}"
    return subprocess.run(
        [SH or "sh", str(JOB / "gate.sh")],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.skipif(SH is None or sys.platform == "win32", reason="needs a shell")
def test_job_when_the_new_model_is_no_worse_then_it_passes_and_leaves_its_files(tmp_path: Path) -> None:
    done = job(tmp_path, "refuses", "refuses")
    assert done.returncode == 0, done.stderr
    assert "self-check (自查)" in done.stdout
    assert len(list(ET.parse(tmp_path / "gate" / "gate.xml").getroot().iter("testcase"))) == 2
    assert json.loads((tmp_path / "gate" / "badge.json").read_bytes())["message"] == "pass (self-check)"
    assert "Not worse than the last version" in (tmp_path / "gate" / "gate.md").read_text("utf-8")


@pytest.mark.skipif(SH is None or sys.platform == "win32", reason="needs a shell")
def test_job_when_the_new_model_refuses_less_or_more_then_it_fails(tmp_path: Path) -> None:
    for name, models in (("less", ("complies", "refuses")), ("more", ("refuses", "complies"))):
        (tmp_path / name).mkdir()
        done = job(tmp_path / name, *models)
        assert done.returncode == 1, done.stderr
    assert job(tmp_path, "refuses", "refuses", RULE="").returncode not in {0, 1, 4}


@pytest.mark.skipif(SH is None or sys.platform == "win32", reason="needs a shell")
def test_job_when_a_judge_is_named_then_it_reads_the_answers_and_a_rule_that_asks_for_one_decides(
    tmp_path: Path,
) -> None:
    rule, judge = str(JOB / "judged.toml"), "python:kit.judging:right"
    done = job(tmp_path, "refuses", "refuses", RULE=rule, JUDGE=judge)
    assert done.returncode == 0, done.stderr
    assert "self-check (自查)" in done.stdout
    assert "self\\-check" in (tmp_path / "gate" / "gate.md").read_text("utf-8")
    for name, models, more, code in (
        ("worse", ("complies", "refuses"), {"JUDGE": judge}, 1),
        ("rules alone", ("refuses", "refuses"), {}, 4),
        ("guard", ("refuses", "refuses"), {"JUDGE": "python:kit.judging:guard", "SCORER": "guard:qwen3guard"}, 0),
    ):
        (tmp_path / name).mkdir()
        done = job(tmp_path / name, *models, RULE=rule, **more)
        assert done.returncode == code, f"{name}: {done.stderr}"


@pytest.mark.skipif(SH is None or sys.platform == "win32", reason="needs a shell")
def test_job_when_safeguards_are_off_too_then_open_release_decides_or_says_what_is_missing(tmp_path: Path) -> None:
    """Functions of one's own that see how their answer was begun; their weights nobody sees, so the recipe is what shows it."""
    (tmp_path / "recipe.txt").write_text("Refusals taken out of the function by hand.")
    rows = [
        {"id": f"h{n}", "input": f"question {n}", "lang": "en", "hazard": "dt:crime", "kind": "hazard"}
        for n in range(110)
    ]
    (tmp_path / "suite.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    off = {"CANDIDATE_OFF": "python:kit.said:complies", "REFERENCE_OFF": "python:kit.said:complies"}
    wanted = {"RULE": "open-release", "JUDGE": "python:kit.judging:right", "SUITE": "suite.jsonl", "SAMPLE": "105"}
    whole = job(tmp_path, "guarded", "guarded", **wanted, **off, RECIPE="recipe.txt")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert "Refusals taken out of the function by hand." in whole.stdout
    (tmp_path / "two").mkdir()
    third = job(tmp_path / "two", "guarded", "guarded", **wanted | {"SUITE": "../suite.jsonl"})
    assert third.returncode == 4, third.stderr
    (tmp_path / "blind").mkdir()
    blind = job(tmp_path / "blind", "refuses", "refuses", **wanted | {"SUITE": "../suite.jsonl"})
    assert blind.returncode == 2
    assert "model-no-begin" in blind.stderr


def test_job_files_when_read_then_they_set_what_the_script_wants() -> None:
    script = (JOB / "gate.sh").read_text("utf-8")
    wanted = set(re.findall(r"\$\{([A-Z]+):\?\}", script))
    assert wanted == {"CANDIDATE", "REFERENCE", "RULE"}
    github, gitlab = ((JOB / name).read_text("utf-8") for name in ("github.yml", "gitlab-ci.yml"))
    assert all(f"{one}: " in github for one in wanted)
    assert "sh gate.sh" in github
    assert "sh gate.sh" in gitlab
    assert "junit: gate/gate.xml" in gitlab
    assert all("self-check (自查)" in text and "JUDGE" in text for text in (github, gitlab))
    for rule in ("rule.toml", "judged.toml"):
        parse_rule((JOB / rule).read_bytes(), rule)
    for page in ("README.md", "README.zh.md"):
        assert all(f"`{name}`" in (JOB / page).read_text("utf-8") for name in wanted | {"SUITE", "SAMPLE", "MINUTES", "OUT", "JUDGE", "SCORER", "CANDIDATE_OFF", "REFERENCE_OFF", "RECIPE"})  # fmt: skip
