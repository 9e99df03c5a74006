"""Columns whose direction is certain: neither line nor trees say the contrary."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.frame import Catalogue
from models.fit.encoders import describe, read_columns
from models.fit.learner import LeadClassifier
from models.fit.linear import fit_linear
from models.predictor import NumberTerm

N = 1500


def demos(seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Leads that ask for demos and convert for another reason; by chance, demos look bad."""
    rng = np.random.default_rng(seed)
    asked, size = rng.poisson(1.0, N).astype(float), rng.normal(0, 1, N)
    margin = size - 0.7 * asked
    y = (rng.uniform(size=N) < 1 / (1 + np.exp(-margin))).astype(float)
    return pd.DataFrame({"n_demo_ever": asked, "size": size}), y


def catalogue(frame: pd.DataFrame, direction: int) -> Catalogue:
    of_demo, of_size = describe(frame)
    return Catalogue((replace(of_demo, monotone=direction), of_size))


@pytest.mark.parametrize("bends", [0, 4])
@pytest.mark.parametrize("direction", [0, 1, -1])
def test_a_weight_is_never_of_the_wrong_sign(direction: int, bends: int) -> None:
    frame, y = demos()
    columns = read_columns(frame, catalogue(frame, direction).features)
    terms = fit_linear(columns, y, np.arange(N) % 4, bends=bends).part.terms
    weights = [t.coef for t in terms if isinstance(t, NumberTerm) and t.source == "n_demo_ever"]
    others = [t.coef for t in terms if isinstance(t, NumberTerm) and t.source == "size"]
    assert all(weight * direction >= 0 for weight in weights)
    assert (sum(weights) < 0) is (direction != 1)
    assert sum(others) > 0.5


@pytest.mark.parametrize("learner", ["auto", "logistic"])
def test_one_more_demo_request_never_lowers_a_probability(learner: str) -> None:
    frame, y = demos(1)
    model = LeadClassifier(learner=learner, catalogue=catalogue(frame, 1), random_state=0).fit(
        frame, y
    )
    more = frame.assign(n_demo_ever=frame["n_demo_ever"] + 1)
    assert (model.predict_proba(more)[:, 1] >= model.predict_proba(frame)[:, 1] - 1e-12).all()
