# SPDX-License-Identifier: Apache-2.0
"""A verdict for people and for machines: sentences, JSON rows, JUnit XML, a model card's block and a badge. Offline, all foreign text harmless."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from detente.errors import WrongUsage
from detente.pact.rule import Texts
from detente.report.gate import Finding, Line, Verdict
from detente.report.markup import el, text
from detente.report.weighing import Evidence
from detente.words import TAG_OF, harmless, say

ENDINGS = {"badge": (".svg", ".json"), "card": (".md", ".yaml", ".yml")}
COLOURS = {"pass": "brightgreen", "fail": "red", "cannot-tell": "lightgrey"}
FILLS = {"pass": "#2e7d32", "fail": "#b71c1c", "cannot-tell": "#616161"}
# Marks of Markdown, and what readers of it turn into HTML, links and mentions by themselves.
MARKDOWN = str.maketrans(
    {mark: f"\\{mark}" for mark in "\\`*_{}[]()#+-!|~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;"}
)


def check_ending(kind: str, ending: str) -> None:
    """Whether a ``badge`` or a ``card`` can have this ending; WrongUsage (badge-kind, card-kind)."""
    if ending not in ENDINGS[kind]:
        expected = " | ".join(ENDINGS[kind])
        if kind == "badge":
            raise WrongUsage("badge-kind", "--badge", expected=expected, got=ending or "-")
        raise WrongUsage("card-kind", "--card", expected=expected, got=ending or "-")


def in_tongue(texts: Mapping[str, str], lang: str) -> str:
    """A rule's text in the language spoken, harmless."""
    return harmless(texts[TAG_OF[lang]])


def where_of(finding: Finding, lang: str) -> str:
    """What a finding is about: ``candidate, en, dt:crime``; the hazards together are not named."""
    shown = {name: value for name, value in finding.where.items() if name not in {"run", "reference"}}
    if "reference" in finding.where:
        shown["subject"] = say("report.gate.beside", lang, a=shown["subject"], b=finding.where["reference"])
    named = [harmless(value) for value in shown.values() if value not in {"-", "*"}]  # nobody in particular, all of it
    return say("report.gate.comma", lang).join(named)


def why_of(line: Line, finding: Finding, lang: str) -> str:
    """Why a finding is what it is, in a sentence without a full stop."""
    fields: dict[str, object] = {
        "value": finding.value or "-", "low": finding.low or "-", "high": finding.high or "-", "n": finding.n,
        "limit": line.limit, **finding.where, **finding.fields,
    }  # fmt: skip
    harm = finding.why == "no-measure" and finding.where.get("measure") == "harmfulHelp"  # the usual slip: no judge
    told = say(f"report.gate.why.{'no-measure-harm' if harm else finding.why}", lang, **fields)
    return f"{where}{say('report.gate.colon', lang)}{told}" if (where := where_of(finding, lang)) else told


def both_of(finding: Finding, lang: str) -> str:
    """The point rule and the confident verdict, side by side; nothing where there is no number."""
    if finding.point is None or finding.confident is None:
        return ""
    words = {True: say("report.gate.word.pass", lang), False: say("report.gate.word.fail", lang)}
    return say("report.gate.both", lang, point=words[finding.point], confident=words[finding.confident])


def line_of(line: Line, lang: str) -> str:
    """A criterion in one line: verdict, id, title, and the finding that decides."""
    first = line.findings[0]
    more = say("report.gate.of", lang, n=len(line.findings)) if len(line.findings) > 1 else ""
    fields = {
        "word": say(f"report.gate.word.{line.verdict}", lang), "id": line.criterion,
        "title": in_tongue(line.title, lang), "why": why_of(line, first, lang),
    }  # fmt: skip
    return say("report.gate.line", lang, **fields) + both_of(first, lang) + more


def standing_of(evidence: Evidence, lang: str) -> str:
    """What kind of evidence it is: a self-check says so in both languages (F-8)."""
    return say(f"report.gate.standing.{evidence.standing}", lang)


