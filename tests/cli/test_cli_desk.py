# SPDX-License-Identifier: Apache-2.0
"""A desk that is not there, half made, mistyped, damaged or older than its log; and two commands of one desk at once."""

import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

from detente.check.exchange import mirror_path
from detente.desk.keys import own_log
from detente.desk.lies import rewrite_log
from kit.labs import publish_one, run_one
from kit.typed import environ, program, refused, typed

HOME = "https://lab-a.example/detente"
MODEL = "m=python:kit.labs:scripted"


def init(root: Path, *more: str, party: str = "lab-a") -> list[object]:
    names = ["--name", "en=Lab A", "--name", "zh-Hans=实验室 A"]
    return ["init", party, "--desk", root / "desk", "--exchange", root / "exchange", "--home", HOME, *names, *more]


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"lab-a": "Lab_A"}, "B-5.id", "Lab_A"),
        ({"lab-a": "con"}, "B-5.id", "con"),
        ({HOME: "http://lab-a.example"}, "P-1.home", "http://lab-a.example"),
        ({HOME: "https://"}, "bad-home", "https://"),
        ({HOME: "https://lab a.example"}, "bad-home", "lab a.example"),
        ({"en=Lab A": "english-x=Lab A"}, "B-5.language", "english-x"),
        ({"en=Lab A": "Lab A"}, "bad-pair", "Lab A"),
        ({"en=Lab A": "zh-Hans=x"}, "pair-twice", "zh-Hans="),
        ({MODEL: "M M=python:kit.labs:scripted"}, "B-5.id", "M M"),
        ({MODEL: "m=nothing"}, "model-spec", "openai:URL#NAME"),
        ({MODEL: "m=gguf:{root}/nowhere.gguf"}, "model-missing", "nowhere.gguf"),
        ({MODEL: "m=gguf:{root}/text.gguf"}, "model-not-gguf", "text.gguf"),
        ({MODEL: "m=python:kit.nowhere:f"}, "model-import", "kit.nowhere"),
        ({MODEL: "m=openai:ftp://h/v1#x"}, "endpoint-url", "https://HOST/v1#NAME"),
        ({MODEL: "m=openai:https://user:sk-secret@h/v1#x"}, "endpoint-url", "environment variable"),
    ],
    ids=lambda value: next(iter(value.values())) if isinstance(value, dict) else "",
)
def test_init_when_a_word_does_not_fit_then_nothing_is_made(capsys, tmp_path, change, error, named):
    (tmp_path / "text.gguf").write_text("this is no model")
    words = [change.get(word, word) for word in init(tmp_path, "--model", MODEL)]
    words = [word.format(root=tmp_path) if isinstance(word, str) else word for word in words]
    said = refused(capsys, 2, error, *words)
    assert named in said.err
    assert "sk-secret" not in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["text.gguf"]


def test_init_when_options_belong_to_no_model_or_language_then_it_is_refused(capsys, tmp_path):
    given = init(tmp_path, "--model", MODEL)
    assert "nn" in refused(capsys, 2, "no-model", *given, "--key-env", "nn=KEY").err
    assert "SUBJECT/en|zh-Hans" in refused(capsys, 2, "bad-pair", *given, "--model-name", "m/fr=M").err
    assert "prompt.txt" in refused(capsys, 2, "no-such-file", *given, "--system", f"m={tmp_path}/prompt.txt").err
    (tmp_path / "prompt.txt").write_bytes("你是".encode("gb18030"))
    refused(capsys, 2, "not-text", *given, "--system", f"m={tmp_path}/prompt.txt")
    assert not (tmp_path / "desk").exists()


def test_init_when_the_desk_would_lie_in_the_exchange_then_no_key_is_made_there(capsys, tmp_path):
    words = [tmp_path / "exchange" / "mine" if word == tmp_path / "desk" else word for word in init(tmp_path)]
    refused(capsys, 2, "desk-inside", *words)
    assert not (tmp_path / "exchange").exists()


def test_init_when_a_file_lies_in_the_way_then_it_is_named(capsys, tmp_path):
    (tmp_path / "exchange").write_text("")
    assert "exchange" in refused(capsys, 2, "not-a-folder", *init(tmp_path)).err
    assert not (tmp_path / "desk").exists()


