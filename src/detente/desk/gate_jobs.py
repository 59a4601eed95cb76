# SPDX-License-Identifier: Apache-2.0
"""A gate as a CI job: the models it compares are asked first, the same drawn questions each, within a budget of minutes."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from detente.desk.allowed import Allowed
from detente.desk.asking import JUDGE, Asking
from detente.desk.gates import Rehearsed
from detente.desk.given import read_recipe
from detente.desk.rehearsals import Rehearsal, rehearse
from detente.desk.wrapped import PLAIN
from detente.errors import CannotTell
from detente.pact.wrappers import begun_by
from detente.run.engine import Progress
from detente.run.model import check_begins, is_endpoint, load_model

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


def rehearse_all(job: Job, display: Callable[[str], AbstractContextManager[Told]]) -> list[Rehearsed]:
    """Rehearse with every model in turn; the same command goes on where time ran out. ``display`` is given the subject.

    Raises CannotTell (job-stopped) where the minutes were not enough, and as ``rehearse``.
    """
    _check_beforehand(job)
    ends_at = None if job.minutes is None else time.monotonic() + 60.0 * job.minutes
    done: list[Rehearsed] = []
    scorers = job.scorers or ([JUDGE] if job.judges.specs else ["refusal"])
    for subject, model in job.models.items():
        left = None if ends_at is None else (ends_at - time.monotonic()) / 60
        if left is not None and left <= 0:
            raise CannotTell("job-stopped", str(job.out), expected=len(job.models), got=len(done))
        wanted = Rehearsal(
            suite=job.suite, model=model, system=None, key_env=None, scorers=scorers, concurrency=CONCURRENCY,
            chars=CHARS, tokens=job.tokens, out=job.out / subject, allowed=Allowed(minutes=left), sample=job.sample,
            seed=job.seed, judges=job.judges, variants=[PLAIN, *more] if (more := job.variants.get(subject)) else [],
            recipe=job.recipes.get(subject),
        )  # fmt: skip
        with display(subject) as told:
            rehearse(wanted, told)
        done.append(Rehearsed(subject, wanted.out))
    return done


def _check_beforehand(job: Job) -> None:
    """What would only be found when the last model's turn comes, before the first is asked anything.

    Raises WrongUsage as ``read_recipe``, and (model-no-begin) for an endpoint that is to go on with a begun answer and
    is not known to. Models that run in this process are not loaded twice for it: ``rehearse`` looks at them.
    """
    for recipe in job.recipes.values():
        read_recipe(recipe)
    for subject, spec in job.models.items():
        if any(begun_by(variant) for variant in job.variants.get(subject, ())) and is_endpoint(spec):
            check_begins(load_model(spec), f"{subject}={spec}")
