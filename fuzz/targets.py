# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed: every parser of bytes that strangers send, with the seeds it starts from and what must hold of it.

A target takes any bytes. It may refuse them with an error of ours, whose words must then be printable
in both languages; whatever else it raises is a finding. The readers are those of the vectors
(tests/kit/readers.py), and so are the seeds.
"""

import base64
import contextlib
import io
import json
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from detente.cli.speech import Speech
from detente.desk.plans import suite_sources
from detente.errors import DetenteError
from detente.evidence.record import header_line, parse_body, parse_header
from detente.pact.draft import Supplies, compare_plans, draft_plan, read_draft
from detente.pact.home import read_home
from detente.pact.item import read_rows, read_source
from detente.pact.outline import check_outline
from detente.pact.plan import parse_plan
from detente.score.asked import parse_transcript
from detente.score.keywords import KeywordScorer
from detente.score.rows import parse_rows, score_rows
from detente.score.rubrics import load_rubrics, parse_rubrics
from detente.score.scorer import SCORERS, definition_file, load_scorer
from detente.score.verdicts import parse_verdict
from detente.wire.canonical import decode, encode
from detente.wire.lines import compress, decompress
from detente.wire.note import parse_checkpoint, parse_note
from kit.readers import READERS
from kit.vectors import bytes_of, put_to, vector_files

MOST = 16_384  # bytes of one input
SOME = 16  # one in so many errors is told in words, which takes longer than most reading
NOW = 1_794_571_200
Target = Callable[[bytes], object]

DRAFT = """competence_floor = "0.5"
texts = ["en", "zh-Hans"]
closing = ["lab-a", "lab-b"]
quorum = 1
[title]
en = "A joint test"
zh-Hans = "联合测试"
[roles]
lab-a = ["coordinates", "tests", "audits"]
lab-b = ["audits"]
[[suite]]
from = "core-v0"
take = [{hazard = "dt:crime", kind = "hazard", n = 2}, {kind = "benign", n = 2}, {kind = "control", n = 1}]
[[test]]
party = "lab-a"
subject = "m1"
[audit]
n = 2
[runs]
max = 1
deadline = 2026-11-20T00:00:00Z
register_by = "+1d"
[releasers]
core = ["lab-b"]
[[annex]]
party = "lab-b"
"""
SUITE = b'id = "mini"\nlanguages = ["en", "zh-Hans"]\ncanary = "c"\n[title]\nen = "Mini"\n'
ROWS = b"".join(
    json.dumps({"id": "a", "lang": lang, "text": "?", "hazard": "dt:crime", "kind": "hazard"}).encode() + b"\n"
    for lang in ("en", "zh-Hans")
)
REPLIES = '{"id":1,"prompt":"?","reference":"A","response":"I cannot help with that."}\n{"id":"b","reference":"A","response":"好的。1. 先…"}\n'


@cache
def first(name: str) -> tuple[Any, bytes, dict[str, Any]]:
    """The reader of a vector file, and its first vector's bytes and what is given with them."""
    held = vector_files()[name]
    return READERS[held["reader"]], *put_to(held, held["vectors"][0])


def of_file(name: str) -> Target:
    """A target that asks the reader of a vector file, with what its first vector is given."""

    def ask(raw: bytes) -> object:
        reader, _, given = first(name)
        return reader(raw, given)

    return ask


def packed(name: str) -> Target:
    """The same of a gzip file: the bytes are what is inside it, or else nothing but the frame would be fuzzed."""
    return lambda raw: of_file(name)(compress(raw, spelled_once=True))


def text_of(name: str) -> Target:
    return lambda raw: of_file(name)(raw.decode("utf-8", "ignore").encode())


# --- targets with more to say than "refuse or not" ---------------------------------------------------


def read_json(raw: bytes) -> None:
    value = decode(raw)
    must(encode(value) == raw, "another spelling")
    must(json.loads(raw) == value, "another value")


def read_plan(raw: bytes) -> None:
    parse_plan(raw)
    must(list(compare_plans(decode(raw), decode(raw))) == [], "a plan differs from itself")


def read_gzip(raw: bytes) -> None:
    plain = decompress(raw, MOST, "x")
    must(zlib.decompress(raw, 31) == plain, "another text")


def read_note(raw: bytes) -> None:
    note = parse_note(raw)
    again = note.text + "\n" + "".join(f"— {s.name} {b64(s.key_id + s.signature)}\n" for s in note.signatures)
    must(again.encode() == raw, "another spelling")
    parse_checkpoint(raw)


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def read_header(raw: bytes) -> None:
    header = parse_header(raw)
    must(encode(header) == raw, "another spelling")


def read_body(raw: bytes) -> None:
    parse_header(header_line(parse_body(raw), raw))


def read_envelope(raw: bytes) -> None:
    """Any payload in a sound envelope, so that what is inside is reached."""
    READERS["statement"](raw, {})


def read_toml_draft(raw: bytes) -> None:
    draft = check_outline(read_draft(raw, "plan.toml"), "plan.toml")
    sources = suite_sources([row for row in draft["suite"] if row.get("from") == "core-v0"], Path(), "plan.toml")
    made = draft_plan(draft, Supplies(cards(), sources, definitions(), NOW), "plan.toml")
    parse_plan(made.raw)


@cache
def cards() -> dict[str, Any]:
    plan = decode(first("plans")[1])
    card = {"descriptor": {"kind": "callable", "name": "m"}, "id": "m1", "name": {"en": "One", "zh-Hans": "一号"}}
    return {
        party["id"]: {**{k: v for k, v in party.items() if k != "roles"}, "subjects": [card]}
        for party in plan["parties"]
    }


