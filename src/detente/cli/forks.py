# SPDX-License-Identifier: Apache-2.0
"""Verbs for a log in trouble: fork show, restore."""

from collections.abc import Sequence
from pathlib import Path

import click

from detente.check.exchange import find_plan, open_exchange
from detente.check.forks import Fork, find_forks, judge_files
from detente.cli.build import argument, desk_option, group, json_option, option, plan_id, plan_option, verb, voice
from detente.cli.speech import Speech
from detente.desk.given import read_given
from detente.desk.keys import load_desk
from detente.desk.restoring import restore as restore_log
from detente.errors import CannotTell, NotVerified, WrongUsage
from detente.words import say


def fork(lang: str) -> click.Command:
    """``detente fork show``."""
    return group("fork", lang, [_show(lang)])


def _show(lang: str) -> click.Command:
    """``detente fork show EXCHANGE --plan ID`` or ``detente fork show NOTE NOTE [PROOF] --key HEX``."""

    def call(path: Sequence[Path], plan: str | None, key: str | None, json: bool) -> int:
        speech = voice(lang, json)
        if len(path) == 1 and path[0].is_dir():
            if plan is None:
                raise CannotTell("unanchored", str(path[0]))
            exchange = open_exchange(path[0])
            forks, n = find_forks(exchange, find_plan(exchange, plan_id(plan) or ""))
        else:
            if key is None:
                raise WrongUsage("cli-missing", expected="--key")
            if len(key) != 64 or any(c not in "0123456789abcdef" for c in key):
                raise WrongUsage("bad-log-key", "--key", got=key)
            found, heads = judge_files({str(one): read_given(one) for one in path}, key)
            forks, n = [found] if found else [], len(heads)
        for one in forks:
            _tell(speech, one)
        if not forks and json:
            speech.row({"fork": False, "heads": n})
        elif not forks:
            speech.data(say("cli.fork.none", lang, n=n))
        return NotVerified.exit_code if forks else 0

    params = [
        argument("path", nargs=-1, required=True, type=click.Path(path_type=Path)),
        plan_option(lang),
        option("key", lang, metavar="HEX", help_key="log-key"),
        json_option(lang),
    ]
    return verb("fork-show", lang, params, call)


def _tell(speech: Speech, found: Fork) -> None:
    """One fork in plain words: the two heads, why they exclude each other, and what follows."""
    one, other, begun = found.one, found.other, found.begun
    if speech.as_json:
        rows = [{"place": told.place, "root": told.head.root, "size": told.head.size} for told in (one, other)]
        row = {"fork": True, "heads": rows, "key": found.key, "origin": one.head.origin, "party": found.party}
        speech.row(row | {"proof": begun.place if begun else None})
        return
    for told in (one, other):
        speech.data(say("cli.fork.head", speech.lang, place=told.place, size=told.head.size, root=told.head.root))
    speech.data(say("cli.fork.key", speech.lang, key=found.key, origin=one.head.origin))
    if begun is None:
        speech.data(say("cli.fork.same", speech.lang, size=one.head.size))
    else:
        fields = {"size": begun.shown.size, "root": begun.shown.root, "place": begun.place, "longer": begun.head.size}
        speech.data(say("cli.fork.begins", speech.lang, **fields))
    speech.data(say("cli.fork.therefore", speech.lang, party=found.party))


def restore(lang: str) -> click.Command:
    """``detente restore``."""

    def call(desk: Path, json: bool) -> int:
        speech = voice(lang, json)
        done = restore_log(load_desk(desk))
        if json:
            speech.row(
                {
                    "before": done.before,
                    "from": done.source,
                    "size": done.size,
                    "lost": done.lost,
                    "adopted": [*done.adopted],
                }
            )
        elif done.source is None:
            speech.say("nothing-restored", size=done.size)
        else:
            speech.say("restored", before=done.before, size=done.size, source=done.source)
        if done.adopted and not json:
            kinds = ", ".join(dict.fromkeys(done.adopted.values()))
            speech.say("adopted", n=len(done.adopted), first=min(done.adopted), last=max(done.adopted), kinds=kinds)
        for error in done.trouble:
            speech.error(error)
        for run in done.lost:
            speech.say("run-lost", run=run[:16])
        return 0

    return verb("restore", lang, [desk_option(lang), json_option(lang)], call)
