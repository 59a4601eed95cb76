# SPDX-License-Identifier: Apache-2.0
"""Providers' answers as ``tests/run/providers.toml`` has them, and the tables of docs/reference/models.md; as a program it prints those.

PYTHONPATH=src:tests python tests/kit/provided.py en
"""

import sys
import tomllib
from pathlib import Path
from typing import Any

from detente.run.models.presets import Begun, Provider, providers

ANSWERS: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).resolve().parents[1] / "run" / "providers.toml").read_text("utf-8")
)["answer"]
HEADS = {
    "en": (
        "| name | provider | address | key |\n| --- | --- | --- | --- |",
        "| name, models | not sent | sent besides | system prompt | thoughts | answer begun |\n| --- | --- | --- | --- | --- | --- |",
        "| name | answers tested | checked against | on |\n| --- | --- | --- | --- |",
    ),
    "zh": (
        "| 名称 | 服务商 | 地址 | 密钥 |\n| --- | --- | --- | --- |",
        "| 名称与模型 | 不发送 | 另外发送 | 系统提示词 | 思考内容 | 预填回答 |\n| --- | --- | --- | --- | --- | --- |",
        "| 名称 | 测试过的应答 | 对照资料 | 核对日期 |\n| --- | --- | --- | --- |",
    ),
}


def tables(lang: str) -> list[str]:
    """The page's three tables: where each provider is, what is special about its models, and what was tested and checked."""
    where, special, tested = ([head] for head in HEADS[lang])
    for name, one in providers().items():
        where.append(_row(f"`{name}`", one.title, _code(one.url), _code(one.key)))
        special += [_special(name, one, None)] + [_special(name, one, n) for n in range(len(one.model))]
        cases = dict.fromkeys(answer["case"] for answer in ANSWERS if answer["provider"] == name)
        tested.append(_row(f"`{name}`", ", ".join(cases), "; ".join(one.sources), str(one.checked)))
    return ["\n".join(rows) for rows in (where, special, tested)]


def _special(name: str, one: Provider, n: int | None) -> str:
    like = one.model[n] if n is not None else None
    told = [getattr(like, member) if like and getattr(like, member) is not None else getattr(one, member)
            for member in ("refuses", "extra", "system", "reasoning", "begun")]  # fmt: skip
    refuses, extra, system, reasoning, begun = told
    called = f"`{name}`" + (": " + ", ".join(f"`{pattern}`" for pattern in like.like) if like else "")
    sent = ", ".join(f"`{key}`: `{_toml(value)}`" for key, value in (extra or {}).items())
    return _row(
        called, ", ".join(f"`{what}`" for what in refuses or ()), sent, _code(system), _code(reasoning), _begun(begun)
    )


def _begun(begun: Begun | bool | None) -> str:
    """What goes out besides the last message of the role assistant; empty where it cannot be done."""
    if not isinstance(begun, Begun):
        return ""
    parts = [f"`{key}`: `{_toml(value)}`" for key, value in {**begun.message, **begun.body}.items()]
    return ", ".join([*parts, *([_code(begun.url)] if begun.url else [])]) or "`assistant`"


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).replace("'", "").replace("False", "false")


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.stdout.write("\n\n".join(tables(sys.argv[1])) + "\n")
