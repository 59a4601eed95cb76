# SPDX-License-Identifier: Apache-2.0
"""Items drawn by a seed: the same for whoever holds bank and seed, said in the plan, and nothing else of the bank (S-6)."""

import json

import pytest

from detente.errors import Malformed, WrongUsage
from detente.pact.draw import Drawn, check_drawn, draw
from detente.pact.item import SourceSuite, encode_list, list_lines, read_source
from detente.pact.taking import drawn_from, of_bank, take
from detente.wire.digests import sha256

META = b'id = "own"\nlanguages = ["en", "zh-Hans"]\ncanary = "c"\n[title]\nen = "Own"\n'
KINDS = ("hazard", "hazard", "benign", "control")


def bank(n: int = 40, **marks: object) -> SourceSuite:
    rows = [
        {
            "id": f"q-{k}", "lang": lang, "text": f"{lang} {k}", "hazard": "dt:crime", "kind": KINDS[k % 4],
            "pair": f"q-{k - 1}" if k % 4 == 2 else None, **(marks if k == 0 else {}),
        }
        for k in range(n)
        for lang in ("en", "zh-Hans")
    ]  # fmt: skip
    return read_source(META, "".join(json.dumps(row) + "\n" for row in rows).encode(), "own")


def test_draw_when_made_again_then_the_same_and_nothing_else_of_the_ids_matters() -> None:
    ids = [f"i{n}" for n in range(1000)]
    one = draw(ids, 100, "lot 7")
    assert one == draw(reversed([*ids, *ids]), 100, "lot 7") == draw(ids, 100, "lot 7")
    assert len(one) == 100
    assert 0 < len(one & draw(ids, 100, "lot 8")) < 40
    assert draw(ids, 50, "lot 7") < one  # whoever asks for more asks the same ones too
    assert draw(["b"], 3, "x") == {"b"}
    assert draw(["a", "b"], 1, "0") == {min("ab", key=lambda id_: sha256(f"0\n{id_}".encode()))}


def test_take_when_it_has_a_seed_then_it_draws_and_says_so() -> None:
    source = bank()
    taken = take(source, {"take": [{"kind": "hazard", "n": 5, "seed": "lot"}]}, ["zh-Hans"], "draft")
    fits = [item.id for item in source.items if item.kind == "hazard"]
    assert [item.id for item in taken.items] == [id_ for id_ in fits if id_ in draw(fits, 5, "lot")]
    assert all(set(item.text) == {"zh-Hans"} and item.pair is None for item in taken.items)
    assert taken.drawn is not None
    assert (taken.drawn.items, taken.drawn.seed) == (20, "lot")
    whole = take(source, {"take": [{"kind": "hazard"}]}, ["zh-Hans"], "draft")
    assert whole.drawn is None
    assert taken.drawn.list == sha256(encode_list(list_lines(whole.items)))
    again = drawn_from([item for item in source.items if item.kind == "hazard"], 5, "lot", ["zh-Hans"])
    assert again == taken
    all_of = drawn_from(source.items, 40, "lot", ["en", "zh-Hans"])
    assert all_of.items[2].pair == "q-1"


def test_take_when_it_names_a_bank_then_only_what_is_marked_so_is_taken() -> None:
    source = bank(8, x_bank=["should-refuse", "mine"])
    assert [len(of_bank(source, name)) for name in ("generated", "should-refuse", "mine", "should-not-refuse", "other")] == [3, 1, 1, 2, 0]  # fmt: skip
    taken = take(source, {"take": [{"bank": "should-refuse", "n": 1, "seed": "s"}]}, ["en"], "draft")
    assert [item.id for item in taken.items] == ["q-0"]
    assert of_bank(bank(4, x_bank={"a": 1}), "generated")[0].id == "q-0"  # a mark that says nothing


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"take": [{"n": 2, "seed": "s"}, {"n": 1}]}, "draft-draw"),
        ({"take": [{"seed": "s"}]}, "draft-draw"),
        ({"take": [{"n": 2, "seed": ""}]}, "draft-draw"),
        ({"take": [{"n": 41, "seed": "s"}]}, "too-few-items"),
        ({"take": [{"n": -1, "seed": "s"}]}, "too-few-items"),
        ({"take": [{"bank": "nobodys", "n": 1, "seed": "s"}]}, "too-few-items"),
        ({"without": ["x"]}, "no-item"),
    ],
)
def test_take_when_it_cannot_be_then_wrong_usage(row: dict[str, object], code: str) -> None:
    with pytest.raises(WrongUsage, match=code):
        take(bank(), row, ["en"], "draft")


def test_drawn_when_it_cannot_be_then_malformed() -> None:
    whole = Drawn(5, "11" * 32, "s")
    check_drawn(whole, 5, "11" * 32, plain=True, path="$")
    check_drawn(whole, 4, "22" * 32, plain=True, path="$")
    for items, listed in ((5, "22" * 32), (4, "11" * 32)):
        with pytest.raises(Malformed, match=r"S-6\.list"):
            check_drawn(whole, items, listed, plain=True, path="$")
    for drawn, items, plain in ((Drawn(4, "11" * 32, "s"), 5, True), (Drawn(5, "11" * 32, ""), 5, True), (Drawn(5, "11" * 32, "s"), 5, False)):  # fmt: skip
        with pytest.raises(Malformed, match=r"S-6\.drawn"):
            check_drawn(drawn, items, "11" * 32, plain=plain, path="$")
