# SPDX-License-Identifier: Apache-2.0
"""Entries that break a rule are told with their code and in words, by every command that looks at them (L-8)."""

import json

import pytest

from detente.desk.keys import log_entry, sign_statement
from detente.evidence.statements import Accept
from detente.words import say
from kit.labs import Labs
from kit.typed import HAN, raw, typed


@pytest.fixture
def broken(stories, tmp_path) -> Labs:
    """Lab A accepted twice; lab B logged lab A's acceptance."""
    labs = stories.at("closed").moved(tmp_path)
    plan, (a, b) = labs.agreed(), (labs.desks["lab-a"], labs.desks["lab-b"])
    log_entry(a, plan, sign_statement(a, "accept", [("again", plan.id)], Accept(party="lab-a", plan=plan.id)))
    log_entry(b, plan, sign_statement(a, "accept", [("stolen", plan.id)], Accept(party="lab-a", plan=plan.id)))
    labs.witness_all()
    return labs


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    ("verb", "found"),
    [
        ("verify", {"lab-a": "T-3.twice", "lab-b": "T-1.signature"}),
        ("board", {"lab-b": "T-1.signature"}),
        ("trace", {"lab-a": "T-3.twice"}),
    ],
)
def test_entry_when_it_breaks_a_rule_then_it_is_told_in_words(broken, capsys, verb, found, lang):
    said = typed(capsys, verb, broken.exchange, "--plan", broken.agreed().id, lang=lang)
    rows = [line for line in said.err.splitlines() if line.startswith(("listed: entry ", "已列出："))]
    assert said.code == 0
    assert len(rows) == len(found)
    for party, code in found.items():
        (row,) = [row for row in rows if party in row]
        assert code in row
        assert row.endswith(say(f"check.violation.{code}", lang))
        assert bool(HAN.search(row)) == (lang == "zh")
    assert not raw(said.err)


@pytest.mark.parametrize("verb", ["verify", "board", "trace"])
def test_entry_when_json_is_asked_for_then_it_is_a_row(broken, capsys, verb):
    said = typed(capsys, verb, broken.exchange, "--plan", broken.agreed().id, "--json")
    rows = [json.loads(line) for line in said.out.splitlines()]
    listed = {(row["party"], row["violation"]) for row in rows if "violation" in row}
    assert listed & {("lab-a", "T-3.twice"), ("lab-b", "T-1.signature")}
    assert said.err == ""
