"""Leads of one company: whom else sales could call there, and who is not known yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.persons import seniority
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.phrase import Phrase
from serving.worklist.view_parts import Colleague

SHOWN: Final = 8
DECIDERS: Final = frozenset({"founder", "vp", "c_level", "director"})


def name_of(display: Mapping[str, NDArray[np.object_]], row: int) -> str:
    """Say what a lead is called: its name, else its person, else its company."""
    return str(display["name"][row] or display["person"][row] or display["company"][row])


class Companies:
    """The open leads of each company, best first, and the titles of all who were ever leads."""

    def __init__(self, source: ReportInput) -> None:
        names = ("name", "person", "company", "title", "owner")
        self.source = source
        self.display = {name: source.display(name) for name in names}
        self.code = source.tables.account[source.scored.snapshots.lead]
        self.ids = source.tables.lead_ids[source.scored.snapshots.lead].astype(str)
        self.scores = source.scored.scores.score
        self.rows = _RowsOf(self.code, source.ranked)
        self.titles = _Titles(source)

    def colleagues(self, row: int) -> tuple[Colleague, ...]:
        """List the other open leads of the same company, those of the same owner first."""
        code, owners = int(self.code[row]), self.display["owner"]
        others = [] if code < 0 else [each for each in self.rows.of(code) if each != row]
        others.sort(key=lambda each: owners[each] != owners[row])
        return tuple(
            Colleague(
                str(self.ids[each]),
                str(self.display["person"][each])
                or name_of(self.display, each)
                or str(self.ids[each]),
                self.display["owner"][each],
                self.display["title"][each] or None,
                int(self.scores[each]) if self.source.shown[each] else None,
            )
            for each in others[:SHOWN]
        )

    def missing_roles(self, row: int) -> tuple[Phrase, ...]:
        """Say who of the company is not known yet; nothing where no titles are declared."""
        code = int(self.code[row])
        if code < 0 or "title" not in self.source.tables.display.columns:
            return ()
        known = self.titles.of(code)
        missing = []
        if not any(seniority(title) in DECIDERS for title in known):
            missing.append(Phrase("nobody with a leading title is known there yet"))
        if len(self.rows.of(code)) < 2:
            missing.append(Phrase("no second person is known there yet"))
        return tuple(missing)


class _RowsOf:
    """Rows by code, each code's in the order given, without a list for every code."""

    def __init__(self, code: NDArray[np.integer], rows: NDArray[np.int64]) -> None:
        codes = code[rows]
        order = np.argsort(codes, kind="stable")
        self.codes, self.rows = codes[order], rows[order]

    def of(self, code: int) -> list[int]:
        """List the rows of a code."""
        first, last = np.searchsorted(self.codes, [code, code + 1])
        rows: list[int] = self.rows[first:last].tolist()
        return rows


class _Titles:
    """The job titles of the leads of each company that were there by as_of."""

    def __init__(self, source: ReportInput) -> None:
        tables = source.tables
        there = "title" in tables.display.columns
        self.titles = tables.display["title"].to_numpy(object) if there else None
        created = tables.created_at
        known = np.ones(len(tables), bool) if created is None else created <= source.scored.as_of
        self.rows = _RowsOf(tables.account, np.flatnonzero(known))

    def of(self, code: int) -> list[str]:
        """List the titles of a company."""
        if self.titles is None:
            return []
        titles = (self.titles[row] for row in self.rows.of(code))
        return [title for title in titles if isinstance(title, str)]
