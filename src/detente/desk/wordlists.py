# SPDX-License-Identifier: Apache-2.0
"""The lab's own word lists for the scorer ``keywords``: named in a draft, beside the plan or kept on the desk alone (C-1).

desk/words/<sha256>     a list that a draft called ``private``: no file of the exchange holds a word of it
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from detente.check.exchange import files_by_digest, read_by_digest
from detente.check.verify import lists_at_home, named_files
from detente.desk.given import read_given
from detente.desk.keys import Desk
from detente.errors import CannotTell, NotVerified
from detente.evidence.counts import Definition
from detente.pact.draft import words_key
from detente.pact.plan import PlanFile
from detente.pact.wordlist import parse_words
from detente.score.scorer import KEYWORDS, definition_file
from detente.tlog.folder import is_leftover
from detente.wire.digests import sha256

FOLDER = "words"


class Lists(NamedTuple):
    """The word lists that a draft names: definitions by ``words_key``, files to lay beside the plan and files to keep, by digest."""

    definitions: dict[str, bytes]
    shown: dict[str, bytes]
    private: dict[str, bytes]


def lists_in(rows: Sequence[Mapping[str, Any]], folder: Path) -> Lists:
    """The lists of a draft's ``[[scorer]]`` rows with ``words``, named from ``folder``; raises as ``read_given`` and ``parse_words``."""
    found = Lists({}, {}, {})
    for row in rows:
        if "words" in row:
            path = folder / row["words"]
            raw = read_given(path)
            found.definitions[words_key(row)] = definition_file(KEYWORDS, raw, str(path))
            (found.private if row.get("private", False) else found.shown)[sha256(raw)] = raw
    return found


def keep_lists(desk: Desk, lists: Mapping[str, bytes]) -> None:
    """Lay lists on the desk, where they stay."""
    for digest, raw in lists.items():
        desk.folder(FOLDER).create(digest, raw)


def hand_lists(desk: Desk, home: Desk) -> None:
    """Give a home desk the lists that this desk keeps (P-6)."""
    kept = desk.folder(FOLDER)
    keep_lists(home, {name: kept.read(name) for name in kept.names() if not is_leftover(name)})


def list_of(desk: Desk, plan: PlanFile, definition: Definition) -> bytes | None:
    """The list that a definition of ``keywords`` names, from the desk or the exchange; None for another scorer.

    CannotTell (C-1.no-list) where it is in neither, NotVerified (file-changed) where the desk's was changed since.
    """
    if not definition.may_stay_home() or definition.rules is None:
        return None
    kept = desk.folder(FOLDER)
    if kept.exists(definition.rules):
        raw = kept.read(definition.rules)
        if sha256(raw) != definition.rules:
            raise NotVerified("file-changed", kept.place(definition.rules), expected=definition.rules, got=sha256(raw))
        return raw
    exchange = desk.open_exchange()
    where = files_by_digest(exchange, plan)
    if definition.rules not in where:
        raise CannotTell("C-1.no-list", definition.name, expected=definition.rules)
    return read_by_digest(exchange, where, definition.rules, b"\n")


def check_lists(desk: Desk, plan: PlanFile, definitions: Mapping[str, Definition]) -> None:
    """Refuse to sign a plan whose word lists nobody could score with: those that are here must be lists (Malformed as ``parse_words``)."""
    for definition in definitions.values():
        try:
            raw = list_of(desk, plan, definition)
        except CannotTell as lacking:  # at home with somebody else, who alone can tell
            if lacking.code != "C-1.no-list":
                raise
            continue
        if raw is not None:
            parse_words(raw, definition.name)


def lists_lacking(desk: Desk, plan: PlanFile) -> list[str]:
    """The scorers of a plan, by id, whose word list is neither on this desk nor in the exchange."""
    exchange, kept = desk.open_exchange(), desk.folder(FOLDER)
    definitions = named_files(exchange, plan).definitions
    return [id_ for id_ in lists_at_home(exchange, plan, definitions) if not kept.exists(str(definitions[id_].rules))]
