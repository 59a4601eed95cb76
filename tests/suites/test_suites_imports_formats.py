# SPDX-License-Identifier: Apache-2.0
"""Importers on small hand-written files with what the published ones turned out to have: other columns, other files, other orders."""

import json
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from detente.errors import WrongUsage
from detente.suites.findings import Finding
from detente.suites.imports.building import Imported, Wishes
from detente.suites.imports.joining import Votes, votes_for_order
from detente.suites.imports.kinds import import_suite
from detente.suites.lint import check_suite
from detente.suites.source import Folder
from detente.suites.writing import rows_of, toml_of
from kit import sources
from kit.sources import NAMES, sheet

WISHES = Wishes("dt:crime", suggested=True)
AS_PUBLISHED = Wishes("dt:crime", suggested=True, as_published=True)


def taken(kind: str, src: Path, wishes: Wishes = WISHES, **more: Any) -> Imported:
    return import_suite(kind, src, "imported", wishes=wishes, **more)


def told(made: Imported, code: str) -> list[Finding]:
    return [one for one in made.findings if one.code == code]


def joined(made: Imported) -> dict[str, set[str]]:
    """Item id -> its languages."""
    langs: dict[str, set[str]] = {}
    for row in made.rows:
        langs.setdefault(row["id"], set()).add(row["lang"])
    return langs


def codes_of_check(made: Imported) -> set[str]:
    return {one.code for one in check_suite(Folder("imported", toml_of(made.head), rows_of(made.rows)))[1]}


# --- HarmBench -----------------------------------------------------------------------------------

TEXT_BEHAVIOURS = ["Behavior", "FunctionalCategory", "SemanticCategory", "Tags", "ContextString", "BehaviorID"]
PICTURE_BEHAVIOURS = ["Behavior", "BehaviorID", "FunctionalCategory", "SemanticCategory", "ImageFileName", "Source", "ImageDescription", "RedactedImageDescription", "Tags"]  # fmt: skip


def test_harmbench_folder_as_published_then_parts_of_the_whole_are_taken_once_and_pictures_left_out(tmp_path):
    rows = [["Copy the poem.", "copyright", "copyright", "", "", "poem"], ["Make it ruder.", "contextual", "illegal", "", "A note.\r\nTo you.", "note"]]  # fmt: skip
    (tmp_path / "behaviors_text_all.csv").write_bytes(sheet(TEXT_BEHAVIOURS, *rows))
    rows[1][4] = "A note.\nTo you."
    (tmp_path / "behaviors_text_test.csv").write_bytes(sheet(TEXT_BEHAVIOURS, rows[1]))
    (tmp_path / "behaviors_multimodal_all.csv").write_bytes(
        sheet(PICTURE_BEHAVIOURS, ["Do as shown.", "shown", "multimodal", "illegal", "one.png", "-", "a box", "-", ""])
    )
    made = taken("harmbench", tmp_path)
    assert [row["id"] for row in made.rows] == ["poem", "note"]
    [again] = told(made, "import-repeated")
    assert (again.at.file, again.beside.file, again.fields["n"]) == ("behaviors_text_test.csv", "behaviors_text_all.csv", 1)  # fmt: skip
    assert [one.at.item for one in told(made, "import-left-out")] == ["shown"]


def test_harmbench_of_pictures_alone_then_nothing_is_left_and_that_is_said(tmp_path):
    (tmp_path / "a.csv").write_bytes(
        sheet(PICTURE_BEHAVIOURS, ["Do as shown.", "shown", "multimodal", "illegal", "one.png", "-", "a box", "-", ""])
    )
    with pytest.raises(WrongUsage) as caught:
        taken("harmbench", tmp_path, languages=["en"])
    assert caught.value.code == "import-no-rows"


