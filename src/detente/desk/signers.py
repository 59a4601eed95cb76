# SPDX-License-Identifier: Apache-2.0
"""Keys that a device or a service holds: a Signer behind an address in the desk file (extra ``kms``).

    [keys]
    statement = "pkcs11:token=detente;object=lab-a%20statement?module-path=/usr/lib/softhsm/libsofthsm2.so"
    log       = "hv:detente-log/1;public=<64 hex digits>"

``pkcs11:`` is RFC 7512, through python-pkcs11. Any other scheme is one of securesystemslib's private key
URIs, with the public key after it, because a service need not tell it. Whatever signs, every signature
is verified here before it is used: a device that holds another key, hashes first, or signs with another
curve is told at once, and nothing of it reaches a log. A PIN comes from the environment (DETENTE_PIN) or
from a prompt, and lies in no file, log or message.
"""

import os
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from detente.desk.keyring import ask_secret
from detente.errors import CannotTell, WrongUsage
from detente.wire.keys import Signer, check_public, verify_signature

PIN = "DETENTE_PIN"
MODULE = "DETENTE_PKCS11_MODULE"
PLACE = "desk.toml [keys]"
# What an address may say of a PKCS #11 key, and python-pkcs11's name for it (RFC 7512, section 2.3).
_OF_TOKEN = {"token": "token_label", "serial": "token_serial"}
_OF_KEY = {"object": "label", "id": "id"}
_sessions: dict[tuple[str, bytes], Any] = {}
_ADDRESS = re.compile(r"(?P<uri>[a-z0-9]+:.*);public=(?P<public>[0-9a-f]{64})")


class DeviceSigner(NamedTuple):
    """A Signer over whatever signs bytes: its word is verified before anybody else hears it."""

    public: str
    make: Callable[[bytes], bytes]
    address: str

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature; CannotTell (device-wrong) if it is not this key's over these bytes."""
        signature = self.make(message)
        if not verify_signature(self.public, signature, message):
            raise CannotTell("device-wrong", PLACE, expected=self.public, got=_shown(self.address))
        return signature


@lru_cache(16)
def open_device(address: str) -> Signer:
    """The signer behind an address, opened once a command.

    Raises WrongUsage (no-device: a kind that is not known; bad-device: an address that says too little;
    pin-in-file; wrong-pin; no-device-key), CannotTell (device-fault, device-wrong), Malformed (P-3: a key that no
    plan may have), and ModuleNotFoundError where the extra is not installed.
    """
    if address.startswith("pkcs11:"):
        return _pkcs11(address)
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise WrongUsage("bad-device", PLACE, expected="pkcs11:token=...;object=... | SCHEME:...;public=<64 hex>", got=_shown(address))  # fmt: skip
    return _service(found["uri"], check_public(found["public"], PLACE), address)


def _shown(address: str) -> str:
    """An address for a message: without what stands behind the question mark, where a PIN could be."""
    return re.sub(r"\?.*|pin-[a-z]+=[^;&]*", "", address)


# --- PKCS #11 ------------------------------------------------------------------------------------


def parse_pkcs11(address: str) -> dict[str, str]:
    """The attributes of a PKCS #11 URI, decoded (RFC 7512). WrongUsage (bad-device, pin-in-file)."""
    path, _, query = address.removeprefix("pkcs11:").partition("?")
    found: dict[str, str] = {}
    for pair in [*filter(None, path.split(";")), *filter(None, query.split("&"))]:
        name, sep, value = pair.partition("=")
        if name in {"pin-value", "pin-source"}:
            raise WrongUsage("pin-in-file", PLACE, expected=PIN, got=name)
        if not sep or name in found or name not in {*_OF_TOKEN, *_OF_KEY, "type", "module-path"}:
            raise WrongUsage("bad-device", PLACE, expected="token serial object id module-path", got=name)
        found[name] = unquote(value, errors="strict") if name != "id" else value
    if not set(found) & set(_OF_TOKEN) or not set(found) & set(_OF_KEY):
        raise WrongUsage("bad-device", PLACE, expected="pkcs11:token=...;object=...", got=_shown(address))
    return found


