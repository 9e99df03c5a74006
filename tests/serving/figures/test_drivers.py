"""What moves scores: exact, of a fixed sample, bounded in size, and of nobody in particular."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.explain.reasons import reason_table
from models.predictor import LeadScorer
from serving.figures.drivers import LEVELS, SAMPLE, SHOWN, find_drivers
from serving.worklist.model_page import render_model_page


@pytest.fixture(scope="module")
def found(source):
    return find_drivers(source.model, source.scored, seed=3)


def test_dots_are_the_points_that_reasons_are_made_of(source, found):
    assert found.sample == min(SAMPLE, found.leads) == len(found.factors[0].points)
    assert len(found.factors) <= SHOWN
    rng = np.random.default_rng([3, 97])
    chosen = np.sort(rng.permutation(np.flatnonzero(source.scored.shown))[:SAMPLE])
    table = reason_table(source.model.scorer, source.scored.frame.take(chosen).to_pandas())
    exact = dict(zip(table.factors, table.points.exact.T, strict=True))
    for each in found.factors:
        assert np.allclose(each.points, exact[each.feature.factor], atol=0.0051)
        assert each.mean == pytest.approx(np.abs(exact[each.feature.factor]).mean())
    every = sum(np.abs(points).mean() for points in exact.values())
    shown = sum(each.mean for each in found.factors) + found.of_others
    assert 0.95 * every < shown < every + 1e-9  # what is kept private is left out
    means = [each.mean for each in found.factors]
    assert means == sorted(means, reverse=True)


def test_colours_follow_the_values(found):
    ordered = 0
    for each in found.factors:
        known = [level for level in each.levels if level is not None]
        assert all(0 <= level < LEVELS for level in known)
        assert (each.feature.kind == "category") <= (not known)
        ordered += len(known) > 0
    assert ordered >= 3


def test_the_same_seed_draws_the_same_leads(source, found):
    again = find_drivers(source.model, source.scored, seed=3)
    assert again == found
    if found.sample < found.leads:
        assert find_drivers(source.model, source.scored, seed=4) != found


def test_rates_beside_the_points_are_those_of_training(source, found):
    assert found.dependences
    for each in found.dependences:
        counted = source.model.facts.table[each.feature.name]
        assert each.typical == source.model.facts.typical
        rates = [group.rate for group in each.groups if group.rate is not None]
        pairs = counted.bins if each.feature.kind == "number" else counted.levels.values()
        assert set(rates) <= {rate for _, rate in [*pairs, counted.missing]}
        assert any(group.points is not None for group in each.groups)


def test_what_is_sensitive_is_left_out(source, found):
    scorer = source.model.scorer
    first = found.factors[0].feature.factor
    meta = replace(scorer.parts.meta, sensitive=(first,))
    hidden = LeadScorer(replace(scorer.parts, meta=meta), scorer.forest_text)
    shown = find_drivers(replace(source.model, scorer=hidden), source.scored, seed=3)
    named = {each.feature.factor for each in (*shown.factors, *shown.dependences)}
    named |= {x.factor for pair in shown.pairs for x in (pair.first, pair.second)}
    assert first not in named


def test_the_page_names_no_lead_and_stays_small(source, found):
    labels = source.project.report.words
    card = source.model.card
    page = render_model_page(card, project="p", version="1", drivers=found, labels=labels)
    bare = render_model_page(card, project="p", version="1")
    assert len(page) - len(bare) < 150_000
    drawn = page[page.index('id="drivers"') :]
    assert "<title" not in drawn
    ids = source.scored.table["lead_id"].astype(str)
    assert not [lead for lead in ids if lead in drawn]


def test_a_run_without_a_score_that_may_be_shown_has_no_drivers(source):
    held = np.full(len(source.scored.held), "without", object)
    assert find_drivers(source.model, replace(source.scored, held=held), seed=0) is None
