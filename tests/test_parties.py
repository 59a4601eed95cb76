# SPDX-License-Identifier: Apache-2.0
"""A plan that discloses headers and labels to its parties alone: who can read what, who counts again, and what everybody gets alike (P-5, C-7, F-3, F-10)."""

import json
import re
from pathlib import Path

import pytest

from detente.check.verify import verify
from detente.desk.audits import ask
from detente.desk.joint import close
from detente.desk.keyring import add_keys
from detente.desk.keys import load_desk, make_card, own_log
from detente.desk.publish import leaving, publish
from detente.desk.recounts import recount
from detente.desk.sent import reader_of
from detente.errors import CannotTell, NotVerified
from detente.pact.seal import seal
from detente.report.result import summarise
from detente.wire.canonical import decode
from detente.wire.digests import sha256
from kit.labs import Labs, audit_all, close_all, meet, publish_one, register_all, run_one, supersede
from kit.typed import typed

BOTH = ("parties", "parties")


def published(root: Path, disclosure: tuple[str, str] = BOTH, n_labs: int = 2, idle: tuple[str, ...] = ()) -> Labs:
    """Everybody who tests has published, and it is witnessed."""
    labs = meet(root, n_labs, disclosure=disclosure, idle=idle)
    for name, desk in labs.desks.items():
        if name not in idle:
            register_all(Labs(labs.root, {name: desk}, labs.plan, labs.runs))
    labs.witness_all()
    for name in labs.runs:
        run_one(labs, name)
        publish_one(labs, name)
    labs.witness_all()
    return labs


def recount_all(labs: Labs) -> None:
    for desk in labs.desks.values():
        recount(desk, labs.agreed(), None)
    labs.witness_all()


@pytest.fixture(scope="module")
def withheld(tmp_path_factory: pytest.TempPathFactory) -> Labs:
    """Two labs whose headers and labels go to each other alone."""
    return published(tmp_path_factory.mktemp("withheld"))


@pytest.fixture(scope="module")
def among_three(tmp_path_factory: pytest.TempPathFactory) -> Labs:
    """Lab A tests; B and C get its headers and labels, one age file each."""
    return published(tmp_path_factory.mktemp("three"), n_labs=3, idle=("lab-b", "lab-c"))


def boxes(labs: Labs, owner: str = "lab-a", to: str = "lab-b") -> list[Path]:
    return sorted((labs.exchange / owner / "outbox" / to).iterdir())


def box_of(labs: Labs, kind: str, owner: str = "lab-a", to: str = "lab-b") -> Path:
    """The age file of an owner's headers, or of its first scores."""
    out = labs.runs[owner].out()
    path = "headers.jsonl.gz" if kind == "headers" else min(p for p in out.names("scores") if p.endswith(".gz"))
    return labs.exchange / owner / "outbox" / to / f"{sha256(out.read(path))}.age"


def result_of(labs: Labs, desk: str | None) -> bytes:
    reader = reader_of(labs.desks[desk]) if desk else None
    return summarise(verify(labs.exchange, labs.agreed().id, reader=reader)).raw


def runs_in(labs: Labs) -> list[dict]:
    return decode(result_of(labs, None))["runs"]


# --- what leaves, and to whom ----------------------------------------------------------------------


def test_publish_when_files_are_for_the_parties_then_each_other_party_gets_its_own_age_file_and_nobody_else_a_byte(
    among_three: Labs,
) -> None:
    labs = among_three
    run, out = labs.runs["lab-a"], labs.runs["lab-a"].out()
    laid = sorted(path.name for path in (labs.exchange / "lab-a" / "runs" / run.id).rglob("*") if path.is_file())
    assert len(laid) == 2
    assert all(name.endswith(".counts.json") for name in laid)
    files = {
        sha256(out.read(path)): out.read(path)
        for path in ("headers.jsonl.gz", *out.names("scores"))
        if path.endswith(".gz")
    }
    assert len(files) == 3
    for to in ("lab-b", "lab-c"):
        assert {path.stem for path in boxes(labs, to=to)} == set(files)
        for path in boxes(labs, to=to):
            assert reader_of(labs.desks[to]).unseal(path.read_bytes(), "") == files[path.stem]
            for other in {"lab-a", "lab-b", "lab-c"} - {to}:
                with pytest.raises(CannotTell, match=r"P-5\.sealed"):
                    reader_of(labs.desks[other]).unseal(path.read_bytes(), "")
    everything = b"".join(path.read_bytes() for path in labs.exchange.rglob("*") if path.is_file())
    assert all(raw not in everything for raw in files.values())


