# SPDX-License-Identifier: Apache-2.0
"""The hourly witness job of examples/witness_job, run with a local bare git repository for the exchange."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from detente.desk.lies import rewrite_log
from kit.labs import Labs
from kit.typed import environ

JOB = Path(__file__).resolve().parents[1] / "examples" / "witness_job"
GIT, SH = shutil.which("git"), shutil.which("sh")
pytestmark = pytest.mark.skipif(GIT is None or SH is None or sys.platform == "win32", reason="needs git and a shell")


def git(where: Path, *words: str) -> str:
    who = ("-c", "user.name=test", "-c", "user.email=test@test.invalid", "-c", "core.autocrlf=false")
    return subprocess.run(
        [GIT or "git", *who, "-C", str(where), *words], check=True, capture_output=True
    ).stdout.decode("utf-8", "replace")


class Hosted:
    """An exchange in a bare repository, a clone for a person who pushes to it, and a job that witnesses as lab-b."""

    def __init__(self, labs: Labs, root: Path) -> None:
        self.labs, self.root = labs, root
        self.bare, self.person = root / "exchange.git", root / "person"
        shutil.rmtree(labs.exchange / "lab-b" / "mirror", ignore_errors=True)
        git(labs.exchange, "init", "--quiet", "--initial-branch=main")
        git(labs.exchange, "add", "--all")
        git(labs.exchange, "commit", "--quiet", "-m", "exchange")
        subprocess.run([GIT or "git", "clone", "--quiet", "--bare", str(labs.exchange), str(self.bare)], check=True)
        subprocess.run([GIT or "git", "clone", "--quiet", str(self.bare), str(self.person)], check=True)
        bin_ = root / "bin"
        bin_.mkdir()
        (bin_ / "detente").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m detente "$@"\n')
        (bin_ / "detente").chmod(stat.S_IRWXU)

    def job(self, where: str = "runner", **more: str) -> subprocess.CompletedProcess[str]:
        """One round, in a folder of its own: a hosted job begins with an empty one."""
        here = self.root / where
        here.mkdir(exist_ok=True)
        key = (self.labs.desks["lab-b"].root / "keys" / "witness.key").read_text().strip()
        wanted = {
            "WITNESS_ID": "lab-b", "WITNESS_HOME": "https://lab-b.example/detente", "WITNESS_KEY": key,
            "WITNESS_NAMES": "en=Lab-B;zh-Hans=实验室B", "PLAN": self.labs.agreed().id, "EXCHANGE_URL": str(self.bare),
            "PATH": f"{self.root / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(here), "LC_ALL": "C.UTF-8",
        }  # fmt: skip
        return subprocess.run(
            [SH or "sh", str(JOB / "witness.sh")], cwd=here, env=environ(**wanted | more), capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip

    def log(self) -> list[str]:
        return git(self.bare, "log", "--format=%s", "main").splitlines()

    def pushed(self) -> set[str]:
        """The top folders that the newest commit changed."""
        return {name.split("/")[0] for name in git(self.bare, "show", "--name-only", "--format=", "main").split()}


@pytest.fixture
def hosted(stories, tmp_path) -> Hosted:
    return Hosted(stories.at("registered").moved(tmp_path / "labs"), tmp_path)


def test_job_when_a_log_grew_then_it_pushes_its_own_folder_and_nothing_else(hosted: Hosted) -> None:
    done = hosted.job()
    assert done.returncode == 0, done.stderr
    assert hosted.pushed() == {"lab-b"}
    assert hosted.log() == ["lab-b witnessed", "exchange"]
    git(hosted.person, "pull", "--quiet")
    assert len(list((hosted.person / "lab-b" / "mirror").rglob("notes/*"))) == 1
    assert len(hosted.labs.verify(hosted.person).histories["lab-a"].seen) == 1
    # nothing new: nothing is signed and nothing is pushed, with the old desk or with an empty one
    assert [hosted.job().returncode, hosted.job("another-runner").returncode] == [0, 0]
    assert hosted.log() == ["lab-b witnessed", "exchange"]
    # the key is nobody else's to read, and is in no commit
    key = hosted.root / "runner" / "desk" / "keys" / "witness.key"
    assert key.stat().st_mode & 0o077 == 0
    assert key.read_text().strip() not in git(hosted.bare, "log", "-p", "main")


def test_job_when_somebody_pushed_meanwhile_then_it_goes_on_top_of_that(hosted: Hosted) -> None:
    hook = hosted.bare / "hooks" / "pre-receive"
    hook.write_text('#!/bin/sh\n[ -e refused-once ] && exit 0\ntouch refused-once\necho "busy" >&2\nexit 1\n')
    hook.chmod(stat.S_IRWXU)
    (hosted.person / "lab-a" / "proposals").mkdir(exist_ok=True)
    (hosted.person / "lab-a" / "proposals" / "note.txt").write_text("from lab-a")
    git(hosted.person, "add", "--all")
    git(hosted.person, "commit", "--quiet", "-m", "from lab-a")
    assert hosted.job("first").returncode == 0  # refused once, then through
    git(hosted.person, "fetch", "--quiet")
    git(hosted.person, "rebase", "--quiet", "origin/main")
    git(hosted.person, "push", "--quiet", "origin", "HEAD:main")
    assert hosted.job("first").returncode == 0
    assert hosted.log() == ["from lab-a", "lab-b witnessed", "exchange"]


def test_job_when_the_push_never_gets_through_then_nothing_left_and_the_next_round_repeats_it(hosted: Hosted) -> None:
    hook = hosted.bare / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(stat.S_IRWXU)
    sleep = hosted.root / "bin" / "sleep"
    sleep.write_text("#!/bin/sh\n")
    sleep.chmod(stat.S_IRWXU)
    assert hosted.job().returncode == 5
    assert hosted.log() == ["exchange"]
    hook.unlink()
    assert hosted.job().returncode == 0
    assert hosted.log() == ["lab-b witnessed", "exchange"]
    assert len(hosted.labs.verify(Path(git_checkout(hosted))).histories["lab-a"].seen) == 1


def git_checkout(hosted: Hosted) -> str:
    git(hosted.person, "pull", "--quiet")
    return str(hosted.person)


def test_job_when_a_log_shows_another_history_then_it_ends_with_3_and_the_proof_is_pushed(hosted: Hosted) -> None:
    assert hosted.job().returncode == 0
    git(hosted.person, "pull", "--quiet")
    rewrite_log(hosted.person, hosted.labs.desks["lab-a"], hosted.labs.agreed(), lambda entries: entries[::-1])
    git(hosted.person, "add", "--all")
    git(hosted.person, "commit", "--quiet", "-m", "lab-a cheats")
    git(hosted.person, "push", "--quiet", "origin", "HEAD:main")
    done = hosted.job("fresh")  # an empty desk: its memory is the mirror in the repository
    assert (done.returncode, "L-2.fork" in done.stderr) == (3, True)
    git(hosted.person, "pull", "--quiet")
    assert len(list((hosted.person / "lab-b" / "mirror").rglob("fork/*"))) == 2


def test_job_when_the_branch_was_rewritten_then_it_signs_nothing_and_a_person_has_to_look(hosted: Hosted) -> None:
    assert hosted.job().returncode == 0
    git(hosted.bare, "update-ref", "refs/heads/main", "main~1")
    done = hosted.job()
    assert (done.returncode, "was rewritten" in done.stderr) == (6, True)
    assert hosted.log() == ["exchange"]


def test_job_when_a_variable_is_missing_then_it_names_it_and_does_nothing(hosted: Hosted) -> None:
    done = hosted.job(PLAN="")
    assert done.returncode != 0
    assert "PLAN" in done.stderr
    assert not (hosted.root / "runner" / "exchange").exists()


@pytest.mark.parametrize("name", ["github.yml", "gitlab-ci.yml"])
def test_job_file_when_read_then_it_sets_what_the_script_wants_and_keeps_the_key_a_secret(name: str) -> None:
    text, script = (JOB / name).read_text("utf-8"), (JOB / "witness.sh").read_text("utf-8")
    assert "witness.sh" in text
    assert "17 * * * *" in text
    wanted = re.findall(r"\$\{([A-Z_]+):\?\}", script)
    assert set(wanted) == {"WITNESS_ID", "WITNESS_HOME", "WITNESS_NAMES", "WITNESS_KEY", "PLAN", "EXCHANGE_URL"}
    if name == "github.yml":
        assert all(f"{one}: ${{{{" in text for one in wanted)
        assert "secrets.WITNESS_KEY" in text
        assert "secrets.EXCHANGE_URL" in text
        assert "pull_request" not in text
    assert not re.search(r"[0-9a-f]{64}", text)
