"""HubSpot: contacts and their properties. Contract-tested, not tested live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.crm.connector import Connector, Target

if TYPE_CHECKING:
    from serving.crm.hubspot.reader import HubSpotReader
    from serving.crm.hubspot.writer import HubSpotCrm
    from serving.crm.retries import RetryingCall


def _write(target: Target) -> HubSpotCrm:
    from serving.crm.hubspot.writer import HubSpotCrm

    return HubSpotCrm(
        target.url,
        target.allow,
        target.secret,
        entity=target.entity,
        key=target.key,
        fields=target.fields,
        override=target.override,
    )


def _read(crm: HubSpotCrm, ask: RetryingCall) -> HubSpotReader:
    from serving.crm.hubspot.reader import HubSpotReader

    return HubSpotReader(crm.http, ask, score_fields=crm.score_fields)


CONNECTOR = Connector(
    name="hubspot",
    address="service",
    credentials="token",
    write=_write,
    read=_read,
    entity="contacts",
    pulled=("contacts",),
    key="id",
)
