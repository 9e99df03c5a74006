"""Dynamics' table of predictive scores, against a server that speaks its documented protocol."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import httpx
import pytest

from data.durations import DAY
from data.schema import NetworkSection, Project, ProjectSection
from data.schema_steps import WriteBackSection
from data.schema_tables import ConversionSection, LeadsSection
from serving.crm.connectors import connect
from serving.crm.dataverse.score_table import PredictiveScoreCrm
from serving.crm.interface import Unsure, Update
from serving.writeback.write_back import WriteBackResult, write_back
from tests.fakes.faults_run import EPOCH, write_scores

LEADS = [f"{i:08d}-2222-3333-4444-ABCDEF000000" for i in range(250)]
TARGET = re.compile(r"msdyn_predictivescores\(msdyn_entityid='(.+)',msdyn_entitytype='lead'\)")


class Dynamics:
    """Two tables and three requests; UpsertMultiple is one transaction and answers nothing."""

    def __init__(self) -> None:
        self.leads: dict[str, dict[str, Any]] = {
            lead.lower(): {"leadid": lead.lower(), "statecode": 0} for lead in LEADS
        }
        self.scores: dict[str, dict[str, Any]] = {}
        self.refused: set[str] = set()
        self.upserts = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path, asked = request.url.path, unquote_plus(request.url.query.decode())
        if path == "/api/data/v9.2/leads":
            rows = [self.leads[lead] for lead in self._named(asked) if lead in self.leads]
            return httpx.Response(200, json={"value": rows})
        if request.method == "GET":
            assert path == "/api/data/v9.2/msdyn_predictivescores"
            assert "msdyn_entitytype eq 'lead'" in asked
            rows = [self.scores[lead] for lead in self._named(asked) if lead in self.scores]
            return httpx.Response(200, json={"value": rows})
        assert path.endswith("/msdyn_predictivescores/Microsoft.Dynamics.CRM.UpsertMultiple")
        return self._upsert(json.loads(request.content)["Targets"])

    def _named(self, asked: str) -> list[str]:
        return re.findall(r"'([0-9a-f]{8}-[0-9a-f-]{27})'", asked)

    def _upsert(self, targets: list[dict[str, Any]]) -> httpx.Response:
        assert 0 < len(targets) <= 100
        new: dict[str, dict[str, Any]] = {}
        for row in targets:
            assert row["@odata.type"] == "Microsoft.Dynamics.CRM.msdyn_predictivescore"
            match = TARGET.fullmatch(row["@odata.id"])
            assert match is not None
            values = {name: value for name, value in row.items() if name[0] != "@"}
            assert isinstance(values["msdyn_score"], int)
            assert values["msdyn_grade"] in range(4)
            assert values["msdyn_scoretrend"] in (None, *range(4))
            assert len(values["msdyn_name"]) <= 128
            new[match[1]] = {"msdyn_entityid": match[1], **values}
        if self.refused & new.keys():
            return httpx.Response(400, json={"error": {"message": "a plug-in says no"}})
        self.scores |= new
        self.upserts += 1
        return httpx.Response(204)


@pytest.fixture
def dynamics() -> Dynamics:
    return Dynamics()


def night(dynamics: Dynamics, state: Path, number: int, scores: list[int]) -> WriteBackResult:
    state.mkdir(exist_ok=True)
    path = state / f"scores{number}.parquet"
    write_scores(path, LEADS[: len(scores)], scores, EPOCH + number * DAY)
    now = EPOCH + (number + 1) * DAY
    crm = PredictiveScoreCrm(
        "https://crm.example.com",
        ("crm.example.com",),
        "t0ken",
        override="new_scorebyhand",
        transport=httpx.MockTransport(dynamics),
    )
    return write_back(path, project(), state, now=now, run_id=f"run-{number}", crm=crm)


def project() -> Project:
    return Project(
        project=ProjectSection(name="test"),
        leads=LeadsSection(source="leads.csv", id="lead_id", converted="converted"),
        conversion=ConversionSection(),
        network=NetworkSection(allow=("crm.example.com",)),
        write_back=WriteBackSection(
            crm="dataverse",
            url="https://crm.example.com",
            credentials="DYNAMICS",
            entity="msdyn_predictivescore",
            requests_per_second=1e6,
        ),
    )


def test_scores_become_rows_with_grade_and_trend_and_a_second_run_sends_nothing(
    dynamics: Dynamics, tmp_path: Path
) -> None:
    assert night(dynamics, tmp_path, 0, [i % 101 for i in range(250)]).sent == 250
    assert dynamics.upserts == 3
    assert dynamics.scores[LEADS[77].lower()] == {
        "msdyn_entityid": LEADS[77].lower(),
        "msdyn_score": 77,
        "msdyn_grade": 0,
        "msdyn_scoretrend": 1,
        "msdyn_name": f"2026-09-21T14:13:20+00:00|7|score-{EPOCH}",
    }
    assert night(dynamics, tmp_path, 0, [i % 101 for i in range(250)]).sent == 0
    (tmp_path / "ledger.sqlite").unlink()  # what the table holds is enough to know
    again = night(dynamics, tmp_path, 0, [i % 101 for i in range(250)])
    assert (again.sent, again.already_there) == (0, 250)


def test_people_converted_and_deleted_leads_are_respected(
    dynamics: Dynamics, tmp_path: Path
) -> None:
    night(dynamics, tmp_path, 0, [10] * 5)
    lead = [each.lower() for each in LEADS]
    dynamics.leads[lead[0]]["new_scorebyhand"] = 99
    dynamics.scores[lead[1]]["msdyn_score"] = 88  # typed over
    dynamics.leads[lead[2]]["statecode"] = 1  # qualified
    del dynamics.leads[lead[3]]
    result = night(dynamics, tmp_path, 1, [20] * 5)
    assert (result.sent, result.kept_overrides, result.closed, result.gone) == (1, 2, 1, 1)
    assert [dynamics.scores[each]["msdyn_score"] for each in lead[:5]] == [10, 88, 10, 10, 20]


def test_an_older_run_is_stale_and_one_refused_row_costs_one_row(
    dynamics: Dynamics, tmp_path: Path
) -> None:
    dynamics.refused = {LEADS[42].lower()}
    result = night(dynamics, tmp_path, 3, [10] * 100)
    assert (result.sent, result.rejected) == (99, 1)
    (tmp_path / "ledger.sqlite").unlink()
    assert night(dynamics, tmp_path, 1, [90] * 100).stale == 99


def test_a_band_that_is_no_grade_is_a_dead_letter_of_its_own(dynamics: Dynamics) -> None:
    values: Mapping[str, str | int | None] = {
        "score": 5,
        "band": "E",
        "trend": None,
        "as_of": EPOCH,
        "model_version": "7",
        "run_id": "r",
    }
    crm = PredictiveScoreCrm(
        "https://crm.example.com",
        ("crm.example.com",),
        "t",
        transport=httpx.MockTransport(dynamics),
    )
    batch = [Update(LEADS[0], values), Update(LEADS[1], {**values, "band": "D"})]
    answers = crm.upsert(batch)
    assert [each.status for each in answers] == ["rejected", "written"]
    assert answers[0].error == "band 'E', not A, B, C, D"
    assert crm.read_scores(["no guid"]) == {}


def test_an_answer_without_rows_is_not_trusted() -> None:
    empty = httpx.MockTransport(lambda _: httpx.Response(200, json={}))
    crm = PredictiveScoreCrm("https://crm.example.com", ("crm.example.com",), "t", transport=empty)
    with pytest.raises(Unsure):
        crm.read_scores(LEADS[:1])


def test_the_project_file_chooses_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNAMICS", "t0ken")
    crm = connect(project().write_back, tmp_path, ("crm.example.com",))
    assert isinstance(crm, PredictiveScoreCrm)
    crm.close()
