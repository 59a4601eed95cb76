# SPDX-License-Identifier: Apache-2.0
"""Keys that a device or a service holds: a whole story with SoftHSM, securesystemslib's own signer, and devices that lie."""

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from detente.desk import signers
from detente.desk.keys import load_desk, make_card
from detente.desk.signers import MODULE, PIN, DeviceSigner, open_device, parse_pkcs11
from detente.desk.succession import new_keys
from detente.errors import CannotTell, Malformed, WrongUsage
from detente.wire.keys import SigningKey, verify_signature
from kit.labs import audit_all, close_all, publish_one, register_all, run_one, supersede
from kit.typed import refused, typed

SOFTHSM = next((p for p in map(Path, ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so")) if p.is_file()), None)  # fmt: skip
needs_token = pytest.mark.skipif(
    SOFTHSM is None or shutil.which("softhsm2-util") is None or find_spec("pkcs11") is None,
    reason="SoftHSM or python-pkcs11 is not installed",
)
needs_vault = pytest.mark.skipif(
    find_spec("hvac") is None or find_spec("securesystemslib") is None, reason="hvac is not installed"
)
needs_services = pytest.mark.skipif(find_spec("securesystemslib") is None, reason="securesystemslib is not installed")
SECRET = "271828"


class Token(NamedTuple):
    """A software token with an Ed25519 key for each role, and one of another curve."""

    public: dict[str, str]

    def address(self, role: str) -> str:
        return f"pkcs11:token=detente%20test;object=lab-a%20{role}?module-path={SOFTHSM}"


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Token:
    import pkcs11
    from pkcs11 import Attribute, KeyType, Mechanism
    from pkcs11.util.ec import encode_named_curve_parameters

    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")  # read when the library is loaded, for good
    words = ["--init-token", "--free", "--label", "detente test", "--pin", SECRET, "--so-pin", "314159"]
    subprocess.run(["softhsm2-util", *words], check=True, capture_output=True)
    public = {}
    with pkcs11.lib(str(SOFTHSM)).get_token(token_label="detente test").open(rw=True, user_pin=SECRET) as session:
        for role in ("statement", "log", "witness"):
            curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("1.3.101.112")}
            made = session.create_domain_parameters(KeyType.EC_EDWARDS, curve, local=True).generate_keypair(
                mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN, store=True, label=f"lab-a {role}"
            )
            public[role] = bytes(made[0][Attribute.EC_POINT])[-32:].hex()
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(store=True, label="lab-a p256")
    return Token(public)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (PIN, MODULE):
        monkeypatch.delenv(name, raising=False)
    open_device.cache_clear()


def put_keys(root: Path, **keys: Any) -> None:
    """``[keys]`` into a desk file, before its first table."""
    path = root / "desk.toml"
    lines = "".join(f"{role} = {json.dumps(address)}\n" for role, address in keys.items())
    path.write_text(path.read_text("utf-8").replace("[name]", f"[keys]\n{lines}[name]"), "utf-8")


@needs_token
def test_story_when_all_keys_of_a_lab_move_into_a_token_then_it_goes_on_and_all_verifies(
    stories, tmp_path, token, monkeypatch
):
    monkeypatch.setenv(PIN, SECRET)
    labs = stories.at("registered").moved(tmp_path)
    root = labs.desks["lab-a"].root
    put_keys(root, **{role: token.address(role) for role in token.public})
    labs.desks["lab-a"] = desk = load_desk(root)
    # the plan in force has the keys in the files, and they sign under it
    labs.witness_all()
    assert desk.signer("log").public == labs.agreed().plan.party("lab-a").log.key
    make_card(desk)
    new = supersede(labs)
    party = new.plan.party("lab-a")
    assert {"statement": party.statement, "log": party.log.key, "witness": party.witness.key} == token.public
    for role in token.public:  # nothing more is signed with the files
        (root / "keys" / f"{role}.key").write_text("gone")
        (root / "keys" / f"{role}.key").unlink()
    register_all(labs)
    for name in labs.desks:
        run_one(labs, name)
        publish_one(labs, name)
    labs.witness_all()
    audit_all(labs)
    close_all(labs)
    verified = labs.verify()
    assert verified.final
    assert verified.ledger.violations == []
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]


@needs_token
def test_pin_when_missing_or_wrong_then_it_is_told_once_and_shown_nowhere(
    stories, capsys, tmp_path, token, monkeypatch
):
    root = stories.at("signed").moved(tmp_path).desks["lab-a"].root
    put_keys(root, witness=token.address("witness"))
    for session in signers._sessions.values():
        session.close()
    signers._sessions.clear()
    monkeypatch.setattr("detente.desk.keyring._somebody_there", lambda: False)
    assert PIN in refused(capsys, 4, "key-locked", "init", "lab-a", "--desk", root).err
    monkeypatch.setenv(PIN, "999999")
    said = refused(capsys, 2, "wrong-pin", "init", "lab-a", "--desk", root)
    assert "999999" not in said.err + said.out
    monkeypatch.setenv(PIN, SECRET)
    said = typed(capsys, "init", "lab-a", "--desk", root)
    assert said.code == 0
    assert SECRET not in said.err + said.out
    # under the plan in force the file signs, and no PIN is needed
    open_device.cache_clear()
    monkeypatch.delenv(PIN)
    assert typed(capsys, "board", root.parents[1] / "exchange", "--plan", load_desk(root).plan_id()).code == 0


@needs_token
@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (("lab-a%20log", "lab-x"), "no-device-key"),
        (("detente%20test", "another"), "no-device-key"),
        (("lab-a%20log", "lab-a%20p256"), "P-3"),
    ],
)
def test_token_when_it_has_no_such_key_then_it_is_told(token, monkeypatch, edit, code):
    monkeypatch.setenv(PIN, SECRET)
    with pytest.raises((WrongUsage, CannotTell, Malformed)) as caught:
        open_device(token.address("log").replace(*edit)).sign(b"x")
    assert caught.value.code.startswith((code, "device-"))


