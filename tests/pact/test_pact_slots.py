# SPDX-License-Identifier: Apache-2.0
"""Slots: computed, counted and walked in the one order that the plan fixes (S-4)."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.pact.plan import parse_plan
from detente.pact.slots import Slot, Slots
from detente.wire.canonical import encode
from kit.paper import PaperLab, listed, plan_dict, suite_row

LABS = [PaperLab("lab-a"), PaperLab("lab-b")]
LANGS = ("en", "zh-Hans", "de")


@st.composite
def any_slots(draw: st.DrawFn) -> tuple[Slots, list[Slot]]:
    """The slots of up to three suites, and the same by the words of S-4."""
    shapes = draw(
        st.lists(st.tuples(st.integers(1, 4), st.sampled_from([1, 2, 3]), st.integers(1, 3)), min_size=1, max_size=3)
    )
    items = [listed(["hazard", "benign", "attack", "control"][:n], f"s{k}") for k, (n, _, _) in enumerate(shapes)]
    suites = [suite_row(f"s{k}", items[k], LANGS[:langs], epochs) for k, (_, langs, epochs) in enumerate(shapes)]
    plan = parse_plan(encode(plan_dict(LABS, items[0], LANGS, suites=suites))).plan
    walked: list[Slot] = []
    for suite, rows in zip(plan.suites, items, strict=True):
        for row, lang, epoch in product(rows, suite.languages, range(suite.epochs)):
            walked.append(Slot(len(walked), suite.id, row.item, lang, epoch, row.hazard, row.kind, row.pair))
    return Slots(plan, "core", {f"s{k}": rows for k, rows in enumerate(items)}), walked


@given(any_slots())
def test_slots_when_walked_or_asked_for_then_they_are_those_of_the_rule(both: tuple[Slots, list[Slot]]) -> None:
    slots, walked = both
    assert len(slots) == len(walked)
    assert list(slots) == walked
    assert [slots[i] for i in range(len(slots))] == walked


@given(any_slots(), st.integers(0, 80), st.integers(0, 80))
def test_slots_when_a_column_is_asked_for_then_it_is_that_of_those_slots(
    both: tuple[Slots, list[Slot]], start: int, stop: int
) -> None:
    slots, walked = both
    asked: list[str] = []
    column = slots.column(lambda entry: asked.append(entry.item) or entry.item, start, stop)  # type: ignore[func-returns-value]
    assert column == [slot.item for slot in walked[start:stop]]
    assert len(asked) == len(set(asked))
    assert [(first, suite.id, len(rows)) for first, suite, rows in slots.suites()] == [
        (next(s.i for s in walked if s.suite == id_), id_, len({s.item for s in walked if s.suite == id_}))
        for id_ in dict.fromkeys(s.suite for s in walked)
    ]


@given(any_slots(), st.integers())
def test_slots_when_asked_outside_then_there_is_none(both: tuple[Slots, list[Slot]], i: int) -> None:
    slots, walked = both
    if 0 <= i < len(walked):
        assert slots[i].i == i
    else:
        with pytest.raises(IndexError):
            slots[i]


def test_slots_of_a_section_without_suites_then_there_are_none() -> None:
    plan = parse_plan(encode(plan_dict(LABS, listed(["hazard"])))).plan
    assert list(Slots(plan, "annex-lab-a", {})) == []
