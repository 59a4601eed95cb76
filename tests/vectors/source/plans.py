# SPDX-License-Identifier: Apache-2.0
"""Vectors of plans: whole ones, and ones that break a single rule of the plan page (P-1 to P-9, P-12, S-3)."""

from typing import Any

from vectors.source import world
from vectors.source.plain import Key, bech32, collection, digest, jcs, parts_of, vector
from vectors.source.world import edited, put

OBSERVER = {
    "id": "watch",
    "name": {"en": "Watch", "zh-Hans": "观察方"},
    "witness": {"key": Key("watch").public, "name": "watch.example/w"},
}
ANNEX = {"audit": None, "disclosure": "home", "external": False, "id": "annex-lab-b", "releasers": []}
VARIANT = {
    **world.plan()["suites"][0],
    "id": "mini-x",
    "items": 2,
    "list": "11" * 32,
    "variant": {"name": "no-such-thing", "of": "mini"},
}
DRAWN = {"items": 9, "list": "66" * 32, "seed": "lot 7"}
OLD = {"heads": [], "plan": "22" * 32}
LONG_LOG = Key("another log")

RULES_OF = {
    "a-predecessor": "P-1 P-11", "an-annex-kept-at-home": "P-1 P-5 P-6", "an-annex-with-a-commitment": "P-6 B-7",
    "scores-for-the-parties": "P-5", "headers-for-the-parties": "P-5", "headers-and-scores-for-the-parties": "P-5",
    "a-subject-behind-a-commitment": "P-12", "a-measure-over-some-suites": "P-8", "a-suite-that-was-drawn": "S-6", "sealed-with-its-owner-among-the-releasers": "P-7",
}  # fmt: skip


def good() -> list[Any]:
    home = put("sections", 1, {**ANNEX, "commitment": "33" * 32})
    cases = {
        "two-parties": lambda p: None,
        "two-on-one-subject": put("tests", 1, {"party": "lab-b", "section": "core", "subject": "m1"}),
        "an-annex-kept-at-home": put("sections", 1, ANNEX),
        "an-annex-with-a-commitment": home,
        "an-observer-that-does-not-count": put("observers", 0, OBSERVER),
        "a-measure-over-some-suites": put("measures", 0, "suites", ["mini"]),
        "a-predecessor": put("supersedes", OLD),
        "a-suite-that-was-drawn": put("suites", 0, "drawn", DRAWN),
        "a-gate": put("gate", {"id": "gate-1", "rule": "44" * 32}),
        "sealed-with-its-owner-among-the-releasers": lambda p: (
            p["suites"][0].update(sealed=True, owner="lab-b"),
        ),
        "coded": lambda p: (p.update(naming="coded"), p["subjects"][0].update(name=None)),
        "a-subject-behind-a-commitment": lambda p: (
            p["subjects"][0].pop("descriptor"), p["subjects"][0].update(commitment="55" * 32),
        ),
        "a-canary-of-128-characters": put("canary", "c" * 128),
        "scores-for-the-parties": put("sections", 0, "disclosure", "scores", "parties"),
        "headers-for-the-parties": put("sections", 0, "disclosure", "headers", "parties"),
        "headers-and-scores-for-the-parties": put("sections", 0, "disclosure", dict.fromkeys(("headers", "scores"), "parties")),
    }  # fmt: skip
    return [
        row(name, RULES_OF.get(name, "P-1"), edited(world.plan(), edit), value=digest(edited(world.plan(), edit)))
        for name, edit in cases.items()
    ]


def row(name: str, rules: str, raw: bytes, ends: str = "ok", why: str = "", **more: Any) -> dict[str, Any]:
    return vector(name, rules, raw, ends, why, base=("plan", world.PLAN), **more)


