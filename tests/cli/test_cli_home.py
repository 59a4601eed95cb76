# SPDX-License-Identifier: Apache-2.0
"""An annex kept at home, as people mistype it: every refusal named in both languages, and nothing lost."""

import shutil
from pathlib import Path

import pytest

from detente.desk.homes import prepare_home
from detente.desk.keys import Desk
from kit.labs import Labs, meet
from kit.typed import refused, typed

SUITE = '[[suite]]\nfrom = "core-v0"\nid = "cn"\nlanguages = ["zh-Hans"]\ntake = [{ hazard = "dt:privacy", n = 3 }]\n'
KEPT = "annex-lab-b"


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def agreed(root: Path, caps: str = "") -> Labs:
    root.mkdir(exist_ok=True)
    path = written(root / "annex.toml", SUITE)

    def tables(desks: dict[str, Desk]) -> str:
        return f'{caps}[[annex]]\nparty = "lab-b"\ncommitment = "{prepare_home(desks["lab-b"], path).commitment}"\n'

    return meet(root, extra=tables)


@pytest.mark.parametrize(
    ("text", "error", "named"),
    [
        ("", "draft-missing", "suite"),
        ("suite = 1\n", "home-shape", "$.suite"),
        (SUITE + 'section = "core"\n', "home-shape", "section"),
        ('title = "x"\n' + SUITE, "home-shape", "title"),
        (SUITE.replace("core-v0", "core-v9"), "no-suite", "core-v9"),
        (SUITE.replace("zh-Hans", "fr"), "no-language", "fr"),
        (SUITE + 'without = ["nobody"]\n', "no-item", "nobody"),
        (SUITE.replace("n = 3", "n = 3000"), "too-few-items", "3000"),
        (SUITE.replace('"cn"', '"C N"'), "B-5.id", "C N"),
        (SUITE + SUITE, "P-1.twice", "cn"),
        (SUITE + SUITE.replace('"cn"', '"cn-2"'), "S-1.twice", "cn-2"),
        (SUITE + "epochs = 0\n", "B-3.shape", "epochs"),
    ],
)
def test_plan_home_when_the_file_does_not_fit_then_it_says_where_and_lays_nothing(
    capsys, tmp_path, stories, text, error, named
):
    labs = stories.at("signed").moved(tmp_path / "labs")
    desk = labs.desks["lab-b"].root
    said = refused(capsys, 2, error, "plan", "home", written(tmp_path / "a.toml", text), "--desk", desk)
    assert named in said.err
    assert not (desk / "home").exists()


def test_plan_home_when_the_file_or_desk_is_missing_then_it_is_told(capsys, tmp_path):
    refused(capsys, 2, "no-desk", "plan", "home", tmp_path / "a.toml", "--desk", tmp_path)
    desk = meet(tmp_path).desks["lab-b"].root
    refused(capsys, 2, "no-such-file", "plan", "home", tmp_path / "a.toml", "--desk", desk)
    refused(capsys, 2, "cli-missing", "plan", "home", "--desk", desk)


def test_run_when_the_annex_is_not_as_planned_then_it_is_refused_and_nothing_is_registered(capsys, tmp_path):
    labs = agreed(tmp_path)
    desk = labs.desks["lab-b"].root
    run = ["run", "--section", KEPT, "--desk", desk]
    refused(capsys, 2, "P-6.not-yours", "run", "--section", KEPT, "--desk", labs.desks["lab-a"].root)
    refused(capsys, 2, "no-test", "run", "--section", "annex-lab-a", "--desk", desk)
    lists = next((desk / "home" / KEPT / "prepared").glob("*/lists/*"))
    whole = lists.read_bytes()
    lists.write_bytes(whole.replace(b"dt:privacy", b"dt:crime"))
    refused(capsys, 3, "P-6.changed", *run)
    lists.write_bytes(whole)
    shutil.move(desk / "home", tmp_path / "away")
    refused(capsys, 2, "P-6.unprepared", *run)
    assert typed(capsys, "plan", "home", tmp_path / "annex.toml", "--desk", desk).code == 0
    refused(capsys, 2, "P-6.other-commitment", *run)
    shutil.rmtree(desk / "home")
    shutil.move(tmp_path / "away", desk / "home")
    assert typed(capsys, *run).code == 0


