"""Candidate models and the choice among them: what wins on rows that no candidate has seen.

Every candidate is a weighted sum, in log-odds, of four components: the regularised logistic
regression (`linear`), a forest of extremely randomised splits (`extra`), one of best splits
(`plain`), and one of best splits boosted on the linear margin (`boosted`). Choices are made on
purged forward folds where times are known, else on the random folds; both are reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.encoders import Floats


@dataclass(frozen=True, slots=True)
class Blend:
    """Weights of the components; `boosted` counts with the linear margin that it starts from.

    All forests in a blend weigh the same, so that they are one forest in the artifact.
    """

    name: str
    linear: float = 0.0
    forests: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """The weight of each forest."""
        return (1 - self.linear) / len(self.forests) if self.forests else 0.0

    @property
    def line(self) -> float:
        """The weight of the linear margin in all: its own, and under the boosted forest."""
        return self.linear + (self.share if "boosted" in self.forests else 0.0)

    @property
    def needs(self) -> tuple[str, ...]:
        """The components that the blend is made of."""
        return (("linear",) if self.linear else ()) + self.forests

    def margin(self, components: Mapping[str, Floats]) -> Floats:
        """Weigh component margins together: (n,) log-odds."""
        weights = [self.linear] * bool(self.linear) + [self.share] * len(self.forests)
        parts = [w * components[name] for w, name in zip(weights, self.needs, strict=True)]
        total: Floats = np.sum(parts, axis=0)
        return total


BOTH = ("extra", "plain")
BLENDS: tuple[Blend, ...] = (
    Blend("linear", 1.0),
    Blend("extra", 0.0, ("extra",)),
    Blend("plain", 0.0, ("plain",)),
    Blend("extra + plain", 0.0, BOTH),
    Blend("boosted", 0.0, ("boosted",)),
    Blend("plain + boosted", 0.0, ("plain", "boosted")),
    Blend("extra + plain + boosted", 0.0, (*BOTH, "boosted")),
    Blend("linear + extra", 0.5, ("extra",)),
    Blend("linear + plain", 0.5, ("plain",)),
    Blend("linear + 3 extra", 0.25, ("extra",)),
    Blend("linear + 3 plain", 0.25, ("plain",)),
    Blend("linear + extra + plain", 1 / 3, BOTH),
    Blend("linear + 3 (extra + plain)", 0.25, BOTH),
    Blend("3 linear + (extra + plain)", 0.75, BOTH),
)
DEFAULTS = ("extra + plain + boosted", "linear + extra + plain", "linear + extra")


def row_losses(y: Floats, margin: Floats) -> Floats:
    """Log loss of each row, (n,), from log-odds."""
    losses: Floats = np.logaddexp(0.0, margin) - y * margin
    return losses


def compare_blends(
    y: Floats, components: Mapping[str, Floats], blends: Sequence[Blend] = BLENDS
) -> list[dict[str, Any]]:
    """Tabulate the candidates' log loss on unseen rows: a row for each, paired with the default.

    `behind` is the loss behind the default candidate (below zero: better), with the standard
    error of the paired difference.
    """
    usable = [b for b in blends if all(name in components for name in b.needs)]
    losses = {blend.name: row_losses(y, blend.margin(components)) for blend in usable}
    base = losses[default_of(list(losses))]
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

    The mean of all components is the default. The candidate with the least loss replaces it where
    it is better by more than one standard error. The linear part alone replaces it where it is
    within one standard error (the simpler wins) in every table.
    """
    known = {blend.name: blend for blend in BLENDS}
    first = tables[0]
    best = min(first, key=lambda row: float(row["log_loss"]))
    linear = [row for table in tables for row in table if row["candidate"] == "linear"]
    if all(float(row["behind"]) <= float(row["standard_error"]) for row in linear):
        return known["linear"]
    ahead = -float(best["behind"]) > float(best["standard_error"])
    default = default_of([str(row["candidate"]) for row in first])
    return known[str(best["candidate"]) if ahead else default]


def default_of(names: Sequence[str]) -> str:
    """Name the mean of the most components that are there."""
    return next((name for name in DEFAULTS if name in names), names[0])
