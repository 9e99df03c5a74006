"""What is shown of parts adds up to what is shown of their sum."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.figures.shown_sums import TENTHS, WHOLE, add_up

PARTS = st.lists(st.floats(0, 1e6), max_size=30)


def exactly(values: tuple[float, ...], decimals: int) -> Decimal:
    """Add numbers as they are written, digit by digit."""
    return sum((Decimal(f"{value:.{decimals}f}") for value in values), Decimal(0))


@given(PARTS, st.sampled_from([WHOLE, TENTHS, 2]))
def test_shown_parts_add_up_to_the_shown_sum(parts: list[float], decimals: int) -> None:
    shown = add_up(parts, sum(parts), decimals)
    assert exactly(shown, decimals) == Decimal(f"{round(sum(parts), decimals):.{decimals}f}")
    assert all(value == round(value, decimals) for value in shown)


@given(PARTS, st.sampled_from([WHOLE, TENTHS]))
def test_no_part_is_a_whole_digit_away_and_none_overtakes_another(
    parts: list[float], decimals: int
) -> None:
    shown = add_up(parts, sum(parts), decimals)
    for part, value in zip(parts, shown, strict=True):
        assert abs(value - part) < 1.000001 * 10.0**-decimals
        assert value >= 0
        assert part or not value
    pairs = list(zip(parts, shown, strict=True))
    assert all(a <= b for part, a in pairs for other, b in pairs if part < other * (1 - 1e-9))


def test_a_sum_of_sums_adds_up_too() -> None:
    total = round(12.34 + 4.94 + 3.34 + 3.77, TENTHS)
    of_open, of_new = add_up([12.34 + 4.94 + 3.34, 3.77], total, TENTHS)
    owners = add_up([12.34, 4.94, 3.34], of_open, TENTHS)
    assert (total, of_open, of_new) == (24.4, 20.6, 3.8)
    assert owners == (12.4, 4.9, 3.3)
    assert sum(owners) == pytest.approx(of_open)


def test_nothing_has_no_parts() -> None:
    assert add_up([], 0.0, TENTHS) == ()
    assert add_up([0.0, 0.0], 0.0, WHOLE) == (0.0, 0.0)
