"""Loop 1, with commands alone: a company trains in July and retrains as months come in."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data.world import make_world, write_world
from tests.fakes.company_months import export_until
from tests.golden.product import Run, leadscore

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "software_trial.toml"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_world(make_world("software_trial", 2000, 7), folder, project=EXAMPLE)
    return folder


def test_a_company_retrains_month_by_month_and_sees_what_changed(whole, tmp_path):
    data, state = tmp_path / "data", tmp_path / "state"

    def run(verb: str, *options: object) -> Run:
        return leadscore(verb, file, *options, "--state", state)

    file = export_until(whole, data, "2026-07-01")
    trained = run("train", "--fast")
    assert trained.code == 3  # 9 conversions prove no model yet
    assert "the model is refused" in trained.out
    assert "version 1 (rules, updated by 9 outcomes) is champion until a model is" in trained.out
    first = json.loads(run("score", "--json").out)
    assert first["model_version"] == "1"

    file = export_until(whole, data, "2026-08-01")
    refused = run("retrain", "--fast")
    assert refused.code == 3
    assert "does not beat the rule baseline" in refused.out
    assert "version 2 (rules, updated by 16 outcomes) is champion until a model" in refused.out

    file = export_until(whole, data, "2026-10-01")
    assert json.loads(run("score", "--accept", "--json").out)["model_version"] == "2"

    file = export_until(whole, data, "2026-11-01")
    retrained = run("retrain", "--fast")
    assert retrained.code == 0
    assert "version 3 is champion: expected change of log loss: -" in retrained.out
    assert "open leads change band" in retrained.out
    answer = json.loads(run("retrain", "--fast", "--json").out)
    assert answer["reason"] == "nothing changed since the champion was trained"
    report = run("report", "--out", tmp_path / "report", "--lang", "en")
    assert report.code == 0
    page = (tmp_path / "report" / "report-en.html").read_text("utf-8")
    changes = page[page.index('id="changes"') :]
    assert '<span class="kind">new model</span>' in changes[: changes.index("</section>")]

    written = pq.read_table(state / "scores.parquet")
    assert set(written["model_version"].to_pylist()) == {"3"}
    bands = "bands = { A = 70, B = 55, C = 40 }"
    assert bands in file.read_text("utf-8")
    file.write_text(file.read_text("utf-8").replace(bands, "bands = { A = 60, B = 45, C = 30 }"))
    told = run("score")
    assert "bands are cut at A 60 B 45 C 30, as the project file says now" in told.out
    again = pq.read_table(state / "scores.parquet")
    assert again["score"].to_pylist() == written["score"].to_pylist()
    for row in again.to_pylist():
        band, score = row["band"], row["score"]
        if row["rule"] is not None:
            assert band is None
            continue
        assert band == ("A" if score >= 60 else "B" if score >= 45 else "C" if score >= 30 else "D")
    assert json.loads(again.schema.metadata[b"leadscore.bands"]) == {"A": 60, "B": 45, "C": 30}
    lead = again["lead_id"].to_pylist()[0]
    explained = json.loads(run("explain", lead, "--json").out)
    assert explained["band"] == again["band"].to_pylist()[0]
    assert run("rollback").out.startswith("version 2 is champion again")
