"""A few rows without pandas: the same bits as a frame, and refused by the same rules."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from models.explain.reasons import reason_table
from models.predictor import LeadScorer, PredictorError, Rows
from tests.fakes.explained import explanations_of


def as_rows(frame: pd.DataFrame) -> Rows:
    """Take a frame out of pandas."""
    numbers = [name for name in frame if pd.api.types.is_numeric_dtype(frame[name])]
    words = {
        str(name): [None if pd.isna(word) else str(word) for word in frame[name]]
        for name in frame
        if name not in numbers
    }
    at = {str(name): i for i, name in enumerate(numbers)}
    return Rows(frame[numbers].to_numpy(np.float32), at, words)


@pytest.mark.parametrize("n", [1, 7, 300])
def test_rows_and_frame_give_the_same_bits_and_the_same_reasons(
    scorer: LeadScorer, leads: Callable[[int, int], tuple[pd.DataFrame, np.ndarray]], n: int
) -> None:
    frame = leads(n, 4)[0]
    rows = as_rows(frame)
    assert scorer.design(rows).tobytes("A") == scorer.design(frame).tobytes("A")
    for mine, theirs in zip(
        (scorer.score(rows).margin, scorer.contributions(rows, by="factor").values),
        (scorer.score(frame).margin, scorer.contributions(frame, by="factor").values),
        strict=True,
    ):
        assert mine.tobytes() == theirs.tobytes()
    ids = [str(i) for i in range(n)]
    one, other = reason_table(scorer, rows), reason_table(scorer, frame)
    assert explanations_of(one, rows, lead_ids=ids) == explanations_of(other, frame, lead_ids=ids)


def test_a_level_that_training_never_saw_scores_as_in_a_frame(scorer: LeadScorer) -> None:
    rows = Rows(
        np.zeros((2, 6)),
        {f.name: i for i, f in enumerate(scorer.features) if f.kind == "number"},
        {"industry": ["never seen", None], "country": [None, "c3"]},
    )
    frame = pd.DataFrame({name: rows.numbers[:, i] for name, i in rows.number_at.items()})
    frame["industry"], frame["country"] = rows.words["industry"], rows.words["country"]
    assert scorer.margin(rows).tolist() == scorer.margin(frame).tolist()


def test_rows_that_lack_a_column_are_refused_by_name(scorer: LeadScorer) -> None:
    rows = Rows(np.zeros((1, 0)), {}, {"industry": ["i1"], "country": [None]})
    with pytest.raises(PredictorError, match="n_pricing_7d"):
        scorer.margin(rows)


def test_words_of_another_length_are_refused(scorer: LeadScorer) -> None:
    at = {f.name: i for i, f in enumerate(scorer.features) if f.kind == "number"}
    rows = Rows(np.zeros((1, 6)), at, {"industry": ["i1", "i2"], "country": [None]})
    with pytest.raises(PredictorError, match="another number of rows"):
        scorer.margin(rows)
