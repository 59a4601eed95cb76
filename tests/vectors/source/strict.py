# SPDX-License-Identifier: Apache-2.0
"""Vectors of the bytes page: JSON, decimals, times, ids, languages, lines and gzip (B-1 to B-5, B-8, B-9)."""

import zlib
from typing import Any

from vectors.source.plain import GZIP_HEAD, collection, gzip, gzip_trailer, jcs, vector

WHOLE = [
    ("an-object", b'{"a":1,"b":[true,false,null],"c":{}}', {"a": 1, "b": [True, False, None], "c": {}}),
    ("an-empty-list", b"[]", []),
    ("a-text", '"中文 and é"'.encode(), "中文 and é"),
    ("a-bare-null", b"null", None),
    ("the-largest-integer", b"9007199254740991", 2**53 - 1),
    ("the-smallest-integer", b"-9007199254740991", -(2**53) + 1),
    ("nested-sixteen-deep", b"[" * 16 + b"]" * 16, [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]),
    ("keys-of-every-kind-of-letter", b'{"A-":0,"_":1,"a0_-Z":2}', {"A-": 0, "_": 1, "a0_-Z": 2}),
    ("escapes-that-must-be", b'"\\u0000\\b\\t\\n\\f\\r\\u001f\\"\\\\"', '\x00\b\t\n\f\r\x1f"\\'),
    ("delete-and-separators-stand-as-they-are", '"\x7f\u2028\u2029/"'.encode(), "\x7f\u2028\u2029/"),
    ("beyond-the-basic-plane", '"😀𠀀"'.encode(), "😀𠀀"),
    ("not-normalised-one", '"e\u0301"'.encode(), "e\u0301"),
    ("not-normalised-other", '"\u00e9"'.encode(), "\u00e9"),
    ("not-normalised-ligature", '"\ufb01"'.encode(), "\ufb01"),
]  # fmt: skip

BROKEN = [
    ("fraction", b'{"a":0.5}', "B-1.float", "B-1"),
    ("fraction-that-is-whole", b'{"a":1.0}', "B-1.float", "B-1"),
    ("exponent", b'{"a":1e3}', "B-1.float", "B-1"),
    ("minus-nought", b'{"a":-0}', "", "B-1"),
    ("integer-too-large", b"9007199254740992", "B-1.integer", "B-1"),
    ("integer-too-small", b"-9007199254740992", "B-1.integer", "B-1"),
    ("integer-of-a-thousand-digits", b"1" * 1000, "", "B-1"),
    ("integer-of-sixty-four-bits", b"18446744073709551615", "B-1.integer", "B-1"),
    ("not-a-number", b'{"a":NaN}', "B-2.json", "B-1"),
    ("infinity", b"Infinity", "B-2.json", "B-1"),
    ("leading-nought", b"01", "B-2.json", "B-1"),
    ("plus-sign", b"+1", "B-2.json", "B-1"),
    ("key-not-ascii", '{"é":1}'.encode(), "B-1.key", "B-1"),
    ("key-empty", b'{"":1}', "B-1.key", "B-1"),
    ("key-begins-with-a-digit", b'{"1a":1}', "B-1.key", "B-1"),
    ("key-with-a-blank", b'{"a b":1}', "B-1.key", "B-1"),
    ("key-with-a-dot", b'{"a.b":1}', "B-1.key", "B-1"),
    ("key-with-a-newline", b'{"a\\n":1}', "B-1.key", "B-1"),
    ("key-with-a-nul", b'{"a\\u0000":1}', "B-1.key", "B-1"),
    ("key-of-a-look-alike", '{"а":1}'.encode(), "B-1.key", "B-1"),
    ("nested-seventeen-deep", b"[" * 17 + b"]" * 17, "B-1.depth", "B-1"),
    ("objects-seventeen-deep", b'{"a":' * 17 + b"1" + b"}" * 17, "B-1.depth", "B-1"),
    ("nested-a-hundred-thousand-deep", b"[" * 100_000 + b"]" * 100_000, "", "B-1"),
    ("brackets-never-closed", b"[" * 100_000, "B-2.json", "B-1"),
    ("lone-high-surrogate", b'"\\ud800"', "", "B-1"),
    ("lone-low-surrogate", b'"\\udc00"', "", "B-1"),
    ("surrogates-the-wrong-way-round", b'"\\udc00\\ud800"', "", "B-1"),
    ("lone-surrogate-as-bytes", b'"\xed\xa0\x80"', "B-2.json", "B-1"),
    ("lone-surrogate-in-a-key", b'{"\\ud800":1}', "", "B-1"),
    ("pair-escaped", b'"\\ud83d\\ude00"', "B-2.canonical", "B-2"),
    ("key-twice", b'{"a":1,"a":2}', "B-2.canonical", "B-2"),
    ("key-twice-with-one-value", b'{"a":1,"a":1}', "B-2.canonical", "B-2"),
    ("key-twice-once-escaped", b'{"a":1,"\\u0061":1}', "B-2.canonical", "B-2"),
    ("key-twice-deep-inside", b'{"a":[{"b":1,"b":1}]}', "B-2.canonical", "B-2"),
    ("keys-not-sorted", b'{"b":1,"a":2}', "B-2.canonical", "B-2"),
    ("blank-after-a-colon", b'{"a": 1}', "B-2.canonical", "B-2"),
    ("blank-in-front", b" 1", "B-2.canonical", "B-2"),
    ("newline-behind", b"1\n", "B-2.canonical", "B-4"),
    ("crlf-behind", b"{}\r\n", "B-2.canonical", "B-4"),
    ("byte-order-mark", b"\xef\xbb\xbf{}", "B-2.json", "B-2"),
    ("escape-that-need-not-be", b'"\\/"', "B-2.canonical", "B-2"),
    ("escape-in-capitals", b'"\\u001F"', "B-2.canonical", "B-2"),
    ("escape-the-long-way", b'"\\u000a"', "B-2.canonical", "B-2"),
    ("letter-escaped", b'"\\u00e9"', "B-2.canonical", "B-2"),
    ("control-not-escaped", b'"\x01"', "B-2.json", "B-2"),
    ("two-values", b"{}{}", "B-2.json", "B-2"),
    ("nothing", b"", "B-2.json", "B-2"),
    ("comma-too-many", b"[1,]", "B-2.json", "B-2"),
    ("cut-in-a-text", b'{"a":"b', "B-2.json", "B-2"),
    ("overlong-utf-8", b'"\xc0\xaf"', "B-2.json", "B-2"),
    ("beyond-unicode", b'"\xf4\x90\x80\x80"', "B-2.json", "B-2"),
    ("utf-16", '{"a":1}'.encode("utf-16-le"), "B-2.json", "B-2"),
    ("single-quotes", b"{'a':1}", "B-2.json", "B-2"),
    ("comment", b"{}/**/", "B-2.json", "B-2"),
]  # fmt: skip