def test_same_id_with_other_words_then_both_stay_for_the_check(tmp_path):
    for name, text in (("a", "Copy the poem."), ("b", "Copy the song.")):
        (tmp_path / f"{name}.csv").write_bytes(sheet(TEXT_BEHAVIOURS, [text, "x", "copyright", "", "", "poem"]))
    made = taken("harmbench", tmp_path)
    assert len(made.rows) == 2
    assert "row-twice" in codes_of_check(made)


# --- JADE ----------------------------------------------------------------------------------------


def test_jade_in_english_has_chinese_columns_and_the_name_says_the_language(tmp_path):
    head = ["ID", "问题", "违规类型", "违规子类"]
    (tmp_path / "jade_benchmark_en.csv").write_bytes(sheet(head, ["1", "Where is the till?", "违法犯罪", "偷窃"]))
    (tmp_path / "jade_benchmark_zh.csv").write_bytes(sheet(head, ["1", "收银台在哪儿？", "违法犯罪", "偷窃"]))
    made = taken("jade", tmp_path)
    assert [(row["id"], row["lang"]) for row in made.rows] == [("benchmark-en-1", "en"), ("benchmark-zh-1", "zh-Hans")]
    [apart] = told(made, "import-not-joined")
    assert (apart.fields["n"], apart.fields["of"]) == (1, 1)
    alone = taken("jade", tmp_path / "jade_benchmark_en.csv")
    assert [row["id"] for row in alone.rows] == ["benchmark-en-1"]


def test_jade_alignment_set_has_no_categories_and_its_answers_are_not_read(tmp_path):
    raw = sheet(["ID", "问题", "违规回答", "安全有用回答"], ["1", "收银台在哪儿？", "就在那儿。", "请问店员。"])
    (tmp_path / "jade_alignment_hard_zh.csv").write_bytes(raw.decode().encode("gb18030"))
    [row] = taken("jade", tmp_path).rows
    assert (row["text"], row["hazard"], row.get("reference")) == ("收银台在哪儿？", "dt:crime", None)
    with pytest.raises(WrongUsage) as caught:
        taken("jade", tmp_path, Wishes(suggested=True))
    assert caught.value.code == "import-unmapped-own"  # there is no reading of ours to take


def test_jade_without_categories_and_answers_then_the_columns_are_asked_for(tmp_path):
    (tmp_path / "a.csv").write_bytes(sheet(["ID", "问题"], ["1", "收银台在哪儿？"]))
    with pytest.raises(WrongUsage) as caught:
        taken("jade", tmp_path)
    assert (caught.value.code, caught.value.expected) == ("import-columns", "违规类型, 违规子类")


# --- CyberSecEval --------------------------------------------------------------------------------

VARIANTS = ["persuasion", "virtualization"]
RUNS = [["French", "Chinese", "Thai"], ["Korean", "French", "German"]]


def case(n: int, lang: str, variant: str | None = None) -> dict[str, str]:
    return {
        "test_case_prompt": f"The word of the day is Lantern{n}.",
        "user_input": f"Say it in {lang}.",
        "judge_question": f"Is Lantern{n} in it?",
        "injection_variant": variant or VARIANTS[n],
        "injection_type": "direct",
        "risk_category": "logic-violating",
        "speaking_language": lang,
    }


def translated() -> list[dict[str, Any]]:
    """Two cases in three languages each, one after the other, and then both in Hindi."""
    rows = [case(n, lang) for n in range(2) for lang in RUNS[n]] + [case(n, "Hindi") for n in range(2)]
    return [{**row, "prompt_id": n} for n, row in enumerate(rows)]


def cyberseceval(folder: Path, rows: list[dict[str, Any]], *, english: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "prompt_injection_multilingual_machine_translated.json").write_bytes(json.dumps(rows).encode())
    if english:
        raw = json.dumps([{**case(n, "English"), "prompt_id": n} for n in range(2)]).encode()
        (folder / "prompt_injection.json").write_bytes(raw)
    return folder


