# SPDX-License-Identifier: Apache-2.0
"""A lab's own banks as they are shown to a gate: how much they hold, and whether the plan's questions are drawn from them (S-6)."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from detente.check.verify import Verified
from detente.desk.given import read_given
from detente.desk.plans import load_suite
from detente.errors import WrongUsage
from detente.pact.draw import Drawn
from detente.pact.item import SourceSuite, encode_list, list_lines
from detente.pact.plan import Measure, Suite
from detente.pact.rule import Bank, Looked, Rule, Used, shortfalls
from detente.pact.taking import drawn_from, of_bank
from detente.suites.banks import OwnList, held_in_list, held_in_suite
from detente.suites.reading import Suite as Read
from detente.suites.reading import read_suite
from detente.suites.source import read_folder
from detente.wire.digests import sha256


def look_at_banks(rule: Rule, given: Mapping[str, str], verified: Verified | None) -> dict[str, Looked]:
    """What was shown for each bank, held against the rule's sizes and the plan of an exchange (None: there is none).

    ``given``: by bank the folder of a suite (a bank of questions) or a file (a word list). WrongUsage (no-bank, no-suite,
    no-such-file), Malformed as ``read_source`` and ``parse_words``.
    """
    known = {one.id: one for one in rule.bank}
    if strange := sorted(set(given) - set(known)):
        raise WrongUsage("no-bank", "--bank", expected=", ".join(sorted(known)) or "-", got=", ".join(strange))
    # Several banks may lie in one folder, which is read once.
    folders = {name: _folder(name) for name in {name for id_, name in given.items() if known[id_].holds == "questions"}}
    return {id_: _look(known[id_], name, folders.get(name), verified) for id_, name in given.items()}


def _folder(name: str) -> tuple[Read, SourceSuite]:
    """A suite as ``suite check`` counts it, and as a plan draws from it."""
    return read_suite(read_folder(name))[0], load_suite(name, "--bank")


def _look(bank: Bank, name: str, folder: tuple[Read, SourceSuite] | None, verified: Verified | None) -> Looked:
    measures = [one for one in verified.plan.plan.measures if one.id in bank.measures] if verified else []
    if folder is None:
        raw = read_given(Path(name))
        held = held_in_list(OwnList(raw, name))
        used = [_list_used(one, sha256(raw), verified) for one in measures if verified]
    else:
        read, source = folder
        held = held_in_suite(read, bank.id)
        used = [_drawn(suite, source, bank.id) for suite in _asked(verified, measures)] if verified else []
    if bank.measures and not used:
        used = [Used(None, "no-plan", {})]
    return Looked(held.total, shortfalls(bank, held), used)


def _list_used(measure: Measure, digest: str, verified: Verified) -> Used:
    """Whether a measure's scorer looks for the words of this very list."""
    scorer = verified.definitions[measure.scorer]
    fields = {"measure": measure.id, "digest": digest}
    # Any definition may name any digest; only the scorer of word lists reads one.
    used = scorer.may_stay_home() and scorer.rules == digest
    return Used(True, "list-used", fields) if used else Used(None, "other-list", fields)


def _asked(verified: Verified, measures: list[Measure]) -> Iterator[Suite]:
    """The plan's suites with questions that one of the measures counts."""
    for suite in verified.plan.plan.suites:
        kinds = {line.kind for line in verified.lists[suite.id]}
        if any(one.covers(suite.id) and one.kind in kinds for one in measures):
            yield suite


def _drawn(suite: Suite, source: SourceSuite, bank: str) -> Used:
    """Whether a suite is what its seed draws from the bank that is shown here; None where the bank is not the one it was drawn from."""
    if not isinstance(suite.drawn, Drawn):
        return Used(None, "not-drawn", {"suite": suite.id})
    said = suite.drawn
    fields = {"suite": suite.id, "seed": said.seed, "digest": said.list, "items": said.items, "drawn": suite.items}
    if not set(suite.languages) <= set(source.languages):
        return Used(None, "other-bank", fields)
    made = drawn_from(of_bank(source, bank), suite.items, said.seed, suite.languages)
    if made.drawn != said:
        return Used(None, "other-bank", fields)
    same = sha256(encode_list(list_lines(made.items))) == suite.list
    return Used(True, "drawn", fields) if same else Used(False, "other-draw", fields)
