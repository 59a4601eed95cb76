# SPDX-License-Identifier: Apache-2.0
"""One run handed over as a file: what pack and verify say of it, in both languages, and with which exit code (F-12)."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from kit.labs import publish_one
from kit.paper import Paper
from kit.typed import refused, typed, well_spoken

NOT_LOOKED_FOR = {
    "en": "other runs, attempts and audits were not looked for",
    "zh": "未查找其他运行、其他各次登记和抽查",
}


@pytest.fixture
def alone(stories, tmp_path, capsys):
    """The file of lab-a's run, and the plan id."""
    labs = stories.at("closed")
    file, plan = tmp_path / "run.zip", labs.agreed().id
    said = typed(capsys, "pack", labs.exchange, "--plan", plan, "--run", labs.runs["lab-a"].id[:8], "-o", file)
    assert said.code == 0, said
    return file, plan


def again(file: Path, change) -> Path:
    """The same archive with some files changed or gone."""
    out = file.with_name("changed.zip")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            raw = change(name, old.read(name))
            if raw is not None:
                new.writestr(name, raw)
    return out


def said_of(capsys, code: int, error: str, *words: object) -> None:
    """What verify says of a lone run that fails: the error, and in both languages first what was not looked for."""
    for lang, notice in NOT_LOOKED_FOR.items():
        said = typed(capsys, "verify", *words, lang=lang)
        assert (said.code, said.error) == (code, error), said
        assert notice in said.out.splitlines()[0]
        well_spoken(said._replace(out=""), lang)


def test_lone_run_when_verified_then_both_languages_say_what_was_not_looked_for(alone, capsys):
    file, plan = alone
    for lang, notice in NOT_LOOKED_FOR.items():
        said = typed(capsys, "verify", file, "--plan", plan, lang=lang)
        assert (said.code, said.err) == (0, ""), said
        assert notice in said.out.splitlines()[0]
        assert said.out.count("lab-b") == 4, "each entry as seen by the one who saw it"
    assert (
        "is complete, 26 of 26; no other fact, and no joint number" in typed(capsys, "verify", file, "--plan", plan).out
    )


def test_lone_run_when_a_program_asks_then_it_is_told_the_same(alone, capsys):
    file, plan = alone
    rows = [json.loads(line) for line in typed(capsys, "verify", file, "--plan", plan, "--json").out.splitlines()]
    assert rows[0] == {"lone": True, "notLookedFor": ["runs", "attempts", "audits"]}
    assert [row["step"] for row in rows if "step" in row] == ["V-1", "V-2", "V-3", "V-5", "V-6", "V-7", "V-8"]
    assert rows[-1]["verified"] is True
    assert rows[-1]["status"] == "lone"
    assert rows[-1]["complete"] == {"n": 26, "of": 26}
    assert not {"result", "counted", "rates"} & rows[-1].keys()


def test_lone_run_when_no_plan_id_is_given_then_it_cannot_be_told(alone, capsys):
    file, plan = alone
    said_of(capsys, 4, "unanchored", file)
    assert " ".join(plan[i : i + 4] for i in range(0, 64, 4)) in typed(capsys, "verify", file).err


@pytest.mark.parametrize(("ending", "error"), [("headers.jsonl.gz", "R-7.file"), (".counts.json", "file-changed")])
def test_lone_run_when_a_file_was_edited_then_it_is_not_verified(alone, capsys, ending, error):
    file, plan = alone
    bent = again(file, lambda name, raw: raw[:99] + bytes([raw[99] ^ 1]) + raw[100:] if name.endswith(ending) else raw)
    said_of(capsys, 3, error, bent, "--plan", plan)


def test_lone_run_when_its_score_was_edited_then_it_is_not_verified(alone, capsys):
    file, plan = alone
    bent = again(
        file,
        lambda name, raw: (
            raw[:20] + bytes([raw[20] ^ 1]) + raw[21:] if "/scores/" in name and name.endswith(".gz") else raw
        ),
    )
    said_of(capsys, 3, "C-4.file", bent, "--plan", plan)


def test_lone_run_when_its_proof_is_wrong_then_it_is_not_verified(alone, capsys):
    file, plan = alone

    def wrong(name: str, raw: bytes) -> bytes:
        if name != "lone/run.json":
            return raw
        said = json.loads(raw)
        said["entries"][1]["proofs"] = said["entries"][0]["proofs"]
        return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    said_of(capsys, 3, "F-12.proof", again(file, wrong), "--plan", plan)


def test_lone_run_when_a_part_is_missing_or_cut_then_it_cannot_be_told(alone, capsys):
    file, plan = alone
    missing = again(file, lambda name, raw: None if name.endswith("headers.jsonl.gz") else raw)
    said_of(capsys, 4, "file-missing", missing, "--plan", plan)
    cut = again(file, lambda name, raw: raw[:-1] if name.endswith("headers.jsonl.gz") else raw)
    said_of(capsys, 4, "file-cut", cut, "--plan", plan)
    half = file.with_name("half.zip")
    half.write_bytes(file.read_bytes()[:-100])
    refused(capsys, 4, "pack-broken", "verify", half, "--plan", plan)


