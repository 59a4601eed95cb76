# SPDX-License-Identifier: Apache-2.0
"""Adding to a log: a crash at any step, in pairs (did not write, did write), and what others know better."""

from pathlib import Path

import pytest
from tlog_labs import LOG_KEY, ORIGIN, FailingFolder, Lab, entries

from detente.errors import CannotTell, Malformed, NotVerified
from detente.tlog.log import append, append_all, finish, prune, read_log
from detente.wire.keys import SigningKey
from detente.wire.merkle import hash_leaves, root
from detente.wire.note import Checkpoint, cosign, sign_checkpoint
from detente.wire.tiles import tile_files

# What one append writes, in order (L-5): pending, bundle, tile, checkpoint, pending dropped, and the older tile and bundle.
STEPS = {"pending": 1, "bundle": 1, "tile": 2, "checkpoint": 3, "drop": 2, "prune-first": 4, "prune-second": 5}


def _broken(lab: Lab, step: str, *, after: bool) -> None:
    name = "pending" if step in ("pending", "drop") else "log"
    healthy = getattr(lab, name)
    broken = FailingFolder(healthy.root, healthy.name)
    broken.fail_at, broken.after = STEPS[step], after
    setattr(lab, name, broken)


def _mended(lab: Lab) -> None:
    fresh = Lab(lab.root)
    lab.log, lab.pending = fresh.log, fresh.pending


def _tiles(lab: Lab) -> set[str]:
    return {name for name in lab.log.names() if name.startswith("tile/")}


