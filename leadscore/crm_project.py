"""A project and its tables, read: `CrmProject`, what every function of `leadscore` takes first."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from numbers import Integral
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from data.clock import NEVER
from data.errors import InputError
from data.reading.read_tables import CrmData
from data.reading.rep_answers import ANSWER_COLUMNS
from data.reading.review import undeclared_columns
from data.reading.values import moment
from data.tables import Attribute, Kind
from leadscore.shown import Showable, Shown, cell, table_of
from serving.cli.clock import new_run_id
from serving.cli.clock import now as read_clock
from serving.run_moment import RunMoment
from serving.session import Session
from training.state import StatePaths

When: TypeAlias = str | date | np.datetime64
"""A moment: ISO text, a date, a datetime or a pandas Timestamp; without an offset it is read in
the project's time zone."""


class ScratchFolder:
    """A state folder for a project that names none; it goes with the last object that holds it."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="leadscore-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class CrmProject(Showable):
    """A project with its tables read: what every function of `leadscore` takes first.

    Made by `leadscore.read`. Nothing in it changes; `until` gives another one, cut in time.
    """

    _session: Session
    _reading: CrmData
    _scratch: ScratchFolder | None = None

    @property
    def name(self) -> str:
        """The name of the project: its experiment, registered model and state folder."""
        return self._session.project.project.name

    @property
    def observed_until(self) -> pd.Timestamp:
        """The end of observation: all that was read happened strictly before it."""
        return pd.Timestamp(self._reading.tables.observed_until, unit="us", tz="UTC")

    @property
    def n_leads(self) -> int:
        """Leads created before the end of observation."""
        created = self._reading.tables.created_at
        if created is None:
            return len(self._reading.tables)
        return int((created < self._reading.tables.observed_until).sum())

    @property
    def n_events(self) -> int:
        """Events known before the end of observation and before their lead's outcome."""
        return len(self._reading.tables.events)

    @property
    def n_conversions(self) -> int:
        """Leads that converted before the end of observation."""
        return int((self._reading.outcomes.converted_at != NEVER).sum())

    @property
    def notes(self) -> tuple[str, ...]:
        """What was noticed while reading and is no error, a line each."""
        return self._reading.notes

    @property
    def attributes(self) -> pd.DataFrame:
        """What is known of a lead: attribute, kind (number, category), since (its clock)."""
        tables = self._reading.tables
        static = tables.created_at is None
        found = [(a.name, a.kind, _clock_of(a, static=static)) for a in tables.attributes]
        return pd.DataFrame(found, columns=["attribute", "kind", "since"])

    @property
    def undeclared(self) -> pd.DataFrame:
        """Columns that are no feature yet: table, name, guess, reason, line to add."""
        found = undeclared_columns(self._session.project, self._session.frames)
        columns = ["table", "name", "guess", "reason", "line"]
        return pd.DataFrame(
            [[getattr(r, each) for each in columns] for r in found], columns=columns
        )

    def until(self, as_of: When) -> CrmProject:
        """Give the CRM as it was known at a moment: the sources are read again up to it.

        Parameters
        ----------
        as_of : str, date or datetime
            The new end of observation.

        Returns
        -------
        CrmProject
            Another project; this one stays as it is.

        Raises
        ------
        InputError
            Where `as_of` is no moment, or lies after the end of observation.
        """
        self._moment(as_of)
        text = _text_of(as_of, "as_of")
        project = self._session.project
        section = project.project.model_copy(update={"observed_until": text})
        cut = project.model_copy(update={"project": section})
        session = replace(self._session, project=cut, file=None)
        return CrmProject(session, session.read(), self._scratch)

    def _moment(self, when: When | None, argument: str = "as_of") -> int:
        """Read a moment up to the end of observation, the default: microseconds UTC."""
        text = None if when is None else _text_of(when, argument)
        with _named(argument):
            return self._session.moment(text, self._reading, argument)

    def _earlier(self, since: When, as_of: int) -> int:
        """Read `since`, a day as its end; InputError where it is not before `as_of`."""
        with _named("since"):
            return self._session.earlier(_text_of(since, "since"), as_of)

    def _now(self, now: When | None) -> int:
        """Read the moment of a run: the clock is looked at here, at the door, and nowhere below."""
        if now is None:
            return read_clock()
        with _named("now"):
            return moment(_text_of(now, "now"), self._session.project, "now")

    def _run(self, as_of: When | None, now: When | None) -> RunMoment:
        """Say when a run is made, and as of when."""
        at = self._now(now)
        return RunMoment(self._moment(as_of), at, new_run_id(at))

    def _reading_of(self, kinds: Mapping[str, Kind]) -> CrmData:
        """Give the tables with every column read as it was when a model was trained.

        InputError where the project lacks a column that the model was trained on.
        """
        own = {each.name: each.kind for each in self._reading.tables.attributes}
        lacking = sorted(set(kinds) - {*own, *ANSWER_COLUMNS})
        if lacking:
            raise InputError(
                f"the model was trained on columns that this project does not have: "
                f"{', '.join(lacking)}",
                cure="give it the project that it was trained on, or train again",
            )
        return self._reading if own == dict(kinds) else self._session.read(kinds=kinds)

    def _require_state(self) -> StatePaths:
        """Give the state folder; InputError where nothing said which."""
        if self._scratch is not None:
            raise InputError(
                "what is registered or sent needs a state folder to be kept in",
                argument="state",
                cure="give read(..., state=FOLDER)",
            )
        return self._session.state

    def _shown(self) -> Shown:
        tables = self._reading.tables
        rate = self.n_conversions / max(self.n_leads, 1)
        static = tables.created_at is None
        until = "no clock (static mode)" if static else cell(self.observed_until)
        return Shown(
            f"CRM of {self.name}",
            f"{self.n_leads:,} leads, {self.n_events:,} events, {self.n_conversions:,} conversions",
            facts=(
                ("leads", f"{self.n_leads:,}"),
                ("events", f"{self.n_events:,}"),
                ("converted so far", f"{self.n_conversions:,} ({rate:.1%})"),
                ("observed until", until),
            ),
            notes=self.notes,
            tables=(table_of(self.attributes, "What is known of a lead, and since when"),),
        )


