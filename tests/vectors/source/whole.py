# SPDX-License-Identifier: Apache-2.0
"""One whole exchange by hand, from the plan to a consistent audit, and what becomes of it under damage and lies (V-1 to V-10)."""

from collections.abc import Callable, Mapping
from typing import Any

from vectors.source import audits, scores, world
from vectors.source.logs import bundle
from vectors.source.plain import (
    collection,
    digest,
    envelope,
    gzip,
    head,
    jcs,
    keyed,
    leaf,
    line,
    lines,
    log_line,
    parts_of,
    tagged,
    tree,
    vector,
    witness_line,
)
from vectors.source.runs import KEY, beacon_of, draw, headers, seed_of, start
from vectors.source.statements import payload
from vectors.source.world import LABS, key, origin, witness_name

NOON = 1_794_571_200  # 2026-11-13T12:00:00Z
OUTCOMES = ["replied", "cut", "replied", "filtered", "replied", "replied"]
LABELS: dict[str, dict[int, str]] = {
    "refusal": {0: "refuse", 1: "comply", 2: "deflect"},
    "includes": {4: "right", 5: "right"},
}
Files = dict[str, bytes]


class Story:
    """The honest walk, in the order in which it happens; a lie is a method replaced, or something said more."""

    plan = world.PLAN

    def __init__(self) -> None:
        self.plan_id = digest(self.plan)
        self.logs: dict[str, list[bytes]] = {lab: [] for lab in LABS}
        self.files: Files = {}
        self.notes: dict[tuple[str, str], list[tuple[int, bytes]]] = {}

    # --- what parties do ---

    def say(self, lab: str, kind: str, subjects: list[str], predicate: Mapping[str, Any], by: str = "") -> str:
        """One statement into a log, signed by its owner (or by another); the envelope's digest."""
        said = payload(kind, {"plan": self.plan_id, **predicate, "party": by or lab})
        said["subject"] = [{"digest": {"sha256": one}, "name": kind} for one in subjects]
        entry = envelope(jcs(said), key(by or lab, "statement"))
        self.logs[lab].append(entry)
        return digest(entry)

    def cosign(self, by: str, of: str, at: int) -> str:
        """``by`` cosigns the log of ``of`` as it stands; the note's digest."""
        size = len(self.logs[of])
        text = head(origin(of), size, tree([leaf(entry) for entry in self.logs[of]]))
        below = log_line(text, origin(of), key(of, "log")) + witness_line(
            text, witness_name(by), key(by, "witness"), at
        )
        note = f"{text}\n{below}".encode()
        self.notes.setdefault((by, of), []).append((size, note))
        return digest(note)

    # --- the walk ---

    def play(self) -> Files:
        self.agree()
        self.register()
        self.conclude()
        self.score()
        self.audit()
        return self.written()

    def agree(self) -> None:
        files = {
            digest(raw): raw for raw in (world.LIST, jcs(world.DESCRIPTOR), *(jcs(world.definition(s)) for s in LABELS))
        }
        for lab in LABS:
            self.files[f"{lab}/plans/{self.plan_id}/plan.json"] = self.plan
        self.files |= {f"lab-a/plans/{self.plan_id}/files/{name}": raw for name, raw in files.items()}
        self.files[f"lab-a/plans/{self.plan_id}/suites/mini.jsonl.gz"] = gzip(world.suite_text())
        self.acceptances = [self.say(lab, "accept", [self.plan_id], {}) for lab in LABS]

    def register(self, **changes: Any) -> None:
        self.nonce = keyed(KEY, "nonce", b"lab-b")
        said = {
            "acceptances": self.acceptances,
            "drawCommits": [{"auditor": "lab-b", "commit": tagged("draw-commit", self.nonce).hex()}],
            "engine": {"name": "detente", "sha256": digest(b"engine"), "version": "0.1.0"},
            "section": "core", "subject": "m1",
        }  # fmt: skip
        self.run = self.say("lab-a", "register", [self.plan_id], said | changes)
        self.note = self.cosign("lab-b", "lab-a", NOON)
        self.release()
        self.cosign("lab-a", "lab-b", NOON + 60)
        self.beacon = beacon_of(self.run, [digest(b"lab-b's beacon")])

    def release(self, **changes: Any) -> None:
        said = {"beacon": digest(b"lab-b's beacon"), "run": self.run, "sealed": [], "size": len(self.logs["lab-a"])}
        self.let = self.say("lab-b", "release", [self.run], said | changes)

    def bodies(self) -> list[dict[str, Any]]:
        found = []
        for row, word in zip(headers(OUTCOMES), OUTCOMES, strict=True):
            body = {
                "i": row["i"], "item": row["item"], "outcome": row["outcome"],
                "output": None if word == "filtered" else f"Answer {row['i']}.",
                "salt": keyed(KEY, "salt", row["i"].to_bytes(8, "big")).hex(), "seed": seed_of(self.beacon, row["i"]),
            }  # fmt: skip
            found.append(body | ({"cut": True, "tokens": 100} if word == "cut" else {}))
        return found

    def header_rows(self) -> list[dict[str, Any]]:
        return [{**row, "body": digest(jcs(body))} for row, body in zip(headers(OUTCOMES), self.bodies(), strict=True)]

    def conclude(self, **changes: Any) -> None:
        self.heads = self.header_rows()
        plain = lines([start(run=self.run, plan=self.plan_id), *self.heads])
        stored = gzip(plain)
        self.files[f"lab-a/runs/{self.run}/headers.jsonl.gz"] = stored
        self.root = tree([leaf(jcs(row)) for row in self.heads])
        said = {
            "attestations": [], "finishedAt": "2026-11-13T13:00:00Z",
            "outcomes": {"cut": 1, "failed": 0, "filtered": 1, "replied": 5, "truncated": 0},
            "root": self.root.hex(), "run": self.run, "start": {"notes": [self.note], "releases": [self.let]},
            "startedAt": "2026-11-13T12:10:00Z", "status": "completed", "trace": digest(b"trace"),
        }  # fmt: skip
        self.conclusion = self.say("lab-a", "conclude", [digest(stored), digest(plain)], said | changes)

    def counts(self, scorer: str, labels: Mapping[int, str]) -> bytes:
        return scores.counts(scorer, OUTCOMES, labels)

    def score(self) -> None:
        self.scorings = [self.score_by(scorer, LABELS[scorer]) for scorer in LABELS]
        self.cosign("lab-b", "lab-a", NOON + 7200)

    def score_by(self, scorer: str, labels: Mapping[int, str], **changes: Any) -> str:
        plain = lines({"i": i, "label": label} for i, label in labels.items())
        stored, counted = gzip(plain), self.counts(scorer, labels)
        stem = f"lab-a/runs/{self.run}/scores/{scorer}.{digest(stored)[:16]}"
        self.files |= {f"{stem}.jsonl.gz": stored, f"{stem}.counts.json": counted}
        said = {"definition": digest(jcs(world.definition(scorer))), "run": self.run, "sample": None, "scorer": scorer}
        subjects = [digest(stored), digest(plain), digest(counted), self.conclusion]
        return self.say("lab-a", "score", subjects, said | changes)

    def audit(self) -> None:
        seed = digest(b"lab-b's seed")
        asked = self.say("lab-b", "challenge", [self.conclusion, *self.scorings], {"run": self.run, "seed": seed})
        self.cosign("lab-a", "lab-b", NOON + 7300)
        k = tagged("draw", self.nonce, bytes.fromhex(seed), bytes.fromhex(self.conclusion))
        self.drawn = draw(k, 2, 6)
        shown = lines(audits.opened(self.bodies(), self.drawn))
        sealed = b"age-encryption.org/v1\nnobody can open this one, and nobody has to\n"
        self.files[f"lab-a/outbox/lab-b/{digest(shown)}.age"] = sealed
        said = {"nonce": self.nonce.hex(), "plaintext": digest(shown), "run": self.run}
        opened = self.say("lab-a", "open", [asked, digest(sealed)], said)
        self.cosign("lab-b", "lab-a", NOON + 7400)
        self.find(opened)
        self.cosign("lab-a", "lab-b", NOON + 7500)

    def find(self, opened: str, **changes: Any) -> None:
        labelled = {scorer: len(labels.keys() & set(self.drawn)) for scorer, labels in LABELS.items()}
        said = {
            "details": None, "matched": 2, "opened": 2, "recounted": True, "rerun": None,
            "rescored": [{"agreed": n, "n": n, "parsed": n, "scorer": scorer} for scorer, n in labelled.items()],
            "run": self.run, "verdict": "consistent",
        }  # fmt: skip
        self.say("lab-b", "audit", [opened], said | changes)

    # --- onto the disk ---

    def written(self) -> Files:
        found = dict(self.files)
        for lab, entries in self.logs.items():
            found |= {f"{lab}/log/{name}": raw for name, raw in tiles(entries).items()}
            text = head(origin(lab), len(entries), tree([leaf(entry) for entry in entries]))
            found[f"{lab}/log/checkpoint"] = f"{text}\n{log_line(text, origin(lab), key(lab, 'log'))}".encode()
        for (by, of), notes in self.notes.items():
            mirror = f"{by}/mirror/{digest(origin(of).encode())}"
            found |= {f"{mirror}/{name}": raw for name, raw in tiles(self.logs[of][: notes[-1][0]]).items()}
            found |= {f"{mirror}/notes/{size:020d}": note for size, note in notes}
            found[f"{mirror}/checkpoint"] = notes[-1][1]
        return dict(sorted(found.items()))


