# SPDX-License-Identifier: Apache-2.0
"""``detente`` as a person types it, in this process or in one of its own, and the house rules for whatever it answers."""

import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import detente
from detente.cli import main

TESTS = Path(__file__).resolve().parents[1]
PACKAGE = Path(detente.__file__).resolve().parents[1]
HAN = re.compile(r"[\u4e00-\u9fff]")


class Said(NamedTuple):
    """How a command ended and what it said; ``error`` is the code in its error, if it has one."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        found = re.search(r"^error\[([A-Za-z0-9.-]+)\]: ", self.err, re.MULTILINE)
        return found[1] if found else ""


def typed(capsys: pytest.CaptureFixture[str], *words: object, lang: str = "en") -> Said:
    """One command line in this process."""
    capsys.readouterr()
    code = main(["--lang", lang, *map(str, words)])
    return Said(code, *capsys.readouterr())


def refused(capsys: pytest.CaptureFixture[str], code: int, error: str, *words: object) -> Said:
    """A command line that must fail in this way, in English and in Chinese; what it said in English."""
    said = {lang: typed(capsys, *words, lang=lang) for lang in ("zh", "en")}
    for lang, one in said.items():
        if os.environ.get("READ_ALOUD"):  # for whoever mends the words: READ_ALOUD=1 pytest tests/cli
            with capsys.disabled():
                print(f"\n$ detente {' '.join(map(str, words))}\n{one.err}", end="")
        assert (one.code, one.error) == (code, error), f"{lang}: {one}"
        well_spoken(one, lang)
    return said["en"]


def well_spoken(said: Said, lang: str) -> None:
    """The house rules: a code, words in the language asked for, a hint, nothing raw, no traceback, stdout untouched."""
    assert "Traceback" not in said.err
    assert not re.search(r"(?<!\\u)\{[a-z_]+\}", said.err), f"a value is missing: {said.err}"
    first = said.err[said.err.index("error[") :].splitlines()[0].partition("]: ")[2]
    hint = said.err.rpartition("\n\n")[2]
    assert hint.startswith({"en": "hint: ", "zh": "提示："}[lang]), f"no hint: {said.err}"
    assert bool(HAN.search(first)) == (lang == "zh"), f"not {lang}: {first}"
    assert bool(HAN.search(hint)) == (lang == "zh"), f"not {lang}: {hint}"
    assert not raw(said.err)
    assert said.out == ""


def raw(text: str) -> list[str]:
    """The characters that must not reach a terminal as they are: control, format, bidi, surrogates."""
    bad = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    return [f"U+{ord(c):04X}" for c in text if unicodedata.category(c) in bad and c != "\n"]


def environ(**more: str) -> dict[str, str]:
    """The environment of a process of its own: nothing of this person's settings, our source, our kit."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DETENTE_", "LC_", "LANG", "PYTHON"))}
    return {**kept, "PYTHONPATH": os.pathsep.join((str(PACKAGE), str(TESTS))), "PYTHONDONTWRITEBYTECODE": "1", **more}


def program(*words: object, prelude: str = "") -> list[str]:
    """The command line of a process that runs ``detente WORDS``; ``prelude`` is Python to run in it first."""
    start = f"import sys\n{prelude}\nfrom detente.cli import program\nprogram()"
    return [sys.executable, "-c", start, *map(str, words)]


def started(*words: object, prelude: str = "", env: dict[str, str] | None = None, **more: Any) -> Said:
    """One command in a process of its own, to its end."""
    done = subprocess.run(
        program(*words, prelude=prelude), env=env or environ(), capture_output=True, check=False, timeout=60, **more
    )
    return Said(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
