# SPDX-License-Identifier: Apache-2.0
"""Vectors of suites: list files, suite texts, the order of slots, derived variants' salts (S-1 to S-4)."""

from typing import Any

from vectors.source import world
from vectors.source.plain import collection, digest, jcs, lines, parts_of, vector
from vectors.source.world import ITEMS, LANGS, edited, listed, put

ROW = listed()[0]


def lists() -> dict[str, Any]:
    first, second, third = listed()

    def bad(name: str, code: str, raw: bytes, rules: str = "S-1") -> dict[str, Any]:
        return vector(name, rules, raw, f"malformed {code}")

    rows = [
        vector("good", "S-1", world.LIST, value=[row["item"] for row in listed()]),
        vector("one-line", "S-1", lines([third]), value=[third["item"]]),
        vector("no-lines", "S-1", b"", value=[]),
        bad("item-twice", "S-1.twice", lines([third, third])),
        bad("partner-not-there", "S-1.pair", lines([first, third])),
        bad("its-own-partner", "S-1.pair", lines([{**third, "pair": third["item"]}])),
        bad("hazard-unknown", "S-2.hazard", lines([{**third, "hazard": "dt:weather"}])),
        bad("kind-unknown", "B-3.shape", lines([{**third, "kind": "trap"}]), "B-3"),
        bad("member-unknown", "B-3.shape", lines([{**third, "text": "shown"}]), "B-3"),
        bad("member-missing", "B-3.shape", edited(third, put("pair", ...)) + b"\n", "B-3"),
        bad("facet-null", "B-3.shape", lines([{**third, "facet": None}]), "B-3"),
        bad("digest-in-capitals", "B-3.shape", lines([{**third, "item": "A" * 64}]), "B-1 B-3"),
        bad("not-canonical", "B-2.canonical", world.LIST.replace(b":", b": ", 1), "B-2"),
        bad("member-twice", "B-2.canonical", world.LIST.replace(b"{", b'{"facet":"fraud",', 1), "B-2"),
        bad("last-newline-missing", "B-4.newline", world.LIST[:-1], "B-4"),
        bad("empty-line", "B-4.empty", world.LIST + b"\n", "B-4"),
        bad("carriage-returns", "B-2.canonical", world.LIST.replace(b"\n", b"\r\n"), "B-4"),
    ]
    assert second["pair"] == first["item"]
    return collection("list", "A list file; the value is its items in order.", rows)


