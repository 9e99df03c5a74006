"""How much of a score do its lines leave unsaid? The rest beside the lines, lead by lead.

    python -m benchmarks.rest_line [--full]

Asked of simulated companies and, in full, of the real data sets: models are trained, every test row
is explained. A point is itemised where its factor has a line, or where it is of what is not known
or not seen, which is a named line.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.world import make_world, project_file, write_world
from data.world.kinds import WorldKind
from models.explain.observed_rates import ObservedRates
from models.explain.points import MOST_LINES, Points
from models.explain.reason_rules import ReasonRules, visible_sides
from models.explain.reasons import reason_table
from models.predictor import LeadScorer
from serving.session import open_session
from training.train import train

EXAMPLES: Final = Path(__file__).resolve().parents[1] / "examples"
SIMULATED: Final[tuple[WorldKind, ...]] = ("software_trial", "consulting", "digital_agency")
REAL: Final = ("bpi2012", "olist", "x_education")
SMALL: Final = 5  # points


@dataclass(frozen=True, slots=True)
class RestFigures:
    """The lines of many leads: shares of leads, and counts."""

    leads: int
    rest_in_top_three: float
    small_rest: float  # < 5 points without sign, under the third line, with 14 lines at most
    most_lines: int
    not_adding_up: int


def figures_of(scorer: LeadScorer, frame: pd.DataFrame, facts: ObservedRates) -> RestFigures:
    """Explain every row and hold its lines against its points by factor."""
    points = reason_table(scorer, frame, facts=facts).points
    listed = np.zeros(points.by_factor.shape, np.bool_)
    rows, places = np.nonzero(points.line_factor >= 0)
    listed[rows, points.line_factor[rows, places]] = True
    lines = listed.sum(axis=1)
    left_out = speakable(scorer, frame, facts, points) & ~listed
    unsaid = np.abs(points.by_factor * left_out).sum(axis=1)
    largest = np.sort(np.abs(points.line_points), axis=1)[:, ::-1]
    third = largest[:, 2] if largest.shape[1] > 2 else np.zeros(len(lines))
    small = (unsaid == 0) | ((unsaid < SMALL) & (unsaid < third))
    shown = points.line_points.sum(axis=1) + points.unseen + points.rest + points.limit
    return RestFigures(
        leads=len(lines),
        rest_in_top_three=float(((points.rest != 0) & (np.abs(points.rest) >= third)).mean()),
        small_rest=float((small & (lines <= MOST_LINES)).mean()),
        most_lines=int(lines.max(initial=0)),
        not_adding_up=int((points.typical + shown != points.score).sum()),
    )


def speakable(
    scorer: LeadScorer, frame: pd.DataFrame, facts: ObservedRates, points: Points
) -> NDArray[np.bool_]:
    """Say which factors may be given as a reason, (n, n_factors): others are not known or seen."""
    visible = visible_sides(scorer, frame, ReasonRules.of(scorer), facts)
    values = scorer.contributions(frame, by="feature").values
    said = ((values > 0) & (visible & 5 > 0), (values < 0) & (visible & 10 > 0))
    out = np.zeros(points.by_factor.shape, np.bool_)
    for k, factor in enumerate(scorer.factors):
        own = [f for f, feature in enumerate(scorer.features) if feature.factor == factor]
        up, down = (side[:, own].any(axis=1) for side in said)
        out[:, k] = np.where(points.by_factor[:, k] > 0, up, down)
    return out


def trained(name: str, folder: Path) -> tuple[LeadScorer, pd.DataFrame, ObservedRates]:
    """Train on a simulated company or a real data set: model, test rows, facts."""
    file = EXAMPLES / f"{name}.toml"
    for kind in SIMULATED:
        if name == kind:
            write_world(make_world(kind, 3_000, 0), folder, project=project_file(kind))
            file = folder / f"{name}.toml"
    session = open_session(file, threads=2)
    reading = session.read()
    made = train(session.project, reading.tables, reading.outcomes, seed=0, threads=2, fast=True)
    return made.scorer, made.dataset.rows(made.dataset.cut.test), made.facts


def measure(names: Sequence[str]) -> Iterator[tuple[str, RestFigures]]:
    """Train and measure each data set."""
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            yield name, figures_of(*trained(name, Path(folder)))


def claims(figures: Sequence[RestFigures]) -> list[tuple[str, float, str, float]]:
    """Name the bars: (name, figure, sign, bar); the figure is that of the worst data set."""
    return [
        (
            "leads whose rest is among the three largest lines, share",
            max(f.rest_in_top_three for f in figures),
            "<=",
            0.0,
        ),
        (
            "leads with under 5 points left out, under the third line, share",
            min(f.small_rest for f in figures),
            ">=",
            0.95,
        ),
        (
            "leads whose lines miss the score",
            float(sum(f.not_adding_up for f in figures)),
            "<=",
            0.0,
        ),
    ]


def main(arguments: list[str]) -> int:
    """Print the figures of each data set and the bars; 1 where one is missed."""
    full = "--full" in arguments
    names = [*SIMULATED, *REAL] if full and "LEADSCORE_DATA" in os.environ else SIMULATED[:1]
    found = []
    print(
        f"{'data set':16} {'leads':>6} {'rest in top 3':>14} {'small rest':>11} {'most lines':>11}"
    )
    for name, one in measure(names):
        found.append(one)
        print(
            f"{name:16} {one.leads:>6} {one.rest_in_top_three:>14.2%} {one.small_rest:>11.1%} "
            f"{one.most_lines:>11}"
        )
    missed = 0
    for claim, figure, sign, bar in claims(found):
        holds = figure <= bar if sign == "<=" else figure >= bar
        missed += not holds
        print(f"{'ok  ' if holds else 'MISS'} {claim}: {figure:.4g} ({sign} {bar:g})")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
