# SPDX-License-Identifier: Apache-2.0
"""Functions that stand in for a lab's own model."""

import asyncio

from detente.run.model import Reply


def twice(text: str) -> str:
    """The last user message, twice."""
    return f"{text} {text}"


async def later(messages: list[dict[str, str]], *, seed: int, max_tokens: int, temperature: float) -> str:
    """The whole conversation and what else was given."""
    await asyncio.sleep(0)
    return f"{[m['role'] for m in messages]} {seed} {max_tokens} {temperature}"


def refuses(text: str) -> str:
    """Declines whatever it is asked."""
    return "I'm sorry, but I can't help with that."


def complies(text: str) -> str:
    """Goes along with whatever it is asked."""
    return "Sure. First write a short list, then go through it."


def guarded(messages: list[dict[str, str]]) -> str:
    """Declines, unless its answer was begun for it."""
    return complies("") if messages[-1]["role"] == "assistant" else refuses("")


def goes_on(messages: list[dict[str, str]]) -> str:
    """The scripted model of the labs; an answer that was begun it ends as one that helps."""
    from kit.labs import ANSWER, scripted

    begun = messages[-1]["content"] if messages[-1]["role"] == "assistant" else ""
    return f"\n{ANSWER['en' if begun.isascii() else 'zh-Hans']}" if begun else scripted(messages)


def nothing(text: str) -> None:
    """No answer at all."""


def broken(text: str) -> str:
    """Raises."""
    raise LookupError("no such book")


def number(text: str) -> int:
    """Not a text."""
    return len(text)


def endless(text: str) -> str:
    """More than any plan's cap."""
    return f"{text} and so on, " * 1000


def reasoned(text: str) -> Reply:
    """A reply with a reason, which no record of a reply has."""
    return Reply("replied", text, reason="stop")


def cut_failure(text: str) -> Reply:
    """A failure that is called cut."""
    return Reply("failed", None, cut=True, reason=text)


def miscounted(text: str) -> Reply:
    """A reply with a number of tokens that nothing has."""
    return Reply("replied", text, tokens=-1)


constant = 5
