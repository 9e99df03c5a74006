import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from serving.worklist.language import words_of
from serving.worklist.model_page import render_model_page
from training.advice import Advice
from training.audit import AuditReport
from training.model_card import ModelCard
from training.small_data import Need

ROW = {"metric": "auc", "model": "<script>x</script>", "value": 0.81, "low": 0.78, "high": None}
CARD = ModelCard(
    trained_until=1_790_000_000_000_000,
    train_rows=900,
    train_conversions=90,
    test_rows=300,
    test_conversions=31,
    horizon_days=90.0,
    metrics=[ROW],
    verdicts=[],
    bands=[],
    tenths=[],
    curve=[{"promised": 0.1, "observed": 0.12, "low": 0.05, "high": 0.2, "n": 300}],
    slices=[],
    capacity=[],
    drift=[{"feature": "country", "psi": 0.31}],
    gains={"model": [[0.0, 0.0], [1.0, 1.0]]},
    candidates={
        "winner": "linear",
        "random_folds": [{"candidate": "linear", "log_loss": 0.31, "won": True}],
        "rounds": {"extra": [87, 48]},
        "tuning": {},
    },
    dropped={"purged": 12},
    notes=["country moved"],
)


def test_the_model_page_shows_every_part_of_the_card_and_runs_nothing() -> None:
    page = render_model_page(CARD, project="acme", version="7", audit=AuditReport((), {}, {}))
    for word in (
        "0.81",
        "0.78",
        "country",
        "purged",
        "logistic regression",
        "Reliability",
        "Gains",
        "Drift",
    ):
        assert word in page
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_conversions_are_counted_in_leads_not_in_their_snapshots() -> None:
    card = replace(
        CARD, train_leads=400, train_leads_converted=41, test_leads=150, test_leads_converted=17
    )
    page = re.sub(r"<[^>]*>", "", render_model_page(card, project="acme", version="7"))
    assert "400 leads, 41 conversions" in page
    assert "150 leads, 17 conversions" in page


def test_candidates_are_a_table_and_choices_are_lines() -> None:
    page = render_model_page(CARD, project="acme", version="7")
    tried = page[page.index('id="candidates"') : page.index('id="choices"')]
    assert re.findall(r"<th.*?<bdi>(.*?)</bdi>", tried) == [
        "judged on",
        "candidate",
        "log loss",
        "won",
    ]
    assert "<td><bdi>extra [87, 48]</bdi></td>" in page
    assert "tuning" not in page


def test_sections_without_rows_are_left_out() -> None:
    page = render_model_page(CARD, project="acme", version="7")
    assert "Leak report" not in page
    assert "Slices" not in page


CURVE = pd.DataFrame(
    {
        "conversions": [9.0, 31.0, 60.0],
        "log_loss": [0.4, 0.3, 0.28],
        "prior": [0.31, 0.31, 0.31],
        "gain": [-0.09, 0.01, 0.03],
        "error": [0.05, 0.02, 0.02],
        "judged": [90.0, 90.0, 90.0],
    }
)
SEGMENT = {
    "slice": "team",
    "rows": 300,
    "conversions": 40,
    "raw": 0.61,
    "shift": 0.5,
    "error": 0.2,
    "overlap": 0.97,
    "verdict": "more",
    "overlaps": True,
}
ADVICE = Advice(
    notes=("learning curve: about 70 more", "the level was left as it is"),
    shown=("learning curve: about 70 more",),
    curve=CURVE,
    need=Need("more", 60.0, 69.2),
    segments=pd.DataFrame(
        [
            {**SEGMENT, "segment": "<b>north</b>"},
            {
                **SEGMENT,
                "segment": "south",
                "verdict": "unproven",
                "overlap": 0.2,
                "overlaps": False,
                "shift": -0.1,
            },
        ]
    ),
)


def advised() -> ModelCard:
    card = replace(CARD, notes=list(ADVICE.notes)).with_advice(ADVICE)
    return ModelCard.from_json(card.to_json())


def test_the_learning_curve_and_the_segments_travel_with_the_card() -> None:
    card = advised()
    assert card.learning == CURVE.to_dict("records")
    assert card.need == {"standing": "more", "conversions": 60.0, "more": 69.2}
    assert [row["segment"] for row in card.segments] == ["<b>north</b>", "south"]
    assert card.notes == ["the level was left as it is"]  # what is drawn is not said twice


def test_the_page_draws_the_learning_curve_with_its_interval_and_says_what_is_needed() -> None:
    page = render_model_page(advised(), project="acme", version="7")
    assert "About 70 more conversions are needed" in page
    drawn = page[page.index('id="learning"') :]
    drawn = drawn[: drawn.index("</figure>")]
    assert 'class="ribbon model"' in drawn
    assert drawn.count("<circle") == 3
    bare = render_model_page(CARD, project="acme", version="7")
    assert "Learning curve" not in bare
    assert "Segments" not in bare


def test_segments_are_told_in_words_with_error_and_overlap_warning() -> None:
    page = render_model_page(advised(), project="acme", version="7")
    table = page[page.index('id="segments"') :]
    north, south = re.findall(r"<tr><td>.*?</tr>", table, flags=re.DOTALL)[:2]
    assert "&lt;b&gt;north&lt;/b&gt;" in north
    assert "0.5 ± 0.2" in north
    assert "more often than promised" in north
    assert "cannot be told apart" not in north
    assert "−0.1 ± 0.2" in south
    assert "20%" in south
    assert "cannot be told apart" in south


NEEDS = [("proven", 0.0), ("more", 1.0), ("more", 1234.5), ("rising", None), ("flat", None)]


@pytest.mark.parametrize("language", ["en", "it", "fr", "fa"])
@pytest.mark.parametrize(("standing", "more"), NEEDS)
def test_every_language_says_what_is_needed(
    language: str, standing: str, more: float | None
) -> None:
    need = {"standing": standing, "conversions": 60.0, "more": more}
    card = replace(CARD, need=need)
    page = render_model_page(card, project="acme", version="7", language=language)
    figure = page[page.index('id="learning"') :]
    said = re.search(r"<p>(.*?)</p>", figure).group(1)
    number = words_of(language).number({1.0: 1, 1234.5: 1235}.get(more, 60))
    assert f"{number}" in said
    assert f'<html lang="{language}" dir="{words_of(language).direction}"' in page
    if language != "en":
        assert "base rate" not in said


CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
SIGHTS = [("en", 1280, "dark"), ("it", 360, "light"), ("fr", 360, "dark"), ("fa", 360, "light")]


@pytest.mark.chromium
@pytest.mark.parametrize(("language", "width", "scheme"), SIGHTS)
def test_the_model_page_fits_and_can_be_read(
    browser: Any, tmp_path: Path, language: str, width: int, scheme: str
) -> None:
    file = tmp_path / "model.html"
    text = render_model_page(advised(), project="acme", version="7", language=language)
    file.write_text(text, encoding="utf-8")
    faults: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.on("console", lambda message: faults.append(message.text))
    page.on("requestfailed", lambda request: faults.append(request.url))
    page.goto(file.as_uri())
    wide, inside = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= inside
    assert page.evaluate(CONTRAST) == []
    assert page.locator("#learning").is_visible()
    assert page.locator("figure:has(#learning) svg.chart path.ribbon").count() == 1
    assert not page.locator("#segments").is_visible()  # tables are folded
    page.locator("nav a[href='#segments']").click()
    assert page.locator("#segments").is_visible()
    assert page.locator("#segments tbody tr").count() == 2
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert faults == []
    page.close()
