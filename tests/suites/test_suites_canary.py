# SPDX-License-Identifier: Apache-2.0
"""Canary strings in streams: across the seams of reading, in gzip, with JSON's escapes, and nowhere else."""

import gzip
import io

import pytest

from detente.errors import CannotTell
from detente.suites import canary as canaries
from detente.suites.canary import search_stream

ONE, TWO = "detente canary 1", 'canary "二"'


def sightings(raw: bytes, *wanted: str) -> list[tuple[str, int, int]]:
    return [tuple(one) for one in search_stream(io.BufferedReader(io.BytesIO(raw)), wanted or [ONE, TWO], "x")]


@pytest.mark.parametrize("before", range(40))
def test_search_when_a_string_lies_across_a_seam_then_it_is_found_once(monkeypatch, before):
    monkeypatch.setattr(canaries, "CHUNK", 16)
    raw = b"x" * before + ONE.encode() + b"y" * 50
    assert sightings(raw) == [(ONE, 1, before)]
    assert sightings(gzip.compress(raw)) == [(ONE, 1, before)]


def test_search_when_a_string_stands_often_then_it_is_counted_and_the_first_place_kept(monkeypatch):
    monkeypatch.setattr(canaries, "CHUNK", 7)
    raw = b"ab" + ONE.encode() * 3 + b"-" + TWO.encode()
    assert sightings(raw) == [(ONE, 3, 2), (TWO, 1, 2 + 3 * len(ONE) + 1)]


@pytest.mark.parametrize("form", [TWO, 'canary \\"\\u4e8c\\"', 'canary \\"二\\"'])
def test_search_when_json_escaped_the_string_then_it_is_found(form):
    assert [one[:2] for one in sightings(form.encode())] == [(TWO, 1)]


def test_search_when_nothing_is_there_then_nothing_is_found():
    assert sightings(b"") == sightings(b"detente canary ") == sightings(b"\x1f") == []


def test_search_when_gzip_is_cut_or_damaged_then_it_cannot_tell():
    whole = gzip.compress(ONE.encode() * 2000)
    for raw in (whole[:-9], whole[:20] + b"\xff" * 20 + whole[40:], b"\x1f\x8b"):
        with pytest.raises(CannotTell, match="canary-unreadable"):
            sightings(raw)
