# SPDX-License-Identifier: Apache-2.0
"""The scripts of examples/shards, run as they lie there; Slurm is played by its two variables."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kit.labs import Labs
from kit.typed import environ, typed

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "shards"
pytestmark = pytest.mark.skipif(shutil.which("sh") is None or sys.platform == "win32", reason="needs a shell")


@pytest.fixture
def labs(stories, tmp_path: Path) -> Labs:
    return stories.at("registered").moved(tmp_path / "labs")


@pytest.fixture
def root(labs, capsys, tmp_path: Path) -> str:
    """What one machine makes of the same run."""
    alone = labs.moved(tmp_path / "alone").desks["lab-a"].root
    return str(json.loads(typed(capsys, "run", "--json", "--desk", alone).out.splitlines()[-1])["root"])


def shell(root: Path, script: str, *words: object, **more: str) -> str:
    """A script of the example, with this program as ``detente``."""
    program = root / "bin" / "detente"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m detente "$@"\n')
    program.chmod(0o755)
    env = environ(**more)
    env["PATH"] = f"{program.parent}:{env['PATH']}"
    done = subprocess.run(
        [str(EXAMPLE / script), *map(str, words)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def concluded(labs: Labs, capsys) -> str:
    return str(
        json.loads(typed(capsys, "run", "--json", "--desk", labs.desks["lab-a"].root).out.splitlines()[-1])["root"]
    )


def test_two_sites_when_the_script_has_run_then_the_root_is_that_of_one_machine(labs, root, capsys, tmp_path):
    shell(tmp_path, "two_sites.sh", labs.desks["lab-a"].root, "m-lab-a", tmp_path / "away")
    assert concluded(labs, capsys) == root


def test_array_when_every_task_has_run_then_the_join_has_all(labs, root, capsys, tmp_path):
    desk = labs.desks["lab-a"].root
    for k in range(3):
        shell(tmp_path, "array.sbatch", desk, "m-lab-a", SLURM_ARRAY_TASK_ID=str(k), SLURM_ARRAY_TASK_MAX="2")
    assert typed(capsys, "join", "--desk", desk).code == 0
    assert concluded(labs, capsys) == root


@pytest.mark.ray
def test_cluster_when_the_script_has_run_then_the_root_is_that_of_one_machine(labs, root, capsys, tmp_path):
    if importlib.util.find_spec("ray") is None:
        pytest.skip("the extra ray: make oracles")
    from kit.cluster import ray_cluster

    with ray_cluster() as cluster:
        shell(tmp_path, "ray.sh", labs.desks["lab-a"].root, "m-lab-a", cluster.address, 2)
    assert concluded(labs, capsys) == root
