# SPDX-License-Identifier: Apache-2.0
"""Small questions, and one run over them, for tests of the room run; as a program a run that a test may kill.

python tests/kit/asking.py SPEC FOLDER N CONCURRENCY      prints the slots done so far, one number a line
"""

import asyncio
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "src")]

from detente.run.engine import Limits, Progress, rehearse
from detente.run.journal import Journal, Outcomes
from detente.run.model import Message, Model, Prompt, Sampling, load_model
from detente.wire.digests import sha256

KEY = bytes(range(32))
QUICK = Limits(attempts=4, rate_limited=20, first_wait_s=0.01, longest_wait_s=0.05, patience_s=0.6)
GREEDY = Sampling(0.0, 1.0)


def prompt(i: int, text: str | None = None, *, chars: int = 4000, tokens: int = 64, lang: str | None = None) -> Prompt:
    """Slot i of a suite with two languages."""
    tag = lang or ("en" if i % 2 == 0 else "zh-Hans")
    said = text if text is not None else f"question {i}"
    return Prompt(i, sha256(b"item %d" % (i // 2)), tag, 0, (Message("user", said),), 1000 + i, chars, tokens)


def prompts(n: int) -> list[Prompt]:
    return [prompt(i) for i in range(n)]


def ask(
    model: Model | str,
    folder: Path,
    questions: Iterable[Prompt],
    *,
    concurrency: int = 8,
    limits: Limits = QUICK,
    progress: Callable[[Progress], None] | None = None,
    key: bytes = KEY,
) -> Outcomes:
    """One rehearsal from opening the journal to closing it."""

    async def go() -> Outcomes:
        loaded = load_model(model, slots=concurrency) if isinstance(model, str) else model
        try:
            with Journal(folder, key) as journal:
                return await rehearse(
                    questions,
                    loaded,
                    journal,
                    sampling=GREEDY,
                    concurrency=concurrency,
                    progress=progress,
                    limits=limits,
                )
        finally:
            await loaded.close()

    return asyncio.run(go())


def lines(folder: Path, key: bytes = KEY) -> dict[int, bytes]:
    """Every slot's body line, by slot, as the journal gives it."""
    with Journal(folder, key) as journal:
        return {i: journal.body_line(i) for i in journal.done()}


if __name__ == "__main__":
    spec, folder, n, concurrency = sys.argv[1:5]
    ask(
        spec,
        Path(folder),
        prompts(int(n)),
        concurrency=int(concurrency),
        progress=lambda told: print(told.done, flush=True),
    )
    print("end", flush=True)
