"""A project file that was just proposed -> one line on what is read with it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from data.clock import NEVER
from data.errors import LeadScoreError
from data.project import load_project
from data.reading.read_tables import read_tables


def read_back(text: str, folder: str | Path) -> str:
    """Read the sources as the file says, and say how many leads there are and convert.

    What cannot be read is said as it is: the file was written all the same.
    """
    raw = {**tomllib.loads(text), "folder": str(Path(folder).resolve())}
    try:
        tables, outcomes = read_tables(load_project(raw))
    except LeadScoreError as error:
        return f"it does not read yet: {error}"
    won, n = int((outcomes.converted_at != NEVER).sum()), len(tables)
    events = f", {len(tables.events):,} events" if len(tables.events) else ""
    return f"with it are read: {n:,} leads, {won:,} converted ({won / n:.1%}){events}"