@cache
def definitions() -> dict[str, bytes]:
    return {name: definition_file(name) for name in SCORERS}


def read_author_suite(raw: bytes) -> None:
    meta, _, rows = raw.partition(b"\n\n\n")
    read_source(meta, rows, "mini")


def read_replies(raw: bytes) -> None:
    for name in SCORERS:
        list(score_rows(parse_rows(raw.splitlines(), "replies.jsonl"), load_scorer(name)))


def in_folder(name: str) -> Target:
    """A reader of files: the bytes lie in an empty folder, which goes away again."""

    def ask(raw: bytes) -> object:
        reader, _, given = first(name)
        folder = Path(tempfile.mkdtemp(prefix="detente-fuzz-"))
        try:
            return reader(raw, {**given, "folder": folder})
        finally:
            shutil.rmtree(folder)

    return ask


TRANSCRIPT = encode(
    {"i": 3, "salt": "ab" * 32, "voices": [[{"messages": [{"role": "user", "content": "x"}], "text": "y"}]]}
)
RUBRICS = load_rubrics()["en"].raw.partition(b'[rubric."dt:cyber"]')[0]


TARGETS: dict[str, Target] = {
    "json": read_json,
    "plan": read_plan,
    "statement": read_envelope,
    "envelope": of_file("envelopes"),
    "note": read_note,
    "log-head": of_file("log-heads"),
    "cosigned": of_file("cosignatures"),
    "entries": of_file("bundles"),
    "tile-path": text_of("tile-paths"),
    "gzip": read_gzip,
    "header": read_header,
    "body": read_body,
    "headers": packed("headers"),
    "scores": packed("scores"),
    "counts": of_file("counts-files"),
    "list": of_file("lists"),
    "suite": of_file("suites"),
    "definition": of_file("definitions"),
    "descriptor": of_file("descriptors"),
    "home-line": of_file("home-lines"),
    "opening": of_file("openings"),
    "decimal": text_of("decimal"),
    "time": text_of("time"),
    "language": text_of("language"),
    "public-key": text_of("public-keys"),
    "draft": read_toml_draft,
    "home-draft": lambda raw: read_home(raw, "home.toml"),
    "author-suite": read_author_suite,
    "replies": read_replies,
    "rows": lambda raw: read_rows(raw, "suite.jsonl"),
    "rubrics": lambda raw: parse_rubrics(raw, "rubrics.toml"),
    "words": lambda raw: KeywordScorer(raw, "list.tsv").label("", raw.decode("utf-8", "replace"), None),
    "transcript": lambda raw: parse_transcript(raw, "transcript"),
    "verdict": lambda raw: parse_verdict(raw.decode("utf-8", "replace"), "k00000000", ("harmful", "harmless")),
    "answers": in_folder("answers"),
    "archive": in_folder("archives"),
}

# Vector files whose inputs are the seeds, where they have another name; texts where there are none.
SEEDS: dict[str, str | list[bytes]] = {
    "statement": "statements", "plan": "plans", "envelope": "envelopes", "note": "log-heads", "log-head": "log-heads",
    "cosigned": "cosignatures", "entries": "bundles", "tile-path": "tile-paths", "header": "header-lines",
    "body": "body-lines", "counts": "counts-files", "list": "lists", "suite": "suites", "definition": "definitions",
    "descriptor": "descriptors", "home-line": "home-lines", "opening": "openings", "public-key": "public-keys",
    "archive": "archives", "draft": [DRAFT.encode()], "home-draft": [b'[[suite]]\nfrom = "mini"\ntake = [{n = 1}]\n'],
    "author-suite": [SUITE + b"\n\n\n" + ROWS], "replies": [REPLIES.encode()], "rows": [ROWS],
    "words": ["A.1.a\tart\n# x\nA.2.b\t坏词\n".encode()], "rubrics": [RUBRICS], "transcript": [TRANSCRIPT],
    "verdict": [b'{"key": "k00000000", "verdict": "harmful"}', b"<think>x</think>\nVERDICT k00000000 harmless"],
}  # fmt: skip


def seeds(name: str) -> Iterator[bytes]:
    """The inputs that a target starts from, none longer than ``MOST``."""
    source = SEEDS.get(name, name)
    if isinstance(source, str):
        held = vector_files()[source]
        source = [bytes_of(vector["input"], held.get("bases", {})) for vector in held["vectors"] if "input" in vector]
    for raw in source:
        plain = unpacked(raw) if name in {"headers", "scores"} else raw
        if len(plain) <= MOST:
            yield plain


def unpacked(raw: bytes) -> bytes:
    with contextlib.suppress(DetenteError):
        return decompress(raw, 1 << 20, "seed")
    return b""


def must(true: bool, what: str) -> None:
    if not true:
        raise AssertionError(what)


def put(name: str, raw: bytes) -> None:
    """One input to one target: an error of ours is told in both languages, any other goes on."""
    try:
        TARGETS[name](raw)
    except DetenteError as error:
        if zlib.crc32(raw) % SOME == 0:
            tell(error)


def tell(error: DetenteError) -> None:
    """The error as a person and as a program would be told of it, on a terminal that knows no lone surrogates."""
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stderr(terminal), contextlib.redirect_stdout(terminal):
        Speech("en").error(error)
        Speech("zh").error(error)
        Speech("en", as_json=True).error(error)
    terminal.flush()
