"""PostgreSQL by binary COPY. Tested with a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.crm.connector import Connector, Target

if TYPE_CHECKING:
    from serving.crm.postgresql.writer import PostgresCrm


def _write(target: Target) -> PostgresCrm:
    from serving.crm.postgresql.writer import PostgresCrm

    return PostgresCrm(
        target.url,
        target.allow,
        entity=target.entity,
        key=target.key,
        fields=target.fields,
        override=target.override,
    )


CONNECTOR = Connector(
    name="postgresql",
    address="database",
    credentials="login",
    write=_write,
    instead_of_pull='name the table in the project file: source = "postgresql://…"',
)
