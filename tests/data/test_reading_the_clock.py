"""Timestamps of any spelling become one instant, or are named as unreadable."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.clock import NEVER, parse_duration, read_times, show

SUMMER = 1_317_422_324_546_000  # 2011-09-30 22:38:44.546 UTC


def column(*texts: str | None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.string())])


@pytest.mark.parametrize(
    "text",
    [
        "2011-09-30 22:38:44.546+00:00",
        "2011-09-30T22:38:44.546Z",
        "2011-09-30T22:38:44.546000",
        "2011-10-01 00:38:44.546+02:00",
        "2011-10-01T00:38:44.546+0200",
        "2011-09-30 16:38:44.546 -06:00",
        "2011-10-01T04:08:44.546000000+05:30",
    ],
)
def test_one_instant_in_any_spelling_is_one_number(text: str) -> None:
    assert read_times(column(text)).at.tolist() == [SUMMER]


@pytest.mark.parametrize(
    ("text", "date_format", "shown"),
    [
        ("26-02-2018 19:58", "%d-%m-%Y %H:%M", "2018-02-26 19:58:00 UTC"),
        ("02/26/2018", "%m/%d/%Y", "2018-02-26 00:00:00 UTC"),
        ("1519675080", "epoch_s", "2018-02-26 19:58:00 UTC"),
        ("1519675080000", "epoch_ms", "2018-02-26 19:58:00 UTC"),
        ("26-02-2018 19:58 +0200", "%d-%m-%Y %H:%M %z", "2018-02-26 17:58:00 UTC"),
        ("2016-02-29", None, "2016-02-29 00:00:00 UTC"),
    ],
)
def test_declared_formats_are_read(text: str, date_format: str | None, shown: str) -> None:
    assert show(int(read_times(column(text), date_format=date_format).at[0])) == shown


def test_a_year_that_comes_first_is_iso_beside_a_declared_format() -> None:
    texts = column("26.02.2018 19:58", None, "2018-02-26 19:58", "2018-02-26T18:58Z", "2018-13-01")
    read = read_times(texts, date_format="%d.%m.%Y %H:%M", timezone="Europe/Berlin")
    assert read.bad.tolist() == [False, False, False, False, True]
    assert len({read.at[0], read.at[2], read.at[3]}) == 1
    assert (read.naive, read.aware) == (0, 3)


@pytest.mark.parametrize("text", ["2018-02-30", "yesterday", "2016-12-31 23:59:60", "1519675080"])
def test_what_is_no_timestamp_is_marked(text: str) -> None:
    read = read_times(column("2018-02-01", text, None))
    assert read.bad.tolist() == [False, True, False]
    assert read.at[2] == NEVER


def test_mixed_offsets_are_seen() -> None:
    read = read_times(column("2018-02-01 10:00", None, "2018-02-01 10:00Z"))
    assert (read.naive, read.aware) == (0, 2)


def test_a_change_of_the_clock_is_counted_and_never_guessed_silently() -> None:
    read = read_times(
        column("2011-10-30 02:30", "2012-03-25 02:30", "2012-03-25 03:30"),
        timezone="Europe/Amsterdam",
    )
    shown = [show(int(at)) for at in read.at]
    assert (read.gap, read.fold) == (1, 1)
    assert shown[0] == "2011-10-30 00:30:00 UTC"  # the earlier of the two
    assert shown[1] == "2012-03-25 01:00:00 UTC"  # moved to the end of the gap
    assert shown[2] == "2012-03-25 01:30:00 UTC"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 4_000_000_000_000_000), min_size=1, max_size=20),
    st.sampled_from(["+00:00", "+02:00", "-07:00", "+05:45"]),
)
def test_offsets_do_not_move_an_instant(instants: list[int], offset: str) -> None:
    hours, minutes = int(offset[1:3]), int(offset[4:])
    shift = (hours * 60 + minutes) * 60_000_000 * (1 if offset[0] == "+" else -1)
    texts = [str(np.datetime64(i + shift, "us")) + offset for i in instants]
    assert read_times(column(*texts)).at.tolist() == instants


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("45s", 45_000_000),
        ("1h", 3_600_000_000),
        ("0.5d", 43_200_000_000),
        ("2w", 1_209_600_000_000),
    ],
)
def test_durations_are_read(text: str, micros: int) -> None:
    assert parse_duration(text) == micros


@pytest.mark.parametrize("text", ["90", 90, 1.5, True, "d", "-1d", "1 month", ""])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)
