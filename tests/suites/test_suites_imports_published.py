# SPDX-License-Identifier: Apache-2.0
"""Importers on the published files: every text that a plain reader counts there is imported, or told as left out.

The files are no part of this repository and none of their words stand here. They are looked for in the folder that
DETENTE_PUBLISHED names, else in ``shared/data/published`` beside the clone: one folder a kind (``harmbench``, ``jade``,
``xstest``, ``multijail``, ``cyberseceval``, ``s-eval``, ``ailuminate``, ``xsafety``, ``moonshot``), in it the files as their
repositories have them. What is absent is skipped. docs/reference/importers.md says which commits were read.
"""

import csv
import io
import json
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from detente.suites.findings import Finding
from detente.suites.imports.building import Imported, Wishes
from detente.suites.imports.kinds import import_suite
from detente.suites.lint import check_suite
from detente.suites.source import read_folder
from detente.suites.workbook import load_openpyxl
from detente.suites.writing import write_folder

SHARED = Path(os.environ.get("DETENTE_SHARED") or Path(__file__).resolve().parents[3] / "shared")
PUBLISHED = Path(os.environ.get("DETENTE_PUBLISHED") or SHARED / "data" / "published")
WISHES = Wishes("dt:crime", suggested=True)
# What a check says of a suite that was put together wrongly, rather than of the words in it.
BUILT = {"id-invalid", "row-member", "row-twice", "item-disagrees", "tag-invalid", "hazard-unknown", "pair-unknown", "pair-one-way", "pair-kind", "canary-absent", "licence-missing"}  # fmt: skip


def folder(kind: str) -> Path:
    """The files of a kind, or a skip."""
    if not (PUBLISHED / kind).is_dir():
        pytest.skip(f"the published files of {kind} are not here")
    return PUBLISHED / kind


def made_of(kind: str) -> Imported:
    return import_suite(kind, folder(kind), "imported", wishes=WISHES)


def told(made: Imported, code: str) -> list[Finding]:
    return [one for one in made.findings if one.code == code]


def files(src: Path, ending: str) -> list[Path]:
    return sorted(path for path in [src, *src.rglob("*")] if path.suffix == ending and path.is_file())


def tables(src: Path) -> Iterator[list[dict[str, str]]]:
    for path in files(src, ".csv"):
        raw = path.read_bytes()
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("gb18030")
        yield list(csv.DictReader(io.StringIO(text, newline="")))


def rows_of_tables(src: Path) -> int:
    return sum(map(len, tables(src)))


def cells_of_multijail(src: Path) -> int:
    return sum(len(row) - 3 for table in tables(src) for row in table)


def rows_of_json(src: Path) -> int:
    return sum(len(json.loads(path.read_bytes())) for path in files(src, ".json"))


def examples_of_moonshot(src: Path) -> int:
    return sum(len(json.loads(path.read_bytes())["examples"]) for path in files(src, ".json"))


def lines_of_zips(src: Path) -> int:
    count = 0
    for path in files(src, ".zip"):
        with zipfile.ZipFile(path) as packed:
            names = [name for name in packed.namelist() if name.endswith(".jsonl") and not name.startswith("__MACOSX")]
            count += sum(packed.read(name).count(b'"traceid"') for name in names)
    return count


def rows_of_xsafety(src: Path) -> int:
    count = 0
    for path in files(src, ".csv"):
        with path.open(encoding="utf-8-sig", newline="") as lines:
            count += sum(len(row) > 0 for row in csv.reader(lines))
    for path in files(src, ".xlsx"):
        book = load_openpyxl().load_workbook(path, read_only=True)
        count += sum(any(row) for sheet in book for row in sheet.iter_rows(values_only=True))
    return count


COUNTS: dict[str, Callable[[Path], int]] = {
    "harmbench": rows_of_tables,
    "jade": rows_of_tables,
    "xstest": rows_of_tables,
    "ailuminate": rows_of_tables,
    "multijail": cells_of_multijail,
    "cyberseceval": rows_of_json,
    "moonshot": examples_of_moonshot,
    "s-eval": lines_of_zips,
    "xsafety": rows_of_xsafety,
}


@pytest.mark.parametrize("kind", COUNTS)
def test_published_files_then_every_text_is_imported_or_told_as_left_out(kind):
    src, made = folder(kind), made_of(kind)
    gone = len(told(made, "import-empty")) + sum(int(one.fields["n"]) for one in told(made, "import-repeated"))
    for one in told(made, "import-left-out"):  # a whole file where no line is named
        gone += 1 if one.at.line else COUNTS[kind](src / one.at.file)
    assert len(made.rows) + gone == COUNTS[kind](src)


@pytest.mark.parametrize("kind", COUNTS)
def test_published_files_then_the_check_finds_nothing_that_the_import_did(kind, tmp_path):
    made = made_of(kind)
    write_folder(tmp_path / "made", made.head, made.rows, made.report)
    codes = Counter(one.code for one in check_suite(read_folder(str(tmp_path / "made")))[1])
    assert not BUILT & codes.keys()
    assert (tmp_path / "made" / "items.jsonl").read_bytes().count(b"\n") == len(made.rows)


def langs_of(made: Imported) -> Counter[int]:
    """In how many languages the items are."""
    return Counter(Counter(row["id"] for row in made.rows).values())


def test_published_cyberseceval_then_every_case_stands_in_english_hindi_and_three_more():
    made = made_of("cyberseceval")
    assert langs_of(made) == {5: 251}
    assert told(made, "import-layout")


def test_published_xstest_then_seven_types_of_contrasts_are_paired():
    made = made_of("xstest")
    assert [one.fields for one in told(made, "import-paired")] == [{"n": 174, "left": 26}]
    pairs = {row["id"]: row.get("pair") for row in made.rows}
    assert all(pairs[other] == key for key, other in pairs.items() if other)


def test_published_xsafety_then_all_ten_languages_join_and_the_texts_bear_it_out():
    made = made_of("xsafety")
    assert langs_of(made) == {10: 2799, 9: 1}
    votes = {one.at.lang: (one.fields["votes"], one.fields["agreed"]) for one in told(made, "import-by-rows")}
    assert len(votes) == 9
    assert all(agreed >= 0.85 * n for n, agreed in votes.values())
    assert not told(made, "import-not-joined")


def test_published_s_eval_then_base_and_attack_prompts_stand_in_both_languages():
    made = made_of("s-eval")
    assert langs_of(made).keys() == {2}
    [joined] = told(made, "import-joined")
    assert joined.fields["agreed"] == joined.fields["votes"] >= 8


def test_published_multijail_then_every_item_stands_in_all_languages():
    assert langs_of(made_of("multijail")) == {10: 315}


def test_published_ailuminate_then_english_and_french_are_other_prompts_and_that_is_told():
    made = made_of("ailuminate")
    assert langs_of(made) == {1: 2400}
    assert [one.at.lang for one in told(made, "import-not-joined")] == ["fr"]


def test_published_jade_then_english_is_english_and_joins_nothing():
    made = made_of("jade")
    assert Counter(row["lang"] for row in made.rows)["en"] == 80
    assert [one.at.lang for one in told(made, "import-not-joined")] == ["en"]
    assert langs_of(made).keys() == {1}


def test_published_answercarefully_then_three_languages_are_another_set_and_that_is_told():
    """The set of the joint test that its first imports could only be tried on by hand-written rows."""
    made = made_of("moonshot")
    apart = {one.at.lang for one in told(made, "import-not-joined") if one.at.file.startswith("answercarefully")}
    assert apart == {"cn", "jp", "kr"}
