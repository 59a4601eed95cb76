# SPDX-License-Identifier: Apache-2.0
"""The verifier of examples/second_verifier, written from the format pages, says of honest, bent, changed and cut exchanges what ours says.

Here it is run as people run it, over files that are changed, cut or gone, and over the vectors. The stories and the
attacks show it every exchange that they show to ours: ``tests/conftest.py``, ``tests/kit/second.py``.
"""

import base64
import json
import random
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from detente.check.lone import verify_lone
from detente.check.verify import verify
from detente.desk.keys import log_entry, own_log
from detente.desk.lies import drop_run, edit_score, swap_item, two_histories
from detente.desk.lone import laid_open, pack_lone
from detente.desk.packing import pack
from detente.desk.sent import reader_of
from detente.errors import CannotTell, NotVerified
from detente.pact.plan import Section
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from kit.browser import CHROMIUM, Browser
from kit.labs import Labs, close_all, meet, publish_one, register_all, release_all, run_one
from kit.second import NODE, SECOND

HERE = Path(__file__).resolve().parent
MOST_LINES = 1797
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


def ours(exchange: Path, plan: str) -> tuple[int, str | None]:
    """Exit code and, of a lie, the step."""
    try:
        verified = verify(exchange, plan)
    except NotVerified as error:
        return 3, error.step
    except CannotTell:
        return 4, None
    return (4 if verified.plan.plan.quorum and verified.unanchored() else 0), None


def theirs(given: Path, plan: str) -> tuple[int, str | None, str]:
    """The same of the second verifier, and what it printed."""
    done = subprocess.run(
        [str(NODE), str(SECOND / "verify.mjs"), str(given), plan], capture_output=True, check=False, encoding="utf-8"
    )
    assert not done.stderr
    refused = re.search(r"^(V-\d+) NOT VERIFIED: rule \S+, ", done.stdout, re.MULTILINE)
    return done.returncode, refused[1] if refused else None, done.stdout


def assert_both(exchange: Path, plan: str, expected: tuple[int, str | None]) -> None:
    assert ours(exchange, plan) == expected
    assert theirs(exchange, plan)[:2] == expected


# --- its size ------------------------------------------------------------------------------------


def test_second_verifier_when_its_lines_are_counted_then_they_are_few_and_it_loads_nothing():
    sources = [*SECOND.glob("*.js"), *SECOND.glob("*.mjs")]
    lines = [line for path in sources for line in path.read_text("utf-8").splitlines()]
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("//")]
    assert 1000 < len(code) <= MOST_LINES
    assert max(map(len, lines)) <= 160
    imported = re.findall(r"""(?:from|import|require\()\s*["']([^"']+)""", "\n".join(lines))
    assert imported
    assert all(name.startswith("node:") for name in imported)


# --- in Node -------------------------------------------------------------------------------------


@needs_node
@pytest.mark.parametrize("stage", ["signed", "registered", "published", "audited", "closed"])
def test_second_verifier_when_everybody_is_honest_then_every_step_holds(stories, stage):
    labs = stories.at(stage)
    plan = labs.agreed().id
    code, _, said = theirs(labs.exchange, plan)
    assert (code, None) == ours(labs.exchange, plan)
    assert code == (4 if stage == "signed" else 0)
    assert ("UNANCHORED" in said) == (stage == "signed")  # nobody has cosigned anything yet (L-3)
    assert re.findall(r"^(V-\d+) holds", said, re.MULTILINE) == [f"V-{n}" for n in range(1, 12)]
    assert ("not checked here: limits of intervals" in said) == (code == 0)


@needs_node
def test_second_verifier_when_five_labs_test_then_every_step_holds(stories):
    labs = stories.at("published", 5)
    assert_both(labs.exchange, labs.agreed().id, (0, None))


