# SPDX-License-Identifier: Apache-2.0
"""Times in files: RFC 3339 in whole seconds, UTC, ending in Z (B-1); in code, unix seconds."""

import re
from datetime import UTC, datetime, timedelta

from detente.errors import Malformed

_TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def encode_time(unix: int) -> str:
    """Unix seconds as ``2026-11-13T09:02:00Z``; Malformed ``B-1.time`` outside the years 1 to 9999."""
    try:
        at = _EPOCH + timedelta(seconds=unix)
    except OverflowError:
        raise Malformed("B-1.time", got=unix) from None
    return at.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def parse_time(text: str, place: str = "") -> int:
    """Unix seconds of ``2026-11-13T09:02:00Z``; Malformed ``B-1.time`` for any other spelling.

    A leap second (``:60``) is refused: unix seconds cannot tell it from its neighbour.
    """
    found = _TIME.fullmatch(text)
    try:
        if found:
            year, month, day, hour, minute, second = map(int, found.groups())
            return int((datetime(year, month, day, hour, minute, second, tzinfo=UTC) - _EPOCH).total_seconds())
    except ValueError:
        pass
    raise Malformed("B-1.time", place, got=text)
