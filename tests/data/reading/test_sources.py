"""Tables come in exactly as written, from CSV, Parquet, globs, databases and frames."""

from __future__ import annotations

import datetime as dt
import gzip
import sqlite3
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import InputError
from data.project import check_project
from data.reading.any_table import as_given
from data.reading.sources import read_source
from data.reading.values import attribute_values, numbers, objects, texts
from data.schema import Project
from data.schema_types import Source


def project(folder: Path, **more: object) -> Project:
    raw = {
        "project": {"name": "t"},
        "leads": {"source": "leads.csv", "id": "id", "converted": "y"},
        "conversion": {},
        "folder": str(folder),
        **more,
    }
    return check_project(raw)


def read(folder: Path, name: str, content: bytes, **keys: object) -> pa.Table:
    (folder / name).write_bytes(content)
    return read_source(Source(source=name, **keys), project(folder)).table


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        (b"id,name\n007,Ann\n", {}),
        (b"\xef\xbb\xbfid,name\n007,Ann\n", {}),
        (b"id;name\r\n007;Ann\r\n", {}),
        (b"id\tname\n007\tAnn\n", {}),
        (b'"id","name"\n"007","Ann"\n', {}),
        ("id,name\n007,Ann\n".encode("utf-16"), {}),
        (b"id,name\n\n007,Ann\n\n", {}),
        (b"id|name\n007|Ann", {"delimiter": "|"}),
    ],
)
def test_csv_of_any_dialect_is_read(tmp_path: Path, content: bytes, keys: dict[str, str]) -> None:
    assert read(tmp_path, "a.csv", content, **keys).to_pydict() == {"id": ["007"], "name": ["Ann"]}


def test_gz_quotes_and_newlines_in_fields(tmp_path: Path) -> None:
    content = gzip.compress('id,note\n1,"a, ""b""\nc"\n2,é\n'.encode())
    table = read(tmp_path, "a.csv.gz", content)
    assert table["note"].to_pylist() == ['a, "b"\nc', "é"]


def test_latin_1_is_named_or_read_as_declared(tmp_path: Path) -> None:
    content = "id,name\n1,Ann\n2,José\n".encode("latin-1")
    with pytest.raises(InputError, match=r"a\.csv.*0xe9.*not utf-8.*cp1252"):
        read(tmp_path, "a.csv", content)
    assert read(tmp_path, "a.csv", content, encoding="latin-1")["name"][1].as_py() == "José"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04\x14\x00", "an Excel workbook or a zip archive; save the sheet as CSV"),
        (b"PAR1\x15\x00", "let its name end in .parquet"),
        (b"id,id\n1,2\n", "row 1, column id: column name stands twice"),
        (b"id,n\n1,2\n3\n", "row 3: has 1 fields, the header has 2"),
        (b"id,n\n1,2\n3,4,5\n", "row 3: has 3 fields"),
        (b"id,n\n1,2\n3,a\x00b\n", "row 3, column n: holds a NUL byte"),
        (b"id,n\n1," + b"x" * 1_100_000 + b"\n", "row 2, column n: field of 1,100,000 bytes"),
        (b"id,n\n1," + b"x" * 40_000_000 + b"\n", "row 2"),
    ],
)
def test_a_broken_csv_names_the_line(tmp_path: Path, content: bytes, expected: str) -> None:
    with pytest.raises(InputError, match=r"a\.csv") as caught:
        read(tmp_path, "a.csv", content)
    assert expected in str(caught.value)
    assert len(str(caught.value)) <= 600


def test_gz_with_one_byte_changed_is_read_or_named(tmp_path: Path) -> None:
    rows = b"".join(b"%d,%d\n" % (i, i * i) for i in range(300))
    content = gzip.compress(b"id," + b"n" * 200 + b"\n" + rows)
    for place in range(10, len(content), 7):
        damaged = content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
        with pytest.raises(InputError, match=r"a\.csv\.gz"):
            read(tmp_path, "a.csv.gz", damaged)


def test_a_missing_word_is_unknown_to_a_filter_also_with_blanks_around_it(tmp_path: Path) -> None:
    content = b"id,city\n1,Rome\n2,  \n3, Select \n4,\n5, Oslo\n"
    (tmp_path / "a.csv").write_bytes(content)
    given = project(tmp_path, project={"name": "t", "missing": ["", "Select"]})
    kept = read_source(Source(source="a.csv", where="city is known"), given).table
    assert kept["id"].to_pylist() == ["1", "5"]


