# SPDX-License-Identifier: Apache-2.0
"""Real desks under plans whose audits are on site or by a third party: the walk, what is shown wrongly, and what leaves."""

import gzip
import json
import re
from pathlib import Path

import pytest

from detente.check.verify import Verified
from detente.desk import audits
from detente.desk.audits import answer_all, ask, check_shown
from detente.desk.keys import log_entry, sign_statement
from detente.errors import CannotTell, Malformed, WrongUsage
from detente.evidence.record import parse_opened
from detente.evidence.statements import AuditFinding, Open
from detente.report.result import joint_of
from detente.wire.canonical import decode
from detente.wire.digests import sha256
from detente.words import say
from kit.labs import Labs, close_all, meet, publish_one, run_one
from kit.labs import register_all as register_every
from kit.typed import refused as told
from kit.typed import typed

EXTRA = ("lab-c",)


def walked(root: Path, place: str, n_labs: int = 2, idle: tuple[str, ...] = ()) -> Labs:
    """Published by every tester, and asked by every auditor."""
    labs = meet(root, n_labs, place=place, idle=idle)
    everybody = labs.desks
    labs.desks = {name: desk for name, desk in everybody.items() if name not in idle}
    register_every(labs)
    labs.desks = everybody
    labs.witness_all()
    for name in labs.runs:
        run_one(labs, name)
        publish_one(labs, name)
    labs.witness_all()
    for name, desk in labs.desks.items():
        if not idle or name in idle:
            ask(desk, labs.agreed(), None)
    labs.witness_all()
    return labs


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Labs:
    return walked(tmp_path_factory.mktemp("onsite"), "onSite")


@pytest.fixture(scope="module")
def answered(asked: Labs, tmp_path_factory: pytest.TempPathFactory) -> Labs:
    """Two labs whose openings are logged; to look at and copy."""
    labs = asked.moved(tmp_path_factory.mktemp("answered"))
    for desk in labs.desks.values():
        answer_all(desk, labs.agreed())
    labs.witness_all()
    return labs


@pytest.fixture
def labs(answered: Labs, tmp_path: Path) -> Labs:
    return answered.moved(tmp_path)


def desk_of(labs: Labs, name: str) -> list[object]:
    return ["--desk", labs.desks[name].root]


def shown_by(labs: Labs, name: str) -> Path:
    """The one file that a lab laid aside."""
    [file] = (labs.desks[name].root / "shown").iterdir()
    return file


def state_of(labs: Labs, tester: str) -> list[tuple[str, str, str]]:
    rows = joint_of(labs.verify()).result["runs"]
    [row] = [row for row in rows if row["party"] == tester]
    return [(one["auditor"], one["state"], one["place"]) for one in row["facts"]["checked"]["audits"]]


def findings(verified: Verified) -> list[AuditFinding]:
    trails = [trail for run in verified.runs for trail in run.audits if trail.finding]
    said = [trail.finding.statement.predicate for trail in trails if trail.finding]
    return [one for one in said if isinstance(one, AuditFinding)]


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def everything(root: Path) -> bytes:
    """All bytes of an exchange, gzip files unpacked as well."""
    found = tree(root)
    return b"\n".join([*found.values(), *(gzip.decompress(found[path]) for path in found if path.endswith(".gz"))])


# --- the walks ---------------------------------------------------------------------------------


