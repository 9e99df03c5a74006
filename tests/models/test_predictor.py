"""The predictor: what it refuses, how it encodes, and that its figures hang together."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.predictor import (
    BetaCalibration,
    BlendCalibration,
    Calibration,
    CalibrationPoints,
    CodeEncoder,
    IdentityCalibration,
    InterceptCalibration,
    IntervalOffsets,
    LeadScorer,
    LearnedEncoder,
    LevelsTerm,
    LogisticCalibration,
    ModelFacts,
    ModelParts,
    NumberEncoder,
    NumberTerm,
    PandasColumns,
    PredictorError,
    ScoreCard,
    SourceTerms,
    Term,
    bands_of,
    calibrate,
    calibrated_log_odds,
    card_exact,
    category_keys,
    columns_of,
    design_matrix,
    interval,
    logit,
    parse_json,
    read_calibration,
    read_encoder,
    read_term,
    shown_score,
    sigmoid,
)

CALIBRATIONS: list[Calibration] = [
    IdentityCalibration(),
    InterceptCalibration(-0.4),
    LogisticCalibration(0.8, 0.2),
    BetaCalibration(0.7, 1.2, -0.1),
    BlendCalibration(
        0.5,
        LogisticCalibration(1.1, 0.0),
        CalibrationPoints(np.array([-2.0, 0.0, 2.0]), np.array([0.1, 0.4, 0.8])),
    ),
]


@pytest.mark.parametrize("by", ["feature", "factor"])
def test_base_and_contributions_add_up_to_the_margin(
    scorer: LeadScorer, leads: Any, by: str
) -> None:
    frame, _ = leads(3000, 8)
    found = scorer.contributions(frame, by=by)
    gap = found.base + found.values.sum(axis=1) - found.margin
    assert np.abs(gap).max() < 1e-12
    assert np.array_equal(found.margin, scorer.margin(frame))


def test_factors_are_sums_of_their_features(scorer: LeadScorer, leads: Any) -> None:
    frame, _ = leads(500, 8)
    by_feature = scorer.contributions(frame, by="feature")
    by_factor = scorer.contributions(frame, by="factor")
    assert by_factor.names == ("pricing", "calls", "age", "size", "budget", "industry", "country")
    first_two = by_feature.values[:, :2].sum(axis=1)
    np.testing.assert_allclose(by_factor.values[:, 0], first_two, rtol=0, atol=1e-12)
    assert by_factor.base == pytest.approx(by_feature.base, abs=1e-12)


def test_a_linear_part_alone_and_a_forest_alone_are_models_too(handmade: Any, leads: Any) -> None:
    parts, texts = handmade
    frame, _ = leads(200, 1)
    alone = LeadScorer(replace(parts, forest=None))
    forest = LeadScorer(replace(parts, linear=None), texts)
    for scorer in (alone, forest):
        found = scorer.contributions(frame)
        assert np.abs(found.base + found.values.sum(axis=1) - found.margin).max() < 1e-12
    both = alone.margin(frame) + forest.margin(frame) - parts.offset
    np.testing.assert_allclose(LeadScorer(parts, texts).margin(frame), both, rtol=0, atol=1e-12)


def test_order_of_columns_and_extra_columns_mean_nothing(scorer: LeadScorer, leads: Any) -> None:
    frame, _ = leads(100, 2)
    shuffled = frame[list(frame.columns)[::-1]].assign(secret="x")
    assert np.array_equal(scorer.margin(shuffled), scorer.margin(frame))


def test_words_and_categoricals_of_any_level_order_score_the_same(
    scorer: LeadScorer, leads: Any
) -> None:
    frame, _ = leads(300, 2)
    words = frame.assign(industry=frame["industry"].astype(object))
    turned = frame["industry"].cat.reorder_categories(list(frame["industry"].cat.categories)[::-1])
    assert np.array_equal(scorer.margin(words), scorer.margin(frame))
    assert np.array_equal(scorer.margin(frame.assign(industry=turned)), scorer.margin(frame))


def test_one_row_scores_as_it_does_among_many(scorer: LeadScorer, leads: Any) -> None:
    frame, _ = leads(600, 2)
    many = scorer.contributions(frame)
    one = scorer.contributions(frame.iloc[17:18])
    assert np.array_equal(one.values[0], many.values[17])
    assert one.margin[0] == many.margin[17]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda f: f.drop(columns=["industry", "age_days"]), "2 of the 8 .*age_days, industry"),
        (lambda f: f.assign(age_days="old"), "column age_days: expected numbers"),
        (lambda f: f.assign(industry=1.0), "column industry: expected categories"),
        (lambda f: pd.concat([f, f[["age_days"]]], axis=1), "given twice: age_days"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused_by_name(
    scorer: LeadScorer, leads: Any, change: Any, named: str
) -> None:
    with pytest.raises(PredictorError, match=named):
        scorer.margin(change(leads(10, 2)[0]))


def test_a_frame_of_another_catalogue_is_refused(handmade: Any, leads: Any) -> None:
    parts, texts = handmade
    frame, _ = leads(10, 2)
    scorer = LeadScorer(replace(parts, meta=ModelFacts(fingerprint="abc")), texts)
    frame.attrs["fingerprint"] = "abc"
    scorer.margin(frame)
    frame.attrs["fingerprint"] = "def"
    with pytest.raises(PredictorError, match="another catalogue"):
        scorer.margin(frame)


def test_codes_targets_and_pairs_are_looked_up() -> None:
    frame = pd.DataFrame({"a": ["x", "y", None, "z"], "b": pd.Categorical(["p", None, "p", "q"])})
    columns = columns_of(frame)
    codes = CodeEncoder("a", "a", ("y", "x"))
    np.testing.assert_array_equal(codes.encode(columns), [1.0, 0.0, np.nan, 2.0])
    one = LearnedEncoder("rate", "target", ("a",), {"x": 0.5}, default=0.2, missing=0.1)
    np.testing.assert_array_equal(one.encode(columns), [0.5, 0.2, 0.1, 0.2])
    both = {"x\u001fp": 7.0}
    pair = LearnedEncoder("count", "count", ("a", "b"), both, default=0.0, missing=-1.0)
    np.testing.assert_array_equal(pair.encode(columns), [7.0, -1.0, -1.0, 0.0])
    found, keys = category_keys(columns, ["a", "b"])
    assert [keys[c] if c >= 0 else None for c in found] == ["x\u001fp", None, None, "z\u001fq"]


def test_a_design_reads_every_column_once(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"a": ["x", "y", None], "b": ["p", None, "p"], "n": [1.0, 2.0, np.nan]})
    values, asked = {"x\u001fp": 7.0}, list[str]()
    encoders = [
        CodeEncoder("a", "a", ("y", "x")),
        LearnedEncoder("ab", "target", ("a", "b"), values, default=0.0, missing=-1.0),
        LearnedEncoder("aba", "count", ("a", "b", "a"), values, default=0.0, missing=-1.0),
        NumberEncoder("n", "n"),
    ]
    alone = [encoder.encode(columns_of(frame)) for encoder in encoders]
    for read in ("number", "category"):
        usual = getattr(PandasColumns, read)

        def noted(self: PandasColumns, name: str, usual: Any = usual) -> Any:
            asked.append(name)
            return usual(self, name)

        monkeypatch.setattr(PandasColumns, read, noted)
    np.testing.assert_array_equal(design_matrix(frame, encoders), np.column_stack(alone))
    assert sorted(asked) == ["a", "b", "n"]


def linear_term(frame: pd.DataFrame, term: Term) -> np.ndarray:
    columns = columns_of(frame)
    values = SourceTerms(term.source, [term]).values(columns)
    np.testing.assert_allclose(term.values(columns), values, rtol=1e-15)  # in fitting, in scoring
    return values


def test_linear_terms_clip_scale_and_say_what_missing_is_worth() -> None:
    frame = pd.DataFrame({"x": [0.0, 10.0, 99.0, np.nan], "k": ["a", "b", None, "a"]})
    term = NumberTerm("x", 1.0, 2.0, coef=4.0, missing=0.3, mean=0.0, low=0.0, high=11.0)
    np.testing.assert_allclose(linear_term(frame, term), [-2.0, 18.0, 20.0, 0.3])
    raw = {"kind": "number", "source": "x", "center": 1, "scale": 2, "coef": 4, "missing": 0.3}
    logged = read_term({**raw, "mean": 0, "transform": "log1p", "low": None})
    np.testing.assert_allclose(linear_term(frame, logged)[1], 2.0 * (np.log(11) - 1.0))
    levels = LevelsTerm("k", {"a": 1.0}, other=-1.0, missing=0.5, mean=0.0)
    np.testing.assert_array_equal(linear_term(frame, levels), [1.0, -1.0, 0.5, 1.0])


@pytest.mark.parametrize("calibration", CALIBRATIONS, ids=lambda c: c.kind)
def test_probability_is_strictly_increasing_in_the_margin(calibration: Calibration) -> None:
    margins = np.linspace(-8, 8, 20_001)
    assert (np.diff(calibrate(calibration, margins)) > 0).all()
    log_odds = calibrated_log_odds(calibration, margins)
    np.testing.assert_allclose(sigmoid(log_odds), calibrate(calibration, margins), atol=1e-12)


def test_ten_points_double_the_odds_and_the_anchor_holds() -> None:
    card = ScoreCard(10, 50, 0.03, {})
    p = np.array([0.03, 2 * 0.03 / (1 + 0.03)])  # odds, and twice the odds
    np.testing.assert_allclose(card_exact(card, logit(p)), [50.0, 60.0], atol=1e-9)


def test_scores_are_clipped_and_rounded_half_up() -> None:
    exact = np.array([-3.0, 0.49, 0.5, 50.5, 99.6, 140.0])
    assert shown_score(exact).tolist() == [0, 0, 1, 51, 100, 100]


def test_bands_are_cut_on_the_shown_score() -> None:
    card = ScoreCard(10, 50, 0.03, {"C": 40, "A": 70, "B": 55})
    assert bands_of(card, np.array([39, 40, 55, 69, 70])).tolist() == ["D", "C", "B", "B", "A"]


@given(st.floats(-20, 20), st.floats(-3, 3), st.floats(-3, 3))
def test_an_interval_holds_its_probability(margin: float, low: float, high: float) -> None:
    at, bottom, top = (np.array(pair) for pair in ([-1.0, 1.0], [low, low], [high, high]))
    offsets = IntervalOffsets(at, bottom, top)
    m = np.array([margin])
    bottom, top = interval(offsets, m, m)
    assert bottom[0] <= sigmoid(m)[0] <= top[0]


@pytest.mark.parametrize(
    "raw", [b"[]", b"{", b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", b"\xff\xfe", b"nonsense"]
)
def test_json_that_is_no_plain_object_is_refused(raw: bytes) -> None:
    with pytest.raises(PredictorError):
        parse_json(raw)


def test_brackets_inside_words_are_not_nesting() -> None:
    assert parse_json(b'{"a": "' + b"[" * 200 + b'\\""}') == {"a": "[" * 200 + '"'}


def test_what_is_not_known_is_refused_by_name(scorer: LeadScorer, leads: Any) -> None:
    frame, _ = leads(5, 0)
    with pytest.raises(PredictorError, match="strange"):
        read_encoder({"kind": "strange"})
    with pytest.raises(PredictorError, match="strange"):
        read_term({"kind": "strange"})
    with pytest.raises(PredictorError, match="strange"):
        read_calibration({"kind": "strange"})
    with pytest.raises(PredictorError, match="'x' is read both"):
        SourceTerms("x", [NumberTerm("x", 0, 1, 1, 0, 0), LevelsTerm("x", {}, 0, 0, 0)])
    with pytest.raises(PredictorError, match="strange"):
        scorer.contributions(frame, by="strange")


@pytest.mark.parametrize("calibration", CALIBRATIONS, ids=lambda c: c.kind)
def test_parts_that_were_read_are_written_as_they_were(
    handmade: Any, calibration: Calibration
) -> None:
    offsets = IntervalOffsets(np.array([0.0, 1.0]), np.array([-1.0, -0.5]), np.array([0.5, 1.0]))
    meta = ModelFacts(learner="linear", rows=5, sensitive=(), identity=("owner",))
    grid = {"fit": (-1.0, 0.0, 1.0)}
    parts = replace(
        handmade[0], calibration=calibration, intervals=offsets, meta=meta, grid=grid, linear=None
    )
    raw = json.loads(json.dumps(parts.to_json()))
    assert raw["linear"] is None
    assert raw["meta"] == {"learner": "linear", "rows": 5, "sensitive": [], "identity": ["owner"]}
    assert ModelParts.from_json(raw).to_json() == raw
