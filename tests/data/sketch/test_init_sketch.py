"""`leadscore init` looks at files and writes a project file that loads."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.clock import DAY
from data.errors import InputError
from data.labels import open_snapshots
from data.project import load_project
from data.reading.read_tables import read_tables, undeclared_columns
from data.reading.review import guess_of
from data.sketch.read_back import read_back
from data.sketch.write import sketch_project
from serving.lead_ages import say_older


def write(folder: Path) -> list[Path]:
    """A small CRM: leads, touches, deals, accounts, a field history."""
    ids = [f"00{i}" for i in range(1, 41)]
    days = pd.date_range("2024-01-01", periods=40).strftime("%Y-%m-%d")
    frames = {
        "leads": pd.DataFrame(
            {
                "lead_id": ids,
                "created_at": days,
                "account_id": [f"ACC{i % 7}" for i in range(40)],
                "industry": ["retail", "software"] * 20,
                "status": ["open"] * 40,
                "budget": ["yes", "no", "Select", "maybe"] * 10,
                "budget_known_at": days,
            }
        ),
        "touches": pd.DataFrame(
            {
                "lead_id": ids * 3,
                "touch_at": [f"{day} 10:00" for day in days] * 3,
                "touch_type": ["visit", "mail", "A_DECLINED"] * 40,
                "channel": ["web", "phone"] * 60,
            }
        ),
        "deals": pd.DataFrame(
            {"lead": ids[:25], "won_date": [f"{i % 28 + 1:02d}-05-2024 09:30" for i in range(25)]}
        ),
        "accounts": pd.DataFrame({"account_id": [f"ACC{i}" for i in range(7)], "country": "IT"}),
        "history": pd.DataFrame(
            {
                "lead_id": ids[:5],
                "field": "status",
                "old": "new",
                "new": "open",
                "changed_at": days[5:10],
            }
        ),
    }
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False, sep=";" if name == "deals" else ",")
    return sorted(folder.glob("*.csv"))


def test_a_small_crm_is_understood(tmp_path: Path) -> None:
    text = sketch_project(write(tmp_path), folder=tmp_path)
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    project = load_project(tmp_path / "p.toml")
    assert project.leads.source == "leads.csv"
    assert (project.leads.id, project.leads.created_at) == ("lead_id", "created_at")
    assert project.leads.account == "account_id"
    assert project.leads.known_at == {"budget": "budget_known_at"}
    assert project.leads.fixed == ()  # proposed, commented out
    assert '# fixed = ["industry"]' in text
    assert project.leads.history[0].source == "history.csv"
    assert project.leads.join[0].source == "accounts.csv"
    assert project.events[0].type == ("touch_type",)
    assert project.events[0].outcome == ("A_DECLINED",)
    assert project.conversion.source == "deals.csv"
    assert project.conversion.date_format == "%d-%m-%Y %H:%M"
    assert "# CHOOSE: Is 'Select' of budget (10 rows, 25%) a value" in text
    tables, outcomes = read_tables(project)
    assert len(tables) == 40
    assert (outcomes.converted_at < outcomes.observed_until).sum() == 25
    assert {a.name for a in tables.attributes} == {"budget", "status"}


def test_a_date_that_open_leads_lack_is_the_conversion(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=40)
    late = pd.Series(days + pd.Timedelta(days=9)).dt.strftime("%d/%m/%Y").where(days.day % 2 == 0)
    frame = pd.DataFrame(
        {
            "Lead ID": [f"L{i}" for i in range(40)],
            "Created Date": days.strftime("%d/%m/%Y"),
            "Opportunity Date": late,  # an empty cell in a CSV file is no date
            "Industry": ["retail", "software"] * 20,
        }
    )
    frame.to_csv(tmp_path / "export.csv", index=False, sep=";")
    text = sketch_project([tmp_path / "export.csv"], folder=tmp_path)
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    project = load_project(tmp_path / "p.toml")
    assert (project.leads.created_at, project.leads.converted_at) == (
        "Created Date",
        "Opportunity Date",
    )


def test_line_breaks_in_names_and_event_types_stay_out_of_the_comments(tmp_path: Path) -> None:
    ids = [f"L{i}" for i in range(60)]
    days = pd.date_range("2024-01-01", periods=60).astype(str)
    rare = [None] * 40 + ["v"] * 20
    leads = pd.DataFrame({"id": ids, "created": days, "two\nlines\x01": rare})
    events = pd.DataFrame({"id": ids, "at": days, "type": ["mail\nsent", 'opened "it"'] * 30})
    leads.to_csv(tmp_path / "leads.csv", index=False)
    events.to_csv(tmp_path / "mails.csv", index=False)
    text = sketch_project([tmp_path / "leads.csv", tmp_path / "mails.csv"], folder=tmp_path)
    assert 'CHOOSE: of mail sent, opened "it"' in text
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    assert load_project(tmp_path / "p.toml").conversion.event == ("mail\nsent",)


def broker(folder: Path) -> list[Path]:
    """A German broker's exports: a repeated row, euros, two forms of dates, a word for none."""
    n = 100
    days = pd.date_range("2024-01-01", periods=n)
    won = days.strftime("%d.%m.%Y").where(days.day % 5 == 0)
    leads = pd.DataFrame(
        {
            "Anfrage-Nr.": [f"{i:05d}" for i in range(n)],
            "Eingang am": days.strftime("%d.%m.%Y 09:00").where(days.day != 3, days.astype(str)),
            "Unterschrift": won,
            "Sparte": ["Kfz", "Gewerbe"] * (n // 2),
            "Prämie": [f"1.{i:03d},50 €" for i in range(n)],
            "Alter": ["k. A.", *(f"{i},5" for i in range(1, n))],
            "Police": won.where(won.isna(), "P1"),
        }
    )
    leads = pd.concat([leads, leads.iloc[[7]]])  # exported twice
    touches = pd.DataFrame(
        {
            "Anfrage-Nr.": leads["Anfrage-Nr."],
            "Zeitpunkt": days[-1].strftime("%d.%m.%Y 10:00"),
            "Richtung": ["ein", "aus"] * (n // 2) + ["ein"],
            "Art": ["Anruf", "Mail", "Besuch", "Anruf"] * (n // 4) + ["Mail"],
        }
    )
    for name, frame in (("Anfragen", leads), ("Kontakte", touches)):
        frame.to_csv(folder / f"{name}.csv", index=False, sep=";", encoding="utf-8-sig")
    return [folder / "Anfragen.csv", folder / "Kontakte.csv"]


def test_a_european_export_with_repeated_rows_is_understood(tmp_path: Path) -> None:
    text = sketch_project(broker(tmp_path), folder=tmp_path)
    assert "1 rows repeat an id" in text
    assert "#   Police: filled later, as only 18% of the rows have it?" in text
    assert '# fixed = ["Sparte", "Prämie", "Alter"]' in text
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    project = load_project(tmp_path / "p.toml")
    assert (project.leads.id, project.leads.created_at) == ("Anfrage-Nr.", "Eingang am")
    assert (project.leads.decimal, project.project.missing) == (",", ("", "k. A."))
    assert project.events[0].type == ("Art",)
    assert (project.leads.converted_at, project.leads.repeated) == ("Unterschrift", "first")
    assert len(read_tables(project)[0]) == 100
    (tmp_path / "p.toml").write_text(text.replace("repeated", "# repeated"), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"row 10\d, column Anfrage-Nr.: id '00007' already stands"
    ):
        read_tables(load_project(tmp_path / "p.toml"))


@pytest.mark.parametrize(
    ("days", "closed", "oldest"),
    [
        (100, False, ["60d"]),
        (300, False, ["60d", "150d"]),
        (400, False, ["60d", "120d", "180d"]),
        (545, False, ["60d", "120d", "270d"]),
        (545, True, ["60d"]),
        (2000, False, ["480d", "960d"]),
        (2000, True, ["60d"]),
    ],
)
def test_the_oldest_age_is_half_of_that_of_open_leads_or_more(
    tmp_path: Path, days: int, closed: bool, oldest: list[str]
) -> None:
    """With `closed`, whoever did not convert is over after 50 days, if they are past."""
    n = 400
    created = pd.Timestamp("2020-01-01 10:00") + pd.to_timedelta(np.linspace(0, days, n), "D")
    end = created.max() + pd.Timedelta(hours=1)
    over, won = created + pd.Timedelta(days=50), np.arange(n) % 9 == 0
    columns = {"id": [f"L{i}" for i in range(n)], "created": created.astype(str)}
    columns["converted_at"] = over.where(won & (over < end)).astype(str)
    if closed:
        columns["lost_at"] = over.where(~won & (over < end)).astype(str)
    frame = pd.DataFrame(columns).replace("NaT", "")
    frame.to_csv(tmp_path / "leads.csv", index=False)
    text = sketch_project([tmp_path / "leads.csv"], folder=tmp_path)
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    project = load_project(tmp_path / "p.toml")
    tables, outcomes = read_tables(project)
    ages = project.conversion.snapshots
    assert [f"{age // DAY}d" for age in ages if isinstance(age, int)][-len(oldest) :] == oldest
    open_now = open_snapshots(tables, outcomes, outcomes.observed_until)
    assert say_older(project, tables.created_at, open_now) is None, "check says nothing against it"


def test_a_flat_file_with_a_flag_becomes_static(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "age": range(30, 90),
            "duration": range(60),
            "job": ["a", "b"] * 30,
            "y": ["no", "yes"] * 30,
        }
    )
    frame["job"] = "x"
    frame["age"] = 40
    frame["duration"] = [i // 2 for i in range(60)]
    frame.to_csv(tmp_path / "bank.csv", index=False, sep=";")
    text = sketch_project([tmp_path / "bank.csv"], folder=tmp_path)
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    project = load_project(tmp_path / "p.toml")
    assert project.static
    assert (project.leads.id, project.leads.converted) == ("#row", "y")
    assert '# exclude = ["duration"]' in text
    assert read_tables(project)[1].converted_at.tolist().count(0) == 30


def test_yes_and_no_are_known_in_several_languages_and_one_flag_is_proposed(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "matricola": [f"M{i}" for i in range(60)],
            "borsa": ["oui", "non", ""] * 20,
            "iscritto": ["sì", "no", "no"] * 20,
        }
    )
    frame.to_csv(tmp_path / "domande.csv", index=False)
    text = sketch_project([tmp_path / "domande.csv"], folder=tmp_path)
    assert "CHOOSE: 33% of the rows say 'sì'; or borsa = 'oui'" in text
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    project = load_project(tmp_path / "p.toml")
    assert project.leads.converted == "iscritto"
    assert read_tables(project)[1].converted_at.tolist().count(0) == 20


@pytest.mark.parametrize(("content", "expected"), [("a,b\n", "no rows"), ("", "is empty")])
def test_files_without_rows_are_refused(tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(InputError, match=expected):
        sketch_project([tmp_path / "a.csv"], folder=tmp_path)


@pytest.mark.parametrize("content", ["id,x\n1,a\n2,b\n", "x\na\na\n"])
def test_where_nothing_could_be_the_outcome_the_file_asks_for_it(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "a.csv").write_text(content)
    text = sketch_project([tmp_path / "a.csv"], folder=tmp_path)
    assert 'converted = "CHOOSE"' in text
    (tmp_path / "p.toml").write_text(text)
    assert load_project(tmp_path / "p.toml").static
    assert "column not found" in read_back(text, tmp_path)


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("Last Notable Activity", "mutable"),
        ("lead_status", "mutable"),
        ("OwnerId", "mutable"),
        ("TotalVisits", "lifetime total"),
        ("closed_at", "outcome"),
        ("ConvertedContactId", "outcome"),
        ("amount", "mutable"),
        ("industry", "fixed"),
        ("Country", "fixed"),
        ("Lead Number", "fixed"),
        ("email", "identity"),
    ],
)
def test_names_are_only_hints(name: str, guess: str) -> None:
    assert guess_of(name)[0] == guess


def test_undeclared_columns_come_with_the_line_to_add(tmp_path: Path) -> None:
    text = sketch_project(write(tmp_path), folder=tmp_path)
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    listed = {r.name: r.line for r in undeclared_columns(load_project(tmp_path / "p.toml"))}
    assert listed == {"industry": 'fixed = ["industry"]', "country": 'fixed = ["country"]'}


def test_undeclared_columns_of_frames_are_reviewed_without_a_file(tmp_path: Path) -> None:
    text = sketch_project(write(tmp_path), folder=tmp_path)
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    project = load_project(tmp_path / "p.toml")
    leads = pd.read_csv(tmp_path / "leads.csv").rename(columns={"industry": "trade"})
    (tmp_path / "leads.csv").unlink()
    assert {r.name for r in undeclared_columns(project, {"leads": leads})} == {"trade", "country"}


@pytest.mark.real_data
@pytest.mark.skipif("LEADSCORE_DATA" not in os.environ, reason="LEADSCORE_DATA is not set")
@pytest.mark.parametrize(
    "names",
    [
        ["bpi2012/applications.csv", "bpi2012/events.csv.gz"],
        [
            "olist/olist_closed_deals_dataset.csv",
            "olist/olist_marketing_qualified_leads_dataset.csv",
        ],
        ["x_education/Leads.csv"],
        ["bank/bank-additional-full.csv.gz"],
        ["hillstrom/hillstrom.csv.gz"],
    ],
)
def test_real_files_are_understood(tmp_path: Path, names: list[str]) -> None:
    root = Path(os.environ["LEADSCORE_DATA"])
    text = sketch_project([root / name for name in names], folder=tmp_path)
    assert str(root) not in text
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    tables, outcomes = read_tables(load_project(tmp_path / "p.toml"))
    converted = outcomes.converted_at < (outcomes.observed_until or 1)
    assert 0 < converted.sum() < len(tables)
