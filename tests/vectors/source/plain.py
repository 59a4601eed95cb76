# SPDX-License-Identifier: Apache-2.0
"""Every rule that the vectors need, written a second time: the standard library, RFC 8032 in forty lines, and nothing of detente.

Slow and plain on purpose. A value in a vector file was computed here, so a reader that agrees with
it does not merely agree with itself.
"""

import base64
import hashlib
import hmac
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NS = "https://detente.example/"
# So many equal bytes, or equal lines, are written once, with their number.
REPEATED = re.compile(rb"(.)\1{63,}+|([^\n]*+\n)\2{15,}+", re.DOTALL)


# --- bytes (B-1, B-6, B-8) ------------------------------------------------------------------------


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def u64be(n: int) -> bytes:
    return n.to_bytes(8, "big")


def tagged(use: str, *parts: bytes) -> bytes:
    return hashlib.sha256(f"detente {use} v1\n".encode() + b"".join(parts)).digest()


def keyed(key: bytes, use: str, *parts: bytes) -> bytes:
    return hmac.new(key, f"detente {use} v1\n".encode() + b"".join(parts), hashlib.sha256).digest()


def jcs(value: object) -> bytes:
    """RFC 8785 of values with ASCII keys and whole numbers: what ``json`` writes, sorted and tight."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def lines(rows: Iterable[object]) -> bytes:
    return b"".join(jcs(row) + b"\n" for row in rows)


def gzip(plain: bytes) -> bytes:
    """One member in *stored* blocks, the plainest deflate there is, so that every machine writes these bytes (B-8)."""
    blocks = [plain[at : at + 65_535] for at in range(0, len(plain), 65_535)] or [b""]
    body = b"".join(
        bytes([n == len(blocks) - 1]) + len(one).to_bytes(2, "little") + (len(one) ^ 0xFFFF).to_bytes(2, "little") + one
        for n, one in enumerate(blocks)
    )
    return GZIP_HEAD + body + gzip_trailer(plain)


GZIP_HEAD = bytes.fromhex("1f8b0800000000000003")


def gzip_trailer(plain: bytes) -> bytes:
    return zlib.crc32(plain).to_bytes(4, "little") + (len(plain) % 2**32).to_bytes(4, "little")


def base64_of(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


# --- Ed25519 (RFC 8032, 5.1) ----------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def recover_x(y: int, sign: int) -> int:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P:
        raise ValueError("no such point")
    return P - x if x % 2 != sign else x


BASE_Y = 4 * pow(5, -1, P) % P
BASE = (recover_x(BASE_Y, 0), BASE_Y, 1, recover_x(BASE_Y, 0) * BASE_Y % P)


def add(a: Sequence[int], b: Sequence[int]) -> tuple[int, int, int, int]:
    minus, plus = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = plus - minus, d - c, d + c, plus + minus
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n: int, point: Sequence[int]) -> Sequence[int]:
    total: Sequence[int] = (0, 1, 1, 0)
    while n:
        if n & 1:
            total = add(total, point)
        point, n = add(point, point), n >> 1
    return total


def spelled(point: Sequence[int]) -> bytes:
    inverse = pow(point[2], -1, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


class Key:
    """An Ed25519 key whose seed is the hash of its name."""

    def __init__(self, name: str) -> None:
        wide = hashlib.sha512(hashlib.sha256(f"detente vectors: {name}".encode()).digest()).digest()
        self.scalar = int.from_bytes(wide[:32], "little") & (1 << 254) - 8 | 1 << 254
        self.prefix = wide[32:]
        self.raw = spelled(times(self.scalar, BASE))
        self.public = self.raw.hex()

    def sign(self, message: bytes) -> bytes:
        r = int.from_bytes(hashlib.sha512(self.prefix + message).digest(), "little") % L
        head = spelled(times(r, BASE))
        k = int.from_bytes(hashlib.sha512(head + self.raw + message).digest(), "little") % L
        return head + ((r + k * self.scalar) % L).to_bytes(32, "little")


# --- age recipients (BIP 173) ---------------------------------------------------------------------

LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def bech32(prefix: str, raw: bytes) -> str:
    bits = "".join(f"{byte:08b}" for byte in raw)
    words = [int(bits[at : at + 5].ljust(5, "0"), 2) for at in range(0, len(bits), 5)]
    check = 1
    for value in [*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix), *words, *[0] * 6]:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for n, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= term if top >> n & 1 else 0
    return prefix + "1" + "".join(LETTERS[w] for w in [*words, *((check ^ 1) >> 5 * (5 - n) & 31 for n in range(6))])


# --- trees, notes, envelopes (RFC 6962, C2SP, DSSE) -----------------------------------------------


def leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\0" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def split_at(n: int) -> int:
    """The largest power of two below ``n``."""
    return 1 << (n - 1).bit_length() - 1


def tree(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    k = split_at(len(leaves))
    return node(tree(leaves[:k]), tree(leaves[k:]))


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split_at(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), tree(leaves[k:])]
    return [*path(m - k, leaves[k:]), tree(leaves[:k])]


def growth(m: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, 2.1.2."""
    if m == len(leaves):
        return [] if whole else [tree(leaves)]
    k = split_at(len(leaves))
    if m <= k:
        return [*growth(m, leaves[:k], whole=whole), tree(leaves[k:])]
    return [*growth(m - k, leaves[k:], whole=False), tree(leaves[:k])]


