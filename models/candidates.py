"""Candidate models and the choice among them: what wins on rows that no candidate has seen.

Every candidate is a weighted sum, in log-odds, of three components: the regularised logistic
regression (`linear`), a forest on its own (`alone`), and a forest boosted on the linear margin
(`boosted`). Choices are made on purged forward folds where times are known, else on the random
folds; both are reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.encoders import Floats


@dataclass(frozen=True, slots=True)
class Blend:
    """Weights of the components; `boosted` counts with the linear margin that it starts from."""

    name: str
    linear: float = 0.0
    alone: float = 0.0
    boosted: float = 0.0

    def margin(self, components: Mapping[str, Floats]) -> Floats:
        """Weigh component margins together: (n,) log-odds."""
        parts = ((self.linear, "linear"), (self.alone, "alone"), (self.boosted, "boosted"))
        total: Floats = np.sum([w * components[name] for w, name in parts if w], axis=0)
        return total


BLENDS: tuple[Blend, ...] = (
    Blend("linear", linear=1.0),
    Blend("forest", alone=1.0),
    Blend("boosted", boosted=1.0),
    Blend("linear + forest", linear=0.5, alone=0.5),
    Blend("forest + boosted", alone=0.5, boosted=0.5),
    Blend("linear + 3 forest", linear=0.25, alone=0.75),
    Blend("3 linear + forest", linear=0.75, alone=0.25),
)
DEFAULT = "forest + boosted"


def row_losses(y: Floats, margin: Floats) -> Floats:
    """Log loss of each row, (n,), from log-odds."""
    losses: Floats = np.logaddexp(0.0, margin) - y * margin
    return losses


def compare_blends(
    y: Floats, components: Mapping[str, Floats], blends: Sequence[Blend] = BLENDS
) -> list[dict[str, Any]]:
    """Tabulate the candidates' log loss on unseen rows: a row for each, paired with DEFAULT.

    `behind` is the loss behind the default candidate (below zero: better), with the standard
    error of the paired difference.
    """
    usable = [b for b in blends if all(name in components for name in _needs(b))]
    losses = {blend.name: row_losses(y, blend.margin(components)) for blend in usable}
    base = losses[DEFAULT if DEFAULT in losses else usable[0].name]
    table: list[dict[str, Any]] = []
    for blend in usable:
        extra = losses[blend.name] - base
        table.append(
            {
                "candidate": blend.name,
                "log_loss": float(losses[blend.name].mean()),
                "behind": float(extra.mean()),
                "standard_error": float(extra.std() / np.sqrt(len(y))),
            }
        )
    return table


def choose(tables: Sequence[Sequence[Mapping[str, Any]]]) -> Blend:
    """Pick the candidate from its figures; the first table counts, the others may veto.

    The mean of both forests is the default. The candidate with the least loss replaces it where
    it is better by more than one standard error. The linear part alone replaces it where it is
    within one standard error (the simpler wins) in every table.
    """
    known = {blend.name: blend for blend in BLENDS}
    first = tables[0]
    best = min(first, key=lambda row: float(row["log_loss"]))
    if DEFAULT not in {row["candidate"] for row in first}:
        return known[str(best["candidate"])]
    linear = [row for table in tables for row in table if row["candidate"] == "linear"]
    if all(float(row["behind"]) <= float(row["standard_error"]) for row in linear):
        return known["linear"]
    ahead = -float(best["behind"]) > float(best["standard_error"])
    return known[str(best["candidate"]) if ahead else DEFAULT]


def _needs(blend: Blend) -> list[str]:
    weights = (("linear", blend.linear), ("alone", blend.alone), ("boosted", blend.boosted))
    return [name for name, weight in weights if weight]
