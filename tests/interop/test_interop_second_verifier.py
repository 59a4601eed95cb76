# SPDX-License-Identifier: Apache-2.0
"""The verifier of examples/second_verifier, written from the format pages, says of honest, bent, changed and cut exchanges what ours says."""

import base64
import json
import random
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from inspect import signature
from pathlib import Path

import pytest

import test_story
from detente.check.verify import verify
from detente.desk.keys import log_entry, own_log
from detente.desk.lies import drop_run, edit_score, swap_item, two_histories
from detente.desk.packing import pack
from detente.errors import CannotTell, NotVerified
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from kit.browser import CHROMIUM, Browser
from kit.labs import Labs, meet

HERE = Path(__file__).resolve().parent
SECOND = HERE.parents[1] / "examples" / "second_verifier"
NODE = shutil.which("node")
MOST_LINES = 450
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
# Every story that leaves a whole exchange behind, bent or odd; each says itself what our verifier makes of it.
STORIES = [
    story
    for name, story in vars(test_story).items()
    if name.startswith(("test_lie_", "test_result_", "test_close_", "test_log_", "test_story_when_"))
    and {"tmp_path"} <= set(signature(story).parameters) <= {"stories", "tmp_path", "monkeypatch"}
]


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


def plan_in(exchange: Path) -> str:
    """The one plan of an exchange."""
    (found,) = {path.parent.name for path in exchange.glob("*/plans/*/plan.json")}
    return found


# --- its size ------------------------------------------------------------------------------------


def test_second_verifier_when_its_lines_are_counted_then_they_are_few_and_it_loads_nothing():
    sources = [*SECOND.glob("*.js"), *SECOND.glob("*.mjs")]
    lines = [line for path in sources for line in path.read_text("utf-8").splitlines()]
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("//")]
    assert 300 < len(code) <= MOST_LINES
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
    assert re.findall(r"^(V-\d+) holds", said, re.MULTILINE) == [f"V-{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11)]
    assert ("not checked here: facts" in said) == (code == 0)


@needs_node
def test_second_verifier_when_five_labs_test_then_every_step_holds(stories):
    labs = stories.at("published", 5)
    assert_both(labs.exchange, labs.agreed().id, (0, None))


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
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__.removeprefix("test_"))
def test_second_verifier_when_a_story_has_been_told_then_it_says_what_ours_says(
    request: pytest.FixtureRequest, tmp_path: Path, story: Callable[..., None]
):
    story(**{name: request.getfixturevalue(name) for name in signature(story).parameters})
    exchange = tmp_path / "exchange"
    plan = plan_in(exchange)
    assert theirs(exchange, plan)[:2] == ours(exchange, plan)


def test_stories_when_counted_then_the_cheats_are_among_them():
    told = {story.__name__ for story in STORIES}
    assert len(told) >= 10
    assert "test_lie_when_counts_are_bent_and_signed_then_v8_recounts" in told
    assert "test_result_when_a_digit_is_bent_and_endorsed_by_all_then_v11_refuses" in told


@needs_node
@pytest.mark.parametrize("lie", ["outcomes", "root"])
def test_second_verifier_when_a_conclusion_lies_then_it_names_v7(stories, tmp_path, lie):
    test_story.test_lie_when_a_conclusion_claims_what_its_headers_do_not_show_then_v7_refuses(stories, tmp_path, lie)
    exchange = tmp_path / "exchange"
    assert_both(exchange, plan_in(exchange), (3, "V-7"))


@needs_node
def test_second_verifier_when_no_plan_or_another_one_is_named_then_it_cannot_tell(stories):
    labs = stories.at("closed")
    assert theirs(labs.exchange, "")[0] == 4
    assert theirs(labs.exchange, "00" * 32)[0] == 4


@needs_node
def test_second_verifier_when_a_plan_has_parts_it_does_not_know_then_it_names_them_and_cannot_tell(tmp_path):
    labs = meet(tmp_path, releasers='["lab-a", "lab-b"]', blind=True)
    labs.witness_all()
    assert ours(labs.exchange, labs.agreed().id) == (0, None)
    code, _, said = theirs(labs.exchange, labs.agreed().id)
    assert code == 4
    assert "parts this reader does not know: blind, releasers" in said


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


