# SPDX-License-Identifier: Apache-2.0
"""Which canary strings a lab looks for: those of the built-in suites, of its exchange's plans, and of its own sealed suites."""

import os
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from detente.check.exchange import find_plan, open_exchange
from detente.desk.given import unreadable
from detente.desk.keys import load_desk
from detente.desk.plans import load_suite, plan_ids
from detente.errors import WrongUsage
from detente.pact.sealed import parse_card
from detente.suites.canary import Sighting, search_stream


class Found(NamedTuple):
    """A canary string in somebody's file, and whose it is."""

    path: Path
    sighting: Sighting
    of: str


def known_canaries(desk: Path | None, exchange: Path | None) -> dict[str, str]:
    """{canary string: whose it is}, of the built-in suites, and of a desk and an exchange where they are given."""
    built_in = files("detente") / "data" / "suites"
    names = sorted(entry.name for entry in built_in.iterdir() if (entry / "suite.toml").is_file())
    found = {load_suite(name, name).canary: name for name in names}
    if desk is not None:
        own = load_desk(desk)
        exchange = exchange or own.exchange
        for path in sorted((own.root / "sealed").glob("*/card.json")):
            card = parse_card(path.read_bytes(), str(path))
            found.setdefault(card.canary, card.id)
    if exchange is not None:
        folder = open_exchange(exchange)
        for id_ in plan_ids(exchange):
            found.setdefault(find_plan(folder, id_).plan.canary, f"plan {id_[:16]}")
    return found


def search_files(paths: Iterable[Path], canaries: dict[str, str]) -> Iterator[tuple[Path, list[Found]]]:
    """Each file, folders with all that is in them, and what was found in it; WrongUsage (no-such-file), CannotTell."""
    for path in _files(paths):
        try:
            with path.open("rb") as stream:
                sightings = search_stream(stream, canaries, str(path))
        except (OSError, ValueError) as error:
            raise unreadable(error, path) from error
        yield path, [Found(path, one, canaries[one.canary]) for one in sightings]


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            for top, folders, names in os.walk(path):
                folders.sort()
                yield from (Path(top) / name for name in sorted(names) if (Path(top) / name).is_file())
        elif path.exists():
            yield path
        else:
            raise WrongUsage("no-such-file", str(path))
