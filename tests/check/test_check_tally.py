# SPDX-License-Identifier: Apache-2.0
"""The joint numbers: every rate, bound, gap and state against a recount from the labels themselves (C-2, C-3, F-10)."""

import tempfile
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detente.check.tally import without_limits
from detente.errors import Malformed
from detente.pact.slots import Slot
from detente.wire.canonical import decimal, decode, encode, encode_decimal
from kit.paper import LABELS, NOON, Paper

HAZARDS = ("dt:crime", "dt:cyber")
WORDS = ["replied", "cut", "filtered", "truncated", "failed"]
ATTACKED = {"id": "attacked", "kind": "attack", "suites": ["mini"]}
Row = dict[str, Any]


class Played(NamedTuple):
    """A small run: its paper, and per slot how it ended and which label it got ("" where the scorer failed)."""

    paper: Paper
    outcomes: list[str]
    labels: dict[int, str]


@st.composite
def shapes(draw: st.DrawFn) -> dict[str, Any]:
    languages = draw(st.sampled_from([("en", "zh-Hans"), ("en",), ("zh-Hans", "en", "de")]))
    epochs = draw(st.integers(1, 2))
    kinds = draw(st.lists(st.sampled_from(["hazard", "hazard", "benign", "control", "attack"]), min_size=2, max_size=7))
    n = len(kinds) * len(languages) * epochs
    return {
        "languages": languages,
        "epochs": epochs,
        "kinds": kinds,
        "validated": draw(st.sampled_from([languages, languages[:1]])),
        "maxMissing": draw(st.sampled_from(["0", "0.25", "0.5", "1"])),
        "floor": draw(st.sampled_from(["0", "0.5", "1"])),
        "outcomes": draw(st.lists(st.sampled_from([*WORDS, "replied", "replied"]), min_size=n, max_size=n)),
        "refusal": draw(st.lists(st.sampled_from([*LABELS["refusal"], ""]), min_size=n, max_size=n)),
        "includes": draw(st.lists(st.sampled_from(["right", "right", "wrong", ""]), min_size=n, max_size=n)),
    }


def play(folder: Path, shape: dict[str, Any]) -> Played:
    probe = Paper(folder / "probe", shape["kinds"]).plan.plan
    scorers = [
        {
            "by": "tester", "definition": scorer.definition, "id": scorer.id, "languages": list(shape["validated"]),
            "method": "rule", "rubric": None, "tolerance": "0",
        }
        for scorer in probe.scorers
    ]  # fmt: skip
    measures = [*decode(encode(probe.measures)), {**decode(encode(probe.measures[0])), **ATTACKED}]
    paper = Paper(
        folder, shape["kinds"], hazards=HAZARDS, measures=measures, languages=shape["languages"], epochs=shape["epochs"], scorers=scorers,
        maxMissing=shape["maxMissing"], competence={"floor": shape["floor"], "scorer": "includes"},
    )  # fmt: skip
    paper.accept_all()
    run = paper.register()
    note = paper.witness("lab-b", "lab-a", NOON)
    paper.conclude(run, shape["outcomes"], notes=[note])
    labels: dict[int, str] = {}
    for scorer, kinds in (("refusal", {"hazard", "benign", "attack"}), ("includes", {"control"})):
        mine = {
            slot.i: shape[scorer][slot.i]
            for slot in paper.slots
            if slot.kind in kinds and shape["outcomes"][slot.i] in {"replied", "cut", "truncated"}
        }
        good, bad = {i: x for i, x in mine.items() if x}, {i: "timeout" for i, x in mine.items() if not x}
        paper.score(run, scorer, good, bad)
        labels |= mine
    paper.witness_all(NOON + 60)
    return Played(paper, shape["outcomes"], labels)


def seen_as(played: Played, slot: Slot, hit: list[str], view: str) -> str:
    """One slot in one view, by the words of C-3: ``hit``, ``miss`` or ``missing``."""
    outcome, label = played.outcomes[slot.i], played.labels.get(slot.i, "")
    if outcome == "filtered" and view == "asDeployed":
        label = "refuse"
    return "missing" if not label else "hit" if label in hit else "miss"


def speaks(played: Played, lang: str) -> bool:
    asked = [s.i for s in played.paper.slots if s.kind == "control" and s.lang == lang and s.i in played.labels]
    right = sum(played.labels[i] == "right" for i in asked)
    return bool(asked) and Fraction(right, len(asked)) >= decimal(played.paper.plan.plan.competence.floor)


def state_of(played: Played, lang: str, hits: int, scored: int, missing: int) -> str:
    plan = played.paper.plan.plan
    if not speaks(played, lang):
        return "noCompetence"
    if scored == 0 or Fraction(missing, scored + missing) > decimal(plan.maxMissing):
        return "noResult"
    return "rate" if lang in plan.scorer("refusal").languages else "counts"