def test_publish_when_only_scores_are_for_the_parties_then_headers_lie_open_and_strangers_complete_them(
    tmp_path: Path,
) -> None:
    labs = published(tmp_path, ("public", "parties"))
    run = labs.runs["lab-a"]
    assert (labs.exchange / "lab-a" / "runs" / run.id / "headers.jsonl.gz").is_file()
    assert len(boxes(labs)) == 2
    row = runs_in(labs)[0]
    assert row["facts"]["complete"] == {"holds": "yes", "n": len(run.slots), "of": len(run.slots)}
    assert row["counted"] is True
    assert [scoring["recounts"] for scoring in row["scorings"]] == [[], []]
    recount_all(labs)
    assert {one["by"] for scoring in runs_in(labs)[0]["scorings"] for one in scoring["recounts"]} == {"lab-b"}


def test_publish_when_repeated_or_its_age_files_are_lost_then_the_same_bytes_lie_there(
    withheld: Labs, tmp_path: Path
) -> None:
    labs = withheld.moved(tmp_path)
    desk, plan, run = labs.desks["lab-a"], labs.agreed(), labs.runs["lab-a"]
    before = {path: path.read_bytes() for path in boxes(labs)}
    size = own_log(desk, plan).size
    boxes(labs)[0].unlink()
    publish(desk, plan, run)
    assert {path: path.read_bytes() for path in boxes(labs)} == before
    assert own_log(desk, plan).size == size
    for path in (run.out().root / "outbox").rglob("*.age"):  # a desk from an older backup has none of them
        path.unlink()
    publish(desk, plan, run)
    assert {path: path.read_bytes() for path in boxes(labs)} == before
    boxes(labs)[0].write_bytes(b"another")
    with pytest.raises(NotVerified, match=r"L-5\.changed"):
        publish(desk, plan, run)


def test_publish_when_it_is_dry_then_it_names_each_reader_and_lays_nothing(tmp_path: Path, capsys) -> None:
    labs = meet(tmp_path, disclosure=BOTH)
    register_all(labs)
    run_one(labs, "lab-a")
    desk = labs.desks["lab-a"].root
    assert typed(capsys, "score", "--desk", desk).code == 0
    dry = typed(capsys, "publish", "--dry-run", "--json", "--desk", desk)
    rows = [json.loads(line) for line in dry.out.splitlines()]
    assert "detente audit recount" in typed(capsys, "publish", "--dry-run", "--desk", desk).err
    assert [row["path"].split("/")[1:3] for row in rows if row["path"].endswith(".age")] == [["outbox", "lab-b"]] * 3
    assert not (labs.exchange / "lab-a" / "outbox").exists()
    assert not (labs.runs["lab-a"].out().root / "outbox").exists()


def test_publish_when_the_plan_is_blind_then_the_scores_for_the_parties_wait_too(tmp_path: Path) -> None:
    labs = meet(tmp_path, disclosure=BOTH, blind=True)
    register_all(labs)
    run_one(labs, "lab-a")
    publish_one(labs, "lab-a")
    assert [path.name for path in boxes(labs)] == [box_of(labs, "headers").name]
    rows = leaving(labs.desks["lab-a"], labs.agreed(), labs.runs["lab-a"])
    assert [row.held for row in rows if row.to == "lab-b"] == [False, True, True]
    run_one(labs, "lab-b")
    publish_one(labs, "lab-b")
    publish(labs.desks["lab-a"], labs.agreed(), labs.runs["lab-a"])
    assert len(boxes(labs)) == 3


def test_recipient_when_a_later_plan_has_another_then_new_files_are_sealed_for_it_and_old_ones_can_be_sent_again(
    withheld: Labs, tmp_path: Path
) -> None:
    labs = withheld.moved(tmp_path)
    old, run = labs.agreed(), labs.runs["lab-a"]
    desk = labs.desks["lab-b"]
    add_keys(desk.root / "keys", ["recipient"])
    make_card(desk)
    new = supersede(labs)
    assert new.plan.party("lab-b").recipient != old.plan.party("lab-b").recipient
    assert len(boxes(labs)) == 3
    publish(labs.desks["lab-a"], labs.desks["lab-a"].plan().earlier[0], run)
    assert len(boxes(labs)) == 6
    (desk.root / "keys" / "recipient.key").unlink()  # the very reason for another one
    for path in boxes(labs):
        if re.fullmatch(r"[0-9a-f]{64}\.age", path.name):
            path.unlink()
    found = verify(labs.exchange, old.id, reader=reader_of(load_desk(desk.root)))
    assert found.shut() == []
    assert all(one.read for one in found.withheld() if one.wanted.owner == "lab-a")
    assert not [path for path in found.not_part if "/outbox/" in path]