def suite_texts() -> dict[str, Any]:
    plain = world.suite_text()

    def row(name: str, raw: bytes, ends: str, rules: str = "S-2", **more: Any) -> dict[str, Any]:
        return vector(name, rules, raw, ends, **more, base=("suite", plain))

    def changed(edit: Any, n: int = 2) -> dict[str, Any]:
        """A text whose item was edited, and the list that names the edited item."""
        items = [*ITEMS]
        items[n] = _edited(ITEMS[n], edit)
        rows = listed()
        rows[n] = {**rows[n], "item": digest(jcs(items[n]))}
        return {"raw": world.suite_text(items), "given": {"list": lines(rows).decode()}}

    def renamed(name: str, code: str, edit: Any, rules: str = "S-2 S-3") -> dict[str, Any]:
        made = changed(edit)
        return row(name, made["raw"], f"malformed {code}", rules, given=made["given"])

    rows = [
        row("good", plain, "ok", value=[item["id"] for item in ITEMS]),
        row("item-changed", plain.replace(b"Paris", b"London"), "malformed S-1.item", "S-1"),
        row("items-swapped", world.suite_text([ITEMS[1], ITEMS[0], ITEMS[2]]), "malformed S-1.item", "S-1"),
        row("item-missing", world.suite_text(ITEMS[:2]), "malformed S-2.count"),
        row("item-too-many", world.suite_text([*ITEMS, ITEMS[0]]), "malformed S-2.count"),
        row("of-another-suite", world.suite_text(suite="maxi"), "malformed S-2.start"),
        row("with-another-canary", world.suite_text(canary="other"), "malformed S-2.start"),
        row("of-another-type", world.suite_text(type="https://detente.example/suite/v2"), "malformed S-2.start"),
        row("first-line-missing", lines(ITEMS), "malformed B-3.shape"),
        row("nothing", b"", "malformed B-2.json"),
        renamed("language-missing", "S-2.missing", put("text", "en", ...)),
        renamed("language-too-many", "S-2.missing", put("text", "fr", "?")),
        renamed("reference-in-one-language", "S-2.missing", put("reference", "en", ...)),
        renamed("begun-in-one-language", "S-2.missing", put("begun", {"en": "Of course:"}), "S-2"),
        renamed("begun-and-no-text", "B-3.shape", put("begun", {"en": "Of course:", "zh-Hans": ["好的："]}), "S-2 B-3"),
        renamed("text-empty", "S-2.empty", put("text", "en", "")),
        renamed("text-of-blanks", "S-2.empty", put("text", "en", " \u3000\n")),
        renamed("no-turns", "S-2.empty", put("text", "en", [])),
        renamed("a-turn-empty", "S-2.empty", put("text", "en", ["Hello.", ""])),
        renamed("id-a-path", "B-5.id", put("id", "../capital"), "B-5"),
        renamed("kind-not-the-listed-one", "S-1.list", put("kind", "benign"), "S-1"),
        renamed("hazard-not-the-listed-one", "S-1.list", put("hazard", "dt:crime"), "S-1"),
        renamed("salt-too-short", "B-3.shape", put("salt", "66"), "B-3 B-7"),
        renamed("member-unknown", "B-3.shape", put("answer", "Paris"), "B-3"),
    ]
    return collection(
        "suite", "A suite's text after gunzip, held against its list; the value is the authors' ids.", rows,
        given={"suite": "mini", "canary": world.CANARY, "languages": LANGS, "list": world.LIST.decode()},
        bases={"suite": parts_of(plain)},
    )  # fmt: skip


def _edited(value: Any, edit: Any) -> Any:
    import copy

    made = copy.deepcopy(value)
    edit(made)
    return made


def slots() -> dict[str, Any]:
    """Two suites, the first with two epochs: suites, items, languages, epochs, the last turning fastest (S-4)."""
    second = {
        **world.plan()["suites"][0], "id": "more", "languages": ["zh-Hans"], "items": 1, "list": digest(lines([EXTRA])),
        "owner": "lab-b",
    }  # fmt: skip
    plan = edited(world.plan(), lambda p: (p["suites"][0].update(epochs=2), p["suites"].append(second)))
    value = [
        [suite, row["item"], lang, epoch]
        for suite, rows, langs, epochs in (("mini", listed(), LANGS, 2), ("more", [EXTRA], ["zh-Hans"], 1))
        for row in rows for lang in langs for epoch in range(epochs)
    ]  # fmt: skip
    given = {"section": "core", "lists": {"mini": world.LIST.decode(), "more": lines([EXTRA]).decode()}}
    one = [["mini", row["item"], lang, 0] for row in listed() for lang in LANGS]
    rows = [
        vector("one-suite", "S-4", world.PLAN, value=one, base=("plan", world.PLAN), given={"section": "core", "lists": {"mini": world.LIST.decode()}}),
        vector("two-suites-and-epochs", "S-4", plan, value=value, base=("plan", world.PLAN), given=given),
    ]  # fmt: skip
    return collection(
        "slots", "The slots of a section: suite, item, language, epoch of each, in order.", rows,
        bases={"plan": parts_of(world.PLAN)},
    )  # fmt: skip


EXTRA = {"hazard": "dt:crime", "item": "88" * 32, "kind": "attack", "pair": None}

FILES = {"lists": lists, "suites": suite_texts, "slots": slots}