@needs_token
def test_token_when_no_module_is_named_then_it_comes_from_the_environment(token, monkeypatch):
    monkeypatch.setenv(PIN, SECRET)
    address = token.address("log").partition("?")[0]
    with pytest.raises(WrongUsage, match="no-module"):
        open_device(address)
    monkeypatch.setenv(MODULE, str(SOFTHSM))
    assert open_device(address).public == token.public["log"]


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("pkcs11:token=a;object=b?pin-value=1234", "pin-in-file"),
        ("pkcs11:token=a;object=b?pin-source=file:/x", "pin-in-file"),
        ("pkcs11:token=a", "bad-device"),
        ("pkcs11:object=b", "bad-device"),
        ("pkcs11:token=a;object=b;object=c", "bad-device"),
        ("pkcs11:token=a;object=b;colour=red", "bad-device"),
    ],
)
def test_address_when_it_says_too_much_or_too_little_then_it_is_refused_without_its_pin(address, code):
    with pytest.raises(WrongUsage, match=code) as caught:
        parse_pkcs11(address)
    assert "1234" not in str(caught.value)
    assert "/x" not in str(caught.value)


def test_address_when_percent_encoded_then_decoded():
    said = parse_pkcs11("pkcs11:token=a%3Bb;id=%01%02?module-path=/lib/x.so")
    assert said == {"token": "a;b", "id": "%01%02", "module-path": "/lib/x.so"}


def test_desk_file_when_an_address_is_of_no_known_kind_then_it_is_told(stories, capsys, tmp_path):
    root = stories.at("signed").moved(tmp_path).desks["lab-a"].root
    put_keys(root, statement="carrier-pigeon")
    refused(capsys, 2, "bad-device", "init", "lab-a", "--desk", root)


