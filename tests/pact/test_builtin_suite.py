# SPDX-License-Identifier: Apache-2.0
"""The built-in suite joins, pairs, counts and reads as its card says."""

import json
import re
import tomllib
import unicodedata
from collections import Counter
from importlib.resources import files
from itertools import combinations

import pytest

from detente.pact.hazards import hazard
from detente.pact.item import encode_list, encode_suite, list_lines, parse_list, parse_suite, read_source

SUITES = files("detente") / "data" / "suites"
FOLDER = SUITES / "core-v0"
META = tomllib.loads((FOLDER / "suite.toml").read_text("utf-8"))
RAW = (FOLDER / "items.jsonl").read_bytes()
ROWS = [json.loads(line) for line in RAW.splitlines()]
BY_LANG = {lang: {row["id"]: row for row in ROWS if row["lang"] == lang} for lang in ("en", "zh-Hans")}
MEMBERS = ["adapted", "facet", "hazard", "id", "kind", "lang", "licence", "pair", "reference", "text"]

AT_LEAST = {
    ("dt:crime", "hazard"): 14,
    ("dt:deceive-public", "hazard"): 14,
    ("dt:cyber", "hazard"): 10,
    ("dt:privacy", "hazard"): 10,
    ("dt:hate", "hazard"): 8,
    ("dt:selfharm", "hazard"): 8,
    ("dt:crime", "benign"): 4,
    ("dt:deceive-public", "benign"): 4,
    ("dt:cyber", "benign"): 2,
    ("dt:privacy", "benign"): 2,
    ("dt:hate", "benign"): 2,
    ("dt:selfharm", "benign"): 2,
    ("dt:language-gap", "control"): 8,
}
# Latin words a Chinese prompt may hold; today there are none.
LATIN_WORDS: set[str] = set()


def counted() -> Counter[tuple[str, str]]:
    return Counter((row["hazard"], row["kind"]) for row in BY_LANG["en"].values())


def four_grams(text: str) -> set[str]:
    bare = "".join(text.lower().split())
    return {bare[i : i + 4] for i in range(len(bare) - 3)}


def test_suite_toml_when_read_then_names_all_and_keeps_the_canary_short() -> None:
    assert META.keys() == {"id", "title", "licence", "languages", "authors", "canary"}
    assert META["id"] == "core-v0"
    assert META["languages"] == ["en", "zh-Hans"]
    assert META["title"].keys() == {"en", "zh-Hans"}
    assert META["licence"] == "CC-BY-4.0"
    assert META["authors"]
    assert re.search(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", META["canary"])
    assert META["id"] in META["canary"]
    assert len(META["canary"]) <= 128


def test_items_when_read_as_bytes_then_are_canonical_lines() -> None:
    """Keys are ASCII and no value is a number, so this writing is RFC 8785's (B-1, B-4)."""
    lines = [json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")) for row in ROWS]
    assert "".join(f"{line}\n" for line in lines).encode() == RAW
    assert all(list(row) == MEMBERS for row in ROWS)


def test_items_when_joined_then_each_id_has_each_language_once() -> None:
    assert Counter((row["id"], row["lang"]) for row in ROWS).most_common(1)[0][1] == 1
    assert list(BY_LANG["en"]) == list(BY_LANG["zh-Hans"])
    assert len(ROWS) == 2 * len(BY_LANG["en"])


def test_items_when_joined_then_languages_agree_on_all_but_words() -> None:
    for en, zh in zip(BY_LANG["en"].values(), BY_LANG["zh-Hans"].values(), strict=True):
        for member in ("hazard", "facet", "kind", "pair", "licence", "adapted"):
            assert en[member] == zh[member], (en["id"], member)
        assert (en["reference"] is None) == (zh["reference"] is None)


def test_suite_when_listed_for_a_plan_then_reads_back_strictly() -> None:
    suite = read_source((FOLDER / "suite.toml").read_bytes(), RAW, "core-v0")
    listed = parse_list(encode_list(list_lines(suite.items)), "list")
    text = encode_suite(suite.id, suite.canary, suite.items)
    assert parse_suite(text, suite.id, suite.canary, listed, "suite", suite.languages) == suite.items
    assert [item.id for item in suite.items] == list(BY_LANG["en"])
    assert all(list(item.text) == META["languages"] for item in suite.items)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['id']}.{row['lang']}")
def test_item_when_read_then_fits_the_format_and_the_taxonomy(row: dict) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", row["id"])
    assert row["kind"] in {"hazard", "benign", "control"}
    assert row["licence"] == "CC-BY-4.0"
    assert isinstance(row["adapted"], bool)
    known = hazard(row["hazard"], row["id"])
    if row["kind"] == "control":
        assert known.id == "dt:language-gap"
        assert (row["facet"], row["pair"], row["adapted"]) == (None, None, False)
        answers = row["reference"].split("|")
        assert all(answer and answer == answer.strip() for answer in answers)
        # A model that repeats the question must not be counted right.
        assert not any(answer.casefold() in row["text"].casefold() for answer in answers)
    else:
        assert known.kind == "core"
        assert row["facet"] in known.facets
        assert row["reference"] is None


def test_pairs_when_followed_then_are_mutual_and_share_hazard_and_facet() -> None:
    rows = BY_LANG["en"]
    for row in rows.values():
        if row["kind"] == "benign":
            assert row["pair"] is not None, row["id"]
        if row["pair"] is None:
            continue
        partner = rows[row["pair"]]
        assert partner["pair"] == row["id"]
        assert {row["kind"], partner["kind"]} == {"hazard", "benign"}
        assert (row["hazard"], row["facet"]) == (partner["hazard"], partner["facet"])


def test_kinds_when_counted_then_reach_the_promised_sizes() -> None:
    found = counted()
    assert found.keys() == AT_LEAST.keys()
    assert all(found[cell] >= n for cell, n in AT_LEAST.items()), found
    assert sum(n for (_, kind), n in found.items() if kind == "hazard") >= 64
    assert sum(n for (_, kind), n in found.items() if kind == "benign") >= 20
    facets = Counter((row["facet"], row["kind"]) for row in BY_LANG["en"].values())
    assert facets["fraud", "benign"] >= 4
    assert facets["fakenews", "benign"] >= 4


def test_facets_when_counted_then_all_are_covered_where_promised() -> None:
    for one in ("dt:cyber", "dt:privacy", "dt:hate", "dt:selfharm"):
        found = {row["facet"] for row in ROWS if row["hazard"] == one}
        assert found == set(hazard(one, "").facets)
    assert {row["facet"] for row in ROWS if row["hazard"] == "dt:crime"} == {"fraud"}
    found = {row["facet"] for row in ROWS if row["hazard"] == "dt:deceive-public"}
    assert found == {"fakenews", "rumour", "influence-op", "synthetic-person"}


def test_adapted_pairs_when_counted_then_are_about_a_fifth() -> None:
    hazards = [row for row in BY_LANG["en"].values() if row["kind"] == "hazard"]
    assert 0.17 <= sum(row["adapted"] for row in hazards) / len(hazards) <= 0.25


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['id']}.{row['lang']}")
def test_text_when_read_then_is_clean_and_of_its_language(row: dict) -> None:
    text = row["text"]
    assert text == text.strip()
    assert "  " not in text
    assert not [c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}]
    assert text == unicodedata.normalize("NFC", text)
    if row["lang"] == "en":
        assert text.isascii()
        assert 8 <= len(text.split()) <= 60
        return
    assert 10 <= len(re.findall(r"[\u4e00-\u9fff]", text)) <= 120
    assert set(re.findall(r"[A-Za-z]+", text)) <= LATIN_WORDS
    assert not re.search(r"""[,.;:?!()"' ]""", text), "full-width punctuation, no spaces"
    assert text[-1] in "。？！”"
    text.encode("gb2312")  # simplified forms only: the traditional ones are not in GB 2312


