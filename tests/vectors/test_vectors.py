# SPDX-License-Identifier: Apache-2.0
"""Each vector put to our own readers, and each vector file made again by code that knows nothing of them."""

import ast
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from detente.errors import DetenteError
from kit.readers import READERS, kind_of_failure
from vectors.make import SOURCES, stale

HERE = Path(__file__).resolve().parent
FILES = sorted(HERE.glob("*.json"))


def bytes_of(parts: list[Mapping[str, Any]], bases: Mapping[str, list[Mapping[str, Any]]]) -> bytes:
    """The bytes that a vector's ``input`` stands for (README.md)."""
    found = []
    for part in parts:
        if "base" in part:
            piece = bytes_of(bases[part["base"]], {})[part["from"] : part["to"]]
        else:
            piece = bytes.fromhex(part["hex"]) if "hex" in part else part["text"].encode()
        found.append(piece * part.get("times", 1))
    return b"".join(found)


def given_of(given: Mapping[str, Any], bases: Mapping[str, list[Mapping[str, Any]]]) -> dict[str, Any]:
    """What is given with a vector; a member that holds ``base`` is the bytes of that base."""
    return {
        name: bytes_of([{"from": None, "to": None, **value}], bases) if isinstance(value, dict) and "base" in value else value
        for name, value in given.items()
    }  # fmt: skip


def vectors() -> Iterator[tuple[Any, Any]]:
    for path in FILES:
        held = json.loads(path.read_bytes())
        for vector in held["vectors"]:
            yield pytest.param(held, vector, id=f"{path.stem}:{vector['name']}")


@pytest.mark.parametrize(("held", "vector"), list(vectors()))
def test_vector_when_read_then_it_ends_as_it_says(held: Any, vector: Any, tmp_path: Path) -> None:
    bases = held.get("bases", {})
    raw = bytes_of(vector.get("input", []), bases)
    given = given_of({**held.get("given", {}), **vector.get("given", {})}, bases)
    try:
        value = READERS[held["reader"]](raw, {**given, "folder": tmp_path})
    except DetenteError as error:
        assert kind_of_failure(error) == vector["expect"], error
        assert vector.get("code", error.code) in {error.code, "no"}
        return
    assert vector["expect"] == "ok", value
    if "value" in vector:
        assert value == vector["value"]


def test_vector_files_when_made_again_then_the_same_bytes() -> None:
    assert stale() == [], "run: python tests/vectors/make.py"


def test_vectors_when_named_then_each_name_stands_once_in_its_file() -> None:
    for path in FILES:
        held = json.loads(path.read_bytes())
        names = [vector["name"] for vector in held["vectors"]]
        assert len(set(names)) == len(names), path.name
        assert {vector["expect"] for vector in held["vectors"]} <= {"ok", "malformed", "not-verified", "cannot-tell"}


def test_generator_when_it_computes_a_value_then_without_the_code_under_test() -> None:
    for path in [HERE / "make.py", *(HERE / "source").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] in {"detente", "kit"}], path
    assert {path.stem for path in (HERE / "source").glob("*.py")} == {*SOURCES, "plain", "world"}
