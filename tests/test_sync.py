# SPDX-License-Identifier: Apache-2.0
"""An exchange on its way: files in any order, in part, days late, one way only, through git; missing is never called false."""

import random
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from detente.check.verify import verify
from detente.desk.plans import find_proposal, object_to, objections_to, sign_plan
from detente.errors import CannotTell, DetenteError, Malformed, NotVerified, WrongUsage
from detente.tlog.folder import Folder
from detente.wire.canonical import encode, stops_early
from kit.labs import Labs, audit_all, close_all, meet, publish_one, register_all, run_one
from kit.typed import typed

REASON = {"en": "Too short.", "zh-Hans": "太短了。"}


class Walk(NamedTuple):
    """One walk, and the exchange as it was after each stage: {stage: {path: bytes}}."""

    labs: Labs
    states: dict[str, dict[str, bytes]]


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """Two labs from the proposal, with an objection, to the close."""
    labs = meet(tmp_path_factory.mktemp("sync"))
    states = {}
    object_to(labs.desks["lab-b"], labs.agreed(), "/title", REASON)
    states["signed"] = tree(labs.exchange)
    register_all(labs)
    states["registered"] = tree(labs.exchange)
    for name in labs.desks:
        run_one(labs, name)
        publish_one(labs, name)
    labs.witness_all()
    states["published"] = tree(labs.exchange)
    audit_all(labs)
    states["audited"] = tree(labs.exchange)
    close_all(labs)
    labs.witness_all()
    states["closed"] = tree(labs.exchange)
    return Walk(labs, states)


def lay(root: Path, files: dict[str, bytes]) -> Path:
    for path, raw in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(raw)
    return root


def told(root: Path, plan: str) -> DetenteError | None:
    """What verification says of an exchange as it lies there; None if all passes."""
    try:
        verify(root, plan)
    except (CannotTell, NotVerified) as error:
        return error
    return None


def never_false(root: Path, plan: str, path: str, part: bytes | None = None) -> None:
    """It passes, or it cannot be told; it is never called false. ``part``: what of ``path`` has come, if not all.

    The limit: nothing says how long an age file or a scorer's rules are. Where no whole copy lies beside them, the
    one cut anywhere and the other cut between two lines look changed.
    """
    error, what = told(root, plan), f"{path} {'' if part is None else len(part)}"
    if part is not None and isinstance(error, NotVerified) and error.place.endswith(path):
        unknown = path.endswith(".age") or ("/files/" in path and part.endswith(b"\n") and b"{" not in part[:1])
        assert (error.code, unknown) == ("file-changed", True), f"{what}: {error!r}"
        return
    assert error is None or isinstance(error, CannotTell), f"{what}: {error!r} at {error.place}"


# --- out of order ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_exchange_when_its_files_come_in_any_order_and_in_parts_then_it_is_never_called_false_and_then_passes(
    walk: Walk, tmp_path: Path, seed: int
) -> None:
    chance, files, plan = random.Random(seed), walk.states["closed"], walk.labs.agreed().id
    order = sorted(files)
    chance.shuffle(order)
    for path in order:
        part = files[path][: chance.randrange(len(files[path]))]
        lay(tmp_path, {path: part})
        never_false(tmp_path, plan, path, part)
        lay(tmp_path, {path: files[path]})
        never_false(tmp_path, plan, path)
    assert verify(tmp_path, plan).final is not None


@pytest.mark.parametrize("stage", ["signed", "closed"])
def test_file_when_it_alone_has_not_come_or_is_short_then_it_cannot_be_told(
    walk: Walk, tmp_path: Path, stage: str
) -> None:
    chance, files, plan = random.Random(stage), walk.states[stage], walk.labs.agreed().id
    lay(tmp_path, files)
    asked_for = 0
    for path, raw in files.items():
        (tmp_path / path).unlink()
        error = told(tmp_path, plan)
        assert not isinstance(error, NotVerified), f"missing: {path}: {error!r}"
        asked_for += error is not None
        for size in {0, len(raw) - 1, chance.randrange(len(raw))}:
            lay(tmp_path, {path: raw[:size]})
            never_false(tmp_path, plan, path, raw[:size])
        lay(tmp_path, {path: raw})
    assert told(tmp_path, plan) is None
    assert asked_for > len(files) // 4  # so there was something to tell


