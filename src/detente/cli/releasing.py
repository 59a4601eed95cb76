# SPDX-License-Identifier: Apache-2.0
"""Verbs of sealed suites and of letting others start: seal, release, reveal, canary search."""

from collections.abc import Sequence
from pathlib import Path

import click

from detente.cli.build import argument, desk_option, group, json_option, option, verb, voice
from detente.desk.canaries import known_canaries, search_files
from detente.desk.keys import load_desk
from detente.desk.plans import load_suite
from detente.desk.releases import release as release_runs
from detente.desk.releases import reveal as reveal_suite
from detente.desk.sealed import seal_suite
from detente.errors import NotVerified
from detente.words import say

LEAKED = 1  # the exit code of a search that found something: it is true, and not what one hopes for


def seal(lang: str) -> click.Command:
    """``detente seal SUITE``."""

    def call(suite: str, desk: Path) -> int:
        source = load_suite(suite, "seal")
        card = seal_suite(load_desk(desk), source)
        voice(lang).say("sealed", suite=source.id, n=len(source.items), card=card)
        voice(lang).data(str(card))
        return 0

    return verb("seal", lang, [argument("suite"), desk_option(lang)], call)


def release(lang: str) -> click.Command:
    """``detente release [RUN]``."""

    def call(run: str | None, desk: Path, json: bool) -> int:
        speech = voice(lang, json)
        own = load_desk(desk)
        rows = release_runs(own, own.plan(), run)
        for row in rows:
            if row.trouble is not None:
                speech.error(row.trouble)
            elif row.run is not None:
                speech.say("released" if row.new else "released-before", run=row.run[:16], party=row.party)
                if json:
                    speech.row({"run": row.run, "party": row.party, "release": row.digest, "new": row.new})
                else:
                    speech.data(row.run)
        if not rows:
            speech.say("nothing-to-release")
        trouble = [row.trouble for row in rows if row.trouble is not None]
        if any(isinstance(error, NotVerified) for error in trouble):
            return NotVerified.exit_code
        return trouble[0].exit_code if trouble else 0

    return verb("release", lang, [argument("run", required=False), desk_option(lang), json_option(lang)], call)


def reveal(lang: str) -> click.Command:
    """``detente reveal SUITE``."""

    def call(suite: str, desk: Path) -> int:
        own = load_desk(desk)
        path = reveal_suite(own, own.plan(), suite)
        voice(lang).say("revealed", suite=suite)
        voice(lang).data(path)
        return 0

    return verb("reveal", lang, [argument("suite"), desk_option(lang)], call)


def canary(lang: str) -> click.Command:
    """``detente canary search``."""
    return group("canary", lang, [_search(lang)])


def _search(lang: str) -> click.Command:
    def call(files: Sequence[Path], desk: Path | None, exchange: Path | None, json: bool) -> int:
        speech = voice(lang, json)
        canaries = known_canaries(desk, exchange)
        n = hits = 0
        for path, found in search_files(files, canaries):
            n, hits = n + 1, hits + bool(found)
            for one in found:
                if json:
                    sighting = one.sighting
                    speech.row({"path": str(path), "of": one.of, "n": sighting.n, "at": sighting.at})
                else:
                    sentence = say(
                        "cli.say.canary-row", lang, path=path, of=one.of, n=one.sighting.n, at=one.sighting.at
                    )
                    speech.data(sentence)
        speech.say("canary-found" if hits else "canary-none", hits=hits, of=n, strings=len(canaries))
        return LEAKED if hits else 0

    params = [
        argument("files", nargs=-1, required=True, type=click.Path(path_type=Path)),
        option("desk", lang, type=click.Path(path_type=Path), metavar="DIR", help_key="canary-desk"),
        option("exchange", lang, type=click.Path(path_type=Path), metavar="DIR", help_key="canary-exchange"),
        json_option(lang),
    ]
    return verb("canary-search", lang, params, call)