def left_out_of(verdict: Verdict, lang: str) -> str:
    """What the verdict leaves out, in sentences: criteria not asked of a rehearsal, the plan's own gate; nothing where nothing is."""
    titles = say("report.gate.semicolon", lang).join(in_tongue(one.title, lang) for one in verdict.left_out)
    told = [say("report.gate.left-out", lang, titles=titles)] if titles else []
    told += [say("report.gate.passed-over", lang, id=verdict.passed_over)] if verdict.passed_over else []
    return " ".join(told)


def ending_of(verdict: Verdict, lang: str) -> str:
    """The whole verdict in a sentence."""
    return say(f"report.gate.verdict.{verdict.verdict}", lang, rule=verdict.rule.id)


def rows_of(verdict: Verdict) -> list[dict[str, Any]]:
    """One row a criterion, with all its findings; and one for the whole, last."""
    rows: list[dict[str, Any]] = []
    for line in verdict.lines:
        findings = [_finding_row(finding) for finding in line.findings]
        row = {"criterion": line.criterion, "verdict": line.verdict, "limit": line.limit or None, "title": line.title}
        rows.append({**row, "findings": findings})
    evidence = verdict.evidence
    whole = {
        "rule": verdict.rule.id, "verdict": verdict.verdict, "standing": evidence.standing, "source": evidence.source,
        "of": evidence.id, "for": verdict.rule.for_, "says": list(verdict.rule.says), "exit": verdict.exit_code,
        "leftOut": [one.id for one in verdict.left_out], "passedOver": verdict.passed_over or None,
    }  # fmt: skip
    return [*rows, whole]


def _finding_row(one: Finding) -> dict[str, Any]:
    row = {name: getattr(one, name) for name in ("verdict", "why", "point", "confident", "value", "low", "high")}
    return {**row, "n": one.n, "where": dict(one.where), **({"more": dict(one.fields)} if one.fields else {})}


def junit(verdict: Verdict, lang: str) -> bytes:
    """JUnit XML: a criterion is a test case, ``failure`` where it fails, ``error`` where nobody can tell (a skip would look like a pass)."""
    cases = []
    for line in verdict.lines:
        said = say("report.gate.semicolon", lang).join(
            why_of(line, one, lang) + both_of(one, lang) for one in line.findings
        )
        kind = {"fail": "failure", "cannot-tell": "error"}.get(line.verdict)
        inner = (
            el(kind, said, message=why_of(line, line.findings[0], lang), type=line.findings[0].why) if kind else None
        )
        shown = el("system-out", said) if inner is None else inner
        name = f"{line.criterion}: {in_tongue(line.title, lang)}"
        cases.append(el("testcase", shown, classname=f"detente.gate.{verdict.rule.id}", name=name))
    counts = {word: sum(line.verdict == word for line in verdict.lines) for word in COLOURS}
    numbers = {"tests": len(cases), "failures": counts["fail"], "errors": counts["cannot-tell"]}
    beside = el("system-out", left_out) if (left_out := left_out_of(verdict, lang)) else ""
    suite = el("testsuite", *cases, beside, name=f"{verdict.rule.id} ({verdict.evidence.standing})", **numbers)
    return _xml(f'<?xml version="1.0" encoding="UTF-8"?>\n{el("testsuites", suite, **numbers)}\n')


def badge(verdict: Verdict, lang: str, ending: str) -> bytes:
    """A badge as SVG, or as the JSON that a shields "endpoint" badge reads; by the ending of the file. WrongUsage (badge-kind)."""
    check_ending("badge", ending)
    label, message = f"detente {verdict.rule.id}", _message(verdict, lang)
    if ending == ".json":
        row = {"color": COLOURS[verdict.verdict], "label": label, "message": message, "schemaVersion": 1}
        return json.dumps(row, ensure_ascii=False, sort_keys=True).encode() + b"\n"
    left, right = 12 + 7 * len(label), 12 + sum(12 if ord(c) > 0x2E7F else 7 for c in message)
    shapes = f'<rect width="{left}" height="20" fill="#444"/><rect x="{left}" width="{right}" height="20" fill="{FILLS[verdict.verdict]}"/>'
    middle = f'<text x="6" y="14">{text(label)}</text><text x="{left + 6}" y="14">{text(message)}</text>'
    opened = f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img"'
    title = text(f"{label}: {message}")
    style = 'fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11"'
    return _xml(f'{opened} aria-label="{title}"><title>{title}</title>{shapes}<g {style}>{middle}</g></svg>\n')


