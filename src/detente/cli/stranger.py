# SPDX-License-Identifier: Apache-2.0
"""Verbs that need no desk and no trust: demo, board, verify, trace, report, pack, unpack."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from detente.check.chain import paths_of_others
from detente.check.facts import Late
from detente.check.verify import Verified
from detente.check.verify import verify as verify_exchange
from detente.cli.build import argument, json_option, option, plan_id, plan_option, reader_option, under, verb, voice
from detente.cli.speech import Speech, padded, wide
from detente.desk.archives import looks_packed
from detente.desk.keys import load_desk
from detente.desk.logs import KINDS, Board
from detente.desk.logs import board as read_board
from detente.desk.plans import plan_ids
from detente.desk.sent import reader_of
from detente.errors import CannotTell, NotVerified, WrongUsage
from detente.pact.crosswalk import framework
from detente.wire.digests import groups_of_four
from detente.words import harmless, say


def _path(name: str, **more: Any) -> click.Argument:
    return argument(name, type=click.Path(path_type=Path), **more)


def _verified(speech: Speech, exchange: Path, plan: str | None, *, loud: bool, desk: Path | None = None) -> Verified:
    """Verify an exchange, telling each step; without a plan id say which plans lie there, and that none is anchored.

    With a ``desk`` what was sent to that lab alone is read, too; what of it cannot be read is told (P-5).
    """
    if plan is None and exchange.is_dir():
        for id_ in plan_ids(exchange):
            speech.say("plan-there", plan=groups_of_four(id_))

    own = load_desk(desk) if desk else None
    reader = reader_of(own) if own else None
    told = (lambda step: speech.step(*step)) if loud else None
    verified = verify_exchange(exchange, plan_id(plan), told=told, reader=reader)
    if own and own.party not in {party.id for party in verified.plan.plan.parties}:
        raise WrongUsage("not-a-party", str(desk), got=own.party)
    for error in verified.shut():
        speech.error(error)
    return verified


def _tell_withheld(speech: Speech, verified: Verified) -> None:
    """The files that went to the parties alone: known to exist, held against nothing that this reader cannot read (P-5)."""
    for one in verified.withheld():
        key = "withheld-read" if one.read else "withheld"
        to = ", ".join(one.sent) or say("cli.say.withheld-nobody", speech.lang)
        path = f"{one.wanted.owner}/runs/{one.wanted.run[:16]}/{one.wanted.path}"
        speech.say(key, path=path, to=to)
        if speech.as_json:
            row = {"withheld": one.kind, "run": one.wanted.run, "party": one.wanted.owner, "sha256": one.wanted.digest}
            speech.row({**row, "sent": one.sent, "read": one.read})


def _tell_listed(speech: Speech, rows: Iterable[tuple[str, int, str]]) -> None:
    """The entries that break a rule, each with its code and what that means (L-8)."""
    for party, index, code in rows:
        why = say(f"check.violation.{code}", speech.lang)
        speech.say("violation", party=party, index=index, code=code, why=why)
        if speech.as_json:
            speech.row({"violation": code, "party": party, "index": index, "why": why})


def _tell_late(speech: Speech, rows: Iterable[Late]) -> None:
    """The audits that were answered after their time: the answer counts, and its lateness is told (A-5)."""
    for late in rows:
        fields = late._asdict() | {"run": late.run[:16]}
        speech.say("answered-late", **fields)
        if speech.as_json:
            speech.row({"late": late._asdict()})


def _tell_not_part(speech: Speech, verified: Verified) -> None:
    """What lies beside the exchange and was not read: what nobody's folder holds by its top folder alone (.git, say)."""
    plans = (verified.plan, *verified.plan.earlier, *verified.plan.later)
    parties = {id_ for plan in plans for id_ in plan.plan.witnesses()}
    beside = Counter(path.split("/")[0] for path in verified.not_part if path.split("/")[0] not in parties)
    own = [path for path in verified.not_part if path.split("/")[0] in parties]
    of_chain = paths_of_others(verified.plan, verified.chain)
    if others := sum(path.startswith(of_chain) for path in own):
        speech.say("not-read-chain", n=others)
    own = [path for path in own if not path.startswith(of_chain)]
    if proposals := sum(path.split("/")[1] == "proposals" for path in own):
        speech.say("not-read-proposals", n=proposals)
    for path in own:
        if path.split("/")[1] != "proposals":
            speech.say("not-part", path=path)
    for top, n in sorted(beside.items()):
        speech.say("not-part-beside", path=top, n=n)


