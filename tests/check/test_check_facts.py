# SPDX-License-Identifier: Apache-2.0
"""How a run ends and which facts hold: one small history for each sentence of the rules (R-11, F-1 to F-9, A-5)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detente.errors import NotVerified
from detente.wire.canonical import encode
from detente.wire.digests import sha256
from detente.wire.times import encode_time
from kit.paper import DEADLINE, DESCRIPTOR, NOON, Paper

HOUR = 3600
Row = dict[str, Any]


def row_of(paper: Paper) -> Row:
    rows: list[Row] = paper.result()["runs"]
    return rows[0]


def codes(paper: Paper) -> list[str]:
    return [violation["code"] for violation in paper.result()["violations"]]


def agreed(folder: Path, **changes: Any) -> Paper:
    """Accepted and witnessed; nothing has begun."""
    paper = Paper(folder, **changes)
    paper.accept_all()
    paper.witness_all(NOON)
    return paper


# --- planned tests that nobody registered -------------------------------------------------------


@pytest.mark.parametrize("at", [DEADLINE, DEADLINE + 1])
def test_planned_test_when_never_registered_then_only_a_note_after_the_deadline_dates_it(
    tmp_path: Path, at: int
) -> None:
    paper = agreed(tmp_path)
    paper.witness("lab-b", "lab-a", at)
    seen = {"at": encode_time(at), "by": "lab-b"} if at > DEADLINE else None
    assert paper.result()["unregistered"] == [{"endSeen": seen, "party": "lab-a", "section": "core", "subject": "m1"}]


def test_planned_test_when_registered_even_unlawfully_then_it_is_a_run_and_not_listed_as_missing(
    tmp_path: Path,
) -> None:
    paper = agreed(tmp_path)
    paper.register(drawCommits=[])
    assert [row["counted"] for row in paper.result()["runs"]] == [False]
    assert paper.result()["unregistered"] == []


def test_result_when_a_close_hides_an_unregistered_test_then_v11_refuses_it(tmp_path: Path) -> None:
    paper = agreed(tmp_path)
    paper.witness("lab-b", "lab-a", DEADLINE + 1)
    paper.close("lab-a", paper.verify(), lambda result: {**result, "unregistered": []})
    with pytest.raises(NotVerified) as caught:
        paper.verify()
    assert (caught.value.step, caught.value.code) == ("V-11", "F-10.result")


# --- recounts, and what stands beside the facts -------------------------------------------------


def recounts(paper: Paper) -> dict[str, list[Row]]:
    return {row["scorer"]: row["recounts"] for row in row_of(paper)["scorings"]}


def test_recount_when_another_party_made_it_then_it_stands_under_that_scoring_and_moves_no_fact(
    tmp_path: Path,
) -> None:
    paper = Paper(tmp_path)
    run = paper.played()
    before = row_of(paper)["facts"]
    scoring = {row["scorer"]: row["envelope"] for row in row_of(paper)["scorings"]}
    alone = {"matched": 0, "opened": 0}
    paper.find("lab-b", run, "", [], subjects=[scoring["refusal"]], **alone)
    paper.find("lab-b", run, "", [], subjects=[scoring["refusal"]], **alone | {"verdict": "disputed"})
    paper.find("lab-b", run, "", [], subjects=[scoring["refusal"]], **alone | {"recounted": False})
    paper.find("lab-a", run, "", [], subjects=[scoring["refusal"]], **alone)
    assert recounts(paper) == {
        "refusal": [{"by": "lab-b", "opened": 0, "verdict": word} for word in ("consistent", "disputed")],
        "includes": [],
    }
    assert row_of(paper)["facts"] == before
    assert codes(paper) == []


def test_recount_when_an_audit_asked_about_the_scoring_then_it_stands_there_too(tmp_path: Path) -> None:
    paper = Paper(tmp_path)
    run = paper.played()
    scoring = {row["scorer"]: row["envelope"] for row in row_of(paper)["scorings"]}
    asked = paper.challenge("lab-b", run, [paper.conclusions[run], scoring["refusal"]])
    paper.find("lab-b", run, paper.open(run, "lab-b", asked), [])
    assert recounts(paper) == {"refusal": [{"by": "lab-b", "opened": 3, "verdict": "consistent"}], "includes": []}


@pytest.mark.parametrize("committed", [False, True])
def test_descriptor_when_the_plan_holds_a_commitment_then_the_row_says_so(tmp_path: Path, committed: bool) -> None:
    fixed = {"commitment" if committed else "descriptor": sha256(b"{}" if committed else encode(DESCRIPTOR))}
    paper = Paper(tmp_path, naming="coded", subjects=[{"id": "m1", "name": None, **fixed}])
    paper.accept_all()
    paper.register()
    assert (row_of(paper)["descriptor"], row_of(paper)["ownItems"]) == ("committed" if committed else "public", [])


# --- ends --------------------------------------------------------------------------------------


def test_end_when_the_conclusion_was_seen_in_time_then_it_is_concluded(tmp_path: Path) -> None:
    paper = Paper(tmp_path)
    paper.played()
    row = row_of(paper)
    assert (row["end"], row["endSeen"], row["counted"], row["missing"]) == ("concluded", None, True, [])


@pytest.mark.parametrize(("at", "end"), [(DEADLINE, "open"), (DEADLINE + 1, "unfinished")])
def test_end_when_nothing_came_then_only_a_note_after_the_deadline_says_so(tmp_path: Path, at: int, end: str) -> None:
    paper = agreed(tmp_path)
    paper.register()
    paper.witness("lab-b", "lab-a", at)
    row = row_of(paper)
    assert row["end"] == end
    assert row["endSeen"] == ({"at": encode_time(at), "by": "lab-b"} if end == "unfinished" else None)
    assert row["missing"] == ["complete", "seen", "conclusion"]


def test_end_when_the_note_after_the_deadline_is_older_than_the_registration_then_it_is_open(tmp_path: Path) -> None:
    paper = agreed(tmp_path)
    paper.sign("accept", "lab-a", [paper.plan.id])
    paper.witness("lab-b", "lab-a", DEADLINE + 1)
    paper.register()
    assert row_of(paper)["end"] == "open"


@pytest.mark.parametrize("registered_before", [True, False])
def test_end_when_a_note_after_the_deadline_lacks_the_conclusion_then_it_is_late_and_keeps_its_numbers(
    tmp_path: Path, registered_before: bool
) -> None:
    """The note counts even if it is older than the registration: a run made wholly after the deadline is late too."""
    paper = agreed(tmp_path)
    if not registered_before:
        paper.sign("accept", "lab-a", [paper.plan.id])
        paper.witness("lab-b", "lab-a", DEADLINE + 5)
    run = paper.register()
    note = paper.witness("lab-b", "lab-a", DEADLINE + 9)
    if not registered_before:
        del paper.notes["lab-b", "lab-a"][len(paper.labs["lab-a"].entries)]
    paper.conclude(run, notes=[note] if registered_before else [])
    paper.score_all(run)
    paper.witness_all(DEADLINE + HOUR)
    row = row_of(paper)
    assert row["end"] == "late"
    assert row["endSeen"]["at"] == encode_time(DEADLINE + (9 if registered_before else 5))
    assert row["counted"] is registered_before


def test_end_when_it_was_given_up_then_it_is_aborted_and_claims_no_outcomes(tmp_path: Path) -> None:
    paper = agreed(tmp_path)
    run = paper.register()
    paper.witness("lab-b", "lab-a", NOON + 1)
    paper.conclude(run, status="aborted", root=None, subjects=[run])
    paper.witness_all(DEADLINE + 1)
    row = row_of(paper)
    assert (row["end"], row["endSeen"], row["counted"]) == ("aborted", None, False)
    assert set(row["outcomes"].values()) == {0}
    assert row["facts"]["complete"] == {"holds": "no", "n": 0, "of": 8}


# --- agreed, seen ------------------------------------------------------------------------------


def test_agreed_when_all_accepted_and_were_seen_then_it_has_the_last_of_the_first_times(tmp_path: Path) -> None:
    paper = Paper(tmp_path, n_labs=3)
    paper.accept_all()
    for at, (by, of) in enumerate(
        [("lab-b", "lab-a"), ("lab-c", "lab-a"), ("lab-a", "lab-b"), ("lab-b", "lab-c"), ("lab-a", "lab-c")]
    ):
        paper.witness(by, of, NOON + at)
    paper.register()
    assert row_of(paper)["facts"]["agreed"] == {"at": encode_time(NOON + 3), "holds": "yes"}  # fmt: skip


@pytest.mark.parametrize("missing", ["acceptance", "name", "order"])
def test_agreed_when_an_acceptance_or_its_name_is_missing_then_it_does_not_hold(tmp_path: Path, missing: str) -> None:
    paper = Paper(tmp_path)
    accepted = paper.accept_all()
    if missing == "acceptance":
        paper.labs["lab-b"].entries.clear()
        paper.sign("accept", "lab-b", ["0" * 64])
        paper.register(acceptances=accepted[:1])
    elif missing == "name":
        paper.register(acceptances=accepted[:1])
    else:
        paper.register(acceptances=accepted[::-1])
    row = row_of(paper)
    assert row["facts"]["agreed"]["holds"] == "no"
    assert row["missing"][0] == "agreed"


def test_agreed_when_it_was_seen_by_nobody_then_it_holds_without_a_date(tmp_path: Path) -> None:
    paper = Paper(tmp_path)
    paper.accept_all()
    paper.register()
    assert row_of(paper)["facts"]["agreed"] == {"at": None, "holds": "yes"}


def seen(folder: Path, named: str, quorum: int = 1) -> Row:
    """A run that started with some note in hand; the row's ``seen``, ``unwitnessed`` and whether it counts."""
    paper = agreed(folder, n_labs=3, quorum=quorum)
    early = paper.notes["lab-b", "lab-a"][1]
    run = paper.register()
    by_b, by_c = paper.witness("lab-b", "lab-a", NOON + 60), paper.witness("lab-c", "lab-a", NOON + 70)
    notes = {"both": [by_b, by_c], "one": [by_c], "none": [], "early": [sha256(early)], "twice": [by_b, by_b]}[named]
    paper.conclude(run, notes=notes)
    paper.score_all(run)
    paper.witness_all(NOON + HOUR)
    row = row_of(paper)
    return {**row["facts"]["seen"], "unwitnessed": row["unwitnessed"], "counted": row["counted"]}


