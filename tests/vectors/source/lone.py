# SPDX-License-Identifier: Apache-2.0
"""One run of the exchange in whole.py, handed over alone, and what becomes of it under damage and lies (F-12)."""

import json
from collections.abc import Callable
from typing import Any

from vectors.source import world
from vectors.source.plain import (
    collection,
    digest,
    gzip,
    head,
    jcs,
    leaf,
    line,
    log_line,
    parts_of,
    path,
    vector,
    witness_line,
)
from vectors.source.whole import NOON, Files, Story, bent, replaced
from vectors.source.world import key, origin, witness_name

WITNESS = {"lab-a": "lab-b", "lab-b": "lab-a"}


def run_json(story: Story, wanted: list[tuple[str, int]]) -> dict[str, Any]:
    """What run.json says of these entries (party, index): each with its proof under the witness's first note over it."""
    entries, notes = [], {}
    for party, index in wanted:
        size, note = next(row for row in story.notes[WITNESS[party], party] if row[0] > index)
        notes[digest(note)] = note.decode()
        proof = path(index, [leaf(entry) for entry in story.logs[party][:size]])
        entries.append({
            "envelope": story.logs[party][index].decode(), "index": index, "party": party,
            "proofs": [{"note": digest(note), "proof": [step.hex() for step in proof]}],
        })  # fmt: skip
    return {
        "entries": entries, "notes": [notes[name] for name in sorted(notes)], "plan": world.PLAN_ID, "run": story.run,
        "type": "https://detente.example/lone/v1",
    }  # fmt: skip


ENTRIES = [("lab-a", 1), ("lab-a", 2), ("lab-a", 3), ("lab-a", 4)]  # registration, conclusion, two scorings


def of(story: Story, wanted: list[tuple[str, int]] | None = None) -> Files:
    """The files of the lone run of a story."""
    files = story.play()
    kept = {name: raw for name, raw in files.items() if name.startswith(("lab-a/plans/", "lab-a/runs/"))}
    kept = {name: raw for name, raw in kept.items() if "/suites/" not in name}
    return {"run.json": jcs(run_json(story, wanted or ENTRIES)), **kept}


STORY = Story()
ALONE = of(STORY)
SAID = json.loads(ALONE["run.json"])
FOUND = {
    "n": 6, "scorings": ["refusal", "includes"], "unanchored": [],
    "seen": [["register", {"lab-b": NOON}], *[[kind, {"lab-b": NOON + 7200}] for kind in ("conclude", "score", "score")]],
}  # fmt: skip


def row(name: str, rules: str, ends: str, step: str, files: Files, why: str = "", **value: Any) -> dict[str, Any]:
    edits: dict[str, Any] = {}
    for file in sorted(ALONE.keys() | files.keys()):
        if file not in files:
            edits[file] = None
        elif files[file] != ALONE.get(file):
            edits[file] = parts_of(files[file], (file, ALONE.get(file, b"")))
    more: dict[str, Any] = {"value": FOUND | value} if ends == "ok" else {"step": step} if step else {}
    return vector(name, f"F-12 {rules}", None, ends, why, given={"edits": edits}, **more)


def bent_by(change: Callable[[dict[str, Any]], object]) -> Files:
    """The honest files, with another run.json."""
    said = json.loads(ALONE["run.json"])
    change(said)
    return ALONE | {"run.json": jcs(said)}


def said_of(place: tuple[str | int, ...], value: Callable[[Any], Any]) -> Files:
    """The same with one member changed."""

    def change(said: Any) -> None:
        *above, last = place
        for name in above:
            said = said[name]
        said[last] = value(said[last])

    return bent_by(change)


def flipped(raw: bytes) -> bytes:
    at = len(raw) // 2
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def two_heads() -> Files:
    """lab-a signed another tree of the same size, and both notes were put in."""
    size, _ = STORY.notes["lab-b", "lab-a"][0]
    text = head(origin("lab-a"), size, bytes(32))
    below = log_line(text, origin("lab-a"), key("lab-a", "log"))
    below += witness_line(text, witness_name("lab-b"), key("lab-b", "witness"), NOON)
    return said_of(("notes",), lambda notes: [*notes, f"{text}\n{below}"])


