# SPDX-License-Identifier: Apache-2.0
"""Vectors of the nine statements (B-3, T-2, T-4 to T-6)."""

from typing import Any

from vectors.source import world
from vectors.source.plain import NS, collection, jcs, parts_of, vector
from vectors.source.world import put

D = [f"{n:02x}" * 32 for n in range(16)]  # digests of nothing in particular
OUTCOMES = {"cut": 1, "failed": 0, "filtered": 1, "replied": 5, "truncated": 0}

PREDICATES: dict[str, dict[str, Any]] = {
    "accept": {},
    "register": {
        "acceptances": D[1:3], "drawCommits": [{"auditor": "lab-b", "commit": D[3]}],
        "engine": {"name": "detente", "sha256": D[4], "version": "0.1.0"}, "section": "core", "subject": "m1",
    },
    "release": {"beacon": D[5], "run": D[6], "sealed": [{"age": D[7], "suite": "mini", "text": D[8]}], "size": 2},
    "conclude": {
        "attestations": [{"kind": "tee", "sha256": D[9]}], "finishedAt": "2026-11-13T10:00:00Z", "outcomes": OUTCOMES,
        "root": D[10], "run": D[6], "start": {"notes": [D[11]], "releases": [D[12]]},
        "startedAt": "2026-11-13T09:10:00Z", "status": "completed", "trace": D[13],
    },
    "score": {
        "definition": D[1], "run": D[6],
        "sample": {"challenge": None, "design": "random", "of": None, "per": [{"label": None, "lang": "en", "n": 5}]},
        "scorer": "refusal",
    },
    "challenge": {"run": D[6], "seed": D[2]},
    "open": {"nonce": D[3], "plaintext": D[4], "run": D[6]},
    "audit": {
        "details": None, "matched": 2, "opened": 2, "recounted": True, "rerun": {"equal": 2, "n": 2},
        "rescored": [{"agreed": 2, "n": 2, "parsed": 2, "scorer": "refusal"}], "run": D[6], "verdict": "consistent",
    },
    "close": {
        "heads": [{"origin": world.origin("lab-a"), "root": D[5], "size": 6}], "position": "reserve",
        "text": {"en": "Few items.", "zh-Hans": "试题偏少。"},
    },
}  # fmt: skip


def payload(kind: str, predicate: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "predicate": {"party": "lab-a", "plan": world.PLAN_ID, **predicate},
        "predicateType": f"{NS}{kind}/v1",
        "subject": [{"digest": {"sha256": D[0]}, "name": "file"}],
    } | changes


BASE = jcs(payload("conclude", PREDICATES["conclude"]))


def row(name: str, rules: str, raw: bytes, ends: str = "ok", **more: Any) -> dict[str, Any]:
    return vector(name, rules, raw, ends, base=("conclude", BASE), **more)


def wholes() -> list[Any]:
    rows = [
        row(kind, "T-2 B-3", jcs(payload(kind, members)), value=[kind, [D[0]]]) for kind, members in PREDICATES.items()
    ]
    aborted = payload("conclude", PREDICATES["conclude"] | {"root": None, "status": "aborted"})
    imported = payload("conclude", PREDICATES["conclude"] | {"trace": None})
    return [
        *rows,
        row("conclude-aborted", "T-5", jcs(aborted), value=["conclude", [D[0]]]),
        row("conclude-imported", "R-10 T-5", jcs(imported), value=["conclude", [D[0]]]),
        row("score-of-everything", "C-5", jcs(payload("score", PREDICATES["score"] | {"sample": None})), value=["score", [D[0]]]),
        row("audit-that-only-recounts", "T-6", jcs(payload("audit", PREDICATES["audit"] | {"opened": 0, "rerun": None, "rescored": []})), value=["audit", [D[0]]]),
        row("close-that-endorses", "F-11", jcs(payload("close", PREDICATES["close"] | {"position": "endorse", "text": None})), value=["close", [D[0]]]),
        row("no-subjects", "T-2", jcs(payload("accept", {}, subject=[])), value=["accept", []]),
    ]  # fmt: skip


