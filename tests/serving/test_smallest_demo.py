"""The smallest demo that can be asked for ends with scores, a CRM that has them, and a report."""

from __future__ import annotations

from typing import get_type_hints

import pandas as pd

from serving.cli.project import demo
from serving.demo import run_demo

NOW = 1_790_000_000_000_000


def smallest() -> int:
    """Read from the command how few leads `leadscore demo` takes."""
    leads = get_type_hints(demo, include_extras=True)["leads"]
    return int(leads.__metadata__[0].min)


def test_the_smallest_demo_ends_with_scores(tmp_path, quiet):
    ended = run_demo(
        tmp_path,
        leads=smallest(),
        seed=0,
        language="en",
        threads=1,
        now=NOW,
        run_id="demo",
        on_stage=quiet,
    )
    scores = pd.read_parquet(tmp_path / "state" / "scores.parquet")
    assert len(scores) == ended.scored > 0
    assert scores["score"].between(0, 100).all()
    assert ended.sent.sent == ended.scored
    assert all(report.is_file() for report in ended.reports)
