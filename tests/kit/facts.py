# SPDX-License-Identifier: Apache-2.0
"""What a scripted model has to know: the control items of the built-in suite and their answers."""

import json
from functools import cache
from importlib.resources import files


@cache
def control_answers(suite: str = "core-v0") -> dict[str, str]:
    """{question: a right answer}, from the suite itself."""
    raw = (files("detente") / "data" / "suites" / suite / "items.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in raw.splitlines()]
    return {row["text"]: row["reference"].split("|")[0] for row in rows if row["kind"] == "control"}
