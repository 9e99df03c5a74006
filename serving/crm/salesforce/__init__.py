"""Salesforce: leads and their custom fields. Contract-tested, not tested live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.crm.connector import Connector, Target

if TYPE_CHECKING:
    from serving.crm.retries import RetryingCall
    from serving.crm.salesforce.reader import SalesforceReader
    from serving.crm.salesforce.writer import SalesforceCrm


def _write(target: Target) -> SalesforceCrm:
    from serving.crm.salesforce.writer import SalesforceCrm

    return SalesforceCrm(
        target.url,
        target.allow,
        target.secret,
        entity=target.entity,
        fields=target.fields,
        override=target.override,
        sleep=target.sleep,
    )


def _read(crm: SalesforceCrm, ask: RetryingCall) -> SalesforceReader:
    from serving.crm.salesforce.reader import SalesforceReader

    return SalesforceReader(crm.http, ask, score_fields=crm.score_fields)


CONNECTOR = Connector(
    name="salesforce",
    address="service",
    credentials="token",
    write=_write,
    read=_read,
    entity="Lead",
    pulled=("Lead",),
    key="id",
    takes=("entity", "fields", "override", "credentials"),
)
