# SPDX-License-Identifier: Apache-2.0
"""What may come later does no harm today: unknown signature lines on a note, and a second envelope over the same payload."""

import base64
import json
from pathlib import Path

import pytest

from detente.check.verify import Verified
from detente.desk.keys import log_entry, own_log, sign_statement
from detente.desk.logs import witness
from detente.errors import Malformed, NotVerified
from detente.evidence.statements import Accept
from detente.wire.digests import sha256, sha256_raw
from detente.wire.dsse import open_envelope, pre_authentication
from detente.wire.keys import SigningKey
from detente.wire.note import MAX_NOTE, parse_note
from kit.labs import Labs

ML_DSA_44 = 0x06  # the type byte that FORMATS section 12 keeps for it


def ml_dsa_line(text: str, name: str) -> bytes:
    """A real ML-DSA-44 signature (FIPS 204) over a note's text, as one more line."""
    mldsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mldsa")
    key = mldsa.MLDSA44PrivateKey.generate()
    public, signature = key.public_key().public_bytes_raw(), key.sign(text.encode())
    key.public_key().verify(signature, text.encode())
    key_id = sha256_raw(name.encode() + b"\n" + bytes([ML_DSA_44]) + public)[:4]
    return f"— {name} {base64.b64encode(key_id + signature).decode()}\n".encode()


def told(verified: Verified) -> tuple[object, object, int]:
    return verified.numbers(), verified.final, len(verified.ledger.violations)


def with_line(path: Path, name: str | None = None) -> None:
    raw = path.read_bytes()
    note = parse_note(raw)
    path.write_bytes(raw + ml_dsa_line(note.text, name or note.text.split("\n", maxsplit=1)[0]))


def test_note_when_it_bears_ml_dsa_44_lines_then_it_is_read_witnessed_and_grown_as_before(stories, tmp_path):
    labs = stories.at("published").moved(tmp_path)
    before = told(labs.verify())
    for name in labs.desks:
        with_line(labs.exchange / name / "log" / "checkpoint")
        with_line(labs.exchange / name / "log" / "checkpoint", "somebody.example/else")
    assert told(labs.verify()) == before
    desk, plan = labs.desks["lab-a"], labs.agreed()
    log_entry(desk, plan, sign_statement(desk, "accept", [("x", plan.id)], Accept(party="lab-a", plan=plan.id)))
    with_line(labs.exchange / "lab-a" / "log" / "checkpoint")
    assert own_log(desk, plan).size == 6
    rows = witness(labs.desks["lab-b"], plan)
    assert [row.trouble for row in rows] == [None]
    mirrored = labs.exchange / "lab-b" / "mirror" / sha256(desk.me(plan).log.origin.encode()) / "checkpoint"
    assert len(parse_note(mirrored.read_bytes()).signatures) == 2  # the log's own and the witness's: no byte unread
    assert len(labs.verify().ledger.violations) == 1


def test_note_when_only_the_new_line_is_right_then_it_is_refused(stories, tmp_path):
    """A further line stands beside the Ed25519 one and never in its place."""
    labs = stories.at("published").moved(tmp_path)
    path = labs.exchange / "lab-a" / "log" / "checkpoint"
    note = parse_note(path.read_bytes())
    path.write_bytes(f"{note.text}\n".encode() + ml_dsa_line(note.text, note.text.split("\n", maxsplit=1)[0]))
    with pytest.raises(NotVerified, match=r"L-1\.signature"):
        labs.verify()


def test_note_when_filled_with_lines_then_a_reader_stops_at_its_limit(stories, tmp_path):
    labs = stories.at("published").moved(tmp_path)
    path = labs.exchange / "lab-a" / "log" / "checkpoint"
    line = ml_dsa_line(parse_note(path.read_bytes()).text, "a.example/x")
    path.write_bytes(path.read_bytes() + line * (MAX_NOTE // len(line) + 1))
    with pytest.raises(NotVerified, match=r"L-1\.note"):
        labs.verify()


def side_file(labs: Labs, name: str) -> Path:
    """A second envelope over the payload of a log entry, as another algorithm would sign it (here: another key)."""
    desk, plan = labs.desks[name], labs.agreed()
    entry = own_log(desk, plan).entries[0]
    payload = open_envelope(entry, desk.signer("statement").public)
    signature = SigningKey(b"2" * 32).sign(pre_authentication(payload))
    second = {**json.loads(entry), "signatures": [{"sig": base64.b64encode(signature).decode()}]}
    path = labs.exchange / name / f"{sha256(entry)}.sm2.json"
    path.write_text(json.dumps(second), "utf-8")
    return path


def test_side_file_when_a_second_envelope_lies_beside_the_log_then_it_is_listed_and_changes_nothing(stories, tmp_path):
    labs = stories.at("closed").moved(tmp_path)
    before = labs.verify()
    path = side_file(labs, "lab-a")
    after = labs.verify()
    assert told(after) == told(before)
    assert set(after.not_part) - set(before.not_part) == {str(path.relative_to(labs.exchange))}
    path.write_bytes(b"\0 anything at all")
    assert told(labs.verify()) == told(before)


def test_side_file_when_its_envelope_is_put_into_the_log_then_it_counts_for_nothing(stories, tmp_path):
    """Never a second log entry, never instead of Ed25519."""
    labs = stories.at("published").moved(tmp_path)
    second = json.loads(side_file(labs, "lab-a").read_bytes())
    desk, plan = labs.desks["lab-a"], labs.agreed()
    raw = json.dumps(second, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(NotVerified, match=r"T-1\.signature"):
        open_envelope(raw, desk.signer("statement").public)
    log_entry(desk, plan, raw)
    assert [v.code for v in labs.verify().ledger.violations] == ["T-1.signature"]
    both = {**second, "signatures": [*json.loads(own_log(desk, plan).entries[0])["signatures"], *second["signatures"]]}
    with pytest.raises(Malformed, match=r"T-1\.shape"):
        open_envelope(json.dumps(both, sort_keys=True, separators=(",", ":")).encode(), desk.signer("statement").public)