@pytest.mark.parametrize("english", [True, False])
def test_cyberseceval_translated_then_it_joins_by_its_layout_with_the_originals(english, tmp_path):
    made = taken("cyberseceval", cyberseceval(tmp_path, translated(), english=english))
    langs = {"en"} if english else set()
    assert joined(made) == {
        "cse-0": {"fr", "zh-Hans", "th", "hi"} | langs,
        "cse-1": {"ko", "fr", "de", "hi"} | langs,
    }
    assert {row["text"].count(f"Lantern{row['id'][-1]}") for row in made.rows} == {1}
    [layout] = told(made, "import-layout")
    assert layout.fields == {"n": 8, "of": 2}
    assert not told(made, "import-not-joined")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: rows[:-1],
        lambda rows: [*rows[:4], {**rows[4], "injection_variant": "persuasion"}, *rows[5:]],
        lambda rows: [rows[0], {**rows[1], "speaking_language": "French"}, *rows[2:]],
    ],
)
def test_cyberseceval_translated_in_another_layout_then_nothing_joins(spoil, tmp_path):
    made = taken("cyberseceval", cyberseceval(tmp_path, spoil(translated())))
    assert not told(made, "import-layout")
    assert all(len(langs) == 1 for langs in joined(made).values())
    assert {"cse-0", "cse-mt-0"} <= joined(made).keys()
    assert told(made, "import-not-joined")


def test_cyberseceval_as_published_then_nothing_joins(tmp_path):
    made = taken("cyberseceval", cyberseceval(tmp_path, translated()), AS_PUBLISHED)
    assert all(len(langs) == 1 for langs in joined(made).values())


def test_cyberseceval_of_before_ids_and_languages_then_it_is_english_by_its_places(tmp_path):
    rows = [{key: one for key, one in case(n, "-").items() if key != "speaking_language"} for n in range(2)]
    path = tmp_path / "prompt_injection.json"
    path.write_bytes(json.dumps(rows).encode())
    made = taken("cyberseceval", path)
    assert [(row["id"], row["lang"]) for row in made.rows] == [("cse-0", "en"), ("cse-1", "en")]


# --- XSTest --------------------------------------------------------------------------------------


def xstest(path: Path, *focus: str) -> Path:
    """Two harmless types and one of contrasts, all of two rows, with these words that they are about."""
    types = ["homonyms", "contrast_homonyms", "definitions"]
    rows = [[str(3 * k + n), f"How do I {focus[3 * k + n] or 'rest'} my {NAMES[3 * k + n]}?", type_, focus[3 * k + n]] for k in range(2) for n, type_ in enumerate(types)]  # fmt: skip
    path.write_bytes(sheet(["id", "prompt", "type", "focus"], *rows))
    return path


def test_xstest_rows_of_one_focus_at_one_place_then_they_are_pairs_of_one_hazard(tmp_path):
    made = taken("xstest", xstest(tmp_path / "a.csv", "shoot", "shoot", "shoot", "kill", "kill", "hide"))
    pairs = {row["id"]: row.get("pair") for row in made.rows}
    assert pairs == {
        "xstest-0": "xstest-1",
        "xstest-1": "xstest-0",
        "xstest-2": None,
        "xstest-3": "xstest-4",
        "xstest-4": "xstest-3",
        "xstest-5": None,
    }
    hazards = {row["id"]: (row["kind"], row["hazard"]) for row in made.rows}
    assert (hazards["xstest-0"], hazards["xstest-2"]) == (("benign", "dt:crime"), ("benign", "dt:overrefusal"))
    [paired] = told(made, "import-paired")
    assert paired.fields == {"n": 2, "left": 0}
    assert not codes_of_check(made) & {"pair-kind", "pair-one-way", "pair-unknown"}


def test_xstest_as_published_or_without_a_focus_then_no_pairs(tmp_path):
    path = xstest(tmp_path / "a.csv", "shoot", "shoot", "shoot", "kill", "kill", "hide")
    assert not any(row.get("pair") for row in taken("xstest", path, AS_PUBLISHED).rows)
    made = taken("xstest", xstest(tmp_path / "b.csv", "", "", "", "kill", "hide", ""))
    assert not any(row.get("pair") for row in made.rows)
    assert not told(made, "import-paired")


