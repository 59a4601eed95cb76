# SPDX-License-Identifier: Apache-2.0
"""suite check --as tc260: the sizes of a lab's own banks as a table, by bank, class and risk."""

from collections.abc import Sequence
from pathlib import Path

from detente.cli.speech import Speech, padded
from detente.desk.given import read_given
from detente.errors import WrongUsage
from detente.pact.tc260 import class_of, load_sizes
from detente.suites.banks import Banks, Count, OwnList, bank_sizes, in_tongue, risk_name
from detente.suites.reading import Suite
from detente.words import say

AS = "tc260"
TABLED = ("bank-short", "bank-risk-short", "words-short", "words-risk-short")  # findings that the table tells


def sized(suite: Suite, name: object, words: Path | None, lang: str) -> Banks | None:
    """The banks of a suite and the word list under the standard that ``--as`` names; None where it is not given.

    WrongUsage (suite-as, cli-missing); as ``bank_sizes`` and ``read_given``.
    """
    if name is None:
        if words is not None:
            raise WrongUsage("cli-missing", expected=f"--as {AS}")
        return None
    if name != AS:
        raise WrongUsage("suite-as", "--as", expected=AS, got=name)
    return bank_sizes(suite, lang, None if words is None else OwnList(read_given(words), str(words)))


def tell_banks(speech: Speech, banks: Banks, *, json: bool) -> None:
    """The table for people, or one JSON row a count; the notice that this is no filing and no opinion ends both."""
    if json:
        for count in banks.counts:
            speech.row({**count._asdict(), "risk": count.risk or None, "short": count.short})
        speech.row({"notice": say("cli.say.suite-no-opinion", speech.lang)})
        return
    for bank in dict.fromkeys(count.bank for count in banks.counts):
        _tell_bank(speech, [count for count in banks.counts if count.bank == bank])
    if not any(load_sizes().bank(count.bank).holds == "words" for count in banks.counts):
        speech.data(say("cli.say.suite-no-words", speech.lang))
    speech.data(say("cli.say.suite-not-checked", speech.lang, source=in_tongue(load_sizes().source, speech.lang)))
    speech.data(say("cli.say.suite-no-opinion", speech.lang))


def _tell_bank(speech: Speech, counts: Sequence[Count]) -> None:
    sizes, whole = load_sizes(), counts[0]
    speech.data(_line(say(f"suites.bank.{whole.bank}", speech.lang), whole, speech.lang))
    group = ""
    for count in counts[1:]:
        if class_of(count.risk) != group:
            group = class_of(count.risk)
            short = sum(one.short > 0 for one in counts[1:] if class_of(one.risk) == group)
            of = sum(class_of(one.risk) == group for one in counts[1:])
            head = risk_name(group, sizes, speech.lang)
            speech.data("  " + say("cli.say.suite-class", speech.lang, name=head, short=short, of=of))
        speech.data("    " + _line(risk_name(count.risk, sizes, speech.lang), count, speech.lang))
    speech.data("")


def _line(name: str, count: Count, lang: str) -> str:
    missing = say("cli.say.suite-short", lang, n=count.short) if count.short else ""
    return f"{count.n:>6} / {count.least:<5} [{count.mark}] {padded(missing, 16)} {name}"
