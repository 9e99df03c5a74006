"""Customers and what they paid -> the value of each source and of each month's new customers.

What was paid is a fact, to the cent. What customers of a source pay on average, and what young
customers will still pay, are estimates with a range of 90 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import DAY, Micros
from data.customers import UNITS, known_payments, observed_for, paid_within
from data.tables import Outcomes, Payments, Tables
from models.amount_model import SUMS, AmountModel, middle
from models.fit.amounts import LEAST
from models.predictor import Floats
from serving.figures.counts import CountRange
from serving.figures.funnel import lead_source

Rows = NDArray[np.int64]
MONTHS = 12
"""Months of new customers that are shown one by one; those from before are shown together."""


@dataclass(frozen=True, slots=True)
class CustomerGroup:
    """Customers, and what they paid so far: `paid` in ten-thousandths, an exact sum.

    `value` is an estimate: of a source what a customer pays on average, of a month what its
    customers pay together, both within the window of the model of amounts. None where too few
    customers paid.
    """

    name: str
    customers: int
    paid: int
    value: CountRange | None


@dataclass(frozen=True, slots=True)
class Customers:
    """Leads that converted: (n,) each, their row, chance to pay and amount if they do, to predict.

    `paid` is what each paid so far, `inside` within the window, in ten-thousandths; `age` for how
    long each has been observed. `window` is how long money counts.
    """

    row: Rows
    paid: Rows
    inside: Rows
    age: Micros
    window: int
    chance: Floats
    amount: Floats

    @property
    def mature(self) -> NDArray[np.bool_]:
        """Mark those observed for the whole window."""
        return self.age >= self.window


def customer_rows(outcomes: Outcomes) -> Rows:
    """List the leads whose conversion has been seen."""
    return np.flatnonzero(observed_for(outcomes) >= 0)


def gather_customers(
    outcomes: Outcomes, row: Rows, model: AmountModel, chance: Floats, amount: Floats
) -> Customers:
    """Gather what is known of customers; `chance` and `amount` are the model's for `row`."""
    window = round(model.within_days * DAY)
    paid, inside = paid_within(outcomes, None)[row], paid_within(outcomes, window)[row]
    return Customers(row, paid, inside, observed_for(outcomes)[row], window, chance, amount)


def by_source(
    tables: Tables, outcomes: Outcomes, customers: Customers | None, model: AmountModel | None
) -> list[CustomerGroup]:
    """Value each source, the most paid first."""
    row = customer_rows(outcomes)
    source, paid = lead_source(tables)[row], paid_within(outcomes, None)[row]
    groups = []
    for name in np.unique(source.astype(str)):
        here = source == name
        value = None if customers is None or model is None else _mean(customers, model, here)
        groups.append(CustomerGroup(str(name), int(here.sum()), int(paid[here].sum()), value))
    return sorted(groups, key=lambda group: (-group.paid, group.name))


def _mean(of: Customers, model: AmountModel, here: NDArray[np.bool_]) -> CountRange | None:
    """Estimate what a customer of a group pays within the window, from those observed for it.

    How far a mean of as many customers falls from its expectation is drawn from the law of
    amounts; the range holds the expectations from which the mean seen is not too far.
    """
    rows = np.flatnonzero(here & of.mature)
    if (of.inside[rows] > 0).sum() < LEAST:
        return None
    mean = float(of.inside[rows].mean()) / UNITS
    expected = float(of.chance[rows] @ of.amount[rows])
    low, high = middle(model.draw_sums(of.chance[rows], of.amount[rows]) / expected)
    return CountRange(mean, mean / high, mean / low) if low > 0 else None


def by_month(
    tables: Tables, outcomes: Outcomes, customers: Customers | None, model: AmountModel | None
) -> list[CustomerGroup]:
    """Value the new customers of each month, named by its first day; the newest first.

    Those from before the last MONTHS come last, under the name "".
    """
    row = customer_rows(outcomes)
    if not len(row):
        return []
    paid = paid_within(outcomes, None)[row]
    still = None if customers is None or model is None else _Remaining(customers, outcomes, model)
    stamps = pd.DatetimeIndex(outcomes.converted_at[row].view("M8[us]"), tz="UTC")
    local = stamps.tz_convert(tables.timezone)
    month = np.asarray(local.year * 12 + local.month - 1, np.int64)
    month[month <= month.max() - MONTHS] = -1
    groups = []
    for each in np.unique(month)[::-1]:
        here = month == each
        name = "" if each < 0 else f"{each // 12:04}-{each % 12 + 1:02}-01"
        value = None if still is None else still.total(here)
        groups.append(CustomerGroup(name, int(here.sum()), int(paid[here].sum()), value))
    return groups


