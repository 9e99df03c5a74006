import copy
import json
import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.note import Note
from models.predictor import FeatureColumn
from serving.figures.drivers import Dependence, FactorDots, FactorPair, ModelDrivers, ValueGroup
from serving.worklist.driver_words import why_it_won
from serving.worklist.language import words_of
from serving.worklist.model_page import render_model_page
from serving.worklist.word_catalogues import languages
from training.advice import Advice, level_notes
from training.audit import AuditReport
from training.evaluate import base_rates
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
    drawn = page[page.index('id="learning-curve"') :]
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


def feature(name: str, template: str, kind: str = "number", **params: Any) -> FeatureColumn:
    return FeatureColumn(name, kind, "engagement", name, name, template, params)  # type: ignore[arg-type]


def drivers() -> ModelDrivers:
    rng = np.random.default_rng(5)
    columns = [
        feature("pricing_page", "count_window", event="pricing_page", days=7),
        feature("activity", "decayed_count", half_life=3),
        feature("industry", "attribute", "category", column="industry"),
        feature("<b>x</b> a very long name of a field that somebody made up", "attribute"),
    ]
    factors = [
        FactorDots(
            column,
            4.0 - i,
            tuple(np.round(rng.normal(0, 6 - i, 300), 2).tolist()),
            tuple((None if column.kind == "category" else int(x)) for x in rng.integers(0, 5, 300)),
        )
        for i, column in enumerate(columns)
    ]
    counts = [(0, 1, 0.02), (1, 2, 0.05), (2, 4, 0.09), (4, 24, None)]
    counted = [
        ValueGroup(200, rate, 3.0 * i - 4, least=least, most=most)
        for i, (least, most, rate) in enumerate(counts)
    ]
    levels = [
        ValueGroup(90, 0.2, 2.4, level="software"),
        ValueGroup(90, 0.1, -2.4, level="</svg>"),
        ValueGroup(50, 0.03, None),
    ]
    dependences = (
        Dependence(columns[0], 0.07, tuple(counted), whole=True),
        Dependence(columns[2], 0.07, tuple(levels)),
    )
    pairs = (FactorPair(columns[0], columns[2], 1.2), FactorPair(columns[1], columns[3], 0.4))
    return ModelDrivers(800, 300, tuple(factors), 3, 1.4, dependences, pairs, additive=False)


def test_what_moves_scores_is_drawn_and_named() -> None:
    page = render_model_page(CARD, project="acme", version="7", drivers=drivers())
    drawn = page[page.index('<h2 id="drivers"') : page.index("<h2>Reliability")]
    assert "A sample of 300 of 800" in drawn
    swarm = drawn[drawn.index("Each factor, lead by lead") : drawn.index("How scores hang")]
    dots = re.findall(r'class="dots lv." d="([^"]*)"', swarm)
    assert sum(path.count("M") for path in dots) == 1200
    for words in ("Pricing page", "Activity of every kind", "Industry", "Which two act together"):
        assert words in drawn
    assert "Pricing page</bdi> × <bdi>Industry" in drawn
    columns = drawn[drawn.index("in the last 7 days") :]
    written = re.findall(r'class="tm ">([^<]*)<', columns)
    assert written[:4] == ["0", "1", "2–3", "4–23"]
    assert "<b>x" not in drawn
    assert "</svg></text>" not in drawn


def test_a_model_that_adds_up_says_that_no_two_factors_act_together() -> None:
    plain = replace(drivers(), pairs=(), additive=True)
    page = render_model_page(CARD, project="acme", version="7", drivers=plain)
    assert "No two factors act together" in page
    faint = replace(plain, additive=False, faint=True)
    page = render_model_page(CARD, project="acme", version="7", drivers=faint)
    assert "Hardly any two factors" in page
    other = replace(plain, additive=False)
    page = render_model_page(CARD, project="acme", version="7", drivers=other)
    assert "act together" not in page


def row(name: str, loss: float, behind: float, error: float = 0.002) -> dict[str, object]:
    figures = {"log_loss": loss, "behind": behind, "standard_error": error, "between": error}
    return {"candidate": name, **figures}


