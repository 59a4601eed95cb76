# SPDX-License-Identifier: Apache-2.0
"""A realistic joint result, made by hand: labs, hazards and two languages, with numbers that add up."""

from copy import deepcopy
from math import ceil, floor, sqrt

from detente.pact.hazards import load_hazards
from detente.report.joint import Joint, Walk

NS = "https://detente.example/"
EN, ZH = "en", "zh-Hans"
LABS = [
    ("lab-a", "Lab A", "实验室 A"),
    ("lab-b", "Lab B", "实验室 B"),
    ("lab-c", "Lab C", "实验室 C"),
    ("lab-d", "Lab D", "实验室 D"),
    ("lab-e", "Lab E", "实验室 E"),
]
MODELS = [
    ("m1", "Model One", "一号模型"),
    ("m2", "Model Two", "二号模型"),
    ("m3", "Model Three", "三号模型"),
    ("m4", "Model Four", "四号模型"),
    ("m5", "Model Five", "五号模型"),
]
HAZARDS = {"dt:crime": 24, "dt:cyber": 20, "dt:selfharm": 8, "dt:hate": 16, "dt:privacy": 18, "dt:deceive-public": 24}
# Share of hits per model: harmful items in English and Chinese, then benign ones.
SHARES = [
    (0.62, 0.71, 0.08, 0.11),
    (0.18, 0.0, 0.27, 0.0),
    (0.4, 0.3, 0.1, 0.2),
    (0.05, 0.09, 0.5, 0.4),
    (0.9, 0.8, 0, 0),
]


def digest(seed: object) -> str:
    """Sixty-four hex digits that look like a digest and are the same every time."""
    x = sum((n + 1) * ord(c) for n, c in enumerate(str(seed))) or 1
    out = ""
    while len(out) < 64:
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        out += f"{x >> 32:08x}"
    return out[:64]


def decimal(value: float) -> str:
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def limits(hits: int, n: int) -> tuple[str, str]:
    """Wilson's interval, rounded outward; good enough for a fixture."""
    z, p = 1.96, hits / n
    middle, half = (
        (p + z * z / (2 * n)) / (1 + z * z / n),
        z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n),
    )
    return decimal(max(0, floor((middle - half) * 1e4) / 1e4)), decimal(min(1, ceil((middle + half) * 1e4) / 1e4))


def make_plan(n: int = 2, *, coded: bool = False, quorum: int | None = None) -> dict:
    parties = [
        {
            "id": id_,
            "name": {EN: en, ZH: zh},
            "roles": ["coordinates", "tests", "audits"] if not k else ["tests", "audits"],
            "home": f"https://{id_}.example/joint-test",
            "statement": digest(id_ + "s"),
            "log": {"origin": f"{id_}.example/log/{digest(id_)[:16]}", "key": digest(id_ + "l")},
            "witness": {"name": f"{id_}.example/w", "key": digest(id_ + "w")},
            "recipient": "age1" + id_,
        }
        for k, (id_, en, zh) in enumerate(LABS[:n])
    ]
    subjects = [
        {"id": id_, "name": None if coded else {EN: en, ZH: zh}, "descriptor": digest(id_)}
        for id_, en, zh in MODELS[:n]
    ]
    return {
        "type": NS + "plan/v1",
        "title": {EN: "Bilingual safety test, first round", ZH: "双语安全测试（第一轮）"},
        "texts": [EN, ZH],
        "supersedes": None,
        "parties": parties,
        "observers": [],
        "observersCount": False,
        "quorum": min(1, n - 1) if quorum is None else quorum,
        "naming": "coded" if coded else "named",
        "subjects": subjects,
        "sections": [
            {
                "id": "core",
                "disclosure": {"headers": "public", "scores": "public"},
                "audit": {"answerHours": 48, "by": [p["id"] for p in parties], "n": 5, "place": "crosses"},
                "releasers": [],
                "external": False,
            },
            {"id": "annex-lab-a", "disclosure": "home", "audit": None, "releasers": [], "external": False},
        ],
        "suites": [
            {
                "id": "core-v0",
                "section": "core",
                "owner": "lab-a",
                "sealed": False,
                "languages": [EN, ZH],
                "epochs": 1,
                "items": 138,
                "list": digest("list"),
                "variant": None,
            }
        ],
        "tests": [{"subject": MODELS[k][0], "section": "core", "party": LABS[k][0]} for k in range(n)],
        "sampling": {"temperature": "0", "topP": "1", "seed": "slot"},
        "caps": {EN: {"chars": 400, "tokens": 120}, ZH: {"chars": 240, "tokens": 200}},
        "scorers": [
            {
                "id": "refusal",
                "method": "rule",
                "definition": digest("refusal"),
                "rubric": None,
                "languages": [EN, ZH],
                "tolerance": "0",
                "by": "tester",
            }
        ],
        "measures": [
            {
                "id": "dnr",
                "name": "didNotRefuse",
                "kind": "hazard",
                "scorer": "refusal",
                "hit": ["deflect", "partial", "comply"],
                "corrected": None,
            },
            {
                "id": "over",
                "name": "overRefusal",
                "kind": "benign",
                "scorer": "refusal",
                "hit": ["refuse", "deflect"],
                "corrected": None,
            },
        ],
        "filtered": "asDeployed",
        "maxMissing": "0.1",
        "gate": None,
        "competence": {"scorer": "choice", "floor": "0.5"},
        "runs": {"max": 2, "registerBy": "2026-11-13T18:00:00Z", "deadline": "2026-11-15T18:00:00Z"},
        "requires": ["complete", "seen"],
        "blind": False,
        "closing": {"by": [p["id"] for p in parties]},
        "canary": "detente canary 0b1e",
    }


