# SPDX-License-Identifier: Apache-2.0
"""Go's sumdb/note and sumdb/tlog read our log from disk, and we check the proofs that they make of it.

Needs go and, on Debian, golang-golang-x-mod-dev (its sources lie in /usr/share/gocode).
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from detente.errors import DetenteError
from detente.tlog.folder import Folder
from detente.tlog.log import append, origin_of
from detente.wire.armor import encode_base64
from detente.wire.keys import SigningKey
from detente.wire.merkle import hash_leaves, root, verify_consistency, verify_inclusion
from detente.wire.note import LOG_KEY, Checkpoint, key_id, sign_checkpoint, verify_note
from detente.wire.tiles import tile_files

GOPATH = Path("/usr/share/gocode")
NOTE = GOPATH / "src/golang.org/x/mod/sumdb/note"
KEY = SigningKey(b"l" * 32)
ORIGIN = origin_of("a.example/detente", KEY.public)

pytestmark = pytest.mark.skipif(
    shutil.which("go") is None or not NOTE.is_dir(), reason="go or its sumdb packages are not installed"
)


@pytest.fixture(scope="module")
def read_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, compiled once."""
    binary = tmp_path_factory.mktemp("go") / "read_log"
    source = Path(__file__).with_name("read_log.go")
    environ = {**os.environ, "GO111MODULE": "off", "GOPATH": str(GOPATH), "GOFLAGS": ""}
    subprocess.run(["go", "build", "-o", str(binary), str(source)], env=environ, check=True, capture_output=True)
    return binary


def _key(name: str, public: str) -> str:
    raw = bytes([LOG_KEY]) + bytes.fromhex(public)
    return f"{name}+{key_id(name, LOG_KEY, public).hex()}+{encode_base64(raw)}"


def _run(binary: Path, folder: Folder) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(binary), str(folder.root), _key(ORIGIN, KEY.public)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("size", [1, 5, 256, 515])
def test_go_when_it_reads_our_log_then_same_root_and_its_proofs_hold_here(
    read_log: Path, tmp_path: Path, size: int
) -> None:
    folder, pending = Folder(tmp_path / "log"), Folder(tmp_path / "pending")
    entries = [b'{"entry":%d}' % i for i in range(size)]
    laid = entries[:-1]
    if laid:  # all but the last at once, the last as the log does it
        for path, raw in tile_files(laid, hash_leaves(laid)):
            folder.create(path, raw)
        head = Checkpoint(ORIGIN, len(laid), root(hash_leaves(laid)).hex())
        folder.create("checkpoint", sign_checkpoint(head, KEY))
    view = append(folder, pending, entries[-1], KEY, ORIGIN, ())
    done = _run(read_log, folder)
    assert done.returncode == 0, done.stderr
    whole, counted = bytes.fromhex(view.root), {"root": 0, "record": 0, "tree": 0}
    for line in done.stdout.splitlines():
        kind, first, *rest = line.split(" ")
        proof = [bytes.fromhex(step) for step in rest]
        if kind == "root":
            assert first == view.root
        elif kind == "record":
            assert verify_inclusion(view.leaf_hashes[int(first)], int(first), size, proof, whole)
        else:
            before = root(view.leaf_hashes[: int(first)])
            assert verify_consistency(int(first), before, size, whole, proof)
        counted[kind] += 1
    assert counted == {"root": 1, "record": size, "tree": size}


@pytest.mark.parametrize("path", ["checkpoint", "tile/entries/000.p/5", "tile/0/000.p/5"])
def test_go_when_our_log_was_changed_then_it_refuses_too(read_log: Path, tmp_path: Path, path: str) -> None:
    folder, pending = Folder(tmp_path / "log"), Folder(tmp_path / "pending")
    for i in range(5):
        append(folder, pending, b'{"entry":%d}' % i, KEY, ORIGIN, ())
    assert _run(read_log, folder).returncode == 0
    raw = folder.read(path)
    (folder.root / path).write_bytes(raw[:30] + bytes([raw[30] ^ 1]) + raw[31:])
    assert _run(read_log, folder).returncode != 0


def test_go_when_any_byte_of_a_checkpoint_is_flipped_then_it_refuses_and_so_do_we(
    read_log: Path, tmp_path: Path
) -> None:
    folder, pending = Folder(tmp_path / "log"), Folder(tmp_path / "pending")
    for i in range(3):
        append(folder, pending, b'{"entry":%d}' % i, KEY, ORIGIN, ())
    raw, accepted = folder.read("checkpoint"), []
    for at in range(len(raw)):
        bent = raw[:at] + bytes([raw[at] ^ 1 << at % 7]) + raw[at + 1 :]
        (folder.root / "checkpoint").write_bytes(bent)
        accepted += [("go", at)] * (_run(read_log, folder).returncode == 0)
        try:
            verify_note(bent, ORIGIN, KEY.public, "checkpoint")
            accepted.append(("we", at))
        except DetenteError:
            pass
    assert accepted == []