@needs_node
def test_second_verifier_when_runs_wait_for_releases_then_every_step_holds_and_none_may_be_lost(tmp_path):
    labs = meet(tmp_path, releasers='["lab-a", "lab-b"]')
    register_all(labs)
    release_all(labs)
    labs.witness_all()
    for name in labs.desks:
        run_one(labs, name)
        publish_one(labs, name)
    labs.witness_all()
    close_all(labs)
    plan = labs.agreed().id
    assert_both(labs.exchange, plan, (0, None))
    assert verify(labs.exchange, plan).final
    for note in labs.exchange.glob("lab-b/mirror/*/notes/*"):
        if note.name == f"{labs.runs['lab-a'].index + 1:020d}":
            note.unlink()
    assert_both(labs.exchange, plan, (4, None))


@needs_node
@pytest.mark.parametrize(
    ("lie", "step"),
    [
        (lambda copy, labs: edit_score(copy, labs.desks["lab-b"], labs.runs["lab-b"]), "V-8"),
        (lambda copy, labs: drop_run(copy, labs.desks["lab-b"], labs.runs["lab-b"], labs.agreed()), "V-2"),
        (lambda copy, labs: swap_item(copy, labs.desks["lab-b"], labs.runs["lab-b"]), "V-7"),
        (lambda copy, labs: two_histories(copy, labs.desks["lab-b"], labs.agreed()), "V-2"),
    ],
    ids=["edited score", "dropped run", "swapped item", "two histories"],
)
def test_second_verifier_when_a_lie_of_the_demo_is_told_then_it_names_the_same_step(stories, tmp_path, lie, step):
    labs = stories.at("closed")
    copy = shutil.copytree(labs.exchange, tmp_path / "exchange")
    lie(copy, labs)
    assert_both(copy, labs.agreed().id, (3, step))


@needs_node
def test_second_verifier_when_no_plan_or_another_one_is_named_then_it_cannot_tell(stories):
    labs = stories.at("closed")
    assert theirs(labs.exchange, "")[0] == 4
    assert theirs(labs.exchange, "00" * 32)[0] == 4


@needs_node
@pytest.mark.parametrize("what", ["link", "name"])
def test_second_verifier_when_something_odd_lies_in_the_exchange_then_both_refuse_it(stories, tmp_path, what):
    labs = stories.at("signed")
    copy = shutil.copytree(labs.exchange, tmp_path / "exchange")
    if what == "link":
        (copy / "lab-a" / "there").symlink_to("/")
    else:
        (copy / "lab-a" / "a:b").write_bytes(b"x")
    assert_both(copy, labs.agreed().id, (3, "V-2"))


@needs_node
def test_second_verifier_when_a_signature_is_bent_then_the_entry_is_no_statement(stories, tmp_path):
    labs = stories.at("registered").moved(tmp_path)
    envelope = decode(own_log(labs.desks["lab-b"], labs.agreed()).entries[1])
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    bent = base64.b64encode(bytes([signature[0] ^ 1]) + signature[1:]).decode()
    log_entry(labs.desks["lab-b"], labs.agreed(), encode({**envelope, "signatures": [{"sig": bent}]}))
    labs.witness_all()
    assert [row.code for row in labs.verify().ledger.violations] == ["T-1.signature"]
    code, _, said = theirs(labs.exchange, labs.agreed().id)
    assert code == 0
    assert "V-3 holds: 4 statements of this plan, 1 other entries" in said
    assert "listed: lab-b 2, T-1.signature" in said


@needs_node
def test_second_verifier_when_a_mirror_holds_another_head_of_a_log_then_it_is_a_fork(stories, tmp_path):
    labs = stories.at("closed")
    plan = labs.agreed()
    bent, copy = (shutil.copytree(labs.exchange, tmp_path / name / "exchange") for name in ("bent", "copy"))
    two_histories(bent, labs.desks["lab-b"], plan)
    other = (bent / "lab-b" / "log" / "checkpoint").read_bytes()
    origin = next(party.log.origin for party in plan.plan.parties if party.id == "lab-b")
    folder = copy / "lab-a" / "mirror" / sha256(origin.encode()) / "fork"
    folder.mkdir()
    for note in (other, (copy / "lab-b" / "log" / "checkpoint").read_bytes()):
        (folder / sha256(note)).write_bytes(note)
    assert_both(copy, plan.id, (3, "V-2"))


