# SPDX-License-Identifier: Apache-2.0
"""A dishonest tester whose headers and labels go to the parties alone: what a stranger catches, what only a party does, and what nobody does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detente.check.disclosed import Reader
from detente.check.verify import Verified, verify
from detente.desk.recounts import recount
from detente.desk.sent import reader_of
from detente.errors import NotVerified
from detente.evidence.counts import count, encode_scores
from detente.report.html import render
from detente.report.result import joint_of, summarise
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from detente.wire.lines import compress
from kit.caught import runs_of, text_of
from kit.labs import Labs, meet, publish_one, register_all, run_one
from kit.paper import LABELS, NOON, Paper, plan_dict

READER = Reader("lab-b", lambda raw, _: raw, lambda _, __: None)  # on paper an age file is what it holds


def apart(headers: str, scores: str) -> dict[str, Any]:
    """The sections of a paper plan with this disclosure."""
    section = plan_dict([], [])["sections"][0]
    audit = {**section["audit"], "by": ["lab-a", "lab-b"]}
    return {"sections": [{**section, "audit": audit, "disclosure": {"headers": headers, "scores": scores}}]}


class Told:
    """A paper run whose files lab B has, too; ``bend`` edits the counts of the refusal scoring before they are signed."""

    def __init__(
        self, folder: Path, disclosure: tuple[str, str], bend: Callable[[Any], object] = lambda _: None,
        ended: list[str] | None = None, **changes: Any,
    ) -> None:  # fmt: skip
        kinds = ("hazard", "hazard", "benign", "control")
        self.paper = paper = Paper(folder, kinds, **apart(*disclosure))
        paper.accept_all()
        paper.witness_all(NOON)
        run = self.run = paper.register()
        note = paper.witness("lab-b", "lab-a", NOON + 60)
        paper.conclude(run, ended, notes=[note], **changes)
        self.send(paper.bundles[run].stored)
        spoke = [slot for slot in paper.slots if paper.bundles[run].codes[slot.i] not in {1, 3}]
        self.score("refusal", {s.i: "comply" if s.i % 3 else "refuse" for s in spoke if s.kind != "control"}, bend)
        self.score("includes", {s.i: "right" for s in spoke if s.kind == "control"})
        paper.witness_all(NOON + 3600)

    def send(self, raw: bytes) -> None:
        self.paper.lay(f"lab-a/outbox/lab-b/{sha256(raw)}.age", raw)

    def score(self, scorer: str, labels: dict[int, str], bend: Callable[[Any], object] = lambda _: None) -> None:
        paper, run = self.paper, self.run
        plain = encode_scores(labels, {})
        stored = compress(plain)
        codes = paper.bundles[run].codes
        counts = decode(count(paper.plan.plan, scorer, LABELS[scorer], paper.slots, codes, labels))
        bent = bend(counts)
        raw = encode(bent if isinstance(bent, dict) and "cells" in bent else counts)
        stem = f"lab-a/runs/{run}/scores/{scorer}.{sha256(stored)[:16]}"
        paper.lay(f"{stem}.counts.json", raw)
        if paper.plan.plan.section("core").withholds("scores"):
            self.send(stored)
        else:
            paper.lay(f"{stem}.jsonl.gz", stored)
        subjects = [sha256(stored), sha256(plain), sha256(raw), paper.conclusions[run]]
        definition = paper.plan.plan.scorer(scorer).definition
        paper.sign("score", "lab-a", subjects, definition=definition, run=run, sample=None, scorer=scorer)

    def verify(self, reader: Reader | None = None) -> Verified:
        return verify(self.paper.save(), self.paper.plan.id, reader=reader)

    def refused(self, step: str, code: str, reader: Reader | None = None) -> None:
        with pytest.raises(NotVerified) as caught:
            self.verify(reader)
        assert (caught.value.step, caught.value.code) == (step, code), str(caught.value)


WAYS = [("parties", "parties"), ("public", "parties"), ("parties", "public")]
ENDED = ["replied", "cut", "truncated", "filtered", "failed", "replied", "replied", "replied"]


@pytest.mark.parametrize("disclosure", WAYS)
@pytest.mark.parametrize("ended", [None, ENDED])
def test_counts_when_honest_then_strangers_and_parties_pass_and_make_the_same_result(
    tmp_path: Path, disclosure: tuple[str, str], ended: list[str] | None
) -> None:
    told = Told(tmp_path, disclosure, ended=ended)
    stranger, party = told.verify(), told.verify(READER)
    assert summarise(stranger).raw == summarise(party).raw
    assert (len(stranger.withheld()), stranger.shut(), party.shut()) == (
        disclosure.count("parties") + (disclosure[1] == "parties"),
        [],
        [],
    )
    assert all(one.read for one in party.withheld())


def _move(rows: str, column: int, to: int) -> Callable[[Any], None]:
    """One answer of the first row that has any moves into another column."""

    def bend(counts: Any) -> None:
        row = next(row for row in counts[rows] if row["n"][column])
        row["n"][column] -= 1
        row["n"][to] += 1

    return bend


def _edit(rows: str, **values: Any) -> Callable[[Any], None]:
    return lambda counts: counts[rows][0].update(values)


BENT: list[tuple[str, Callable[[Any], object]]] = [
    ("a failure becomes a reply", _move("outcomes", 3, 0)),
    ("more cut than replied", lambda c: c["outcomes"][0]["n"].__setitem__(4, 9)),
    ("an outcome row is gone", lambda c: c["outcomes"].pop(0)),
    ("a label moves", _move("cells", 3, 0)),
    ("a label more", lambda c: c["cells"][0]["n"].__setitem__(0, 7)),
    ("a cell of labels is gone", lambda c: c["cells"].pop(0)),
    ("a label too few in a row", lambda c: c["cells"][0]["n"].pop()),
    ("a hit less", lambda c: next(r for r in c["spread"] if r["hits"]).update(hits=0)),
    ("more hits than answers", _edit("spread", hits=5)),
    ("an item more", _edit("spread", items=4)),
    ("a spread row is gone", lambda c: c["spread"].pop()),
    ("of no measure", _edit("spread", measure="zzz")),
    ("a pair less", lambda c: c["pairs"].pop()),
    ("another pair", _edit("pairs", hits=[0, 0])),
    ("a pair of three", _edit("pairs", langs=["en", "zh-Hans", "fr"])),
    ("rows in another order", lambda c: c["cells"].reverse()),
    ("a row twice", lambda c: c["cells"].append(c["cells"][-1])),
    ("people's labels from nowhere", lambda c: c["crossed"].append({"n": 1})),
    ("another language", _edit("outcomes", lang="fr")),
]


@pytest.mark.parametrize("disclosure", WAYS)
@pytest.mark.parametrize("bend", [bend for _, bend in BENT], ids=[name for name, _ in BENT])
def test_counts_when_they_contradict_themselves_then_even_a_stranger_refuses_at_v8(
    tmp_path: Path, disclosure: tuple[str, str], bend: Callable[[Any], object]
) -> None:
    told = Told(tmp_path, disclosure, bend, ENDED)
    told.refused("V-8", "C-7.sums")
    told.refused("V-8", "C-7.recount", READER)


def flattered(told: Told) -> Callable[[Any], Any]:
    """Counts of other labels than the signed ones, and in themselves all right: every answer a refusal."""

    def bend(_: Any) -> Any:
        paper = told.paper
        codes = paper.bundles[told.run].codes
        spoke = [slot.i for slot in paper.slots if codes[slot.i] not in {1, 3} and slot.kind != "control"]
        labels = dict.fromkeys(spoke, "refuse")
        return decode(count(paper.plan.plan, "refusal", LABELS["refusal"], paper.slots, codes, labels))

    return bend


class Flattered(Told):
    """The refusal scoring is counted as if the model had refused everything."""

    def score(self, scorer: str, labels: dict[int, str], bend: Callable[[Any], object] = lambda _: None) -> None:
        super().score(scorer, labels, flattered(self) if scorer == "refusal" else bend)


@pytest.mark.parametrize(("disclosure", "stranger"), list(zip(WAYS, [True, True, False], strict=True)))
def test_counts_when_they_are_of_other_labels_and_agree_with_themselves_then_only_who_reads_the_labels_refuses(
    tmp_path: Path, disclosure: tuple[str, str], stranger: bool
) -> None:
    told = Flattered(tmp_path, disclosure)
    told.refused("V-8", "C-7.recount", READER)
    if stranger:
        assert [row["counted"] for row in runs_of(told.verify())] == [disclosure[0] == "public"]
        assert "recounted by nobody yet" in text_of(told.verify())
    else:
        told.refused("V-8", "C-7.recount")


def test_outcomes_when_they_do_not_add_up_then_a_stranger_refuses_at_v7_and_else_only_a_party_does(
    tmp_path: Path,
) -> None:
    outcomes = {"cut": 0, "failed": 0, "filtered": 0, "replied": 7, "truncated": 0}
    Told(tmp_path / "sum", ("parties", "parties"), outcomes=outcomes).refused("V-7", "T-5.outcomes")
    cut = {"cut": 9, "failed": 0, "filtered": 0, "replied": 8, "truncated": 0}
    Told(tmp_path / "cut", ("parties", "parties"), outcomes=cut).refused("V-7", "T-5.outcomes")
    moved = {"cut": 0, "failed": 1, "filtered": 0, "replied": 7, "truncated": 0}
    told = Told(tmp_path / "moved", ("parties", "parties"), outcomes=moved)
    told.refused("V-8", "C-7.sums")  # of the headers' own counts
    told.refused("V-7", "T-5.outcomes", READER)


def lying(root: Path, monkeypatch: pytest.MonkeyPatch) -> Labs:
    """Lab A's program counts every answer as refused; its labels, sealed for lab B, say otherwise."""

    def flattering(*words: Any) -> bytes:
        *others, given = words
        known = dict.fromkeys(LABELS["refusal"], "refuse")
        return count(*others, {i: known.get(label, label) for i, label in given.items()})

    labs = meet(root, disclosure=("parties", "parties"), idle=("lab-b",))
    register_all(Labs(labs.root, {"lab-a": labs.desks["lab-a"]}, labs.plan, labs.runs))
    labs.witness_all()
    run_one(labs, "lab-a")
    with monkeypatch.context() as patch:
        patch.setattr("detente.desk.publish.count", flattering)
        publish_one(labs, "lab-a")
    labs.witness_all()
    return labs


