"""Does the chain of windows, which learns from immature rows, beat matured rows alone?

python -m benchmarks.hazard [--full]
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.leak_structure import frames_of
from benchmarks.leaks import project_of
from data.labels import label, make_snapshots
from data.read import read_tables
from data.splits import purged_cut
from data.world import make_world
from data.world.kinds import KINDS
from features.build import build
from features.catalogue import make_catalogue
from models.learner import LeadClassifier
from training.hazard import compare


def one_world(kind: str, seed: int, n_leads: int, drift: float) -> dict[str, float]:
    """Compare on the newest fifth of a world's mature rows."""
    project = project_of(kind)
    world = make_world(kind, n_leads, seed, drift=drift)
    tables, outcomes = read_tables(project, frames=frames_of(world))
    snapshots = make_snapshots(tables, outcomes, project)
    labelled = label(snapshots, tables, outcomes, project)
    cut = purged_cut(labelled, 0.3)
    place = {
        (lead, at): row
        for row, (lead, at) in enumerate(zip(snapshots.lead, snapshots.as_of, strict=True))
    }
    chosen = labelled.take(cut.test)
    test = np.array(
        [place[key] for key in zip(chosen.snapshots.lead, chosen.snapshots.as_of, strict=True)]
    )
    catalogue = make_catalogue(tables, project)
    X = build(tables, snapshots, catalogue).to_pandas()
    return compare(
        X, snapshots, outcomes, test, chosen.y, horizon=project.conversion.horizon or 0,
        groups=snapshots.lead,
        make=lambda: LeadClassifier(seed=seed, fast=True, catalogue=catalogue),
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    full = parser.parse_args(arguments).full
    print(
        f"{'world':26} rows  first window  matured   chain  difference   error  promised  observed"
    )
    gains = []
    for seed in range(4 if full else 1):
        for kind in sorted(KINDS):
            for drift in (0.0, 1.0) if full else (0.0,):
                r = one_world(kind, seed, 6000 if full else 3000, drift)
                gains.append((r["difference"], r["error"]))
                print(
                    f"{kind + f' {seed} drift {drift:g}':26} {r['rows_matured']:5} "
                    f"{r['rows_first_window']:9} {r['matured']:11.4f} {r['chain']:8.4f} "
                    f"{r['difference']:+9.4f} {r['error']:9.4f} {r['promised']:8.4f} "
                    f"{r['observed']:9.4f}"
                )
    difference = float(np.mean([gain for gain, _ in gains]))
    error = float(np.sqrt(np.sum([e**2 for _, e in gains])) / len(gains))
    better = difference < -2 * error
    met = difference <= 2 * error
    print(f"\nmean difference {difference:+.5f} (standard error {error:.5f})")
    print("these worlds speak for use_immature" if better else "use_immature stays off by default")
    name = "chain not worse than matured rows alone by 2 SE"
    print(f"{'met' if met else 'missed'}  {name}  {difference:.5f}  <= {2 * error:.5f}")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