def json_file() -> dict[str, Any]:
    rows = [vector(name, "B-1 B-2", raw, value=value) for name, raw, value in WHOLE]
    rows += [vector(name, rules, raw, f"malformed {code}".strip()) for name, raw, code, rules in BROKEN]
    assert all(jcs(value) == raw for _, raw, value in WHOLE)
    return collection("json", "One JSON value: the bytes are its only spelling, or they are refused.", rows)


def words_file(reader: str, about: str, rule: str, good: dict[str, Any], bad: list[str], code: str) -> dict[str, Any]:
    rows = [vector(f"good-{n}", rule, text.encode(), value=value) for n, (text, value) in enumerate(good.items(), 1)]
    rows += [vector(f"bad-{n}", rule, text.encode(), f"malformed {code}") for n, text in enumerate(bad, 1)]
    return collection(reader, about, rows)


def decimals() -> dict[str, Any]:
    good = {
        "0": [0, 1], "1": [1, 1], "0.5": [1, 2], "-0.5": [-1, 2], "12.25": [49, 4], "0.0001": [1, 10_000],
        "-1": [-1, 1], "9" * 64: [int("9" * 64), 1],
    }  # fmt: skip
    bad = [
        "", "-", ".5", "5.", "0.50", "00", "01", "-0", "-0.0", "+1", "1e3", "1,5", " 1", "1 ", "1\n", "0x10", "NaN",
        "١", "½", "0.5.5", "--1", "9" * 65,
    ]  # fmt: skip
    good = {text: [str(part) for part in value] for text, value in good.items()}
    return words_file(
        "decimal", "A decimal string; the value is numerator and denominator.", "B-1", good, bad, "B-1.decimal"
    )


