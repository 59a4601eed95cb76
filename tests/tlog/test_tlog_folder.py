# SPDX-License-Identifier: Apache-2.0
"""Folders: written once, never half, never through a link."""

import errno
import os
import stat
from pathlib import Path

import pytest

from detente.errors import CannotTell, NotVerified
from detente.tlog.folder import Folder, is_leftover


def test_create_when_same_bytes_then_fine_and_other_bytes_not_verified(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "lab-a")
    assert folder.create("log/tile/0/000.p/1", b"x")
    assert not folder.create("log/tile/0/000.p/1", b"x")
    with pytest.raises(NotVerified, match=r"L-5\.changed"):
        folder.create("log/tile/0/000.p/1", b"y")
    assert folder.read("log/tile/0/000.p/1") == b"x"
    assert folder.names() == ["log/tile/0/000.p/1"]  # and no temporary file


def test_swap_when_somebody_was_faster_then_nothing_is_written(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.swap("checkpoint", None, b"1")
    folder.swap("checkpoint", b"1", b"2")
    for old in (None, b"1"):
        with pytest.raises(CannotTell, match="file-moved-on"):
            folder.swap("checkpoint", old, b"3")
    assert folder.read("checkpoint") == b"2"


def test_read_when_missing_then_cannot_tell_and_names_the_place(tmp_path: Path) -> None:
    folder = Folder(tmp_path, "lab-a/log")
    for path in ("checkpoint", "a/b/c"):
        with pytest.raises(CannotTell) as caught:
            folder.read(path)
        assert (caught.value.code, caught.value.place) == ("file-missing", f"lab-a/log/{path}")
    assert Folder(tmp_path / "nowhere").names() == []
    assert folder.names("tile") == []
    folder.create("long", b"0123456789")
    assert folder.read("long", 4) == b"0123"


def test_pieces_when_read_then_they_are_the_file_and_refuse_what_read_refuses(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "file").write_bytes(b"0123456789")
    assert list(folder.pieces("file", 4)) == [b"0123", b"4567", b"89"]
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(NotVerified, match=r"L-4\.link"):
        list(folder.pieces("link"))
    with pytest.raises(CannotTell, match="file-missing"):
        list(folder.pieces("none"))


def test_links_when_anywhere_on_the_way_then_not_verified(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "exchange/lab-a").mkdir(parents=True)
    (tmp_path / "exchange/lab-a/file").symlink_to(tmp_path / "secret")
    (tmp_path / "exchange/lab-b").symlink_to(tmp_path)
    exchange = Folder(tmp_path / "exchange")
    attempts = [
        lambda: exchange.read("lab-a/file"),
        lambda: exchange.exists("lab-a/file"),
        lambda: exchange.create("lab-a/file", b"y"),
        lambda: exchange.swap("lab-a/file", b"x", b"y"),
        lambda: exchange.drop("lab-a/file"),
        lambda: exchange.read("lab-b/secret"),
        lambda: exchange.sub("lab-b").read("secret"),
        lambda: exchange.sub("lab-b").names(),
        lambda: exchange.create("lab-b/new", b"y"),
        lambda: exchange.names("lab-b"),
        lambda: exchange.names("lab-a"),
        exchange.names,
    ]
    for attempt in attempts:
        with pytest.raises(NotVerified, match=r"L-4\.link"):
            attempt()
    assert (tmp_path / "secret").read_bytes() == b"x"


def test_device_when_named_as_a_file_then_not_verified_instead_of_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    folder = Folder(tmp_path)
    for attempt in (lambda: folder.read("pipe"), folder.names):
        with pytest.raises(NotVerified, match=r"L-4\.link"):
            attempt()


@pytest.mark.parametrize("name", ["a\nb", "a\\b", "a:b", b"\xff".decode("utf-8", "surrogateescape")])
def test_names_when_odd_then_not_verified(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(NotVerified, match=r"L-4\.name"):
        Folder(tmp_path).names()


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../b", "a//b", "./a", "a/"])
def test_paths_when_they_lead_out_then_not_verified(tmp_path: Path, path: str) -> None:
    for attempt in (Folder(tmp_path).read, Folder(tmp_path).drop, lambda p: Folder(tmp_path).create(p, b"")):
        with pytest.raises(NotVerified, match=r"L-4\.name"):
            attempt(path)


def test_names_when_people_put_their_own_files_then_listed(tmp_path: Path) -> None:
    (tmp_path / "说明 1.txt").write_bytes(b"")
    (tmp_path / ".gitattributes").write_bytes(b"* -text\n")
    assert Folder(tmp_path).names() == [".gitattributes", "说明 1.txt"]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk-full"),
        (errno.EDQUOT, "disk-full"),
        (errno.EACCES, "no-permission"),
        (errno.EROFS, "no-permission"),
        (errno.EIO, "disk-fault"),
    ],
)
def test_disk_when_it_fails_then_cannot_tell_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    folder = Folder(tmp_path)
    folder.create("old", b"old")

    def broken(_handle: int) -> None:
        raise OSError(number, "broken")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(CannotTell) as caught:
        folder.create("new", b"new")
    assert (caught.value.code, caught.value.got) == (code, errno.errorcode[number])
    with pytest.raises(CannotTell, match=code):
        folder.swap("old", b"old", b"new")
    assert folder.names() == ["old"]
    assert folder.read("old") == b"old"


