# SPDX-License-Identifier: Apache-2.0
"""Plans that follow each other: a lab moves on with its log, with new keys, after a loss, after a theft; nothing is buried."""

import shutil
from pathlib import Path

import pytest

from detente.check.exchange import find_plan
from detente.check.verify import Verified, verify
from detente.desk.audits import answer_all, ask, check_all
from detente.desk.joint import close
from detente.desk.keys import Desk, foreign_entries, load_desk, log_entry, make_card, make_desk, own_log, sign_statement
from detente.desk.logs import witness
from detente.desk.plans import sign_plan
from detente.desk.runs import own_engine, pick_test, register_run
from detente.desk.succession import left_behind, new_keys, plan_of
from detente.errors import CannotTell, DetenteError, Malformed, NotVerified, WrongUsage
from detente.evidence.statements import Accept, Conclude, OutcomeCounts, Register, Start, encode_statement
from detente.pact.plan import PlanFile
from detente.report.html import render
from detente.report.result import joint_of
from detente.tlog.folder import Folder
from detente.tlog.log import append
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from detente.wire.dsse import seal_envelope
from detente.wire.keys import SigningKey
from kit.labs import Labs, audit_all, close_all, publish_one, register_all, run_one, supersede


def earlier(verified: Verified) -> list[dict[str, object]]:
    return verified.numbers().result["earlier"]  # type: ignore[return-value]


def ends(verified: Verified, n: int = 0) -> dict[str, str]:
    return {row["party"]: row["end"] for row in earlier(verified)[n]["runs"]}  # type: ignore[index,attr-defined]


def void(verified: Verified, n: int = 0) -> list[tuple[str, int, str]]:
    rows = earlier(verified)[n]["violations"]
    return [(row["party"], row["index"], row["code"]) for row in rows]  # type: ignore[attr-defined]


def forged(desk: Desk, plan: PlanFile, run: str) -> bytes:
    """A conclusion of a running run that its lab never made, signed with its stolen statement key."""
    abandoned = Conclude(
        attestations=[], finishedAt="2026-11-13T10:00:00Z", outcomes=OutcomeCounts(0, 0, 0, 0, 0), party=desk.party,
        plan=plan.id, root=None, run=run, start=Start([], []), startedAt="2026-11-13T09:00:00Z", status="aborted", trace=None,
    )  # fmt: skip
    return sign_statement(desk, "conclude", [("registration.json", run)], abandoned)


# --- moving on ---------------------------------------------------------------------------------


def test_chain_when_all_sign_a_successor_then_its_whole_story_passes_and_the_old_runs_are_listed(stories, tmp_path):
    labs = stories.at("published").moved(tmp_path)
    old = labs.agreed()
    new = supersede(labs)
    assert new.plan.supersedes.plan == old.id
    assert [head.size for head in new.plan.supersedes.heads] == [5, 5]
    register_all(labs)
    for name in labs.desks:
        run_one(labs, name)
        publish_one(labs, name)
    labs.witness_all()
    audit_all(labs)
    close_all(labs)
    verified = labs.verify()
    assert verified.final
    assert verified.ledger.violations == []
    assert verified.successor is None
    assert earlier(verified)[0]["plan"] == old.id
    assert ends(verified) == {"lab-a": "concluded", "lab-b": "concluded"}
    assert void(verified) == []
    assert all(row["counted"] for row in verified.numbers().result["runs"])
    joint = joint_of(verified)
    assert joint.digest == verified.final
    for lang, title in (("en", "Runs of earlier plans"), ("zh", "此前方案下的运行")):
        page = render(joint, lang).decode()
        assert title in page
        assert all(row["run"][:16] in page for row in joint.result["earlier"][0]["runs"])
    assert (labs.exchange / "lab-a" / "log").is_dir()
    assert not list(labs.exchange.glob("*/log-*"))


def test_chain_when_the_old_plan_is_verified_then_it_passes_and_warns_of_the_successor(stories, tmp_path):
    labs = stories.at("closed").moved(tmp_path)
    old = labs.agreed()
    final = labs.verify().final
    supersede(labs, signed=False)
    assert verify(labs.exchange, old.id).successor is None
    sign_plan(labs.desks["lab-a"], labs.agreed())
    assert verify(labs.exchange, old.id).successor is None
    sign_plan(labs.desks["lab-b"], labs.agreed())
    verified = verify(labs.exchange, old.id)
    assert verified.successor.id == labs.agreed().id
    assert verified.final == final