def tiles(entries: list[bytes]) -> Files:
    """The files of a small log: one partial tile of each kind."""
    return {
        f"tile/0/000.p/{len(entries)}": b"".join(leaf(entry) for entry in entries),
        f"tile/entries/000.p/{len(entries)}": bundle(entries),
    }


# --- what a reader must find ----------------------------------------------------------------------

RATES = [
    ["did-not-refuse", "en", 0, 1], ["did-not-refuse", "zh-Hans", 1, 1],
    ["over-refusal", "en", 1, 1], ["over-refusal", "zh-Hans", 1, 1],
]  # fmt: skip
FOUND: dict[str, Any] = {
    "counted": [True], "facts": [["yes", "yes", "yes", "yes", "no"]], "ends": ["concluded"], "checked": [["consistent"]], "rates": RATES, "violations": [],
    "outcomes": [{"cut": 1, "failed": 0, "filtered": 1, "replied": 5, "truncated": 0}],
}  # fmt: skip
UNCHECKED = [["yes", "yes", "yes", "no", "no"]]


def lie(
    name: str, rules: str, ends: str, step: str, why: str, edit: Callable[[Story], object], /, **found: Any
) -> dict[str, Any]:  # fmt: skip
    """A vector from a story in which somebody lied with keys of their own."""
    story = Story()
    edit(story)
    value = {"value": FOUND | found} if ends == "ok" else {"step": step}
    return vector(name, rules, None, ends, why, given={"edits": edits(story.play())}, **value)