def times() -> dict[str, Any]:
    good = {
        "1970-01-01T00:00:00Z": 0, "2026-11-13T09:02:00Z": 1_794_560_520, "0001-01-01T00:00:00Z": -62_135_596_800,
        "9999-12-31T23:59:59Z": 253_402_300_799, "2024-02-29T12:00:00Z": 1_709_208_000,
    }  # fmt: skip
    bad = [
        "", "2026-11-13", "2026-11-13T09:02Z", "2026-11-13T09:02:00", "2026-11-13T09:02:00z", "2026-11-13t09:02:00Z",
        "2026-11-13 09:02:00Z", "2026-11-13T09:02:00.0Z", "2026-11-13T09:02:00+00:00", "2026-11-13T09:02:60Z",
        "2026-11-13T24:00:00Z", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "0000-01-01T00:00:00Z",
        "2026-11-13T09:02:00Z\n", " 2026-11-13T09:02:00Z", "２026-11-13T09:02:00Z", "12026-11-13T09:02:00Z",
    ]  # fmt: skip
    return words_file("time", "A time; the value is in unix seconds.", "B-1", good, bad, "B-1.time")


def ids() -> dict[str, Any]:
    good = {text: text for text in ("a", "0", "lab-a", "a--b", "a" * 32, "con1", "com", "com10", "auxiliary", "lpt-1")}
    devices = ["con", "prn", "aux", "nul", "com0", "com9", "lpt0", "lpt1"]
    bad = ["", "-a", "a-", "A", "a_b", "a.b", "a b", "é", "a" * 33, "a\n", "a/b", "..", ".", "a\\b", "c:", *devices]
    return words_file("id", "An id, which can be a folder's name everywhere.", "B-5", good, bad, "B-5.id")


def languages() -> dict[str, Any]:
    good = ["en", "zh-Hans", "yue-Hant", "pt-BR", "es-419", "de-1996", "sl-rozaj-biske", "en-a-bbb-x-a", "en-x-private"]
    bad = [
        "", "EN", "En", "cn-", "zh_Hans", "zh-hans", "zh-HANS", "pt-br", "zh-cmn", "iw", "in", "e", "engl", "en-",
        "en-GB-GB", "en-b-x", "en-b-cc-a-dd", "en-a-bb-a-cc", "en\n", "en US", "en-" + "a" * 40, "zh-Hans-CN-x", "中文",
    ]  # fmt: skip
    return words_file("language", "A canonical BCP 47 tag.", "B-5", {tag: tag for tag in good}, bad, "B-5.language")


def line_files() -> dict[str, Any]:
    given = {"given": {"limit": 512}}
    rows = [
        vector("two-lines", "B-4", b'{"a":1}\n{"a":2}\n', value=2, **given),
        vector("no-lines", "B-4", b"", value=0, **given),
        vector("a-line-of-the-limit", "B-4 B-9", b"x" * 512 + b"\n", value=1, **given),
        vector("a-line-one-byte-too-long", "B-9", b"x" * 513 + b"\n", "malformed B-9.long", **given),
        vector("the-second-line-too-long", "B-9", b"x\n" + b"y" * 513 + b"\n", "malformed B-9.long", **given),
        vector("last-newline-missing", "B-4", b'{"a":1}\n{"a":2}', "malformed B-4.newline", **given),
        vector("an-empty-line", "B-4", b'{"a":1}\n\n{"a":2}\n', "malformed B-4.empty", **given),
        vector("an-empty-line-first", "B-4", b'\n{"a":1}\n', "malformed B-4.empty", **given),
        vector("an-empty-line-last", "B-4", b'{"a":1}\n\n', "malformed B-4.empty", **given),
        vector("only-a-newline", "B-4", b"\n", "malformed B-4.empty", **given),
        vector("carriage-returns-are-part-of-the-line", "B-4", b"1\r\n", value=1, **given),
        vector(
            "other-line-ends-are-none", "B-4", '"\u2028\u0085\x0b\x0c\x1c"\n'.encode(), value=1,
            why="U+2028, U+0085, VT, FF and FS end lines for some libraries", **given,
        ),
    ]  # fmt: skip
    return collection("lines", "A file of lines; `limit` is the most bytes of one; the value is their number.", rows)


def fixed(plain: bytes, tail: int = 0) -> bytes:
    """One fixed-Huffman block of ASCII (RFC 1951, 3.2.6), by hand: its end leaves bits over, which ``tail`` sets."""
    bits = "110"  # last block, type 01, low bit first
    for byte in plain:
        assert byte < 144
        bits += f"{0b00110000 + byte:08b}"
    bits += "0000000"
    spare = -len(bits) % 8
    bits += "".join(str(tail >> n & 1) for n in range(spare))
    return bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))


