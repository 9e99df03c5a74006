"""Rows of a pull are merged by id into Parquet files whose columns keep one type."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import InputError
from serving.crm.crm_rows import Row
from serving.crm.pull import spool as spooling
from serving.crm.pull.spool import Count, Spool


def merge(folder: Path, *rows: Row) -> Count:
    spool = Spool(folder / ".pull")
    spool.add("leads", rows)
    count = spool.merge("leads", folder / "leads.parquet")
    spool.close()
    return count


def lead(number: int, changed: int, **more: str | float | None) -> Row:
    return {"lead_id": f"L{number}", "changed_at": changed, **more}


def on_disk(folder: Path) -> list[dict[str, object]]:
    return list(pq.read_table(folder / "leads.parquet").to_pylist())


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ([lead(1, 5, state="old")], [lead(1, 6, state="new")], "new"),
        ([lead(1, 5, state="old")], [lead(1, 5, state="new")], "new"),  # what was read later
        ([lead(1, 6, state="new")], [lead(1, 5, state="old")], "new"),  # a replica that lags
        ([], [lead(1, 6, state="new"), lead(1, 5, state="old")], "new"),
        ([], [lead(1, 5, state="old"), lead(1, 5, state="new")], "new"),
    ],
)
def test_the_newest_by_id_stays(
    tmp_path: Path, first: list[Row], second: list[Row], kept: str
) -> None:
    merge(tmp_path, *first)
    assert merge(tmp_path, *second).total == 1
    assert [row["state"] for row in on_disk(tmp_path)] == [kept]


def test_columns_are_the_union_and_keep_their_types(tmp_path: Path) -> None:
    merge(tmp_path, lead(2, 5, plan="3", amount=1), lead(1, 5))
    count = merge(tmp_path, lead(3, 6, seats="many", amount="12.5"), lead(2, 6, plan=None))
    assert count == (1, 3)
    table = pq.read_table(tmp_path / "leads.parquet")
    assert table.column_names == ["lead_id", "created_at", "changed_at", "amount", "plan", "seats"]
    assert table.schema.field("changed_at").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("amount").type == pa.float64()
    assert table.schema.field("plan").type == pa.string()
    assert table["lead_id"].to_pylist() == ["L1", "L2", "L3"]
    assert table["amount"].to_pylist() == [None, None, 12.5]


def test_a_field_may_be_called_anything(tmp_path: Path) -> None:
    names = {'say "hi"; DROP TABLE fresh --': "1", "select": "2", "Größe (m²)": "3"}
    merge(tmp_path, {**lead(1, 5), **names})
    merge(tmp_path, {**lead(2, 5), **names})
    assert {name: on_disk(tmp_path)[1][name] for name in names} == names


def test_many_parts_are_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "PART_ROWS", 10)
    spool = Spool(tmp_path / ".pull")
    for start in range(0, 100, 7):
        spool.add("leads", [lead(number, start) for number in range(start, min(start + 9, 100))])
    assert len(list((tmp_path / ".pull").glob("*.parquet"))) > 5
    assert spool.merge("leads", tmp_path / "leads.parquet") == (100, 100)


def test_a_file_that_is_not_ours_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "leads.parquet"
    pq.write_table(pa.table({"id": ["a"], "name": ["b"]}), path)
    with pytest.raises(InputError, match="was not made by"):
        merge(tmp_path, lead(1, 5))
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(InputError, match="no readable Parquet"):
        merge(tmp_path, lead(1, 5))


def test_what_a_killed_pull_left_behind_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / ".pull" / "leads-00000.parquet"
    left.parent.mkdir()
    left.write_bytes(b"half")
    assert merge(tmp_path, lead(1, 5)) == (1, 1)
    assert not left.parent.exists()
