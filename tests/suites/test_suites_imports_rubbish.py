# SPDX-License-Identifier: Apache-2.0
"""Rubbish in a source of any kind: an error that names file, row and column, never a traceback, and nothing half-written."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from detente.cli import main
from detente.errors import WrongUsage
from detente.suites.imports import tables
from detente.suites.imports.building import Wishes
from detente.suites.imports.kinds import KINDS, import_suite
from detente.suites.imports.tables import read_records
from kit import sources
from kit.growth import assert_linear
from kit.sources import SOURCES

WISHES = Wishes("dt:crime", suggested=True)


def refused(kind: str, src: Path, mapping: Path | None = None) -> WrongUsage:
    with pytest.raises(WrongUsage) as caught:
        import_suite(kind, src, "imported", mapping=mapping, wishes=WISHES)
    return caught.value


def fault(kind: str, src: Path, mapping: Path | None = None) -> WrongUsage | None:
    """What an import is refused for; None where a suite came of it."""
    try:
        import_suite(kind, src, "imported", mapping=mapping, wishes=WISHES)
    except WrongUsage as error:
        return error
    return None


def files(src: Path) -> list[Path]:
    return [src] if src.is_file() else sorted(path for path in src.rglob("*") if path.is_file())


Spoil = Callable[[bytes], bytes]
SPOILS: dict[str, Spoil] = {
    "empty": lambda _: b"",
    "blank": lambda _: b"\n \n\n",
    "binary": lambda raw: b"\x00\xff\xfe\x80" + raw,
    "utf-16": lambda raw: raw.decode("utf-8", "replace").encode("utf-16"),
    "cut": lambda raw: raw[: len(raw) // 2 + 3],
    "other": lambda _: b"<html><body>404</body></html>",
    "deep": lambda _: b"[" * 50_000,
    "digits": lambda _: b'{"examples": [{"id": ' + b"9" * 10_000 + b"}]}",
    "quote": lambda raw: raw.replace(b"\n", b'\n"', 1) + b'"a"b',
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spoil", SPOILS)
def test_source_that_is_rubbish_then_a_known_error_names_the_file_and_nothing_is_written(kind, spoil, tmp_path, capfd):
    write, name = SOURCES[kind]
    src = write(tmp_path / name)
    for path in files(src):
        path.write_bytes(SPOILS[spoil](path.read_bytes()))
    words = ["suite", "import", kind, str(src), "-o", str(tmp_path / "out"), "--hazard", "dt:crime"]
    ended = main([*words, *(["--map", str(tmp_path / "map.toml")] if kind == "table" else [])])
    told = capfd.readouterr().err
    if ended == 0:  # half a file may be a whole one
        assert spoil in {"cut", "quote", "binary"} or kind == "xsafety"  # a file of which any line is a question
        assert (tmp_path / "out" / "items.jsonl").is_file()
    else:
        assert ended == 2
        assert re.search(r"^error\[import-[a-z-]+\]: ", told, re.MULTILINE), told
        assert "Traceback" not in told
        assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("kind", ["xstest", "multijail", "inspect", "table", "moonshot"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(raw=st.binary(max_size=200) | st.text(max_size=80).map(str.encode))
def test_source_of_any_bytes_then_a_suite_or_a_known_error(kind, raw, tmp_path):
    names = {"moonshot": "a-en.json", "inspect": "a.jsonl"}
    path = tmp_path / names.get(kind, "a.csv")
    path.write_bytes(raw)
    (tmp_path / "map.toml").write_text(sources.MAP, "utf-8")
    error = fault(kind, path, tmp_path / "map.toml" if kind == "table" else None)
    assert error is None or (error.code.startswith("import-") and error.place)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "lang"]), inner, max_size=3),
        max_leaves=6,
    ),
    member=st.sampled_from(["input", "target", "id", "choices", "metadata"]),
)  # fmt: skip
@example(value=[{"role": []}], member="input")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_sample_of_any_value_then_a_suite_or_an_error_with_its_row(value, member, tmp_path):
    good = {"input": "How?", "metadata": {"lang": "en"}}
    (tmp_path / "a.jsonl").write_text(json.dumps(good) + "\n" + json.dumps({**good, member: value}) + "\n", "utf-8")
    error = fault("inspect", tmp_path / "a.jsonl")
    assert error is None or error.place == "a.jsonl:2"


# --- places ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "raw", "code", "place", "column"),
    [
        ("xstest", "a.csv", b"id,prompt,type\n1,How?,homonyms\n2,How?\n", "import-cells", "a.csv:3", None),
        ("xstest", "a.csv", b'id,prompt,type\n1,"How\nlong?",homonyms\n2,"How" far?,x\n', "import-row", "a.csv:4", None),
        ("xstest", "a.csv", b"id,prompt,type,label\n1,How?,homonyms,maybe\n", "import-cell", "a.csv:2", "label"),
        ("xstest", "a.csv", b"id,prompt,type\n,How?,homonyms\n", "import-cell", "a.csv:2", "id"),
        ("xstest", "a.csv", b"id,prompt,prompt\n1,How?,x\n", "import-column-twice", "a.csv:1", None),
        ("xstest", "a.csv", b"id,prompt\n1,How?\n", "import-columns", "a.csv", None),
        ("xstest", "a.csv", b"id,prompt,type\n1,\xff,x\n", "import-bytes", "a.csv", None),
        ("xstest", "a.csv", b"id,prompt,type\n", "import-no-rows", "a.csv", None),
        ("multijail", "a.csv", b"id,source,tags,en\n1,x,[open,How?\n", "import-cell", "a.csv:2", "tags"),
        ("multijail", "a.csv", b"id,source,tags,en\n1,x,__import__('os'),How?\n", "import-cell", "a.csv:2", "tags"),
        ("s-eval", "a_en.jsonl", b'{"traceid":"a","risk_type":"b","prompt":"c","ext":"{"}\n', "import-cell", "a_en.jsonl:1", "ext"),
        ("s-eval", "a_en.jsonl", b'{"traceid":"a"}\n', "import-columns", "a_en.jsonl", None),
        ("s-eval", "a.jsonl", b"{}\n", "import-name", "a.jsonl", None),
        ("s-eval", "a_zh.zip", b"PK\x03\x04 no zip", "import-bytes", "a_zh.zip", None),
        ("moonshot", "a-en.json", b'{"examples":[{"id":1,"input":"a"},3]}', "import-row", "a-en.json:2", None),
        ("moonshot", "a-en.json", b'{"examples":[{"id":1,"input":["a"]}]}', "import-cell", "a-en.json:1", "input"),
        ("moonshot", "a-en.json", b'{"examples":[{"id":{},"input":"a"}]}', "import-cell", "a-en.json:1", "id"),
        ("moonshot", "a.json", b"{}", "import-name", "a.json", None),
        ("moonshot", "a-en.json", b'{"a":1,"a":2}', "import-row", "a-en.json", None),
        ("inspect", "a.jsonl", b'{"input":"a"}\n', "import-language-unknown", "a.jsonl:1", None),
        ("inspect", "a.jsonl", b'{"input":[{"role":"boss","content":"a"}],"metadata":{"lang":"en"}}\n', "import-cell", "a.jsonl:1", "input"),
        ("inspect", "a.jsonl", b'{"input":"a","metadata":{"lang":"English!"}}\n', "import-language-tag", "a.jsonl:1", None),
        ("inspect", "a.jsonl", b'{"input":"a","metadata":{"lang":"en","kind":"harm"}}\n', "import-value", "a.jsonl:1", None),
        ("inspect", "a.txt", b"a", "import-format", "a.txt", None),
        ("xsafety", "Insult.csv", b"a\n", "import-name", "Insult.csv", None),
        ("harmbench", "nowhere.csv", None, "import-missing", "nowhere.csv", None),
    ],
)  # fmt: skip
def test_fault_then_it_is_told_with_file_row_and_column(kind, name, raw, code, place, column, tmp_path):
    if raw is not None:
        (tmp_path / name).write_bytes(raw)
    error = refused(kind, tmp_path / name)
    assert (error.code, error.place.removeprefix(f"{tmp_path}/"), error.fields.get("column")) == (code, place, column)


def test_mapping_file_when_it_is_no_utf8_then_its_own_bytes_are_blamed_and_not_the_table_s(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"Question\nHow?\n")
    (tmp_path / "m.toml").write_bytes('title = "题库"\n'.encode("gb18030"))
    with pytest.raises(WrongUsage) as caught:
        import_suite("table", tmp_path / "a.csv", "own", mapping=tmp_path / "m.toml")
    assert (caught.value.code, caught.value.place, caught.value.got) == ("import-map-utf8", str(tmp_path / "m.toml"), 9)


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("", "import-map-needed", ""),
        ("a = ", "import-map", ""),
        ("columns = 3", "import-map", "columns"),
        ('[columns]\nNr = "id"', "import-map-text", ""),
        ('[columns]\nNr = "text"\nQuestion = "text:en"', "import-map-text", ""),
        ('[columns]\nNr = "text"\nQuestion = "text"', "import-map-twice", "columns.Question"),
        ('[columns]\nNr = "number"', "import-map-member", "columns.Nr"),
        ('[columns]\nNr = "hazard:en"', "import-map-member", "columns.Nr"),
        ("[columns]\nNr = 3", "import-map", "columns.Nr"),
        ('[columns]\nQuestion = "text"\nGone = "id"\n[constants]\nlang = "en"', "import-map-column", None),
        ('[columns]\nQuestion = "text"', "import-language-unknown", None),
        ('[columns]\nQuestion = "text"\n[constants]\nlang = "EN"', "import-language-tag", None),
        ('[columns]\nQuestion = "text"\n[constants]\nlang = "en"\nkind = "harm"', "import-value", None),
        ('[columns]\nQuestion = "text"\n[constants]\ncolour = "red"', "import-map-member", "constants.colour"),
        ('[columns]\nQuestion = "text"\n[constants]\nhazard = "dt:none"', "S-2.hazard", "constants.hazard"),
        ('[columns]\nQuestion = "text"\n[constants]\nhazard = 3', "import-map", "constants.hazard"),
        ('[columns]\nQuestion = "text"\n[values.hazard]\nFraud = "dt:none"', "S-2.hazard", "values.hazard"),
        ('[columns]\nQuestion = "text"\n[values]\nhazard = "x"', "import-map", "values.hazard"),
        ('[columns]\nQuestion = "text:en"\n"题目" = "text:zh-Hans"\nKind = "adapted"', "import-cell", None),
        ('encoding = "rot13"', "import-map", "encoding"),
        ('encoding = "none such"', "import-map", "encoding"),
        ('title = "x"', "import-map", "title"),
        ("languages = [3]", "import-map", "languages"),
        ('colour = "red"', "import-map-member", "colour"),
        ('id = "Not An Id"\n[columns]\nQuestion = "text"\n[constants]\nlang = "en"', "import-id", None),
    ],
)  # fmt: skip
def test_mapping_file_that_does_not_fit_then_it_is_told_with_its_place(text, code, where, tmp_path):
    src = sources.table(tmp_path / "questions.csv")
    (tmp_path / "map.toml").write_text(text, "utf-8")
    error = refused("table", src, tmp_path / "map.toml")
    assert error.code == code
    if where:
        assert error.place == f"{tmp_path}/map.toml {where}"


def test_mapping_file_with_columns_for_a_known_format_then_it_is_refused(tmp_path):
    src = sources.xstest(tmp_path / "x.csv")
    (tmp_path / "map.toml").write_text(sources.MAP, "utf-8")
    assert refused("xstest", src, tmp_path / "map.toml").code == "import-map-member"


@pytest.mark.parametrize("ending", ["xlsx", "parquet"])
@pytest.mark.parametrize("spoil", ["empty", "binary", "cut", "other", "deep"])
def test_packed_table_that_is_rubbish_then_it_is_told(ending, spoil, tmp_path):
    pytest.importorskip({"xlsx": "openpyxl", "parquet": "duckdb"}[ending])
    src = sources.table(tmp_path / f"questions.{ending}")
    if (ending, spoil) == ("xlsx", "binary"):
        src.write_bytes(src.read_bytes()[:-40])  # a ZIP may begin with anything; without its end it is none
    src.write_bytes(SPOILS[spoil](src.read_bytes()))
    error = refused("table", src, tmp_path / "map.toml")
    assert (error.code, error.place) == ("import-bytes", src.name)


def test_parquet_under_a_name_that_is_a_pattern_then_that_file_alone_is_read(tmp_path):
    pytest.importorskip("duckdb")
    sources.table(tmp_path / "a1.parquet")
    sources.table(tmp_path / "a2.parquet")
    sources.table(tmp_path / "a[12]*.parquet")
    assert len(read_records(tmp_path / "a[12]*.parquet", "a")) == 3


def test_file_larger_than_it_may_be_then_it_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MOST", 50)
    src = sources.xstest(tmp_path / "x.csv")
    assert refused("xstest", src).code == "import-bytes"


def test_folder_without_files_of_the_kind_then_it_is_told(tmp_path):
    (tmp_path / "empty").mkdir()
    assert refused("ailuminate", tmp_path / "empty").code == "import-no-files"


def test_import_takes_time_in_proportion(tmp_path):
    rows = "".join(f"{n},How do I mend chair {n}?,homonyms\n" for n in range(4000))

    def work(part: str) -> object:
        whole = part[: part.rindex("\n") + 1]
        (tmp_path / "a.csv").write_text(f"id,prompt,type\n{whole}", "utf-8")
        return import_suite("xstest", tmp_path / "a.csv", "x", wishes=WISHES)

    assert_linear(work, rows)
