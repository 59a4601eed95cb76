# SPDX-License-Identifier: Apache-2.0
"""Vectors of keys, signatures and envelopes (P-3, T-1), and of log heads and cosignatures (L-1 to L-3, L-7)."""

from collections.abc import Callable, Mapping
from typing import Any

from vectors.source import plain
from vectors.source.plain import Key, base64_of, collection, head, jcs, log_line, vector, witness_line

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def stray_bits(text: str) -> str:
    """The same bytes in another base64 spelling: unread bits of the last letter set."""
    body = text.rstrip("=")
    assert body != text, "no bits are left over"
    return body[:-1] + LETTERS[LETTERS.index(body[-1]) | 1] + "=" * (len(text) - len(body))


# --- keys -----------------------------------------------------------------------------------------


def torsion() -> list[bytes]:
    """The eight points of small order: L times a point, whatever is left of it."""
    y = 2
    while True:
        try:
            point = plain.times(plain.L, (x := plain.recover_x(y, 0), y, 1, x * y % plain.P))
        except ValueError:
            point = (0, 1, 1, 0)
        orders = {plain.spelled(plain.times(n, point)) for n in range(1, 9)}
        if len(orders) == 8:
            return sorted(orders)
        y += 1


def keys() -> dict[str, Any]:
    good = [Key(name).public for name in ("one", "two", "three")]
    low = [raw.hex() for raw in torsion()]
    nought, top = (0).to_bytes(31, "little"), 1 << 255
    spellings = {
        "y-is-p": plain.P, "y-is-p-plus-one": plain.P + 1, "y-is-the-largest": 2**255 - 1,
        "y-is-p-plus-three-and-a-point": plain.P + 3, "y-is-p-and-the-sign-is-set": plain.P | top,
    }  # fmt: skip
    no_point = next(y for y in range(2, 99) if not has_point(y))
    rows = [vector(f"good-{n}", "P-3", key.encode(), value=key) for n, key in enumerate(good, 1)]
    rows += [vector(f"small-order-{n}", "P-3", key.encode(), "malformed P-3.order") for n, key in enumerate(low, 1)]
    rows += [
        vector(name, "P-3", n.to_bytes(32, "little").hex().encode(), "malformed P-3.canonical")
        for name, n in spellings.items()
    ]
    rows += [
        vector("one-with-its-sign-set", "P-3", (1 | top).to_bytes(32, "little").hex().encode(), "malformed P-3.order"),
        vector("no-point", "P-3", (bytes([no_point]) + nought).hex().encode(), "malformed P-3.curve"),
        vector("capitals", "P-3 B-1", good[0].upper().encode(), "malformed P-3.hex"),
        vector("too-short", "P-3 B-1", good[0][:-2].encode(), "malformed P-3.hex"),
        vector("newline-behind", "P-3 B-1", good[0].encode() + b"\n", "malformed P-3.hex"),
        vector("base64", "P-3 B-1", base64_of(bytes.fromhex(good[0])).encode(), "malformed P-3.hex"),
    ]
    return collection("public-key", "An Ed25519 public key as a plan writes it.", rows)


def has_point(y: int) -> bool:
    try:
        plain.recover_x(y, 0)
    except ValueError:
        return False
    return True


def signatures() -> dict[str, Any]:
    key, other, message = Key("signer"), Key("other"), b"what is signed"
    signature = key.sign(message)
    s = int.from_bytes(signature[32:], "little")
    low = plain.spelled((0, 1, 1, 0)).hex()
    cases = {
        "good": (key.public, signature, message, True),
        "good-over-nothing": (key.public, key.sign(b""), b"", True),
        "another-message": (key.public, signature, message + b".", False),
        "another-key": (other.public, signature, message, False),
        "s-plus-the-order": (key.public, signature[:32] + (s + plain.L).to_bytes(32, "little"), message, False),
        "another-r": (key.public, other.sign(message)[:32] + signature[32:], message, False),
        "too-short": (key.public, signature[:-1], message, False),
        "too-long": (key.public, signature + b"\0", message, False),
        "nothing": (key.public, b"", message, False),
        "small-order-key-and-r-and-s-nought": (low, bytes.fromhex(low) + bytes(32), message, False),
    }
    rows = [
        vector(
            name, "T-1 P-3", text, "ok" if good else "not-verified", given={"key": public, "signature": raw.hex()}
        )
        for name, (public, raw, text, good) in cases.items()
    ]  # fmt: skip
    return collection("signature", "An Ed25519 signature over the input.", rows)


# --- envelopes ------------------------------------------------------------------------------------