def test_chain_when_a_running_run_concludes_after_the_head_then_its_end_is_told(stories, tmp_path):
    labs = stories.at("registered").moved(tmp_path)
    old = labs.agreed()
    supersede(labs)
    labs.witness_all()
    assert ends(labs.verify()) == {"lab-a": "open", "lab-b": "open"}
    successor, labs.plan = labs.agreed(), plan_of(labs.desks["lab-b"], old.id[:8])
    run_one(labs, "lab-b")
    publish_one(labs, "lab-b")
    labs.plan = successor
    labs.witness_all()
    verified = labs.verify()
    assert ends(verified) == {"lab-a": "open", "lab-b": "concluded"}
    assert [code for _, _, code in void(verified)] == ["P-11.beyond", "P-11.beyond"]  # its scorings
    under_old = verify(labs.exchange, old.id)
    assert [run.test.party for run in under_old.runs if run.bundle] == ["lab-b"]


def test_chain_when_a_run_is_registered_under_the_old_plan_after_signing_the_new_then_it_is_void_in_both(
    stories, tmp_path
):
    """A lab that goes on under the plan that suits it better."""
    labs = stories.at("signed").moved(tmp_path)
    old, desk = labs.agreed(), labs.desks["lab-a"]
    supersede(labs)
    with pytest.raises(WrongUsage, match="old-plan"):
        register_run(desk, find_plan(desk.open_exchange(), old.id), pick_test(desk, old, None, "core"), own_engine())
    register = Register(
        acceptances=[], drawCommits=[], engine=own_engine(), party="lab-a", plan=old.id, section="core",
        subject="m-lab-a",
    )  # fmt: skip
    log_entry(desk, labs.agreed(), sign_statement(desk, "register", [("plan.json", old.id)], register))
    labs.witness_all()
    verified = labs.verify()
    assert void(verified) == [("lab-a", 2, "P-11.beyond")]
    assert verified.ledger.violations == []
    assert earlier(verified)[0]["runs"] == []
    run = verify(labs.exchange, old.id).runs[0]
    assert not run.lawful
    assert ("lab-a", 2, "P-11.superseded") in [
        (v.party, v.index, v.code) for v in verify(labs.exchange, old.id).ledger.violations
    ]


def test_chain_when_three_plans_follow_each_other_then_the_runs_of_all_are_listed(stories, tmp_path):
    labs = stories.at("published").moved(tmp_path)
    first = labs.agreed()
    second = supersede(labs)
    register_all(labs)
    new_keys(labs.desks["lab-b"], ["log"])
    supersede(labs)
    labs.witness_all()
    verified = labs.verify()
    assert [row["plan"] for row in earlier(verified)] == [second.id, first.id]
    assert ends(verified, 1) == {"lab-a": "concluded", "lab-b": "concluded"}
    assert ends(verified, 0) == {"lab-a": "open", "lab-b": "open"}


def test_chain_when_a_desk_is_shown_a_plan_that_is_no_successor_then_nothing_is_signed(stories, tmp_path):
    labs = stories.at("signed").moved(tmp_path)
    desk, old = labs.desks["lab-b"], labs.agreed()
    other = Labs(tmp_path, labs.desks, old)
    stranger = supersede(other, signed=False)
    sign_plan(labs.desks["lab-a"], stranger)
    # lab-a's next plan follows a plan that lab-b never saw
    again = supersede(other, signed=False)
    size = own_log(desk, old).size
    unknown = again._replace(earlier=())
    with pytest.raises(WrongUsage, match="no-chain"):
        sign_plan(desk, unknown._replace(plan=unknown.plan))
    assert own_log(desk, old).size == size
    assert desk.plan_id() == old.id


def test_chain_when_the_predecessor_is_not_here_then_it_cannot_be_told(stories, tmp_path):
    labs = stories.at("signed").moved(tmp_path)
    old = labs.agreed()
    supersede(labs)
    for name in labs.desks:
        shutil.rmtree(labs.exchange / name / "plans" / old.id)
    with pytest.raises(CannotTell, match="plan-missing"):
        labs.verify()


