"""Sets without any signal: how often does a learned model become champion all the same?

python -m benchmarks.noise [--full]   200 sets with --full, else as many as 60 seconds allow
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

from scipy.stats import beta

from tests.fakes.noise_judgement import NoiseResult, judge_noise
from tests.fakes.noise_sets import make_noise

SETS, SECONDS, MOST = 200, 60.0, 0.01
"""Sets of the full run, seconds of the short one, and the share that may get a champion."""


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