HONEST = Story().play()


def edits(files: Files) -> dict[str, Any]:
    """What must be written over the honest exchange to get these files; null takes a file away."""
    found: dict[str, Any] = {}
    for path in sorted(HONEST.keys() | files.keys()):
        if path not in files:
            found[path] = None
        elif files[path] != HONEST.get(path):
            found[path] = parts_of(files[path], (path, HONEST.get(path, b"")))
    return found


def replaced(name: str, instead: Callable[..., Any]) -> Callable[[Story], None]:
    """An edit that puts another method in the place of ``name``; it is called with the true one."""

    def edit(story: Story) -> None:
        true = getattr(story, name)
        setattr(story, name, lambda *words, **more: instead(story, true, *words, **more))

    return edit


def log_instead(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Story], None]:
    """Another log of lab-a is shown, signed anew; what others hold of the true one stays."""

    def written(story: Story, true: Callable[[], Files]) -> Files:
        whole = true()
        story.logs["lab-a"] = change(story.logs["lab-a"])
        shown = true()
        kept = {path: raw for path, raw in whole.items() if not path.startswith("lab-a/log/")}
        return kept | {path: raw for path, raw in shown.items() if path.startswith("lab-a/log/")}

    return replaced("written", written)


def bent(story: Story, true: Callable[..., bytes], scorer: str, labels: Any) -> bytes:
    return true(scorer, labels).replace(b'"hits":1', b'"hits":0', 1)


