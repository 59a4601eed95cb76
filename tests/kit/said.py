# SPDX-License-Identifier: Apache-2.0
"""Functions that stand in for a lab's own model."""

import asyncio


def twice(text: str) -> str:
    """The last user message, twice."""
    return f"{text} {text}"


async def later(messages: list[dict[str, str]], *, seed: int, max_tokens: int, temperature: float) -> str:
    """The whole conversation and what else was given."""
    await asyncio.sleep(0)
    return f"{[m['role'] for m in messages]} {seed} {max_tokens} {temperature}"


def nothing(text: str) -> None:
    """No answer at all."""


def broken(text: str) -> str:
    """Raises."""
    raise LookupError("no such book")


def number(text: str) -> int:
    """Not a text."""
    return len(text)


constant = 5
