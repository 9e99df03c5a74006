"""Bands of the score -> how many leads each needs before a difference between arms is settled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.tables import Snapshots, Tables
from features.build import build
from serving.figures.funnel import Rate, rate_of
from serving.figures.power import size_test
from serving.loaded_model import LoadedModel

HOPELESS: Final = 100
"""Times the leads of a band so far: a difference that needs more is too small to be settled."""


@dataclass(frozen=True, slots=True)
class BandSize:
    """One band in an experiment: rates without and with the score, and what would settle it.

    `calls` are the leads that both arms together still need so that the difference seen here
    would be shown with a chance of 80 %; None where no number can be given: the rates are the
    same, or an arm has no conversion and no lead.
    """

    band: str
    control: Rate
    treated: Rate
    calls: int | None

    @property
    def sentence(self) -> str:
        """Say it in one line."""
        if not (self.control.n or self.treated.n):
            return f"band {self.band}: no lead of it has matured yet"
        without, with_ = (
            f"{arm.value:.1%}" if arm.n else "no lead yet" for arm in (self.control, self.treated)
        )
        rates = f"band {self.band}: {without} without, {with_} with"
        if self.calls is None:
            return f"{rates}: it cannot be told yet"
        if self.calls == 0:
            return f"{rates}: enough leads to settle it"
        if self.calls > HOPELESS * (self.control.n + self.treated.n):
            return f"{rates}: so close that no number of calls at hand settles it"
        return f"{rates}: {self.calls:,} more calls in band {self.band} settle it"


@dataclass(frozen=True, slots=True)
class PlannedBand:
    """One band before an experiment: its rate, leads in each arm for the rise, open leads now."""

    band: str
    rate: float
    per_arm: int | None
    open_leads: int | None


def size_bands(
    tables: Tables,
    model: LoadedModel,
    lead: NDArray[np.int64],
    entered: NDArray[np.int64],
    outcome: NDArray[np.int64],
    treated: NDArray[np.bool_],
) -> tuple[BandSize, ...]:
    """Compare two arms band by band: row i is a lead, its band that of the day it `entered`."""
    frame = build(tables, Snapshots(lead, entered), model.catalogue).to_pandas()
    band = model.scorer.score(frame).band
    names = [*sorted(model.scorer.card.bands, key=lambda name: -model.scorer.card.bands[name])]
    sizes = []
    for name in [*names, model.scorer.card.lowest]:
        arms = [
            rate_of(int(outcome[rows].sum()), int(rows.sum()))
            for rows in ((band == name) & ~treated, (band == name) & treated)
        ]
        sizes.append(BandSize(name, arms[0], arms[1], calls_to_settle(*arms)))
    return tuple(sizes)


def calls_to_settle(control: Rate, treated: Rate) -> int | None:
    """Count the leads that both arms together still need to show this very difference.

    >>> calls_to_settle(rate_of(12, 100), rate_of(30, 100))
    0
    """
    base, reached = control.value, treated.value
    if not (control.n and treated.n and 0 < base < 1 and 0 < reached < 1) or base == reached:
        return None
    needed = size_test(base, reached).control
    return max(0, needed - control.n) + max(0, needed - treated.n)


def plan_bands(
    model: LoadedModel, rise: float, open_leads: Mapping[str, int] | None
) -> tuple[PlannedBand, ...]:
    """Size a test in each band: leads in each arm that show a relative `rise` of its rate."""
    rows = []
    for row in model.card.bands:
        name, rate = str(row["band"]), float(row["promised"])
        hoped = rate * (1 + rise)
        size = None if not 0 < rate < hoped < 1 else ceil(size_test(rate, hoped).control)
        rows.append(
            PlannedBand(name, rate, size, None if open_leads is None else open_leads.get(name, 0))
        )
    return tuple(rows)
