"""Where no end of observation is declared, `check` says which moment is taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from data.errors import InputError
from serving.check import check_project
from serving.session import open_session
from tests.golden.product import leadscore

PROJECT = """
[project]
name = "acme"
[leads]
source = "leads.csv"
id = "id"
created_at = "created"
converted_at = "won"
fixed = ["size"]
[conversion]
horizon = "30d"
snapshots = ["1d", "30d"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    days = pd.date_range("2024-01-01", periods=120, freq="2D")
    won = (days + pd.Timedelta(days=9)).astype(str).where([i % 4 == 0 for i in range(120)], "")
    ids, sizes = [f"L{i}" for i in range(120)], ["small", "large", "none"] * 40
    frame = pd.DataFrame({"id": ids, "created": days.astype(str), "won": won, "size": sizes})
    frame.to_csv(tmp_path / "leads.csv", index=False)
    (tmp_path / "acme.toml").write_text(PROJECT)
    return tmp_path / "acme.toml"


def test_the_moment_is_printed_and_stands_in_the_json(project: Path) -> None:
    said = leadscore("check", "acme.toml", cwd=project.parent)
    assert "observed until 2024-08-29 00:00:00 UTC, the last time in the sources" in said.out
    machine = leadscore("check", "acme.toml", "--json", cwd=project.parent)
    assert json.loads(machine.out)["observed_until"] == "2024-08-29 00:00:00 UTC"
    project.write_text(PROJECT.replace("[leads]", 'observed_until = "2024-08-30"\n[leads]'))
    declared = leadscore("check", "acme.toml", cwd=project.parent)
    assert "observed until 2024-08-30 00:00:00 UTC, as declared" in declared.out


def test_a_moment_after_the_end_names_both_and_the_zone(project: Path) -> None:
    project.write_text(PROJECT.replace("[leads]", 'timezone = "Europe/Berlin"\n[leads]'))
    session = open_session(project)
    with pytest.raises(InputError) as caught:
        session.moment("2024-08-29T03:00:00", session.read())
    assert str(caught.value) == (
        "--as-of: 2024-08-29 01:00:00 UTC lies after the end of observation, 2024-08-28 "
        "22:00:00.000001 UTC: nothing is known of that time; leave it out, or set observed_until "
        "in the project file; a time without a zone is one of Europe/Berlin"
    )


@pytest.mark.parametrize(("now", "said"), [("2024-08-29", False), ("2024-08-19", True)])
def test_an_end_ahead_of_the_clock_is_said(project: Path, now: str, said: bool) -> None:
    session = open_session(project)
    clock = pd.Timestamp(now).value // 1000
    found = check_project(session, session.read(), on_stage=lambda _: None, now=clock)
    assert any("lies 10 days ahead of the clock" in line for line in found.lines()) == said
