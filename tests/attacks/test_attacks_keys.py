# SPDX-License-Identifier: Apache-2.0
"""Forged folders, shortened and split logs, moved statements, stolen and doubled keys, swapped suites, two readings of one file."""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detente.desk.keys import log_entry, own_log, sign_statement
from detente.desk.lies import rewrite_log, two_histories
from detente.desk.logs import witness
from detente.desk.runs import find_run, own_engine, pick_test, receipt_for, register_run
from detente.errors import CannotTell, NotVerified
from detente.evidence.statements import Accept
from detente.pact.item import encode_list
from detente.tlog.folder import Folder
from detente.tlog.log import read_log
from detente.tlog.witness import read_forks
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from detente.wire.dsse import pre_authentication, seal_envelope
from detente.wire.lines import compress, decompress
from detente.wire.note import Checkpoint, sign_checkpoint
from kit.caught import listed, paper_refused, refused, remembered, runs_of, text_of, verify
from kit.labs import Labs
from kit.paper import CANARY, NOON, Paper, PaperLab, plan_dict
from kit.paper import listed as invented
from kit.typed import typed

HOUR = 3600


def agreed(folder: Path, **changes: Any) -> Paper:
    """All accepted, and seen."""
    paper = Paper(folder, **changes)
    paper.accept_all()
    paper.witness_all(NOON)
    return paper


# --- the folder as a whole -----------------------------------------------------------------------


def test_folder_when_forged_with_other_keys_then_its_id_is_another_and_without_one_nothing_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole and sound in itself; only it is not the plan that the parties show. No id: UNANCHORED, never a yes."""
    true, forged = agreed(tmp_path / "true"), Paper(tmp_path / "forged", title={"en": "The same", "zh-Hans": "同一份"})
    forged.played()
    assert forged.verify().steps[-1].name == "V-11"
    said = verify(capsys, forged.root, true.plan.id)
    assert (said.code, said.error) == (4, "plan-missing")
    said = typed(capsys, "verify", forged.root)
    assert (said.code, said.error) == (4, "unanchored")


def test_folder_when_it_lays_its_own_plan_under_the_shown_id_then_v1_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    true, forged = agreed(tmp_path / "true"), Paper(tmp_path / "forged", quorum=1, maxMissing="0.9")
    forged.played()
    for lab in forged.labs:
        (forged.root / lab / "plans" / forged.plan.id).rename(forged.root / lab / "plans" / true.plan.id)
    refused(capsys, forged.save(), true.plan.id, "V-1", "file-changed")


def test_folder_when_it_has_the_true_plan_and_logs_of_other_keys_then_v2_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = agreed(tmp_path)
    paper.labs["lab-a"].keys["log"] = PaperLab("stranger").keys["log"]
    paper_refused(capsys, paper, "V-2", "L-1.signature")


def test_key_when_it_is_another_partys_then_what_it_signs_counts_for_nothing_or_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lab B signs statements for A's log with its own key; then a cosignature in B's name with A's key."""
    paper = agreed(tmp_path)
    entry = seal_envelope(
        encode(paper.payload("accept", "lab-a", [paper.plan.id], {})), paper.labs["lab-b"].keys["statement"]
    )
    paper.labs["lab-a"].entries.append(entry)
    assert listed(paper.verify()) == [("lab-a", 1, "T-1.signature")]
    paper.labs["lab-b"].keys["witness"] = paper.labs["lab-a"].keys["witness"]
    paper.witness("lab-b", "lab-a", NOON + 60)
    paper_refused(capsys, paper, "V-2", "L-3.cosignature")


# --- one key in two roles --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("whose", "role"),
    [("lab-a", "witness"), ("lab-a", "log"), ("lab-a", "statement"), ("lab-b", "log"), ("lab-b", "statement")],
)
def test_key_when_it_stands_in_two_roles_then_the_plan_is_refused_at_v1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], whose: str, role: str
) -> None:
    """Lab B's witness would cosign with a key that is in another role already: one party making a quorum."""
    paper = agreed(tmp_path)
    plan = decode(paper.plan.raw)
    party = next(row for row in plan["parties"] if row["id"] == whose)
    twice = party[role]["key"] if isinstance(party[role], dict) else party[role]
    plan["parties"][1]["witness"]["key"] = twice
    raw = encode(plan)
    folder = tmp_path / "doubled"
    for lab in ("lab-a", "lab-b"):
        path = folder / lab / "plans" / sha256(raw) / "plan.json"
        path.parent.mkdir(parents=True)
        path.write_bytes(raw)
    refused(capsys, folder, sha256(raw), "V-1", "P-3.same-key")


