# SPDX-License-Identifier: Apache-2.0
"""Cheats with definitions, word lists, draws and hits in a plan that all have signed: what V-1 and V-5 make of them, in both verifiers."""

from pathlib import Path
from typing import Any

import pytest

from detente.check.verify import verify
from detente.desk.banks import look_at_banks
from detente.errors import CannotTell, Malformed, NotVerified
from detente.pact.item import encode_list
from detente.pact.plan import parse_plan
from detente.pact.rule import parse_rule, preset_file
from detente.score.keywords import KeywordScorer
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from kit.growth import assert_linear
from kit.paper import NOON, Paper, PaperLab, definition, listed, plan_dict
from kit.second import NODE, Second

LIST = b"A.1.a\tsome word\n"
KINDS = ("hazard", "hazard", "benign", "control")
LABS = [PaperLab("lab-a"), PaperLab("lab-b")]


def definition_of(**changes: Any) -> bytes:
    """The definition of ``keywords`` with members changed."""
    plain = decode(definition("refusal"))
    return encode({**plain, "labels": ["clean", "hit"], "name": "keywords", "rules": sha256(LIST), **changes})


def signed(folder: Path, raw: bytes, measure: dict[str, Any] | None = None, shown: bytes | None = None) -> Paper:
    """Two labs that all signed a plan with one more scorer and measure; ``shown``: what lies beside the plan."""
    rows = plan_dict(LABS, listed(KINDS))
    scorer = {**rows["scorers"][0], "definition": sha256(raw), "id": "words", "method": decode(raw)["method"]}
    found = {"corrected": None, "hit": ["hit"], "id": "found", "kind": "hazard", "name": "other", "scorer": "words"}
    measures = [*rows["measures"], {**found, **(measure or {})}]
    paper = Paper(folder, KINDS, scorers=[*rows["scorers"], scorer], measures=measures)
    for one in (raw, *([shown] if shown else [])):
        paper.lay(f"lab-a/plans/{paper.plan.id}/files/{sha256(one)}", one)
    paper.accept_all()
    paper.witness_all(NOON)
    return paper


def refused(paper: Paper) -> str:
    with pytest.raises(NotVerified) as caught:
        verify(paper.save(), paper.plan.id)
    assert caught.value.step == "V-5"
    return caught.value.code


# --- what may stay at home -------------------------------------------------------------------------


def test_list_when_it_stays_at_home_then_the_plan_holds_and_verify_names_the_scorer(tmp_path: Path) -> None:
    paper = signed(tmp_path, definition_of())
    assert verify(paper.save(), paper.plan.id).lists_at_home() == ["words"]


@pytest.mark.parametrize(
    ("changes", "measure"),
    [
        (
            {"labels": ["refuse", "deflect", "partial", "comply"]},
            {"hit": ["deflect", "partial", "comply"], "name": "didNotRefuse"},
        ),
        ({"labels": ["harmful", "safe"]}, {"hit": ["harmful"]}),
        ({"labels": ["hit", "clean"]}, {}),
        ({"rules": None}, {}),  # a list of words without a list: labels that nobody ever could make again
    ],
    ids=["labels of refusal", "labels of a judge", "another order", "no list"],
)
def test_rules_when_another_scorer_is_called_keywords_then_v5_refuses(
    tmp_path: Path, changes: dict[str, Any], measure: dict[str, Any]
) -> None:
    assert refused(signed(tmp_path, definition_of(**changes), measure)) == "C-1.definition"


@pytest.mark.parametrize("changes", [{"name": "Keywords"}, {"name": "keywords "}, {"method": "judge"}, {"method": "choice"}], ids=str)  # fmt: skip
def test_rules_when_a_scorer_is_only_nearly_keywords_then_they_must_lie_here(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    paper = signed(tmp_path, definition_of(**changes))
    with pytest.raises(CannotTell, match=r"P-9\.missing"):
        verify(paper.save(), paper.plan.id)


def test_list_when_a_scorer_that_reads_none_names_its_digest_then_the_gate_does_not_believe_it(tmp_path: Path) -> None:
    rule = parse_rule(preset_file("cn-tc260-003-2024"), "preset")
    (tmp_path / "words.tsv").write_bytes(LIST)
    for n, (changes, holds) in enumerate((({}, True), ({"name": "includes"}, None))):
        paper = signed(tmp_path / str(n), definition_of(**changes), {"id": "qualified-keywords"}, LIST)
        looked = look_at_banks(rule, {"keyword-list": str(tmp_path / "words.tsv")}, verify(paper.save(), paper.plan.id))
        assert [used.holds for used in looked["keyword-list"].used] == [holds]


# --- hits that mean nothing ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "measure", "code"),
    [
        (definition_of(), {"hit": ["clean", "hit"], "name": "didNotRefuse"}, "P-8.hit"),
        (
            definition_of(name="j", method="judge", labels=["harmful", "safe"]),
            {"hit": ["harmful", "safe"], "name": "didNotRefuse"},
            "P-8.hit",
        ),
        (definition_of(), {"hit": ["clean", "hit", "refuse"]}, "P-8.hit"),
        (definition_of(), {"hit": ["refuse"]}, "P-8.label"),
        (definition_of(), {"hit": ["hit", "Refuse"]}, "P-8.label"),
    ],
    ids=[
        "keywords never refuse",
        "a judge without refusals",
        "everything is a hit",
        "refuse alone",
        "another spelling",
    ],
)
def test_hit_when_it_bends_what_the_name_says_then_v5_refuses(
    tmp_path: Path, raw: bytes, measure: dict[str, Any], code: str
) -> None:
    assert refused(signed(tmp_path, raw, measure, LIST)) == code


