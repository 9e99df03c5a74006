"""Amounts that customers paid -> exact whole numbers beside the outcomes, none of them a feature.

Amounts are read as decimals, never as floating point: "1.234,50 €" is 12,345,000 ten-thousandths.
What a lead paid before its conversion, or without one, is no value of a conversion.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.clock import NEVER, Micros
from data.customers import UNITS
from data.errors import InputError
from data.ragged import is_known
from data.reading.match_ids import match_leads
from data.reading.number_texts import whole_number
from data.reading.read_job import ReadJob
from data.reading.sources import RawTable
from data.reading.values import instants, texts
from data.schema_tables import EventsSection
from data.schema_types import DecimalSign
from data.tables import Payments, Tables

Ints = NDArray[np.int64]

_MOST: Final = 9e14
_SIGNS: Final = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "﷼": "IRR"}
_SPACES: Final = re.compile(r"[\s\u00a0\u202f'’]")
_NAMED: Final = r"([A-Z]{3}|[€$£¥﷼])?"
_CODE: Final = re.compile(rf"^{_NAMED}([+-]?){_NAMED}([\d.,]+){_NAMED}$")


@dataclass(frozen=True, slots=True)
class PaidRows:
    """Amounts of one source: (n,) each; lead -1 where it is not known."""

    lead: Ints
    at: Micros
    recorded_at: Micros | None
    amount: Ints

    def take(self, rows: NDArray[np.bool_]) -> PaidRows:
        """Keep rows by mask."""
        recorded = None if self.recorded_at is None else self.recorded_at[rows]
        return PaidRows(self.lead[rows], self.at[rows], recorded, self.amount[rows])


def read_payment_table(job: ReadJob, lead_ids: pa.Array) -> PaidRows:
    """Read the table of payments; rows without lead, time or amount are left out and counted."""
    section = job.project.value
    lead, at, amount = section.lead or "", section.at or "", section.amount or ""
    columns = [lead, at, amount, section.recorded_at, section.type, section.currency]
    raw = job.source(section, "value", columns=[name for name in columns if name])
    when = instants(raw, at, job)
    recorded = None if section.recorded_at is None else instants(raw, section.recorded_at, job)
    units, known = amounts_of(raw, amount, job)
    back = np.zeros(len(raw), bool)
    if section.type:
        words = texts(raw.column(section.type), job.missing)
        hit = pc.is_in(words, value_set=pa.array(section.refund, pa.string()))
        back = np.asarray(hit.to_numpy(), bool)
    rows = PaidRows(
        match_leads(raw, lead, lead_ids, job),
        when,
        None if recorded is None else np.where(recorded == NEVER, when, recorded),
        np.where(back, -np.abs(units), units),
    )
    for absent, words_ in ((when == NEVER, "time"), (~known, "amount")):
        if absent.any():
            job.notes.add(
                f"{raw.name}: {int(absent.sum()):,} payments without {words_} are left out"
            )
    return rows.take((rows.lead >= 0) & (when != NEVER) & known)


def event_amounts(
    raw: RawTable, section: EventsSection, paid: NDArray[np.bool_], job: ReadJob
) -> Ints:
    """Read the amounts of the events that are payments, (n,), 0 for all others."""
    column = job.project.value.amount or section.value
    amounts = np.zeros(len(raw), np.int64)
    if column is None:
        raise InputError(
            "needs the column with the amount",
            file=raw.name,
            column="value.amount",
            cure=f'amount = "…", of: {", ".join(raw.table.column_names[:12])}',
        )
    rows = np.flatnonzero(paid)
    units, known = amounts_of(raw, column, job, rows)
    if (~known).any():
        job.notes.add(f"{raw.name}: {int((~known).sum()):,} payments without amount count nothing")
    amounts[rows] = units
    return amounts


def amounts_of(
    raw: RawTable, column: str, job: ReadJob, rows: Ints | None = None
) -> tuple[Ints, NDArray[np.bool_]]:
    """Read amounts of some rows: ten-thousandths, and which are known.

    InputError for what is no amount, for one in another currency, and for one too large to count.
    """
    place = np.arange(len(raw)) if rows is None else rows
    _refuse_other_currency(raw, job, place)
    values = raw.column(column).take(pa.array(place))
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        floats = values.cast(pa.float64()).to_numpy()
        known = np.isfinite(floats)
        _refuse_too_large(raw, column, place, np.where(known, floats, 0.0))
        return np.rint(np.where(known, floats, 0.0) * UNITS).astype(np.int64), known
    coded = texts(values, job.missing).combine_chunks().dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    words = [str(word) for word in coded.dictionary.to_pylist()]
    read = [read_amount(word, raw.decimal_of(column)) for word in words]
    for code, (word, found) in enumerate(zip(words, read, strict=True)):
        if found is not None and found[1] in ("", job.project.report.currency):
            continue
        row = int(place[np.flatnonzero(codes == code)[0]])
        if found is not None:
            raise _other_currency(raw, row, column, found[1], job)
        other: DecimalSign = "," if raw.decimal_of(column) == "." else "."
        cure = f'decimal = "{other}"' if read_amount(word, other) else "correct the cell"
        raise raw.mistake(f"is no amount: {word!r:.40}", row, column, cure)
    units = np.array([*(int(found[0] * UNITS) for found in read if found), 0], object)
    large = np.array([abs(int(each)) > _MOST * UNITS for each in units])
    if large.any():
        _refuse_too_large(raw, column, place, np.where(large[codes], 2 * _MOST, 0.0))
    return np.asarray(units.astype(np.int64)[codes], np.int64), codes >= 0


def read_amount(text: str, decimal: DecimalSign = ".") -> tuple[Decimal, str] | None:
    """Read an amount as it is written: (to ten-thousandths, currency or ""); None for no amount.

    >>> read_amount("1.234,50 €", ","), read_amount("-12.30"), read_amount("1,50")
    ((Decimal('1234.5000'), 'EUR'), (Decimal('-12.3000'), ''), None)
    """
    neat = _SPACES.sub("", text).replace("\u2212", "-").replace("٫", ".").replace("٬", "")
    neat = "".join(str(int(c)) if c.isdecimal() and not c.isascii() else c for c in neat)
    if neat.startswith("(") and neat.endswith(")"):  # as accountants write what is paid back
        neat = "-" + neat[1:-1]
    found = _CODE.match(neat)
    if found is None:
        return None
    thousands = "," if decimal == "." else "."
    digits = found[4]
    if not re.fullmatch(
        rf"{whole_number(decimal)}?({re.escape(decimal)}\d*)?", digits
    ) or not re.search(r"\d", digits):
        return None
    plain = digits.replace(thousands, "").replace(decimal, ".")
    named = {_SIGNS.get(part, part) for part in (found[1], found[3], found[5]) if part}
    if len(named) > 1:
        return None
    exact = Context(prec=len(plain) + 4)
    amount = Decimal(found[2] + plain).quantize(Decimal("0.0001"), context=exact)
    return amount, next(iter(named), "")


def _refuse_other_currency(raw: RawTable, job: ReadJob, place: Ints) -> None:
    """Refuse the first amount whose currency is not the project's."""
    column, own = job.project.value.currency, job.project.report.currency
    if column is None or (raw.lenient and column not in raw.table.column_names):
        return
    named = texts(raw.column(column).take(pa.array(place)), job.missing).combine_chunks()
    coded = named.dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    for code, word in enumerate(coded.dictionary.to_pylist()):
        said = word.strip().upper()
        if _SIGNS.get(said, said) != own:
            row = int(place[np.flatnonzero(codes == code)[0]])
            raise _other_currency(raw, row, column, word, job)


