"""A model -> what matplotlib and shap draw of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from data.errors import InputError
from leadscore.lead_model import LeadModel, need_model, readable
from models.explain.shap_values import to_shap as explanation_for_shap
from models.fit.learner import LeadClassifier
from training import evaluation_plots
from training.model_card import ModelCard

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def to_shap(
    model: LeadModel | LeadClassifier,
    features: Any,
    *,
    by: Literal["feature", "factor"] = "feature",
) -> Any:
    """Make a `shap.Explanation` of the exact contributions, for the plots of `shap`.

    Nothing is computed again. The extra ``leadscore[notebook]`` installs shap.

    Parameters
    ----------
    model : LeadModel or LeadClassifier
        A model, or a fitted estimator.
    features : pandas, polars or Arrow table; also an array for an estimator
        What the model reads: `LeadModel.features`, `LeadModel.held_out`, or the `X` of the
        estimator.
    by : {"feature", "factor"}, default "feature"
        By factor no single value stands behind a contribution, so the data are the contributions.

    Returns
    -------
    shap.Explanation
        Values in log-odds, (n_rows, n_features); with the base they add up to the margin.

    Raises
    ------
    InputError
        Where a column that the model reads is missing.
    """
    if isinstance(model, LeadClassifier):
        try:
            frame = model.frame_of(features)
        except ValueError as error:  # scikit-learn's, of columns that are missing
            raise InputError(str(error), argument="features") from None
        return explanation_for_shap(*readable(model.scorer(), frame), by=by)
    scorer, frame = readable(need_model(model)._loaded.scorer, features)
    return explanation_for_shap(scorer, frame, by=by)


def plot_reliability(model: LeadModel) -> Figure:
    """Draw promised against observed rates on the test rows.

    Parameters
    ----------
    model : LeadModel
        From `train` or `load`.

    Returns
    -------
    matplotlib.figure.Figure
        The extra ``leadscore[notebook]`` installs matplotlib.

    Raises
    ------
    InputError
        Where the model was tested on no row, as on day one.
    """
    card = _tested_card(model)
    return evaluation_plots.plot_reliability(pd.DataFrame(card.curve), pd.DataFrame(card.bands))


def plot_gains(model: LeadModel) -> Figure:
    """Draw the conversions caught by the share of leads worked, on the test rows.

    Parameters
    ----------
    model : LeadModel
        From `train` or `load`.

    Returns
    -------
    matplotlib.figure.Figure
        The extra ``leadscore[notebook]`` installs matplotlib.

    Raises
    ------
    InputError
        Where the model was tested on no row, as on day one.
    """
    pairs = _tested_card(model).gains["model"]
    return evaluation_plots.plot_gains(pd.DataFrame(pairs, columns=["worked", "captured"]))


def _tested_card(model: LeadModel) -> ModelCard:
    """Give the card of a model that has figures; InputError where there is nothing to draw."""
    card = need_model(model)._loaded.card
    if not card.test_rows:
        raise InputError(
            "was tested on no row, so that there is nothing to draw",
            argument="model",
            cure="train again once more outcomes are known",
        )
    return card