B, C = ({"at": encode_time(NOON + at), "witness": by} for at, by in ((60, "lab-b"), (70, "lab-c")))


@pytest.mark.parametrize(
    ("named", "quorum", "by", "holds"),
    [
        ("both", 2, [B, C], "yes"),
        ("both", 1, [B, C], "yes"),
        ("one", 1, [C], "yes"),
        ("one", 2, [C], "no"),
        ("twice", 2, [B], "no"),
        ("none", 1, [], "no"),
        ("early", 1, [], "no"),
    ],
)
def test_seen_when_a_quorum_held_the_registration_at_the_start_then_it_holds(
    tmp_path: Path, named: str, quorum: int, by: list[Row], holds: str
) -> None:
    found = seen(tmp_path, named, quorum)
    assert found == {
        "by": by, "holds": holds, "needed": quorum, "unwitnessed": holds == "no", "counted": holds == "yes",
    }  # fmt: skip


@pytest.mark.parametrize("unseen", ["conclusion", "scorings"])
def test_seen_when_conclusion_or_scorings_are_not_witnessed_then_it_does_not_hold(tmp_path: Path, unseen: str) -> None:
    paper = agreed(tmp_path)
    run = paper.register()
    note = paper.witness("lab-b", "lab-a", NOON + 60)
    paper.conclude(run, notes=[note])
    if unseen == "scorings":
        paper.witness_all(NOON + 90)
    paper.score_all(run)
    row = row_of(paper)
    assert (row["facts"]["seen"]["holds"], row["unwitnessed"], row["missing"]) == ("no", False, ["seen"])
    paper.witness_all(NOON + HOUR)
    assert row_of(paper)["counted"]


