"""An experiment from the project file to what a person sees: held back, cleared, counted."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.schema import Project
from data.schema_types import DUMPED
from data.tables import Tables
from serving.band_sizes import BandSize, calls_to_settle
from serving.figures.funnel import rate_of
from serving.held_back import came_in_order, held_arms, order_of_list
from serving.session import open_session
from tests.fakes.second_company import SecondCompany


def crm_scores(state: Path) -> dict[str, int | None]:
    with closing(sqlite3.connect(state / "crm.sqlite")) as crm:
        return dict(crm.execute("select lead_id, score from leads").fetchall())


@pytest.mark.parametrize("order", ["as before", "random order"])
def test_the_loop_from_scores_in_the_crm_to_the_analysis(
    company: Any, tmp_path: Path, order: str
) -> None:
    """Scores are out; an experiment begins; its control leads lose theirs; analysis says so."""
    state = company.session.state.folder
    shop = SecondCompany.make(company.file, state, tmp_path / "shop", leads=1200, seed=5)
    assert shop.run("score", "--accept").code == 0  # a model trained on other leads
    assert json.loads(shop.run("write-back", "--json").out)["cleared"] == 0
    before = crm_scores(shop.state)
    assert all(score is not None for score in before.values())

    arms = "{ control = 0.4, score = 0.6 }"
    shop.append(f'\n[experiment]\narms = {arms}\ncontrol = "{order}"\nstart = "2026-01-01"\n')
    shop.file.write_text(shop.file.read_text().replace("min_points = 1", "min_points = 50"))
    assert shop.run("experiment", "assign", "--out", tmp_path / "arms.csv").code == 0
    with (tmp_path / "arms.csv").open(newline="") as file:
        arm = {row["lead_id"]: row["arm"] for row in csv.DictReader(file)}
    told = json.loads(shop.run("score", "--json").out)
    control = {lead for lead in before if arm[lead] == "control"}
    assert told["held_back"] == len(control)

    sent = json.loads(shop.run("write-back", "--json").out)  # whatever min_points says
    assert (sent["cleared"], sent["sent"]) == (len(control), 0)
    after = crm_scores(shop.state)
    assert {lead for lead, score in after.items() if score is None} == control
    again = json.loads(shop.run("write-back", "--json").out)
    assert (again["cleared"], again["sent"], again["unchanged"]) == (0, 0, len(before))

    report = tmp_path / "report"
    assert shop.run("report", "--lang", "en", "--deliver", "--out", report).code == 0
    sheet = pd.read_csv(report / "leads.csv", dtype=str).set_index("lead_id")
    assert (
        sheet.loc[sorted(control), ["score", "band", "probability", "reasons"]]
        .isna()
        .all(axis=None)
    )
    assert "Worked without a score" in (report / "report-en.html").read_text("utf-8")
    held = sheet.loc[[lead for lead in sheet.index if lead in control]]
    created = shop.table("leads").set_index("lead_id")["created_at"]
    newest_first = created.loc[held.index[held["rule"].isna()]].is_monotonic_decreasing
    assert newest_first == (order == "as before")
    refused = shop.run("explain", sorted(control)[0])
    assert (refused.code, refused.out) == (3, "")
    answered = shop.run("feedback", sorted(control)[0], "note", "--because", "on holiday")
    assert "its score is held back" in answered.out

    trial = json.loads(shop.run("experiment", "analyse", "--json").out)
    kept = trial["contamination"]
    entered = created[created >= pd.Timestamp("2026-01-01", tz="UTC")].index
    assert kept["held_back"] == sum(arm[lead] == "control" for lead in entered)
    assert kept["contaminated"] == len(control & set(entered))  # their scores were in the CRM
    assert kept["still_in_crm"] == 0
    assert set(kept["by_door"]) == {"scores"}
    assert any("contaminated" in warning for warning in trial["warnings"])
    assert [band["band"] for band in trial["bands"]] == ["A", "B", "C", "D"]
    leads = sum(band["control"]["n"] for band in trial["bands"])
    assert leads == trial["arms"]["control"]["n"]
    said = shop.run("experiment", "analyse").out
    assert "band C: " in said
    planned = json.loads(shop.run("experiment", "bands", "--rise", "1", "--json").out)["bands"]
    assert {each["band"] for each in planned} <= set("ABCD")


def test_a_lead_whose_score_was_never_out_is_not_contaminated(company: Any, tmp_path: Path) -> None:
    state = company.session.state.folder
    shop = SecondCompany.make(company.file, state, tmp_path / "shop", leads=1200, seed=6)
    shop.append('\n[experiment]\narms = { control = 1, score = 1 }\nstart = "2026-01-01"\n')
    assert shop.run("score", "--accept").code == 0  # a model trained on other leads
    sent = json.loads(shop.run("write-back", "--json").out)
    assert sent["cleared"] == 0  # the CRM never had one: nothing is written there
    kept = json.loads(shop.run("experiment", "analyse", "--json").out)["contamination"]
    assert (kept["contaminated"], kept["by_door"]) == (0, {})
    assert kept["scored"] > kept["unseen"] > 0
    with closing(sqlite3.connect(shop.state / "exposure.db")) as log:
        doors = {row[0] for row in log.execute("select distinct door from exposure")}
        seen = next(log.execute("select lead from exposure"))[0]
    assert doors == {"scores", "crm"}
    assert shop.run("forget", seen).code == 0
    with closing(sqlite3.connect(shop.state / "exposure.db")) as log:
        assert not log.execute("select 1 from exposure where lead = ?", (seen,)).fetchall()


def test_nothing_is_held_back_before_the_start_or_of_a_finished_experiment(company: Any) -> None:
    session, tables = company.session, company.reading.tables
    for section in (
        {},
        {"arms": {"control": 1, "score": 1}, "start": "2026-12-01"},
        {"arms": {"control": 1, "score": 1}, "arm": "country"},
        {"arms": {"old": 1, "new": 1}},
    ):
        assert not any(held(session.project, tables, section))
    assert set(held(session.project, tables, {"random_arm": 0.2})) == {None, "random"}
    by_account = held(
        session.project, tables, {"arms": {"control": 1, "score": 1}, "unit": "account"}
    )
    arms = pd.DataFrame({"arm": by_account, "account": tables.account})
    assert (arms.fillna("score").groupby("account")["arm"].nunique() == 1).all()


def held(project: Project, tables: Tables, section: dict[str, object]) -> list[str | None]:
    changed = Project.model_validate(
        {**project.model_dump(), "experiment": section}, context=DUMPED
    )
    lead = pd.RangeIndex(len(tables)).to_numpy()
    found: list[str | None] = held_arms(tables, lead, changed, tables.observed_until).tolist()
    return found


def test_the_place_of_a_lead_does_not_depend_on_its_held_back_score(company: Any) -> None:
    """Give the held leads other scores: every lead stands where it stood."""
    tables = company.reading.tables
    project = Project.model_validate(
        {
            **company.session.project.model_dump(),
            "experiment": {"arms": {"control": 1, "score": 1}, "random_arm": 0.1},
        },
        context=DUMPED,
    )
    lead = pd.RangeIndex(len(tables)).to_numpy()
    arms = held_arms(tables, lead, project, tables.observed_until)
    rank = pd.Series(range(len(lead))).sample(frac=1, random_state=0).to_numpy(float)
    ids, came = tables.lead_ids.astype(str), came_in_order(tables, lead)
    order = order_of_list(ids, came, project, held=arms, rank=rank)
    other = rank.copy()
    hidden = [arm is not None for arm in arms]
    other[hidden] = -rank[hidden]
    assert (order == order_of_list(ids, came, project, held=arms, rank=other)).all()


def test_calls_that_settle_a_band_come_from_its_own_rates() -> None:
    assert calls_to_settle(rate_of(6, 50), rate_of(6, 50)) is None
    assert calls_to_settle(rate_of(0, 50), rate_of(6, 50)) is None
    none = rate_of(0, 0)
    told = [
        BandSize("A", *arms, calls_to_settle(*arms)).sentence
        for arms in (
            (rate_of(1, 1), none),
            (none, none),
            (rate_of(273, 1000), rate_of(278, 1000)),
        )
    ]
    assert told[0] == "band A: 100.0% without, no lead yet with: it cannot be told yet"
    assert told[1] == "band A: no lead of it has matured yet"
    assert (
        told[2].endswith("so close that no number of calls at hand settles it") or "more" in told[2]
    )
    assert not any("nan" in each for each in told)
    few = calls_to_settle(rate_of(2, 16), rate_of(8, 16))
    assert few is not None
    assert 0 < few < 40
    assert calls_to_settle(rate_of(40, 400), rate_of(120, 400)) == 0


def test_a_request_without_its_account_is_refused_where_accounts_are_assigned(
    company: Any,
) -> None:
    from data.errors import InputError
    from serving.asked_leads import refuse_without_account

    project = Project.model_validate(
        {
            **open_session(company.file).project.model_dump(),
            "experiment": {"arms": {"control": 1, "score": 1}, "unit": "account"},
        },
        context=DUMPED,
    )
    with pytest.raises(InputError, match="whole accounts"):
        refuse_without_account(project, ["lead_id"])
