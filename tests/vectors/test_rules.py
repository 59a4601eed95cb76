# SPDX-License-Identifier: Apache-2.0
"""Every numbered rule of the format pages is obeyed somewhere, and a vector or a test would tell if it were not."""

import ast
import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from kit.vectors import VECTORS, vector_files

TESTS = VECTORS.parent
TOP = TESTS.parent
TABLE = tomllib.loads((VECTORS / "rules.toml").read_text("utf-8"))
COVERED: dict[str, list[str]] = TABLE["covered"]
LATER: dict[str, str] = TABLE["later"]
DEFINED = re.compile(r"^\*\*([BPSTRCLAFV]-\d{1,2})\*\*", re.MULTILINE)
CITED = re.compile(r"\b[BPSTRCLAFV]-\d{1,2}(?![\w-])")
PAGES = {page: page.read_text("utf-8") for page in sorted((TOP / "docs" / "format").glob("*.md"))}
RULES = {rule: text for text in PAGES.values() for rule in DEFINED.findall(text)}


def cited_in(paths: Iterable[Path]) -> set[str]:
    return {rule for path in paths for rule in CITED.findall(path.read_text("utf-8"))}


@cache
def functions_of(path: str) -> set[str]:
    """The names of the test functions of a file below tests/."""
    tree = ast.parse((TESTS / path).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def exists(rule: str, name: str) -> bool:
    """Whether a name in the table is a test, or a vector file with a vector for this rule."""
    path, _, test = name.partition("::")
    if test:
        return (TESTS / path).is_file() and test in functions_of(path)
    held = vector_files().get(path.removesuffix(".json"), {"vectors": []})
    return any(rule in vector["rules"] for vector in held["vectors"])


def test_rules_when_defined_then_each_is_covered_or_said_to_come_later() -> None:
    assert len(RULES) == 90
    assert COVERED.keys() | LATER.keys() == RULES.keys()
    assert not COVERED.keys() & LATER.keys()


@pytest.mark.parametrize("rule", COVERED)
def test_rule_when_covered_then_code_cites_it_and_every_name_exists(rule: str) -> None:
    assert rule in SOURCES, f"{rule} is cited nowhere in src/"
    assert COVERED[rule], f"{rule} has neither a vector nor a test"
    missing = [name for name in COVERED[rule] if not exists(rule, name)]
    assert not missing, f"{rule}: no such test, or no vector in that file names the rule: {missing}"


@pytest.mark.parametrize("rule", LATER)
def test_rule_when_it_comes_later_then_its_page_says_so_and_no_code_cites_it(rule: str) -> None:
    page = " ".join(RULES[rule].split())
    assert LATER[rule] in page, f"{rule}: its page no longer says that it is not built; give it vectors or tests"
    assert rule not in SOURCES, f"{rule} is cited in src/ by now; move it to [covered] with the tests that hold it"


def test_vectors_when_they_name_rules_then_those_exist_and_the_table_knows_the_file() -> None:
    wrong = []
    for name, held in vector_files().items():
        rules = {rule for vector in held["vectors"] for rule in vector["rules"]}
        wrong += [f"{name}.json: {rule}" for rule in sorted(rules - RULES.keys())]
        wrong += [f"{name}.json: a vector without a rule"] * (not all(vector["rules"] for vector in held["vectors"]))
        if not any(f"{name}.json" in names for names in COVERED.values()):
            wrong.append(f"{name}.json stands for no rule")
    assert not wrong, "\n".join(wrong)


SOURCES = cited_in((TOP / "src").rglob("*.py"))
