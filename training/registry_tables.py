"""MLflow's SQLite registry -> one registered version, read from its tables.

Importing MLflow takes longer than explaining a lead, and a look-up needs three rows. Whatever the
tables do not say clearly (another schema, two workspaces, a version that is gone, a locked file) is
None: MLflow is then asked, which finds it or says why not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_BY_ALIAS: Final = "select version from registered_model_aliases where name = ? and alias = ?"
_VERSION: Final = (
    "select coalesce(nullif(storage_location, ''), source) from model_versions "
    "where name = ? and version = ? and current_stage != 'Deleted_Internal'"
)
_TAGS: Final = "select key, value from model_version_tags where name = ? and version = ?"
_NEWEST: Final = "latest"
"""An alias that MLflow resolves by itself."""


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A registered version: its number, the URI of its MLflow model, its tags."""

    version: str
    uri: str
    tags: Mapping[str, str]


def read_version(file: Path, name: str, reference: str) -> StoredVersion | None:
    """Read the version with a number or an alias; None where MLflow has to be asked."""
    if reference.lower() == _NEWEST or not file.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as tables:
            number = reference
            if not reference.isdecimal():
                aliased = tables.execute(_BY_ALIAS, (name, reference)).fetchall()
                if len(aliased) != 1:
                    return None
                number = str(aliased[0][0])
            found = tables.execute(_VERSION, (name, int(number))).fetchall()
            tags = tables.execute(_TAGS, (name, int(number))).fetchall()
    except (sqlite3.Error, OverflowError):
        return None
    if len(found) != 1 or not found[0][0]:
        return None
    return StoredVersion(str(int(number)), str(found[0][0]), dict(tags))