def test_xstest_types_of_which_only_half_of_the_rows_agree_then_no_pairs(tmp_path):
    made = taken("xstest", xstest(tmp_path / "a.csv", "shoot", "shoot", "rest", "kill", "hide", "rest"))
    assert not any(row.get("pair") for row in made.rows)


def test_xstest_contrasts_of_two_types_with_one_look_alike_then_nobody_has_two_partners(tmp_path):
    rows = [[type_, f"How do I shoot my {NAMES[n]}?", type_, "shoot"] for n, type_ in enumerate(["homonyms", "contrast_a", "contrast_b"])]  # fmt: skip
    (tmp_path / "a.csv").write_bytes(sheet(["id", "prompt", "type", "focus"], *rows))
    made = taken("xstest", tmp_path / "a.csv")
    assert len([row for row in made.rows if row.get("pair")]) == 2
    assert "pair-one-way" not in codes_of_check(made)


def test_xstest_contrasts_left_out_then_the_look_alikes_stay_without_partners(tmp_path):
    path = xstest(tmp_path / "a.csv", "shoot", "shoot", "shoot", "kill", "kill", "hide")
    (tmp_path / "map.toml").write_text('[values.hazard]\ncontrast_homonyms = "leave-out"\n', "utf-8")
    made = taken("xstest", path, mapping=tmp_path / "map.toml")
    assert {(row["kind"], row["hazard"], row.get("pair")) for row in made.rows} == {("benign", "dt:overrefusal", None)}
    assert len(made.rows) == 4


# --- XSafety -------------------------------------------------------------------------------------


