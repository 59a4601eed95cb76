# SPDX-License-Identifier: Apache-2.0
"""What bytes cost: the Merkle root as a ratio to a per-line pass over the same stored file, and every other step a line goes through.

    python benchmarks/bench_wire.py                  # 50,000 lines
    python benchmarks/bench_wire.py --n 1000000

The *per-line pass* is the least that a reader of a stored line file does: inflate it, walk its
lines, take the SHA-256 of each. All times are process CPU time, taken in turn, best of ``--reps``.
Bars: leaves and root of a file at most 1.4 times the pass at 1 KiB a line, 1.8 times at header size.
Needs no network.
"""

import argparse
import gzip
import json
import math
import os
import time
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

from detente.evidence.record import Body, encode_body, header_line, parse_body, parse_header, salt_of
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256_raw
from detente.wire.dsse import open_envelope, seal_envelope
from detente.wire.keys import SigningKey, verify_signature
from detente.wire.lines import LineReader, compress, decompress, join_lines, split_lines
from detente.wire.merkle import Frontier, Leaves, hash_leaves, root, verify_inclusion

LIMIT = 1 << 40
KEY = bytes(range(32))


def best(reps: int, work: Callable[[], Any]) -> float:
    """CPU seconds of the fastest of ``reps`` calls."""
    took = []
    for _ in range(reps):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)


def header_lines(n: int) -> list[bytes]:
    """``n`` header lines of real size: every item asked in two languages, digests that do not compress."""
    items = [os.urandom(32).hex().encode() for _ in range(n // 2 + 1)]
    return [
        b'{"body":"%b","i":%d,"item":"%b","outcome":"replied"}' % (os.urandom(32).hex().encode(), i, items[i // 2])
        for i in range(n)
    ]


def long_lines(n: int) -> list[bytes]:
    """``n`` JSON lines of 1 KiB."""
    return [b'{"i":%d,"text":"%b"}' % (i, os.urandom(503).hex().encode()) for i in range(n)]


def body_lines(n: int) -> list[bytes]:
    """``n`` body lines with an answer of some 900 characters."""
    text = "A short answer in plain words. " * 29
    return [
        encode_body(Body(i=i, item="ab" * 32, outcome="replied", output=f"{i} {text}", salt=salt_of(KEY, i), seed=i))
        for i in range(n)
    ]


def line_pass(stored: bytes) -> None:
    for line in split_lines(decompress(stored, LIMIT, ""), "", LIMIT):
        sha256_raw(line)


def pass_in_pieces(stored: bytes) -> None:
    """The same with no more than a piece of the file in memory: caches like it better."""
    stream, rest = zlib.decompressobj(16 + zlib.MAX_WBITS), b""
    for at in range(0, len(stored), 1 << 16):
        *lines, rest = (rest + stream.decompress(stored[at : at + (1 << 16)])).split(b"\n")
        for line in lines:
            sha256_raw(line)


def leaves_and_root(stored: bytes) -> None:
    tree = Frontier()
    for lines in LineReader(stored, LIMIT, LIMIT, "").blocks():
        tree.extend(hash_leaves(lines))
    tree.root()


def roots(n: int, reps: int) -> None:
    print("| file | stored | per-line pass | in pieces | leaves and root | of the pass | of the pass in pieces | bar |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, lines, bar in (("headers", header_lines(n), 1.8), ("1 KiB lines", long_lines(n // 4), 1.4)):
        stored = compress(join_lines(lines))
        plain = lean = tree = math.inf
        for _ in range(reps):
            plain = min(plain, best(1, partial(line_pass, stored)))
            lean = min(lean, best(1, partial(pass_in_pieces, stored)))
            tree = min(tree, best(1, partial(leaves_and_root, stored)))
        print(
            f"| {name}, {len(lines)} of {len(lines[-1])} B | {len(stored) / len(lines):.0f} B a line"
            f" | {plain:.2f} s | {lean:.2f} s | {tree:.2f} s | **{tree / plain:.2f}** | {tree / lean:.2f} | {bar} |"
        )


def steps(n: int, reps: int) -> None:
    """Every step alone, in microseconds a line, beside the standard library where it has such a step."""
    bodies, headers = body_lines(n), header_lines(n)
    values, read = [decode(line) for line in headers], [parse_body(line) for line in bodies]
    plain = join_lines(headers)
    stored = compress(plain)
    leaves = hash_leaves(headers)
    top, kept = root(leaves), Leaves(leaves)
    few = range(0, n, max(1, n // 500))
    proofs = [kept.proof(i) for i in few]
    key = SigningKey(KEY)
    entries = [seal_envelope(headers[i], key) for i in few]
    rows: list[tuple[str, int, Callable[[], Any], str, Callable[[], Any] | None]] = [
        ("write a header canonically", n, lambda: [encode(v) for v in values],
         "json.dumps, sorted", lambda: [json.dumps(v, sort_keys=True, separators=(",", ":")) for v in values]),
        ("read a header strictly", n, lambda: [parse_header(line) for line in headers],
         "json.loads", lambda: [json.loads(line) for line in headers]),
        ("write a body", n, lambda: [encode_body(body) for body in read], "", None),
        ("header from a body", n, lambda: [header_line(b, raw) for b, raw in zip(read, bodies, strict=True)], "", None),
        ("salt of a slot", n, lambda: [salt_of(KEY, i) for i in range(n)], "", None),
        ("pack into gzip", n, lambda: compress(plain), "gzip level 1", lambda: gzip.compress(plain, 1)),
        ("unpack from gzip", n, lambda: decompress(stored, LIMIT, ""), "gzip", lambda: gzip.decompress(stored)),
        ("prove a line", len(few), lambda: [kept.proof(i) for i in few], "", None),
        ("check a proof", len(few), lambda: [verify_inclusion(leaves[i], i, n, p, top) for i, p in zip(few, proofs, strict=True)], "", None),
        ("seal a statement", len(few), lambda: [seal_envelope(headers[i], key) for i in few],
         "signature alone", lambda: [key.sign(headers[i]) for i in few]),
        ("open a statement", len(few), lambda: [open_envelope(e, key.public) for e in entries],
         "verification alone", lambda: [verify_signature(key.public, bytes(64), headers[i]) for i in few]),
    ]  # fmt: skip
    print("\n| step | microseconds each | beside it | ratio |")
    print("| --- | --- | --- | --- |")
    for name, count, work, other, compared in rows:
        took = best(reps, work)
        beside = best(reps, compared) if compared else 0.0
        shown = f"{other}: {beside / count * 1e6:.1f} | {took / beside:.2f}" if compared else "- | -"
        print(f"| {name} | {took / count * 1e6:.1f} | {shown} |")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--n", type=int, default=50_000, help="lines")
    options.add_argument("--reps", type=int, default=3)
    given = options.parse_args()
    roots(given.n, given.reps)
    steps(max(1000, given.n // 5), given.reps)


if __name__ == "__main__":
    main()
