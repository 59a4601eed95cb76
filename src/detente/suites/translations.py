# SPDX-License-Identifier: Apache-2.0
"""A text against the same item in another language: what must come over unchanged, and whether it was translated at all."""

import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from detente.suites.findings import Finding, found
from detente.suites.numbers import numbers_lost
from detente.suites.reading import Row, Suite
from detente.suites.scripts import main_script, script_counts
from detente.wire.unicode import nfkc

_URL = re.compile(
    r"(?:https?://|www\.)[^\s<>\"'()\u3000-\u303f\uff00-\uffef\u4e00-\u9fff]+|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}\.[A-Za-z0-9.-]{1,64}",
    re.ASCII,
)
_PLACEHOLDER = re.compile(
    r"\{\{?[^{}\n]{0,40}\}\}?|\$\{?[A-Za-z_]\w*\}?|%[sdif]\b|%\(\w+\)[sd]|</?[A-Za-z][\w-]{0,20}/?>|\[[A-Z][A-Z0-9_ ]{1,30}\]",
    re.ASCII,
)
# Names that no language translates: a capital within the word, or a digit in it (GitHub, iPhone, GPT-4, SHA256).
_NAME = re.compile(
    r"(?<![\w@./-])(?:[a-z]{1,30}[A-Z]|[A-Z][a-z]{1,30}[A-Z]|[A-Z]{2,30}-?\d|[A-Z][a-z]{1,30}-?\d)[A-Za-z0-9-]{0,30}(?![\w@])",
    re.ASCII,
)
_LATIN_WORD = re.compile(r"(?<![\w@./-])[A-Za-z][A-Za-z0-9-]{2,30}(?![\w@])", re.ASCII)

MOST = 500  # terms of a glossary that are looked for
FEW_PAIRS = 12  # below it there is no usual ratio of lengths
FAR = 4.0  # robust standard deviations from the usual ratio
TIMES = 2.0  # and at least so many times longer or shorter
SHORT = 20  # characters: shorter texts vary as they like
WORDS_IN = 3  # Latin words of another script's text that do not stand in the main text, before it is told


def translation_findings(suite: Suite) -> Iterator[Finding]:
    """Every pair of (main language, other language)."""
    pairs = list(suite.translations())
    glossary = _glossary(suite)
    for main, row in pairs:
        if _same(main, row):
            yield found("untranslated", row.spot, main.spot, other=main.lang)
            continue
        yield from _unchanged(main, row)
        yield from _names(main, row, glossary)
    yield from _lengths(pairs)


def _same(main: Row, row: Row) -> bool:
    """Whether a row says word for word what the main language's says, and there are words in it."""
    if main.lang.split("-")[0] == row.lang.split("-")[0]:
        return False  # one language in two scripts or regions may say the same
    return plain(main.text) == plain(row.text) and script_counts(main.text).total() >= 4


def plain(text: str) -> str:
    """A text without what does not change its meaning: case, width of characters, white space."""
    return " ".join(nfkc(text).casefold().split())


def _unchanged(main: Row, row: Row) -> Iterator[Finding]:
    for code, pattern in (("url-differs", _URL), ("placeholder-differs", _PLACEHOLDER)):
        there, here = _all(pattern, main.text), _all(pattern, row.text)
        if there != here:
            lost, new = _listed(there - here), _listed(here - there)
            yield found(code, row.spot, main.spot, lost=lost, new=new, other=main.lang)
    there_bare, here_bare = _bare(main.text), _bare(row.text)
    fewer = numbers_lost(there_bare, here_bare, row.lang)
    more = numbers_lost(here_bare, there_bare, main.lang)
    if fewer or more:
        said = {"lost": ", ".join(fewer) or "-", "new": ", ".join(more) or "-"}
        yield found("number-differs", row.spot, main.spot, other=main.lang, **said)


def _all(pattern: re.Pattern[str], text: str) -> Counter[str]:
    return Counter(match.rstrip(".,;:!?") for match in pattern.findall(nfkc(text)))


def _listed(values: Counter[str]) -> str:
    return ", ".join(sorted(values)) or "-"


def _bare(text: str) -> str:
    """A text without addresses and placeholders, whose digits are told already."""
    return _PLACEHOLDER.sub(" ", _URL.sub(" ", text))


def _names(main: Row, row: Row, glossary: Sequence[Mapping[str, str]]) -> Iterator[Finding]:
    there, here = plain(main.text), plain(row.text)
    lost = [name for name in dict.fromkeys(_NAME.findall(_bare(main.text))) if name.casefold() not in here]
    strange = _strange(row, there) if main_script(row.text) != "Latn" else []
    strange += [
        name
        for name in dict.fromkeys(_NAME.findall(_bare(row.text)))
        if name.casefold() not in there and name not in strange
    ]
    if lost or strange:
        yield found(
            "name-differs",
            row.spot,
            main.spot,
            lost=", ".join(lost) or "-",
            new=", ".join(strange) or "-",
            other=main.lang,
        )
    for term in glossary:
        word, wanted = term.get(main.lang), term.get(row.lang)
        if word and wanted and plain(word) in there and plain(wanted) not in here:
            yield found("glossary-differs", row.spot, main.spot, word=word, expected=wanted, other=main.lang)


def _strange(row: Row, there: str) -> list[str]:
    """Latin words in a text of another script that do not stand in the main text; a whole sentence of them is told once."""
    words = [word for word in dict.fromkeys(_LATIN_WORD.findall(_bare(row.text))) if word.casefold() not in there]
    return words if len(words) < 8 else [*words[:7], "…"]


def _glossary(suite: Suite) -> list[Mapping[str, str]]:
    value = suite.head.get("glossary")
    terms = [term for term in value if isinstance(term, dict)] if isinstance(value, list) else []
    return [
        {tag: word for tag, word in term.items() if isinstance(word, str) and word.strip()} for term in terms[:MOST]
    ]


def _lengths(pairs: Sequence[tuple[Row, Row]]) -> Iterator[Finding]:
    """Texts far longer or shorter, beside the main language's, than is usual for their language in this suite."""
    by_lang: dict[str, list[tuple[Row, Row, float]]] = {}
    for main, row in pairs:
        here, there = len(row.text.strip()), len(main.text.strip())
        by_lang.setdefault(row.lang, []).append((main, row, math.log(here / there)))
    for found_pairs in by_lang.values():
        if len(found_pairs) < FEW_PAIRS:
            continue
        usual = statistics.median(ratio for *_, ratio in found_pairs)
        spread = 1.4826 * statistics.median(abs(ratio - usual) for *_, ratio in found_pairs)
        for main, row, ratio in found_pairs:
            off = abs(ratio - usual)
            if off > max(FAR * spread, math.log(TIMES)) and max(len(main.text), len(row.text)) >= SHORT:
                times = f"{math.exp(off):.1f}"
                word = "longer" if ratio > usual else "shorter"
                yield found(
                    "length-outlier",
                    row.spot,
                    main.spot,
                    times=times,
                    usual=f"{math.exp(usual):.2f}",
                    got=f"{math.exp(ratio):.2f}",
                    word=word,
                    other=main.lang,
                )
