# SPDX-License-Identifier: Apache-2.0
"""Vectors of audits: opening files held against a root, and odds (A-4, A-7)."""

from fractions import Fraction
from math import comb
from typing import Any

from vectors.source.plain import collection, digest, gzip, jcs, leaf, lines, parts_of, path, tree, vector
from vectors.source.runs import OUTCOMES, headers, seed_of

BEACON = bytes.fromhex(digest(b"a beacon"))
DRAWN = [4, 1]


def bodies() -> list[dict[str, Any]]:
    """A body for each slot of the small plan."""
    found = []
    for i, (row, word) in enumerate(zip(headers(), OUTCOMES, strict=True)):
        none = row["outcome"] in {"filtered", "failed"}
        body = {
            "i": i, "item": row["item"], "outcome": row["outcome"], "output": None if none else f"Answer {i}.",
            "salt": digest(f"salt {i}".encode()), "seed": seed_of(BEACON, i),
        }  # fmt: skip
        found.append(body | ({"cut": True, "tokens": 100} if word == "cut" else {}))
    return found


def committed(rows: list[dict[str, Any]]) -> list[bytes]:
    """The header lines that commit to bodies (R-7)."""
    return [jcs({**head, "body": digest(jcs(body))}) for head, body in zip(headers(), rows, strict=True)]


def opened(rows: list[dict[str, Any]], drawn: list[int] = DRAWN) -> list[dict[str, Any]]:
    """The lines of an opening file (A-4)."""
    heads = committed(rows)
    leaves = [leaf(one) for one in heads]
    return [
        {
            "body": jcs(rows[i]).decode(), "header": heads[i].decode(), "i": i,
            "proof": [step.hex() for step in path(i, leaves)], "why": [],
        }
        for i in drawn
    ]  # fmt: skip


def root() -> str:
    return tree([leaf(one) for one in committed(bodies())]).hex()


def openings() -> dict[str, Any]:
    good = lines(opened(bodies()))

    def row(name: str, raw: bytes, ends: str, rules: str = "A-4", **more: Any) -> dict[str, Any]:
        return vector(name, rules, raw, ends, base=("opening", good), **more)

    def no(name: str, code: str, n: int = 0, rules: str = "A-4", **changes: Any) -> dict[str, Any]:
        made = opened(bodies())
        made[n] = {k: v for k, v in (made[n] | changes).items() if v is not ...}
        return row(name, lines(made), code, rules)

    other = bodies()
    other[4]["output"] = "A kinder answer."
    first = opened(bodies())[0]
    found = [
        row("good", good, "ok", value=[[4, "Answer 4."], [1, "Answer 1."]]),
        row("answer-changed", lines([{**first, "body": jcs(other[4]).decode()}, opened(bodies())[1]]), "not-verified A-4.body", "A-4 B-7"),
        row("answer-and-header-changed", lines(opened(other)), "not-verified A-4.proof", "A-4 B-7"),
        row("order-changed", lines(opened(bodies(), DRAWN[::-1])), "not-verified A-4.slot", "A-4 A-3"),
        row("another-slot-shown", lines(opened(bodies(), [4, 2])), "not-verified A-4.slot"),
        row("a-record-missing", lines(opened(bodies())[:1]), "not-verified A-4.count", "A-4 A-1"),
        row("a-record-too-many", lines(opened(bodies(), [4, 1, 0])), "not-verified A-4.count"),
        no("slot-called-another", "not-verified A-4.slot", i=1),
        no("step-missing", "not-verified A-4.proof", proof=first["proof"][:-1]),
        no("step-too-many", "not-verified A-4.proof", proof=[*first["proof"], "00" * 32]),
        no("step-changed", "not-verified A-4.proof", proof=["00" * 32, *first["proof"][1:]]),
        no("step-too-short", "malformed B-3.shape", proof=["00" * 31], rules="A-4 B-3"),
        no("body-not-canonical", "not-verified B-2.canonical", body=first["body"].replace(":", ": ", 1), rules="B-2"),
        no("body-no-json", "not-verified B-2.json", body="", rules="B-2"),
        no("body-with-a-newline", "not-verified B-2.canonical", body=first["body"] + "\n", rules="B-4"),
        no("header-no-json", "not-verified B-2.json", header="", rules="B-2"),
        no("header-of-another-slot", "not-verified A-4.body", header=opened(bodies())[1]["header"]),
        no("body-of-another-slot", "not-verified A-4.body", body=opened(bodies())[1]["body"]),
        no("member-unknown", "malformed B-3.shape", label="refuse", rules="B-3"),
        no("member-missing", "malformed B-3.shape", why=..., rules="B-3"),
        row("last-newline-missing", good[:-1], "malformed B-4.newline", "B-4"),
        row("nothing", b"", "not-verified A-4.count"),
        row("still-packed", gzip(good), "malformed", "A-4"),
    ]  # fmt: skip
    return collection(
        "opening", "An opening file's records against the drawn slots and the run's root; the value is slot and text.",
        found, given={"drawn": DRAWN, "root": root(), "slots": len(OUTCOMES)}, bases={"opening": parts_of(good)},
    )  # fmt: skip


def seeds_and_caps() -> dict[str, Any]:
    """What an auditor checks of shown records beside their bytes: seeds (R-5) and lengths (C-2, R-8)."""
    changes: dict[str, tuple[str, str, dict[str, Any]]] = {
        "good": ("R-5 C-2", "ok", {}),
        "seed-of-another-slot": ("R-5", "not-verified R-5.seed", {"seed": seed_of(BEACON, 3)}),
        "seed-missing": ("R-5", "not-verified R-5.seed", {"seed": None}),
        "text-over-the-cap": ("C-2 R-8", "not-verified C-2.cut", {"output": "x" * 401, "seed": seed_of(BEACON, 4)}),
        "cut-and-short": ("C-2 R-8", "not-verified C-2.cut", {"cut": True, "tokens": 99}),
        "cut-by-tokens": ("C-2 R-8", "ok", {"cut": True, "tokens": 100}),
        "cut-by-characters": ("C-2 R-8", "ok", {"cut": True, "output": "文" * 400, "tokens": 1}),
        "cut-and-tokens-not-counted": ("C-2 R-8", "ok", {"cut": True, "output": "文" * 400}),
    }
    given = {"beacon": BEACON.hex(), "chars": 400, "tokens": 100}
    rows = []
    for name, (rules, ends, change) in changes.items():
        raw = jcs(bodies()[4] | change)
        rows.append(vector(name, rules, raw, ends))
    return collection(
        "shown", "The body of a shown record against the run's beacon and the plan's cap.", rows, given=given
    )


def odds() -> dict[str, Any]:
    """1 - C(N-f, n)/C(N, n) with f = 5 % of N rounded down, at least one; four digits, rounded down (A-7)."""
    rows = []
    for total, n in (
        (1, 1),
        (4, 2),
        (6, 2),
        (20, 5),
        (64, 5),
        (600, 60),
        (10_000, 150),
        (10_000, 600),
        (100, 100),
        (39, 1),
    ):
        forged = max(1, total // 20)
        exact = 1 - Fraction(comb(total - forged, n), comb(total, n))
        digits = int(exact * 10_000)
        text = "1" if digits == 10_000 else f"0.{digits:04d}".rstrip("0").rstrip(".")
        rows.append(vector(f"{n}-of-{total}", "A-7", None, given={"total": total, "opened": n}, value=text))
    return collection(
        "odds", "The chance that `opened` records of `total` meet one of the forged five in a hundred.", rows
    )


FILES = {"openings": openings, "shown-records": seeds_and_caps, "odds": odds}