class _Remaining:
    """What customers who are younger than the window are still to pay.

    When money comes is taken from the customers observed for the whole window who paid: of a young
    customer who has paid, from those who had paid at the same age; of one who has not, from those
    who had not.
    """

    def __init__(self, customers: Customers, outcomes: Outcomes, model: AmountModel) -> None:
        self._of, self._model = customers, model
        self._known: dict[tuple[int, bool], tuple[Floats, float]] = {}
        donors = np.flatnonzero(customers.mature & (customers.inside > 0))
        payments = known_payments(outcomes)
        assert payments is not None
        self._bills = _Bills.of(payments, outcomes.converted_at, customers, donors)

    def _left(self, days: int, *, paid: bool) -> tuple[Floats, float]:
        key = days, paid
        if key not in self._known:
            self._known[key] = self._bills.left(days * DAY, paid=paid)
        return self._known[key]

    def total(self, here: NDArray[np.bool_]) -> CountRange:
        """Estimate what a group pays within the window, with its range."""
        of = self._of
        known = float(of.inside[here].sum()) / UNITS
        young = np.flatnonzero(here & ~of.mature)
        if not len(young):
            return CountRange(known, known, known)
        shares, chance = [], np.empty(len(young))
        for i, row in enumerate(young.tolist()):
            share, some = self._left(int(of.age[row]) // DAY, paid=bool(of.inside[row] > 0))
            shares.append(share)
            chance[i] = 1.0 if of.inside[row] > 0 else _yet(float(of.chance[row]), some)
        amount = of.amount[young]
        mean = float(sum(c * a * s.mean() for c, a, s in zip(chance, amount, shares, strict=True)))
        part = _DrawnShares(shares).of_draws
        low, high = middle(self._model.draw_sums(chance, amount, part=part))
        return CountRange(known + mean, known + low, known + high)


class _DrawnShares:
    """A share for each draw and customer; kept as small numbers that say which of its shares."""

    def __init__(self, shares: Sequence[Floats]) -> None:
        each = {id(share): share for share in shares}  # customers of one age have the same ones
        starts = np.cumsum([0, *(len(share) for share in each.values())])
        begin = dict(zip(each, starts.tolist(), strict=False))
        self._begin = np.array([begin[id(share)] for share in shares])
        self._all: Floats = np.concatenate(list(each.values()))
        sizes = [len(share) for share in shares]
        self._which = np.empty((SUMS, len(sizes)), np.min_scalar_type(max(sizes)))
        rng = np.random.default_rng(0)
        for customer, size in enumerate(sizes):
            self._which[:, customer] = rng.integers(size, size=SUMS)

    def of_draws(self, draws: slice) -> Floats:
        """Give the shares of some draws: (draws, customers)."""
        shares: Floats = self._all[self._begin + self._which[draws]]
        return shares


def _yet(chance: float, some: float) -> float:
    """Give the chance that one pays who has not yet; `some` of those who pay have not by then.

    >>> _yet(0.5, 1.0), _yet(0.5, 0.0)
    (0.5, 0.0)
    """
    return chance * some / (chance * some + 1 - chance) if some else 0.0


@dataclass(frozen=True, slots=True)
class _Bills:
    """Payments of the customers to learn from: when after the conversion, who, how much."""

    delay: Micros
    donor: Rows
    amount: Floats
    total: Floats

    @classmethod
    def of(cls, payments: Payments, converted_at: Micros, of: Customers, donors: Rows) -> _Bills:
        place = np.full(len(converted_at), -1)
        place[of.row[donors]] = np.arange(len(donors))
        delay = payments.at - converted_at[payments.lead]
        kept = (place[payments.lead] >= 0) & (delay < of.window)
        who, amount = place[payments.lead][kept], payments.amount[kept].astype(np.float64)
        return cls(delay[kept], who, amount, of.inside[donors].astype(np.float64))

    def left(self, age: int, *, paid: bool) -> tuple[Floats, float]:
        """Give the shares still to pay at an age, and the share of customers not paid by then."""
        come = self.delay < age
        so_far = np.bincount(self.donor[come], self.amount[come], minlength=len(self.total))
        alike = (so_far > 0) == paid
        some = float((so_far <= 0).mean()) if len(self.total) else 0.0
        share = np.clip((self.total - so_far)[alike] / self.total[alike], -1.0, 1.0)
        return (share if len(share) else np.zeros(1)), some
