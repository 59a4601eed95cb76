# SPDX-License-Identifier: Apache-2.0
"""Disks that are really full and folders that nobody may read or write: told by name, and the same command goes on."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from detente.report.result import joint_of
from kit.labs import Labs
from kit.typed import Said, refused, started, typed

NOBODY = 65534
HOME = ["--home", "https://lab-a.example", "--name", "en=A", "--name", "zh-Hans=甲"]


# --- a disk that is really full --------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB; skipped where none may be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", disk], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("no file system may be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@contextlib.contextmanager
def nearly_full(disk: Path, left_kb: int) -> Iterator[None]:
    """Only so much is free meanwhile."""
    there = os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(bytes(max(0, there.f_bavail * there.f_bsize - left_kb * 1024)))
    try:
        yield
    finally:
        filler.unlink()


def test_disk_when_really_full_then_every_verb_stops_with_it_and_goes_on_with_room(stories, capsys, small_disk):
    labs = stories.at("signed").moved(small_disk / "x")
    plan, a, b = labs.agreed(), ["--desk", labs.desks["lab-a"].root], ["--desk", labs.desks["lab-b"].root]
    steps = [
        (["run", *a], 4), (["witness", *b], 0), (["run", *a], 0), (["score", *a], 0), (["publish", *a], 0), (["witness", *b], 0),
        (["witness", *a], 0), (["audit", "ask", *b], 0), (["audit", "answer", *a], 0), (["audit", "check", *b], 0),
    ]  # fmt: skip
    stopped = 0
    for words, code in steps:
        for left_kb in (0, 4, 12, 28):
            with nearly_full(small_disk, left_kb):
                said = typed(capsys, *words)
            assert said.code in {4, code}, said
            assert "Traceback" not in said.err
            stopped += said.error == "disk-full"
        said = typed(capsys, *words)
        assert said.code == code or "A-5.nothing" in said.err, said
    assert stopped > 8
    done = typed(capsys, "verify", labs.exchange, "--plan", plan.id)
    assert done.code == 0
    assert "listed: entry" not in done.err
    assert "not part of it" not in done.err
    with nearly_full(small_disk, 0):
        refused(capsys, 4, "disk-full", "report", labs.exchange, "--plan", plan.id, "--out", small_disk / "report")
        refused(capsys, 4, "disk-full", "pack", labs.exchange, "--plan", plan.id, "--out", small_disk / "a.zip")
        rows = small_disk.parent / "rows.jsonl"
        rows.write_text('{"id":1,"response":"x"}\n')
        refused(capsys, 4, "disk-full", "score", rows, "--scorer", "refusal", "--out", small_disk / "out.jsonl")
        questions = small_disk.parent / "q.jsonl"
        questions.write_text('{"id":"1","input":"x"}\n')
        words = ["rehearse", questions, "--model", "python:kit.said:twice", "--out", small_disk / "r"]
        refused(capsys, 4, "disk-full", *words)
    assert typed(capsys, *words).code == 0
    assert not [path for path in small_disk.rglob(".*.tmp") if "mirror" not in path.parts]


@pytest.mark.parametrize("limit", [0, 40, 100, 700, 3000])
def test_file_when_it_may_not_grow_then_it_is_told_and_the_same_command_goes_on(stories, capsys, tmp_path, limit):
    """The same without a right to mount: the kernel refuses every byte of a file beyond ``limit`` (EFBIG)."""
    labs = stories.at("registered").moved(tmp_path)
    prelude = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    words = ["run", "--desk", labs.desks["lab-a"].root]
    said = started(*words, prelude=prelude)
    assert (said.code, said.error) == (4, "disk-full"), said
    assert typed(capsys, *words).code == 0


# --- no permission -----------------------------------------------------------------------------------


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Nobody for a while: root is stopped by no mode."""
    root = os.geteuid() == 0
    if root:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
            os.setegid(0)