def test_hit_when_a_filtered_answer_qualifies_then_both_verifiers_bear_it(tmp_path: Path) -> None:
    for n, name in enumerate(("other", "overRefusal")):
        paper = signed(tmp_path / str(n), definition_of(), {"hit": ["clean", "refuse"], "name": name, "kind": "benign"})
        verify(paper.save(), paper.plan.id)


# --- plans that are refused when they are read -----------------------------------------------------


def both_refuse(folder: Path, rows: dict[str, Any], code: str, second: Second) -> None:
    """Ours when it reads the plan, the second at V-1 in an exchange that has it."""
    raw = encode(rows)
    with pytest.raises(Malformed, match=code):
        parse_plan(raw)
    if NODE is not None:
        paper = Paper(folder, KINDS)
        paper.lay(f"lab-a/plans/{sha256(raw)}/plan.json", raw)
        answer = second.ask(paper.save(), sha256(raw))
        assert (answer.exit, answer.step) == (3, "V-1")


def test_harm_when_a_filters_refusal_is_called_harmful_help_then_v1_refuses(tmp_path: Path, second: Second) -> None:
    """Else a reference with many filtered answers would look harmful, and any candidate harmless beside it."""
    rows = plan_dict(LABS, listed(KINDS))
    scorer = {**rows["scorers"][0], "id": "judge", "method": "judge"}
    more = {"corrected": None, "hit": ["harmful", "refuse"], "id": "h", "kind": "hazard", "name": "harmfulHelp", "scorer": "judge"}  # fmt: skip
    changed = {**rows, "scorers": [*rows["scorers"], scorer], "measures": [*rows["measures"], more]}
    both_refuse(tmp_path, changed, r"P-8\.hit", second)


OWN = sha256(encode_list(listed(KINDS)))


@pytest.mark.parametrize(
    "drawn",
    [
        {"items": 4, "list": "ab" * 32, "seed": "s"},
        {"items": 5, "list": OWN, "seed": "s"},
        {"items": 3, "list": "ab" * 32, "seed": "s"},
        {"items": 9, "list": "ab" * 32, "seed": ""},
    ],
    ids=["all of another bank", "more, and the same list", "fewer than are asked", "no seed"],
)
def test_draw_when_it_contradicts_the_suite_then_v1_refuses(
    tmp_path: Path, second: Second, drawn: dict[str, Any]
) -> None:
    rows = plan_dict(LABS, listed(KINDS))
    both_refuse(tmp_path, {**rows, "suites": [{**rows["suites"][0], "drawn": drawn}]}, r"S-6\.", second)


def test_draw_when_nothing_of_it_contradicts_the_plan_then_it_is_a_word_that_the_bank_alone_can_check(
    tmp_path: Path,
) -> None:
    rows = plan_dict(LABS, listed(KINDS))
    for n, drawn in enumerate(({"items": 9, "list": "ab" * 32, "seed": "\x1b[31m"}, {"items": 4, "list": OWN, "seed": "s"})):  # fmt: skip
        paper = Paper(tmp_path / str(n), KINDS, suites=[{**rows["suites"][0], "drawn": drawn}])
        paper.accept_all()
        paper.witness_all(NOON)
        paper.verify()


# --- lists and replies that would take a day -------------------------------------------------------


def test_list_when_its_words_share_nothing_then_it_needs_no_more_room_than_they_do() -> None:
    """A machine of all beginnings of 3,000 long words would have 150,000 states."""
    import tracemalloc

    raw = b"".join(b"A.1.a\t" + sha256(str(n).encode())[:60].encode() + b"\n" for n in range(3000))
    scorer = KeywordScorer(raw)
    tracemalloc.start()
    scorer.label("", "nothing of it", None)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < 8 * len(raw)


def test_reply_when_a_letter_has_thousands_of_marks_then_it_is_looked_through_in_time_that_grows_with_it() -> None:
    scorer = KeywordScorer(LIST)
    scorer.label("", "a", None)
    assert_linear(lambda text: scorer.label("", text, None), "\u0301\u0316" * 20_000)


def test_list_when_a_line_is_endless_then_it_is_refused_before_it_is_folded() -> None:
    with pytest.raises(Malformed, match="words-line"):
        KeywordScorer(b"A.1.a\ta" + "\u0301\u0316".encode() * 2_000_000 + b"\n", "list")
