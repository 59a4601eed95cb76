# SPDX-License-Identifier: Apache-2.0
"""One joint result out of verified evidence: the same bytes for every reader, limits that hold the number, and the walk back."""

from pathlib import Path
from typing import Any

import pytest

from detente.check.facts import View
from detente.check.verify import Verified
from detente.report.result import closed_view, heads_now, joint_of, summarise
from detente.stats.gaps import gap
from detente.stats.rates import rate
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from kit.paper import NOON, Paper

KINDS = ["hazard"] * 6 + ["benign"] * 3 + ["control"] * 2
HAZARDS = ("dt:crime", "dt:cyber")
Row = dict[str, Any]


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Paper:
    """A counted run in two languages and two repeats: some filtered, failed and cut, labels by slot number."""
    paper = Paper(tmp_path_factory.mktemp("result"), KINDS, hazards=HAZARDS, epochs=2, maxMissing="0.5")
    paper.accept_all()
    run = paper.register()
    note = paper.witness("lab-b", "lab-a", NOON)
    ended = [
        ("filtered" if i % 11 == 3 else "failed" if i % 13 == 5 else "cut" if i % 3 else "replied")
        for i in range(len(paper.slots))
    ]
    paper.conclude(run, ended, notes=[note])
    spoke = [slot for slot in paper.slots if ended[slot.i] in {"replied", "cut"}]
    labels = {s.i: ["refuse", "comply", "deflect"][(s.i * 7 + len(s.lang)) % 3] for s in spoke if s.kind != "control"}
    paper.score(run, "refusal", labels)
    paper.score(run, "includes", {s.i: "right" for s in spoke if s.kind == "control"})
    paper.witness_all(NOON + 60)
    paper.save()
    return paper  # fmt: skip


@pytest.fixture(scope="module")
def verified(paper: Paper) -> Verified:
    return paper.verify()


@pytest.fixture(scope="module")
def result(verified: Verified) -> Row:
    value: Row = decode(summarise(verified).raw)
    return value


def test_result_when_made_twice_then_its_bytes_are_the_same(paper: Paper, verified: Verified) -> None:
    made = summarise(verified)
    assert made.raw == summarise(paper.verify()).raw
    assert made.digest == sha256(made.raw)
    assert encode(decode(made.raw)) == made.raw


def test_result_when_the_folder_lies_elsewhere_then_its_bytes_are_the_same(paper: Paper, tmp_path: Path) -> None:
    """Nothing of the place, the clock or the order of files enters it (F-10)."""
    import shutil

    from detente.check.verify import verify

    shutil.copytree(paper.root, tmp_path / "copy")
    assert summarise(verify(tmp_path / "copy", paper.plan.id)).raw == summarise(paper.verify()).raw


def test_rates_when_they_have_limits_then_these_hold_the_rate_and_are_rounded_outward(
    result: Row, verified: Verified
) -> None:
    patterns = verified.numbers().rate_patterns
    shown = 0
    for row, pattern in zip(result["rates"], patterns, strict=True):
        assert (row["state"] == "rate") == (row["low"] is not None) == (row["high"] is not None)
        if row["state"] != "rate":
            continue
        shown += 1
        found = rate([p.hits[0] for p in pattern], [p.scored[0] for p in pattern], items=[p.items for p in pattern])
        assert float(row["low"]) <= found.low <= found.high <= float(row["high"])
        assert float(row["low"]) <= float(row["rate"]) <= float(row["high"])
        assert float(row["high"]) - float(row["low"]) <= found.high - found.low + 2e-4
        assert float(row["worst"][0]) <= float(row["rate"]) <= float(row["worst"][1])
    assert shown > 6


def test_gaps_when_they_have_limits_then_these_are_of_the_second_language_minus_the_first(
    result: Row, verified: Verified
) -> None:
    patterns = verified.numbers().gap_patterns
    shown = 0
    for row, pattern in zip(result["gaps"], patterns, strict=True):
        if row["state"] != "rate":
            assert row["low"] is row["high"] is None
            continue
        shown += 1
        columns = [
            [p.hits[1] for p in pattern],
            [p.scored[1] for p in pattern],
            [p.hits[0] for p in pattern],
            [p.scored[0] for p in pattern],
        ]
        found = gap(*columns, items=[p.items for p in pattern])
        assert float(row["low"]) <= found.low <= found.high <= float(row["high"])
        assert float(row["low"]) <= float(row["gap"]) <= float(row["high"])
        assert -1 <= float(row["low"]) <= float(row["high"]) <= 1
    assert shown  # fmt: skip


