# SPDX-License-Identifier: Apache-2.0
"""How work grows with its input, as a ratio within one run: a slow or busy machine slows both sides alike."""

import time
from collections.abc import Callable

TIMES = 8  # the longer input is so many times the shorter one; quadratic work would take 64 times as long
SLACK = 3  # caches and chance
FLOOR_S = 0.002  # shorter spans are noise


def cpu_s(work: Callable[[], object]) -> float:
    """The least CPU seconds of three goes."""
    spans = []
    for _ in range(3):
        began = time.process_time()
        work()
        spans.append(time.process_time() - began)
    return max(min(spans), FLOOR_S)


def assert_linear(work: Callable[[str], object], text: str) -> None:
    """``work`` on ``text`` takes at most TIMES x SLACK as long as on an eighth of it."""
    short, long = cpu_s(lambda: work(text[: len(text) // TIMES])), cpu_s(lambda: work(text))
    assert long <= TIMES * SLACK * short, f"{long:.4f} s for {len(text)} characters, {short:.4f} s for an eighth"
