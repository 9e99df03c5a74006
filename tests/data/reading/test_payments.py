"""Amounts as companies write them, and which payments count."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.clock import DAY
from data.customers import choose_window, paid_within
from data.errors import InputError
from data.project import load_project
from data.reading.payments import read_amount
from data.reading.read_tables import CrmData, read_with_notes

LEADS = """lead_id,created_at,won_at
a,2026-01-01,2026-02-01
b,2026-01-01,2026-02-01
c,2026-01-01,
"""
HEAD = "lead_id,paid_at,amount,kind\n"
PROJECT = """[project]
name = "x"
timezone = "Europe/Rome"
observed_until = "2026-06-01"
[leads]
source = "leads.csv"
id = "lead_id"
created_at = "created_at"
converted_at = "won_at"
[conversion]
horizon = "90d"
"""
TABLE = """[value]
source = "payments.csv"
lead = "lead_id"
at = "paid_at"
amount = "amount"
type = "kind"
refund = ["refund"]
"""


@pytest.mark.parametrize(
    ("text", "decimal", "amount", "currency"),
    [
        ("1,234.50", ".", "1234.5", ""),
        ("1.234,50 €", ",", "1234.5", "EUR"),
        ("USD 12", ".", "12", "USD"),
        ("$-3.10", ".", "-3.1", "USD"),
        ("(7.25)", ".", "-7.25", ""),
        ("\u22125", ".", "-5", ""),
        ("1'000.00", ".", "1000", ""),
        ("۱۲٫۵", ".", "12.5", ""),
        (".5", ".", "0.5", ""),
    ],
)
def test_amounts_are_read_as_they_are_written(
    text: str, decimal: str, amount: str, currency: str
) -> None:
    assert read_amount(text, decimal) == (Decimal(amount).quantize(Decimal("0.0001")), currency)


@pytest.mark.parametrize(
    "text", ["", "abc", "1,50", "12,34,567", "€ 5 $", "1e9", "--3", ".", "12²", "③"]
)
def test_what_is_no_amount_is_none(text: str) -> None:
    assert read_amount(text) is None


def test_an_amount_too_large_to_count_names_its_row(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"payments.csv, row 2.*larger than can be counted"):
        _read(tmp_path, "a,2026-02-03,1" + "0" * 30 + ",payment\n")


def _read(folder: Path, payments: str, more: str = TABLE) -> CrmData:
    (folder / "leads.csv").write_text(LEADS)
    (folder / "payments.csv").write_text(HEAD + payments)
    (folder / "touches.csv").write_text("lead_id,at,type,sum\na,2026-03-01,paid,10.10\n")
    file = folder / "x.toml"
    file.write_text(PROJECT + more)
    return read_with_notes(load_project(file))


def _paid(crm: CrmData) -> list[float]:
    return (paid_within(crm.outcomes, None) / 10_000).tolist()


def test_what_is_paid_from_the_conversion_on_counts_and_nothing_else(tmp_path: Path) -> None:
    crm = _read(
        tmp_path,
        "a,2026-01-31,5,payment\n"  # before
        "a,2026-02-01,0.10,payment\n"  # the day of the conversion
        "a,2026-03-01,0.20,payment\n"
        "a,2026-04-01,0.10,refund\n"
        "b,2026-05-31 23:59:59,3.33,payment\n"
        "b,2026-06-01 00:00:00,9,payment\n"  # not seen yet
        "c,2026-03-01,100,payment\n"  # no customer
        "z,2026-03-01,100,payment\n",  # no lead
    )
    assert _paid(crm) == [0.2, 3.33, 0.0]
    assert len(crm.tables.events.at) == 0
    assert [attribute.name for attribute in crm.tables.attributes] == []


def test_ten_thousand_cents_are_a_hundred(tmp_path: Path) -> None:
    crm = _read(tmp_path, "a,2026-03-01,0.01,payment\n" * 10_000)
    assert _paid(crm)[0] == 100.0


def test_events_may_be_the_payments_and_are_then_no_features(tmp_path: Path) -> None:
    events = '[[events]]\nsource = "touches.csv"\nlead = "lead_id"\nat = "at"\ntype = ["type"]\n'
    crm = _read(tmp_path, "", events + '[value]\nevent = "paid"\namount = "sum"\n')
    assert _paid(crm) == [10.1, 0.0, 0.0]
    assert len(crm.tables.events.at) == 0


def test_rows_without_time_or_amount_are_left_out_and_said(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text(LEADS)
    (tmp_path / "payments.csv").write_text(HEAD + "a,,5,payment\na,2026-03-01,,payment\n")
    (tmp_path / "x.toml").write_text(PROJECT + TABLE)
    crm = read_with_notes(load_project(tmp_path / "x.toml"))
    assert _paid(crm) == [0.0, 0.0, 0.0]
    assert [note for note in crm.notes if "without time" in note]
    assert [note for note in crm.notes if "without amount" in note]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('[value]\nwithin = "30d"\n', "needs `event`"),
        ('[value]\nsource = "payments.csv"\nlead = "lead_id"\n', "needs the columns"),
        ('[value]\nevent = "paid"\nsource = "payments.csv"\n', "both are given"),
        (TABLE.replace('type = "kind"\n', ""), "refund needs `type`"),
        (TABLE.replace('"amount"', '"sum"'), "sum"),
    ],
)
def test_a_wrong_section_says_what_to_write(tmp_path: Path, value: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        _read(tmp_path, "a,2026-03-01,5,payment\n", value)


def test_the_window_is_no_longer_than_customers_were_observed(tmp_path: Path) -> None:
    crm = _read(tmp_path, "a,2026-02-11,5,payment\nb,2026-02-03,5,payment\n")
    assert choose_window(crm.outcomes, None) == 11 * DAY  # one of 10 days is inside
    assert choose_window(crm.outcomes, 7 * DAY) == 7 * DAY
    assert np.array_equal(paid_within(crm.outcomes, 7 * DAY), [0, 50_000, 0])


def test_a_payment_recorded_later_counts_from_then_on(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text(LEADS)
    table = pd.DataFrame(
        {
            "lead_id": ["a", "a"],
            "paid_at": ["2026-03-01", "2026-03-01"],
            "amount": [5, 7],
            "kind": "payment",
            "booked": ["2026-03-02", "2026-06-02"],
        }
    )
    table.to_csv(tmp_path / "payments.csv", index=False)
    (tmp_path / "x.toml").write_text(PROJECT + TABLE + 'recorded_at = "booked"\n')
    crm = read_with_notes(load_project(tmp_path / "x.toml"))
    assert _paid(crm)[0] == 5.0
