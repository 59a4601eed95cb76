# SPDX-License-Identifier: Apache-2.0
"""The numbers in a text, however they are written: digits of any script, English words, Chinese numerals.

numbers_lost("pay 300 by May 7", "5月7日前付三百", "zh-Hans")   ->   []
"""

import re
import unicodedata
from fractions import Fraction

from detente.wire.unicode import nfkc

_DIGITS = re.compile(r"\d+(?:[.,٫٬]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(?:[,٬]\d{3})+(?:[.٫]\d+)?")
_INDIAN = re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}")
_WORDS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60,
    "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9,
    "dozen": 12, "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "once": 1, "twice": 2, "half": 2,
    "both": 2, "single": 1, "couple": 2, "january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7,
    "august": 8, "september": 9, "october": 10, "november": 11, "december": 12, "monday": 1, "tuesday": 2,
    "wednesday": 3, "thursday": 4, "friday": 5, "saturday": 6, "jan": 1, "feb": 2, "mar": 3, "apr": 4, "jun": 6,
    "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
_SCALES = {"thousand": 1000, "million": 10**6, "billion": 10**9, "k": 1000, "m": 10**6}
_HAN_DIGIT = {**{c: n for n, c in enumerate("零一二三四五六七八九")}, "〇": 0, "两": 2, "兩": 2, "双": 2, "半": 2}
_HAN_UNIT = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_HAN_RUN = re.compile("[" + "".join(_HAN_DIGIT) + "".join(_HAN_UNIT) + "]+")
_HAN_SCALED = re.compile(r"(?<!\d)(\d{1,30}(?:\.\d{1,30})?) ?([十百千万萬亿億]{1,4})")
_WORD_SCALED = re.compile(r"(?<!\d)(\d{1,30}(?:\.\d{1,30})?) ?(thousand|million|billion|k|m)\b")
_WORD = re.compile(r"[a-z]+")
_LARGE = 10  # digits: longer runs are names (telephone, account), and compare as strings
# Words for numbers are known for these; elsewhere a small number may be written out in words that are not known here.
_KNOWN = {"en", "zh", "yue", "ja"}


def numbers_lost(text: str, other: str, lang: str) -> list[str]:
    """The numbers that ``text`` writes in digits and that ``other``, a text in ``lang``, says in no way, as written."""
    if not any(char.isdecimal() for char in text):
        return []
    known = numbers_said(other)
    small = (
        0 if lang.split("-", maxsplit=1)[0] in _KNOWN else 12
    )  # "1" to "12" may be words in a language not known here
    lost = []
    for written, values in _written(folded(text)).items():
        if not values & known and not all(value <= small for value in values):
            lost.append(written)
    return lost


def numbers_said(text: str) -> frozenset[Fraction]:
    """Every number that a text may mean, in digits or in the words known here; generous, since it only excuses."""
    plain = folded(text)
    said = {value for values in _written(plain).values() for value in values}
    said |= {Fraction(_WORDS[word]) for word in _WORD.findall(plain) if word in _WORDS}
    for run in _HAN_RUN.findall(plain):
        said |= {Fraction(value) for value in _han_values(run)}
    said |= set(_english_compounds(plain))
    return frozenset(said)


def folded(text: str) -> str:
    """A text in lower case whose digits of any script are ASCII digits."""
    wide = nfkc(text).lower()
    if wide.isascii():
        return wide
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in wide)


def _written(text: str) -> dict[str, frozenset[Fraction]]:
    """Each number in digits as it stands -> the values it may have (1,000 is a thousand; 1,5 is one and a half)."""
    found: dict[str, frozenset[Fraction]] = {}
    for pattern, scales in ((_HAN_SCALED, None), (_WORD_SCALED, _SCALES)):
        for digits, unit in pattern.findall(text):
            scale = scales[unit] if scales else _han_scale(unit)
            found[digits] = found.get(digits, frozenset()) | {Fraction(digits[:40]) * scale, Fraction(digits[:40])}
    for match in _DIGITS.findall(text):
        found[match] = found.get(match, frozenset()) | _values(match)
    return found


def _values(written: str) -> frozenset[Fraction]:
    if len(written) > 40:
        return frozenset({Fraction(int(_digits_of(written)[:40] or "0"))})
    whole = Fraction(int(_digits_of(written)))
    values = {whole} if _GROUPED.fullmatch(written) or _INDIAN.fullmatch(written) else set()
    parts = re.split(r"[.,٫٬]", written)
    if len(parts) == 2:
        values.add(Fraction(f"{parts[0]}.{parts[1]}"))
        values.add(whole)
    elif len(parts) > 2:
        values |= {Fraction(int(part)) for part in parts} | {whole}
    return frozenset(values or {whole})


def _digits_of(written: str) -> str:
    return "".join(char for char in written if char.isascii() and char.isdigit())


def _han_scale(unit: str) -> int:
    scale = 1
    for char in unit:
        scale *= _HAN_UNIT[char]
    return scale


def _han_values(run: str) -> set[int]:
    """What a run of Chinese numerals may mean: as a number with units, as digits in a row, and each digit."""
    run = run[:20]
    values = {_HAN_DIGIT[char] for char in run if char in _HAN_DIGIT} | {
        _HAN_UNIT[char] for char in run if char in _HAN_UNIT
    }
    if all(char in _HAN_DIGIT for char in run):
        values.add(int("".join(str(_HAN_DIGIT[char]) for char in run)))
    else:
        values.add(_han_number(run))
    return values


def _han_number(run: str) -> int:
    """三百二十万 -> 3200000."""
    whole = section = digit = 0
    for char in run:
        if char in _HAN_DIGIT:
            digit = _HAN_DIGIT[char]
        elif (unit := _HAN_UNIT[char]) >= 10**4:
            whole, section, digit = (whole + section + digit or 1) * unit, 0, 0
        else:
            section, digit = section + (digit or 1) * unit, 0
    return whole + section + digit


def _english_compounds(text: str) -> set[Fraction]:
    """twenty-five, three hundred, two million."""
    values: set[Fraction] = set()
    words = _WORD.findall(text)
    for n, word in enumerate(words[:-1]):
        one, two = _WORDS.get(word), _WORDS.get(words[n + 1])
        if one is not None and two is not None:
            values.add(Fraction(one * two if two >= 100 else one + two))
    return values
