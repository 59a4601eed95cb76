# SPDX-License-Identifier: Apache-2.0
"""Verbs of checking each other and ending it: audit ask|answer|check|recount, close."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from detente.cli.build import argument, by_tag, desk_option, group, judge_options, option, verb, voice
from detente.cli.scoring import asking_of
from detente.desk.audits import answer_all, ask, check_all, check_shown
from detente.desk.judges import judges_of
from detente.desk.keys import load_desk
from detente.desk.recounts import recount
from detente.desk.wordlists import lists_lacking
from detente.errors import DetenteError, NotVerified, WrongUsage


def audit(lang: str) -> click.Command:
    """``detente audit ask|answer|check|recount``."""
    return group("audit", lang, [_ask(lang), _answer(lang), _check(lang), _recount(lang)])


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
    def call(out: Path | None, desk: Path) -> int:
        own = load_desk(desk)
        rows = answer_all(own, own.plan(), out)
        for row in rows:
            word = "answered" if row.file is None else "shown"
            voice(lang).say(word, auditor=row.auditor, n=row.n, of=row.of, run=row.run[:16], file=row.file)
            if row.file is not None:
                voice(lang).data(str(row.file))
        if not rows:
            voice(lang).say("nothing-asked")
        return 0

    target = option("out", lang, type=click.Path(path_type=Path), metavar="DIR", help_key="shown-out")
    return verb("audit-answer", lang, [target, desk_option(lang)], call)


def _check(lang: str) -> click.Command:
    def call(**given: Any) -> int:
        run, shown, dispute, own = given["run"], given["shown"], given["dispute"], load_desk(given["desk"])
        plan, asking, worst = own.plan(), asking_of(given), 0
        if asking.specs and len(judges_of(plan)) != 1:
            raise WrongUsage("judge-which", "--judge", expected=", ".join(judges_of(plan)) or "-")
        waiting: list[DetenteError] = []
        if shown is not None and dispute:
            raise WrongUsage("A-4.either", "--dispute")
        if shown is not None or dispute:
            rows = [check_shown(own, plan, run, shown, asking)]
        else:
            rows = check_all(own, plan, waiting.append, run, asking)
        lacking = lists_lacking(own, plan)
        for row in rows:
            voice(lang).say(f"found-{row.verdict}", holder=row.holder, n=row.opened, of=row.of, run=row.run[:16])
            for scored in row.rescored:
                word = "rejudged" if scored.scorer in judges_of(plan) else "rescored"
                fields = {"agreed": scored.agreed, "n": scored.n, "parsed": scored.parsed}
                voice(lang).say(word, scorer=scored.scorer, **fields)
            for scorer in lacking:
                voice(lang).say("not-rescored", scorer=scorer)
            voice(lang).say("odds", n=row.opened, of=row.of, odds=f"{100 * float(row.odds):.0f}")
            worst = NotVerified.exit_code if row.verdict == "disputed" else worst
        for error in waiting:
            voice(lang).error(error)
        return worst or _worst(waiting)

    params = [
        argument("run", required=False),
        option("shown", lang, type=click.Path(path_type=Path), metavar="FILE"),
        option("dispute", lang, is_flag=True, default=False),
        *judge_options(lang),
        desk_option(lang),
    ]
    return verb("audit-check", lang, params, call)


def _worst(waiting: Sequence[DetenteError]) -> int:
    """The exit code for what could not be done: a contradiction is told before what is missing; 0 for nothing."""
    return max((error.exit_code for error in waiting), key=lambda code: code == NotVerified.exit_code, default=0)


def _recount(lang: str) -> click.Command:
    def call(run: str | None, desk: Path) -> int:
        own = load_desk(desk)
        waiting: list[DetenteError] = []
        rows = recount(own, own.plan(), run, waiting.append)
        for row in rows:
            fields = {"party": row.party, "run": row.run[:16], "n": row.scorings}
            voice(lang).say(f"recounted-{row.verdict}" if row.new else f"recounted-before-{row.verdict}", **fields)
        for error in (*(row.why for row in rows if row.why), *waiting):
            voice(lang).error(error)
        disputed = any(row.verdict == "disputed" for row in rows)
        return NotVerified.exit_code if disputed else _worst(waiting)

    return verb("audit-recount", lang, [argument("run", required=False), desk_option(lang)], call)


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
