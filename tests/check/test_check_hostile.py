# SPDX-License-Identifier: Apache-2.0
"""A dishonest lab holds its keys and signs or lays what it likes: whoever reads it gets an answer, never a crash."""

import copy
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from detente.check.runs import scores_path
from detente.check.tally import without_limits
from detente.errors import CannotTell, DetenteError, Malformed, NotVerified
from detente.evidence.counts import encode_scores
from detente.report.result import joint_of, summarise
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from detente.wire.lines import compress
from kit.paper import LABELS, NOON, Paper, definition

STRAY = "0" * 64


def refused(paper: Paper) -> tuple[str, str]:
    with pytest.raises(NotVerified) as caught:
        paper.verify()
    return caught.value.step, caught.value.code


# --- any payload -------------------------------------------------------------------------------------

POOL: list[Any] = [
    None, True, False, 0, 1, -1, 2**53 - 1, -(2**53 - 1), "", "x", "core", "lab-b", "refusal", "completed", "aborted", "external",
    STRAY, "f" * 64, "0" * 64 + "\n", "../" * 5 + "etc/passwd", "\u0000", "\u202e", "a" * 3000, "2026-11-13T09:00:00Z",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-02-30T00:00:00Z", [], {}, [[]], [None], ["x"], {"x": 1}, [STRAY, STRAY],
    {"notes": [], "releases": []}, [{"auditor": "lab-b", "commit": STRAY}], [{"agreed": 0, "n": 0, "parsed": 0, "scorer": "refusal"}],
]  # fmt: skip


def paths_of(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    rows = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(deeper for key, value in rows for deeper in paths_of(value, (*path, key)))]


def twisted(payload: Any, draw: random.Random, digests: list[str]) -> Any:
    """A payload with a part replaced, by anything or by one of ``digests``, or doubled, dropped or given a member more."""
    payload = copy.deepcopy(payload)
    for _ in range(draw.choice([1, 1, 1, 2])):
        path = draw.choice(paths_of(payload)[1:])
        node = payload
        for part in path[:-1]:
            node = node[part]
        how, last = draw.choice(["put", "put", "put", "drop", "double", "grow"]), path[-1]
        if how == "put":
            node[last] = draw.choice(digests if digests and draw.random() < 0.3 else POOL)
        elif how == "drop":
            node.pop(last)
        elif how == "double" and isinstance(node, list):
            node.append(node[last])
        elif isinstance(node[last], int) and not isinstance(node[last], bool):
            node[last] += draw.choice([-1, 1])
        elif isinstance(node, dict):
            node["more"] = draw.choice(POOL)
    return payload


def trouble(do: Callable[[], object]) -> DetenteError | None:
    """The error that ``do`` ends in; anything but one of ours is a bug and goes on."""
    try:
        do()
    except DetenteError as error:
        return error
    return None


def step_of(error: DetenteError) -> str:
    """The step that an error names: only what contradicts itself or is missing can come out of verify."""
    assert isinstance(error, NotVerified | CannotTell), error
    return str(error.step if isinstance(error, NotVerified) else error.fields["step"])


class Twisting(Paper):
    """A paper exchange in which the n-th statement is twisted before it is signed; the story goes on over what was signed."""

    def __init__(self, folder: Path, at: int, seed: int) -> None:
        self.at, self.said, self.random = at, 0, random.Random(seed)
        super().__init__(folder)

    def sign_payload(self, lab: str, payload: object) -> str:
        self.said += 1
        if self.said == self.at:
            payload = twisted(
                payload, self.random, [sha256(entry) for one in self.labs.values() for entry in one.entries]
            )
        return super().sign_payload(lab, payload)


def story(paper: Paper) -> None:
    """Everything there is: accept, register, conclude, score, challenge, open, find, close."""
    run = paper.played()
    asked_for = [paper.conclusions[run], *(sha256(entry) for entry in paper.labs["lab-a"].entries[-2:])]
    challenge = paper.challenge("lab-b", run, asked_for)
    paper.witness_all(NOON + 7200)
    opening = paper.open(run, "lab-b", challenge)
    paper.find("lab-b", run, opening, [{"agreed": 2, "n": 2, "parsed": 2, "scorer": "refusal"}])
    paper.witness_all(NOON + 9000)
    verified = paper.verify()
    for lab in paper.labs:
        paper.close(lab, verified)


@given(st.integers(1, 11), st.integers(0, 10**6))
@example(3, 0)
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
def test_verify_when_a_lab_signs_any_json_then_it_verifies_or_says_why_not(at: int, seed: int) -> None:
    """A dishonest lab holds its keys and signs what it likes; whoever reads it gets an answer, never a crash."""
    with tempfile.TemporaryDirectory() as folder:
        paper = Twisting(Path(folder), at, seed)
        error = trouble(lambda: [story(paper), joint_of(paper.verify())])
    if isinstance(error, Malformed):
        # Canonical bytes are the least that an envelope needs: this lab could not even sign.
        assert error.code.startswith("B-"), error
    elif error:
        assert step_of(error).startswith("V-"), error


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
def test_verify_when_a_lab_closes_with_any_result_then_v11_refuses_or_cannot_tell(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paper = Paper(Path(folder))
        paper.played()
        verified = paper.verify()
        honest = decode(summarise(verified).raw)
        result = twisted(honest, random.Random(seed), [])
        if trouble(lambda: encode(result)):
            return  # nothing that can be a file
        paper.close("lab-b", verified, lambda _: result)
        error = trouble(paper.verify)
    if error:
        assert step_of(error) == "V-11"
    else:
        # Only limits can differ unseen here, and the report makes those again.
        emptied = [without_limits(value, "r") for value in (honest, result)]
        assert emptied[0] == emptied[1]


def test_story_when_nothing_is_twisted_then_it_verifies(tmp_path: Path) -> None:
    paper = Paper(tmp_path)
    story(paper)
    verified = paper.verify()
    assert verified.ledger.violations == []
    assert verified.not_part == []
    assert joint_of(verified).final


# --- any file ------------------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.sampled_from(["headers", "scores", "counts"]))
@example(b"\n", "headers")
@example(b"{}\n", "scores")
@example(b"{}", "counts")
@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
def test_verify_when_a_lab_lays_any_bytes_then_it_says_why_not(raw: bytes, what: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paper = Paper(Path(folder))
        paper.accept_all()
        run = paper.register()
        packed = compress(raw)
        if what == "headers":
            paper.conclude(run, subjects=[sha256(packed), sha256(raw)])
            paper.lay(f"lab-a/runs/{run}/headers.jsonl.gz", packed)
        else:
            paper.conclude(run)
            plain = encode_scores({slot.i: "comply" for slot in paper.slots if slot.kind != "control"}, {})
            good = compress(plain)
            stored, text, counts = (packed, raw, b"{}") if what == "scores" else (good, plain, raw)
            stem = f"lab-a/runs/{run}/{scores_path('refusal', sha256(stored))}"
            paper.lay(f"{stem}.jsonl.gz", stored)
            paper.lay(f"{stem}.counts.json", counts)
            subjects = [sha256(stored), sha256(text), sha256(counts), paper.conclusions[run]]
            says = {"definition": sha256(definition("refusal")), "run": run, "sample": None, "scorer": "refusal"}
            paper.sign("score", "lab-a", subjects, **says)
        assert refused(paper)[0] == ("V-7" if what == "headers" else "V-8")


def test_labels_of_the_kit_are_those_that_it_signs() -> None:
    assert decode(definition("refusal"))["labels"] == LABELS["refusal"]
