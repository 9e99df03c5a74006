"""Features at the price of a scan: the event kernel beside DuckDB, Polars, pandas, Featuretools.

`python -m benchmarks.features` runs 2 M events in about two minutes; `--full` 20 M, and 100 M for
memory. Every contender runs in a process of its own and reports its CPU s (user and system, all
threads), wall s and peak resident memory after imports and compilation.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks import feature_peers as peers
from benchmarks.feature_world import company_of, stored_parts
from data.clock import DAY
from data.tables import Events, Snapshots, Tables
from features.build import Builder
from features.catalogue import make_catalogue
from features.frame import Catalogue, Feature

AGES = np.array(peers.AGES, np.int64) * DAY
LARGEST = 2_000_000  # leads of which the CPU is measured, not the memory alone
PEERS = Path(__file__).parents[1] / ".venv-peers"
Figures = dict[str, float]
Blocks = Iterator[tuple[np.ndarray, Events]]


def reference() -> Catalogue:
    """List the 68 features of the comparison; first and last event are categories."""

    def number(name: str, template: str, **params: str | int | float) -> Feature:
        return Feature(name, "number", "engagement", "f", name, template, params)

    made = []
    for k in range(peers.TYPES):
        made += [
            number(f"n_{k}_{days}", "count_window", event=f"t{k}", days=days)
            for days in peers.WINDOWS
        ]
        made.append(number(f"n_{k}_ever", "count_ever", event=f"t{k}"))
    made += [number(f"since_{k}", "days_since", event=f"t{k}") for k in range(peers.TYPES)]
    made += [
        number("active_28", "active_days", days=28),
        number("trend", "trend", short=7, long=28),
        number("value_sum_90", "value_sum", days=90),
        number("value_max", "value_max"),
        number("mean_gap", "mean_gap_days"),
        number("since_last", "days_since_last_event"),
    ]
    made += [
        Feature(n, "category", "engagement", "f", n, n, {}) for n in ("first_event", "last_event")
    ]
    assert [f.name for f in made] == peers.NAMES
    return Catalogue(tuple(made))


def events_of(at, kind, channel, value, offsets, recorded=None) -> Events:
    none = np.empty(0, np.int32)
    return Events(
        offsets,
        at,
        recorded,
        kind,
        channel,
        none,
        none,
        np.empty(0, np.int8),
        value,
        tuple(f"t{k}" for k in range(peers.TYPES)),
        tuple(f"c{k}" for k in range(peers.CHANNELS)),
        (),
        (),
    )


def parquet_blocks(path: Path, rows: int) -> Blocks:
    """Read a file sorted by lead in blocks that never cut a lead: (leads, events)."""
    import duckdb

    rest: dict[str, np.ndarray] = {}
    first, link = 0, duckdb.connect()
    batches = iter(link.sql(f"select * from '{path}'").to_arrow_reader(rows))
    batch = next(batches, None)
    while batch is not None:
        following = next(batches, None)
        columns = {n: batch.column(n).to_numpy() for n in batch.schema.names}
        if rest:
            columns = {n: np.concatenate([rest[n], columns[n]]) for n in columns}
        lead = columns["lead"]
        past = int(lead[-1]) + (following is None)
        cut = int(np.searchsorted(lead, past))
        rest = {n: values[cut:] for n, values in columns.items()}
        offsets = np.searchsorted(lead, np.arange(first, past + 1))
        yield (
            np.arange(first, past),
            events_of(
                columns["happened"][:cut],
                columns["type"][:cut],
                columns["channel"][:cut],
                columns["value"][:cut],
                offsets,
            ),
        )
        first, batch = past, following


def store_blocks(folder: Path) -> Blocks:
    for leads, tables in stored_parts(folder):
        yield leads, tables.events


def matrix(
    blocks: Blocks,
    created: np.ndarray,
    catalogue: Catalogue,
    threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Fill the whole matrix (4 rows a lead) from blocks of leads."""
    builder = Builder(catalogue)
    numbers = np.empty((4 * len(created), len(catalogue.numbers)), np.float32)
    codes = np.full((4 * len(created), 2), -1, np.int8)
    for leads, events in blocks:
        n = len(leads)
        rows = Snapshots(np.repeat(np.arange(n), 4), (created[leads, None] + AGES).ravel())
        first = 4 * int(leads[0])
        together = bool((np.diff(leads) == 1).all())
        part = numbers[first : first + 4 * n] if together else np.empty_like(numbers[: 4 * n])
        filled = builder.fill_events(events, rows, created[leads], part, threads=threads)
        place = (4 * leads[:, None] + np.arange(4)).ravel()
        if not together:
            numbers[place] = part
        codes[place, : filled.shape[1]] = filled
    return numbers, codes