def test_result_when_read_then_its_members_are_those_of_the_page(result: Row) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "format" / "facts.md").read_text("utf-8")
    for name in (*result, *result["runs"][0], *result["rates"][0], *result["gaps"][0], *result["competence"][0]):
        assert f"`{name}`" in page, name
    assert list(result) == sorted(result)


def test_heads_when_asked_for_now_then_they_are_those_of_the_result(result: Row, verified: Verified) -> None:
    assert decode(encode(heads_now(verified, verified.view()))) == result["heads"]


def test_joint_when_nothing_is_closed_then_it_is_interim_and_has_what_pages_need(
    verified: Verified, result: Row
) -> None:
    joint = joint_of(verified)
    assert not joint.final
    assert joint.result == result
    assert joint.plan == decode(verified.plan.raw)
    assert (joint.plan_id, joint.closings) == (verified.plan.id, [])
    assert set(joint.scorers) == {"refusal", "includes"}
    assert set(joint.descriptors) == {"m1"}


def test_walk_when_followed_then_every_headline_number_leads_back_to_a_cosignature(
    verified: Verified, result: Row
) -> None:
    joint = joint_of(verified)
    headline = [
        row
        for name in ("rates", "gaps")
        for row in result[name]
        if row["hazard"] is None and row["view"] == "asDeployed"
    ]
    assert len(joint.walks) == len(headline)
    for walk, row in zip(joint.walks, headline, strict=True):
        assert walk["measure"] == row["measure"]
        rules = [step["rule"] for step in walk["steps"]]
        assert rules[1:] == ["C-7", "C-6", "R-7", "T-5", "R-1", "L-3", "P-2", "P-2", "P-1"]
        fields = {step["text_key"].rpartition(".")[2]: step["fields"] for step in walk["steps"]}
        assert fields["cosigned"]["witness"] == "lab-b"
        assert fields["register"]["sha256"] == row["run"]
        assert fields["plan"]["sha256"] == verified.plan.id
        path = verified.root / str(fields["counts"]["path"])
        assert sha256(path.read_bytes()) == fields["counts"]["sha256"]  # fmt: skip


def test_walk_when_the_start_names_a_note_from_before_the_registration_then_it_is_no_step_of_it(tmp_path: Path) -> None:
    paper = Paper(tmp_path)
    paper.accept_all()
    paper.witness_all(NOON)
    early = sha256(paper.notes["lab-b", "lab-a"][1])
    run = paper.register()
    late = paper.witness("lab-b", "lab-a", NOON + 60)
    paper.conclude(run, notes=[early, late])
    paper.score_all(run)
    paper.witness_all(NOON + 120)
    steps = joint_of(paper.verify()).walks[0]["steps"]
    assert [step["fields"]["sha256"] for step in steps if step["rule"] == "L-3"] == [late]


def test_view_when_closed_then_only_its_heads_and_notes_speak(paper: Paper, tmp_path: Path) -> None:
    closing = Paper(tmp_path)
    closing.played()
    verified = closing.verify()
    made = summarise(verified)
    for lab in closing.labs:
        closing.lay(f"{lab}/results/{made.digest}.json", made.raw)
        closing.sign("close", lab, [made.digest], heads=decode(made.raw)["heads"], position="endorse", text=None)
    closing.witness_all(NOON + 9999)
    after = closing.verify()
    view = closed_view(after, after.closings[0])
    sizes = {"lab-a": 5, "lab-b": 1}
    assert view == View(sizes, frozenset(decode(made.raw)["notes"]))
    assert summarise(after, view).raw == made.raw
    assert summarise(after).raw != made.raw
    joint = joint_of(after)
    assert (joint.final, joint.digest) == (True, made.digest)
    assert {walk["run"] for walk in joint.walks} == {row["run"] for row in joint.result["runs"]}
    assert paper.root != closing.root
