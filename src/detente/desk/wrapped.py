# SPDX-License-Identifier: Apache-2.0
"""The questions of a rehearsal in variants: the same ones, each put as a named function of S-3 puts it, beside the plain ones or instead."""

from collections.abc import Iterator, Sequence

from detente.desk.questions import Question, Questions, line_of
from detente.errors import Malformed
from detente.pact.item import as_turns
from detente.pact.variants import KINDS, derived_id
from detente.pact.wrappers import PIVOTS, WRAPPERS, begun_by, wrap
from detente.wire.digests import sha256_of

PLAIN = "plain"


class Wrapped:
    """Questions in ``names``, one variant after the other; ``plain`` stands for the questions as they are.

    Control questions are asked plainly or not at all, and what a pivot asks in is none of its languages, as in a plan.
    Raises Malformed: S-3.name, S-3.words; S-3.pivot where a question is not there in the pivot.
    """

    def __init__(self, whole: Questions, names: Sequence[str]) -> None:
        self._whole, self._names = whole, list(dict.fromkeys(names))
        for name in self._names:
            if name not in {PLAIN, *WRAPPERS}:
                raise Malformed("S-3.name", "--variant", expected=" | ".join([PLAIN, *WRAPPERS]), got=name)
        self.digest = sha256_of(map(line_of, self))
        self._n = sum(1 for _ in self)

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[Question]:
        for name in self._names:
            yield from self._whole if name == PLAIN else self._in(name)

    def _in(self, name: str) -> Iterator[Question]:
        pivot = PIVOTS.get(name)
        texts = {one.id: one.turns for one in self._whole if one.lang == pivot} if pivot else {}
        for one in self._whole:
            if one.kind not in {"", *KINDS} or one.lang == pivot:
                continue
            if pivot and one.id not in texts:
                raise Malformed("S-3.pivot", one.id, expected=pivot, got=one.lang, variant=name)
            turns = as_turns(wrap(name, texts.get(one.id, one.turns), one.lang, one.id))
            kind = KINDS.get(one.kind, one.kind)  # type: ignore[call-overload]  # a row's own word
            yield one._replace(
                id=derived_id(name, one.id),
                turns=turns,
                kind=kind,
                begun=begun_by(name).get(one.lang, ""),
                variant=name,
            )
