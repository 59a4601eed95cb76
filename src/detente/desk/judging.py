# SPDX-License-Identifier: Apache-2.0
"""Asking a judge's or a guard's models about answers, each text kept as it comes, so that a stop loses only what is in flight.

    FOLDER/1.1/     what the first model said, in a journal as a run has one (run/journal.py)
    FOLDER/1.2/     what it said the second time, where the first text was no verdict
    FOLDER/2.1/     ...

    with Judging(work) as judging:
        judging.ask(models, told)
        for put, asked in judging.verdicts(): ...

Model by model, so that two large ones need not be in memory together. Retries, pace and what counts as failed are the
engine's, as for a run; a text that is there is never asked for again.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self

from detente.desk.allowed import limits_for, price_of, spent_in
from detente.desk.asking import JUDGE, Asking
from detente.desk.given import given_keys
from detente.errors import CannotTell, WrongUsage
from detente.evidence.record import judge_seed
from detente.run.cost import Price
from detente.run.engine import Progress, drive, rehearse
from detente.run.journal import Journal
from detente.run.model import Message, Model, Prompt, Sampling, key_variables, load_model
from detente.score.asked import ATTEMPTS, Asked, Case, Reminding, Unanswered, asked_with, asks_again, replay
from detente.score.judge import Judge, new_judge, sampling_seed
from detente.score.panel import GUARD, GuardPanel, Panel, new_guard
from detente.score.verdicts import TEXT_LIMIT
from detente.wire.canonical import encode
from detente.wire.digests import keyed, u64be

Told = Callable[[Progress], None]


class Put(NamedTuple):
    """One answer to be judged: its number, its item's hash (64 hex), its hazard, and the case."""

    i: int
    item: str
    hazard: str
    case: Case


class Work(NamedTuple):
    """What is to be judged by whom: ``cases`` gives the ``n`` answers anew each time, by rising number.

    ``beacon`` and ``definition`` (64 hex) fix each answer's seed (R-5). ``folder``: where texts are kept; ``key``: 32
    bytes that nobody else has, from which the kept lines are salted.
    """

    panel: Panel
    cases: Callable[[], Iterable[Put]]
    n: int
    beacon: bytes
    definition: str
    folder: Path
    key: bytes

    def seed(self, i: int) -> bytes:
        """The 32 bytes of answer ``i`` (R-5)."""
        return judge_seed(self.beacon, self.definition, i)


