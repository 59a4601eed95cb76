# SPDX-License-Identifier: Apache-2.0
"""The steps against a party that holds its own keys and signs whatever it likes: listed, refused by step, or not told; never a crash."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detente.errors import CannotTell, NotVerified
from detente.evidence.counts import encode_scores
from detente.evidence.record import headers_start
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from detente.wire.lines import compress, decompress, join_lines
from detente.wire.merkle import hash_leaves, root
from kit.paper import CANARY, NOON, Paper, definition

STRAY = "0" * 64
Row = dict[str, Any]


def refused(paper: Paper) -> tuple[str, str]:
    with pytest.raises(NotVerified) as caught:
        paper.verify()
    return caught.value.step, caught.value.code


def unknown(paper: Paper) -> tuple[object, str]:
    with pytest.raises(CannotTell) as caught:
        paper.verify()
    return caught.value.fields["step"], caught.value.code


def listed(paper: Paper) -> list[tuple[str, int, str]]:
    return [(v.party, v.index, v.code) for v in paper.verify().ledger.violations]


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    """All accepted, and seen."""
    made = Paper(tmp_path)
    made.accept_all()
    made.witness_all(NOON)
    return made


# --- V-4, V-6: acceptances and registrations -----------------------------------------------------


def test_acceptance_when_it_is_of_another_file_then_it_is_listed(tmp_path: Path) -> None:
    paper = Paper(tmp_path)
    paper.sign("accept", "lab-a", [STRAY])
    paper.sign("accept", "lab-a", [])
    paper.sign("accept", "lab-a", [paper.plan.id, paper.plan.id])
    paper.sign("accept", "lab-a", [paper.plan.id])
    paper.sign("accept", "lab-b", [paper.plan.id])
    verified = paper.verify()
    assert [(v.index, v.code) for v in verified.ledger.violations] == [(n, "P-2.subject") for n in range(3)]
    assert {party: entry.index for party, entry in verified.acceptances.items()} == {"lab-a": 3, "lab-b": 0}


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("R-1.not-planned", {"subject": "m2"}),
        ("R-1.not-planned", {"section": "annex-lab-a"}),
        ("R-1.not-planned", {"section": "../core"}),
        ("R-1.not-planned", {"lab": "lab-b"}),
        ("R-6.commits", {"drawCommits": []}),
        ("R-10.external", {"engine": {"name": "external", "sha256": STRAY, "version": "x"}}),
    ],
)
def test_registration_when_the_plan_has_no_such_run_then_it_is_listed(paper: Paper, code: str, changes: Row) -> None:
    paper.register(**changes)
    assert [found for _, _, found in listed(paper)] == [code]


@pytest.mark.parametrize("subjects", [[], [STRAY]])
def test_registration_when_it_is_of_another_file_then_it_is_listed(paper: Paper, subjects: list[str]) -> None:
    good = paper.payload("register", "lab-a", subjects, {})
    paper.register()
    entry = json.loads(paper.labs["lab-a"].entries.pop())
    good["predicate"] = json.loads(base64.b64decode(entry["payload"]))["predicate"]
    paper.sign_payload("lab-a", good)
    assert listed(paper) == [("lab-a", 1, "R-1.subject")]
    assert paper.verify().runs == []


def test_registration_when_the_same_envelope_stands_twice_then_there_is_one_run(paper: Paper) -> None:
    """A copy of a registration has the same run id: counted twice it would double its numbers."""
    run = paper.register()
    paper.labs["lab-a"].entries.append(paper.labs["lab-a"].entries[-1])
    paper.conclude(run)
    verified = paper.verify()
    assert [one.id for one in verified.runs] == [run]
    assert [v.code for v in verified.ledger.violations] == ["T-3.again"]


def test_start_when_a_note_is_in_no_mirror_then_it_cannot_be_told(paper: Paper) -> None:
    paper.conclude(paper.register(), notes=[STRAY])
    assert unknown(paper) == ("V-6", "R-4.note")


def test_start_when_the_conclusion_does_not_count_then_its_notes_are_not_looked_for(paper: Paper) -> None:
    run = paper.register()
    paper.conclude(run)
    paper.conclude(run, notes=[STRAY], lab="lab-a")
    assert [code for _, _, code in listed(paper)] == ["T-3.twice"]


# --- V-7: conclusions and headers ------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "aborted"},
        {"status": "aborted", "root": None},
        {"root": None},
        {"subjects": [STRAY]},
        {"subjects": [STRAY] * 3},
        {"subjects": []},
        {"startedAt": "yesterday"},
        {"finishedAt": "2026-11-13T10:00:00+01:00"},
        {"finishedAt": "<script>"},
        {"start": {"notes": [], "releases": [STRAY]}},
    ],
)
def test_conclusion_when_it_has_not_the_form_of_its_status_then_the_run_has_not_ended(
    paper: Paper, changes: Row
) -> None:
    run = paper.register()
    paper.conclude(run, **changes)
    verified = paper.verify()
    assert [v.code for v in verified.ledger.violations] == ["T-5.shape"]
    assert verified.runs[0].conclusion is None
    assert verified.numbers().result["runs"][0]["end"] == "open"  # type: ignore[index]


def test_conclusion_when_another_party_signs_it_then_it_counts_for_nothing(paper: Paper) -> None:
    paper.conclude(paper.register(), lab="lab-b")
    assert listed(paper) == [("lab-b", 1, "T-2.stray")]


def test_conclusion_when_it_is_of_no_run_then_it_is_listed(paper: Paper) -> None:
    paper.conclude(STRAY)
    assert listed(paper) == [("lab-a", 1, "T-3.no-run")]


def test_conclusion_when_there_are_two_then_the_first_counts(paper: Paper) -> None:
    run = paper.register()
    first = paper.conclude(run, ["failed"] * 8)
    headers = (paper.root / "lab-a/runs" / run / "headers.jsonl.gz").read_bytes()
    paper.conclude(run)
    paper.lay(f"lab-a/runs/{run}/headers.jsonl.gz", headers)
    verified = paper.verify()
    assert [v.code for v in verified.ledger.violations] == ["T-3.twice"]
    assert verified.runs[0].conclusion
    assert verified.runs[0].conclusion.digest == first
    assert verified.numbers().result["runs"][0]["outcomes"]["failed"] == 8  # type: ignore[index]


Lines = Callable[[list[bytes]], list[bytes]]


def with_headers(paper: Paper, edit: Lines, **changes: Any) -> str:
    """A run whose headers the lab edited before it signed: digests, root and counts fit the edited file."""
    run = paper.register()
    honest = paper.headers(run, ["replied"] * len(paper.slots))
    lines = edit(decompress(honest.stored, 1 << 20, "").split(b"\n")[:-1])
    plain = join_lines(lines)
    stored = compress(plain)
    changes = {"root": root(hash_leaves(lines[1:])).hex(), "subjects": [sha256(stored), sha256(plain)]} | changes
    paper.conclude(run, **changes)
    paper.lay(f"lab-a/runs/{run}/headers.jsonl.gz", stored)
    return run


@pytest.mark.parametrize(
    ("code", "edit"),
    [
        ("R-7.count", lambda lines: lines[:-1]),
        ("R-7.count", lambda lines: [*lines, lines[-1]]),
        ("R-7.count", lambda _: []),
        ("R-7.order", lambda lines: [lines[0], lines[2], lines[1], *lines[3:]]),
        ("R-7.item", lambda lines: [*lines[:3], re.sub(rb'"item":"...', b'"item":"000', lines[3]), *lines[4:]]),
        ("R-7.start", lambda lines: [headers_start(STRAY, STRAY, CANARY), *lines[1:]]),
        ("B-2.json", lambda lines: [b"[" * 500, *lines[1:]]),
        ("B-8.limit", lambda lines: [b"[" * 9999, *lines[1:]]),
        ("T-5.outcomes", lambda lines: [*lines[:-1], lines[-1].replace(b"replied", b"failed")]),
    ],
    ids=["short", "long", "empty", "order", "item", "start", "deep", "deeper", "outcomes"],
)
def test_headers_when_a_lab_signs_others_than_the_plan_fixes_then_v7_refuses(
    paper: Paper, code: str, edit: Lines
) -> None:
    with_headers(paper, edit)
    step, found = refused(paper)
    assert step == "V-7"
    assert found == code


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("R-7.root", {"root": STRAY}),
        ("R-7.file", {"subjects": [STRAY, STRAY]}),
        ("T-5.outcomes", {"outcomes": {"cut": 0, "failed": 0, "filtered": 0, "replied": 9, "truncated": 0}}),
    ],
)
def test_conclusion_when_it_claims_other_headers_then_v7_refuses(paper: Paper, code: str, changes: Row) -> None:
    paper.conclude(paper.register(), **changes)
    assert refused(paper) == ("V-7", code)


def test_conclusion_when_its_plain_digest_is_wrong_then_v7_refuses(paper: Paper) -> None:
    run = paper.register()
    bundle = paper.headers(run, ["replied"] * 8)
    paper.conclude(run, subjects=[bundle.stored_sha256, STRAY])
    assert refused(paper) == ("V-7", "R-7.file")


def test_headers_when_they_are_those_of_another_run_then_v7_refuses(tmp_path: Path) -> None:
    """An old run replayed: the files of the first attempt signed again for the second."""
    runs = {"deadline": "2026-11-20T00:00:00Z", "max": 2, "registerBy": "2026-11-15T00:00:00Z"}
    paper = Paper(tmp_path, runs=runs)
    paper.accept_all()
    old = paper.register()
    paper.conclude(old)
    new = paper.register(engine={"name": "detente", "sha256": STRAY, "version": "2"})
    bundle = paper.bundles[old]
    paper.conclude(new, subjects=[bundle.stored_sha256, bundle.plain_sha256], root=bundle.root)
    paper.lay(f"lab-a/runs/{new}/headers.jsonl.gz", bundle.stored)
    assert refused(paper) == ("V-7", "R-7.start")


@pytest.mark.parametrize("size", [1 << 40, 10 << 20])
def test_headers_when_the_file_is_huge_then_it_is_not_read(paper: Paper, size: int) -> None:
    run = paper.register()
    paper.conclude(run)
    with (paper.root / f"lab-a/runs/{run}/headers.jsonl.gz").open("r+b") as file:
        file.truncate(size)
    assert refused(paper) == ("V-7", "file-long")


def test_headers_when_they_are_a_bomb_then_it_is_stopped(paper: Paper) -> None:
    run = paper.register()
    bomb = compress(b"0" * (64 << 20))
    paper.conclude(run, subjects=[sha256(bomb), STRAY])
    paper.lay(f"lab-a/runs/{run}/headers.jsonl.gz", bomb[: 6 << 10])
    assert refused(paper)[0] == "V-7"


def test_headers_when_they_are_missing_then_it_cannot_be_told(paper: Paper) -> None:
    run = paper.register()
    paper.conclude(run)
    (paper.root / f"lab-a/runs/{run}/headers.jsonl.gz").unlink()
    assert unknown(paper) == ("V-7", "file-missing")


# --- V-8: scorings ---------------------------------------------------------------------------------


@pytest.fixture
def concluded(paper: Paper) -> tuple[Paper, str]:
    run = paper.register()
    paper.conclude(run, notes=[paper.witness("lab-b", "lab-a", NOON + 60)])
    return paper, run


def asked(paper: Paper, label: str = "comply") -> dict[int, str]:
    return {slot.i: label for slot in paper.slots if slot.kind != "control"}


@pytest.mark.parametrize(
    "changes",
    [
        {"definition": STRAY},
        {"definition": sha256(definition("includes"))},
        {"scorer": "judge"},
        {"scorer": "../../lab-b/log/checkpoint"},
        {"sample": {"challenge": None, "design": "random", "of": None, "per": []}},
        {"subjects": []},
        {"subjects": [STRAY] * 4},
        {"subjects": [STRAY] * 5},
    ],
)
def test_scoring_when_it_is_not_of_the_plan_or_the_conclusion_then_it_is_listed(
    concluded: tuple[Paper, str], changes: Row
) -> None:
    paper, run = concluded
    paper.score(run, "refusal", asked(paper), **changes)
    verified = paper.verify()
    assert [v.code for v in verified.ledger.violations] == ["C-6.shape"]
    assert verified.runs[0].scorings == []


def test_scoring_when_it_is_of_an_unknown_run_then_it_is_listed(concluded: tuple[Paper, str]) -> None:
    paper, run = concluded
    paper.score(run, "refusal", asked(paper))
    statement = paper.labs["lab-a"].entries.pop()
    assert statement
    paper.sign("score", "lab-a", [STRAY] * 4, definition=STRAY, run=STRAY, sample=None, scorer="refusal")
    assert [code for _, _, code in listed(paper)] == ["T-3.no-run"]


def test_scoring_when_it_stands_before_the_conclusion_then_it_is_listed(paper: Paper) -> None:
    """The conclusion's digest can be known before it is logged: labels first, answers after."""
    run = paper.register()
    paper.conclude(run)
    conclusion = paper.labs["lab-a"].entries.pop()
    paper.score_all(run)
    paper.labs["lab-a"].entries.append(conclusion)
    assert [code for _, _, code in listed(paper)] == ["C-6.shape", "C-6.shape"]