def _other_currency(raw: RawTable, row: int, column: str, found: str, job: ReadJob) -> InputError:
    own = job.project.report.currency
    return raw.mistake(
        f"is in {found!r:.20}, and a project has one currency: {own}",
        row,
        column,
        f'[report] currency = "{found:.20}" if all amounts are; else convert them, or leave such '
        "rows out with `where`",
    )


def _refuse_too_large(
    raw: RawTable, column: str, place: Ints, amounts: NDArray[np.float64]
) -> None:
    if (large := np.abs(amounts) > _MOST).any():
        row = int(place[large.argmax()])
        raise raw.mistake("is no amount: larger than can be counted exactly", row, column)


def keep_payments(
    parts: list[PaidRows], tables: Tables, converted_at: Micros, job: ReadJob, until: int
) -> Payments:
    """Sort what was paid before `until` from the conversion on, by row of the tables and time.

    Where leads have episodes, money belongs to the newest conversion before it. One that is dated
    by the day of the conversion alone was paid after it.
    """
    lead = np.concatenate([np.empty(0, np.int64), *(part.lead for part in parts)])
    at = np.concatenate([np.empty(0, np.int64), *(part.at for part in parts)])
    amount = np.concatenate([np.empty(0, np.int64), *(part.amount for part in parts)])
    second = any(part.recorded_at is not None for part in parts)
    clocks = [part.at if part.recorded_at is None else part.recorded_at for part in parts]
    recorded = np.concatenate([np.empty(0, np.int64), *clocks])
    if np.abs(amount.astype(np.float64)).sum() > _MOST * UNITS:
        raise InputError(
            "amounts add up to more than can be counted exactly",
            column="value.amount",
            cure="count in thousands",
        )
    seen = is_known(at, recorded, until)
    row = _row_of_payment(lead, at, tables, converted_at)
    for missed, words in (
        (seen & (row < 0), "paid before the conversion of their lead, or without one"),
        (~seen, "not before the end of observation"),
    ):
        if missed.any() and not job.lenient:
            job.notes.add(f"value: {int(missed.sum()):,} payments, {words}, are not counted")
    good = np.flatnonzero(seen & (row >= 0))
    order = good[np.lexsort((at[good], row[good]))]
    counts = np.bincount(row[order], minlength=len(tables))
    return Payments(
        np.concatenate([[0], np.cumsum(counts)]),
        at[order],
        recorded[order] if second else None,
        amount[order],
    )


def _row_of_payment(lead: Ints, at: Micros, tables: Tables, converted_at: Micros) -> Ints:
    """Find the row with the newest conversion at or before each payment: (n,), -1 for none."""
    days = pd.DatetimeIndex(
        np.where(converted_at == NEVER, 0, converted_at).view("M8[us]"), tz="UTC"
    )
    midnight = days.tz_convert(tables.timezone).normalize().tz_convert("UTC")
    day = midnight.tz_localize(None).as_unit("us").asi8
    row = np.full(len(lead), -1)
    starts = np.searchsorted(tables.lead, np.arange(int(tables.lead.max(initial=-1)) + 2))
    for step in range(int(np.diff(starts).max(initial=0))):
        here = starts[lead] + step
        inside = here < starts[lead + 1]
        here = np.minimum(here, max(len(tables) - 1, 0))
        won = (converted_at[here] != NEVER) & ((converted_at[here] <= at) | (day[here] == at))
        row = np.where(inside & won, here, row)
    return row
