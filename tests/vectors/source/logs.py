# SPDX-License-Identifier: Apache-2.0
"""Vectors of trees and tiles: roots, proofs good and bad, tile paths, bundles of entries, the files of a log (L-1, B-9)."""

from typing import Any

from vectors.source.plain import collection, digest, growth, leaf, path, tree, vector

ENTRIES = [f"entry {n}".encode() for n in range(300)]
LEAVES = [leaf(entry) for entry in ENTRIES]


def hexed(hashes: list[bytes]) -> list[str]:
    return [one.hex() for one in hashes]


def roots() -> dict[str, Any]:
    rows = [
        vector(f"of-{n}", "L-1 R-7", None, given={"entries": n}, value=tree(LEAVES[:n]).hex())
        for n in (0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 255, 256, 257, 300)
    ]
    about = "The RFC 6962 root of the entries `entry 0`, `entry 1` and so on, `entries` of them."
    return collection("root", about, rows)


def inclusion() -> dict[str, Any]:
    rows = []
    for n, i in ((1, 0), (2, 0), (2, 1), (3, 2), (5, 4), (7, 3), (8, 7), (9, 8), (257, 256), (300, 299), (300, 0)):
        proof = hexed(path(i, LEAVES[:n]))
        rows.append(proved(f"leaf-{i}-of-{n}", LEAVES[i], i, n, proof, tree(LEAVES[:n])))
    good = (LEAVES[3], 3, 7, hexed(path(3, LEAVES[:7])), tree(LEAVES[:7]))
    # A root does not fix its size where both have the same path to this leaf: the signed checkpoint does.
    rows.append(proved("leaf-3-of-7-called-8", good[0], 3, 8, good[3], good[4]))
    bad: dict[str, dict[int, Any]] = {
        "another-leaf": {0: LEAVES[2]},
        "another-index": {1: 2},
        "index-beyond": {1: 7},
        "index-negative": {1: -1},
        "another-size": {2: 9},
        "smaller-size": {2: 4},
        "size-nought": {2: 0},
        "another-root": {4: tree(LEAVES[:8])},
        "step-missing": {3: good[3][:-1]},
        "first-step-missing": {3: good[3][1:]},
        "step-too-many": {3: [*good[3], good[3][0]]},
        "no-steps": {3: []},
        "steps-swapped": {3: good[3][::-1]},
        "leaf-for-a-node": {0: LEAVES[3] + LEAVES[2]},
        "step-of-31-bytes": {3: [good[3][0][:-2], *good[3][1:]]},
        "leaf-lends-a-byte": {0: LEAVES[3] + bytes.fromhex(good[3][0])[:1], 3: [good[3][0][2:], *good[3][1:]]},
    }
    for name, changes in bad.items():
        args = [changes.get(n, one) for n, one in enumerate(good)]
        rows.append(proved(name, *args, ends="not-verified"))
    return collection("inclusion", "Whether `proof` leads from `leaf` at `index` to the `root` of `size` leaves.", rows)


def proved(name: str, leaf_: bytes, i: int, n: int, proof: list[str], root: bytes, ends: str = "ok") -> dict[str, Any]:
    given = {"leaf": leaf_.hex(), "index": i, "size": n, "proof": proof, "root": root.hex()}
    return vector(name, "L-1 A-4", None, ends, given=given)


def consistency() -> dict[str, Any]:
    def row(name: str, old: int, first: bytes, new: int, second: bytes, proof: list[str], ends: str = "ok") -> Any:
        given = {"old": old, "oldRoot": first.hex(), "new": new, "newRoot": second.hex(), "proof": proof}
        return vector(name, "L-1 L-2", None, ends, given=given)

    def root(n: int) -> bytes:
        return tree(LEAVES[:n])

    rows = [
        row(f"from-{old}-to-{new}", old, root(old), new, root(new), hexed(growth(old, LEAVES[:new])) if old else [])
        for old, new in ((0, 0), (0, 3), (1, 1), (1, 2), (2, 3), (3, 7), (4, 7), (4, 8), (6, 8), (7, 7), (8, 9), (255, 300), (256, 300), (257, 300))
    ]  # fmt: skip
    proof = hexed(growth(3, LEAVES[:7]))
    forked = [*LEAVES[:2], leaf(b"another"), *LEAVES[3:7]]
    rows += [
        row("from-nothing-with-another-root", 0, root(1), 3, root(3), [], "not-verified"),
        row("from-nothing-with-a-proof", 0, root(0), 3, root(3), proof, "not-verified"),
        row("shrinking", 7, root(7), 3, root(3), proof, "not-verified"),
        row("another-history", 3, root(3), 7, tree(forked), hexed(growth(3, forked)), "not-verified"),
        row("one-size-two-roots", 7, root(7), 7, tree(forked), [], "not-verified"),
        row("one-size-with-a-proof", 7, root(7), 7, root(7), proof, "not-verified"),
        row("another-old-root", 3, root(4), 7, root(7), proof, "not-verified"),
        row("another-new-root", 3, root(3), 7, root(8), proof, "not-verified"),
        row("another-old-size", 4, root(3), 7, root(7), proof, "not-verified"),
        row("another-new-size", 3, root(3), 9, root(7), proof, "not-verified"),
        row("no-steps", 3, root(3), 7, root(7), [], "not-verified"),
        row("step-missing", 3, root(3), 7, root(7), proof[:-1], "not-verified"),
        row("step-too-many", 3, root(3), 7, root(7), [*proof, proof[0]], "not-verified"),
        row("step-of-33-bytes", 3, root(3), 7, root(7), [proof[0] + "00", *proof[1:]], "not-verified"),
        row("size-negative", -1, root(0), 7, root(7), [], "not-verified"),
    ]
    return collection("consistency", "Whether `proof` shows that the old tree is the beginning of the new one.", rows)