def head(origin: str, size: int, root: bytes) -> str:
    return f"{origin}\n{size}\n{base64_of(root)}\n"


def key_id(name: str, kind: int, key: Key) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + key.raw).digest()[:4]


def line(name: str, raw: bytes) -> str:
    return f"— {name} {base64_of(raw)}\n"


def log_line(text: str, origin: str, key: Key) -> str:
    return line(origin, key_id(origin, 1, key) + key.sign(text.encode()))


def witness_line(text: str, name: str, key: Key, at: int) -> str:
    signed = key.sign(f"cosignature/v1\ntime {at}\n{text}".encode())
    return line(name, key_id(name, 4, key) + u64be(at) + signed)


def pae(payload: bytes, kind: str = "application/vnd.in-toto+json") -> bytes:
    return f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload


def envelope(payload: bytes, key: Key) -> bytes:
    return jcs(
        {
            "payload": base64_of(payload),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": base64_of(key.sign(pae(payload)))}],
        }
    )


# --- vectors --------------------------------------------------------------------------------------


def parts_of(raw: bytes, base: tuple[str, bytes] | None = None) -> list[dict[str, object]]:
    """Bytes as a vector file writes them: pieces of a base, text, hex, and what is repeated."""
    if base and len(base[1]) > 200:
        name, whole = base
        most = min(len(raw), len(whole))
        start = next((n for n in range(most) if raw[n] != whole[n]), most)
        end = next((n for n in range(most - start) if raw[-1 - n] != whole[-1 - n]), most - start)
        if start + end > len(raw) // 2:
            found: list[dict[str, object]] = [{"base": name, "from": 0, "to": start}] if start else []
            found += plain_parts(raw[start : len(raw) - end])
            return found + ([{"base": name, "from": len(whole) - end, "to": len(whole)}] if end else [])
    return plain_parts(raw)


def plain_parts(raw: bytes) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    at = 0
    for run in REPEATED.finditer(raw):
        once = run[1] or run[2]
        found += [*piece(raw[at : run.start()]), {**piece(once)[0], "times": len(run[0]) // len(once)}]
        at = run.end()
    return found + piece(raw[at:])


def piece(raw: bytes) -> list[dict[str, object]]:
    try:
        text = raw.decode()
        readable = all(c == "\n" or c.isprintable() for c in text)
    except UnicodeDecodeError:
        readable = False
    if not raw:
        return []
    return [{"text": text} if readable else {"hex": raw.hex()}]


def vector(
    name: str, rules: str, raw: bytes | None, ends: str = "ok", why: str = "", /,
    base: tuple[str, bytes] | None = None, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """One vector. ``ends``: ``ok``, or a kind and detente's code: ``malformed B-1.float``."""
    expect, _, code = ends.partition(" ")
    made: dict[str, Any] = {"name": name, "rules": rules.split(), "expect": expect}
    if code:
        made["code"] = code
    if why:
        made["why"] = why
    if raw is not None:
        made["input"] = parts_of(raw, base)
    return made | more


def collection(reader: str, about: str, vectors: Sequence[Mapping[str, Any]], /, **more: Any) -> dict[str, Any]:
    """One vector file: which reader is asked, in a sentence; its vectors; bases that they are cut from."""
    return {"reader": reader, "about": about, **more, "vectors": list(vectors)}
