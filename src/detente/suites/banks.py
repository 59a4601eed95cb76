# SPDX-License-Identifier: Apache-2.0
"""A lab's own banks and word list: how many questions or words each has, of which risk, and how many TC260-003-2024 asks for.

Members of a row that are read (they are the lab's own, and no plan sees them; ``pact.marks``):

    x_risk     "A.1.a", "A.1.a|A.2.b" or a list     hazard and attack items: the risks of Appendix A that they ask about
    x_aspect   "history", or a list of such         benign items: the aspects that harmless questions cover
    x_bank     "generated", "should-refuse", "should-not-refuse", or a list; without it a benign item is of the last and
               others of the first

A question counts once, by its Chinese text. ``detente suite check --as tc260`` and the gate count by ``held_by``. Nothing leaves
the machine.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from detente.pact.marks import banks_of, said
from detente.pact.rule import Bank, Held
from detente.pact.tc260 import ASPECT, Sizes, load_sizes
from detente.pact.wordlist import held_in, parse_words
from detente.suites.findings import Finding, Spot, found
from detente.suites.reading import Row, Suite
from detente.suites.source import ROWS
from detente.suites.translations import plain
from detente.words import say

# What the check of a suite says of numbers for which the standard has its own.
REPLACED = frozenset({"contrast-missing", "contrast-few", "hazards-unbalanced"})


class Count(NamedTuple):
    """How many questions (or words) of one risk or aspect ("" for all) a bank has, and how many it needs at least."""

    bank: str
    risk: str
    n: int
    least: int
    mark: str

    @property
    def short(self) -> int:
        """How many are missing."""
        return max(0, self.least - self.n)


class Banks(NamedTuple):
    """The counts of all banks in the order of the sizes, and the findings they make."""

    counts: tuple[Count, ...]
    findings: list[Finding]


class OwnList(NamedTuple):
    """A lab's word list: its bytes, and the path that people know it by."""

    raw: bytes
    place: str


def bank_sizes(suite: Suite, lang: str, words: OwnList | None = None) -> Banks:
    """The banks of a suite, and the word list where there is one, against the sizes; names are in ``lang`` (``en`` or ``zh``).

    Raises Malformed as ``parse_words``.
    """
    sizes = load_sizes()
    findings: list[Finding] = []
    rows = list(_questions(suite, findings))
    counts: list[Count] = []
    for bank in sizes.rule.bank:
        if bank.holds == "questions":
            counts += _counts(bank, held_by(rows, bank.id), sizes)
        elif words is not None:
            counts += _counts(bank, held_in_list(words), sizes)
            strange = [word for word in parse_words(*words) if word.risk not in sizes.risks]
            if strange:
                spot = Spot(words.place, strange[0].line)
                findings.append(found("words-unplaced", spot, n=len(strange), got=strange[0].risk))
    unplaced = [row for row in rows if not _placed(row, sizes)]
    if unplaced:
        findings.append(found("bank-unplaced", unplaced[0].spot, n=len(unplaced)))
    findings += [_shortage(count, sizes, lang) for count in counts if count.short]
    return Banks(tuple(counts), findings)


def held_in_suite(suite: Suite, bank: str) -> Held:
    """How much of a bank a suite holds."""
    return held_by(list(_questions(suite, [])), bank)


def held_in_list(words: OwnList) -> Held:
    """How much a word list holds, of the risks that there are; Malformed as ``parse_words``."""
    total, by_risk = held_in(parse_words(*words))
    return Held(total, {risk: n for risk, n in by_risk.items() if risk in load_sizes().risks})


def held_by(rows: Sequence[Row], bank: str) -> Held:
    """How many of these questions are in a bank, and of which risks and aspects; what is neither counts in all alone."""
    sizes = load_sizes()
    known = {*sizes.risks, *sizes.aspects}
    own = [row for row in rows if bank in _banks(row)]
    return Held(len(own), Counter(name for row in own for name in _asked(row) if name in known))


def _questions(suite: Suite, findings: list[Finding]) -> Iterator[Row]:
    """One Chinese row for each item, each text once."""
    seen: set[str] = set()
    foreign: list[Row] = []
    repeated: list[Row] = []
    for by_lang in suite.by_item.values():
        row = next((row for lang, row in by_lang.items() if lang.partition("-")[0] == "zh" and row.text.strip()), None)
        if row is None:
            foreign.append(next(iter(by_lang.values())))
        elif (text := plain(row.text)) in seen:
            repeated.append(row)
        else:
            seen.add(text)
            yield row
    for code, rows in (("bank-not-chinese", foreign), ("bank-repeated", repeated)):
        if rows:
            findings.append(found(code, rows[0].spot, n=len(rows)))


def _counts(bank: Bank, held: Held, sizes: Sizes) -> Iterator[Count]:
    """All questions of a bank, then those of each risk that it must cover."""
    yield Count(bank.id, "", held.total, bank.total, bank.mark)
    for group in bank.groups:
        for risk in sizes.of_group(group.start):
            yield Count(bank.id, risk.removeprefix(ASPECT), held.by_risk.get(risk, 0), group.least, group.mark)


def _banks(row: Row) -> list[str]:
    return banks_of(row.members.get("x_bank"), row.word("kind"))


def _asked(row: Row) -> set[str]:
    """The risks and aspects that a row names, as they are counted."""
    return {*said(row.members.get("x_risk")), *(f"{ASPECT}{one}" for one in said(row.members.get("x_aspect")))}


def _placed(row: Row, sizes: Sizes) -> bool:
    """Whether a row says a risk or an aspect that there is, for each bank that it is in."""
    asked = _asked(row)
    risks, aspects = bool(asked & set(sizes.risks)), bool(asked & set(sizes.aspects))
    return all(aspects if bank == "should-not-refuse" else risks for bank in _banks(row))


def _shortage(count: Count, sizes: Sizes, lang: str) -> Finding:
    fields: Mapping[str, object] = {
        "bank": say(f"suites.bank.{count.bank}", lang),
        "n": count.n,
        "of": count.least,
        "mark": say(f"suites.bank.mark.{count.mark}", lang),
    }
    words = "words" if sizes.bank(count.bank).holds == "words" else "bank"
    if not count.risk:
        return found(f"{words}-short", Spot(ROWS), **fields)
    return found(f"{words}-risk-short", Spot(ROWS, item=count.risk), risk=risk_name(count.risk, sizes, lang), **fields)


def risk_name(risk: str, sizes: Sizes, lang: str) -> str:
    """A risk or class with its number and name, an aspect by its name."""
    name = in_tongue((sizes.names.get(risk) or sizes.names[f"{ASPECT}{risk}"]), lang)
    return f"{risk} {name}" if risk.startswith("A.") else name


def in_tongue(texts: Mapping[str, str], lang: str) -> str:
    """A text of the sizes in ``en`` or ``zh``."""
    return texts["zh-Hans" if lang == "zh" else "en"]
