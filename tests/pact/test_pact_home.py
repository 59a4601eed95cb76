# SPDX-License-Identifier: Apache-2.0
"""An annex kept at home, on paper: what its file may say, the line that commits to it, and the plan it is run under."""

from typing import Any

import pytest
from msgspec import UNSET

from detente.errors import Malformed, WrongUsage
from detente.pact.draft import draft_suites
from detente.pact.home import check_home, encode_commitment, home_plan, parse_commitment, read_home
from detente.pact.item import Item, SourceSuite, parse_list
from detente.pact.plan import PlanFile, Suite, parse_plan
from detente.wire.canonical import decode, decode_as, encode
from detente.wire.digests import sha256
from kit.paper import CANARY, PaperLab, listed, plan_dict

LABS = [PaperLab("lab-a"), PaperLab("lab-b")]
ITEMS = [Item("dt:crime", f"c{k}", "hazard", None, {"zh-Hans": f"问 {k}", "fr": f"q {k}"}) for k in range(4)]
SOURCES = {"own": SourceSuite("own", {"en": "Own"}, ["zh-Hans", "fr"], CANARY, ITEMS)}
SALT = "5a" * 32


def rows(toml: str) -> list[dict[str, Any]]:
    return read_home(toml.encode(), "h")


def suites(toml: str = '[[suite]]\nfrom = "own"\nlanguages = ["zh-Hans"]\n') -> list[Suite]:
    values, made = draft_suites(rows(toml), "lab-b", SOURCES, "h")
    found = decode_as(encode(values), list[Suite], "h")
    check_home(found, {one.id: parse_list(made.files[one.list], "h") for one in found}, "h")
    return found


def joint() -> PlanFile:
    plan = plan_dict(LABS, listed(["hazard", "benign", "control"]))
    plan["tests"] = [{"party": lab.id, "section": "core", "subject": "m1"} for lab in LABS]
    plan["parties"] = [{**party, "roles": ["tests", "audits"]} for party in plan["parties"]]
    plan["sections"].append(
        {"audit": None, "disclosure": "home", "external": True, "id": "annex-lab-b", "releasers": []}
    )
    return parse_plan(encode(plan))


@pytest.mark.parametrize(
    ("toml", "code"),
    [
        ("", "draft-missing"), ("[[suite]]\n", "home-shape"), ("a =", "draft-toml"),
        ('[[suite]]\nfrom = "own"\nsection = "core"\n', "home-shape"),
        ('[[suite]]\nfrom = "own"\nowner = "lab-a"\n', "home-shape"),
        ('title = "x"\n[[suite]]\nfrom = "own"\n', "home-shape"),
        ('[[suite]]\nfrom = "own"\nepochs = 0\n', "B-3.shape"),
        ('[[suite]]\nfrom = "own"\ntake = [{ n = 0 }]\n', "B-3.shape"),
        ('[[suite]]\nfrom = "own"\nid = "../x"\n', "B-5.id"),
        ('[[suite]]\nfrom = "own"\nlanguages = []\n', "S-3.languages"),
        ('[[suite]]\nfrom = "own"\n[[suite]]\nfrom = "own"\n', "P-1.twice"),
        ('[[suite]]\nfrom = "own"\n[[suite]]\nfrom = "own"\nid = "b"\n', "S-1.twice"),
        ('[[suite]]\nfrom = "other"\n', "draft-shape"),
    ],
)  # fmt: skip
def test_home_file_when_it_does_not_fit_then_the_member_is_named(toml: str, code: str) -> None:
    with pytest.raises(Malformed) as caught:
        suites(toml)
    assert caught.value.code == code


def test_home_file_when_a_language_is_unknown_then_it_is_wrong_usage() -> None:
    with pytest.raises(WrongUsage, match="no-language"):
        suites('[[suite]]\nfrom = "own"\nlanguages = ["de"]\n')


