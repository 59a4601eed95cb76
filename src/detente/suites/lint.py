# SPDX-License-Identifier: Apache-2.0
"""The check of a suite: every finding about its folder, in the order in which people fix them.

    check_suite(read_folder("core-v0"))  ->  [Finding, ...]

It reads whatever it is given, stops at nothing, and takes time in proportion to the suite.
"""

from detente.suites.alike import alike_findings
from detente.suites.balance import balance_findings
from detente.suites.columns import column_findings
from detente.suites.findings import Finding, in_order
from detente.suites.joins import join_findings
from detente.suites.negation import negation_findings
from detente.suites.reading import Suite, read_suite
from detente.suites.source import Folder
from detente.suites.tags import tag_findings
from detente.suites.texts import text_findings
from detente.suites.translations import translation_findings

CHECKS = (
    tag_findings, join_findings, column_findings, translation_findings, negation_findings, text_findings, alike_findings,
    balance_findings,
)  # fmt: skip
# What an untranslated row shows besides.
FOLLOWS = frozenset({"row-script", "row-language", "length-outlier", "negation-differs"})


def check_suite(folder: Folder) -> tuple[Suite, list[Finding]]:
    """The suite as far as it can be read, and all that is found in it (S-2)."""
    suite, findings = read_suite(folder)
    for check in CHECKS:
        findings += check(suite)
    return suite, in_order(_once(findings))


def _once(findings: list[Finding]) -> list[Finding]:
    """The findings without those that only say again that a row was never translated."""
    untouched = {one.at.line for one in findings if one.code == "untranslated"}
    return [one for one in findings if one.code not in FOLLOWS or one.at.line not in untouched]
