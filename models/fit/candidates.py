"""Candidate models and the choice among them: what wins on rows that no candidate has seen.

Every candidate is a mean, in log-odds, of some of five components: the regularised logistic
regression (`linear`), a forest of extremely randomised splits (`extra`), the same boosted on the
linear margin (`boosted`), a forest of best splits (`plain`), and, where that one is chosen, one of
larger trees (`deep`). Beside the chosen mean a forest on made columns may weigh (crossed_forest).
The mean of the first three is the
default: on 20 sets kept for that question it lost least, above all where the future differed from
the past, where best splits lose most; on rows of one period these can earn their place.
Choices are made on purged forward folds where times are known, else on the random folds; both are
reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from models.fit.encoders import Ints
from models.fit.row_weights import weighted_mean, weights_or_ones
from models.predictor import Floats

CROSSED = "crossed"
"""The forest on made columns: no candidate by itself, it may weigh beside the chosen one."""


@dataclass(frozen=True, slots=True)
class Blend:
    """Weights of the components; `boosted` counts with the linear margin that it starts from.

    All forests in a blend weigh the same, so that they are one forest in the artifact. `crossed` is
    the weight of the forest on made columns beside all of these: (1 - crossed) is left to them.
    """

    name: str
    linear: float = 0.0
    forests: tuple[str, ...] = ()
    crossed: float = 0.0

    @property
    def share(self) -> float:
        """The weight of each forest."""
        return (1 - self.linear) / len(self.forests) if self.forests else 0.0

    @property
    def line(self) -> float:
        """The weight of the linear margin in all: its own, and under the boosted forest."""
        line = self.linear + (self.share if "boosted" in self.forests else 0.0)
        return (1 - self.crossed) * line

    @property
    def tree_weight(self) -> float:
        """The weight of the forests in all, but for the crossed one."""
        return (1 - self.crossed) * (1 - self.linear)

    @property
    def needs(self) -> tuple[str, ...]:
        """The components that compete for the blend."""
        return (("linear",) if self.linear else ()) + self.forests

    def margin(self, components: Mapping[str, Floats]) -> Floats:
        """Weigh component margins together: (n,) log-odds."""
        weights = [self.linear] * bool(self.linear) + [self.share] * len(self.forests)
        parts = [w * components[name] for w, name in zip(weights, self.needs, strict=True)]
        total: Floats = np.sum(parts, axis=0)
        if not self.crossed:
            return total
        return (1 - self.crossed) * total + self.crossed * components[CROSSED]


def _mean(*names: str) -> Blend:
    """Average components with equal weights."""
    forests = tuple(name for name in names if name != "linear")
    return Blend(" + ".join(names), (len(names) - len(forests)) / len(names), forests)


BLENDS: tuple[Blend, ...] = (
    _mean("linear"),
    _mean("extra"),
    _mean("boosted"),
    _mean("plain"),
    _mean("deep"),
    _mean("linear", "boosted"),
    _mean("linear", "extra"),
    _mean("extra", "boosted"),
    _mean("extra", "plain"),
    _mean("boosted", "plain"),
    _mean("extra", "deep"),
    _mean("plain", "deep"),
    _mean("linear", "extra", "boosted"),
    _mean("linear", "extra", "plain"),
    _mean("extra", "boosted", "plain"),
    _mean("linear", "extra", "boosted", "plain"),
)
DEFAULT = "linear + extra + boosted"


def row_losses(y: Floats, margin: Floats) -> Floats:
    """Log loss of each row, (n,), from log-odds."""
    losses: Floats = np.logaddexp(0.0, margin) - y * margin
    return losses


@dataclass(frozen=True, slots=True)
class CandidateFigures:
    """A candidate's log loss on unseen rows, and `behind`, its loss behind the default candidate.

    `standard_error` is that of the paired difference, `between` the one that also counts how the
    difference changed from period to period, since one period alone is no evidence.
    """

    candidate: str
    log_loss: float
    behind: float
    standard_error: float
    between: float


def compare_blends(
    y: Floats,
    components: Mapping[str, Floats],
    fold: Ints | None = None,
    groups: Ints | None = None,
    blends: Sequence[Blend] = BLENDS,
    *,
    row_weights: Floats | None = None,
) -> list[CandidateFigures]:
    """Compare the candidates' log loss on unseen rows, each paired with the default.

    Rows of one of `groups` count as one; `fold` says where rows lie in several periods.
    """
    usable = [b for b in blends if all(name in components for name in b.needs)]
    losses = {blend.name: row_losses(y, blend.margin(components)) for blend in usable}
    base = losses[default_of(list(losses))]
    counted = weights_or_ones(row_weights, len(y))
    table = []
    for blend in usable:
        extra = losses[blend.name] - base
        table.append(
            CandidateFigures(
                blend.name,
                log_loss=weighted_mean(losses[blend.name], counted),
                behind=weighted_mean(extra, counted),
                standard_error=error_of(extra, groups=groups, row_weights=counted),
                between=error_of(extra, fold, groups, row_weights=counted),
            )
        )
    return table


def error_of(
    extra: Floats,
    fold: Ints | None = None,
    groups: Ints | None = None,
    *,
    row_weights: Floats | None = None,
) -> float:
    """Give the standard error of a mean; with periods, the larger one of rows and whole periods.

    With `groups`, (n,), rows of one group count as one draw: snapshots of a lead err together.
    Few periods say little even about their own spread: Student's t widens the error to what one
    standard error would promise.
    """
    counted = weights_or_ones(row_weights, len(extra))
    gaps, total = extra - weighted_mean(extra, counted), float(counted.sum())
    squares = counted * gaps**2
    if groups is not None:
        member = np.unique(groups, return_inverse=True)[1]
        squares = np.bincount(member, weights=counted * gaps).astype(np.float64) ** 2
    error = float(np.sqrt(np.sum(squares)) / total)
    if fold is None or fold.max() < 1:
        return error
    sums = np.bincount(fold, weights=counted * extra)
    k = len(sums)
    spread = float(np.sqrt(k / (k - 1) * np.sum((sums - sums.mean()) ** 2)))
    return max(error, spread / total * float(student.ppf(norm.cdf(1.0), k - 1)))


def choose(tables: Iterable[Sequence[CandidateFigures]]) -> Blend:
    """Pick the candidate from its figures; the first table counts, the others may veto.

    The mean of line, forest and boosted line is the default. The candidate with the least loss
    replaces it where it is better by more than one standard error, periods counted as wholes. The
    line alone, the simpler, replaces it where it is no worse in any table; the others are looked at
    only where it is no worse in the first.
    """
    known = {blend.name: blend for blend in BLENDS}
    others = iter(tables)
    first = next(others)
    best = min(first, key=lambda row: row.log_loss)
    linear = (row for table in chain([first], others) for row in table if row.candidate == "linear")
    if all(row.behind <= 0 for row in linear):
        return known["linear"]
    ahead = -best.behind > best.between
    return known[best.candidate if ahead else default_of([row.candidate for row in first])]


def default_of(names: Sequence[str]) -> str:
    """Name the default candidate; the line where it stands alone."""
    return DEFAULT if DEFAULT in names else names[0]
