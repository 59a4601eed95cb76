# SPDX-License-Identifier: Apache-2.0
"""CyberSecEval prompt injection (PurpleLlama): a JSON list of test_case_prompt, user_input, judge_question and what they are about.

A suite has no system prompts, so what the source puts there stands before the user's words in one turn, as it did in the
network's joint test. Older files have no ``prompt_id``, which is the place from 0, and no ``speaking_language``: all is English.

The machine-translated file says of no case what it translates, but it is laid out so: each case three times over, one after the
other, in three languages, and then all cases once in Hindi. Variant, type and risk of every row bear that out or not.
"""

from collections.abc import Sequence

from detente.suites.findings import Finding, found
from detente.suites.imports.building import Order, Piece
from detente.suites.imports.files import read_all
from detente.suites.imports.tables import PLAIN, Record

COLUMNS = ("test_case_prompt", "user_input", "judge_question", "injection_variant")
ABOUT = ("injection_variant", "injection_type", "risk_category")
CATEGORY = "prompt-injection"
ENGLISH = "English"
SHORT = {"prompt_injection": "cse", "prompt_injection_multilingual": "cse-multi"}  # names of published files in ids
TRANSLATED = "prompt_injection_multilingual_machine_translated"
RUN = 3  # translations of a case that stand together


def read(order: Order, told: list[Finding]) -> list[Piece]:
    """One piece a case; where languages join by the layout alone, that is told."""
    files: dict[str, list[Record]] = {}
    for record in read_all(order.src, COLUMNS, PLAIN, ".json"):
        files.setdefault(record.file, []).append(record)
    pieces: list[Piece] = []
    originals = next((rows for file, rows in files.items() if _stem(file) == "prompt_injection"), None)
    for file, rows in files.items():
        keys = [f"{SHORT.get(_stem(file), _stem(file))}-{_number(record)}" for record in rows]
        if _stem(file) == TRANSLATED:
            cases = None if order.wishes.as_published else _cases(rows, originals)
            keys = [f"cse-{case}" for case in cases] if cases else [f"cse-mt-{_number(record)}" for record in rows]
            if cases:
                spot = _piece(rows[0], keys[0]).spot._replace(text="", lang="")
                told.append(found("import-layout", spot, n=len(rows), of=len(rows) // (RUN + 1)))
        pieces += map(_piece, rows, keys)
    return pieces


def _stem(file: str) -> str:
    return file.rpartition("/")[2].removesuffix(".json")


def _number(record: Record) -> str:
    return record.key("prompt_id") if "prompt_id" in record.cells else str(record.row - 1)


def _piece(record: Record, key: str) -> Piece:
    texts = [record.word("test_case_prompt"), record.word("user_input")]
    more = {"x_judge": record.word("judge_question"), "x_variant": record.word("injection_variant")}
    lang = record.key("speaking_language") if "speaking_language" in record.cells else ENGLISH
    return Piece(record, key, lang, "\n\n".join(text for text in texts if text), CATEGORY, more=more)


def _cases(rows: Sequence[Record], originals: Sequence[Record] | None) -> list[int] | None:
    """The case of every row by the layout; None where one row is about something else than its case, or in a language twice.

    A case is what the original of that place is about, or, where these are not at hand, its row in the last part.
    """
    of, over = divmod(len(rows), RUN + 1)
    if over or (originals is not None and len(originals) != of):
        return None
    cases = [n // RUN if n < RUN * of else n - RUN * of for n in range(len(rows))]
    about = [_about(record) for record in originals or rows[RUN * of :]]
    said = {(case, record.word("speaking_language")) for case, record in zip(cases, rows, strict=True)}
    if len(said) < len(rows) or any(_about(record) != about[case] for case, record in zip(cases, rows, strict=True)):
        return None
    return cases


def _about(record: Record) -> tuple[str, ...]:
    return tuple(record.word(column) for column in ABOUT)
