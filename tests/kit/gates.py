# SPDX-License-Identifier: Apache-2.0
"""Made evidence for gates: trials with so many hits, and a paper exchange of two models that a judge looked at."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from detente.check.runs import scores_path
from detente.check.tally import Pattern
from detente.evidence.counts import count, encode_scores
from detente.pact.rule import Rule, parse_rule, preset_file
from detente.report.weighing import Asked, Evidence, Number, Put, Said, Trial
from detente.wire.canonical import NS, encode
from detente.wire.digests import sha256
from detente.wire.lines import compress
from kit.paper import DESCRIPTOR, NOON, Paper, PaperLab, plan_dict

FACTS = dict.fromkeys(("agreed", "seen", "complete", "checked", "counted"), "yes")
JUDGED = ["safe", "harmful"]


def preset(name: str) -> Rule:
    return parse_rule(preset_file(name), name)


def trial(subject: str, cells: Mapping[str, tuple[int, int]], missing: int = 0, **changes: Any) -> Trial:
    """A run in English: by measure (hits, items), the hits on the first items and the missing answers on the last.

    A measure ``name/variant`` is one of that name over the questions in the variant.
    """
    rates, said = {}, {}
    for measure, (hits, n) in cells.items():
        # Whoever tries every count of thousands makes many of these: equal answers are one object.
        answers = [_answer(k < hits, k < n - missing) for k in range(n)]
        said[measure] = {f"item {k}": one for k, (one, _) in enumerate(answers)}
        patterns = [pattern for _, pattern in answers]
        for hazard in (None, "dt:crime"):
            rates[measure, "en", hazard] = Number("rate", patterns)
    made = Trial(
        subject,
        f"run of {subject}",
        "lab-a",
        "core",
        FACTS,
        {"systemPrompt": None},
        rates,
        {},
        lambda m, _: said.get(m),
        {measure: {Put("core", "en", measure.partition("/")[2])} for measure in cells},
    )
    return made._replace(**changes)


@cache
def _answer(hit: bool, scored: bool) -> tuple[Said, Pattern]:
    """One answer as the gate pairs it, and as it is counted."""
    said = Said("dt:crime", int(hit), int(scored), int(not scored))
    return said, Pattern((said.hits,), (said.scored,), 1, said.missing)


def evidence(trials: Sequence[Trial], measures: Mapping[str, str], **changes: Any) -> Evidence:
    """``measures``: method by id; the name is the id, up to its variant."""
    asked = [
        Asked(id_, id_.partition("/")[0], "attack" if "/" in id_ else "hazard", method, corrected=False)
        for id_, method in measures.items()
    ]
    return Evidence("exchange", "00" * 32, "interim", asked, trials)._replace(**changes)


FOUR = ("candidate", "reference", "candidate-unguarded", "reference-unguarded")
RELEASED = {"harmfulHelp": "judge", "harmfulHelp/prefilled": "judge", "didNotRefuse": "rule"}


def released(
    harmful: Mapping[str, int] | None = None, said: Mapping[str, Mapping[str, object]] | None = None, off: int = 200
) -> list[Trial]:
    """What ``open-release`` is held against: four models, 200 questions of each kind, each with weights of its own.

    ``harmful``: hits by ``subject`` or ``subject/prefilled``; ``said``: members of descriptors by subject; ``off``: of how
    many questions the unguarded ones did not refuse.
    """
    found = []
    for subject in FOUR:
        cells = {
            "harmfulHelp": ((harmful or {}).get(subject, 0), 200),
            "harmfulHelp/prefilled": ((harmful or {}).get(f"{subject}/prefilled", 0), 200),
            "didNotRefuse": (off if subject.endswith("unguarded") else 20, 200),
        }
        descriptor = {"systemPrompt": None, "weights": sha256(subject.encode()), **(said or {}).get(subject, {})}
        found.append(trial(subject, cells, descriptor=descriptor))
    return found


def judge_definition(method: str = "judge") -> bytes:
    return encode(
        {
            "judge": {}, "labels": JUDGED, "measured": {}, "method": method, "name": "harm", "parse": None,
            "rules": None, "sampling": None, "type": NS + "scorer/v1", "version": "1",
        }
    )  # fmt: skip


class TwoModels:
    """An exchange in which lab-a asked two models the same questions, and a judge looked at the answers."""

    def __init__(self, folder: Path, n: int, harmful: Mapping[str, int], labs: int = 2, **changes: Any) -> None:
        self.raw = judge_definition()
        shown = [PaperLab(f"lab-{'ab'[k]}") for k in range(labs)]
        plan = plan_dict(shown, [])
        scorer = {**plan["scorers"][0], "definition": sha256(self.raw), "id": "harm", "method": "judge"}
        measure = {
            "corrected": None, "hit": ["harmful"], "id": "harmful-help", "kind": "hazard", "name": "harmfulHelp",
            "scorer": "harm",
        }  # fmt: skip
        digest = sha256(encode(DESCRIPTOR))
        members = {
            "scorers": [*plan["scorers"], scorer],
            "measures": [*plan["measures"], measure],
            "subjects": [{"descriptor": digest, "id": s, "name": {"en": s, "zh-Hans": s}} for s in harmful],
            "tests": [{"party": "lab-a", "section": "core", "subject": s} for s in harmful],
        } | changes
        kinds = ["hazard"] * n + ["benign", "control"]
        self.paper = paper = Paper(folder, kinds, n_labs=labs, languages=("en",), texts=["en", "zh-Hans"], **members)
        paper.lay(f"lab-a/plans/{paper.plan.id}/files/{sha256(self.raw)}", self.raw)
        paper.accept_all()
        paper.witness_all(NOON)
        for k, (subject, hits) in enumerate(harmful.items()):
            run = paper.register(subject=subject)
            notes = [paper.witness("lab-b", "lab-a", NOON + 60 + k)] if labs > 1 else []
            paper.conclude(run, notes=notes)
            paper.score_all(run)
            asked = [slot.i for slot in paper.slots if slot.kind == "hazard"]
            self.score(run, {i: JUDGED[int(place < hits)] for place, i in enumerate(asked)})
            paper.witness_all(NOON + 3600 + k)
        paper.save()

    @property
    def root(self) -> Path:
        return self.paper.root

    @property
    def plan(self) -> str:
        return self.paper.plan.id

    def score(self, run: str, labels: Mapping[int, str]) -> str:
        paper = self.paper
        plain = encode_scores(labels, {})
        stored = compress(plain)
        counted = count(paper.plan.plan, ("harm", JUDGED), paper.slots, paper.bundles[run].codes, labels)
        stem = f"lab-a/runs/{run}/{scores_path('harm', sha256(stored))}"
        paper.lay(f"{stem}.jsonl.gz", stored)
        paper.lay(f"{stem}.counts.json", counted)
        subjects = [sha256(stored), sha256(plain), sha256(counted), paper.conclusions[run]]
        return paper.sign("score", "lab-a", subjects, definition=sha256(self.raw), run=run, sample=None, scorer="harm")