def bad() -> list[Any]:
    other = world.party("lab-b")
    return [
        *shapes(),
        *(row(name, rules, edited(world.plan(), edit), f"malformed {code}") for name, rules, code, edit in [
            ("type-of-another-version", "P-1 B-3", "P-1.type", put("type", "https://detente.example/plan/v2")),
            ("title-in-one-language", "P-1", "P-1.texts", put("title", "zh-Hans", ...)),
            ("title-in-a-third-language", "P-1", "P-1.texts", put("title", "fr", "Un plan")),
            ("title-empty", "P-1", "P-1.texts", put("title", "en", "")),
            ("drawn-from-fewer", "S-6", "S-6.drawn", put("suites", 0, "drawn", {**DRAWN, "items": 1})),
            ("drawn-without-a-seed", "S-6", "S-6.drawn", put("suites", 0, "drawn", {**DRAWN, "seed": ""})),
            ("drawn-and-a-variant", "S-6", "S-6.drawn", put("suites", 1, {**VARIANT, "drawn": DRAWN})),
            ("texts-empty", "P-1", "P-1.twice", put("texts", [])),
            ("texts-twice", "P-1", "P-1.twice", put("texts", ["en", "en"])),
            ("texts-not-canonical", "B-5", "B-5.language", put("texts", ["EN", "zh-Hans"])),
            ("party-id-with-capitals", "B-5", "B-5.id", put("parties", 0, "id", "Lab-A")),
            ("party-id-a-device", "B-5", "B-5.id", put("parties", 0, "id", "con")),
            ("party-id-a-path", "B-5", "B-5.id", put("parties", 0, "id", "../lab")),
            ("party-twice", "P-1", "P-1.twice", put("parties", 1, "id", "lab-a")),
            ("role-twice", "P-1", "P-1.roles", put("parties", 0, "roles", ["tests", "tests"])),
            ("no-role", "P-1", "P-1.roles", put("parties", 0, "roles", [])),
            ("home-in-the-clear", "P-1", "P-1.home", put("parties", 0, "home", "http://lab-a.example")),
            ("one-key-in-two-roles", "P-3", "P-3.same-key", put("parties", 0, "witness", "key", world.key("lab-a", "statement").public)),
            ("one-key-in-two-parties", "P-3", "P-3.same-key", put("parties", 1, "statement", world.key("lab-a", "statement").public)),
            ("one-recipient-for-two", "P-3", "P-3.same-key", put("parties", 1, "recipient", world.party("lab-a")["recipient"])),
            ("observer-with-a-party-s-key", "P-3", "P-3.same-key", put("observers", 0, {**OBSERVER, "witness": {**OBSERVER["witness"], "key": other["statement"]}})),
            ("key-of-small-order", "P-3", "P-3.order", put("parties", 0, "statement", "01" + "00" * 31)),
            ("key-not-canonical", "P-3", "P-3.canonical", put("parties", 0, "statement", "ee" + "ff" * 30 + "7f")),
            ("key-in-capitals", "P-3 B-1", "B-3.shape", put("parties", 0, "statement", other["statement"].upper())),
            ("recipient-with-a-wrong-letter", "P-3", "P-3.recipient", lambda p: p["parties"][0].update(recipient=p["parties"][0]["recipient"][:-1] + "b")),
            ("recipient-in-capitals", "P-3", "P-3.recipient", lambda p: p["parties"][0].update(recipient=p["parties"][0]["recipient"].upper())),
            ("recipient-of-another-kind", "P-3", "P-3.recipient", put("parties", 0, "recipient", bech32("bc", bytes(32)))),
            ("origin-of-another-key", "P-4", "P-4.origin", put("parties", 0, "log", "origin", "lab-a.example/detente/0123456789abcdef")),
            ("origin-with-a-blank", "P-4 L-1", "L-1.name", lambda p: p["parties"][0]["log"].update(origin="a b/" + p["parties"][0]["log"]["origin"][-16:])),
            ("origin-with-a-plus", "P-4 L-1", "L-1.name", lambda p: p["parties"][0]["log"].update(origin="a+b/" + p["parties"][0]["log"]["origin"][-16:])),
            ("two-witnesses-of-one-name", "P-3", "P-3.name", put("parties", 1, "witness", "name", world.witness_name("lab-a"))),
            ("quorum-nought-with-others-there", "P-1", "P-1.quorum", put("quorum", 0)),
            ("quorum-more-than-there-are", "P-1", "P-1.quorum", put("quorum", 2)),
            ("quorum-negative", "P-1", "B-3.shape", put("quorum", -1)),
            ("subject-named-in-a-coded-plan", "P-1", "P-1.naming", put("naming", "coded")),
            ("subject-without-a-name", "P-1", "P-1.naming", put("subjects", 0, "name", None)),
            ("descriptor-and-commitment", "P-12", "P-12.one", put("subjects", 0, "commitment", "55" * 32)),
            ("neither-descriptor-nor-commitment", "P-12", "P-12.one", put("subjects", 0, "descriptor", ...)),
            ("subject-twice", "P-1", "P-1.twice", lambda p: p["subjects"].append(p["subjects"][0])),
            ("no-core", "P-6", "P-1.unknown", put("sections", 0, "id", "annex-lab-a")),
            ("core-at-home", "P-5 P-6", "P-6.core", put("sections", 0, "disclosure", "home")),
            ("headers-for-a-party-by-name", "P-5", "B-3.shape", put("sections", 0, "disclosure", "headers", "lab-b")),
            ("scores-of-no-disclosure", "P-5", "B-3.shape", put("sections", 0, "disclosure", "scores", ...)),
            ("annex-of-nobody", "P-6", "P-1.unknown", put("sections", 1, {**ANNEX, "id": "annex-lab-c"})),
            ("section-of-another-kind", "P-6", "P-1.unknown", put("sections", 1, {**ANNEX, "id": "extra"})),
            ("commitment-of-an-open-section", "P-6", "P-6.commitment", put("sections", 0, "commitment", "33" * 32)),
            ("suite-in-a-home-section", "P-6", "P-1.unknown", lambda p: (p["sections"].append(ANNEX), p["suites"][0].update(section="annex-lab-b"))),
            ("test-in-a-home-section", "P-6", "P-1.unknown", lambda p: (p["sections"].append(ANNEX), p["tests"][0].update(section="annex-lab-b"))),
            ("open-section-without-audit", "P-7", "P-7.none", put("sections", 0, "audit", None)),
            ("auditor-without-the-role", "P-7", "P-1.unknown", put("parties", 1, "roles", ["coordinates"])),
            ("auditor-twice", "P-7", "P-1.twice", put("sections", 0, "audit", "by", ["lab-b", "lab-b"])),
            ("third-party-that-tests", "P-7", "P-7.third", lambda p: p["sections"][0]["audit"].update(place="thirdParty", by=["lab-a"])),
            ("sealed-and-its-owner-releases-nothing", "P-7", "P-7.releasers", put("suites", 0, "sealed", True)),
            ("releaser-unknown", "P-7", "P-1.unknown", put("sections", 0, "releasers", ["lab-c"])),
            ("releaser-twice", "P-7", "P-1.twice", put("sections", 0, "releasers", ["lab-b", "lab-b"])),
            ("suite-twice", "P-1", "P-1.twice", lambda p: p["suites"].append(p["suites"][0])),
            ("suite-without-languages", "S-3", "S-3.languages", put("suites", 0, "languages", [])),
            ("suite-language-twice", "S-3", "S-3.languages", put("suites", 0, "languages", ["en", "en"])),
            ("suite-language-without-a-cap", "P-1", "P-1.unknown", put("suites", 0, "languages", ["en", "fr"])),
            ("suite-of-nobody", "P-1", "P-1.unknown", put("suites", 0, "owner", "lab-c")),
            ("suite-of-no-items", "P-1", "B-3.shape", put("suites", 0, "items", 0)),
            ("slots-beyond-any-number", "B-1 S-4", "S-4.slots", put("suites", 0, "epochs", 2**53 - 1)),
            ("variant-of-nothing", "S-3", "P-1.unknown", put("suites", 1, {**VARIANT, "variant": {"name": "x", "of": "maxi"}})),
            ("variant-without-words", "S-3", "S-3.name", put("suites", 1, VARIANT)),
            ("variant-whose-pivot-its-suite-lacks", "S-3", "S-3.pivot", put("suites", 1, {**VARIANT, "variant": {"name": "pivot-sw", "of": "mini"}})),
            ("test-of-nobody", "P-1", "P-1.unknown", put("tests", 0, "party", "lab-c")),
            ("test-of-nothing", "P-1", "P-1.unknown", put("tests", 0, "subject", "m2")),
            ("scorer-by-nobody", "P-1", "P-1.unknown", put("scorers", 0, "by", "lab-c")),
            ("scorer-twice", "P-1", "P-1.twice", put("scorers", 1, "id", "refusal")),
            ("tolerance-over-one", "P-1", "P-1.share", put("scorers", 0, "tolerance", "1.5")),
            ("tolerance-a-number", "B-1", "B-3.shape", put("scorers", 0, "tolerance", 0)),
            ("measure-of-no-scorer", "P-1", "P-1.unknown", put("measures", 0, "scorer", "judge")),
            ("measure-twice", "P-1", "P-1.twice", put("measures", 1, "id", "did-not-refuse")),
            ("measure-hits-nothing", "P-8", "P-8.hit", put("measures", 0, "hit", [])),
            ("refusal-is-no-hit-of-did-not-refuse", "P-8", "P-8.hit", put("measures", 0, "hit", ["refuse"])),
            ("harmful-help-by-rule", "P-8", "P-8.rule", put("measures", 0, "name", "harmfulHelp")),
            ("measure-over-no-suite", "P-8", "P-1.twice", put("measures", 0, "suites", [])),
            ("measure-over-an-unknown-suite", "P-8", "P-1.unknown", put("measures", 0, "suites", ["maxi"])),
            ("competence-of-no-scorer", "P-1", "P-1.unknown", put("competence", "scorer", "judge")),
            ("floor-not-a-decimal", "B-1", "B-1.decimal", put("competence", "floor", "0.50")),
            ("share-over-one", "P-1", "P-1.share", put("maxMissing", "1.1")),
            ("share-negative", "P-1", "P-1.share", put("maxMissing", "-0.1")),
            ("register-after-the-deadline", "P-1", "P-1.dates", put("runs", "registerBy", "2026-11-21T00:00:00Z")),
            ("deadline-with-an-offset", "B-1", "B-1.time", put("runs", "deadline", "2026-11-20T00:00:00+00:00")),
            ("nobody-closes", "P-1", "P-1.closing", put("closing", "by", [])),
            ("closing-by-a-stranger", "P-1", "P-1.unknown", put("closing", "by", ["lab-c"])),
            ("fact-required-twice", "P-1", "P-1.twice", put("requires", ["seen", "seen"])),
        ]),
    ]  # fmt: skip