# --- attempts, engines, commitments --------------------------------------------------------------


def test_attempts_when_there_are_too_many_then_all_are_shown_and_the_first_count(tmp_path: Path) -> None:
    paper = agreed(tmp_path, runs={"deadline": "2026-11-20T00:00:00Z", "max": 2, "registerBy": "2026-11-15T00:00:00Z"})
    for n in range(3):
        run = paper.register(engine={"name": "detente", "sha256": "00" * 32, "version": str(n)})
        note = paper.witness("lab-b", "lab-a", NOON + 60 + n)
        paper.conclude(run, notes=[note])
        paper.score_all(run)
    paper.witness_all(NOON + HOUR)
    result = paper.result()
    assert [(row["attempt"], row["counted"], row["missing"]) for row in result["runs"]] == [
        (1, True, []), (2, True, []), (3, False, ["attempt"]),
    ]  # fmt: skip
    assert [violation["code"] for violation in result["violations"]] == ["R-1.attempts"]
    assert {row["run"] for row in result["rates"]} == {row["run"] for row in result["runs"][:2]}


EXTERNAL = {"name": "external", "sha256": "00" * 32, "version": "other 1"}


@pytest.mark.parametrize(
    ("allowed", "trace", "counted", "listed"),
    [(True, None, True, []), (False, None, False, ["R-10.external"]), (True, "0" * 64, False, ["T-2.stray", "T-2.stray", "T-5.shape"])],
)  # fmt: skip
def test_answers_of_another_harness_when_the_section_allows_them_then_they_count_and_say_so(
    tmp_path: Path, allowed: bool, trace: str | None, counted: bool, listed: list[str]
) -> None:
    sections = [{**section_of(tmp_path), "external": allowed}]
    paper = agreed(tmp_path, sections=sections)
    run = paper.register(engine=EXTERNAL)
    note = paper.witness("lab-b", "lab-a", NOON + 60)
    paper.conclude(run, notes=[note], trace=trace)
    paper.score_all(run)
    paper.witness_all(NOON + HOUR)
    row = row_of(paper)
    assert (row["imported"], row["counted"]) == (True, counted)
    assert sorted(codes(paper)) == listed


