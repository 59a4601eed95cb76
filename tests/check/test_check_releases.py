# SPDX-License-Identifier: Apache-2.0
"""V-6, releases: who may let a run start, with which log size, once; and what a start may name (R-2, R-4, T-4)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detente.errors import CannotTell
from kit.paper import NOON, Paper, PaperLab, listed, plan_dict

STRAY = "5e" * 32
KINDS = ("hazard", "hazard", "benign", "control")


def core(*releasers: str) -> list[dict[str, Any]]:
    """The paper plan's one section, released by these."""
    [section] = plan_dict([PaperLab("lab-a"), PaperLab("lab-b")], listed(KINDS))["sections"]
    return [{**section, "releasers": list(releasers)}]


class Waiting:
    """lab-a has registered and lab-b has cosigned it; lab-b and lab-c release, and so does lab-a for others."""

    def __init__(self, folder: Path) -> None:
        self.paper = Paper(folder, KINDS, n_labs=3, sections=core("lab-c", "lab-b", "lab-a"))
        self.paper.accept_all()
        self.paper.witness_all(NOON)
        self.run = self.paper.register()
        self.note = self.paper.witness("lab-b", "lab-a", NOON + 60)
        self.paper.witness("lab-c", "lab-a", NOON + 60)

    def release(self, by: str = "lab-b", **changes: Any) -> str:
        return self.paper.release(by, changes.pop("run", self.run), changes.pop("size", 2), **changes)

    def conclude(self, *releases: str) -> None:
        """Concluded and scored, having started with the note of lab-b and these releases; then all seen."""
        self.paper.conclude(self.run, notes=[self.note], start={"notes": [self.note], "releases": list(releases)})
        self.paper.score_all(self.run)
        self.paper.witness_all(NOON + 3600)

    def codes(self) -> list[str]:
        return [row["code"] for row in self.paper.result()["violations"]]

    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = self.paper.result()["runs"][0]
        return row

    def unknown(self) -> str:
        with pytest.raises(CannotTell) as caught:
            self.paper.verify()
        assert caught.value.fields["step"] == "V-6"
        return caught.value.code


@pytest.fixture
def waiting(tmp_path: Path) -> Waiting:
    return Waiting(tmp_path)


def test_release_when_every_releaser_gave_one_then_the_run_counts_and_was_seen(waiting: Waiting) -> None:
    waiting.conclude(waiting.release("lab-b"), waiting.release("lab-c"))
    row = waiting.row()
    assert (row["facts"]["seen"]["holds"], row["unwitnessed"], row["counted"]) == ("yes", False, True)
    assert waiting.codes() == []
    assert [one.entry.party for one in waiting.paper.verify().runs[0].releases] == ["lab-b", "lab-c"]


@pytest.mark.parametrize("given", [[], ["lab-b"], ["lab-c"]])
def test_start_when_a_releaser_had_not_released_then_the_run_is_unwitnessed_and_never_seen(
    waiting: Waiting, given: list[str]
) -> None:
    there = {by: waiting.release(by) for by in ("lab-b", "lab-c")}
    waiting.conclude(*(there[by] for by in given))
    row = waiting.row()
    assert (row["facts"]["seen"]["holds"], row["unwitnessed"], row["counted"]) == ("no", True, False)
    assert row["missing"] == ["seen"]
    assert row["facts"]["seen"]["by"], "the witness that did see it is named all the same"
    assert waiting.codes() == []


ILLEGAL: list[tuple[str, Callable[[Waiting], object]]] = [
    ("R-2.releaser", lambda w: w.release("lab-a")),
    ("R-2.subject", lambda w: w.release(subjects=[STRAY])),
    ("R-2.subject", lambda w: w.release(subjects=[])),
    ("R-2.subject", lambda w: w.release(subjects=[w.run, w.run])),
    ("R-2.sealed", lambda w: w.release(sealed=[{"age": STRAY, "suite": "mini", "text": STRAY}])),
    ("T-4.size", lambda w: w.release(size=1)),
    ("T-4.size", lambda w: w.release(size=0)),
    ("T-4.note", lambda w: w.release(size=3)),
    ("T-3.no-run", lambda w: w.release(run=STRAY)),
    ("T-3.twice", lambda w: [w.release(), w.release(beacon=STRAY)]),
]


@pytest.mark.parametrize(("code", "do"), ILLEGAL, ids=[f"{n} {code}" for n, (code, _) in enumerate(ILLEGAL)])
def test_release_when_it_is_not_legal_then_it_is_listed_and_lets_nothing_start(
    waiting: Waiting, code: str, do: Callable[[Waiting], object]
) -> None:
    do(waiting)
    verified = waiting.paper.verify()
    assert [v.code for v in verified.ledger.violations] == [code]
    assert len(verified.runs[0].releases) == (code == "T-3.twice")


def test_release_when_its_author_releases_another_section_only_then_it_is_listed(tmp_path: Path) -> None:
    paper = Paper(tmp_path, KINDS, n_labs=3, sections=core("lab-b"))
    paper.accept_all()
    run = paper.register()
    paper.witness("lab-c", "lab-a", NOON)
    paper.release("lab-c", run, 2)
    assert [v.code for v in paper.verify().ledger.violations] == ["R-2.releaser"]