def test_extra_when_it_is_not_installed_then_it_is_named(stories, capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    root = stories.at("signed").moved(tmp_path).desks["lab-a"].root
    put_keys(root, statement="pkcs11:token=a;object=b?module-path=/x.so")
    assert "kms" in refused(capsys, 2, "extra-missing", "init", "lab-a", "--desk", root).err


# --- any device -----------------------------------------------------------------------------------


def test_device_when_it_signs_something_else_then_nothing_of_it_is_used():
    """Another key, a hash of the message, a signature of the wrong length: all the same to us."""
    key, other = SigningKey(b"k" * 32), SigningKey(b"o" * 32)
    assert verify_signature(key.public, DeviceSigner(key.public, key.sign, "hv:x/1").sign(b"m"), b"m")
    for lie in (other.sign, lambda message: key.sign(message + b"!"), lambda _: b"", lambda _: b"\0" * 64):
        with pytest.raises(CannotTell, match="device-wrong"):
            DeviceSigner(key.public, lie, "hv:x/1").sign(b"m")


@needs_services
def test_service_when_securesystemslib_signs_ed25519_then_its_signature_is_ours(tmp_path):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
    path = tmp_path / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes_raw().hex()
    signer = open_device(f"file2:{path};public={public}")
    assert signer.public == public
    assert signer.sign(b"message") == key.sign(b"message")
    with pytest.raises(CannotTell, match=r"device-(wrong|fault)"):  # its own check, or ours, whichever comes first
        open_device(f"file2:{path};public={SigningKey(b'o' * 32).public}").sign(b"message")


class Transit(BaseHTTPRequestHandler):
    """HashiCorp Vault's transit engine as far as its HTTP API signs with Ed25519 (sys/transit, "Sign data"); Vault itself is no package here."""

    key = SigningKey(b"v" * 32)

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        known = self.headers["x-vault-token"] == SECRET and self.path.startswith("/v1/transit/sign/detente-log")
        signature = self.key.sign(base64.b64decode(asked["input"]))
        data = {"signature": f"vault:v{asked['key_version']}:{base64.b64encode(signature).decode()}"}
        said = json.dumps({"data": data} if known else {"errors": ["permission denied"]}).encode()
        self.send_response(200 if known else 403)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture
def vault(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Transit) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("VAULT_TOKEN", SECRET)
        open_device.cache_clear()
        yield
        server.shutdown()


@needs_vault
def test_service_when_vault_signs_then_its_signature_is_ours_and_its_refusal_tells_no_token(vault, monkeypatch):
    address = f"hv:detente-log/3;public={Transit.key.public}"
    assert open_device(address).sign(b"message") == Transit.key.sign(b"message")
    with pytest.raises(CannotTell, match="device-wrong"):
        open_device(f"hv:detente-log/3;public={SigningKey(b'o' * 32).public}").sign(b"message")
    monkeypatch.setenv("VAULT_TOKEN", "another")
    open_device.cache_clear()
    with pytest.raises(CannotTell, match="device-fault") as caught:
        open_device(address).sign(b"message")
    assert "another" not in str(caught.value)


@needs_services
@pytest.mark.parametrize("uri", ["hv:name/1", "file2:/nowhere/key.pem"])
def test_service_when_it_cannot_be_reached_then_it_cannot_be_told(uri):
    with pytest.raises(CannotTell, match="device-fault"):
        open_device(f"{uri};public={SigningKey(b's' * 32).public}").sign(b"x")


@needs_services
def test_service_when_its_kind_is_unknown_then_the_kinds_are_named():
    with pytest.raises(WrongUsage, match="no-device") as caught:
        open_device(f"pigeon:coo;public={SigningKey(b's' * 32).public}")
    assert "hv:" in str(caught.value.expected)


@needs_token
def test_rotation_when_a_token_key_is_followed_by_a_file_key_then_both_are_held(stories, tmp_path, token, monkeypatch):
    """Two addresses of one role: the last is the newest; earlier plans keep the one they name."""
    monkeypatch.setenv(PIN, SECRET)
    labs = stories.at("signed").moved(tmp_path)
    root = labs.desks["lab-a"].root
    put_keys(root, statement=[token.address("statement")])
    labs.desks["lab-a"] = load_desk(root)
    make_card(labs.desks["lab-a"])
    supersede(labs)
    assert labs.desks["lab-a"].signer("statement").public == token.public["statement"]
    with pytest.raises(WrongUsage, match="keys-in-device"):
        new_keys(labs.desks["lab-a"], ["statement"])
