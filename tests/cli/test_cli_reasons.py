# SPDX-License-Identifier: Apache-2.0
"""What parsers complain of is told in the reader's language: real parsers, real complaints, no English left in a Chinese message."""

import errno
import io
import json
import os
import re
import tomllib
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import orjson
import pytest

from detente.cli.reasons import REASONS, SYSTEM, WHYS, in_words
from detente.cli.speech import Speech
from detente.desk.keys import make_desk
from detente.errors import Malformed
from kit.labs import Labs
from kit.typed import HAN, refused, typed
from kit.typed import raw as raw_characters


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    """A little of everything that is read with types."""

    a: int
    b: list[str] = []
    c: Annotated[str, msgspec.Meta(pattern="^x$")] = "x"
    d: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    e: Annotated[str, msgspec.Meta(min_length=2, max_length=3)] = "xx"
    f: str | None = None
    g: msgspec.UnsetType | bool = msgspec.UNSET


def shaped(text: str) -> Callable[[], object]:
    return lambda: msgspec.json.decode(text, type=Shape)


def zipped(spoil: Callable[[bytes], bytes]) -> Callable[[], object]:
    def read() -> object:
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.txt", "text " * 50)
        with zipfile.ZipFile(io.BytesIO(spoil(whole.getvalue()))) as archive:
            return archive.read("a.txt")

    return read


COMPLAINTS: list[tuple[str, Callable[[], object]]] = [
    *(("toml", lambda text=text: tomllib.loads(text)) for text in (
        "a", "a = ", "a = b", "= 1", "a = 1\na = 2", "[a]\n[a]", "a = {b = 1, b = 2}", 'a = "x', "a = [1", "a = {b",
        'a = "\\q"', "[a", "[[a]", "a = 1 b", 'a = "\x01"', "a = 2020-02-30", 'a = "\\ud800"', "a.b = 1\na.b.c = 2",
        "a = {}\n[a.b]", "a = '''x", 'a = """x', "?", 'a = "x\ny"',
    )),
    *(("json", lambda text=text: json.loads(text)) for text in (
        "", "{", "{a: 1}", '{"a" 1}', '{"a": 1,}', "[1 2]", "[1,]", '"x', '"\\q"', '"\x01"', "1 2", "nul", "\ufeff1",
    )),
    *(("json", lambda text=text: orjson.loads(text)) for text in (
        "", "{", "{a:1}", '{"a":1,}', "[1 2]", '"x', '"\\q"', '"\x01"', "1 2", "nul", b'"\xff"', "01", '"\\ud800"',
    )),
    *(("json", lambda text=text: msgspec.json.decode(text)) for text in (
        "", "{", "{a:1}", '{"a":1,}', "[1 2]", "[1,]", '"x', '"\\q"', "1 2", "nul", b'"\xff"', '"\\ud800"', "1e", "[" * 9999,
    )),
    ("deep", lambda: json.loads("[" * 99999)),
    ("digits", lambda: json.loads("9" * 5000)),
    ("utf-8", lambda: b"ab\xff".decode("utf-8")),
    *(("shape", shaped(text)) for text in (
        "[]", "{}", "5", "null", '{"a":"1"}', '{"a":1.5}', '{"a":true}', '{"a":1,"z":2}', '{"a":1,"b":{}}', '{"a":1,"b":[1]}',
        '{"a":1,"c":"y"}', '{"a":1,"d":-1}', '{"a":1,"d":10}', '{"a":1,"e":"x"}', '{"a":1,"e":"xxxx"}', '{"a":1,"f":5}',
        '{"a":1,"g":"x"}', '{"a":1e999}',
    )),
    ("zip", zipped(lambda raw: raw[:40])),
    ("zip", zipped(lambda raw: b"x" * 40)),
    ("zip", zipped(lambda raw: raw[:45] + bytes([raw[45] ^ 255]) + raw[46:])),
    ("zlib", lambda: zlib.decompress(b"no")),
]  # fmt: skip


def complaint(cause: Callable[[], object]) -> str:
    try:
        cause()
    except Exception as error:
        return str(error)
    raise AssertionError("nothing was wrong with it")


