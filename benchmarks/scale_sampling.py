"""Training within a promised memory: what a sample costs in quality, and what training costs.

Quality: the same company, learned from all leads and from all that converted and one in k of the
others; both judged on the same test rows. Cost: `leadscore train` as a process, beside the obvious
pandas and LightGBM script on the same files.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.in_parts import Verdict
from benchmarks.large_company import write_company
from benchmarks.process_cost import COMMAND, ProcessCost, measured
from data.project import load_project
from data.reading.read_tables import read_tables
from models.fit.candidates import error_of
from models.metrics import log_losses, slope
from models.predictor import LeadScorer
from training.dataset import Dataset, make_dataset
from training.lead_sample import take_sample
from training.train import fit_learner

BUDGET = "8GB"
BAR_LOSS, BAR_SLOPE, FROM = 0.0005, 0.03, 200_000
GROWTH = 1.1


def measure(*, full: bool) -> Iterator[Verdict]:
    """Measure quality and cost; the full form takes hours."""
    seeds = range(5) if full else range(1)
    for n_leads in (60_000, 200_000) if full else (3_000,):
        for seed in seeds:
            yield quality(n_leads, seed)
    yield from cost((100_000, 300_000, 1_000_000) if full else (3_000, 6_000))


def quality(n_leads: int, seed: int) -> Verdict:
    """Fit on all leads and on a third of the rows; compare on the same test rows."""
    with tempfile.TemporaryDirectory() as folder:
        project = load_project(write_company(Path(folder), n_leads, seed=100 + seed))
        tables, outcomes = read_tables(project)
    whole = make_dataset(project, tables, outcomes, threads=2)
    fits = len(whole.cut.train) // 3
    taken = take_sample(whole.labelled, whole.cut, tables, fits=fits, memory=1, seed=seed)
    assert taken is not None
    rows, weights, said = taken
    every = np.ones(len(whole.labelled))
    every[rows] = weights
    sampled = replace(whole, cut=replace(whole.cut, train=rows), row_weights=every)
    y, groups = whole.y[whole.cut.test].astype(float), whole.groups[whole.cut.test]
    of_all, of_sample = (predict(project, each, seed) for each in (whole, sampled))
    gap = log_losses(y, of_sample) - log_losses(y, of_all)
    ones = np.ones(len(y))
    apart = slope(y, of_sample, ones) - slope(y, of_all, ones)
    error = error_of(gap, groups=groups)
    met = abs(float(gap.mean())) <= BAR_LOSS and abs(apart) <= BAR_SLOPE
    bar = f"<= {BAR_LOSS} and slope within {BAR_SLOPE}"
    if n_leads < FROM:
        met, bar = True, f"printed; the bar holds from {FROM:,} leads on"
    return (
        met,
        f"sample, one in {said.one_in}, {n_leads:,} leads, seed {seed}",
        f"log loss {gap.mean():+.5f} (SE {error:.5f}), slope {apart:+.3f}",
        bar,
    )


def predict(project, dataset: Dataset, seed: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Fit on the training rows, and give the probabilities of the test rows."""
    fitted = fit_learner(project, dataset, seed=seed, threads=2, fast=True)
    scorer = LeadScorer(*fitted.parts(), threads=2, trusted=True)
    return scorer.score(dataset.rows(dataset.cut.test)).probability


def cost(sizes: tuple[int, ...]) -> Iterator[Verdict]:
    """Train companies of growing size by the command, and the peer's script on the same files."""
    ours: list[ProcessCost] = []
    for n_leads in sizes:
        with tempfile.TemporaryDirectory() as folder:
            file = write_company(Path(folder), n_leads)
            budget = ("--memory", BUDGET, "--fast", "--state", f"{folder}/state")
            run = measured([*COMMAND, "train", str(file), *budget], ends=(0, 3))
            said = f"{run.cpu_s:.0f} CPU s, {run.peak / 1e9:.2f} GB"
            if n_leads == sizes[-1] or n_leads >= FROM:
                peer = measured([sys.executable, "-m", "benchmarks.large_company_peer", folder])
                said += f"; peer {peer.cpu_s:.0f} CPU s, {peer.peak / 1e9:.2f} GB"
        ours.append(run)
        yield run.peak <= 8e9, f"train --fast, {n_leads:,} leads", said, f"peak <= {BUDGET}"
    for small, large, before, after in zip(sizes, sizes[1:], ours, ours[1:], strict=False):
        for what, ratio in (
            ("CPU", after.cpu_s / before.cpu_s),
            ("peak memory", after.peak / before.peak),
        ):
            linear = large / small * GROWTH
            name = f"growth of {what}, {small:,} to {large:,} leads"
            yield ratio <= linear, name, f"{ratio:.2f}", f"<= {linear:.2f}"
