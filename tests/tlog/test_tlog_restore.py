# SPDX-License-Identifier: Apache-2.0
"""A lost, truncated or damaged log comes back from a mirror, every byte of it verified and nothing signed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tlog_labs import LOG_KEY, NAME, NOW, ORIGIN, WITNESS_KEY, FailingFolder, Lab, entries

from detente.errors import CannotTell, NotVerified
from detente.tlog.folder import Folder
from detente.tlog.log import append_all, finish, read_log
from detente.tlog.restore import Copy, Restored, restore_log
from detente.tlog.witness import known_notes, read_notes, witness_log
from detente.wire.digests import sha256


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A log of 300 entries and one more, as the mirror saw it."""
    lab = Lab(tmp_path / "now")
    append_all(lab.log, lab.pending, entries(300), lab.signer, ORIGIN, ())
    lab.witness(NOW)
    lab.add(b"newest")
    lab.witness(NOW + 60)
    return lab


def _restore(lab: Lab) -> Restored:
    return restore_log(lab.log, ORIGIN, LOG_KEY.public, [Copy(lab.mirror, lab.notes())])


def _files(folder: Folder) -> dict[str, bytes]:
    return {name: folder.read(name) for name in folder.names()}


def _older(lab: Lab) -> None:
    """The log and the pending entries as a backup brings them back."""
    older = Lab(lab.root.with_name("old"))
    append_all(older.log, older.pending, entries(260), older.signer, ORIGIN, ())
    shutil.rmtree(lab.log.root)
    shutil.copytree(older.log.root, lab.log.root)


def _cut_tile(lab: Lab) -> None:
    path = lab.log.root / "tile/entries/000"
    path.write_bytes(path.read_bytes()[:-40])


def _bent_tile(lab: Lab) -> None:
    path = lab.log.root / "tile/0/000"
    path.write_bytes(bytes(len(path.read_bytes())))