def section_of(folder: Path) -> Row:
    made: Row = {
        "audit": {"answerHours": 48, "by": ["lab-a", "lab-b"], "n": 3, "place": "crosses"},
        "disclosure": {"headers": "public", "scores": "public"},
        "external": False,
        "id": "core",
        "releasers": [],
    }
    return made


@pytest.mark.parametrize(
    "commits",
    [[], [{"auditor": "lab-b", "commit": "0" * 64}], [{"auditor": by, "commit": "0" * 64} for by in ("lab-a", "lab-b", "lab-b")]],
)  # fmt: skip
def test_registration_when_it_commits_to_other_nonces_than_one_an_auditor_then_the_run_does_not_count(
    tmp_path: Path, commits: list[Row]
) -> None:
    paper = agreed(tmp_path)
    paper.register(drawCommits=commits)
    assert row_of(paper)["missing"][-2:] == ["attempt", "conclusion"]
    assert codes(paper) == ["R-6.commits"]


def test_quorum_when_it_is_zero_then_no_run_ever_counts(tmp_path: Path) -> None:
    paper = Paper(tmp_path, n_labs=1)
    paper.accept_all()
    run = paper.register()
    paper.conclude(run)
    paper.score_all(run)
    row = row_of(paper)
    assert row["facts"]["seen"] == {"by": [], "holds": "no", "needed": 0}
    assert row["missing"] == ["seen", "witnesses"]


# --- checked -----------------------------------------------------------------------------------


class Audited:
    """A counted run, and the steps of one audit of it."""

    def __init__(self, folder: Path, n_labs: int = 2) -> None:
        self.paper = Paper(folder, n_labs=n_labs)
        self.run = self.paper.played()
        self.scorings = [sha256(entry) for entry in self.paper.labs["lab-a"].entries[-2:]]
        self.asked = [self.paper.conclusions[self.run], *self.scorings]

    def challenge(self, by: str = "lab-b", subjects: list[str] | None = None) -> str:
        return self.paper.challenge(by, self.run, self.asked if subjects is None else subjects)

    def rows(self, drawn: list[int]) -> list[Row]:
        """What an honest auditor says of the drawn slots: all equal."""
        kinds = [self.paper.slots[i].kind for i in drawn]
        n = {"refusal": sum(kind != "control" for kind in kinds), "includes": kinds.count("control")}
        return [{"agreed": k, "n": k, "parsed": k, "scorer": scorer} for scorer, k in n.items()]

    def drawn(self, at: int = 0) -> list[int]:
        return self.paper.verify().runs[0].audits[at].drawn

    def checked(self) -> Row:
        checked: Row = row_of(self.paper)["facts"]["checked"]
        return checked

    def state(self) -> str:
        audits = self.checked()["audits"]
        assert len(audits) == 1
        return str(audits[0]["state"])


