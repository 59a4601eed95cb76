# SPDX-License-Identifier: Apache-2.0
"""Several endpoints or keys for one model: each question goes to the one with the fewest out, and one in trouble is left alone.

A failure is told to the engine like any other, so every attempt stands in the trace; as long as another
member is free the engine need not wait before it asks again. An answer is one answer, whoever gave
it: the spread asks each question of one member at a time, and never of two.

A member that asked for patience rests as long as it said, one that fails again and again without answering rests for
growing times. One whose key or account has been refused after it had answered is out for the rest of the run; the run
stops only when none is left.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from detente.errors import WrongUsage
from detente.run.reply import FATAL, Model, ModelFault, Prompt, Reply, Sampling, begins

TROUBLE = frozenset({"unavailable", "reset", "timeout"})
"""Faults of a member rather than of a question."""
FIRST_REST_S = 0.5
LONGEST_REST_S = 30.0
RATE_LIMITED_REST_S = 1.0
"""How long a member rests that says "too many" and not for how long."""


class Member:
    """One endpoint with one key: how many questions it has, and until when it rests (monotonic seconds)."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.out = 0
        self.turn = 0  # the number of the question that it got last
        self.rests_until = 0.0
        self.failed = 0  # times in a row
        self.answered = False
        self.gone = False

    def fail(self, fault: ModelFault) -> None:
        """Rest, as the fault asks or as often as it has failed."""
        if fault.kind == "rate-limit":
            rest_s = fault.retry_after_s if fault.retry_after_s is not None else RATE_LIMITED_REST_S
        else:
            self.failed += 1  # one failure is nothing yet
            rest_s = min(LONGEST_REST_S, FIRST_REST_S * 2.0 ** min(self.failed - 2, 16)) if self.failed > 1 else 0.0
            rest_s = max(rest_s, fault.retry_after_s or 0.0)
        self.rests_until = max(self.rests_until, time.monotonic() + rest_s)


class Spread:
    """A model behind several members."""

    def __init__(self, models: Sequence[Model]) -> None:
        """Raises WrongUsage (models-differ) unless all describe the same model, wherever it is asked (P-12)."""
        self.members = [Member(model) for model in models]
        self.place = ", ".join(sorted({str(getattr(model, "place", "")) for model in models}))
        self._described = _described_together(models)
        self.begins = all(begins(model) for model in models)
        self._turns = 0

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Reply:
        """The reply of one member; its fault otherwise, with no wait where another member is free."""
        member = self._freest()
        member.out += 1
        try:
            reply = await member.model.generate(prompt, sampling)
        except ModelFault as fault:
            raise self._told(member, fault) from None
        finally:
            member.out -= 1
        member.failed = 0
        member.answered = True
        return reply

    def _freest(self) -> Member:
        """The member that is awake with the fewest questions, of equals the one whose last is longest ago; if all rest, the one that wakes first."""
        now = time.monotonic()
        found = min(
            (member for member in self.members if not member.gone),
            key=lambda member: (max(0.0, member.rests_until - now), member.out, member.turn),
        )
        self._turns += 1
        found.turn = self._turns
        return found

    def _told(self, member: Member, fault: ModelFault) -> ModelFault:
        """What the engine hears of a member's fault."""
        if fault.kind in FATAL and fault.kind != "forbidden":
            if not member.answered or all(other.gone for other in self.members if other is not member):
                return fault
            member.gone = True
            return ModelFault("unavailable", fault.reason, retry_after_s=0.0)
        if fault.kind not in TROUBLE and fault.kind != "rate-limit":
            return fault  # this question's own, as far as anybody knows
        member.fail(fault)
        now = time.monotonic()
        wait_s = min(one.rests_until for one in self.members if not one.gone) - now
        if wait_s <= 0 and member.rests_until > now:
            return ModelFault(fault.kind, fault.reason, retry_after_s=0.0)
        if fault.retry_after_s is None:
            return fault
        return ModelFault(fault.kind, fault.reason, retry_after_s=max(0.0, wait_s))

    async def alive(self) -> bool:
        """Whether any member says anything at all."""
        asks = [ask() for member in self.members if (ask := getattr(member.model, "alive", None)) is not None]
        return any(await asyncio.gather(*asks))

    def describe(self) -> dict[str, Any]:
        """What all members say of themselves; ``endpoint`` has every address, sorted, with a space between (P-12)."""
        return dict(self._described)

    async def close(self) -> None:
        """Close every member."""
        for member in self.members:
            await member.model.close()


def _described_together(models: Sequence[Model]) -> dict[str, Any]:
    described = [model.describe() for model in models]
    first = described[0]
    for other in described[1:]:
        for name, value in other.items():
            if name != "endpoint" and value != first.get(name):
                raise WrongUsage("models-differ", "--model", expected=first.get(name), got=value, member=name)
    addresses = sorted({str(one["endpoint"]) for one in described if one["endpoint"] is not None})
    return {**first, "endpoint": " ".join(addresses) or None}
