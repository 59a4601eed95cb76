# SPDX-License-Identifier: Apache-2.0
"""The witness rule: cosign what only grew, keep proof of a fork, refuse a rollback, survive a crash and a backup."""

import shutil
from pathlib import Path

import pytest
from test_tlog_read import _cut_everywhere, _flip_everywhere
from tlog_labs import LOG_KEY, NAME, NOW, ORIGIN, WITNESS_KEY, FailingFolder, Lab, entries

from detente.errors import CannotTell, NotVerified
from detente.tlog.folder import Folder
from detente.tlog.log import read_log
from detente.tlog.witness import (
    check_history,
    note_path,
    read_beginnings,
    read_forks,
    read_notes,
    state_path,
    witness_log,
)
from detente.wire.digests import sha256
from detente.wire.fork import contradict
from detente.wire.keys import SigningKey
from detente.wire.merkle import hash_leaves, root
from detente.wire.note import Checkpoint, cosign, cosignatures, sign_checkpoint


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path / "one")
    lab.add(*entries(2))
    lab.witness(NOW)
    return lab


def _replace_log(lab: Lab, *new_entries: bytes) -> None:
    """What the owner shows from now on: another log under the same key."""
    shutil.rmtree(lab.log.root)
    other = Lab(lab.root.with_name("other"))
    other.add(*new_entries)
    shutil.copytree(other.log.root, lab.log.root)
    shutil.rmtree(other.root)


def test_witness_when_the_log_grows_then_notes_tiles_and_checkpoint(lab: Lab) -> None:
    first = lab.notes()[0]
    assert (first.witness, first.size, first.at) == (NAME, 2, NOW)
    lab.add(b"third")
    cosigned = lab.witness(NOW + 60)
    assert (cosigned.size, cosigned.at, cosigned.grew) == (3, NOW + 60, True)
    assert [note.size for note in lab.notes()] == [2, 3]
    raw = lab.mirror.read(note_path(3))
    assert note_path(3) == "notes/00000000000000000003"
    assert sha256(raw) == cosigned.digest == lab.notes()[1].digest
    assert raw == lab.mirror.read("checkpoint") == lab.state.read(state_path(ORIGIN))
    assert lab.mirror.read("tile/entries/000.p/3") == lab.log.read("tile/entries/000.p/3")
    view = read_log(lab.log, ORIGIN, LOG_KEY.public)
    check_history(view, lab.notes())
    assert cosigned.root == view.root


def test_witness_when_nothing_is_new_then_the_same_note_and_no_new_signature(lab: Lab) -> None:
    signed, files = len(lab.witness_signer.messages), lab.mirror.names()
    again = lab.witness(NOW + 999)
    assert (again.at, again.grew) == (NOW, False)
    assert len(lab.witness_signer.messages) == signed == 1
    assert lab.mirror.names() == files


def test_witness_when_same_size_other_root_then_both_notes_are_kept_and_none_signed(lab: Lab) -> None:
    before = lab.mirror.read("checkpoint")
    _replace_log(lab, entries(1)[0], b"another second entry")
    with pytest.raises(NotVerified) as caught:
        lab.witness(NOW + 60)
    assert (caught.value.code, caught.value.step) == ("L-2.fork", "V-2")
    assert len(lab.witness_signer.messages) == 1
    proof = read_forks(lab.mirror, ORIGIN, LOG_KEY.public)
    assert {head.size for head, _ in proof} == {2}
    assert len({head.root for head, _ in proof}) == 2
    assert before in [raw for _, raw in proof]
    assert lab.mirror.read("checkpoint") == before
    lab.notes()  # the mirror itself still holds


def test_witness_when_longer_log_with_another_beginning_then_fork(lab: Lab) -> None:
    _replace_log(lab, entries(1)[0], b"another second entry", b"third")
    with pytest.raises(NotVerified, match=r"L-2\.fork"):
        lab.witness(NOW + 60)
    _check_proof(lab, 2, 3)
    assert len(lab.witness_signer.messages) == 1


