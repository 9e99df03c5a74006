"""A project file, or a dict and frames -> the CRM that it describes, read: `CrmProject`."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import narwhals as nw
import pandas as pd
from narwhals.typing import IntoDataFrame

from data.clock import NEVER
from data.errors import InputError
from data.reading.read_tables import CrmData
from data.reading.review import undeclared_columns
from data.reading.sources import Given, plain_table
from data.reading.values import moment
from data.tables import Attribute, Kind
from leadscore.shown import Showable, Shown, cell, table_of
from serving.cli.clock import now as read_clock
from serving.session import Session, open_session
from training.state import StatePaths

AnyFrame: TypeAlias = IntoDataFrame
"""A table in memory: pandas, polars, Arrow, or another that narwhals knows."""
Frames: TypeAlias = AnyFrame | Sequence[AnyFrame]
When: TypeAlias = str | date
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
        found = [(a.name, a.kind, _clock_of(a)) for a in self._reading.tables.attributes]
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

        InputError where `as_of` is no moment, or lies after the end of observation.
        """
        self._moment(as_of)
        text = _text_of(as_of)
        project = self._session.project
        section = project.project.model_copy(update={"observed_until": text})
        cut = project.model_copy(update={"project": section})
        session = replace(self._session, project=cut, file=None)
        return CrmProject(session, session.read(), self._scratch)

    def _moment(self, when: When | None, key: str = "as_of") -> int:
        """Read a moment up to the end of observation, the default: microseconds UTC."""
        text = None if when is None else _text_of(when)
        return self._session.moment(text, self._reading, key)

    def _now(self, now: When | None) -> int:
        """Read the moment of a run: the clock is looked at here, at the door, and nowhere below."""
        if now is None:
            return read_clock()
        return moment(_text_of(now), self._session.project, "now")

    def _reading_of(self, kinds: Mapping[str, Kind]) -> CrmData:
        """Give the tables with every column read as it was when a model was trained.

        InputError where the project lacks a column that the model was trained on.
        """
        own = {each.name: each.kind for each in self._reading.tables.attributes}
        lacking = sorted(set(kinds) - set(own))
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
                column="state",
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


def need_crm(crm: object) -> CrmProject:
    """Give the project that was read; InputError where it is something else."""
    if isinstance(crm, CrmProject):
        return crm
    raise InputError(
        f"a project that was read is needed first, found {type(crm).__name__}",
        cure="crm = leadscore.read(…), then pass crm",
    )


def read(
    project: str | Path | Mapping[str, object],
    *,
    leads: AnyFrame | None = None,
    events: Frames | None = None,
    history: Frames | None = None,
    join: Frames | None = None,
    conversion: AnyFrame | None = None,
    frames: Mapping[str, AnyFrame] = MappingProxyType({}),
    overrides: Mapping[str, object] = MappingProxyType({}),
    state: str | Path | None = None,
    tracking: str | None = None,
    threads: int | None = None,
) -> CrmProject:
    """Read the tables of a project: files, databases, or frames in their place.

    Parameters
    ----------
    project
        Path of a project file, or what one holds as a nested dict. In a dict, `source` may be left
        out where a frame is given. Relative paths start at the file, or where the program runs.
    leads, conversion
        The table of leads; the table of opportunities: pandas, polars or Arrow, with the same
        result.
    events, history, join
        One table, or one for each section of that name in the project, in their order.
    frames
        Any further table by its place: ``{"join.0.history.0": changes}``.
    overrides
        Keys of the project by their dotted names: ``{"leads.fixed": ["country"]}``.
    state
        Folder of registry, runs and ledger; default: the project file's, or
        ``.leadscore/<name>``. A dict without one has none, and nothing can be registered.
    tracking
        URI of an MLflow server; default: SQLite in the state folder.
    threads
        Default: all cores. Results do not depend on it.

    Returns
    -------
    CrmProject
        It shows leads, events, and what is known of a lead since when.

    Raises
    ------
    InputError
        With table, row, column, cause and cure, where project or tables are wrong.
    """
    tables = {
        **_numbered("leads", leads),
        **_numbered("events", events),
        **_numbered("history", history),
        **_numbered("join", join),
        **_numbered("conversion", conversion),
        **frames,
    }
    given = {label: _as_given(frame, label) for label, frame in tables.items()}
    described = _with_sources(project, given) if isinstance(project, Mapping) else Path(project)
    session = open_session(
        described,
        frames=given,
        overrides=overrides,
        state=None if state is None else Path(state),
        tracking=tracking,
        threads=threads,
    )
    scratch = None
    if isinstance(project, Mapping) and state is None and session.project.project.state is None:
        scratch = ScratchFolder()
        session = replace(session, state=StatePaths(scratch.path))
    return CrmProject(session, session.read(), scratch)


def _numbered(name: str, given: Frames | None) -> dict[str, AnyFrame]:
    """Name the tables of a section as the reader does: "leads", but "events.0", "events.1"."""
    if given is None:
        return {}
    if name in ("leads", "conversion"):
        return {name: given}  # type: ignore[dict-item]
    several = given if isinstance(given, (list, tuple)) else [given]
    return {f"{name}.{i}": each for i, each in enumerate(several)}


def _as_given(frame: Any, label: str) -> Given:
    """Take a table of any library as the reader takes it: pandas as it is, others through Arrow."""
    if isinstance(frame, pd.DataFrame):
        return frame
    try:
        table = nw.from_native(frame, eager_only=True).to_arrow()
    except TypeError:
        raise InputError(
            f"is no table in memory but {type(frame).__name__}",
            file=label,
            cure="give a pandas, polars or Arrow table; collect what is lazy",
        ) from None
    return plain_table(table)


def _with_sources(project: Mapping[str, object], given: Mapping[str, Given]) -> dict[str, object]:
    """Name a source for each table that a frame stands for: a dict need not."""
    raw = deepcopy(dict(project))
    for label in given:
        section = _section(raw, label)
        if isinstance(section, dict):
            section.setdefault("source", label)
    return raw


def _section(raw: Any, label: str) -> Any:
    """Find the section of a label; None where it is not there: the reader says so."""
    keys = label.split(".")
    here = raw.get("leads") if keys[0] in ("history", "join") else raw
    for key in keys:
        try:
            here = here[int(key)] if key.isdigit() else here[key]
        except (KeyError, IndexError, TypeError):
            return None
    return here


def _clock_of(attribute: Attribute) -> str:
    if attribute.changes is not None:
        return "replayed from the field history"
    return "fixed at creation" if attribute.known_at is None else "known from a date on"


def _text_of(when: When) -> str:
    return when if isinstance(when, str) else when.isoformat()
