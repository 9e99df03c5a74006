"""`check` and `train` judge alike: what stops one stops the other, in the same words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import GateError, LeadScoreError
from models.winners import RULE
from serving.check import check_project
from serving.session import open_session
from serving.verbs import learn
from training.trained_model import TrainedModel

N = 120


def static_leads(seed: int = 0, rate: float = 0.3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    won = rng.random(N) < rate
    columns = {f"x{i}": rng.normal(size=N) + 0.8 * won * (i < 3) for i in range(5)}
    return pd.DataFrame(
        {"id": [f"L{i}" for i in range(N)], "won": np.where(won, "yes", "no"), **columns}
    )


def dated_leads(seed: int = 0, days: int = 300) -> pd.DataFrame:
    leads = static_leads(seed)
    rng = np.random.default_rng(seed + 1)
    created = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.random(N) * days, unit="D")
    won = created + pd.to_timedelta(1 + 9 * rng.random(N), unit="D")
    return leads.assign(created=created, won=won.where(leads["won"] == "yes"))


STATIC = {
    "project": {"name": "odd"},
    "leads": {"source": "leads", "id": "id", "converted": "won"},
    "conversion": {},
}
DATED = {
    "project": {"name": "odd"},
    "leads": {
        "source": "leads",
        "id": "id",
        "created_at": "created",
        "converted_at": "won",
        "fixed": [f"x{i}" for i in range(5)],
    },
    "conversion": {"horizon": "30d", "snapshots": ["1d"]},
}


def changed(base: dict, **values: object) -> dict:
    """Change keys, written section__key."""
    raw = {name: dict(section) for name, section in base.items()}
    for key, value in values.items():
        section, _, name = key.partition("__")
        raw.setdefault(section, {})[name] = value
    return raw


def first_converted(n: int) -> pd.DataFrame:
    return static_leads().assign(won=["yes"] * n + ["no"] * (N - n))


def waiver(column: str, detector: str) -> dict:
    signed = {"owner": "Ada", "reason": "looked at by hand", "date": "2024-01-01"}
    return {**STATIC, "waivers": [{"column": column, "detector": detector, **signed}]}


ONLY_ID = static_leads()[["id", "won"]]
LEAK = ONLY_ID.assign(closed=np.where(ONLY_ID["won"] == "yes", 5.0, 1.0) + np.arange(N) / 1e4)
ODD: dict[str, tuple[dict, pd.DataFrame]] = {
    "fine": (STATIC, static_leads()),
    "nobody converted": (STATIC, static_leads(rate=0)),
    "everybody converted": (STATIC, static_leads(rate=2)),
    "two conversions": (STATIC, first_converted(2)),
    "five conversions": (STATIC, first_converted(5)),
    "no column": (STATIC, ONLY_ID),
    "constant columns": (STATIC, ONLY_ID.assign(a=1, b="x")),
    "a leak and nothing else": (STATIC, LEAK),
    "a leak among others": (STATIC, static_leads().assign(closed=LEAK["closed"])),
    "three rows": (STATIC, static_leads().iloc[:3].assign(won=["yes", "no", "no"])),
    "one account": (changed(STATIC, leads__account="team"), static_leads().assign(team="a")),
    "two accounts": (
        changed(STATIC, leads__account="team"),
        static_leads().assign(team=["a", "b"] * (N // 2)),
    ),
    "one order for all": (changed(STATIC, project__order_by="t"), static_leads().assign(t=7)),
    "ordered": (changed(STATIC, project__order_by="t"), static_leads().assign(t=np.arange(N))),
    "outcomes only at the end": (
        changed(STATIC, project__order_by="t"),
        static_leads().assign(t=np.arange(N), won=["no"] * (N - 20) + ["yes"] * 20),
    ),
    "a test of no row": (changed(STATIC, train__test_share=0.001), static_leads()),
    "a test of nearly all": (changed(STATIC, train__test_share=0.89), static_leads()),
    "a waiver of an id": (waiver("id", "S1"), static_leads()),
    "a waiver of no detector": (waiver("x0", "S77"), static_leads()),
    "an idle waiver": (waiver("x0", "S1"), static_leads()),
    "a sensitive column misspelt": (changed(STATIC, train__sensitive=["x00"]), static_leads()),
    "no flag": (changed(STATIC, leads__converted="x0"), static_leads()),
    "dated": (DATED, dated_leads()),
    "no horizon passed": (changed(DATED, conversion__horizon="400d"), dated_leads()),
    "half a horizon passed": (changed(DATED, conversion__horizon="170d"), dated_leads()),
    "young leads only": (DATED, dated_leads(days=20)),
    "snapshots after the end": (changed(DATED, conversion__snapshots=["250d"]), dated_leads()),
    "weekly": (changed(DATED, conversion__snapshots="weekly"), dated_leads()),
    "observed long after": (changed(DATED, project__observed_until="2026-01-01"), dated_leads()),
    "no fixed column": (changed(DATED, leads__fixed=[]), dated_leads()),
    "the conversion as a feature": (changed(DATED, leads__fixed=["won"]), dated_leads()),
    "a fixed column that is not there": (changed(DATED, leads__fixed=["x9"]), dated_leads()),
    "a rule of facts and scores": (
        changed(
            DATED,
            qualification__stages=[
                {"name": "lead"},
                {"name": "warm", "when": "x0 > 1 and band = 'A' and score >= 70 and age_days < 9"},
            ],
        ),
        dated_leads(),
    ),
    "a rule that names no fact": (
        changed(
            DATED,
            qualification__stages=[{"name": "lead"}, {"name": "warm", "when": "X0 > 1"}],
        ),
        dated_leads(),
    ),
    "static with a horizon": (changed(STATIC, conversion__horizon="30d"), static_leads()),
}


def said(action) -> tuple[int, str]:
    """Run a verb: (exit code, what it was refused by)."""
    try:
        found = action()
    except LeadScoreError as error:
        return error.exit_code, str(error)
    if isinstance(found, TrainedModel) and found.candidates["winner"] == RULE:
        return GateError.exit_code, str(found.shortfall)
    refusals = getattr(getattr(found, "judgement", None), "refusals", ())
    return (refusals[0].exit_code, str(refusals[0])) if refusals else (0, "")


@pytest.mark.parametrize("name", ODD)
def test_what_stops_train_stops_check_in_the_same_words(name: str, tmp_path: Path, quiet) -> None:
    raw, leads = ODD[name]

    def opened():
        session = open_session(
            {**raw, "folder": str(tmp_path)}, frames={"leads": leads}, state=tmp_path, threads=1
        )
        return session, session.read()

    checked = said(lambda: check_project(*opened(), on_stage=quiet))
    trained = said(lambda: learn(*opened(), None, fast=True, learner="logistic", on_stage=quiet))
    assert checked == trained


def test_a_rule_that_names_no_fact_is_refused_before_a_model_is_trained() -> None:
    """Found by a manager: `score` refused a stage of which `check` and `train` said nothing."""
    raw, leads = ODD["a rule that names no fact"]
    session = open_session(raw, frames={"leads": leads})
    with pytest.raises(LeadScoreError, match="did you mean x0"):
        check_project(session, session.read(), on_stage=lambda _: None)
