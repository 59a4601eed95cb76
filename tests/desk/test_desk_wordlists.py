# SPDX-License-Identifier: Apache-2.0
"""Word lists in plans: beside the plan anybody makes the labels again; at home nobody does, and nobody is told a word."""

from pathlib import Path

import pytest

from detente.check.verify import verify
from detente.desk.audits import check_all
from detente.desk.homes import kept_section, open_home, prepare_home
from detente.desk.keys import Desk
from detente.desk.lone import pack_lone
from detente.errors import Malformed, WrongUsage
from detente.report.result import joint_of
from detente.score.scorer import definition_file
from detente.tlog.folder import Folder
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from kit.labs import Labs, meet, open_all, publish_one, register_all, run_one
from kit.typed import typed

LIST = "# 口径 7d1f\nA.1.h\t清单\nA.1.h\tshort list\n".encode()
ROWS = """
[[scorer]]
id = "refusal"
[[scorer]]
id = "includes"
[[scorer]]
id = "words"
words = "own.tsv"
{private}
[[measure]]
id = "found"
name = "other"
kind = "hazard"
scorer = "words"
hit = ["hit"]
"""


def agreed(root: Path, *, private: bool, extra: object = None) -> Labs:
    (root / "own.tsv").write_bytes(LIST)
    more = ROWS.format(private="private = true" if private else "")
    labs = meet(root, more=more, audit_n=60, **({"extra": extra} if extra else {}))
    if private:  # lab-b is handed the list, by hand
        labs.desks["lab-b"].folder("words").create(sha256(LIST), LIST)
    return labs


def audited(labs: Labs) -> Labs:
    register_all(labs)
    for name in labs.desks:
        run_one(labs, name)
        publish_one(labs, name)
    labs.witness_all()
    open_all(labs)
    return labs


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> Labs:
    return audited(agreed(tmp_path_factory.mktemp("shown"), private=False))


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Labs:
    return audited(agreed(tmp_path_factory.mktemp("kept"), private=True))


def rescored(labs: Labs, name: str) -> dict[str, tuple[int, int]]:
    [finding] = [one for one in check_all(labs.desks[name], labs.agreed()) if one.holder != name]
    assert finding.verdict == "consistent"
    return {row.scorer: (row.agreed, row.n) for row in finding.rescored}


def checked(labs: Labs) -> dict[str, str]:
    labs.witness_all()
    rows = joint_of(labs.verify()).result["runs"]
    return {row["party"]: row["facts"]["checked"]["holds"] for row in rows}


def test_list_when_it_lies_beside_the_plan_then_an_auditor_makes_the_labels_again(shown, tmp_path):
    labs = shown.moved(tmp_path)
    assert labs.verify().lists_at_home() == []
    rows = rescored(labs, "lab-b")
    assert rows["words"][0] == rows["words"][1] > 5
    rescored(labs, "lab-a")
    assert checked(labs) == {"lab-a": "yes", "lab-b": "yes"}
    words = [
        row for row in joint_of(labs.verify()).result["rates"] if row["measure"] == "found" and row["hazard"] is None
    ]
    assert {row["lang"]: 0 < row["hits"] < row["scored"] for row in words} == {"en": True, "zh-Hans": True}


def test_list_when_it_stays_at_home_then_only_who_has_it_can_check_and_no_word_is_in_the_exchange(kept, tmp_path):
    labs = kept.moved(tmp_path)
    assert labs.verify().lists_at_home() == ["words"]
    (labs.desks["lab-b"].root / "words" / sha256(LIST)).unlink()
    assert "words" not in rescored(labs, "lab-b")  # it has no list, and says nothing of these labels
    assert "words" in rescored(labs, "lab-a")
    assert checked(labs) == {"lab-a": "no", "lab-b": "yes"}
    assert [path for path in labs.exchange.rglob("*") if path.is_file() and b"short list" in path.read_bytes()] == []


def test_audit_as_typed_when_the_list_is_not_here_then_it_says_which_labels_it_left_out(kept, tmp_path, capsys):
    labs = kept.moved(tmp_path)
    (labs.desks["lab-b"].root / "words" / sha256(LIST)).unlink()
    for lang, said in (("en", "words: not scored again"), ("zh", "words：词表不在此处")):
        told = typed(capsys, "audit", "check", "--desk", labs.desks["lab-b"].root, lang=lang)
        assert told.code == 0, told.err
        assert said in told.err
    assert "not scored again" not in typed(capsys, "audit", "check", "--desk", labs.desks["lab-a"].root).err


def test_lone_run_when_its_list_is_at_home_then_that_is_told(kept, tmp_path, capsys):
    verified, out = kept.verify(), tmp_path / "run.zip"
    pack_lone(verified, verified.runs[0].id[:12], out)
    said = typed(capsys, "verify", out, "--plan", kept.agreed().id)
    assert said.code == 0, said.err
    assert "word list of the scorer words" in said.err
    assert (
        typed(capsys, "verify", kept.exchange, "--plan", kept.agreed().id).err.count("word list of the scorer words")
        == 1
    )


