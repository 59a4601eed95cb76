# SPDX-License-Identifier: Apache-2.0
"""Each vector put to our own readers, and each vector file made again by code that knows nothing of them."""

import ast
from pathlib import Path
from typing import Any

import pytest

from detente.errors import DetenteError
from kit.readers import READERS, kind_of_failure
from kit.vectors import put_to, vector_files
from vectors.make import SOURCES, stale

HERE = Path(__file__).resolve().parent


CASES = [
    pytest.param(held, vector, id=f"{name}:{vector['name']}")
    for name, held in vector_files().items()
    for vector in held["vectors"]
]


@pytest.mark.parametrize(("held", "vector"), CASES)
def test_vector_when_read_then_it_ends_as_it_says(held: Any, vector: Any, tmp_path: Path) -> None:
    raw, given = put_to(held, vector)
    value, failed = None, None
    try:
        value = READERS[held["reader"]](raw, {**given, "folder": tmp_path})
    except DetenteError as error:
        failed = error
    assert kind_of_failure(failed) == vector["expect"], failed or value
    if failed is None:
        assert value == vector.get("value", value)
    else:
        assert failed.code in {"no", vector.get("code", failed.code)}, failed
        assert vector.get("step", "") in {"", getattr(failed, "step", "")}, failed


def test_vector_files_when_made_again_then_the_same_bytes() -> None:
    assert stale() == [], "run: python tests/vectors/make.py"


def test_vectors_when_named_then_each_name_stands_once_in_its_file() -> None:
    for file, held in vector_files().items():
        names = [vector["name"] for vector in held["vectors"]]
        assert len(set(names)) == len(names), file
        assert {vector["expect"] for vector in held["vectors"]} <= {"ok", "malformed", "not-verified", "cannot-tell"}


def test_generator_when_it_computes_a_value_then_without_the_code_under_test() -> None:
    for path in [HERE / "make.py", *(HERE / "source").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] in {"detente", "kit"}], path
    assert {path.stem for path in (HERE / "source").glob("*.py")} == {*SOURCES, "plain", "world"}
