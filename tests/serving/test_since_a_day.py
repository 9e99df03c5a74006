"""`explain --since DAY` compares with the score that the page of that day showed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.clock import DAY, NEVER
from data.errors import InputError
from features.templates import TEMPLATES
from models.explain.change import Change, ScoreChangeLine
from serving.explain import word_change
from serving.session import open_session
from serving.worklist.change_lines import ChangeLines
from serving.worklist.language import words_of
from tests.golden.product import leadscore
from tests.serving.conftest import Company


def test_a_day_is_its_end_in_the_zone_of_the_company(company: Company) -> None:
    session = open_session(company.file, overrides={"project.timezone": "Europe/Rome"})
    end = pd.Timestamp("2026-10-26", tz="Europe/Rome")  # the clocks went back that day
    assert session.earlier("2026-10-25", NEVER) == end.value // 1000 - 1
    assert session.earlier("2026-10-25T08:00", NEVER) < end.value // 1000 - DAY // 2
    with pytest.raises(InputError, match="is not before the moment that is explained"):
        session.earlier("2026-10-25", end.value // 1000 - 1)


def test_the_score_of_a_day_is_the_one_that_was_shown(company: Company, tmp_path: Path) -> None:
    """Found by a new user: a lead of 72 on the page of a day was 'not there yet' on that day."""
    state = shutil.copytree(company.session.state.folder, tmp_path / "state")
    at = pd.Timestamp((company.reading.tables.observed_until - 20 * DAY) * 1000).floor("D")
    moment = at + pd.Timedelta(hours=23)
    done = leadscore("score", company.file, "--as-of", moment.isoformat(), "--state", state)
    assert done.code == 0, done.err
    shown = pd.read_parquet(state / "scores.parquet").set_index("lead_id")["score"]
    tables = company.reading.tables
    still_open = np.isin(tables.lead_ids.astype(str), shown.index.astype(str))
    still_open &= company.reading.outcomes.converted_at == NEVER
    still_open &= company.reading.outcomes.disqualified_at == NEVER
    assert tables.created_at is not None
    lead = str(tables.lead_ids[np.where(still_open, tables.created_at, 0).argmax()])
    told = ["explain", company.file, lead, "--since", at.date().isoformat(), "--state", state]
    said = leadscore(*told)
    assert f"11:00\u202fPM: {shown[lead]} → " in said.out, said.out + said.err
    change = json.loads(leadscore(*told, "--json").out)["change"]
    assert (change["since_was_shown"], change["old_score"]) == (True, shown[lead])
    before = ["explain", company.file, lead, "--since", "2020-01-01", "--state", state]
    assert "was not there yet" in leadscore(*before).out


def test_a_past_that_was_scored_by_nobody_is_said_to_be_rebuilt(company: Company) -> None:
    since = str(np.datetime64(company.reading.tables.observed_until - 3 * DAY, "us"))
    for open_ in company.reading.tables.lead_ids[::-1]:
        told = ("explain", company.file, open_, "--state", company.session.state.folder)
        said = leadscore(*told, "--since", since)
        if said.code == 0 and "→" in said.out:
            assert "No score of that time is kept" in said.out
            return
    pytest.fail("no open lead")


def test_a_field_that_never_changes_is_no_new_event(company: Company) -> None:
    """Found by a new user: the plan of a lead stood there as a new event."""
    scorer = company.model.scorer
    field = next(f for f in scorer.features if f.template == "attribute" and f.kind == "category")
    assert not TEMPLATES[field.template].of_events
    levels = company.reading.tables.attributes
    value = next(str(a.values[0]) for a in levels if a.name == field.params["column"])
    lines = (
        ScoreChangeLine("event", field.factor, 1.0, 1, field.name),
        ScoreChangeLine("time", field.factor, 3.0, 3, field.name),
    )
    change = Change("x", 1, 5, lines, 0, 4.0)
    worded = _worded(company, change, {field.name: value})
    assert [points for _, points in worded] == [3, 1]
    assert worded[0][0] == "What is known of the lead is older now (time passing)"
    assert worded[1][0].endswith("(read together with new events)")


def _worded(
    company: Company, change: Change, values: dict[str, object]
) -> tuple[tuple[str, int], ...]:
    tables, project = company.reading.tables, company.session.project
    since = tables.observed_until - 7 * DAY
    said = ChangeLines(company.model, tables, project.report.acts, since, tables.observed_until)
    lead = int(np.flatnonzero(tables.created_at < since - 30 * DAY)[0])
    return word_change(said.of(change, lead, values.get), words_of("en"), project.report.words)


def test_what_became_older_is_named_the_lead_itself_too(company: Company) -> None:
    """Found by a manager: "Time passing -3" alone, where the lead's own age had done it."""
    features = company.model.scorer.features
    age = next(f for f in features if f.template == "age_days")
    first = [f for f in features if f.template == "days_since_first_event"][:1]
    lines = (
        ScoreChangeLine("time", age.factor, -3.0, -3, age.name),
        ScoreChangeLine("time", "unknown", -1.0, -1, "unknown"),
        *(ScoreChangeLine("time", f.factor, -2.0, -2, f.name) for f in first),
        ScoreChangeLine("event", "calls", 3.0, 3, "calls"),
    )
    moved = sum(line.points for line in lines)
    said = dict(_worded(company, Change("x", 50, 50 + moved, lines, 0, float(moved)), {}))
    (lead,) = (text for text in said if text.startswith("The lead itself is now "))
    assert (said[lead], said["New events"], sum(said.values())) == (-3, 3, moved)
    assert len(first) == sum(text.startswith("The first activity is now ") for text in said)
