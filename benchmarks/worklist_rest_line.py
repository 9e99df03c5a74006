"""How much of a score do its lines leave unsaid? The rest beside the lines, lead by lead.

    python -m benchmarks.worklist rest_line [--full]

Asked of simulated companies and, in full, of the real data sets: models are trained, every test row
is explained. A point is itemised where its factor has a line, or where it is of what is not known
or not seen, which is a named line.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pandas as pd

from benchmarks.in_parts import Verdict
from data.world import make_world, project_file, write_world
from data.world.kinds import WorldKind
from models.explain.observed_rates import ObservedRates
from models.predictor import LeadScorer
from serving.session import open_session
from tests.fakes.rest_figures import figures_of
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


def measure(*, full: bool) -> Iterator[Verdict]:
    """Train and explain each data set; the figures are those of the worst."""
    names = [*SIMULATED, *REAL] if full and "LEADSCORE_DATA" in os.environ else SIMULATED[:1]
    found = []
    print(
        f"{'data set':16} {'leads':>6} {'rest in top 3':>14} {'small rest':>11} {'most lines':>11}"
    )
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            one = figures_of(*trained(name, Path(folder)))
        found.append(one)
        print(
            f"{name:16} {one.leads:>6} {one.rest_in_top_three:>14.2%} {one.small_rest:>11.1%} "
            f"{one.most_lines:>11}"
        )
    top = max(one.rest_in_top_three for one in found)
    small = min(one.small_rest for one in found)
    wrong = sum(one.not_adding_up for one in found)
    yield top == 0, "leads whose rest is among the three largest lines", f"{top:.2%}", "0"
    yield small >= 0.95, "leads with under 5 points left out", f"{small:.1%}", ">= 95 %"
    yield wrong == 0, "leads whose lines miss the score", f"{wrong}", "0"
