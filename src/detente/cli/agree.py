# SPDX-License-Identifier: Apache-2.0
"""Verbs of meeting and agreeing: init, plan new|home|show|diff|object|sign, witness."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from detente.check.exchange import find_plan
from detente.check.verify import lists_at_home, named_files
from detente.cli.build import (
    Whole,
    argument,
    by_tag,
    desk_option,
    group,
    json_option,
    option,
    plan_id,
    plan_option,
    verb,
    voice,
)
from detente.cli.speech import Speech, short
from detente.desk.given import read_given_text, read_recipe
from detente.desk.homes import prepare_home
from detente.desk.keyring import finish_lock, new_passphrase
from detente.desk.keys import Desk, ModelEntry, load_desk, make_card, make_desk, make_own_folder
from detente.desk.logs import witness as witness_all
from detente.desk.plans import (
    diff_plans,
    find_proposal,
    new_plan,
    object_to,
    objections_to,
    sign_plan,
    suite_items,
    suite_lists,
)
from detente.desk.succession import left_behind
from detente.errors import CannotTell, NotVerified, WrongUsage
from detente.pact.draw import Drawn
from detente.pact.item import question_of
from detente.pact.plan import Measure, Plan, PlanFile, Suite
from detente.pact.rule import draft_file
from detente.tlog.folder import Folder
from detente.wire.canonical import decode
from detente.wire.digests import groups_of_four
from detente.wire.keys import new_seed
from detente.words import TAG_OF, harmless, say

SEED_DIGITS = 16


def init(lang: str) -> click.Command:
    """``detente init PARTY``."""

    def call(**given: Any) -> int:
        speech = voice(lang)
        desk_path: Path = given["desk"]
        if (desk_path / "desk.toml").is_file():
            desk = load_desk(desk_path)
            if desk.party != given["party"]:
                raise WrongUsage("desk-exists", str(desk_path / "desk.toml"), expected=desk.party, got=given["party"])
            _refuse_changes(desk, given)
            if given["passphrase"]:
                finish_lock(desk.root / "keys")
            make_own_folder(desk)
        else:
            for need in ("exchange", "home", "name"):
                if not given[need]:
                    raise WrongUsage("cli-missing", expected=f"--{need}")
            desk = make_desk(
                desk_path,
                given["party"],
                by_tag(given["name"], "--name"),
                given["home"],
                given["exchange"],
                _models(given),
                passphrase=new_passphrase() if given["passphrase"] else None,
                observer=given["observer"],
            )
        make_card(desk)
        speech.say("desk-made", desk=desk_path, party=desk.party, exchange=desk.exchange)
        speech.say("card-made", card=desk_path / "card.json")
        speech.data(str(desk_path / "card.json"))
        return 0

    params = [
        argument("party"),
        desk_option(lang),
        option("exchange", lang, type=click.Path(path_type=Path), metavar="DIR"),
        option("home", lang, metavar="URL"),
        option("name", lang, multiple=True, metavar="TAG=TEXT"),
        option("model", lang, multiple=True, metavar="SUBJECT=SPEC"),
        option("model-name", lang, multiple=True, metavar="SUBJECT/TAG=TEXT"),
        option("system", lang, multiple=True, metavar="SUBJECT=FILE"),
        option("key-env", lang, multiple=True, metavar="SUBJECT=VARIABLE"),
        option("coded", lang, multiple=True, metavar="SUBJECT"),
        option("recipe", lang, multiple=True, metavar="SUBJECT=FILE"),
        option("passphrase", lang, is_flag=True, default=False),
        option("observer", lang, is_flag=True, default=False),
    ]
    return verb("init", lang, params, call)


def _refuse_changes(desk: Desk, given: dict[str, Any]) -> None:
    """What is given again must be what the desk has: nothing that a person typed is passed over in silence."""
    rows: list[tuple[str, object, object]] = []
    if given["exchange"] is not None:
        rows.append(("exchange", desk.exchange.resolve(), given["exchange"].resolve()))
    if given["home"] is not None:
        rows.append(("home", desk.home, given["home"]))
    if given["name"]:
        rows.append(("name", desk.name, by_tag(given["name"], "--name")))
    if any(given[key] for key in ("model", "model_name", "system", "key_env", "coded", "recipe")):
        titled = {**given, "name": given["name"] or [f"{tag}={text}" for tag, text in desk.name.items()]}
        rows.append(("model", desk.models, _models(titled)))
    if given["observer"] and not desk.observer:
        rows.append(("observer", False, True))
    for name, there, wanted in rows:
        if there != wanted:
            shown = (_told_models(there), _told_models(wanted)) if name == "model" else (there, wanted)
            raise WrongUsage(
                "desk-differs", str(desk.root / "desk.toml"), expected=shown[0], got=shown[1], option=f"--{name}"
            )


def _told_models(entries: Any) -> str:
    return "; ".join(" ".join(str(part) for part in entry if part) for entry in entries) or "-"


def _models(given: dict[str, Any]) -> list[ModelEntry]:
    uses = by_tag(given["model"], "--model", "SUBJECT=SPEC")
    names = by_tag(given["model_name"], "--model-name", "SUBJECT/TAG=TEXT")
    systems = by_tag(given["system"], "--system", "SUBJECT=FILE")
    keys = by_tag(given["key_env"], "--key-env", "SUBJECT=VARIABLE")
    recipes = by_tag(given["recipe"], "--recipe", "SUBJECT=FILE")
    tags = list(by_tag(given["name"], "--name"))
    for name in names:
        if name.partition("/")[2] not in tags:
            raise WrongUsage("bad-pair", "--model-name", expected=f"SUBJECT/{'|'.join(tags)}=TEXT", got=name)
    for subject in [*systems, *keys, *recipes, *given["coded"], *(name.partition("/")[0] for name in names)]:
        if subject not in uses:
            raise WrongUsage("no-model", "--model", expected=", ".join(uses) or None, got=subject)
    found = []
    for subject, use in uses.items():
        titles = {tag: names.get(f"{subject}/{tag}", subject) for tag in tags}
        system = read_given_text(Path(systems[subject])) if subject in systems else None
        recipe = read_recipe(Path(recipes[subject])) if subject in recipes else None
        coded = subject in given["coded"]
        found.append(ModelEntry(subject, use, titles, system, keys.get(subject), coded, recipe=recipe))
    return found


def plan(lang: str) -> click.Command:
    """``detente plan new|home|show|diff|object|sign``."""
    return group("plan", lang, [_new(lang), _home(lang), _show(lang), _diff(lang), _object(lang), _sign(lang)])


def _new(lang: str) -> click.Command:
    def call(**given: Any) -> int:
        draft, desk, supersedes, head = (given[name] for name in ("draft", "desk", "supersedes", "head"))
        speech = voice(lang)
        if given["from"] is not None:
            return _start(speech, given["from"], given["sample"], draft)
        if draft is None:
            raise WrongUsage("cli-missing", expected="DRAFT")
        if head and not supersedes:
            raise WrongUsage("cli-missing", expected="--supersedes")
        made = new_plan(load_desk(desk), draft, given["card"], heads=_heads(head) if supersedes else None)
        for cut in made.plan.plan.supersedes.heads if made.plan.plan.supersedes else ():
            speech.say("cut-at", origin=cut.origin, size=cut.size)
        if given["size"]:
            _tell_sizes(speech, load_desk(desk), made.plan)
        alone = len(made.plan.plan.parties) == 1
        items = sum(suite.items for suite in made.plan.plan.suites)
        speech.say("proposed-alone" if alone else "proposed", items=items, plan=made.plan.id)
        speech.data(made.plan.id)
        return 0

    params = [
        argument("draft", required=False, type=click.Path(path_type=Path)),
        option("from", lang, metavar="PRESET", help_key="draft-from"),
        option("sample", lang, type=Whole(1), metavar="N", help_key="draft-sample"),
        option("card", lang, multiple=True, type=click.Path(path_type=Path), metavar="FILE"),
        option("supersedes", lang, is_flag=True, default=False),
        option("head", lang, multiple=True, metavar="PARTY=SIZE"),
        option("size", lang, is_flag=True, default=False),
        desk_option(lang),
    ]
    return verb("plan-new", lang, params, call)


def _start(speech: Speech, preset: str, n: int | None, draft: Path | None) -> int:
    """Print a draft that can satisfy a preset; nothing is proposed."""
    if draft is not None:
        raise WrongUsage("cli-either", expected="--from", got=str(draft))
    seed = new_seed().hex()[:SEED_DIGITS]  # nobody chose it; who wants a seed that nobody could choose writes another
    speech.data(draft_file(preset, n, seed).rstrip("\n"))
    speech.say("draft-start", preset=preset)
    return 0


def _tell_sizes(speech: Speech, desk: Desk, plan: PlanFile) -> None:
    """What the planned items and labels can show, a line or two a cell."""
    from detente.desk.plans import read_proposal_files
    from detente.desk.sizes import sizes

    for one in sizes(plan.plan, *read_proposal_files(desk, plan)):
        fields = {
            "measure": one.measure,
            "lang": one.lang,
            "section": one.section,
            "n": one.items,
            "epochs": one.epochs,
        }
        speech.say("size-bound", **fields, bound=f"{100 * one.bound:.1f}")
        if one.gap is None:
            speech.say("size-no-gap")
        else:
            speech.say("size-gap", gap=f"{100 * one.gap:.0f}")
        if one.labels is not None:
            speech.say("size-labels" if one.wanted else "size-labels-few", n=one.labels, wanted=one.wanted)


def _home(lang: str) -> click.Command:
    def call(home: Path, desk: Path, json: bool) -> int:
        speech = voice(lang, json)
        own = load_desk(desk)
        made = prepare_home(own, home)
        n = sum(suite.items for suite in made.suites)
        speech.say("home-prepared", section=made.section, items=n)
        speech.say("home-annex", party=own.party, commitment=made.commitment)
        if json:
            suites = [{"suite": suite.id, "items": suite.items} for suite in made.suites]
            speech.row({"commitment": made.commitment, "section": made.section, "suites": suites})
        else:
            speech.data(made.commitment)
        return 0

    params = [argument("home", type=click.Path(path_type=Path)), desk_option(lang), json_option(lang)]
    return verb("plan-home", lang, params, call)


def _heads(pairs: Sequence[str]) -> dict[str, int]:
    """``lab-b=12`` options: where to cut the log of a party."""
    found = by_tag(pairs, "--head", "PARTY=SIZE")
    for pair, size in found.items():
        if not (size.isascii() and size.isdigit() and len(size) < 16):
            raise WrongUsage("bad-head", "--head", expected="PARTY=SIZE", got=f"{pair}={size}")
    return {party: int(size) for party, size in found.items()}


def _show(lang: str) -> click.Command:
    def call(plan: str, desk: Path) -> int:
        exchange = load_desk(desk).open_exchange()
        found = find_proposal(exchange, plan)
        speech, tag = voice(lang), TAG_OF[lang]
        _print_plan(speech, found)
        _tell_lists(speech, exchange, found)
        names: dict[str, str] = {}
        lists = suite_lists(exchange, found)
        for suite, items in suite_items(exchange, found).items():
            names |= {entry.item: item.id for entry, item in zip(lists[suite], items, strict=True)}
            for item in items:
                text = question_of(item, tag if tag in item.text else next(iter(item.text))).replace("\n", " / ")
                speech.data(harmless(f"  {suite}/{item.id:<22} {item.kind:<8} {item.hazard:<20} {text}"))
        for party, rows in objections_to(exchange, found).items():
            for row in rows:
                reason = row.reason.get(tag) or next(iter(row.reason.values()), "-")
                speech.data(say("cli.plan.objection", lang, party=party, at=names.get(row.at, row.at), reason=reason))
        return 0

    return verb("plan-show", lang, [argument("plan"), desk_option(lang)], call)


def _print_plan(speech: Speech, plan: PlanFile) -> None:
    tag, value = TAG_OF[speech.lang], plan.plan
    title = value.title.get(tag) or next(iter(value.title.values()))
    speech.data(harmless(title))
    speech.data(groups_of_four(plan.id))
    rows: list[tuple[str, str]] = [
        ("parties", ", ".join(f"{p.id} ({', '.join(p.roles)})" for p in value.parties)),
        ("observers" if value.observersCount else "observers-apart", ", ".join(o.id for o in value.observers)),
        ("subjects", ", ".join(s.id for s in value.subjects)),
        ("tests", ", ".join(f"{t.party}: {t.subject}/{t.section}" for t in value.tests)),
        ("suites", ", ".join(_asked(s, speech.lang) for s in value.suites)),
        ("scorers", ", ".join(f"{s.id} ({s.method}: {'/'.join(s.languages)})" for s in value.scorers)),
        ("measures", ", ".join(f"{m.id} = {' | '.join(m.hit)} ({_counted(m)})" for m in value.measures)),
        ("counting", say(f"cli.plan.{value.filtered}", speech.lang, missing=value.maxMissing, quorum=value.quorum)),
        *_disclosures(value, speech.lang),
        *_releasers(value),
        ("dates", f"{value.runs.registerBy} / {value.runs.deadline}"),
        ("requires", ", ".join(value.requires)),
    ]
    for kept in value.kept():
        fixed = kept.commitment if isinstance(kept.commitment, str) else "-"
        rows.append(("kept", say("cli.plan.kept-row", speech.lang, section=kept.id, commitment=fixed)))
    for key, text in (row for row in rows if row[1]):
        speech.data(say("cli.plan.row", speech.lang, name=say(f"cli.plan.{key}", speech.lang), value=text))


def _tell_lists(speech: Speech, exchange: Folder, plan: PlanFile) -> None:
    """The word lists that stay with whoever has them: said before anybody signs (C-1). What lies wrong here ``plan sign`` tells."""
    try:
        definitions = named_files(exchange, plan).definitions
    except (CannotTell, NotVerified):
        return
    for scorer in lists_at_home(exchange, plan, definitions):
        speech.say("list-at-home", scorer=scorer)


def _counted(measure: Measure) -> str:
    """The kind of items that a measure counts, and in which suites where it names some."""
    return " ".join([measure.kind, "/".join(measure.suites)] if isinstance(measure.suites, list) else [measure.kind])


def _asked(suite: Suite, lang: str) -> str:
    """A suite with its size, and what it is a variant of or was drawn from."""
    made = suite.id
    if isinstance(suite.drawn, Drawn):
        made = say("cli.plan.drawn", lang, suite=suite.id, of=suite.drawn.items, seed=suite.drawn.seed)
    if suite.variant is not None:
        made = say("cli.plan.variant", lang, suite=suite.id, variant=suite.variant.name, of=suite.variant.of)
    return f"{made} ({suite.items} x {'/'.join(suite.languages)} x {suite.epochs})"


def _disclosures(plan: Plan, lang: str) -> list[tuple[str, str]]:
    """Of each section that is not kept at home, who may read its headers and labels, and what that means for a stranger (P-5)."""
    words = {(False, False): "public", (False, True): "scores", (True, False): "headers", (True, True): "parties"}
    rows = []
    for section in plan.sections:
        if section.disclosure != "home":
            word = words[section.withholds("headers"), section.withholds("scores")]
            rows.append(("disclosure", say(f"cli.plan.disclosure-{word}", lang, section=section.id)))
    return rows


def _releasers(plan: Plan) -> list[tuple[str, str]]:
    """Who must let a run start, where the plan asks for that."""
    told = [f"{section.id}: {', '.join(section.releasers)}" for section in plan.sections if section.releasers]
    return [("releasers", "; ".join(told))] if told else []


def _diff(lang: str) -> click.Command:
    def call(old: str, new: str, desk: Path) -> int:
        exchange = load_desk(desk).open_exchange()
        changes = diff_plans(exchange, find_proposal(exchange, old), find_proposal(exchange, new))
        for change in changes:
            sentence = say(
                f"cli.diff.{change.kind}", lang, where=change.where, old=_brief(change.old), new=_brief(change.new)
            )
            voice(lang).data(sentence)
        voice(lang).say("differences", n=len(changes))
        return 0

    return verb("plan-diff", lang, [argument("old"), argument("new"), desk_option(lang)], call)


def _brief(value: object) -> str:
    if isinstance(value, dict) and isinstance(value.get("text"), dict):
        return short(" / ".join(str(text) for text in value["text"].values()))
    return short(value)


def _object(lang: str) -> click.Command:
    def call(plan: str, at: str, reason: Sequence[str], desk: Path) -> int:
        own = load_desk(desk)
        found = find_proposal(own.open_exchange(), plan)
        object_to(own, found, at, by_tag(reason, "--reason"))
        voice(lang).say("objected", at=at, plan=found.id[:16])
        return 0

    params = [
        argument("plan"),
        option("at", lang, required=True, metavar="ITEM|POINTER"),
        option("reason", lang, multiple=True, required=True, metavar="TAG=TEXT"),
        desk_option(lang),
    ]
    return verb("plan-object", lang, params, call)


def _sign(lang: str) -> click.Command:
    def call(plan: str, desk: Path) -> int:
        own = load_desk(desk)
        found = find_proposal(own.open_exchange(), plan)
        void = left_behind(own, found)
        view = sign_plan(own, found)
        if void:
            voice(lang).say("left-behind", n=void)
        voice(lang).say("signed", plan=groups_of_four(found.id), size=view.size)
        plan_of = decode(found.raw)
        if len(plan_of["parties"]) == 1:  # nobody to compare with
            for test in plan_of["tests"]:
                voice(lang).say("signed-alone", subject=test["subject"], section=test["section"])
            return 0
        for party in plan_of["parties"]:
            voice(lang).say("compare", party=party["id"], home=party["home"])
        return 0

    return verb("plan-sign", lang, [argument("plan"), desk_option(lang)], call)


def witness(lang: str) -> click.Command:
    """``detente witness``."""

    def call(desk: Path, plan: str | None, json: bool) -> int:
        speech = voice(lang, json)
        worst: NotVerified | None = None
        unknown = False
        own = load_desk(desk)
        given = find_plan(own.open_exchange(), plan_id(plan) or "") if plan else None
        for row in witness_all(own, given):
            if row.note is not None:
                key = "witnessed" if row.note.grew else "witnessed-before"
                speech.say(key, party=row.party, size=row.note.size, root=row.note.root[:16])
                if json:
                    speech.row({"party": row.party, "size": row.note.size, "root": row.note.root, "new": row.note.grew})
            elif row.trouble is not None:
                speech.error(row.trouble)
                unknown = True
                worst = row.trouble if isinstance(row.trouble, NotVerified) else worst
        return NotVerified.exit_code if worst else 4 if unknown else 0

    params = [desk_option(lang), plan_option(lang), json_option(lang)]
    return verb("witness", lang, params, call)
