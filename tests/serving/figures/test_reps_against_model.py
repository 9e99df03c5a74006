"""Reps against the model: mature answers alone, each lead once, who was right by interval."""

from __future__ import annotations

import pandas as pd
import pytest

from data.clock import DAY
from data.reading.read_tables import read_tables
from data.schema import Project
from data.tables import Outcomes, Tables
from models.predictor import ScoreCard, card_exact
from serving.answers.answer_store import RepAnswer
from serving.figures.reps_against_model import RepsAgainstModel, compare_reps, promised_by, say_reps

START = 1_767_225_600_000_000  # 2026-01-01
CARD = ScoreCard(10.0, 50.0, 0.1, {"A": 70.0, "B": 55.0, "C": 40.0})
LEADS = 200


def project(**report: object) -> Project:
    return Project.model_validate(
        {
            "project": {"name": "acme", "observed_until": "2026-03-01"},
            "leads": {"source": "l", "id": "id", "created_at": "created", "converted_at": "won"},
            "conversion": {"horizon": "30d"},
            "report": report,
        }
    )


def read(winners: int) -> tuple[Tables, Outcomes]:
    """Read leads of 1 January, of which the first ones convert on 15 January."""
    won = ["2026-01-15" if i < winners else None for i in range(LEADS)]
    leads = {"id": [f"L{i:03d}" for i in range(LEADS)], "created": "2026-01-01", "won": won}
    return read_tables(project(), frames={"leads": pd.DataFrame(leads)})


def say(
    i: int, verdict: str, *, score: int | None = 70, at: float = 5, by: str = "Ada"
) -> RepAnswer:
    when = START + int(at * DAY)
    return RepAnswer(f"L{i:03d}", verdict, "why", by, when, score, number=i + 1)  # type: ignore[arg-type]


def compare(answers: list[RepAnswer], winners: int, **report: object) -> RepsAgainstModel:
    found = compare_reps(answers, *read(winners), project(**report), CARD)
    assert found is not None
    return found


def test_a_score_means_the_probability_that_the_card_says() -> None:
    assert promised_by(CARD, 50) == pytest.approx(0.1)
    odds = promised_by(CARD, 60) / (1 - promised_by(CARD, 60))
    assert odds == pytest.approx(2 / 9)  # ten points double the odds
    assert card_exact(CARD, [0.0])[0] > 50


@pytest.mark.parametrize(
    ("verdict", "score", "winners", "claim", "winner"),
    [
        ("too_high", 70, 10, "too_high", "reps"),  # 31 % promised, 10 % converted
        ("too_high", 70, 34, "too_high", "model"),  # 34 % converted
        ("disqualify", 70, 0, "disqualify", "reps"),
        ("too_low", 50, 40, "too_low", "reps"),  # 10 % promised, 40 % converted
        ("too_low", 50, 2, "too_low", "model"),
        ("wrong", 70, 10, "too_high", "reps"),
        ("wrong", 30, 40, "too_low", "reps"),
        ("right", 70, 31, "right", "agreed"),
    ],
)
def test_the_interval_says_who_was_right(
    verdict: str, score: int, winners: int, claim: str, winner: str
) -> None:
    (figures,) = compare([say(i, verdict, score=score) for i in range(100)], winners).claims
    assert (figures.claim, figures.winner, figures.observed.n) == (claim, winner, 100)
    assert figures.observed.hits == winners
    assert figures.promised == pytest.approx(promised_by(CARD, score))


def test_a_few_leads_say_nothing_yet() -> None:
    (figures,) = compare([say(i, "too_high") for i in range(4)], 1).claims
    assert figures.winner == "open"


def test_only_mature_answers_said_of_an_open_lead_count_and_each_lead_once() -> None:
    young = say(150, "too_high", at=40)
    late = say(0, "too_high", at=20)  # it had converted
    note, unknown = say(151, "note"), say(152, "too_high", score=None)
    twice = say(3, "right", at=6)
    found = compare([say(3, "too_high"), twice, young, late, note, unknown], 2)
    assert [(each.claim, each.observed.n) for each in found.claims] == [("too_high", 1)]
    assert found.waiting == 1
    assert say_reps(found)[-1].endswith("1 answers are not mature yet")


def test_single_reps_are_shown_where_asked_for_and_five_of_them_answered() -> None:
    team = [say(i, "too_high", by=f"rep {i % 5}") for i in range(50)]
    assert compare(team, 5).reps == ()
    assert len(compare(team, 5, rep_figures=True).reps) == 5
    assert compare(team[:4], 5, rep_figures=True).reps == ()


def test_without_answers_there_is_nothing_to_compare() -> None:
    assert compare_reps([], *read(1), project(), CARD) is None
