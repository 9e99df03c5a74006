"""`--log json`: standard error is a log for machines, with the run of each line."""

from __future__ import annotations

import asyncio
import json
import logging

import httpx

from serving.cli import json_log
from serving.http.application import create_app
from serving.http.keys import digest
from serving.http.score_requests import Service
from tests.golden.product import leadscore
from tests.serving.conftest import Company


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_of_standard_error_is_json_with_the_run(company: Company) -> None:
    state = company.session.state.folder
    said = leadscore("--log", "json", "night", company.file, "--dry-run", "--state", state)
    logged = lines(said.err)
    answer = json.loads(said.out)
    assert len(logged) >= 5
    assert {line["run_id"] for line in logged} == {answer["run_id"]}
    assert {"at", "level", "logger", "run_id", "message"} <= logged[0].keys()
    assert not json_log.begun()


def test_an_error_is_one_line_with_its_exit_code(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LEADSCORE_LOG", "json")
    said = leadscore("check", tmp_path / "ann@x.example.toml")
    (line,) = lines(said.err)
    assert (line["level"], line["exit_code"], said.code) == ("error", 2, 2)
    assert "ann@x.example" not in said.err


def test_the_service_logs_its_requests_without_the_leads(company: Company, caplog) -> None:
    session = company.session
    service = Service(session.project, session.registry, state=session.state)
    service.load()
    service.hold(company.reading)
    app = create_app(service, {"website": digest("k")})
    lead = str(company.reading.tables.lead_ids[0])
    caplog.set_level(logging.INFO, logger="serving")

    async def ask() -> tuple[str, dict[str, str]]:
        transport, key = httpx.ASGITransport(app), {"Authorization": "Bearer k"}
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            assert (await client.get(f"/v1/leads/{lead}/score", headers=key)).status_code == 200
            assert (await client.get(f"/v1/leads/{lead}/score")).status_code == 401
            figures = (await client.get("/metrics", headers=key)).text
            return figures, (await client.get("/ready")).json()

    figures, ready = asyncio.run(ask())
    written = [json.loads(json_log.JsonLine().format(record)) for record in caplog.records]
    requests = [line for line in written if line["message"] == "request"]
    assert [line["status"] for line in requests] == [200, 401, 200, 200]
    assert requests[0]["route"] == "/v1/leads/{lead_id}/score"
    assert (requests[0]["key"], requests[1]["key"]) == ("website", "")
    assert lead not in json.dumps(requests)
    assert f'leadscore_model_info{{version="{service.current().version}"}} 1.0' in figures
    assert "leadscore_model_trained_until_seconds 1.7" in figures
    assert ready["trained_until"].startswith("2026-")
    assert ready["model_version"] == service.current().version
