"""Columns of databases and Parquet files keep every digit, hour and zone."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest

from data.reading.plain_columns import column_of_series, column_of_values, plain_column

EVENING = datetime(2026, 1, 1, 23, 5)  # noqa: DTZ001  # a column without a zone


def test_whole_decimals_keep_all_their_digits() -> None:
    ids = [Decimal(23_851_234_567_890_145), None]
    assert column_of_values([*ids]).to_pylist() == [23_851_234_567_890_145, None]
    longer = pa.chunked_array([pa.array([Decimal(10**25)], pa.decimal128(38, 0))])
    assert plain_column(longer).to_pylist() == [str(10**25)]
    assert column_of_values([Decimal("1.50")]).to_pylist() == [1.5]


def test_uuids_are_texts() -> None:
    key = uuid.UUID(int=5)
    assert column_of_values([key, None]).to_pylist() == [str(key), None]


@pytest.mark.parametrize(
    "mixed", [[date(2026, 1, 1), EVENING], [datetime(2026, 1, 1, tzinfo=UTC), EVENING]]
)
def test_mixed_moments_are_texts_so_that_no_hour_and_no_zone_is_lost(mixed: list[object]) -> None:
    for column in (column_of_values([*mixed, None]), column_of_series(pd.Series(mixed, dtype="O"))):
        assert column.to_pylist()[:2] == [str(each) for each in mixed]
    alike = column_of_values([EVENING, None])
    assert pa.types.is_timestamp(alike.type)
