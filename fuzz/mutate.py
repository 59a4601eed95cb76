# SPDX-License-Identifier: Apache-2.0
"""Changes that keep JSON lines JSON: without them a strict reader refuses nearly all that a fuzzer makes at its first check."""

import json
import random
import re
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2**31, 2**53 - 1, "", "a", "0", "0.5", "con", "..", "a" * 64, "é\u202e\ud7ff", "{got}", "%s",
    "2026-11-13T09:02:00Z", "https://x", [], {}, [[]], [None], {"a": None}, [0, "a"],
]  # fmt: skip
Mutate = Callable[[bytes, int], bytes]


def words_of(seeds: Iterable[bytes]) -> list[bytes]:
    """Words that stand in seeds, for libFuzzer's dictionary."""
    found = {word for raw in seeds for word in re.findall(rb"[A-Za-z_][A-Za-z0-9_:./-]{1,40}", raw)}
    return sorted(found, key=lambda word: (len(word), word))[:400]


def mutator(plain: Mutate) -> Callable[[bytes, int, int], bytes]:
    """LibFuzzer's custom mutator: half the time its own bytes, half the time one node of one JSON line."""

    def change(raw: bytes, most: int, seed: int) -> bytes:
        dice = random.Random(seed)
        lines = raw.split(b"\n")
        n = dice.randrange(len(lines))
        try:
            value = json.loads(lines[n])
        except (ValueError, RecursionError):
            value = None
        if value is None or dice.random() < 0.4:
            return plain(raw, most)
        for _ in range(dice.choice([1, 1, 1, 2, 3])):
            value = changed(value, dice)
        lines[n] = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )
        made = b"\n".join(lines)
        return made if len(made) <= most else plain(raw, most)

    return change


def changed(value: Any, dice: random.Random) -> Any:
    """The value with one node taken out, doubled, put elsewhere, or made odd."""
    ways = list(nodes(value))
    holder, key = dice.choice(ways) if ways else ([value], 0)
    kind = dice.randrange(6)
    if kind == 0 and isinstance(holder, dict):
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(key, deepcopy(holder[key]))
    elif kind == 2 and isinstance(holder, dict):
        holder[dice.choice(["a", "note", "id", "type", str(key).upper() or "b"])] = deepcopy(holder[key])
    elif kind == 3 and ways:
        other, there = dice.choice(ways)
        if there in other if isinstance(other, dict) else there < len(other):
            holder[key] = deepcopy(other[there])
    elif kind == 4 and isinstance(holder[key], str):
        holder[key] = text_changed(holder[key], dice)
    else:
        holder[key] = deepcopy(dice.choice(ODD))
    return value if ways else holder[0]


def nodes(value: Any) -> Iterable[tuple[Any, Any]]:
    """Every (holder, key) below a value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield value, key
        yield from nodes(member)


def text_changed(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text) + 1)
    return (
        text[:at]
        + dice.choice(["", "a", "0", "-", ".", "/", "\n", "é", "\ud7ff", " "])
        + text[at + dice.randrange(2) :]
    )
