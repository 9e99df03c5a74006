"""Every result shows itself in a notebook: whole, without a script, and text stays text."""

from __future__ import annotations

import re

import pandas as pd
import pytest

import leadscore as ls
from leadscore.shown import Showable, Shown, cell, render, table_of
from tests.leadscore.conftest import Trained

HOSTILE = "<img src=x onerror=alert(1)>&\"'\n</style><script>alert(2)</script>"


def html_of(result: object) -> str:
    return result._repr_html_()  # type: ignore[attr-defined,no-any-return]


@pytest.fixture(scope="module")
def results(trained: Trained) -> list[Showable]:
    crm, model = trained.crm, trained.model
    model = ls.load(crm)
    scores = model.score(crm, keep=True)
    return [
        trained.company,
        crm,
        trained.model,
        trained.published,
        model,
        ls.check(crm),
        model.evaluate(crm),
        ls.monitor(crm),
        model.explain(crm, scores["lead_id"].iloc[0], since="2026-10-15"),
        ls.write_back(crm, dry_run=True),
        ls.experiments.analyse(crm.__class__(trained.company.read()._session, crm._reading)),
    ]


def test_every_result_is_a_line_of_text_and_a_page(results: list[Showable]) -> None:
    for result in results:
        assert re.fullmatch(r"<[^\n]{10,320}>", repr(result))
        html = html_of(result)
        assert html.startswith('<div class="leadscore">')
        assert "<script" not in html
        assert not re.search(r"https?://|url\(|@import", html)
        assert "prefers-color-scheme: dark" in html


def test_a_model_shows_candidates_ranges_and_reliability(trained: Trained) -> None:
    html = html_of(trained.model)
    assert "Candidates, judged out of fold" in html
    assert re.search(r"\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\)", html)
    assert html.count('<svg class="chart"') == 2


def test_a_model_of_day_one_shows_itself_and_draws_nothing() -> None:
    rows = 40
    leads = pd.DataFrame(
        {
            "id": [f"L{i}" for i in range(rows)],
            "created": pd.date_range("2026-01-01", periods=rows, freq="D"),
            "won": pd.NaT,
            "size": [float(i % 7) for i in range(rows)],
        }
    )
    project = {
        "project": {"name": "young", "observed_until": "2026-03-01"},
        "leads": {
            "id": "id",
            "created_at": "created",
            "converted_at": "won",
            "fixed": ["size"],
        },
        "conversion": {"horizon": "14d"},
        "qualification": {"icp": [{"when": "size >= 3"}]},
    }
    model = ls.train(ls.read(project, leads=leads, threads=1))
    assert model.winner == "rule"
    assert repr(model).endswith("tested on none>")
    assert "may not be registered" in html_of(model)
    assert model.metrics.empty
    assert "model" in model.metrics
    assert model.verdicts.empty
    assert "verdict" in model.verdicts
    for draw in (ls.plot_gains, ls.plot_reliability):
        with pytest.raises(ls.InputError, match="tested on no row"):
            draw(model)


def test_an_explanation_shows_the_waterfall_and_the_change(results: list[Showable]) -> None:
    told = next(each for each in results if isinstance(each, ls.ExplainedLead))
    html = html_of(told)
    assert html.count('class="wbar"') == len(told.points) + 1
    assert re.search(rf": {told.score_before} → [^<]*: {told.score}<", html)


def test_hostile_text_of_the_crm_does_not_become_markup(trained: Trained) -> None:
    company, old = trained.company, trained.model.score(trained.crm)["lead_id"].iloc[0]
    tables = {
        name: [frame.replace({"lead_id": {old: HOSTILE}}) for frame in frames]
        if isinstance(frames, list)
        else frames.replace({"lead_id": {old: HOSTILE}})
        for name, frames in company.frames.items()
    }
    tables["leads"] = tables["leads"].assign(**{HOSTILE: "x"})
    crm = ls.read(company.project, **tables, threads=1)
    for result in (trained.model.explain(crm, HOSTILE), ls.check(crm)):
        assert_is_text(html_of(result))


def test_hostile_text_anywhere_in_a_result_does_not_become_markup() -> None:
    frame = pd.DataFrame({HOSTILE: [HOSTILE, None]})
    shown = Shown(HOSTILE, HOSTILE, ((HOSTILE, HOSTILE),), (HOSTILE,), (), (table_of(frame),))
    assert_is_text(render(shown))


def assert_is_text(html: str) -> None:
    assert "<img" not in html
    assert "<script" not in html
    assert html.count("</style>") == 1
    assert "&lt;img src=x" in html


def test_a_long_table_says_what_it_leaves_out() -> None:
    table = table_of(pd.DataFrame({"n": range(100)}))
    assert len(table.rows) + table.left_out == 100
    assert "and 40 more" in render(Shown("t", "s", tables=(table,)))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (True, "yes"),
        (1234567, "1,234,567"),
        (0.00012345, "0.0001234"),
        (pd.Timestamp("2026-11-01", tz="UTC"), "2026-11-01"),
        (("a", "b"), "a, b"),
        ("x", "x"),
    ],
)
def test_a_cell_is_written_for_a_person(value: object, words: str) -> None:
    assert cell(value) == words