def workbook(path: Path, *sheets: list[list[Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook()
    for n, rows in enumerate(sheets):
        here = book.active if n == 0 else book.create_sheet()
        for row in rows:
            here.append(row)
    book.save(path)
    return path


def test_xsafety_in_excel_and_a_row_without_a_text_then_places_are_kept(tmp_path):
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "Insult_n.csv").write_bytes(b"One.\r\nTwo.\r\nThree. \r\n")
    (tmp_path / "ru").mkdir()
    (tmp_path / "ru" / "Insult.csv").write_bytes("Раз.\n \nТри.\n".encode())
    workbook(tmp_path / "bn" / "Insult_n.xlsx", [["এক।", None], ["দুই।", None], ["তিন।", None]], [])
    made = taken("xsafety", tmp_path)
    assert joined(made) == {
        "insult-1": {"en", "ru", "bn"},
        "insult-2": {"en", "bn"},
        "insult-3": {"en", "ru", "bn"},
    }
    [empty] = told(made, "import-empty")
    assert (empty.at.file, empty.at.line) == ("ru/Insult.csv", 2)
    assert {row["text"] for row in made.rows if row["lang"] == "en"} == {"One.", "Two.", "Three."}


def texts(order: list[int], word: str) -> bytes:
    return "".join(f"{word} {NAMES[n]}{n}.\n" for n in order).encode()


def test_xsafety_then_how_far_the_texts_bear_the_places_out_is_told_and_another_order_is_not_joined(tmp_path):
    order = list(range(12))
    for lang, rows, word in (("en", order, "Greet"), ("de", order, "Grüße"), ("fr", order[::-1], "Salue")):
        (tmp_path / lang).mkdir()
        (tmp_path / lang / "Insult.csv").write_bytes(texts(rows, word))
    made = taken("xsafety", tmp_path)
    [by_rows] = told(made, "import-by-rows")
    assert (by_rows.at.lang, by_rows.fields) == ("de", {"n": 12, "other": "en", "votes": 12, "agreed": 12})
    [apart] = told(made, "import-not-joined")
    assert (apart.at.file, apart.fields["votes"], apart.fields["agreed"]) == ("fr/Insult.csv", 12, 0)
    assert joined(made)["insult-1"] == {"en", "de"}


def test_workbook_with_rows_in_two_sheets_then_it_is_refused_and_both_are_named(tmp_path):
    workbook(tmp_path / "en" / "Insult.xlsx", [["One."]], [[" "]], [["Two."]])
    with pytest.raises(WrongUsage) as caught:
        taken("xsafety", tmp_path)
    assert (caught.value.code, caught.value.got) == ("import-sheets", "Sheet2")


# --- S-Eval --------------------------------------------------------------------------------------


def attacks(word: str, order: list[int], category: str = "goal_hijacking") -> bytes:
    return sources.lines(
        *(
            {"traceid": f"{word}-{n}", "risk_type": "Data_Privacy", "prompt": f"{word} {NAMES[n]}{n}", "ext": json.dumps({"model": "attack", "category": category})}
            for n in order
        )
    )  # fmt: skip


def seval(folder: Path, english: bytes, chinese: bytes) -> Path:
    with zipfile.ZipFile(folder / "S-Eval_attack_en_small.jsonl.zip", "w") as packed:
        packed.writestr("S-Eval_attack_en_small.jsonl", english)
    (folder / "S-Eval_attack_zh_small.jsonl").write_bytes(chinese)
    return folder


def test_s_eval_attacks_in_one_order_then_they_join_by_their_places(tmp_path):
    order = list(range(12))
    made = taken("s-eval", seval(tmp_path, attacks("Ask", order), attacks("请问", order)))
    assert len(joined(made)) == 12
    assert set(map(frozenset, joined(made).values())) == {frozenset({"en", "zh-Hans"})}
    [join] = told(made, "import-joined")
    assert (join.at.lang, join.fields) == ("en", {"n": 12, "other": "zh", "votes": 12, "agreed": 12})
    assert not told(made, "import-not-joined")


@pytest.mark.parametrize(("order", "category"), [(list(range(12))[::-1], "goal_hijacking"), (list(range(12)), "code_injection"), (list(range(11)), "goal_hijacking")])  # fmt: skip
def test_s_eval_attacks_in_another_order_then_they_stay_apart(order, category, tmp_path):
    made = taken("s-eval", seval(tmp_path, attacks("Ask", order, category), attacks("请问", list(range(12)))))
    assert all(len(langs) == 1 for langs in joined(made).values())
    [apart] = told(made, "import-not-joined")
    assert (apart.fields["n"], apart.fields["of"]) == (len(order), 12)


def test_s_eval_with_a_byte_that_is_no_utf8_then_its_row_is_named(tmp_path):
    raw = attacks("Ask", [0, 1, 2]).split(b"\n")
    (tmp_path / "a_en.jsonl").write_bytes(b"\n".join([raw[0], raw[1][:-4] + b"\xff" + raw[1][-4:], raw[2]]))
    with pytest.raises(WrongUsage) as caught:
        taken("s-eval", tmp_path / "a_en.jsonl")
    assert (caught.value.code, caught.value.got) == ("import-bytes", "row 2: invalid start byte")


def test_s_eval_zip_with_a_damaged_entry_then_it_is_said(tmp_path):
    src = seval(tmp_path, attacks("Ask", list(range(12))), attacks("请问", [0]))
    path = src / "S-Eval_attack_en_small.jsonl.zip"
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"Amelia0", b"Amelia1", 1))
    with pytest.raises(WrongUsage) as caught:
        taken("s-eval", src)
    assert (caught.value.code, caught.value.expected) == ("import-bytes", "zip")


# --- Moonshot ------------------------------------------------------------------------------------


def own_set(*texts: str, licence: str = "CC-BY-4.0 license") -> bytes:
    """A set as Moonshot has them outside the joint test: examples without ids."""
    return json.dumps({"name": "x", "license": licence, "examples": [{"input": text, "target": "-"} for text in texts]}).encode()  # fmt: skip


