"""Sets without any signal: how often does a learned model become champion all the same?

python -m benchmarks.noise [--full]   200 sets with --full, else as many as 60 seconds allow
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from benchmarks.noise_sets import NoiseSet, make_noise
from data.errors import LeadScoreError
from data.reading.read_tables import read_tables
from models.fit.baselines import fit_all
from models.predictor import LeadScorer
from training.audit import audit
from training.dataset import make_dataset
from training.evaluate import beats_baselines, verdicts
from training.train import fit_learner, with_card

SETS, SECONDS, MOST = 200, 60.0, 0.01
"""Sets of the full run, seconds of the short one, and the share that may get a champion."""


@dataclass(frozen=True, slots=True)
class NoiseResult:
    """What became of one set: whether the learned model may be champion, and which columns stay.

    `used` are columns filled in after the outcome that a feature was made of.
    """

    shape: str
    champion: bool
    used: tuple[str, ...]
    why: str


def judge_noise(noise: NoiseSet, seed: int) -> NoiseResult:
    """Do what `train --fast` does to decide, without the figures that only a report shows."""
    project = noise.project
    try:
        tables, outcomes = read_tables(project, frames=noise.frames)
        dataset = make_dataset(project, tables, outcomes, threads=1)
        report = audit(tables, outcomes, project, seed=seed, dataset=dataset)
        report.refuse_structural()
    except LeadScoreError as error:
        return NoiseResult(noise.shape, False, (), str(error))
    dataset = dataset.without(report.quarantined, tables)
    used = tuple(_read(noise.leaks) & set(dataset.frame.catalogue.read_columns))
    fitted = fit_learner(project, dataset, seed=seed, threads=1, fast=True)
    parts, texts = fitted.parts()
    scorer = LeadScorer(with_card(parts, fitted.margins_, project, None), texts, trusted=True)
    train, test = dataset.cut.train, dataset.cut.test
    y = dataset.y.astype(np.float64)
    fits = fit_all(dataset.rows(train), y[train], dataset.frame.catalogue)
    ahead = dataset.rows(test)
    rivals = {name: fit.predict(ahead) for name, fit in fits.items() if fit.available}
    p = scorer.score(ahead).probability
    comparisons = verdicts(y[test], p, rivals, dataset.groups[test], seed=seed)
    allowed, words = beats_baselines(comparisons)
    champion = allowed and not report.refusals and fitted.report_["winner"] != "constant"
    return NoiseResult(noise.shape, champion, used, words)


def _read(leaks: tuple[str, ...]) -> set[str]:
    """Name what features would be made of: of a leaky key, the columns joined by it."""
    joined = {"account_industry", "account_revenue", "account_country"}
    return set(leaks) | (joined if "account_id" in leaks else set())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    full = parser.parse_args(arguments).full
    began = time.perf_counter()
    results: list[NoiseResult] = []
    for seed in range(SETS):
        if not full and time.perf_counter() - began > SECONDS:
            break
        result = judge_noise(make_noise(seed), seed)
        results.append(result)
        if result.champion or result.used:
            print(f"set {seed}: {result.shape}, leaks used {result.used}: {result.why}", flush=True)
    return show(results, time.perf_counter() - began)


def show(results: list[NoiseResult], seconds: float) -> int:
    n, champions = len(results), sum(result.champion for result in results)
    low = float(beta.ppf(0.025, champions, n - champions + 1)) if champions else 0.0
    high = float(beta.ppf(0.975, champions + 1, n - champions)) if champions < n else 1.0
    shapes = Counter(result.shape for result in results)
    print(", ".join(f"{count} {shape}" for shape, count in shapes.items()), f"in {seconds:.0f} s")
    print(f"learned champions {champions} of {n} (95 % Clopper-Pearson {low:.1%} to {high:.1%})")
    used = sum(bool(result.used) for result in results)
    allowed = int(MOST * n)
    bars = [
        (f"learned champions on {n} noise sets", champions, f"<= {allowed}", champions <= allowed),
        ("columns filled in after the outcome that a model used", used, "= 0", used == 0),
    ]
    for name, figure, bar, met in bars:
        print(f"{'met' if met else 'missed'}  {name}  {figure}  {bar}")
    return 0 if all(met for *_, met in bars) else 1


if __name__ == "__main__":
    raise SystemExit(main())
