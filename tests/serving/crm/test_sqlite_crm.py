"""Scores into SQLite: what travels together arrives as what travels alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from data.clock import DAY
from serving.crm.interface import FIELDS, Update, Value
from serving.crm.sqlite.writer import SqliteCrm


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[SqliteCrm]:
    """A table for scores alone whose columns stand in an order of their own."""
    path = tmp_path / "scores.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE leads ({', '.join(FIELDS[::-1])}, lead_id PRIMARY KEY)")
    with closing(SqliteCrm(path)) as crm:
        yield crm


def update(i: int, **other: Value) -> Update:
    values = {name: f"{name} {i % 7}" for name in FIELDS if name not in ("as_of", "scored_at")}
    alike = {"model_version": "7", "as_of": DAY, "scored_at": 2 * DAY, "run_id": "run"}
    return Update(f"L{i:04d}", {**values, "score": i % 101, **alike, **other})


def held(crm: SqliteCrm, batch: list[Update]) -> dict[str, dict[str, Value]]:
    remote = crm.read_scores([each.lead for each in batch])
    return {lead: dict(each.values) for lead, each in remote.items()}


@pytest.mark.parametrize("count", [1, 249, 250, 251, 777])
def test_all_rows_arrive_whole(crm: SqliteCrm, count: int) -> None:
    batch = [update(i) for i in range(count)]
    assert [answer.status for answer in crm.upsert(batch)] == ["written"] * count
    assert held(crm, batch) == {each.lead: dict(each.values) for each in batch}


def test_rows_of_two_runs_and_rows_with_fewer_fields_keep_their_own(crm: SqliteCrm) -> None:
    batch = [update(i) for i in range(1000)]
    batch[300] = update(300, model_version="8", run_id="another")
    batch[700] = update(700, as_of=3 * DAY)
    batch[999] = Update("L0999", {"score": 3, "band": "A", "as_of": DAY})
    assert {answer.status for answer in crm.upsert(batch)} == {"written"}
    nothing = dict.fromkeys(FIELDS)
    assert held(crm, batch) == {each.lead: {**nothing, **each.values} for each in batch}


def test_a_version_column_that_is_still_empty_counts_from_nought(tmp_path: Path) -> None:
    path = tmp_path / "scores.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE leads (lead_id PRIMARY KEY, {', '.join(FIELDS)})")
        connection.execute("INSERT INTO leads (lead_id) VALUES ('L0001')")
        connection.execute("ALTER TABLE leads ADD COLUMN version int")
    with closing(SqliteCrm(path)) as crm:
        for version in ("0", "1"):
            assert crm.read_scores(["L0001"])["L0001"].version == version
            one = Update("L0001", update(1).values, version)
            assert [answer.status for answer in crm.upsert([one, one])] == ["written", "conflict"]


def test_newer_rows_are_kept_wherever_they_stand(crm: SqliteCrm) -> None:
    newer = [update(i, as_of=5 * DAY, score=1) for i in (0, 255, 600)]
    assert {answer.status for answer in crm.upsert(newer)} == {"written"}
    batch = [update(i, score=50) for i in range(601)]
    answers = {answer.lead: answer.status for answer in crm.upsert(batch)}
    kept = [lead for lead, status in answers.items() if status == "conflict"]
    assert kept == [each.lead for each in newer]
    scores = {lead: values["score"] for lead, values in held(crm, batch).items()}
    assert scores == {each.lead: 1 if each.lead in kept else 50 for each in batch}