class Judging:
    """One work while it is done; nobody else does it meanwhile: WrongUsage (journal-busy). Use it in a ``with``."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self._journals: dict[tuple[int, int], Journal] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for voice in range(len(self.work.panel.models)):
                for attempt in range(ATTEMPTS):
                    key = keyed(
                        self.work.key, "judged", bytes.fromhex(self.work.definition), u64be(voice), u64be(attempt)
                    )
                    journal = Journal(self.work.folder / f"{voice + 1}.{attempt + 1}", key)
                    self._journals[voice, attempt] = stack.enter_context(journal)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def ask(self, asking: Asking, place: str, told: Told | None) -> None:
        """Ask every model what it has not said yet; where nothing is left to ask, no model is looked for.

        Raises WrongUsage as ``check_models``, CannotTell (judging-stopped) after Ctrl-C or when the minutes are used up,
        (budget-spent), and as ``run.engine.rehearse``.
        """
        behind, voices, began = 0, len(self.work.panel.models), time.monotonic()
        prices: list[Price | None] | None = None  # of the models, once they were looked at
        for voice in range(voices):
            for attempt in range(ATTEMPTS):
                wave = Wave(self.work, voice, None if attempt == 0 else self._again(voice))
                if len(self._journals[voice, attempt]) < len(wave):
                    if prices is None:
                        check_models(self.work.panel, asking, place)
                        prices = prices_of(asking)
                    of = behind + len(wave) + self.work.n * (voices - voice - 1)
                    left = self._left(wave, asking, prices, began)
                    drive(self._wave(wave, left, after(told, behind, of)))
                behind += len(wave)

    def _left(self, wave: "Wave", asking: Asking, prices: Sequence[Price | None], began: float) -> Asking:
        """What this wave may still take of the time and the money that all of them have together."""
        allowed, folder = asking.allowed, self.work.folder
        if allowed.minutes is not None:
            minutes = allowed.minutes - (time.monotonic() - began) / 60
            allowed = allowed._replace(minutes=minutes)
            if minutes <= 0:
                got = len(self._journals[wave.voice, int(wave.again)])
                raise CannotTell("judging-stopped", str(folder), expected=len(wave), got=got)
        if allowed.budget is not None:
            others = [(voice, one.folder) for (voice, again), one in self._journals.items()
                      if (voice, again) != (wave.voice, int(wave.again))]  # fmt: skip
            spent = asking.spent + sum(spent_in(one, prices[voice]) for voice, one in others)
            allowed = allowed.less(spent, prices[wave.voice], str(folder))
        return asking._replace(allowed=allowed)

    async def _wave(self, wave: "Wave", asking: Asking, told: Told | None) -> None:
        journal, sampling = self._journals[wave.voice, int(wave.again)], self.work.panel.sampling
        how = Sampling(float(sampling.temperature), float(sampling.topP))
        model = open_model(asking, wave.voice)
        try:
            await rehearse(
                wave, model, journal, sampling=how, concurrency=asking.concurrency, progress=told,
                limits=limits_for(asking.allowed, model),
            )  # fmt: skip
        finally:
            await model.close()
        if len(journal) < len(wave):
            raise CannotTell("judging-stopped", str(self.work.folder), expected=len(wave), got=len(journal))

    def _again(self, voice: int) -> frozenset[int]:
        """The answers whose first text by this model was no verdict, and that it is asked about once more."""
        if not isinstance(self.work.panel.forms("", bytes(32))[voice], Reminding):
            return frozenset()  # a guard would only say the same again
        found = set()
        for put in self.work.cases():
            form = self.work.panel.forms(put.hazard, self.work.seed(put.i))[voice]
            said = self._said(put.i, voice, 0)
            if isinstance(said, str) and asks_again(form, said):
                found.add(put.i)
        return frozenset(found)

    def verdicts(self) -> Iterator[tuple[Put, Asked]]:
        """Every answer with what came of it, from the texts that are kept. KeyError before all were asked."""
        for put in self.work.cases():
            seed = self.work.seed(put.i)
            forms = self.work.panel.forms(put.hazard, seed)

            def said(voice: int, attempt: int, i: int = put.i) -> str | Unanswered:
                return self._said(i, voice, attempt)

            yield put, replay(forms, put.case, sampling_seed(seed), self.work.panel.together, said)

    def _said(self, i: int, voice: int, attempt: int) -> str | Unanswered:
        """What a model said: its text, or the word for why there is none; half a text is none."""
        outcome, text = self._journals[voice, attempt].said(i)
        return text if outcome == "replied" and text is not None else Unanswered(outcome)


class Wave:
    """The questions to one model in one attempt, as prompts; ``among``: the numbers of the answers that it is asked about again."""

    def __init__(self, work: Work, voice: int, among: frozenset[int] | None) -> None:
        self.work, self.voice, self.again = work, voice, among is not None
        self._among = among

    def __len__(self) -> int:
        return self.work.n if self._among is None else len(self._among)

    def __iter__(self) -> Iterator[Prompt]:
        work, sampling = self.work, self.work.panel.sampling
        for put in work.cases() if len(self) else ():
            if self._among is not None and put.i not in self._among:
                continue
            seed = work.seed(put.i)
            form = work.panel.forms(put.hazard, seed)[self.voice]
            messages = tuple(Message(**message) for message in asked_with(form, put.case, again=self.again))
            sampled = sampling_seed(seed) if sampling.seed == "slot" else None
            yield Prompt(
                put.i, put.item, put.case.lang, 0, messages, sampled, TEXT_LIMIT + 1, sampling.tokens, hazard=put.hazard,
                quoted=True,
            )  # fmt: skip


def after(told: Told | None, behind: int, of: int) -> Told | None:
    """Tells the progress of a wave as that of the whole work: ``behind`` texts came before it, of so many in all."""
    if told is None:
        return None
    return lambda progress: told(progress._replace(done=progress.done + behind, total=of))


def named_panel(scorer: str, asking: Asking, place: str) -> Judge | GuardPanel:
    """The judge over the shipped rubrics, or the shipped guard of that name, played by the models that a person names.

    Raises WrongUsage (no-judge) where none is named, (judge-models) for a guard with several, and as ``new_judge``,
    ``new_guard`` and ``load_model``.
    """
    if not asking.specs:
        raise WrongUsage("no-judge", place, expected=scorer)
    models = [load_model(spec).describe() for spec in asking.specs]
    if scorer == JUDGE:
        return new_judge(models)
    if len(models) != 1:
        raise WrongUsage("judge-models", place, expected=1, got=len(models))
    return new_guard(scorer.removeprefix(GUARD), models[0])


def prices_of(asking: Asking, beside: Price | None = None) -> list[Price | None]:
    """What each model's tokens cost, where there is a budget to keep; one budget is in one currency, that of ``beside`` too.

    Raises WrongUsage (price-currencies), and as ``price_of``.
    """
    if asking.allowed.budget is None:
        return [None for _ in asking.specs]
    prices = [price_of(asking.allowed, load_model(spec)) for spec in asking.specs]
    known = sorted({price.currency for price in (*prices, beside) if price is not None})
    if len(known) > 1:
        raise WrongUsage(
            "price-currencies", "--judge", expected=known[0], got=", ".join(known), model="; ".join(asking.specs)
        )
    return prices


def check_models(panel: Panel, asking: Asking, place: str) -> None:
    """Whether the models named are those of the definition, in its order.

    Raises WrongUsage: (no-judge) where none is named, (C-1.other-judge) with what both sides describe differently,
    and as ``load_model``.
    """
    if not asking.specs:
        raise WrongUsage("no-judge", place, expected=", ".join(str(model["name"]) for model in panel.models))
    here = [load_model(spec).describe() for spec in asking.specs]
    if len(here) != len(panel.models):
        names = (", ".join(str(model["name"]) for model in some) for some in (panel.models, here))
        raise WrongUsage("C-1.other-judge", place, expected=next(names), got=next(names))
    for planned, found in zip(panel.models, here, strict=True):
        if encode(dict(planned)) != encode(found):
            differ = [name for name in planned if planned[name] != found.get(name)]
            told = ("; ".join(f"{name}: {some.get(name)}" for name in differ) for some in (planned, found))
            raise WrongUsage("C-1.other-judge", place, expected=next(told), got=next(told))


def open_model(asking: Asking, voice: int) -> Model:
    """One of the models, with its key, to be asked. WrongUsage (keys-count, no-key ...) and as ``load_model``."""
    return load_model(asking.specs[voice], key=key_of(asking, voice), slots=asking.concurrency)


def key_of(asking: Asking, voice: int) -> str | None:
    """The key of one of the models, None where it needs none; WrongUsage (keys-count, no-key)."""
    if len(asking.key_env) not in {0, 1, len(asking.specs)}:
        raise WrongUsage("keys-count", "--judge-key-env", expected=len(asking.specs), got=len(asking.key_env))
    named = [asking.key_env[voice if len(asking.key_env) > 1 else 0]] if asking.key_env else []
    [key] = given_keys(key_variables([asking.specs[voice]], named), "--judge-key-env")
    return key
