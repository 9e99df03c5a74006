"""No point and no sentence comes from a value that training has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.project import check_project
from data.reading.read_tables import read_tables
from models.explain.observed_rates import ObservedRates, make_facts
from models.explain.points import Explanation
from models.explain.reasons import reason_table
from models.fit.learner import LeadClassifier
from models.predictor import LeadScorer
from tests.fakes.explained import explanations_of
from training.dataset import Dataset, make_dataset

N = 900
CYCLES = {"created_month": 12, "created_weekday": 7, "created_hour": 24}


def dataset_of(seed: int, days: int, *, weekdays: int = 7, hours: int = 24) -> Dataset:
    """A company of so many days of history that works so many days a week and hours a day."""
    rng = np.random.default_rng(seed)
    day = pd.Timestamp("2024-02-05") + pd.to_timedelta(rng.integers(0, days, N), "D")
    day = day[day.day_of_week < weekdays]
    created = day + pd.to_timedelta(rng.integers(0, hours, len(day)), "h")
    won = created + pd.to_timedelta(rng.uniform(1, 20, len(day)), "D")
    leads = pd.DataFrame(
        {
            "id": [f"L{i}" for i in range(len(day))],
            "created": created,
            "won": pd.Series(won).where(rng.random(len(day)) < 0.3),
            "source": rng.choice(np.array(["web", "fair"], object), len(day)),
        }
    )
    project = check_project(
        {
            "project": {"name": "t", "observed_until": str(created.max() + pd.Timedelta(30, "D"))},
            "leads": {
                "source": "l.csv",
                "id": "id",
                "created_at": "created",
                "converted_at": "won",
                "fixed": ["source"],
            },
            "conversion": {"horizon": "14d", "snapshots": ["0d"]},
        }
    )
    tables, outcomes = read_tables(project, frames={"leads": leads})
    return make_dataset(project, tables, outcomes, threads=1)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    days=st.integers(40, 1000),
    weekdays=st.integers(5, 7),
    hours=st.sampled_from([9, 24]),
)
def test_the_calendar_is_a_feature_only_where_training_holds_the_whole_of_it(
    seed, days, weekdays, hours
):
    dataset = dataset_of(seed, days, weekdays=weekdays, hours=hours)
    seen = dataset.rows(dataset.cut.train)
    created = [name for name in seen if str(name).startswith("created_")]
    assert {name: seen[name].nunique() for name in created} == {n: CYCLES[n] for n in created}


def test_two_years_of_training_keep_the_month_and_less_does_not():
    assert "created_month" in dataset_of(1, 1000).frame.to_pandas()
    assert "created_month" not in dataset_of(1, 800).frame.to_pandas()
    assert {"created_weekday", "created_hour"} <= set(dataset_of(1, 300).frame.to_pandas())


@dataclass(frozen=True, slots=True)
class Fitted:
    frame: pd.DataFrame
    scorer: LeadScorer
    facts: ObservedRates

    def explain(self, frame: pd.DataFrame) -> list[Explanation]:
        table = reason_table(self.scorer, frame, facts=self.facts)
        ids = [str(i) for i in range(len(frame))]
        return explanations_of(table, frame, lead_ids=ids)


@pytest.fixture(scope="module", params=["auto", "logistic", "trees"])
def fitted(request) -> Fitted:
    rng = np.random.default_rng(5)
    source = rng.choice(np.array(["web", "fair", "partner", "phone"], object), 1500)
    size, budget = rng.lognormal(3, 1, 1500), rng.lognormal(9, 1, 1500)
    effect = pd.Series(source).map({"web": -1.5, "fair": 0.0, "partner": 1.5, "phone": 0.5})
    blank = rng.random(1500) < 0.3
    margin = effect + np.log(size) - 3.5
    if request.param == "trees":  # no line: what sizes do turns round, and so does what lacks
        margin = 2 * effect * np.sign(np.log(size) - 3) + 2 * (blank & (size > 20)) - 1
    y = rng.random(1500) < 1 / (1 + np.exp(-margin))
    frame = pd.DataFrame(
        {"source": source, "size": size, "budget": pd.Series(budget).mask(blank), "city": source}
    )
    frame["city"] = rng.choice(np.array(["Rome", "Pisa", "Turin"], object), 1500)
    chosen = "auto" if request.param == "trees" else request.param
    learner = LeadClassifier(random_state=1, fast=True, learner=chosen)
    learner.fit(frame, y.astype(int))
    parts, texts = learner.parts()
    assert request.param != "trees" or texts
    return Fitted(frame, LeadScorer(parts, texts), make_facts(frame, y, parts.features))


def shown(explanations: list[Explanation]) -> set[tuple[str, object]]:
    """Say which features are named, with which value."""
    return {
        (reason.factor, reason.params["value"])
        for each in explanations
        for reason in (*each.reasons_for, *each.reasons_against)
    }


@settings(max_examples=8, deadline=None)
@given(
    level=st.text(min_size=1, max_size=12),
    other=st.text(min_size=1, max_size=12),
    rows=st.integers(0, 1400),
)
def test_a_level_that_training_has_not_seen_is_not_named_and_has_no_effect_of_its_own(
    fitted, level, other, rows
):
    seen = set(fitted.frame["source"])
    frame = fitted.frame.iloc[rows : rows + 50]
    unseen, another = (
        frame.assign(source=word if word not in seen else f"{word} 2") for word in (level, other)
    )
    assert not [value for factor, value in shown(fitted.explain(unseen)) if factor == "source"]
    assert [v for factor, v in shown(fitted.explain(frame)) if factor == "source"]
    np.testing.assert_array_equal(fitted.scorer.margin(unseen), fitted.scorer.margin(another))
    for each in fitted.explain(unseen):  # what is not named still counts
        whole = sum(r.points for r in (*each.reasons_for, *each.reasons_against))
        assert (
            each.typical + whole + each.unseen_points + each.rest_points + each.limit_points
            == each.score
        )


def test_a_missing_value_says_something_only_where_training_had_some(fitted):
    frame = fitted.frame.iloc[:300].assign(size=np.nan, source=None, budget=np.nan)
    named = {factor for factor, _ in shown(fitted.explain(frame))}
    assert not named & {"size", "source"}
    design = fitted.scorer.design(frame)
    for column, encoder in enumerate(fitted.scorer.encoders):
        if encoder.name == "size":
            assert design[:, column] == pytest.approx(fitted.frame["size"].median())
        if encoder.name == "budget":
            assert np.isnan(design[:, column]).all()


@settings(max_examples=10, deadline=None)
@given(beyond=st.floats(1.0, 1e9), name=st.sampled_from(["size", "budget"]))
def test_a_number_beyond_what_training_saw_gets_the_points_of_its_nearest(fitted, beyond, name):
    frame, seen = fitted.frame.iloc[:200], fitted.frame[name]
    for end, far in ((seen.max(), seen.max() + beyond), (seen.min(), seen.min() - beyond)):
        at_end = fitted.scorer.contributions(frame.assign(**{name: end}))
        further = fitted.scorer.contributions(frame.assign(**{name: far}))
        np.testing.assert_array_equal(at_end.values, further.values)