def test_writes_when_done_then_file_before_name_before_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def fsync_seen(handle: int) -> None:
        steps.append("sync folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "sync file")
        fsync(handle)

    def replace_seen(self: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync_seen)
    monkeypatch.setattr(Path, "replace", replace_seen)
    Folder(tmp_path).create("a", b"x")
    assert steps == ["sync file", "rename", "sync folder"]


def test_held_when_two_at_once_then_the_second_is_told_and_later_let_in(tmp_path: Path) -> None:
    first, second = Folder(tmp_path / "desk"), Folder(tmp_path / "desk")
    with first.held(), pytest.raises(CannotTell, match="folder-busy"), second.held():
        pass
    with second.held():
        assert second.names() == []


def test_leftover_when_a_crash_kept_a_file_from_its_name_then_recognised() -> None:
    assert is_leftover("tile/0/.000.p.0a1b2c3d.tmp")
    for other in ("tile/0/000", ".gitattributes", "a.tmp", "x.0a1b2c3d.tmp"):
        assert not is_leftover(other)


def test_names_when_folders_are_nested_a_thousand_deep_then_no_crash(tmp_path: Path) -> None:
    folders = [tmp_path / "/".join("d" * depth) for depth in range(1, 1101)]
    for folder in folders:
        folder.mkdir()
    (folders[-1] / "file").write_bytes(b"")
    try:
        assert len(Folder(tmp_path).names()) == 1
    finally:  # pytest's own removal recurses
        (folders[-1] / "file").unlink()
        for folder in reversed(folders):
            folder.rmdir()


def test_file_when_it_comes_in_pieces_then_it_is_written_once_and_other_bytes_are_refused(tmp_path):
    folder = Folder(tmp_path)
    assert folder.create_from("a/b", iter([b"one", b"", b"two"]))
    assert folder.read("a/b") == b"onetwo"
    taken = iter([b"on", b"etw", b"o"])
    assert not folder.create_from("a/b", taken)
    assert next(taken, None) is None
    for other in ([b"onetwo", b"x"], [b"onetw"], [b"oneTwo"], []):
        with pytest.raises(NotVerified, match=r"L-5\.changed"):
            folder.create_from("a/b", other)
    assert folder.read("a/b") == b"onetwo"


def test_file_when_its_pieces_break_off_then_nothing_of_it_is_left(tmp_path):
    def pieces():
        yield b"one"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Folder(tmp_path).create_from("a", pieces())
    assert not list(tmp_path.iterdir())
