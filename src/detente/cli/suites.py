# SPDX-License-Identifier: Apache-2.0
"""Verbs of writing suites: suite check, suite import."""

import json as jsons
from typing import Any

import click

from detente.cli.banks import TABLED, sized, tell_banks
from detente.cli.build import argument, group, json_option, option, verb, voice, words_option
from detente.cli.importing import import_verb
from detente.cli.telling import tell_findings
from detente.errors import WrongUsage
from detente.suites.banks import REPLACED
from detente.suites.findings import Finding
from detente.suites.lint import check_suite
from detente.suites.sarif import sarif_log
from detente.suites.source import read_folder

FAULTY = 1  # the exit code of a suite with findings that count


def suite(lang: str) -> click.Command:
    """``detente suite check`` and ``detente suite import``."""
    return group("suite", lang, [_check(lang), import_verb(lang)])


def _check(lang: str) -> click.Command:
    def call(folder: str, strict: bool, json: bool, sarif: bool, parity: bool, **more: Any) -> int:
        if json and sarif:
            raise WrongUsage("suite-either", "--sarif")
        speech = voice(lang, json or sarif)
        read = read_folder(folder)
        found, findings = check_suite(read)
        if parity:
            from detente.suites.parity import parity_findings

            findings += parity_findings(found)
        banks = sized(found, more["as"], more["words"], lang)
        if banks is not None:
            findings = [one for one in findings if one.code not in REPLACED] + banks.findings
        if sarif:
            speech.data(jsons.dumps(sarif_log(folder, findings, lang), indent=2))
        elif json:
            for one in findings:
                speech.row(_row(one, lang))
        else:
            tell_findings(speech, [one for one in findings if one.code not in TABLED])
        if banks is not None and not sarif:
            tell_banks(speech, banks, json=json)
        errors = sum(one.severity == "error" for one in findings)
        warnings = sum(one.severity == "warning" for one in findings)
        notes = len(findings) - errors - warnings
        items, langs = len(found.by_item), len(found.by_language)
        speech.say("suite-checked", errors=errors, warnings=warnings, notes=notes, items=items, languages=langs)
        return FAULTY if errors or (strict and warnings) else 0

    params = [
        argument("folder"),
        option("strict", lang, is_flag=True, default=False),
        option("parity", lang, is_flag=True, default=False),
        option("as", lang, metavar="tc260"),
        words_option(lang),
        option("sarif", lang, is_flag=True, default=False),
        json_option(lang),
    ]
    return verb("suite-check", lang, params, call)


def _row(one: Finding, lang: str) -> dict[str, Any]:
    """A finding for a program."""
    row: dict[str, Any] = {"code": one.code, "severity": one.severity, "what": one.what(lang), "hint": one.hint(lang)}
    row["at"] = one.at._asdict()
    row["beside"] = one.beside._asdict() if one.beside is not None else None
    return row
