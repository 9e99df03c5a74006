"""Memory beside what was counted on: training and scoring companies of several sizes and widths.

`training/lead_sample.py` and `serving/parts/plan_parts.py` count bytes for rows, columns, events
and cells, and choose by them how many rows to learn from and in how many parts to score. Here the
commands run with all the memory they want, and their peaks are held against the counts; then
training is given less than it wants, and its peak is held against that. One company states a rule,
which stands in where the model is refused: it is fitted to all rows after the model.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.in_parts import Verdict
from benchmarks.large_company import write_company
from benchmarks.process_cost import COMMAND, ProcessCost, measured
from benchmarks.repeated_company import BASE, write_repeated
from data.project import load_project
from data.reading.read_tables import read_tables
from serving.parts import plan_parts
from serving.session import open_session
from training import lead_sample
from training.dataset import make_dataset

WANTED = "20GB"
WIDE = (40, 10)
"""Columns of numbers and of categories that a wide company has beside the others."""
MOST = 2.0
"""What is counted may be this much more than what is taken, and not less."""
TIGHT = 0.6
"""Of what training takes of the largest company, so much is then given."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What the product counts on for a company, in bytes, and the rows it counts for."""

    training: float
    scoring: float
    rows: int
    columns: int


def measure(*, full: bool) -> Iterator[Verdict]:
    """Measure every company, and in full the largest of each width once more in less memory."""
    sizes = (20_000, 60_000, 150_000) if full else (4_000,)
    kinds = ("narrow", "wide", "ruled") if full else ("wide", "ruled")
    for kind in kinds:
        for n_leads in sizes:
            with tempfile.TemporaryDirectory(prefix="scale-memory-") as place:
                file = write(kind, Path(place), n_leads)
                name = f"{n_leads:,} leads, {kind}"
                yield from company(file, name, tight=full and n_leads == sizes[-1])


def write(kind: str, folder: Path, n_leads: int) -> Path:
    """Write a company, narrow, wide or with a stated rule; return its project file."""
    if kind == "ruled":
        return write_repeated(folder, n_leads // BASE)
    file = write_company(folder, n_leads)
    if kind == "wide":
        widen(folder, *WIDE)
    return file


def widen(folder: Path, numbers: int, words: int) -> None:
    """Give the leads more columns, which say nothing."""
    leads = pq.read_table(folder / "leads.parquet")
    rng = np.random.default_rng(11)
    for i in range(numbers):
        leads = leads.append_column(f"number_{i}", pa.array(rng.normal(size=len(leads))))
    levels = pa.array([f"level {i:02d}" for i in range(30)])
    for i in range(words):
        leads = leads.append_column(f"word_{i}", levels.take(rng.integers(0, 30, len(leads))))
    pq.write_table(leads, folder / "leads.parquet")
    names = [f"number_{i}" for i in range(numbers)] + [f"word_{i}" for i in range(words)]
    more = "".join(f', "{name}"' for name in names)
    file = folder / "company.toml"
    file.write_text(file.read_text().replace('"employees"]', f'"employees"{more}]'))


def company(file: Path, name: str, *, tight: bool) -> Iterator[Verdict]:
    """Train and score one company: peaks, and what was counted on."""
    state = file.parent / "state"
    counted = count(file)
    trained = command("train", file, state, "--fast", "--memory", WANTED)
    taken = said(trained, counted.training)
    about = f"train {name}, {counted.rows:,} rows of {counted.columns} columns"
    yield within(about, trained.peak, counted.training, taken)
    scored = command("score", file, state, "--parts", "1")
    taken = said(scored, counted.scoring)
    yield within(f"score {name}", scored.peak, counted.scoring, taken)
    if tight:
        budget = max(int(TIGHT * trained.peak / 1e6), 700)
        shutil.rmtree(state)
        less = command("train", file, state, "--fast", "--memory", f"{budget}MB")
        taken = f"{less.peak / 1e9:.2f} GB, {less.cpu_s:.0f} CPU s"
        yield less.peak <= budget * 1e6, f"train {name}, in {budget} MB", taken, "peak within it"


def count(file: Path) -> Counted:
    """Add up what the product counts on for a company learned from, and scored, whole."""
    project = load_project(file)
    tables, outcomes = read_tables(project)
    whole = make_dataset(project, tables, outcomes, threads=2)
    catalogue, rows = whole.frame.catalogue, len(whole.cut.train)
    training = lead_sample.PROGRAM + lead_sample.tables_bytes(tables)
    training += len(whole.cut.test) * lead_sample.test_row_bytes(catalogue)
    training += rows * lead_sample.row_bytes(catalogue)
    scoring = plan_parts.PROGRAM + plan_parts.bytes_of_sources(open_session(file))
    return Counted(training, scoring, rows, len(catalogue.features))


def command(verb: str, file: Path, state: Path, *options: str) -> ProcessCost:
    """Run a command of leadscore on a company."""
    where = ("--state", str(state), "--threads", "2")
    return measured([*COMMAND, verb, str(file), *where, *options], ends=(0, 3))


def said(cost: ProcessCost, counted: float) -> str:
    """Write what a command took."""
    return f"{cost.peak / 1e9:.2f} of {counted / 1e9:.2f} GB, {cost.cpu_s:.0f} CPU s"


def within(name: str, taken: float, counted: float, figure: str) -> Verdict:
    """Hold a peak against what was counted on."""
    return taken <= counted <= MOST * taken, name, figure, f"counted: 1 to {MOST:g} times"