def test_scoring_when_there_are_several_then_the_first_by_the_right_party_counts(
    concluded: tuple[Paper, str],
) -> None:
    paper, run = concluded
    paper.score(run, "refusal", asked(paper, "refuse"), lab="lab-b")
    paper.score(run, "refusal", asked(paper), sample={"challenge": None, "design": "random", "of": None, "per": []})
    first = paper.score(run, "refusal", asked(paper))
    paper.score(run, "refusal", asked(paper, "deflect"))
    verified = paper.verify()
    assert [(s.entry.party, s.counted) for s in verified.runs[0].scorings] == [
        ("lab-a", True), ("lab-a", False), ("lab-b", False),
    ]  # fmt: skip
    assert verified.runs[0].scorings[0].entry.digest == first
    assert [v.code for v in verified.ledger.violations] == ["C-6.shape"]


def test_scoring_when_the_plan_names_its_party_then_the_tester_s_own_stands_beside(tmp_path: Path) -> None:
    scorers = [dict(row) for row in json.loads(Paper(tmp_path / "probe").plan.raw)["scorers"]]
    scorers[0]["by"] = "lab-b"
    paper = Paper(tmp_path, scorers=scorers)
    paper.accept_all()
    run = paper.register()
    paper.conclude(run)
    paper.score(run, "refusal", asked(paper))
    paper.score(run, "refusal", asked(paper, "refuse"), lab="lab-b")
    assert [(s.entry.party, s.counted) for s in paper.verify().runs[0].scorings] == [("lab-a", False), ("lab-b", True)]


