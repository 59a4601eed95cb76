# SPDX-License-Identifier: Apache-2.0
"""Cheats with definitions, word lists, draws and hits in a plan that all have signed: what V-1 and V-5 make of them, in both verifiers."""

from pathlib import Path
from typing import Any

import pytest

from detente.check.verify import Verified, verify
from detente.errors import NotVerified
from detente.pact.draw import Drawn
from detente.pact.item import encode_list
from detente.pact.plan import parse_plan
from detente.wire.canonical import NS, decode, encode
from detente.wire.digests import sha256
from kit.paper import NOON, Paper, PaperLab, definition, listed, plan_dict
from kit.second import NODE, Second

LIST = b"A.1.a\tsome word\n"
MEASURE = {"corrected": None, "id": "found", "kind": "hazard", "name": "other", "scorer": "words"}


def scorer_row(id_: str, raw: bytes, method: str = "rule") -> dict[str, Any]:
    return {
        "by": "tester", "definition": sha256(raw), "id": id_, "languages": ["en", "zh-Hans"], "method": method,
        "rubric": None, "tolerance": "0",
    }  # fmt: skip


def words_file(**changes: Any) -> bytes:
    """A definition of ``keywords`` with members changed."""
    plain = decode(definition("refusal"))
    return encode({**plain, "labels": ["clean", "hit"], "name": "keywords", "rules": sha256(LIST), **changes})


def signed(folder: Path, raw: bytes, measure: dict[str, Any], shown: bytes | None = None, method: str = "rule") -> Paper:
    """Two labs that all signed a plan with one more scorer and measure; ``shown``: what lies beside the plan."""
    labs = [PaperLab("lab-a"), PaperLab("lab-b")]
    rows = plan_dict(labs, listed(["hazard", "hazard", "benign", "control"]))
    scorers, measures = [*rows["scorers"], scorer_row("words", raw, method)], [*rows["measures"], {**MEASURE, **measure}]
    paper = Paper(folder, scorers=scorers, measures=measures)
    for one in (raw, *([shown] if shown else [])):
        paper.lay(f"lab-a/plans/{paper.plan.id}/files/{sha256(one)}", one)
    paper.accept_all()
    paper.witness_all(NOON)
    return paper


def refused(paper: Paper) -> str:
    with pytest.raises(NotVerified) as caught:
        verify(paper.save(), paper.plan.id)
    assert caught.value.step == "V-5"
    return caught.value.code


def test_list_when_it_stays_at_home_then_the_plan_holds_and_says_so(tmp_path: Path) -> None:
    said = verify(signed(tmp_path, words_file(), {"hit": ["hit"]}).save(), "")if False else None
    paper = signed(tmp_path, words_file(), {"hit": ["hit"]})
    assert verify(paper.save(), paper.plan.id).lists_at_home() == ["words"]