def _check_proof(lab: Lab, size: int, longer: int) -> None:
    """Two notes of two sizes, and what shows that the longer one began otherwise: nothing else is needed."""
    heads = [head for head, _ in read_forks(lab.mirror, ORIGIN, LOG_KEY.public)]
    [(head, shown)] = read_beginnings(lab.mirror, ORIGIN, LOG_KEY.public)
    assert sorted(one.size for one in heads) == [size, longer]
    assert (head.size, shown.size) == (longer, size)
    assert contradict(*heads, shown)
    assert not contradict(*heads)
    assert not contradict(head, head, shown)


def test_limit_when_the_owner_lost_what_no_witness_held_then_other_entries_in_its_place_go_unseen(lab: Lab) -> None:
    """Not a defence: two heads of size 3 were signed, and whoever kept the first is the only one to know."""
    lab.add(b"a third entry that nobody else held")
    first = lab.log.read("checkpoint")
    _replace_log(lab, *entries(2), b"another third entry")
    assert lab.log.read("checkpoint") != first
    assert (lab.witness(NOW + 60).size, lab.witness(NOW + 60).grew) == (3, False)
    assert read_forks(lab.mirror, ORIGIN, LOG_KEY.public) == []


def test_witness_when_shorter_log_then_rollback_or_fork_if_its_root_never_was(lab: Lab) -> None:
    _replace_log(lab, entries(1)[0])
    with pytest.raises(NotVerified) as caught:
        lab.witness(NOW + 60)
    assert (caught.value.code, caught.value.expected, caught.value.got) == ("L-2.rollback", 2, 1)
    assert lab.mirror.names("fork") == []
    _replace_log(lab, b"another first entry")
    with pytest.raises(NotVerified, match=r"L-2\.fork"):
        lab.witness(NOW + 60)
    _check_proof(lab, 1, 2)
    assert len(lab.witness_signer.messages) == 1


def test_witness_when_its_clock_went_back_then_nothing_is_signed_until_it_caught_up(lab: Lab) -> None:
    lab.add(b"third")
    with pytest.raises(CannotTell, match=r"L-2\.clock"):
        lab.witness(NOW - 1)
    assert lab.witness(NOW - 0).size == 3
    assert lab.witness(NOW - 60).grew is False  # nothing new, nothing to sign


def test_witness_when_a_stranger_lies_among_its_notes_then_its_largest_note_still_counts(lab: Lab) -> None:
    shutil.rmtree(lab.state.root)
    (lab.mirror.root / "checkpoint").unlink()
    (lab.mirror.root / "notes" / "zzz (copy of a sync program)").write_bytes(b"?")
    _replace_log(lab, entries(1)[0])
    with pytest.raises(NotVerified, match=r"L-2\.rollback"):
        lab.witness(NOW + 60)


def test_witness_when_the_fork_hides_its_tiles_then_caught_by_its_checkpoint(lab: Lab) -> None:
    _replace_log(lab, entries(1)[0], b"another second entry")
    shutil.rmtree(lab.log.root / "tile")
    with pytest.raises(NotVerified, match=r"L-2\.fork"):
        lab.witness(NOW + 60)


def test_witness_when_log_signature_is_bad_or_tiles_are_cut_then_nothing_is_signed(lab: Lab) -> None:
    lab.add(b"third")
    path = lab.log.root / "tile/entries/000.p/3"
    raw = path.read_bytes()
    path.write_bytes(raw[:-1])
    with pytest.raises(CannotTell, match="file-cut"):
        lab.witness(NOW + 60)
    path.write_bytes(raw)
    head = Checkpoint(ORIGIN, 3, root(hash_leaves([*entries(2), b"third"])).hex())
    (lab.log.root / "checkpoint").write_bytes(sign_checkpoint(head, SigningKey(b"x" * 32)))
    with pytest.raises(NotVerified, match=r"L-1\.signature"):
        lab.witness(NOW + 60)
    assert len(lab.witness_signer.messages) == 1


@pytest.mark.parametrize("lost", ["state", "mirror"])
def test_witness_when_state_or_mirror_came_from_a_backup_then_the_larger_one_holds(lab: Lab, lost: str) -> None:
    lab.add(b"third")
    lab.witness(NOW + 60)
    shutil.rmtree(lab.state.root if lost == "state" else lab.mirror.root)
    _replace_log(lab, *entries(2))
    with pytest.raises(NotVerified, match=r"L-2\.rollback"):
        lab.witness(NOW + 120)
    _replace_log(lab, *entries(2), b"third")
    again = lab.witness(NOW + 120)
    assert (again.size, again.at, again.grew) == (3, NOW + 60, False)
    assert lab.state.read(state_path(ORIGIN)) == lab.mirror.read("checkpoint")
    assert lab.notes()[-1].size == 3
    assert len(lab.witness_signer.messages) == 2


