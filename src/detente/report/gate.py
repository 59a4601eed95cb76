# SPDX-License-Identifier: Apache-2.0
"""The gate: evidence and a rule in, for each criterion pass, fail or cannot tell out, with the reason. Pure.

A criterion passes where every number that it speaks of clears its limit. With ``bound = "confident"`` the end of a one-sided
interval must clear it (purpose ``gate``: never narrower than in the report), with ``point`` the number itself; both are always
told. What was not answered counts against the party (C-3). A number that is not there is never a pass: cannot tell.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from detente.check.corrected import Judged
from detente.pact.rule import Bank, Criterion, Looked, Rule
from detente.report.conditions import Finding, Word, alike, described, left_out, measures_named, removed
from detente.report.corrections import counts_of
from detente.report.weighing import Asked, Evidence, GapNumber, Number, Trial
from detente.stats.gaps import gap
from detente.stats.judged import judged_rate_of
from detente.stats.rates import rate
from detente.stats.rounding import round_outward
from detente.wire.canonical import decimal, encode_decimal
from detente.words import TAG_OF, say

SHOWN = 64  # characters of what two rehearsals differ in; a digest has as many
WORST: tuple[Word, ...] = ("fail", "cannot-tell", "pass")


class Line(NamedTuple):
    """One criterion: its verdict, and what it was found from, the deciding one first."""

    criterion: str
    title: Mapping[str, str]
    verdict: Word
    findings: Sequence[Finding]
    limit: str = ""
    called: Mapping[str, str] | None = None


class Verdict(NamedTuple):
    """The verdict of a whole rule over one body of evidence. ``left_out``: criteria that the rule does not ask of rehearsals.

    ``passed_over``: the id of the plan's own gate, where this verdict is by another rule or over other subjects.
    """

    rule: Rule
    evidence: Evidence
    lines: Sequence[Line]
    verdict: Word
    left_out: Sequence[Criterion] = ()
    passed_over: str = ""

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 4 could not tell."""
        return {"pass": 0, "fail": 1, "cannot-tell": 4}[self.verdict]


class Share(NamedTuple):
    """A share with its one-sided limits, missing answers counted one way."""

    value: Fraction
    low: float
    high: float
    n: int


def judge(rule: Rule, evidence: Evidence, banks: Mapping[str, Looked] | None = None) -> Verdict:
    """Hold a rule against evidence. ``banks``: by the id of a bank that was shown, what was found of it."""
    lines = [line for one in rule.bank for line in _bank_lines(one, (banks or {}).get(one.id))]
    sizes = [one for one in rule.criterion if one.kind == "size"]
    short = False
    if rule.sizesFirst:
        lines += [_line(rule, one, evidence) for one in sizes]
        short = any(line.verdict != "pass" for line in lines)
    left_out = [one for one in rule.criterion if evidence.source == "rehearsal" and not one.rehearsal]
    for one in rule.criterion:
        if (rule.sizesFirst and one.kind == "size") or one in left_out:
            continue
        line = _line(rule, one, evidence) if not short else _refused(one)
        lines.append(line)
    return Verdict(rule, evidence, lines, _worst(line.verdict for line in lines), left_out)


def _worst(words: Iterable[Word]) -> Word:
    found = list(words)
    return next(word for word in WORST if word in found) if found else "cannot-tell"


def _refused(one: Criterion) -> Line:
    return Line(one.id, one.title, "cannot-tell", [Finding("cannot-tell", "sizes-first", {})], _limit(one))


def _short_of(risk: str | None) -> str:
    """Which sentence tells a shortfall: of risks in a group (``A.1.*``), or of questions or words."""
    return "bank-risks" if risk is not None and risk.endswith("*") else "bank-short"


def _bank_lines(bank: Bank, looked: Looked | None) -> Iterable[Line]:
    """Whether a bank is large enough; and where its sizes speak of measures, whether these rest on it."""
    where = {"bank": bank.id}
    if looked is None:
        yield Line(bank.id, bank.title, "cannot-tell", [Finding("cannot-tell", "no-bank", where)])
        return
    found = [
        Finding(
            "cannot-tell",
            _short_of(one.risk),
            {**where, "risk": one.risk or "*"},
            n=one.got,
            fields={"least": one.least},
        )
        for one in looked.short
    ]
    whole = [Finding("pass", "bank", where, n=looked.held, fields={"least": bank.total})]
    yield Line(bank.id, bank.title, "cannot-tell" if found else "pass", found or whole)
    words: Mapping[bool | None, Word] = {True: "pass", False: "fail", None: "cannot-tell"}
    used = [Finding(words[one.holds], one.why, where, fields=one.fields) for one in looked.used]
    if used:
        used.sort(key=lambda finding: WORST.index(finding.verdict))
        title = {tag: say("report.gate.used", lang, bank=bank.title[tag]) for lang, tag in TAG_OF.items()}
        yield Line(f"{bank.id}-used", title, used[0].verdict, used)


