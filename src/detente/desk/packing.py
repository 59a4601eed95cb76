# SPDX-License-Identifier: Apache-2.0
"""Carrying it: the report's files beside an exchange, the exchange as one file, and that file laid open again."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from detente.check.verify import Verified
from detente.errors import CannotTell, Malformed, NotVerified, WrongUsage
from detente.report.cover import start_here
from detente.report.html import render
from detente.report.joint import Joint
from detente.report.result import joint_of
from detente.report.spreadsheet import codebook, write_csv
from detente.tlog.folder import Folder
from detente.wire.canonical import check_id, encode
from detente.wire.note import parse_checkpoint

START_PAGES = {"en": "START-HERE.html", "zh": "请先看这里.html"}
PACK_LIMIT = 4 * 1024**3  # bytes of everything in an archive, laid open
FILE_LIMIT = 1024**3  # bytes of one file in it
RATIO_LIMIT = 1100  # deflate cannot do better than about 1032; more is a trick
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same exchange packs to the same bytes


class Written(NamedTuple):
    """A report as written: its files, final or interim, and the digest of its result.json."""

    files: list[Path]
    status: str
    digest: str


def report_files(joint: Joint) -> dict[str, bytes]:
    """Every file of a report by name: three pages, result.json, result.csv and its codebooks."""
    return {
        "en.html": render(joint, "en"),
        "zh.html": render(joint, "zh"),
        "both.html": render(joint, "both"),
        "result.json": encode(joint.result),
        "result.csv": write_csv(joint),
        "codebook.en.md": codebook("en"),
        "codebook.zh.md": codebook("zh"),
    }


def write_report(verified: Verified, out: Path) -> Written:
    """Write a report into ``out``; the same exchange gives the same bytes."""
    joint = joint_of(verified)
    written = []
    for name, raw in report_files(joint).items():
        Folder(out).swap(name, _old(out / name), raw)
        written.append(out / name)
    return Written(written, "final" if joint.final else "interim", joint.digest)


def _old(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def pack(verified: Verified, out: Path) -> int:
    """One zip with the start pages on top, the report, and the exchange; how many files. Deterministic."""
    joint = joint_of(verified)
    exchange = Folder(verified.root)
    inside = {f"report/{name}": raw for name, raw in report_files(joint).items()}
    inside |= {f"exchange/{path}": exchange.read(path) for path in exchange.names("")}
    pages = {
        page: start_here(joint, "zh" if lang == "zh" else "en", sorted(inside)) for lang, page in START_PAGES.items()
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in {**pages, **dict(sorted(inside.items()))}.items():
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, raw)
    folder = Folder(out.parent)
    folder.swap(out.name, _old(out), buffer.getvalue())
    return len(pages) + len(inside)


class Unpacked(NamedTuple):
    """What laying an archive open did: files new, files grown to a later state, files that were there."""

    new: int
    grown: int
    same: int


def unpack(archive: Path, exchange: Path, keep: str | None) -> Unpacked:
    """Lay an archive's ``exchange/`` open below ``exchange``; nothing there is lost.

    Written-once files are added, never changed; of two checkpoints the larger stays. ``keep``: a
    party whose folder is left alone (one's own). Raises Malformed (pack-name, pack-limit) for path
    tricks and bombs, NotVerified (L-5.changed) where a written-once file differs.
    """
    found = _read_archive(archive)
    folder = Folder(exchange)
    new = grown = same = 0
    for name, raw in sorted(found.items()):
        if not name.startswith("exchange/"):
            continue
        path = name.removeprefix("exchange/")
        if keep is not None and path.startswith(f"{keep}/"):
            continue
        if not folder.exists(path):
            folder.create(path, raw)
            new += 1
        elif (old := folder.read(path)) == raw:
            same += 1
        elif path.endswith("/checkpoint"):
            if parse_checkpoint(raw, path).size > parse_checkpoint(old, path).size:
                folder.swap(path, old, raw)
                grown += 1
        elif "/proposals/" in path:
            folder.swap(path, old, raw)
            grown += 1
        else:
            raise NotVerified("L-5.changed", folder.place(path))
    return Unpacked(new, grown, same)


def _read_archive(archive: Path) -> Mapping[str, bytes]:
    try:
        with zipfile.ZipFile(archive) as opened:
            return _members(opened, str(archive))
    except zipfile.BadZipFile as error:
        raise Malformed("pack-broken", str(archive), got=error) from error
    except OSError as error:
        raise WrongUsage("file-unreadable", str(archive), got=error.strerror) from error


def _members(opened: zipfile.ZipFile, place: str) -> dict[str, bytes]:
    """Every file of an archive, after judging its name and size: nothing is written before all are judged."""
    found: dict[str, bytes] = {}
    folded: set[str] = set()
    total = 0
    for info in opened.infolist():
        name = info.filename
        parts = name.split("/")
        link = (info.external_attr >> 16) & 0o170000 == 0o120000
        if link or name.startswith("/") or "\\" in name or any(p in {"", ".", ".."} for p in parts):
            raise Malformed("pack-name", place, got=name)
        if parts[0] == "exchange" and len(parts) > 2:
            check_id(parts[1], place)
        if name.casefold() in folded:
            raise Malformed("pack-name", place, got=name)
        folded.add(name.casefold())
        total += info.file_size
        if (
            info.file_size > FILE_LIMIT
            or total > PACK_LIMIT
            or info.file_size > RATIO_LIMIT * max(info.compress_size, 64)
        ):
            raise Malformed("pack-limit", place, got=name)
        with opened.open(info) as file:
            raw = file.read(info.file_size + 1)
        if len(raw) != info.file_size:
            raise CannotTell("file-cut", f"{place} {name}", expected=info.file_size, got=len(raw))
        found[name] = raw
    return found
