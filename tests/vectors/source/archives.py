# SPDX-License-Identifier: Apache-2.0
"""Vectors of names: packed archives, and files as they may lie in an exchange (B-5, L-4), and answers of another harness (R-10)."""

import struct
import zlib
from typing import Any, NamedTuple

from vectors.source import world
from vectors.source.plain import collection, lines, parts_of, vector
from vectors.source.world import HASHES

README = "exchange/lab-a/README"


class Member(NamedTuple):
    """One file of a zip, its head and its entry in the directory each as it shall be."""

    name: bytes
    plain: bytes = b"hello"
    method: int = 0
    mode: int = 0o100644
    flags: int = 0x800  # names are UTF-8
    size: int | None = None  # what the directory claims
    inner: bytes | None = None  # the name in the head, where it is another
    crc: int | None = None


def archive(*members: Member, shift: int = 0) -> bytes:
    """A zip by hand (PKWARE APPNOTE 6.3): so that it can say what no library would write.

    ``shift``: the directory is said to lie so many bytes further on than it does.
    """
    body, directory = b"", b""
    for one in members:
        packed = one.plain
        if one.method == 8:
            stream = zlib.compressobj(9, zlib.DEFLATED, -15)
            packed = stream.compress(one.plain) + stream.flush()
        size = len(one.plain) if one.size is None else one.size
        crc = zlib.crc32(one.plain) if one.crc is None else one.crc
        common = struct.pack("<HHHHHIII", 20, one.flags, one.method, 0, 33, crc, len(packed), size)[2:]
        inner = one.name if one.inner is None else one.inner
        head = b"PK\3\4" + struct.pack("<H", 20) + common + struct.pack("<HH", len(inner), 0) + inner
        entry = b"PK\1\2" + struct.pack("<HH", 0x314, 20) + common + struct.pack(
            "<HHHHHII", len(one.name), 0, 0, 0, 0, one.mode << 16, len(body)
        ) + one.name  # fmt: skip
        body, directory = body + head + packed, directory + entry
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(body) + shift, 0)
    return body + directory + end


GOOD = Member(README.encode())

NAMES = {
    "parent": "../evil", "parent-inside": "exchange/lab-a/../../evil", "absolute": "/etc/evil",
    "two-slashes": "exchange//evil", "dot": "exchange/lab-a/./evil", "backslash": "exchange/lab-a\\..\\..\\evil",
    "drive": "C:/evil", "stream": "exchange/lab-a/evil:stream", "newline": "exchange/lab-a/evil\n",
    "escape": "exchange/lab-a/\x1b[2J", "delete": "exchange/lab-a/\x7f", "nul": "exchange/lab-a/README2\0.exe",
    "only-parent": "..", "too-long": "exchange/lab-a/" + "e" * 256, "too-deep": "exchange/lab-a/" + "e/" * 600 + "x",
    "device": "exchange/lab-a/nul", "device-in-capitals": "exchange/lab-a/CON", "device-with-an-ending": "exchange/lab-a/aux.txt",
    "device-as-a-folder": "exchange/lab-a/com1/x", "device-superscript": "exchange/lab-a/com¹",
    "ends-in-a-dot": "exchange/lab-a/evil.", "ends-in-a-blank": "exchange/lab-a/evil ",
    "folder-ends-in-a-dot": "exchange/lab-a./evil", "beside-the-exchange-too": "report/../evil",
    "question-mark": "exchange/lab-a/a?b", "pipe": "exchange/lab-a/a|b", "quote": 'exchange/lab-a/a"b',
}  # fmt: skip
PAIRS = {
    "same-name-twice": (README, README),
    "case": ("exchange/lab-a/A", "exchange/lab-a/a"),
    "folder-case": ("exchange/lab-a/log/x", "exchange/lab-a/LOG/y"),
    "case-folding": ("exchange/lab-a/straße", "exchange/lab-a/strasse"),
    "normal-forms": ("exchange/lab-a/\u00e9", "exchange/lab-a/e\u0301"),
    "file-then-folder": ("exchange/lab-a/log", "exchange/lab-a/log/x"),
    "folder-then-file": ("exchange/lab-a/log/x", "exchange/lab-a/log"),
}


