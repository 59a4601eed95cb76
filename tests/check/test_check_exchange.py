# SPDX-License-Identifier: Apache-2.0
"""An exchange as a reader finds it: cut, changed, too long, named oddly or beside the point, each told apart (L-7)."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.check.exchange import (
    LATEST,
    bound_bytes,
    cut_text,
    find_plan,
    open_exchange,
    read_entries,
    read_history,
    read_stored,
)
from detente.check.verify import verify
from detente.errors import CannotTell, DetenteError, NotVerified
from detente.pact.item import Item, encode_list, encode_suite, list_lines
from detente.tlog.folder import Folder
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from detente.wire.lines import compress
from detente.wire.times import encode_time
from kit.paper import CANARY, DESCRIPTOR, NOON, Paper, definition

VALUE = encode({"a": [1, 2, {"b": "text", "c": "双语"}], "d": None, "e": "end"})


@given(st.integers(0, len(VALUE) - 1))
def test_text_when_it_is_cut_off_then_it_looks_cut(keep: int) -> None:
    assert cut_text(sha256(VALUE), b"}")(VALUE[:keep]) or keep == 0 or VALUE[:keep].endswith(b"}")


@given(st.integers(0, len(VALUE) - 1), st.integers(1, 255))
def test_text_when_a_byte_is_changed_then_it_looks_changed(at: int, by: int) -> None:
    assert not cut_text(sha256(VALUE), b"}")(VALUE[:at] + bytes([VALUE[at] ^ by]) + VALUE[at + 1 :])


@pytest.mark.parametrize(
    "raw",
    [b"[" * 100_000 + b"}", b'{"a":' * 100_000 + b"}", b"9" * 5000 + b"}", b"\xff\xfe}", b"NaN}", b"}" * 5000],
)  # fmt: skip
def test_text_when_it_is_hostile_then_it_is_judged_all_the_same(raw: bytes) -> None:
    assert cut_text("0" * 64, b"}")(raw) in {True, False}


def test_lines_when_the_last_newline_is_there_then_they_are_changed_and_not_cut() -> None:
    looks_cut = cut_text(sha256(b"a\nb\n"), b"\n")
    assert looks_cut(b"a\nb")
    assert looks_cut(b"a")
    assert not looks_cut(b"a\nc\n")
    assert not looks_cut(b"a\nbx")  # with the right last byte it would be the file


@pytest.mark.parametrize(
    ("raw", "kind", "code"),
    [(None, CannotTell, "file-missing"), (VALUE[:9], CannotTell, "file-cut"), (b"", CannotTell, "file-cut"), (VALUE.replace(b"1", b"3"), NotVerified, "file-changed"), (b"x" * 999, NotVerified, "file-long")],
)  # fmt: skip
def test_bound_bytes_when_they_are_not_the_named_ones_then_it_says_how(
    tmp_path: Path, raw: bytes | None, kind: type[DetenteError], code: str
) -> None:
    if raw is not None:
        (tmp_path / "f").write_bytes(raw)
    with pytest.raises(kind) as caught:
        bound_bytes(Folder(tmp_path), "f", sha256(VALUE), cut_text(sha256(VALUE), b"}"), limit=500)
    assert caught.value.code == code


def test_stored_file_when_it_is_longer_than_it_can_unfold_to_then_it_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        file.truncate(1 << 40)  # a hole: it takes no room, and reading it would take all memory
    with pytest.raises(NotVerified, match="file-long"):
        read_stored(Folder(tmp_path), "f", 1000)
    with pytest.raises(NotVerified, match="file-long"):
        bound_bytes(Folder(tmp_path), "f", "0" * 64, lambda _: False)


# --- the plan ----------------------------------------------------------------------------------


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    made = Paper(tmp_path)
    made.accept_all()
    made.witness_all(NOON)
    made.save()
    return made


def test_exchange_when_there_is_none_then_it_cannot_be_told(tmp_path: Path) -> None:
    with pytest.raises(CannotTell, match="exchange-missing"):
        open_exchange(tmp_path / "nowhere")


def test_plan_when_no_id_is_given_then_it_is_unanchored(paper: Paper) -> None:
    with pytest.raises(CannotTell, match="unanchored"):
        verify(paper.root, None)


@pytest.mark.parametrize("plan_id", ["0" * 64, "", "../lab-a", "*", "\0"])
def test_plan_when_its_id_is_not_there_then_it_cannot_be_told(paper: Paper, plan_id: str) -> None:
    with pytest.raises(CannotTell, match="plan-missing"):
        verify(paper.root, plan_id)


def test_plan_when_one_copy_differs_then_that_copy_is_named(paper: Paper) -> None:
    path = f"lab-b/plans/{paper.plan.id}/plan.json"
    paper.lay(path, paper.plan.raw.replace(b"On paper", b"In print"))
    with pytest.raises(NotVerified) as caught:
        find_plan(Folder(paper.root), paper.plan.id)
    assert caught.value.code == "P-1.id"
    assert path in caught.value.place
    paper.lay(path, paper.plan.raw[:-5])
    with pytest.raises(CannotTell, match="file-cut"):
        find_plan(Folder(paper.root), paper.plan.id)


def test_plan_when_every_copy_is_wrong_then_it_is_not_verified(paper: Paper) -> None:
    for lab in paper.labs:
        paper.lay(f"{lab}/plans/{paper.plan.id}/plan.json", paper.plan.raw.replace(b"On paper", b"In print"))
    with pytest.raises(NotVerified, match="file-changed"):
        find_plan(Folder(paper.root), paper.plan.id)


def test_plan_when_it_lies_in_a_stranger_s_folder_then_the_stranger_is_named(paper: Paper) -> None:
    paper.lay(f"lab-z/plans/{paper.plan.id}/plan.json", paper.plan.raw)
    with pytest.raises(NotVerified) as caught:
        paper.verify()
    assert (caught.value.step, caught.value.code, caught.value.got) == ("V-1", "L-4.stranger", "lab-z")


def test_gate_when_its_rule_is_not_there_then_nobody_can_tell_and_a_changed_one_is_named(tmp_path: Path) -> None:
    """P-9: what the rule says is not read here, and no number depends on it."""
    raw = b"any rule\n"
    made = Paper(tmp_path, gate={"id": "g", "rule": sha256(raw)})
    made.played()
    with pytest.raises(CannotTell) as lacking:
        made.verify()
    assert (lacking.value.code, lacking.value.fields["step"]) == ("P-9.missing", "V-5")
    path = f"lab-a/plans/{made.plan.id}/files/{sha256(raw)}"
    made.lay(path, b"another rule\n")
    with pytest.raises(NotVerified) as changed:
        made.verify()
    assert (changed.value.code, changed.value.step) == ("file-changed", "V-5")
    made.lay(path, raw)
    verified = made.verify()
    assert path not in verified.not_part
    assert verified.numbers().result["rates"]


# --- files by digest ---------------------------------------------------------------------------


def test_files_when_somebody_s_copy_is_wrong_then_it_is_named(paper: Paper) -> None:
    digest = sha256(definition("refusal"))
    paper.lay(f"lab-b/plans/{paper.plan.id}/files/{digest}", definition("refusal").replace(b"refuse", b"comply", 1))
    with pytest.raises(NotVerified) as caught:
        verify(paper.root, paper.plan.id)
    assert (caught.value.step, caught.value.code) == ("V-5", "file-changed")
    assert "lab-b" in caught.value.place


@pytest.mark.parametrize("name", ["list", "definition", "descriptor"])
def test_files_when_nobody_laid_one_then_it_cannot_be_told(paper: Paper, name: str) -> None:
    plan = paper.plan.plan
    digest = {"list": plan.suites[0].list, "definition": plan.scorers[0].definition}.get(
        name, str(plan.subjects[0].descriptor)
    )
    (paper.root / "lab-a/plans" / paper.plan.id / "files" / digest).unlink()
    with pytest.raises(CannotTell) as caught:
        verify(paper.root, paper.plan.id)
    assert (caught.value.code, caught.value.expected) == ("P-9.missing", digest)
    assert caught.value.fields["step"] == "V-5"


def test_descriptor_when_it_has_another_shape_then_v5_refuses(tmp_path: Path) -> None:
    odd = encode({**DESCRIPTOR, "kind": "oracle"})
    paper = Paper(tmp_path, subjects=[{"descriptor": sha256(odd), "id": "m1", "name": {"en": "1", "zh-Hans": "1"}}])
    paper.accept_all()
    paper.lay(f"lab-a/plans/{paper.plan.id}/files/{sha256(odd)}", odd)
    with pytest.raises(NotVerified) as caught:
        paper.verify()
    assert (caught.value.step, caught.value.code) == ("V-5", "B-3.shape")


def test_commitment_when_closed_or_opened_then_both_verify_and_only_the_open_one_is_shown(tmp_path: Path) -> None:
    line = encode({**DESCRIPTOR, "salt": "5" * 64})
    paper = Paper(tmp_path, naming="coded", subjects=[{"commitment": sha256(line), "id": "m1", "name": None}])
    paper.accept_all()
    assert paper.verify().descriptors == {}
    paper.lay(f"lab-a/plans/{paper.plan.id}/files/{sha256(line)}", line)
    verified = paper.verify()
    assert verified.descriptors == {"m1": DESCRIPTOR}
    # Nobody names the descriptor that the kit lays for other plans, and nothing else is beside the point.
    assert [path.rpartition("/")[2] for path in verified.not_part] == [sha256(encode(DESCRIPTOR))]


# --- logs and notes ----------------------------------------------------------------------------


def test_entry_when_it_stands_twice_in_a_log_then_the_second_counts_for_nothing(paper: Paper) -> None:
    lab = paper.labs["lab-a"]
    lab.entries.append(lab.entries[0])
    verified = paper.verify()
    assert [(v.party, v.index, v.code) for v in verified.ledger.violations] == [("lab-a", 1, "T-3.again")]


def test_entries_when_they_are_no_statements_then_each_is_listed_with_its_reason(paper: Paper) -> None:
    lab, other = paper.labs["lab-a"], paper.labs["lab-b"]
    lab.entries += [b"", b"x", b"[" * 60_000, b"\xff" * 10, other.entries[0]]
    paper.sign("accept", "lab-a", [paper.plan.id], plan="0" * 64)
    paper.sign("accept", "lab-a", [paper.plan.id], party="lab-b")
    paper.sign_payload("lab-a", [1, 2])
    paper.sign_payload("lab-a", paper.payload("trust", "lab-a", [], {}))
    entries, violations = read_entries(
        paper.plan.plan.party("lab-a"),
        read_history(Folder(paper.save()), paper.plan.plan.party("lab-a"), paper.plan).view,
        paper.plan,
    )
    assert [entry.index for entry in entries] == [0]
    assert [(v.index, v.code) for v in violations] == [
        (1, "T-1.shape"), (2, "T-1.shape"), (3, "T-1.shape"), (4, "T-1.shape"), (5, "T-1.signature"),
        (6, "T-2.plan"), (7, "T-2.party"), (8, "T-2.shape"), (9, "T-2.foreign"),
    ]  # fmt: skip
    assert paper.verify().steps[2].fields == {"legal": 2, "listed": 9}


@pytest.mark.parametrize("at", [0, LATEST + 1, 2**63 - 1])
def test_note_when_its_time_cannot_be_written_then_v2_refuses_it(paper: Paper, at: int) -> None:
    if at == 0:
        with pytest.raises(DetenteError, match=r"L-3\.time"):
            paper.witness("lab-b", "lab-a", at)
        return
    paper.notes.clear()
    paper.witness("lab-b", "lab-a", at)
    with pytest.raises(NotVerified) as caught:
        paper.verify()
    assert (caught.value.step, caught.value.code) == ("V-2", "L-3.time")
    assert "lab-b/mirror" in caught.value.place


def test_note_when_it_is_from_the_future_then_it_is_printed_as_it_says(paper: Paper) -> None:
    """There is no clock here: a lying witness's time is its word, printed with its name."""
    paper.notes.clear()
    paper.witness_all(LATEST)
    run = paper.register()
    note = paper.witness("lab-b", "lab-a", LATEST)
    paper.conclude(run, notes=[note])
    row = paper.result()["runs"][0]
    assert row["facts"]["seen"]["by"] == [{"at": encode_time(LATEST), "witness": "lab-b"}]


