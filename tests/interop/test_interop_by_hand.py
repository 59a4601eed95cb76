# SPDX-License-Identifier: Apache-2.0
"""The commands of docs/guides/verify-by-hand.md say of a real exchange what the page says, of a bent one they do not; and our code reads what other programs make."""

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from detente.desk.keys import Desk
from detente.errors import CannotTell, Malformed, NotVerified
from detente.pact.seal import new_identity, seal, unseal
from detente.wire.canonical import encode
from detente.wire.digests import sha256
from detente.wire.dsse import open_envelope, seal_envelope
from detente.wire.keys import SigningKey
from detente.wire.lines import decompress
from detente.wire.times import encode_time
from kit.labs import Labs, audit_all

TOP = Path(__file__).resolve().parents[2]
PAGE = TOP / "docs" / "guides" / "verify-by-hand.md"
TWIN = TOP / "docs" / "zh" / "guides" / "verify-by-hand.md"
GOPATH = Path("/usr/share/gocode")
SECTION = re.compile(r"^## (\d+)\. ", re.MULTILINE)
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "== section "
# What stands before a raw Ed25519 key in the wrappers that openssl reads (RFC 8410).
PUBLIC_HEAD, PRIVATE_HEAD = bytes.fromhex("302a300506032b6570032100"), bytes.fromhex("302e020100300506032b657004220420")


def missing(*programs: str) -> bool:
    found = all(shutil.which(program) for program in programs if program != "x/mod")
    return not (found and ("go" not in programs or (GOPATH / "src/golang.org/x/mod/sumdb/note").is_dir()))


needs_openssl = pytest.mark.skipif(missing("openssl"), reason="openssl is not installed")
needs_age = pytest.mark.skipif(missing("age"), reason="age is not installed")
needs_all = pytest.mark.skipif(
    missing("openssl", "age", "sha256sum", "gunzip", "go"), reason="openssl, age, coreutils or go is not installed"
)


# --- the page ----------------------------------------------------------------------------------


def blocks(page: Path) -> list[tuple[int, str]]:
    """The shell blocks of the page, each with the number of its section."""
    text = page.read_text("utf-8")
    begins = [(found.start(), int(found[1])) for found in SECTION.finditer(text)]
    return [
        (max(n for at, n in begins if at < block.start()), block[1])
        for block in BLOCK.finditer(text)
        if begins[0][0] < block.start()
    ]


class Walked(NamedTuple):
    """What the commands wrote: stdout by section, and stderr of all."""

    said: dict[int, str]
    grumbled: str


def walk(root: Path, labs: Labs, sections: set[int]) -> Walked:
    """Run the page's commands from the top of a clone whose ``demo/exchange`` is ``root``'s."""
    script = "".join(f"echo '{MARK}{n}'\n{text}" for n, text in blocks(PAGE) if n in sections)
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "GOCACHE") if name in os.environ}
    environ |= {
        "TMPDIR": str(root),
        "PLAN": labs.agreed().id,
        "AGE_KEY": str(labs.desks["lab-b"].root.resolve() / "keys" / "recipient.key"),
    }
    done = subprocess.run(["bash"], input=script, cwd=root, env=environ, capture_output=True, text=True, check=False)
    said: dict[int, str] = {}
    here = 0
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            here = int(line.removeprefix(MARK))
            said.setdefault(here, "")
        else:
            said[here] += line + "\n"
    return Walked(said, done.stderr)


def clone(root: Path, labs: Labs) -> Path:
    """A top of a clone as the demo leaves it; the exchange in it."""
    (root / "tests" / "interop").mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("read_log.go"), root / "tests" / "interop")
    shutil.copytree(labs.exchange, root / "demo" / "exchange")
    return root / "demo" / "exchange"


@pytest.fixture(scope="module")
def walked(stories, tmp_path_factory: pytest.TempPathFactory) -> Walked:
    """The whole page on the honest, closed exchange, once."""
    root = tmp_path_factory.mktemp("honest")
    before = clone(root, stories.at("closed"))
    files = {path: path.read_bytes() for path in before.rglob("*") if path.is_file()}
    done = walk(root, stories.at("closed"), set(range(1, 11)))
    assert files == {path: path.read_bytes() for path in before.rglob("*") if path.is_file()}, "the page wrote into it"
    return done


