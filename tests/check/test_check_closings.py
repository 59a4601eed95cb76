# SPDX-License-Identifier: Apache-2.0
"""V-11: which close makes a result final, and that no party can close with anything but what the exchange gives (F-10, F-11)."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detente.check.verify import Verified
from detente.errors import CannotTell, NotVerified
from detente.report.result import joint_of, summarise
from detente.wire.canonical import decode
from kit.paper import NOON, Paper

STRAY = "0" * 64
Row = dict[str, Any]


def refused(paper: Paper) -> tuple[str, str]:
    with pytest.raises(NotVerified) as caught:
        paper.verify()
    return caught.value.step, caught.value.code


def unknown(paper: Paper) -> tuple[object, str]:
    with pytest.raises(CannotTell) as caught:
        paper.verify()
    return caught.value.fields["step"], caught.value.code


@pytest.fixture
def counted(tmp_path: Path) -> tuple[Paper, Verified]:
    paper = Paper(tmp_path)
    paper.played()
    return paper, paper.verify()


def test_close_when_all_close_the_same_then_it_is_final_and_stays_so(counted: tuple[Paper, Verified]) -> None:
    paper, verified = counted
    paper.close("lab-a", verified)
    assert paper.verify().final is None
    paper.close("lab-b", verified, position="reserve", text={"en": "few", "zh-Hans": "少"})
    final = paper.verify().final
    assert final == summarise(verified).digest
    paper.sign("accept", "lab-a", [paper.plan.id])
    paper.witness_all(NOON + 7200)
    later = paper.verify()
    assert later.final == final
    paper.close("lab-a", later)
    alone = paper.verify()
    assert alone.final == final, "one party alone cannot undo a common result"
    assert [closing["after"] for closing in joint_of(alone).closings] == [False, True, False]
    paper.close("lab-b", later)
    assert paper.verify().final == summarise(later).digest != final
    assert [closing["after"] for closing in joint_of(paper.verify()).closings] == [True, False, True, False]


def test_close_when_the_earlier_result_is_closed_again_then_the_later_one_stands(
    counted: tuple[Paper, Verified],
) -> None:
    paper, first = counted
    for lab in paper.labs:
        paper.close(lab, first)
    paper.witness_all(NOON + 7200)
    second = paper.verify()
    for lab in paper.labs:
        paper.close(lab, second)
    for lab in paper.labs:
        paper.close(lab, first, text={"en": "again", "zh-Hans": "又"})
    assert paper.verify().final == summarise(second).digest


@pytest.mark.parametrize(
    "changes",
    [
        {"position": "reserve"},
        {"position": "reserve", "text": {"en": "few"}},
        {"position": "reserve", "text": {"en": "few", "zh-Hans": ""}},
        {"text": {"en": "few", "zh-Hans": "少", "de": "wenig"}},
        {"heads": []},
        {"heads": [{"origin": "x", "root": STRAY, "size": 1}] * 2},
        {"subjects": []},
        {"subjects": [STRAY, STRAY]},
        {"subjects": [STRAY], "heads": "own"},
    ],
)
def test_close_when_it_has_not_the_form_of_one_then_it_is_listed(counted: tuple[Paper, Verified], changes: Row) -> None:
    paper, verified = counted
    if changes.get("heads") == "own":
        heads = copy.deepcopy(decode(summarise(verified).raw)["heads"])
        heads[0]["size"] += 7  # over its own entry
        changes = {**changes, "heads": heads}
    paper.close("lab-a", verified, **changes)
    after = paper.verify()
    assert [v.code for v in after.ledger.violations] == ["F-11.shape"]
    assert after.closings == []


def bent(path: str, value: object) -> Callable[[Row], object]:
    def edit(result: Any) -> None:
        *outer, last = path.split(".")
        for part in outer:
            result = result[int(part) if part.isdigit() else part]
        if value == "-":
            del result[last]
        else:
            result[last] = value

    return edit


@pytest.mark.parametrize(
    ("code", "edit"),
    [
        ("F-10.result", bent("rates.0.hits", 0)),
        ("F-10.result", bent("rates.0.rate", "0.4999")),
        ("F-10.result", bent("rates.0.more", 1)),
        ("F-10.result", bent("runs", [])),
        ("F-10.result", bent("more", 1)),
        ("F-10.result", bent("type", "x")),
        ("F-10.result", bent("notes", [])),
        ("F-10.result", bent("violations", [{"code": "T-3.twice", "index": 0, "party": "lab-b"}])),
        ("F-10.shape", bent("rates", {})),
        ("F-10.shape", bent("rates", [[]])),
        ("F-10.shape", bent("rates.0.low", None)),
        ("F-10.shape", bent("rates.0.low", ["0.1"])),
        ("B-1.decimal", bent("rates.0.low", "about 0.1")),
        ("F-10.shape", bent("notes", "-")),
        ("B-3.shape", bent("notes", "abc")),
        ("B-3.shape", bent("notes", [1, "a", None])),
        ("B-3.shape", bent("notes", {"a": 1})),
        ("B-3.shape", bent("notes", [[]])),
        ("F-10.shape", lambda _: []),
        ("F-10.shape", lambda _: "result"),
        ("F-10.shape", lambda _: 3),
    ],
)
def test_close_when_its_result_is_anything_else_then_v11_refuses(
    counted: tuple[Paper, Verified], code: str, edit: Callable[[Row], object]
) -> None:
    paper, verified = counted
    paper.close("lab-b", verified, edit)
    assert refused(paper) == ("V-11", code)


def test_close_when_its_limits_are_bent_then_the_report_refuses(counted: tuple[Paper, Verified]) -> None:
    """V-11 runs without statistics; the limits are made again where there is one."""
    paper, verified = counted
    for lab in paper.labs:
        paper.close(lab, verified, bent("rates.0.low", "0.0001"))
    after = paper.verify()
    assert after.final
    with pytest.raises(NotVerified) as caught:
        joint_of(after)
    assert (caught.value.step, caught.value.code) == ("V-11", "F-10.limits")


def test_close_when_its_heads_are_not_these_logs_then_v11_says_so(counted: tuple[Paper, Verified]) -> None:
    paper, verified = counted
    heads = copy.deepcopy(decode(summarise(verified).raw)["heads"])
    heads[1]["root"] = STRAY
    paper.close("lab-a", verified, heads=heads)
    assert refused(paper) == ("V-11", "F-11.heads")


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("F-11.ahead", lambda result, heads: heads[1].update(size=999)),
        ("R-4.note", lambda result, heads: result["notes"].append(STRAY)),
    ],
)
def test_close_when_it_speaks_of_what_is_not_here_then_it_cannot_be_told(
    counted: tuple[Paper, Verified], code: str, spoil: Callable[[Row, list[Row]], object]
) -> None:
    paper, verified = counted
    heads = copy.deepcopy(decode(summarise(verified).raw)["heads"])
    paper.close("lab-a", verified, lambda result: spoil(result, heads), heads=heads)
    assert unknown(paper) == ("V-11", code)


def test_close_when_its_result_is_not_there_then_it_cannot_be_told(counted: tuple[Paper, Verified]) -> None:
    paper, verified = counted
    paper.close("lab-a", verified, subjects=[STRAY])
    assert unknown(paper) == ("V-11", "file-missing")
