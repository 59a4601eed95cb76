# SPDX-License-Identifier: Apache-2.0
"""Verbs of running at home: run, status, score, publish."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from detente.cli.build import Whole, argument, desk_option, json_option, option, verb, voice
from detente.cli.speech import Speech
from detente.desk.given import write_given
from detente.desk.imported import import_answers
from detente.desk.keys import Desk, load_desk
from detente.desk.logs import parse_duration
from detente.desk.publish import leaving, score_run
from detente.desk.publish import publish as publish_run
from detente.desk.runs import (
    RunState,
    find_run,
    outcome_counts,
    own_engine,
    pick_test,
    receipt_for,
    register_run,
    run_model,
    runs_of,
)
from detente.errors import CannotTell, WrongUsage
from detente.pact.plan import PlanFile
from detente.run.engine import Progress
from detente.run.journal import glance
from detente.tlog.witness import Receipt
from detente.words import say

PAUSE_S = 1.0
LONG = 2000  # replies; fewer are labelled before a bar could be read


def run(lang: str) -> click.Command:
    """``detente run``."""

    def call(**given: Any) -> int:
        speech = voice(lang, given["json"])
        desk = load_desk(given["desk"])
        plan = desk.plan()
        test = pick_test(desk, plan, given["subject"], given["section"])
        wait_s = parse_duration(given["wait"]) if given["wait"] else 0.0
        if given["answers"] is not None:
            state, bundle = import_answers(
                desk,
                plan,
                test,
                given["answers"],
                given["engine"],
                lambda s: _receipt(desk, plan, s, wait_s, speech, given["unwitnessed"]),
            )
        else:
            before = {known.id for known in runs_of(desk, plan)}
            state = register_run(desk, plan, test, own_engine())
            if state.concluded():
                speech.say("already-concluded", run=state.id[:16])
            elif state.id in before:
                answered = glance(state.journal_path()).total()
                speech.say("goes-on", run=state.id[:16], answered=answered, of=len(state.slots))
            else:
                speech.say("registered", run=state.id, index=state.index)
            receipt = _receipt(desk, plan, state, wait_s, speech, given["unwitnessed"])
            bundle = run_model(desk, plan, state, receipt, given["concurrency"], _told(speech))
        counts = bundle.outcomes()
        speech.say(
            "concluded", n=len(bundle.codes), replied=counts.replied, cut=counts.cut, filtered=counts.filtered,
            truncated=counts.truncated, failed=counts.failed,
        )  # fmt: skip
        speech.say("next-score", run=state.id[:16])
        if given["json"]:
            speech.row({"run": state.id, "root": bundle.root, "outcomes": _as_dict(counts)})
        else:
            speech.data(state.id)
        return 0

    params = [
        option("subject", lang, metavar="ID"),
        option("section", lang, default="core", metavar="ID"),
        option("concurrency", lang, type=Whole(1, 4096), default=4, show_default=True, metavar="N"),
        option("wait", lang, metavar="10m"),
        option("unwitnessed", lang, is_flag=True, default=False),
        click.Option(
            ["--from", "answers"], type=click.Path(path_type=Path), metavar="FILE", help=say("cli.option.from", lang)
        ),
        option("engine", lang, default="unknown", metavar="TEXT"),
        desk_option(lang),
        json_option(lang),
    ]
    return verb("run", lang, params, call)


def _as_dict(counts: Any) -> dict[str, int]:
    return {name: getattr(counts, name) for name in ("replied", "cut", "filtered", "truncated", "failed")}


def _receipt(desk: Desk, plan: PlanFile, state: RunState, wait_s: float, speech: Speech, unwitnessed: bool) -> Receipt:
    """The notes to start with; asks again until ``--wait`` is over, then says who has yet to witness."""
    until = time.monotonic() + wait_s
    told = False
    while True:
        try:
            return receipt_for(desk, plan, state, unwitnessed=unwitnessed)
        except CannotTell as error:
            if error.code != "R-4.unwitnessed" or time.monotonic() >= until:
                raise
            if not told:
                speech.say("waiting", owing=error.fields.get("owing", ""))
                told = True
            time.sleep(PAUSE_S)


def _told(speech: Speech) -> Callable[[Progress], None]:
    last = -1

    def told(progress: Progress) -> None:
        nonlocal last
        if progress.done == last:
            return
        last = progress.done
        out = progress.outcomes
        note = f"{progress.rate_per_s:.1f}/s"
        if out.filtered or out.truncated or out.failed:
            note += f" filtered {out.filtered}, truncated {out.truncated}, failed {out.failed}"
        speech.bar("asking", progress.done, progress.total or 0, note)

    return told


def status(lang: str) -> click.Command:
    """``detente status``."""

    def call(desk: Path, json: bool) -> int:
        speech = voice(lang, json)
        own = load_desk(desk)
        plan = own.plan()
        for state in runs_of(own, plan):
            done, counts = glance(state.journal_path()).total(), outcome_counts(state)
            word = "concluded" if counts else "running" if done else "registered"
            word = word if state.folder.exists("key") else "lost"
            published = own.own(f"runs/{state.id}").exists("headers.jsonl.gz")
            row = {
                "run": state.id, "subject": state.test.subject, "section": state.test.section, "state": word,
                "answered": len(state.slots) if counts else done, "of": len(state.slots), "published": published,
                "outcomes": _as_dict(counts) if counts else None,
            }  # fmt: skip
            if json:
                speech.row(row)
            else:
                key = "status-published" if published and word != "lost" else f"status-{word}"
                sentence = say(
                    f"cli.say.{key}",
                    lang,
                    run=state.id[:16],
                    subject=state.test.subject,
                    answered=row["answered"],
                    of=row["of"],
                )
                speech.data(sentence)
        if not runs_of(own, plan):
            speech.say("status-none")
        return 0

    return verb("status", lang, [desk_option(lang), json_option(lang)], call)


def score(lang: str) -> click.Command:
    """``detente score RUN|FILE.jsonl``."""

    def call(target: str | None, scorer: str | None, out: Path | None, desk: Path) -> int:
        speech = voice(lang)
        if target is not None and target.endswith(".jsonl"):
            return _score_file(speech, Path(target), scorer, out)
        own = load_desk(desk)
        plan = own.plan()
        state = find_run(own, plan, target)
        names = [scorer] if scorer else [s.id for s in plan.plan.scorers if s.by == "tester"]
        for name in names:
            labels = score_run(
                own, plan, state, name, lambda done, of: speech.bar("scoring", done, of) if of >= LONG else None
            )
            speech.say("scored", scorer=name, labels=", ".join(f"{label} {n}" for label, n in labels.items()))
        speech.say("next-publish", run=state.id[:16])
        return 0

    params = [
        argument("target", required=False),
        option("scorer", lang, metavar="ID"),
        option("out", lang, letter="-o", type=click.Path(path_type=Path), metavar="FILE"),
        desk_option(lang),
    ]
    return verb("score", lang, params, call)


def _score_file(speech: Speech, path: Path, scorer: str | None, out: Path | None) -> int:
    from detente.desk.rehearsals import score_answers

    if scorer is None:
        raise WrongUsage("cli-missing", expected="--scorer")
    rows = score_answers(path, scorer)
    if out is None:
        speech.lines(rows)
    else:
        write_given(out, rows)
        speech.say("scored-file", n=len(rows), out=out)
    return 0


def publish(lang: str) -> click.Command:
    """``detente publish``."""

    def call(run: str | None, dry_run: bool, desk: Path, json: bool) -> int:
        speech = voice(lang, json)
        own = load_desk(desk)
        plan = own.plan()
        state = find_run(own, plan, run)
        rows = leaving(own, plan, state) if dry_run else publish_run(own, plan, state)
        for row in rows:
            if json:
                speech.row({"path": row.path, "bytes": len(row.raw), "fields": row.fields})
            else:
                speech.data(f"{row.path}  {len(row.raw)} B  [{', '.join(row.fields)}]")
        speech.say("would-leave" if dry_run else "published", n=len(rows), run=state.id[:16])
        return 0

    params = [
        argument("run", required=False),
        click.Option(["--dry-run"], is_flag=True, default=False, help=say("cli.option.dry-run", lang)),
        desk_option(lang),
        json_option(lang),
    ]
    return verb("publish", lang, params, call)
