"""What a person reads on the terminal: no cell wraps, no nan, and how long it still takes."""

from __future__ import annotations

import io
import math

from rich.console import Console

from serving.cli import progress, screen
from serving.cli.progress import Pace, span


def drawn(monkeypatch, width: int) -> list[str]:
    page = io.StringIO()
    monkeypatch.setattr(screen, "out", Console(file=page, width=width))
    figures = [screen.figure(0.41231, 0.40012, 0.42345, 4) for _ in range(5)]
    screen.table("figures", ["model", "a", "b", "c", "d", "e"], [["logistic", *figures]])
    return page.getvalue().splitlines()


def test_figures_with_intervals_stay_on_one_line_at_any_width(monkeypatch):
    for width in (60, 80, 120, 200):
        lines = drawn(monkeypatch, width)
        assert sum(line.count("0.4123 (0.4001 to 0.4234)") for line in lines) == 5
        assert all(len(line.rstrip()) <= width for line in lines)
        assert all(line.strip().startswith("logistic") or "0.4" not in line for line in lines)


def test_what_cannot_be_measured_is_a_dash_and_never_nan():
    assert screen.figure(math.nan, 0.1, 0.2, 3) == "–"
    assert screen.figure(0.5, math.nan, math.nan, 1) == "0.5"


def test_the_time_left_follows_the_pace_of_what_is_done():
    pace = Pace(("leak audit", "fitting and choosing among candidates"), 100.0)
    assert pace.remaining(100.0) is None
    pace.begin("leak audit", 100.0)
    pace.begin("an unknown stage", 101.0)
    pace.begin("fitting and choosing among candidates", 108.0)
    early, late = pace.remaining(108.0), pace.remaining(118.0)
    assert early is not None
    assert late is not None
    assert 20 < early < 40  # slower than the table, of which little has been seen
    assert late == early - 10
    assert 0 < pace.share(108.0) < pace.share(118.0) < 1
    assert pace.words(118.0).startswith("18 s elapsed, about ")
    assert (span(59), span(61), span(7260)) == ("59 s", "1 min 1 s", "2 h 1 min")


def test_a_log_is_told_of_a_long_job_and_not_of_a_short_one(monkeypatch):
    page, at = io.StringIO(), [0.0]
    monkeypatch.setattr(progress, "ticks", lambda: at[0])
    plan = ("reading the sources", "leak audit")
    with progress.stages(plan, console=Console(file=page, width=80), quiet=False) as stage:
        stage("reading the sources")
        at[0] = 9.0
        stage("leak audit")
    assert page.getvalue().startswith("… leak audit (9 s elapsed, about ")
    assert "reading" not in page.getvalue()


def test_every_stage_of_every_plan_has_its_seconds():
    plans = (progress.CHECK, progress.TRAIN, progress.REPORT, progress.DEMO, progress.MONITOR)
    assert {name for plan in plans for name in plan} <= set(progress.SECONDS)