def test_init_when_given_again_then_keys_stay_and_the_exchange_is_mended(capsys, tmp_path):
    assert typed(capsys, *init(tmp_path, "--model", MODEL)).code == 0
    card = (tmp_path / "desk" / "card.json").read_bytes()
    keys = {path.name: path.read_bytes() for path in (tmp_path / "desk" / "keys").iterdir()}
    assert all(stat.S_IMODE((tmp_path / "desk" / "keys" / name).stat().st_mode) == 0o600 for name in keys)
    shutil.rmtree(tmp_path / "exchange")
    (tmp_path / "desk" / "card.json").unlink()
    assert typed(capsys, *init(tmp_path, "--model", MODEL)).code == 0
    assert typed(capsys, "init", "lab-a", "--desk", tmp_path / "desk").code == 0
    assert (tmp_path / "desk" / "card.json").read_bytes() == card
    assert {path.name: path.read_bytes() for path in (tmp_path / "desk" / "keys").iterdir()} == keys
    assert (tmp_path / "exchange" / "lab-a" / ".gitattributes").read_bytes() == b"* -text\n"


def test_init_when_desk_toml_was_lost_then_keys_and_lab_stay_the_same(capsys, tmp_path):
    assert typed(capsys, *init(tmp_path, "--model", MODEL)).code == 0
    card = (tmp_path / "desk" / "card.json").read_bytes()
    (tmp_path / "desk" / "desk.toml").unlink()
    assert typed(capsys, *init(tmp_path, "--model", MODEL)).code == 0
    assert (tmp_path / "desk" / "card.json").read_bytes() == card


@pytest.mark.parametrize("more", [["--home", "https://b.example"], ["--model", "n=python:kit.labs:scripted"]])
def test_init_when_something_else_is_given_the_second_time_then_it_is_not_passed_over(capsys, tmp_path, more):
    assert typed(capsys, *init(tmp_path, "--model", MODEL)).code == 0
    said = refused(capsys, 2, "desk-differs", "init", "lab-a", "--desk", tmp_path / "desk", *more)
    assert more[0] in said.err
    refused(capsys, 2, "desk-exists", "init", "lab-b", "--desk", tmp_path / "desk")


def test_init_when_a_key_variable_is_named_then_the_key_is_not_needed_for_the_card(capsys, tmp_path):
    pytest.importorskip("pyreqwest")
    words = init(tmp_path, "--model", "m=openai:http://127.0.0.1:9/v1#x", "--key-env", "m=NO_SUCH_KEY")
    assert typed(capsys, *words).code == 0
    assert (tmp_path / "desk" / "card.json").is_file()


# --- desk.toml and keys ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("party =", "party", "line 1"),
        ('party = "lab-a"', 'party = "lab-a"\nparty = "lab-a"', "line 2"),
        ('party = "lab-a"', "party = 5", "$.party"),
        ('party = "lab-a"', 'partei = "lab-a"', "party"),
        ("[name]", "[names]", "name"),
        ('key_env = "KEY"', 'key-env = "KEY"', "$.model[0]"),
        ("[[model]]", "[model]", "$.model"),
        ('subject = "m"', 'subject = "m"\nuse = 5', "line"),
    ],
    ids=["no toml", "key twice", "a number", "unknown", "table missing", "hyphen", "no list", "twice below"],
)
def test_desk_file_when_it_does_not_fit_then_the_member_is_named(capsys, tmp_path, old, new, named):
    assert typed(capsys, *init(tmp_path, "--model", MODEL, "--key-env", "m=KEY")).code == 0
    path = tmp_path / "desk" / "desk.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    said = refused(capsys, 2, "desk-broken", "status", "--desk", tmp_path / "desk")
    assert named in said.err
    assert "desk.toml" in said.err


def test_desk_file_when_it_is_no_utf_8_then_it_is_told(capsys, tmp_path):
    assert typed(capsys, *init(tmp_path)).code == 0
    path = tmp_path / "desk" / "desk.toml"
    path.write_bytes(path.read_text("utf-8").encode("gb18030"))
    refused(capsys, 2, "desk-broken", "status", "--desk", tmp_path / "desk")