def _line(rule: Rule, one: Criterion, evidence: Evidence) -> Line:
    found = [_meant(one, finding) for finding in _findings(rule, one, evidence)]
    found.sort(key=lambda finding: WORST.index(finding.verdict))
    if not found:
        found = [Finding("cannot-tell", "no-number", {})]
    return Line(one.id, one.title, _worst(finding.verdict for finding in found), found, _limit(one), one.called)


def _meant(one: Criterion, finding: Finding) -> Finding:
    """What a finding means by the rule: a condition that does not hold may say that nobody knows, not that something failed."""
    return finding._replace(verdict=one.unmet) if finding.verdict == "fail" else finding


def _limit(one: Criterion) -> str:
    """The limit as it is shown: ``<= 0.05``."""
    if one.most is not None:
        return f"<= {one.most}"
    if one.least is not None:
        return f">= {one.least}"
    return f">= {one.items}" if one.kind == "size" else one.worst or ""


def _findings(rule: Rule, one: Criterion, evidence: Evidence) -> Iterable[Finding]:
    trials = [trial for trial in evidence.trials if one.section in {"each", trial.section}]
    wanted = rule.subjects.get(one.subject)
    others = rule.references()
    if one.subject == "all":
        named = set(rule.subjects.values())
        mine = [t for t in trials if t.subject in named]
        for subject in rule.subjects.values():
            if subject not in {t.subject for t in mine}:
                yield Finding("cannot-tell", "no-run", {"subject": subject})
    else:
        mine = [t for t in trials if (t.subject not in others if wanted is None else t.subject == wanted)]
        if not mine:
            yield Finding("cannot-tell", "no-run", {"subject": wanted or "-"})
    beside = rule.subjects.get(one.reference or one.of or "")
    for trial in mine:
        if beside == trial.subject and one.subject != "all":
            yield Finding("cannot-tell", "itself", {"subject": trial.subject, "run": trial.run})
        elif one.kind == "fact":
            yield from (_fact(trial, fact) for fact in one.facts)
        elif one.kind == "descriptor":
            yield described(trial, one)
        elif one.kind == "removed":
            yield removed(trial, [t for t in trials if t.subject == rule.subjects[one.of or ""]])
        elif one.kind == "alike":
            yield from alike(one, trial, rule.subjects[one.reference or ""], trials)
        else:
            yield from _of_measures(rule, one, evidence, trial, trials)


def _fact(trial: Trial, fact: str) -> Finding:
    """A fact that does not hold says that nobody knows, not that something is unsafe."""
    holds = trial.facts.get(fact, "cannot tell")
    where = {"subject": trial.subject, "run": trial.run, "fact": fact}
    return Finding("pass" if holds == "yes" else "cannot-tell", "fact" if holds == "yes" else "no-fact", where)


def _of_measures(
    rule: Rule, one: Criterion, evidence: Evidence, trial: Trial, trials: Sequence[Trial]
) -> Iterable[Finding]:
    where = {"subject": trial.subject, "run": trial.run}
    measures = measures_named(one, evidence, trial)
    if not measures:
        why, fields = ("no-measure-so", {"variant": one.variant}) if one.variant else ("no-measure", {})
        yield Finding("cannot-tell", why, {**where, "measure": one.measure or ""}, fields=fields)
    for measure in measures:
        here = {**where, "measure": measure.id}
        if lacking := left_out(one, measure, evidence, trial):
            yield Finding("cannot-tell", "left-out", here, fields={"suites": ", ".join(lacking)})
        elif one.by and measure.method not in one.by:
            yield Finding("cannot-tell", "by", here, fields={"by": measure.method, "allowed": ", ".join(one.by)})
        elif one.kind == "gap":
            yield from _gap_findings(one, trial, measure, here)
        elif one.reference is None:
            yield from (_rate_finding(one, number, place) for number, place in _cells(one, trial, measure, here))
        else:
            reference = rule.subjects[one.reference]
            found = [other for other in trials if (other.subject, other.section) == (reference, trial.section)]
            if not found:
                yield Finding("cannot-tell", "no-reference", {**here, "reference": reference})
            for other in found:
                if differ := _unlike(trial, other, measure.id):
                    place = {**here, "reference": reference}
                    yield Finding("cannot-tell", "other-terms", place, fields={"differ": differ})
                else:
                    yield from _compared(one, trial, other, measure, here)


