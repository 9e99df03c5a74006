"""A project file, or a dict and frames -> the CRM that it describes, read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from data.errors import InputError
from data.reading.any_table import AnyFrame, as_given
from leadscore.crm_project import CrmProject, ScratchFolder, whole_number
from serving.session import open_session
from training.state import StatePaths

Frames: TypeAlias = AnyFrame | Sequence[AnyFrame]
CORES: Final = "use 1 or more, or leave it out for all cores"


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
    project : path or dict
        Path of a project file, or what one holds as a nested dict (see the example). In a dict,
        `source` may be left out where a frame is given. Relative paths start at the file, or where
        the program runs.
    leads, conversion : pandas, polars or Arrow table, optional
        The table of leads; the table of opportunities. Whatever library a table is of, the same
        is read. An index that has a name is a column like the others.
    events, history, join : table or list of tables, optional
        One table, or one for each section of that name in the project, in their order.
    frames : dict, optional
        Any further table by its place: ``{"join.0.history.0": changes}``.
    overrides : dict, optional
        Keys of the project by their dotted names: ``{"leads.fixed": ["country"]}``.
    state : path, optional
        Folder of registry, runs and ledger; default: the project file's, or
        ``.leadscore/<name>``. A dict without one has none, and nothing can be registered.
    tracking : str, optional
        URI of an MLflow server; default: SQLite in the state folder.
    threads : int, optional
        Default: all cores. Results do not depend on it.

    Returns
    -------
    CrmProject
        It shows leads, events, and what is known of a lead since when.

    Raises
    ------
    InputError
        With table, row, column, cause and cure, where project or tables are wrong.

    Examples
    --------
    A company with a table of leads and a table of what they did: a lead is won within 90 days, or
    is not.

    >>> import pandas as pd
    >>> leads = pd.DataFrame({
    ...     "id": ["L1", "L2", "L3"],
    ...     "created": ["2026-01-05", "2026-01-09", "2026-02-11"],
    ...     "won": [None, "2026-02-20", None],
    ...     "country": ["IT", "FR", "IT"],
    ... })
    >>> visits = pd.DataFrame({
    ...     "lead": ["L2", "L2"],
    ...     "at": ["2026-01-10 09:30", "2026-01-12 17:05"],
    ...     "what": ["pricing page", "demo request"],
    ... })
    >>> project = {
    ...     "project": {"name": "acme", "timezone": "Europe/Rome"},
    ...     "leads": {
    ...         "id": "id",
    ...         "created_at": "created",
    ...         "converted_at": "won",
    ...         "fixed": ["country"],  # known at creation, never changed
    ...     },
    ...     "events": [{"lead": "lead", "at": "at", "type": ["what"]}],
    ...     "conversion": {"horizon": "90d"},
    ... }
    >>> read(project, leads=leads, events=visits)
    <CRM of acme: 3 leads, 2 events, 1 conversions>
    """
    tables = {
        **_numbered("leads", leads),
        **_numbered("events", events),
        **_numbered("history", history),
        **_numbered("join", join),
        **_numbered("conversion", conversion),
        **frames,
    }
    given = {label: as_given(frame, label) for label, frame in tables.items()}
    described: Path | dict[str, object]
    if isinstance(project, Mapping):
        described = _with_sources(project, list(given))
    elif isinstance(project, str | Path):
        described = Path(project)
    else:
        raise InputError(
            f"a path or a dict is needed, found {type(project).__name__}",
            argument="project",
            cure="read({…}, leads=table), the dict as in help(leadscore.read)",
        )
    session = open_session(
        described,
        frames=given,
        overrides=overrides,
        state=None if state is None else Path(state),
        tracking=tracking,
        threads=None if threads is None else whole_number(threads, "threads", least=1, cure=CORES),
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


def _with_sources(project: Mapping[str, object], given: Sequence[str]) -> dict[str, object]:
    """Name a source for each table that a frame stands for: a dict need not.

    InputError where a section has neither.
    """
    raw = deepcopy(dict(project))
    for label in given:
        section = _section(raw, label)
        if isinstance(section, dict):
            section.setdefault("source", label)
    for label in _tables_of(raw):
        section = _section(raw, label)
        if isinstance(section, dict) and "source" not in section:
            raise InputError(
                "has no table",
                argument=label,
                cure=f"give read(…, {label.partition('.')[0]}=table), or its source",
            )
    return raw


def _tables_of(raw: Mapping[str, Any]) -> Iterator[str]:
    """Name the sections of a project that each need a table."""
    leads = raw.get("leads")
    if isinstance(leads, dict):
        yield "leads"
    for name, here in (("events", raw), ("history", leads), ("join", leads)):
        sections = here.get(name) if isinstance(here, dict) else None
        yield from (f"{name}.{i}" for i in range(len(sections) if sections else 0))


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
