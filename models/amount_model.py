"""What a conversion brings in money: the model of amounts as the artifact stores and applies it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from models.predictor import ColumnReader, Floats, Frame, LinearPart, columns_of, read_term

AMOUNTS_FILE: Final = "amounts.json"
PROVEN: Final = 200
"""Customers who paid from which a range of a sum keeps its promise; below it may be too narrow."""
LEVEL: Final = 0.9
"""The chance that a range of a sum holds it."""
SUMS: Final = 1_000
"""Draws from which a range is read."""
_AT_ONCE: Final = 2_000_000
"""Amounts that are drawn at once, so that memory stays small."""


@dataclass(frozen=True, slots=True)
class AmountLaw:
    """The law of an amount beside its expectation of 1; (draws,) each, `paid` (n,) from n amounts.

    A draw is exp(centre + spread * normal + tail * exponential); where `paid` is not empty,
    amounts are drawn from it instead.
    """

    centre: tuple[float, ...]
    spread: tuple[float, ...]
    tail: tuple[float, ...]
    paid: tuple[float, ...]
    n: int

    def sums(self, worth: Floats, rng: np.random.Generator) -> Floats:
        """Draw an amount beside each worth, (draws, customers), and add up each draw: (draws,).

        A draw has one law for all its customers, so that its uncertainty does not average out.
        """
        draws, customers = worth.shape
        if self.paid:
            paid, totals = np.array(self.paid), np.empty(draws)
            for draw in range(draws):  # other weights for each
                weight = np.cumsum(rng.standard_exponential(len(paid)))
                place = np.searchsorted(weight, rng.random(customers) * weight[-1])
                totals[draw] = worth[draw] @ paid[place]
            return totals
        law = rng.integers(len(self.centre), size=(draws, 1))
        centre, spread, tail = (np.array(x)[law] for x in (self.centre, self.spread, self.tail))
        noise = spread * rng.standard_normal(worth.shape)
        amounts = np.exp(centre + noise + tail * rng.standard_exponential(worth.shape))
        return np.asarray((worth * amounts).sum(axis=1), np.float64)


@dataclass(frozen=True, slots=True)
class AmountModel:
    """What a lead would pay within `within_days` of its conversion, from who it is.

    `pays` is in log-odds, `line` in logarithms of the amount; `law` is that of what a customer who
    pays pays, beside its expectation.
    """

    pays: LinearPart
    line: LinearPart
    law: AmountLaw
    within_days: float
    currency: str

    def chance_to_pay(self, frame: Frame) -> Floats:
        """Give the chance that a customer pays anything: (n,)."""
        from scipy.special import expit  # here: explaining a lead needs no amounts

        return np.asarray(expit(line_of(self.pays, columns_of(frame))), np.float64)

    def amount_if_paid(self, frame: Frame) -> Floats:
        """Give what a customer pays who pays: (n,), in the project's currency."""
        return np.exp(line_of(self.line, columns_of(frame)))

    def expected(self, frame: Frame) -> Floats:
        """Give what a customer is expected to pay: (n,), in the project's currency."""
        return self.chance_to_pay(frame) * self.amount_if_paid(frame)

    def draw_sums(
        self,
        chance: Floats,
        amount: Floats,
        *,
        seed: int = 0,
        part: Callable[[slice], Floats] | None = None,
    ) -> Floats:
        """Draw what customers pay together: each with its chance to pay and amount, (n,) each.

        `part` gives what part of the amounts counts in some of the draws: (draws, n).
        """
        rng, n = np.random.default_rng(seed), len(chance)
        totals = []
        for rows in np.array_split(np.arange(SUMS), min(-(-SUMS * n // _AT_ONCE) or 1, SUMS)):
            paying = rng.random((len(rows), n)) < chance
            worth = amount if part is None else amount * part(slice(rows[0], rows[-1] + 1))
            totals.append(self.law.sums(paying * worth, rng))
        return np.concatenate(totals)

    @property
    def proven(self) -> bool:
        """Whether enough customers paid for ranges of sums to keep their promise."""
        return self.law.n >= PROVEN

    def to_json(self) -> str:
        """Write what `from_json` reads; it holds no lead."""
        lines = {"pays": _dump_line(self.pays), "line": _dump_line(self.line)}
        return json.dumps({**asdict(self), **lines}, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> AmountModel:
        """Read what `to_json` wrote; KeyError or TypeError where it is something else."""
        raw = json.loads(text)
        law: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in raw.pop("law").items()
        }
        pays, line = _read_line(raw.pop("pays")), _read_line(raw.pop("line"))
        return cls(pays, line, AmountLaw(**law), **raw)


def middle(draws: Floats) -> tuple[float, float]:
    """Give the range that holds LEVEL of the draws, the same share left out on each side."""
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def line_of(part: LinearPart, columns: ColumnReader) -> Floats:
    """Add the terms of a line up: (n,)."""
    total = np.full(len(columns), part.intercept)
    for term in part.terms:
        total += term.values(columns)
    return total


def _dump_line(part: LinearPart) -> dict[str, Any]:
    terms = [{"kind": term.kind, **asdict(term)} for term in part.terms]
    return {"intercept": part.intercept, "terms": terms}


def _read_line(raw: Mapping[str, Any]) -> LinearPart:
    return LinearPart(float(raw["intercept"]), tuple(read_term(term) for term in raw["terms"]))
