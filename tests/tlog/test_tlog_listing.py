# SPDX-License-Identifier: Apache-2.0
"""Listing a folder in which somebody else is writing: a file on the way to its name is no missing file."""

import os
from pathlib import Path

import pytest

from detente.tlog.folder import Folder, is_leftover, meant_for


def test_names_when_a_file_gets_its_name_meanwhile_then_the_listing_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".checkpoint.0a1b2c3d.tmp").write_bytes(b"new")
    (tmp_path / "other").write_bytes(b"other")
    scan = os.scandir

    def scanned(path: Path) -> list[os.DirEntry[str]]:
        with scan(path) as found:
            entries = list(found)
        (tmp_path / ".checkpoint.0a1b2c3d.tmp").replace(tmp_path / "checkpoint")
        return entries

    monkeypatch.setattr(os, "scandir", scanned)
    assert Folder(tmp_path).names() == ["other"]
    monkeypatch.undo()
    assert Folder(tmp_path).names() == ["checkpoint", "other"]


@pytest.mark.parametrize("path", ["checkpoint", "a/b.c/2", "a/.gitattributes"])
def test_leftover_when_its_name_is_read_then_it_says_what_it_was_meant_for(path: str) -> None:
    above, slash, name = path.rpartition("/")
    leftover = f"{above}{slash}.{name}.0a1b2c3d.tmp"
    assert is_leftover(leftover)
    assert meant_for(leftover) == path