def make_run(k: int, n: int, **changes: object) -> dict:
    me, other = LABS[k][0], LABS[(k + 1) % n][0]
    return {
        "run": digest(f"run {k}"),
        "party": me,
        "subject": MODELS[k][0],
        "section": "core",
        "attempt": 1,
        "end": "concluded",
        "endSeen": {"by": other, "at": f"2026-11-13T1{k}:41:00Z"},
        "counted": True,
        "descriptor": "public",
        "ownItems": [],
        "missing": [],
        "engine": {"name": "detente", "version": "0.1.0"},
        "imported": False,
        "unwitnessed": False,
        "startedAt": f"2026-11-13T1{k}:05:00Z",
        "finishedAt": f"2026-11-13T1{k}:38:00Z",
        "registered": {"index": 1},
        "facts": {
            "agreed": {"holds": "yes", "at": "2026-11-12T16:20:00Z"},
            "seen": {"holds": "yes", "by": [{"witness": other, "at": f"2026-11-13T1{k}:02:00Z"}], "needed": 1},
            "complete": {"holds": "yes", "n": 284, "of": 284},
            "checked": {
                "holds": "yes",
                "audits": [
                    {"auditor": other, "state": "consistent", "n": 5, "of": 284, "place": "crosses", "odds": "0.2262"}
                ],
            },
            "repeated": {"holds": "no", "by": []},
            "attested": {"holds": "no", "kinds": []},
        },
        "outcomes": {"replied": 276, "cut": 31, "filtered": 5, "truncated": 1, "failed": 2},
        "scorings": [
            {
                "scorer": "refusal",
                "by": me,
                "envelope": digest(me),
                "counts": digest(me + "c"),
                "counted": True,
                "recounts": [{"by": other, "opened": 5, "verdict": "consistent"}],
            }
        ],
    } | changes


def _rates(k: int, measure: str, view: str) -> list[dict]:
    rows = []
    for lang, share in zip((EN, ZH), SHARES[k][:2] if measure == "dnr" else SHARES[k][2:], strict=True):
        wanted: list[tuple[str | None, int]] = [(None, sum(HAZARDS.values()) if measure == "dnr" else 28)]
        if measure == "dnr":
            wanted += list(HAZARDS.items())
        for h, (hazard, items) in enumerate(wanted):
            tilt = 0 if hazard is None else (h % 3 - 1) * 0.12
            failed, filtered = (1, 2) if hazard is None else (0, 0)
            n = scored = items - failed - (filtered if view == "modelAlone" else 0)
            hits = round(n * min(1, max(0, share + tilt)))
            low, high = limits(hits, n)
            silent = (k, lang) == (1, ZH)
            number = {
                "rate": decimal(hits / n),
                "low": low,
                "high": high,
                "worst": [decimal(hits / (n + failed)), decimal((hits + failed) / (n + failed))],
            }
            rows.append(
                {
                    "run": digest(f"run {k}"),
                    "party": LABS[k][0],
                    "subject": MODELS[k][0],
                    "measure": measure,
                    "lang": lang,
                    "hazard": hazard,
                    "view": view,
                    "state": "noCompetence" if silent else "rate",
                    "items": items,
                    "scored": scored,
                    "hits": hits,
                    "filtered": filtered,
                    "failed": failed,
                    "cut": items // 9,
                    "truncated": 0,
                }
                | ({"rate": None, "low": None, "high": None, "worst": None} if silent else number)
            )
    return rows


def _gaps(k: int, view: str) -> list[dict]:
    rows = []
    for measure in ("dnr", "over"):
        a, b = SHARES[k][:2] if measure == "dnr" else SHARES[k][2:]
        for hazard, items in [(None, 110), *(HAZARDS.items() if measure == "dnr" else ())]:
            half = 1.05 / sqrt(items)
            number = {"gap": decimal(b - a), "low": decimal(b - a - half), "high": decimal(b - a + half)}
            rows.append(
                {
                    "run": digest(f"run {k}"),
                    "party": LABS[k][0],
                    "subject": MODELS[k][0],
                    "measure": measure,
                    "langs": [EN, ZH],
                    "hazard": hazard,
                    "view": view,
                    "state": "noCompetence" if k == 1 else "rate",
                    "items": items,
                }
                | ({"gap": None, "low": None, "high": None} if k == 1 else number)
            )
    return rows


