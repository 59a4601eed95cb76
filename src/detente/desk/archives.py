# SPDX-License-Identifier: Apache-2.0
"""Zip files in which an exchange, or one run of it, travels: made the same from the same, and judged before a byte of them is believed."""

import errno
import io
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

from detente.desk.given import unreadable
from detente.errors import CannotTell, DetenteError, Malformed
from detente.tlog.folder import is_leftover
from detente.wire.canonical import check_id, is_device

PACK_LIMIT = 4 * 1024**3  # bytes of everything in an archive, laid open
FILE_LIMIT = 1024**3  # bytes of one file in it
RATIO_LIMIT = 1100  # deflate cannot do better than about 1032; more is a trick
MOST_NAME = 255  # bytes that file systems allow a name
FORBIDDEN = set('\\:?*"<>|')  # what Windows cannot have in a name, or takes for something else
# All that zipfile was seen to raise on bytes that are not a sound archive.
BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError,
)  # fmt: skip
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same exchange packs to the same bytes


def zipped(files: Mapping[str, bytes]) -> bytes:
    """An archive of these files, in their order; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, raw)
    return buffer.getvalue()


def looks_packed(path: Path) -> bool:
    """Whether this is a file that begins as an archive does, also if the rest of it was cut off."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def open_archive(archive: Path) -> zipfile.ZipFile:
    """An archive that can be read at all; Malformed (pack-broken), or as ``unreadable``."""
    try:
        return zipfile.ZipFile(archive)
    except (*BROKEN, OSError) as error:
        raise _unsound(error, str(archive)) from error


def read_member(opened: zipfile.ZipFile, info: zipfile.ZipInfo, place: str) -> bytes:
    """One file of an archive, its check sum held; Malformed (pack-broken), CannotTell (file-cut)."""
    try:
        with opened.open(info) as file:
            raw = file.read(info.file_size + 1)
    except (*BROKEN, OSError) as error:
        raise _unsound(error, place, info.filename) from error
    if len(raw) != info.file_size:
        raise CannotTell("file-cut", f"{place} {info.filename}", expected=info.file_size, got=len(raw))
    return raw


def _unsound(error: Exception, archive: str, name: str = "") -> DetenteError:
    """What to tell of an archive that zipfile gave up on; to look before its beginning (EINVAL) is its own fault, not the disk's."""
    if isinstance(error, OSError) and error.errno != errno.EINVAL:
        return unreadable(error, Path(archive))
    return Malformed("pack-broken", f"{archive} {name}".rstrip(), got=error)


def members_below(
    top: str, opened: zipfile.ZipFile, place: str, beside: Collection[str] = ()
) -> dict[str, zipfile.ZipInfo]:
    """The files of an archive that lie in folders of parties below ``top``, by path, after judging every name and size in it.

    ``beside``: names of files that may lie beside those folders. Raises Malformed (pack-name, pack-limit,
    pack-broken), and pack-empty where there is no such file.
    """
    found: dict[str, zipfile.ZipInfo] = {}
    spelled: dict[str, str] = {}
    total = 0
    for info in opened.infolist():
        name = info.filename
        if info.flag_bits & 1 or info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise Malformed("pack-broken", place, got=f"{name}: encrypted, or not deflated")
        judge_name(info, spelled, place)
        total += info.file_size
        most = RATIO_LIMIT * max(info.compress_size, 64)
        if total > PACK_LIMIT or info.file_size > min(FILE_LIMIT, most):
            raise Malformed("pack-limit", place, got=name)
        above, _, path = name.partition("/")
        if above == top and ("/" in path or path in beside) and not info.is_dir() and not is_leftover(path):
            if path not in beside:
                check_id(path.split("/")[0], f"{place} {name}")
            found[path] = info
    if not found:
        raise Malformed("pack-empty", place)
    return found


def judge_name(info: zipfile.ZipInfo, spelled: dict[str, str], place: str) -> None:
    """A name that leads nowhere else, that every system can hold, and that is spelled one way and stands there once."""
    name = info.orig_filename  # ``filename`` stops at a NUL
    parts = name.removesuffix("/").split("/")
    link = (info.external_attr >> 16) & 0o170000 not in {0, stat.S_IFREG, stat.S_IFDIR}
    odd = any(map(_is_odd, parts))
    long = any(len(part.encode("utf-8", "replace")) > MOST_NAME for part in parts) or len(name) > 4 * MOST_NAME
    if link or odd or long or any(part in {"", ".", ".."} for part in parts):
        raise Malformed("pack-name", place, got=name)
    for n in range(1, len(parts) + 1):
        here = "/".join(parts[:n])
        folded = unicodedata.normalize("NFC", here).casefold()
        is_folder = n < len(parts) or info.is_dir()
        # A folder may come again, spelled the same; a file never.
        if folded in spelled and not (is_folder and spelled[folded] == f"{here}/"):
            raise Malformed("pack-name", place, got=name)
        spelled[folded] = f"{here}/" if is_folder else here


def _is_odd(part: str) -> bool:
    """Whether some system cannot hold this part of a path under this very name: signs, devices, ends that are dropped."""
    stem = unicodedata.normalize("NFKC", part.partition(".")[0]).strip().casefold()
    signs = any(c in FORBIDDEN or unicodedata.category(c) in {"Cc", "Cs"} for c in part)
    return signs or part.endswith((".", " ")) or is_device(stem)