def ours(name: str, folder: Path, threads: int) -> Figures:
    """Measure one contender of ours in this process."""
    created = pq.read_table(folder / "leads.parquet")["created"].to_numpy()
    catalogue = default_catalogue(folder) if "default" in name else reference()
    source: Callable[[], Blocks]
    if "store" in name or "late" in name or "default" in name:
        where = folder / ("late" if "late" in name else "store")
        source = lambda: store_blocks(where)  # noqa: E731
    else:
        source = lambda: parquet_blocks(folder / "events.parquet", 1_000_000)  # noqa: E731
    warm = next(source())
    few = Snapshots(np.zeros(1, np.int64), np.zeros(1, np.int64))
    out = np.empty((1, len(catalogue.numbers)), np.float32)
    Builder(catalogue).fill_events(warm[1], few, created[warm[0]], out)
    del warm
    best = (float("inf"), 0.0)
    numbers = codes = np.empty(0, np.float32)
    for _ in range(1 if len(created) > LARGEST else peers.REPEATS):
        del numbers, codes
        used, started = peers.cpu(), time.perf_counter()
        numbers, codes = matrix(source(), created, catalogue, threads)
        best = min(best, (peers.cpu() - used, time.perf_counter() - started))
    figures = {
        "cpu": best[0],
        "wall": best[1],
        "peak": peers.peak_gb(),
        "matrix": (numbers.nbytes + codes.nbytes) / 1e9,
        "columns": len(catalogue.features),
    }
    if name == "kernel_parquet":
        n = 4 * peers.SAMPLE
        sample = np.column_stack([numbers[:n], codes[:n].astype(np.float32)])
        np.save(folder / "kernel.npy", sample)
    return figures


def default_catalogue(folder: Path) -> Catalogue:
    """Compile the default catalogue from the first block of the store."""
    _, tables = next(stored_parts(folder / "store"))
    catalogue = make_catalogue(tables, company_of(folder / "store"))
    kept = tuple(f for f in catalogue.features if not f.template.startswith(("created_", "age_")))
    return Catalogue(kept)


def tables_of(events: Events, created: np.ndarray) -> Tables:
    import pandas as pd

    n = len(created)
    return Tables(
        np.arange(n).astype(str).astype(object),
        created,
        None,
        np.full(n, -1),
        (),
        events,
        pd.DataFrame(index=range(n)),
        10**18,
    )


def single() -> tuple[float, bool]:
    """Time one lead with 100 events: (median µs, whether its row is the batch's)."""
    rng = np.random.default_rng(3)
    at = np.sort(rng.integers(0, 120 * DAY, 100))
    events = events_of(
        at,
        rng.integers(0, peers.TYPES, 100).astype(np.int16),
        rng.integers(0, peers.CHANNELS, 100).astype(np.int16),
        rng.random(100).astype(np.float32),
        np.array([0, 100]),
    )
    tables = tables_of(events, np.zeros(1, np.int64))
    row = Snapshots(np.zeros(1, np.int64), at[-1:] + 1)
    builder, twice = Builder(reference()), Snapshots(np.zeros(2, np.int64), row.as_of.repeat(2))
    batch = builder.build(tables, twice).numbers[1]
    same = builder.build(tables, row).numbers[0].tobytes() == batch.tobytes()
    times = timeit.repeat(lambda: builder.build(tables, row).words(), number=1, repeat=5000)
    return float(np.median(times)) * 1e6, same


def run(name: str, folder: Path, chunks: int, threads: int) -> Figures | None:
    """Run a contender in a process of its own; None where its library cannot."""
    if name.startswith("kernel"):
        command = [sys.executable, "-m", "benchmarks.features", "--run", name]
    else:
        apart = name.startswith(("polars", "featuretools"))
        tools = PEERS / ("featuretools" if name.startswith("featuretools") else ".")
        python = str(tools / "bin" / "python") if apart else sys.executable
        command = [python, str(Path(peers.__file__)), name]
    if not Path(command[0]).exists():
        print(f"{name}: not run: {Path(command[0]).parents[1].name} is not installed")
        return None
    ended = subprocess.run(
        [*command, str(folder), str(chunks), str(threads)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore", "POLARS_MAX_THREADS": str(threads)},
    )
    if ended.returncode:
        print(f"{name}: not run: {(ended.stderr.strip().splitlines() or ['?'])[-1][:160]}")
        return None
    return dict(json.loads(ended.stdout.strip().splitlines()[-1]))


def main() -> int:
    if "--run" in sys.argv:
        name, folder, _, threads = sys.argv[sys.argv.index("--run") + 1 :][:4]
        print(json.dumps(ours(name, Path(folder), int(threads))))
        return 0
    from benchmarks.feature_report import report

    full = "--full" in sys.argv
    with tempfile.TemporaryDirectory(prefix="leadscore-features-") as scratch:
        return report(Path(scratch), run, single, full=full)


if __name__ == "__main__":
    sys.exit(main())