@pytest.mark.parametrize("after", [False, True], ids=["failed-and-not-written", "failed-but-written"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("same", [False, True], ids=["then-another-entry", "then-the-same-entry"])
def test_append_when_it_crashes_then_the_next_one_carries_on_and_nothing_is_twice(
    tmp_path: Path, step: str, *, after: bool, same: bool
) -> None:
    lab = Lab(tmp_path)
    lab.add(*entries(2))
    _broken(lab, step, after=after)
    with pytest.raises(CannotTell, match="disk-"):
        lab.add(b"interrupted")
    read_log(lab.log, ORIGIN, LOG_KEY.public)  # whatever lies there now, readers see a whole log
    _mended(lab)
    view = lab.add(b"interrupted" if same else b"next")
    assert _tiles(lab) == {path for path, _ in tile_files(view.entries, view.leaf_hashes)}
    # It was never promised if it did not even reach pending/.
    kept = [b"interrupted"] if same or (step, after) != ("pending", False) else []
    assert list(view.entries) == [*entries(2), *kept, *([] if same else [b"next"])]
    assert read_log(lab.log, ORIGIN, LOG_KEY.public) == view
    assert lab.pending.names() == []
    by_size: dict[int, set[bytes]] = {}
    for size, message in lab.heads_signed():
        by_size.setdefault(size, set()).add(message)
    assert all(len(messages) == 1 for messages in by_size.values()), "two heads of one size were signed"


# What a batch of 300 behind 2 entries writes: pending; 2 bundles, 3 tiles, checkpoint; pending dropped; 2 older files.
BATCH = {
    "pending": ("pending", 1), "bundle": ("log", 1), "second-bundle": ("log", 2), "tile": ("log", 3), "top": ("log", 5),
    "checkpoint": ("log", 6), "drop": ("pending", 2), "prune": ("log", 7),
}  # fmt: skip


@pytest.mark.parametrize("after", [False, True], ids=["failed-and-not-written", "failed-but-written"])
@pytest.mark.parametrize("step", BATCH)
def test_append_all_when_it_crashes_then_all_of_it_is_there_once_in_its_order_under_one_checkpoint(
    tmp_path: Path, step: str, *, after: bool
) -> None:
    lab, batch = Lab(tmp_path), [b"of the batch %d" % i for i in range(300)]
    lab.add(*entries(2))
    where, nth = BATCH[step]
    healthy = getattr(lab, where)
    broken = FailingFolder(healthy.root, healthy.name)
    broken.fail_at, broken.after = nth, after
    setattr(lab, where, broken)
    with pytest.raises(CannotTell, match="disk-"):
        append_all(lab.log, lab.pending, batch, lab.signer, ORIGIN, ())
    read_log(lab.log, ORIGIN, LOG_KEY.public)
    _mended(lab)
    view = lab.add(b"next")
    kept = batch if (step, after) != ("pending", False) else []
    assert list(view.entries) == [*entries(2), *kept, b"next"]
    assert read_log(lab.log, ORIGIN, LOG_KEY.public) == view
    assert lab.pending.names() == []
    assert _tiles(lab) == {path for path, _ in tile_files(view.entries, view.leaf_hashes)}
    sizes = dict(lab.heads_signed())
    assert set(lab.heads_signed()) == set(sizes.items()), "two heads of one size were signed"
    assert set(sizes) == {1, 2, *([302] if kept else []), view.size}


def test_append_all_when_some_are_there_or_come_twice_then_each_is_in_the_log_once(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.add(*entries(2))
    given = [b"new", entries(2)[1], b"newer", b"new"]
    view = append_all(lab.log, lab.pending, given, lab.signer, ORIGIN, ())
    assert list(view.entries) == [*entries(2), b"new", b"newer"]
    assert [size for size, _ in lab.heads_signed()] == [1, 2, 4]
    assert append_all(lab.log, lab.pending, given, lab.signer, ORIGIN, ()) == view
    assert append_all(lab.log, lab.pending, [], lab.signer, ORIGIN, ()) == view
    with pytest.raises(Malformed, match=r"B-9\.entry"):
        append_all(lab.log, lab.pending, [b"fits", bytes(65_536)], lab.signer, ORIGIN, ())
    assert (lab.pending.names(), lab.head()) == ([], 4)


def test_log_when_300_entries_came_one_by_one_then_it_is_as_small_as_if_they_had_come_at_once(tmp_path: Path) -> None:
    """Every partial tile that was ever written used to stay: 42 MB. (The first 200 come at once, to save the test's time.)"""
    one, many = Lab(tmp_path / "one"), Lab(tmp_path / "many")
    written = [b"%d %s" % (i, bytes(1200)) for i in range(300)]
    append_all(one.log, one.pending, written[:200], one.signer, ORIGIN, ())
    for entry in written[200:]:
        one.add(entry)
    append_all(many.log, many.pending, written, many.signer, ORIGIN, ())
    assert one.log.names() == many.log.names()
    size = sum(path.stat().st_size for path in one.log.root.rglob("*") if path.is_file())
    assert size < 300 * (1200 + 100) + 20_000
    one.witness()
    mirrored = sum(path.stat().st_size for path in one.mirror.root.rglob("*") if path.is_file())
    assert mirrored < size + 2_000


def test_prune_when_the_larger_file_is_not_there_then_nothing_is_removed(tmp_path: Path) -> None:
    """A copy where tiles are missing keeps what it has; what is beyond the checkpoint is not touched either."""
    lab = Lab(tmp_path)
    lab.add(*entries(3))
    for size in (2, 5):
        for path, raw in tile_files(entries(size), hash_leaves(entries(size))):
            lab.log.create(path, raw)
    lab.log.drop("tile/0/000.p/3")
    lab.log.drop("tile/0/000.p/5")
    prune(lab.log, 3)
    assert _tiles(lab) == {"tile/entries/000.p/3", "tile/entries/000.p/5", "tile/0/000.p/2"}


@pytest.mark.parametrize("path", ["tile/entries", "tile/0", "checkpoint"])
def test_append_when_the_disk_stays_full_then_the_entry_waits_and_no_other_overtakes_it(
    tmp_path: Path, path: str
) -> None:
    lab = Lab(tmp_path)
    lab.add(*entries(1))
    healthy, lab.log = lab.log, FailingFolder(lab.log.root)
    lab.log.fail_path = path
    for entry in (b"first", b"second", b"second"):
        with pytest.raises(CannotTell, match="disk-full"):
            lab.add(entry)
    assert len(lab.pending.names()) == 1
    lab.log = healthy
    assert lab.add(b"third").entries == (*entries(1), b"first", b"third")


def test_finish_when_a_crash_left_an_entry_then_it_is_in_the_log_before_anything_new(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    assert finish(lab.log, lab.pending, lab.signer, ORIGIN, ()).size == 0
    lab.add(*entries(1))
    _broken(lab, "checkpoint", after=False)
    with pytest.raises(CannotTell):
        lab.add(b"interrupted")
    _mended(lab)
    assert finish(lab.log, lab.pending, lab.signer, ORIGIN, ()).entries[-1] == b"interrupted"
    assert lab.pending.names() == []


def test_append_when_killed_while_writing_then_leftovers_are_swept(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.add(*entries(1))
    for folder in (lab.log, lab.pending):
        (folder.root / ".checkpoint.0a1b2c3d.tmp").write_bytes(b"half")
    lab.add(b"next")
    assert ".checkpoint.0a1b2c3d.tmp" not in lab.log.names()
    assert lab.pending.names() == []


def test_append_when_pending_entry_is_damaged_then_cannot_tell_and_nothing_signed(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.add(*entries(1))
    lab.pending.create("ab" * 32, b"not what the name says")
    with pytest.raises(CannotTell, match="file-cut"):
        lab.add(b"next")
    assert len(lab.signer.messages) == 1


def test_append_when_entry_is_there_already_then_the_log_stays_as_it_is(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    first = lab.add(*entries(3))
    assert lab.add(entries(3)[1]) == first
    assert [size for size, _ in lab.heads_signed()] == [1, 2, 3]


def test_append_when_own_log_was_changed_then_not_verified_and_nothing_signed(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.add(*entries(2))
    bundle = lab.log.root / "tile/entries/000.p/2"
    bundle.write_bytes(bundle.read_bytes().replace(b'"entry":1', b'"entry":7'))
    with pytest.raises(NotVerified, match=r"L-1\.entries"):
        lab.add(b"next")
    assert len(lab.signer.messages) == 2


def test_append_when_past_a_full_tile_then_reads_back(tmp_path: Path) -> None:
    lab, all_entries = Lab(tmp_path), entries(255)
    leaves = hash_leaves(all_entries)
    for path, raw in tile_files(all_entries, leaves):
        lab.log.create(path, raw)
    lab.log.create("checkpoint", sign_checkpoint(Checkpoint(ORIGIN, 255, root(leaves).hex()), LOG_KEY))
    view = lab.add(b"256th", b"257th")
    assert view == read_log(lab.log, ORIGIN, LOG_KEY.public)
    assert {"tile/entries/000", "tile/0/000", "tile/1/000.p/1", "tile/0/001.p/1"} <= set(lab.log.names())


# Rule L-6: what others hold of this log is compared before anything is signed.


def _restored(lab: Lab, size: int) -> None:
    """The log as an old backup brings it back, with its desk."""
    shorter = Lab(lab.root.with_name("old"))
    shorter.add(*entries(size))
    lab.log, lab.pending = shorter.log, shorter.pending


def test_append_when_others_hold_more_then_nothing_is_signed(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "now")
    lab.add(*entries(3))
    newest = lab.log.read("checkpoint")
    _restored(lab, 2)
    signed = len(lab.signer.messages)
    with pytest.raises(NotVerified) as caught:
        lab.add(b"forks", seen=(newest,))
    assert (caught.value.code, caught.value.expected, caught.value.got) == ("L-6.ahead", 3, 2)
    assert len(lab.signer.messages) == signed
    assert lab.pending.names() == []


def test_append_when_the_whole_log_is_gone_but_others_hold_it_then_nothing_is_signed(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "now")
    lab.add(*entries(3))
    empty = Lab(tmp_path / "new")
    with pytest.raises(NotVerified, match=r"L-6\.ahead"):
        empty.add(b"forks", seen=(lab.log.read("checkpoint"),))
    assert empty.signer.messages == []


def test_append_when_others_hold_another_history_then_nothing_is_signed(tmp_path: Path) -> None:
    lab, other = Lab(tmp_path / "now"), Lab(tmp_path / "other")
    lab.add(*entries(3))
    other.add(entries(1)[0], b"another second entry")
    signed = len(lab.signer.messages)
    with pytest.raises(NotVerified, match=r"L-6\.fork"):
        lab.add(b"next", seen=(other.log.read("checkpoint"),))
    assert len(lab.signer.messages) == signed


def test_append_when_others_hold_beginnings_or_foreign_notes_then_it_goes_on(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    notes = []
    for entry in entries(3):
        lab.add(entry)
        notes.append(cosign(lab.log.read("checkpoint"), "lab-b.example/witness", SigningKey(b"w" * 32), 9))
    foreign = sign_checkpoint(Checkpoint(ORIGIN, 99, "ab" * 32), SigningKey(b"x" * 32))
    view = append(lab.log, lab.pending, b"next", lab.signer, ORIGIN, [*notes, foreign, b"garbage", b""])
    assert view.size == 4
