"""Loop 6, a company without outcomes: rules, and what outcomes make of them, in worlds of truth.

24 worlds of day_one_worlds, a third with good, mediocre and wrong rules each. With 0, 5, 20, 60 and
200 conversions three ways compete: what `train` fits for a project that states its rule, the rule
alone as it was stated, and the same learner without a rule (the expected rate for every lead where
nothing is known). Judged by the log loss against the true probabilities of 20,000 leads to come.
Constants of the product were chosen on other worlds, those of seeds from 1000.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.day_one_worlds import AHEAD, KINDS, SIZES, DayOneWorld, make_world
from benchmarks.in_parts import Verdict
from features.frame import Catalogue
from models.fit.baselines import fit_all
from models.fit.learner import LeadClassifier
from models.fit.linear import LinearFit
from models.fit.model_choice import fit_rule
from models.fit.rule_points import RulePoints, make_rule
from models.fit.rule_update import level_for
from models.fit.training_rows import TrainingRows
from models.predictor import Floats
from models.winners import RULE
from training.against_baselines import beats_baselines, unproven_in_training, verdicts
from training.small_data import assess

REPORTED = 5000
"""The first seed of the worlds that are reported."""
SHORT, FULL = 3, 8
"""Worlds of each kind of rule; the bars are those of the full form."""
UNKNOWN = 300
"""Leads that a company knows on its first day."""
TEST_SHARE = 0.2
BEHIND = 0.05


@dataclass(frozen=True, slots=True)
class FirstYear:
    """The true log losses of one world with some conversions known, by way of scoring."""

    kind: str
    seed: int
    size: int
    losses: dict[str, float]


def measure(*, full: bool) -> list[Verdict]:
    """Score all worlds every way, print the means, and judge them."""
    worlds = [(kind, REPORTED + i) for kind in KINDS for i in range(FULL if full else SHORT)]
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        lived = [each for years in pool.map(live, worlds) for each in years]
    frame = pd.DataFrame(
        {"kind": e.kind, "seed": e.seed, "conversions": e.size, **e.losses} for e in lived
    )
    ways = ["train", "rule", "learned", "base rate"]
    print("true log loss, mean over worlds")
    print(frame.groupby("conversions")[[*ways, "truth"]].mean().round(4).to_string())
    print(frame.groupby(["kind", "conversions"])[ways].mean().round(4).to_string())
    bars: list[Verdict] = []
    for size, rows in frame.groupby("conversions"):
        for rival in ("rule", "learned"):
            gap = rows["train"] - rows[rival]
            error = float(gap.std(ddof=1) / np.sqrt(len(gap)))
            figure = f"{gap.mean():+.4f} (standard error {error:.4f})"
            name = f"day one: {size} conversions, what train fits against {rival} alone"
            bars.append((bool(gap.mean() <= error), name, figure, "<= 1 standard error"))
        worst = float((rows["train"] / rows["base rate"] - 1).max())
        name = f"day one: {size} conversions, the world furthest behind the base rate"
        bars.append((worst <= BEHIND, name, f"{worst:+.1%}", f"<= {BEHIND:.0%}"))
    return bars


def live(world_of: tuple[str, int]) -> list[FirstYear]:
    """Score one world with ever more conversions known."""
    kind, seed = world_of
    world = make_world(kind, seed)
    drawn = np.random.default_rng([seed, 5]).random(len(world.truth)) < world.truth
    y = drawn[:-AHEAD].astype(np.float64)
    truth = world.truth[-AHEAD:]
    years = []
    for size in SIZES:
        known = np.flatnonzero(np.cumsum(y) >= size)
        if not len(known):
            continue
        n = int(known[0]) + 1 if size else UNKNOWN
        chances = _ways(world, n, y[:n] if size else None)
        losses = {name: true_loss(truth, p) for name, p in chances.items()}
        losses["truth"] = true_loss(truth, truth)
        years.append(FirstYear(kind, seed, size, losses))
    return years


def true_loss(truth: Floats, p: Floats) -> float:
    """Give the expected log loss of probabilities where the true ones are known."""
    return float(-np.mean(truth * np.log(p) + (1 - truth) * np.log1p(-p)))


def _ways(world: DayOneWorld, n: int, y: Floats | None) -> dict[str, Floats]:
    """Give the probabilities of the leads to come, (AHEAD,), by every way of scoring."""
    columns, ahead = world.columns(slice(0, n)), world.columns(slice(-AHEAD, None))
    points, target = world.points(), np.zeros(n) if y is None else y
    rule = make_rule(points, columns)
    rate = world.expected if y is None else float(np.clip(y.mean(), 1e-3, 0.999))
    level = level_for(rule.values(columns), rate, columns.weights)
    found = {"rule": _chance(level + rule.values(ahead))}
    if y is None:
        fitted = fit_rule(TrainingRows(columns, target), points, known=False)
        flat = np.full(AHEAD, world.expected)
        assert fitted.parts.linear is not None
        margin = LinearFit(fitted.parts.linear, {}).margin(ahead)
        return found | {"train": _chance(margin), "learned": flat, "base rate": flat}
    to_come = world.leads.iloc[-AHEAD:]
    seen = n if assess(y[: _cut(n)]).mode == "refuse" else _cut(n)
    return found | {
        "train": _what_train_fits(world, n, y).predict_proba(to_come)[:, 1],
        "learned": _fit(world, seen, y, rule=None).predict_proba(to_come)[:, 1],
        "base rate": np.full(AHEAD, (y[:seen].sum() + 0.5) / (seen + 1)),
    }


def _cut(n: int) -> int:
    """Count the rows before those that a model is tested on."""
    return n - round(n * TEST_SHARE)


def _fit(
    world: DayOneWorld, n: int, y: Floats, *, rule: RulePoints | None, learner: str = "auto"
) -> LeadClassifier:
    """Fit on the first n leads, as `train --fast` does."""
    catalogue = Catalogue(world.features)
    model = LeadClassifier(fast=True, learner=learner, catalogue=catalogue, rule=rule)
    return model.fit(world.leads.iloc[:n], y[:n])


def _what_train_fits(world: DayOneWorld, n: int, y: Floats) -> LeadClassifier:
    """Fit, test on the newest leads, and let the rule stand in where that proves no model."""
    points, catalogue, cut = world.points(), Catalogue(world.features), _cut(n)
    if assess(y[:cut]).mode == "refuse":
        return _fit(world, n, y, rule=points, learner="rule")
    model = _fit(world, cut, y, rule=points)
    if model.report_["winner"] == RULE:
        return model
    test, target = world.leads.iloc[cut:n], y[cut:]
    rivals = fit_all(world.leads.iloc[:cut], y[:cut], catalogue)
    chances = {name: each.predict(test) for name, each in rivals.items() if each.available}
    proven, _ = beats_baselines(verdicts(target, model.predict_proba(test)[:, 1], chances))
    proven = proven and unproven_in_training(y[:cut], _chance(model.margins_)) is None
    return model if proven else _fit(world, cut, y, rule=points, learner="rule")


def _chance(margin: Floats) -> Floats:
    p: Floats = 1 / (1 + np.exp(-margin))
    return p
