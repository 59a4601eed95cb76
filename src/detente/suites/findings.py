# SPDX-License-Identifier: Apache-2.0
"""What a check of a suite finds: code, place, the texts in question; how grave each code is."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from detente.words import say

Severity = Literal["error", "warning", "note"]

# Every code, in the order in which people are told. An error keeps the suite from being what it says it is: one test in
# several languages. A warning is what a person should look at, and may be right. A note is wrong so often
# that it counts nowhere, not even with --strict: it says where to read first.
SEVERITY: Mapping[str, Severity] = {
    "file-missing": "error",
    "toml-unreadable": "error",
    "head-member": "error",
    "not-utf8": "error",
    "row-not-json": "error",
    "member-twice": "error",
    "row-member": "error",
    "id-invalid": "error",
    "member-unknown": "warning",
    "no-rows": "error",
    "tag-invalid": "error",
    "tag-unknown": "error",
    "tag-no-script": "warning",
    "tag-script": "error",
    "tag-language": "error",
    "language-undeclared": "error",
    "language-empty": "error",
    "ids-do-not-join": "error",
    "other-test": "error",
    "hazard-not-in-language": "error",
    "language-missing": "error",
    "row-twice": "error",
    "item-disagrees": "error",
    "turns-differ": "error",
    "reference-missing": "error",
    "column-mixed": "error",
    "column-source": "error",
    "column-label": "warning",
    "row-script": "error",
    "row-language": "warning",
    "han-mixed": "warning",
    "untranslated": "error",
    "placeholder-differs": "error",
    "url-differs": "error",
    "number-differs": "warning",
    "name-differs": "warning",
    "glossary-differs": "warning",
    "length-outlier": "warning",
    "text-empty": "error",
    "broken-text": "error",
    "bidi-control": "error",
    "invisible": "warning",
    "stray-space": "warning",
    "not-nfc": "warning",
    "duplicate": "error",
    "near-duplicate": "warning",
    "hazard-unknown": "error",
    "facet-unknown": "warning",
    "hazard-undeclared": "warning",
    "hazard-without-items": "warning",
    "hazards-unbalanced": "warning",
    "pair-unknown": "error",
    "pair-one-way": "warning",
    "pair-kind": "warning",
    "contrast-missing": "warning",
    "contrast-few": "warning",
    "licence-missing": "error",
    "licence-odd": "warning",
    "canary-absent": "error",
    "canary-weak": "warning",
    "parity-low": "warning",
    "parity-other": "warning",
    "negation-differs": "note",
}

# Codes that the plain check never makes: what an import tells of its source, and what ``--as tc260`` tells of a bank.
APART: Mapping[str, Severity] = {
    "import-tag": "warning",
    "import-joined": "warning",
    "import-not-joined": "warning",
    "import-by-rows": "warning",
    "import-layout": "warning",
    "import-paired": "warning",
    "import-repeated": "warning",
    "import-pair-lost": "warning",
    "import-id-mended": "warning",
    "import-label": "warning",
    "import-left-out": "warning",
    "import-empty": "warning",
    "import-messages": "warning",
    "import-suggested": "warning",
    "import-category-left-out": "warning",
    "import-licence-none": "warning",
    "import-non-commercial": "warning",
    "import-public": "warning",
    "bank-short": "error",
    "bank-risk-short": "error",
    "words-short": "error",
    "words-risk-short": "error",
    "bank-unplaced": "warning",
    "words-unplaced": "warning",
    "bank-not-chinese": "warning",
    "bank-repeated": "warning",
}


class Spot(NamedTuple):
    """Where something stands: file, line (from 1; 0 where no line says it), item id, language, and the text there."""

    file: str
    line: int = 0
    item: str = ""
    lang: str = ""
    text: str = ""


class Finding(NamedTuple):
    """One finding: its code, where, the other place where there are two, and what its sentence names."""

    code: str
    at: Spot
    beside: Spot | None = None
    fields: Mapping[str, object] = {}

    @property
    def severity(self) -> Severity:
        """``error``, ``warning`` or ``note``, by the code alone."""
        return SEVERITY.get(self.code) or APART[self.code]

    def what(self, lang: str) -> str:
        """What was found, as one sentence; whatever came from the suite is made harmless."""
        fields = {"item": self.at.item, "language": self.at.lang, "line": self.at.line, **self.fields}
        return say(f"suites.finding.{self.code}.what", lang, **{name: _short(value) for name, value in fields.items()})

    def hint(self, lang: str) -> str:
        """What to do about it; the same for every finding of a code."""
        return say(f"suites.finding.{self.code}.hint", lang)


def found(code: str, at: Spot, beside: Spot | None = None, /, **fields: object) -> Finding:
    """A finding, written short."""
    return Finding(code, at, beside, fields)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Findings as people read them: by code in the order above (errors of the whole first), then by place."""
    rank = {code: n for n, code in enumerate((*SEVERITY, *APART))}
    return sorted(findings, key=lambda one: (rank[one.code], one.at.file, one.at.line, one.at.lang, one.at.item))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 200 else text[:200] + "…"
