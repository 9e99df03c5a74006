"""One CSV or Parquet file that another program picks up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from serving.crm.connector import Connector, Target

if TYPE_CHECKING:
    from serving.crm.files.writer import FileCrm


def _write(target: Target) -> FileCrm:
    from serving.crm.files.writer import FileCrm

    return FileCrm(Path(target.url), key=target.key, fields=target.fields)


CONNECTOR = Connector(
    name="files",
    address="file",
    credentials="none",
    write=_write,
    instead_of_pull='name the file in the project file: source = "leads.parquet"',
    takes=("key", "fields"),
)
