# SPDX-License-Identifier: Apache-2.0
"""Where an attack comes to light: ``verify`` as a stranger types it, with its step and exit code, and the report's own words."""

import html
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from detente.check.verify import Verified
from detente.report.html import render
from detente.report.result import joint_of
from kit.paper import Paper
from kit.typed import Said, typed


def verify(capsys: pytest.CaptureFixture[str], exchange: Path, plan_id: str) -> Said:
    """``detente verify``, from outside, with the plan id that the parties show."""
    return typed(capsys, "verify", exchange, "--plan", plan_id)


def refused(capsys: pytest.CaptureFixture[str], exchange: Path, plan_id: str, step: str, code: str) -> None:
    """``verify`` must end with exit 3 at this step and with this code, and claim no later step."""
    said = verify(capsys, exchange, plan_id)
    assert (said.code, said.error) == (3, code), said.err
    assert f"error[{code}]: {step}: " in said.err, said.err
    passed = re.findall(r"^V-[0-9]+", said.out, re.MULTILINE)
    assert passed == [f"V-{n}" for n in range(1, int(step[2:]))], said.out


def paper_refused(capsys: pytest.CaptureFixture[str], paper: Paper, step: str, code: str) -> None:
    """The same for labs on paper."""
    refused(capsys, paper.save(), paper.plan.id, step, code)


@contextmanager
def remembered(paper: Paper, *labs: str) -> Iterator[None]:
    """What these labs hold of the others' logs stays as it is, whatever becomes of the logs meanwhile; then all is laid."""
    root, kept = paper.save(), paper.root.with_name("remembered")
    for lab in labs:
        shutil.copytree(root / lab / "mirror", kept / lab)
    yield
    paper.save()
    for lab in labs:
        shutil.rmtree(root / lab / "mirror")
        shutil.copytree(kept / lab, root / lab / "mirror")
    shutil.rmtree(kept)


def listed(verified: Verified) -> list[tuple[str, int, str]]:
    """(party, index, code) of every entry that counts for nothing."""
    return sorted(verified.violations())


def runs_of(verified: Verified) -> list[dict[str, Any]]:
    """The rows of runs in the joint result."""
    rows: list[dict[str, Any]] = joint_of(verified).result["runs"]
    return rows


def text_of(verified: Verified, lang: str = "en") -> str:
    """The report page as its reader sees it: no tags, one space between words."""
    page = render(joint_of(verified), lang).decode("utf-8")
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))
