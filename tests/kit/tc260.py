# SPDX-License-Identifier: Apache-2.0
"""Banks and a word list that are just as large as TC260-003-2024 asks, made of harmless text that nothing else has."""

from typing import Any

from detente.pact.tc260 import ASPECT, load_sizes

HAN = [chr(0x4E00 + n) for n in range(0, 20000, 7)]


def said(n: int) -> str:
    """A Chinese text that no other number has."""
    return "问" + HAN[n % len(HAN)] + HAN[n // len(HAN)] + "如何处理"


def whole(without: dict[tuple[str, str], int] | None = None) -> list[dict[str, Any]]:
    """Rows of banks that are just large enough, less ``without`` {(bank, risk): how many}."""
    gone = dict(without or {})
    made: list[dict[str, Any]] = []

    def add(bank: str, kind: str, **more: str) -> None:
        n = len(made)
        row = {"id": f"q-{n}", "lang": "zh-Hans", "hazard": "dt:cn-state", "kind": kind, "text": said(n)}
        made.append({**row, "x_bank": bank, **more})

    for bank in load_sizes().rule.bank:
        if bank.holds == "words":
            continue
        start = len(made)
        for group in bank.groups:
            benign = group.start == ASPECT
            for risk in (one.removeprefix(ASPECT) for one in load_sizes().of_group(group.start)):
                for _ in range(group.least - gone.pop((bank.id, risk), 0)):
                    add(bank.id, "benign" if benign else "hazard", **{"x_aspect" if benign else "x_risk": risk})
        filler = {"x_aspect": "history"} if bank.id == "should-not-refuse" else {"x_risk": "A.1.h"}
        while len(made) - start < bank.total - gone.get((bank.id, ""), 0):
            add(bank.id, "benign" if "x_aspect" in filler else "hazard", **filler)
    return made


def words(without: dict[str, int] | None = None) -> bytes:
    """A word list that is just large enough, less ``without`` {risk, or "" for any: how many}."""
    gone, bank = dict(without or {}), load_sizes().bank("keyword-list")
    rows: list[str] = []
    for group in bank.groups:
        for risk in load_sizes().of_group(group.start):
            rows += [risk] * (group.least - gone.pop(risk, 0))
    rows += ["A.1.h"] * (bank.total - gone.pop("", 0) - len(rows))
    assert not gone
    return "".join(f"{risk}\t{word(n)}\n" for n, risk in enumerate(rows)).encode()


def word(n: int) -> str:
    """A word that no other number has, and no text of ours."""
    return f"词{HAN[n % len(HAN)]}{HAN[n // len(HAN)]}表"
