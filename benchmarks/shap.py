"""Exact contributions at the price of a prediction, and reasons that are true and add up.

`python -m benchmarks.shap` explains 100 k rows in about three minutes; `--full` 1 M rows, and a
million leads with twenty million events from the event store to reasons in a Parquet file.
Figures are rows per CPU second, LightGBM and ours in the same process, one thread.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from benchmarks import shap_faith, shap_world
from models.predictor import Forest, Tables, build_tables, look_up, read_forest

PEERS_PYTHON = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"
PEERS = ("shap", "woodelf", "fasttreeshap")
KINDS = (("depth 4", 500, 16, 4), ("depth 5", 500, 32, 5), ("8 leaves", 3000, 8, -1))


@dataclass
class Bar:
    """One claim: met where figure and bar stand as `sign` says."""

    name: str
    figure: float
    sign: str
    bar: float

    @property
    def met(self) -> bool:
        return self.figure >= self.bar if self.sign == ">=" else self.figure <= self.bar

    def __str__(self) -> str:
        word = "met   " if self.met else "missed"
        return f"{word}  {self.name}  {self.figure:.4g}  {self.sign} {self.bar:g}"


def rate(run: Callable[[], object], rows: int, times: int = 2) -> float:
    """Rows per CPU second, the best of `times` runs."""
    best = np.inf
    for _ in range(times):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return rows / best


def one_row_ms(run: Callable[[np.ndarray], object], X: np.ndarray, times: int = 300) -> float:
    """Median wall milliseconds of one row."""
    spent = []
    for r in range(times):
        row = np.ascontiguousarray(X[r : r + 1])
        start = time.perf_counter()
        run(row)
        spent.append(time.perf_counter() - start)
    return float(np.median(spent)) * 1e3


def own_tables(booster: lightgbm.Booster, n: int) -> tuple[Forest, Tables, float]:
    """Read the text and build tables for each column: (forest, tables, seconds)."""
    start = time.perf_counter()
    forest = read_forest([booster.model_to_string()])
    targets, shares = np.zeros((n, 2), np.int32), np.zeros((n, 2))
    targets[:, 0], shares[:, 0] = np.arange(n), 1.0
    tables = build_tables(forest, targets, shares, n)
    return forest, tables, time.perf_counter() - start


def run_kernel(kind: tuple[str, int, int, int], X: np.ndarray, slow: np.ndarray) -> list[Bar]:
    """Measure one model against LightGBM: contributions, prediction, one row, tables."""
    name, trees, leaves, depth = kind
    learn = shap_world.make_rows(20_000, 0)
    booster = shap_world.train(
        learn, shap_world.make_labels(learn, 1), trees=trees, leaves=leaves, depth=depth
    )
    n = shap_world.COLUMNS
    own_tables(booster, n)  # compiled before it is measured
    forest, tables, built = own_tables(booster, n)
    look_up(forest, tables, X[:1000])
    rows = np.ascontiguousarray(slow)
    expected = np.asarray(booster.predict(rows, pred_contrib=True, num_threads=1))
    theirs = rate(lambda: booster.predict(rows, pred_contrib=True, num_threads=1), len(rows), 1)
    predicted = np.ascontiguousarray(X[: 10 * len(rows)])
    predict = rate(
        lambda: booster.predict(predicted, raw_score=True, num_threads=1), len(predicted)
    )
    found: list[tuple[np.ndarray, np.ndarray]] = []

    def ours() -> None:
        found[:] = [look_up(forest, tables, X)]

    mine = rate(ours, len(X))
    values, margin = found[0]
    gap = max(
        float(
            np.abs(tables.base + values[a : a + 50_000].sum(axis=1) - margin[a : a + 50_000]).max()
        )
        for a in range(0, len(X), 50_000)
    )
    difference = float(np.abs(look_up(forest, tables, slow)[0] - expected[:, :-1]).max())
    one = one_row_ms(lambda row: look_up(forest, tables, row), X)
    one_theirs = one_row_ms(
        lambda row: booster.predict(row, pred_contrib=True, num_threads=1), X, 100
    )
    size = tables.cells.nbytes / 1e6
    print(
        f"{name:9} {trees:5} trees  ours {mine:9,.0f}/s  pred_contrib {theirs:7,.0f}/s  "
        f"predict {predict:8,.0f}/s  tables {size:5.1f} MB in {built:4.2f} s  "
        f"one row {one:.3f} ms (LightGBM {one_theirs:.2f})"
    )
    if name != "8 leaves":
        run_peers(booster, rows, trees, leaves)
    return [
        Bar(f"{name}: times LightGBM's pred_contrib per CPU second", mine / theirs, ">=", 50),
        Bar(f"{name}: with all contributions, times LightGBM's predict", mine / predict, ">=", 1),
        Bar(f"{name}: largest difference from pred_contrib", difference, "<=", 1e-12),
        Bar(f"{name}: additivity on every row", gap, "<=", 1e-9),
        Bar(f"{name}: one row, ms at p50", one, "<=", 0.2),
        Bar(f"{name}: tables built, s", built, "<=", 5),
    ]


def ask_peer(peer: str, booster: lightgbm.Booster, rows: np.ndarray) -> dict[str, Any]:
    """Let a peer explain rows in its own environment: {"cpu_s", "values"}, or {"why"}."""
    if not PEERS_PYTHON.exists():
        return {"why": "make peers has not been run"}
    script = str(Path(__file__).with_name("shap_peers.py"))
    with tempfile.TemporaryDirectory() as folder:
        model, data, out = (f"{folder}/{name}" for name in ("m.txt", "rows.npy", "out.npy"))
        booster.save_model(model)
        np.save(data, rows)
        command = [str(PEERS_PYTHON), "-P", script, peer, model, data, out]
        done = subprocess.run(command, capture_output=True, text=True)
        lines = done.stdout.strip().splitlines()
        answer: dict[str, Any] = json.loads(lines[-1]) if lines else {"why": "it died"}
        if "cpu_s" in answer:
            answer["values"] = np.load(out)
    return answer


def run_peers(booster: lightgbm.Booster, rows: np.ndarray, trees: int, leaves: int) -> None:
    """Print rows per CPU second of each peer that runs, beside ours on the same rows and model.

    A peer that refuses categories is asked again with a model that takes them for numbers.
    """
    learn = shap_world.make_rows(20_000, 0)
    labels = shap_world.make_labels(learn, 1)
    for peer in PEERS:
        model, note, answer = booster, "", ask_peer(peer, booster, rows)
        if "categorical" in answer.get("why", ""):
            print(f"    {peer:13} did not run: {answer['why']}")
            depth = leaves.bit_length() - 1
            model = shap_world.train(
                learn, labels, trees=trees, leaves=leaves, depth=depth, categories=False
            )
            note, answer = " (categories as numbers)", ask_peer(peer, model, rows)
        if "why" in answer:
            print(f"    {peer:13} did not run: {answer['why']}{note}")
            continue
        forest, tables, _ = own_tables(model, shap_world.COLUMNS)
        values = look_up(forest, tables, rows)[0]
        mine = rate(lambda f=forest, t=tables: look_up(f, t, rows), len(rows))  # type: ignore[misc]
        off = np.abs(answer["values"][:, : shap_world.COLUMNS] - values).max()
        speed = len(rows) / answer["cpu_s"]
        times = f"{mine / speed:,.0f} times it"
        print(f"    {peer:13} {speed:9,.0f}/s, ours {times}, off by {off:.1e}{note}")


def main() -> int:
    full = "--full" in sys.argv[1:]
    n, slow = (1_000_000, 20_000) if full else (100_000, 2_000)
    X = shap_world.make_rows(n, 3)
    bars: list[Bar] = []
    for kind in KINDS:
        bars += run_kernel(kind, X, X[:slow])
    del X
    bars += [Bar(*claim) for claim in shap_faith.claims(20_000 if full else 6_000)]
    if full:
        from benchmarks import shap_night

        bars += [Bar(*claim) for claim in shap_night.claims(1_000_000)]
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB\n")
    for bar in bars:
        print(bar)
    return 0 if all(bar.met for bar in bars) else 1


if __name__ == "__main__":
    raise SystemExit(main())