def envelopes() -> dict[str, Any]:
    key, other = Key("lab-a statement"), Key("lab-b statement")
    payload = jcs({"a": 1})
    kind, sig = "application/vnd.in-toto+json", base64_of(key.sign(plain.pae(payload)))
    whole = plain.envelope(payload, key)
    given = {"given": {"key": key.public}}

    def shaped(payload_: str = base64_of(payload), kind_: object = kind, sigs: object = None, **more: Any) -> bytes:
        return jcs({"payload": payload_, "payloadType": kind_, "signatures": sigs or [{"sig": sig}], **more})

    def bad(name: str, raw: bytes, why: str = "") -> dict[str, Any]:
        return vector(name, "T-1", raw, "malformed T-1.shape", why, **given)

    wide, other_kind = plain.envelope(jcs([1]), key), "application/json"
    not_jcs = b'{"b":1,"a":2}'
    rows = [
        vector("good", "T-1", whole, value=payload.decode(), **given),
        vector("signed-by-another", "T-1", plain.envelope(payload, other), "not-verified T-1.signature", **given),
        vector("another-payload", "T-1", shaped(base64_of(jcs({"a": 2}))), "not-verified T-1.signature", **given),
        vector(
            "signed-without-pae", "T-1", shaped(sigs=[{"sig": base64_of(key.sign(payload))}]),
            "not-verified T-1.signature", **given,
        ),
        vector(
            "signed-for-another-type", "T-1", shaped(sigs=[{"sig": base64_of(key.sign(plain.pae(payload, other_kind)))}]),
            "not-verified T-1.signature", **given,
        ),
        vector("payload-not-jcs", "T-1 B-2", plain.envelope(not_jcs, key), "malformed B-2.canonical", **given),
        vector("payload-no-json", "T-1 B-2", plain.envelope(b"hello", key), "malformed B-2.json", **given),
        vector("payload-of-another-kind", "T-1 T-2", wide, why="an envelope's payload is judged by T-2", value="[1]", **given),
        bad("another-type", shaped(kind_=other_kind)),
        bad("keyid", shaped(sigs=[{"keyid": "", "sig": sig}])),
        bad("member-unknown", shaped(note="hi")),
        bad("no-signature", jcs({"payload": base64_of(payload), "payloadType": kind, "signatures": []})),
        bad("two-signatures", shaped(sigs=[{"sig": sig}, {"sig": sig}])),
        bad("signatures-missing", jcs({"payload": base64_of(payload), "payloadType": kind})),
        bad("signature-too-short", shaped(sigs=[{"sig": base64_of(bytes(63))}])),
        bad("signature-too-long", shaped(sigs=[{"sig": base64_of(bytes(65))}])),
        bad("signature-with-stray-bits", shaped(sigs=[{"sig": stray_bits(sig)}])),
        bad("signature-without-padding", shaped(sigs=[{"sig": sig.rstrip("=")}])),
        bad("signature-for-addresses", shaped(sigs=[{"sig": base64_of(b"\xff" * 64).replace("/", "_")}])),
        bad("payload-with-stray-bits", shaped(stray_bits(base64_of(payload + b" ")))),
        bad("payload-without-padding", shaped(base64_of(payload + b" ").rstrip("="))),
        bad("payload-with-a-line-end", shaped(base64_of(payload)[:4] + "\n" + base64_of(payload)[4:])),
        bad("payload-for-addresses", shaped("_-_-")),
        bad("payload-a-number", jcs({"payload": 1, "payloadType": kind, "signatures": [{"sig": sig}]})),
        bad("newline-behind", whole + b"\n"),
        bad("blank-inside", whole.replace(b":", b": ", 1)),
        bad("payload-twice", whole.replace(b"{", b'{"payload":"",', 1)),
        bad("a-list", b"[]"),
        bad("nothing", b""),
        bad("cut", whole[:-1]),
    ]  # fmt: skip
    return collection("envelope", "A log entry: a DSSE envelope; the value is its payload.", rows)


# --- log heads ------------------------------------------------------------------------------------

LOG, OTHER_LOG, WITNESS, NOON = Key("lab-a log"), Key("lab-b log"), Key("lab-b witness"), 1_794_571_200
ORIGIN = f"lab-a.example/detente/{plain.digest(LOG.raw)[:16]}"
NAME = "lab-b.example/witness"
TEXT = head(ORIGIN, 2, plain.tree([plain.leaf(b"0"), plain.leaf(b"1")]))
OWN = log_line(TEXT, ORIGIN, LOG)


def note(text: str = TEXT, *below: str) -> bytes:
    return (text + "\n" + "".join(below)).encode()


def signed(text: str) -> bytes:
    return note(text, log_line(text, ORIGIN, LOG))


