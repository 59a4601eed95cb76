# SPDX-License-Identifier: Apache-2.0
"""From what a reader of some format found to the rows of a suite: ids of ours, tags, hazards, licences, and a report of it all."""

import json
import re
import unicodedata
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from detente.errors import Malformed, WrongUsage
from detente.pact.hazards import hazards_by_id
from detente.suites.findings import Finding, Spot, found, in_order
from detente.suites.imports.facts import SUGGESTED, Facts, Meaning
from detente.suites.imports.mapping import LEAVE_OUT, Mapped
from detente.suites.imports.tables import Record
from detente.suites.source import SuiteRow, complaint
from detente.wire.canonical import check_id, check_language
from detente.wire.digests import sha256

ID = 32  # characters of an id (B-5)
MARK = 8  # digits of a digest that tell two long ids apart
NAMED = 8  # categories that an error names
FIRST = ("id", "lang", "hazard", "facet", "kind", "pair", "text", "reference")  # members, as a reader looks for them


class Wishes(NamedTuple):
    """A hazard for what nobody maps, whether our suggestions are taken, and whether all stays as published."""

    hazard: str | None = None
    suggested: bool = False
    as_published: bool = False


class Order(NamedTuple):
    """What a person asked for: where from, by which mapping file, which languages, and what else."""

    src: Path
    mapped: Mapped = Mapped()
    languages: tuple[str, ...] = ()
    wishes: Wishes = Wishes()


class Piece(NamedTuple):
    """One text in one language as a source has it.

    ``key`` is the item's id there, the same in all its languages; ``lang`` the tag as written there; ``category`` its
    word for the hazard; ``more`` the members of a row that the source knows (``pair`` as a key).
    """

    record: Record
    key: str
    lang: str
    text: str | list[str]
    category: str = ""
    kind: str | None = None
    more: Mapping[str, Any] = {}

    @property
    def spot(self) -> Spot:
        """Where it stands in the source."""
        text = self.text if isinstance(self.text, str) else "\n".join(self.text)
        return Spot(self.record.file, self.record.row, self.key, self.lang, text)


class Imported(NamedTuple):
    """A suite as imported, not yet written: both files' members, what was told on the way, and the report beside them."""

    head: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    findings: Sequence[Finding]
    report: bytes


def build(kind: str, name: str, pieces: Sequence[Piece], facts: Facts, order: Order, told: list[Finding]) -> Imported:
    """The suite ``name`` of what was read.

    WrongUsage: import-no-rows (nothing left), import-unmapped, or where we suggest nothing import-unmapped-own
    (categories that mean no hazard of ours, all named with their numbers), import-language (a language that is asked for
    and not there), import-value (a member that no row may have), import-id (a name that makes no id).
    """
    tagged = _tagged(_filled(pieces, told), facts, order, told)
    once = tagged if order.wishes.as_published else _once(tagged, told)
    kept = _of_one_hazard(_known(_in_languages(once, order), facts, order, told))
    if not kept:
        raise WrongUsage("import-no-rows", str(order.src))
    ids = item_ids(piece.key for piece, _ in kept)
    rows = [_row(piece, meaning, ids, facts, order) for piece, meaning in kept]
    told += _lost([piece for piece, _ in kept], ids)
    head = _head(name, rows, facts, order)
    if not order.wishes.as_published:
        told += _apart([piece for piece, _ in kept], told)
    rank, langs = {item: n for n, item in enumerate(ids.values())}, list(head["languages"])
    rows.sort(key=lambda row: (rank[row["id"]], langs.index(row["lang"])))
    told += _licence(head, rows, facts)
    findings = in_order(told)
    return Imported(head, rows, findings, _report(kind, head, rows, [piece for piece, _ in kept], findings, facts))


def item_ids(keys: Iterable[str]) -> dict[str, str]:
    """Key of a source -> id of ours (B-5): the key itself where it is one, else what is left of it and a mark."""
    ids: dict[str, str] = {}
    taken: set[str] = set()
    for key in dict.fromkeys(keys):
        plain = re.sub(r"[^a-z0-9]+", "-", unicodedata.normalize("NFKC", key).casefold()).strip("-")
        made = plain
        if len(plain) > ID or not plain or made in taken or not _is_id(made):
            mark = sha256(key.encode("utf-8"))[:MARK]
            made = f"{plain[: ID - MARK - 1].strip('-') or 'item'}-{mark}"
        ids[key] = made
        taken.add(made)
    return ids