def test_release_when_only_a_third_lab_cosigned_that_size_then_it_is_listed(tmp_path: Path) -> None:
    paper = Paper(tmp_path, KINDS, n_labs=3, sections=core("lab-b"))
    paper.accept_all()
    run = paper.register()
    paper.witness("lab-c", "lab-a", NOON)
    paper.release("lab-b", run, 2)
    assert [v.code for v in paper.verify().ledger.violations] == ["T-4.note"]


@pytest.mark.parametrize(
    "named",
    [
        lambda b, c: [c, b],
        lambda b, _: [b, b],
        lambda b, c: [b, c, b],
        lambda b, c: [b, c, STRAY],
    ],
)
def test_start_when_releases_are_out_of_order_or_named_twice_then_the_conclusion_is_listed(
    waiting: Waiting, named: Callable[[str, str], list[str]]
) -> None:
    waiting.conclude(*named(waiting.release("lab-b"), waiting.release("lab-c")))
    assert "T-5.shape" in waiting.codes()
    assert waiting.row()["end"] == "open"


@pytest.mark.parametrize(
    "do",
    [
        lambda w: w.release("lab-b", size=1),
        lambda w: w.release("lab-a"),
        lambda w: w.paper.register(subject="m2"),
        lambda w: [w.release(), w.release(beacon=STRAY)][1],
    ],
)
def test_start_when_it_names_an_entry_that_is_no_legal_release_then_the_conclusion_is_listed(
    waiting: Waiting, do: Callable[[Waiting], str]
) -> None:
    waiting.conclude(do(waiting))
    assert "T-5.shape" in waiting.codes()
    assert waiting.row()["end"] == "open"


def test_start_when_it_names_the_release_of_another_run_then_the_conclusion_is_listed(tmp_path: Path) -> None:
    paper = Paper(tmp_path, KINDS, sections=core("lab-b"), runs={
        "deadline": "2026-11-20T00:00:00Z", "max": 2, "registerBy": "2026-11-15T00:00:00Z",
    })  # fmt: skip
    paper.accept_all()
    first, second = (
        paper.register(),
        paper.register(drawCommits=[{"auditor": a, "commit": STRAY} for a in ("lab-a", "lab-b")]),
    )
    note = paper.witness("lab-b", "lab-a", NOON)
    of_first = paper.release("lab-b", first, 3)
    paper.conclude(second, notes=[note], start={"notes": [note], "releases": [of_first]})
    assert [v.code for v in paper.verify().ledger.violations] == ["T-5.shape"]


def test_start_when_it_names_a_release_that_has_not_come_here_then_v6_cannot_tell(waiting: Waiting) -> None:
    waiting.conclude(STRAY)
    assert waiting.unknown() == "R-4.release"


def test_start_when_only_a_second_conclusion_names_what_is_not_here_then_it_is_listed(waiting: Waiting) -> None:
    waiting.conclude(waiting.release("lab-b"), waiting.release("lab-c"))
    waiting.paper.conclude(waiting.run, start={"notes": [], "releases": [STRAY]})
    assert waiting.codes() == ["T-3.twice"]


def test_start_when_the_note_of_the_release_it_names_has_not_come_here_then_v6_cannot_tell(waiting: Waiting) -> None:
    waiting.conclude(waiting.release("lab-b"), waiting.release("lab-c"))
    waiting.paper.notes["lab-c", "lab-a"].pop(2)
    assert waiting.unknown() == "T-4.note"


def test_start_when_nobody_releases_and_a_release_is_named_then_the_conclusion_is_listed(tmp_path: Path) -> None:
    paper = Paper(tmp_path)
    paper.accept_all()
    paper.conclude(paper.register(), start={"notes": [], "releases": [STRAY]})
    assert [v.code for v in paper.verify().ledger.violations] == ["T-5.shape"]


def test_run_when_its_tester_is_the_only_releaser_then_it_waits_for_nobody(tmp_path: Path) -> None:
    paper = Paper(tmp_path, sections=core("lab-a"))
    paper.played()
    row = paper.result()["runs"][0]
    assert (row["facts"]["seen"]["holds"], row["unwitnessed"]) == ("yes", False)


def test_result_when_the_note_of_an_unnamed_release_comes_after_the_close_then_it_is_the_same(
    waiting: Waiting,
) -> None:
    """A violation that a later note cures must not change what was closed (F-10)."""
    there = [waiting.release("lab-b"), waiting.release("lab-c")]
    waiting.conclude(*there)
    commits = [{"auditor": one, "commit": STRAY} for one in waiting.paper.labs]
    spare = waiting.paper.register(drawCommits=commits)
    size = len(waiting.paper.labs["lab-a"].entries)
    waiting.paper.release("lab-c", spare, size)
    waiting.paper.witness("lab-b", "lab-a", NOON + 7200)
    verified = waiting.paper.verify()
    assert "T-4.note" in [v.code for v in verified.ledger.violations]
    for lab in ("lab-a", "lab-b", "lab-c"):
        waiting.paper.close(lab, verified)
    waiting.paper.witness("lab-c", "lab-a", NOON + 9000, size)
    later = waiting.paper.verify()
    assert "T-4.note" not in [v.code for v in later.ledger.violations]
    assert later.final is not None
