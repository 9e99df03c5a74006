"""Those of the sixty bad inputs that come when scoring: requests, odd columns, where results go."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import time
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from data.errors import OutsideError
from data.files import write_text
from data.reading.read_tables import read_tables
from features.build import build
from serving.http.application import create_app
from serving.http.guard import Guard, Limits
from serving.http.keys import digest
from serving.http.score_requests import Service
from serving.run_moment import RunMoment
from serving.score import score_leads
from serving.scoring_run import ScoringRun, write_scores
from serving.worklist.pages.lead_pages import _detail
from serving.worklist.pages.report_input import ReportInput

NOW = 1_793_500_000_000_000


@pytest.fixture(scope="module")
def scored(company) -> ScoringRun:
    return score_again(company, {})


def score_again(company, frames: dict[str, pd.DataFrame]) -> ScoringRun:
    """Score the company with other tables in place of its own."""
    project, model = company.session.project, company.model
    tables, outcomes = read_tables(project, frames=frames, kinds=model.kinds)
    return score_leads(
        project,
        tables,
        outcomes,
        model,
        RunMoment(company.reading.tables.observed_until, NOW, "n1"),
    )


def own(company, name: str) -> pd.DataFrame:
    return pd.read_parquet(company.file.parent / f"{name}.parquet")


# --- 37, 38: fields of a request -----------------------------------------------------------------


@pytest.fixture(scope="module")
def app(company) -> Guard:
    service = Service(company.session.project, company.session.registry)
    service.load()
    return create_app(service, {"tests": digest("ls_k")}, Limits(requests_per_second=1e6))


def ask(app: Guard, attribute: str, value: str) -> httpx.Response:
    """Score one lead, one of whose attributes is this JSON text."""
    lead = '"lead_id": "a", "created_at": "2026-08-01T00:00:00Z", "source": "event"'
    body = (
        f'{{"leads": [{{"attributes": {{{lead}, "{attribute}": {value}}}}}], '
        '"as_of": "2026-09-01T00:00:00Z"}'
    )

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            headers = {"Authorization": "Bearer ls_k", "Content-Type": "application/json"}
            return await client.post("/v1/score", headers=headers, content=body.encode())

    return asyncio.run(post())


@pytest.mark.parametrize("value", ['"12,5"', "[1]", '{"a": 1}', '"many"'])
def test_bad_input_37_a_wrong_type_is_422_and_names_its_field(app: Guard, value: str) -> None:
    answer = ask(app, "expected_amount", value)
    assert answer.status_code == 422, answer.text
    assert "expected_amount" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("1e400", 422),
        ("-1e400", 422),
        ("9" * 400, 422),
        ("-0", 200),
        ("-0.0", 200),
        (str(2**63), 200),
        ("1e-400", 200),
    ],
)
def test_bad_input_38_numbers_out_of_range_are_422_and_others_are_numbers(
    app: Guard, value: str, status: int
) -> None:
    answer = ask(app, "expected_amount", value)
    assert answer.status_code == status, answer.text


# --- 53, 55 to 57: odd columns and odd leads -------------------------------------------------


@pytest.mark.parametrize("word", ["Atlantis", "nan", "None", "NULL", "", "x" * 2000, "\u202e"])
def test_bad_input_53_an_unseen_category_scores_as_any_other(app: Guard, word: str) -> None:
    answer = ask(app, "country", json.dumps(word))
    assert answer.status_code == 200, answer.text
    other = ask(app, "country", '"Nowhere at all"')
    if word.strip() and word not in ("nan", "None", "NULL"):
        assert answer.json()["scores"][0]["score"] == other.json()["scores"][0]["score"]


def test_bad_input_55_columns_in_another_order_and_more_of_them_change_no_score(
    company, scored: ScoringRun
) -> None:
    leads = own(company, "leads")
    turned = leads[leads.columns[::-1]].assign(shoe_size=43, created_month=7)
    again = score_again(company, {"leads": turned}).table
    assert (again["probability"] == scored.table["probability"]).all()


def test_bad_input_56_a_lead_without_events_is_scored_and_said_to_be_little_known(
    company, scored: ScoringRun
) -> None:
    touches = own(company, "touches")
    silent = scored.table["lead_id"].iat[0]
    tables, outcomes = read_tables(
        company.session.project,
        frames={"events.0": touches[touches["lead_id"] != silent]},
        kinds=company.model.kinds,
    )
    again = score_leads(
        company.session.project,
        tables,
        outcomes,
        company.model,
        RunMoment(scored.as_of, NOW, "n3"),
    )
    assert again.table["lead_id"].iat[0] == silent
    assert 0 < again.table["probability"].iat[0] < 1
    reading = replace(company.reading, tables=tables, outcomes=outcomes)
    pages = ReportInput(company.session.project, reading, company.model, again, "p.toml", 1)
    assert _detail(pages, again.answers()[0], 0, None, (), ()).low_information


def test_bad_input_57_a_million_events_of_one_lead_take_seconds(
    company, scored: ScoringRun
) -> None:
    n = 1_000_000
    lead = own(company, "leads").iloc[[0]].assign(created_at=pd.Timestamp("2026-01-01", tz="UTC"))
    start = pd.Timestamp("2026-01-02", tz="UTC").value
    at = pd.to_datetime(start + np.arange(n) * 10_000_000_000, utc=True)
    touches = own(company, "touches").iloc[[0]]
    many = touches.loc[touches.index.repeat(n)].reset_index(drop=True)
    many = many.assign(lead_id=lead["lead_id"].iloc[0], touch_at=at, ingested_at=at)
    began = time.process_time()
    tables, _ = read_tables(
        company.session.project,
        frames={"leads": lead, "events.0": many},
        kinds=company.model.kinds,
        lenient=True,
    )
    frame = build(
        tables,
        replace(
            scored.snapshots,
            lead=np.zeros(1, np.int64),
            as_of=np.array([tables.observed_until]),
        ),
        company.model.catalogue,
    )
    assert np.isfinite(company.model.scorer.score(frame.to_pandas()).probability).all()
    assert time.process_time() - began < 30


# --- 59: where results go ------------------------------------------------------------------------


def test_bad_input_59_a_folder_that_is_a_file_is_one_line(
    scored: ScoringRun, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutsideError, match="can't be written") as caught:
        write_scores(scored, tmp_path / "file" / "scores.parquet")
    assert caught.value.exit_code == 4
    assert (tmp_path / "file").read_text() == "mine"


def test_bad_input_59_a_full_disk_leaves_the_old_file(scored: ScoringRun, tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_text("yesterday")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, hard))
    try:
        with pytest.raises(OutsideError, match="the old file is as it was"):
            write_scores(scored, path)
        with pytest.raises(OutsideError):
            write_text(tmp_path / "scores.parquet", "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "yesterday"
    assert os.listdir(tmp_path) == ["scores.parquet"]
