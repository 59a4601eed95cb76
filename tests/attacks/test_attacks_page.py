# SPDX-License-Identifier: Apache-2.0
"""docs/threats.md names a test for every row, in both languages, and every named test is there."""

import ast
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PAGES = {"en": TOP / "docs" / "threats.md", "zh": TOP / "docs" / "zh" / "threats.md"}
SECTIONS = 3  # caught, only shown, never caught
NAMED = re.compile(r"`(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)`")


def tables(lang: str) -> list[list[list[str]]]:
    """The three tables of a page, each as rows of cells, without their heads."""
    found: list[list[list[str]]] = []
    lines = PAGES[lang].read_text("utf-8").splitlines()
    for before, line in pairwise(lines):
        if line.startswith("| ---"):
            found.append([])
        elif line.startswith("| ") and before.startswith("| ") and found:
            found[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return found


@cache
def names_in(path: str) -> set[str]:
    file = TOP / path
    if not file.is_file():
        return set()
    return {node.name for node in ast.parse(file.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("lang", PAGES)
def test_row_of_an_attack_when_read_then_it_names_tests_that_exist(lang: str) -> None:
    wrong = []
    for rows in tables(lang):
        for row in rows:
            named = NAMED.findall(row[-1])
            wrong += [f"{row[0]}: no such test: {path}::{test}" for path, test in named if test not in names_in(path)]
            if not named:
                wrong.append(f"{row[0]}: names no test")
    assert not wrong, "\n".join(wrong)


def test_tables_when_compared_then_both_languages_have_the_same_rows_with_the_same_tests() -> None:
    english, chinese = tables("en"), tables("zh")
    assert len(english) == len(chinese) == SECTIONS
    assert [len(rows) for rows in english] == [len(rows) for rows in chinese]
    for here, there in zip(english, chinese, strict=True):
        named = [sorted(tuple(NAMED.findall(row[-1])) for row in rows) for rows in (here, there)]
        assert named[0] == named[1]
        assert {len(row) for row in (*here, *there)} == {len(here[0])}


def test_limits_when_named_then_each_is_acted_out_by_a_test_that_passes_the_attack() -> None:
    """The rows of "what nothing catches" point at tests that say so: limit, or goes unseen."""
    for row in tables("en")[2]:
        tests = [test for _, test in NAMED.findall(row[-1])]
        assert any("limit" in test or "unseen" in test or "home" in test for test in tests), row[0]