@contextmanager
def _named(argument: str) -> Iterator[None]:
    """Name the argument of a call where an error would name an option of the command."""
    try:
        yield
    except InputError as error:
        raise InputError(error.cause, argument=argument, cure=error.cure) from None


def need_crm(crm: object) -> CrmProject:
    """Give the project that was read; InputError where it is something else."""
    if isinstance(crm, CrmProject):
        return crm
    raise InputError(
        f"a project that was read is needed, found {type(crm).__name__}",
        argument="crm",
        cure="crm = leadscore.read(…), then pass crm",
    )


def _clock_of(attribute: Attribute, *, static: bool) -> str:
    if static:
        return "not known"
    if attribute.changes is not None:
        return "replayed from the field history"
    return "fixed at creation" if attribute.known_at is None else "known from a date on"


def _text_of(when: When, argument: str) -> str:
    """Write a moment as text; InputError where it is something else."""
    if isinstance(when, np.datetime64):
        when = pd.Timestamp(when)
    if isinstance(when, str | date):
        return when if isinstance(when, str) else when.isoformat()
    raise InputError(
        f"is no moment but {type(when).__name__}",
        argument=argument,
        cure='write "2026-11-01", or give a date, a datetime or a pandas Timestamp',
    )


def whole_number(value: object, argument: str, *, least: int, cure: str) -> int:
    """Take a whole number from `least` on, also numpy's; InputError for all else."""
    if not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least:
        return int(value)
    raise InputError(f"is {value!r}", argument=argument, cure=cure)
