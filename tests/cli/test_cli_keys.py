# SPDX-License-Identifier: Apache-2.0
"""Keys at the command line: new ones, a successor plan, a passphrase asked for once, and what a thief leaves behind."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from detente.desk import keyring
from detente.desk.keys import load_desk
from detente.pact.seal import lock
from detente.tlog.folder import Folder
from detente.tlog.log import append
from detente.wire.canonical import decode, encode
from kit.typed import PACKAGE, TESTS, refused, typed
from test_story_chain import forged

WORD = "correct horse 电池"


@pytest.fixture(autouse=True)
def _nobody_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(keyring.PASSPHRASE, raising=False)
    keyring._opened.clear()


def files(desk: Path) -> list[str]:
    return sorted(path.name for path in (desk / "keys").iterdir())


def test_story_when_told_at_the_command_line_then_labs_go_from_plan_to_plan(stories, capsys, tmp_path):
    labs = stories.at("registered").moved(tmp_path)
    a, b = (labs.desks[name].root for name in ("lab-a", "lab-b"))
    old = labs.agreed().id
    said = typed(capsys, "keys", "new", "statement", "log", "--desk", b)
    assert (said.code, said.out.strip()) == (0, str(b / "card.json"))
    said = typed(capsys, "plan", "new", tmp_path / "plan.toml", "--card", b / "card.json", "--supersedes", "--desk", a)
    assert said.code == 0
    assert said.err.count("entry 2") == 2
    new = said.out.strip()
    assert "supersedes.plan" not in typed(capsys, "plan", "diff", old[:8], new[:8], "--desk", a).err
    for desk in (a, b):
        assert typed(capsys, "plan", "sign", new, "--desk", desk).code == 0
    for desk in (a, b):
        assert typed(capsys, "witness", "--desk", desk).code == 0
    said = typed(capsys, "verify", labs.exchange, "--plan", new)
    assert said.code == 0
    assert "an earlier plan of the chain" in said.err
    assert re.search(r"not read: \d+ files of other plans of the chain", said.err)
    assert "not part of it" not in said.err
    said = typed(capsys, "verify", labs.exchange, "--plan", old)
    assert said.code == 0
    assert "in this one's place" in said.err
    said = typed(capsys, "verify", labs.exchange, "--plan", old, "--json")
    assert f'"plan": "{new}", "warning": "successor"' in said.out
    # what ran goes on under its own plan; nothing new is registered under it
    assert typed(capsys, "run", "--plan", old[:8], "--desk", a).code == 0
    assert "concluded, not published" in typed(capsys, "status", "--plan", old[:8], "--desk", a).out
    assert typed(capsys, "status", "--desk", a).out == ""
    refused(capsys, 2, "no-proposal", "status", "--plan", "0" * 8, "--desk", a)


def test_plan_new_when_a_head_cannot_be_cut_then_it_says_how_long_the_log_is(stories, capsys, tmp_path):
    labs = stories.at("registered").moved(tmp_path)
    words = ["plan", "new", tmp_path / "plan.toml", "--card", labs.desks["lab-b"].root / "card.json"]
    words += ["--desk", labs.desks["lab-a"].root]
    for head in ("lab-b=3", "lab-x=1"):
        refused(capsys, 2, "no-head", *words, "--supersedes", "--head", head)
    refused(capsys, 2, "bad-head", *words, "--supersedes", "--head", "lab-b=two")
    refused(capsys, 2, "cli-missing", *words, "--head", "lab-b=2")
    said = typed(capsys, *words, "--supersedes", "--head", "lab-b=1")
    assert said.code == 0
    said = typed(capsys, "plan", "sign", said.out.strip(), "--desk", labs.desks["lab-b"].root)
    assert "1 entry of your own log lies beyond the head" in said.err


def test_status_when_somebody_else_signed_in_the_own_log_then_it_is_exit_3(stories, capsys, tmp_path):
    labs = stories.at("registered").moved(tmp_path)
    desk, plan = labs.desks["lab-b"], labs.agreed()
    assert typed(capsys, "status", "--desk", desk.root).code == 0
    entry = forged(desk, plan, labs.runs["lab-b"].id)
    append(desk.own("log"), Folder(tmp_path / "thief"), entry, desk.signer("log"), desk.me(plan).log.origin, [])
    said = typed(capsys, "status", "--desk", desk.root)
    assert said.code == 3
    assert "entry 2 of your own log (conclude) was not signed by this desk" in said.err
    assert '"foreign": 2' in typed(capsys, "status", "--json", "--desk", desk.root).out
    assert "1" in typed(capsys, "board", labs.exchange, "--plan", plan.id).out


# --- a passphrase ------------------------------------------------------------------------------


def test_keys_when_locked_then_no_secret_lies_open_and_every_verb_asks_for_the_passphrase(
    stories, capsys, tmp_path, monkeypatch
):
    labs = stories.at("signed").moved(tmp_path)
    desk = labs.desks["lab-a"].root
    secrets = [path.read_bytes().strip() for path in (desk / "keys").iterdir()]
    monkeypatch.setenv(keyring.PASSPHRASE, WORD)
    assert typed(capsys, "keys", "lock", "--desk", desk).code == 0
    assert files(desk) == ["locked.age"]
    assert (desk / "keys" / "locked.age").stat().st_mode & 0o777 == 0o600
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not any(secret in everything for secret in secrets)
    refused(capsys, 2, "keys-locked", "keys", "lock", "--desk", desk)
    assert typed(capsys, "witness", "--desk", desk).code == 0
    assert typed(capsys, "keys", "new", "log", "--desk", desk).code == 0
    assert files(desk) == ["locked.age"]

    keyring._opened.clear()
    monkeypatch.setenv(keyring.PASSPHRASE, "wrong")
    said = refused(capsys, 2, "wrong-passphrase", "witness", "--desk", desk)
    assert "wrong" not in said.err.replace("wrong-passphrase", "")
    monkeypatch.delenv(keyring.PASSPHRASE)
    monkeypatch.setattr(keyring, "_somebody_there", lambda: False)
    assert keyring.PASSPHRASE in refused(capsys, 4, "key-locked", "witness", "--desk", desk).err

    monkeypatch.setenv(keyring.PASSPHRASE, WORD)
    assert typed(capsys, "keys", "unlock", "--desk", desk).code == 0
    assert files(desk) == ["log-2.key", "log.key", "recipient.key", "statement.key", "witness.key"]
    assert all((desk / "keys" / name).stat().st_mode & 0o777 == 0o600 for name in files(desk))
    assert {path.read_bytes().strip() for path in (desk / "keys").iterdir()} >= set(secrets)
    refused(capsys, 2, "keys-open", "keys", "unlock", "--desk", desk)


def test_keys_when_a_lock_was_cut_short_then_the_same_command_ends_it(stories, capsys, tmp_path, monkeypatch):
    desk = stories.at("signed").moved(tmp_path).desks["lab-a"].root
    monkeypatch.setenv(keyring.PASSPHRASE, WORD)
    plain = {path.stem: path.read_text("ascii").strip() for path in (desk / "keys").iterdir()}
    (desk / "keys" / "locked.age").write_bytes(lock(encode(plain), WORD))
    (desk / "keys" / "witness.key").unlink()
    assert typed(capsys, "keys", "lock", "--desk", desk).code == 0
    assert files(desk) == ["locked.age"]
    # a plain key that is another one is no leftover: nothing is dropped
    (desk / "keys" / "log.key").write_text("11" * 32)
    assert "log.key" in refused(capsys, 4, "key-broken", "keys", "lock", "--desk", desk).err
    assert files(desk) == ["locked.age", "log.key"]
    refused(capsys, 4, "key-broken", "keys", "unlock", "--desk", desk)
    assert "locked.age" in files(desk)


def test_keys_when_one_is_broken_then_none_is_locked(stories, capsys, tmp_path, monkeypatch):
    desk = stories.at("signed").moved(tmp_path).desks["lab-a"].root
    monkeypatch.setenv(keyring.PASSPHRASE, WORD)
    (desk / "keys" / "log.key").write_text("1")
    refused(capsys, 4, "key-broken", "keys", "lock", "--desk", desk)
    assert "locked.age" not in files(desk)


AT_A_TERMINAL = """
import sys
sys.path[:0] = {places!r}
from detente.cli import main
sys.exit(main(sys.argv[1:]))
"""


def at_terminal(typing: list[str], *words: object) -> tuple[int, str]:
    """A command with a terminal of its own, somebody typing: the exit code, and all that the terminal showed."""
    script = AT_A_TERMINAL.format(places=[str(PACKAGE), str(TESTS)])
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", script, *map(str, words)])
    shown, rest = "", list(typing)
    while select.select([terminal], [], [], 60)[0]:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # Linux tells so that the other end is closed
            break
        shown += piece.decode("utf-8", "replace")
        if rest and shown.rstrip().endswith((":", "：")):
            os.write(terminal, rest.pop(0).encode() + b"\n")
            shown += "|"
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


INIT = ["lab-a", "--exchange", "exchange", "--home", "https://lab-a.example/d", "--name", "en=A", "--passphrase"]


def test_init_when_a_person_types_a_passphrase_twice_then_the_keys_are_made_under_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, shown = at_terminal([WORD, "another"], "init", *INIT, "--desk", "desk")
    assert code == 2
    assert "passphrases-differ" in shown
    code, shown = at_terminal([WORD, WORD], "init", *INIT, "--desk", "desk")
    assert code == 0, shown
    assert WORD not in shown
    assert files(tmp_path / "desk") == ["locked.age"]
    card = decode((tmp_path / "desk" / "card.json").read_bytes())
    code, shown = at_terminal([WORD], "init", *INIT, "--desk", "desk")  # asked once, though four keys are read
    assert code == 0, shown
    assert decode((tmp_path / "desk" / "card.json").read_bytes()) == card
    code, shown = at_terminal(["no"], "keys", "unlock", "--desk", "desk", "--lang", "zh")
    assert code == 2
    assert "口令" in shown
    assert load_desk(tmp_path / "desk").party == "lab-a"


def test_keys_new_when_they_are_locked_then_the_passphrase_is_asked_for_once_and_stays(stories, tmp_path, monkeypatch):
    desk = stories.at("signed").moved(tmp_path).desks["lab-a"].root
    monkeypatch.setenv(keyring.PASSPHRASE, WORD)
    keyring.lock_keys(desk / "keys")
    monkeypatch.delenv(keyring.PASSPHRASE)
    code, shown = at_terminal([WORD, "another"], "keys", "new", "--desk", desk)
    assert code == 0, shown
    assert shown.count("|") == 1
    assert files(desk) == ["locked.age"]
    code, shown = at_terminal([WORD], "keys", "unlock", "--desk", desk)
    assert code == 0, shown
    assert len(files(desk)) == 8


def test_keys_when_the_locked_file_is_damaged_then_it_is_told(stories, capsys, tmp_path, monkeypatch):
    desk = stories.at("signed").moved(tmp_path).desks["lab-a"].root
    monkeypatch.setenv(keyring.PASSPHRASE, WORD)
    for junk in (b"", b"no age file", lock(b"[]", WORD), lock(b"not JSON", WORD)):
        (desk / "keys" / "locked.age").write_bytes(junk)
        said = typed(capsys, "witness", "--desk", desk)
        assert said.error in {"wrong-passphrase", "key-broken"}, said.err


def test_init_when_a_job_gives_the_passphrase_through_a_pipe_then_it_is_not_read_from_there(tmp_path):
    """getpass without a terminal would read, and show, what comes from stdin."""
    done = subprocess.run(
        [sys.executable, "-m", "detente", "init", *INIT, "--desk", "desk"],
        cwd=tmp_path, input=f"{WORD}\n{WORD}\n", capture_output=True, text=True, check=False, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
    )  # fmt: skip
    assert done.returncode == 4
    assert "key-locked" in done.stderr
    assert WORD not in done.stdout + done.stderr
