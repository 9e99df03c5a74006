"""Which ideas of fitting earn their place? `python -m benchmarks.quality_lab`.

49 sets that are none of the seven tasks, and 60 with next to nothing to learn: drawn or bundled,
with fixed seeds, without network. Each idea in models/fit is judged here and nowhere else. The
short form takes a few small sets beside logistic regression and an untuned LightGBM; `--full` all
sets beside CatBoost's defaults and a tuned LightGBM too (make peers), hours. With `--state FOLDER`
measurements are kept: a run that was cut off goes on; `--parts` takes some of the three parts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.quality_lab_bars import PEERS, Line, first_bars, flat_bars, null_bars, rank_bars
from benchmarks.quality_lab_first import first_prediction
from benchmarks.quality_lab_fit import measure_fit
from benchmarks.quality_lab_ideas import show_ideas
from benchmarks.quality_lab_leads import SETS, make_set
from benchmarks.quality_lab_sets import LabSet
from benchmarks.quality_state import Measurement, State, read, write
from benchmarks.quality_tasks import PEERS_PYTHON

SHORT = ("flat_line", "few_60", "drift_level", "bundled_diabetes")
SHORT_NULLS = tuple(f"null_{i:02d}" for i in (0, 4, 8, 9, 13, 18, 22, 27))
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def ours(names: Sequence[str], state: State) -> dict[str, Measurement]:
    """Fit each set, unless it was by the same code; in a process of its own, for its peak memory.

    The sets with next to nothing to learn are small and many: all in this process.
    """
    measured = {}
    for name in names:
        out = state.ours / f"lab.{name}.npz"
        if not out.exists() and name.startswith("null"):
            write(out, measure_fit(make_set(name)))
        if not out.exists():
            out.parent.mkdir(parents=True, exist_ok=True)
            call = [sys.executable, "-m", "benchmarks.quality_lab_fit", name, str(out)]
            subprocess.run(call, check=True, env=os.environ | ONE_THREAD)
            print(f"  {name}", file=sys.stderr, flush=True)
        measured[name] = read(out)
    return measured


def beside(names: Sequence[str], peers: Sequence[str], state: State) -> dict[str, dict]:  # type: ignore[type-arg]
    """Let every peer fit every set in its own environment; a set's predictions by peer."""
    predictions: dict[str, dict[str, Measurement]] = {}
    for name in names:
        kept = {peer: state.folder / "peers" / f"lab.{name}.{peer}.npz" for peer in peers}
        if not all(file.exists() for file in kept.values()):
            with tempfile.TemporaryDirectory() as place:
                lay_out(make_set(name), Path(place))
                for peer, file in kept.items():
                    _fit_peer(Path(place), peer, file)
        predictions[name] = {peer: read(file) for peer, file in kept.items() if file.exists()}
    return predictions


def _fit_peer(folder: Path, peer: str, out: Path) -> None:
    if out.exists():
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"{out.stem}.partial.npz")
    script = Path(__file__).with_name("quality_peers.py")
    call = [str(PEERS_PYTHON), str(script), str(folder), peer, "20", "0", "1", str(partial)]
    done = subprocess.run(
        call, capture_output=True, text=True, check=False, env=os.environ | ONE_THREAD
    )
    if done.returncode:
        print(f"  {peer} failed on {out.stem}: {done.stderr.strip().splitlines()[-1:]}")
        return
    partial.replace(out)


def lay_out(lab: LabSet, folder: Path) -> None:
    """Write a set as the task folder that quality_peers.py reads."""
    words = [n for n in lab.X if not pd.api.types.is_numeric_dtype(lab.X[n].dtype)]
    meta = {
        "target": "outcome",
        "categorical": words,
        "numeric": [name for name in lab.X if name not in words],
        "time": None if lab.times is None else "known_at",
    }
    known = {} if lab.times is None else {"known_at": np.asarray(lab.times)}
    lab.X.assign(outcome=lab.y.astype(int), **known).to_csv(folder / "train.csv.gz", index=False)
    lab.test.to_csv(folder / "test.csv.gz", index=False)
    (folder / "meta.json").write_text(json.dumps(meta))


def lines(state: State, parts: Sequence[str], *, full: bool) -> Iterator[Line]:
    """Measure, print the tables, and give the bars."""
    sets = [n for n in SETS if not n.startswith("null")] if full else list(SHORT)
    nulls = [n for n in SETS if n.startswith("null")] if full else list(SHORT_NULLS)
    if not PEERS_PYTHON.exists():  # the public simulated CRM and the flights are in there
        sets = [n for n in sets if not n.startswith(("crm_", "flights_"))]
    if "sets" in parts:
        fitted = ours(sets, state)
        known = [*PEERS] if full else [*PEERS][:2]
        rivals = beside(sets, known, state) if PEERS_PYTHON.exists() else {}
        show_ideas(fitted)
        if rivals:
            yield from rank_bars(fitted, rivals)
            yield from flat_bars(fitted, rivals)
        else:
            print("no peers stand beside: make peers")
    if "nulls" in parts:
        yield from null_bars(ours(nulls, state))
    if "first" in parts:
        yield from first_bars(first_prediction())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ["sets", "nulls", "first"]
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--parts", nargs="*", choices=parts, default=parts)
    parser.add_argument("--state", type=Path, default=None, help="keep measurements here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        found = list(lines(State(options.state or Path(made)), options.parts, full=options.full))
    print("\n" + "\n".join(str(line) for line in found))
    return int(any(not line.met for line in found))


if __name__ == "__main__":
    sys.exit(main())