def test_verify_when_the_file_is_a_packed_exchange_then_it_says_to_lay_it_open_first(stories, tmp_path, capsys):
    labs = stories.at("closed")
    assert typed(capsys, "pack", labs.exchange, "--plan", labs.agreed().id, "-o", tmp_path / "all.zip").code == 0
    said = refused(capsys, 4, "lone-none", "verify", tmp_path / "all.zip", "--plan", labs.agreed().id)
    assert "detente unpack" in said.err
    refused(capsys, 2, "pack-empty", "unpack", _lone(labs, tmp_path, capsys), "--exchange", tmp_path / "x")


def _lone(labs, folder, capsys) -> Path:
    words = ["--plan", labs.agreed().id, "--run", labs.runs["lab-b"].id, "-o", folder / "run.zip"]
    assert typed(capsys, "pack", labs.exchange, *words).code == 0
    return folder / "run.zip"


def test_lone_run_when_too_few_cosigned_it_then_it_is_unanchored(stories, tmp_path, capsys):
    labs = stories.at("concluded").moved(tmp_path / "labs")
    publish_one(labs, "lab-a")
    words = ["--plan", labs.agreed().id, "--run", labs.runs["lab-a"].id, "-o", tmp_path / "run.zip"]
    assert typed(capsys, "pack", labs.exchange, *words).code == 0
    said_of_unanchored = {lang: typed(capsys, "verify", tmp_path / "run.zip", "--plan", labs.agreed().id, lang=lang) for lang in ("en", "zh")}  # fmt: skip
    for said in said_of_unanchored.values():
        assert (said.code, said.error) == (4, "unanchored-lone")
        assert [line.split()[0] for line in said.out.splitlines() if line.startswith("V-")][-1] == "V-8"
    assert "UNANCHORED" in said_of_unanchored["en"].err
    assert "缺乏锚定" in said_of_unanchored["zh"].err


@pytest.mark.parametrize("run", ["", "zz"])
def test_pack_when_no_run_has_that_id_then_nothing_is_written(stories, tmp_path, capsys, run):
    labs = stories.at("published")
    refused(
        capsys, 2, "no-run-so", "pack", labs.exchange, "--plan", labs.agreed().id, "--run", run, "-o", tmp_path / "r"
    )
    assert not (tmp_path / "r").exists()


def test_pack_when_the_run_has_not_concluded_then_nothing_is_written(stories, tmp_path, capsys):
    labs = stories.at("registered")
    words = ["--plan", labs.agreed().id, "--run", labs.runs["lab-a"].id, "-o", tmp_path / "r"]
    refused(capsys, 4, "lone-not-concluded", "pack", labs.exchange, *words)
    assert not (tmp_path / "r").exists()


def test_lone_run_when_something_lies_beside_then_it_is_named_and_not_read(alone, capsys):
    file, plan = alone
    more = file.with_name("more.zip")
    shutil.copy(file, more)
    with zipfile.ZipFile(more, "a") as opened:
        opened.writestr("lone/lab-a/audits.txt", b"all is well")
    said = typed(capsys, "verify", more, "--plan", plan)
    assert said.code == 0
    assert "not part of it, not read: lab-a/audits.txt" in said.err


def one_run(paper: Paper, tmp_path: Path, capsys, **more) -> list[object]:
    """A run of lab-a on paper, packed alone; the words that verify it."""
    paper.accept_all()
    run = paper.register(**more)
    paper.conclude(run)
    paper.score_all(run)
    words = ["--plan", paper.plan.id, "--run", run[:12], "-o", tmp_path / "run.zip"]
    assert typed(capsys, "pack", paper.save(), *words).code == 0
    return ["verify", tmp_path / "run.zip", "--plan", paper.plan.id]


def test_lone_run_when_the_plan_has_one_party_then_it_is_a_self_check(tmp_path, capsys):
    words = one_run(Paper(tmp_path, n_labs=1), tmp_path, capsys)
    for lang, sign, word in (("en", "UNANCHORED", "a self-check"), ("zh", "缺乏锚定", "自查")):
        said = typed(capsys, *words, lang=lang)
        assert said.code == 0
        assert sign in said.out.splitlines()[-1]
        assert word in said.out.splitlines()[-1]
    assert json.loads(typed(capsys, *words, "--json").out.splitlines()[-1])["status"] == "lone-self-check"


def test_lone_run_when_its_registration_is_no_legal_attempt_then_that_is_listed(tmp_path, capsys):
    words = one_run(Paper(tmp_path, n_labs=1), tmp_path, capsys, drawCommits=[{"auditor": "lab-z", "commit": "0" * 64}])
    said = typed(capsys, *words)
    assert said.code == 0
    assert "[R-6.commits]" in said.err
    assert '"violation": "R-6.commits"' in typed(capsys, *words, "--json").out