def test_note_of_a_stranger_then_it_is_no_note(paper: Paper) -> None:
    """A mirror in a folder of nobody's in the plan is not read, and said to be beside the point."""
    mirror = next((paper.root / "lab-b" / "mirror").iterdir())
    stranger = paper.root / "lab-z" / "mirror"
    stranger.mkdir(parents=True)
    mirror.rename(stranger / mirror.name)
    verified = verify(paper.root, paper.plan.id)
    assert verified.histories["lab-a"].seen == []
    assert all(path.startswith("lab-z/") for path in verified.not_part)
    assert verified.not_part


# --- files that nothing names ------------------------------------------------------------------


def test_files_that_nothing_names_then_they_are_listed_and_not_read(paper: Paper) -> None:
    beside = [
        "README", "lab-a/diary.txt", "lab-a/log/extra", "lab-a/log/tile/9/000", "lab-a/outbox/lab-b/" + "0" * 64 + ".age",
        "lab-a/plans/" + "0" * 64 + "/plan.json", "lab-a/proposals/x/plan.json", "lab-a/results/" + "0" * 64 + ".json",
        "lab-a/runs/x/headers.jsonl.gz", f"lab-a/plans/{paper.plan.id}/files/" + "0" * 64,
        f"lab-a/plans/{paper.plan.id}/files/deep/{paper.plan.plan.suites[0].list}",
        "lab-b/mirror/" + "0" * 64 + "/checkpoint", f"lab-b/mirror/{sha256(paper.labs['lab-a'].origin.encode())}/other",
    ]  # fmt: skip
    for path in beside:
        paper.lay(path, b"not read")
    assert verify(paper.root, paper.plan.id).not_part == sorted(beside)