def test_witness_when_state_and_mirror_contradict_each_other_then_fork(lab: Lab) -> None:
    _replace_log(lab, entries(1)[0], b"another second entry")
    note = cosign(lab.log.read("checkpoint"), NAME, WITNESS_KEY, NOW)
    (lab.state.root / state_path(ORIGIN)).write_bytes(note)
    with pytest.raises(NotVerified, match=r"L-2\.fork"):
        lab.witness(NOW + 60)
    assert note in [raw for _, raw in read_forks(lab.mirror, ORIGIN, LOG_KEY.public)]


# What one cosigning writes: two tiles into the mirror, the state, the note, the checkpoint; then two old tiles go.
@pytest.mark.parametrize("after", [False, True], ids=["failed-and-not-written", "failed-but-written"])
@pytest.mark.parametrize(
    ("where", "nth"),
    [("mirror", 1), ("mirror", 2), ("state", 1), ("mirror", 3), ("mirror", 4), ("mirror", 5), ("mirror", 6)],
)
def test_witness_when_it_crashes_then_it_repeats_itself_and_never_contradicts_itself(
    lab: Lab, where: str, nth: int, *, after: bool
) -> None:
    lab.add(b"third")
    healthy = getattr(lab, where)
    broken = FailingFolder(healthy.root, healthy.name)
    broken.fail_at, broken.after = nth, after
    setattr(lab, where, broken)
    with pytest.raises(CannotTell, match="disk-"):
        lab.witness(NOW + 60)
    setattr(lab, where, healthy)
    left = note_path(3) in lab.mirror.names() or lab.mirror.read("checkpoint").count(b"\n3\n")
    if left:  # the line left the house: then the private state knew of it before
        assert b"\n3\n" in lab.state.read(state_path(ORIGIN))
    durable = b"\n3\n" in lab.state.read(state_path(ORIGIN))
    again = lab.witness(NOW + 120)
    assert again.at == (NOW + 60 if durable else NOW + 120)
    assert again.grew is not durable
    assert [note.size for note in lab.notes()] == [2, 3]
    assert cosignatures(lab.mirror.read("checkpoint"), {NAME: WITNESS_KEY.public}) == [(NAME, again.at)]


def test_witness_when_other_lines_stand_under_the_checkpoint_then_they_are_not_copied(lab: Lab) -> None:
    lab.add(b"third")
    path = lab.log.root / "checkpoint"
    path.write_bytes(cosign(path.read_bytes(), "someone.example", SigningKey(b"s" * 32), 5))
    lab.witness(NOW + 60)
    assert lab.mirror.read("checkpoint").count("—".encode()) == 2


# Reading a mirror.


def test_mirror_when_any_byte_of_any_file_is_flipped_then_not_verified(lab: Lab) -> None:
    lab.add(b"third")
    lab.witness(NOW + 60)
    flips = _flip_everywhere(lab.mirror, lab.notes)
    assert flips > 1000


def test_mirror_when_any_file_is_cut_or_missing_then_cannot_tell(lab: Lab) -> None:
    lab.add(b"third")
    lab.witness(NOW + 60)
    needed = {"checkpoint", note_path(3), "tile/entries/000.p/3", "tile/0/000.p/3"}
    _cut_everywhere(lab.mirror, lab.notes, needed.__contains__)


def test_mirror_when_empty_then_no_notes_and_without_checkpoint_cannot_tell(lab: Lab) -> None:
    assert read_notes(Folder(lab.root / "nowhere"), ORIGIN, LOG_KEY.public, {NAME: WITNESS_KEY.public}) == []
    (lab.mirror.root / "checkpoint").unlink()
    with pytest.raises(CannotTell, match="file-missing"):
        lab.notes()
    shutil.rmtree(lab.mirror.root / "notes")
    with pytest.raises(CannotTell, match="file-missing"):
        lab.notes()