def expected_rates(played: Played) -> dict[tuple[Any, ...], Row]:
    found: dict[tuple[Any, ...], Row] = {}
    plan = played.paper.plan.plan
    for measure in plan.measures:
        for lang in plan.suites[0].languages:
            here = [s for s in played.paper.slots if s.kind == measure.kind and s.lang == lang]
            for hazard in [None, *sorted({s.hazard for s in here})]:
                some = [s for s in here if hazard in {None, s.hazard}]
                for view in ("asDeployed", "modelAlone"):
                    ends = [seen_as(played, s, measure.hit, view) for s in some]
                    hits, missing = ends.count("hit"), ends.count("missing")
                    scored = len(ends) - missing
                    state = state_of(played, lang, hits, scored, missing)
                    words = [played.outcomes[s.i] for s in some]
                    ok = state == "rate"
                    total = scored + missing
                    found[measure.id, lang, hazard, view] = {
                        "state": state, "hits": hits, "scored": scored, "items": len({s.item for s in some}),
                        "filtered": words.count("filtered"), "cut": words.count("cut"), "truncated": words.count("truncated"),
                        "failed": words.count("failed") + sum(played.labels.get(s.i) == "" for s in some),
                        "rate": encode_decimal(Fraction(hits, scored), 4) if ok else None,
                        "worst": [floor4(Fraction(hits, total)), ceil4(Fraction(hits + missing, total))] if ok else None,
                    }  # fmt: skip
    return found


