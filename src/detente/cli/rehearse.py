# SPDX-License-Identifier: Apache-2.0
"""The verb for a lab alone: rehearse. No plan, no registration, no facts."""

from pathlib import Path
from typing import Any

import click

from detente.cli.build import Whole, argument, json_option, judge_options, option, verb, voice, words_option
from detente.cli.limits import allowed_of, limit_options
from detente.cli.progress import Display
from detente.cli.speech import Speech
from detente.desk.asking import Asking
from detente.desk.rehearsals import Rehearsal
from detente.desk.rehearsals import rehearse as rehearse_suite


def rehearse(lang: str) -> click.Command:
    """``detente rehearse SUITE --model M --scorer S --out DIR``."""

    def call(**given: Any) -> int:
        speech = voice(lang, given["json"])
        wanted = Rehearsal(
            suite=given["suite"],
            model=given["model"],
            system=given["system"],
            key_env=given["key_env"],
            scorers=list(given["scorer"]) or ["refusal"],
            concurrency=given["concurrency"],
            chars=given["max_chars"],
            tokens=given["max_tokens"],
            out=given["out"],
            allowed=allowed_of(given),
            sample=given["sample"],
            seed=given["seed"],
            words=given["words"],
            variants=given["variant"],
            recipe=given["recipe"],
            judges=Asking(given["judge"], given["judge_key_env"]),
        )
        if given["dry_run"]:
            return _beforehand(speech, wanted)
        with Display(speech, given["budget"]) as display:
            summary = rehearse_suite(wanted, display)
        speech.say("rehearsed", n=summary.n, out=given["out"])
        for name, shares in summary.labels.items():
            speech.say("scored", scorer=name, labels=", ".join(f"{label} {n}" for label, n in shares.items()))
        speech.say("self-check")
        if given["json"]:
            speech.row(
                {"event": "rehearsed", "labels": summary.labels, "outcomes": summary.outcomes, "scores": summary.scores}
            )
        return 0

    params = [
        argument("suite"),
        option("model", lang, multiple=True, required=True, metavar="SPEC", help_key="model-spec"),
        option("system", lang, type=click.Path(path_type=Path), metavar="FILE", help_key="system-file"),
        option("key-env", lang, multiple=True, metavar="VARIABLE", help_key="key-env-one"),
        option("scorer", lang, multiple=True, metavar="ID"),
        words_option(lang),
        *judge_options(lang, "judge-here"),
        option("concurrency", lang, type=Whole(1, 4096), default=4, show_default=True, metavar="N"),
        option("max-chars", lang, type=Whole(1), default=4000, show_default=True, metavar="N"),
        option("max-tokens", lang, type=Whole(1), default=512, show_default=True, metavar="N"),
        option(
            "out", lang, letter="-o", required=True, type=click.Path(path_type=Path), metavar="DIR", help_key="out-dir"
        ),
        option("variant", lang, multiple=True, metavar="NAME"),
        option("recipe", lang, type=click.Path(path_type=Path), metavar="FILE", help_key="recipe-file"),
        option("sample", lang, type=Whole(1), metavar="N"),
        option("seed", lang, metavar="TEXT"),
        *limit_options(lang),
        option("dry-run", lang, is_flag=True, default=False, help_key="forecast-rehearsal"),
        json_option(lang),
    ]
    return verb("rehearse", lang, params, call)


def _beforehand(speech: Speech, wanted: Rehearsal) -> int:
    from detente.cli.beforehand import tell_forecast  # a rehearsal itself does not pay for them
    from detente.desk.forecast import forecast_rehearsal

    tell_forecast(speech, forecast_rehearsal(wanted), None, wanted.allowed.budget)
    if wanted.judges.specs:
        speech.say("forecast-judge")
    return 0
