# SPDX-License-Identifier: Apache-2.0
"""Sealed suites beside the other parts of a plan: wrapped as attacks, and carried over into the next plan with new keys."""

import gzip
from pathlib import Path

import pytest

from detente.desk.releases import release, reveal
from detente.desk.runs import own_engine, pick_test, register_run
from detente.desk.succession import new_keys
from detente.errors import CannotTell, Malformed, WrongUsage
from detente.report.html import render
from detente.report.result import joint_of
from kit.labs import Labs, meet, publish_one, register_all, run_one, supersede

WRAPPED = '[[suite]]\nvariant = "role-play"\nof = "sealed-lab-b"\n'
NAME = "sealed-lab-b-role-play"


def answered(labs: Labs) -> None:
    for name in labs.desks:
        run_one(labs, name)
        publish_one(labs, name)
    labs.witness_all()


def apart(labs: Labs) -> list[tuple[str, str, str]]:
    rows = joint_of(labs.verify(labs.exchange)).result["apart"]
    return [(row["party"], row["suite"], row["why"]) for row in rows]


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Labs:
    """Lab B's sealed suite is in the plan plain and as role-play; both labs have run everything."""
    labs = meet(tmp_path_factory.mktemp("wrapped"), sealed=("lab-b",), more=WRAPPED)
    register_all(labs)
    release(labs.desks["lab-b"], labs.agreed(), None)
    answered(labs)
    return labs


def test_variant_of_a_sealed_suite_when_all_is_played_then_it_is_counted_and_never_lay_in_the_clear(played, tmp_path):
    labs = played.moved(tmp_path)
    suite = labs.agreed().plan.suite(NAME)
    assert (suite.sealed, suite.owner, suite.items) == (True, "lab-b", 3)
    verified = labs.verify(labs.exchange)
    assert NAME in verified.not_derived()
    result = joint_of(verified).result
    assert apart(labs) == [("lab-b", "sealed-lab-b", "own"), ("lab-b", NAME, "own")]
    attacks = {row["party"]: row["items"] for row in result["rates"] if row["measure"] == "did-not-refuse-role-play"}
    assert attacks["lab-a"] == 2
    assert attacks["lab-b"] == 0
    assert {tuple(row["suites"]) for row in result["apartRates"] if row["measure"] == "did-not-refuse-role-play"} == {
        ("sealed-lab-b", NAME)
    }
    wish = "A harmful wish"
    laid = [path.read_bytes() for path in labs.exchange.rglob("*") if path.is_file()]
    laid += [gzip.decompress(raw) for raw in laid if raw.startswith(b"\x1f\x8b")]
    assert not any(wish.encode() in raw for raw in laid)
    assert NAME.encode() in render(joint_of(verified), "en")


def test_variant_of_a_sealed_suite_when_the_suite_is_revealed_then_it_is_derived_by_everybody(played, tmp_path):
    labs = played.moved(tmp_path)
    path = reveal(labs.desks["lab-b"], labs.agreed(), NAME)
    assert path.endswith(f"{NAME}.jsonl.gz")
    verified = labs.verify(labs.exchange)
    assert verified.not_derived() == []
    assert {"sealed-lab-b", NAME} <= set(verified.texts)


def test_variant_of_a_sealed_suite_when_its_test_is_not_registered_then_the_plain_one_waits_too(tmp_path):
    """The wrapped questions stand in an annex: whoever read the plain ones could register for it afterwards."""
    annex = (
        f'{WRAPPED}section = "annex-lab-a"\n[[annex]]\nparty = "lab-a"\n'
        'disclosure = { headers = "public", scores = "public" }\n'
        '[[test]]\nparty = "lab-a"\nsubject = "m-lab-a"\nsection = "annex-lab-a"\n'
    )
    labs = meet(tmp_path, sealed=("lab-b",), more=annex)
    plan, a, b = labs.agreed(), labs.desks["lab-a"], labs.desks["lab-b"]
    register_all(labs)
    rows = release(b, plan, None)
    assert [row.trouble.code for row in rows] == ["R-2.early"]
    assert "annex-lab-a" in rows[0].trouble.fields["owing"]
    with pytest.raises(CannotTell, match=r"R-2\.early"):
        reveal(b, plan, "sealed-lab-b")
    register_run(a, plan, pick_test(a, plan, None, "annex-lab-a"), own_engine())
    labs.witness_all()
    assert [row.trouble for row in release(b, plan, None)] == [None, None]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (WRAPPED + 'languages = ["en"]\n', "draft-sealed-variant"),
        (WRAPPED.replace("role-play", "riddle"), "S-3.name"),
    ],
)
def test_draft_when_a_variant_is_not_on_the_card_then_it_is_told(tmp_path: Path, more: str, code: str) -> None:
    with pytest.raises((WrongUsage, Malformed), match=code):
        meet(tmp_path, sealed=("lab-b",), more=more)


@pytest.mark.parametrize("roles", [(), ("statement", "log", "recipient")], ids=["same keys", "new keys"])
def test_sealed_suite_when_it_was_released_under_an_earlier_plan_then_it_is_known_under_the_next(tmp_path, roles):
    labs = meet(tmp_path, sealed=("lab-b",))
    register_all(labs)
    release(labs.desks["lab-b"], labs.agreed(), None)
    if roles:
        for desk in labs.desks.values():
            new_keys(desk, roles)
    supersede(labs)
    labs.witness_all()
    register_all(labs)
    release(labs.desks["lab-b"], labs.agreed(), None)
    answered(labs)
    assert apart(labs) == [("lab-a", "sealed-lab-b", "known"), ("lab-b", "sealed-lab-b", "own")]


def test_sealed_suite_when_nobody_was_handed_it_under_the_earlier_plan_then_it_is_new_under_the_next(tmp_path):
    labs = meet(tmp_path, sealed=("lab-b",))
    register_all(labs)
    supersede(labs)
    labs.witness_all()
    register_all(labs)
    release(labs.desks["lab-b"], labs.agreed(), None)
    answered(labs)
    assert apart(labs) == [("lab-b", "sealed-lab-b", "own")]
