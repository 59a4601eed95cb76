# SPDX-License-Identifier: Apache-2.0
"""The same exchange under plans that disclose labels, or headers and labels, to the parties alone: what a stranger finds (P-5, C-7, F-3)."""

from collections.abc import Callable, Mapping
from typing import Any

from vectors.source import world
from vectors.source.plain import collection, digest, jcs, parts_of, vector
from vectors.source.whole import FOUND, NOON, Files, Story, bent, replaced

SEALED = b"age-encryption.org/v1\nfor lab-b alone\n"


class Apart(Story):
    """The honest walk; what the plan withholds lies in the outbox, sealed for the other party."""

    withheld: tuple[str, ...] = ()

    def __init__(self) -> None:
        plan = world.plan()
        plan["sections"][0]["disclosure"] |= dict.fromkeys(self.withheld, "parties")
        self.plan = jcs(plan)
        super().__init__()

    def written(self) -> Files:
        for path, raw in list(self.files.items()):
            kind = "headers" if "/headers." in path else "scores" if "/scores/" in path and path.endswith(".gz") else ""
            if kind in self.withheld:
                del self.files[path]
                self.files[f"lab-a/outbox/lab-b/{digest(raw)}.age"] = SEALED
        return super().written()

    def recount(self, by: str = "lab-b", **changes: Any) -> None:
        """A finding over the scorings alone (T-6), and everybody sees it."""
        said = {
            "details": None, "matched": 0, "opened": 0, "recounted": True, "rerun": None, "rescored": [],
            "run": self.run, "verdict": "consistent",
        }  # fmt: skip
        self.say(by, "audit", self.scorings, said | changes)
        self.cosign("lab-a" if by == "lab-b" else "lab-b", by, NOON + 7500)


class Scores(Apart):
    withheld = ("scores",)


class Both(Apart):
    withheld = ("headers", "scores")


def unaudited(then: Callable[[Apart], object] = lambda _: None) -> Callable[[Any], None]:
    """No audit; what comes in its place."""
    return replaced("audit", lambda story, _: then(story))


def moved(story: Story, true: Callable[..., None]) -> None:
    true(outcomes={"cut": 1, "failed": 1, "filtered": 1, "replied": 4, "truncated": 0})


def short(story: Story, true: Callable[..., None]) -> None:
    true(outcomes={"cut": 1, "failed": 0, "filtered": 0, "replied": 5, "truncated": 0})


def flattering(story: Story, true: Callable[..., bytes], scorer: str, labels: Mapping[int, str]) -> bytes:
    """The counts of other labels than the signed ones: they agree with themselves."""
    return true(scorer, dict.fromkeys(labels, "refuse") if scorer == "refusal" else labels)


def laid_open(story: Story, true: Callable[[], Files]) -> Files:
    files = dict(story.files)
    return true() | files


def not_sent(story: Story, true: Callable[[], Files]) -> Files:
    return {path: raw for path, raw in true().items() if raw != SEALED}


NONE: dict[str, Any] = {"checked": [[]], "rates": [], "counted": [False]}
REFUSED = [[*row[:2], 0, row[3]] if row[0] == "did-not-refuse" else row for row in FOUND["rates"]]


def told(holds: str) -> list[list[str]]:
    return [["yes", "yes", holds, "no", "no"]]


def rows(kind: type[Apart]) -> tuple[Files, list[dict[str, Any]]]:
    honest = kind().play()
    shut = "headers" in kind.withheld

    def row(
        name: str, rules: str, ends: str, why: str, edit: Callable[[Any], object], /, **more: Any
    ) -> dict[str, Any]:
        story = kind()
        edit(story)
        files = story.play()
        edits = {
            path: parts_of(files[path], (path, honest.get(path, b""))) if path in files else None
            for path in sorted(honest.keys() | files.keys())
            if files.get(path) != honest.get(path)
        }
        end = more if ends != "ok" else {"value": FOUND | more}
        return vector(name, rules, None, ends, why, given={"edits": edits}, **end)

    unseen = NONE | {"facts": told("cannot tell")} if shut else {"checked": [[]], "facts": told("yes")}
    disputed = NONE | {"facts": told("no")} if shut else {"checked": [[]], "facts": told("yes")}
    seven = {"step": "V-7"}
    found = [
        row("honest", "P-5 F-3 C-7", "ok", "the audit's finding says recounted", lambda _: None),
        row("recounted-by-nobody", "F-3 C-7", "ok", "", unaudited(), **unseen),
        row("recounted-by-the-other-party", "F-3 C-7 T-6", "ok", "", unaudited(Apart.recount), checked=[[]], facts=told("yes")),
        row("recounted-by-the-tester-alone", "F-3 T-6", "ok", "its own word is no more than its conclusion", unaudited(lambda s: s.recount("lab-a")), **unseen),
        row("recount-disputed", "F-3 T-6", "ok", "", unaudited(lambda s: s.recount(verdict="disputed")), **disputed),
        row("not-recounted-it-says", "F-3 T-6", "ok", "", unaudited(lambda s: s.recount(recounted=False)), **unseen),
        row("age-files-not-here", "P-5 L-7", "ok", "only the other party misses them", replaced("written", not_sent)),
        row("laid-open-all-the-same", "P-5 F-10", "ok", "not part of it: every reader must find the same", replaced("written", laid_open)),
        row("counts-that-contradict-themselves", "C-7 V-8", "not-verified C-7.sums", "", replaced("counts", bent), step="V-8"),
        row("counts-of-other-labels", "C-7", "ok", "only who reads the labels can tell", replaced("counts", flattering), rates=REFUSED),
        row("outcomes-that-do-not-add-up", "T-5 V-7", "not-verified T-5.outcomes", "", replaced("conclude", short), **seven),
        row(
            "outcomes-that-are-not-those-counted", "T-5 C-7",
            "not-verified C-7.sums" if shut else "not-verified T-5.outcomes", "", replaced("conclude", moved),
            step="V-8" if shut else "V-7",
        ),
    ]  # fmt: skip
    return honest, found


def withheld(kind: type[Apart], what: str) -> dict[str, Any]:
    honest, found = rows(kind)
    return collection(
        "exchange",
        f"As exchanges.json, under a plan that withholds {what}: what a reader without any key finds.",
        found, given={"plan": digest(kind().plan), "files": {path: parts_of(raw) for path, raw in honest.items()}},
    )  # fmt: skip


FILES = {
    "withheld-scores": lambda: withheld(Scores, "scores"),
    "withheld-headers-and-scores": lambda: withheld(Both, "headers and scores"),
}
