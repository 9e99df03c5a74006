"""Measurements of the laboratory -> tables, and one line per bar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.quality_lab_judge import calibrated, difference, guarded, loss_of
from benchmarks.quality_state import Measurement
from models.predictor import Floats, logit

PEERS = ("logistic", "lgbm_untuned", "catboost_default", "lgbm_tuned")
Rivals = Mapping[str, Mapping[str, Measurement]]


@dataclass(frozen=True, slots=True)
class Line:
    """One bar."""

    met: bool
    name: str
    figure: str
    bar: str

    def __str__(self) -> str:
        return f"{'met' if self.met else 'missed'}  {self.name}  {self.figure}  {self.bar}"


def clipped(p: Floats) -> Floats:
    """Give log-odds of probabilities that may be 0 or 1."""
    return logit(np.clip(p, 1e-6, 1 - 1e-6))


def rank_bars(fitted: Mapping[str, Measurement], rivals: Rivals) -> Iterator[Line]:
    """Show every tool on every set; mean rank, and processor seconds beside CatBoost's defaults."""
    rows = []
    for name, ours in fitted.items():
        for tool, kept in {"leadscore": ours, **rivals[name]}.items():
            loss = float(loss_of(ours, clipped(kept["p"])).mean())
            costs = {"cpu": kept["cpu"], "peak_mb": kept["peak_mb"]}
            rows.append({"set": name, "tool": tool, "log_loss": loss, **costs})
    table = pd.DataFrame(rows)
    for figure, digits in (("log_loss", 4), ("cpu", 1), ("peak_mb", 0)):
        wide = table.pivot(index="set", columns="tool", values=figure)
        print(f"\n{figure}\n{wide.round(digits).to_string()}")
    losses = table.pivot(index="set", columns="tool", values="log_loss")
    ranks = losses.rank(axis=1).mean().sort_values()
    ours_at, best = float(ranks["leadscore"]), ranks.drop("leadscore")
    yield Line(
        ours_at <= float(best.iloc[0]),
        f"laboratory: mean rank by log loss on {len(losses)} sets",
        f"{ours_at:.2f}, next {best.index[0]} {best.iloc[0]:.2f}",
        "first",
    )
    spent = table.pivot(index="set", columns="tool", values="cpu")
    if "catboost_default" in spent:
        ratio = (spent["leadscore"] / spent["catboost_default"]).dropna()
        yield Line(
            bool(ratio.max() <= 3 and ratio.median() <= 1.5),
            "laboratory: processor seconds of a fit beside CatBoost's defaults",
            f"median {ratio.median():.1f} times, worst {ratio.max():.1f} ({ratio.idxmax()})",
            "each <= 3 times, median <= 1.5 times",
        )


def flat_bars(fitted: Mapping[str, Measurement], rivals: Rivals) -> Iterator[Line]:
    """Hold the flat independent sets against each peer: pooled, and each set by itself."""
    flat = {name: kept for name, kept in fitted.items() if kept["shape"] == "flat"}
    for peer in PEERS[:3]:
        both = [(name, kept) for name, kept in flat.items() if peer in rivals[name]]
        gaps = [
            difference(kept, clipped(rivals[name][peer]["p"]), clipped(kept["p"]))
            for name, kept in both
        ]
        if gaps:
            yield from _excess(gaps, f"flat independent sets against {peer}")


def _excess(gaps: list[tuple[float, float]], name: str) -> Iterator[Line]:
    mean, error = np.array(gaps).T
    pooled, spread = float(mean.mean()), float(np.sqrt(np.sum(error**2))) / len(gaps)
    behind = int(np.sum((mean > 2 * error) & (mean > 0.002)))
    yield Line(
        pooled <= 0.0005 + spread and not behind,
        f"{name} ({len(gaps)})",
        f"pooled excess {pooled:+.5f} (SE {spread:.5f}), {int(np.sum(mean > error))} behind by "
        f"> 1 SE, {behind} by > 2 SE and > .002, worst {mean.max():+.4f}",
        "<= .0005 + 1 SE, none behind by both > 2 SE and > .002",
    )


def null_bars(fitted: Mapping[str, Measurement]) -> Iterator[Line]:
    """Hold sets with next to nothing to learn against the base rate, the guard on and off."""
    on, off = [], []
    for kept in fitted.values():
        y = kept["y"]
        rate = np.full(len(kept["target"]), float(logit(np.array([y.mean()]))[0]))
        on.append(difference(kept, rate, clipped(kept["p"])))
        off.append(difference(kept, rate, calibrated(kept, guarded(kept, share=1.0))))
    yield from _excess(on, "sets with next to nothing to learn against the base rate")
    print("\nwithout the guard:", *(str(line) for line in _excess(off, "the same")), sep="\n  ")


def first_bars(seconds: Mapping[str, float]) -> Iterator[Line]:
    """Say how long a fresh process takes to its first answer."""
    parts = ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())
    yield Line(
        seconds["first prediction"] < 1,
        "first prediction of a fresh process, after the model was read",
        parts,
        "< 1 s",
    )
