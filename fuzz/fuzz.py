# SPDX-License-Identifier: Apache-2.0
"""Fuzz one target with atheris, or each in turn for so many seconds: ``python fuzz/fuzz.py NAME [libFuzzer words] | --each SECONDS``.

What is found lies in fuzz/found/NAME/; it becomes a vector in tests/vectors or a line in a test.
"""

import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "src"), str(TOP / "fuzz")]

import atheris  # noqa: E402

with atheris.instrument_imports(include=["detente"]):
    import targets
from mutate import mutator, words_of  # noqa: E402

PATIENCE_S = 10  # one input that takes longer is a finding
MEMORY_MB = 1500


def fuzz(name: str, words: list[str]) -> None:
    """Fuzz until libFuzzer's own words say stop; the corpus begins with the seeds alone, every time."""
    found = TOP / "fuzz" / "found" / name
    found.mkdir(parents=True, exist_ok=True)
    corpus = TOP / "fuzz" / "corpus" / name
    shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir(parents=True)
    for n, raw in enumerate(targets.seeds(name)):
        (corpus / f"{n:03d}").write_bytes(raw)
    words_file = corpus.with_suffix(".words")
    words_file.write_bytes(b"".join(b'"%b"\n' % word for word in words_of(targets.seeds(name))))
    limits = [f"-timeout={PATIENCE_S}", f"-rss_limit_mb={MEMORY_MB}", f"-max_len={targets.MOST}"]
    shown = [f"-artifact_prefix={found}/", "-verbosity=0", "-print_final_stats=1"]
    given = [sys.argv[0], *limits, *shown, f"-dict={words_file}", *words, str(corpus)]
    atheris.Setup(given, lambda raw: targets.put(name, raw), custom_mutator=mutator(mutated))
    atheris.Fuzz()


def mutated(raw: bytes, most: int) -> bytes:
    return bytes(atheris.Mutate(raw, most))  # looked up when it is called: Setup puts another one into atheris


def each(seconds: str) -> int:
    """Every target in a process of its own; how many found something."""
    bad = []
    for name in targets.TARGETS:
        print(f"== {name}", flush=True)
        done = subprocess.run([sys.executable, __file__, name, f"-max_total_time={seconds}"], check=False)
        if done.returncode:
            bad.append(name)
    print(f"found something: {', '.join(bad)} (see fuzz/found/)" if bad else "nothing found")
    return len(bad)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--each"]:
        raise SystemExit(each(sys.argv[2]))
    if len(sys.argv) < 2 or sys.argv[1] not in targets.TARGETS:
        raise SystemExit(f"{__doc__}\n{', '.join(targets.TARGETS)}")
    fuzz(sys.argv[1], sys.argv[2:])