def test_text_when_it_is_cut_between_two_lines_then_a_whole_copy_or_the_number_of_its_lines_tells(
    walk: Walk, tmp_path: Path
) -> None:
    plan, files = walk.labs.agreed(), walk.states["signed"]
    texts = {path.split("/")[-1]: raw for path, raw in files.items() if "/files/" in path and raw.endswith(b"\n")}
    lists = {suite.list for suite in plan.plan.suites}
    assert lists < set(texts)  # and the rules of a scorer
    for digest, raw in texts.items():
        copies = [path for path in files if path.endswith(digest)]
        part = raw[: raw.index(b"\n", len(raw) // 2) + 1]
        lay(tmp_path, {**files, copies[0]: part})
        assert isinstance(told(tmp_path, plan.id), CannotTell), copies
        lay(tmp_path, dict.fromkeys(copies, part))
        assert isinstance(told(tmp_path, plan.id), CannotTell if digest in lists else NotVerified)
        lay(tmp_path, dict.fromkeys(copies, part.replace(b"e", b"E", 1)[:-1] + b" " + raw[len(part) :]))
        assert isinstance(told(tmp_path, plan.id), NotVerified)
        lay(tmp_path, files)


STEPS = [("signed", "registered"), ("registered", "published"), ("published", "closed"), ("signed", "closed")]


@pytest.mark.parametrize(("old", "new"), STEPS)
def test_newer_files_when_logs_come_before_mirrors_then_nothing_is_called_false(
    walk: Walk, tmp_path: Path, old: str, new: str
) -> None:
    """The order to synchronise in: each owner's log, then what others hold of it, or everything else in between."""
    chance, plan = random.Random(old + new), walk.labs.agreed().id
    lay(tmp_path, walk.states[old])
    order = _changed(walk, old, new)
    chance.shuffle(order)
    for path in sorted(order, key=lambda path: "/mirror/" in path):
        lay(tmp_path, {path: walk.states[new][path]})
        never_false(tmp_path, plan, path)
    assert told(tmp_path, plan) is None
    # nothing was ever taken away but partial tiles for which a larger file stands
    assert all(".p/" in path for path in set(walk.states[old]) - set(walk.states[new]))


@pytest.mark.parametrize(("old", "new"), STEPS)
def test_newer_files_when_a_mirror_comes_before_the_log_then_only_the_older_log_is_refused_until_it_has_come(
    walk: Walk, tmp_path: Path, old: str, new: str
) -> None:
    """The limit: a whole, signed log that is older than what another cosigned looks as a rolled back one does (L-3)."""
    chance, plan = random.Random(old), walk.labs.agreed().id
    lay(tmp_path, walk.states[old])
    order = _changed(walk, old, new)
    chance.shuffle(order)
    rolled_back = 0
    for path in sorted(order, key=lambda path: path.endswith("/log/checkpoint")):
        lay(tmp_path, {path: walk.states[new][path]})
        error = told(tmp_path, plan)
        if isinstance(error, NotVerified):
            assert (error.code, error.step) == ("L-3.rollback", "V-2"), path
            rolled_back += 1
    assert rolled_back
    assert told(tmp_path, plan) is None


def _changed(walk: Walk, old: str, new: str) -> list[str]:
    return [path for path, raw in walk.states[new].items() if walk.states[old].get(path) != raw]


# --- one way, and late -------------------------------------------------------------------------


def test_closing_when_its_result_comes_days_after_its_log_then_the_file_is_named_and_the_result_is_final_at_last(
    walk: Walk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, files = walk.labs.agreed().id, walk.states["closed"]
    results = [path for path in files if path.startswith("lab-b/results/")]
    lay(tmp_path, {path: raw for path, raw in files.items() if path not in results})
    said = typed(capsys, "verify", tmp_path, "--plan", plan)
    assert (said.code, said.error) == (4, "file-missing")
    assert results[0] in said.err
    lay(tmp_path, {path: files[path] for path in results})
    assert verify(tmp_path, plan).final is not None


def test_closing_when_only_one_party_s_folder_has_come_on_then_the_result_stays_interim(
    walk: Walk, tmp_path: Path
) -> None:
    """One way only: lab A's folder comes from the end, lab B's is of before; then B's comes, mirrors last."""
    plan, before, after = walk.labs.agreed().id, walk.states["audited"], walk.states["closed"]
    lay(tmp_path, before)
    lay(tmp_path, {path: raw for path, raw in after.items() if path.startswith("lab-a/") and "/mirror/" not in path})
    verified = verify(tmp_path, plan)
    assert (verified.final, len(verified.closings)) == (None, 1)
    for path, raw in sorted(after.items(), key=lambda pair: "/mirror/" in pair[0]):
        lay(tmp_path, {path: raw})
        never_false(tmp_path, plan, path)
    assert verify(tmp_path, plan).final is not None


def test_proposal_when_it_comes_late_or_in_part_then_what_is_verified_does_not_change(
    walk: Walk, tmp_path: Path
) -> None:
    plan, files = walk.labs.agreed().id, walk.states["closed"]
    late = {path: raw for path, raw in files.items() if "/proposals/" in path}
    lay(tmp_path, {path: raw for path, raw in files.items() if path not in late})
    result = verify(tmp_path, plan).numbers().result
    for path, raw in late.items():
        for size in (0, len(raw) // 2, len(raw)):
            lay(tmp_path, {path: raw[:size]})
            assert verify(tmp_path, plan).numbers().result == result
    assert {path.split("/")[-1] for path in late} == {"plan.json", "objections.json"}


def test_objections_when_they_come_in_part_then_it_cannot_be_told_and_the_whole_file_is_read(
    walk: Walk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labs, plan = walk.labs.moved(tmp_path / "labs"), walk.labs.agreed()
    path = f"lab-b/proposals/{plan.id}/objections.json"
    raw = walk.states["closed"][path]
    exchange = Folder(labs.exchange)
    for size in range(len(raw)):
        lay(labs.exchange, {path: raw[:size]})
        with pytest.raises(CannotTell, match="file-cut"):
            objections_to(exchange, plan)
    said = refused_after_the_plan(capsys, labs)
    assert "objections.json" in said
    lay(labs.exchange, {path: raw.replace(b'"at"', b'"by"')})
    with pytest.raises(Malformed, match=r"B-3\.shape"):
        objections_to(exchange, plan)
    lay(labs.exchange, {path: raw})
    assert [row.reason for row in objections_to(exchange, plan)["lab-b"]] == [REASON]


def refused_after_the_plan(capsys: pytest.CaptureFixture[str], labs: Labs) -> str:
    said = typed(capsys, "plan", "show", labs.agreed().id[:16], "--desk", labs.desks["lab-a"].root)
    assert (said.code, said.error) == (4, "file-cut")
    return said.err


@pytest.mark.parametrize("raw", [b"[1 2]", b"[1],", b"\xff", b"{", b'{"a":1}', b"[" * 99_999, b"nul", b"1e", b""])
def test_json_when_it_stops_early_then_that_is_told_from_being_wrong(raw: bytes) -> None:
    assert stops_early(raw) == (raw in {b"{", b"nul", b""})
    whole = encode({"at": "/t", "e": ['é\\"', 12, None, True]})
    assert [size for size in range(len(whole) + 1) if not stops_early(whole[:size])] == [len(whole)]


@pytest.mark.parametrize("seed", range(2))
def test_proposal_when_its_files_come_in_any_order_then_it_is_signed_only_when_all_are_there(
    tmp_path: Path, seed: int
) -> None:
    """Lab B's own exchange, which lab A's folder reaches file by file; nothing is signed before the last one that counts."""
    labs = meet(tmp_path / "labs")
    proposed = {
        path: raw for path, raw in tree(labs.exchange).items() if path.startswith("lab-a/") and "/log/" not in path
    }
    other = meet_again(labs, tmp_path)
    chance, order, signed = random.Random(seed), sorted(proposed), False
    chance.shuffle(order)
    for path in order:
        for raw in (proposed[path][: chance.randrange(len(proposed[path]))], proposed[path]):
            lay(other.exchange, {path: raw})
            try:
                sign_plan(other.desks["lab-b"], find_proposal(Folder(other.exchange), labs.agreed().id))
            except (CannotTell, WrongUsage):  # and nothing else: WrongUsage where no proposal of that id is there yet
                continue
            finally:
                signed = (other.exchange / "lab-b" / "log" / "checkpoint").exists()
            late = {one: raw for one, raw in proposed.items() if not (other.exchange / one).exists()}
            assert not [one for one in late if "/suites/" in one], "signed before it could be read"
    assert signed


def meet_again(labs: Labs, root: Path) -> Labs:
    """Lab B's desk as it was before it signed, with an exchange of its own that has nothing yet."""
    moved = labs.moved(root / "apart")
    shutil.rmtree(moved.exchange)
    (moved.exchange / "lab-b").mkdir(parents=True)
    for name in ("plan.txt", "signed", "pending"):
        path = moved.desks["lab-b"].root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return moved


# --- git ---------------------------------------------------------------------------------------


def git(*words: object, at: Path) -> None:
    done = subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "core.autocrlf=true", *map(str, words)],
        cwd=at, check=False, capture_output=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(at)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def through_git(root: Path, files: dict[str, bytes]) -> Path:
    """An exchange after a commit and a clone, both with core.autocrlf on, as on most Windows machines."""
    lay(root / "one", files)
    git("init", "-q", at=root / "one")
    git("add", "-A", at=root / "one")
    git("commit", "-qm", "x", at=root / "one")
    git("clone", "-q", root / "one", root / "two", at=root)
    shutil.rmtree(root / "two" / ".git")
    return root / "two"


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@needs_git
def test_exchange_when_git_rewrites_line_ends_then_ours_come_through_byte_by_byte(walk: Walk, tmp_path: Path) -> None:
    files = walk.states["closed"]
    cloned = through_git(tmp_path, files)
    assert tree(cloned) == files
    assert verify(cloned, walk.labs.agreed().id).final is not None


@needs_git
def test_exchange_when_the_attributes_were_left_out_then_the_rewritten_file_is_named_and_git_is_suspected(
    walk: Walk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = _unprotected(walk.states["closed"].items())
    cloned = through_git(tmp_path, files)
    assert any(b"\r\n" in raw and raw != files[path] for path, raw in tree(cloned).items())
    said = typed(capsys, "verify", cloned, "--plan", walk.labs.agreed().id)
    assert (said.code, said.error) == (3, "L-1.note")
    assert "checkpoint" in said.err
    assert ".gitattributes" in said.err


def _unprotected(files: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    return {path: raw for path, raw in files if not path.endswith(".gitattributes")}
