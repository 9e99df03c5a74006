"""The list of CRMs that leadscore knows, and the project file's [write_back] -> one of them, open.

A new CRM is a folder beside this file, its import here and a line in `CONNECTORS`; no other code
compares names of CRMs. The folder's `__init__` declares the `CONNECTOR` and is imported always;
`writer` and, where it is pulled, `reader` import the CRM's client and are imported when that CRM
is opened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data.errors import InputError, OutsideError
from serving.crm import (
    dataverse,
    files,
    hubspot,
    mysql,
    postgresql,
    rest,
    salesforce,
    sqlite,
    tryton,
)
from serving.crm.connector import Connector, Target
from serving.crm.credentials import secret, user_and_password, with_credentials
from serving.crm.interface import Crm, CrmError, Denied

if TYPE_CHECKING:
    from data.schema_steps import WriteBackSection

CONNECTORS: Final[Mapping[str, Connector[Any]]] = {
    each.name: each
    for each in (
        sqlite.CONNECTOR,
        postgresql.CONNECTOR,
        mysql.CONNECTOR,
        files.CONNECTOR,
        tryton.CONNECTOR,
        salesforce.CONNECTOR,
        hubspot.CONNECTOR,
        dataverse.CONNECTOR,
        rest.CONNECTOR,
    )
}


def connector_of(section: WriteBackSection) -> Connector[Any]:
    """Find the connector that the section names; InputError where there is none."""
    if section.crm not in CONNECTORS:
        raise InputError(
            f"is no CRM that leadscore knows: {section.crm!r}",
            column="write_back.crm",
            cure=f"use one of {', '.join(CONNECTORS)}",
        )
    return CONNECTORS[section.crm]


def refuse_idle_keys(section: WriteBackSection) -> None:
    """Refuse keys of [write_back] that the CRM named there does not read, unless at its default."""
    connector = connector_of(section)
    embedded = section.url is None and connector.embedded is not None
    for key in ("entity", "key", "fields", "override", "credentials"):
        given = getattr(section, key)
        usual = (getattr(connector, key), *connector.pulled) if key in ("entity", "key") else ()
        if key not in section.model_fields_set or not given or given in usual:
            continue
        if embedded:
            raise InputError(
                "has no effect without url: scores go to the embedded CRM of the state folder",
                column=f"write_back.{key}",
                cure="say where the CRM is in url, or take it out",
            )
        if key not in connector.takes:
            raise InputError(
                f"has no effect with crm = {section.crm!r}",
                column=f"write_back.{key}",
                cure="take it out",
            )


def is_embedded(section: WriteBackSection) -> bool:
    """Tell whether no CRM is named: scores then go to the embedded one in the state folder."""
    return section.url is None and connector_of(section).embedded is not None


def connect(
    section: WriteBackSection,
    state: Path,
    allow: tuple[str, ...] = (),
    sleep: Callable[[float], None] = time.sleep,
    base: Path = Path(),
) -> Crm:
    """Open the CRM that the section names; secrets come from the environment variable it names.

    A file is looked for from `base` on, the folder of the project file.
    """
    connector = connector_of(section)
    try:
        if section.url is None and connector.embedded is not None:
            crm: Crm = connector.embedded(state)
        else:
            crm = connector.write(_target(connector, section, base, allow, sleep))
    except Denied as error:
        raise OutsideError(
            f"{section.crm} refuses access: {error}", cure="check the rights"
        ) from None
    except CrmError as error:
        raise OutsideError(f"{section.crm} cannot be reached: {error}", cure="run again") from None
    return crm


def _target(
    connector: Connector[Any],
    section: WriteBackSection,
    base: Path,
    allow: tuple[str, ...],
    sleep: Callable[[float], None],
) -> Target:
    """Fill in the connector's defaults and the credentials that its kind of address needs."""
    url, credential = section.url, ""
    if not url:
        raise InputError("is missing", column="write_back.url", cure=f"say where {section.crm} is")
    if connector.address == "file":
        url = str(base / url.removeprefix("sqlite:///"))
    elif connector.address == "database":
        url = with_credentials(url, section.credentials)
    elif connector.credentials == "login":
        credential = ":".join(user_and_password(section.credentials))
    elif connector.credentials == "token":
        credential = secret(section.credentials)
    declared = section.model_fields_set
    return Target(
        url,
        allow,
        credential,
        entity=section.entity if "entity" in declared else connector.entity,
        key=section.key if "key" in declared else connector.key,
        fields=section.fields,
        override=section.override,
        sleep=sleep,
    )
