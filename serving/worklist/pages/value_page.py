"""Customers, what they paid, and open leads -> the figures of money in the report."""

from __future__ import annotations

import numpy as np

from data.customers import UNITS
from data.tables import Snapshots
from features.build import build
from models.amount_model import AmountModel
from serving.figures.customer_groups import (
    CustomerGroup,
    Customers,
    by_month,
    by_source,
    customer_rows,
    gather_customers,
)
from serving.worklist.pages.report_input import ReportInput, interval
from serving.worklist.view_figures import CustomerRow, ValuePage


def make_value(source: ReportInput) -> ValuePage | None:
    """Fill what the report says of money; None where the project does not know amounts."""
    if "expected_value" not in source.scored.table.columns:
        return None
    expected = source.scored.table["expected_value"].to_numpy(np.float64)
    ids = source.scored.table["lead_id"].to_numpy()
    shown = np.flatnonzero(source.scored.shown & np.isfinite(expected))
    amounts = source.model.amounts_in(source.project.report.currency)
    customers = _customers(source, amounts)
    tables, outcomes = source.tables, source.outcomes
    groups: list[CustomerGroup] = []
    months: list[CustomerGroup] = []
    if outcomes.payments is not None:
        groups = by_source(tables, outcomes, customers, amounts)
        months = by_month(tables, outcomes, customers, amounts)
    return ValuePage(
        customers=sum(group.customers for group in groups),
        paid=sum(group.paid for group in groups) / UNITS,
        sources=tuple(_row(group) for group in groups),
        months=tuple(_row(group) for group in months),
        within_days=None if amounts is None else round(amounts.within_days),
        proven=amounts is not None and amounts.proven,
        expected={str(ids[row]): float(expected[row]) for row in shown},
        expected_total=_total(source),
    )


def _customers(source: ReportInput, amounts: AmountModel | None) -> Customers | None:
    """See every customer as it was just before it converted; None where nothing is predicted."""
    outcomes = source.outcomes
    rows = customer_rows(outcomes)
    if amounts is None or outcomes.payments is None or not len(rows):
        return None
    then = Snapshots(rows, outcomes.converted_at[rows])
    frame = build(source.tables, then, source.model.catalogue, threads=source.threads).to_pandas()
    chance, amount = amounts.chance_to_pay(frame), amounts.amount_if_paid(frame)
    return gather_customers(outcomes, rows, amounts, chance, amount)


def _total(source: ReportInput) -> float | None:
    """Add up what open leads are expected to bring; None where that is not known of all."""
    worth = source.worth
    if worth is None or not source.promises:
        return None
    eligible = ~source.scored.taken_out
    return float((source.counted * worth)[eligible].sum())


def _row(group: CustomerGroup) -> CustomerRow:
    value = None if group.value is None else interval(group.value)
    return CustomerRow(group.name, group.customers, group.paid / UNITS, value)
