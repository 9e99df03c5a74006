"""SQLite: the embedded CRM of the state folder, or any other file. Tested with a real SQLite."""

from __future__ import annotations

from pathlib import Path

from serving.crm.connector import Connector, Target
from serving.crm.sqlite import embedded
from serving.crm.sqlite.writer import SqliteCrm


def _write(target: Target) -> SqliteCrm:
    return SqliteCrm(
        Path(target.url.removeprefix("sqlite:///")),
        entity=target.entity,
        key=target.key,
        fields=target.fields,
        override=target.override,
    )


def _embedded(state: Path) -> SqliteCrm:
    return SqliteCrm(embedded.create(state), override=embedded.OVERRIDE)


CONNECTOR = Connector(
    name="sqlite",
    address="file",
    credentials="none",
    write=_write,
    instead_of_pull='name the table in the project file: source = "sqlite:///crm.sqlite"',
    embedded=_embedded,
    takes=("entity", "key", "fields", "override"),
)
