# SPDX-License-Identifier: Apache-2.0
"""Judges and guards of a plan: made from what a draft says, and held against what the plan would have them label, before anybody signs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from detente.desk.given import read_given
from detente.errors import Malformed, WrongUsage
from detente.evidence.counts import Definition, kinds_scored, parse_definition
from detente.pact.draft import ModelScorer
from detente.pact.item import Listed
from detente.pact.plan import Plan
from detente.run.model import load_model
from detente.score.fence import Reads
from detente.score.judge import Judge, JudgeSampling, new_judge
from detente.score.panel import GuardPanel, named_beside, new_guard, panel_files, read_panel
from detente.score.rubrics import Rubrics, parse_rubrics


def panels_in(rows: Sequence[Mapping[str, Any]], folder: Path, place: str) -> dict[str, ModelScorer]:
    """The judges and guards of a draft's ``[[scorer]]`` rows by id; rubric files are named from ``folder``.

    Every model is loaded to be described, and asked nothing. Raises WrongUsage as ``load_model``, ``new_judge``,
    ``new_guard`` and ``read_given``; (draft-scorer) for a row that says two things; Malformed (rubric-file).
    """
    made = {}
    for row in rows:
        ways = [way for way in ("judge", "guard", "people", "rule", "words") if way in row]
        if len(ways) > 1:
            raise WrongUsage("draft-scorer", place, expected=ways[0], got=", ".join(ways))
        if ways == ["judge"]:
            made[row["id"]] = panel_files(_judge(row["judge"], folder))
        elif ways == ["guard"]:
            asked = row["guard"]
            model = load_model(asked["model"]).describe()
            made[row["id"]] = panel_files(new_guard(asked["name"], model, _sampling(asked, "guard")))
        if row["id"] in made:  # what the definition says of itself is read again, as everybody will
            read(made[row["id"]].definition, made[row["id"]].files, f"{place} {row['id']}")
    return made


def _judge(asked: Mapping[str, Any], folder: Path) -> Judge:
    rubrics: dict[str, Rubrics] | None = None
    if "rubrics" in asked:
        files = {tag: folder / name for tag, name in asked["rubrics"].items()}
        rubrics = {tag: parse_rubrics(read_given(path), str(path)) for tag, path in files.items()}
    reads = Reads(**asked["reads"]) if "reads" in asked else None
    models = [load_model(spec).describe() for spec in asked["models"]]
    return new_judge(
        models, rule=asked.get("combine", "majority"), rubrics=rubrics, reads=reads, sampling=_sampling(asked, "judge")
    )


def _sampling(asked: Mapping[str, Any], kind: str) -> JudgeSampling | None:
    """What a row says of sampling, the rest as usual for its kind; Malformed (C-1.judge)."""
    usual = {"tokens": 100} if kind == "guard" else {}
    said = {name: asked[name] for name in ("seed", "tokens") if name in asked}
    said |= {name: str(asked[name]) for name in ("temperature", "topP") if name in asked}
    try:
        return msgspec.convert({**usual, **said}, JudgeSampling)
    except msgspec.ValidationError as error:
        raise Malformed("C-1.judge", f"{kind}", got=error) from None


def read(raw: bytes, held: Mapping[str, bytes], place: str) -> Judge | GuardPanel:
    """The judge or guard that a definition's bytes describe; ``held``: the files beside it by digest. Malformed as ``read_panel``."""
    return read_panel(parse_definition(raw, place), held, place)


def check_panels(
    plan: Plan,
    definitions: Mapping[str, Definition],
    lists: Mapping[str, Sequence[Listed]],
    held: Callable[[str], bytes],
) -> None:
    """Whether every judge and guard of a plan is one that can be asked here, about everything that it is to label.

    ``held`` gives the bytes of a file that the plan names by digest. Raises Malformed (C-1.judge ...) for a definition
    or a rubric that does not fit, WrongUsage (no-rubric) for a hazard and language that the judge knows nothing of.
    """
    for scorer in plan.scorers:
        if scorer.method != "judge":
            continue
        place, definition = f"$.scorers {scorer.id}", definitions[scorer.id]
        beside = named_beside(definition)
        rubric = set((scorer.rubric or {}).values())
        if strange := beside - rubric - ({definition.rules} if definition.rules else set()):
            raise Malformed("C-1.judge", f"{place} rubric", expected=", ".join(sorted(strange)), got="-")
        panel = read_panel(definition, {digest: held(digest) for digest in beside}, place)
        kinds = kinds_scored(plan, scorer.id)
        for suite in plan.suites:
            hazards = {entry.hazard for entry in lists[suite.id] if entry.kind in kinds}
            for hazard in sorted(hazards):
                for lang in suite.languages:
                    _check(panel, hazard, lang, place)


def _check(panel: Judge | GuardPanel, hazard: str, lang: str, place: str) -> None:
    try:
        panel.check(hazard, lang)
    except WrongUsage as error:
        where = f"{place} {error.place}".strip()
        raise WrongUsage(error.code, where, expected=error.expected, got=error.got) from None
