"""The model of amounts: what it keeps, what it leaves out, how its ranges behave."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.frame import Catalogue, Feature
from models.amount_model import AmountModel, middle
from models.fit.amounts import LEAST, fit_amounts
from models.predictor import Floats

CATALOGUE = Catalogue(
    (
        Feature("size", "category", "fit", "size", "Size", "attribute", {}),
        Feature("n_paid_7d", "number", "engagement", "paid", "Paid", "count_window", {}),
    )
)


def _fit(paid: Floats, frame: pd.DataFrame) -> AmountModel | None:
    groups = np.arange(len(paid))
    return fit_amounts(frame, paid, groups, CATALOGUE, within_days=90, currency="EUR", seed=0)


def _customers(n: int, seed: int = 0) -> tuple[pd.DataFrame, Floats]:
    rng = np.random.default_rng(seed)
    size = rng.choice(["small", "large"], n)
    frame = pd.DataFrame({"size": size, "n_paid_7d": rng.normal(size=n)})
    paid = np.where(size == "large", 1000.0, 100.0) * rng.lognormal(0, 0.5, n)
    return frame, np.where(rng.random(n) < 0.8, paid, 0.0)


def test_as_much_is_expected_of_all_customers_as_they_paid() -> None:
    frame, paid = _customers(400)
    model = _fit(paid, frame)
    assert model is not None
    assert model.expected(frame).sum() == pytest.approx(paid.sum(), rel=0.02)
    large = (frame["size"] == "large").to_numpy()
    ratio = model.expected(frame)[large].mean() / model.expected(frame)[~large].mean()
    assert ratio == pytest.approx(paid[large].mean() / paid[~large].mean(), rel=0.2)


def test_what_a_lead_did_tells_nothing_of_its_amount() -> None:
    frame, paid = _customers(400)
    model = _fit(paid * np.exp(frame["n_paid_7d"].to_numpy()), frame)
    assert model is not None
    assert {term.source for part in (model.pays, model.line) for term in part.terms} == {"size"}


def test_too_few_customers_teach_nothing() -> None:
    frame, paid = _customers(400)
    few = np.where(np.cumsum(paid > 0) < LEAST, paid, 0.0)
    assert _fit(few, frame) is None


@pytest.mark.parametrize("n", [6, 60, 400])
def test_the_model_reads_back_as_it_was_written(n: int) -> None:
    frame, paid = _customers(n)
    model = _fit(paid, frame)
    assert model is not None
    assert AmountModel.from_json(model.to_json()) == model


def test_price_lists_are_drawn_as_they_were() -> None:
    frame, _ = _customers(300)
    paid = np.random.default_rng(1).choice([9.0, 99.0, 999.0], 300)
    model = _fit(paid, frame)
    assert model is not None
    assert len(model.law.paid) == 300
    assert (model.chance_to_pay(frame) > 0.999).all()
    sums = model.draw_sums(np.ones(100), np.full(100, paid.mean()))
    low, high = middle(sums)
    assert low < 100 * paid.mean() < high


def test_a_heavy_tail_has_a_wider_range_than_a_light_one() -> None:
    frame, _ = _customers(300)
    rng = np.random.default_rng(2)
    widths = []
    for paid in (rng.lognormal(0, 0.5, 300), rng.pareto(1.5, 300) + 1):
        model = _fit(paid, frame)
        assert model is not None
        low, high = middle(model.draw_sums(np.ones(50), np.full(50, paid.mean())))
        widths.append((high - low) / (50 * paid.mean()))
    assert widths[1] > 2 * widths[0]
