"""What the forecast expects is shared out among open leads, and old ones count by their age."""

from __future__ import annotations

import numpy as np
import pytest

from data.clock import DAY
from data.labels import open_snapshots
from features.catalogue import oldest_age
from serving.figures.forecast import forecast_project
from serving.figures.forecast_shares import AgedLeads, count_old_by_age, share_out
from tests.serving.conftest import Company


def test_old_leads_add_up_to_what_leads_of_their_age_did_and_young_ones_keep_their_chance(
    company: Company,
) -> None:
    project, tables = company.session.project, company.reading.tables
    outcomes = company.reading.outcomes
    leads = open_snapshots(tables, outcomes, tables.observed_until)
    promised = np.random.default_rng(4).uniform(0.05, 0.5, len(leads))
    counted = count_old_by_age(tables, outcomes, project, leads, promised)
    aged, oldest = AgedLeads.of(tables, outcomes, project, leads), oldest_age(project)
    assert oldest is not None
    old = aged.ages > oldest / DAY
    assert 0 < old.sum() < len(old)
    np.testing.assert_array_equal(counted[~old], promised[~old])
    assert counted[old].sum() == pytest.approx(aged.within(aged.left)[old].sum())
    ratio = counted[old] / promised[old]  # the order among them stays
    np.testing.assert_allclose(ratio, ratio[0])


def test_shares_add_up_to_the_forecast(company: Company) -> None:
    project, tables = company.session.project, company.reading.tables
    outcomes = company.reading.outcomes
    leads = open_snapshots(tables, outcomes, tables.observed_until)
    chances = np.random.default_rng(4).uniform(0.01, 0.2, len(leads))
    expected = {
        row.days: row.from_open.value for row in forecast_project(tables, outcomes, leads).rows
    }
    shares = share_out(tables, outcomes, project, leads, chances, expected)
    for days, total in expected.items():
        assert shares[days].sum() == pytest.approx(total)
    none = leads.take(np.empty(0, np.int64))
    assert share_out(tables, outcomes, project, none, chances[:0], expected)[30].shape == (0,)
