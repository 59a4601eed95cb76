# SPDX-License-Identifier: Apache-2.0
"""The Merkle tree: published proofs good and bad, the recursive definition as oracle, every size to 64."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detente.wire.merkle import (
    EMPTY_ROOT,
    Frontier,
    Leaves,
    consistency_proof,
    find_leaf,
    hash_leaves,
    inclusion_proof,
    leaf_hash,
    root,
    roots_at,
    verify_consistency,
    verify_inclusion,
)
from kit.published import PUBLISHED, REASON

VECTORS = PUBLISHED / "transparency-dev-merkle/testdata"
LEAVES = hash_leaves([b"%d" % i for i in range(64)])


def _root_as_defined(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + _root_as_defined(leaves[:k]) + _root_as_defined(leaves[k:])).digest()


def _path_as_defined(m: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if m < k:
        return [*_path_as_defined(m, leaves[:k]), _root_as_defined(leaves[k:])]
    return [*_path_as_defined(m - k, leaves[k:]), _root_as_defined(leaves[:k])]


def _subproof_as_defined(m: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if whole else [_root_as_defined(leaves)]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if m <= k:
        return [*_subproof_as_defined(m, leaves[:k], whole=whole), _root_as_defined(leaves[k:])]
    return [*_subproof_as_defined(m - k, leaves[k:], whole=False), _root_as_defined(leaves[:k])]


def test_root_when_any_size_then_as_rfc_6962_defines_it() -> None:
    tree = Frontier()
    for size in range(65):
        expected = _root_as_defined(LEAVES[:size])
        assert root(LEAVES[:size]) == tree.root() == expected
        assert tree.size == size
        if size < 64:
            tree.add(LEAVES[size])
    assert roots_at(LEAVES, [0, 5, 64, 99]) == {0: EMPTY_ROOT, 5: root(LEAVES[:5]), 64: root(LEAVES)}
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


@given(st.lists(st.integers(0, 9)))
@settings(deadline=None)
def test_frontier_when_leaves_come_many_at_a_time_then_its_root_is_that_of_all(sizes: list[int]) -> None:
    tree, size = Frontier(), 0
    for more in sizes:
        tree.extend([leaf_hash(b"%d" % i) for i in range(size, size + more)])
        size += more
        assert (tree.size, tree.root()) == (size, root(hash_leaves(b"%d" % i for i in range(size))))


@pytest.mark.parametrize("block", [1, 2, 8, 1024])
def test_leaves_when_any_size_then_root_and_proofs_are_those_of_the_tree(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Leaves, "BLOCK", block)
    kept = Leaves()
    for size in range(42):
        assert (len(kept), list(kept), kept.root()) == (size, LEAVES[:size], root(LEAVES[:size]))
        for index in range(size):
            assert kept.proof(index) == inclusion_proof(LEAVES[:size], index)
        for outside in (-1, size):
            with pytest.raises(IndexError):
                kept.proof(outside)
            with pytest.raises(IndexError):
                kept[outside]
        kept.extend([LEAVES[size]])
    assert Leaves(LEAVES).root() == root(LEAVES)


def test_proofs_when_any_size_then_as_defined_and_verified() -> None:
    for size in range(1, 41):
        leaves = LEAVES[:size]
        whole = root(leaves)
        for index in range(size):
            proof = inclusion_proof(leaves, index)
            assert proof == _path_as_defined(index, leaves)
            assert verify_inclusion(leaves[index], index, size, proof, whole)
        for old in range(size + 1):
            proof = consistency_proof(leaves, old)
            assert proof == (_subproof_as_defined(old, leaves, whole=True) if old else [])
            assert verify_consistency(old, root(leaves[:old]), size, whole, proof)


@given(st.integers(1, 64), st.data())
def test_inclusion_when_anything_is_changed_then_false(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, whole = inclusion_proof(LEAVES[:size], index), root(LEAVES[:size])
    leaf = LEAVES[index]
    other = data.draw(st.integers(0, 70).filter(lambda i: i != index))
    assert not verify_inclusion(LEAVES[(index + 1) % 64], index, size, proof, whole)
    assert not verify_inclusion(leaf, index, size, [*proof, whole], whole)
    assert not verify_inclusion(leaf, index, size, proof, EMPTY_ROOT)
    assert not verify_inclusion(leaf, -1, size, proof, whole)
    if size > 1:
        assert not verify_inclusion(leaf, other, size, proof, whole)
        assert not verify_inclusion(leaf, index, size, proof[:-1], whole)
        assert not verify_inclusion(leaf, index, size, [proof[0][:31], *proof[1:]], whole)


@given(st.integers(2, 64), st.data())
def test_consistency_when_anything_is_changed_then_false(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size - 1))
    proof, first, whole = consistency_proof(LEAVES[:size], old), root(LEAVES[:old]), root(LEAVES[:size])
    assert not verify_consistency(old, whole, size, whole, proof)
    assert not verify_consistency(old, first, size, first, proof)
    assert not verify_consistency(old, first, size, whole, proof[:-1])
    assert not verify_consistency(old, first, size, whole, [*proof, whole])
    assert not verify_consistency(size, whole, old, first, proof)
    assert not verify_consistency(old, first, size, whole, [proof[0] + b"\0", *proof[1:]])
    forked = [*LEAVES[: old - 1], leaf_hash(b"other"), *LEAVES[old:size]]
    assert not verify_consistency(old, first, size, root(forked), consistency_proof(forked, old))


def test_consistency_when_old_tree_is_empty_or_the_same_then_empty_proof_only() -> None:
    whole = root(LEAVES)
    assert verify_consistency(0, EMPTY_ROOT, 64, whole, [])
    assert not verify_consistency(0, whole, 64, whole, [])
    assert verify_consistency(64, whole, 64, whole, [])
    assert not verify_consistency(64, whole, 64, whole, [whole])


@pytest.mark.parametrize("index", [-1, 64])
def test_proofs_when_there_is_no_such_leaf_then_index_error(index: int) -> None:
    with pytest.raises(IndexError):
        inclusion_proof(LEAVES, index)
    with pytest.raises(IndexError):
        consistency_proof(LEAVES, index if index < 0 else 65)


def test_find_leaf_when_a_beginning_has_the_hash_then_its_length() -> None:
    assert find_leaf(b"entry and more", leaf_hash(b"entry")) == 5
    assert find_leaf(b"entry", leaf_hash(b"entry")) == 5
    assert find_leaf(b"entr", leaf_hash(b"entry")) is None


def _vectors(kind: str) -> list[Path]:
    return sorted((VECTORS / kind).rglob("*.json"))


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


@pytest.mark.skipif(not VECTORS.is_dir(), reason=REASON)
def test_published_inclusion_proofs_when_verified_then_as_expected() -> None:
    paths = _vectors("inclusion")
    for path in paths:
        v = json.loads(path.read_bytes())
        proof = [_bytes(step) for step in v["proof"] or []]
        good = verify_inclusion(_bytes(v["leafHash"]), v["leafIdx"], v["treeSize"], proof, _bytes(v["root"]))
        assert good is not v["wantErr"], path
    assert len(paths) > 50


@pytest.mark.skipif(not VECTORS.is_dir(), reason=REASON)
def test_published_consistency_proofs_when_verified_then_as_expected() -> None:
    paths = _vectors("consistency")
    for path in paths:
        v = json.loads(path.read_bytes())
        proof = [_bytes(step) for step in v["proof"] or []]
        good = verify_consistency(v["size1"], _bytes(v["root1"]), v["size2"], _bytes(v["root2"]), proof)
        assert good is not v["wantErr"], path
    assert len(_vectors("inclusion")) + len(paths) == 196


def test_verifiers_when_a_hash_lends_a_byte_to_its_neighbour_then_false() -> None:
    a, b = LEAVES[:2]
    assert leaf_hash(b"") != a
    assert not verify_inclusion(a + b[:1], 0, 2, [b[1:]], root([a, b]))
    assert not verify_consistency(1, a + b[:1], 2, root([a, b]), [b[1:]])


def test_inclusion_when_the_root_is_of_a_smaller_or_larger_tree_then_false() -> None:
    a, b = LEAVES[:2]
    assert not verify_inclusion(a, 0, 4, [b], root([a, b]))
    assert not verify_inclusion(a, 0, 1, [b], root([b, a]))
    assert not verify_inclusion(a, 0, 1, [b], root([a, b]))


def test_consistency_when_the_roots_are_of_smaller_or_larger_trees_then_false() -> None:
    a, b, c = LEAVES[:3]
    assert not verify_consistency(2, root([a, b]), 8, root([a, b, c]), [c])
    assert not verify_consistency(1, a, 2, root([root([a, b]), c]), [b, c])
