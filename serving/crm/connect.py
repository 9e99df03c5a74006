"""The project file's [write_back] section -> the connector of that CRM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import InputError
from serving.crm import embedded
from serving.crm.seam import Crm

if TYPE_CHECKING:
    from data.schema import WriteBackSection

KINDS = ("sqlite", "postgresql", "mysql", "tryton", "salesforce", "hubspot", "dataverse", "files")


def is_embedded(section: WriteBackSection) -> bool:
    """Tell that no CRM is named: scores go to the embedded one in the state folder."""
    return section.crm == "sqlite" and section.url is None


def connect(section: WriteBackSection, state: Path, allow: tuple[str, ...] = ()) -> Crm:
    """Open the CRM that the section names; secrets come from the environment variable it names."""
    del allow
    if section.crm == "sqlite":
        return _sqlite(section, state)
    raise InputError(
        f"is no CRM that leadscore knows: {section.crm!r}",
        column="write_back.crm",
        cure=f"use one of {', '.join(KINDS)}",
    )


def _sqlite(section: WriteBackSection, state: Path) -> Crm:
    from serving.crm.sqlite import SqliteCrm

    if is_embedded(section):
        path = state / "crm.sqlite"
        embedded.create(path)
        return SqliteCrm(path, override=embedded.OVERRIDE)
    path = Path(str(section.url).removeprefix("sqlite:///"))
    return SqliteCrm(
        path,
        entity=section.entity,
        key=section.key,
        fields=section.fields,
        override=section.override,
    )
