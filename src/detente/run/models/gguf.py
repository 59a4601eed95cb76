# SPDX-License-Identifier: Apache-2.0
"""A GGUF file's head: is it one, how long is its context, what is its chat template; and the digest of its weights.

The layout is that of the GGUF specification (ggml repository, docs/gguf.md), versions 2 and 3, little-endian: magic,
version, number of tensors, number of members, then the members (name, type, value). Read before
llama.cpp sees the file, because it answers a wrong one with a crash or a page of log.
"""

import mmap
import os
import re
import struct
from pathlib import Path
from typing import Any, NamedTuple

from detente.errors import CannotTell, WrongUsage
from detente.wire.digests import sha256, sha256_raw

MAGIC = b"GGUF"
STRING, ARRAY = 8, 9
# Type number to struct letter; bool is one byte.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
SPLIT = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf")
MOST_MEMBERS = 65_536


class Gguf(NamedTuple):
    """What is needed of a head: the members that are no arrays."""

    path: Path
    members: dict[str, Any]

    def context(self) -> int | None:
        """The context length that the model was trained with, in tokens."""
        architecture = self.members.get("general.architecture", "")
        found = self.members.get(f"{architecture}.context_length")
        return found if isinstance(found, int) else None

    def template(self) -> str | None:
        """The chat template (Jinja), if the file brings one."""
        found = self.members.get("tokenizer.chat_template")
        return found if isinstance(found, str) else None


def read_gguf(path: Path) -> Gguf:
    """The head of a GGUF file; WrongUsage (model-missing, model-not-gguf), CannotTell (no-permission)."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < 24 or file.read(4) != MAGIC:
                raise WrongUsage("model-not-gguf", str(path), got="magic")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
                return Gguf(path, _members(raw))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise WrongUsage("model-missing", str(path)) from error
    except PermissionError as error:
        raise CannotTell("no-permission", str(path)) from error
    except (struct.error, ValueError, KeyError, OverflowError) as error:
        raise WrongUsage("model-not-gguf", str(path), got=type(error).__name__) from error


def weights_digest(path: Path) -> str:
    """SHA-256 of the file; of a split model, SHA-256 over its parts' raw digests in name order (FORMATS 13, as model-signing)."""
    parts = parts_of(path)
    if len(parts) == 1:
        return sha256(mapped(path))
    return sha256(b"".join(sha256_raw(mapped(part)) for part in parts))


def parts_of(path: Path) -> list[Path]:
    """The files of a model: itself, or all ``-0000N-of-0000M`` of it; WrongUsage (model-missing) if one is not there."""
    found = SPLIT.fullmatch(path.name)
    if not found:
        return [path]
    parts = [path.with_name(f"{found[1]}-{n:05d}-of-{found[3]}.gguf") for n in range(1, int(found[3]) + 1)]
    for part in parts:
        if not part.is_file():
            raise WrongUsage("model-missing", str(part))
    return parts


def mapped(path: Path) -> Any:
    """The file's bytes without reading them into memory at once; hashing walks through them."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _members(raw: mmap.mmap) -> dict[str, Any]:
    version, _tensors, n_members = struct.unpack_from("<IQQ", raw, 4)
    if version not in {2, 3} or n_members > MOST_MEMBERS:
        raise ValueError(version)
    at, members = 24, {}
    for _ in range(n_members):
        name, at = _string(raw, at)
        (kind,) = struct.unpack_from("<I", raw, at)
        members[name], at = _value(raw, at + 4, kind)
    return members


def _value(raw: mmap.mmap, at: int, kind: int) -> tuple[Any, int]:
    """One value and where it ends. Arrays (vocabularies) are walked over, not kept: their value is None."""
    if kind == STRING:
        return _string(raw, at)
    if kind == ARRAY:
        inner, length = struct.unpack_from("<IQ", raw, at)
        at += 12
        if inner in SCALARS:
            return None, _within(raw, at + length * struct.calcsize("<" + SCALARS[inner]))
        if inner != STRING:
            raise ValueError(inner)
        for _ in range(length):
            (size,) = struct.unpack_from("<Q", raw, at)
            at = _within(raw, at + 8 + size)
        return None, at
    letter = "<" + SCALARS[kind]
    (value,) = struct.unpack_from(letter, raw, at)
    return value, at + struct.calcsize(letter)


def _string(raw: mmap.mmap, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from("<Q", raw, at)
    end = _within(raw, at + 8 + size)
    return raw[at + 8 : end].decode("utf-8", "replace"), end


def _within(raw: mmap.mmap, at: int) -> int:
    if at > len(raw):
        raise ValueError(at)
    return at