def test_mirror_when_copied_half_way_then_cannot_tell(lab: Lab) -> None:
    older = lab.mirror.read("checkpoint")
    lab.add(b"third")
    lab.witness(NOW + 60)
    newer = lab.mirror.read("checkpoint")
    (lab.mirror.root / "checkpoint").write_bytes(older)
    with pytest.raises(CannotTell, match="mirror-behind"):
        lab.notes()
    (lab.mirror.root / "checkpoint").write_bytes(newer)
    (lab.mirror.root / note_path(3)).unlink()
    with pytest.raises(CannotTell, match="file-missing"):
        lab.notes()


def test_mirror_when_the_later_note_of_one_size_has_not_come_then_cannot_tell(lab: Lab) -> None:
    """A copy in any order: the checkpoint is there, and of its size only the first note. Found by the stateful test."""
    witness_log(
        lab.log, ORIGIN, LOG_KEY.public, NAME, lab.witness_signer, lab.state, lab.mirror, NOW + 60, since=NOW + 30
    )
    lab.notes()
    later = note_path(2, NOW + 60)
    raw = lab.mirror.read(later)
    lab.mirror.drop(later)
    with pytest.raises(CannotTell) as caught:
        lab.notes()
    assert (caught.value.code, caught.value.place) == ("file-missing", lab.mirror.place(later))
    # another root at that size is no half copy: this witness cosigned two histories
    lab.mirror.create(later, raw)
    head = Checkpoint(ORIGIN, 2, sha256(b"another tree"))
    lie = cosign(sign_checkpoint(head, LOG_KEY), NAME, WITNESS_KEY, NOW + 90)
    (lab.mirror.root / "checkpoint").write_bytes(lie)
    with pytest.raises(NotVerified, match=r"L-4\.checkpoint"):
        lab.notes()


def test_mirror_when_notes_are_renamed_or_replaced_then_not_verified(lab: Lab) -> None:
    note = lab.mirror.root / note_path(2)
    raw = note.read_bytes()
    note.rename(lab.mirror.root / note_path(3))
    with pytest.raises(NotVerified, match=r"L-4\.note"):
        lab.notes()
    (lab.mirror.root / note_path(3)).rename(note)
    head = lab.log.read("checkpoint")
    note.write_bytes(cosign(head, NAME, WITNESS_KEY, NOW + 1))
    with pytest.raises(NotVerified, match=r"L-4\.checkpoint"):
        lab.notes()
    note.write_bytes(head)  # the owner of the mirror never signed this one, or it is cut
    with pytest.raises(CannotTell, match="file-cut"):
        lab.notes()
    note.write_bytes(cosign(head, "someone.example", SigningKey(b"s" * 32), NOW))
    with pytest.raises(NotVerified, match=r"L-3\.cosignature"):
        lab.notes()
    note.write_bytes(raw)
    lab.notes()


def test_mirror_when_an_earlier_note_is_of_another_history_then_not_verified(lab: Lab) -> None:
    lie = Checkpoint(ORIGIN, 1, sha256(b"another tree"))
    lab.mirror.create(note_path(1), cosign(sign_checkpoint(lie, LOG_KEY), NAME, WITNESS_KEY, NOW))
    with pytest.raises(NotVerified, match=r"L-3\.history"):
        lab.notes()


def test_fork_file_when_not_named_by_its_digest_then_not_verified(lab: Lab) -> None:
    lab.mirror.create("fork/" + "ab" * 32, lab.log.read("checkpoint"))
    with pytest.raises(NotVerified, match=r"L-4\.fork"):
        read_forks(lab.mirror, ORIGIN, LOG_KEY.public)


def test_history_when_the_log_was_replaced_then_its_notes_tell(lab: Lab) -> None:
    seen = lab.notes()
    _replace_log(lab, *entries(1))
    with pytest.raises(NotVerified) as caught:
        check_history(read_log(lab.log, ORIGIN, LOG_KEY.public), seen)
    assert (caught.value.code, caught.value.fields["witness"]) == ("L-3.rollback", NAME)
    _replace_log(lab, entries(1)[0], b"another second entry", b"third")
    with pytest.raises(NotVerified) as caught:
        check_history(read_log(lab.log, ORIGIN, LOG_KEY.public), seen)
    assert (caught.value.code, caught.value.fields["size"]) == ("L-3.history", 2)
