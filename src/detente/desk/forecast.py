# SPDX-License-Identifier: Apache-2.0
"""What a run or a rehearsal would take, before anybody is asked and anything is registered: slots, tokens, hours, money."""

from collections.abc import Mapping
from typing import NamedTuple

from detente.desk.allowed import Allowed, price_of
from detente.desk.given import listed as specs_of
from detente.desk.keys import Desk
from detente.desk.plans import suite_lists
from detente.desk.rehearsals import Rehearsal, read_rehearsal
from detente.desk.runs import runs_of
from detente.desk.texts import items_here
from detente.errors import WrongUsage
from detente.pact.item import Item, as_turns, begun_in
from detente.pact.plan import PlanFile, Test
from detente.pact.slots import Slots
from detente.run.cost import Price, guess_tokens
from detente.run.model import load_models
from detente.run.watch import attempts


class Share(NamedTuple):
    """One language's part. Tokens of the questions are a guess on the high side, those of the answers the plan's cap.

    ``unread``: slots whose text is sealed and not here; their questions are not among ``asked``.
    """

    slots: int = 0
    requests: int = 0
    asked: int = 0
    said: int = 0
    unread: int = 0

    def plus(self, other: "Share", times: int = 1) -> "Share":
        """Both together, the other one so many times."""
        return Share(*(one + times * more for one, more in zip(self, other, strict=True)))


class Forecast(NamedTuple):
    """All of it. ``hours`` by what sets the pace: ``requests`` and ``tokens`` a minute, ``seen`` (earlier answers of this model).

    The run takes at least the longest of them. ``cost`` is at most this much, None without a price.
    """

    languages: dict[str, Share]
    whole: Share
    hours: dict[str, float]
    cost: float | None
    currency: str


def forecast(desk: Desk, plan: PlanFile, test: Test, allowed: Allowed, concurrency: int) -> Forecast:
    """What the whole of ``test`` takes with these limits, ``concurrency`` questions at once.

    Raises WrongUsage: as ``load_models``, and ``budget-no-price``.
    """
    entry = next((one for one in desk.models if one.subject == test.subject), None)
    if entry is None:
        subjects = ", ".join(one.subject for one in desk.models)
        raise WrongUsage("no-model", f"{desk.root}/desk.toml", expected=subjects, got=test.subject)
    allowed = allowed.over(desk.allowance(test.subject))
    model = entry.unkeyed()  # a key is for asking
    price = price_of(allowed, model)
    items, _ = items_here(desk, plan, test.section)
    slots = Slots(plan.plan, test.section, suite_lists(desk.open_exchange(), plan))
    caps = {tag: cap.tokens for tag, cap in plan.plan.caps.items()}
    languages = _shares(slots, items, caps, guess_tokens(entry.system or ""))
    return _forecast(languages, allowed, price, concurrency, _answer_s(desk, plan, test))


def forecast_rehearsal(wanted: Rehearsal) -> Forecast:
    """The same for a rehearsal, with its own cap; nothing is written. ``seen``: what lies in its folder already.

    Raises as ``read_rehearsal`` and ``load_models`` do, and WrongUsage (budget-no-price).
    """
    asked = read_rehearsal(wanted)
    questions, text = asked.questions, asked.system
    price = price_of(wanted.allowed, load_models(specs_of(wanted.model), system=text, slots=wanted.concurrency))
    languages: dict[str, Share] = {}
    system = guess_tokens(text or "")
    for question in questions:
        one = _question(question.turns, wanted.tokens, system + guess_tokens(question.begun))
        languages[question.lang] = languages.get(question.lang, Share()).plus(one)
    seen = attempts(wanted.out / "journal", active=False).answer_s
    return _forecast(languages, wanted.allowed, price, wanted.concurrency, seen)


def _forecast(
    languages: dict[str, Share], allowed: Allowed, price: Price | None, concurrency: int, seen: float | None
) -> Forecast:
    whole = Share()
    for share in languages.values():
        whole = whole.plus(share)
    hours = {}
    if allowed.per_minute:
        hours["requests"] = whole.requests / allowed.per_minute / 60
    if allowed.tokens_per_minute:
        hours["tokens"] = (whole.asked + whole.said) / allowed.tokens_per_minute / 60
    if seen is not None:
        hours["seen"] = whole.requests * seen / concurrency / 3600
    cost = price.of(whole.asked, whole.said) if price else None
    return Forecast(languages, whole, hours, cost, price.currency if price else "")


def _shares(slots: Slots, items: Mapping[str, Item], caps: Mapping[str, int], system: int) -> dict[str, Share]:
    """Slots and tokens by language; each item is looked at once a language, however often it is repeated."""
    found: dict[str, Share] = {}
    for _, suite, listed in slots.suites():
        for lang in suite.languages:
            share = found.get(lang, Share())
            for entry in listed:
                item = items.get(entry.item)
                begun = guess_tokens(begun_in(item, lang)) if item is not None else 0
                one = _question(as_turns(item.text[lang]) if item is not None else None, caps[lang], system + begun)
                share = share.plus(one, suite.epochs)
            found[lang] = share
    return found


def _question(turns: list[str] | None, cap: int, system: int) -> Share:
    """One question, or one that is not here: with each turn all that was said before goes out again."""
    if turns is None:
        return Share(slots=1, requests=1, said=cap, unread=1)
    asked = sent = 0
    for n, turn in enumerate(turns):
        sent += guess_tokens(turn)
        asked += system + sent + n * cap
    return Share(slots=1, requests=len(turns), asked=asked, said=cap * len(turns))


def _answer_s(desk: Desk, plan: PlanFile, test: Test) -> float | None:
    """How long an answer of this model took on average in its newest run on this desk that was asked anything."""
    for run in reversed(runs_of(desk, plan)):
        if run.test.subject == test.subject:
            seen = attempts(run.journal_path(), active=False).answer_s
            if seen is not None:
                return seen
    return None