def test_page_in_chinese_has_the_same_commands() -> None:
    assert blocks(PAGE) == blocks(TWIN)
    assert [n for n, _ in blocks(PAGE)] == sorted(n for n, _ in blocks(PAGE))
    assert {n for n, _ in blocks(PAGE)} == set(range(1, 11))


@needs_all
def test_by_hand_when_the_exchange_is_honest_then_nothing_grumbles(walked: Walked) -> None:
    assert walked.grumbled == ""
    assert "BAD" not in "".join(walked.said.values())
    assert "NOT SIGNED" not in "".join(walked.said.values())


@needs_all
def test_by_hand_plan_keys_and_heads_are_those_of_the_labs(walked: Walked, stories) -> None:
    labs = stories.at("closed")
    assert walked.said[1].splitlines() == ["plan id holds", "both parties show the same plan"]
    for name, desk in labs.desks.items():
        party = desk.me(labs.agreed())
        for shown in (party.home, party.statement, party.log.key, party.log.origin, party.witness.key):
            assert re.search(rf"^{name} .*{re.escape(shown)}", walked.said[2], re.MULTILINE), shown
        assert f"{name}: log of 9 entries, signature holds" in walked.said[4]
    seen = re.findall(
        r"^(lab-.) at size (\d+): seen by (lab-.) at (\S+Z), file [0-9a-f]{16}$", walked.said[4], re.MULTILINE
    )
    assert [(who, by, size) for who, size, by, _ in seen] == [
        (who, by, size) for who, by in (("lab-a", "lab-b"), ("lab-b", "lab-a")) for size in "25678"
    ]
    ours = {row.at for history in labs.verify().histories.values() for row in history.seen}
    assert {when for *_, when in seen} == {encode_time(at) for at in ours}


@needs_all
def test_by_hand_go_finds_the_roots_that_the_heads_sign(walked: Walked, stories) -> None:
    histories = stories.at("closed").verify().histories
    assert walked.said[5].splitlines() == [
        f"{name}: root {histories[name].view.root}, signed: {histories[name].view.root}" for name in ("lab-a", "lab-b")
    ]


@needs_all
def test_by_hand_statements_and_runs_are_those_of_the_logs(walked: Walked, stories) -> None:
    labs = stories.at("closed")
    story = ["accept", "register", "conclude", "score", "score", "challenge", "open", "audit", "close"]
    assert walked.said[6].splitlines() == [
        *(
            f"{name} {i} {sha256(entry)} {story[i]}/v1"
            for name in ("lab-a", "lab-b")
            for i, entry in enumerate(labs.verify().histories[name].view.entries)
        ),
        *(f"run {labs.runs[name].id} of {name} is registered" for name in ("lab-a", "lab-b")),
        "2",
    ]


@needs_all
def test_by_hand_answers_and_scores_are_as_signed(walked: Walked, stories) -> None:
    labs = stories.at("closed")
    lines = walked.said[7].splitlines()
    assert lines[:3] == ["stored bytes as concluded", "plain bytes as concluded", "complete: 26 of 26"]
    assert lines[3].split() == ["26", '"outcome":"replied"']
    assert lines[4:6] == [
        '"outcomes":{"cut":0,"failed":0,"filtered":0,"replied":26,"truncated":0}',
        "root as concluded",
    ]
    [note] = labs.verify().runs[0].conclude.start.notes
    assert [line.split()[0] for line in lines[6:]] == [note]
    run = labs.verify().runs[0]
    for scoring in run.scorings:
        name, labels = scoring.score.scorer, list(scoring.labels.values())
        assert re.search(rf"/{name}\.[0-9a-f]{{16}}\.jsonl\.gz: {len(labels)} labels$", walked.said[8], re.MULTILINE)
        for label in set(labels):
            assert re.search(rf'^ *{labels.count(label)} "label":"{label}"$', walked.said[8], re.MULTILINE)


@needs_all
def test_by_hand_opened_records_are_those_that_were_drawn(walked: Walked, stories) -> None:
    labs = stories.at("closed")
    lines = walked.said[9].splitlines()
    assert lines[0] == "nonce as committed at registration"
    drawn = lines[1].removeprefix("drawn, in this order: ").split()
    assert lines[2:4] == ["opening as logged", "opened what was drawn"]
    records = lines[4:]
    assert [line for line in records if "False" in line] == []
    assert [line.split()[0] for line in records[::2]] == drawn[:5]
    assert all(line.endswith("header as published: True | body as committed: True") for line in records[::2])
    journal = (labs.runs["lab-a"].journal_path() / "bodies.jsonl").read_text("utf-8")
    said = {row["i"]: row["output"] for row in map(json.loads, journal.splitlines())}
    assert [line.strip() for line in records[1::2]] == [said[int(i)] for i in drawn[:5]]