def test_moonshot_set_without_ids_and_language_then_places_and_the_order_say_them(tmp_path):
    path = tmp_path / "mlc-ailuminate-spc-ele.json"
    path.write_bytes(own_set("Who may vote here?", "When is the next vote?"))
    made = taken("moonshot", path, Wishes(), languages=["en"])
    assert [(row["id"], row["lang"], row["hazard"]) for row in made.rows] == [
        ("mlc-ailuminate-spc-ele-1", "en", "dt:advice"),
        ("mlc-ailuminate-spc-ele-2", "en", "dt:advice"),
    ]
    assert made.head["licence"] == "CC-BY-4.0"
    with pytest.raises(WrongUsage) as caught:
        taken("moonshot", path)
    assert caught.value.code == "import-name"


def test_moonshot_target_of_several_texts_then_they_are_alternatives(tmp_path):
    raw = json.dumps({"license": "MIT", "examples": [{"input": "Where?", "target": ["here", "there"]}, {"input": "Who?", "target": "I"}]})  # fmt: skip
    (tmp_path / "a-en.json").write_text(raw, "utf-8")
    assert [row["x_target"] for row in taken("moonshot", tmp_path / "a-en.json").rows] == ["here|there", "I"]


@pytest.mark.parametrize(
    ("said", "meant"),
    [(" MIT License", "MIT"), ("Apache 2.0", "Apache-2.0"), ("CC BY-SA 4.0 license", "CC-BY-SA-4.0"), ("By hand", "By hand")],
)  # fmt: skip
def test_moonshot_licence_as_people_write_it_then_its_spdx_id(said, meant, tmp_path):
    (tmp_path / "a-en.json").write_bytes(own_set("How?", licence=said))
    assert taken("moonshot", tmp_path / "a-en.json").rows[0]["licence"] == meant


def test_moonshot_set_that_lies_in_two_folders_then_the_second_is_left_out_and_told(tmp_path):
    for name, many in (("a", ["How?", "Why?"]), ("b", ["How?"])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x-en.json").write_bytes(own_set(*many))
    made = taken("moonshot", tmp_path)
    assert len(made.rows) == 2
    [gone] = told(made, "import-left-out")
    assert gone.at.file == "b/x-en.json"


# --- languages, votes ----------------------------------------------------------------------------


def test_languages_without_a_common_item_then_each_but_the_largest_is_told(tmp_path):
    head = ["release_prompt_id", "prompt_text", "hazard", "persona", "locale", "prompt_hash"]
    (tmp_path / "en.csv").write_bytes(sheet(head, ["p_1", "What?", "dfm", "skilled", "en_US", "0"], ["p_2", "Who?", "dfm", "skilled", "en_US", "0"]))  # fmt: skip
    (tmp_path / "fr.csv").write_bytes(sheet(head, ["p_3", "Quoi ?", "dfm", "skilled", "fr_FR", "0"]))
    made = taken("ailuminate", tmp_path)
    [apart] = told(made, "import-not-joined")
    assert (apart.at.file, apart.at.lang, apart.fields["n"], apart.fields["of"]) == ("fr.csv", "fr", 1, 2)
    assert not told(taken("ailuminate", tmp_path, AS_PUBLISHED), "import-not-joined")


def test_votes_count_signs_of_one_row_only_and_say_when_they_are_enough():
    here = ["Amelia 7", "Bertrand", "the same word", "the same word"]
    assert votes_for_order(here, [["Amelia", "x", "y", "z"]]) == Votes(1, 1)
    assert votes_for_order(here, [["x", "Amelia", "Bertrand", "same"]]) == Votes(2, 0)
    assert votes_for_order(here, [here, here]) == Votes(4, 4)
    assert (Votes(8, 8).bear_out, Votes(7, 7).bear_out, Votes(10, 8).bear_out) == (True, False, False)
    assert (Votes(8, 3).speak_against, Votes(8, 4).speak_against, Votes(7, 0).speak_against) == (True, False, False)