def twice(story: Story, true: Callable[[], None]) -> None:
    true()
    story.say("lab-a", "accept", [world.PLAN_ID], {})


def foreign(story: Story, true: Callable[[], None]) -> None:
    true()
    story.say("lab-a", "accept", [world.PLAN_ID], {}, by="lab-b")


def odd_entry(story: Story, true: Callable[[], None]) -> None:
    true()
    story.logs["lab-b"].append(b"hello")


def swapped(story: Story, true: Callable[[], Any]) -> Any:
    rows = true()
    return [{**rows[0], "item": rows[2]["item"]}, *rows[1:]]


def dropped(story: Story, true: Callable[[], Any]) -> Any:
    return true()[:-1]


def scored_again(story: Story, true: Callable[[], None]) -> None:
    true()
    story.score_by("refusal", LABELS["refusal"] | {1: "refuse"})


def unlisted(story: Story, true: Callable[..., str], scorer: str, labels: Any) -> str:
    return true(scorer, {**labels, 3: "refuse"} if scorer == "refusal" else labels)


def edited_after(story: Story, true: Callable[[], Files]) -> Files:
    files = true()
    path = next(name for name in files if "/scores/refusal." in name and name.endswith(".gz"))
    return files | {path: gzip(lines({"i": i, "label": "refuse"} for i in LABELS["refusal"]))}


def disputed(story: Story, true: Callable[..., None], opened: str) -> None:
    true(opened, verdict="disputed", matched=1)


def attempt(story: Story, true: Callable[..., None]) -> None:
    true()
    story.say("lab-a", "register", [world.PLAN_ID], {
        "acceptances": story.acceptances, "drawCommits": [{"auditor": "lab-b", "commit": "00" * 32}],
        "engine": {"name": "detente", "sha256": digest(b"engine"), "version": "0.1.0"}, "section": "core", "subject": "m1",
    })  # fmt: skip


def silent(story: Story, true: Callable[..., str], lab: str, kind: str, *words: Any, **more: Any) -> str:
    """lab-b never accepts; its digest in the registration is that of what it would have said."""
    if (lab, kind) != ("lab-b", "accept"):
        return true(lab, kind, *words, **more)
    story.logs[lab].append(b"hello")
    return digest(b"hello")


def unanswered(story: Story, true: Callable[[], None]) -> None:
    story.say("lab-b", "challenge", [story.conclusion, *story.scorings], {"run": story.run, "seed": digest(b"seed")})
    story.cosign("lab-a", "lab-b", NOON + 7300)


def refused(story: Story, true: Callable[[], None]) -> None:
    unanswered(story, true)
    story.say("lab-a", "close", [], {"heads": [], "position": "endorse", "text": None})
    story.cosign("lab-b", "lab-a", NOON + 7300 + 48 * 3600 + 1)


def other_nonce(story: Story, true: Callable[[], None]) -> None:
    story.nonce = bytes(32)
    true()


def gave_up(story: Story, true: Callable[[], None]) -> None:
    story.conclude = story.score = story.audit = lambda: None  # type: ignore[method-assign]
    true()
    story.say("lab-a", "close", [], {"heads": [], "position": "endorse", "text": None})
    story.cosign("lab-b", "lab-a", NOON + 8 * 86_400)


def outcomes(story: Story, true: Callable[..., None]) -> None:
    true(outcomes={"cut": 1, "failed": 0, "filtered": 0, "replied": 6, "truncated": 0})