def _pkcs11(address: str) -> DeviceSigner:
    import pkcs11

    said = parse_pkcs11(address)
    module = said.get("module-path") or os.environ.get(MODULE)
    if not module:
        raise WrongUsage("no-module", PLACE, expected=MODULE, got=_shown(address))
    try:
        session = _session(module, said.get("token"), said.get("serial"))
        wanted: dict[str, Any] = {_OF_KEY[name]: said[name] for name in _OF_KEY if name in said}
        if "id" in wanted:
            wanted["id"] = bytes.fromhex(wanted["id"].replace("%", ""))
        private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, **wanted)
        public = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, **wanted)
        # CKA_EC_POINT is an OCTET STRING around the 32 bytes (PKCS #11 3.1, section 6.3.5), or the bytes alone.
        point = bytes(public[pkcs11.Attribute.EC_POINT])[-32:].hex()
    except (pkcs11.PKCS11Error, ValueError) as error:
        raise _trouble(error, address) from None

    def make(message: bytes) -> bytes:
        try:
            return bytes(private.sign(message, mechanism=pkcs11.Mechanism.EDDSA))
        except pkcs11.PKCS11Error as error:
            raise _trouble(error, address) from None

    return DeviceSigner(check_public(point, PLACE), make, address)


def _session(module: str, token: str | None, serial: str | None) -> Any:
    """One session a token: a second login into the same one is an error to PKCS #11. The PIN is tried once."""
    import pkcs11

    names: Mapping[str, Any] = {"token_label": token} if token else {}
    names = {**names, "token_serial": serial.encode()} if serial else names
    found = pkcs11.lib(module).get_token(**names)
    if (key := (module, bytes(found.serial))) not in _sessions:
        pin = os.environ.get(PIN) or ask_secret("pin", token or serial or "", PIN)
        _sessions[key] = found.open(user_pin=pin)
    return _sessions[key]


def _trouble(error: Exception, address: str) -> WrongUsage | CannotTell:
    """What to tell of a device: its own words name no secret, and are left out all the same."""
    import pkcs11

    code = type(error).__name__
    if isinstance(error, pkcs11.exceptions.PinIncorrect | pkcs11.exceptions.PinLenRange):
        return WrongUsage("wrong-pin", _shown(address), expected=PIN)
    if isinstance(error, pkcs11.NoSuchToken | pkcs11.NoSuchKey | pkcs11.MultipleObjectsReturned | pkcs11.MultipleTokensReturned):  # fmt: skip
        return WrongUsage("no-device-key", _shown(address), got=code)
    return CannotTell("device-fault", _shown(address), got=code)


# --- services, through securesystemslib ------------------------------------------------------------


def _service(uri: str, public: str, address: str) -> DeviceSigner:
    from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, SSlibKey
    from securesystemslib.signer import Signer as Service

    scheme = uri.partition(":")[0]
    if scheme not in SIGNER_FOR_URI_SCHEME:
        raise WrongUsage("no-device", PLACE, expected="pkcs11: " + " ".join(f"{s}:" for s in SIGNER_FOR_URI_SCHEME), got=scheme)  # fmt: skip
    key = SSlibKey("", "ed25519", "ed25519", {"public": public})
    try:
        service = Service.from_priv_key_uri(uri, key, lambda name: os.environ.get(PIN) or ask_secret("pin", name, PIN))
    except WrongUsage:
        raise
    except Exception as error:  # each service has errors of its own
        raise CannotTell("device-fault", _shown(address), got=type(error).__name__) from None

    def make(message: bytes) -> bytes:
        try:
            return bytes.fromhex(service.sign(message).signature)
        except Exception as error:
            raise CannotTell("device-fault", _shown(address), got=type(error).__name__) from None

    return DeviceSigner(public, make, address)