def _is_id(text: str) -> bool:
    try:
        check_id(text)
    except Malformed:
        return False
    return True


def _filled(pieces: Sequence[Piece], told: list[Finding]) -> list[Piece]:
    """The pieces that say something; empty ones are told."""
    kept = []
    for piece in pieces:
        turns = [piece.text] if isinstance(piece.text, str) else piece.text
        if turns and all(turn.strip() for turn in turns):
            kept.append(piece)
        else:
            told.append(found("import-empty", piece.spot))
    return kept


def _tagged(pieces: Sequence[Piece], facts: Facts, order: Order, told: list[Finding]) -> list[Piece]:
    """The pieces under tags of ours: the mapping file's, else the format's; as published they stay as they are."""
    made: dict[str, str] = {}
    first: dict[str, Piece] = {}
    for piece in pieces:
        first.setdefault(piece.lang, piece)
    for lang, piece in first.items():
        tag = order.mapped.value("lang", lang) or (lang if order.wishes.as_published else facts.tags.get(lang, lang))
        made[lang] = tag
        if tag != lang:
            told.append(found("import-tag", piece.spot._replace(text=""), got=lang, expected=tag))
        if not order.wishes.as_published:
            try:
                check_language(tag)
            except Malformed as error:
                raise WrongUsage("import-language-tag", piece.record.place, got=lang) from error
    return [piece._replace(lang=made[piece.lang]) for piece in pieces]


def _once(pieces: Sequence[Piece], told: list[Finding]) -> list[Piece]:
    """The pieces without those that say again, word for word, what stands under their id and language already.

    Published sets come as one file of all rows and files of parts of it. Where the words differ both stay, for the check to find.
    """
    first: dict[tuple[str, str], Piece] = {}
    again: dict[str, list[Piece]] = {}
    kept = []
    for piece in pieces:
        before = first.setdefault((piece.key, piece.lang), piece)
        if before is not piece and _plain(before) == _plain(piece):
            again.setdefault(piece.record.file, []).append(piece)
        else:
            kept.append(piece)
    for gone in again.values():
        spot = first[gone[0].key, gone[0].lang].spot
        told.append(found("import-repeated", gone[0].spot._replace(text=""), spot._replace(text=""), n=len(gone)))
    return kept


def _plain(piece: Piece) -> str:
    return piece.spot.text.replace("\r\n", "\n")


def _in_languages(pieces: Sequence[Piece], order: Order) -> list[Piece]:
    """The pieces in the languages that were asked for; where nothing is left at all, no language is to blame."""
    if not pieces:
        return []
    there = list(dict.fromkeys(piece.lang for piece in pieces))
    for lang in order.languages:
        if lang not in there:
            raise WrongUsage("import-language", "--languages", expected=", ".join(there) or "-", got=lang)
    return [piece for piece in pieces if not order.languages or piece.lang in order.languages]


def _known(pieces: Sequence[Piece], facts: Facts, order: Order, told: list[Finding]) -> list[tuple[Piece, Meaning]]:
    """The pieces with the hazard that each one's category means; WrongUsage (import-unmapped) names all that mean none."""
    kept: list[tuple[Piece, Meaning]] = []
    unmapped: Counter[str] = Counter()
    suggested: dict[str, tuple[Spot, str]] = {}
    left_out: dict[str, list[Piece]] = {}
    for piece in pieces:
        meaning = meaning_of(piece.category, facts, order)
        if meaning is None:
            unmapped[piece.category or "-"] += 1
        elif meaning.hazard == LEAVE_OUT:
            left_out.setdefault(piece.category, []).append(piece)
        else:
            if meaning.by == SUGGESTED:
                suggested.setdefault(piece.category, (piece.spot._replace(text=""), meaning.hazard))
            kept.append((piece, meaning))
    if unmapped:
        names = "; ".join(f"{name} ({n})" for name, n in unmapped.most_common(NAMED))
        more = "…" if len(unmapped) > NAMED else ""
        near = sum(
            meaning_of(name, facts, order._replace(wishes=Wishes(suggested=True))) is not None for name in unmapped
        )
        if not near:
            raise WrongUsage("import-unmapped-own", str(order.src), got=names + more, n=sum(unmapped.values()))
        raise WrongUsage("import-unmapped", str(order.src), got=names + more, n=sum(unmapped.values()), near=near)
    for category, (spot, hazard) in suggested.items():
        told.append(found("import-suggested", spot, got=category, hazard=hazard))
    for category, gone in left_out.items():
        told.append(found("import-category-left-out", gone[0].spot._replace(text=""), got=category, n=len(gone)))
    return kept