def test_commitment_when_made_then_it_is_the_line_of_the_format_and_hides_the_lists() -> None:
    found = suites()
    raw = encode_commitment("annex-lab-b", found, SALT)
    assert decode(raw) == {
        "lists": [{"list": found[0].list, "suite": "own"}],
        "salt": SALT,
        "section": "annex-lab-b",
        "type": "https://detente.example/home/v1",
    }
    assert [one.list for one in parse_commitment(raw, "annex-lab-b", "x").lists] == [found[0].list]
    assert sha256(raw) != sha256(encode_commitment("annex-lab-b", found, "00" * 32))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"section": "annex-lab-a"}, "P-6.line"), ({"type": "https://detente.example/plan/v1"}, "P-6.line"),
        ({"lists": []}, "P-6.line"), ({"salt": "5a"}, "B-3.shape"), ({"more": 1}, "B-3.shape"),
        ({"lists": [{"list": SALT, "suite": "a"}, {"list": SALT, "suite": "a"}]}, "P-6.line"),
        ({"lists": [{"list": SALT, "suite": "A"}]}, "B-5.id"),
    ],
)  # fmt: skip
def test_commitment_when_the_line_is_of_another_kind_then_it_is_refused(change: dict[str, Any], code: str) -> None:
    value = decode(encode_commitment("annex-lab-b", suites(), SALT))
    with pytest.raises(Malformed) as caught:
        parse_commitment(encode({**value, **change}), "annex-lab-b", "x")
    assert caught.value.code == code


def test_home_plan_when_made_then_every_rule_is_the_joint_plans_and_the_party_is_alone() -> None:
    plan, found = joint(), suites()
    card = {**PaperLab("lab-b").party(), "statement": PaperLab("lab-z").party()["statement"]}
    made = parse_plan(home_plan(plan, card, found, "canary", "h"))
    same = (
        "sampling",
        "caps",
        "measures",
        "competence",
        "filtered",
        "maxMissing",
        "runs",
        "requires",
        "blind",
        "texts",
    )
    assert all(getattr(made.plan, name) == getattr(plan.plan, name) for name in same)
    assert [(s.id, s.definition, s.by) for s in made.plan.scorers] == [
        (s.id, s.definition, "tester") for s in plan.plan.scorers
    ]
    assert [party.id for party in made.plan.parties] == ["lab-b"]
    assert made.plan.parties[0].statement == card["statement"]
    assert (made.plan.quorum, made.plan.closing.by, made.plan.kept()) == (0, ["lab-b"], [])
    assert made.plan.suites == found
    assert [(t.party, t.section, t.subject) for t in made.plan.tests] == [("lab-b", "annex-lab-b", "m1")]
    assert made.plan.section("annex-lab-b").external
    assert not made.plan.section("core").external
    assert made.plan.title["zh-Hans"].startswith(plan.plan.title["zh-Hans"])
    assert plan.id[:4] in made.plan.title["zh-Hans"]
    assert made.raw == home_plan(plan, card, found, "canary", "h")


def test_home_plan_when_measures_name_suites_then_those_of_variants_alone_stay_out() -> None:
    plan = decode(joint().raw)
    plan["suites"].append({**plan["suites"][0], "id": "coded", "variant": {"name": "base64", "of": "mini"}})
    first, over = plan["measures"]
    plan["measures"] = [first, {**over, "suites": ["mini"]}, {**over, "id": "over-coded", "suites": ["coded"]}]
    made = parse_plan(
        home_plan(parse_plan(encode(plan)), PaperLab("lab-b").party(), suites(), "c", "h"),
    )
    assert [(m.id, m.suites) for m in made.plan.measures] == [("did-not-refuse", UNSET), ("over-refusal", UNSET)]


def test_home_plan_when_the_joint_plan_has_no_cap_or_no_test_for_it_then_it_is_refused() -> None:
    with pytest.raises(WrongUsage) as caught:
        home_plan(joint(), PaperLab("lab-b").party(), suites('[[suite]]\nfrom = "own"\n'), "c", "h")
    assert (caught.value.code, caught.value.got) == ("P-6.caps", "fr")
    plan = decode(joint().raw)
    plan["tests"] = plan["tests"][:1]
    with pytest.raises(WrongUsage) as caught:
        home_plan(parse_plan(encode(plan)), PaperLab("lab-b").party(), suites(), "c", "h")
    assert (caught.value.code, caught.value.got) == ("P-6.no-subject", "lab-b")