def english(text: str) -> list[str]:
    """The English words of a text: not what stands in quotes, nor names of ours, nor of formats."""
    bare = re.sub(r"`[^`]*`|'[^']*'|\^[^ ]*", "", text)
    return [
        word
        for word in re.findall(r"[A-Za-z]{3,}", bare)
        if word not in {"UTF", "JSON", "TOML", "zip", "true", "false", "null"}
    ]


@pytest.mark.parametrize(
    ("parser", "cause"), COMPLAINTS, ids=[f"{n} {parser}" for n, (parser, _) in enumerate(COMPLAINTS)]
)
def test_complaint_when_a_parser_makes_one_then_it_is_told_in_both_languages(
    parser: str, cause: Callable[[], object]
) -> None:
    text = complaint(cause)
    chinese, ours = in_words(text, "zh"), in_words(text, "en")
    assert HAN.search(chinese), f"{parser}: {text}"
    assert not english(chinese), f"{text} -> {chinese}"
    assert ours != text, "English readers get our words too"
    assert not HAN.search(ours)
    where = re.search(r"line (\d+),? column (\d+)|\(byte (\d+)\)|position (\d+)", text)
    for number in filter(None, where.groups() if where else ()):
        assert number in chinese
        assert number in ours


def test_complaints_when_all_are_made_then_every_row_of_the_tables_was_needed() -> None:
    texts = [complaint(cause) for _, cause in COMPLAINTS]
    elsewhere = {
        "found",
        "no-module",
        "no-function",
        "enum",
        "crc",
        "encrypted",
        "method",
    }  # below, or not to be made here
    assert {key for key in REASONS if not any(REASONS[key].match(text) for text in texts)} <= elsewhere
    assert {key for key in WHYS if not any(WHYS[key].search(text) for text in texts)} == set()


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("Expected `int`, got `str`", "应为整数，实为文本"),
        ("Expected `str | null`, got `int` - at `$.a[0]`", "应为文本 或 null，实为整数，位于 `$.a[0]`"),
        ("Object missing required field `a`", "缺少成员 `a`"),
        ("Invalid enum value 'hazards' - at `$.kind`", "此处不能写 'hazards'，位于 `$.kind`"),
        ("`array`", "列表"),
        ("ModuleNotFoundError: No module named 'mine'", "没有模块 mine"),
        ("AttributeError: module 'mine' has no attribute 'f'", "mine 中没有 f"),
        ("File 'a' is encrypted, password required for extraction", "'a' 已加密"),
        ("something that no table knows", "something that no table knows"),
        ("Input/output error", "磁盘报告故障"),
        ("EISDIR", "此处是文件夹"),
    ],
)
def test_reason_when_known_then_this_is_how_it_reads(text: str, chinese: str) -> None:
    assert in_words(text, "zh") == chinese


def test_system_when_it_reports_then_each_error_has_words() -> None:
    for name in SYSTEM:
        for text in (name, os.strerror(getattr(errno, name))):
            assert HAN.search(in_words(text, "zh"))
            assert not HAN.search(in_words(text, "en"))


# --- as a person meets them ---------------------------------------------------------------------


def message(err: str) -> str:
    """An error's own sentence and its values: without the code, the place and the hint."""
    lines = err[err.index("error[") :].splitlines()
    return " ".join([lines[0].partition("]: ")[2], *(line for line in lines[1:] if line.startswith("  应为"))])


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    root = tmp_path / "desk"
    make_desk(root, "lab-a", {"en": "A"}, "https://a.example", tmp_path / "exchange", [])
    return root


@pytest.mark.parametrize(
    "text",
    ["party", "party = 5", 'party = "a"', "\xff", 'party = "a"\nparty = "b"', "a = [" * 3000],
    ids=["no value", "a number", "members missing", "no utf-8", "twice", "deep"],
)
def test_desk_file_when_it_is_broken_then_a_chinese_reader_is_told_why(capsys, lab, text):
    (lab / "desk.toml").write_bytes(text.encode("latin-1"))
    refused(capsys, 2, "desk-broken", "status", "--desk", lab)
    said = message(typed(capsys, "status", "--desk", lab, lang="zh").err)
    assert not [word for word in english(said) if word not in {"desk", "toml"}], said