# --- what is for the parties alone --------------------------------------------------------------------

APART = [("parties", "parties"), ("public", "parties"), ("parties", "public")]  # headers, scores


@pytest.fixture(scope="module")
def apart(tmp_path_factory) -> dict[tuple[str, str], Labs]:
    """Two labs that publish under each kind of plan, one run a lab."""
    made = {}
    for disclosure in APART:
        labs = made[disclosure] = meet(tmp_path_factory.mktemp("-".join(disclosure)), disclosure=disclosure)
        register_all(labs)
        labs.witness_all()
        for name in labs.desks:
            run_one(labs, name)
            publish_one(labs, name)
        labs.witness_all()
    return made


@needs_node
@pytest.mark.parametrize("disclosure", APART)
def test_second_verifier_when_files_are_for_the_parties_alone_then_it_names_each_and_for_whom_it_lies_here(
    apart, tmp_path, disclosure
):
    labs = apart[disclosure].moved(tmp_path)
    plan, count = labs.agreed().id, 2 * (disclosure[0] == "parties") + 4 * (disclosure[1] == "parties")
    code, _, said = theirs(labs.exchange, plan)
    assert (code, None) == ours(labs.exchange, plan) == (0, None)
    told = re.findall(r"^withheld from this reader: (?:headers|scores) lab-\S+, sent to lab-[ab]$", said, re.MULTILINE)
    assert len(told) == count
    for path in (labs.exchange / "lab-a" / "outbox" / "lab-b").iterdir():
        path.unlink()
    assert theirs(labs.exchange, plan)[2].count("sent to nobody yet") == count / 2


@needs_node
def test_second_verifier_when_a_run_with_withheld_files_is_alone_then_labels_may_lack_and_headers_may_not(
    apart, tmp_path, monkeypatch
):
    labs, archive = apart["public", "parties"], tmp_path / "labels.zip"
    pack_lone(labs.verify(), labs.runs["lab-a"].id, archive)
    code, _, said = theirs(archive, labs.agreed().id)
    assert code == 0
    assert "V-8 holds: 2 scorings, whose labels are withheld (P-5)" in said
    labs, archive = apart["parties", "public"].moved(tmp_path), tmp_path / "headers.zip"
    plan, run = labs.agreed().id, labs.runs["lab-a"]
    (labs.exchange / "lab-a" / "runs" / run.id / "headers.jsonl.gz").write_bytes(run.out().read("headers.jsonl.gz"))
    with monkeypatch.context() as patch:  # as `detente pack` would not make it
        verified = verify(labs.exchange, plan, reader=reader_of(labs.desks["lab-a"]))
        patch.setattr(Section, "withholds", lambda *_: False)
        pack_lone(verified, run.id, archive)
    with laid_open(archive) as folder, pytest.raises(CannotTell, match="lone-withheld"):
        verify_lone(folder, plan)
    code, _, said = theirs(archive, plan)
    assert code == 4
    assert "V-7 CANNOT TELL: rule F-12, the headers are withheld (P-5)" in said


# --- any file, changed, cut, gone ------------------------------------------------------------------


def one_of_each_kind(labs: Labs) -> list[str]:
    """A file of every kind that is part of an exchange."""
    exchange, found = labs.exchange, {}
    unread = set(labs.verify().not_part)
    for path in sorted(str(path.relative_to(exchange)) for path in exchange.rglob("*") if path.is_file()):
        kind = re.sub(r"[0-9a-f]{16,}", "#", path.partition("/")[2])
        if path not in unread and not path.endswith(".gitattributes"):
            found[re.sub(r"000\.p/\d+", "newest", kind)] = path  # of a log's tiles the newest is the last in order
    return list(found.values())


