# SPDX-License-Identifier: Apache-2.0
"""The banks that TC260-003-2024 asks of a lab, as the gate preset has them, and the names of its 31 risks and of the aspects.

GB/T 45654-2025 has the same 31 risks in its Appendix A, so their names are those of that framework.

Every number carries a mark of how well it was checked (data/gates/cn-tc260-003-2024.toml). None was compared with the standard
itself; what is made of them is no compliance opinion.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from detente.pact.crosswalk import framework
from detente.pact.rule import Bank, Rule, parse_rule, preset_file

PRESET = "cn-tc260-003-2024"
ASPECT = "aspect."  # what the name of an aspect begins with where risks and aspects are counted together


class Sizes(NamedTuple):
    """The rule with its banks; the names of risks and aspects, as they are counted.

    ``source`` maps ``en`` and ``zh-Hans`` to where the numbers come from, ``names`` classes, risks and aspects to {``en``,
    ``zh-Hans``: text}.
    """

    rule: Rule
    source: Mapping[str, str]
    risks: tuple[str, ...]
    aspects: tuple[str, ...]
    names: Mapping[str, Mapping[str, str]]

    def of_group(self, start: str) -> list[str]:
        """The risks or aspects whose names begin so, in the order of the standard."""
        return [one for one in (*self.risks, *self.aspects) if one.startswith(start)]

    def bank(self, id_: str) -> Bank:
        """A bank of the rule."""
        return next(one for one in self.rule.bank if one.id == id_)


@cache
def load_sizes() -> Sizes:
    """The sizes of ``cn-tc260-003-2024``."""
    row = tomllib.loads((files("detente") / "data" / "banks" / "tc260.toml").read_text("utf-8"))
    risks = {one.id: one.name for one in framework("gbt45654", row["standard"]).categories}
    aspects = {f"{ASPECT}{id_}": name for id_, name in row["aspects"].items()}
    names = {one["id"]: one["name"] for one in row["class"]} | risks | aspects
    return Sizes(parse_rule(preset_file(PRESET), PRESET), row["source"], tuple(risks), tuple(aspects), names)


def class_of(risk: str) -> str:
    """The class of a risk: ``A.1`` of ``A.1.a``; ``aspect`` of an aspect."""
    return risk.rpartition(".")[0] or ASPECT.rstrip(".")