DRAFTS = [
    "title", "[title]\nen = 5", "title = [1]\nsuite = 1\ntest = 1\nroles = 1", '[title]\nen = "x"\n[title]',
    '[title]\nen = "x"\n[[suite]]\nfrom = 5\n[[test]]\nparty = "a"\n[roles]\na = []',
]  # fmt: skip


@pytest.mark.parametrize("draft", DRAFTS)
def test_draft_when_it_is_broken_then_a_chinese_reader_is_told_why(capsys, lab, draft):
    (lab / "plan.toml").write_text(draft)
    said = typed(capsys, "plan", "new", lab / "plan.toml", "--desk", lab, lang="zh")
    assert said.code == 2
    assert not english(message(said.err)) or "draft-missing" in said.err, said.err


@pytest.mark.parametrize("card", ["", "{", "[]", '{"id":5}', '{"a":1}', "\xff"])
def test_card_when_it_is_broken_then_a_chinese_reader_is_told_why(capsys, lab, card):
    (lab / "plan.toml").write_text(
        '[title]\nen = "x"\n[[suite]]\nfrom = "core-v0"\n[[test]]\nparty = "a"\nsubject = "m"\n[roles]\na = ["tests"]'
    )
    (lab / "other.json").write_bytes(card.encode("latin-1"))
    said = typed(capsys, "plan", "new", lab / "plan.toml", "--card", lab / "other.json", "--desk", lab, lang="zh")
    assert said.code == 2
    assert not english(message(said.err)), said.err


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("suite.toml", "id"), ("suite.toml", 'id = "x"'), ("suite.toml", 'id = "x"\nlanguages = 5\ncanary = "c"\n[title]\nen = "x"'),
        ("items.jsonl", "{"), ("items.jsonl", '{"id":1}'), ("items.jsonl", "[]"),
        ("items.jsonl", '{"id":"a","lang":"en","text":"x","hazard":"dt:crime","kind":"hazards"}'),
    ],
)  # fmt: skip
def test_suite_when_it_is_broken_then_a_chinese_reader_is_told_why(capsys, tmp_path, file, text):
    suite = tmp_path / "suite"
    suite.mkdir()
    good = {"suite.toml": 'id = "x"\nlanguages = ["en"]\ncanary = "c"\n[title]\nen = "x"', "items.jsonl": ""}
    for name, there in {**good, file: text}.items():
        (suite / name).write_text(there)
    words = ["rehearse", suite, "--model", "python:kit.labs:scripted", "--scorer", "refusal", "--out", tmp_path / "out"]
    said = typed(capsys, *words, lang="zh")
    assert said.code == 2, said
    assert not [word for word in english(message(said.err)) if word not in {"suite", "toml", "items", "jsonl"}], (
        said.err
    )


@pytest.mark.parametrize("row", ["{", "[]", "5", '{"id":1', "nul", '{"id":1,"response":"\\ud800"}', "[" * 9999])
def test_replies_when_a_row_is_broken_then_a_chinese_reader_is_told_why(capsys, tmp_path, row):
    (tmp_path / "rows.jsonl").write_text(row + "\n")
    said = typed(capsys, "score", tmp_path / "rows.jsonl", "--scorer", "refusal", lang="zh")
    assert said.code == 2
    assert not english(message(said.err)), said.err


def test_values_when_shown_below_a_message_then_they_are_in_words_too(capsys):
    Speech("zh").error(Malformed("B-3.shape", "$.a", expected="`int`", got="`array`"))
    assert "应为 整数，实为 列表" in capsys.readouterr().err


def test_function_when_it_is_not_there_then_a_chinese_reader_is_told_so(capsys, stories: Any, tmp_path):
    labs: Labs = stories.at("signed").moved(tmp_path)
    desk = labs.desks["lab-a"].root / "desk.toml"
    desk.write_text(desk.read_text("utf-8").replace("python:kit.labs:scripted", "python:kit.no_such:f"), "utf-8")
    said = typed(capsys, "init", "lab-a", "--desk", desk.parent, lang="zh")
    assert "没有模块 kit.no_such" in said.err
    assert not raw_characters(said.err)
