"""MySQL and MariaDB, through SQLAlchemy. Tested with a real MariaDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.crm.connector import Connector, Target

if TYPE_CHECKING:
    from serving.crm.mysql.writer import AlchemyCrm


def _write(target: Target) -> AlchemyCrm:
    from serving.crm.mysql.writer import AlchemyCrm

    return AlchemyCrm(
        target.url,
        target.allow,
        entity=target.entity,
        key=target.key,
        fields=target.fields,
        override=target.override,
    )


CONNECTOR = Connector(
    name="mysql",
    address="database",
    credentials="login",
    write=_write,
    instead_of_pull='name the table in the project file: source = "mysql://…"',
)