def lies() -> list[dict[str, Any]]:
    return [
        lie("run-dropped", "L-3 V-2", "not-verified L-3.rollback", "V-2", "the log is shown as it was before the run", log_instead(lambda log: log[:1])),
        lie("history-changed", "L-3 L-5 V-2", "not-verified L-3.history", "V-2", "one entry is another, at the same size", log_instead(lambda log: [*log[:-1], log[0]])),
        lie("item-swapped", "R-7 F-3 V-7", "not-verified R-7.item", "V-7", "an easier item was asked", replaced("header_rows", swapped)),
        lie("item-dropped", "R-7 F-3 V-7", "not-verified R-7.count", "V-7", "", replaced("header_rows", dropped)),
        lie("root-of-another-file", "R-7 F-3 V-7", "not-verified R-7.root", "V-7", "", replaced("conclude", lambda _, true: true(root="00" * 32))),
        lie("outcomes-bent", "T-5 F-3 V-7", "not-verified T-5.outcomes", "V-7", "the filtered one is called a reply", replaced("conclude", outcomes)),
        lie("scores-edited", "C-4 V-8", "not-verified C-4.file", "V-8", "after they were signed", replaced("written", edited_after)),
        lie("counts-bent", "C-7 V-8", "not-verified C-7.recount", "V-8", "and signed", replaced("counts", bent)),
        lie("label-on-a-filtered-slot", "C-4 C-3 V-8", "not-verified C-4.count", "V-8", "", replaced("score_by", unlisted)),
        lie("accepted-twice", "T-3 L-8 V-3", "ok", "", "the second is listed", replaced("agree", twice), violations=[["lab-a", 1, "T-3.again"]]),
        lie("scored-twice", "C-6 L-8 V-8", "ok", "", "the first counts; the second stands beside it", replaced("score", scored_again)),
        lie("acceptance-missing", "P-2 F-1 F-9 V-4", "ok", "", "lab-b never accepted", replaced("say", silent), counted=[False], facts=[["no", "yes", "yes", "yes", "no"]], rates=[], violations=[["lab-b", 0, "T-1.shape"]]),
        lie("challenge-unanswered", "A-5 V-9", "ok", "", "seen, and its hours run", replaced("audit", unanswered), checked=[["seen"]], facts=UNCHECKED),
        lie("challenge-refused", "A-5 F-4 V-9", "ok", "", "its hours passed, as a note shows", replaced("audit", refused), checked=[["refused"]], facts=UNCHECKED, violations=[["lab-a", 5, "F-11.shape"]]),
        lie("nonce-of-another", "A-1 R-6 V-9", "ok", "", "not the committed one: no opening, and no finding about it", replaced("audit", other_nonce), checked=[["seen"]], facts=UNCHECKED, violations=[["lab-a", 5, "A-1.nonce"], ["lab-b", 3, "T-2.stray"]]),
        lie("never-concluded", "R-11 V-10", "ok", "", "a note after the deadline shows it", replaced("register", gave_up), counted=[False], facts=[["yes", "no", "no", "no", "no"]], ends=["unfinished"], checked=[[]], outcomes=[], rates=[], violations=[["lab-a", 2, "F-11.shape"]]),
        lie("audit-disputed", "T-6 F-4 V-9", "ok", "", "", replaced("find", disputed), checked=[["disputed"]], facts=UNCHECKED),
        lie("entry-that-is-none", "L-8 V-3", "ok", "", "listed, and the log goes on", replaced("agree", odd_entry), violations=[["lab-b", 1, "T-1.shape"]]),
        lie("statement-of-another", "T-2 L-8 V-3", "ok", "", "a copy in the wrong log", replaced("agree", foreign), violations=[["lab-a", 1, "T-1.signature"]]),
        lie("attempt-too-many", "R-1 V-6", "ok", "", "listed and not counted", replaced("score", attempt), counted=[True, False], facts=[*FOUND["facts"], ["yes", "no", "no", "no", "no"]], ends=["concluded", "open"], checked=[["consistent"], []], violations=[["lab-a", 5, "R-1.attempts"]]),
    ]  # fmt: skip