@pytest.mark.parametrize("where", ["lab-a/log/x", "lab-a/x", "x"])
def test_link_when_it_lies_anywhere_then_nothing_is_followed(paper: Paper, where: str) -> None:
    target = paper.root / where
    os.symlink("/etc/passwd", target)
    with pytest.raises(NotVerified, match=r"L-4\.link"):
        verify(paper.root, paper.plan.id)


@pytest.mark.parametrize("part", ["log", "plans", "mirror"])
def test_link_when_a_folder_is_one_then_nothing_is_followed(paper: Paper, part: str) -> None:
    folder = paper.root / "lab-a" / part
    folder.rename(paper.root.parent / "elsewhere")
    os.symlink(paper.root.parent / "elsewhere", folder)
    with pytest.raises(NotVerified, match=r"L-4\.link"):
        verify(paper.root, paper.plan.id)


def test_steps_when_told_then_each_is_heard_once_in_order(paper: Paper) -> None:
    heard: list[str] = []
    verified = verify(paper.root, paper.plan.id, told=lambda step: heard.append(step.name))
    assert heard == [f"V-{n}" for n in range(1, 12)]
    assert heard == [step.name for step in verified.steps]


# --- V-5: what the plan names must fit the plan --------------------------------------------------


def v5(paper: Paper) -> str:
    paper.accept_all()
    with pytest.raises(NotVerified) as caught:
        paper.verify()
    assert caught.value.step == "V-5"
    return caught.value.code


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = decode(Paper(folder / "probe").plan.raw)[name]
    return found


