# SPDX-License-Identifier: Apache-2.0
"""Reading vector files (tests/vectors/README.md): where they lie, and the bytes that an input stands for."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
Parts = Sequence[Mapping[str, Any]]


@cache
def vector_files() -> dict[str, Any]:
    """Every vector file by its name without the ending."""
    return {path.stem: json.loads(path.read_bytes()) for path in sorted(VECTORS.glob("*.json"))}


def bytes_of(parts: Parts, bases: Mapping[str, Parts]) -> bytes:
    """The bytes that a list of parts stands for."""
    found = []
    for part in parts:
        if "base" in part:
            piece = bytes_of(bases[part["base"]], {})[part.get("from") : part.get("to")]
        else:
            piece = bytes.fromhex(part["hex"]) if "hex" in part else part["text"].encode()
        found.append(piece * part.get("times", 1))
    return b"".join(found)


def put_to(held: Mapping[str, Any], vector: Mapping[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """What a reader is asked with one vector of a file: its input's bytes, and what is given with them."""
    bases = held.get("bases", {})
    given = {**held.get("given", {}), **vector.get("given", {})}
    whole = {
        name: bytes_of([value], bases) for name, value in given.items() if isinstance(value, dict) and "base" in value
    }
    return bytes_of(vector.get("input", []), bases), given | whole
