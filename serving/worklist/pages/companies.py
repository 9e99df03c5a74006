"""Leads of one company: whom else sales could call there, and who is not known yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.persons import seniority
from serving.lead_score import LeadScore
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
        self.rows: dict[int, list[int]] = defaultdict(list)
        for row in source.ranked.tolist():
            self.rows[int(self.code[row])].append(row)
        self.titles = _titles_by_company(source)

    def colleagues(self, row: int, answers: Sequence[LeadScore]) -> tuple[Colleague, ...]:
        """List the other open leads of the same company, those of the same owner first."""
        code, owners = int(self.code[row]), self.display["owner"]
        others = [] if code < 0 else [each for each in self.rows[code] if each != row]
        others.sort(key=lambda each: owners[each] != owners[row])
        return tuple(
            Colleague(
                answers[each].lead_id,
                str(self.display["person"][each])
                or name_of(self.display, each)
                or answers[each].lead_id,
                self.display["owner"][each],
                self.display["title"][each] or None,
                answers[each].score,
            )
            for each in others[:SHOWN]
        )

    def missing_roles(self, row: int) -> tuple[Phrase, ...]:
        """Say who of the company is not known yet; nothing where no titles are declared."""
        code = int(self.code[row])
        if code < 0 or "title" not in self.source.tables.display.columns:
            return ()
        known = self.titles.get(code, [])
        missing = []
        if not any(seniority(title) in DECIDERS for title in known):
            missing.append(Phrase("nobody with a leading title is known there yet"))
        if len(self.rows[code]) < 2:
            missing.append(Phrase("no second person is known there yet"))
        return tuple(missing)


def _titles_by_company(source: ReportInput) -> dict[int, list[str]]:
    """Collect the job titles of the leads of each company that were there by as_of."""
    tables, titles = source.tables, defaultdict[int, list[str]](list)
    if "title" not in tables.display.columns:
        return titles
    created = tables.created_at
    known = np.ones(len(tables), bool) if created is None else created <= source.scored.as_of
    for code, title in zip(
        tables.account[known], tables.display["title"].to_numpy(object)[known], strict=True
    ):
        if isinstance(title, str):
            titles[int(code)].append(title)
    return titles
