# SPDX-License-Identifier: Apache-2.0
"""Files of lines written in blocks: the same bytes as written at once, and the digests of what was written."""

from hypothesis import given
from hypothesis import strategies as st

from detente.wire.digests import sha256
from detente.wire.lines import LineWriter, compress, join_lines


@given(
    st.lists(
        st.lists(st.binary(min_size=1, max_size=30).map(lambda raw: raw.replace(b"\n", b" ")), max_size=5), max_size=6
    )
)
def test_writer_when_lines_come_in_any_blocks_then_the_file_is_what_compress_makes(blocks: list[list[bytes]]) -> None:
    writer = LineWriter()
    stored = b"".join(writer.pieces(blocks))
    plain = join_lines([line for block in blocks for line in block])
    assert stored == compress(plain)
    assert (writer.stored_sha256, writer.plain_sha256) == (sha256(stored), sha256(plain))


def test_writer_when_the_file_is_large_then_the_bytes_do_not_depend_on_the_blocks() -> None:
    lines = [b"%064d %d" % (n * 7919, n % 13) for n in range(50_000)]
    one = b"".join(LineWriter().pieces([lines]))
    many = b"".join(LineWriter().pieces(lines[at : at + 777] for at in range(0, len(lines), 777)))
    assert one == many == compress(join_lines(lines))
