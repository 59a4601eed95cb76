# SPDX-License-Identifier: Apache-2.0
"""The fuzz targets without the fuzzer: each reads its own seeds, what was found once stays found, and JSON stays JSON when it is changed."""

import json
import random

import pytest

from detente.desk.keys import load_desk
from detente.errors import DetenteError, Malformed, WrongUsage
from detente.pact.draft import read_draft
from mutate import changed, words_of
from targets import DRAFT, MOST, SUITE, TARGETS, seeds, tell

ENDLESS = "1" * 5000  # Python makes no number of it
DEEP = ".".join("a" * 3000)

# What ended in a traceback before: (target, input, code).
FOUND = {
    "the first day in another zone": ("draft", DRAFT.replace("2026-11-20T00:00:00Z", "0001-01-01T00:00:00+14:00"), "B-1.time"),
    "the last day in another zone": ("draft", DRAFT.replace("2026-11-20T00:00:00Z", "9999-12-31T23:59:59-14:00"), "B-1.time"),
    "a number without end": ("draft", DRAFT.replace("quorum = 1", f"quorum = {ENDLESS}"), "draft-toml"),
    "a key of many parts": ("draft", f"{DRAFT}\n{DEEP} = 1\n", "draft-shape"),
    "a number without end at home": ("home-draft", f"x = {ENDLESS}\n[[suite]]\nfrom = 'a'\n", "draft-toml"),
    "a number without end in a suite": ("author-suite", f"x = {ENDLESS}\n{SUITE.decode()}\n\n\n", "S-2.toml"),
}  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
def test_target_when_given_its_seeds_then_some_are_read_and_every_refusal_can_be_told(name: str) -> None:
    read = 0
    given = list(seeds(name))
    for raw in given:
        assert len(raw) <= MOST
        try:
            TARGETS[name](raw)
            read += 1
        except DetenteError as error:
            tell(error)
    assert read > 0


@pytest.mark.parametrize("what", FOUND)
def test_input_when_it_was_found_once_then_it_is_refused_in_words(what: str) -> None:
    name, text, code = FOUND[what]
    with pytest.raises(Malformed) as caught:
        TARGETS[name](text.encode())
    assert caught.value.code == code
    tell(caught.value)


def test_desk_when_its_file_holds_a_number_without_end_then_it_is_told(tmp_path) -> None:
    (tmp_path / "desk.toml").write_text(f"party = {ENDLESS}\n")
    with pytest.raises(WrongUsage) as caught:
        load_desk(tmp_path)
    assert caught.value.code == "desk-broken"


def test_draft_when_it_is_the_seed_then_it_is_read() -> None:
    assert read_draft(DRAFT.encode(), "plan.toml")["runs"]["deadline"] == "2026-11-20T00:00:00Z"


def test_change_when_made_a_thousand_times_then_it_is_json_and_mostly_another() -> None:
    value = json.loads(next(seeds("statement")))
    text = json.dumps(value)
    made = [json.dumps(changed(json.loads(text), random.Random(n))) for n in range(1000)]
    assert len(set(made)) > 200
    assert words_of([b'{"predicateType":1}', b"ab"]) == [b"ab", b"predicateType"]
