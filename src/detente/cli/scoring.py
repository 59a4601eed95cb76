# SPDX-License-Identifier: Apache-2.0
"""The verb that labels fixed answers: score, by rules, by asking models, or by what people said."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from detente.cli.build import Whole, argument, desk_option, judge_options, option, verb, voice, words_option
from detente.cli.progress import Display
from detente.cli.running import old_plan_option
from detente.cli.speech import Speech
from detente.desk.allowed import Allowed
from detente.desk.asking import Asking, asks_models
from detente.desk.given import write_given
from detente.desk.homes import locate_run
from detente.desk.judges import asking_for, judge_run, judges_of
from detente.desk.keys import Desk, load_desk
from detente.desk.labels import score_people, task_of
from detente.desk.runs import RunState
from detente.desk.scores import score_run, scorer_in
from detente.desk.succession import plan_of
from detente.errors import WrongUsage
from detente.pact.plan import PlanFile

LONG = 2000  # replies; fewer are labelled before a bar could be read


def score(lang: str) -> click.Command:
    """``detente score RUN|FILE.jsonl``."""

    def call(**given: Any) -> int:
        speech, target, scorer = voice(lang), given["target"], given["scorer"]
        asking = asking_of(given)
        if target is not None and target.endswith(".jsonl"):
            return _score_file(speech, Path(target), scorer, given, asking)
        if given["words"] is not None:
            raise WrongUsage("score-words", str(given["words"]))
        if target is not None and set(target) & set("./\\"):
            raise WrongUsage("score-target", got=target)
        lab = load_desk(given["desk"])
        own, agreed, state = locate_run(lab, plan_of(lab, given["plan"]), target)
        if scorer and asking.specs and scorer_in(agreed, scorer).method != "judge":
            raise WrongUsage("judge-which", "--judge", expected=", ".join(judges_of(agreed)) or "-")
        names, later = ([scorer], []) if scorer else _due(own, agreed, asking)
        for name in names:
            labels = _labels(speech, own, agreed, (state, name), given)
            speech.say("scored", scorer=name, labels=", ".join(f"{label} {n}" for label, n in labels.items()))
        for name in later:
            speech.say("next-judge", run=state.id[:16], scorer=name)
        speech.say("next-publish", run=state.id[:16])
        return 0

    params = [
        argument("target", required=False),
        option("scorer", lang, metavar="ID"),
        words_option(lang),
        *judge_options(lang),
        option("concurrency", lang, type=Whole(1, 4096), default=4, show_default=True, metavar="N"),
        option("per-minute", lang, type=Whole(1), metavar="N"),
        option("tokens-per-minute", lang, type=Whole(1), metavar="N"),
        option("out", lang, letter="-o", type=click.Path(path_type=Path), metavar="FILE"),
        option("incomplete", lang, is_flag=True, default=False),
        old_plan_option(lang),
        desk_option(lang),
    ]
    return verb("score", lang, params, call)


def asking_of(given: Mapping[str, Any]) -> Asking:
    """The models that were named, and how fast they may be asked."""
    allowed = Allowed(given.get("per_minute"), given.get("tokens_per_minute"))
    return Asking(given["judge"], given["judge_key_env"], given.get("concurrency", 4), allowed)


def _due(desk: Desk, plan: PlanFile, asking: Asking) -> tuple[list[str], list[str]]:
    """The scorers that this lab can carry out now, and the judges for which no model is named.

    WrongUsage (judge-which) where models are named, and the plan has several judges that they could be for.
    """
    judges = [name for name in judges_of(plan) if plan.plan.scorer(name).by == "tester"]
    if asking.specs and len(judges) != 1:
        raise WrongUsage("judge-which", "--judge", expected=", ".join(judges) or "-")
    later = [name for name in judges if not asking_for(desk, name, asking).specs]
    names = [one.id for one in plan.plan.scorers if one.by == "tester" and one.method != "human"]
    return [name for name in names if name not in later], later


def _labels(
    speech: Speech, desk: Desk, plan: PlanFile, which: tuple[RunState, str], given: Mapping[str, Any]
) -> dict[str, int]:
    """One scorer's labels over a run, signed; {label: n}."""
    state, name = which
    method = scorer_in(plan, name).method
    if method == "human":
        return score_people(desk, plan, task_of(desk, plan, state, name), incomplete=given["incomplete"])
    if method == "judge":
        with Display(speech) as display:
            return judge_run(desk, plan, state, name, asking_of(given), display)
    return score_run(desk, plan, state, name, _bar(speech))


def _bar(speech: Speech) -> Callable[[int, int], None]:
    return lambda done, of: speech.bar("scoring", done, of) if of >= LONG else None


def _score_file(speech: Speech, path: Path, scorer: str | None, given: Mapping[str, Any], asking: Asking) -> int:
    from detente.desk.judgefiles import judge_answers
    from detente.desk.rehearsals import score_answers
    from detente.score.scorer import KEYWORDS

    out, words = given["out"], given["words"]
    if scorer is None:
        raise WrongUsage("cli-missing", expected="--scorer")
    if asks_models(scorer):
        if words is not None:
            raise WrongUsage("scorer-words", str(words), expected=KEYWORDS, got=scorer)
        with Display(speech) as display:
            rows = judge_answers(path, scorer, asking, out, display)
    else:
        rows = score_answers(path, scorer, words)
    if out is None:
        speech.lines(rows)
    else:
        write_given(out, rows)
        speech.say("scored-file", n=len(rows), out=out)
    return 0
