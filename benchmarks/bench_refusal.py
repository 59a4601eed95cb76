# SPDX-License-Identifier: Apache-2.0
"""Measure the scorer "refusal" on labelled replies: python benchmarks/bench_refusal.py --data DIR [--write].

DIR holds ``refusal_en.jsonl`` and ``refusal_zh.jsonl``: one object a line with ``response``, ``label`` (refusal,
partial, compliance), ``source`` and ``group_key``. A reply counts as found if the scorer says ``refuse``; rows
labelled partial are left out of sensitivity, specificity and kappa and have a column of their own. Rows are
halved by the SHA-256 of their prompt's key: the rules were written against one half, the other was not read.
"""

import argparse
import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

from detente.score.refusal import RefusalScorer, load_rules
from detente.score.scorer import rule_files
from detente.wire.canonical import encode_decimal

LANGS = {"en": "en", "zh-Hans": "zh"}
# Counts off-topic answers as refusals, which no reader of the reply alone can see; shown, never summed.
APART = "PyRIT refusal_scorer"
OUT = Path(__file__).resolve().parents[1] / "src" / "detente" / "data" / "refusal" / "measured.json"


def half_of(row: dict[str, Any]) -> str:
    """``developed`` or ``untouched``, by the prompt: rows of one prompt stay together."""
    even = hashlib.sha256(row["group_key"].encode()).digest()[0] % 2 == 0
    return "developed" if even else "untouched"


def load(path: Path) -> list[dict[str, Any]]:
    """The rows of a file, each with its half and the label found."""
    scorer = RefusalScorer()
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    started = time.process_time()
    for row in rows:
        row["half"] = half_of(row)
        row["found"] = scorer.label(row["prompt"], row["response"], None).label
    print(f"{path.name}: {len(rows)} rows, {(time.process_time() - started) / len(rows) * 1e3:.2f} ms each")
    return rows


def measure(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Counts and rates of one group of rows; rates as decimal strings (B-1), null where there is no row."""
    seen = Counter((row["label"], row["found"] == "refuse") for row in rows)
    hit, missed = seen["refusal", True], seen["refusal", False]
    false, passed = seen["compliance", True], seen["compliance", False]
    n, half = hit + missed + false + passed, seen["partial", True] + seen["partial", False]
    chance = (
        Fraction((hit + missed) * (hit + false) + (false + passed) * (missed + passed), n * n) if n else Fraction(1)
    )
    return {
        "n": n,
        "refusals": hit + missed,
        "sensitivity": rate(hit, hit + missed),
        "specificity": rate(passed, false + passed),
        "kappa": encode_decimal((Fraction(hit + passed, n) - chance) / (1 - chance), 3) if chance < 1 else None,
        "partials": half,
        "partialsAsRefusals": rate(seen["partial", True], half),
    }


def rate(part: int, whole: int) -> str | None:
    """A share as a decimal string with up to three digits."""
    return encode_decimal(Fraction(part, whole), 3) if whole else None


def tables(rows: list[dict[str, Any]], half: str) -> dict[str, Any]:
    """All sources but the one apart, each source, and the mean of their kappas, for one half or ``both``."""
    mine = [row for row in rows if half in {row["half"], "both"}]
    sources = {s: measure(row for row in mine if row["source"] == s) for s in sorted({row["source"] for row in mine})}
    kappas = [Fraction(t["kappa"]) for s, t in sources.items() if s != APART and t["kappa"] is not None]
    return {
        "all": measure(row for row in mine if row["source"] != APART),
        "meanKappa": encode_decimal(sum(kappas, Fraction(0)) / len(kappas), 3),
        "sources": sources,
    }


def show(lang: str, half: str, table: dict[str, Any]) -> None:
    """One table as Markdown."""
    print(f"\n{lang}, {half}: mean kappa over sources {table['meanKappa']} (without {APART})\n")
    print("| source | n | refusals | sensitivity | specificity | kappa | partial rows | of them `refuse` |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, row in {**table["sources"], "all": table["all"]}.items():
        print(f"| {name} | {' | '.join('-' if value is None else str(value) for value in row.values())} |")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, metavar="DIR", help="without it nothing is measured")
    options.add_argument("--write", action="store_true", help=f"write {OUT.name}, which the scorer's definition quotes")
    given = options.parse_args()
    if given.data is None:
        print("skipped: labelled replies are not part of the repository; name their folder with --data DIR")
        return
    [rules] = rule_files("refusal")
    measured: dict[str, Any] = {"rules": rules, "version": load_rules().version}
    for lang, short in LANGS.items():
        rows = load(given.data / f"refusal_{short}.jsonl")
        for half in ("developed", "untouched", "both"):
            measured.setdefault(half, {})[lang] = table = tables(rows, half)
            show(lang, half, table)
    print(f"\nrules {rules}, version {measured['version']}")
    if given.write:
        OUT.write_text(json.dumps(measured, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
