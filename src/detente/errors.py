# SPDX-License-Identifier: Apache-2.0
"""The tree of errors: a stable code, the place, the two values; their sentences live in data/words.

    DetenteError            exit code 4 unless a subclass says otherwise
    ├── WrongUsage      2   the words, files or plan that a person gave do not fit
    │   └── Malformed   2   bytes that break a rule of docs/format/ (in an exchange: see NotVerified)
    ├── NotVerified     3   evidence contradicts itself; names the step of verify
    └── CannotTell      4   something is missing, cut off or out of reach

1 (true, and the gate failed) is a verdict, not an error. 1, 3 and 4 must never blur.
"""

from typing import ClassVar


class DetenteError(Exception):
    """Something went wrong that a person can be told about.

    ``code`` is stable and is the key of the sentence in data/words/*.toml, table ``error``:
    a rule number where a rule is broken (``B-1.float``), else words (``file-missing``).
    ``place`` is a file (or a file and a JSON path in it), ``expected`` and ``got`` the two
    values, ``fields`` whatever else the sentence names. All may come from hostile files:
    whoever prints them makes them harmless first (``words.harmless``).
    """

    exit_code: ClassVar[int] = 4

    def __init__(
        self, code: str, place: str = "", *, expected: object = None, got: object = None, **fields: object
    ) -> None:
        self.code = code
        self.place = place
        self.expected = expected
        self.got = got
        self.fields = fields
        super().__init__(code, place)

    def __str__(self) -> str:
        parts = [self.code]
        if self.place:
            parts.append(f"at {self.place}")
        if self.expected is not None:
            parts.append(f"expected {self.expected}")
        if self.got is not None:
            parts.append(f"got {self.got}")
        parts += [f"{name}={value}" for name, value in self.fields.items()]
        return ", ".join(parts)

    def at(self, place: str) -> "DetenteError":
        """Set the place if the raiser did not know it, and return self (for ``raise error.at(...)``)."""
        if not self.place:
            self.place = place
        elif self.place.startswith("$"):
            self.place = f"{place} {self.place}"
        return self


class WrongUsage(DetenteError):
    """What a person typed or wrote does not fit: exit code 2."""

    exit_code = 2


class Malformed(WrongUsage):
    """Bytes that break a numbered rule of docs/format/: exit code 2 where a person gave them."""


class NotVerified(DetenteError):
    """Evidence that contradicts itself: exit code 3. ``step`` is the verifier's, ``V-1`` to ``V-11``."""

    exit_code = 3

    def __init__(
        self,
        code: str,
        place: str = "",
        *,
        step: str = "",
        expected: object = None,
        got: object = None,
        **fields: object,
    ) -> None:
        super().__init__(code, place, expected=expected, got=got, **fields)
        self.step = step


class CannotTell(DetenteError):
    """Missing, cut off or out of reach: exit code 4. Says nothing about anybody's honesty."""

    exit_code = 4
