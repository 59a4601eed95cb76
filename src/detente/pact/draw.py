# SPDX-License-Identifier: Apache-2.0
"""A draw that anybody can make again: so many of some ids, by a seed (S-6). Rehearsals and plans draw by this one function."""

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct

from detente.errors import Malformed
from detente.wire.canonical import Hex
from detente.wire.digests import sha256


class Drawn(Struct, frozen=True, forbid_unknown_fields=True):
    """What a plan says of a suite that was drawn: from how many ``items``, ``H`` of the list file that all of them make, the seed (S-6)."""

    items: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    list: Hex
    seed: str


def draw(ids: Iterable[str], n: int, seed: str) -> set[str]:
    """The ``n`` ids where ``H(seed || "\\n" || id)`` is lowest: nobody can choose what that brings without choosing a seed."""
    return set(sorted(set(ids), key=lambda id_: sha256(f"{seed}\n{id_}".encode()))[:n])


def check_drawn(drawn: Drawn, items: int, listed: str, *, plain: bool, path: str) -> None:
    """What a plan's suite of ``items`` items may say of its draw; ``listed``: its own list's digest; ``plain``: it is no variant.

    Malformed (S-6.drawn), (S-6.list): all of a bank is the bank, and less of it is not.
    """
    if not plain or not drawn.seed or drawn.items < items:
        raise Malformed("S-6.drawn", path, expected=f">= {items}", got=f"{drawn.items} {drawn.seed}")
    if (drawn.items == items) != (drawn.list == listed):
        raise Malformed("S-6.list", path, expected=listed, got=drawn.list)