def archives() -> dict[str, Any]:
    def bad(name: str, code: str, raw: bytes) -> dict[str, Any]:
        return vector(name, "L-4 B-5", raw, f"malformed {code}")

    whole = archive(GOOD)
    rows = [
        vector("good", "L-4", whole, value=["lab-a/README"]),
        vector("deflated", "L-4", archive(GOOD._replace(method=8)), value=["lab-a/README"]),
        vector("entries-for-folders", "L-4", archive(Member(b"exchange/", b"", mode=0o40755), Member(b"exchange/lab-a/", b"", mode=0o40755), GOOD), value=["lab-a/README"]),
        vector("other-things-beside-the-exchange", "L-4", archive(GOOD, Member(b"report/en.html"), Member(b"START")), value=["lab-a/README"]),
        *(bad(f"name-{name}", "pack-name", archive(GOOD, Member(text.encode()))) for name, text in NAMES.items()),
        *(bad(f"names-{name}", "pack-name", archive(*(Member(text.encode()) for text in pair))) for name, pair in PAIRS.items()),
        bad("a-link", "pack-name", archive(GOOD, Member(b"exchange/lab-a/x", b"/etc/passwd", mode=0o120777))),
        bad("a-device", "pack-name", archive(GOOD, Member(b"exchange/lab-a/x", mode=0o20666))),
        bad("a-pipe", "pack-name", archive(GOOD, Member(b"exchange/lab-a/x", mode=0o10666))),
        bad("party-not-an-id", "B-5.id", archive(GOOD, Member(b"exchange/Lab-B/x"))),
        bad("party-a-device", "pack-name", archive(GOOD, Member(b"exchange/con/x"))),
        bad("claims-two-gibibytes", "pack-limit", archive(GOOD, Member(b"exchange/lab-a/x", size=2**31))),
        bad("claims-more-than-deflate-can", "pack-limit", archive(Member(b"exchange/lab-a/x", bytes(10), 8, size=80_000))),
        bad("many-large-claims", "pack-limit", archive(*(Member(f"exchange/lab-a/{n}".encode(), bytes(1000), size=2**30) for n in range(5)))),
        bad("two-names-for-one-file", "pack-broken", archive(GOOD, Member(b"exchange/lab-a/x", inner=b"exchange/lab-a/y"))),
        bad("directory-said-to-lie-elsewhere", "pack-broken", archive(GOOD, shift=100)),
        bad("wrong-check-sum", "pack-broken", archive(GOOD._replace(crc=1))),
        bad("encrypted", "pack-broken", archive(GOOD._replace(flags=0x801))),
        bad("another-method", "pack-broken", archive(GOOD._replace(method=12))),
        bad("name-not-utf-8", "", archive(GOOD, Member(b"exchange/lab-a/\xff"))),
        bad("no-exchange-inside", "pack-empty", archive(Member(b"report/en.html"))),
        bad("nothing-inside", "pack-empty", archive()),
        bad("no-zip", "pack-broken", b"<html>sign in</html>"),
        bad("empty", "pack-broken", b""),
        bad("cut", "pack-broken", whole[:-8]),
        bad("first-half", "pack-broken", whole[: len(whole) // 2]),
    ]  # fmt: skip
    return collection(
        "archive", "A packed exchange (zip); the value is what is laid below the exchange. Of a refused one nothing is.",
        [{**row, "code": row["code"]} if row.get("code") else {k: v for k, v in row.items() if k != "code"} for row in rows],
    )  # fmt: skip


def file_names() -> dict[str, Any]:
    """One file of that name in a party's folder, made where the file system lets it."""
    odd = {
        "backslash": "a\\b", "colon": "a:b", "newline": "a\nb", "escape": "a\x1bb", "delete": "a\x7fb", "c1-control": "a\x85b",
    }  # fmt: skip
    plain = {"letters": "notes.txt", "chinese": "说明", "blank": "a b", "hidden": ".gitattributes", "long": "n" * 255}
    rows = [vector(f"file-{k}", "L-4 L-7", None, given={"file": v}, value=[f"lab-a/{v}"]) for k, v in plain.items()]
    rows += [vector(f"file-{k}", "L-4", None, "not-verified L-4.name", given={"file": v}) for k, v in odd.items()]
    rows += [
        vector("folder-backslash", "L-4", None, "not-verified L-4.name", given={"file": "a\\b/c"}),
        vector("a-link", "L-4", None, "not-verified L-4.link", given={"link": "x", "to": "/etc/passwd"}),
        vector("a-link-to-nothing", "L-4", None, "not-verified L-4.link", given={"link": "x", "to": "nowhere"}),
        vector("a-link-to-its-neighbour", "L-4", None, "not-verified L-4.link", given={"link": "x", "to": "../lab-b"}),
        vector("a-pipe", "L-4", None, "not-verified L-4.link", given={"pipe": "x"}),
        *(
            vector(f"asked-{name}", "L-4", None, "not-verified L-4.name", given={"ask": text})
            for name, text in {
                "parent": "../x", "parent-inside": "lab-a/../../x", "absolute": "/etc/passwd", "dot": "./x",
                "two-slashes": "lab-a//x", "nul": "lab-a/x\0", "backslash": "lab-a\\x", "drive": "C:/x", "slash-behind": "lab-a/",
            }.items()
        ),
    ]  # fmt: skip
    return collection(
        "file-name",
        "`file`, `link` or `pipe`: what lies in lab-a's folder when it is listed (value: the list); `ask`: a path that is asked for.",
        rows,
    )


# --- answers of another harness ---------------------------------------------------------------------


def answers() -> dict[str, Any]:
    rows: list[dict[str, Any]] = [{"i": i, "output": f"Answer {i}."} for i in range(6)]
    whole = lines(rows)

    def row(name: str, raw: bytes, ends: str, **more: Any) -> dict[str, Any]:
        return vector(name, "R-10", raw, ends, base=("answers", whole), **more)

    def changed(name: str, code: str, **members: Any) -> dict[str, Any]:
        made = [rows[0] | members, *rows[1:]]
        made[0] = {k: v for k, v in made[0].items() if v is not ...}
        return row(name, lines(made), f"malformed {code}")

    value = [["replied", f"Answer {i}."] for i in range(6)]
    named = [
        {"epoch": 0, "item": HASHES[item], "lang": lang, "output": f"Answer {i}."}
        for i, (item, lang, _) in enumerate(world.slots())
    ]
    found = [
        row("by-number", whole, "ok", value=value),
        row("by-name", lines(named), "ok", value=value),
        row("backwards", lines(rows[::-1]), "ok", value=value),
        row("blank-lines-and-a-mark", b"\xef\xbb\xbf" + whole.replace(b"\n", b"\r\n\n"), "ok", value=value),
        row("without-the-last-newline", whole[:-1], "ok", value=value),
        row("failed", lines([{"i": 0, "outcome": "failed", "output": None}, *rows[1:]]), "ok", value=[["failed", None], *value[1:]]),
        row("lone-surrogate-is-mended", whole.replace(b"Answer 0.", b"\\ud800", 1), "ok", value=[["replied", "\ufffd"], *value[1:]]),
        row("slot-missing", lines(rows[1:]), "malformed R-10.missing"),
        row("slot-twice", lines([*rows, rows[0]]), "malformed R-10.twice"),
        row("nothing", b"", "malformed R-10.missing"),
        row("no-json", b"hello\n" + whole, "malformed R-10.json"),
        row("a-list", b"[]\n" + whole, "malformed R-10.json"),
        row("member-twice", whole.replace(b'"i":0', b'"i":0,"i":1', 1), "malformed R-10.member"),
        row("nested-too-deep", b"[" * 100_000 + b"\n", "malformed R-10.json"),
        row("a-number-without-end", b'{"i":' + b"1" * 5000 + b"}\n", "malformed"),
        row("not-utf-8", whole.replace(b"Answer", b"\xff", 1), "malformed R-10.json"),
        changed("slot-unknown", "R-10.slot", i=6),
        changed("slot-a-truth", "R-10.slot", i=True),
        changed("slot-a-fraction", "R-10.slot", i=0.5),
        changed("two-names-that-disagree", "R-10.slot", item=HASHES["capital"], lang="en"),
        changed("no-slot-at-all", "R-10.slot", i=...),
        changed("member-unknown", "R-10.member", answer="x"),
        changed("outcome-unknown", "R-10.outcome", outcome="refused"),
        changed("outcome-a-list", "R-10.outcome", outcome=["replied"]),
        changed("output-a-number", "R-10.output", output=1),
        changed("output-missing", "R-10.output", output=...),
        changed("output-beside-failed", "R-10.output", outcome="failed"),
        changed("cut-beside-truncated", "R-10.outcome", outcome="truncated", cut=True),
        changed("cut-a-number", "R-10.outcome", cut=1),
        changed("reason-beside-replied", "R-10.reason", reason="stop"),
        changed("tokens-negative", "R-10.json", tokens=-1),
        changed("item-a-list", "R-10.slot", i=..., item=[], lang="en"),
    ]  # fmt: skip
    return collection(
        "answers", "Answers from another harness for the slots of the plan; the value is outcome and text of each.", found,
        given={"plan": {"base": "plan"}, "section": "core", "lists": {"mini": world.LIST.decode()}},
        bases={"plan": parts_of(world.PLAN), "answers": parts_of(whole)},
    )  # fmt: skip


FILES = {"archives": archives, "file-names": file_names, "answers": answers}
