# SPDX-License-Identifier: Apache-2.0
"""The journal: nothing put is lost, nothing torn is believed, nothing stands twice; disks that fail in pairs."""

import errno
import os
from pathlib import Path

import pytest

from detente.errors import CannotTell, WrongUsage
from detente.evidence.record import Body, encode_body, parse_body, salt_of
from detente.run import journal as room
from detente.run.journal import Journal, Outcomes, glance, trace_row
from detente.wire.canonical import encode
from detente.wire.digests import sha256
from kit.asking import KEY
from kit.faults import FAILED_WRITES, FailingDisk


def body(i: int, text: str | None = "回复", outcome: str = "replied", *, key: bytes = KEY, **more: object) -> Body:
    item = sha256(b"item %d" % i)
    return Body(i=i, item=item, outcome=outcome, output=text, salt=salt_of(key, i), seed=i, **more)  # type: ignore[arg-type]


def filled(folder: Path, n: int = 20) -> bytes:
    with Journal(folder, KEY) as journal:
        for i in range(n):
            journal.put(body(i, f"回复 {i}"))
    return (folder / "bodies.jsonl").read_bytes()


def test_journal_when_reopened_then_every_body_is_there_in_slot_order_with_its_exact_line(tmp_path: Path) -> None:
    put = [
        body(5, "e"),
        body(2, None, "filtered", reason="content_filter"),
        body(9000, "z", cut=True),
        body(0, None, "failed"),
    ]
    with Journal(tmp_path, KEY) as journal:
        for one in put:
            journal.put(one)
        before = journal.outcomes()
    with Journal(tmp_path, KEY) as journal:
        assert list(journal.done()) == [0, 2, 5, 9000]
        assert len(journal) == 4
        assert 5 in journal
        assert 1 not in journal
        assert 10**9 not in journal
        assert [parsed.i for parsed in journal.bodies()] == [0, 2, 5, 9000]
        assert all(journal.body_line(one.i) == encode_body(one) for one in put)
        assert journal.outcomes() == before == Outcomes(replied=2, cut=1, filtered=1, failed=1)
        assert journal.outcomes().total() == 4
        with pytest.raises(KeyError):
            journal.body_line(1)
    assert glance(tmp_path) == before
    assert glance(tmp_path / "nowhere") == Outcomes()


def test_slot_when_it_is_put_twice_then_it_is_refused_now_and_after_reopening(tmp_path: Path) -> None:
    with Journal(tmp_path, KEY) as journal:
        journal.put(body(1))
        with pytest.raises(ValueError, match="already"):
            journal.put(body(1, "another"))
    with Journal(tmp_path, KEY) as journal, pytest.raises(ValueError, match="already"):
        journal.put(body(1, "another"))
    assert (tmp_path / "bodies.jsonl").read_bytes().count(b"\n") == 1


def test_journal_when_two_want_it_at_once_then_the_second_is_told_so(tmp_path: Path) -> None:
    with Journal(tmp_path, KEY), pytest.raises(WrongUsage, match="journal-busy"):
        Journal(tmp_path, KEY)
    Journal(tmp_path, KEY).close()


@pytest.mark.parametrize("lost", [1, 2, 40, 100])
def test_tail_when_a_crash_tore_it_then_it_is_cut_and_the_slot_is_open_again(lost: int, tmp_path: Path) -> None:
    raw = filled(tmp_path)
    (tmp_path / "bodies.jsonl").write_bytes(raw[:-lost])
    with Journal(tmp_path, KEY) as journal:
        assert list(journal.done()) == list(range(19))
        assert journal.torn_bytes > 0
        journal.put(body(19, "回复 19"))
    assert (tmp_path / "bodies.jsonl").read_bytes() == raw


def test_tail_when_a_power_cut_left_blocks_unwritten_then_it_is_cut_where_they_begin(tmp_path: Path) -> None:
    raw = filled(tmp_path)
    lines = raw.splitlines(keepends=True)
    hole = b"".join(lines[:15]) + bytes(len(b"".join(lines[15:18]))) + b"".join(lines[18:])
    (tmp_path / "bodies.jsonl").write_bytes(hole)
    with Journal(tmp_path, KEY) as journal:
        assert list(journal.done()) == list(range(15))
    assert (tmp_path / "bodies.jsonl").read_bytes() == b"".join(lines[:15])


def test_journal_when_it_is_damaged_before_its_tail_then_it_says_where_and_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = filled(tmp_path)
    monkeypatch.setattr(room, "TAIL", 600)
    for broken in (raw.replace(b'"i":4,', b'"i" :4,'), raw.replace(b'"i":4,', b'"i":3,')):
        (tmp_path / "bodies.jsonl").write_bytes(broken)
        with pytest.raises(CannotTell, match="journal-damaged"):
            Journal(tmp_path, KEY)
        assert (tmp_path / "bodies.jsonl").read_bytes() == broken


