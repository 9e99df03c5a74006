"""A project's experiment: arms that stay, and an analysis of what has matured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.reading.read_tables import read_tables
from data.schema import Project
from serving.experiment_arms import ExperimentResult, analyse_experiment, assign_leads
from serving.figures.experiment import Difference
from serving.worklist.html import render
from serving.worklist.pages.experiment_page import make_experiment
from serving.worklist.view_figures import ExperimentPage
from tests.fakes.report_view import make_view


def _project(**sections: object) -> Project:
    leads = {
        "source": "leads.csv",
        "id": "id",
        "created_at": "created",
        "converted_at": "won",
        "account": "account",
        "fixed": ["size"],
    }
    base: dict[str, object] = {
        "project": {"name": "spring", "observed_until": "2026-07-01"},
        "leads": leads,
        "conversion": {"horizon": "30d"},
        "experiment": {"arms": {"control": 1, "score": 1}, "random_arm": 0.1},
    }
    return Project.model_validate({**base, **sections})


def _leads(project: Project, lift: float, n: int = 4000) -> pd.DataFrame:
    """Make leads whose score arm converts more often; larger companies always do."""
    rng = np.random.default_rng(0)
    created = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.uniform(0, 180, n), "D")
    size = rng.normal(0, 1, n)
    frame = pd.DataFrame(
        {
            "id": [f"L{i}" for i in range(n)],
            "created": created.astype(str),
            "account": [f"A{i // 2}" for i in range(n)],
            "size": size,
            "won": None,
        }
    )
    tables, _ = read_tables(project, frames={"leads": frame})
    arms = assign_leads(tables, project).set_index("lead_id")["arm"]
    treated = frame["id"].map(arms) == "score"
    hit = rng.random(n) < np.clip(0.15 + 0.08 * size + lift * treated, 0, 1)
    won = created + pd.to_timedelta(rng.uniform(1, 29, n), "D")
    frame["won"] = np.where(hit & (won < pd.Timestamp("2026-07-01")), won.astype(str), None)
    return frame


@pytest.mark.parametrize("unit", ["lead", "account"])
def test_a_real_lift_is_found_and_the_young_wait(unit: str) -> None:
    section = {"arms": {"control": 1, "score": 1}, "random_arm": 0.1, "unit": unit}
    project = _project(experiment={**section, "start": "2026-01-01"})
    tables, outcomes = read_tables(project, frames={"leads": _leads(project, 0.08)})
    trial = analyse_experiment(tables, outcomes, project)
    result = trial.comparisons["score"]
    assert result.adjusted is not None
    assert result.adjusted.low < 0.08 < result.adjusted.high
    assert result.adjusted.low > 0
    assert result.adjusted.standard_error < result.plain.standard_error
    assert result.clustered == (unit == "account")
    assert trial.waiting == pytest.approx(4000 / 6, rel=0.15)
    assert not trial.warnings
    page = make_experiment(trial, finished=False)
    assert isinstance(page, ExperimentPage)
    assert page.difference.value == result.adjusted.value
    assert page.looks
    assert {row.arm for row in page.arms} == {"control", "score", "random"}


def test_a_running_experiment_is_judged_by_the_range_that_holds_at_every_look() -> None:
    project = _project(experiment={"arms": {"control": 1, "score": 1}})
    tables, outcomes = read_tables(project, frames={"leads": _leads(project, 0.0, n=600)})
    trial = analyse_experiment(tables, outcomes, project)
    lucky = Difference(0.02, 0.001, 0.039, 0.0097, 0.04)
    patient = replace(lucky, low=-0.01, high=0.05)
    result = replace(trial.comparisons["score"], plain=lucky, adjusted=None, always_valid=patient)
    trial = replace(trial, comparisons={"score": result})
    running, finished = (
        make_experiment(trial, finished=False),
        make_experiment(trial, finished=True),
    )
    assert (running.difference.low, running.p_value) == (-0.01, None)
    assert (finished.difference.low, finished.p_value) == (0.001, 0.04)


def test_leads_of_an_account_that_convert_together_have_less_power() -> None:
    found = {}
    for unit in ("lead", "account"):
        project = _project(experiment={"arms": {"control": 1, "score": 1}, "unit": unit})
        frame = _leads(project, 0.0, n=1200)
        frame["account"] = [f"A{i // 6}" for i in range(len(frame))]
        together = frame.groupby("account")["won"].transform("first").notna()  # six at a time
        won = pd.to_datetime(frame["created"]) + pd.Timedelta(days=10)
        seen = together & (won < pd.Timestamp("2026-07-01", tz=won.dt.tz))
        frame["won"] = np.where(seen, won.astype(str), None)
        tables, outcomes = read_tables(project, frames={"leads": frame})
        found[unit] = analyse_experiment(tables, outcomes, project)
    lead, account = found["lead"], found["account"]
    assert account.power < lead.power
    assert account.needed_per_arm > 2 * lead.needed_per_arm
    assert account.detectable > lead.detectable
    last = {unit: trial.looks["score"][-1] for unit, trial in found.items()}
    assert last["account"].high - last["account"].low > 1.5 * (last["lead"].high - last["lead"].low)
    page = render(replace(make_view(1), experiment=make_experiment(account, finished=False)), "en")
    table = page[page.index('id="h-experiment"') :]
    assert "Leads" in table[: table.index("</thead>")]  # what is counted there are leads


def test_returns_of_one_lead_are_no_independent_leads() -> None:
    project = _project(
        leads={"source": "-", "id": "id", "created_at": "created"},
        events=[{"source": "-", "lead": "id", "at": "at", "type": ["type"], "outcome": ["lost"]}],
        conversion={"event": "won", "horizon": "10d", "reopen": ["demo"], "repeat": True},
    )
    created = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(900) % 60, "D")
    leads = pd.DataFrame({"id": [f"L{i}" for i in range(900)], "created": created})
    ends = np.where(np.arange(900) % 5 == 0, "won", "lost")  # the same end in all three lives
    lives = [
        pd.DataFrame({"id": leads["id"], "at": created + pd.Timedelta(days=day), "type": kind})
        for life in (0, 30, 60)
        for day, kind in ((life, "demo"), (life + 5, ends))
    ]
    tables, outcomes = read_tables(project, frames={"leads": leads, "events.0": pd.concat(lives)})
    trial = analyse_experiment(tables, outcomes, project)
    found = trial.comparisons["score"]
    assert found.control.n + found.treated.n > 2 * 600
    alone = sum(r.value * (1 - r.value) / r.n for r in (found.control, found.treated))
    assert found.plain.standard_error**2 > 2.5 * alone  # three lives that end alike count as one


def test_accounts_share_an_arm_and_arms_stay_when_leads_come() -> None:
    project = _project(experiment={"arms": {"control": 1, "score": 1}, "unit": "account"})
    frame = _leads(project, 0.0, n=400)
    few, _ = read_tables(project, frames={"leads": frame.iloc[:201]})
    many, _ = read_tables(project, frames={"leads": frame})
    before = assign_leads(few, project).set_index("lead_id")["arm"]
    after = assign_leads(many, project)
    assert (after.set_index("lead_id")["arm"][before.index] == before).all()
    assert (after.groupby("unit")["arm"].nunique() == 1).all()


def test_arms_of_other_sizes_than_planned_are_warned_of() -> None:
    project = _project()
    frame = _leads(project, 0.0)
    tables, _ = read_tables(project, frames={"leads": frame})
    arms = assign_leads(tables, project)
    lost = arms.loc[arms["arm"] == "score", "lead_id"].iloc[::3]
    tables, outcomes = read_tables(project, frames={"leads": frame[~frame["id"].isin(lost)]})
    trial = analyse_experiment(tables, outcomes, project)
    assert any("sizes planned" in warning for warning in trial.warnings)
    assert "experiment.start is not set" in trial.warnings[0]


def _with_outcome(words: list[object]) -> ExperimentResult:
    """Analyse leads of two arms whose outcome is one of these words, in turn."""
    project = _project(
        leads={"id": "id", "converted_at": "won", "source": "leads.csv", "fixed": ["arm", "came"]}
        | {"created_at": "created"},
        experiment={"arm": "arm", "outcome": "came"},
    )
    n = 200
    leads = {"id": [f"L{i}" for i in range(n)], "created": "2026-01-01", "won": None}
    given = {"arm": ["control", "score"] * (n // 2), "came": words * (n // len(words))}
    tables, outcomes = read_tables(project, frames={"leads": pd.DataFrame({**leads, **given})})
    return analyse_experiment(tables, outcomes, project)


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        (1, 0),
        (1.0, None),
        ("TRUE", "FALSE"),
        ("Yes", "No"),
        ("Y", "N"),
        ("si", "no"),
        (True, False),
    ],
)
def test_an_outcome_means_what_a_conversion_flag_does(yes: object, no: object) -> None:
    found = _with_outcome([yes, no, no, no])
    assert (found.arms["control"].hits, found.arms["score"].hits) == (50, 0)


def test_an_outcome_that_is_no_flag_is_refused_and_a_doubtful_one_is_warned_of() -> None:
    with pytest.raises(InputError, match=r"converted_values .*in experiment.outcome"):
        _with_outcome(["bought", "left", "left", "left"])
    assert "'2' (50)" in _with_outcome([1, 2, 0, 0]).warnings[-1]


def test_an_experiment_that_cannot_be_read_says_what_to_do() -> None:
    project = _project(experiment={"start": "2026-06-15"})
    tables, outcomes = read_tables(project, frames={"leads": _leads(project, 0.0, n=300)})
    with pytest.raises(InputError, match="horizon has passed"):
        analyse_experiment(tables, outcomes, project)
    other = _project(experiment={"arm": "group"})
    with pytest.raises(InputError, match="no column 'group'"):
        analyse_experiment(tables, outcomes, other)