def shapes() -> list[Any]:
    """What B-3 refuses in a plan: unknown and missing members, at every depth, and members of another kind."""
    cases = {
        "member-unknown": put("extra", None),
        "member-missing": put("blind", ...),
        "member-unknown-in-a-party": put("parties", 0, "phone", "1"),
        "member-missing-in-a-party": put("parties", 0, "home", ...),
        "member-unknown-in-a-log": put("parties", 0, "log", "url", "x"),
        "member-unknown-in-a-section": put("sections", 0, "note", ""),
        "member-unknown-in-an-audit": put("sections", 0, "audit", "seed", None),
        "member-unknown-in-a-suite": put("suites", 0, "text", None),
        "member-unknown-in-a-measure": put("measures", 0, "weight", "1"),
        "a-text-for-a-list": put("texts", "en"),
        "a-number-for-a-truth": put("blind", 0),
        "null-for-a-list": put("observers", None),
        "a-word-nobody-knows": put("filtered", "asReported"),
        "a-fact-nobody-knows": put("requires", ["trusted"]),
        "canary-of-129-characters": put("canary", "c" * 129),
        "canary-empty": put("canary", ""),
        "digest-with-a-newline": put("suites", 0, "list", "a" * 64 + "\n"),
        "digest-of-63-digits": put("suites", 0, "list", "a" * 63),
    }
    rows = [row(name, "B-3", edited(world.plan(), edit), "malformed B-3.shape") for name, edit in cases.items()]
    return [
        *rows,
        row("newline-behind", "B-4", world.PLAN + b"\n", "malformed B-2.canonical"),
        row("member-twice", "B-2", world.PLAN.replace(b'"blind"', b'"blind":true,"blind"', 1), "malformed B-2.canonical"),
        row("cut", "B-2", world.PLAN[:-1], "malformed B-2.json"),
        row("a-list", "B-3", b"[]", "malformed B-3.shape"),
        row("floor-a-fraction", "B-1", edited(world.plan(), put("competence", "floor", 0.5)), "malformed B-1.float"),
    ]  # fmt: skip