# --- tiles ----------------------------------------------------------------------------------------


def tile_paths() -> dict[str, Any]:
    good: dict[str, Any] = {
        "tile/0/000": [0, 0, 256], "tile/0/000.p/1": [0, 0, 1], "tile/1/255.p/255": [1, 255, 255],
        "tile/entries/999": ["entries", 999, 256], "tile/entries/x001/x234/067.p/12": ["entries", 1_234_067, 12],
        "tile/7/x001/000": [7, 1000, 256],
    }  # fmt: skip
    odd = [
        "tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/x000/000", "tile/0/001/000", "tile/0/x001/x000",
        "tile/8/000", "tile/-1/000", "tile/00/000", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01",
        "tile/0/000.p/", "tile/0/000.p/1/", "tile/0/000/", "/tile/0/000", "tile/../0/000", "tile/0/000\n",
        "tile/data/000", "tile/Entries/000", "TILE/0/000", "tile/0/٠٠٠", "tile/0\\000", "", "checkpoint",
    ]  # fmt: skip
    rows = [vector(name, "L-1", name.encode(), value=value) for name, value in good.items()]
    rows += [vector(f"odd-{n}", "L-1 L-7", name.encode(), value=None) for n, name in enumerate(odd, 1)]
    return collection(
        "tile-path", "What a path names: level (or `entries`), number, width; null: no tile, so nothing that is read.",
        rows,
    )  # fmt: skip


def bundle(entries: list[bytes]) -> bytes:
    return b"".join(len(one).to_bytes(2, "big") + one for one in entries)


def bundles() -> dict[str, Any]:
    most = b"x" * 65_535
    whole = bundle([b"one", b"", most])

    def row(name: str, raw: bytes, width: int, ends: str = "ok", rules: str = "L-1 B-9", **more: Any) -> dict[str, Any]:
        return vector(name, rules, raw, ends, given={"width": width}, **more)

    rows = [
        row("three-short-entries", bundle([b"one", b"", b"\xff"]), 3, value=[digest(b"one"), digest(b""), digest(b"\xff")]),
        row("three-entries", whole, 3, value=[digest(b"one"), digest(b""), digest(most)]),
        row("one-of-65535-bytes", bundle([most]), 1, value=[digest(most)]),
        row("one-of-one-byte", bundle([b"\n"]), 1, value=[digest(b"\n")]),
        row("nothing-for-one", b"", 1, "cannot-tell file-cut", "L-7"),
        row("half-a-length", b"\0", 1, "cannot-tell file-cut", "L-7"),
        row("length-and-nothing", b"\0\x03", 1, "cannot-tell file-cut", "L-7"),
        row("cut-in-an-entry", whole[:-1], 3, "cannot-tell file-cut", "L-7"),
        row("an-entry-too-few", bundle([b"one"]), 2, "cannot-tell file-cut", "L-7"),
        row("an-entry-too-many", whole, 2, "malformed L-1.bundle"),
        row("a-byte-behind", bundle([b"one"]) + b"\0", 1, "malformed L-1.bundle"),
        row("lengths-the-other-way-round", b"\x03\0one", 1, "cannot-tell file-cut"),
    ]  # fmt: skip
    return collection(
        "entries", "A bundle of `width` entries, each behind its length; the value is each entry's hash.", rows
    )


def entry_lengths() -> dict[str, Any]:
    rows = [
        vector("of-65535-bytes", "B-9 L-1", b"x" * 65_535, value=digest(bundle([b"x" * 65_535]))),
        vector("of-65536-bytes", "B-9", b"x" * 65_536, "malformed B-9.entry"),
        vector("of-no-byte", "B-9 L-1", b"", value=digest(bundle([b""]))),
    ]
    return collection("entry", "One entry for a log; the value is the hash of the bundle that holds it alone.", rows)


def log_files() -> dict[str, Any]:
    """The files of a log of n entries: entries, tiles of hashes, tiles of tiles (tlog-tiles)."""
    rows = []
    for n in (1, 2, 255, 256, 257, 300):
        files: dict[str, bytes] = {}
        for at in range(0, n, 256):
            width = min(256, n - at)
            name = f"{at // 256:03d}" + ("" if width == 256 else f".p/{width}")
            files[f"tile/entries/{name}"] = bundle(ENTRIES[at : at + width])
            files[f"tile/0/{name}"] = b"".join(LEAVES[at : at + width])
        if n >= 256:
            files["tile/1/000.p/1"] = tree(LEAVES[:256])
        hashes = {name: digest(raw) for name, raw in sorted(files.items())}
        rows.append(vector(f"of-{n}", "L-1 L-4", None, given={"entries": n}, value=hashes))
    return collection("log-files", "Every file below a log of `entries` entries (as in roots.json), by its hash.", rows)


FILES = {
    "roots": roots, "inclusion": inclusion, "consistency": consistency, "tile-paths": tile_paths,
    "bundles": bundles, "entries": entry_lengths, "log-files": log_files,
}  # fmt: skip
