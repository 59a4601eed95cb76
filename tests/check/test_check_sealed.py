# SPDX-License-Identifier: Apache-2.0
"""Sealed suites in verify, on paper: which releases carry what, who knew which text when, and releases that came too early."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detente.errors import NotVerified
from detente.pact.item import Item, encode_suite, list_lines
from detente.wire.digests import sha256
from detente.wire.lines import compress
from detente.wire.times import parse_time
from kit.paper import CANARY, NOON, Paper, PaperLab, listed, plan_dict, suite_row

KINDS = ("hazard", "hazard", "benign", "control")
STRAY = "5e" * 32
REGISTER_BY = parse_time("2026-11-15T00:00:00Z")
HOUR = 3600


def items_of(owner: str, *, salted: bool = True) -> list[Item]:
    text = {"en": f"Of {owner}?", "zh-Hans": f"{owner}？"}
    items = [Item("dt:crime", f"q-{n}", "hazard", None, text, salt=sha256(f"{owner} {n}".encode())) for n in range(2)]
    return items if salted else [Item("dt:crime", f"q-{n}", "hazard", None, {**text, "en": f"{n}"}) for n in range(2)]


class Sealed:
    """lab-a and lab-b each test m1 in core; lab-b owns the sealed suite ``hers``; both have registered and seen it."""

    def __init__(self, folder: Path, *, salted: bool = True, max_runs: int = 2) -> None:
        self.items = items_of("lab-b", salted=salted)
        lines = list_lines(self.items)
        labs = [PaperLab("lab-a"), PaperLab("lab-b"), PaperLab("lab-c")]
        plan = plan_dict(labs, listed(KINDS))
        hers = {**suite_row("hers", lines, ("en", "zh-Hans"), 1), "owner": "lab-b", "sealed": True}
        self.paper = Paper(
            folder, KINDS, n_labs=3, lists=[("hers", lines)],
            suites=[*plan["suites"], hers],
            sections=[{**plan["sections"][0], "releasers": ["lab-b"]}],
            tests=[{"party": lab, "section": "core", "subject": "m1"} for lab in ("lab-a", "lab-b")],
            runs={"deadline": "2026-11-20T00:00:00Z", "max": max_runs, "registerBy": "2026-11-15T00:00:00Z"},
        )  # fmt: skip
        self.paper.accept_all()
        self.paper.witness_all(NOON)

    def both_register(self) -> str:
        run = self.paper.register()
        self.paper.register("lab-b")
        self.paper.witness_all(NOON + 60)
        return run

    def row(self, suite: str = "hers", **changes: str) -> dict[str, str]:
        return {"age": sha256(b"age"), "suite": suite, "text": sha256(b"text")} | changes

    def release(self, run: str, size: int = 2, **changes: Any) -> str:
        return self.paper.release("lab-b", run, size, **({"sealed": [self.row()]} | changes))

    def conclude(self, run: str, release: str | None, lab: str = "lab-a") -> None:
        """Concluded and scored with the first note over the registration, then all seen."""
        other = "lab-b" if lab == "lab-a" else "lab-a"
        index = [sha256(entry) for entry in self.paper.labs[lab].entries].index(run)
        note = sha256(next(note for size, note in sorted(self.paper.notes[other, lab].items()) if size > index))
        start = {"notes": [note], "releases": [release] if release else []}
        self.paper.conclude(run, lab=lab, start=start)
        self.paper.score_all(run, lab=lab)

    def codes(self) -> list[str]:
        return [row["code"] for row in self.paper.result()["violations"]]


@pytest.fixture
def sealed(tmp_path: Path) -> Sealed:
    return Sealed(tmp_path)


def test_release_when_everybody_had_registered_then_it_is_legal_and_the_tester_knew_nothing(sealed: Sealed) -> None:
    run = sealed.both_register()
    sealed.conclude(run, sealed.release(run))
    sealed.paper.witness_all(NOON + HOUR)
    result = sealed.paper.result()
    assert result["violations"] == []
    assert result["runs"][0]["counted"]
    assert [(row["party"], row["suite"], row["why"]) for row in result["apart"]] == [("lab-b", "hers", "own")]
    assert [(row["by"], row["suites"], row["started"]) for row in result["releases"]] == [("lab-b", ["hers"], True)]
    hazard = next(row for row in result["rates"] if row["lang"] == "en" and row["hazard"] is None)
    assert hazard["items"] == 4
    assert result["apartRates"] == []


CARRIES: list[tuple[str, Callable[[Sealed], list[dict[str, str]]]]] = [
    ("nothing", lambda _: []),
    ("a suite twice", lambda s: [s.row(), s.row()]),
    ("a public suite", lambda s: [s.row("mini")]),
    ("a suite too many", lambda s: [s.row(), s.row("mini")]),
    ("a suite of no plan", lambda s: [s.row("other")]),
]


@pytest.mark.parametrize(("what", "rows"), CARRIES, ids=[what for what, _ in CARRIES])
def test_release_when_it_does_not_carry_exactly_the_owners_sealed_suites_then_it_is_listed(
    sealed: Sealed, what: str, rows: Callable[[Sealed], list[dict[str, str]]]
) -> None:
    run = sealed.both_register()
    sealed.release(run, sealed=rows(sealed))
    verified = sealed.paper.verify()
    assert [v.code for v in verified.ledger.violations] == ["R-2.sealed"]
    assert verified.runs[0].releases == []


def test_run_when_it_started_without_the_release_then_it_never_counts(sealed: Sealed) -> None:
    run = sealed.both_register()
    sealed.conclude(run, None)
    sealed.paper.witness_all(NOON + HOUR)
    row = sealed.paper.result()["runs"][0]
    assert (row["unwitnessed"], row["counted"], row["missing"]) == (True, False, ["seen"])


# --- after reveal (R-3) ------------------------------------------------------------------------------


def again(sealed: Sealed) -> str:
    return sealed.paper.register(drawCommits=[{"auditor": lab, "commit": STRAY} for lab in sealed.paper.labs])


def why(sealed: Sealed) -> dict[str, str]:
    return {row["run"]: row["why"] for row in sealed.paper.result()["apart"] if row["party"] == "lab-a"}


def test_registration_when_a_release_to_its_lab_came_before_then_the_suite_is_known(sealed: Sealed) -> None:
    decoy = sealed.both_register()
    sealed.release(decoy)
    second = again(sealed)
    assert why(sealed) == {second: "known"}


def test_registration_when_it_was_under_the_size_that_the_release_names_then_nothing_is_known(sealed: Sealed) -> None:
    run = sealed.both_register()
    second = again(sealed)
    sealed.paper.witness("lab-b", "lab-a", NOON + 90)
    sealed.release(run, size=3)
    assert second not in why(sealed)


@pytest.mark.parametrize(
    "release",
    [
        lambda s, run: [s.release(run), s.release(run, beacon=STRAY)][1],
        lambda s, run: s.release(run, sealed=[s.row(), s.row()]),
        lambda s, run: s.release(run, subjects=[STRAY]),
    ],
    ids=["twice", "carries too much", "names another subject"],
)
def test_registration_when_the_release_before_it_was_not_lawful_then_the_text_was_out_all_the_same(
    sealed: Sealed, release: Callable[[Sealed, str], str]
) -> None:
    release(sealed, sealed.both_register())
    second = again(sealed)
    assert why(sealed) == {second: "known"}


def test_registration_when_a_run_that_the_plan_does_not_have_was_the_decoy_then_the_suite_is_known(
    sealed: Sealed,
) -> None:
    decoy = sealed.paper.register(subject="m2")
    sealed.paper.witness("lab-b", "lab-a", NOON + 30)
    sealed.release(decoy)
    run = sealed.both_register()
    assert why(sealed) == {run: "known"}


def test_registration_when_the_release_went_to_another_lab_then_nothing_is_known(sealed: Sealed) -> None:
    theirs = sealed.paper.register("lab-c")
    sealed.paper.witness("lab-b", "lab-c", NOON + 30)
    sealed.release(theirs)
    sealed.both_register()
    assert why(sealed) == {}


def test_headline_when_a_suite_is_known_then_its_slots_stand_apart_without_intervals(sealed: Sealed) -> None:
    decoy = sealed.both_register()
    first = sealed.release(decoy)
    sealed.conclude(decoy, first)
    second = again(sealed)
    sealed.paper.witness_all(NOON + 120)
    later = sealed.release(second, size=len(sealed.paper.labs["lab-a"].entries), beacon=STRAY)
    sealed.conclude(second, later)
    sealed.paper.witness_all(NOON + HOUR)
    result = sealed.paper.result()
    assert [row["counted"] for row in result["runs"]] == [True, True, False]
    items = {
        row["run"]: row["items"]
        for row in result["rates"]
        if (row["lang"], row["hazard"], row["measure"], row["view"]) == ("en", None, "did-not-refuse", "asDeployed")
    }
    assert items == {decoy: 4, second: 2}
    assert {(r["run"], r["items"], r["hits"], r["rate"], r["why"], *r["suites"]) for r in result["apartRates"]} == {
        (second, 2, 2, "1", "known", "hers")
    }
    assert all("low" not in row for row in result["apartRates"])


def test_result_when_something_stands_apart_then_it_can_be_closed_and_made_again(sealed: Sealed) -> None:
    run = sealed.both_register()
    sealed.conclude(run, sealed.release(run))
    sealed.paper.witness_all(NOON + HOUR)
    verified = sealed.paper.verify()
    for lab in sealed.paper.labs:
        sealed.paper.close(lab, verified)
    assert sealed.paper.verify().final is not None


@pytest.mark.parametrize(
    "edit",
    [
        lambda result: result["apart"].clear(),
        lambda result: result["releases"].clear(),
        lambda result: result["apart"][0].update(why="known"),
    ],
)
def test_close_when_what_stands_apart_was_edited_then_v11_refuses(
    sealed: Sealed, edit: Callable[[Any], object]
) -> None:
    run = sealed.both_register()
    sealed.conclude(run, sealed.release(run))
    sealed.paper.witness_all(NOON + HOUR)
    sealed.paper.close("lab-a", sealed.paper.verify(), edit)
    with pytest.raises(NotVerified, match=r"F-10\.result"):
        sealed.paper.verify()


# --- too early (R-2) ---------------------------------------------------------------------------------


def released_early(sealed: Sealed, seen_at: int, registered_at: int | None) -> None:
    """lab-b releases before lab-a's second planned colleague (itself) or lab-a's run is registered and seen."""
    run = sealed.paper.register()
    sealed.paper.witness("lab-b", "lab-a", NOON + 60)
    sealed.release(run)
    sealed.paper.witness("lab-c", "lab-b", seen_at)
    if registered_at is not None:
        sealed.paper.register("lab-b")
        sealed.paper.witness("lab-c", "lab-b", registered_at)


@pytest.mark.parametrize(
    ("seen_at", "registered_at", "codes"),
    [
        (NOON + HOUR, None, ["R-2.early"]),
        (NOON + HOUR, NOON + 2 * HOUR, ["R-2.early"]),
        (REGISTER_BY, None, ["R-2.early"]),
        (REGISTER_BY + 1, None, []),
    ],
)
def test_release_when_its_own_test_was_not_registered_yet_then_it_is_listed_unless_time_was_over(
    sealed: Sealed, seen_at: int, registered_at: int | None, codes: list[str]
) -> None:
    released_early(sealed, seen_at, registered_at)
    assert sealed.codes() == codes


def test_release_when_nobody_saw_it_in_time_then_nothing_is_shown(sealed: Sealed) -> None:
    run = sealed.paper.register()
    sealed.paper.witness("lab-b", "lab-a", NOON + 60)
    sealed.release(run)
    assert sealed.codes() == []


def test_release_when_the_others_registration_was_cosigned_only_later_then_it_is_listed(tmp_path: Path) -> None:
    sealed = Sealed(tmp_path)
    sealed.paper.register("lab-b")
    sealed.paper.register(subject="m2")
    sealed.paper.witness("lab-b", "lab-a", NOON + 30)
    first = sealed.paper.register()
    sealed.paper.witness("lab-b", "lab-a", NOON + 3 * HOUR)
    sealed.release(first, size=3)
    sealed.paper.witness("lab-c", "lab-b", NOON + HOUR)
    assert "R-2.early" in sealed.codes()


def test_release_when_beacons_alone_are_given_then_it_is_never_too_early(tmp_path: Path) -> None:
    labs = [PaperLab("lab-a"), PaperLab("lab-b")]
    [section] = plan_dict(labs, listed(KINDS))["sections"]
    tests = [{"party": lab, "section": "core", "subject": "m1"} for lab in ("lab-a", "lab-b")]
    paper = Paper(tmp_path, KINDS, sections=[{**section, "releasers": ["lab-b"]}], tests=tests)
    paper.accept_all()
    run = paper.register()
    paper.witness("lab-b", "lab-a", NOON)
    paper.release("lab-b", run, 2)
    paper.witness("lab-a", "lab-b", NOON + 60)
    assert paper.result()["violations"] == []


# --- files -------------------------------------------------------------------------------------------


def test_age_file_when_it_is_there_then_it_is_part_and_must_be_the_signed_one(sealed: Sealed) -> None:
    run = sealed.both_register()
    path = f"lab-b/outbox/lab-a/{sha256(b'text')}.age"
    sealed.release(run)
    sealed.paper.lay(path, b"age")
    assert path not in sealed.paper.verify().not_part
    sealed.paper.lay(path, b"agE")
    with pytest.raises(NotVerified, match="file-changed") as caught:
        sealed.paper.verify()
    assert caught.value.step == "V-6"


def revealed(sealed: Sealed, items: list[Item]) -> None:
    raw = compress(encode_suite("hers", CANARY, items), spelled_once=True)
    sealed.paper.lay(f"lab-b/plans/{sealed.paper.plan.id}/suites/hers.jsonl.gz", raw)


def test_reveal_when_it_is_the_committed_text_then_it_is_read_and_another_is_refused(sealed: Sealed) -> None:
    revealed(sealed, sealed.items)
    assert [item.id for item in sealed.paper.verify().texts["hers"]] == ["q-0", "q-1"]
    revealed(sealed, items_of("lab-x"))
    with pytest.raises(NotVerified, match=r"S-1\.item") as caught:
        sealed.paper.verify()
    assert caught.value.step == "V-5"


def test_reveal_when_the_items_never_had_salts_then_v5_refuses(tmp_path: Path) -> None:
    sealed = Sealed(tmp_path, salted=False)
    revealed(sealed, sealed.items)
    with pytest.raises(NotVerified, match=r"S-2\.salt"):
        sealed.paper.verify()
