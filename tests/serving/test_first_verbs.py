"""Whichever verb is the first of a project, its state folder is for its user alone and knows its
format; a verb that is refused, or only tries, makes none."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.fakes.november_state import November
from tests.golden.product import leadscore
from training.state import StatePaths
from training.state_format import FORMAT, format_of

WRITE = (
    ("people", "add", "{file}", "ann", "--role", "manager"),
    ("serve", "{file}", "--new-key", "website"),
    ("experiment", "assign", "{file}"),
    ("write-back", "{file}", "--scores", "{scores}"),
    ("score", "{file}", "--model", "{model}", "--accept"),
)
WRITE_NOTHING = (
    ("write-back", "{file}"),
    ("write-back", "{file}", "--dry-run", "--scores", "{scores}"),
    ("feedback", "{file}", "L0000187", "note", "--because", "x"),
    ("people", "list", "{file}"),
    ("doctor", "{file}", "--fix"),
    ("backup", "{file}"),
    ("forget", "{file}", "L0000187"),
    ("night", "{file}", "--dry-run"),
    ("experiment", "assign", "{file}", "--out", "{out}"),
)


@pytest.fixture
def company(tmp_path: Path) -> November:
    return November.unpack(tmp_path)


def run(company: November, verb: tuple[str, ...]) -> StatePaths:
    """Run a verb on a project that has no state yet, as somebody whose umask hides nothing."""
    places = {
        "file": str(company.file),
        "scores": str(company.state / "scores.parquet"),
        "model": str(next((company.state / "mlartifacts").rglob("manifest.json")).parent),
        "out": str(company.folder / "arms.csv"),
    }
    state = StatePaths(company.folder / "new" / "state")
    mask = os.umask(0o022)
    try:
        words = [part.format(**places) for part in verb]
        leadscore(*words, "--state", state.folder, typed="seven plain words for a test\n")
    finally:
        os.umask(mask)
    return state


@pytest.mark.parametrize("verb", WRITE, ids=" ".join)
def test_the_first_verb_makes_a_folder_of_todays_format_for_its_user_alone(
    company: November, verb: tuple[str, ...]
) -> None:
    state = run(company, verb)
    assert stat.S_IMODE(state.folder.stat().st_mode) == 0o700
    assert state.format.is_file()
    assert format_of(state) == FORMAT
    assert [p.name for p in state.folder.iterdir() if p.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("verb", WRITE_NOTHING, ids=" ".join)
def test_what_only_looks_or_is_refused_makes_no_folder(
    company: November, verb: tuple[str, ...]
) -> None:
    assert not run(company, verb).folder.exists()


def test_an_empty_folder_that_somebody_made_for_us_is_taken_as_new(
    company: November,
) -> None:
    (company.folder / "new" / "state").mkdir(parents=True, mode=0o755)
    state = run(company, WRITE[0])
    assert stat.S_IMODE(state.folder.stat().st_mode) == 0o700
    assert state.format.is_file()
