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
from pathlib import Path
from typing import Final

import pandas as pd

from data.world import make_world, project_file, write_world
from data.world.kinds import WorldKind
from models.explain.observed_rates import ObservedRates
from models.predictor import LeadScorer
from serving.session import open_session
from tests.fakes.rest_figures import RestFigures, figures_of
from training.train import train

EXAMPLES: Final = Path(__file__).resolve().parents[1] / "examples"
SIMULATED: Final[tuple[WorldKind, ...]] = ("software_trial", "consulting", "digital_agency")
REAL: Final = ("bpi2012", "olist", "x_education")


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
        print(f"{'met   ' if holds else 'missed'} {claim}: {figure:.4g} ({sign} {bar:g})")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
