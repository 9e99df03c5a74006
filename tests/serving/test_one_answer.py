"""Every lead gets the same answer at every door, and what is held back is held back at all."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest

import leadscore as ls
from serving.http.application import create_app
from serving.http.guard import Limits
from serving.http.keys import digest
from serving.http.score_requests import Service
from serving.lead_score import SCORE_COLUMNS, LeadScore
from serving.raw_scorer import BAND, export_raw
from serving.session import open_session
from tests.fakes.second_company import SecondCompany, differences, from_frame, from_json
from tests.golden.product import views_kept

EXPERIMENT = """
[experiment]
arms = { control = 0.2, score = 0.8 }
random_arm = 0.05
"""
AS_OF = "2026-11-01T00:00:00Z"
AUTH = {"Authorization": "Bearer ls_key"}
LIMITS = Limits(requests_per_second=100_000, burst=100_000)


@pytest.fixture(scope="module", params=[1200, pytest.param(3400, marks=pytest.mark.slow)])
def shop(
    company: Any, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> SecondCompany:
    """Score a night of open leads, a fifth of which are worked without a score."""
    folder = tmp_path_factory.mktemp("shop")
    state = company.session.state.folder
    made = SecondCompany.make(company.file, state, folder, leads=request.param, seed=11)
    made.append(EXPERIMENT)
    night = made.run("score", "--accept", "--json")
    assert night.code == 0, night.err
    assert json.loads(night.out)["leads"] > 0.3 * request.param
    return made


@pytest.fixture(scope="module")
def service(shop: SecondCompany) -> Service:
    session = open_session(shop.file, state=shop.state, threads=1)
    service = Service(session.project, session.registry, state=session.state)
    service.load()
    service.hold(session.read(kinds=service.current().kinds))
    return service


def asked(service: Service, calls: list[tuple[str, str, dict[str, Any] | None]]) -> list[LeadScore]:
    """Send requests to the HTTP application; give the answers of all."""
    app = create_app(service, {"test": digest("ls_key")}, LIMITS)

    async def ask() -> list[LeadScore]:
        answers = []
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://s") as client:
            for method, path, body in calls:
                answer = await client.request(method, path, json=body, headers=AUTH)
                assert answer.status_code == 200, answer.text
                answers += [from_json(each) for each in answer.json()["scores"]]
        return answers

    return asyncio.run(ask())


def test_a_night_has_every_kind_of_lead(shop: SecondCompany) -> None:
    night = shop.night().values()
    assert {each.withheld for each in night} == {None, "control", "random"}
    assert {each.band for each in night if each.withheld is None} == {*"ABCD", None}
    assert all(
        (each.band is None) == (each.rule is not None) for each in night if not each.withheld
    )
    for each in night:
        empty = [getattr(each, name) in (None, ()) for name in SCORE_COLUMNS]
        assert all(empty) == (each.withheld is not None)


def test_http_from_the_store_gives_the_answer_of_the_night(
    shop: SecondCompany, service: Service
) -> None:
    night = shop.night()
    answers = asked(service, [("GET", f"/v1/leads/{lead}/score", None) for lead in night])
    assert answers == list(night.values())  # the run and its time as well


def test_http_with_the_history_in_the_request_gives_the_answer_of_the_night(
    shop: SecondCompany, service: Service
) -> None:
    night = shop.night()
    bodies = shop.requests(list(night))
    calls: list[tuple[str, str, dict[str, Any] | None]] = [
        ("POST", "/v1/score", {"leads": bodies[i : i + 50], "as_of": AS_OF})
        for i in range(0, len(bodies), 50)
    ]
    answers = asked(service, calls)
    assert len(answers) == len(night)
    assert differences(night, answers) == []
    assert {each.assumed for each in answers} == {()}


def test_what_a_request_leaves_out_is_named(shop: SecondCompany, service: Service) -> None:
    night = shop.night()
    lead = next(each for each in night.values() if each.band and each.withheld is None)
    body = shop.requests([lead.lead_id])[0]
    for name in ("history", "joined"):
        del body[name]
    body["attributes"]["cuontry"] = body["attributes"].pop("country")
    alone = replace_state(service)
    told = asked(alone, [("POST", "/v1/score", {"leads": [body], "as_of": AS_OF})])[0]
    assert told.assumed == (
        "not sent, so missing: country",
        "'cuontry' was sent and is not used: is country meant?",
        "join.0 was not sent: what it says counts as missing",
        "history.0 was not sent: as if no field had changed",
        "no earlier band is known: the band is cut at the score itself",
        "no run of this model is known: no percentile",
    )
    assert told.percentile is None


def replace_state(service: Service) -> Service:
    """Give a service that knows no run."""
    alone = Service(service.project, service.registry)
    alone.load()
    return alone


def test_the_list_shows_the_answer_of_the_night(shop: SecondCompany, tmp_path: Path) -> None:
    night = shop.night()
    with views_kept() as views:
        made = shop.run("report", "--lang", "en", "--deliver", "--out", tmp_path)
    assert made.code == 0, made.err
    listed = {each["lead_id"]: each for each in views[-1]["leads"]}
    assert listed.keys() == night.keys()
    same = ("score", "band", "probability", "probability_low", "probability_high", "percentile")
    for lead, row in listed.items():
        told = night[lead]
        for name in (*same, "trend", "stage", "rule", "withheld"):
            assert row[name] == getattr(told, name), (lead, name)
        assert row["grid"] == (told.grid or "")
        families = {name: getattr(told, name) for name in row["families"]}
        assert row["families"] == families
        points = sorted((abs(reason.points) for reason in told.reasons), reverse=True)
        shown = [abs(reason["points"]) for reason in row["reasons"]]
        assert shown[:3] == points[:3]
        assert shown[3:] in ([], *([p] for p in points[3:]))  # one more that says what it did
    sheet = pd.read_csv(tmp_path / "leads.csv", dtype={"lead_id": str}).set_index("lead_id")
    held = sheet.loc[[lead for lead in night if night[lead].withheld]]
    assert held[["score", "band", "probability", "trend", "reasons"]].isna().all(axis=None)


def test_a_lead_card_gives_the_answer_of_the_night(shop: SecondCompany) -> None:
    night = shop.night()
    shown = [each for each in night.values() if each.withheld is None]
    for told in (shown[0], shown[-1], next(each for each in shown if each.rule)):
        card = shop.run("explain", told.lead_id, "--json")
        assert card.code == 0, card.err
        row = json.loads(card.out)
        for name in ("score", "band", "probability", "percentile", "stage", "rule", "trend"):
            assert row[name] == getattr(told, name), name
        assert [r["text"] for r in row["reasons"]] == [r.text for r in told.reasons]
    held = next(each for each in night.values() if each.withheld)
    refused = shop.run("explain", held.lead_id)
    assert refused.code == 3
    assert "held back" in refused.err


def test_the_crm_gets_the_answer_of_the_night(shop: SecondCompany) -> None:
    night = shop.night()
    assert shop.run("write-back").code == 0
    with closing(sqlite3.connect(shop.state / "crm.sqlite")) as crm:
        crm.row_factory = sqlite3.Row
        rows = {row["lead_id"]: dict(row) for row in crm.execute("select * from leads")}
    for lead, told in night.items():
        row = rows[lead]
        assert (row["score"], row["band"], row["trend"]) == (told.score, told.band, told.trend)
        for name in ("probability", "percentile"):
            exact = getattr(told, name)
            assert row[name] == (None if exact is None else pytest.approx(exact, abs=1e-6))
        if told.withheld is not None:
            assert row["reasons"] is None
        elif told.rule is not None:
            assert row["reasons"] == f"rule: {told.rule}"
        else:
            first = max(told.reasons, key=lambda reason: abs(reason.points))
            assert row["reasons"].startswith(
                f"{'+' if first.points > 0 else '−'}{abs(first.points)}"
            )


@pytest.mark.filterwarnings("ignore")
def test_the_mlflow_model_on_raw_leads_gives_the_answer_of_the_night(
    shop: SecondCompany, tmp_path: Path
) -> None:
    night = shop.night()
    made = shop.run("export", "--out", tmp_path / "model")
    assert made.code == 0, made.err
    said = (tmp_path / "model" / "requirements.txt").read_text(encoding="utf-8")
    assert "\nleadscore==" in said
    held = "".join(p.read_text("utf-8") for p in (tmp_path / "model").rglob("raw.json"))
    assert str(shop.file.parent) not in held
    assert not any(lead in held for lead in night)
    leads = shop.table("leads")
    leads = leads[leads["lead_id"].isin(list(night))]
    leads = leads.assign(**{BAND: [night[lead].band for lead in leads["lead_id"]]})
    frames = {
        "leads": leads,
        "events.0": shop.table("touches"),
        "history.0": shop.table("lead_history"),
        "join.0": shop.table("accounts"),
        "conversion": shop.table("opportunities"),
    }
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    answers = from_frame(model.predict(frames, params={"as_of": AS_OF}))
    assert len(answers) == len(night)
    assert differences(night, answers) == []
    bodies = shop.requests(list(leads["lead_id"].head(30)))
    nested = leads.head(30).assign(
        **{
            "events.0": [body["events"]["0"] for body in bodies],
            "history.0": [body["history"]["0"] for body in bodies],
            "join.0": [body["joined"]["0"] for body in bodies],
        }
    )
    answers = from_frame(model.predict(nested, params={"as_of": AS_OF}))
    assert differences(night, answers) == []


def test_the_mlflow_model_answers_rows_without_a_clock_as_of_the_hosts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    size = rng.integers(1, 40, 300)
    leads = pd.DataFrame({"id": [f"L{i}" for i in range(300)], "size": size})
    leads["won"] = (rng.random(300) < size / 60).astype(int)
    project = {"project": {"name": "s"}, "leads": {"id": "id", "converted": "won"}}
    crm = ls.read(project | {"conversion": {}}, leads=leads, state=tmp_path / "state", threads=1)
    version = ls.publish(ls.train(crm, fast=True, learner="logistic")).model.version
    session = crm._session
    export_raw(session.project, session.registry.find(version), None, tmp_path / "model")
    before = pd.Timestamp.now("UTC")
    answers = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict({"leads": leads})
    assert (pd.to_datetime(answers["as_of"], utc=True) >= before.floor("s")).all()


def test_the_order_of_a_list_says_nothing_of_a_score_that_is_held_back(
    shop: SecondCompany, tmp_path: Path
) -> None:
    night = shop.night()
    with views_kept() as views:
        assert shop.run("report", "--lang", "en", "--out", tmp_path).code == 0
    listed = [each for each in views[-1]["leads"] if each["rule"] is None]
    control = [each["created_at"] for each in listed if each["withheld"] == "control"]
    assert control == sorted(control, reverse=True)  # newest first
    shown = [each["probability"] for each in listed if each["withheld"] is None]
    assert shown == sorted(shown, reverse=True)
    place = np.array([each["withheld"] is not None for each in listed])
    calls = views[-1]["week"]["calls"]
    share = np.mean([night[lead].withheld is not None for lead in calls])
    assert share == pytest.approx(place.mean(), abs=0.03)
    said = {mover["lead_id"] for kind in ("rises", "falls") for mover in views[-1]["movers"][kind]}
    said |= {miss["lead_id"] for miss in views[-1]["week"]["missed"]}
    assert not any(night[lead].withheld for lead in said)
    paged = [each["detail"] for each in listed if each["withheld"] and each["detail"]]
    assert paged
    for detail in paged:
        empty = ("reasons_for", "reasons_against", "history", "similar", "rescored")
        assert not any(detail[name] for name in empty)