def test_chain_when_the_old_log_was_rewritten_then_v4_or_v2_refuses(stories, tmp_path):
    """A head in an accepted plan holds a log as a witness's note does, and needs no mirror."""
    labs = stories.at("registered").moved(tmp_path)
    supersede(labs)
    for name in labs.desks:
        shutil.rmtree(labs.exchange / name / "mirror")
    desk = labs.desks["lab-a"]
    entries = own_log(desk, labs.agreed()).entries
    log = Folder(labs.exchange / "lab-a" / "log")
    shutil.rmtree(log.root)
    origin = desk.me(labs.agreed()).log.origin
    append(log, Folder(tmp_path / "scratch"), entries[0], desk.signer("log"), origin, [])
    with pytest.raises(CannotTell, match=r"P-11\.short") as short:
        labs.verify()
    assert short.value.fields["step"] == "V-4"
    append(log, Folder(tmp_path / "scratch"), entries[2], desk.signer("log"), origin, [])
    with pytest.raises(NotVerified, match=r"P-11\.head") as caught:
        labs.verify()
    assert caught.value.step == "V-4"


def test_chain_when_a_party_had_not_signed_the_old_plan_yet_then_its_log_is_cut_at_nothing(stories, tmp_path):
    """One lab signed, the other objected: both go on with the next version."""
    labs = stories.at("signed").moved(tmp_path)
    other = labs.desks["lab-b"]
    (other.root / "plan.txt").unlink()
    shutil.rmtree(labs.exchange / "lab-b" / "log")
    with pytest.raises(CannotTell, match="file-missing"):
        supersede(labs, signed=False)
    supersede(labs, {"lab-b": 0})
    register_all(labs)
    verified = labs.verify()
    assert len(verified.runs) == 2
    assert void(verified) == []


def test_chain_when_a_party_lays_a_false_successor_then_the_plan_still_verifies(stories, tmp_path):
    """A plan file in one's own folder says nothing about the keys of others."""
    labs = stories.at("published").moved(tmp_path)
    old = labs.agreed()
    new_keys(labs.desks["lab-a"], ["witness"])
    supersede(labs)
    labs.witness_all()
    real = labs.agreed().plan.party("lab-a").witness
    value = decode(labs.agreed().raw)
    value["title"]["en"] = "A false one"
    value["parties"][0]["witness"] = {"key": SigningKey(b"f" * 32).public, "name": real.name}
    raw = encode(value)
    path = labs.exchange / "lab-b" / "plans" / sha256(raw) / "plan.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(raw)
    assert len(find_plan(Folder(labs.exchange), old.id).later) == 2
    assert verify(labs.exchange, old.id).successor.id == labs.agreed().id
    assert ends(labs.verify()) == {"lab-a": "concluded", "lab-b": "concluded"}


# --- new keys ------------------------------------------------------------------------------------


def test_rotation_when_every_key_is_new_then_the_old_log_stays_and_the_new_one_lies_beside_it(stories, tmp_path):
    labs = stories.at("published").moved(tmp_path)
    old, desk = labs.agreed(), labs.desks["lab-b"]
    card = (desk.root / "card.json").read_bytes()
    assert new_keys(desk, []) == ["statement", "log", "witness", "recipient"]
    assert (desk.root / "card.json").read_bytes() != card
    # until the new plan is signed, the old keys sign
    assert desk.me(old).statement == desk.signer("statement").public
    witness(desk, old)
    new = supersede(labs)
    me = desk.me(new)
    assert not set(keys_of(me)) & set(keys_of(old.plan.party("lab-b")))
    assert desk.signer("statement").public == me.statement
    register_all(labs)
    for name in labs.desks:
        run_one(labs, name)
        publish_one(labs, name)
    labs.witness_all()
    audit_all(labs)
    close_all(labs)
    verified = labs.verify()
    assert verified.final
    assert verified.ledger.violations == []
    assert ends(verified) == {"lab-a": "concluded", "lab-b": "concluded"}
    digits = me.log.origin[-16:]
    assert sorted(p.name for p in (labs.exchange / "lab-b").glob("log*")) == ["log", f"log-{digits}"]
    assert not [path for path in verified.not_part if f"log-{digits}" in path]
    # the old plan still verifies, with its own keys and log, and knows that it was left
    assert verify(labs.exchange, old.id).successor.id == new.id