@needs_all
def test_by_hand_result_is_the_one_that_both_closed_with(walked: Walked, stories) -> None:
    digest = stories.at("closed").verify().final
    for name in ("lab-a", "lab-b"):
        assert f"{name}/results/{digest}.json is named rightly" in walked.said[10]
        assert f"{name} closed with this result" in walked.said[10]


# --- the page on a bent exchange -----------------------------------------------------------------


def flip(path: Path, at: int) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])


def one(exchange: Path, pattern: str) -> Path:
    return min(exchange.glob(pattern))


def repack(path: Path, old: bytes, new: bytes) -> None:
    plain = decompress(path.read_bytes(), 1 << 20, "")
    assert old in plain
    path.write_bytes(gzip.compress(plain.replace(old, new, 1), mtime=0))


def change_plan(exchange: Path) -> None:
    flip(one(exchange, "lab-b/plans/*/plan.json"), 400)


def change_checkpoint(exchange: Path) -> None:
    flip(exchange / "lab-a" / "log" / "checkpoint", 45)


def change_note(exchange: Path) -> None:
    flip(one(exchange, "lab-b/mirror/*/notes/*2"), 45)


def change_statement(exchange: Path) -> None:
    flip(one(exchange, "lab-a/log/tile/entries/000.p/9"), 60)


def change_answer(exchange: Path) -> None:
    repack(one(exchange, "lab-a/runs/*/headers.jsonl.gz"), b'"outcome":"replied"', b'"outcome":"filtered"')


def change_label(exchange: Path) -> None:
    repack(one(exchange, "lab-a/runs/*/scores/refusal.*.gz"), b'"comply"', b'"refuse"')


def change_opening(exchange: Path) -> None:
    flip(one(exchange, "lab-a/outbox/lab-b/*.age"), 400)


def change_result(exchange: Path) -> None:
    flip(one(exchange, "lab-a/results/*.json"), 400)


class Bent(NamedTuple):
    """A change, the section that must notice it, what it no longer says, and what it says in its place."""

    change: Callable[[Path], None]
    section: int
    gone: tuple[str, ...]
    shown: str = ""


BENT = [
    Bent(change_plan, 1, ("both parties show the same plan",)),
    Bent(change_checkpoint, 4, ("lab-a: log of",)),
    Bent(change_note, 4, ("lab-a at size",)),
    Bent(change_statement, 6, ("lab-a 0 ",), "lab-a 0: BAD SIGNATURE"),
    Bent(change_answer, 7, ("stored bytes as concluded", "plain bytes as concluded", "root as concluded")),
    Bent(change_label, 8, (), "NOT SIGNED: "),
    Bent(change_opening, 9, ("opening as logged",)),
    Bent(change_result, 10, ("lab-a/results/",)),
]


@needs_all
@pytest.mark.parametrize("bent", BENT, ids=lambda bent: bent.change.__name__)
def test_by_hand_when_something_was_changed_then_its_step_no_longer_says_so(
    stories, tmp_path: Path, bent: Bent
) -> None:
    labs = stories.at("closed")
    exchange = clone(tmp_path, labs)
    bent.change(exchange)
    needed = {4: {1, 2, 3, 4}, 1: {1}, 6: {1, 2, 3, 6}}.get(bent.section, {1, 2, 3, 6, 7, bent.section})
    said = walk(tmp_path, labs, needed).said[bent.section]
    assert [phrase for phrase in bent.gone if phrase in said] == []
    assert bent.shown in said
    with pytest.raises(NotVerified):
        labs.verify(exchange)


@needs_all
def test_by_hand_when_a_checkpoint_was_changed_then_go_refuses_it_as_we_do(stories, tmp_path: Path) -> None:
    labs = stories.at("closed")
    change_checkpoint(clone(tmp_path, labs))
    done = walk(tmp_path, labs, {1, 2, 5})
    assert done.said[5] == ""
    assert "invalid signature" in done.grumbled


# --- the other direction: what other programs make, we read -------------------------------------