def test_journal_when_it_belongs_to_another_run_then_it_is_refused_whole(tmp_path: Path) -> None:
    raw = filled(tmp_path)
    with pytest.raises(CannotTell, match="journal-other"):
        Journal(tmp_path, b"k" * 32)
    (tmp_path / "bodies.jsonl").write_bytes(raw + encode_body(body(20, key=b"k" * 32)) + b"\n")
    with pytest.raises(CannotTell, match="journal-damaged"):
        Journal(tmp_path, KEY)
    assert len((tmp_path / "bodies.jsonl").read_bytes()) > len(raw)


def test_trace_when_its_tail_is_torn_then_it_is_cut_and_its_digest_is_that_of_the_file(tmp_path: Path) -> None:
    with Journal(tmp_path, KEY) as journal:
        assert journal.trace_digest() == sha256(b"")
        journal.note(trace_row(0, 1, 1_700_000_000_000, 20, "server", reason="server_error"))
        journal.note(trace_row(0, 2, 1_700_000_000_100, 21, "replied"))
        assert journal.trace_digest() == sha256((tmp_path / "trace.jsonl").read_bytes())
    whole = (tmp_path / "trace.jsonl").read_bytes()
    (tmp_path / "trace.jsonl").write_bytes(whole + b'{"attempt":1,"i"')
    with Journal(tmp_path, KEY) as journal:
        assert journal.trace_digest() == sha256(whole)
    assert (tmp_path / "trace.jsonl").read_bytes() == whole


def test_trace_row_when_written_flat_then_it_is_what_the_encoder_would_write() -> None:
    assert trace_row(3, 2, 5, 7, "server", reason="a.b") == encode(
        {"attempt": 2, "i": 3, "kind": "server", "ms": 7, "reason": "a.b", "started": 5}
    )
    assert trace_row(3, 2, 5, 7, "truncated", reason="x", used=(8, 0)) == encode(
        {"attempt": 2, "i": 3, "in": 8, "kind": "truncated", "ms": 7, "out": 0, "reason": "x", "started": 5}
    )
    assert trace_row(3, 2, 5, 7, "replied") == encode({"attempt": 2, "i": 3, "kind": "replied", "ms": 7, "started": 5})


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG])
@pytest.mark.parametrize("wrote", FAILED_WRITES)
def test_disk_when_a_write_fails_then_nothing_of_the_line_stays_whatever_was_written(
    wrote: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = filled(tmp_path, 3)
    expected = "disk-fault" if code == errno.EIO else "disk-full"
    with Journal(tmp_path, KEY) as journal:
        monkeypatch.setattr(os, "pwrite", FailingDisk(2, wrote, code).pwrite)
        journal.put(body(3))
        with pytest.raises(CannotTell, match=expected):
            journal.put(body(4))
        with pytest.raises(CannotTell, match=expected):
            journal.put(body(5))
    monkeypatch.undo()
    assert (tmp_path / "bodies.jsonl").read_bytes() == raw + encode_body(body(3)) + b"\n"
    with Journal(tmp_path, KEY) as journal:
        assert list(journal.done()) == [0, 1, 2, 3]


def test_disk_when_a_sync_fails_then_the_next_put_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    with Journal(tmp_path, KEY) as journal:
        monkeypatch.setattr(os, "fdatasync", failing)
        journal.put(body(0))
        journal._syncer.join(5)
        with pytest.raises(CannotTell, match="disk-fault"):
            journal.put(body(1))
        monkeypatch.undo()
    with Journal(tmp_path, KEY) as journal:
        assert list(journal.done()) == [0]


def test_put_when_it_returns_then_another_process_can_read_the_line(tmp_path: Path) -> None:
    with Journal(tmp_path, KEY) as journal:
        journal.put(body(0))
        assert parse_body((tmp_path / "bodies.jsonl").read_bytes().splitlines()[0]).output == "回复"
        assert glance(tmp_path).replied == 1


def test_folder_when_it_cannot_be_written_then_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotTell, match="disk-fault"):
        Journal(tmp_path / "file" / "journal", KEY)


def test_body_when_it_is_beyond_every_line_then_it_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path, KEY) as journal:
        with pytest.raises(CannotTell, match=r"B-9\.body"):
            journal.put(body(0, "x" * (16 * 1024 * 1024)))
        journal.put(body(0, "short"))
    assert glance(tmp_path).replied == 1