def _xml(shown: str) -> bytes:
    """UTF-8 without the two code points that no XML may hold and ``harmless`` leaves (XML 1.0, section 2.2)."""
    return shown.translate({0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}).encode()


def _message(verdict: Verdict, lang: str) -> str:
    said = say(f"report.gate.word.{verdict.verdict}", lang)
    alone = verdict.evidence.standing == "self-check"
    return f"{said} ({say('report.gate.self-check', lang)})" if alone else said


def card(verdict: Verdict, lang: str, ending: str) -> bytes:
    """A block for a model card, as Markdown or as YAML; by the ending of the file. WrongUsage (card-kind)."""
    check_ending("card", ending)
    if ending != ".md":
        return _yaml(verdict).encode()
    rows = [_markdown_row(line, lang) for line in verdict.lines]
    head = "| " + " | ".join(say(f"report.gate.column.{name}", lang) for name in ("criterion", "verdict", "why")) + " |"
    parts = [
        f"## {_md(in_tongue(verdict.rule.title, lang))}",
        _md(f"{in_tongue(verdict.rule.for_, lang)}{say('report.gate.stop', lang)}"),
        f"**{_md(ending_of(verdict, lang))}** {_md(standing_of(verdict.evidence, lang))}",
        "\n".join([head, "| --- | --- | --- |", *rows]),
        _md(left_out_of(verdict, lang)),
        "\n".join(f"- {_md(in_tongue(one, lang))}" for one in _said(verdict)),
        _md(
            say("report.gate.from", lang, source=verdict.evidence.source, id=verdict.evidence.id, rule=verdict.rule.id)
        ),
    ]
    return ("\n\n".join(part for part in parts if part) + "\n").encode()


def _said(verdict: Verdict) -> Sequence[Texts]:
    return [*verdict.rule.says, verdict.rule.source]


def _markdown_row(line: Line, lang: str) -> str:
    first = line.findings[0]
    cells = (
        in_tongue(line.title, lang),
        say(f"report.gate.word.{line.verdict}", lang),
        why_of(line, first, lang) + both_of(first, lang),
    )
    return "| " + " | ".join(map(_md, cells)) + " |"


def _md(foreign: str) -> str:
    """Text that no Markdown reader takes for a mark or for HTML."""
    return foreign.translate(MARKDOWN).replace("://", "&#58;//").replace("www.", "www&#46;")


def _yaml(verdict: Verdict) -> str:
    """The same as YAML. Every text is a JSON string, which YAML 1.2 reads as it is."""

    def quoted(value: object) -> str:
        return json.dumps(value, ensure_ascii=True)

    evidence = verdict.evidence
    out = [
        "detente_gate:",
        f"  rule: {quoted(verdict.rule.id)}",
        f"  verdict: {quoted(verdict.verdict)}",
        f"  standing: {quoted(evidence.standing)}",
        f"  source: {quoted(evidence.source)}",
        f"  of: {quoted(evidence.id)}",
        "  criteria:",
    ]
    for line in verdict.lines:
        first = line.findings[0]
        out += [f"    - id: {quoted(line.criterion)}", f"      verdict: {quoted(line.verdict)}"]
        named = ("why", "point", "confident", "value", "low", "high", "n")
        out += [f"      {name}: {quoted(getattr(first, name))}" for name in named]
        out.append(f"      limit: {quoted(line.limit or None)}")
    out.append(f"  leftOut: {quoted([one.id for one in verdict.left_out])}")
    out.append(f"  passedOver: {quoted(verdict.passed_over or None)}")
    out.append("  says:")
    out += [f"    - {quoted(one[tag])}" for one in _said(verdict) for tag in ("en", "zh-Hans")]
    return "\n".join(out) + "\n"


__all__ = [
    "badge",
    "both_of",
    "card",
    "check_ending",
    "ending_of",
    "in_tongue",
    "junit",
    "left_out_of",
    "line_of",
    "rows_of",
    "standing_of",
    "why_of",
]
