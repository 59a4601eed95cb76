# SPDX-License-Identifier: Apache-2.0
"""Reading a log: no byte of it can change unseen, and a file that is missing or cut accuses nobody."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tlog_labs import LOG_KEY, ORIGIN, Lab, entries

from detente.errors import CannotTell, Malformed, NotVerified
from detente.tlog.folder import Folder
from detente.tlog.log import append, check_origin, origin_of, read_log
from detente.wire.digests import sha256
from detente.wire.keys import SigningKey
from detente.wire.merkle import hash_leaves, root
from detente.wire.note import Checkpoint, sign_checkpoint
from detente.wire.tiles import encode_entries, tile_files


def _read(lab: Lab) -> object:
    return read_log(lab.log, ORIGIN, LOG_KEY.public)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path)
    lab.add(*entries(4))
    return lab


@pytest.fixture
def deep_lab(tmp_path: Path) -> Lab:
    """A log of 260 entries laid at once: two bundles, two levels."""
    lab, all_entries = Lab(tmp_path), entries(260)
    leaves = hash_leaves(all_entries)
    for path, raw in tile_files(all_entries, leaves):
        lab.log.create(path, raw)
    lab.log.create("checkpoint", sign_checkpoint(Checkpoint(ORIGIN, 260, root(leaves).hex()), LOG_KEY))
    return lab


def _files(folder: Folder) -> Iterator[tuple[Path, bytes]]:
    for name in folder.names():
        yield folder.root / name, (folder.root / name).read_bytes()


def _flip_everywhere(folder: Folder, read: Callable[[], object], step: int = 1) -> int:
    flips = 0
    for path, raw in _files(folder):
        for i in range(0, len(raw), step):
            path.write_bytes(raw[:i] + bytes([raw[i] ^ 1]) + raw[i + 1 :])
            with pytest.raises(NotVerified) as caught:
                read()
            assert caught.value.step == "V-2"
            flips += 1
        path.write_bytes(raw)
    read()
    return flips


def _cut_everywhere(folder: Folder, read: Callable[[], object], required: Callable[[str], bool], step: int = 1) -> None:
    for path, raw in _files(folder):
        for length in {*range(0, len(raw), step), len(raw) - 1}:
            path.write_bytes(raw[:length])
            with pytest.raises(CannotTell, match="file-cut"):
                read()
        path.unlink()
        if required(path.relative_to(folder.root).as_posix()):
            with pytest.raises(CannotTell, match="file-missing"):
                read()
        path.write_bytes(raw)
    read()


def test_log_when_any_byte_of_any_file_is_flipped_then_not_verified(lab: Lab) -> None:
    flips = _flip_everywhere(lab.log, lambda: _read(lab))
    # checkpoint; a bundle of 4 entries; a level-0 tile of 4 hashes
    assert flips == len(lab.log.read("checkpoint")) + 4 * (2 + 11) + 4 * 32


def _unpruned(lab: Lab) -> None:
    """The partial tiles of earlier sizes as well, as a copy that is never cleared up has them."""
    for size in range(1, 4):
        for path, raw in tile_files(entries(size), hash_leaves(entries(size))):
            lab.log.create(path, raw)


def test_log_when_earlier_partial_tiles_lie_beside_then_each_byte_of_them_counts_too(lab: Lab) -> None:
    _unpruned(lab)
    before = lab.log.names()
    assert len(before) == 1 + 2 * 4
    _flip_everywhere(lab.log, lambda: _read(lab))
    assert read_log(lab.log, ORIGIN, LOG_KEY.public).unread == ()


def test_log_when_its_partial_tiles_are_gone_then_larger_ones_are_read_in_their_place(lab: Lab) -> None:
    """A checkpoint that stayed behind while the tiles came: one-way copies arrive in any order (L-7)."""
    older, view = lab.log.read("checkpoint"), read_log(lab.log, ORIGIN, LOG_KEY.public)
    lab.add(*entries(7)[4:])
    assert "tile/entries/000.p/4" not in lab.log.names()
    lab.log.swap("checkpoint", lab.log.read("checkpoint"), older)
    assert read_log(lab.log, ORIGIN, LOG_KEY.public) == view
    _flip_beginnings(lab, {"tile/entries/000.p/7": 4 * 13, "tile/0/000.p/7": 4 * 32})
    lab.log.drop("tile/0/000.p/7")
    with pytest.raises(CannotTell) as caught:
        _read(lab)
    assert (caught.value.code, caught.value.place) == ("file-missing", lab.log.place("tile/0/000.p/4"))


def _flip_beginnings(lab: Lab, lengths: dict[str, int]) -> None:
    """Every byte of what is read of a larger file is held to account, none behind it is."""
    for name, length in lengths.items():
        path = lab.log.root / name
        raw = path.read_bytes()
        for i in range(length):
            path.write_bytes(raw[:i] + bytes([raw[i] ^ 1]) + raw[i + 1 :])
            with pytest.raises(NotVerified):
                _read(lab)
        path.write_bytes(raw[:length])
        _read(lab)
        path.write_bytes(raw[: length - 1])
        with pytest.raises(CannotTell, match="file-cut"):
            _read(lab)
        path.write_bytes(raw)
    _read(lab)


def test_log_when_any_file_is_cut_or_missing_then_cannot_tell(lab: Lab) -> None:
    _unpruned(lab)
    # Tiles of earlier sizes are compared where they are, but the log does not need them.
    needed = {"checkpoint", "tile/entries/000.p/4", "tile/0/000.p/4"}
    _cut_everywhere(lab.log, lambda: _read(lab), needed.__contains__)


def test_deep_log_when_flipped_or_cut_then_told_apart_too(deep_lab: Lab) -> None:
    def read() -> object:
        return _read(deep_lab)

    _flip_everywhere(deep_lab.log, read, step=211)
    _cut_everywhere(deep_lab.log, read, lambda _: True, step=997)


@pytest.mark.parametrize("mask", [0x02, 0x40, 0x80, 0xFF])
def test_entries_when_a_length_is_changed_then_not_verified_although_it_looks_cut(lab: Lab, mask: int) -> None:
    path = lab.log.root / "tile/entries/000.p/4"
    raw = path.read_bytes()
    for entry in range(4):
        for i in (13 * entry, 13 * entry + 1):
            path.write_bytes(raw[:i] + bytes([raw[i] ^ mask]) + raw[i + 1 :])
            with pytest.raises(NotVerified, match=r"L-1\.entries"):
                _read(lab)


def test_entries_when_cut_and_the_hash_tile_is_gone_too_then_cannot_tell(lab: Lab) -> None:
    (lab.log.root / "tile/0/000.p/4").unlink()
    bundle = lab.log.root / "tile/entries/000.p/4"
    bundle.write_bytes(bundle.read_bytes()[:-1])
    with pytest.raises(CannotTell, match="file-cut"):
        _read(lab)


def test_files_when_longer_than_they_should_be_then_not_verified(lab: Lab) -> None:
    for path, raw in _files(lab.log):
        path.write_bytes(raw + b"\0")
        with pytest.raises((NotVerified, CannotTell)) as caught:
            _read(lab)
        # A checkpoint with a byte too many has no newline at its end: it could be a longer one, cut.
        assert isinstance(caught.value, CannotTell) is (path.name == "checkpoint")
        path.write_bytes(raw)


def test_log_when_owner_signs_another_root_than_its_entries_then_not_verified(lab: Lab) -> None:
    lie = sign_checkpoint(Checkpoint(ORIGIN, 4, sha256(b"another tree")), LOG_KEY)
    (lab.log.root / "checkpoint").write_bytes(lie)
    with pytest.raises(NotVerified, match=r"L-1\.root"):
        _read(lab)


def test_log_when_entries_and_tiles_are_replaced_together_then_not_verified(lab: Lab) -> None:
    forged = [*entries(3), b'{"entry":9}']
    for path, raw in tile_files(forged, hash_leaves(forged)):
        (lab.log.root / path).write_bytes(raw)
    with pytest.raises(NotVerified, match=r"L-1\.root"):
        _read(lab)


def test_log_when_checkpoint_claims_an_absurd_size_then_cannot_tell_at_once(lab: Lab) -> None:
    huge = sign_checkpoint(Checkpoint(ORIGIN, 10**18, sha256(b"")), LOG_KEY)
    (lab.log.root / "checkpoint").write_bytes(huge)
    with pytest.raises(CannotTell, match="file-missing"):
        _read(lab)
    (lab.log.root / "tile/entries/000").write_bytes(b"\0")
    with pytest.raises(CannotTell, match="file-cut"):
        _read(lab)


def test_log_when_another_key_or_origin_is_expected_then_not_verified(lab: Lab) -> None:
    other = SigningKey(b"x" * 32).public
    with pytest.raises(NotVerified, match=r"L-1\.signature"):
        read_log(lab.log, ORIGIN, other)
    with pytest.raises(NotVerified, match=r"L-1\.origin"):
        read_log(lab.log, origin_of("b.example/detente", LOG_KEY.public), LOG_KEY.public)


def test_log_when_empty_then_cannot_tell(tmp_path: Path) -> None:
    with pytest.raises(CannotTell) as caught:
        read_log(Folder(tmp_path / "log", "lab-a/log"), ORIGIN, LOG_KEY.public)
    assert (caught.value.code, caught.value.place) == ("file-missing", "lab-a/log/checkpoint")


def test_log_when_strangers_lie_beside_it_then_listed_and_not_read(lab: Lab) -> None:
    beyond = encode_entries([*entries(4), b'{"entry":4}'])
    for path, raw in {"tile/entries/000.p/5": beyond, "tile/README": b"?", "tile/9/000": b"", "notes.txt": b""}.items():
        (lab.log.root / path).parent.mkdir(exist_ok=True)
        (lab.log.root / path).write_bytes(raw)
    view = read_log(lab.log, ORIGIN, LOG_KEY.public)
    assert set(view.unread) == {"tile/entries/000.p/5", "tile/README", "tile/9/000", "notes.txt"}
    assert view.entries == tuple(entries(4))
    assert view.leaf_hashes == tuple(hash_leaves(entries(4)))
    assert (view.size, view.root) == (4, root(view.leaf_hashes).hex())
    assert view.checkpoint == lab.log.read("checkpoint")


def test_log_when_a_tile_is_a_link_then_not_verified(lab: Lab) -> None:
    tile = lab.log.root / "tile/0/000.p/4"
    elsewhere = tile.rename(lab.root / "elsewhere")
    tile.symlink_to(elsewhere)
    with pytest.raises(NotVerified, match=r"L-4\.link"):
        _read(lab)


def test_origin_when_it_ends_in_its_key_then_accepted_and_else_malformed() -> None:
    assert ORIGIN.split("/") == ["a.example", "detente", sha256(bytes.fromhex(LOG_KEY.public))[:16]]
    assert check_origin(ORIGIN, LOG_KEY.public) == ORIGIN
    for bad in (ORIGIN[:-1], ORIGIN.rpartition("/")[2], "/" + ORIGIN.rpartition("/")[2], f"{ORIGIN}/x"):
        with pytest.raises(Malformed, match=r"P-4\.origin"):
            check_origin(bad, LOG_KEY.public, "plan.json")
    with pytest.raises(Malformed, match=r"L-1\.name"):
        origin_of("a b", LOG_KEY.public)


def test_append_when_entry_is_longer_than_a_length_can_say_then_malformed(lab: Lab) -> None:
    with pytest.raises(Malformed, match=r"B-9\.entry"):
        append(lab.log, lab.pending, bytes(65_536), lab.signer, ORIGIN, ())
    assert lab.pending.names() == []
    lab.add(bytes(65_535))
    assert lab.head() == 5
