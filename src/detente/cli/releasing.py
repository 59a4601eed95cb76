# SPDX-License-Identifier: Apache-2.0
"""Verbs of letting others start: release."""

from pathlib import Path

import click

from detente.cli.build import argument, desk_option, json_option, verb, voice
from detente.desk.keys import load_desk
from detente.desk.releases import release as release_runs
from detente.errors import NotVerified


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