@pytest.mark.parametrize(
    ("code", "labels"),
    [
        ("C-4.count", {0: "comply"}),
        ("C-4.count", dict.fromkeys(range(8), "comply")),
        ("C-4.slot", dict.fromkeys(range(1, 7), "comply")),
        ("C-4.label", dict.fromkeys(range(6), "helpful")),
    ],
)
def test_scores_when_a_lab_signs_labels_that_do_not_fit_then_v8_refuses(
    concluded: tuple[Paper, str], code: str, labels: dict[int, str]
) -> None:
    paper, run = concluded
    paper.score(run, "refusal", labels)
    assert refused(paper) == ("V-8", code)


def test_counts_when_a_lab_signs_others_than_the_scores_give_then_v8_refuses(concluded: tuple[Paper, str]) -> None:
    paper, run = concluded
    digest = paper.score(run, "refusal", asked(paper))
    assert digest
    path = next((paper.root / f"lab-a/runs/{run}/scores").glob("refusal.*.counts.json"))
    bent = decode(path.read_bytes())
    bent["cells"][0]["n"][0] += 1
    paper.labs["lab-a"].entries.pop()
    path.write_bytes(encode(bent))
    plain = encode_scores(asked(paper), {})
    subjects = [sha256(compress(plain)), sha256(plain), sha256(encode(bent)), paper.conclusions[run]]
    paper.sign(
        "score", "lab-a", subjects, definition=sha256(definition("refusal")), run=run, sample=None, scorer="refusal"
    )
    assert refused(paper) == ("V-8", "C-7.recount")


@pytest.mark.parametrize(("what", "step"), [("jsonl.gz", "V-8"), ("counts.json", "V-8")])
def test_score_files_when_cut_or_missing_then_v8_cannot_tell(
    concluded: tuple[Paper, str], what: str, step: str
) -> None:
    """A step is named by what is read there, whatever the rule's letter: a cut gzip in V-8 is V-8's."""
    paper, run = concluded
    paper.score(run, "refusal", asked(paper))
    path = next((paper.root / f"lab-a/runs/{run}/scores").glob(f"refusal.*.{what}"))
    path.write_bytes(path.read_bytes()[:-9])
    assert unknown(paper) == (step, "file-cut")
    path.unlink()
    assert unknown(paper) == (step, "file-missing")


def test_score_file_when_it_is_damaged_then_v8_refuses(concluded: tuple[Paper, str]) -> None:
    paper, run = concluded
    paper.score(run, "refusal", asked(paper))
    path = next((paper.root / f"lab-a/runs/{run}/scores").glob("refusal.*.jsonl.gz"))
    raw = path.read_bytes()
    path.write_bytes(raw[:20] + b"\xff\xff\xff" + raw[23:])
    assert refused(paper) == ("V-8", "C-4.file")