def _of_one_hazard(kept: list[tuple[Piece, Meaning]]) -> list[tuple[Piece, Meaning]]:
    """The pieces, a harmless one under the hazard of the partner that it has: a pair is of one hazard (suite check, pair-kind)."""
    hazards = {piece.key: meaning for piece, meaning in kept if (piece.kind or meaning.kind) != "benign"}
    return [
        (piece, meaning._replace(hazard=hazards[pair].hazard))
        if meaning.kind == "benign" and (pair := str(piece.more.get("pair"))) in hazards
        else (piece, meaning)
        for piece, meaning in kept
    ]


def meaning_of(category: str, facts: Facts, order: Order) -> Meaning | None:
    """What a category means, by the mapping file, the format's own facts, our own ids, or ``--hazard`` where all are silent.

    Where a source names several (``a|b``), they speak only if they all mean one hazard.
    """
    said = [_said_meaning(category, facts, order)]
    if said == [None]:
        said = [_said_meaning(part, facts, order) for part in category.split("|")]
    if said[0] is not None and all(one is not None and one.hazard == said[0].hazard for one in said):
        return said[0]
    given = order.wishes.hazard or order.mapped.constants.get("hazard")
    return Meaning(given, "given") if given else None


def _said_meaning(category: str, facts: Facts, order: Order) -> Meaning | None:
    mapped = order.mapped.value("hazard", category)
    if mapped is not None:
        return Meaning(mapped, "map")
    known = facts.categories.get(category)
    if known is not None and (known.by != SUGGESTED or order.wishes.suggested):
        return known
    return Meaning(category, "own") if category in hazards_by_id() else None


def _apart(pieces: Sequence[Piece], told: Sequence[Finding]) -> list[Finding]:
    """What is to be told of languages that have no item with any other language, where a reader has not told it of the file."""
    by_lang: dict[str, dict[str, Piece]] = {}
    for piece in pieces:
        by_lang.setdefault(piece.lang, {}).setdefault(piece.key, piece)
    spots = {lang: next(iter(keys.values())).spot._replace(text="", lang=lang) for lang, keys in by_lang.items()}
    known = {one.at.file for one in told if one.code == "import-not-joined"}
    in_languages = Counter(key for keys in by_lang.values() for key in keys)
    main = max(by_lang, key=lambda lang: (spots[lang].file not in known, len(by_lang[lang]), lang == "en"))
    findings = []
    for lang, keys in by_lang.items():
        if lang != main and spots[lang].file not in known and all(in_languages[key] == 1 for key in keys):
            fields = {"n": len(keys), "of": len(by_lang[main]), "other": main, "votes": 0, "agreed": 0}
            findings.append(found("import-not-joined", spots[lang], **fields))
    return findings


def _lost(pieces: Sequence[Piece], ids: Mapping[str, str]) -> list[Finding]:
    """What is to be told of partners that are not among the items taken: a pair that nobody misses is lost in silence."""
    lost = [piece for piece in pieces if (pair := piece.more.get("pair")) and str(pair) not in ids]
    if not lost:
        return []
    return [found("import-pair-lost", lost[0].spot._replace(text=""), got=lost[0].more["pair"], n=len(lost))]