def malformed_notes() -> Mapping[str, bytes]:
    """Notes that the log's key signed all the same, where that can be."""
    origin, _, root, _ = TEXT.split("\n")
    return {
        "size-with-a-leading-nought": signed(f"{origin}\n02\n{root}\n"),
        "size-with-a-sign": signed(f"{origin}\n+2\n{root}\n"),
        "size-negative": signed(f"{origin}\n-2\n{root}\n"),
        "size-of-twenty-digits": signed(f"{origin}\n{10**19}\n{root}\n"),
        "size-in-other-digits": signed(f"{origin}\n２\n{root}\n"),
        "size-missing": signed(f"{origin}\n{root}\n"),
        "extension-line": signed(TEXT + "more\n"),
        "origin-empty": signed(f"\n2\n{root}\n"),
        "root-of-31-bytes": signed(f"{origin}\n2\n{base64_of(bytes(31))}\n"),
        "root-of-33-bytes": signed(f"{origin}\n2\n{base64_of(bytes(33))}\n"),
        "root-with-stray-bits": signed(f"{origin}\n2\n{stray_bits(root)}\n"),
        "root-without-padding": signed(f"{origin}\n2\n{root.rstrip('=')}\n"),
    }


def log_heads() -> dict[str, Any]:
    given: dict[str, Any] = {"given": {"origin": ORIGIN, "key": LOG.public}}
    seen = [ORIGIN, 2, plain.tree([plain.leaf(b"0"), plain.leaf(b"1")]).hex()]
    foreign = log_line(TEXT, ORIGIN, OTHER_LOG)
    empty = head(ORIGIN, 0, plain.tree([]))
    huge = head(ORIGIN, 10**19 - 1, bytes(32))

    def ok(name: str, raw: bytes, value: Any = seen) -> dict[str, Any]:
        return vector(name, "L-1", raw, value=value, **given)

    def no(name: str, raw: bytes, code: str) -> dict[str, Any]:
        return vector(name, "L-1", raw, f"not-verified {code}", **given)

    def cut(name: str, raw: bytes) -> dict[str, Any]:
        return vector(name, "L-7", raw, "cannot-tell file-cut", **given)

    whole = note(TEXT, OWN)
    bad_own = OWN[:-4] + ("AA" if OWN[-4:-2] != "AA" else "BA") + OWN[-2:]
    rows = [
        ok("good", whole),
        ok("of-nothing", note(empty, log_line(empty, ORIGIN, LOG)), [ORIGIN, 0, plain.tree([]).hex()]),
        ok("of-the-largest-size", note(huge, log_line(huge, ORIGIN, LOG)), [ORIGIN, 10**19 - 1, "00" * 32]),
        ok("unknown-lines-are-skipped", note(TEXT, foreign, OWN, witness_line(TEXT, NAME, WITNESS, NOON))),
        ok("same-name-and-another-key-id-is-skipped", note(TEXT, OWN, foreign)),
        ok("a-line-of-a-kind-to-come", note(TEXT, OWN, plain.line(ORIGIN, b"\x06abc" + bytes(2420)))),
        ok("its-own-line-twice", note(TEXT, OWN, OWN)),
        ok("a-hundred-lines", note(TEXT, OWN, foreign * 99)),
        no("a-hundred-and-one-lines", note(TEXT, OWN, foreign * 100), "L-1.note"),
        no("longer-than-64-kib", note(TEXT, OWN, plain.line(ORIGIN, bytes(60_000))), "L-1.note"),
        no("one-of-its-lines-wrong", note(TEXT, OWN, bad_own), "L-1.signature"),
        no("signature-wrong", note(TEXT, bad_own), "L-1.signature"),
        no("signed-by-another", note(TEXT, foreign), "L-1.signature"),
        no("only-a-witness-signed", note(TEXT, witness_line(TEXT, NAME, WITNESS, NOON)), "L-1.signature"),
        no("another-size", whole.replace(b"\n2\n", b"\n3\n"), "L-1.signature"),
        no("another-origin", signed(TEXT.replace("lab-a", "lab-c")), "L-1.origin"),
        no("control-character", note(TEXT.replace("lab-a", "lab\x07a"), OWN), "L-1.note"),
        no("carriage-returns", whole.replace(b"\n", b"\r\n"), "L-1.note"),
        no("not-utf-8", whole.replace(b"lab-a", b"lab\xffa", 1), "L-1.note"),
        no("hyphen-for-the-dash", whole.replace("—".encode(), b"-"), "L-1.note"),
        no("two-blanks", whole.replace("— ".encode(), "—  ".encode()), "L-1.note"),
        no("name-with-a-plus", note(TEXT, OWN, plain.line("a+b", bytes(68))), "L-1.note"),
        no("line-with-stray-bits", note(TEXT, stray_line(OWN)), "L-1.note"),
        no("line-too-short", note(TEXT, OWN, plain.line("x.example", bytes(4))), "L-1.note"),
        no("empty-line-missing", note(TEXT, OWN).replace(b"\n\n", b"\n"), "L-1.note"),
        no("words-behind", whole + b"and more\n", "L-1.note"),
        *(no(name, raw, "L-1.checkpoint") for name, raw in malformed_notes().items()),
        cut("nothing", b""),
        cut("cut-in-the-origin", whole[:10]),
        cut("cut-after-the-origin", whole[: whole.index(b"\n") + 1]),
        cut("cut-before-the-signature", note(TEXT)),
        cut("cut-in-the-signature", whole[:-20]),
        cut("last-newline-missing", whole[:-1]),
        no("last-newline-changed", whole[:-1] + b"\x0b", "L-1.note"),
    ]  # fmt: skip
    return collection(
        "log-head", "A checkpoint of the log `origin`, signed by `key`; the value is origin, size, root.", rows
    )


