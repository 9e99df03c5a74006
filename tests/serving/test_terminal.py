"""What a person reads on the terminal: no cell wraps, no nan, and how long it still takes."""

from __future__ import annotations

import io
import json
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


def test_json_of_any_text_is_json_that_no_terminal_obeys(monkeypatch):
    """CP1252 read as Latin-1 has C1 characters: they were written as \\x92, which no JSON has."""
    page = io.StringIO()
    monkeypatch.setattr(screen, "out", Console(file=page))
    said = {"text": 'Ann\x92s \x7f \x1b]0; \u202e \\x92 \\\\ " 😀'}
    screen.say_json(said)
    assert json.loads(page.getvalue()) == said
    assert not any(each in page.getvalue() for each in "\x92\x7f\x1b\u202e")


def test_an_id_between_colons_stays_an_id(capsys):
    screen.say_json({"lead_id": "ACME:100:7"})
    screen.say("lead crm:a:17")
    said = capsys.readouterr().out
    assert "ACME:100:7" in said
    assert "crm:a:17" in said


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
    plans = [plan for plan in vars(progress).values() if isinstance(plan, tuple)]
    assert {name for plan in plans for name in plan} <= set(progress.SECONDS)


def test_a_counted_stage_says_how_much_is_done_and_how_long_the_rest_takes(monkeypatch):
    page, at = io.StringIO(), [0.0]
    monkeypatch.setattr(progress, "ticks", lambda: at[0])
    console = Console(file=page, width=80)
    with progress.stages(progress.WRITE_BACK, console=console, quiet=False) as stage:
        stage("sending to the CRM")
        for done in (50, 100, 150, 200):
            at[0] += 20.0
            stage.count(done, 400)
    lines = page.getvalue().splitlines()
    assert lines == [
        "… sending to the CRM: 100 of 400 (40 s elapsed, about 2 min 0 s left)",
        "… sending to the CRM: 200 of 400 (1 min 20 s elapsed, about 1 min 20 s left)",
    ]


def test_a_terminal_shows_the_count_in_the_bar():
    page = io.StringIO()
    console = Console(file=page, width=100, force_terminal=True, legacy_windows=False)
    with progress.stages(progress.WRITE_BACK, console=console, quiet=False) as stage:
        stage("sending to the CRM")
        stage.count(300, 1200)
    assert "sending to the CRM: 300 of 1,200" in page.getvalue()


def test_words_wrap_in_their_column_and_none_is_cut_off(monkeypatch):
    rows = [
        ("share of opens among the events of web_form", "yellow", "12 % of 1,203 events", "5 %"),
        ("features that did not move", "green", "37 of 40", "all"),
    ]
    for width in (80, 120):
        page = io.StringIO()
        monkeypatch.setattr(screen, "out", Console(file=page, width=width))
        screen.wrapped_table({"signal": 5, "state": 2, "figure": 5, "bar": 4}, rows)
        text = page.getvalue()
        assert "…" not in text
        assert {word for row in rows for cell in row for word in cell.split()} <= set(text.split())
        assert all(len(line.rstrip()) <= width for line in text.splitlines())
        assert text.count("signal") == 1