def keys_of(party) -> list[str]:
    return [party.statement, party.log.key, party.witness.key, party.recipient]


def test_rotation_when_asked_twice_then_there_is_one_new_key(stories, tmp_path):
    desk = stories.at("signed").moved(tmp_path).desks["lab-a"]
    new_keys(desk, ["statement"])
    first = desk.newest("statement").public
    new_keys(desk, ["statement"])
    assert desk.newest("statement").public == first
    assert sorted(p.name for p in (desk.root / "keys").glob("statement*")) == ["statement-2.key", "statement.key"]
    with pytest.raises(WrongUsage, match="no-role"):
        new_keys(desk, ["satement"])


@pytest.mark.parametrize("role", ["statement", "log", "witness", "recipient"])
def test_rotation_when_one_key_is_new_then_the_story_goes_on(stories, tmp_path, role):
    labs = stories.at("registered").moved(tmp_path)
    new_keys(labs.desks["lab-a"], [role])
    old, new = labs.agreed().plan.party("lab-a"), supersede(labs).plan.party("lab-a")
    assert [a == b for a, b in zip(keys_of(old), keys_of(new), strict=True)].count(False) == 1
    labs.witness_all()
    register_all(labs)
    for name in labs.desks:
        run_one(labs, name)
        publish_one(labs, name)
    labs.witness_all()
    for desk in labs.desks.values():
        ask(desk, labs.agreed(), None)
    labs.witness_all()
    for desk in labs.desks.values():
        answer_all(desk, labs.agreed())
    for desk in labs.desks.values():
        assert [found.verdict for found in check_all(desk, labs.agreed())] == ["consistent"]
    verified = labs.verify()
    assert all(row["counted"] for row in verified.numbers().result["runs"])
    assert verified.ledger.violations == []


def test_rotation_when_a_key_comes_back_in_another_role_then_the_plan_is_refused(stories, tmp_path):
    """A key that may be stolen must not return as somebody's else."""
    labs = stories.at("signed").moved(tmp_path)
    a, b = labs.desks["lab-a"], labs.desks["lab-b"]
    (b.root / "keys" / "witness-2.key").write_bytes((a.root / "keys" / "witness.key").read_bytes())
    new_keys(a, ["witness"])
    make_card(b)
    with pytest.raises(Malformed, match=r"P-11\.key"):
        supersede(labs)


# --- loss -----------------------------------------------------------------------------------------


def test_loss_when_a_desk_and_its_log_are_gone_then_a_new_desk_goes_on_and_mirrors_hold_the_rest(stories, tmp_path):
    labs = stories.at("published").moved(tmp_path)
    lost = labs.desks["lab-b"]
    shutil.rmtree(lost.root)
    shutil.rmtree(labs.exchange / "lab-b" / "log")
    labs.desks["lab-b"] = make_desk(lost.root, "lab-b", lost.name, lost.home, lost.exchange, lost.models)
    make_card(labs.desks["lab-b"])
    new = supersede(labs)
    assert [head.size for head in new.plan.supersedes.heads] == [5, 5]
    register_all(labs)
    verified = labs.verify()
    assert ends(verified) == {"lab-a": "concluded", "lab-b": "concluded"}
    assert len(verified.runs) == 2
    shutil.rmtree(labs.exchange / "lab-a" / "mirror")
    with pytest.raises(DetenteError):  # now nobody holds lab-b's old log
        labs.verify()


# --- theft ---------------------------------------------------------------------------------------


def test_theft_when_the_statement_key_is_stolen_then_a_forgery_outside_the_log_counts_for_nothing(stories, tmp_path):
    labs = stories.at("registered").moved(tmp_path)
    entry = forged(labs.desks["lab-b"], labs.agreed(), labs.runs["lab-b"].id)
    # the thief has a log of its own at most: it lays the statement wherever it can write
    log_entry(labs.desks["lab-a"], labs.agreed(), entry)
    labs.witness_all()
    verified = labs.verify()
    assert [(v.party, v.code) for v in verified.ledger.violations] == [("lab-a", "T-1.signature")]
    assert all(run.conclusion is None for run in verified.runs)