def test_scorer_when_its_definition_is_of_another_method_then_v5_refuses(tmp_path: Path) -> None:
    scorers = rows(tmp_path, "scorers")
    scorers[1]["method"] = "choice"
    assert v5(Paper(tmp_path, scorers=scorers)) == "C-1.method"


@pytest.mark.parametrize(("code", "hit"), [("P-8.label", ["comply", "help"]), ("P-8.hit", ["comply"])])
def test_measure_when_its_labels_are_not_those_of_the_scorer_then_v5_refuses(
    tmp_path: Path, code: str, hit: list[str]
) -> None:
    measures = rows(tmp_path, "measures")
    measures[0]["hit"] = hit
    assert v5(Paper(tmp_path, measures=measures)) == code


def test_measure_when_it_counts_what_a_filter_answered_then_its_scorer_need_not_know_that_label(tmp_path: Path) -> None:
    measures = rows(tmp_path, "measures")
    right = {**measures[0], "id": "right", "kind": "control", "name": "other", "scorer": "includes"}
    paper = Paper(tmp_path / "counted", measures=[*measures, {**right, "hit": ["right", "refuse"]}])
    paper.accept_all()
    assert paper.verify().plan.plan.measures[-1].hit == ["right", "refuse"]
    assert v5(Paper(tmp_path, measures=[*measures, {**right, "hit": ["refuse"]}])) == "P-8.label"


