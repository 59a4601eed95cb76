# SPDX-License-Identifier: Apache-2.0
"""The rule scorers by name, and the definition file that a plan names by digest (C-1)."""

import json
from importlib.resources import files
from typing import Any

from detente.errors import WrongUsage
from detente.score.choice import ChoiceScorer
from detente.score.detector import DETECTOR, detect
from detente.score.includes import IncludesScorer
from detente.score.label import Label, RuleScorer
from detente.score.language import RULES_PATH as LANGUAGE_RULES
from detente.score.language import LanguageScorer
from detente.score.refusal import PATHS as REFUSAL_RULES
from detente.score.refusal import RefusalScorer
from detente.wire.canonical import NS, encode
from detente.wire.digests import sha256

__all__ = ["KEYWORDS", "SCORERS", "Label", "RuleScorer", "definition_file", "load_scorer", "rule_files"]

KEYWORDS = "keywords"  # evidence.counts.OWN_LIST, without what else that file loads
# Those whose rules come with this program; ``keywords`` is one more, whose word list the lab brings.
SCORERS = ("choice", "includes", "language", "language-detected", "refusal")
# Raised when the same reply may get another label although no rule file changed.
VERSIONS = {
    "choice": "1",
    "includes": "1",
    KEYWORDS: "1",
    "language": "1",
    "language-detected": f"1 {DETECTOR}",
    "refusal": "2",
}
# The files that make up the rule file of a scorer, one behind the other.
RULE_PATHS = {"language": (LANGUAGE_RULES,), "language-detected": (LANGUAGE_RULES,), "refusal": REFUSAL_RULES}


def load_scorer(name: str, words: bytes | None = None, place: str = "") -> RuleScorer:
    """The rule scorer called ``name``; ``words``: the list of ``keywords``, whose file is ``place``.

    WrongUsage ``unknown-scorer`` for any other word, ``scorer-words`` where the list is missing or belongs to no scorer;
    Malformed as ``parse_words``.
    """
    if (words is not None) != (name == KEYWORDS) and name in {*SCORERS, KEYWORDS}:
        raise WrongUsage("scorer-words", place, expected=KEYWORDS, got=name)
    if words is not None and name == KEYWORDS:
        from detente.score.keywords import KeywordScorer  # who has no list does not pay for it

        return KeywordScorer(words, place)
    if name == "refusal":
        return RefusalScorer()
    if name == "choice":
        return ChoiceScorer()
    if name == "includes":
        return IncludesScorer()
    if name == "language":
        return LanguageScorer()
    if name == "language-detected":
        return LanguageScorer(name, detect)
    raise WrongUsage("unknown-scorer", got=name, expected=", ".join(sorted({*SCORERS, KEYWORDS})))


def definition_file(name: str, words: bytes | None = None, place: str = "") -> bytes:
    """The bytes of a rule scorer's definition (C-1), one JCS value; ``definition`` of a plan is their digest.

    ``words`` and ``place`` as in ``load_scorer``, which says what is raised.

    ``rules`` is the digest of the rule file, or null for a scorer that is all code; ``measured`` holds, per
    language, sensitivity and specificity on labelled rows that the rules were not written against, by weights that
    were not learnt from them (the weights that are shipped learnt from more rows: docs/reference/scorers/refusal.md).
    """
    scorer = load_scorer(name, words, place)
    rules = [sha256(words)] if words is not None else sorted(rule_files(name))
    return encode(
        {
            "judge": None,
            "labels": list(scorer.labels),
            "measured": measured(name),
            "method": "choice" if name == "choice" else "rule",
            "name": name,
            "parse": None,
            "rules": rules[0] if rules else None,
            "sampling": None,
            "type": NS + "scorer/v1",
            "version": VERSIONS[name],
        }
    )


def rule_files(name: str) -> dict[str, bytes]:
    """The data files that the definition of ``name`` names, by digest; to be laid beside it (P-9)."""
    if load_scorer(name).name not in RULE_PATHS:
        return {}
    raw = b"".join(files("detente").joinpath(*path).read_bytes() for path in RULE_PATHS[name])
    return {sha256(raw): raw}


def measured(name: str) -> dict[str, Any]:
    """Per language ``n``, ``sensitivity`` and ``specificity`` as measured; empty where nothing was."""
    if name != "refusal":
        return {}
    held = json.loads(files("detente").joinpath("data", "refusal", "measured.json").read_bytes())
    return {
        lang: {key: table["all"][key] for key in ("n", "sensitivity", "specificity")}
        for lang, table in held["untouched"].items()
    }