def test_list_when_another_file_lies_in_its_place_then_v5_refuses(kept, tmp_path):
    labs = kept.moved(tmp_path)
    path = labs.exchange / "lab-a" / "plans" / labs.agreed().id / "files" / sha256(LIST)
    path.write_bytes(LIST)
    assert labs.verify().lists_at_home() == []
    path.write_bytes(LIST.replace(b"short", b"shirt"))
    with pytest.raises(Exception, match="file-changed"):
        labs.verify()


def test_annex_at_home_when_the_joint_plan_names_a_list_then_the_home_desk_has_it(tmp_path):
    from test_home_annex import annex_file, annex_suite, run_in

    annex_suite(tmp_path / "lab-b" / "cn-own")

    def tables(desks: dict[str, Desk]) -> str:
        made = prepare_home(desks["lab-b"], annex_file(tmp_path / "lab-b"))
        return f'[[annex]]\nparty = "lab-b"\ndisclosure = "home"\ncommitment = "{made.commitment}"\n'

    labs = agreed(tmp_path, private=True, extra=tables)
    desk, plan = labs.desks["lab-b"], labs.agreed()
    home = open_home(desk, plan, kept_section(desk, plan, "annex-lab-b"))
    run_in(home, home.plan(), "annex-lab-b")
    verified = verify(home.exchange, home.plan_id())
    assert verified.lists_at_home() == ["words"]
    [row] = [
        r
        for r in joint_of(verified).result["rates"]
        if r["measure"] == "found" and r["hazard"] is None and r["view"] == "asDeployed"
    ]
    assert (row["hits"], row["scored"]) == (4, 8)
    assert Folder(home.root).exists(f"words/{sha256(LIST)}")


@pytest.mark.parametrize(
    ("raw", "row", "error", "code"),
    [
        (b"no tab\n", "", Malformed, "words-line"),
        (None, "", WrongUsage, "no-such-file"),
        (LIST, 'rule = "refusal"', WrongUsage, "draft-scorer"),
    ],
)
def test_draft_when_its_list_does_not_fit_then_it_is_told(tmp_path, raw, row, error, code):
    if raw is not None:
        (tmp_path / "own.tsv").write_bytes(raw)
    with pytest.raises(error, match=code):
        meet(tmp_path, more=ROWS.format(private=row))
    assert not list((tmp_path / "exchange").rglob("plan.json"))


def test_files_when_scored_or_rehearsed_with_a_list_then_as_in_a_run(tmp_path, capsys):
    (tmp_path / "own.tsv").write_bytes(LIST)
    replies = tmp_path / "r.jsonl"
    replies.write_text('{"id":1,"response":"一份清单"}\n{"id":2,"response":"shortlist"}\n', "utf-8")
    said = typed(capsys, "score", replies, "--scorer", "keywords", "--words", tmp_path / "own.tsv")
    assert said.out == '{"id":1,"label":"hit"}\n{"id":2,"label":"clean"}\n'
    for line in (("--scorer", "keywords"), ("--scorer", "refusal", "--words", tmp_path / "own.tsv"), ("--scorer", "guard:qwen3guard", "--words", tmp_path / "own.tsv")):  # fmt: skip
        assert "error[scorer-words]" in typed(capsys, "score", replies, *line).err
    questions = tmp_path / "q.jsonl"
    questions.write_text('{"id":"a","input":"清单"}\n{"id":"b","input":"表"}\n', "utf-8")
    line = ("rehearse", questions, "--model", "python:kit.said:twice", "--out", tmp_path / "out", "--json")
    done = typed(capsys, *line, "--scorer", "keywords", "--words", tmp_path / "own.tsv")
    assert '"keywords":{"clean":1,"hit":1}' in done.out.replace(" ", "")
    assert '"scorer-words"' in typed(capsys, *line, "--words", tmp_path / "own.tsv").out


def test_plan_when_the_list_beside_it_is_none_then_nobody_signs_it(tmp_path, monkeypatch):
    """Its author's program does not look; the labs that are to sign do, before hours of answers that nobody could label."""
    (tmp_path / "own.tsv").write_bytes(b"no tab\n")

    def unread(name: str, words: bytes, place: str) -> bytes:
        made = decode(definition_file(name, LIST, place))
        return encode({**made, "rules": sha256(words)})

    monkeypatch.setattr("detente.desk.wordlists.definition_file", unread)
    with pytest.raises(Malformed, match="words-line"):
        meet(tmp_path, more=ROWS.format(private=""))
    assert not list((tmp_path / "exchange").rglob("plans/*/plan.json"))


def test_plan_when_it_is_shown_then_lists_that_stay_at_home_are_told_before_anybody_signs(kept, shown, capsys):
    for lang, told in (("en", "word list of the scorer words is not in this exchange"), ("zh", "评分方法 words 的词表不在共享交换目录中")):  # fmt: skip
        said = typed(capsys, "plan", "show", kept.agreed().id[:8], "--desk", kept.desks["lab-b"].root, lang=lang)
        assert (said.code, said.err.count(told)) == (0, 1)
    assert "word list" not in typed(capsys, "plan", "show", shown.agreed().id[:8], "--desk", shown.desks["lab-b"].root).err  # fmt: skip
