"""The project file's [write_back] section -> the connector of that CRM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from data.errors import InputError, OutsideError
from serving.crm import embedded
from serving.crm.network import secret, user_and_password, with_credentials
from serving.crm.seam import Crm, CrmError, Denied
from serving.crm.sqlite import SqliteCrm

if TYPE_CHECKING:
    from data.schema import WriteBackSection

KINDS = (
    "sqlite", "postgresql", "mysql", "files", "tryton", "salesforce", "hubspot", "dataverse", "rest"
)  # fmt: skip


class _Table(TypedDict):
    entity: str
    key: str
    fields: dict[str, str]
    override: str | None


def is_embedded(section: WriteBackSection) -> bool:
    """Tell that no CRM is named: scores go to the embedded one in the state folder."""
    return section.crm == "sqlite" and section.url is None


def connect(section: WriteBackSection, state: Path, allow: tuple[str, ...] = ()) -> Crm:
    """Open the CRM that the section names; secrets come from the environment variable it names."""
    if section.crm not in KINDS:
        raise InputError(
            f"is no CRM that leadscore knows: {section.crm!r}",
            column="write_back.crm",
            cure=f"use one of {', '.join(KINDS)}",
        )
    try:
        if section.crm in ("sqlite", "postgresql", "mysql", "files"):
            return _database(section, state, allow)
        return _service(section, allow)
    except Denied as error:
        raise OutsideError(f"{section.crm} refuses us: {error}", cure="check the rights") from None
    except CrmError as error:
        raise OutsideError(f"{section.crm} cannot be reached: {error}", cure="run again") from None


def _database(section: WriteBackSection, state: Path, allow: tuple[str, ...]) -> Crm:
    if is_embedded(section):
        path = state / "crm.sqlite"
        embedded.create(path)
        return SqliteCrm(path, override=embedded.OVERRIDE)
    table = _Table(
        entity=section.entity, key=section.key, fields=section.fields, override=section.override
    )
    url = _needed(section)
    if section.crm == "files":
        from serving.crm.files import FileCrm

        return FileCrm(Path(url), key=section.key, fields=section.fields)
    if section.crm == "sqlite":
        return SqliteCrm(Path(url.removeprefix("sqlite:///")), **table)
    url = with_credentials(url, section.credentials)
    if section.crm == "postgresql":
        from serving.crm.postgres import PostgresCrm

        return PostgresCrm(url, allow, **table)
    from serving.crm.alchemy import AlchemyCrm

    return AlchemyCrm(url, allow, **table)


def _service(section: WriteBackSection, allow: tuple[str, ...]) -> Crm:
    url, fields, override = _needed(section), section.fields, section.override
    entity = section.entity if "entity" in section.model_fields_set else None
    key = section.key if "key" in section.model_fields_set else "id"
    if section.crm == "tryton":
        from serving.crm.tryton import TrytonCrm

        login = user_and_password(section.credentials)
        return TrytonCrm(url, allow, login, key=key, fields=fields, override=override)
    if section.crm == "rest":
        from serving.crm.rest import RestCrm

        return RestCrm(url, allow, user_and_password(section.credentials), fields=fields)
    token = secret(section.credentials)
    if section.crm == "hubspot":
        from serving.crm.hubspot import HubSpotCrm

        return HubSpotCrm(
            url,
            allow,
            token,
            entity=entity or "contacts",
            key=key,
            fields=fields,
            override=override,
        )
    if section.crm == "salesforce":
        from serving.crm.salesforce import SalesforceCrm

        return SalesforceCrm(
            url, allow, token, entity=entity or "Lead", fields=fields, override=override
        )
    if entity == "msdyn_predictivescore":
        from serving.crm.predictive_scores import PredictiveScoreCrm

        return PredictiveScoreCrm(url, allow, token, override=override)
    from serving.crm.dataverse import DataverseCrm

    return DataverseCrm(
        url, allow, token, entity=entity or "lead", fields=fields, override=override
    )


def _needed(section: WriteBackSection) -> str:
    if not section.url:
        raise InputError("is missing", column="write_back.url", cure=f"say where {section.crm} is")
    return section.url
