"""Exact contributions at the price of a prediction, and reasons that are true and add up.

`python -m benchmarks.shap` explains 100 k rows in about three minutes; `--full` 1 M rows, and a
million leads with twenty million events from the event store to reasons in a Parquet file.
`--only "depth 4" night` runs some of the parts; the short form has "champion" and "night" only so.
Figures are rows per CPU second, one thread, LightGBM and ours in the same process; slow contenders
get the first rows of the same.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from benchmarks import shap_champion, shap_faith, shap_night, shap_world
from benchmarks.shap_measure import Bar, Claim, one_row_ms, rate, single_rows
from models.predictor import Forest, LookUpTables, build_tables, look_up, read_forest

PEERS_PYTHON = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"
PEERS = ("shap", "woodelf", "fasttreeshap")


@dataclass(frozen=True)
class Kind:
    """A model to be explained; `slow` rows of a million go to LightGBM's own and to the peers."""

    name: str
    trees: int
    leaves: int
    depth: int
    slow: int


KINDS = (
    Kind("depth 4", 500, 16, 4, 20_000),
    Kind("depth 5", 500, 32, 5, 20_000),
    Kind("8 leaves", 3000, 8, -1, 10_000),
)


def own_tables(booster: lightgbm.Booster, n: int) -> tuple[Forest, LookUpTables, float]:
    """Read the text and build tables for each column: (forest, tables, seconds)."""
    start = time.perf_counter()
    forest = read_forest([booster.model_to_string()])
    targets, shares = np.zeros((n, 2), np.int32), np.zeros((n, 2))
    targets[:, 0], shares[:, 0] = np.arange(n), 1.0
    tables = build_tables(forest, targets, shares, n)
    return forest, tables, time.perf_counter() - start


def kernel(kind: Kind, n: int) -> list[Claim]:
    """Measure one model against LightGBM: contributions, prediction, one row, tables."""
    X = shap_world.make_rows(n, 3)
    learn = shap_world.make_rows(20_000, 0)
    booster = shap_world.train(
        learn,
        shap_world.make_labels(learn, 1),
        trees=kind.trees,
        leaves=kind.leaves,
        depth=kind.depth,
    )
    own_tables(booster, shap_world.COLUMNS)  # compiled before it is measured
    forest, tables, built = own_tables(booster, shap_world.COLUMNS)
    look_up(forest, tables, X[:1000])
    few, some = (np.ascontiguousarray(X[: part * n // 1_000_000]) for part in (kind.slow, 100_000))
    expected = np.asarray(booster.predict(few, pred_contrib=True, num_threads=1))
    theirs = rate(lambda: booster.predict(few, pred_contrib=True, num_threads=1), len(few), 1)
    predict = rate(lambda: booster.predict(some, raw_score=True, num_threads=1), len(some))
    own_rate = rate(lambda: look_up(forest, tables, X), n)
    gap, off = additivity(forest, tables, X), look_up(forest, tables, few)[0] - expected[:, :-1]
    rows = single_rows(X, 300)
    one = one_row_ms(lambda row: look_up(forest, tables, row), rows)
    one_theirs = one_row_ms(
        lambda row: booster.predict(row, pred_contrib=True, num_threads=1), rows[:100]
    )
    print(
        f"{kind.name}, {kind.trees} trees  ours {own_rate:,.0f}/s ({n:,} rows)  pred_contrib "
        f"{theirs:,.0f}/s ({len(few):,})  predict {predict:,.0f}/s ({len(some):,})  tables "
        f"{tables.cells.nbytes / 1e6:.1f} MB in {built:.2f} s  one row {one:.3f} ms "
        f"(LightGBM {one_theirs:.2f})"
    )
    run_peers(booster, few, kind)
    name = kind.name
    return [
        (f"{name}: times LightGBM's pred_contrib per CPU second", own_rate / theirs, ">=", 50),
        (f"{name}: with all contributions, times LightGBM's predict", own_rate / predict, ">=", 1),
        (f"{name}: largest difference from pred_contrib", float(np.abs(off).max()), "<=", 1e-12),
        (f"{name}: additivity on every row", gap, "<=", 1e-9),
        (f"{name}: one row, ms at p50", one, "<=", 0.2),
        (f"{name}: tables built, s", built, "<=", 5),
    ]


def additivity(forest: Forest, tables: LookUpTables, X: np.ndarray) -> float:
    """Largest difference between base + contributions and the margin, over all rows."""
    values, margin = look_up(forest, tables, X)
    parts = (slice(a, a + 50_000) for a in range(0, len(X), 50_000))
    return max(
        float(np.abs(tables.base + values[part].sum(axis=1) - margin[part]).max()) for part in parts
    )


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


def run_peers(booster: lightgbm.Booster, rows: np.ndarray, kind: Kind) -> None:
    """Print rows per CPU second of each peer that runs, beside ours on the same rows and model.

    A peer that refuses categories is asked again with a model that takes them for numbers.
    """
    learn = shap_world.make_rows(20_000, 0)
    labels = shap_world.make_labels(learn, 1)
    for peer in PEERS:
        model, note, answer = booster, "", ask_peer(peer, booster, rows)
        if "categorical" in answer.get("why", ""):
            print(f"    {peer:13} did not run: {answer['why']}")
            model = shap_world.train(
                learn,
                labels,
                trees=kind.trees,
                leaves=kind.leaves,
                depth=kind.depth,
                categories=False,
            )
            note, answer = " (categories as numbers)", ask_peer(peer, model, rows)
        if "why" in answer:
            print(f"    {peer:13} did not run: {answer['why']}{note}")
            continue
        forest, tables, _ = own_tables(model, shap_world.COLUMNS)
        values = look_up(forest, tables, rows)[0]
        own_rate = rate(lambda f=forest, t=tables: look_up(f, t, rows), len(rows))  # type: ignore[misc]
        off = np.abs(answer["values"][:, : shap_world.COLUMNS] - values).max()
        speed = len(rows) / answer["cpu_s"]
        times = f"{own_rate / speed:,.0f} times it"
        print(f"    {peer:13} {speed:9,.0f}/s, ours {times}, off by {off:.1e}{note}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", nargs="+", metavar="PART")
    asked = parser.parse_args()
    n = 1_000_000 if asked.full else 100_000
    parts: dict[str, Callable[[], list[Claim]]] = {
        kind.name: lambda kind=kind: kernel(kind, n)  # type: ignore[misc]
        for kind in KINDS
    }
    parts["faith"] = lambda: shap_faith.claims(20_000 if asked.full else 6_000)
    large: dict[str, Callable[[], list[Claim]]] = {
        "champion": lambda: shap_champion.claims(n // 5),
        "night": lambda: shap_night.claims(n),
    }
    usual = list(parts | large if asked.full else parts)
    parts |= large
    unknown = set(asked.only or ()) - set(parts)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    bars: list[Bar] = []
    for name in asked.only or usual:
        start = time.perf_counter()
        bars += [Bar(*claim) for claim in parts[name]()]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"  {name}: {time.perf_counter() - start:.0f} s, peak memory so far {peak:.2f} GB\n",
            flush=True,
        )
    for bar in bars:
        print(bar)
    return 0 if all(bar.met for bar in bars) else 1


if __name__ == "__main__":
    raise SystemExit(main())