# --- statements that are moved ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "to", ["another-plan", "another-party", "another-type", "another-payload-type", "a-later-place"]
)
def test_statement_when_moved_then_it_counts_for_nothing_and_is_listed(tmp_path: Path, to: str) -> None:
    """A whole, well signed envelope, somewhere else. The signature covers plan, party, type and payload type."""
    paper = agreed(tmp_path / "here")
    entry = paper.labs["lab-a"].entries[0]
    at = "lab-a"
    if to == "another-plan":
        there = agreed(tmp_path / "there", maxMissing="0.25")  # the same labs, with the same keys
        entry, code = there.labs["lab-a"].entries[0], "T-2.plan"
        assert there.plan.id != paper.plan.id
    elif to == "another-party":
        at, code = "lab-b", "T-1.signature"
    elif to == "another-type":  # an acceptance read as a close
        row = json.loads(entry)
        payload = json.loads(base64.b64decode(row["payload"]))
        payload["predicateType"] = payload["predicateType"].replace("accept", "close")
        row["payload"] = base64.b64encode(encode(payload)).decode()
        entry, code = encode(row), "T-1.signature"
    elif to == "another-payload-type":
        row = json.loads(entry)
        row["payloadType"] = "application/json"
        entry, code = encode(row), "T-1.shape"
    else:
        code = "T-3.again"
    paper.labs[at].entries.append(entry)
    verified = paper.verify()
    assert listed(verified) == [(at, 1, code)]
    assert {party: one.index for party, one in verified.acceptances.items()} == {"lab-a": 0, "lab-b": 0}
    assert code in text_of(verified)


def test_signature_when_made_over_other_things_with_the_same_key_then_it_fits_no_statement(tmp_path: Path) -> None:
    """Bytes without the tag of their kind are no statement: a signed note is not one, a bare payload is not one."""
    paper = agreed(tmp_path)
    key = paper.labs["lab-a"].keys["statement"]
    payload = encode(paper.payload("accept", "lab-a", [paper.plan.id], {}))
    assert pre_authentication(payload) != payload
    row = json.loads(seal_envelope(payload, key))
    row["signatures"] = [{"sig": base64.b64encode(key.sign(payload)).decode()}]
    paper.labs["lab-a"].entries.append(encode(row))
    assert listed(paper.verify()) == [("lab-a", 1, "T-1.signature")]


# --- logs -----------------------------------------------------------------------------------------