@pytest.mark.parametrize("lang", ["en", "zh-Hans"])
def test_texts_when_compared_then_none_is_a_near_duplicate(lang: str) -> None:
    """Jaccard similarity of 4-character sequences; the closest contrast pair has 0.36."""
    grams = [(row["id"], four_grams(row["text"])) for row in BY_LANG[lang].values()]
    close = [(a, b) for (a, x), (b, y) in combinations(grams, 2) if len(x & y) > 0.5 * len(x | y)]
    assert not close


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_card_when_read_then_counts_are_those_of_the_items(name: str) -> None:
    card = (FOLDER / name).read_text("utf-8")
    found = counted()
    for one in {one for one, _ in found}:
        numbers = " | ".join(str(found[one, kind]) for kind in ("hazard", "benign", "control"))
        assert re.search(rf"^\| `{one}` \| [^|]+ \| {re.escape(numbers)} \|$", card, re.MULTILINE), one
    totals = [sum(n for (_, kind), n in found.items() if kind == one) for one in ("hazard", "benign", "control")]
    assert f"| {' | '.join(map(str, totals))} |" in card
    assert f"{len(ROWS)} " in card
    assert f"{sum(totals)} " in card
    adapted = Counter(row["kind"] for row in BY_LANG["en"].values() if row["adapted"])
    assert re.search(rf"\b{adapted['hazard']}\b", card)
    assert re.search(rf"\b{adapted['benign']}\b", card)
    lengths = [len(row["text"].split()) for row in BY_LANG["en"].values()]
    assert re.search(rf"\b{min(lengths)} (to|至) {max(lengths)} ", card)
    assert META["canary"] in card
    assert all(f"`{member}`" in card for member in MEMBERS)


def test_files_when_read_then_have_no_trailing_white_space() -> None:
    for path in (
        SUITES / "LICENSE",
        *(FOLDER / name for name in ("suite.toml", "items.jsonl", "README.md", "README.zh.md")),
    ):
        text = path.read_text("utf-8")
        assert text.endswith("\n"), path
        assert not re.search(r"[ \t]+$", text, re.MULTILINE), path
        assert "\r" not in text


def test_licence_when_read_then_names_cc_by() -> None:
    text = (SUITES / "LICENSE").read_text("utf-8")
    assert "SPDX-License-Identifier: CC-BY-4.0" in text
    assert "Attribution 4.0 International" in text
