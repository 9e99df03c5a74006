"""Loop 6, with commands alone: a company without outcomes is scored, and later learned from."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import mlflow
import pandas as pd
import pyarrow.parquet as pq
import pytest

from serving.http.application import create_app
from serving.http.keys import digest
from serving.http.score_requests import Service
from serving.session import open_session
from tests.fakes.first_days import first_days
from tests.golden.product import Run, leadscore

RULE = """
[qualification]
weights = { "demo request" = 12, icp = 8 }

[[qualification.icp]]
when = "employees >= 50"

[report]
languages = ["en", "it", "fr", "fa"]
"""
SAID = {
    "en": "Rules, not learned",
    "it": "Regole, non apprese",
    "fr": "Des règles, non apprises",
    "fa": "قواعد، نه آموخته",
}


def answered(proposed: str) -> str:
    """Answer the lines that say CHOOSE, as a person does, and state the rule."""
    kept = re.sub(r"(?m)^(event|horizon|snapshots) = .*\n", "", proposed)
    conversion = '[conversion]\nhorizon = "20d"\nsnapshots = ["1d", "7d"]\nexpected_rate = 0.1\n'
    kept = kept.replace("[conversion]\n", conversion)
    return kept.replace("[leads]\n", '[leads]\nconverted_at = "opportunity_at"\n') + RULE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    assert first_days(tmp_path, "2026-01-13") == 0
    file = tmp_path / "acme.toml"
    made = leadscore(
        "init", tmp_path / "leads.csv", tmp_path / "events.csv", "--yes", "--out", file
    )
    assert made.code == 0, made.err
    file.write_text(answered(file.read_text("utf-8")), "utf-8")
    return file


def over_http(file: Path, state: Path, lead: str) -> dict[str, Any]:
    """Ask the HTTP application for the score of a lead."""
    session = open_session(file, state=state, threads=1)
    service = Service(session.project, session.registry, state=session.state)
    service.load()
    service.hold(session.read(kinds=service.current().kinds))
    app = create_app(service, {"test": digest("ls_key")})

    async def ask() -> dict[str, Any]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://s") as client:
            key = {"Authorization": "Bearer ls_key"}
            answer = await client.get(f"/v1/leads/{lead}/score", headers=key)
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found

    return asyncio.run(ask())


def test_a_company_without_outcomes_is_scored_updated_and_then_learned(file, tmp_path):
    state, out = tmp_path / "state", tmp_path / "report"

    def run(verb: str, *options: object) -> Run:
        return leadscore(verb, file, *options, "--state", state)

    checked = leadscore("check", file)
    assert checked.code == 3
    assert "`leadscore train` registers the rule" in checked.out
    trained = run("train", "--fast")
    assert trained.code == 3
    assert "version 1 (rules, not learned) is champion until a model is proven" in trained.out
    assert run("score").code == 0
    night = pq.read_table(state / "scores.parquet").to_pandas().set_index("lead_id")
    assert night["score"].nunique() > 5
    explained = run("explain", "L00002")
    assert SAID["en"] in explained.out
    points = [int(each) for each in re.findall(r"(?m)^ +([+-]?\d+)  ", explained.out)]
    assert sum(points) == night.loc["L00002", "score"]
    assert run("report", "--out", out).code == 0
    for language, words in SAID.items():
        assert words in (out / f"report-{language}.html").read_text("utf-8")
        assert words in (out / f"model-{language}.html").read_text("utf-8")
    sent = run("write-back")
    assert sent.code == 0
    assert "77 sent" in sent.out
    answer = over_http(file, state, "L00002")["scores"][0]
    assert answer["score"] == night.loc["L00002", "score"]
    assert run("export", "--out", tmp_path / "model").code == 0
    raw = {name: pd.read_csv(tmp_path / f"{name}.csv") for name in ("leads", "events")}
    scored = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(
        {"leads": raw["leads"], "events.0": raw["events"]},
        params={"as_of": night["as_of"].iloc[0].isoformat()},
    )
    assert scored.set_index("lead_id")["score"].to_dict() == night["score"].to_dict()

    assert first_days(tmp_path, "2026-02-12") >= 20
    trained = run("train", "--fast")
    assert trained.code == 3
    words = re.search(r"version 2 \(rules, updated by (\d+) outcomes\) is champion", trained.out)
    assert words is not None, trained.out
    assert run("score", "--accept").code == 0
    open_lead = pq.read_table(state / "scores.parquet")["lead_id"][0].as_py()
    explained = run("explain", open_lead)
    assert f"Rules, updated by {words[1]} outcomes" in explained.out

    assert first_days(tmp_path, "2026-11-20") >= 200
    trained = run("train", "--fast")
    assert trained.code == 0, trained.out
    assert "version 3 is champion: expected change of log loss: -" in trained.out
    assert "learner: linear" in trained.out
    assert run("score", "--accept").code == 0
    assert "An association seen in past leads" in run("explain", open_lead).out


def test_a_leak_registers_nothing_on_day_one_either(file, tmp_path):
    (tmp_path / "deals.csv").write_text("lead_id,at,amount\nL00002,2026-01-12,900\n")
    text = file.read_text("utf-8").replace('converted_at = "opportunity_at"\n', "")
    deals = '[conversion]\nsource = "deals.csv"\nlead = "lead_id"\nat = "at"\n'
    join = '[[leads.join]]\nsource = "deals.csv"\non = "lead_id"\nfixed = ["amount"]\n\n[[events]]'
    text = text.replace("[conversion]\n", deals).replace("[[events]]", join)
    file.write_text(text, "utf-8")
    trained = leadscore("train", file, "--fast", "--state", tmp_path / "state")
    assert trained.code == 3
    assert "leak found by D5" in trained.err
    assert leadscore("score", file, "--state", tmp_path / "state").code == 2


def test_points_for_an_event_that_nearly_exists_are_a_slip_of_the_pen(file, tmp_path):
    file.write_text(file.read_text("utf-8").replace('"demo request" = 12', '"demo requst" = 12'))
    trained = leadscore("train", file, "--fast", "--state", tmp_path / "state")
    assert trained.code == 2
    assert "did you mean 'demo request'?" in trained.err
