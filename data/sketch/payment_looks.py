"""Files about leads -> which of them hold what customers paid, and the [value] that says it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tomlkit
from tomlkit.items import Table

from data.reading.payments import read_amount
from data.sketch.commented_toml import propose_key, set_key
from data.sketch.looks import ColumnLook, FileLook
from data.sketch.source_table import add_source
from data.sketch.table_links import child_time, event_type, lead_column, named
from data.sketch.vocabulary import PAID_NAME, REFUND_NAME, VALUE_NAME, speaks_of


@dataclass(frozen=True, slots=True)
class PaymentTable:
    """A file with a row for each payment."""

    file: FileLook
    lead: ColumnLook
    at: ColumnLook
    amount: ColumnLook


@dataclass(frozen=True, slots=True)
class PaidEvents:
    """Types of events that are payments, in a log with a column of amounts."""

    file: FileLook
    kind: ColumnLook
    words: tuple[str, ...]
    amount: ColumnLook


def find_payments(look: FileLook, ids: ColumnLook) -> PaymentTable | None:
    """Read a file as payments: it names leads, has times and amounts, and speaks of paying."""
    lead, times = lead_column(look, ids), look.of_kind("time")
    if lead is None or not times:
        return None
    at, amount = child_time(look), amount_of(look, {lead.name, ids.name})
    told = any(speaks_of(name, PAID_NAME) for name in (look.stem, at.name))
    return PaymentTable(look, lead, at, amount) if told and amount is not None else None


def find_paid_events(look: FileLook, ids: ColumnLook) -> PaidEvents | None:
    """Find the types of a log that are payments; bills count only where no payment is named."""
    kind = event_type(look, ids)
    amount = None if kind is None else amount_of(look, {kind.name, ids.name})
    if kind is None or amount is None:
        return None
    words = [word for word in kind.words() if speaks_of(word, PAID_NAME)]
    paid = [word for word in words if not speaks_of(word, r"invoice|fattur|factur|rechnung|فاکتور")]
    money = paid if any(not speaks_of(word, REFUND_NAME) for word in paid) else words
    return PaidEvents(look, kind, tuple(money), amount) if money else None


def amount_of(look: FileLook, others: set[str]) -> ColumnLook | None:
    """Find the column whose name speaks of amounts and whose values are such."""
    named_so = [
        column
        for column in look.of_kind("number", "text")
        if column.name not in others and speaks_of(column.name, VALUE_NAME) and _amounts(column)
    ]
    return next(iter(named_so), None)


def _amounts(column: ColumnLook) -> bool:
    words = column.words()[:50]
    return any(all(read_amount(word, decimal) for word in words) for decimal in (".", ","))


def value_table(
    payments: Sequence[PaymentTable], events: Sequence[PaidEvents], folder: Path
) -> Table | None:
    """Write [value]: a table of payments or, without one, types of events; None without either."""
    if payments:
        return _of_payments(payments[0], folder)
    if not events:
        return None
    log, table = events[0], tomlkit.table()
    set_key(table, "event", list(log.words), "check: what customers pay; never a feature")
    set_key(table, "amount", log.amount.name, "check: paid back is negative")
    _refunds(table, log.words)
    _currency(table, log.file)
    return table


def _of_payments(found: PaymentTable, folder: Path) -> Table:
    table = tomlkit.table()
    add_source(table, found.file, folder, found.at)
    if not all(map(read_amount, found.amount.words()[:50])):
        set_key(table, "decimal", ",", f"as in {found.amount.name}")
    set_key(table, "lead", found.lead.name)
    set_key(table, "at", found.at.name, "check: when it was paid")
    set_key(table, "amount", found.amount.name, "check: paid back is negative")
    kinds = (c for c in found.file.of_kind("text") if any(map(_pays_back, c.words()[:50])))
    if kind := next((c for c in kinds if c.distinct <= 20), None):
        set_key(table, "type", kind.name)
        _refunds(table, kind.words())
    _currency(table, found.file)
    propose_key(table, "within", "365d", "how long after its conversion money counts")
    return table


def _pays_back(word: str) -> bool:
    return speaks_of(word, REFUND_NAME)


def _refunds(table: Table, words: Sequence[str]) -> None:
    if back := [word for word in words if _pays_back(word)]:
        set_key(table, "refund", back, "check: counted negative, whatever their sign")


def _currency(table: Table, look: FileLook) -> None:
    column = named(look.of_kind("text"), r"curren|valuta|devise|währung|moneda|ارز")
    if column is not None and all(re.fullmatch("[A-Z]{3}", word) for word in column.words()[:20]):
        set_key(table, "currency", column.name)
