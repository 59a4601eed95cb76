# SPDX-License-Identifier: Apache-2.0
"""A Python function as a model: ``python:module:function``, sync or async, given a string or a list of messages.

The function gets the conversation as ``[{"role", "content"}]``, which ends with a message of the role
``assistant`` where the answer was begun for it: it then returns what it writes after that; if its first parameter is annotated
``str`` it gets the last user message alone. Parameters named ``temperature``, ``top_p``, ``seed``,
``max_tokens`` and ``max_chars`` are filled if it has them. It returns the answer as a string, or a
``Reply``, or None where there is none. A sync function runs in threads, one for each slot.
"""

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from detente.errors import WrongUsage
from detente.evidence.record import OUTCOMES, mend_text
from detente.run.reply import ModelFault, Prompt, Reply, Sampling, with_system
from detente.wire.digests import sha256


class CallableModel:
    """A model that is a function; ``name`` is what stands behind ``python:``."""

    def __init__(self, name: str, function: Callable[..., Any], *, system: str | None, slots: int) -> None:
        self.name = name
        self.place = f"python:{name}"
        self.system = system
        self.function = function
        parameters = list(inspect.signature(function).parameters.values())
        names = {parameter.name for parameter in parameters[1:]}
        self._wants = sorted(names & {"temperature", "top_p", "seed", "max_tokens", "max_chars"})
        self._wants_text = bool(parameters) and parameters[0].annotation in {str, "str"}
        self.begins = not self._wants_text  # who gets the last question alone would never see how its answer was begun
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004  # an object with an async __call__
        )
        self._threads = None if self._is_async else ThreadPoolExecutor(max(1, slots), "detente-model")

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Reply:
        """Call the function; ModelFault ``raised`` with the exception's type, ``empty`` for None."""
        messages = with_system(prompt.messages, self.system)
        given: Any = messages
        if self._wants_text:
            given = next((message["content"] for message in reversed(messages) if message["role"] == "user"), "")
        known: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": prompt.seed,
            "max_tokens": prompt.tokens,
            "max_chars": prompt.chars,
        }
        wanted = {name: known[name] for name in self._wants}
        try:
            if self._threads is None:
                said = await self.function(given, **wanted)
            else:
                loop = asyncio.get_running_loop()
                said = await loop.run_in_executor(self._threads, lambda: self.function(given, **wanted))
                if inspect.isawaitable(said):
                    said = await said
        except ModelFault:
            raise
        except Exception as error:
            raise ModelFault("raised", type(error).__name__) from error
        return _reply(said)

    def describe(self) -> dict[str, Any]:
        """The function's name; what it does inside, nobody can say from here (P-12)."""
        return {
            "chatTemplate": None,
            "decoding": {},
            "endpoint": None,
            "filters": [],
            "kind": "callable",
            "name": self.name,
            "systemPrompt": sha256(self.system.encode("utf-8")) if self.system is not None else None,
            "weights": None,
        }

    async def close(self) -> None:
        """Let the threads go."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


def _reply(said: object) -> Reply:
    if isinstance(said, Reply):
        if not _is_lawful(said):
            raise ModelFault("raised", "no-such-reply")
        return said if said.output is None else said._replace(output=mend_text(said.output))
    if isinstance(said, str):
        return Reply("replied", mend_text(said))
    if said is None:
        raise ModelFault("empty", "none")
    raise ModelFault("raised", f"returned-{type(said).__name__}")


def _is_lawful(said: Reply) -> bool:
    """Whether a reply of somebody's own function can be a record (R-8): else its run could never be concluded."""
    spoken = isinstance(said.output, str) if said.outcome in {"replied", "truncated"} else said.output is None
    reasoned = said.reason is None or (isinstance(said.reason, str) and said.outcome != "replied")
    counted = said.tokens is None or (type(said.tokens) is int and said.tokens >= 0)
    cut = said.cut is False or (said.cut is True and said.outcome == "replied")
    return said.outcome in OUTCOMES and spoken and reasoned and counted and cut


def find_function(rest: str) -> Callable[..., Any]:
    """The function that ``MODULE:FUNCTION`` names; the working directory is searched too. WrongUsage (model-import)."""
    module, _, path = rest.rpartition(":")
    if not module or not path:
        raise WrongUsage("model-spec", "--model", expected="python:MODULE:FUNCTION", got=f"python:{rest}")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except Exception as error:
        raise WrongUsage("model-import", rest, got=f"{type(error).__name__}: {error}") from error
    if not callable(found):
        raise WrongUsage("model-import", rest, got=type(found).__name__)
    called: Callable[..., Any] = found
    return called
