# SPDX-License-Identifier: Apache-2.0
"""Any byte of any file of an exchange, made another, put in or taken out: a step says so, or no report ever reads it.

DETENTE_EXAMPLES=5000 looks longer.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detente.check.verify import Verified, verify
from detente.desk.packing import report_files
from detente.errors import CannotTell, NotVerified
from detente.report.result import joint_of

EXAMPLES = int(os.environ.get("DETENTE_EXAMPLES", "60"))
# Named by the layout and read by git alone (L-7).
NEVER_READ = {".gitattributes"}


class Exchange(NamedTuple):
    """A closed story's exchange: where it lies, its plan, its files as they were, and the report they give."""

    root: Path
    plan: str
    files: dict[str, bytes]
    report: dict[str, bytes]


def report_of(verified: Verified) -> dict[str, bytes]:
    return report_files(joint_of(verified))


@pytest.fixture(scope="module")
def exchange(stories, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    labs = stories.at("closed")
    root = tmp_path_factory.mktemp("any-byte") / "exchange"
    shutil.copytree(labs.exchange, root)
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    verified = verify(root, labs.agreed().id)
    assert verified.final is not None
    yield Exchange(root, labs.agreed().id, files, report_of(verified))
    assert verify(root, labs.agreed().id).final == verified.final  # every example put back what it changed


def changed(data: st.DataObject, raw: bytes) -> bytes:
    """One byte of ``raw`` another, one more, or one less."""
    at = data.draw(st.integers(0, len(raw) - 1), label="at")
    kind = data.draw(st.sampled_from(["another", "another", "more", "less"]), label="kind")
    if kind == "less":
        return raw[:at] + raw[at + 1 :]
    if kind == "more":
        return raw[:at] + bytes([data.draw(st.integers(0, 255), label="byte")]) + raw[at:]
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != raw[at]), label="byte")
    return raw[:at] + bytes([byte]) + raw[at + 1 :]


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_byte_when_changed_then_a_step_says_so_or_no_report_reads_it(
    exchange: Exchange, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(exchange.files)), label="file")
    path, raw = exchange.root / name, exchange.files[name]
    path.write_bytes(changed(data, raw))
    try:
        verified, step = verify(exchange.root, exchange.plan), ""
    except NotVerified as error:
        verified, step = None, error.step
    except CannotTell as error:
        verified, step = None, str(error.fields["step"])
    finally:
        path.write_bytes(raw)
    if verified is None:
        assert re.fullmatch(r"V-([1-9]|1[01])", step)
    else:
        assert name in verified.not_part or path.name in NEVER_READ, "changed, read, and not noticed"
        assert report_of(verified) == exchange.report