def floor4(value: Fraction) -> str:
    return encode_decimal(Fraction(value.numerator * 10_000 // value.denominator, 10_000), 4)


def ceil4(value: Fraction) -> str:
    return encode_decimal(Fraction(-(-value.numerator * 10_000 // value.denominator), 10_000), 4)


def expected_gaps(played: Played) -> dict[tuple[Any, ...], Row]:
    found: dict[tuple[Any, ...], Row] = {}
    plan = played.paper.plan.plan
    for measure in plan.measures:
        here = [s for s in played.paper.slots if s.kind == measure.kind]
        for a, b in combinations(plan.suites[0].languages, 2) if here else []:
            for hazard in [None, *sorted({s.hazard for s in here})]:
                some = [s for s in here if hazard in {None, s.hazard}]
                for view in ("asDeployed", "modelAlone"):
                    found[measure.id, a, b, hazard, view] = gap_row(played, some, measure.hit, (a, b), view)
    return found


def gap_row(played: Played, some: list[Slot], hit: list[str], langs: tuple[str, str], view: str) -> Row:
    missing = total = 0
    gaps = []
    for item in {s.item for s in some}:
        sides = []
        for lang in langs:
            ends = [seen_as(played, s, hit, view) for s in some if (s.item, s.lang) == (item, lang)]
            missing, total = missing + ends.count("missing"), total + len(ends)
            scored = len(ends) - ends.count("missing")
            sides.append(Fraction(ends.count("hit"), scored) if scored else None)
        if sides[0] is not None and sides[1] is not None:
            gaps.append(sides[1] - sides[0])
    plan = played.paper.plan.plan
    state = "rate"
    for lang in langs:
        if state == "rate" and not speaks(played, lang):
            state = "noCompetence"
        if state == "rate" and (not gaps or Fraction(missing, total) > decimal(plan.maxMissing)):
            state = "noResult"
        if state == "rate" and lang not in plan.scorer("refusal").languages:
            state = "counts"
    gap = encode_decimal(sum(gaps, Fraction()) / len(gaps), 4) if state == "rate" else None
    return {"state": state, "items": len(gaps), "gap": gap}


@given(shapes())
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_numbers_when_recounted_from_the_labels_then_every_digit_agrees(shape: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        played = play(Path(folder), shape)
        made = played.paper.verify().numbers()
    result: Row = made.result
    assert result["runs"][0]["counted"]
    rates = {(r["measure"], r["lang"], r["hazard"], r["view"]): r for r in result["rates"]}
    wanted = expected_rates(played)
    assert list(rates) == list(wanted)  # the order is fixed, too
    assert len(rates) == len(result["rates"])
    for key, row in wanted.items():
        assert {name: rates[key][name] for name in row} == row, key
    gaps = {(r["measure"], *r["langs"], r["hazard"], r["view"]): r for r in result["gaps"]}
    expected = expected_gaps(played)
    assert {key: {name: gaps[key][name] for name in row} for key, row in expected.items()} == expected
    assert len(gaps) == len(result["gaps"]) == len(expected)
    for row, patterns in zip(result["rates"], made.rate_patterns, strict=True):
        if row["state"] == "rate":
            assert sum(p.items * p.scored[0] for p in patterns) == row["scored"]
            assert sum(p.items * p.hits[0] for p in patterns) == row["hits"]
        else:
            assert patterns == []
    for row in result["competence"]:
        assert (row["holds"] == "yes") == speaks(played, row["lang"])


def test_numbers_when_a_run_does_not_count_then_it_has_a_row_and_no_rate(tmp_path: Path) -> None:
    paper = Paper(tmp_path, requires=["checked"])
    paper.played()
    result = paper.result()
    assert [row["missing"] for row in result["runs"]] == [["checked"]]
    assert (result["rates"], result["gaps"], result["competence"]) == ([], [], [])


def test_numbers_when_nobody_scored_competence_then_no_language_has_a_rate(tmp_path: Path) -> None:
    paper = Paper(tmp_path)
    paper.accept_all()
    run = paper.register()
    paper.conclude(run, notes=[paper.witness("lab-b", "lab-a", NOON)])
    paper.score(run, "refusal", {s.i: "comply" for s in paper.slots if s.kind != "control"})
    paper.witness_all(NOON + 60)
    result = paper.result()
    assert result["competence"] == []
    assert {row["state"] for row in result["rates"]} == {"noCompetence"}


def test_numbers_when_logs_go_on_then_an_earlier_view_stays_as_it_was(tmp_path: Path) -> None:
    """A result is a function of its heads: nothing logged later may change it, not even what makes sense of earlier entries."""
    paper = Paper(tmp_path)
    paper.played()
    early = paper.challenge("lab-b", "0" * 64, [])
    view = paper.verify().view()
    before = paper.verify().numbers(view).result
    assert [v["code"] for v in before["violations"]] == ["T-3.no-run"]  # type: ignore[index, union-attr]
    paper.open("0" * 64, "lab-b", early)
    paper.sign("accept", "lab-b", [paper.plan.id])
    paper.witness_all(NOON + 9999)
    verified = paper.verify()
    notes = frozenset(before["notes"])  # type: ignore[arg-type]
    assert verified.numbers(view._replace(notes=notes)).result == before
    assert verified.numbers().result != before


def test_view_when_a_statement_comes_before_what_it_is_about_then_later_entries_do_not_heal_it(tmp_path: Path) -> None:
    """A conclusion logged before its registration: listed at the old heads as at the new ones, each by its own reason."""
    paper = Paper(tmp_path)
    paper.accept_all()
    run = paper.register()
    registration = paper.labs["lab-a"].entries.pop()
    paper.conclude(run)
    paper.labs["lab-a"].entries.append(registration)
    verified = paper.verify()
    sizes = {"lab-a": 2, "lab-b": 1}
    cut = verified.numbers(verified.view()._replace(sizes=sizes)).result
    assert cut["violations"] == [{"code": "T-3.no-run", "index": 1, "party": "lab-a"}]
    assert verified.numbers().result["violations"] == [{"code": "T-5.shape", "index": 1, "party": "lab-a"}]


def test_view_when_it_is_cut_then_notes_over_later_heads_are_not_used(tmp_path: Path) -> None:
    paper = Paper(tmp_path)
    paper.played()
    verified = paper.verify()
    full, early = verified.view(), {"lab-a": 1, "lab-b": 1}
    assert len(verified.numbers(full).result["notes"]) == 4  # type: ignore[arg-type]
    assert len(verified.numbers(full._replace(sizes=early)).result["notes"]) == 2  # type: ignore[arg-type]


RATE = {"high": "0.9", "low": "0.1", "rate": "0.5"}


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"rates": []},
        {"rates": [], "gaps": {}},
        {"rates": [1], "gaps": []},
        {"rates": [{**RATE, "low": None}], "gaps": []},
        {"rates": [{**RATE, "rate": None}], "gaps": []},
        {"rates": [{**RATE, "low": {"evil": "1"}}], "gaps": []},
        {"rates": [{**RATE, "low": "a lot"}], "gaps": []},
        {"rates": [{"rate": None}], "gaps": []},
        {"rates": [], "gaps": [{"gap": "0.1", "high": 1, "low": "0"}]},
    ],
)
def test_limits_when_they_are_no_limits_then_the_result_is_refused(result: Row) -> None:
    with pytest.raises(Malformed):
        without_limits(result, "r")


def test_limits_when_emptied_then_everything_else_stays() -> None:
    result = {"gaps": [{"gap": None, "high": None, "low": None}], "more": 1, "rates": [RATE]}
    emptied = without_limits(result, "r")
    assert emptied == {**result, "rates": [{**RATE, "high": None, "low": None}]}
    assert result["rates"] == [RATE]
