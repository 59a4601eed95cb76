# SPDX-License-Identifier: Apache-2.0
"""Verbs of checking each other and ending it: audit ask|answer|check, close."""

from collections.abc import Sequence
from pathlib import Path

import click

from detente.cli.build import argument, by_tag, desk_option, group, option, verb, voice
from detente.desk.audits import answer_all, ask, check_all
from detente.desk.keys import load_desk
from detente.errors import NotVerified


def audit(lang: str) -> click.Command:
    """``detente audit ask|answer|check``."""
    return group("audit", lang, [_ask(lang), _answer(lang), _check(lang)])


def _ask(lang: str) -> click.Command:
    def call(run: str | None, desk: Path) -> int:
        own = load_desk(desk)
        for id_ in (asked := ask(own, own.plan(), run)):
            voice(lang).say("asked", run=id_[:16])
            voice(lang).data(id_)
        if not asked:
            voice(lang).say("asked-before")
        return 0

    return verb("audit-ask", lang, [argument("run", required=False), desk_option(lang)], call)


def _answer(lang: str) -> click.Command:
    def call(desk: Path) -> int:
        own = load_desk(desk)
        rows = answer_all(own, own.plan())
        for row in rows:
            voice(lang).say("answered", auditor=row.auditor, n=row.n, of=row.of, run=row.run[:16])
        if not rows:
            voice(lang).say("nothing-asked")
        return 0

    return verb("audit-answer", lang, [desk_option(lang)], call)


def _check(lang: str) -> click.Command:
    def call(desk: Path) -> int:
        own = load_desk(desk)
        worst = 0
        for row in check_all(own, own.plan()):
            if row.trouble is not None:
                voice(lang).error(row.trouble)
                worst = worst or row.trouble.exit_code
                continue
            voice(lang).say(f"found-{row.verdict}", holder=row.holder, n=row.opened, of=row.of, run=row.run[:16])
            for scored in row.rescored:
                voice(lang).say("rescored", scorer=scored.scorer, agreed=scored.agreed, n=scored.n)
            voice(lang).say("odds", n=row.opened, of=row.of, odds=f"{100 * float(row.odds):.0f}")
            worst = NotVerified.exit_code if row.verdict == "disputed" else worst
        return worst

    return verb("audit-check", lang, [desk_option(lang)], call)


def close(lang: str) -> click.Command:
    """``detente close``."""

    def call(reserve: Sequence[str], desk: Path, anew: bool) -> int:
        from detente.desk.joint import close as close_joint

        own = load_desk(desk)
        plan = own.plan()
        done = close_joint(own, plan, by_tag(reserve, "--reserve") if reserve else None, anew=anew)
        voice(lang).say(f"closed-{done.position}", result=done.result)
        word = "final" if done.final else "interim"
        voice(lang).say(word if plan.plan.quorum else "closed-alone", waiting=", ".join(done.waiting))
        voice(lang).data(done.result)
        return 0

    return verb(
        "close",
        lang,
        [
            option("reserve", lang, multiple=True, metavar="TAG=TEXT"),
            option("anew", lang, is_flag=True, default=False),
            desk_option(lang),
        ],
        call,
    )
