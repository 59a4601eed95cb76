# SPDX-License-Identifier: Apache-2.0
"""The face shows what it says, loads nothing before it is asked, and its docstring's lines run."""

import subprocess
import sys

import detente


def test_face_when_listed_then_every_name_is_there_sorted_and_nothing_else():
    assert detente.__all__ == sorted(detente.__all__)
    assert set(detente._HOMES) | {"__version__"} == set(detente.__all__)
    for name in detente.__all__:
        assert getattr(detente, name) is not None


def test_face_when_imported_then_no_room_is_loaded():
    code = "import sys, detente; print([m for m in sys.modules if m.startswith('detente.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_face_when_used_as_a_library_then_five_lines_verify(stories):
    labs = stories.at("closed")
    verified = detente.verify(labs.exchange, labs.agreed().id)
    assert detente.joint_of(verified).digest == verified.final
    assert len(detente.summarise(verified).digest) == 64
