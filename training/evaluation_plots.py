"""Frames of an evaluation -> matplotlib figures for notebooks: reliability, gains, delay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from data.delay import DelayCurve
from data.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_reliability(curve: pd.DataFrame, bands: pd.DataFrame) -> Figure:
    """Draw promised against observed rates, with 95 % intervals and the score bands."""
    figure, axes = _axes("promised", "observed")
    axes.fill_between(curve["promised"], curve["low"], curve["high"], alpha=0.2, label="95 %")
    axes.plot(curve["promised"], curve["observed"], label="model")
    top = float(curve[["promised", "observed", "high"]].to_numpy().max())
    axes.plot([0, top], [0, top], linestyle=":", color="grey", label="perfect")
    gaps = np.abs(bands[["low", "high"]].to_numpy().T - bands["observed"].to_numpy())
    axes.errorbar(bands["promised"], bands["observed"], yerr=gaps, fmt="o", label="bands")
    axes.legend()
    return figure


def plot_gains(gains: pd.DataFrame) -> Figure:
    """Draw the share of conversions captured against the share of leads worked."""
    figure, axes = _axes("share of leads worked", "share of conversions captured")
    axes.plot(gains["worked"], gains["captured"], label="by score")
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey", label="at random")
    axes.legend()
    return figure


def plot_delay(curve: DelayCurve) -> Figure:
    """Draw the share of leads converted and disqualified by age, and the horizon."""
    figure, axes = _axes("days since creation", "share of leads")
    days = np.linspace(0.0, curve.incidence.last_day, 200)
    axes.plot(days, curve.incidence.share_by(days), label="converted")
    axes.plot(
        days,
        1 - curve.incidence.open_at(days) - curve.incidence.share_by(days),
        label="disqualified",
    )
    axes.axvline(curve.horizon_days, linestyle=":", color="grey", label="horizon")
    axes.legend()
    return figure


def _axes(x: str, y: str) -> tuple[Figure, Any]:
    try:
        from matplotlib.figure import Figure as MatplotlibFigure
    except ImportError as error:
        raise InputError(
            "plots need the package matplotlib", cure="pip install 'leadscore[notebook]'"
        ) from error
    figure = MatplotlibFigure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes
