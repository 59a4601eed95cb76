# SPDX-License-Identifier: Apache-2.0
"""Every reason for which an entry can be listed has words in both languages: the codes are read off the source."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from detente.words import LANGS, say

SRC = Path(__file__).resolve().parents[2] / "src" / "detente"
ERRORS = {"Malformed", "NotVerified", "CannotTell", "WrongUsage"}
# It catches what is raised below it.
CATCHING = {"verify_signature"}


@cache
def functions() -> dict[str, list[ast.FunctionDef]]:
    """Every function and method of wire, evidence and check, by its name."""
    found: dict[str, list[ast.FunctionDef]] = {}
    for room in ("wire", "evidence", "check"):
        for path in sorted((SRC / room).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.FunctionDef):
                    found.setdefault(node.name, []).append(node)
    return found


def names_called(node: ast.AST, *, methods: bool = False) -> Iterator[tuple[str, ast.Call]]:
    """The functions that are called by their bare name (the rooms call each other so), methods only if asked for."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            yield call.func.id, call
        elif methods and isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            yield call.func.attr, call


def strings(node: ast.AST) -> set[str]:
    return {one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def raised_below(start: set[str]) -> set[str]:
    """The codes of all errors that these functions, or whatever they call in the three rooms, can raise."""
    codes, seen, todo = set(), set(CATCHING), list(start)
    while todo:
        name = todo.pop()
        for function in functions().get(name, []) if name not in seen else []:
            for called, call in names_called(function):
                if called in ERRORS and call.args:
                    codes |= strings(call.args[0])
                todo.append(called)
        seen.add(name)
    return codes


def codes_of(argument: ast.expr, inside: ast.FunctionDef) -> set[str]:
    """What a code can be: a text, one of two, or what a function returned; nothing if the source does not say."""
    if isinstance(argument, ast.Constant | ast.IfExp):
        return (
            strings(argument.orelse) | strings(argument.body) if isinstance(argument, ast.IfExp) else strings(argument)
        )
    if isinstance(argument, ast.Call) and getattr(argument.func, "id", "") == "_reason":
        tried = [node for node in ast.walk(inside) if isinstance(node, ast.Try)]
        raised = set().union(*(raised_in(node) for one in tried for node in one.body))
        return {code for code in raised if code.startswith("T-")} | strings(functions()["_reason"][0].body[-1]) - {"T-"}
    found: set[str] = set()
    for node in ast.walk(inside):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.NamedExpr) and any(
            getattr(t, "id", "") == getattr(argument, "id", None) for t in targets
        ):
            found |= strings(node.value) if isinstance(node.value, ast.Constant) else set()
            for name, _ in names_called(node.value):
                for function in functions().get(name, []):
                    found |= set().union(
                        *(strings(r.value) for r in ast.walk(function) if isinstance(r, ast.Return) and r.value)
                    )
    return found


def raised_in(node: ast.AST) -> set[str]:
    direct = set().union(*(strings(call.args[0]) for name, call in names_called(node) if name in ERRORS and call.args))
    return direct | raised_below({name for name, _ in names_called(node)} - ERRORS)


def listed() -> dict[str, str]:
    """Every code that an entry can be listed with, and where."""
    found: dict[str, str] = {}
    for path in sorted((SRC / "check").glob("*.py")):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(function, ast.FunctionDef) or function.name == "refuse":
                continue
            for name, call in names_called(function, methods=True):
                if name in {"refuse", "Violation"}:
                    where = f"{path.name}:{call.lineno}"
                    codes = codes_of(call.args[-1], function)
                    assert codes, f"{where}: cannot read off which code this is"
                    found |= dict.fromkeys(codes, where)
    return found


def test_codes_when_read_off_the_source_then_the_known_ones_are_among_them() -> None:
    known = {"T-3.twice", "R-1.attempts", "R-6.commits", "R-10.external", "C-6.blind", "T-2.stray", "T-3.again"}
    assert known | {"T-1.signature", "T-1.shape", "T-2.shape", "T-2.party"} <= set(listed())


def test_codes_when_a_second_verifier_is_written_then_the_page_has_every_one() -> None:
    page = (SRC.parents[1] / "docs" / "format" / "statements.md").read_text("utf-8")
    table = set(re.findall(r"^\| `([A-Z]-\d+\.[a-z-]+)` \|", page, re.MULTILINE))
    assert table == set(listed())


@pytest.mark.parametrize("lang", LANGS)
def test_listed_entries_when_told_then_every_reason_has_words(lang: str) -> None:
    missing = {}
    for code, where in sorted(listed().items()):
        try:
            assert say(f"check.violation.{code}", lang)
        except KeyError:
            missing[code] = where
    assert not missing