def test_audit_when_it_goes_on_then_each_state_says_who_owes(tmp_path: Path) -> None:
    audit = Audited(tmp_path)
    paper = audit.paper
    assert audit.checked() == {"audits": [], "holds": "no"}
    challenge = audit.challenge()
    paper.witness("lab-b", "lab-a", NOON + 999 * HOUR)
    assert audit.state() == "challenged"
    seen_at = NOON + 1000 * HOUR
    paper.witness("lab-a", "lab-b", seen_at)
    assert audit.state() == "seen"
    paper.sign("accept", "lab-a", [paper.plan.id])  # something else, so that there is a new head to look at
    paper.witness("lab-b", "lab-a", seen_at + 48 * HOUR)
    assert audit.state() == "seen"
    paper.sign("accept", "lab-a", [paper.plan.id])
    paper.witness("lab-b", "lab-a", seen_at + 48 * HOUR + 1)
    assert audit.state() == "refused"
    opening = paper.open(audit.run, "lab-b", challenge)
    assert audit.state() == "opened"
    paper.find("lab-b", audit.run, opening, audit.rows(audit.drawn()))
    checked = audit.checked()
    assert checked["holds"] == "yes"
    assert checked["audits"] == [
        {"auditor": "lab-b", "n": 3, "odds": "0.375", "of": 8, "place": "crosses", "state": "consistent"}
    ]


def test_audit_when_another_witness_than_the_auditor_looked_then_nothing_is_refused(tmp_path: Path) -> None:
    audit = Audited(tmp_path, n_labs=3)
    audit.challenge()
    audit.paper.witness("lab-a", "lab-b", NOON + 2 * HOUR)
    audit.paper.sign("accept", "lab-a", [audit.paper.plan.id])
    audit.paper.witness("lab-c", "lab-a", NOON + 900 * HOUR)
    assert audit.state() == "seen"


Spoil = Callable[[list[Row]], Row]
FINDINGS: list[tuple[str, str, Spoil]] = [
    ("consistent", "as it should be", lambda _: {}),
    ("disputed", "the auditor says so", lambda _: {"verdict": "disputed"}),
    ("disputed", "too few opened", lambda _: {"opened": 2}),
    ("disputed", "too few matched", lambda _: {"matched": 2}),
    ("disputed", "more than were drawn", lambda _: {"opened": 4, "matched": 4}),
    ("disputed", "no scorer looked at", lambda _: {"rescored": []}),
    ("disputed", "one scorer left out", lambda rows: {"rescored": rows[:1]}),
    ("disputed", "one scorer twice", lambda rows: {"rescored": [*rows, rows[0]]}),
    ("disputed", "labels that were not drawn", lambda rows: {"rescored": [{**row, **dict.fromkeys(("agreed", "n", "parsed"), 9)} for row in rows]}),
    ("disputed", "labels that differ", lambda rows: {"rescored": [{**row, "agreed": max(0, row["agreed"] - 1)} for row in rows]}),
    ("disputed", "more agreed than there were", lambda rows: {"rescored": [{**row, "agreed": 99} for row in rows]}),
    ("disputed", "more parsed than there were", lambda rows: {"rescored": [{**row, "parsed": 99} for row in rows]}),
]  # fmt: skip


@pytest.mark.parametrize(("state", "spoil"), [(s, x) for s, _, x in FINDINGS], ids=[why for _, why, _ in FINDINGS])
def test_finding_when_it_is_not_whole_then_it_is_not_consistent(tmp_path: Path, state: str, spoil: Spoil) -> None:
    audit = Audited(tmp_path)
    opening = audit.paper.open(audit.run, "lab-b", audit.challenge())
    rows = audit.rows(audit.drawn())
    audit.paper.find("lab-b", audit.run, opening, **({"rescored": rows} | spoil(rows)))
    assert audit.state() == state
    assert audit.checked()["holds"] == ("yes" if state == "consistent" else "no")