def alone_note(more: str = "") -> Files:
    """Under the log's own checkpoint, which nobody cosigned; ``more``: a line after it."""
    found = json.loads(ALONE["run.json"])
    for n, text in enumerate(found["notes"]):
        bare = "".join(one for one in text.splitlines(keepends=True) if f"— {witness_name('lab-b')} " not in one) + more
        for entry in found["entries"]:
            for proof in entry["proofs"]:
                if proof["note"] == digest(text.encode()):
                    proof["note"] = digest(bare.encode())
        found["notes"][n] = bare
    return ALONE | {"run.json": jcs(found)}


def lied(edit: Callable[[Story], object], wanted: list[tuple[str, int]] | None = None) -> Files:
    story = Story()
    edit(story)
    return of(story, wanted)


def concluded_again(story: Story, true: Callable[..., None]) -> None:
    true()
    true(finishedAt="2026-11-13T14:00:00Z")


def lies() -> list[dict[str, Any]]:
    headers = next(name for name in ALONE if name.endswith("headers.jsonl.gz"))
    scores = next(name for name in ALONE if "/scores/includes." in name and name.endswith(".gz"))
    counts = next(name for name in ALONE if name.endswith(".counts.json"))
    definition = next(name for name in ALONE if name.endswith(digest(jcs(world.definition("refusal")))))
    without = {name: {k: v for k, v in ALONE.items() if k != name} for name in (headers, scores, counts, definition)}
    entries = SAID["entries"]
    return [
        row("entry-changed", "L-1", "not-verified F-12.proof", "V-2", said_of(("entries", 1, "envelope"), lambda text: text.replace("A", "B", 1))),
        row("index-of-another", "L-1", "not-verified F-12.proof", "V-2", said_of(("entries", 1, "index"), lambda n: n + 1)),
        row("party-of-another", "L-1", "not-verified F-12.proof", "V-2", said_of(("entries", 1, "party"), lambda _: "lab-b")),
        row("proof-step-changed", "L-1", "not-verified F-12.proof", "V-2", said_of(("entries", 2, "proofs", 0, "proof", 0), lambda _: "00" * 32)),
        row("proof-step-missing", "L-1", "not-verified F-12.proof", "V-2", said_of(("entries", 2, "proofs", 0, "proof"), lambda steps: steps[:-1])),
        row("no-proof", "L-7", "cannot-tell F-12.missing", "", said_of(("entries", 2, "proofs"), lambda _: [])),
        row("note-missing", "L-7", "cannot-tell F-12.missing", "", said_of(("notes",), lambda notes: notes[:1])),
        row("note-cut", "L-7", "cannot-tell file-cut", "", said_of(("notes", 0), lambda note: note[:-20])),
        row("note-of-another-tree", "L-1", "not-verified L-1.signature", "V-2", said_of(("notes", 0), lambda note: note.replace("\n", "\n1", 1))),
        row("cosignature-bent", "L-3", "not-verified L-3.cosignature", "V-2", said_of(("notes", 0), lambda note: note[:-9] + ("A" if note[-9] != "A" else "B") + note[-8:])),
        row("seen-by-nobody", "L-3", "ok", "", alone_note(), "the logs' own checkpoints alone: unanchored", seen=[[kind, {}] for kind, _ in FOUND["seen"]], unanchored=[1, 2, 3, 4]),
        row("a-signature-line-to-come", "L-1", "ok", "", alone_note(line("lab-a.example/ml-dsa", bytes(2424))), "nobody knows it, and nobody else has seen it", seen=[[kind, {}] for kind, _ in FOUND["seen"]], unanchored=[1, 2, 3, 4]),
        row("two-heads", "L-2", "not-verified F-12.heads", "V-2", two_heads(), "two roots of one log at one size"),
        row("entry-twice", "T-3", "not-verified F-12.entry", "V-3", said_of(("entries",), lambda rows: [*rows, rows[-1]])),
        row("challenge-put-in", "L-8", "not-verified F-12.entry", "V-8", of(Story(), [*ENTRIES, ("lab-b", 2)]), "an audit is not looked for, and has no place"),
        row("acceptance-put-in", "L-8", "not-verified F-12.entry", "V-8", of(Story(), [*ENTRIES, ("lab-a", 0)])),
        row("never-concluded", "T-5 R-11", "cannot-tell lone-not-concluded", "", bent_by(lambda said: said.update(entries=[entries[0]]))),
        row("concluded-twice", "T-3", "not-verified F-12.entry", "V-6", lied(replaced("conclude", concluded_again), [("lab-a", 1), ("lab-a", 2), ("lab-a", 3)])),
        row("conclusion-of-no-form", "T-5", "not-verified F-12.entry", "V-6", lied(replaced("conclude", lambda _, true: true(status="aborted")))),
        row("test-not-planned", "R-1", "not-verified F-12.entry", "V-6", lied(replaced("register", lambda _, true: true(subject="m9")))),
        row("registration-missing", "R-1", "cannot-tell F-12.missing", "", bent_by(lambda said: said.update(entries=entries[1:]))),
        row("run-of-another-id", "T-3", "cannot-tell F-12.missing", "", said_of(("run",), lambda _: "00" * 32)),
        row("scorings-left-out", "C-6", "ok", "", bent_by(lambda said: said.update(entries=entries[:2])), "nobody can say that there were none", scorings=[], seen=FOUND["seen"][:2]),
        row("run-json-cut", "L-7", "cannot-tell file-cut", "", ALONE | {"run.json": ALONE["run.json"][:-1]}),
        row("run-json-missing", "L-7", "cannot-tell file-missing", "", {k: v for k, v in ALONE.items() if k != "run.json"}),
        row("run-json-of-another-type", "B-3", "not-verified F-12.type", "V-1", said_of(("type",), lambda text: text.replace("v1", "v2"))),
        row("run-json-with-a-member-more", "B-3", "not-verified B-3.shape", "V-1", bent_by(lambda said: said.update(more=1))),
        row("headers-missing", "L-7", "cannot-tell file-missing", "", without[headers]),
        row("headers-cut", "L-7", "cannot-tell file-cut", "", ALONE | {headers: ALONE[headers][:-1]}),
        row("headers-bent", "R-7", "not-verified R-7.file", "V-7", ALONE | {headers: flipped(ALONE[headers])}),
        row("scores-edited", "C-4", "not-verified C-4.file", "V-8", ALONE | {scores: gzip(b"{}\n")}, "after they were signed"),
        row("counts-bent", "C-7", "not-verified C-7.recount", "V-8", lied(lambda story: setattr(story, "counts", bent_counts(story))), "and signed"),
        row("counts-missing", "L-7", "cannot-tell file-missing", "", without[counts]),
        row("definition-missing", "P-9", "cannot-tell P-9.missing", "", without[definition]),
    ]  # fmt: skip


def bent_counts(story: Story) -> Callable[..., bytes]:
    true = story.counts
    return lambda scorer, labels: bent(story, true, scorer, labels)


def lone() -> dict[str, Any]:
    none: dict[str, Any] = {}
    beside = {"lab-a/README": [{"text": "hello"}]}
    rows = [
        vector("honest", "F-12 L-4", None, given={"edits": none}, value=FOUND),
        vector("files-that-nothing-names", "F-12 L-7", None, given={"edits": beside}, value=FOUND),
        vector("without-a-plan-id", "F-12 V-1", None, "cannot-tell unanchored", given={"edits": none, "plan": None}),
        vector("another-plan-id", "F-12 V-1", None, "cannot-tell lone-plan", given={"edits": none, "plan": "00" * 32}),
        *lies(),
    ]
    return collection(
        "lone",
        "`files` (what lies below lone/) with `edits` written over them (null: taken away), verified alone with `plan`; the value is what a reader finds, see README.",
        rows, given={"plan": world.PLAN_ID, "files": {name: parts_of(raw) for name, raw in ALONE.items()}},
    )  # fmt: skip


FILES = {"lone": lone}
