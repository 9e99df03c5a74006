"""Payments and conversions -> what each customer paid within a time after its conversion."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, Micros
from data.tables import Outcomes, Payments

UNITS: Final = 10_000
"""Ten-thousandths of the currency, in which amounts are counted: sums are exact to 9e14."""
LONGEST: Final = 365 * DAY
_NEARLY_ALL: Final = 0.99


def observed_for(outcomes: Outcomes) -> Micros:
    """Measure for how long each customer has been observed: (n_leads,), negative for no customer.

    A conversion at or after the end of observation has not been seen.
    """
    seen = outcomes.converted_at < outcomes.observed_until
    return np.where(seen, outcomes.observed_until - outcomes.converted_at, -1)


def known_payments(outcomes: Outcomes) -> Payments | None:
    """Keep what was paid, and recorded, before the end of observation."""
    payments = outcomes.payments
    return None if payments is None else payments.as_of(outcomes.observed_until)


def choose_window(outcomes: Outcomes, declared: int | None) -> int:
    """Choose how long after a conversion money counts as its value: microseconds.

    What is declared; else as long as half of the customers have been observed, a year at most, and
    no longer than nearly all that those paid took to come.
    """
    if declared is not None:
        return declared
    age, payments = observed_for(outcomes), known_payments(outcomes)
    if payments is None or not (age >= 0).any():
        return LONGEST
    window = min(max(int(np.median(age[age >= 0])), DAY), LONGEST)
    lead = payments.lead
    delay = payments.at - outcomes.converted_at[lead]
    inside = (age[lead] >= window) & (delay < window) & (payments.amount > 0)
    if not inside.any():
        return window
    order = np.argsort(delay[inside], kind="stable")
    come = np.cumsum(payments.amount[inside][order].astype(np.float64))
    last = int(delay[inside][order][np.searchsorted(come, _NEARLY_ALL * come[-1])])
    return min(window, (max(last, 0) // DAY + 1) * DAY)


def paid_within(outcomes: Outcomes, window: int | None) -> NDArray[np.int64]:
    """Add up what each lead paid, in all or within a window after its conversion: (n_leads,)."""
    payments = known_payments(outcomes)
    if payments is None:
        return np.zeros(len(outcomes.converted_at), np.int64)
    if window is not None:
        ends = outcomes.converted_at[payments.lead] + window
        payments = payments.keep(payments.at < ends)
    return payments.totals()