def stray_line(text: str) -> str:
    name, _, rest = text.rstrip("\n").rpartition(" ")
    raw = plain.base64.b64decode(rest) + b"\0" * (1 if len(plain.base64.b64decode(rest)) % 3 == 0 else 0)
    return f"{name} {stray_bits(base64_of(raw))}\n"


def cosignatures() -> dict[str, Any]:
    given: dict[str, Any] = {"given": {"origin": ORIGIN, "key": LOG.public, "witnesses": {NAME: WITNESS.public}}}
    good = witness_line(TEXT, NAME, WITNESS, NOON)

    def wrong(make: Callable[[], str]) -> bytes:
        return note(TEXT, OWN, make())

    def line(at: bytes, signed_: str, kind: int = 4, key: Key = WITNESS) -> str:
        return plain.line(NAME, plain.key_id(NAME, kind, key) + at + WITNESS.sign(signed_.encode()))

    said = f"cosignature/v1\ntime {NOON}\n{TEXT}"
    bad = {
        "time-nought": lambda: line(plain.u64be(0), f"cosignature/v1\ntime 0\n{TEXT}"),
        "time-of-64-bits": lambda: line(plain.u64be(2**63), f"cosignature/v1\ntime {2**63}\n{TEXT}"),
        "another-time-signed": lambda: line(plain.u64be(NOON + 1), said),
        "signed-like-a-log": lambda: plain.line(NAME, plain.key_id(NAME, 4, WITNESS) + plain.u64be(NOON) + WITNESS.sign(TEXT.encode())),
        "of-kind-one": lambda: line(plain.u64be(NOON), said, 1),
        "key-id-of-another": lambda: line(plain.u64be(NOON), said, 4, LOG),
        "by-another-witness": lambda: witness_line(TEXT, "lab-c.example/witness", WITNESS, NOON),
        "over-another-head": lambda: witness_line(head(ORIGIN, 3, bytes(32)), NAME, WITNESS, NOON),
        "without-a-time": lambda: plain.line(NAME, plain.key_id(NAME, 4, WITNESS) + WITNESS.sign(said.encode())),
    }  # fmt: skip
    rows = [
        vector("good", "L-3", note(TEXT, OWN, good), value=[[NAME, NOON]], **given),
        vector(
            "twice", "L-3", note(TEXT, OWN, good, witness_line(TEXT, NAME, WITNESS, NOON + 60)),
            value=[[NAME, NOON], [NAME, NOON + 60]], **given,
        ),
        vector(
            "beside-lines-that-nobody-knows", "L-1 L-3",
            note(TEXT, OWN, plain.line("x.example", bytes(2424)), good), value=[[NAME, NOON]], **given,
        ),
        vector("the-log-did-not-sign", "L-1 L-3", note(TEXT, good), "not-verified L-1.signature", **given),
        vector("after-the-log-s-line-nothing", "L-7", note(TEXT, OWN), "cannot-tell file-cut", **given),
        *(vector(name, "L-3", wrong(make), "not-verified L-3.cosignature", **given) for name, make in bad.items()),
    ]  # fmt: skip
    return collection(
        "cosigned",
        "A checkpoint as a witness keeps it: at least one cosignature of `witnesses` counts; the value lists name and time.",
        rows,
    )


FILES = {
    "public-keys": keys, "signatures": signatures, "envelopes": envelopes, "log-heads": log_heads,
    "cosignatures": cosignatures,
}  # fmt: skip
