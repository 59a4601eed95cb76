# SPDX-License-Identifier: Apache-2.0
"""How a run of this desk stands, seen from another process than the one that asks."""

from detente.desk.allowed import noted_limits
from detente.desk.runs import RunState
from detente.run.engine import Progress
from detente.run.watch import look


def standing(run: RunState) -> tuple[Progress, float | None]:
    """What the run's own display shows, as far as it can be read from its files, and the budget it was started with."""
    price, budget = noted_limits(run.folder)
    slots = run.slots

    def cell_of(i: int) -> tuple[str, str]:
        slot = slots[i]
        return slot.lang, slot.hazard

    return look(run.journal_path(), cell_of, slots.cells(), price), budget