@needs_node
def test_second_verifier_when_a_larger_file_of_a_tile_lies_there_then_its_beginning_serves(stories, tmp_path):
    labs = stories.at("closed")
    copy = shutil.copytree(labs.exchange, tmp_path / "exchange")
    for mirror in copy.glob("*/mirror/*"):
        owner = next(p.id for p in labs.agreed().plan.parties if sha256(p.log.origin.encode()) == mirror.name)
        for kind in ("0", "entries"):
            shutil.rmtree(mirror / "tile" / kind / "000.p")
            shutil.copytree(copy / owner / "log" / "tile" / kind / "000.p", mirror / "tile" / kind / "000.p")
    assert_both(copy, labs.agreed().id, (0, None))


# --- any file, changed, cut, gone ------------------------------------------------------------------


def one_of_each_kind(labs: Labs) -> list[str]:
    """A file of every kind that the second verifier reads, from the exchange of closed labs."""
    exchange, found = labs.exchange, {}
    unread = set(labs.verify().not_part)
    for path in sorted(str(path.relative_to(exchange)) for path in exchange.rglob("*") if path.is_file()):
        kind = re.sub(r"[0-9a-f]{16,}", "#", path.partition("/")[2])
        # Tiles of hashes and tiles of earlier sizes are no part of what it reads; the newest of a log is the last in order.
        if path not in unread and not path.endswith(".gitattributes") and not re.search(r"/tile/\d/", path):
            found[re.sub(r"000\.p/\d+", "entries", kind)] = path
    return list(found.values())


def changes(path: str, raw: bytes, draw: random.Random) -> list[bytes | None]:
    """The file gone, cut in four places, and with one bit changed in three."""
    cut = [raw[:keep] for keep in (0, len(raw) // 3, len(raw) // 2, len(raw) - 1)]
    # A changed length before an entry reads as a cut there, and of JSON a changed bracket does: these are not drawn.
    fixed = [at for at in range(2, len(raw) // 2 if "/tile/" in path else len(raw) - 16) if not path.endswith(".gz")]
    places = [at for at in fixed if chr(raw[at]).isalnum()] or list(range(len(raw) // 3, 2 * len(raw) // 3))
    places = draw.sample(places, 3)
    if path.endswith(".gz"):
        places.append(10)  # bit 0 there says that this part is the last: without it the stream goes on into its trailer
    changed = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in places]
    return [None, *cut, *changed]


@needs_node
def test_second_verifier_when_a_file_is_changed_cut_or_gone_then_it_says_what_ours_says(stories):
    labs = stories.at("closed")
    copy, plan, draw = labs.copy("second"), labs.agreed().id, random.Random(2026)
    cases = [
        (path, case) for path in one_of_each_kind(labs) for case in changes(path, (copy / path).read_bytes(), draw)
    ]
    assert len(cases) > 100
    asked = [json.dumps([path, None if raw is None else base64.b64encode(raw).decode()]) for path, raw in cases]
    done = subprocess.run(
        [str(NODE), str(HERE / "second_cases.mjs"), str(SECOND), str(copy), plan],
        input="\n".join(asked), capture_output=True, check=True, encoding="utf-8",
    )  # fmt: skip
    wrong, codes = [], []
    for (path, raw), said in zip(cases, map(json.loads, done.stdout.splitlines()), strict=True):
        before = (copy / path).read_bytes()
        (copy / path).unlink() if raw is None else (copy / path).write_bytes(raw)
        expected = ours(copy, plan)
        (copy / path).write_bytes(before)
        codes.append(expected[0])
        if expected != (said[0], said[1] if said[0] == 3 else None):
            wrong.append(f"{path}, {'gone' if raw is None else len(raw)} of {len(before)}: {expected}, second: {said}")
    assert not wrong, "\n".join(wrong)
    assert {3, 4} <= set(codes)


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