def _tell_chain(speech: Speech, verified: Verified) -> None:
    """The earlier plans, each to be verified by itself; and the plan that took this one's place, if all signed it (P-11)."""
    for plan in verified.plan.earlier:
        speech.say("earlier-plan", plan=groups_of_four(plan.id))
    for log in (log for generation in verified.chain for log in generation.logs if log.void):
        speech.say("beyond-end", party=log.party, first=log.void[0], n=len(log.void))
    if verified.successor:
        speech.say("successor", plan=groups_of_four(verified.successor.id))
        if speech.as_json:
            speech.row({"warning": "successor", "plan": verified.successor.id})


def verify(lang: str) -> click.Command:
    """``detente verify EXCHANGE --plan ID``."""

    def call(exchange: Path, plan: str | None, desk: Path | None, json: bool) -> int:
        speech = voice(lang, json)
        if looks_packed(exchange):
            from detente.cli.lone import verify_file

            return verify_file(speech, exchange, plan)
        verified = _verified(speech, exchange, plan, loud=True, desk=desk)
        _tell_listed(speech, verified.violations())
        _tell_withheld(speech, verified)
        _tell_late(speech, verified.late_answers())
        for suite in verified.not_derived():
            speech.say("not-derived", suite=suite)
        for scorer in verified.lists_at_home():
            speech.say("list-at-home", scorer=scorer)
        _tell_not_part(speech, verified)
        for section, line in verified.opened.items():
            speech.say("opened", section=section, suites=", ".join(one.suite for one in line.lists))
        _tell_chain(speech, verified)
        quorum = verified.plan.plan.quorum
        if quorum and (loose := verified.unanchored()):
            raise CannotTell("unanchored-log", str(exchange), expected=quorum, got=", ".join(loose))
        if verified.shut():
            return CannotTell.exit_code
        status = "final" if verified.final else "interim"
        status = status if verified.plan.plan.quorum else "self-check"
        if json:
            speech.row({"verified": True, "status": status, "plan": verified.plan.id, "result": verified.final})
        else:
            speech.data(say(f"cli.say.verified-{status}", lang, plan=groups_of_four(verified.plan.id)))
        return 0

    params = [_path("exchange"), plan_option(lang), reader_option(lang), json_option(lang)]
    return verb("verify", lang, params, call)


def board(lang: str) -> click.Command:
    """``detente board EXCHANGE --plan ID``."""

    def call(exchange: Path, plan: str | None, json: bool) -> int:
        speech = voice(lang, json)
        if plan is None:
            raise WrongUsage("cli-missing", expected="--plan")
        found = read_board(exchange, plan_id(plan) or "")
        for party, row in found.rows.items() if json else ():
            speech.row({"party": party, **{kind: {"n": c.n, "seen": c.seen_at} for kind, c in row.items()}})
        for observer, times in found.observers.items() if json else ():
            speech.row({"observer": observer, "seen": times})
        if not json:
            _tell_board(speech, found)
        _tell_listed(speech, ((one.party, one.index, one.code) for one in found.listed))
        for error in found.trouble.values():
            speech.error(error)
        if any(isinstance(error, NotVerified) for error in found.trouble.values()):
            return NotVerified.exit_code
        return CannotTell.exit_code if found.trouble else 0

    return verb("board", lang, [_path("exchange"), plan_option(lang), json_option(lang)], call)