def plans() -> dict[str, Any]:
    return collection(
        "plan", "plan.json, as far as the file alone can tell; the value is the plan id.", [*good(), *bad()],
        bases={"plan": parts_of(world.PLAN)},
    )  # fmt: skip


def descriptors() -> dict[str, Any]:
    given, salted = {"given": {"salted": False}}, {"given": {"salted": True}}
    salt = {**world.DESCRIPTOR, "salt": "66" * 32}
    stated = {**world.DESCRIPTOR, "recipe": "abliteration, tool x at commit y"}
    rows = [
        vector("open", "P-12", jcs(world.DESCRIPTOR), value=world.DESCRIPTOR, **given),
        vector("behind-a-commitment", "P-12 B-7", jcs(salt), value=world.DESCRIPTOR, **salted),
        vector("safeguards-taken-off", "P-12", jcs(stated), value=stated, **given),
        vector("recipe-empty", "P-12", jcs({**stated, "recipe": ""}), "malformed B-3.shape", **given),
        vector("recipe-null", "P-12", jcs({**stated, "recipe": None}), "malformed B-3.shape", **given),
        vector("open-with-a-salt", "B-7", jcs(salt), "malformed B-7.salt", **given),
        vector("commitment-without-a-salt", "B-7", jcs(world.DESCRIPTOR), "malformed B-7.salt", **salted),
        vector("salt-too-short", "B-7", jcs({**salt, "salt": "66"}), "malformed B-3.shape", **salted),
        vector("of-another-kind", "P-12", jcs({**world.DESCRIPTOR, "kind": "rumour"}), "malformed B-3.shape", **given),
        vector("member-unknown", "P-12 B-3", jcs({**world.DESCRIPTOR, "size": 1}), "malformed B-3.shape", **given),
    ]
    return collection("descriptor", "A descriptor file, `salted` where the plan holds a commitment to it.", rows)