def test_walk_when_audits_are_on_site_then_the_finding_counts_and_no_record_is_in_the_exchange(
    asked: Labs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labs = asked.moved(tmp_path)
    before = set(tree(labs.exchange))
    a = typed(capsys, "audit", "answer", *desk_of(labs, "lab-a"), "--out", tmp_path / "room")
    file = Path(a.out.strip())
    assert (a.code, file.parent) == (0, tmp_path / "room")
    assert typed(capsys, "audit", "answer", *desk_of(labs, "lab-b")).code == 0
    labs.witness_all()
    assert state_of(labs, "lab-a") == [("lab-b", "opened", "onSite")]
    b = typed(capsys, "audit", "check", "--shown", file, *desk_of(labs, "lab-b"))
    assert (b.code, "5 of 26" in b.err) == (0, True), b.err
    assert typed(capsys, "audit", "check", "--shown", shown_by(labs, "lab-b"), *desk_of(labs, "lab-a")).code == 0
    labs.witness_all()
    close_all(labs)
    verified = labs.verify(labs.copy("walked"))
    assert (verified.ledger.violations, verified.final is not None) == ([], True)
    assert [one.matched for one in findings(verified)] == [5, 5]
    assert state_of(labs, "lab-a") == [("lab-b", "consistent", "onSite")]
    assert all(row["facts"]["checked"]["holds"] == "yes" for row in joint_of(verified).result["runs"])
    new = set(tree(labs.exchange)) - before
    assert not [path for path in new if "/outbox/" in path]
    _nothing_of(file, labs)
    _nothing_of(shown_by(labs, "lab-b"), labs)


def _nothing_of(file: Path, labs: Labs) -> None:
    """No answer, salt or body line of a shown file is anywhere in the exchange; its digest and the headers are."""
    kept, long = everything(labs.exchange), 0
    for line in file.read_bytes().splitlines():
        record = parse_opened(line)
        body = decode(record.body.encode())
        for secret in (body["salt"], record.body, json.dumps(record.body)):
            assert secret.encode() not in kept
        if len(body["output"]) > 12:  # a control question's answer is a word, and anybody's
            long += 1
            assert body["output"].encode() not in kept
        assert record.header.encode() in kept  # what we search in is what was published
    assert long


def test_walk_when_a_third_party_audits_then_it_reads_what_it_was_handed_and_it_tests_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labs = walked(tmp_path, "thirdParty", 3, EXTRA)
    assert [section.audit.by for section in labs.agreed().plan.sections if section.audit] == [["lab-c"]]
    for name in ("lab-a", "lab-b"):
        answer_all(labs.desks[name], labs.agreed())
    labs.witness_all()
    # it was handed both files and says of none whose it is: the openings do
    for name in ("lab-a", "lab-b"):
        said = typed(capsys, "audit", "check", "--shown", shown_by(labs, name), *desk_of(labs, "lab-c"))
        assert (said.code, name in said.err) == (0, True), said.err
    labs.witness_all()
    assert state_of(labs, "lab-a") == state_of(labs, "lab-b") == [("lab-c", "consistent", "thirdParty")]
    for name in ("lab-a", "lab-b"):
        _nothing_of(shown_by(labs, name), labs)


def test_plan_when_its_third_party_tests_then_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match=r"P-7\.third"):
        meet(tmp_path / "named", 3, place='thirdParty"\nby = ["lab-a"]\n# "', idle=EXTRA)
    with pytest.raises(WrongUsage, match=r"P-7\.no-third"):
        meet(tmp_path / "nobody", 2, place="thirdParty")


# --- what is shown -----------------------------------------------------------------------------


def refused_shown(labs: Labs, capsys: pytest.CaptureFixture[str], code: int, error: str, *words: object) -> str:
    """A check of a shown file that fails, and logs nothing."""
    before = tree(labs.exchange)
    said = told(capsys, code, error, "audit", "check", *words, *desk_of(labs, "lab-b"))
    assert tree(labs.exchange) == before
    return said.err


