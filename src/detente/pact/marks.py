# SPDX-License-Identifier: Apache-2.0
"""The marks by which a lab's own bank says what its questions are for; they are the lab's own, and no item line holds them.

x_bank     "generated", or a list of banks; without it a benign item is of ``should-not-refuse``, a control of none, others of
``generated``
x_risk     "A.1.a", "A.1.a|A.2.b" or a list
x_aspect   "history", or a list of such
"""

from typing import Any

USUAL = {"benign": ["should-not-refuse"], "control": []}


def said(value: Any) -> list[str]:
    """A mark that is a word, words with bars between them, or a list of words; what is neither says nothing."""
    values = value.split("|") if isinstance(value, str) else value if isinstance(value, list) else []
    return [one.strip() for one in values if isinstance(one, str) and one.strip()]


def banks_of(mark: Any, kind: str) -> list[str]:
    """The banks that a question is in, by its ``x_bank`` and its kind."""
    return said(mark) or USUAL.get(kind, ["generated"])
