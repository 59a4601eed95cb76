# SPDX-License-Identifier: Apache-2.0
"""Whether a log showed two histories, told from what it signed alone: part of V-2, and of ``detente fork show`` (L-2).

Evidence is read from wherever it lies, and what is broken or not signed by the log is passed over:
it proves nothing, and nobody may hide a fork behind a broken file.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from detente.check.exchange import log_folder, mirror_path, party_folder
from detente.errors import CannotTell, DetenteError, NotVerified
from detente.pact.plan import Party, PlanFile
from detente.tlog.folder import Folder
from detente.tlog.log import CHECKPOINT, check_origin, read_tree
from detente.wire.fork import MAX_PROOF, OtherBeginning, contradict, parse_beginning, show_beginning
from detente.wire.note import MAX_NOTE, Checkpoint, verify_note


class Told(NamedTuple):
    """A head that a log signed, and the file that says so."""

    head: Checkpoint
    place: str


class Begun(NamedTuple):
    """What a longer tree has at an earlier size, and the file (or the folder of entries) that shows it."""

    head: Checkpoint
    shown: OtherBeginning
    place: str


class Fork(NamedTuple):
    """Two heads of one log that cannot be of one history; ``begun`` shows it where they are of two sizes."""

    party: str
    key: str
    one: Told
    other: Told
    begun: Begun | None

    def error(self) -> NotVerified:
        """The fork as a failure of V-2."""
        one, other = self.one.head, self.other.head
        return NotVerified(
            "L-2.two-histories", f"{self.one.place} {self.other.place}", step="V-2", expected=one.root, got=other.root,
            party=self.party, old=one.size, new=other.size,
        )  # fmt: skip


def find_forks(exchange: Folder, plan: PlanFile) -> tuple[list[Fork], int]:
    """One proof for each party whose log showed two histories, and how many signed heads were compared.

    Looked at: every log's checkpoint, every note and ``fork/`` of every mirror, and the entries
    that logs and mirrors hold.
    """
    forks, n = [], 0
    for party in plan.plan.parties:
        folders = _folders(exchange, party, plan)
        heads = _heads(folders, party)
        n += len(heads)
        fork = _first(party.id, party.log.key, heads, [*_proofs(folders, party), *_from_entries(folders, party, heads)])
        forks += [fork] if fork else []
    return forks, n


def refuse_forks(exchange: Folder, plan: PlanFile) -> None:
    """Part of V-2: NotVerified (L-2.two-histories) if some mirror's ``fork/`` proves a fork; its notes were compared before."""
    for party in plan.plan.parties:
        folders = _folders(exchange, party, plan)
        if any(folder.names("fork") for folder in folders):
            fork = _first(party.id, party.log.key, _heads(folders, party), _proofs(folders, party))
            if fork:
                raise fork.error()


def judge_files(files: Mapping[str, bytes], key: str) -> tuple[Fork | None, list[Told]]:
    """What notes and proofs that somebody handed over show of the log with the public ``key`` (hex), and the heads in them.

    Raises CannotTell ``fork-unsigned`` for a file that this key's log did not sign or that is no
    such file, ``fork-unproved`` where heads of two sizes come without what shows the longer one's beginning.
    """
    heads, begun = [], []
    for place, raw in files.items():
        try:
            shown = parse_beginning(raw, place) if raw.startswith(b"root ") else None
            note = shown.note if shown else raw
            # The log's name ends in its key's hash: with a key of one's own nobody can accuse another's log.
            origin = check_origin(note.partition(b"\n")[0].decode("utf-8", "replace"), key, place)
            head = verify_note(note, origin, key, place)
        except DetenteError as error:
            raise CannotTell("fork-unsigned", place, expected=key, got=error.code) from error
        heads.append(Told(head, place))
        begun += [Begun(head, shown, place)] if shown else []
    origins = {told.head.origin for told in heads}
    if len(origins) > 1:
        raise CannotTell("fork-unproved", " ".join(files), got=", ".join(sorted(origins)))
    fork = _first(heads[0].head.origin, key, heads, begun)
    if fork is None and len({told.head for told in heads}) > 1:
        raise CannotTell("fork-unproved", " ".join(files), got=", ".join(str(told.head.size) for told in heads))
    return fork, heads


def _folders(exchange: Folder, party: Party, plan: PlanFile) -> list[Folder]:
    mirrors = [party_folder(exchange, *mirror_path(id_, party.log.origin)) for id_ in plan.plan.witnesses()]
    return [log_folder(exchange, party, plan), *mirrors]


def _heads(folders: Iterable[Folder], party: Party) -> list[Told]:
    """Every head that the party's log signed, each once."""
    found: dict[Checkpoint, str] = {}
    for folder in folders:
        for path in folder.names():
            if path == CHECKPOINT or path.startswith(("notes/", "fork/")):
                place = folder.place(path)
                try:
                    raw = folder.read(path, MAX_PROOF + 1)
                    found.setdefault(verify_note(raw[: MAX_NOTE + 1], party.log.origin, party.log.key, place), place)
                except DetenteError:
                    continue
    return [Told(head, place) for head, place in found.items()]


def _proofs(folders: Iterable[Folder], party: Party) -> list[Begun]:
    found = []
    for folder in folders:
        for path in folder.names("fork"):
            place = folder.place(path)
            try:
                shown = parse_beginning(folder.read(path, MAX_PROOF + 1), place)
                head = verify_note(shown.note, party.log.origin, party.log.key, place)
            except DetenteError:
                continue
            found.append(Begun(head, shown, place))
    return found


def _from_entries(folders: Iterable[Folder], party: Party, heads: Sequence[Told]) -> list[Begun]:
    """What the entries that lie here show of the trees of their checkpoints, at each earlier size that was signed."""
    found = []
    for folder in folders:
        try:
            note = folder.read(CHECKPOINT, MAX_NOTE + 1)
            head = verify_note(note, party.log.origin, party.log.key, folder.place(CHECKPOINT))
            tree = read_tree(folder, head)
        except DetenteError:
            continue
        for size in {told.head.size for told in heads if told.head.size < head.size}:
            shown = parse_beginning(show_beginning(tree.leaf_hashes, size, note))
            found.append(Begun(head, shown, folder.place("tile")))
    return found


def _first(party: str, key: str, heads: Sequence[Told], begun: Sequence[Begun]) -> Fork | None:
    """The plainest contradiction: two roots of one size, or else another beginning."""
    by_size: dict[int, Told] = {}
    for told in heads:
        first = by_size.setdefault(told.head.size, told)
        if contradict(first.head, told.head):
            return Fork(party, key, first, told, None)
    for one in begun:
        for told in heads:
            if contradict(told.head, one.head, one.shown):
                longer = next((other for other in heads if other.head == one.head), Told(one.head, one.place))
                return Fork(party, key, told, longer, one)
    return None
