"""What spreadsheets and exports do to a table is read as it was meant, and said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from data.errors import InputError
from data.project import load_project
from data.reading.read_tables import CrmData, read_with_notes

DAYS = pd.date_range("2024-01-01", periods=30)


def table(**columns: object) -> pd.DataFrame:
    ids = [f"{i:05d}" for i in range(1, 31)]
    won = pd.Series(DAYS + pd.Timedelta(days=4)).dt.strftime("%Y-%m-%d")
    created = DAYS.strftime("%Y-%m-%d 10:00")
    return pd.DataFrame(
        {"id": ids, "created": created, "won": won.where(DAYS.day % 3 == 0, "")}
    ).assign(**columns)


def read(
    folder: Path, text: str, leads: Mapping[str, object], more: Mapping[str, object] | None = None
) -> CrmData:
    (folder / "leads.csv").write_text(text, encoding="utf-8")
    raw: dict[str, object] = {
        "project": {"name": "x", "timezone": "UTC"},
        "leads": {
            "source": "leads.csv",
            "id": "id",
            "created_at": "created",
            "converted_at": "won",
            **leads,
        },
        "conversion": {"horizon": "30d"},
        "folder": str(folder),
        **(more or {}),
    }
    return read_with_notes(load_project(raw))


def test_of_a_repeated_id_the_first_or_the_last_row_counts(tmp_path: Path) -> None:
    later = table().head(3).assign(created="2024-03-01 10:00", sector="late")
    text = pd.concat([later, table(sector="early")]).to_csv(index=False)
    with pytest.raises(InputError, match="already stands in row"):
        read(tmp_path, text, {})
    for repeated, sector in (("first", "early"), ("last", "late")):
        crm = read(tmp_path, text, {"repeated": repeated, "fixed": ["sector"]})
        assert len(crm.tables) == 30
        assert crm.notes[0].startswith(f"leads.csv: 3 rows repeat an id: of each id the {repeated}")
        found = {a.name: a.values[0] for a in crm.tables.attributes}
        assert found.get("sector", "early") == sector


def test_the_separator_line_of_excel_is_no_header_and_rows_keep_their_lines(tmp_path: Path) -> None:
    text = "sep=;\r\n" + table().to_csv(index=False, sep=";")
    assert len(read(tmp_path, text, {}).tables) == 30
    wrong = text.replace("2024-01-02 10:00", "soon")
    with pytest.raises(InputError, match="row 4, column created: is no timestamp"):
        read(tmp_path, wrong, {})


def test_the_days_that_a_spreadsheet_counts_are_dates(tmp_path: Path) -> None:
    text = table(created=[45292 + i + 0.5 for i in range(30)], won="").to_csv(index=False)
    crm = read(tmp_path, text.replace(",\n", ",\n"), {"date_format": "excel"})
    assert crm.tables.created_at is not None
    first = pd.Timestamp(int(crm.tables.created_at[0]), unit="us")
    assert str(first) == "2024-01-01 12:00:00"


def test_a_declared_form_of_date_is_read_with_and_without_its_time(tmp_path: Path) -> None:
    won = pd.Series(DAYS + pd.Timedelta(days=4)).dt.strftime("%d/%m/%Y")
    frame = table(created=DAYS.strftime("%d/%m/%Y %H:%M"), won=won)
    crm = read(tmp_path, frame.to_csv(index=False), {"date_format": "%d/%m/%Y"})
    assert (crm.outcomes.converted_at < crm.outcomes.observed_until).all()


def test_a_conversion_dated_by_the_day_of_creation_follows_the_creation(tmp_path: Path) -> None:
    frame = table(won=DAYS.strftime("%Y-%m-%d"))
    crm = read(tmp_path, frame.to_csv(index=False), {})
    assert (crm.outcomes.converted_at == crm.tables.created_at).all()
    assert "30 leads end on the day of their creation" in " ".join(crm.notes)


def test_ids_are_found_without_the_zeros_that_a_spreadsheet_took_off(tmp_path: Path) -> None:
    events = pd.DataFrame({"lead": range(1, 31), "at": DAYS.strftime("%Y-%m-%d 12:00")})
    events.to_csv(tmp_path / "events.csv", index=False)
    source = {"source": "events.csv", "lead": "lead", "at": "at", "type": "=call"}
    crm = read(tmp_path, table(won="").to_csv(index=False), {}, {"events": [source]})
    assert len(crm.tables.events) == 30


def test_where_a_flag_only_says_yes_its_blanks_say_no(tmp_path: Path) -> None:
    frame = table(bought=["x" if i % 3 == 0 else "" for i in range(30)])
    leads = {"converted": "bought", "converted_values": ["x"], "converted_at": None}
    crm = read(tmp_path, frame.to_csv(index=False), leads)
    assert (crm.outcomes.converted_at < crm.outcomes.observed_until).sum() == 10


def test_a_filter_compares_dates_and_numbers_as_the_table_writes_them(tmp_path: Path) -> None:
    dates = DAYS.strftime("%d/%m/%Y")
    budget = [f"{n}.{n:03d},50" if n % 2 else f"{n}" for n in range(1, 31)]
    won = [""] * 30
    for where, left in (
        ("created >= '2024-01-21'", 10),
        ("created between '2024-01-05' and '2024-01-09'", 5),
        ("budget >= 20000", 5),
        ("budget + 1 > 28 and budget < 31", 2),
        ("id in ('00003', '00010')", 2),
    ):
        text = table(created=dates, budget=budget, won=won).to_csv(index=False)
        leads = {"date_format": "%d/%m/%Y", "decimal": ",", "where": where}
        assert len(read(tmp_path, text, leads).tables) == left, where


def test_a_quote_that_is_never_closed_is_refused_where_it_opens(tmp_path: Path) -> None:
    rows = table(company="Acme").to_csv(index=False).splitlines()
    rows[11] = f'{rows[11].rpartition(",")[0]},"Best Ltd'
    with pytest.raises(InputError, match=r"leads\.csv, row 12: a quote opens here"):
        read(tmp_path, "\n".join(rows), {"fixed": ["company"]})
    inches = table(company='5" pipe').to_csv(index=False, quoting=3, escapechar="\\")
    assert len(read(tmp_path, inches.replace("\\", ""), {"fixed": ["company"]}).tables) == 30
