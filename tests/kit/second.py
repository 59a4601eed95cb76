# SPDX-License-Identifier: Apache-2.0
"""The second verifier beside ours: whatever a test shows to ours is shown to it too, and both must say the same."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from detente.check import verify as ours
from detente.check.verify import Verified
from detente.errors import CannotTell, DetenteError, NotVerified
from detente.wire.canonical import encode

TESTS = Path(__file__).resolve().parents[1]
SECOND = TESTS.parent / "examples" / "second_verifier"
NODE = shutil.which("node")
# What a test shows to ours from its own file or from these is shown to the second.
SHOWN_BY = ("kit.labs", "kit.paper", "detente.cli.stranger", "detente.cli.app")


class Answer:
    """How the second ended: exit code, step, rule, place, its result.json without limits, as text, and what it says is withheld."""

    def __init__(self, line: str) -> None:
        self.exit, self.step, self.rule, self.place, self.result, self.withheld = json.loads(line)

    def __repr__(self) -> str:
        return f"{self.exit} {self.step} {self.rule} {self.place}"


class Second:
    """The second verifier as a process that is asked as often as one likes."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def ask(self, exchange: Path, plan: str, edits: Mapping[str, str | None] | None = None) -> Answer:
        """Its answer about an exchange; ``edits``: base64 by path, None for a file that is not there."""
        if self._process is None:
            command = [str(NODE), str(TESTS / "interop" / "second_answers.mjs"), str(SECOND)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", errors="surrogateescape"
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([str(exchange.absolute()), plan, edits]), file=self._process.stdin, flush=True)
        return Answer(self._process.stdout.readline())

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()


def difference(said: Verified | DetenteError, answer: Answer) -> str:
    """What the two do not say alike, or nothing."""
    if isinstance(said, Verified):
        code = 4 if said.plan.plan.quorum and said.unanchored() else 0
        if answer.exit != code:
            return f"ours: {code}; second: {answer}"
        if code:
            return ""
        if withheld_of(said) != sorted(answer.withheld):
            return f"withheld, ours: {withheld_of(said)}; second: {answer.withheld}"
        return first_difference(encode(said.numbers().result).decode(), answer.result)
    expected = (3, said.step) if isinstance(said, NotVerified) else (4, answer.step)
    return "" if (answer.exit, answer.step) == expected else f"ours: {said!r}; second: {answer}"


def withheld_of(said: Verified) -> list[list[Any]]:
    """The files that are for the parties alone, as the second lists them."""
    rows = [(one.kind, one.wanted, one.sent) for one in said.withheld()]
    return sorted([kind, f"{file.owner}/runs/{file.run}/{file.path}", file.digest, sent] for kind, file, sent in rows)


def first_difference(ours: str, second: str) -> str:
    """Where two texts part, or nothing."""
    at = next((n for n, (a, b) in enumerate(zip(ours, second, strict=False)) if a != b), 0)
    around = slice(max(0, at - 150), at + 150)
    return "" if ours == second else f"ours:   {ours[around]}\nsecond: {second[around]}"


def beside(monkeypatch: pytest.MonkeyPatch, second: Second, module: str) -> None:
    """From here on, each exchange that ``module`` shows to ours is shown to the second; a difference fails the test."""
    original: Callable[..., Verified] = ours.verify

    def judged(root: Path, plan_id: str | None, more: Mapping[str, Any]) -> Verified | DetenteError:
        try:
            return original(root, plan_id, **more)
        except (NotVerified, CannotTell) as error:
            return error

    def both(root: Path, plan_id: str | None, **more: Any) -> Verified:
        said = judged(root, plan_id, more)
        # The second has no key. What a party reads more than it gives the same result (F-10); what a party alone refuses is no stranger's affair.
        stranger = {name: value for name, value in more.items() if name not in {"reader", "told"}}
        public = judged(root, plan_id, stranger) if more.get("reader") and isinstance(said, DetenteError) else said
        told = difference(public, second.ask(root, plan_id or "")) if root.is_dir() else ""
        if told:
            pytest.fail(f"the second verifier says otherwise of {root}, plan {plan_id}\n{told}")
        if isinstance(said, DetenteError):
            raise said
        return said

    for name in (module, *SHOWN_BY):
        for attribute, value in list(vars(sys.modules[name]).items()) if name in sys.modules else []:
            if value is original:
                monkeypatch.setattr(sys.modules[name], attribute, both)