def _cells(
    one: Criterion, trial: Trial, measure: Asked, here: Mapping[str, str]
) -> Iterable[tuple[Number | None, dict[str, str]]]:
    """The numbers of a measure that a criterion speaks of; None for one that it names and that is not there."""
    fits = {
        key: number
        for key, number in trial.rates.items()
        if key[0] == measure.id
        and one.lang in {"each", key[1]}
        and (
            key[2] is None
            if one.hazard == "all"
            else key[2] is not None
            if one.hazard == "each"
            else key[2] == one.hazard
        )
    }
    for (_, lang, hazard), number in fits.items():
        yield number, _place(here, lang, hazard)
    if not fits:
        yield None, {**here, "lang": one.lang, "hazard": one.hazard}


def _place(here: Mapping[str, str], lang: str, hazard: str | None) -> dict[str, str]:
    return {**here, "lang": lang, **({"hazard": hazard} if hazard else {})}


def _why_none(number: Number | GapNumber | None) -> str | None:
    """Why there is no number to decide by, or None: the state of what was measured, then of what corrects it."""
    if number is None:
        return "no-number"
    if number.state != "rate":
        return number.state
    return number.corrected if number.corrected not in {None, "rate"} else None


def _scored(number: Number) -> int:
    """Items with an answer that has a verdict."""
    return sum(p.items for p in number.patterns if p.scored[0])


def _rate_finding(one: Criterion, number: Number | None, where: Mapping[str, str]) -> Finding:
    if (why := _why_none(number)) or number is None:
        return Finding("cannot-tell", why or "no-number", where)
    n = _scored(number)
    if n < one.items:
        return Finding("cannot-tell", "few", where, n=n, fields={"least": one.items})
    if one.kind == "size":
        return Finding("pass", "size", where, n=n, fields={"least": one.items})
    found = share_of(number, one.level, missing_hit=one.most is not None)
    return _held(one, where, found.value, (found.low, found.high), found.n)


def _held(one: Criterion, where: Mapping[str, str], value: Fraction, ends: tuple[float, float], n: int) -> Finding:
    """A number with its limits against ``most`` or ``least``; limits are rounded outward first, so all machines agree."""
    low, high = round_outward(*ends, signed=True)
    if one.most is not None:
        limit = decimal(one.most)
        cleared = value <= limit, decimal(high) <= limit, decimal(low) > limit
    else:
        limit = decimal(one.least or "0")
        cleared = value >= limit, decimal(low) >= limit, decimal(high) < limit
    return _found(one, where, cleared, (encode_decimal(value, 4), low, high), n)


def _found(
    one: Criterion, where: Mapping[str, str], cleared: tuple[bool, bool, bool], shown: tuple[str, str, str], n: int
) -> Finding:
    """``cleared``: by the number itself, by the end of its interval, and whether the whole interval lies beyond the limit."""
    point, confident, beyond = cleared
    decides = point if one.bound == "point" else confident
    why = "clears" if decides else "beyond" if beyond else "not-shown" if point else "over"
    return Finding("pass" if decides else "fail", why, where, point, confident, *shown, n)


def share_of(number: Number, level: str, *, missing_hit: bool) -> Share:
    """A cell's share with the limits of a gate, one-sided at ``level``; answers that are missing count as hits or as none (C-3)."""
    two_sided = float(2 * decimal(level) - 1)
    missing = sum(p.missing * p.items for p in number.patterns)
    if number.judged is not None:
        # A label that never came counts as an answer that never came.
        judged = number.judged.as_if(hit=missing_hit)
        return _judged_share(judged, two_sided, missing if missing_hit else -missing)
    rows = [p for p in number.patterns if p.scored[0] + p.missing]
    hits = [p.hits[0] + (p.missing if missing_hit else 0) for p in rows]
    asked = [p.scored[0] + p.missing for p in rows]
    items = [p.items for p in rows]
    found = rate(hits, asked, items=items, level=two_sided, purpose="gate")
    whole = sum(n * k for n, k in zip(asked, items, strict=True))
    value = Fraction(sum(n * k for n, k in zip(hits, items, strict=True)), whole)
    return Share(value, found.low, found.high, found.n)


