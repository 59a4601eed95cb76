# SPDX-License-Identifier: Apache-2.0
"""Unicode's form NFKC of a text that somebody else wrote, in time that grows with it alone.

Python puts combining marks into their order by insertion, so a megabyte of marks on one letter would take hours. Here long texts
are taken apart and put in order first (The Unicode Standard, section 3.11): the result is the same to the last code point.
"""

import re
import unicodedata
from functools import cache

# What may be so many marks that their order takes long. Marks are no part of words for ``re``, but for the two of half width.
LONG = re.compile("[\\W\uff9e\uff9f]{100}")


def nfkc(text: str) -> str:
    """The text in NFKC (UAX #15), as ``unicodedata.normalize`` gives it."""
    if text.isascii() or LONG.search(text) is None:
        return unicodedata.normalize("NFKC", text)
    out: list[str] = []
    marks: list[str] = []
    for char in text:
        for part in _apart(char):
            if unicodedata.combining(part):
                marks.append(part)
            else:
                out += sorted(marks, key=unicodedata.combining)
                marks.clear()
                out.append(part)
    out += sorted(marks, key=unicodedata.combining)
    return unicodedata.normalize("NFC", "".join(out))


@cache
def _apart(char: str) -> str:
    """One character taken apart as far as it goes."""
    return unicodedata.normalize("NFKD", char)