@pytest.fixture
def owned(stories) -> Iterator[Labs]:
    """A registered story that belongs to nobody, where nobody can reach it."""
    root = Path(tempfile.mkdtemp(prefix="detente-test-"))
    labs = stories.at("registered").moved(root)
    joint_of(labs.verify())  # what is imported late must be, before nobody may read it
    import pickle  # noqa: F401

    if os.geteuid() == 0:
        for path in (root, *root.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    root.chmod(0o755)
    yield labs
    for path in (root, *(path for path in root.rglob("*") if path.is_dir())):
        path.chmod(0o755)
    shutil.rmtree(root)


def as_nobody(capsys, error: str, *words: object) -> Said:
    with unprivileged():
        return refused(capsys, 4, error, *words)


def test_permission_when_it_is_missing_then_the_path_is_named_and_with_it_the_same_command_goes_on(owned, capsys):
    desk, plan = owned.desks["lab-a"].root, owned.agreed()
    locked = [
        (desk, 0o000, ["run", "--desk", desk]),
        (desk / "desk.toml", 0o000, ["run", "--desk", desk]),
        (desk / "keys", 0o000, ["run", "--desk", desk]),
        (desk / "keys" / "log.key", 0o000, ["run", "--desk", desk]),
        (desk / "runs" / owned.runs["lab-a"].id, 0o500, ["run", "--desk", desk]),
        (owned.exchange / "lab-b" / "log" / "checkpoint", 0o000, ["witness", "--desk", desk]),
        (owned.exchange / "lab-b" / "log", 0o000, ["verify", owned.exchange, "--plan", plan.id]),
        (owned.exchange, 0o000, ["verify", owned.exchange, "--plan", plan.id]),
        (owned.exchange / "lab-a" / "mirror", 0o000, ["verify", owned.exchange, "--plan", plan.id]),
    ]
    for path, mode, words in locked:
        before = path.stat().st_mode
        path.chmod(mode)
        said = as_nobody(capsys, "no-permission", *words)
        assert path.name in said.err, said
        path.chmod(before)
    with unprivileged():
        for words in (["run"], ["score"]):
            assert typed(capsys, *words, "--desk", desk).code == 0
    own = owned.exchange / "lab-a"
    for path in (own, own / "log"):
        path.chmod(0o555)
        as_nobody(capsys, "no-permission", "publish", "--desk", desk)
        path.chmod(0o755)
    with unprivileged():
        assert typed(capsys, "publish", "--desk", desk).code == 0
        assert typed(capsys, "verify", owned.exchange, "--plan", plan.id).code == 0


def test_permission_when_it_is_missing_for_what_a_person_names_then_it_is_told(owned, capsys):
    root, plan = owned.root, owned.agreed()
    given = root / "given"
    given.write_text("{}\n")
    given.chmod(0o000)
    barred = root / "barred"
    barred.mkdir(mode=0o555)
    desk = ["--desk", owned.desks["lab-a"].root]
    rows = root / "rows.jsonl"
    rows.write_text('{"id":"1","input":"x","response":"x"}\n')
    at = [owned.exchange, "--plan", plan.id, "--out"]
    for words in (
        ["plan", "new", given, *desk],
        ["plan", "new", root / "plan.toml", "--card", given, *desk],
        ["unpack", given, "--exchange", root / "there"],
        ["rehearse", given, "--model", "python:kit.said:twice", "--out", root / "r"],
        ["rehearse", rows, "--model", "python:kit.said:twice", "--out", barred / "r"],
        ["score", rows, "--scorer", "refusal", "--out", barred / "o.jsonl"],
        ["report", *at, barred / "r"],
        ["pack", *at, barred / "a.zip"],
        ["init", "lab-a", "--desk", root / "new", "--exchange", barred / "x", *HOME],
        ["init", "lab-a", "--desk", barred / "new", "--exchange", root / "x", *HOME],
    ):
        as_nobody(capsys, "no-permission", *words)