def _judged_share(judged: Judged, level: float, missing: int) -> Share:
    """The same of a corrected number; ``missing`` answers are hits, or where negative so many that are none."""
    found = judged_rate_of(counts_of(judged), purpose="gate", level=level)
    answers = judged.flagged.answers + judged.passed.answers
    known = answers + judged.sure + judged.not_sure
    sure, whole = judged.sure + max(missing, 0), known + abs(missing)
    low, high = ((end * answers + sure) / whole for end in (found.low, found.high))
    value = ((judged.rate() or Fraction(0)) * known + max(missing, 0)) / whole
    return Share(value, low, high, found.n)


def _gap_findings(one: Criterion, trial: Trial, measure: Asked, here: Mapping[str, str]) -> Iterable[Finding]:
    """How far two languages lie apart, either way; both ends of the interval must be within the limit."""
    fits = [
        (key, number)
        for key, number in trial.gaps.items()
        if key[0] == measure.id
        and (
            key[3] is None
            if one.hazard == "all"
            else key[3] is not None
            if one.hazard == "each"
            else key[3] == one.hazard
        )
    ]
    if not fits:
        yield Finding("cannot-tell", "no-number", here)
    for (_, a, b, hazard), number in fits:
        where = _place(here, f"{b}-{a}", hazard)
        if why := _why_none(number):
            yield Finding("cannot-tell", why, where)
            continue
        cells = trial.rates[measure.id, a, hazard], trial.rates[measure.id, b, hazard]
        value, low, high, n = _gap_limits(number, cells, one.level)
        if n < one.items:
            yield Finding("cannot-tell", "few", where, n=n, fields={"least": one.items})
            continue
        least, most = round_outward(low, high, signed=True)
        ends, limit = (decimal(least), decimal(most)), decimal(one.most or "0")
        within = abs(value) <= limit, max(map(abs, ends)) <= limit, ends[0] > limit or ends[1] < -limit
        yield _found(one, where, within, (encode_decimal(value, 4), least, most), n)


def _gap_limits(number: GapNumber, cells: tuple[Number, Number], level: str) -> tuple[Fraction, float, float, int]:
    """The second language minus the first, with limits; answers that are missing may have moved it either way."""
    if number.judged is not None:
        a, b = (_judged_share(one, float(2 * decimal(level) - 1), 0) for one in number.judged)
        value, low, high = _square_and_add(b, a)
        n = min(a.n, b.n)
    else:
        columns = _columns([(p.hits[1], p.scored[1], p.hits[0], p.scored[0], p.items) for p in number.patterns])
        found = gap(*columns[:4], items=columns[4], level=float(2 * decimal(level) - 1))
        value, low, high, n = _mean(columns), found.low, found.high, found.n
    moved = sum((_missing_share(cell) for cell in cells), Fraction(0))
    away = moved if value >= 0 else -moved
    return value + away, max(-1.0, low - float(moved)), min(1.0, high + float(moved)), n


def _missing_share(cell: Number) -> Fraction:
    missing = sum(p.missing * p.items for p in cell.patterns)
    whole = sum((p.scored[0] + p.missing) * p.items for p in cell.patterns)
    return Fraction(missing, whole) if whole else Fraction(0)


