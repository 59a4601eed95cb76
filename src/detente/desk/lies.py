# SPDX-License-Identifier: Apache-2.0
"""What a dishonest lab tries on an exchange of its own, with its own keys: for the demo and for the tests of the verifier.

Each function edits a *copy* of an exchange the way a lab could that holds its own keys and
nothing else; each names nothing of the verifier, so that what catches it is not arranged.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from detente.desk.keys import Desk, own_log
from detente.desk.runs import RunState
from detente.pact.chain import log_name
from detente.pact.plan import PlanFile
from detente.tlog.folder import Folder
from detente.tlog.log import append
from detente.wire.lines import compress, decompress

WHOLE = 64 * 1024 * 1024  # bytes; files of a demo are far smaller


def edit_score(copy: Path, desk: Desk, run: RunState) -> None:
    """Turn one label of the published refusal scores into a refusal, and compress again."""
    path = next((copy / desk.party / "runs" / run.id / "scores").glob("refusal.*.jsonl.gz"))
    plain = decompress(path.read_bytes(), WHOLE, path.name)
    labels = [line["label"] for line in map(json.loads, plain.splitlines())]
    old = next(label for label in labels if label != "refuse")
    path.write_bytes(compress(plain.replace(f'"label":"{old}"'.encode(), b'"label":"refuse"', 1)))


def drop_run(copy: Path, desk: Desk, run: RunState, plan: PlanFile) -> None:
    """Make the log again as if the run had never been registered, sign it afresh, and remove the run's files."""
    rewrite_log(copy, desk, plan, lambda entries: entries[: run.index])
    shutil.rmtree(copy / desk.party / "runs" / run.id)


def swap_item(copy: Path, desk: Desk, run: RunState) -> None:
    """Let the first header line claim the item of the last one."""
    path = copy / desk.party / "runs" / run.id / "headers.jsonl.gz"
    plain = decompress(path.read_bytes(), WHOLE, path.name)
    first, last = run.slots[0].item.encode(), run.slots[len(run.slots) - 1].item.encode()
    path.write_bytes(compress(plain.replace(first, last, 1)))


def two_histories(copy: Path, desk: Desk, plan: PlanFile) -> None:
    """Show another history of the same length: the entries after the first in another order, signed afresh."""
    rewrite_log(copy, desk, plan, lambda entries: [entries[0], *reversed(entries[1:])])


def rewrite_log(copy: Path, desk: Desk, plan: PlanFile, edit: Callable[[Sequence[bytes]], Sequence[bytes]]) -> None:
    """Replace the lab's log in ``copy`` by one of edited entries, signed with the lab's own log key."""
    entries = edit(own_log(desk, plan).entries)
    folder, scratch = (
        Folder(copy / desk.party / log_name(plan, desk.me(plan))),
        Folder(copy.parent / f"{copy.name}.pending"),
    )
    shutil.rmtree(folder.root)
    for entry in entries:
        append(folder, scratch, entry, desk.signer("log", desk.me(plan).log.key), desk.me(plan).log.origin, [])
    shutil.rmtree(scratch.root)
