"""Names of tables and columns that come from a project file -> quoted, or refused."""

from __future__ import annotations

import re
from typing import Final

from data.errors import InputError

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$ ]{0,62}")


def quote(name: str) -> str:
    """Quote one identifier, `schema.table` included; anything odd is refused, never escaped.

    >>> quote("crm.leads")
    '"crm"."leads"'
    """
    parts = name.split(".")
    if len(parts) > 2 or not all(_NAME.fullmatch(part) for part in parts):
        raise InputError(
            f"is no name of a table or column: {name!r}",
            file="project file",
            column="write_back",
            cure="use letters, digits and underscores",
        )
    return ".".join(f'"{part}"' for part in parts)