def bomb(n: int) -> bytes:
    """``n`` zeros as deflate writes them in very little: one stored byte, then copies of 258 from one byte back."""
    bits = "110" + f"{0b00110000:08b}"  # the literal 0, which is copied
    copies, rest = divmod(n - 1, 258)
    assert rest == 0
    bits += ("11000101" + "00000") * copies + "0000000"
    bits += "0" * (-len(bits) % 8)
    return GZIP_HEAD + bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8)) + gzip_trailer(bytes(n))


def gzip_files() -> dict[str, Any]:
    text = b'{"i":0,"label":"refuse"}\n{"i":1,"label":"comply"}\n'
    whole, given = gzip(text), {"given": {"limit": 65_536}}
    by_hand = GZIP_HEAD + fixed(b"spare\n") + gzip_trailer(b"spare\n")
    left_over = GZIP_HEAD + fixed(b"spare\n", tail=1) + gzip_trailer(b"spare\n")
    named = whole[:3] + b"\x08" + whole[4:10] + b"name\0" + whole[10:]
    large = 1 + 258 * 512
    assert zlib.decompress(bomb(large), 31) == bytes(large)
    assert zlib.decompress(left_over, 31) == zlib.decompress(by_hand, 31) == b"spare\n"

    def bad(name: str, raw: bytes, code: str, why: str = "") -> dict[str, Any]:
        return vector(name, "B-8", raw, f"malformed {code}".strip(), why, **given)

    rows = [
        vector("stored", "B-8", whole, value=text.decode(), **given),
        vector("fixed-codes", "B-8", by_hand, value="spare\n", **given),
        vector("nothing", "B-8", gzip(b""), value="", **given),
        vector("exactly-the-limit", "B-8", bomb(259), value="\0" * 259, given={"limit": 259}),
        vector("one-byte-over-the-limit", "B-8", bomb(259), "malformed B-8.limit", given={"limit": 258}),
        bad("bomb", bomb(large), "B-8.limit", "less than a kilobyte that unfolds to 132 KB"),
        bad("second-member", whole + whole, "", "gunzip joins them"),
        bad("second-member-empty", whole + gzip(b""), ""),
        bad("one-byte-behind", whole + b"\0", "B-8.trailing"),
        bad("padding-behind", whole + bytes(512), "B-8.trailing"),
        bad("bit-left-over", left_over, "B-8.bits", "the stream ends before the byte does, and a bit after its end is 1"),
        bad("time-in-the-head", whole[:4] + b"\x01\0\0\0" + whole[8:], "B-8.bits"),
        bad("name-in-the-head", named, "B-8.bits"),
        bad("flag-for-text", whole[:3] + b"\x01" + whole[4:], "B-8.bits"),
        bad("most-effort", whole[:8] + b"\x02" + whole[9:], "B-8.bits"),
        bad("another-system", whole[:9] + b"\xff" + whole[10:], "B-8.bits"),
        bad("another-method", whole[:2] + b"\x07" + whole[3:], "B-8.bits"),
        bad("no-gzip", b"\x1f\x8c" + whole[2:], "B-8.gzip"),
        bad("zlib-frame", b"\x78\x9c" + whole[10:-8], "B-8.gzip"),
        bad("plain-text", text, "B-8.gzip"),
        bad("wrong-check-sum", whole[:-8] + bytes(4) + whole[-4:], "B-8.gzip"),
        bad("wrong-length", whole[:-4] + bytes(4), "B-8.gzip"),
        bad("block-of-no-kind", whole[:10] + b"\x07" + whole[11:], "B-8.gzip"),
        bad("copy-from-before-the-start", GZIP_HEAD + bytes.fromhex("0322000000") + bytes(8), "B-8.gzip"),
        vector("cut-in-the-head", "B-8 L-7", whole[:6], "cannot-tell file-cut", **given),
        vector("cut-in-the-middle", "B-8 L-7", whole[:40], "cannot-tell file-cut", **given),
        vector("cut-before-the-last-byte", "B-8 L-7", whole[:-1], "cannot-tell file-cut", **given),
        vector("no-byte-at-all", "B-8 L-7", b"", "cannot-tell file-cut", **given),
    ]  # fmt: skip
    return collection(
        "gzip", "One gzip member; `limit` is the most bytes it may unfold to; the value is its text.", rows
    )


FILES = {
    "json": json_file, "decimal": decimals, "time": times, "id": ids, "language": languages, "lines": line_files,
    "gzip": gzip_files,
}  # fmt: skip