def test_checked_when_labels_came_after_the_challenge_then_it_does_not_hold(tmp_path: Path) -> None:
    """A scoring that the challenge does not name may have been made when the draw was known."""
    audit = Audited(tmp_path)
    opening = audit.paper.open(audit.run, "lab-b", audit.challenge(subjects=audit.asked[:2]))
    audit.paper.find("lab-b", audit.run, opening, audit.rows(audit.drawn()))
    assert audit.state() == "consistent"
    assert audit.checked()["holds"] == "no"


def test_checked_when_one_of_two_audits_is_disputed_then_it_does_not_hold(tmp_path: Path) -> None:
    audit = Audited(tmp_path, n_labs=3)
    for at, (by, verdict) in enumerate((("lab-b", "consistent"), ("lab-c", "disputed"))):
        opening = audit.paper.open(audit.run, by, audit.challenge(by))
        audit.paper.find(by, audit.run, opening, audit.rows(audit.drawn(at)), verdict=verdict)
        assert audit.checked()["holds"] == ("yes" if at == 0 else "no")


STRAY = "0" * 64
ODD_AUDITS: list[tuple[list[str], Callable[[Audited], object]]] = [
    (["A-1.subjects"], lambda a: a.challenge(subjects=[])),
    (["A-1.subjects"], lambda a: a.challenge(subjects=a.asked[1:])),
    (["A-1.subjects"], lambda a: a.challenge(subjects=[*a.asked, STRAY])),
    (["A-1.subjects"], lambda a: a.challenge(subjects=[*a.asked, a.asked[1]])),
    (["T-3.twice"], lambda a: [a.challenge(), a.challenge(subjects=a.asked[:1])]),
    (["T-2.stray"], lambda a: a.challenge("lab-a")),
    (["T-3.no-run"], lambda a: a.paper.challenge("lab-b", STRAY, a.asked)),
    (["T-2.stray"], lambda a: a.paper.open(a.run, "lab-b", STRAY)),
    (["A-1.nonce"], lambda a: a.paper.open(a.run, "lab-b", a.challenge(), nonce="ee" * 32)),
    (["A-1.nonce"], lambda a: a.paper.open(a.run, "lab-b", a.challenge(), nonce=a.paper.nonce("lab-a").hex())),
    (["A-4.subjects"], lambda a: a.paper.open(a.run, "lab-b", c := a.challenge(), subjects=[c])),
    (["A-4.subjects"], lambda a: a.paper.open(a.run, "lab-b", c := a.challenge(), subjects=[c, STRAY, STRAY])),
    (["T-2.stray"], lambda a: a.paper.open(a.run, "lab-b", a.challenge(), lab="lab-b")),
    (["T-3.no-run"], lambda a: a.paper.open(STRAY, "lab-b", a.challenge())),
    (["T-3.twice"], lambda a: [a.paper.open(a.run, "lab-b", c := a.challenge()), a.paper.open(a.run, "lab-b", c, plaintext=STRAY)]),
    (["T-2.stray"], lambda a: a.paper.find("lab-b", a.run, a.challenge(), [])),
    (["T-2.stray"], lambda a: a.paper.find("lab-a", a.run, a.paper.open(a.run, "lab-b", a.challenge()), [])),
    (["T-3.no-run"], lambda a: a.paper.find("lab-b", STRAY, a.paper.open(a.run, "lab-b", a.challenge()), [])),
    (["T-3.twice"], lambda a: [a.paper.find("lab-b", a.run, o := a.paper.open(a.run, "lab-b", a.challenge()), []), a.paper.find("lab-b", a.run, o, [], verdict="disputed")]),
    ([], lambda a: a.paper.find("lab-b", a.run, "", [], subjects=a.scorings, opened=0, matched=0)),
    (["T-2.stray"], lambda a: a.paper.find("lab-b", a.run, "", [], subjects=a.scorings)),
    (["T-2.stray"], lambda a: a.paper.find("lab-b", a.run, "", [], subjects=[], opened=0)),
    (["R-2.releaser"], lambda a: a.paper.sign("release", "lab-b", [a.run], beacon=STRAY, run=a.run, sealed=[], size=2)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("listed", "do"), ODD_AUDITS, ids=[f"{n} {' '.join(c)}" for n, (c, _) in enumerate(ODD_AUDITS)]
)
def test_audit_statement_when_it_fits_nowhere_then_it_is_listed_and_counts_for_nothing(
    tmp_path: Path, listed: list[str], do: Callable[[Audited], object]
) -> None:
    audit = Audited(tmp_path)
    do(audit)
    assert codes(audit.paper) == listed
    assert audit.checked()["holds"] == "no"


def test_opening_when_its_sealed_file_is_not_the_signed_one_then_v9_refuses(tmp_path: Path) -> None:
    audit = Audited(tmp_path)
    audit.paper.open(audit.run, "lab-b", audit.challenge())
    path = next((audit.paper.root / "lab-a/outbox/lab-b").iterdir())
    path.write_bytes(b"other")
    with pytest.raises(NotVerified) as caught:
        audit.paper.verify()
    assert (caught.value.step, caught.value.code) == ("V-9", "file-changed")


# --- repeated, attested, blind -------------------------------------------------------------------


def test_repeated_when_another_party_ran_the_same_twice_then_it_is_named_once(tmp_path: Path) -> None:
    tests = [{"party": lab, "section": "core", "subject": "m1"} for lab in ("lab-a", "lab-b")]
    runs = {"deadline": "2026-11-20T00:00:00Z", "max": 2, "registerBy": "2026-11-15T00:00:00Z"}
    paper = agreed(tmp_path, tests=tests, runs=runs)
    for lab, version in (("lab-a", "1"), ("lab-b", "1"), ("lab-b", "2")):
        run = paper.register(lab, engine={"name": "detente", "sha256": "00" * 32, "version": version})
        paper.conclude(run, lab=lab)
    facts = [row["facts"]["repeated"] for row in paper.result()["runs"]]
    assert facts == [{"by": [by], "exact": [], "holds": "yes"} for by in ("lab-b", "lab-a", "lab-a")]


@pytest.mark.parametrize(("equal", "n", "holds"), [(3, 3, "yes"), (0, 3, "yes"), (0, 0, "no"), (4, 3, "no")])
def test_repeated_when_an_auditor_asked_again_then_it_holds_if_anything_was_asked(
    tmp_path: Path, equal: int, n: int, holds: str
) -> None:
    audit = Audited(tmp_path)
    opening = audit.paper.open(audit.run, "lab-b", audit.challenge())
    audit.paper.find("lab-b", audit.run, opening, [], rerun={"equal": equal, "n": n})
    repeated = row_of(audit.paper)["facts"]["repeated"]
    assert repeated["holds"] == holds
    assert repeated["exact"] == ([{"by": "lab-b", "equal": equal, "n": n}] if holds == "yes" else [])


def test_attested_when_a_proof_is_there_then_nobody_here_can_tell(tmp_path: Path) -> None:
    paper = Paper(tmp_path)
    paper.played(attestations=[{"kind": "tdx", "sha256": "0" * 64}])
    assert row_of(paper)["facts"]["attested"] == {"holds": "cannot tell", "kinds": ["tdx"]}


@pytest.mark.parametrize(
    ("blind", "registered_seen", "scored_seen", "other_seen", "breach"),
    [
        (True, NOON - 1, NOON + 100, NOON + 200, True),
        (False, NOON - 1, NOON + 100, NOON + 200, False),
        (True, NOON - 1, NOON + 200, NOON + 100, False),
        (True, NOON - 1, NOON + 100, NOON + 100, False),  # in one second: nobody knows
        (True, NOON, NOON + 100, NOON + 200, False),  # the same of the registration
        (True, NOON - 1, DEADLINE + 1, DEADLINE + 2, False),
        (True, None, NOON + 100, NOON + 200, False),
        (True, NOON + 1, NOON + 100, NOON + 200, False),
    ],
)
def test_blind_when_scores_were_seen_before_every_run_ended_then_the_breach_is_listed(
    tmp_path: Path, blind: bool, registered_seen: int | None, scored_seen: int, other_seen: int, breach: bool
) -> None:
    """Lab C sees lab B's registration, then (at noon) lab A's log without scores, then with them, then lab B still running."""
    tests = [{"party": lab, "section": "core", "subject": "m1"} for lab in ("lab-a", "lab-b")]
    runs = {"deadline": "2026-11-20T00:00:00Z", "max": 2, "registerBy": "2026-11-15T00:00:00Z"}
    paper = agreed(tmp_path, tests=tests, n_labs=3, blind=blind, runs=runs)
    run = paper.register()
    paper.register("lab-b")
    if registered_seen is not None:
        paper.witness("lab-c", "lab-b", registered_seen)
        paper.register("lab-b", engine={"name": "detente", "sha256": "00" * 32, "version": "2"})  # the log grows
    paper.conclude(run)
    paper.witness("lab-c", "lab-a", NOON)
    scoring = len(paper.labs["lab-a"].entries)
    paper.score_all(run)
    paper.witness("lab-c", "lab-a", scored_seen)
    paper.witness("lab-c", "lab-b", other_seen)
    found = [(v["party"], v["index"], v["code"]) for v in paper.result()["violations"]]
    assert found == ([("lab-a", scoring + n, "C-6.blind") for n in (0, 1)] if breach else [])


def test_blind_when_a_lab_scores_one_run_and_still_has_another_then_its_own_log_tells(tmp_path: Path) -> None:
    runs = {"deadline": "2026-11-20T00:00:00Z", "max": 2, "registerBy": "2026-11-15T00:00:00Z"}
    for folder, before in (("before", True), ("after", False)):
        paper = agreed(tmp_path / folder, blind=True, runs=runs)
        run = paper.register()
        if before:
            paper.register(engine={"name": "detente", "sha256": "00" * 32, "version": "2"})
        paper.conclude(run)
        scoring = len(paper.labs["lab-a"].entries)
        paper.score_all(run)
        if not before:
            paper.register(engine={"name": "detente", "sha256": "00" * 32, "version": "2"})
        paper.witness("lab-b", "lab-a", NOON + 100)
        found = [(v["index"], v["code"]) for v in paper.result()["violations"]]
        assert found == ([(scoring + n, "C-6.blind") for n in (0, 1)] if before else [])


def test_blind_when_every_run_had_ended_then_nothing_is_listed(tmp_path: Path) -> None:
    paper = Paper(tmp_path, blind=True)
    paper.played()
    assert codes(paper) == []


# --- a plan of one party (F-8) -----------------------------------------------------------------


def alone(folder: Path, **changes: Any) -> Paper:
    paper = Paper(folder, n_labs=1, requires=["complete", "seen", "checked"], **changes)
    paper.accept_all()
    return paper


def numbered(paper: Paper) -> list[str]:
    """The runs that the result has rates of, once each, in order."""
    return list(dict.fromkeys(row["run"] for row in paper.result()["rates"]))


def test_self_check_when_only_what_others_add_is_missing_then_it_has_numbers_and_never_counts(tmp_path: Path) -> None:
    paper = alone(tmp_path)
    run = paper.register()
    assert numbered(paper) == []
    paper.conclude(run)
    paper.score_all(run)
    row = row_of(paper)
    assert (row["counted"], row["missing"]) == (False, ["seen", "checked", "witnesses"])
    assert {fact: row["facts"][fact]["holds"] for fact in ("agreed", "complete", "seen", "checked")} == {
        "agreed": "yes", "complete": "yes", "seen": "no", "checked": "no",
    }  # fmt: skip
    assert numbered(paper) == [run]


def test_self_check_when_the_plan_allows_no_more_runs_then_a_further_one_has_no_numbers(tmp_path: Path) -> None:
    paper = alone(tmp_path)
    runs = []
    for engine in ("1", "2"):
        run = paper.register(engine={"name": "detente", "sha256": "00" * 32, "version": engine})
        paper.conclude(run)
        paper.score_all(run)
        runs.append(run)
    assert numbered(paper) == runs[:1]
    assert codes(paper) == ["R-1.attempts"]


def test_self_check_when_the_acceptance_is_not_named_then_it_has_no_numbers(tmp_path: Path) -> None:
    paper = alone(tmp_path)
    run = paper.register(acceptances=[])
    paper.conclude(run)
    paper.score_all(run)
    assert numbered(paper) == []


def test_run_when_others_exist_and_did_not_see_it_then_it_has_no_numbers(tmp_path: Path) -> None:
    """What a self-check is given is never given to a run that somebody could have seen."""
    paper = Paper(tmp_path)
    paper.accept_all()
    run = paper.register()
    paper.conclude(run)
    paper.score_all(run)
    assert row_of(paper)["missing"] == ["seen"]
    assert numbered(paper) == []