# --- who reads what ------------------------------------------------------------------------------


def test_result_when_the_tester_another_party_and_a_stranger_make_it_then_it_is_the_same_bytes(
    withheld: Labs, tmp_path: Path
) -> None:
    labs = withheld.moved(tmp_path)
    for recounted in (False, True):
        if recounted:
            recount_all(labs)
        mine, theirs, stranger = (result_of(labs, desk) for desk in ("lab-a", "lab-b", None))
        assert mine == theirs == stranger
        row, n = decode(stranger)["runs"][0], len(labs.runs["lab-a"].slots)
        by = ["lab-b"] if recounted else []
        assert row["facts"]["complete"] == {
            "holds": "yes" if recounted else "cannot tell",
            "n": n,
            "of": n,
            "recounted": by,
        }
        assert (row["counted"], row["missing"]) == ((True, []) if recounted else (False, ["complete"]))
        assert sum(row["outcomes"][word] for word in ("replied", "filtered", "truncated", "failed")) == n


def test_numbers_when_labels_are_withheld_then_they_are_those_of_the_same_runs_in_public(tmp_path: Path) -> None:
    apart, opened = published(tmp_path / "a"), published(tmp_path / "o", ("public", "public"))
    recount_all(apart)
    names = ("measure", "lang", "hazard", "view", "party", "rate", "low", "high", "n", "hits", "scored", "gap", "worst")
    rows = [
        [
            {name: row.get(name) for name in names}
            for kind in ("rates", "gaps")
            for row in decode(result_of(labs, None))[kind]
        ]
        for labs in (apart, opened)
    ]
    assert rows[0] == rows[1] != []


def test_verify_when_a_stranger_looks_then_it_passes_and_every_file_is_named_as_withheld(
    withheld: Labs, capsys
) -> None:
    labs, plan = withheld, withheld.agreed().id
    said = typed(capsys, "verify", labs.exchange, "--plan", plan)
    assert said.code == 0
    assert said.err.count("withheld from this reader: ") == 6
    assert "not part of it" not in said.err
    assert "the headers of 2 are withheld from this reader" in said.out
    assert "未向本读者公开" in typed(capsys, "verify", labs.exchange, "--plan", plan, lang="zh").err
    rows = [
        json.loads(line) for line in typed(capsys, "verify", labs.exchange, "--plan", plan, "--json").out.splitlines()
    ]
    apart = [row for row in rows if "withheld" in row and "sha256" in row]
    assert [(row["withheld"], row["read"]) for row in apart] == [("headers", False)] * 2 + [("scores", False)] * 4
    assert {to for row in apart if row["party"] == "lab-a" for to in row["sent"]} == {"lab-b"}


def test_verify_when_a_party_looks_with_its_desk_then_it_makes_every_count_again(withheld: Labs, capsys) -> None:
    labs, plan = withheld, withheld.agreed().id
    for name in labs.desks:
        said = typed(capsys, "verify", labs.exchange, "--plan", plan, "--desk", labs.desks[name].root)
        assert (said.code, said.err.count("read here: ")) == (0, 6)
        assert "scorings whose labels and counts were made again: 4\n" in said.out


@pytest.mark.parametrize("kind", ["headers", "scores"])
@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "sealed-for-another"])
def test_age_file_when_it_cannot_be_read_then_its_party_cannot_tell_and_the_file_is_named_and_a_stranger_passes(
    withheld: Labs, tmp_path: Path, capsys, kind: str, damage: str
) -> None:
    labs = withheld.moved(tmp_path)
    path, plan = box_of(labs, kind), labs.agreed()
    if damage == "missing":
        path.unlink()
    elif damage == "sealed-for-another":
        path.write_bytes(seal(b"whatever", plan.plan.party("lab-a").recipient))
    else:
        path.write_bytes(b"" if damage == "empty" else b"no age file at all")
    code = {"missing": "file-missing", "empty": "file-cut"}.get(damage, "P-5.sealed")
    said = typed(capsys, "verify", labs.exchange, "--plan", plan.id, "--desk", labs.desks["lab-b"].root)
    assert (said.code, said.error) == (4, code)
    assert path.name in said.err
    assert typed(capsys, "verify", labs.exchange, "--plan", plan.id).code == 0
    with pytest.raises(CannotTell, match=re.escape(code)):
        recount(labs.desks["lab-b"], plan, labs.runs["lab-a"].id)
    with pytest.raises(CannotTell, match=re.escape(code)):
        close(labs.desks["lab-b"], plan, None)
    close(labs.desks["lab-b"], plan, {"en": "A file did not open.", "zh-Hans": "有文件打不开。"})
    assert result_of(labs, "lab-b") == result_of(labs, None)


