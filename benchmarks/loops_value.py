"""Loop 7, value: the 90 % range of what a cohort of customers pays, in worlds whose truth is known.

A company has customers who paid (20 to 800 of them), from whom it learns amounts as `train` does;
then a cohort of new customers comes, and its range is drawn as the report does. One in seven pays
nothing, amounts hang on the size of the customer, and around that they are lognormal (sigma 1 and
1.8) or Pareto (1.5). The oracle knows all of it but not who pays, nor the noise.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from benchmarks.in_parts import Verdict
from features.frame import Catalogue, Feature
from models.amount_model import PROVEN, AmountModel, middle
from models.fit.amounts import fit_amounts
from models.predictor import Floats

LAWS: Final = ("lognormal 1", "lognormal 1.8", "Pareto 1.5")
SHORT: Final = dict.fromkeys((50, 200), 60)
FULL: Final = dict.fromkeys((20, 50, 200, 800), 250)
"""Companies of each law, by how many of their customers paid."""
COHORTS: Final = (30, 100, 300)
PAYS: Final = 6 / 7
PRICE: Final = {"small": 400.0, "medium": 1500.0, "large": 6000.0}
CATALOGUE: Final = Catalogue(
    (
        Feature("employees", "number", "fit", "size", "Employees", "attribute", {}),
        Feature("size", "category", "fit", "size", "Size", "attribute", {}),
        Feature("country", "category", "fit", "country", "Country", "attribute", {}),
    )
)


@dataclass(frozen=True, slots=True)
class ValueCase:
    """One company: how many paid, and how amounts scatter."""

    paying: int
    law: str
    seed: int


@dataclass(frozen=True, slots=True)
class ValueFound:
    """What came of a cohort: whether the range held its sum, ours and the oracle's; both widths."""

    case: ValueCase
    cohort: int
    held: bool
    oracle_held: bool
    width: float
    oracle_width: float
    expected: float
    paid: float


def noise(rng: np.random.Generator, law: str, shape: int | tuple[int, int]) -> Floats:
    """Draw amounts beside their expectation of 1."""
    if law == "Pareto 1.5":
        return np.asarray((rng.pareto(1.5, shape) + 1) / 3)
    sigma = float(law.split()[1])
    return rng.lognormal(-(sigma**2) / 2, sigma, shape)


def customers(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, Floats]:
    """Draw who they are, and what each is worth if it pays."""
    size = rng.choice(list(PRICE), n, p=(0.5, 0.35, 0.15))
    employees = np.exp(rng.normal(3, 1, n))
    frame = pd.DataFrame({"employees": employees, "size": size})
    frame["country"] = rng.choice(["Italy", "France", "Iran", "Spain"], n)
    worth = np.array([PRICE[name] for name in size]) * (employees / 20) ** 0.3
    return frame, worth


def live(case: ValueCase) -> list[ValueFound]:
    """Learn from those who paid, then promise cohorts of new customers and see what they pay."""
    rng = np.random.default_rng([case.seed, case.paying, LAWS.index(case.law)])
    n = round(case.paying / PAYS)
    frame, worth = customers(rng, n)
    pays = rng.permutation(np.arange(n) < case.paying)
    paid = np.where(pays, worth * noise(rng, case.law, n), 0.0)
    model = fit_amounts(
        frame, paid, np.arange(n), CATALOGUE, within_days=365, currency="EUR", seed=case.seed
    )
    assert model is not None
    return [promise(case, model, cohort, rng) for cohort in COHORTS]


def promise(
    case: ValueCase, model: AmountModel, cohort: int, rng: np.random.Generator
) -> ValueFound:
    """Draw the range of a new cohort, the oracle's, and what the cohort then pays."""
    new, worth = customers(rng, cohort)
    chance, amount = model.chance_to_pay(new), model.amount_if_paid(new)
    low, high = middle(model.draw_sums(chance, amount, seed=case.seed))

    def pay(draws: int) -> Floats:
        paying = rng.random((draws, cohort)) < PAYS
        return np.asarray((paying * worth * noise(rng, case.law, (draws, cohort))).sum(axis=1))

    best_low, best_high = middle(pay(1_000))
    came = float(pay(1)[0])
    return ValueFound(
        case,
        cohort,
        low <= came <= high,
        best_low <= came <= best_high,
        high - low,
        best_high - best_low,
        float(chance @ amount),
        came,
    )


def measure(*, full: bool) -> list[Verdict]:
    """Live all companies, print the table, and judge it."""
    cases = [
        ValueCase(paying, law, seed)
        for paying, companies in (FULL if full else SHORT).items()
        for law in LAWS
        for seed in range(companies)
    ]
    with ProcessPoolExecutor(2) as pool:
        found = [each for lived in pool.map(live, cases, chunksize=8) for each in lived]
    table = pd.DataFrame(
        {
            "paying": each.case.paying,
            "law": each.case.law,
            "cohort": each.cohort,
            "held": 100 * each.held,
            "oracle": 100 * each.oracle_held,
            "width": each.width / each.oracle_width,
            "bias": each.expected / each.paid if each.paid else np.nan,
        }
        for each in found
    )
    keys = ["paying", "law", "cohort"]
    shown = table.groupby(keys)[["held", "oracle"]].mean()
    shown[["width / oracle's", "expected / paid"]] = table.groupby(keys)[["width", "bias"]].median()
    print("range of 90 %: % that held the sum, and median width beside the oracle's")
    print(shown.round(2).to_string())
    verdicts: list[Verdict] = []
    for (paying, law), rows in table.groupby(["paying", "law"]):
        name = f"value: {paying} who paid, {law}"
        held, width = float(rows["held"].mean()), float(rows["width"].median())
        if paying >= PROVEN:
            verdicts.append((85 <= held <= 95, f"{name}, sums held", f"{held:.1f} %", "85 to 95 %"))
        else:
            verdicts.append((held >= 80, f"{name}, sums held", f"{held:.1f} %", ">= 80 %"))
        if paying >= PROVEN:
            verdicts.append((width <= 1.2, f"{name}, width", f"{width:.2f} ×", "<= 1.2 × oracle's"))
    return verdicts