def _columns(rows: Sequence[tuple[int, ...]]) -> list[list[int]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _mean(columns: Sequence[Sequence[int]]) -> Fraction:
    """The mean over items of the difference of two shares, exactly."""
    total, n_items = Fraction(0), 0
    for a, n, b, m, items in zip(*columns, strict=True):
        total, n_items = total + (Fraction(a, n) - Fraction(b, m)) * items, n_items + items
    return total / n_items


def _square_and_add(one: Share, two: Share) -> tuple[Fraction, float, float]:
    """The difference of two shares that were corrected apart (Newcombe 1998); that their items are the same is not used."""
    value = one.value - two.value
    middle, one_, two_ = float(value), float(one.value), float(two.value)
    low = middle - math.hypot(one_ - one.low, two.high - two_)
    high = middle + math.hypot(one.high - one_, two_ - two.low)
    return value, max(-1.0, low), min(1.0, high)


def _unlike(trial: Trial, other: Trial, measure: str) -> str:
    """In what two runs were asked or judged otherwise: ``max-tokens 64 | 512; judge ...``; nothing where they were not."""
    mine, theirs = (one.terms.get(measure, {}) for one in (trial, other))
    names = [name for name in (*mine, *theirs) if mine.get(name) != theirs.get(name)]
    shown = [(name, *(one.get(name, "-") for one in (mine, theirs))) for name in dict.fromkeys(names)]
    return "; ".join(f"{name} {clipped(a)} | {clipped(b)}" for name, a, b in shown)


def clipped(value: str) -> str:
    """A digest in its first 16 digits, and anything else that long no longer than a line bears."""
    return value if len(value) < SHOWN else f"{value[:16]}…"


def _compared(one: Criterion, trial: Trial, other: Trial, measure: Asked, here: Mapping[str, str]) -> Iterable[Finding]:
    """A run against a run of the reference model: a difference over the same items, or a band of the ratio."""
    for number, place in _cells(one, trial, measure, {**here, "reference": other.subject}):
        key = (measure.id, place["lang"], place.get("hazard"))
        beside = other.rates.get(key)
        why = _why_none(number) or _why_none(beside)
        if why or number is None or beside is None:
            yield Finding("cannot-tell", why or "no-number", place)
            continue
        n = min(_scored(number), _scored(beside))
        if n < one.items:
            yield Finding("cannot-tell", "few", place, n=n, fields={"least": one.items})
        elif one.kind == "band":
            yield _band(one, number, beside, place)
        elif number.judged is not None:
            pair = (
                share_of(number, one.level, missing_hit=True),
                share_of(beside, one.level, missing_hit=False),
            )
            value, low, high = _square_and_add(*pair)
            yield _held(one, place, value, (low, high), n)
        else:
            yield _paired(one, (trial, other), key, place)


def _paired(
    one: Criterion, both: tuple[Trial, Trial], key: tuple[str, str, str | None], where: Mapping[str, str]
) -> Finding:
    """The mean difference over items that both were asked; a missing answer is a hit of the model, and none of the reference."""
    said = [trial.answers(key[0], key[1]) for trial in both]
    mine, theirs = said
    if mine is None or theirs is None:
        return Finding("cannot-tell", "withheld", where)
    if set(mine) != set(theirs):
        return Finding("cannot-tell", "other-items", where, n=len(set(mine) & set(theirs)))
    rows = []
    for item, a in mine.items():
        b = theirs[item]
        if key[2] in {None, a.hazard}:
            rows.append((a.hits + a.missing, a.scored + a.missing, b.hits, b.scored + b.missing, 1))
    columns = _columns(rows)
    found = gap(*columns[:4], items=columns[4], level=float(2 * decimal(one.level) - 1))
    return _held(one, where, _mean(columns), (found.low, found.high), found.n)


def _band(one: Criterion, number: Number, beside: Number, where: Mapping[str, str]) -> Finding:
    """The band of a rate beside a reference's, by the numbers themselves and by the unfavourable ends of their intervals."""
    mine = share_of(number, one.level, missing_hit=True)
    theirs = share_of(beside, one.level, missing_hit=False)
    low, high = round_outward(mine.low, mine.high)
    least, most = round_outward(theirs.low, theirs.high)
    names = [band.id for band in one.bands]
    bands = [
        band_of(one, mine.value, theirs.value),
        band_of(one, decimal(high), decimal(least)),
    ]
    point, confident = (names.index(band) <= names.index(one.worst or "") for band in bands)
    decides = point if one.bound == "point" else confident
    fields = {
        "band": bands[0], "sure": bands[1], "rate": encode_decimal(theirs.value, 4), "least": least, "most": most,
        "ratio": encode_decimal(mine.value / theirs.value, 2) if theirs.value else "-",
    }  # fmt: skip
    value = encode_decimal(mine.value, 4)
    verdict: Word = "pass" if decides else "fail"
    return Finding(verdict, "band", where, point, confident, value, low, high, mine.n, fields)


def band_of(one: Criterion, share: Fraction, reference: Fraction) -> str:
    """The first band, from the best, that a share falls into beside the reference's; the last takes what is left."""
    for band in one.bands:
        if band.share is not None:
            fits = share <= decimal(band.share)
        elif band.ratio is not None:
            fits = share <= decimal(band.ratio) * reference
        elif band.below is not None:
            fits = share < decimal(band.below) * reference
        else:
            fits = True
        if fits:
            return band.id
    return one.bands[-1].id


__all__ = ["Finding", "Line", "Share", "Verdict", "band_of", "judge", "share_of"]