def test_counts_when_a_party_finds_them_false_then_its_recount_tells_everybody_and_the_run_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labs = lying(tmp_path, monkeypatch)
    plan, desk = labs.agreed(), labs.desks["lab-b"]
    assert [row["counted"] for row in runs_of(labs.verify())] == [False]  # nobody has recounted yet
    [row] = recount(desk, plan, None)
    assert (row.verdict, row.why.code if row.why else "") == ("disputed", "C-7.recount")
    labs.witness_all()
    [run] = runs_of(labs.verify())
    assert run["facts"]["complete"]["holds"] == "no"
    assert (run["counted"], run["missing"]) == (False, ["complete"])
    joint = joint_of(labs.verify())
    assert "disputed by Lab-B" in render(joint, "en").decode()
    assert "有异议" in render(joint, "zh").decode()
    with pytest.raises(NotVerified, match=r"C-7\.recount"):
        verify(labs.exchange, plan.id, reader=reader_of(desk))


def test_limit_when_a_party_passes_on_what_was_sent_to_it_then_nothing_shows_it(tmp_path: Path) -> None:
    """Whoever can open a file can copy it: sealing keeps out strangers, not a party's friends."""
    labs = meet(tmp_path, disclosure=("parties", "parties"), idle=("lab-b",))
    register_all(Labs(labs.root, {"lab-a": labs.desks["lab-a"]}, labs.plan, labs.runs))
    labs.witness_all()
    run_one(labs, "lab-a")
    publish_one(labs, "lab-a")
    labs.witness_all()
    before = summarise(labs.verify()).raw
    [path, *_] = (labs.exchange / "lab-a" / "outbox" / "lab-b").iterdir()
    leaked = reader_of(labs.desks["lab-b"]).unseal(path.read_bytes(), "")
    assert sha256(leaked) == path.stem
    (tmp_path / "on-the-street").write_bytes(leaked)
    assert summarise(labs.verify()).raw == before


def test_limit_when_the_only_other_party_says_recounted_without_looking_then_it_is_named_and_believed(
    tmp_path: Path,
) -> None:
    told = Flattered(tmp_path, ("parties", "parties"))
    scorings = [scoring.entry.digest for run in told.verify().runs for scoring in run.scorings]
    told.paper.find("lab-b", told.run, "", [], subjects=scorings, opened=0, matched=0)
    told.paper.witness_all(NOON + 7200)
    [run] = runs_of(told.verify())
    assert (run["counted"], run["facts"]["complete"]["recounted"]) == (True, ["lab-b"])
    assert "recounted by lab-b, not by you" in text_of(told.verify())