LOSSES: dict[str, Callable[[Lab], object]] = {
    "all of it": lambda lab: shutil.rmtree(lab.log.root),
    "the checkpoint": lambda lab: lab.log.drop("checkpoint"),
    "an older backup": _older,
    "a bundle cut": _cut_tile,
    "a tile of zeros": _bent_tile,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_restore_when_a_log_is_lost_or_damaged_then_it_is_byte_for_byte_what_it_was(lab: Lab, loss: str) -> None:
    before, signed = _files(lab.log), len(lab.signer.messages)
    LOSSES[loss](lab)
    done = _restore(lab)
    assert _files(lab.log) == before
    assert (done.view.size, done.source) == (301, lab.mirror)
    assert done.before == (260 if loss == "an older backup" else 0)
    assert len(lab.signer.messages) == signed, "a restored log is signed already"
    assert lab.add(b"next", seen=tuple(known_notes(lab.mirror, ORIGIN, LOG_KEY.public))).size == 302


def test_restore_when_nothing_is_missing_then_nothing_is_touched(lab: Lab) -> None:
    lab.add(b"not mirrored yet")
    before = _files(lab.log)
    assert _restore(lab)._replace(view=None) == (None, 302, None)
    assert _files(lab.log) == before


@pytest.mark.parametrize("after", [False, True], ids=["failed-and-not-written", "failed-but-written"])
# What it writes: a bundle, a tile, the checkpoint; then two partial files of the backup go.
@pytest.mark.parametrize("nth", range(1, 6))
def test_restore_when_it_crashes_then_the_next_one_carries_on(lab: Lab, nth: int, *, after: bool) -> None:
    before = _files(lab.log)
    _older(lab)
    healthy = lab.log
    broken = lab.log = FailingFolder(healthy.root, healthy.name)
    broken.fail_at, broken.after = nth, after
    with pytest.raises(CannotTell, match="disk-"):
        _restore(lab)
    lab.log = healthy
    _restore(lab)
    assert _files(lab.log) == before


def test_restore_when_an_append_had_come_to_nothing_then_its_tiles_are_cleared_away(lab: Lab) -> None:
    """Tiles beyond every checkpoint, and the pending entry lost with the old desk: the next append would stumble on them."""
    whole = _files(lab.log)
    (lab.log.root / "tile/0/001.p/46").write_bytes(bytes(46 * 32))
    shutil.rmtree(lab.log.root / "tile/entries")
    _restore(lab)
    assert _files(lab.log) == whole


def test_restore_when_own_checkpoint_knows_more_than_any_mirror_then_nothing_is_changed(lab: Lab) -> None:
    """To go back to what the mirrors have, and to sign from there, would be a fork."""
    lab.add(b"not mirrored yet")
    shutil.rmtree(lab.log.root / "tile")
    before = _files(lab.log)
    with pytest.raises(CannotTell) as caught:
        _restore(lab)
    assert (caught.value.code, caught.value.expected, caught.value.got) == ("restore-behind", 302, 301)
    assert _files(lab.log) == before


def test_restore_when_nobody_holds_anything_then_it_says_so(lab: Lab) -> None:
    shutil.rmtree(lab.log.root)
    with pytest.raises(CannotTell, match="restore-none"):
        restore_log(lab.log, ORIGIN, LOG_KEY.public, [Copy(lab.mirror, [])])
    with pytest.raises(CannotTell, match="restore-none"):
        restore_log(lab.log, ORIGIN, LOG_KEY.public, [])


def test_restore_when_two_mirrors_hold_two_histories_then_it_chooses_none(lab: Lab, tmp_path: Path) -> None:
    other = Lab(tmp_path / "other")
    append_all(other.log, other.pending, [*entries(299), b"another history"], other.signer, ORIGIN, ())
    other.witness()
    shutil.rmtree(lab.log.root)
    copies = [Copy(lab.mirror, lab.notes()), Copy(other.mirror, other.notes())]
    for order in (copies, copies[::-1]):
        with pytest.raises(NotVerified, match=r"L-6\.fork"):
            restore_log(lab.log, ORIGIN, LOG_KEY.public, order)
    assert lab.log.names() == []


def test_restore_when_own_log_is_another_history_then_it_is_not_overwritten(lab: Lab, tmp_path: Path) -> None:
    """A backup that was added to: two histories are signed, and hiding one would not undo it."""
    forked = Lab(tmp_path / "forked")
    append_all(forked.log, forked.pending, [*entries(260), b"added to a backup"], forked.signer, ORIGIN, ())
    lab.log = forked.log
    before = _files(lab.log)
    with pytest.raises(NotVerified, match=r"L-6\.fork"):
        _restore(lab)
    assert _files(lab.log) == before


def test_restore_when_an_entry_waits_in_pending_then_it_comes_next_unless_the_mirror_has_it(lab: Lab) -> None:
    for entry in (b"newest", b"never logged"):
        lab.pending.create(sha256(entry), entry)
    shutil.rmtree(lab.log.root)
    _restore(lab)
    view = finish(lab.log, lab.pending, lab.signer, ORIGIN, known_notes(lab.mirror, ORIGIN, LOG_KEY.public))
    assert view.entries == (*entries(300), b"newest", b"never logged")
    assert view == read_log(lab.log, ORIGIN, LOG_KEY.public)


def test_known_notes_when_a_mirror_is_half_there_then_what_can_be_read_still_warns(lab: Lab) -> None:
    """A mirror that does not verify as a whole is no reason to sign blindly; one that is cut off is a reason to wait."""
    shutil.rmtree(lab.mirror.root / "tile")
    (lab.mirror.root / "notes/00000000000000000009").write_bytes(b"whole and wrong\n\n\xe2\x80\x94 x y\n")
    notes = known_notes(lab.mirror, ORIGIN, LOG_KEY.public)
    assert len(notes) == 3
    _older(lab)
    with pytest.raises(NotVerified, match=r"L-6\.ahead"):
        lab.add(b"forks", seen=tuple(notes))
    newest = lab.mirror.root / "notes/00000000000000000301"
    newest.write_bytes(newest.read_bytes()[:-30])
    with pytest.raises(CannotTell, match="file-cut"):
        known_notes(lab.mirror, ORIGIN, LOG_KEY.public)


def test_mirror_of_a_second_witness_when_read_by_the_owner_then_it_restores_too(lab: Lab) -> None:
    """Any one verified mirror will do, an observer's as well as a party's."""
    mirror, state = Folder(lab.root / "observer/mirror"), Folder(lab.root / "observer/state")
    witness_log(lab.log, ORIGIN, LOG_KEY.public, NAME, WITNESS_KEY, state, mirror, NOW + 90)
    before = _files(lab.log)
    shutil.rmtree(lab.log.root)
    notes = read_notes(mirror, ORIGIN, LOG_KEY.public, {NAME: WITNESS_KEY.public})
    restore_log(lab.log, ORIGIN, LOG_KEY.public, [Copy(mirror, notes)])
    assert _files(lab.log) == before