def test_run_when_the_plan_has_no_cap_for_the_annex_then_it_is_refused(capsys, tmp_path):
    source = tmp_path / "fr"
    source.mkdir()
    written(source / "suite.toml", 'id = "fr"\nlanguages = ["fr"]\ncanary = "c"\n[title]\nen = "F"\n')
    written(source / "items.jsonl", '{"id":"x","lang":"fr","text":"q","hazard":"dt:crime","kind":"hazard"}\n')
    path = written(tmp_path / "annex.toml", '[[suite]]\nfrom = "fr"\n')

    def tables(desks: dict[str, Desk]) -> str:
        return f'[[annex]]\nparty = "lab-b"\ncommitment = "{prepare_home(desks["lab-b"], path).commitment}"\n'

    labs = meet(tmp_path, extra=tables)
    desk = labs.desks["lab-b"].root
    assert "fr" in refused(capsys, 2, "P-6.caps", "run", "--section", KEPT, "--desk", desk).err


def test_run_when_the_party_tests_nothing_then_it_is_refused(capsys, tmp_path):
    labs = agreed(tmp_path / "one")
    draft = (labs.root / "plan.toml").read_text("utf-8")
    draft = draft.replace('[[test]]\nparty = "lab-b"\nsubject = "m-lab-b"\n', "")
    desks = {name: meet_again(labs, tmp_path / "two", name) for name in labs.desks}
    made = typed(
        capsys, "plan", "new", written(labs.root / "two.toml", draft), "--card", desks["lab-b"] / "card.json",
        "--desk", desks["lab-a"],
    )  # fmt: skip
    assert made.code == 0, made.err
    for desk in desks.values():
        assert typed(capsys, "plan", "sign", made.out.strip(), "--desk", desk).code == 0
    refused(capsys, 2, "P-6.no-subject", "run", "--section", KEPT, "--desk", desks["lab-b"])


def meet_again(labs: Labs, root: Path, name: str) -> Path:
    """The desk of a lab before it signed anything, and an exchange to itself and its likes."""
    desk = root / "desks" / name
    shutil.copytree(labs.desks[name].root, desk)
    (desk / "plan.txt").unlink()
    (root / "exchange").mkdir(exist_ok=True)
    return desk


def test_run_when_other_suites_were_prepared_since_it_began_then_it_is_refused(capsys, tmp_path):
    labs = meet(tmp_path, extra=lambda _: '[[annex]]\nparty = "lab-b"\n')
    desk = labs.desks["lab-b"].root
    path = written(tmp_path / "annex.toml", SUITE)
    run = ["run", "--section", KEPT, "--desk", desk]
    refused(capsys, 2, "P-6.unprepared", *run)
    assert typed(capsys, "plan", "home", path, "--desk", desk).code == 0
    assert typed(capsys, *run).code == 0
    assert typed(capsys, "plan", "home", written(path, SUITE.replace("n = 3", "n = 2")), "--desk", desk).code == 0
    refused(capsys, 2, "P-6.begun-with-others", *run)
    assert typed(capsys, "plan", "home", written(path, SUITE), "--desk", desk).code == 0
    assert "concluded already" in typed(capsys, *run).err


def unspoken(labs: Labs) -> str:
    """The labs' draft without its word on disclosure."""
    first, rest = (labs.root / "plan.toml").read_text("utf-8").split("\n", 1)
    assert first.startswith("disclosure = ")
    return rest


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ('[[suite]]\nfrom = "core-v0"\nid = "x"\nsection = "annex-lab-b"\n', "P-5.home"),
        ('[[annex]]\nparty = "lab-b"\n[[annex]]\nparty = "lab-b"\n', "P-5.twice"),
        ('[[annex]]\nparty = "lab-b"\ndisclosure = { headers = "public", scores = "public" }\n', "P-5.empty"),
        ('[[annex]]\nparty = "lab-b"\n[[test]]\nparty = "lab-b"\nsubject = "m-lab-b"\nsection = "annex-lab-b"\n', "P-6.test"),
        ('[[annex]]\nparty = "lab-z"\n', "P-1.unknown"),
    ],
)  # fmt: skip
def test_plan_new_when_an_annex_does_not_hold_together_then_it_says_what_to_do(capsys, tmp_path, stories, more, error):
    labs = stories.at("signed").moved(tmp_path / "labs")
    draft = written(tmp_path / "p.toml", unspoken(labs) + more)
    card, desk = labs.desks["lab-b"].root / "card.json", labs.desks["lab-a"].root
    refused(capsys, 2, error, "plan", "new", draft, "--card", card, "--desk", desk)


def test_plan_new_when_core_is_to_stay_at_home_then_it_is_refused(capsys, tmp_path, stories):
    labs = stories.at("signed").moved(tmp_path / "labs")
    draft = written(tmp_path / "p.toml", 'disclosure = "home"\n' + unspoken(labs))
    card, desk = labs.desks["lab-b"].root / "card.json", labs.desks["lab-a"].root
    refused(capsys, 2, "P-6.core", "plan", "new", draft, "--card", card, "--desk", desk)