def test_shown_file_when_it_was_changed_then_nothing_is_logged_and_the_true_one_still_serves(
    labs: Labs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = shown_by(labs, "lab-a")
    raw = file.read_bytes()
    other = tmp_path / "other.jsonl"
    lines = raw.splitlines(keepends=True)
    for changed in (
        raw.replace(b'"i":', b'"i": ', 1), lines[1] + lines[0] + b"".join(lines[2:]), raw + lines[0], b"x", lines[1], b"[" * 9999 + b"\n",
    ):  # fmt: skip
        other.write_bytes(changed)
        err = refused_shown(labs, capsys, 3, "A-4.shown", "--shown", other)
        assert sha256(raw) in err
    assert check_shown(labs.desks["lab-b"], labs.agreed(), None, file).verdict == "consistent"
    with pytest.raises(CannotTell, match=r"A-5\.nothing"):
        check_shown(labs.desks["lab-b"], labs.agreed(), None, file)


def test_shown_file_when_it_is_short_then_it_cannot_be_told(
    labs: Labs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = shown_by(labs, "lab-a").read_bytes()
    other = tmp_path / "short.jsonl"
    ends = [at.end() for at in re.finditer(rb"\n", raw)]
    for size in (0, 7, ends[0] - 1, ends[0], ends[2] + 40, ends[3], len(raw) - 1):
        other.write_bytes(raw[:size])
        refused_shown(labs, capsys, 4, "file-cut", "--shown", other)


def test_shown_file_when_it_is_of_another_run_then_that_run_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labs = walked(tmp_path, "onSite", 3)
    for desk in labs.desks.values():
        answer_all(desk, labs.agreed())
    run_a, run_c = labs.runs["lab-a"].id, labs.runs["lab-c"].id
    [of_c] = (labs.desks["lab-c"].root / "shown").glob("*-lab-b.jsonl")
    [of_a] = (labs.desks["lab-a"].root / "shown").glob("*-lab-b.jsonl")
    [of_a_for_c] = (labs.desks["lab-a"].root / "shown").glob("*-lab-c.jsonl")
    err = refused_shown(labs, capsys, 2, "A-4.other-run", run_a, "--shown", of_c)
    assert run_c[:16] in err
    refused_shown(labs, capsys, 2, "A-4.which", "--shown", of_a_for_c)  # for another auditor's eyes
    refused_shown(labs, capsys, 3, "A-4.shown", run_a, "--shown", of_a_for_c)
    assert typed(capsys, "audit", "check", run_a, "--shown", of_a, *desk_of(labs, "lab-b")).code == 0
    refused_shown(labs, capsys, 2, "A-4.other-run", "--shown", of_a)
    assert typed(capsys, "audit", "check", "--shown", of_c, *desk_of(labs, "lab-b")).code == 0


def test_check_when_the_records_do_not_cross_then_it_says_where_to_read_them(
    labs: Labs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    err = refused_shown(labs, capsys, 4, "A-4.not-here")
    assert "lab-a" in err
    assert "--shown" in err
    refused_shown(labs, capsys, 2, "no-such-file", "--shown", tmp_path / "nowhere")
    refused_shown(labs, capsys, 2, "is-a-folder", "--shown", tmp_path)
    refused_shown(labs, capsys, 2, "A-4.either", "--shown", shown_by(labs, "lab-a"), "--dispute")
    refused_shown(labs, capsys, 2, "A-4.which", "--dispute")
    refused_shown(labs, capsys, 4, "A-5.nothing", "ffff", "--dispute")


def test_answer_when_the_folder_cannot_be_meant_then_it_says_so_and_nothing_is_logged(
    asked: Labs, stories, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labs = asked.moved(tmp_path / "a")
    before = tree(labs.exchange)
    told(capsys, 2, "A-4.exchange", "audit", "answer", "--out", labs.exchange / "lab-a" / "x", *desk_of(labs, "lab-a"))
    (tmp_path / "file").write_bytes(b"")
    told(capsys, 2, "not-a-folder", "audit", "answer", "--out", tmp_path / "file", *desk_of(labs, "lab-a"))
    assert tree(labs.exchange) == before
    crossing = stories.at("published").moved(tmp_path / "b")
    told(capsys, 2, "A-4.crosses", "audit", "answer", "--out", tmp_path, *desk_of(crossing, "lab-a"))


def test_answer_when_the_file_was_lost_then_the_same_command_lays_it_again_and_logs_nothing(labs: Labs) -> None:
    file = shown_by(labs, "lab-a")
    raw = file.read_bytes()
    file.unlink()
    before = tree(labs.exchange)
    [row] = answer_all(labs.desks["lab-a"], labs.agreed())
    assert (row.file, file.read_bytes()) == (file, raw)
    assert tree(labs.exchange) == before
    check_shown(labs.desks["lab-b"], labs.agreed(), None, file)
    assert answer_all(labs.desks["lab-a"], labs.agreed()) == []


def test_answer_when_it_crashes_before_the_log_then_the_same_command_logs_what_was_shown(
    asked: Labs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labs = asked.moved(tmp_path)
    with monkeypatch.context() as patch:

        def crash(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(audits, "log_entry", crash)
        with pytest.raises(KeyboardInterrupt):
            answer_all(labs.desks["lab-a"], labs.agreed())
    raw = shown_by(labs, "lab-a").read_bytes()
    answer_all(labs.desks["lab-a"], labs.agreed())
    assert shown_by(labs, "lab-a").read_bytes() == raw
    assert check_shown(labs.desks["lab-b"], labs.agreed(), None, shown_by(labs, "lab-a")).verdict == "consistent"


# --- cheats ------------------------------------------------------------------------------------


def opens_as(labs: Labs, plaintext: str, subjects: list[tuple[str, str]] = []) -> None:  # noqa: B006 - only read
    """Lab A logs an opening with the true nonce and whatever digest it likes."""
    desk, plan, run = labs.desks["lab-a"], labs.agreed(), labs.runs["lab-a"]
    [checked] = [run for run in labs.verify().runs if run.test.party == "lab-a"]
    nonce = audits.nonce_of(run.key(), "lab-b").hex()
    opening = Open(nonce=nonce, party="lab-a", plaintext=plaintext, plan=plan.id, run=run.id)
    named = [("challenge.json", checked.audits[0].challenge.digest), *subjects]
    log_entry(desk, plan, sign_statement(desk, "open", named, opening))
    labs.witness_all()


def test_cheat_when_the_opening_binds_another_file_than_is_shown_then_it_is_found_and_can_be_disputed(
    asked: Labs, answered: Labs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labs = asked.moved(tmp_path)
    opens_as(labs, "ab" * 32)
    refused_shown(labs, capsys, 3, "A-4.shown", "--shown", shown_by(answered, "lab-a"))
    assert state_of(labs, "lab-a") == [("lab-b", "opened", "onSite")]
    said = typed(capsys, "audit", "check", labs.runs["lab-a"].id[:12], "--dispute", *desk_of(labs, "lab-b"))
    assert said.code == 3
    assert f"records of lab-a (run {labs.runs['lab-a'].id[:16]}) are not what was committed: disputed" in said.err
    assert state_of(labs, "lab-a") == [("lab-b", "disputed", "onSite")]
    assert [(one.matched, one.verdict) for one in findings(labs.verify())] == [(0, "disputed")]


def test_cheat_when_other_records_than_drawn_are_bound_and_shown_then_the_finding_is_disputed(
    asked: Labs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labs = asked.moved(tmp_path)
    run = labs.runs["lab-a"]
    [checked] = [one for one in labs.verify().runs if one.test.party == "lab-a"]
    assert checked.conclude is not None
    raw = audits.open_records(run, str(checked.conclude.root), [0, 1, 2, 3, 4])
    (tmp_path / "chosen.jsonl").write_bytes(raw)
    opens_as(labs, sha256(raw))
    said = typed(capsys, "audit", "check", "--shown", tmp_path / "chosen.jsonl", *desk_of(labs, "lab-b"))
    assert said.code == 3
    assert state_of(labs, "lab-a") == [("lab-b", "disputed", "onSite")]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_cheat_when_an_opening_sends_a_file_into_the_exchange_then_it_is_listed_and_counts_for_nothing(
    asked: Labs, answered: Labs, tmp_path: Path, capsys: pytest.CaptureFixture[str], lang: str
) -> None:
    labs = asked.moved(tmp_path)
    digest = sha256(shown_by(answered, "lab-a").read_bytes())
    sent = f"lab-a/outbox/lab-b/{digest}.age"
    labs.desks["lab-a"].own().create(sent.partition("/")[2], b"sealed")
    opens_as(labs, digest, [("x.age", sha256(b"sealed"))])
    verified = labs.verify()
    assert [(one.party, one.code) for one in verified.ledger.violations] == [("lab-a", "A-4.place")]
    assert sent in verified.not_part
    assert state_of(labs, "lab-a")[0][1] == "seen"
    said = typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id, lang=lang)
    assert say("check.violation.A-4.place", lang) in said.err
    answer_all(labs.desks["lab-a"], labs.agreed())  # and the lab may still do as it agreed
    assert state_of(labs, "lab-a")[0][1] == "opened"
    assert sent in labs.verify().not_part


def test_opening_when_records_cross_then_one_subject_is_not_enough(stories, tmp_path: Path) -> None:
    labs = stories.at("published").moved(tmp_path)
    ask(labs.desks["lab-b"], labs.agreed(), None)
    labs.witness_all()
    opens_as(labs, "ab" * 32)
    assert [(one.party, one.code) for one in labs.verify().ledger.violations] == [("lab-a", "A-4.subjects")]
