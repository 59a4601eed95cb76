# SPDX-License-Identifier: Apache-2.0
"""The judges that a person names: which models, with which keys and limits, and which scorers ask models at all."""

from collections.abc import Sequence
from typing import NamedTuple

from detente.desk.allowed import Allowed
from detente.score.scorer import KEYWORDS, SCORERS

JUDGE = "judge"


class Asking(NamedTuple):
    """Which models are asked, as a person names them, in the definition's order; how many questions at once.

    The minutes and the budget of ``allowed`` are those of all models together, over all their texts; ``spent``: so much
    of the budget went for something else.
    """

    specs: Sequence[str] = ()
    key_env: Sequence[str] = ()
    concurrency: int = 4
    allowed: Allowed = Allowed()
    spent: float = 0.0


def asks_models(scorer: str) -> bool:
    """Whether a scorer of this name is a judge or a guard: ``judge``, ``guard:NAME``, or a guard's name."""
    if scorer in SCORERS or scorer == KEYWORDS:
        return False
    from detente.score.guard import load_guards  # a rehearsal by rules alone does not pay for it
    from detente.score.panel import GUARD

    return scorer == JUDGE or scorer.startswith(GUARD) or scorer in load_guards()


def rules_of(scorers: Sequence[str]) -> list[str]:
    """The rule scorers among those named; ``refusal`` where there are none, for a judge says nothing of refusals alone."""
    return [name for name in scorers if not asks_models(name)] or ["refusal"]