def changes(path: str, raw: bytes, draw: random.Random) -> list[bytes | None]:
    """The file gone, cut in four places, and with one bit changed in three."""
    cut = [raw[:keep] for keep in (0, len(raw) // 3, len(raw) // 2, len(raw) - 1)]
    # Of JSON a changed bracket may read as a cut: letters and digits alone are drawn there.
    is_text = "/tile/" not in path and not path.endswith((".gz", ".age"))
    places = [at for at in range(len(raw)) if not is_text or chr(raw[at]).isalnum()]
    places = draw.sample(places, 4) + ([0] if "/tile/entries/" in path else [])  # a length in front of an entry
    if path.endswith(".gz"):
        places.append(10)  # bit 0 there says that this part is the last: without it the stream goes on into its trailer
    changed = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in places]
    return [None, *cut, *changed]


@needs_node
@pytest.mark.parametrize("disclosure", [None, *APART])
def test_second_verifier_when_a_file_is_changed_cut_or_gone_then_it_says_what_ours_says(
    stories, apart, second, tmp_path, disclosure
):
    labs = apart[disclosure].moved(tmp_path) if disclosure else stories.at("closed")
    copy, plan, draw = labs.copy("second"), labs.agreed().id, random.Random(2026)
    cases = [
        (path, case) for path in one_of_each_kind(labs) for case in changes(path, (copy / path).read_bytes(), draw)
    ]
    assert len(cases) > 100
    wrong, codes = [], []
    for path, raw in cases:
        answer = second.ask(copy, plan, {path: None if raw is None else base64.b64encode(raw).decode()})
        before = (copy / path).read_bytes()
        (copy / path).unlink() if raw is None else (copy / path).write_bytes(raw)
        expected = ours(copy, plan)
        (copy / path).write_bytes(before)
        codes.append(expected[0])
        if expected != (answer.exit, answer.step if answer.exit == 3 else None):
            wrong.append(
                f"{path}, {'gone' if raw is None else len(raw)} of {len(before)}: {expected}, second: {answer}"
            )
    assert not wrong, "\n".join(wrong)
    assert {3, 4} <= set(codes)


# --- the vectors ---------------------------------------------------------------------------------------

VECTORS = HERE.parent / "vectors"
ENDS = {"ok": 0, "malformed": 3, "not-verified": 3, "cannot-tell": 4}
# The groups that are about something that a verifier has no part in, and why.
NOT_ASKED = {
    "answers": "answers of another harness, which only the tester reads (R-10)",
    "archives": "how an archive is laid open on a disk; this program reads one in memory, and writes nothing",
    "body-lines": "private lines, which only an auditor sees (R-8)",
    "entries": "how an entry is put into a log, which only its owner does (B-9)",
    "file-names": "how a folder on a disk is listed; odd names and links have a test above (L-4)",
    "openings": "opening files, which only an auditor sees (A-4)",
    "shown-records": "records of opening files, which only an auditor sees (R-5, C-2)",
}
ASKED = sorted(path.stem for path in VECTORS.glob("*.json") if path.stem not in NOT_ASKED)


def test_vectors_when_a_group_is_not_put_to_the_second_verifier_then_it_is_one_of_those_named_here():
    source = (HERE / "second_vectors.mjs").read_text("utf-8")
    readers = set(
        re.findall(r"^  \"?([a-z-]+)\"?: (?:async|textIf)", source[source.index("const READERS") :], re.MULTILINE)
    )
    assert readers == set(ASKED)
    assert set(NOT_ASKED) <= {path.stem for path in VECTORS.glob("*.json")}


@needs_node
def test_second_verifier_when_the_vectors_are_put_to_it_then_it_ends_as_they_say():
    done = subprocess.run(
        [str(NODE), str(HERE / "second_vectors.mjs"), str(SECOND), *(str(VECTORS / f"{name}.json") for name in ASKED)],
        capture_output=True, check=True, encoding="utf-8",
    )  # fmt: skip
    wrong, asked = [], set()
    for line in done.stdout.splitlines():
        group, name, expected, code, rule, right, step, _ = json.loads(line)
        asked.add(group)
        if ENDS[expected] != code or not right or (code == 3 and step and not str(rule).startswith(f"{step} ")):
            wrong.append(f"{group} {name}: {expected}, second: {code} {rule}")
    assert not wrong, "\n".join(wrong)
    assert asked == set(ASKED)
    assert len(done.stdout.splitlines()) > 800


# --- packed, and in a browser ------------------------------------------------------------------------


def packed(exchange: Path, out: Path) -> Path:
    """An archive of an exchange as ``detente pack`` lays it out, which that command would not make of a bent one."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in exchange.rglob("*") if path.is_file()):
            archive.write(path, f"exchange/{path.relative_to(exchange)}")
    return out


@needs_node
def test_second_verifier_when_the_archive_is_given_then_it_says_the_same_and_of_half_of_it_nothing(stories, tmp_path):
    labs = stories.at("closed")
    archive, plan = tmp_path / "joint.zip", labs.agreed().id
    pack(labs.verify(), archive)
    assert theirs(archive, plan) == theirs(labs.exchange, plan)
    archive.write_bytes(archive.read_bytes()[:-1000])
    assert theirs(archive, plan)[0] == 4


@needs_node
def test_second_verifier_when_one_run_is_handed_over_alone_then_it_says_what_it_did_not_look_for(stories, tmp_path):
    labs = stories.at("closed")
    archive, plan = tmp_path / "run.zip", labs.agreed().id
    run = pack_lone(labs.verify(), labs.runs["lab-a"].id, archive)
    code, _, said = theirs(archive, plan)
    assert code == 0
    assert re.findall(r"^(V-\d+) holds", said, re.MULTILINE) == [f"V-{n}" for n in (1, 2, 3, 5, 6, 7, 8)]
    assert f"V-7 holds: {len(run.slots)} slots" in said
    assert "other runs, attempts and audits were not looked for" in said
    assert theirs(archive, "00" * 32)[0] == 4


def seen_in_page(element: str, given: Path, plan: str, user: Path) -> str:
    """What the page says of a file or folder that is chosen in it."""
    with Browser(SECOND / "verify.html", user) as page:
        page.wait_for(
            "document.readyState === 'complete' && document.getElementById('folder') && typeof show === 'function'"
        )
        page.value(f"document.getElementById('plan').value = {plan!r}; null")
        page.choose(element, given)
        return page.wait_for(
            "/^exit \\d/m.test(document.getElementById('verdict').textContent) && document.getElementById('verdict').textContent"
        )


@needs_node
@needs_chromium
def test_page_when_an_archive_or_a_folder_is_chosen_then_it_shows_what_node_prints(stories, tmp_path):
    labs = stories.at("closed")
    plan, archive = labs.agreed().id, tmp_path / "joint.zip"
    pack(labs.verify(), archive)
    printed = theirs(archive, plan)[2]
    for element, given in (("archive", archive), ("folder", labs.exchange)):
        assert seen_in_page(element, given, plan, tmp_path / element) == printed + "exit 0: every step held\n"


@needs_chromium
def test_page_when_a_score_was_edited_then_it_names_the_step(stories, tmp_path):
    labs = stories.at("closed")
    copy = shutil.copytree(labs.exchange, tmp_path / "exchange")
    edit_score(copy, labs.desks["lab-b"], labs.runs["lab-b"])
    said = seen_in_page("archive", packed(copy, tmp_path / "bent.zip"), labs.agreed().id, tmp_path / "user")
    assert re.search(r"^V-8 NOT VERIFIED: rule C-4, ", said, re.MULTILINE)
    assert said.endswith("exit 3: not verified\n")
