"""Forty shapes of exports with known truth, and what `leadscore init` makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.shapes_funnel import MakeShape, make_funnel
from tests.fakes.shapes_score import FURTHER, SHAPES, ShapeScore, score_shape

QUICK = ("flag_and_date",)


def named(make: Callable[..., object]) -> str:
    return make.__name__


def test_there_are_forty_shapes_and_each_has_a_name_of_its_own() -> None:
    assert len(SHAPES) == len({make.__name__ for make in SHAPES}) == 40


@pytest.mark.parametrize("make", SHAPES, ids=named)
def test_a_shape_is_the_same_each_time_and_its_truth_names_its_files(make: MakeShape) -> None:
    case, again = make(make_funnel(3)), make(make_funnel(3))
    assert case == again
    assert case.truth.leads in case.files
    assert set(case.truth.roles) == set(case.files)
    assert 20 < len(case.truth.converted) < 300


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> list[ShapeScore]:
    folder = tmp_path_factory.mktemp("shapes")
    return [
        score_shape(make, folder / make.__name__, with_training=make.__name__ in QUICK)
        for make in (*SHAPES, *FURTHER)
    ]


def test_init_writes_a_file_for_every_shape(scores: list[ShapeScore]) -> None:
    assert [score.shape for score in scores if not score.wrote] == []


def test_outcome_id_creation_and_tables_are_right_without_an_edit(scores: list[ShapeScore]) -> None:
    assert [score for score in scores if not score.right] == []


def test_init_says_nothing_that_is_not_true(scores: list[ShapeScore]) -> None:
    assert [(score.shape, score.untrue) for score in scores if score.untrue] == []


def test_some_shapes_train_once_the_questions_are_answered(scores: list[ShapeScore]) -> None:
    trained = {score.shape: score.trained for score in scores if score.trained is not None}
    assert trained == dict.fromkeys(QUICK, True)


@pytest.mark.slow
@pytest.mark.parametrize("make", [*SHAPES, *FURTHER], ids=named)
def test_every_shape_trains_with_another_seed(make: MakeShape, tmp_path: Path) -> None:
    score = score_shape(make, tmp_path, with_training=True, seed=11)
    assert score.right
    assert score.trained, score.trouble
