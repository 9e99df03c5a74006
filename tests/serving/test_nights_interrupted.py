"""`leadscore night`, interrupted: killed, stopped, raced, without room; and a dry run, an old file.

One small company stands for all: its last night was yesterday's, tonight's tables lie there.
"""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from data.clock import DAY
from serving.night import run_night
from serving.night_steps import NightClock
from serving.session import open_session
from tests.fakes import night_broken
from tests.fakes.night_kills import (
    Mishap,
    Reference,
    Stage,
    forked_night,
    judge,
    one_answer,
    start_night,
)
from training.state import StatePaths
from training.state_format import FORMAT, format_of


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage.make(tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="module")
def reference(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return Reference.of(stage, tmp_path_factory.mktemp("calm") / "night")


def test_a_first_night_makes_a_folder_of_todays_format_for_its_user_alone(stage):
    assert stage.state.stat().st_mode & 0o077 == 0
    assert format_of(StatePaths(stage.state)) == FORMAT


def test_a_killed_night_is_completed_by_the_next_run(stage, reference, tmp_path):
    last = len(reference.operations)
    for kills in ((last // 7,), (last // 2,), (2 * last // 3, 5), (last - 1,)):
        verdict = judge(stage.copy(tmp_path / "killed"), reference, [Mishap(at) for at in kills])
        assert verdict.violations == 0, verdict.notes


def test_sigterm_is_answered_with_one_line_and_the_next_run_completes(stage, reference, tmp_path):
    last = len(reference.operations)
    for at in (1, last // 3, last // 2, last):
        stopped = [Mishap(at, by=signal.SIGTERM)]
        verdict = judge(stage.copy(tmp_path / "stopped"), reference, stopped)
        assert verdict.violations == 0, verdict.notes


def test_of_two_nights_at_once_one_is_done_and_one_says_so(stage, reference, tmp_path):
    both = stage.copy(tmp_path / "both")
    nights = [start_night(both), start_night(both)]
    runs = sorted((night.wait().run for night in nights), key=lambda run: run.code)
    assert [run.code for run in runs] == [0, 4], [run.out for run in runs]
    done, refused = map(one_answer, runs)
    assert done["sent"] > 0
    assert "another night is running" in refused["error"]
    assert both.crm() == reference.crm


@pytest.mark.parametrize("most", [0, 1_000, 30_000, 200_000])
def test_a_full_disk_harms_nothing_and_the_next_run_completes(stage, reference, tmp_path, most):
    full = stage.copy(tmp_path / "full")
    run = forked_night(full, Mishap(most=most)).run
    assert run is not None
    answer = one_answer(run)
    assert answer["exit_code"] == run.code == 4, run.out
    assert "internal error" not in run.out
    verdict = judge(full, reference, [])
    assert verdict.violations == 0, verdict.notes


def test_a_dry_run_writes_nothing_at_all(stage, tmp_path):
    retraining = stage.retraining(tmp_path / "dry")
    fresh = stage.copy(tmp_path / "fresh")
    for path in sorted(fresh.state.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    fresh.state.rmdir()
    for company, sent in ((retraining, True), (fresh, False)):
        before = contents(tmp_path)
        run = company.night("--dry-run")
        answer = one_answer(run)
        assert answer["exit_code"] == run.code == 0, run.err
        assert answer["dry_run"]
        assert bool(answer["sent"]) == sent
        assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, str]:
    """Hash every file below a folder but the store's, a cache of what was read."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in folder.rglob("*")
        if "store" not in path.relative_to(folder).parts
    }


def test_yesterdays_files_are_not_taken_for_a_night_that_goes_on(stage, tmp_path):
    live = stage.copy(tmp_path / "live")
    text = live.file.read_text("utf-8").replace("observed_until", "# observed_until")
    live.file.write_text(text, "utf-8")
    session = open_session(live.file, state=live.state, threads=1)
    newest = session.read().tables.observed_until

    def night(at: int) -> dict[str, object]:
        clock = NightClock(lambda: at, lambda: 0.0, lambda _: f"run-{at}")
        ignore: Callable[[str], None] = lambda _: None  # noqa: E731
        return run_night(session, clock=clock, on_stage=ignore, say=ignore).to_dict()

    first = night(newest + DAY // 12)
    assert first["exit_code"] == 0, first
    assert night(newest + DAY // 8)["resumed"]
    stopped = night(newest + DAY // 12 + DAY)
    assert stopped["exit_code"] == 3
    assert "yesterday's file" in str(stopped["steps"])
    assert stopped["sent"] == 0


def test_a_state_folder_that_cannot_be_read_leaves_the_projects_name(stage, tmp_path):
    broken = stage.copy(tmp_path / "broken")
    text = broken.file.read_text("utf-8")
    broken.file.write_text(text.replace('name = "software_trial"', 'name = "boreal"'), "utf-8")
    (broken.state / "state.json").write_text("{")
    answer = one_answer(broken.night())
    assert answer["exit_code"] == 4
    assert answer["project"] == "boreal"


def test_what_is_no_project_is_answered_with_one_line_too(stage):
    run = Stage(stage.home / "nowhere").night()
    assert one_answer(run)["exit_code"] == run.code == 2
    assert run.err.startswith("leadscore: ")


def test_a_broken_build_is_noticed(stage, reference, tmp_path):
    build = night_broken.write_in_place
    assert not judge(stage.copy(tmp_path / "sound"), reference, []).violations
    for kill in night_broken.kills_of(stage, tmp_path / "operations", build, most=9):
        verdict = judge(stage.copy(tmp_path / "broken"), reference, [kill], build)
        if verdict.broken:
            return
    pytest.fail("not noticed")