@pytest.mark.parametrize(("kind", "step"), [("headers", "V-7"), ("scores", "V-8")])
def test_age_file_when_another_file_was_sealed_then_its_party_says_not_verified_at_that_step_and_accuses_nobody(
    among_three: Labs, tmp_path: Path, capsys, kind: str, step: str
) -> None:
    """Lab A gives B and C different contents: C's is the signed one, B's is not. B sees it, C and strangers cannot."""
    labs = among_three.moved(tmp_path)
    plan = labs.agreed()
    path = box_of(labs, kind)
    path.write_bytes(seal(b"other labels", plan.plan.party("lab-b").recipient))
    said = typed(capsys, "verify", labs.exchange, "--plan", plan.id, "--desk", labs.desks["lab-b"].root)
    assert (said.code, said.error) == (3, "P-5.digest")
    assert step in said.err
    for more in (("--desk", labs.desks["lab-c"].root), ()):
        assert typed(capsys, "verify", labs.exchange, "--plan", plan.id, *more).code == 0
    size = own_log(labs.desks["lab-b"], plan).size
    with pytest.raises(NotVerified, match=r"P-5\.digest"):
        recount(labs.desks["lab-b"], plan, None)
    assert own_log(labs.desks["lab-b"], plan).size == size
    recount(labs.desks["lab-c"], plan, None)
    assert runs_in(labs)[0]["facts"]["complete"]["recounted"] == ["lab-c"]


def test_file_when_it_lies_open_although_it_is_for_the_parties_then_it_is_no_part_of_the_exchange(
    withheld: Labs, tmp_path: Path
) -> None:
    labs = withheld.moved(tmp_path)
    run = labs.runs["lab-a"]
    path = labs.exchange / "lab-a" / "runs" / run.id / "headers.jsonl.gz"
    before = result_of(labs, None)
    path.write_bytes(run.out().read("headers.jsonl.gz"))
    assert result_of(labs, None) == before
    assert f"lab-a/runs/{run.id}/headers.jsonl.gz" in labs.verify().not_part


# --- counting again, auditing, ending -----------------------------------------------------------


def test_recount_when_given_again_then_it_tells_the_same_and_logs_nothing(
    withheld: Labs, tmp_path: Path, capsys
) -> None:
    labs = withheld.moved(tmp_path)
    desk, plan = labs.desks["lab-b"], labs.agreed()
    first = typed(capsys, "audit", "recount", "--desk", desk.root)
    size = own_log(desk, plan).size
    again = typed(capsys, "audit", "recount", "--desk", desk.root)
    assert (first.code, again.code, own_log(desk, plan).size) == (0, 0, size)
    assert "counted again, and logged" in first.err
    assert "counted again before" in again.err
    assert labs.verify().violations() == []


def test_recount_when_everything_is_public_then_there_is_nothing_to_do(stories, capsys) -> None:
    labs = stories.at("published")
    said = typed(capsys, "audit", "recount", "--desk", labs.desks["lab-b"].root)
    assert (said.code, said.error) == (4, "C-7.nothing")


def test_story_when_all_is_for_the_parties_then_audits_work_and_it_ends_final(
    withheld: Labs, tmp_path: Path, capsys
) -> None:
    labs = withheld.moved(tmp_path)
    audit_all(labs)
    close_all(labs)
    rows = runs_in(labs)
    assert [row["facts"]["checked"]["holds"] for row in rows] == ["yes", "yes"]
    assert [row["facts"]["complete"]["recounted"] for row in rows] == [["lab-b"], ["lab-a"]]
    assert [row["facts"]["repeated"]["by"] for row in rows] == [[], []]
    assert all(row["counted"] for row in rows)
    for name in ("lab-a", "lab-b", None):
        assert result_of(labs, name) == result_of(labs, None)
    said = typed(capsys, "verify", labs.exchange, "--plan", labs.agreed().id)
    assert (said.code, "is final" in said.out.splitlines()[-1]) == (0, True), said


def test_audit_when_the_labels_cannot_be_read_then_it_waits_and_asking_still_works(
    withheld: Labs, tmp_path: Path
) -> None:
    labs = withheld.moved(tmp_path)
    box_of(labs, "scores").write_bytes(b"garbage")
    assert ask(labs.desks["lab-b"], labs.agreed(), None) == [labs.runs["lab-a"].id]
    with pytest.raises(CannotTell, match=r"P-5\.sealed"):
        audit_all(labs)
    assert [trail.finding for run in labs.verify().runs for trail in run.audits if run.test.party == "lab-a"] == [None]


