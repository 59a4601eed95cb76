# SPDX-License-Identifier: Apache-2.0
"""The Merkle tree of RFC 6962, section 2.1, with the proofs and both verifiers of RFC 9162, section 2.1.

All hashes are 32 raw bytes. Trees are built level by level: joining neighbours and carrying an odd
last node up gives the same tree as the recursive definition, at a third of the time.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice

EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(entry: bytes) -> bytes:
    """``H(0x00 || entry)``."""
    return sha256(b"\x00" + entry).digest()


def hash_leaves(entries: Iterable[bytes]) -> list[bytes]:
    """``leaf_hash`` of each, without a call for each: for the million."""
    return [sha256(b"\x00" + entry).digest() for entry in entries]


def find_leaf(raw: bytes, leaf: bytes) -> int | None:
    """The length at which a beginning of ``raw`` has this leaf hash, None if no length has: one pass over ``raw``."""
    running = sha256(b"\x00")
    for length in range(len(raw) + 1):
        if running.copy().digest() == leaf:
            return length
        running.update(raw[length : length + 1])
    return None


def node_hash(left: bytes, right: bytes) -> bytes:
    """``H(0x01 || left || right)``."""
    return sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """The tree's root, ``EMPTY_ROOT`` for no leaves. Time and memory O(n)."""
    level: Sequence[bytes] = leaf_hashes
    while len(level) > 1:
        level = _join_pairs(level)
    return level[0] if level else EMPTY_ROOT


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """PATH(index, D[n]) of RFC 6962, section 2.1.1, from the leaf up; IndexError if there is no such leaf."""
    if not 0 <= index < len(leaf_hashes):
        raise IndexError(index)
    proof: list[bytes] = []
    level: Sequence[bytes] = leaf_hashes
    while len(level) > 1:
        if index ^ 1 < len(level):
            proof.append(level[index ^ 1])
        level, index = _join_pairs(level), index >> 1
    return proof


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """True if ``proof`` leads from ``leaf`` at ``index`` to the ``root`` of ``size`` leaves (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or not _all_hashes((leaf, root, *proof)):
        return False
    node, last, running = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            running = node_hash(step, running)
            while not node & 1 and node:  # an odd last node was carried up: these levels have no sibling
                node, last = node >> 1, last >> 1
        else:
            running = node_hash(running, step)
        node, last = node >> 1, last >> 1
    return last == 0 and running == root


def consistency_proof(leaf_hashes: Sequence[bytes], old: int) -> list[bytes]:
    """PROOF(old, D[n]) of RFC 6962, section 2.1.2; empty if ``old`` is 0 or n; IndexError if it is larger."""
    size = len(leaf_hashes)
    if not 0 <= old <= size:
        raise IndexError(old)
    if old in (0, size):
        return []
    # The last node of the old tree that is complete in both: from there the proof is a path upwards,
    # beginning with that node itself unless it is the whole old tree, whose root the reader has.
    node, last = old - 1, size - 1
    level: Sequence[bytes] = leaf_hashes
    while node & 1:
        level, node, last = _join_pairs(level), node >> 1, last >> 1
    proof = [level[node]] if node else []
    while last:
        if node & 1 or node < last:
            proof.append(level[node ^ 1])
        level, node, last = _join_pairs(level), node >> 1, last >> 1
    return proof


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """True if ``proof`` shows that the old tree is the beginning of the new one (RFC 9162, section 2.1.4.2).

    Every tree begins with the empty one and with itself; both need an empty proof.
    """
    if not 0 <= old_size <= new_size or (old_size == 0 and old_root != EMPTY_ROOT):
        return False
    if old_size == new_size:  # nothing is hashed here, so whatever the roots are they must be the same
        return not proof and old_root == new_root
    if not _all_hashes((old_root, new_root, *proof)):
        return False
    if old_size == 0:
        return not proof
    if not proof:
        return False
    # RFC 9162 puts the old root before the proof where the old tree is one complete subtree.
    whole = old_size & (old_size - 1) == 0
    first, *rest = (old_root, *proof) if whole else tuple(proof)
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_running = new_running = first
    for step in rest:
        if last == 0:
            return False
        if node & 1 or node == last:
            old_running, new_running = node_hash(step, old_running), node_hash(step, new_running)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new_running = node_hash(new_running, step)
        node, last = node >> 1, last >> 1
    return last == 0 and old_running == old_root and new_running == new_root


class Frontier:
    """A tree that only grows, in O(log n) memory: of each level the last node that has no sibling yet."""

    def __init__(self) -> None:
        self.size = 0
        self._waiting: list[bytes | None] = []  # by level; there is one where the size has that bit

    def add(self, leaf_hash: bytes) -> None:
        """Append one leaf, given as its hash."""
        self.extend([leaf_hash])

    def extend(self, leaf_hashes: Sequence[bytes]) -> None:
        """Append leaves, given as their hashes; many at a time cost what ``root`` costs."""
        self.size += len(leaf_hashes)
        nodes, level = list(leaf_hashes), 0
        while nodes:
            if level == len(self._waiting):
                self._waiting.append(None)
            if (waiting := self._waiting[level]) is not None:
                nodes.insert(0, waiting)
            self._waiting[level] = nodes.pop() if len(nodes) & 1 else None
            nodes, level = _join_pairs(nodes), level + 1

    def root(self) -> bytes:
        """The root of the leaves so far."""
        running = None
        for node in self._waiting:
            if node is not None:
                running = node if running is None else node_hash(node, running)
        return EMPTY_ROOT if running is None else running


class Leaves(Sequence[bytes]):
    """The leaf hashes of a large tree in 32 bytes each, and its proofs: an opened record costs one block, not the tree."""

    BLOCK = 1024  # a power of two: the root of each whole block is a node of the tree

    def __init__(self, leaf_hashes: Iterable[bytes] = ()) -> None:
        self._raw: bytes | bytearray = bytearray()
        self._blocks: list[bytes] = []
        self.extend(leaf_hashes)

    @classmethod
    def kept(cls, raw: bytes, n: int) -> "Leaves":
        """What ``to_bytes`` made of ``n`` leaves. It is believed: hold what comes of it against a root."""
        leaves = cls()
        leaves._raw = raw[: 32 * n]
        leaves._blocks = [raw[i : i + 32] for i in range(32 * n, len(raw), 32)]
        return leaves

    def pieces(self) -> Iterator[bytes]:
        """The leaf hashes one after the other, then the roots of the whole blocks: what ``kept`` reads."""
        for at in range(0, len(self._raw), 32 * self.BLOCK):
            yield bytes(self._raw[at : at + 32 * self.BLOCK])
        yield b"".join(self._blocks)

    def __len__(self) -> int:
        return len(self._raw) // 32

    def __getitem__(self, i: int) -> bytes:  # type: ignore[override]  # no slices: nobody needs a copy
        if not 0 <= i < len(self):
            raise IndexError(i)
        return bytes(self._raw[32 * i : 32 * i + 32])

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        """Append leaves, given as their hashes."""
        self._raw += b"".join(leaf_hashes)
        while (len(self._blocks) + 1) * self.BLOCK <= len(self):
            self._blocks.append(root(self._block(len(self._blocks))))

    def root(self) -> bytes:
        """The tree's root."""
        return root(self._level())

    def proof(self, index: int) -> list[bytes]:
        """``inclusion_proof``, in the time of one block and the roots of the others."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        block, inside = divmod(index, self.BLOCK)
        return inclusion_proof(self._block(block), inside) + inclusion_proof(self._level(), block)

    def _block(self, n: int) -> list[bytes]:
        start = n * self.BLOCK
        return [self[i] for i in range(start, min(start + self.BLOCK, len(self)))]

    def _level(self) -> list[bytes]:
        """The roots of all blocks, the last of which may be begun."""
        begun = self._block(len(self._blocks))
        return [*self._blocks, root(begun)] if begun else self._blocks


def roots_at(leaf_hashes: Iterable[bytes], sizes: Iterable[int]) -> dict[int, bytes]:
    """The roots of the first ``size`` leaves for each of ``sizes``, in one pass; sizes beyond the leaves are absent."""
    leaves, tree = iter(leaf_hashes), Frontier()
    roots = {}
    for size in sorted(set(sizes)):
        tree.extend(list(islice(leaves, size - tree.size)))
        if tree.size == size:
            roots[size] = tree.root()
    return roots


def _join_pairs(level: Sequence[bytes]) -> list[bytes]:
    """The level above: neighbours joined, an odd last node as it is."""
    pairs = zip(level[::2], level[1::2], strict=False)
    above = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    if len(level) & 1:
        above.append(level[-1])
    return above


def _all_hashes(hashes: Iterable[bytes]) -> bool:
    # Without this a longer "hash" could smuggle bytes of its neighbour: a published vector does it.
    return all(len(digest) == 32 for digest in hashes)