def test_whole_floats_beyond_int64_stay_apart() -> None:
    column = pa.chunked_array([[1e20, 2e20, None]])
    assert texts(column, ("",)).to_pylist() == ["1e+20", "2e+20", None]
    assert texts(pa.chunked_array([[7.0, 2.0**62, None]]), ("",))[1].as_py() == str(2**62)


def test_truncated_gz_is_named(tmp_path: Path) -> None:
    content = gzip.compress(b"id,n\n" + b"1,2\n" * 10_000)[:60]
    with pytest.raises(InputError, match=r"a\.csv\.gz"):
        read(tmp_path, "a.csv.gz", content)


def test_awkward_column_names_are_taken_as_they_are(tmp_path: Path) -> None:
    names = ["select", 'amount"; DROP TABLE leads;--', "Name", "name", "x" * 200]
    line = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    table = read(tmp_path, "a.csv", f"{line}\n1,2,3,4,5\n".encode())
    assert table.column_names == names


def test_parquet_of_every_type(tmp_path: Path) -> None:
    zoned = pa.timestamp("ns", "Europe/Rome")
    table = pa.table(
        {
            "d": pa.array([Decimal("1.50"), None]),
            "t": pa.array([dt.datetime(2020, 1, 1, tzinfo=dt.UTC), None], zoned),
            "c": pa.array(["a", "b"]).dictionary_encode(),
            "i": pa.array([1, 2], pa.int8()),
            "l": pa.array([[1], [2]]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    got = read_source(Source(source="a.parquet"), project(tmp_path)).table
    assert got.column_names == ["d", "t", "c", "i"]  # nested columns are left out
    assert got["d"].to_pylist() == [1.5, None]
    for columns in (None, ["l"]):
        raw = read_source(Source(source="a.parquet"), project(tmp_path), columns=columns)
        with pytest.raises(InputError, match=r"a\.parquet, column l: is nested \(list"):
            raw.column("l")


@pytest.mark.parametrize("given", ["parquet", "pandas", "arrow", "duckdb"])
def test_a_column_of_a_type_that_cannot_be_read_is_refused_and_never_missing(
    tmp_path: Path, given: str
) -> None:
    odd = {
        "nested": pa.array([[1], None]),
        "record": pa.array([{"a": 1}, None]),
        "bytes": pa.array([b"\xff\xfe", None]),
    }
    cells = pa.table({"id": ["a", "b"], "word": pa.array([b"web", None]), **odd})
    source, frame = Source(source="a.parquet"), None
    if given == "parquet":
        pq.write_table(cells, tmp_path / "a.parquet")
    elif given == "duckdb":
        with duckdb.connect(str(tmp_path / "a.duckdb")) as database:
            database.sql("create table leads as select * from cells")
        source = Source(source="duckdb:///a.duckdb", query="select * from leads")
    else:
        frame = as_given(cells.to_pandas() if given == "pandas" else cells, "leads")
    raw = replace(read_source(source, project(tmp_path), frame=frame), lenient=True)
    assert raw.column("word").to_pylist() == ["web", None]
    assert raw.table.column_names == ["id", "word"]
    for name in odd:
        with pytest.raises(InputError, match=f"column {name}: (is nested|holds)"):
            raw.column(name)
    assert raw.column("absent").to_pylist() == [None, None]  # a request may lack a column


def test_numbers_of_every_type_are_read_as_numbers(tmp_path: Path) -> None:
    cells = {
        "half": pa.array(np.array([1.5, 2], np.float16)),
        "wide": pa.array([2**63 + 5, 1], pa.uint64()),
        "long": pa.array([2**53 + 1, 1]),
        "exact": pa.array([Decimal("1.50"), None], pa.decimal256(50, 2)),
        "endless": pa.array([float("inf"), float("nan")]),
    }
    pq.write_table(pa.table(cells), tmp_path / "a.parquet")
    raw = read_source(Source(source="a.parquet"), project(tmp_path))
    read = {name: numbers(raw, name, project(tmp_path)).tolist() for name in cells}
    assert read["half"] == [1.5, 2]
    assert (read["wide"][0], read["long"][0], read["exact"][0]) == (2.0**63, 2.0**53, 1.5)
    assert np.isnan(read["endless"]).all()
    assert texts(raw.column("endless"), ()).to_pylist() == ["inf", None]


def test_a_corrupt_parquet_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.parquet: is no readable Parquet"):
        read(tmp_path, "a.parquet", b"PAR1 this is not it PAR1")


def test_a_glob_is_read_in_order_and_rows_keep_their_file(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("id,at\n3,x\n")
    (tmp_path / "a.csv").write_text("id,at\n1,x\n2,x\n")
    raw = read_source(Source(source="*.csv"), project(tmp_path))
    assert raw.table["id"].to_pylist() == ["1", "2", "3"]
    assert [raw.place(row) for row in range(3)] == [("a.csv", 2), ("a.csv", 3), ("b.csv", 2)]


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text("id\n1\n")
    with pytest.raises(InputError, match=r"leeds\.csv: file not found; did you mean 'leads\.csv'"):
        read_source(Source(source="leeds.csv"), project(tmp_path))


def test_sqlite_and_duckdb_are_queried(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "crm.db") as crm:
        crm.execute("create table lead (id text, n int)")
        crm.execute("insert into lead values ('007', 1), ('1'' OR ''1''=''1', null)")
    crm.close()
    source = Source(source="sqlite:///crm.db", query="select * from lead")
    raw = read_source(source, project(tmp_path))
    assert raw.table["id"].to_pylist() == ["007", "1' OR '1'='1"]
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as store:
        store.execute("create table lead as select '007' as id, 1.5 as n")
    source = Source(source="duckdb:///crm.duckdb", query="select id from lead")
    assert read_source(source, project(tmp_path)).table["id"].to_pylist() == ["007"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"source": "sqlite:///crm.db", "query": "select * from missing"}, "no such table"),
        ({"source": "sqlite:///crm.db"}, "needs a query"),
        ({"source": "sqlite:///none.db", "query": "select 1"}, "not found"),
    ],
)
def test_a_query_that_fails_is_named(tmp_path: Path, keys: dict[str, str], expected: str) -> None:
    sqlite3.connect(tmp_path / "crm.db").close()
    with pytest.raises(InputError, match=expected):
        read_source(Source(**keys), project(tmp_path))


def test_a_filter_keeps_rows_and_their_lines(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("id,stage,n\n1,won,5\n2,duplicate,7\n3,,9\n4,won,11\n")
    source = Source(source="d.csv", where="stage <> 'duplicate' and n > 5")
    raw = read_source(source, project(tmp_path))
    assert raw.table["id"].to_pylist() == ["4"]
    assert raw.place(0) == ("d.csv", 5)


@pytest.mark.parametrize(
    "values", [["007", "1.0", "  5"], ["0015g00000ABcDeFGH", "1e5", "-3"], ["+1", "=2", "NULL"]]
)
def test_ids_stay_as_they_are(tmp_path: Path, values: list[str]) -> None:
    table = read(tmp_path, "a.csv", ("id\n" + "\n".join(values) + "\n").encode())
    assert texts(table["id"], ("",)).to_pylist() == values


def test_ids_that_pandas_made_floats_are_whole_again() -> None:
    frame = pd.DataFrame({"id": [1.0, 2.0, None]})
    raw = read_source(Source(source="x"), project(Path()), frame=frame)
    assert texts(raw.column("id"), ("",)).to_pylist() == ["1", "2", None]


@pytest.mark.parametrize(
    ("values", "decimal", "kind", "read_as"),
    [
        (["1", "2.5", ""], ".", "number", [1.0, 2.5, None]),
        (["1,5", "1.234,5", ""], ",", "number", [1.5, 1234.5, None]),
        (["007", "123"], ".", "category", ["007", "123"]),
        (["nan", "3", "1e400"], ".", "number", [None, 3.0, None]),
        (["a", "None", "Select"], ".", "category", ["a", "None", None]),
        (["yes", "no"], ".", "category", ["yes", "no"]),
    ],
)
def test_columns_find_their_kind(
    values: list[str], decimal: str, kind: str, read_as: list[object]
) -> None:
    given = project(Path(), project={"name": "t", "missing": ["", "Select"]})
    frame = pd.DataFrame({"x": pd.Series(values, dtype=object)})
    raw = read_source(Source(source="x", decimal=decimal), given, frame=frame)
    got = attribute_values(raw, "x", given)
    assert got is not None
    assert got[0] == kind
    assert [None if pd.isna(v) else v for v in got[1]] == read_as


@pytest.mark.parametrize(
    "values",
    [
        [f"{i},5" for i in range(30)],
        [f"€ {i}.000" for i in range(30)],
        [f"{i} %" for i in range(30)],
        [f"1 {i:03d},00" for i in range(30)],
        [*(str(i) for i in range(60)), "abc"],
    ],
)
def test_numbers_in_another_spelling_are_refused(values: list[str]) -> None:
    raw = read_source(
        Source(source="x"), project(Path()), frame=pd.DataFrame({"x": values}), label="leads"
    )
    with pytest.raises(InputError, match=r"leads, row .*column x"):
        attribute_values(raw, "x", project(Path()))


def test_money_is_read_where_the_decimal_comma_is_declared() -> None:
    values = ["1.234,50 €", "707,03\u00a0€", "€ 12", "1\u202f000,5 €", "-3,5"] * 6
    raw = read_source(
        Source(source="x", decimal=","), project(Path()), frame=pd.DataFrame({"x": values})
    )
    got = attribute_values(raw, "x", project(Path()))
    assert got is not None
    assert got[1][:5].tolist() == [1234.5, 707.03, 12.0, 1000.5, -3.5]
    percents = pd.DataFrame({"x": [f"{i},5 %" for i in range(30)]})
    raw = read_source(Source(source="x", decimal=","), project(Path()), frame=percents)
    with pytest.raises(InputError, match="another spelling: '0,5 %'; export plain numbers"):
        attribute_values(raw, "x", project(Path()))


@pytest.mark.parametrize(
    "cell", ["6.0", "12.50", "0.125", "1234.567", "1.2345", "1.234.5", "1,234.5", "1.234,5.6"]
)
def test_a_point_that_marks_no_three_digits_is_refused_beside_a_decimal_comma(cell: str) -> None:
    frame = pd.DataFrame({"x": ["2.337,07", "1.234", cell]})
    raw = read_source(Source(source="x", decimal=","), project(Path()), frame=frame, label="leads")
    with pytest.raises(InputError, match=f"is no number: {cell!r}") as error:
        numbers(raw, "x", project(Path()))
    assert (error.value.row, error.value.column) == (3, "x")


def test_the_comma_marks_thousands_only_where_it_can_be_nothing_else() -> None:
    good = pd.DataFrame({"x": ["1,234.50", "12", "-1,234,567", "1,000.", "nan"]})
    raw = read_source(Source(source="x"), project(Path()), frame=good)
    assert numbers(raw, "x", project(Path()))[:4].tolist() == [1234.5, 12.0, -1234567.0, 1000.0]
    for cell in ("1,234", "12,34.5", "0,125.5", "1234,567.0"):
        raw = read_source(Source(source="x"), project(Path()), frame=pd.DataFrame({"x": [cell]}))
        with pytest.raises(InputError, match=f"is no number: {cell!r}"):
            numbers(raw, "x", project(Path()))


def test_columns_that_differ_in_their_decimals_are_refused_with_the_line_that_reads_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "x.csv").write_text("seats;budget\n" + "6.0;2.337,07\n1.0;12,5\n" * 3)
    given = project(tmp_path)
    raw = read_source(Source(source="x.csv", decimal=","), given)
    cure = 'declare decimal = { "budget" = "," } for this source'
    with pytest.raises(InputError, match=f"row 2, column seats.*'6.0'; {cure}"):
        attribute_values(raw, "seats", given)
    raw = read_source(Source(source="x.csv", decimal={"budget": ","}), given)
    for name, value in (("seats", 6.0), ("budget", 2337.07)):
        read = attribute_values(raw, name, given)
        assert read is not None
        assert (read[0], read[1][0]) == ("number", value)
    with pytest.raises(InputError, match="column budgt: column not found; did you mean 'budget'"):
        read_source(Source(source="x.csv", decimal={"budgt": ","}), given, columns=["seats"])


def test_a_kind_settled_in_training_is_kept() -> None:
    raw = read_source(Source(source="x"), project(Path()), frame=pd.DataFrame({"x": ["50"]}))
    got = attribute_values(raw, "x", project(Path()), "category")
    assert got is not None
    assert got[1].tolist() == ["50"]
    bad = read_source(Source(source="x"), project(Path()), frame=pd.DataFrame({"x": ["12,5"]}))
    with pytest.raises(InputError, match="is no number: '12,5'"):
        numbers(bad, "x", project(Path()))


def test_objects_are_strings_or_none() -> None:
    assert objects(pa.chunked_array([["a", None], ["a"]])).tolist() == ["a", None, "a"]
