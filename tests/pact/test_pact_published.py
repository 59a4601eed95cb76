# SPDX-License-Identifier: Apache-2.0
"""The published vectors of age: every file for an X25519 identity, opened or refused as its head says."""

import hashlib
import zlib
from pathlib import Path
from typing import NamedTuple

import pytest

from detente.errors import CannotTell
from detente.pact.seal import read_identity, unseal
from kit.published import PUBLISHED, REASON

FOLDER = PUBLISHED / "cctv-age/age/testdata"
# Where pyrage is not of one mind with the vectors: armor, which nobody here writes, and old spellings of a
# stanza, which the Rust age reads for its elders' sake. A sealed file is bound by its digest, so neither can mislead.
REFUSED = {"armor_whitespace_outside"}
TAKEN = {"stanza_missing_body", "stanza_missing_final_line"}


class Case(NamedTuple):
    """One file: what its head says, the age file behind it."""

    head: list[tuple[str, str]]
    sealed: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.head if key == name]


def read_case(path: Path) -> Case:
    head, _, sealed = path.read_bytes().partition(b"\n\n")
    rows = [tuple(line.split(": ", 1)) for line in head.decode().splitlines()]
    case = Case(rows, sealed)  # type: ignore[arg-type]
    return Case(case.head, zlib.decompress(sealed)) if case.all("compressed") == ["zlib"] else case


def ours(case: Case) -> list[str]:
    """The identities that we read: X25519 ones; passphrases and hybrid keys are not for parties (P-3)."""
    return [one for one in case.all("identity") if not one.startswith("AGE-SECRET-KEY-PQ-")]


@pytest.mark.skipif(not FOLDER.is_dir(), reason=REASON)
def test_published_age_files_when_opened_then_as_their_heads_say() -> None:
    cases = {path.name: read_case(path) for path in sorted(FOLDER.iterdir())}
    opened = refused = skipped = 0
    for name, case in cases.items():
        if not (identities := ours(case)):
            skipped += 1
            continue
        good = case.all("expect") == ["success"]
        try:
            plain = unseal(case.sealed, read_identity(identities[0], name).secret, name)
        except CannotTell:
            assert good is (name in REFUSED), name
            refused += 1
        else:
            assert good is (name not in TAKEN), name
            assert not good or [hashlib.sha256(plain).hexdigest()] == case.all("payload"), name
            opened += 1
    assert len(cases) == opened + refused + skipped == 143
    assert opened >= 14
    assert refused >= 70