@pytest.mark.parametrize("damage", [None, b"", b"00" * 20, b"\xff\xfe"])
@pytest.mark.parametrize("name", ["statement.key", "log.key", "witness.key", "recipient.key"])
def test_key_when_missing_or_damaged_then_no_other_is_made(stories, capsys, tmp_path, name, damage):
    desk = stories.at("signed").moved(tmp_path).desks["lab-a"]
    path = desk.root / "keys" / name
    path.unlink() if damage is None else path.write_bytes(damage)
    if name == "recipient.key":
        words: list[object] = ["init", "lab-a", "--desk", desk.root]
    else:
        words = ["witness", "--desk", desk.root]
    assert name in refused(capsys, 4, "key-broken", *words).err
    assert (path.read_bytes() if path.exists() else None) == damage


def test_plan_file_of_a_desk_when_damaged_then_it_is_told(stories, capsys, tmp_path):
    desk = stories.at("signed").moved(tmp_path).desks["lab-a"]
    (desk.root / "plan.txt").write_text("7f3a")
    assert "plan.txt" in refused(capsys, 4, "desk-damaged", "status", "--desk", desk.root).err


def test_exchange_of_a_desk_when_it_is_gone_then_it_is_told(stories, capsys, tmp_path):
    desk = stories.at("signed").moved(tmp_path).desks["lab-a"]
    shutil.rmtree(desk.exchange)
    for words in (["status"], ["run"], ["witness"], ["plan", "show", "0" * 8]):
        refused(capsys, 4, "exchange-missing", *words, "--desk", desk.root)


# --- a desk that is older than its log (L-6) ----------------------------------------------------


def test_lab_when_restored_from_an_older_backup_then_it_signs_nothing_until_its_log_is_back(stories, capsys, tmp_path):
    """Desk and exchange folder as they were before the registration; the other lab's mirror knows better, and has it all."""
    labs = stories.at("registered").moved(tmp_path)
    desk, plan = labs.desks["lab-a"], labs.agreed()
    runs, log = desk.root / "runs", labs.exchange / "lab-a" / "log"
    shutil.move(runs, tmp_path / "runs")
    rewrite_log(labs.exchange, desk, plan, lambda entries: entries[:1])
    checkpoint = (log / "checkpoint").read_bytes()
    for words in (["run"], ["status"], ["plan", "sign", plan.id], ["audit", "ask"], ["close"]):
        assert "mirror" in refused(capsys, 3, "L-6.ahead", *words, "--desk", desk.root).err
    assert (log / "checkpoint").read_bytes() == checkpoint

    # what the hint says
    mirror = labs.exchange.joinpath(*mirror_path("lab-b", desk.me(plan).log.origin))
    shutil.copytree(mirror / "tile", log / "tile", dirs_exist_ok=True)
    shutil.copy(mirror / "checkpoint", log / "checkpoint")
    refused(capsys, 4, "desk-behind", "run", "--desk", desk.root)  # the secret of the run is still in the newer backup
    shutil.move(tmp_path / "runs", runs)
    assert typed(capsys, "run", "--desk", desk.root).code == 0
    assert own_log(desk, plan).size == 2


@pytest.mark.parametrize("lost", ["the whole run", "the answers and what was made of them"])
def test_desk_when_older_than_its_own_log_then_it_makes_no_second_conclusion(stories, capsys, tmp_path, lost):
    labs = stories.at("published").moved(tmp_path)
    desk, run = labs.desks["lab-a"], labs.runs["lab-a"]
    if lost == "the whole run":
        shutil.rmtree(desk.root / "runs")
    else:
        shutil.rmtree(run.journal_path())
        shutil.rmtree(run.out().root)
    size = own_log(desk, labs.agreed()).size
    for words in (["score"], ["publish"], ["publish", "--dry-run"]):
        said = refused(capsys, 4, "desk-behind", *words, "--desk", desk.root)
        assert "backup" in said.err
    assert own_log(desk, labs.agreed()).size == size


def test_desk_when_it_lost_the_secret_of_a_running_run_then_it_says_so(stories, capsys, tmp_path):
    labs = stories.at("registered").moved(tmp_path)
    desk = labs.desks["lab-a"]
    shutil.rmtree(desk.root / "runs")
    refused(capsys, 4, "desk-behind", "run", "--desk", desk.root)
    assert typed(capsys, "status", "--desk", desk.root).code == 0


# --- two at once ---------------------------------------------------------------------------------