def damage() -> list[dict[str, Any]]:
    """Every kind of file, taken away, cut, and one bit of it flipped: nobody lied, or nobody can tell who.

    How long a sealed file should be is written nowhere, so a cut one is not among these.
    """
    rows = []
    seen: set[str] = set()
    for path, raw in HONEST.items():
        kind = kind_of(path)
        if kind in seen:
            continue
        seen.add(kind)
        at = len(raw) // 2
        flipped = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        step = STEPS[kind]
        rows += [
            damaged(
                f"{kind}-missing",
                f"L-7 {MORE.get(kind, '')}",
                path,
                None,
                "cannot-tell" if kind not in OPTIONAL else "ok",
                "",
            ),
            *([] if kind == "sealed" else [damaged(f"{kind}-cut", "L-7", path, raw[:-1], "cannot-tell", step)]),
            damaged(
                f"{kind}-with-a-bit-flipped", f"L-7 {step} {MORE.get(kind, '')}", path, flipped, "not-verified", step
            ),
        ]
    return rows


def damaged(name: str, rules: str, path: str, raw: bytes | None, ends: str, step: str) -> dict[str, Any]:
    change = None if raw is None else parts_of(raw, (path, HONEST[path]))
    more: dict[str, Any] = {"step": step} if ends == "not-verified" else {}
    return vector(name, rules, None, ends, given={"edits": {path: change}}, **more)


SIGNS = {
    "/plan.json": "plan", "/suites/": "suite-text", "/files/": "named-file", "headers": "headers",
    ".counts.json": "counts", "/scores/": "scores", ".age": "sealed",
}  # fmt: skip
PLACES = {"/entries/": "entries", "/tile/0/": "tile", "/notes/": "note", "/checkpoint": "checkpoint"}


def kind_of(path: str) -> str:
    """What a file is: for logs and mirrors which of their files."""
    for folder in ("mirror", "log"):
        if f"/{folder}/" in path:
            return next(f"{folder}-{kind}" for sign, kind in PLACES.items() if sign in path)
    return next(kind for sign, kind in SIGNS.items() if sign in path)


STEPS = {
    "mirror-checkpoint": "V-2", "mirror-note": "V-2", "mirror-tile": "V-2", "mirror-entries": "V-2",
    "log-checkpoint": "V-2", "log-tile": "V-2", "log-entries": "V-2", "plan": "V-1", "suite-text": "V-5",
    "named-file": "V-5", "headers": "V-7", "counts": "V-8", "scores": "V-8", "sealed": "V-9",
}  # fmt: skip
MORE = {
    "named-file": "P-9",
    "suite-text": "P-9 S-2",
    "scores": "C-4",
    "headers": "F-3",
    "log-tile": "L-5",
    "log-entries": "L-5",
}
# A copy that the other party has too; a text that its owner may keep; a note that nothing names by digest.
OPTIONAL = {"plan", "suite-text", "mirror-note"}


def exchange() -> dict[str, Any]:
    none: dict[str, Any] = {}
    unknown = {
        "lab-a/log/README": [{"text": "hello"}],
        "lab-c/log/checkpoint": [{"text": "who?"}],
        "README": [{"text": "hi"}],
    }
    later = HONEST["lab-a/log/checkpoint"] + line("lab-a.example/ml-dsa", bytes(2424)).encode()
    rows = [
        vector("honest", "V-1 V-10 F-1 F-2 F-3 F-4 P-2", None, given={"edits": none}, value=FOUND),
        vector("without-a-plan-id", "V-1 P-1", None, "cannot-tell unanchored", given={"edits": none, "plan": None}),
        vector("another-plan-id", "V-1 P-1", None, "cannot-tell plan-missing", given={"edits": none, "plan": "00" * 32}),
        vector("files-that-nothing-names", "L-7", None, given={"edits": unknown}, value=FOUND),
        vector("proposals-of-any-kind", "P-10 L-7", None, given={"edits": {f"lab-a/proposals/{'00' * 32}/plan.json": [{"text": "not even JSON"}]}}, value=FOUND),
        vector("a-signature-line-to-come", "L-1", None, given={"edits": {"lab-a/log/checkpoint": parts_of(later)}}, value=FOUND),
        *damage(),
        *lies(),
    ]  # fmt: skip
    return collection(
        "exchange",
        "`files` with `edits` written over them (null: taken away), verified with `plan`; the value is what a reader finds, see README.",
        rows, given={"plan": world.PLAN_ID, "files": {path: parts_of(raw) for path, raw in HONEST.items()}},
    )  # fmt: skip


FILES = {"exchanges": exchange}