def _tell_board(speech: Speech, found: Board) -> None:
    """Steps down, parties across: when a quorum of others held the newest entry, and how many there are if several."""
    rows = [["", *found.rows]]
    for kind in KINDS:
        cells = [row[kind] for row in found.rows.values()]
        seen = [cell.seen_at or say("cli.board.unseen", speech.lang) for cell in cells]
        several = [f" ({cell.n})" if cell.n > 1 else "" for cell in cells]
        told = [f"{at}{n}" if cell.n else "-" for at, n, cell in zip(seen, several, cells, strict=True)]
        rows.append([say(f"cli.board.{kind}", speech.lang), *told])
    for observer, times in found.observers.items():
        title = say("cli.board.observer", speech.lang, observer=observer)
        rows.append([title, *[times[party] or "-" for party in found.rows]])
    columns = [max(map(wide, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        speech.data("  ".join(map(padded, row, columns)).rstrip())


def trace(lang: str) -> click.Command:
    """``detente trace EXCHANGE --plan ID [PARTY/MEASURE/LANG] [--run PREFIX]``."""

    def call(exchange: Path, number: str | None, plan: str | None, run: str | None, json: bool) -> int:
        from detente.report.result import joint_of
        from detente.report.trace import named, pick

        speech = voice(lang, json)
        verified = _verified(speech, exchange, plan, loud=False)
        joint = joint_of(verified)
        walks = named(joint.walks, joint.result)
        if not walks:
            raise CannotTell("no-number", str(exchange))
        chosen = pick(walks, joint.result, number, run)
        others = dict.fromkeys(one.name for one in walks if one.name != chosen.name)
        twins = [one.run[:16] for one in walks if one.name == chosen.name and one.run != chosen.run]
        if json:
            speech.row({"number": chosen.name, "run": chosen.run, "others": list(others), "runs": twins})
        else:
            speech.data(harmless(chosen.name))
        for n, step in enumerate(chosen.walk["steps"], 1):
            if json:
                speech.row({"n": n, "rule": step["rule"], **step["fields"]})
            else:
                speech.data(f"{n:>2}. [{step['rule']}] {say(step['text_key'], lang, **step['fields'])}")
        if twins:
            speech.say("other-runs", run=chosen.run[:16], runs=" ".join(twins))
        if number is None and others:
            speech.say("other-numbers", names=" ".join(others))
        author = chosen.name.partition("/")[0]
        _tell_listed(speech, [row for row in verified.violations() if row[0] == author])
        return 0

    params = [
        _path("exchange"),
        argument("number", required=False),
        plan_option(lang),
        option("run", lang, metavar="ID"),
        json_option(lang),
    ]
    return verb("trace", lang, params, call)


def _refuse_inside(exchange: Path, out: Path) -> None:
    """An exchange holds no file that the formats do not name, and no report of itself."""
    if exchange.resolve() in [out.resolve(), *out.resolve().parents]:
        raise WrongUsage("report-inside", str(out), got=str(exchange))


def report(lang: str) -> click.Command:
    """``detente report EXCHANGE --plan ID --out DIR``."""

    def call(exchange: Path, plan: str | None, out: Path, desk: Path | None, read_in: str | None) -> int:
        from detente.desk.packing import write_report

        speech = voice(lang)
        target = framework(read_in, "--in") if read_in is not None else None
        _refuse_inside(exchange, out)
        verified = _verified(speech, exchange, plan, loud=False, desk=desk)
        written = write_report(verified, out, target)
        for path in written.files:
            speech.data(str(path))
        speech.say(f"reported-{written.status}", result=written.digest)
        return CannotTell.exit_code if verified.shut() else 0

    params = [
        _path("exchange"),
        plan_option(lang),
        reader_option(lang),
        option(
            "out", lang, letter="-o", required=True, type=click.Path(path_type=Path), metavar="DIR", help_key="out-dir"
        ),
        under("read_in", option("in", lang, metavar="FRAMEWORK", help_key="framework-in")),
    ]
    return verb("report", lang, params, call)


def pack(lang: str) -> click.Command:
    """``detente pack EXCHANGE --plan ID -o FILE.zip``."""

    def call(exchange: Path, plan: str | None, run: str | None, out: Path) -> int:
        from detente.desk.packing import pack as pack_exchange

        speech = voice(lang)
        _refuse_inside(exchange, out)
        verified = _verified(speech, exchange, plan, loud=False)
        if run is not None:
            from detente.desk.lone import pack_lone

            speech.say("packed-lone", run=pack_lone(verified, run, out).id, out=out)
            return 0
        n = pack_exchange(verified, out)
        speech.say("packed", n=n, out=out)
        return 0

    params = [
        _path("exchange"),
        plan_option(lang),
        option("run", lang, metavar="ID", help_key="run-lone"),
        option("out", lang, letter="-o", required=True, type=click.Path(path_type=Path), metavar="FILE"),
    ]
    return verb("pack", lang, params, call)


def unpack(lang: str) -> click.Command:
    """``detente unpack FILE.zip --exchange DIR``."""

    def call(archive: Path, exchange: Path, keep: str | None) -> int:
        from detente.desk.packing import unpack as unpack_archive

        done = unpack_archive(archive, exchange, keep)
        voice(lang).say("unpacked", new=done.new, grown=done.grown, same=done.same, exchange=exchange)
        return 0

    params = [
        _path("archive"),
        option("exchange", lang, required=True, type=click.Path(path_type=Path), metavar="DIR"),
        option("keep", lang, metavar="PARTY"),
    ]
    return verb("unpack", lang, params, call)


def demo(lang: str) -> click.Command:
    """``detente demo``."""

    def call(out: Path) -> int:
        from detente.desk.demo import play

        return play(out, lang)

    params = [
        option(
            "out",
            lang,
            letter="-o",
            default="demo",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help_key="demo-out",
        )
    ]
    return verb("demo", lang, params, call)
