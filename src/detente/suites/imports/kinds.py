# SPDX-License-Identifier: Apache-2.0
"""The table of kinds of sources, and the one way in: a source, what a person asked for, and out comes a suite with a report."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from detente.errors import WrongUsage
from detente.pact.hazards import hazard as known_hazard
from detente.suites.findings import Finding
from detente.suites.imports import (
    ailuminate,
    cyberseceval,
    donotanswer,
    harmbench,
    jade,
    moonshot,
    multijail,
    plain,
    samples,
    seval,
    xsafety,
    xstest,
)
from detente.suites.imports.building import Imported, Order, Piece, Wishes, build
from detente.suites.imports.facts import load_facts
from detente.suites.imports.mapping import read_mapping

Reader = Callable[[Order, list[Finding]], list[Piece]]

TABLE = "table"
KINDS: Mapping[str, Reader] = {
    "moonshot": moonshot.read,
    "ailuminate": ailuminate.read,
    "cyberseceval": cyberseceval.read,
    "harmbench": harmbench.read,
    "xstest": xstest.read,
    "do-not-answer": donotanswer.read,
    "xsafety": xsafety.read,
    "multijail": multijail.read,
    "jade": jade.read,
    "s-eval": seval.read,
    "inspect": samples.read,
    TABLE: plain.read,
}


def import_suite(
    kind: str,
    src: Path,
    name: str,
    *,
    mapping: Path | None = None,
    languages: Sequence[str] = (),
    wishes: Wishes = Wishes(),  # noqa: B008 - it cannot change
) -> Imported:
    """The suite ``name`` of a source; nothing is written.

    WrongUsage: import-kind, and whatever the reader, the mapping file and ``build`` say; S-2.hazard for a wished hazard
    that there is none of.
    """
    if kind not in KINDS:
        raise WrongUsage("import-kind", expected=" ".join(KINDS), got=kind)
    if wishes.hazard is not None:
        known_hazard(wishes.hazard, "--hazard")
    mapped = read_mapping(mapping, columns=kind == TABLE)
    if kind == TABLE and not mapped.columns:
        raise WrongUsage("import-map-needed", str(mapping or src))
    order = Order(src, mapped, tuple(languages or mapped.head.get("languages", ())), wishes)
    told: list[Finding] = []
    pieces = KINDS[kind](order, told)
    return build(kind, name, pieces, load_facts(kind), order, told)