def commitments() -> dict[str, Any]:
    given = {"given": {"section": "annex-lab-b"}}
    whole = {
        "lists": [{"list": "77" * 32, "suite": "mini-home"}], "salt": "5a" * 32, "section": "annex-lab-b",
        "type": "https://detente.example/home/v1",
    }  # fmt: skip

    def bad(name: str, code: str, **changes: Any) -> dict[str, Any]:
        return vector(name, "P-6 B-7", jcs(whole | changes), f"malformed {code}", **given)

    rows = [
        vector("good", "P-6 B-7", jcs(whole), value=digest(jcs(whole)), **given),
        bad("of-another-section", "P-6.line", section="annex-lab-a"),
        bad("of-another-type", "P-6.line", type="https://detente.example/home/v2"),
        bad("of-no-suite", "P-6.line", lists=[]),
        bad("of-one-suite-twice", "P-6.line", lists=[whole["lists"][0]] * 2),
        bad("suite-id-a-path", "B-5.id", lists=[{"list": "77" * 32, "suite": "../mini"}]),
        bad("member-unknown", "B-3.shape", note=""),
        vector("salt-missing", "B-7", edited(whole, put("salt", ...)), "malformed B-3.shape", **given),
        vector("newline-behind", "B-4", jcs(whole) + b"\n", "malformed B-2.canonical", **given),
    ]
    return collection("home-line", "The line behind a home section's commitment; the value is its hash.", rows)


FILES = {"plans": plans, "descriptors": descriptors, "home-lines": commitments}
