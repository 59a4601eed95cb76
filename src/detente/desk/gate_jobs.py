# SPDX-License-Identifier: Apache-2.0
"""A gate as a CI job: the models it compares are asked first, the same drawn questions each, within a budget of minutes."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from detente.desk.allowed import Allowed
from detente.desk.gates import Rehearsed
from detente.desk.judging import JUDGE, Asking
from detente.desk.rehearsals import Rehearsal, rehearse
from detente.desk.wrapped import PLAIN
from detente.errors import CannotTell
from detente.run.engine import Progress

CONCURRENCY, CHARS = 4, 4000
Told = Callable[[Progress], None]


class Job(NamedTuple):
    """What to ask: a model spec by subject, the suite, where to write, how many questions by which seed, how many minutes in all.

    ``judges``: the models behind the judge or guard among ``scorers``; models without a scorer are the ``judge``.
    ``variants``: by subject, in which it is asked besides; ``recipes``: by subject, how its safeguards were taken off.
    """

    models: Mapping[str, str]
    suite: str
    out: Path
    sample: int | None
    seed: str | None
    minutes: int | None
    tokens: int
    judges: Asking = Asking()
    scorers: Sequence[str] = ()
    variants: Mapping[str, Sequence[str]] = MappingProxyType({})
    recipes: Mapping[str, Path] = MappingProxyType({})


def rehearse_all(job: Job, display: Callable[[], AbstractContextManager[Told]]) -> list[Rehearsed]:
    """Rehearse with every model in turn; the same command goes on where time ran out.

    Raises CannotTell (run-stopped) where the minutes were not enough, and as ``rehearse``.
    """
    ends_at = None if job.minutes is None else time.monotonic() + 60.0 * job.minutes
    done: list[Rehearsed] = []
    scorers = job.scorers or ([JUDGE] if job.judges.specs else ["refusal"])
    for subject, model in job.models.items():
        left = None if ends_at is None else (ends_at - time.monotonic()) / 60
        if left is not None and left <= 0:
            raise CannotTell("run-stopped", str(job.out), expected=len(job.models), got=len(done))
        wanted = Rehearsal(
            suite=job.suite, model=model, system=None, key_env=None, scorers=scorers, concurrency=CONCURRENCY,
            chars=CHARS, tokens=job.tokens, out=job.out / subject, allowed=Allowed(minutes=left), sample=job.sample,
            seed=job.seed, judges=job.judges, variants=[PLAIN, *more] if (more := job.variants.get(subject)) else [],
            recipe=job.recipes.get(subject),
        )  # fmt: skip
        with display() as told:
            rehearse(wanted, told)
        done.append(Rehearsed(subject, wanted.out))
    return done
