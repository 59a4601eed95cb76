# SPDX-License-Identifier: Apache-2.0
"""Verified evidence in, one joint Result out: the verifier's exact counts and shares, and the limits that statistics adds."""

from collections.abc import Sequence
from typing import NamedTuple

from detente.check import closings
from detente.check.exchange import open_exchange
from detente.check.facts import View
from detente.check.tally import Numbers, Pattern, heads_of
from detente.check.verify import Closing, Verified
from detente.errors import NotVerified
from detente.pact.hazards import load_hazards
from detente.pact.plan import Head
from detente.report.corrections import corrected_limits
from detente.report.joint import Closing as JointClosing
from detente.report.joint import Joint
from detente.report.trace import walks
from detente.stats.gaps import gap
from detente.stats.rates import rate
from detente.stats.rounding import round_outward
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256


class Result(NamedTuple):
    """result.json: its bytes and their digest, and the view they were made over."""

    raw: bytes
    digest: str
    view: View


def summarise(verified: Verified, view: View | None = None) -> Result:
    """The joint result of a verified exchange, in a view (default: as things stand now) (F-10)."""
    view = view or verified.view()
    made = verified.numbers(view)
    result = {**made.result, "rates": _rates(made), "gaps": _gaps(made), **corrected_limits(made, verified.plan)}
    raw = encode(result)
    return Result(raw, sha256(raw), view)


def _rates(made: Numbers) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = made.result["rates"]  # type: ignore[assignment]
    return [{**row, **_rate_limits(patterns)} for row, patterns in zip(rows, made.rate_patterns, strict=True)]


def _rate_limits(patterns: Sequence[Pattern]) -> dict[str, object]:
    if not patterns:
        return {"high": None, "low": None}
    found = rate([p.hits[0] for p in patterns], [p.scored[0] for p in patterns], items=[p.items for p in patterns])
    low, high = round_outward(found.low, found.high)
    return {"high": high, "low": low}


def _gaps(made: Numbers) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = made.result["gaps"]  # type: ignore[assignment]
    return [{**row, **_gap_limits(patterns)} for row, patterns in zip(rows, made.gap_patterns, strict=True)]


def _gap_limits(patterns: Sequence[Pattern]) -> dict[str, object]:
    """Limits of the second language's rate minus the first's."""
    if not patterns:
        return {"high": None, "low": None}
    found = gap(
        [p.hits[1] for p in patterns],
        [p.scored[1] for p in patterns],
        [p.hits[0] for p in patterns],
        [p.scored[0] for p in patterns],
        items=[p.items for p in patterns],
    )
    low, high = round_outward(found.low, found.high, signed=True)
    return {"high": high, "low": low}


def closed_view(verified: Verified, closing: Closing) -> View:
    """The view that a close speaks of: its heads, and the notes that its result names (F-10)."""
    raw, place = closings.read_result(open_exchange(verified.root), closing)
    return closings.closed_view(raw, verified.plan.plan, closing, place)


def joint_of(verified: Verified) -> Joint:
    """What a report shows: the common closed result where there is one, else the interim one.

    A closed result is made again, limits included; NotVerified (F-10.limits) if a digit differs.
    """
    common = closings.common_closing(verified.plan.plan, verified.closings)
    made = summarise(verified, closed_view(verified, common) if common else None)
    if common and made.digest != common.result_sha256:
        place = f"{common.party}/results/{common.result_sha256}.json"
        raise NotVerified("F-10.limits", place, step="V-11", expected=made.digest, got=common.result_sha256)
    result = decode(made.raw)
    return Joint(
        result=result,
        digest=made.digest,
        plan=decode(verified.plan.raw),
        plan_id=verified.plan.id,
        final=common is not None,
        closings=_closings(verified, common),
        descriptors=verified.descriptors,
        scorers={id_: decode(raw) for id_, raw in verified.definition_files.items()},
        walks=walks(verified, made.view, result),
        hazards=load_hazards(),
        opened={id_: [(one.suite, one.list) for one in line.lists] for id_, line in verified.opened.items()},
        revealed=frozenset(verified.texts),
        read_here=_read_here(verified),
        lists_at_home=frozenset(verified.lists_at_home()),
        late={(one.run, one.auditor): (one.due, one.seen) for one in verified.late_answers(made.view)},
    )


def _read_here(verified: Verified) -> frozenset[str]:
    """Of runs with something withheld, those whose headers this reader read, and the scorings that it counted again (P-5)."""
    found: set[str] = set()
    for run in verified.runs:
        section = verified.plan.plan.section(run.test.section)
        if run.bundle and (section.withholds("headers") or section.withholds("scores")):
            found |= {run.id} if section.withholds("headers") else set()
            found |= {scoring.entry.digest for scoring in run.scorings if scoring.labels is not None}
    return frozenset(found)


def _closings(verified: Verified, common: Closing | None) -> list[JointClosing]:
    """Every close; ``after`` marks those that do not stand: replaced, or not of the common result (F-11)."""
    of_it = [c for c in verified.closings if common is None or c.names() == common.names()]
    latest = {closing.party: closing for closing in of_it}
    return [
        {
            "party": closing.party,
            "position": "reserve" if closing.position == "reserve" else "endorse",
            "text": closing.text,
            "after": closing is not latest.get(closing.party),
        }
        for closing in verified.closings
    ]


def heads_now(verified: Verified, view: View) -> list[Head]:
    """The heads of a view as a close states them (F-11)."""
    rows = heads_of(verified.plan.plan, verified.histories, view)
    return [Head(origin=str(r["origin"]), size=int(str(r["size"])), root=str(r["root"])) for r in rows]