# --- what people are told --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("disclosure", "en", "zh"),
    [
        (("public", "public"), "core: headers and labels are public, so every reader recounts", "core：题次表与判定均公开"),
        (("public", "parties"), "core: headers and totals are public, labels go to the parties alone", "core：题次表与计数表公开"),
        (("parties", "parties"), "core: totals are public, headers and labels go to the parties alone", "core：只公开计数表"),
    ],
)  # fmt: skip
def test_plan_show_when_read_before_signing_then_it_says_who_may_read_what(
    tmp_path: Path, capsys, disclosure: tuple[str, str], en: str, zh: str
) -> None:
    labs = meet(tmp_path, disclosure=disclosure)
    words = ("plan", "show", labs.agreed().id[:16], "--desk", labs.desks["lab-b"].root)
    assert en in typed(capsys, *words).out
    assert zh in typed(capsys, *words, lang="zh").out


def test_status_when_headers_are_for_the_parties_then_a_published_run_is_called_so(withheld: Labs, capsys) -> None:
    assert "published" in typed(capsys, "status", "--desk", withheld.desks["lab-a"].root).out


def test_page_when_something_is_withheld_then_it_says_so_in_words_in_both_languages(
    withheld: Labs, tmp_path: Path, capsys
) -> None:
    labs, plan = withheld.moved(tmp_path / "labs"), withheld.agreed().id
    recount(labs.desks["lab-b"], labs.agreed(), None)
    for name, more in (("stranger", ()), ("lab-a", ("--desk", labs.desks["lab-a"].root))):
        assert typed(capsys, "report", labs.exchange, "--plan", plan, "--out", tmp_path / name, *more).code == 0
    page = {
        (who, lang): (tmp_path / who / f"{lang}.html").read_text("utf-8")
        for who in ("stranger", "lab-a")
        for lang in ("en", "zh", "both")
    }
    for lang, words in (
        ("en", ["headers and labels withheld: sent to the parties alone", "recounted by Lab-B, not by you", "recounted by nobody yet"]),
        ("zh", ["题次表与判定未公开：只发给各参与方", "读者无从自行计数", "尚无人重新计数"]),
    ):  # fmt: skip
        assert all(word in page["stranger", lang] and word in page["stranger", "both"] for word in words)
    assert "recounted here" in page["lab-a", "en"]
    assert "not by you" not in page["lab-a", "en"]
    assert "已在此处重新计数" in page["lab-a", "zh"]
    results = [(tmp_path / who / "result.json").read_bytes() for who in ("stranger", "lab-a")]
    assert results[0] == results[1]
    rows = (tmp_path / "stranger" / "result.csv").read_text("utf-8").splitlines()
    assert rows[0].endswith(",withheld")
    assert {row.rpartition(",")[2] for row in rows[1:]} == {"headers scores"}
    traced = typed(capsys, "trace", labs.exchange, "--plan", plan)
    assert "header lines that are withheld from this reader" in traced.out


def test_lone_run_when_labels_are_withheld_then_it_verifies_and_with_headers_withheld_it_shows_nothing_alone(
    withheld: Labs, tmp_path: Path, capsys
) -> None:
    labs = published(tmp_path / "labs", ("public", "parties"))
    plan, run, file = labs.agreed().id, labs.runs["lab-a"].id, tmp_path / "one.zip"
    assert typed(capsys, "pack", labs.exchange, "--plan", plan, "--run", run[:16], "--out", file).code == 0
    said = typed(capsys, "verify", file, "--plan", plan)
    assert (said.code, "withheld from this reader: 2" in said.out, "not part of it" in said.err) == (0, True, False), (
        said
    )
    other, id_ = withheld.agreed().id, withheld.runs["lab-a"].id
    shut = typed(capsys, "pack", withheld.exchange, "--plan", other, "--run", id_[:16], "--out", tmp_path / "two.zip")
    assert (shut.code, shut.error) == (4, "lone-withheld")


def test_verify_when_the_desk_is_of_no_party_then_it_is_told(withheld: Labs, tmp_path: Path, capsys) -> None:
    strange = meet(tmp_path, n_labs=3).desks["lab-c"].root
    said = typed(capsys, "verify", withheld.exchange, "--plan", withheld.agreed().id, "--desk", strange)
    assert (said.code, said.error) == (2, "not-a-party")
