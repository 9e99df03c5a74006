"""What a disk, a kill or a stranger left behind: the next night goes on, or says what to do."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from data.errors import InputError, OutsideError
from data.printable import printable
from serving.forget import forget_lead
from serving.kept_run import KeptRun
from serving.newest_scores import read_bands, read_newest
from serving.run_moment import RunMoment
from serving.score import score_leads
from serving.scoring_run import write_scores
from tests.serving.conftest import Company
from training.registry import Registry
from training.state import StatePaths


@pytest.fixture
def scores(company: Company, tmp_path: Path) -> Path:
    session = company.session
    scored = score_leads(
        session.project,
        company.reading.tables,
        company.reading.outcomes,
        company.model,
        RunMoment(company.reading.tables.observed_until, 0, "r"),
        threads=1,
    )
    return write_scores(scored, tmp_path / "scores.parquet")


@pytest.mark.parametrize("harm", ["cut", "overwritten", "empty"])
def test_scores_that_were_damaged_count_as_absent(
    scores: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = scores.read_bytes()
    harmed = {"cut": whole[: len(whole) // 2], "overwritten": b"x" * len(whole), "empty": b""}
    scores.write_bytes(harmed[harm])
    assert read_newest(scores) is None
    assert read_bands(scores, until=2**62) is None
    assert KeptRun.read(scores) is None
    assert "cannot be read and counts as absent" in caplog.text


def test_forget_does_not_call_a_file_clean_that_it_cannot_read(scores: Path) -> None:
    state = StatePaths(scores.parent)
    scores.write_bytes(scores.read_bytes()[:500])
    with pytest.raises(OutsideError, match="cannot be read, and may hold the lead"):
        forget_lead(state, "L0000001")


def test_forget_removes_what_killed_runs_left_half_written(tmp_path: Path) -> None:
    part = tmp_path / "scores" / "run" / ".scores.parquet.abc.part"
    part.parent.mkdir(parents=True)
    part.write_text("L0000001")
    assert forget_lead(StatePaths(tmp_path), "L0000001")["unfinished files removed"] == 1
    assert not part.exists()


def test_nobody_else_may_look_into_a_state_folder(tmp_path: Path) -> None:
    Registry.of(StatePaths(tmp_path / "state"), "acme")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_version_that_a_killed_training_left_is_not_promoted(company: Company) -> None:
    registry = company.session.registry
    with registry._tracking() as client:
        known = client.get_model_version(registry.name, "1")
        left = client.create_model_version(registry.name, known.source, known.run_id)
    before = registry.champion()
    with pytest.raises(InputError, match="was never finished"):
        registry.promote(str(left.version))
    assert registry.champion() == before
    with registry._tracking() as client:
        client.delete_model_version(registry.name, left.version)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("a\x9b2J", "a\\x9b2J"),
        ("invoice\u202efdp.exe", "invoice\\u202efdp.exe"),
        ("Zoë\tفارسی\n", "Zoë\tفارسی\n"),
    ],
)
def test_text_from_the_data_is_shown_and_not_obeyed(given: str, shown: str) -> None:
    assert printable(given) == shown
    assert printable(str(InputError(given, file="f"))) == str(InputError(given, file="f"))