class OpensslSigner:
    """A Signer (wire/keys.py) that has openssl make its signatures, as a key in a device would be used."""

    def __init__(self, seed: bytes, folder: Path) -> None:
        self._key, self._message = folder / "key.der", folder / "message"
        self._key.write_bytes(PRIVATE_HEAD + seed)
        self._options = ("-keyform", "DER", "-inkey", str(self._key))
        wrapped = openssl("pkey", "-inform", "DER", "-in", str(self._key), "-pubout", "-outform", "DER")
        assert wrapped[: len(PUBLIC_HEAD)] == PUBLIC_HEAD
        self.public = wrapped[len(PUBLIC_HEAD) :].hex()

    def sign(self, message: bytes) -> bytes:
        self._message.write_bytes(message)
        return openssl("pkeyutl", "-sign", *self._options, "-rawin", "-in", str(self._message))


def openssl(*words: str) -> bytes:
    return subprocess.run(["openssl", *words], capture_output=True, check=True).stdout


def age(*words: str, given: bytes) -> bytes:
    return subprocess.run(["age", *words], input=given, capture_output=True, check=True).stdout


@needs_openssl
def test_openssl_when_it_signs_an_envelope_then_it_is_the_one_that_we_make(tmp_path: Path) -> None:
    """The envelope is built from the specification's words alone: nothing of ours but the payload's spelling."""
    seed = bytes(range(32))
    signer = OpensslSigner(seed, tmp_path)
    payload = encode({"_type": "https://in-toto.io/Statement/v1", "subject": []})
    kind = b"application/vnd.in-toto+json"
    signature = signer.sign(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
    parts = (base64.b64encode(payload), kind, base64.b64encode(signature))
    entry = b'{"payload":"%s","payloadType":"%s","signatures":[{"sig":"%s"}]}' % parts
    assert open_envelope(entry, signer.public) == payload
    assert seal_envelope(payload, SigningKey(seed)) == entry
    other = base64.b64encode(payload.replace(b"Statement", b"statement"))
    with pytest.raises(NotVerified, match=r"T-1\.signature"):
        open_envelope(entry.replace(base64.b64encode(payload), other), signer.public)


@needs_age
def test_age_when_it_seals_for_a_recipient_of_ours_then_we_open_it_and_the_other_way_round(tmp_path: Path) -> None:
    identity = new_identity()
    (tmp_path / "key").write_text(identity.secret, "ascii")
    plain = "一条记录\n".encode() * 20_000  # more than one of age's 64 KiB chunks
    sealed = age("-r", identity.recipient, given=plain)
    assert unseal(sealed, identity.secret, "x.age") == plain
    assert age("-d", "-i", str(tmp_path / "key"), given=seal(plain, identity.recipient)) == plain
    with pytest.raises(CannotTell, match=r"A-5\.sealed"):
        unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), identity.secret, "x.age")


@needs_openssl
@needs_age
def test_audit_when_openssl_signs_and_age_seals_then_the_exchange_verifies(
    stories, tmp_path: Path, monkeypatch
) -> None:
    """Both desks use the two programs for everything that an audit signs, logs, cosigns and sends."""
    labs = stories.at("published").moved(tmp_path / "labs")

    def signer(desk: Desk, role: str, _public: str | None = None) -> OpensslSigner:
        folder = tmp_path / desk.party / role
        folder.mkdir(parents=True, exist_ok=True)
        return OpensslSigner(bytes.fromhex(desk.folder("keys").read(f"{role}.key").decode().strip()), folder)

    monkeypatch.setattr(Desk, "signer", signer)
    monkeypatch.setattr("detente.desk.audits.seal", lambda plain, to: age("-r", to, given=plain))
    audit_all(labs)
    rows = labs.verify().numbers().result["runs"]
    assert [row["facts"]["checked"]["audits"][0]["state"] for row in rows] == ["consistent", "consistent"]
    assert labs.verify().ledger.violations == []


@pytest.mark.skipif(missing("gzip"), reason="gzip is not installed")
def test_gzip_when_it_packs_without_a_name_then_we_read_it_and_otherwise_not(tmp_path: Path) -> None:
    plain = b'{"i":0,"label":"refuse"}\n' * 50
    (tmp_path / "lines").write_bytes(plain)

    def packed(*words: str) -> bytes:
        return subprocess.run(["gzip", "-c", *words, str(tmp_path / "lines")], capture_output=True, check=True).stdout

    assert decompress(packed("-n"), 4096, "x.gz") == plain
    for words in ((), ("-n", "-9"), ("-n", "-1")):
        with pytest.raises(Malformed, match=r"B-8\.bits"):
            decompress(packed(*words), 4096, "x.gz")
