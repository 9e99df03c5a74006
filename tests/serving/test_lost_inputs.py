"""What the model was trained on and the project has no more is refused, never read as missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from data.errors import InputError
from data.feeds import Feed
from serving.http.score_requests import Service
from serving.session import open_session
from tests.fakes.november_state import November
from tests.golden.product import leadscore
from training.watch.night_checks import check_night


@pytest.fixture(scope="module")
def november(tmp_path_factory: pytest.TempPathFactory) -> November:
    return November.unpack(tmp_path_factory.mktemp("november"))


def without(november: November, change: Callable[[str], str]) -> Path:
    """Write the project file with something taken out, beside its tables."""
    text = november.file.read_text(encoding="utf-8")
    changed = change(text)
    assert changed != text
    file = november.file.with_name("less.toml")
    file.write_text(changed, encoding="utf-8")
    return file


def section(name: str) -> Callable[[str], str]:
    def cut(text: str) -> str:
        start = text.index(f"[[{name}]]")
        return text[:start] + text[text.index("\n[", start + 5) :]

    return cut


def column(text: str) -> str:
    return text.replace('fixed = ["source", "country", ', 'fixed = ["source", ', 1)


@pytest.mark.parametrize("verb", ["score", "report", "monitor", "evaluate", "explain"])
def test_a_column_that_the_model_needs_is_refused_by_every_verb(
    november: November, tmp_path: Path, verb: str
) -> None:
    state = shutil.copytree(november.state, tmp_path / "state")
    lead = ["L0000187"] if verb == "explain" else []
    said = leadscore(verb, without(november, column), *lead, "--state", state)
    assert said.code == 2, said.err
    assert "column country: the model was trained on this column" in said.err
    assert "train again without it" in said.err


@pytest.mark.parametrize("table", ["leads.join", "leads.history"])
def test_a_table_that_the_model_needs_is_refused(november: November, table: str) -> None:
    session = open_session(without(november, section(table)), state=november.state)
    model = session.model("champion")
    with pytest.raises(InputError, match="the model was trained on this column"):
        session.read(kinds=model.kinds)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (section("events"), "the model was trained on events"),
        (lambda text: text.replace('value = "minutes"', ""), r"events\.value: .* value_sum"),
        (lambda text: text.replace('campaign = "campaign"', ""), r"events\.campaign"),
        (lambda text: text.replace('person = "contact_id"\n', ""), r"events\.person"),
        (lambda text: text.replace('direction = "direction"', ""), r"events\.direction"),
    ],
)
def test_events_that_the_model_needs_are_refused_by_verbs_and_service(
    november: November, change: Callable[[str], str], refusal: str
) -> None:
    session = open_session(without(november, change), state=november.state)
    with pytest.raises(InputError, match=refusal):
        session.model("champion")
    with pytest.raises(InputError, match=refusal):
        Service(session.project, session.registry).load()


@pytest.mark.parametrize("lost", ["source", "expected_amount", "email"])
def test_a_file_of_leads_without_a_column_that_the_model_needs_is_refused(
    november: November, tmp_path: Path, lost: str
) -> None:
    leads = pd.read_parquet(november.file.with_name("leads.parquet"))
    leads.drop(columns=[lost]).to_parquet(tmp_path / "less.parquet")
    given = ("--leads", tmp_path / "less.parquet", "--out", tmp_path / "scores.parquet")
    said = leadscore("score", november.file, *given, "--state", november.state)
    assert said.code == 2, said.err
    assert f"less.parquet, column {lost}: the model was trained on this column" in said.err


@pytest.mark.parametrize("lost", ["campaign", "direction", "contact_id", "minutes", "channel"])
def test_a_file_of_events_without_a_column_that_the_project_names_is_refused(
    november: November, tmp_path: Path, lost: str
) -> None:
    touches = pd.read_parquet(november.file.with_name("touches.parquet"))
    touches.drop(columns=[lost]).to_parquet(tmp_path / "less.parquet")
    given = ("--events", tmp_path / "less.parquet", "--out", tmp_path / "scores.parquet")
    said = leadscore("score", november.file, *given, "--state", november.state)
    assert said.code == 2, said.err
    assert f"less.parquet, column {lost}: column not found" in said.err


def test_a_file_of_leads_may_lack_outcomes_and_what_reports_show(
    november: November, tmp_path: Path
) -> None:
    leads = pd.read_parquet(november.file.with_name("leads.parquet"))
    leads.drop(columns=["closed_at", "company"]).to_parquet(tmp_path / "new.parquet")
    given = ("--leads", tmp_path / "new.parquet", "--out", tmp_path / "scores.parquet")
    said = leadscore("score", november.file, *given, "--state", november.state)
    assert said.code == 0, said.err


def test_a_source_that_the_project_names_no_more_stops_the_night(company) -> None:
    night = company.model.watch.night
    assert check_night(night, night, declared_end=True) == []
    fewer = replace(night, feeds=night.feeds[:-1])
    breaches = check_night(fewer, night, declared_end=True)
    assert [breach.check for breach in breaches] == ["sources"]
    assert "is not read any more" in breaches[0].cause
    last = night.feeds[-1]
    renamed = Feed("other.csv", last.first_hour, last.counts, last.late, last.recorded, last.newest)
    moved = replace(night, feeds=(*night.feeds[:-1], renamed))
    assert check_night(moved, night, declared_end=True) == []
