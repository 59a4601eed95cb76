# SPDX-License-Identifier: Apache-2.0
"""Packing and laying open, where one file is not as it should be: then nothing at all is written."""

import shutil
import zipfile

import pytest

from kit.typed import refused, typed


@pytest.mark.parametrize("name", ["aux.txt", "a?b", "ends.", "README"])
def test_pack_when_a_name_could_not_be_laid_open_everywhere_then_it_is_named_and_nothing_is_written(
    stories, capsys, tmp_path, name
):
    labs = stories.at("closed")
    root = tmp_path / "exchange"
    shutil.copytree(labs.exchange, root)
    (root / "lab-a" / name).write_text("hello")
    (root / "lab-a" / "readme").write_text("hello")
    words = ["pack", root, "--plan", labs.agreed().id, "-o", tmp_path / "a.zip"]
    refused(capsys, 2, "pack-name", *words)
    assert not (tmp_path / "a.zip").exists()
    (root / "lab-a" / name).unlink()
    assert typed(capsys, *words).code == 0


def test_unpack_when_a_later_file_is_damaged_then_no_earlier_one_is_written(capsys, tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("exchange/lab-a/first", b"sound")
        opened.writestr("exchange/lab-a/second", b"damaged")
    path.write_bytes(path.read_bytes().replace(b"damaged", b"Damaged"))
    refused(capsys, 2, "pack-broken", "unpack", path, "--exchange", tmp_path / "x")
    assert not (tmp_path / "x").exists()
