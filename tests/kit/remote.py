# SPDX-License-Identifier: Apache-2.0
"""Models that say by the text alone what they say, for runs on several processes; they leave their process numbers in a folder."""

import os
import signal
import time
from pathlib import Path

from kit.labs import scripted

PIDS = "KIT_PIDS"  # the variable that names the folder


def here() -> None:
    """Say which process answers, once."""
    folder = os.environ.get(PIDS)
    if folder:
        Path(folder, str(os.getpid())).touch()


def slow(messages: list[dict[str, str]]) -> str:
    """``kit.labs.scripted``, a fifth of a second later where a cluster asks it."""
    here()
    if os.environ.get(PIDS):
        time.sleep(0.2)
    return scripted(messages)


def deadly(text: str) -> str:
    """An echo; one question ends the process, as a fault in a GPU driver would."""
    here()
    if text == "question 3":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return f"You said: {text}"


def which() -> str:
    """Stands in for the digest of a program: another one wherever the cluster's own processes run."""
    return "cluster" if os.environ.get(PIDS) else "driver"
