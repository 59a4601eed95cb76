# SPDX-License-Identifier: Apache-2.0
"""The joint result as the pages read it: result.json, the plan, and what the plan names by digest."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypedDict

from detente.pact.hazards import Hazard

PageLang = Literal["en", "zh", "both"]


class Closing(TypedDict):
    """One party's ``close`` (F-11). ``after``: an earlier common close, or one logged beyond the heads."""

    party: str
    position: Literal["endorse", "reserve"]
    text: Mapping[str, str] | None
    after: bool


class Step(TypedDict):
    """One step of a walk: the rule it rests on, and the sentence with its values.

    ``text_key`` is a whole key of ``words.say``, for example ``trace.step.counts``; a field ``at`` is a time.
    """

    rule: str
    text_key: str
    fields: Mapping[str, object]


class Walk(TypedDict, total=False):
    """The way from one headline number back to a cosignature.

    ``title`` {tag: text} may be absent; ``run``, ``measure`` and ``langs`` (one tag for a rate, two
    for a gap) say under which number of the page the walk stands. Without them it stands after the table.
    """

    title: Mapping[str, str]
    run: str
    measure: str
    langs: Sequence[str]
    steps: Sequence[Step]


class Joint(NamedTuple):
    """Everything a report is made of; nothing else is read, so the same exchange gives the same bytes (F-10).

    ``result`` is result.json decoded, ``digest`` the SHA-256 of its bytes; ``plan`` is plan.json decoded
    (docs/format/plan.md), ``plan_id`` its SHA-256; ``final`` as F-11 decides it. ``descriptors`` maps a
    subject to its descriptor (P-12; absent where the plan holds a commitment or the file is not there),
    ``scorers`` a scorer to its definition (C-1), ``hazards`` is the taxonomy in its order.
    ``opened`` has, by section kept at home, the suites that its opened commitment names: (id, SHA-256 of the list).
    ``late`` has, by run and auditor, when an audit's answer was due and when the auditor saw the log without it (A-5).
    ``lists_at_home`` are the scorers whose word list is not in the exchange.
    ``revealed`` are the suites whose text lies open now: no statement says so, so no result does.
    ``read_here`` are the runs and scorings whose withheld files were read and recounted for this page, because
    its reader is a party that they were sent to (P-5): envelope digests, empty for everybody else.
    All text in it is foreign and may be hostile.
    """

    result: Mapping[str, Any]
    digest: str
    plan: Mapping[str, Any]
    plan_id: str
    final: bool
    closings: Sequence[Closing]
    descriptors: Mapping[str, Mapping[str, Any]]
    scorers: Mapping[str, Mapping[str, Any]]
    walks: Sequence[Walk]
    hazards: Sequence[Hazard]
    opened: Mapping[str, Sequence[tuple[str, str]]] = MappingProxyType({})
    revealed: Collection[str] = ()
    read_here: Collection[str] = ()
    late: Mapping[tuple[str, str], tuple[str, str]] = MappingProxyType({})
    lists_at_home: Collection[str] = ()
