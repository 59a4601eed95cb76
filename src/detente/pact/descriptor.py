# SPDX-License-Identifier: Apache-2.0
"""What a plan fixes of a model under test, without the model: its descriptor, open or behind a commitment (P-12, B-7)."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from detente.errors import Malformed
from detente.wire.canonical import Hex, decode, decode_as


class Descriptor(Struct, frozen=True, forbid_unknown_fields=True):
    """A descriptor file; ``salt`` stands in it exactly where a plan holds a commitment to it.

    ``recipe``: how the model's safeguards were taken off, where they were.
    """

    chatTemplate: Hex | None  # noqa: N815 - the format's own name
    decoding: dict[str, Any]
    endpoint: str | None
    filters: list[str]
    kind: Literal["gguf", "transformers", "endpoint", "callable"]
    name: str
    systemPrompt: Hex | None  # noqa: N815 - the format's own name
    weights: Hex | None
    recipe: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET
    salt: Hex | UnsetType = UNSET


def parse_descriptor(raw: bytes, place: str, *, salted: bool) -> dict[str, object]:
    """A descriptor's members without the salt, read strictly; Malformed (B-7.salt) if it has one and should not, or lacks it."""
    if (decode_as(raw, Descriptor, place).salt is not UNSET) != salted:
        raise Malformed("B-7.salt", place, expected="salt" if salted else "-")
    return {name: value for name, value in decode(raw, place).items() if name != "salt"}