DEFAULT_ROW = row("linear + extra + boosted", 0.30, 0.0, 0.0)
CHOICES = [
    (
        "linear",
        [row("linear", 0.299, -0.001), row("extra", 0.298, -0.002), DEFAULT_ROW],
        "simplest",
    ),
    ("extra", [row("linear", 0.31, 0.01), row("extra", 0.29, -0.01), DEFAULT_ROW], "better than"),
    ("linear + extra + boosted", [row("linear", 0.31, 0.01), DEFAULT_ROW], "unless another"),
    ("linear", [row("linear", 0.3, 0.0)], "only candidate"),
    ("constant", [], "base rate"),
]


@pytest.mark.parametrize(("winner", "rows", "said"), CHOICES)
def test_why_the_winner_won_is_said_in_every_language(
    winner: str, rows: list[dict[str, object]], said: str
) -> None:
    report = {"winner": winner, "forward_folds": None, "random_folds": rows}
    english = "".join(why_it_won(report, words_of("en")))
    assert said in english
    for language in ("it", "fr", "fa"):
        told = why_it_won(report, words_of(language))
        assert told
        assert said not in "".join(told)


def test_notes_of_the_learner_are_said_in_the_language_of_the_page() -> None:
    figures = {"rows": 90, "observed": 12.0, "expected": 7.5, "lasting": 0.4, "taken": 0.25}
    notes = level_notes(figures)
    notes += [base_rates(np.array([0, 1] * 50), None, np.array([0, 0, 1] * 30), None)]
    card = replace(CARD, notes=[*notes, "of an earlier version"])
    card = ModelCard.from_json(card.to_json())
    assert [str(note) for note in card.notes] == [*map(str, notes), "of an earlier version"]
    for language in languages():
        page = render_model_page(card, project="acme", version="7", language=language)
        said = page[page.index('class="said-notes"') :].partition("</ul>")[0]
        assert ("newest fifth" in said) == ("converted in training" in said) == (language == "en")
        assert "of an earlier version" in said
        assert str(words_of(language).number(0.25, 2)) in said
        assert str(words_of(language).percent(0.5, 1)) in said


def test_a_note_survives_every_way_of_copying() -> None:
    inner = Note("{share:.0%} of the model stays", share=0.25)
    note = Note("{why}; {more}", why="cut", more=inner)
    pickled = pickle.loads(pickle.dumps(note))  # noqa: S301  # our own
    for copied in (copy.deepcopy(note), pickled, Note.of_plain(note.plain())):
        assert (copied, copied.values["more"].msgid) == (note, inner.msgid)
    assert json.loads(json.dumps([note])) == ["cut; 25% of the model stays"]


CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
SIGHTS = [("en", 1280, "dark"), ("it", 360, "light"), ("fr", 360, "dark"), ("fa", 360, "light")]


@pytest.mark.chromium
@pytest.mark.parametrize(("language", "width", "scheme"), SIGHTS)
def test_the_model_page_fits_and_can_be_read(
    browser: Any, tmp_path: Path, language: str, width: int, scheme: str
) -> None:
    file = tmp_path / "model.html"
    text = render_model_page(
        advised(), project="acme", version="7", drivers=drivers(), language=language
    )
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
    assert page.locator("figure:has(#learning-curve) svg.chart path.ribbon").count() == 1
    assert not page.locator("#segments").is_visible()  # tables are folded
    page.locator("nav a[href='#figures']").click()
    assert page.locator("#figures").is_visible()
    page.evaluate("location.hash = '#segments'")
    assert page.locator("#segments").is_visible()
    assert page.locator("#segments tbody tr").count() == 2
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert faults == []
    page.close()


def test_a_manager_reads_plain_words_and_the_figures_of_the_training_are_folded_away() -> None:
    until = 1_796_079_600_000_000  # 23:00 UTC
    card = replace(CARD, trained_until=until, metrics=[{**ROW, "model": "model"}])
    page = render_model_page(card, project="acme", version="7", zone="Europe/Rome")
    plain, behind = page.split("For data scientists</h2>")
    for word in ("log loss", "Shapley", "folds", "slope", "Training rows", "country moved"):
        assert word not in plain, word
    assert "country moved" in behind
    assert "Of two leads, it ranks the better one first" in plain
    assert "Dec 1, 2026 12:00" in plain