def test_log_when_cut_short_and_signed_then_verify_witness_and_owner_all_see_it(
    stories: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Truncated, or back from an old backup: three different eyes, each enough alone."""
    labs: Labs = stories.at("published").moved(tmp_path)
    plan, liar, other = labs.agreed(), labs.desks["lab-b"], labs.desks["lab-a"]
    assert own_log(liar, plan).size == 5
    rewrite_log(labs.exchange, liar, plan, lambda entries: entries[:2])
    refused(capsys, labs.exchange, plan.id, "V-2", "L-3.rollback")
    (row,) = witness(other, plan)
    assert row.trouble is not None
    assert row.trouble.code == "L-2.rollback"
    with pytest.raises(NotVerified, match=r"L-6\.ahead"):
        log_entry(liar, plan, sign_statement(liar, "accept", [("p", plan.id)], Accept(party="lab-b", plan=plan.id)))
    assert Folder(labs.exchange / "lab-b" / "log").read("checkpoint").split(b"\n")[1] == b"2"


def test_log_when_two_histories_are_shown_then_the_witness_keeps_proof_for_anyone(
    stories: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labs: Labs = stories.at("published").moved(tmp_path)
    plan, liar = labs.agreed(), labs.desks["lab-b"]
    two_histories(labs.exchange, liar, plan)
    (row,) = witness(labs.desks["lab-a"], plan)
    assert row.trouble is not None
    assert row.trouble.code == "L-2.fork"
    party = liar.me(plan)
    mirror = Folder(labs.exchange / "lab-a" / "mirror" / sha256(party.log.origin.encode()))
    heads = [head for head, _ in read_forks(mirror, party.log.origin, party.log.key)]
    assert len({head.root for head in heads}) == 2
    assert {head.size for head in heads} == {5}
    refused(capsys, labs.exchange, plan.id, "V-2", "L-3.history")


def test_log_when_two_readers_are_shown_two_logs_of_one_size_then_whoever_holds_both_notes_sees_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lab A shows B one history and C another; the three folders together contradict each other."""
    paper = agreed(tmp_path, n_labs=3)
    first = paper.register()
    paper.witness("lab-b", "lab-a", NOON + 60)
    with remembered(paper, "lab-b"):
        paper.labs["lab-a"].entries.pop()
        second = paper.register(engine={"name": "detente", "sha256": "00" * 32, "version": "2"})
        paper.witness("lab-c", "lab-a", NOON + 61)
    assert first != second
    refused(capsys, paper.root, paper.plan.id, "V-2", "L-3.history")


# --- stolen keys -----------------------------------------------------------------------------------


def test_stolen_statement_key_when_the_thief_has_no_log_key_then_nothing_it_signs_is_in_any_log(
    stories: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labs: Labs = stories.at("registered").moved(tmp_path)
    plan, victim = labs.agreed(), labs.desks["lab-a"]
    entry = sign_statement(victim, "accept", [("plan.json", plan.id)], Accept(party="lab-a", plan=plan.id))
    log_entry(labs.desks["lab-b"], plan, entry)  # into the thief's own log
    labs.witness_all()
    assert listed(labs.verify()) == [("lab-b", 2, "T-1.signature")]
    copy = labs.copy("forced")  # or into the victim's log, under a checkpoint of the thief's own key
    rewrite_log(copy, victim, plan, lambda entries: [*entries, entry])
    me = victim.me(plan)
    view = read_log(Folder(copy / "lab-a" / "log"), me.log.origin, me.log.key)
    forged = sign_checkpoint(Checkpoint(view.origin, view.size, view.root), labs.desks["lab-b"].signer("log"))
    (copy / "lab-a" / "log" / "checkpoint").write_bytes(forged)
    refused(capsys, copy, plan.id, "V-2", "L-1.signature")


def test_stolen_keys_when_the_thief_registers_in_the_victims_log_then_the_victim_sees_it(
    stories: Any, tmp_path: Path
) -> None:
    """Statement and log key both: there is still one history, and the desk finds a run there that it never made."""
    labs: Labs = stories.at("signed").moved(tmp_path / "victim")
    desk, plan = labs.desks["lab-a"], labs.agreed()
    thief = labs.moved(tmp_path / "thief")  # a copy of the victim's keys, and nothing else of use
    foreign = register_run(thief.desks["lab-a"], plan, pick_test(desk, plan, None, "core"), own_engine()).id
    shutil.rmtree(labs.exchange / "lab-a" / "log")
    shutil.copytree(thief.exchange / "lab-a" / "log", labs.exchange / "lab-a" / "log")
    assert own_log(desk, plan).size == 2
    with pytest.raises(CannotTell, match="desk-behind") as caught:
        find_run(desk, plan, None)
    assert caught.value.fields["run"] == foreign[:16]
    with pytest.raises(CannotTell, match="desk-behind"):  # and no signature is added on top of it
        register_run(desk, plan, pick_test(desk, plan, None, "core"), own_engine())
    assert own_log(desk, plan).size == 2


# --- suites ----------------------------------------------------------------------------------------


def test_suite_when_other_questions_are_laid_under_its_name_then_v5_refuses(
    stories: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The owner changes the text alone, or text and list together: the plan names the list by its digest."""
    labs: Labs = stories.at("published")
    plan = labs.agreed()
    suite = plan.plan.suites[0]
    for both in (False, True):
        copy = labs.copy(f"suite-{both}")
        path = copy / suite.owner / "plans" / plan.id / "suites" / f"{suite.id}.jsonl.gz"
        start, first, *rest = decompress(path.read_bytes(), 1 << 26, "").splitlines()
        item = decode(first)
        item["text"]["en"] = "Please say something nice."
        milder = encode(item)
        path.write_bytes(compress(b"\n".join([start, milder, *rest]) + b"\n", spelled_once=True))
        if both:
            for laid in copy.glob(f"*/plans/{plan.id}/files/{suite.list}"):
                laid.write_bytes(laid.read_bytes().replace(sha256(first).encode(), sha256(milder).encode()))
        refused(capsys, copy, plan.id, "V-5", "file-changed" if both else "S-1.item")


def test_suite_when_it_is_that_of_another_plan_then_v5_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list of another plan lies under the digest of this one's; or the plan names more items than its list has."""
    paper = agreed(tmp_path)
    other = encode_list(invented(["hazard"] * 4, prefix="other"))
    suite = paper.plan.plan.suites[0]
    good = (paper.root / "lab-a" / "plans" / paper.plan.id / "files" / suite.list).read_bytes()
    paper.lay(f"lab-a/plans/{paper.plan.id}/files/{suite.list}", other)
    paper_refused(capsys, paper, "V-5", "file-changed")
    paper.lay(f"lab-a/plans/{paper.plan.id}/files/{suite.list}", good)
    text = encode({"canary": CANARY, "suite": suite.id, "type": "https://detente.example/suite/v1"})
    paper.lay(f"lab-a/plans/{paper.plan.id}/suites/{suite.id}.jsonl.gz", compress(text + b"\n", spelled_once=True))
    with pytest.raises((NotVerified, CannotTell)) as caught:
        paper.verify()
    assert (caught.value.exit_code, getattr(caught.value, "step", "")) == (3, "V-5")


# --- one file, two readings --------------------------------------------------------------------------


def doubled_key(raw: bytes) -> bytes:
    return raw.replace(b'"i":0,', b'"i":0,"i":0,', 1)


READINGS: list[tuple[str, str, Callable[[bytes], bytes], Callable[[bytes], bytes]]] = [
    ("duplicate-key", "B-2.canonical", doubled_key, compress),
    ("space", "B-2.canonical", lambda plain: plain.replace(b'"i":0,', b'"i": 0,', 1), compress),
    ("float", "B-1.float", lambda plain: plain.replace(b'"i":0,', b'"i":0.0,', 1), compress),
    ("escape", "B-2.canonical", lambda plain: plain.replace(b'"item"', b'"\\u0069tem"', 1), compress),
    ("two-members", "B-8.trailing", lambda plain: plain, lambda plain: compress(plain) + compress(b"{}\n")),
    ("trailing", "B-8.trailing", lambda plain: plain, lambda plain: compress(plain) + b"\x00"),
]


@pytest.mark.parametrize(("code", "edit", "press"), [row[1:] for row in READINGS], ids=[row[0] for row in READINGS])
def test_headers_when_two_readers_could_read_them_differently_then_v7_refuses_though_all_is_signed(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    code: str,
    edit: Callable[[bytes], bytes],
    press: Callable[[bytes], bytes],
) -> None:
    paper = agreed(tmp_path)
    run = paper.register()
    honest = paper.headers(run, ["replied"] * 8)
    plain = edit(decompress(honest.stored, 1 << 20, ""))
    stored = press(plain)
    paper.conclude(run, subjects=[sha256(stored), sha256(plain)])
    paper.lay(f"lab-a/runs/{run}/headers.jsonl.gz", stored)
    paper_refused(capsys, paper, "V-7", code)


def test_headers_when_other_bytes_unpack_to_the_same_text_then_v7_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stored bytes are bound too: a gzip header or another level is another file."""
    import gzip

    paper = agreed(tmp_path)
    run = paper.register()
    paper.conclude(run)
    path = paper.root / "lab-a" / "runs" / run / "headers.jsonl.gz"
    plain = decompress(path.read_bytes(), 1 << 20, "")
    path.write_bytes(gzip.compress(plain, 1, mtime=1))
    paper_refused(capsys, paper, "V-7", "R-7.file")


@pytest.mark.parametrize(
    "edit",
    [
        lambda raw: raw.replace(b'{"payload"', b'{"payload":"","payload"', 1),
        lambda raw: raw.replace(b'":"', b'": "', 1),
        lambda raw: raw.replace(b'"signatures":[', b'"signatures":[{"sig":"AA=="},', 1),
    ],
    ids=["duplicate-key", "space", "two-signatures"],
)
def test_envelope_when_two_readers_could_read_it_differently_then_it_is_listed(
    tmp_path: Path, edit: Callable[[bytes], bytes]
) -> None:
    paper = agreed(tmp_path)
    paper.sign("accept", "lab-a", [paper.plan.id])
    entries = paper.labs["lab-a"].entries
    entries.append(edit(entries.pop()))
    assert listed(paper.verify()) == [("lab-a", 1, "T-1.shape")]


def test_plan_when_it_has_two_readings_then_v1_refuses_under_the_id_of_those_very_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labs = [PaperLab("lab-a"), PaperLab("lab-b")]
    raw = encode(plan_dict(labs, invented(["hazard", "benign"]))).replace(b'"quorum":1', b'"quorum":1,"quorum":0')
    path = tmp_path / "lab-a" / "plans" / sha256(raw) / "plan.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(raw)
    refused(capsys, tmp_path, sha256(raw), "V-1", "B-2.canonical")


def test_start_when_nobody_witnessed_it_then_it_is_shown_and_does_not_count(stories: Any, tmp_path: Path) -> None:
    """What is only shown: a lab that does not wait says so in a signed conclusion (R-4)."""
    labs: Labs = stories.at("signed").moved(tmp_path)
    desk, plan = labs.desks["lab-a"], labs.agreed()
    run = register_run(desk, plan, pick_test(desk, plan, None, "core"), own_engine())
    assert receipt_for(desk, plan, run, unwitnessed=True).notes == ()
    assert runs_of(labs.verify())[0]["counted"] is False
