# SPDX-License-Identifier: Apache-2.0
"""Tiles: the paths of tlog-tiles, the hashes in them, and entries that read back."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.errors import CannotTell, Malformed
from detente.wire.digests import sha256_raw
from detente.wire.merkle import hash_leaves, root
from detente.wire.tiles import (
    TilePath,
    covered_width,
    encode_entries,
    entries_path,
    grow_levels,
    parse_entries,
    parse_tile_path,
    root_of_levels,
    tile_bytes,
    tile_files,
    tile_path,
    tree_levels,
)

ENTRIES = [b"entry %d" % i for i in range(700)]
LEAVES = hash_leaves(ENTRIES)


@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("tile/0/000", TilePath(0, 0, 256)),
        ("tile/0/x001/x234/067", TilePath(0, 1_234_067, 256)),
        ("tile/1/x001/000.p/7", TilePath(1, 1000, 7)),
        ("tile/entries/002.p/255", TilePath(None, 2, 255)),
        ("tile/entries/000", TilePath(None, 0, 256)),
    ],
)
def test_path_when_of_the_specification_then_read_and_written(path: str, tile: TilePath) -> None:
    assert parse_tile_path(path) == tile
    level, n, width = tile
    assert (entries_path(n, width) if level is None else tile_path(level, n, width)) == path


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/8/000",
        "tile/0/x000/001",
        "tile/0/001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/999",
        "tile/0/000.p",
        "tile/0/000/",
        "tile/data/000",
        "tile/0/000\n",
        "Tile/0/000",
        "checkpoint",
    ],
)
def test_path_when_spelled_otherwise_then_none(path: str) -> None:
    assert parse_tile_path(path) is None


@given(st.integers(0, 2**40), st.integers(1, 256), st.none() | st.integers(0, 7))
def test_path_when_any_tile_then_reads_back(n: int, width: int, level: int | None) -> None:
    path = entries_path(n, width) if level is None else tile_path(level, n, width)
    assert parse_tile_path(path) == (level, n, width)


def test_tile_files_when_700_entries_then_these_files_and_hashes() -> None:
    files = dict(tile_files(ENTRIES, LEAVES))
    assert list(files) == [
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002.p/188",
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/188",
        "tile/1/000.p/2",
    ]
    assert files["tile/0/001"] == b"".join(LEAVES[256:512])
    assert files["tile/1/000.p/2"] == root(LEAVES[:256]) + root(LEAVES[256:512])
    assert dict(tile_files(ENTRIES, LEAVES, since=512)) == {k: v for k, v in files.items() if "/002" in k or "/1/" in k}
    assert "tile/0/001" in dict(tile_files(ENTRIES, LEAVES, since=511))
    assert list(tile_files([], [])) == []


def test_tile_files_when_65536_leaves_then_a_third_level() -> None:
    leaves = LEAVES[:1] * 65_536
    levels = tree_levels(leaves)
    assert [len(level) for level in levels] == [65_536, 256, 1]
    assert levels[2][0] == root(leaves)


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513, 700, 65_535, 65_536, 65_537, 65_999, 70_000])
def test_levels_when_grown_step_by_step_then_the_same_tiles_and_the_root_of_every_size(size: int) -> None:
    leaves = [sha256_raw(b"%d" % i) for i in range(size)]
    levels: list[Sequence[bytes]] = [()]
    for start in range(0, size, 13_007):
        levels = grow_levels(levels, leaves[start : start + 13_007])
    assert [list(row) for row in levels] == [list(row) for row in tree_levels(leaves)]
    for earlier in {0, size, size // 2, size - 1, size & ~255, size & ~65_535} - {-1}:
        assert root_of_levels(levels, earlier) == root(leaves[:earlier])
    assert root_of_levels(levels) == root(leaves)


def test_covered_width_when_a_tree_grows_then_each_tile_from_0_to_256() -> None:
    assert [covered_width(None, 1, size) for size in (0, 256, 257, 511, 512, 513)] == [0, 0, 1, 255, 256, 256]
    assert [covered_width(1, 0, size) for size in (255, 256, 65_535, 65_536, 10**9)] == [0, 1, 255, 256, 256]


def test_tile_bytes_when_earlier_width_then_a_beginning_and_beyond_the_tree_none() -> None:
    levels = tree_levels(LEAVES)
    for path, raw in tile_files(ENTRIES[:600], LEAVES[:600]):
        tile = parse_tile_path(path)
        assert tile is not None
        assert tile_bytes(tile, ENTRIES, levels) == raw
    for beyond in (TilePath(0, 2, 189), TilePath(None, 2, 256), TilePath(1, 0, 3), TilePath(2, 0, 1)):
        assert tile_bytes(beyond, ENTRIES, levels) is None


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_entries_when_bundled_then_read_back_and_any_cut_is_told(entries: list[bytes]) -> None:
    raw = encode_entries(entries)
    assert parse_entries(raw, len(entries)) == entries
    with pytest.raises(Malformed, match=r"L-1\.bundle"):
        parse_entries(raw + b"\0", len(entries))
    for length in range(len(raw)):
        with pytest.raises(CannotTell, match="file-cut"):
            parse_entries(raw[:length], len(entries), "tile/entries/000")


def test_entries_when_longer_than_two_bytes_can_say_then_malformed() -> None:
    assert parse_entries(encode_entries([bytes(65_535)]), 1) == [bytes(65_535)]
    with pytest.raises(Malformed, match=r"B-9\.entry"):
        encode_entries([bytes(65_536)])
