# SPDX-License-Identifier: Apache-2.0
"""Verbs of key life: keys new|lock|unlock."""

from collections.abc import Sequence
from pathlib import Path

import click

from detente.cli.build import argument, desk_option, group, verb, voice
from detente.desk.homes import lock_all, unlock_all
from detente.desk.keyring import PASSPHRASE
from detente.desk.keys import load_desk
from detente.desk.succession import new_keys


def keys(lang: str) -> click.Command:
    """``detente keys new|lock|unlock``."""
    return group("keys", lang, [_new(lang), _lock(lang), _unlock(lang)])


def _new(lang: str) -> click.Command:
    def call(role: Sequence[str], desk: Path) -> int:
        speech, own = voice(lang), load_desk(desk)
        made = new_keys(own, role)
        speech.say("keys-made", roles=", ".join(made))
        speech.say("keys-next", card=own.root / "card.json")
        speech.data(str(own.root / "card.json"))
        return 0

    return verb("keys-new", lang, [argument("role", nargs=-1), desk_option(lang)], call)


def _lock(lang: str) -> click.Command:
    def call(desk: Path) -> int:
        own = load_desk(desk)
        lock_all(own)
        voice(lang).say("keys-locked", desk=own.root, variable=PASSPHRASE)
        return 0

    return verb("keys-lock", lang, [desk_option(lang)], call)


def _unlock(lang: str) -> click.Command:
    def call(desk: Path) -> int:
        own = load_desk(desk)
        unlock_all(own)
        voice(lang).say("keys-unlocked", desk=own.root)
        return 0

    return verb("keys-unlock", lang, [desk_option(lang)], call)