def _row(piece: Piece, meaning: Meaning, ids: Mapping[str, str], facts: Facts, order: Order) -> dict[str, Any]:
    """One row of items.jsonl; WrongUsage (import-value) where a value of the source is none that the row may have."""
    constants = order.mapped.constants
    more = {name: one for name, one in piece.more.items() if one is not None and one != ""}
    if "pair" in more:
        more["pair"] = ids.get(more["pair"])
    row = {
        "facet": meaning.facet,
        "source": source_of(piece, facts),
        **constants,
        "id": ids[piece.key],
        "lang": piece.lang,
        "hazard": meaning.hazard,
        "kind": piece.kind or meaning.kind or constants.get("kind") or facts.kind,
        "text": piece.text,
        **more,
    }
    row = {name: row[name] for name in sorted(row, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))}
    judged = {name: one for name, one in row.items() if one is not None} | (
        {"lang": "en"} if order.wishes.as_published else {}
    )
    if (why := complaint(judged, SuiteRow)) is not None:
        raise WrongUsage("import-value", piece.record.place, got=why)
    return row


def source_of(piece: Piece, facts: Facts) -> str:
    """Where a text comes from, in one line: the set, its id there, its category there."""
    words = [facts.title["en"] or piece.record.file, piece.key]
    return ", ".join([*words, piece.category] if piece.category and piece.category not in hazards_by_id() else words)


def _head(name: str, rows: Sequence[Mapping[str, Any]], facts: Facts, order: Order) -> dict[str, Any]:
    given = order.mapped.head
    suite = given.get("id") or next(iter(item_ids([name]).values()))
    if not _is_id(suite):
        raise WrongUsage("import-id", str(order.src), got=suite)
    langs = list(dict.fromkeys(row["lang"] for row in rows))
    said = list(dict.fromkeys(row.get("licence") for row in rows))
    licences = [one for one in said if one is not None]
    title = given.get("title") or {tag: text or suite for tag, text in facts.title.items()}
    return {
        "id": suite,
        "title": title,
        "licence": given.get("licence") or facts.licence or (said[0] if len(said) == 1 else None),
        "languages": sorted(langs, key=lambda tag: (tag.partition("-")[0] != "en", langs.index(tag))),
        "hazards": list(dict.fromkeys(row["hazard"] for row in rows)),
        "authors": given.get("authors"),
        "canary": given.get("canary") or f"detente canary {uuid.uuid4()} {suite} do not train",
        "x_source": facts.source or None,
        "x_licences": licences if len(licences) > 1 else None,
    }


def _licence(head: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], facts: Facts) -> list[Finding]:
    spot = Spot("suite.toml")
    every = {str(row.get("licence") or head["licence"] or "") for row in rows}
    told = []
    if "" in every:
        told.append(found("import-licence-none", spot))
    closed = sorted(one for one in every if "-NC-" in f"{one}-")
    if closed or facts.non_commercial:
        told.append(found("import-non-commercial", spot, got=", ".join(closed) or head["licence"]))
    if facts.public:
        told.append(found("import-public", spot))
    return told


def _report(
    kind: str,
    head: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    pieces: Sequence[Piece],
    findings: Sequence[Finding],
    facts: Facts,
) -> bytes:
    """import-report.json: what came from which file, and everything that was told, in both languages."""
    files = Counter(piece.record.file for piece in pieces)
    report = {
        "kind": kind,
        "source": facts.source or None,
        "suite": head["id"],
        "licence": head["licence"],
        "files": [{"file": file, "rows": n} for file, n in files.items()],
        "languages": dict(Counter(row["lang"] for row in rows)),
        "hazards": dict(Counter(row["hazard"] for row in rows)),
        "items": len({row["id"] for row in rows}),
        "rows": len(rows),
        "findings": [
            {
                "code": one.code,
                "severity": one.severity,
                "at": one.at._replace(text="")._asdict(),
                "what": {"en": one.what("en"), "zh-Hans": one.what("zh")},
                "fields": {name: str(value) for name, value in one.fields.items()},
            }
            for one in findings
        ],
    }
    return (json.dumps(report, ensure_ascii=False, indent=2) + "\n").encode("utf-8")
