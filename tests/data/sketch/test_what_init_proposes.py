"""What `leadscore init` proposes beside the outcome, and who chooses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.project import load_project
from data.reading.read_tables import read_tables
from data.sketch.looks import look_at_all
from data.sketch.questions import Answers, Question
from data.sketch.vocabulary import meaning_of
from data.sketch.write import count_choices, sketch_project
from tests.fakes.sketched_leads import DAYS, LATER, N, leads, propose, third


def test_a_date_of_the_won_rows_is_the_outcome_in_a_language_nobody_taught(tmp_path: Path) -> None:
    columns = leads(
        tila=third(["won"] * N, "open"), alle=third(LATER.dt.strftime("%Y-%m-%d").tolist())
    )
    project, text = propose(tmp_path, columns)
    assert project.leads.converted_at == "alle"
    assert "those with tila = 'won'" in text


@pytest.mark.parametrize(
    ("cells", "declared", "said"),
    [
        (("2.337,07", "6.0"), {"budget": ","}, "check: these have a comma, seats a point"),
        (("2.337,07", "1.250"), ",", "as in budget; so 1.250 of seats is whole"),
        (("2.337", "1.250"), ".", "CHOOSE: is 2.337 of budget whole? It is read as a fraction"),
        (("2.337", "6.0"), ".", ""),
    ],
)
def test_init_sees_where_columns_differ_in_their_decimals(
    tmp_path: Path, cells: tuple[str, str], declared: object, said: str
) -> None:
    columns = leads(budget=third([cells[0]] * N, "5"), seats=third([cells[1]] * N, "7"))
    project, text = propose(tmp_path, columns | {"converted": third(["1"] * N, "0")})
    assert project.leads.decimal == declared
    assert said in text


@pytest.mark.parametrize(
    ("others", "further", "is_missing"),
    [
        (["Basic", "Pro"], {}, False),
        (["Basic", "Pro"], {"city": third(["Select"] * N, "Rome")}, True),
        (["3", "5.5"], {}, True),
    ],
)
def test_a_plan_called_select_is_no_gap_unless_it_behaves_like_one(
    others: list[str], further: dict[str, object], is_missing: bool, tmp_path: Path
) -> None:
    plan = [*others, "Select"] * (N // 3)
    columns = leads(plan=plan, won=third(["yes"] * N, "no"), **further)
    project, text = propose(tmp_path, columns)
    assert ("Select" in project.project.missing) == is_missing
    asked = f"CHOOSE: Is 'Select' of plan ({N // 3} rows, 33%) a value, or does it mean missing?"
    assert (asked in text) != is_missing
    answered = Answers(lambda question: int("'Select'" in question.text))
    assert "Select" in propose(tmp_path, columns, answered)[0].project.missing


def test_first_and_last_name_are_one_name(tmp_path: Path) -> None:
    names = {"First Name": ["Ada"] * N, "Last Name": ["Lovelace", ""] * (N // 2)}
    project, _ = propose(tmp_path, leads(**names, converted=third(["1"] * N, "0")))
    assert project.leads.name == ("First Name", "Last Name")
    assert read_tables(project)[0].display["name"][:2].tolist() == ["Ada Lovelace", "Ada"]


def test_a_flag_beside_a_creation_date_asks_for_the_horizon_and_is_read_in_time(
    tmp_path: Path,
) -> None:
    project, text = propose(tmp_path, leads(converted=third(["yes"] * N, "no")))
    assert (project.leads.created_at, project.leads.converted) == ("created", "converted")
    assert 'horizon = "90d"' in text
    assert "CHOOSE: within how long after creation" in text
    tables, outcomes = read_tables(project)
    assert (outcomes.converted_at < outcomes.observed_until).sum() == N // 3
    assert not project.static
    assert tables.created_at is not None


def test_expected_closing_dates_of_open_deals_are_no_outcome(tmp_path: Path) -> None:
    stage = ["Closed Won", "Closed Lost", "Negotiation"] * (N // 3)
    columns = leads(stage=stage, close_date=LATER.dt.strftime("%Y-%m-%d"))
    project, _ = propose(tmp_path, columns)
    assert project.conversion.event == ("Closed Won",)
    assert project.events[0].outcome == ("Closed Lost",)
    outcomes = read_tables(project)[1]
    assert (outcomes.converted_at < outcomes.observed_until).sum() == N // 3
    assert (outcomes.disqualified_at < outcomes.observed_until).sum() == N // 3


def test_blank_creations_and_early_conversions_are_left_out_with_the_reason(tmp_path: Path) -> None:
    won = third(LATER.dt.strftime("%Y-%m-%d %H:%M").tolist())
    won[0] = won[3] = won[6] = "2023-11-05 10:00"
    columns = leads(won_at=won)
    columns["created"] = ["" if i % 4 == 1 else day for i, day in enumerate(columns["created"])]
    project, text = propose(tmp_path, columns)
    assert "30 rows (25%) have no created and 3 convert before they are created" in text
    assert project.leads.where == (
        "\"created\" is known and not (\"lead_id\" in ('L000', 'L003', 'L006'))"
    )
    assert len(read_tables(project)[0]) == 87


def test_columns_that_only_the_converted_have_are_not_proposed_as_fixed(tmp_path: Path) -> None:
    won = third(LATER.dt.strftime("%Y-%m-%d").tolist())
    columns = leads(won_at=won, plan=third(["gold"] * N), signed_by=third(["Dana", "Kim"] * 60, ""))
    _, text = propose(tmp_path, columns)
    assert '# fixed = ["sector"]' in text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("%d/%m/%Y", "%d/%m/%Y"),
        ("%m/%d/%Y", "%m/%d/%Y"),
        ("%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M %p"),
        ("%d.%m.%y", "%d.%m.%y"),
        ("%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M"),
        ("%d-%b-%Y", "%d-%b-%Y"),
        ("%b %d, %Y", "%b %d, %Y"),
        ("%Y%m%d", "%Y%m%d"),
        ("%Y-%m-%dT%H:%M:%SZ", None),
    ],
)
def test_the_form_of_dates_is_found(tmp_path: Path, written: str, expected: str | None) -> None:
    columns = leads(converted=third(["1"] * N, "0"))
    columns["created"] = DAYS.strftime(written)
    project, _ = propose(tmp_path, columns)
    assert project.leads.date_format == expected
    read = read_tables(project)[0].created_at
    assert read is not None
    assert pd.to_datetime(read, unit="us").normalize().tolist() == DAYS.normalize().tolist()


def test_days_and_months_that_could_be_exchanged_follow_a_column_that_is_certain(
    tmp_path: Path,
) -> None:
    early = pd.to_datetime([f"2024-{1 + i % 12:02d}-{1 + i % 9:02d}" for i in range(N)])
    columns = leads(seen=early.strftime("%m/%d/%Y"), converted=third(["1"] * N, "0"))
    columns["created"] = DAYS.strftime("%m/%d/%Y")
    pd.DataFrame(columns).to_csv(tmp_path / "a.csv", index=False)
    look = look_at_all([tmp_path / "a.csv"])[0].columns["seen"]
    assert (look.date_format, look.ambiguous) == ("%m/%d/%Y", False)


def test_what_windows_wrote_is_read_with_its_euro_sign(tmp_path: Path) -> None:
    columns = leads(**{"Wert (€)": ["5"] * N}, converted=third(["1"] * N, "0"))
    project, _ = propose(tmp_path, columns, encoding="cp1252")
    assert project.leads.encoding == "cp1252"
    assert "Wert (€)" in (tmp_path / "p.toml").read_text(encoding="utf-8")


def test_a_person_chooses_and_nothing_says_choose_any_more(tmp_path: Path) -> None:
    asked: list[Question] = []

    def last(question: Question) -> int:
        asked.append(question)
        return len(question.options) - 1

    won = third(LATER.dt.strftime("%Y-%m-%d").tolist())
    columns = leads(won_at=won, is_customer=third(["yes"] * N, "no"))
    project, text = propose(tmp_path, columns, Answers(ask=last))
    assert [question.text[:9] for question in asked] == ["What says", "Were thes", "Within ho"]
    assert project.conversion.where == "\"is_customer\" = 'yes'"
    assert count_choices(text) == 0
    assert project.leads.fixed == ()


def test_accepting_everything_declares_the_columns_that_look_fixed(tmp_path: Path) -> None:
    columns = leads(converted=third(["1"] * N, "0"))
    project, text = propose(tmp_path, columns, Answers(accept=True))
    assert project.leads.fixed == ("sector",)
    assert count_choices(text) >= 2


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("Closed Won", "won"),
        ("Closed - Not Converted", "lost"),
        ("Unqualified", "lost"),
        ("Gagné", "won"),
        ("ناموفق", "lost"),
        ("موفق", "won"),
        ("Verloren", "lost"),
        ("Vinta", "won"),
        ("Perdido", "lost"),
        ("Negotiation/Review", "open"),
        ("In corso", "open"),
    ],
)
def test_words_of_stages_are_known_in_several_languages(value: str, meaning: str) -> None:
    assert meaning_of(value)[0] == meaning


def test_a_type_ends_a_lead_if_nothing_follows_it_and_a_cancelled_meeting_does_not(
    tmp_path: Path,
) -> None:
    columns = leads(converted_at=third(LATER.dt.strftime("%Y-%m-%d").tolist()))
    ids, day = columns["lead_id"], pd.Timedelta(days=1)
    parts = [(ids, DAYS + 3 * day, "meeting cancelled"), (ids, DAYS + 5 * day, "call")]
    parts.append((ids[1::3], (DAYS + 9 * day)[1::3], "rejected"))
    log = pd.concat([pd.DataFrame({"lead_id": a, "at": b, "type": c}) for a, b, c in parts])
    log.to_csv(tmp_path / "touches.csv", index=False)
    pd.DataFrame(columns).to_csv(tmp_path / "leads.csv", index=False)
    text = sketch_project([tmp_path / "leads.csv", tmp_path / "touches.csv"], folder=tmp_path)
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    assert load_project(tmp_path / "p.toml").events[0].outcome == ("rejected",)


def test_since_when_conversions_are_recorded_is_proposed(tmp_path: Path) -> None:
    n = 600
    days = pd.date_range("2023-01-01", periods=n)
    won = pd.Series(days + pd.Timedelta(days=5)).dt.strftime("%Y-%m-%d")
    known = (np.arange(n) % 3 == 0) & (days >= "2023-09-01")
    table = {"id": np.arange(n) + 5000, "created": days.strftime("%Y-%m-%d")}
    project, text = propose(tmp_path, {**table, "won_on": won.where(known, "")})
    assert project.conversion.recorded_from == "2023-09-01"
    assert "leads are older, and none of them converted before it" in text


def test_accepting_everything_leaves_out_what_may_have_been_filled_in_later(tmp_path: Path) -> None:
    columns = {"age": [30, 40] * 60, "duration": list(range(N)), "y": third(["yes"] * N, "no")}
    project, text = propose(tmp_path, columns, Answers(accept=True))
    assert project.static
    assert project.leads.exclude == ("duration",)
    assert "CHOOSE: take out of it" in text


@pytest.mark.parametrize(
    ("column", "unit"),
    [("minutes", "minutes"), ("duration_s", "seconds"), ("Page views", "pages"), ("score", None)],
)
def test_the_unit_of_event_values_is_guessed_by_type(
    tmp_path: Path, column: str, unit: str | None
) -> None:
    pd.DataFrame(leads()).to_csv(tmp_path / "leads.csv", index=False)
    events = {
        "lead_id": [f"L{i:03d}" for i in range(N)] * 2,
        "at": [*DAYS, *LATER],
        "kind": ["phone", "form", "opportunity_created", "form"] * (N // 2),
        column: [7.5, np.nan, np.nan, np.nan] * (N // 2),
    }
    pd.DataFrame(events).to_csv(tmp_path / "touches.csv", index=False)
    text = sketch_project([tmp_path / "leads.csv", tmp_path / "touches.csv"], folder=tmp_path)
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    project = load_project(tmp_path / "p.toml")
    assert project.report.units == ({} if unit is None else {"phone": unit})
    assert project.events[0].value == (None if unit is None else column)