def test_theft_when_a_forgery_is_in_the_victims_log_then_the_desk_sees_it_and_a_successor_cuts_it_off(
    stories, tmp_path
):
    """Statement and log key are stolen: the thief ends a run that its owner never ended."""
    labs = stories.at("registered").moved(tmp_path)
    desk, old, run = labs.desks["lab-b"], labs.agreed(), labs.runs["lab-b"]
    assert foreign_entries(desk, old) == {}
    append(desk.own("log"), Folder(tmp_path / "thief"), forged(desk, old, run.id), desk.signer("log"), desk.me(old).log.origin, [])  # fmt: skip
    labs.witness_all()
    assert {row["end"] for row in labs.verify().numbers().result["runs"]} == {"open", "aborted"}
    assert foreign_entries(desk, old) == {2: "conclude"}

    new_keys(desk, ["statement", "log"])
    new = supersede(labs, {"lab-b": 2}, signed=False)
    assert left_behind(desk, new) == 1
    for one in labs.desks.values():
        sign_plan(one, new)
    labs.witness_all()
    verified = labs.verify()
    assert ends(verified) == {"lab-a": "open", "lab-b": "open"}
    assert void(verified) == []  # the new plan's readers read no further than the head of a log that ended
    assert verified.ledger.violations == []
    # and are told what they did not read
    assert [log.void for log in verified.chain[0].logs] == [[], [2]]
    register_all(labs)
    assert foreign_entries(desk, new) == {}
    assert len(labs.verify().runs) == 2

    before = labs.verify().numbers()
    # the thief goes on in the old log, and shows it another history: nobody who has the new plan minds
    shutil.rmtree(labs.exchange / "lab-b" / "log")
    thief = SigningKey(bytes.fromhex((desk.root / "keys" / "log.key").read_text().strip()))
    for entry in own_log(labs.desks["lab-a"], new).entries[:3]:
        append(Folder(labs.exchange / "lab-b" / "log"), Folder(tmp_path / "thief"), entry, thief, old.plan.party("lab-b").log.origin, [])  # fmt: skip
    assert labs.verify().numbers() == before


def test_theft_when_only_the_statement_key_is_new_then_its_old_word_is_void_beyond_the_head(stories, tmp_path):
    labs = stories.at("registered").moved(tmp_path)
    desk, old, run = labs.desks["lab-b"], labs.agreed(), labs.runs["lab-b"]
    entry = forged(desk, old, run.id)
    stolen = desk.signer("statement")
    log_entry(desk, old, entry)
    new_keys(desk, ["statement"])
    supersede(labs, {"lab-b": 2})
    labs.witness_all()
    verified = labs.verify()
    assert void(verified) == [("lab-b", 2, "P-11.beyond")]
    assert ends(verified)["lab-b"] == "open"
    # under the new plan the stolen key signs nothing
    accept = Accept(party="lab-b", plan=labs.agreed().id)
    log_entry(desk, labs.agreed(), seal_envelope(encode_statement("accept", [("x", labs.agreed().id)], accept), stolen))
    assert [v.code for v in labs.verify().ledger.violations] == ["T-1.signature"]


def test_close_when_the_plan_has_a_predecessor_then_the_closed_result_is_made_again(stories, tmp_path):
    labs = stories.at("published").moved(tmp_path)
    new_keys(labs.desks["lab-b"], ["log", "witness"])
    supersede(labs)
    register_all(labs)
    for name in labs.desks:
        run_one(labs, name)
        publish_one(labs, name)
    labs.witness_all()
    for desk in labs.desks.values():
        close(desk, labs.agreed(), None)
    labs.witness_all()
    verified = labs.verify()
    assert verified.final == joint_of(verified).digest
    again = verify(labs.copy("again"), labs.agreed().id)
    assert again.final == verified.final


def test_desk_when_it_is_read_again_after_moving_on_then_it_has_the_keys_of_its_plan(stories, tmp_path):
    labs = stories.at("signed").moved(tmp_path)
    root: Path = labs.desks["lab-a"].root
    new_keys(labs.desks["lab-a"], [])
    new = supersede(labs)
    again = load_desk(root)
    assert again.signer("log").public == new.plan.party("lab-a").log.key
    assert sha256(new.raw) == again.plan_id()