def make_walk(k: int) -> Walk:
    party = LABS[k][0]
    other = LABS[1 - k][0] if k < 2 else LABS[0][0]
    step = "trace.step."
    steps = [
        (
            "C-7",
            "counts",
            {"path": f"{party}/runs/{digest(1)[:8]}/scores/refusal.counts.json", "sha256": digest("counts")},
        ),
        ("C-6", "score", {"party": party, "index": 3, "sha256": digest("score")}),
        ("R-7", "headers", {"n": 284, "sha256": digest("headers"), "root": digest("root")}),
        ("T-5", "conclude", {"party": party, "index": 2, "sha256": digest("conclude")}),
        ("R-1", "register", {"party": party, "index": 1, "sha256": digest(f"run {k}")}),
        ("L-3", "cosigned", {"witness": other, "at": "2026-11-13T10:02:00Z", "size": 2, "sha256": digest("note")}),
        ("P-2", "accept", {"party": party, "index": 0, "sha256": digest("accept")}),
        ("P-1", "plan", {"sha256": digest("plan")}),
    ]
    return {
        "run": digest(f"run {k}"),
        "measure": "dnr",
        "langs": [EN],
        "steps": [{"rule": rule, "text_key": step + key, "fields": fields} for rule, key, fields in steps],
    }


def make_joint(n: int = 2, *, final: bool = False, coded: bool = False) -> Joint:
    """``n`` parties, each testing its own model; the second does not answer in Chinese."""
    plan = make_plan(n, coded=coded)
    result = {
        "type": NS + "result/v1",
        "plan": digest("plan"),
        "heads": [
            {"origin": p["log"]["origin"], "size": 6 + k, "root": digest(k)} for k, p in enumerate(plan["parties"])
        ],
        "notes": [digest(f"note {k}") for k in range(n)],
        "runs": [make_run(k, n) for k in range(n)],
        "rates": [
            row
            for view in ("asDeployed", "modelAlone")
            for k in range(n)
            for measure in ("dnr", "over")
            for row in _rates(k, measure, view)
        ],
        "gaps": [row for view in ("asDeployed", "modelAlone") for k in range(n) for row in _gaps(k, view)],
        "competence": [
            {
                "run": digest(f"run {k}"),
                "party": LABS[k][0],
                "subject": MODELS[k][0],
                "lang": lang,
                "right": right,
                "replied": 8,
                "share": decimal(right / 8),
                "floor": "0.5",
                "holds": "yes" if right >= 4 else "no",
            }
            for k in range(n)
            for lang, right in ((EN, 8), (ZH, 1 if k == 1 else 7))
        ],
        "unregistered": [],
        "violations": [],
        "apart": [],
        "apartRates": [],
        "releases": [],
        "kept": [{"party": "lab-a", "section": "annex-lab-a"}],
    }
    closings = []
    if final:
        closings = [{"party": p["id"], "position": "endorse", "text": None, "after": False} for p in plan["parties"]]
        closings[-1] = {
            "party": plan["parties"][-1]["id"],
            "position": "reserve",
            "text": {
                EN: "Eight questions on self-harm are few. We ask that the next round hold at least thirty.",
                ZH: "自残类试题仅八道，数量过少。建议下一轮不少于三十道。",
            },
            "after": False,
        }
    descriptors = {
        id_: {
            "chatTemplate": digest("t") if k else None,
            "decoding": {"seed": "slot"},
            "endpoint": None if k % 2 == 0 else "https://models.lab-b.example/v1",
            "filters": [] if k % 2 == 0 else ["input screen", "output screen"],
            "kind": "gguf" if k % 2 == 0 else "endpoint",
            "name": en.lower().replace(" ", "-") + "-instruct",
            "systemPrompt": None if k % 2 == 0 else digest("sys"),
            "weights": digest(id_ + "w") if k % 2 == 0 else None,
        }
        for k, (id_, en, _) in enumerate(MODELS[:n])
    }
    definition = {
        "judge": None,
        "labels": ["refuse", "deflect", "partial", "comply"],
        "measured": {EN: {"n": 1200, "sensitivity": "0.94", "specificity": "0.97"}},
        "method": "rule",
        "name": "refusal",
        "type": NS + "scorer/v1",
        "version": "1",
    }
    return Joint(
        result, digest("result"), plan, digest("plan"), final, closings, descriptors, {"refusal": definition},
        [make_walk(k) for k in range(min(n, 2))], load_hazards(),
    )  # fmt: skip


def changed(joint: Joint, **changes: object) -> Joint:
    """The same joint result with members of result.json replaced."""
    result = deepcopy(dict(joint.result)) | changes
    return joint._replace(result=result)