def broken() -> list[Any]:
    found = []
    for kind, members in PREDICATES.items():
        whole = payload(kind, members)
        found += [
            (f"{kind}-with-a-member-unknown", "B-3 T-2", "B-3.shape", world.edited(whole, put("predicate", "note", ""))),
            (f"{kind}-without-its-plan", "B-3 T-2", "B-3.shape", world.edited(whole, put("predicate", "plan", ...))),
            (f"{kind}-without-its-party", "B-3 T-2", "B-3.shape", world.edited(whole, put("predicate", "party", ...))),
        ]  # fmt: skip
        for member in members:
            left = world.edited(whole, put("predicate", member, ...))
            found.append((f"{kind}-without-{member}", "B-3", "B-3.shape", left))
    changed = [
        ("conclude", "status-nobody-knows", "T-5", put("predicate", "status", "done")),
        ("conclude", "an-outcome-negative", "T-5", put("predicate", "outcomes", "cut", -1)),
        ("conclude", "an-outcome-missing", "T-5", put("predicate", "outcomes", "cut", ...)),
        ("conclude", "a-root-too-short", "T-5", put("predicate", "root", "ab")),
        ("conclude", "start-with-a-time", "R-4 B-3", put("predicate", "start", "at", "2026-11-13T09:10:00Z")),
        ("audit", "verdict-nobody-knows", "T-6", put("predicate", "verdict", "fine")),
        ("audit", "recounted-a-word", "T-6", put("predicate", "recounted", "yes")),
        ("audit", "rescored-with-a-member-unknown", "T-6 B-3", put("predicate", "rescored", 0, "why", "")),
        ("close", "position-nobody-knows", "F-11", put("predicate", "position", "abstain")),
        ("close", "head-without-a-root", "F-11 B-3", put("predicate", "heads", 0, "root", ...)),
        ("release", "size-a-text", "T-4", put("predicate", "size", "2")),
        ("release", "beacon-too-short", "T-4", put("predicate", "beacon", "00")),
        ("score", "design-nobody-knows", "C-5", put("predicate", "sample", "design", "best")),
        ("register", "engine-without-a-version", "R-10 B-3", put("predicate", "engine", "version", ...)),
        ("accept", "subject-with-another-digest", "T-2 B-3", put("subject", 0, "digest", "sha512", D[1])),
        ("accept", "subject-without-a-digest", "T-2 B-3", put("subject", 0, "digest", {})),
        ("accept", "subject-in-capitals", "T-2 B-1", put("subject", 0, "digest", "sha256", "AB" * 32)),
        ("accept", "member-beside-the-predicate", "T-2 B-3", put("annotations", {})),
        ("accept", "predicate-a-list", "T-2 B-3", put("predicate", [])),
    ]  # fmt: skip
    found += [
        (f"{kind}-{name}", rules, "B-3.shape", world.edited(payload(kind, PREDICATES[kind]), edit))
        for kind, name, rules, edit in changed
    ]
    accept = payload("accept", {})
    found += [
        ("another-statement-type", "T-2", "T-2.type", world.edited(accept, put("_type", "https://in-toto.io/Statement/v0.1"))),
        ("another-predicate-type", "T-2 L-8", "T-2.foreign", world.edited(accept, put("predicateType", "https://slsa.dev/provenance/v1"))),
        ("another-version", "B-3 L-8", "T-2.foreign", world.edited(accept, put("predicateType", f"{NS}accept/v2"))),
        ("a-kind-nobody-knows", "B-3 L-8", "T-2.foreign", world.edited(accept, put("predicateType", f"{NS}revoke/v1"))),
        ("a-kind-without-the-prefix", "T-2 L-8", "T-2.foreign", world.edited(accept, put("predicateType", "accept"))),
        ("a-fraction-inside", "B-1", "B-1.float", world.edited(accept, put("predicate", "share", 0.5))),
        ("newline-behind", "B-4", "B-2.canonical", jcs(accept) + b"\n"),
        ("party-twice", "B-2", "B-2.canonical", jcs(accept).replace(b'"party"', b'"party":"lab-b","party"', 1)),
    ]  # fmt: skip
    return [row(name, rules, raw, f"malformed {code}") for name, rules, code, raw in found]


def statements() -> dict[str, Any]:
    return collection(
        "statement", "The payload of an envelope; the value is its kind and the digests of its subjects.",
        [*wholes(), *broken()], bases={"conclude": parts_of(BASE)},
    )  # fmt: skip


FILES = {"statements": statements}
