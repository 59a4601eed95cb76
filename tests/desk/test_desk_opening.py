# SPDX-License-Identifier: Apache-2.0
"""Opening records of a finished run: through the index or without it the same bytes, and never another record (A-4)."""

from pathlib import Path

import pytest

from conftest import Stories
from detente.check.audit import check_opening
from detente.desk.audits import open_records
from detente.desk.runs import RunState
from detente.errors import CannotTell
from detente.run.index import NAME, Index
from detente.run.journal import Journal
from kit.labs import Labs


@pytest.fixture
def labs(stories: Stories, tmp_path: Path) -> Labs:
    return stories.at("published").moved(tmp_path)


def root_of(labs: Labs) -> str:
    run = next(run for run in labs.verify().runs if run.test.party == "lab-a")
    assert run.conclude is not None
    return str(run.conclude.root)


def without_index(run: RunState, root: str, slots: list[int]) -> bytes:
    path = run.folder.root / NAME
    kept = path.read_bytes()
    path.unlink()
    try:
        return open_records(run, root, slots)
    finally:
        path.write_bytes(kept)


def test_records_when_opened_with_the_index_or_without_then_they_are_the_same(labs: Labs) -> None:
    run, root = labs.runs["lab-a"], root_of(labs)
    slots = [3, 0, len(run.slots) - 1]
    opened = open_records(run, root, slots)
    assert opened == without_index(run, root, slots)
    assert [record.i for record in check_opening(opened, slots, root, len(run.slots), "o")] == slots


def test_records_when_there_is_an_index_then_neither_headers_nor_journal_are_read_as_a_whole(
    labs: Labs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, root = labs.runs["lab-a"], root_of(labs)
    expected = open_records(run, root, [1])
    index = Index((run.folder.root / NAME).read_bytes(), len(run.slots))
    bodies = run.journal_path() / "bodies.jsonl"
    raw = bodies.read_bytes()
    line = index.body_line(run.journal_path(), 1)
    at = raw.index(line)
    bodies.write_bytes(b"?" * at + line + b"?" * (len(raw) - at - len(line)))
    (run.out().root / "headers.jsonl.gz").write_bytes(b"nothing")
    assert open_records(run, root, [1]) == expected
    with pytest.raises(CannotTell):
        open_records(run, root, [2])


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[:-1],
        lambda raw: raw + b"\0",
        lambda raw: bytes(len(raw)),
        lambda raw: b"\xff" * len(raw),
        lambda raw: raw[12:24] + raw[:12] + raw[24:],
        lambda raw: raw[:-32] + bytes(32),
    ],
    ids=["empty", "shorter", "longer", "zeros", "ones", "another place", "another leaf"],
)
def test_index_when_damaged_then_the_records_are_found_without_it(labs: Labs, damage) -> None:  # type: ignore[no-untyped-def]
    run, root = labs.runs["lab-a"], root_of(labs)
    slots = list(range(len(run.slots)))
    expected = open_records(run, root, slots)
    path = run.folder.root / NAME
    path.write_bytes(damage(path.read_bytes()))
    assert open_records(run, root, slots) == expected


def test_records_when_the_desk_has_other_headers_than_were_signed_then_nothing_is_shown(labs: Labs) -> None:
    with pytest.raises(CannotTell, match="desk-damaged"):
        open_records(labs.runs["lab-a"], "0" * 64, [0])


def test_records_when_a_body_was_changed_then_they_are_not_shown(labs: Labs) -> None:
    run, root = labs.runs["lab-a"], root_of(labs)
    with Journal(run.journal_path(), run.key()) as journal:
        offset, length = journal.place_of(2)
        with pytest.raises(KeyError):
            journal.place_of(len(run.slots))
    bodies = run.journal_path() / "bodies.jsonl"
    raw = bytearray(bodies.read_bytes())
    raw[offset + length - 3] ^= 1
    bodies.write_bytes(bytes(raw))
    with pytest.raises(CannotTell, match="journal"):
        open_records(run, root, [0, 2])
