# SPDX-License-Identifier: Apache-2.0
"""Keys that a device or a service holds: the signer behind an address in the desk file (extra ``kms``)."""

from functools import lru_cache

from detente.errors import WrongUsage
from detente.wire.keys import Signer


@lru_cache(16)
def open_device(address: str) -> Signer:
    """The signer behind an address; WrongUsage (no-device) for a kind that is not known."""
    raise WrongUsage("no-device", "desk.toml [keys]", expected="pkcs11:...", got=address.partition(":")[0])