def test_two_commands_of_one_desk_when_at_once_then_the_second_waits_its_turn(stories, capsys, tmp_path):
    labs = stories.at("concluded").moved(tmp_path)
    desk = labs.desks["lab-a"]
    with desk.folder().held():
        for words in (["score"], ["publish"], ["audit", "answer"], ["plan", "sign", labs.agreed().id], ["close"]):
            said = refused(capsys, 4, "folder-busy", *words, "--desk", desk.root)
            assert str(desk.root) in said.err
        assert typed(capsys, "status", "--desk", desk.root).code == 0
    assert typed(capsys, "score", "--desk", desk.root).code == 0


def test_two_runs_of_one_desk_when_at_once_then_one_asks_and_the_other_is_told(stories, capsys, tmp_path):
    labs = stories.at("registered").moved(tmp_path)
    desk, run = labs.desks["lab-a"], labs.runs["lab-a"]
    slow = (
        "import kit.labs, time; quick = kit.labs.scripted; kit.labs.scripted = lambda m: (time.sleep(.07), quick(m))[1]"
    )
    words = ["run", "--desk", desk.root, "--concurrency", "1"]
    first = subprocess.Popen(
        program(*words, prelude=slow), env=environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until = time.monotonic() + 20
    while not (run.journal_path() / "bodies.jsonl").exists() and time.monotonic() < until:
        time.sleep(0.02)
    refused(capsys, 2, "journal-busy", "run", "--desk", desk.root)
    out, _ = first.communicate(timeout=30)
    assert first.returncode == 0
    assert run.id in out.decode()


def test_two_registrations_when_at_once_then_there_is_one(stories, tmp_path):
    labs = stories.at("signed").moved(tmp_path)
    desk = labs.desks["lab-a"]
    both = [
        subprocess.Popen(program("run", "--desk", desk.root), env=environ(), stdout=-3, stderr=-1) for _ in range(2)
    ]
    ends = [one.communicate(timeout=30)[1].decode() for one in both]
    assert {one.returncode for one in both} == {4}, ends
    assert all("R-4.unwitnessed" in end or "folder-busy" in end for end in ends), ends
    assert own_log(desk, labs.agreed()).size == 2


def test_moved_story_when_published_again_then_nothing_is_added(stories, capsys, tmp_path):
    labs = stories.at("registered").moved(tmp_path)
    run_one(labs, "lab-a")
    publish_one(labs, "lab-a")
    desk, plan = labs.desks["lab-a"], labs.agreed()
    size = own_log(desk, plan).size
    assert typed(capsys, "publish", "--desk", desk.root).code == 0
    assert own_log(desk, plan).size == size


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-9], lambda raw: b"{}", lambda raw: raw.replace(b'"sig":"', b'"sig":"A')]
)
def test_conclusion_on_the_desk_when_damaged_then_it_is_not_published(stories, capsys, tmp_path, damage):
    labs = stories.at("concluded").moved(tmp_path)
    desk, path = labs.desks["lab-a"], labs.runs["lab-a"].out().root / "conclude.json"
    assert typed(capsys, "score", "--desk", desk.root).code == 0
    path.write_bytes(damage(path.read_bytes()))
    assert typed(capsys, "status", "--desk", desk.root).error in {"", "desk-damaged"}
    refused(capsys, 4, "desk-damaged", "publish", "--desk", desk.root)
    assert own_log(desk, labs.agreed()).size == 2


def test_journal_when_damaged_after_the_answers_were_fixed_then_nothing_is_asked_scored_or_shown_anew(
    stories, capsys, tmp_path
):
    labs = stories.at("concluded").moved(tmp_path)
    desk, run = labs.desks["lab-a"], labs.runs["lab-a"]
    path = run.journal_path() / "bodies.jsonl"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for damaged in (b"".join(lines[:-1]), b"", whole.replace(b"Sure. First", b"Sure. Fisrt")):
        assert damaged != whole
        path.write_bytes(damaged)
        assert typed(capsys, "run", "--desk", desk.root).out.strip() == run.id
        refused(capsys, 4, "journal-lacks", "score", "--desk", desk.root)
        assert path.read_bytes() == damaged
    path.write_bytes(whole)
    for words in (["score"], ["publish"]):
        assert typed(capsys, *words, "--desk", desk.root).code == 0
