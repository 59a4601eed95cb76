# SPDX-License-Identifier: Apache-2.0
"""An exchange that came half, from elsewhere, or as an archive with tricks in it; and what is made of one."""

import json
import os
import shutil
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest

from detente.desk.keys import own_log
from detente.tlog.folder import Folder
from kit.labs import Labs
from kit.typed import environ, program, refused, typed

# Where a copy that goes through the files in order of their names stops: shares of all files.
CUTS = [0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97]


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def verify(labs: Labs, root: Path) -> list[object]:
    return ["verify", root, "--plan", labs.agreed().id]


# --- half of it --------------------------------------------------------------------------------


@pytest.mark.parametrize("backwards", [False, True])
def test_exchange_when_copied_half_way_then_nobody_can_tell(stories, capsys, tmp_path, backwards):
    labs = stories.at("closed")
    names = [name for name in files(labs.exchange) if "/proposals/" not in name and not name.endswith(".gitattributes")]
    names = names[::-1] if backwards else names
    for share in CUTS:
        root = tmp_path / f"{share}"
        root.mkdir()
        whole, torn = names[: int(len(names) * share)], names[int(len(names) * share)]
        for name in whole:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(labs.exchange / name, root / name)
        for half in (False, True):
            if half:
                (root / torn).parent.mkdir(parents=True, exist_ok=True)
                (root / torn).write_bytes(
                    (labs.exchange / torn).read_bytes()[: (labs.exchange / torn).stat().st_size // 2]
                )
            said = typed(capsys, *verify(labs, root), lang="zh" if half else "en")
            assert (said.code, bool(said.error)) == (4, True), f"{share} {half} {torn}: {said}"


@pytest.mark.parametrize("part", ["log", "mirror", "runs", "plans", "results", "outbox"])
@pytest.mark.parametrize("party", ["lab-a", "lab-b"])
def test_exchange_when_a_folder_of_a_party_is_missing_then_it_cannot_be_told(stories, capsys, tmp_path, party, part):
    labs = stories.at("closed")
    root = tmp_path / "exchange"
    shutil.copytree(labs.exchange, root)
    shutil.rmtree(root / party / part)
    said = typed(capsys, *verify(labs, root))
    if part == "plans":
        assert said.code == 0  # every party that signed has every file of the plan (P-9), but for the suite's text
        return
    assert said.code == 4
    assert said.error in {"file-missing", "R-4.note"}
    assert party in said.err or said.error == "R-4.note"


def test_exchange_when_half_copied_then_the_desk_s_verbs_stop_too(stories, capsys, tmp_path):
    labs = stories.at("registered").moved(tmp_path)
    desk, plan = labs.desks["lab-a"], labs.agreed()
    suites = labs.exchange / "lab-a" / "plans" / plan.id / "suites"
    text = next(suites.iterdir())
    raw = text.read_bytes()
    for damage, code, error in (
        (None, 4, "file-missing"),
        (raw[:-30], 4, "file-cut"),
        (raw[:50] + b"x" + raw[51:], 3, None),
    ):
        text.unlink() if damage is None else text.write_bytes(damage)
        said = typed(capsys, "run", "--desk", desk.root)
        assert said.code == code, said
        assert error in {None, said.error}
        assert text.name in said.err
    text.write_bytes(raw)
    assert typed(capsys, "run", "--desk", desk.root).code == 0
    assert own_log(desk, plan).size == 2


# --- the wrong one -----------------------------------------------------------------------------


def test_plan_id_when_missing_or_wrong_then_nothing_is_anchored(stories, capsys):
    labs = stories.at("closed")
    said = refused(capsys, 4, "unanchored", "verify", labs.exchange)
    assert labs.agreed().id[:4] in said.err
    for verb in (["trace"], ["report", "--out", "/nonexistent/x"], ["pack", "--out", "/nonexistent/x.zip"]):
        refused(capsys, 4, "unanchored", verb[0], labs.exchange, *verb[1:])
    other = "0" * 64
    assert other in refused(capsys, 4, "plan-missing", "verify", labs.exchange, "--plan", other).err
    for bad in ("0" * 63, "0" * 65, "g" * 64, labs.agreed().id[:32], "", " "):
        refused(capsys, 2, "bad-plan-id", "verify", labs.exchange, "--plan", bad)
    spaced = " ".join(labs.agreed().id[i : i + 4].upper() for i in range(0, 64, 4))
    assert typed(capsys, "verify", labs.exchange, "--plan", spaced).code == 0


def test_exchange_when_it_is_no_folder_then_it_is_told(stories, capsys, tmp_path):
    id_ = stories.at("closed").agreed().id
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    refused(capsys, 4, "exchange-missing", "verify", tmp_path / "nowhere", "--plan", id_)
    refused(capsys, 4, "exchange-missing", "verify", tmp_path / "file", "--plan", id_)
    refused(capsys, 4, "plan-missing", "verify", tmp_path / "empty", "--plan", id_)
    refused(capsys, 4, "plan-missing", "board", tmp_path / "empty", "--plan", id_)


def test_exchange_when_other_things_lie_beside_it_then_they_are_told_in_short_and_not_read(stories, capsys, tmp_path):
    labs = stories.at("closed")
    root = tmp_path / "exchange"
    shutil.copytree(labs.exchange, root)
    for n in range(50):
        path = root / ".git" / "objects" / f"{n:02}" / "x"
        path.parent.mkdir(parents=True)
        path.write_text("")
    (root / "README.md").write_text("ours")
    (root / "lab-a" / "notes.txt").write_text("mine")
    said = typed(capsys, *verify(labs, root))
    assert said.code == 0
    assert said.err.count(".git") == 1
    assert "README.md" in said.err
    assert "lab-a/notes.txt" in said.err


def test_exchange_when_a_link_lies_in_it_then_it_is_not_followed(stories, capsys, tmp_path):
    labs = stories.at("closed")
    root = tmp_path / "exchange"
    shutil.copytree(labs.exchange, root)
    secret = tmp_path / "secret"
    secret.write_text("not for anybody")
    (root / "lab-b" / "log" / "checkpoint").unlink()
    (root / "lab-b" / "log" / "checkpoint").symlink_to(secret)
    said = refused_on_stdout(capsys, 3, "L-4.link", *verify(labs, root))
    assert "lab-b/log/checkpoint" in said.err


def refused_on_stdout(capsys, code: int, error: str, *words: object):
    """As ``refused``, for commands that have told steps on stdout before they stop."""
    for lang in ("zh", "en"):
        said = typed(capsys, *words, lang=lang)
        assert (said.code, said.error) == (code, error), said
    return said


# --- what is made of it --------------------------------------------------------------------------


def test_report_and_pack_when_they_would_lie_in_the_exchange_then_they_are_refused(stories, capsys, tmp_path):
    labs = stories.at("closed")
    before = files(labs.exchange)
    at = ["--plan", labs.agreed().id, "--out"]
    for out in (labs.exchange, labs.exchange / "report", labs.exchange / "lab-a" / ".." / "r"):
        refused(capsys, 2, "report-inside", "report", labs.exchange, *at, out)
    refused(capsys, 2, "report-inside", "pack", labs.exchange, *at, labs.exchange / "joint.zip")
    link = tmp_path / "link"
    link.symlink_to(labs.exchange)
    refused(capsys, 2, "report-inside", "report", labs.exchange, *at, link / "r")
    assert files(labs.exchange) == before


def test_report_and_pack_when_something_else_lies_there_then_it_is_told(stories, capsys, tmp_path):
    labs = stories.at("closed")
    at = ["--plan", labs.agreed().id, "--out"]
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    refused(capsys, 2, "not-a-folder", "report", labs.exchange, *at, tmp_path / "file")
    refused(capsys, 2, "not-a-file", "pack", labs.exchange, *at, tmp_path / "folder")
    assert (tmp_path / "file").read_text() == "mine"


def test_pack_when_unpacked_elsewhere_then_it_verifies_and_is_the_same(stories, capsys, tmp_path):
    labs = stories.at("closed")
    root = tmp_path / "exchange"
    shutil.copytree(labs.exchange, root)
    (root / ".git" / "objects").mkdir(parents=True)
    (root / ".git" / "objects" / "x").write_text("not the parties'")
    at = ["--plan", labs.agreed().id, "-o"]
    assert typed(capsys, "pack", root, *at, tmp_path / "one.zip").code == 0
    assert typed(capsys, "pack", labs.exchange, *at, tmp_path / "two.zip").code == 0
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as opened:
        assert opened.namelist()[:2] == ["START-HERE.html", "请先看这里.html"]
    said = typed(capsys, "unpack", tmp_path / "one.zip", "--exchange", tmp_path / "there")
    assert said.code == 0
    assert files(tmp_path / "there") == files(labs.exchange)
    assert typed(capsys, *verify(labs, tmp_path / "there")).code == 0
    again = typed(capsys, "unpack", tmp_path / "one.zip", "--exchange", tmp_path / "there")
    assert f"0 new, 0 grown, {len(files(labs.exchange))} the same" in again.err


def test_unpack_when_the_archive_is_newer_or_older_then_the_later_state_stays(stories, capsys, tmp_path):
    """Two labs that exchange archives: what came from the other grows, what is one's own is kept."""
    early = stories.at("registered").moved(tmp_path / "early")
    at = ["--plan", early.agreed().id, "-o"]
    typed(capsys, "pack", early.exchange, *at, tmp_path / "early.zip")
    late = early.moved(tmp_path / "late")
    for name, desk in late.desks.items():
        assert typed(capsys, "run", "--desk", desk.root).code == 0
        assert typed(capsys, "score", "--desk", desk.root).code == 0
        assert typed(capsys, "publish", "--desk", desk.root).code == 0, name
    late.witness_all()
    typed(capsys, "pack", late.exchange, *at, tmp_path / "late.zip")
    whole = files(late.exchange)

    said = typed(capsys, "unpack", tmp_path / "late.zip", "--exchange", early.exchange)
    assert said.code == 0, said
    assert set(files(early.exchange)) >= set(whole)
    assert typed(capsys, *verify(late, early.exchange)).code == 0
    state = {name: (early.exchange / name).read_bytes() for name in files(early.exchange)}
    assert typed(capsys, "unpack", tmp_path / "early.zip", "--exchange", early.exchange).code == 0
    assert {name: (early.exchange / name).read_bytes() for name in files(early.exchange)} == state

    fresh = stories.at("registered").moved(tmp_path / "fresh")
    kept = {name: (fresh.exchange / name).read_bytes() for name in files(fresh.exchange) if name.startswith("lab-a/")}
    assert typed(capsys, "unpack", tmp_path / "late.zip", "--exchange", fresh.exchange, "--keep", "lab-a").code == 0
    now = {name: (fresh.exchange / name).read_bytes() for name in files(fresh.exchange) if name.startswith("lab-a/")}
    assert now == kept
    assert (
        "lab-x"
        in refused(
            capsys, 2, "no-such-party", "unpack", tmp_path / "late.zip", "--exchange", fresh.exchange, "--keep", "lab-x"
        ).err
    )


def test_unpack_when_an_objection_was_added_meanwhile_then_it_is_not_lost(stories, capsys, tmp_path):
    labs = stories.at("signed").moved(tmp_path / "labs")
    plan = labs.agreed()
    typed(capsys, "pack", labs.exchange, "--plan", plan.id, "-o", tmp_path / "before.zip")
    reason = ["--reason", "en=No.", "--reason", "zh-Hans=不行。"]
    for at in ("fraud-01", "fraud-02"):
        assert (
            typed(capsys, "plan", "object", plan.id, "--at", at, *reason, "--desk", labs.desks["lab-b"].root).code == 0
        )
        typed(capsys, "pack", labs.exchange, "--plan", plan.id, "-o", tmp_path / f"{at}.zip")
    path = labs.exchange / "lab-b" / "proposals" / plan.id / "objections.json"
    for archive in ("before.zip", "fraud-01.zip"):
        assert typed(capsys, "unpack", tmp_path / archive, "--exchange", labs.exchange).code == 0
        assert len(json.loads(path.read_bytes())) == 2
    other = tmp_path / "other"
    for archive, n in (("fraud-01.zip", 1), ("fraud-02.zip", 2), ("fraud-01.zip", 2)):
        assert typed(capsys, "unpack", tmp_path / archive, "--exchange", other).code == 0
        assert len(json.loads((other / path.relative_to(labs.exchange)).read_bytes())) == n


def test_unpack_when_a_written_once_file_differs_then_it_is_refused_and_stays(stories, capsys, tmp_path):
    labs = stories.at("closed")
    typed(capsys, "pack", labs.exchange, "--plan", labs.agreed().id, "-o", tmp_path / "a.zip")
    assert typed(capsys, "unpack", tmp_path / "a.zip", "--exchange", tmp_path / "x").code == 0
    path = next((tmp_path / "x" / "lab-b" / "runs").rglob("headers.jsonl.gz"))
    path.write_bytes(b"mine")
    shutil.rmtree(tmp_path / "x" / "lab-a")
    assert (
        path.name in refused(capsys, 3, "L-5.changed", "unpack", tmp_path / "a.zip", "--exchange", tmp_path / "x").err
    )
    assert path.read_bytes() == b"mine"
    assert not (tmp_path / "x" / "lab-a").exists(), "all is compared before anything is written"


# --- archives with tricks -----------------------------------------------------------------------


def archive(path: Path, *members: tuple[str, bytes], attr: int = 0o644 << 16, **how: object) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, raw in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = attr
            info.compress_type = how.get("compress", zipfile.ZIP_DEFLATED)
            opened.writestr(info, raw)
    return path


GOOD = ("exchange/lab-a/.gitattributes", b"* -text\n")


@pytest.mark.parametrize(
    "name",
    [
        "../evil", "exchange/../../evil", "exchange/lab-a/../../evil", "/etc/evil", "exchange//evil", "exchange/lab-a/./evil",
        "exchange/lab-a\\..\\..\\evil", "C:/evil", "exchange/lab-a/evil:stream", "exchange/lab-a/evil\n", "exchange/lab-a/\x1b[2J",
        "report/../../evil", "..", "exchange/lab-a/" + "e" * 300, "exchange/lab-a/" + "e/" * 600 + "x",
    ],
)  # fmt: skip
def test_archive_when_a_name_leads_elsewhere_then_nothing_is_written(capsys, tmp_path, name):
    path = archive(tmp_path / "a.zip", GOOD, (name, b"evil"))
    refused(capsys, 2, "pack-name", "unpack", path, "--exchange", tmp_path / "deep" / "x")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize(
    "members",
    [
        [("exchange/lab-a/A", b"1"), ("exchange/lab-a/a", b"2")],
        [("exchange/lab-a/log/x", b"1"), ("exchange/lab-a/LOG/y", b"2")],
        [("exchange/lab-a/stra\u00dfe", b"1"), ("exchange/lab-a/strasse", b"2")],
        [("exchange/lab-a/\u00e9", b"1"), ("exchange/lab-a/e\u0301", b"2")],
        [("exchange/lab-a/log", b"1"), ("exchange/lab-a/log/x", b"2")],
        [("exchange/lab-a/log/x", b"1"), ("exchange/lab-a/log", b"2")],
    ],
    ids=["case", "folder case", "fold", "normal form", "file then folder", "folder then file"],
)
def test_archive_when_two_names_are_one_on_some_system_then_nothing_is_written(capsys, tmp_path, members):
    path = archive(tmp_path / "a.zip", GOOD, *members)
    refused(capsys, 2, "pack-name", "unpack", path, "--exchange", tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archive_when_a_name_stands_there_twice_then_nothing_is_written(capsys, tmp_path):
    path = archive(tmp_path / "a.zip", GOOD, ("exchange/lab-a/x", b"1"), ("exchange/lab-a/x", b"2"))
    refused(capsys, 2, "pack-name", "unpack", path, "--exchange", tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_archive_when_it_holds_a_link_or_a_device_then_nothing_is_written(capsys, tmp_path, kind):
    path = archive(tmp_path / "a.zip", ("exchange/lab-a/x", b"/etc/passwd"), attr=(kind | 0o777) << 16)
    refused(capsys, 2, "pack-name", "unpack", path, "--exchange", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_archive_when_it_unfolds_to_too_much_then_nothing_is_written(capsys, tmp_path):
    """A true bomb: 200 MB of zeros in 200 kB are within what deflate can do, a larger claim is not believed."""
    bomb = archive(tmp_path / "bomb.zip", GOOD, ("exchange/lab-a/x", b"0"))
    raw = bytearray(bomb.read_bytes())
    at = raw.rindex(b"PK\x01\x02")  # the last entry of the central directory: its unpacked size
    raw[at + 24 : at + 28] = (2**31).to_bytes(4, "little")
    bomb.write_bytes(raw)
    refused(capsys, 2, "pack-limit", "unpack", bomb, "--exchange", tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda raw: b"", "pack-broken"),
        (lambda raw: b"<html>sign in</html>", "pack-broken"),
        (lambda raw: raw[: len(raw) // 2], "pack-broken"),
        (lambda raw: raw[:-5], "pack-broken"),
        (lambda raw: raw.replace(b"* -text", b"* -tesT"), "pack-broken"),
        (lambda raw: b"\x1f\x8b" + raw, None),
    ],
    ids=["empty", "html", "half", "end cut", "a byte", "something in front"],
)
def test_archive_when_it_is_no_sound_zip_then_it_is_told(capsys, tmp_path, change, error):
    path = archive(tmp_path / "a.zip", GOOD, compress=zipfile.ZIP_STORED)
    path.write_bytes(change(path.read_bytes()))
    if error:
        refused(capsys, 2, error, "unpack", path, "--exchange", tmp_path / "x")
    else:
        assert typed(capsys, "unpack", path, "--exchange", tmp_path / "x").code == 0


def test_archive_when_it_is_encrypted_or_oddly_compressed_then_it_is_told(capsys, tmp_path):
    path = archive(tmp_path / "a.zip", GOOD)
    raw = bytearray(path.read_bytes())
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    refused(capsys, 2, "pack-broken", "unpack", path, "--exchange", tmp_path / "x")
    path = archive(tmp_path / "b.zip", GOOD, compress=zipfile.ZIP_BZIP2)
    refused(capsys, 2, "pack-broken", "unpack", path, "--exchange", tmp_path / "x")


def test_archive_when_there_is_none_or_no_exchange_in_it_then_it_is_told(capsys, tmp_path):
    refused(capsys, 2, "no-such-file", "unpack", tmp_path / "a.zip", "--exchange", tmp_path / "x")
    refused(capsys, 2, "is-a-folder", "unpack", tmp_path, "--exchange", tmp_path / "x")
    path = archive(tmp_path / "a.zip", ("report/en.html", b""), ("exchange/README", b""))
    refused(capsys, 2, "pack-empty", "unpack", path, "--exchange", tmp_path / "x")
    path = archive(tmp_path / "b.zip", ("exchange/Lab A/log/checkpoint", b""))
    refused(capsys, 2, "B-5.id", "unpack", path, "--exchange", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_archive_when_a_person_zipped_the_folder_again_then_it_is_taken_all_the_same(stories, capsys, tmp_path):
    """Other programs write entries for folders, too."""
    labs = stories.at("closed")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        for path in sorted(labs.exchange.rglob("*")):
            opened.write(path, Path("exchange") / path.relative_to(labs.exchange))
    assert typed(capsys, "unpack", tmp_path / "a.zip", "--exchange", tmp_path / "x").code == 0
    assert typed(capsys, *verify(labs, tmp_path / "x")).code == 0


def test_unpack_when_it_is_killed_half_way_then_the_same_command_ends_it(stories, capsys, tmp_path):
    labs = stories.at("closed")
    typed(capsys, "pack", labs.exchange, "--plan", labs.agreed().id, "-o", tmp_path / "a.zip")
    words = ["unpack", tmp_path / "a.zip", "--exchange", tmp_path / "x"]
    kill = (
        "import os, signal\nfrom detente.tlog.folder import Folder\nwrite, left = Folder._write, [30]\n"
        "def killing(*given):\n    left[0] -= 1\n    if not left[0]: os.kill(os.getpid(), signal.SIGKILL)\n    write(*given)\n"
        "Folder._write = killing"
    )
    done = subprocess.run(program(*words, prelude=kill), env=environ(), capture_output=True, check=False)
    assert done.returncode == -9
    assert 0 < len(files(tmp_path / "x")) < len(files(labs.exchange))
    assert typed(capsys, *verify(labs, tmp_path / "x")).code == 4
    assert typed(capsys, *words).code == 0
    assert typed(capsys, *verify(labs, tmp_path / "x")).code == 0
    assert not [name for name in Folder(tmp_path / "x").names() if name.endswith(".tmp")]
    assert os.environ.get("DETENTE_DESK") is None


def test_board_when_a_log_is_missing_or_wrong_then_the_rest_is_shown_and_the_exit_code_tells_which(
    stories, capsys, tmp_path
):
    labs = stories.at("published")
    root = tmp_path / "exchange"
    shutil.copytree(labs.exchange, root)
    words = ["board", root, "--plan", labs.agreed().id]
    path = root / "lab-b" / "log" / "checkpoint"
    raw = path.read_bytes()
    path.unlink()
    said = typed(capsys, *words)
    assert (said.code, said.error) == (4, "file-missing")
    assert "lab-a" in said.out
    path.write_bytes(raw.replace(b"\n5\n", b"\n4\n"))
    said = typed(capsys, *words)
    assert (said.code, said.error) == (3, "L-1.signature")
    assert "lab-a" in said.out
