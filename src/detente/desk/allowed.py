# SPDX-License-Identifier: Apache-2.0
"""What a person allows a run: requests and tokens a minute, money; and the price that the money is counted with."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

from detente.errors import CannotTell, WrongUsage
from detente.run.cost import Price, Purse, read_price
from detente.run.engine import Limits
from detente.run.model import Model
from detente.run.pace import Allowance
from detente.tlog.folder import Folder
from detente.wire.canonical import decode, encode

NOTE = "limits.json"


class Allowed(NamedTuple):
    """What was given on the command line; None: no limit. ``budget`` is in the currency of the model's price, ``minutes`` of this call."""

    per_minute: float | None = None
    tokens_per_minute: float | None = None
    budget: float | None = None
    prices: Path | None = None
    minutes: float | None = None

    def over(self, usual: Allowance) -> "Allowed":
        """The same, with what the desk usually allows a minute where nothing was given."""
        requests = usual.requests if self.per_minute is None else self.per_minute
        return self._replace(
            per_minute=requests,
            tokens_per_minute=usual.tokens if self.tokens_per_minute is None else self.tokens_per_minute,
        )

    def less(self, spent: float, price: Price | None, place: str) -> "Allowed":
        """The same with so much of the budget gone already; CannotTell (budget-spent) where nothing of it is left."""
        if self.budget is None:
            return self
        if spent >= self.budget:
            currency = price.currency if price is not None else ""
            raise CannotTell(
                "budget-spent", place, expected=f"{self.budget:g} {currency}", got=f"{spent:.2f} {currency}"
            )
        return self._replace(budget=self.budget - spent)


def limits_for(allowed: Allowed, model: Model) -> Limits:
    """The limits of the loop for a model, with its price where one is known.

    Raises as ``price_of``.
    """
    price = price_of(allowed, model)
    allowance = Allowance(allowed.per_minute, allowed.tokens_per_minute)
    longest_s = None if allowed.minutes is None else 60.0 * allowed.minutes
    return Limits(allowance=allowance, price=price, budget=allowed.budget, longest_s=longest_s)


def price_of(allowed: Allowed, model: Model) -> Price | None:
    """What the model's tokens cost; None where nobody says.

    The price is looked up by the name in the model's descriptor: in ``prices``, else in the list that comes with this
    program. WrongUsage: what ``read_price`` raises of a file that was given; ``budget-no-price`` for a budget without a price.
    """
    price = _listed_price(allowed, model)
    if allowed.budget is not None and price is None:
        raise WrongUsage("budget-no-price", "--budget", got=str(model.describe()["name"]))
    return price


def _listed_price(allowed: Allowed, model: Model) -> Price | None:
    afar = str(getattr(model, "place", "")).startswith(("https://", "http://", "ray "))
    if not afar and allowed.prices is None:  # a model in this process is not described (hashed) for nothing
        return None
    described = model.describe()
    name, endpoint = str(described["name"]), described.get("endpoint")
    if allowed.prices is not None:
        return read_price(allowed.prices, name, endpoint)
    with as_file(files("detente") / "data" / "prices.toml") as shipped:
        try:
            return read_price(shipped, name, endpoint)
        except WrongUsage as error:
            if error.code == "no-price" or (error.code == "price-currencies" and allowed.budget is None):
                return None
            raise


def spent_in(journal: Path, price: Price | None) -> float:
    """What the requests of a journal's folder cost at this price, by its private trace; 0 without a price."""
    purse = Purse(price)
    purse.read(journal / "trace.jsonl")
    return purse.spent() or 0.0


class Noted(NamedTuple):
    """What was written down last of a run: its price, its budget, how many slots there are to ask; None: nobody said."""

    price: Price | None = None
    budget: float | None = None
    of: int | None = None


def note_limits(folder: Folder, limits: Limits, of: int) -> None:
    """Write down beside a journal which price and budget it goes by now, for whoever looks at it from another shell."""
    price = limits.price
    row = {
        "asked": str(price.asked) if price else None,
        "budget": str(limits.budget) if limits.budget is not None else None,
        "currency": price.currency if price else None,
        "of": of,
        "said": str(price.said) if price else None,
    }
    old = folder.read(NOTE) if folder.exists(NOTE) else None
    if old != encode(row):
        folder.swap(NOTE, old, encode(row))


def noted_limits(folder: Folder) -> Noted:
    """What was written down last, or nothing where it cannot be read."""
    try:
        row = decode(folder.read(NOTE), NOTE) if folder.exists(NOTE) else {}
        price = Price(float(row["asked"]), float(row["said"]), row["currency"]) if row.get("currency") else None
        return Noted(price, float(row["budget"]) if row.get("budget") else None, row.get("of"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Noted()
