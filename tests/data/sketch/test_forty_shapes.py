"""Forty shapes of exports with known truth, and what `leadscore init` makes of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fakes.shapes_funnel import MakeShape, make_funnel
from tests.fakes.shapes_score import SHAPES


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