def test_list_when_its_length_is_not_the_plan_s_then_v5_refuses(tmp_path: Path) -> None:
    suites = rows(tmp_path, "suites")
    suites[0]["items"] += 1
    assert v5(Paper(tmp_path, suites=suites)) == "S-1.items"


def test_item_when_it_stands_in_two_suites_then_v5_refuses(tmp_path: Path) -> None:
    suites = rows(tmp_path, "suites")
    assert v5(Paper(tmp_path, suites=[suites[0], {**suites[0], "id": "again"}])) == "S-1.twice"


def with_text(folder: Path, languages: list[str]) -> tuple[Paper, bytes]:
    """A plan whose one item has a text, and that suite text file."""
    item = Item("dt:crime", "one", "hazard", None, dict.fromkeys(languages, "?"))
    lines = encode_list(list_lines([item]))
    suites = [{**rows(folder, "suites")[0], "items": 1, "list": sha256(lines)}]
    paper = Paper(folder, suites=suites)
    paper.lay(f"lab-a/plans/{paper.plan.id}/files/{sha256(lines)}", lines)
    return paper, encode_suite("mini", CANARY, [item])


def test_suite_text_when_it_is_laid_open_then_it_is_read(tmp_path: Path) -> None:
    paper, text = with_text(tmp_path, ["en", "zh-Hans"])
    paper.accept_all()
    assert paper.verify().texts == {}
    paper.lay(f"lab-a/plans/{paper.plan.id}/suites/mini.jsonl.gz", compress(text))
    verified = paper.verify()
    assert [item.id for item in verified.texts["mini"]] == ["one"]
    assert all("/suites/" not in path for path in verified.not_part)


@pytest.mark.parametrize(("code", "old", "new"), [("S-1.item", b"?", b"!"), ("S-2.start", CANARY.encode(), b"other")])
def test_suite_text_when_it_is_not_the_listed_one_then_v5_refuses(
    tmp_path: Path, code: str, old: bytes, new: bytes
) -> None:
    paper, text = with_text(tmp_path, ["en", "zh-Hans"])
    paper.lay(f"lab-a/plans/{paper.plan.id}/suites/mini.jsonl.gz", compress(text.replace(old, new)))
    assert v5(paper) == code


def test_suite_text_when_a_planned_language_is_missing_then_v5_refuses(tmp_path: Path) -> None:
    """The list file is right and the plan agreed, but the rectangle has a hole (S-3)."""
    paper, text = with_text(tmp_path, ["en"])
    paper.lay(f"lab-a/plans/{paper.plan.id}/suites/mini.jsonl.gz", compress(text))
    assert v5(paper) == "S-2.missing"
